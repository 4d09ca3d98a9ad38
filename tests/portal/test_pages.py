"""Every page answers, as HTML and as its JSON twin; a GET changes nothing; what a page gives can be checked without us."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.portal.conftest import Made, Platform

from aboveboard import choice
from aboveboard.portal import published, ways
from aboveboard.portal.guard import CSP
from aboveboard.portal.tenant import Tenant

WORK = "member privacy_engineer auditor"


def paths(here: Platform) -> list[str]:
    """Every way that answers a GET with a page, with its places filled in."""
    [release] = published.releases(here.ws)
    filled = {"release": release.id, "number": "1", "version": "2020-01-01", "position": "1", "kind": "csv"}
    return [
        way.path.format(**filled) for way in ways.WAYS if way.methods == ("GET",) and "certificates" not in way.path
    ]


def state(here: Platform) -> str:
    """Everything that a page could change: the ledger's events, and the files of the workspace."""
    events = [here.ws.ledger.events_of(f"u{n}") for n in range(12)]
    kept = [
        path for path in sorted(here.ws.folder.rglob("*")) if path.is_file() and not path.name.startswith("ledger.db")
    ]
    told = [(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in kept]
    return json.dumps([str(events), told])


def test_every_page_answers_and_no_get_changes_anything(platform: Made) -> None:
    here = platform()
    client = here.client("u1", x_roles=WORK)
    client.post("/off")
    for path in paths(here):  # what is made at first use is made
        client.get(path)
    before = state(here)
    for path in paths(here):
        for headers in ({}, {"accept": "application/json"}, {"sec-gpc": "1"}):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200, (path, answer.text)
            assert answer.headers["content-security-policy"] == CSP
            assert answer.headers["cache-control"] == "private, no-store"
            assert "set-cookie" not in answer.headers
    assert state(here) == before


def test_html_and_its_twin_are_one_document(platform: Made) -> None:
    here = platform()
    client = here.client("u1", x_roles=WORK)
    client.post("/off")
    for path in paths(here):
        answer = client.get(path)
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        [twin] = re.findall(r'type="application/json" href="([^"]+)"', answer.text)
        by_path = client.get(twin)
        assert by_path.headers["content-type"] == "application/json", path
        assert by_path.json() == client.get(path, headers={"accept": "application/json"}).json()


def test_what_was_used_is_told_item_by_item_with_its_words(platform: Made) -> None:
    client = platform().client("u1")
    page = client.get("/used.json").json()
    assert [item["record"] for item in page["items"]] == [f"p{n}" for n in range(97, 0, -12)]
    assert page["items"][0]["words"] == "a bird of number 97"
    assert page["items"][0]["citation"]["quote"] == "We train models unless you say no."
    assert {item["next"] for item in page["items"]} == {"stays"}
    client.post("/off")
    again = client.get("/used.json").json()
    assert {item["next"] for item in again["items"]} == {"leaves"}


def test_a_page_is_cut_and_the_next_goes_on_behind_it(platform: Made) -> None:
    def all_by_one(rows: list[dict[str, object]]) -> None:
        for row in rows:
            row["who"] = "u1"

    client = platform(posts=all_by_one).client("u1")
    seen, after = [], 0
    while after is not None:
        page = client.get(f"/used.json?after={after}").json()
        seen += [item["record"] for item in page["items"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == page["total"] == 100


def test_the_proof_and_the_capsule_hold_without_us(platform: Made, tmp_path: Path) -> None:
    from aboveboard import checking
    from aboveboard.capsule import Capsule
    from aboveboard.verification import Known, verify

    here = platform()
    client = here.client("u1")
    page = client.get("/used.json").json()
    release = page["release"]["id"]
    proof = tmp_path / "proof.json"
    proof.write_bytes(client.get(f"/used/{release}/1/proof.json").content)
    assert verify(proof, Known(here.ws.trust)).kind == "record"
    made = Capsule.parse(client.get(f"/used/{release}/capsule").content)
    assert len(made.records) == 9
    checking.held(made, here.ws.releases / release)


def test_exports_hold_what_the_pages_hold(platform: Made) -> None:
    client = platform().client("u1")
    release = client.get("/used.json").json()["release"]["id"]
    lines = client.get(f"/used/{release}/export.jsonl").text.splitlines()
    assert [json.loads(line)["record"] for line in lines] == [f"p{n}" for n in range(97, 0, -12)]
    table = client.get(f"/used/{release}/export.csv").text.splitlines()
    assert len(table) == len(lines) + 1
    assert table[1].split(",")[2] == "p97"


def test_a_spreadsheet_takes_nothing_for_a_formula() -> None:
    from aboveboard.portal.pages import used

    assert used._cell("=cmd|' /C calc'!A0") == "'=cmd|' /C calc'!A0"
    assert used._cell("p97") == "p97"


def test_a_receipt_from_the_page_is_signed_and_of_nobody_else(platform: Made, tmp_path: Path) -> None:
    from aboveboard.verification import Known, verify

    here = platform()
    here.client("u1").post("/withdraw", data={"purpose": "train_ai_system.generative"})
    [event] = here.ws.ledger.events_of("u1")
    kept = tmp_path / "one.receipt"
    kept.write_bytes(here.client("u1").get(f"/records/receipts/{event.position}").content)
    assert verify(kept, Known()).kind == "receipt"
    assert here.client("u2").get(f"/records/receipts/{event.position}").status_code == 404


def test_a_no_is_followed_until_a_release_has_heard_it(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    assert client.get("/withdraw.json").json()["timeline"] == []
    client.post("/withdraw", data={"purpose": "train_ai_system.generative"})
    [one] = client.get("/withdraw.json").json()["timeline"]
    assert (one["state"], [out["items"] for out in one["releases"]]) == ("open", [9])
    assert [step["state"] for step in one["states"] if step["at"]] == ["received", "intake stopped"]
    here.build()
    [one] = client.get("/withdraw.json").json()["timeline"]
    assert [step["state"] for step in one["states"] if step["at"]] == [
        "received",
        "intake stopped",
        "next release clean",
    ]
    assert client.get("/used.json").json()["counts"]["used"] == 0


def test_who_looks_says_why_first_and_the_person_reads_it(platform: Made) -> None:
    here = platform()
    engineer = here.client("worker", x_roles="privacy_engineer")
    assert engineer.post("/explain", data={"record": "p13", "purpose": "because"}).status_code == 400
    sent = engineer.post("/explain", data={"record": "p13", "purpose": "a complaint of 3 May, ticket 12"})
    page = engineer.get(sent.headers["location"], headers={"accept": "application/json"}).json()
    assert [one["outcome"] for one in page["trace"]] == ["permit"]
    [look] = here.client("u1").get("/records.json").json()["looks"]
    assert (look["role"], look["purpose"]) == ("privacy_engineer", "a complaint of 3 May, ticket 12")
    assert here.client("u2").get("/records.json").json()["looks"] == []
    other = here.client("another", x_roles="privacy_engineer")
    assert other.get(sent.headers["location"]).status_code == 404  # nobody looks through somebody else's purpose


def test_looking_for_what_is_not_there_tells_so_and_writes_nothing(platform: Made) -> None:
    here = platform()
    engineer = here.client("worker", x_roles="privacy_engineer")
    sent = engineer.post("/explain", data={"record": "p999", "purpose": "a complaint of 3 May"})
    assert "missing=1" in sent.headers["location"]
    assert here.client("u1").get("/records.json").json()["looks"] == []


def test_the_audit_page_recomputes_both_lists(platform: Made) -> None:
    here = platform()
    engineer = here.client("worker", x_roles="privacy_engineer")
    engineer.post("/explain", data={"record": "p13", "purpose": "a complaint of 3 May"})
    page = here.client("second", x_roles="auditor").get("/audit.json").json()
    assert (page["log"]["holds"], page["looks"]) == (True, {"holds": True, "rows": 1, "problem": None})
    entries = sorted((here.ws.folder / "log").rglob("*.p/*"))
    entries[0].write_bytes(b"\x00" * entries[0].stat().st_size)
    assert not here.client("second", x_roles="auditor").get("/audit.json").json()["log"]["holds"]


def test_public_counts_give_nobody_away(platform: Made) -> None:
    here = platform()
    for n in range(9):
        here.client(f"u{n}").post("/withdraw", data={"purpose": "train_ai_system.generative"})
    assert here.client().get("/transparency.json").json()["choices"] == []
    here.client("u9").post("/withdraw", data={"purpose": "train_ai_system.generative"})
    [one] = here.client().get("/transparency.json").json()["choices"]
    assert (one["no"], one["yes"]) == ({"about": 10}, {"below": 10})


def test_a_receipt_is_checked_a_capsule_turned_away_and_nothing_kept(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    client.post("/off")
    receipt = client.get("/records/receipts/1").content
    release = client.get("/used.json").json()["release"]["id"]
    capsule = client.get(f"/used/{release}/capsule").content
    before = state(here)
    stranger = here.client()
    checked = stranger.post("/verify", files={"file": ("mine", receipt)}, headers={"accept": "application/json"})
    assert checked.json()["report"]["kind"] == "receipt"
    refused = stranger.post("/verify", files={"file": ("mine", capsule)}, headers={"accept": "application/json"})
    assert (refused.status_code, refused.json()["refused"]) == (422, "capsule")
    wrong = stranger.post("/verify", data={"text": receipt.decode().replace("objected", "refused")})
    assert wrong.status_code == 422
    assert stranger.post("/verify", data={"text": "anything"}).status_code == 422
    assert stranger.post("/verify", data={"text": '{"a":' * 20_000}).status_code == 422
    assert state(here) == before


def test_crawlers_are_told_no_by_the_policy(platform: Made) -> None:
    client = platform().client()
    assert "Content-Usage: train-ai=n" in client.get("/robots.txt").text
    assert client.get("/bots.json").json()["reasons"]["third_parties_train"] is False
    for path in ("/robots.txt", "/transparency", "/policies.json"):
        assert client.get(path).headers["content-usage"] == "train-ai=n", path


def test_crawlers_are_told_nothing_where_the_policy_lets_others_train(platform: Made) -> None:
    here = platform(build=False)
    rules = here.ws.folder / "policies" / "small" / "2020-01-01" / "policy.toml"
    rules.write_text(rules.read_text().replace('["controller"]', '["controller", "third_party:*"]'))
    client = here.client()
    assert "Content-Usage" not in client.get("/robots.txt").text
    assert "content-usage" not in client.get("/transparency").headers


def test_no_page_has_two_things_of_one_name_and_one_region_says_what_happened(platform: Made) -> None:
    here = platform()
    client, [release] = here.client("u1", x_roles=WORK), published.releases(here.ws)
    sent = [("/off", {}), ("/withdraw/item", {"release": release.id, "number": "1"}), ("/withdraw", {"purpose": "everything"}),
            ("/choices", {}), ("/not-a-member", {"account": "u1"})]  # fmt: skip
    told = [client.post(path, data=data).headers["location"].partition("#")[0] for path, data in sent]
    for path in (*paths(here), *told):
        answer = client.get(path)
        if answer.headers["content-type"].startswith("text/html"):
            names = re.findall(r'\sid="([^"]+)"', answer.text)
            assert len(names) == len(set(names)), path
            assert answer.text.count('role="status"') == 1, path


def test_an_outsider_is_answered_alike_whether_the_account_is_there_or_not(
    platform: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = platform()
    answers = []
    for account in ("u1", "nobody-has-this"):
        sent = here.client().post("/not-a-member", data={"account": account})
        answers.append(
            (sent.status_code, sent.headers["location"], here.client().get(sent.headers["location"]).content)
        )
    assert answers[0] == answers[1]
    [event] = here.ws.ledger.events_of("u1")
    assert (event.actor, event.verified) == ("stranger", False)
    found = choice.fold([event], "user.content.public", "train_ai_system.generative", "controller", event.effective_at,
                        event.recorded_at)  # fmt: skip
    assert found.state == "unknown"  # held, not refused
    here.client().post("/not-a-member", data={"account": "u1"})
    assert len(here.ws.ledger.events_of("u1")) == 1  # once a day an account
    assert here.ws.ledger.head() == 1
    sixth = datetime.now(UTC) + timedelta(days=6)
    monkeypatch.setattr(Tenant, "now", lambda self: sixth)
    here.client().post("/not-a-member", data={"account": "u1"})
    assert here.ws.ledger.events_of("u1")[-1].expires_at >= sixth + timedelta(days=7)  # as the page says


def test_an_outsider_is_heard_where_the_platform_attests_nothing(platform: Made) -> None:
    here = platform()
    settings = here.ws.folder / "aboveboard.toml"
    settings.write_text(settings.read_text().replace('[facts]\npath = "facts.parquet"\n', ""))
    assert here.client().post("/not-a-member", data={"account": "u1"}).status_code == 303
    assert [event.actor for event in here.ws.ledger.events_of("u1")] == ["stranger"]


@pytest.mark.parametrize("path", ["/policies/compare", "/policies"])
def test_one_version_alone_is_a_page_too(platform: Made, path: str) -> None:
    assert platform(build=False).client().get(path).status_code == 200
