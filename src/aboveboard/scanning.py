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
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aboveboard import kernel, manifest, pages, paths, suppression
from aboveboard.merkle import WIDTH
from aboveboard.suppression import Suppressions

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

LONGEST = 128
"""An identifier has at most so many bytes; what is longer, or has a blank in it, is no identifier."""
KNOWN = 4_000_000
"""So many values are remembered at most that are on no list."""
BATCH = 65_536
"""So many values are asked for at a time."""
SEPARATOR = "\x1e"
"""What joins values of a database to one text: the record separator of ASCII. Where a value has one in it, none are joined."""
FEW = 3
"""So many names are looked for one after another."""
WORDS = frozenset({"text", "content", "shape"})
"""Columns of what people wrote: names are looked for in them, identifiers by their hash are not."""
Progress = Callable[[int, int], None]
_One = TypeVar("_One")
_IN_ITS_PLACE = suppression.ERASED.encode()
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
    every_row: bool = False
    """Hash every row again, also where a tile that the manifest binds has its leaf."""
    passed: set[bytes] = field(default_factory=set, repr=False, compare=False)
    """What was asked of the list already and is not on it: most files name the same people and records."""

    def has_text(self, value: bytes) -> bool:
        """Whether this is a text with one of the hashes."""
        return bool(self.texts) and hashlib.sha256(value).digest() in self.texts

    def texts_among(self, values: Iterable[bytes]) -> set[bytes]:
        """Those of many values that are."""
        return {value for value in values if self.has_text(value)}

    def named_in(self, data: bytes) -> bool:
        """Whether one of the names is in these bytes."""
        needles = self.needles
        if len(needles) <= FEW:
            return any(needle in data for needle in needles)
        import pyarrow as pa
        import pyarrow.compute as pc

        # Many at once are looked for by an automaton: one reading, however many they are.
        return bool(pc.match_substring_regex(pa.array([data], pa.binary()), self.pattern)[0].as_py())

    @cached_property
    def pattern(self) -> str:
        """The names as one regular expression over bytes."""
        return "|".join("".join(f"\\x{byte:02x}" for byte in needle) for needle in self.needles)

    @cached_property
    def needles(self) -> tuple[bytes, ...]:
        """The names as bytes, also as JSON escapes them."""
        written = [form for name in self.names for form in (name, json.dumps(name)[1:-1])]
        return tuple(dict.fromkeys(one.encode("utf-8", "surrogatepass") for one in written))

    def erased(self, value: bytes) -> bool:
        """Whether this is an identifier of somebody who was erased; what stands in its place is none."""
        return value not in self.passed and bool(self.erased_among((value,)))

    def erased_in_column(self, column: pa.Array) -> bool:
        """Whether one of the values of a column of bytes is."""
        found = kernel.listed_in_column(self.suppressions.asked(), column, LONGEST)
        if found is None:
            return bool(self.erased_among(_distinct(column)))
        column = column.drop_null()
        return bool(self.erased_among(column[at].as_py() for at in (*found.listed, *found.ask)))

    def erased_in_page(self, page: pages.Page) -> bool:
        """Whether one of the values of a dictionary page is."""
        found = kernel.listed_in_page(self.suppressions.asked(), page.data, page.values, LONGEST)
        if found is None:
            return bool(self.erased_among(pages.plain_values(page)))
        if not (found.listed or found.ask):
            return False
        values = list(pages.plain_values(page))
        return bool(self.erased_among(values[at] for at in (*found.listed, *found.ask)))

    def erased_among(self, values: Iterable[bytes]) -> set[bytes]:
        """Those of many values that are: each is asked for once, however many files it stands in. The kernel has asked before
        anybody could remember."""
        if kernel.there():
            return {
                one for one in self.suppressions.among(values, LONGEST) if one and not one.startswith(_IN_ITS_PLACE)
            }
        passed = self.passed
        new = {value for value in values if value not in passed and 0 < len(value) <= LONGEST}
        found = {value for value in self.suppressions.among(new) if not value.startswith(_IN_ITS_PLACE)}
        if len(passed) + len(new) > KNOWN:
            passed.clear()
        passed.update(new - found if found else new)
        return found


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
                for hit in look(one):
                    found[hit] = None  # one by one: what was found before something went wrong is found
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
    tokens = ((match.start(), _told(match.group(match.lastindex or 0), pattern)) for match in pattern.finditer(held))
    for some in _batches(tokens):
        gone = sought.erased_among(token for _, token in some)
        if gone:
            yield from (Found("erased", str(file), f"bytes at {at}") for at, token in some if token in gone)


