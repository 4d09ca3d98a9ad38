"""Looks for what must be gone in the files themselves: every page, every text, every hash, never only what metadata says.

``Sought`` is what is looked for: identifiers by name, identifiers by the suppression list where nobody knows the names any
more, leaves of rows, texts by their SHA-256. ``scan`` says in which file, column and row something was found, never what
it says, and what it could not look into. Formats: Parquet (also what no row uses), SQLite with its write-ahead log and
free pages, DuckDB, hash tiles, and anything else as bytes. Specification: docs/erasure.md, "Looking whether it is gone".
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import pages, suppression
from aboveboard.engine import Engine
from aboveboard.merkle import WIDTH
from aboveboard.plan import text
from aboveboard.suppression import Suppressions

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

LONGEST = 128
"""An identifier has at most so many bytes; what is longer, or has a blank in it, is no identifier."""
WORDS = frozenset({"text", "content", "shape"})
"""Columns of what people wrote: names are looked for in them, identifiers by their hash are not."""
Progress = Callable[[int, int], None]
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.){1,128})"')
_FREE_TEXT = re.compile(rb"[^\s\"',;=()\[\]{}<>\x00-\x1f]{2,128}")
_COPIES = (".gz", ".zip", ".zst", ".bz2", ".xz", ".tgz", ".7z")


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that must be gone: what kind of thing, in which file, where in it (a column, a page), in which row."""

    what: str
    file: str
    where: str = ""
    row: int | None = None


@dataclass(frozen=True)
class Sought:
    """What must be gone: ``identifier`` (by name), ``erased`` (by the suppression list), ``row`` (a leaf), ``text``."""

    names: tuple[str, ...] = ()
    suppressions: Suppressions = suppression.NONE
    leaves: frozenset[bytes] = frozenset()
    texts: frozenset[bytes] = frozenset()
    known: dict[bytes, bool] = field(default_factory=dict, repr=False, compare=False)
    """What was asked of the list already: most files name the same people."""

    @property
    def needles(self) -> tuple[bytes, ...]:
        """The names as bytes, also as JSON escapes them."""
        written = [form for name in self.names for form in (name, json.dumps(name)[1:-1])]
        return tuple(dict.fromkeys(one.encode("utf-8", "surrogatepass") for one in written))

    def erased(self, value: bytes) -> bool:
        """Whether this is an identifier of somebody who was erased; what stands in its place is none."""
        if len(value) > LONGEST or not value or value.startswith(suppression.ERASED.encode()):
            return False
        if value not in self.known:
            if len(self.known) > 4_000_000:
                self.known.clear()
            self.known[value] = self.suppressions.holds(value.decode("utf-8", "replace"))
        return self.known[value]


@dataclass
class Report:
    """What was looked into and what was found."""

    files: int = 0
    bytes: int = 0
    found: list[Found] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    """Files, or parts of them, that could not be looked into, and why."""


def scan(paths: Sequence[Path], sought_in: Callable[[Path], Sought], progress: Progress | None = None) -> Report:
    """Look into every file at or below these paths; ``sought_in`` says what must be gone from a file."""
    files = [file for path in paths for file in _files(path)]
    total, made = sum(file.stat().st_size for file in files), Report()
    for file in files:
        size = file.stat().st_size
        if size:
            made.found += _look(file, sought_in(file), made.unread)
        made.files, made.bytes = made.files + 1, made.bytes + size
        if progress is not None:
            progress(made.bytes, total)
    return made


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in found if file.is_file() and not file.is_symlink()]


def _look(file: Path, sought: Sought, unread: list[tuple[str, str]]) -> list[Found]:
    found: dict[Found, None] = {}
    with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as held:
        look = _kind(file, held)
        with memoryview(held) as view:
            one = _Open(file, held, view, sought, unread)
            try:
                found.update(dict.fromkeys(look(one)))
            except Exception as error:
                unread.append((str(file), f"not read as what it seems to be: {type(error).__name__}"))
                found.update(dict.fromkeys(_bytes(one)))
    return list(found)


@dataclass(frozen=True, slots=True)
class _Open:
    """A file that is looked into: its bytes, as they can be searched and as they can be cut, and what must be gone."""

    file: Path
    held: mmap.mmap
    view: memoryview
    sought: Sought
    unread: list[tuple[str, str]]


_Look = Callable[[_Open], Iterable[Found]]


def _kind(file: Path, held: mmap.mmap) -> _Look:
    head = held[:16]
    if head[:4] == b"PAR1" and held[-4:] == b"PAR1":
        return _parquet
    if head == pages.SQLITE:
        return _sqlite
    if head[:4] in pages.WAL:
        return _wal
    if head[8:12] == b"DUCK":
        return _duckdb
    if file.parent.parent.name == "rows" or file.parent.name == "rows":
        return _tile
    return _bytes


# --- anything as bytes --------------------------------------------------------------------------------------------


