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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aboveboard import disk, kernel, manifest, merkle, paths, suppression
from aboveboard.engine import Engine, Session, hashing, keyed
from aboveboard.errors import EngineError
from aboveboard.kernel import HASH
from aboveboard.layout import MAX_BITS, Layout, fitting
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
    texts = dict(con.execute(f"SELECT ordinal, text {_LOSING}").fetchall())
    cuts = con.execute(_CUTS).fetchall()  # a row a cut: lists would be unpacked value by value
    names = _names((texts[at][start:end] for at, start, end, kind in cuts if kind == "mention"), pseudonym)
    left = {}
    for ordinal, spans in groupby(cuts, itemgetter(0)):
        said = texts[ordinal]
        left[ordinal] = redact(
            said, [(start, end, names[said[start:end]] if kind == "mention" else MARK) for _, start, end, kind in spans]
        )
    return _texts(list(left), list(left.values()))


_LOSING = """
FROM decided JOIN endings AS e USING (ending) JOIN mains USING (ordinal) WHERE e.outcome = 1 AND len(e.cuts) > 0
"""
_CUTS = f"""
SELECT ordinal, cut."from", cut."to", cut.kind FROM (SELECT ordinal, unnest(e.cuts) AS cut {_LOSING})
ORDER BY ordinal, cut."from"
"""
"""What is cut out of each text, as ``redaction.redact`` takes it."""


def _names(written: Iterable[str], pseudonym: bytes) -> Mapping[str, str]:
    """For each name as it was written the pseudonym that it has everywhere."""
    from aboveboard import scrub

    distinct = list(dict.fromkeys(written))
    named, _ = scrub.scrub(_texts(range(len(distinct)), distinct)["text"], pseudonym)
    return {
        name: now if now.startswith(PSEUDONYM) else MENTION
        for name, now in zip(distinct, named.to_pylist(), strict=True)
    }


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
    sorted at a time, and what does not fit into memory spills.
    """
    made = Cut()
    if not any(parts.iterdir()):
        return made
    with engine.connect() as con:
        con.execute(f"CREATE TEMP VIEW parts AS SELECT * FROM {listed(parts)}")
        made.bits = _layout(con, most).bits
        down = MAX_BITS - made.bits
        for first, last in _groups(con, down):
            laid = con.sql(_LAID.format(first=first << down, last=((last + 1) << down) - 1, down=down))
            for key, some in groupby(_by_file(laid.to_arrow_reader(BATCH)), key=itemgetter(0)):
                made.shards.append(_file(key, (rows for _, rows in some), made, public, index))
    return made


def _layout(con: duckdb.DuckDBPyConnection, most: int) -> Layout:
    found = con.execute("SELECT shard, count(DISTINCT person), count(*) FROM parts GROUP BY shard").fetchall()
    return fitting({shard: people for shard, people, _ in found}, sum(rows for *_, rows in found), most)


_LAID = """
SELECT * REPLACE ((shard >> {down}) AS shard) FROM parts WHERE shard BETWEEN {first} AND {last}
ORDER BY shard >> {down}, place, leaf
"""


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


def _by_file(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Rows that come in the order of their files, some at a time, and each time of one file alone."""
    import pyarrow.compute as pc

    for batch in batches:
        runs, begin = pc.run_end_encode(batch["shard"]), 0
        for key, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            yield key, _table(batch.slice(begin, end - begin))
            begin = end


