"""What was known of a released record, as bytes to commit to: its facts, its people, the rules it was judged under.

A descriptor says which record a row was, under which policy and clause it went out, and the digests of the facts and of
the person's words that the judgement rested on. Its commitment is all that anybody sees; who is handed the descriptor and
its salt can open it, and an auditor with the facts behind it can judge again. Specification: docs/formats/descriptor.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aboveboard import merkle
from aboveboard.choice import Event, Facts
from aboveboard.record import RESOLVED_COLUMNS, Part, Record
from aboveboard.redaction import BLANK

RECORD_DOMAIN = b"aboveboard/record/v1\x00"
PERSON_DOMAIN = b"aboveboard/person/v1\x00"
STATEMENT_DOMAIN = b"aboveboard/statement/v1\x00"
RELEASE_KEY_DOMAIN = b"aboveboard/release-key/v1\x00"
SALT_DOMAIN = b"aboveboard/salt/v1\x00"

UNTOLD = ("ordinal", "text")
"""What of a resolved record is no fact: where it happened to stand, and the words themselves."""
FACTS = {name: kind for name, kind in RESOLVED_COLUMNS.items() if name not in UNTOLD}
"""The facts of a record in their order, with their types."""
EVENT_FIELDS = (
    "position", "external_id", "subject", "type", "category", "purpose", "recipient", "past_from", "past_to",
    "effective_at", "recorded_at", "expires_at", "verified", "effective_verified", "actor", "method", "notice",
    "language", "vocabulary", "value",
)  # fmt: skip
"""The fields of an event in their order (docs/formats/event.md)."""
ADDED = ("position", "recorded_at")
"""What a ledger adds to what somebody said."""
ACCOUNT_FIELDS = (
    "subject", "valid_from", "state", "protected", "age_band", "residency", "last_interaction", "evidence"
)  # fmt: skip
"""What a platform attests about an account, in order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One released record. Times are aware or None; ``row``, ``facts`` and ``person`` are hexadecimal SHA-256."""

    source: str
    record: str
    kind: str | None
    row: str
    collected_under: str | None
    judged_under: str | None
    clause: str | None
    facts: str
    person: str
    created: datetime | None
    collected: datetime | None

    def document(self) -> bytes:
        """The lines in their order: name, space, netstring of the value (``-`` for none), line feed."""
        values = (
            ("source", self.source), ("record", self.record), ("kind", self.kind), ("row", self.row),
            ("collected_under", self.collected_under), ("judged_under", self.judged_under), ("clause", self.clause),
            ("facts", self.facts), ("person", self.person), ("created", self.created), ("collected", self.collected),
        )  # fmt: skip
        return b"".join(name.encode() + b" " + net(value) + b"\n" for name, value in values)


def commitment(salt: bytes, document: bytes) -> bytes:
    """What is published in place of a descriptor: SHA-256 over the domain, the salt (32 bytes) and the document."""
    return hashlib.sha256(RECORD_DOMAIN + salt + document).digest()


def release_key(subject_key: bytes, release_salt: bytes) -> bytes:
    """What opens a person's part in one release and in no other (32 bytes from 32 and 32)."""
    return hashlib.sha256(RELEASE_KEY_DOMAIN + subject_key + release_salt).digest()


def salt_of(key: bytes, leaf: bytes) -> bytes:
    """The salt of one row's descriptor, from the release key of its person."""
    return hashlib.sha256(SALT_DOMAIN + key + leaf).digest()


def records_root(commitments: Iterable[bytes]) -> bytes:
    """The tree (RFC 6962) over commitments in ascending order, which tells nothing of the records' order."""
    return sorted_root(b"".join(sorted(commitments)))


def sorted_root(commitments: bytes) -> bytes:
    """The same over commitments that stand one behind another in their order."""
    at = range(0, len(commitments), merkle.WIDTH)
    return merkle.root_of(b"".join([merkle.leaf_hash(commitments[one : one + merkle.WIDTH]) for one in at]))


# --- facts and people -------------------------------------------------------------------------------------------


def facts(record: Record) -> bytes:
    """The facts of a record, one netstring after another in the order of ``FACTS``."""
    return b"".join(net(_told(record, name)) for name in FACTS)


def facts_digest(record: Record) -> str:
    """SHA-256 of the facts of a record, hexadecimal."""
    return hashlib.sha256(facts(record)).hexdigest()


def person(events: Sequence[Event], account: Sequence[Facts]) -> bytes:
    """What is known of one person: their events by position, then what is attested of the account, by its bytes."""
    said = b"".join(event_bytes(event) for event in sorted(events, key=lambda event: event.position))
    known = b"".join(sorted(account_bytes(one) for one in account))
    return net(said) + net(known)


def person_digest(known: bytes) -> bytes:
    """The digest of what is known of one person."""
    return hashlib.sha256(PERSON_DOMAIN + known).digest()


