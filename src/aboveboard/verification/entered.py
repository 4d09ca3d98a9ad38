"""What a release says stands in the log before it: which entries, under which names, of which types, in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from aboveboard import manifest, statement
from aboveboard.errors import VerificationError
from aboveboard.manifest import CHECKPOINT, LOG_KEY
from aboveboard.proof import Entry
from aboveboard.verification.said import Said, read_statement


def proof_files(said: Said) -> Iterator[str]:
    """What lies in ``proof/``: nothing where the release was entered in no log."""
    if said.predicate["log"] is None:
        return
    yield from (CHECKPOINT, LOG_KEY)
    for name in entries_expected(said):
        yield manifest.proof_name(name)
        if name != "release":  # its statement is manifest.json
            yield manifest.statement_name(name)


def entries_expected(said: Said) -> Mapping[str, str]:
    """The entries that the statement has to name, with their types; raises VerificationError where it names others."""
    before = said.log["before"]
    keys = dict.fromkeys(key_names(before), statement.KEY)
    policies = {f"policy-{version['version']}": statement.POLICY for version in said.predicate["policy"]["versions"]}
    epoch = {"choice-epoch": statement.EPOCH} if said.map is not None else {}
    intake = {"intake": statement.INTAKE} if "intake" in before else {}
    found = {**keys, **policies, **epoch, **intake}
    if not keys or not policies or set(found) != set(before) or any(mark in name for name in found for mark in "/\\"):
        raise VerificationError("the statement does not name the entries that come before a release")
    return {**found, "release": statement.RELEASE}


def key_names(before: Container[str]) -> Iterator[str]:
    """``keys``, and for each key that was replaced ``keys-1``, ``keys-2`` and so on."""
    names = (f"keys-{number}" if number else "keys" for number in count())
    return takewhile(lambda name: name in before, names)


def verify_order(places: Mapping[str, int]) -> None:
    """The log begins with the keys; policies come before the choices, and the release behind everything."""
    keys = [places[name] for name in key_names(places)]
    policies = [place for name, place in places.items() if name.startswith("policy-")]
    epoch, release = places.get("choice-epoch", places["release"]), places["release"]
    if keys[0] != 0 or keys != sorted(keys) or not max(policies) < epoch <= release:
        raise VerificationError("the entries stand in the wrong order: keys, policies, choices, release")
    if max(places.values()) != release or len({*places.values()}) != len(places):
        raise VerificationError("the entries stand in the wrong order: the release is the last of them")


def verify_entry(data: bytes, type_: str, document: bytes, path: Path) -> None:
    entry = Entry.parse(data)
    if entry.type != type_:
        raise VerificationError("an entry of the log is of another type", file=path)
    if (entry.digest, entry.size) != (hashlib.sha256(document).hexdigest(), len(document)):
        raise VerificationError("the statement is another one than was logged", file=path)


def predicate_of(document: bytes, type_: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = read_statement(document, statement.BASE + type_)["predicate"]
    return found
