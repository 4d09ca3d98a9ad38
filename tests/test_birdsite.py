"""The demo platform: made alike from one seed, its policies hold together, and its maps read every row."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aboveboard import choice, demo, policy, regime, vocabulary
from aboveboard.demo import others, words
from aboveboard.demo.tour import import_choices_of
from aboveboard.errors import WorkspaceError
from aboveboard.gate import Job
from aboveboard.sources import facts, table
from aboveboard.workspace import open_workspace

SOURCES = ("posts", "messages", "likes", "work_history", "face_templates")
NEW_POLICY = datetime(2023, 9, 28, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> demo.Summary:
    return demo.make(tmp_path_factory.mktemp("demo") / "birdsite")


@pytest.fixture(scope="module")
def staged(site: demo.Summary, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Every source as it was read through its map."""
    folder = tmp_path_factory.mktemp("staged")
    read = {name: table.read(site.folder / "sources" / f"{name}.toml") for name in SOURCES}
    return {name: source.stage(folder / name) for name, source in read.items()}


def ask(sql: str, path: Path | str) -> list[tuple[Any, ...]]:
    """The rows of a query over the table in one file, as ``it``."""
    return duckdb.sql(f"WITH it AS (FROM '{path}') {sql}").fetchall()


def one(sql: str, path: Path | str) -> Any:
    return ask(sql, path)[0][0]


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


# --- making it ----------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a platform but its keys, which are never the same twice."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(("keys/", "recovery.key"))}


