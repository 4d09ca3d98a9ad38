"""The laws: what holds of every judgement, whatever the policy. They are worth more than cases.

Each law takes worlds, changes one thing that must never open anything (or never change anything), and judges again.
A violation is shrunk to a case file. The numbers are those of the design's list of laws; law 8 is told by labels
added to a record, law 12 and 13 belong to releases.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import shrink
import worlds
from aboveboard import casefile, choice, policy, vocabulary
from aboveboard.choice import Event, Facts
from aboveboard.cli.casetest import engine_decisions, read_file
from aboveboard.engine import Engine
from aboveboard.gate import Decision, Gate, Job
from aboveboard.policy import Citation, Clause, Commitment, Embargo, Period, Policy, PolicyVersion, Retention
from aboveboard.reasons import BY_CODE, Effect, Outcome
from aboveboard.record import Part, Party, Record, Signal
from aboveboard.regime import Regimes
from aboveboard.sources import resolved_table

SEEDS = range(120 if os.environ.get("CI") else 25)
RECORDS = 50
CHANGES = 8
"""Changes tried on each record of a world, drawn from all those that the law knows."""
VECTORS = Path(__file__).parents[1] / "vectors"
RULES = VECTORS / "policies"

Change = tuple[str, Gate, Record]
"""What was changed, and the gate and record that came of it."""
Changes = Callable[[Gate, Record], Iterator[Change]]


@cache
def vectors() -> dict[str, casefile.Case]:
    files = [read_file(path) for path in sorted(VECTORS.glob("*.toml"))]
    return {f"{Path(one.path).stem}: {case.name}": case for one in files for case in one.cases}


# --- what "never more open" means ----------------------------------------------------------------------------


def opens(before: Decision, after: Decision) -> bool:
    """Whether more is released: permit > redact > hold, refuse; and of two redactions, one that removes less."""
    if after.outcome in (Outcome.HOLD, Outcome.REFUSE):
        return False
    if before.outcome is Outcome.PERMIT:
        return False
    if before.outcome is Outcome.REDACT:
        return after.outcome is Outcome.PERMIT or not set(before.removed) <= set(after.removed)
    return True


def never_opens(changes: Changes) -> None:
    """Judge records before and after changes, and fail with the smallest case that opens: all changes on the vectors,
    which stand close to the edges, and some on the records of all worlds."""
    for name, case in vectors().items():
        opened = _opened(case.gate, case.record, list(changes(case.gate, case.record)))
        assert not opened, f"{name}: opened by {opened}"
    for seed in SEEDS:
        world = worlds.make(seed, records=RECORDS)
        rng = random.Random(seed)
        for record in world.records:
            tried = list(changes(world.gate, record))
            for change in rng.sample(tried, min(CHANGES, len(tried))):
                if _opened(world.gate, record, [change]):
                    pytest.fail(_story(world.gate, record, changes, change[0]), pytrace=False)


def _opened(gate: Gate, record: Record, changes: Sequence[Change]) -> list[str]:
    before = gate.decide(record)
    if before.outcome is Outcome.PERMIT:
        return []
    return [name for name, other, changed in changes if opens(before, other.decide(changed))]


def _story(gate: Gate, record: Record, changes: Changes, name: str) -> str:
    def fails(gate: Gate, record: Record) -> bool:
        return name in _opened(gate, record, list(changes(gate, record)))

    if not fails(gate, record):  # the change depends on people who are not in the record
        return f"`{name}` opens {record.id}"
    gate, record = shrink.shrunk(gate, record, fails)
    after = next(other.decide(r) for n, other, r in changes(gate, record) if n == name)
    told = casefile.dump(gate, record, name=name)
    return f"`{name}` opens a record\n\nbefore:\n{told}\nafter: {after.outcome}, {sorted(after.codes)}"


# --- 1 unknown-safe -----------------------------------------------------------------------------------------


def nulled(gate: Gate, record: Record) -> Iterator[Change]:
    """Every way to know one thing less about the record, its parts, its people or the platform's seat."""
    own = [f.name for f in fields(Record) if f.name not in ("id", "source", "ordinal", "main")]
    yield from ((f"no {name}", gate, replace(record, **{name: None})) for name in own)
    yield "no source", gate, replace(record, source="")
    yield from ((f"main: {what}", gate, replace(record, main=part)) for what, part in _part_nulled(record.main))
    for place, part in enumerate(record.parts or ()):
        for what, one in _part_nulled(part):
            yield f"part {place}: {what}", gate, _with_part(record, place, one)
    yield from ((what, other, record) for what, other in _facts_nulled(gate, record))
    yield from _unseated(gate, record)


