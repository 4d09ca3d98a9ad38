"""The ledger itself: a small face over one append-only table.

Appending is durable when the call returns (SQLite, write-ahead log, full synchronisation), ordered by a
gapless position, and safe against other writers, which wait. An external id makes it idempotent: the same
statement twice is one event, another statement under the same id is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, Engine

from aboveboard.choice import Event, Facts, validate
from aboveboard.compliance import Heard
from aboveboard.errors import LedgerError
from aboveboard.ledger import assertions, database, releases, streams, subjects
from aboveboard.ledger import entries as logged
from aboveboard.ledger.columns import Columns, Row, columns_of, insert_columns, rows_of
from aboveboard.ledger.events import (
    FIELDS,
    event_of,
    events_named,
    events_named_packed,
    events_of_subject,
    last_event,
    micros,
    moment,
    row_of,
    same_statement,
)
from aboveboard.ledger.snapshot import LedgerSnapshot, table_of

if TYPE_CHECKING:
    import pyarrow as pa

_FIELD_AT = {name: at for at, name in enumerate(FIELDS)}


class AccountFacts(Protocol):
    """What a platform attests about accounts, fixed while a snapshot is in use."""

    def facts_of(self, subject: str) -> Sequence[Facts]:
        """The facts of one account, in any order."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What a bulk append did: events added, statements that were there already, and the head afterwards."""

    added: int
    already: int
    head: int


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """What people said. Opened with :meth:`open`, closed by ``with`` or :meth:`close`; many may use it."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    @classmethod
    def open(cls, where: str | Path, clock: Callable[[], datetime] = _utc_now) -> Ledger:
        """The ledger at a path or ``sqlite:///`` URL, made and migrated if need be; ``clock`` tells the time."""
        return cls(database.connect(where), clock)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, event: Event, assertion: str | None = None) -> Event:
        """Record one event; returns it as stored, with its position and the moment it was recorded.

        The ledger stamps ``recorded_at`` itself and puts the event at the end. ``assertion`` is what the person's
        authenticator signed (JSON, checked by the caller); it is recorded with the event or not at all. Raises
        LedgerError or VocabularyError for an event that may not stand in a ledger, and for another statement, or the
        same one with another assertion, under a known external id.
        """
        row = _valid_row(event)
        with database.writing(self._engine) as connection:
            stored = self._known(connection, [row]).get(row[_FIELD_AT["external_id"]])
            if stored is None:
                (stored,) = rows_of(self._add(connection, columns_of([row]), keep_recorded_at=False))
                if assertion is not None:
                    assertions.add(connection, stored[_FIELD_AT["position"]], assertion)
            elif not same_statement(row, stored):
                raise _another_statement(event.external_id)
            elif assertion not in (None, assertions.of(connection, stored[_FIELD_AT["position"]])):
                raise _without_it(event.external_id)
        return event_of(stored)

    def append_many(self, batches: Iterable[Sequence[Event]], *, keep_recorded_at: bool = False) -> Appended:
        """Record batches of events, each in a transaction of its own; batches before a failing one stay.

        ``keep_recorded_at`` is for moving a platform's own log here: an event keeps the moment it says it was
        recorded, raised to the ledger's last one where that is later (which can only make a yes count later),
        and refused where it lies in the future.
        """
        added = already = 0
        for batch in batches:
            rows = [_valid_row(event) for event in batch]
            new = self._add_rows(rows, keep_recorded_at)
            added, already = added + new, already + len(rows) - new
        return Appended(added, already, self.head())

    def add_columns(self, columns: Columns, *, keep_recorded_at: bool, new_at: int) -> int:
        """Record events that were validated before, in one transaction; returns how many were new.

        They stand in the order in which they were recorded; the position is the ledger's to give, and so is
        ``recorded_at`` unless it is kept. ``new_at``: the head at which all of them were looked for and none was
        there; while the ledger has not moved on from it, they need not be looked for again.
        """
        with database.writing(self._engine) as connection:
            if _last(connection)[0] != new_at:
                rows = rows_of({**columns, "position": [0] * len(columns["subject"])})
                columns = columns_of(_not_there(rows, self._known(connection, rows)))
            return len(self._add(connection, columns, keep_recorded_at)["position"])

    def fates(self, stream: str, heard: Sequence[Heard]) -> list[str]:
        """What would become of events of a compliance stream: each ``new``, ``already`` heard, or a ``conflict``."""
        with database.reading(self._engine) as connection:
            return streams.fates(connection, stream, heard)

    def hear(self, stream: str, heard: Sequence[Heard]) -> list[str]:
        """Record what is new among events of a compliance stream, in one transaction; returns what became of each."""
        for one in heard:
            for event in one.recorded:
                _valid_row(event)
        with database.writing(self._engine) as connection:
            found = streams.fates(connection, stream, heard)
            fresh = [one for one, fate in zip(heard, found, strict=True) if fate == "new"]
            head = _last(connection)[0]
            rows = [row_of(event) for one in fresh for event in one.recorded]
            self._add(connection, columns_of(rows), keep_recorded_at=False)
            firsts = accumulate((len(one.recorded) for one in fresh), initial=head + 1)
            streams.remember(connection, stream, list(zip(fresh, firsts, strict=False)))
        return found

    def stored(self, external_ids: Sequence[str]) -> pa.Table:
        """The events that carry one of these external ids, as :meth:`LedgerSnapshot.events_table` gives them."""
        with database.reading(self._engine) as connection:
            return table_of(connection.execute(events_named_packed, {"names": json.dumps(external_ids)}).cursor)

    def events_of(self, subject: str, upto: int | None = None) -> list[Event]:
        """The events of one subject up to a position (default: all), oldest first."""
        values = {"subject": subject, "upto": 2**62 if upto is None else upto}
        with database.reading(self._engine) as connection:
            return [event_of(row) for row in connection.execute(events_of_subject, values)]

    def head(self) -> int:
        """The last position; 0 while nothing was recorded."""
        with database.reading(self._engine) as connection:
            return _last(connection)[0]

    def last_recorded_at(self) -> datetime | None:
        """The moment the last event was recorded; None while nothing was."""
        with database.reading(self._engine) as connection:
            position, recorded_at = _last(connection)
        return moment(recorded_at) if position else None

    @contextmanager
    def committing(self) -> Iterator[releases.Commit]:
        """One transaction at the head, with nobody appending while it lasts: what is entered in it is entered at the
        head, or not at all.
        """
        with database.writing(self._engine) as connection:
            yield releases.Commit(connection, _last(connection)[0])

    def releases(self) -> Sequence[Mapping[str, str | int]]:
        """Every committed release, oldest first: id, position, as_of, manifest_sha256, the name
        it was staged under, where its public part belongs, the bits of its layout, the fingerprints of its keys."""
        with database.reading(self._engine) as connection:
            return releases.committed(connection)

    def speakers(self, after: int, upto: int) -> list[str]:
        """Who recorded anything behind ``after``, up to ``upto``; a record of which something was said as ``record:ID``."""
        with database.reading(self._engine) as connection:
            return releases.speakers(connection, after, upto)

    def expiring(self, after: datetime, upto: datetime) -> list[str]:
        """Whose recorded words run out in ``(after, upto]``."""
        with database.reading(self._engine) as connection:
            return releases.expiring(connection, micros(after), micros(upto))

    def entries(self, place: int = 0) -> Sequence[logged.Entry]:
        """The entries of the log from a place on, in order."""
        with database.reading(self._engine) as connection:
            return logged.since(connection, place)

    def entries_of(self, kind: str) -> Sequence[logged.Entry]:
        """The entries of the log of one type, in order."""
        with database.reading(self._engine) as connection:
            return logged.of_type(connection, kind)

    def subject_keys(self, asked: pa.Table) -> pa.Table:
        """``subject`` and ``key`` for everybody, made for each ``subject`` asked for that has none yet."""
        with database.writing(self._engine) as connection:
            subjects.make(connection, asked)
            return subjects.read(connection)

    def subject_key(self, subject: str) -> bytes | None:
        """The key of one person; None where there is none, or none any more."""
        with database.reading(self._engine) as connection:
            return subjects.one(connection, subject)

    def made_key(self, subject: str) -> bytes:
        """The key of one person, made where there is none; durable when the call returns."""
        found = self.subject_key(subject)
        if found is not None:
            return found
        with database.writing(self._engine) as connection:
            return subjects.made(connection, subject)

    def assertion(self, position: int) -> str | None:
        """What a person's authenticator signed over the event at a position (JSON); None where nothing was."""
        with database.reading(self._engine) as connection:
            return assertions.of(connection, position)

    def now(self) -> datetime:
        """The moment an event appended now would carry, at the earliest."""
        return self._clock()

    def snapshot(self, facts: AccountFacts | None = None, position: int | None = None) -> LedgerSnapshot:
        """The ledger at a position (default: the head), with what the platform attests of accounts."""
        head = self.head()
        if position is not None and not 0 <= position <= head:
            raise LedgerError(f"no position {position} in this ledger", hint=f"the head is {head}")
        return LedgerSnapshot(head if position is None else position, self._engine, facts)

    def _known(self, connection: Connection, rows: Iterable[Row]) -> Mapping[str, Row]:
        names = [row[_FIELD_AT["external_id"]] for row in rows]
        found = _rows_named(connection, [name for name in names if name is not None])
        return {row[_FIELD_AT["external_id"]]: row for row in found}

    def _add_rows(self, rows: Sequence[Row], keep_recorded_at: bool) -> int:
        """Record rows in one transaction; returns how many were new."""
        with database.writing(self._engine) as connection:
            fresh = _not_there(rows, self._known(connection, rows))
            if keep_recorded_at:
                fresh.sort(key=lambda row: row[_FIELD_AT["recorded_at"]])
            self._add(connection, columns_of(fresh), keep_recorded_at)
        return len(fresh)

    def _add(self, connection: Connection, columns: Columns, keep_recorded_at: bool) -> Columns:
        """Put events behind the head; returns them as stored. INVARIANT: ``recorded_at`` never runs backwards."""
        head, last = _last(connection)
        now = max(micros(self._clock()), last)
        count = len(columns["subject"])
        recorded_at = [_kept(said, last, now) for said in columns["recorded_at"]] if keep_recorded_at else [now] * count
        placed = {**columns, "position": range(head + 1, head + 1 + count), "recorded_at": recorded_at}
        insert_columns(connection, placed)
        return placed


