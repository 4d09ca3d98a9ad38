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

from aboveboard import kernel, merkle
from aboveboard.subjectmap import SCHEME

STATEMENT = "https://in-toto.io/Statement/v1"
RELEASE = "https://aboveboard.dev/release/v2"
SHARD_DOMAIN = b"aboveboard/shard/v1\x00"
ROWS_DOMAIN = b"aboveboard/rows/v2\x00"
TOMBSTONES = "tombstones.json"
MAP_TOP = "subjects/top.bin"
PROOFS, CHECKPOINT, LOG_KEY = "proof", "proof/checkpoint", "proof/log.vkey"
"""The folder of the log's proofs (made after the statement, so no part of it), the checkpoint and the key in it."""
COVERS = "this covers what this platform sends through aboveboard; it cannot show that nothing else was trained on"
"""What every page, file and command says that speaks of proof."""
EMPTY = merkle.EMPTY.hex()
FEW = 10
"""Public counts below this are not told; others are rounded to it."""

RELEASED_COLUMNS = {
    "text": "VARCHAR",
    "language": "VARCHAR",
    "kind": "VARCHAR",
    "parts": "STRUCT(kind VARCHAR, content VARCHAR)[]",
    "nonce": "BLOB",
}
"""What a released row holds; no id, no author, no time. The nonce keeps a row from being guessed by its hash."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of released rows: its place in the layout, its name inside the release, its SHA-256, how many rows it
    holds, the digest of those rows in their order, the root of the tree over them, and the SHA-256 of the files of that
    tree's hashes, by name. ``people`` is how many people have rows in it (private; 0 where nobody counted)."""

    key: int
    name: str
    sha256: str
    rows: int
    rows_digest: str
    root: str = EMPTY
    tiles: tuple[tuple[str, str], ...] = ()
    people: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Map:
    """The subject map of a release: the salt of its keys, how many bits of an index name a bucket, the SHA-256 of the
    bucket's digests one behind another, and the roots. The exact counts are private: accounts, and released rows whose
    people are one person (``alone``) or several (``shared``)."""

    salt: str
    bits: int
    top_sha256: str
    root: str
    shared_root: str
    accounts: int
    alone: int
    shared: int

    def public(self) -> Mapping[str, Any]:
        """What everybody may know of it."""
        return {
            "scheme": SCHEME, "salt": self.salt, "bits": self.bits, "root": self.root, "shared_root": self.shared_root,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Received:
    """The first-party records that no release before had seen: the root over them, how many, when first and last."""

    root: str
    records: int
    first: datetime
    last: datetime


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
    """What came out of judging and writing: the shards, the digest of their rows, and the exact counts (private).

    ``kinds`` and ``languages`` count released rows, ``masked`` the identifiers taken out of their text; ``refused`` are
    the files of exports that were not read, with why.
    """

    shards: tuple[Shard, ...]
    rows_digest: str
    tallies: tuple[Tally, ...]
    records: int
    quarantined: int
    source_digest: str
    bits: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    masked: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[Mapping[str, str], ...] = ()
    map: Map | None = None
    received: Received | None = None
    few: tuple[int, ...] = ()
    """The files in which fewer people have rows than a layout leaves in each: others left them by a rewriting."""

    @property
    def released(self) -> int:
        return sum(shard.rows for shard in self.shards)


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Rows of a release that must not be used any more: the hashes of their leaves, ascending."""

    leaves: tuple[bytes, ...] = ()

    def document(self) -> bytes:
        """The list as canonical JSON: hashes only, no reason and no name."""
        return rfc8785.dumps({"tombstones": [leaf.hex() for leaf in self.leaves]})

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.document()).hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The public part of a release; ``statement`` is what is written, byte for byte.

    ``judged`` is how many events the judgement heard, ``position`` how many were heard at the commit; ``log`` is the
    place of the release in the log, where there is one.
    """

    id: str
    as_of: datetime
    job: Mapping[str, Any]
    policy: Mapping[str, Any]
    judged: int
    position: int
    people_digest: str
    governed: Governed
    source_digest: str
    environment: Mapping[str, str]
    bound: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = field(default_factory=tuple)
    tombstones: Tombstones = field(default_factory=Tombstones)
    described: Mapping[str, str] = field(default_factory=dict)
    supersedes: Mapping[str, str] | None = None
    """The release whose place it takes: its id as ``release`` and the SHA-256 of its statement as ``manifest_sha256``."""
    log: Mapping[str, Any] | None = None

    @property
    def shards(self) -> Sequence[Shard]:
        return self.governed.shards

    @property
    def rows_digest(self) -> str:
        return self.governed.rows_digest

    def statement(self) -> bytes:
        """The manifest as an unsigned in-toto Statement v1 in canonical JSON (RFC 8785)."""
        files = [(s.name, s.sha256) for s in self.shards]
        files += [tile for shard in self.shards for tile in shard.tiles]
        files += [(MAP_TOP, self.governed.map.top_sha256)] if self.governed.map else []
        files += [(TOMBSTONES, self.tombstones.sha256), *self.described.items()]
        return rfc8785.dumps(
            {
                "_type": STATEMENT,
                "predicateType": RELEASE,
                "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in files],
                "predicate": {
                    "id": self.id,
                    "as_of": self.as_of.isoformat(),
                    "job": dict(self.job),
                    "policy": dict(self.policy),
                    "ledger": {"judged": self.judged, "position": self.position},
                    "people_digest": self.people_digest,
                    "counts": {
                        "rows": told(self.governed.released),
                        "kinds": told_apart(self.governed.kinds),
                        "languages": told_apart(self.governed.languages),
                    },
                    "layout": {
                        "bits": self.governed.bits,
                        **({"few": list(self.governed.few)} if self.governed.few else {}),
                        "shards": [
                            {"key": s.key, "file": s.name, "rows_digest": s.rows_digest, "root": s.root}
                            for s in self.shards
                        ],
                    },
                    "rows_digest": self.rows_digest,
                    "rows_root": rows_root(self.shards),
                    "subjects": None if self.governed.map is None else self.governed.map.public(),
                    "file_digest": file_digest(self.shards),
                    "source_digest": self.source_digest,
                    "bound": dict(self.bound),
                    "columns": dict(RELEASED_COLUMNS),
                    "environment": dict(self.environment),
                    "supersedes": None if self.supersedes is None else dict(self.supersedes),
                    "log": None if self.log is None else dict(self.log),
                    "notes": list(self.notes),
                },
            }
        )


def told(count: int) -> dict[str, int]:
    """A count as the public may know it: rounded to tens, and of few only that they are few."""
    return {"below": FEW} if count < FEW else {"about": (count + FEW // 2) // FEW * FEW}


def told_apart(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Several counts of the same rows; small ones become one, so that no subtraction gives them away."""
    large = {name: told(n) for name, n in counts.items() if n >= FEW}
    few = sum(n for n in counts.values() if n < FEW)
    return {**large, **({"other": told(few)} if few else {})}


def row_bytes(row: Mapping[str, Any]) -> bytes:
    """A released row in canonical form: each column but the nonce as a netstring, in order, ``-`` where it is null.

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


def leaf(row: Mapping[str, Any]) -> bytes:
    """The hash of a released row as it will stand in a tree (RFC 6962): SHA-256(0x00, nonce, canonical row)."""
    return hashlib.sha256(b"\x00" + row["nonce"] + row_bytes(row)).digest()


def leaves(rows: Any) -> bytes:
    """The leaves of released rows that come as an Arrow record batch, one behind another: by the kernel, where it is there and
    the columns are those of a release. Raises ValueError (as pyarrow's ArrowInvalid is) for text that is none, and for what is
    no row."""
    columns = {name: rows.column(name) for name in rows.schema.names}
    if kernel.there() and {name: _kind(column.type) for name, column in columns.items()} == _KINDS:
        rows.validate(full=True)
        if (found := kernel.digests(_LEAF, [columns[name] for name in _KINDS])) is not None:
            return found
    try:
        return b"".join([leaf(row) for row in rows.to_pylist()])
    except (UnicodeError, TypeError, LookupError):  # a message may quote a row
        raise ValueError("what stands here is no released row") from None


def _kind(kind: Any) -> str:
    """A type of Arrow in words; of a list that of its items, whose name depends on who wrote the file."""
    return f"list of {kind.value_type}" if hasattr(kind, "value_type") else str(kind)


_KINDS = {
    "nonce": "binary", "text": "string", "language": "string", "kind": "string",
    "parts": "list of struct<kind: string, content: string>",
}  # fmt: skip
_LEAF: kernel.Recipe = ((b"\x00", kernel.Raw(0), *(kernel.Net(at) for at in range(1, 5))),)
"""``leaf`` of the columns of ``_KINDS``."""


def shard_digest(leaves: Iterable[bytes]) -> str:
    """The digest of the rows of one file: over their leaves, in the order of the file."""
    whole = hashlib.sha256(SHARD_DOMAIN)
    for one in leaves:
        whole.update(one)
    return whole.hexdigest()


def rows_digest(shards: Iterable[Shard]) -> str:
    """The digest of all rows: over key, count and digest of each shard; equal on every machine and version."""
    whole = hashlib.sha256(ROWS_DOMAIN)
    for shard in sorted(shards, key=lambda s: s.key):
        whole.update(shard.key.to_bytes(4, "big") + shard.rows.to_bytes(8, "big") + bytes.fromhex(shard.rows_digest))
    return whole.hexdigest()


def shard_leaf(key: int, rows: int, root: bytes) -> bytes:
    """What stands for a file in the tree over all files: its number, how many rows, and the root of its own tree."""
    return merkle.leaf_hash(key.to_bytes(4, "big") + rows.to_bytes(8, "big") + root)


def rows_root(shards: Iterable[Shard]) -> str:
    """The root over the trees of all files, by their numbers: what a row is proven to be in."""
    ordered = sorted(shards, key=lambda shard: shard.key)
    return merkle.root_of([shard_leaf(one.key, one.rows, bytes.fromhex(one.root)) for one in ordered]).hex()


def tile_name(key: int, level: int) -> str:
    """The file with the hashes of one level of tiles of a file's tree (every eighth level of the tree)."""
    return f"rows/{key:05d}/{level}"


def proof_name(entry: str) -> str:
    """The file with the proof that an entry of the log stands where a release says."""
    return f"{PROOFS}/{entry}.tlog-proof"


def statement_name(entry: str) -> str:
    """The file with what that entry says, where it is not the manifest itself."""
    return f"{PROOFS}/{entry}.json"


def file_digest(shards: Iterable[Shard]) -> str:
    """The digest of the files as they are: SHA-256 over ``name NUL sha256 LF``, sorted by name."""
    lines = sorted(f"{shard.name}\0{shard.sha256}\n" for shard in shards)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def salted(salt: bytes, digest: str) -> str:
    """A digest that nobody can compare who does not hold the salt."""
    return hashlib.sha256(salt + bytes.fromhex(digest)).hexdigest()
