"""Histories of an invented service: from folders and from git, stopped and taken up again, with all that is no change."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.comparison import made_history
from tests.comparison.test_compare import BODY, OLD, changed

from aboveboard.cli import doors
from aboveboard.comparison.history import Entry, History, Version
from aboveboard.errors import SourceError
from aboveboard.recorded import Source, decoded

LATER = changed(("90 days", "12 months"), ("January 1, 2023", "June 1, 2023"))


def folded(*texts: str, days: int = 1, technical: frozenset[int] = frozenset()) -> list[Entry]:
    one, found = History(), []
    for number, text in enumerate(texts):
        when = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=days * number)
        found += one.add(Version(str(number), when, text, technical=number in technical))
    return [*found, *one.finish()]


def kinds(entries: list[Entry]) -> list[str]:
    return [entry.kind for entry in entries]


def combined(coming: str, current: str, day: str = "June 1, 2023") -> str:
    below = f"## Current Privacy Policy\n\nEffective until {day}\n\n{current}"
    return f"This version will go into effect on {day}.\n\n{coming}\n\n{below}"


def test_one_event_for_a_real_change() -> None:
    [event] = folded(OLD, OLD, OLD + "\n\n", LATER, LATER + "\n")
    assert (event.kind, event.id, event.before, event.effective) == ("change", "3", "2", "2023-06-01")
    assert event.confirmed
    assert not event.silent


def test_the_last_change_is_not_confirmed_by_anything() -> None:
    [event] = folded(OLD, LATER)
    assert not event.confirmed


def test_a_silent_edit_is_said() -> None:
    [event] = folded(OLD, changed(("90 days", "12 months")), changed(("90 days", "12 months")) + "\n")
    assert event.silent
    assert "silent edit" in event.sentence


def test_a_text_that_is_taken_back_soon_is_folded() -> None:
    assert kinds(folded(OLD, LATER, OLD)) == ["flip-flop"]
    assert kinds(folded(OLD, LATER, OLD, days=40)) == ["change", "change"]


def test_captures_that_cannot_be_the_policy() -> None:
    long = OLD + "\n\n".join(
        f"We keep list number {n} of our archive under the sign of the bird {n * 7}." for n in range(60)
    )
    found = folded(long, "Page is gone", "404 Not Found. The page that you asked for is not here, or never was.", long)
    assert kinds(found) == ["suspect", "suspect"]
    assert "3 words" in found[0].sentence


def test_an_announced_text_is_joined_to_the_day_it_came_into_force() -> None:
    page = combined(LATER, OLD)
    found = folded(OLD, page, page + "\n", LATER, LATER + "\n", days=30)
    assert kinds(found) == ["announced", "change"]
    assert found[1].announced_at == datetime(2023, 1, 31, tzinfo=UTC)
    assert "as announced, word for word" in found[1].sentence


def test_an_announcement_taken_back_and_moved_to_another_day() -> None:
    moved = LATER.replace("June 1, 2023", "June 8, 2023")
    found = folded(OLD, combined(LATER, OLD), OLD, combined(moved, OLD, "June 8, 2023"), moved, days=39)
    assert kinds(found) == ["announced", "taken-back", "announced", "change"]
    assert found[3].announced_at == datetime(2023, 2, 9, tzinfo=UTC)
    assert found[3].effective == "2023-06-08"


def test_what_came_into_force_otherwise_than_announced() -> None:
    other = changed(("90 days", "24 months"), ("January 1, 2023", "June 1, 2023"))
    found = folded(OLD, combined(LATER, OLD), other, other + "\n", days=80)
    assert "not word for word" in found[-1].sentence


def test_a_technical_change_of_the_recorder_is_none() -> None:
    found = folded(
        OLD,
        OLD + "\n\nAnother part of the page is read now, and it is long enough to be seen.\n",
        technical=frozenset({1}),
    )
    assert kinds(found) == ["technical"]


def test_entries_go_to_json_and_back() -> None:
    for entry in folded(OLD, combined(LATER, OLD), LATER, "Page is gone", days=80):
        assert Entry.from_json(json.loads(json.dumps(entry.as_json()))) == entry


# --- sources ------------------------------------------------------------------------------------------------------


def run(*args: object) -> str:
    found = CliRunner().invoke(doors, ["policy", *map(str, args)])
    assert found.exit_code == 0, found.output + str(found.exception)
    return found.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "recorded"
    place.mkdir()
    for name, text in (
        ("2023-01-01", OLD),
        ("2023-01-09", OLD + "\n"),
        ("2023-06-01", LATER),
        ("2023-07-01", LATER + "\n"),
    ):
        (place / f"{name}.md").write_text(text, "utf-8")
    return place


def test_a_folder_of_dated_files(folder: Path) -> None:
    found = json.loads(run("history", folder, "--json"))
    assert (found["versions"], found["changes"]) == (4, 1)
    assert [entry["id"] for entry in found["entries"]] == ["2023-06-01.md"]


def test_a_policy_folder(tmp_path: Path) -> None:
    for name, text in (("2023-01-01", OLD), ("2023-06-01", LATER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.md").write_text(text, "utf-8")
    assert json.loads(run("history", tmp_path, "--json"))["changes"] == 1


def test_a_file_in_the_wrong_encoding_is_named_and_the_rest_is_read(folder: Path) -> None:
    (folder / "2023-03-01.txt").write_bytes("Wir schützen Sie".encode("latin-1") * 20)
    found = json.loads(run("history", folder, "--json"))
    assert [entry["kind"] for entry in found["entries"]] == ["suspect", "change"]
    assert "is not UTF-8" in found["entries"][0]["sentence"]
    with pytest.raises(SourceError, match="byte 7"):
        decoded("Wir schützen".encode("latin-1"), "x.txt")
    assert decoded("Wir schützen".encode("utf-16"), "x.txt") == "Wir schützen"


@pytest.mark.parametrize("name", ["2023-13-45.md", "notes.md"])
def test_a_folder_without_dates(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(OLD, "utf-8")
    with pytest.raises(SourceError, match=r"no dated file|is no date"):
        list(Source(tmp_path).versions())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    place = tmp_path_factory.mktemp("git") / "versions"
    return place, made_history.repository(place, 130, words=700)


def test_a_repository_yields_its_real_changes_and_nothing_else(repository: tuple[Path, int]) -> None:
    place, real = repository
    found = json.loads(run("history", place, "--json"))
    assert (found["versions"], found["changes"]) == (130, real)
    assert {entry["kind"] for entry in found["entries"]} == {"change"}
    assert {entry["document"] for entry in found["entries"]} == {made_history.DOCUMENT}
    assert all(entry["effective"] == entry["recorded_at"][:10] for entry in found["entries"])


def test_a_history_that_was_stopped_goes_on(repository: tuple[Path, int], tmp_path: Path) -> None:
    place, _ = repository
    whole = run("history", place, "--json", "--resume", tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_text("utf-8").splitlines(keepends=True)
    for kept, torn in ((2, ""), (3, lines[3][:50])):
        stopped = tmp_path / f"stopped-{kept}.jsonl"
        stopped.write_text("".join(lines[:kept]) + torn, "utf-8")
        assert run("history", place, "--json", "--resume", stopped) == whole
        assert stopped.read_text("utf-8").splitlines(keepends=True)[:kept] == lines[:kept]


def test_a_place_that_is_not_in_the_source(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "place.jsonl"
    run("history", folder, "--resume", file)
    (folder / "2023-07-01.md").rename(folder / "2023-07-02.md")
    found = CliRunner().invoke(doors, ["policy", "history", str(folder), "--resume", str(file)])
    assert found.exit_code == 1
    file.write_text("[]x\n", "utf-8")
    found = CliRunner().invoke(doors, ["policy", "history", str(folder), "--resume", str(file)])
    assert "no file that --resume wrote" in found.stderr


def test_commits_are_linked_where_the_repository_is_on_github(tmp_path: Path) -> None:
    made_history.repository(tmp_path / "r", 25, words=300)
    git = ["git", "-C", str(tmp_path / "r")]
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:chirper/versions.git"], check=True)
    [entry] = json.loads(run("history", tmp_path / "r", "--json", "--document", made_history.DOCUMENT))["entries"]
    assert entry["link"] == f"https://github.com/chirper/versions/commit/{entry['id'].partition(':')[0]}"


def test_an_empty_repository_and_an_unknown_document(repository: tuple[Path, int], tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for args in ([tmp_path], [repository[0], "--document", "Nobody/Nothing.md"]):
        found = CliRunner().invoke(doors, ["policy", "history", *map(str, args)])
        assert found.exit_code == 1
        assert found.stderr.startswith("error: ")


def test_a_timeline_as_text_and_as_a_page(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "timeline.html"
    text = run("history", folder, "--html", page)
    assert "in force 2023-06-01 by its own words" in text
    assert "4 versions, 1 real change, 0 other entries" in text
    written = page.read_text("utf-8")
    assert "<script" not in written
    assert "<ins>" in written
    assert '<time datetime="2023-06-01T00:00:00+00:00">' in written


# --- policy compare -----------------------------------------------------------------------------------------------


def test_compare_files_as_text_json_and_page(folder: Path, tmp_path: Path) -> None:
    old, new, page = folder / "2023-01-01.md", folder / "2023-06-01.md", tmp_path / "changes.html"
    assert "1 change: 1 widens." in run("compare", old, new, "--html", page)
    assert "12 months" in page.read_text("utf-8")
    found = json.loads(run("compare", old, new, "--json"))
    assert found["format"] == "aboveboard.comparison/1"
    assert [change["rule"] for change in found["changes"]] == ["longer"]


def test_compare_says_what_is_no_policy(folder: Path) -> None:
    (folder / "gone.html").write_text(
        "<html><body><h1>404</h1><p>Page not found, and nobody knows where it went.</p></body></html>"
    )
    found = CliRunner().invoke(doors, ["policy", "compare", str(folder / "2023-01-01.md"), str(folder / "gone.html")])
    assert found.exit_code == 1
    assert "Nothing was compared." in found.stdout


def test_compare_versions_of_a_policy(tmp_path: Path) -> None:
    from aboveboard.demo import make

    make(tmp_path / "birdsite")
    names = sorted(path.name for path in (tmp_path / "birdsite" / "policies" / "birdsite").iterdir())
    found = json.loads(run("compare", names[0], names[-1], "-w", tmp_path / "birdsite", "--json"))
    assert found["changes"]
    missing = CliRunner().invoke(doors, ["policy", "compare", names[0], "1999-01-01", "-w", str(tmp_path / "birdsite")])
    assert "has no version `1999-01-01`" in missing.stderr


@pytest.mark.parametrize("rename", ["Twitter", "=X", "Twitter="])
def test_a_rename_that_is_none(folder: Path, rename: str) -> None:
    file = str(folder / "2023-01-01.md")
    assert CliRunner().invoke(doors, ["policy", "compare", file, file, "--rename", rename]).exit_code == 2


def test_the_body_is_long_enough_to_be_a_policy() -> None:
    assert len(BODY.split()) > 100