def _part_nulled(part: Part) -> Iterator[tuple[str, Part]]:
    yield from ((f"no {f.name}", replace(part, **{f.name: None})) for f in fields(Part))
    for name in ("categories", "labels"):
        values = getattr(part, name) or ()
        yield from ((f"{name} {n} unknown", replace(part, **{name: _but(values, n, None)})) for n in range(len(values)))
    for n, party in enumerate(part.parties or ()):
        for name in ("subject", "role"):
            yield f"party {n}: no {name}", _party(part, n, replace(party, **{name: None}))
    for n, signal in enumerate(part.signals or ()):
        for name in ("code", "purpose"):
            yield (
                f"signal {n}: no {name}",
                replace(part, signals=_but(part.signals or (), n, replace(signal, **{name: None}))),
            )


def _facts_nulled(gate: Gate, record: Record) -> Iterator[tuple[str, Gate]]:
    # Not `valid_from`: a row without a moment holds from the beginning on, which is a statement, not a gap.
    names = [f.name for f in fields(Facts) if f.name not in ("subject", "valid_from", "evidence")]
    for place, row in enumerate(rows := _facts_of(gate, record)):
        for name in names:
            changed = _but(rows, place, replace(row, **{name: None}))
            yield f"facts {place}: no {name}", _people(gate, record, facts=changed)


def _unseated(gate: Gate, record: Record) -> Iterator[Change]:
    versions = tuple(replace(version, establishment=None) for version in gate.policy.versions)
    yield "no establishment", replace(gate, policy=Policy(gate.policy.name, versions)), record


def test_1_knowing_less_never_opens() -> None:
    never_opens(nulled)


# --- 2 deny-monotone -----------------------------------------------------------------------------------------


def denied(gate: Gate, record: Record) -> Iterator[Change]:
    """Every way to say no, or to be gone, that people, platforms and files have."""
    for subject in _named(record):
        yield from ((what, _people(gate, record, more=[event]), record) for what, event in _noes(gate, record, subject))
    for place, row in enumerate(rows := _facts_of(gate, record)):
        for name, value in (("protected", True), ("state", "suspended"), ("state", "deleted")):
            if name == "state" and row.state in ("suspended", "deleted"):
                continue
            changed = _but(rows, place, replace(row, **{name: value}))
            yield f"facts {place}: {name} {value}", _people(gate, record, facts=changed), record
    yield from ((what, gate, one) for what, one in _marked(record))


def _noes(gate: Gate, record: Record, subject: str) -> Iterator[tuple[str, Event]]:
    at = gate.as_of - timedelta(days=1)
    for kind in ("withdrawn", "objected", "refused", "deleted", "suppressed", "contract_bound", "expired"):
        plain = Event(subject=subject, type=kind, recorded_at=at, effective_at=at)
        yield f"{kind}", plain
        yield f"{kind} for the purpose", replace(plain, purpose=gate.job.purpose)
        yield f"{kind} long ago", replace(plain, effective_at=worlds.START)
        yield f"{kind} unverified", replace(plain, verified=False, actor="stranger")
    windowed = Event(subject=subject, type="objected", recorded_at=at, effective_at=at, past_from=worlds.START)
    yield "objected about the past", windowed


def _marked(record: Record) -> Iterator[tuple[str, Record]]:
    denials = [code for code in worlds.SIGNALS if BY_CODE[code].effect is not Effect.NOTE]
    for place, part in enumerate([record.main, *(record.parts or ())]):
        for code in denials:
            signals = (*(part.signals or ()), Signal(code)) if part.signals is not None else None
            yield f"{code} on part {place}", _with_part(record, place - 1, replace(part, signals=signals))
        for label in vocabulary.LABELS:
            labels = (*part.labels, label) if part.labels is not None else None
            yield f"{label} on part {place}", _with_part(record, place - 1, replace(part, labels=labels))
        parties = (*part.parties, Party("u:0", "depicted")) if part.parties is not None else None
        yield f"somebody more in part {place}", _with_part(record, place - 1, replace(part, parties=parties))
        yield f"source gone on part {place}", _with_part(record, place - 1, replace(part, source_state="deleted"))
    yield "deleted", replace(record, lifecycle="deleted")
    yield "deleted upstream", replace(record, upstream="deleted")


def test_2_saying_no_never_opens() -> None:
    never_opens(denied)


# --- 3 narrow-monotone ---------------------------------------------------------------------------------------


