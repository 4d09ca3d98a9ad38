"""The statement of a release, read strictly: names, numbers, digests and files are what a release has, or it is refused.

Whoever reads on may rely on it. Nothing is opened here: bytes in, a value out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from aboveboard import manifest, subjectmap
from aboveboard.errors import VerificationError
from aboveboard.manifest import MAP_TOP, TOMBSTONES, Shard
from aboveboard.merkle import WIDTH

_BESIDE = ("README.md", "croissant.json", TOMBSTONES)


@dataclass(frozen=True, slots=True)
class Said:
    """What the statement of a release says, once it holds together by itself: its bytes, files, shards, predicate."""

    data: bytes
    files: Mapping[str, str]
    shards: tuple[Shard, ...]
    predicate: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.predicate["id"])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def map(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.predicate["subjects"]
        return found

    @property
    def supersedes(self) -> Mapping[str, str] | None:
        """The release that it takes the place of."""
        found: Mapping[str, str] | None = self.predicate.get("supersedes")
        if found is None:
            return None
        if set(found) != {"release", "manifest_sha256"} or not digest_in(found["manifest_sha256"]):
            raise VerificationError("the statement does not say which release it takes the place of")
        return found

    @property
    def log(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self.predicate["log"]
        if found is None:
            raise VerificationError(
                "the release was entered in no log, so nobody but the platform vouches for it",
                hint="ask for one that was",
            )
        return found


def read_statement(data: bytes, type_: str) -> Mapping[str, Any]:
    """An in-toto statement in its one form; raises VerificationError for any other bytes."""
    found: Mapping[str, Any] = json.loads(data)
    if rfc8785.dumps(found) != data:
        raise VerificationError("a statement is not in its one form (RFC 8785)", hint="get it again")
    if found["_type"] != manifest.STATEMENT or found["predicateType"] != type_:
        raise VerificationError(f"a statement is not of the type {type_}", hint="a newer aboveboard may know it")
    return found


def read_said(data: bytes) -> Said:
    """The statement of a release. Whoever reads on may rely on names, numbers and digests being what they should be."""
    whole = read_statement(data, manifest.RELEASE)
    named, predicate = whole["subject"], whole["predicate"]
    files = {one["name"]: digest_in(one["digest"]["sha256"]) for one in named}
    shards = tuple(_shard(one, files) for one in predicate["layout"]["shards"])
    said = Said(data, files, shards, predicate)
    keys = [shard.key for shard in shards]
    if (
        len(files) != len(named)
        or keys != sorted(set(keys))
        or any(k >> number(predicate["layout"]["bits"]) for k in keys)
    ):
        raise VerificationError("the statement names a file twice, or its layout does not hold together")
    _refuse_odd_names(said)
    if predicate["file_digest"] != manifest.file_digest(shards):
        raise VerificationError("file_digest is not the digest of the data files")
    if not said.name.endswith(f"-{digest_in(predicate['rows_digest'])[:8]}"):
        raise VerificationError("the id of the release is not of these rows")
    return said


def _shard(said: Mapping[str, Any], files: Mapping[str, str]) -> Shard:
    name, key = said["file"], number(said["key"])
    return Shard(key, name, files[name], 0, digest_in(said["rows_digest"]), digest_in(said["root"]))


def _refuse_odd_names(said: Said) -> None:
    """Data files are named by their digest; beside them stand tiles, the map, and what describes the release."""
    expected = {*_BESIDE, *(f"data/{shard.sha256}.parquet" for shard in said.shards)}
    expected |= {MAP_TOP} if said.map is not None else set()
    levels = {manifest.tile_name(shard.key, level) for shard in said.shards for level in range(8)}
    odd = {shard.name for shard in said.shards} - expected | set(said.files) - expected - levels
    if odd or not expected <= set(said.files):
        raise VerificationError("the statement names other files than a release has", hint="docs/formats/proof.md")


def digest_in(value: str) -> str:
    if len(bytes.fromhex(value)) != WIDTH or value != value.lower() or len(value) != 2 * WIDTH:
        raise VerificationError("a digest is not 64 hexadecimal digits")
    return value


def number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise VerificationError("a number is not one")
    return value


def bits_of(said: Mapping[str, Any]) -> int:
    bits = number(said["bits"])
    if bits > subjectmap.MAX_BITS:
        raise VerificationError("the subject map has too many buckets")
    return bits


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
