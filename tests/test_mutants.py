"""Mutants: the engine's SQL with one thing wrong in it, each of which some world has to notice.

A mutant is a textual change with a name. The test first asserts that the original text stands where it is expected,
so that a mutant can never silently not apply; then it looks for a world on which engine and ``decide`` differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module

import pytest

import worlds
from aboveboard import casefile, choice, engine, steps, suppression
from aboveboard.cli.casetest import engine_decisions
from aboveboard.errors import EngineError
from aboveboard.gate import Decision
from aboveboard.plan import Plan

flatten = import_module("aboveboard.ledger.flatten")  # the package hands on a function of the same name
SEEDS = range(160)
RECORDS = 200


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong turn: in a step (``room/name``), in a fragment that ``plan`` compiles, or in the second fold."""

    name: str
    where: str
    original: str
    wrong: str

    def __str__(self) -> str:
        return self.name.replace(" ", "_")


IN_STEPS = [
    Mutant("nobody's record passes", "shard/cases_described",
           "flag(NOT r.has_subject, @integrity.subject_unresolved)", "0::UBIGINT"),
    Mutant("a missing lifecycle is a good one", "shard/cases_described",
           "coalesce(r.lifecycle NOT IN {{lifecycles}}, TRUE)", "coalesce(r.lifecycle NOT IN {{lifecycles}}, FALSE)"),
    Mutant("collected after the judgement counts", "shard/mains",
           "CASE WHEN collected_at <= getvariable('as_of') THEN collected_at END AS collected",
           "collected_at AS collected"),
    Mutant("the exporter has a veto", "shard/others", "party.role IS DISTINCT FROM 'exporter'", "TRUE"),
    Mutant("an unknown role has none", "shard/others",
           "party.role IS DISTINCT FROM 'exporter'", "party.role <> 'exporter'"),
    Mutant("one yes is enough", "shard/consents_of_others",
           "bool_and(renewed) AS all_renewed", "bool_or(renewed) AS all_renewed"),
    Mutant("of several others the first speaks for all", "shard/circles",
           "list_sort(list(DISTINCT {{person}}) FILTER (u.subject IS NOT NULL))",
           "[min({{person}}) FILTER (u.subject IS NOT NULL)]"),
    Mutant("a clause that forbids is not applied", "shard/clauses_matching",
           "denies_now & denies = 0", "TRUE"),
    Mutant("the policy at collection does not matter", "shard/reasons_of_cases",
           "AND (NOT then_needed OR {{carried.candidates_then}})", ""),
    Mutant("an unknown audience then is no audience", "shard/reasons_of_cases",
           "flag(rank_at IS NULL OR rank_now IS NULL, @vis.audience_unknown)",
           "flag(rank_now IS NULL, @vis.audience_unknown)"),
    Mutant("the audience may have widened since", "shard/reasons_of_cases",
           "CASE WHEN rank_at > reach THEN", "CASE WHEN least(rank_at, rank_now) > reach THEN"),
    Mutant("a no of others is skipped", "shard/reasons_of_others",
           "(p.lo & {{deny_lo}}) <> 0 OR (p.hi & {{deny_hi}}) <> 0,", "FALSE,"),
    Mutant("a no in doubt is a no", "shard/others", "coalesce(party.role IN {{in_doubt}}, FALSE)", "FALSE"),
    Mutant("the unknown of others is skipped", "shard/reasons_of_others",
           "(p.lo & {{unknown_lo}}) <> 0 OR (p.hi & {{unknown_hi}}) <> 0", "FALSE"),
    Mutant("an undertaking asks where the primary subject lives alone", "shard/reasons_of_others",
           "{{person_hi}} AS hi", "({{person_hi}}) & ~@jur.region_embargo AS hi"),
    Mutant("what a person took out is not asked", "shard/cases_described",
           "flag(r.taken_out = 2, @life.taken_out)", "0::UBIGINT"),
    Mutant("what an undertaking names is not asked", "shard/cases_described",
           "flag(r.listed, @rights.retracted)", "0::UBIGINT"),
    Mutant("a part without a ground stays", "shard/cases_judged",
           "against OR hi & {{ground_hi}} = 0 AS removed", "against AS removed"),
    Mutant("an unreadable signal never holds", "shard/cases_judged",
           "OR (signals_hold AND (hi & {{by_regime_hi}}) <> 0) AS against", "AS against"),
    Mutant("a span may end behind the text", "shard/parts_placed",
           'p."end" <= length(text)', 'p."end" IS NOT NULL'),
    Mutant("an edge releases the text", "shard/endings",
           "WHEN kind = 'repost' THEN @xform.nothing_left", ""),
    Mutant("protected in between is forgotten", "people/standings",
           "bool_or(protected = 2) OVER since AS protected_between", "FALSE AS protected_between"),
    Mutant("deletions in the ledger are overruled by the accounts table", "people/account_spans",
           "coalesce(last_value(d.deletion IGNORE NULLS) OVER past, 0)", "0"),
    Mutant("of two ages at one instant the older holds", "people/ages_observed",
           "max(CASE band WHEN 'adult'", "min(CASE band WHEN 'adult'"),
    Mutant("only the residency of today counts", "people/subjects_in_force",
           "greatest({{base.silence_opt_out}}, then_.silence_opt_out, now_", "greatest({{base.silence_opt_out}}, now_"),
    Mutant("collected before anything was known is harmless", "people/standings",
           "lifted_between, TRUE AS state_gap_between", "lifted_between, FALSE AS state_gap_between"),
]  # fmt: skip

