"""A release that takes the place of another: the rows that may stay, in the bytes that a build would give them, at the cost of
what changed; everything that holds of a release holds of it; and it survives whatever it is killed at.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import IntegrityError

import small
from aboveboard import (
    capsules,
    checking,
    disk,
    keys,
    layout,
    mainjob,
    manifest,
    openings,
    proving,
    reading,
    release,
    rewriting,
    subjectmap,
    verification,
    writing,
)
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.demo import make
from aboveboard.demo.tour import import_choices_of
from aboveboard.errors import LedgerError, ReleaseError
from aboveboard.ledger import Ledger, database
from aboveboard.manifest import Shard
from aboveboard.verification import Known
from aboveboard.workspace import Workspace, open_workspace, read_job

HERE = Path(__file__).resolve().parent
NOW = datetime(2031, 2, 1, tzinfo=UTC)


def at(days: float) -> Callable[[], datetime]:
    return lambda: NOW + timedelta(days=days)


def say(
    ws: Workspace, subject: str, kind: str = "refused", when: datetime = datetime(2026, 1, 1, tzinfo=UTC), **scope: Any
) -> None:
    ws.ledger.append(Event(subject=subject, type=kind, recorded_at=when, effective_at=when, **scope))


def built(ws: Workspace, days: float = 0, **how: Any) -> release.Release:
    return mainjob.build(ws, read_job(ws.folder / "job.toml"), clock=at(days), **how)


def rewritten(ws: Workspace, before: Any, days: float = 1, **how: Any) -> release.Release:
    public = before if isinstance(before, Path) else before.public
    made = mainjob.rewrite(ws, public, clock=at(days), **how)
    assert made is not None
    return made


def files_of(folder: Path) -> Mapping[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def said(public: Path) -> Any:
    return json.loads((public / "manifest.json").read_bytes())["predicate"]


def leaves(public: Path) -> list[bytes]:
    rows = (row for file in (public / "data").glob("*.parquet") for row in pq.read_table(file).to_pylist())
    return sorted(manifest.leaf(row) for row in rows)


def decisions(private: Path) -> Mapping[tuple[str, int], tuple[Any, ...]]:
    found = duckdb.sql(
        f"SELECT source, ordinal, outcome, decisive, removed, clause FROM {writing.decided(private)}"
    ).fetchall()
    assert len({row[:2] for row in found}) == len(found)
    return {row[:2]: row[2:] for row in found}


def holds(ws: Workspace, made: release.Release) -> None:
    """All that holds of a release: for everybody, for each person, for an auditor."""
    report = verification.verify(made.public)
    assert all(step.done for step in report.steps[:9])
    assert len(list(mainjob.auditor(ws, made.public).steps())) == 4
    counts = json.loads((made.private / "exact-counts.json").read_bytes())
    assert sum(shard["rows"] for shard in counts["shards"]) == len(leaves(made.public)) == made.governed.released
    assert sum(tally["records"] for tally in counts["tallies"]) == counts["records"] == len(decisions(made.private))


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """The small platform: twelve people, a hundred posts."""
    found = open_workspace(small.make(tmp_path / "platform"))
    yield found
    found.ledger.close()


# --- the same as a build --------------------------------------------------------------------------------------------


DIVIDED = ((layout, "SUBJECTS", 1), (layout, "ROWS", 32), (subjectmap, "FULL", 16))
"""What gives a small platform several files and a map of many buckets."""


def in_rows(made: release.Release, which: str) -> list[str]:
    """People with a part in a released row, in an order that tells nothing."""
    people, opened = writing.listed(made.private / "people"), writing.opened(made.private)
    found = duckdb.sql(f"SELECT p.subject FROM {people} AS p JOIN {opened} AS o USING (source, ordinal)"
                       f" GROUP BY p.subject {which} ORDER BY hash(p.subject)").fetchall()  # fmt: skip
    return [subject for (subject,) in found]


@pytest.fixture(scope="module")
def built_divided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A birdsite in eight files; a release, what some of 300 people said then, the release rewritten, and one built anew."""
    patch = pytest.MonkeyPatch()
    for where, name, value in DIVIDED:
        patch.setattr(where, name, value)
    folder = tmp_path_factory.mktemp("divided") / "birdsite"
    make(folder)
    ws = open_workspace(folder)
    import_choices_of(ws)
    job = read_job(folder / "jobs" / "feed-writer.toml")
    first = mainjob.build(ws, job, clock=at(0))
    people = in_rows(first, "HAVING bool_and(p.subject = account)")  # nobody else's row needs another part of it to go
    for subject in people[:3]:
        say(ws, subject)
    say(ws, people[3], "objected", purpose="train_ai_system")
    say(ws, people[4], "deleted")
    say(ws, people[5], "age_changed", value="13_17")
    say(ws, people[6], "given")
    say(ws, "a newcomer")
    second = rewritten(ws, first)
    anew = mainjob.build(ws, job, clock=at(1))
    patch.undo()
    yield ws, first, second, anew
    ws.ledger.close()