def _batches(found: Iterable[_One]) -> Iterator[list[_One]]:
    """Some at a time."""
    left = iter(found)
    return iter(lambda: list(islice(left, BATCH)), [])


def _told(token: bytes, pattern: re.Pattern[bytes]) -> bytes:
    """What a token says: strings of JSON may be escaped. Nothing where it says nothing."""
    if b"\\" not in token or pattern is not _QUOTED:
        return token
    try:
        said: str = json.loads(b'"' + token + b'"')
    except ValueError:
        return b""
    return said.encode("utf-8", "surrogatepass")


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
        columns = [meta.schema.column(n) for n in range(meta.num_columns)]
        names = [column.path for column in columns]
        # A hash is no identifier, and words are none.
        words = [str(c.logical_type) != "String" or c.path.split(".")[-1] in WORDS for c in columns]
        begin = 0
        for group in range(meta.num_row_groups):
            for column, name in enumerate(names):
                chunk = meta.row_group(group).column(column)
                if chunk.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
                    at = _Chunk(group, column, name, begin, words[column])
                    yield from _chunk(one.file, table, one.view, one.sought, at, chunk)
            begin += meta.row_group(group).num_rows
    # Minima and maxima in the footer and in page headers, and whatever no column owns.
    yield from _raw(one.file, one.held, one.sought)
    if one.sought.leaves and "nonce" in names and not _bound(one):
        yield from _leaves(one.file, one.sought)