def _file(key: int, rows: Iterable[pa.Table], made: Cut, public: Path, index: Path) -> manifest.Shard:
    """One file of the layout; ``made`` counts what its rows are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    people: list[pa.Array] = []

    def counted() -> Iterator[pa.Table]:
        for some in rows:
            people.extend(some["person"].chunks)
            for column, counter in (("kind", made.kinds), ("language", made.languages)):
                counter.update(tally(some[column]))
            yield some

    shard = public_file(key, counted(), public, index)
    return replace(shard, people=pc.count_distinct(pa.chunked_array(people)).as_py())


def tally(column: pa.ChunkedArray) -> Mapping[str, int]:
    """How often each value of a column stands in it; null is none."""
    return {one["values"]: one["counts"] for one in column.drop_null().value_counts().to_pylist()}


INDEX = ("source", "ordinal", "leaf")
"""Which record each row of a public file is, in the order of that file."""


def public_file(key: int, rows: Iterable[pa.Table], public: Path, index: Path) -> manifest.Shard:
    """Rows in their order, each with what ``INDEX`` says of it, as the public file of a number with the hashes of its tree,
    and the private index of it."""
    import pyarrow as pa

    kept: list[pa.Table] = []

    def noted() -> Iterator[pa.Table]:
        for some in rows:
            kept.append(some.select(INDEX))
            yield some

    with disk.step("data"):
        name, sha256 = _keep_rows(noted(), public / "data")
    indexed = pa.concat_tables(kept)
    with disk.step("index"):
        keep_index(indexed, index / f"{key:05d}.parquet")
    leaves = joined(indexed["leaf"])
    levels = merkle.levels(leaves)
    tiles = _tiles(levels, key, public)
    root = merkle.root_in(levels).hex()
    return manifest.Shard(key, f"data/{name}", sha256, len(indexed), manifest.shard_digest([leaves]), root, tiles)


def _keep_rows(rows: Iterable[pa.Table], folder: Path) -> tuple[str, str]:
    """A public file, named by its own SHA-256; returns name and SHA-256.

    INVARIANT: the same rows, the same bytes, however they came together: row groups are of one size, each is written from
    one piece, and limits are kept of nothing that somebody wrote (docs/adr/0024).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([
        ("text", pa.string()), ("language", pa.string()), ("kind", pa.string()),
        ("parts", pa.list_(pa.struct([("kind", pa.string()), ("content", pa.string())]))), ("nonce", pa.binary()),
    ])  # fmt: skip
    partial = _partial(folder)
    with pq.ParquetWriter(partial, schema, **_PARQUET) as file:
        for group in _evenly(rows, ROW_GROUP):
            file.write_table(group.select(schema.names).combine_chunks().cast(schema), ROW_GROUP)
    return _named(partial)


_PARTS_IN = ("parts.list.element.kind", "parts.list.element.content")
_PARQUET: Mapping[str, Any] = {
    "compression": {**dict.fromkeys(("text", "language", "kind", *_PARTS_IN), "zstd"), "nonce": "none"},
    "compression_level": dict.fromkeys(("text", "language", "kind", *_PARTS_IN), 3),
    "column_encoding": {"nonce": "DELTA_LENGTH_BYTE_ARRAY"},
    "use_dictionary": ["language", "kind", _PARTS_IN[0]],
    "write_statistics": ["language", "kind"],
    "store_schema": False,
}
"""What comes again and again is a dictionary; nothing can be saved of what is random but the lengths between."""


