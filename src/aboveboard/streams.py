"""Compliance streams into the ledger: files of events, one a line, from somebody who can prove that they sent them.

A file is vouched for by ``FILE.sig`` beside it: HMAC-SHA-256 over its bytes (hexadecimal) with a key that both sides
have, or an Ed25519 signature (base64). Without it nothing counts, unless the caller says so; then what closes a door is
recorded as unverified, which only holds, and what opens one is left out. Every line is counted: recorded, heard before,
saying nothing that decides, or quarantined by its number. Specification: docs/formats/compliance.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from aboveboard import choice, compliance, disk
from aboveboard.choice import Event
from aboveboard.compliance import Heard, Line, Told, Unreadable
from aboveboard.errors import AboveboardError, SourceError, VerificationError, WorkspaceError, unknown_term
from aboveboard.suppression import NONE, Suppressions

LONGEST = 1 << 20
"""Bytes of a line: no event is longer."""
BATCH = 5_000
"""Events of one transaction."""
SIGNATURE = ".sig"
METHOD = "stream"
_KEYS = ("kind", "key", "public_key", "subject_prefix", "record_prefix")


class Ledger(Protocol):
    """Where events are recorded. Both methods see a stream as it stands; ``hear`` is one durable transaction."""

    def fates(self, stream: str, heard: Sequence[Heard]) -> list[str]:
        """For each event ``new``, ``already`` or ``conflict``."""

    def hear(self, stream: str, heard: Sequence[Heard]) -> list[str]:
        """The same, having recorded what is new."""

    def now(self) -> datetime:
        """The moment an event recorded now would carry."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as the workspace names it. ``key`` is a file with a shared secret, ``public_key`` an Ed25519 key."""

    name: str
    kind: str
    key: Path | None = None
    public_key: bytes | None = field(default=None, repr=False)
    subject_prefix: str = ""
    record_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """A line that was left out: its number from 1, why, and what to do."""

    line: int
    reason: str
    remedy: str


@dataclass(frozen=True)
class Report:
    """What an import did, or under a dry run would do. INVARIANT: ``lines`` is the sum of the other four."""

    lines: int
    recorded: int
    already: int
    nothing: int
    quarantined: tuple[Left, ...] = ()
    verified: bool = True
    events: Mapping[str, int] = field(default_factory=dict)
    """How many lines of each event were recorded."""
    dry_run: bool = False


def stream(name: str, table: Any, folder: Path) -> Stream:
    """A stream from its table of the workspace; raises WorkspaceError for anything it cannot mean."""
    if not isinstance(table, Mapping):
        raise WorkspaceError(f"`streams.{name}` is a table", hint=f"write it as [streams.{name}]")
    for key, value in table.items():
        if key not in _KEYS:
            raise unknown_term(f"key of [streams.{name}]", key, _KEYS)
        if not isinstance(value, str):
            raise WorkspaceError(f"`{key}` of [streams.{name}] is no text", hint="write it in quotes")
    if table.get("kind") not in compliance.KINDS:
        raise unknown_term(f"kind of [streams.{name}]", str(table.get("kind", "")), compliance.KINDS)
    if "key" in table and "public_key" in table:
        raise WorkspaceError(f"[streams.{name}] has two keys", hint="a shared `key`, or the sender's `public_key`")
    return Stream(
        name, table["kind"], folder / table["key"] if "key" in table else None,
        _public(name, table["public_key"]) if "public_key" in table else None,
        table.get("subject_prefix", ""), table.get("record_prefix", ""),
    )  # fmt: skip


def _public(name: str, written: str) -> bytes:
    try:
        found = base64.b64decode(written, validate=True)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise WorkspaceError(f"the `public_key` of [streams.{name}] is no Ed25519 key", hint="base64 of its 32 bytes")
    return found


# --- who sent it ------------------------------------------------------------------------------------------------------


def sign(data: bytes, said: Stream) -> bytes:
    """What vouches for these bytes with the shared key of a stream, as ``FILE.sig`` holds it."""
    return hmac.new(_secret(said), data, hashlib.sha256).hexdigest().encode() + b"\n"


def check(data: bytes, signature: bytes, said: Stream) -> None:
    """Raises VerificationError unless whoever has the stream's key signed exactly these bytes."""
    if said.public_key is None:
        good = hmac.compare_digest(sign(data, said).strip(), signature.strip().lower())
    else:
        good = _is_signed(data, signature, said.public_key)
    if not good:
        raise VerificationError(
            "the file is not what its sender signed", stream=said.name,
            hint="nothing was recorded; ask for the file and its signature again, and whether the key is still the same",
        )  # fmt: skip


