"""Checks the certificate of the withdrawals that a release carried out: docs/formats/certificate.md, "What is checked"."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from aboveboard import manifest, merkle
from aboveboard.certificate import Certificate
from aboveboard.errors import VerificationError
from aboveboard.manifest import TOMBSTONES
from aboveboard.merkle import WIDTH
from aboveboard.proof import Seen, Trust
from aboveboard.verification.history import compare, signature_told, trust_of
from aboveboard.verification.rows import leaves_of, sha256_of
from aboveboard.verification.said import read_said
from aboveboard.verification.told import ALL_OF_IT, NOT_SCANNED, Known, Report, Walk, unproven


def check_certificate(path: Path, known: Known, walk: Walk) -> Report:
    """Docs/formats/certificate.md, "What is checked"."""
    found = _Certificate(path, known)
    walk.take("form", found.form)
    walk.take("statement", found.statement)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entry", found.entry)
    newest = compare(walk, found.seen, found.held.inclusion.checkpoint, found.trust.logs, known)
    if known.beside:
        walk.take("releases", found.releases)
    else:
        walk.skip("releases", "the releases were not given")
    outside = [f"outside of it: {one}" for one in found.held.said["outside"]]
    more = (*outside, ALL_OF_IT, *(() if known.beside else (NOT_SCANNED,)))
    name = str(found.held.said["after"]["release"])
    return Report("certificate", name, tuple(walk.steps), unproven(found.seen, known, more), found.seen, newest)


class _Certificate:
    """A certificate on its way through the steps."""

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self.known = path, known
        self.held: Certificate
        self.trust: Trust
        self.seen: Seen

    def form(self) -> str:
        self.held = Certificate.parse(self.path.read_bytes())
        return "the certificate is in its one form"

    def statement(self) -> str:
        said = self.held.said
        removed = said["removed"]
        many = f"about {removed['about']:,}" if "about" in removed else f"fewer than {removed['below']}"
        return f"{many} rows of `{said['before']['release']}` are not in `{said['after']['release']}`, which took its place"

    def checkpoint(self) -> str:
        self.trust = self.known.trust or trust_of(self.held.key)
        self.seen = self.trust.verify(self.held.inclusion.checkpoint)
        if str(self.seen.log) != self.held.key:
            raise VerificationError("the key in the certificate is not the one that signed")
        return signature_told(self.seen)

    def entry(self) -> str:
        self.held.inclusion.verify(self.held.entry, self.trust)
        if self.held.at != self.held.said["at"]:
            raise VerificationError("it was logged at another moment than the statement names")
        return f"entry {self.held.inclusion.index:,} of the log is this statement, logged at {self.held.at}"

    def releases(self) -> str:
        """Every row of both hashed again: nothing came in, and as many left as the statement says."""
        if find_spec("pyarrow") is None:
            raise VerificationError("the rows cannot be read without pyarrow", hint="pip install pyarrow")
        folders = {read_said((one / "manifest.json").read_bytes()).name: one for one in self.known.beside}
        before = self._rows(folders, self.held.said["before"], usable=False)
        after = self._rows(folders, self.held.said["after"], usable=True)
        if after - before:
            raise VerificationError("the later release holds rows that the earlier one has not")
        gone, said = len(before) - len(after), self.held.said["removed"]
        if said != manifest.told(gone):
            raise VerificationError(f"{gone:,} rows left, which is not what the certificate says")
        return f"all rows of both were hashed: {len(after):,} stay, {gone:,} left, none came in"

    def _rows(self, folders: Mapping[str, Path], side: Mapping[str, str], usable: bool) -> set[bytes]:
        """The leaves of a release; ``usable``: without those that its tombstones name."""
        if side["release"] not in folders:
            raise VerificationError("a release of the certificate was not given", release=side["release"])
        folder = folders[side["release"]]
        data = (folder / "manifest.json").read_bytes()
        if hashlib.sha256(data).hexdigest() != side["manifest_sha256"]:
            raise VerificationError("the release is not the one that the certificate names", file=folder)
        said, found = read_said(data), set[bytes]()
        for shard in said.shards:
            leaves = b"".join(leaves_of(folder / shard.name))
            if merkle.root_of(leaves).hex() != shard.root:
                raise VerificationError("the rows of a file are not those of the statement", file=folder / shard.name)
            found.update(leaves[at : at + WIDTH] for at in range(0, len(leaves), WIDTH))
        if not usable:
            return found
        if sha256_of(folder / TOMBSTONES) != said.files[TOMBSTONES]:
            raise VerificationError("the tombstones are not those of the statement", file=folder / TOMBSTONES)
        gone = json.loads((folder / TOMBSTONES).read_bytes())["tombstones"]
        return found - {bytes.fromhex(one) for one in gone}
