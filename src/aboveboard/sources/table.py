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

from aboveboard.errors import SourceError
from aboveboard.sources import files, mapping, session, steps
from aboveboard.sources.counting import Count
from aboveboard.sources.mapping import Mapping
from aboveboard.sources.shards import GROUP, Shards
from aboveboard.sources.staged import Staged, clear, write_quarantine

Progress = Callable[[int, int | None], None]


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
    clear(folder)
    paths = tuple(path for one in said.inputs for path in one.paths)
    before, digest = files.stamps(paths), files.digest(said.inputs)
    shards = Shards(folder, rows_per_shard)
    count = Count(said)
    try:
        opened = _stream(said, folder, limit, count, shards, progress)
        files.refuse_changed(said.name, paths, before)
        shards.close()
        quarantine = write_quarantine(count.quarantine, folder)
        _judge(said, opened, count, whole=limit is None, keep_going=keep_going or said.keep_going)
    except BaseException:
        shards.discard()  # half a source must not look like one
        raise
    return Staged(
        said.name, said.origin, tuple(shards.paths), quarantine, count.staged, len(count.quarantine), digest, paths,
    )  # fmt: skip


def _stream(
    said: Mapping, folder: Path, limit: int | None, count: Count, shards: Shards, progress: Progress
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
