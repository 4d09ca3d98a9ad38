"""Which release somebody means on the command line: its id, or ``latest`` for the newest that was published.

One place for all commands, also for those that know nothing but folders: to them ``FOLDER/latest`` is the newest release in
FOLDER. It needs no workspace, no database and no engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from aboveboard.errors import ReleaseError

LATEST = "latest"
"""What no release is called: an id begins with the moment it was judged at."""


def published(rooms: Iterable[Path]) -> list[Path]:
    """The published releases of these folders, oldest first; what is being staged is not among them."""
    distinct = {room.resolve(): room for room in rooms}.values()
    found = (path for room in distinct if room.is_dir() for path in room.iterdir() if not path.name.startswith("."))
    return sorted((path for path in found if (path / "manifest.json").is_file()), key=lambda path: path.name)


def named(rooms: Sequence[Path], release_id: str) -> Path:
    """The folder of a published release. Raises ReleaseError where there is none of that name, or more than one."""
    there = published(rooms)
    name = there[-1].name if release_id == LATEST and there else release_id
    found = [path for path in there if path.name == name]
    if not found:
        raise ReleaseError(f"no release `{release_id}`", hint="`aboveboard release list` names those there are")
    if len(found) > 1:
        raise ReleaseError(f"two releases `{name}`", hint="say `--in` with the folder of the one you mean")
    return found[0]


class Folder(click.Path):
    """A path that has to be there; ``latest`` in a folder where nothing is called so is the newest release in it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(exists=True, path_type=Path, **more)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(value)
        if path.name == LATEST and not path.exists() and (there := published([path.parent])):
            path = there[-1]
        return super().convert(path, param, ctx)
