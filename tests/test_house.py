"""The three laws of the house: imports only go down, acts and hands never meet, the dry rooms touch no world."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

import aboveboard

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "src" / "aboveboard"
CONTRACT = ROOT / ".importlinter"

PURE = {
    "__future__", "base64", "bisect", "collections", "dataclasses", "datetime", "difflib", "enum", "functools", "hashlib", "hmac",
    "html", "itertools", "json", "math", "re", "rfc8785", "struct", "textwrap", "tomllib", "typing", "unicodedata", "zoneinfo",
    "cryptography",
}  # fmt: skip
"""What a dry room may import: words, numbers, digests, signatures and parsers of bytes that it is given."""
IMPURE_CALLS = {"open", "input", "print", "eval", "exec", "compile", "__import__", "breakpoint"}
CLOCKS = {"now", "today", "utcnow"}
HEAVY = {
    "cryptography",
    "duckdb",
    "pyarrow",
    "sqlalchemy",
    "alembic",
    "click",
    "rich",
    "rfc8785",
    "zoneinfo",
    "tomllib",
}


def listed(section: str, key: str) -> list[str]:
    config = ConfigParser()
    config.read(CONTRACT, encoding="utf-8")
    return [
        name.strip().strip("()")
        for line in config[f"importlinter:contract:{section}"][key].split("\n")
        for name in line.replace("|", ":").split(":")
        if name.strip()
    ]


def lint_imports(contract: Path, source: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-c", "from importlinter.cli import lint_imports_command as go; go()",
        "--config", str(contract), "--no-cache",
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(source), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, env=env, cwd=contract.parent, capture_output=True, text=True, check=False)


def test_the_contract_is_kept() -> None:
    pytest.importorskip("importlinter")
    found = lint_imports(CONTRACT, ROOT / "src")
    assert found.returncode == 0, found.stdout + found.stderr


BREACHES = {
    "a dry room that knows a database": ("gate.py", "import duckdb"),
    "a dry room that reads files": ("policy.py", "from pathlib import Path"),
    "a dry room with a clock of its own": ("choice.py", "import time"),
    "an act that imports a hand": ("release.py", "from aboveboard.judgement import Judgement"),
    "a hand that imports an act": ("ledger/ledger.py", "from aboveboard.release import Release"),
    "an arrow upwards": ("engine.py", "from aboveboard.workspace import Workspace"),
    "a hand that prints": ("relate.py", "import click"),
    "a check that needs a database": ("verification/release.py", "import duckdb"),
}


@pytest.mark.parametrize(("room", "line"), BREACHES.values(), ids=BREACHES)
def test_the_contract_notices(tmp_path: Path, room: str, line: str) -> None:
    pytest.importorskip("importlinter")
    shutil.copytree(HOUSE, tmp_path / "aboveboard", ignore=shutil.ignore_patterns("__pycache__", "platform"))
    shutil.copy(CONTRACT, tmp_path)
    broken = tmp_path / "aboveboard" / room
    future = "from __future__ import annotations\n"
    broken.write_text(broken.read_text("utf-8").replace(future, future + line + "\n", 1), "utf-8")
    found = lint_imports(tmp_path / CONTRACT.name, tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    importer = f"aboveboard.{room.removesuffix('.py').replace('/', '.')}"
    assert f"{importer} -> {line.split()[1]}" in " ".join(found.stdout.split())


def test_every_room_below_the_wings_is_dry() -> None:
    floors = listed("floors", "layers")
    ground = floors[floors.index("capsule") :]
    dry = {name.removeprefix("aboveboard.") for name in listed("dry", "source_modules")}
    assert set(ground) - dry == {"steps", "kernel"}  # which read their own SQL files, and their own library
    assert dry <= set(ground)


@pytest.mark.parametrize("room", listed("dry", "source_modules"))
def test_dry_rooms_touch_no_world(room: str) -> None:
    name = HOUSE / room.removeprefix("aboveboard.")
    files = sorted(name.rglob("*.py")) if name.is_dir() else [name.with_suffix(".py")]
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))):
        for name in imported(node):
            assert name.partition(".")[0] in {*PURE, "aboveboard"}, f"{room} imports {name}"
        if isinstance(node, ast.Call):
            assert called(node) not in {*IMPURE_CALLS, *CLOCKS}, f"{room}:{node.lineno} calls {called(node)}"


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_every_module_says_what_it_is() -> None:
    for path in sorted(HOUSE.rglob("*.py")):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


# --- the public face ------------------------------------------------------------------------------------------


def test_importing_aboveboard_loads_nothing_heavy() -> None:
    code = "import aboveboard, sys; print(*sorted(m for m in sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(found.stdout.split())
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert {name for name in loaded if name.startswith("aboveboard")} == {"aboveboard"}


def test_every_public_name_is_there() -> None:
    assert 10 <= len(aboveboard.__all__) <= 15
    for name in aboveboard.__all__:
        assert getattr(aboveboard, name) is not None
        assert name in dir(aboveboard)


def test_the_public_names_are_those_of_their_rooms() -> None:
    from aboveboard.gate import Gate, decide
    from aboveboard.workspace import open_workspace

    assert (aboveboard.Gate, aboveboard.decide, aboveboard.open) == (Gate, decide, open_workspace)


@pytest.mark.parametrize("name", ["nothing", "open_workspace", "_ROOM"])
def test_other_names_are_not_public(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(aboveboard, name)
