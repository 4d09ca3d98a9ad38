"""The language of a page: what is asked for, what there is, and how days and numbers are written."""

from __future__ import annotations

import pytest
from tests.portal.conftest import Made

from aboveboard.portal import words


@pytest.mark.parametrize(
    ("locale", "accepted", "tag"),
    [
        (None, "", "en"),
        (None, "ar-XB", "ar-XB"),
        (None, "xx, ar-XB;q=0.5, en;q=0.4", "ar-XB"),
        (None, "en-US,ar-XB;q=0.9", "en"),
        ("ar-XB", "en", "ar-XB"),
        (None, "../../etc, ;q=, en;q=x,\u0000", "en"),
        (None, "ar-XB;q=0", "en"),
    ],
)
def test_the_first_language_that_there_is(locale: str | None, accepted: str, tag: str) -> None:
    assert words.chosen(locale, accepted).tag == tag


def test_days_are_those_of_the_zone_they_were_announced_in() -> None:
    english = words.words("en")
    assert english.day("2023-09-29T00:00:00+01:00") == "29 September 2023"
    assert english.moment("2023-09-29T00:00:00+00:00") == "29 September 2023, 00:00 UTC"
    assert english.number(1234567) == "1,234,567"


def test_the_pseudo_language_marks_and_turns_and_keeps_places() -> None:
    pseudo = words.words("ar-XB")
    assert pseudo.direction == "rtl"
    assert "\u27e6" in pseudo("Version %(version)s", version="1")
    assert "1" in pseudo("Version %(version)s", version="1")


def test_a_page_is_in_the_language_of_its_principal(platform: Made) -> None:
    page = platform(build=False).client("u1", x_locale="ar-XB").get("/")
    assert 'dir="rtl"' in page.text
    assert page.headers["content-language"] == "ar-XB"


def test_everything_that_is_shown_is_escaped(platform: Made) -> None:
    def sly(rows: list[dict[str, object]]) -> None:
        rows[1]["words"] = "<script>alert(1)</script><b>bold"
        rows[13]["id"] = '"><img src=x onerror=alert(1)>'

    page = platform(posts=sly).client("u1").get("/used").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
