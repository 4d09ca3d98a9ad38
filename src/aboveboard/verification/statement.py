"""Checks the proof that a statement is in the log: docs/formats/proof.md, "What is checked of a statement"."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aboveboard.errors import VerificationError
from aboveboard.proof import Seen, Trust
from aboveboard.statementproof import StatementProof
from aboveboard.verification.history import compare, signature_told, trust_of
from aboveboard.verification.said import digest_in
from aboveboard.verification.told import ATTESTED, LATER, Known, Report, Walk, unproven


def check_statement(path: Path, known: Known, walk: Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a statement"."""
    found = _Statement(path, known)
    walk.take("form", found.form)
    walk.take("statement", found.statement)
    walk.take("checkpoint", found.checkpoint)
    walk.take("entry", found.entry)
    newest = compare(walk, found.seen, found.proof.inclusion.checkpoint, found.trust.logs, known)
    more = unproven(found.seen, known, (ATTESTED, LATER))
    return Report("statement", found.name, tuple(walk.steps), more, found.seen, newest)


class _Statement:
    """The proof of a statement on its way through the steps."""

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self.known = path, known
        self.proof: StatementProof
        self.trust: Trust
        self.seen: Seen
        self.name: str

    def form(self) -> str:
        self.proof = StatementProof.parse(self.path.read_bytes())
        return "the proof is in its one form"

    def statement(self) -> str:
        said = self.proof.said()
        about = [f"{one['name']} ({digest_in(one['digest']['sha256'])})" for one in said["subject"]]
        self.name = f"{self.proof.type} {about[0] if about else hashlib.sha256(self.proof.statement).hexdigest()}"
        return f"a statement of the type {self.proof.type} about {', '.join(about) or 'no file'}"

    def checkpoint(self) -> str:
        self.trust = self.known.trust or trust_of(self.proof.key)
        self.seen = self.trust.verify(self.proof.inclusion.checkpoint)
        if str(self.seen.log) != self.proof.key:
            raise VerificationError("the key in the proof is not the one that signed")
        return signature_told(self.seen)

    def entry(self) -> str:
        self.proof.inclusion.verify(self.proof.entry, self.trust)
        return f"entry {self.proof.inclusion.index:,} of the log is this statement, logged at {self.proof.at}"
