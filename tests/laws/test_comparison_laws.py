"""What holds of every comparison: of a text with itself, turned round, restyled, renamed; and nothing is swallowed."""

from __future__ import annotations

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.comparison import made_history

from aboveboard.comparison import Change, Comparison, compare
from aboveboard.comparison.changes import mirrored

WHO = ("We", "Our partners", "Chirper", "Advertisers", "Our affiliates", "Auditors")
DO = ("may collect", "do not collect", "may share", "will not sell", "keep", "use", "never read", "may combine")
WHAT = ("your address", "the words of your chirps", "your private messages", "the people whom you follow", "your age")
WHY = (
    "to keep accounts secure",
    "to show adverts",
    "to train models",
    "for {n} days",
    "with your consent",
    "in the year {n}",
)
COMPANIES = ("Feather Ltd.", "Nest Holdings Inc.", "Beak GmbH")

sentences = st.builds(
    lambda who, do, what, why, n, tail: f"{who} {do} {what} {why.format(n=n)}{tail}.",
    st.sampled_from(WHO), st.sampled_from(DO), st.sampled_from(WHAT), st.sampled_from(WHY), st.integers(7, 900),
    st.sampled_from(("", ", as the law asks", ", together with Feather Ltd", " unless you object", " and so on")),
)  # fmt: skip
paragraphs = st.lists(st.lists(sentences, min_size=1, max_size=4), min_size=3, max_size=9)


def page(found: list[list[str]], style: int = 0) -> str:
    return made_history.text(found, "2023-05-01", style)


def told(found: Comparison) -> list[tuple[str, ...]]:
    return sorted(_row(change) for change in found.changes)


def _row(change: Change) -> tuple[str, ...]:
    """A change without the numbers that only count headings."""
    quotes = (re.sub(r"\b\d+\. (?=About)", "", quote) for quote in (change.old_quote, change.new_quote))
    return change.kind, change.direction, *quotes


@settings(max_examples=25, deadline=None)
@given(paragraphs)
def test_a_text_and_itself(found: list[list[str]]) -> None:
    same = compare(page(found), page(found))
    assert (same.changes, same.renames) == ((), ())


@settings(max_examples=40, deadline=None)
@given(paragraphs, paragraphs)
def test_a_comparison_turns_round_with_its_texts(one: list[list[str]], other: list[list[str]]) -> None:
    there, back = compare(page(one), page(other)), compare(page(other), page(one))
    turned = sorted((mirrored(kind), mirrored(way), new, old) for kind, way, old, new in told(back))
    assert told(there) == turned


@settings(max_examples=40, deadline=None)
@given(paragraphs, paragraphs, st.integers(1, 11))
def test_style_changes_nothing(one: list[list[str]], other: list[list[str]], style: int) -> None:
    assert compare(page(one), page(one, style)).changes == ()
    assert told(compare(page(one), page(other))) == told(compare(page(one), page(other, style)))


@settings(max_examples=40, deadline=None)
@given(paragraphs, st.randoms(use_true_random=False))
def test_the_order_of_paragraphs_changes_nothing(found: list[list[str]], chance: random.Random) -> None:
    found = found[:8]  # of one section: a sentence that trades places with another section's is said of something else
    moved = list(found)
    chance.shuffle(moved)
    assert compare(page(found), page(moved)).changes == ()


@settings(max_examples=40, deadline=None)
@given(paragraphs)
def test_a_listed_brand_rename_changes_nothing(found: list[list[str]]) -> None:
    text = page(found)
    renamed = text.replace("Chirper", "Warble")
    known = compare(text, renamed, names=[("Chirper", "Warble")])
    assert known.changes == ()
    assert [(r.old, r.new) for r in known.renames] == [("Chirper", "Warble")]


EDITS = (
    ("a number", r"\b\d+(?= days)", lambda m: str(int(m[0]) + 1)),
    ("a year", r"(?<=in the year )\d+", lambda m: str(int(m[0]) + 1)),
    ("a negation gone", r"\bdo not collect\b", lambda _: "do collect"),
    ("a negation", r"\bmay share\b", lambda _: "may not share"),
    ("another negation", r"\bnever read\b", lambda _: "read"),
    ("a company", r"\bFeather Ltd\b", lambda _: "Nest Holdings Inc"),
)


@settings(max_examples=40, deadline=None)
@given(paragraphs, st.sampled_from(EDITS), st.randoms(use_true_random=False))
def test_nothing_that_counts_is_swallowed(found: list[list[str]], edit: tuple, chance: random.Random) -> None:
    """One number, negation or company changed in one sentence: somebody is told, unless the sentence stands twice."""
    _, pattern, instead = edit
    places = [(p, s) for p, some in enumerate(found) for s, one in enumerate(some) if re.search(pattern, one)]
    if not places:
        return
    p, s = chance.choice(places)
    changed = [list(some) for some in found]
    changed[p][s] = re.sub(pattern, instead, found[p][s], count=1)
    told_before, told_after = ({one for some in side for one in some} for side in (found, changed))
    assert bool(compare(page(found), page(changed)).changes) == (told_before != told_after)
    assert not compare(page(found), page(changed)).renames


BESIDE = (("We ", "We and our friends "), (".", ", and more of it in winter."), ("you", "you and your guests"))


