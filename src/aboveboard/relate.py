"""The relate pass: what a record owes to other records, looked up once a snapshot of the sources.

Edits, repeated rows, quoted and replied-to authors, deleted parents and derived data need *other* records. One
narrow pass over everything staged finds them; afterwards every shard can be judged by itself. Records in no
relation have no row and stand for themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aboveboard import choice, copies, paths, record, steps, vocabulary
from aboveboard.engine import Engine, label_sets, make, people_tables, perform
from aboveboard.plan import BEGINNING, COUNTS_FROM, naive, text, texts
from aboveboard.sources import Staged
from aboveboard.sources.staged import BESIDE_COLUMNS, beside_of

if TYPE_CHECKING:
    import duckdb


EDITIONS = "editions.parquet"
OWING = "owing"
SLICE_ROWS = 262_144
"""Records put together at a time: as many as a shard has."""


@dataclass(frozen=True, slots=True)
class Overheard:
    """Events that nobody vouches for: how many close a door, which they do in their own source, and how many lift, which is
    not heard."""

    closes: int
    lifts: int


@dataclass(frozen=True, slots=True)
class Related:
    """Staged sources with their relations: what the engine judges. ``sets`` are the lists of labels that occur."""

    sources: tuple[Staged, ...]
    relations: Path
    sets: tuple[tuple[str | None, ...], ...]
    position: int = 0
    """Up to where the ledger was heard about records."""
    overheard: Mapping[str, Overheard] = field(default_factory=dict)
    """For each source with events among its payloads, how many the ledger has not heard from somebody who vouches for them."""

    @property
    def editions(self) -> Path:
        """Every edit with the versions that it goes back to: ``source``, ``ordinal``, ``record_id``, ``subject``, ``chain``."""
        return self.relations.with_name(EDITIONS)

    @property
    def owing(self) -> tuple[Path, ...]:
        """Files with every record that owes something to others, as it is judged: ``record.RESOLVED_COLUMNS``, with its text."""
        return tuple(sorted(self.relations.with_name(OWING).iterdir()))

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources)

    @property
    def shards(self) -> list[tuple[Staged, Path]]:
        """Every shard of every source, in order."""
        return [(source, shard) for source in self.sources for shard in source.shards]


def relate(sources: Sequence[Staged], folder: Path, engine: Engine, people: choice.Snapshot | None = None) -> Related:
    """Relate all records of these sources to each other, and to what the ledger says of records; leaves
    ``relations.parquet``, ``editions.parquet`` and the folder ``owing`` in ``folder``."""
    relations = folder / "relations.parquet"
    with engine.connect() as con:
        _hear(con, people or choice.people())
        overheard = _overhear(con, sources)
        stage(con, [shard for source in sources for shard in source.shards])
        for step in steps.read("relate"):
            make(con, step.name, steps.fill(step.sql, _FRAGMENTS), step.kind)
        _gather(con, folder / OWING)
        con.execute(f"COPY relations TO {paths.to_write(relations)} (FORMAT parquet)")
        con.execute(f"COPY chains TO {paths.to_write(folder / EDITIONS)} (FORMAT parquet)")
        # Not all of what is staged stays as it is; a list too many costs less than telling them apart.
        views = (("staged", "staged_beside"), ("owing", "owing"))
        sets = sorted({tuple(one) for view in views for one in label_sets(con, *view)}, key=_in_words)
    position = people.position if people is not None else 0
    return Related(tuple(sources), relations, tuple(sets), position, overheard)


def _gather(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The table ``relations``, and the view ``owing`` of what owes something to others, put together once for everybody who
    will look at it: slice after slice. Rows this wide, joined and sorted all at once, need memory by their number."""
    shutil.rmtree(folder, ignore_errors=True)  # what was related before
    folder.mkdir()
    [(slices,)] = con.execute("SELECT coalesce(max(slice), 0) + 1 FROM touched").fetchall()
    # Named one by one: a pattern would be looked for in the name of the folder too.
    files = [folder / f"{number:05d}.parquet" for number in range(slices)]
    for number, file in enumerate(files):
        con.execute("SET VARIABLE slice = ?", [number])
        make(con, "gathered", "FROM related")
        perform(con, "relations", "INSERT INTO relations FROM gathered" if number else _BEGUN)
        perform(con, "owing", f"COPY ({_owing('staged', 'gathered')}) TO {paths.to_write(file)} ({_KEPT})")
    con.execute("DROP TABLE gathered")
    con.execute(f"CREATE TEMP VIEW owing AS FROM {paths.parquet(files)}")


