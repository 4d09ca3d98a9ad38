"""A person is erased: nothing of theirs is taken from the request on, a day later what is here of them is gone, and
everybody else's proof still holds. Every write of it fails, before it happened and after, and then it is run again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from aboveboard import (
    capsules,
    checking,
    daily,
    disk,
    erasing,
    evidence,
    mainjob,
    openings,
    purging,
    release,
    shredding,
    streams,
    suppression,
    withdrawal,
)
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.errors import AboveboardError, LedgerError, ReleaseError, WorkspaceError
from aboveboard.ledger import ChoiceMap, import_choices
from aboveboard.reasons import BY_ID
from aboveboard.streams import Stream
from aboveboard.verification import Known, verify
from aboveboard.workspace import Workspace, open_workspace, read_job
from small import MAP, make

HERE = Path(__file__).resolve().parent
WHO, MENTIONING = "heron-4711", 5
"""Who is erased, and the post of somebody else that mentions them."""
WRITES = (
    "erase first-seen", "erase epoch facts", "erase list", "erase digests", "erase people", "erase index",
    "erase records", "erase links", "erase decisions", "erase quarantine", "erase counts", "erase events", "erase facts",
    "erase accounts",
    "erase ledger", "log object", "log entries", "log tile", "log next", "log checkpoint", "tidy ledger",
)  # fmt: skip
"""Every write of an erasure, in the order in which it first happens."""


def later(days: float = 2) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def build(ws: Workspace) -> release.Release:
    return mainjob.build(ws, read_job(ws.folder / "job.toml"), clock=lambda: later(3))


def posts(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["who"] = WHO if row["who"] == "u3" else row["who"]
        row["seen"] = WHO if row["id"] == f"p{MENTIONING}" else None
        row["answers"] = "p3" if row["id"] == "p10" else None  # one of theirs


def people(rows: list[dict[str, Any]]) -> None:
    rows[3]["subject"] = WHO


PARTIES = "CASE WHEN seen IS NULL THEN [] ELSE [{'subject': seen, 'role': 'mentioned'}] END"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small platform, where a post of somebody else mentions the person, with a release and an epoch."""
    folder = make(tmp_path_factory.mktemp("erasing") / "platform", posts, people)
    (folder / "posts.jsonl").rename(folder / f"posts-{WHO}.jsonl")
    mapped = MAP.replace("posts.jsonl", f"posts-{WHO}.jsonl")
    parties = f'parties = "{PARTIES}"\nquoted_id = "answers"\n'
    (folder / "posts.toml").write_text(mapped.replace("[quarantine]", f"{parties}[quarantine]"))
    ws = open_workspace(folder)
    for subject in (WHO, "u4"):
        at = datetime.now(UTC)
        said = Event(subject=subject, type="given", recorded_at=at, effective_at=at, external_id=f"portal-{subject}")
        ws.ledger.append(said)
    made = build(ws)
    counts = made.private / "exact-counts.json"
    said = json.loads(counts.read_bytes())
    said["files_not_read"] = [{"source": "posts", "file": f"{WHO}.bin", "kind": "", "reason": "unknown"}]
    counts.write_text(json.dumps(said))  # as a reader of exports notes a file that it does not know
    daily.epoch(ws, clock=lambda: later(3))
    ws.ledger.close()
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "platform"))


@pytest.fixture
def ws(folder: Path) -> Iterator[Workspace]:
    opened = open_workspace(folder)
    yield opened
    opened.ledger.close()


def only(ws: Workspace) -> tuple[Path, Path]:
    [public] = release.published(ws.releases)
    return public, ws.private / public.name


def ask(ws: Workspace, *also: str) -> None:
    erasing.ask(ws, WHO, also, erasing.plan(ws, WHO, also).digest)


def erase(ws: Workspace) -> None:
    ask(ws)
    assert len(erasing.execute_due(ws, clock=later)) == 1


def found_in(folder: Path, *rooms: str) -> list[str]:
    """Every file in which the person is named: tables read, everything else as it lies on the disk."""
    return [
        str(file.relative_to(folder))
        for room in rooms
        for file in sorted([folder / room] if (folder / room).is_file() else (folder / room).rglob("*"))
        if file.is_file() and WHO in (_told(file) if file.suffix == ".parquet" else file.read_bytes().decode("latin-1"))
    ]


