"""A record that was taken out stays out under the id of its edits, whoever of the sources brings them, and however late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import small
from aboveboard import mainjob, withdrawal, writing
from aboveboard.choice import Event
from aboveboard.reasons import BY_ID
from aboveboard.retraction import Question
from aboveboard.workspace import Workspace, open_workspace, read_job

NOW = datetime.now(UTC)
MAPPED = small.MAP.replace(
    'subject = "who"', 'subject = "who"\nrevision_of = "first"\nrevision = "coalesce(version, 0)"'
)


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    folder = small.make(tmp_path / "platform", lambda rows: [one.update(first=None, version=0) for one in rows])
    (folder / "posts.toml").write_text(MAPPED)
    found = open_workspace(folder)
    yield found
    found.ledger.close()


def rows(ws: Workspace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ws.folder / "posts.jsonl").read_text().splitlines() if line.startswith('{"')]


def write(ws: Workspace, found: list[dict[str, Any]]) -> None:
    (ws.folder / "posts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found))


def edited(ws: Workspace, id: str, new: str, first: str, version: int, **more: Any) -> dict[str, Any]:
    """An edit of a record under an id of its own, which names the first version."""
    [before] = [one for one in rows(ws) if one["id"] == id]
    return {**before, "id": new, "first": first, "version": version, "words": f"{before['words']}, better said", **more}


def take_out(ws: Workspace, subject: str, id: str, **scope: Any) -> None:
    said = Event(
        subject=subject, type="record_withdrawn", recorded_at=NOW, effective_at=NOW, value=f"posts/{id}", **scope
    )
    withdrawal.withdraw(ws, said)


def built(ws: Workspace, days: float = 1) -> Any:
    return mainjob.build(ws, read_job(ws.folder / "job.toml"), clock=lambda: NOW + timedelta(days=days))


def released(made: Any) -> set[str]:
    return {id for (id,) in duckdb.sql(f"SELECT record_id FROM {writing.opened(made.private)}").fetchall()}


def links_of(made: Any, id: str) -> set[tuple[str, bool]]:
    """Whose words stand in a record, and whether it is an edit of that."""
    links, decisions = writing.listed(made.private / "links"), writing.decided(made.private)
    asked = (
        f"SELECT l.origin, l.edit FROM {links} AS l JOIN {decisions} AS d USING (source, ordinal) WHERE d.record_id = ?"
    )
    return set(duckdb.execute(asked, [id]).fetchall())


def decided(made: Any, id: str) -> str:
    asked = f"SELECT decisive FROM {writing.decided(made.private)} WHERE record_id = ?"
    [(decisive,)] = duckdb.execute(asked, [id]).fetchall()
    return str(BY_ID[decisive].code)


def test_an_edit_that_comes_later_stays_out(ws: Workspace) -> None:
    """Under the id that somebody took out, the version before, or none that is still there: it is the same record."""
    take_out(ws, "u3", "p3")
    before = rows(ws)
    write(ws, [*before, edited(ws, "p3", "p3-2", "p3", 1)])
    assert decided(built(ws), "p3-2") == "rights.retracted"
    write(ws, [*before, edited(ws, "p3", "p3-2", "p3", 1), edited(ws, "p3", "p3-3", "p3-2", 2)])
    assert decided(built(ws, 2), "p3-3") == "rights.retracted"
    write(ws, [*(one for one in before if one["id"] != "p3"), edited(ws, "p3", "p3-4", "p3", 3)])
    assert decided(built(ws, 3), "p3-4") == "rights.retracted"


def test_by_the_id_of_a_later_version_all_of_them_are_meant(ws: Workspace) -> None:
    take_out(ws, "u3", "p3-2")
    write(ws, [*rows(ws), edited(ws, "p3", "p3-2", "p3", 1), edited(ws, "p3", "p3-3", "p3", 2)])
    assert decided(built(ws), "p3-3") == "rights.retracted"


def test_what_somebody_else_calls_an_edit_is_theirs(ws: Workspace) -> None:
    take_out(ws, "u3", "p3")
    write(ws, [*rows(ws), edited(ws, "p3", "forged", "p3", 1, who="u4")])
    assert decided(built(ws), "forged") != "rights.retracted"


def test_another_use_is_another_matter(ws: Workspace) -> None:
    take_out(ws, "u3", "p3", purpose="advertising")
    write(ws, [*rows(ws), edited(ws, "p3", "p3-2", "p3", 1)])
    made = built(ws)
    assert decided(made, "p3-2").startswith("allow.")
    assert made.governed.released == 100


def test_what_a_question_names_stays_out_in_later_versions(ws: Workspace) -> None:
    built(ws)
    question = Question(reference="a court", purposes=("train_ai_system",), records=("posts/p3",))
    clock = lambda: NOW + timedelta(days=2)  # noqa: E731
    plan = withdrawal.plan_question(ws, question, clock=clock)
    withdrawal.ask(ws, question, plan, "ann")
    withdrawal.ask(ws, question, plan, "ben")
    write(ws, [*rows(ws), edited(ws, "p3", "p3-2", "p3", 1)])
    made = built(ws, 3)
    assert decided(made, "p3-2") == "rights.retracted"


@pytest.mark.parametrize("here", [True, False], ids=["which is here", "which only its edit names"])
@pytest.mark.parametrize("named", ["p3", "p3-2"])
def test_a_release_that_stands_hears_which_version_was_named(ws: Workspace, named: str, here: bool) -> None:
    """Also one between the first and the newest."""
    between = [edited(ws, "p3", "p3-2", "p3", 1)] if here or named == "p3" else []
    write(ws, [*rows(ws), *between, edited(ws, "p3", "p3-3", "p3-2", 2)])
    first = built(ws)
    assert decided(first, "p3-3").startswith("allow.")
    take_out(ws, "u4", named)  # not theirs
    assert mainjob.considered(ws, first.public, clock=lambda: NOW + timedelta(days=2)).leaving == 0
    take_out(ws, "u3", named)
    after = mainjob.rewrite(ws, first.public, clock=lambda: NOW + timedelta(days=2))
    assert after is not None
    assert after.governed.released == first.governed.released - 1
    assert "p3-3" not in released(after)


def test_nobody_takes_a_record_out_by_calling_theirs_a_version_of_it(ws: Workspace) -> None:
    write(ws, [*rows(ws), edited(ws, "p3", "p3-2", "p3", 2), edited(ws, "p3", "forged", "p3", 1, who="u4")])
    first = built(ws)
    assert decided(first, "p3-2").startswith("allow.")
    assert links_of(first, "p3-2") == {("p3", True)}  # the forged one is none of theirs
    take_out(ws, "u4", "forged")
    assert mainjob.considered(ws, first.public, clock=lambda: NOW + timedelta(days=2)).leaving == 0


def test_a_question_that_names_a_version_reaches_the_newest_where_it_stands(ws: Workspace) -> None:
    write(ws, [*rows(ws), edited(ws, "p3", "p3-2", "p3", 1), edited(ws, "p3", "p3-3", "p3-2", 2)])
    first = built(ws, 0)
    question = Question(reference="a court", purposes=("train_ai_system",), records=("posts/p3-2",))
    plan = withdrawal.plan_question(ws, question)
    assert [(one.leaving, one.rows) for one in plan.touched] == [(1, first.governed.released)]
    for who in ("ann", "ben"):
        withdrawal.ask(ws, question, plan, who)
    [carried] = withdrawal.carry_out(ws)
    assert carried.removed == 1
    [after] = withdrawal.planning.standing(ws)
    assert after.id == carried.superseded_by
    assert "p3-3" not in released(after)
    assert withdrawal.board(ws) == []


def test_an_edit_that_was_released_leaves(ws: Workspace) -> None:
    """Also where the name of the first version is all that somebody has of it."""
    write(ws, [*rows(ws), edited(ws, "p3", "p3-2", "p3", 1)])
    first = built(ws)
    assert decided(first, "p3-2").startswith("allow.")
    take_out(ws, "u4", "p3")  # not theirs
    assert mainjob.considered(ws, first.public, clock=lambda: NOW + timedelta(days=2)).leaving == 0
    take_out(ws, "u3", "p3")
    after = mainjob.rewrite(ws, first.public, clock=lambda: NOW + timedelta(days=2))
    assert after is not None
    assert after.governed.released == first.governed.released - 1
    assert pq.read_metadata(next((after.public / "data").iterdir())).num_rows == after.governed.released
