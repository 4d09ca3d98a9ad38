"""Pages that hold more than one text: the coming policy above the current one, and regional variants of nearly the same.

A page is cut only where it says so (a line of dates, a second title) and where the words on both sides of the cut are
largely the same. Nothing is dropped: the parts together hold every sentence. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aboveboard.comparison import dates, frames, lexicon
from aboveboard.comparison.dates import Dates
from aboveboard.comparison.text import HEADING, Sentence, Sentences

COMING, CURRENT, ONLY = "coming", "current", "only"
LEAST_SHARE, LEAST_COMMON = 0.25, 0.2
"""Of the words of a page, each part has at least this share; of its longer words they have this much in common."""


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of a page, with the dates it gives itself. ``role`` is ``coming``, ``current`` or ``only``.

    ``banner`` are the sentences, by index, that only say which of two policies on the page this is.
    """

    role: str
    sentences: Sentences
    dates: Dates
    banner: frozenset[int] = frozenset()

    @property
    def effective(self) -> str | None:
        """The date from which it holds, as it says; of a coming policy what its banner says; else its last change."""
        told = self.dates.coming if self.role == COMING else None
        return told or self.dates.effective or self.dates.coming or self.dates.updated

    @property
    def clauses(self) -> Sentences:
        """Its sentences without banners and lines of dates."""
        return tuple(s for at, s in enumerate(self.sentences) if at not in self.dates.lines | self.banner)


def split(sentences: Sentences) -> tuple[Part, ...]:
    """The policies of a page: the coming one first, then the current one; or the only one."""
    halves = _interleaved(sentences) or _cut(sentences)
    if halves is None:
        return (Part(ONLY, sentences, dates.found(sentences)),)
    first, second = (Part(CURRENT, half, dates.found(half)) for half in halves)
    coming, current = (second, first) if _is_current(first, second) else (first, second)
    return (
        Part(COMING, coming.sentences, coming.dates, _banner(coming.sentences, current.sentences)),
        Part(CURRENT, current.sentences, current.dates, _banner(current.sentences, coming.sentences)),
    )


def governing(found: Sequence[Part]) -> Part:
    """The part that a comparison is about: what the page says will hold."""
    return found[0]


def _is_current(first: Part, second: Part) -> bool:
    """Whether the first part is the one that ends, as its own lines say; else the page puts the news first."""
    ends = [any(dates.kind_of(s) == "until" for s in part.sentences[:60]) for part in (first, second)]
    if ends[0] != ends[1]:
        return ends[0]
    known = first.dates.coming or first.dates.effective, second.dates.coming or second.dates.effective
    return known[0] is not None and known[1] is not None and known[0] < known[1]


# --- the banner of a page -----------------------------------------------------------------------------------------

LONGEST_PREFACE = 12
"""Sentences above the first section in which a banner is looked for, at most."""
_OF_THE_TEXT = r"(?:policy|policies|terms|version|notice|statement|agreement)"
_TELLS_WHICH = re.compile(
    rf"\b(?:new|upcoming|coming|updated|revised|current|previous|earlier) (?:\w+ ){{0,3}}{_OF_THE_TEXT}\b|"
    rf"\bupdat(?:ed|ing) (?:our|this|the|these) (?:\w+ ){{0,3}}{_OF_THE_TEXT}\b|"
    rf"\b(?:our|this|the|these) (?:\w+ ){{0,3}}{_OF_THE_TEXT} (?:\w+ ){{0,2}}(?:changing|changed|updated|in effect|in force)\b|"
    rf"\b{_OF_THE_TEXT} (?:that |which )?(?:applies|apply|continues|goes|comes|takes?)\b[^.;]{{0,20}}\b(?:today|now|until|from|"
    r"effect|force|below)\b|\bread (?:more )?(?:about )?(?:the|these|what) chang\w+", re.I,
)  # fmt: skip
_SAYS_MORE = re.compile(
    r"\b(?:may|might|can change|could|reserves?|not|no|never|without|any time|agree|accept|consent\w*)\b|n't\b", re.I
)


def _banner(sentences: Sentences, other: Sentences) -> frozenset[int]:
    """Sentences above the first section that say which policy this is, and that the other policy of the page has not.

    Only on a page that holds two policies. What allows, promises, offers or denies anything is no banner.
    """
    known = {s.tokens for s in other}
    heads = [
        at for at, s in enumerate(sentences) if s.kind == HEADING and s.tokens in known and not _TITLE.search(s.text)
    ]
    above = sentences[: heads[0] if heads else 0][:LONGEST_PREFACE]
    return frozenset(at for at, s in enumerate(above) if s.tokens not in known and _tells_which(s))


def _tells_which(sentence: Sentence) -> bool:
    words = sentence.text
    if len(sentence.tokens) > dates.LONGEST_BANNER or _SAYS_MORE.search(words) or lexicon.company_spans(words):
        return False
    return _TELLS_WHICH.search(words) is not None and frames.frame_of(words) == frames.STATEMENT


# --- where a page is cut ------------------------------------------------------------------------------------------


def _cut(sentences: Sentences) -> tuple[Sentences, Sentences] | None:
    for at in _candidates(sentences):
        start = _upwards(sentences, at)
        if dates.kind_of(sentences[at]) != "until" and _same(sentences[:start], sentences[start:]):
            continue  # the same page saved twice
        if _twins(sentences[:start], sentences[start:]):
            return sentences[:start], sentences[start:]
    return None


