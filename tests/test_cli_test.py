"""``aboveboard policy test``: what people see when their cases hold, when one does not, and when a file is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aboveboard import casefile
from aboveboard.casefile import CaseError
from aboveboard.cli import doors
from aboveboard.errors import AboveboardError, PolicyError

VECTORS = Path(__file__).parent / "vectors"
POLICY = (VECTORS / "policies" / "after.toml").read_text("utf-8")
CASES = """
policy = "policy.toml"
as_of = 2023-12-01
job = { purpose = "train_ai_system.generative" }
regions = { IE = "notice" }

[defaults.record]
subject = "u:1"
collected_at = 2023-10-01T09:00:00Z

[defaults.facts]
state = "active"
protected = false
age_band = "adult"
residency = "IE"

[[case]]
name = "a public post"
expect = { outcome = "permit", decisive = "allow.policy_clause", codes = ["allow.policy_clause"] }
"""
WRONG = """
[[case]]
name = "a no"
events = [{ type = "objected", recorded_at = 2023-11-01 }]
expect = { outcome = "permit", decisive = "allow.policy_clause", codes = ["allow.policy_clause"], withdraws = false }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY, "utf-8")
    return tmp_path


def written(folder: Path, text: str, name: str = "cases.toml") -> str:
    (folder / name).write_text(text, "utf-8")
    return str(folder / name)


def ran(*args: str) -> Result:
    return CliRunner().invoke(doors, ["policy", "test", *args])


def parsed(text: str) -> casefile.CaseFile:
    return casefile.parse(text.encode(), "cases.toml", lambda name: POLICY.encode())


def test_cases_that_hold_end_with_0(folder: Path) -> None:
    result = ran(written(folder, CASES))
    assert result.exit_code == 0, result.output
    assert result.output == "ok      a public post\n\n1 case, all as expected\n"


def test_a_case_that_fails_is_told_and_ends_with_3(folder: Path) -> None:
    result = ran(path := written(folder, CASES + WRONG))
    assert result.exit_code == 3
    assert result.output.splitlines() == [
        "ok      a public post",
        f"FAILED  a no  ({path})",
        "        expected outcome permit, got refuse",
        "        expected decisive allow.policy_clause (a clause of the policy allows it)",
        "             got decisive subj.opted_out (the person it is about said no)",
        "        missing: allow.policy_clause (a clause of the policy allows it)",
        "        unexpected: subj.opted_out (the person it is about said no)",
        "        unexpected: subj.objected (the person objected)",
        "        expected withdraws false, got true",
        "",
        "2 cases, 1 failed",
    ]


def test_the_json_document_is_stable(folder: Path) -> None:
    result = ran(path := written(folder, CASES + WRONG), "--json")
    assert result.exit_code == 3
    assert json.loads(result.output) == {
        "cases": [
            {
                "file": path, "case": "a public post", "ok": True, "outcome": "permit",
                "decisive": "allow.policy_clause", "reasons": ["allow.policy_clause"], "differences": {}, "engine": {},
            },
            {
                "file": path, "case": "a no", "ok": False, "outcome": "refuse", "decisive": "subj.opted_out",
                "reasons": ["subj.opted_out", "subj.objected"], "engine": {},
                "differences": {
                    "outcome": {"expected": "permit", "got": "refuse"},
                    "decisive": {"expected": "allow.policy_clause", "got": "subj.opted_out"},
                    "codes": {"expected": ["allow.policy_clause"], "got": ["subj.opted_out", "subj.objected"]},
                    "withdraws": {"expected": False, "got": True},
                },
            },
        ],
        "passed": 1,
        "failed": 1,
    }  # fmt: skip


def test_the_engine_judges_too_when_asked(folder: Path) -> None:
    assert ran(written(folder, CASES), "--engine").exit_code == 0


def test_an_engine_that_disagrees_is_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard.cli import casetest

    case = parsed(CASES + WRONG).cases[1]
    monkeypatch.setattr(casetest, "by_engine", lambda cases: [case.gate.decide(case.record)])
    result = ran(written(folder, CASES), "--engine")
    assert result.exit_code == 3
    assert "the engine disagrees with the reference judgement; please report this" in result.output
    assert "got decisive subj.opted_out" in result.output


def test_without_a_file_the_cases_of_the_workspace_are_meant(folder: Path) -> None:
    (folder / "cases").mkdir()
    written(folder, CASES.replace('"policy.toml"', '"../policy.toml"'), "cases/one.toml")
    result = ran("-w", str(folder))
    assert result.exit_code == 0, result.output
    assert "1 case, all as expected" in result.output


def test_no_cases_at_all_is_said(folder: Path) -> None:
    result = ran("-w", str(folder))
    assert result.exit_code == 1
    assert "no case files in" in result.output


def test_a_policy_that_does_not_hold_ends_with_4(folder: Path) -> None:
    (folder / "policy.toml").write_text(POLICY.replace('"train_ai_system.generative"', '"train_ai"'), "utf-8")
    result = ran(written(folder, CASES))
    assert result.exit_code == 4
    assert "unknown purpose `train_ai`" in result.output


def test_a_policy_that_is_not_there_ends_with_4(folder: Path) -> None:
    result = ran(written(folder, CASES.replace("policy.toml", "lost.toml")))
    assert result.exit_code == 4
    assert "the policy `lost.toml` cannot be read" in result.output


