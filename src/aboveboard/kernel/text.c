/* A column of text, as Arrow lays it out: identifiers found in it, and the column without them. Twins: `scrub._Work`, and
 * `identifiers.pseudonym`.
 *
 * Every offset is checked before anything is read by it; what a null hides is never read.
 */

#include <string.h>

#include "text.h"

/* Offsets of one slice of a column: 32 bits each, or 64 where `wide`. */
struct ab_column {
    const void *offsets;
    const uint8_t *data;
    int64_t size;
    const uint8_t *valid; /* bits; NULL: all are */
    int64_t first_bit;
    int64_t rows;
    int32_t wide;
};

AB_PUBLIC int ab_text_touched(const struct ab_rules *rules, const struct ab_column *column, uint8_t *stages);
AB_PUBLIC int ab_text_spans(const struct ab_rules *rules, const struct ab_column *column, uint8_t *scratch, int64_t scratch_size,
                            uint8_t *stages, struct ab_span *spans, int64_t room, int64_t *told);
AB_PUBLIC int ab_text_rewritten(const struct ab_sha *sha, const uint8_t *key, const struct ab_column *column,
                                const struct ab_span *spans, int64_t count, void *offsets, uint8_t *data, int64_t room);

static int64_t offset(const struct ab_column *column, int64_t row)
{
    return column->wide ? ((const int64_t *)column->offsets)[row] : ((const int32_t *)column->offsets)[row];
}

static int sound(const struct ab_column *column)
{
    if (column->rows < 0 || column->rows > INT32_MAX || !column->data || offset(column, 0) < 0 || offset(column, column->rows) > column->size)
        return 0;
    for (int64_t row = 0; row < column->rows; row++)
        if (offset(column, row) > offset(column, row + 1))
            return 0;
    return 1;
}

static int is_null(const struct ab_column *column, int64_t row)
{
    int64_t bit = column->first_bit + row;

    return column->valid && !(column->valid[bit / 8] >> bit % 8 & 1);
}

/* The stages that could find something in each row; 0 for a null. */
int ab_text_touched(const struct ab_rules *rules, const struct ab_column *column, uint8_t *stages)
{
    if (!sound(column))
        return AB_DECLINED;
    for (int64_t row = 0; row < column->rows; row++) {
        int64_t start = offset(column, row);
        stages[row] =
            is_null(column, row) ? 0 : (uint8_t)ab_stages(rules, column->data + start, offset(column, row + 1) - start);
    }
    return AB_DONE;
}

/* --- spans ------------------------------------------------------------------------------------------------------ */

static int is_ascii(const uint8_t *data, int64_t size)
{
    uint8_t all = 0;

    for (int64_t i = 0; i < size; i++)
        all |= data[i];
    return all < 0x80;
}

/* Whether it is UTF-8 as Python decodes it: no surrogates, no longer form than needed. */
static int is_utf8(const uint8_t *data, int64_t size)
{
    for (int64_t at = 0; at < size;) {
        uint8_t lead = data[at];
        int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1;
        if (more < 0 || size - at <= more)
            return 0;
        for (int i = 1; i <= more; i++)
            if ((data[at + i] & 0xc0) != 0x80)
                return 0;
        if ((lead == 0xe0 && data[at + 1] < 0xa0) || (lead == 0xed && data[at + 1] > 0x9f) ||
            (lead == 0xf0 && data[at + 1] < 0x90) || (lead == 0xf4 && data[at + 1] > 0x8f))
            return 0;
        at += 1 + more;
    }
    return 1;
}

/* Masks that stand in a text already are out of sight from the start. */
static void hide_masks(struct ab_text *t)
{
    static const char *const masks[] = {"[email]", "[phone]", "[ip]", "[card]", "[iban]"};

    for (int64_t at = 0; at < t->size; at++) {
        if (t->seen[at] != '[')
            continue;
        for (int i = 0; i < 5; i++) {
            int64_t size = (int64_t)strlen(masks[i]);
            if (t->size - at >= size && memcmp(t->seen + at, masks[i], (size_t)size) == 0) {
                memset(t->seen + at, 0, (size_t)size);
                break;
            }
        }
    }
}

