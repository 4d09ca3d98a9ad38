"""What a new version of a policy does to the records that are there and to those to come: the same gate, asked twice.

Three numbers by purpose and category: (a) older records, if the text is read as reaching them, and only where the
platform claims that; (b) older records under the platform's declared rule; (c) new records, at the pace measured in
the sources. For the whole platform the engine counts, shard by shard; for one person ``decide`` does, of records from
which everybody else was taken out (docs/adr/0008), so that nobody's choice shows in another person's numbers.
Specification: docs/formats/effect.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

from aboveboard import explanation, paths, reach
from aboveboard.engine import KeptPeople, kept_people
from aboveboard.errors import PolicyError, SourceError
from aboveboard.gate import Decision, Gate, Job
from aboveboard.judgement import APART, STAND_IN, Coming, Judgement, as_record, verdicts_of
from aboveboard.plan import moment, text
from aboveboard.policy import PolicyVersion
from aboveboard.reach import Claim, Scope, Way
from aboveboard.reasons import Outcome
from aboveboard.record import Part, Record

if TYPE_CHECKING:
    from aboveboard.mainjob import Prepared, Progress

WINDOW = 90
"""Days of the newest records of each source by which the pace is measured."""
MONTH = 30
"""Days of a month, where a pace is told."""
ENOUGH = 10
"""Records of a kind in the window, below which a pace is unknown: a handful says nothing about a month."""
USED = (Outcome.PERMIT, Outcome.REDACT)
KNOWING = frozenset({"recipient", "conversation_partner", "uploader", "reposter"})
"""Roles in which somebody knows of a record although it is not public."""

Categories = tuple[str, ...] | None


# --- what comes out ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """Records that move: newly used, no longer used, and used both ways but with other parts taken out."""

    newly: int = 0
    no_longer: int = 0
    other_parts: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Count)))

    def __bool__(self) -> bool:
        return self != Count()


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of one kind of data: how many records there are of each age, and which of them move.

    ``older`` were received before the new version began, ``since`` since then; ``undated`` have no time of receipt and
    are never used. ``sampled`` stand in for those to come; ``unpaced`` belong to a source too short to measure.
    """

    older: int = 0
    since: int = 0
    undated: int = 0
    sampled: int = 0
    unpaced: int = 0
    read: Count = Count()
    rule: Count = Count()
    so_far: Count = Count()
    pace: Count = Count()

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of data (the categories of the main part; None: unknown) under one use."""

    categories: Categories
    tally: Tally

    @property
    def paced(self) -> str | None:
        """Why there is no pace, or None where there is one."""
        if self.tally.unpaced:
            return "a source reaches back too short a time"
        return None if self.tally.sampled >= ENOUGH else f"fewer than {ENOUGH} records in the window"

    @property
    def moves(self) -> bool:
        return any((self.tally.read, self.tally.rule, self.tally.so_far, self.tally.pace))

    def a_month(self, number: int) -> float:
        """The pace of something that was counted in the window."""
        return round(number * MONTH / WINDOW, 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """One use: what moves, by kind of data, and what can be done."""

    scope: Scope
    cells: tuple[Cell, ...]
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """The newest days of a source by which the pace is measured; None where it does not reach back that far."""

    source: str
    newest: datetime | None
    begins: datetime | None


@dataclass(frozen=True)
class Effect:
    """What a version changes against another. ``answers`` are for ``platform``, or for a person's records as
    ``author`` and as ``other_person``; ``untold`` were made of several people's records and are not told to one."""

    policy: str
    old: PolicyVersion
    new: PolicyVersion
    as_of: datetime
    now: datetime
    position: int
    regime: str
    claim: Claim
    windows: tuple[Window, ...]
    answers: Mapping[str, tuple[Answer, ...]]
    subject: str | None = None
    untold: int = 0

    @property
    def stale(self) -> bool:
        """Whether the newest record of every source is older than a window: the pace is that of another time."""
        newest = [w.newest for w in self.windows if w.newest is not None]
        return bool(newest) and max(newest) < self.now - timedelta(days=WINDOW)

    def as_json(self) -> dict[str, Any]:
        """The document of docs/formats/effect.md."""
        return {
            "policy": self.policy,
            "old": _named(self.old),
            "new": _named(self.new),
            "as_of": self.as_of.isoformat(),
            # The head of the ledger grows with what others say, so a person is not told of it.
            "position": self.position if self.subject is None else None,
            "regime": self.regime,
            "older_data": {
                "answer": self.claim.answer,
                "sentence": self.claim.sentence,
                "declared": self.claim.declared,
                "reaching": list(self.claim.reaching),
                "denying": list(self.claim.denying),
            },
            "pace": {
                "window_days": WINDOW,
                "month_days": MONTH,
                "enough": ENOUGH,
                "stale": self.stale,
                "sources": [{"source": w.source, "from": _iso(w.begins), "to": _iso(w.newest)} for w in self.windows],
            },
            "subject": self.subject,
            "untold": self.untold,
            **{who: [self._answer(one) for one in answers] for who, answers in self.answers.items()},
        }

    def _answer(self, answer: Answer) -> dict[str, Any]:
        return {
            **asdict(answer.scope),
            "categories": [self._cell(cell) for cell in answer.cells],
            "what_can_be_done": [{**asdict(way), "by": _iso(way.by)} for way in answer.ways],
        }

    def _cell(self, cell: Cell) -> dict[str, Any]:
        tally, claimed = cell.tally, self.claim.answer == "claimed"
        return {
            "categories": None if cell.categories is None else list(cell.categories),
            "if_text_reaches_older": {**asdict(tally.read), "of": tally.older} if claimed else None,
            "declared_rule": {**asdict(tally.rule), "of": tally.older},
            "new": {
                "so_far": {**asdict(tally.so_far), "of": tally.since},
                "in_window": {**asdict(tally.pace), "of": tally.sampled},
                "a_month": None
                if cell.paced
                else {f.name: cell.a_month(getattr(tally.pace, f.name)) for f in fields(Count)},
                "unknown_because": cell.paced,
            },
            "undated": tally.undated,
        }


