/* One text as the rules of docs/formats/scrubbing.md read it, for the files that carry them out. The reference is
 * `identifiers`: what stands here gives the same spans, or declines the text.
 *
 * A text is read as bytes, and the rules are carried out for what is ASCII. INVARIANT: a rule that reads a byte outside ASCII
 * reads it through `ab_look`, which declines the whole text, so what such a character would have meant is never guessed; what
 * no rule reads may be in any script.
 */
#ifndef ABOVEBOARD_TEXT_H
#define ABOVEBOARD_TEXT_H

#include "kernel.h"

enum { AB_SIGNS = 1, AB_SPELT = 2, AB_IPS = 4, AB_DIGITED = 8, AB_ALL_STAGES = 15 };
enum { AB_MENTION, AB_EMAIL, AB_PHONE, AB_IP, AB_CARD, AB_IBAN, AB_KINDS, AB_PSEUDONYM = AB_KINDS };

/* What a character outside ASCII may be to a rule. */
enum {
    AB_FAR_TRACE = 1,  /* an at sign, or a decimal digit */
    AB_FAR_SPACE = 2,  /* read as a space */
    AB_FAR_UNSEEN = 4, /* not read at all */
    AB_FAR_CLOSES = 8, /* read as a closing bracket */
    AB_FAR_READ = 16,  /* read as something else, or not at all: it may stand within a number */
    AB_FAR_WORD = 32,  /* a letter of an alphabet that words of ASCII letters are written with too */
    AB_FAR_LETTER = 64, /* read as a letter of ASCII */
};

/* Tables that `identifiers` states, as `kernel.text` writes them. */
struct ab_rules {
    const uint8_t *pages;    /* of each 256 code points, 0x1100 in all: which page of `classes` */
    const uint8_t *classes;  /* 256 bytes a page */
    const uint8_t *accounts; /* how long an account number of each pair of letters is, 26 * 26; 0: of no country */
    const uint8_t *calling;  /* fewest and most digits behind calling codes 0 to 9, 00 to 99, 000 to 999; 0: no code */
};

struct ab_span {
    int32_t row;
    int32_t start; /* in bytes of that row */
    int32_t end;
    int32_t kind;
};

struct ab_text {
    const struct ab_rules *rules;
    uint8_t *seen; /* a copy of the text, in which what was found is written over with zeros */
    int64_t size;
    struct ab_span *spans;
    int64_t count;
    int64_t room;
    int32_t row;
    int declined; /* a rule met what it does not know */
    int full;     /* there was no room for a span */
};

enum { AB_END = -1, AB_FAR = 0x80 };

/* The byte at a place; AB_END outside of the text. */
static inline int ab_look(struct ab_text *t, int64_t at)
{
    if (at < 0 || at >= t->size)
        return AB_END;
    if (t->seen[at] >= 0x80) {
        t->declined = 1;
        return AB_FAR;
    }
    return t->seen[at];
}

int ab_class_at(const struct ab_rules *rules, const uint8_t *data, int64_t size, int64_t at);

/* The same where a character matters only if it is of these classes: any other is AB_FAR, and no reason to decline. */
static inline int ab_look_for(struct ab_text *t, int64_t at, int classes)
{
    if (at >= 0 && at < t->size && t->seen[at] >= 0x80 && !(ab_class_at(t->rules, t->seen, t->size, at) & classes))
        return AB_FAR;
    return ab_look(t, at);
}

/* The character before a place, in the same way. */
static inline int ab_look_back_for(struct ab_text *t, int64_t at, int classes)
{
    for (at--; at > 0 && (t->seen[at] & 0xc0) == 0x80;)
        at--;
    return ab_look_for(t, at, classes);
}

static inline int ab_is_digit(int c)
{
    return (unsigned)c - '0' < 10u;
}

static inline int ab_is_letter(int c)
{
    return c >= 0 && ((unsigned)c | 32u) - 'a' < 26u;
}

static inline int ab_is_word(int c)
{
    return ab_is_digit(c) || ab_is_letter(c) || c == '_';
}

static inline int ab_lower(int c)
{
    return (unsigned)c - 'A' < 26u ? c + 32 : c;
}

static inline int ab_is_blank(int c)
{
    return c == ' ' || c == '\t';
}

/* Whether these small letters stand at a place, in small letters or capitals. */
static inline int ab_says(struct ab_text *t, int64_t at, const char *word)
{
    for (; *word; word++, at++)
        if (ab_lower(ab_look(t, at)) != *word)
            return 0;
    return 1;
}

int ab_stages(const struct ab_rules *rules, const uint8_t *data, int64_t size);
int ab_may_be_spelt(const struct ab_rules *rules, const uint8_t *data, int64_t size);
int ab_word_listed(struct ab_text *t, int64_t start, int64_t end, const char *const *words, int count);
void ab_add(struct ab_text *t, int64_t start, int64_t end, int kind);
void ab_at_signs(struct ab_text *t);
void ab_addresses(struct ab_text *t);
void ab_numbers(struct ab_text *t);

/* A group of digits, `a` up to `b`. */
struct ab_group {
    int64_t a;
    int64_t b;
};

enum { AB_MOST_GROUPS = 8, AB_ROW = 256 };

/* A row of digits with gaps between its groups: whether a number may begin before each group, and how many digits stand
 * before it (both with one more behind the last). */
struct ab_row {
    struct ab_group groups[AB_ROW];
    uint8_t free[AB_ROW + 1];
    int64_t sizes[AB_ROW + 1];
    int count;
};

int ab_phone(struct ab_text *t, const struct ab_row *row, int first, int begin, int stop, int64_t *start, int64_t *end);
int ab_glued(int c);

#endif
