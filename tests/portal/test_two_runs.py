"""Flip another person's choice: every byte that this person can see stays equal, before and after the next release."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests import small
from tests.portal.conftest import Platform, by_header

from aboveboard import mainjob, portal
from aboveboard.choice import Event
from aboveboard.portal import published, ways
from aboveboard.portal.guard import Rate
from aboveboard.workspace import Workspace, open_workspace, read_job

Quoted = Callable[..., Platform]

MOMENT = datetime(2031, 2, 1, tzinfo=UTC)


def quoting(rows: list[dict[str, Any]]) -> None:
    """Every second post of u1 shows u2."""
    for row in rows:
        if int(row["id"][1:]) % 24 == 1:
            row |= {"kind": "quote"}


@pytest.fixture
def quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Quoted]:
    """Makes platforms with the same keys, in which u1 shows u2 in some posts; what is given is said before the release."""
    parties = "parties = \"CASE WHEN kind IS NULL THEN [] ELSE [{'subject': 'u2', 'role': 'depicted'}] END\""
    mapped = small.MAP.replace("kind = \"'post'\"", f"kind = \"coalesce(kind, 'post')\"\n{parties}")
    monkeypatch.setattr(small, "MAP", mapped)
    first = small.make(tmp_path / "first", posts=quoting)
    opened: list[Workspace] = []

    def make(name: str, who: str | None = None) -> Platform:
        ws = open_workspace(shutil.copytree(first, tmp_path / name))
        opened.append(ws)
        if who is not None:
            now = datetime.now(UTC)
            ws.ledger.append(Event(subject=who, type="refused", recorded_at=now, effective_at=now))
        mainjob.build(ws, read_job(ws.folder / "job.toml"), clock=lambda: MOMENT)
        return Platform(ws, portal.app(ws, by_header, rate=Rate(100_000)))

    yield make
    for ws in opened:
        ws.ledger.close()


def seen(here: Platform) -> dict[str, str]:
    """Every page that u1 can see, without what tells one run from another: names of releases, digests and moments."""
    client = here.client("u1", accept="application/json")
    releases = published.releases(here.ws)
    found = {}
    for way in ways.MEMBERS:
        if way.methods != ("GET",) or any(
            word in way.path for word in ("capsule", "proof", "receipts", "certificates")
        ):
            continue
        for number in (str(n) for n in range(1, 11)) if "{number}" in way.path else ["1"]:
            path = way.path.format(release=releases[-1].id, number=number, kind="jsonl", position="1")
            for query in ("", "?state=unused", "?state=shared") if way.path == "/used" else ("",):
                found[f"{way.path} {number} {query}"] = plain(client.get(path + query).text)
    return found


def plain(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\dT\d{6}Z-[\w.-]*", "RELEASE", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", "MOMENT", text)


def test_flip_anothers_choice_and_no_byte_changes(quoted: Quoted) -> None:
    one, other = quoted("one"), quoted("other", "u2")
    assert seen(one) == seen(other)
    used = [published.releases(here.ws)[-1].items.counts("u2")["used"] for here in (one, other)]
    assert used[0] > used[1] == 0  # the flip did something: to u2
    page = one.client("u1").get("/used.json?state=shared").json()
    assert page["counts"]["shared"] == 5
    assert {item["sentence"] for item in page["items"]} == {"it contains other people's words or likeness"}
    told = {"number", "source", "record", "kind", "categories", "collected_at", "state", "sentence", "words"}
    assert all(set(item) == told for item in page["items"])


def test_flip_ones_own_choice_and_it_shows(quoted: Quoted) -> None:
    assert seen(quoted("one")) != seen(quoted("other", "u1"))


def test_the_read_model_holds_nothing_of_what_others_are_in(quoted: Quoted) -> None:
    file = published.releases(quoted("one", "u2").ws)[-1].items.file
    with closing(sqlite3.connect(file)) as con:
        rows = con.execute(
            "SELECT outcome, decisive, codes, clause, collected_under, judged_under, shard, place, leaf FROM items"
            " WHERE state = 2"
        ).fetchall()
    assert rows
    assert set(rows) == {(None, None, "[]", None, None, None, None, None, None)}
    assert file.stat().st_mode & 0o777 == 0o600
