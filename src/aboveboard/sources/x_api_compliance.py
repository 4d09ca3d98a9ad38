"""Compliance events of X: what happened to a post or an account after it was handed out.

Every event becomes a row with a clear outcome: of a post, a newest edition without words that takes its place; of an
account, a record of kind ``profile`` that says what happened and carries nothing; what it closes reaches the account's
records of the same source where records are related. Which event does what stands in ``compliance.TABLE``, as for
streams. No event here opens a door: one that lifts only leaves what it is about held.
Specification: docs/formats/exports-x-api.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from aboveboard import compliance
from aboveboard.compliance import Overheard, Rule
from aboveboard.sources.values import EPOCH, Unreadable, iso_time, snowflake_time
from aboveboard.sources.x_api_post import (
    EVENTS_FROM,
    Columns,
    Make,
    Thing,
    edition,
    id_of,
    millis,
    standing,
    thing,
    words_in,
    x_id,
)

Told = Callable[[Mapping[str, Any]], Overheard | None]
"""What an event says, once its row is there."""
SHOWN, GONE = "published", "deleted"
SPAN = 1 << 42
PASSING, LASTING = EVENTS_FROM, EVENTS_FROM + SPAN
"""Where the editions that events make begin, above every edit of a post. Within a tier the later event stands, to the
millisecond; what lasts stands above what passes, because a deleted post never comes back.
"""


@dataclass(frozen=True, slots=True)
class Effect:
    """What the row of an event says: its lifecycle, its audience, and whether it outlasts what passes."""

    about: str
    lifecycle: str | None
    audience: str | None = None
    lasting: bool = False
    countries: bool = False


_POST = "record"
_LIFECYCLES: Mapping[str, str | None] = {
    "record_deleted": GONE, "record_edited": GONE, "deleted": GONE,
    "record_removed": "removed", "suspended": "removed",
    "record_restored": "restored", "restored": "restored", "unprotected": "restored", "unsuspended": "restored",
    "protected": SHOWN, "geo_scrubbed": None,
}  # fmt: skip
"""The lifecycle that is meant by what the ledger would record."""


def _effect(rule: Rule) -> Effect:
    countries = len(rule.types) > 1
    return Effect(
        rule.about,
        None if countries else _LIFECYCLES[rule.types[0]] if rule.types else SHOWN,
        audience="followers" if rule.types == ("protected",) else None,
        lasting=rule.types == ("record_deleted",),
        countries=countries,
    )


EVENTS: Mapping[str, Effect] = {rule.event: _effect(rule) for rule in compliance.TABLE if rule.kind == "x"}
"""Every kind of event there is, by the one table of ``compliance``. An event of another kind is a fault."""


@dataclass
class Pending:
    """Events wait until all posts were read: one about an edited post belongs to the chain of its edits."""

    waiting: list[tuple[str, int, str, Thing]] = field(default_factory=list)
    first: dict[str, str] = field(default_factory=dict)

    def saw(self, record: Mapping[str, Any] | None) -> None:
        """Remembers of an edited post which version was the first."""
        if record is not None and record.get("revision_of") is not None:
            self.first[record["record_id"]] = record["revision_of"]

    def take(self, file: str, row: int, name: str, said: Thing) -> None:
        self.waiting.append((file, row, name, said))

    def made(self) -> Iterator[tuple[str, int, Make, Told]]:
        """A record for each event, in the order in which they came, and what the event says by the table of streams."""
        for _file, _row, name, said in self.waiting:
            if name == "tweet_edit":
                self._edits(said)
        for file, row, name, said in self.waiting:
            for make in _records(name, said, self.first):
                yield file, row, make, partial(_told, name, said)

    def _edits(self, said: Thing) -> None:
        try:
            ids = _versions(said)
        except Unreadable:
            return  # the row itself will say so
        self.first.update(dict.fromkeys(ids[1:], ids[0]))


def event(said: object) -> tuple[str, Thing] | None:
    """The name and the body of an event, or None where this is none: an event is an object of one key, or an error."""
    if isinstance(said, dict) and "resource_type" in said:
        return ERROR, said
    if not isinstance(said, dict) or len(said) != 1:
        return None
    [(name, body)] = said.items()
    return (name, body) if name in EVENTS and isinstance(body, dict) else None


def _told(name: str, said: Thing, row: Mapping[str, Any]) -> Overheard | None:
    return None if name == ERROR else compliance.overheard("x", {name: said}, row["subject"])


def _records(name: str, said: Thing, first: Mapping[str, str]) -> Iterator[Make]:
    if name == ERROR:
        yield partial(_missing, said, first)
    elif name == "tweet_edit":
        yield from _edited(said)
    elif name == "delete" and "favorite" in said:
        yield partial(_like, said)
    elif EVENTS[name].about == _POST:
        yield partial(_post, name, said, first)
    else:
        yield partial(_account, name, said)


# --- posts ---------------------------------------------------------------------------------------------------


def _post(name: str, said: Thing, first: Mapping[str, str]) -> Columns:
    """The newest edition of a post that the event took out: no words, and a lifecycle that keeps it out."""
    inner = thing(said.get("tweet", said.get("status")), "the post of an event") or said
    id = _required(inner, "id", "the post of an event")
    author = id_of(inner, "author_id", "the author") or id_of(inner, "user_id", "the author")
    return {
        **_empty("post", id, author, EVENTS[name], said),
        "collected_at": snowflake_time(id),
        "collected_evidence": "snowflake" if snowflake_time(id) else None,
        "upstream": "deleted" if name == "delete" else None,
        "revision_of": first.get(id),
        "revision": _edition(name, said),
    }


def _edited(said: Thing) -> Iterator[Make]:
    """For each older version an edition between it and the next one."""
    try:
        ids = _versions(said)
    except Unreadable as fault:
        yield partial(_refused, fault)
        return
    for id, later in pairwise(ids):
        yield partial(_older, said, id, later, ids[0])


def _older(said: Thing, id: str, later: str, first: str) -> Columns:
    about = _empty("post", id, None, EVENTS["tweet_edit"], said)
    return {**about, "revision": edition(later) - 1, "revision_of": None if id == first else first}


def _versions(said: Thing) -> list[str]:
    """The ids of all versions, oldest first; at least two."""
    ids = [x_id(one, "an id of an edit") for one in words_in(said.get("edit_tweet_ids"), "edit_tweet_ids")]
    initial = id_of(said, "initial_tweet_id", "the first version")
    inner = thing(said.get("tweet"), "the post of an event") or said
    newest = _required(inner, "id", "the post of an event")
    ids = ids or [one for one in (initial, newest) if one is not None]
    if len(ids) < 2 or sorted(set(ids), key=int) != ids or ids[-1] != newest or (initial or ids[0]) != ids[0]:
        raise Unreadable("an edit whose versions do not add up")
    return ids


def _edition(name: str, said: Thing) -> int:
    """An event without a time counts as the last of its kind where it closes, as the first where it lifts."""
    when = moment(said)
    tier = LASTING if EVENTS[name].lasting else PASSING
    lifts = EVENTS[name].lifecycle == "restored"
    offset = (when - EPOCH) // timedelta(milliseconds=1) if when is not None else (0 if lifts else SPAN - 1)
    return tier + max(0, min(offset, SPAN - 1))


ERROR = "errors"
MISSING: Mapping[str, str | None] = {"resource-not-found": GONE, "not-authorized-for-resource": None}
"""Errors of v2 about a post that was asked for and is not shown: what they say of its lifecycle."""


def _missing(said: Thing, first: Mapping[str, str]) -> Columns:
    """An error about one post, as an edition without words: X shows that post to nobody, or not to whoever asked."""
    kind = str(said.get("type")).rpartition("/")[2]
    if said.get("resource_type") != "tweet" or kind not in MISSING:
        raise Unreadable("an error and no payload")
    id = x_id(said.get("resource_id"), "the post of an error")
    effect = Effect(_POST, MISSING[kind])
    return {**_empty("post", id, None, effect, {}), "revision_of": first.get(id), "revision": LASTING - 1}


# --- likes and accounts --------------------------------------------------------------------------------------


def _like(said: Thing) -> Columns:
    inner = thing(said.get("favorite"), "the like of an event") or {}
    post = id_of(inner, "tweet_id", "a liked post") or _required(inner, "id", "a liked post")
    who = _required(inner, "user_id", "who liked")
    about = _empty("like", f"like:{who}:{post}", who, EVENTS["delete"], said)
    return {**about, "categories": ["user.behavior"], "revision": LASTING}


def _account(name: str, said: Thing) -> Columns:
    """What happened to an account, one record an event."""
    inner = thing(said.get("user"), "the account of an event") or said
    who = id_of(inner, "id", "the account of an event") or _required(inner, "user_id", "the account of an event")
    when = moment(said)
    at = when.isoformat(timespec="milliseconds") if when is not None else "at an unknown time"
    about = _empty("profile", f"{name}:{who}:{at}", who, EVENTS[name], said)
    return {**about, "categories": ["user.account"]}


def moment(said: Thing) -> datetime | None:
    """When an event happened, in whichever of three ways it says so."""
    return millis(said.get("timestamp_ms")) or iso_time(said.get("event_at")) or iso_time(said.get("timestampMs"))


def _empty(kind: str, id: str, who: str | None, effect: Effect, said: Thing) -> Columns:
    """A record without words. Its audience is unknown unless the event says it."""
    codes = words_in(said.get("withheld_in_countries"), "withheld_in_countries")
    lifecycle = standing(codes or ["?"], None) if effect.countries else effect.lifecycle
    return {
        "record_id": id,
        "kind": kind,
        "subject": who,
        "lifecycle": lifecycle,
        "categories": ["user.content.public"],
        "audience_at": effect.audience,
        "audience_now": effect.audience,
        "audience_evidence": "a compliance event" if effect.audience else None,
        "labels": [],
        "signals": [],
        "parties": [],
        "parts": [],
    }


def _required(said: Thing, name: str, what: str) -> str:
    found = id_of(said, name, what)
    if found is None:
        raise Unreadable(f"{what} has no id")
    return found


def _refused(fault: Unreadable) -> Columns:
    raise fault
