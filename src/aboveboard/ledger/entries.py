"""The entries of the log in their order: the ledger's database says which entry has which place, and no other does.

An entry is committed in the transaction in which what it speaks of happens: a release and its entry are both there or
both not, two writers never take one place, and the log on disk (tiles and checkpoints) follows what stands here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

_ADD = text("INSERT INTO log_entries (place, type, digest, entry) VALUES (:place, :type, :digest, :entry)")
_FROM = text("SELECT place, type, digest, entry FROM log_entries WHERE place >= :place ORDER BY place")
_PLACE = text("SELECT min(place) FROM log_entries WHERE digest = :digest")
_COUNT = text("SELECT count(*) FROM log_entries")
_OF_TYPE = text("SELECT place, type, digest, entry FROM log_entries WHERE type = :type ORDER BY place")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place, its type, the SHA-256 (hexadecimal) of its statement, and its bytes."""

    place: int
    type: str
    digest: str
    data: bytes


def count(connection: Connection) -> int:
    """How many entries there are: the place of the next one."""
    return int(connection.execute(_COUNT).scalar_one())


def add(connection: Connection, data: bytes) -> Entry:
    """Put an entry (canonical JSON with ``t`` and ``digest``) behind the last one, with the end of the transaction."""
    said = json.loads(data)
    made = Entry(count(connection), str(said["t"]), str(said["digest"]), data)
    connection.execute(_ADD, {"place": made.place, "type": made.type, "digest": made.digest, "entry": data})
    return made


def place_of(connection: Connection, digest: str) -> int | None:
    """The place of the first entry of a statement; None where there is none."""
    found = connection.execute(_PLACE, {"digest": digest}).scalar()
    return None if found is None else int(found)


def since(connection: Connection, place: int = 0) -> Sequence[Entry]:
    """The entries from a place on."""
    return [_entry(*row) for row in connection.execute(_FROM, {"place": place})]


def of_type(connection: Connection, kind: str) -> Sequence[Entry]:
    """The entries of one type, in order."""
    return [_entry(*row) for row in connection.execute(_OF_TYPE, {"type": kind})]


def _entry(place: int, kind: str, digest: str, data: bytes) -> Entry:
    return Entry(place, kind, digest, bytes(data))
