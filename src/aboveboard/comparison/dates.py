"""The dates a policy gives itself: when it takes effect, until when it stays, when it was last changed.

Such a line is no clause. It is read, left out of the comparison and told beside it, so that a date moved forward is
seen and does not count as a change of what the policy says. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from aboveboard.comparison import frames, lexicon
from aboveboard.comparison.text import Sentence

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier enero gennaio januari", "february februar février febrero febbraio februari",
            "march märz mars marzo maart",
            "april avril abril aprile", "may mai mayo maggio mei",
            "june juni juin junio giugno", "july juli juillet julio luglio",
            "august août agosto augustus", "september septembre septiembre settembre", "october oktober octobre octubre ottobre",
            "november novembre noviembre", "december dezember décembre diciembre dicembre",
        ), 1,
    )
    for name in names.split()
}  # fmt: skip
_NAMES = "|".join(sorted({*_MONTHS, *(name[:3] for name in _MONTHS), "sept"}, key=len, reverse=True))
_DATE = re.compile(
    rf"\b(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})\b|"
    rf"\b(?P<d2>\d{{1,2}})\.\s?(?P<m2>\d{{1,2}})\.\s?(?P<y2>\d{{4}})\b|"
    rf"\b(?P<n3>{_NAMES})\.? (?P<d3>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y3>\d{{4}})|"
    rf"\b(?P<d4>\d{{1,2}})(?:st|nd|rd|th|\.|er)?(?: of| de)? (?P<n4>{_NAMES})\.?,?(?: de)? (?P<y4>\d{{4}})",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"\beffective until\b|\b(?:in effect|in force|valid|applies|applicable) until\b", re.I)
_COMING = re.compile(
    r"\b(?:will|shall|to) (?:go into effect|take effect|come into (?:effect|force)|become effective|be effective|"
    r"apply)\b|\b(?:upcoming|updated version)\b", re.I,
)  # fmt: skip
_EFFECTIVE = re.compile(
    r"\b(?:effective|in (?:effect|force)|takes? effect|applies from|gültig ab|en vigueur|valid from|as of|dated)\b",
    re.I,
)
_UPDATED = re.compile(
    r"\b(?:last|date of (?:the )?last|most recently)? ?(?:updated?|modified|revised|revision|amended|changed|"
    r"stand|mise à jour|actualizaci[oó]n)\b|^version\b", re.I,
)  # fmt: skip
_OF_THE_TEXT = re.compile(r"\b(?:version|updates?|updated|new|changes|policy|terms)\b", re.IGNORECASE)
LONGEST_LINE, LONGEST_BANNER = 18, 45
"""Words in a line of dates and in a banner, at most; a longer sentence with a date says more than when."""


@dataclass(frozen=True, slots=True)
class Dates:
    """What a text says of its own time; dates in ISO 8601 or None. ``told`` are all of them; ``lines`` say them."""

    effective: str | None
    coming: str | None
    updated: str | None
    until: str | None
    told: tuple[str, ...]
    lines: frozenset[int]


def found(sentences: Sequence[Sentence]) -> Dates:
    """The dates of one part of a text: the first of each kind, and all that are told."""
    says: dict[str, str] = {}
    told: list[str] = []
    lines = set()
    for at, sentence in enumerate(sentences):
        kind = kind_of(sentence)
        if kind is None:
            continue
        lines.add(at)
        whens = list(dates_in(sentence.text))
        told += whens
        if whens:
            says.setdefault(kind, _meant(sentence.text, whens))
    return Dates(
        says.get("effective"), says.get("coming"), says.get("updated"), says.get("until"), tuple(told), frozenset(lines)
    )


def _meant(words: str, whens: Sequence[str]) -> str:
    """Of several dates in a line, the first behind the word that makes it one: "announced ..., effective ..."."""
    marks = [found.end() for found in (_COMING.search(words), _EFFECTIVE.search(words)) if found]
    return next(dates_in(words[min(marks) :]), whens[0]) if marks else whens[0]


def kind_of(sentence: Sentence) -> str | None:
    """``until``, ``coming``, ``effective`` or ``updated`` for a line of dates; None for any other sentence."""
    return _kind_of(sentence.text, sentence.tokens)


@lru_cache(maxsize=1 << 14)
def _kind_of(words: str, tokens: tuple[str, ...]) -> str | None:
    if len(tokens) > LONGEST_BANNER or _rules(words):
        return None
    if not any(token[:1].isdigit() for token in tokens) or not any(True for _ in dates_in(words)):
        return "banner" if _BANNER.match(words) else None
    if lexicon.company_spans(words):
        return None
    if _COMING.search(words) and _OF_THE_TEXT.search(words):
        return "coming"
    if len(tokens) > LONGEST_LINE or _SAYS_MORE.search(words):
        return None
    if _UNTIL.search(words):
        return "until"
    if _EFFECTIVE.search(words):
        return "effective"
    if _UPDATED.search(words) or len(tokens) <= 4:
        return "updated"
    return None


_TITLE = re.compile(
    r"(?:[\w&,']+ ){0,4}(?:policy|policies|terms|notice|statement|agreement|conditions|guidelines|rules)\b", re.I
)


def _rules(words: str) -> bool:
    """Whether a sentence allows, promises or offers something, or names data, a use or who receives it.

    INVARIANT: such a sentence is a clause, whatever date stands in it. What stands in the title of a text is nothing
    that it says: "Advertising policy, effective 1 May 2024".
    """
    rest = _TITLE.sub(" ", words)
    named = lexicon.categories(rest) or lexicon.purposes(rest) or _GOES.search(rest)
    return bool(named) or frames.frame_of(words) != frames.STATEMENT


_GOES = re.compile(r"\b(?:sell|sells|sold|selling|sale|shar(?:e|es|ed|ing)|buy|buys|bought|buyers?)\b", re.I)
_SAYS_MORE = re.compile(
    r"\b(?:we|you|your|not|no|never|without|wir|ihre?n?|nicht|keine?|nous|vos|votre|nos|notre|pas|su|sus|nuestr[oa]s?|"
    r"nunca|nostr[oiae]|vostr[oiae]|non|wij|uw|niet|geen)\b|n't\b",
    re.IGNORECASE,
)
"""A line with one of these words, or with a company in it, says more than when."""
_BANNER = re.compile(
    r"^(?:we(?: have|'ve| are)? (?:made some (?:updates|changes)|(?:recently )?updat(?:ed|ing) (?:our|this|these))|"
    r"(?:until then, )?the current [\w ]{3,40} (?:is|are|continues?)\b"
    r"[\w ]{0,20}(?:below|to apply)|current (?:privacy policy|terms of service|terms|policy)$|"
    r"read the current |you can (?:find|read) (?:a copy of )?the (?:updated|current|previous)|\(?effective until)",
    re.IGNORECASE,
)


def dates_in(words: str) -> Iterator[str]:
    """Every date in a sentence, as ISO 8601."""
    for m in _DATE.finditer(words):
        name = m["n3"] or m["n4"]
        month = _month(name) if name else int(m["m"] or m["m2"])
        year, day = int(m["y"] or m["y2"] or m["y3"] or m["y4"]), int(m["d"] or m["d2"] or m["d3"] or m["d4"])
        try:
            yield date(year, month, day).isoformat()
        except ValueError:
            continue  # 31.02. and the like is no date


def _month(name: str) -> int:
    low = name.lower()
    return _MONTHS.get(low) or next(number for full, number in _MONTHS.items() if full.startswith(low[:3]))
