"""Which releases were looked at once more, up to which position of the ledger, and nothing had to leave them.

Without it a no that concerns nobody's rows would stay open for ever. Append-only, like everything that a deadline is held
against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from aboveboard.ledger.events import micros, moment

_ADD = text(
    "INSERT OR IGNORE INTO reviews (release, position, taken_out, at) VALUES (:release, :position, :taken_out, :at)"
)
_ALL = text("SELECT release, position, taken_out, at FROM reviews ORDER BY at, release, position")


def add(connection: Connection, release: str, position: int, taken_out: int, at: datetime) -> None:
    """Note that nothing has to leave a release by what was recorded up to a position, and by so many questions."""
    connection.execute(_ADD, {"release": release, "position": position, "taken_out": taken_out, "at": micros(at)})


def every(connection: Connection) -> Sequence[Mapping[str, str | int | datetime]]:
    """All of them, oldest first: release, position, taken_out, at."""
    return [
        {"release": release, "position": position, "taken_out": taken_out, "at": moment(at)}
        for release, position, taken_out, at in connection.execute(_ALL)
    ]
