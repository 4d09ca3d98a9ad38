"""docs/formats/comparison.md says what comparisons are: its keys, rules, codes and kinds are those of the code."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from aboveboard import comparison
from aboveboard.comparison import Change, Comparison
from aboveboard.comparison.changes import ASPECTS, DIRECTIONS, FORMAT
from aboveboard.comparison.history import FORMAT as HISTORY
from aboveboard.comparison.history import KINDS, Entry
from aboveboard.comparison.meaning import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "formats" / "comparison.md").read_text("utf-8")
CODE = Path(comparison.__file__).parent


def example(name: str) -> dict:
    [found] = re.findall(rf"^```json {name}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return json.loads(found)


def test_the_example_of_a_comparison_is_one() -> None:
    shown = example("comparison.json")
    assert shown["format"] == FORMAT
    assert Comparison.from_json(shown).as_json() == shown | {
        "changes": Comparison.from_json(shown).as_json()["changes"]
    }
    assert set(shown["changes"][0]) == {field.name for field in fields(Change)}
    assert set(shown) == set(Comparison().as_json())


def test_the_example_of_a_history_is_one() -> None:
    shown = example("history.json")
    assert shown["format"] == HISTORY
    entry = {key: value for key, value in shown["entries"][0].items() if key != "document"}
    assert Entry.from_json(entry).as_json() == entry


@pytest.mark.parametrize("name", [*RULES, *KINDS, *DIRECTIONS, *ASPECTS])
def test_every_name_is_told(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_every_code_of_a_note_or_problem_is_told() -> None:
    source = "".join(path.read_text("utf-8") for path in CODE.glob("*.py"))
    codes = set(re.findall(r'Note\(\s*"([a-z-]+)"', source))
    assert {"suspect-capture", "silent-edit", "error-page"} <= codes
    assert all(f"`{code}`" in PAGE for code in codes), codes
