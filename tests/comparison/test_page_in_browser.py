"""The page of a comparison as people get it: on a phone, in the dark, on paper. Skipped where there is no Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.comparison.test_counterexamples import OLD
from tests.portal.browser.served import CHROMIUM, browsing

from aboveboard.comparison import compare, timeline
from aboveboard.comparison.history import History, Version
from aboveboard.comparison.page import CLOSING, as_html
from aboveboard.recorded import Source

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")

LONG_NAME = "2025-03-01_a_name_of_a_file_that_somebody_made_rather_long_because_nobody_told_them_not_to.md"
NEW = OLD.replace("30 days", "12 months").replace("We do not sell this information.", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A comparison and a history, each as a page."""
    folder = tmp_path_factory.mktemp("pages")
    recorded = folder / "recorded"
    recorded.mkdir()
    for day, text in (("2025-03-01", OLD), ("2025-04-01", NEW)):
        (recorded / f"{day}.md").write_text(text, encoding="utf-8")
    one = History()
    versions = (Version(v.id, v.recorded_at, v.text or "") for v in Source(recorded).versions())
    entries = [*(entry for version in versions for entry in one.add(version)), *one.finish()]
    lines = [*timeline.html_opening(f"History of {LONG_NAME}")]
    lines += [line for n, entry in enumerate(entries) for line in timeline.html_entry(LONG_NAME, entry, n)]
    texts = {"compared": as_html(compare(OLD, NEW), LONG_NAME), "history": "\n".join([*lines, *CLOSING])}
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("name", ["compared", "history"])
def test_a_phone_scrolls_down_only(browser: Any, pages: dict[str, Path], name: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(pages[name].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_the_dark_page_is_dark_and_the_printed_one_is_not(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(pages["compared"].as_uri())
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(22, 22, 22)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.close()


def test_paper_shows_what_a_screen_shows_at_a_click(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page()
    page.goto(pages["history"].as_uri())
    height = "document.querySelector('details').getBoundingClientRect().height"
    closed = page.evaluate(height)
    page.emulate_media(media="print")
    assert page.evaluate(height) > 4 * closed
    outer = "getComputedStyle(document.querySelector('article:has(article)')).breakInside"
    assert page.evaluate(outer) == "auto"
    page.close()
