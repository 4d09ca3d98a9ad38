"""Paths as SQL: DuckDB reads a path as a pattern, and whoever names a file here means that one file.

To DuckDB ``*``, ``?`` and ``[`` in a path stand for other characters, a folder called ``subject=alice`` is a column, and
``~`` is somebody's home. A workspace in ``w[1]`` would then read what lies in ``w1``, and one in ``subject=alice`` would
take every record for Alice's. So every path that DuckDB is given is written by this room, and by no other: what is read is
the file of that name, or an error. Tables that a platform names by patterns are looked up before, in their own room.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from aboveboard.errors import EngineError

_SPECIAL = re.compile(r"[*?\[]")


def parquet(files: Path | Iterable[Path], *options: str) -> str:
    """The rows of Parquet files as a relation; ``options`` are what DuckDB is asked for besides (``filename``, ...).

    Raises EngineError where there is no such file and its name could be read as a pattern for another one.
    """
    paths = [files] if isinstance(files, Path) else list(files)
    return _scan("read_parquet", f"[{', '.join(map(to_read, paths))}]", *(f"{option} = true" for option in options))


def scan(reader: str, file: Path, *options: str) -> str:
    """The rows of a file by another reader of DuckDB, as a relation; ``options`` as DuckDB has them (``header = true``)."""
    return _scan(reader, to_read(file), *options)


def _scan(reader: str, named: str, *options: str) -> str:
    # INVARIANT: a column comes from a file and never from the name of a folder, which would take its place.
    return f"{reader}({', '.join([named, *options, 'hive_partitioning = false'])})"


def to_read(path: Path) -> str:
    """A path that DuckDB reads, as a literal in SQL: of a file by this name and no other."""
    return quoted(exact(path))


def exact(path: Path) -> str:
    """A path as the value DuckDB is given to read it, with what would be a pattern in it in brackets, where it stands for
    itself. Raises EngineError where that cannot be said."""
    said = str(path.absolute())
    if not _SPECIAL.search(said):
        return said
    if "\\" in said:  # which parts folders in a pattern, wherever it does not part them on the disk
        raise EngineError(
            "a file cannot be named exactly: a `\\` beside `*`, `?` or `[` in its path", file=path,
            hint="move it into a folder without `\\` in its name",
        )  # fmt: skip
    if not path.is_file():  # fatal because DuckDB would then look for a file with these very brackets
        raise EngineError("a file is missing", file=path, hint="bring it back from your backup")
    return _SPECIAL.sub(r"[\g<0>]", said)


def to_write(path: Path) -> str:
    """A path that DuckDB writes, as a literal in SQL; there nothing is a pattern."""
    return quoted(str(path.absolute()))


def to_open(path: Path) -> str:
    """A database that DuckDB opens, as the value it is given. Raises EngineError where DuckDB would open another file: it takes
    ``\\`` for what parts folders there, and what stands behind ``?`` for a setting."""
    said = str(path.absolute())
    if "\\" in said or "?" in said:
        raise EngineError(
            "a database cannot be named exactly: a `\\` or a `?` in its path", file=path,
            hint="move it into a folder without them in its name",
        )  # fmt: skip
    return said


def quoted(value: str) -> str:
    """A text as a literal in SQL. ``@`` and braces mean something in a step, so they are written by their numbers."""
    plain = "'" + value.replace("'", "''") + "'"
    for letter in "@{}":
        plain = plain.replace(letter, f"' || chr({ord(letter)}) || '")
    return f"({plain})" if "chr(" in plain else plain
