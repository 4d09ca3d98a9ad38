"""Judges rows of openings again with the engine: each distinct case once, as a build does, and no source is read.

It decides what ``gate.decide`` decides of ``openings.judged``, for many rows at a tenth of what that costs. Of words there is
only their shape; a judgement asks no more of them. A session sits down once for a release and is then given rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from aboveboard import paths, record, writing
from aboveboard.engine import Engine, Session, erased_in, label_sets
from aboveboard.gate import Gate
from aboveboard.plan import text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROWS = 250_000
"""How many rows are judged at a time, where all of a release are."""
_WORDS = "CASE WHEN shape IS NOT NULL THEN shape WHEN coalesce(len(parts), 0) = 0 THEN 'x' END"
"""``openings.judged``: a row without other parts was released because it says something; with them, its shape is kept."""
_AGAIN = {"text": _WORDS, "ordinal": "place"}
RECORD = ", ".join(
    f'{_AGAIN.get(name, f"""{chr(34)}{name}{chr(34)}""")} AS "{name}"' for name in record.RESOLVED_COLUMNS
)
"""The columns that the engine judges, of a row of openings with its ``place`` among those that are judged with it."""


@contextmanager
def sitting(engine: Engine, gate: Gate, relation: str) -> Iterator[Session]:
    """A session for the rows of a relation of openings under a gate."""
    with engine.connect() as con:
        con.execute(f"CREATE TEMP VIEW opened AS SELECT * FROM {relation}")
        sets, erased = label_sets(con, "opened"), erased_in(con, "opened", gate.snapshot.suppressions)
    with engine.sit(gate, sets, erased) as session:
        session.settle()
        yield session


def judge(session: Session, rows: pa.Table) -> duckdb.DuckDBPyRelation:
    """Judge rows of openings; ``rows`` has a ``shape``, and a ``place`` for each: its number among them. Of each its place,
    and the columns of a decision."""
    session.load("opened_again", rows)
    session.con.execute(f"CREATE OR REPLACE TEMP VIEW records AS SELECT {RECORD} FROM opened_again")
    session.judge()
    return session.con.sql("SELECT * EXCLUDE (ordinal), ordinal AS place FROM decisions")


def looked_through(
    engine: Engine, private: Path, gate: Gate, told: Callable[[int, int], None] | None = None,
    leaves: Sequence[bytes] | None = None,
) -> Iterator[list[tuple[bytes, str, str]]]:  # fmt: skip
    """Leaf, source and record id of the rows of a release that this gate would not let out as they are, some at a time;
    ``leaves``: only these rows are looked at."""
    relation = writing.opened(private)
    if relation is None or leaves == []:
        return
    with engine.connect() as con, TemporaryDirectory() as folder:
        if leaves is not None:
            relation = _only(con, relation, leaves, Path(folder))
        yield from _looked_through(con, engine, relation, gate, told)


def _only(con: duckdb.DuckDBPyConnection, relation: str, leaves: Sequence[bytes], folder: Path) -> str:
    """The relation without all other rows."""
    import pyarrow as pa

    con.register("_leaves", pa.table({"leaf": pa.array(leaves, pa.binary())}))
    writing.copy_rows(con, f"SELECT * FROM {relation} SEMI JOIN _leaves USING (leaf)", folder / "rows.parquet")
    con.unregister("_leaves")
    return paths.parquet(folder / "rows.parquet")


def _looked_through(
    con: duckdb.DuckDBPyConnection, engine: Engine, relation: str, gate: Gate, told: Callable[[int, int], None] | None
) -> Iterator[list[tuple[bytes, str, str]]]:
    chunks = con.execute(_CHUNKS.format(opened=relation, rows=ROWS)).fetchall()
    with sitting(engine, gate, relation) as session:
        done, total = 0, sum(rows for *_, rows in chunks)
        for source, first, last, rows in chunks:
            chosen = f"source = {text(source)} AND ordinal BETWEEN {first} AND {last}"
            judge(
                session, session.con.sql(f"SELECT *, ordinal AS place FROM {relation} WHERE {chosen}").to_arrow_table()
            )
            yield session.con.execute(_DIFFERENT).fetchall()
            done += rows
            if told is not None:
                told(done, total)


_CHUNKS = """
SELECT source, min(ordinal), max(ordinal), count(*)
FROM (
  SELECT source, ordinal, (row_number() OVER (PARTITION BY source ORDER BY ordinal) - 1) // {rows} AS chunk FROM {opened}
)
GROUP BY source, chunk ORDER BY source, chunk
"""
_DIFFERENT = """
SELECT c.leaf, c.source, c.record_id FROM opened_again AS c JOIN decisions AS d ON d.ordinal = c.place
WHERE d.outcome > 1 OR coalesce(d.removed, []) <> coalesce(c.removed, [])
"""
"""Neither permitted nor redacted as it was (``reasons.OUTCOMES``)."""
