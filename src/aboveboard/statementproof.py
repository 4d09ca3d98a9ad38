"""A statement of the log and the proof that it stands there, in one file that needs no other.

It shows that the platform said this, and by when; whether it is true no proof of a log can show. The form is the same for every
type of statement. Specification: docs/formats/lineage.md, "A statement and its proof in one file".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from aboveboard import statement
from aboveboard.errors import VerificationError
from aboveboard.manifest import STATEMENT
from aboveboard.proof import Entry, Inclusion

FORMAT = "aboveboard/statement-proof/v1"
LONGEST = 8 * 1024 * 1024
"""Bytes in a proof: a statement is short."""


@dataclass(frozen=True, slots=True)
class StatementProof:
    """A statement of a ``type`` (its bytes), the ``inclusion`` of its entry, logged ``at`` a time, and the log's ``key`` as the
    platform wrote it, to be compared with the one it publishes."""

    type: str
    statement: bytes
    key: str
    inclusion: Inclusion
    at: str

    @property
    def entry(self) -> bytes:
        """The entry in the log: it follows from the statement and from when it was logged."""
        return Entry(self.type, self.at, hashlib.sha256(self.statement).hexdigest(), len(self.statement)).data()

    def said(self) -> Mapping[str, Any]:
        """What is stated, once it is a statement of its type in its one form; raises VerificationError."""
        found: Mapping[str, Any] = json.loads(self.statement)
        if rfc8785.dumps(found) != self.statement:
            raise VerificationError("the statement is not in its one form (RFC 8785)", hint="get it again")
        if found["_type"] != STATEMENT or found["predicateType"] != statement.BASE + self.type:
            raise VerificationError(f"the statement is not of the type {self.type}", hint="get it again")
        return found

    def data(self) -> bytes:
        """The proof as it is kept and sent: canonical JSON (RFC 8785)."""
        logged = {"key": self.key, "at": self.at, "proof": self.inclusion.data().decode()}
        return rfc8785.dumps({"format": FORMAT, "type": self.type, "statement": self.statement.decode(), "log": logged})

    @staticmethod
    def parse(data: bytes) -> StatementProof:
        """The proof in these bytes; raises VerificationError for any other bytes, however near."""
        try:
            found = _read(data)
            same = found.data() == data
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise VerificationError("the proof of a statement cannot be read", hint="get it again") from None
        if not same:
            raise VerificationError("the proof of a statement is not in its one form", hint="get it again")
        return found


def _read(data: bytes) -> StatementProof:
    said = json.loads(data) if len(data) <= LONGEST else {}
    log = said["log"]
    if said["format"] != FORMAT:
        raise ValueError("another form")
    return StatementProof(
        str(said["type"]), said["statement"].encode(), str(log["key"]), Inclusion.parse(log["proof"].encode()), str(log["at"])
    )  # fmt: skip
