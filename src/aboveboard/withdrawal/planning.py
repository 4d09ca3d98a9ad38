"""What a withdrawal would come to: a dry run, from the openings of the releases that stand. Nothing is written.

By person, the release is judged again as if the no had been said; by question, the engine looks through all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aboveboard import affected, choice, mainjob, release, rewriting, vocabulary, writing
from aboveboard.choice import Event, Facts, Snapshot
from aboveboard.errors import LedgerError
from aboveboard.gate import Gate, Job
from aboveboard.mainjob import Clock, Progress, now
from aboveboard.policy import OnWithdrawal
from aboveboard.retraction import Question, parse
from aboveboard.suppression import Suppressions
from aboveboard.withdrawal.matching import holding, matching, on_lists
from aboveboard.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from aboveboard.affected import Affected
    from aboveboard.rewriting import Considered

MANY = 0.001
"""A question about a larger share of the released rows needs a second person."""


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
    def suppressions(self) -> Suppressions:
        found: Suppressions = self.known.suppressions
        return found

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
    recipients: tuple[str, ...] = ()
    """Who received one of these releases."""
    models: tuple[str, ...] = ()
    """Which models saw a row that leaves, as far as lineage is recorded."""
    lapses: datetime | None = None
    """Of a request that nobody has verified: until when it holds. It leaves releases that stand as they are."""
    named: int | None = None
    """Of a question that names records one by one: how many it names, in releases that stand and in others."""
    superseded: tuple[tuple[str, int], ...] = ()
    """Where it names some of them: releases that do not stand any more, and how many in each. Nothing leaves those."""

    @property
    def needs_two(self) -> bool:
        """Whether a question needs a second person: it is about many rows, or nobody can say of how many.

        INVARIANT: a share that is not known opens no door: where no release stands for such a use, it is not small.
        """
        return self._much > MANY or not self.touched

    @property
    def _much(self) -> float:
        """The share that leaves, or that is named for good in whatever release it stood: the larger one."""
        return max(self.leaving, self.named or 0) / max(1, sum(one.rows for one in self.touched))

    @property
    def why_two(self) -> str:
        """The reason of it in words."""
        if not self.touched:
            return "no standing release shows how many records it is about"
        if self.share > MANY:
            return f"{self.share:.2%} of the released rows leave"
        rows = sum(one.rows for one in self.touched)
        return f"{self.named or 0:,} records are refused for good, and {rows:,} rows stand"

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
        said: dict[str, Any] = {"asked": dict(self.asked), "touched": [one.as_json() for one in self.touched]}
        if self.named is not None:
            said |= {"named": self.named, "superseded": [list(one) for one in self.superseded]}
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        return {
            "asked": dict(self.asked),
            "digest": self.digest,
            "leaving": self.leaving,
            "share": round(self.share, 6),
            "releases": [one.as_json() for one in self.touched if one.leaving],
            "untouched": [one.release for one in self.touched if not one.leaving],
            "deadline": self.deadline.isoformat(),
            "does": {"models": self.does.models, "recipients": self.does.recipients, "releases": self.does.releases},
            "recipients": list(self.recipients),
            "models": list(self.models),
            "lapses_at": None if self.lapses is None else self.lapses.isoformat(),
            "records_named": self.named,
            "superseded": [{"release": id, "records": records} for id, records in self.superseded],
        }


def plan(ws: Workspace, event: Event, *, clock: Clock = now, progress: Progress | None = None) -> Plan:
    """What it would come to if this were recorded; writes nothing.

    The releases it asks about are those whose use the event covers, and of their rows those that this alone takes out: what
    leaves anyhow is not counted. Of what nobody has verified they are the rows that stay out of what is built while it is open:
    no standing release is written again for it, nobody is told, no model is flagged. Raises LedgerError or VocabularyError for
    an event that may not stand in a ledger.
    """
    choice.validate(event)
    asked = {n: getattr(event, n) for n in ("type", "category", "purpose", "recipient", "value")}
    said = {"subject": event.subject, **{name: value for name, value in asked.items() if value is not None}}
    does, touched, lines = terms(ws, clock()), [], dict[str, tuple[str, ...]]()
    if not event.verified:
        said["verified"] = False
        does = replace(does, releases="keep", recipients="none", models="none")
    for one in standing(ws):
        if covers(event, one.job):
            lines[one.id] = one.line
            before = _considered(ws, one, lambda gate: gate, clock, progress)
            after = _considered(ws, one, lambda gate: _supposing(gate, event), clock, progress)
            found = _touched(
                one, does, after.leaving - before.leaving, after.rows, after.files - before.files, after.of
            )
            touched.append(found if event.verified else replace(found, files=0, kept=_UNCHECKED))
    reached = _reached(affected.by_subject(ws, event.subject), touched, lines)
    lapses = None if event.verified else event.expires_at
    return Plan(said, tuple(touched), does, does.deadline.after(clock()), *reached, lapses)


_UNCHECKED = "nobody has checked who asks: what stands is left as it is"


def _reached(
    found: Affected, touched: Iterable[Touched], lines: Mapping[str, Sequence[str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who received a release that something leaves, or one whose place it took, and which models saw it."""
    left = {name for one in touched if one.leaving for name in lines[one.release]}
    told = {who for name in left for who in found.recipients.get(name, ())}
    return tuple(sorted(told)), tuple(sorted(one.model for one in found.models if one.saw.releases & left))


