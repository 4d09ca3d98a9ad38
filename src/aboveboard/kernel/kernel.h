/* What the files of the compiled kernel share. Plain C over bytes that the caller owns: nothing is allocated, nothing is kept
 * between calls, nothing knows of Python. Every function returns AB_DONE, or says why it wrote nothing that may be used.
 */
#ifndef ABOVEBOARD_KERNEL_H
#define ABOVEBOARD_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define AB_PUBLIC __attribute__((visibility("default")))

enum {
    AB_DONE = 0,
    AB_ROOM = 1,     /* what was handed in for the output is too small */
    AB_LIBRARY = 2,  /* the library that hashes said no */
    AB_DECLINED = 3, /* input that this code does not know, or whose offsets lead outside of it: ask the twin */
};

enum { AB_HASH = 32 };

/* SHA-256 of the libcrypto that Python's own hashlib is linked to: there is none of ours. */
struct ab_sha {
    int (*init)(void *context);
    int (*update)(void *context, const void *data, size_t size);
    int (*final)(unsigned char *digest, void *context);
};

/* Room for that library's SHA256_CTX (112 bytes in OpenSSL and what descends from it); a copy of it is a state that may be
 * gone on with. */
union ab_context {
    uint8_t bytes[256];
    uint64_t aligned;
};

/* SHA-256 over the bytes so far: 1, or 0 where the library fails. */
static inline int ab_digest(const struct ab_sha *sha, const void *data, size_t size, uint8_t *out)
{
    union ab_context context;
    return sha->init(&context) == 1 && sha->update(&context, data, size) == 1 && sha->final(out, &context) == 1;
}

/* A signed whole number of a column of Arrow, of 32 or 64 bits, wherever it stands: bytes need not be aligned. */
static inline int64_t ab_integer(const uint8_t *at, int64_t index, int bits)
{
    int32_t four;
    int64_t eight;

    if (bits == 32) {
        memcpy(&four, at + index * 4, sizeof four);
        return four;
    }
    memcpy(&eight, at + index * 8, sizeof eight);
    return eight;
}

#endif
