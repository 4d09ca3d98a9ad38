"""The certificate of a withdrawal: what left which release, when, in the log, in one file that needs no other.

It holds the statement that was entered when a release took the place of another, and the proof of that entry. It names
nobody. What it does not reach (copies that recipients keep, backups, models) stands in the statement itself, in words.
Specification: docs/formats/certificate.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from aboveboard.errors import VerificationError
from aboveboard.proof import Entry, Inclusion

FORMAT = "aboveboard/certificate/v1"
TYPE = "withdrawal/v1"
LONGEST = 1024 * 1024
_FIELDS = {"before": dict, "after": dict, "upto": int, "questions": list, "removed": dict, "at": str, "outside": list}


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate: the statement byte for byte, the log's key as the platform wrote it, the proof of its entry, which
    was logged at ``at``."""

    statement: bytes
    key: str
    inclusion: Inclusion
    at: str

    @property
    def entry(self) -> bytes:
        """The entry in the log: it follows from the statement and from when it was logged."""
        return Entry(TYPE, self.at, hashlib.sha256(self.statement).hexdigest(), len(self.statement)).data()

    @property
    def said(self) -> Mapping[str, Any]:
        """What the statement says; raises VerificationError where it is no statement of a withdrawal."""
        try:
            found = json.loads(self.statement)
            said: Mapping[str, Any] = found["predicate"]
            whole = all(isinstance(said[name], kind) for name, kind in _FIELDS.items())
            named = found["predicateType"].endswith(f"/{TYPE}") and rfc8785.dumps(found) == self.statement
            named = named and all(isinstance(said[one]["release"], str) for one in ("before", "after"))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            whole = named = False
        if not (whole and named):
            raise VerificationError("the statement is none of a withdrawal", hint="get the certificate again")
        return said

    def data(self) -> bytes:
        """The certificate as it is kept and sent: canonical JSON (RFC 8785)."""
        log = {"key": self.key, "at": self.at, "proof": self.inclusion.data().decode()}
        return rfc8785.dumps({"format": FORMAT, "statement": self.statement.decode(), "log": log})

    @staticmethod
    def parse(data: bytes) -> Certificate:
        """The certificate in these bytes; raises VerificationError for any other bytes, however near."""
        try:
            said = json.loads(data) if len(data) <= LONGEST else {}
            log = said["log"]
            found = Certificate(
                said["statement"].encode(), str(log["key"]), Inclusion.parse(log["proof"].encode()), str(log["at"])
            )
            same = said["format"] == FORMAT and found.data() == data
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise VerificationError("the certificate cannot be read", hint="get it again") from None
        if not same:
            raise VerificationError("the certificate is not in its one form", hint="get it again")
        return found
