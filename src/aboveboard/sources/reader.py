"""What every reader of a platform's exports shares: files decided by their kind, rows staged or quarantined.

A reader says of each file name what kind it is (read, or never read and why) and yields rows; a file of no
known kind is refused by name and counted, never skipped. Rows read = rows staged + rows in quarantine.
Specification: docs/formats/exports.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from aboveboard import record
from aboveboard.compliance import Overheard
from aboveboard.errors import SourceError
from aboveboard.sources.container import Container, opened
from aboveboard.sources.counting import Ids, known_words
from aboveboard.sources.files import refuse_changed, stamps
from aboveboard.sources.mapping import MAX_ROWS, MAX_SHARE
from aboveboard.sources.shards import Shards
from aboveboard.sources.staged import Refused, Staged, clear, naive, schema, write_quarantine, write_refused, write_told

Progress = Callable[[int, int | None], None]
BATCH = 4_096


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file a reader knows: its name, and why files of it are never read ('' where they are)."""

    name: str
    never: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, numbered from 0: a record as columns of ``record.SOURCE_COLUMNS``, or why it is none.

    Times in ``record`` are aware datetimes. A ``fault`` holds nothing of what the row says.
    """

    file: str
    row: int
    record: Mapping[str, Any] | None = None
    fault: str | None = None
    told: Overheard | None = None
    """What happened afterwards to what came with it, where the row is about that."""


@dataclass(frozen=True)
class Export:
    """The files of one export that are to be read, by name, with the settings of its mapping."""

    container: Container
    names: Sequence[str]
    settings: Mapping[str, Any]

    def read(self, name: str) -> bytes:
        return self.container.read(name)


class Reader(Protocol):
    """One platform's formats. Both methods are pure but for what ``Export.read`` reads."""

    @property
    def settings(self) -> Sequence[str]:
        """The keys of [export] that this reader knows beside the common ones."""

    def kind(self, name: str) -> FileKind | None:
        """What kind of file this is, by its name alone; None: unknown, so it is refused."""

    def rows(self, export: Export) -> Iterator[Row]:
        """Every row of every file, in order. Raises SourceError for a file that cannot be trusted as a whole."""


@dataclass(frozen=True, slots=True)
class ExportSource:
    """Exports and the reader for them. Nothing is opened until they are staged."""

    name: str
    origin: str
    files: tuple[Path, ...]
    reader: Reader
    settings: Mapping[str, Any]
    licence: str | None = None
    strict_files: bool = False
    ids_verified: bool = False
    max_share: float = MAX_SHARE
    max_rows: int = MAX_ROWS
    keep_going: bool = False

    def stage(
        self,
        folder: Path,
        *,
        rows_per_shard: int = 262_144,
        limit: int | None = None,
        keep_going: bool = False,
        progress: Progress | None = None,
    ) -> Staged:
        """Reads every file into shards under ``folder``; raises SourceError when they cannot be trusted."""
        folder.mkdir(parents=True, exist_ok=True)
        clear(folder)
        shards, before = Shards(folder, rows_per_shard), stamps(self.files)
        try:
            run = _Run(self, shards, limit, progress or (lambda _done, _total: None))
            for path in self.files:
                run.take(path)
            refuse_changed(self.name, self.files, before)
            shards.close()
            quarantine = write_quarantine(run.quarantine, folder)
            write_refused(run.refused, folder)
            told = write_told(run.told, folder)
            run.judge(keep_going or self.keep_going)
        except BaseException:
            shards.discard()  # half an export must not look like one
            raise
        return Staged(
            self.name, self.origin, tuple(shards.paths), quarantine, run.staged, len(run.quarantine),
            run.digest(), self.files, tuple(run.refused), told,
        )  # fmt: skip


