"""The log on the disk follows the ledger, whoever else follows it at the same moment, and never another ledger."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import small
from aboveboard import mainjob, verification
from aboveboard.choice import Event
from aboveboard.errors import LogError
from aboveboard.evidence import Evidence
from aboveboard.statement import INTAKE, Due
from aboveboard.workspace import Workspace, open_workspace, read_job

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    found = open_workspace(small.make(tmp_path / "platform"))
    yield found
    found.ledger.close()


def said(word: str) -> Due:
    return Due(INTAKE, word.encode(), "intake")


class Overtaken:
    """A ledger in which something happens once, just after what is new for the log was read."""

    def __init__(self, ledger: Any, happens: Callable[[], object]) -> None:
        self.ledger, self.happens = ledger, [happens]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def entries(self, place: int = 0) -> Sequence[Any]:
        found = self.ledger.entries(place)
        if place and len(found) == 2 and self.happens:
            self.happens.pop()()
        return found


def test_who_is_overtaken_by_another_follower_goes_on_from_there(ws: Workspace) -> None:
    mine = ws.evidence
    first = mine.log.head().size
    mine.enter(said("one"), NOW)
    before = ws.ledger.entries(first)
    mine.enter(said("two"), NOW)
    ours = replace(mine, ledger=Overtaken(ws.ledger, lambda: mine.log.append([e.data for e in before], first)))
    assert ours.follow() == first + 2
    assert mine.follow() == first + 2
    assert [e.data for e in ws.ledger.entries()] == list(mine.log.reader().entries())


def test_the_proofs_of_a_release_stand_under_one_checkpoint(ws: Workspace) -> None:
    """Another build appends to the log while the proofs are written: the release can be verified without a copy of it."""
    mine, calls = ws.evidence, []

    class Growing:
        """A log in which somebody enters something before every proof."""

        def __getattr__(self, name: str) -> Any:
            return getattr(mine.log, name)

        def inclusion(self, *args: Any, **named: Any) -> Any:
            calls.append(1)
            mine.enter(said(f"other {len(calls)}"), NOW)
            mine.follow()
            return mine.log.inclusion(*args, **named)

    ws.__dict__["evidence"] = Evidence(mine.ledger, Growing(), mine.policy)  # type: ignore[arg-type]
    made = mainjob.build(ws, read_job(ws.folder / "job.toml"))
    assert len(calls) >= 4
    assert verification.verify(made.public).steps[-1].name == "history"


def test_a_ledger_from_a_backup_that_went_on_is_not_followed(ws: Workspace, tmp_path: Path) -> None:
    mine = ws.evidence
    shutil.copytree(ws.folder, tmp_path / "backup")
    mine.enter(said("lost"), NOW)
    mine.follow()
    back = open_workspace(tmp_path / "backup")
    other = Evidence(back.ledger, mine.log, mine.policy)
    with pytest.raises(LogError, match="knows fewer"):
        other.follow()
    other.enter(said("in its place"), NOW)
    with pytest.raises(LogError, match="another one than the ledger's"):
        other.follow()
    other.enter(said("behind it"), NOW)
    with pytest.raises(LogError, match="another one than the ledger's"):
        other.follow()
    back.ledger.close()


def test_a_ledger_from_a_backup_signs_no_receipt(ws: Workspace, tmp_path: Path) -> None:
    """The choice is recorded all the same: somebody who says no is never turned away."""
    assert ws.evidence.origin
    shutil.copyfile(ws.folder / "ledger.db", tmp_path / "older.db")
    ws.evidence.enter(said("lost"), NOW)
    ws.evidence.follow()
    ws.ledger.close()
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (ws.folder / name).unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "older.db", ws.folder / "ledger.db")
    back = open_workspace(ws.folder)
    event = back.ledger.append(Event(subject="u1", type="refused", recorded_at=NOW, effective_at=NOW))
    assert event.position
    with pytest.raises(LogError, match="knows fewer"):
        back.receipt(event)
    back.ledger.close()
