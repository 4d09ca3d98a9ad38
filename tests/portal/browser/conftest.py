"""A birdsite with a release behind a real browser. Skipped, with what is missing, where there is none; in CI there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Built
from tests.portal.browser.served import CHROMIUM, browsing, served
from tests.portal.conftest import by_header

from aboveboard import portal
from aboveboard.portal import published
from aboveboard.portal.guard import Rate
from aboveboard.portal.items import Wanted
from aboveboard.workspace import Workspace, open_workspace


def _missing() -> str | None:
    try:
        import axe_playwright_python  # noqa: F401
        import playwright  # noqa: F401
    except ModuleNotFoundError as error:
        return f"`{error.name}` is not installed"
    return None if CHROMIUM else "there is no Chromium: apt-get install chromium, or name it in ABOVEBOARD_CHROMIUM"


@pytest.fixture(scope="session", autouse=True)
def a_browser() -> None:
    """Skips where there is no browser; fails where CI should have brought one."""
    missing = _missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"browser tests run in CI, and {missing}")
    if missing:
        pytest.skip(missing)


@dataclass(frozen=True)
class Site:
    """A platform that is being served, and the browser that looks at it."""

    ws: Workspace
    base: str
    browser: Any
    subject: str

    def page(self, **options: Any) -> Any:
        """A page of a fresh window of this member (or of ``subject``, with ``roles``; none: of a stranger)."""
        subject, roles = options.pop("subject", self.subject), options.pop("roles", "member")
        headers = {} if subject is None else {"x-subject": subject, "x-roles": roles}
        made = {"base_url": self.base, "locale": "en", "viewport": {"width": 1280, "height": 900}}
        context = self.browser.new_context(
            extra_http_headers={**headers, **options.pop("headers", {})}, **made | options
        )
        context.set_default_timeout(30_000)
        return context.new_page()


@pytest.fixture(scope="session")
def browser(a_browser: None) -> Iterator[Any]:
    with browsing() as found:
        yield found


@pytest.fixture
def site(birdsite: Built, browser: Any, tmp_path: Path) -> Iterator[Site]:
    """A birdsite of one's own, and a member of it of whom there is something in every tab."""
    folder = tmp_path / "birdsite"
    shutil.copytree(birdsite.ws.folder, folder)
    ws = open_workspace(folder)
    [release] = published.releases(ws)
    counts = {f"u:{n}": release.items.counts(f"u:{n}") for n in range(101, 401)}
    subject = max(counts, key=lambda one: (min(counts[one].values()), one))
    assert release.items.page(subject, Wanted("used"))
    with served(portal.app(ws, by_header, rate=Rate(1_000_000))) as base:
        yield Site(ws, base, browser, subject)
    ws.ledger.close()
