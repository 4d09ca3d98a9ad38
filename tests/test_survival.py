"""A build survives anything: every write in it fails, before it happened and after, and then the build is run again.

What has to hold each time: whatever is published is whole and says what it holds, a committed release is published by
the next run, nothing staged and no text stays behind, and the rows are those of a build that nothing happened to.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aboveboard import disk, mainjob, manifest, release, workspace
from aboveboard.choice import Event
from aboveboard.errors import AboveboardError, ReleaseError, SourceError
from aboveboard.ledger import Ledger
from aboveboard.manifest import Shard
from aboveboard.workspace import open_workspace, read_job
from small import MAP, make

HERE = Path(__file__).resolve().parent
KILLS = 50 if os.environ.get("CI") else 8

WRITES = (
    "staging", "quarantine", "links", "accounts", "decisions", "openings", "part", "people", "data", "index", "rows", "subjects",
    "first-seen", "salt", "commit", "log object", "README.md", "croissant.json", "tombstones.json", "manifest.json",
    "exact-counts.json", "entry", "log entries", "log tile", "log next", "log checkpoint", "proof", "publish private",
    "publish public",
)  # fmt: skip
"""Every write in a build, in the order in which it first happens."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform of twelve people and a hundred posts, one of them malformed, with its keys."""
    return make(tmp_path_factory.mktemp("small") / "platform")


@pytest.fixture
def small(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "platform"))