/* Puts the spans of a text in order, and drops those of pseudonyms that stood there. */
static void settle(struct ab_text *t, int64_t first)
{
    int64_t kept = first;

    for (int64_t i = first; i < t->count; i++) {
        struct ab_span span = t->spans[i];
        int64_t at = kept;
        if (span.kind == AB_PSEUDONYM)
            continue;
        for (; at > first && t->spans[at - 1].start > span.start; at--)
            t->spans[at] = t->spans[at - 1];
        t->spans[at] = span;
        kept++;
    }
    t->count = kept;
}

/* `identifiers.search`: stage after stage, from the first again whenever one has found something. */
static void search(struct ab_text *t, int stages)
{
    static const struct {
        int bit;
        void (*run)(struct ab_text *);
    } order[] = {{AB_SIGNS, ab_at_signs}, {AB_IPS, ab_addresses}, {AB_DIGITED, ab_numbers}};

    int64_t first = t->count;
    hide_masks(t);
    for (int stage = 0; stage < 3 && !t->declined && !t->full;) {
        int64_t found = t->count;
        if (stages & order[stage].bit)
            order[stage].run(t);
        stage = t->count > found ? 0 : stage + 1;
        for (; found < t->count; found++)
            memset(t->seen + t->spans[found].start, 0, (size_t)(t->spans[found].end - t->spans[found].start));
    }
    settle(t, first);
}

/* The spans of a row behind those before it: AB_DONE, AB_DECLINED for the twin, AB_ROOM where there is no room for them. */
static int row_spans(struct ab_text *t, const uint8_t *data, int64_t size, int stages, int64_t scratch_size)
{
    int64_t first = t->count;

    if (size > scratch_size || (stages & AB_SPELT && ab_may_be_spelt(t->rules, data, size)))
        return AB_DECLINED;
    /* All stages at once are what a digit or an at sign outside ASCII asks for: rules would have to read it as one. */
    if (!is_ascii(data, size) && (stages == AB_ALL_STAGES || !is_utf8(data, size)))
        return AB_DECLINED;
    memcpy(t->seen, data, (size_t)size);
    t->size = size;
    t->declined = t->full = 0;
    search(t, stages);
    if (t->declined || t->full) {
        t->count = first;
        return t->declined ? AB_DECLINED : AB_ROOM;
    }
    return AB_DONE;
}

/* Spans of as many rows as there is room for, in order. `stages` has what is left to the twin: the stages of a row that was
 * declined, 0 for one that is done. `told`: rows done, spans, by how many bytes the rows grow, and the spans of each kind. */
int ab_text_spans(const struct ab_rules *rules, const struct ab_column *column, uint8_t *scratch, int64_t scratch_size,
                  uint8_t *stages, struct ab_span *spans, int64_t room, int64_t *told)
{
    static const int lengths[AB_KINDS] = {19, 7, 7, 4, 6, 6};
    struct ab_text t = {.rules = rules, .seen = scratch, .spans = spans, .room = room};
    int64_t row, grown = 0;

    if (!sound(column))
        return AB_DECLINED;
    memset(told, 0, (3 + AB_KINDS) * sizeof *told);
    for (row = 0; row < column->rows; row++) {
        int64_t start = offset(column, row), size = offset(column, row + 1) - start, first = t.count;
        const uint8_t *data = column->data + start;
        stages[row] = is_null(column, row) ? 0 : (uint8_t)ab_stages(rules, data, size);
        if (!stages[row])
            continue;
        t.row = (int32_t)row;
        int done = row_spans(&t, data, size, stages[row], scratch_size);
        if (done == AB_ROOM && first > 0)
            break;
        if (done == AB_DONE)
            stages[row] = 0;
        for (; first < t.count; told[3 + spans[first++].kind]++)
            grown += lengths[spans[first].kind] - (spans[first].end - spans[first].start);
    }
    told[0] = row;
    told[1] = t.count;
    told[2] = grown;
    return AB_DONE;
}

/* --- what stands in their place --------------------------------------------------------------------------------- */

enum { BLOCK = 64, SAID = 16, NAME = 3 + SAID };

struct keyed {
    const struct ab_sha *sha;
    union ab_context inner;
    union ab_context outer;
};

