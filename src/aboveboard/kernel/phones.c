/* Telephone numbers among groups of digits: `identifiers._phone_from` and what it asks. */

#include <string.h>

#include "text.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

/* One number that may be one, while it is asked about. */
struct tried {
    const struct ab_group *groups;
    int count;
    char digits[20];
    int size;
    char written[64]; /* its groups joined by dashes, brackets kept */
    int64_t start;
    int64_t end;
    int before_row; /* part of a longer row of spaced groups: more of them before it, behind it */
    int behind_row;
};

/* --- shapes ----------------------------------------------------------------------------------------------------- */

/* In a pattern `d` is any digit and other letters are some; `?` says that the sign before it may be missing; `~` is up to
 * three more groups of two, to the end; everything else is itself. */
static int one_of(char letter, char c)
{
    static const char *const digits[26] = {
        ['a' - 'a'] = "6789",    ['b' - 'a'] = "3489",    ['d' - 'a'] = "0123456789", ['e' - 'a'] = "38",
        ['f' - 'a'] = "49",      ['g' - 'a'] = "689",     ['k' - 'a'] = "016789",     ['n' - 'a'] = "23456789",
        ['p' - 'a'] = "0123",    ['q' - 'a'] = "12",      ['t' - 'a'] = "3456789",    ['u' - 'a'] = "012",
        ['v' - 'a'] = "78",      ['w' - 'a'] = "01",      ['z' - 'a'] = "123456789",
    };

    if (letter < 'a' || letter > 'z')
        return c == letter;
    return c && digits[letter - 'a'] && strchr(digits[letter - 'a'], c);
}

static int more_pairs(const char *written)
{
    int pairs = 0;

    while (pairs < 3 && written[0] == '-' && one_of('d', written[1]) && one_of('d', written[2])) {
        written += 3;
        pairs++;
    }
    return *written == 0;
}

static int fits(const char *written, const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern == '~')
            return more_pairs(written);
        if (pattern[1] == '?') {
            if (one_of(*pattern, *written) && fits(written + 1, pattern + 2))
                return 1;
            pattern++;
            continue;
        }
        if (!one_of(*pattern, *written))
            return 0;
        written++;
    }
    return *written == 0;
}

static int any_fits(const char *written, const char *const *patterns, int count)
{
    for (int i = 0; i < count; i++)
        if (fits(written, patterns[i]))
            return 1;
    return 0;
}

static const char *const NORTH_AMERICA[] = {
    "ndd-ndd-dddd", "1-ndd-ndd-dddd", "(ndd)-ndd-dddd", "1-(ndd)-ndd-dddd",
};

static const char *const SHAPES[] = {
    "1?nddndddddd",                                                                    /* North America, in one */
    "ndd-ndddddd", "1-ndd-ndddddd", "(ndd)-ndddddd", "1-(ndd)-ndddddd",                /* North America, area apart */
    "0zddddddddd?",                                                                    /* trunk zero, in one */
    "1td-?dddd-?dddd",                                                                 /* China, mobile */
    "adddd-?ddddd",                                                                    /* India, mobile */
    "zd-9?dddd-dddd",                                                                  /* Brazil, Mexico, Argentina */
    "zz9dddddddd",                                                                     /* Brazil, mobile in one */
    "8-?bdd-?ddd-?dd-?dd", "8-?(bdd)-?ddd-?dd-?dd",                                    /* Russia */
    "ndd-ddd-dd-dd",                                                                   /* Turkey, Russia, no trunk */
    "nd-ddd-dd-dd",                                                                    /* 2-3-2-2 */
    "1-zdd?-ddd-dddd?", "7-zdd?-ddd-dddd?", "ndd?-zdd?-ddd-dddd?",                     /* country code, no plus */
    "add-dd-dd-dd",                                                                    /* Spain, mobile */
    "nd-dd-dd-dd",                                                                     /* Denmark, Norway */
    "fdd-dd-ddd",                                                                      /* Norway, mobile */
    "9-dddd-dddd",                                                                     /* Chile */
    "1k-dddd-dddd",                                                                    /* Korea, no trunk */
    "3dd-ddd-dddd?", "3dd-dd-dd-ddd", "3dd-ddddddd?",                                  /* Italy, mobile */
    "1e00-ddd-ddd",                                                                    /* Australia, shared cost */
    "1-v00-ddd-ddd",                                                                   /* Israel, toll free */
};

