"""How an account stood when a record was collected, stands now, and stood in between.

Facts are observations: a row holds from its moment until the next one, and ``None`` in it means unknown. Events
of the ledger (deleted, restored, moved, age changed) are observations of one field. At one instant the most
restrictive wins. A deletion in the ledger stands until the ledger says restored, whatever a facts table says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from aboveboard import vocabulary
from aboveboard.choice import Event, Facts

BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Earlier than anything: the first day is left to mean "unknown" in tables."""
LIFTED = frozenset({"memorial", "suspended", "deleted"})
"""States whose lifting counts only for what is collected afterwards."""

_STATE_RANK = {"active": 0, None: 1, "deactivated": 2, "memorial": 3, "suspended": 4, "deleted": 5}
_PROTECTED_RANK = {False: 0, None: 1, True: 2}
_AGE_RANK = {"adult": 0, None: 1, "13_17": 2, "under_13": 3}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Span:
    """What is known of an account from ``start`` until the next span."""

    start: datetime
    state: str | None
    protected: bool | None
    age_band: str | None
    residency: str | None
    last_interaction: datetime | None
    age_observed: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as one judgement sees it. Fields in ``_at`` are at collection; without ``_at``, now.

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
    last_interaction: datetime | None = None
    suppressed: bool = False

    @property
    def open_throughout(self) -> bool:
        """Whether the account is known to have been unprotected from collection until now."""
        hidden = self.protected_between or self.protected_gap_between
        return self.protected_at is False and self.protected is False and not hidden


def timeline(facts: Iterable[Facts], events: Iterable[Event], as_of: datetime) -> tuple[Span, ...]:
    """The spans of one account up to ``as_of``, oldest first."""
    rows = [row for row in facts if (_from(row)) <= as_of]
    said = [event for event in events if event.recorded_at <= as_of and _observed_at(event) <= as_of]
    starts = sorted({*(_from(row) for row in rows), *(_observed_at(e) for e in said if _observes(e))})
    return tuple(_span(start, rows, said) for start in starts)


def standing(
    facts: Sequence[Facts], events: Sequence[Event], collected_at: datetime | None, as_of: datetime
) -> Standing:
    """How the account stood and stands, for a record collected at ``collected_at`` (None: unknown)."""
    return stood(timeline(facts, events, as_of), is_suppressed(events, as_of), collected_at)


def is_suppressed(events: Iterable[Event], as_of: datetime) -> bool:
    """Whether the person was erased, and must not come back from elsewhere."""
    return any(event.type == "suppressed" and event.recorded_at <= as_of for event in events)


def stood(spans: tuple[Span, ...], suppressed: bool, collected_at: datetime | None) -> Standing:
    """The standing at one time of collection, from the whole life of the account."""
    if not spans:
        return Standing(suppressed=suppressed)
    before = [span for span in spans if collected_at is None or span.start <= collected_at]
    early = not before  # collected before anything is known of the account
    then = before[-1] if before and collected_at is not None else None
    between = spans[len(before) - 1 :] if before and collected_at is not None else spans
    now = spans[-1]
    return Standing(
        state=now.state,
        lifted_between=any(span.state in LIFTED for span in between),
        state_gap_between=early or any(span.state is None for span in between),
        protected_at=then.protected if then else None,
        protected=now.protected,
        protected_between=any(span.protected is True for span in between),
        protected_gap_between=early or any(span.protected is None for span in between),
        age_at=then.age_band if then else None,
        age=now.age_band,
        # Nobody grows younger: a minor at any time was one before it.
        minor_until=_end_of_last(spans, spans, lambda s: s.age_observed and s.age_band in ("under_13", "13_17")),
        age_gap_until=_later(
            _end_of_last(spans, before, lambda s: s.age_observed and s.age_band is None), _first_known(spans)
        ),
        # With no time of collection there is no place of then: the missing time itself holds the record.
        residency_at=now.residency if collected_at is None else then.residency if then else None,
        residency=now.residency,
        last_interaction=now.last_interaction,
        suppressed=suppressed,
    )


def _end_of_last(spans: Sequence[Span], before: Sequence[Span], is_one: Callable[[Span], bool]) -> datetime | None:
    """Where the last such span among those begun before collection ends; None if there is none or it still runs."""
    ends = [spans[i + 1].start for i, span in enumerate(before) if is_one(span) and i + 1 < len(spans)]
    return max(ends, default=None)


def _first_known(spans: Sequence[Span]) -> datetime | None:
    """Before the first thing known of an age, it is unknown; None where it is known from the beginning."""
    first = next((span.start for span in spans if span.age_observed), None)
    return None if first is None or first <= BEGINNING else first


def _from(row: Facts) -> datetime:
    return max(row.valid_from, BEGINNING) if row.valid_from else BEGINNING


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def _observes(event: Event) -> bool:
    """Whether an event is an observation of the account. An unverified one can only raise a doubt about deletion."""
    if event.type == "deleted":
        return True
    return event.verified and not event.overreaches and event.type in ("restored", "age_changed", "moved")


def _observed_at(event: Event) -> datetime:
    at = min(event.effective_at, event.recorded_at) if event.type == "deleted" else event.counts_from
    return max(at, BEGINNING)


def _span(start: datetime, rows: Sequence[Facts], said: Sequence[Event]) -> Span:
    newest = _newest(rows, lambda row: _from(row), start)
    ages = [(_from(row), _known(row.age_band, vocabulary.AGE_BANDS)) for row in rows]
    ages += [(_observed_at(e), _known(e.value, vocabulary.AGE_BANDS)) for e in said if _is(e, "age_changed")]
    homes = [(_from(row), vocabulary.known_residency(row.residency)) for row in rows]
    homes += [(_observed_at(e), vocabulary.known_residency(e.value)) for e in said if _is(e, "moved")]
    age = [value for _, value in _newest(ages, lambda pair: pair[0], start)]
    home = {value for _, value in _newest(homes, lambda pair: pair[0], start)}
    return Span(
        start,
        state=_state(newest, said, start),
        protected=max((row.protected for row in newest), key=_PROTECTED_RANK.__getitem__, default=None),
        age_band=max(age, key=_AGE_RANK.__getitem__, default=None),
        age_observed=bool(age),
        residency=home.pop() if len(home) == 1 else None,
        last_interaction=_earliest([row.last_interaction for row in newest]),
    )


def _state(newest: Sequence[Facts], said: Sequence[Event], start: datetime) -> str | None:
    """The stricter of what the facts say and what the ledger says; the ledger alone never makes an account active."""
    states = [_known(row.state, vocabulary.ACCOUNT_STATES) for row in newest] or [None]
    ledger = _newest([e for e in said if e.type == "deleted" or _is(e, "restored")], _observed_at, start)
    for event in ledger:
        if event.type == "deleted":
            states.append("deleted" if event.verified else None)
    return max(states, key=_STATE_RANK.__getitem__)


def _is(event: Event, kind: str) -> bool:
    return event.type == kind and event.verified and not event.overreaches


def _newest(rows: Iterable[_T], at: Callable[[_T], datetime], start: datetime) -> list[_T]:
    """The rows of the last instant not after ``start`` (several when they share it)."""
    past = [row for row in rows if at(row) <= start]
    last = max((at(row) for row in past), default=None)
    return [row for row in past if at(row) == last]


def _known(value: str | None, closed: Sequence[str]) -> str | None:
    return value if value in closed else None


def _earliest(moments: Sequence[datetime | None]) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if len(known) == len(moments) and known else None
