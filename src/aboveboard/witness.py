"""A witness of logs, on a machine of its own: cosigns what follows from what it cosigned before, and nothing else.

Its state is a folder with the last checkpoint of each log it watches. It is written before a cosignature leaves, so a
witness that is killed signs no fork afterwards. A log that forks or goes back is refused and both checkpoints are kept:
two notes signed by one log that cannot both be true are evidence for everybody. Needs files and keys, and no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aboveboard import disk, merkle, note
from aboveboard.errors import LogError, VerificationError
from aboveboard.log import CHECKPOINT, Reader, checkpoint_of
from aboveboard.note import COSIGNATURE, ED25519, Note, Signer, VerifierKey
from aboveboard.proof import Checkpoint, Growth

KEY = "log.key"
EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What a witness made of a checkpoint: the note with its cosignature, and from which size it saw the log grow."""

    checkpoint: Checkpoint
    before: int
    data: bytes


class Witness:
    """A witness: the folder of its state, and its key (kind 0x04). Its calls may come from several processes at once."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        if signer.kind != COSIGNATURE:
            raise LogError("the key makes other signatures than a witness does", hint="`aboveboard log key` makes one")
        self.folder = folder
        self.signer = signer

    def watch(self, key: VerifierKey) -> None:
        """Watch the log that signs with this key from now on; raises LogError where it is watched under another one."""
        if key.kind != ED25519:
            raise LogError(f"the key of `{key.name}` is not one that signs a log")
        place = self._place(key.name)
        disk.folders(place)
        with disk.locked(place / ".lock"):
            known = self._known(place)
            if known is not None and known != key:
                raise LogError(
                    f"the log `{key.name}` is watched here under another key", file=place / KEY,
                    hint="look at its statements of keys; then write the new key into that file by hand",
                )  # fmt: skip
            if known is None:
                disk.place(place / KEY, f"{key}\n".encode())

    def cosign_log(self, folder: Path, now: int) -> Cosigned:
        """Look at a log by its files: the proof is made from its tiles, from what was seen before to what is there."""
        signed = checkpoint_of(folder)
        at = Checkpoint.parse(Note.parse(signed).text)
        return self._cosign(signed, now, Reader(folder, at))

    def cosign(self, sent: Growth, now: int) -> Cosigned:
        """Look at what a log sent: a proof from a size it thinks we know, and its new checkpoint."""
        return self._cosign(sent.checkpoint, now, sent)

    def _cosign(self, signed: bytes, now: int, why: Growth | Reader) -> Cosigned:
        shown = Note.parse(signed)
        at = Checkpoint.parse(shown.text)
        place = self._place(at.origin)
        key = self._known(place)
        if key is None or key.name != at.origin:
            raise LogError(f"the log `{at.origin}` is not watched here", hint="name its key once: --watch KEY")
        shown.verify([key])
        with disk.locked(place / ".lock"):
            before = self._last(place)
            try:
                _follows(before, at, why)
            except VerificationError as error:
                error.context = {**error.context, **self._keep(place, at, signed)}
                raise
            mine = self.signer.sign(shown.text, now)
            ours = [line for line in shown.signatures if (line.name, line.id) == (key.name, key.id)]
            data = note.signed(shown.text, [*ours, mine])
            # INVARIANT: on the disk before it leaves: what we have signed we must know, whatever happens next.
            disk.place(place / CHECKPOINT, data)
        return Cosigned(at, before.size, data)

    def _last(self, place: Path) -> Checkpoint:
        path = place / CHECKPOINT
        if not path.exists():
            return Checkpoint("", 0, merkle.EMPTY)
        found = Note.parse(path.read_bytes())
        found.verify([self.signer.key])
        return Checkpoint.parse(found.text)

    def _keep(self, place: Path, at: Checkpoint, signed: bytes) -> dict[str, object]:
        """Keep what was shown, beside what was shown before, where the one can be held against the other."""
        folder = place / EVIDENCE / f"{at.size}-{hashlib.sha256(signed).hexdigest()[:16]}"
        last = place / CHECKPOINT
        kept = {"shown": signed, **({"before": last.read_bytes()} if last.exists() else {})}
        for name, data in kept.items():
            if not (folder / name).exists():
                disk.place(folder / name, data)
        return {"evidence": folder}

    def _place(self, origin: str) -> Path:
        return self.folder / hashlib.sha256(origin.encode()).hexdigest()[:32]

    @staticmethod
    def _known(place: Path) -> VerifierKey | None:
        try:
            return VerifierKey.parse((place / KEY).read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return None


def _follows(before: Checkpoint, at: Checkpoint, why: Growth | Reader) -> None:
    """That a checkpoint follows from the last one; raises VerificationError where it goes back or forks."""
    if at.size < before.size:
        raise VerificationError("the log went back: it is smaller than it was", before=before.size, after=at.size)
    if isinstance(why, Growth):
        if why.before != before.size:
            raise LogError(
                f"the proof begins at {why.before}, and the last size seen here is {before.size}",
                hint=f"ask for one from there: aboveboard log prove --since {before.size}",
            )
        steps: Sequence[bytes] = why.path
    else:
        steps = merkle.consistency(before.size, at.size, why.node)
    merkle.verify_consistency(before.size, at.size, steps, before.root, at.root)