/* `(-[0-9]{2,8}){1,4}`, to the end. */
static int one_to_four_groups(const char *written)
{
    int groups = 0;

    while (*written) {
        int digits = 0;
        if (*written++ != '-' || ++groups > 4)
            return 0;
        while (one_of('d', *written)) {
            written++;
            digits++;
        }
        if (digits < 2 || digits > 8)
            return 0;
    }
    return groups > 0;
}

static int digits_from(const char *written)
{
    int digits = 0;

    while (one_of('d', written[digits]))
        digits++;
    return digits;
}

/* A trunk zero and an area, bare, in brackets or behind a dash, and groups. */
static int trunk_zero(const struct tried *n)
{
    const char *w = n->written;
    int digits;

    if (n->size < 8 || n->size > 12 || fits(w, "ddddd-dddd") || fits(w, "ddd-dd-dddd"))
        return 0;
    if (w[0] == '(' && w[1] == '0') {
        digits = digits_from(w + 2);
        if (w[2 + digits] != ')' || digits > 4 || (digits == 4 && w[2] == '0'))
            return 0;
        return one_to_four_groups(w + 3 + digits);
    }
    if (w[0] != '0')
        return 0;
    w += w[1] == '-' ? 2 : 1;
    digits = digits_from(w);
    return digits >= 1 && digits <= 4 && w[0] != '0' && one_to_four_groups(w + digits);
}

static int area_in_brackets(const struct tried *n)
{
    const char *w = n->written;
    int digits = w[0] == '(' ? digits_from(w + 1) : 0;

    return n->size >= 8 && n->size <= 12 && digits >= 2 && digits <= 5 && w[1] != '0' && w[1 + digits] == ')' &&
           one_to_four_groups(w + 2 + digits);
}

static int poland_or_singapore(const char *w)
{
    return (fits(w, "ndd-ddd-ddd") && strcmp(w + 8, "000") != 0) || (fits(w, "gddd-dddd") && strcmp(w + 7, "00") != 0);
}

static int is_shape(const struct tried *n)
{
    if (any_fits(n->written, NORTH_AMERICA, COUNT(NORTH_AMERICA)))
        return 1;
    if (n->before_row)
        return 0;
    if (trunk_zero(n))
        return 1;
    return !n->behind_row &&
           (any_fits(n->written, SHAPES, COUNT(SHAPES)) || area_in_brackets(n) || poland_or_singapore(n->written));
}

static const char *const DATES[] = {
    "19dd-?0?z-?0?z~", "19dd-?0?z-?qd~",  "19dd-?0?z-?3w~", "19dd-?1u-?0?z~", "19dd-?1u-?qd~",   "19dd-?1u-?3w~",
    "20dd-?0?z-?0?z~", "20dd-?0?z-?qd~",  "20dd-?0?z-?3w~", "20dd-?1u-?0?z~", "20dd-?1u-?qd~",   "20dd-?1u-?3w~",
    "p?d-p?d-19dd~",   "p?d-p?d-20dd~",   "19dd-19dd",      "19dd-20dd",      "20dd-19dd",       "20dd-20dd",
};

static int is_date(const char *written)
{
    return any_fits(written, DATES, COUNT(DATES));
}

/* --- country codes ---------------------------------------------------------------------------------------------- */

/* Whether these digits are a country calling code and as many digits as that country's numbers have. */
static int international(const struct ab_rules *rules, const char *digits, int size)
{
    static const int before[] = {0, 0, 10, 110};
    int code = 0;

    for (int length = 1; length <= 3 && length <= size; length++) {
        code = 10 * code + digits[length - 1] - '0';
        const uint8_t *lengths = rules->calling + 2 * (before[length] + code);
        if (!lengths[1])
            continue;
        const char *rest = digits + length;
        int left = size - length;
        if (left > lengths[0] && *rest == '0') {
            rest++;
            left--;
        }
        return left >= lengths[0] && left <= lengths[1] && (digits[0] != '1' || (*rest >= '2' && *rest <= '9'));
    }
    return 0;
}

