"""Counting beside the requests: a page never waits, whoever asks again gets the same, and a failure is told and not kept."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest
from tests.portal.conftest import Made, Platform

from aboveboard.errors import SourceError
from aboveboard.portal.numbers import Numbers, Question

LATER = """
policy = "small"
version = "2021-01-01"
effective_from = 2021-01-01
zone = "UTC"
establishment = "IE"
text_sha256 = "{digest}"
[[clause]]
id = "training"
effect = "permit"
purposes = ["train_ai_system.generative"]
categories = ["user.content.public"]
audience = "public"
recipients = ["controller"]
basis = "consent"
control = "ai-training"
citation = {{ quote = "We train models if you say yes." }}
"""


def later_version(here: Platform) -> str:
    """A second version of the small platform's policy; its words."""
    text = "We train models if you say yes.\n"
    folder = here.ws.policy_folder / "2021-01-01"
    folder.mkdir()
    (folder / "policy.toml").write_text(LATER.format(digest=hashlib.sha256(text.encode()).hexdigest()))
    (folder / "text.md").write_text(text)
    return text


def counted(numbers: Numbers, question: Question) -> tuple[str, dict[str, Any] | None]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = numbers.of(question, 0.5)
        if found[0] != "counting":
            return found
    raise AssertionError("nothing was counted")


def test_the_numbers_are_those_of_the_command(platform: Made) -> None:
    from aboveboard import mainjob
    from aboveboard.effect import effect
    from aboveboard.gate import Job
    from aboveboard.workspace import JobFile

    here = platform(build=False)
    text = later_version(here)
    numbers = Numbers(here.ws)
    state, found = counted(numbers, Question("u1", "2020-01-01", "2021-01-01", 0))
    assert (state, found is not None) == ("counted", True)
    assert counted(numbers, Question("nobody", "2020-01-01", "2021-01-01", 0)) == ("none", None)
    numbers.close()
    with mainjob.prepared(here.ws, JobFile(Job("service.operation"))) as ready:
        told = effect(ready, "2020-01-01", "2021-01-01", text, subject="u1").as_json()
    assert found is not None
    assert found["author"] == told["author"]
    page = here.client("u1").get("/policies/compare.json").json()
    assert page["new"]["version"] == "2021-01-01"
    assert page["effect"]["state"] in ("counting", "counted")


def test_what_was_posted_since_is_counted_the_next_day(platform: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody asks in between, which alone would keep what was read."""
    monkeypatch.setattr("aboveboard.portal.numbers.STAGED", 0.0)
    here = platform(build=False)
    later_version(here)
    numbers, posts, told = Numbers(here.ws), here.ws.folder / "posts.jsonl", []
    for day in ("2026-01-01", "2026-01-02"):
        _, found = counted(numbers, Question("u1", "2020-01-01", "2021-01-01", 0, day))
        assert found is not None
        told.append(sum(cell["declared_rule"]["of"] for one in found["author"] for cell in one["categories"]))
        more = {"id": "later", "who": "u1", "words": "one more bird", "seconds": 1_600_000_200}
        posts.write_text(f"{json.dumps(more)}\n{posts.read_text()}")
    numbers.close()
    assert told[1] == told[0] + 1


def test_what_fails_is_told_and_asked_anew(platform: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard import mainjob

    def broken(*_: Any) -> Any:
        raise SourceError("the sources cannot be read")

    here = platform(build=False)
    numbers, question = Numbers(here.ws), Question("u1", "2020-01-01", "2020-01-01", 0)
    monkeypatch.setattr(mainjob, "prepared", broken)
    assert counted(numbers, question) == ("failed", None)
    assert question not in numbers._found
    numbers.close()


def test_too_many_are_told_to_come_back(platform: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = Numbers(platform(build=False).ws)
    monkeypatch.setattr(numbers, "_begin", lambda: None)  # nobody answers
    states = [numbers.of(Question(f"u{n}", "a", "b", 0), 0)[0] for n in range(300)]
    assert states[:256] == ["counting"] * 256
    assert set(states[256:]) == {"busy"}
