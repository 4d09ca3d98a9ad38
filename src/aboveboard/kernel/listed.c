/* Which identifiers are on a list of keyed hashes: HMAC-SHA-256 of each, in the one spelling that is hashed, looked up among
 * sorted hashes. Its twin is `suppression.Suppressions.among`; what is not ASCII is left to it.
 */

#include <string.h>

#include "kernel.h"

enum { NOT_LISTED = 0, LISTED = 1, ASK = 2, BLOCK = 64, LONGEST = 256 };

/* A list, and the two states that HMAC under its key begins with. */
struct list {
    const struct ab_sha *sha;
    union ab_context inner, outer;
    const uint8_t *hashes;
    int64_t count;
};

AB_PUBLIC int ab_listed(const struct ab_sha *sha, const uint8_t *pads, const uint8_t *hashes, int64_t hashes_size,
                        const uint8_t *data, int64_t size, const uint8_t *offsets, int64_t offsets_size, int64_t wide,
                        int64_t first, int64_t count, int64_t longest, uint8_t *out, int64_t room);
AB_PUBLIC int ab_listed_in_page(const struct ab_sha *sha, const uint8_t *pads, const uint8_t *hashes, int64_t hashes_size,
                                const uint8_t *page, int64_t size, int64_t count, int64_t longest, uint8_t *out, int64_t room);

static int begun(struct list *list, const struct ab_sha *sha, const uint8_t *pads, const uint8_t *hashes, int64_t hashes_size)
{
    list->sha = sha;
    list->hashes = hashes;
    list->count = hashes_size / AB_HASH;
    return sha->init(&list->inner) == 1 && sha->update(&list->inner, pads, BLOCK) == 1 && sha->init(&list->outer) == 1
           && sha->update(&list->outer, pads + BLOCK, BLOCK) == 1;
}

/* The spelling of ASCII that is hashed, into so much room as it is long; returns how long the spelling is. */
static int64_t spelt(const uint8_t *said, int64_t size, uint8_t *plain, const uint8_t **begin)
{
    for (int64_t at = 0; at < size; at++)
        plain[at] = said[at] >= 'A' && said[at] <= 'Z' ? (uint8_t)(said[at] + 32) : said[at];
    *begin = plain;
    if (size >= 5 && memcmp(plain, "acct:", 5) == 0) {
        *begin += 5;
        size -= 5;
    }
    if (size > 1 && (*begin)[0] == '@' && memchr(*begin + 1, '@', (size_t)(size - 1)) != NULL) {
        *begin += 1;
        size -= 1;
    }
    return size;
}

static int found(const struct list *list, const uint8_t *hash)
{
    int64_t low = 0, high = list->count;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = memcmp(list->hashes + middle * AB_HASH, hash, AB_HASH);
        if (order == 0)
            return 1;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Whether one identifier is on the list; -1 where the library fails. */
static int listed(const struct list *list, const uint8_t *said, int64_t size, int64_t longest)
{
    union ab_context context;
    uint8_t plain[LONGEST], hash[AB_HASH];
    int has_at = 0;
    uint8_t every = 0;

    if (size > longest)
        return NOT_LISTED;
    if (size > LONGEST)
        return ASK;
    for (int64_t at = 0; at < size; at++) {
        every |= said[at];
        has_at |= said[at] == '@';
    }
    if (every & 0x80)
        return ASK;
    if (has_at)
        size = spelt(said, size, plain, &said);
    context = list->inner;
    if ((size > 0 && list->sha->update(&context, said, (size_t)size) != 1) || list->sha->final(hash, &context) != 1)
        return -1;
    context = list->outer;
    if (list->sha->update(&context, hash, AB_HASH) != 1 || list->sha->final(hash, &context) != 1)
        return -1;
    return found(list, hash) ? LISTED : NOT_LISTED;
}

/* Each of `count` values from `first` on, told by offsets (of 4 or 8 bytes) into data: whether it is listed, or the twin is
 * to be asked. */
int ab_listed(const struct ab_sha *sha, const uint8_t *pads, const uint8_t *hashes, int64_t hashes_size, const uint8_t *data,
              int64_t size, const uint8_t *offsets, int64_t offsets_size, int64_t wide, int64_t first, int64_t count,
              int64_t longest, uint8_t *out, int64_t room)
{
    struct list list;
    int64_t most = INT64_C(1) << 40, begin, end;
    int code;

    if (first < 0 || count < 0 || first > most || count > most || (wide != 4 && wide != 8) || longest < 0)
        return AB_DECLINED;
    if (offsets_size / wide < first + count + 1)
        return AB_DECLINED;
    if (room < count)
        return AB_ROOM;
    if (!begun(&list, sha, pads, hashes, hashes_size))
        return AB_LIBRARY;
    for (int64_t at = 0; at < count; at++) {
        begin = ab_integer(offsets, first + at, (int)wide * 8);
        end = ab_integer(offsets, first + at + 1, (int)wide * 8);
        if (begin < 0 || end < begin || end > size)
            return AB_DECLINED;
        if ((code = listed(&list, data + begin, end - begin, longest)) < 0)
            return AB_LIBRARY;
        out[at] = (uint8_t)code;
    }
    return AB_DONE;
}

/* The same of a page of Parquet in plain encoding: each value with its length before it, in four bytes, low byte first. */
int ab_listed_in_page(const struct ab_sha *sha, const uint8_t *pads, const uint8_t *hashes, int64_t hashes_size,
                      const uint8_t *page, int64_t size, int64_t count, int64_t longest, uint8_t *out, int64_t room)
{
    struct list list;
    int64_t at = 0, length;
    int code;

    if (count < 0 || longest < 0)
        return AB_DECLINED;
    if (room < count)
        return AB_ROOM;
    if (!begun(&list, sha, pads, hashes, hashes_size))
        return AB_LIBRARY;
    for (int64_t value = 0; value < count; value++) {
        if (size - at < 4)
            return AB_DECLINED;
        length = (int64_t)page[at] | (int64_t)page[at + 1] << 8 | (int64_t)page[at + 2] << 16 | (int64_t)page[at + 3] << 24;
        at += 4;
        if (length > size - at)
            return AB_DECLINED;
        if ((code = listed(&list, page + at, length, longest)) < 0)
            return AB_LIBRARY;
        out[value] = (uint8_t)code;
        at += length;
    }
    return AB_DONE;
}
