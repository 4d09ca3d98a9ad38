"""Opens a source by its mapping file: a table, or a platform's export where the mapping names a reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from aboveboard import vocabulary
from aboveboard.errors import SourceError, unknown_term
from aboveboard.sources import mapping, table
from aboveboard.sources.reader import ExportSource, Reader
from aboveboard.sources.staged import Staged

COMMON = ("path", "licence", "strict_files", "ids_verified")
"""The keys of [export] that every reader knows."""


class Source(Protocol):
    """Whatever can be staged."""

    @property
    def name(self) -> str:
        """How decisions name it."""

    @property
    def origin(self) -> str:
        """Where its data came from (``vocabulary.ORIGINS``)."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that is read."""

    def stage(self, folder: Path, *, progress: Callable[[int, int | None], None] | None = None) -> Staged:
        """Reads everything into shards under ``folder``."""


def read(path: str | Path, *, overrides: Mapping[str, Any] | None = None, strict_files: bool = False) -> Source:
    """The source that a mapping file describes; ``overrides`` replace values of it, such as paths.

    ``strict_files`` stops at a file of an export that its reader does not know.
    """
    where = Path(path)
    said = mapping.merged(mapping.load(where), overrides)
    if "reader" not in said:
        return table.TableSource(mapping.parse(said, where))
    found = export(said, where)
    return replace(found, strict_files=found.strict_files or strict_files)


def export(said: Mapping[str, Any], path: Path) -> ExportSource:
    """An export, or an error that names the key. Files are looked for by name and not opened."""
    mapping.known("key of a mapping", said, ("name", "origin", "reader", "export", "quarantine"))
    reader = _reader(said.get("reader"))
    settings = mapping.table_of(said, "export", path)
    mapping.known("key of [export]", settings, (*COMMON, *reader.settings))
    return ExportSource(
        name=mapping.text_of(said, "name", path),
        origin=vocabulary.member("origin", mapping.text_of(said, "origin", path), vocabulary.ORIGINS),
        files=_files(settings.get("path"), path),
        reader=reader,
        settings={name: value for name, value in settings.items() if name not in COMMON},
        licence=settings.get("licence"),
        strict_files=settings.get("strict_files") is True,
        ids_verified=settings.get("ids_verified") is True,
        **mapping.quarantine_of(said, path),
    )


def _files(said: Any, path: Path) -> tuple[Path, ...]:
    patterns = [said] if isinstance(said, str) else said
    if not patterns or not all(isinstance(one, str) for one in patterns):
        raise SourceError("an export without `path`", hint="a folder, an archive, a file, or a list", mapping=path.name)
    found: list[Path] = []
    for pattern in patterns:
        alone = path.parent / pattern  # what is the name of a file names that file
        found += ([] if alone.exists() or Path(pattern).is_absolute() else sorted(path.parent.glob(pattern))) or [alone]
    missing = next((one for one in found if not one.exists()), None)
    if missing is not None:
        raise SourceError("an export is missing", hint="paths are relative to the mapping", file=missing.name)
    return tuple(dict.fromkeys(one.resolve() for one in found))


def _reader(name: Any) -> Reader:
    if name == "x_archive":
        from aboveboard.sources import x_archive

        return x_archive.READER
    if name == "x_api":
        from aboveboard.sources import x_api

        return x_api.READER
    if name == "activitypub":
        from aboveboard.sources import activitypub

        return activitypub.READER
    raise unknown_term("reader", name, ("x_archive", "x_api", "activitypub"))
