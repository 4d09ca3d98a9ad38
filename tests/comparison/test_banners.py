"""Pages that hold two policies, with banners of many kinds: the coming text is that which later stands alone."""

from __future__ import annotations

import pytest

from aboveboard.comparison import compare
from aboveboard.comparison.compare import read

BODY = """# Lantern Privacy Policy

{date}

## 1. What we collect

We collect your name, the letters you write and the photos you upload. We record each visit and the device it was made
from. We keep this information for 30 days.

## 2. What we do with it

We use letters to deliver them and photos to show them to the friends you choose. We never sell your letters. You can
delete your account in the settings at any time.

## 3. Who gets it

We share statistics about visits with the operators of our halls. We may share photos with our printing partners when you
order prints.

## 4. How to reach us

Write to the post room of Lantern, and a person will answer within a week.
"""
CURRENT = BODY.format(date="Effective March 1, 2025")
COMING = BODY.replace("30 days", "60 days").format(date="Effective June 1, 2025")
BANNERS = (
    "We're updating our Privacy Policy. These changes will take effect on June 1, 2025. You can view our current policy below.",
    "**Our Privacy Policy is changing on June 1, 2025.** Until then, the current Privacy Policy below continues to apply.",
    "This is our new Privacy Policy, which goes into effect on June 1, 2025. Scroll down to read the policy in effect now.",
    "Please note: this version takes effect June 1, 2025. The version in effect until May 31, 2025 follows below.",
    "You are viewing an upcoming version of our Privacy Policy that comes into force on 1 June 2025.",
    "The updated terms of this policy will be effective as of June 1, 2025. To see the policy that applies today, jump to it.",
    "We've updated our Privacy Policy. [Read about the changes](https://lantern.example). The new policy applies from June 1.",
)
MARKS = ("*Effective until May 31, 2025*", "## Current Privacy Policy (effective until May 31, 2025)", "Current policy")


def page(banner: str, coming: str = COMING, mark: str = MARKS[0]) -> str:
    """A page with the coming policy under its banner, and the current one below."""
    return f"{banner}\n\n{coming}\n---\n\n{mark}\n\n{CURRENT}"


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("banner", BANNERS)
def test_the_coming_text_is_the_one_that_stands_alone_later(banner: str, mark: str) -> None:
    both = page(banner, mark=mark)
    assert [part.role for part in read(both, "new").parts] == ["coming", "current"]
    assert read(both, "new").effective == "2025-06-01"
    assert compare(both, COMING).changes == ()
    [change] = compare(CURRENT, both).changes
    assert change.rule == "longer"


CLAUSES = (
    "This policy now also covers our new shops.",
    "We may change this policy at any time.",
    "You agree to this new policy by reading on.",
    "We never sell what this policy covers.",
    "Harbor Analytics Inc is named in this new policy.",
    "This policy replaces every earlier promise.",
)


@pytest.mark.parametrize("clause", CLAUSES)
def test_what_says_more_than_which_policy_it_is_is_no_banner(clause: str) -> None:
    both = page(BANNERS[0], COMING.replace("## 1.", f"{clause}\n\n## 1."))
    assert clause in [change.new_quote for change in compare(CURRENT, both).changes]


def test_a_page_with_one_policy_has_no_banner() -> None:
    told = "You are viewing an upcoming version of our Privacy Policy."
    [change] = compare(CURRENT, CURRENT.replace("## 1.", f"{told}\n\n## 1.")).changes
    assert change.new_quote == told


DATED_CLAUSES = {
    "the date first": (
        "From 1 June 2025, when these new terms will take effect, we sell your letters to shops.",
        "widens",
    ),
    "a company": ("Under the upcoming version of 3 May 2025 your letters go to Harbor Analytics Inc.", None),
    "a passive": ("Effective 1 June 2025, letters and photos are sold to advertisers.", "widens"),
    "no verb that rules": ("As of 1 June 2025, photos of you train models.", "widens"),
    "shared": ("Updated 1 June 2025: location shared with partners.", None),
    "we are updating": ("We are updating our practices: from now on we sell your letters to advertisers.", "widens"),
    "some changes": ("We've made some changes: we now share your location with advertisers.", "widens"),
    "a list of buyers": ("You can find the current list of companies that buy your letters on our site.", None),
    "below": ("Until then, the current rules on selling your location are below.", None),
    "German": ("Gültig ab 1. Juni 2025 geben wir Ihre Briefe weiter.", "unclear"),
}


@pytest.mark.parametrize(("clause", "direction"), DATED_CLAUSES.values(), ids=DATED_CLAUSES)
@pytest.mark.parametrize("section", ["## 1.", "## 3."])
def test_a_clause_with_a_date_or_about_a_change_is_no_line_of_dates(
    clause: str, direction: str | None, section: str
) -> None:
    """A widening that begins with its date, or announces itself, is told like any other."""
    found = compare(CURRENT, CURRENT.replace(section, f"{clause}\n\n{section}")).changes
    assert [change.new_quote for change in found] == [clause]
    assert direction in (None, found[0].direction)


def test_the_title_of_a_text_beside_its_date_is_a_line_of_dates() -> None:
    for title in ("Advertising Policy", "Our Cookie and Location Data Notice", "Privacy Policy"):
        old, new = (
            CURRENT.replace("Effective", f"{title}, effective").replace("2025", year) for year in ("2025", "2026")
        )
        assert compare(old, new).changes == ()
