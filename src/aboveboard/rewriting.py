"""Rewrites a published release: the same rows without those that may no longer go out, at the cost of what changed.

No source is read again. Rows are judged again from the private openings of the release, few with ``gate.decide`` itself and
many with the engine: those in which somebody has a part of whom something is known that was not known then, those that the
calendar touches, and all of them where the rules are others. Nothing ever comes in. Files without a row that leaves keep
their bytes (hard links); the others are written as a build would write them without those rows. It fits ``release.Judge`` by
its shape.
Specification: docs/formats/manifest.md, "A release that takes the place of another".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aboveboard import (
    commitments,
    descriptor,
    disk,
    layout,
    manifest,
    merkle,
    openings,
    paths,
    reasons,
    rejudging,
    removal,
    resealing,
    writing,
)
from aboveboard.choice import RECORD
from aboveboard.commitments import OPENINGS, WITHHELD, SubjectKeys
from aboveboard.engine import Engine, Listed, Session, erased_in
from aboveboard.errors import ReleaseError
from aboveboard.gate import THREE_YEARS, Decision, Gate
from aboveboard.manifest import Shard, Tally
from aboveboard.plan import interval, moment, text
from aboveboard.reasons import BY_ID, OUTCOMES, Outcome
from aboveboard.record import RESOLVED_COLUMNS
from aboveboard.writing import DECISIONS, LATER, LEFT, OPENED

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb
    import pyarrow as pa

LINKS = "links"
"""The folder of the private part that says whose words stand in which record (``judgement``)."""
REMOVED = "removed.bin"
"""In the private part: the leaves of the rows of the release before that are not in this one, 32 bytes each, ascending."""
BATCH = 8_192
FEW = 2_000
"""So many rows of a file are judged one by one: compiling the engine's steps costs as much."""
RELEASED = (Outcome.PERMIT, Outcome.REDACT)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Before:
    """A published release that another is to take the place of: its folders, statement, exact counts and tombstones."""

    public: Path
    private: Path
    statement: Mapping[str, Any]
    sha256: str
    counts: Mapping[str, Any]
    tombstones: frozenset[bytes]

    @property
    def said(self) -> Mapping[str, Any]:
        """The predicate of its statement."""
        found: Mapping[str, Any] = self.statement["predicate"]
        return found

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The SHA-256 of each file that the statement names."""
        return {one["name"]: one["digest"]["sha256"] for one in self.statement["subject"]}

    @property
    def opened(self) -> Path:
        return self.private / OPENINGS

    @cached_property
    def shards(self) -> Sequence[Shard]:
        """Its files, with their exact rows."""
        return [self._shard(one) for one in self.said["layout"]["shards"]]

    def _shard(self, one: Mapping[str, Any]) -> Shard:
        levels = (manifest.tile_name(one["key"], level) for level in range(merkle.TILE_HEIGHT))
        tiles = tuple((name, self.files[name]) for name in levels if name in self.files)
        rows = (self.public / manifest.tile_name(one["key"], 0)).stat().st_size // merkle.WIDTH
        people = next((n.get("people", 0) for n in self.counts["shards"] if n["key"] == one["key"]), 0)
        return Shard(
            one["key"], one["file"], self.files[one["file"]], rows, one["rows_digest"], one["root"], tiles, people
        )


def before(public: Path, private: Path) -> Before:
    """A published release as it can be rewritten; raises ReleaseError where its parts are not there or too old."""
    try:
        data = (public / "manifest.json").read_bytes()
        statement = json.loads(data)
        counts = json.loads((private / "exact-counts.json").read_bytes())
        gone = json.loads((public / manifest.TOMBSTONES).read_bytes())["tombstones"]
        found = Before(
            public, private, statement, hashlib.sha256(data).hexdigest(), counts, frozenset(map(bytes.fromhex, gone))
        )
        whole = found.said["subjects"] is not None and (found.opened / WITHHELD).is_dir() and "kinds" in counts
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ReleaseError(
            "the release cannot be rewritten: a part of it is missing or damaged", folder=private,
            hint="bring its private part back from your backup, or build anew",
        ) from error  # fmt: skip
    if not whole:
        raise ReleaseError(
            "the openings of this release do not hold what a rewriting needs: it was built by an older version",
            folder=private, hint="a full build is needed: aboveboard release build JOB.toml",
        )  # fmt: skip
    return found


def gone(engine: Engine, private: Path, records: Collection[str]) -> frozenset[bytes]:
    """The leaves of the released rows of these records, by their ids, whatever the source, and of those in which their
    words stand (quotes, reposts, copies, what was derived from them)."""
    return frozenset(leaf for _, leaf in gone_for(engine, private, records))


def gone_for(engine: Engine, private: Path, records: Collection[str]) -> list[tuple[str, bytes]]:
    """The same, each leaf with the id because of which it is one of them."""
    relation, links = writing.opened(private), writing.listed(private / LINKS)
    if not records or relation is None:
        return []
    carrying = "SELECT NULL AS origin, NULL AS source, NULL AS ordinal WHERE FALSE"
    carrying = _CARRYING.format(links=links) if links else carrying
    with engine.connect() as con:
        found = con.execute(_GONE.format(opened=relation, carrying=carrying), {"records": sorted(records)}).fetchall()
    return [(str(record), bytes(leaf)) for record, leaf in found]


def edits(
    engine: Engine, private: Path, taken: Collection[tuple[str | None, str]], lists: Listed | None = None
) -> frozenset[bytes]:
    """The leaves of the released rows that are edits of records (person, id) that their person took out, by the id of whichever
    version; where the person is None, and in ``lists``, they are taken out by whomever they are."""
    import pyarrow as pa

    relation, links = writing.opened(private), writing.listed(private / LINKS, "union_by_name")
    if not (taken or lists) or relation is None or not links:
        return frozenset()
    columns = [[who for who, _ in taken], [id for _, id in taken]]
    named = "" if lists is None else f"UNION ALL SELECT record_id FROM ({lists.query()})"
    with engine.connect() as con:
        con.register("taken", pa.table([pa.array(each, pa.string()) for each in columns], names=["account", "origin"]))
        return frozenset(bytes(leaf) for leaf in _column(con, _EDITS.format(opened=relation, links=links, named=named)))


_EDITS = """
WITH edits AS (
  SELECT o.leaf, o.account, l.origin
  FROM {opened} AS o
  JOIN (FROM {links} UNION ALL BY NAME SELECT FALSE AS edit WHERE FALSE) AS l USING (source, ordinal)
  WHERE l.edit
)
SELECT leaf FROM edits SEMI JOIN taken USING (account, origin)
UNION
SELECT leaf FROM edits WHERE origin IN (SELECT origin FROM taken WHERE account IS NULL {named})
"""
"""Releases from before links said which are edits say so of none."""
_CARRYING = "SELECT origin, source, ordinal FROM {links} WHERE origin IN (SELECT unnest($records))"
_GONE = """
SELECT record_id, leaf FROM {opened} WHERE record_id IN (SELECT unnest($records))
UNION SELECT c.origin, o.leaf FROM {opened} AS o JOIN ({carrying}) AS c USING (source, ordinal)
"""


@dataclass(frozen=True, slots=True)
class Considered:
    """What a rewriting comes to, before anything is written: people of whom something else is known than was then, rows
    that were judged again and that leave, the files they leave, of how many, and the bytes of those files. ``rules`` says
    why all rows were judged again; empty where they were not."""

    people: int
    judged: int
    leaving: int
    rows: int
    files: int
    of: int
    bytes: int
    rules: str = ""

    def as_json(self) -> Mapping[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass
class Rewriting(AbstractContextManager["Rewriting"]):
    """One rewriting under one gate. What it found out it keeps in tables of one connection until it is closed."""

    before: Before
    gate: Gate
    engine: Engine
    keys: writing.Secrets
    people: SubjectKeys
    rules: str = ""
    """Why every row has to be judged again; empty where the rules are those of the release."""
    asked: Sequence[bytes] = ()
    """Leaves of rows that have to be judged again whoever is in them: what a withdrawal by question is about."""
    gone: frozenset[bytes] = frozenset()
    """Leaves of rows whose record is gone (deleted, taken down), which the openings cannot know: they leave."""
    left: dict[int, set[bytes]] = field(default_factory=dict)
    """By file, the leaves that leave it."""
    leavers: Counter[int] = field(default_factory=Counter)
    """By file, of how many people rows leave it, at most."""
    judged: int = 0
    _con: duckdb.DuckDBPyConnection | None = None
    _session: Session | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    _considered: Considered | None = None

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            self._con = self.engine.connect()
        return self._con

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
        self._session = None
        if self._con is not None:
            self._con.close()
            self._con = None

    # --- what leaves ----------------------------------------------------------------------------------------------

    def considered(self, progress: Progress | None = None) -> Considered:
        """Judge again what has to be; nothing is written. Asked once, however often it is called."""
        if self._considered is None and not self.before.shards:
            self._considered = Considered(0, 0, 0, 0, 0, 0, 0, self.rules)
        if self._considered is None:
            self._who()
            self._judge_again(progress)
            self._orphans()
            self._count_out()
            self._considered = self._summed()
        return self._considered

    def _who(self) -> None:
        """The tables ``was`` (accounts), ``known``, ``changed`` (something else is known), ``heard`` (or the time came)."""
        con = self.con
        con.execute(f"CREATE TEMP TABLE was AS SELECT * FROM {commitments.accounts(self.before.opened)}")
        commitments.settle_known(con, self.gate.snapshot, "SELECT subject FROM was")
        con.execute(_CHANGED)
        con.execute(_HEARD.format(events=self._events_due(), facts=self._facts_due()))
        self._who_was_erased()

    def heard_rows(self) -> set[bytes]:
        """After ``considered``: the leaves of all rows in which somebody has a part of whom something else is known, or for whom
        something began or ended."""
        index, people = (writing.listed(self.before.private / name) for name in ("index", "people"))
        if "" in (index, people):
            return set()
        return {bytes(leaf) for leaf in _column(self.con, _HEARD_ROWS.format(index=index, people=people))}

    def _who_was_erased(self) -> None:
        """Put on ``heard`` everybody on the suppression list who has a part in a row: they need not be an account."""
        people = writing.listed(self.before.private / "people")
        if people:
            named = f"(SELECT *, NULL::STRUCT(subject VARCHAR)[] AS parties, {_NO_PARTS} AS parts FROM {people})"
            found = erased_in(self.con, named, self.gate.snapshot.suppressions)
            self.con.execute("INSERT INTO heard SELECT unnest(?::VARCHAR[]) EXCEPT FROM heard", [found])

    def _events_due(self) -> str:
        return " OR ".join(map(self._came, ("expires_at", "effective_at")))

    def _facts_due(self) -> str:
        periods = [THREE_YEARS, *(rule.period for rule in self._retentions("last_interaction"))]
        times = ["valid_from", "last_interaction", *(interval("last_interaction", period) for period in periods)]
        return " OR ".join(map(self._came, times))

    def _retentions(self, since: str) -> list[Any]:
        return [rule for version in self.gate.policy.versions for rule in version.retentions if rule.since == since]

    def _came(self, time: str) -> str:
        """Whether a moment lies behind the judgement of the release and not behind ours."""
        return f"({time} > {moment(self._then)} AND {time} <= {moment(self.gate.as_of)})"

    @property
    def _then(self) -> datetime:
        from datetime import datetime as when

        return when.fromisoformat(self.before.said["as_of"])

    def _judge_again(self, progress: Progress | None) -> None:
        """The tables ``moved`` (rows that leave or are told otherwise) and ``out`` (records that stayed out, judged again)."""
        con, private = self.con, self.before.private
        _older(con, private)
        self._wanted()
        like = f"SELECT *, FALSE AS was_out FROM {writing.opened(private)} WHERE FALSE"
        con.execute(f"CREATE TEMP TABLE touched AS {like}")
        for table in ("moved", "out", "stays"):
            con.execute(f"CREATE TEMP TABLE {table} AS SELECT *, {_VERDICT_COLUMNS} FROM touched")
        con.execute("CREATE TEMP TABLE gone_anyhow AS SELECT unnest(?::BLOB[]) AS leaf",
                    [sorted(self.before.tombstones | self.gone)])  # fmt: skip
        files = _files(private)
        for done, file in enumerate(files):
            self._touch(file)
            self._decide()
            if progress is not None:
                progress(done + 1, len(files))
        self._rest(files)

    def _wanted(self) -> None:
        """The table ``wanted``: which rows are judged again, where not all are."""
        con, private = self.con, self.before.private
        con.execute("CREATE TEMP TABLE wanted (source VARCHAR, ordinal BIGINT)")
        if self.rules:
            return
        people = writing.listed(private / "people")
        if people:
            con.execute(f"INSERT INTO wanted SELECT source, ordinal FROM {people} SEMI JOIN heard USING (subject)")
        opened, kept = writing.opened(private), [r.period for r in self._retentions("collected")]
        if opened is not None and kept:
            due = " OR ".join(self._came(interval("collected_at", period)) for period in kept)
            con.execute(f"INSERT INTO wanted SELECT source, ordinal FROM {opened} WHERE {due}")
        index = writing.listed(private / "index")
        named = {*self.before.tombstones, *self.asked, *self.gone}
        if named and index:
            con.execute(
                f"INSERT INTO wanted SELECT source, ordinal FROM {index} WHERE leaf IN (SELECT unnest(?))",
                [sorted(named)],
            )
        out = writing.listed(self.before.opened / WITHHELD)
        if out:
            con.execute(f"INSERT INTO wanted SELECT source, ordinal FROM {out} WHERE account IN (FROM heard)")

    def _touch(self, file: Path) -> None:
        """The table ``touched``: the rows of one file of openings that are judged again."""
        con = self.con
        columns = f"SELECT * FROM {paths.parquet(file)}"
        where = "TRUE" if self.rules else _of_file(con, file)
        con.execute("DELETE FROM touched")
        if where is None:
            return
        if file.parent.name == WITHHELD:
            con.execute(
                f"INSERT INTO touched BY NAME SELECT *, TRUE AS was_out, TRUE AS shared FROM ({columns}) WHERE {where}"
            )
            return
        # What a rewriting before this one said otherwise stands in a file of its own, which is read last.
        older = "" if file.parent.name == LATER else "ANTI JOIN was_moved USING (leaf)"
        chosen = f"SELECT * FROM ({columns} WHERE {where}) {older}"
        con.execute(
            "INSERT INTO touched BY NAME"
            f" SELECT c.*, l.leaf IS NOT NULL AS was_out FROM ({chosen}) AS c LEFT JOIN was_left AS l USING (leaf)"
            " WHERE l.leaf IS NULL OR c.shared"
        )

    def _decide(self) -> None:
        """Judge the rows of ``touched``; those that are told otherwise go into ``moved``, records that stay out into ``out``."""
        con = self.con
        heard = "" if self.rules else " AND (NOT was_out OR account IN (FROM heard))"
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE asked AS SELECT *, row_number() OVER () - 1 AS place FROM touched WHERE TRUE{heard}"
        )
        [(count,)] = con.execute("SELECT count(*) FROM asked").fetchall()
        if not count:
            return
        con.register("_verdicts", self._by_engine() if count > FEW else self._one_by_one())
        con.execute(_JUDGED)
        con.unregister("_verdicts")
        for table, where in _TOLD_APART.items():
            con.execute(
                f"INSERT INTO {table} BY NAME SELECT * EXCLUDE (place, gone, otherwise) FROM judged WHERE {where}"
            )
        self.judged += count

    def _one_by_one(self) -> pa.Table:
        """What ``decide`` says of each row of ``asked``."""
        return _table([_verdict(row, self.gate.decide(openings.judged(row))) for row in _rows(self.con, "FROM asked")])

    def _by_engine(self) -> pa.Table:
        """What the engine says of each row of ``asked``."""
        if self._session is None:
            self._session = self._held.enter_context(
                rejudging.sitting(self.engine, self.gate, _all_of(self.before.private))
            )
        rows = self.con.sql(f"SELECT {_TO_JUDGE} FROM asked").to_arrow_table()
        return rejudging.judge(self._session, rows).project(_AS_VERDICT).to_arrow_table()

    def _rest(self, files: Sequence[Path]) -> None:
        """The table ``fresh``: people whose row of the map says something else. All that is theirs is committed to anew, so
        that no key opens two releases: what of it was not judged again comes into ``moved`` as it was decided."""
        con = self.con
        lo, hi = reasons.masks(reasons.OWN)
        con.execute(_FRESH.format(lo=lo, hi=hi))
        [(stays,)] = con.execute("SELECT count(*) FROM stays").fetchall()
        if stays:
            con.execute(_AS_DECIDED.format(decisions=writing.decided(self.before.private)))
        con.execute("CREATE OR REPLACE TEMP TABLE wanted (source VARCHAR, ordinal BIGINT)")
        people = writing.listed(self.before.private / "people")
        [(more,)] = con.execute("SELECT count(*) FROM fresh ANTI JOIN changed USING (subject)").fetchall()
        if not people or not more:
            return
        con.execute(
            f"INSERT INTO wanted SELECT source, ordinal FROM {people}"
            " WHERE subject IN (SELECT subject FROM fresh ANTI JOIN changed USING (subject))"
        )
        rules, self.rules = self.rules, ""
        try:
            for file in files:
                self._touch(file)
                con.execute(_AS_IT_WAS)
        finally:
            self.rules = rules

    def _orphans(self) -> None:
        """Rows that nobody can open any more leave too: what opened them was erased."""
        con, private = self.con, self.before.private
        con.execute("CREATE TEMP TABLE orphans (file INTEGER, leaf BLOB)")
        opened, rows = writing.opened(private), sum(shard.rows for shard in self.before.shards)
        known = 0 if opened is None else int(con.execute(f"SELECT count(*) FROM {opened}").fetchall()[0][0])
        if known == rows:
            return
        for shard in self.before.shards:
            con.register("_leaves", self._leaves(shard))
            missing = "" if opened is None else f" ANTI JOIN {opened} USING (leaf)"
            con.execute(f"INSERT INTO orphans SELECT {shard.key}, leaf FROM _leaves{missing}")
            con.unregister("_leaves")

    def _leaves(self, shard: Shard) -> pa.Table:
        import pyarrow as pa

        return pa.table({"leaf": pa.array(removal.leaves_of(self._tile(shard)), pa.binary())})

    def _tile(self, shard: Shard) -> bytes:
        return self._checked(manifest.tile_name(shard.key, 0)).read_bytes()

    def _checked(self, name: str) -> Path:
        """A file of the release before; raises ReleaseError where it is another one than its statement names."""
        path = self.before.public / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ReleaseError("a file of the release is missing", file=path, hint="bring it back") from error
        if found != self.before.files[name]:
            raise ReleaseError("a file of the release is another one", file=path, hint="bring it back from a backup")
        return path

    def _count_out(self) -> None:
        """Which leaves leave which file."""
        laid, key = layout.Layout(int(self.before.said["layout"]["bits"])), self.keys.secret("shard")
        homes: dict[str, int] = {}
        for account, leaf in self._pairs("SELECT account, leaf FROM moved WHERE leaves"):
            if account not in homes:
                homes[account] = laid.shard_of(key, account)
                self.leavers[homes[account]] += 1
            self.left.setdefault(homes[account], set()).add(bytes(leaf))
        for file, leaf in self._pairs("SELECT file, leaf FROM orphans"):
            self.leavers[file] += 1
            self.left.setdefault(file, set()).add(bytes(leaf))

    def _pairs(self, query: str) -> Iterator[tuple[Any, Any]]:
        found = self.con.execute(query)
        while block := found.fetchmany(BATCH):
            yield from block

    def _summed(self) -> Considered:
        shards = self.before.shards
        touched = [shard for shard in shards if shard.key in self.left]
        [(people,)] = self.con.execute("SELECT count(*) FROM changed").fetchall()
        return Considered(
            people=people,
            judged=self.judged,
            leaving=sum(map(len, self.left.values())),
            rows=sum(shard.rows for shard in shards),
            files=len(touched),
            of=len(shards),
            bytes=sum((self.before.public / shard.name).stat().st_size for shard in touched),
            rules=self.rules,
        )

    # --- what is written ------------------------------------------------------------------------------------------

    def write(self, public: Path, private: Path, progress: Progress | None = None) -> manifest.Governed:
        """The rows that stay, with trees, map, index and openings: touched files anew, all others under a second name."""
        self.considered()
        with disk.step("linked"):
            self._link(public, private)
        place = self.keys.secret("index")
        sealing = resealing.settle(
            self.con, self.before.opened, self.before.said["subjects"], self.before.counts, place, self.people
        )
        self._commit_anew()
        opened = private / OPENINGS
        with disk.step("accounts"):
            commitments.keep_people(self.con, opened)
            resealing.keep_accounts(self.con, sealing, opened)
        with disk.step("later"):
            self._keep_later(private / LATER)
            self._keep_reduced(opened)
        kinds, languages = Counter(self.before.counts["kinds"]), Counter(self.before.counts["languages"])
        shards = self._peopled(list(self._cut(public, private, kinds, languages, progress)), private)
        mapped = resealing.reseal(
            self.con, sealing, self.before.public / "subjects", private, public / "subjects", place
        )
        with disk.step("removed"):
            gone = sorted(leaf for leaves in self.left.values() for leaf in leaves)
            disk.write(private / REMOVED, b"".join(gone), mode=0o600)
        for folder in (public / "data", public / "rows", private / "index", private / LATER, opened, private):
            disk.settle(folder)
        return self._governed(shards, mapped, kinds, languages)

    def _link(self, public: Path, private: Path) -> None:
        """Everything that stays as it is, under a second name."""
        for name in ("data", "rows", "subjects"):
            (public / name).mkdir()
        for name in (
            "index",
            LATER,
            "people",
            "decisions",
            "quarantine",
            LINKS,
            f"{OPENINGS}/records",
            f"{OPENINGS}/{WITHHELD}",
        ):
            (private / name).mkdir(parents=True)
        for name in ("people", "decisions", "quarantine", LINKS, f"{OPENINGS}/records", f"{OPENINGS}/{WITHHELD}"):
            for file in sorted((self.before.private / name).glob("*.parquet")):
                disk.link(file, private / name / file.name)
            disk.settle(private / name)

    def _cut(
        self, public: Path, private: Path, kinds: Counter[str], languages: Counter[str], progress: Progress | None
    ) -> Iterator[Shard]:
        """The files of the release, each as it was or without what leaves; a file that nothing is left of is gone."""
        done, total = 0, len(self.left)
        for shard in self.before.shards:
            if shard.key not in self.left:
                yield self._linked(shard, public, private)
                continue
            made = self._filtered(shard, public, private, kinds, languages)
            if made.rows:
                yield made
            done += 1
            if progress is not None:
                progress(done, total)

    def _peopled(self, shards: Sequence[Shard], private: Path) -> list[Shard]:
        """The files with how many people have rows in each. Where that may be too few it is counted; elsewhere it is told how
        many there are at least."""
        was = {shard.key: shard.people for shard in self.before.shards}
        least = {shard.key: was[shard.key] - self.leavers[shard.key] for shard in shards}
        files = {
            (private / "index" / f"{key:05d}.parquet").absolute(): key
            for key in least
            if key in self.left and least[key] < layout.SUBJECTS
        }
        if files:
            held = paths.parquet(files, "filename")
            asked = _PEOPLED.format(held=held, opened=writing.opened(self.before.private))
            least |= {files[Path(file)]: people for file, people in self.con.execute(asked).fetchall()}
        return [replace(shard, people=max(least[shard.key], 0)) for shard in shards]

    def _linked(self, shard: Shard, public: Path, private: Path) -> Shard:
        (public / "rows" / f"{shard.key:05d}").mkdir()
        for name in (shard.name, *(name for name, _ in shard.tiles)):
            disk.link(self.before.public / name, public / name)
        disk.settle(public / "rows" / f"{shard.key:05d}")
        disk.link(self.before.private / "index" / _indexed(shard), private / "index" / _indexed(shard))
        return shard

    def _filtered(
        self, shard: Shard, public: Path, private: Path, kinds: Counter[str], languages: Counter[str]
    ) -> Shard:
        """One file without what leaves it."""
        import pyarrow as pa

        gone, tile = self.left[shard.key], self._tile(shard)
        places = _places_of(tile, gone)
        if len(places) != len(gone):
            raise ReleaseError(
                "the openings speak of rows that are not where they should be", folder=self.before.private,
                hint="were the keys others? bring the private part and the keys back from your backup",
            )  # fmt: skip

        def staying() -> Iterator[pa.Table]:
            for begin, rows in self._rows_of(shard, tile):
                leaving = [at - begin for at in places if begin <= at < begin + len(rows)]
                going = pa.array(leaving, pa.int64())  # of a kind that is told: from a row group none may leave
                for column, counter in (("kind", kinds), ("language", languages)):
                    counter.subtract(writing.tally(rows[column].take(going)))
                yield _without(rows, leaving)

        if len(places) == shard.rows:
            for _ in staying():
                pass  # only counted
            return Shard(shard.key, "", "", 0, "")
        return writing.public_file(shard.key, staying(), public, private / "index")

    def _rows_of(self, shard: Shard, tile: bytes) -> Iterator[tuple[int, pa.Table]]:
        """The rows of a file as they are, some at a time, with where they begin; and beside each what the index says of it. Its
        leaf is that of the tile, which the statement of the release binds."""
        import pyarrow.parquet as pq

        path = self.before.private / "index" / _indexed(shard)
        file = pq.ParquetFile(self._checked(shard.name), read_dictionary=["language", "kind"])
        index = pq.ParquetFile(path, read_dictionary=["source"]).read(columns=["source", "ordinal"])
        if not len(index) == shard.rows == file.metadata.num_rows:
            raise ReleaseError("an index is of other rows than its file", file=path, hint="bring it back from a backup")
        index, begin = index.append_column("leaf", _hashes(tile).cast("binary")), 0
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number, columns=list(manifest.RELEASED_COLUMNS))
            for name in writing.INDEX:
                rows = rows.append_column(name, index[name].slice(begin, len(rows)))
            yield begin, rows
            begin += len(rows)

    def _commit_anew(self) -> None:
        """The table ``anew``: the commitment to each row that stays and is told otherwise."""
        con = self.con
        con.execute("CREATE TEMP TABLE anew (leaf BLOB, com BLOB)")
        kept = openings.reduced(self.before.private)
        found = [_coms(block, kept) for block in _blocks(con, _STAYED)]  # 64 bytes a row
        for table in found:
            con.register("_anew", table)
            con.execute("INSERT INTO anew SELECT * FROM _anew")
            con.unregister("_anew")

    def _keep_later(self, folder: Path) -> None:
        """What is said otherwise than in the files that are shared with the release before."""
        con, private = self.con, self.before.private
        older = {name: private / LATER / name for name in (LEFT, OPENED, DECISIONS)}
        there = {name: paths.parquet(path) for name, path in older.items() if path.is_file()}
        left = "SELECT leaf FROM moved WHERE leaves UNION ALL SELECT leaf FROM orphans"
        if LEFT in there:
            left = f"{left} UNION ALL SELECT leaf FROM {there[LEFT]}"
        like = f"SELECT * FROM {writing.opened(private)} WHERE FALSE"
        opened = f"{like} UNION ALL BY NAME ({_TOLD})"
        if OPENED in there:
            opened = f"{opened} UNION ALL BY NAME SELECT * FROM {there[OPENED]} ANTI JOIN moved USING (leaf)"
        said = f"SELECT * FROM {writing.decided(private)} WHERE FALSE UNION ALL BY NAME ({_SAID_ANEW})"
        if DECISIONS in there:
            said = f"{said} UNION ALL BY NAME SELECT * FROM {there[DECISIONS]} ANTI JOIN ({_SAID_ANEW}) USING (source, ordinal)"
        for name, query in ((LEFT, left), (OPENED, opened), (DECISIONS, said)):
            order = "leaf" if name != DECISIONS else "source, ordinal"
            writing.copy_rows(con, f"SELECT * FROM ({query}) ORDER BY {order}", folder / name)
            disk.settle(folder / name)

    def _keep_reduced(self, opened: Path) -> None:
        """What an erasure kept of the facts of other people's rows: without it nobody could open those any more."""
        kept = self.before.opened / openings.REDUCED
        if kept.is_file():
            disk.link(kept, opened / openings.REDUCED)

    def _governed(
        self, shards: Sequence[Shard], mapped: manifest.Map, kinds: Counter[str], languages: Counter[str]
    ) -> manifest.Governed:
        counts, said = self.before.counts, self.before.said
        return manifest.Governed(
            shards=tuple(shards),
            rows_digest=manifest.rows_digest(shards),
            tallies=tuple(self._tallies()),
            records=counts["records"],
            quarantined=counts["quarantined"],
            source_digest=counts["source_digest"],
            bits=said["layout"]["bits"] if shards else 0,
            kinds=+kinds,
            languages=+languages,
            masked=counts["masked"],
            refused=tuple(counts["files_not_read"]),
            map=mapped,
            few=tuple(one.key for one in shards if len(shards) > 1 and 0 < one.people < layout.SUBJECTS),
        )

    def _tallies(self) -> list[Tally]:
        """Every record once: as it was decided, or as it is decided now."""
        tallies: Counter[tuple[str, str, str]] = Counter()
        for one in self.before.counts["tallies"]:
            tallies[one["outcome"], one["decisive"], one["source"]] += one["records"]
        decisions = writing.decided(self.before.private)
        if decisions is not None:
            for sign, relation in ((-1, f"(SELECT source, ordinal, outcome, decisive FROM {decisions}"
                                        f" SEMI JOIN ({_SAID_ANEW}) USING (source, ordinal))"),
                                   (1, f"({_SAID_ANEW})")):  # fmt: skip
                asked = f"SELECT outcome, decisive, source, count(*) FROM {relation} GROUP BY ALL"
                for outcome, decisive, source, rows in self.con.execute(asked).fetchall():
                    tallies[OUTCOMES[outcome].value, BY_ID[decisive].code, source] += sign * rows
        found = sorted((+tallies).items(), key=lambda item: (-item[1], item[0]))
        return [Tally(outcome, decisive, source, rows) for (outcome, decisive, source), rows in found]

    # --- what was said meanwhile ----------------------------------------------------------------------------------

    def involved(self, subjects: Sequence[str], private: Path) -> list[bytes]:
        """The leaves of all written rows in which one of these people has a part; ``private`` is where they lie."""
        index, people = (writing.listed(private / name) for name in ("index", "people"))
        if "" in (index, people):
            return []
        with self.engine.connect() as con:
            found = con.execute(_INVOLVED.format(index=index, people=people), [list(subjects)]).fetchall()
        return [*(bytes(leaf) for (leaf,) in found), *gone(self.engine, private, _of_records(subjects))]

    def fold(self, gate: Gate, subjects: Sequence[str], private: Path) -> list[bytes]:
        """Those of them that may not go out under a later gate, as they are."""
        opened, people = writing.opened(private), writing.listed(private / "people")
        if opened is None or not people:
            return []
        with self.engine.connect() as con:
            con.execute(_ASKED.format(people=people), [list(subjects)])
            rows = _rows(con, f"SELECT * FROM {opened} SEMI JOIN asked USING (source, ordinal)")
            out = [bytes(row["leaf"]) for row in rows if _out(row, gate.decide(openings.judged(row)))]
        return [*out, *gone(self.engine, private, _of_records(subjects))]