def _last(connection: Connection) -> tuple[int, int]:
    """The last position and the moment it was recorded; 0 and the beginning of time before the first."""
    row = connection.execute(last_event).one_or_none()
    return (0, -(2**63)) if row is None else (row.position, row.recorded_at)


def _valid_row(event: Event) -> Row:
    row = row_of(event)  # first: it says which moment lacks a zone, where comparing them would only fail
    validate(event)
    return row


def _kept(recorded_at: int, last: int, now: int) -> int:
    if recorded_at > now:
        raise LedgerError(f"recorded at {moment(recorded_at)}, which is yet to come", hint="check the clock and zone")
    return max(recorded_at, last)


def _not_there(rows: Sequence[Row], known: Mapping[str, Row]) -> list[Row]:
    """The rows whose external id is neither known nor here twice; raises where the same id says otherwise."""
    seen = dict(known)
    fresh = []
    for row in rows:
        name = row[_FIELD_AT["external_id"]]
        before = seen.setdefault(name, row) if name is not None else row
        if before is row:
            fresh.append(row)
        elif not same_statement(row, before):
            raise _another_statement(name)
    return fresh


def _another_statement(external_id: str | None) -> LedgerError:
    return LedgerError(
        f"the external id `{external_id}` is taken by another statement",
        hint="an event never changes: record the new statement under an external id of its own",
    )


def _without_it(external_id: str | None) -> LedgerError:
    return LedgerError(
        f"the statement under the external id `{external_id}` was recorded without this assertion",
        hint="an event never changes: ask `aboveboard choice challenge` for a new one",
    )


def _rows_named(connection: Connection, names: Sequence[str]) -> list[Row]:
    if not names:
        return []
    found = connection.execute(events_named, {"names": json.dumps(names)}).cursor
    return [] if found is None else list(found.fetchall())
