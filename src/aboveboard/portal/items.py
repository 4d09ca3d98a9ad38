"""The read model of a release: what it holds of each person, item by item, in the order in which they read it.

One SQLite file in the private part (mode 0600), made once from decisions and index; of a release that was rewritten from what
was decided last. It is clustered by subject: a page reads one stretch of it, whatever the release holds of others. INVARIANT:
of a record with other people in it the file holds that it is there and nothing else, neither outcome nor reason
(docs/adr/0008): what is not in the file cannot be shown.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from aboveboard import disk, manifest, reasons, writing
from aboveboard.errors import ReleaseError

FILE = writing.SHOWN
SHAPE = 2
"""What ``PRAGMA user_version`` of a file says; one of another shape is made anew."""
STATES = ("used", "unused", "shared")
"""In the release; out of it; or with other people in it, of which nothing is told."""
BATCH = 8_192
"""How many items are read at a time."""


@dataclass(frozen=True, slots=True)
class Item:
    """One record of one person. ``number`` counts that person's records of this release, the newest first, from 1.

    ``state`` is one of ``STATES``; of a shared record everything below ``collected_at`` is empty. ``shard`` and ``place`` say
    where its row stands in the public part, None where it has none. ``withdrawn``: a tombstone names the row.
    """

    number: int
    source: str
    record: str
    kind: str | None
    categories: tuple[str, ...]
    collected_at: datetime | None
    state: str
    outcome: str | None
    decisive: str | None
    codes: tuple[str, ...]
    removed: int
    clause: str | None
    collected_under: str | None
    judged_under: str | None
    shard: int | None
    place: int | None
    leaf: bytes | None
    withdrawn: bool

    @property
    def reason(self) -> reasons.Reason | None:
        """The reason that decides."""
        return None if self.decisive is None else reasons.reason(self.decisive)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of a person's items: a state, and where they are given a source and a decisive reason."""

    state: str = "used"
    source: str | None = None
    reason: str | None = None

    @property
    def clause(self) -> str:
        return "state = ? AND (? IS NULL OR source = ?) AND (? IS NULL OR decisive = ?)"

    @property
    def values(self) -> tuple[Any, ...]:
        return (STATES.index(self.state), self.source, self.source, self.reason, self.reason)


@dataclass(frozen=True, slots=True)
class Items:
    """The items of one release, in the file of its private part."""

    file: Path

    def counts(self, subject: str) -> Mapping[str, int]:
        """How many items of a person are in each state."""
        rows = self._rows("SELECT state, sum(items) FROM counts WHERE subject = ? GROUP BY state", (subject,))
        return dict.fromkeys(STATES, 0) | {STATES[state]: int(count) for state, count in rows}

    def withdrawn(self, subject: str) -> int:
        """How many of a person's items in the release a tombstone names."""
        [(found,)] = self._rows(
            "SELECT count(*) FROM items WHERE subject = ? AND state = 0 AND withdrawn = 1", (subject,)
        )
        return int(found)

    def tally(self, subject: str, state: str, column: str) -> Sequence[tuple[str, int]]:
        """How many items of a person in a state have each ``source`` or ``decisive`` reason, most first."""
        if column not in ("source", "decisive"):
            raise ValueError(column)
        return self._rows(
            f"SELECT {column}, sum(items) FROM counts WHERE subject = ? AND state = ? AND {column} IS NOT NULL"
            f" GROUP BY {column} ORDER BY sum(items) DESC, {column}",
            (subject, STATES.index(state)),
        )

    def count(self, subject: str, wanted: Wanted) -> int:
        """How many items of a person are wanted."""
        [(found,)] = self._rows(
            f"SELECT coalesce(sum(items), 0) FROM counts WHERE subject = ? AND {wanted.clause}",
            (subject, *wanted.values),
        )
        return int(found)

    def page(self, subject: str, wanted: Wanted, after: int = 0, most: int = 25) -> Sequence[Item]:
        """The next ``most`` items behind number ``after``, the newest first."""
        return [
            _item(row)
            for row in self._rows(
                f"{_CHOSEN} WHERE subject = ? AND number > ? AND {wanted.clause} ORDER BY number LIMIT ?",
                (subject, after, *wanted.values, most),
            )
        ]

    def all(self, subject: str, wanted: Wanted | None = None) -> Iterator[Item]:
        """Every item of a person, in their order; read in stretches."""
        last = 0
        while True:
            if wanted is None:
                rows = self._rows(
                    f"{_CHOSEN} WHERE subject = ? AND number > ? ORDER BY number LIMIT ?", (subject, last, BATCH)
                )
                block: Sequence[Item] = [_item(row) for row in rows]
            else:
                block = self.page(subject, wanted, last, BATCH)
            yield from block
            if len(block) < BATCH:
                return
            last = block[-1].number

    def one(self, subject: str, number: int) -> Item | None:
        """The item of this number; None where the person has none."""
        rows = self._rows(f"{_CHOSEN} WHERE subject = ? AND number = ?", (subject, number))
        return _item(rows[0]) if rows else None

    def used(self, subject: str, records: Sequence[str]) -> Set[tuple[str, str]]:
        """Source and id of those of these records (by their ids) that are a person's and in the release."""
        asked = f"SELECT source, record FROM items WHERE subject = ? AND state = 0 AND record IN ({_places(records)})"
        return set(self._rows(asked, (subject, *records)))

    def holders(self, record: str) -> Sequence[str]:
        """Whose a record of this id is: for the engineers' page, which says why before it shows anything."""
        return [str(subject) for (subject,) in self._rows("SELECT subject FROM holders WHERE record = ?", (record,))]

    def _rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as con, _explained(self.file):
            return con.execute(query, values).fetchall()


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