_BEGUN = "CREATE TEMP TABLE relations AS FROM gathered"
_KEPT = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192"
"""Row groups of what owes something are small: a shard reads those it may have rows in, and no others."""


def _in_words(labels: Sequence[str | None]) -> list[str]:
    return [label or "" for label in labels]


def _hear(con: duckdb.DuckDBPyConnection, people: choice.Snapshot) -> None:
    """The tables ``record_events`` and ``geo_events``: what closes counts at once, what lifts only from its moment on."""
    con.execute("SET VARIABLE beginning = ?", [naive(BEGINNING)])
    con.register("_events", people_tables(people)[0])
    lifts = texts(sorted(set(choice.RECORD_TYPES) & choice.OPENING))
    moment = f"CASE WHEN type IN {lifts} THEN {COUNTS_FROM} ELSE least(effective_at, recorded_at) END"
    heard = f"type NOT IN {lifts} OR (verified AND actor NOT IN {texts(sorted(choice.CLOSE_ONLY))})"
    con.execute(
        f"CREATE TEMP TABLE record_events AS SELECT value AS record_id, type, verified, {moment} AS since FROM _events"
        f" WHERE type IN {texts(choice.RECORD_TYPES)} AND value IS NOT NULL AND ({heard})"
    )
    con.execute(
        "CREATE TEMP TABLE geo_events AS SELECT NULL::VARCHAR AS source, subject, value AS upto, verified, effective_at AS since,"
        " coalesce(regexp_full_match(value, '[1-9][0-9]*'), FALSE) AS digits FROM _events WHERE type = 'geo_scrubbed'"
    )
    con.execute(
        'CREATE TEMP TABLE heard AS SELECT subject, type, effective_at AS "at", value FROM _events'
        " WHERE verified AND effective_verified AND method = 'stream'"
    )
    con.unregister("_events")


def _overhear(con: duckdb.DuckDBPyConnection, sources: Sequence[Staged]) -> Mapping[str, Overheard]:
    """What events among the payloads of a source say of its accounts: the table ``account_events``, and more ``geo_events``.

    INVARIANT: of this source's own records only, and nothing that lifts: nobody vouches for it (docs/adr/0021). What the
    ledger heard from somebody who does, it alone says.
    """
    con.execute("CREATE TEMP TABLE account_events (source VARCHAR, subject VARCHAR, type VARCHAR)")
    found = {}
    for source in sources:
        if source.told is not None:
            con.execute(_UNHEARD.format(told=paths.parquet(source.told)))
            con.execute(_ACCOUNTS, [source.name])
            con.execute(_PLACES, [source.name])
            [(closes, lifts)] = con.execute(_COUNTED).fetchall()
            found[source.name] = Overheard(closes, lifts)
    return found


_UNHEARD = """
CREATE OR REPLACE TEMP TABLE unheard AS
SELECT t.* FROM {told} AS t ANTI JOIN heard AS h
  ON h.type = t.type AND h."at" = t."at" AND h.value IS NOT DISTINCT FROM t.value
  AND (h.subject = t.subject OR starts_with(t.type, 'record_'))
"""
_ACCOUNTS = f"""
INSERT INTO account_events SELECT DISTINCT ?, subject, type FROM unheard WHERE type IN {texts(sorted(choice.RESTRICTS))}
"""
_PLACES = """
INSERT INTO geo_events
SELECT ?, subject, value, TRUE, coalesce("at", 'infinity'::TIMESTAMP), coalesce(regexp_full_match(value, '[1-9][0-9]*'), FALSE)
FROM unheard WHERE type = 'geo_scrubbed'
"""
_COUNTED = f"""
SELECT count(DISTINCT digest) FILTER (NOT lifts), count(DISTINCT digest) FILTER (lifts)
FROM (SELECT digest, type IN {texts(sorted(choice.OPENING))} AS lifts FROM unheard)
"""


def stage(con: duckdb.DuckDBPyConnection, shards: Sequence[Path]) -> None:
    """The views ``staged`` of these shards, and ``staged_beside`` of what staging left beside them (or of the shards)."""
    listed = [paths.parquet(files) for files in (shards, _beside(shards))]
    if not shards:
        columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in record.SOURCE_COLUMNS.items())
        listed = [f"(SELECT {columns} WHERE FALSE)"] * 2
    con.execute(f"CREATE OR REPLACE TEMP VIEW staged AS SELECT * FROM {listed[0]}")
    columns = ", ".join(f'"{name}"' for name in BESIDE_COLUMNS)
    con.execute(f"CREATE OR REPLACE TEMP VIEW staged_beside AS SELECT {columns} FROM {listed[1]}")


