"""The auditor's recomputation of a release, from its public files and its openings: rows, commitments, map and decisions.

Numbered steps, each of which says what it found or raises VerificationError. It judges every released record again with
``gate.decide`` itself, on the facts that the commitments bind, and makes the whole subject map once more. Whoever is handed
the openings, the policy and the index key can run it; afterwards they may cosign. docs/formats/descriptor.md, "Auditing".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aboveboard import commitments, descriptor, manifest, merkle, openings, reading, redaction, writing
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
        count = judged = 0
        with self.engine.connect() as con:
            leaves, opened = writing.listed(self.private / "index"), writing.opened(self.private)
            if leaves != "[]":
                if opened is None:
                    raise VerificationError("the rows have no openings", hint="bring the private part back")
                [(total, missing)] = con.execute(_UNOPENED.format(index=leaves, openings=opened)).fetchall()
                _same("the number of rows without an opening", missing, 0)
                every = max(1, total // self.sample) if self.sample else 1
                for count, opening in enumerate(openings.records(self.private), 1):
                    key = keys[opening.account]
                    com = descriptor.commitment(descriptor.salt_of(key, opening.leaf), opening.descriptor.document())
                    _same("a commitment", com.hex(), opening.com.hex())
                    if count % every == 0:
                        self._judge(opening)
                        judged += 1
                    if count % 1_000 == 0:
                        self._told("judging again", count, total)
                _same("the number of openings", count, total)
        return f"{count:,} commitments opened, {judged:,} records judged again: every decision is the one that was made"

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
            made = commitments.map_subjects(
                self.engine, self.private, folder, self.index_key, bytes.fromhex(said["salt"])
            )
            for file in sorted(folder.iterdir()):
                if file.read_bytes() != (self.public / "subjects" / file.name).read_bytes():
                    raise VerificationError("a bucket of the subject map is another one", file=file.name)
        _same("the subject map", dict(made.public()), dict(said))
        rows = sum(one["rows"] for one in json.loads((self.private / "exact-counts.json").read_bytes())["shards"])
        _same("the rows of one person and of several", made.alone + made.shared, rows)
        return (
            f"the subject map of {made.accounts:,} accounts made again, byte for byte: {made.alone:,} rows of one person and "
            f"{made.shared:,} of several are the {rows:,} rows"
        )

    def _told(self, what: str, done: int, total: int | None) -> None:
        if self.progress is not None:
            self.progress(what, done, total)


_UNOPENED = """
SELECT count(*), count(*) FILTER (o.leaf IS NULL)
FROM read_parquet({index}) AS i LEFT JOIN (SELECT DISTINCT leaf FROM {openings}) AS o USING (leaf)
"""


def _same(what: str, found: object, said: object) -> None:
    if found != said:
        raise VerificationError(f"{what} is another one", hint="what was published is not what its openings say")
