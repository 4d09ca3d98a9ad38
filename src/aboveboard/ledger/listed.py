"""The lists of records that withdrawals by question named, as Parquet files of ``source`` and ``record_id``.

A file is named by its own SHA-256. One that is lost or damaged would let people's words in again, so it is an error and
not an empty list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aboveboard import paths
from aboveboard.errors import LedgerError

COLUMNS = ("source", "record_id")


@dataclass(frozen=True)
class Listed:
    """Every record that one of some lists names: ``(source, record_id) in listed``, and a query for an engine. A record whose
    source nobody knows (an empty one) is named where one of that id is."""

    files: tuple[Path, ...]

    def query(self) -> str:
        """SQL that gives the distinct ``source`` and ``record_id``."""
        return f"SELECT DISTINCT source, record_id FROM {paths.parquet(self.files)}"

    def __contains__(self, key: object) -> bool:
        return key in self._names

    @cached_property
    def _names(self) -> frozenset[tuple[str, str]]:
        import pyarrow.parquet as pq

        tables = [pq.read_table(file, columns=list(COLUMNS)) for file in self.files]
        named = {pair for one in tables for pair in zip(*(one[c].to_pylist() for c in COLUMNS), strict=True)}
        return frozenset(named | {("", id) for _, id in named})


def listed(folder: Path, digests: Iterable[str]) -> Listed | frozenset[tuple[str, str]]:
    """The lists of these digests in a folder; raises LedgerError where one is lost or is not what it was."""
    files = tuple(folder / f"{digest}.parquet" for digest in sorted(set(digests)))
    for file in files:
        _checked(file)
    return Listed(files) if files else frozenset()


def _checked(file: Path) -> None:
    try:
        with file.open("rb") as data:
            found = hashlib.file_digest(data, "sha256").hexdigest()
    except OSError:
        found = ""
    if found != file.stem:
        raise LedgerError(
            "a list of records that were withdrawn is lost or damaged: they would come back", file=file,
            hint="bring it back from your backup; nothing can be built without it",
        )  # fmt: skip
