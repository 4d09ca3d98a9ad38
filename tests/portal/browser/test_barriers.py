"""Nothing stands in anybody's way: no axe finding, no script error, no sideways scrolling, on any page in any dress."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.portal.browser.conftest import Site

from aboveboard import withdrawal
from aboveboard.choice import Event, record_key
from aboveboard.portal import published, ways
from aboveboard.portal.items import Item, Wanted

DRESSES = [("light", "en"), ("dark", "en"), ("light", "ar-XB"), ("dark", "ar-XB")]


def rewritten(site: Site) -> tuple[str, list[Item]]:
    """Takes one item out and writes the release again, so that there is something to follow; the release before, what left."""
    [before] = published.releases(site.ws)
    item, *_ = before.items.page(site.subject, Wanted("used"))
    now, named = datetime.now(UTC), record_key(item.source, item.record)
    taken = Event(subject=site.subject, type="record_withdrawn", recorded_at=now, effective_at=now, value=named)
    withdrawal.withdraw(site.ws, taken)
    [carried] = withdrawal.carry_out(site.ws)
    assert carried.superseded_by
    after = published.releases(site.ws)[-1].items.all(site.subject)
    return before.id, [one for one in after if (one.source, one.record) == (item.source, item.record)]


def every_page(site: Site) -> list[tuple[str, str | None, str]]:
    """Every page as ``(path, subject, roles)``: a member's, an engineer's, a stranger's."""
    first, left = rewritten(site)
    release = published.releases(site.ws)[-1].id
    filled = {"release": release, "number": "1", "version": "2023-09-29", "position": "1", "kind": "csv"}
    found: list[tuple[str, str | None, str]] = []
    for way in ways.WAYS:
        files = ("capsule", "certificates", "export", "proof", "receipts", "robots")
        if way.methods == ("GET",) and not any(word in way.path for word in files):
            who = (site.subject, way.roles[0]) if way.roles else (None, "member")
            found.append((way.path.format(**filled), *who))
    gone, *_ = (f"/used/{release}/{one.number}" for one in left)
    more = [
        gone,
        f"/used?release={first}",
        "/used?state=unused",
        "/used?state=shared",
        "/policies/compare",
        "/nothing",
        "/openapi",
        "/?done=off&position=1",
        f"{gone}?done=withdraw&position=1",
    ]
    return [*found, *((path, site.subject, "member") for path in more), ("/", None, "member"),
            ("/withdrawals?closed=1", site.subject, "privacy_engineer")]  # fmt: skip


def axe() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("scheme", "locale"), DRESSES)
def test_no_page_has_a_barrier(site: Site, scheme: str, locale: str) -> None:
    script, findings = axe(), []
    for path, subject, roles in every_page(site):
        page = site.page(subject=subject, roles=roles, color_scheme=scheme, locale=locale, bypass_csp=True)
        page.add_init_script(script)
        page.goto(path)
        assert page.locator("html").get_attribute("dir") == ("rtl" if locale == "ar-XB" else "ltr")
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        findings += [
            f"{path}: {one['id']} {[node['target'] for node in one['nodes'][:3]]}" for one in found["violations"]
        ]
        page.context.close()
    assert findings == []


def test_no_page_breaks_its_own_policy_of_scripts_and_styles(site: Site) -> None:
    said: list[str] = []
    for path, subject, roles in every_page(site):
        page = site.page(subject=subject, roles=roles)
        page.on("console", lambda one, path=path: said.append(f"{path}: {one.text}") if _is_ours(one) else None)
        page.on("pageerror", lambda error, path=path: said.append(f"{path}: {error}"))
        page.goto(path)
        page.context.close()
    assert said == []


def _is_ours(message: Any) -> bool:
    """An error that is not the browser's note that a page answered 401 or 404, as it was asked to."""
    return message.type == "error" and "status of 40" not in message.text


@pytest.mark.parametrize("locale", ["en", "ar-XB"])
def test_a_phone_never_scrolls_sideways(site: Site, locale: str) -> None:
    wide = []
    for path, subject, roles in every_page(site):
        page = site.page(subject=subject, roles=roles, locale=locale, viewport={"width": 360, "height": 740})
        page.goto(path)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide.append((path, over))
        page.context.close()
    assert wide == []


def test_in_another_language_nothing_is_left_in_english(site: Site) -> None:
    """Every heading, button, label and column of a page comes through gettext; what is data does not."""
    left = []
    for path, subject, roles in every_page(site):
        page = site.page(subject=subject, roles=roles, locale="ar-XB")
        page.goto(path)
        for words in page.locator("h1, h2, button, label, legend, th[scope=col], dt, nav a, summary").all_inner_texts():
            if "\u27e6" not in words and any(len(word) > 3 and word.isalpha() for word in words.split()):
                left.append((path, words))
        page.context.close()
    data = ("birdsite", "robots.txt", "feed-writer")
    assert [
        (path, words) for path, words in left if not any(one in words for one in data) and "/policies/2" not in path
    ] == []
