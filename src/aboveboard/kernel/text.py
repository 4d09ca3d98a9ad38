"""Identifiers in columns of text: the rules of ``identifiers`` carried out over Arrow's buffers, and what stands in their place.

Twins: ``identifiers.touched``, ``search`` and ``pseudonym``, and ``scrub``. A row that has anything outside ASCII where a rule
reads, or what is rare, is declined and left to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any

from aboveboard.kernel.library import DONE, Library, library

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST = 65_536
"""Bytes of a row that is looked into; a longer one is left to the twin."""
ROOM = 65_536
"""Spans that are kept at a time."""
KINDS = 6


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables that ``identifiers`` states, in the form in which the library reads them (text.h)."""

    pages: bytes
    classes: bytes
    accounts: bytes
    calling: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """Spans in the first ``rows`` of a column, how many of each kind, and of every row the stages that are left to the twin."""

    rows: int
    count: int
    grown: int
    kinds: Sequence[int]
    stages: bytes


class Finder:
    """The library with its tables and room to work in; what it finds holds until it is asked again."""

    def __init__(self, lib: Library, tables: Tables) -> None:
        import ctypes

        self._calls, self._sha = lib.calls, lib.sha
        parts = (tables.pages, tables.classes, tables.accounts, tables.calling)
        self._kept = [ctypes.create_string_buffer(part, len(part)) for part in parts]
        self._rules = Struct("=4Q").pack(*map(ctypes.addressof, self._kept))
        self._scratch = ctypes.create_string_buffer(LONGEST)
        self._spans = ctypes.create_string_buffer(ROOM * _SPAN.size)

    def touched(self, column: pa.Array) -> bytes | None:
        """As ``identifiers.touched``, of the rows of a column; 0 for a null."""
        stages = _room(len(column))
        code = self._calls.ab_text_touched(self._rules, _laid(column), stages)
        return stages.raw[: len(column)] if code == DONE else None

    def search(self, column: pa.Array) -> Found | None:
        """As ``identifiers.search``, of as many rows as there is room for."""
        import ctypes

        stages, told = _room(len(column)), (ctypes.c_int64 * (3 + KINDS))()
        size, room = ctypes.c_int64(LONGEST), ctypes.c_int64(ROOM)
        code = self._calls.ab_text_spans(
            self._rules, _laid(column), self._scratch, size, stages, self._spans, room, told
        )
        rows, count, grown, *kinds = told
        return Found(rows, count, grown, kinds, stages.raw[:rows]) if code == DONE else None

    def spans(self, found: Found) -> list[tuple[int, int, int, int]]:
        """Row, start and end in bytes, and number of the kind."""
        return list(_SPAN.iter_unpack(self._spans.raw[: found.count * _SPAN.size]))

    def rewritten(self, column: pa.Array, found: Found, key: bytes) -> pa.Array | None:
        """Those rows of the column with what was found replaced, under this key."""
        import ctypes

        import pyarrow as pa

        column = column.slice(0, found.rows)
        valid, width = column.buffers()[0], _width(column)
        lead = column.offset % 8 if valid is not None else 0  # so that the bits of what is null stay where they are
        size = _text_size(column) + found.grown
        ends, data = pa.allocate_buffer((lead + found.rows + 1) * width), pa.allocate_buffer(size)
        ctypes.memset(ends.address, 0, lead * width)
        code = self._calls.ab_text_rewritten(
            self._sha, _block(key), _laid(column), self._spans, ctypes.c_int64(found.count),
            ctypes.c_void_p(ends.address + lead * width), ctypes.c_void_p(data.address), ctypes.c_int64(size),
        )  # fmt: skip
        if code != DONE:
            return None
        bits = None if valid is None else valid.slice(column.offset // 8)
        return pa.Array.from_buffers(column.type, found.rows, [bits, ends, data], offset=lead)


def finder(tables: Tables) -> Finder | None:
    """What finds identifiers by the compiled library; None where there is none."""
    lib = library()
    return None if lib is None else Finder(lib, tables)


_SPAN = Struct("=4i")
_COLUMN = Struct("=6qi4x")


def _laid(column: pa.Array) -> bytes:
    """A column of text as ``struct ab_column``."""
    valid, ends, data = column.buffers()
    width = _width(column)
    size = 0 if data is None else data.size
    if ends is None or ends.size < (column.offset + len(column) + 1) * width:
        return _NONE
    if valid is not None and valid.size * 8 < column.offset + len(column):
        return _NONE
    start = 0 if data is None else data.address
    bits = 0 if valid is None else valid.address
    return _COLUMN.pack(
        ends.address + column.offset * width, start, size, bits, column.offset, len(column), int(width == 8)
    )


_NONE = _COLUMN.pack(0, 0, 0, 0, 0, -1, 0)
"""A column that every function declines."""


def _width(column: pa.Array) -> int:
    import pyarrow as pa

    return 8 if column.type == pa.large_string() else 4


def _text_size(column: pa.Array) -> int:
    ends = memoryview(column.buffers()[1]).cast("B").cast("q" if _width(column) == 8 else "i")
    return int(ends[column.offset + len(column)] - ends[column.offset])


def _block(key: bytes) -> bytes:
    """A key of HMAC as it goes into its first block (RFC 2104)."""
    return (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")


def _room(size: int) -> Any:
    import ctypes

    return ctypes.create_string_buffer(max(size, 1))