@pytest.fixture
def divided(built_divided: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for where, name, value in DIVIDED:
        monkeypatch.setattr(where, name, value)
    return built_divided


def test_rows_trees_and_digests_are_those_of_a_build(divided: Any) -> None:
    _, first, second, anew = divided
    assert len(first.manifest.shards) >= 8
    assert 0 < second.governed.released < first.governed.released
    for name in ("data", "rows"):
        assert files_of(second.public / name) == files_of(anew.public / name)
    for name in ("rows_root", "rows_digest", "layout", "counts", "file_digest", "policy", "job", "columns", "bound"):
        if name != "bound":  # salted anew each time
            assert said(second.public)[name] == said(anew.public)[name]


def test_decisions_counts_and_the_index_are_those_of_a_build(divided: Any) -> None:
    _, _, second, anew = divided
    one, other = decisions(second.private), decisions(anew.private)
    released = {row for row, (outcome, *_) in other.items() if outcome < 2}
    assert {row for row, (outcome, *_) in one.items() if outcome < 2} == released
    assert {row: one[row] for row in released} == {row: other[row] for row in released}
    assert one.keys() == other.keys()
    for name in (
        "kinds",
        "languages",
        "released",
        "records",
        "quarantined",
        "rows_of_one_person",
        "rows_of_several",
        "accounts",
    ):
        counts = (json.loads((made.private / "exact-counts.json").read_bytes())[name] for made in (second, anew))
        assert next(counts) == next(counts), name
    assert files_of(second.private / "index") == files_of(anew.private / "index")


def test_everything_holds_of_it_and_still_of_the_one_before(divided: Any) -> None:
    ws, first, second, _ = divided
    holds(ws, second)
    assert len(list(mainjob.auditor(ws, first.public).steps())) == 4


def test_everybody_has_a_capsule_that_says_what_one_of_a_build_says(divided: Any) -> None:
    ws, _, second, anew = divided
    accounts = {account.subject for account in openings.accounts(second.private)}
    assert accounts == {account.subject for account in openings.accounts(anew.private)}
    assert "a newcomer" in accounts
    for subject in sorted(accounts)[::7]:
        one, other = (capsules.make(made.public, made.private, subject, ws.keys) for made in (second, anew))
        assert [replace(r.descriptor) for r in one.records] == [r.descriptor for r in other.records]
        assert sorted(one.shared) == sorted(other.shared)
        assert (one.events, one.account, one.index) == (other.events, other.account, other.index)
        assert {(u.source, u.record) for u in one.unproven} == {(u.source, u.record) for u in other.unproven}
        checking.held(one, second.public)


def test_what_did_not_change_is_the_same_file(divided: Any) -> None:
    _, first, second, _ = divided
    before, after = (files_of(made.public / "data") for made in (first, second))
    same = before.keys() & after.keys()
    assert 0 < len(same) < len(before)
    for name in same:
        assert (first.public / "data" / name).stat().st_ino == (second.public / "data" / name).stat().st_ino
    for room in ("decisions", "people", "openings/records", "openings/withheld", "quarantine"):
        linked = {p.name: p.stat().st_ino for p in (second.private / room).iterdir()}
        assert linked == {p.name: p.stat().st_ino for p in (first.private / room).iterdir()}


def test_what_left_is_listed_and_nothing_came(divided: Any) -> None:
    _, first, second, _ = divided
    data = (second.private / rewriting.REMOVED).read_bytes()
    gone = [data[n : n + 32] for n in range(0, len(data), 32)]
    before, after = leaves(first.public), leaves(second.public)
    assert gone == sorted(set(before) - set(after))
    assert set(after) < set(before)


def test_a_bucket_is_sealed_anew_whole_or_not_touched(divided: Any) -> None:
    """Whoever keeps both maps must not see which row of a bucket changed: nobody learns who said something."""
    _, first, second, _ = divided
    one, other = (files_of(made.public / "subjects") for made in (first, second))
    assert one.keys() == other.keys()
    buckets = [name for name in one if name != "top.bin"]
    same = [name for name in buckets if one[name] == other[name]]
    assert 0 < len(same) < len(buckets)
    for name in set(buckets) - set(same):
        rows = [{data[n : n + 160] for n in range(0, len(data), 160)} for data in (one[name], other[name])]
        assert not rows[0] & rows[1]
    bound = [row[32:64] for files in (one, other) for name in buckets for row in _rows(files[name])]
    sealed = [row for files in (one, other) for name in buckets for row in _rows(files[name])]
    assert len(set(bound)) == len(set(sealed))  # INVARIANT: no key encrypts twice
    assert len(other["top.bin"]) == 32 * len(buckets)


def _rows(bucket: bytes) -> list[bytes]:
    return [bucket[n : n + 160] for n in range(0, len(bucket), 160)]


def test_the_proof_of_a_record_and_what_left_has_none(divided: Any) -> None:
    _, first, second, _ = divided
    one, other = decisions(first.private), decisions(second.private)
    ids = dict(duckdb.sql(f"SELECT (source, ordinal), record_id FROM {writing.decided(first.private)}").fetchall())
    stays = next(row for row, (outcome, *_) in other.items() if outcome < 2)
    left = next(row for row, (outcome, *_) in one.items() if outcome < 2 and other[row][0] > 1)
    made = proving.prove(second.public, second.private, ids[stays], stays[0])
    assert not proving.withdrawn(second.public, made)
    with pytest.raises(ReleaseError, match="no record"):
        proving.prove(second.public, second.private, ids[left], left[0])


def test_a_row_of_which_another_part_has_to_go_leaves_until_the_next_build(divided: Any, tmp_path: Path) -> None:
    _, first, _, _ = divided
    folder = Path(shutil.copytree(divided[0].folder, tmp_path / "birdsite"))
    ws = open_workspace(folder)
    for subject in in_rows(first, "HAVING NOT bool_and(p.subject = account)")[:9]:
        say(ws, subject)
    before = folder / "releases" / divided[2].id
    third = rewritten(ws, before, 2)
    holds(ws, third)
    gone = set(leaves(before)) - set(leaves(third.public))
    told, kept = decisions(third.private), [one for one in openings.records(divided[2].private) if one.leaf in gone]
    assert len(kept) == len(gone) > 0
    ends = [(*told[one.record.source, one.record.ordinal][:3], list(one.removed)) for one in kept]
    assert all(outcome > 1 or removed != was for outcome, _, removed, was in ends)
    assert any(outcome < 2 for outcome, *_ in ends)
    ws.ledger.close()


# --- who is heard ---------------------------------------------------------------------------------------------------


def test_nothing_is_published_where_nothing_leaves(ws: Workspace) -> None:
    first = built(ws)
    say(ws, "u3", "given")
    found = mainjob.considered(ws, first.public, clock=at(1))
    assert (found.people, found.judged, found.leaving, found.files) == (1, 9, 0, 0)
    assert mainjob.rewrite(ws, first.public, clock=at(1)) is None
    assert [path.name for path in (ws.folder / "releases").iterdir()] == [first.id]
    assert {path.name for path in (ws.folder / "private").iterdir()} == {first.id}


def test_it_says_whose_place_it_takes_and_the_ledger_knows(ws: Workspace) -> None:
    first = built(ws)
    say(ws, "u3")
    second = rewritten(ws, first)
    digest = hashlib.sha256((first.public / "manifest.json").read_bytes()).hexdigest()
    assert said(second.public)["supersedes"] == {"release": first.id, "manifest_sha256": digest}
    assert said(first.public)["supersedes"] is None
    assert ws.ledger.superseded_by(first.id) == second.id
    assert ws.ledger.superseded_by(second.id) is None
    assert [one["id"] for one in ws.ledger.live_releases()] == [second.id]
    [retired] = ws.ledger.retirements()
    assert (retired["release"], retired["superseded_by"]) == (first.id, second.id)
    with pytest.raises(ReleaseError, match="was superseded by") as raised:
        rewritten(ws, first, 2)
    assert second.id in raised.value.hint
    holds(ws, second)


def test_a_chain_of_rewritings(ws: Workspace) -> None:
    made = [built(ws)]
    for number, subject in enumerate(("u3", "u4", "u3", "u5"), 1):
        say(ws, subject, "given" if number == 3 else "refused")
        if number == 3:  # a yes brings nothing back
            assert mainjob.rewrite(ws, made[-1].public, clock=at(number)) is None
            continue
        made.append(rewritten(ws, made[-1], number))
        holds(ws, made[-1])
    assert [len(leaves(one.public)) for one in made] == [100, 91, 83, 75]
    for one, other in pairwise(made):
        data = (other.private / rewriting.REMOVED).read_bytes()
        assert set(_hashes(data)) == set(leaves(one.public)) - set(leaves(other.public))
    assert leaves(built(ws, 9).public) == leaves(made[-1].public)


def _hashes(data: bytes) -> list[bytes]:
    return [data[n : n + 32] for n in range(0, len(data), 32)]


def _of(ws: Workspace, made: release.Release, subject: str) -> list[bytes]:
    return [one.leaf for one in openings.records(made.private, subject)]


def with_key(folder: Path, name: str, secret: bytes) -> Path:
    """The workspace with another key than the one that was made for it."""
    marks = folder / "keys" / keys.FINGERPRINTS
    (folder / "keys" / f"{name}.key").write_text(f"{secret.hex()}\n")
    marks.write_text(json.dumps({**json.loads(marks.read_text()), name: keys.fingerprint(name, secret)}))
    return folder


@pytest.mark.parametrize("counted", [True, False])
def test_a_file_that_others_left_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: bool) -> None:
    """A file narrows an author down to the people in it. A rewriting leaves files where they are, and says where that is to fewer
    people than a build would have left there; also of releases from before it was noted how many people a file has."""
    for name, value in (("SUBJECTS", 3), ("ROWS", 32)):
        monkeypatch.setattr(layout, name, value)
    ws = open_workspace(with_key(small.make(tmp_path / "platform"), "shard", bytes(range(32))))
    first = built(ws)
    assert said(first.public)["layout"]["bits"] == 1
    assert "few" not in said(first.public)["layout"]
    homes: dict[int, list[str]] = {}
    for n in range(12):
        homes.setdefault(layout.Layout(1).shard_of(ws.keys.secret("shard"), f"u{n}"), []).append(f"u{n}")
    counts = json.loads((first.private / "exact-counts.json").read_bytes())
    assert [one["people"] for one in counts["shards"]] == [len(homes[key]) for key in (0, 1)]
    if not counted:
        for one in counts["shards"]:
            del one["people"]
        (first.private / "exact-counts.json").write_text(json.dumps(counts))
    for subject in homes[0][3:]:
        say(ws, subject)
    second = rewritten(ws, first)
    assert "few" not in said(second.public)["layout"]
    say(ws, homes[0][0])
    third = rewritten(ws, second, 2)
    assert said(third.public)["layout"]["few"] == [0]
    assert [note for note in said(third.public)["notes"] if "fewer than 3 people" in note]
    assert {one["key"]: one["file"] for one in said(third.public)["layout"]["shards"]}[1] in files_of(first.public)
    holds(ws, third)
    say(ws, homes[1][0])
    fourth = rewritten(ws, third, 3)
    assert said(fourth.public)["layout"]["few"] == [0]  # and it stays said of a file that nobody left since
    assert len([note for note in said(fourth.public)["notes"] if "fewer than" in note]) == 1
    assert said(built(ws, 4).public)["layout"]["bits"] == 0
    ws.ledger.close()


