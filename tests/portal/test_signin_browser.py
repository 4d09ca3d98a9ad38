"""Signing in as people do it: a real browser under the portal's own Content-Security-Policy, with a virtual authenticator.

Needs Playwright and Chromium; without them it is skipped, except in CI. The authenticator is the browser's own, by its debugging
protocol (WebAuthn domain): internal, resident keys, the person verified and always there.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("webauthn", reason="sign-in needs the extra [passkeys]")
pytest.importorskip("playwright", reason="a browser needs playwright")

import uvicorn
from playwright import sync_api
from tests import small
from tests.portal.browser.served import CHROMIUM, browsing

from aboveboard.portal.signin import alone, codes
from aboveboard.portal.signin.site import Site, site
from aboveboard.portal.signin.store import store_of
from aboveboard.workspace import Workspace, open_workspace

if not CHROMIUM and not os.environ.get("CI"):
    pytest.skip("no Chromium on this machine: apt-get install chromium", allow_module_level=True)

DEVICE = {
    "protocol": "ctap2", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Workspace, Site]]:
    """A portal that stands alone, on a free port of this machine."""
    ws = open_workspace(small.make(tmp_path / "here"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = site(f"http://localhost:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(alone.app(ws, where), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield ws, where
        server.should_exit = True
        thread.join(10)
    ws.ledger.close()


@contextmanager
def browser(**settings: Any) -> Iterator[Any]:
    """A page of a fresh browser, and what it complains of: a policy that is broken shows in its console."""
    with browsing() as chromium:
        page = chromium.new_context(**settings).new_page()
        page.complaints = []
        page.on("console", lambda told: page.complaints.append(told.text) if _bad(told) else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page


def _bad(told: Any) -> bool:
    """An error on the console that is not just an answer of 401 or 409, which are wanted here."""
    return told.type == "error" and not told.text.startswith("Failed to load resource")


class Devices:
    """The virtual authenticators of a page."""

    def __init__(self, page: Any) -> None:
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable")

    def add(self, transport: str = "internal") -> str:
        """One more; the browser takes one internal authenticator only, a second is a key that is plugged in."""
        told = {"options": {**DEVICE, "transport": transport}}
        return str(self.cdp.send("WebAuthn.addVirtualAuthenticator", told)["authenticatorId"])

    def keys(self, device: str) -> list[Any]:
        return list(self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"])

    def present(self, device: str, enabled: bool) -> None:
        """Whether somebody is there to touch it."""
        told = {"authenticatorId": device, "enabled": enabled}
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", told)

    def unverified(self, device: str) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})


def invite(ws: Workspace, where: Site, subject: str) -> str:
    with store_of(ws).writing() as con:
        return where.url(f"/invite/{codes.invite(con, subject, ['member'], datetime.now(UTC))}")


def test_from_an_invitation_to_a_key_that_was_lost(served: tuple[Workspace, Site]) -> None:
    ws, where = served
    expect = sync_api.expect
    with browser() as page:
        devices = Devices(page)
        phone = devices.add()
        page.goto(invite(ws, where, "u1"))
        expect(page.get_by_text("u1", exact=True)).to_be_visible()
        page.get_by_label("A name for it").fill("phone")
        page.get_by_role("button", name="Make a passkey").click()
        expect(page.locator("#status")).to_contain_text("Your passkey is made, and you are signed in.")
        [kept] = devices.keys(phone)
        assert kept["isResidentCredential"]
        assert kept["rpId"] == "localhost"

        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("#status")).to_have_text("You are signed out.")
        page.goto(where.url("/"))
        page.get_by_role("link", name="Sign in").first.click()
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("heading", name="Your data", level=1)).to_be_visible()

        devices.present(phone, False)
        laptop = devices.add("usb")
        page.get_by_role("link", name="Devices").click()
        page.get_by_label("A name for it").fill("laptop")
        page.get_by_role("button", name="Make another passkey").click()
        expect(page.locator("#status")).to_contain_text("Another passkey is made.")
        assert (len(devices.keys(phone)), len(devices.keys(laptop))) == (1, 1)

        row = page.locator("[data-passkey-row]", has_text="phone")
        row.get_by_role("button", name="Take away").click()
        expect(page.locator("#status")).to_contain_text("opens nothing any more")
        expect(page.locator("[data-passkey-row]")).to_have_count(1)

        page.get_by_role("button", name="Take away").click()
        expect(page.get_by_role("alert").first).to_contain_text("This is your last way in")
        page.get_by_role("link", name="Keep it").click()
        page.get_by_role("button", name="Make a recovery code").click()
        expect(page.locator("[data-code]")).to_be_visible()
        assert page.complaints == []

        page.get_by_role("button", name="Sign out").click()
        devices.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": laptop})
        devices.present(phone, True)
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("heading", name="That did not work")).to_be_visible()


def test_a_device_that_verified_nobody_does_not_come_in(served: tuple[Workspace, Site]) -> None:
    ws, where = served
    with browser() as page:
        devices = Devices(page)
        devices.unverified(devices.add())
        page.goto(invite(ws, where, "u1"))
        page.get_by_role("button", name="Make a passkey").click()
        sync_api.expect(page.locator("[data-failed] p")).to_be_visible()
        sync_api.expect(page.locator("[data-failed]")).to_be_focused()
        with store_of(ws).reading() as con:
            assert con.execute("SELECT count(*) FROM passkeys").fetchone()[0] == 0


def test_the_proof_that_keys_ask_for_leads_back(served: tuple[Workspace, Site]) -> None:
    ws, where = served
    with browser() as page:
        Devices(page).add()
        page.goto(invite(ws, where, "u1"))
        page.get_by_role("button", name="Make a passkey").click()
        sync_api.expect(page.locator("#status")).to_be_visible()
        with store_of(ws).writing() as con:
            con.execute("UPDATE sessions SET proven_at = proven_at - 16 * 60 * 1000000")
        page.get_by_role("button", name="Make another passkey").click()
        page.get_by_role("main").get_by_role("link", name="Sign in").click()
        sync_api.expect(page.get_by_role("heading", name="Is it still you?")).to_be_visible()
        page.get_by_role("button", name="Use my passkey").click()
        sync_api.expect(page).to_have_url(where.url("/devices"))
        page.get_by_role("button", name="Make a recovery code").click()
        sync_api.expect(page.locator("[data-code]")).to_be_visible()


def test_without_scripts_the_pages_say_what_is_needed(served: tuple[Workspace, Site]) -> None:
    ws, where = served
    with browser(java_script_enabled=False) as page:
        for path in (where.url("/sign-in"), where.url("/recover"), invite(ws, where, "u1")):
            page.goto(path)
            sync_api.expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
            sync_api.expect(page.locator("form[data-passkey]")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ar-XB"])
def test_no_barrier_is_found(served: tuple[Workspace, Site], scheme: str, language: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="looking for barriers needs axe")
    ws, where = served
    with browser(color_scheme=scheme, locale=language, bypass_csp=True) as page:
        Devices(page).add()
        for path in (where.url("/sign-in"), where.url("/recover"), invite(ws, where, "u2"), where.url("/invite/X")):
            page.goto(path)
            assert axe.Axe().run(page).response["violations"] == [], path
        page.goto(invite(ws, where, "u1"))
        page.locator("form[data-passkey] button").click()
        for press in (None, "form[action$=recovery] button", "form[action$=revoke] button"):
            page.locator(press).first.click() if press else None
            page.locator("#status").wait_for()
            assert axe.Axe().run(page).response["violations"] == [], press