_CHOSEN = """SELECT number, source, record, kind, categories, collected_at, state, outcome, decisive, codes, removed, clause,
collected_under, judged_under, shard, place, leaf, withdrawn FROM items"""


def _item(row: Sequence[Any]) -> Item:
    (number, source, record, kind, categories, collected, state, outcome, decisive, codes, removed, clause, under, judged,
     shard, place, leaf, withdrawn) = row  # fmt: skip
    moment = None if collected is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=collected)
    return Item(
        number, source, record, kind, tuple(json.loads(categories)), moment, STATES[state], outcome, decisive,
        tuple(json.loads(codes)), removed, clause, under, judged, shard, place, leaf, bool(withdrawn),
    )  # fmt: skip


# --- making it ----------------------------------------------------------------------------------------------------


def made(public: Path, private: Path) -> Items:
    """The items of a release, made where they are not there yet; whoever comes second waits for the first.

    Raises ReleaseError where the private part is not there. Killed at any moment, it is made again.
    """
    file = private / FILE
    if not _is_whole(file):
        if not (private / "decisions").is_dir():
            raise ReleaseError("the private part of the release is not there", folder=private, hint="bring it back")
        with disk.locked(private / f".{FILE}.lock"):
            if not _is_whole(file):
                _make(public, private, file)
    return Items(file)


def is_made(private: Path) -> bool:
    """Whether the items of a release can be read already."""
    return _is_whole(private / FILE)


def _is_whole(file: Path) -> bool:
    """Whether a file is there and has today's shape; looked into once, because it is written once."""
    try:
        seen = file.stat()
    except OSError:
        return False
    return _shape_of(file, seen.st_mtime_ns, seen.st_ino) == SHAPE


@lru_cache(maxsize=256)
def _shape_of(file: Path, written: int, inode: int) -> int:  # noqa: ARG001 - what tells one file from the next
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con, _explained(file):
        [(shape,)] = con.execute("PRAGMA user_version").fetchall()
    return int(shape)


def _make(public: Path, private: Path, file: Path) -> None:
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    disk.write(new, b"", mode=0o600)
    with closing(sqlite3.connect(new)) as con, _explained(file):
        con.executescript(_SHAPE)
        with con:
            con.executemany(f"INSERT INTO items VALUES ({', '.join('?' * 19)})", _judged(public, private))
            con.executescript(_COUNTED)
        con.execute(f"PRAGMA user_version = {SHAPE}")
    disk.settle(new)
    file.unlink(missing_ok=True)
    disk.move(new, file)


def _judged(public: Path, private: Path) -> Iterator[tuple[Any, ...]]:
    """A row for every decision, by person; of a shared one no more than that it is there."""
    import duckdb

    decisions, index = writing.decided(private), writing.listed(private / "index", "filename", "file_row_number")
    if decisions is None:
        return
    first = writing.listed(private / "decisions", "union_by_name")
    rewritten = (private / writing.LATER).is_dir()
    gone = json.loads((public / manifest.TOMBSTONES).read_bytes())["tombstones"]
    with duckdb.connect() as con:
        con.execute("CREATE TEMP TABLE gone AS SELECT unhex(unnest(?::VARCHAR[])) AS leaf", [gone])
        held = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {first}").fetchall()}
        known = (_ANEW if rewritten else _KEPT) if "kind" in held else _NOT_KEPT
        files = index or _NO_ROWS
        again = _AGAIN.format(first=first) if rewritten else ""
        shared = "d.shared OR f.shared" if rewritten else "d.shared"
        found = con.execute(_ITEMS.format(decisions=decisions, again=again, shared=shared, index=files, **known))
        while block := found.fetchmany(BATCH):
            yield from map(_row, block)


