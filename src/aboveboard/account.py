"""How an account stood when a record was collected, stands now, and stood in between.

Facts are observations: a row holds from its moment until the next one, and ``None`` in it means unknown. Events
of the ledger (deleted, restored, moved, age changed) are observations of one field. At one instant the most
restrictive wins. A restriction in the ledger (deleted, suspended, protected ...) stands until the ledger lifts that
very one, whatever a facts table says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeVar

from aboveboard import vocabulary
from aboveboard.choice import LIFTS, RESTRICTS, Event, Facts

BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Earlier than anything: the first day is left to mean "unknown" in tables."""
LIFTED = frozenset({"memorial", "suspended", "deleted"})
"""States whose lifting counts only for what is collected afterwards."""

_STATE_RANK = {"active": 0, None: 1, "deactivated": 2, "memorial": 3, "suspended": 4, "deleted": 5}
_PROTECTED_RANK = {False: 0, None: 1, True: 2}
_AGE_RANK = {"adult": 0, None: 1, "13_17": 2, "under_13": 3}
_MINOR = ("under_13", "13_17")

_T = TypeVar("_T")


class Span(NamedTuple):
    """What is known of an account from ``start`` until the next span; a tuple, because every account has some."""

    start: datetime
    state: str | None
    protected: bool | None
    age_band: str | None
    residency: str | None
    last_interaction: datetime | None
    age_observed: bool = True


class Standing(NamedTuple):
    """An account as one judgement sees it; a tuple, because standings are compared for every record.

    Fields in ``_at`` are at collection; without ``_at``, now.

    ``*_between`` look at the whole stretch from collection until now. ``minor_until`` ends the last stretch in which
    the person was known to be a minor, ``age_gap_until`` the last one before collection in which nobody knew.
    """

    state: str | None = None
    lifted_between: bool = False
    state_gap_between: bool = True
    protected_at: bool | None = None
    protected: bool | None = None
    protected_between: bool = False
    protected_gap_between: bool = True
    age_at: str | None = None
    age: str | None = None
    minor_until: datetime | None = None
    age_gap_until: datetime | None = None
    residency_at: str | None = None
    residency: str | None = None
    suppressed: bool = False

    @property
    def open_throughout(self) -> bool:
        """Whether the account is known to have been unprotected from collection until now."""
        hidden = self.protected_between or self.protected_gap_between
        return self.protected_at is False and self.protected is False and not hidden


def timeline(facts: Iterable[Facts], events: Iterable[Event], as_of: datetime) -> tuple[Span, ...]:
    """The spans of one account up to ``as_of``, oldest first."""
    facts = tuple(facts)
    known = [event for event in events if _observes(event) and event.recorded_at <= as_of]
    if len(facts) == 1 and not known:
        return _observed_once(facts[0], as_of)
    rows, heard = _by_moment(facts, _from, as_of), _by_moment(known, _observed_at, as_of)
    spans: list[Span] = []
    newest: Sequence[Facts] = ()
    ages: Sequence[str | None] = ()
    homes: Sequence[str | None] = ()
    ledger: dict[str, Sequence[Event]] = {}
    for start in sorted({*rows, *heard}):  # what was observed last holds, each field by itself
        seen, told = rows.get(start, ()), heard.get(start, ())
        newest = seen or newest
        ages = _ages(seen, told) or ages
        homes = _homes(seen, told) or homes
        ledger |= _by_restriction(told)
        said = [event for events in ledger.values() for event in events]
        spans.append(
            Span(
                start,
                state=_state(newest, said),
                protected=_protected(newest, said),
                age_band=max(ages, key=_AGE_RANK.__getitem__, default=None),
                age_observed=bool(ages),
                residency=homes[0] if len(set(homes)) == 1 else None,
                last_interaction=_in_utc(_earliest([row.last_interaction for row in newest])),
            )
        )
    return tuple(spans)


