"""Opens any table file as the view ``raw``: its columns, and beside them where each row stands and what is
wrong.

Parquet and DuckDB tables are read in place; CSV, JSON lines and SQLite are streamed through Arrow, so that a
malformed row is one row with a fault instead of the end of the read. Nothing is guessed: CSV fields stay
text, and JSON numbers keep their kind.
"""

from __future__ import annotations

import codecs
import glob
import hashlib
import io
import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from aboveboard import paths
from aboveboard.errors import SourceError, unknown_term
from aboveboard.sources.session import failed, identifier, literal, types_of

FORMATS = {
    "parquet": "parquet", "pq": "parquet", "csv": "csv", "tsv": "csv", "jsonl": "jsonl", "ndjson": "jsonl",
    "json": "json", "duckdb": "duckdb", "db": "sqlite", "sqlite": "sqlite", "sqlite3": "sqlite",
}  # fmt: skip
"""Endings and the format they stand for; a last ``.gz``, ``.zst`` or ``.bz2`` is looked through for text."""
PLACE = ("__file", "__row", "__fault")
"""What ``raw`` has beside the columns: index of the file, 0-based row in it, and why the row cannot be read.
"""
BLOCK = 2 << 20
"""Bytes of a text file that are looked at together; no row of a CSV file may be longer."""
BATCH = 16_384

Faults = list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Input:
    """One table as a mapping names it: its files in order, and how to open them."""

    paths: tuple[Path, ...]
    format: str
    table: str | None = None
    delimiter: str = ","
    optional: Mapping[str, object] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The files' names as reports show them: below their common folder, so that no machine path shows."""
        top = os.path.commonpath([path.parent for path in self.paths])
        return tuple(path.relative_to(top).as_posix() for path in self.paths)


@dataclass(slots=True)
class Opened:
    """An input as the view ``raw``. ``rows`` is known once the stream has been read to its end."""

    total: int | None = None
    rows: int | None = None
    numbers_unsafe: bool = False
    failure: SourceError | None = None


def find(patterns: Sequence[str], base: Path) -> tuple[Path, ...]:
    """The files that paths or globs name, relative to ``base``; each pattern's files in order of name. What is the name of a
    file names that file, and ``base`` is no pattern."""
    found: list[Path] = []
    for pattern in patterns:
        alone, within = base / pattern, Path(glob.escape(str(base)))
        hits = [] if alone.is_file() else sorted(glob.glob(str(within / pattern), recursive=True))
        found += [Path(hit).resolve() for hit in hits or [str(alone)]]
    for path in found:
        if not path.is_file():
            raise SourceError(
                "a file of the table is missing", hint="paths are relative to the mapping", file=path.name
            )
    return tuple(dict.fromkeys(found))


def format_of(path: Path, said: str | None) -> str:
    """The format that a mapping says, or that the ending says; an unknown one is refused by name."""
    ending = path.name.lower().removesuffix(".gz").removesuffix(".zst").removesuffix(".bz2").rpartition(".")[2]
    key = said or ending
    if key not in FORMATS:
        raise unknown_term("table format", key, FORMATS)
    return FORMATS[key]


def digest(inputs: Sequence[Input]) -> str:
    """SHA-256 over the names and contents of all files, in order."""
    lines = []
    for one in inputs:
        for name, path in zip(one.names, one.paths, strict=True):
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def stamps(paths: Sequence[Path]) -> tuple[tuple[int, int, int], ...]:
    """What a file system changes with a file: its number, size and time, for each file (of a folder: each in it)."""
    found = [p for path in paths for p in ([path] if path.is_file() else sorted(path.rglob("*")))]
    told = (path.stat() if path.exists() else path.lstat() for path in found)  # a link may lead nowhere
    return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in told)


def refuse_changed(source: str, paths: Sequence[Path], before: tuple[tuple[int, int, int], ...]) -> None:
    """Raises where a file is another one than when reading began: half of each would be in what was read."""
    if stamps(paths) != before:
        raise SourceError(
            "a file changed while it was read", source=source, hint="read a finished copy, or wait until it is written"
        )


def open_raw(con: Any, one: Input, view: str = "raw") -> Opened:
    """Makes ``view`` in the session; reading it to the end fills ``Opened.rows``."""
    opener = {
        "parquet": _parquet,
        "csv": _csv,
        "jsonl": _lines,
        "json": _json,
        "duckdb": _duckdb,
        "sqlite": _sqlite,
    }
    try:
        return opener[one.format](con, one, view)
    except (duckdb.Error, pa.ArrowException, sqlite3.Error) as error:
        raise failed(error, f"the table cannot be opened as {one.format}", file=one.names[0]) from error


