/* IP addresses, bank accounts and cards, and the rows of digits in which phones stand: `identifiers._addresses`, `_numbers`
 * and `_in_cluster`.
 */

#include <string.h>

#include "text.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

int ab_glued(int c)
{
    return c == '_' || ab_is_letter(c);
}

/* --- IP addresses ----------------------------------------------------------------------------------------------- */

/* The end of a group of an IPv4 address that is all the digits that stand here, or -1. */
static int64_t octet(struct ab_text *t, int64_t at)
{
    int64_t end = at;
    int value = 0;

    while (end - at < 4 && ab_is_digit(ab_look_for(t, end, AB_FAR_READ)))
        value = 10 * value + t->seen[end++] - '0';
    if (end == at || end - at > 3 || value > 255 || (end - at == 2 && t->seen[at] == '0'))
        return -1;
    return end;
}

static const char *const VERSIONS[] = {
    "android", "appendix", "build", "chapter", "chrome", "clause", "driver", "fig", "figure", "firefox", "firmware", "ios",
    "kernel", "macos", "oid", "patch", "release", "safari", "section", "sections", "table", "update", "v", "ver", "version",
    "versions", "windows",
};

/* Whether what stands before says that this is a version. */
static int not_an_ip(struct ab_text *t, int64_t start)
{
    int64_t least = start > 16 ? start - 16 : 0, end = start, from;

    if (start - 2 >= 0 && ab_look(t, start - 1) == '/' && ab_is_letter(ab_look(t, start - 2)))
        return 1;
    while (end > least) {
        int c = ab_look(t, end - 1);
        if (!ab_is_blank(c) && c != '.' && c != ':' && c != '=')
            break;
        end--;
    }
    for (from = end; from > 0 && ab_is_letter(ab_look(t, from - 1));)
        from--;
    return from >= least && ab_word_listed(t, from, end, VERSIONS, COUNT(VERSIONS));
}

/* Whether IPv6 has to be asked for: two colons, or eight groups. */
static int may_be_v6(struct ab_text *t)
{
    int64_t colons = 0;

    for (int64_t i = 0; i < t->size; i++) {
        if (t->seen[i] != ':')
            continue;
        int64_t next = i + 1;
        while (next < t->size && t->seen[next] >= 0x80 && ab_class_at(t->rules, t->seen, t->size, next) & AB_FAR_UNSEEN)
            for (next++; next < t->size && (t->seen[next] & 0xc0) == 0x80;)
                next++;
        if (++colons >= 7 || (next < t->size && t->seen[next] == ':'))
            return 1;
    }
    return 0;
}

void ab_addresses(struct ab_text *t)
{
    if (may_be_v6(t)) {
        t->declined = 1; /* rare, and left to the twin */
        return;
    }
    for (int64_t at = 0; at < t->size; at++) {
        if (!ab_is_digit(t->seen[at]) || (at > 0 && ab_is_digit(t->seen[at - 1])))
            continue;
        int64_t end = octet(t, at);
        for (int more = 0; more < 3 && end >= 0; more++)
            end = ab_look_for(t, end, AB_FAR_READ) == '.' ? octet(t, end + 1) : -1;
        if (end < 0)
            continue;
        int before = ab_look(t, at - 1), after = ab_look(t, end);
        if (ab_is_word(before) || before == '.' || ab_is_word(after) || (after == '.' && ab_is_digit(ab_look(t, end + 1))))
            continue;
        if (!not_an_ip(t, at))
            ab_add(t, at, end, AB_IP);
        at = end - 1;
    }
}

/* --- bank accounts ---------------------------------------------------------------------------------------------- */

/* The place of the next letter or digit, behind one space, dot or dash at most; or -1. */
static int64_t next_sign(struct ab_text *t, int64_t at)
{
    int c = ab_look_for(t, at, AB_FAR_READ);

    if (ab_is_blank(c) || c == '.' || c == '-')
        c = ab_look_for(t, ++at, AB_FAR_READ);
    return ab_is_letter(c) || ab_is_digit(c) ? at : -1;
}

static int remainder_is_one(const struct ab_text *t, const int64_t *places, int size)
{
    int rest = 0;

    for (int i = 0; i < size; i++) {
        int c = ab_lower(t->seen[places[(i + 4) % size]]);
        rest = ab_is_digit(c) ? (10 * rest + c - '0') % 97 : (100 * rest + c - 'a' + 10) % 97;
    }
    return rest == 1;
}

static int seven_digits(struct ab_text *t, int64_t at, int64_t end)
{
    int digits = 0, gap = 0;

    for (; at < end; at++) {
        int c = t->seen[at];
        if (ab_is_digit(c)) {
            digits = gap <= 4 ? digits + 1 : 1;
            gap = 0;
        } else if (ab_is_blank(c) || c == '.' || c == '(' || c == ')' || c == '/' || c == '-') {
            gap++;
        } else {
            digits = gap = 0;
        }
        if (digits == 7)
            return 1;
    }
    return 0;
}