def _supposing(gate: Gate, event: Event) -> Gate:
    said = replace(event, recorded_at=gate.as_of, effective_at=gate.as_of)
    return replace(gate, snapshot=cast("Snapshot", Supposing(gate.snapshot, said)))


def _considered(
    ws: Workspace, one: Standing, supposing: Callable[[Gate], Gate], clock: Clock, progress: Progress | None
) -> Considered:
    with ExitStack() as stack, release.in_plain_words():
        hand, gate, _ = mainjob.rewriting_of(ws, one.public, stack, clock=clock)
        told = None if progress is None else lambda done, total: progress(f"looking through {one.id}", done, total)
        return hand(supposing(gate())).considered(told)


def plan_question(ws: Workspace, question: Question, *, clock: Clock = now, progress: Progress | None = None) -> Plan:
    """What a withdrawal by question would come to; writes nothing.

    All standing releases for such a use are asked. Where it names a window of processing, these are the ones that were judged
    in it, and whichever others hold a record that was processed then. Releases that others took the place of are looked
    through for such a window, because what was processed was processed; they are counted apart: nothing leaves them.
    """
    does, touched = terms(ws, clock()), []
    rows, lines = dict[str, bytes](), dict[str, tuple[str, ...]]()
    found = named_by(ws, question, progress) if question.names_records else None
    for one, leaves in _asked(ws, question, found, progress):
        files = _files(one)
        hit, lines[one.id] = _files_of(ws, one, leaves), one.line
        rows |= dict.fromkeys(one.line, b"".join(leaves))  # a row keeps its leaf when its release is written again
        touched.append(_touched(one, does, len(leaves), sum(files), len(hit), len(files)))
    reached = _reached(affected.by_rows(ws, rows), touched, lines)
    asked, by = {"question": dict(question.document())}, does.deadline.after(clock())
    if found is None:
        return Plan(asked, tuple(touched), does, by, *reached)
    stands = {one.id for one in standing(ws)}
    passed = tuple((id, len(of)) for id, of in found.items() if of and id not in stands)
    return Plan(asked, tuple(touched), does, by, *reached, named=len(_given(question, found)), superseded=passed)


Found = Mapping[str, Mapping[bytes, tuple[str, str]]]
"""By release, leaf and (source, record id) of each row that a question names one by one."""


def _asked(
    ws: Workspace, question: Question, found: Found | None, progress: Progress | None
) -> Iterator[tuple[Standing, list[bytes]]]:
    """Each standing release that a question is about, with the leaves of its rows that leave by it."""
    if found is None:
        for one in concerned(question, standing(ws)):
            yield one, [leaf for found in matching(ws, one, question, progress) for leaf, *_ in found]
        return
    named = _given(question, found)
    for one in for_use(question, standing(ws)):
        own = found.get(one.id, _NOTHING)
        others = named.difference(own.values())
        leaves = {*own, *(leaf for leaf, *_ in holding(ws, one, others))}
        leaves |= rewriting.edits(ws.engine, one.private, {(None, id) for _, id in named})
        if leaves or one.id in found:
            yield one, sorted(leaves)


_NOTHING: Mapping[bytes, tuple[str, str]] = {}


def named_by(ws: Workspace, question: Question, progress: Progress | None = None) -> Found:
    """What a question names one by one, by release.

    Every release that is here is looked through, whether it stands or not: what was processed was processed.
    """
    return {
        one.id: {leaf: (source, id) for rows in matching(ws, one, question, progress) for leaf, source, id in rows}
        for one in concerned(question, every_release(ws))
    }


def reached(ws: Workspace, number: int) -> Affected:
    """What question ``number`` is about in every release that is here, superseded ones too; who received it, which models saw it.

    Raises LedgerError where there is no such question.
    """
    held = next((one for one in ws.ledger.retractions() if one.number == number), None)
    if held is None:
        raise LedgerError(f"no question q{number}", hint="`aboveboard withdrawals --all` names those there are")
    question, rows = parse(held.question), dict[str, bytes]()
    for one in for_use(question, every_release(ws)):
        if held.listed is not None:
            rows[one.id] = b"".join(on_lists(ws, one, [held.listed]))
        elif one in concerned(question, (one,)):
            rows[one.id] = b"".join(leaf for found in matching(ws, one, question) for leaf, *_ in found)
    return affected.by_rows(ws, {name: leaves for name, leaves in rows.items() if leaves})


def _given(question: Question, found: Found) -> set[tuple[str, str]]:
    """Every record that a question names: by itself, and those found."""
    given = {(source, id) for source, _, id in (one.partition("/") for one in question.records)}
    return given.union(*(of.values() for of in found.values()))


