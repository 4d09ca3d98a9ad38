"""The proof of one released row, in one file that needs no other: row > its file > all files > statement > log.

It holds the row, the hashes beside it, the statement of the release and the proof of its entry in the log, and nothing of
any other row. It says that these words are in a release that was logged; of whom they are it does not say.
Specification: docs/formats/proof.md, "The proof of a record".
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from aboveboard import manifest, merkle, note
from aboveboard.errors import VerificationError
from aboveboard.merkle import WIDTH
from aboveboard.proof import LONGEST_PROOF, Entry, Inclusion

FORMAT = "aboveboard/record-proof/v1"
NONCE = 16
LONGEST = 64 * 1024 * 1024
"""Bytes in a proof: a row may be long, and a statement names every file, but not without end."""
_WORDS = ("text", "language", "kind")


@dataclass(frozen=True, slots=True)
class RecordProof:
    """One released row and why it is in the release.

    ``row`` is as released without its nonce (16 bytes). It stands at ``index`` among the ``rows`` of the file with the
    number ``shard``; ``path`` leads from it to the root of that file, ``shard_path`` from there to the root of all files.
    ``manifest`` is the statement of the release, byte for byte; ``inclusion`` proves its entry, logged at ``at``, and
    ``key`` is the key of the log as the platform wrote it, to be compared with the one it publishes.
    """

    manifest: bytes
    key: str
    inclusion: Inclusion
    at: str
    row: Mapping[str, Any]
    nonce: bytes
    shard: int
    rows: int
    index: int
    path: tuple[bytes, ...]
    shard_path: tuple[bytes, ...]

    @property
    def entry(self) -> bytes:
        """The entry of the release in the log: it follows from the statement and from when it was logged."""
        return Entry("release/v1", self.at, hashlib.sha256(self.manifest).hexdigest(), len(self.manifest)).data()

    def verify_row(self, root: bytes) -> None:
        """That the row stands in the file whose tree has this root; raises VerificationError."""
        leaf = manifest.leaf({**self.row, "nonce": self.nonce})
        merkle.verify_inclusion(leaf, self.index, self.rows, self.path, root)

    def verify_shard(self, root: bytes, keys: Sequence[int], rows_root: bytes) -> None:
        """That the file with this root is one of the files with these numbers; raises VerificationError."""
        if self.shard not in keys:
            raise VerificationError(f"the release has no file of number {self.shard}")
        leaf = manifest.shard_leaf(self.shard, self.rows, root)
        merkle.verify_inclusion(leaf, keys.index(self.shard), len(keys), self.shard_path, rows_root)

    def data(self) -> bytes:
        """The proof as it is kept and sent: canonical JSON (RFC 8785)."""
        return rfc8785.dumps(
            {
                "format": FORMAT,
                "manifest": self.manifest.decode(),
                "log": {"key": self.key, "at": self.at, "proof": self.inclusion.data().decode()},
                "row": {**self.row, "parts": None if self.row["parts"] is None else list(self.row["parts"])},
                "nonce": self.nonce.hex(),
                "place": {
                    "shard": self.shard,
                    "rows": self.rows,
                    "index": self.index,
                    "path": _joined(self.path),
                    "shard_path": _joined(self.shard_path),
                },
            }
        )

    @staticmethod
    def parse(data: bytes) -> RecordProof:
        """The proof in these bytes; raises VerificationError for any other bytes, however near."""
        try:
            found = _read(data)
            same = found.data() == data
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise VerificationError("the proof of a record cannot be read", hint="get it again") from None
        if not same:
            raise VerificationError("the proof of a record is not in its one form", hint="get it again")
        return found


def _read(data: bytes) -> RecordProof:
    said = json.loads(data) if len(data) <= LONGEST else {}
    log, place, nonce = said["log"], said["place"], bytes.fromhex(said["nonce"])
    shard, rows, index = (_number(place[name]) for name in ("shard", "rows", "index"))
    if said["format"] != FORMAT or len(nonce) != NONCE or shard >= 1 << 32:
        raise ValueError("another form")
    return RecordProof(
        said["manifest"].encode(), _text(log["key"]), Inclusion.parse(log["proof"].encode()), _text(log["at"]),
        _row(said["row"]), nonce, shard, rows, index, _hashes(place["path"]), _hashes(place["shard_path"]),
    )  # fmt: skip


def _row(said: Mapping[str, Any]) -> Mapping[str, Any]:
    words = {name: None if said[name] is None else _text(said[name]) for name in _WORDS}
    parts = None if said["parts"] is None else [_part(one) for one in said["parts"]]
    return {**words, "parts": parts}


def _part(said: Mapping[str, Any]) -> Mapping[str, str | None]:
    return {name: None if said[name] is None else _text(said[name]) for name in ("kind", "content")}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no count")
    return value


def _joined(path: Sequence[bytes]) -> str:
    """Hashes one behind another in base64: a tenth shorter than a list of them."""
    return base64.b64encode(b"".join(path)).decode()


def _hashes(coded: str) -> tuple[bytes, ...]:
    whole = note.decoded(coded)
    if whole is None or len(whole) % WIDTH or len(whole) > LONGEST_PROOF * WIDTH:
        raise ValueError("no hashes")
    return tuple(whole[at : at + WIDTH] for at in range(0, len(whole), WIDTH))