def _beside(shards: Sequence[Path]) -> Sequence[Path]:
    """What lies beside these shards; the shards themselves where one of them says nothing of what lies beside it."""
    beside = [beside_of(shard) for shard in shards]
    there = [file for file in beside if file is not None]
    return there if len(there) == len(shards) else shards


def resolved(staged: str, owing: str | None, columns: Sequence[str] = tuple(record.RESOLVED_COLUMNS)) -> str:
    """The query that gives ``record.RESOLVED_COLUMNS``, or some of them in their order, from a staged relation and from
    those of its records that owe something to others, as ``Related.owing`` has them (None: there are none).

    Most records stand for themselves. They are read as they are; what owes something was put together once, with the
    relations, and not by everybody who looks at a record.
    """
    alone = f"SELECT\n  {_columns({name: text(word) for name, word in _ALONE.items()}, columns)}\nFROM {staged} AS s"
    if owing is None:
        return alone
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"{alone}\nANTI JOIN {owing} AS r USING (source, ordinal)\nUNION ALL\nSELECT {listed} FROM {owing}"


def _owing(staged: str, relations: str) -> str:
    """The rows that owe something to others, resolved."""
    return f"SELECT\n  {_columns(_RESOLVED)}\nFROM {staged} AS s\nJOIN {relations} AS r USING (source, ordinal)"


def _columns(made: Mapping[str, str], columns: Iterable[str] = record.RESOLVED_COLUMNS) -> str:
    return ",\n  ".join(f'{made.get(name, f"s.{name}")} AS "{name}"' for name in columns)


def _rank(column: str) -> str:
    cases = " ".join(f"WHEN {text(a)} THEN {rank}" for rank, a in enumerate(vocabulary.AUDIENCES))
    return f"CASE {column} {cases} END"


def _audience(own: str, there: str, rank: str) -> str:
    """The narrower of an audience and the inherited one; unknown if either is. ``there``: whether one is inherited."""
    names = ", ".join(text(a) for a in vocabulary.AUDIENCES)
    return (
        f"CASE WHEN NOT {there} THEN {own} WHEN {_rank(own)} IS NOT NULL AND {rank} IS NOT NULL"
        f" THEN [{names}][greatest({_rank(own)}, {rank}) + 1] END"
    )


def _hidden(own: str, there: str) -> str:
    """An audience, or the narrower of it and that of a protected account; unknown stays unknown."""
    return f"(CASE WHEN NOT ({there}) THEN {own} ELSE {_audience(own, 'TRUE', _rank(text('followers')))} END)"


def _union(own: str, there: str, inherited: str) -> str:
    """A list with the inherited one; unknown if either is."""
    return (
        f"CASE WHEN NOT {there} THEN {own} WHEN {own} IS NOT NULL AND {inherited} IS NOT NULL"
        f" THEN list_distinct(list_concat({own}, {inherited})) END"
    )


def _earlier(column: str) -> str:
    """The earlier of a moment and the inherited one; unknown if either is."""
    both = f"s.{column} IS NOT NULL AND r.derived.{column} IS NOT NULL"
    return f"CASE WHEN NOT {_DERIVED} THEN s.{column} WHEN {both} THEN least(s.{column}, r.derived.{column}) END"


def _quoting(name: str) -> str:
    """A field of a part: what quotes takes what its origin hands on; an origin that is not here changes nothing but
    that somebody unknown is in it."""
    own = f'p."{name}"'
    cases = []
    if name == "source_state":  # what was said of its places
        gone = f"r.told IS NOT NULL AND r.told.places <> 'there' AND ({_IS_PLACE})"
        cases.append(f"WHEN {gone} THEN CASE WHEN {own} = 'deleted' OR r.told.places = 'deleted' THEN 'deleted' END")
    for kind, road in (("quote", "quoted"), ("parent_quote", "parent")):
        here = f"p.kind = {text(kind)} AND r.{road} IS NOT NULL"
        cases.append(f"WHEN {here} AND coalesce(r.{road}.found, FALSE) THEN {_taken(name, own, f'r.{road}')}")
        if name == "parties":
            somebody = "{'subject': CAST(NULL AS VARCHAR), 'role': 'quoted_author'}"
            cases.append(f"WHEN {here} AND len({own}) = 0 THEN [{somebody}]")
    return f"CASE {' '.join(cases)} ELSE {own} END"


