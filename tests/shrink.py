"""Shrinking: the smallest gate and record on which something still fails, as a case file to read and to keep.

Greedy and simple: drop what can be dropped (people's events and facts, clauses, versions, parts), then make what is
left harmless, field by field, for as long as it still fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from aboveboard import casefile, choice
from aboveboard.gate import Gate
from aboveboard.policy import Policy, PolicyVersion
from aboveboard.record import Part, Record

Fails = Callable[[Gate, Record], bool]

_T = TypeVar("_T")


def shrunk(gate: Gate, record: Record, fails: Fails) -> tuple[Gate, Record]:
    """The smallest gate and record found that still fail."""
    gate = _only_named(gate, record)
    if not fails(gate, record):
        raise AssertionError("it fails only in the company of other records or people")
    while (found := next((one for one in _smaller(gate, record) if fails(*one)), None)) is not None:
        gate, record = found
    return gate, record


def told(gate: Gate, record: Record, fails: Fails, name: str) -> str:
    """The shrunk failure as a case file, with the judgement of ``decide`` as the expectation."""
    return casefile.dump(*shrunk(gate, record, fails), name=name)


def _only_named(gate: Gate, record: Record) -> Gate:
    named = {record.subject, *(p.subject for part in _parts(record) for p in part.parties or ())}
    events = [e for s in named if s is not None for e in gate.snapshot.events_of(s)]
    facts = [f for s in named if s is not None for f in gate.snapshot.facts_of(s)]
    return replace(gate, snapshot=choice.people(events, facts, gate.snapshot.suppressions))


def _parts(record: Record) -> list[Part]:
    return [record.main, *(record.parts or ())]


def _smaller(gate: Gate, record: Record) -> Iterator[tuple[Gate, Record]]:
    yield from ((gate, one) for one in _smaller_records(record))
    yield from ((one, record) for one in _smaller_gates(gate))


def _smaller_records(record: Record) -> Iterator[Record]:
    yield from (replace(record, parts=parts) for parts in _without_one(record.parts or ()))
    yield from _harmless(record, Record("record"), ("id", "ordinal", "main", "parts", "subject", "collected_at"))
    for main in _smaller_parts(record.main):
        yield replace(record, main=main)
    for place, part in enumerate(record.parts or ()):
        for one in _smaller_parts(part):
            yield replace(record, parts=_with(record.parts or (), place, one))


def _smaller_parts(part: Part) -> Iterator[Part]:
    yield from (replace(part, parties=parties) for parties in _without_one(part.parties or ()))
    yield from _harmless(part, Part(), ("kind", "content", "start", "end"))


def _smaller_gates(gate: Gate) -> Iterator[Gate]:
    people: Any = gate.snapshot
    events = [event for rows in people.events.values() for event in rows]
    facts = [row for rows in people.facts.values() for row in rows]
    yield from (
        replace(gate, snapshot=choice.people(some, facts, gate.snapshot.suppressions)) for some in _without_one(events)
    )
    yield from (
        replace(gate, snapshot=choice.people(events, some, gate.snapshot.suppressions)) for some in _without_one(facts)
    )
    yield from (replace(gate, policy=policy) for policy in _smaller_policies(gate.policy))
    for name in gate.licences:
        yield replace(gate, licences={key: one for key, one in gate.licences.items() if key != name})
    for name in gate.regimes.regions:
        regions = {key: one for key, one in gate.regimes.regions.items() if key != name}
        yield replace(gate, regimes=replace(gate.regimes, regions=regions))
    yield from (replace(gate, undertakings=some) for some in _without_one(gate.undertakings))
    if gate.listed:
        yield replace(gate, listed=frozenset())
    for place, event in enumerate(events):
        plain = choice.Event(
            subject=event.subject, type=event.type, recorded_at=event.recorded_at, effective_at=event.recorded_at
        )
        for one in _harmless(event, plain, ("subject", "type", "recorded_at", "value")):
            yield replace(gate, snapshot=choice.people(_with(events, place, one), facts, gate.snapshot.suppressions))


def _smaller_policies(policy: Policy) -> Iterator[Policy]:
    yield from (replace(policy, versions=some) for some in _without_one(policy.versions) if some)
    for place, version in enumerate(policy.versions):
        for one in _smaller_versions(version):
            yield replace(policy, versions=_with(policy.versions, place, one))


def _smaller_versions(version: PolicyVersion) -> Iterator[PolicyVersion]:
    for name in ("clauses", "commitments", "embargoes", "retentions"):
        yield from (replace(version, **{name: some}) for some in _without_one(getattr(version, name)))
    for place, clause in enumerate(version.clauses):
        if clause.when is not None:
            yield replace(version, clauses=_with(version.clauses, place, replace(clause, when=None)))
    if version.effective_to is not None:
        yield replace(version, effective_to=None)


def _harmless(value: Any, harmless: Any, kept: Iterable[str]) -> Iterator[Any]:
    """The value with one field more as it is when nothing is said."""
    for each in fields(value):
        if each.name not in tuple(kept) and getattr(value, each.name) != getattr(harmless, each.name):
            yield replace(value, **{each.name: getattr(harmless, each.name)})


def _without_one(values: Sequence[_T]) -> Iterator[tuple[_T, ...]]:
    for place in range(len(values)):
        yield (*values[:place], *values[place + 1 :])


def _with(values: Sequence[_T], place: int, one: _T) -> tuple[_T, ...]:
    return (*values[:place], one, *values[place + 1 :])
