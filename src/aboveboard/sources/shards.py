"""Writes staged rows as Parquet shards of an exact size; where a batch ended leaves no trace in them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aboveboard import record
from aboveboard.sources.staged import schema, shard_path

GROUP = 32_768
"""Rows of one Parquet row group; a shard is written group by group."""

_REPEATED = [name for name, kind in record.OWN.items() if kind == "VARCHAR" and name not in ("record_id", "text")]
"""Columns in which few words come often; a dictionary of the others would only cost time."""


class Shards:
    """The shards of one source. ``close`` ends them whole, ``discard`` leaves none."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self.paths: list[Path] = []
        self.waiting: pa.Table = schema(record.SOURCE_COLUMNS).empty_table()
        self.room = 0
        self.writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.Table) -> None:
        self.waiting = pa.concat_tables([self.waiting, batch])
        while self.waiting.num_rows >= self._next():
            self._group(self._next())

    def _next(self) -> int:
        return min(GROUP, self.room or self.rows)

    def _group(self, rows: int) -> None:
        if self.writer is None:
            self.paths.append(shard_path(self.folder, len(self.paths)))
            self.writer = pq.ParquetWriter(
                self.paths[-1],
                self.waiting.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=_REPEATED,
            )
            self.room = self.rows
        self.writer.write_table(self.waiting.slice(0, rows), row_group_size=max(rows, 1))
        self.waiting = self.waiting.slice(rows)
        self.room -= rows
        if self.room == 0:
            self._end()

    def _end(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.writer = None

    def close(self) -> None:
        """Writes what is left; a source without rows still has one shard, an empty one."""
        if self.waiting.num_rows or not self.paths:
            self._group(self.waiting.num_rows)
        self._end()

    def discard(self) -> None:
        self._end()
        for path in self.paths:
            path.unlink(missing_ok=True)
