"""The judgement of one record in sentences: what was decided, every reason, and what would change it.

Towards a person, nothing of anybody else shows: the record is judged with all other people taken out of it, and one
sentence, the same whatever they chose, says that they are in it. Flip another person's choice and not a byte of
what this person reads changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aboveboard import vocabulary
from aboveboard.choice import Event, explicit, join, sensitive
from aboveboard.choice import fold as fold_choices
from aboveboard.errors import AboveboardError
from aboveboard.gate import Decision, Gate, decide
from aboveboard.policy import Clause, PolicyVersion
from aboveboard.reasons import OTHER_PEOPLE, Effect, Outcome, Reason, in_order
from aboveboard.record import Part, Record

SENTENCES = {
    Outcome.PERMIT: "It may be used.",
    Outcome.REDACT: "It may be used once some parts are removed.",
    Outcome.HOLD: "It is left out until a missing fact is known.",
    Outcome.REFUSE: "It is not used.",
}
QUOTING = frozenset({"quote", "parent_quote", "mention"})
QUOTING_KINDS = frozenset({"quote", "repost"})
ABOUT_OTHERS = frozenset({"unidentified_person", "quote_authorisation_revoked"})
"""Labels that say something about somebody else."""


@dataclass(frozen=True)
class Explanation:
    """What there is to say about one judgement; ``towards`` is the person it is said to (None: the platform)."""

    record: Record
    gate: Gate
    decision: Decision
    towards: str | None = None
    others: bool = False

    @property
    def clause(self) -> tuple[PolicyVersion, Clause] | None:
        """The clause of today's policy that speaks about this data and purpose."""
        version = self.gate.now
        found = [c for c in (version.clauses if version else ()) if c.id == self.decision.clause]
        return (version, found[0]) if version and found else None

    @property
    def choices(self) -> Sequence[Event]:
        """The events of the primary subject that counted."""
        record, gate = self.record, self.gate
        known = [str(c) for c in record.main.categories or () if c in vocabulary.CATEGORIES]
        if record.subject is None or not known:
            return ()
        events = gate.snapshot.events_of(record.subject)
        collected = record.collected_at if record.collected_at and record.collected_at <= gate.as_of else None
        job = gate.job

        def counted(said: Sequence[Event], labels: Sequence[str]) -> Sequence[Event]:
            return join(
                [fold_choices(said, label, job.purpose, job.recipient, collected, gate.as_of) for label in labels]
            ).events

        named = counted(explicit(events), needed) if (needed := sensitive(known)) else ()
        return tuple(dict.fromkeys((*counted(events, known), *named)))

    def as_json(self) -> dict[str, Any]:
        decision = self.decision
        return {
            "record": self.record.id,
            "source": self.record.source,
            "outcome": decision.outcome.value,
            "decisive": decision.decisive.code,
            "reasons": [_reason(r) for r in in_order(decision.codes)],
            "part_reasons": [_reason(r) for r in in_order(decision.part_codes)],
            "removed_parts": [_kind(self.record, place) for place in decision.removed],
            "other_people": OTHER_PEOPLE if self.others and self.towards else None,
            "clause": _clause(self.clause),
            "policy_at_collection": decision.policy_at_collection,
            "policy_now": decision.policy_now,
            "purpose": self.gate.job.purpose,
            "recipient": self.gate.job.recipient,
            "as_of": self.gate.as_of.isoformat(),
            "collected_at": _iso(self.record.collected_at),
            "collected_evidence": self.record.collected_evidence,
            "choices": [_event(event) for event in self.choices],
            "what_would_change_it": list(self.remedies()),
        }

    def remedies(self) -> Iterable[str]:
        """What would change the judgement, each once, in the order of the gates."""
        standing = [r for r in self.decision.reasons if r.effect in (Effect.DENY, Effect.UNKNOWN)]
        return dict.fromkeys(filter(None, (r.remedy for r in standing or self.decision.reasons)))

    def prose(self) -> str:
        """The whole explanation, for a person to read."""
        decision, job = self.decision, self.gate.job
        says = vocabulary.PURPOSES[job.purpose].says
        lines = [
            f"Record {self.record.id} ({self.record.source or 'no source'}): {decision.outcome.value}.",
            f"Asked: may it be used to {says} ({job.purpose}), by {job.recipient}, on {self.gate.as_of:%Y-%m-%d %H:%M} UTC?",
            f"{SENTENCES[decision.outcome]} {_because(decision.decisive)}",
            *self._other_reasons(),
            *([f"It {OTHER_PEOPLE}."] if self.others and self.towards else []),
            *self._removed(),
            "",
            *self._policy(),
            *self._said(),
            "",
            "What would change it:",
            *(f"  - {remedy}" for remedy in self.remedies()),
        ]
        return "\n".join(lines)

    def _other_reasons(self) -> list[str]:
        rest = [r for r in in_order(self.decision.codes) if r is not self.decision.decisive]
        parts = [
            r
            for r in in_order(self.decision.part_codes)
            if r is not self.decision.decisive and r.effect is not Effect.GROUND
        ]
        lines = ["Also:"] if rest else []
        lines += [f"  - {_sentence(r)} [{r.code}]" for r in rest]
        lines += ["In its parts:"] if parts else []
        return lines + [f"  - {_sentence(r)} [{r.code}]" for r in parts]

    def _removed(self) -> list[str]:
        kinds = [_kind(self.record, place) for place in self.decision.removed]
        return (
            [f"Parts to be removed: {', '.join(kinds)}."] if kinds and self.decision.outcome is Outcome.REDACT else []
        )

    def _policy(self) -> list[str]:
        decision, record = self.decision, self.record
        when = f"{record.collected_at:%Y-%m-%d %H:%M} UTC" if record.collected_at else "at an unknown time"
        evidence = f" ({record.collected_evidence})" if record.collected_evidence else ""
        lines = [
            f"Collected {when}{evidence}, under policy {decision.policy_at_collection or 'none that is known'};"
            f" today {decision.policy_now or 'none'} is in force."
        ]
        if (found := self.clause) is not None:
            version, clause = found
            lines.append(f"Clause `{clause.id}` of {version.version}, {clause.citation}")
        return lines

    def _said(self) -> list[str]:
        if not (events := self.choices):
            return ["The person has made no choice about this."]
        return [f"Choice that counted: {_event_sentence(event)}" for event in events]


