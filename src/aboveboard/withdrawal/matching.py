"""Which rows of a release a question is about: found by the engine, from the openings, without a source.

The release is judged again under the rules and people that it was judged under, with the question as an undertaking beside
them: what may no longer go out, or would lose a part, is what the question is about. An unknown place or time counts as
inside, as everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aboveboard import rejudging, suppression, writing
from aboveboard.choice import Snapshot
from aboveboard.gate import Gate
from aboveboard.ledger.listed import Listed, listed
from aboveboard.mainjob import Progress
from aboveboard.retraction import Question, parse
from aboveboard.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from aboveboard.choice import Event, Facts
    from aboveboard.suppression import Suppressions
    from aboveboard.withdrawal.planning import Standing


@dataclass(frozen=True, slots=True)
class Opened:
    """The people of a release as it knew them, for an engine that takes them whole."""

    private: Path
    position: int

    def events_table(self) -> pa.Table:
        return self._table("events")

    def facts_table(self) -> pa.Table:
        return self._table("facts")

    def _table(self, name: str) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(self.private / "openings" / f"{name}.parquet")

    @property
    def suppressions(self) -> Suppressions:
        return suppression.NONE

    def events_of(self, subject: str) -> Sequence[Event]:
        raise NotImplementedError("people of openings are read whole")

    def facts_of(self, subject: str) -> Sequence[Facts]:
        raise NotImplementedError("people of openings are read whole")


def matching(
    ws: Workspace, one: Standing, question: Question, progress: Progress | None = None
) -> Iterator[list[tuple[bytes, str, str]]]:
    """Leaf, source and record id of each row of a release that a question is about, some at a time."""
    relation = writing.opened(one.private)
    if relation is None:
        return
    if question.records:
        yield _named(ws, relation, question)
        return
    gate = Gate(
        ws.policy, cast("Snapshot", Opened(one.private, one.position)), one.job, one.as_of, ws.regimes, ws.licences,
        undertakings=(*ws.undertakings(one.as_of), question.undertaking("asked")), listed=ws.listed(one.job, one.as_of),
    )  # fmt: skip
    told = None if progress is None else lambda done, total: progress(f"looking through {one.id}", done, total)
    yield from rejudging.looked_through(ws.engine, one.private, gate, told)


def _named(ws: Workspace, relation: str, question: Question) -> list[tuple[bytes, str, str]]:
    with ws.engine.connect() as con:
        asked = f"SELECT leaf, source, record_id FROM {relation} WHERE source || '/' || record_id IN (SELECT unnest(?))"
        return con.execute(asked, [list(question.records)]).fetchall()


def holding(ws: Workspace, one: Standing, records: Collection[tuple[str, str]]) -> list[tuple[bytes, str, str]]:
    """Leaf, source and record id of each row of a release that is one of these records (source, id)."""
    import pyarrow as pa

    relation = writing.opened(one.private)
    if relation is None or not records:
        return []
    columns = [pa.array(each, pa.string()) for each in zip(*sorted(records), strict=True)]
    with ws.engine.connect() as con:
        con.register("named", pa.table(columns, names=["source", "record_id"]))
        asked = f"SELECT leaf, source, record_id FROM {relation} SEMI JOIN named USING (source, record_id)"
        return con.execute(asked).fetchall()


def taken_out(ws: Workspace, one: Standing) -> list[bytes]:
    """The leaves of the rows of a release that withdrawals by question took out record by record since it was judged."""
    since = [each for each in ws.ledger.retractions() if each.recorded_at > one.as_of and each.listed is not None]
    mine = [each for each in since if parse(each.question).undertaking("").concerns(one.job.purpose, one.job.recipient)]
    return on_lists(ws, one, [str(each.listed) for each in mine])


def on_lists(ws: Workspace, one: Standing, lists: Sequence[str]) -> list[bytes]:
    """The leaves of the rows of a release that lists of records name."""
    relation, named = writing.opened(one.private), listed(ws.retractions, lists)
    if relation is None or not isinstance(named, Listed):
        return []
    with ws.engine.connect() as con:
        asked = f"SELECT leaf FROM {relation} SEMI JOIN ({named.query()}) AS named USING (source, record_id)"
        return [leaf for (leaf,) in con.execute(asked).fetchall()]
