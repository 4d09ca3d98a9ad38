"""Writes staged rows as Parquet shards of an exact size; where a batch ended leaves no trace in them."""

from __future__ import annotations

import functools
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aboveboard import record
from aboveboard.sources.staged import BESIDE_COLUMNS, COMPOSED, beside_path, schema, shard_path

GROUP = 32_768
"""Rows of one Parquet row group; a shard is written group by group."""

_REPEATED = [name for name, kind in record.OWN.items() if kind == "VARCHAR" and name not in ("record_id", "text")]
"""Columns in which few words come often; a dictionary of the others would only cost time."""


class Shards:
    """The shards of one source, and the lists of each beside it. ``close`` ends them whole, ``discard`` leaves none."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self.paths: list[Path] = []
        self.waiting: pa.Table = schema(record.SOURCE_COLUMNS).empty_table()
        self.room = self.composed = 0
        self.writer: pq.ParquetWriter | None = None
        self.beside: pq.ParquetWriter | None = None

    def write(self, batch: pa.Table) -> None:
        self.waiting = pa.concat_tables([self.waiting, batch])
        while self.waiting.num_rows >= self._next():
            self._group(self._next())

    def _next(self) -> int:
        return min(GROUP, self.room or self.rows)

    def _group(self, rows: int) -> None:
        if self.writer is None or self.beside is None:
            self.paths.append(shard_path(self.folder, len(self.paths)))
            self.writer = _writer(self.paths[-1], self.waiting.schema)
            self.beside = _writer(beside_path(self.paths[-1]), schema(BESIDE_COLUMNS))
            self.room = self.rows
        group = self.waiting.slice(0, rows)
        self.writer.write_table(group, row_group_size=max(rows, 1))
        self.beside.write_table(composed := _composed(group))
        self.composed += composed.num_rows
        self.waiting = self.waiting.slice(rows)
        self.room -= rows
        if self.room == 0:
            self._end()

    def _end(self) -> None:
        """Closes both files; the shard says how many of its records lie beside it, so that none is missed there unseen."""
        if self.writer is not None:
            self.writer.add_key_value_metadata({COMPOSED: str(self.composed).encode()})
        for writer in (self.writer, self.beside):
            if writer is not None:
                writer.close()
        self.writer = self.beside = None
        self.composed = 0

    def close(self) -> None:
        """Writes what is left; a source without rows still has one shard, an empty one."""
        if self.waiting.num_rows or not self.paths:
            self._group(self.waiting.num_rows)
        self._end()

    def discard(self) -> None:
        self._end()
        for path in self.paths:
            for file in (path, beside_path(path)):
                file.unlink(missing_ok=True)


def _writer(path: Path, columns: pa.Schema) -> pq.ParquetWriter:
    repeated = [name for name in _REPEATED if name in columns.names]
    return pq.ParquetWriter(path, columns, compression="zstd", compression_level=1, use_dictionary=repeated)


def _composed(rows: pa.Table) -> pa.Table:
    """``BESIDE_COLUMNS`` of the rows of which not every list is empty; one that nobody knows is not."""
    empty = [pc.equal(pc.list_value_length(rows[name]), 0) for name in _LISTS]
    bare = functools.reduce(pc.and_, (pc.fill_null(one, False) for one in empty))
    return rows.select(list(BESIDE_COLUMNS)).filter(pc.invert(bare))


_LISTS = ("labels", "signals", "parties", "parts")
