"""Hashes of rows: SHA-256 over constants, values and netstrings of values, row by row of some Arrow columns.

What is hashed is said by steps, one tuple for each hash of a row; a hash may take in those before it. ``told`` does in Python
what ``rows.c`` does, and says what the steps mean; formats are described where they are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any

from aboveboard.kernel.library import DONE, library

if TYPE_CHECKING:
    import pyarrow as pa

HASH = 32


@dataclass(frozen=True, slots=True)
class Raw:
    """The bytes of a column of bytes or text; a null is refused."""

    column: int


@dataclass(frozen=True, slots=True)
class Net:
    """The netstring of a value of a column: ``-`` for null; a list or a struct is the netstring of its items' netstrings."""

    column: int


@dataclass(frozen=True, slots=True)
class Hex:
    """The netstring of the bytes of a column in hexadecimal; a null is refused."""

    column: int


@dataclass(frozen=True, slots=True)
class Digest:
    """Some bytes of a hash of the same row that was made before."""

    hash: int
    begin: int = 0
    end: int = HASH


@dataclass(frozen=True, slots=True)
class DigestHex:
    """The netstring of a hash of the same row in hexadecimal."""

    hash: int


Step = bytes | Raw | Net | Hex | Digest | DigestHex
Recipe = tuple[tuple[Step, ...], ...]
"""The steps of each hash of a row."""


def digests(recipe: Recipe, columns: Sequence[pa.Array], kept: int = 1) -> bytes | None:
    """The last ``kept`` hashes of each row, 32 bytes each, one behind another; None: ask the twin."""
    if library() is None:
        return None
    nodes, begins = _nodes(columns)
    return None if nodes is None else _called(bytes(nodes), _steps(recipe, begins), len(columns[0]), kept)


