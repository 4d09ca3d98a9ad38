"""A judgement of whole sources: every shard judged under one gate, counted, sampled, written.

Nothing happens until it is asked for. What is written is content-addressed Parquet: released rows for the public
part (`writing` says how), decisions (ids and reasons, never text) for the private one.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import choice, commitments, disk, intake, manifest, paths, pool, reasons, steps, writing
from aboveboard.engine import Engine, Session, erased_in, give_back, kept_people
from aboveboard.errors import EngineError
from aboveboard.gate import Decision, Gate
from aboveboard.layout import MAX_BITS
from aboveboard.plan import moment, text
from aboveboard.reasons import BY_ID, OUTCOMES, Outcome
from aboveboard.record import PART_FIELDS, RESOLVED_COLUMNS, Part, Party, Record, Signal
from aboveboard.relate import Related, resolved, stage
from aboveboard.sources import Staged
from aboveboard.sources.staged import BESIDE_COLUMNS
from aboveboard.steps import Step
from aboveboard.suppression import ERASED, Suppressions, in_its_place

if TYPE_CHECKING:
    import duckdb

Progress = Callable[[int, int], None]
"""Told how many records of how many are judged."""


LINKS = "links"
"""The folder of the private part that says whose words stand in which record."""
STAND_IN = 1 << 40
"""More than the rows of any source. An ordinal is never negative: the engine takes those numbers for cases."""
APART = 1 << 42
"""More than the ordinals of any source and of what stands in for it: where sources are gathered, each has its own."""
GATHERED = 262_144
"""Rows that are judged at a time where only verdicts are kept: compiling the steps costs as much for a few rows."""


@dataclass(frozen=True, slots=True)
class Coming:
    """Which records stand in for those to come: of each source those received in its window, ends included, judged as
    if they were made and received at ``moment``. A source without a window has none. They are judged beside the records
    themselves, and told apart by their ordinals: that of a record's stand-in is its own plus ``STAND_IN``."""

    windows: Mapping[str, tuple[datetime, datetime]]
    moment: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """Sources under a gate; every method runs the engine over all shards (or as many as it needs)."""

    engine: Engine
    related: Related
    gate: Gate
    limit: int | None = None
    """Judge only the first rows of each source. All were related: an edit further down still supersedes."""
    sources: tuple[str, ...] = ()
    """Judge only these (none named: all). All were related: an edit in another source still supersedes."""
    keys: writing.Secrets | None = None
    """What lays released rows out; a judgement that only counts needs none."""
    most: int = MAX_BITS
    """At most ``2**most`` public files: what the layout of earlier releases says."""
    workers: int = 1
    """How many processes write; they give the same bytes as one."""
    people: commitments.SubjectKeys | None = None
    """Who keeps a key for each person; without them nothing is committed to and nobody is told of their rows."""
    seen: Path | None = None
    """Where the private parts of earlier releases are, which remember when each record was first received."""
    erased: tuple[str, ...] | None = None
    """Who of the people in the sources was erased, where that was looked for already."""

    @property
    def judged(self) -> tuple[Staged, ...]:
        """The sources whose records are judged and counted, in order."""
        return tuple(s for s in self.related.sources if not self.sources or s.name in self.sources)

    def sample(self, n: int) -> list[Decision]:
        """The first ``n`` decisions, in source order: look before you build."""
        found: list[Decision] = []
        for session in self._sessions():
            found += [
                _decision(row)
                for row in _dicts(session.con, f"SELECT * FROM decisions ORDER BY ordinal LIMIT {n - len(found)}")
            ]
            if len(found) >= n:
                break
        return found

    def find(self, record_id: str) -> list[Record]:
        """The resolved records with this id (several where a source repeats it), in source order."""
        found: list[Record] = []
        with self.engine.connect() as con:
            for rows in self.records(con):
                chosen = f"SELECT * FROM {rows} WHERE record_id = {text(record_id)} ORDER BY ordinal"
                found += [as_record(row) for row in _dicts(con, chosen)]
        return found

    def show_steps(self, rows: int = 5) -> Iterator[tuple[Step, int, list[str], list[tuple[Any, ...]]]]:
        """Judge the first shard and give each step: its table's rows, columns and first rows (never a text)."""
        with self._sitting(shown=True) as session:
            if not self.places:
                return
            self._judge(session, 0)
            for step in (*steps.read("people"), *steps.read("shard")):
                columns = _showable(session.con, step.name)
                chosen = ", ".join(f'"{column}"' for column in columns)
                first = session.con.execute(f"SELECT {chosen} FROM {step.name} LIMIT {rows}").fetchall()
                yield step, session.count(step.name), columns, first

    def audit(self, progress: Progress | None = None) -> tuple[list[manifest.Tally], list[manifest.Loss]]:
        """Counts per outcome and decisive reason, and what each rule costs; writes nothing."""
        tallies: Counter[tuple[str, str, str]] = Counter()
        losses: Counter[tuple[str, str]] = Counter()
        for session in self._sessions(progress):
            _count(session.con, tallies)
            _weigh(session.con, losses)
        return _tallies(tallies), _losses(losses)

    def verdicts(self, into: Path, coming: Coming | None = None, progress: Progress | None = None) -> None:
        """What is decided of each record, a file a gathering in ``into``: its ordinal there, the outcome, what goes.

        With ``coming`` also of the records that stand in for those to come. No reason and no text.
        """
        into.mkdir(parents=True)
        told = _Told(progress, sum(source.rows for source in self.judged))
        with self._sitting() as session:
            for number, places in enumerate(self.gatherings):
                self._gathered(session.con, places, coming)
                session.judge("composed")
                writing.copy_rows(session.con, _VERDICTS, into / verdicts_of(number))
                told.more(session.count("staged"))

    def gathered(self, con: duckdb.DuckDBPyConnection, coming: Coming | None = None) -> Iterator[str]:
        """The records of each gathering, in order, as the view ``records``, with the ordinals that its verdicts have."""
        self._relations(con)
        for places in self.gatherings:
            self._gathered(con, places, coming)
            yield "records"

    @property
    def gatherings(self) -> list[list[tuple[Staged, Path]]]:
        """The shards that are judged at a time where only verdicts are kept: as many small ones as make a large one."""
        import pyarrow.parquet as pq

        found: list[list[tuple[Staged, Path]]] = []
        room = 0
        for source, shard in self.places:
            rows = pq.read_metadata(shard).num_rows
            if rows > room:
                found.append([])
                room = GATHERED
            found[-1].append((source, shard))
            room -= rows
        return found

    def write(self, public: Path, private: Path, progress: Progress | None = None) -> manifest.Governed:
        """Released rows, their trees and the subject map into ``public``; decisions, quarantine, index and openings into
        ``private``; returns what came out."""
        if self.keys is None:
            raise EngineError(
                "a judgement without keys writes nothing", hint="give Judgement the keys of the workspace"
            )
        if self.seen is not None:
            intake.refuse_redated(self.engine, self.related, self.seen, self.gate.snapshot.suppressions)
        decisions, parts, index, people = (private / name for name in ("decisions", "parts", "index", "people"))
        data = public / "data"
        for folder in (data, decisions, parts, index, people):
            folder.mkdir(parents=True, exist_ok=True)
        self._keep_quarantine(private / "quarantine")
        self._keep_links(private / LINKS)
        salt = self._settle_accounts(private)
        tallies: Counter[tuple[str, str, str]] = Counter()
        masked: Counter[str] = Counter()
        told = _Told(progress, sum(source.rows for source in self.judged))
        try:
            for one in self._laid(private):
                tallies.update(one.tallies)
                masked.update(one.masked)
                told.more(one.rows)
            give_back()
            made = writing.cut(self.engine, parts, public, index, self.most)
        finally:
            shutil.rmtree(parts, ignore_errors=True)  # they hold text
        give_back()
        mapped = self._map_subjects(public, private, salt)
        give_back()
        received = None
        if self.seen is not None:
            key, gone = self.keys.secret("uid"), self.gate.snapshot.suppressions
            received = intake.remember(self.engine, self.related, self.seen, private, key, gone)
        for folder in (data, decisions, index, people, private / "quarantine", private):
            disk.settle(folder)
        return manifest.Governed(
            shards=tuple(made.shards),
            rows_digest=manifest.rows_digest(made.shards),
            tallies=tuple(_tallies(tallies)),
            records=sum(tallies.values()),
            quarantined=sum(source.quarantined for source in self.judged),
            source_digest=_source_digest(self.related),
            bits=made.bits,
            kinds=dict(made.kinds),
            languages=dict(made.languages),
            masked=dict(masked),
            refused=tuple(self._unnamed_file(asdict(one)) for source in self.judged for one in source.refused),
            map=mapped,
            received=received,
        )

    def _settle_accounts(self, private: Path) -> bytes:
        """Who is in scope, with a key for each that opens this release and no other; returns the salt of these keys."""
        salt = secrets.token_bytes(32)
        if self.people is not None:
            folder = private / commitments.OPENINGS
            for name in ("records", commitments.WITHHELD):
                (folder / name).mkdir(parents=True)
            with disk.step("accounts"):
                commitments.settle_accounts(
                    self.engine, self.gate.snapshot, self._subjects(), self.people, salt, folder
                )
        return salt

    def _map_subjects(self, public: Path, private: Path, salt: bytes) -> manifest.Map | None:
        if self.people is None or self.keys is None:
            return None
        made = commitments.map_subjects(self.engine, private, public / "subjects", self.keys.secret("index"), salt)
        for room in ("records", commitments.WITHHELD, "."):
            disk.settle(private / commitments.OPENINGS / room)
        return made

    def involved(self, subjects: Sequence[str], private: Path) -> list[bytes]:
        """The leaves of all written rows in which one of these people has a part; ``private`` is where they lie."""
        with self.engine.connect() as con:
            if not _written(con, subjects, private):
                return []
            return [bytes(leaf) for (leaf,) in con.execute("SELECT leaf FROM written").fetchall()]

    def fold(self, gate: Gate, subjects: Sequence[str], private: Path) -> list[bytes]:
        """Those of them that may not go out under a later gate, as they are: judged again, with ``decide`` itself.

        Of what was said of a record since the records were related, every row with its words leaves.
        """
        records = [one for one in subjects if one.startswith(choice.RECORD)]
        found = self.involved(records, private) if records else []
        with self.engine.connect() as con:
            if _written(con, subjects, private):
                for rows in self.records(con, chosen="(source, ordinal) IN (SELECT source, ordinal FROM written)"):
                    said = _dicts(con, _STANDING.format(rows=rows))
                    found += [bytes(row["leaf"]) for row in said if _leaves(row, gate)]
        return found

    def _keep_quarantine(self, folder: Path) -> None:
        """What could not be read stays with the release: where it stood and why, never what it said."""
        folder.mkdir(parents=True, exist_ok=True)
        for source in self.judged:
            if source.quarantined:
                with disk.step("quarantine"):
                    kept = folder / f"{source.name}.parquet"
                    shutil.copyfile(source.quarantine, kept)
                    if self.gate.snapshot.suppressions:
                        with self.engine.connect() as con:
                            _unname_files(con, kept, self.gate.snapshot.suppressions)
                    disk.settle(kept)

    def _unnamed_file(self, refused: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**refused, "file": ""} if self.gate.snapshot.suppressions.within(refused["file"]) else refused

    def _keep_links(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with self.engine.connect() as con, disk.step("links"):
            self._relations(con)
            links, erased = (
                _LINKS.format(editions=paths.parquet(self.related.editions)),
                list(self._in_place_of(self.erased_people())),
            )
            query = links
            if erased:
                con.execute("CREATE TEMP TABLE theirs AS SELECT unnest(?::VARCHAR[]) AS subject", [erased])
                shards = paths.parquet(shard for _, shard in self.related.shards)
                query = _LINKS_OF_OTHERS.format(links=links, shards=shards)
            writing.copy_rows(con, f"{query} ORDER BY source, ordinal, origin", folder / "links.parquet")
            disk.settle(folder / "links.parquet")
            disk.settle(folder)

    def _laid(self, private: Path) -> Iterator[Laid]:
        """What came of each shard, once its decisions and its part are on the disk."""
        if self.workers > 1 and len(self.places) > 1:
            yield from self._laid_by_others(private)
            return
        with self._sitting(private) as session:
            for place in range(len(self.places)):
                yield self._lay(session, place, private)

    def _lay(self, session: Session, place: int, private: Path) -> Laid:
        """Judge one shard and write what comes of it. Where and by whom leaves no trace in what is written."""
        if self.keys is None:
            raise EngineError(
                "a judgement without keys writes nothing", hint="give Judgement the keys of the workspace"
            )
        rows = self._judge(session, place)
        tallies: Counter[tuple[str, str, str]] = Counter()
        _count(session.con, tallies)
        commitments.find_company(session)
        session.forget(but=("decisions", "situations", "peopled"))  # how it was judged needs no room any more
        writing.keep(
            session.con, _DECISIONS, private / "decisions", "decisions", ("record_id", "ordinal", "collected_at")
        )
        masked = writing.lay(session, self.keys)
        file = f"{place:05d}.parquet"
        if self.people is not None:
            with disk.step("openings"):
                commitments.commit(session, private / commitments.OPENINGS / "records" / file)
        session.forget(but=("hashed", "composites"))  # what is sorted and written next needs the room
        with disk.step("part"):
            writing.copy_rows(session.con, writing.PART, private / "parts" / file, writing.PART_GROUP, writing.QUICK)
        with disk.step("people"):
            writing.copy_rows(session.con, writing.PEOPLE, private / "people" / file)
            disk.settle(private / "people" / file)
        return Laid(rows, tallies, masked)

    def _laid_by_others(self, private: Path) -> Iterator[Laid]:
        """The same by a pool of processes, each with a session of its own: shards need nothing of each other."""
        alone = self.engine.share(self.workers)
        with kept_people(self.gate.snapshot, private) as people:
            settled = None if self.people is None else commitments.Settled()
            gate, erased = replace(self.gate, snapshot=people), self.erased_people()
            worker = replace(self, engine=alone, gate=gate, workers=1, people=settled, erased=erased)
            yield from pool.run(_start, (worker, private), _work, range(len(self.places)), self.workers)

    @property
    def places(self) -> list[tuple[Staged, Path]]:
        """Every shard that is judged, in order."""
        return [(source, shard) for source in self.judged for shard in source.shards]

    @contextmanager
    def _sitting(self, private: Path | None = None, shown: bool = False) -> Iterator[Session]:
        """A session for these sources. One that writes is given the private part, where the accounts are; one whose steps
        are shown keeps them all."""
        erased = self.erased_people()
        places = self._in_place_of(erased)
        with self.engine.sit(self.gate, self.related.sets, (*erased, *places.values())) as session:
            for name, said in (("erased", places.keys()), ("places", places.values())):
                session.con.execute(f"SET VARIABLE {name} = ?::VARCHAR[]", [list(said)])
            if not shown:
                session.settle()
            if private is not None and self.people is not None:
                commitments.sit(session, private / commitments.OPENINGS)
            if self.keys is not None:
                writing.settle_people(session.con, self._subjects(), self.keys)
            self._relations(session.con)
            yield session

    def erased_people(self) -> tuple[str, ...]:
        """Who of the people in the sources was erased: found by one reading of who is named, where anybody was."""
        if self.erased is not None or not self.gate.snapshot.suppressions:
            return self.erased or ()
        found: set[str] = set()
        with self.engine.connect() as con:
            for rows in self.records(con):
                found.update(erased_in(con, rows, self.gate.snapshot.suppressions))
        return tuple(sorted(found))

    def _sessions(self, progress: Progress | None = None) -> Iterator[Session]:
        """The session after each shard that it judged."""
        told = _Told(progress, sum(source.rows for source in self.judged))
        with self._sitting() as session:
            for place in range(len(self.places)):
                told.more(self._judge(session, place))
                yield session

    def _judge(self, session: Session, place: int, coming: Coming | None = None) -> int:
        self._records(session.con, *self.places[place], coming=coming, unnamed=bool(self._in_place_of(session.erased)))
        session.judge("composed")
        return session.count("decisions")

    def _in_place_of(self, erased: Sequence[str]) -> Mapping[str, str]:
        """What stands in the place of each of these people in all that is written, whatever a source still says of them."""
        key = self.gate.snapshot.suppressions.key
        return {one: in_its_place(key, one) for one in erased if not one.startswith(ERASED)}

    def _subjects(self) -> str:
        """Everybody whom a record is by, inherited or not, as a subquery."""
        shards = paths.parquet(shard for _, shard in self.related.shards)
        relations = paths.parquet(self.related.relations)
        return (
            f"(SELECT subject FROM {shards}"
            f" UNION ALL SELECT derived.subject FROM {relations} WHERE derived IS NOT NULL)"
        )

    def records(
        self, con: duckdb.DuckDBPyConnection, chosen: str = "TRUE", coming: Coming | None = None
    ) -> Iterator[str]:
        """Each judged shard with its relations, in order, as the view ``records``; ``chosen`` says which of them.

        With ``coming`` the records that stand in for those to come are among them.
        """
        self._relations(con)
        for source, shard in self.places:
            self._records(con, source, shard, chosen, coming)
            yield "records"

    def _relations(self, con: duckdb.DuckDBPyConnection) -> None:
        for name, files in (("all_relations", [self.related.relations]), ("all_owing", self.related.owing)):
            con.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {paths.parquet(files)}")

    def _records(
        self,
        con: duckdb.DuckDBPyConnection,
        source: Staged,
        shard: Path,
        chosen: str = "TRUE",
        coming: Coming | None = None,
        unnamed: bool = False,
    ) -> None:
        """One shard with its relations, as the view ``records``: what a step does not look at is never read; and as the view
        ``composed`` the lists of those whose lists are not all empty. ``unnamed``: with a hash in the place of everybody
        who was erased."""
        for view, rows in self._resolved(con, [(source, shard)], coming).items():
            if unnamed:
                con.execute(f"CREATE OR REPLACE TEMP VIEW named_{view} AS {rows}")
                con.execute(_NAMING.format(view=view))
                rows = _UNNAMED.format(view=view)
            chosen = chosen if view == "records" else "TRUE"
            con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM ({rows}) WHERE ({chosen})")

    def _gathered(
        self, con: duckdb.DuckDBPyConnection, places: Sequence[tuple[Staged, Path]], coming: Coming | None
    ) -> None:
        """Several shards as one, each source with ordinals of its own."""
        names = dict.fromkeys(source.name for source, _ in places)
        own = " ".join(f"WHEN {text(name)} THEN {at * APART}" for at, name in enumerate(names))
        for view, rows in self._resolved(con, places, coming).items():
            numbered = f"SELECT * REPLACE (ordinal + CASE source {own} END AS ordinal) FROM ({rows})"
            con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {numbered}")

    def _resolved(
        self, con: duckdb.DuckDBPyConnection, places: Sequence[tuple[Staged, Path]], coming: Coming | None
    ) -> Mapping[str, str]:
        """The queries of these shards with their relations, as far as they are judged: the ``records``, and of those that
        are ``composed`` the lists."""
        stage(con, [shard for _, shard in places])
        names = [*dict.fromkeys(source.name for source, _ in places)]
        spans = con.execute("SELECT source, min(ordinal), max(ordinal) FROM staged GROUP BY source").fetchall()
        con.execute(f"CREATE OR REPLACE TEMP TABLE owing AS {_owing(spans)}")
        [(count,)] = con.execute("SELECT count(*) FROM owing").fetchall()
        owing = "owing" if count else None
        return {
            view: self._coming(resolved(staged, owing, columns), coming, names)
            for view, staged, columns in (
                ("records", "staged", tuple(RESOLVED_COLUMNS)),
                ("composed", "staged_beside", tuple(BESIDE_COLUMNS)),
            )
        }

    def _coming(self, rows: str, coming: Coming | None, names: Sequence[str]) -> str:
        """A query of records with those that stand in for what is to come, as far as they are judged."""
        if coming is not None and any(name in coming.windows for name in names):
            rows = f"{rows}\nUNION ALL\n{_stand_ins(rows, coming, names)}"
        return rows if self.limit is None else f"SELECT * FROM ({rows}) WHERE ordinal < {int(self.limit)}"


@dataclass(frozen=True, slots=True)
class Laid:
    """What came of one shard: how many records, how they were decided, what was masked."""

    rows: int
    tallies: Mapping[tuple[str, str, str], int]
    masked: Mapping[str, int]


class _Told:
    """Adds up what is done and says so."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def more(self, rows: int) -> None:
        self.done += rows
        if self.progress is not None:
            self.progress(self.done, self.total)


@dataclass
class _Worker:
    """In a process of the pool: what it works with. It sits down with its first piece, so that what then goes wrong
    is the piece's error and not a printed traceback."""

    judgement: Judgement
    private: Path
    sitting: AbstractContextManager[Session] | None = None
    session: Session | None = None

    def work(self, place: int) -> Laid:
        if self.session is None:
            self.sitting = self.judgement._sitting(self.private)
            self.session = self.sitting.__enter__()
        return self.judgement._lay(self.session, place, self.private)


_workers: list[_Worker] = []


def _unname_files(con: duckdb.DuckDBPyConnection, kept: Path, gone: Suppressions) -> None:
    """Take the names of files away that carry that of somebody who was erased."""
    held = paths.parquet(kept)
    names = con.execute(f"SELECT DISTINCT file FROM {held} WHERE file IS NOT NULL").fetchall()
    carrying = [name for (name,) in names if gone.within(name)]
    if carrying:
        con.execute(f"CREATE TEMP TABLE quarantined AS SELECT * FROM {held}")
        con.execute("UPDATE quarantined SET file = NULL WHERE file IN (SELECT unnest(?))", [carrying])
        writing.copy_rows(con, "FROM quarantined", kept)


def _start(*given: Any) -> None:
    _workers.append(_Worker(*given))


def _work(place: int) -> Laid:
    return _workers[0].work(place)


def verdicts_of(place: int) -> str:
    """The name of the file that holds the verdicts of a gathering."""
    return f"{place:05d}.parquet"


def _stand_ins(rows: str, coming: Coming, sources: Sequence[str]) -> str:
    """Of a query of records those that stand in for what is to come. What has no time of its own gets none."""
    now = moment(coming.moment)
    times = f"{now} AS collected_at, CASE WHEN created_at IS NOT NULL THEN {now} END AS created_at"
    windows = [(name, *map(moment, coming.windows[name])) for name in sources if name in coming.windows]
    within = " OR ".join(
        f"(source = {text(name)} AND collected_at BETWEEN {begins} AND {ends})" for name, begins, ends in windows
    )
    return f"SELECT * REPLACE (ordinal + {STAND_IN} AS ordinal, {times}) FROM (SELECT * FROM ({rows}) WHERE {within})"


def _owing(spans: Sequence[tuple[str, int, int]]) -> str:
    """The query of the records that owe something to others among these rows of sources. Each span is a query of its own,
    whose limits say which row groups need not be read."""
    return "\nUNION ALL\n".join(
        f"SELECT * FROM all_owing WHERE source = {text(source)} AND ordinal BETWEEN {first} AND {last}"
        for source, first, last in [*spans, ("", 0, -1)]
    )


_VERDICTS = "SELECT ordinal, outcome, removed FROM decisions ORDER BY ordinal"
_DECISIONS = """
SELECT
  m.source,
  CASE WHEN NOT coalesce(starts_with(m.subject, 'erased:'), FALSE) THEN m.record_id END AS record_id,
  e.* EXCLUDE (ending),
  m.ordinal, m.collected_at,
  CASE WHEN m.subject NOT IN (SELECT subject FROM suppressed) THEN m.subject END AS subject, o.ordinal IS NOT NULL AS shared,
  m.kind, m.categories
FROM decided AS d
JOIN (
  SELECT * EXCLUDE (cuts) REPLACE (
    clause::clause_named AS clause, policy_at_collection::version_named AS policy_at_collection,
    policy_now::version_named AS policy_now)
  FROM endings
) AS e USING (ending)
JOIN mains AS m USING (ordinal)
LEFT JOIN peopled AS o USING (ordinal)
ORDER BY m.source, m.ordinal
"""
_NAMING = """
CREATE OR REPLACE TEMP TABLE naming_{view} AS
SELECT DISTINCT source, ordinal
FROM (
  SELECT source, ordinal, unnest(list_concat(
    [subject],
    list_transform(parties, lambda p: p.subject),
    flatten(list_transform(parts, lambda p: list_transform(p.parties, lambda q: q.subject)))
  )) AS subject
  FROM named_{view}
)
WHERE subject IN (SELECT unnest(getvariable('erased')))
"""
"""The records that name somebody who was erased: few, and only they are put together anew."""


def _unnamed() -> str:
    place = "coalesce(getvariable('places')[list_position(getvariable('erased'), {x})], {x})"
    party = f"struct_pack(subject := {place.format(x='x.subject')}, role := x.role)"
    parties = f"list_transform({{of}}, lambda x: CASE WHEN x IS NULL THEN NULL ELSE {party} END)"
    fields = {name: parties.format(of="p.parties") if name == "parties" else f'p."{name}"' for name in PART_FIELDS}
    part = ", ".join(f'"{name}" := {field}' for name, field in fields.items())
    parts = f"list_transform(parts, lambda p: CASE WHEN p IS NULL THEN NULL ELSE struct_pack({part}) END)"
    told = f"{place.format(x='subject')} AS subject, {parties.format(of='parties')} AS parties, {parts} AS parts"
    return (
        "SELECT * FROM named_{view} ANTI JOIN naming_{view} USING (source, ordinal)"
        f" UNION ALL SELECT * REPLACE ({told}) FROM named_{{view}} SEMI JOIN naming_{{view}} USING (source, ordinal)"
    )


_UNNAMED = _unnamed()
_WRITTEN = """
CREATE TEMP TABLE written AS
SELECT i.source, i.ordinal, i.leaf, d.removed
FROM {index} AS i
SEMI JOIN (
  SELECT source, ordinal FROM {people} WHERE subject IN (SELECT unnest($people))
  UNION
  SELECT source, ordinal FROM {decisions} WHERE record_id IN (SELECT unnest($records))
  UNION
  SELECT source, ordinal FROM {links} WHERE origin IN (SELECT unnest($records))
) AS p USING (source, ordinal)
JOIN {decisions} AS d USING (source, ordinal)
"""
_LINKS = """
SELECT DISTINCT source, ordinal, origin, coalesce(origin = root, FALSE) AS edit
FROM (SELECT source, ordinal, root, unnest(origins) AS origin FROM all_relations)
UNION
SELECT source, ordinal, origin, TRUE FROM (
  WITH standing AS (
    FROM {editions} ANTI JOIN (FROM all_relations WHERE edition IS DISTINCT FROM 'latest') USING (source, ordinal)
  )
  SELECT source, ordinal, chain AS origin FROM standing
  UNION
  SELECT s.source, s.ordinal, e.record_id FROM standing AS s JOIN {editions} AS e USING (chain)
  WHERE e.record_id <> s.record_id AND (s.subject IS NULL OR e.subject IS NULL OR e.subject = s.subject)
)
"""
"""Whose words stand in a record, by the ids of the records they come from, and whether it is an edit of that: what is said of
one reaches the others. Of the newest version every other one is named, but not what somebody else calls one."""
_LINKS_OF_OTHERS = """
SELECT * FROM ({links})
WHERE origin IS NULL OR origin NOT IN (SELECT record_id FROM {shards} WHERE subject IN (FROM theirs))
"""
"""Who repeats words of somebody who was erased has them as a party, and is kept out by that."""
_STANDING = "SELECT r.*, w.leaf, w.removed FROM {rows} AS r JOIN written AS w USING (source, ordinal)"


def _written(con: duckdb.DuckDBPyConnection, subjects: Sequence[str], private: Path) -> bool:
    """Make the table ``written`` of the rows that these people have a part in; says whether anything was written."""
    if not any((private / "index").iterdir()):
        return False
    files = {name: writing.listed(private / name) for name in ("index", "people", "decisions", LINKS)}
    records = [one.removeprefix(choice.RECORD) for one in subjects if one.startswith(choice.RECORD)]
    con.execute(_WRITTEN.format(**files), {"people": list(subjects), "records": records})
    return True


def _leaves(row: Mapping[str, Any], gate: Gate) -> bool:
    """Whether a written row may not stay as it is: out, or with other parts removed than before."""
    decision = gate.decide(as_record(row))
    before = tuple(place - 1 for place in row["removed"] or ())
    return decision.outcome not in (Outcome.PERMIT, Outcome.REDACT) or decision.removed != before


def _count(con: duckdb.DuckDBPyConnection, into: Counter[tuple[str, str, str]]) -> None:
    for outcome, decisive, source, records in con.execute(
        "SELECT outcome, decisive, source, count(*) FROM decisions GROUP BY ALL"
    ).fetchall():
        into[OUTCOMES[outcome], BY_ID[decisive].code, source] += records


def _weigh(con: duckdb.DuckDBPyConnection, into: Counter[tuple[str, str]]) -> None:
    """For each combination of reasons: which rules it stands for, and which one alone keeps the record out."""
    for lo, hi, decisive, records in con.execute(
        "SELECT reasons_lo, reasons_hi, decisive, count(*) FROM decisions WHERE outcome > 1 GROUP BY ALL"
    ).fetchall():
        against = [c for c in reasons.codes(lo, hi) if c in reasons.AGAINST]
        # A rule's cost is counted once, also where another reason says more about it.
        against = [c for c in against if c not in reasons.ECHOES] or against
        into[BY_ID[decisive].code, "decisive"] += records
        for code in against:
            into[code, "against"] += records
            into[code, "alone"] += records if len(against) == 1 else 0


def _tallies(found: Counter[tuple[str, str, str]]) -> list[manifest.Tally]:
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [manifest.Tally(outcome, decisive, source, n) for (outcome, decisive, source), n in ordered]


def _losses(found: Counter[tuple[str, str]]) -> list[manifest.Loss]:
    names = {code for code, _ in found}
    losses = [manifest.Loss(c, found[c, "against"], found[c, "decisive"], found[c, "alone"]) for c in names]
    return sorted(losses, key=lambda loss: (-loss.alone, -loss.against, loss.reason))


def _dicts(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = con.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _decision(row: dict[str, Any]) -> Decision:
    """A row of ``decisions`` as the value that ``decide`` gives."""
    return Decision(
        row["record_id"],
        OUTCOMES[row["outcome"]],
        BY_ID[row["decisive"]],
        reasons.codes(row["reasons_lo"], row["reasons_hi"]),
        reasons.codes(row["part_reasons_lo"], row["part_reasons_hi"]),
        tuple(place - 1 for place in row["removed"] or ()),
        row["clause"],
        row["policy_at_collection"],
        row["policy_now"],
    )


def as_record(row: Mapping[str, Any]) -> Record:
    """A resolved row as the value that ``decide`` judges."""
    own = {name: row[name] for name in ("kind", "subject", "source", "ordinal", "language", "origin", "licence", "upstream",
           "lifecycle", "integrity", "duplicate", "edition", "collected_evidence", "audience_evidence")}  # fmt: skip
    parts = row["parts"]
    return Record(
        id=row["record_id"],
        created_at=_aware(row["created_at"]),
        collected_at=_aware(row["collected_at"]),
        main=_part({**row, "kind": "main", "content": row["text"], "place": "field", "start": None, "end": None}),
        parts=None if parts is None else tuple(_part(part or {}) for part in parts),
        **own,
    )


def _part(row: Mapping[str, Any]) -> Part:
    fields = {name: row.get(name) for name in PART_FIELDS}
    for name, kind in (("parties", Party), ("signals", Signal)):
        listed = row.get(name)
        # A null in the list is somebody, or something, that nobody knows.
        fields[name] = None if listed is None else tuple(kind(**one) if one else kind(None, None) for one in listed)
    if fields["place"] == "field" and not (fields["start"] is None and fields["end"] is None):
        fields["place"] = None  # sources quarantine it; rows that were read before they did hold as they held
    return Part(**fields)


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _showable(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of a step without those that hold what people wrote: ``--show-steps`` never prints them."""
    names = [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall()]
    return [name for name in names if name not in ("text", "parts", "content")]


def _source_digest(related: Related) -> str:
    lines = sorted(f"{source.name}\0{source.digest}\n" for source in related.sources)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