def narrowed(gate: Gate, record: Record) -> Iterator[Change]:
    """Every way to allow less in one version of the policy."""
    for place, version in enumerate(gate.policy.versions):
        for what, one in _versions_narrowed(gate, version):
            versions = _but(gate.policy.versions, place, one)
            yield f"{version.version}: {what}", replace(gate, policy=Policy(gate.policy.name, versions)), record


def _versions_narrowed(gate: Gate, version: PolicyVersion) -> Iterator[tuple[str, PolicyVersion]]:
    for place, clause in enumerate(version.clauses):
        if clause.effect == "permit":
            yield f"without {clause.id}", replace(version, clauses=_but(version.clauses, place))
            for what, one in _clauses_narrowed(gate, clause):
                yield f"{clause.id}: {what}", replace(version, clauses=_but(version.clauses, place, one))
    no = Clause("no", "deny", (gate.job.purpose,), ("user.content",), "private", (), "contract", Citation((), "q"))
    yield "a clause that forbids", replace(version, clauses=(*version.clauses, no))
    for rule in _rules(gate):
        name = {"Commitment": "commitments", "Embargo": "embargoes", "Retention": "retentions"}[type(rule).__name__]
        yield f"more {name}: {rule}", replace(version, **{name: (*getattr(version, name), rule)})
    yield "a longer notice", replace(version, notice_window=Period(months=1200))
    yield "never retroactive", replace(version, retroactive="none")
    if version.retroactive == "notice":
        yield "retroactive by a yes alone", replace(version, retroactive="reconsent")


def _clauses_narrowed(gate: Gate, clause: Clause) -> Iterator[tuple[str, Clause]]:
    rank = vocabulary.AUDIENCES.index(clause.audience)
    yield from ((f"audience {a}", replace(clause, audience=a)) for a in vocabulary.AUDIENCES[:rank])
    for name in ("categories", "recipients"):
        values = getattr(clause, name)
        yield from ((f"without {v}", replace(clause, **{name: _but(values, n)})) for n, v in enumerate(values))
    if not clause.uses:
        yield "for one use", replace(clause, uses=("a",))
    if clause.when is None:
        adult = policy.condition({"eq": ["subject.age_band", "adult"]})
        yield "for adults", replace(clause, when=adult)
        yield "for posts", replace(clause, when=policy.condition({"in": ["record.kind", ["post"]]}))
    if not clause.ambiguous:
        yield "left open", replace(clause, open_ended=True, closed_by=None)
        tomorrow = gate.as_of + timedelta(days=1)
        yield "closed tomorrow", replace(clause, open_ended=True, closed_by="ann", closed_at=tomorrow)
    if clause.basis != "consent":
        yield "by consent", replace(clause, basis="consent")


def _rules(gate: Gate) -> Iterator[Commitment | Embargo | Retention]:
    purposes = (gate.job.purpose,)
    for audience, categories in (("public", ()), (None, ("user.content",)), ("followers", ("user.telemetry",))):
        yield Commitment("new", worlds.START, purposes, "said", None, audience, categories)
    yield Commitment("late", gate.as_of - timedelta(days=1), purposes, "said", None, "public")
    yield Embargo("new", purposes, ("EU",), "court")
    yield Retention(("user.content",), Period(days=30))
    yield Retention(("user.telemetry",), Period(days=30), "last_interaction")


def test_3_allowing_less_never_opens() -> None:
    never_opens(narrowed)


# --- 4 order-free, 5 deterministic ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_4_the_order_of_arrival_never_matters(seed: int) -> None:
    world = worlds.make(seed, records=150)
    rng = random.Random(seed)
    events, facts = _everybody(world.gate)
    rng.shuffle(events)
    rng.shuffle(facts)
    moved = [replace(event, position=rng.randrange(10**6)) for event in events]
    again = replace(
        world.gate,
        snapshot=choice.people([*moved, *moved[:20]], [*facts, *facts[:20]], world.gate.snapshot.suppressions),
    )
    assert [again.decide(record) for record in world.records] == [world.gate.decide(r) for r in world.records]


@pytest.mark.parametrize("seed", range(4))
def test_5_threads_and_order_leave_no_trace(seed: int) -> None:
    world = worlds.make(seed, records=200)
    events, facts = _everybody(world.gate)
    turned = replace(
        world.gate, snapshot=choice.people(reversed(events), reversed(facts), world.gate.snapshot.suppressions)
    )
    once = Engine(threads=1).judge_table(resolved_table(world.records), world.gate)
    again = Engine(threads=4).judge_table(resolved_table(world.records[::-1]), turned)
    assert once.to_pylist() == again.to_pylist()