def _observed_once(row: Facts, as_of: datetime) -> tuple[Span, ...]:
    """The same for one observation: most accounts have no more."""
    if (start := _from(row)) > as_of:
        return ()
    return _alone(start, row.state, row.protected, row.age_band, row.residency, _in_utc(row.last_interaction))


@lru_cache(maxsize=1 << 16)  # many accounts are described alike, and then they share one value
def _alone(
    start: datetime, state: str | None, protected: bool | None, age: str | None, home: str | None, last: datetime | None
) -> tuple[Span, ...]:
    state, age = _known(state, vocabulary.ACCOUNT_STATES), _known(age, vocabulary.AGE_BANDS)
    return (Span(start, state, protected, age, vocabulary.known_residency(home), last),)


def standing(
    facts: Sequence[Facts], events: Sequence[Event], collected_at: datetime | None, as_of: datetime
) -> Standing:
    """How the account stood and stands, for a record collected at ``collected_at`` (None: unknown)."""
    return stood(timeline(facts, events, as_of), is_suppressed(events, as_of), collected_at)


def is_suppressed(events: Iterable[Event], as_of: datetime) -> bool:
    """Whether the person asked to be erased and did not undo it; where both were recorded at one moment, it holds.

    Once they are erased the ledger has no event of theirs: then ``Snapshot.suppressions`` answers.
    """
    heard = [event for event in events if event.type in _ABOUT_ERASURE and event.recorded_at <= as_of]
    if not heard:
        return False
    asked = [event.recorded_at for event in heard if event.type == "suppressed"]
    undone = [e.recorded_at for e in heard if e.type == "unsuppressed" and e.verified and not e.overreaches]
    return bool(asked) and (not undone or max(asked) >= max(undone))


_ABOUT_ERASURE = frozenset({"suppressed", "unsuppressed"})


def stood(spans: tuple[Span, ...], suppressed: bool, collected_at: datetime | None) -> Standing:
    """The standing at one time of collection, from the whole life of the account."""
    if not spans:
        return Standing(suppressed=suppressed)
    if len(spans) == 1:
        return _stood_alike(spans[0], suppressed, collected_at)
    begun = bisect_right(spans, collected_at, key=_start) if collected_at is not None else len(spans)
    early = begun == 0  # collected before anything is known of the account
    then = spans[begun - 1] if begun and collected_at is not None else None
    between = spans[begun - 1 :] if then else spans
    now = spans[-1]
    states, protected = {span.state for span in between}, {span.protected for span in between}
    return Standing(
        state=now.state,
        lifted_between=not LIFTED.isdisjoint(states),
        state_gap_between=early or None in states,
        protected_at=then.protected if then else None,
        protected=now.protected,
        protected_between=True in protected,
        protected_gap_between=early or None in protected,
        age_at=then.age_band if then else None,
        age=now.age_band,
        # Nobody grows younger: a minor at any time was one before it.
        minor_until=_end_of_last(spans, _MINOR),
        age_gap_until=_later(_end_of_last(spans[: begun + 1], (None,)), _first_known(spans)),
        # With no time of collection there is no place of then: the missing time itself holds the record.
        residency_at=now.residency if collected_at is None else then.residency if then else None,
        residency=now.residency,
        suppressed=suppressed,
    )


def _stood_alike(span: Span, suppressed: bool, collected_at: datetime | None) -> Standing:
    """The same for an account of which one thing was observed: it stood so all the time, or nobody knows how."""
    early = collected_at is not None and collected_at < span.start
    _, state, protected, age, home, _, _ = span
    seen = collected_at is not None and not early
    return Standing(
        state,
        state in LIFTED,
        early or state is None,
        protected if seen else None,
        protected,
        protected is True,
        early or protected is None,
        age if seen else None,
        age,
        None,
        _first_known((span,)),
        None if early else home,
        home,
        suppressed,
    )


def _start(span: Span) -> datetime:
    return span.start