def _told(file: Path) -> str:
    return str(pq.read_table(file).to_pylist())


def decided(private: Path) -> Counter[tuple[str | None, str]]:
    rows = [row for file in (private / "decisions").iterdir() for row in pq.read_table(file).to_pylist()]
    return Counter((row["subject"], BY_ID[row["decisive"]].code) for row in rows)


# --- asking, waiting, undoing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["ask erasure", "undo erasure"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_asking_and_undoing_are_whole_or_were_never_there(ws: Workspace, step: str, when: str) -> None:
    def fail(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    token = disk.watcher.set(fail)
    try:
        with pytest.raises(OSError, match="No space left"):
            _ask_and_undo(ws)
    finally:
        disk.watcher.reset(token)
    is_open = (step, when) in {("ask erasure", "after"), ("undo erasure", "before")}
    assert len(ws.ledger.erasures()) == is_open
    assert build(ws).governed.released == (90 if is_open else 100)


def _ask_and_undo(ws: Workspace) -> None:
    ask(ws)
    erasing.undo(ws, WHO)


def test_a_dry_run_says_what_it_touches_and_changes_nothing(ws: Workspace) -> None:
    before = _bytes_of(ws.folder)
    plan = erasing.plan(ws, WHO)
    [(_, touched)] = plan.releases.items()
    assert (plan.events, plan.keys, plan.epochs) == (1, 1, 1)
    assert (touched.accounts, touched.openings, touched.of_others, touched.decisions, touched.known) == (1, 9, 1, 9, 2)
    assert _bytes_of(ws.folder) == before
    assert erasing.plan(ws, WHO).digest == plan.digest != erasing.plan(ws, WHO, ["@heron"]).digest


def _bytes_of(folder: Path) -> Mapping[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.startswith("ledger.db-")}


def test_yes_is_said_to_what_was_shown(ws: Workspace) -> None:
    digest = erasing.plan(ws, WHO).digest
    at = datetime.now(UTC)
    ws.ledger.append(Event(subject=WHO, type="refused", recorded_at=at, effective_at=at))
    with pytest.raises(ReleaseError, match="not the one of the dry run"):
        erasing.ask(ws, WHO, (), digest)
    assert ws.ledger.erasures() == []


def test_from_the_request_on_nothing_is_taken(ws: Workspace) -> None:
    ask(ws, "@Heron@birds.example")
    [open_] = ws.ledger.erasures()
    assert open_.due_at - open_.asked_at == timedelta(hours=24)
    made = build(ws)
    assert decided(made.private)[None, "subj.suppressed_identity"] == 9
    rooms = ("openings", "people", "index", "decisions")
    assert found_in(ws.folder, *(f"private/{made.id}/{room}" for room in rooms), f"releases/{made.id}") == []
    assert made.governed.released == 90
    assert ws.ledger.speakers(open_.position - 2, open_.position) == ["@Heron@birds.example", WHO]


def test_a_build_that_is_under_way_hears_it(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard.judgement import Judgement

    write = Judgement.write

    def speak(self: Judgement, *args: object, **more: object) -> object:
        written = write(self, *args, **more)  # type: ignore[arg-type]
        ask(ws)
        return written

    monkeypatch.setattr(Judgement, "write", speak)
    made = build(ws)
    gone = json.loads((made.public / "tombstones.json").read_bytes())["tombstones"]
    assert len(gone) >= 9
    # What that build holds of them goes with the rest: it was committed before the day was over.
    assert erasing.execute_due(ws, clock=later)
    assert found_in(ws.folder, "private") == []


def test_nothing_is_executed_before_a_day_is_over_and_until_then_it_can_be_undone(ws: Workspace) -> None:
    ask(ws)
    assert erasing.execute_due(ws, clock=lambda: datetime.now(UTC) + timedelta(hours=23, minutes=59)) == []
    erasing.undo(ws, WHO)
    assert ws.ledger.suppressed() == {}
    assert erasing.execute_due(ws, clock=later) == []
    assert build(ws).governed.released == 100
    with pytest.raises(ReleaseError, match="no request to erase this account is open"):
        erasing.undo(ws, WHO)
    ask(ws)  # and asked for again it holds again
    assert build(ws).governed.released == 90


def test_what_was_executed_cannot_be_undone_and_one_request_is_open_at_a_time(ws: Workspace) -> None:
    ask(ws)
    with pytest.raises(LedgerError, match="a request to erase them is open"):
        ask(ws)
    erasing.execute_due(ws, clock=later)
    with pytest.raises(ReleaseError, match="no request to erase this account is open"):
        erasing.undo(ws, WHO)


# --- what is gone, and what holds ---------------------------------------------------------------------------------


def test_nothing_of_them_stays_in_the_private_parts_or_the_ledger(ws: Workspace) -> None:
    assert {name.split("/")[0] for name in found_in(ws.folder, "private", "ledger.db")} == {"private", "ledger.db"}
    erase(ws)
    assert found_in(ws.folder, "private", "ledger.db", "ledger.db-wal", "log", "releases") == []
    assert ws.ledger.subject_key(WHO) is None
    place = suppression.in_its_place(ws.keys.secret("suppression"), WHO)
    reduced = ws.ledger.events_of(place)
    assert [(e.position, e.type, e.external_id, e.method, e.actor) for e in reduced] == [
        (1, "suppressed", None, "", "operator"), (3, "suppressed", None, "", "operator"),
    ]  # fmt: skip
    assert [event["position"] for event in ws.ledger.snapshot().events_table().to_pylist()] == [1, 2, 3]
    assert ws.ledger.events_of("u4")[0].external_id == "portal-u4"


def test_the_release_still_holds_for_everybody_else(ws: Workspace) -> None:
    public, private = only(ws)
    before = {name: capsules.make(public, private, name, ws.keys).document() for name in ("u4", "u5", "u11")}
    erase(ws)
    verify(public, Known())
    for name, document in before.items():
        made = capsules.make(public, private, name, ws.keys)
        assert made.document() == document
        checking.held(made, public)
    with pytest.raises(ReleaseError, match="no account that this release speaks of"):
        capsules.make(public, private, WHO, ws.keys)
    said = list(mainjob.auditor(ws, public).steps())
    assert "9 rows could not be opened: erased" in said[2]
    assert "1 rows could not be judged again: an erased person has a part in them" in said[2]
    assert "but for the rows of 1 accounts that were erased" in said[3]


def test_an_audit_still_notices_what_was_taken_away_by_somebody_else(ws: Workspace) -> None:
    public, private = only(ws)
    erase(ws)
    [records] = (private / "openings" / "records").iterdir()
    table = pq.read_table(records)
    pq.write_table(table.slice(1), records)
    with pytest.raises(AboveboardError, match="number of rows without an opening"):
        list(mainjob.auditor(ws, public).steps())


def test_what_is_left_of_another_persons_row_keeps_its_commitment(ws: Workspace) -> None:
    _, private = only(ws)
    [before] = [one for one in openings.records(private, "u5") if one.descriptor.record == f"p{MENTIONING}"]
    erase(ws)
    [after] = [one for one in openings.records(private, "u5") if one.descriptor.record == f"p{MENTIONING}"]
    assert after.reduced
    assert after.descriptor == before.descriptor
    place = suppression.in_its_place(ws.keys.secret("suppression"), WHO)
    assert [party.subject for party in after.record.main.parties or ()] == [place]


def test_the_log_says_that_it_happened_and_not_to_whom(ws: Workspace) -> None:
    erase(ws)
    [entry] = ws.ledger.entries_of("erasure/v1")
    said = json.loads(ws.evidence.log.statement(entry.digest))["predicate"]
    assert said.keys() == {"asked", "executed", "position", "events", "releases"}
    assert (said["events"], said["releases"], said["position"]) == ({"below": 10}, 1, 3)
    assert doctor_is_fine(ws)


def doctor_is_fine(ws: Workspace) -> bool:
    evidence.refuse_other(ws.ledger, ws.evidence.log.reader())
    return True


# --- coming back --------------------------------------------------------------------------------------------------


def test_among_what_stayed_out_because_of_them_they_are_not_named_any_more(ws: Workspace) -> None:
    at = datetime.now(UTC)
    ws.ledger.append(Event(subject=WHO, type="refused", recorded_at=at, effective_at=at))
    withheld = f"private/{build(ws).id}/openings/withheld"
    assert found_in(ws.folder, withheld)
    erase(ws)
    assert found_in(ws.folder, withheld) == []


def test_they_do_not_come_back_with_the_sources_or_a_copy(ws: Workspace) -> None:
    erase(ws)
    made = build(ws)
    assert made.governed.released == 90
    assert decided(made.private)[None, "subj.suppressed_identity"] == 9
    assert found_in(ws.folder, f"private/{made.id}/openings", f"private/{made.id}/people") == []
    assert ws.ledger.subject_key(WHO) is None
    assert len(list(mainjob.auditor(ws, made.public).steps())) == 4


def test_a_handle_that_was_named_is_refused_in_any_spelling(ws: Workspace) -> None:
    ask(ws, "@Heron@birds.example")
    erasing.execute_due(ws, clock=later)
    copied = (ws.folder / f"posts-{WHO}.jsonl").read_text().replace(WHO, "acct:HERON@birds.example")
    (ws.folder / f"posts-{WHO}.jsonl").write_text(copied)
    made = build(ws)
    assert made.governed.released == 90
    assert decided(made.private)[None, "subj.suppressed_identity"] == 9


def test_an_account_is_erased_as_readers_name_it(ws: Workspace) -> None:
    ask(ws, " u4 ", "id:twitter.com:11")
    [open_one] = ws.ledger.erasures()
    assert open_one.identifiers == (WHO, " u4 ", "u4", "id:twitter.com:11", "11")
    erasing.execute_due(ws, clock=later)
    assert ws.suppressions().holds("u4")
    assert ws.suppressions().holds("11")
    assert build(ws).governed.released == 82


def test_the_platforms_list_does_not_bring_them_back_into_the_ledger(ws: Workspace) -> None:
    """Also the list that was imported before: its external ids are no longer known."""
    columns = {"external_id": "id", "subject": "who", "type": "'refused'", "effective_at": "'2024-05-01'"}
    file, plan = ws.folder / "list.csv", ChoiceMap(columns=columns, zone="UTC")
    file.write_text(f"id,who\n1,{WHO}\n2,u4\n")
    assert import_choices(ws.ledger, file, plan, gone=ws.gone()).imported == 2
    ask(ws)
    assert not ws.gone().holds(WHO)  # until it is executed more may be said
    erasing.execute_due(ws, clock=later)
    again = import_choices(ws.ledger, file, plan, gone=ws.gone())
    assert (again.imported, again.already, again.quarantined) == (0, 1, {"subject_erased": 1})
    done = CliRunner().invoke(doors, ["choice", "record", WHO, "refused", "-w", str(ws.folder)])
    assert (done.exit_code, "was erased here" in done.output) == (1, True)
    assert found_in(ws.folder, "private", "ledger.db", "ledger.db-wal") == []


@pytest.mark.parametrize("lose", [True, False], ids=["lost", "another one"])
def test_without_the_key_nothing_is_built(ws: Workspace, lose: bool) -> None:
    """Also where no release was ever built with it, so that no fingerprint of a release stands against it."""
    from aboveboard import keys

    erase(ws)
    shutil.rmtree(ws.private)
    file, marks = ws.keys_folder / "suppression.key", ws.keys_folder / keys.FINGERPRINTS
    if lose:
        file.unlink()
    else:
        file.write_text("ab" * 32)
        said = {
            **json.loads(marks.read_text()),
            "suppression": keys.fingerprint("suppression", bytes.fromhex("ab" * 32)),
        }
        marks.write_text(json.dumps(said))
    again = open_workspace(ws.folder)
    with pytest.raises(WorkspaceError, match=r"key `suppression` is (lost|not the one)") as refused:
        again.snapshot()
    assert refused.value.exit_code == 1
    with pytest.raises(AboveboardError, match=r"key|keys"):
        build(again)
    again.ledger.close()


# --- the ledger's one exception -----------------------------------------------------------------------------------

GOOD = (
    "subject = '{gone}', type = 'suppressed', external_id = NULL, category = NULL, purpose = NULL, recipient = NULL,"
    " past_from = NULL, past_to = NULL, effective_at = recorded_at, expires_at = NULL, verified = 1, effective_verified = 0,"
    " actor = 'operator', method = '', notice = NULL, language = NULL, value = NULL"
)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (GOOD, False),
        (GOOD.replace("'{gone}'", "'erased:00'"), True),
        (GOOD.replace("'{gone}'", "'u9'"), True),
        (GOOD.replace("'suppressed'", "'given'"), True),
        (GOOD.replace("external_id = NULL", "external_id = 'kept'"), True),
        (GOOD + ", recorded_at = recorded_at + 1", True),
        (GOOD + ", position = 99", True),
        ("type = 'refused'", True),
        ("value = NULL", True),
    ],
)  # fmt: skip
def test_an_event_may_become_nothing_of_anybody_and_nothing_else(ws: Workspace, change: str, refused: bool) -> None:
    ask(ws)
    gone = suppression.in_its_place(ws.keys.secret("suppression"), WHO)
    statement = f"UPDATE events SET {change.format(gone=gone)} WHERE position = 2"
    with sqlite3.connect(ws.folder / "ledger.db") as con:
        if refused:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                con.execute(statement)
        else:
            con.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE position = 1", "DELETE FROM suppressions", "UPDATE suppressions SET hash = 'x'",
        "DELETE FROM erasures", "UPDATE erasures SET due_at = 0", "UPDATE erasures SET subject = NULL, identifiers = NULL",
        "INSERT INTO erasure_ends VALUES (1, 'forgotten', 0, 0, 0)",
    ],
)  # fmt: skip
def test_a_request_and_its_hashes_stay_whoever_writes_to_the_file(ws: Workspace, statement: str) -> None:
    ask(ws)
    with sqlite3.connect(ws.folder / "ledger.db") as con, pytest.raises(sqlite3.IntegrityError):
        con.execute(statement)


