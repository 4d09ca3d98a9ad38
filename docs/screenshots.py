"""Takes a picture of every page of the portal, at phone and desktop width: `make screenshots` looks like this.

A birdsite of its own is built; a member takes one item out and says no to one use, the training set is written again without
it, an engineer looks; somebody is invited and signs in with a passkey. All pictures go to build/screenshots/; the four that
stand in these pages go to docs/images/. Names of pages may follow: only those are taken.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.portal.browser.served import CHROMIUM, bound, browsing, served  # noqa: E402

from aboveboard import mainjob, portal, withdrawal  # noqa: E402
from aboveboard.demo import make  # noqa: E402
from aboveboard.demo.tour import import_choices_of  # noqa: E402
from aboveboard.portal import published, ways  # noqa: E402
from aboveboard.portal.signin import alone, codes  # noqa: E402
from aboveboard.portal.signin.site import Site, site  # noqa: E402
from aboveboard.portal.signin.store import store_of  # noqa: E402
from aboveboard.workspace import Workspace, open_workspace, read_job  # noqa: E402

ALL, SHOWN = ROOT / "build" / "screenshots", ROOT / "docs" / "images"
WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}
STANDING = {"overview-desktop": "portal-overview", "compare-desktop": "portal-compare", "used-desktop": "portal-used",
            "choices-phone": "portal-choices-phone"}  # fmt: skip
"""Which pictures stand in README and docs, and what they are called there."""
PURPOSE = "a complaint of 3 May, ticket 12"


async def member(request: Any) -> portal.Principal:
    """The member whose pages are shown, with every role: these pages are only ever looked at here."""
    roles = frozenset(request.headers.get("x-roles", "member").split())
    return portal.Principal(request.headers.get("x-subject", ""), roles=roles, auth_time=datetime.now(UTC))


@contextmanager
def platform(folder: Path) -> Iterator[tuple[Workspace, str, str]]:
    """A birdsite with a release; the member whose pages say most; and one of their records."""
    make(folder)
    settings = folder / "aboveboard.toml"
    contact = '\n[portal]\ncontact = "privacy@birdsite.example"\nauthority = "Data Protection Commission, Dublin"\n'
    settings.write_text(settings.read_text() + contact)
    ws = open_workspace(folder)
    import_choices_of(ws)
    mainjob.build(ws, read_job(folder / "jobs" / "feed-writer.toml"))
    [release] = published.releases(ws)
    counts = {f"u:{n}": release.items.counts(f"u:{n}") for n in range(101, 401)}
    subject = max(counts, key=lambda one: (min(counts[one].values()), one))
    [record, *_] = release.items.page(subject, _used())
    yield ws, subject, record.record
    ws.ledger.close()


def lived_in(base: str, browser: Any, ws: Workspace, subject: str) -> None:
    """The member takes one item out and stops one use, and what follows from it is carried out."""
    [release] = published.releases(ws)
    page = browser.new_context(base_url=base, extra_http_headers={"x-subject": subject, "x-roles": "member"}).new_page()
    [_, item, *_] = release.items.page(subject, _used())
    page.goto(f"/used/{release.id}/{item.number}")
    page.get_by_role("button", name="Take it out").click()
    page.get_by_text("Recorded. It counts from now on.").wait_for()
    page.goto("/withdraw")
    page.locator("table.rows form:not(:has(input[value^=train_ai])) button").first.click()
    page.get_by_text("Recorded. It counts from now on.").wait_for()
    page.context.close()
    withdrawal.carry_out(ws)


def _used() -> Any:
    from aboveboard.portal.items import Wanted

    return Wanted("used")


def pages(release: str) -> dict[str, str]:
    """The pages by the name of their picture."""
    filled = {"release": release, "number": "1", "version": "2023-09-29", "position": "1", "kind": "csv"}
    found = {}
    for way in ways.WAYS:
        if not way.changes and not way.gives:
            name = {"/": "overview", "/used/{release}/{number}": "item", "/policies/{version}": "policy",
                    "/releases/{release}": "release", "/policies/compare": "compare"}.get(way.path)  # fmt: skip
            found[name or way.path.strip("/").replace("/", "-")] = way.path.format(**filled)
    others = {"unused": "/used?state=unused", "shared": "/used?state=shared", "openapi": "/openapi", "nothing-here": "/nothing"}
    return {**found, **others}


def main() -> None:
    """Take them all."""
    ALL.mkdir(parents=True, exist_ok=True)
    SHOWN.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch, platform(Path(scratch) / "birdsite") as (ws, subject, record), \
         bound() as listening, served(portal.app(ws, member)) as base, browsing() as browser:  # fmt: skip
        lived_in(base, browser, ws, subject)
        where = site(f"http://localhost:{listening.getsockname()[1]}")
        with served(alone.app(ws, where), listening):
            for variant, scheme, locale in (("", "light", "en"), ("-dark", "dark", "en"), ("-rtl", "light", "ar-XB")):
                for width, (wide, high) in WIDTHS.items():
                    look = {"viewport": {"width": wide, "height": high}, "color_scheme": scheme, "locale": locale}
                    context = browser.new_context(base_url=base, **look)
                    take(context, ws, width + variant, subject, record)
                    context.close()
                    context = browser.new_context(base_url=where.origin, **look)
                    sign_in(context, ws, where, width + variant)
                    context.close()


def wanted(name: str) -> bool:
    """Whether the picture of a page is asked for: each, unless some are named."""
    return not sys.argv[1:] or name in sys.argv[1:]


def sign_in(context: Any, ws: Workspace, where: Site, kind: str) -> None:
    """From an invitation to the list of devices, with a passkey of the browser's own virtual authenticator."""
    if not any(map(wanted, ("sign-in", "invite", "recover", "devices", "signed-out"))):
        return
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
              "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": device})
    with store_of(ws).writing() as con:
        invitation = where.url(f"/invite/{codes.invite(con, f'u:{100 + len(kind)}', ['member'], datetime.now(UTC))}")
    for name, path in (("signed-out", "/"), ("sign-in", "/sign-in"), ("recover", "/recover"), ("invite", invitation)):
        page.goto(path)
        page.screenshot(path=ALL / f"{name}-{kind}.png", full_page=True)
    page.locator("main button").first.click()
    page.wait_for_url("**/devices**")
    page.locator("h1").wait_for()
    page.screenshot(path=ALL / f"devices-{kind}.png", full_page=True)


def take(context: Any, ws: Workspace, kind: str, subject: str, record: str) -> None:
    """Every page in one kind of window."""
    page = context.new_page()
    for name, path in pages(published.releases(ws)[-1].id).items():
        if not wanted(name):
            continue
        work = path in ("/explain", "/withdrawals", "/audit")
        context.set_extra_http_headers(
            {"x-subject": "staff:7" if work else subject, "x-roles": "privacy_engineer" if work else "member"}
        )
        if name == "explain":
            page.goto(path)
            page.locator("#record").fill(record)
            page.locator("#purpose").fill(PURPOSE)
            page.locator("form[action$='/explain'] button").click()
        else:
            page.goto(path)
        if name == "compare":
            page.locator("table, .empty:not([data-again])").first.wait_for(timeout=120_000)
        target = ALL / f"{name}-{kind}.png"
        page.screenshot(path=target, full_page=True)
        if f"{name}-{kind}" in STANDING:
            page.screenshot(path=SHOWN / f"{STANDING[f'{name}-{kind}']}.png", full_page=False)


if __name__ == "__main__":
    if not CHROMIUM:
        sys.exit("no Chromium: apt-get install chromium")
    main()
