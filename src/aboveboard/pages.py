"""The bytes that a file really holds, page by page: of Parquet decompressed, of SQLite also those of old copies of a page.

What a reader shows is what the metadata points at. Here everything that lies in the file is handed out: a dictionary page
whose value no row uses, minima and maxima in a footer, a page that a write-ahead log still has. Nothing is interpreted but
the frames around the bytes. Sources: the Parquet format's ``parquet.thrift`` and the Thrift compact protocol; "Database
File Format" of SQLite, sections 1.6, 2 and 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.parquet as pq

DICTIONARY, DATA_V2 = 2, 3
_BY_NUMBER = (2, 8)
"""Encodings whose values are numbers of a dictionary's: PLAIN_DICTIONARY and RLE_DICTIONARY."""
_CODECS = {
    "SNAPPY": "snappy",
    "GZIP": "gzip",
    "BROTLI": "brotli",
    "ZSTD": "zstd",
    "LZ4_RAW": "lz4_raw",
    "LZ4": "lz4_raw",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a column chunk: whether it is a dictionary, whether its values are numbers of a dictionary's, how many
    there are, and its bytes, decompressed."""

    dictionary: bool
    numbers: bool
    values: int
    data: bytes


def of_chunk(held: memoryview, chunk: pq.ColumnChunkMetaData) -> Iterator[Page]:
    """The pages of one column chunk of a Parquet file, whose bytes are ``held``; raises ValueError where they are not to be
    read."""
    at = chunk.data_page_offset
    if chunk.dictionary_page_offset is not None and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    while at < end:
        header, at = _struct(held, at)
        size = header[3]
        kind, said = header[1], header.get(8) or header.get(7) or header.get(5) or {}
        coded = said.get(4 if kind == DATA_V2 else 2)
        yield Page(
            kind == DICTIONARY,
            coded in _BY_NUMBER,
            said.get(1, 0),
            _plain(held[at : at + size], header, kind, chunk.compression),
        )
        at += size


def _plain(held: memoryview, header: dict[int, Any], kind: int, compression: str) -> bytes:
    import pyarrow as pa

    levels = 0
    if kind == DATA_V2:  # the levels come first, as they are
        levels = header[8].get(5, 0) + header[8].get(6, 0)
        if not header[8].get(7, True):
            compression = "UNCOMPRESSED"
    if compression == "UNCOMPRESSED":
        return bytes(held)
    wanted = header[2] - levels
    if wanted == 0:
        return bytes(held[:levels])
    try:
        found: bytes = pa.decompress(pa.py_buffer(held[levels:]), wanted, codec=_CODECS[compression], asbytes=True)
    except (KeyError, pa.ArrowException, OSError) as error:
        raise ValueError(f"a page compressed as {compression}") from error
    return bytes(held[:levels]) + found if levels else found


def plain_values(page: Page) -> Iterator[bytes]:
    """The values of a dictionary page of byte arrays: each with its length before it."""
    at, data = 0, page.data
    for _ in range(page.values):
        (length,) = struct.unpack_from("<I", data, at)
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


# --- Thrift's compact protocol, as far as a page header goes ------------------------------------------------------

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def _struct(held: memoryview, at: int) -> tuple[dict[int, Any], int]:
    found: dict[int, Any] = {}
    field = 0
    while True:
        head = held[at]
        at += 1
        if head == 0:
            return found, at
        kind, step = head & 15, head >> 4
        if step:
            field += step
        else:
            said, at = _varint(held, at)
            field = _signed(said)
        found[field], at = _value(held, at, kind)


def _value(held: memoryview, at: int, kind: int) -> tuple[Any, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind == _BYTE:
        return held[at], at + 1
    if kind in (_I16, _I32, _I64):
        said, at = _varint(held, at)
        return _signed(said), at
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        length, at = _varint(held, at)
        return bytes(held[at : at + length]), at + length
    if kind == _STRUCT:
        return _struct(held, at)
    if kind in (_LIST, _SET):
        return _list(held, at)
    raise ValueError("a page header that nobody knows")


def _list(held: memoryview, at: int) -> tuple[list[Any], int]:
    count, kind = held[at] >> 4, held[at] & 15
    at += 1
    if count == 15:
        count, at = _varint(held, at)
    values = []
    for _ in range(count):
        one, at = _value(held, at, kind)
        values.append(one)
    return values, at


def _varint(held: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = held[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number that does not end")


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


# --- SQLite -------------------------------------------------------------------------------------------------------

SQLITE, WAL = b"SQLite format 3\x00", (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_LEAF_INDEX, _LEAF_TABLE, _INNER_INDEX = 10, 13, 2


def of_sqlite(held: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The pages of a database file, with their numbers from 1; those that are free are among them."""
    size = page_size(held)
    for number in range(len(held) // size):
        yield number + 1, held[number * size : (number + 1) * size]


def free_of_sqlite(held: memoryview) -> Iterator[int]:
    """The numbers of the pages of a database file that are free: they may still have what once was on them."""
    size, seen = page_size(held), set[int]()
    (trunk,) = struct.unpack_from(">I", held, 32)
    while trunk and trunk not in seen and trunk * size <= len(held):
        seen.add(trunk)
        yield trunk
        at = (trunk - 1) * size
        following, count = struct.unpack_from(">II", held, at)
        yield from struct.unpack_from(f">{min(count, size // 4 - 2)}I", held, at + 8)
        trunk = following


def page_size(held: memoryview) -> int:
    """How many bytes a page of a database file has."""
    (size,) = struct.unpack_from(">H", held, 16)
    return 65_536 if size == 1 else max(int(size), 512)


def of_wal(held: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The pages that a write-ahead log holds, valid or not, with the numbers they have in the database."""
    if len(held) < 32:
        return
    (size,) = struct.unpack_from(">I", held, 8)
    at = 32
    while size and at + 24 + size <= len(held):
        (number,) = struct.unpack_from(">I", held, at)
        yield number, held[at + 24 : at + 24 + size]
        at += 24 + size


def texts_of(page: memoryview, first: bool = False) -> Iterator[bytes]:
    """The texts in the cells of one page, as far as they lie in it; nothing where it holds no cells. ``first``: it is the
    first page of its file, whose first hundred bytes are the file's header."""
    base = 100 if first else 0
    kind = page[base]
    if kind not in (_LEAF_INDEX, _LEAF_TABLE, _INNER_INDEX):
        return
    (cells,) = struct.unpack_from(">H", page, base + 3)
    begin = base + (12 if kind == _INNER_INDEX else 8)
    for place in range(begin, min(begin + 2 * cells, len(page) - 1), 2):
        (at,) = struct.unpack_from(">H", page, place)
        try:
            yield from _texts(page, at + (4 if kind == _INNER_INDEX else 0), kind == _LEAF_TABLE)
        except IndexError:  # a page that is no page of cells any more
            continue


def _texts(page: memoryview, at: int, with_row: bool) -> Iterator[bytes]:
    _, at = _big(page, at)
    if with_row:
        _, at = _big(page, at)
    begin = at
    length, at = _big(page, at)
    value = begin + length
    while at < begin + length:
        kind, at = _big(page, at)
        size = _SIZES[kind] if kind < len(_SIZES) else (kind - 12) // 2
        if kind >= 13 and kind % 2:
            yield bytes(page[value : value + size])
        value += size


_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)


def _big(page: memoryview, at: int) -> tuple[int, int]:
    """A number as SQLite writes it: seven bits a byte, the highest first, and eight in a ninth."""
    value = 0
    for n in range(9):
        byte = page[at]
        at += 1
        if n == 8:
            return (value << 8) | byte, at
        value = (value << 7) | (byte & 127)
        if byte < 128:
            break
    return value, at
