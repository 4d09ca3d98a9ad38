/* Hashes of rows: for each row of some columns, SHA-256 over constants, values and netstrings of values, and over hashes made
 * before of the same row. Twins: `aboveboard.kernel.rows.told` says what it does, value by value; the formats are those of
 * `manifest.row_bytes` and `descriptor`.
 *
 * Columns are those of Arrow, as nodes in preorder: a list has one child, a struct as many as it has fields. Every size is
 * checked against what was handed in before a value is looked at (`sound`), so that reading needs no check any more.
 */

#include <string.h>

#include "kernel.h"

enum kind { TEXT32 = 1, TEXT64, FIXED, INT32, INT64, BOOL, LIST32, LIST64, STRUCT, NOTHING };
enum op { BEGIN = 1, CONSTANT, RAW, NET, HEX, DIGEST, DIGEST_HEX };
enum { DEEPEST = 12, MOST_HASHES = 4, PIECE = 2048 };

struct ab_node {
    int64_t kind, span; /* span: how many nodes it and all below it are */
    const uint8_t *valid; /* null: every value is there */
    int64_t valid_size;
    const uint8_t *offsets;
    int64_t offsets_size;
    const uint8_t *data;
    int64_t data_size;
    int64_t offset, length, width; /* in values; width: bytes of a FIXED one */
};

struct ab_step {
    int64_t op, index; /* index: of a node that begins a column, or of a hash made before */
    const uint8_t *bytes;
    int64_t size, from; /* of a constant, or which part of a hash */
};

/* What is being hashed: a piece is filled and handed over, so that short values do not cost a call each. */
struct sink {
    const struct ab_sha *sha;
    union ab_context context;
    size_t filled;
    int fine, declined;
    uint8_t piece[PIECE];
};

AB_PUBLIC int ab_rows(const struct ab_sha *sha, const struct ab_node *nodes, int64_t node_count, const struct ab_step *steps,
                      int64_t step_count, int64_t rows, int64_t kept, uint8_t *out, int64_t room);

/* --- whether columns are what they say --------------------------------------------------------------------------------- */

/* Whether so many values of so many bits lie in so many bytes; sizes that would overflow are none. */
static int holds(int64_t size, int64_t values, int64_t bits)
{
    return values >= 0 && values < (INT64_C(1) << 40) && bits >= 0 && bits < (INT64_C(1) << 20) && size >= 0
           && (values * bits + 7) / 8 <= size;
}

static int rising(const struct ab_node *node, int bits, int64_t most)
{
    int64_t before = 0;

    if (node->length == 0)
        return 1;
    if (node->offsets == NULL || !holds(node->offsets_size, node->offset + node->length + 1, bits))
        return 0;
    for (int64_t at = 0; at <= node->length; at++) {
        int64_t next = ab_integer(node->offsets, node->offset + at, bits);
        if (next < before || next > most)
            return 0;
        before = next;
    }
    return 1;
}

static int sound(const struct ab_node *nodes, int64_t count, int depth)
{
    const struct ab_node *node = nodes;
    int64_t end, bits;

    if (count < 1 || depth > DEEPEST || node->span < 1 || node->span > count)
        return 0;
    if (node->offset < 0 || node->length < 0 || node->offset > (INT64_C(1) << 39) || node->length > (INT64_C(1) << 39))
        return 0;
    end = node->offset + node->length;
    if (node->valid != NULL && !holds(node->valid_size, end, 1))
        return 0;
    switch (node->kind) {
    case TEXT32:
    case TEXT64:
        bits = node->kind == TEXT32 ? 32 : 64;
        return node->span == 1 && (node->data != NULL || node->data_size == 0) && rising(node, (int)bits, node->data_size);
    case FIXED:
    case INT32:
    case INT64:
    case BOOL:
        if (node->kind == FIXED && (node->width < 0 || node->width > (1 << 16)))
            return 0;
        bits = node->kind == FIXED ? node->width * 8 : node->kind == INT32 ? 32 : node->kind == INT64 ? 64 : 1;
        return node->span == 1 && (node->data != NULL || end * bits == 0) && holds(node->data_size, end, bits);
    case NOTHING:
        return node->span == 1;
    case LIST32:
    case LIST64:
        return node->span > 1 && sound(nodes + 1, node->span - 1, depth + 1) && nodes[1].span == node->span - 1
               && rising(node, node->kind == LIST32 ? 32 : 64, nodes[1].length);
    case STRUCT:
        for (int64_t at = 1; at < node->span; at += nodes[at].span)
            if (!sound(nodes + at, node->span - at, depth + 1) || nodes[at].length < node->length)
                return 0;
        return 1;
    default:
        return 0;
    }
}

