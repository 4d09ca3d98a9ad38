"""``aboveboard policy check`` and ``policy show``, and the reading of policy folders behind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aboveboard import policies
from aboveboard.cli import doors
from aboveboard.errors import PolicyError

TEXT = "# Reef\n\n## Training\n\nOur models learn from public shells. You can opt out.\n"
CLAUSE = """
[[clause]]
id = "train"
effect = "permit"
purposes = ["train_ai_system.generative"]
categories = ["user.content.public"]
audience = "public"
recipients = ["controller", "affiliate:atoll"]
basis = "legitimate_interest"
control = "training"
when = { all = [{ eq = ["subject.age_band", "adult"] }, { exists = "subject.residency" }] }
citation = { heading = ["Training"], quote = "Our models learn from public shells" }
"""
PROMISE = """
[[commitment]]
id = "shore"
from = 2023-08-31
purposes = ["train_ai_system"]
audience = "public"
deny_categories = ["user.communication"]
source = "the notice board"

[[embargo]]
id = "court"
purposes = ["train_ai_system"]
regions = ["EEA"]
collected_from = 2024-05-07
source = "the court"

[[retention]]
categories = ["user.content"]
period = "P18M"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes one version into ``tmp_path/ws/policies/reef`` and gives the policy folder."""

    def version(name: str, rules: str = CLAUSE, text: str = TEXT, head: str = "", begins: str = "") -> Path:
        folder = tmp_path / "ws" / "policies" / "reef" / name
        folder.mkdir(parents=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        top = f'policy = "reef"\nversion = "{name}"\neffective_from = {begins or name}\nzone = "Europe/Dublin"\n'
        (folder / "policy.toml").write_text(f'{top}text_sha256 = "{digest}"\n{head}\n{rules}', "utf-8")
        (folder / "text.md").write_bytes(text.encode())
        return folder.parent

    return version


def run(*args: object) -> Result:
    return CliRunner().invoke(doors, ["policy", *map(str, args)])


# --- check --------------------------------------------------------------------------------------------------------


def test_a_sound_policy_ends_with_0(write: Write) -> None:
    result = run("check", write("2023-05-18"))
    assert (result.exit_code, result.stdout) == (0, "reef: the policy holds together (0 errors, 0 warnings)\n")


def test_a_policy_is_named_from_inside_of_its_folder_too(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write("2023-05-18"))
    assert run("check", ".").stdout.startswith("reef: ")


def test_findings_come_by_version_with_file_and_line(write: Write) -> None:
    write("2023-05-18", rules="")
    folder = write("2023-09-29", rules=CLAUSE.replace("public shells", "all shells"))
    result = run("check", folder)
    assert result.exit_code == 4
    assert result.stdout.index("version 2023-05-18") < result.stdout.index("version 2023-09-29")
    assert "2023-05-18/text.md:5: error: the text names a choice" in result.stdout
    assert "2023-09-29/text.md:5: error: the text does not say" in result.stdout
    assert "the rules moved and no words did: clause train added (widens)" in result.stdout
    assert result.stdout.endswith("reef: the policy is refused (3 errors, 1 warning)\n")


def test_warnings_alone_do_not_refuse(write: Write) -> None:
    folder = write("2023-05-18", rules=CLAUSE.replace('audience = "public"', 'audience = "followers"'))
    result = run("check", folder)
    assert result.exit_code == 0
    assert "[training-beyond-public]" in result.stdout
    assert result.stdout.endswith("(0 errors, 1 warning)\n")


def test_every_file_is_read_however_broken_the_others_are(write: Write) -> None:
    write("2023-01-01", rules="[[clause")
    write("2023-02-01", rules=CLAUSE.replace("user.content.public", "user.content.publik"))
    folder = write("2023-03-01", rules=CLAUSE.replace("Our models", "Their models"))
    (folder / "2023-04-01").mkdir()
    found = json.loads(run("check", folder, "--json").stdout)
    assert [(f["version"], f["rule"]) for f in found["findings"]] == [
        ("2023-01-01", "unreadable"),
        ("2023-02-01", "unreadable"),
        ("2023-04-01", "unreadable"),
        ("2023-04-01", "text-missing"),
        ("2023-03-01", "quote-not-in-text"),
        ("2023-03-01", "choice-without-control"),
    ]
    near = found["findings"][1]
    assert "`user.content.public`" in near["hint"]
    assert (near["clause"], Path(near["file"]).name) == ("train", "policy.toml")


def test_json_is_one_document(write: Write) -> None:
    found = json.loads(run("check", write("2023-05-18"), "--json").stdout)
    assert found == {"valid": True, "errors": 0, "warnings": 0, "findings": [], "moved": []}


def test_a_text_that_changed_is_found_and_still_checked(write: Write) -> None:
    folder = write("2023-05-18")
    (folder / "2023-05-18" / "text.md").write_text("# Reef\n\n## Training\n\nOther words.\n", "utf-8")
    found = json.loads(run("check", folder, "--json").stdout)
    assert [f["rule"] for f in found["findings"]] == ["text-changed", "quote-not-in-text"]


@pytest.mark.parametrize(
    ("second", "rule"),
    [
        ({"name": "2023-06-01", "head": "effective_to = 2023-06-02"}, None),
        ({"name": "other", "begins": "2023-05-18"}, "versions-overlap"),
        ({"name": "2023-09-29", "head": "announced_at = 2023-10-01"}, "announced-after-effect"),
    ],
)
def test_what_does_not_hold_over_time(write: Write, second: dict[str, str], rule: str | None) -> None:
    write("2023-05-18")
    found = json.loads(run("check", write(**second), "--json").stdout)
    assert [f["rule"] for f in found["findings"]] == ([rule] if rule else [])


def test_a_gap_and_a_name_given_twice(write: Write) -> None:
    write("2023-05-18", head="effective_to = 2023-06-01")
    folder = write("2023-09-29")
    rules = folder / "2023-09-29" / "policy.toml"
    rules.write_text(rules.read_text("utf-8").replace('version = "2023-09-29"', 'version = "2023-05-18"'), "utf-8")
    found = [f["rule"] for f in json.loads(run("check", folder, "--json").stdout)["findings"]]
    assert found == ["version-twice", "version-twice", "versions-gap"]


def test_every_way_to_name_a_policy(write: Write, tmp_path: Path) -> None:
    folder = write("2023-05-18")
    ways = [folder, folder / "2023-05-18", folder / "2023-05-18" / "policy.toml", folder.parent, tmp_path / "ws"]
    assert [run("check", way).exit_code for way in ways] == [0] * 5
    assert run("check", "-w", tmp_path / "ws").exit_code == 0
    (tmp_path / "ws" / "aboveboard.toml").write_text('[policy]\nfolder = "policies/reef"\n', "utf-8")
    assert run("check", "-w", tmp_path / "ws").exit_code == 0
    assert run("check", tmp_path).exit_code == 4


# --- show ---------------------------------------------------------------------------------------------------------


def test_the_version_in_force_in_sentences(write: Write) -> None:
    result = run("show", write("2023-05-18", rules=CLAUSE + PROMISE, head='establishment = "IE"'))
    assert result.exit_code == 0
    for said in (
        "Policy reef, version 2023-05-18, established in IE.",
        "In force from 18 May 2023 (Europe/Dublin)",
        "Clause train permits to train models that write or draw (train_ai_system.generative)",
        "with: what someone made for everybody (user.content.public).",
        "It reaches what everyone can see.",
        "and an affiliated company (atoll).",
        "Basis: legitimate interest, allowed unless you say no.",
        "Choice: people decide with `training`.",
        "Condition: (subject.age_band is adult) and (subject.residency is known).",
        'It cites Training: "Our models learn from public shells"',
        "Promise shore binds from 31 August 2023 (Europe/Dublin), and older data too.",
        "only what everyone can see; never private communication (user.communication).",
        "Undertaking court: data of people in EEA,",
        "Kept for 1 year and 6 months after it was collected: what someone made (user.content).",
        "When somebody says no: intake stops at once, releases that hold the data are replaced within 1 day",
    ):
        assert said in result.stdout


@pytest.mark.parametrize(
    ("at", "named"),
    [
        ("2023-09-28", "2023-05-18"),
        ("2023-09-29", "2023-09-29"),
        ("2023-09-28T22:59:59Z", "2023-05-18"),
        ("2023-09-28T23:00:00Z", "2023-09-29"),  # midnight in Dublin
        ("2023-09-28T23:59", "2023-05-18"),  # no offset: the clocks of the policy
        ("2023-05-18", "2023-05-18"),
    ],
)
def test_the_version_at_a_time(write: Write, at: str, named: str) -> None:
    write("2023-05-18")
    folder = write("2023-09-29")
    assert json.loads(run("show", folder, "--at", at, "--json").stdout)["version"] == named


def test_the_next_version_is_named_once_it_is_announced(write: Write) -> None:
    write("2023-05-18")
    folder = write("2023-09-29", head="announced_at = 2023-08-30")
    assert "Next:" not in run("show", folder, "--at", "2023-08-29").stdout
    said = run("show", folder, "--at", "2023-08-30").stdout
    assert "Next: version 2023-09-29 comes into force on 29 September 2023 (Europe/Dublin)" in said
    assert json.loads(run("show", folder, "--at", "2023-05-18", "--json").stdout)["next"] is None


def test_a_version_folder_shows_that_version(write: Write) -> None:
    folder = write("2023-05-18")
    write("2023-09-29")
    assert "version 2023-05-18" in run("show", folder / "2023-05-18").stdout


def test_nothing_in_force_ends_with_3(write: Write) -> None:
    folder = write("2023-05-18")
    result = run("show", folder, "--at", "2023-05-17")
    assert (result.exit_code, "nothing is permitted" in result.stdout) == (3, True)
    assert json.loads(run("show", folder, "--at", "2023-05-17", "--json").stdout)["version"] is None


def test_a_time_that_is_none_and_a_policy_that_is_one_of_two(write: Write, tmp_path: Path) -> None:
    folder = write("2023-05-18")
    assert run("show", folder, "--at", "soon").exit_code == 2
    folder.rename(folder.parent / "atoll")
    write("2023-05-18")
    result = run("show", tmp_path / "ws")
    assert (result.exit_code, "name one" in result.stderr) == (2, True)


def test_the_whole_version_is_in_the_json(write: Write) -> None:
    shown = json.loads(run("show", write("2023-05-18", rules=CLAUSE + PROMISE), "--json").stdout)
    assert shown["effective_from"] == "2023-05-17T23:00:00+00:00"
    assert shown["clauses"][0]["when"] == "(subject.age_band is adult) and (subject.residency is known)"
    assert shown["commitments"][0]["starts"] == "2023-08-30T23:00:00+00:00"
    assert (shown["retentions"][0]["period"], shown["on_withdrawal"]["deadline"]) == ("P18M", "P1D")


# --- read_policy --------------------------------------------------------------------------------------------------


def test_a_policy_is_read_with_its_texts(write: Write) -> None:
    write("2023-09-29")
    (write("2023-05-18") / ".git").mkdir()
    policy, texts = policies.read_policy(write("2024-01-01"))
    assert policy.names == ("2023-05-18", "2023-09-29", "2024-01-01")
    assert texts == dict.fromkeys(policy.names, TEXT)


@pytest.mark.parametrize(
    ("spoil", "says", "file"),
    [
        (lambda f: (f / "2023-05-18" / "text.md").unlink(), "`text.md` cannot be read", "text.md"),
        (lambda f: (f / "2023-05-18" / "policy.toml").unlink(), "`policy.toml` cannot be read", "policy.toml"),
        (lambda f: (f / "2023-05-18" / "text.md").write_bytes(b"\xff"), "not UTF-8", "text.md"),
        (lambda f: (f / "2023-05-18" / "text.md").write_bytes(b"x"), "not the one these rules", "policy.toml"),
        (lambda f: (f / "2023-05-18" / "policy.toml").write_bytes(b"x"), "not valid TOML", "policy.toml"),
        (lambda f: (f / "2023-05-18").rename(f.parent / "away"), "no policy version found", "reef"),
        (lambda f: f.rename(f.parent / "away"), "folder is missing", "reef"),
        (lambda f: (f / "2023-06-01").mkdir(), "`policy.toml` cannot be read", "policy.toml"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_read(write: Write, spoil: Callable[[Path], object], says: str, file: str) -> None:
    folder = write("2023-05-18")
    spoil(folder)
    with pytest.raises(PolicyError, match=says) as raised:
        policies.read_policy(folder)
    assert Path(str(raised.value.context["file"])).name == file
    assert raised.value.hint or says == "not valid TOML"
