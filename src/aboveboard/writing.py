"""Writes what judged shards release: scrubbed, placed, hashed, then cut into the files of the layout.

``lay`` leaves the released rows of one judged shard in the table ``hashed``; ``cut`` makes the public files from all of
them, one person's rows in one file, in the order of their places. The same rows and keys give the same files, whatever
the shards of the source were and whoever judged them.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aboveboard import disk, kernel, manifest, merkle, suppression
from aboveboard.engine import Engine, Session, hashing, keyed
from aboveboard.errors import EngineError
from aboveboard.kernel import HASH
from aboveboard.layout import MAX_BITS, Layout, fitting
from aboveboard.plan import text
from aboveboard.redaction import MARK, MENTION, redact

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

GROUP_ROWS = 500_000
"""About how many rows are sorted at a time; more would not spill well, fewer would read the parts too often."""
PSEUDONYM = "@u_"
"""What every pseudonym begins with (docs/formats/scrubbing.md)."""
PART_GROUP = 8_192
"""Small row groups, sorted by file: to read one range of files, the others need not be read."""


class Secrets(Protocol):
    """The keys that a layout needs (``keys.Keys``)."""

    def secret(self, name: str) -> bytes:
        """The bytes of a key."""


@dataclass
class Cut:
    """What was written: the files, and what their rows are."""

    shards: list[manifest.Shard] = field(default_factory=list)
    bits: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)


# --- one judged shard ---------------------------------------------------------------------------------------------


def settle_people(con: duckdb.DuckDBPyConnection, subjects: str, keys: Secrets) -> None:
    """Make the table ``homes``: in which of the finest files each subject of a relation stands. Once a session."""
    con.execute("SET VARIABLE order_key = ?", [keys.secret("order").hex()])
    keyed = keyed_subject(con, "shard", keys.secret("shard"))
    con.execute(_HOMES.format(subjects=subjects, keyed=keyed, down=32 - MAX_BITS))


def keyed_subject(con: duckdb.DuckDBPyConnection, name: str, key: bytes) -> str:
    """HMAC-SHA-256 of the column ``subject`` (which is nowhere null) under a key, in hexadecimal, as an expression; the key goes
    into a function, or variables, of the connection that ``name`` names."""
    inner, outer = suppression.pads(key)
    hmac: kernel.Recipe = ((inner, kernel.Raw(0)), (outer, kernel.Digest(0)))
    if hashing(con, f"keyed_{name}", hmac, ["VARCHAR"], {"hash": slice(HASH, 2 * HASH)}):
        return f"lower(hex(keyed_{name}(subject).hash))"
    return keyed(con, name, key, "subject")


_HOMES = """
CREATE OR REPLACE TEMP TABLE homes AS
SELECT subject, (CAST('0x' || substr({keyed}, 1, 8) AS UBIGINT) >> {down})::INTEGER AS shard
FROM (SELECT DISTINCT subject FROM {subjects} WHERE subject IS NOT NULL)
"""
"""``Layout.shard_of`` for every subject."""


def lay(session: Session, keys: Secrets) -> Mapping[str, int]:
    """After ``judge``: the released rows of the shard in the table ``hashed``; returns what was masked, by kind."""
    pseudonym = keys.secret("pseudonym")
    session.load("redacted_texts", _redacted(session.con, pseudonym))
    session.run("write")
    masked = Counter(_scrub_texts(session, pseudonym))
    masked.update(_scrub_parts(session, pseudonym))
    session.run("lay")
    compiled = hashing(session.con, "row_hashes", row_hashes(keys.secret("order")), _HASHED_FROM, _HASHED)
    session.run("hash_compiled" if compiled else "hash")
    released, hashed = (session.count(table) for table in ("released", "hashed"))
    if released != hashed:  # INVARIANT: a row that finds no place must not be lost
        raise EngineError(f"{released} rows were released and {hashed} found a place", hint="please report this")
    session.drop(*_SCRUBBED)
    return masked


_SCRUBBED = ("redacted_texts", "scrubbed_texts", "scrubbed_contents", "scrubbed_parts")
"""What only leads to the released rows: it holds their words once more."""


def row_hashes(order_key: bytes) -> kernel.Recipe:
    """The hashes of a released row from its source, id, text, language, kind and parts: where it stands, whose middle is its
    nonce, and its leaf (docs/formats/manifest.md). ``steps/hash`` says the same."""
    row = tuple(kernel.Net(at) for at in range(2, 6))
    place: tuple[kernel.Step, ...] = (order_key.hex().encode(), kernel.Net(0), kernel.Net(1), *row)
    return place, (b"\x00", kernel.Digest(0, *_NONCE), *row)


_NONCE = (8, 24)
_HASHED = {"place": slice(0, 8), "nonce": slice(*_NONCE), "leaf": slice(32, 64)}
_HASHED_FROM = (*["VARCHAR"] * 5, "STRUCT(kind VARCHAR, content VARCHAR)[]")


def _redacted(con: duckdb.DuckDBPyConnection, pseudonym: bytes) -> pa.Table:
    """The texts that lose something, cut by ``redaction.redact`` (never by an engine's text functions)."""
    rows = con.execute(
        "SELECT d.ordinal, r.text, d.cuts FROM decisions AS d JOIN records AS r USING (ordinal)"
        " WHERE d.outcome = 1 AND len(d.cuts) > 0 ORDER BY d.ordinal"
    ).fetchall()
    names = _names(
        (_cut_out(said, cut) for _, said, cuts in rows for cut in cuts if cut["kind"] == "mention"), pseudonym
    )
    left = [redact(said, [_span(said, cut, names) for cut in cuts]) for _, said, cuts in rows]
    return _texts([ordinal for ordinal, _, _ in rows], left)


def _names(written: Iterable[str], pseudonym: bytes) -> Mapping[str, str]:
    """For each name as it was written the pseudonym that it has everywhere."""
    from aboveboard import scrub

    distinct = list(dict.fromkeys(written))
    named, _ = scrub.scrub(_texts(range(len(distinct)), distinct)["text"], pseudonym)
    return {
        name: now if now.startswith(PSEUDONYM) else MENTION
        for name, now in zip(distinct, named.to_pylist(), strict=True)
    }


def _cut_out(said: str, cut: Mapping[str, Any]) -> str:
    return said[cut["from"] : cut["to"]]


def _span(said: str, cut: Mapping[str, Any], names: Mapping[str, str]) -> tuple[int, int, str]:
    """A span with what stands in its place."""
    return cut["from"], cut["to"], names[_cut_out(said, cut)] if cut["kind"] == "mention" else MARK


def _scrub_texts(session: Session, key: bytes) -> Mapping[str, int]:
    from aboveboard import scrub

    rows = session.con.sql("SELECT ordinal, text FROM released ORDER BY ordinal").to_arrow_table()
    scrubbed, masked = scrub.scrub(rows["text"], key)
    session.load("scrubbed_texts", _changed(rows, scrubbed))
    return masked


def _changed(rows: pa.Table, scrubbed: pa.Array) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    differs = pc.fill_null(pc.not_equal(rows["text"], scrubbed), False)
    return pa.table({"ordinal": rows["ordinal"], "text": scrubbed}).filter(differs)


def _scrub_parts(session: Session, key: bytes) -> Mapping[str, int]:
    """The same for what stands beside the text: cards, quoted titles, captions."""
    from aboveboard import scrub

    rows = session.con.sql(_PARTS).to_arrow_table()
    scrubbed, masked = scrub.scrub(rows["content"], key)
    session.load("scrubbed_contents", rows.set_column(rows.schema.get_field_index("content"), "content", scrubbed))
    session.make("scrubbed_parts", _PARTS_AGAIN)
    return masked


_PARTS = """
SELECT ordinal, place, part.kind AS kind, part.content AS content
FROM (SELECT ordinal, unnest(parts) AS part, generate_subscripts(parts, 1) AS place FROM released WHERE len(parts) > 0)
ORDER BY ordinal, place
"""
_PARTS_AGAIN = """
SELECT ordinal, list({'kind': kind, 'content': content} ORDER BY place) AS parts FROM scrubbed_contents GROUP BY ordinal
"""


def _texts(ordinals: Sequence[int], texts: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    return pa.table({"ordinal": pa.array(ordinals, pa.int64()), "text": pa.array(texts, pa.string())})


# --- all of them --------------------------------------------------------------------------------------------------

PART = """
SELECT shard, place, text, language, kind, parts, nonce, leaf, source, ordinal, hash(subject) AS person
FROM hashed ORDER BY shard, place
"""
"""What a judged shard hands on: it holds text, so it lives in a private folder and not for long."""


PEOPLE = """
SELECT subject, source, ordinal FROM hashed WHERE subject IS NOT NULL
UNION ALL
SELECT DISTINCT other AS subject, source, ordinal
FROM (
  SELECT h.source, h.ordinal, h.subject, unnest(list_concat(
    list_transform(r.parties, lambda p: p.subject),
    flatten(list_transform(r.parts, lambda p: list_transform(p.parties, lambda q: q.subject)))
  )) AS other
  FROM hashed AS h JOIN composites AS r USING (ordinal)
)
WHERE other IS NOT NULL AND other IS DISTINCT FROM subject
ORDER BY subject, ordinal
"""
"""Everybody who has a part in a released row, whatever the role: whom a no of theirs would touch."""


def cut(engine: Engine, parts: Path, public: Path, index: Path, most: int = MAX_BITS) -> Cut:
    """The public files (below ``data``) and the hashes of their trees (below ``rows``), one for each part of the layout
    that has rows, and beside each a private index.

    There are at most ``2**most`` files, and fewer where one would hold too few people. A few files' worth of rows are
    taken at a time, and what does not fit into memory spills.
    """
    made = Cut()
    if not any(parts.iterdir()):
        return made
    with engine.connect() as con:
        # INVARIANT: the same rows, the same bytes. What DuckDB knows of the parts must not shape what it writes.
        con.execute("SET disabled_optimizers = 'statistics_propagation,compressed_materialization'")
        con.execute(f"CREATE TEMP VIEW parts AS SELECT * FROM read_parquet({listed(parts)})")
        made.bits = _layout(con, most).bits
        down = MAX_BITS - made.bits
        for first, last in _groups(con, down):
            con.execute(_GROUP.format(first=first << down, last=((last + 1) << down) - 1, down=down))
            made.shards += [_file(con, key, public, index) for key in _keys(con)]
            _tally(con, made)
    return made


def _layout(con: duckdb.DuckDBPyConnection, most: int) -> Layout:
    found = con.execute("SELECT shard, count(DISTINCT person), count(*) FROM parts GROUP BY shard").fetchall()
    return fitting({shard: people for shard, people, _ in found}, sum(rows for *_, rows in found), most)


_GROUP = """
CREATE OR REPLACE TEMP TABLE laid AS
SELECT * REPLACE ((shard >> {down}) AS shard) FROM parts WHERE shard BETWEEN {first} AND {last}
"""
_FILE = "CREATE OR REPLACE TEMP TABLE file AS SELECT * FROM laid WHERE shard = {key} ORDER BY place, leaf"
"""INVARIANT: a file is written from a table of its own, or its row groups would tell where in a larger one it began."""


def _groups(con: duckdb.DuckDBPyConnection, down: int) -> Iterator[tuple[int, int]]:
    """Ranges of files with about ``GROUP_ROWS`` rows each."""
    first, rows = None, 0
    counted = f"SELECT shard >> {down} AS file, count(*) FROM parts GROUP BY file ORDER BY file"
    found = con.execute(counted).fetchall()
    for place, (shard, count) in enumerate(found):
        first = shard if first is None else first
        rows += count
        if rows >= GROUP_ROWS or place + 1 == len(found):
            yield first, shard
            first, rows = None, 0


def _keys(con: duckdb.DuckDBPyConnection) -> list[int]:
    return [key for (key,) in con.execute("SELECT DISTINCT shard FROM laid ORDER BY shard").fetchall()]


def _file(con: duckdb.DuckDBPyConnection, key: int, public: Path, index: Path) -> manifest.Shard:
    con.execute(_FILE.format(key=key))
    rows = con.sql(f"SELECT {', '.join(INDEX)} FROM file").to_arrow_table()
    made = public_file(con, key, joined(rows["leaf"]), public, lambda: keep_index(rows, index / f"{key:05d}.parquet"))
    [(people,)] = con.execute("SELECT count(DISTINCT person) FROM file").fetchall()
    return replace(made, people=people)


INDEX = ("source", "ordinal", "leaf")
"""Which record each row of a public file is, in the order of that file."""


def keep_index(rows: pa.Table, path: Path) -> None:
    """Write the private index of a public file. It is mostly hashes, in which there is nothing to compress and nothing comes
    twice."""
    import pyarrow.parquet as pq

    pq.write_table(rows, path, compression="none", use_dictionary=["source"], row_group_size=INDEX_GROUP)
    disk.settle(path)


INDEX_GROUP = 122_880
"""Rows of an index in a row group."""


def public_file(
    con: duckdb.DuckDBPyConnection, key: int, leaves: bytes, public: Path, indexed: Callable[[], None]
) -> manifest.Shard:
    """The table ``file`` as the public file of a number, with the hashes of its tree; ``leaves`` are those of its rows, one
    behind another, and ``indexed`` writes the private index of it."""
    columns = ", ".join(manifest.RELEASED_COLUMNS)
    name, sha256, rows = copy(con, f"SELECT {columns} FROM file", public / "data", "data")
    with disk.step("index"):
        indexed()
    levels = merkle.levels(leaves)
    tiles = _tiles(levels, key, public)
    root = merkle.root_in(levels).hex()
    return manifest.Shard(key, f"data/{name}", sha256, rows, manifest.shard_digest([leaves]), root, tiles)


HASHES = 65_536
"""How many hashes are taken from DuckDB at a time, where a tree over all of them is made."""


def joined(column: pa.ChunkedArray | pa.Array) -> bytes:
    """Hashes, one behind another."""
    import pyarrow as pa

    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    whole = pa.concat_arrays([chunk.cast(pa.binary()) for chunk in chunks] or [pa.array([], pa.binary())])
    if not len(whole):
        return b""
    begin = memoryview(whole.buffers()[1]).cast("i")[whole.offset]
    return memoryview(whole.buffers()[2])[begin : begin + merkle.WIDTH * len(whole)].tobytes()


def _tiles(levels: Sequence[bytes], key: int, public: Path) -> tuple[tuple[str, str], ...]:
    """Keep every eighth level of a tree, so that a row is proven without reading the others; their names and SHA-256."""
    made = []
    with disk.step("rows"):
        for place, hashes in enumerate(levels[:: merkle.TILE_HEIGHT]):
            name = manifest.tile_name(key, place)
            (public / name).parent.mkdir(parents=True, exist_ok=True)
            disk.write(public / name, hashes)
            made.append((name, hashlib.sha256(hashes).hexdigest()))
    return tuple(made)


def _tally(con: duckdb.DuckDBPyConnection, made: Cut) -> None:
    for column, counter in (("kind", made.kinds), ("language", made.languages)):
        found = con.execute(f"SELECT {column}, count(*) FROM laid WHERE {column} IS NOT NULL GROUP BY ALL").fetchall()
        counter.update(dict(found))


def decided(private: Path) -> str | None:
    """The decisions of a release as a relation, one row a source row: where a rewriting decided anew, that decision. None
    where there is none."""
    files, later = listed(private / "decisions"), private / LATER / DECISIONS
    if files == "[]":
        return None
    if not later.is_file():
        return f"read_parquet({files})"
    newer = f"read_parquet({text(str(later))})"
    still = f"SELECT d.* FROM read_parquet({files}) AS d ANTI JOIN {newer} AS n USING (source, ordinal)"
    return f"(SELECT * FROM ({still}) UNION ALL BY NAME SELECT * FROM {newer})"


def opened(private: Path) -> str | None:
    """What opens the rows that are in a release, as a relation: without those that left by a rewriting. None where there is
    no row."""
    files, newer, left = (listed(private / "openings" / "records"), private / LATER / OPENED, private / LATER / LEFT)
    if files == "[]":
        return None
    if not left.is_file():
        return f"read_parquet({files})"
    gone = f"(SELECT leaf FROM read_parquet([{text(str(left))}, {text(str(newer))}], union_by_name = true))"
    still = f"SELECT * FROM read_parquet({files}) ANTI JOIN {gone} USING (leaf)"
    return f"({still} UNION ALL BY NAME SELECT * FROM read_parquet({text(str(newer))}))"


SHOWN = "items.db"
"""In a private part: the portal's list of what the release holds of each person, made from the decisions when it is asked for."""
LATER = "later"
"""The folder in the private part of a release that was rewritten: what is said otherwise than in the files that it shares
with the release before."""
DECISIONS, OPENED, LEFT = "decisions.parquet", "openings.parquet", "left.parquet"


def listed(folder: Path) -> str:
    """The Parquet files of a folder as a list in SQL."""
    return f"[{', '.join(text(str(file)) for file in sorted(folder.glob('*.parquet')))}]"


def copy_rows(
    con: duckdb.DuckDBPyConnection, query: str, path: Path, group: int = 122_880, compression: str = "zstd"
) -> int:
    """The rows of a query as a Parquet file; an EngineError does not say what DuckDB says, which may quote a row."""
    import duckdb

    options = f"FORMAT parquet, COMPRESSION {compression}, ROW_GROUP_SIZE {group}"
    try:
        [(rows,)] = con.execute(f"COPY ({query}) TO {text(str(path))} ({options})").fetchall()
    except duckdb.Error as error:
        raise EngineError(
            f"writing `{path.parent.name}` failed: {type(error).__name__}",
            hint="make room on the disk, or give [engine] more memory",
        ) from None
    return int(rows)


QUICK = "zstd, COMPRESSION_LEVEL 1"
"""For large private files: a few per cent larger, in two thirds of the time. Public files keep the bytes of plain zstd."""


def copy(con: duckdb.DuckDBPyConnection, query: str, folder: Path, what: str) -> tuple[str, str, int]:
    """The rows of a query as one Parquet file named by its own SHA-256; returns name, SHA-256 and rows."""
    partial = folder / f"{os.getpid()}-{threading.get_ident()}.partial"
    with disk.step(what):
        rows = copy_rows(con, query, partial)
        with partial.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        partial.rename(folder / f"{digest}.parquet")
    return f"{digest}.parquet", digest, rows
