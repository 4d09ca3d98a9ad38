"""What people said: events, and the fold that turns them into the choice in force for one record.

The fold answers for one leaf scope (category, purpose, recipient) and one moment of collection: the newest
*effective* event among those that cover it, parent and child scopes alike; ties go to the stricter; arrival order
never matters. A yes reaches data collected from the moment it took effect on, and older data only where it names
it; a no reaches everything, unless it names a window. Specification: docs/formats/event.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Protocol

from aboveboard import suppression, vocabulary
from aboveboard.errors import LedgerError
from aboveboard.suppression import Suppressions

GRANTS = frozenset({"given", "renewed"})
DENIES = frozenset({"refused", "withdrawn", "objected"})
CHOICES = GRANTS | DENIES | {"expired"}
"""What says yes or no about data; everything else is what happened to an account, was shown or was agreed."""
LIFTS = {
    "restored": "deleted", "unsuspended": "suspended", "reactivated": "deactivated", "unwithheld": "withheld",
    "unprotected": "protected",
}  # fmt: skip
"""What may be said of an account to lift a restriction, and which: it lifts that one and no other."""
RESTRICTS = frozenset(LIFTS.values())
RECORD_TYPES = (
    "record_deleted", "record_removed", "record_restored", "record_withheld", "record_unwithheld", "record_edited",
)  # fmt: skip
"""What may be said of one record, whose id is the value; the relate pass hears it, and no choice depends on it."""
RECORD_GONE = frozenset({"record_deleted", "record_removed", "record_withheld", "record_edited"})
"""Those after which the record, as it was released, may not be used."""
WITHDRAWING = DENIES | RESTRICTS | RECORD_GONE | {"record_withdrawn", "suppressed", "contract_bound", "geo_scrubbed"}
"""What has to reach releases that were made before: a no of any sort, and what takes a person or a record away."""
RECORD = "record:"
"""Before the id of a record: how it is called where people are named, and whose events are those of nobody known."""
ACCOUNT_TYPES = frozenset({"age_changed", "moved", *LIFTS, *RESTRICTS, "suppressed", "unsuppressed", "geo_scrubbed"})
TYPES = (
    "given", "renewed", "refused", "withdrawn", "objected", "expired", "contract_bound", "notice_shown",
    "age_changed", "moved", "deleted", "restored", "suppressed", "unsuppressed", "suspended", "unsuspended", "deactivated",
    "reactivated", "withheld", "unwithheld", "protected", "unprotected", "geo_scrubbed", *RECORD_TYPES, "record_withdrawn",
)  # fmt: skip
ACTORS = ("subject", "parent", "estate", "tenant_admin", "operator", "stranger")
CLOSE_ONLY = frozenset({"tenant_admin", "stranger"})
"""Actors who may record what closes a door, and nothing that opens one."""
OPENING = GRANTS | {
    *LIFTS, "record_restored", "record_unwithheld", "age_changed", "moved", "notice_shown", "unsuppressed",
}  # fmt: skip
"""Types that may let data in: a yes, an account that is back, an age or a place under milder rules, a notice, an erasure
that was undone."""
METHOD_ACTORS = {"estate": "estate", "parental": "parent"}
"""Methods that open doors of their own, with the one actor whose word they are."""

STATES = ("given", "silent", "unknown", "expired", "refused", "objected", "withdrawn")
"""What a scope can be in, mildest first: the position is the strictness, and the strictest label decides a part."""
DENIED = frozenset({"refused", "objected", "withdrawn"})

SENSITIVE = (*vocabulary.BIOMETRIC, *vocabulary.SPECIAL, "user.government_id", "user.location.precise")
"""Kinds of data that need an explicit yes: one that names the purpose, and this kind or one below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing somebody said or that happened to an account; times are aware datetimes.

    A scope field that is None means "all". ``expires_at`` is already a moment (calendar months are resolved in
    the person's zone when the event is written). ``effective_verified`` says that evidence supports an
    ``effective_at`` before ``recorded_at``; without it a yes never counts from before it was recorded.
    """

    subject: str
    type: str
    recorded_at: datetime
    effective_at: datetime
    category: str | None = None
    purpose: str | None = None
    recipient: str | None = None
    past_from: datetime | None = None
    past_to: datetime | None = None
    expires_at: datetime | None = None
    verified: bool = True
    effective_verified: bool = False
    actor: str = "subject"
    method: str = ""
    notice: str | None = None
    language: str | None = None
    vocabulary: int = vocabulary.VERSION
    value: str | None = None
    position: int = 0
    external_id: str | None = None

    @property
    def counts_from(self) -> datetime:
        """The moment the fold orders this event by. INVARIANT: a backdated yes must not rewrite history."""
        if self.type in DENIES or self.type == "expired" or self.effective_verified:
            return self.effective_at
        return max(self.effective_at, self.recorded_at)

    @property
    def overreaches(self) -> bool:
        """Somebody who may only close tries to open. No ledger takes it; if one holds it, nobody hears it."""
        return self.actor in CLOSE_ONLY and self.type in OPENING

    @property
    def counted_method(self) -> str:
        """How it was said, as far as it counts: only an estate speaks as one, and only a parent as a parent."""
        return self.method if METHOD_ACTORS.get(self.method, self.actor) == self.actor else ""


def validate(event: Event) -> Event:
    """The event itself, or LedgerError / VocabularyError: what may stand in a ledger at all."""
    vocabulary.member("event type", event.type, TYPES)
    vocabulary.member("actor", event.actor, ACTORS)
    if not event.subject:
        raise LedgerError("an event without a subject", hint="name the stable account id")
    if event.category is not None:
        vocabulary.category(event.category)
    if event.purpose is not None:
        vocabulary.purpose(event.purpose)
    if event.recipient is not None and event.recipient not in ("affiliate", "third_party", "processor"):
        vocabulary.recipient(event.recipient)
    _validate_actor(event)
    if event.type == "age_changed":
        vocabulary.member("age band", event.value or "", vocabulary.AGE_BANDS)
    if event.type == "record_withdrawn" and "/" not in (event.value or ""):
        raise LedgerError(
            "a withdrawal of one record names none", hint="as the value: the name of its source, a slash, its id"
        )
    if event.type == "moved" and vocabulary.known_residency(event.value) is None:
        raise LedgerError(f"`{event.value}` is not a residency", hint="an ISO 3166-1 code such as DE or US-TX")
    if event.type in RECORD_TYPES and not event.value:
        raise LedgerError(f"`{event.type}` of no record", hint="its value is the id of the record")
    if event.past_from and event.past_to and event.past_from >= event.past_to:
        raise LedgerError("past data ends before it begins", hint="past_from is earlier than past_to")
    return event


def _validate_actor(event: Event) -> None:
    """INVARIANT: whoever may only close opens nothing, and nobody speaks as an estate or a parent but they."""
    if event.overreaches:
        raise LedgerError(
            f"`{event.actor}` cannot record `{event.type}` for `{event.subject}`",
            hint="administrators and strangers may only close: record it as the person, a parent, the estate "
            "or the operator",
        )
    if event.counted_method != event.method:
        raise LedgerError(
            f"`{event.actor}` cannot speak by the method `{event.method}` for `{event.subject}`",
            hint=f"this method is only for the actor `{METHOD_ACTORS[event.method]}`; name the actor or another method",
        )


class Choice(NamedTuple):
    """The choice in force for one scope and moment of collection; a tuple, because one is made for every question.

    ``past``: a yes that names this older data. ``since``: when that yes counts from. ``method``: how it was said
    (``parental``, ``estate``, ``portal`` ...), as far as it counts. ``events``: the ones that decided, for
    explanations.
    """

    state: str = "silent"
    past: bool = False
    since: datetime | None = None
    method: str = ""
    events: tuple[Event, ...] = ()

    @property
    def denied(self) -> bool:
        return self.state in DENIED


class _Piece(NamedTuple):
    """One stretch of collection time that an event speaks about."""

    event: Event
    state: str
    past: bool
    order: tuple[datetime, int, bool, str]


def fold(
    events: Iterable[Event], category: str, purpose: str, recipient: str, collected_at: datetime | None, as_of: datetime
) -> Choice:
    """The choice in force at ``as_of`` for one leaf scope, about data collected at ``collected_at``."""
    pieces = [
        piece
        for event in events
        if event.type in CHOICES and event.recorded_at <= as_of and reaches(event, category, purpose, recipient)
        for piece in _pieces(event, collected_at, as_of)
    ]
    if not pieces:
        return SILENCE
    if len(pieces) == 1:  # as most people speak once
        [piece] = pieces
        return _heard(piece) if piece.event.verified else Choice("unknown", events=(piece.event,))
    heard = max((p for p in pieces if p.event.verified), key=lambda p: p.order, default=None)
    doubt = max((p for p in pieces if not p.event.verified), key=lambda p: p.order, default=None)
    if doubt is not None and (heard is None or (heard.state not in DENIED and doubt.order[0] >= heard.order[0])):
        return Choice("unknown", events=(doubt.event,))
    return SILENCE if heard is None else _heard(heard)


SILENCE = Choice()


def _heard(piece: _Piece) -> Choice:
    return Choice(piece.state, piece.past, piece.order[0], piece.event.counted_method, (piece.event,))


def reaches(event: Event, category: str, purpose: str, recipient: str) -> bool:
    """Whether the scope of an event covers this leaf scope.

    A no covers everything related to it, broader labels included; a yes only what it names and only words that
    existed when it was said.
    """
    named = (event.type in GRANTS, event.category, event.purpose, event.recipient, event.vocabulary)
    return _covers(*named, category, purpose, recipient)


@lru_cache(maxsize=1 << 16)  # few scopes are ever named, by many people
def _covers(
    grants: bool, named: str | None, use: str | None, whom: str | None, words: int,
    category: str, purpose: str, recipient: str,
) -> bool:  # fmt: skip
    """:func:`reaches`, of the scope that an event names and the version of the words it was said in."""
    if whom is not None and not vocabulary.recipient_covers(whom, recipient):
        return False
    if grants:
        return (named is None or vocabulary.grants([named], category, vocabulary.CATEGORIES, words)) and (
            use is None or vocabulary.grants([use], purpose, vocabulary.PURPOSES, words)
        )
    related = named is None or vocabulary.covers(named, category) or vocabulary.covers(category, named)
    return related and (use is None or vocabulary.covers(use, purpose))


def record_key(source: str, record_id: str) -> str:
    """How an event names one record: the source, which has no slash in its name, and the id there."""
    return f"{source}/{record_id}"


def named_by(event: Event) -> tuple[str, str]:
    """The record that an event takes out, as ``record_key`` gives it: with its source, and where nobody knows the source."""
    value = event.value or ""
    return value, record_key("", value.partition("/")[2])


def takes_out(event: Event, purpose: str, recipient: str) -> bool:
    """Whether an event takes one record of its subject out of this use. It is for good: no later yes brings it back."""
    if event.type != "record_withdrawn":
        return False
    named = event.recipient is None or vocabulary.recipient_covers(event.recipient, recipient)
    return named and (event.purpose is None or vocabulary.covers(event.purpose, purpose))


def is_explicit(event: Event) -> bool:
    """Whether a yes names a purpose, and a kind of data that needs to be named: one at or below a sensitive root.

    With :func:`reaches`, which it leaves to ask: a yes about one such kind says nothing about another.
    """
    named = event.category is not None and vocabulary.covered_by(SENSITIVE, event.category)
    return named and event.purpose is not None


def explicit(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events without every yes that is not explicit: a yes to everything neither gives nor closes an explicit one."""
    return tuple(event for event in events if event.type not in GRANTS or is_explicit(event))


def sensitive(labels: Iterable[str]) -> tuple[str, ...]:
    """What needs an explicit yes in data with these labels: a label below a root, or the root that a broad one includes."""
    below = {label for label in labels if vocabulary.covered_by(SENSITIVE, label)}
    included = {root for root in SENSITIVE for label in labels if vocabulary.covers(label, root)}
    return tuple(sorted(below | included))


def _pieces(event: Event, collected_at: datetime | None, as_of: datetime) -> list[_Piece]:
    if event.type in GRANTS:
        return _yes(event, collected_at, as_of)
    if event.type in DENIES or event.type == "expired":
        return _no(event, collected_at, as_of)
    return []


def _yes(event: Event, collected_at: datetime | None, as_of: datetime) -> list[_Piece]:
    if not event.verified or event.overreaches or event.counts_from > as_of:
        return []
    if collected_at is None:  # nobody can say that a yes covers an unknown moment
        return []
    past = names_past(event, collected_at)
    if not past and collected_at < event.counts_from:
        return []
    expired = event.expires_at is not None and event.expires_at <= as_of
    return [_piece(event, "expired" if expired else "given", past)]


def _no(event: Event, collected_at: datetime | None, as_of: datetime) -> list[_Piece]:
    lapsed = not event.verified and event.expires_at is not None and event.expires_at <= as_of
    windowed = event.past_from is not None or event.past_to is not None
    outside = windowed and collected_at is not None and not names_past(event, collected_at)
    return [] if lapsed or outside else [_piece(event, event.type, False)]


def names_past(event: Event, collected_at: datetime) -> bool:
    """Whether the event names older data that includes this moment."""
    if event.past_from is None and event.past_to is None:
        return False
    return (event.past_from is None or event.past_from <= collected_at) and (
        event.past_to is None or collected_at < event.past_to
    )


def _piece(event: Event, state: str, past: bool) -> _Piece:
    return _Piece(event, state, past, (event.counts_from, STATES.index(state), past, event.counted_method))


def join(choices: Sequence[Choice]) -> Choice:
    """One choice for data with several labels: the strictest; a yes only where every label has one."""
    if len(choices) == 1:
        [one] = choices
        return one if one.state == "given" else Choice(one.state, events=one.events)
    strictest = max((c.state for c in choices), key=STATES.index)
    same = [c for c in choices if c.state == strictest]
    if strictest != "given":
        return Choice(strictest, events=tuple(e for c in same for e in c.events))
    methods = {c.method for c in choices}
    return Choice(
        "given",
        past=all(c.past for c in choices),
        since=min(c.since for c in choices if c.since is not None),
        method=methods.pop() if len(methods) == 1 else "",
        events=tuple(dict.fromkeys(e for c in same for e in c.events)),
    )


def contract_excludes(events: Iterable[Event], category: str, purpose: str, recipient: str, as_of: datetime) -> bool:
    """Whether a contract of the person's organisation excludes this scope. Contracts only ever say no."""
    return any(
        event.type == "contract_bound"
        and event.recorded_at <= as_of
        and (event.expires_at is None or event.expires_at > as_of)
        and reaches(event, category, purpose, recipient)
        for event in events
    )


def notice_at(events: Iterable[Event], notices: Iterable[str], as_of: datetime) -> datetime | None:
    """When a notice with one of these text digests was first shown to the person, provably; None if never."""
    known = set(notices)
    shown = [
        event.counts_from
        for event in events
        if event.type == "notice_shown"
        and event.verified
        and not event.overreaches
        and event.notice in known
        and max(event.counts_from, event.recorded_at) <= as_of
    ]
    return min(shown, default=None)


class Snapshot(Protocol):
    """What the gate needs to know about people, fixed at one ledger position. Reads are repeatable."""

    @property
    def position(self) -> int:
        """The position of the last event that counts."""

    def events_of(self, subject: str) -> Sequence[Event]:
        """The events of one subject up to ``position``, in any order."""

    def facts_of(self, subject: str) -> Sequence[Facts]:
        """What the platform attests about one account, in any order."""

    @property
    def suppressions(self) -> Suppressions:
        """Who was erased here, at whatever position: of them the ledger has no name any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a platform attests about an account from a moment on, until the next row; None means unknown.

    Not so in ``valid_from``: there None is the statement "from the beginning", and never an unknown.
    """

    subject: str
    valid_from: datetime | None = None
    state: str | None = None
    protected: bool | None = None
    age_band: str | None = None
    residency: str | None = None
    last_interaction: datetime | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class People:
    """A snapshot held in memory: events and facts by subject (tests, explanations, case files)."""

    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    facts: Mapping[str, Sequence[Facts]] = field(default_factory=dict)
    position: int = 0
    suppressions: Suppressions = suppression.NONE

    def events_of(self, subject: str) -> Sequence[Event]:
        return self.events.get(subject, ())

    def facts_of(self, subject: str) -> Sequence[Facts]:
        return self.facts.get(subject, ())


def people(
    events: Iterable[Event] = (), facts: Iterable[Facts] = (), suppressions: Suppressions = suppression.NONE
) -> People:
    """A snapshot of these events and facts."""
    by_event: dict[str, list[Event]] = {}
    by_facts: dict[str, list[Facts]] = {}
    for event in events:
        by_event.setdefault(event.subject, []).append(event)
    for row in facts:
        by_facts.setdefault(row.subject, []).append(row)
    position = max((e.position for rows in by_event.values() for e in rows), default=0)
    return People(by_event, by_facts, position, suppressions)