def _bytes(one: _Open) -> Iterator[Found]:
    yield from _raw(one.file, one.held, one.sought)
    if one.file.suffix in _COPIES:
        one.unread.append((str(one.file), "compressed or packed: only its bytes were looked at"))
    if one.sought.suppressions:
        yield from _tokens(one.file, one.held, one.sought)


def _raw(file: Path, held: mmap.mmap | bytes, sought: Sought, where: str = "bytes") -> Iterator[Found]:
    for needle in sought.needles:
        at = held.find(needle)
        if at >= 0:
            yield Found("identifier", str(file), f"{where} at {at}" if where == "bytes" else where)


def _tokens(file: Path, held: mmap.mmap, sought: Sought) -> Iterator[Found]:
    """Identifiers of erased people in text: in JSON whole strings, elsewhere what stands between blanks and brackets."""
    pattern = _QUOTED if held[:1] in (b"{", b"[") else _FREE_TEXT
    for match in pattern.finditer(held):
        token = match.group(match.lastindex or 0)
        if b"\\" in token and pattern is _QUOTED:
            try:
                token = json.loads(b'"' + token + b'"').encode("utf-8", "surrogatepass")
            except ValueError:
                continue
        if sought.erased(token):
            yield Found("erased", str(file), f"bytes at {match.start()}")


def _tile(one: _Open) -> Iterator[Found]:
    """A file of hashes, one behind another: only the lowest level has leaves, and a node above it is no leaf."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if one.sought.leaves:
        count, kind = len(one.view) // WIDTH, pa.binary(WIDTH)
        hashes = pa.FixedSizeBinaryArray.from_buffers(kind, count, [None, pa.py_buffer(one.view[: count * WIDTH])])
        inside = pc.is_in(hashes, value_set=pa.array(sorted(one.sought.leaves), kind))
        for place in pc.indices_nonzero(inside).to_pylist():
            yield Found("row", str(one.file), "leaf", place)
        del hashes, inside  # they hold on to the bytes of the file


# --- Parquet ------------------------------------------------------------------------------------------------------


def _parquet(one: _Open) -> Iterator[Found]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(one.file) as table:
        meta = table.metadata
        names = [meta.schema.column(n).path for n in range(meta.num_columns)]
        begin = 0
        for group in range(meta.num_row_groups):
            for column, name in enumerate(names):
                chunk = meta.row_group(group).column(column)
                if chunk.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
                    yield from _chunk(one.file, table, one.view, one.sought, _Chunk(group, column, name, begin), chunk)
            begin += meta.row_group(group).num_rows
    # Minima and maxima in the footer and in page headers, and whatever no column owns.
    yield from _raw(one.file, one.held, one.sought)
    if one.sought.leaves and "nonce" in names:
        yield from _leaves(one.file, one.sought)


@dataclass(frozen=True, slots=True)
class _Chunk:
    group: int
    column: int
    name: str
    begin: int


def _chunk(
    file: Path, table: pq.ParquetFile, view: memoryview, sought: Sought, at: _Chunk, chunk: pq.ColumnChunkMetaData
) -> Iterator[Found]:
    by_hash = bool(sought.suppressions) and at.name.split(".")[-1] not in WORDS
    hit = left = plain = False
    coded = "DELTA_BYTE_ARRAY" in chunk.encodings  # values are told by what they share with the one before
    if sought.needles or by_hash:
        for page in pages.of_chunk(view, chunk):
            hit = hit or any(needle in page.data for needle in sought.needles)
            plain = plain or not (page.dictionary or page.numbers)
            if by_hash and page.dictionary and chunk.physical_type == "BYTE_ARRAY":
                left = left or any(sought.erased(value) for value in pages.plain_values(page))
    if by_hash and plain and not left:  # what is in no dictionary: everybody once
        whole = table.read_row_group(at.group, columns=[at.name]).column(0)
        left = any(sought.erased(value) for value in _distinct(whole))
    if hit or coded or left or sought.texts:
        yield from _values(file, table, sought, at, by_hash, hit, left)


def _distinct(column: pa.ChunkedArray) -> Iterator[bytes]:
    """Every text of a column once, however deep it lies."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for chunk in column.chunks:
        pieces = [chunk]
        while pieces:
            piece = pieces.pop()
            if pa.types.is_list(piece.type) or pa.types.is_large_list(piece.type):
                pieces.append(piece.flatten())
            elif pa.types.is_struct(piece.type):
                pieces += piece.flatten()
            elif pa.types.is_string(piece.type) or pa.types.is_binary(piece.type):
                short = piece.cast(pa.binary())
                short = short.filter(pc.less_equal(pc.binary_length(short), LONGEST))
                yield from (value for value in short.unique().to_pylist() if value is not None)


def _values(
    file: Path, table: pq.ParquetFile, sought: Sought, at: _Chunk, by_hash: bool, hit: bool, left: bool
) -> Iterator[Found]:
    """Which rows hold it; where none does, it is a remainder of the page."""
    rows: dict[tuple[str, int], None] = {}
    whole = table.read_row_group(at.group, columns=[at.name])
    for row, values in enumerate(_flat(whole.column(0))):
        for what in _kinds(values, sought, by_hash):
            rows[what, at.begin + row] = None
    for what, row in rows:
        yield Found(what, str(file), at.name, row)
    for what, seen in (("identifier", hit), ("erased", left)):
        if seen and not any(kind == what for kind, _ in rows):
            yield Found(what, str(file), f"{at.name}, a page of it that no row uses")