class _Run:
    """One staging: what was taken so far."""

    def __init__(self, source: ExportSource, shards: Shards, limit: int | None, progress: Progress) -> None:
        self.source, self.shards, self.limit, self.progress = source, shards, limit, progress
        self.ordinal = self.staged = 0
        self.quarantine: list[dict[str, object]] = []
        self.refused: list[Refused] = []
        self.digests: list[str] = []
        self.told: list[Overheard] = []
        self.ids = Ids()

    def take(self, path: Path) -> None:
        """Reads one export. Names in reports are below the export's own, so that no machine path shows."""
        with opened(path) as container:
            names = self._decided(container, path)
            export = Export(_Digested(container, path.name, self.digests), names, self.source.settings)
            for batch in _batches(self._limited(self.source.reader.rows(export)), BATCH):
                self._write(batch, path)
                self.progress(self.ordinal, None)

    def _decided(self, container: Container, path: Path) -> list[str]:
        """The names to read, in order; every other file of the export is in ``refused``."""
        names, refused = [], []
        for name in container.names:
            kind = self.source.reader.kind(name)
            if kind is not None and not kind.never:
                names.append(name)
            else:
                refused.append(Refused(self.source.name, name, kind.name if kind else "", kind.never if kind else ""))
        unknown = [one for one in refused if not one.kind]
        if unknown and self.source.strict_files:
            raise SourceError(
                f"{len(unknown)} files of a kind that is not known, such as `{unknown[0].file}`",
                hint="leave --strict-files out to go on without them", source=self.source.name, file=path.name,
            )  # fmt: skip
        self.refused += refused
        return names

    def _limited(self, rows: Iterator[Row]) -> Iterator[Row]:
        return rows if self.limit is None else islice(rows, max(self.limit - self.ordinal, 0))

    def _write(self, rows: Sequence[Row], path: Path) -> None:
        good = []
        for row in rows:
            if (row.record is None) == (row.fault is None):
                raise SourceError("a row is neither read nor refused", file=row.file, row=row.row)
            if row.record is None:
                where = {"source": self.source.name, "file": row.file or path.name, "row": row.row}
                self.quarantine.append({**where, "reason": row.fault})
            else:
                good.append(self._columns(row.record, self.ordinal))
                self.told += () if row.told is None else (row.told,)
            self.ordinal += 1
        table = pa.Table.from_pylist(good, schema=schema(record.SOURCE_COLUMNS))
        known_words(table, self.source.name)
        self.ids.take(table)
        self.staged += table.num_rows
        self.shards.write(table)

    def _columns(self, said: Mapping[str, Any], ordinal: int) -> dict[str, Any]:
        unknown = next((name for name in said if name not in record.SOURCE_COLUMNS), None)
        if unknown is not None:
            raise SourceError(f"a reader gave a column `{unknown}`", source=self.source.name)
        given = {"origin": self.source.origin, "licence": self.source.licence, "integrity": "none"}
        times = {name: naive(said.get(name)) for name in ("created_at", "collected_at")}
        return {**given, **said, **times, "ordinal": ordinal, "source": self.source.name}

    def judge(self, keep_going: bool) -> None:
        """What must hold of a finished read. INVARIANT: rows read = rows staged + rows in quarantine."""
        if self.ordinal != self.staged + len(self.quarantine):
            raise SourceError("the rows do not add up", source=self.source.name)
        if not self.source.ids_verified:
            self.ids.judge(self.source.name)
        bad, most = len(self.quarantine), max(self.source.max_rows, self.source.max_share * self.ordinal)
        if not keep_going and bad > most:
            raise SourceError(
                f"{bad} of {self.ordinal} rows are malformed",
                hint="quarantine.parquet says which and why; raise [quarantine] max_share only if you know them",
                source=self.source.name,
            )

    def digest(self) -> str:
        """SHA-256 over the names and contents of all files that were read, in order of name."""
        return hashlib.sha256("".join(sorted(self.digests)).encode()).hexdigest()


@dataclass(frozen=True)
class _Digested:
    """A container that remembers the digest of each file that was read."""

    container: Container
    export: str
    digests: list[str]

    @property
    def names(self) -> Sequence[str]:
        return self.container.names

    def read(self, name: str) -> bytes:
        data = self.container.read(name)
        line = f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        if line not in self.digests:
            self.digests.append(line)
        return data


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