static int from_abroad(const struct ab_rules *rules, const struct tried *n)
{
    return (n->digits[0] == '0' && n->digits[1] == '0' && international(rules, n->digits + 2, n->size - 2)) ||
           (memcmp(n->digits, "011", 3) == 0 && international(rules, n->digits + 3, n->size - 3));
}

/* --- what the words before say ---------------------------------------------------------------------------------- */

static const char *const PHONE_WORDS[] = {
    "appelez", "appelle",  "bel",      "call",     "calls",   "cel",     "cell",     "cellphone", "cellulare",
    "celular", "chiama",   "contact",  "dial",     "fax",     "handy",   "handynummer", "hotline", "landline",
    "ligue",   "llama",    "mob",      "mobil",    "mobile",  "phone",   "portable", "puh",       "puhelin",
    "ring",    "rufnummer", "signal",  "sms",      "tel",     "telefon", "telefone", "telefonnummer", "telefono",
    "telefoon", "telephone", "text",   "tfn",      "tlf",     "viber",   "whatsapp",
};
static const char *const WHOSE[] = {"her", "his", "my", "our", "their", "your"};
static const char *const OTHER_WORDS[] = {
    "account", "acct",    "aktenzeichen", "arxiv",  "asin",      "auftrag",  "batch",       "bestellnummer", "bestellung",
    "block",   "booking", "build",    "case",       "claim",     "commande", "commit",      "confirmation", "coordinates",
    "customer", "doi",    "ean",      "epoch",      "factura",   "facture",  "gps",         "gtin",       "hash",
    "id",      "imei",    "invoice",  "isbn",       "issn",      "item",     "kundennummer", "lat",       "licence",
    "license", "lon",     "lot",      "member",     "model",     "order",    "orders",      "ordine",     "parcel",
    "part",    "patent",  "pedido",   "pin",        "pmid",      "policy",   "port",        "receipt",    "rechnung",
    "ref",     "reference", "row",    "sendung",    "serial",    "sku",      "ssn",         "status",     "ticket",
    "timestamp", "tracking", "transaction", "tweet", "uid",      "unix",     "upc",         "userid",     "vin",
};
static const char *const MONEY_WORDS[] = {"chf", "eur", "gbp", "inr", "jpy", "kr", "rmb", "rs", "usd"};
static const char *const NUMBER_WORDS[] = {"number", "nummer", "num", "no", "nr", "code", "id"};
static const char *const LINKING_WORDS[] = {"is", "was", "ist", ":"};

static int sign_of(int c, const char *signs)
{
    return c > 0 && strchr(signs, c) != NULL;
}

/* From here blanks and signs, at most three short words, blanks again, and then the number. */
static int leads_to(struct ab_text *t, int64_t at, int64_t start)
{
    if (at < start && ab_is_letter(t->seen[at]))
        return 0;
    while (at < start && sign_of(t->seen[at], " \t:.=,;(+/-"))
        at++;
    for (int words = 0; words < 3 && at < start; words++) {
        int64_t word = at, blank;
        while (at < start && (ab_is_letter(t->seen[at]) || t->seen[at] == '\''))
            at++;
        if (at == word)
            break;
        if (at - word > 8)
            return 0;
        if (at < start && (t->seen[at] == '.' || t->seen[at] == ':'))
            at++;
        for (blank = at; at < start && ab_is_blank(t->seen[at]);)
            at++;
        if (at == blank)
            return 0;
    }
    while (at < start && sign_of(t->seen[at], " \t(+"))
        at++;
    return at == start;
}

/* The place behind this word, or -1. Never beyond the number. */
static int64_t behind(struct ab_text *t, int64_t at, int64_t start, const char *word)
{
    int64_t end = at + (int64_t)strlen(word);

    return end <= start && ab_says(t, at, word) ? end : -1;
}