def _candidates(sentences: Sentences) -> list[int]:
    """Where a second policy may begin: "effective until", a banner below, the title once more."""
    untils = [at for at, s in enumerate(sentences) if at and dates.kind_of(s) == "until"]
    return [*untils, *_titles(sentences)[1:]]


def _same(first: Sequence[Sentence], second: Sequence[Sentence]) -> bool:
    return {s.tokens for s in first} == {s.tokens for s in second}


_TITLE = re.compile(
    r"\b(?:privacy|cookies?|data) (?:policy|notice|statement)|terms (?:of (?:service|use)|and conditions)|user "
    r"agreement",
    re.I,
)


def _titles(sentences: Sentences) -> list[int]:
    """Headings of the highest rank that name the kind of document, as the first one does."""
    heads = [at for at, s in enumerate(sentences) if s.kind == HEADING and len(s.tokens) <= 8 and _TITLE.search(s.text)]
    if not heads:
        return []
    kind = _TITLE.search(sentences[heads[0]].text)
    top = sentences[heads[0]].level
    return [at for at in heads if sentences[at].level <= top and kind and kind[0].lower() in sentences[at].text.lower()]


def _upwards(sentences: Sentences, at: int) -> int:
    """The cut moved above the title and the banners that belong to what follows."""
    while at > 0 and (dates.kind_of(sentences[at - 1]) in ("banner", "coming") or at - 1 in _titles(sentences)[1:]):
        at -= 1
    return at


def _twins(first: Sequence[Sentence], second: Sequence[Sentence]) -> bool:
    sizes = [sum(len(s.tokens) for s in half) for half in (first, second)]
    if min(sizes) < LEAST_SHARE * sum(sizes):
        return False
    a, b = (Counter(t for s in half for t in s.tokens if len(t) > 5) for half in (first, second))
    exact = {s.tokens for s in first if len(s.tokens) > 5} & {s.tokens for s in second if len(s.tokens) > 5}
    return sum((a & b).values()) >= 0.5 * max(sum(a.values()), sum(b.values())) and len(exact) >= LEAST_COMMON * min(
        sum(len(s.tokens) > 5 for s in half) for half in (first, second)
    )


def _interleaved(sentences: Sentences) -> tuple[Sentences, Sentences] | None:
    """A page that tells both introductions first, then both bodies, then both ends."""
    until = next((at for at, s in enumerate(sentences[:120]) if at and dates.kind_of(s) == "until"), None)
    if until is None or sum(len(s.tokens) for s in sentences[:until]) > LEAST_SHARE * sum(
        len(s.tokens) for s in sentences
    ):
        return None
    start = _upwards(sentences, until)
    heads = Counter(s.tokens for s in sentences[until:] if s.kind == HEADING)
    body = next(
        (
            at
            for at in range(until, len(sentences))
            if sentences[at].kind == HEADING and heads[sentences[at].tokens] >= 2
        ),
        None,
    )
    if body is None:
        return None
    again = next(at for at in range(body + 1, len(sentences)) if sentences[at].tokens == sentences[body].tokens)
    if not _twins(sentences[body:again], sentences[again:]):
        return None
    end_first, end_second = _ends(sentences, again)
    again_told, told = _told_twice(sentences, until, body)
    first = sentences[:start] + sentences[told:again_told] + sentences[body:again] + sentences[end_first:end_second]
    second = sentences[start:told] + sentences[again_told:body] + sentences[again:end_first] + sentences[end_second:]
    return first, second


def _told_twice(sentences: Sentences, start: int, end: int) -> tuple[int, int]:
    """Where a run of sentences is told again between two places, and where it was told first."""
    seen: dict[tuple[str, ...], int] = {}
    for at in range(start, end):
        key = sentences[at].tokens
        if len(key) >= 6 and key in seen:
            return at, seen[key]
        seen.setdefault(key, at)
    return start, start


def _ends(sentences: Sentences, body: int) -> tuple[int, int]:
    """Where the ends of the first and of the second policy begin, below the second body."""
    marks = [at for at in range(body, len(sentences)) if dates.kind_of(sentences[at]) == "effective"]
    if len(marks) < 2:
        return len(sentences), len(sentences)
    return _upwards(sentences, marks[-2]), _upwards(sentences, marks[-1])


# --- regional variants --------------------------------------------------------------------------------------------

_REGION = re.compile(
    r"^(?:if you|for (?:users|residents|people|those|customers) (?:who )?)(?: (?:live|reside|are (?:located|based|"
    r"resident|a resident)|located))? (?:in|outside|of|within)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Variant:
    """The text for one region; ``region`` is its heading, or empty for what all regions share."""

    region: str
    sentences: Sentences


def variants(sentences: Sentences) -> tuple[Variant, ...]:
    """The regional variants of a text, with what stands above them first; one without a region where there are none."""
    heads = [
        at for at, s in enumerate(sentences) if s.kind == HEADING and len(s.tokens) <= 30 and _REGION.match(s.text)
    ]
    bounds = [*heads, len(sentences)]
    pieces = [sentences[a:b] for a, b in pairwise(bounds)]
    if len(pieces) < 2 or not all(_twins(pieces[0], piece) for piece in pieces[1:]):
        return (Variant("", sentences),)
    return Variant("", sentences[: heads[0]]), *(Variant(piece[0].text, piece) for piece in pieces)
