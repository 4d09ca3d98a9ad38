"""Edits of records that were taken out: a record that sources call an edit of one is out as well, under whatever id it comes.

Platforms give an edit an id of its own (X), so that the name under which somebody took a record out says nothing of the next
version. What belongs together the sources say (``revision_of``), also where none of them has the version that was named.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aboveboard import paths
from aboveboard.choice import Event, takes_out
from aboveboard.engine import Engine, Listed
from aboveboard.gate import Job
from aboveboard.plan import text
from aboveboard.relate import Related

if TYPE_CHECKING:
    import duckdb

Names = Container[tuple[str, str]]
"""Records by source and id, as ``Gate.listed`` has them."""


@dataclass(frozen=True, slots=True)
class Both:
    """Records that lists name, and a few beside them."""

    lists: Listed
    more: frozenset[tuple[str, str]]

    def query(self) -> str:
        """SQL that gives the distinct ``source`` and ``record_id``."""
        told = " ".join(f"UNION SELECT {text(source)}, {text(id)}" for source, id in sorted(self.more))
        return f"SELECT source, record_id FROM ({self.lists.query()}) {told}"

    def __contains__(self, key: object) -> bool:
        return key in self.more or key in cast("Names", self.lists)


def with_edits(engine: Engine, related: Related, job: Job, said: Iterable[Event], listed: Names) -> Names:
    """The records that are listed, and every version that a source has of them or of a record that its person took out
    (``said``) of this use. A version counts for the person by whom it is, or where nobody knows by whom."""
    taken = [one for one in said if takes_out(one, job.purpose, job.recipient)]
    with engine.connect() as con:
        con.execute("CREATE TEMP TABLE taken (subject VARCHAR, record_id VARCHAR)")
        if taken:
            rows = [(one.subject, (one.value or "").partition("/")[2]) for one in taken]
            con.executemany("INSERT INTO taken VALUES (?, ?)", rows)
        _lists(con, listed)
        found = con.execute(_EDITS.format(editions=paths.parquet(related.editions))).fetchall()
    more = frozenset((str(source), str(id)) for source, id in found)
    if isinstance(listed, frozenset):
        return listed | more
    return Both(cast("Listed", listed), more | {("", id) for _, id in more}) if more else listed


def _lists(con: duckdb.DuckDBPyConnection, listed: Names) -> None:
    """Put what is listed into ``taken``, by whomever it is."""
    if not isinstance(listed, frozenset):
        con.execute(f"INSERT INTO taken SELECT NULL, record_id FROM ({cast('Listed', listed).query()})")
    elif listed:
        con.executemany("INSERT INTO taken VALUES (NULL, ?)", [(id,) for _, id in sorted(listed)])


_EDITS = """
WITH chains AS (
  SELECT t.subject, t.record_id AS chain FROM taken AS t
  UNION SELECT t.subject, e.chain FROM taken AS t JOIN {editions} AS e USING (record_id)
)
SELECT DISTINCT e.source, e.record_id
FROM {editions} AS e JOIN chains AS c USING (chain)
WHERE c.subject IS NULL OR e.subject IS NULL OR c.subject = e.subject
"""
