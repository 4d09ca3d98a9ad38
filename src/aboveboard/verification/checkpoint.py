"""Checks a signed checkpoint of a log: docs/formats/proof.md, "What is checked of a checkpoint"."""

from __future__ import annotations

from pathlib import Path

from aboveboard.errors import VerificationError
from aboveboard.manifest import LOG_KEY
from aboveboard.proof import Seen, Trust
from aboveboard.verification.history import compare, signature_told, trust_of
from aboveboard.verification.told import LATEST, Known, Report, Walk, failing, unproven


def check_checkpoint(path: Path, known: Known, walk: Walk) -> Report:
    """Docs/formats/proof.md, "What is checked of a checkpoint"."""
    signed, found = path.read_bytes(), list[Seen]()
    trust = known.trust or _trust_beside(path)

    def judged() -> str:
        found.append(trust.verify(signed))
        return signature_told(found[0])

    walk.take("checkpoint", judged)
    newest = compare(walk, found[0], signed, trust.logs, known, current=True)
    not_proven = unproven(found[0], known, (LATEST,))
    return Report("checkpoint", found[0].checkpoint.origin, tuple(walk.steps), not_proven, found[0], newest)


def _trust_beside(path: Path) -> Trust:
    beside = path.with_name(Path(LOG_KEY).name)
    if not beside.is_file():
        raise VerificationError(
            "no key to check the checkpoint with", hint="give the log's key: --key", step="1 checkpoint"
        )
    with failing("1 checkpoint"):
        return trust_of(beside.read_text("utf-8").removesuffix("\n"))