static int whose_number(struct ab_text *t, int64_t at, int64_t start)
{
    int64_t next, end;

    if (at >= start || t->seen[at++] != ' ')
        return 0;
    if ((next = behind(t, at, start, "new ")) >= 0)
        at = next;
    if ((end = behind(t, at, start, "number")) < 0)
        end = behind(t, at, start, "digits");
    return end >= 0 && leads_to(t, end, start);
}

static int word_says_phone(struct ab_text *t, int64_t word, int64_t end, int64_t start)
{
    int before;
    int64_t link;

    int listed = ab_word_listed(t, word, end, PHONE_WORDS, COUNT(PHONE_WORDS));
    int whose = !listed && ab_word_listed(t, word, end, WHOSE, COUNT(WHOSE));
    if (!listed && !whose && !(end - word == 2 && ab_says(t, word, "wa")))
        return 0;
    before = ab_look(t, word - 1);
    if (ab_is_letter(before) || ab_is_digit(before) || before == '@')
        return 0;
    if (listed)
        return leads_to(t, end, start);
    if (whose)
        return whose_number(t, end, start);
    link = behind(t, end, start, ".me/");
    return link >= 0 && leads_to(t, link, start);
}

/* From here blanks and signs, and then the number. */
static int only(struct ab_text *t, int64_t at, int64_t start, const char *signs)
{
    while (at < start && sign_of(t->seen[at], signs))
        at++;
    return at == start;
}

static int64_t past_blanks(struct ab_text *t, int64_t at, int64_t start)
{
    while (at < start && ab_is_blank(t->seen[at]))
        at++;
    return at;
}

static int linked_to(struct ab_text *t, int64_t at, int64_t start)
{
    int64_t next = past_blanks(t, at, start), end;

    if (only(t, at, start, " \t.:#=-"))
        return 1;
    for (int i = 0; next > at && i < COUNT(LINKING_WORDS); i++)
        if ((end = behind(t, next, start, LINKING_WORDS[i])) >= 0 && only(t, end, start, " \t.:#=-"))
            return 1;
    return 0;
}

static int word_says_other(struct ab_text *t, int64_t word, int64_t end, int64_t start)
{
    int64_t next, behind_it;
    int money = ab_word_listed(t, word, end, MONEY_WORDS, COUNT(MONEY_WORDS));

    if (!money && !ab_word_listed(t, word, end, OTHER_WORDS, COUNT(OTHER_WORDS)))
        return 0;
    if (ab_is_letter(ab_look(t, word - 1)))
        return 0;
    if (money)
        return only(t, end, start, " \t.");
    if (linked_to(t, end, start))
        return 1;
    next = past_blanks(t, end, start);
    for (int i = 0; i < COUNT(NUMBER_WORDS); i++)
        if ((behind_it = behind(t, next, start, NUMBER_WORDS[i])) >= 0 && linked_to(t, behind_it, start))
            return 1;
    return 0;
}

/* Whether words right before a number say what it is; declines where they are not ASCII. */
static int says(struct ab_text *t, int64_t start, int64_t reach,
                int (*word_says)(struct ab_text *, int64_t, int64_t, int64_t))
{
    int64_t begin = start > reach ? start - reach : 0;

    for (int64_t at = begin; at < start; at++)
        ab_look(t, at);
    if (t->declined)
        return 0;
    for (int64_t at = begin, end; at < start; at = end) {
        for (end = at; end < start && ab_is_letter(t->seen[end]);)
            end++;
        if (end == at)
            end++;
        else if (word_says(t, at, end, start))
            return 1;
    }
    return 0;
}

static int says_phone(struct ab_text *t, int64_t start)
{
    return says(t, start, 48, word_says_phone);
}

static int is_white(int c)
{
    return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
}

static int says_other(struct ab_text *t, int64_t start)
{
    int64_t at = start - 1;

    while (at >= 0 && at >= start - 2 && is_white(ab_look(t, at)))
        at--;
    if (at >= 0 && at >= start - 2 && sign_of(ab_look(t, at), "#$"))
        return 1;
    return says(t, start, 32, word_says_other);
}

