"""What stands before every page: where forms come from, how much is taken, how often somebody may ask, what is logged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.portal.conftest import Made

from aboveboard.portal import guard
from aboveboard.portal.guard import Rate


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "http://testserver"}, 303),
        ({"origin": "http://elsewhere"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://elsewhere", "sec-fetch-site": "same-origin"}, 303),
        ({}, 303),
    ],
)
def test_a_form_comes_from_our_own_pages(platform: Made, headers: dict[str, str], status: int) -> None:
    here = platform(build=False)
    assert here.client("u1").post("/off", headers=headers).status_code == status
    assert (here.ws.ledger.head() > 0) == (status == 303)


def test_too_much_is_turned_away_declared_or_not(platform: Made) -> None:
    client = platform(build=False).client()
    large = b"x" * (guard.MOST + 1)
    assert client.post("/verify", content=large).status_code == 413
    assert client.post("/verify", content=iter([large])).status_code in (400, 413)
    assert client.post("/verify", content=b"", headers={"content-length": "many"}).status_code == 413


def test_odd_forms_are_a_sentence_and_no_failure(platform: Made) -> None:
    client = platform(build=False).client("u1")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/choices", content=b"--x\r\nnothing", headers=broken).status_code in (303, 400)
    assert client.post("/withdraw", data={"purpose": "' OR 1=1 --"}).status_code == 400
    assert client.put("/choices").status_code == 405
    assert client.get("/used?state=nonsense").status_code in (200, 404)


def test_who_asks_too_often_waits_and_a_no_never_does(platform: Made) -> None:
    here = platform(build=False, rate=Rate(most=3))
    client = here.client("u1")
    left = [client.get("/policies").headers["ratelimit"] for _ in range(3)]
    assert [one.split(";")[1] for one in left] == ["r=2", "r=1", "r=0"]
    turned = client.get("/policies")
    assert (turned.status_code, turned.headers["retry-after"]) == (429, "60")
    assert client.get("/withdrawals").status_code == 429  # nobody says no there
    for path, data in (("/off", {}), ("/withdraw", {"purpose": "everything"}), ("/choices", {})):
        assert client.post(path, data=data).status_code == 303


def test_a_window_slides() -> None:
    now = [0.0]
    rate = Rate(most=2, window=60, clock=lambda: now[0])
    assert [rate.take("a"), rate.take("a"), rate.take("a"), rate.take("b")] == [1, 0, -1, 1]
    now[0] = 61.0
    assert rate.take("a") == 1


@pytest.mark.parametrize(
    ("client", "network"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3::4", 1), "2001:db8:1:2::/64"),
        (None, "unknown"),
        (("?", 1), "unknown"),
    ],
)
def test_networks(client: tuple[str, int] | None, network: str) -> None:
    assert guard._network({"client": client}) == network


def test_no_members_words_are_logged(platform: Made, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    here = platform()
    client = here.client("u1", x_roles="member privacy_engineer")
    caplog.set_level(logging.DEBUG)
    client.get("/used")
    client.post("/explain", data={"record": "p13", "purpose": "words that a person wrote"})
    client.post("/verify", data={"text": "a bird of number 13"})
    for shard in here.ws.releases.rglob("*.parquet"):
        shard.write_bytes(b"a bird of number 13")
    assert client.get("/used").status_code >= 500
    said = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert "bird" not in said
    assert "words that" not in said