def test_a_release_that_loses_every_row(ws: Workspace) -> None:
    first = built(ws)
    for n in range(12):
        say(ws, f"u{n}")
    second = rewritten(ws, first)
    assert (second.governed.released, list((second.public / "data").iterdir())) == (0, [])
    holds(ws, second)
    assert mainjob.rewrite(ws, second.public, clock=at(2)) is None


def test_what_is_attested_of_an_account_counts(ws: Workspace) -> None:
    first = built(ws)
    path = ws.folder / "facts.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[4]["state"] = "suspended"
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    again = open_workspace(ws.folder)
    second = rewritten(again, first)
    assert set(leaves(first.public)) - set(leaves(second.public)) == set(_of(ws, first, "u4"))
    holds(again, second)
    again.ledger.close()


def test_words_that_ran_out_are_heard(ws: Workspace) -> None:
    """A no of a stranger lapses, a contract ends, a yes expires: none of it is a new event."""
    say(
        ws,
        "u2",
        "given",
        when=datetime(2019, 1, 1, tzinfo=UTC),
        expires_at=NOW + timedelta(days=3),
        effective_verified=True,
    )
    first = built(ws)
    assert mainjob.considered(ws, first.public, clock=at(2)).judged == 0
    found = mainjob.considered(ws, first.public, clock=at(4))
    assert (found.people, found.judged) == (0, 9)


