"""The outbox: who received which release, which of its rows they must not keep, the lists that say so, and the answers.

Append-only, in the ledger's own database, so that what a withdrawal removes is put here in the transaction that decides it.
A notice (one list for one recipient) is no row of its own: it follows from a delivery and a list, so none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from aboveboard.ledger.events import micros, moment


@dataclass(frozen=True, slots=True)
class Delivery:
    """That a recipient received a release."""

    release: str
    recipient: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Removal:
    """Rows of a release that must go, by their leaves (ascending, one behind another), until ``due``."""

    number: int
    release: str
    at: datetime
    due: datetime
    leaves: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A list as it was cut: the SHA-256 of its file, up to which removal it reaches, how many rows it names."""

    release: str
    number: int
    digest: str
    upto: int
    rows: int
    at: datetime
    due: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a notice: ``sent`` or ``failed``, what was seen (never of a person), and when to try again."""

    notice: str
    at: datetime
    outcome: str
    said: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a notice: how it came (``signed``, ``plain`` or ``operator``), and what was answered."""

    notice: str
    at: datetime
    how: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox in one transaction; what is added is there with its end, or never was."""

    connection: Connection

    def deliver(self, release: str, recipient: str, at: datetime) -> bool:
        """Record that a recipient received a release; says whether that is new. Twice is once."""
        found = self._all("SELECT 1 FROM deliveries WHERE release = :release AND recipient = :recipient",
                          release=release, recipient=recipient)  # fmt: skip
        if not found:
            self._add("deliveries", release=release, recipient=recipient, at=micros(at))
        return not found

    def remove(self, release: str, leaves: bytes, at: datetime, due: datetime) -> None:
        """Put rows of a release (leaves, ascending) into the outbox: they must go until ``due``."""
        number = self._next("removals")
        self._add("removals", number=number, release=release, at=micros(at), due=micros(due), leaves=leaves)

    def cut(self, made: Cut, document: bytes) -> None:
        """Keep a list that was made."""
        row = {
            "release": made.release,
            "number": made.number,
            "digest": made.digest,
            "upto": made.upto,
            "rows": made.rows,
        }
        self._add("removal_lists", **row, at=micros(made.at), due=micros(made.due), document=document)

    def attempt(self, made: Attempt) -> None:
        """Record a try."""
        next_at = None if made.next_at is None else micros(made.next_at)
        row = {"notice": made.notice, "at": micros(made.at), "outcome": made.outcome, "said": made.said}
        self._add("notice_attempts", number=self._next("notice_attempts"), **row, next_at=next_at)

    def answer(self, made: Answered) -> bool:
        """Record an answer; says whether it is the first. A later one changes nothing."""
        if self._all("SELECT 1 FROM notice_answers WHERE notice = :notice", notice=made.notice):
            return False
        row = {"notice": made.notice, "at": micros(made.at), "how": made.how, "document": made.document}
        self._add("notice_answers", **row)
        return True

    def deliveries(self) -> list[Delivery]:
        """Every delivery, in the order of time."""
        found = self._all("SELECT release, recipient, at FROM deliveries ORDER BY at, release, recipient")
        return [Delivery(one["release"], one["recipient"], moment(one["at"])) for one in found]

    def removals(self, release: str | None = None, after: int = 0) -> list[Removal]:
        """What was put in behind a number, for one release or all, in order."""
        found = self._all("SELECT * FROM removals WHERE number > :after AND (:release IS NULL OR release = :release)"
                          " ORDER BY number", after=after, release=release)  # fmt: skip
        return [
            Removal(one["number"], one["release"], moment(one["at"]), moment(one["due"]), bytes(one["leaves"]))
            for one in found
        ]

    def since(self) -> Mapping[str, datetime]:
        """For each release that rows were removed from, when the first of them were: without reading the rows."""
        found = self._all("SELECT release, min(at) AS at FROM removals GROUP BY release")
        return {one["release"]: moment(one["at"]) for one in found}

    def waiting(self) -> Mapping[str, tuple[datetime, datetime]]:
        """For each release with rows in no list yet: since when the oldest of them waits, and when the first is due."""
        found = self._all(
            "SELECT release, min(at) AS at, min(due) AS due FROM removals AS r WHERE number >"
            " (SELECT coalesce(max(upto), 0) FROM removal_lists AS l WHERE l.release = r.release) GROUP BY release"
        )
        return {one["release"]: (moment(one["at"]), moment(one["due"])) for one in found}

    def cuts(self) -> list[Cut]:
        """Every list, by release and number."""
        found = self._all(
            "SELECT release, number, digest, upto, rows, at, due FROM removal_lists ORDER BY release, number"
        )
        return [
            Cut(one["release"], one["number"], one["digest"], one["upto"], one["rows"], moment(one["at"]), moment(one["due"]))
            for one in found
        ]  # fmt: skip

    def document(self, release: str, number: int) -> bytes:
        """The file of a list."""
        [found] = self._all("SELECT document FROM removal_lists WHERE release = :release AND number = :number",
                            release=release, number=number)  # fmt: skip
        return bytes(found["document"])

    def attempts(self) -> list[Attempt]:
        """Every try, in order."""
        found = self._all("SELECT notice, at, outcome, said, next_at FROM notice_attempts ORDER BY number")
        return [
            Attempt(one["notice"], moment(one["at"]), one["outcome"], one["said"], _maybe(one["next_at"]))
            for one in found
        ]

    def answers(self) -> list[Answered]:
        """Every answer."""
        found = self._all("SELECT notice, at, how, document FROM notice_answers ORDER BY at, notice")
        return [Answered(one["notice"], moment(one["at"]), one["how"], bytes(one["document"])) for one in found]

    def _all(self, query: str, **values: Any) -> Sequence[Mapping[str, Any]]:
        return [dict(row._mapping) for row in self.connection.execute(text(query), values)]

    def _next(self, table: str) -> int:
        return int(self.connection.execute(text(f"SELECT coalesce(max(number), 0) + 1 FROM {table}")).scalar_one())

    def _add(self, table: str, **values: Any) -> None:
        columns, bound = ", ".join(f'"{name}"' for name in values), ", ".join(f":{name}" for name in values)
        self.connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({bound})"), values)


def _maybe(value: int | None) -> datetime | None:
    return None if value is None else moment(value)
