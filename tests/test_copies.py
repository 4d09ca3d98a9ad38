"""Verbatim copies (rule 13): a deny follows from an original to its copies, never back, and never from short texts."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard import copies
from aboveboard.engine import Engine
from aboveboard.record import Part, Record, Signal
from aboveboard.relate import _normal
from test_relate import PERMIT, THEN, judge, no, post, shown

WORDS = "the herons came back to the old quay this morning, all nine of them"
LATER, LATEST = THEN + timedelta(hours=1), THEN + timedelta(hours=2)
REFUSED, HELD = ("refuse", "subj.co_subject_denied"), ("hold", "subj.co_subject_unknown")
OUT = ("refuse", "subj.opted_out")


def said(id: str, subject: str | None, at: datetime | None = THEN, text: str | None = WORDS, **more: object) -> Record:
    return replace(post(id, subject), collected_at=at, main=Part(content=text), **more)  # type: ignore[arg-type]


# --- what follows -----------------------------------------------------------------------------------------------------


def test_a_no_of_the_first_author_reaches_the_copies(tmp_path: Path) -> None:
    records = [said("1", "bob"), said("2", "ann", LATER), said("3", "cat", LATEST)]
    assert shown(judge(tmp_path, records, {}, no("bob"))) == [OUT, REFUSED, REFUSED]


def test_a_no_of_a_copier_reaches_nobody_else(tmp_path: Path) -> None:
    """Or one copied sentence would silence everybody."""
    records = [said("1", "bob"), said("2", "ann", LATER), said("3", "cat", LATEST)]
    assert shown(judge(tmp_path, records, {}, no("ann"))) == [PERMIT, OUT, PERMIT]


def test_where_nobody_said_no_copies_are_used(tmp_path: Path) -> None:
    assert shown(judge(tmp_path, [said("1", "bob"), said("2", "ann", LATER)], {})) == [PERMIT, PERMIT]


def test_short_texts_are_nobodys(tmp_path: Path) -> None:
    short = "w" * (copies.FEWEST - 1)
    records = [said("1", "bob", text=short), said("2", "ann", LATER, text=short + "   \n ")]
    assert shown(judge(tmp_path, records, {}, no("bob"))) == [OUT, PERMIT]


def test_the_shortest_text_that_counts(tmp_path: Path) -> None:
    records = [said("1", "bob", text="w" * copies.FEWEST), said("2", "ann", LATER, text="w " * copies.FEWEST)]
    assert shown(judge(tmp_path, records, {}, no("bob"))) == [OUT, REFUSED]


def test_white_space_and_composition_make_no_other_text(tmp_path: Path) -> None:
    composed = "le caf\u00e9 du vieux port est ferm\u00e9 depuis ce matin de mars"
    told = unicodedata.normalize("NFD", composed).replace(" ", "\u00a0\u200b\n")
    decided = judge(tmp_path, [said("1", "bob", text=composed), said("2", "ann", LATER, text=told)], {}, no("bob"))
    assert shown(decided) == [OUT, REFUSED]


def test_another_letter_makes_another_text(tmp_path: Path) -> None:
    records = [said("1", "bob"), said("2", "ann", LATER, text=WORDS.replace("the", "The"))]
    assert shown(judge(tmp_path, records, {}, no("bob"))) == [OUT, PERMIT]


def test_ones_own_words_twice_are_no_copy(tmp_path: Path) -> None:
    decided = judge(tmp_path, [said("1", "ann", lifecycle="deleted"), said("2", "ann", LATER)], {})
    assert shown(decided) == [("refuse", "life.deleted_by_author"), PERMIT]


@pytest.mark.parametrize("gone", ["deleted", "removed"])
def test_copies_of_what_was_taken_down_go(tmp_path: Path, gone: str) -> None:
    decided = judge(tmp_path, [said("1", "bob", lifecycle=gone), said("2", "ann", LATER)], {})
    assert shown(decided)[1] == ("refuse", "life.deleted_by_parent")


def test_copies_of_what_may_have_been_taken_down_are_held(tmp_path: Path) -> None:
    decided = judge(tmp_path, [said("1", "bob", lifecycle=None), said("2", "ann", LATER)], {})
    assert shown(decided)[1] == ("hold", "life.state_unknown")


def test_copies_of_words_that_were_edited_away_go(tmp_path: Path) -> None:
    links = {0: {"revision": 0}, 1: {"revision_of": "1", "revision": 1}}
    records = [said("1", "bob"), said("2", "bob", LATER, text="never mind"), said("3", "ann", LATEST)]
    assert shown(judge(tmp_path, records, links))[2] == ("refuse", "life.deleted_by_parent")


def test_a_signal_on_the_original_counts_for_its_copies(tmp_path: Path) -> None:
    first = said("1", "bob")
    first = replace(first, main=replace(first.main, signals=(Signal("signal.lexicon_deny"),)))
    assert shown(judge(tmp_path, [first, said("2", "ann", LATER)], {}))[1] == ("refuse", "signal.lexicon_deny")


def test_a_copy_that_is_quoted_or_derived_from_hands_it_on(tmp_path: Path) -> None:
    quote = Part("quote", source_state=None, place="span", start=0, end=6)
    reply = post("3", "cat", "quoted words and mine", parts=(quote,))
    caption = replace(post("4", "cat", "a caption"), kind="derived")
    links = {2: {"quoted_id": "2"}, 3: {"derived_from": ["2"]}}
    decided = judge(tmp_path, [said("1", "bob"), said("2", "ann", LATER), reply, caption], links, no("bob"))
    assert shown(decided)[1:] == [REFUSED, ("redact", "subj.co_subject_denied"), REFUSED]


def test_a_withdrawal_reaches_what_is_derived_from_derived_data(tmp_path: Path) -> None:
    """Rule 14: labels of captions leave with whoever took the picture."""
    caption, label = (replace(post(id, "ann", "words"), kind="derived") for id in ("2", "3"))
    links = {1: {"derived_from": ["1"]}, 2: {"derived_from": ["2"]}}
    decided = judge(tmp_path, [post("1", "bob"), caption, label], links, no("bob"))
    assert shown(decided) == [OUT, REFUSED, REFUSED]


# --- in doubt ---------------------------------------------------------------------------------------------------------


def test_in_one_instant_a_no_of_either_holds_the_other(tmp_path: Path) -> None:
    records = [said("1", "bob"), said("2", "ann"), said("3", "cat", LATER)]
    assert shown(judge(tmp_path / "no", records, {}, no("bob"))) == [OUT, HELD, HELD]
    assert shown(judge(tmp_path / "yes", records, {})) == [PERMIT] * 3


def test_a_row_without_a_time_may_have_been_first(tmp_path: Path) -> None:
    records = [said("1", "bob", None), said("2", "ann")]
    assert shown(judge(tmp_path, records, {}, no("bob")))[1] == HELD


def test_a_later_no_holds_nobody_where_one_was_first(tmp_path: Path) -> None:
    records = [said("1", "bob"), said("2", "ann", LATER), said("3", "cat", LATER)]
    assert shown(judge(tmp_path, records, {}, no("cat"))) == [PERMIT, PERMIT, OUT]


def test_what_may_be_nobodys_is_held(tmp_path: Path) -> None:
    records = [said("1", None), said("2", "ann", LATER)]
    assert shown(judge(tmp_path, records, {}))[1] == HELD


def test_a_tie_with_something_taken_down_is_held(tmp_path: Path) -> None:
    """A deletion in doubt is no deletion, and not nothing."""
    records = [said("1", "bob", lifecycle="deleted"), said("2", "ann"), said("3", "cat", LATER)]
    assert shown(judge(tmp_path, records, {}))[1:] == [HELD, HELD]


def test_of_a_crowd_nobody_is_named(tmp_path: Path) -> None:
    crowd = [said(str(n), f"u{n}") for n in range(copies.MOST_AUTHORS + 2)]
    decided = judge(tmp_path, [*crowd, said("x", "ann", LATER)], {})
    assert shown(decided)[-1] == HELD


def test_a_twin_of_everybody_costs_no_more_than_its_rows(tmp_path: Path) -> None:
    records = [said("0", "bob"), *(said(str(n), "ann", LATER) for n in range(1, 300))]
    assert set(shown(judge(tmp_path, records, {}, no("bob")))[1:]) == {REFUSED}


# --- what comparable means --------------------------------------------------------------------------------------------

HOSTILE = (
    "", " ", "\x00", "a\x00b", "e\u0301", "\u00e9", "\u0958", "\ufb1d", "\U0001d160", "\u212b", "\u1e9b\u0323", "\uac00",
    "\u1100\u1161", "\u200b\ufeff", "a\u00a0b\tc", "\U0001f1ee\U0001f1ea", "\u3000\u5317\u4eac", "\u0344", "a\u180eb",
)  # fmt: skip


def in_the_engine(texts: list[str]) -> list[str]:
    with Engine(threads=1).connect() as con:
        found = con.execute(f"SELECT {_normal()} FROM (SELECT unnest(?) AS text)", [texts]).fetchall()
    return [one for (one,) in found]


def test_the_engine_makes_the_same_of_hostile_texts() -> None:
    assert in_the_engine(list(HOSTILE)) == [copies.normal(one) for one in HOSTILE]


_ASSIGNED = st.characters(exclude_categories=("Cs", "Cn", "Co"))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(_ASSIGNED, max_size=30), min_size=1, max_size=40))
def test_the_engine_makes_the_same_of_any_text(texts: list[str]) -> None:
    assert in_the_engine(texts) == [copies.normal(one) for one in texts]
