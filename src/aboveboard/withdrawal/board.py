"""Which withdrawals there are, where each of them stands, and which are late: worked out, never noted.

A withdrawal is open where a standing release was judged before it and holds rows with a part of that person (or may hold
records that a question is about), and nobody has looked since. It is done for releases when each of these was superseded by
one that was judged behind it, or was looked at and nothing had to leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aboveboard import notices, openings, writing
from aboveboard.choice import RECORD_GONE, Event
from aboveboard.policy import OnWithdrawal
from aboveboard.retraction import Question, parse
from aboveboard.rewriting import LINKS
from aboveboard.suppression import ERASED
from aboveboard.withdrawal.planning import Standing, covers, remembered, terms
from aboveboard.workspace import Workspace

OPEN, KEPT, DONE = "open", "kept", "done"
ERASURE = "suppressed"
"""The event of a request to be erased: it is owed, and told to recipients, whatever the policy says."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release that a withdrawal touches: until when it stood with it, and what took its place.

    ``state``: ``open``; ``kept`` where the policy keeps releases as they are; ``done``. ``by`` is None where it was
    looked at and nothing had to leave.
    """

    id: str
    state: str
    at: datetime | None = None
    by: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"release": self.id, "state": self.state, "at": _iso(self.at), "superseded_by": self.by}


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One withdrawal: what was said, when, by when it has to have left, and every release that it touches.

    ``number`` is ``e`` and the position of the event in the ledger, or ``q`` and the number of the question. ``next_clean``
    is the first release for the same use that was judged behind it.
    """

    number: str
    subject: str | None
    said: str
    received: datetime
    deadline: datetime
    does: OnWithdrawal
    releases: tuple[Release, ...]
    next_clean: tuple[str, datetime] | None = None
    told: tuple[tuple[str, str, datetime | None], ...] = ()
    """Who received a release that it touches: name, status of the notice, and when it was sent."""

    @property
    def is_open(self) -> bool:
        return any(one.state == OPEN for one in self.releases)

    @property
    def is_kept(self) -> bool:
        """Whether a release stands with it because the policy keeps releases: then it is neither open nor ever closed."""
        return any(one.state == KEPT for one in self.releases)

    @property
    def closed_at(self) -> datetime | None:
        """When the last release was clean; the moment of the no itself where none held anything; None while one is not."""
        if self.is_open or self.is_kept:
            return None
        return max((one.at for one in self.releases if one.at is not None), default=self.received)

    def is_overdue(self, now: datetime) -> bool:
        return self.is_open and now > self.deadline

    def states(self) -> list[tuple[str, datetime | None, str]]:
        """Each state with its time (None: not yet) and what shows it."""
        clean = self.next_clean
        return [
            ("received", self.received, f"ledger {self.number}"),
            ("intake stopped", self.received, "every judgement behind it hears it"),
            ("next release clean", clean[1] if clean else None, clean[0] if clean else ""),
            ("shards rewritten", self.closed_at, ", ".join(one.by for one in self.releases if one.by)),
            ("recipients notified", self.notified_at, ", ".join(f"{who}: {status}" for who, status, _ in self.told)),
            ("closed for releases", self.notified_at, ""),
        ]

    @property
    def notified_at(self) -> datetime | None:
        """When the last of its recipients was told; where nobody received anything, when the last release was clean."""
        sent = [at for _, _, at in self.told]
        known = [at for at in sent if at is not None]
        return max([*known, self.closed_at]) if self.closed_at is not None and len(known) == len(sent) else None

    def as_json(self, now: datetime) -> dict[str, Any]:
        return {
            "number": self.number,
            "subject": self.subject,
            "said": self.said,
            "received": self.received.isoformat(),
            "deadline": self.deadline.isoformat(),
            "open": self.is_open,
            "overdue": self.is_overdue(now),
            "states": [{"state": name, "at": _iso(at), "shown_by": shown} for name, at, shown in self.states()],
            "releases": [one.as_json() for one in self.releases],
            "does": {"models": self.does.models, "recipients": self.does.recipients, "releases": self.does.releases},
            "recipients": [{"recipient": who, "status": status, "sent": _iso(at)} for who, status, at in self.told],
        }


