"""Which key signs a log, from its first entry on: the statement that begins it, and those that replace its key.

The first entry names the keys of the platform and commits to the secret that places people in maps. Only the recovery
key named there may name another log key later, so that whoever steals the log key cannot keep it, and whoever lost it
has a way on. Specification: docs/formats/log.md, "Keys".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import rfc8785

from aboveboard.errors import VerificationError
from aboveboard.note import Note, Signer, VerifierKey, signed
from aboveboard.subjectmap import SCHEME

TYPE = "key/v1"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://aboveboard.dev/key/v1"
_TEXT = "aboveboard/key/v1\n{origin}\n{old}\n{new}\n"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a platform as its log names them: who signs it now, receipts, recovery, and the index commitment."""

    log: VerifierKey
    receipt: VerifierKey
    recovery: VerifierKey
    index: str
    before: tuple[VerifierKey, ...] = ()
    """The log keys that were replaced, oldest first."""


def commitment(secret: bytes) -> str:
    """What a platform commits to of the secret that places people in its maps (SHA-256, hexadecimal)."""
    return sha256(b"aboveboard/commitment/v1\x00index\x00" + secret).hexdigest()


def genesis(keys: Keys) -> bytes:
    """The statement of the first entry, in canonical JSON."""
    return _statement(
        keys.log,
        {
            "log": str(keys.log),
            "receipt": str(keys.receipt),
            "recovery": str(keys.recovery),
            "index": {"scheme": SCHEME, "commitment": keys.index},
        },
    )


def rotation(old: VerifierKey, new: VerifierKey, recovery: Signer) -> bytes:
    """The statement that puts another log key in the place of one, signed by the recovery key. Same in, same out."""
    text = _TEXT.format(origin=old.name, old=old, new=new)
    note = signed(text, [recovery.sign(text)]).decode()
    return _statement(new, {"log": str(new), "replaces": str(old), "note": note})


def follow(statements: Iterable[bytes]) -> Keys:
    """The keys in force after all key statements of a log, oldest first.

    Raises VerificationError where the first names no keys, or another one is not the recovery key's word.
    """
    found: Keys | None = None
    for data in statements:
        said = _predicate(data)
        found = _first(said) if found is None else _next(found, said)
    if found is None:
        raise VerificationError("the log does not begin with a statement of its keys")
    return found


def _first(said: dict[str, Any]) -> Keys:
    try:
        log, receipt, recovery = (VerifierKey.parse(str(said[name])) for name in ("log", "receipt", "recovery"))
        scheme, index = said["index"]["scheme"], str(said["index"]["commitment"])
    except (KeyError, TypeError) as error:
        raise VerificationError("the first statement of keys does not name them all") from error
    if scheme != SCHEME:
        raise VerificationError(f"people are placed by a scheme that is not known here, `{scheme}`")
    return Keys(log, receipt, recovery, index)


def _next(keys: Keys, said: dict[str, Any]) -> Keys:
    try:
        note, new = Note.parse(str(said["note"]).encode()), VerifierKey.parse(str(said["log"]))
        old = str(said["replaces"])
    except KeyError as error:
        raise VerificationError("a later statement of keys is not one that replaces a key") from error
    if old != str(keys.log) or note.text != _TEXT.format(origin=keys.log.name, old=old, new=new):
        raise VerificationError("a key is replaced that was not in force")
    if new.name != keys.log.name:
        raise VerificationError("a key is replaced by one of another log")
    note.verify([keys.recovery])
    return Keys(new, keys.receipt, keys.recovery, keys.index, (*keys.before, keys.log))


def _statement(about: VerifierKey, predicate: dict[str, Any]) -> bytes:
    subject: Any = {"name": str(about), "digest": {"sha256": sha256(about.public).hexdigest()}}
    return rfc8785.dumps({"_type": STATEMENT, "predicateType": PREDICATE, "subject": [subject], "predicate": predicate})


def _predicate(data: bytes) -> dict[str, Any]:
    try:
        said = json.loads(data)
        found = said["predicate"] if said["predicateType"] == PREDICATE else None
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationError("a statement of keys cannot be read") from error
    if not isinstance(found, dict):
        raise VerificationError("a statement of keys cannot be read")
    return found
