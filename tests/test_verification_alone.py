"""``aboveboard verify`` runs where nothing is installed but what it needs: the package, cryptography, rfc8785 and click."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import small
from aboveboard import mainjob, proving
from aboveboard.workspace import open_workspace, read_job

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("cryptography", "cffi", "pycparser", "rfc8785", "click")
"""What is named to people, and what cryptography itself is built on."""
ABSENT = ("pyarrow", "duckdb", "sqlalchemy", "alembic", "rich", "numpy", "tzdata")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with these packages, each installed without what it says it depends on."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    source = Path(shutil.copytree(ROOT / "src", folder.parent / "project" / "src"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py"):
        shutil.copy(ROOT / name, source.parent)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    for what in (NEEDED, (str(source.parent),)):
        done = subprocess.run([*install, *what], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            if os.environ.get("CI"):
                pytest.fail(done.stderr[-2_000:])
            pytest.skip("pip reaches no registry: the environment with nothing else cannot be made")
    return folder / "bin"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small.make(tmp_path_factory.mktemp("proven") / "platform")
    ws = open_workspace(folder)
    made = mainjob.build(ws, read_job(folder / "job.toml"))
    (folder / "p7.json").write_bytes(proving.prove(made.public, made.private, "p7").data())
    ws.ledger.close()
    return folder


def run(alone: Path, *args: object, code: int = 0) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(alone / "aboveboard"), *map(str, args)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, cwd=alone, check=False)
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found.stdout if code == 0 else found.stderr


def test_nothing_else_is_installed(alone: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    found = subprocess.run([str(alone / "python"), "-I", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_a_release_is_verified_but_for_its_rows(alone: Path, platform: Path, tmp_path: Path) -> None:
    [public] = platform.glob("releases/*")
    report = json.loads(run(alone, "verify", public, "--json", "--remember", tmp_path / "seen"))
    assert [step["name"] for step in report["steps"] if not step["done"]] == ["rows", "history"]
    assert any("rows not recomputed" in one for one in report["not_proven"])
    assert "rows not recomputed" in run(
        alone, "verify", public, "--remember", tmp_path / "seen", "--log", platform / "log"
    )


def test_a_record_and_a_checkpoint_are_verified(alone: Path, platform: Path) -> None:
    [public] = platform.glob("releases/*")
    assert json.loads(run(alone, "verify", platform / "p7.json", "--json"))["kind"] == "record"
    key = (public / "proof" / "log.vkey").read_text().strip()
    assert "Everything above holds" in run(alone, "verify", platform / "log" / "checkpoint", "--key", key)


def test_what_is_false_fails_there_too(alone: Path, platform: Path, tmp_path: Path) -> None:
    [public] = platform.glob("releases/*")
    copy = Path(shutil.copytree(public, tmp_path / "release"))
    path = copy / "proof" / "release.tlog-proof"
    path.write_bytes(path.read_bytes().replace(b"\nindex ", b"\nindex 1", 1))
    assert "8 entries" in run(alone, "verify", copy, code=5)


def test_a_command_that_needs_more_says_what(alone: Path, platform: Path) -> None:
    assert "which is not installed" in run(alone, "release", "build", platform / "job.toml", "-w", platform, code=1)


def test_help_is_there(alone: Path) -> None:
    assert "verify" in run(alone, "--help")
    assert "Exit 5 when it is false" in run(alone, "verify", "--help")