static int column(const struct ab_node *nodes, int64_t count, int64_t index)
{
    int64_t at = 0;

    while (at < count && at < index)
        at += nodes[at].span;
    return index >= 0 && at == index && at < count;
}

/* Steps name columns, hashes that were begun before, and bytes that are there. */
static int sane(const struct ab_step *steps, int64_t count, const struct ab_node *nodes, int64_t node_count)
{
    int64_t hashes = 0;

    for (int64_t at = 0; at < count; at++) {
        const struct ab_step *step = steps + at;
        if (step->op != BEGIN && hashes == 0)
            return 0;
        switch (step->op) {
        case BEGIN:
            if (++hashes > MOST_HASHES)
                return 0;
            break;
        case CONSTANT:
            if (step->size < 0 || step->size > (1 << 20) || (step->bytes == NULL && step->size > 0))
                return 0;
            break;
        case RAW:
        case HEX:
            if (!column(nodes, node_count, step->index) || nodes[step->index].kind > FIXED)
                return 0;
            break;
        case NET:
            if (!column(nodes, node_count, step->index))
                return 0;
            break;
        case DIGEST:
        case DIGEST_HEX:
            if (step->index < 0 || step->index >= hashes - 1 || step->from < 0 || step->size < 0
                || step->from > AB_HASH || step->size > AB_HASH - step->from)
                return 0;
            break;
        default:
            return 0;
        }
    }
    return hashes > 0;
}

/* --- values ------------------------------------------------------------------------------------------------------------ */

static inline int there(const struct ab_node *node, int64_t row)
{
    int64_t at = node->offset + row;

    return node->kind != NOTHING && (node->valid == NULL || (node->valid[at >> 3] >> (at & 7) & 1));
}

/* A number in decimal, at the end of so many bytes; where it begins. */
static uint8_t *decimal(int64_t value, uint8_t *end)
{
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do
        *--end = (uint8_t)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--end = '-';
    return end;
}

static inline const uint8_t *scalar(const struct ab_node *node, int64_t row, uint8_t *room, int64_t *size)
{
    int64_t at = node->offset + row, begin;
    uint8_t *digits;

    switch (node->kind) {
    case TEXT32:
    case TEXT64:
        begin = ab_integer(node->offsets, at, node->kind == TEXT32 ? 32 : 64);
        *size = ab_integer(node->offsets, at + 1, node->kind == TEXT32 ? 32 : 64) - begin;
        return node->data == NULL ? room : node->data + begin;
    case FIXED:
        *size = node->width;
        return node->data == NULL ? room : node->data + at * node->width;
    case BOOL:
        room[0] = node->data[at >> 3] >> (at & 7) & 1 ? '1' : '0';
        *size = 1;
        return room;
    default:
        digits = decimal(ab_integer(node->data, at, node->kind == INT32 ? 32 : 64), room + 24);
        *size = room + 24 - digits;
        return digits;
    }
}

static int64_t around(int64_t size)
{
    int64_t digits = 1;

    for (int64_t left = size; left >= 10; left /= 10)
        digits++;
    return digits + size + 2;
}

/* The items of a list: the rows of its child that it has. */
static void items(const struct ab_node *node, int64_t row, int64_t *first, int64_t *last)
{
    int bits = node->kind == LIST32 ? 32 : 64;

    *first = ab_integer(node->offsets, node->offset + row, bits);
    *last = ab_integer(node->offsets, node->offset + row + 1, bits);
}

static int64_t net_size(const struct ab_node *node, int64_t row);

