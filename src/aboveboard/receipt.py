"""Receipts: what a platform signs for when somebody says something, kept by whoever said it.

A receipt is a signed note that a person can read: what was said, when the ledger learnt of it, where they stand in every
subject map, and the moment by which it has to count. It names nobody. The same event gives the same bytes, whatever others
say. A receipt and an epoch or a capsule without its event are evidence against the platform (``contradiction``).
Specification: docs/formats/receipt.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785

from aboveboard.assertion import Assertion
from aboveboard.choice import GRANTS, TYPES, Event
from aboveboard.descriptor import EVENT_FIELDS, event_bytes, fields, net, stated, statement_bytes
from aboveboard.errors import VerificationError
from aboveboard.note import Note, Signer, VerifierKey, signed
from aboveboard.statement import EPOCH, moment
from aboveboard.subjectmap import SCHEME

HEADER = "aboveboard.dev/receipt/v1"
"""The first line, by which a receipt is known."""
WITHIN = timedelta(hours=24)
"""How long a platform has until a choice counts in its epochs."""
KEY_DOMAIN = b"aboveboard/subject-key/v1\x00"
SAID = {
    "type": str, "category": str, "purpose": str, "recipient": str, "past_from": datetime, "past_to": datetime,
    "effective_at": datetime, "expires_at": datetime, "verified": bool, "actor": str,
}  # fmt: skip
"""The fields of an event that a receipt repeats in words; the digest of the event covers the others."""
_LASTING = ("type", "effective_at", "verified", "actor")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt. ``said`` holds the fields of ``SAID``; times are aware; digests are SHA-256 in hexadecimal.

    ``event``: of ``descriptor.event_bytes``. ``statement``: of ``descriptor.statement_bytes``. ``index``: the place of the
    account in every subject map. ``key``: of the key that opens what is stated of the account (``key_digest``).
    """

    origin: str
    position: int
    recorded_at: datetime
    said: Mapping[str, Any]
    event: str
    statement: str
    index: str
    key: str
    assertion: Assertion | None = None

    @property
    def counts_by(self) -> datetime:
        """The moment from which every choice epoch has to hold the event."""
        return self.recorded_at + WITHIN

    def text(self) -> str:
        """What is signed: the header, then canonical JSON (RFC 8785), one object a line."""
        recorded = {"at": moment(self.recorded_at), "origin": self.origin, "position": self.position}
        digests = {"event": self.event, "index": self.index, "index_scheme": SCHEME, "key": self.key}
        lines: list[dict[str, Any]] = [
            {"said": {name: _told(self.said[name]) for name in SAID}},
            {"recorded": recorded},
            {"promise": {"counts_by": moment(self.counts_by), "in": EPOCH}},
            {"proof": {**digests, "statement": self.statement}},
        ]
        if self.assertion is not None:
            lines.append({"assertion": dict(self.assertion.document())})
        return "".join(f"{line}\n" for line in (HEADER, *(rfc8785.dumps(line).decode() for line in lines)))

    def sign(self, signer: Signer) -> bytes:
        """The receipt as it is handed out; Ed25519 gives the same bytes each time."""
        text = self.text()
        return signed(text, [signer.sign(text)])

    def sentence(self) -> str:
        """What was said, in the vocabulary's own words."""
        if self.said["type"] == "record_withdrawn":
            return (
                f"`record_withdrawn`: one record, which the event names, for {self.said['purpose'] or 'all purposes'}"
            )
        about, purpose, whom = (self.said[name] for name in ("category", "purpose", "recipient"))
        return f"`{self.said['type']}` about {about or 'all data'}, for {purpose or 'all purposes'}, by {whom or 'everyone'}"


def of(event: Event, subject_key: bytes, index: bytes, origin: str, assertion: Assertion | None = None) -> Receipt:
    """The receipt of a recorded event; ``subject_key`` and ``index`` are those of its subject (32 bytes each)."""
    return Receipt(
        origin,
        event.position,
        event.recorded_at,
        {name: getattr(event, name) for name in SAID},
        hashlib.sha256(event_bytes(event)).hexdigest(),
        hashlib.sha256(statement_bytes(event)).hexdigest(),
        index.hex(),
        key_digest(subject_key),
        assertion,
    )


def key_digest(subject_key: bytes) -> str:
    """What a receipt says of a person's key: a platform that later opens their rows with another one is caught."""
    return hashlib.sha256(KEY_DOMAIN + subject_key).hexdigest()


# --- reading ------------------------------------------------------------------------------------------------------


def is_receipt(data: bytes) -> bool:
    """Whether this calls itself a receipt; whether it is one, ``parse`` says."""
    return data.startswith(f"{HEADER}\n".encode())


def parse(data: bytes) -> tuple[Receipt, Note]:
    """The receipt in these bytes and the note it stands in, whose signatures are not checked yet.

    Raises VerificationError for any other bytes, however near.
    """
    found = Note.parse(data)
    try:
        receipt = _read(found.text.split("\n")[1:-1])
        text = receipt.text()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        text = None
    if text != found.text:
        raise VerificationError("the receipt cannot be read", hint="get it again: `aboveboard choice receipt`")
    return receipt, found


