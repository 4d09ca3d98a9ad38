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
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, Engine

from aboveboard.choice import Event, Facts, validate
from aboveboard.compliance import Heard
from aboveboard.errors import LedgerError
from aboveboard.ledger import (
    assertions,
    database,
    lineage,
    notices,
    releases,
    retirements,
    retractions,
    reviews,
    streams,
    subjects,
)
from aboveboard.ledger import entries as logged
from aboveboard.ledger import erasures as forgetting
from aboveboard.ledger.columns import Columns, Row, columns_of, insert_columns, rows_of
from aboveboard.ledger.events import (
    FIELDS,
    event_of,
    events_named,
    events_named_packed,
    events_of_subject,
    events_taking_out,
    events_withdrawing,
    last_event,
    micros,
    moment,
    row_of,
    same_statement,
)
from aboveboard.ledger.snapshot import LedgerSnapshot, table_of
from aboveboard.suppression import NONE, Suppressions

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

    def append_request(self, event: Event) -> Event:
        """Record what a stranger asks for an account, if nothing that one asked for it is open; returns it as stored.

        Raises LedgerError where a request is open. INVARIANT: looked up in the transaction that records it, so that of two at
        one instant, from wherever, one is recorded.
        """
        row = _valid_row(event)
        with database.writing(self._engine) as connection:
            refuse_open(map(event_of, connection.execute(events_of_subject, {"subject": event.subject, "upto": 2**62})),
                        event.recorded_at)  # fmt: skip
            (stored,) = rows_of(self._add(connection, columns_of([row]), keep_recorded_at=False))
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
            head, last = _last(connection)
            yield releases.Commit(connection, head, max(micros(self._clock()), last))

    @contextmanager
    def outbox(self) -> Iterator[notices.Outbox]:
        """Deliveries, removal lists, tries and answers as they are now, to be read; ``Commit.outbox`` adds to them."""
        with database.reading(self._engine) as connection:
            yield notices.Outbox(connection)

    @contextmanager
    def lineage(self) -> Iterator[lineage.Lineage]:
        """Orders, runs, checkpoints and models as they are now, to be read; ``Commit.lineage`` adds to them."""
        with database.reading(self._engine) as connection:
            yield lineage.Lineage(connection)

    def releases(self) -> Sequence[Mapping[str, str | int]]:
        """Every committed release, oldest first: id, position, as_of, manifest_sha256, the name
        it was staged under, where its public part belongs, the bits of its layout, the fingerprints of its keys."""
        with database.reading(self._engine) as connection:
            return releases.committed(connection)

    def retirements(self) -> Sequence[Mapping[str, str]]:
        """Every release that another took the place of, oldest first: release, superseded_by, retired_at."""
        with database.reading(self._engine) as connection:
            return retirements.every(connection)

    def superseded_by(self, release: str) -> str | None:
        """The release that took the place of one; None while it stands, or where it is not known."""
        with database.reading(self._engine) as connection:
            return retirements.superseded_by(connection, release)

    def live_releases(self) -> Sequence[Mapping[str, str | int]]:
        """The committed releases that no later one took the place of, oldest first (see :meth:`releases`)."""
        with database.reading(self._engine) as connection:
            gone = {one["release"] for one in retirements.every(connection)}
            return [one for one in releases.committed(connection) if one["id"] not in gone]

    def speakers(self, after: int, upto: int, *, strangers: bool = True) -> list[str]:
        """Who recorded anything behind ``after``, up to ``upto``; a record of which something was said as ``record:ID``. Without
        ``strangers`` what they say and nobody has verified is left out."""
        with database.reading(self._engine) as connection:
            return releases.speakers(connection, after, upto, strangers)

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

    def retractions(self) -> Sequence[retractions.Retraction]:
        """What the platform took out by question, oldest first."""
        with database.reading(self._engine) as connection:
            return retractions.every(connection)

    def retracted(self) -> int:
        """How many withdrawals by question there are."""
        with database.reading(self._engine) as connection:
            return retractions.count(connection)

    def review(self, release: str, position: int, taken_out: int) -> None:
        """Note that nothing has to leave a release by what was recorded up to a position, and by so many questions."""
        with database.writing(self._engine) as connection:
            reviews.add(connection, release, position, taken_out, self._clock())

    def reviews(self) -> Sequence[Mapping[str, str | int | datetime]]:
        """The releases that nothing had to leave: release, position, taken_out, at."""
        with database.reading(self._engine) as connection:
            return reviews.every(connection)

    def withdrawing(self, after: int, upto: int | None = None) -> list[Event]:
        """What closes a door, behind ``after`` and up to a position (default: all), oldest first."""
        values = {"after": after, "upto": 2**62 if upto is None else upto}
        with database.reading(self._engine) as connection:
            return [event_of(row) for row in connection.execute(events_withdrawing, values)]

    def taken_out(self, upto: int) -> list[Event]:
        """What people took out record by record, up to a position, oldest first."""
        with database.reading(self._engine) as connection:
            return [event_of(row) for row in connection.execute(events_taking_out, {"upto": upto})]

    def propose(self, digest: str, asked_by: str) -> list[str]:
        """Note that somebody wants a plan carried out; returns everybody who does, in the order they said so."""
        with database.writing(self._engine) as connection:
            retractions.propose(connection, digest, asked_by, self._clock())
            return retractions.proposed(connection, digest)

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

    def ask_erasure(self, said: Sequence[Event], hashes: Sequence[str], key: str, due: timedelta) -> forgetting.Erasure:
        """Record a request to be erased: an event ``suppressed`` of each identifier, the person's own first, with the
        hashes that keep them out from now on; it may be executed ``due`` after it was recorded.

        Raises LedgerError where a request of one of them is open.
        """
        rows = [_valid_row(event) for event in said]
        names = tuple(event.subject for event in said)
        with database.writing(self._engine) as connection:
            if any({*one.identifiers} & {*names} for one in forgetting.pending(connection)):
                raise LedgerError("a request to erase them is open", hint="`aboveboard erase --list` shows it")
            stored = self._add(connection, columns_of(rows), keep_recorded_at=False)
            asked, position = moment(stored["recorded_at"][0]), max(stored["position"])
            number = forgetting.ask(connection, names, hashes, key, asked, asked + due, position)
        return forgetting.Erasure(number, names, asked, asked + due, position)

    def undo_erasure(self, erasure: forgetting.Erasure, said: Sequence[Event]) -> None:
        """Undo an open request, with an event ``unsuppressed`` of each identifier. Raises LedgerError where it is not
        open any more, or where the clock has not moved on since it was made."""
        rows = [_valid_row(event) for event in said]
        with database.writing(self._engine) as connection:
            if erasure not in forgetting.pending(connection):
                raise LedgerError("the request is not open any more", hint="`aboveboard erase --list` says what is")
            stored = self._add(connection, columns_of(rows), keep_recorded_at=False)
            at = moment(stored["recorded_at"][0])
            if at <= erasure.asked_at:  # of one moment the stricter word would hold, and undoing would do nothing
                raise LedgerError("the clock has not moved on since the request was made", hint="try again")
            forgetting.undo(connection, erasure.id, at)

    def erasures(self) -> Sequence[forgetting.Erasure]:
        """The requests to be erased that are open, oldest first."""
        with database.reading(self._engine) as connection:
            return forgetting.pending(connection)

    def erased(self) -> Sequence[forgetting.Ended]:
        """What became of the other requests."""
        with database.reading(self._engine) as connection:
            return forgetting.ended(connection)

    def suppressed(self) -> Mapping[str, str]:
        """The hashes of who asked to be erased, each with the fingerprint of the key it was made with."""
        with database.reading(self._engine) as connection:
            return forgetting.listed(connection)

    @property
    def file(self) -> Path | None:
        """The file it lies in; None where it lies in none."""
        found = self._engine.url.database
        return Path(found) if found and found != ":memory:" else None

    def gone(self) -> frozenset[str]:
        """The hashes of who was erased; of who only asked for it, something may still be here."""
        with database.reading(self._engine) as connection:
            return forgetting.gone(connection)

    def tidy(self) -> bool:
        """Write the file anew, without the remains of what was deleted; says whether nobody was in the way."""
        return database.tidy(self._engine)

    def now(self) -> datetime:
        """The moment an event appended now would carry, at the earliest."""
        return self._clock()

    def snapshot(
        self,
        facts: AccountFacts | None = None,
        position: int | None = None,
        suppressions: Suppressions = NONE,
    ) -> LedgerSnapshot:
        """The ledger at a position (default: the head), with what the platform attests of accounts and who was erased."""
        head = self.head()
        if position is not None and not 0 <= position <= head:
            raise LedgerError(f"no position {position} in this ledger", hint=f"the head is {head}")
        return LedgerSnapshot(head if position is None else position, self._engine, facts, suppressions=suppressions)

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


def refuse_open(said: Iterable[Event], at: datetime) -> None:
    """Raises LedgerError where a stranger's request is among these events of an account and is still open."""
    for event in said:
        if event.actor == "stranger" and not event.verified and event.expires_at is not None and event.expires_at > at:
            raise LedgerError(
                f"a request for this account is open until {event.expires_at:%Y-%m-%d %H:%M} UTC",
                hint="verify who asks, and record what they say as the person's own",
            )


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