enum { LONGEST = 34 };

/* The end of what looks like an account from here, or -1; where it is one, a span. */
static int64_t account(struct ab_text *t, int64_t start)
{
    int64_t places[LONGEST], at = start;
    int size = 0;

    places[size++] = start;
    places[size++] = start + 1;
    for (at = start + 2; size < LONGEST && (at = next_sign(t, at)) >= 0; at++) {
        if (size < 4 && !ab_is_digit(t->seen[at]))
            return -1;
        places[size++] = at;
    }
    if (size < 15)
        return -1;
    int64_t end = places[size - 1] + 1;
    int of = 26 * (ab_lower(t->seen[start]) - 'a') + ab_lower(t->seen[start + 1]) - 'a', length = t->rules->accounts[of];
    if (length < 15 || length > size)
        return end;
    int after = ab_look(t, places[length - 1] + 1);
    if (!ab_glued(after) && !ab_is_digit(after) && seven_digits(t, start, end) && remainder_is_one(t, places, length))
        ab_add(t, start, places[length - 1] + 1, AB_IBAN);
    return end;
}

/* Whether an account may begin with the character outside ASCII that stands here: it is read as one of its two letters, or
 * parts them, and a digit is near. */
static int may_begin(const struct ab_text *t, int64_t at)
{
    int class = ab_class_at(t->rules, t->seen, t->size, at), signs = 0;

    if (!(class & AB_FAR_LETTER) && !(class & AB_FAR_UNSEEN && at > 0 && (ab_is_letter(t->seen[at - 1]) || t->seen[at - 1] >= 0x80)))
        return 0;
    for (at++; at < t->size && signs < 3; at++) {
        int c = t->seen[at];
        if (ab_is_digit(c))
            return 1;
        if (c < 0x80) {
            if (!ab_is_letter(c) && !ab_is_blank(c) && c != '.' && c != '-')
                return 0;
            signs++;
        }
    }
    return 0;
}

static void accounts(struct ab_text *t)
{
    for (int64_t at = 0; at + 14 < t->size; at++) {
        if (t->seen[at] >= 0x80 && may_begin(t, at))
            t->declined = 1;
        if (!ab_is_letter(t->seen[at]) || !ab_is_letter(t->seen[at + 1]) || (at > 0 && ab_is_word(t->seen[at - 1])))
            continue;
        int64_t sign = next_sign(t, at + 2);
        if (sign < 0 || !ab_is_digit(t->seen[sign]))
            continue;
        int64_t end = account(t, at);
        if (end < 0)
            continue;
        ab_look_back_for(t, at, AB_FAR_READ);
        at = end - 1;
    }
}

/* --- cards ------------------------------------------------------------------------------------------------------ */

static int between(int value, int low, int high)
{
    return value >= low && value <= high;
}

/* The first digits and lengths of the schemes. */
static int of_a_scheme(const char *digits, int size)
{
    int four = 0;

    for (int i = 0; i < 4; i++)
        four = 10 * four + digits[i] - '0';
    int three = four / 10, two = four / 100;
    return (digits[0] == '4' && (size == 13 || size == 16 || size == 19)) ||                   /* Visa */
           ((between(two, 51, 55) || between(four, 2221, 2720)) && size == 16) ||              /* Mastercard */
           ((two == 34 || two == 37) && size == 15) ||                                         /* American Express */
           ((between(three, 300, 305) || two == 36 || two == 38 || two == 39) && size == 14) || /* Diners Club */
           (between(four, 3528, 3589) && between(size, 16, 19)) ||                             /* JCB */
           ((four == 6011 || between(three, 644, 649) || two == 65) && between(size, 16, 19)) || /* Discover */
           (two == 62 && between(size, 16, 19)) ||                                             /* UnionPay */
           ((four == 5018 || four == 5020 || four == 5038 || four == 5893 || four == 6304 || four == 6759 ||
             between(four, 6761, 6763)) && between(size, 12, 19)) ||                           /* Maestro */
           (between(four, 2200, 2204) && between(size, 16, 19)) ||                             /* Mir */
           ((two == 60 || two == 81 || two == 82 || four == 9792) && size == 16);              /* RuPay, Troy */
}

static int luhn(const char *digits, int size)
{
    int sum = 0;

    for (int i = 0; i < size; i++) {
        int d = digits[size - 1 - i] - '0';
        sum += i % 2 ? (2 * d > 9 ? 2 * d - 9 : 2 * d) : d;
    }
    return sum % 10 == 0;
}

static int is_card(struct ab_text *t, const struct ab_row *row, int first, int last)
{
    char digits[20];
    int size = 0;

    for (int i = first; i < last; i++) {
        if (i < last - 1 && row->groups[i].b - row->groups[i].a < 3)
            return 0;
        for (int64_t at = row->groups[i].a; at < row->groups[i].b; at++)
            digits[size++] = (char)t->seen[at];
    }
    if (!of_a_scheme(digits, size) || !luhn(digits, size))
        return 0;
    return !ab_glued(ab_look(t, row->groups[first].a - 1)) && !ab_glued(ab_look(t, row->groups[last - 1].b));
}

