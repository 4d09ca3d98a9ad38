"""What a release says of itself: canonical rows, their digest, and the statement that binds everything together.

Public and private statements are kept apart here, so that the public one is built from what may be public and from
nothing else: no id, reason or count of a refused record. Specification: docs/formats/manifest.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import rfc8785

STATEMENT = "https://in-toto.io/Statement/v1"
RELEASE = "https://aboveboard.dev/release/v1"
ROWS_DOMAIN = b"aboveboard/rows/v1\x00"

RELEASED_COLUMNS = {
    "text": "VARCHAR",
    "language": "VARCHAR",
    "kind": "VARCHAR",
    "parts": "STRUCT(kind VARCHAR, content VARCHAR)[]",
}
"""What a released row holds; no id, no author, no time."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of released rows: its name inside the release, its SHA-256 and how many rows it holds."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How often one outcome was decided by one reason (``decisive`` is a reason code)."""

    outcome: str
    decisive: str
    source: str
    records: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What one rule costs: the records it stands against, those it decides, and those that nothing else keeps out."""

    reason: str
    against: int
    decisive: int
    alone: int


@dataclass(frozen=True, slots=True)
class Governed:
    """What came out of judging and writing: the shards, the digest of their rows, and the exact counts (private)."""

    shards: tuple[Shard, ...]
    rows_digest: str
    tallies: tuple[Tally, ...]
    records: int
    quarantined: int
    source_digest: str

    @property
    def released(self) -> int:
        return sum(shard.rows for shard in self.shards)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The public part of a release; ``statement`` is what is written, byte for byte."""

    id: str
    as_of: datetime
    job: Mapping[str, Any]
    policy: Mapping[str, Any]
    position: int
    people_digest: str
    shards: Sequence[Shard]
    rows_digest: str
    source_digest: str
    environment: Mapping[str, str]
    notes: Sequence[str] = field(default_factory=tuple)

    def statement(self) -> bytes:
        """The manifest as an unsigned in-toto Statement v1 in canonical JSON (RFC 8785)."""
        return rfc8785.dumps(
            {
                "_type": STATEMENT,
                "predicateType": RELEASE,
                "subject": [{"name": s.name, "digest": {"sha256": s.sha256}} for s in self.shards],
                "predicate": {
                    "id": self.id,
                    "as_of": self.as_of.isoformat(),
                    "job": dict(self.job),
                    "policy": dict(self.policy),
                    "ledger": {"position": self.position},
                    "people_digest": self.people_digest,
                    "rows": sum(s.rows for s in self.shards),
                    "rows_digest": self.rows_digest,
                    "file_digest": file_digest(self.shards),
                    "source_digest": self.source_digest,
                    "columns": dict(RELEASED_COLUMNS),
                    "environment": dict(self.environment),
                    "notes": list(self.notes),
                },
            }
        )


def row_bytes(row: Mapping[str, Any]) -> bytes:
    """A released row in canonical form: each column in order as a netstring, ``-`` where it is null.

    ``parts`` is the netstring of its items, each the netstrings of kind and content.
    """
    parts = row["parts"]
    listed = None if parts is None else b"".join(_net(_net(p["kind"]) + _net(p["content"])) for p in parts)
    return _net(row["text"]) + _net(row["language"]) + _net(row["kind"]) + _net(listed)


def _net(value: str | bytes | None) -> bytes:
    if value is None:
        return b"-"
    data = value.encode("utf-8") if isinstance(value, str) else value
    return str(len(data)).encode() + b":" + data + b","


def rows_digest(hashes: Iterable[bytes]) -> str:
    """The digest of a set of rows, from the SHA-256 of each in ascending order; the same for any order of shards."""
    whole = hashlib.sha256(ROWS_DOMAIN)
    for digest in hashes:
        whole.update(digest)
    return whole.hexdigest()


def file_digest(shards: Iterable[Shard]) -> str:
    """The digest of the files as they are: SHA-256 over ``name NUL sha256 LF``, sorted by name."""
    lines = sorted(f"{shard.name}\0{shard.sha256}\n" for shard in shards)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def salted(salt: bytes, digest: str) -> str:
    """A digest that nobody can compare who does not hold the salt."""
    return hashlib.sha256(salt + bytes.fromhex(digest)).hexdigest()
