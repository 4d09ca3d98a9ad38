"""The language of a page: gettext catalogues, the direction of writing, and how moments and numbers are written.

English is the source. Every other language is a compiled catalogue in ``locale/``; where one lacks a sentence, the page has
it in English. ``ar-XB`` is a pseudo-language with a catalogue like any other (:mod:`aboveboard.portal.catalogue`): every
sentence in it is marked and written from right to left, so that what was not translated shows.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from babel import Locale, dates, numbers

SOURCE, PSEUDO = "en", "ar-XB"
CATALOGUES = Path(__file__).parent / "locale"
DOMAIN = "portal"
_WRITTEN = {SOURCE: "en-GB", PSEUDO: "en-GB"}
"""How numbers and moments are written where the tag does not settle it: a day before its month."""


@dataclass(frozen=True)
class Words:
    """One language: its BCP 47 tag, and the catalogue it is read from."""

    tag: str
    catalogue: gettext.NullTranslations

    @property
    def direction(self) -> str:
        return str(Locale.parse(self.tag.partition("-")[0]).text_direction)

    @property
    def _locale(self) -> Locale:
        return _locale(self.tag)

    def __call__(self, sentence: str, **values: object) -> str:
        """A sentence in this language, with its values put in."""
        found = self.catalogue.gettext(sentence)
        return found % values if values else found

    def day(self, moment: str | date | None) -> str:
        """The day of a moment (ISO 8601 or a date), written out."""
        found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return "" if found is None else _day(self.tag, found.year, found.month, found.day)

    def moment(self, moment: str | datetime | None) -> str:
        """A moment to the minute, with its zone."""
        found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        if found is None:
            return ""
        day, time = self.day(found.date()), dates.format_time(found, "HH:mm", locale=self._locale)
        return f"{day}, {time} {found.tzname() or ''}".rstrip()

    def number(self, number: float) -> str:
        return str(numbers.format_decimal(number, locale=self._locale))


@lru_cache(maxsize=64)
def _locale(tag: str) -> Locale:
    return Locale.parse(_WRITTEN.get(tag, tag), sep="-")


@lru_cache(maxsize=4096)
def _day(tag: str, year: int, month: int, day: int) -> str:
    """A day written out: a page of items names the same few again and again."""
    return dates.format_date(date(year, month, day), "long", locale=_locale(tag))


@lru_cache(maxsize=64)
def words(tag: str) -> Words:
    """The words of a language; English where there is no catalogue of it."""
    try:
        found = gettext.translation(DOMAIN, CATALOGUES, [tag.replace("-", "_")])
    except OSError:
        return Words(SOURCE, gettext.NullTranslations())
    return Words(tag, found)


def chosen(locale: str | None, accepted: str) -> Words:
    """The language of a request: the principal's, else the first of the ``Accept-Language`` header that we have."""
    for tag in filter(None, (locale, *preferred(accepted))):
        if tag.partition("-")[0] == SOURCE:
            return words(SOURCE)
        if _has(tag):
            return words(tag)
    return words(SOURCE)


def preferred(accepted: str) -> Sequence[str]:
    """The tags of an ``Accept-Language`` header (RFC 9110), the most wanted first; nonsense is passed over."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        if tag.replace("-", "").isalnum() and tag.isascii():
            found.append((-_weight(weight), place, tag))
    return [tag for weight, _, tag in sorted(found) if weight]


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0) if text else 1.0
    except ValueError:
        return 0.0


@lru_cache(maxsize=256)
def _has(tag: str) -> bool:
    return gettext.find(DOMAIN, CATALOGUES, [tag.replace("-", "_")]) is not None


Translate = Callable[..., str]
