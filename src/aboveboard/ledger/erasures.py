"""Requests to be erased, what became of them, and the hashes of those who were: in the ledger's own database.

A request holds at once (its hashes stand on the list with it) and can be undone until it is executed. Executing it is one
transaction: the events of the person lose everything but their place and their time, what they signed goes, their keys
go, and the request forgets whose it was. INVARIANT: nothing else in the ledger ever changes or removes an event; the
triggers of migration 0007 say so to every program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from aboveboard.ledger.events import micros, moment
from aboveboard.suppression import ERASED

_ASK = text(
    "INSERT INTO erasures (id, subject, identifiers, asked_at, due_at, position)"
    " VALUES (:id, :subject, :identifiers, :asked_at, :due_at, :position)"
)
_OPEN = text(
    "SELECT id, subject, identifiers, asked_at, due_at, position FROM erasures"
    " WHERE id NOT IN (SELECT id FROM erasure_ends) ORDER BY id"
)
_ENDED = text("SELECT id, how, at, events, keys FROM erasure_ends ORDER BY id")
_END = text("INSERT INTO erasure_ends (id, how, at, events, keys) VALUES (:id, :how, :at, :events, :keys)")
_FORGET = text("UPDATE erasures SET subject = NULL, identifiers = NULL WHERE id = :id")
_SUPPRESS = text("INSERT INTO suppressions (hash, erasure, key) VALUES (:hash, :erasure, :key)")
_UNSUPPRESS = text("DELETE FROM suppressions WHERE erasure = :erasure")
_LISTED = text("SELECT DISTINCT hash, key FROM suppressions ORDER BY hash")
_GONE = text(
    "SELECT DISTINCT hash FROM suppressions WHERE erasure IN (SELECT id FROM erasure_ends WHERE how = 'executed')"
    " AND hash NOT IN (SELECT hash FROM suppressions WHERE erasure NOT IN (SELECT id FROM erasure_ends))"
)
_NEXT = text("SELECT count(*) + 1 FROM erasures")
_REDUCE = text(
    "UPDATE events SET subject = :gone, type = 'suppressed', external_id = NULL, category = NULL, purpose = NULL,"
    " recipient = NULL, past_from = NULL, past_to = NULL, effective_at = recorded_at, expires_at = NULL, verified = 1,"
    " effective_verified = 0, actor = 'operator', method = '', notice = NULL, language = NULL, value = NULL"
    " WHERE subject = :subject"
)
_UNSIGN = text("DELETE FROM assertions WHERE position IN (SELECT position FROM events WHERE subject = :gone)")
_SHRED = text("DELETE FROM subject_keys WHERE subject = :subject")


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request that is open: whose it is, every identifier they are known by (theirs first), when it was made, from when
    on it may be executed, and the position of the ledger at which it holds."""

    id: int
    identifiers: tuple[str, ...]
    asked_at: datetime
    due_at: datetime
    position: int

    @property
    def subject(self) -> str:
        return self.identifiers[0]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a request: ``undone`` or ``executed``, when, and how many events and keys it took."""

    id: int
    how: str
    at: datetime
    events: int
    keys: int


def ask(
    connection: Connection, identifiers: Sequence[str], hashes: Sequence[str], key: str, asked: datetime, due: datetime,
    position: int,
) -> int:  # fmt: skip
    """Enter a request with its hashes, made with the key of this fingerprint; returns its number."""
    number = int(connection.execute(_NEXT).scalar_one())
    said = {"subject": identifiers[0], "identifiers": json.dumps(list(identifiers))}
    times = {"asked_at": micros(asked), "due_at": micros(due), "position": position}
    connection.execute(_ASK, {"id": number, **said, **times})
    connection.execute(_SUPPRESS, [{"hash": one, "erasure": number, "key": key} for one in sorted(set(hashes))])
    return number


def undo(connection: Connection, erasure: int, at: datetime) -> None:
    """End a request as undone; its hashes leave the list, and the request forgets whose it was."""
    connection.execute(_END, {"id": erasure, "how": "undone", "at": micros(at), "events": 0, "keys": 0})
    connection.execute(_UNSUPPRESS, {"erasure": erasure})
    connection.execute(_FORGET, {"id": erasure})


def execute(connection: Connection, erasure: int, places: Mapping[str, str], at: datetime) -> tuple[int, int]:
    """Reduce the events of these identifiers, each to what stands in its place, and delete their keys; returns how many
    events and keys that were."""
    reduced = shredded = 0
    for subject, gone in places.items():
        if not gone.startswith(ERASED):
            raise ValueError("an identifier is replaced by its hash and by nothing else")
        reduced += connection.execute(_REDUCE, {"subject": subject, "gone": gone}).rowcount
        connection.execute(_UNSIGN, {"gone": gone})
        shredded += connection.execute(_SHRED, {"subject": subject}).rowcount
    connection.execute(_END, {"id": erasure, "how": "executed", "at": micros(at), "events": reduced, "keys": shredded})
    connection.execute(_FORGET, {"id": erasure})
    return reduced, shredded


def pending(connection: Connection) -> list[Erasure]:
    """The requests that are open, oldest first."""
    return [
        Erasure(row.id, tuple(json.loads(row.identifiers)), moment(row.asked_at), moment(row.due_at), row.position)
        for row in connection.execute(_OPEN)
    ]


def ended(connection: Connection) -> list[Ended]:
    """What became of the others."""
    return [Ended(row.id, row.how, moment(row.at), row.events, row.keys) for row in connection.execute(_ENDED)]


def gone(connection: Connection) -> frozenset[str]:
    """The hashes of those who were erased, without the ones who only asked for it."""
    return frozenset(connection.execute(_GONE).scalars())


def listed(connection: Connection) -> Mapping[str, str]:
    """The suppression list: each hash with the fingerprint of the key it was made with."""
    return {row.hash: row.key for row in connection.execute(_LISTED)}
