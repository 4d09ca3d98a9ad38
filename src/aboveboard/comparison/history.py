"""All recorded versions of one document, read in order: one event for every real change, and what was none, named.

A version is taken as the text in force only when nothing speaks against it: an error page, a collapsed text and a
section lost by the capture are named and passed over; a text that is taken back within ``FLIP`` days is folded; a
coming text on the same page is held until it is in force. The state is a handful of version ids and texts, so a history
of any length needs the memory of a few versions, and can be stopped and taken up again. Pure.
Specification: docs/formats/comparison.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aboveboard.comparison import suspicion
from aboveboard.comparison.changes import Comparison, Note
from aboveboard.comparison.compare import Reading, compare_parts, read
from aboveboard.comparison.parts import ONLY

FORMAT = "aboveboard.history/1"
FLIP = timedelta(days=30)
"""A text that is gone again within this time was never the policy."""

EVENT, SUSPECT, FLIPPED, ANNOUNCED, TAKEN_BACK, RECAPTURED, TECHNICAL = (
    "change", "suspect", "flip-flop", "announced", "taken-back", "recaptured", "technical",
)  # fmt: skip
KINDS = {
    EVENT: "a real change of the text in force",
    SUSPECT: "a capture that cannot be the policy; nothing was concluded from it",
    FLIPPED: "another text was served and taken back; no change",
    ANNOUNCED: "a coming text appeared on the page",
    TAKEN_BACK: "the coming text disappeared from the page before its day",
    RECAPTURED: "the page came back after suspect captures, under the same date; its differences are told, not counted",
    TECHNICAL: "the recorder changed how it reads the page; differences are not counted",
}


@dataclass(frozen=True, slots=True)
class Version:
    """One recorded text: a stable id, when it was recorded (with its zone), the words, and where it can be looked up.

    ``technical`` is set where the recorder itself says that only its reading changed.
    """

    id: str
    recorded_at: datetime
    text: str
    link: str = ""
    technical: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline. ``recorded_at`` is the time of recording of the version ``id``.

    For a change: ``effective`` is the date the text gives itself, ``announced_at`` when it was first seen as coming,
    ``silent`` says that the text changed and its date did not, ``confirmed`` that a later version did not undo it.
    """

    kind: str
    id: str
    recorded_at: datetime
    sentence: str
    before: str = ""
    effective: str | None = None
    announced_at: datetime | None = None
    silent: bool = False
    confirmed: bool = True
    link: str = ""
    comparison: Comparison | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry as the JSON schema has it."""
        found = asdict(self) | {"recorded_at": self.recorded_at.isoformat()}
        found["announced_at"] = self.announced_at.isoformat() if self.announced_at else None
        found["comparison"] = self.comparison.as_json() if self.comparison else None
        return found

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Entry:
        """The entry that ``as_json`` told."""
        when = datetime.fromisoformat(found["recorded_at"])
        told = datetime.fromisoformat(found["announced_at"]) if found["announced_at"] else None
        comparison = Comparison.from_json(found["comparison"]) if found["comparison"] else None
        return cls(**{**found, "recorded_at": when, "announced_at": told, "comparison": comparison})


@dataclass(frozen=True, slots=True)
class Coming:
    """A text that was announced: the version that showed it last, when it was first seen, the day it comes into force."""

    version: Version
    first_seen: datetime
    effective: str | None
    gone: bool = False


@dataclass(slots=True)
class History:
    """Folds versions into entries, in the order of recording. ``state`` names the versions that it still needs."""

    base: Version | None = None
    candidate: Version | None = None
    coming: Coming | None = None
    suspect: Version | None = None
    seen: int = 0

    def add(self, version: Version) -> Iterator[Entry]:
        """The entries that one more version makes certain."""
        self.seen += 1
        latest = self.candidate or self.base
        if latest is not None and version.text == latest.text:
            return
        problem = _problem(version, latest)
        if problem is not None:
            yield _suspected(version, [problem])
            return
        if self.base is None:
            self.base = version
            yield from self._announcement(version)
            return
        if version.technical:
            yield from self._technical(version)
            return
        yield from self._settled(version)
        yield from self._next(version)
        yield from self._announcement(version)

    def finish(self) -> Iterator[Entry]:
        """What is still open when no version is left: the last change, and a suspicion that nothing resolved."""
        if self.candidate is not None:
            yield from self._event(self.candidate, confirmed=False)
        if self.suspect is not None and self.base is not None:
            found = _compared(self.base, self.suspect)
            if found.changes:
                sentence = "the last captures are suspect, and differ in what they do show; nobody can say yet"
                yield _entry(EVENT, self.suspect, sentence, before=self.base.id, confirmed=False, comparison=found)

    def state(self) -> dict[str, Any]:
        """The ids that are needed to go on, as JSON."""
        coming = self.coming
        return {
            "seen": self.seen,
            "base": self.base.id if self.base else None,
            "candidate": self.candidate.id if self.candidate else None,
            "suspect": self.suspect.id if self.suspect else None,
            "coming": None
            if coming is None
            else {
                "id": coming.version.id,
                "first_seen": coming.first_seen.isoformat(),
                "effective": coming.effective,
                "gone": coming.gone,
            },
        }

    @classmethod
    def resumed(cls, state: dict[str, Any], find: Callable[[str], Version]) -> History:
        """A history that goes on where ``state`` was taken; ``find`` gives a version by its id."""
        coming = state["coming"]
        held = None
        if coming is not None:
            seen = datetime.fromisoformat(coming["first_seen"])
            held = Coming(find(coming["id"]), seen, coming["effective"], coming["gone"])
        base, candidate, suspect = (
            find(state[name]) if state[name] else None for name in ("base", "candidate", "suspect")
        )
        return cls(base, candidate, held, suspect, state["seen"])

    # --- one version after another ------------------------------------------------------------------------------

    def _settled(self, version: Version) -> Iterator[Entry]:
        """A change that waited to be confirmed: taken back, or now certain."""
        if self.candidate is None or self.base is None:
            return
        back = not _compared(self.base, version).changes
        soon = version.recorded_at - self.candidate.recorded_at <= FLIP
        if back and soon and _compared(self.candidate, version).changes:
            days = (version.recorded_at - self.candidate.recorded_at).days
            after = "the same day" if not days else "after a day" if days == 1 else f"after {days} days"
            sentence = f"another text was served and taken back {after}"
            yield _entry(FLIPPED, self.candidate, sentence, before=self.base.id)
            self.candidate = None
            return
        yield from self._event(self.candidate)

    def _next(self, version: Version) -> Iterator[Entry]:
        """What a version changes against the text in force."""
        assert self.base is not None  # noqa: S101 - add() has set it
        found = _compared(self.base, version)
        losses = [note for note in found.notes if note.code == "suspect-capture" and note.side == "new"]
        if losses:
            self.suspect = version
            yield _suspected(version, losses)
            return
        back, self.suspect = self.suspect is not None, None
        if not found.changes:
            self.base = version
        elif back and _only_captured(found):
            yield self._recaptured(version, found)
        elif self._is_announced(version):
            yield from self._event(version)
        else:
            self.candidate = version

    def _recaptured(self, version: Version, found: Comparison) -> Entry:
        """The page is whole again. What is different may be the policy or the capture: its date says it is no change."""
        base, self.base = self.base, version
        told = _counted(len(found.changes), "difference")
        sentence = f"the page is whole again, under the same date; {told} not counted"
        return _entry(
            RECAPTURED,
            version,
            sentence,
            before=base.id if base else "",
            effective=found.effective_new,
            comparison=found,
        )

    def _is_announced(self, version: Version) -> bool:
        """Whether this is the text that was announced, word for word."""
        if self.coming is None:
            return False
        return not compare_parts(read(self.coming.version.text, "old"), _in_force(version)).changes

    def _event(self, version: Version, *, confirmed: bool = True) -> Iterator[Entry]:
        assert self.base is not None  # noqa: S101 - there is no candidate without a base
        found = _compared(self.base, version)
        coming = self.coming if self.coming is not None and self.coming.effective == found.effective_new else None
        as_told = coming is not None and self._is_announced(version)
        silent = found.effective_new is not None and found.effective_old == found.effective_new
        yield _entry(
            EVENT, version, _told(found, silent, coming, as_told), before=self.base.id, effective=found.effective_new,
            announced_at=coming.first_seen if coming else None, silent=silent, confirmed=confirmed, comparison=found,
        )  # fmt: skip
        self.base, self.candidate = version, None
        self.coming = None if coming is not None else self.coming

    def _announcement(self, version: Version) -> Iterator[Entry]:
        """What the page says will come: a new announcement, another day for it, or no word of it any more."""
        reading = read(version.text, "new")
        if reading.part.role == ONLY:
            if self.coming is not None and not self.coming.gone and self._before_its_day(version):
                self.coming = Coming(self.coming.version, self.coming.first_seen, self.coming.effective, gone=True)
                yield _entry(
                    TAKEN_BACK, version, "the coming text is no longer on the page", effective=self.coming.effective
                )
            return
        if version is self.suspect:
            return
        held = self.coming
        if held is not None and held.effective == reading.effective and not held.gone and self._same_coming(version):
            return
        sentence = f"a text was announced for {reading.effective or 'a day it does not name'}"
        if held is not None and self._same_coming(version):
            sentence += f"; the same was seen before, for {held.effective or 'no day'}"
        first = held.first_seen if held is not None and self._same_coming(version) else version.recorded_at
        self.coming = Coming(version, first, reading.effective)
        yield _entry(ANNOUNCED, version, sentence, effective=reading.effective)

    def _same_coming(self, version: Version) -> bool:
        assert self.coming is not None  # noqa: S101 - the caller looked
        return not compare_parts(read(self.coming.version.text, "old"), read(version.text, "new")).changes

    def _before_its_day(self, version: Version) -> bool:
        coming = self.coming
        return coming is not None and (
            coming.effective is None or version.recorded_at.date().isoformat() < coming.effective
        )

    def _technical(self, version: Version) -> Iterator[Entry]:
        assert self.base is not None  # noqa: S101 - add() has set it
        if self.candidate is not None:
            yield from self._event(self.candidate)
        found = _compared(self.base, version)
        if found.changes:
            sentence = (
                f"the recorder changed how it reads the page: {_counted(len(found.changes), 'difference')} not counted"
            )
            yield _entry(TECHNICAL, version, sentence, before=self.base.id)
        self.base, self.suspect = version, None


# --- comparing versions -------------------------------------------------------------------------------------------


def _in_force(version: Version) -> Reading:
    """A version as it is in force: of a page with a coming text, the current one."""
    reading = read(version.text, "new")
    if reading.part.role == ONLY:
        return reading
    return Reading(reading.parts[-1], reading.parts, (), reading.problems)


def _compared(old: Version, new: Version) -> Comparison:
    """Two versions compared. What the older one is suspected to have lost was never seen in any version: it came."""
    found = compare_parts(_in_force(old), _in_force(new))
    if not any(note.code == "suspect-capture" and note.side == "old" for note in found.notes):
        return found
    came = tuple(change for change in found.suspected if change.kind == "added")
    rest = tuple(change for change in found.suspected if change.kind != "added")
    return replace(found, changes=(*found.changes, *came), suspected=rest)


def _only_captured(found: Comparison) -> bool:
    """Whether a page that is whole again differs, under the same date, in nothing that somebody must have written."""
    same_date = found.effective_new is not None and found.effective_old == found.effective_new
    return same_date and all(c.kind == "removed" or c.direction == "editorial" for c in found.changes)


def _problem(version: Version, latest: Version | None) -> Note | None:
    """Why a version cannot be the policy, if it cannot."""
    reading = read(version.text, "new")
    if reading.problems:
        return reading.problems[0]
    if latest is None:
        return None
    problems = list(suspicion.of_both(_in_force(latest).part.clauses, _in_force(version).part.clauses))
    return next((note for note in problems if note.side != "old"), None)


def _suspected(version: Version, notes: list[Note]) -> Entry:
    return _entry(SUSPECT, version, "; ".join(note.sentence for note in notes))


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what} is" if number == 1 else f"{number:,} {what}s are"


def _told(found: Comparison, silent: bool, coming: Coming | None, as_told: bool) -> str:
    total = len(found.changes)
    words = f"{total} {'change' if total == 1 else 'changes'}"
    if found.alerts:
        words += f", {len(found.alerts)} of them a promise that vanished"
    if silent:
        words += f"; a silent edit: the date stayed {found.effective_new}"
    if coming is not None:
        words += "; as announced, word for word" if as_told else "; announced, and not word for word as announced"
    return words


def _entry(kind: str, version: Version, sentence: str, **more: Any) -> Entry:
    return Entry(kind, version.id, version.recorded_at, sentence, link=version.link, **more)
