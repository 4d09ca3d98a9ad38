"""What changed from one release to another: rows that stayed, left and came, files that were touched, and why.

Rows are matched by their leaves, which are the same from release to release as long as the row is; records by source
and id. It reads the private parts, so it is for the platform and its auditors; what it prints holds counts and reasons
only, no id and no text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import paths
from aboveboard.engine import Engine
from aboveboard.errors import ReleaseError
from aboveboard.reasons import BY_ID, OUTCOMES
from aboveboard.writing import decided, listed

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Move:
    """How many records went from one outcome and decisive reason to another; None: not among the sources."""

    before: str | None
    because: str | None
    after: str | None
    why: str | None
    records: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The change from one release to another. Rows of a tombstone list count as being in the release."""

    before: str
    after: str
    stayed: int
    left: int
    came: int
    files_same: int
    files_changed: int
    files_gone: int
    files_new: int
    settings: Mapping[str, tuple[Any, Any]]
    moves: tuple[Move, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(before: Path, after: Path, private: Path, engine: Engine) -> Difference:
    """The difference between two published releases.

    Raises ReleaseError where a statement or a private part is missing or is not what was written.
    """
    one, other = _said(before), _said(after)
    rooms = [("before", private / before.name), ("after", private / after.name)]
    (stayed, left, came), moves = _counted(rooms, engine)
    shared = one.files.keys() & other.files.keys()
    return Difference(
        before.name, after.name, stayed, left, came,
        files_same=sum(one.files[key] == other.files[key] for key in shared),
        files_changed=sum(one.files[key] != other.files[key] for key in shared),
        files_gone=len(one.files.keys() - shared), files_new=len(other.files.keys() - shared),
        settings={
            name: (said, other.settings[name]) for name, said in one.settings.items() if said != other.settings[name]
        },
        moves=moves,
    )  # fmt: skip


def _counted(rooms: Sequence[tuple[str, Path]], engine: Engine) -> tuple[tuple[int, int, int], tuple[Move, ...]]:
    """Rows that stayed, left and came, and the moves of records."""
    import duckdb

    try:
        with engine.connect() as con:
            for name, path in rooms:
                _open(con, name, path)
            [(stayed, left, came)] = con.execute(_ROWS).fetchall()
            moves = con.execute(_MOVES).fetchall()
        return (stayed, left, came), tuple(_move(*row) for row in moves)
    except duckdb.Error as error:
        # What DuckDB says may quote a row.
        _all_sound([path for _, path in rooms], engine)
        raise ReleaseError(
            f"DuckDB failed: {type(error).__name__}", hint="give [engine] more memory, or make room on the disk"
        ) from None
    except (LookupError, TypeError):
        raise ReleaseError(
            "the decisions of a release hold an outcome or a reason that is not known", folder=rooms[0][1].parent,
            hint="a newer aboveboard may know it; or bring the folder back from a backup",
        ) from None  # fmt: skip


_ROWS = """
SELECT count(*) FILTER (b.leaf IS NOT NULL AND a.leaf IS NOT NULL), count(*) FILTER (a.leaf IS NULL),
       count(*) FILTER (b.leaf IS NULL)
FROM before_rows AS b FULL JOIN after_rows AS a ON a.leaf = b.leaf
"""
_MOVES = """
SELECT b.outcome, b.decisive, a.outcome, a.decisive, count(*) AS records
FROM before_decisions AS b FULL JOIN after_decisions AS a
  ON a.source = b.source AND a.record_id = b.record_id AND a.nth = b.nth
WHERE a.outcome IS DISTINCT FROM b.outcome OR (a.decisive <> b.decisive AND a.outcome > 1)
GROUP BY ALL ORDER BY records DESC, 1, 2, 3, 4
"""
_DECIDED = """
CREATE TEMP VIEW {name}_decisions AS
SELECT source, record_id, outcome, decisive,
       row_number() OVER (PARTITION BY source, record_id ORDER BY ordinal) AS nth
FROM {name}_decisions_files
"""


def _open(con: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    if not (path / "decisions").is_dir():
        raise ReleaseError("the private part of a release is missing", folder=path, hint="bring it back from a backup")
    for room, columns in _COLUMNS.items():
        held = decided(path) if room == "decisions" else _index(path)
        held = held or f"(SELECT {_NOTHING[room]} WHERE FALSE)"
        con.execute(f"CREATE TEMP VIEW {name}_{room}_files AS SELECT {columns} FROM {held}")
    con.execute(_DECIDED.format(name=name))
    con.execute(f"CREATE TEMP VIEW {name}_rows AS SELECT leaf FROM {name}_index_files")


def _index(path: Path) -> str | None:
    return listed(path / "index") or None


_COLUMNS = {"decisions": "source, record_id, outcome, decisive, ordinal", "index": "leaf"}
_NOTHING = {"decisions": "'' source, '' record_id, 0 outcome, 0 decisive, 0 ordinal", "index": "''::BLOB leaf"}


def _all_sound(private: Sequence[Path], engine: Engine) -> None:
    """Raises ReleaseError for the first private file that cannot be read by itself."""
    import duckdb

    for file in (file for path in private for room in _COLUMNS for file in sorted((path / room).glob("*.parquet"))):
        query = f"SELECT max(hash({_COLUMNS[file.parent.name]})) FROM {paths.parquet(file)}"
        try:
            with engine.connect() as con:
                con.execute(query).fetchall()
        except duckdb.OutOfMemoryException:
            return
        except duckdb.Error:
            raise ReleaseError("a release is damaged", file=file, hint=_BRING_BACK) from None


_BRING_BACK = "bring the file back from a backup"


def _move(before: int | None, because: int | None, after: int | None, why: int | None, records: int) -> Move:
    return Move(
        None if before is None else OUTCOMES[before],
        None if because is None else BY_ID[because].code,
        None if after is None else OUTCOMES[after],
        None if why is None else BY_ID[why].code,
        records,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """Of a statement: the data files by their number, and what was asked and under which rules."""

    files: Mapping[int, str]
    settings: Mapping[str, Any]


def _said(path: Path) -> _Said:
    try:
        statement = json.loads((path / "manifest.json").read_bytes())["predicate"]
        files = {int(shard["key"]): str(shard["file"]) for shard in statement["layout"]["shards"]}
        return _Said(files, {name: read(statement) for name, read in _SETTINGS.items()})
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ReleaseError("a release is damaged", file=path / "manifest.json", hint=_BRING_BACK) from error


_SETTINGS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "policy versions": lambda s: [v["version"] for v in s["policy"]["versions"]],
    "words": lambda s: [v["text_sha256"] for v in s["policy"]["versions"]],
    "job": lambda s: s["job"],
    "ledger": lambda s: s["ledger"]["position"],
    "layout bits": lambda s: s["layout"]["bits"],
    "environment": lambda s: s["environment"],
}
