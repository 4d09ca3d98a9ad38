"""Regimes: what silence and missing facts mean, and that joining two of them never opens anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aboveboard import regime
from aboveboard.errors import PolicyError, VocabularyError
from aboveboard.regime import FIXED, QUESTIONS, STANDARD, Regime, Regimes, strictest

PAGE = Path(__file__).parent.parent / "docs" / "formats" / "policy.md"
TABLES = st.builds(Regime, st.just("any"), *(st.sampled_from(answers) for answers in QUESTIONS.values()))
MAPS = st.dictionaries(st.sampled_from(["EU", "EEA", "DE", "US", "US-TX", "JP"]), st.sampled_from(sorted(STANDARD)))
PLACES = st.sampled_from([None, "DE", "FR", "US", "US-TX", "US-CA", "JP", "NO", "ZZ"])


def rank(table: Regime) -> tuple[int, ...]:
    """How strict each answer is."""
    return tuple(answers.index(getattr(table, question)) for question, answers in QUESTIONS.items())


def opener(one: Regime, two: Regime) -> bool:
    """Whether ``one`` is milder than ``two`` in some question."""
    return any(a < b for a, b in zip(rank(one), rank(two), strict=True))


@given(TABLES, TABLES)
def test_strictest_is_commutative(a: Regime, b: Regime) -> None:
    assert strictest([a, b]) == strictest([b, a])


@given(TABLES, TABLES, TABLES)
def test_strictest_is_associative(a: Regime, b: Regime, c: Regime) -> None:
    assert strictest([strictest([a, b]), c]) == strictest([a, strictest([b, c])]) == strictest([a, b, c])


@given(TABLES)
def test_strictest_is_idempotent(a: Regime) -> None:
    assert rank(strictest([a, a])) == rank(a)


@given(TABLES, TABLES)
def test_strictest_is_never_opener_than_either(a: Regime, b: Regime) -> None:
    joined = strictest([a, b])
    assert not opener(joined, a)
    assert not opener(joined, b)


def test_no_cell_can_allow_an_unknown_audience_subject_or_age() -> None:
    assert not [q for q in QUESTIONS if re.search("audience|subject|age_|visib", q)]
    assert all(answer in (regime.HOLD, regime.REFUSE) for answer in FIXED.values())
    assert {"unknown age", "unknown audience or subject"} <= set(FIXED)


@given(MAPS, PLACES)
def test_an_unknown_place_is_never_opener_than_a_known_one(regions: dict[str, str], place: str | None) -> None:
    regimes = Regimes(regions=regions)
    known, unknown = regimes.at(place), regimes.at(None)
    # whether an unknown residency holds is asked of the regimes that are known to apply, not of the place itself
    assert not [q for q in QUESTIONS if q != "unknown_residency"
                and QUESTIONS[q].index(getattr(unknown, q)) < QUESTIONS[q].index(getattr(known, q))]  # fmt: skip


def test_the_most_particular_region_wins() -> None:
    regimes = Regimes(regions={"EU": "eu", "DE": "opt_in", "US": "notice", "US-TX": "research"})
    assert [regimes.at(p).name for p in ("DE", "FR", "US-CA", "US-TX")] == ["opt_in", "eu", "notice", "research"]
    # Somebody known to be in the US may be in Texas: both tables count.
    assert regimes.at("US").unlisted == "refuse"
    assert regimes.at("JP") == regimes.at(None) == regimes.strictest()


def test_an_own_regime_is_read_and_a_wrong_one_refused() -> None:
    assert regime.parse("own", {"unlisted": "allow"}) == Regime("own", unlisted="allow")
    with pytest.raises(PolicyError, match="answers `unlisted`"):
        regime.parse("own", {"unlisted": "hold"})
    with pytest.raises(VocabularyError, match="unknown regime question"):
        regime.parse("own", {"unknown_audience": "allow"})
    with pytest.raises(VocabularyError, match="unknown regime"):
        Regimes().named("lax")


def test_the_page_holds_the_regimes_as_they_are() -> None:
    assert regime_table() in PAGE.read_text("utf-8")


def regime_table() -> str:
    """The table of the specification page, made from the regimes themselves."""
    rows = [["question", *STANDARD], ["---"] * (len(STANDARD) + 1)]
    rows += [[f"`{q}`", *(getattr(table, q) for table in STANDARD.values())] for q in QUESTIONS]
    rows += [[question, *[answer] * len(STANDARD)] for question, answer in FIXED.items()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    print(regime_table())
