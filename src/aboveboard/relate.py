"""The relate pass: what a record owes to other records, looked up once a snapshot of the sources.

Edits, repeated rows, quoted and replied-to authors, deleted parents and derived data need *other* records. One
narrow pass over everything staged finds them; afterwards every shard can be judged by itself. Records in no
relation have no row and stand for themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aboveboard import record, steps, vocabulary
from aboveboard.engine import Engine, label_sets, make
from aboveboard.plan import text
from aboveboard.sources import Staged

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Related:
    """Staged sources with their relations: what the engine judges. ``sets`` are the lists of labels that occur."""

    sources: tuple[Staged, ...]
    relations: Path
    sets: tuple[tuple[str | None, ...], ...]

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources)

    @property
    def shards(self) -> list[tuple[Staged, Path]]:
        """Every shard of every source, in order."""
        return [(source, shard) for source in self.sources for shard in source.shards]


def relate(sources: Sequence[Staged], folder: Path, engine: Engine) -> Related:
    """Relate all records of these sources to each other; leaves ``relations.parquet`` in ``folder``."""
    relations = folder / "relations.parquet"
    with engine.connect() as con:
        _stage(con, [shard for source in sources for shard in source.shards])
        for step in steps.read("relate"):
            make(con, step.name, steps.fill(step.sql, _RANKS), step.kind)
        con.execute(f"COPY relations TO {text(str(relations))} (FORMAT parquet)")
        con.execute(f"CREATE TEMP VIEW resolved AS {resolved('staged', 'relations')}")
        sets = label_sets(con, "resolved")
    return Related(tuple(sources), relations, tuple(tuple(labels) for labels in sets))


def _stage(con: duckdb.DuckDBPyConnection, shards: Sequence[Path]) -> None:
    if not shards:
        columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in record.SOURCE_COLUMNS.items())
        con.execute(f"CREATE TEMP VIEW staged AS SELECT {columns} WHERE FALSE")
        return
    files = ", ".join(text(str(shard)) for shard in shards)
    con.execute(f"CREATE TEMP VIEW staged AS SELECT * FROM read_parquet([{files}])")


def resolved(staged: str, relations: str) -> str:
    """The query that gives ``record.RESOLVED_COLUMNS`` from a staged relation and the relations."""
    columns = ",\n  ".join(f'{_RESOLVED.get(name, f"s.{name}")} AS "{name}"' for name in record.RESOLVED_COLUMNS)
    return f"SELECT\n  {columns}\nFROM {staged} AS s\nLEFT JOIN {relations} AS r USING (source, ordinal)"


def _rank(column: str) -> str:
    cases = " ".join(f"WHEN {text(a)} THEN {rank}" for rank, a in enumerate(vocabulary.AUDIENCES))
    return f"CASE {column} {cases} END"


def _audience(own: str, inherited: str) -> str:
    """The narrower of a record's own audience and what it inherits; unknown if either is."""
    names = ", ".join(text(a) for a in vocabulary.AUDIENCES)
    return (
        f"CASE WHEN coalesce(r.derived, FALSE) THEN CASE WHEN {_rank(own)} IS NOT NULL AND {inherited} IS NOT NULL"
        f" THEN [{names}][greatest({_rank(own)}, {inherited}) + 1] END ELSE {own} END"
    )


def _union(column: str) -> str:
    """A record's own list with what it inherits; unknown if either is."""
    return (
        f"CASE WHEN coalesce(r.derived, FALSE) THEN CASE WHEN s.{column} IS NOT NULL AND r.{column} IS NOT NULL"
        f" THEN list_distinct(list_concat(s.{column}, r.{column})) END ELSE s.{column} END"
    )


_RANKS = {f"rank.{column}": _rank(f"r.{column}") for column in ("audience_at", "audience_now")}

_PARTIES = """CASE
    WHEN s.parties IS NULL OR coalesce(r.parties_unknown, FALSE) THEN NULL
    WHEN coalesce(r.derived, FALSE) THEN list_distinct(list_concat(s.parties, r.parties))
    WHEN s.kind = 'repost' AND coalesce(r.quotes, FALSE)
      THEN list_distinct(list_append(s.parties, {'subject': r.quoted_author, 'role': 'quoted_author'}))
    ELSE s.parties END"""

_PART = "struct_pack(" + ", ".join(
    f'"{name}" := ' + {
        "source_state": "CASE WHEN p.source_state IS NOT NULL THEN p.source_state"
        " WHEN p.kind = 'quote' THEN r.quoted_state WHEN p.kind = 'parent_quote' THEN r.parent_state END",
        "parties": "CASE WHEN p.parties IS NULL THEN NULL"
        " WHEN p.kind = 'quote' AND coalesce(r.quotes, FALSE)"
        " THEN list_distinct(list_append(p.parties, {'subject': r.quoted_author, 'role': 'quoted_author'}))"
        " WHEN p.kind = 'parent_quote' AND coalesce(r.replies, FALSE)"
        " THEN list_distinct(list_append(p.parties, {'subject': r.parent_author, 'role': 'quoted_author'}))"
        " ELSE p.parties END",
    }.get(name, f'p."{name}"')
    for name in record.PART_FIELDS
) + ")"  # fmt: skip

_RESOLVED = {
    "subject": "CASE WHEN coalesce(r.derived, FALSE) THEN coalesce(s.subject, r.subject) ELSE s.subject END",
    "collected_at": "CASE WHEN coalesce(r.derived, FALSE) THEN CASE WHEN s.collected_at IS NOT NULL AND r.collected_at"
    " IS NOT NULL THEN least(s.collected_at, r.collected_at) END ELSE s.collected_at END",
    "categories": _union("categories"),
    "labels": _union("labels"),
    "signals": _union("signals"),
    "audience_at": _audience("s.audience_at", "r.rank_at"),
    "audience_now": _audience("s.audience_now", "r.rank_now"),
    "parties": _PARTIES,
    "duplicate": "CASE WHEN r.ordinal IS NULL THEN 'unique' ELSE r.duplicate END",
    "edition": "CASE WHEN r.ordinal IS NULL THEN 'latest' ELSE r.edition END",
    "source_state": "CASE WHEN r.ordinal IS NULL THEN 'own' ELSE r.source_state END",
    "parts": f"CASE WHEN len(s.parts) > 0 THEN list_transform(s.parts, lambda p: {_PART}) ELSE s.parts END",
}
"""How each column that may depend on another record is resolved."""
