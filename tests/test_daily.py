"""The log is told every day which choices count and what was received; whatever a run dies at, nothing false is logged."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from aboveboard import daily, descriptor, disk, intake, mainjob, manifest, merkle, receipt, statement, subjectmap
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.errors import SourceError, VerificationError
from aboveboard.log import audit
from aboveboard.policy import PolicyVersion
from aboveboard.subjectmap import Stated
from aboveboard.workspace import Workspace, open_workspace, read_job

PAGE = Path(__file__).parent.parent / "docs" / "formats" / "statements.md"


def ran(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def document(*args: object, code: int = 0) -> Any:
    return json.loads(ran(*args, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("daily") / "site"
    ran("init", folder)
    ran("log", "checkpoint", "-w", folder)
    return folder


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "site"))


def statements(folder: Path, kind: str) -> list[Any]:
    """What the log on the disk holds of one type, having computed the whole log again."""
    ws = open_workspace(folder)
    with ws.ledger:
        found = audit(ws.log_folder, ws.log.checkpoint(), [ws.signer("log").key])
        assert not found.problems
        return [json.loads(ws.log.statement(entry.digest))["predicate"] for entry in ws.ledger.entries_of(kind)]


# --- epochs ---------------------------------------------------------------------------------------------------------


def stated(ws: Workspace, made: daily.Epoch, subject: str) -> Stated:
    """What an epoch states of one person, found as they would: their bucket, its place below the root, their row."""
    [said] = [one["subjects"] for one in statements(ws.folder, statement.EPOCH) if one["subjects"]["root"] == made.root]
    index = subjectmap.index_of(ws.keys.secret("index"), subject)
    buckets = [(made.folder / subjectmap.bucket_name(n)).read_bytes() for n in range(1 << said["bits"])]
    assert subjectmap.root([hashlib.sha256(one).digest() for one in buckets]).hex() == made.root
    row = subjectmap.found(buckets[subjectmap.prefix_of(index, said["bits"])], index, said["bits"])
    key = ws.ledger.subject_key(subject)
    assert key is not None
    return subjectmap.opened(descriptor.release_key(key, bytes.fromhex(said["salt"])), row)


def digest(events: list[Event], ws: Workspace, subject: str) -> bytes:
    return descriptor.person_digest(descriptor.person(events, ws.facts.facts_of(subject)))


def test_everybody_finds_their_choices_in_an_epoch(site: Path) -> None:
    for subject, said in (("u:1", "refused"), ("u:2", "given"), ("u:1", "withdrawn")):
        ran("choice", "record", subject, said, "--purpose", "train_ai_system", "-w", site)
    told = ran("log", "epoch", "-w", site).stdout
    assert "every choice up to event 3 counts" in told
    ws = open_workspace(site)
    with ws.ledger:
        made = daily.epoch(ws)
        for subject in ("u:1", "u:2"):
            events = ws.ledger.events_of(subject)
            assert stated(ws, made, subject) == Stated(0, 0, merkle.EMPTY, digest(events, ws, subject))
            assert digest(events[:-1], ws, subject) != stated(ws, made, subject).person
    first, second = statements(site, statement.EPOCH)
    assert (second["position"], second["accounts"]) == (3, {"below": 10})
    assert first["subjects"]["root"] != second["subjects"]["root"]  # no row is sealed twice with one key
    assert (site / "private" / "epochs" / made.root / daily.FACTS).is_file()
    assert not list((site / "log").rglob("*.parquet"))


def test_an_epoch_that_drops_a_choice_contradicts_its_receipt(site: Path) -> None:
    ran("choice", "record", "u:1", "given", "-w", site)
    data = document("choice", "record", "u:1", "withdrawn", "-w", site)["receipt"].encode()
    ws = open_workspace(site)
    with ws.ledger:
        ours = receipt.verify(data, ws.signer("receipt").key)
        made = daily.epoch(ws)
        [said] = statements(site, statement.EPOCH)
        index = subjectmap.index_of(ws.keys.secret("index"), "u:1")
        kept = ws.ledger.events_of("u:1")
        for events, honest in ((kept, True), (kept[:1], False)):
            found = [descriptor.event_bytes(one) for one in events]
            at = {"as_of": datetime.fromisoformat(said["at"]), "index": index, "position": said["position"]}
            assert (digest(events, ws, "u:1") == stated(ws, made, "u:1").person) == honest
            if honest:
                receipt.contradiction(ours, events=found, **at)
            else:
                with pytest.raises(VerificationError, match="left it out"):
                    receipt.contradiction(ours, events=found, **at)


def test_what_an_epoch_tells_me_does_not_depend_on_what_another_chose(template: Path, tmp_path: Path) -> None:
    at, found = datetime(2024, 1, 31, tzinfo=UTC), []
    for said in ("given", "refused"):
        folder = Path(shutil.copytree(template, tmp_path / said))
        ws = open_workspace(folder)
        with ws.ledger as ledger:
            ledger._clock = lambda: at
            for subject, kind in (("u:2", said), ("u:1", "refused"), ("u:2", said)):
                ledger.append(Event(subject=subject, type=kind, recorded_at=at, effective_at=at))
            found.append((stated(ws, daily.epoch(ws), "u:1"), statements(folder, statement.EPOCH)[0]["accounts"]))
    assert found[0] == found[1]


# --- what was received ------------------------------------------------------------------------------------------------


def more(site: Path, record: str, day: str = "2024-02-01") -> None:
    """One more record of the first-party table."""
    path = site / "data" / "posts.csv"
    header, first, *_ = path.read_text().splitlines()
    columns = dict(zip(header.split(","), first.split(","), strict=False))
    at = {"id": record, "written_at": f"{day}T10:00:00Z", "received_at": f"{day}T10:00:01Z", "text": "another"}
    path.write_text(path.read_text() + ",".join({**columns, **at}.values()) + "\n")


def test_what_was_received_is_logged_once_and_a_release_repeats_none_of_it(site: Path) -> None:
    made = document("log", "intake", "-w", site)
    assert made["records"] >= 1
    assert "Nothing new was received" in ran("log", "intake", "-w", site).stdout
    more(site, "new-1")
    assert document("log", "intake", "-w", site)["records"] == 1
    ran("release", "build", site / "jobs" / "first-model.toml", "-w", site)
    first, second = statements(site, statement.INTAKE)
    assert (first["root"], first["kept"]) == (made["root"], Path(made["folder"]).name)
    assert second["first"] == second["last"] == "2024-02-01T10:00:01Z"
    [kept] = pq.read_table(site / "private" / second["kept"] / intake.FILE).to_pylist()
    key = open_workspace(site).keys.secret("uid")
    leaf = intake.leaf(key, kept["source"], kept["record_id"], kept["collected_at"].replace(tzinfo=UTC))
    assert second["root"] == merkle.root_of([leaf]).hex()
    more(site, "new-2")
    ran("release", "build", site / "jobs" / "first-model.toml", "-w", site)
    assert len(statements(site, statement.INTAKE)) == 3


def test_a_record_that_is_loaded_again_under_a_later_date_stops_the_days_intake(site: Path) -> None:
    more(site, "new-1")
    ran("log", "intake", "-w", site)
    path = site / "data" / "posts.csv"
    path.write_text(path.read_text().replace("2024-02-01T10:00:01Z", "2024-03-01T10:00:01Z"))
    assert "received earlier than they now say" in ran("log", "intake", "-w", site, code=1).stderr
    assert len(statements(site, statement.INTAKE)) == 1


@pytest.mark.parametrize("by", ["log intake", "release build"])
def test_a_memory_that_was_logged_and_is_gone_stops_everything_that_needs_it(site: Path, by: str) -> None:
    job = site / "jobs" / "first-model.toml"
    ran(*by.split(), *([job] if by == "release build" else []), "-w", site)
    [said] = statements(site, statement.INTAKE)
    memory = site / "private" / said["kept"] / intake.FILE
    held = memory.read_bytes()
    memory.unlink()
    for command in (("log", "intake"), ("release", "build", job)):
        told = ran(*command, "-w", site, code=1).stderr
        assert f"`{said['kept']}` remembers what was received first, and that memory is lost" in told
        assert "bring the file back from your backup" in told
    assert len(list((site / "releases").glob("*") if (site / "releases").exists() else [])) == (by == "release build")
    memory.write_bytes(held)
    ran("release", "build", job, "-w", site)


def test_a_release_that_is_committed_and_not_published_yet_has_its_memory(site: Path) -> None:
    """Another builder stands between committing and publishing: its memory lies under its staged name."""
    job = read_job(site / "jobs" / "first-model.toml")
    ws = open_workspace(site)
    with ws.ledger:
        made = mainjob.build(ws, job)
        [entry] = ws.ledger.releases()
        made.private.rename(made.private.with_name(str(entry["staged"])))
        intake.refuse_lost(ws.private, mainjob.kept(ws))
        (ws.private / str(entry["staged"]) / intake.FILE).unlink()
        with pytest.raises(SourceError, match="that memory is lost"):
            intake.refuse_lost(ws.private, mainjob.kept(ws))


# --- whatever it dies at ----------------------------------------------------------------------------------------------


@contextmanager
def watching(told: Callable[[str, str], None]) -> Iterator[None]:
    token = disk.watcher.set(told)
    try:
        yield
    finally:
        disk.watcher.reset(token)


def writes(folder: Path, run: Callable[[Workspace], object]) -> list[str]:
    seen: dict[str, None] = {}
    ws = open_workspace(folder)
    with ws.ledger, watching(lambda _, name: seen.setdefault(name)):
        run(ws)
    return list(seen)


EPOCH = ("subjects", "epoch facts", "epoch", "log object", "log entries", "log tile", "log next", "log checkpoint")
INTAKE = ("first-seen", "intake", "log object", "log entries", "log tile", "log next", "log checkpoint")
RUNS: dict[str, tuple[Callable[[Workspace], object], tuple[str, ...]]] = {
    statement.EPOCH: (daily.epoch, EPOCH), statement.INTAKE: (daily.intake, INTAKE),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(RUNS))
def test_every_write_has_a_name(site: Path, kind: str) -> None:
    run, names = RUNS[kind]
    assert tuple(writes(site, run)) == names


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, (_, names) in RUNS.items() for name in names])
def test_a_run_that_dies_is_made_good_by_the_next_one(site: Path, kind: str, name: str, when: str) -> None:
    run, _ = RUNS[kind]

    def die(at: str, step: str) -> None:
        if (at, step) == (when, name):
            raise KeyboardInterrupt

    ran("choice", "record", "u:1", "refused", "-w", site)
    with pytest.raises(KeyboardInterrupt), watching(die):
        writes_nothing_else(site, run)
    ws = open_workspace(site)
    with ws.ledger:
        run(ws)
    found = statements(site, kind)  # computes the log again
    if kind == statement.INTAKE:
        assert len({one["kept"] for one in found}) == len(found) == 1
        assert (site / "private" / found[0]["kept"] / intake.FILE).is_file()
    for one in found if kind == statement.EPOCH else []:
        folder = site / "log" / "epochs" / one["subjects"]["root"]
        top = (folder / "top.bin").read_bytes()
        digests = [top[at : at + 32] for at in range(0, len(top), 32)]
        assert subjectmap.root(digests).hex() == folder.name
        assert [
            hashlib.sha256((folder / subjectmap.bucket_name(n)).read_bytes()).digest() for n in range(len(digests))
        ] == digests
    left = [
        path.name for path in (*(site / "private").iterdir(), *(site / "log").glob("epochs/*")) if path.name[0] == "."
    ]
    assert left == []


def writes_nothing_else(site: Path, run: Callable[[Workspace], object]) -> None:
    ws = open_workspace(site)
    with ws.ledger:
        run(ws)


def test_staging_folders_of_runs_that_were_killed_are_cleared_away(site: Path) -> None:
    ran("choice", "record", "u:1", "refused", "-w", site)
    for folder in (site / "log" / "epochs" / ".epoch-00ff", site / "private" / ".intake-00ff"):
        folder.mkdir(parents=True)
        folder.with_suffix(".lock").touch()
        (folder / intake.FILE).write_bytes(b"half")
    ran("log", "epoch", "-w", site)
    ran("log", "intake", "-w", site)
    assert [path.name for path in site.rglob("*00ff*")] == []


# --- the page ---------------------------------------------------------------------------------------------------------


KEPT = "intake-2024-01-31T120500.000000Z"


def made_by_hand() -> dict[str, statement.Due]:
    at = datetime(2024, 1, 31, 12, 0, tzinfo=UTC)
    mapped = manifest.Map(
        salt="00" * 32,
        bits=0,
        top_sha256="",
        root="aa" * 32,
        shared_root=manifest.EMPTY,
        accounts=1_234,
        alone=0,
        shared=0,
    )
    version = PolicyVersion(
        policy="birdsite", version="2024-01-01", effective_from=datetime(2024, 1, 1, tzinfo=UTC), zone="UTC",
        announced_at=datetime(2023, 12, 1, tzinfo=UTC), text_sha256="bb" * 32, establishment="IE", clauses=(),
    )  # fmt: skip
    return {
        "policy.json": statement.policy("birdsite", version, "cc" * 32, "dd" * 32),
        "choice-epoch.json": statement.epoch(17, at, mapped.public(), manifest.told(mapped.accounts)),
        "intake.json": statement.intake("ee" * 32, manifest.told(3), at, at + timedelta(seconds=1), KEPT),
        "erasure.json": statement.erasure(
            datetime(2024, 1, 30, 9, tzinfo=UTC), datetime(2024, 1, 31, 9, 0, 5, tzinfo=UTC), 17, manifest.told(3), 3
        ),
    }  # fmt: skip


def test_the_examples_of_the_page_are_what_is_made() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^```json (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    entered = dict(re.findall(r"^```text (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    at = datetime(2024, 1, 31, 12, 10, tzinfo=UTC)
    assert set(shown) == set(made_by_hand())
    for name, due in made_by_hand().items():
        assert shown[name].encode() == due.document + b"\n"
        assert f"`{due.type}`" in page
    assert entered["entry"].encode() == made_by_hand()["choice-epoch.json"].entry(at) + b"\n"
    for kind in (statement.POLICY, statement.EPOCH, statement.RELEASE, statement.INTAKE, statement.KEY):
        assert f"| `{kind}` |" in page


def test_a_days_statements_have_the_fields_of_the_page(site: Path) -> None:
    ran("log", "epoch", "-w", site)
    ran("log", "intake", "-w", site)
    for name, due in made_by_hand().items():
        if name not in ("policy.json", "erasure.json"):
            [found] = statements(site, due.type)
            said = json.loads(due.document)["predicate"]
            assert set(found) == set(said)
            assert all(set(found[key]) == set(said[key]) for key in ("subjects",) if key in said)