# --- whatever it is killed at -------------------------------------------------------------------------------------


def gone_and_sound(folder: Path) -> None:
    """Run again after whatever happened: they are gone, it happened once, and the release holds for everybody else."""
    ws = open_workspace(folder)
    erasing.execute_due(ws, clock=later)
    assert [one.how for one in ws.ledger.erased()] == ["executed"]
    assert ws.ledger.erasures() == []
    assert found_in(folder, "private", "ledger.db", "ledger.db-wal", "log") == []
    assert len(ws.ledger.entries_of("erasure/v1")) == 1
    public, private = only(ws)
    assert len(openings.shredded(private)) == 9
    assert list(shredding.remains(private)) == []
    assert "9 rows could not be opened: erased" in list(mainjob.auditor(ws, public).steps())[2]
    checking.held(capsules.make(public, private, "u5", ws.keys), public)
    doctor_is_fine(ws)
    ws.ledger.close()


def run(folder: Path, *how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "survival" / "erase.py"), str(folder), *how]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def asked(folder: Path) -> Path:
    ws = open_workspace(folder)
    ask(ws)
    ws.ledger.close()
    return folder


def test_these_are_the_writes(asked: Path) -> None:
    done = run(asked)
    assert done.returncode == 0, done.stderr
    assert tuple(done.stdout.split()) == tuple(" ".join(WRITES).split())
    gone_and_sound(asked)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_at_which_the_power_goes(asked: Path, step: str, when: str) -> None:
    assert run(asked, step, when, "die").returncode == 9
    public, _ = only(open_workspace(asked))
    verify(public, Known())
    gone_and_sound(asked)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_that_fails(asked: Path, step: str, when: str) -> None:
    def fail(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    ws, token = open_workspace(asked), disk.watcher.set(fail)
    try:
        with pytest.raises((AboveboardError, OSError)) as raised:
            erasing.execute_due(ws, clock=later)
    finally:
        disk.watcher.reset(token)
        ws.ledger.close()
    assert WHO not in str(raised.value)
    gone_and_sound(asked)


def test_no_road_into_the_ledger_brings_a_name_back(ws: Workspace) -> None:
    """A no, a request and a stream that speak of somebody who was erased: nothing of it is recorded under their name."""
    erase(ws)
    head, at = ws.ledger.head(), datetime.now(UTC)
    with pytest.raises(LedgerError, match="was erased here"):
        withdrawal.withdraw(ws, Event(subject=WHO, type="withdrawn", recorded_at=at, effective_at=at))
    with pytest.raises(LedgerError, match="was erased here"):
        withdrawal.request(ws, WHO, method="form")
    stream = Stream("x", "x", ws.folder / "x.stream")
    (ws.folder / "x.stream").write_text("55" * 32)
    (ws.folder / "x.stream").chmod(0o600)
    file = ws.folder / "events.jsonl"
    lines = [{"user_delete": {"user": {"id": who}, "event_at": "2023-01-01T00:00:00Z"}} for who in (WHO, "u4")]
    lines.append({"delete": {"tweet": {"id": "p3", "author_id": WHO}, "event_at": "2023-01-01T00:00:00Z"}})
    file.write_text("".join(json.dumps(one) + "\n" for one in lines))
    (ws.folder / "events.jsonl.sig").write_bytes(streams.sign(file.read_bytes(), stream))
    report = streams.import_stream(ws.ledger, file, stream, gone=ws.gone())
    assert (report.recorded, report.nothing, report.quarantined) == (1, 2, ())
    assert ws.ledger.head() == head + 1
    assert ws.ledger.events_of(WHO) == []


# --- the page that says so ----------------------------------------------------------------------------------------

DOCS = HERE.parent / "docs"


def test_the_hashes_of_the_page_are_made_again() -> None:
    page = (DOCS / "erasure.md").read_text("utf-8")
    for named in ("u:42", "@Ann@Birds.example", "acct:ann@birds.example"):
        assert f"`{named}`" in page
        assert f"`{suppression.hashed(bytes(range(32)), named)}`" in page


# --- and the releases that stand ----------------------------------------------------------------------------------


def _leaves(public: Path) -> set[bytes]:
    tiles = [file.read_bytes() for file in (public / "rows").glob("*/0")]
    return {tile[at : at + 32] for tile in tiles for at in range(0, len(tile), 32)}


def _theirs(ws: Workspace, public: Path) -> set[bytes]:
    return {one.leaf for one in openings.records(ws.private / public.name) if one.account == WHO}


def _run(ws: Workspace) -> Path:
    """Carry out what is open; the release that takes the place of the only one that stands."""
    [carried] = withdrawal.carry_out(ws, clock=lambda: later(4))
    assert carried.superseded_by is not None, carried
    assert withdrawal.board(ws) == []
    return ws.releases / carried.superseded_by


def _holds(ws: Workspace, public: Path) -> None:
    verify(public)
    list(mainjob.auditor(ws, public).steps())
    assert WHO not in {one.subject for one in openings.accounts(ws.private / public.name)}


def test_their_rows_leave_the_standing_release_while_the_request_waits(ws: Workspace) -> None:
    public, _ = only(ws)
    theirs = _theirs(ws, public)
    assert theirs
    ask(ws)
    after = _run(ws)
    assert not theirs & _leaves(after)
    assert len(_leaves(public) - _leaves(after)) >= len(theirs)
    _holds(ws, after)
    erasing.execute_due(ws, clock=later)
    _holds(ws, after)
    assert found_in(ws.folder, "private", "ledger.db", "log") == []


def test_their_rows_leave_the_standing_release_after_it_was_executed(ws: Workspace) -> None:
    public, _ = only(ws)
    theirs, author = _theirs(ws, public), f"u{MENTIONING}"
    erase(ws)
    [open_one] = withdrawal.board(ws)
    assert open_one.is_open
    after = _run(ws)
    assert not theirs & _leaves(after)
    _holds(ws, after)
    kept = [one for one in openings.records(ws.private / after.name) if one.account == author]
    assert kept
    checking.held(capsules.make(after, ws.private / after.name, author, ws.keys), after)


def test_an_erasure_reaches_what_a_rewriting_wrote(ws: Workspace) -> None:
    """A rewriting says anew what it says otherwise, in files of its own; whose those are is forgotten too."""
    at = datetime.now(UTC)
    withdrawal.withdraw(ws, Event(subject=WHO, type="withdrawn", recorded_at=at, effective_at=at))
    after = _run(ws)
    assert found_in(ws.folder, f"private/{after.name}/later")
    erase(ws)
    assert found_in(ws.folder, "private", "ledger.db", "log") == []
    assert openings.shredded(ws.private / after.name) == []  # none of theirs was in it any more
    _holds(ws, after)


TAGGED = f"""
[[parts]]
kind = "'mention'"
when = "tagged IS NOT NULL"
categories = "'user.content.public'"
parties = "{{'subject': tagged, 'role': 'mentioned'}}"
place = "'span'"
start = "0"
end = "{len(WHO) + 1}"
content = "'@' || tagged"
"""


@pytest.fixture
def tagging(tmp_path: Path) -> Iterator[Workspace]:
    """Somebody else's post tags the person, in a part that is removed; the file it comes from carries their name."""

    def tag(rows: list[dict[str, Any]]) -> None:
        posts(rows)
        for row in rows:
            row["seen"], row["tagged"] = None, WHO if row["id"] == f"p{MENTIONING}" else None
        rows[MENTIONING]["words"] = f"@{WHO} look at this bird"
        for row in rows:
            row["id"] = f"at://{WHO}/{row['id']}" if row["who"] == WHO else row["id"]
        rows[10]["answers"] = f"at://{WHO}/p3"

    folder = make(tmp_path / "platform", tag, people)
    (folder / "posts.jsonl").rename(folder / f"posts-{WHO}.jsonl")
    mapped = MAP.replace("posts.jsonl", f"posts-{WHO}.jsonl")
    (folder / "posts.toml").write_text(mapped.replace("[quarantine]", f'quoted_id = "answers"\n{TAGGED}[quarantine]'))
    opened = open_workspace(folder)
    yield opened
    opened.ledger.close()


def _found_by_name(ws: Workspace) -> list[purging.Found]:
    rooms = [
        path for path in ws.folder.iterdir() if path.name in ("private", "releases", "log") or "ledger" in path.name
    ]
    return purging.look(ws, rooms, (WHO,), every_row=True).found


def test_a_later_build_from_a_source_that_still_names_them_writes_the_name_nowhere(tagging: Workspace) -> None:
    """In none of its files, private or public: whoever looks with the name in hand finds nothing. Everything holds of it."""
    ws, author = tagging, f"u{MENTIONING}"
    first = build(ws)
    assert first.governed.released == 100
    assert found_in(ws.folder, f"private/{first.id}/openings", f"private/{first.id}/quarantine")
    erase(ws)
    made = build(ws)
    assert made.governed.released == 91
    assert found_in(ws.folder, "private", "log", "ledger.db") == []
    place = suppression.in_its_place(ws.keys.secret("suppression"), WHO)
    [row] = [one for one in openings.records(made.private, author) if one.descriptor.record == f"p{MENTIONING}"]
    assert not row.reduced  # what is committed to is the hash: it can be judged again
    assert [party.subject for part in row.record.parts or () for party in part.parties or ()] == [place]
    assert row.removed == (1,)
    assert len(list(mainjob.auditor(ws, made.public).steps())) == 4
    verify(made.public, Known())
    checking.held(capsules.make(made.public, made.private, author, ws.keys), made.public)
    assert mainjob.considered(ws, made.public, clock=lambda: later(4)).leaving == 0
    after = _run(ws)  # the first release, in which their rows still stood
    assert {one.file for one in _found_by_name(ws) if first.id not in one.file} == set()
    _holds(ws, after)


def test_a_build_while_a_request_waits_names_them_no_more_and_the_request_can_be_taken_back(tagging: Workspace) -> None:
    ws = tagging
    ask(ws)
    made = build(ws)
    assert made.governed.released == 91
    assert found_in(ws.folder, f"private/{made.id}") == []
    erasing.undo(ws, WHO)
    at = datetime.now(UTC)
    ws.ledger.append(Event(subject=WHO, type="refused", recorded_at=at, effective_at=at))
    assert mainjob.considered(ws, made.public, clock=lambda: later(4)).leaving == 0  # there they are whoever said no
    ask(ws)
    erasing.execute_due(ws, clock=later)
    assert found_in(ws.folder, "private", "ledger.db") == []


@pytest.mark.parametrize(
    "name",
    [
        WHO,
        f"{WHO}.jsonl",
        f"posts-{WHO}.jsonl",
        f"in/{WHO}/posts.jsonl",
        f"{WHO} (1).zip",
        "of @ann@birds.example.json",
    ],
)
def test_the_name_of_a_file_that_carries_an_identifier(name: str) -> None:
    gone = suppression.of(bytes(32), [WHO, "@Ann@birds.example"])
    assert gone.within(name)
    assert not gone.within(name.replace(WHO, "heron-47110").replace("ann", "anne"))