def explain(record: Record, gate: Gate, towards: str | None = None) -> Explanation:
    """Why ``record`` is judged as it is; ``towards`` a person, only what is theirs to know."""
    if towards is None:
        return Explanation(record, gate, decide(record, gate), others=has_others(record))
    if towards != record.subject:  # whose else it is, and why, is not theirs to know
        raise AboveboardError(
            f"this record is not by or about `{towards}`", hint="a person is told of the records that are their own"
        )
    if not is_told(record):
        raise AboveboardError(
            "this was made from several people's records: nothing of it can be told without telling of them",
            hint="explain the records that it was made from, each to its own person",
        )
    own = without_others(record)
    return Explanation(own, gate, decide(own, gate), towards, has_others(record))


def is_told(record: Record) -> bool:
    """Whether a record can be told to its subject. What was made from several people's records cannot: what it inherits
    (audience, labels, signals, times) cannot be told apart any more by whose it was."""
    return not (record.kind == "derived" and _is_others(record.main))


def has_others(record: Record) -> bool:
    """Whether other people are in it. A quote or repost always has some, whatever they have done since."""
    others = any(map(_is_others, (record.main, *(record.parts or ()))))
    return record.parts is None or record.kind in QUOTING_KINDS or others


def _is_others(part: Part) -> bool:
    named = part.parties is None or any(p.role not in vocabulary.ROLES_WITHOUT_VETO for p in part.parties)
    return named or part.kind in QUOTING or part.source_state != "own" or bool(ABOUT_OTHERS & set(part.labels or ()))


def without_others(record: Record) -> Record:
    """The record as if nobody else were in it: what remains depends on this person alone."""
    main = replace(
        record.main, parties=(), source_state="own",
        labels=None if record.main.labels is None else tuple(x for x in record.main.labels if x not in ABOUT_OTHERS),
    )  # fmt: skip
    parts = tuple(part for part in record.parts or () if not _is_others(part))
    return replace(record, main=main, parts=parts)


def _because(reason: Reason) -> str:
    if reason.effect is Effect.GROUND:
        return f"The reason: {reason.sentence} [{reason.code}]."
    return f"The reason that decides: {reason.sentence} [{reason.code}]{f', {reason.law}' if reason.law else ''}."


def _sentence(reason: Reason) -> str:
    return f"in its favour: {reason.sentence}" if reason.effect is Effect.GROUND else reason.sentence


def _kind(record: Record, place: int) -> str:
    return (record.parts or ())[place].kind or "part of unknown kind"


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code, "gate": reason.gate, "effect": reason.effect.value, "sentence": reason.sentence,
        "remedy": reason.remedy, "law": reason.law,
    }  # fmt: skip


def _clause(found: tuple[PolicyVersion, Clause] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    version, clause = found
    return {
        "version": version.version, "id": clause.id, "basis": clause.basis, "control": clause.control,
        "heading": list(clause.citation.heading), "quote": clause.citation.quote,
    }  # fmt: skip


def _event(event: Event) -> dict[str, Any]:
    return {
        "position": event.position, "type": event.type, "category": event.category, "purpose": event.purpose,
        "recipient": event.recipient, "effective_at": event.effective_at.isoformat(),
        "recorded_at": event.recorded_at.isoformat(), "past_from": _iso(event.past_from), "past_to": _iso(event.past_to),
        "verified": event.verified,
    }  # fmt: skip


def _event_sentence(event: Event) -> str:
    about = event.purpose or "every purpose"
    past = ", older data included" if event.past_from or event.past_to else ""
    doubt = "" if event.verified else " (not verified)"
    return f"{event.type} on {event.effective_at:%Y-%m-%d} for {about}{past}{doubt}, position {event.position} of the ledger."


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
