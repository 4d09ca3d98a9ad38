"""Checks the proof of one record, a single file: docs/formats/proof.md, "What is checked of a record"."""

from __future__ import annotations

from pathlib import Path

from aboveboard import manifest
from aboveboard.errors import VerificationError
from aboveboard.manifest import TOMBSTONES
from aboveboard.proof import Seen, Trust
from aboveboard.recordproof import RecordProof
from aboveboard.verification.history import compare, signature_told, trust_of
from aboveboard.verification.said import Said, digest_in, number, read_said
from aboveboard.verification.told import CHOICES, JUDGED, RECEIVED, WHOSE, WITHDRAWN, Known, Report, Walk, unproven


def check_record(path: Path, known: Known, walk: Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a record"."""
    found = _Record(path, known)
    walk.take("form", found.form)
    walk.take("statement", found.statement)
    walk.take("row", found.row)
    walk.take("shard", found.shard)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entry", found.entry)
    newest = compare(walk, found.seen, found.proof.inclusion.checkpoint, found.trust.logs, known)
    empty = found.said.files[TOMBSTONES] == manifest.Tombstones().sha256
    more = (WHOSE, *(() if empty else (WITHDRAWN,)), JUDGED, CHOICES, RECEIVED)
    return Report("record", found.said.name, tuple(walk.steps), unproven(found.seen, known, more), found.seen, newest)


class _Record:
    """The proof of a record on its way through the steps."""

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self.known = path, known
        self.proof: RecordProof
        self.said: Said
        self.trust: Trust
        self.seen: Seen

    def form(self) -> str:
        self.proof = RecordProof.parse(self.path.read_bytes())
        return "the proof is in its one form"

    def statement(self) -> str:
        self.said = read_said(self.proof.manifest)
        return f"the statement of `{self.said.name}` holds together"

    def row(self) -> str:
        for shard in self.said.shards:
            if shard.key == self.proof.shard:
                self.proof.verify_row(bytes.fromhex(shard.root))
                return (
                    f"the row, hashed again, has place {self.proof.index:,} among the {self.proof.rows:,} of its shard"
                )
        raise VerificationError("the release has no shard of that number", shard=self.proof.shard)

    def shard(self) -> str:
        keys = [shard.key for shard in self.said.shards]
        root = bytes.fromhex(self.said.shards[keys.index(self.proof.shard)].root)
        self.proof.verify_shard(root, keys, bytes.fromhex(digest_in(self.said.predicate["rows_root"])))
        return f"the shard is one of {len(keys):,} under rows_root"

    def checkpoint(self) -> str:
        self.trust = self.known.trust or trust_of(self.proof.key)
        self.seen = self.trust.verify(self.proof.inclusion.checkpoint)
        if str(self.seen.log) != self.proof.key:
            raise VerificationError("the key in the proof is not the one that signed")
        if self.seen.checkpoint.origin != self.said.log["origin"]:
            raise VerificationError("the checkpoint is of another log than the statement names")
        return signature_told(self.seen)

    def entry(self) -> str:
        if self.proof.inclusion.index != number(self.said.log["index"]):
            raise VerificationError("the proof is of another entry than the statement names")
        self.proof.inclusion.verify(self.proof.entry, self.trust)
        return f"entry {self.proof.inclusion.index:,} of the log is this statement, logged at {self.proof.at}"
