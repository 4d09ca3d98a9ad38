"""The embedded DuckDB that sources read with: offline, bounded, in file order, in UTC, on named files only.

``macros`` are the only functions we add: moments that a server wrote into its own ids, and epochs. They give
instants, so that no session setting can shift them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from aboveboard import paths
from aboveboard.errors import SourceError

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": "2",
    "memory_limit": "320MB",
    "preserve_insertion_order": "true",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
# The row order is the order of the files. INVARIANT: a join may not be turned round, or its rows would come
# in the
# order of the joined table and the large table would be held in memory.
OPTIMIZERS_OFF = "join_order,build_side_probe_side"

MACROS = (
    # X/Twitter: milliseconds since 1288834974657, 22 bits up; ids up to 29700859247 were plain counters
    """snowflake_time(id) AS CASE WHEN CAST(id AS BIGINT) > 29700859247
       THEN make_timestamptz(((CAST(id AS BIGINT) >> 22) + 1288834974657) * 1000) END""",
    # atproto TID: 13 characters of sortable base 32; microseconds, ten bits up
    """tid_time(tid) AS make_timestamptz(list_reduce(
       [CAST(instr('234567abcdefghijklmnopqrstuvwxyz', c) - 1 AS BIGINT) FOR c IN string_split(tid, '')],
       LAMBDA so_far, digit: so_far * 32 + digit) >> 10)""",
    "epoch_seconds(seconds) AS make_timestamptz(CAST(CAST(seconds AS DECIMAL(28, 6)) * 1000000 AS BIGINT))",
    "epoch_millis(millis) AS make_timestamptz(CAST(millis AS BIGINT) * 1000)",
    "epoch_micros(micros) AS make_timestamptz(CAST(micros AS BIGINT))",
    "twitter_time(said) AS strptime(said, '%a %b %d %H:%M:%S %z %Y')",
)


def connect(spill: Path | None = None) -> Any:
    """A fresh session; ``spill`` is where it may put what does not fit in memory."""
    con = duckdb.connect(":memory:", config=SETTINGS)
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"SET disabled_optimizers = '{OPTIMIZERS_OFF}'")
    if spill is not None:
        con.execute(f"SET temp_directory = {paths.to_write(spill)}")
    for macro in MACROS:
        con.execute(f"CREATE TEMP MACRO {macro}")
    return con


def confine(con: Any, files: Sequence[Path]) -> None:
    """From here on the session opens these files and no other: a mapping cannot reach beyond its inputs."""
    allowed = dict.fromkeys(spelt for path in files for spelt in (str(path), paths.exact(path)))
    con.execute(f"SET allowed_paths = [{', '.join(map(literal, allowed))}]")
    con.execute("SET enable_external_access = false")


def literal(text: str) -> str:
    """A string as SQL text."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as SQL text."""
    return '"' + name.replace('"', '""') + '"'


def types_of(con: Any, sql: str) -> dict[str, str]:
    """Columns and types of a query, without running it."""
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE {sql}").fetchall()}


def told(error: Exception) -> str:
    """What DuckDB says about a query, in one line; only for errors of binding, which know no data."""
    first = str(error).split("\n\nLINE", 1)[0]
    return re.sub(r"\s+", " ", first).strip()


def failed(error: Exception, sentence: str, **context: object) -> SourceError:
    """Our error for DuckDB's. INVARIANT: messages of a running query quote data, so only their kind is handed
    on.
    """
    binding = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)
    hint = told(error) if isinstance(error, binding) else f"DuckDB: {type(error).__name__}"
    return SourceError(sentence, hint=hint, **context)
