"""What a person can choose, what they chose, and what that does: three things, told apart.

A switch is one kind of data for one purpose and one recipient, as a clause of the policy has it. What it does is asked of the
gate itself, with a record made up for the question, so that no page can say other than what the next release will do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from aboveboard import vocabulary
from aboveboard.choice import GRANTS, Choice, Event, Facts, explicit, fold, people, sensitive
from aboveboard.gate import Decision, Gate, Job
from aboveboard.policy import Clause, Policy, PolicyVersion
from aboveboard.reasons import Outcome
from aboveboard.record import Part, Record

if TYPE_CHECKING:
    from aboveboard.portal.tenant import Tenant

EVERYTHING = vocabulary.AGE_GATED
"""What "everything off" closes: every purpose beyond running and securing the service, those of later policies too."""
GPC = ("third_party_sharing", "advertising")
"""What a browser that sends ``Sec-GPC: 1`` says no to: sale and sharing (CCPA 1798.120, 1798.135)."""
GPC_METHOD = "gpc"
METHOD = "portal"
_LEAVES = vocabulary.leaves(vocabulary.PURPOSES)
_job = lru_cache(maxsize=1024)(Job)
"""Every page asks for the same few jobs, and a job looks its words up in the whole vocabulary."""
_KINDS = {"user.employment": "employment", "user.biometric": "template", "user.authorization.biometric": "template",
          "user.communication": "message", "user.behavior": "like"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Switch:
    """One row of the choices: ``clause`` of ``version`` about one category, one leaf purpose and one recipient."""

    category: str
    purpose: str
    recipient: str
    clause: Clause
    version: PolicyVersion
    upcoming: bool = False

    @property
    def key(self) -> str:
        """Its name in a form."""
        return f"{self.purpose}|{self.category}|{self.recipient}"

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose: it is needed for what people asked for, or the law asks for it."""
        return self.clause.basis in ("contract", "legal_obligation") and self.clause.control is None

    @property
    def asks(self) -> bool:
        """Whether it needs a yes; the others hold unless somebody says no."""
        return self.clause.basis == "consent"


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to data of a switch: ``used``, ``not_used``, or ``used_from`` a moment unless the person says no."""

    state: str
    decision: Decision
    since: datetime | None = None

    def document(self) -> dict[str, Any]:
        reason = self.decision.decisive
        return {
            "state": self.state, "from": self.since and self.since.isoformat(), "reason": reason.code,
            "sentence": reason.sentence, "remedy": reason.remedy, "law": reason.law or None,
        }  # fmt: skip


@dataclass(frozen=True)
class Person:
    """One person as the judgement knows them, and nobody else."""

    subject: str
    events: Sequence[Event]
    facts: Sequence[Facts]

    @cached_property
    def _gates(self) -> dict[tuple[Tenant, Job, datetime], Gate]:
        return {}

    def gate(self, tenant: Tenant, job: Job, now: datetime) -> Gate:
        """The gate of a job at a moment, with this person alone before it: what it worked out it keeps for the next question."""
        asked = (tenant, job, now)
        if asked not in self._gates:
            ws = tenant.ws
            self._gates[asked] = Gate(ws.policy, people(self.events, self.facts), job, now, ws.regimes, ws.licences)
        return self._gates[asked]

    def choice(self, switch: Switch, now: datetime) -> Choice:
        """What they chose for data collected now."""
        said = explicit(self.events) if sensitive([switch.category]) else self.events
        return fold(said, switch.category, switch.purpose, _asked(switch.recipient), now, now)

    def until(self, position: int) -> Person:
        """The same person as they were when the ledger stood there."""
        return replace(self, events=[event for event in self.events if event.position <= position])

    def objecting(self, now: datetime) -> Person:
        """The same person with what their browser asks counted, as if they had said it now; nothing is recorded."""
        return replace(self, events=(*self.events, *gpc_events(self, now)))


def person(tenant: Tenant, subject: str) -> Person:
    """What is known of one person."""
    return Person(subject, tenant.ws.ledger.events_of(subject), tenant.ws.facts.facts_of(subject))


def switches(policy: Policy, now: datetime) -> Sequence[Switch]:
    """Every switch of the policy in force, then those that only an announced version brings."""
    found: dict[str, Switch] = {}
    current = policy.in_force(now)
    coming = [v for v in policy.versions if v.announced_at <= now < v.effective_from]
    for version in (*([current] if current else []), *coming):
        for one in _of_version(version, version is not current):
            found.setdefault(one.key, one)
    return tuple(found.values())


def _of_version(version: PolicyVersion, upcoming: bool) -> Iterator[Switch]:
    for clause in version.clauses:
        if clause.effect != "permit":
            continue
        for purpose in _leaves(clause.purposes):
            for category in clause.categories:
                for recipient in clause.recipients:
                    yield Switch(category, purpose, recipient, clause, version, upcoming)


def _leaves(purposes: Sequence[str]) -> Iterator[str]:
    return (leaf for leaf in _LEAVES if vocabulary.covered_by(purposes, leaf))


# --- what a choice does -------------------------------------------------------------------------------------------


def effect(tenant: Tenant, who: Person, switch: Switch, now: datetime, collected: datetime | None = None) -> Effect:
    """What happens to such data of this person: collected from now on, or at an earlier moment."""
    judged = _judged(tenant, who, switch, now, collected or now)
    if judged.outcome in (Outcome.PERMIT, Outcome.REDACT):
        return Effect("used", judged)
    for moment in _turns(tenant.ws.policy, who, now):
        later = _judged(tenant, who, switch, moment, collected or moment)
        if later.outcome in (Outcome.PERMIT, Outcome.REDACT):
            return Effect("used_from", judged, moment)
    return Effect("not_used", judged)


def _judged(tenant: Tenant, who: Person, switch: Switch, now: datetime, collected: datetime) -> Decision:
    asked = next((file.job for file in tenant.jobs if file.job.purpose == switch.purpose), None)
    uses = switch.clause.uses
    job = _job(
        switch.purpose, _asked(switch.recipient), use=uses[0] if uses else None,
        regime=asked.regime if asked else "strict",
    )  # fmt: skip
    return who.gate(tenant, job, now).decide(_made_up(who.subject, switch, collected))


def _made_up(subject: str, switch: Switch, collected: datetime) -> Record:
    """A record about which nothing stands in doubt but what the question is about."""
    audience = switch.clause.audience
    kind = next((kind for root, kind in _KINDS.items() if vocabulary.covers(root, switch.category)), "post")
    main = Part(categories=(switch.category,), audience_at=audience, audience_now=audience, content="words")
    return Record(
        "made-up", kind, subject, created_at=collected, collected_at=collected, collected_evidence="a question",
        audience_evidence="a question", main=main,
    )  # fmt: skip


def _turns(policy: Policy, who: Person, now: datetime) -> Sequence[datetime]:
    """The moments to come at which silence may begin to count."""
    shown = [event.counts_from for event in who.events if event.type == "notice_shown"]
    moments = {version.effective_from for version in policy.versions}
    for version in policy.versions:
        begins = (version.announced_at, version.effective_from, *shown)
        moments |= {version.notice_window.after(begin) for begin in begins}
    return sorted(moment for moment in moments if now < moment < now + timedelta(days=3_660))


def _asked(recipient: str) -> str:
    """A recipient that the gate can be asked about: of many, one that no clause names."""
    return recipient.replace(":*", ":any")


# --- saying it ----------------------------------------------------------------------------------------------------


def said(switch: Switch, who: Person, yes: bool, now: datetime, language: str, older: bool = False) -> Event | None:
    """The event that records an answer to a switch; None where it says what was said already.

    Saying no again is never recorded again (it is coalesced, and never turned away); a yes names the version it answers.
    """
    before = who.choice(switch, now)
    if yes and before.state == "given" and not (older and not _names_older(before)):
        return None
    if not yes and before.denied:
        return None
    kind = ("renewed" if older else "given") if yes else _no(switch, before)
    return Event(
        subject=who.subject, type=kind, recorded_at=now, effective_at=now, category=switch.category,
        purpose=switch.purpose, recipient=_named(switch.recipient), method=METHOD, language=language,
        notice=switch.version.text_sha256, past_to=switch.version.effective_from if yes and older else None,
    )  # fmt: skip


def _no(switch: Switch, before: Choice) -> str:
    if before.state == "given":
        return "withdrawn"
    return "refused" if switch.asks else "objected"


def _names_older(choice: Choice) -> bool:
    return any(event.past_from is not None or event.past_to is not None for event in choice.events)


def _named(recipient: str) -> str:
    """A recipient as an event names it: whoever answers about many answers about all of the kind."""
    return recipient.removesuffix(":*")


def everything_off(who: Person, now: datetime, language: str, purposes: Sequence[str] = EVERYTHING) -> Sequence[Event]:
    """The events that say no to all data and all recipients for these purposes, but for those that were said already."""
    return [
        Event(subject=who.subject, type="objected", recorded_at=now, effective_at=now, purpose=purpose, method=METHOD,
              language=language)
        for purpose in purposes
        if not is_off(who, purpose, now)
    ]  # fmt: skip


def is_off(who: Person, purpose: str, now: datetime) -> bool:
    """Whether all data is closed to a purpose and everything below it, whatever kind it is and whoever asks."""
    latest = max(
        (e for e in who.events if _whole_no(e, purpose)), key=lambda e: (e.counts_from, e.position), default=None
    )  # fmt: skip
    if latest is None:
        return False
    return not any(_opens(event, purpose, latest.counts_from, now) for event in who.events)


def _whole_no(event: Event, purpose: str) -> bool:
    unbounded = event.category is None and event.recipient is None and event.past_from is None and event.past_to is None
    about = event.purpose is None or vocabulary.covers(event.purpose, purpose)
    return event.type in ("objected", "refused", "withdrawn") and event.verified and unbounded and about


def _opens(event: Event, purpose: str, since: datetime, now: datetime) -> bool:
    """Whether a yes from later opens some of it again."""
    related = event.purpose is None or any(
        vocabulary.covers(*pair) for pair in ((event.purpose, purpose), (purpose, event.purpose))
    )  # fmt: skip
    lasts = event.expires_at is None or event.expires_at > now
    return event.type in GRANTS and related and lasts and event.counts_from > since


def gpc_events(who: Person, now: datetime) -> Sequence[Event]:
    """What ``Sec-GPC`` says, as events, where it was not recorded before: a yes that came later is the person's own."""
    known = {event.purpose for event in who.events if event.method == GPC_METHOD}
    return [
        Event(
            subject=who.subject, type="objected", recorded_at=now, effective_at=now, purpose=purpose, method=GPC_METHOD
        )
        for purpose in GPC
        if purpose not in known
    ]


