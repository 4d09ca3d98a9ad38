"""The keys of a platform: made once by `init`, read by who needs them, never printed.

One file a key, 32 random bytes in hexadecimal, for its owner alone (0600, in a folder 0700). ``fingerprints.json``
beside them remembers which keys they were, so that a key that was swapped or lost is an error and not another
release. The recovery key is written apart, into the workspace, to be moved to where nobody reaches it from here; what
stays is its public part. What each is for, and what its loss or theft means, is `KINDS`; the design is docs/operating.md, "Keys".
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aboveboard import disk, succession
from aboveboard.errors import AboveboardError, WorkspaceError
from aboveboard.note import Signer, VerifierKey

BYTES = 32
FINGERPRINTS = "fingerprints.json"
RECOVERY = "recovery.key"
"""Beside the folder of keys, until somebody takes it away."""
RECOVERY_PUBLIC = "recovery.pub"
NEXT_LOG = "log.key.next"
"""The key that is to sign the log, while it takes the place of the one that does."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key is for, and what it means to lose it or have it stolen."""

    name: str
    purpose: str
    loss: str
    theft: str
    lasting: bool = True
    """Whether releases depend on it: with another one nothing links to what was published before."""


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("log", "signs the checkpoints of the log (Ed25519)", "the recovery key names a new one",
             "can sign, cannot get a fork cosigned: rotate", lasting=False),
        Kind("receipt", "signs the receipts of choices (Ed25519)", "a new one; old receipts stay valid",
             "receipts can be forged until it is rotated; epochs contradict them", lasting=False),
        Kind("index", "places people in the map of a release", "old maps cannot be read without a receipt",
             "who has an account can be guessed against the map, never what they chose"),
        Kind("shard", "says in which file of a release a person's rows stand, and nothing else",
             "releases cannot be rebuilt byte for byte", "rows can be narrowed down to authors: a breach"),
        Kind("order", "orders the rows of a file and gives each its nonce", "releases cannot be rebuilt byte for byte",
             "rows can be linked to guessed record ids: a breach"),
        Kind("uid", "names records in commitments", "commitments cannot be opened any more",
             "commitments can be linked to guessed record ids"),
        Kind("pseudonym", "turns mentions into pseudonyms", "mentions get other pseudonyms: a new lineage",
             "handles can be guessed behind pseudonyms: a breach"),
        Kind("suppression", "remembers people who were erased, without their names",
             "their no would be forgotten: nothing can be built", "can test whether a known identifier is suppressed"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Keys:
    """The keys of one workspace. They are not shown by ``repr``."""

    folder: Path
    _secrets: Mapping[str, bytes] = field(repr=False)

    def secret(self, name: str) -> bytes:
        """The 32 bytes of a key."""
        return self._secrets[name]

    def fingerprint(self, name: str) -> str:
        return fingerprint(name, self.secret(name))

    def signer(self, name: str, called: str) -> Signer:
        """The key ``log`` or ``receipt`` as one that signs, under the name that others know it by."""
        return Signer(called, self.secret(name))

    def named(self, origin: str) -> succession.Keys:
        """The keys as the first entry of the log names them; raises WorkspaceError where there is no recovery key."""
        log, receipt = self.signer("log", origin).key, self.signer("receipt", f"{origin}/receipts").key
        return succession.Keys(log, receipt, recovery(self.folder), succession.commitment(self.secret("index")))


def fingerprint(name: str, secret: bytes) -> str:
    """What may be known of a key: that it is still the same one (16 hexadecimal digits)."""
    return hashlib.sha256(b"aboveboard/key/v1\x00" + name.encode() + b"\x00" + secret).hexdigest()[:16]


def make(folder: Path) -> Keys:
    """Make every key; raises WorkspaceError rather than touch one that is there. They appear all at once."""
    if folder.exists():
        raise WorkspaceError(
            "there are keys already, or what is left of some", file=folder,
            hint="a key is never replaced in place; `aboveboard doctor` says what is wrong with them",
        )  # fmt: skip
    new = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    new.mkdir(parents=True, mode=0o700)
    made = {name: secrets.token_bytes(BYTES) for name in KINDS}
    for name, secret in made.items():
        disk.write(new / f"{name}.key", f"{secret.hex()}\n".encode(), mode=0o600)
    disk.write(new / RECOVERY_PUBLIC, _recovery_beside(folder), mode=0o600)
    marks = {name: fingerprint(name, secret) for name, secret in made.items()}
    disk.write(new / FINGERPRINTS, json.dumps(marks, indent=2).encode(), mode=0o600)
    disk.settle(new)
    disk.move(new, folder)
    return Keys(folder, made)


def add_recovery(folder: Path) -> None:
    """Make a recovery key for keys that were made before there was one; raises WorkspaceError where there is one."""
    read(folder)
    if (folder / RECOVERY_PUBLIC).exists():
        raise WorkspaceError("there is a recovery key already", file=folder / RECOVERY_PUBLIC)
    disk.place(folder / RECOVERY_PUBLIC, _recovery_beside(folder), mode=0o600)


def next_log(folder: Path) -> bytes:
    """The secret of the log key to come: made once, and kept until it is in force."""
    path = folder / NEXT_LOG
    if not path.exists():
        disk.place(path, f"{secrets.token_bytes(BYTES).hex()}\n".encode(), mode=0o600)
    return bytes.fromhex(path.read_text().strip())


def log_now(folder: Path) -> bytes | None:
    """The secret that signs the log, whatever else is wrong with the keys; None where it is lost."""
    try:
        found = bytes.fromhex((folder / "log.key").read_text().strip())
    except (OSError, ValueError):
        return None
    return found if len(found) == BYTES else None


def enforce_log(folder: Path) -> None:
    """Put the log key to come in the place of the one before. Killed in between, it is called again."""
    secret = next_log(folder)
    disk.place(folder / "log.key", f"{secret.hex()}\n".encode(), mode=0o600)
    marks = dict(json.loads((folder / FINGERPRINTS).read_text()))
    marks["log"] = fingerprint("log", secret)
    disk.place(folder / FINGERPRINTS, json.dumps(marks, indent=2).encode(), mode=0o600)
    (folder / NEXT_LOG).unlink()
    disk.settle(folder)


def recovery(folder: Path) -> VerifierKey:
    """The public part of the recovery key; raises WorkspaceError where there is none."""
    path = folder / RECOVERY_PUBLIC
    try:
        return VerifierKey.parse(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError, AboveboardError) as error:
        raise WorkspaceError(
            "the recovery key is not known here", file=path,
            hint="`aboveboard init --keys` makes one where there never was one; else bring the file back from your backup",
        ) from error  # fmt: skip


def _recovery_beside(folder: Path) -> bytes:
    """The public part of the recovery key that lies beside a folder of keys, having made it where there is none."""
    path = folder.parent / RECOVERY
    if not path.exists():
        disk.place(path, f"{Signer('recovery', secrets.token_bytes(BYTES)).written()}\n".encode(), mode=0o600)
    return f"{Signer.parse(path.read_text(encoding='utf-8').strip()).key}\n".encode()


def read(folder: Path) -> Keys:
    """The keys in a folder; raises WorkspaceError where one is missing, open to others, damaged or another one."""
    problem = next(iter(problems(folder)), None)
    if problem is not None:
        raise problem
    return Keys(folder, {name: bytes.fromhex((folder / f"{name}.key").read_text().strip()) for name in KINDS})


def problems(folder: Path) -> Sequence[WorkspaceError]:
    """Everything that is wrong with the keys; empty where they are whole."""
    if not folder.exists():
        return [
            WorkspaceError(
                "the workspace has no keys", file=folder,
                hint="run `aboveboard init --keys`; if there were keys, bring them back from your backup instead",
            )
        ]  # fmt: skip
    try:
        marks = dict(json.loads((folder / FINGERPRINTS).read_text()))
    except (OSError, ValueError, TypeError):
        return [
            WorkspaceError(
                "the fingerprints of the keys are lost or damaged", file=folder / FINGERPRINTS,
                hint="bring the folder back from your backup: without them a swapped key would not be noticed",
            )
        ]  # fmt: skip
    return [problem for name in KINDS if (problem := _problem(folder / f"{name}.key", name, marks)) is not None]


def _problem(path: Path, name: str, marks: Mapping[str, str]) -> WorkspaceError | None:
    if not path.is_file():
        loss = KINDS[name].loss
        return WorkspaceError(f"the key `{name}` is lost", file=path, hint=f"bring it back from your backup; {loss}")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return WorkspaceError(
            f"others can read the key `{name}` (mode {mode:04o})", file=path, hint=f"chmod 600 {path}"
        )
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except ValueError:
        secret = b""
    if len(secret) != BYTES:
        return WorkspaceError(f"the key `{name}` is damaged", file=path, hint="bring it back from your backup")
    if marks.get(name) != fingerprint(name, secret):
        return WorkspaceError(
            f"the key `{name}` is another one than before", file=path, hint="bring the old one back from your backup"
        )
    return None
