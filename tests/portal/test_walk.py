"""Whoever asks, for whatever: role by way by id by tenant. What is somebody else's and what is nowhere look the same."""

from __future__ import annotations

import pytest
from tests.portal.conftest import Made, Platform

from aboveboard.portal import published, ways
from aboveboard.portal.principal import ROLES

GONE = "2001-01-01T000000Z-none-00000000"


def filled(way: ways.Way, release: str, number: str = "1", position: str = "1") -> str:
    places = {"release": release, "number": number, "version": "2020-01-01", "position": position, "kind": "jsonl"}
    return way.path.format(**places)


@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_way_answers_its_roles_and_nobody_else(platform: Made, role: str | None) -> None:
    here = platform()
    here.client("u1").post("/off")
    [release] = published.releases(here.ws)
    client = here.client() if role is None else here.client("u1", x_roles=role)
    for way in ways.WAYS:
        if way.methods != ("GET",) or "certificates" in way.path:  # there is none before a release was rewritten
            continue
        answer = client.get(filled(way, release.id)).status_code
        allowed = not way.roles or role in way.roles
        assert answer == (200 if allowed else 401 if role is None else 404), (way.path, role)


@pytest.mark.parametrize("role", [None, *ROLES])
def test_nothing_is_written_by_a_role_that_may_not(platform: Made, role: str | None) -> None:
    here = platform()
    client = here.client() if role is None else here.client("u1", x_roles=role)
    for way in ways.WAYS:
        if way.methods == ("POST",) and way.roles and role not in way.roles:
            sent = client.post(way.path, data={"purpose": "everything", "record": "p1", "version": "2020-01-01"})
            assert sent.status_code == (401 if role is None else 404)
    assert here.ws.ledger.head() == 0
    assert not (here.ws.private / "looks.db").exists()


def test_what_is_anothers_and_what_is_nowhere_have_the_same_bytes(platform: Made) -> None:
    here = platform()
    here.client("u1").post("/off")
    [release] = published.releases(here.ws)
    client = here.client("u2")
    pairs = [
        ("/records/receipts/1", "/records/receipts/999999"),  # u1's, nobody's
        (f"/used/{release.id}/10", f"/used/{release.id}/999999"),
        (f"/used/{release.id}/10/proof.json", f"/used/{release.id}/999999/proof.json"),
        (f"/used/{GONE}/1", "/no/such/page"),
        ("/audit", "/nowhere"),  # a page of a role that is not theirs
        ("/explain?look=1", "/nowhere"),
    ]
    for accept in ("text/html", "application/json"):
        for mine, nowhere in pairs:
            found = [client.get(path, headers={"accept": accept}) for path in (mine, nowhere)]
            assert [answer.status_code for answer in found] == [404, 404], (mine, nowhere)
            assert found[0].content == found[1].content, (mine, nowhere)
            told = [{n: v for n, v in answer.headers.items() if n != "ratelimit"} for answer in found]  # it counts down
            assert told[0] == told[1]


def test_another_tenant_sees_and_changes_nothing(platform: Made) -> None:
    one, other = platform("one", tenant="one"), platform("other", tenant="other")
    stranger = one.client("u1", x_tenant="other")
    assert stranger.get("/").status_code == 401
    assert stranger.post("/off").status_code == 401
    assert (one.ws.ledger.head(), other.ws.ledger.head()) == (0, 0)
    one.client("u1", x_tenant="one").post("/off")
    theirs = other.client("u1", x_tenant="other").get("/records.json").json()
    assert theirs["events"] == []


@pytest.mark.parametrize("role", ROLES)
def test_whoever_is_of_another_tenant_is_a_stranger_on_every_page(platform: Made, role: str) -> None:
    here = platform("one", tenant="one")
    here.client("u1", x_tenant="one").post("/withdraw", data={"purpose": "everything"})
    [release] = published.releases(here.ws)
    stranger, nobody, head = here.client("u1", x_tenant="other", x_roles=role), here.client(), here.ws.ledger.head()
    for way in ways.WAYS:
        method, path = way.methods[0], filled(way, release.id)
        data = {"data": {"account": "u99", "text": "no proof"}} if way.changes else {}
        found = [client.request(method, path, **data) for client in (stranger, nobody)]
        assert [one.status_code == 401 for one in found] == [bool(way.roles)] * 2, path
        assert found[0].content == found[1].content, path
    assert here.ws.ledger.head() == head


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "1e3", "9" * 40, "%00", "../1", "１", "²"])
def test_odd_numbers_are_nothing(platform: Made, number: str) -> None:
    here = platform()
    [release] = published.releases(here.ws)
    for path in (f"/used/{release.id}/{number}", f"/records/receipts/{number}", f"/used?after={number}",
                 f"/explain?look={number}"):  # fmt: skip
        assert here.client("u1", x_roles="member privacy_engineer").get(path).status_code in (200, 404)


def test_a_subject_in_a_query_or_form_is_nobodys(platform: Made) -> None:
    here = platform()
    told = here.client("u2").get("/used.json?subject=u1&who=u1").json()
    assert {item["record"] for item in told["items"]} == {f"p{n}" for n in range(2, 100, 12)}
    here.client("u2").post("/off", data={"subject": "u1"})
    assert here.ws.ledger.events_of("u1") == []
    assert here.ws.ledger.events_of("u2") != []


def test_headers_of_roles_do_not_reach_the_application(platform: Made) -> None:
    """The test's own headers are read by the test's own ``authenticate``; an application without one knows nobody."""
    from starlette.testclient import TestClient

    from aboveboard import portal

    here: Platform = platform()
    client = TestClient(portal.app(here.ws), headers={"x-subject": "u1", "x-roles": "member"})
    assert client.get("/").status_code == 401
