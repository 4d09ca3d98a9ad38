"""Every write of an import, a withdrawal, an erasure's request and a purge fails, or dies, before it happened and after.

Then it is run again, as the person would who saw it fail: nothing is lost, and nothing is there twice. Carrying out, erasing
and telling recipients have tables of their own (test_withdrawal, test_rewriting, test_erasing, test_notices).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import small
from aboveboard import disk, mainjob, purging, streams, withdrawal
from aboveboard.errors import AboveboardError
from aboveboard.verification import Known, verify
from aboveboard.workspace import Workspace, open_workspace, read_job
from survival import act

SCRIPT = Path(act.__file__)
KEY = "44" * 32
LEFT_OUT = "lines left out"
WRITES = {
    "import_stream": ("stream events", "stream events", "stream events", "stream events", LEFT_OUT),
    "withdraw": ("withdrawal",),
    "request": ("withdrawal",),
    "ask": ("proposal", "proposal", "list of records", "question"),
    "review": ("review",),
    "certificate": ("certificate",),
    "ask_erasure": ("ask erasure",),
    "undo_erasure": ("undo erasure",),
}
"""Every write of each, in order. A purge takes as many files away as there are: its first and second are let fail."""
CASES = [
    *((what, step, steps[: at + 1].count(step)) for what, steps in WRITES.items() for at, step in enumerate(steps)),
    ("purge", "tidy ledger", 1), ("purge", "purge leftovers", 1), ("purge", "purge files", 1),
    ("purge", "purge superseded", 1), ("purge", "purge superseded", 2),
]  # fmt: skip


@contextmanager
def at_work(folder: Path) -> Iterator[Workspace]:
    ws = open_workspace(folder)
    with ws.ledger:
        yield ws


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small platform with a release, and a file of a signed stream beside it."""
    folder = small.make(tmp_path_factory.mktemp("faults") / "site")
    with (folder / "aboveboard.toml").open("a") as settings:
        settings.write('\n[streams.x]\nkind = "x"\nkey = "x.stream"\n')
    (folder / "x.stream").write_text(KEY)
    (folder / "x.stream").chmod(0o600)
    file = folder / "events.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in act.LINES))
    with at_work(folder) as ws:
        (folder / "events.jsonl.sig").write_bytes(streams.sign(file.read_bytes(), ws.streams["x"]))
        mainjob.build(ws, read_job(folder / "job.toml"))
    return folder