/* The group behind the last of the longest card that begins with this group; 0 where none does. */
static int card_from(struct ab_text *t, const struct ab_row *row, int first)
{
    int last = first + AB_MOST_GROUPS < row->count ? first + AB_MOST_GROUPS : row->count;

    if (!row->free[first])
        return 0;
    for (; last > first; last--) {
        int64_t size = row->sizes[last] - row->sizes[first];
        if (row->free[last] && size >= 12 && size <= 19 && is_card(t, row, first, last))
            return last;
    }
    return 0;
}

/* --- rows of digits --------------------------------------------------------------------------------------------- */

static int is_gap(int c)
{
    return ab_is_blank(c) || c == '.' || c == '(' || c == ')' || c == '/' || c == '-';
}

/* The longest row of digits from here, at most four signs between two groups. */
static void row_from(struct ab_text *t, int64_t at, struct ab_row *row)
{
    row->count = 0;
    row->sizes[0] = 0;
    for (;;) {
        int64_t end = at, gap;
        while (ab_is_digit(ab_look_for(t, end, AB_FAR_READ)))
            end++;
        if (row->count == AB_ROW) {
            t->declined = 1;
            return;
        }
        row->groups[row->count] = (struct ab_group){at, end};
        row->sizes[row->count + 1] = row->sizes[row->count] + end - at;
        row->count++;
        for (gap = end; gap < end + 5 && is_gap(ab_look_for(t, gap, AB_FAR_READ));)
            gap++;
        if (gap == end + 5 || gap == end || !ab_is_digit(ab_look_for(t, gap, AB_FAR_READ)))
            return;
        at = gap;
    }
}

static void mark_breaks(struct ab_text *t, struct ab_row *row)
{
    row->free[0] = row->free[row->count] = 1;
    for (int i = 1; i < row->count; i++) {
        row->free[i] = 0;
        for (int64_t at = row->groups[i - 1].b; at < row->groups[i].a; at++)
            row->free[i] |= ab_is_blank(t->seen[at]) || t->seen[at] == '/';
    }
}

static int two(const uint8_t *at)
{
    return 10 * (at[0] - '0') + at[1] - '0';
}

/* By far the most frequent row of digits in posts: a date, perhaps with an hour behind it. */
static int is_day(struct ab_text *t, const struct ab_row *row)
{
    int64_t start = row->groups[0].a, end = row->groups[row->count - 1].b;
    const uint8_t *at = t->seen + start;

    if (row->count < 3 || row->count > 4 || end - start != (row->count == 3 ? 10 : 13))
        return 0;
    if (row->sizes[1] != 4 || row->sizes[2] != 6 || row->sizes[3] != 8 || at[4] != '-' || at[7] != '-')
        return 0;
    if (row->count == 4 && (row->sizes[4] != 10 || at[10] != ' ' || two(at + 11) > 23))
        return 0;
    if ((two(at) != 19 && two(at) != 20) || !between(two(at + 5), 1, 12) || !between(two(at + 8), 1, 31))
        return 0;
    int before = ab_look_back_for(t, start, AB_FAR_READ);
    return before != '+' && before != '(';
}

/* Cards, then phones: the leftmost first, and from there the longest. */
static void in_row(struct ab_text *t, struct ab_row *row)
{
    int cards[AB_ROW] = {0}, begin = 0, at = 0;

    mark_breaks(t, row);
    if (row->sizes[row->count] >= 12)
        for (int first = 0; first < row->count; first++)
            cards[first] = card_from(t, row, first);
    while (at < row->count) {
        int64_t start, end;
        int stop = at + 1, last;
        if (cards[at]) {
            ab_add(t, row->groups[at].a, row->groups[cards[at] - 1].b, AB_CARD);
            at = begin = cards[at];
            continue;
        }
        while (stop < row->count && !cards[stop])
            stop++;
        if ((last = ab_phone(t, row, at, begin, stop, &start, &end)) != 0) {
            ab_add(t, start, end, AB_PHONE);
            at = begin = last;
        } else {
            at++;
        }
    }
}

void ab_numbers(struct ab_text *t)
{
    struct ab_row row;
    int64_t found = t->count;

    accounts(t);
    for (; found < t->count; found++)
        memset(t->seen + t->spans[found].start, 0, (size_t)(t->spans[found].end - t->spans[found].start));
    for (int64_t at = 0; at < t->size && !t->declined; at++) {
        if (!ab_is_digit(t->seen[at]))
            continue;
        row_from(t, at, &row);
        if (row.sizes[row.count] >= 7 && !is_day(t, &row))
            in_row(t, &row);
        at = row.groups[row.count - 1].b - 1;
    }
}
