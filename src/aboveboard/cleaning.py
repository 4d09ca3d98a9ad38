"""Cleans a copy of a release of the rows that a removal list names, offline, and says what left.

Whoever received a release runs it beside their copy: it needs the folder and the list, and no workspace. Files of rows are
written again without these rows, each in the place of the one before, so a reader sees the one or the other; killed at
any moment, it is run again. What remains is not the release that was published any more, and ``verify`` says so.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aboveboard import disk, manifest, removal
from aboveboard.errors import ReleaseError, VerificationError
from aboveboard.merkle import WIDTH
from aboveboard.note import VerifierKey
from aboveboard.removal import NONE, RemovalList

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 16_384
APPLIED = "removals"
"""The folder, beside the files of a copy, that keeps the lists it was cleaned by."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one list did to a copy: its digest, the rows it names, how many of them the copy held and lost, in how many
    files, how many rows are left, and whether the list before it was applied."""

    list: RemovalList
    digest: str
    removed: int
    files: int
    left: int
    follows: bool

    def as_json(self) -> dict[str, object]:
        return {
            "release": self.list.release, "list": self.list.number, "sha256": self.digest, "named": self.list.rows,
            "removed": self.removed, "files": self.files, "left": self.left, "follows": self.follows,
        }  # fmt: skip


def apply(copy: Path, data: bytes, key: VerifierKey | None = None) -> Cleaned:
    """Clean a copy (the public folder of a release) by the list in ``data``.

    ``key`` is that of the platform's receipts as it publishes it; without one, the key that came with the release counts.
    Raises VerificationError for a list that it did not sign, ReleaseError for one of another release or a damaged copy.
    """
    said = _manifest(copy)
    found = removal.verified(data, key or _key_of(copy))
    origin = (said.get("log") or {}).get("origin", found.origin)
    if (found.release, found.origin) != (said["id"], origin):
        raise ReleaseError(f"the list is of `{found.release}`, and this is `{said['id']}`", folder=copy)
    gone = frozenset(removal.leaves_of(found.leaves))
    done = [_filtered(file, gone) for file in sorted((copy / "data").glob("*.parquet"))]
    digest = _kept(copy, found, data)
    follows = found.before in (NONE, *_applied(copy))
    return Cleaned(
        found, digest, sum(a for a, _ in done), sum(a > 0 for a, _ in done), sum(b for _, b in done), follows
    )


def _manifest(copy: Path) -> Mapping[str, Any]:
    try:
        said: Mapping[str, Any] = json.loads((copy / "manifest.json").read_bytes())["predicate"]
        str(said["id"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ReleaseError(
            "the folder is no copy of a release", folder=copy, hint="it needs its manifest.json"
        ) from error
    return said


def _key_of(copy: Path) -> VerifierKey:
    """The key of receipts that the first entry of the log names, as it came with the release."""
    try:
        said = json.loads((copy / manifest.statement_name("keys")).read_bytes())
        return VerifierKey.parse(said["predicate"]["receipt"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise VerificationError("no key to check the list with", hint="give the key of receipts: --key") from error


def _filtered(file: Path, gone: frozenset[bytes]) -> tuple[int, int]:
    """Write a file of rows again without some of them, where it holds any; returns how many left and how many are left."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    new, left, kept = file.with_name(f".{file.name}.new"), 0, 0
    try:
        with pq.ParquetFile(file) as held:
            if held.schema_arrow.names != list(manifest.RELEASED_COLUMNS):
                raise _damaged(file)
            with pq.ParquetWriter(new, held.schema_arrow, compression="zstd") as out:
                for batch in held.iter_batches(BATCH):
                    leaves = manifest.leaves(batch)
                    stays = [leaves[at : at + WIDTH] not in gone for at in range(0, len(leaves), WIDTH)]
                    kept, left = kept + sum(stays), left + len(stays) - sum(stays)
                    _write(out, batch, stays)
        if left:
            disk.settle(new)
            with disk.step("cleaned file"):
                os.replace(new, file)
                disk.settle(file.parent)
    except (pa.ArrowException, ValueError):  # their messages may quote a row
        raise _damaged(file) from None
    finally:
        new.unlink(missing_ok=True)
    return left, kept


def _write(out: Any, batch: pa.RecordBatch, stays: list[bool]) -> None:
    import pyarrow as pa

    out.write_batch(batch if all(stays) else batch.filter(pa.array(stays, pa.bool_())))


def _damaged(file: Path) -> ReleaseError:
    return ReleaseError("a file of the copy is damaged", file=file, hint="get the release again from who made it")


def _kept(copy: Path, found: RemovalList, data: bytes) -> str:
    """Keep the list beside the copy, after its rows left: what lies there was done."""
    with disk.step("cleaned by"):
        disk.place(copy / APPLIED / f"{found.number:06d}.removal", data)
    return hashlib.sha256(data).hexdigest()


def _applied(copy: Path) -> list[str]:
    """The digests of the lists that a copy was cleaned by."""
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in (copy / APPLIED).glob("*.removal")]