# --- read in place ------------------------------------------------------------------------------------------


def _parquet(con: Any, one: Input, view: str) -> Opened:
    rows = paths.parquet(one.paths, "union_by_name")
    names = ", ".join(map(paths.to_read, one.paths))
    place = "CAST(file_index AS INTEGER) AS __file, file_row_number AS __row, CAST(NULL AS VARCHAR) AS __fault"
    absent = _absent(one, types_of(con, f"SELECT * FROM {rows}"))
    con.execute(f"CREATE TEMP VIEW {view} AS SELECT {place}, *{absent} FROM {rows}")
    total = con.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata([{names}])").fetchall()[0][0]
    return Opened(int(total), int(total))


def _duckdb(con: Any, one: Input, view: str) -> Opened:
    con.execute(f"ATTACH {paths.quoted(paths.to_open(one.paths[0]))} AS attached_{view} (READ_ONLY)")
    table = ".".join(identifier(piece) for piece in [f"attached_{view}", *_named_table(one).split(".")])
    place = "0 AS __file, row_number() OVER () - 1 AS __row, CAST(NULL AS VARCHAR) AS __fault"
    absent = _absent(one, types_of(con, f"SELECT * FROM {table}"))
    con.execute(f"CREATE TEMP VIEW {view} AS SELECT {place}, *{absent} FROM {table}")
    total = con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    return Opened(total, total)


def _named_table(one: Input) -> str:
    if not one.table:
        raise SourceError("which table of the database?", hint='add `table = "..."`', file=one.names[0])
    if len(one.paths) > 1:
        raise SourceError("one database at a time", hint="name a single file", file=one.names[1])
    return one.table


def _absent(one: Input, present: Mapping[str, str]) -> str:
    """Columns a mapping calls optional that these files lack: they are there, and unknown."""
    known = {name.lower() for name in present}
    lacking = {name: kind for name, kind in one.optional.items() if name.lower() not in known}
    return "".join(f", CAST(NULL AS {_sql_type(kind)}) AS {identifier(name)}" for name, kind in lacking.items())


def _sql_type(structure: object) -> str:
    """The DuckDB type for a structure in the form of ``json_group_structure``."""
    if isinstance(structure, Mapping):
        fields = ", ".join(f"{identifier(name)} {_sql_type(inner)}" for name, inner in structure.items())
        return f"STRUCT({fields})"
    if isinstance(structure, list):
        return f"{_sql_type(structure[0])}[]"
    return str(structure)


# --- JSON ---------------------------------------------------------------------------------------------------


def _lines(con: Any, one: Input, view: str) -> Opened:
    columns = pa.schema([*_PLACE_FIELDS, ("__json", pa.string())])
    rows = f"json_rows_{view}"
    con.register(rows, _reader(Opened(), columns, _json_lines(one, Opened())))
    structure = _structure(con, one, rows)
    opened = Opened(numbers_unsafe=True)
    con.register(rows, _reader(opened, columns, _json_lines(one, opened)))  # a stream is read once: open it again
    _json_view(con, structure, view, rows)
    return opened


def _json(con: Any, one: Input, view: str) -> Opened:
    largest = max(path.stat().st_size for path in one.paths)
    bound = 16 << 20 if _first_byte(one.paths[0]) == b"[" else min(max(largest, 16 << 20), 256 << 20)
    selects = [
        f"""SELECT {index} AS __file, row_number() OVER () - 1 AS __row, CAST(NULL AS VARCHAR) AS __fault,
            CAST(json AS VARCHAR) AS __json
            FROM {paths.scan("read_json_objects", path, "format = 'auto'", f"maximum_object_size = {bound}")}"""
        for index, path in enumerate(one.paths)
    ]
    rows = f"json_rows_{view}"
    con.execute(f"CREATE TEMP VIEW {rows} AS {' UNION ALL '.join(selects)}")
    total = con.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
    _json_view(con, _structure(con, one, rows), view, rows)
    return Opened(total, total, numbers_unsafe=True)


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]


def _structure(con: Any, one: Input, rows: str) -> str:
    """What the objects are made of, found by reading all of them: nothing depends on a sample."""
    shapes = f"SELECT DISTINCT CAST(TRY(json_structure({_OBJECT})) AS VARCHAR) AS shape FROM {rows}"
    found: Any = {}
    for (shape,) in con.execute(f"SELECT shape FROM ({shapes}) WHERE shape IS NOT NULL").fetchall():
        found = _together(found, json.loads(shape.replace('"JSON"', f'"{_EMPTY}"')))
    structure = _with_optional(found, one.optional)
    if not structure:
        raise SourceError("the table holds no JSON object", file=one.names[0])
    return json.dumps(structure, sort_keys=True)


