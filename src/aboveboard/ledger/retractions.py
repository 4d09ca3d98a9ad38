"""What a platform took out by question: append-only, beside the choices of people.

A row is a question with its answer: the undertaking that binds from then on, or the list of records that it named, whose
digest stands here and whose file lies in the private part. Questions about many records wait as proposals until a second
person has confirmed the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from aboveboard.ledger.events import micros, moment

_ADD = text(
    "INSERT INTO retractions (number, recorded_at, position, question, digest, listed, records, asked_by, confirmed_by)"
    " VALUES (:number, :recorded_at, :position, :question, :digest, :listed, :records, :asked_by, :confirmed_by)"
)
_ALL = text(
    "SELECT number, recorded_at, position, question, digest, listed, records, asked_by, confirmed_by"
    " FROM retractions ORDER BY number"
)
_COUNT = text("SELECT count(*) FROM retractions")
_NUMBER = text("SELECT min(number) FROM retractions WHERE digest = :digest")
_PROPOSE = text(
    "INSERT OR IGNORE INTO retraction_proposals (digest, asked_by, recorded_at) VALUES (:digest, :asked_by, :recorded_at)"
)
_PROPOSED = text("SELECT asked_by FROM retraction_proposals WHERE digest = :digest ORDER BY recorded_at, asked_by")


@dataclass(frozen=True, slots=True)
class Retraction:
    """A question as it was carried out: by whom it was asked and confirmed, and where the list of its records is.

    ``position`` is the ledger's head at that moment; ``listed`` the SHA-256 of the list, None where it binds as an
    undertaking.
    """

    number: int
    recorded_at: datetime
    position: int
    question: Mapping[str, Any]
    digest: str
    listed: str | None
    records: int
    asked_by: str
    confirmed_by: str | None


def add(connection: Connection, position: int, at: int, **said: Any) -> int:
    """Enter a question with the end of the transaction; returns its number."""
    number = count(connection) + 1
    question = json.dumps(said.pop("question"), sort_keys=True)
    connection.execute(_ADD, {"number": number, "recorded_at": at, "position": position, "question": question, **said})
    return number


def every(connection: Connection) -> Sequence[Retraction]:
    """All of them, oldest first."""
    return [
        Retraction(number, moment(at), position, json.loads(question), *rest)
        for number, at, position, question, *rest in connection.execute(_ALL)
    ]


def count(connection: Connection) -> int:
    """How many there are."""
    return int(connection.execute(_COUNT).scalar_one())


def number_of(connection: Connection, digest: str) -> int | None:
    """The number of the one with this digest."""
    found = connection.execute(_NUMBER, {"digest": digest}).scalar_one()
    return None if found is None else int(found)


def propose(connection: Connection, digest: str, asked_by: str, at: datetime) -> None:
    """Note that somebody wants this plan carried out; twice is once."""
    connection.execute(_PROPOSE, {"digest": digest, "asked_by": asked_by, "recorded_at": micros(at)})


def proposed(connection: Connection, digest: str) -> list[str]:
    """Who wants this plan carried out, in the order in which they said so."""
    return [who for (who,) in connection.execute(_PROPOSED, {"digest": digest})]
