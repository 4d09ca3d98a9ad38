"""Explanations: complete for the platform, and towards a person nothing of anybody else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import worlds
from aboveboard import choice
from aboveboard.choice import Event, Facts
from aboveboard.cli.casetest import read_file
from aboveboard.errors import AboveboardError
from aboveboard.explanation import explain
from aboveboard.gate import Gate
from aboveboard.reasons import BY_CODE, FROM_OTHER_PEOPLE, OTHER_PEOPLE
from aboveboard.record import Part, Party, Record

VECTORS = Path(__file__).parent / "vectors"
THEN = datetime(2024, 1, 1, tzinfo=UTC)


def _with(gate: Gate, events: list[Event], facts: list[Facts]) -> Gate:
    return replace(gate, snapshot=choice.people(events, facts, gate.snapshot.suppressions))


def _others_flipped(gate: Gate, me: str) -> Gate:
    """The same gate with everybody else's choices, accounts and ages turned around."""
    people = gate.snapshot
    assert isinstance(people, choice.People)
    mine = list(people.events.get(me, ()))
    known = list(people.facts.get(me, ()))
    noes = [
        Event(subject=s, type="withdrawn", recorded_at=THEN, effective_at=THEN)
        for s in people.facts
        if s != me and len(s) % 2
    ]
    changed = [
        replace(row, state="suspended", age_band="under_13", residency=None, protected=True)
        for s, rows in people.facts.items()
        if s != me
        for row in rows
    ]
    return _with(gate, [*mine, *noes], [*known, *changed])


def _told(record: Record, gate: Gate) -> object:
    """All that its own person reads of a record, or why they read nothing."""
    try:
        told = explain(record, gate, record.subject)
    except AboveboardError as error:
        return str(error)
    return told.prose(), told.as_json()


def test_a_record_made_from_several_people_is_not_explained_to_one_of_them() -> None:
    """What it inherits (here an audience and a signal of bob's) would tell what bob did."""
    gate = worlds.make(0).gate
    shared = Record("d", kind="derived", subject="u:ann", collected_at=THEN, created_at=THEN,
                    main=Part(content="x", parties=(Party("u:bob", "quoted_author"),)))  # fmt: skip
    narrowed = replace(shared, main=replace(shared.main, audience_now="private"))
    assert _told(shared, gate) == _told(narrowed, gate)
    assert "several people" in str(_told(shared, gate))
    assert not isinstance(_told(replace(shared, main=replace(shared.main, parties=())), gate), str)


def test_a_quote_says_that_others_are_in_it_whatever_they_did_since() -> None:
    gate = worlds.make(0).gate
    quote = Record("q", kind="quote", subject="u:ann", collected_at=THEN, created_at=THEN, main=Part(content="so true"))
    revoked = replace(quote, main=replace(quote.main, labels=("quote_authorisation_revoked",)))
    assert _told(quote, gate) == _told(revoked, gate)


@pytest.mark.parametrize("seed", range(6))
def test_no_byte_that_one_person_reads_depends_on_another(seed: int) -> None:
    """The two-run test: turn everybody else around, and what this person reads stays equal."""
    world = worlds.make(seed)
    for record in world.records:
        if record.subject is None:
            continue
        flipped = _others_flipped(world.gate, record.subject)
        assert _told(record, world.gate) == _told(record, flipped)


@pytest.mark.parametrize("seed", range(3))
def test_reasons_of_other_people_are_one_sentence(seed: int) -> None:
    world = worlds.make(seed)
    for record in world.records:
        if record.subject is None:
            continue
        told = explain(record, world.gate, record.subject)
        assert not (told.decision.codes | told.decision.part_codes) & FROM_OTHER_PEOPLE
        others = any(part.parties for part in record.parts or ()) or record.main.parties
        if others and any(
            p.role != "exporter" for part in (record.main, *(record.parts or ())) for p in part.parties or ()
        ):
            assert OTHER_PEOPLE in told.prose()


@pytest.mark.parametrize("seed", range(3))
def test_towards_the_platform_every_reason_is_there(seed: int) -> None:
    world = worlds.make(seed, records=120)
    for record in world.records:
        told = explain(record, world.gate)
        prose = told.prose()
        assert told.decision == world.gate.decide(record)
        assert all(code in prose for code in told.decision.codes)
        assert told.decision.outcome.value in prose
        json.dumps(told.as_json())


def test_a_text_never_stands_in_an_explanation() -> None:
    world = worlds.make(1)
    secret = "the words of somebody"
    for record in world.records[:80]:
        marked = replace(record, main=replace(record.main, content=secret))
        told = explain(marked, world.gate)
        assert secret not in told.prose()
        assert secret not in json.dumps(told.as_json())


def test_the_clause_and_the_choice_that_counted_are_named(birdsite) -> None:
    from aboveboard import mainjob
    from aboveboard.workspace import read_job

    with mainjob.prepared(birdsite.ws, read_job(birdsite.job), sources=("posts",)) as ready:
        judgement = ready.judge(ready.gate())
        refused = next(d for d in judgement.sample(5773) if d.decisive.code == "subj.opted_out")
        [record] = judgement.find(refused.record_id)
        told = explain(record, judgement.gate)
    assert told.clause is not None
    assert told.choices
    assert "Choice that counted" in told.prose()
    assert "change the choice" in told.prose()


def test_a_yes_to_everything_is_told_what_it_lacks() -> None:
    read = read_file(VECTORS / "explicit.toml").cases
    blanket, named = read[0], next(case for case in read if "does not close the one that names it" in case.name)
    told = explain(blanket.record, blanket.gate, "u:ann")
    explicit = BY_CODE["cat.biometric_no_consent"].remedy
    assert "names this kind of data and this purpose" in explicit
    assert f"  - {explicit}" in told.prose().splitlines()
    assert explicit in told.as_json()["what_would_change_it"]
    assert [event.category for event in told.choices] == [None]
    counted = explain(named.record, named.gate, "u:ann").choices
    assert [event.category for event in counted] == [None, "user.biometric"]


def test_a_person_alone_in_a_record_reads_of_nobody_else() -> None:
    world = worlds.make(3)
    alone = Record("1", "post", "u:1", collected_at=THEN, created_at=THEN, main=Part(content="x"), parts=())
    together = replace(alone, parts=(Part("mention", parties=(Party("u:2", "mentioned"),)),))
    assert OTHER_PEOPLE not in explain(alone, world.gate, "u:1").prose()
    assert OTHER_PEOPLE in explain(together, world.gate, "u:1").prose()


def test_nobody_is_told_of_a_record_that_is_not_theirs() -> None:
    world = worlds.make(3)
    record = next(record for record in world.records if record.subject)
    with pytest.raises(AboveboardError, match="not by or about `u:stranger`"):
        explain(record, world.gate, "u:stranger")
