"""Checks what a platform hands out, with nothing but its files: a release, a proof, a checkpoint, a receipt, a certificate.

Numbered steps, each of which says what it checked or raises VerificationError with its number and name; at the end stands
what all of that does not prove. Needs no database, no engine and no trust in whoever made the files: where pyarrow is
not installed it says that the rows were not recomputed. No text of anybody is in what it says.
Specification: docs/formats/proof.md, whose numbers are those of the steps.
"""

from aboveboard.manifest import COVERS
from aboveboard.verification.kinds import kind_of, verify
from aboveboard.verification.release import Release, verify_entered
from aboveboard.verification.told import (
    ALL_OF_IT,
    ALONE,
    ATTESTED,
    CHOICES,
    JUDGED,
    KEY_CAME,
    LATER,
    LATEST,
    MAPPED,
    NOT_COMPARED,
    NOT_RECOMPUTED,
    NOT_SCANNED,
    RECEIVED,
    STANDS,
    UNSIGNED,
    WHOSE,
    WITHDRAWN,
    History,
    Known,
    Report,
    Step,
    silent,
)

__all__ = [
    "ALL_OF_IT",
    "ALONE",
    "ATTESTED",
    "CHOICES",
    "COVERS",
    "JUDGED",
    "KEY_CAME",
    "LATER",
    "LATEST",
    "MAPPED",
    "NOT_COMPARED",
    "NOT_RECOMPUTED",
    "NOT_SCANNED",
    "RECEIVED",
    "STANDS",
    "UNSIGNED",
    "WHOSE",
    "WITHDRAWN",
    "History",
    "Known",
    "Release",
    "Report",
    "Step",
    "kind_of",
    "silent",
    "verify",
    "verify_entered",
]