Holds = Callable[[str, Event], bool]
"""Whether a release (its id) holds what an event is about."""


def board(
    ws: Workspace, *, everything: bool = False, subject: str | None = None, holds: Holds | None = None
) -> list[Withdrawal]:
    """The open withdrawals (``everything``: all that ever touched a release), oldest first.

    ``subject``: only those of one person. ``holds`` says in the place of the private index which releases an event touches: a
    person may be told of less than is there.
    """
    releases = remembered(ws)
    retired = {str(one["release"]): one for one in ws.ledger.retirements()}
    touching: dict[int, tuple[Event, list[Release]]] = {}
    asked: dict[int, list[Release]] = {}
    seen = ws.ledger.reviews()
    for one in releases:
        gone = retired.get(one.id)
        after = next((r for r in releases if gone is not None and r.id == gone["superseded_by"]), None)
        if gone is not None and not everything:
            continue
        upto = None if after is None else after.position
        for event in _touching(ws, one, upto, subject, holds):
            touching.setdefault(event.position, (event, []))[1].append(_of_event(ws, one, event, after, seen))
        for number, at, question in _questions(ws) if subject is None else ():
            inside = one.as_of < at and (after is None or after.as_of >= at)
            # Whenever it was judged: what was processed in a window may stand in a release of any other time as well.
            if inside and question.undertaking("").concerns(*_use(one)):
                asked.setdefault(number, []).append(_of_question(ws, one, number, at, after, seen))
    found = [_of_person(ws, event, of, releases) for event, of in touching.values()]
    questions = {number: (at, question) for number, at, question in _questions(ws)}
    found += [_of_asked(ws, number, *questions[number], of, releases) for number, of in asked.items()]
    chosen = [_with_notices(ws, one) for one in found] if everything else [one for one in found if one.is_open]
    return sorted(chosen, key=lambda each: (each.received, each.number))


def _with_notices(ws: Workspace, one: Withdrawal) -> Withdrawal:
    """The withdrawal with what became of the notices to whoever received a release that took it out."""
    if one.does.recipients == "none" and one.said.partition(":")[0] != ERASURE:
        return one  # nobody is told, so nobody is waited for
    at = ws.ledger.now()
    left = {each.id for each in one.releases if each.by is not None}
    with ws.ledger.outbox() as outbox:
        received = {(each.release, each.recipient) for each in outbox.deliveries() if each.release in left}
    found = {(each.list.release, each.recipient): each for each in notices.board(ws.ledger)}
    told = []
    for release, who in sorted(received):
        notice = found.get((release, who))
        told.append((who, "pending" if notice is None else notice.status(at), None if notice is None else notice.sent))
    return replace(one, told=tuple(told))


def _touching(
    ws: Workspace, one: Standing, upto: int | None, subject: str | None, holds: Holds | None
) -> list[Event]:  # fmt: skip
    """The events behind a release that are about its use, of people who have a part in one of its rows."""
    # What nobody has verified keeps new use off, and takes nothing out of what stands: a stranger could ask it of anybody.
    heard = [event for event in ws.ledger.withdrawing(one.position, upto) if event.verified]
    said = [event for event in heard if subject in (None, event.subject) and covers(event, one.job)]
    if holds is not None:
        return [event for event in said if holds(one.id, event)]
    if not one.private.is_dir():
        return said  # INVARIANT: what nobody can look up counts as inside
    of_records = [event for event in said if event.type in RECORD_GONE]
    records = _records(ws, one, {str(event.value) for event in of_records})
    inside = _inside(ws, one, {event.subject for event in said if event.type not in RECORD_GONE})
    return [e for e in said if (e.value in records if e.type in RECORD_GONE else e.subject in inside)]


def _records(ws: Workspace, one: Standing, ids: set[str]) -> set[str]:
    """Those of these records, by their ids, that have a row in a release, or whose words stand in one."""
    relation, links = writing.opened(one.private), writing.listed(one.private / LINKS)
    if not ids or relation is None:
        return set()
    asked = f"SELECT record_id AS id FROM {relation} WHERE record_id IN (SELECT unnest($ids))"
    if links:
        asked += f" UNION SELECT origin FROM {links} WHERE origin IN (SELECT unnest($ids))"
    with ws.engine.connect() as con:
        return {id for (id,) in con.execute(asked, {"ids": sorted(ids)}).fetchall()}


