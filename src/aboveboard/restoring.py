"""Brings a lost log back from a copy, and believes nothing of the copy that the ledger or a signature does not say.

The ledger gives every entry its place and its bytes, so tiles are made again from it. What a ledger does not have are the
statements that the entries name, taken by their SHA-256, and the cosignatures of witnesses, taken with the checkpoint they
stand under, if its root is that of the ledger's first entries. docs/operating.md says when this is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aboveboard import merkle, succession
from aboveboard.errors import LogError, VerificationError
from aboveboard.log import CHECKPOINT, OBJECTS, Log
from aboveboard.note import Note, Signer
from aboveboard.proof import Checkpoint, Entry, Trust


class Logged(Protocol):
    """An entry as the ledger committed it."""

    @property
    def data(self) -> bytes:
        """Its bytes."""


class Ledger(Protocol):
    """Whoever gave entries their places."""

    def entries(self, place: int = 0) -> Sequence[Logged]:
        """The committed entries from a place on, in order."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back: how many statements, whose cosignatures; and the places of the entries whose statement is still
    missing, because the copy is older than they are."""

    statements: int
    cosigned: tuple[str, ...]
    missing: tuple[int, ...]


def restore(ledger: Ledger, folder: Path, signer: Signer, trust: Trust, copy: Path) -> Restored:
    """Bring the log of a ledger back into ``folder`` from a copy of it, or of a release: what it lacks and no more.

    Everything of the copy is checked before anything is written; twice is once. Raises LogError or VerificationError where
    the copy is not of this ledger's log, or the ledger is older than the copy.
    """
    entries = [Entry.parse(one.data) for one in ledger.entries()]
    if not entries:
        raise LogError(
            "the ledger knows no entry of a log", hint="bring the ledger back first: it gives entries their places"
        )
    offered = _offered(copy, entries)
    signed = _checkpoint(copy, entries, _keys(entries, offered, folder, signer))
    lost = [entry for entry in entries if _held(folder, entry) is None]
    made = _log(folder, signer, entries, signed)
    back = {entry.digest for entry in lost} & set(offered)
    for digest in back:
        made.put(offered[digest])
    names = _cosigned(made, signed, trust)
    return Restored(len(back), names, missing(folder, entries))


def missing(folder: Path, entries: Sequence[Entry]) -> tuple[int, ...]:
    """The places of the entries whose statement is not in a log, or is another one."""
    return tuple(place for place, entry in enumerate(entries) if _held(folder, entry) is None)


def _held(folder: Path, entry: Entry) -> bytes | None:
    return _statement(folder / OBJECTS / entry.digest, {entry.digest: entry})


def _statement(path: Path, wanted: Mapping[str, Entry]) -> bytes | None:
    """The bytes of a file that is one of the statements that are wanted."""
    if not path.is_file():
        return None
    data = path.read_bytes()
    entry = wanted.get(hashlib.sha256(data).hexdigest())
    return data if entry is not None and entry.size == len(data) else None


def _offered(copy: Path, entries: Sequence[Entry]) -> Mapping[str, bytes]:
    """The statements of these entries that a copy has: of a log by their digests, of a release beside their proofs."""
    wanted = {entry.digest: entry for entry in entries}
    return {hashlib.sha256(data).hexdigest(): data for data in _statements(copy, wanted)}


def _statements(copy: Path, wanted: Mapping[str, Entry]) -> Iterator[bytes]:
    places = [copy / OBJECTS / digest for digest in wanted]
    for path in (*places, *sorted((copy / "proof").glob("*.json")), copy / "manifest.json"):
        if (data := _statement(path, wanted)) is not None:
            yield data


def _keys(
    entries: Sequence[Entry], offered: Mapping[str, bytes], folder: Path, signer: Signer
) -> succession.Keys | None:
    """The keys that the log itself names; None where a statement of keys is nowhere to be found.

    Raises LogError where the log is not the one that this workspace signs.
    """
    named = [offered.get(e.digest) or _held(folder, e) for e in entries if e.type == succession.TYPE]
    if not named or any(one is None for one in named):
        return None
    found = succession.follow([one for one in named if one is not None])
    if found.log != signer.key:
        raise LogError(
            f"the log of this ledger is signed by another key than ours, `{found.log.name}`",
            hint="bring the key back, or name the log as it was: origin in [log] of aboveboard.toml",
        )
    return found


def _checkpoint(copy: Path, entries: Sequence[Entry], keys: succession.Keys | None) -> bytes | None:
    """The signed checkpoint of a copy, if it has one; raises where it is not one of the ledger's first entries."""
    if keys is None:
        raise LogError(
            "neither the copy nor the log has the statement of the keys", file=copy,
            hint="name a copy of log/, or the folder of a release: its proof/ has that statement too",
        )  # fmt: skip
    if not (copy / CHECKPOINT).is_file():
        return None
    signed = (copy / CHECKPOINT).read_bytes()
    note = Note.parse(signed)
    note.verify([keys.log, *keys.before])
    at = Checkpoint.parse(note.text)
    if at.size > len(entries):
        raise LogError(
            f"the copy has {at.size:,} entries and the ledger knows {len(entries):,}", file=copy,
            hint="bring the newest ledger back: going on with this one would make a fork",
        )  # fmt: skip
    if merkle.root_of([merkle.leaf_hash(entry.data()) for entry in entries[: at.size]]) != at.root:
        raise VerificationError(
            "the copy is of another history than the ledger's", file=copy,
            hint="one of the two is a fork: keep both, and find out which one others have seen",
        )  # fmt: skip
    return signed


def _log(folder: Path, signer: Signer, entries: Sequence[Entry], signed: bytes | None) -> Log:
    """The log in a folder; where there is none, made again as far as the copy's checkpoint went, so that what witnesses
    signed there holds."""
    begun = (folder / CHECKPOINT).exists()
    made = Log.make(folder, signer)
    if not begun and signed is not None:
        size = Checkpoint.parse(Note.parse(signed).text).size
        made.append([entry.data() for entry in entries[:size]], 0)
    return made


def _cosigned(made: Log, signed: bytes | None, trust: Trust) -> tuple[str, ...]:
    """The cosignatures of a copy's checkpoint are taken where it is the one in force; of an older one they say nothing more."""
    if signed is None or Note.parse(signed).text != Note.parse(made.checkpoint()).text:
        return ()
    return tuple(made.merge(signed, trust))