IN_FRAGMENTS = [
    Mutant("unlisted is public", "rank_now", "CASE WHEN unlisted = 0 THEN 0 ELSE 1 END", "0"),
    Mutant("an unknown age is of age", "person_columns", "coalesce(sf.age, 1) AS age", "coalesce(sf.age, 0) AS age"),
    Mutant("an interval begins a moment too late", "person_joins",
           "sf.collected_from <= u.collected_key", "sf.collected_from < u.collected_key"),
    Mutant("an interval ends a moment too late", "person_joins",
           "u.collected_key < c.collected_to", "u.collected_key <= c.collected_to"),
    Mutant("all times of collection are one", "situation", ")::INTEGER", ")::INTEGER * 0"),
    Mutant("everybody stands alike", "person", "coalesce(sf.standing, 0)", "least(coalesce(sf.standing, 0), 1)"),
    Mutant("what minors made is anybody's", "person", "u.made_at < sf.minor_until OR", "FALSE OR"),
    Mutant("a yes may be of any age", "said", "CASE WHEN past THEN", "CASE WHEN NOT past THEN"),
    Mutant("the basis of a clause does not matter", "carried.candidates_now",
           "CASE choice WHEN 'given'", "CASE 'given' WHEN 'given'"),
    Mutant("a yes to everything is explicit", "person_joins", "x.scope_id = u.explicit_scope", "x.scope_id = u.job_scope"),
    Mutant("no yes has to be explicit", "person_lo", "known AND NOT said_explicitly", "known AND choice <> 'given'"),
    Mutant("a renewed yes need not be explicit", "person_columns", "OR (x.state = 'given' AND x.past",
           "OR (TRUE OR x.past"),
    Mutant("an undertaking asks about today's residency alone", "person_hi",
           "coalesce(residency_at IN", "coalesce(FALSE AND residency_at IN"),
]  # fmt: skip

IN_THE_FOLD = [
    Mutant("a yes never runs out", "_PIECES", "WHEN coalesce(e.expires_at <= $now, false) THEN 'expired' ELSE 'given'",
           "ELSE 'given'"),
    Mutant("a backdated yes rewrites history", "_PIECES",
           "NOT e.effective_verified AND e.recorded_at > e.effective_at AS late", "FALSE AS late"),
    Mutant("an administrator may say yes", "_PIECES",
           "e.actor IN {close_only} AS not_theirs_to_give", "FALSE AS not_theirs_to_give"),
    Mutant("a doubt is no doubt", "_ANSWERS", "CASE WHEN doubtful THEN {unknown} ELSE strictness END", "strictness"),
    Mutant("who was erased may come back", "_SUPPRESSED", "undone IS NULL OR asked >= undone",
           "undone IS NULL"),
    Mutant("nobody can undo it", "_SUPPRESSED", "undone IS NULL OR asked >= undone", "TRUE"),
    Mutant("an unverified word undoes it", "_SUPPRESSED", "'unsuppressed' AND verified AND", "'unsuppressed' AND"),
    Mutant("one label with a yes is enough", "_JOINED", "WHERE strictness > {given} OR labels = {count}", ""),
]  # fmt: skip


