"""What a platform attests about accounts, read from a table with one row for each observation.

A row holds from ``valid_from`` until the account's next row; NULL is unknown. A row that cannot be read is an
error and never skipped: without it an older row, which may be milder, would go on holding. A row without
``valid_from`` is one too: were it read as "always", whoever emptied a date would open a door.
"""

from __future__ import annotations

import bisect
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from aboveboard import vocabulary
from aboveboard.choice import Facts
from aboveboard.errors import SourceError, unknown_term
from aboveboard.sources import expressions as sql
from aboveboard.sources import files, mapping, session
from aboveboard.sources.session import identifier
from aboveboard.sources.staged import naive, schema

COLUMNS = {
    "subject": "VARCHAR",
    "valid_from": "TIMESTAMP",
    "state": "VARCHAR",
    "protected": "BOOLEAN",
    "age_band": "VARCHAR",
    "residency": "VARCHAR",
    "last_interaction": "TIMESTAMP",
    "evidence": "VARCHAR",
}
"""The columns of a facts table, which are the fields of ``choice.Facts``; times are naive UTC."""

KNOWN_FROM = datetime(1, 1, 2)  # noqa: DTZ001 - a table's times are naive UTC
"""A row from before this moment has always been so: in no zone is 0001-01-01 later."""

_CLOSED = {"state": vocabulary.ACCOUNT_STATES, "age_band": vocabulary.AGE_BANDS}


@dataclass(frozen=True, slots=True)
class FactsTable:
    """Account facts, sorted by subject and time. Where rows share an instant, the strictest will count."""

    _table: pa.Table
    digest: str

    @classmethod
    def empty(cls) -> FactsTable:
        """No facts: everything about every account is unknown."""
        return cls(schema(COLUMNS).empty_table(), hashlib.sha256().hexdigest())

    @classmethod
    def of(cls, rows: Iterable[Facts]) -> FactsTable:
        """A table of facts that are already values."""
        found = pa.Table.from_pylist([_row(row) for row in rows], schema=schema(COLUMNS))
        return cls(_sorted(found), hashlib.sha256(str(_sorted(found).to_pylist()).encode()).hexdigest())

    @property
    def rows(self) -> int:
        return int(self._table.num_rows)

    def table(self) -> pa.Table:
        """All rows in the columns of ``COLUMNS``."""
        return self._table

    def facts_of(self, subject: str) -> list[Facts]:
        """The rows of one account, oldest first; found by bisection, so that no index takes memory."""
        subjects = self._table.column("subject")
        start = bisect.bisect_left(subjects, subject, key=_value)
        end = bisect.bisect_right(subjects, subject, lo=start, key=_value)
        return [_fact(row) for row in self._table.slice(start, end - start).to_pylist()]


def read(path: str | Path) -> FactsTable:
    """The facts in a table file, or in the table that a TOML with ``[facts]`` maps; SourceError names what is
    wrong.

    A column that is missing is unknown for everybody, but for ``subject`` and ``valid_from``, which every row
    must have. Naive times are UTC unless the TOML names a ``zone``.
    """
    where = Path(path).resolve()
    if where.suffix != ".toml":
        return _read(mapping.read_input({"path": where.name}, where), None, "UTC", where, b"")
    said = mapping.load(where).get("facts")
    if not isinstance(said, Mapping):
        raise SourceError("a mapping without [facts]", hint="see docs/formats/source.md", mapping=where.name)
    mapping.known("key of [facts]", said, (*mapping.INPUT_KEYS, "zone", "columns"))
    columns = said.get("columns")
    if columns is not None:
        mapping.known("column of facts", columns, tuple(COLUMNS))
    zone = mapping.zone_of(said.get("zone", "UTC")) or "UTC"
    return _read(mapping.read_input(said, where), columns, zone, where, where.read_bytes())


def _read(one: files.Input, columns: Mapping[str, str] | None, zone: str, where: Path, written: bytes) -> FactsTable:
    con = session.connect()
    try:
        opened = files.open_raw(con, one)
        session.confine(con, one.paths)
        found = con.sql(_boxes(con, columns, zone, where)).to_arrow_table()
    except (duckdb.Error, pa.ArrowException) as error:
        raise session.failed(error, "the facts cannot be read", file=one.names[0]) from error
    finally:
        con.close()
    if opened.failure or opened.rows != found.num_rows:
        raise opened.failure or SourceError("not every row came through", file=one.names[0])
    facts = _sorted(_validated(found, one.names[0]))
    digest = hashlib.sha256(files.digest([one]).encode() + hashlib.sha256(written).digest())
    return FactsTable(facts, digest.hexdigest())