/* The two states of HMAC-SHA-256 under a key of one block, from which every pseudonym goes on. */
static int prepare(struct keyed *keyed, const struct ab_sha *sha, const uint8_t *key)
{
    uint8_t inner[BLOCK], outer[BLOCK];

    for (int i = 0; i < BLOCK; i++) {
        inner[i] = key[i] ^ 0x36;
        outer[i] = key[i] ^ 0x5c;
    }
    keyed->sha = sha;
    return sha->init(&keyed->inner) == 1 && sha->update(&keyed->inner, inner, BLOCK) == 1 &&
           sha->update(&keyed->inner, "mention", 8) == 1 && sha->init(&keyed->outer) == 1 &&
           sha->update(&keyed->outer, outer, BLOCK) == 1;
}

/* A pseudonym for a handle in ASCII, without its sign: 19 bytes. */
static int name(const struct keyed *keyed, const uint8_t *handle, int64_t size, uint8_t *out)
{
    union ab_context inner = keyed->inner, outer = keyed->outer;
    uint8_t small[BLOCK], digest[AB_HASH];
    const struct ab_sha *sha = keyed->sha;

    for (int64_t at = 0; at < size;) {
        int64_t piece = size - at < BLOCK ? size - at : BLOCK;
        for (int64_t i = 0; i < piece; i++)
            small[i] = (uint8_t)ab_lower(handle[at + i]);
        if (sha->update(&inner, small, (size_t)piece) != 1)
            return 0;
        at += piece;
    }
    if (sha->final(digest, &inner) != 1 || sha->update(&outer, digest, AB_HASH) != 1 || sha->final(digest, &outer) != 1)
        return 0;
    memcpy(out, "@u_", 3);
    for (int i = 0; i < SAID; i++) { /* base32: five bits a letter */
        int at = 5 * i / 8, shift = 11 - 5 * i % 8;
        out[3 + i] = (uint8_t)"abcdefghijklmnopqrstuvwxyz234567"[(digest[at] << 8 | digest[at + 1]) >> shift & 31];
    }
    return 1;
}

static void put_offset(const struct ab_column *column, void *offsets, int64_t row, int64_t value)
{
    if (column->wide)
        ((int64_t *)offsets)[row] = value;
    else
        ((int32_t *)offsets)[row] = (int32_t)value;
}

/* The column with its spans replaced; spans in order, those of one row apart, as `ab_text_spans` tells them. `key` is one block. */
int ab_text_rewritten(const struct ab_sha *sha, const uint8_t *key, const struct ab_column *column,
                      const struct ab_span *spans, int64_t count, void *offsets, uint8_t *data, int64_t room)
{
    static const char *const masks[AB_KINDS] = {"", "[email]", "[phone]", "[ip]", "[card]", "[iban]"};
    struct keyed keyed;
    int64_t span = 0, written = 0;

    if (!sound(column) || (!column->wide && room > INT32_MAX))
        return AB_DECLINED;
    if (!prepare(&keyed, sha, key))
        return AB_LIBRARY;
    for (int64_t row = 0; row < column->rows; row++) {
        int64_t at = offset(column, row), start = at, end = offset(column, row + 1);
        put_offset(column, offsets, row, written);
        for (; span < count && spans[span].row == row; span++) {
            int64_t from = start + spans[span].start, to = start + spans[span].end;
            if (spans[span].kind < 0 || spans[span].kind >= AB_KINDS || from < at || to <= from || to > end)
                return AB_DECLINED;
            int64_t size = spans[span].kind == AB_MENTION ? NAME : (int64_t)strlen(masks[spans[span].kind]);
            if (room - written < from - at + size)
                return AB_ROOM;
            memcpy(data + written, column->data + at, (size_t)(from - at));
            written += from - at;
            if (spans[span].kind != AB_MENTION)
                memcpy(data + written, masks[spans[span].kind], (size_t)size);
            else if (!name(&keyed, column->data + from + 1, to - from - 1, data + written))
                return AB_LIBRARY;
            written += size;
            at = to;
        }
        if (room - written < end - at)
            return AB_ROOM;
        if (end > at)
            memcpy(data + written, column->data + at, (size_t)(end - at));
        written += end - at;
    }
    put_offset(column, offsets, column->rows, written);
    return span == count && written == room ? AB_DONE : AB_DECLINED;
}
