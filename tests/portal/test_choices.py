"""M3: what is chosen and what that does, told apart; a no needs nothing, a yes needs a fresh proof."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests import small
from tests.portal.conftest import Made, Platform

from aboveboard import erasing

ROW = "choice:train_ai_system.generative|user.content.public|controller"


def row(client: Any, **headers: str) -> dict[str, Any]:
    [card] = client.get("/choices.json", headers=headers).json()["purposes"]
    [found] = card["rows"]
    return found  # type: ignore[no-any-return]


def test_not_decided_says_what_that_does(platform: Made) -> None:
    found = row(platform().client("u1"))
    assert (found["choice"]["state"], found["effect"]["state"], found["asks"]) == ("undecided", "used", False)


def test_no_then_yes_then_no_each_recorded_with_its_notice(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    for answer in ("no", "no", "yes", "yes", "no", "undecided"):
        assert client.post("/choices", data={ROW: answer}).status_code == 303
    events = here.ws.ledger.events_of("u1")
    assert [event.type for event in events] == ["objected", "given", "withdrawn"]
    assert {event.notice for event in events} == {here.ws.policy.versions[0].text_sha256}
    assert (row(client)["choice"]["state"], row(client)["effect"]["state"]) == ("no", "not_used")


def test_the_effect_is_what_the_next_release_does(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    client.post("/choices", data={ROW: "no"})
    assert row(client)["effect"]["reason"] == "subj.opted_out"
    here.build()
    assert client.get("/used.json").json()["counts"] == {"used": 0, "unused": 9, "shared": 0}


def test_a_no_never_asks_who_is_there_and_a_yes_does(platform: Made) -> None:
    here = platform()
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    client = here.client("u1", x_auth_time=old)
    assert client.post("/off").status_code == 303
    assert client.post("/withdraw", data={"purpose": "everything"}).status_code == 303
    assert client.post("/choices", data={ROW: "no"}).status_code == 303
    head = here.ws.ledger.head()
    assert client.post("/choices", data={ROW: "yes"}).status_code == 403
    assert here.ws.ledger.head() == head
    for path in ("/records/export", f"/used/{release(here)}/export.csv", f"/used/{release(here)}/capsule"):
        assert client.get(path).status_code == 403


def test_what_closes_is_recorded_before_anybody_is_asked(platform: Made) -> None:
    here = platform()
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    client = here.client("u1", x_auth_time=old, sec_gpc="1")
    assert client.post("/choices", data={ROW: "yes"}).status_code == 403
    assert {event.method for event in here.ws.ledger.events_of("u1")} == {"gpc"}


def test_a_yes_of_before_does_not_stand_before_a_no(platform: Made) -> None:
    """The form sends every row: what was allowed once is sent along with each no that follows."""
    here = platform()
    two_rows(here)
    here.client("u1").post("/choices", data={ROW: "yes"})
    old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    answer = here.client("u1", x_auth_time=old).post("/choices", data={ROW: "yes", OTHER: "no"})
    assert (answer.status_code, answer.headers["location"].partition("&")[0]) == (303, "/choices?done=choices")
    assert [event.type for event in here.ws.ledger.events_of("u1")] == ["given", "objected"]


def test_an_old_page_allows_nothing_again(platform: Made) -> None:
    here = platform()
    two_rows(here)
    client = here.client("u1")
    client.post("/choices", data={ROW: "yes"})
    seen = str(client.get("/choices.json").json()["seen"])
    assert f'name="seen" value="{seen}"' in client.get("/choices").text
    client.post("/off")  # in another window
    client.post("/choices", data={"seen": seen, ROW: "yes", OTHER: "undecided"})
    assert "given" not in {event.type for event in here.ws.ledger.events_of("u1")[1:]}
    client.post("/choices", data={"seen": str(here.ws.ledger.head()), ROW: "yes"})
    assert here.ws.ledger.events_of("u1")[-1].type == "given"  # looked at again, and meant


def test_a_yes_of_before_is_not_said_again_behind_what_the_browser_asks(platform: Made) -> None:
    here = platform()
    two_rows(here)
    here.client("u1").post("/choices", data={OTHER: "yes"})
    asking = here.client("u1", sec_gpc="1")
    asking.post("/choices", data={ROW: "no", OTHER: "yes"})
    kinds = [(event.type, event.method) for event in here.ws.ledger.events_of("u1")]
    assert kinds == [("given", "portal"), ("objected", "gpc"), ("objected", "gpc"), ("objected", "portal")]


OTHER = "choice:advertising.relevance|user.content.public|controller"


def two_rows(here: Platform) -> None:
    """The policy of the small platform has a second purpose."""
    file = here.ws.folder / "policies" / "small" / "2020-01-01" / "policy.toml"
    clause = file.read_text().partition("[[clause]]")[2]
    more = clause.replace('"training"', '"showing"').replace("train_ai_system.generative", "advertising.relevance")
    more = more.replace('control = "ai-training"', "")
    file.write_text(f"{file.read_text()}\n[[clause]]{more}")


def release(here: Platform) -> str:
    return str(here.ws.ledger.releases()[-1]["id"])


def test_a_form_of_another_version_records_nothing(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    for data in ({"choice:train_ai_system|user|controller": "yes", ROW: "no"}, {ROW: "perhaps"}):
        assert client.post("/choices", data=data).status_code == 400
    assert here.ws.ledger.head() == 0


def test_what_the_browser_asks_counts_at_once_and_is_stored_with_the_next_post(platform: Made) -> None:
    here = platform()
    quiet, asking = here.client("u1"), here.client("u1", sec_gpc="1")
    page = asking.get("/index.json").json()
    assert page["gpc"] == {"asked": True, "recorded_at": None}
    assert here.ws.ledger.head() == 0  # a GET stores nothing
    assert quiet.get("/index.json").json()["gpc"]["asked"] is False
    asking.post("/choices", data={ROW: "no"})
    methods = [event.method for event in here.ws.ledger.events_of("u1")]
    assert methods == ["gpc", "gpc", "portal"]
    asking.post("/choices", data={ROW: "no"})
    assert here.ws.ledger.head() == 3  # once
    assert quiet.get("/index.json").json()["gpc"]["recorded_at"] is not None


def test_what_is_locked_says_that_it_is_never_used_and_why_it_is_kept(platform: Made) -> None:
    page = platform().client("u1").get("/choices").text
    assert "never used for the purposes on this page; still stored to deliver your messages" in page
    assert "not used while they are protected" in page


def test_not_decided_is_told_apart_from_what_that_does(platform: Made) -> None:
    here = platform(build=False)
    text, today = "From then on we show you advertising unless you say no.\n", datetime.now(UTC)
    begins = (today + timedelta(days=40)).date()
    folder = here.ws.folder / "policies" / "small" / begins.isoformat()
    folder.mkdir()
    (folder / "text.md").write_text(text)
    rules = small.VERSION.format(digest=hashlib.sha256(text.encode()).hexdigest())
    for old, new in (("2020-01-01", begins.isoformat()), ("train_ai_system.generative", "advertising.relevance"),
                     ("We train models unless you say no.", text.strip()), ('control = "ai-training"\n', ""),
                     ("zone =", f"announced_at = {today.date()}\nzone =")):  # fmt: skip
        assert old in rules
        rules = rules.replace(old, new)
    (folder / "policy.toml").write_text(rules)
    client = here.client("u1")
    shown = re.sub(r"<[^>]+>|\s+", " ", client.get("/choices").text)
    day = f"{begins.day} {begins:%B %Y}"
    assert "Not decided: used unless you say no" in re.sub(" +", " ", shown)
    assert f"Not decided: used from {day} unless you say no" in re.sub(" +", " ", shown)
    assert client.get("/index.json").json()["upcoming"]["days_left"] in (39, 40)


def test_nothing_is_recorded_under_the_name_of_somebody_who_was_erased(platform: Made) -> None:
    """Neither by themselves, nor by what their browser asks, nor by somebody who names them."""
    here = platform()
    erasing.ask(here.ws, "u1", (), erasing.plan(here.ws, "u1").digest)
    erasing.execute_due(here.ws, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    head = here.ws.ledger.head()
    client = here.client("u1", sec_gpc="1")
    for path, data in (("/choices", {ROW: "no"}), ("/off", {}), ("/withdraw", {"purpose": "everything"})):
        assert client.post(path, data=data).status_code == 303
    assert here.client().post("/not-a-member", data={"account": "u1"}).status_code == 303
    assert (here.ws.ledger.head(), here.ws.ledger.events_of("u1")) == (head, [])
    assert here.ws.ledger.subject_key("u1") is None


def test_the_list_of_what_was_used_forgets_who_was_erased(platform: Made) -> None:
    here = platform()
    assert here.client("u1").get("/used.json").json()["counts"]["used"] == 9
    erasing.ask(here.ws, "u1", (), erasing.plan(here.ws, "u1").digest)
    erasing.execute_due(here.ws, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    assert not any(b"u1" in file.read_bytes() for file in here.ws.private.rglob("items.db"))
    assert here.client("u1").get("/used.json").json()["counts"] == {"used": 0, "unused": 0, "shared": 0}
    assert here.client("u2").get("/used.json").json()["counts"]["used"] == 9
    assert not any(b"p97" in file.read_bytes() for file in here.ws.private.rglob("items.db"))
