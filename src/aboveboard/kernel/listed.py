"""Which of many identifiers are on a list of keyed hashes, in one call for all of them.

Twin: ``suppression.Suppressions.among``, which says what is hashed. Identifiers that are not ASCII, or longer than 256 bytes, are
left to it: an answer holds their places apart.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from aboveboard.kernel.library import DONE, library
from aboveboard.kernel.rows import HASH

if TYPE_CHECKING:
    import pyarrow as pa

ANY = 2**62
"""However long they are."""
_LENGTH = 4
"""Bytes of a page that say how long a value is."""
_LISTED, _ASK = re.compile(b"\x01"), re.compile(b"\x02")


@dataclass(frozen=True, slots=True)
class KeyedList:
    """A list to look in: what the two hashes of HMAC begin with (128 bytes), and all hashes in ascending order."""

    pads: bytes
    hashes: bytes

    @classmethod
    def of(cls, inner: bytes, outer: bytes, hashes: Sequence[bytes]) -> KeyedList:
        if len(inner) != 64 or len(outer) != 64 or any(len(one) != HASH for one in hashes):
            raise ValueError("a pad has 64 bytes and a hash 32")
        return cls(inner + outer, b"".join(sorted(hashes)))


@dataclass(frozen=True, slots=True)
class Answer:
    """The places of identifiers that are on the list, and of those for which the twin is to be asked."""

    listed: tuple[int, ...]
    ask: tuple[int, ...]


def listed(asked: KeyedList, values: Sequence[bytes], longest: int = ANY) -> Answer | None:
    """Of some identifiers (UTF-8); what is longer than ``longest`` is none. None: ask the twin."""
    offsets = array("q", accumulate(map(len, values), initial=0))
    return _asked(asked, b"".join(values), offsets.tobytes(), 8, 0, len(values), longest)


def listed_in_column(asked: KeyedList, column: pa.Array, longest: int = ANY) -> Answer | None:
    """Of the values of an Arrow column of text or bytes (32-bit offsets); a null is none."""
    import pyarrow as pa

    if column.null_count:
        column = column.drop_null()
    if library() is None or not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        return None
    _, offsets, data = column.buffers()
    return _asked(asked, data, offsets, 4, column.offset, len(column), longest)


def listed_in_page(asked: KeyedList, page: bytes, values: int, longest: int = ANY) -> Answer | None:
    """Of the values of a page of Parquet in plain encoding, each with its length before it."""
    if (lib := library()) is None or not 0 <= values <= len(
        page
    ) // _LENGTH:  # no room is made for what cannot be there
        return None
    import ctypes

    out, long = ctypes.create_string_buffer(max(values, 1)), ctypes.c_int64
    code = lib.calls.ab_listed_in_page(
        lib.sha, asked.pads, asked.hashes, long(len(asked.hashes)), page, long(len(page)), long(values), long(longest),
        out, long(values),
    )  # fmt: skip
    return _answer(out.raw[:values]) if code == DONE else None


def _asked(
    asked: KeyedList, data: bytes | pa.Buffer | None, offsets: bytes | pa.Buffer | None, wide: int, first: int, count: int,
    longest: int,
) -> Answer | None:  # fmt: skip
    if (lib := library()) is None:
        return None
    import ctypes

    out, long = ctypes.create_string_buffer(max(count, 1)), ctypes.c_int64
    held, marks = _at(data), _at(offsets)
    code = lib.calls.ab_listed(
        lib.sha, asked.pads, asked.hashes, long(len(asked.hashes)), *held, *marks, long(wide), long(first), long(count),
        long(longest), out, long(count),
    )  # fmt: skip
    return _answer(out.raw[:count]) if code == DONE else None


def _at(held: bytes | pa.Buffer | None) -> tuple[object, object]:
    """Bytes as they are handed over: where they are, and how many."""
    import ctypes

    if held is None:
        return b"", ctypes.c_int64(0)
    where = held if isinstance(held, bytes) else ctypes.c_void_p(held.address)
    return where, ctypes.c_int64(len(held) if isinstance(held, bytes) else held.size)


def _answer(flags: bytes) -> Answer:
    return Answer(*(tuple(one.start() for one in found.finditer(flags)) for found in (_LISTED, _ASK)))
