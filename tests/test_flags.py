"""Why a model is flagged, and since when: by what was said, what ran out, what is attested, and by rules that changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import small
from aboveboard import affected, erasing, flags, mainjob, notices, release, training
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.ledger import Ledger
from aboveboard.workspace import Workspace, open_workspace, read_job

NOW = datetime(2031, 2, 1, tzinfo=UTC)
DEAL = """
[licence.deal]
purposes = ["train_ai_system"]
valid_to = 2031-02-04
"""
PROMISE = """
[[commitment]]
id = "no-posts"
purposes = ["train_ai_system"]
from = {since}
deny_categories = ["user.content.public"]
source = "a promise"
"""


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)


def say(ws: Workspace, subject: str, kind: str, when: datetime, **scope: Any) -> Event:
    return ws.ledger.append(Event(subject=subject, type=kind, recorded_at=when, effective_at=when, **scope))


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    found = open_workspace(small.make(tmp_path / "platform"))
    yield found
    found.ledger.close()


def changed(ws: Workspace, file: str, change: Callable[[str], str]) -> Workspace:
    """The same workspace as somebody finds it who opens it once a file of it says something else."""
    path = ws.folder / file
    said = path.read_text()
    path.write_text(change(said))
    assert path.read_text() != said
    return open_workspace(ws.folder)


def attested(ws: Workspace, subject: str, **facts: Any) -> Workspace:
    path = ws.folder / "facts.parquet"
    rows = pq.read_table(path).to_pylist()
    [row] = [one for one in rows if one["subject"] == subject]
    rows.append({**row, **facts})
    if "valid_from" not in facts:
        rows.remove(row)
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    return open_workspace(ws.folder)


def trained(ws: Workspace, clock: Callable[[], datetime] = lambda: NOW) -> release.Release:
    """A release, a run on it, and a model of that run."""
    made = mainjob.build(ws, read_job(ws.folder / "job.toml"), clock=clock)
    digest = f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
    training.record(ws, [
        {"kind": "run", "id": "run", "from": [made.id]},
        {"kind": "model", "id": "model", "digest": digest, "from": ["run"]},
    ])  # fmt: skip
    return made


def grounds(ws: Workspace, days: float) -> Mapping[str, datetime]:
    [found] = flags.standings(ws, at=at(days))
    assert found.flagged == bool(found.grounds)
    return found.grounds


def test_a_yes_that_ran_out(ws: Workspace) -> None:
    say(ws, "u2", "given", datetime(2019, 1, 1, tzinfo=UTC), expires_at=at(3), effective_verified=True)
    trained(ws)
    assert grounds(ws, 2.9) == {}
    assert grounds(ws, 5) == {"expired": at(3)}


def test_a_licence_that_ran_out(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "platform")
    licensed = small.MAP.replace('origin = "first_party"', 'origin = "licensed"')
    (folder / "posts.toml").write_text(
        licensed.replace('record_id = "id"', 'record_id = "id"\nlicence = "\'deal\'"\nupstream = "\'present\'"')
    )
    (folder / "aboveboard.toml").write_text(small.SETTINGS + DEAL)
    ws = open_workspace(folder)
    made = trained(ws)
    assert made.governed.released == 100
    assert grounds(ws, 2.9) == {}
    assert grounds(ws, 5) == {"expired": at(3)}
    ws.ledger.close()


def test_a_promise_that_began(ws: Workspace) -> None:
    """It is told before anything is judged again for a release, and of the release itself too."""
    made = trained(ws)
    policy = "policies/small/2020-01-01/policy.toml"
    other = changed(ws, policy, lambda said: said + PROMISE.format(since="2031-02-06"))
    assert grounds(other, 2) == {}
    assert grounds(other, 9) == {"rules": at(5)}
    [below] = [
        one for one in flags.told_below(other, affected.downstream(other, made.id), at=at(9)) if one.node.id == "model"
    ]
    assert below.grounds == {"rules": at(5)}
    found = flags.told_of(other, affected.by_subject(other, "u1"), at=at(9))
    assert [one.grounds for one in found.models] == [{"rules": at(5)}]


def test_a_version_that_does_not_allow_it_any_more(ws: Workspace) -> None:
    trained(ws)
    before = ws.folder / "policies" / "small" / "2020-01-01"
    after = ws.folder / "policies" / "small" / "2031-02-07"
    after.mkdir()
    (after / "text.md").write_text((before / "text.md").read_text())
    said = (before / "policy.toml").read_text().replace("2020-01-01", "2031-02-07")
    (after / "policy.toml").write_text(said.replace("train_ai_system.generative", "security.safety"))
    other = open_workspace(ws.folder)
    assert grounds(other, 5.9) == {}
    assert grounds(other, 8) == {"rules": at(6)}


def test_rules_that_reach_back_count_since_they_were_laid_down(ws: Workspace) -> None:
    """Nobody can say when a file was changed; the log says when its rules were first built with."""
    trained(ws)
    other = changed(ws, "policies/small/2020-01-01/policy.toml", lambda said: said + PROMISE.format(since="2030-01-01"))
    assert grounds(other, 4) == {"rules": at(4)}  # in no log yet: now
    mainjob.build(other, read_job(ws.folder / "job.toml"), clock=lambda: at(5))
    assert grounds(other, 9) == {"rules": at(5)}


def test_something_else_is_attested(ws: Workspace) -> None:
    trained(ws)
    dated = attested(ws, "u4", state="suspended", valid_from=at(2).replace(tzinfo=None))
    assert grounds(dated, 1) == {}
    assert grounds(dated, 3) == {"facts": at(2)}
    undated = attested(ws, "u5", state="suspended")
    assert grounds(undated, 3) == {"facts": at(0)}  # nobody says since when: it may be as old as the release


def test_each_ground_has_its_moment_and_a_row_only_the_first(ws: Workspace) -> None:
    say(ws, "u2", "given", datetime(2019, 1, 1, tzinfo=UTC), expires_at=at(3), effective_verified=True)
    trained(ws)
    ws.__dict__["ledger"] = Ledger.open(ws.folder / "ledger.db", lambda: at(1))
    said = say(ws, "u1", "refused", at(1))
    ws.ledger.close()
    other = changed(ws, "policies/small/2020-01-01/policy.toml", lambda said: said + PROMISE.format(since="2031-02-06"))
    assert grounds(other, 4) == {"withdrawn": said.recorded_at, "expired": at(3)}
    assert grounds(other, 9) == {"withdrawn": said.recorded_at, "expired": at(3), "rules": at(5)}
    [found] = flags.standings(other, at=at(9))
    assert found.saw.since == said.recorded_at
    other.ledger.close()


def test_what_was_carried_out_has_the_date_of_its_ground_and_not_that_of_the_deed(ws: Workspace) -> None:
    made = trained(ws)
    other = changed(ws, "policies/small/2020-01-01/policy.toml", lambda said: said + PROMISE.format(since="2031-02-06"))
    after = mainjob.rewrite(other, made.public, clock=lambda: at(8), closing=_listing(made.id))
    assert after is not None
    assert grounds(other, 9) == {"rules": at(5)}


def _listing(name: str) -> Any:
    return lambda commit, made, digest, leaves: notices.enqueue(commit, [name], leaves, made.as_of, made.as_of)


def test_who_was_erased_and_a_record_that_was_taken_away(ws: Workspace) -> None:
    trained(ws)
    ws.__dict__["ledger"] = Ledger.open(ws.folder / "ledger.db", lambda: at(1))
    gone = say(ws, "record:p3", "record_deleted", at(1), value="p3")
    assert grounds(ws, 2) == {"withdrawn": gone.recorded_at}
    ws.ledger.close()
    ws.__dict__["ledger"] = Ledger.open(ws.folder / "ledger.db", lambda: at(3))
    erasing.ask(ws, "u7", (), erasing.plan(ws, "u7").digest)
    [found] = flags.standings(ws, at=at(3.5))
    assert found.grounds == {"withdrawn": gone.recorded_at}
    erasing.execute_due(ws, clock=lambda: at(5))
    [found] = flags.standings(ws, at=at(6))
    assert found.grounds == {"withdrawn": gone.recorded_at}
    ws.ledger.close()


def test_the_commands_name_every_ground(ws: Workspace) -> None:
    made = trained(ws, lambda: datetime.now(UTC))
    say(ws, "u1", "refused", datetime.now(UTC))
    ws.ledger.close()
    for command in (("lineage", "list", "--flagged"), ("affected", "--release", made.id), ("downstream", made.id)):
        told = CliRunner().invoke(doors, [*command, "-w", str(ws.folder)])
        assert told.exit_code == 0, told.output
        assert "withdrawn since" in told.output
