/* Trees of RFC 6962: the level above a level of hashes. Its twin is `merkle._above`. */

#include <string.h>

#include "kernel.h"

#ifndef AB_SOURCES
#error "hatch_build.py says of which sources this is made"
#endif

AB_PUBLIC const char *ab_sources(void);
AB_PUBLIC int ab_above(const struct ab_sha *sha, const uint8_t *level, size_t size, uint8_t *out, size_t room);

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
