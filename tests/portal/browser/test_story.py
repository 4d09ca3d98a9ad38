"""A member who was invited signs in with a passkey, compares the two policies, sees the numbers, says no to training and keeps
the receipt; the release that stood is written again without their items, and every command that a page gives holds.

Pictures of the way go to the folder that ABOVEBOARD_PICTURES names, else to the test's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("webauthn", reason="sign-in needs the extra [passkeys]")

from tests.conftest import Built
from tests.portal.browser.conftest import Site
from tests.portal.browser.served import bound, served

import aboveboard
from aboveboard import mainjob, withdrawal
from aboveboard.portal import published
from aboveboard.portal.guard import Rate
from aboveboard.portal.items import Wanted
from aboveboard.portal.signin import alone, codes
from aboveboard.portal.signin.site import site as address
from aboveboard.portal.signin.store import store_of
from aboveboard.workspace import open_workspace, read_job

DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def invited(birdsite: Built, browser: Any, tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """A birdsite whose portal stands alone, and the invitation of a member of it of whom something was used."""
    folder = tmp_path / "birdsite"
    shutil.copytree(birdsite.ws.folder, folder)
    ws, listening = open_workspace(folder), bound()
    where = address(f"http://localhost:{listening.getsockname()[1]}")
    [release] = published.releases(ws)
    counts = {f"u:{n}": release.items.counts(f"u:{n}") for n in range(101, 401)}
    subject = max(counts, key=lambda one: (min(counts[one].values()), one))
    assert release.items.page(subject, Wanted("used"))
    with store_of(ws).writing() as con:
        code = codes.invite(con, subject, ["member"], datetime.now(UTC))
    with served(alone.app(ws, where, rate=Rate(1_000_000)), listening):
        yield Site(ws, where.url(""), browser, subject), where.url(f"/invite/{code}")
    ws.ledger.close()


def typed(command: str, folder: Path) -> None:
    """A command that a page gives, as somebody types it: it has to hold."""
    env = {**os.environ, "PYTHONPATH": str(Path(aboveboard.__file__).resolve().parent.parent)}
    words = [sys.executable, "-m", *command.split()]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def kept(page: Any, link: Any, folder: Path) -> str:
    """What a link gives to keep; its name."""
    with page.expect_download() as coming:
        link.click()
    name = str(coming.value.suggested_filename)
    coming.value.save_as(folder / name)
    return name


def test_an_invited_member_says_no_and_it_is_so(invited: tuple[Site, str], tmp_path: Path) -> None:
    site, invitation = invited
    pictures = Path(os.environ.get("ABOVEBOARD_PICTURES", tmp_path / "pictures"))
    # 1. Nobody is known by a header here: whoever opens the invitation makes a passkey, and is signed in by it.
    page = replace(site, subject="").page(headers={"x-subject": "nobody"})
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})

    def picture(name: str) -> None:
        page.screenshot(path=pictures / f"story-{name}.png", full_page=True)

    page.goto("/used")
    assert page.get_by_role("main").get_by_role("link", name="Sign in").count()
    page.goto(invitation)
    picture("1-invitation")
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_text("Your passkey is made, and you are signed in.").wait_for()

    # 2. Both policies, and what the newer one does to them in numbers.
    page.goto("/")
    page.get_by_role("contentinfo").get_by_role("link", name="Policies").click()
    page.get_by_role("link", name="What changed from 2023-05-18").click()
    page.get_by_text("We do not use them for anything else").first.wait_for()
    page.get_by_text("Your items, by use").wait_for(
        timeout=120_000
    )  # it is counted, and the page looks again by itself
    picture("2-compared")
    page.get_by_role("link", name="Say yes or no").click()

    # 3. What was used, and the proof of one of it.
    page.goto("/used")
    before = page.locator(".item").count()
    assert before
    picture("3-used")
    page.locator(".item h2 a").first.click()
    proof = kept(page, page.get_by_role("link", name="Download the proof"), tmp_path)
    said = page.locator("pre code").inner_text()
    assert said == f"aboveboard verify {proof}"
    typed(said, tmp_path)

    # 4. No to training, and its receipt.
    page.goto("/choices")
    card = page.locator("section.card", has=page.get_by_role("heading", name="Train models that write or draw"))
    card.get_by_label("Not allowed", exact=True).check()
    page.get_by_role("button", name="Save my choices").click()
    page.locator("#status").wait_for()
    picture("4-recorded")
    receipt = kept(page, page.locator("#status a"), tmp_path)
    page.goto("/records")
    said = page.locator("pre code").first.inner_text()
    assert said.startswith(f"aboveboard verify {receipt} --key ")
    typed(said, tmp_path)
    page.goto("/withdraw")
    page.get_by_text("Leaves the training sets that stand by").wait_for()
    picture("5-under-way")
    page.goto("/used")
    assert page.get_by_text("leaves with the next one").count() == before

    # 5. The release that stood is written again, and the page shows it.
    [carried] = withdrawal.carry_out(site.ws)
    assert carried.superseded_by
    page.goto("/used")
    page.get_by_text("Nothing of yours is in this training set.").wait_for()
    page.goto(f"/used?release={carried.release}")
    page.get_by_text("Superseded by").wait_for()
    assert page.locator(".item").get_by_text("with release").count() == before
    picture("6-left")
    page.goto("/withdraw")
    page.get_by_text("done", exact=True).first.wait_for()
    picture("7-done")
    name = kept(page, page.get_by_role("link", name="certificate").first, tmp_path)
    said = page.locator("pre code").first.inner_text()
    assert said == f"aboveboard verify {name}"
    typed(said, tmp_path)

    # 6. The capsule of the new release holds against what is published, and against the receipt.
    page.goto("/used")
    said = page.locator("pre code").last.inner_text()
    capsule = kept(page, page.get_by_role("link", name="My capsule"), tmp_path)
    assert said == f"aboveboard check-me {capsule} {carried.superseded_by}/"
    shutil.copytree(site.ws.releases / carried.superseded_by, tmp_path / carried.superseded_by)
    typed(f"{said} --receipt {receipt}", tmp_path)

    # 7. And so it is in the next one.
    mainjob.build(site.ws, read_job(site.ws.folder / "jobs" / "feed-writer.toml"))
    page.goto("/used")
    page.get_by_text("Nothing of yours is in this training set.").wait_for()
