"""Reads a CSV, JSONL or Parquet file into DuckDB so that every row is there or is counted as unreadable.

CSV and JSONL columns are all text, so that no number or time is guessed on the way. Once the file is read,
the connection can reach no other file and no network: an expression of a map sees the rows and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aboveboard import paths
from aboveboard.errors import SourceError
from aboveboard.ledger.choice_map import ChoiceMap
from aboveboard.ledger.flatten import quoted

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

EXACT = 2**53
"""Whole numbers up to here survive JavaScript and every JSON reader that makes doubles of them."""

_MEMORY = "512MB"
_NOT_A_LINE = "\x01"  # cannot stand in JSON text, so a "CSV" delimited by it is a list of lines


@contextmanager
def engine(files: Sequence[Path], zone: str) -> Iterator[Connection]:
    """A DuckDB connection that may read these files only, and spills to a folder that is gone afterwards."""
    import duckdb

    with TemporaryDirectory(prefix="aboveboard-") as spill, duckdb.connect(config=_settings(spill)) as con:
        con.execute(f"SET allowed_paths = {literals([str(path) for path in files])}")
        con.execute("SET enable_external_access = false")
        con.execute(f"SET TimeZone = {literal(zone)}")
        con.execute("SET preserve_insertion_order = true")  # or rows would lose their numbers
        yield con


def _settings(spill: str) -> dict[str, str | bool | int | float | list[str]]:
    offline: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    return {**offline, "memory_limit": _MEMORY, "temp_directory": spill}


def literal(value: str) -> str:
    """A text as an SQL literal, where a statement takes no bound values."""
    return "'" + value.replace("'", "''") + "'"


def literals(values: Sequence[str]) -> str:
    """A list of texts as an SQL literal."""
    return "[" + ", ".join(literal(value) for value in values) + "]"


def read(con: Connection, path: Path, choice_map: ChoiceMap) -> None:
    """Make ``file_rows`` (the file's columns) and ``unreadable`` (``row``, ``line``) from the file.

    Rows of ``file_rows`` are numbered from 1 in the column ``aboveboard row``. Raises SourceError for a file
    that cannot be read at all.
    """
    import duckdb

    readers = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}
    if not path.is_file():
        raise SourceError("no such file", hint="give the file with the choices", file=path)
    try:
        readers[choice_map.format_of(path)](con, path, choice_map)
    except duckdb.Error as error:  # fatal, and told without its message, which quotes the file
        raise SourceError(
            "the file cannot be read",
            hint="check its format and encoding (UTF-8)",
            file=path,
            kind=type(error).__name__,
        ) from None


_CSV = """
CREATE TABLE file_lines AS SELECT * FROM {rows};
CREATE VIEW file_rows AS SELECT rowid + 1 AS "aboveboard row", * FROM file_lines;
CREATE TABLE unreadable AS SELECT DISTINCT NULL::BIGINT AS row, line::BIGINT AS line FROM reject_errors;
"""


def _read_csv(con: Connection, path: Path, choice_map: ChoiceMap) -> None:
    delimiter = choice_map.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    rows = paths.scan(
        "read_csv", path, "all_varchar = true", "header = true", "skip = 0", f"delim = {literal(delimiter)}", "quote = '\"'",
        "escape = '\"'", "comment = ''", "store_rejects = true",
    )  # fmt: skip
    con.execute(_CSV.format(rows=rows))


_LINES = """
CREATE TABLE file_lines AS SELECT line FROM {rows};
CREATE TABLE unreadable AS SELECT rowid + 1 AS row, rowid + 1 AS line FROM file_lines
 WHERE trim(line) <> '' AND NOT (json_valid(line) AND coalesce(TRY(json_type(line)), '') = 'OBJECT');
"""
_KEYS = """
SELECT DISTINCT unnest(json_keys(line)) AS key FROM file_lines
 WHERE trim(line) <> '' AND rowid + 1 NOT IN (SELECT row FROM unreadable) ORDER BY key
"""
_OBJECTS = """
CREATE VIEW file_rows AS SELECT row AS "aboveboard row", {columns}
  FROM (SELECT rowid + 1 AS row, json_extract_string(line, {keys}) AS v FROM file_lines
         WHERE trim(line) <> '' AND rowid + 1 NOT IN (SELECT row FROM unreadable))
"""


def _read_jsonl(con: Connection, path: Path, _choice_map: ChoiceMap) -> None:
    """Every top-level key is a column of text; what is nested stays JSON, for ``->>`` in the map."""
    rows = paths.scan(
        "read_csv", path, "auto_detect = false", "header = false", f"delim = {literal(_NOT_A_LINE)}", "quote = ''", "escape = ''",
        "columns = {'line': 'VARCHAR'}", "max_line_size = 16777216",
    )  # fmt: skip
    con.execute(_LINES.format(rows=rows))
    keys = [key for (key,) in con.execute(_KEYS).fetchall()]
    columns = ", ".join(f"v[{at}] AS {quoted(key)}" for at, key in enumerate(keys, 1)) or "NULL AS nothing"
    named = literals([f'$."{key}"' for key in keys]) if keys else "['$.nothing']"
    con.execute(_OBJECTS.format(columns=columns, keys=named))


_PARQUET = """
CREATE TABLE file_lines AS SELECT * FROM {rows};
CREATE VIEW file_rows AS SELECT rowid + 1 AS "aboveboard row", * FROM file_lines;
CREATE TABLE unreadable (row BIGINT, line BIGINT);
"""


def _read_parquet(con: Connection, path: Path, _choice_map: ChoiceMap) -> None:
    con.execute(_PARQUET.format(rows=paths.parquet(path)))


def json_numbers_beyond_exact(con: Connection, expression: str) -> int:
    """How many lines hold, under a key the expression mentions, a JSON number that readers round.

    Asked of the raw lines, because a number and a text look the same once they are columns.
    """
    words = sorted({re.escape(word) for word in re.findall(r"\w+", expression)})
    pattern = '"(?:' + "|".join(words) + r')"\s*:\s*-?([0-9]{16,})'
    sql = """SELECT count(*) FROM file_lines
              WHERE len(list_filter(regexp_extract_all(line, $pattern, 1),
                    lambda digits: len(ltrim(digits, '0')) > 16 OR digits::HUGEINT > $exact)) > 0"""
    return int(con.execute(sql, {"pattern": pattern, "exact": EXACT}).fetchall()[0][0])
