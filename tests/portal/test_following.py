"""Nothing has to be restarted: a new policy version, new facts, settings and releases are seen with the next request."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests import small
from tests.portal.conftest import Made, Platform

from aboveboard.errors import ReleaseError
from aboveboard.portal import items, published

LATER = "We train models on what you post in public unless you say no. We sell nothing.\n"


def announce(here: Platform, version: str = "2021-01-01", rules: str | None = None) -> None:
    folder = here.ws.folder / "policies" / "small" / version
    folder.mkdir()
    (folder / "text.md").write_text(LATER)
    said = (rules or small.VERSION).format(digest=hashlib.sha256(LATER.encode()).hexdigest())
    said = said.replace("2020-01-01", version).replace("We train models unless you say no.", LATER.split(".")[0] + ".")
    (folder / "policy.toml").write_text(said)


def test_a_new_version_is_seen_at_once(platform: Made) -> None:
    here = platform(build=False)
    client = here.client("u1")
    assert client.get("/index.json").json()["policy"]["version"] == "2020-01-01"
    announce(here)
    assert client.get("/index.json").json()["policy"]["version"] == "2021-01-01"
    assert [one["version"] for one in client.get("/policies.json").json()["versions"]] == ["2021-01-01", "2020-01-01"]
    assert LATER.split(".")[0] in client.get("/policies/2021-01-01").text
    compared = client.get("/policies/compare.json").json()
    assert (compared["old"]["version"], compared["new"]["version"]) == ("2020-01-01", "2021-01-01")


def test_a_version_that_is_half_written_changes_nothing_and_a_no_is_heard(
    platform: Made, caplog: pytest.LogCaptureFixture
) -> None:
    here = platform(build=False)
    client = here.client("u1")
    assert client.get("/index.json").json()["policy"]["version"] == "2020-01-01"
    announce(here, rules="policy = ")
    for _ in range(3):
        assert client.get("/index.json").json()["policy"]["version"] == "2020-01-01"
    assert client.post("/off").status_code == 303
    assert here.ws.ledger.events_of("u1") != []
    assert sum("what held before still holds" in record.getMessage() for record in caplog.records) == 1
    for file in (here.ws.folder / "policies" / "small" / "2021-01-01").iterdir():
        file.unlink()
    (here.ws.folder / "policies" / "small" / "2021-01-01").rmdir()
    announce(here)
    assert client.get("/index.json").json()["policy"]["version"] == "2021-01-01"


def test_new_facts_count_at_once(platform: Made) -> None:
    here = platform(build=False)
    client = here.client("u1")

    def reason() -> str:
        [card, *_] = client.get("/choices.json").json()["purposes"]
        return str(card["rows"][0]["effect"]["reason"])

    before, file = reason(), here.ws.folder / "facts.parquet"
    known = pq.read_table(file)
    states = ["suspended" if one == "u1" else "active" for one in known["subject"].to_pylist()]
    pq.write_table(known.set_column(known.schema.get_field_index("state"), "state", pa.array(states)), file)
    assert reason() != before


def test_settings_are_followed_too(platform: Made) -> None:
    here = platform(build=False)
    client = here.client("u1")
    assert client.get("/records.json").json()["contact"] is None
    settings = here.ws.folder / "aboveboard.toml"
    settings.write_text(
        settings.read_text() + '\n[workspace]\nname = "Another name"\n[portal]\ncontact = "a@example.org"\n'
    )
    assert client.get("/records.json").json()["contact"] == "a@example.org"
    assert "Another name" in client.get("/").text


def test_a_new_release_is_seen_at_once(platform: Made) -> None:
    here = platform()
    client = here.client("u1")
    first = client.get("/index.json").json()["release"]["id"]
    client.post("/off")
    second = here.build()
    shown = client.get("/index.json").json()["release"]
    assert (shown["id"], shown["counts"]["used"]) == (second, 0)
    assert second != first


def test_a_large_release_is_listed_beside_the_requests(platform: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    here = platform()
    client = here.client("u1")
    first = client.get("/used.json").json()["release"]["id"]
    go, made = threading.Event(), items.made

    def slowly(public: Path, private: Path) -> items.Items:
        assert items.is_made(private) or go.wait(60)
        return made(public, private)

    monkeypatch.setattr(published, "made", slowly)
    monkeypatch.setattr(published, "PATIENCE", 0.1)
    second = here.build()
    told = client.get("/used.json").json()
    assert (told["release"]["id"], told["listing"]) == (first, True)
    assert "being listed" in client.get("/used").text
    assert second in client.get("/releases").text  # what is everybody's to know waits for nothing
    assert client.post("/off").status_code == 303
    go.set()
    monkeypatch.setattr(published, "PATIENCE", 60)
    for thread in threading.enumerate():
        if thread.name == "aboveboard-items":
            thread.join(60)
    told = client.get("/used.json").json()
    assert (told["release"]["id"], told["listing"]) == (second, False)


def test_several_large_releases_are_listed_one_after_the_other_and_a_request_waits_once(
    platform: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = platform()
    names = [published.releases(here.ws)[0].id]
    for subject in ("u1", "u2"):
        here.client(subject).post("/off")
        names.append(here.build())
    assert [items.is_made(one.private) for one in published.releases(here.ws)] == [False] * 3
    made, order, at_once = items.made, list[str](), list[int]()

    def watched(public: Path, private: Path) -> items.Items:
        if not items.is_made(private):
            order.append(private.name)
            at_once.append(sum(thread.name == "aboveboard-items" for thread in threading.enumerate()))
            time.sleep(0.3)
        return made(public, private)

    monkeypatch.setattr(published, "made", watched)
    monkeypatch.setattr(published, "PATIENCE", 0.1)
    begun = time.monotonic()
    assert here.client("u1").get("/used.json").json()["listing"] is True
    assert time.monotonic() - begun < 30
    for thread in threading.enumerate():
        if thread.name == "aboveboard-items":
            thread.join(60)
    assert here.client("u1").get("/used.json").json()["listing"] is False
    assert (sorted(order), at_once) == (sorted(names), [1, 1, 1])


def test_items_that_cannot_be_listed_are_a_sentence_and_are_tried_again(
    platform: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = platform()
    client = here.client("u1")

    def full(public: Path, private: Path) -> items.Items:
        raise ReleaseError("the disk is full", hint="make room")

    with monkeypatch.context() as broken:
        broken.setattr(published, "made", full)
        answer = client.get("/used")
        assert answer.status_code == 503
        assert "disk" not in answer.text
        assert client.post("/off").status_code == 303
    assert client.get("/used").status_code == 200