def _named(version: PolicyVersion) -> dict[str, str]:
    return {"version": version.version, "effective_from": version.effective_from.isoformat()}


def _iso(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


# --- asking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The gates of one use: before and after the new version, and as its text reads where it claims to reach back."""

    scope: Scope
    before: Gate
    after: Gate
    read: Gate | None

    @property
    def gates(self) -> dict[str, Gate]:
        return {"before": self.before, "after": self.after, **({"read": self.read} if self.read else {})}


def effect(
    ready: Prepared,
    old: str,
    new: str,
    words: str | None,
    *,
    purposes: Sequence[str] = (),
    recipients: Sequence[str] = (),
    subject: str | None = None,
    progress: Progress | None = None,
) -> Effect:
    """What version ``new`` of the workspace's policy changes against ``old``; ``words`` is the text of ``new``.

    Every use that either version names is asked for, or those of ``purposes`` and ``recipients``. With ``subject`` only
    that person's records are counted, as they may be told. All gates stand at one position of the ledger and at one
    moment: now, or when ``new`` begins, where that is to come.
    Raises PolicyError for versions that are not there or not in order, VocabularyError for an unknown term, SourceError
    where a person is in no record.
    """
    first, second = reach.ordered(ready.workspace.policy, old, new)
    gate = ready.gate()
    now, as_of = gate.as_of, max(gate.as_of, second.effective_from)
    gate = replace(gate, as_of=as_of)
    claim = reach.claim(second, words)
    scopes = reach.scopes(first, second, purposes, recipients)
    if not scopes:
        raise PolicyError(
            "neither version has a clause", hint="a policy without clauses permits nothing, before and after"
        )
    asked = [_asked(gate, first, second, scope, claim) for scope in scopes]
    judgement = Judgement(ready.engine, ready.related, gate, ready.limit, ready.sources)
    windows = tuple(_windows(judgement, now))
    coming = Coming({w.source: (w.begins, w.newest) for w in windows if w.begins and w.newest}, as_of)
    count = _Counting(judgement, second.effective_from, coming)
    ways = {scope: reach.ways(first, second, scope, claim.answer == "claimed", now) for scope in scopes}
    untold = 0
    if subject is None:
        tallies = {"platform": _platform(count, asked, progress)}
    else:
        tallies, untold = _person(count, asked, subject, progress)
    answers = {
        who: tuple(Answer(one.scope, _cells(found[one.scope]), ways[one.scope]) for one in asked)
        for who, found in tallies.items()
    }
    return Effect(
        gate.policy.name, first, second, as_of, now, gate.snapshot.position, gate.job.regime, claim, windows, answers,
        subject, untold,
    )  # fmt: skip


Found = dict[Scope, dict[Categories, Tally]]


def _asked(gate: Gate, old: PolicyVersion, new: PolicyVersion, scope: Scope, claim: Claim) -> Asked:
    job = Job(scope.purpose, scope.recipient, gate.job.model, scope.use, gate.job.regime)

    def under(policy: Any) -> Gate:
        return replace(gate, policy=policy, job=job)

    read = under(reach.as_read(gate.policy, new, gate.as_of)) if claim.answer == "claimed" else None
    return Asked(scope, under(reach.upto(gate.policy, old)), under(reach.upto(gate.policy, new)), read)


def _cells(found: Mapping[Categories, Tally]) -> tuple[Cell, ...]:
    return tuple(Cell(names, found[names]) for names in sorted(found, key=lambda n: (n is None, n or ())))


def _windows(judgement: Judgement, now: datetime) -> Iterator[Window]:
    """Of each source the newest days. A time later than now is no time, here as in the gate."""
    with judgement.engine.connect() as con:
        for source in judgement.judged:
            [(oldest, newest)] = con.execute(
                f"SELECT min(collected_at), max(collected_at) FROM {paths.parquet(source.shards)}"
                f" WHERE collected_at <= {moment(now)}"
            ).fetchall()
            begins = None if newest is None else newest - timedelta(days=WINDOW)
            whole = begins is not None and oldest <= begins
            yield Window(source.name, _aware(newest), _aware(begins) if whole else None)


def _aware(when: datetime | None) -> datetime | None:
    return None if when is None else when.replace(tzinfo=UTC)


# --- the whole platform -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Counting:
    """What is counted over: the records, from when on they are new, and which stand in for those to come."""

    judgement: Judgement
    effective_from: datetime
    coming: Coming

    def age(self, collected: datetime | None) -> str:
        """Which of the fields of a tally counts a record received then."""
        if collected is None or collected > self.coming.moment:
            return "undated"
        return "older" if collected < self.effective_from else "since"


def _platform(count: _Counting, asked: Sequence[Asked], progress: Progress | None) -> Found:
    """Every record, by the engine: the verdicts of each gate are kept as ids and outcomes, then compared, a gathering of
    shards at a time.

    Uses that are given the same clauses are judged once: the gate asks for a use only to choose clauses. Each is judged
    for itself, so as many as there are threads are judged side by side, with an equal share of the memory.
    """
    once = {_clauses(one): one for one in asked}
    told = _Progress(progress, count.judgement, sum(len(one.gates) for one in once.values()))
    threads = max(1, min(count.judgement.engine.threads, len(once)))
    place = count.judgement.related.relations.parent
    with kept_people(count.judgement.gate.snapshot, place) as people:
        side_by_side = replace(count, judgement=replace(count.judgement, engine=count.judgement.engine.share(threads)))
        with ThreadPoolExecutor(threads) as pool:
            asking = [pool.submit(_judged, side_by_side, _standing_on(one, people), told) for one in once.values()]
            try:
                alike = dict(zip(once, [one.result() for one in asking], strict=True))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    return {one.scope: alike[_clauses(one)] for one in asked}


def _standing_on(one: Asked, people: KeptPeople) -> Asked:
    """The same gates over people that any thread can read."""
    before, after = (replace(gate, snapshot=people) for gate in (one.before, one.after))
    return replace(one, before=before, after=after, read=one.read and replace(one.read, snapshot=people))


def _judged(count: _Counting, one: Asked, told: _Progress) -> dict[Categories, Tally]:
    """One use: judged under each of its gates, and compared. What is kept for that is gone afterwards."""
    with TemporaryDirectory(dir=count.judgement.related.relations.parent, prefix="verdicts-") as folder:
        # Two engines that spill into one folder would write over each other.
        engine = replace(count.judgement.engine, scratch=Path(folder) / "spilled")
        alone = replace(count, judgement=replace(count.judgement, engine=engine))
        for name, gate in one.gates.items():
            replace(alone.judgement, gate=gate).verdicts(Path(folder) / name, count.coming, told.of(one, name))
        return _compared(alone, Path(folder), one.read is not None)


class _Progress:
    """Adds up what several threads have judged, and says so."""

    def __init__(self, progress: Progress | None, judgement: Judgement, gates: int) -> None:
        self.progress, self.done, self.lock = progress, dict[tuple[Scope, str], int](), Lock()
        self.total = gates * sum(source.rows for source in judgement.judged)

    def of(self, one: Asked, name: str) -> Callable[[int, int], None]:
        """What is told of one gate: how many records are judged under it."""

        def told(done: int, _total: int) -> None:
            with self.lock:
                self.done[one.scope, name] = done
                if self.progress is not None:
                    self.progress("judging records under both versions", sum(self.done.values()), self.total)

        return told


def _clauses(one: Asked) -> tuple[Any, ...]:
    """What a use selects: purpose, recipient, and the clauses of each version of both policies."""
    scope = one.scope
    chosen = [
        tuple(clause for clause in version.clauses if clause.declares(scope.purpose, version.vocabulary, scope.use))
        for gate in (one.before, one.after)
        for version in gate.policy.versions
    ]
    return (scope.purpose, scope.recipient, *chosen)


def _compared(count: _Counting, folder: Path, claimed: bool) -> dict[Categories, Tally]:
    found: dict[Categories, Tally] = {}
    paced = ", ".join(map(text, count.coming.windows))
    with count.judgement.engine.connect() as con:
        for place, view in enumerate(count.judgement.gathered(con, count.coming)):
            query = _COUNTED.format(
                rows=view, was=_verdicts(folder, "before", place), becomes=_verdicts(folder, "after", place),
                reads=_verdicts(folder, "read" if claimed else "after", place),
                begins=moment(count.effective_from), ends=moment(count.coming.moment),
                unpaced=f"NOT list_contains([{paced}]::VARCHAR[], source)",
            )  # fmt: skip
            for categories, *numbers in con.execute(query).fetchall():
                key = None if categories is None else tuple(categories)
                found[key] = found.get(key, Tally()) + _tally_of(*numbers)
    return found


def _verdicts(folder: Path, name: str, place: int) -> str:
    return paths.parquet(folder / name / verdicts_of(place))


def _tally_of(older: int, since: int, undated: int, sampled: int, unpaced: int, *moved: int) -> Tally:
    """The tally of a row of ``_COUNTED``."""
    return Tally(older, since, undated, sampled, unpaced, *(Count(*moved[at : at + 3]) for at in (0, 3, 6, 9)))


def _moved(of: str, becomes: str) -> str:
    """The three columns of a count: what is newly used, no longer, and used with other parts taken out."""
    return ", ".join(
        f"count(*) FILTER ({of} AND {how})"
        for how in (
            f"was > 1 AND {becomes} <= 1",
            f"was <= 1 AND {becomes} > 1",
            f"was <= 1 AND {becomes} <= 1 AND went IS DISTINCT FROM {becomes}_goes",
        )
    )


_COUNTED = f"""
SELECT
  list_sort(list_distinct(categories)), count(*) FILTER (older), count(*) FILTER (since),
  count(*) FILTER (undated), count(*) FILTER (coming), count(*) FILTER (NOT coming AND {{unpaced}}),
  {_moved("older", "reads")}, {_moved("older", "becomes")}, {_moved("since", "becomes")}, {_moved("coming", "becomes")}
FROM (
  SELECT
    *,
    NOT coming AND NOT coalesce(collected_at <= {{ends}}, FALSE) AS undated,
    NOT coming AND coalesce(collected_at < {{begins}}, FALSE) AS older,
    NOT coming AND coalesce(collected_at BETWEEN {{begins}} AND {{ends}}, FALSE) AS since
  FROM (
    SELECT
      r.categories, r.collected_at, r.source, r.ordinal % {APART} >= {STAND_IN} AS coming,
      b.outcome AS was, coalesce(b.removed, []) AS went,
      a.outcome AS becomes, coalesce(a.removed, []) AS becomes_goes,
      -- What the text would reach comes on top of what the declared rule reaches.
      CASE WHEN a.outcome <= 1 THEN a.outcome ELSE t.outcome END AS reads,
      CASE WHEN a.outcome <= 1 THEN coalesce(a.removed, []) ELSE coalesce(t.removed, []) END AS reads_goes
    FROM {{rows}} AS r JOIN {{was}} AS b USING (ordinal) JOIN {{becomes}} AS a USING (ordinal)
    JOIN {{reads}} AS t USING (ordinal)
  )
)
GROUP BY 1
"""


# --- one person -------------------------------------------------------------------------------------------------


def _person(
    count: _Counting, asked: Sequence[Asked], subject: str, progress: Progress | None
) -> tuple[dict[str, Found], int]:
    """A person's records, each as it may be told to them: what is theirs, and their part in what is others'."""
    found: dict[str, Found] = {who: {one.scope: {} for one in asked} for who in ("author", "other_person")}
    untold = 0
    for done, row in enumerate(_rows_of(count, subject), start=1):
        record, coming = as_record(row), row["ordinal"] >= STAND_IN
        views = list(_told_to(record, subject))
        untold += not coming and record.subject == subject and not views
        for who, view in views:
            for one in asked:
                tally = count_one(count, one, view, coming)
                cell = found[who][one.scope]
                key = _key(view)
                cell[key] = cell.get(key, Tally()) + tally
        if progress is not None:
            progress("judging this person's records", done, None)
    if not untold and not any(cells for scopes in found.values() for cells in scopes.values()):
        raise SourceError(
            f"no record by or about `{subject}` in the sources",
            hint="account ids are text and compared exactly; somebody without a record has nothing that could move",
        )
    return found, untold


def _rows_of(count: _Counting, subject: str) -> Iterator[Mapping[str, Any]]:
    """The resolved rows a person is in, one after the other, those that stand in for what is to come among them."""
    chosen = _IN_IT.format(subject=text(subject))
    with count.judgement.engine.connect() as con:
        for view in count.judgement.records(con, chosen, count.coming):
            rows = con.execute(f"SELECT * FROM {view}")
            names = [column[0] for column in rows.description or ()]
            while some := rows.fetchmany(1_000):
                yield from (dict(zip(names, row, strict=True)) for row in some)


_IN_IT = """subject = {subject} OR len(list_filter(parties, lambda x: x.subject = {subject})) > 0
OR len(list_filter(parts, lambda p: len(list_filter(p.parties, lambda x: x.subject = {subject})) > 0)) > 0"""


@dataclass(frozen=True, slots=True)
class View:
    """A record as it is told to a person: ``place`` is the part it is about, None for all of it."""

    record: Record
    place: int | None = None

    @property
    def part(self) -> Part:
        return self.record.main if self.place is None else (self.record.parts or ())[self.place]


def _told_to(record: Record, subject: str) -> Iterable[tuple[str, View]]:
    """What of a record a person may be told: their own as if nobody else were in it; of somebody else's only the part
    they are in, as far as it depends on them."""
    if record.subject == subject:
        if explanation.is_told(record):
            yield "author", View(explanation.without_others(record))
        return
    for place, part in ((None, record.main), *enumerate(record.parts or ())):
        if _knows(part, subject):
            yield "other_person", _own_part(record, part, place, subject)
            return  # one record counts once


def _knows(part: Part, subject: str) -> bool:
    """Whether a person is in a part, and knows it or could: what somebody else shows to few is not given away."""
    roles = {p.role for p in part.parties or () if p is not None and p.subject == subject}
    public = part.audience_at == "public" and part.audience_now == "public"
    return bool(roles) and (public or bool(roles & KNOWING))


def _own_part(record: Record, part: Part, place: int | None, subject: str) -> View:
    """The part of a record that a person is in, as if they were its only subject: what its author and others chose
    (signals are choices too), and what became of their records, is taken out."""
    own = replace(part, kind="main", parties=(), source_state="own", labels=(), signals=())
    bare = replace(
        record, main=own, parts=(), subject=subject, lifecycle="published", edition="latest", duplicate="unique",
        integrity="none", created_at=record.collected_at,
    )  # fmt: skip
    if place is None:
        return View(bare)
    return View(replace(bare, parts=(replace(own, kind=part.kind),)), 0)


def count_one(count: _Counting, one: Asked, view: View, coming: bool) -> Tally:
    """What the gates of one use make of one record."""
    was, becomes = (_verdict(gate, view) for gate in (one.before, one.after))
    if coming:
        return Tally(sampled=1, pace=_move(was, becomes))
    age = count.age(view.record.collected_at)
    unpaced = view.record.source not in count.coming.windows
    tally = Tally(int(age == "older"), int(age == "since"), int(age == "undated"), unpaced=int(unpaced))
    if age == "older":
        reads = becomes
        if one.read is not None and not becomes[0]:
            reads = _verdict(one.read, view)
        return replace(tally, rule=_move(was, becomes), read=_move(was, reads))
    return replace(tally, so_far=_move(was, becomes)) if age == "since" else tally


def _verdict(gate: Gate, view: View) -> tuple[bool, tuple[int, ...]]:
    """Whether it is used, and which parts go. Of a part alone: whether it stays."""
    decision: Decision = gate.decide(view.record)
    if view.place is not None:
        return view.place not in decision.removed, ()
    return decision.outcome in USED, decision.removed


def _move(was: tuple[bool, tuple[int, ...]], becomes: tuple[bool, tuple[int, ...]]) -> Count:
    return Count(
        int(not was[0] and becomes[0]),
        int(was[0] and not becomes[0]),
        int(was[0] and becomes[0] and was[1] != becomes[1]),
    )


def _key(view: View) -> Categories:
    labels = view.part.categories
    return None if labels is None else tuple(sorted({label for label in labels if label is not None}))