def _bound(one: _Open) -> bool:
    """Whether this is a data file of a release as its manifest says, to the byte, and its tile too: then the tile has the
    leaves of its rows, and is looked into itself. ``verify`` is what hashes every row again."""
    release = one.file.parent.parent
    if one.sought.every_row or not (release / "manifest.json").is_file():
        return False
    said = json.loads((release / "manifest.json").read_bytes())
    digests = {subject["name"]: subject["digest"]["sha256"] for subject in said["subject"]}
    name = one.file.relative_to(release).as_posix()
    key = next((shard["key"] for shard in said["predicate"]["layout"]["shards"] if shard["file"] == name), None)
    if key is None or digests.get(name) != hashlib.sha256(one.view).hexdigest():
        return False
    tile = release / manifest.tile_name(key, 0)
    return tile.is_file() and digests.get(manifest.tile_name(key, 0)) == hashlib.sha256(tile.read_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Where a column chunk stands: its row group, column and first row; and whether it can hold no identifier."""

    group: int
    column: int
    name: str
    begin: int
    wordy: bool


def _chunk(
    file: Path, table: pq.ParquetFile, view: memoryview, sought: Sought, at: _Chunk, chunk: pq.ColumnChunkMetaData
) -> Iterator[Found]:
    by_hash = bool(sought.suppressions) and not at.wordy
    hit = left = plain = False
    coded = "DELTA_BYTE_ARRAY" in chunk.encodings  # values are told by what they share with the one before
    if sought.needles or by_hash:
        for page in pages.of_chunk(view, chunk):
            hit = hit or sought.named_in(page.data)
            plain = plain or not (page.dictionary or page.numbers)
            if by_hash and page.dictionary and chunk.physical_type == "BYTE_ARRAY":
                left = left or sought.erased_in_page(page)
    if by_hash and plain and not left:  # what is in no dictionary: everybody once
        whole = table.read_row_group(at.group, columns=[at.name]).column(0)
        left = any(sought.erased_in_column(one) for one in _texts(whole))
    if hit or coded or left or sought.texts:
        yield from _values(file, table, sought, at, by_hash, hit, left)


def _texts(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The texts of a column, however deep they lie."""
    import pyarrow as pa

    for chunk in column.chunks:
        pieces = [chunk]
        while pieces:
            piece = pieces.pop()
            if pa.types.is_list(piece.type) or pa.types.is_large_list(piece.type):
                pieces.append(piece.flatten())
            elif pa.types.is_struct(piece.type):
                pieces += piece.flatten()
            elif pa.types.is_string(piece.type) or pa.types.is_binary(piece.type):
                yield piece.cast(pa.binary())


def _distinct(column: pa.Array) -> Iterator[bytes]:
    """Every short text of a column once."""
    import pyarrow.compute as pc

    short = column.filter(pc.less_equal(pc.binary_length(column), LONGEST))
    return (value for value in short.unique().to_pylist() if value is not None)


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
        if sought.has_text(value):
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
    import pyarrow.parquet as pq

    begin = 0
    with pq.ParquetFile(file) as held:
        for batch in held.iter_batches(BATCH, columns=list(manifest.RELEASED_COLUMNS)):
            hashes = manifest.leaves(batch)
            for at in range(0, len(hashes), WIDTH):
                if hashes[at : at + WIDTH] in sought.leaves:
                    yield Found("row", str(file), "leaf", begin + at // WIDTH)
            begin += len(batch)


# --- databases ----------------------------------------------------------------------------------------------------


def _sqlite(one: _Open) -> Iterator[Found]:
    yield from _rows(one.file, one.sought)
    for needle in one.sought.needles:
        if (at := one.held.find(needle)) >= 0:
            yield Found("identifier", str(one.file), f"page {at // pages.page_size(one.view) + 1}")
    # What SQLite shows was looked at; here is what it does not: free pages, and pages that its log has a newer copy of.
    hidden = {*pages.free_of_sqlite(one.view), *_in_the_log(one.file)}
    found = ((number, page) for number, page in pages.of_sqlite(one.view) if number in hidden)
    yield from _in_pages(one.file, found, one.sought)


def _in_the_log(file: Path) -> Iterator[int]:
    log = file.with_name(f"{file.name}-wal")
    if log.is_file():
        yield from (number for number, _ in pages.of_wal(memoryview(log.read_bytes())))


def _wal(one: _Open) -> Iterator[Found]:
    yield from _raw(one.file, one.held, one.sought, "write-ahead log")
    yield from _in_pages(one.file, pages.of_wal(one.view), one.sought)


def _in_pages(file: Path, found: Iterator[tuple[int, memoryview]], sought: Sought) -> Iterator[Found]:
    """Identifiers by their hash in the cells of pages."""
    if sought.suppressions:
        for number, page in found:
            first = number == 1 and bytes(page[:16]) == pages.SQLITE
            if sought.erased_among(pages.texts_of(page, first)):
                yield Found("erased", str(file), f"page {number}")


def _rows(file: Path, sought: Sought) -> Iterator[Found]:
    """The rows as SQLite shows them, with what its log adds: the database looks through them, and only what it finds is
    told."""
    con = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    con.text_factory = bytes
    try:
        for table, column in _columns_of(con):
            for needle in sought.needles:
                asked = f"SELECT count(*) FROM {table} WHERE instr(CAST({column} AS BLOB), ?)"
                [(count,)] = con.execute(asked, [needle]).fetchall()
                if count:
                    yield Found("identifier", str(file), _plainly(table, column, count))
            if sought.suppressions and (count := _erased_in(con, table, column, sought)):
                yield Found("erased", str(file), _plainly(table, column, count))
            if sought.texts and (found := _among(con, table, column, sought.texts_among)):
                yield Found("text", str(file), _plainly(table, column, len(found)))
    finally:
        con.close()


def _erased_in(con: sqlite3.Connection, table: str, column: str, sought: Sought) -> int:
    """How many different values of a column are identifiers of people who were erased. Where there is a kernel, the database
    puts many values into one text: to hand them over one by one takes three times as long as to ask for them."""
    if kernel.there() and not any(sought.erased_in_column(one) for one in _joined(con, table, column)):
        return 0
    return len(_among(con, table, column, sought.erased_among))


def _joined(con: sqlite3.Connection, table: str, column: str) -> Iterator[pa.Array]:
    """The texts of a column that are short enough for an identifier, some thousands of rows at a time, as bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = f"FROM {table} WHERE typeof({column}) = 'text' AND length({column}) <= {LONGEST}"
    ranges = _ranges(con, table)
    for rows in ranges or ():
        [(count, text)] = con.execute(
            f"SELECT count(*), group_concat({column}, '{SEPARATOR}') {texts} AND {rows}"
        ).fetchall()
        values = pc.split_pattern(pa.array([text or b""], pa.binary()), SEPARATOR.encode()).values
        if len(values) != max(count, 1):  # one has the separator in it
            break
        yield values.unique()  # of most columns few are different
    else:
        if ranges is not None:
            return
    one_by_one = con.execute(f"SELECT {column} {texts}")
    yield from (pa.array([value for (value,) in block], pa.binary()) for block in _blocks(one_by_one))


def _ranges(con: sqlite3.Connection, table: str) -> list[str] | None:
    """A table in pieces of some thousands of rows, as conditions; None where its rows have no numbers of the database's own."""
    if any(one == table and column.lower() == '"_rowid_"' for one, column in _columns_of(con)):
        return None
    found, last = list[str](), None
    while True:
        after = "TRUE" if last is None else f"_rowid_ > {last}"
        asked = f"SELECT _rowid_ FROM {table} WHERE {after} ORDER BY _rowid_ LIMIT 1 OFFSET {BATCH - 1}"
        try:
            end = con.execute(asked).fetchone()
        except sqlite3.OperationalError:  # a table without rowid; if it is anything else, whoever reads will be told
            return None
        if end is None:
            return [*found, after]
        [last] = end
        found.append(f"{after} AND _rowid_ <= {last}")


def _among(
    con: sqlite3.Connection, table: str, column: str, among: Callable[[Iterable[bytes]], set[bytes]]
) -> set[bytes]:
    """The values of a column that are among something, one by one."""
    found: set[bytes] = set()
    for block in _blocks(con.execute(f"SELECT DISTINCT {column} FROM {table} WHERE typeof({column}) = 'text'")):
        found |= among([value for (value,) in block])
    return found


def _blocks(told: sqlite3.Cursor) -> Iterator[list[tuple[bytes]]]:
    return iter(lambda: told.fetchmany(BATCH), [])


def _columns_of(con: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every table and column, quoted; also columns that are made from others, but not those that a virtual table hides."""
    tables = con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    named = [_quoted(name.decode()) for (name,) in tables if not name.lower().startswith(b"sqlite_")]
    return [
        (table, _quoted(row[1].decode()))
        for table in named
        for row in con.execute(f"PRAGMA table_xinfo({table})").fetchall()
        if row[6] != _HIDDEN
    ]


_HIDDEN = 1


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plainly(table: str, column: str, count: int) -> str:
    name = f"{table}.{column}".replace('"', "")
    return name if count == 1 else f"{name}, {count:,} times"


def _duckdb(one: _Open) -> Iterator[Found]:
    import duckdb

    one.unread.append((str(one.file), "free blocks of a DuckDB one.file: only their bytes were looked at"))
    yield from _raw(one.file, one.held, one.sought)
    with duckdb.connect(paths.to_open(one.file), read_only=True) as con:
        asked = (
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE NOT internal"
            " AND (data_type LIKE '%VARCHAR%' OR data_type LIKE '%BLOB%')"
        )
        for schema, table, column in con.execute(asked).fetchall():
            told = con.execute(f"SELECT {_quoted(column)} FROM {_quoted(schema)}.{_quoted(table)}")
            row, by_hash = 0, bool(one.sought.suppressions) and column not in WORDS
            while block := told.fetchmany(8_192):
                for (value,) in block:
                    for what in _kinds(_inside(value), one.sought, by_hash):
                        yield Found(what, str(one.file), f"{table}.{column}", row)
                    row += 1
