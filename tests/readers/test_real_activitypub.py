"""Real ActivityPub data, read in place and never copied: recorded answers of a Mastodon server, granary's notes.

Totals are asserted, so that nothing is dropped unseen; what is printed (``-s``) is what the decisions came to.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mastodon_cassettes
import pytest

import exports
from aboveboard.choice import Facts, people
from aboveboard.engine import Engine
from aboveboard.errors import SourceError
from aboveboard.gate import Decision, Gate
from aboveboard.judgement import Judgement
from aboveboard.relate import relate

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", HERE.parent.parent.parent / "shared" / "data"))
CASSETTES = DATA / "mastodon-api" / "cassettes"
GRANARY = DATA / "granary-testdata" / "testdata"
needs_cassettes = pytest.mark.skipif(not CASSETTES.exists(), reason="no mastodon-api in ABOVEBOARD_DATA")
needs_granary = pytest.mark.skipif(not GRANARY.exists(), reason="no granary-testdata in ABOVEBOARD_DATA")

LATER = datetime(2026, 12, 1, tzinfo=UTC)
"""The answers were recorded in October 2026, and what was collected after the judgement counts as undated."""
AUDIENCE = {"public": "public", "unlisted": "unlisted", "private": "followers", "direct": "private"}


def decided(reading: exports.Reading, folder: Path, known: bool = False) -> list[Decision]:
    """The decision on every row, copies included; ``known``: every account is adult, active, open and in Ireland."""
    named = [
        *(row["subject"] for row in reading.rows),
        *(one["subject"] for row in reading.rows for one in _people(row)),
    ]
    usual = {"state": "active", "protected": False, "age_band": "adult", "residency": "IE"}
    facts = [Facts(subject=one, **usual) for one in sorted({one for one in named if one})] if known else []
    gate = Gate(exports.policy(), people([], facts), exports.JOB, LATER, exports.REGIMES)
    folder.mkdir()
    engine = Engine(threads=1)
    return Judgement(engine, relate([reading.staged], folder, engine), gate).sample(len(reading.rows) + 1)


def _people(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(row["parties"] or ()), *(one for part in row["parts"] or () for one in part["parties"] or ())]


def counted(decisions: list[Decision]) -> Counter[tuple[str, str]]:
    return Counter((one.outcome.value, one.decisive.code) for one in decisions)


def released(decisions: list[Decision]) -> set[str]:
    return {one.record_id for one in decisions if one.outcome.value in ("permit", "redact")}


def lines(items: list[dict[str, Any]]) -> dict[str, str]:
    return {"statuses.jsonl": "\n".join(map(json.dumps, items))}


@needs_cassettes
def test_every_status_of_the_recorded_answers(tmp_path: Path) -> None:
    found = mastodon_cassettes.statuses(CASSETTES)
    reading = exports.read(tmp_path, "activitypub", lines(found), server="localhost:3000")
    assert (len(found), len(reading.rows), len(reading.quarantine)) == (TOTAL, TOTAL, 0)
    said = Counter(one["visibility"] for one in found)
    print("\nvisibilities", dict(said), "kinds", Counter((row["kind"], row["audience_at"]) for row in reading.rows))
    for status, row in zip(found, reading.rows, strict=True):
        assert row["record_id"] == status["id"]
        assert row["subject"] == status["account"]["id"]
        if row["lifecycle"] == "deleted":
            assert "text" in status
            continue
        assert row["audience_at"] == AUDIENCE[status["visibility"]]
        assert (row["kind"] == "message") == (status["visibility"] == "direct")
        assert (row["revision"] > 0) == (status["edited_at"] is not None)
        assert row["collected_at"] is not None or status["edited_at"] is not None
        for part in row["parts"]:
            if part["kind"] == "mention" and part["place"] == "span":
                assert row["text"][part["start"]] == "@"


@needs_cassettes
def test_what_becomes_of_the_recorded_statuses(tmp_path: Path) -> None:
    found = mastodon_cassettes.statuses(CASSETTES)
    reading = exports.read(tmp_path, "activitypub", lines(found), server="localhost:3000")
    without, known = decided(reading, tmp_path / "bare"), decided(reading, tmp_path / "facts", known=True)
    print("\nbare", dict(counted(without)), "\nwith facts", dict(counted(known)))
    assert len(without) == len(known) == TOTAL
    assert not released(without)
    deleted = {row["record_id"] for row in reading.rows if row["lifecycle"] == "deleted"}
    assert not released(known) & deleted


@needs_cassettes
def test_before_they_were_deleted_only_public_ones_of_willing_accounts_go_out(tmp_path: Path) -> None:
    found = [one for one in mastodon_cassettes.statuses(CASSETTES) if one.get("content") is not None]
    reading = exports.read(tmp_path, "activitypub", lines(found), server="localhost:3000")
    decisions = decided(reading, tmp_path / "facts", known=True)
    print("\nbefore deletion", dict(counted(decisions)))
    willing = {one["id"] for one in found if one["visibility"] == "public" and one["account"]["indexable"]}
    edited = {one["id"] for one in found if one["edited_at"] is not None}
    assert released(decisions) == willing - edited
    assert willing


@needs_cassettes
def test_narrowing_every_recorded_status_releases_none(tmp_path: Path) -> None:
    found = [one for one in mastodon_cassettes.statuses(CASSETTES) if one.get("content") is not None]
    narrowed = [{**one, "visibility": "private", "account": {**one["account"], "indexable": True}} for one in found]
    reading = exports.read(tmp_path, "activitypub", lines(narrowed), server="localhost:3000")
    assert {one.outcome.value for one in decided(reading, tmp_path / "facts", known=True)} == {"refuse"}


# --- granary ---------------------------------------------------------------------------------------------------


def no_json() -> dict[str, bytes]:
    """granary's own templates, with code where values go."""
    held = {path.name: path.read_bytes() for path in sorted(GRANARY.glob("*.json"))}
    return {name: data for name, data in held.items() if parsed(data) is None}


def parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def notes(suffix: str) -> dict[str, dict[str, Any]]:
    """granary's objects of one form by name; those without an id get their name as one, for most have none."""
    held = {path.name.removesuffix(suffix): parsed(path.read_bytes()) for path in sorted(GRANARY.glob(f"*{suffix}"))}
    return {
        name: {"id": f"https://granary.example/{name}", **one} for name, one in held.items() if isinstance(one, dict)
    }


def stated(activity: dict[str, Any]) -> str | None:
    """The audience as ActivityStreams 1 states it: an alias among the recipients, or nothing."""
    aliases = {one.get("alias") for one in activity.get("to", [])}
    return "public" if "@public" in aliases else "unlisted" if "@unlisted" in aliases else None


@needs_granary
def test_the_same_note_has_the_same_audience_in_either_form(tmp_path: Path) -> None:
    second, first = notes(".as2.json"), notes(".as.json")
    reading = exports.read(tmp_path, "activitypub", {f"{name}.json": json.dumps(one) for name, one in second.items()})
    faults = {row["file"].removesuffix(".json"): row["reason"] for row in reading.quarantine}
    places = exports.read(tmp_path / "one", "activitypub", {"all.jsonl": "\n".join(map(json.dumps, second.values()))})
    assert len(reading.rows) + len(faults) == len(second) == len(places.rows) + len(places.quarantine)
    print("\nfaults", faults, Counter(row["kind"] for row in reading.rows))
    compared = {}
    for name, one in second.items():
        rows = [row for row in reading.rows if row["record_id"] == one["id"]]
        if rows and name in first:
            compared[name] = (rows[0]["audience_at"], stated(first[name]))
    print(len(compared), {name: pair for name, pair in compared.items() if any(pair)})
    assert all(here == there for here, there in compared.values())
    assert (compared["note_public"], compared["note_unlisted"]) == (("public",) * 2, ("unlisted",) * 2)


@needs_granary
def test_forms_without_a_reader_are_refused(tmp_path: Path) -> None:
    """ActivityStreams 1, microformats and feeds as JSON are no rows; HTML and XML are no files of a known kind."""
    files = {path.name: path.read_bytes() for path in sorted(GRANARY.iterdir()) if path.name not in no_json()}
    reading = exports.read(tmp_path, "activitypub", files, ids_verified=True)
    reasons = Counter(row["reason"] for row in reading.quarantine)
    print("\nrows", len(reading.rows), "quarantine", dict(reasons), "refused", len(reading.refused))
    assert {name.rpartition(".")[2] for name, why in reading.refused.items() if not why} == {"html", "xml"}
    assert set(reading.refused) | set(no_json()) | {name for name in files if name.endswith(".json")} == set(
        files
    ) | set(no_json())
    assert not released(decided(reading, tmp_path / "facts", known=True))


@needs_granary
def test_files_that_are_no_json_are_errors_by_name(tmp_path: Path) -> None:
    assert len(no_json()) == 3
    for name, data in no_json().items():
        with pytest.raises(SourceError, match=name):
            exports.read(tmp_path / name, "activitypub", {name: data})


TOTAL = 53
"""Statuses in the recorded answers, wherever they are nested."""
