/* Trees of RFC 6962: the level above a level of hashes, and the root over leaves. Twins: `merkle._above`, `merkle.Range`. */

#include <string.h>

#include "kernel.h"

#ifndef AB_SOURCES
#error "hatch_build.py says of which sources this is made"
#endif

AB_PUBLIC const char *ab_sources(void);
AB_PUBLIC int ab_above(const struct ab_sha *sha, const uint8_t *level, size_t size, uint8_t *out, size_t room);
AB_PUBLIC int ab_root(const struct ab_sha *sha, const uint8_t *leaves, size_t size, uint8_t *out, size_t room);

/* The digest of the sources that this library was compiled from: another one, and it is not used. */
const char *ab_sources(void)
{
    return AB_SOURCES;
}

/* SHA-256(0x01, left, right) of each pair; a last hash without a neighbour has no node. */
int ab_above(const struct ab_sha *sha, const uint8_t *level, size_t size, uint8_t *out, size_t room)
{
    size_t nodes = size / (2 * AB_HASH);
    uint8_t pair[1 + 2 * AB_HASH] = {1};

    if (room / AB_HASH < nodes)
        return AB_ROOM;
    for (size_t node = 0; node < nodes; node++) {
        memcpy(pair + 1, level + node * 2 * AB_HASH, 2 * AB_HASH);
        if (!ab_digest(sha, pair, sizeof pair, out + node * AB_HASH))
            return AB_LIBRARY;
    }
    return AB_DONE;
}

static int joined(const struct ab_sha *sha, const uint8_t *left, const uint8_t *right, uint8_t *out)
{
    uint8_t pair[1 + 2 * AB_HASH] = {1};

    memcpy(pair + 1, left, AB_HASH);
    memcpy(pair + 1 + AB_HASH, right, AB_HASH);
    return ab_digest(sha, pair, sizeof pair, out);
}

/* The root over one leaf or more: a tree that grows is the roots of its complete subtrees, one for each bit of its size. */
int ab_root(const struct ab_sha *sha, const uint8_t *leaves, size_t size, uint8_t *out, size_t room)
{
    uint8_t peaks[64][AB_HASH];
    size_t count = size / AB_HASH, held = 0;

    if (room < AB_HASH)
        return AB_ROOM;
    if (count == 0)
        return AB_DECLINED;
    for (size_t leaf = 0; leaf < count; leaf++) {
        memcpy(peaks[held++], leaves + leaf * AB_HASH, AB_HASH);
        for (size_t before = leaf; before & 1; before >>= 1, held--)
            if (!joined(sha, peaks[held - 2], peaks[held - 1], peaks[held - 2]))
                return AB_LIBRARY;
    }
    for (; held > 1; held--)
        if (!joined(sha, peaks[held - 2], peaks[held - 1], peaks[held - 2]))
            return AB_LIBRARY;
    memcpy(out, peaks[0], AB_HASH);
    return AB_DONE;
}