def record(tenant: Tenant, events: Sequence[Event]) -> Sequence[Event]:
    """Record events together, in one transaction; returns them as stored, each with a key for its receipt.

    What another request of the same person recorded while this one was on its way is left out: a button that was pressed
    twice says one thing. (Requests in two processes do not see each other: then it stands there twice.)
    Of somebody who was erased nothing is recorded: it would bring their name back, and nothing of theirs is taken anyhow.
    """
    if not events or tenant.ws.gone().holds(events[0].subject):
        return ()
    ledger, subject = tenant.ws.ledger, events[0].subject
    with _TURNS[hash(subject) % len(_TURNS)]:
        known = ledger.events_of(subject)
        new = [event for event in events if not _is_said(event, known)]
        if not new:
            return ()
        ledger.append_many([new])
        ledger.made_key(subject)
        before = max((event.position for event in known), default=0)
        return [event for event in ledger.events_of(subject) if event.position > before]


_TURNS = tuple(threading.Lock() for _ in range(256))
"""One person at a time, and nobody waits for many others."""


def _is_said(event: Event, known: Sequence[Event]) -> bool:
    """Whether the last thing that was said of the same is the same, and was recorded since this event was made."""
    last = next((one for one in reversed(known) if _about(one) == _about(event)), None)
    return last is not None and last.type == event.type and last.recorded_at >= event.recorded_at


def _about(event: Event) -> tuple[object, ...]:
    return (event.category, event.purpose, event.recipient, event.past_to, event.value, event.notice, event.method)


def remember_gpc(tenant: Tenant, subject: str, now: datetime) -> Sequence[Event]:
    """Record what a person's browser asks; called with every POST of theirs, and at sign-in."""
    return record(tenant, gpc_events(person(tenant, subject), now))