def _together(one: Any, other: Any) -> Any:
    """A shape that holds both; ``JSON`` where they have nothing in common: each value keeps its kind."""
    if one == other or other == "NULL":
        return one
    if one == "NULL":
        return other
    if _EMPTY in (one, other) and isinstance(here := other if one == _EMPTY else one, dict):
        return here
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: _together(one.get(name, "NULL"), other.get(name, "NULL")) for name in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [_together(one[0], other[0])]
    if isinstance(one, str) and isinstance(other, str) and {one, other} <= _NUMBERS:
        return "DOUBLE" if "DOUBLE" in (one, other) else "HUGEINT"
    return "JSON"


_EMPTY = "{}"
"""An object without fields, which DuckDB gives the shape ``JSON``: it goes with every other object."""
_NUMBERS = {"UBIGINT", "BIGINT", "HUGEINT", "DOUBLE"}


def _with_optional(found: Any, optional: Any) -> Any:
    """Adds what a mapping calls optional. What is found wins: a number must stay recognisable as a number."""
    if isinstance(found, Mapping):
        wanted = optional if isinstance(optional, Mapping) else {}
        return {n: _with_optional(found.get(n, "NULL"), wanted.get(n, "JSON")) for n in {**found, **wanted}}
    if isinstance(found, list):
        return [_with_optional(found[0], optional[0] if isinstance(optional, list) else "JSON")]
    return {"NULL": optional, _EMPTY: "JSON"}.get(found, found)


_OBJECT = "CASE WHEN __fault IS NULL AND starts_with(ltrim(__json, E' \\t\\r\\n'), '{') THEN __json END"
"""What may be an object and nothing else; whether it is one shows when it is read."""


def _json_view(con: Any, structure: str, view: str, rows: str) -> None:
    con.execute(f"""
        CREATE TEMP VIEW {view} AS
        SELECT __file, __row, object.*,
            CASE WHEN __fault IS NOT NULL THEN __fault
                 WHEN object IS NOT NULL THEN NULL
                 WHEN json_valid(__json) THEN 'the row is not a JSON object'
                 ELSE 'the line is not valid JSON' END AS __fault
        FROM (SELECT *, TRY(json_transform({_OBJECT}, {literal(structure)})) AS object FROM {rows})""")


def _json_lines(one: Input, opened: Opened) -> Iterator[pa.RecordBatch]:
    opened.rows = 0
    for index, path in enumerate(one.paths):
        first = 0
        stream = _text_lines(path)
        while lines := list(itertools.islice(stream, BATCH)):
            filled = [(number, line) for number, line in enumerate(lines, first) if not line.isspace()]
            opened.rows += len(filled)
            first += len(lines)
            yield _line_batch(index, filled)


def _line_batch(index: int, lines: Sequence[tuple[int, bytes]]) -> pa.RecordBatch:
    rows = pa.array([row for row, _ in lines], pa.int64())
    written = pa.record_batch([pa.array([line for _, line in lines], pa.binary())], names=["__json"])
    return _with_place(written, index, rows)


def _text_lines(path: Path) -> Iterator[bytes]:
    with _utf8(path) as stream:
        yield from io.BufferedReader(stream, BLOCK)


# --- streamed through Arrow ---------------------------------------------------------------------------------

_PLACE_FIELDS = [("__file", pa.int32()), ("__row", pa.int64()), ("__fault", pa.string())]