@pytest.mark.parametrize(
    ("wrong", "sentence", "hint"),
    [
        ('outcome = "permits"', "unknown outcome `permits`", "did you mean `permit`?"),
        ('outcome = "permit", decisive = "allow.police"', "unknown reason `allow.police`", "allow.policy_clause"),
        ('outcome = "permit", decisiv = "x"', "unknown expect field `decisiv`", "`decisive`"),
        ('decisive = "allow.none"', "`expect` has no `outcome`", "permit, redact, hold or refuse"),
        ('outcome = "permit", removed = 1', "`removed` is a list, not `1`", ""),
    ],
)
def test_a_wrong_expectation_is_an_error(wrong: str, sentence: str, hint: str) -> None:
    with pytest.raises(CaseError) as raised:
        parsed(CASES + f'\n[[case]]\nname = "it"\nexpect = {{ {wrong} }}\n')
    assert raised.value.sentence == sentence
    assert hint in raised.value.hint
    assert raised.value.context == {"file": "cases.toml", "case": "it"}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('record = { kind = "pots" }', "unknown kind `pots`"),
        ('record = { kinds = "post" }', "unknown record field `kinds`"),
        ('record = { audience = "publik" }', "unknown audience `publik`"),
        ('record = { categories = ["user.contents"] }', "unknown category `user.contents`"),
        ('record = { collected_at = "soon" }', "`collected_at` is a date or a time, not `soon`"),
        ('record = { parts = [{ place = "span" }] }', "a part has no `kind`"),
        ('record = { parts = [{ kind = "quote", start = "0" }] }', "`start` is a whole number, not `0`"),
        ('record = { signals = [{ code = "vis.unlisted" }] }', "unknown signal `vis.unlisted`"),
        ('facts = [{ residency = "Narnia" }]', "unknown residency `Narnia`"),
        ('facts = [{ protected = "no" }]', "`protected` is true or false, not `no`"),
        ('facts = { state = "active" }', "`facts` is a list of tables, not `{'state': 'active'}`"),
        ('events = [{ type = "said", recorded_at = 2023-11-01 }]', "unknown event type `said`"),
        ('events = [{ type = "given" }]', "an event has no `recorded_at`"),
        ('record = { subject = "unknown" }\nfacts = [{ state = "active" }]', "facts without a subject"),
        ('job = { purpose = "train_ai_system" }', "a job has one purpose, and `train_ai_system` is a family of them"),
        ('job = { regime = "lax" }', "unknown regime `lax`"),
        ('regions = { EUROPE = "eu" }', "unknown region `EUROPE`"),
        ('regime = { own = { unlisted = "maybe" } }', "regime `own` answers `unlisted` with `maybe`"),
        ('licence = { feed = { purpose = "analyse" } }', "unknown licence field `purpose`"),
        ('recrod = { kind = "post" }', "unknown key `recrod`"),
        (
            'record = { parts = [{ kind = "card", place = "field", start = 3 }] }',
            "a part in a field of its own has a start or an end in the text",
        ),
    ],
)
def test_a_wrong_case_is_an_error_that_names_it(table: str, sentence: str) -> None:
    with pytest.raises(CaseError) as raised:
        parsed(f'{CASES}\n[[case]]\nname = "it"\n{table}\nexpect = {{ outcome = "permit" }}\n')
    assert raised.value.sentence == sentence
    assert raised.value.context["case"] == "it"


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("= 1", CaseError, "not valid TOML or JSON"),
        ("{ not json", CaseError, "not valid TOML or JSON"),
        ("polcy = 1", CaseError, "unknown key `polcy`"),
        (CASES.replace('name = "a public post"', ""), CaseError, "case 1 has no `name`"),
        (CASES + CASES[CASES.index("[[case]]") :], CaseError, "two cases are called `a public post`"),
        (CASES.replace("as_of = 2023-12-01", ""), CaseError, "`as_of` is missing"),
        (CASES.replace('policy = "policy.toml"', ""), PolicyError, "no policy version found"),
        (CASES.replace("{ purpose =", "{ model ="), CaseError, "the job has no `purpose`"),
        (CASES.replace("[defaults.record]", "[defaults.records]"), CaseError, "unknown key of defaults `records`"),
    ],
)
def test_a_wrong_file_is_an_error(text: str, kind: type[AboveboardError], sentence: str) -> None:
    with pytest.raises(kind) as raised:
        parsed(text)
    assert raised.value.sentence.startswith(sentence)


def test_json_says_the_same_as_toml() -> None:
    document = {
        "policy": "policy.toml", "as_of": "2023-12-01", "job": {"purpose": "train_ai_system.generative"},
        "regions": {"IE": "notice"},
        "case": [
            {
                "name": "a public post, and nobody knows its language",
                "record": {"subject": "u:1", "collected_at": "2023-10-01T09:00:00Z", "language": None},
                "facts": [{"state": "active", "protected": False, "age_band": "adult", "residency": "IE"}],
                "expect": {"outcome": "permit"},
            }
        ],
    }  # fmt: skip
    [case] = parsed(json.dumps(document)).cases
    assert case.run() is None
    assert case.gate == parsed(CASES).cases[0].gate


def test_what_is_left_open_is_not_compared() -> None:
    open_ended = CASES.replace(', decisive = "allow.policy_clause", codes = ["allow.policy_clause"]', "")
    assert parsed(open_ended).cases[0].run() is None


def test_every_field_that_is_given_is_compared() -> None:
    [case] = parsed(CASES).cases
    complete = casefile.expectation(case.gate.decide(case.record))
    wrong = casefile.Expect(
        "hold", "allow.none", frozenset(), frozenset({"allow.none"}), (0,), True, "other", "never", "never"
    )
    difference = casefile.Case("it", case.gate, case.record, wrong).run()
    assert casefile.Case("it", case.gate, case.record, complete).run() is None
    assert difference is not None
    assert [one.name for one in difference.wrong] == [
        "outcome", "decisive", "codes", "part_codes", "removed", "withdraws", "clause", "policy_at_collection",
        "policy_now",
    ]  # fmt: skip