def records_named(ws: Workspace, question: Question, progress: Progress | None = None) -> set[tuple[str, str]]:
    """Source and id of every record that a question names, by itself or by what was processed."""
    return _given(question, named_by(ws, question, progress))


def concerned(question: Question, releases: Iterable[Standing]) -> list[Standing]:
    """Those of these releases that a question is about: judged for such a use, in its window of processing."""
    return [one for one in for_use(question, releases) if any(map(question.processed, one.judged))]


def for_use(question: Question, releases: Iterable[Standing]) -> list[Standing]:
    """Those of these releases that were judged for a use that a question is about, whenever that was."""
    about = question.undertaking("")
    return [one for one in releases if about.concerns(one.job.purpose, one.job.recipient)]


def _touched(one: Standing, does: OnWithdrawal, leaving: int, rows: int, files: int, of: int) -> Touched:
    kept = "the policy keeps releases as they are" if does.releases == "keep" else ""
    return Touched(one.id, one.manifest_sha256, one.job.purpose, one.job.recipient, leaving, rows, files, of, kept)


def _files(one: Standing) -> list[int]:
    """How many rows each file of a release has."""
    counts = json.loads((one.private / "exact-counts.json").read_bytes())
    return [int(shard["rows"]) for shard in counts["shards"]]


def _files_of(ws: Workspace, one: Standing, leaves: Sequence[bytes]) -> set[str]:
    """In which files of a release rows stand."""
    index = writing.listed(one.private / "index", "filename")
    if not leaves or not index:
        return set()
    with ws.engine.connect() as con:
        con.register("asked", pa_leaves(leaves))
        found = con.execute(f"SELECT DISTINCT filename FROM {index} SEMI JOIN asked USING (leaf)")
        return {name for (name,) in found.fetchall()}


def pa_leaves(leaves: Sequence[bytes]) -> pa.Table:
    """Leaves as a table."""
    import pyarrow as pa

    return pa.table({"leaf": pa.array(leaves, pa.binary())})


# --- the releases that stand --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A committed release that no later one took the place of: where it is, what it was built for, and at which position.

    ``line`` names it and each release whose place it took, the newest first, and ``judged`` the moment of each: its rows were in
    all of them.
    """

    id: str
    public: Path
    private: Path
    job: Job
    position: int
    as_of: datetime
    manifest_sha256: str
    line: tuple[str, ...]
    judged: tuple[datetime, ...]

    @property
    def is_here(self) -> bool:
        """Whether its public and its private part can be read here."""
        return (self.public / "manifest.json").is_file() and self.private.is_dir()


def standing(ws: Workspace) -> list[Standing]:
    """The releases that stand and are here, oldest first."""
    return [one for one in _standing(ws, ws.ledger.live_releases()) if one.is_here]


def every_release(ws: Workspace) -> list[Standing]:
    """Every release whose private part is here, standing or not, oldest first."""
    return [one for one in _standing(ws, ws.ledger.releases()) if one.private.is_dir()]


def remembered(ws: Workspace) -> list[Standing]:
    """Every release of which the private or the public part is here, standing or not, oldest first."""
    found = _standing(ws, ws.ledger.releases())
    return [one for one in found if one.private.is_dir() or (one.public / "manifest.json").is_file()]


def _standing(ws: Workspace, entries: Iterable[Mapping[str, str | int]]) -> Iterator[Standing]:
    as_of = {str(one["id"]): datetime.fromisoformat(str(one["as_of"])) for one in ws.ledger.releases()}
    before = {str(one["superseded_by"]): str(one["release"]) for one in ws.ledger.retirements()}
    for entry in entries:
        public, private = release.places(entry, ws.private)
        said, id = _statement(ws, public, str(entry["manifest_sha256"])), str(entry["id"])
        line = tuple(line_of(before, id))
        yield Standing(
            id, public, private, mainjob.job_of(said), int(entry["position"]), as_of[id], str(entry["manifest_sha256"]),
            line, tuple(as_of[one] for one in line),
        )  # fmt: skip


def line_of(before: Mapping[str, str], id: str) -> list[str]:
    """A release and all those that it took the place of, the newest first; ``before`` says of each whose place it took."""
    found = [id]
    while found[-1] in before:
        found.append(before[found[-1]])
    return found


def _statement(ws: Workspace, public: Path, digest: str) -> Mapping[str, Any]:
    """What a release says of itself: from the release, or where that is gone from the log."""
    file = public / "manifest.json"
    data = file.read_bytes() if file.is_file() else ws.evidence.log.statement(digest)
    said: Mapping[str, Any] = json.loads(data)["predicate"]
    return said


def terms(ws: Workspace, at: datetime) -> OnWithdrawal:
    """What the policy in force says that a no does."""
    version = ws.policy.in_force(at)
    return OnWithdrawal() if version is None else version.on_withdrawal


def covers(event: Event, job: Job) -> bool:
    """Whether an event is about this use at all, whatever kind of data it names."""
    if event.recipient is not None and not vocabulary.recipient_covers(event.recipient, job.recipient):
        return False
    return event.purpose is None or vocabulary.covers(event.purpose, job.purpose)
