"""The statements that a platform enters in its log: policies, choices, receipts of data, keys and releases.

Each is an in-toto Statement v1 in canonical JSON (RFC 8785). The log holds a line with its type, time, digest and size,
never the statement itself: what it says is shown to whoever it is for. No statement names a person or a record.
Specification: docs/formats/statements.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from aboveboard import succession
from aboveboard.manifest import STATEMENT
from aboveboard.policy import PolicyVersion
from aboveboard.proof import Entry

BASE = "https://aboveboard.dev/"
POLICY, EPOCH, RELEASE, INTAKE, KEY = "policy/v1", "choice-epoch/v1", "release/v1", "intake/v1", succession.TYPE
WITHDRAWAL = "withdrawal/v1"
ERASURE = "erasure/v1"


@dataclass(frozen=True, slots=True)
class Due:
    """A statement that has to be in the log: its type, its bytes, and what a release calls it."""

    type: str
    document: bytes
    name: str

    @property
    def digest(self) -> str:
        """SHA-256 of the document, hexadecimal."""
        return hashlib.sha256(self.document).hexdigest()

    def entry(self, at: datetime) -> bytes:
        """Its line in the log; ``at`` is when it is entered."""
        return Entry(self.type, moment(at), self.digest, len(self.document)).data()


def moment(at: datetime) -> str:
    """A moment as the log writes it: RFC 3339 in UTC, microseconds where there are any."""
    plain = at.astimezone(UTC)
    return f"{plain:%Y-%m-%dT%H:%M:%S}{f'.{plain.microsecond:06}' if plain.microsecond else ''}Z"


def policy(name: str, version: PolicyVersion, rules_sha256: str, code_sha256: str) -> Due:
    """That these words and these rules are a version of a policy, and which code reads the rules."""
    said = {
        "policy": name,
        "version": version.version,
        "effective_from": moment(version.effective_from),
        "announced_at": moment(version.announced_at) if version.announced_at else None,
        "zone": version.zone,
        "retroactive": version.retroactive,
        "code_sha256": code_sha256,
    }
    named = {"text.md": version.text_sha256, "policy.toml": rules_sha256}
    return _due(POLICY, said, named, f"policy-{version.version}")


def epoch(position: int, at: datetime, mapped: Mapping[str, Any], accounts: Mapping[str, int]) -> Due:
    """That every choice up to a position of the ledger counts in a subject map (``manifest.Map`` as the public sees it)."""
    said = {"position": position, "at": moment(at), "subjects": dict(mapped), "accounts": dict(accounts)}
    return _due(EPOCH, said, {}, "choice-epoch")


def intake(root: str, records: Mapping[str, int], first: datetime, last: datetime, kept: str) -> Due:
    """That records were received: the root over them, about how many, when first and last, and where that is kept."""
    said = {"root": root, "records": dict(records), "first": moment(first), "last": moment(last), "kept": kept}
    return _due(INTAKE, said, {}, "intake")


def erasure(asked: datetime, executed: datetime, position: int, events: Mapping[str, int], releases: int) -> Due:
    """That somebody was erased: when it was asked for and done, up to which position of the ledger events were reduced to
    their place and time, about how many, and of how many releases the private part was gone through. Nothing says who."""
    said = {"asked": moment(asked), "executed": moment(executed), "position": position, "events": dict(events),
            "releases": releases}  # fmt: skip
    return _due(ERASURE, said, {}, "erasure")


def release(manifest: bytes) -> Due:
    """A release: its statement is its manifest."""
    return Due(RELEASE, manifest, "release")


def withdrawal(
    before: Mapping[str, str],
    after: Mapping[str, str],
    upto: int,
    questions: Sequence[str],
    removed: Mapping[str, int],
    deadline: datetime | None,
    at: datetime,
) -> Due:
    """That a release took the place of another, without the rows that may no longer go out: about how many left, and up to
    which position of the ledger, and by which questions (digests), everything withdrawn was heard. ``deadline``: the
    earliest of those that it met or missed; None where it was early for all.
    """
    said = {
        "before": dict(before),
        "after": dict(after),
        "upto": upto,
        "questions": list(questions),
        "removed": dict(removed),
        "deadline": None if deadline is None else moment(deadline),
        "at": moment(at),
        "outside": list(OUTSIDE),
    }
    return _due(WITHDRAWAL, said, {}, "withdrawal")


OUTSIDE = (
    "copies that recipients have made: they are told which rows to remove",
    "backups of the platform until they expire, and copies of the release before that somebody kept",
    "models that were trained on the release before and are not retrained",
    "what the platform trains on without building a release through aboveboard",
)
"""What no certificate reaches, in the words that stand in every one."""


def digest_of(entry: bytes) -> str:
    """The SHA-256 of the statement that an entry of the log is about."""
    return Entry.parse(entry).digest


def _due(kind: str, said: Mapping[str, Any], subject: Mapping[str, str], name: str) -> Due:
    named = [{"name": n, "digest": {"sha256": d}} for n, d in sorted(subject.items())]
    document: dict[str, Any] = {
        "_type": STATEMENT,
        "predicateType": BASE + kind,
        "subject": named,
        "predicate": dict(said),
    }
    return Due(kind, rfc8785.dumps(document), name)
