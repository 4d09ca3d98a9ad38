"""What is known beforehand, what every step says, and what none of them proves: the words that all checks share.

A walk takes numbered steps; whatever goes wrong in one is a VerificationError that names it, in our words and never in
those of whoever is being checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aboveboard.errors import AboveboardError, VerificationError
from aboveboard.manifest import COVERS
from aboveboard.proof import Checkpoint, Seen, Trust


class History(Protocol):
    """The tiles of a log below one checkpoint (``log.Reader``)."""

    def consistency(self, before: int) -> Sequence[bytes]:
        """The proof that the log begins with its first ``before`` entries."""


@dataclass(frozen=True)
class Known:
    """What whoever checks has from elsewhere: the more of it, the more is proven.

    ``trust``: whose word counts; without one the key that came with the files is taken, and that is said.
    ``remembered``: the signed checkpoint of this log that was seen last. ``history`` opens the tiles of a copy of the log
    at a checkpoint, ``published`` is the signed checkpoint of that copy. ``later`` are folders of later releases, and
    ``releases`` the statements of releases that the copy of the log holds below a checkpoint, each with its place: one of
    them may say that it took the place of another. ``beside`` are folders of the releases that a certificate names.
    """

    trust: Trust | None = None
    remembered: bytes | None = None
    published: bytes | None = None
    history: Callable[[Checkpoint], History] | None = None
    later: Sequence[Path] = ()
    beside: Sequence[Path] = ()
    mine: Sequence[Path] = ()
    releases: Callable[[Checkpoint], Iterable[tuple[int, bytes]]] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step and what it checked; not ``done`` where it could not be taken, and why."""

    number: int
    name: str
    says: str
    done: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked: of which ``kind``, called what, step by step; who cosigned; and what is not proven.

    ``newest`` is the newest signed checkpoint that was checked: what to remember for the next time. ``unchecked`` says why
    the one thing that was asked for could not be checked at all; then nothing is verified, though nothing was found false.
    ``superseded_by`` is the release that took the place of this one, where that is known. ``still`` is how many of somebody's
    rows are in the last release of a certificate; None where nobody asked.
    """

    kind: str
    name: str
    steps: tuple[Step, ...]
    not_proven: tuple[str, ...]
    seen: Seen | None = None
    newest: bytes | None = None
    unchecked: str = ""
    superseded_by: str | None = None
    still: int | None = None

    def as_json(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "verified": not self.unchecked,
            "kind": self.kind,
            "name": self.name,
            "steps": [{"step": s.number, "name": s.name, "says": s.says, "done": s.done} for s in self.steps],
            "checkpoint": seen and _told(seen.checkpoint),
            "key": seen and str(seen.log),
            "cosigners": [{"name": name, "time": one.time} for name, one in seen.cosigners.items()] if seen else [],
            "not_proven": list(self.not_proven),
            "superseded_by": self.superseded_by,
            **({} if self.still is None else {"still": self.still}),
        }


def _told(at: Checkpoint) -> Mapping[str, Any]:
    return {"origin": at.origin, "size": at.size, "root": at.root.hex()}


CHOICES = "choices without a person's signature are the platform's word, a yes as much as a no"
RECEIVED = "when a record was received (collected_at) is the platform's word up to the day on which the log took it in (intake)"
JUDGED = "that each row may be used is the platform's judgement, until an auditor makes it again from the openings"
MAPPED = "what the subject map states of a person only that person can read, and only an auditor can tell that it is complete"
KEY_CAME = "the key came with the release: compare it with the one the platform publishes"
ALONE = "nobody cosigned: different people may have been shown different histories"
NOT_RECOMPUTED = (
    "rows not recomputed: pyarrow is not installed, so the data files are only known to be those of the statement"
)
WHOSE = "a row carries no id: that it is of the record and of the person it is said to be of is the platform's word"
WITHDRAWN = "that the row was not withdrawn before the release was committed: tombstones.json of the release says"
ATTESTED = (
    "that what is stated is true: it is the platform's word, and the log shows only that it was said, and by when"
)
LATER = "that nothing was stated later that changes it"
UNSIGNED = "read, not verified: no key was given to check who signed it (--key)"
LATEST = "that this is the newest checkpoint: whoever shows it may hold back a newer one"
STANDS = (
    "that no later release took the place of this one: give later ones (--later), or the log and its objects (--log)"
)
ALL_OF_IT = "that everything withdrawn has left: a person checks their own row (check-me), an auditor all of it"
IN_FORCE = "that the last release stands: give later ones (--later), or the log and its objects (--log)"
SHARED_ROWS = "of records with other people in them a capsule names no row"
NOT_SCANNED = "what the releases hold: give both (--release BEFORE --release AFTER), and every row is read"
NOT_COMPARED = "that the log only grew since you looked last: nothing was remembered (--remember)"


@dataclass
class Walk:
    """The steps that were taken; each is told as soon as it is."""

    tell: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)

    def take(self, name: str, check: Callable[[], str]) -> None:
        """Take the next step; whatever goes wrong in it is a VerificationError that names it."""
        number = len(self.steps) + 1
        with failing(f"{number} {name}"):
            self._told(Step(number, name, check()))

    def skip(self, name: str, why: str) -> None:
        self._told(Step(len(self.steps) + 1, name, why, done=False))

    def _told(self, step: Step) -> None:
        self.steps.append(step)
        self.tell(step)


@contextmanager
def failing(step: str) -> Iterator[None]:
    """Files come from whoever is being checked: whatever is wrong with them is a proof that is false, in our words."""
    try:
        yield
    except AboveboardError as error:
        context = {name: value for name, value in error.context.items() if name != "step"}
        raise VerificationError(error.sentence, hint=error.hint, step=step, **context) from error
    except FileNotFoundError as error:
        raise VerificationError("a file is missing", step=step, file=error.filename, hint="get it again") from error
    except OSError as error:
        raise VerificationError("a file cannot be read", step=step, file=error.filename) from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise VerificationError(
            "what is written there does not hold together", step=step, hint="get it again"
        ) from None


def silent(step: Step) -> None:
    """Told of every step, and says nothing."""


def unproven(seen: Seen, known: Known, more: Sequence[str]) -> tuple[str, ...]:
    came = () if known.trust else (KEY_CAME,)
    alone = () if seen.cosigners else (ALONE,)
    compared = () if known.remembered or known.published else (NOT_COMPARED,)
    return (COVERS, *more, *came, *alone, *compared)


def many(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"
