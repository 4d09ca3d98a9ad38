"""The one way in: recognises what stands at a path by what it holds, and hands it to the check of its kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from aboveboard import recordproof
from aboveboard.errors import VerificationError
from aboveboard.verification.certificate import check_certificate
from aboveboard.verification.checkpoint import check_checkpoint
from aboveboard.verification.receipt import check_receipt
from aboveboard.verification.record import check_record
from aboveboard.verification.release import check_release
from aboveboard.verification.statement import check_statement
from aboveboard.verification.told import Known, Report, Step, Walk, failing, silent


def verify(path: Path | str, known: Known | None = None, tell: Callable[[Step], None] = silent) -> Report:
    """Check what stands at a path, recognised by what it holds; ``tell`` is told every step that held.

    Raises VerificationError, with the step that failed, for everything that is not as it says.
    """
    path, walk = Path(path), Walk(tell)
    known = Known() if known is None else known
    with failing("0 kind"):
        kind = kind_of(path)
    return _CHECKS[kind](path, known, walk)


def kind_of(path: Path) -> str:
    """The name of a kind in ``_CHECKS``; raises VerificationError for anything else."""
    if path.is_dir():
        if (path / "manifest.json").is_file():
            return "release"
        raise VerificationError("the folder is no release: it has no manifest.json", hint=_KINDS)
    with path.open("rb") as file:
        begin = file.read(200)
    if begin.startswith(b"{"):
        return _kind_of_json(path)
    if begin.startswith(b"aboveboard.dev/receipt/"):
        return "receipt"
    lines = begin.split(b"\n")
    if len(lines) > 2 and lines[1].isdigit():
        return "checkpoint"
    raise VerificationError("nothing here is known that could be verified", hint=_KINDS)


_KINDS = (
    "a release is a folder; the proof of a record or a statement, a receipt, a certificate and a checkpoint are files"
)


def _kind_of_json(path: Path) -> str:
    """By a value at the top that says so, whatever its name: this is a signpost, and the check itself reads strictly."""
    if path.stat().st_size > recordproof.LONGEST:
        raise VerificationError("the file is too large for a proof", hint=_KINDS)
    said = json.loads(path.read_bytes())
    for value in filter(lambda one: isinstance(one, str), said.values()):
        word = value.removeprefix("https://").removeprefix("aboveboard.dev/").removeprefix("aboveboard/")
        for name, kind in _FORMATS.items():
            if word.startswith(name):
                return kind
    raise VerificationError("nothing here is known that could be verified", hint=_KINDS)


_FORMATS = {
    "record-proof/": "record", "statement-proof/": "statement", "receipt/": "receipt", "capsule/": "capsule",
    "certificate/": "certificate", "certificate-chain/": "certificate",
}  # fmt: skip


def _check_capsule(path: Path, known: Known, walk: Walk) -> Report:  # noqa: ARG001 - as the others
    raise VerificationError("a capsule is checked against its release", hint="aboveboard check-me CAPSULE RELEASE")


_CHECKS: Mapping[str, Callable[[Path, Known, Walk], Report]] = {
    "release": check_release,
    "record": check_record,
    "statement": check_statement,
    "checkpoint": check_checkpoint,
    "receipt": check_receipt,
    "capsule": _check_capsule,
    "certificate": check_certificate,
}
"""INVARIANT: every kind that ``kind_of`` names has its check here."""