IN_THE_ENGINE = [
    Mutant("the list of erased people is not asked", "_ERASED_IN", "SELECT unnest(?::VARCHAR[]) AS hash",
           "SELECT unnest(?::VARCHAR[]) AS hash LIMIT 0"),
    Mutant("only authors are looked for in it", "_ERASED_IN",
           "list_transform(parties, lambda p: p.subject),", "[NULL::VARCHAR],"),
    Mutant("people in parts are not looked for in it", "_ERASED_IN",
           "flatten(list_transform(parts, lambda p: list_transform(p.parties, lambda q: q.subject)))", "[NULL::VARCHAR]"),
]  # fmt: skip


@cache
def decided(seed: int) -> tuple[worlds.World, tuple[Decision, ...]]:
    world = worlds.make(seed, records=RECORDS)
    return world, tuple(world.gate.decide(record) for record in world.records)


def caught(applies: Callable[[], bool] = lambda: True) -> bool:
    """Whether some world notices; stops at the first. ``applies`` says whether the last run held the mutant."""
    return any(_notices(seed) for seed in SEEDS) and applies()


def _notices(seed: int) -> bool:
    world, expected = decided(seed)
    try:
        return tuple(engine_decisions(world.gate, world.records)) != expected
    except EngineError as error:
        if "decisions came out" in error.sentence:  # the engine itself counts its rows
            return True
        raise


@pytest.mark.parametrize("mutant", IN_STEPS, ids=str)
def test_a_wrong_step_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    room, name = mutant.where.split("/")
    [step] = [step for step in steps.read(room) if step.name == name]
    assert step.sql.count(mutant.original) == 1
    wrong = replace(step, sql=step.sql.replace(mutant.original, mutant.wrong))
    rooms = {each: steps.read(each) for each in ("people", "shard", "company", "write", "lay", "hash", "commit")}
    rooms[room] = tuple(wrong if each is step else each for each in rooms[room])
    monkeypatch.setattr(steps, "read", rooms.__getitem__)
    assert caught()


@pytest.mark.parametrize("mutant", IN_FRAGMENTS, ids=str)
def test_a_wrong_fragment_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Plan.fragments
    held = []

    def wrong(plan: Plan) -> Mapping[str, str]:
        fragments = right(plan)
        held.append(mutant.original in fragments[mutant.where])
        return {**fragments, mutant.where: fragments[mutant.where].replace(mutant.original, mutant.wrong)}

    monkeypatch.setattr(Plan, "fragments", wrong)
    assert caught(lambda: held[-1])


@pytest.mark.parametrize("mutant", IN_THE_FOLD, ids=str)
def test_a_wrong_fold_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(flatten, mutant.where)
    assert right.count(mutant.original) == 1
    monkeypatch.setattr(flatten, mutant.where, right.replace(mutant.original, mutant.wrong))
    assert caught()


@pytest.mark.parametrize("mutant", IN_THE_ENGINE, ids=str)
def test_a_wrong_list_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(engine, mutant.where)
    assert right.count(mutant.original) == 1
    monkeypatch.setattr(engine, mutant.where, right.replace(mutant.original, mutant.wrong))
    assert any(_differs(_erased_in_passing(seed)) for seed in SEEDS)


def _erased_in_passing(seed: int) -> worlds.World:
    """A small world in which everybody was erased who has a part in a record and wrote none, and one who wrote some."""
    world = worlds.make(seed, records=25)
    people, authors = world.gate.snapshot, sorted({one.subject for one in world.records if one.subject})
    assert isinstance(people, choice.People)
    named = {p.subject for one in world.records for part in (one.main, *(one.parts or ())) for p in part.parties or ()}
    gone = suppression.of(casefile.NO_KEY, [*sorted({one for one in named if one} - set(authors)), *authors[:1]])
    return replace(world, gate=replace(world.gate, snapshot=replace(people, suppressions=gone)))


def _differs(world: worlds.World) -> bool:
    return engine_decisions(world.gate, world.records) != [world.gate.decide(one) for one in world.records]


def test_without_a_mutant_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    world, expected = decided(0)
    assert tuple(engine_decisions(world.gate, world.records)) == expected
    assert not any(_differs(_erased_in_passing(seed)) for seed in range(5))
