"""The auditor's recomputation of a release, from its public files and its openings: rows, commitments, map and decisions.

Numbered steps, each of which says what it found or raises VerificationError. It judges every released record again with
``gate.decide`` itself, on the facts that the commitments bind, and makes the whole subject map once more. Whoever is handed
the openings, the policy and the index key can run it; afterwards they may cosign. docs/formats/descriptor.md, "Auditing".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aboveboard import commitments, descriptor, manifest, merkle, openings, reading, redaction, subjectmap, writing
from aboveboard.engine import Engine
from aboveboard.errors import VerificationError
from aboveboard.gate import Gate
from aboveboard.openings import Opening
from aboveboard.reasons import OUTCOMES

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Audit:
    """One release as an auditor has it. ``gate`` is the one it was judged under, with the people of the openings."""

    public: Path
    private: Path
    gate: Gate
    index_key: bytes
    engine: Engine
    sample: int | None = None
    """Judge only every so manieth record again, so that about this many are."""
    progress: Progress | None = None
    blank: set[bytes] = field(default_factory=set)
    """The leaves of rows without words, found when the rows were read."""

    @property
    def said(self) -> Mapping[str, Any]:
        """The predicate of the manifest."""
        found: Mapping[str, Any] = json.loads((self.public / "manifest.json").read_bytes())["predicate"]
        return found

    def steps(self) -> Iterator[str]:
        """What holds, one sentence a step; raises VerificationError, with the step, for the first that does not."""
        for number, step in enumerate((self.rows, self.people, self.records, self.map), 1):
            try:
                yield step()
            except VerificationError as error:
                name = f"{number}, {step.__name__}"
                raise VerificationError(error.sentence, hint=error.hint, **{**error.context, "step": name}) from error

    def rows(self) -> str:
        """Every row read and hashed again; the tree of each file and the tree over them."""
        reading.checked(self.public)
        shards, total = [], 0
        for one in self.said["layout"]["shards"]:
            leaves = []
            for row in reading.rows_of(self.public / one["file"]):
                leaves.append(manifest.leaf(row))
                if not redaction.says(row["text"], ()):
                    self.blank.add(leaves[-1])
            _same("the root of a file", merkle.root_of(leaves).hex(), one["root"])
            shards.append(
                manifest.Shard(one["key"], one["file"], "", len(leaves), manifest.shard_digest(leaves), one["root"])
            )
            total += len(leaves)
            self._told("hashing rows", total, None)
        _same("the root over all files", manifest.rows_root(shards), self.said["rows_root"])
        _same("the digest of the rows", manifest.rows_digest(shards), self.said["rows_digest"])
        return f"{total:,} rows hashed again: the trees and the digest are those of the manifest"

    def people(self) -> str:
        """What was known of everybody in scope is what their digests say."""
        known = self.gate.snapshot
        for account in openings.accounts(self.private):
            said = descriptor.person(known.events_of(account.subject), known.facts_of(account.subject))
            _same("the digest of a person", descriptor.person_digest(said).hex(), account.person)
        return "every account's events and attested facts are those that the commitments name"

    def records(self) -> str:
        """Every released record opened, and judged again."""
        keys = {account.subject: account.release_key for account in openings.accounts(self.private)}
        erased = {bytes(leaf) for leaf, _, _ in openings.shredded(self.private)}
        count = judged = reduced = 0
        with self.engine.connect() as con:
            leaves, opened = writing.listed(self.private / "index"), writing.opened(self.private)
            if leaves:
                con.execute("CREATE TEMP TABLE erased AS SELECT unnest(?::BLOB[]) AS leaf", [sorted(erased)])
                if opened is None and not erased:
                    raise VerificationError("the rows have no openings", hint="bring the private part back")
                openings_of = opened or "(SELECT leaf FROM erased WHERE FALSE)"
                [(total, missing)] = con.execute(_UNOPENED.format(index=leaves, openings=openings_of)).fetchall()
                _same("the number of rows without an opening", missing, 0)
                every = max(1, total // self.sample) if self.sample else 1
                for count, opening in enumerate(openings.records(self.private), 1):
                    key = keys[opening.account]
                    com = descriptor.commitment(descriptor.salt_of(key, opening.leaf), opening.descriptor.document())
                    _same("a commitment", com.hex(), opening.com.hex())
                    if opening.reduced:
                        reduced += 1
                    elif count % every == 0:
                        self._judge(opening)
                        judged += 1
                    if count % 1_000 == 0:
                        self._told("judging again", count, total)
                _same("the number of openings", count + len(erased), total)
        said = f"{count:,} commitments opened, {judged:,} records judged again: every decision is the one that was made"
        if erased:
            said += f"; {len(erased):,} rows could not be opened: erased"
        return said + (
            f"; {reduced:,} rows could not be judged again: an erased person has a part in them" if reduced else ""
        )

    def _judge(self, opening: Opening) -> None:
        words = None if opening.leaf in self.blank else "x"
        decision = self.gate.decide(openings.with_words(opening, words))
        found = (decision.outcome, decision.clause, decision.policy_at_collection, decision.policy_now,
                 tuple(place + 1 for place in decision.removed))  # fmt: skip
        told = opening.descriptor
        was = (OUTCOMES[opening.outcome], told.clause, told.collected_under, told.judged_under, opening.removed)
        if found != was:
            raise VerificationError(
                f"a record was decided otherwise: `{found[0].value}` under `{found[1]}`, not `{was[0].value}` under `{was[1]}`",
                source=told.source, record=told.record,
            )  # fmt: skip

    def map(self) -> str:
        """The subject map made once more, byte for byte, and the sum over everybody in it."""
        said = self.said["subjects"]
        with TemporaryDirectory() as again:
            folder = Path(again) / "subjects"
            erased = self._erased_accounts()
            made = commitments.map_subjects(
                self.engine, self.private, folder, self.index_key, bytes.fromhex(said["salt"]), erased
            )
            for file in sorted(folder.iterdir()):
                if not erased and file.read_bytes() != (self.public / "subjects" / file.name).read_bytes():
                    raise VerificationError("a bucket of the subject map is another one", file=file.name)
            if erased:
                self._but_for(erased, folder)
        restated = dict(made.public()) if not erased else {**made.public(), "root": said["root"]}
        _same("the subject map", restated, dict(said))
        rows = sum(one["rows"] for one in self._counts["shards"])
        _same("the rows of one person and of several", made.alone + made.shared, rows)
        but = f", but for the rows of {erased:,} accounts that were erased" if erased else ", byte for byte"
        return (
            f"the subject map of {made.accounts:,} accounts made again{but}: {made.alone:,} rows of one person and "
            f"{made.shared:,} of several are the {rows:,} rows"
        )

    @property
    def _counts(self) -> Mapping[str, Any]:
        """The exact counts of the private part."""
        found: Mapping[str, Any] = json.loads((self.private / "exact-counts.json").read_bytes())
        return found

    def _erased_accounts(self) -> int:
        """How many accounts of the release nothing is known of any more."""
        return int(self._counts["accounts"]) - sum(1 for _ in openings.accounts(self.private))

    def _but_for(self, erased: int, again: Path) -> None:
        """Every row of the published map is one that was made again, but for as many as were erased; none is missing."""
        published, made = _rows_of(self.public / "subjects"), _rows_of(again)
        _same("the rows of the map that were made again", len(made - published), 0)
        _same("the number of rows of erased accounts", len(published - made), erased)
        top = (self.public / manifest.MAP_TOP).read_bytes()
        _same("the root of the map", subjectmap.root([top[at : at + 32] for at in range(0, len(top), 32)]).hex(),
              self.said["subjects"]["root"])  # fmt: skip
        for prefix in range(len(top) // 32):
            held = hashlib.sha256((self.public / "subjects" / subjectmap.bucket_name(prefix)).read_bytes()).digest()
            _same("the digest of a bucket", held, top[32 * prefix : 32 * prefix + 32])

    def _told(self, what: str, done: int, total: int | None) -> None:
        if self.progress is not None:
            self.progress(what, done, total)


_UNOPENED = """
SELECT count(*), count(*) FILTER (o.leaf IS NULL)
FROM {index} AS i
LEFT JOIN (SELECT leaf FROM {openings} UNION SELECT leaf FROM erased) AS o USING (leaf)
"""


def _rows_of(folder: Path) -> set[bytes]:
    """Every row of a subject map."""
    whole = b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.name != "top.bin")
    return {whole[at : at + subjectmap.WIDTH] for at in range(0, len(whole), subjectmap.WIDTH)}


def _same(what: str, found: object, said: object) -> None:
    if found != said:
        raise VerificationError(f"{what} is another one", hint="what was published is not what its openings say")
