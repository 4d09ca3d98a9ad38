"""What came through a read: rows counted, numbered and parted, ids and words looked at.

INVARIANT: every row that was read is either staged or in quarantine with a reason that holds nothing of the
row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from collections.abc import Mapping as Map
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aboveboard import reasons, record, vocabulary
from aboveboard.errors import SourceError, unknown_term
from aboveboard.sources import files
from aboveboard.sources.expressions import SAFE
from aboveboard.sources.mapping import Mapping
from aboveboard.sources.staged import schema


class Count:
    """Counts what comes through, parts good rows from quarantined ones and numbers both."""

    def __init__(self, said: Mapping) -> None:
        self.said = said
        self.names = said.input.names
        self.ordinal = self.holders = self.elements = self.staged = 0
        self.quarantine: list[dict[str, object]] = []
        self.ids = Ids()
        self.last: tuple[int, int, int] | None = None

    def take(self, batch: pa.RecordBatch, limit: int | None) -> pa.Table:
        """The good rows of a batch in the canonical columns."""
        self._in_order(batch)
        first = pc.equal(batch["__pos"], 0)
        self.holders += pc.sum(first).as_py() or 0
        self.elements += pc.sum(batch["__len"].filter(first)).as_py() or 0
        rows = _where(pa.Table.from_batches([batch]), pc.greater(batch["__len"], 0))
        rows = rows.slice(0, None if limit is None else limit - self.ordinal)
        rows = rows.set_column(
            rows.schema.get_field_index("ordinal"),
            "ordinal",
            pa.array(range(self.ordinal, self.ordinal + rows.num_rows), pa.int64()),
        )
        self.ordinal += rows.num_rows
        return self._good(rows)

    def _good(self, rows: pa.Table) -> pa.Table:
        fine = pc.is_null(rows["__reason"])
        for bad in rows.select([*files.PLACE[:2], "__reason"]).filter(pc.invert(fine)).to_pylist():
            where = {"source": self.said.name, "file": self.names[bad["__file"]], "row": bad["__row"]}
            self.quarantine.append({**where, "reason": bad["__reason"]})
        rows = _where(rows, fine)
        self.staged += rows.num_rows
        self.ids.take(rows)
        good = rows.select(list(record.SOURCE_COLUMNS)).cast(schema(record.SOURCE_COLUMNS))
        known_words(good, self.said.name)
        return good

    def _in_order(self, batch: pa.RecordBatch) -> None:
        """INVARIANT: places ascend strictly. One that comes twice is a joined table that matched twice."""
        if not batch.num_rows:
            return
        places = [batch[name] for name in ("__file", "__row", "__pos")]
        if self.last is not None:
            head = [pa.array([value], column.type) for value, column in zip(self.last, places, strict=True)]
            places = [pa.concat_arrays([one, column]) for one, column in zip(head, places, strict=True)]
        if not _ascending(places):
            hint = "a joined table may match each row at most once" if self.said.joins else ""
            raise SourceError("rows came twice or out of order", hint=hint, source=self.said.name)
        self.last = tuple(column[-1].as_py() for column in places)


def _where(rows: pa.Table, mask: pa.Array) -> pa.Table:
    """The rows of a mask; nearly always they are all of them, and then nothing is copied."""
    return rows if pc.all(mask, min_count=0).as_py() else rows.filter(mask)


def _ascending(places: list[pa.Array]) -> bool:
    """Whether rows of these columns, compared from left to right, each stand after the one before."""
    after = pa.array([False] * (len(places[0]) - 1), pa.bool_())
    for column in reversed(places):
        later, earlier = column.slice(1), column.slice(0, len(column) - 1)
        after = pc.or_(pc.greater(later, earlier), pc.and_(pc.equal(later, earlier), after))
    return pc.all(after, min_count=0).as_py() is True


EXACT, COUNTED, PRINTED = 1, 2, 4
"""Marks of an id: a float keeps it; it ends in a server's counter that is not at zero; JavaScript prints it
so.
"""

_DIGITS = re.compile(r"[0-9]{16,38}$")


def marks(digits: str) -> int:
    """The marks of the digits of an id. Snowflakes end in a counter of 12 bits that is mostly at zero: a
    float keeps
    such an id whether or not it has been through one, so by itself that says nothing."""
    number, kept = int(digits), float(digits)
    exact = EXACT if int(kept) == number else 0
    counted = COUNTED if number % 4096 else 0
    return exact | counted | (PRINTED if Decimal(repr(kept)) == number else 0)


class Ids:
    """Watches ids beyond 2**53, up to ``SAMPLE`` of every batch, for the marks of numbers that lost their
    last digits.
    """

    SAMPLE = 1_024
    FEWEST = 8
    SHARE = 0.2
    MANY = 50
    SHARE_OF_FEW = 0.5
    """A float keeps one in 16 of Mastodon's ids: among eight of them two are no accident yet."""
    ALL = 0.95

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, int]] = {"record_id": {}, "subject": {}}

    def take(self, rows: pa.Table) -> None:
        """Remembers the marks of each id once: a person with many records is one id."""
        step = max(1, rows.num_rows // self.SAMPLE)
        for column, seen in self.seen.items():
            some = rows[column].take(pa.array(range(0, rows.num_rows, step), pa.int64()))
            for one in pc.unique(some).to_pylist():
                found = _DIGITS.search(one or "")
                if found and int(found[0]) > SAFE:
                    seen[found[0]] = marks(found[0])

    def judge(self, source: str) -> None:
        """Raises when the ids of records or of people were rounded."""
        for column, seen in self.seen.items():
            found = Counter(seen.values())
            if len(seen) >= self.FEWEST and self._lost(found, len(seen)):
                kept = f"a float keeps {_having(found, EXACT)} of {len(seen)} beyond 2^53"
                raise SourceError(
                    f"the ids in `{column}` look rounded: {kept}",
                    hint="map the text ids (`id_str`); if these are right, set `ids_verified` in [table]",
                    source=source,
                )

    def _lost(self, found: Counter[int], total: int) -> bool:
        counted = max(_having(found, COUNTED), self.FEWEST)
        share = self.SHARE if total >= self.MANY else self.SHARE_OF_FEW
        return (
            _having(found, PRINTED) > share * total
            or _having(found, EXACT | COUNTED) > share * counted
            or _having(found, EXACT) > self.ALL * total
        )


def _having(found: Counter[int], mark: int) -> int:
    return sum(count for one, count in found.items() if one & mark == mark)


_AUDIENCE = ("audience", vocabulary.AUDIENCES)
_OF_BOTH: Map[str, tuple[str, Collection[str]]] = {
    "audience_at": _AUDIENCE,
    "audience_now": _AUDIENCE,
    "categories": ("category", vocabulary.CATEGORIES),
    "labels": ("label", vocabulary.LABELS),
    "parties.role": ("role", vocabulary.ROLES),
    "signals.code": ("signal", frozenset(code for code in reasons.BY_CODE if code.startswith("signal."))),
    "signals.purpose": ("purpose", vocabulary.PURPOSES),
}
_OF_RECORDS = {
    **_OF_BOTH,
    "kind": ("kind", vocabulary.KINDS),
    "lifecycle": ("lifecycle", vocabulary.LIFECYCLES),
    "upstream": ("upstream", vocabulary.UPSTREAMS),
}
_OF_PARTS = {
    **_OF_BOTH,
    "kind": ("kind of part", vocabulary.PART_KINDS),
    "source_state": ("source state", vocabulary.SOURCE_STATES),
    "place": ("place", vocabulary.PLACES),
}


def known_words(rows: pa.Table, source: str) -> None:
    """An unknown word of a closed set would silently hold every row that has it, so it is an error with its
    name.
    """
    parts = pc.list_flatten(rows["parts"])
    _words(_OF_RECORDS, lambda name: rows[name], source)
    _words(_OF_PARTS, lambda name: pc.struct_field(parts, name), source)


def _words(closed: Map[str, tuple[str, Collection[str]]], column: Callable[[str], Any], source: str) -> None:
    for path, (noun, known) in closed.items():
        name, _, inner = path.partition(".")
        values = column(name)
        if pa.types.is_list(values.type):
            values = pc.list_flatten(values)
        if inner:
            values = pc.struct_field(values, inner)
        for word in pc.unique(values).to_pylist():
            if word is not None and word not in known:
                near = unknown_term(noun, word, known)
                raise SourceError(near.sentence, hint=near.hint, source=source, column=name)
