"""The rules of the choices, in a browser: no is as near as yes, as large as yes, and asked for nothing in return."""

from __future__ import annotations

from typing import Any

import pytest
from tests.portal.browser.conftest import Site

LOOK = """element => {
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const drawn = ["fontSize", "fontWeight", "fontFamily", "color", "backgroundColor", "borderTopColor", "borderTopWidth"];
  return [Math.round(box.width), Math.round(box.height), ...drawn.map(name => style[name])];
}"""
"""How large something is, and how it is drawn."""


class Counted:
    """Counts the presses that something takes."""

    def __init__(self, page: Any) -> None:
        self.page, self.presses = page, 0

    def press(self, locator: Any) -> None:
        locator.click()
        self.presses += 1


def test_everything_off_takes_no_more_presses_than_everything_on(site: Site) -> None:
    off = Counted(site.page())
    off.page.goto("/")
    off.press(off.page.get_by_role("button", name="Everything off"))
    off.page.get_by_text("Recorded. It counts from now on.").wait_for()
    on = Counted(site.page())
    on.page.goto("/")
    on.press(on.page.get_by_role("link", name="Review my choices"))
    for yes in on.page.get_by_label("Allowed", exact=True).all():
        on.press(yes)
    on.press(on.page.get_by_role("button", name="Save my choices"))
    on.page.get_by_text("Recorded. It counts from now on.").wait_for()
    assert off.presses == 1 <= on.presses


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_yes_and_no_look_alike(site: Site, width: int, scheme: str) -> None:
    page = site.page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto("/")
    pair = page.locator(".pair .button").all()
    assert len(pair) == 2
    assert pair[0].evaluate(LOOK) == pair[1].evaluate(LOOK)
    page.goto("/choices")
    for row in page.locator("fieldset.choice").all():
        yes, no = (row.locator(f"label:has(input[value={value}])") for value in ("yes", "no"))
        if not row.locator("input:checked").count():
            assert yes.evaluate(LOOK) == no.evaluate(LOOK)


def test_nothing_is_ticked_before_anybody_said_yes(site: Site) -> None:
    page = site.page()
    page.goto("/choices")
    rows = {row["key"]: row for card in site_json(page, "/choices.json")["purposes"] for row in card["rows"]}
    assert any(row["asks"] for row in rows.values())
    for key, row in rows.items():
        ticked = page.locator(f"input[name='choice:{key}']:checked").evaluate_all("all => all.map(one => one.value)")
        if row["choice"]["state"] == "undecided":
            assert ticked == ([] if row["asks"] else ["undecided"]), key
    assert page.locator("input[type=checkbox]:checked").count() == 0


def site_json(page: Any, path: str) -> Any:
    return page.context.request.get(path).json()


def test_the_order_is_the_same_everywhere(site: Site) -> None:
    page = site.page()
    page.goto("/choices")
    orders = {tuple(row.locator("input[type=radio]").evaluate_all("all => all.map(one => one.value)"))
              for row in page.locator("fieldset.choice").all()}  # fmt: skip
    assert {order[:2] for order in orders} == {("yes", "no")}


def test_choice_and_effect_are_told_apart_in_words(site: Site) -> None:
    page = site.page()
    page.goto("/choices")
    told = page.locator("fieldset.choice .effect").all_inner_texts()
    assert told
    assert all(":" in words and words.split(":")[1].strip() for words in told)


def test_what_was_said_is_confirmed_where_the_focus_is(site: Site) -> None:
    page = site.page()
    page.goto("/")
    page.get_by_role("button", name="Everything off").click()
    status = page.locator("#status[role=status]")
    status.wait_for()
    assert page.evaluate("document.activeElement.id") == "status"
    assert "Signed receipt" in status.inner_text()
    page.reload()
    assert page.get_by_text("Everything is off").count() == 1


def test_all_of_it_works_without_a_script(site: Site) -> None:
    page = site.page(java_script_enabled=False)
    page.goto("/choices")
    page.locator("input[value=no]").first.check()
    page.get_by_role("button", name="Save my choices").click()
    page.get_by_text("Recorded. It counts from now on.").wait_for()
    page.goto("/withdraw")
    page.get_by_role("button", name="Everything").click()
    page.get_by_text("Recorded. It counts from now on.").wait_for()
    receipt = page.context.request.get(page.locator("#status a").first.get_attribute("href")).text()
    page.goto("/verify")
    page.locator("#text").fill(receipt)
    page.get_by_role("button", name="Check it").click()
    page.get_by_text("Everything that could be checked holds.").wait_for()
    page.goto("/not-a-member")
    page.locator("#account").fill("somebody")
    page.get_by_role("button", name="Hold it back").click()
    page.get_by_text("Thank you").wait_for()


def test_by_keyboard_alone(site: Site) -> None:
    page = site.page()
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == "Everything off":
            break
    page.keyboard.press("Enter")
    page.get_by_text("Recorded. It counts from now on.").wait_for()


def test_what_the_browser_asks_is_shown_and_counts(site: Site) -> None:
    page = site.page(headers={"sec-gpc": "1"})
    head = site.ws.ledger.head()
    page.goto("/")
    assert page.get_by_text("Your browser asks us not to sell or share").count() == 1
    page.goto("/choices")
    rows = {row["key"]: row for card in site_json(page, "/choices.json")["purposes"] for row in card["rows"]}
    assert rows["advertising.relevance|user.employment|controller"]["effect"]["reason"] == "subj.opted_out"
    assert site.ws.ledger.head() == head


def test_a_page_prints_without_its_menus(site: Site) -> None:
    page = site.page()
    page.goto("/used")
    page.emulate_media(media="print")
    assert not page.locator(".top nav").first.is_visible()
    assert page.locator(".item").first.is_visible()
