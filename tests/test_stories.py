"""The stories of docs/stories.md, told by the commands themselves: what stands there is what they print.

A line of a page that begins with ``$`` is run; those below it have to be what it printed, where ``…`` stands for anything
(times, digests, names of releases) and a line of nothing but ``…`` for any number of lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

import small
from aboveboard import mainjob
from aboveboard.cli import doors
from aboveboard.workspace import open_workspace, read_job

PAGE = Path(__file__).parent.parent / "docs" / "stories.md"
ABROAD = ("u1", "u4", "u7", "u10")


def abroad(people: list[dict[str, object]]) -> None:
    """Four of the twelve live in the United States, where this regime asks nothing more."""
    for one in people:
        if one["subject"] in ABROAD:
            one["residency"] = "CA"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A platform that built one release in June 2024."""
    folder = small.make(tmp_path / "site", people=abroad)
    settings = (folder / "aboveboard.toml").read_text()
    (folder / "aboveboard.toml").write_text(settings.replace('IE = "notice"', 'IE = "notice"\nCA = "notice"'))
    ws = open_workspace(folder)
    with ws.ledger:
        mainjob.build(ws, read_job(folder / "job.toml"), clock=lambda: datetime(2024, 6, 15, 12, tzinfo=UTC))
    monkeypatch.chdir(folder)
    return folder


def stories() -> list[str]:
    return [title.strip() for title in re.findall(r"^## (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)]


def told(title: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a story, each with the lines that it is said to print."""
    section = PAGE.read_text("utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *printed = command.rstrip("\n").split("\n")
            while line.endswith("\\"):
                line, printed = line[:-1] + printed[0].strip(), printed[1:]
            yield line, printed


def pattern(lines: list[str]) -> str:
    """What printed lines have to match."""
    made = "".join(".*\n?" if one == "…" else re.escape(one).replace("…", "[^\n]*") + "\n" for one in lines)
    return made.replace(".*\n?", "(?:[^\n]*\n)*")


@pytest.mark.parametrize("title", stories())
def test_a_story_is_what_the_commands_print(site: Path, title: str) -> None:
    names: dict[str, str] = {}
    commands = list(told(title))
    assert len(commands) >= 5
    for line, printed in commands:
        asked = line
        for name, value in names.items():
            asked = asked.replace(name, value)
        code = int(found.group(1)) if (found := re.search(r"  # exit (\d)$", asked)) else 0
        words = shlex.split(asked.partition("  # ")[0])
        assert words[0] == "aboveboard"
        result = CliRunner().invoke(doors, words[1:])
        assert result.exit_code == code, (asked, result.output, result.stderr)
        assert re.fullmatch(pattern(printed), result.output.rstrip("\n") + "\n"), (asked, result.output)
        if digest := re.search(r"--confirm ([0-9a-f]{16})", result.output):
            names["DIGEST"] = digest.group(1)
        here = sorted(path.name for path in (site / "releases").iterdir())
        names |= {"BEFORE": here[0], "AFTER": here[-1]}
