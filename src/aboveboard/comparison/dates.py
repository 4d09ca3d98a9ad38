"""The dates a policy gives itself: when it takes effect, until when it stays, when it was last changed.

Such a line is no clause. It is read, left out of the comparison and told beside it, so that a date moved forward is
seen and does not count as a change of what the policy says. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

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
LONGEST_LINE = 18
"""Words in a line of dates, at most; a longer sentence with a date says more than when."""


@dataclass(frozen=True, slots=True)
class Dates:
    """What a text says of its own time; dates in ISO 8601 or None. ``lines`` are the sentences that say it."""

    effective: str | None
    updated: str | None
    until: str | None
    lines: frozenset[int]


def found(sentences: Sequence[Sentence]) -> Dates:
    """The dates of one part of a text: the first of each kind."""
    says: dict[str, str] = {}
    lines = set()
    for at, sentence in enumerate(sentences):
        kind = kind_of(sentence)
        if kind is None:
            continue
        lines.add(at)
        for when in dates_in(sentence.text):
            says.setdefault(kind, when)
    return Dates(says.get("effective") or says.get("coming"), says.get("updated"), says.get("until"), frozenset(lines))


def kind_of(sentence: Sentence) -> str | None:
    """``until``, ``coming``, ``effective`` or ``updated`` for a line of dates; None for any other sentence."""
    words = sentence.text
    if not any(token.isdigit() for token in sentence.tokens) or not any(True for _ in dates_in(words)):
        return "banner" if _is_banner(sentence) else None
    if (
        _COMING.search(words)
        and re.search(r"\b(?:version|updates?|updated|new|changes|policy|terms)\b", words, re.I)
        and len(sentence.tokens) <= 45
    ):
        return "coming"
    if len(sentence.tokens) > LONGEST_LINE or re.search(r"\b(?:we|you|your)\b", words, re.I):
        return None
    if _UNTIL.search(words):
        return "until"
    if _EFFECTIVE.search(words):
        return "effective"
    if _UPDATED.search(words) or len(sentence.tokens) <= 4:
        return "updated"
    return None


_BANNER = re.compile(
    r"^(?:we have made some updates to (?:our|this)|the current [\w ]{3,40} (?:is|are) below|current (?:privacy "
    r"policy|terms of service|terms|policy)$|"
    r"read the current |you can find a copy of the updated|\(?effective until)", re.I,
)  # fmt: skip


def _is_banner(sentence: Sentence) -> bool:
    return len(sentence.tokens) <= 40 and _BANNER.match(sentence.text) is not None


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