def _evenly(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows, so many at a time; at last those that are left."""
    import pyarrow as pa

    held, count = list[pa.Table](), 0
    for table in tables:
        held.append(table)
        count += len(table)
        while count >= size:
            whole = pa.concat_tables(held)
            yield whole.slice(0, size)
            held, count = [whole.slice(size)], count - size
    if count:
        yield pa.concat_tables(held)


ROW_GROUP = 122_880
"""Rows in a row group of a public file, and of an index."""
BATCH = 16_384
"""So many rows are handed over by the engine at a time."""


def keep_index(rows: pa.Table, path: Path) -> None:
    """Write the private index of a public file. It is mostly hashes, in which there is nothing to compress and nothing comes
    twice."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("source", pa.string()), ("ordinal", pa.int64()), ("leaf", pa.binary())])
    whole, limited = rows.combine_chunks().cast(schema), ["source", "ordinal"]
    pq.write_table(whole, path, ROW_GROUP, compression="none", use_dictionary=["source"], write_statistics=limited)
    disk.settle(path)


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


def decided(private: Path) -> str | None:
    """The decisions of a release as a relation, one row a source row: where a rewriting decided anew, that decision. None
    where there is none."""
    files, later = listed(private / "decisions"), private / LATER / DECISIONS
    if not files:
        return None
    if not later.is_file():
        return files
    newer = paths.parquet(later)
    still = f"SELECT d.* FROM {files} AS d ANTI JOIN {newer} AS n USING (source, ordinal)"
    return f"(SELECT * FROM ({still}) UNION ALL BY NAME SELECT * FROM {newer})"


def opened(private: Path) -> str | None:
    """What opens the rows that are in a release, as a relation: without those that left by a rewriting. None where there is
    no row."""
    files, newer, left = (listed(private / "openings" / "records"), private / LATER / OPENED, private / LATER / LEFT)
    if not files:
        return None
    if not left.is_file():
        return files
    gone = f"(SELECT leaf FROM {paths.parquet([left, newer], 'union_by_name')})"
    still = f"SELECT * FROM {files} ANTI JOIN {gone} USING (leaf)"
    return f"({still} UNION ALL BY NAME SELECT * FROM {paths.parquet(newer)})"


SHOWN = "items.db"
"""In a private part: the portal's list of what the release holds of each person, made from the decisions when it is asked for."""
LATER = "later"
"""The folder in the private part of a release that was rewritten: what is said otherwise than in the files that it shares
with the release before."""
DECISIONS, OPENED, LEFT = "decisions.parquet", "openings.parquet", "left.parquet"


def listed(folder: Path, *options: str) -> str:
    """The rows of a folder's Parquet files as a relation (``options`` as in ``paths.parquet``); empty where there is no file."""
    files = sorted(folder.glob("*.parquet"))
    return paths.parquet(files, *options) if files else ""


def copy_rows(
    con: duckdb.DuckDBPyConnection, query: str, path: Path, group: int = 122_880, compression: str = "zstd"
) -> int:
    """The rows of a query as a Parquet file; an EngineError does not say what DuckDB says, which may quote a row."""
    import duckdb

    options = f"FORMAT parquet, COMPRESSION {compression}, ROW_GROUP_SIZE {group}"
    try:
        [(rows,)] = con.execute(f"COPY ({query}) TO {paths.to_write(path)} ({options})").fetchall()
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
    partial = _partial(folder)
    with disk.step(what):
        rows = copy_rows(con, query, partial)
        name, digest = _named(partial)
    return name, digest, rows


def keep(con: duckdb.DuckDBPyConnection, query: str, folder: Path, what: str, distinct: Collection[str] = ()) -> None:
    """The same written by Arrow, for two thirds; ``distinct`` are columns in which hardly a value comes twice."""
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    partial = _partial(folder)
    with disk.step(what):
        try:
            told = con.sql(query).to_arrow_reader(BATCH)
            coded = [_path_of(field) for field in told.schema if field.name not in distinct]
            with pq.ParquetWriter(
                partial, told.schema, compression="zstd", use_dictionary=coded, store_schema=False
            ) as file:
                for group in _evenly(map(_table, told), ROW_GROUP):
                    file.write_table(group.combine_chunks(), ROW_GROUP)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise  # the file system's own words
            # What DuckDB says comes through Arrow as an error of input and output without a number, and may quote a row.
            raise EngineError(
                f"writing `{folder.name}` failed: {type(error).__name__}",
                hint="make room on the disk, or give [engine] more memory",
            ) from None
        _named(partial)


def _table(batch: pa.RecordBatch) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _path_of(field: pa.Field) -> str:
    """How Parquet calls a column of plain values, or of lists of them."""
    import pyarrow as pa

    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def _partial(folder: Path) -> Path:
    """Where this thread writes a file that has no name yet."""
    return folder / f"{os.getpid()}-{threading.get_ident()}.partial"


def _named(partial: Path) -> tuple[str, str]:
    """Give a file that was written its SHA-256 as its name, and have it on the disk."""
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    partial.rename(partial.with_name(f"{digest}.parquet"))
    return f"{digest}.parquet", digest
