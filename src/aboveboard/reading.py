"""Reads a published release as whoever uses it must: files checked, withdrawn rows left out.

It needs the public folder alone. What does not hold (a file that is another one, a list of tombstones that is missing)
is an error before a row is handed out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aboveboard import disk
from aboveboard.errors import ReleaseError
from aboveboard.manifest import RELEASED_COLUMNS, TOMBSTONES, leaf

BATCH = 16_384


def rows(public: Path) -> Iterator[Mapping[str, Any]]:
    """Every row that may be used, in the order of the files: ``text``, ``language``, ``kind``, ``parts``, ``nonce``.

    Raises ReleaseError for a folder whose files are not those of its statement.
    """
    statement, gone = checked(public), withdrawn(public)
    for name in _data_files(public, statement):
        for row in rows_of(public / name):
            if not gone or leaf(row) not in gone:
                yield row


def rows_of(file: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of one file, withdrawn ones too; raises ReleaseError where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as held:
            if held.schema_arrow.names != list(RELEASED_COLUMNS):
                raise _damaged(file)
            for batch in held.iter_batches(BATCH):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException, UnicodeError):  # their messages may quote a row
        raise _damaged(file) from None


def withdrawn(public: Path) -> frozenset[bytes]:
    """The leaves of the rows that nobody may use any more."""
    try:
        said = json.loads((public / TOMBSTONES).read_bytes())["tombstones"]
        return frozenset(bytes.fromhex(one) for one in said)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(public / TOMBSTONES) from error


def _data_files(public: Path, statement: Mapping[str, Any]) -> Sequence[str]:
    """The files of rows in their order: those of the layout, each with its SHA-256 in the statement, and no other."""
    try:
        names = [shard["file"] for shard in statement["predicate"]["layout"]["shards"]]
        if sorted(names) == sorted(one["name"] for one in statement["subject"] if one["name"].startswith("data/")):
            return names
    except (LookupError, TypeError, AttributeError) as error:
        raise _damaged(public / "manifest.json") from error
    raise _damaged(public / "manifest.json")


def checked(public: Path) -> Mapping[str, Any]:
    """The statement of a release, once every file it names has the SHA-256 it says."""
    try:
        statement: Mapping[str, Any] = json.loads((public / "manifest.json").read_bytes())
        named = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
        found = {name: _sha256(public / name) for name in (*named, TOMBSTONES)}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ReleaseError("a release is damaged", folder=public, hint=_AGAIN) from error
    for name, sha256 in found.items():
        if named.get(name) != sha256:
            raise ReleaseError("a file of a release is another one", file=public / name, hint="get it again")
    return statement


def _damaged(file: Path) -> ReleaseError:
    return ReleaseError("a release is damaged", file=file, hint=_AGAIN)


_AGAIN = "get it again from who made it"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def export(public: Path, to: Path, progress: Callable[[int], None] | None = None) -> int:
    """Write the usable rows as JSON lines; returns how many. The file appears whole or not at all.

    Raises ReleaseError where ``to`` is in a release: what is published holds what was published, and nothing else.
    """
    if any((folder / "manifest.json").is_file() and (folder / TOMBSTONES).is_file() for folder in to.resolve().parents):
        raise ReleaseError("a release holds what was published, and no other file", file=to, hint="name one elsewhere")
    if to.exists():
        raise ReleaseError("the file is already there", file=to, hint="name another, or take it away first")
    partial, count = to.with_name(f".{to.name}.partial"), 0
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as out:
            for count, row in enumerate(rows(public), 1):
                kept = {name: value for name, value in row.items() if name != "nonce"}
                out.write(json.dumps(kept, ensure_ascii=False) + "\n")
                if progress is not None and count % BATCH == 0:
                    progress(count)
        disk.settle(partial)
        disk.move(partial, to)
    except OSError as error:
        raise ReleaseError(
            f"the file system refused: {(error.strerror or type(error).__name__).lower()}", file=to,
            hint="make room, or name a folder that can be written to",
        ) from error  # fmt: skip
    finally:
        partial.unlink(missing_ok=True)
    return count