# --- 6 filter equals judge, 7 totality ------------------------------------------------------------------------

HOSTILE = (
    "", "'", '"; DROP TABLE records; --', "\\", "%", "\x00", "\x7f", "a" * 100_000, "\u202e\u2066", "\ufeff",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301" * 50, "\u00df\u1e9e\u0130\u0131", "NULL", "unknown", "NaN",
    "\r\n\t", "\u0000\u0001", "\U0010ffff", "{{holds}}", "@allow.none", "$1", "9" * 40,
)  # fmt: skip


def test_6_the_engine_decides_hostile_records_as_decide_does() -> None:
    world = worlds.make(4, records=len(HOSTILE))
    records = [
        replace(
            record,
            id=text,
            source=text,
            language=text,
            licence=text,
            kind=text,
            main=replace(record.main, content=text),
            parts=(Part("quote", place="span", start=0, end=max(len(text), 1), content=text),),
        )
        for record, text in zip(world.records, HOSTILE, strict=True)
    ]
    named = [replace(record, subject=text, kind="post") for record, text in zip(records, HOSTILE, strict=True)]
    facts = [Facts(subject=text, state="active", protected=False, age_band="adult", residency=text) for text in HOSTILE]
    gate = replace(world.gate, snapshot=choice.people((), facts))
    both = [*records, *named]
    assert engine_decisions(gate, both) == [gate.decide(record) for record in both]


@pytest.mark.parametrize("seed", range(3))
def test_7_every_row_has_one_decision_whatever_its_id(seed: int) -> None:
    world = worlds.make(seed, records=100)
    rows = [replace(record, id="the same") for record in world.records] + [replace(world.records[0], id="the same")] * 5
    decided = engine_decisions(world.gate, rows)
    assert decided == [world.gate.decide(record) for record in rows]
    assert len(decided) == len(rows)


def test_7_an_empty_table_has_no_decisions() -> None:
    assert engine_decisions(worlds.make(0, records=0).gate, []) == []


# --- 8 label join ---------------------------------------------------------------------------------------------


def labelled(gate: Gate, record: Record) -> Iterator[Change]:
    """Every way to call a part something more."""
    for place, part in enumerate([record.main, *(record.parts or ())]):
        if part.categories:
            for category in worlds.CATEGORIES:
                more = replace(part, categories=(*part.categories, category))
                yield f"{category} on part {place}", gate, _with_part(record, place - 1, more)


def test_8_another_label_never_opens() -> None:
    never_opens(labelled)


# --- 10 no placebo, 11 explainable ----------------------------------------------------------------------------


def controlled() -> Iterator[tuple[str, str, str, Clause]]:
    """Every (purpose, category, recipient) that stands behind a choice people are offered."""
    version = policy.parse((RULES / "after.toml").read_bytes())
    for clause in version.clauses:
        if clause.control is not None:
            for purpose in clause.purposes:
                for category in _leaves_below(clause.categories):
                    for recipient in clause.recipients:
                        yield purpose, category, recipient.replace("*", "x"), clause


def _leaves_below(categories: Sequence[str]) -> list[str]:
    leaves = vocabulary.leaves(vocabulary.CATEGORIES)
    return [leaf for leaf in leaves if vocabulary.covered_by(categories, leaf)]


