"""What is wrong with a text, or with a capture of it, before anybody calls the difference a change.

Problems stop a comparison: an error page, three words, a file that is no policy. Notes do not: a page that says
everything seven times, a section whose heading stands and whose words are gone, a second page appended by whoever
saved it. What is left out because of a note is named in it; nothing is invented in its place. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from aboveboard.comparison import frames, markup
from aboveboard.comparison.changes import Note
from aboveboard.comparison.parts import Part, variants
from aboveboard.comparison.text import HEADING, Sentence, Sentences

LEAST_WORDS = 10
"""Fewer words than this are no policy."""
LEAST_RULING = 3
"""Sentences that allow, promise or offer something; an error page has fewer."""
COLLAPSED = 0.2
"""A text with less than this share of the other's words was not captured whole."""

_ERROR_PAGE = re.compile(
    r"\b(?:404|403|500|502|503|504)\b[^.]{0,20}\b(?:not found|error|forbidden|unavailable|bad gateway|time-?out)|"
    r"\bpage (?:is )?(?:not found|isn't available|unavailable|doesn't exist)|"
    r"\baccess denied\b|\bjust a moment\b|\benable javascript\b|\bjavascript is (?:not available|disabled|"
    r"required)|\bverify(?:ing)? (?:that )?you are (?:a )?human|\bare you a robot\b|"
    r"\bcaptcha\b|\bsomething went wrong\b|\btemporarily unavailable\b|\bservice unavailable\b|\binternal server "
    r"error\b|\blog ?in to continue\b|\bsign in to continue\b|"
    r"\btoo many requests\b|\bchecking your browser\b|\bthis content isn't available\b", re.I,
)  # fmt: skip


