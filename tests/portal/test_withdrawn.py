"""What was withdrawn leaves the release that stands, and each page says so: what left, with which release, how to check it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.portal.conftest import Made, Platform
from tests.portal.test_two_runs import Quoted, quoted, seen  # noqa: F401 - `quoted` is a fixture

import aboveboard
from aboveboard import erasing, release, training, withdrawal
from aboveboard.policy import OnWithdrawal
from aboveboard.portal import published
from aboveboard.portal.guard import Rate
from aboveboard.portal.tenant import Tenant

TRAINING = {"purpose": "train_ai_system.generative"}


def carried(here: Platform) -> str:
    """The release that took the place of the one that stood."""
    [one] = withdrawal.carry_out(here.ws)
    assert one.superseded_by, one
    return one.superseded_by


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command that a page gives, as somebody types it."""
    env = {**os.environ, "PYTHONPATH": str(Path(aboveboard.__file__).resolve().parent.parent)}
    [program, *words] = command.split()
    assert program == "aboveboard"
    return subprocess.run(
        [sys.executable, "-m", program, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_what_left_is_told_and_its_certificate_holds(platform: Made, tmp_path: Path) -> None:
    here = platform()
    client = here.client("u1")
    before = client.get("/used.json").json()
    client.post("/withdraw", data=TRAINING)
    after = carried(here)

    page = client.get("/used.json").json()
    assert (page["release"]["id"], page["counts"], page["stands"]) == (
        after,
        {"used": 0, "unused": 9, "shared": 0},
        None,
    )
    gone = client.get("/used.json?state=unused").json()["items"]
    assert [one["record"] for one in gone] == [one["record"] for one in before["items"]]
    assert {(one["left_with"], one["reason"], one["kind"]) for one in gone} == {(after, "subj.opted_out", "post")}
    assert {tuple(one["categories"]) for one in gone} == {("user.content.public",)}

    older = client.get(f"/used.json?release={before['release']['id']}").json()
    assert (older["stands"]["id"], older["release"]["superseded_by"]) == (after, after)
    assert {(one["next"], one["left_with"]) for one in older["items"]} == {("left", after)}
    told = client.get(f"/used?release={before['release']['id']}").text
    assert "Superseded by" in told
    assert "with release" in told

    item = client.get(f"/used/{after}/{gone[0]['number']}")
    [command] = re.findall(r"aboveboard verify [^<]+certificate\.json", item.text)
    kept = tmp_path / command.split()[-1]
    given = client.get(f"/withdraw/certificates/{after}")
    assert kept.name in given.headers["content-disposition"]
    kept.write_bytes(given.content)
    checked = typed(command, tmp_path)
    assert checked.returncode == 0, checked.stderr
    kept.write_bytes(given.content.replace(after.encode(), before["release"]["id"].encode()))
    assert typed(command, tmp_path).returncode != 0


def test_the_card_of_a_rewritten_release_says_how_its_rows_were_cleaned(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    client.post("/withdraw/item", data={"release": published.releases(here.ws)[-1].id, "number": "1"})
    after = carried(here)
    found = {one["name"]: one["value"] for one in client.get(f"/releases/{after}.json").json()["items"]}
    assert found["cleaning or processing, and why"] == [release.NOTES[0]]
    assert client.get("/releases").text.count("(superseded)") == 1  # of two of one day one stands


def test_others_see_the_rewritten_release_with_all_of_theirs(platform: Made) -> None:
    here = platform()
    mine = here.client("u2").get("/used.json").json()
    here.client("u1").post("/withdraw", data=TRAINING)
    after = carried(here)
    page = here.client("u2").get("/used.json").json()
    assert page["release"]["id"] == after
    assert [(one["record"], one["words"], one["left_with"], one["next"]) for one in page["items"]] == [
        (one["record"], one["words"], None, "stays") for one in mine["items"]
    ]
    proof = here.client("u2").get(f"/used/{after}/1/proof.json")
    assert proof.status_code == 200  # made from the place in the new file, and checked against its tree
    assert here.client("u2").get("/withdraw.json").json()["timeline"] == []


def test_a_no_is_followed_to_its_end(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    client.post("/withdraw", data=TRAINING)
    [one] = client.get("/withdraw.json").json()["timeline"]
    assert one["state"] == "open"
    after = carried(here)
    [one] = client.get("/withdraw.json").json()["timeline"]
    assert one["state"] == "closed"
    assert all(step["at"] for step in one["states"])
    [release] = one["releases"]
    assert (release["items"], release["state"], release["superseded_by"]) == (9, "done", after)
    assert f"aboveboard verify {after}.certificate.json" in client.get("/withdraw").text
    client.post("/off")
    later = client.get("/withdraw.json").json()["timeline"][0]
    assert (later["state"], later["releases"]) == ("nothing_out", [])  # nothing of theirs was left to leave


def test_what_the_policy_keeps_is_told_as_kept_and_not_as_written_again(
    platform: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = platform()
    keeps = OnWithdrawal(releases="keep")
    monkeypatch.setattr(sys.modules["aboveboard.withdrawal.board"], "terms", lambda ws, at: keeps)
    here.client("u1").post("/withdraw", data=TRAINING)
    [one] = here.client("u1").get("/withdraw.json").json()["timeline"]
    times = {step["state"]: step["at"] for step in one["states"]}
    assert one["state"] == "kept"
    assert [times[name] for name in ("shards rewritten", "recipients notified", "closed for releases")] == [None] * 3
    page = here.client("u1").get("/withdraw").text
    assert "older training sets stay as they are" in page
    assert "was written again without it" not in page
    assert "Closed for training sets" not in page


def test_late_is_called_late_and_comes_first(platform: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    here = platform()
    here.client("u1").post("/withdraw", data=TRAINING)
    [one] = here.client("u1").get("/withdraw.json").json()["timeline"]
    late = datetime.fromisoformat(one["due"]) + timedelta(seconds=1)
    here.ws.ledger._clock = lambda: late
    here.client("u2").post("/withdraw", data=TRAINING)
    monkeypatch.setattr(Tenant, "now", lambda _: late + timedelta(seconds=1))
    [one] = here.client("u1").get("/withdraw.json").json()["timeline"]
    assert one["state"] == "overdue"
    assert "should have left by" in here.client("u1").get("/withdraw").text
    [other] = here.client("u2").get("/withdraw.json").json()["timeline"]
    assert other["state"] == "open"
    page = here.client("worker", x_roles="privacy_engineer").get("/withdrawals.json").json()
    assert (page["open"], page["overdue"]) == (2, 1)
    assert [each["overdue"] for each in page["withdrawals"]] == [True, False]


def test_the_engineer_reads_positions_and_nobodys_name(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    name = client.get("/used.json").json()["release"]["id"]
    client.post("/withdraw/item", data={"release": name, "number": "1"})
    engineer = here.client("worker", x_roles="privacy_engineer")
    [one] = engineer.get("/withdrawals.json").json()["withdrawals"]
    assert (one["number"], one["said"], one["open"]) == ("e1", "record_withdrawn", True)
    for path in ("/withdrawals", "/withdrawals.json", "/withdrawals?closed=1"):
        text = engineer.get(path).text
        assert "u1" not in re.findall(r"\w+", text)
        assert "posts/p97" not in text
    carried(here)
    assert engineer.get("/withdrawals.json").json()["withdrawals"] == []
    [done] = engineer.get("/withdrawals.json?closed=1").json()["withdrawals"]
    assert (done["number"], done["open"]) == ("e1", False)


# --- one item -----------------------------------------------------------------------------------------------------


def test_one_item_is_taken_out_for_good_and_the_others_stay(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    name = client.get("/used.json").json()["release"]["id"]
    sent = client.post("/withdraw/item", data={"release": name, "number": "1"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"/used/{name}/1?done=withdraw&position=1#status")
    shown = client.get(sent.headers["location"])
    assert "You took one item out" in shown.text
    assert "Take it out" not in shown.text
    again = client.post("/withdraw/item", data={"release": name, "number": "1"})
    assert "done=same" in again.headers["location"]
    [event] = here.ws.ledger.events_of("u1")
    assert (event.type, event.value) == ("record_withdrawn", "posts/p97")
    assert [one["next"] for one in client.get("/used.json").json()["items"]] == ["leaves", *["stays"] * 8]

    after = carried(here)
    [one] = client.get("/withdraw.json").json()["timeline"]
    assert (one["record"], one["state"], one["releases"][0]["items"]) == ("posts/p97", "closed", 1)
    [gone] = client.get("/used.json?state=unused").json()["items"]
    assert (gone["record"], gone["left_with"], gone["reason"]) == ("p97", after, "life.taken_out")
    assert client.get("/used.json").json()["counts"]["used"] == 8
    client.post("/off")
    here.build()
    items = client.get("/used.json?state=unused").json()["items"]
    assert [one["receipt"] for one in items if one["record"] == "p97"] == [
        event.position
    ]  # and not the later no to all


def test_nobody_takes_out_what_is_not_theirs(platform: Made) -> None:
    here = platform()
    name = published.releases(here.ws)[-1].id
    nothing = [{"release": name, "number": "99"}, {"release": "no-such", "number": "1"}, {"release": name, "number": "１"},
               {"number": "1"}, {"release": name}]  # fmt: skip
    answers = {here.client("u1").post("/withdraw/item", data=one).content for one in nothing}
    assert len(answers) == 1
    assert here.client("stranger").post("/withdraw/item", data={"release": name, "number": "1"}).status_code == 404
    assert here.client().post("/withdraw/item", data={"release": name, "number": "1"}).status_code == 401
    assert here.ws.ledger.head() == 0


def test_taking_out_is_never_limited(platform: Made) -> None:
    here = platform(rate=Rate(1))
    client = here.client("u1")
    name = published.releases(here.ws)[-1].id
    client.get("/used")
    assert client.get("/used").status_code == 429
    for number in range(1, 10):
        assert client.post("/withdraw/item", data={"release": name, "number": str(number)}).status_code == 303


def test_a_certificate_is_for_whoever_had_something_there(platform: Made) -> None:
    here = platform()
    here.client("u1").post("/withdraw", data=TRAINING)
    after = carried(here)
    before = next(one.id for one in published.releases(here.ws) if one.superseded_by == after)
    stranger = here.client("nobody-has-this")
    bytes_ = {stranger.get(f"/withdraw/certificates/{name}").content for name in (after, before, "nowhere")}
    assert len(bytes_) == 1
    assert stranger.get(f"/withdraw/certificates/{after}").status_code == 404
    assert here.client("u1").get(f"/withdraw/certificates/{before}").status_code == 404


# --- models -------------------------------------------------------------------------------------------------------


def model(name: str, release: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
    return {"kind": "model", "id": name, "digest": digest, "from": [release]}


def test_the_models_that_saw_it_are_named_and_flagged_once_it_was_taken_out(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    name = client.get("/used.json").json()["release"]["id"]
    assert client.get("/withdraw.json").json()["models"] == []
    training.record(here.ws, [model("feed-1", name)])
    [one] = client.get("/withdraw.json").json()["models"]
    assert (one["model"], one["releases"], one["flagged"]) == ("feed-1", [name], False)
    here.client("u2").post("/withdraw", data=TRAINING)
    assert not client.get("/withdraw.json").json()["models"][0]["flagged"]  # somebody else's no is not theirs
    client.post("/withdraw", data=TRAINING)
    for _ in range(2):
        [one] = client.get("/withdraw.json").json()["models"]
        assert (one["model"], one["releases"], one["flagged"]) == ("feed-1", [name], True)
        assert "feed-1" in client.get("/withdraw").text
        withdrawal.carry_out(here.ws)


# --- two runs -----------------------------------------------------------------------------------------------------


def test_flip_anothers_choice_and_no_byte_changes_after_a_rewriting(quoted: Quoted) -> None:  # noqa: F811
    """u2 stands in some posts of u1; who said no before, u2 or somebody who has to do with nobody, shows nowhere."""
    one, other = quoted("one", "u3"), quoted("other", "u2")
    for here in (one, other):
        client = here.client("u1")
        name = published.releases(here.ws)[-1].id
        client.post("/withdraw/item", data={"release": name, "number": "1"})
        client.post("/withdraw", data=TRAINING)
    assert seen(one) == seen(other)
    for here in (one, other):
        carried(here)
    assert seen(one) == seen(other)


def test_a_request_to_be_erased_is_taken_back_from_any_device(platform: Made) -> None:
    here = platform()
    erasing.ask(here.ws, "u1", ("@ann@birds.example",), erasing.plan(here.ws, "u1", ("@ann@birds.example",)).digest)
    assert here.client("u2").get("/withdraw.json").json()["erasure"] is None
    assert here.client("u2").post("/withdraw/keep").headers["location"].endswith("done=same#status")
    page = here.client("u1").get("/withdraw").text
    assert "You will be erased" in page
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert here.client("u1", x_auth_time=old).post("/withdraw/keep").status_code == 403
    assert len(here.ws.ledger.erasures()) == 1
    assert here.client("u1").get("/withdraw.json?done=kept").json()["done"] is None  # an address takes nothing back
    moved = here.client("u1").post("/withdraw/keep")
    assert (moved.status_code, here.ws.ledger.erasures()) == (303, [])
    told = here.client("u1").get(moved.headers["location"].split("#")[0]).text
    assert "is taken back" in told
    assert "You will be erased" not in told
    assert [one.type for one in here.ws.ledger.events_of("u1")] == ["suppressed", "unsuppressed"]