def _of_records(subjects: Sequence[str]) -> list[str]:
    """The ids among those of whom something was said that are records and not people."""
    return [one.removeprefix(RECORD) for one in subjects if one.startswith(RECORD)]


# --- rows, one by one ---------------------------------------------------------------------------------------------


def _blocks(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a query, some thousands at a time. The connection may do nothing else meanwhile."""
    found = con.execute(query)
    names = [column[0] for column in found.description or ()]
    while block := found.fetchmany(BATCH):
        yield [dict(zip(names, one, strict=True)) for one in block]


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, Any]]:
    return (row for block in _blocks(con, query) for row in block)


def _out(row: Mapping[str, Any], decision: Decision) -> bool:
    """Whether a released row may not stay as it is: out, or with other parts removed than before."""
    return decision.outcome not in RELEASED or _places(decision) != tuple(row["removed"] or ())


def _places(decision: Decision) -> tuple[int, ...]:
    return tuple(place + 1 for place in decision.removed)


def _verdict(row: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    lo, hi, part_lo, part_hi = decision.masks
    return {
        "place": row["place"], "ends": OUTCOMES.index(decision.outcome), "decisive": decision.decisive.id,
        "reasons_lo": lo, "reasons_hi": hi, "part_reasons_lo": part_lo, "part_reasons_hi": part_hi,
        "removes": list(_places(decision)), "cites": decision.clause,
        "under_then": decision.policy_at_collection, "under_now": decision.policy_now,
    }  # fmt: skip


_VERDICT = {
    "ends": "UTINYINT", "decisive": "USMALLINT", "reasons_lo": "UBIGINT", "reasons_hi": "UBIGINT",
    "part_reasons_lo": "UBIGINT", "part_reasons_hi": "UBIGINT", "removes": "INTEGER[]", "cites": "VARCHAR",
    "under_then": "VARCHAR", "under_now": "VARCHAR",
}  # fmt: skip
_VERDICT_COLUMNS = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in {"leaves": "BOOLEAN", **_VERDICT}.items())
_OF_DECISION = {"ends": "outcome", "removes": "coalesce(removed, [])", "cites": "clause",
                "under_then": "policy_at_collection", "under_now": "policy_now"}  # fmt: skip
_AS_VERDICT = "place, " + ", ".join(
    f"({_OF_DECISION.get(name, name)})::{kind} AS {name}" for name, kind in _VERDICT.items()
)
"""A decision of the engine as ``_verdict`` tells one."""
_TO_JUDGE = ", ".join(f'"{name}"' for name in (*(n for n in RESOLVED_COLUMNS if n != "text"), "shape", "place"))
_JUDGED = """
CREATE OR REPLACE TEMP TABLE judged AS
SELECT *, ends > 1 OR removes <> coalesce(removed, []) OR gone AS leaves,
  (outcome, clause, policy_at_collection, policy_now) IS DISTINCT FROM (ends, cites, under_then, under_now) AS otherwise
FROM (
  SELECT a.*, v.* EXCLUDE (place), a.leaf IN (FROM gone_anyhow) AS gone FROM asked AS a JOIN _verdicts AS v USING (place)
)
"""
"""A released row may not stay as it is where it is out, or would lose other parts than before."""
_TOLD_APART = {
    "out": "was_out AND ends > 1 AND (source, ordinal) NOT IN (FROM was_own)",
    "moved": "NOT was_out AND (leaves OR otherwise OR account IN (FROM changed))",
    "stays": "NOT was_out AND NOT (leaves OR otherwise OR account IN (FROM changed))",
}
"""Nothing comes in, and a reason of a person's own that once counted stays: each needs a build."""


def _table(verdicts: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    kinds = {"UTINYINT": pa.uint8(), "USMALLINT": pa.uint16(), "UBIGINT": pa.uint64(),
             "INTEGER[]": pa.list_(pa.int32()), "VARCHAR": pa.string()}  # fmt: skip
    schema = {"place": pa.int64(), **{name: kinds[kind] for name, kind in _VERDICT.items()}}
    return pa.table({name: pa.array([one[name] for one in verdicts], kind) for name, kind in schema.items()})


def _coms(rows: Sequence[Mapping[str, Any]], kept: Mapping[bytes, bytes]) -> pa.Table:
    """The commitments to rows as they are told now; ``kept``: the digests of facts that an erasure reduced."""
    import pyarrow as pa

    coms = []
    for row in rows:
        said = dict(row)
        if row["ends"] is not None:
            said |= {"clause": row["cites"], "policy_at_collection": row["under_then"], "policy_now": row["under_now"]}
        document = openings.opening(said, row["person"], kept.get(bytes(row["leaf"]))).descriptor.document()
        coms.append(descriptor.commitment(descriptor.salt_of(row["release_key"], row["leaf"]), document))
    return pa.table({"leaf": pa.array([row["leaf"] for row in rows], pa.binary()), "com": pa.array(coms, pa.binary())})


def _column(con: duckdb.DuckDBPyConnection, query: str) -> set[Any]:
    return {value for (value,) in con.execute(query).fetchall()}


def _indexed(shard: Shard) -> str:
    return f"{shard.key:05d}.parquet"


def _hashes(tile: bytes) -> pa.Array:
    """The hashes of a tile."""
    import pyarrow as pa

    count = len(tile) // merkle.WIDTH
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(merkle.WIDTH), count, [None, pa.py_buffer(tile)])


def _places_of(tile: bytes, leaves: Collection[bytes]) -> list[int]:
    """Where these hashes stand among those of a tile, ascending."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sought = pa.array(list(leaves), pa.binary(merkle.WIDTH))
    places: list[int] = pc.indices_nonzero(pc.is_in(_hashes(tile), value_set=sought)).to_pylist()
    return places


def _without(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    """Rows but those at these places (ascending). Where few leave, what lies between them is one piece each."""
    import pyarrow as pa

    if len(places) * PIECE > len(rows):
        stays = bytearray(b"\xff" * (-(-len(rows) // 8)))
        for place in places:
            stays[place >> 3] &= ~(1 << (place & 7))
        return rows.filter(pa.BooleanArray.from_buffers(pa.bool_(), len(rows), [None, pa.py_buffer(stays)]))
    begins, ends = [0, *(place + 1 for place in places)], [*places, len(rows)]
    return pa.concat_tables([rows.slice(begin, end - begin) for begin, end in zip(begins, ends, strict=True)])


PIECE = 100
"""Copying rows in pieces of so many costs less than asking of each whether it stays."""


# --- openings, file by file ---------------------------------------------------------------------------------------


def _files(private: Path) -> list[Path]:
    """The files of openings: of released records, of those that stayed out, and what was told otherwise since."""
    opened = [path for name in ("records", WITHHELD) for path in sorted((private / OPENINGS / name).glob("*.parquet"))]
    later = private / LATER / OPENED
    return [*opened, later] if later.is_file() else opened


def _all_of(private: Path) -> str:
    """All openings of a release as a relation."""
    return paths.parquet(_files(private), "union_by_name")


def _older(con: duckdb.DuckDBPyConnection, private: Path) -> None:
    """The tables ``was_left`` and ``was_moved``: leaves that left, or were told otherwise, by rewritings before this one; and
    ``was_own``: records that stayed out and have reasons of their own since."""
    for table, name in (("was_left", LEFT), ("was_moved", OPENED)):
        path = private / LATER / name
        held = f"SELECT leaf FROM {paths.parquet(path)}" if path.is_file() else "SELECT ''::BLOB AS leaf WHERE FALSE"
        con.execute(f"CREATE TEMP TABLE {table} AS {held}")
    path, (lo, hi) = private / LATER / DECISIONS, reasons.masks(reasons.OWN)
    said = paths.parquet(path) if path.is_file() else _UNDECIDED
    con.execute(f"CREATE TEMP TABLE was_own AS SELECT source, ordinal FROM {said}"
                f" WHERE outcome > 1 AND ((reasons_lo & {lo}) <> 0 OR (reasons_hi & {hi}) <> 0)")  # fmt: skip


def _of_file(con: duckdb.DuckDBPyConnection, file: Path) -> str | None:
    """Which rows of a file of openings are wanted, as a condition that the reader of the file can skip by; None for none."""
    asked = f"SELECT source, min(ordinal), max(ordinal) FROM {paths.parquet(file)} GROUP BY source"
    chosen = []
    for source, first, last in con.execute(asked).fetchall():
        found = con.execute(
            "SELECT DISTINCT ordinal FROM wanted WHERE source = ? AND ordinal BETWEEN ? AND ? ORDER BY ordinal",
            [source, first, last],
        ).fetchall()
        if found:
            chosen.append(f"(source = {text(source)} AND ordinal IN ({', '.join(str(at) for (at,) in found)}))")
    return " OR ".join(chosen) or None


_UNDECIDED = "(SELECT '' AS source, 0 AS ordinal, 0 AS outcome, 0 AS reasons_lo, 0 AS reasons_hi WHERE FALSE)"
_NO_PARTS = "NULL::STRUCT(parties STRUCT(subject VARCHAR)[])[]"
_CHANGED = """
CREATE TEMP TABLE changed AS
SELECT k.subject FROM known AS k LEFT JOIN was AS w USING (subject) WHERE w.person IS DISTINCT FROM k.person
UNION SELECT subject FROM was ANTI JOIN known USING (subject)
"""
"""Of whom something else is known; and who is no account any more, because they asked to be erased."""
_HEARD = """
CREATE TEMP TABLE heard AS
SELECT subject FROM changed UNION SELECT subject FROM events WHERE {events} UNION SELECT subject FROM facts WHERE {facts}
"""
"""Of whom something else is known, and whose words, observations or terms came or ended with the time that passed."""
_HEARD_ROWS = """
SELECT i.leaf FROM {index} AS i
SEMI JOIN (SELECT source, ordinal FROM {people} SEMI JOIN heard USING (subject)) AS p USING (source, ordinal)
"""
_FRESH = """
CREATE TEMP TABLE fresh AS
SELECT subject FROM changed
UNION SELECT account FROM moved WHERE NOT shared
UNION SELECT account FROM moved WHERE shared AND ends > 1 AND ((reasons_lo & {lo}) <> 0 OR (reasons_hi & {hi}) <> 0)
UNION
SELECT account FROM out ANTI JOIN was_own USING (source, ordinal)
WHERE ends > 1 AND ((reasons_lo & {lo}) <> 0 OR (reasons_hi & {hi}) <> 0)
"""
_AS_IT_WAS = """
INSERT INTO moved BY NAME
SELECT *, FALSE AS leaves FROM touched
WHERE NOT was_out AND account IN (FROM fresh) AND leaf NOT IN (SELECT leaf FROM moved)
"""
_STAYED = """
SELECT m.*, k.release_key, k.person FROM moved AS m JOIN keyed AS k ON k.subject = m.account WHERE NOT m.leaves
"""
_AS_DECIDED = """
DELETE FROM stays USING (SELECT * FROM {decisions}) AS d
WHERE d.source = stays.source AND d.ordinal = stays.ordinal AND d.decisive = stays.decisive
  AND d.reasons_lo = stays.reasons_lo AND d.reasons_hi = stays.reasons_hi
  AND d.part_reasons_lo = stays.part_reasons_lo AND d.part_reasons_hi = stays.part_reasons_hi
"""
"""Of rows that stay as they are only those have to be told anew that do so for other reasons."""
_SAID_ANEW = """
SELECT source, ordinal, record_id, ends AS outcome, decisive, reasons_lo, reasons_hi, part_reasons_lo, part_reasons_hi,
  nullif(removes, []) AS removed, cites AS clause, under_then AS policy_at_collection, under_now AS policy_now, collected_at,
  account AS subject, shared
FROM (SELECT * FROM moved UNION ALL BY NAME SELECT * FROM out UNION ALL BY NAME SELECT * FROM stays)
WHERE ends IS NOT NULL
"""
_VERDICTS = ", ".join(("leaves", *_VERDICT))
_TOLD = f"""
SELECT m.* EXCLUDE (was_out, {_VERDICTS}) REPLACE (
  a.com AS com,
  CASE WHEN m.ends IS NULL THEN m.outcome ELSE m.ends END AS outcome,
  CASE WHEN m.ends IS NULL THEN m.clause ELSE m.cites END AS clause,
  CASE WHEN m.ends IS NULL THEN m.policy_at_collection ELSE m.under_then END AS policy_at_collection,
  CASE WHEN m.ends IS NULL THEN m.policy_now ELSE m.under_now END AS policy_now)
FROM moved AS m JOIN anew AS a USING (leaf)
WHERE NOT m.leaves
"""
_PEOPLED = """
SELECT i.filename, count(DISTINCT o.account)
FROM {held} AS i JOIN {opened} AS o USING (leaf) GROUP BY i.filename
"""
_ASKED = """
CREATE TEMP TABLE asked AS
SELECT DISTINCT source, ordinal FROM {people} WHERE subject IN (SELECT unnest(?))
"""
_INVOLVED = """
SELECT i.leaf FROM {index} AS i
SEMI JOIN (SELECT source, ordinal FROM {people} WHERE subject IN (SELECT unnest(?))) AS p USING (source, ordinal)
"""
