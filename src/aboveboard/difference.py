"""What changed from one release to another: rows that stayed, left and came, files that were touched, and why.

Rows are matched by their leaves, which are the same from release to release as long as the row is; records by source
and id. It reads the private parts, so it is for the platform and its auditors; what it prints holds counts and reasons
only, no id and no text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard.engine import Engine
from aboveboard.errors import ReleaseError
from aboveboard.reasons import BY_ID, OUTCOMES
from aboveboard.writing import listed

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
    """The difference between two published releases; raises ReleaseError where their private parts are missing."""
    one, other = _statement(before), _statement(after)
    with engine.connect() as con:
        for name, path in (("before", private / before.name), ("after", private / after.name)):
            _open(con, name, path)
        stayed, left, came = con.execute(_ROWS).fetchall()[0]
        moves = tuple(_move(*row) for row in con.execute(_MOVES).fetchall())
    files, others = _files(one), _files(other)
    shared = files.keys() & others.keys()
    return Difference(
        before.name, after.name, stayed, left, came,
        files_same=sum(files[key] == others[key] for key in shared),
        files_changed=sum(files[key] != others[key] for key in shared),
        files_gone=len(files.keys() - shared), files_new=len(others.keys() - shared),
        settings=_settings(one, other), moves=moves,
    )  # fmt: skip


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
    nothing = {"decisions": "SELECT '' source, '' record_id, 0 outcome, 0 decisive, 0 ordinal WHERE FALSE",
               "index": "SELECT ''::BLOB leaf WHERE FALSE"}  # fmt: skip
    for room, empty in nothing.items():
        some = any((path / room).glob("*.parquet"))
        con.execute(
            f"CREATE TEMP VIEW {name}_{room}_files AS "
            + (f"SELECT * FROM read_parquet({listed(path / room)})" if some else empty)
        )
    con.execute(_DECIDED.format(name=name))
    con.execute(f"CREATE TEMP VIEW {name}_rows AS SELECT leaf FROM {name}_index_files")


def _move(before: int | None, because: int | None, after: int | None, why: int | None, records: int) -> Move:
    return Move(
        None if before is None else OUTCOMES[before],
        None if because is None else BY_ID[because].code,
        None if after is None else OUTCOMES[after],
        None if why is None else BY_ID[why].code,
        records,
    )


def _statement(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads((path / "manifest.json").read_bytes())["predicate"]
    except (OSError, ValueError, KeyError) as error:
        raise ReleaseError("a release is damaged", file=path / "manifest.json", hint="bring it back") from error
    return found


def _files(statement: Mapping[str, Any]) -> dict[int, str]:
    return {shard["key"]: shard["file"] for shard in statement["layout"]["shards"]}


def _settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What was asked and under which rules, where it differs."""
    seen: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "policy versions": lambda s: [v["version"] for v in s["policy"]["versions"]],
        "words": lambda s: [v["text_sha256"] for v in s["policy"]["versions"]],
        "job": lambda s: s["job"],
        "ledger": lambda s: s["ledger"]["position"],
        "layout bits": lambda s: s["layout"]["bits"],
        "environment": lambda s: s["environment"],
    }
    found = {name: (read(one), read(other)) for name, read in seen.items()}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}