def _is_signed(data: bytes, signature: bytes, key: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(signature.strip(), validate=True), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _secret(said: Stream) -> bytes:
    if said.key is None:
        raise WorkspaceError(
            f"the stream `{said.name}` has no shared key", hint=f'[streams.{said.name}] key = "keys/{said.name}.stream"'
        )
    try:
        mode, secret = said.key.stat().st_mode & 0o777, bytes.fromhex(said.key.read_text().strip())
    except (OSError, ValueError):
        raise WorkspaceError(
            f"the key of the stream `{said.name}` cannot be read", file=said.key,
            hint="32 bytes or more in hexadecimal: openssl rand -hex 32",
        ) from None  # fmt: skip
    if mode & 0o077:
        raise WorkspaceError(f"others can read the key of a stream (mode {mode:04o})", file=said.key, hint="chmod 600")
    if len(secret) < 32:
        raise WorkspaceError("the key of a stream is too short", file=said.key, hint="openssl rand -hex 32")
    return secret


# --- what it says -----------------------------------------------------------------------------------------------------


def import_stream(
    ledger: Ledger,
    path: Path,
    said: Stream,
    *,
    unverified: bool = False,
    dry_run: bool = False,
    gone: Suppressions = NONE,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Record what a file of a stream says, or say what would be; broken off, it is simply run again.

    What it says of somebody who was erased here (``gone``) decides nothing any more, and would bring their name back.

    Raises VerificationError where the signature is wrong, SourceError where there is none and ``unverified`` does not
    say that this is known.
    """
    data = _bytes(path)
    verified = _vouched(path, data, said, unverified)
    done: Counter[str] = Counter()
    events: Counter[str] = Counter()
    left: list[Left] = []
    lines = _lines(data)
    while batch := list(islice(lines, BATCH)):
        _take(ledger, said, verified, dry_run, gone, batch, done, events, left)
        if progress is not None:
            progress(sum(done.values()) + len(left))
    total = sum(done.values()) + len(left)
    left.sort(key=lambda one: one.line)
    return Report(total, done["new"], done["already"], done["nothing"], tuple(left), verified, dict(events), dry_run)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror}", file=path, hint="check the path") from error


def _vouched(path: Path, data: bytes, said: Stream, unverified: bool) -> bool:
    beside = path.with_name(path.name + SIGNATURE)
    if beside.exists():
        check(data, _bytes(beside), said)
        return True
    if not unverified:
        raise SourceError(
            f"nobody vouches for the file: there is no `{beside.name}`", file=path,
            hint="ask its sender for one; with --unverified what it closes is held until somebody checks",
        )  # fmt: skip
    return False


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers. Only a line feed ends one."""
    start, number = 0, 0
    while start < len(data):
        end = data.find(b"\n", start)
        end, number = (len(data) if end < 0 else end), number + 1
        line = data[start:end].strip()
        if line:
            yield number, line
        start = end + 1


def _take(
    ledger: Ledger, said: Stream, verified: bool, dry_run: bool, gone: Suppressions, batch: Sequence[tuple[int, bytes]],
    done: Counter[str], events: Counter[str], left: list[Left],
) -> None:  # fmt: skip
    """One transaction: what of these lines is new."""
    now, readable = ledger.now(), []
    for number, line in batch:
        try:
            found = _heard(line, said, verified, now, gone)
        except AboveboardError as error:
            left.append(Left(number, error.sentence, error.hint))
            continue
        if found is None:
            done["nothing"] += 1
        else:
            readable.append((number, *found))
    heard = [one for _, _, one in readable]
    if dry_run:
        fates = ledger.fates(said.name, heard)
    else:
        with disk.step("stream events"):
            fates = ledger.hear(said.name, heard)
    for (number, rule, _), fate in zip(readable, fates, strict=True):
        if fate == "conflict":
            left.append(Left(number, "another event came under the same id before", "ask the sender which one is true"))
            continue
        done[fate] += 1
        events[rule] += fate == "new"


def _heard(line: bytes, said: Stream, verified: bool, now: datetime, gone: Suppressions) -> tuple[str, Heard] | None:
    """An event as the ledger hears it; None where nothing in it decides anything."""
    if len(line) > LONGEST:
        raise Unreadable("it is longer than any event", hint="one event a line")
    event = compliance.parsed(line)
    found = compliance.read(said.kind, event)
    found = replace(found, told=tuple(one for one in found.told if not gone.holds(_subject(one, said))))
    told = [one for one in found.told if _may_count(one, verified, now)]
    if not found.told:
        return None
    digest = compliance.digest(event)
    id = found.id or digest
    name = f"{said.name}:{id}" if verified else f"{said.name}?{id}"
    recorded = tuple(_event(one, said, verified, now, f"{name}:{n}") for n, one in enumerate(told))
    _refuse_nothing(found, recorded, verified)
    return found.rule.event, Heard(id, digest, verified, tuple(choice.validate(one) for one in recorded))


def _may_count(one: Told, verified: bool, now: datetime) -> bool:
    """INVARIANT: nothing lifts that nobody verified, that does not say since when, or that is yet to come."""
    if not one.lifts:
        return True
    if verified and one.at is None:
        raise Unreadable("it lifts a restriction and does not say when", hint="have the time sent with it")
    if one.at is not None and one.at > now:
        raise Unreadable("it lifts a restriction at a moment that is yet to come", hint="import it again afterwards")
    return verified


def _refuse_nothing(found: Line, recorded: Sequence[Event], verified: bool) -> None:
    if found.told and not recorded and not verified:
        raise Unreadable("it lifts a restriction and nobody vouches for it", hint="ask the sender to sign the file")


def _event(one: Told, said: Stream, verified: bool, now: datetime, name: str) -> Event:
    about_record = one.type in (*choice.RECORD_TYPES, "geo_scrubbed") and one.value is not None
    value = f"{said.record_prefix}{one.value}" if about_record else one.value
    subject = _subject(one, said) or f"{choice.RECORD}{value}"
    return Event(
        subject=subject, type=one.type, recorded_at=now, effective_at=one.at or now, value=value, verified=verified,
        effective_verified=verified and one.at is not None, actor="operator" if verified else "stranger", method=METHOD,
        external_id=name,
    )  # fmt: skip


def _subject(one: Told, said: Stream) -> str | None:
    return None if one.subject is None else f"{said.subject_prefix}{one.subject}"


def keep(left: Sequence[Left], path: Path) -> None:
    """Write down which lines were left out, and why: never what they said."""
    rows = ({"line": one.line, "reason": one.reason, "remedy": one.remedy} for one in left)
    with disk.step("lines left out"):
        disk.place(path, "".join(json.dumps(row) + "\n" for row in rows).encode(), mode=0o600)
