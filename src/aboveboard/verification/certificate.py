"""Checks the certificate of the withdrawals that a release carried out, or a chain of them, one behind another:
docs/formats/certificate.md, "What is checked".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from aboveboard import manifest, merkle
from aboveboard.capsule import Capsule
from aboveboard.certificate import Chain
from aboveboard.errors import VerificationError
from aboveboard.manifest import TOMBSTONES
from aboveboard.merkle import WIDTH
from aboveboard.proof import Seen, Trust
from aboveboard.verification.history import compare, signature_told, trust_of
from aboveboard.verification.release import later_releases
from aboveboard.verification.rows import leaves_of, sha256_of
from aboveboard.verification.said import read_said
from aboveboard.verification.told import (
    ALL_OF_IT,
    IN_FORCE,
    NOT_SCANNED,
    SHARED_ROWS,
    Known,
    Report,
    Walk,
    many,
    unproven,
)


def check_certificate(path: Path, known: Known, walk: Walk) -> Report:
    """Docs/formats/certificate.md, "What is checked"."""
    found = _Certificate(path, known)
    walk.take("form", found.form)
    walk.take("statement", found.statement)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entry", found.entry)
    newest = compare(walk, found.seen, found.last.inclusion.checkpoint, found.trust.logs, known)
    if known.later or known.releases:
        walk.take("in force", found.in_force)
    if found.compares:
        walk.take("releases", found.releases)
    else:
        walk.skip("releases", "the releases were not given")
    if known.mine:
        walk.take("mine", found.mine)
    outside = [f"outside of it: {one}" for one in found.last.said["outside"]]
    asked = (*(() if found.compares else (NOT_SCANNED,)), *((SHARED_ROWS,) if known.mine else ()))
    stands = () if known.later or known.releases else (IN_FORCE,)
    more = (*outside, ALL_OF_IT, *asked, *stands)
    return Report(
        "certificate", found.name, tuple(walk.steps), unproven(found.seen, known, more), found.seen, newest,
        superseded_by=found.newer, still=found.still,
    )  # fmt: skip


class _Certificate:
    """A certificate, or a chain of them, on its way through the steps."""

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self.known = path, known
        self.held: Chain
        self.trust: Trust
        self.seen: Seen
        self.newer: str | None = None
        self.still: int | None = None
        self.read: dict[str, tuple[set[bytes], set[bytes]]] = {}

    @property
    def last(self) -> Any:
        return self.held.certificates[-1]

    @property
    def name(self) -> str:
        return str(self.held.after["release"])

    @property
    def compares(self) -> bool:
        """Whether the releases are to be compared: not where somebody only asks for their own rows in the last."""
        given = set(self._folders())
        return bool(given) and not (self.known.mine and given == {self.name})

    def form(self) -> str:
        self.held = Chain.parse(self.path.read_bytes())
        count = len(self.held.certificates)
        return "the certificate is in its one form" if count == 1 else f"{count:,} certificates are in their one form"

    def statement(self) -> str:
        self.held.links()
        told = [_left(one.said) for one in self.held.certificates]
        return "; ".join(told)

    def checkpoint(self) -> str:
        for one in self.held.certificates:
            self.trust = self.known.trust or trust_of(one.key)
            self.seen = self.trust.verify(one.inclusion.checkpoint)
            if str(self.seen.log) != one.key:
                raise VerificationError("the key in the certificate is not the one that signed")
            if self.seen.checkpoint.origin != self.trust.verify(self.last.inclusion.checkpoint).checkpoint.origin:
                raise VerificationError("the steps of the chain are in different logs")
        return signature_told(self.seen)

    def entry(self) -> str:
        for one in self.held.certificates:
            one.inclusion.verify(one.entry, self.trust)
            if one.at != one.said["at"]:
                raise VerificationError("it was logged at another moment than the statement names")
        places = ", ".join(f"{one.inclusion.index:,}" for one in self.held.certificates)
        if len(self.held.certificates) == 1:
            return f"entry {places} of the log is this statement, logged at {self.last.at}"
        return f"entries {places} of the log are these statements, the last logged at {self.last.at}"

    def in_force(self) -> str:
        """Whether one of the later releases, or of those in the copy of the log, took the place of the last one."""
        for place, data in (*self._given(), *self._logged()):
            said = read_said(data)
            if said.supersedes == self.held.after:
                self.newer = said.name
                return f"`{said.name}` took the place of `{self.name}` (entry {place:,} of the log): ask for its certificate too"
        return f"none of what was given took the place of `{self.name}`"

    def _given(self) -> Iterator[tuple[int, bytes]]:
        return later_releases(self.known, (self.seen.log, *self.trust.logs))

    def _logged(self) -> Iterator[tuple[int, bytes]]:
        if self.known.releases is not None and self.known.published is not None:
            yield from self.known.releases(self.trust.verify(self.known.published).checkpoint)

    def releases(self) -> str:
        """Every row hashed again: nothing came in, and as many left as the statements say."""
        sides = [self.held.before, *(one.said["after"] for one in self.held.certificates)]
        given = [0, *(n for n in range(1, len(sides) - 1) if sides[n]["release"] in self._folders()), len(sides) - 1]
        for first, last in pairwise(given):
            self._compare(
                sides[first], sides[last], [one.said["removed"] for one in self.held.certificates[first:last]]
            )
        before, after = self._rows(sides[0])[0], self._rows(sides[-1])[1]
        both = "both" if len(given) == 2 else f"{len(given):,} releases"
        return f"all rows of {both} were hashed: {len(after):,} stay, {len(before) - len(after):,} left, none came in"

    def _compare(self, first: Mapping[str, str], last: Mapping[str, str], said: list[Mapping[str, int]]) -> None:
        before, after = self._rows(first)[0], self._rows(last)[1]
        if after - before:
            raise VerificationError("the later release holds rows that the earlier one has not")
        gone = len(before) - len(after)
        if not sum(_fewest(one) for one in said) <= gone <= sum(_most(one) for one in said):
            raise VerificationError(f"{gone:,} rows left, which is not what the certificate says")

    def mine(self) -> str:
        """The rows of somebody's capsules: of which release, and whether one of them is in the last one."""
        named = {
            one.said[side]["release"]: one.said[side] for one in self.held.certificates for side in ("before", "after")
        }
        rows = set[bytes]()
        for file in self.known.mine:
            capsule = Capsule.parse(file.read_bytes())
            side = named.get(capsule.release)
            if side is None or side["manifest_sha256"] != capsule.manifest_sha256:
                raise VerificationError("the capsule is of no release of the certificate", file=file)
            leaves = {manifest.leaf(one.row) for one in capsule.records}
            if capsule.release in self._folders() and leaves - self._rows(side)[0]:
                raise VerificationError("the capsule opens rows that are not in its release", file=file)
            rows |= leaves
        self.still = len(rows & self._rows(self.held.after)[1])
        if self.still:
            return f"{self.still:,} of the {many(len(rows), 'row')} in the capsule are still in `{self.name}`"
        return f"none of the {many(len(rows), 'row')} in the capsule is in `{self.name}`"

    def _folders(self) -> Mapping[str, Path]:
        return {read_said((one / "manifest.json").read_bytes()).name: one for one in self.known.beside}

    def _rows(self, side: Mapping[str, str]) -> tuple[set[bytes], set[bytes]]:
        """The leaves of a release, and of these the ones that its tombstones do not name. Each release is read once."""
        if find_spec("pyarrow") is None:
            raise VerificationError("the rows cannot be read without pyarrow", hint="pip install pyarrow")
        folders = self._folders()
        if side["release"] not in folders:
            raise VerificationError("a release of the certificate was not given", release=side["release"])
        if side["release"] not in self.read:
            self.read[side["release"]] = _leaves(folders[side["release"]], side["manifest_sha256"])
        return self.read[side["release"]]