def _row(found: Sequence[Any]) -> tuple[Any, ...]:
    (subject, number, source, record, kind, categories, collected, shared, outcome, decisive, lo, hi, parts_lo, parts_hi,
     removed, clause, under, judged, shard, place, leaf, withdrawn) = found  # fmt: skip
    named = json.dumps(sorted(categories or ()))
    if shared:
        return (subject, number, source, record, kind, named, collected, 2, *(None,) * 2, "[]", 0, *(None,) * 6, 0)
    told = json.dumps(sorted(reasons.codes(lo, hi) | reasons.codes(parts_lo, parts_hi)))
    code = reasons.BY_ID[decisive].code
    state = 0 if outcome < 2 and place is not None else 1
    return (
        subject, number, source, record, kind, named, collected, state, reasons.OUTCOMES[outcome].value, code, told,
        len(removed or ()), clause, under, judged, shard, place, leaf, int(withdrawn),
    )  # fmt: skip


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What the database refuses, as a ReleaseError. INVARIANT: never with a statement's values, which are a person's."""
    try:
        yield
    except sqlite3.Error as error:
        raise ReleaseError(
            f"the items of a release cannot be read: {type(error).__name__}", file=file,
            hint="take the file away: it is made again",
        ) from None  # fmt: skip


_KEPT = {"kind": "d.kind", "categories": "d.categories"}
_ANEW = {"kind": "f.kind", "categories": "f.categories"}
"""What a record is, as it was read: a rewriting decides anew about records and reads none."""
_AGAIN = "JOIN {first} AS f USING (source, ordinal)"
_NOT_KEPT = {"kind": "NULL::VARCHAR", "categories": "NULL::VARCHAR[]"}
_NO_ROWS = """(SELECT
  ''::VARCHAR AS source, 0::BIGINT AS ordinal, ''::BLOB AS leaf, '0'::VARCHAR AS filename, 0::BIGINT AS file_row_number
  WHERE FALSE)"""
_SHAPE = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE items (
  subject TEXT NOT NULL, number INTEGER NOT NULL, source TEXT NOT NULL, record TEXT NOT NULL, kind TEXT,
  categories TEXT NOT NULL, collected_at INTEGER, state INTEGER NOT NULL, outcome TEXT, decisive TEXT, codes TEXT NOT NULL,
  removed INTEGER NOT NULL, clause TEXT, collected_under TEXT, judged_under TEXT, shard INTEGER, place INTEGER,
  leaf BLOB, withdrawn INTEGER NOT NULL,
  PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID;
"""
"""Nothing but ``_make`` writes it, and what it was doing when it died is thrown away: no journal is needed."""
_COUNTED = """
CREATE TABLE counts AS
SELECT subject, state, source, decisive, count(*) AS items FROM items GROUP BY subject, state, source, decisive;
CREATE INDEX counts_subject ON counts (subject);
CREATE VIEW holders AS SELECT record, subject FROM items;
CREATE INDEX items_record ON items (record);
"""
_ITEMS = r"""
WITH placed AS (
  SELECT source, ordinal, leaf, file_row_number AS place,
    regexp_extract(filename, '(\d+)\.parquet$', 1)::BIGINT AS shard
  FROM {index}
)
SELECT
  d.subject,
  row_number() OVER (PARTITION BY d.subject ORDER BY d.collected_at DESC NULLS LAST, d.source, d.record_id, d.ordinal),
  d.source, d.record_id, {kind}, {categories}, epoch_us(d.collected_at), {shared}, d.outcome, d.decisive, d.reasons_lo,
  d.reasons_hi, d.part_reasons_lo, d.part_reasons_hi, d.removed, d.clause, d.policy_at_collection, d.policy_now,
  p.shard, p.place, p.leaf, g.leaf IS NOT NULL
FROM {decisions} AS d
{again}
LEFT JOIN placed AS p USING (source, ordinal)
LEFT JOIN gone AS g ON g.leaf = p.leaf
WHERE d.subject IS NOT NULL
ORDER BY 1, 2
"""
