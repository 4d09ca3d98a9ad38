"""Identifiers out of a column of text: a quick look at the bytes first, then the rules for the few posts that need them.

The rules are those of ``identifiers``; here they meet Arrow. A post without a trace of an identifier is never made into
a Python string and comes back as the same bytes. Where there is a compiled kernel it does both, and leaves to the rules
here what it declines. No text ever stands in an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from aboveboard import kernel
from aboveboard.errors import SourceError
from aboveboard.identifiers import KINDS, pseudonym, rewritten, search, tables, touched

Counts = Mapping[str, int]
"""How many spans of each kind were replaced; every kind is there, with 0 where there was none."""

BLOCK_ROWS = 16_384
"""Rows looked at together: their text fits into the processor's cache, and the copy of it stays small."""
REMEMBERED = 100_000
"""Pseudonyms kept at hand while one column is scrubbed; beyond them they are reckoned anew."""


def scrub(column: pa.Array | pa.ChunkedArray, key: bytes) -> tuple[pa.Array, Counts]:
    """The column with its identifiers replaced, chunked and typed as it came, and how many there were.

    Takes ``string`` and ``large_string``; a null stays null. Any other type is a ``TypeError``, an empty key a
    ``ValueError``, and text that is not UTF-8 a ``SourceError`` with its row and nothing of what stands in it.
    """
    if column.type not in (pa.string(), pa.large_string()):
        raise TypeError(f"a column to scrub is string or large_string, not {column.type}")
    if not key:
        raise ValueError("scrubbing needs a key: without one, anyone could reckon the pseudonyms")
    work = _Work(key)
    if isinstance(column, pa.ChunkedArray):
        chunks = [work.array(chunk) for chunk in column.chunks]
        return pa.chunked_array(chunks, column.type), work.counts()
    return work.array(column), work.counts()


class _Work:
    """One run over a column: the pseudonyms met so far, and what was replaced."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._finder = kernel.finder(kernel.Tables(*tables()))
        self._names: dict[str, str] = {}
        self._replaced: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        return {kind: self._replaced[kind] for kind in KINDS}

    def array(self, column: pa.Array) -> pa.Array:
        blocks: list[pa.Array] = []
        at = 0
        while at < len(column):
            blocks.append(self._block(column.slice(at, BLOCK_ROWS), at))
            at += len(blocks[-1])
        return pa.concat_arrays(blocks) if blocks else column

    def _block(self, block: pa.Array, first_row: int) -> pa.Array:
        """The first rows of a block, done: all of them, but for one that is full of identifiers."""
        found = self._finder.search(block) if self._finder else None
        if self._finder is None or found is None:
            return self._by_rules(block, block, _suspects(block), first_row)
        block = block.slice(0, found.rows)
        done = self._finder.rewritten(block, found, self._key) if found.count else block
        if done is None:
            return self._by_rules(block, block, _suspects(block), first_row)
        self._replaced.update(dict(zip(KINDS, found.kinds, strict=True)))
        return self._by_rules(block, done, found.stages, first_row)

    def _by_rules(self, block: pa.Array, done: pa.Array, stages: bytes | bytearray, first_row: int) -> pa.Array:
        """``done`` with the rows of the block that have stages left as the rules here leave them."""
        if not any(stages):
            return done
        rows = [row for row, chosen in enumerate(stages) if chosen]
        texts = _texts(block, rows, first_row)
        changed = {row: new for row, text in texts if (new := self._text(text, stages[row])) is not text}
        if not changed:
            return done
        flags = bytearray(len(block))
        for row in changed:
            flags[row] = 1
        return pc.replace_with_mask(done, _mask(flags), pa.array(changed.values(), block.type))

    def _text(self, text: str, stages: int) -> str:
        spans = search(text, stages)
        for span in spans:
            self._replaced[span.kind] += 1
        return rewritten(text, spans, self._name) if spans else text

    def _name(self, handle: str) -> str:
        name = self._names.get(handle)
        if name is None:
            if len(self._names) >= REMEMBERED:
                self._names.clear()
            name = self._names[handle] = pseudonym(handle, self._key)
        return name


def _suspects(block: pa.Array) -> bytes | bytearray:
    """For each row the stages that could find something in it."""
    _, ends, data = block.buffers()
    if data is None:
        return b""
    numbers = memoryview(ends).cast("B")
    places = numbers.cast("i") if block.type == pa.string() else numbers.cast("q")
    offsets = places[block.offset : block.offset + len(block) + 1].tolist()
    start = offsets[0]
    return touched(bytes(memoryview(data)[start : offsets[-1]]), [at - start for at in offsets])


def _texts(block: pa.Array, rows: list[int], first_row: int) -> Iterator[tuple[int, str]]:
    """The text of these rows; what a null hides is never read."""
    taken = block.take(pa.array(rows, pa.int64()))
    try:
        texts = taken.to_pylist()
    except UnicodeDecodeError:
        texts = None  # the error holds the text, so it must not travel on
    if texts is None:
        raise SourceError("a text is not UTF-8", row=first_row + _first_broken(block, rows))
    return ((row, text) for row, text in zip(rows, texts, strict=True) if text is not None)


def _first_broken(block: pa.Array, rows: list[int]) -> int:
    for row in rows:
        try:
            block[row].as_py()
        except UnicodeDecodeError:
            return row
    return rows[0]


def _mask(flags: bytearray) -> pa.Array:
    return pa.Array.from_buffers(pa.uint8(), len(flags), [None, pa.py_buffer(flags)]).cast(pa.bool_())