def _taken(name: str, own: str, origin: str) -> str:
    if name == "source_state":  # the stricter: deleted, then unknown, then present
        return (
            f"CASE WHEN {own} = 'deleted' OR {origin}.state = 'deleted' THEN 'deleted'"
            f" WHEN {origin}.state IS NULL THEN NULL ELSE coalesce({own}, 'present') END"
        )
    if name in ("audience_at", "audience_now"):
        return _audience(own, "TRUE", f"{origin}.rank_{name.removeprefix('audience_')}")
    if name in ("categories", "labels", "signals", "parties"):
        return _union(own, "TRUE", f"{origin}.{name}")
    return own


_IS_PLACE = (
    "coalesce(p.kind = 'geotag', TRUE) OR len(list_filter(p.categories, lambda label: label = 'user.location'"
    " OR starts_with(label, 'user.location.'))) > 0"
)
"""Whether a part tells where its author was."""


def _without(spaces: str, said: str) -> str:
    for space in spaces:
        said = f"replace({said}, chr({ord(space)}), '')"
    return said


def _normal() -> str:
    """``copies.normal`` of ``text``. Where nothing but ASCII spaces can be in it, nothing else is looked for."""
    rare = "".join(f"\\x{{{ord(space):x}}}" for space in copies.OTHER_SPACES)
    listed = " || ".join(f"chr({ord(space)})" for space in copies.OTHER_SPACES)
    plain = _without(copies.ASCII_SPACES, "text")  # first: what normalises text stops at a NUL
    return (
        f"CASE WHEN strlen(text) = length(text) THEN {plain}"
        f" WHEN regexp_matches(text, '[{rare}]') THEN nfc_normalize(translate({plain}, {listed}, ''))"
        f" ELSE nfc_normalize({plain}) END"
    )


_FRAGMENTS = {
    "slice_rows": str(SLICE_ROWS),
    **{f"rank.{column}": _rank(column) for column in ("audience_at", "audience_now")},
    "audience_now": _hidden("r.audience_now", "coalesce(l.hidden, FALSE)"),
    "normal": _normal(),
    "fewest": str(copies.FEWEST),
    "most_authors": str(copies.MOST_AUTHORS),
    "certain": copies.CERTAIN,
    "possible": copies.POSSIBLE,
    "is_place": _IS_PLACE,
}
_DERIVED = "(r.derived IS NOT NULL)"
_TOLD = "(r.told IS NOT NULL)"
_COPIED = "(r.copied IS NOT NULL)"
_REPOSTED = "(s.kind = 'repost' AND r.quoted IS NOT NULL)"
_PART = "struct_pack(" + ", ".join(f'"{name}" := {_quoting(name)}' for name in record.PART_FIELDS) + ")"

_ALONE = {"duplicate": "unique", "edition": "latest", "source_state": "own"}
"""What is said of a record that no relation speaks of."""
_RESOLVED = {
    "subject": f"CASE WHEN {_DERIVED} THEN coalesce(s.subject, r.derived.subject) ELSE s.subject END",
    "created_at": _earlier("created_at"),
    "collected_at": _earlier("collected_at"),
    "categories": _union("s.categories", _DERIVED, "r.derived.categories"),
    "labels": _union("s.labels", _DERIVED, "r.derived.labels"),
    "signals": _union(_union("s.signals", _DERIVED, "r.derived.signals"), _COPIED, "r.copied.signals"),
    "audience_at": _audience("s.audience_at", _DERIVED, "r.derived.rank_at"),
    "audience_now": _audience(
        _hidden("s.audience_now", f"{_TOLD} AND r.told.hidden"),
        _DERIVED,
        "r.derived.rank_now",
    ),
    "parties": _union(
        f"(CASE WHEN {_DERIVED} THEN {_union('s.parties', 'TRUE', 'r.derived.parties')}"
        f" WHEN {_REPOSTED} THEN {_union('s.parties', 'TRUE', 'r.quoted.parties')} ELSE s.parties END)",
        _COPIED,
        "r.copied.parties",
    ),
    "lifecycle": f"CASE WHEN {_TOLD} THEN r.told.lifecycle ELSE s.lifecycle END",
    "duplicate": "r.duplicate",
    "edition": "r.edition",
    "source_state": "r.source_state",
    "parts": "CASE WHEN len(s.parts) > 0 AND (r.quoted IS NOT NULL OR r.parent IS NOT NULL OR r.told IS NOT NULL)"
    f" THEN list_transform(s.parts, lambda p: {_PART}) ELSE s.parts END",
}
"""How each column that may depend on another record is resolved."""