def event_bytes(event: Event) -> bytes:
    """One event: the netstring of its fields' netstrings."""
    return net(b"".join(net(getattr(event, name)) for name in EVENT_FIELDS))


def statement_bytes(event: Event) -> bytes:
    """What is said, before any ledger holds it: a domain, then the event without what a ledger adds.

    Two events are the same statement when these bytes agree. Its SHA-256 is what a person's authenticator signs.
    """
    return stated({name: net(getattr(event, name)) for name in EVENT_FIELDS})


def stated(told: Mapping[str, bytes]) -> bytes:
    """The same from the netstrings of an event's fields, by name."""
    return STATEMENT_DOMAIN + net(b"".join(told[name] for name in EVENT_FIELDS if name not in ADDED))


def account_bytes(one: Facts) -> bytes:
    """One attested row: the netstring of its fields' netstrings."""
    return net(b"".join(net(getattr(one, name)) for name in ACCOUNT_FIELDS))


def net(value: Any) -> bytes:
    """A value as a netstring: text in UTF-8, numbers in decimal, moments in microseconds since 1970, 1 or 0, ``-``."""
    if value is None:
        return b"-"
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, bool):
        data = b"1" if value else b"0"
    elif isinstance(value, datetime):
        data = str((value - _EPOCH) // _MICROSECOND).encode()
    else:
        data = str(value).encode()
    return str(len(data)).encode() + b":" + data + b","


def netstrings(data: bytes) -> list[bytes]:
    """The netstrings that stand one behind another, each as it is written; raises ValueError for any other bytes."""
    found, at = [], 0
    while at < len(data):
        head = _HEAD.match(data, at)
        stop = head.end() + (int(head[1]) + 1 if head[1] is not None else 0) if head else at
        if head is None or stop > len(data) or (head[1] is not None and data[stop - 1 : stop] != b","):
            raise ValueError("no netstring")
        found.append(data[at:stop])
        at = stop
    return found


def inside(netstring: bytes) -> bytes | None:
    """What one netstring holds; None for ``-``."""
    return None if netstring == b"-" else netstring.partition(b":")[2][:-1]


def fields(item: bytes) -> list[bytes]:
    """The fields of an event or an attested row, each a netstring as it is written; raises ValueError for anything but
    one netstring of netstrings."""
    [whole] = netstrings(item)
    return netstrings(inside(whole) or b"")


_HEAD = re.compile(rb"-|(0|[1-9][0-9]{0,9}):")
_MAIN = ("categories", "labels", "audience_at", "audience_now", "parties", "signals", "source_state")


def _told(record: Record, name: str) -> Any:
    if name == "record_id":
        return record.id
    if name == "parts":
        return _list(record.parts, _part)
    if name in _MAIN:
        return _field(record.main, name)
    return getattr(record, name)


def _part(part: Part) -> bytes:
    """A part without its words: of those only whether there are any."""
    names = ("kind", *_MAIN, "place", "start", "end")
    return net(b"".join(net(_field(part, name)) for name in names) + net(part.content is not None))


def _field(part: Part, name: str) -> Any:
    if name in ("categories", "labels"):
        return _list(getattr(part, name), net)
    if name == "parties":
        return _list(part.parties, lambda one: net(net(one.subject) + net(one.role)))
    if name == "signals":
        return _list(part.signals, lambda one: net(net(one.code) + net(one.purpose)))
    return getattr(part, name)


def _list(items: Iterable[Any] | None, told: Any) -> bytes | None:
    return None if items is None else b"".join(told(one) for one in items)


def shape(text: str) -> str:
    """A text without its words: a space for each blank code point, an x for every other."""
    if text.isascii():  # nearly every text, and a hundred times as fast
        return text.encode().translate(_SHAPES).decode()
    return _SAID.sub(lambda said: "x" * len(said[0]), _BLANK.sub(" ", text))


_BLANK = re.compile(f"[{re.escape(BLANK)}]")
_SAID = re.compile(r"[^ ]+")
_SHAPES = bytes(ord(" ") if chr(code) in BLANK else ord("x") for code in range(256))


def as_mapping(descriptor: Descriptor) -> Mapping[str, Any]:
    """A descriptor for JSON: moments as microseconds since 1970."""
    found = {name: getattr(descriptor, name) for name in descriptor.__slots__}
    return {n: (v - _EPOCH) // _MICROSECOND if isinstance(v, datetime) else v for n, v in found.items()}


def from_mapping(said: Mapping[str, Any]) -> Descriptor:
    """The descriptor of ``as_mapping``; raises KeyError or TypeError for anything else."""
    moments = {name: None if said[name] is None else _EPOCH + int(said[name]) * _MICROSECOND
               for name in ("created", "collected")}  # fmt: skip
    texts = {
        name: None if said[name] is None else str(said[name]) for name in Descriptor.__slots__ if name not in moments
    }
    return Descriptor(**{**texts, **moments})  # type: ignore[arg-type]