def _end_of_last(spans: Sequence[Span], ages: Container[str | None]) -> datetime | None:
    """Where the last span ends in which such an age was observed; None if there is none or it still runs."""
    if len(spans) < 2:
        return None
    ends = [after.start for span, after in pairwise(spans) if span.age_observed and span.age_band in ages]
    return ends[-1] if ends else None


def _first_known(spans: Sequence[Span]) -> datetime | None:
    """Before the first thing known of an age, it is unknown; None where it is known from the beginning."""
    for span in spans:
        if span.age_observed:
            return None if span.start <= BEGINNING else span.start
    return None


def _from(row: Facts) -> datetime:
    return max(row.valid_from, BEGINNING) if row.valid_from else BEGINNING


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return one or other if one is None or other is None else max(one, other)


def _observes(event: Event) -> bool:
    """Whether an event is an observation of the account. An unverified one can only raise a doubt."""
    if event.type in RESTRICTS:
        return True
    return event.verified and not event.overreaches and event.type in (*LIFTS, "age_changed", "moved")


def _observed_at(event: Event) -> datetime:
    at = min(event.effective_at, event.recorded_at) if event.type in RESTRICTS else event.counts_from
    return max(at, BEGINNING)


def _by_moment(rows: Iterable[_T], at: Callable[[_T], datetime], as_of: datetime) -> Mapping[datetime, list[_T]]:
    """The rows of each moment up to ``as_of``."""
    found: dict[datetime, list[_T]] = {}
    for row in rows:
        if (moment := at(row)) <= as_of:
            found.setdefault(moment, []).append(row)
    return found


def _ages(seen: Iterable[Facts], told: Iterable[Event]) -> Sequence[str | None]:
    values = [*(row.age_band for row in seen), *(event.value for event in told if event.type == "age_changed")]
    return [_known(value, vocabulary.AGE_BANDS) for value in values]


def _homes(seen: Iterable[Facts], told: Iterable[Event]) -> Sequence[str | None]:
    values = [*(row.residency for row in seen), *(event.value for event in told if event.type == "moved")]
    return [vocabulary.known_residency(value) for value in values]


def _by_restriction(told: Iterable[Event]) -> Mapping[str, Sequence[Event]]:
    """What the ledger says at one instant of each restriction: that it holds, or that it was lifted."""
    found: dict[str, list[Event]] = {}
    for event in told:
        if (restriction := LIFTS.get(event.type, event.type)) in RESTRICTS:
            found.setdefault(restriction, []).append(event)
    return found


_STATES = {"deleted": "deleted", "suspended": "suspended", "deactivated": "deactivated", "withheld": None}
"""The state that a restriction in the ledger means. Withheld in some countries: in which it stands, nobody knows."""


def _state(newest: Sequence[Facts], said: Iterable[Event]) -> str | None:
    """The stricter of what the facts say and what the ledger says; the ledger alone never makes an account active."""
    states = [_known(row.state, vocabulary.ACCOUNT_STATES) for row in newest] or [None]
    states += [_STATES[event.type] if event.verified else None for event in said if event.type in _STATES]
    return max(states, key=_STATE_RANK.__getitem__)


def _protected(newest: Sequence[Facts], said: Iterable[Event]) -> bool | None:
    """Likewise: the ledger alone never makes an account open."""
    known = [row.protected for row in newest] or [None]
    known += [True if event.verified else None for event in said if event.type == "protected"]
    return max(known, key=_PROTECTED_RANK.__getitem__)


def _known(value: str | None, closed: Sequence[str]) -> str | None:
    return value if value in closed else None


def _in_utc(moment: datetime | None) -> datetime | None:
    """The same moment in the calendar of UTC. INVARIANT: months are counted from it, and moments that are equal are one to
    whoever remembers answers, so they have to have one calendar."""
    return moment if moment is None or moment.tzinfo is UTC else moment.astimezone(UTC)


def _earliest(moments: Sequence[datetime | None]) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if len(known) == len(moments) and known else None