/* How many bytes stand inside a netstring, of what is not null. */
static int64_t inner_size(const struct ab_node *node, int64_t row)
{
    uint8_t room[24];
    int64_t size = 0, first, last;

    if (node->kind == LIST32 || node->kind == LIST64) {
        items(node, row, &first, &last);
        for (int64_t at = first; at < last; at++)
            size += net_size(node + 1, at);
    } else if (node->kind == STRUCT) {
        for (int64_t at = 1; at < node->span; at += node[at].span)
            size += net_size(node + at, row);
    } else {
        scalar(node, row, room, &size);
    }
    return size;
}

static int64_t net_size(const struct ab_node *node, int64_t row)
{
    return there(node, row) ? around(inner_size(node, row)) : 1;
}

/* --- hashing ----------------------------------------------------------------------------------------------------------- */

static void flush(struct sink *sink)
{
    if (sink->filled > 0)
        sink->fine &= sink->sha->update(&sink->context, sink->piece, sink->filled) == 1;
    sink->filled = 0;
}

/* Most of what is told is a few bytes, for which a call of memcpy costs more than the copy: two that overlap, inside of both. */
static inline void copied(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size > 32) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        memcpy(to, from, 16);
        memcpy(to + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        memcpy(to, from, 8);
        memcpy(to + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(to, from, 4);
        memcpy(to + size - 4, from + size - 4, 4);
    } else if (size > 0) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
}

static void put_large(struct sink *sink, const uint8_t *data, size_t size)
{
    flush(sink);
    if (size > PIECE) {
        sink->fine &= sink->sha->update(&sink->context, data, size) == 1;
        return;
    }
    memcpy(sink->piece, data, size);
    sink->filled = size;
}

static inline void put(struct sink *sink, const uint8_t *data, int64_t size)
{
    if (size <= 0)
        return;
    if ((uint64_t)size > PIECE - sink->filled) {
        put_large(sink, data, (size_t)size);
        return;
    }
    copied(sink->piece + sink->filled, data, (size_t)size);
    sink->filled += (size_t)size;
}

static inline void put_byte(struct sink *sink, uint8_t byte)
{
    if (sink->filled == PIECE)
        flush(sink);
    sink->piece[sink->filled++] = byte;
}

static void put_head(struct sink *sink, int64_t size)
{
    uint8_t room[24], *digits;

    if (size < 100) {
        if (size >= 10)
            put_byte(sink, (uint8_t)('0' + size / 10));
        put_byte(sink, (uint8_t)('0' + size % 10));
        put_byte(sink, ':');
        return;
    }
    digits = decimal(size, room + 23);
    room[23] = ':';
    put(sink, digits, room + 24 - digits);
}

/* The netstring of a value: `-` for null, a list or a struct as the netstring of its items' netstrings. */
static void put_net(struct sink *sink, const struct ab_node *node, int64_t row)
{
    uint8_t room[24];
    const uint8_t *said;
    int64_t size, first, last;

    if (!there(node, row)) {
        sink->declined |= node->kind == STRUCT; /* the formats have no form for a party that is not there */
        put_byte(sink, '-');
        return;
    }
    if (node->kind == LIST32 || node->kind == LIST64) {
        put_head(sink, inner_size(node, row));
        items(node, row, &first, &last);
        for (int64_t at = first; at < last; at++)
            put_net(sink, node + 1, at);
    } else if (node->kind == STRUCT) {
        put_head(sink, inner_size(node, row));
        for (int64_t at = 1; at < node->span; at += node[at].span)
            put_net(sink, node + at, row);
    } else {
        said = scalar(node, row, room, &size);
        put_head(sink, size);
        put(sink, said, size);
    }
    put_byte(sink, ',');
}

/* The netstring of some bytes in hexadecimal. */
static void put_hex(struct sink *sink, const uint8_t *data, int64_t size)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t written[2 * AB_HASH];

    put_head(sink, 2 * size);
    while (size > 0) {
        int64_t some = size < AB_HASH ? size : AB_HASH;
        for (int64_t at = 0; at < some; at++) {
            written[2 * at] = (uint8_t)digits[data[at] >> 4];
            written[2 * at + 1] = (uint8_t)digits[data[at] & 15];
        }
        put(sink, written, 2 * some);
        data += some;
        size -= some;
    }
    put_byte(sink, ',');
}