def _left(said: Mapping[str, Any]) -> str:
    removed = said["removed"]
    about = f"about {removed['about']:,}" if "about" in removed else f"fewer than {removed['below']}"
    return (
        f"{about} rows of `{said['before']['release']}` are not in `{said['after']['release']}`, which took its place"
    )


def _fewest(told: Mapping[str, int]) -> int:
    """The least number that ``manifest.told`` says so."""
    return 0 if "below" in told else max(manifest.FEW, told["about"] - manifest.FEW // 2)


def _most(told: Mapping[str, int]) -> int:
    return told["below"] - 1 if "below" in told else told["about"] + manifest.FEW // 2 - 1


def _leaves(folder: Path, digest: str) -> tuple[set[bytes], set[bytes]]:
    data = (folder / "manifest.json").read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise VerificationError("the release is not the one that the certificate names", file=folder)
    said, found = read_said(data), set[bytes]()
    for shard in said.shards:
        leaves = b"".join(leaves_of(folder / shard.name))
        if merkle.root_of(leaves).hex() != shard.root:
            raise VerificationError("the rows of a file are not those of the statement", file=folder / shard.name)
        found.update(leaves[at : at + WIDTH] for at in range(0, len(leaves), WIDTH))
    if sha256_of(folder / TOMBSTONES) != said.files[TOMBSTONES]:
        raise VerificationError("the tombstones are not those of the statement", file=folder / TOMBSTONES)
    gone = json.loads((folder / TOMBSTONES).read_bytes())["tombstones"]
    return found, found - {bytes.fromhex(one) for one in gone}
