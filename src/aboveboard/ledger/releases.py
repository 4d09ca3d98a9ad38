"""Which releases were committed, at which position of the ledger: append-only, in the ledger's own database.

A release is committed in the same transaction in which the last choices were heard, so between hearing and publishing
nothing can be recorded. The folders are renamed afterwards; an entry whose folders still carry their staged names is
one that ``resume`` finishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, bindparam, case, insert, or_, select

from aboveboard.choice import RECORD, RECORD_TYPES
from aboveboard.ledger import entries, erasures, retirements, retractions
from aboveboard.ledger.events import events
from aboveboard.ledger.lineage import Lineage
from aboveboard.ledger.notices import Outbox

releases = Table(
    "releases",
    MetaData(),
    Column("id", Text(), primary_key=True),
    Column("position", Integer(), nullable=False),
    Column("as_of", Text(), nullable=False),
    Column("manifest_sha256", Text(), nullable=False),
    Column("staged", Text(), nullable=False),
    Column("public", Text(), nullable=False),
    Column("bits", Integer(), nullable=False),
    Column("keys", Text(), nullable=False),
)

_speaker = case((events.c.type.in_(RECORD_TYPES), RECORD + events.c.value), else_=events.c.subject).label("subject")
_speakers = (
    select(_speaker)
    .distinct()
    .where(events.c.position > bindparam("after"), events.c.position <= bindparam("upto"))
    .order_by(_speaker)
)
_speakers_checked = _speakers.where(or_(events.c.verified.is_(True), events.c.actor != "stranger"))
_expiring = (
    select(events.c.subject)
    .distinct()
    .where(events.c.expires_at > bindparam("after"), events.c.expires_at <= bindparam("upto"))
    .order_by(events.c.subject)
)


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction that holds the ledger: nobody records anything until it ends."""

    connection: Connection
    head: int
    now: int
    """The moment of what is entered, in microseconds since 1970: never before what was recorded last."""

    def enter(self, release: Mapping[str, str | int]) -> None:
        """Commit a release with the end of the transaction."""
        self.connection.execute(insert(releases), dict(release))

    def superseded_by(self, release: str) -> str | None:
        """The release that took the place of one; None while it stands."""
        return retirements.superseded_by(self.connection, release)

    def retire(self, release: str, superseded_by: str, retired_at: str) -> None:
        """Say that a release which is entered in this transaction takes the place of an earlier one."""
        retirements.add(self.connection, release, superseded_by, retired_at)

    @property
    def retracted(self) -> int:
        """How many withdrawals by question were carried out."""
        return retractions.count(self.connection)

    def retract(
        self, question: Mapping[str, Any], digest: str, listed: str | None, records: int, asked_by: str,
        confirmed_by: str | None,
    ) -> int:  # fmt: skip
        """Carry out a withdrawal by question with the end of the transaction; returns its number."""
        return retractions.add(
            self.connection, self.head, self.now, question=question, digest=digest, listed=listed, records=records,
            asked_by=asked_by, confirmed_by=confirmed_by,
        )  # fmt: skip

    def retracted_as(self, digest: str) -> int | None:
        """The number under which a plan with this digest was carried out; None where it was not."""
        return retractions.number_of(self.connection, digest)

    @property
    def size(self) -> int:
        """How many entries the log has: the place of the next one."""
        return entries.count(self.connection)

    def logged(self, digest: str) -> int | None:
        """Where the statement with this SHA-256 stands in the log; None where it is not in it."""
        return entries.place_of(self.connection, digest)

    def erase(self, erasure: int, places: Mapping[str, str], at: datetime) -> tuple[int, int]:
        """Execute a request to be erased with the end of the transaction; returns how many events and keys it took."""
        return erasures.execute(self.connection, erasure, places, at)

    def erasing(self) -> Sequence[erasures.Erasure]:
        """The requests that are open."""
        return erasures.pending(self.connection)

    def releases(self) -> Sequence[Mapping[str, str | int]]:
        """Every committed release, oldest first."""
        return committed(self.connection)

    def log(self, entry: bytes) -> int:
        """Put an entry into the log with the end of the transaction; returns its place."""
        return entries.add(self.connection, entry).place

    @property
    def outbox(self) -> Outbox:
        """Deliveries, rows that have to go, and the notices of them, in this transaction."""
        return Outbox(self.connection)

    @property
    def lineage(self) -> Lineage:
        """Orders, runs, checkpoints and models, in this transaction."""
        return Lineage(self.connection)


def committed(connection: Connection) -> Sequence[Mapping[str, str | int]]:
    """Every committed release, oldest first."""
    found = connection.execute(select(releases).order_by(releases.c.position, releases.c.as_of, releases.c.id))
    return [dict(row._mapping) for row in found]


def speakers(connection: Connection, after: int, upto: int, strangers: bool = True) -> list[str]:
    """Who recorded something behind ``after``, up to ``upto``; a record of which something was said as ``record:ID``. Without
    ``strangers`` only what somebody has verified counts, or what was no stranger's word."""
    asked = _speakers if strangers else _speakers_checked
    return [row.subject for row in connection.execute(asked, {"after": after, "upto": upto})]


def expiring(connection: Connection, after: int, upto: int) -> list[str]:
    """Whose words run out behind ``after``, up to ``upto``: both in microseconds since 1970."""
    return [row.subject for row in connection.execute(_expiring, {"after": after, "upto": upto})]