static int put_step(struct sink *sink, const struct ab_step *step, const struct ab_node *nodes, int64_t row,
                    const uint8_t (*made)[AB_HASH])
{
    const struct ab_node *node = nodes + step->index;
    const uint8_t *said;
    uint8_t room[24];
    int64_t size;

    switch (step->op) {
    case CONSTANT:
        put(sink, step->bytes, step->size);
        return AB_DONE;
    case NET:
        put_net(sink, node, row);
        return AB_DONE;
    case DIGEST:
        put(sink, made[step->index] + step->from, step->size);
        return AB_DONE;
    case DIGEST_HEX:
        put_hex(sink, made[step->index] + step->from, step->size);
        return AB_DONE;
    default: /* RAW, HEX */
        if (!there(node, row))
            return AB_DECLINED;
        said = scalar(node, row, room, &size);
        if (step->op == RAW)
            put(sink, said, size);
        else
            put_hex(sink, said, size);
        return AB_DONE;
    }
}

/* The hashes of one row, each into its place in `made`; `begun` are the states after the constants that hashes begin with. */
static int one_row(struct sink *sink, const struct ab_step *steps, int64_t count, const struct ab_node *nodes, int64_t row,
                   const union ab_context *begun, uint8_t (*made)[AB_HASH])
{
    int64_t at = 0, hash = 0;
    int code;

    while (at < count) {
        sink->context = begun[hash];
        sink->filled = 0;
        for (at++; at < count && steps[at].op == CONSTANT; at++) { /* these are in `begun` */
        }
        for (; at < count && steps[at].op != BEGIN; at++)
            if ((code = put_step(sink, steps + at, nodes, row, (const uint8_t(*)[AB_HASH])made)) != AB_DONE)
                return code;
        flush(sink);
        if (sink->declined)
            return AB_DECLINED;
        if (!sink->fine || sink->sha->final(made[hash], &sink->context) != 1)
            return AB_LIBRARY;
        hash++;
    }
    return AB_DONE;
}

static int begin(const struct ab_sha *sha, const struct ab_step *steps, int64_t count, union ab_context *begun, int64_t *hashes)
{
    int leading = 0;

    *hashes = 0;
    for (int64_t at = 0; at < count; at++) {
        if (steps[at].op == BEGIN) {
            if (sha->init(begun + (*hashes)++) != 1)
                return 0;
            leading = 1;
        } else if (steps[at].op == CONSTANT && leading) {
            if (sha->update(begun + *hashes - 1, steps[at].bytes, (size_t)steps[at].size) != 1)
                return 0;
        } else {
            leading = 0;
        }
    }
    return 1;
}

/* For each row the last `kept` of its hashes, 32 bytes each, one behind another. */
int ab_rows(const struct ab_sha *sha, const struct ab_node *nodes, int64_t node_count, const struct ab_step *steps,
            int64_t step_count, int64_t rows, int64_t kept, uint8_t *out, int64_t room)
{
    union ab_context begun[MOST_HASHES];
    uint8_t made[MOST_HASHES][AB_HASH];
    struct sink sink = {.sha = sha, .fine = 1};
    int64_t hashes;
    int code;

    for (int64_t at = 0; at < node_count; at += nodes[at].span)
        if (!sound(nodes + at, node_count - at, 0) || nodes[at].length < rows)
            return AB_DECLINED;
    if (rows < 0 || !sane(steps, step_count, nodes, node_count))
        return AB_DECLINED;
    if (!begin(sha, steps, step_count, begun, &hashes))
        return AB_LIBRARY;
    if (kept < 1 || kept > hashes)
        return AB_DECLINED;
    if (!holds(room, rows, 8 * AB_HASH * kept))
        return AB_ROOM;
    for (int64_t row = 0; row < rows; row++) {
        if ((code = one_row(&sink, steps, step_count, nodes, row, begun, made)) != AB_DONE)
            return code;
        memcpy(out + row * kept * AB_HASH, made[hashes - kept], (size_t)(kept * AB_HASH));
    }
    return AB_DONE;
}