def test_the_same_seed_makes_the_same_bytes(site: demo.Summary, tmp_path: Path) -> None:
    demo.make(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(site.folder)


def test_another_seed_makes_another_platform_of_the_same_size(site: demo.Summary, tmp_path: Path) -> None:
    other = demo.make(tmp_path / "other", seed=7)
    assert contents(other.folder)["data/posts.parquet"] != contents(site.folder)["data/posts.parquet"]
    assert abs(other.records - site.records) < 200


def test_making_it_again_leaves_other_files_alone(tmp_path: Path) -> None:
    demo.make(tmp_path / "birdsite")
    (tmp_path / "birdsite" / "ledger.db").write_bytes(b"kept")
    demo.make(tmp_path / "birdsite")
    assert (tmp_path / "birdsite" / "ledger.db").read_bytes() == b"kept"


@pytest.mark.parametrize("name", ["notes.txt", "aboveboard.toml"])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('[workspace]\nname = "other"\n')
    with pytest.raises(WorkspaceError, match="something else"):
        demo.make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_summary_counts_what_is_there(site: demo.Summary) -> None:
    assert site.members == one("SELECT count(*) FROM it", site.folder / "data/accounts.parquet") == 300
    assert site.posts == one("SELECT count(*) FROM it", site.folder / "data/posts.parquet")
    assert site.facts == one("SELECT count(*) FROM it", site.folder / "facts.parquet")
    assert site.choices == one("SELECT count(*) FROM it", site.folder / "data/choices.csv")
    assert 5_500 < site.posts < 6_500
    assert (site.messages, site.likes, site.face_templates) == (400, 800, 60)
    assert 120 < site.work_history < 180


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, aboveboard.demo; print({'pyarrow', 'duckdb', 'sqlalchemy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- the policies -------------------------------------------------------------------------------------------


def versions(site: demo.Summary) -> list[tuple[policy.PolicyVersion, str]]:
    folders = sorted((site.folder / "policies/birdsite").iterdir())
    texts = [(folder / "text.md").read_bytes() for folder in folders]
    read = zip(folders, texts, strict=True)
    return [(policy.parse((f / "policy.toml").read_bytes(), f.name, text), text.decode()) for f, text in read]


def section(text: str, path: tuple[str, ...]) -> str:
    """The words under a heading path, up to the next heading of any level."""
    levels = [f"{'#' * (level + 2)} {heading}" for level, heading in enumerate(path)]
    for heading in levels:
        _, found, text = text.partition(f"\n{heading}\n")
        assert found, f"no heading {heading}"
    return re.split(r"\n#+ ", text)[0]


def test_the_policies_parse_in_order_and_one_follows_the_other(site: demo.Summary) -> None:
    history = policy.timeline(version for version, _ in versions(site))
    assert history.names == ("2023-05-18", "2023-09-29")
    assert policy.gaps(history) == []
    assert history.versions[1].effective_from == NEW_POLICY
    assert history.versions[1].announced_at < NEW_POLICY


def test_every_quote_stands_word_for_word_under_its_heading(site: demo.Summary) -> None:
    for version, text in versions(site):
        for clause in version.clauses:
            assert clause.citation.quote in section(text, clause.citation.heading), clause.id


def test_the_first_version_serves_the_service_only(site: demo.Summary) -> None:
    first, _ = versions(site)[0]
    assert {purpose for clause in first.clauses for purpose in clause.purposes} == {"service.operation"}
    assert first.commitments == ()


def test_the_second_version_declares_training_on_public_content(
    site: demo.Summary,
) -> None:
    second, _ = versions(site)[1]
    (training,) = second.clauses_for("train_ai_system.generative", ["user.content.public"], "suggest-replies")
    assert (training.audience, training.recipients, training.control) == (
        "public",
        ("controller",),
        "ai-training",
    )
    assert not training.ambiguous
    assert second.clauses_for("train_ai_system.generative", ["user.communication.message.content"]) == ()
    assert [promise.deny_categories for promise in second.commitments] == [("user.communication",)]


def test_every_switch_named_in_the_text_is_bound_to_a_clause(site: demo.Summary) -> None:
    second, text = versions(site)[1]
    switches = set(re.findall(r'"([^"]+)"', text.replace("\n", " ")))
    assert len(switches) == len({clause.control for clause in second.clauses if clause.control})


# --- the tables ---------------------------------------------------------------------------------------------

THERE = {
    "answers": ("type = 'answer'", 800),
    "quotations": ("type = 'quotation'", 300),
    "re-chirps": ("type = 'passed on'", 300),
    "machine translations": ("len(made_from) > 0", 80),
    "newer versions": ("version > 0", 100),
    "second and third versions": ("version > 1", 20),
    "newest version taken down": ("version > 0 AND state = 'down by writer'", 5),
    "taken down by the writer": ("state = 'down by writer'", 100),
    "taken down by moderators": ("state = 'down by moderators'", 30),
    "back up": ("state = 'back up'", 15),
    "never sent": ("state = 'unsent'", 20),
    "every audience but one's own": ("shown_to_first IN ('quiet', 'members', 'flock', 'nest', 'roost')", 300),
    "an audience nobody remembers": ("shown_to_first = 'layout-7'", 5),
    "narrowed later": ("shown_to_first = 'everyone' AND shown_to <> 'everyone'", 50),
    "widened later": ("shown_to_first = 'flock' AND shown_to = 'everyone'", 15),
    "words of the parent in an answer": ("echo IS NOT NULL", 150),
    "names": ("len(names) > 0", 400),
    "two names": ("len(names) > 1", 50),
    "portraits": ("pictures[1].of_writer", 40),
    "people tagged": ("NOT pictures[1].of_writer AND len(pictures[1].tagged) > 0", 40),
    "more faces than tags": ("pictures[1].faces > len(pictures[1].tagged)", 20),
    "faces not looked for": ("len(pictures) > 0 AND pictures[1].faces IS NULL", 20),
    "screenshots of messages": ("pictures[1].screenshot_of = 'messages'", 8),
    "link cards": ("len(links) > 0", 200),
    "sites that say no": ("links[1].content_usage = 'train-ai=n'", 50),
    "sites nobody understands": ("links[1].content_usage = 'train-ai=maybe'", 10),
    "spots on the map": ("spot IS NOT NULL", 150),
    "marked against machines": ("no_machines", 20),
    "ids without a time": ("chirp_id LIKE 'import-%'", 10),
    "names and nothing else": ('len(names) = 1 AND names[1]."from" = 0', 5),
    "right to left": ("lang = 'ar'", 100),
    "emoji of several code points": ("contains(words, '👩🏽‍🔬')", 20),
}


@pytest.mark.parametrize("what", THERE)
def test_every_kind_of_chirp_is_there(site: demo.Summary, what: str) -> None:
    where, least = THERE[what]
    assert one(f"SELECT count(*) FROM it WHERE {where}", site.folder / "data/posts.parquet") >= least


def test_about_half_of_the_chirps_are_newer_than_the_new_policy(staged: Mapping[str, Any]) -> None:
    newer = f"avg(CAST(collected_at >= '{NEW_POLICY:%Y-%m-%d %H:%M}' AS INTEGER))"
    assert 0.45 <= one(f"SELECT {newer} FROM it", staged["posts"].shards[0]) <= 0.56


def test_only_the_chain_letter_is_said_by_many(site: demo.Summary) -> None:
    rows = ask(
        "SELECT words FROM it WHERE type <> 'passed on' AND length(words) >= 40 "
        "GROUP BY words HAVING count(DISTINCT writer) > 4",
        site.folder / "data/posts.parquet",
    )
    assert rows == [(words.CHAIN_LETTER,)]


def test_the_chain_letter_was_first_written_by_somebody_who_says_no(site: demo.Summary) -> None:
    first = f"SELECT arg_min(writer, CAST(chirp_id AS BIGINT)) FROM it WHERE words = '{words.CHAIN_LETTER}'"
    writer = one(first, site.folder / "data/posts.parquet")
    said = f"SELECT answer FROM it WHERE member = {writer} AND switch = 'ai-training'"
    assert ask(said, site.folder / "data/choices.csv") == [("no",)]


def test_a_row_twice_is_there_with_the_same_words_and_with_others(site: demo.Summary) -> None:
    twice = "SELECT count(DISTINCT words) FROM it GROUP BY chirp_id HAVING count(*) > 1"
    found = Counter(rows[0] for rows in ask(twice, site.folder / "data/posts.parquet"))
    assert found == {1: 6, 2: 3}


def test_accounts_change_in_every_way(site: demo.Summary) -> None:
    lived = "SELECT list(DISTINCT {0}) FROM it".format
    path = site.folder / "facts.parquet"
    assert set(one(lived("state"), path)) == set(vocabulary.ACCOUNT_STATES)
    assert set(one(lived("age_band"), path)) == {*vocabulary.AGE_BANDS, None}
    assert set(one(lived("protected"), path)) == {True, False, None}
    assert {"IE", "DE", "FR", "US-TX", "BR", "JP", None} < set(one(lived("residency"), path))
    moved = "SELECT count(*) FROM (FROM it SELECT subject GROUP BY subject HAVING count(DISTINCT residency) > 1)"
    assert one(moved, path) == 8
    assert facts.read(path).rows == site.facts


def test_messages_can_be_told_from_everything_else(site: demo.Summary) -> None:
    lines = (site.folder / "data/messages.jsonl").read_text("utf-8").splitlines()
    read = [json.loads(line) for line in lines[:-1]]
    assert all(message["sealed"] or message["words"].startswith(others.WHISPER) for message in read)
    whispered = f"SELECT count(*) FROM it WHERE contains(words, '{others.WHISPER}')"
    assert one(whispered, site.folder / "data/posts.parquet") == 0


# --- through the maps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_a_map_reads_every_row(site: demo.Summary, staged: Mapping[str, Any], name: str) -> None:
    read = staged[name]
    assert read.rows + read.quarantined == getattr(site, name)
    assert read.quarantined == (1 if name == "messages" else 0)  # its last line is cut short


@pytest.mark.parametrize("name", SOURCES)
def test_a_map_says_who_and_what(staged: Mapping[str, Any], name: str) -> None:
    missing = "kind IS NULL OR lifecycle IS NULL OR text IS NULL OR parts IS NULL OR subject IS NULL"
    sealed = "kind = 'message' AND text IS NULL"  # only the envelope is known
    (shard,) = staged[name].shards
    assert one(f"SELECT count(*) FROM it WHERE ({missing}) AND NOT ({sealed})", shard) == 0
    assert one("SELECT count(*) FROM it WHERE NOT regexp_full_match(subject, 'u:[0-9]{3}')", shard) == 0


LABELS = {
    "posts": {"user.content.public", "user.content.private"},
    "messages": {"user.communication.message.content", "user.communication.encrypted.metadata"},
    "likes": {"user.behavior"},
    "work_history": {"user.employment.history"},
    "face_templates": {"user.biometric.face_template"},
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_map_labels_every_record(staged: Mapping[str, Any], name: str) -> None:
    (shard,) = staged[name].shards
    assert set(one("SELECT flatten(list(DISTINCT categories)) FROM it", shard)) == LABELS[name]


def test_what_is_not_for_everybody_is_not_called_public(staged: Mapping[str, Any]) -> None:
    (shard,) = staged["posts"].shards
    narrow = "audience_at IN ('followers', 'group', 'circle', 'private')"
    wrong = f"{narrow} AND list_contains(categories, 'user.content.public')"
    assert one(f"SELECT count(*) FROM it WHERE {wrong}", shard) == 0


PARTS = {
    "parent_quote": {"user.content.public"},
    "quote": {"user.content.public"},
    "mention": {"user.content.public"},
    "media": {"user.content.public", "user.content.self_image", "user.communication.message.content"},
    "card": {"user.content.public"},
    "geotag": {"user.location.precise"},
}


def test_parts_carry_their_own_labels(staged: Mapping[str, Any]) -> None:
    (shard,) = staged["posts"].shards
    found = ask(
        "SELECT part.kind, flatten(list(DISTINCT part.categories)) "
        "FROM (SELECT unnest(parts) AS part FROM it) GROUP BY part.kind",
        shard,
    )
    assert {kind: set(categories) for kind, categories in found} == PARTS


def test_spans_are_code_points_of_the_text(staged: Mapping[str, Any]) -> None:
    (shard,) = staged["posts"].shards
    spans = ask("SELECT text, part FROM (SELECT text, unnest(parts) AS part FROM it) WHERE part.place = 'span'", shard)
    assert len(spans) > 600
    assert all(text[part["start"] : part["end"]] == part["content"] for text, part in spans)


def test_a_repost_names_whose_words_it_shows(staged: Mapping[str, Any]) -> None:
    (shard,) = staged["posts"].shards
    (rows,) = ask("SELECT count(*), count(quoted_id), sum(len(parties)) FROM it WHERE kind = 'repost'", shard)
    assert rows[0] == rows[1] == rows[2]


def test_words_that_changed_after_they_were_signed_are_noticed(staged: Mapping[str, Any]) -> None:
    (shard,) = staged["posts"].shards
    found = dict(ask("SELECT integrity, count(*) FROM it GROUP BY integrity", shard))
    assert found == {"match": staged["posts"].rows - 4, "mismatch": 4}


# --- choices, workspace and job -----------------------------------------------------------------------------


def events(site: demo.Summary) -> list[choice.Event]:
    """The choices as the ledger holds them once the map has been imported."""
    ws = open_workspace(site.folder)
    import_choices_of(ws)
    rows = ws.ledger.snapshot().events_table().to_pylist()
    ws.ledger.close()
    return [choice.Event(**{name: _aware(value) for name, value in row.items()}) for row in rows]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def test_every_choice_is_an_event_a_ledger_takes(site: demo.Summary) -> None:
    said = events(site)  # importing validates every row, and refuses none
    assert len(said) == site.choices
    assert len({event.external_id for event in said}) == site.choices
    assert [event.recorded_at for event in said] == sorted(event.recorded_at for event in said)


def test_people_said_everything_that_can_be_said(site: demo.Summary) -> None:
    said = events(site)
    types = {"given", "renewed", "refused", "withdrawn", "objected", "contract_bound", "notice_shown"}
    assert {event.type for event in said} == types | {"deleted", "moved", "age_changed"}
    assert {event.actor for event in said} == set(choice.ACTORS)
    assert sum(event.type in choice.GRANTS and event.past_from is not None for event in said) > 40
    assert sum(event.recipient == "third_party" for event in said) == 20
    assert sum(event.expires_at is not None for event in said) == 5
    assert sum(not event.verified for event in said) == 3
    assert any(event.recorded_at - event.effective_at > timedelta(days=30) for event in said)


def test_the_notice_that_was_shown_is_the_text_in_the_folder(site: demo.Summary) -> None:
    second, _ = versions(site)[1]
    assert {event.notice for event in events(site) if event.type == "notice_shown"} == {second.text_sha256}


def test_the_workspace_names_what_is_there(site: demo.Summary) -> None:
    settings = toml(site.folder / "aboveboard.toml")
    assert tuple(settings["sources"]) == SOURCES
    named = [*settings["sources"].values(), settings["policy"]["folder"], settings["facts"]["path"]]
    assert all((site.folder / path).exists() for path in named)
    regimes = regime.Regimes(regions=settings["regions"])
    assert regimes.at("DE").silence_opt_out == "refuse"
    assert regimes.at("FR").silence_opt_out == "after_notice"


def test_the_job_is_one_that_the_policy_declares(site: demo.Summary) -> None:
    said = toml(site.folder / "jobs/feed-writer.toml")
    job = Job(said["purpose"], said["recipient"], said["model"]["name"], said["model"]["use"], said["regime"])
    second, _ = versions(site)[1]
    assert tuple(said["sources"]) == SOURCES
    assert second.clauses_for(job.purpose, ["user.content.public"], job.use)