def _boxes(con: Any, columns: Mapping[str, str] | None, zone: str, where: Path) -> str:
    """Every fact as its column, and beside it whether computing it failed."""
    present = {name.lower() for name in session.types_of(con, "FROM raw")}
    if columns is None:
        columns = {name: identifier(name) for name in COLUMNS if name in present}
    for column, expression in columns.items():
        sql.check(con, column, expression, where.name)
    found = sql.types(con, columns, "FROM raw", where.name)
    boxes = {
        name: sql.boxed(sql.canonical(name, COLUMNS[name], columns[name], found[name], zone, where.name))
        for name in columns
    }
    boxed = ", ".join(f"{box} AS {identifier(name)}" for name, box in boxes.items())
    values = [
        f"{name}.v AS {name}" if name in boxes else f"CAST(NULL AS {kind}) AS {name}" for name, kind in COLUMNS.items()
    ]
    failed = [f"{name} IS NULL AS failed_{name}" for name in boxes]
    return f"SELECT __fault, {', '.join(values + failed)} FROM (SELECT __fault, {boxed} FROM raw)"


def _validated(found: pa.Table, file: str) -> pa.Table:
    """The facts without the marks beside them, or the first thing that is wrong, with how often it is."""
    _none(found["__fault"].is_valid(), "rows are malformed", file)
    for name in found.column_names:
        if name.startswith("failed_"):
            _none(found[name], f"rows have a `{name.removeprefix('failed_')}` that cannot be computed", file)
    facts = found.select(list(COLUMNS)).cast(schema(COLUMNS))
    _none(pc.equal(pc.fill_null(facts["subject"], ""), ""), "rows name no subject", file)
    for column, known in _CLOSED.items():
        _words(column, facts[column], known, file)
    _words("residency", facts["residency"], None, file)
    _none(facts["valid_from"].is_null(), "rows have no `valid_from`", file, hint=_UNDATED)
    return _always(facts)


def _always(facts: pa.Table) -> pa.Table:
    """The same with no moment where a row says that it has always been so, as ``choice.Facts`` has it."""
    said = facts["valid_from"]
    early = pc.less(said, pa.scalar(KNOWN_FROM, said.type))
    at = facts.schema.get_field_index("valid_from")
    return facts.set_column(at, facts.schema.field(at), pc.if_else(early, pa.scalar(None, said.type), said))


_LEFT_OUT = "a fact that is left out would let an older, milder one stand; correct the table"
_UNDATED = "write the date from which it is known; 0001-01-01 means always"


def _none(wrong: pa.ChunkedArray, sentence: str, file: str, hint: str = _LEFT_OUT) -> None:
    count = pc.sum(wrong).as_py() or 0
    if count:
        raise SourceError(f"{count} {sentence}", hint=hint, file=file)


def _words(column: str, values: pa.ChunkedArray, known: Iterable[str] | None, file: str) -> None:
    """An unknown word is a mistake of the table. Unknown facts are NULL, never a word."""
    counted = Counter({one["values"]: one["counts"] for one in pc.value_counts(values).to_pylist()})
    for word, count in counted.items():
        if word is None or (vocabulary.known_residency(word) if known is None else word in known):
            continue
        near = unknown_term(column.replace("_", " "), word, known or vocabulary.COUNTRIES)
        raise SourceError(f"{near.sentence} in {count} rows", hint=near.hint, file=file, column=column)


def _sorted(facts: pa.Table) -> pa.Table:
    """By subject and time, then by everything else, so that equal tables have equal rows in any order of
    reading.
    """
    known = facts.append_column("known", pc.is_valid(facts["valid_from"]))  # what was always so comes first
    keys = [(name, "ascending") for name in ("subject", "known", *list(COLUMNS)[1:])]
    return known.sort_by(keys).drop_columns("known").combine_chunks()


def _value(scalar: pa.Scalar) -> Any:
    return scalar.as_py()


def _fact(row: Mapping[str, Any]) -> Facts:
    times = {name: _aware(row[name]) for name in ("valid_from", "last_interaction")}
    return Facts(**{**row, **times, "evidence": row["evidence"] or ""})


def _row(fact: Facts) -> dict[str, Any]:
    row = {name: getattr(fact, name) for name in COLUMNS}
    return {**row, "valid_from": naive(fact.valid_from), "last_interaction": naive(fact.last_interaction)}


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