def build(folder: Path, *how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "survival" / "build.py"), str(folder), *how]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the rows of a build that nothing happens to; its writes are the table above."""
    folder = Path(shutil.copytree(template, tmp_path_factory.mktemp("calm") / "platform"))
    done = build(folder)
    assert done.returncode == 0, done.stderr
    assert tuple(done.stdout.split("\n")[:-1]) == WRITES
    [public] = release.published(folder / "releases")
    return str(whole(folder, public)["rows_digest"])


def whole(folder: Path, public: Path) -> Mapping[str, object]:
    """The predicate of a release whose files, rows, evidence and entry in the ledger all agree."""
    statement = (public / "manifest.json").read_bytes()
    said = json.loads(statement)
    for subject in said["subject"]:
        assert hashlib.sha256((public / subject["name"]).read_bytes()).hexdigest() == subject["digest"]["sha256"]
    shards = []
    for entry in said["predicate"]["layout"]["shards"]:
        rows = pq.read_table(public / entry["file"]).to_pylist()
        shards.append(Shard(entry["key"], "", "", len(rows), manifest.shard_digest(map(manifest.leaf, rows))))
    assert manifest.rows_digest(shards) == said["predicate"]["rows_digest"]
    private = folder / "private" / public.name
    counts = json.loads((private / "exact-counts.json").read_bytes())
    assert counts["records"] + counts["quarantined"] == 101
    assert sum(pq.read_metadata(p).num_rows for p in (private / "decisions").iterdir()) == counts["records"]
    with Ledger.open(folder / "ledger.db") as ledger:
        [entered] = [one for one in ledger.releases() if one["id"] == public.name]
    assert entered["manifest_sha256"] == hashlib.sha256(statement).hexdigest()
    return dict(said["predicate"])


def later() -> datetime:
    """A build right after another, and certainly later than it."""
    return datetime.now(UTC) + timedelta(seconds=30)


def settled(folder: Path, digest: str) -> None:
    """Run again after whatever happened: all releases are whole, all have the same rows, and nothing else is left."""
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "job.toml"), clock=later)
    ws.ledger.close()
    found = release.published(folder / "releases")
    assert found
    assert {whole(folder, public)["rows_digest"] for public in found} == {digest}
    names = {public.name for public in found}
    assert {path.name for path in (folder / "releases").iterdir()} == names
    assert {path.name for path in (folder / "private").iterdir()} == names
    with Ledger.open(folder / "ledger.db") as ledger:
        assert {str(one["id"]) for one in ledger.releases()} == names


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_at_which_the_power_goes(small: Path, undisturbed: str, step: str, when: str) -> None:
    done = build(small, step, when, "die")
    assert done.returncode == 9
    for public in release.published(small / "releases"):
        whole(small, public)
    settled(small, undisturbed)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", WRITES)
def test_a_write_that_fails(small: Path, undisturbed: str, step: str, when: str) -> None:
    """The machine says no, though after the write it is there: "not persisted" and "but persisted"."""

    def fail(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    ws, token = open_workspace(small), disk.watcher.set(fail)
    try:
        with pytest.raises(ReleaseError, match="no space left on device") as raised:
            mainjob.build(ws, read_job(small / "job.toml"))
    finally:
        disk.watcher.reset(token)
        ws.ledger.close()
    assert "a bird" not in str(raised.value)
    for public in release.published(small / "releases"):
        whole(small, public)
    settled(small, undisturbed)


def test_what_was_committed_is_published_by_resume(small: Path) -> None:
    assert build(small, "publish public", "before", "die").returncode == 9
    assert release.published(small / "releases") == []
    ws = open_workspace(small)
    [name] = release.finish(ws.ledger, ws.private.resolve(), ws.evidence)
    ws.ledger.close()
    whole(small, small / "releases" / name)


def test_what_was_not_committed_is_never_published(small: Path) -> None:
    assert build(small, "commit", "before", "die").returncode == 9
    ws = open_workspace(small)
    assert release.finish(ws.ledger, ws.private.resolve(), ws.evidence) == []
    ws.ledger.close()


def test_a_staged_release_that_somebody_changed_is_not_published(small: Path) -> None:
    assert build(small, "publish private", "before", "die").returncode == 9
    [staged] = [path for path in (small / "releases").iterdir() if path.is_dir()]
    (staged / "manifest.json").write_bytes((staged / "manifest.json").read_bytes() + b" ")
    ws = open_workspace(small)
    with pytest.raises(ReleaseError, match="not the one that was committed"):
        release.finish(ws.ledger, ws.private.resolve(), ws.evidence)
    ws.ledger.close()


def test_killed_at_any_moment(small: Path, undisturbed: str) -> None:
    """kill -9, again and again on the same workspace, at moments spread over a whole build."""
    began = time.monotonic()
    assert build(small).returncode == 0
    whole_build, draw = time.monotonic() - began, random.Random(11)
    command = [sys.executable, str(HERE / "survival" / "build.py"), str(small)]
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.1, 1.1) * whole_build)
        process.kill()
        process.wait()
        for public in release.published(small / "releases"):
            whole(small, public)
    settled(small, undisturbed)


def test_two_builders_at_once(small: Path, undisturbed: str) -> None:
    command = [sys.executable, str(HERE / "survival" / "build.py"), str(small)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 0], said  # in one second the second of them takes a name of its own
    settled(small, undisturbed)


def test_the_same_inputs_keys_and_environment_give_the_same_bytes(template: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        folder = Path(shutil.copytree(template, tmp_path / name))
        ws = open_workspace(folder)
        at = datetime(2026, 1, 1, tzinfo=UTC)
        found = mainjob.build(ws, read_job(folder / "job.toml"), clock=lambda at=at: at)
        ws.ledger.close()
        made.append({p.name: p.read_bytes() for p in (found.public / "data").iterdir()})
    assert made[0] == made[1]


# --- bad inputs: a clear error each, or the right result -----------------------------------------------------------


def refused(folder: Path, kind: type[AboveboardError], match: str) -> AboveboardError:
    ws = open_workspace(folder)
    with pytest.raises(kind, match=match) as raised:
        mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    assert "a bird" not in str(raised.value) + raised.value.hint
    assert release.published(folder / "releases") == []
    return raised.value


def test_a_folder_that_cannot_be_written_to(small: Path) -> None:
    (small / "releases").write_text("not a folder")
    refused_at = open_workspace(small)
    with pytest.raises(ReleaseError, match="the file system refused"):
        mainjob.build(refused_at, read_job(small / "job.toml"))
    refused_at.ledger.close()


def test_parquet_that_is_damaged(small: Path) -> None:
    (small / "posts.toml").write_text(MAP.replace("posts.jsonl", "posts.parquet"))
    (small / "posts.parquet").write_bytes(b"PAR1" + b"\x00" * 100 + b"PAR1")
    refused(small, SourceError, "cannot be (opened|read)")


def test_a_source_that_changes_while_it_is_read(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard.sources import table

    take = table.Count.take

    def meddle(self: table.Count, batch: object, limit: int | None) -> pa.Table:
        with (small / "posts.jsonl").open("a") as file:
            file.write('{"id": "late", "who": "u1", "words": "a bird too many", "seconds": 1600000200}\n')
        return take(self, batch, limit)

    monkeypatch.setattr(table.Count, "take", meddle)
    refused(small, SourceError, "changed while it was read")


def test_the_ledger_grows_during_the_build(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard.judgement import Judgement

    ws = open_workspace(small)
    write = Judgement.write

    def speak(self: Judgement, *args: object, **more: object) -> object:
        written = write(self, *args, **more)  # type: ignore[arg-type]
        moment = datetime.now(UTC)
        ws.ledger.append(Event(subject="u3", type="refused", recorded_at=moment, effective_at=moment))
        return written

    monkeypatch.setattr(Judgement, "write", speak)
    made = mainjob.build(ws, read_job(small / "job.toml"))
    ws.ledger.close()
    [data] = (made.public / "data").iterdir()
    gone = set(json.loads((made.public / "tombstones.json").read_bytes())["tombstones"])
    theirs = {f"a bird of number {n}" for n in range(3, 100, 12)}
    rows = pq.read_table(data).to_pylist()
    assert {row["text"] for row in rows if manifest.leaf(row).hex() in gone} == theirs
    assert (made.manifest.judged, made.manifest.position) == (0, 1)


def test_a_record_that_is_loaded_again_under_a_later_date(small: Path) -> None:
    assert build(small).returncode == 0
    lines = (small / "posts.jsonl").read_text().replace('"seconds": 1600000007', '"seconds": 1700000007')
    (small / "posts.jsonl").write_text(lines)
    ws = open_workspace(small)
    with pytest.raises(SourceError, match="received earlier than they now say, such as `p7`"):
        mainjob.build(ws, read_job(small / "job.toml"))
    ws.ledger.close()


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda f: (f / "suppression.key").unlink(), "key `suppression` is lost"),
        (lambda f: (f / "shard.key").chmod(0o644), "others can read the key `shard`"),
        (lambda f: (f / "order.key").write_text("ab" * 32), "key `order` is another one"),
        (lambda f: (f / "uid.key").write_text("no key"), "key `uid` is damaged"),
        (shutil.rmtree, "the workspace has no keys"),
    ],
)
def test_keys_that_are_not_whole_build_nothing(small: Path, spoil: object, match: str) -> None:
    spoil(small / "keys")  # type: ignore[operator]
    ws = open_workspace(small)
    with pytest.raises(AboveboardError, match=match):
        mainjob.build(ws, read_job(small / "job.toml"))
    assert release.published(small / "releases") == []


def test_keys_are_never_made_anew_where_releases_were_built(small: Path) -> None:
    assert build(small).returncode == 0
    shutil.rmtree(small / "keys")
    with pytest.raises(AboveboardError, match=r"(built here|signed) with other keys"):
        workspace.make_keys(small)
