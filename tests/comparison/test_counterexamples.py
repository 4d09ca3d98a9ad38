"""Edits that a comparison once swallowed or turned round: each is small, and each changes what happens to data."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from aboveboard.cli import doors
from aboveboard.comparison import compare
from aboveboard.comparison.changes import mirrored

OLD = """# Lantern Privacy Policy

Effective 1 March 2025

## 1. Visits

We record each visit to Lantern and the device it was made from. We keep this information for 30 days. We do not sell
this information.

## 2. Letters

We store the letters that you send to friends so that we can deliver them. We keep this information for 90 days. We do
not sell this information.

## 3. Photos

We store the photos you upload. Unless you object, we share your photos and their captions with our printing partners.

## 4. Shared with Harbor Analytics Inc

We share statistics about visits under contract.
""".replace("sell\nthis", "sell this").replace("do\nnot", "do not")

SHARED = "we share your photos and their captions with our printing partners."
EDITS = {
    "terms trade places": (
        (("30 days", "XX days"), ("90 days", "30 days"), ("XX days", "90 days")),
        {("changed", "widens", "longer"), ("changed", "narrows", "shorter")},
    ),
    "a term that stands elsewhere already": ((("30 days", "90 days"),), {("changed", "widens", "longer")}),
    "one of two promises": (
        (("for 90 days. We do not sell this information.", "for 90 days."),),
        {("removed", "widens", "promise-gone")},
    ),
    "the same without its condition": (((SHARED, f"{SHARED} W{SHARED[1:]}"),), {("added", "widens", "grant-made")}),
    "a company in a heading": (
        (("Harbor Analytics Inc", "Palisade Data Ltd"),),
        {("changed", "unclear", "company")},
    ),
    "whose partners": ((("our printing", "your printing"),), {("changed", "editorial", "wording")}),
}  # fmt: skip


HEADINGS = {
    "a company without its form": ("Shared with Harbor Analytics", "Shared with Palisade Data", "unclear", "name"),
    "a name for itself": ("Harbor", "Palisade", "unclear", "name"),
    "a place": ("For people in Ireland", "For people in Singapore", "unclear", "name"),
    "other words": ("How we use your letters", "How we use and sell your letters", "editorial", "wording"),
    "no word in common": ("Your Letters", "What friends get", "editorial", "wording"),
    "a promise": ("We do not sell your letters", "Your letters", "widens", "promise-gone"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "direction", "rule"), HEADINGS.values(), ids=HEADINGS)
def test_a_heading_that_says_something_else_is_heard(old: str, new: str, direction: str, rule: str) -> None:
    """Nothing else in the text changed: whoever reads headings alone reads something else now."""
    [change] = compare(OLD.replace("2. Letters", f"2. {old}"), OLD.replace("2. Letters", f"7. {new}")).changes
    assert (change.kind, change.direction, change.rule) == ("changed", direction, rule)


def test_a_line_of_dates_that_denies_or_names_a_company_is_compared() -> None:
    for line in ("This policy is not in force until 1 May 2024", "Updated 1 May 2024 by Harbor Analytics Inc"):
        old = f"{OLD}\n{line}.\n"
        assert compare(old, old.replace(" not", "").replace("Harbor Analytics", "Palisade Data")).changes


SAYS = {
    "free, and now for money": ("You can download a copy of your data for free.",
                                "You can download a copy of your data once a year for 5 euros.", "widens", "choice-dearer"),
    "a right that costs": ("Access to your data is free.", "Access to your data costs 5 euros, once a year.", "widens",
                           "choice-dearer"),
    "by letter": ("You can delete your account in the settings.", "You can delete your account by registered letter.",
                  "widens", "choice-dearer"),
    "a name for its kind": ("We share your letters with Harbor Analytics Inc.", "We share your letters with contractors.",
                            "widens", "company"),
    "a default": ("Location sharing is off by default.", "Location sharing is on by default.", "unclear", "opposite"),
    "a place": ("Your letters are stored in Ireland.", "Your letters are stored in Singapore.", "unclear", "name"),
    "deleted and archived": ("We delete your letters when you leave us.", "We archive your letters when you leave us.",
                             "unclear", "operation"),
    "asked no more": ("Employees may read letters when you ask for help.", "Employees may read letters.", "widens",
                      "condition"),
    "less encryption": ("We use encryption for all letters.", "We use encryption for some letters.", "widens", "extent"),
    "numbers in words": ("The minimum age is sixteen.", "The minimum age is thirteen.", "unclear", "number"),
    "numbers trade places": ("Logs stay for two weeks and copies for six weeks.",
                             "Logs stay for six weeks and copies for two weeks.", "unclear", "order"),
    "a region": ("Our servers stand in the European Union.", "Our servers stand in the United States.", "unclear", "name"),
    "members only": ("The gallery is shown to members only.", "The gallery is shown to everybody.", "unclear", "condition"),
    "a person": ("A person looks at every decision.", "A program looks at every decision.", "unclear", "opposite"),
}  # fmt: skip


@pytest.mark.parametrize(("was", "now", "direction", "rule"), SAYS.values(), ids=SAYS)
def test_what_once_passed_as_wording_is_typed(was: str, now: str, direction: str, rule: str) -> None:
    old, new = (OLD.replace("## 3.", f"{said}\n\n## 3.") for said in (was, now))
    [change] = compare(old, new).changes
    assert (change.kind, change.direction, change.rule) == ("changed", direction, rule)
    [back] = compare(new, old).changes
    assert back.direction == mirrored(direction)


def test_a_short_policy_that_speaks_of_errors_is_a_policy() -> None:
    text = (
        "Lantern may be temporarily unavailable. We collect your name and the letters you write. We never sell them. "
        "You can delete your account in the settings. Page not found? Write to us."
    )
    [change] = compare(text, text.replace("never", "may")).changes
    assert change.alert
    lone = "Page not found. Lantern is temporarily unavailable. You can opt out of our cookies while you wait for it."
    assert "error-page" in [note.code for note in compare(lone, lone).problems]


def edited(text: str, edits: tuple[tuple[str, str], ...]) -> str:
    for old, new in edits:
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(("edits", "expected"), EDITS.values(), ids=EDITS)
def test_what_was_swallowed_is_found(edits: tuple[tuple[str, str], ...], expected: set[tuple[str, str, str]]) -> None:
    new = edited(OLD, edits)
    found = compare(OLD, new)
    assert sorted((c.kind, c.direction, c.rule) for c in found.changes) == sorted(expected)
    back = sorted(
        (mirrored(c.kind), mirrored(c.direction), c.new_quote, c.old_quote) for c in compare(new, OLD).changes
    )
    assert sorted((c.kind, c.direction, c.old_quote, c.new_quote) for c in found.changes) == back


def test_sections_and_entries_that_move_are_no_change_for_all_that() -> None:
    head, *sections = OLD.split("## ")
    assert compare(OLD, head + "".join(f"## {section}" for section in reversed(sections))).changes == ()
    plain = "Visits are kept for 30 days.\n\nLetters are kept for 60 days.\n\nPhotos are kept for 90 days.\n"
    text = f"{OLD}\n{plain}"
    assert compare(text, f"{OLD}\n" + "\n\n".join(reversed(plain.strip().split("\n\n"))) + "\n").changes == ()
    bare = "We are Lantern and this is how long we keep what you give us and what we find out.\n\n" + plain
    moved = bare.replace(plain, "\n\n".join(reversed(plain.strip().split("\n\n"))) + "\n")
    assert compare(bare, moved).changes == ()


SAID = {
    "a promise in other words": ("{} will not hand your data to advertisers.", "promise-gone"),
    "nobody": ("No advertiser gets your data.", "promise-gone"),
    "asked before": ("We ask you before we use your photos in a newsletter.", "promise-gone"),
    "a switch": ("You can switch off recommendations in your settings.", "choice-gone"),
    "an order to a switch": ('Switch off "Jobs for me" and we stop.', "choice-gone"),
    "tell us": ("Tell us if you do not want your posts to be used.", "choice-gone"),
    "fed": ("Your letters may be fed into our language model.", "grant-gone"),
    "in the passive": ("Postcards are kept for 30 days.", "grant-gone"),
}


@pytest.mark.parametrize(("sentence", "rule"), SAID.values(), ids=SAID)
def test_what_a_sentence_is_does_not_hang_on_one_verb(sentence: str, rule: str) -> None:
    said = OLD.replace("## 3.", f"{sentence.format('Lantern')}\n\n## 3.")
    [change] = compare(said, OLD).changes
    assert (change.kind, change.rule) == ("removed", rule)
    assert change.alert == (rule == "promise-gone" and "ask" not in sentence)


def test_consent_that_is_no_longer_asked_widens() -> None:
    old, new = "We ask you before we use your photos in a newsletter.", "We use your photos in a newsletter."
    [change] = compare(OLD + old, OLD + new).changes
    assert (change.direction, change.rule) == ("widens", "promise-gone")


def test_reach_into_the_past_that_was_denied_and_is_claimed_widens() -> None:
    old = "Changes do not apply to data that you gave us earlier."
    new = "Changes apply to all data, including data that you gave us earlier."
    [change] = compare(OLD + old, OLD + new).changes
    assert (change.direction, change.rule, change.aspects) == ("widens", "reaches-back", ("retroactivity",))
    [back] = compare(OLD + new, OLD + old).changes
    assert back.direction == "narrows"


def test_a_term_that_changed_in_a_merged_sentence_is_longer() -> None:
    old = "Visits are kept for 30 days. Letters are kept for two years after your last visit."
    new = "Visits are kept for 13 months, and letters are kept for two years after your last visit."
    [change] = compare(OLD + old, OLD + new).changes
    assert (change.direction, change.rule) == ("widens", "longer")


def test_a_term_for_destroying_is_a_term_for_keeping() -> None:
    old = "We destroy the measurements three years after your last visit at the latest."
    [change] = compare(OLD + old, OLD + old.replace("three", "five")).changes
    assert (change.direction, change.rule) == ("widens", "longer")
    assert "retention" in change.aspects


def test_a_term_without_an_end_is_longer() -> None:
    for more in ("30 days or more", "at least 30 days"):
        [change] = compare(OLD, OLD.replace("30 days", more)).changes
        assert (change.direction, change.rule) == ("widens", "longer")
        [back] = compare(OLD.replace("30 days", more), OLD).changes
        assert (back.direction, back.rule) == ("narrows", "shorter")


def test_a_page_does_not_tell_where_the_texts_lay(tmp_path: Path) -> None:
    for name, text in (("before", OLD), ("after", OLD.replace("30 days", "60 days"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.md").write_text(text, "utf-8")
    page = tmp_path / "page.html"
    names = [str(tmp_path / name / "text.md") for name in ("before", "after")]
    assert CliRunner().invoke(doors, ["policy", "compare", *names, "--html", str(page)]).exit_code == 0
    assert "before/text.md and after/text.md compared" in page.read_text("utf-8")
    assert str(tmp_path) not in page.read_text("utf-8")


def test_a_permission_that_leaves_a_prohibition_narrows() -> None:
    """What was taken out is no limit: it was what people might still do."""
    text = (
        "# Rules\n\nYou may not copy our pages (note: {words}taking them in bulk without our consent is prohibited).\n"
    )
    old = text.format(words="copying single pages by hand is permissible, however, ")
    new = text.format(words="")
    [change] = compare(old, new).changes
    assert (change.direction, change.rule) == ("narrows", "permission")
    [back] = compare(new, old).changes
    assert (back.direction, back.rule) == ("widens", "permission")
