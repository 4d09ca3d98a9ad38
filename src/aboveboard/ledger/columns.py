"""Many events at once, as a list of values a field: how an import hands them over, and how they are written.

The driver takes several times as long over a null as over a value, because it looks for somebody who adapts it. So a
null travels as a value of a kind that its column never holds, and ``nullif`` makes a null of it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from aboveboard.ledger.events import FIELDS, OPTIONAL

Row = tuple[Any, ...]
Columns = Mapping[str, Sequence[Any]]
"""The values of every field, all lists of one length, in the order in which the events stand in the ledger."""


def columns_of(rows: Sequence[Row]) -> Columns:
    """Rows in the order of ``FIELDS``, by column."""
    values = zip(*rows, strict=True) if rows else ((),) * len(FIELDS)
    return dict(zip(FIELDS, values, strict=True))


def rows_of(columns: Columns) -> list[Row]:
    """The inverse of :func:`columns_of`."""
    return list(zip(*(columns[name] for name in FIELDS), strict=True))


def insert_columns(connection: Connection, columns: Columns) -> None:
    """Put the events behind those of the table, in the transaction of the connection."""
    bound = {name: _bound(name, columns[name]) for name in FIELDS}
    places = ", ".join(place for place, _ in bound.values())
    values = zip(*(values for _, values in bound.values() if values is not None), strict=True)
    cursor: Any = connection.connection.cursor()  # the driver's own: SQLAlchemy would want all rows in a list
    cursor.executemany(f"INSERT INTO events ({', '.join(FIELDS)}) VALUES ({places})", values)


def _bound(name: str, values: Sequence[Any]) -> tuple[str, Sequence[Any] | None]:
    """What stands for a column in the statement, and the values to bind; None where all of it is null."""
    if name not in OPTIONAL or None not in values:
        return "?", values
    if values.count(None) == len(values):
        return "NULL", None
    stand_in, place = (0, "nullif(?, 0)") if FIELDS[name] == "text" else ("", "nullif(?, '')")
    return place, [stand_in if value is None else value for value in values]