@pytest.mark.parametrize(
    ("purpose", "category", "recipient", "clause"),
    list(controlled()),
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_10_every_choice_changes_something(purpose: str, category: str, recipient: str, clause: Clause) -> None:
    rules = policy.timeline([policy.parse((RULES / "after.toml").read_bytes())])
    start, now = rules.versions[0].effective_from, rules.versions[0].effective_from + timedelta(days=60)
    person = Facts(
        subject="u", state="active", protected=False, age_band="adult", residency="IE", last_interaction=start
    )
    record = Record(
        "r", "document", "u", collected_at=start + timedelta(days=2), created_at=start + timedelta(days=2),
        main=Part(categories=(category,), audience_at=clause.audience, audience_now=clause.audience, content="words"),
    )  # fmt: skip

    def decided(*said: str) -> Decision:
        events = [_said(kind, purpose, category, start + timedelta(days=n)) for n, kind in enumerate(said)]
        people = choice.people(events, [person])
        return Gate(rules, people, Job(purpose, recipient), now, Regimes(regions={"IE": "notice"})).decide(record)

    assert decided("given").outcome is Outcome.PERMIT
    assert decided("given", "withdrawn").outcome is Outcome.REFUSE
    silent = decided().outcome
    assert silent is (Outcome.REFUSE if clause.basis == "consent" else Outcome.PERMIT)
    assert decided("objected").outcome is Outcome.REFUSE


def _said(kind: str, purpose: str, category: str, at: Any) -> Event:
    return Event(subject="u", type=kind, recorded_at=at, effective_at=at, purpose=purpose, category=category)


@pytest.mark.parametrize("seed", range(20))
def test_11_the_decisive_reason_explains_the_outcome(seed: int) -> None:
    world = worlds.make(seed, records=120)
    for record in world.records:
        decision = world.gate.decide(record)
        assert _recomputed(decision, frozenset()) == (decision.outcome, decision.decisive.code)
        if decision.decisive.code == "allow.none":  # default deny: there is nothing to remove, only something to add
            continue
        assert _recomputed(decision, _of_the_decisive_gate(decision)) != (decision.outcome, decision.decisive.code)


def _of_the_decisive_gate(decision: Decision) -> frozenset[str]:
    """The reasons that an explanation would have to remove: at the decisive gate, with the effect that decided."""
    effects = _EFFECTS[decision.outcome]
    codes = decision.part_codes if decision.outcome is Outcome.REDACT else decision.codes
    gate = decision.decisive.gate
    return frozenset(code for code in codes if BY_CODE[code].gate == gate and BY_CODE[code].effect in effects)


_EFFECTS = {
    Outcome.REFUSE: (Effect.DENY,),
    Outcome.HOLD: (Effect.UNKNOWN, Effect.BY_REGIME),
    Outcome.REDACT: (Effect.DENY, Effect.UNKNOWN, Effect.BY_REGIME),
    Outcome.PERMIT: (Effect.GROUND,),
}


def _recomputed(decision: Decision, gone: frozenset[str]) -> tuple[Outcome, str]:
    """Outcome and decisive reason as they follow from the reasons alone, without those that are gone."""
    holds = decision.decisive.effect is Effect.BY_REGIME
    codes, part_codes = decision.codes - gone, decision.part_codes - gone
    unknown = (Effect.UNKNOWN, Effect.BY_REGIME) if holds else (Effect.UNKNOWN,)
    for outcome, effects, among in (
        (Outcome.REFUSE, (Effect.DENY,), codes),
        (Outcome.HOLD, unknown, codes),
        (Outcome.REDACT, (Effect.DENY, *unknown), part_codes if decision.removed else frozenset()),
        (Outcome.PERMIT, (Effect.GROUND,), codes),
    ):
        if producing := [BY_CODE[code] for code in among if BY_CODE[code].effect in effects]:
            return outcome, min(producing, key=lambda reason: reason.id).code
    return Outcome.REFUSE, "allow.none"


# --- helpers --------------------------------------------------------------------------------------------------


def _but(values: Sequence[Any], place: int, *instead: Any) -> tuple[Any, ...]:
    """The values with one of them replaced, or left out."""
    return (*values[:place], *instead, *values[place + 1 :])


def _with_part(record: Record, place: int, part: Part) -> Record:
    """The record with one part changed; -1 is the main part."""
    if place < 0:
        return replace(record, main=part)
    return replace(record, parts=_but(record.parts or (), place, part))


def _party(part: Part, place: int, party: Party) -> Part:
    return replace(part, parties=_but(part.parties or (), place, party))


def _named(record: Record) -> list[str]:
    parts = [record.main, *(record.parts or ())]
    named = [record.subject, *(party.subject for part in parts for party in part.parties or ())]
    return [subject for subject in dict.fromkeys(named) if subject is not None]


def _facts_of(gate: Gate, record: Record) -> list[Facts]:
    return [row for subject in _named(record) for row in gate.snapshot.facts_of(subject)]


def _people(gate: Gate, record: Record, more: Sequence[Event] = (), facts: Sequence[Facts] | None = None) -> Gate:
    """The gate with only the people of a record, with more events or other facts."""
    events = [event for subject in _named(record) for event in gate.snapshot.events_of(subject)]
    known = _facts_of(gate, record) if facts is None else facts
    return replace(gate, snapshot=choice.people([*events, *more], known, gate.snapshot.suppressions))


def _everybody(gate: Gate) -> tuple[list[Event], list[Facts]]:
    people: Any = gate.snapshot
    events = [event for rows in people.events.values() for event in rows]
    return events, [row for rows in people.facts.values() for row in rows]
