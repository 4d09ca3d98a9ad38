"""What a person's own authenticator signed over an event: kept beside it from the moment it is recorded, never changed."""

from __future__ import annotations

from sqlalchemy import Connection, text

_ADD = text("INSERT INTO assertions (position, document) VALUES (:position, :document)")
_OF = text("SELECT document FROM assertions WHERE position = :position")


def add(connection: Connection, position: int, document: str) -> None:
    """Keep the assertion (JSON) of the event at a position, with the end of the transaction."""
    connection.execute(_ADD, {"position": position, "document": document})


def of(connection: Connection, position: int) -> str | None:
    """The assertion of the event at a position; None where it has none."""
    found = connection.execute(_OF, {"position": position}).scalar()
    return None if found is None else str(found)
