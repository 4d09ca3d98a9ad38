"""The ledger fixed at one position: reads are repeatable, because events are only ever added after it.

It fits ``choice.Snapshot`` by shape, hands all events to an engine as one Arrow table, and has a digest that
says which events it holds. The digest is defined in docs/formats/event.md, so that anyone may compute it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine

from aboveboard.choice import Event, Facts
from aboveboard.ledger import database
from aboveboard.ledger.events import ALONE, FIELDS, TOGETHER, event_of, events_of_subject, events_packed
from aboveboard.suppression import NONE, Suppressions

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 65_536
"""Events of one block of the digest; part of its definition."""
_PAGE = 1_024
_HEADER = b"aboveboard.ledger.v1\n"


class _FactsOf(Protocol):
    def facts_of(self, subject: str) -> Sequence[Facts]: ...


@dataclass(slots=True)
class LedgerSnapshot:
    """Events up to ``position``, and the facts handed in. Not frozen only because it remembers its digest."""

    position: int
    _engine: Engine = field(repr=False)
    _facts: _FactsOf | None = field(default=None, repr=False)
    _digest: str | None = field(default=None, repr=False, compare=False)
    suppressions: Suppressions = NONE

    def events_of(self, subject: str) -> Sequence[Event]:
        """The events of one subject up to the position, oldest first."""
        values = {"subject": subject, "upto": self.position}
        with database.reading(self._engine) as connection:
            return [event_of(row) for row in connection.execute(events_of_subject, values)]

    def facts_of(self, subject: str) -> Sequence[Facts]:
        """What the platform attests about one account; nothing where no facts were handed in."""
        return () if self._facts is None else self._facts.facts_of(subject)

    def events_table(self) -> pa.Table:
        """All events up to the position, in order: the fields of ``Event``, moments as naive UTC timestamps."""
        import pyarrow as pa

        blocks = list(self._blocks())
        self._digest = _digest(blocks)
        return pa.Table.from_batches(blocks, schema=_schema())

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the events up to the position: the same events, the same digest, everywhere."""
        if self._digest is None:
            self._digest = _digest(self._blocks())
        return self._digest

    def _blocks(self) -> Iterator[pa.RecordBatch]:
        """The events in blocks of ``BLOCK``, from the driver's own cursor: an object a row would be the price."""
        with database.reading(self._engine) as connection:
            yield from _blocks(connection.execute(events_packed, {"upto": self.position}).cursor)


def table_of(cursor: Any) -> pa.Table:
    """All rows of a packed reading as one table."""
    import pyarrow as pa

    return pa.Table.from_batches(list(_blocks(cursor)), schema=_schema())


def _blocks(cursor: Any) -> Iterator[pa.RecordBatch]:
    while columns := _columns(cursor):
        yield _block(columns)


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"int": pa.int64(), "text": pa.string(), "moment": pa.timestamp("us"), "flag": pa.bool_()}
    return pa.schema([(name, kinds[kind]) for name, kind in FIELDS.items()])


def _columns(cursor: Any) -> list[list[Any]]:
    """The next ``BLOCK`` rows by column; none at the end. Small pages keep the garbage collector idle."""
    columns: list[list[Any]] = []
    for _ in range(BLOCK // _PAGE):
        rows = cursor.fetchmany(_PAGE)
        if not rows:
            break
        columns = columns or [[] for _ in rows[0]]
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
    return columns


def _block(columns: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = {name: _array(name, values) for name, values in zip(ALONE, columns, strict=False)}
    packed = pa.array(columns[-1], pa.string()).dictionary_encode()
    sayings = [json.loads(saying) for saying in packed.dictionary.to_pylist()]
    for at, name in enumerate(TOGETHER):
        arrays[name] = _array(name, [saying[at] for saying in sayings]).take(packed.indices)
    return pa.RecordBatch.from_arrays([arrays[name] for name in FIELDS], schema=_schema())


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    kind = _schema().field(name).type
    if FIELDS[name] == "text":
        return pa.array(values, kind)
    return pa.array(values, pa.int64()).cast(kind)


def _digest(blocks: Iterator[pa.RecordBatch] | Sequence[pa.RecordBatch]) -> str:
    whole = hashlib.sha256(_HEADER)
    for block in blocks:
        part = hashlib.sha256()
        for column in block.columns:
            for piece in _canonical(column):
                part.update(piece)
        whole.update(part.digest())
    return whole.hexdigest()


def _canonical(column: pa.Array) -> Iterator[pa.Buffer]:
    """The bytes of a column: 64-bit numbers, or 64-bit lengths and the text; null is the least, or -1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        yield _numbers(column.cast(pa.int64()).fill_null(-(2**63)))
        return
    lengths = pc.binary_length(column).cast(pa.int64())
    yield _numbers(lengths.fill_null(-1))
    yield column.fill_null("").buffers()[2].slice(0, pc.sum(lengths).as_py() or 0)


def _numbers(values: pa.Array) -> pa.Buffer:
    return values.buffers()[1].slice(0, 8 * len(values))
