"""The log of a workspace: its places are given by the ledger, its tiles and checkpoints follow, its proofs go with releases.

``Evidence`` is what a release is entered in (it fits ``release.Log`` by its shape). What the ledger committed is appended
to the log on the disk afterwards, in the same order, however often somebody died on the way: so there is never an entry
of something that did not happen, and never two logs. Specification: docs/formats/log.md and docs/formats/manifest.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Protocol

from aboveboard import disk, manifest, statement
from aboveboard.errors import LogError
from aboveboard.log import Log, Reader
from aboveboard.policy import Policy
from aboveboard.statement import KEY, Due


class Logged(Protocol):
    """An entry as the ledger committed it."""

    @property
    def data(self) -> bytes:
        """Its bytes."""


class Commit(Protocol):
    """A transaction that holds the ledger."""

    @property
    def size(self) -> int:
        """The place of the next entry of the log."""

    def logged(self, digest: str) -> int | None:
        """Where the statement with this SHA-256 stands in the log; None where it is not in it."""

    def log(self, entry: bytes) -> int:
        """Put an entry behind the last one with the end of the transaction; returns its place."""


class Ledger(Protocol):
    """Whoever gives entries their places."""

    def entries(self, place: int = 0) -> Sequence[Logged]:
        """The committed entries from a place on, in order."""

    def entries_of(self, kind: str) -> Sequence[Logged]:
        """The committed entries of one type, in order."""

    def committing(self) -> AbstractContextManager[Commit]:
        """One transaction; what is entered in it is durable when the context ends, or was never there."""


@dataclass(frozen=True)
class Evidence:
    """The log of one workspace; ``policy`` reads the versions that have to stand in it."""

    ledger: Ledger
    log: Log
    policy: Callable[[], Policy]

    @property
    def origin(self) -> str:
        return self.log.signer.name

    def begin(self, keys: bytes, at: datetime) -> None:
        """Make the statement of the platform's keys the first entry, where there is none, and follow the ledger."""
        if not self.ledger.entries():
            refuse_other(self.ledger, self.log.reader())
            self.enter(Due(KEY, keys, "keys"), at)
        self.follow()

    def enter(self, due: Due, at: datetime) -> int:
        """Enter a statement by itself, unless it is in the log; returns its place. The log on the disk follows later."""
        self.put(due.document)
        with self.ledger.committing() as commit:
            found = commit.logged(due.digest)
            return commit.log(due.entry(at)) if found is None else found

    def due(self) -> Sequence[Due]:
        """The keys, then every version of the policy by the time it begins."""
        policy = self.policy()
        versions = sorted(policy.versions, key=lambda version: version.effective_from)
        named = [self._object(entry.data) for entry in self.ledger.entries_of(KEY)]
        keys = [Due(KEY, document, f"keys-{n}" if n else "keys") for n, document in enumerate(named)]
        return (*keys, *(statement.policy(policy.name, v, _rules(v.path), code_digest()) for v in versions))

    def put(self, document: bytes) -> None:
        self.log.put(document)

    def follow(self) -> int:
        """Bring the log on the disk to what the ledger says, under a new checkpoint; returns its size."""
        while True:
            reader = self.log.reader()
            refuse_other(self.ledger, reader)
            head = reader.at.size
            new = [entry.data for entry in self.ledger.entries(head)]
            if not new:
                return head
            try:
                return self.log.append(new, head).stop
            except LogError:
                if self.log.head().size == head:
                    raise
                # Somebody else followed meanwhile, and not as far as we have to: go on from there.

    def publish(self, public: Path, places: Mapping[str, int]) -> None:
        """Follow the ledger, and write the proofs of these entries and what they say beside a release."""
        self.follow()
        entries = {name: self.ledger.entries(place)[0].data for name, place in places.items()}
        # One checkpoint for all of them: another build may append meanwhile, and proofs under several need a copy of the
        # log to be checked.
        signed = self.log.checkpoint()
        with disk.step("proof"):
            for name, place in places.items():
                proof = self.log.inclusion(place, extra=entries[name], signed=signed)
                disk.place(public / manifest.proof_name(name), proof.data())
            disk.place(public / manifest.CHECKPOINT, signed)
            disk.place(public / manifest.LOG_KEY, f"{self.log.signer.key}\n".encode())
            for name in places:
                if name != "release":  # its statement is the manifest
                    disk.place(public / manifest.statement_name(name), self._object(entries[name]))

    def _object(self, entry: bytes) -> bytes:
        return self.log.statement(statement.digest_of(entry))


def refuse_other(ledger: Ledger, reader: Reader) -> None:
    """Raises LogError where a log is not the one of this ledger: one that was brought back from a backup may have lost
    entries that others have seen, and made others in their places."""
    last = reader.at.size - 1
    if last < 0:
        return
    known = ledger.entries(last)
    if not known:
        raise LogError(
            f"the log on the disk has {last + 1} entries and the ledger knows fewer", file=reader.folder,
            hint="bring the newest ledger back: going on would make a fork",
        )  # fmt: skip
    if known[0].data != reader.entry(last):
        raise LogError(
            f"entry {last} of the log on the disk is another one than the ledger's", file=reader.folder,
            hint="bring the newest ledger back: going on would make a fork",
        )  # fmt: skip


def _rules(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def code_digest() -> str:
    """SHA-256 over the code that reads policies and judges: name, zero byte, digest, line feed of every file, sorted."""
    here = Path(__file__).parent
    files = sorted(path for path in here.rglob("*") if path.suffix in (".py", ".sql"))
    lines = (f"{path.relative_to(here).as_posix()}\0{_rules(str(path))}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
