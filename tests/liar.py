"""A platform that lies with its own keys: it changes a release, then hashes, logs and signs it as if nothing had happened.

What a check still finds then is found by what the parts of a release say of each other, and not by a signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import rfc8785

from aboveboard import manifest, merkle, note, subjectmap
from aboveboard.manifest import Shard
from aboveboard.note import Signer
from aboveboard.proof import Checkpoint, Entry, Inclusion

AT = "2026-01-31T12:00:00Z"
TYPES = {"keys": "key/v1", "choice-epoch": "choice-epoch/v1", "intake": "intake/v1", "release": "release/v1"}


@dataclass
class Lie:
    """A release that may be changed: its folder, its statement, the statements logged before it, and their order."""

    public: Path
    said: dict[str, Any]
    documents: dict[str, dict[str, Any]]
    order: list[str]
    types: dict[str, str] = field(default_factory=dict)
    hide: set[str] = field(default_factory=set)
    last: Callable[[], object] = dict
    """What else is changed when everything is named, just before the statement is written."""
    dump: Callable[[Any], bytes] = rfc8785.dumps

    @property
    def predicate(self) -> dict[str, Any]:
        found: dict[str, Any] = self.said["predicate"]
        return found

    def name_files(self) -> None:
        """Name every data file by its digest, and every file of the release as it now is."""
        for shard in self.predicate["layout"]["shards"]:
            digest = sha256(self.public / shard["file"])
            (self.public / shard["file"]).rename(self.public / f"data/{digest}.parquet")
            shard["file"] = f"data/{digest}.parquet"
        files = [path for path in self.public.rglob("*") if path.is_file() and path.name != "manifest.json"]
        names = [path.relative_to(self.public).as_posix() for path in files]
        kept = sorted(
            n for n in names if not n.startswith("proof/") and (n == "subjects/top.bin" or n[:9] != "subjects/")
        )
        self.said["subject"] = [
            {"name": name, "digest": {"sha256": sha256(self.public / name)}} for name in kept if name not in self.hide
        ]
        shards = [Shard(s["key"], s["file"], s["file"][5:69], 0, "") for s in self.predicate["layout"]["shards"]]
        self.predicate["file_digest"] = manifest.file_digest(shards)

    def sign(self, signer: Signer) -> None:
        """Enter everything in a new log and write the proofs, as an honest platform would."""
        self.name_files()
        places = {name: place for place, name in enumerate(self.order)}
        self.predicate["log"]["index"] = places.pop("release")
        self.predicate["log"]["before"] = places
        self.last()
        statement = self.dump(self.said)
        (self.public / "manifest.json").write_bytes(statement)
        written = {name: self.dump(document) for name, document in self.documents.items()}
        entries = [self._entry(name, written.get(name, statement)) for name in self.order]
        signed = checkpoint(signer, entries)
        proofs = self.public / "proof"
        for old in proofs.iterdir():
            old.unlink()
        node = merkle.node_of([merkle.leaf_hash(entry) for entry in entries])
        for place, name in enumerate(self.order):
            path = tuple(merkle.inclusion(place, len(entries), node))
            (proofs / f"{name}.tlog-proof").write_bytes(Inclusion(place, path, signed, entries[place]).data())
            if name != "release":
                (proofs / f"{name}.json").write_bytes(written[name])
        (proofs / "checkpoint").write_bytes(signed)
        (proofs / "log.vkey").write_text(f"{signer.key}\n")

    def _entry(self, name: str, document: bytes) -> bytes:
        kind = self.types.get(name) or TYPES.get(name, "policy/v1")
        return Entry(kind, AT, hashlib.sha256(document).hexdigest(), len(document)).data()

    # --- what may be changed ------------------------------------------------------------------------------------------

    def rows(self) -> list[Mapping[str, Any]]:
        found = [pq.read_table(self.public / s["file"]).to_pylist() for s in self.predicate["layout"]["shards"]]
        return [row for rows in found for row in rows]

    def lay(self, shards: Mapping[int, list[Mapping[str, Any]]], bits: int, group: int = 1_000) -> None:
        """Write these rows as the shards of the release, with their trees and everything that follows from them."""
        old = pq.read_schema(self.public / self.predicate["layout"]["shards"][0]["file"])
        for path in [*self.public.glob("data/*"), *self.public.glob("rows/*/*")]:
            path.unlink()
        made = []
        for key, rows in shards.items():
            name = f"data/{key}.parquet"
            pq.write_table(pa.Table.from_pylist(rows, old), self.public / name, row_group_size=group)
            made.append(self._tree(key, name, [manifest.leaf(row) for row in rows]))
        self.predicate["layout"] = {
            "bits": bits,
            "shards": [{"key": s.key, "file": s.name, "rows_digest": s.rows_digest, "root": s.root} for s in made],
        }
        self.predicate["rows_digest"] = manifest.rows_digest(made)
        self.predicate["rows_root"] = manifest.rows_root(made)
        self.predicate["counts"]["rows"] = manifest.told(sum(shard.rows for shard in made))
        self.predicate["id"] = f"{self.predicate['id'][:-8]}{self.predicate['rows_digest'][:8]}"

    def _tree(self, key: int, name: str, leaves: list[bytes]) -> Shard:
        levels = merkle.levels(leaves)
        for place, hashes in enumerate(levels[:: merkle.TILE_HEIGHT]):
            tile = self.public / manifest.tile_name(key, place)
            tile.parent.mkdir(parents=True, exist_ok=True)
            tile.write_bytes(hashes)
        return Shard(key, name, "", len(leaves), manifest.shard_digest(leaves), merkle.root_in(levels).hex())

    def map(self, buckets: list[bytes]) -> None:
        """Make these the buckets of the subject map, and say so everywhere."""
        for path in self.public.glob("subjects/*"):
            path.unlink()
        digests = [hashlib.sha256(bucket).digest() for bucket in buckets]
        for prefix, bucket in enumerate(buckets):
            (self.public / "subjects" / subjectmap.bucket_name(prefix)).write_bytes(bucket)
        (self.public / "subjects" / "top.bin").write_bytes(b"".join(digests))
        said = {**self.predicate["subjects"], "root": subjectmap.root(digests).hex()}
        said["bits"] = len(buckets).bit_length() - 1
        self.predicate["subjects"] = self.documents["choice-epoch"]["predicate"]["subjects"] = said

    def withdraw(self, leaves: list[bytes]) -> None:
        (self.public / "tombstones.json").write_bytes(manifest.Tombstones(tuple(sorted(leaves))).document())


def lie(public: Path, signer: Signer, change: Callable[[Lie], None]) -> None:
    """Change a release and sign it again."""
    said = json.loads((public / "manifest.json").read_bytes())
    before = said["predicate"]["log"]["before"]
    documents = {name: json.loads((public / "proof" / f"{name}.json").read_bytes()) for name in before}
    made = Lie(public, said, documents, [*sorted(before, key=before.__getitem__), "release"])
    change(made)
    made.sign(signer)


def checkpoint(signer: Signer, entries: list[bytes]) -> bytes:
    """The signed checkpoint of a log of these entries."""
    root = merkle.root_of([merkle.leaf_hash(entry) for entry in entries])
    text = Checkpoint(signer.name, len(entries), root).text()
    return note.signed(text, [signer.sign(text)])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