def of_raw(text: str, side: str) -> Iterator[Note]:
    """What is wrong before a word is read."""
    if len(text) > markup.LONGEST:
        size = f"{len(text):,} characters"
        yield Note("too-long", f"the {side} text has {size}; no policy is as long, and nothing was read", side)
    if "\x00" in text:
        yield Note(
            "not-text", f"the {side} text holds zero bytes: it is no text, or its encoding was read wrongly", side
        )
    broken = text.count("\ufffd")
    if broken > max(3, len(text) // 500):
        yield Note(
            "wrong-encoding",
            f"the {side} text has {broken:,} characters that could not be decoded: save it as UTF-8",
            side,
        )
    elif (doubled := len(_DOUBLED.findall(text))) > max(3, len(text) // 2000):
        yield Note(
            "wrong-encoding",
            f"the {side} text was decoded twice ({doubled:,} places such as `â€™`): save it as UTF-8",
            side,
        )


_DOUBLED = re.compile(r"â€[™œ\u009d“”˜¦–—]|Ã[©¨¤¶¼ŸÃ¡³±]|Â[ «»§]")


_TABLE_ON_A_LINE = re.compile(r"\|[^|\n]*[^\s|:-][^|\n]*\|.*\|\s*:?-{2,}:?\s*\|.*[^\s|:-]")


def layout(text: str, side: str) -> Iterator[Note]:
    """What a reader should know of how a text is written down."""
    if any(
        _TABLE_ON_A_LINE.search(line[:LONGEST_ROW])
        for line in text.split("\n")
        if line.count("|") >= 6 and "--" in line
    ):
        yield Note(
            "one-line-table",
            f"a table of the {side} text stands on one line: it was cut into rows by the width of its rule",
            side,
        )


LONGEST_ROW = 20_000
"""Characters of a line that are looked at to tell whether a whole table stands on it."""


def of_words(sentences: Sentences, side: str) -> Iterator[Note]:
    """What is wrong with a text for itself."""
    words = _size(sentences)
    if words < LEAST_WORDS:
        count = "no words" if not words else "one word" if words == 1 else f"{words} words"
        yield Note("too-short", f"the {side} text has {count}: it is no policy", side)
    elif words < 400 and not _rules(sentences) and (found := _error(sentences)):
        yield Note("error-page", f"the {side} text is an error page of {words} words: `{found[:80]}`", side)


def _error(sentences: Sentences) -> str | None:
    return next((s.text for s in sentences if _ERROR_PAGE.search(s.text)), None)


def _rules(sentences: Sentences) -> bool:
    """Whether a short text says what a policy says, in three sentences and in a third of them at least."""
    ruling = sum(frames.frame(s) != frames.STATEMENT for s in sentences)
    return ruling >= LEAST_RULING and 3 * ruling >= len(sentences)


def of_both(old: Sentences, new: Sentences) -> Iterator[Note]:
    """What is wrong with two texts side by side."""
    sizes = _said_once(old), _said_once(new)
    if min(sizes) < COLLAPSED * max(sizes) and max(sizes) >= 300:
        side = "old" if sizes[0] < sizes[1] else "new"
        yield Note(
            "collapsed",
            f"the {side} text has {min(sizes):,} words and the other {max(sizes):,}: it was not captured whole, "
            f"most likely",
            side,
        )
    found = unread(old) or language(old), unread(new) or language(new)
    if None not in found and found[0] != found[1]:
        yield Note(
            "two-languages", f"the old text is in {found[0]} and the new one in {found[1]}: nothing can be compared"
        )


def of_language(old: Sentences, new: Sentences) -> Iterator[Note]:
    """That the rules do not read a text, said of both texts where it is so of both."""
    found = {side: spoken for side, spoken in (("old", unread(old)), ("new", unread(new))) if spoken}
    if found:
        side = "both" if len(found) > 1 else next(iter(found))
        whose = "both texts are" if side == "both" else f"the {side} text is"
        sentence = (
            f"{whose} in {' and '.join(dict.fromkeys(found.values()))}, and the rules read English alone: sentences were "
            "aligned, every change is unclear and says nothing of what it is about, and no rename was learned"
        )
        yield Note("unread-language", sentence, side)


def notes(part: Part, side: str) -> Iterator[Note]:
    """What a reader of one text should know."""
    times = min(_repeated(variant.sentences) for variant in variants(part.sentences)[-2:])
    if times >= 2:
        yield Note(
            "repeated", f"the {side} text says most of its sentences {times} times over: each was read once", side
        )
    foreign = mixed(part.sentences)
    if foreign:
        yield Note(
            "mixed-languages",
            f"the {side} text is in {language(part.sentences)} with passages in {', '.join(foreign)}, which are told apart",
            side,
        )


def _size(sentences: Sequence[Sentence]) -> int:
    return sum(len(s.tokens) for s in sentences)


def _said_once(sentences: Sentences) -> int:
    return sum(map(len, {s.tokens for s in sentences}))


def _repeated(sentences: Sentences) -> int:
    counts = Counter(s.tokens for s in sentences if len(s.tokens) >= 6)
    if len(counts) < 3:
        return 1
    ranked = sorted(counts.values())
    return ranked[len(ranked) // 2]


# --- languages ----------------------------------------------------------------------------------------------------

_COMMON = {
    "English": "the and of to your you we our is that with for are this or not by may",
    "German": "der die und das nicht wir sie ihre mit für von werden ist auf ein eine zu den",
    "French": "le la les et des vous nous votre vos pour que dans est une sur avec nos du",
    "Spanish": "el los las y de que en su usted nosotros para con por una del sus como no",
    "Italian": "il che di e per gli sono nostro con una dei della nel alla le non sui",
    "Dutch": "de het een en van wij uw onze met voor niet zijn op dat die te aan wordt",
    "Portuguese": "o os as e que de para com você nós uma seus do da em não por ao",
}
_WORDS = {name: frozenset(words.split()) for name, words in _COMMON.items()}
_SCRIPTS = (
    ("Russian", re.compile(r"[\u0400-\u04ff]")), ("Japanese", re.compile(r"[\u3040-\u30ff]")),
    ("Chinese", re.compile(r"[\u4e00-\u9fff]")),
    ("Korean", re.compile(r"[\uac00-\ud7af]")), ("Arabic", re.compile(r"[\u0600-\u06ff]")),
    ("Greek", re.compile(r"[\u0370-\u03ff]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")), ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
    ("Hindi", re.compile(r"[\u0900-\u097f]")),
)  # fmt: skip


def language(sentences: Sequence[Sentence]) -> str | None:
    """The language that most words are in, or None where it cannot be told."""
    counts = _counted(sentences)
    return max(sorted(counts), key=lambda name: counts[name]) if counts else None


LEAST_TOLD, LEAST_ENGLISH = 20, 0.1
"""Words in whole sentences from which a language can be told; the share of them that is English in an English text."""
OTHER = "a language other than English"


@lru_cache(maxsize=8)
def unread(sentences: Sentences) -> str:
    """The language of a text that the rules do not read, by its name where it is known; nothing where it is English."""
    counts, main = _counted(sentences), language(sentences)
    if main is not None and main != "English":
        return main
    told = sum(len(s.tokens) for s in sentences if len(s.tokens) >= 6)
    return OTHER if told >= LEAST_TOLD and counts["English"] < LEAST_ENGLISH * told else ""


def mixed(sentences: Sequence[Sentence]) -> list[str]:
    """Languages besides the main one that a tenth of the words, and thirty at least, are in."""
    counts, main = _counted(sentences), language(sentences)
    least = max(30, 0.1 * sum(counts.values()))
    return [name for name, n in sorted(counts.items()) if name != main and n >= least]


def foreign(sentences: Sentences) -> Sentences:
    """The sentences of the passages in another language, where there are any to speak of."""
    others = mixed(sentences)
    return tuple(s for s in sentences if spoken(s) in others) if others else ()


def spoken(sentence: Sentence) -> str | None:
    """The language of one sentence, or None where it cannot be told."""
    return _spoken(sentence.tokens, sentence.text)


def _counted(sentences: Sequence[Sentence]) -> Counter[str]:
    counts = Counter[str]()
    for sentence in sentences:
        if spoken := _spoken(sentence.tokens, sentence.text):
            counts[spoken] += len(sentence.tokens)
    return counts


@lru_cache(maxsize=1 << 14)
def _spoken(tokens: tuple[str, ...], words: str) -> str | None:
    if not words.isascii():
        for name, script in _SCRIPTS:
            if len(script.findall(words)) > len(words) / 4:
                return name
    if len(tokens) < 6:
        return None
    here = Counter(tokens)
    ranked = sorted(((sum(here[t] for t in words & here.keys()), name) for name, words in _WORDS.items()), reverse=True)
    (most, name), (second, _) = ranked[0], ranked[1]
    return name if most >= 2 and most > second else None


# --- captures that lost or gained what the policy did not ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lost:
    """Sentences of one side, by index, that the other capture lost; and the note that says so."""

    old: frozenset[int]
    new: frozenset[int]
    note: Note


def captures(old: Sentences, new: Sentences, same_date: bool) -> Iterator[Lost]:
    """Sections that a capture lost under a heading that stands, and pages that were appended to one."""
    for bigger, smaller, side in ((old, new, "new"), (new, old, "old")):
        for gone, note in (*_emptied(bigger, smaller, side, same_date), *_appended(bigger, smaller, side, same_date)):
            at = frozenset(gone)
            yield Lost(at if side == "new" else frozenset(), at if side == "old" else frozenset(), note)


LEAST_LOST, LEAST_LOST_UNDATED, LEAST_SHARE_UNDATED = 150, 300, 0.1
"""Words that must be missing under a heading to suspect the capture: fewer where the policy's date stayed the same."""
LEAST_FOLDED, LEAST_BLOCKS = 300, 6
"""Words and blocks that must be missing behind sentences that stand: a page hides a whole run of paragraphs at a click,
and whoever adds something adds a paragraph or two."""


def _emptied(bigger: Sentences, smaller: Sentences, side: str, same_date: bool) -> Iterator[tuple[list[int], Note]]:
    known = {s.tokens for s in smaller}
    heads_there = Counter(s.tokens for s in smaller if len(s.tokens) >= 2)
    heads = [at for at, s in enumerate(bigger) if s.kind == HEADING and s.tokens in heads_there]
    for at, end in zip(heads, [*heads[1:], len(bigger)], strict=False):
        body = range(at + 1, end)
        missing = [i for i in body if bigger[i].tokens not in known]
        if not missing or any(bigger[i].kind == HEADING for i in missing):
            continue
        least = _least(bigger, missing, smaller, bigger[at].tokens, same_date)
        words, all_words = sum(len(bigger[i].tokens) for i in missing), sum(len(bigger[i].tokens) for i in body)
        if words < least or words < 0.8 * all_words:
            continue
        if _under(smaller, bigger[at].tokens, {s.tokens for s in bigger}) > 0.15 * words:
            continue
        yield missing, Note("suspect-capture", _suspected(side, bigger[at].text, words), side)


def _suspected(side: str, title: str, words: int) -> str:
    told = f"the {side} text has the heading `{title[:80]}` without {words:,} words that the other has there"
    return f"{told}: lost in the capture, most likely; they are told apart and not counted as a change"


def _least(
    bigger: Sentences, missing: Sequence[int], smaller: Sentences, head: tuple[str, ...], same_date: bool
) -> float:
    """How many words must be missing. Where whole sentences stand under the heading, only a long run of blocks to the
    end of the section looks like a loss: anything less is what somebody adds, or takes out, without a word."""
    least = LEAST_LOST if same_date else max(LEAST_LOST_UNDATED, LEAST_SHARE_UNDATED * _size(bigger))
    if not _stands(smaller, head, frozenset(s.tokens for s in bigger if s.kind == HEADING)):
        return least
    blocks = len({bigger[i].block for i in missing})
    after = missing[-1] + 1
    to_the_end = after == len(bigger) or bigger[after].kind == HEADING
    return max(least, LEAST_FOLDED) if blocks >= LEAST_BLOCKS and to_the_end else float("inf")


def _stands(sentences: Sentences, head: tuple[str, ...], heads: frozenset[tuple[str, ...]]) -> bool:
    """Whether something that is complete stands under a heading; what ends in a colon announces what is not there."""
    ends = [at for at, s in enumerate(sentences) if s.kind == HEADING or s.tokens in heads]
    bodies = [sentences[at + 1 : end] for at, end in pairwise([*ends, len(sentences)]) if sentences[at].tokens == head]
    return any(body and not body[-1].text.endswith(":") for body in bodies)


def _under(sentences: Sentences, head: tuple[str, ...], known: set[tuple[str, ...]]) -> int:
    """Words that stand under a heading, and are new to the other text."""
    words, inside = 0, False
    for sentence in sentences:
        if sentence.kind == HEADING:
            inside = sentence.tokens == head or (inside and sentence.tokens not in known)
        elif inside and sentence.tokens not in known:
            words += len(sentence.tokens)
    return words


def _appended(
    bigger: Sentences, smaller: Sentences, side: str, same_date: bool
) -> Iterator[tuple[Sequence[int], Note]]:
    """A whole page with a title of its own behind the end of the policy, while the policy's date stayed."""
    known = {s.tokens for s in smaller}
    titles = [at for at, s in enumerate(bigger) if at and s.kind == HEADING and s.level == 1 and s.tokens not in known]
    for at in titles:
        rest = bigger[at:]
        if same_date and _size(rest) >= LEAST_LOST and not any(s.tokens in known for s in rest if len(s.tokens) >= 6):
            holder = "old" if side == "new" else "new"
            sentence = (
                f"behind the end of the {holder} text stands another page, `{bigger[at].text[:80]}` "
                f"({_size(rest):,} words): appended by the capture, most likely; it is told apart"
            )
            yield range(at, len(bigger)), Note("appended-page", sentence, holder)
            return
