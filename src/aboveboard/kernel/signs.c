/* E-mail addresses and mentions: `identifiers._at_signs`, for what is ASCII around the sign. */

#include <string.h>

#include "text.h"

void ab_add(struct ab_text *t, int64_t start, int64_t end, int kind)
{
    if (t->count >= t->room) {
        t->full = 1;
        return;
    }
    t->spans[t->count++] = (struct ab_span){t->row, (int32_t)start, (int32_t)end, kind};
}

/* Whether a word of the text is in an ordered list of small-letter words. */
int ab_word_listed(struct ab_text *t, int64_t start, int64_t end, const char *const *words, int count)
{
    char word[20];
    int64_t size = end - start;
    int low = 0, high = count;

    if (size <= 0 || size >= (int64_t)sizeof word)
        return 0;
    for (int64_t i = 0; i < size; i++)
        word[i] = (char)ab_lower(t->seen[start + i]);
    word[size] = 0;
    while (low < high) {
        int mid = (low + high) / 2, order = strcmp(word, words[mid]);
        if (order == 0)
            return 1;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return 0;
}

/* A character of these classes may go on a word of ASCII letters; any other outside ASCII ends it. */
enum { IN_WORDS = AB_FAR_READ | AB_FAR_WORD };

static int in_label(int c)
{
    return ab_is_letter(c) || ab_is_digit(c) || c == '-';
}

static int in_local(int c)
{
    return ab_is_word(c) || c == '.' || c == '+' || c == '-' || c == '\'' || c == '%';
}

/* The end of a last label that begins here, or -1. */
static int64_t top(struct ab_text *t, int64_t at)
{
    int64_t end = at;

    if (ab_look(t, at) == 'x' && ab_look(t, at + 1) == 'n' && ab_look(t, at + 2) == '-' && ab_look(t, at + 3) == '-' &&
        in_label(ab_look(t, at + 4))) {
        for (end = at + 4; in_label(ab_look_for(t, end, IN_WORDS));)
            end++;
        return end;
    }
    while (ab_is_letter(ab_look_for(t, end, IN_WORDS)))
        end++;
    return end - at >= 2 ? end : -1;
}

/* The end of the domain that begins here, as many labels as can be, and where its last label begins; or -1. */
static int64_t domain(struct ab_text *t, int64_t at, int64_t *last)
{
    int64_t found = -1;

    for (int64_t label = at;;) {
        int64_t end = label;
        ab_look(t, label); /* a label may begin with any letter */
        if (label > at && (end = top(t, label)) >= 0) {
            found = end;
            *last = label;
        }
        for (end = label; in_label(ab_look_for(t, end, IN_WORDS));)
            end++;
        if (end == label || ab_look_for(t, end, IN_WORDS) != '.')
            return found;
        label = end + 1;
    }
}

static const char *const FILES[] = {
    "avif", "bmp", "css", "dll", "exe", "gif", "htm", "html", "ico", "invalid", "jar", "jpeg", "jpg", "js", "json", "jsx",
    "local", "localhost", "mp3", "mp4", "pdf", "php", "png", "sass", "scss", "svg", "tgz", "ts", "tsx", "txt", "webp", "whl",
    "xml", "yaml", "yml",
};

/* A version or a file. */
static int no_domain(struct ab_text *t, int64_t start, int64_t last, int64_t end)
{
    int64_t at = start;

    while (at < end && ab_is_digit(t->seen[at]))
        at++;
    if (at > start && at + 1 < end && t->seen[at] == '.' && ab_is_digit(t->seen[at + 1]))
        return 1;
    return ab_word_listed(t, last, end, FILES, (int)(sizeof FILES / sizeof *FILES));
}

/* The end of the e-mail address whose sign is here, and where it starts; or -1. */
static int64_t email(struct ab_text *t, int64_t done, int64_t at, int64_t after, int64_t *start)
{
    int64_t end, last = 0, from = at;

    if (at == done)
        return -1;
    int before = t->seen[at - 1];
    if (before < 0x80 && !in_local(before))
        return -1;
    if ((end = domain(t, after, &last)) < 0 || no_domain(t, after, last, end))
        return -1;
    while (from > done && in_local(ab_look(t, from - 1)))
        from--;
    while (from < at && strchr(".+-'%", t->seen[from]) && t->seen[from])
        from++;
    *start = from;
    return from < at ? end : -1;
}

static int64_t part(struct ab_text *t, int64_t at)
{
    ab_look(t, at); /* it may begin with any letter */
    while (ab_is_word(ab_look_for(t, at, IN_WORDS)))
        at++;
    return at;
}

/* `RT` before a sign, with nothing that it could be part of before it. */
static int retold(struct ab_text *t, int64_t done, int64_t at)
{
    int64_t least = at - 4 > done ? at - 4 : done, from = at - 2;

    if (from < least || ab_lower(ab_look(t, from)) != 'r' || ab_lower(ab_look(t, from + 1)) != 't')
        return 0;
    if (from == 0)
        return 1;
    int c = from - 1 >= least ? ab_look(t, from - 1) : AB_END;
    return c != AB_END && !ab_is_word(c) && !strchr("+~.-", c ? c : 'x');
}

static int before_none(int c)
{
    return c != AB_END && (ab_is_word(c) || c == '!' || c == '#' || c == '$' || c == '%' || c == '&' || c == '*' || c == '@');
}

/* `@5pm`, `@7:30`, and digits at all where `only` says that they count. */
static int time_of_day(struct ab_text *t, int64_t at, int64_t end)
{
    int64_t size = end - at, digits = 0;

    while (digits < size && ab_is_digit(t->seen[at + digits]))
        digits++;
    if (digits < 1 || digits > 2)
        return 0;
    if (digits == size)
        return ab_look_for(t, end, IN_WORDS) == ':';
    at += digits;
    size -= digits;
    return (size == 1 && ab_says(t, at, "h")) || (size == 2 && (ab_says(t, at, "am") || ab_says(t, at, "pm"))) ||
           (size == 3 && ab_says(t, at, "uhr"));
}

/* The end of a host behind a handle, or `at` where there is none. It goes on with letters of any script. */
static int64_t host(struct ab_text *t, int64_t at)
{
    int64_t end = at + 1;

    if (ab_look_for(t, at, IN_WORDS) != '@' || !in_label(ab_look(t, end)) || ab_look(t, end) == '-')
        return at;
    for (;;) {
        while (in_label(ab_look(t, end)))
            end++;
        if (ab_look(t, end) != '.' || !in_label(ab_look(t, end + 1)))
            break;
        end++;
    }
    int c = ab_look(t, end);
    if (ab_is_word(c) || c == '@' || (c == '.' && ab_is_word(ab_look(t, end + 1))))
        return at;
    return end;
}

static int is_pseudonym(struct ab_text *t, int64_t at, int64_t end)
{
    if (end - at != 18 || t->seen[at] != 'u' || t->seen[at + 1] != '_')
        return 0;
    for (at += 2; at < end; at++)
        if (!((t->seen[at] >= 'a' && t->seen[at] <= 'z') || (t->seen[at] >= '2' && t->seen[at] <= '7')))
            return 0;
    return 1;
}

/* The end of the mention whose sign is here, or -1. */
static int64_t mention(struct ab_text *t, int64_t done, int64_t at, int *kind)
{
    int64_t start = at + 1, end = part(t, start), named = start;

    if (at > done && before_none(ab_look_back_for(t, at, AB_FAR_READ)) && !retold(t, done, at))
        return -1;
    if (end == start)
        return -1;
    for (;;) {
        int c = ab_look_for(t, end, IN_WORDS);
        if ((c != '.' && c != '-') || !ab_is_word(ab_look(t, end + 1)))
            break;
        end = part(t, end + 1);
    }
    while (named < end && t->seen[named] == '_')
        named++;
    if (named == end || (ab_look_for(t, end, IN_WORDS) == ':' && ab_look(t, end + 1) == '/' && ab_look(t, end + 2) == '/'))
        return -1;
    if (time_of_day(t, start, end))
        return -1;
    int64_t whole = host(t, end);
    *kind = whole == end && is_pseudonym(t, start, end) ? AB_PSEUDONYM : AB_MENTION;
    return whole;
}

/* From left to right, the address before the mention at the same sign. */
void ab_at_signs(struct ab_text *t)
{
    int64_t done = 0;

    for (int64_t at = 0; at < t->size; at++) {
        int plain = t->seen[at] == '@';
        if (at < done || !(plain || (t->seen[at] == '%' && at + 2 < t->size && t->seen[at + 1] == '4' && t->seen[at + 2] == '0')))
            continue;
        int64_t start = at, end = email(t, done, at, at + (plain ? 1 : 3), &start);
        int kind = AB_EMAIL;
        if (end < 0 && plain)
            end = mention(t, done, at, &kind);
        if (end >= 0) {
            ab_add(t, start, end, kind);
            done = end;
        }
    }
}
