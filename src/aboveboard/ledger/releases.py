"""Which releases were committed, at which position of the ledger: append-only, in the ledger's own database.

A release is committed in the same transaction in which the last choices were heard, so between hearing and publishing
nothing can be recorded. The folders are renamed afterwards; an entry whose folders still carry their staged names is
one that ``resume`` finishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, bindparam, case, insert, select

from aboveboard.choice import RECORD, RECORD_TYPES
from aboveboard.ledger import entries
from aboveboard.ledger.events import events

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

    def enter(self, release: Mapping[str, str | int]) -> None:
        """Commit a release with the end of the transaction."""
        self.connection.execute(insert(releases), dict(release))

    @property
    def size(self) -> int:
        """How many entries the log has: the place of the next one."""
        return entries.count(self.connection)

    def logged(self, digest: str) -> int | None:
        """Where the statement with this SHA-256 stands in the log; None where it is not in it."""
        return entries.place_of(self.connection, digest)

    def log(self, entry: bytes) -> int:
        """Put an entry into the log with the end of the transaction; returns its place."""
        return entries.add(self.connection, entry).place


def committed(connection: Connection) -> Sequence[Mapping[str, str | int]]:
    """Every committed release, oldest first."""
    found = connection.execute(select(releases).order_by(releases.c.position, releases.c.as_of, releases.c.id))
    return [dict(row._mapping) for row in found]


def speakers(connection: Connection, after: int, upto: int) -> list[str]:
    """Who recorded something behind ``after``, up to ``upto``; a record of which something was said as ``record:ID``."""
    return [row.subject for row in connection.execute(_speakers, {"after": after, "upto": upto})]


def expiring(connection: Connection, after: int, upto: int) -> list[str]:
    """Whose words run out behind ``after``, up to ``upto``: both in microseconds since 1970."""
    return [row.subject for row in connection.execute(_expiring, {"after": after, "upto": upto})]