@pytest.fixture(scope="module")
def rewritten(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a no was carried out."""
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("rewritten") / "site"))
    with at_work(folder) as ws:
        withdrawal.withdraw(ws, act.said())
        assert withdrawal.carry_out(ws)[0].removed == 9
    return folder


@pytest.fixture
def site(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Callable[[str], Path]:
    """What each act begins with."""

    def made(what: str) -> Path:
        before = request.getfixturevalue("rewritten") if what in ("certificate", "purge") else template
        folder = Path(shutil.copytree(before, tmp_path / "site"))
        with at_work(folder) as ws:
            if what == "review":
                withdrawal.withdraw(ws, act.said(category="user.location"))
            if what == "undo_erasure":
                act.ask_erasure(ws)
            if what == "purge":
                (ws.private / "scratch-0123").mkdir()
                [newest] = ws.ledger.live_releases()
                (ws.private / str(newest["id"]) / "decisions" / "77.partial").write_text("half")
        return folder

    return made


def settled(folder: Path, what: str) -> None:
    """Run again, whatever happened: it is there once and whole."""
    with at_work(folder) as ws:
        with suppress(AboveboardError):  # some say that it is done already
            act.ACTS[what](ws)
        CHECKS[what](ws)


def _imported(ws: Workspace) -> None:
    file = ws.folder / "events.jsonl"
    assert streams.import_stream(ws.ledger, file, ws.streams["x"]).already == 6
    said = [one for n in range(1, 6) for one in ws.ledger.events_of(f"u{n}")] + ws.ledger.events_of("record:p7")
    assert [one.type for one in said] == ["protected"] * 5 + ["record_deleted"]
    assert ws.ledger.head() == 6
    [left] = (ws.folder / "left-out.jsonl").read_text().splitlines()
    assert json.loads(left)["line"] == 7


def _withdrawn(ws: Workspace) -> None:
    assert [one.type for one in ws.ledger.events_of("u3")] == ["withdrawn"]


def _asked(ws: Workspace) -> None:
    [one] = ws.ledger.retractions()
    assert (one.asked_by, one.confirmed_by, one.records) == ("ann", "bo", 100)
    [carried] = withdrawal.carry_out(ws)  # its list is there and whole, or this would say so
    assert (carried.removed, carried.failed) == (100, "")


def _reviewed(ws: Workspace) -> None:
    assert len(ws.ledger.reviews()) == 1
    assert withdrawal.board(ws) == []


def _certified(ws: Workspace) -> None:
    assert verify(ws.folder / "certificate.json", Known()).kind == "certificate"


def _to_be_erased(ws: Workspace) -> None:
    assert len(ws.ledger.erasures()) == 1
    assert [one.type for one in ws.ledger.events_of("u3")] == ["suppressed"]


def _undone(ws: Workspace) -> None:
    assert ws.ledger.erasures() == []
    assert [one.type for one in ws.ledger.events_of("u3")] == ["suppressed", "unsuppressed"]


def _purged(ws: Workspace) -> None:
    [gone] = ws.ledger.retirements()
    assert not list(ws.private.rglob("*.partial"))
    assert not list(ws.private.glob("scratch-*"))
    assert {path.name for path in (ws.private / gone["release"]).iterdir()} <= set(purging.KEPT)
    verify(ws.releases / gone["superseded_by"], Known())
    mainjob.build(ws, read_job(ws.folder / "job.toml"))


CHECKS: dict[str, Callable[[Workspace], None]] = {
    "import_stream": _imported, "withdraw": _withdrawn, "request": _withdrawn, "ask": _asked, "review": _reviewed,
    "certificate": _certified, "ask_erasure": _to_be_erased, "undo_erasure": _undone, "purge": _purged,
}  # fmt: skip


def run(folder: Path, *how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(folder), *how]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("what", act.ACTS)
def test_these_are_its_writes(site: Callable[[str], Path], what: str) -> None:
    folder = site(what)
    done = run(folder, what)
    assert done.returncode == 0, done.stderr
    seen = tuple(json.loads(done.stdout))
    if what == "purge":
        assert seen[:3] == ("tidy ledger", "purge leftovers", "purge files")
        assert set(seen[3:]) == {"purge superseded"}
    else:
        assert seen == WRITES[what]
    settled(folder, what)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("what", "step", "nth"), CASES)
def test_a_write_at_which_the_power_goes(
    site: Callable[[str], Path], what: str, step: str, nth: int, when: str
) -> None:
    folder = site(what)
    assert run(folder, what, step, when, str(nth)).returncode == 9
    settled(folder, what)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("what", "step", "nth"), CASES)
def test_a_write_that_fails(site: Callable[[str], Path], what: str, step: str, nth: int, when: str) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device", step)

    folder = site(what)
    token = disk.watcher.set(act.watching(step, when, nth, full))
    try:
        with at_work(folder) as ws, pytest.raises((AboveboardError, OSError), match=r"(?i)no space left"):
            act.ACTS[what](ws)
    finally:
        disk.watcher.reset(token)
    settled(folder, what)


# --- two at one instant ---------------------------------------------------------------------------------------------


def test_two_who_confirm_at_one_instant_enter_it_once(template: Path, tmp_path: Path) -> None:
    """Both have proposed before either enters it, and neither failed."""
    folder = Path(shutil.copytree(template, tmp_path / "site"))
    with at_work(folder) as ws:
        plan = withdrawal.plan_question(ws, act.QUESTION)
    together, answers = threading.Barrier(2, timeout=60), list[object]()

    def confirm(who: str) -> None:
        disk.watcher.set(lambda moment, name: together.wait() if (moment, name) in AT_ONCE else None)
        try:
            with at_work(folder) as ws:
                answers.append(withdrawal.ask(ws, act.QUESTION, plan, who).number)
        except AboveboardError as error:
            answers.append(error)

    AT_ONCE = {("before", "proposal"), ("before", "question")}
    # Who comes first may still lack the second; then they meet where the second is there already.
    with at_work(folder) as ws:
        ws.ledger.propose(plan.digest, "cleo")
    both = [threading.Thread(target=confirm, args=(who,)) for who in ("ann", "bo")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert answers == [1, 1]
    with at_work(folder) as ws:
        [entered] = ws.ledger.retractions()
        assert (entered.number, entered.asked_by, entered.digest) == (1, "cleo", plan.digest)