def verify(data: bytes, key: VerifierKey) -> Receipt:
    """The receipt in these bytes, signed by this key of the platform it names, and its assertion where it has one.

    Signatures of other keys are ignored. Raises VerificationError, which names what does not hold.
    """
    receipt, found = parse(data)
    found.verify([key])
    if not key.name.startswith(f"{receipt.origin}/"):
        raise VerificationError(f"the key `{key.name}` does not speak for `{receipt.origin}`")
    if receipt.assertion is not None:
        receipt.assertion.verify(bytes.fromhex(receipt.statement))
    return receipt


def check(data: bytes, key: VerifierKey | None) -> list[str]:
    """Everything that a receipt shows by itself, step by step, in sentences; what it does not prove comes last.

    Raises VerificationError where a step fails. Without a key it is only read.
    """
    receipt, _ = parse(data)
    if key is not None:
        verify(data, key)
    by = f"signed by `{key.name}`" if key else "not checked: who signed it, because no key of the platform was given"
    return [
        f"a receipt of `{receipt.origin}`: {receipt.sentence()}, recorded at {moment(receipt.recorded_at)}"
        f" as event {receipt.position}",
        by,
        *_permission(receipt),
        f"promised: every choice epoch from {moment(receipt.counts_by)} on holds it; one that does not, or a capsule"
        " without it, is evidence together with this receipt",
        "not proven: that it was heard; a capsule of a later release or epoch shows that",
    ]


def _permission(receipt: Receipt) -> list[str]:
    """Whose word a yes is. A no needs nobody's signature."""
    held = receipt.assertion
    if held is None:
        own = "this permission is the platform's word: nothing of the person signs it"
        return [own] if receipt.said["type"] in GRANTS else []
    held.verify(bytes.fromhex(receipt.statement))
    how = "having checked who was there" if held.user_verified else "with somebody present"
    return [
        f"an authenticator signed this choice for `{held.rp_id}`, {how}: key {held.key_sha256[:16]}",
        "not proven: whose authenticator it is; compare the key with your own",
    ]


def _read(lines: Sequence[str]) -> Receipt:
    """The receipt in its lines; whatever is not exactly one shows when it is written again."""
    told: dict[str, Any] = {}
    for line in lines:
        told |= json.loads(line)
    recorded, proof = told["recorded"], told["proof"]
    if not all(_DIGEST.fullmatch(proof[name]) for name in ("event", "statement", "index", "key")):
        raise ValueError
    if type(recorded["position"]) is not int or recorded["position"] < 1 or not isinstance(recorded["origin"], str):
        raise ValueError
    return Receipt(
        recorded["origin"],
        recorded["position"],
        _moment(recorded["at"]),
        {name: _said(name, told["said"][name]) for name in SAID},
        proof["event"],
        proof["statement"],
        proof["index"],
        proof["key"],
        Assertion.of(told["assertion"]) if "assertion" in told else None,
    )


def _said(name: str, value: Any) -> Any:
    if value is None and name not in _LASTING:
        return None
    found = _moment(value) if SAID[name] is datetime else value
    if type(found) is not SAID[name] or (name == "type" and found not in TYPES):
        raise ValueError
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _told(value: Any) -> Any:
    return moment(value) if isinstance(value, datetime) else value


# --- evidence -----------------------------------------------------------------------------------------------------


def contradiction(
    receipt: Receipt, *, events: Sequence[bytes], as_of: datetime, index: bytes, position: int | None = None
) -> None:
    """That what a platform later states of an account holds the choice it signed for; None where nothing speaks against it.

    ``events`` are the account's events (``descriptor.event_bytes``) in an epoch or capsule that was made ``as_of`` this
    moment, at this ``position`` of the ledger where it says so; ``index`` is where the account stands in its map. Raises
    VerificationError: together with the receipt, and what binds the events to the platform, it is evidence.
    """
    if index.hex() != receipt.index:
        raise VerificationError("the receipt is of another account", hint="take the receipts of this account")
    found = next((data for data in events if hashlib.sha256(data).hexdigest() == receipt.event), None)
    if found is not None:
        _verify_words(receipt, found)
    elif as_of >= receipt.counts_by or (position is not None and position >= receipt.position):
        raise VerificationError(
            f"the platform signed for a choice (`{receipt.said['type']}`, event {receipt.position}) and left it out: "
            f"it promised to count it by {moment(receipt.counts_by)}, and what it states as of {moment(as_of)} "
            f"{'has another event in its place' if _replaced(receipt, events) else 'does not hold it'}",
            hint="keep the receipt and this: together they are evidence",
        )


def _verify_words(receipt: Receipt, data: bytes) -> None:
    """That the words of a receipt are those of the event whose digest it names."""
    said = _fields(data)
    told = {**receipt.said, "position": receipt.position, "recorded_at": receipt.recorded_at}
    wrong = [name for name, value in told.items() if said.get(name) != net(value)]
    if not wrong and hashlib.sha256(stated(said)).hexdigest() != receipt.statement:
        wrong = ["statement"]
    if wrong:
        raise VerificationError(
            f"the receipt says something else than the event that it names: {', '.join(wrong)}",
            hint="keep the receipt and this: together they are evidence",
        )


def _replaced(receipt: Receipt, events: Sequence[bytes]) -> bool:
    return any(_fields(data).get("position") == net(receipt.position) for data in events)


def _fields(data: bytes) -> Mapping[str, bytes]:
    """The netstrings of an event's fields by name; none where the bytes are no event."""
    try:
        return dict(zip(EVENT_FIELDS, fields(data), strict=True))
    except ValueError:
        return {}
