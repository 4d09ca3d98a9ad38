"""Withdrawals: what a no comes to, how it is carried out, and what became of it, by when.

A withdrawal is what the ledger already holds: an event, or a question, behind the releases that were made before it. What
became of it is worked out each time from releases, retirements, notices and models, so there is nothing to lose. A dry run
comes first; a question about many records needs a second person; a person's own no is never slowed.
Specification: docs/withdrawal.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785

from aboveboard import choice, mainjob, release, vocabulary
from aboveboard.choice import Event, Facts
from aboveboard.gate import Gate, Job
from aboveboard.mainjob import Clock, Progress, now
from aboveboard.policy import OnWithdrawal
from aboveboard.retraction import Question
from aboveboard.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from aboveboard.rewriting import Considered

MANY = 0.001
"""A question about a larger share of the released rows needs a second person."""
OPEN_FOR = timedelta(days=7)
"""How long a request that nobody has verified keeps anything out."""
TRAINING = "train_ai_system"
"""All that such a request reaches."""


# --- what it would come to ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Supposing:
    """A snapshot in which somebody has said one thing more."""

    known: Any
    said: Event

    @property
    def position(self) -> int:
        return int(self.known.position)

    @property
    def digest(self) -> str:
        return ""

    def events_of(self, subject: str) -> Sequence[Event]:
        said: Sequence[Event] = self.known.events_of(subject)
        return (*said, self.said) if subject == self.said.subject else said

    def facts_of(self, subject: str) -> Sequence[Facts]:
        found: Sequence[Facts] = self.known.facts_of(subject)
        return found

    def events_table(self) -> pa.Table:
        import pyarrow as pa

        from aboveboard.engine import people_tables

        table = self.known.events_table()
        extra, _ = people_tables(choice.people([self.said]))
        return pa.concat_tables([table, extra.select(table.column_names).cast(table.schema)])

    def facts_table(self) -> pa.Table:
        return self.known.facts_table()


@dataclass(frozen=True, slots=True)
class Touched:
    """What a withdrawal does to one release: rows that leave it of how many, and files to be written again of how many.

    ``kept``: why nothing leaves it although it is touched; empty where it is rewritten.
    """

    release: str
    manifest_sha256: str
    purpose: str
    recipient: str
    leaving: int
    rows: int
    files: int
    of: int
    kept: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Plan:
    """A dry run: what is asked, what it does to each standing release, and what it cannot reach by itself."""

    asked: Mapping[str, Any]
    touched: tuple[Touched, ...]
    does: OnWithdrawal
    deadline: datetime

    @property
    def leaving(self) -> int:
        return sum(one.leaving for one in self.touched)

    @property
    def share(self) -> float:
        """Of all rows in the standing releases it asks about."""
        return self.leaving / max(1, sum(one.rows for one in self.touched))

    @property
    def digest(self) -> str:
        """SHA-256 over what is asked and what it does, for whoever confirms it: what they read is what is carried out."""
        said = {"asked": dict(self.asked), "touched": [one.as_json() for one in self.touched]}
        return hashlib.sha256(rfc8785.dumps(said)).hexdigest()

    def as_json(self) -> dict[str, Any]:
        return {
            "asked": dict(self.asked),
            "digest": self.digest,
            "leaving": self.leaving,
            "share": round(self.share, 6),
            "releases": [one.as_json() for one in self.touched if one.leaving],
            "untouched": [one.release for one in self.touched if not one.leaving],
            "deadline": self.deadline.isoformat(),
            "models": self.does.models,
            "recipients": self.does.recipients,
        }


def plan(ws: Workspace, event: Event, *, clock: Clock = now, progress: Progress | None = None) -> Plan:
    """What it would come to if this were recorded; writes nothing.

    The releases it asks about are those whose use the event covers. Raises LedgerError or VocabularyError for an event
    that may not stand in a ledger.
    """
    choice.validate(event)
    asked = {n: getattr(event, n) for n in ("type", "category", "purpose", "recipient", "value")}
    said = {"subject": event.subject, **{name: value for name, value in asked.items() if value is not None}}

    def supposing(gate: Gate) -> Gate:
        return replace(
            gate, snapshot=Supposing(gate.snapshot, replace(event, recorded_at=gate.as_of, effective_at=gate.as_of))
        )

    return _plan(ws, said, standing(ws), lambda job: covers(event, job), supposing, clock, progress)


def plan_question(ws: Workspace, question: Question, *, clock: Clock = now, progress: Progress | None = None) -> Plan:
    """What a withdrawal by question would come to; writes nothing."""
    return _plan(
        ws, {"question": dict(question.document())}, [one for one in standing(ws) if question.processed(one.as_of)],
        lambda job: question.undertaking("").concerns(job.purpose, job.recipient),
        lambda gate: _asking(gate, question), clock, progress,
    )  # fmt: skip


def _asking(gate: Gate, question: Question) -> Gate:
    """The gate with what a question undertakes; of named records these, whatever else it says."""
    if question.records:
        named = frozenset((source, id) for source, _, id in (one.partition("/") for one in question.records))
        return replace(gate, listed=_Either(gate.listed, named))
    return replace(gate, undertakings=(*gate.undertakings, question.undertaking("asked")))


@dataclass(frozen=True, slots=True)
class _Either:
    """Records that one of two lists names."""

    one: Any
    other: Any

    def __contains__(self, key: object) -> bool:
        return key in self.one or key in self.other


def _plan(
    ws: Workspace, asked: Mapping[str, Any], releases: Iterable[Standing], about: Callable[[Job], bool],
    supposing: Callable[[Gate], Gate], clock: Clock, progress: Progress | None,
) -> Plan:  # fmt: skip
    does = terms(ws, clock())
    touched = []
    for one in releases:
        if about(one.job):
            found = _considered(ws, one, supposing, clock, progress)
            kept = "the policy keeps releases" if does.releases == "keep" else ""
            touched.append(
                Touched(one.id, one.manifest_sha256, one.job.purpose, one.job.recipient, found.leaving, found.rows,
                        found.files, found.of, kept)
            )  # fmt: skip
    return Plan(asked, tuple(touched), does, does.deadline.after(clock()))


def _considered(
    ws: Workspace, one: Standing, supposing: Callable[[Gate], Gate], clock: Clock, progress: Progress | None
) -> Considered:
    with ExitStack() as stack, release.in_plain_words():
        hand, gate, _ = mainjob.rewriting_of(ws, one.public, stack, clock=clock)
        return hand(supposing(gate())).considered(mainjob.rewriting_told(progress))


# --- the releases that stand --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A committed release that no later one took the place of: where it is, what it was built for, and at which position."""

    id: str
    public: Path
    private: Path
    job: Job
    position: int
    as_of: datetime
    manifest_sha256: str

    @property
    def is_here(self) -> bool:
        """Whether its public and its private part can be read here."""
        return (self.public / "manifest.json").is_file() and self.private.is_dir()


def standing(ws: Workspace) -> list[Standing]:
    """The releases that stand and are here, oldest first."""
    return [one for one in _standing(ws, ws.ledger.live_releases()) if one.is_here]


def _standing(ws: Workspace, entries: Iterable[Mapping[str, str | int]]) -> Iterator[Standing]:
    for entry in entries:
        public, private = release.places(entry, ws.private)
        yield Standing(
            str(entry["id"]), public, private, mainjob.job_of(release.said_of(ws.ledger, ws.evidence, entry)),
            int(entry["position"]), datetime.fromisoformat(str(entry["as_of"])), str(entry["manifest_sha256"]),
        )  # fmt: skip


def terms(ws: Workspace, at: datetime) -> OnWithdrawal:
    """What the policy in force says that a no does."""
    version = ws.policy.in_force(at)
    return OnWithdrawal() if version is None else version.on_withdrawal


def covers(event: Event, job: Job) -> bool:
    """Whether an event is about this use at all, whatever kind of data it names."""
    if event.recipient is not None and not vocabulary.recipient_covers(event.recipient, job.recipient):
        return False
    return event.purpose is None or vocabulary.covers(event.purpose, job.purpose)