def _called(nodes: bytes, steps: _Steps, rows: int, kept: int) -> bytes | None:
    import ctypes

    lib, room = library(), rows * kept * HASH
    if lib is None:
        return None
    out = ctypes.create_string_buffer(max(room, 1))
    counts = [ctypes.c_int64(n) for n in (len(nodes) // _NODE.size, len(steps.data) // _STEP.size, rows, kept)]
    code = lib.calls.ab_rows(lib.sha, nodes, counts[0], steps.data, *counts[1:], out, ctypes.c_int64(room))
    return out.raw[:room] if code == DONE else None


# --- what the library is handed -----------------------------------------------------------------------------------

_NODE = Struct("=11q")
_STEP = Struct("=5q")
_TEXT32, _TEXT64, _FIXED, _INT32, _INT64, _BOOL, _LIST32, _LIST64, _STRUCT, _NOTHING = range(1, 11)
_BEGIN, _CONSTANT, _RAW, _NET, _HEX, _DIGEST, _DIGEST_HEX = range(1, 8)


@cache
def _kinds() -> dict[int, int]:
    """The kinds of nodes by the ids of Arrow's types; a type that is not here is left to the twin."""
    import pyarrow as pa

    of = pa.lib
    return {
        of.Type_STRING: _TEXT32, of.Type_BINARY: _TEXT32, of.Type_LARGE_STRING: _TEXT64, of.Type_LARGE_BINARY: _TEXT64,
        of.Type_FIXED_SIZE_BINARY: _FIXED, of.Type_INT32: _INT32, of.Type_INT64: _INT64, of.Type_BOOL: _BOOL,
        of.Type_LIST: _LIST32, of.Type_LARGE_LIST: _LIST64, of.Type_STRUCT: _STRUCT, of.Type_NA: _NOTHING,
        of.Type_TIMESTAMP: _INT64,
    }  # fmt: skip


def _nodes(columns: Sequence[pa.Array]) -> tuple[bytearray | None, tuple[int, ...]]:
    """Columns as ``struct ab_node``, and at which node each begins."""
    made, begins = bytearray(), []
    for column in columns:
        begins.append(len(made) // _NODE.size)
        if not _node(column, made):
            return None, ()
    return made, tuple(begins)


def _node(array: pa.Array, made: bytearray) -> bool:
    """A column and all below it; whether every type is known."""
    kind = _kinds().get(array.type.id)
    if kind is None or (array.type.id == _timestamp() and array.type.unit != "us"):
        return False
    place, buffers = len(made), array.buffers()
    made += bytes(_NODE.size)
    if kind in (_LIST32, _LIST64):
        fine = _node(array.values, made)
    elif kind == _STRUCT:
        fine = all(_node(array.field(at), made) for at in range(array.type.num_fields))
    else:
        fine = True
    offsets = buffers[1] if kind in (_TEXT32, _TEXT64, _LIST32, _LIST64) else None
    data = buffers[2] if kind in (_TEXT32, _TEXT64) else buffers[1] if kind in (_FIXED, _INT32, _INT64, _BOOL) else None
    width = array.type.byte_width if kind == _FIXED else 0
    _NODE.pack_into(
        made, place, kind, (len(made) - place) // _NODE.size, *_at(buffers[0] if buffers else None), *_at(offsets),
        *_at(data), array.offset, len(array), width,
    )  # fmt: skip
    return fine


@cache
def _timestamp() -> int:
    import pyarrow as pa

    return int(pa.lib.Type_TIMESTAMP)


def _at(buffer: pa.Buffer | None) -> tuple[int, int]:
    return (0, 0) if buffer is None else (buffer.address, buffer.size)


@dataclass(frozen=True, slots=True)
class _Steps:
    """Steps as ``struct ab_step``, with the constants that they point to."""

    data: bytes
    constants: tuple[Any, ...]


@lru_cache(maxsize=64)
def _steps(recipe: Recipe, begins: tuple[int, ...]) -> _Steps:
    import ctypes

    packed, constants = b"", []
    for hash_steps in recipe:
        packed += _STEP.pack(_BEGIN, 0, 0, 0, 0)
        for step in hash_steps:
            if isinstance(step, bytes):
                constants.append(ctypes.create_string_buffer(step, len(step)))
                packed += _STEP.pack(_CONSTANT, 0, ctypes.addressof(constants[-1]), len(step), 0)
            elif isinstance(step, Digest):
                packed += _STEP.pack(_DIGEST, step.hash, 0, step.end - step.begin, step.begin)
            elif isinstance(step, DigestHex):
                packed += _STEP.pack(_DIGEST_HEX, step.hash, 0, HASH, 0)
            else:
                packed += _STEP.pack(_COLUMN[type(step)], begins[step.column], 0, 0, 0)
    return _Steps(packed, tuple(constants))


_COLUMN: dict[type, int] = {Raw: _RAW, Net: _NET, Hex: _HEX}


# --- the twin -----------------------------------------------------------------------------------------------------


def told(recipe: Recipe, columns: Sequence[Sequence[Any]], kept: int = 1) -> bytes:
    """The same in Python, over columns of Python's values; raises TypeError for what is refused."""
    return b"".join(b"".join(_row(recipe, row)[-kept:]) for row in zip(*columns, strict=True))


def _row(recipe: Recipe, row: Sequence[Any]) -> list[bytes]:
    made: list[bytes] = []
    for steps in recipe:
        made.append(hashlib.sha256(b"".join(_bytes(step, row, made) for step in steps)).digest())
    return made


def _bytes(step: Step, row: Sequence[Any], made: Sequence[bytes]) -> bytes:
    if isinstance(step, bytes):
        return step
    if isinstance(step, Digest):
        return made[step.hash][step.begin : step.end]
    if isinstance(step, DigestHex):
        return net(made[step.hash].hex())
    value = row[step.column]
    if isinstance(step, Net):
        return net(value)
    data = value.encode() if isinstance(value, str) else bytes(memoryview(value))
    return data if isinstance(step, Raw) else net(data.hex())


def net(value: Any) -> bytes:
    """A value as a netstring: text in UTF-8, numbers in decimal, moments in microseconds since 1970, 1 or 0, ``-``."""
    if value is None:
        return b"-"
    data = _inside(value)
    return b"%d:%s," % (len(data), data)


def _inside(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b"".join(net(one) for one in value.values())
    if isinstance(value, list):
        return b"".join(net(one) for one in value)
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if isinstance(value, datetime):
        return b"%d" % ((value.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND)
    return str(value).encode()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
