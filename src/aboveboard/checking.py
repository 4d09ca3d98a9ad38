"""Holds a capsule against the public folder of its release. Needs nothing that platforms need: no engine, no database."""

from __future__ import annotations

from pathlib import Path

from aboveboard import capsule, manifest, subjectmap
from aboveboard.capsule import Capsule, Checked
from aboveboard.errors import ReleaseError


def held(made: Capsule, public: Path) -> Checked:
    """What holds of a capsule; raises VerificationError for the first step that fails, ReleaseError for missing files."""
    try:
        bucket = f"subjects/{subjectmap.bucket_name(made.prefix)}"
        statement, rows, gone = (
            (public / name).read_bytes() for name in ("manifest.json", bucket, manifest.TOMBSTONES)
        )
    except (OSError, ValueError, TypeError) as error:
        raise ReleaseError("a file of the release is missing", folder=public, hint="get the release again") from error
    return capsule.check(made, statement, rows, gone)