@settings(max_examples=40, deadline=None)
@given(paragraphs, st.sampled_from(EDITS), st.sampled_from(BESIDE), st.randoms(use_true_random=False))
def test_nothing_that_counts_is_hidden_by_what_changed_beside_it(
    found: list[list[str]], edit: tuple, beside: tuple[str, str], chance: random.Random
) -> None:
    """A number, negation or company that changed in a sentence that says more now: its own words are marked somewhere."""
    _, pattern, instead = edit
    places = [(p, s) for p, some in enumerate(found) for s, one in enumerate(some) if re.search(pattern, one)]
    if not places:
        return
    p, s = chance.choice(places)
    changed = [list(some) for some in found]
    changed[p][s] = re.sub(pattern, instead, found[p][s].replace(*beside, 1), count=1)
    if changed[p][s] in {one for some in found for one in some} or found[p][s] in {
        one for some in changed for one in some
    }:
        return  # one of two that say the same
    spans = [
        (quote, span)
        for change in compare(page(found), page(changed)).changes
        for quote, marks in ((change.old_quote, change.old_marks), (change.new_quote, change.new_marks))
        for span in marks
    ]
    marked = {word for quote, (start, end) in spans for word in re.findall(r"[\w']+", quote[start:end])}
    was, now = (set(re.findall(r"[\w']+", one)) for one in (found[p][s], changed[p][s]))
    lost = {word for word in was - now if len(word) > 1}
    assert lost <= marked, (lost, marked)


# --- the same over headings: a heading is read by more people than what stands below it -----------------------------

HEADS = (
    "Shared with {company}", "{company} and your data", "What {name} receives", "Working With {name}", "{name}",
    "Kept for {n} days", "Our {n} promises", "Data from before {day} May {year}", "Since {day} May {year}",
    "We {not_}sell your data", "What we do {not_}collect", "Who can {not_}read your chirps", "How we work", "Your Choices",
)  # fmt: skip
NAMES = ("Harbor Analytics", "Palisade", "Quillfeather", "Merrow Data")
FORMS = ("## {}", "## {n}. {}", "**{}**", "### {}", "**{n}.2 {}**")


slots = st.fixed_dictionaries(
    {"company": st.sampled_from(COMPANIES), "name": st.sampled_from(NAMES), "n": st.integers(2, 400),
     "day": st.integers(1, 31), "year": st.integers(1990, 2035), "not_": st.sampled_from(("", "not "))}
)  # fmt: skip
headed = st.lists(st.tuples(st.sampled_from(HEADS), slots), min_size=2, max_size=6, unique_by=lambda one: one[0])


def sections(heads: list[tuple[str, dict]], form: str, bodies: list[list[str]]) -> str:
    """A policy with a section under every heading; each section has a sentence of its own."""
    parts = ["# Chirper Privacy Policy", "Effective: 2023-05-01"]
    for number, (head, slot) in enumerate(heads, 1):
        body = f"This is part {'abcdefgh'[number]} of what we tell you here. {' '.join(bodies[number % len(bodies)])}"
        parts += [form.format(head.format(**slot), n=number), body]
    return "\n\n".join(parts) + "\n"


OTHERWISE = {
    "company": lambda value: next(one for one in COMPANIES if one != value),
    "name": lambda value: next(one for one in NAMES if one != value),
    "n": lambda value: value + 1, "day": lambda value: value % 28 + 1, "year": lambda value: value + 1,
    "not_": lambda value: "" if value else "not ",
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(headed, st.sampled_from(FORMS), paragraphs, st.randoms(use_true_random=False))
def test_nothing_that_counts_is_swallowed_in_a_heading(
    heads: list[tuple[str, dict]], form: str, bodies: list[list[str]], chance: random.Random
) -> None:
    """One number, negation, company, name or date in one heading: it is a change, or a date that is told."""
    places = [(at, slot) for at, (head, _) in enumerate(heads) for slot in OTHERWISE if f"{{{slot}}}" in head]
    if not places:
        return
    at, slot = chance.choice(places)
    head, filled = heads[at]
    changed = [*heads[:at], (head, {**filled, slot: OTHERWISE[slot](filled[slot])}), *heads[at + 1 :]]
    one, other = sections(heads, form, bodies), sections(changed, form, bodies)
    there, back = compare(one, other), compare(other, one)
    dated = slot in ("day", "year") and "dates" in [note.code for note in there.notes]
    assert there.changes or dated, (head, slot)
    assert not there.renames
    assert told(there) == sorted((mirrored(kind), mirrored(way), new, old) for kind, way, old, new in told(back))
    assert compare(one, sections(heads, chance.choice(FORMS), bodies)).changes == ()


@settings(max_examples=60, deadline=None)
@given(headed, paragraphs, st.sampled_from([head for head in HEADS if "{" in head]), slots)
def test_a_heading_alone_that_counts_is_not_swallowed(
    heads: list[tuple[str, dict]], bodies: list[list[str]], head: str, slot: dict
) -> None:
    """A heading put above words that stood there before: whom it names, what it counts or denies is told."""
    bare = "{name}" in head and not re.search("shar|partner", head.lower())
    if bare or ("{not_}" in head and not slot["not_"]) or head in [known for known, _ in heads]:
        return
    one = sections(heads, "## {}", bodies)
    other = one.replace("This is part c", f"## {head.format(**slot)}\n\nThis is part c")
    found = compare(one, other)
    assert found.changes or "dates" in [note.code for note in found.notes]


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400))
def test_any_text_gets_an_answer(one: str, other: str) -> None:
    found = compare(one, other)
    assert found.problems == () or found.changes == ()
    assert compare(one, one).changes == ()
