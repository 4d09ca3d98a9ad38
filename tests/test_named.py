"""``latest`` is the newest published release, to every command that takes a release, and to those that know folders alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import small
from aboveboard import mainjob
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.cli.named import named, published
from aboveboard.errors import ReleaseError
from aboveboard.workspace import open_workspace, read_job


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A platform with a release, and one that took its place after somebody said no."""
    folder = small.make(tmp_path_factory.mktemp("named") / "site")
    ws = open_workspace(folder)
    mainjob.build(ws, read_job(folder / "job.toml"), clock=lambda: datetime.now(UTC) - timedelta(days=1))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    ws.ledger.append(Event(subject="u3", type="withdrawn", recorded_at=at, effective_at=at))
    ws.ledger.close()
    ran("withdrawals", "run", "-w", folder)
    return folder


def ran(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


COMMANDS = (
    ("release", "show", "@"),
    ("release", "compare", "@", "@"),
    ("release", "audit", "@"),
    ("release", "rewrite", "@", "--dry-run"),
    ("release", "prove", "p7", "--release", "@"),
    ("downstream", "@"),
    ("affected", "--release", "@"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c))
def test_it_says_what_is_said_under_its_name(site: Path, command: tuple[str, ...]) -> None:
    older, newest = published([site / "releases"])
    by_name, by_word, by_older = (
        ran(*(word.replace("@", of) for word in command), "-w", site, "--json")
        for of in (newest.name, "latest", older.name)
    )
    assert (by_word.stdout, by_word.stderr) == (by_name.stdout, by_name.stderr)
    assert by_word.stdout != by_older.stdout


def test_what_writes_a_file_writes_that_of_the_newest(site: Path, tmp_path: Path) -> None:
    newest = published([site / "releases"])[-1]
    ran("release", "export", "latest", "--to", tmp_path / "rows.jsonl", "-w", site)
    ran("release", "export", newest.name, "--to", tmp_path / "named.jsonl", "-w", site)
    assert (tmp_path / "rows.jsonl").read_bytes() == (tmp_path / "named.jsonl").read_bytes()
    assert len((tmp_path / "rows.jsonl").read_text("utf-8").splitlines()) == 100 - 9
    ran("withdrawals", "certificate", "latest", "--to", tmp_path / "certificate.json", "-w", site)
    said = json.loads((tmp_path / "certificate.json").read_bytes())
    assert newest.name in json.dumps(said)
    made = json.loads(ran("capsule", "make", "u5", "latest", "-o", tmp_path / "mine", "-w", site, "--json").stdout)
    assert made["release"] == newest.name


def test_where_there_is_no_workspace_it_is_the_newest_in_the_folder(site: Path, tmp_path: Path) -> None:
    older, newest = published([site / "releases"])
    assert ran("verify", site / "releases" / "latest").stdout == ran("verify", newest).stdout
    assert newest.name in ran("verify", older, "--later", site / "releases" / "latest", code=3).stdout
    ran("capsule", "make", "u5", "latest", "-o", tmp_path / "mine", "-w", site)
    assert ran("check-me", tmp_path / "mine", site / "releases" / "latest").exit_code == 0
    ran("verify", tmp_path / "latest", code=2)  # nothing was published there


def test_where_nothing_was_published_there_is_no_newest(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no release `latest`"):
        named([tmp_path], "latest")


def test_of_several_folders_it_is_the_newest_of_all(site: Path, tmp_path: Path) -> None:
    (tmp_path / "9999-later").mkdir()
    (tmp_path / "9999-later" / "manifest.json").write_text("{}")
    (tmp_path / ".staging-9").mkdir()
    (tmp_path / ".staging-9" / "manifest.json").write_text("{}")
    assert named([tmp_path, site / "releases"], "latest").name == "9999-later"
    (site / "releases" / "9999-later").symlink_to(tmp_path / "9999-later")
    try:
        with pytest.raises(ReleaseError, match="two releases `9999-later`"):
            named([tmp_path, site / "releases"], "latest")
    finally:
        (site / "releases" / "9999-later").unlink()