/* --- what stands around it -------------------------------------------------------------------------------------- */

static int stands_apart(int c)
{
    return c == AB_END || sign_of(c, " \n()./+!?");
}

/* Whether a letter, or a digit behind a comma or colon, is part of the same word. */
static int touches(struct ab_text *t, int64_t start, int64_t end)
{
    int before = ab_look(t, start - 1), after = ab_look(t, end);

    if (stands_apart(before) && stands_apart(after))
        return 0;
    if (ab_glued(before) || ab_glued(after))
        return 1;
    return (sign_of(before, ",:") && ab_is_digit(ab_look(t, start - 2))) ||
           (sign_of(after, ",:") && ab_is_digit(ab_look(t, end + 1)));
}

/* Whether a sentence ends, or a single digit ends it, between the first group and the last. */
static int torn(const struct ab_text *t, const struct tried *n)
{
    if (n->count == 1)
        return 0;
    if (n->groups[n->count - 1].b - n->groups[n->count - 1].a == 1)
        return 1;
    for (int i = 1; i < n->count; i++)
        for (int64_t at = n->groups[i - 1].b; at + 1 < n->groups[i].a; at++)
            if (t->seen[at] == '.' && t->seen[at + 1] == ' ')
                return 1;
    return 0;
}

/* Whether what stands before is part of a link or of a longer code. */
static int linked(struct ab_text *t, int64_t start)
{
    int before = ab_look(t, start - 1), first = ab_look(t, start - 2);

    if (sign_of(before, "=/&_\\@"))
        return 1;
    return sign_of(before, "-.,") && (ab_is_letter(first) || ab_is_digit(first));
}

static int dotted(const struct ab_text *t, int64_t start, int64_t end)
{
    for (int group = 0; group < 4; group++) {
        int digits = 0;
        while (start < end && ab_is_digit(t->seen[start])) {
            start++;
            digits++;
        }
        if (digits < 1 || digits > 3)
            return 0;
        if (group < 3 && (start >= end || t->seen[start++] != '.'))
            return 0;
    }
    return start == end;
}

static const char *const UNITS[] = {
    "usd", "eur", "gbp", "euro", "euros", "dollar", "dollars", "kr", "people", "views", "likes", "followers", "km", "kg",
    "bytes",
};

static int unit_follows(struct ab_text *t, int64_t end)
{
    if (ab_is_blank(ab_look(t, end)))
        end++;
    int c = ab_look(t, end);
    if (c == '%' || c == '$')
        return 1;
    if (!ab_is_letter(c))
        return 0;
    if (ab_lower(c) == 'z')
        ab_look(t, end + 1);
    for (int i = 0; i < COUNT(UNITS); i++)
        if (ab_lower(c) == UNITS[i][0] && ab_says(t, end, UNITS[i]) &&
            !ab_is_letter(ab_look(t, end + (int64_t)strlen(UNITS[i]))))
            return 1;
    return 0;
}

/* The end of the digits of an extension, behind two signs at most; or -1. */
static int64_t extension_digits(struct ab_text *t, int64_t at)
{
    int signs = 0, digits = 0;

    while (signs < 2 && sign_of(ab_look(t, at), " \t:.")) {
        at++;
        signs++;
    }
    while (ab_is_digit(ab_look(t, at))) {
        at++;
        digits++;
    }
    return digits < 1 || digits > 6 || ab_is_letter(ab_look(t, at)) ? -1 : at;
}

/* The end of the number with its extension, if it has one. */
static int64_t extended(struct ab_text *t, int64_t end)
{
    static const char *const words[] = {"x", "ext", "ext.", "extension", "durchwahl"};
    int64_t at = end, found;
    int c = ab_look(t, end);

    if (!ab_is_blank(c) && c != ',' && !sign_of(c, "xXeEdD"))
        return end;
    if (ab_is_blank(c))
        at++;
    if (ab_look(t, at) == ',') {
        at++;
        if (ab_is_blank(ab_look(t, at)))
            at++;
    }
    if (!ab_is_letter(ab_look(t, at)))
        return end;
    for (int i = 0; i < COUNT(words); i++)
        if (ab_says(t, at, words[i]) && (found = extension_digits(t, at + (int64_t)strlen(words[i]))) >= 0)
            return found;
    return end;
}

