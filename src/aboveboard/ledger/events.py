"""The one table of the ledger, and how an event becomes a row and a row an event.

A row holds the fields of ``choice.Event`` in the order of ``FIELDS``; a moment is an integer of microseconds
since 1970 in UTC, so that it sorts, compares and travels without a zone. INVARIANT: rows are only ever added,
positions are gapless and ``recorded_at`` never runs backwards; the migrations put triggers on the table that
say so too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    select,
)

from aboveboard.choice import WITHDRAWING, Event
from aboveboard.errors import LedgerError

FIELDS: Mapping[str, str] = {
    "position": "int",
    "external_id": "text",
    "subject": "text",
    "type": "text",
    "category": "text",
    "purpose": "text",
    "recipient": "text",
    "past_from": "moment",
    "past_to": "moment",
    "effective_at": "moment",
    "recorded_at": "moment",
    "expires_at": "moment",
    "verified": "flag",
    "effective_verified": "flag",
    "actor": "text",
    "method": "text",
    "notice": "text",
    "language": "text",
    "vocabulary": "int",
    "value": "text",
}
"""The columns of the table, in order, and what each holds."""
OPTIONAL = frozenset(
    {
        "external_id", "category", "purpose", "recipient", "past_from", "past_to", "expires_at", "notice",
        "language", "value",
    }
)  # fmt: skip
"""The columns that may be null: a scope that means "all", and what need not be known."""
CONTENT = tuple(name for name in FIELDS if name not in ("position", "recorded_at"))
"""What an event says, without what the ledger adds: two events are the same statement when these agree."""

_KINDS: Mapping[str, Any] = {
    "int": BigInteger().with_variant(Integer(), "sqlite"),
    "text": Text(),
    "moment": BigInteger().with_variant(Integer(), "sqlite"),
    "flag": Boolean().with_variant(Integer(), "sqlite"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _column(name: str, kind: str) -> Column[Any]:
    if name == "position":
        return Column(name, _KINDS[kind], primary_key=True, autoincrement=False)
    return Column(name, _KINDS[kind], nullable=name in OPTIONAL)


events = Table(
    "events",
    MetaData(),
    *(_column(name, kind) for name, kind in FIELDS.items()),
    Index("events_external_id", "external_id", unique=True),
    Index("events_subject", "subject"),
    sqlite_strict=True,
)

last_event = select(events.c.position, events.c.recorded_at).order_by(events.c.position.desc()).limit(1)
events_of_subject = (
    select(events)
    .where(events.c.subject == bindparam("subject"), events.c.position <= bindparam("upto"))
    .order_by(events.c.position)
)
events_withdrawing = (
    select(events)
    .where(
        events.c.position > bindparam("after"),
        events.c.position <= bindparam("upto"),
        events.c.type.in_(sorted(WITHDRAWING)),
    )
    .order_by(events.c.position)
)
events_taking_out = (
    select(events)
    .where(events.c.position <= bindparam("upto"), events.c.type == "record_withdrawn")
    .order_by(events.c.position)
)
ALONE = (
    "position",
    "external_id",
    "subject",
    "past_from",
    "past_to",
    "effective_at",
    "recorded_at",
    "expires_at",
)
"""The columns that differ from event to event; the others have few values and travel together."""
TOGETHER = tuple(name for name in FIELDS if name not in ALONE)
_packed = select(*(events.c[name] for name in ALONE), func.json_array(*(events.c[name] for name in TOGETHER)))
"""Many events are read so: to hand over a value costs the same for a flag as for all of ``TOGETHER``."""
events_packed = _packed.where(events.c.position <= bindparam("upto")).order_by(events.c.position)
_is_named = events.c.external_id.in_(select(func.json_each(bindparam("names")).table_valued("value").c.value))
"""``names`` is one JSON list: thousands of bound values would be compiled anew each time."""
events_named = select(events).where(_is_named)
events_named_packed = _packed.where(_is_named)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment; raises LedgerError for one without a zone."""
    if moment.tzinfo is None:
        raise LedgerError(f"`{moment}` has no time zone", hint="give an offset, such as 2024-05-01T12:00:00+00:00")
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The inverse of :func:`micros`."""
    return _EPOCH + value * _MICROSECOND


def row_of(event: Event) -> tuple[Any, ...]:
    """The event as a row, in the order of ``FIELDS``."""
    return tuple(_stored(getattr(event, name), kind) for name, kind in FIELDS.items())


def event_of(row: Sequence[Any]) -> Event:
    """The event that a row holds."""
    return Event(**{name: _read(value, kind) for (name, kind), value in zip(FIELDS.items(), row, strict=True)})


def same_statement(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two rows say the same, whatever their position and the moment they were recorded."""
    return all(a == b for name, a, b in zip(FIELDS, one, other, strict=True) if name in CONTENT)


def _stored(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "moment":
        return micros(value)
    if kind == "text":
        return _text(value)
    return int(value)


def _text(value: Any) -> str:
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise LedgerError(
            "an event holds something that is not text where text belongs", hint="ids are strings"
        ) from None
    return str(value)


def _read(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "moment":
        return moment(value)
    return bool(value) if kind == "flag" else value
