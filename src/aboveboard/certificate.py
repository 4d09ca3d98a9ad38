"""The certificate of a withdrawal: what left which release, when, in the log, in one file that needs no other.

It holds the statement that was entered when a release took the place of another, and the proof of that entry. It names
nobody. What it does not reach (copies that recipients keep, backups, models) stands in the statement itself, in words.
Where a release was superseded more than once, certificates of all steps stand in one file, in order (``Chain``).
Specification: docs/formats/certificate.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import rfc8785

from aboveboard.errors import VerificationError
from aboveboard.proof import Entry, Inclusion

FORMAT = "aboveboard/certificate/v1"
CHAIN = "aboveboard/certificate-chain/v1"
TYPE = "withdrawal/v1"
LONGEST = 1024 * 1024
"""Bytes of a certificate; a chain may have as many for each step."""
MOST = 1_000
"""Steps of a chain."""
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
        return rfc8785.dumps(self.document())

    def document(self) -> dict[str, Any]:
        """The same as plain values."""
        log = {"key": self.key, "at": self.at, "proof": self.inclusion.data().decode()}
        return {"format": FORMAT, "statement": self.statement.decode(), "log": log}

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


@dataclass(frozen=True, slots=True)
class Chain:
    """Certificates one behind another: each begins with the release that the one before it ended with."""

    certificates: tuple[Certificate, ...]

    @property
    def before(self) -> Mapping[str, str]:
        """The release that the chain begins with."""
        found: Mapping[str, str] = self.certificates[0].said["before"]
        return found

    @property
    def after(self) -> Mapping[str, str]:
        """The release that it ends with."""
        found: Mapping[str, str] = self.certificates[-1].said["after"]
        return found

    def links(self) -> None:
        """Raises VerificationError unless each step begins where the one before it ended, and was logged behind it."""
        for one, following in pairwise(self.certificates):
            if one.said["after"] != following.said["before"]:
                raise VerificationError(
                    "a step of the chain begins with another release than the one before it ended with"
                )
            if one.inclusion.index >= following.inclusion.index:
                raise VerificationError("a step of the chain was logged before the one that it follows")

    def data(self) -> bytes:
        """The chain as it is kept and sent: canonical JSON (RFC 8785)."""
        return rfc8785.dumps({"format": CHAIN, "certificates": [one.document() for one in self.certificates]})

    @staticmethod
    def parse(data: bytes) -> Chain:
        """The chain in these bytes, or the one step that a certificate is; raises VerificationError for any others."""
        try:
            said = json.loads(data) if len(data) <= LONGEST * MOST else {}
            if said["format"] != CHAIN:
                return Chain((Certificate.parse(data),))
            found = Chain(tuple(Certificate.parse(rfc8785.dumps(one)) for one in said["certificates"]))
            same = 0 < len(found.certificates) <= MOST and found.data() == data
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise VerificationError("the certificate cannot be read", hint="get it again") from None
        if not same:
            raise VerificationError("the certificate is not in its one form", hint="get it again")
        return found