def _reader(opened: Opened, columns: pa.Schema, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatchReader:
    """A stream for DuckDB. An error of ours would surface as a foreign one, so it is kept in ``opened``."""

    def guarded() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except SourceError as error:
            opened.failure = error
            raise

    return pa.RecordBatchReader.from_batches(columns, guarded())


def _csv(con: Any, one: Input, view: str) -> Opened:
    names = _header(one, 0)
    opened = Opened()
    columns = pa.schema([*_PLACE_FIELDS, *((name, pa.string()) for name in names)])
    con.register(f"csv_rows_{view}", _reader(opened, columns, _csv_batches(one, names, opened)))
    absent = _absent(one, dict.fromkeys(names, ""))
    con.execute(f"CREATE TEMP VIEW {view} AS SELECT *{absent} FROM csv_rows_{view}")
    return opened


def _header(one: Input, index: int) -> list[str]:
    with _utf8(one.paths[index]) as stream, _csv_reader(stream, one, lambda _: "skip") as reader:
        names = list(reader.schema.names)
    if len({name.lower() for name in names}) < len(names):
        raise SourceError("two columns have one name", hint="rename one in the header", file=one.names[index])
    return names


def _csv_batches(one: Input, names: Sequence[str], opened: Opened) -> Iterator[pa.RecordBatch]:
    opened.rows = 0
    for index, path in enumerate(one.paths):
        if sorted(_header(one, index)) != sorted(names):
            raise SourceError("files of one table have different columns", file=one.names[index])
        for batch in _csv_file(one, index, path, names):
            opened.rows += batch.num_rows
            yield batch


def _csv_file(one: Input, index: int, path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The batches of one file, each held back until the next is there: only the end shows an open quotation
    mark.
    """
    faults: Faults = []

    def malformed(row: Any) -> str:
        fault = f"the row has {row.actual_columns} fields where the header has {row.expected_columns}"
        faults.append((row.number - 2, fault))  # the header is number 1
        return "skip"

    next_row = 0
    with _utf8(path) as stream:
        quotes = _Quotes(stream)
        held: pa.RecordBatch | None = None
        for batch in _csv_reader(quotes, one, malformed, names):
            if held is not None and batch.num_rows:
                placed, next_row = _placed(held, index, next_row, faults, last=False)
                yield placed
            held = batch if batch.num_rows or held is None else held
        if held is None:  # not one good row
            held = pa.RecordBatch.from_pylist([], pa.schema([(name, pa.binary()) for name in names]))
        placed, _ = _placed(held, index, next_row, faults, last=True)
        yield _cut_short(placed) if quotes.odd else placed


def _csv_reader(
    stream: Any, one: Input, malformed: Callable[[Any], str], names: Sequence[str] = ()
) -> pa.csv.CSVStreamingReader:
    try:
        return pa.csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            # one thread, because only then Arrow knows the number of a malformed row
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=BLOCK),
            parse_options=pa.csv.ParseOptions(
                delimiter=one.delimiter, newlines_in_values=True, invalid_row_handler=malformed
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()),
                include_columns=list(names),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise failed(error, "the file has no header that can be read", file=one.names[0]) from error


def _placed(batch: pa.RecordBatch, index: int, first: int, faults: Faults, *, last: bool) -> tuple[pa.RecordBatch, int]:
    """A batch with its place: malformed rows are put back as rows of nulls, so that numbers stay those of the
    file.
    """
    if not faults:
        return _with_place(batch, index, range(first, first + batch.num_rows)), first + batch.num_rows
    mine: Faults = []
    number, left = first, batch.num_rows
    rows: list[int] = []
    while left or (last and faults):
        if faults and faults[0][0] <= number:
            mine.append(faults.pop(0))
        else:
            rows.append(number)
            left -= 1
        number += 1
    good = _with_place(batch, index, rows)
    if not mine:
        return good, number
    bad = _fault_batch(good.schema, index, mine)
    both = pa.Table.from_batches([good, bad]).sort_by("__row").combine_chunks()
    return both.to_batches()[0], number


def _with_place(batch: pa.RecordBatch, index: int, rows: Sequence[int] | pa.Array) -> pa.RecordBatch:
    """The fields as text; a row that is not UTF-8 gets a fault and loses its fields."""
    faults = pa.nulls(batch.num_rows, pa.string())
    try:
        texts = [column.cast(pa.string()) for column in batch.columns]
    except pa.ArrowInvalid:
        wrong = _not_utf8(batch)
        faults = pc.if_else(wrong, "the row is not valid UTF-8", pa.scalar(None, pa.string()))
        texts = [pc.if_else(wrong, None, column).cast(pa.string()) for column in batch.columns]
    place = [pa.array([index] * len(rows), pa.int32()), pa.array(rows, pa.int64()), faults]
    return pa.record_batch([*place, *texts], names=[*PLACE, *batch.schema.names])


def _not_utf8(batch: pa.RecordBatch) -> pa.BooleanArray:
    """Which rows have a field that is not UTF-8, looked for one by one."""
    columns = [column.to_pylist() for column in batch.columns]
    return pa.array(
        [any(value is not None and not _is_utf8(value) for value in row) for row in zip(*columns, strict=True)]
    )


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fault_batch(columns: pa.Schema, index: int, faults: Faults) -> pa.RecordBatch:
    rows = [{"__file": index, "__row": row, "__fault": fault} for row, fault in faults]
    return pa.RecordBatch.from_pylist(rows, schema=columns)


def _cut_short(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The last batch of a file that ends inside a quotation: its last row is cut short, whatever it holds."""
    if not batch.num_rows:
        return batch
    cut = _fault_batch(
        batch.schema,
        batch.column("__file")[-1].as_py(),
        [(batch.column("__row")[-1].as_py(), "the file ends inside quotation marks")],
    )
    return pa.Table.from_batches([batch.slice(0, batch.num_rows - 1), cut]).combine_chunks().to_batches()[0]


class _Quotes(io.RawIOBase):
    """A stream that remembers whether an odd number of quotation marks went by."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.odd = False

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self.stream.read(size)
        self.odd ^= bool(data.count(b'"') % 2)
        return data

    def readable(self) -> bool:
        return True


def _utf8(path: Path) -> Any:
    """The bytes of a text file, decompressed, without byte order mark and as UTF-8 whatever they were."""
    compression = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}.get(path.suffix.lower())
    stream: BinaryIO = pa.input_stream(str(path), compression=compression, buffer_size=BLOCK)
    head = stream.read(3)
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return _Transcoded(_Joined(head, stream))
    return _Joined(head.removeprefix(codecs.BOM_UTF8), stream)


class _Joined(io.RawIOBase):
    """A stream whose first bytes have already been read."""

    def __init__(self, head: bytes, stream: Any) -> None:
        self.head = head
        self.stream = stream

    def read(self, size: int = -1, /) -> bytes:
        wanted = BLOCK if size is None or size < 0 else size
        head, self.head = self.head[:wanted], self.head[wanted:]
        return head + bytes(self.stream.read(wanted - len(head)))

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readable(self) -> bool:
        return True


class _Transcoded(_Joined):
    """UTF-16 as UTF-8."""

    def __init__(self, stream: Any) -> None:
        super().__init__(b"", stream)
        self.decoder = codecs.getincrementaldecoder("utf-16")(errors="strict")
        self.ready = b""

    def read(self, size: int = -1, /) -> bytes:
        wanted = BLOCK if size is None or size < 0 else size
        while not self.ready and (data := self.stream.read(wanted)):
            self.ready = self.decoder.decode(data).encode()
        out, self.ready = self.ready[:wanted], self.ready[wanted:]
        return out


# --- SQLite -------------------------------------------------------------------------------------------------


def _sqlite(con: Any, one: Input, view: str) -> Opened:
    """Through Python, because DuckDB's extension would have to be fetched from the network."""
    table = identifier(_named_table(one))
    base = sqlite3.connect(f"{one.paths[0].as_uri()}?mode=ro", uri=True)
    names = [row[1] for row in base.execute(f"PRAGMA table_info({table})")]
    if not names:
        raise SourceError(f"no table `{one.table}` in the database", file=one.names[0])
    total = base.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    kinds = {name: _sqlite_type(base, table, name) for name in names}
    base.close()
    opened = Opened(total)
    columns = pa.schema([*_PLACE_FIELDS, *kinds.items()])
    con.register(f"sqlite_rows_{view}", _reader(opened, columns, _sqlite_batches(one, table, columns, opened)))
    absent = _absent(one, dict.fromkeys(names, ""))
    con.execute(f"CREATE TEMP VIEW {view} AS SELECT *{absent} FROM sqlite_rows_{view}")
    return opened


def _sqlite_type(base: sqlite3.Connection, table: str, name: str) -> pa.DataType:
    """SQLite types values, not columns: a column has a type only when all of its values share one, else it is
    text.
    """
    found = {row[0] for row in base.execute(f"SELECT DISTINCT typeof({identifier(name)}) FROM {table}")} - {"null"}
    alone = {"integer": pa.int64(), "real": pa.float64(), "blob": pa.binary()}
    return alone.get(next(iter(found)), pa.string()) if len(found) == 1 else pa.string()


def _sqlite_batches(one: Input, table: str, columns: pa.Schema, opened: Opened) -> Iterator[pa.RecordBatch]:
    base = sqlite3.connect(f"{one.paths[0].as_uri()}?mode=ro", uri=True, check_same_thread=False)
    kinds = columns.types[len(PLACE) :]
    cursor = base.execute(f"SELECT * FROM {table}")
    opened.rows = 0
    while rows := cursor.fetchmany(BATCH):
        values = [_sqlite_array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        numbers = pa.array(range(opened.rows, opened.rows + len(rows)), pa.int64())
        place = [pa.array([0] * len(rows), pa.int32()), numbers, pa.nulls(len(rows), pa.string())]
        opened.rows += len(rows)
        yield pa.record_batch([*place, *values], schema=columns)
    base.close()


def _sqlite_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        values = [None if value is None or isinstance(value, bytes) else str(value) for value in values]
    return pa.array(values, kind)
