"""Which release took the place of which, and when: append-only, entered in the transaction that commits the newer one.

INVARIANT: a release is superseded at most once, so what was rewritten and rewritten again is a chain with one head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

_ADD = text(
    "INSERT INTO retirements (release, superseded_by, retired_at) VALUES (:release, :superseded_by, :retired_at)"
)
_ALL = text("SELECT release, superseded_by, retired_at FROM retirements ORDER BY retired_at, release")
_BY = text("SELECT superseded_by FROM retirements WHERE release = :release")


def add(connection: Connection, release: str, superseded_by: str, retired_at: str) -> None:
    """Retire a release with the end of the transaction, in which the newer one is committed."""
    connection.execute(_ADD, {"release": release, "superseded_by": superseded_by, "retired_at": retired_at})


def every(connection: Connection) -> Sequence[Mapping[str, str]]:
    """Every retirement, oldest first: ``release``, ``superseded_by``, ``retired_at`` (ISO 8601)."""
    return [dict(row._mapping) for row in connection.execute(_ALL)]


def superseded_by(connection: Connection, release: str) -> str | None:
    """The release that took the place of one; None while it stands."""
    found = connection.execute(_BY, {"release": release}).scalar()
    return None if found is None else str(found)
