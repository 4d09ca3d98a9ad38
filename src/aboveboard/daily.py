"""What the log is told every day, release or not: which choices count, and which records were received.

``epoch`` maps everybody's choices at the head of the ledger, without a row; ``intake`` remembers what no day and no release
before had seen. Files are whole and on the disk before their statement is entered: nothing is logged that is not there,
whatever a run is killed at, and what was kept and not entered is entered by the next run. Specification:
docs/formats/statements.md.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aboveboard import commitments, disk, mainjob, release, statement
from aboveboard import intake as memory
from aboveboard.mainjob import Clock, Progress, now
from aboveboard.manifest import Map, told
from aboveboard.statement import INTAKE, Due
from aboveboard.workspace import Workspace

EPOCHS = "epochs"
"""In the folder of the log: the subject maps of epochs, each under its root. In the private one: the facts behind them."""
FACTS = "facts.parquet"
STATEMENT = "statement.json"
"""What an intake folder is entered with; whoever was killed before it could be enters it later."""
NAMED = "intake-"
_STAGED_MAP, _STAGED_INTAKE = ".epoch", ".intake"
_NOBODY = "SELECT NULL::VARCHAR AS subject WHERE FALSE"


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch in the log: its root, the position of the ledger up to which choices count, how many accounts it maps
    (private), where its statement stands in the log, and the folder with its map."""

    root: str
    position: int
    accounts: int
    place: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Intake:
    """What was newly received: the root over it, how many records (private), where that stands in the log and on disk."""

    root: str
    records: int
    place: int
    folder: Path


def epoch(ws: Workspace, *, clock: Clock = now) -> Epoch:
    """Map every choice at the head of the ledger and enter the map in the log; its files are below ``log/epochs``.

    In scope is everybody who ever said anything and everybody of whom something is attested. Costs time and 160 bytes of
    disk for each of them. Raises ReleaseError where the disk refuses, with nothing entered.
    """
    at = _moment(ws, clock)  # before the head is read: what was recorded by then is in it
    snapshot, folder, salt = ws.snapshot(), ws.evidence.log.folder / EPOCHS, secrets.token_bytes(32)
    with mainjob.scratch_folder(ws.private) as scratch, release.in_plain_words():
        disk.folders(folder)
        for left in disk.abandoned(folder, _STAGED_MAP):
            disk.clear(left)
        engine = mainjob.spilling(ws, scratch)
        opened = scratch / commitments.OPENINGS
        opened.mkdir()
        commitments.settle_accounts(engine, snapshot, _NOBODY, ws.ledger, salt, opened)
        with disk.leased(folder, _STAGED_MAP) as hidden:
            try:
                made = commitments.map_subjects(engine, scratch, hidden, ws.keys.secret("index"), salt)
                shown = _published(ws, made, hidden, opened, folder)
            finally:
                shutil.rmtree(hidden, ignore_errors=True)
        place = _entered(ws, statement.epoch(snapshot.position, at, made.public(), told(made.accounts)), at)
    return Epoch(made.root, snapshot.position, made.accounts, place, shown)


def _published(ws: Workspace, made: Map, hidden: Path, opened: Path, folder: Path) -> Path:
    """Bring a map to where its root says. What opens it is in the ledger, but for what is attested of accounts: those
    facts change, and are kept."""
    kept = ws.private / EPOCHS / made.root
    disk.folders(kept)
    with disk.step("epoch facts"):
        disk.move(opened / FACTS, kept / FACTS)
    with disk.step("epoch"):
        disk.move(hidden, folder / made.root)
    return folder / made.root


def intake(
    ws: Workspace, *, strict_files: bool = False, clock: Clock = now, progress: Progress | None = None
) -> Intake | None:
    """Read all sources, keep and log when the first-party records that are new were received; None where none is.

    Raises SourceError where a record claims a later receipt than before, or where the memory of earlier ones is lost.
    """
    at = _moment(ws, clock)
    ws.private.mkdir(parents=True, exist_ok=True, mode=0o700)
    with release.in_plain_words():
        _enter_kept(ws, at)
        for left in disk.abandoned(ws.private, _STAGED_INTAKE):
            disk.clear(left)
    memory.refuse_lost(ws.private, mainjob.kept(ws))
    with mainjob.related(ws, strict_files=strict_files, progress=progress) as (found, engine), release.in_plain_words():
        gone = ws.suppressions()
        memory.refuse_redated(engine, found, ws.private, gone)
        with disk.leased(ws.private, _STAGED_INTAKE) as hidden:
            try:
                hidden.mkdir(mode=0o700)
                received = memory.remember(engine, found, ws.private, hidden, ws.keys.secret("uid"), gone)
                if received is None:
                    return None
                name = f"{NAMED}{at:%Y-%m-%dT%H%M%S.%f}Z"
                said = statement.intake(received.root, told(received.records), received.first, received.last, name)
                _keep(hidden, ws.private / name, said)
            finally:
                shutil.rmtree(hidden, ignore_errors=True)
        return Intake(received.root, received.records, _entered(ws, said, at), ws.private / name)


def _keep(hidden: Path, folder: Path, said: Due) -> None:
    with disk.step("intake"):
        disk.write(hidden / STATEMENT, said.document, mode=0o600)
        disk.settle(hidden)
        disk.move(hidden, folder)


def _enter_kept(ws: Workspace, at: datetime) -> None:
    """Enter what an earlier run kept and was killed before it could enter."""
    logged = {entry.digest for entry in ws.ledger.entries_of(INTAKE)}
    for folder in sorted(ws.private.glob(f"{NAMED}*")):
        due = Due(INTAKE, (folder / STATEMENT).read_bytes(), "intake")
        if due.digest not in logged:
            _entered(ws, due, at)


def _entered(ws: Workspace, said: Due, at: datetime) -> int:
    """Enter a statement and bring the log on the disk to it; returns its place."""
    place = ws.evidence.enter(said, at)
    ws.evidence.follow()
    return place


def _moment(ws: Workspace, clock: Clock) -> datetime:
    """Now; where the ledger's clock runs ahead of ours, the ledger's last moment."""
    return max(filter(None, (clock(), ws.ledger.last_recorded_at())))
