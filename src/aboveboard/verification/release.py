"""Checks a release from its folder, step by step: docs/formats/proof.md, "What is checked of a release".

One shard is in memory at a time. Where pyarrow is not installed the rows are not recomputed, and that is said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from aboveboard import manifest, merkle, statement, subjectmap, succession
from aboveboard.errors import VerificationError
from aboveboard.manifest import CHECKPOINT, LOG_KEY, MAP_TOP, TOMBSTONES, Shard
from aboveboard.merkle import WIDTH
from aboveboard.note import VerifierKey
from aboveboard.proof import Inclusion, Seen, Trust
from aboveboard.verification.entered import (
    entries_expected,
    key_names,
    predicate_of,
    proof_files,
    verify_entry,
    verify_order,
)
from aboveboard.verification.history import about_file, compare, same_history, signature_told, trust_of
from aboveboard.verification.rows import leaves_of, sha256_of
from aboveboard.verification.said import Said, bits_of, digest_in, moment_of, number, read_said, read_statement
from aboveboard.verification.told import (
    CHOICES,
    JUDGED,
    MAPPED,
    NOT_RECOMPUTED,
    RECEIVED,
    STANDS,
    Known,
    Report,
    Walk,
    many,
    silent,
    unproven,
)


def check_release(folder: Path, known: Known, walk: Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a release", step by step."""
    found = Release(folder, known)
    walk.take("statement", found.statement)
    walk.take("files", found.files)
    walk.take("tombstones", found.tombstones)
    walk.take("trees", found.trees)
    recomputed = find_spec("pyarrow") is not None
    walk.take("rows", found.rows) if recomputed else walk.skip("rows", "rows not recomputed: pyarrow is not installed")
    walk.take("subject map", found.subjects)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entries", found.entries)
    walk.take("statements", found.statements)
    newest = compare(walk, found.seen, found.signed, (*found.trust.logs, *found.keys.before), known)
    if known.later or known.releases:
        walk.take("superseded", found.superseded)
    more = (JUDGED, CHOICES, RECEIVED, *([MAPPED] if found.said.map else []), *([] if recomputed else [NOT_RECOMPUTED]))
    not_proven = unproven(found.seen, known, (*more, *([] if found.newer else [STANDS])))
    steps = tuple(walk.steps)
    return Report("release", found.said.name, steps, not_proven, found.seen, newest, superseded_by=found.newer)


def verify_entered(folder: Path, known: Known | None = None) -> tuple[Report, succession.Keys]:
    """That the statement of a release, and what it stands on, is in the log: without its files, which may be large. With
    it come the keys that the log names."""
    walk, told = Walk(silent), known or Known()
    found = Release(folder, told)
    walk.take("statement", found.statement)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entries", found.entries)
    walk.take("statements", found.statements)
    newest = compare(walk, found.seen, found.signed, (*found.trust.logs, *found.keys.before), told)
    missing = unproven(found.seen, told, ())
    return Report("release", found.said.name, tuple(walk.steps), missing, found.seen, newest), found.keys


