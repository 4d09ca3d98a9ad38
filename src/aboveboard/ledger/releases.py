"""Which releases were committed, at which position of the ledger: append-only, in the ledger's own database.

A release is committed in the same transaction in which the last choices were heard, so between hearing and publishing
nothing can be recorded. The folders are renamed afterwards; an entry whose folders still carry their staged names is
one that ``resume`` finishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, bindparam, insert, or_, select

from aboveboard.ledger.events import OPENING, events

releases = Table(
    "releases",
    MetaData(),
    Column("id", Text(), primary_key=True),
    Column("position", Integer(), nullable=False),
    Column("as_of", Text(), nullable=False),
    Column("manifest_sha256", Text(), nullable=False),
    Column("staged_public", Text(), nullable=False),
    Column("staged_private", Text(), nullable=False),
    Column("public", Text(), nullable=False),
)

_closing = or_(events.c.type.not_in(sorted(OPENING)), events.c.expires_at.is_not(None))
_closing_subjects = (
    select(events.c.subject)
    .distinct()
    .where(events.c.position > bindparam("after"), events.c.position <= bindparam("upto"), _closing)
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


def committed(connection: Connection) -> Sequence[Mapping[str, str | int]]:
    """Every committed release, oldest first."""
    found = connection.execute(select(releases).order_by(releases.c.position, releases.c.as_of, releases.c.id))
    return [dict(row._mapping) for row in found]


def closing_subjects(connection: Connection, after: int, upto: int) -> list[str]:
    """Who recorded something behind ``after``, up to ``upto``, that may close what was open."""
    return [row.subject for row in connection.execute(_closing_subjects, {"after": after, "upto": upto})]
