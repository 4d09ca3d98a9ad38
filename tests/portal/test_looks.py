"""The list of who looked: append-only, chained, and nothing taken out of its middle goes unseen."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aboveboard.portal.looks import Looks, LooksError

AT = datetime(2024, 5, 3, tzinfo=UTC)


def listed(folder: Path, count: int = 5) -> Looks:
    looks = Looks(folder / "looks.db")
    for n in range(count):
        looks.add(AT, "worker", "privacy_engineer", f"u{n % 2}", f"reason {n}", f"release p{n}")
    return looks


def test_each_person_reads_their_own(tmp_path: Path) -> None:
    looks = listed(tmp_path)
    assert [look.purpose for look in looks.of("u1")] == ["reason 3", "reason 1"]
    assert looks.verify() == 5


def test_reading_makes_nothing(tmp_path: Path) -> None:
    looks = Looks(tmp_path / "looks.db")
    assert looks.of("u1") == []
    assert looks.verify() == 0
    assert not looks.file.exists()


def test_no_row_is_changed_or_taken_out(tmp_path: Path) -> None:
    looks = listed(tmp_path)
    with sqlite3.connect(looks.file) as con:
        for statement in ("UPDATE looks SET purpose = 'x'", "DELETE FROM looks"):
            with pytest.raises(sqlite3.IntegrityError):
                con.execute(statement)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM looks WHERE number = 2", "UPDATE looks SET purpose = 'x' WHERE number = 2"]
)
def test_whoever_gets_round_that_is_seen(tmp_path: Path, statement: str) -> None:
    looks = listed(tmp_path)
    con = sqlite3.connect(looks.file)
    con.executescript(f"DROP TRIGGER looks_never_change; DROP TRIGGER looks_never_leave; {statement};")
    con.close()
    with pytest.raises(LooksError, match=r"row [23]"):
        looks.verify()


def test_many_write_at_once(tmp_path: Path) -> None:
    looks = Looks(tmp_path / "looks.db")
    threads = [threading.Thread(target=looks.add, args=(AT, "w", "auditor", "u1", "a reason", "r")) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert looks.verify() == 20
