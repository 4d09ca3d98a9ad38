"""The engine equals ``decide``, on generated worlds; and the worlds are live, so that agreeing means something.

``ABOVEBOARD_WORLDS`` says how many worlds: 300 under CI, 30 elsewhere. A failing record is shrunk and printed as a
case file, ready to become a vector.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

import shrink
import worlds
from aboveboard import casefile, choice
from aboveboard.cli.casetest import engine_decisions
from aboveboard.gate import EXPLICIT, Gate
from aboveboard.reasons import BY_CODE, Outcome
from aboveboard.record import Record

NEEDS_EXPLICIT = frozenset({"cat.biometric_no_consent", "cat.biometric_wrong_purpose", *EXPLICIT.values()})

CI = bool(os.environ.get("CI"))
WORLDS = int(os.environ.get("ABOVEBOARD_WORLDS") or (300 if CI else 30))
CHUNK = 10
SAMPLE = 150 if CI else 50
"""Records a world for the floors. They need no engine, so they always look at all 300 worlds, but not at every
record of them: 20 occurrences among a sample of 150 a world, and fewer in proportion."""


@pytest.mark.parametrize("first", range(0, WORLDS, CHUNK))
def test_the_engine_equals_decide(first: int) -> None:
    for seed in range(first, min(first + CHUNK, WORLDS)):
        world = worlds.make(seed)
        expected = [world.gate.decide(record) for record in world.records]
        got = engine_decisions(world.gate, world.records)
        different = [r for r, e, g in zip(world.records, expected, got, strict=True) if e != g]
        if different:
            pytest.fail(_story(world, different), pytrace=False)


@pytest.mark.parametrize("seed", range(20))
def test_what_a_gate_remembers_changes_nothing(seed: int) -> None:
    """A gate that has decided everything else says of each record what a gate says that was never asked."""
    world = worlds.make(seed, records=300, people=3)
    remembered = [world.gate.decide(record) for record in reversed(world.records)]
    asked_alone = [replace(world.gate).decide(record) for record in reversed(world.records)]
    assert remembered == asked_alone


def _story(world: worlds.World, different: list[Record]) -> str:
    name = f"world {world.seed}, record {different[0].id}"
    gate, record = shrink.shrunk(world.gate, different[0], _disagree)
    [got] = engine_decisions(gate, [record])
    case = casefile.Case(name, gate, record, casefile.expectation(gate.decide(record)))
    difference = case.compare(got)
    lines = difference.lines() if difference else []
    told = casefile.dump(gate, record, name=name)
    return "\n".join([f"{name} and {len(different) - 1} more: the engine decides otherwise", *lines, "", told])


def _disagree(gate: Gate, record: Record) -> bool:
    return engine_decisions(gate, [record]) != [gate.decide(record)]


@pytest.fixture(scope="module")
def counted() -> tuple[Counter[str], Counter[str]]:
    """Outcomes and codes over all worlds."""
    outcomes: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    for seed in range(300):
        world = worlds.make(seed, records=SAMPLE)
        for decision in map(world.gate.decide, world.records):
            outcomes[decision.outcome] += 1
            codes.update(decision.codes | decision.part_codes)
    return outcomes, codes


@pytest.mark.xdist_group("floors")
def test_worlds_are_live(counted: tuple[Counter[str], Counter[str]]) -> None:
    outcomes, _ = counted
    share = {outcome: n / outcomes.total() for outcome, n in outcomes.items()}
    assert share["permit"] >= 0.15, share
    assert share["redact"] >= 0.10, share
    assert share["hold"] >= 0.10, share


@pytest.mark.xdist_group("floors")
def test_every_reason_fires_in_the_worlds(counted: tuple[Counter[str], Counter[str]]) -> None:
    _, codes = counted
    rare = {code: codes[code] for code in BY_CODE if codes[code] < 20 * SAMPLE / 150}
    assert not rare


@pytest.mark.xdist_group("floors")
def test_a_yes_to_everything_and_one_that_names_it_both_occur() -> None:
    """Of the records whose main part is sensitive: what a yes to everything does not carry, and an explicit one does."""
    refused, released = 0, 0
    for seed in range(150):
        world = worlds.make(seed, records=SAMPLE)
        for record in world.records:
            if choice.sensitive([c for c in record.main.categories or () if c]):
                decision = world.gate.decide(record)
                refused += bool(decision.codes & NEEDS_EXPLICIT and "allow.explicit_consent" in decision.codes)
                released += decision.outcome in (Outcome.PERMIT, Outcome.REDACT)
    assert min(refused, released) >= 15


@pytest.mark.parametrize("seed", range(12))
def test_a_case_file_of_a_record_decides_the_same(seed: int) -> None:
    world = worlds.make(seed, records=25)
    for record in world.records:
        text = casefile.dump(world.gate, record, name="it")
        [case] = casefile.parse(text.encode(), "it.toml", lambda name: b"").cases
        difference = case.run()
        assert difference is None, "\n".join([*difference.lines(), "", text])


def test_the_same_seed_gives_the_same_world() -> None:
    assert worlds.make(7, records=20) == worlds.make(7, records=20)


def test_shrinking_keeps_what_fails_and_nothing_else() -> None:
    world = worlds.make(1)
    denied = next(r for r in world.records if "subj.co_subject_denied" in world.gate.decide(r).codes)

    def fails(gate: Gate, record: Record) -> bool:
        return "subj.co_subject_denied" in gate.decide(record).codes

    gate, record = shrink.shrunk(world.gate, denied, fails)
    assert fails(gate, record)
    assert record.parts == ()
    assert len(record.main.parties or ()) == 1
