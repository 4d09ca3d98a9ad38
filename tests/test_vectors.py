"""The vectors: language-neutral cases, judged by ``decide`` and by the engine. Anybody may judge them too."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from aboveboard.casefile import Case, parse
from aboveboard.cli.casetest import by_engine, read_file
from aboveboard.gate import Decision
from aboveboard.reasons import BY_CODE, Outcome

FOLDER = Path(__file__).parent / "vectors"
FILES = sorted(FOLDER.glob("*.toml"))
SITUATIONS = {
    1, 2, 3, 4, 5, 7, 8, 10, 15, 17, 18, 20, 22, 23, 28, 30, 31, 38, 40, 41, 42, 44, 45, 48, 50, 54, 55, 56, 57, 61,
    64, 65, 69, 73, 75, 77, 78,
}  # fmt: skip
"""The numbered situations that the reference judgement has to get right; a vector's name begins with its number."""


@cache
def vectors() -> dict[str, Case]:
    return {f"{path.stem}: {case.name}": case for path in FILES for case in read_file(path).cases}


@cache
def judged_by_engine() -> dict[str, Decision]:
    return dict(zip(vectors(), by_engine(list(vectors().values())), strict=True))


@pytest.mark.parametrize("name", vectors())
def test_decide_meets_the_expectation(name: str) -> None:
    difference = vectors()[name].run()
    assert difference is None, "\n".join(difference.lines())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_engine_decides_the_same(path: Path) -> None:
    mine = {name: case for name, case in vectors().items() if name.startswith(f"{path.stem}: ")}
    different = [name for name, case in mine.items() if judged_by_engine()[name] != case.gate.decide(case.record)]
    assert mine
    assert not different


def test_every_reason_occurs() -> None:
    decisions = [case.gate.decide(case.record) for case in vectors().values()]
    seen = {code for decision in decisions for code in decision.codes | decision.part_codes}
    assert set(BY_CODE) - seen == set()


def test_every_reason_that_can_be_decisive_is() -> None:
    seen = {case.expect.decisive for case in vectors().values()}
    never = {
        "signal.lexicon_entity_override",  # a note
        "subj.objected", "subj.consent_refused", "subj.consent_withdrawn",  # behind `subj.opted_out`
        "vis.public_after_collection",  # behind the audience at collection
    }  # fmt: skip
    assert set(BY_CODE) - seen == never


def test_every_situation_has_a_vector() -> None:
    names = [case.name.partition(":")[0].rstrip("abcdefgh") for case in vectors().values() if ":" in case.name]
    assert {int(name) for name in names if name.isdigit()} == SITUATIONS


def test_every_outcome_occurs_often() -> None:
    outcomes = [case.expect.outcome for case in vectors().values()]
    assert all(outcomes.count(outcome.value) >= 20 for outcome in Outcome)


def test_the_example_of_the_specification_holds() -> None:
    root = Path(__file__).parents[1]
    page = (root / "docs" / "formats" / "case.md").read_text("utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    platform = root / "src" / "aboveboard" / "demo" / "platform"
    read = parse(example.encode(), "case.md", lambda name: (platform / name.removeprefix("../")).read_bytes())
    assert len(read.cases) == 3
    assert [case.run() for case in read.cases] == [None, None, None]
