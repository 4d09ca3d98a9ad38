"""SQL expressions of a mapping as canonical SQL: what a column must be, whatever type the table holds it in.

An expression sees one row. It is bound before anything runs, so that a mistake names its column; while
running it stands in a box, ``TRY(struct_pack(v := ...))``, where no box at all means that the expression
failed on that row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from aboveboard.errors import SourceError
from aboveboard.sources.session import failed, identifier, literal, types_of

SAFE = 9_007_199_254_740_992
"""2**53: from here on a JSON number may have been rounded by whoever wrote it."""

_NAIVE = re.compile(r"TIMESTAMP(_S|_MS|_NS)?|DATE")
_INTEGER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)")
_FLOAT = re.compile(r"FLOAT|DOUBLE|DECIMAL.*")
_OFFSET = ":[0-9.]+ *([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$"
_PLAIN = re.compile(r"VARCHAR|BOOLEAN|UUID|ENUM.*|.*TIME.*|DATE|TIMESTAMP.*|INTERVAL")


def check(con: Any, column: str, expression: str, mapping: str) -> list[list[str]]:
    """The columns that an expression names, or SourceError when it is not one expression over one row."""
    said = json.loads(con.execute("SELECT json_serialize_sql(?)", [f"SELECT (\n{expression}\n)"]).fetchall()[0][0])
    if said["error"]:
        raise SourceError(
            f"`{column}` is not an SQL expression",
            hint=said.get("error_message", ""),
            mapping=mapping,
            column=column,
        )
    nodes = list(_nodes(said["statements"]))
    one = len(said["statements"]) == 1 and len(said["statements"][0]["node"].get("select_list", [])) == 1
    if not one or any(node.get("class") in ("SUBQUERY", "WINDOW", "STAR") for node in nodes):
        raise SourceError(
            f"`{column}` looks beyond its row",
            hint="no subquery, window or star; use [joins]",
            mapping=mapping,
            column=column,
        )
    return [node["column_names"] for node in nodes if node.get("class") == "COLUMN_REF"]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(inner)


def types(con: Any, expressions: Mapping[str, str], rows: str, mapping: str) -> dict[str, str]:
    """The type of each expression over ``rows`` (a FROM clause); a mistake names its column.

    ``__row`` stands beside it, so that an aggregate does not bind: it would look at every row.
    """
    out = {}
    for column, expression in expressions.items():
        try:
            out[column] = types_of(con, f"SELECT (\n{expression}\n) AS it, __row {rows}")["it"]
        except duckdb.Error as error:
            raise failed(error, f"`{column}` cannot be computed", mapping=mapping, column=column) from error
    return out


def boxed(sql: str) -> str:
    """The value in a box that is NULL only when computing it failed."""
    return f"TRY(struct_pack(v := {sql}))"


def canonical(column: str, kind: str, sql: str, found: str, zone: str | None, mapping: str) -> str:
    """``sql`` of type ``found`` as SQL of the canonical type ``kind``."""
    sql = f"(\n{sql}\n)"
    if found == '"NULL"':
        return f"CAST({sql} AS {kind})"
    made = {
        "VARCHAR": lambda: _text(sql, found),
        "TIMESTAMP": lambda: _moment(sql, found, zone),
        "BIGINT": lambda: _number(sql, found, "BIGINT"),
        "INTEGER": lambda: _number(sql, found, "INTEGER"),
        "BOOLEAN": lambda: _truth(sql, found),
    }.get(kind, lambda: _list(sql, found, kind))()
    if made is None:
        hint = (
            "epoch_seconds(), epoch_millis() and epoch_micros() make moments of numbers" if kind == "TIMESTAMP" else ""
        )
        hint = "name the zone of naive times: `zone` in [table]" if _NAIVE.fullmatch(found) else hint
        raise SourceError(f"`{column}` is {found}, not {_says(kind)}", hint=hint, mapping=mapping, column=column)
    return made


def _says(kind: str) -> str:
    names = {"VARCHAR": "text", "TIMESTAMP": "a moment", "VARCHAR[]": "text or a list of text"}
    return names.get(kind, kind.lower() if "STRUCT" not in kind else f"a list of {kind.removesuffix('[]')}")


def _text(sql: str, found: str) -> str | None:
    if found == "VARCHAR":
        return sql
    if found == "JSON":
        return f"({sql} ->> '$')"
    if found == "BLOB":
        return f"decode({sql})"
    if _FLOAT.fullmatch(found):  # 7.0 is the number 7; what is not a whole number is kept as it prints
        whole = f"{sql} = trunc({sql}) AND abs({sql}) < {SAFE}"
        return f"CASE WHEN {whole} THEN CAST(CAST({sql} AS BIGINT) AS VARCHAR) ELSE CAST({sql} AS VARCHAR) END"
    return f"CAST({sql} AS VARCHAR)" if _INTEGER.fullmatch(found) or _PLAIN.fullmatch(found) else None


def _moment(sql: str, found: str, zone: str | None) -> str | None:
    if found == "TIMESTAMP WITH TIME ZONE":
        return f"make_timestamp(epoch_us({sql}))"
    naive = f"make_timestamp(epoch_us(timezone({literal(zone or '')}, CAST({sql} AS TIMESTAMP))))"
    if _NAIVE.fullmatch(found):
        return naive if zone else None
    if found != "VARCHAR":
        return None
    instant = f"make_timestamp(epoch_us(CAST({sql} AS TIMESTAMPTZ)))"
    # a text without offset and no zone to read it in is a failure of the row, made by a cast that cannot
    # succeed
    unzoned = f"CAST('no zone ' || {sql} AS TIMESTAMP)"
    return f"CASE WHEN regexp_matches({sql}, '{_OFFSET}') THEN {instant} ELSE {naive if zone else unzoned} END"


def _number(sql: str, found: str, kind: str) -> str | None:
    return f"CAST({sql} AS {kind})" if _INTEGER.fullmatch(found) or found == "VARCHAR" else None


def _truth(sql: str, found: str) -> str | None:
    return f"CAST({sql} AS BOOLEAN)" if found in ("BOOLEAN", "VARCHAR") else None


def _list(sql: str, found: str, kind: str) -> str | None:
    """A list from a list, or from one value; NULL stays NULL."""
    struct = "STRUCT" in kind
    if found.endswith("[]"):
        return f"CAST({sql} AS {kind})" if struct == ("STRUCT" in found) or found == '"NULL"[]' else None
    if struct != found.startswith("STRUCT"):
        return None
    one = sql if struct else _text(sql, found)
    return None if one is None else f"CAST(CASE WHEN {sql} IS NOT NULL THEN [{one}] END AS {kind})"


def as_set(sql: str) -> str:
    """A list without repetitions and in order; its unknown elements stay, as one NULL at the end."""
    unknown = f"CASE WHEN len({sql}) > list_count({sql}) THEN [NULL] ELSE [] END"
    return f"CASE WHEN {sql} IS NOT NULL THEN list_concat(list_sort(list_distinct({sql})), {unknown}) END"


def unsafe(sql: str, found: str, *, json_numbers: bool) -> str | None:
    """Whether a value is a number that may have been rounded; None where its type rules that out."""
    if found == "JSON":
        kinds = "('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')"
        return f"(json_type({sql}) IN {kinds} AND abs(TRY_CAST({sql} ->> '$' AS DOUBLE)) >= {SAFE})"
    if (_FLOAT.fullmatch(found) and not found.startswith("DECIMAL")) or (json_numbers and _INTEGER.fullmatch(found)):
        return f"(abs(CAST({sql} AS DOUBLE)) >= {SAFE})"
    return None


def struct(fields: Mapping[str, str]) -> str:
    """A struct of named SQL values."""
    return "struct_pack(" + ", ".join(f"{identifier(name)} := {sql}" for name, sql in fields.items()) + ")"
