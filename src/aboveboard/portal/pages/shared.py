"""What several pages say: the policy in force, what was just recorded, what the browser asks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aboveboard.choice import DENIES, Event, explicit, fold, record_key, sensitive, takes_out
from aboveboard.policy import PolicyVersion
from aboveboard.portal import choosing
from aboveboard.portal.asking import Asked, Moved, StepUp
from aboveboard.portal.choosing import Person
from aboveboard.portal.items import Item, Wanted
from aboveboard.portal.published import Published

FRESH = timedelta(minutes=15)
"""How long a proof of who asks counts as fresh, for widening, exports and keys."""
TAKES_OUT = "record_withdrawn"
DONE = ("off", "choices", "notice", "withdraw", "kept", "same")
"""What may have been done: words of the query that the status region knows."""
_RECORDS = ("off", "choices", "notice", "withdraw")
"""Those of them that lead to what was recorded."""


def who(asked: Asked) -> Person:
    """The person whose pages these are."""
    return choosing.person(asked.tenant, asked.subject)


def local(version: PolicyVersion, moment: datetime) -> str:
    """A moment of a version in the zone in which it was announced: a day that people were told must not become another."""
    return moment.astimezone(ZoneInfo(version.zone)).isoformat()


def policy(asked: Asked) -> dict[str, Any]:
    """The version in force, and one that is announced, with the days that are left until it begins."""
    now, coming = asked.tenant.ws.policy.in_force(asked.now), None
    later = [v for v in asked.tenant.versions if v.announced_at <= asked.now < v.effective_from]
    if later:
        left = (later[0].effective_from - asked.now).days
        coming = {
            "version": later[0].version,
            "effective_from": local(later[0], later[0].effective_from),
            "days_left": left,
        }
    current = None if now is None else {"version": now.version, "effective_from": local(now, now.effective_from)}
    return {"policy": current, "upcoming": coming}


def gpc(asked: Asked, who: Person) -> dict[str, Any]:
    """What the browser asks, and since when that is recorded; asking takes effect at once, on this very page."""
    known = [event for event in who.events if event.method == choosing.GPC_METHOD]
    return {"asked": asked.gpc, "recorded_at": known[0].recorded_at.isoformat() if known else None}


def recorded(asked: Asked, to: str, events: Sequence[Event], what: str) -> Moved:
    """Record events and lead to where they are confirmed. What the browser asks is recorded first: a yes may follow it."""
    choosing.remember_gpc(asked.tenant, asked.subject, asked.now) if asked.gpc else ()
    stored = choosing.record(asked.tenant, events)
    places = "".join(f"&position={event.position}" for event in stored)
    return Moved(f"{to}?done={what if stored else 'same'}{places}#status")


def done(asked: Asked) -> dict[str, Any] | None:
    """What was just recorded, for the status region. Only events of this person are looked up."""
    what = asked.one("done")
    if what not in DONE:
        return None
    wanted = set(asked.query.get("position", ()))
    events = [e for e in asked.tenant.ws.ledger.events_of(asked.subject) if str(e.position) in wanted]
    if what in _RECORDS and not events:  # an address that somebody made up confirms nothing
        return None
    return {"what": what, "events": [event(one) for one in events]}


def event(one: Event) -> dict[str, Any]:
    """An event as a page and its twin tell it."""
    return {
        "position": one.position, "type": one.type, "category": one.category, "purpose": one.purpose,
        "recipient": one.recipient, "recorded_at": one.recorded_at.isoformat(),
        "effective_at": one.effective_at.isoformat(), "method": one.method, "actor": one.actor,
        "record": one.value if one.type == TAKES_OUT else None, "older": bool(one.past_from or one.past_to),
        "notice": one.notice, "language": one.language,
    }  # fmt: skip


def taken_out(who: Person, item: Item) -> Event | None:
    """The word by which a person took one item out, for good."""
    named = record_key(item.source, item.record)
    return next((event for event in who.events if event.type == TAKES_OUT and event.value == named), None)


def open_of(who: Person, release: Published, now: datetime) -> int:
    """How many of their items in a release nothing keeps out that was chosen since. Whoever never said no is not read item by
    item, and of whoever did, items that the same words reach are asked about once."""
    held, known = release.items, dict[tuple[Any, ...], bool]()
    if not any(event.type in DENIES or event.type == TAKES_OUT for event in who.events):
        return held.counts(who.subject)["used"] - held.withdrawn(who.subject)
    named = {event.value for event in who.events if event.type == TAKES_OUT}
    turns = sorted({moment for event in who.events for moment in _moments(event)})

    def stays(item: Item) -> bool:
        at = item.collected_at
        alone = record_key(item.source, item.record) in named
        asked = (item.categories, at and (bisect_left(turns, at), bisect_right(turns, at)), alone and item.record)
        if asked not in known:
            known[asked] = not denied(who, release, item, now)
        return known[asked] and not item.withdrawn

    return sum(stays(item) for item in held.all(who.subject, Wanted("used")))


def _moments(event: Event) -> list[datetime]:
    said = (getattr(event, field.name) for field in fields(event))
    return [moment for moment in said if isinstance(moment, datetime)]


def denied(who: Person, release: Published, item: Item, now: datetime) -> bool:
    """Whether what they say today closes an item to what its release was built for."""
    job = release.job
    one = taken_out(who, item)
    if one is not None and takes_out(one, job["purpose"], job["recipient"]):
        return True
    labels = item.categories or ("user",)
    said = explicit(who.events) if sensitive(labels) else who.events
    return any(fold(said, label, job["purpose"], job["recipient"], item.collected_at, now).denied for label in labels)


def fresh(asked: Asked) -> None:
    """Raises StepUp where a proof of who asks is too old. A host that tells no time vouches for it itself."""
    proven = asked.principal and asked.principal.auth_time
    if proven and asked.now - proven > FRESH:
        raise StepUp


def counted(numbers: Mapping[str, int]) -> int:
    return sum(numbers.values())
