"""Any table as records: files in, a mapping of SQL expressions, staged shards and a quarantine out.

The steps are views with names: ``raw`` (the files' rows), ``row`` (what holds a record), ``mapped`` (every
expression in its box) and ``staged`` (the canonical columns). Rows stream through them in the order of the
files, and at the end every row read is either staged or in quarantine with a reason. Specification:
docs/formats/source.md.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from aboveboard import record
from aboveboard.errors import SourceError
from aboveboard.sources import files, mapping, session, steps
from aboveboard.sources.counting import Count
from aboveboard.sources.mapping import Mapping
from aboveboard.sources.staged import Staged, schema, shard_path, write_quarantine

Progress = Callable[[int, int | None], None]

GROUP = 32_768
"""Rows of one Parquet row group; a shard is written group by group."""


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table and its mapping. Nothing is loaded until it is staged."""

    mapping: Mapping

    @property
    def name(self) -> str:
        return self.mapping.name

    @property
    def origin(self) -> str:
        return self.mapping.origin

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read: the table's, then those of joined tables."""
        return tuple(path for one in self.mapping.inputs for path in one.paths)

    def stage(
        self,
        folder: Path,
        *,
        rows_per_shard: int = 262_144,
        limit: int | None = None,
        keep_going: bool = False,
        progress: Progress | None = None,
    ) -> Staged:
        """Reads the table into shards under ``folder``, in order; raises SourceError when rows cannot be
        trusted.

        ``progress`` is called with the rows done and, where the format tells, their total. ``keep_going``
        lets a read end although more rows than allowed are malformed.
        """
        return _stage(self.mapping, folder, rows_per_shard, limit, keep_going, progress or (lambda _done, _total: None))


def read(path: str | Path, *, overrides: Map[str, Any] | None = None) -> TableSource:
    """The source that a mapping file describes; ``overrides`` replace values of it, such as paths."""
    where = Path(path)
    return TableSource(mapping.parse(mapping.merged(mapping.load(where), overrides), where))


# --- staging ------------------------------------------------------------------------------------------------


def _stage(
    said: Mapping, folder: Path, rows_per_shard: int, limit: int | None, keep_going: bool, progress: Progress
) -> Staged:
    if rows_per_shard < 1:
        raise SourceError("a shard holds at least one row", rows_per_shard=rows_per_shard)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("part-*.parquet"):
        stale.unlink()
    digest = files.digest(said.inputs)
    shards = _Shards(folder, rows_per_shard)
    count = Count(said)
    try:
        opened = _stream(said, folder, limit, count, shards, progress)
        shards.close()
        quarantine = write_quarantine(count.quarantine, folder)
        _judge(said, opened, count, whole=limit is None, keep_going=keep_going or said.keep_going)
    except BaseException:
        shards.discard()  # half a source must not look like one
        raise
    return Staged(
        said.name, said.origin, tuple(shards.paths), quarantine, count.staged, len(count.quarantine), digest,
        tuple(path for one in said.inputs for path in one.paths),
    )  # fmt: skip


def _stream(
    said: Mapping, folder: Path, limit: int | None, count: Count, shards: _Shards, progress: Progress
) -> files.Opened:
    con = session.connect(folder / "spill")
    opened = files.Opened()
    try:
        opened = steps.make(con, said)
        for batch in con.sql(f"SELECT * FROM staged {steps.order(said)}").to_arrow_reader(GROUP):
            good = count.take(batch, limit)
            shards.write(good)
            progress(count.staged + len(count.quarantine), opened.total)
            if count.ordinal == limit:
                break
    except (duckdb.Error, pa.ArrowException) as error:
        raise opened.failure or session.failed(error, "the table cannot be read", source=said.name) from error
    finally:
        con.close()
    return opened


def _judge(said: Mapping, opened: files.Opened, count: Count, *, whole: bool, keep_going: bool) -> None:
    """What must hold of a finished read. INVARIANT: rows read = rows staged + rows in quarantine."""
    if whole and (opened.rows != count.holders or count.elements != count.ordinal):
        raise SourceError(
            f"{opened.rows} rows were read but {count.holders} came through, with {count.ordinal} of "
            f"{count.elements} records",
            source=said.name,
        )
    if not said.ids_verified:
        count.ids.judge(said.name)
    bad = len(count.quarantine)
    if not keep_going and bad > said.max_rows and bad > said.max_share * count.ordinal:
        raise SourceError(
            f"{bad} of {count.ordinal} rows are malformed",
            hint="quarantine.parquet says which and why; raise [quarantine] max_share only if you know them",
            source=said.name,
        )


_REPEATED = [name for name, kind in record.OWN.items() if kind == "VARCHAR" and name not in ("record_id", "text")]
"""Columns in which few words come often; a dictionary of the others would only cost time."""


class _Shards:
    """Writes batches into files of an exact number of rows; where a batch ends leaves no trace in them."""

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