PROMISE = """
[[commitment]]
id = "no-posts"
purposes = ["train_ai_system"]
from = 2030-01-01
deny_categories = ["user.content.public"]
source = "a promise"
"""


def test_other_rules_judge_every_row_again(ws: Workspace) -> None:
    first = built(ws)
    path = ws.folder / "aboveboard.toml"
    path.write_text(path.read_text().replace('IE = "notice"', 'IE = "eu"'))
    other = open_workspace(ws.folder)
    found = mainjob.considered(other, first.public, clock=at(1))
    assert found.judged == 100
    assert "a regime, a region or a licence" in found.rules
    path = ws.folder / "policies" / "small" / "2020-01-01" / "policy.toml"
    path.write_text(path.read_text() + PROMISE)
    third = open_workspace(ws.folder)
    assert mainjob.considered(third, first.public, clock=at(1)).leaving == 100
    for one in (other, third):
        one.ledger.close()


def test_tombstones_leave_for_good(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard.judgement import Judgement

    write = Judgement.write

    def speak(self: Judgement, *args: Any, **more: Any) -> Any:
        found = write(self, *args, **more)
        say(ws, "u3")
        return found

    monkeypatch.setattr(Judgement, "write", speak)
    first = built(ws)
    monkeypatch.undo()
    gone = {bytes.fromhex(one) for one in json.loads((first.public / "tombstones.json").read_bytes())["tombstones"]}
    assert len(gone) == 9
    second = rewritten(ws, first)
    assert set(leaves(first.public)) - set(leaves(second.public)) == gone
    assert json.loads((second.public / "tombstones.json").read_bytes()) == {"tombstones": []}
    holds(ws, second)


def test_a_no_while_it_is_written_is_heard(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(ws)
    say(ws, "u3")
    write = rewriting.Rewriting.write

    def speak(self: rewriting.Rewriting, *args: Any, **more: Any) -> Any:
        found = write(self, *args, **more)
        say(ws, "u7")
        return found

    monkeypatch.setattr(rewriting.Rewriting, "write", speak)
    second = rewritten(ws, first)
    monkeypatch.undo()
    usable = {manifest.leaf(row) for row in reading.rows(second.public)}
    assert set(leaves(first.public)) - usable == {*_of(ws, first, "u3"), *_of(ws, first, "u7")}
    assert (second.manifest.judged, second.manifest.position) == (1, 2)
    third = rewritten(ws, second, 2)
    assert set(leaves(third.public)) == usable
    holds(ws, third)


def test_a_no_in_the_last_moment_takes_every_row_of_that_person(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(ws)
    say(ws, "u3")
    caught = release._catch_up

    def speak(work: Any) -> Any:
        found = caught(work)
        say(ws, "u8", "given")
        return found

    monkeypatch.setattr(release, "_catch_up", speak)
    second = rewritten(ws, first)
    usable = {manifest.leaf(row) for row in reading.rows(second.public)}
    assert set(leaves(first.public)) - usable == {*_of(ws, first, "u3"), *_of(ws, first, "u8")}


def strange(ws: Workspace, subject: str, kind: str = "refused", **said: Any) -> None:
    """A word of somebody whom nobody has checked."""
    say(ws, subject, kind, actor="stranger", verified=False, **said)


@pytest.mark.parametrize("moment", ["_catch_up", "_commit"])
def test_a_strangers_word_in_the_last_moment_takes_nothing_out_of_what_stands(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whoever knows when a release is written again could else take anybody out of it."""
    first = built(ws)
    [(record,)] = duckdb.sql(
        f"SELECT min(record_id) FROM {writing.opened(first.private)} WHERE account NOT IN ('u3', 'u4')"
    ).fetchall()
    say(ws, "u3")
    last = getattr(release, moment)

    def speak(*args: Any) -> Any:
        strange(ws, "u8")
        strange(ws, f"record:{record}", "record_deleted", value=record)
        return last(*args)

    monkeypatch.setattr(release, moment, speak)
    second = rewritten(ws, first)
    assert set(leaves(first.public)) - {manifest.leaf(r) for r in reading.rows(second.public)} == {
        *_of(ws, first, "u3")
    }
    say(ws, "u4")  # nor does it leave with the next one
    monkeypatch.undo()
    third = rewritten(ws, second, 2)
    assert set(leaves(second.public)) - set(leaves(third.public)) == {*_of(ws, first, "u4")}
    holds(ws, third)


# --- what others choose ---------------------------------------------------------------------------------------------


@pytest.fixture
def quoting(tmp_path: Path) -> Path:
    def posts(rows: list[dict[str, Any]]) -> None:
        for n in (0, 12, 24):
            rows[n] |= {"kind": "quote", "words": f"so true {n}"}

    folder = small.make(tmp_path / "one", posts)
    kind = "kind = \"coalesce(kind, 'post')\""
    parties = "parties = \"CASE WHEN kind IS NULL THEN [] ELSE [{'subject': 'u5', 'role': 'depicted'}] END\""
    (folder / "posts.toml").write_text(small.MAP.replace("kind = \"'post'\"", f"{kind}\n{parties}"))
    return folder


ABOUT_ALL = (
    "release",
    "manifest_sha256",
    "row_key",
    "records_key",
    "bucket_sha256",
    "bucket_path",
    "files",
    "position",
    "as_of",
)


def seen_by(ws: Workspace, made: release.Release, subject: str) -> Any:
    found = json.loads(capsules.make(made.public, made.private, subject, ws.keys).document())
    for one in found["records"]:
        one.pop("place"), one.pop("path")
    return {name: value for name, value in found.items() if name not in ABOUT_ALL}


@pytest.mark.parametrize("early", [True, False])
def test_another_persons_choice_changes_nothing_that_i_see(quoting: Path, tmp_path: Path, early: bool) -> None:
    """u5 is in three posts of u0. Whether u5 said no (before the first release, or before the rewriting) shows in nothing that
    u0 is told, not even once u0 says no too: the number of u0's records with others in them falls alike."""
    other = Path(shutil.copytree(quoting, tmp_path / "two"))
    worlds = []
    for folder, kind in ((quoting, "given"), (other, "refused")):
        ws, hours = open_workspace(folder), count()
        ledger = Ledger.open(folder / "ledger.db", lambda hours=hours: NOW - timedelta(hours=1_000 - next(hours)))
        ws.__dict__["ledger"] = ledger  # two worlds, one time
        if early:
            say(ws, "u5", kind)
        made = [built(ws)]
        if not early:
            say(ws, "u5", kind)
        say(ws, "u3")
        made.append(rewritten(ws, made[-1], 1))
        say(ws, "u0", recipient="controller")
        made.append(rewritten(ws, made[-1], 2))
        for one in made[1:]:
            holds(ws, one)
        worlds.append((ws, made))
    (one_ws, one), (two_ws, two) = worlds
    assert one[1].governed.released != two[1].governed.released
    for mine, theirs in zip(one, two, strict=True):
        for subject in ("u0", "u1"):
            assert seen_by(one_ws, mine, subject) == seen_by(two_ws, theirs, subject)
    assert [len(seen_by(one_ws, made, "u0")["shared"]) for made in one] == [3, 3, 0]
    one_ws.ledger.close()
    two_ws.ledger.close()


# --- what cannot be done --------------------------------------------------------------------------------------------


def test_a_release_of_an_older_version_is_not_rewritten(ws: Workspace) -> None:
    first = built(ws)
    shutil.rmtree(first.private / "openings" / "withheld")
    with pytest.raises(ReleaseError, match="older version") as raised:
        rewritten(ws, first)
    assert "build" in raised.value.hint
    shutil.rmtree(first.private / "openings")
    with pytest.raises(ReleaseError, match="older version"):
        rewritten(ws, first)
    (first.private / "exact-counts.json").unlink()
    with pytest.raises(ReleaseError, match="missing or damaged"):
        rewritten(ws, first)


@pytest.mark.parametrize("name", ["data", "rows"])
def test_a_touched_file_that_is_another_one_is_not_passed_on(ws: Workspace, name: str) -> None:
    first = built(ws)
    say(ws, "u3")
    [file] = [path for path in (first.public / name).rglob("*") if path.is_file() and path.name != "1"]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ReleaseError, match="another one"):
        rewritten(ws, first)
    assert [path.name for path in (ws.folder / "releases").iterdir()] == [first.id]


def test_rows_that_nobody_can_open_any_more_leave(ws: Workspace) -> None:
    """After an erasure: openings, people and the account are gone, and the event that said so."""
    first = built(ws)
    mine = _of(ws, first, "u3")
    for path, column in (("openings/records/00000.parquet", "account"), ("people/00000.parquet", "subject"),
                         ("openings/accounts.parquet", "subject"), ("openings/facts.parquet", "subject")):  # fmt: skip
        file = first.private / path
        table = pq.read_table(file)
        pq.write_table(table.filter(pa.compute.not_equal(table[column], "u3")), file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
    path = ws.folder / "facts.parquet"
    rows = [row for row in pq.read_table(path).to_pylist() if row["subject"] != "u3"]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    again = open_workspace(ws.folder)
    second = rewritten(again, first)
    assert set(leaves(first.public)) - set(leaves(second.public)) == set(mine)
    assert "u3" not in {one.subject for one in openings.accounts(second.private)}
    report = verification.verify(second.public)
    assert report.steps[5].done
    assert len(list(mainjob.auditor(again, second.public).steps())) == 4
    again.ledger.close()


def test_a_file_system_without_links_takes_copies(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    first = built(ws)
    say(ws, "u3")
    monkeypatch.setattr(os, "link", refuse)
    second = rewritten(ws, first)
    [one], [other] = ((made.private / "decisions").iterdir() for made in (first, second))
    assert one.stat().st_ino != other.stat().st_ino
    holds(ws, second)


def test_the_ledger_retires_once_and_only_what_was_committed(ws: Workspace) -> None:
    first, second = built(ws), built(ws, 1)
    with ws.ledger.committing() as commit:
        commit.retire(first.id, second.id, "2031-01-01T00:00:00+00:00")
    for pair in ((first.id, first.id), (first.id, second.id), (second.id, "nothing"), (second.id, first.id)):
        if pair == (second.id, first.id):
            continue
        with pytest.raises((LedgerError, IntegrityError)), ws.ledger.committing() as commit:
            commit.retire(*pair, "2031-01-01T00:00:00+00:00")
    for change in ("UPDATE retirements SET retired_at = ''", "DELETE FROM retirements"):
        with pytest.raises(LedgerError, match="append-only"), database.writing(ws.ledger._engine) as connection:
            connection.exec_driver_sql(change)


# --- from the command line ------------------------------------------------------------------------------------------


def ran(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(doors, [str(one) for one in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result.stdout + result.stderr


def test_the_command_and_who_says_that_a_release_was_superseded(ws: Workspace) -> None:
    first = built(ws)
    folder = ws.folder
    assert "it stands as it is" in ran("release", "rewrite", first.id, "-w", folder, "--dry-run")
    say(ws, "u3")
    told = json.loads(ran("release", "rewrite", "latest", "-w", folder, "--dry-run", "--json"))
    assert (told["leaving"], told["rows"], told["files"], told["of"], told["rules"]) == (9, 100, 1, 1, "")
    assert "9 of 100 rows would leave" in ran("release", "rewrite", "latest", "-w", folder, "--dry-run")
    assert len(list((folder / "releases").iterdir())) == 1
    made = json.loads(ran("release", "rewrite", first.id, "-w", folder, "--json"))
    assert (made["release"], made["released"]) == (first.id, 91)
    public = Path(made["public"])
    listed = ran("release", "list", "-w", folder)
    assert f"superseded by {public.name}" in listed
    assert [one["superseded_by"] for one in json.loads(ran("release", "list", "-w", folder, "--json"))].count(None) == 1
    assert f"superseded by {public.name}" in ran("release", "list", "--in", folder / "releases")
    assert f"superseded by {public.name}" in ran("release", "show", first.id, "-w", folder)
    assert f"superseded by `{public.name}`" in ran("release", "rewrite", first.id, "-w", folder, code=1)
    assert "It was superseded" in ran("verify", first.public, "--later", public, code=3)
    assert "It was superseded" in ran("verify", first.public, "--log", folder / "log", code=3)
    assert "superseded" not in ran("verify", public, "--log", folder / "log").rsplit("Everything above", 1)[1]
    assert verification.STANDS in ran("verify", first.public)
    ran("release", "export", public.name, "-w", folder, "--to", folder / "rows.jsonl")
    assert len((folder / "rows.jsonl").read_text().splitlines()) == 91
    ran("release", "audit", public.name, "-w", folder)
    ran("release", "prove", "p1", "--release", public.name, "-w", folder, "--out", folder / "p1.json")
    ran("verify", folder / "p1.json")
    ran("capsule", "make", "u3", public.name, "-w", folder, "-o", folder / "u3.capsule")
    assert "nothing under this account" in ran("check-me", folder / "u3.capsule", public).lower()
    assert "9 left" in ran("release", "compare", first.id, public.name, "-w", folder)


def test_a_release_of_another_log_supersedes_nothing(ws: Workspace, tmp_path: Path) -> None:
    first = built(ws)
    say(ws, "u3")
    second = rewritten(ws, first)
    other = open_workspace(small.make(tmp_path / "other"))
    theirs = built(other)
    report = verification.verify(first.public, Known(later=(second.public,)))
    assert report.superseded_by == second.id
    with pytest.raises(Exception, match=r"another log|other than the statement|key|keys") as raised:
        verification.verify(theirs.public, Known(later=(second.public,)))
    assert raised.type.__name__ == "VerificationError"
    assert verification.verify(second.public, Known(later=(first.public,))).superseded_by is None
    other.ledger.close()


# --- whatever it is killed at ---------------------------------------------------------------------------------------

WRITES = (
    "staging", "linked", "accounts", "later", "data", "index", "rows", "subjects", "removed", "salt", "commit", "log object",
    "README.md", "croissant.json", "tombstones.json", "manifest.json", "exact-counts.json", "entry", "log entries", "log tile",
    "log next", "log checkpoint", "proof", "publish private", "publish public",
)  # fmt: skip
"""Every write in a rewriting, in the order in which it first happens."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small platform with a release, after which u3 said no."""
    folder = small.make(tmp_path_factory.mktemp("small") / "platform")
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "job.toml"))
    say(ws, "u3")
    ws.ledger.close()
    return folder


@pytest.fixture
def standing(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "platform"))


def process(folder: Path, *how: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "survival" / "rewrite.py"), str(folder), *how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def settled(folder: Path) -> None:
    """Run again after whatever happened: one head, without the rows of u3, and nothing else is left lying about."""
    ws = open_workspace(folder)
    release.finish(ws.ledger, ws.private.resolve(), ws.evidence)
    [head] = ws.ledger.live_releases()
    later = lambda: datetime.now(UTC) + timedelta(seconds=60)  # noqa: E731
    mainjob.rewrite(ws, folder / "releases" / str(head["id"]), clock=later)
    found = {path.name for path in release.published(folder / "releases")}
    assert {path.name for path in (folder / "releases").iterdir()} == found
    assert {path.name for path in (folder / "private").iterdir()} == found
    assert {str(one["id"]) for one in ws.ledger.releases()} == found
    [head] = ws.ledger.live_releases()
    assert len(found) == 2
    public = folder / "releases" / str(head["id"])
    assert len(leaves(public)) == 91
    assert verification.verify(public).kind == "release"
    assert len(list(mainjob.auditor(ws, public).steps())) == 4
    ws.ledger.close()


def test_these_are_its_writes(standing: Path) -> None:
    done = process(standing)
    written, error = done.communicate(timeout=120)
    assert done.returncode == 0, error
    assert tuple(written.split("\n")[:-1]) == WRITES
    settled(standing)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_at_which_the_power_goes(standing: Path, step: str, when: str) -> None:
    died = process(standing, step, when)
    died.communicate(timeout=120)
    assert died.returncode == 9
    for public in release.published(standing / "releases"):
        reading.checked(public)
    settled(standing)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_that_fails(standing: Path, step: str, when: str) -> None:
    def fail(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    ws = open_workspace(standing)
    [first] = release.published(standing / "releases")
    assert ws.evidence.origin
    token = disk.watcher.set(fail)
    try:
        with pytest.raises(ReleaseError, match="no space left on device") as raised:
            mainjob.rewrite(ws, first, clock=lambda: datetime.now(UTC) + timedelta(seconds=30))
    finally:
        disk.watcher.reset(token)
        ws.ledger.close()
    assert "a bird" not in str(raised.value)
    settled(standing)


def test_two_rewriters_at_once(standing: Path) -> None:
    both = [process(standing) for _ in range(2)]
    told = [one.communicate(timeout=120) for one in both]
    codes = sorted(one.returncode for one in both)
    assert codes in ([0, 1], [0, 0]), told  # the second may have found the newer one, of which nothing leaves
    if codes == [0, 1]:
        assert any("was superseded by" in out for out, _ in told), told
    settled(standing)


def test_what_was_committed_is_published_by_resume(standing: Path) -> None:
    died = process(standing, "publish public", "before")
    died.communicate(timeout=120)
    assert died.returncode == 9
    assert len(release.published(standing / "releases")) == 1
    assert "Published" in ran("release", "resume", "-w", standing)
    assert len(release.published(standing / "releases")) == 2
    settled(standing)


def test_shards_of_a_release_are_read_back_as_they_were_written(ws: Workspace) -> None:
    made = built(ws)
    found = rewriting.before(made.public, made.private).shards
    assert tuple(found) == made.manifest.shards
    assert all(isinstance(one, Shard) for one in found)


@pytest.mark.parametrize(
    "places",
    [[], [0], [299], [*range(300)], [0, 5, 6, 299], [*range(0, 300, 7)], [*range(299)]],
    ids=["none", "first", "last", "all", "few", "many", "all but one"],
)
def test_rows_that_stay_keep_their_order(places: list[int]) -> None:
    """Whether few leave, and what lies between is copied whole, or many."""
    rows = pa.table({"n": range(300), "said": pa.array([f"row {n}" for n in range(300)]).dictionary_encode()})
    stay = sorted(set(range(300)) - set(places))
    left = rewriting._without(rows, places)
    assert left["n"].to_pylist() == stay
    assert left["said"].to_pylist() == [f"row {n}" for n in stay]


def test_hashes_are_found_in_a_tile_by_their_place() -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(9)]
    assert rewriting._places_of(b"".join(leaves), {leaves[0], leaves[4], leaves[8], b"x" * 32}) == [0, 4, 8]


def test_an_index_of_other_rows_than_its_file_is_refused(ws: Workspace) -> None:
    first = built(ws)
    say(ws, "u1")
    for path in (first.private / "index").iterdir():
        pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(ReleaseError, match="an index is of other rows than its file"):
        mainjob.rewrite(ws, first.public, clock=at(1))
    assert [path.name for path in release.published(ws.releases)] == [first.id]


def test_a_file_of_many_row_groups_loses_rows_of_one(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a row group has no row that leaves, nothing is counted out of it, and it is written as it was."""
    monkeypatch.setattr(writing, "ROW_GROUP", 2)
    first = built(ws)
    assert any(pq.ParquetFile(path).num_row_groups > 2 for path in (first.public / "data").iterdir())
    say(ws, "u1")
    second = rewritten(ws, first)
    gone = set(leaves(first.public)) - set(leaves(second.public))
    assert gone
    assert [leaf for leaf in leaves(first.public) if leaf not in gone] == leaves(second.public)
    holds(ws, second)


def test_an_older_ledger_is_brought_up(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.retirements() == []
        assert ledger.live_releases() == []
