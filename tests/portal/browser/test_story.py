"""A member compares the two policies, says no to training and keeps the receipt; and it is so in the next release."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.portal.browser.conftest import Site

import aboveboard
from aboveboard import mainjob
from aboveboard.workspace import read_job


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that a page gives, as somebody types it."""
    env = {**os.environ, "PYTHONPATH": str(Path(aboveboard.__file__).resolve().parent.parent)}
    typed = [sys.executable, "-m", "aboveboard", *words]
    return subprocess.run(typed, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_a_member_says_no_and_it_is_so(site: Site, tmp_path: Path) -> None:
    page = site.page()
    page.goto("/")
    page.get_by_role("contentinfo").get_by_role("link", name="Policies").click()
    page.get_by_role("link", name="What changed from 2023-05-18").click()
    page.get_by_text("We do not use them for anything else").first.wait_for()
    page.get_by_text("Your items, by use").wait_for(
        timeout=120_000
    )  # it is counted, and the page looks again by itself
    page.get_by_role("link", name="Say yes or no").click()

    page.goto("/used")
    before = page.locator(".item").count()
    assert before
    page.locator(".item h2 a").first.click()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download the proof").click()
    proof = tmp_path / coming.value.suggested_filename
    coming.value.save_as(proof)
    said = page.locator("pre code").inner_text().split()
    assert said == ["aboveboard", "verify", proof.name]
    assert command(*said[1:], cwd=tmp_path).returncode == 0

    page.goto("/choices")
    card = page.locator("section.card", has=page.get_by_role("heading", name="Train models that write or draw"))
    card.get_by_label("Not allowed", exact=True).check()
    page.get_by_role("button", name="Save my choices").click()
    with page.expect_download() as coming:
        page.locator("#status a").click()
    receipt = tmp_path / coming.value.suggested_filename
    coming.value.save_as(receipt)
    assert command("verify", receipt.name, cwd=tmp_path).returncode == 0

    page.goto("/withdraw")
    page.get_by_text("Leaves the next training set by").wait_for()
    page.goto("/used")
    assert page.get_by_text("leaves with the next one").count() == before

    mainjob.build(site.ws, read_job(site.ws.folder / "jobs" / "feed-writer.toml"))
    page.goto("/used")
    page.get_by_text("Nothing of yours is in this training set.").wait_for()
    page.goto("/withdraw")
    page.get_by_text("your items are not in it").wait_for()
    with page.expect_download() as coming:
        page.goto("/used")
        page.get_by_role("link", name="My capsule").click()
    capsule = tmp_path / coming.value.suggested_filename
    coming.value.save_as(capsule)
    release = site.ws.releases / capsule.stem
    checked = command("check-me", capsule.name, str(release), "--receipt", receipt.name, cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
