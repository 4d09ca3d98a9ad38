"""M1: what a member sees first, and the one press that turns everything off."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

from tests import small
from tests.portal.conftest import Made

from aboveboard.portal import choosing


def test_a_member_sees_how_much_of_theirs_was_used(platform: Made) -> None:
    page = platform().client("u1").get("/index.json").json()
    assert page["policy"]["version"] == "2020-01-01"
    assert page["release"]["counts"] == {"used": 9, "unused": 0, "shared": 0}  # posts 1, 13 ... 97
    assert page["release"]["usable"] == 9


def test_everything_off_is_one_press_and_is_confirmed(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    sent = client.post("/off")
    assert sent.status_code == 303
    page = client.get(sent.headers["location"], headers={"accept": "application/json"}).json()
    assert page["off"]
    assert page["release"]["usable"] == 0
    assert page["release"]["counts"]["used"] == 9  # what was built was built
    assert {one["purpose"] for one in page["done"]["events"]} == set(choosing.EVERYTHING)
    assert [one["state"] for one in page["purposes"]] == ["not_used"]


def test_a_button_that_was_pressed_many_times_at_once_is_recorded_once(platform: Made) -> None:
    here = platform(build=False)
    client, together = here.client("u1", sec_gpc="1"), Barrier(8)

    def press(_: int) -> int:
        together.wait()
        return client.post("/off").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(press, range(8))) == {303}
    said = [(event.method, event.purpose) for event in here.ws.ledger.events_of("u1")]
    assert len(said) == len(set(said)) == len(choosing.EVERYTHING) + len(choosing.GPC)


def test_an_address_alone_confirms_nothing(platform: Made) -> None:
    """Whoever sends somebody a link must not make them believe that they said no."""
    client = platform().client("u1")
    for address in ("/index.json?done=off", "/index.json?done=off&position=1", "/choices.json?done=choices"):
        assert client.get(address).json()["done"] is None
    assert "before still holds" in client.get("/?done=same").text


def test_a_purpose_that_begins_for_some_data_says_when(platform: Made) -> None:
    """Of several kinds of data the widest counts, with its own day."""
    here, today = platform(build=False), datetime.now(UTC)
    begins = (today + timedelta(days=40)).date()
    text = "From then on we show you advertising.\n"
    rules = small.VERSION.format(digest=hashlib.sha256(text.encode()).hexdigest())
    for old, new in (("2020-01-01", begins.isoformat()), ("train_ai_system.generative", "advertising.relevance"),
                     ("We train models unless you say no.", text.strip()), ('control = "ai-training"\n', ""),
                     ("zone =", f"announced_at = {today.date()}\nzone =")):  # fmt: skip
        rules = rules.replace(old, new)
    head, clause = rules.split("[[clause]]")
    asks = clause.replace('"training"', '"asking"').replace("content.public", "employment")
    asks = asks.replace("legitimate_interest", "consent")
    folder = here.ws.folder / "policies" / "small" / begins.isoformat()
    folder.mkdir()
    (folder / "text.md").write_text(text)
    (folder / "policy.toml").write_text(f"{head}[[clause]]{asks}[[clause]]{clause}")
    client = here.client("u1")
    [_, coming] = client.get("/index.json").json()["purposes"]
    assert (coming["state"], coming["from"][:10]) == ("used_from", begins.isoformat())
    assert f"{begins.day} {begins:%B %Y}</time> unless you say no" in client.get("/").text


def test_a_no_said_again_is_not_recorded_again(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    client.post("/off")
    head = here.ws.ledger.head()
    again = client.post("/off")
    assert here.ws.ledger.head() == head
    assert "done=same" in again.headers["location"]


def test_a_yes_to_one_thing_opens_it_for_the_next_press(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    client.post("/off")
    who = choosing.person(_tenant(here), "u1")
    [switch] = choosing.switches(here.ws.policy, _tenant(here).now())
    yes = choosing.said(switch, who, True, _tenant(here).now(), "en")
    assert yes is not None
    choosing.record(_tenant(here), [yes])
    assert not client.get("/index.json").json()["off"]
    client.post("/off")
    assert client.get("/index.json").json()["off"]


def _tenant(here: object) -> choosing.Tenant:  # type: ignore[name-defined]
    from aboveboard.portal.tenant import Tenant

    return Tenant(here.ws)  # type: ignore[attr-defined]


def test_the_next_release_is_what_the_page_said(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    client.post("/off")
    here.build()
    page = client.get("/index.json").json()
    assert page["release"]["counts"] == {"used": 0, "unused": 9, "shared": 0}


def test_seeing_a_notice_is_written_down_and_is_no_yes(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    banner = client.get("/index.json").json()["banner"]
    client.post("/notice", data={"version": banner["version"]})
    [event] = here.ws.ledger.events_of("u1")
    assert (event.type, event.notice, event.language) == ("notice_shown", banner["text_sha256"], "en")
    assert client.get("/index.json").json()["banner"] is None


def test_where_there_is_no_release_the_page_says_so(platform: Made) -> None:
    here = platform(build=False)
    assert here.client("u1").get("/index.json").json()["release"] is None
    assert "No training set has been built yet" in here.client("u1").get("/").text


def test_strangers_and_other_tenants_are_asked_to_sign_in(platform: Made) -> None:
    here = platform()
    for client in (here.client(), here.client("u1", x_tenant="elsewhere")):
        assert client.get("/").status_code == 401
        assert client.post("/off").status_code == 401
    assert here.ws.ledger.head() == 0
