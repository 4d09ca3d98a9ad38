"""Erasure: a person asks, nothing of theirs is taken from that moment on, and a day later what is here of them is gone.

``plan`` says what it would touch and changes nothing; ``ask`` records the request, which narrows at once; ``undo`` takes it
back until it is executed; ``execute_due`` executes what is due: first the private parts of all releases, file by file, then
one transaction of the ledger, in which events, keys and the request itself forget whose they were and the log is told how
many. Killed at any moment, it is called again. What it cannot reach is said in docs/erasure.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aboveboard import disk, purging, release, shredding, statement, suppression, writing
from aboveboard.choice import Event
from aboveboard.daily import EPOCHS, FACTS, NAMED
from aboveboard.errors import ReleaseError
from aboveboard.ledger.erasures import Erasure
from aboveboard.mainjob import Clock, now
from aboveboard.manifest import told
from aboveboard.shredding import Touched
from aboveboard.workspace import Workspace

WAIT = timedelta(hours=24)
"""How long a request can be undone: what cannot be undone afterwards waits that long."""
TRIES = 5
"""How often releases that were committed meanwhile are gone through before somebody is told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What erasing somebody would touch: events of the ledger (as many receipts could be made of them), keys, statements
    they signed, and of each release what its private part holds (a release they are an account of is one for which a
    capsule could be made). Of the sources and the facts table nothing is known here: they are the platform's own."""

    identifiers: tuple[str, ...]
    events: int
    signed: int
    keys: int
    releases: Mapping[str, Touched]
    epochs: int

    @property
    def digest(self) -> str:
        """SHA-256 over all of it: whoever says yes says it to this."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        return {
            "identifiers": list(self.identifiers), "events": self.events, "receipts": self.events, "signed": self.signed,
            "keys": self.keys, "capsules": sum(one.accounts > 0 for one in self.releases.values()),
            "releases": {name: asdict(one) for name, one in self.releases.items()}, "epochs": self.epochs,
            "digest": self.digest,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Executed:
    """An erasure that was executed: its number, how many events and keys it took, how many releases were gone through,
    and the place of its statement in the log."""

    id: int
    events: int
    keys: int
    releases: int
    place: int


def plan(ws: Workspace, subject: str, also: Sequence[str] = ()) -> Plan:
    """What erasing a person would touch. ``subject`` is the stable account id, ``also`` further ids and handles."""
    names = _identifiers(subject, also)
    engine, events = ws.engine, [one for name in names for one in ws.ledger.events_of(name)]
    found = {folder.name: shredding.touched(engine, folder, names) for folder in _folders(ws)}
    return Plan(
        names,
        len(events),
        sum(ws.ledger.assertion(one.position) is not None for one in events),
        sum(ws.ledger.subject_key(name) is not None for name in names),
        {name: one for name, one in sorted(found.items()) if one},
        len(_epochs(ws)),
    )


def ask(ws: Workspace, subject: str, also: Sequence[str], digest: str) -> Erasure:
    """Record the request that a dry run with this digest was about. From now on nothing of theirs is taken.

    Raises ReleaseError where the dry run would say something else by now.
    """
    made = plan(ws, subject, also)
    if made.digest != digest:
        raise ReleaseError(
            "this digest is not the one of the dry run as it is now",
            hint="look at the dry run again: something changed",
        )
    keys = ws.keys
    hashes = [suppression.hashed(keys.secret("suppression"), name) for name in made.identifiers]
    ws.suppressions()  # a list made with another key is not gone on with
    with disk.step("ask erasure"):
        return ws.ledger.ask_erasure(
            [_event(ws, name, "suppressed") for name in made.identifiers], hashes, keys.fingerprint("suppression"), WAIT
        )


def undo(ws: Workspace, subject: str) -> Erasure:
    """Take back the open request of a person; raises ReleaseError where there is none."""
    found = next((one for one in ws.ledger.erasures() if subject in one.identifiers), None)
    if found is None:
        raise ReleaseError(
            "no request to erase this account is open", hint="an executed one cannot be undone; check the account id"
        )
    with disk.step("undo erasure"):
        ws.ledger.undo_erasure(found, [_event(ws, name, "unsuppressed") for name in found.identifiers])
    return found


def execute_due(ws: Workspace, *, clock: Clock = now) -> list[Executed]:
    """Execute every request that is due; the others wait. Raises ReleaseError where a build that began before a request
    is still running: it may yet publish what the request is about."""
    release.finish(ws.ledger, ws.private.resolve(), ws.evidence)
    at = clock()
    due = [one for one in ws.ledger.erasures() if one.due_at <= at]
    done = [_executed(ws, one, clock) for one in due]
    ws.evidence.follow()
    if done or ws.ledger.erased():
        with disk.step("tidy ledger"):
            ws.ledger.tidy()
    return done


def _executed(ws: Workspace, erasure: Erasure, clock: Clock) -> Executed:
    places = {name: suppression.in_its_place(ws.suppressions().key, name) for name in erasure.identifiers}
    done: set[str] = set()
    _refuse_running(ws, erasure)
    for _ in range(TRIES):
        _shred(ws, places, done)
        found = _in_the_ledger(ws, erasure, places, done, clock)
        if found is not None:
            return found
        # A release was committed meanwhile: it is gone through too, and then the ledger is asked again.
        release.finish(ws.ledger, ws.private.resolve(), ws.evidence)
    raise ReleaseError("releases are being published all the time", hint="run `aboveboard erase --due` again")


def _shred(ws: Workspace, places: Mapping[str, str], done: set[str]) -> None:
    """Go through the private parts. Receipts first: which records were theirs is known by the decisions alone."""
    names = sorted(places)
    with release.in_plain_words():
        folders = [folder for folder in _folders(ws) if folder.name not in done]
        for left in (left for folder in folders for left in list(shredding.remains(folder))):
            left.unlink()
        records = sorted({one for folder in folders for one in shredding.records_of(ws.engine, folder, names)})
        shredding.forget_receipts(ws.engine, [*_folders(ws), *_intakes(ws)], records)
        shredding.forget_attested(ws.engine, _epochs(ws), names)
        for folder in folders:
            shredding.shred(ws.engine, folder, places)
            _unlist(folder)
            done.add(folder.name)


def _unlist(folder: Path) -> None:
    """Take away the portal's list of a release, which names them: it is made again from what the decisions say now. Where no
    lock of it is, no list was ever begun."""
    if (lock := folder / f".{writing.SHOWN}.lock").exists():
        with disk.locked(lock):
            for name in (writing.SHOWN, f".{writing.SHOWN}.new"):
                (folder / name).unlink(missing_ok=True)


def _in_the_ledger(
    ws: Workspace, erasure: Erasure, places: Mapping[str, str], done: set[str], clock: Clock
) -> Executed | None:
    """Forget them in the ledger and tell the log; None where a release was committed that was not gone through."""
    at = max(filter(None, (clock(), ws.ledger.last_recorded_at())))
    with disk.step("erase ledger"), ws.ledger.committing() as commit:
        if not all(one["id"] in done or not (ws.private / str(one["id"])).is_dir() for one in commit.releases()) or any(
            (ws.private / str(one["staged"])).is_dir() for one in commit.releases()
        ):
            return None
        events, keys = commit.erase(erasure.id, places, at)
        said = statement.erasure(erasure.asked_at, at, commit.head, told(events), len(done))
        ws.evidence.put(said.document)
        place = commit.log(said.entry(at))
    return Executed(erasure.id, events, keys, len(done), place)


def _refuse_running(ws: Workspace, erasure: Erasure) -> None:
    """A build that judged before the request was made may still commit, with everything in its private part."""
    held = set(ws.private.glob(f"{release.STAGING}-*.lock")) if ws.private.is_dir() else set()
    idle = {folder.with_name(f"{folder.name}.lock") for folder in release.unfinished(ws.private)}
    began = [lock.stat().st_mtime for lock in held - idle if lock.exists()]
    if any(moment < erasure.asked_at.timestamp() for moment in began):
        raise ReleaseError(
            "a build that began before the request is still running",
            hint="let it end, then run `aboveboard erase --due`",
        )
    for folder in purging.leftovers(ws):
        purging.clear_leftover(ws, folder)


def _identifiers(subject: str, also: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(one for name in (subject, *also) for one in suppression.readings(name)))
    if not all(name.strip() and not name.startswith(suppression.ERASED) for name in names):
        raise ReleaseError("an identifier is empty, or is what stands in the place of one", hint="name the account id")
    return names


def _event(ws: Workspace, subject: str, kind: str) -> Event:
    at = ws.ledger.now()
    return Event(subject=subject, type=kind, recorded_at=at, effective_at=at, method="erasure")


def _folders(ws: Workspace) -> list[Path]:
    """The private parts of all releases."""
    return sorted(path.parent for path in ws.private.glob("*/openings") if not path.parent.name.startswith("."))


def _intakes(ws: Workspace) -> list[Path]:
    return sorted(ws.private.glob(f"{NAMED}*"))


def _epochs(ws: Workspace) -> list[Path]:
    return sorted((ws.private / EPOCHS).glob(f"*/{FACTS}"))