class Release:
    """A release on its way through the steps: each leaves what the later ones rely on."""

    def __init__(self, folder: Path, known: Known) -> None:
        self.folder, self.known = folder, known
        self.said: Said
        self.gone: frozenset[bytes]
        self.trust: Trust
        self.signed: bytes
        self.seen: Seen
        self.documents: dict[str, bytes] = {}
        self.keys: succession.Keys
        self.newer: str | None = None

    def statement(self) -> str:
        self.said = read_said((self.folder / "manifest.json").read_bytes())
        _ = self.said.log  # a release that is in no log is refused here, before hours of hashing its files
        told = f"{many(len(self.said.files), 'file')}, {many(len(self.said.shards), 'shard')}"
        place = f"; it takes the place of `{self.said.supersedes['release']}`" if self.said.supersedes else ""
        return f"manifest.json holds together: {told}{place}"

    def files(self) -> str:
        self.verify_digests()
        self._refuse_others()
        return f"each of the {many(len(self.said.files), 'file')} has its SHA-256, and no other file is there"

    def verify_digests(self) -> None:
        for name, sha256 in self.said.files.items():
            if sha256_of(self.folder / name) != sha256:
                raise VerificationError(
                    "a file is another one than the statement names", file=self.folder / name, hint="get it again"
                )

    def _refuse_others(self) -> None:
        """INVARIANT: nothing lies in a release that no later step covers: nobody vouches for a file beside it."""
        allowed = {"manifest.json", *self.said.files, *proof_files(self.said)}
        if self.said.map is not None:
            buckets = range(1 << bits_of(self.said.map))
            allowed |= {f"subjects/{subjectmap.bucket_name(prefix)}" for prefix in buckets}
        for path in self.folder.rglob("*"):
            inside = path.relative_to(self.folder).as_posix()
            if path.is_symlink() or (not path.is_dir() and inside not in allowed):
                raise VerificationError(
                    "a file is in the release that nothing vouches for", file=path, hint="take it away, or get it again"
                )

    def tombstones(self) -> str:
        data = (self.folder / TOMBSTONES).read_bytes()
        leaves = [bytes.fromhex(digest_in(one)) for one in json.loads(data)["tombstones"]]
        if leaves != sorted(set(leaves)) or manifest.Tombstones(tuple(leaves)).document() != data:
            raise VerificationError("the list of withdrawn rows is not in its one form")
        self.gone = frozenset(leaves)
        return (
            f"{many(len(leaves), 'row')} withdrawn before the release was committed"
            if leaves
            else "no row was withdrawn"
        )

    def trees(self) -> str:
        """One shard at a time: from the hashes of its rows to all hashes above them."""
        missing, shards = set(self.gone), []
        for shard in self.said.shards:
            leaves = (self.folder / manifest.tile_name(shard.key, 0)).read_bytes()
            self._verify_tree(shard, leaves)
            shards.append(replace(shard, rows=len(leaves) // WIDTH))
            missing -= {leaves[at : at + WIDTH] for at in range(0, len(leaves), WIDTH)} if missing else set()
        if missing:
            raise VerificationError("a withdrawn row is in none of the shards")
        said, rows = self.said.predicate, sum(shard.rows for shard in shards)
        if said["rows_root"] != manifest.rows_root(shards) or said["rows_digest"] != manifest.rows_digest(shards):
            raise VerificationError("rows_root or rows_digest is not that of the shards")
        if said["counts"]["rows"] != manifest.told(rows):
            raise VerificationError("the statement counts another number of rows")
        return (
            f"{many(rows, 'row')} in {many(len(shards), 'shard')}: the stored hashes lead to each root and to rows_root"
        )

    def _verify_tree(self, shard: Shard, leaves: bytes) -> None:
        levels = merkle.levels(leaves)
        stored = {manifest.tile_name(shard.key, n): row for n, row in enumerate(levels[:: merkle.TILE_HEIGHT])}
        named = {name for name in self.said.files if name.startswith(f"rows/{shard.key:05d}/")}
        if not leaves or named != set(stored):
            raise VerificationError("the stored hashes of a shard are not all there", shard=shard.key)
        for name, row in stored.items():
            if (self.folder / name).read_bytes() != row:
                raise VerificationError("stored hashes do not follow from those below them", file=self.folder / name)
        if merkle.root_in(levels).hex() != shard.root or manifest.shard_digest([leaves]) != shard.rows_digest:
            raise VerificationError("the stored hashes lead to another root than the statement's", shard=shard.key)

    def rows(self) -> str:
        """Every leaf is made again from its row, and has to be the stored one at the same place."""
        done = 0
        for shard in self.said.shards:
            with (self.folder / manifest.tile_name(shard.key, 0)).open("rb") as stored:
                for leaves in leaves_of(self.folder / shard.name):
                    if stored.read(len(leaves)) != leaves:
                        raise VerificationError("a row is another one than its hash", file=self.folder / shard.name)
                    done += len(leaves) // WIDTH
                if stored.read(1):
                    raise VerificationError("a data file has fewer rows than hashes", file=self.folder / shard.name)
        return f"{many(done, 'row')} recomputed from the data files: each has the hash stored for it, in the same order"

    def subjects(self) -> str:
        said = self.said.map
        if said is None:
            return "the release has no subject map"
        bits, top = bits_of(said), (self.folder / MAP_TOP).read_bytes()
        digests = [top[at : at + WIDTH] for at in range(0, len(top), WIDTH)]
        if len(top) != WIDTH << bits or said["scheme"] != subjectmap.SCHEME:
            raise VerificationError("the top of the subject map does not fit its buckets", file=self.folder / MAP_TOP)
        rows = sum(self._bucket(prefix, bits, digest) for prefix, digest in enumerate(digests))
        if subjectmap.root(digests).hex() != digest_in(said["root"]):
            raise VerificationError("the buckets of the subject map lead to another root", file=self.folder / MAP_TOP)
        return f"{many(rows, 'row')} in {many(len(digests), 'bucket')}: in order, each in its bucket, under the stated root"

    def _bucket(self, prefix: int, bits: int, digest: bytes) -> int:
        path = self.folder / "subjects" / subjectmap.bucket_name(prefix)
        data = path.read_bytes()
        if hashlib.sha256(data).digest() != digest:
            raise VerificationError("a bucket of the subject map is another one", file=path, hint="get it again")
        if len(data) % subjectmap.WIDTH:
            raise VerificationError("a bucket of the subject map has a torn row", file=path)
        found = [data[at : at + subjectmap.INDEX] for at in range(0, len(data), subjectmap.WIDTH)]
        if any(one >= after for one, after in pairwise(found)):
            raise VerificationError(
                "a bucket of the subject map is out of order: it hides or repeats somebody", file=path
            )
        if found and {subjectmap.prefix_of(one, bits) for one in (found[0], found[-1])} != {prefix}:
            raise VerificationError("a bucket of the subject map holds rows of another", file=path)
        return len(found)

    def checkpoint(self) -> str:
        said, text = self.said.log, (self.folder / LOG_KEY).read_text("utf-8")
        self.trust = self.known.trust or trust_of(text.removesuffix("\n"))
        self.signed = (self.folder / CHECKPOINT).read_bytes()
        self.seen = self.trust.verify(self.signed)
        if f"{self.seen.log}\n" != text:
            raise VerificationError("the key beside the release is not the one that signed", file=self.folder / LOG_KEY)
        if self.seen.checkpoint.origin != said["origin"]:
            raise VerificationError("the checkpoint is of another log than the statement names")
        return signature_told(self.seen)

    def entries(self) -> str:
        places = {name: number(place) for name, place in self.said.log["before"].items()}
        places["release"] = number(self.said.log["index"])
        for name, type_ in entries_expected(self.said).items():
            self.documents[name] = self._entered(name, type_, places[name])
        verify_order(places)
        return f"{many(len(places), 'entry', 'entries')} in the log, in order: keys, policies, choices, the release"

    def _entered(self, name: str, type_: str, place: int) -> bytes:
        """The statement under this name, once the log holds an entry of its digest at the place that is said."""
        path = self.folder / manifest.proof_name(name)
        found = Inclusion.parse(path.read_bytes())
        if found.index != place or found.extra is None:
            raise VerificationError("a proof is of another entry than the statement names", file=path)
        self._same_log(found.verify(found.extra, self.trust), path)
        document = self.said.data if name == "release" else (self.folder / manifest.statement_name(name)).read_bytes()
        verify_entry(found.extra, type_, document, path)
        return document

    def _same_log(self, seen: Seen, path: Path) -> None:
        """Proofs that were written at different times lead to different checkpoints: then those must be of one history."""
        with about_file(path):
            same_history(seen.checkpoint, self.seen.checkpoint, self.known)

    def statements(self) -> str:
        self.keys = succession.follow(self.documents[name] for name in key_names(self.documents))
        # Just after a key was replaced, the one before may still have signed.
        if self.seen.log not in (self.keys.log, *self.keys.before[-1:]):
            raise VerificationError("the key that signed is not the one that the platform logged")
        versions = self.said.predicate["policy"]["versions"]
        for version in versions:
            self._verify_policy(version, self.documents[f"policy-{version['version']}"])
        if self.said.map is not None:
            self._verify_epoch(predicate_of(self.documents["choice-epoch"], statement.EPOCH), self.said.map)
        if "intake" in self.documents:
            digest_in(predicate_of(self.documents["intake"], statement.INTAKE)["root"])
        told = f"{many(len(versions), 'policy version')} and the choices up to position {self._judged:,}"
        return f"{told} are those of the statement"

    def superseded(self) -> str:
        """Whether one of the later releases, or of those that a copy of the log holds, took the place of this one."""
        for place, data in (*self._given(), *self._logged()):
            said = read_said(data)
            named = said.supersedes
            if named is None or named["manifest_sha256"] != self.said.sha256 or named["release"] != self.said.name:
                continue
            if place <= number(self.said.log["index"]) or said.log["origin"] != self.said.log["origin"]:
                raise VerificationError(
                    "a release that says it took the place of this one was logged before it, or elsewhere"
                )
            self.newer = said.name
            return f"`{said.name}` took the place of this release (entry {place:,} of the log): use that one"
        return "none of what was given took the place of this release"

    def _given(self) -> Iterator[tuple[int, bytes]]:
        return later_releases(self.known, (self.seen.log, *self.trust.logs))

    def _logged(self) -> Iterator[tuple[int, bytes]]:
        """The statements in the copy of the log, below its checkpoint: that is of one history with ours (step 10)."""
        if self.known.releases is not None and self.known.published is not None:
            logs = (*self.trust.logs, *self.keys.before)
            yield from self.known.releases(Trust(tuple(logs)).verify(self.known.published).checkpoint)

    @property
    def _judged(self) -> int:
        ledger = self.said.predicate["ledger"]
        if number(ledger["judged"]) > number(ledger["position"]):
            raise VerificationError("the release was committed before it was judged")
        return int(ledger["judged"])

    def _verify_policy(self, version: Mapping[str, str], document: bytes) -> None:
        whole = read_statement(document, statement.BASE + statement.POLICY)
        said = whole["predicate"]
        words = {one["name"]: one["digest"]["sha256"] for one in whole["subject"]}
        same = (
            said["policy"] == self.said.predicate["policy"]["name"]
            and said["version"] == version["version"]
            and moment_of(said["effective_from"]) == moment_of(version["effective_from"])
            and words["text.md"] == version["text_sha256"]
        )
        if not same:
            raise VerificationError("a policy version is not the one that was logged", version=version["version"])

    def _verify_epoch(self, said: Mapping[str, Any], map_: Mapping[str, Any]) -> None:
        if said["subjects"] != map_:
            raise VerificationError("the logged choices have another subject map than the release")
        if said["position"] != self._judged or moment_of(said["at"]) != moment_of(self.said.predicate["as_of"]):
            raise VerificationError("the logged choices are not those that the release was judged by")


def later_releases(known: Known, logs: Collection[VerifierKey]) -> Iterator[tuple[int, bytes]]:
    """Place and statement of each later release that was given, once the log is shown to hold it.

    Raises VerificationError for one in another log: it says nothing of what stands in this one.
    """
    for folder in known.later:
        later = Release(folder, known)
        later.statement()
        later.checkpoint()
        later.entries()
        if later.seen.log not in logs:
            raise VerificationError("a later release is in another log", folder=folder)
        yield number(later.said.log["index"]), later.said.data
