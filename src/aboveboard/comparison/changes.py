"""What a comparison says: its changes, the renames it learned, what looked suspicious and what stopped it.

Values only. Every change carries the words of both sides, the name of the rule that typed it and one sentence
that says why, so that nobody has to believe it. Specification: docs/formats/comparison.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = "aboveboard.comparison/1"

KINDS = ("added", "removed", "changed")
DIRECTIONS = ("widens", "narrows", "editorial", "unclear")
ASPECTS = (
    "promise", "choice", "retroactivity", "recipient", "collection", "use", "purpose", "retention", "region",
)  # fmt: skip
"""What a change is about, the gravest first."""
_MIRRORED = {"added": "removed", "removed": "added", "widens": "narrows", "narrows": "widens"}


def mirrored(word: str) -> str:
    """The kind or direction that the same change has when the two texts trade places."""
    return _MIRRORED.get(word, word)


@dataclass(frozen=True, slots=True)
class Change:
    """One change, with the words of both sides.

    ``kind`` and ``direction`` are of the closed sets above. ``categories`` and ``purposes`` are keys of our
    vocabulary, ``recipients`` the words of the text. ``clause`` is stable: it depends on the words that changed,
    not on numbers, headings or places. ``alert`` is set where a promise vanished: the gravest thing there is.
    ``regions`` names the regional variants it stands in, where the text has several.
    """

    kind: str
    direction: str
    aspects: tuple[str, ...]
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    old_quote: str
    new_quote: str
    heading_old: tuple[str, ...]
    heading_new: tuple[str, ...]
    clause: str
    rule: str
    why: str
    alert: bool = False
    regions: tuple[str, ...] = ()
    old_marks: tuple[tuple[int, int], ...] = ()
    new_marks: tuple[tuple[int, int], ...] = ()
    """Which spans of the quotes (code points) are gone or new, for whoever draws them."""

    def as_json(self) -> dict[str, Any]:
        """The change as the JSON schema has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Rename:
    """A brand or product noun that has another name in the new text, and in how many places each stands."""

    old: str
    new: str
    times_old: int
    times_new: int

    def __str__(self) -> str:
        return f"{self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a reader has to know: ``code`` is stable, ``side`` is ``old``, ``new`` or ``both``."""

    code: str
    sentence: str
    side: str = "both"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two texts compared. Where ``problems`` is not empty nothing was compared and ``changes`` is empty.

    ``effective_old`` and ``effective_new`` are dates as the texts state them (ISO 8601), or None. ``suspected`` are
    differences that whoever saved a page may have made: told with their words, and not counted as changes.
    """

    changes: tuple[Change, ...] = ()
    renames: tuple[Rename, ...] = ()
    notes: tuple[Note, ...] = ()
    problems: tuple[Note, ...] = ()
    effective_old: str | None = None
    effective_new: str | None = None
    suspected: tuple[Change, ...] = ()

    @property
    def alerts(self) -> tuple[Change, ...]:
        """Promises that vanished."""
        return tuple(change for change in self.changes if change.alert)

    def counts(self) -> Mapping[str, int]:
        """How many changes go in each direction."""
        return {way: sum(change.direction == way for change in self.changes) for way in DIRECTIONS}

    def as_json(self) -> dict[str, Any]:
        """The comparison as one JSON document (docs/formats/comparison.md)."""
        return {
            "format": FORMAT,
            "compared": not self.problems,
            "effective_old": self.effective_old,
            "effective_new": self.effective_new,
            "counts": dict(self.counts()),
            "changes": [change.as_json() for change in self.changes],
            "suspected": [change.as_json() for change in self.suspected],
            "renames": [asdict(rename) for rename in self.renames],
            "notes": [asdict(note) for note in self.notes],
            "problems": [asdict(note) for note in self.problems],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Comparison:
        """The comparison that ``as_json`` told."""
        return cls(
            _changes(found["changes"]),
            tuple(Rename(**one) for one in found["renames"]),
            tuple(Note(**one) for one in found["notes"]),
            tuple(Note(**one) for one in found["problems"]),
            found["effective_old"],
            found["effective_new"],
            _changes(found.get("suspected", ())),  # written by an older version: it told none
        )


def _changes(told: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    return tuple(Change(**{key: _frozen(value) for key, value in one.items()}) for one in told)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, (list, tuple)) else value