def _inside(ws: Workspace, one: Standing, subjects: set[str]) -> set[str]:
    """Those of these people who have a part in a row of a release."""
    people = writing.listed(one.private / "people")
    if not subjects or not people:
        return set()
    with ws.engine.connect() as con:
        found = con.execute(
            f"SELECT DISTINCT subject FROM {people} WHERE subject IN (SELECT unnest(?))",
            [sorted(subjects)],
        )
        return {name for (name,) in found.fetchall()} | _erased(one, subjects)


def _erased(one: Standing, subjects: set[str]) -> set[str]:
    """Those of these people who were erased, where a release holds rows that an erasure shredded: nobody knows whose any
    more, so they concern each of them until the release is rewritten."""
    gone = {subject for subject in subjects if subject.startswith(ERASED)}
    return gone if gone and openings.shredded(one.private) else set()


def _of_event(
    ws: Workspace, one: Standing, event: Event, after: Standing | None, seen: Sequence[Mapping[str, Any]]
) -> Release:
    looked = [r["at"] for r in seen if r["release"] == one.id and r["position"] >= event.position]
    state = _state(ws, one, event.recorded_at, after, looked)
    # What a no does is the policy's to say; an erasure is owed whatever it says (GDPR art. 17).
    return replace(state, state=OPEN) if state.state == KEPT and event.type == ERASURE else state


def _of_question(
    ws: Workspace, one: Standing, number: int, at: datetime, after: Standing | None, seen: Sequence[Mapping[str, Any]]
) -> Release:
    looked = [r["at"] for r in seen if r["release"] == one.id and r["taken_out"] >= number]
    return _state(ws, one, at, after, looked)


def _state(
    ws: Workspace, one: Standing, received: datetime, after: Standing | None, looked: Sequence[datetime]
) -> Release:
    if looked and (after is None or min(looked) <= after.as_of):
        return Release(one.id, DONE, min(looked))
    if after is not None:
        return Release(one.id, DONE, after.as_of, after.id)
    return Release(one.id, KEPT if terms(ws, received).releases == "keep" else OPEN)


def _of_person(ws: Workspace, event: Event, of: Sequence[Release], releases: Iterable[Standing]) -> Withdrawal:
    does = terms(ws, event.recorded_at)
    uses = {one.id: _use(one) for one in releases}
    touched = {uses[one.id] for one in of}
    clean = next((o for o in releases if o.position >= event.position and _use(o) in touched), None)
    return Withdrawal(
        f"e{event.position}", event.subject, _words(event), event.recorded_at, does.deadline.after(event.recorded_at),
        does, tuple(of), None if clean is None else (clean.id, clean.as_of),
    )  # fmt: skip


def _of_asked(
    ws: Workspace, number: int, at: datetime, question: Question, of: Sequence[Release], releases: Iterable[Standing]
) -> Withdrawal:  # fmt: skip
    does = terms(ws, at)
    about = question.undertaking("")
    clean = next((one for one in releases if one.as_of > at and about.concerns(*_use(one))), None)
    return Withdrawal(
        f"q{number}", None, question.says, at, does.deadline.after(at), does, tuple(of),
        None if clean is None else (clean.id, clean.as_of),
    )  # fmt: skip


def _questions(ws: Workspace) -> list[tuple[int, datetime, Question]]:
    """Those that may be about a row of a release; a list of nobody's records is about none."""
    asked = [one for one in ws.ledger.retractions() if one.listed is None or one.records]
    return [(one.number, one.recorded_at, parse(one.question)) for one in asked]


def _use(one: Standing) -> tuple[str, str]:
    return one.job.purpose, one.job.recipient


def _words(event: Event) -> str:
    scope = ", ".join(filter(None, (event.category, event.purpose, event.recipient, event.value)))
    return f"{event.type}{f': {scope}' if scope else ''}"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
