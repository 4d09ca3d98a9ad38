/* Which stages could find something in a text: the quick look over every text, whose twin is `identifiers.touched`. */

#include <string.h>

#include "text.h"

static int is_far(int c)
{
    return c >= 0x80;
}

static int closes(int c)
{
    return c == ')' || c == ']' || c == '}' || c == '>';
}

/* What the character outside ASCII is that begins here; 0 where none does. */
int ab_class_at(const struct ab_rules *rules, const uint8_t *data, int64_t size, int64_t at)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t lead = data[at];
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    uint32_t point = more == 3 ? lead & 7u : more == 2 ? lead & 15u : lead & 31u;

    if (lead < 0xc2 || lead > 0xf4 || size - at <= more)
        return 0;
    for (int i = 1; i <= more; i++) {
        if ((data[at + i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (data[at + i] & 0x3fu);
    }
    if (point < least[more] || point > 0x10ffff)
        return 0;
    return rules->classes[256u * rules->pages[point >> 8] + (point & 255u)];
}

/* Seven digits with nothing but gaps between them. */
static int digited(const uint8_t *data, int64_t size)
{
    int digits = 0;

    for (int64_t i = 0; i < size; i++) {
        int c = data[i];
        if (ab_is_digit(c)) {
            if (++digits == 7)
                return 1;
        } else if (!(ab_is_blank(c) || is_far(c) || c == '.' || c == '(' || c == ')' || c == '/' || c == '-')) {
            digits = 0;
        }
    }
    return 0;
}

/* As short as an IPv4 address may be: a digit, and six more of digits and dots. */
static int dotted(const uint8_t *data, int64_t size)
{
    int64_t run = 0; /* since the first digit of a run of such bytes */

    for (int64_t i = 0; i < size; i++) {
        int c = data[i];
        if (ab_is_digit(c) || (run && (c == '.' || is_far(c)))) {
            if (++run == 7)
                return 1;
        } else {
            run = 0;
        }
    }
    return 0;
}

/* Two colons with nothing but hexadecimal digits between them. */
static int coloned(const uint8_t *data, int64_t size)
{
    int open = 0;

    for (int64_t i = 0; i < size; i++) {
        int c = ab_lower(data[i]);
        if (c == ':') {
            if (open)
                return 1;
            open = 1;
        } else if (!(ab_is_digit(c) || (c >= 'a' && c <= 'f') || is_far(c))) {
            open = 0;
        }
    }
    return 0;
}

static int percent(const uint8_t *data, int64_t size)
{
    for (int64_t i = 0; i + 2 < size; i++)
        if (data[i] == '%' && ab_is_digit(data[i + 1]) && ab_is_digit(data[i + 2]))
            return 1;
    return 0;
}

/* Behind `at` or `@`: blanks, then a bracket that closes. */
static int closed(const uint8_t *data, int64_t size, int64_t at)
{
    while (at < size && (ab_is_blank(data[at]) || is_far(data[at])))
        if (is_far(data[at++]))
            return 1; /* such a byte may be the bracket itself */
    return at < size && closes(data[at]);
}

static int at_closed(const uint8_t *data, int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        if (data[i] == '@' && closed(data, size, i + 1))
            return 1;
        if (ab_lower(data[i]) == 'a' && i + 1 < size && ab_lower(data[i + 1]) == 't' && closed(data, size, i + 2))
            return 1;
    }
    return 0;
}

static int word_at(const uint8_t *data, int64_t size, int64_t at, const char *word)
{
    for (; *word; word++, at++)
        if (at >= size || ab_lower(data[at]) != *word)
            return 0;
    return 1;
}

static int any_word(const uint8_t *data, int64_t size, const char *word)
{
    for (int64_t i = 0; i < size; i++)
        if (word_at(data, size, i, word))
            return 1;
    return 0;
}

static int far_trace(const struct ab_rules *rules, const uint8_t *data, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        if (is_far(data[i]) && ab_class_at(rules, data, size, i) & AB_FAR_TRACE)
            return 1;
    return 0;
}

/* --- sixteen bytes at a time ------------------------------------------------------------------------------------ */

enum { WIDE = 16, FLUSH = 255 };
typedef uint8_t wide __attribute__((vector_size(WIDE)));

/* What a text has at all, and how many digits and colons: enough to know which of the looks above are needed. */
struct glance {
    wide at, percent, closes, far, dot, arr, row; /* not zero where it has; `row` of four digits and dots */
    wide digits, colons;                     /* counts, of FLUSH steps at most */
    int64_t digits_before, colons_before;
    int steps;
};

static wide load(const uint8_t *data)
{
    wide made;

    memcpy(&made, data, WIDE);
    return made;
}

static int any(wide lanes)
{
    uint64_t halves[2];

    memcpy(halves, &lanes, WIDE);
    return (halves[0] | halves[1]) != 0;
}

static inline int64_t sum(wide lanes)
{
    int64_t made = 0;

    for (int i = 0; i < WIDE; i++)
        made += lanes[i];
    return made;
}

static inline void flush(struct glance *g)
{
    g->digits_before += sum(g->digits);
    g->colons_before += sum(g->colons);
    g->digits = g->colons = (wide){0};
    g->steps = 0;
}

static inline wide in_address(wide c)
{
    return (wide)(c - '0' < 10) | (wide)(c == '.') | (wide)(c >= 0x80);
}

/* Looks at sixteen bytes, and at the three behind them where a word may go on. */
static inline void look_at(struct glance *g, const uint8_t *data)
{
    wide c = load(data), two = load(data + 1) | 0x20, three = load(data + 2) | 0x20, four = load(data + 3), small = c | 0x20;

    g->at |= (wide)(c == '@');
    g->percent |= (wide)(c == '%');
    g->closes |= (wide)(c == ')') | (wide)(c == ']') | (wide)(c == '}') | (wide)(c == '>');
    g->far |= c & 0x80;
    g->dot |= (wide)(small == 'd') & (wide)(two == 'o') & (wide)(three == 't') &
              ((wide)(four == ' ') | (wide)(four == '\t') | (wide)(four >= 0x80));
    g->arr |= (wide)(small == 'a') & (wide)(two == 'r') & (wide)(three == 'r');
    g->row |= (wide)(c - '0' < 10) & in_address(two) & in_address(three) & in_address(four);
    g->digits -= (wide)(c - '0' < 10);
    g->colons -= (wide)(c == ':');
    if (++g->steps == FLUSH)
        flush(g);
}

static inline void look_over(struct glance *g, const uint8_t *data, int64_t size)
{
    uint8_t last[2 * WIDE + 3] = {0};
    int64_t at = 0;

    for (; at + WIDE + 3 <= size; at += WIDE)
        look_at(g, data + at);
    memcpy(last, data + at, (size_t)(size - at));
    look_at(g, last);
    if (size - at > WIDE)
        look_at(g, last + WIDE);
    flush(g);
}

/* The stages of a text, as bits: mostly none, and then the glance is all. */
int ab_stages(const struct ab_rules *rules, const uint8_t *data, int64_t size)
{
    struct glance g = {0};
    int stages = 0, far;

    if (size == 0)
        return 0;
    look_over(&g, data, size);
    far = any(g.far);
    if (far && far_trace(rules, data, size))
        return AB_ALL_STAGES;
    if (any(g.at) || (any(g.percent) && percent(data, size)))
        stages |= AB_SIGNS;
    if (g.digits_before >= 7 && digited(data, size))
        stages |= AB_DIGITED;
    if ((any(g.row) && dotted(data, size)) || (g.colons_before > 1 && coloned(data, size)))
        stages |= AB_IPS;
    if (any(g.dot) || ((far || any(g.closes)) && at_closed(data, size)) || (any(g.arr) && any_word(data, size, "arroba")))
        stages |= AB_SPELT;
    return stages;
}

/* --- e-mail addresses in words: whether there may be one ------------------------------------------------------- */

/* The place behind what is not seen and, if it is asked for, behind blanks. */
static int64_t past(const struct ab_rules *rules, const uint8_t *data, int64_t size, int64_t at, int skipped)
{
    while (at < size) {
        int class = is_far(data[at]) ? ab_class_at(rules, data, size, at) : 0;
        if (!(class & skipped) && !(skipped & AB_FAR_SPACE && ab_is_blank(data[at])))
            break;
        for (at++; at < size && (data[at] & 0xc0) == 0x80;)
            at++;
    }
    return at;
}

static int in_brackets(const struct ab_rules *rules, const uint8_t *data, int64_t size, int64_t from, int64_t to)
{
    int64_t end = past(rules, data, size, to, AB_FAR_SPACE | AB_FAR_UNSEEN);

    if (end >= size || !(closes(data[end]) || (is_far(data[end]) && ab_class_at(rules, data, size, end) & AB_FAR_CLOSES)))
        return 0;
    while (from > 0 && ab_is_blank(data[from - 1]))
        from--;
    if (from == 0)
        return 0;
    int c = data[from - 1];
    return c == '(' || c == '[' || c == '{' || c == '<' || is_far(c);
}

/* Whether `identifiers._hidden_emails` could find anything: a sign or a word for it in brackets, or `dot` as a word. Sharper
 * than the trace, which has to do without characters; texts that pass are left to the twin. */
int ab_may_be_spelt(const struct ab_rules *rules, const uint8_t *data, int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        int c = ab_lower(data[i]);
        int64_t after = 0;
        if (c == '@')
            after = i + 1;
        else if (c == 'a')
            after = word_at(data, size, i, "at") ? i + 2 : word_at(data, size, i, "arroba") ? i + 6 : 0;
        if (after && in_brackets(rules, data, size, i, after))
            return 1;
        if (c == 'd' && word_at(data, size, i, "dot")) {
            int64_t at = past(rules, data, size, i + 3, AB_FAR_UNSEEN);
            if (at < size && (ab_is_blank(data[at]) || ab_class_at(rules, data, size, at) & AB_FAR_SPACE))
                return 1;
        }
    }
    return 0;
}