def _kinds(values: Iterable[bytes], sought: Sought, by_hash: bool) -> Iterator[str]:
    for value in values:
        if any(needle in value for needle in sought.needles):
            yield "identifier"
        if by_hash and sought.erased(value):
            yield "erased"
        if sought.texts and hashlib.sha256(value).digest() in sought.texts:
            yield "text"


def _flat(column: pa.ChunkedArray) -> Iterator[list[bytes]]:
    """The texts of a column, row by row: nested ones are all of their row."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        for value in column.cast(pa.binary()).to_pylist():
            yield [] if value is None else [value]
        return
    for value in column.to_pylist():
        yield list(_inside(value))


def _inside(value: Any) -> Iterator[bytes]:
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _inside(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _inside(one)


def _leaves(file: Path, sought: Sought) -> Iterator[Found]:
    """Rows whose leaf must be gone: hashed again, whatever a tile says of them."""
    with Engine().connect() as con:
        con.execute("CREATE TEMP TABLE gone AS SELECT unnest(?::BLOB[]) AS leaf", [sorted(sought.leaves)])
        for (row,) in con.execute(_LEAVES.format(file=text(str(file)))).fetchall():
            yield Found("row", str(file), "leaf", row)


_LEAVES = """
SELECT file_row_number
FROM (
  SELECT file_row_number, unhex(sha256('\\x00'::BLOB || nonce || encode(net(text) || net(language) || net(kind) || net(
    CASE WHEN parts IS NULL THEN NULL ELSE coalesce(array_to_string(list_transform(parts, lambda p:
      net(net(p.kind) || net(p.content))), ''), '') END)))) AS leaf
  FROM read_parquet({file}, file_row_number = true)
)
WHERE leaf IN (SELECT leaf FROM gone)
ORDER BY file_row_number
"""


# --- databases ----------------------------------------------------------------------------------------------------


def _sqlite(one: _Open) -> Iterator[Found]:
    yield from _rows(one.file, one.sought)
    for needle in one.sought.needles:
        if (at := one.held.find(needle)) >= 0:
            yield Found("identifier", str(one.file), f"page {at // pages.page_size(one.view) + 1}")
    yield from _in_pages(one.file, pages.of_sqlite(one.view), one.sought)


def _wal(one: _Open) -> Iterator[Found]:
    yield from _raw(one.file, one.held, one.sought, "write-ahead log")
    yield from _in_pages(one.file, pages.of_wal(one.view), one.sought)


def _in_pages(file: Path, found: Iterator[tuple[int, memoryview]], sought: Sought) -> Iterator[Found]:
    """Identifiers by their hash in the cells of pages, also of those that nothing points at any more."""
    if not sought.suppressions:
        return
    for number, page in found:
        if any(
            sought.erased(value)
            for value in pages.texts_of(page, first=number == 1 and bytes(page[:16]) == pages.SQLITE)
        ):
            yield Found("erased", str(file), f"page {number}")


def _rows(file: Path, sought: Sought) -> Iterator[Found]:
    """The rows as SQLite shows them, with what its log adds."""
    con = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    con.text_factory = bytes
    try:
        tables = [name.decode() for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            named = '"' + table.replace('"', '""') + '"'
            found = con.execute(f"SELECT * FROM {named}")
            columns = [one[0] for one in found.description]
            for number, row in enumerate(found):
                for name, value in zip(columns, row, strict=True):
                    if isinstance(value, bytes):
                        for what in _kinds([value], sought, bool(sought.suppressions)):
                            yield Found(what, str(file), f"{table}.{name}", number)
    finally:
        con.close()


def _duckdb(one: _Open) -> Iterator[Found]:
    import duckdb

    one.unread.append((str(one.file), "free blocks of a DuckDB one.file: only their bytes were looked at"))
    yield from _raw(one.file, one.held, one.sought)
    with duckdb.connect(str(one.file), read_only=True) as con:
        asked = (
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE NOT internal"
            " AND (data_type LIKE '%VARCHAR%' OR data_type LIKE '%BLOB%')"
        )
        for schema, table, column in con.execute(asked).fetchall():
            named = ".".join('"' + one.replace('"', '""') + '"' for one in (schema, table))
            quoted = '"' + column.replace('"', '""') + '"'
            told = con.execute(f"SELECT {quoted} FROM {named}")
            row, by_hash = 0, bool(one.sought.suppressions) and column not in WORDS
            while block := told.fetchmany(8_192):
                for (value,) in block:
                    for what in _kinds(_inside(value), one.sought, by_hash):
                        yield Found(what, str(one.file), f"{table}.{column}", row)
                    row += 1