/* --- one number ------------------------------------------------------------------------------------------------- */

static int bracketed(struct ab_text *t, struct ab_group group)
{
    return group.a > 0 && t->seen[group.a - 1] == '(' && group.b < t->size && t->seen[group.b] == ')';
}

/* Where it begins: before its bracket, before its plus. */
static int64_t opening(struct ab_text *t, struct ab_group group, int *plus)
{
    int one = ab_look(t, group.a - 1), other = ab_look(t, group.a - 2), closes = ab_look(t, group.b) == ')';

    *plus = one == '+' || (one == '(' && other == '+' && closes);
    if ((one == '+' && other == '(' && closes) || (one == '(' && other == '+' && closes))
        return group.a - 2;
    if (one == '+' || (one == '(' && closes))
        return group.a - 1;
    return group.a;
}

static void write_out(struct ab_text *t, struct tried *n)
{
    char *out = n->written;

    n->size = 0;
    for (int i = 0; i < n->count; i++) {
        int in = bracketed(t, n->groups[i]);
        if (i)
            *out++ = '-';
        if (in)
            *out++ = '(';
        for (int64_t at = n->groups[i].a; at < n->groups[i].b; at++)
            *out++ = n->digits[n->size++] = (char)t->seen[at];
        if (in)
            *out++ = ')';
    }
    *out = n->digits[n->size] = 0;
}

static int shaped(struct ab_text *t, const struct tried *n)
{
    return is_shape(n) && !dotted(t, n->start, n->end) && !linked(t, n->start) && !unit_follows(t, n->end);
}

static int is_phone(struct ab_text *t, struct tried *n, int plus)
{
    if (touches(t, n->start, n->end) || torn(t, n))
        return 0;
    write_out(t, n);
    if (plus)
        return international(t->rules, n->digits, n->size);
    if (is_date(n->written))
        return 0;
    int abroad = !n->before_row && !n->behind_row && from_abroad(t->rules, n);
    if (!abroad && !shaped(t, n) && !(n->size <= 15 && says_phone(t, n->start)))
        return 0;
    return !says_other(t, n->start);
}

/* Whether these groups are part of a longer row of spaced ones. */
static void goes_on(const struct ab_text *t, const struct ab_row *row, int first, int last, int begin, struct tried *n)
{
    int spaced = 0;

    for (int i = first + 1; i < last; i++)
        for (int64_t at = row->groups[i - 1].b; at < row->groups[i].a; at++)
            spaced |= t->seen[at] == ' ';
    n->before_row = spaced && first > begin && row->groups[first - 1].b - row->groups[first - 1].a > 1;
    n->behind_row = spaced && last < row->count && row->groups[last].b - row->groups[last].a > 1;
}

/* The longest number that begins with this group: the group behind it, where it starts and ends; 0 where there is none. */
int ab_phone(struct ab_text *t, const struct ab_row *row, int first, int begin, int stop, int64_t *start, int64_t *end)
{
    int last = first + AB_MOST_GROUPS < stop ? first + AB_MOST_GROUPS : stop;

    for (; row->free[first] && last > first && !t->declined; last--) {
        int64_t size = row->sizes[last] - row->sizes[first];
        struct tried n = {.groups = row->groups + first, .count = last - first};
        int plus;
        if (!row->free[last] || size < 7 || size > 18)
            continue;
        n.start = opening(t, row->groups[first], &plus);
        n.end = extended(t, row->groups[last - 1].b);
        goes_on(t, row, first, last, begin, &n);
        if (is_phone(t, &n, plus)) {
            *start = n.start;
            *end = n.end;
            return last;
        }
    }
    return 0;
}
