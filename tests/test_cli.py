"""The command line as people use it: what it prints, its exit codes, ``--json``, and that nobody's text is in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aboveboard.cli import COMMANDS, SUMMARIES, doors


def ran(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def document(*args: str, code: int = 0) -> Any:
    return json.loads(ran(*args, "--json", code=code).stdout)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    ran("init", tmp_path / "site")
    return tmp_path / "site"


# --- init, doctor ---------------------------------------------------------------------------------------------------


def test_a_new_workspace_is_healthy_and_its_first_build_refuses_everything(fresh: Path) -> None:
    assert "ok      policy: 1 versions" in ran("doctor", "-w", fresh).stdout
    built = document("release", "build", fresh / "jobs" / "first-model.toml", "-w", fresh)
    assert built["records"] == 1
    assert built["outcomes"]["permit"] == 0


def test_init_never_overwrites(fresh: Path) -> None:
    before = (fresh / "aboveboard.toml").read_bytes()
    assert "already there" in ran("init", fresh, code=1).stderr
    assert (fresh / "aboveboard.toml").read_bytes() == before


def test_doctor_names_each_problem_and_what_to_do(fresh: Path) -> None:
    (fresh / "data" / "posts.csv").unlink()
    (fresh / "policies" / "site" / "2024-01-01" / "text.md").write_text("other words")
    (fresh / "private").chmod(0o755)
    found = {f["about"]: f for f in document("doctor", "-w", fresh, code=3)}
    assert not found["policy"]["fine"]
    assert "text_sha256" in found["policy"]["hint"]
    assert not found["source posts"]["fine"]
    assert not found["private folder"]["fine"]
    assert "chmod 700" in found["private folder"]["hint"]
    assert found["ledger"]["fine"]


def test_no_workspace_is_a_clear_error(tmp_path: Path) -> None:
    result = ran("doctor", "-w", tmp_path, code=1)
    assert result.stderr.startswith("error: no aboveboard.toml in")
    assert "hint: run `aboveboard init`" in result.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [("[surces]\n", "did you mean `sources`"), ("[regions]\nEU = \"euu\"\n", "did you mean `eu`"), ("[regions\n", "TOML")],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_refused_with_near_misses(fresh: Path, change: str, said: str) -> None:
    settings = (fresh / "aboveboard.toml").read_text()
    settings = settings.split("[regions]")[0]
    (fresh / "aboveboard.toml").write_text(settings + change)
    result = CliRunner().invoke(doors, ["release", "build", str(fresh / "jobs" / "first-model.toml"), "-w", str(fresh)])
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ('purpose = "train_ai_system"', "a family of them"),
        ('purpose = "train_ai_system.generativ"', "did you mean `train_ai_system.generative`"),
        ('purpose = "train_ai_system.generative"\nrecipient = "affiliate:*"', "one recipient"),
        ('porpose = "x"', "did you mean `purpose`"),
        ('purpose = "train_ai_system.generative"\nregime = "lax"', "unknown regime"),
        ('purpose = "train_ai_system.generative"\nsources = ["pots"]', "did you mean `posts`"),
        ('purpose = "train_ai_system.generative"\nsources = "posts"', "`sources` is not a list"),
        ('purpose = "train_ai_system.generative"\nsources = ["posts", 1]', "`sources` is not a list"),
    ],
)
def test_a_job_that_cannot_be_meant_is_refused(fresh: Path, job: str, said: str) -> None:
    (fresh / "job.toml").write_text(job)
    result = ran("release", "build", fresh / "job.toml", "-w", fresh, code=1)
    assert said in result.stderr
    assert not (fresh / "releases").exists() or not list((fresh / "releases").iterdir())


# --- build, list, show, explain ---------------------------------------------------------------------------------------


def test_list_and_show(birdsite) -> None:
    w = str(birdsite.ws.folder)
    [first, *_] = document("release", "list", "-w", w)
    assert first["purpose"] == "train_ai_system.generative"
    assert document("release", "show", first["id"], "-w", w)["_type"] == "https://in-toto.io/Statement/v1"
    assert "Rows digest" in ran("release", "show", first["id"], "-w", w).stdout
    assert "aboveboard release list" in ran("release", "show", "nothing", "-w", w, code=1).stderr


@pytest.mark.parametrize("content", ["{", "[]", '{"predicate": {"id": 1}}', '"\\ud800"'])
def test_a_damaged_manifest_is_listed_and_named(fresh: Path, content: str) -> None:
    ran("release", "build", fresh / "jobs" / "first-model.toml", "-w", fresh)
    damaged = fresh / "releases" / "2020-01-01T000000Z-x-00000000" / "manifest.json"
    damaged.parent.mkdir()
    damaged.write_text(content)
    told = ran("release", "list", "-w", fresh, code=1)
    assert told.stdout.splitlines()[0] == f"{damaged.parent.name}  damaged"
    assert len(told.stdout.splitlines()) == 2
    assert str(damaged) in told.stderr
    assert "hint: " in told.stderr
    listed = document("release", "list", "-w", fresh, code=1)
    assert [one.get("damaged", False) for one in listed] == [True, False]
    assert "damaged" in ran("release", "show", damaged.parent.name, "-w", fresh, code=1).stderr


def test_export_writes_lines_once(birdsite, tmp_path: Path) -> None:
    to = tmp_path / "rows.jsonl"
    written = document("release", "export", birdsite.release.id, "--to", to, "-w", birdsite.ws.folder)
    assert written["rows"] == len(to.read_text().splitlines()) == birdsite.release.governed.released
    again = ran("release", "export", birdsite.release.id, "--to", to, "-w", birdsite.ws.folder, code=1)
    assert "already there" in again.stderr


def test_resume_says_when_there_is_nothing_to_do(fresh: Path) -> None:
    assert document("release", "resume", "-w", fresh) == {"finished": []}
    assert "Nothing was left" in ran("release", "resume", "-w", fresh).stdout


def test_compare_counts_what_a_no_took_away(tmp_path: Path) -> None:
    site = tmp_path / "site"
    told = ran("demo", site).stdout
    for line in told.partition("can check without asking:\n")[2].splitlines():
        said = line.partition("#")[0].replace("mine.capsule", str(tmp_path / "mine.capsule")).split()
        if said[1:2] == ["serve"]:  # it stays until it is stopped: tests/portal/test_serve.py
            continue
        ran(*said[1:])  # what the demo names next works as it is printed
    assert (tmp_path / "mine.capsule").exists()
    [before] = document("release", "list", "-w", site)
    ran("choice", "record", "u:396", "refused", "--purpose", "train_ai_system", "-w", site)
    ran("release", "build", site / "jobs" / "feed-writer.toml", "-w", site)
    [_, after] = document("release", "list", "-w", site)
    found = document("release", "compare", before["id"], after["id"], "-w", site)
    used = ("permit", "redact")
    gone = sum(m["records"] for m in found["moves"] if m["before"] in used and m["after"] not in used)
    assert found["left"] - found["came"] == gone > 0  # a row that only loses a quote leaves and comes again
    own = [m for m in found["moves"] if m["why"] == "subj.opted_out"]
    assert sum(m["records"] for m in own) > 0
    assert {m["after"] for m in own} == {"refuse"}
    assert list(found["settings"]) == ["ledger"]
    said = ran("release", "compare", before["id"], after["id"], "-w", site).stdout
    assert "permit (allow.policy_clause) -> refuse (subj.opted_out)" in said
    assert "no release `x`" in ran("release", "compare", before["id"], "x", "-w", site, code=1).stderr


# --- what is not as it was written --------------------------------------------------------------------------------------


@pytest.fixture
def two(birdsite, tmp_path: Path) -> Path:
    """A copy of birdsite's workspace whose release stands in it twice; tests damage the second one."""
    import shutil

    site, id = tmp_path / "site", birdsite.release.id
    shutil.copytree(birdsite.ws.folder, site)
    for room in ("releases", "private"):
        shutil.copytree(site / room / id, site / room / f"{id}-b")
    return site


def _ids(site: Path) -> tuple[str, str]:
    [one, other] = sorted(path.name for path in (site / "releases").iterdir() if not path.name.startswith("."))
    return one, other


def _edited(manifest: Path, change: Any) -> None:
    said = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(change(said)))


def _without(said: Any, *path: str) -> Any:
    holder = said
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return said


BROKEN = {
    "a list": lambda said: [],
    "no statement": lambda said: _without(said, "predicate"),
    "a text for a statement": lambda said: {**said, "predicate": "x"},
    "no layout": lambda said: _without(said, "predicate", "layout"),
    "no files": lambda said: {**said, "predicate": {**said["predicate"], "layout": {"bits": 0, "shards": 7}}},
    "files of another make": lambda said: {**said, "predicate": {**said["predicate"], "layout": {"shards": [7, [], None]}}},
    "a number of another make": lambda said: {
        **said, "predicate": {**said["predicate"], "layout": {"shards": [{"key": [], "file": {}}]}},
    },
}  # fmt: skip


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_statement_of_another_make_is_damage(two: Path, tmp_path: Path, change: Any) -> None:
    before, after = _ids(two)
    _edited(two / "releases" / after / "manifest.json", change)
    for args in (
        ("compare", before, after), ("compare", after, before), ("export", after, "--to", tmp_path / "rows.jsonl"),
    ):  # fmt: skip
        told = ran("release", *args, "-w", two, code=1).stderr
        assert "a release is damaged" in told
        assert after in told
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["predicate"]["layout"].update(shards=[]),
        lambda said: said["predicate"]["layout"]["shards"].append({"key": 9, "file": "../../secret.parquet"}),
    ],
)
def test_an_export_reads_the_files_of_the_statement_and_no_other(two: Path, tmp_path: Path, change: Any) -> None:
    _, after = _ids(two)
    _edited(two / "releases" / after / "manifest.json", lambda said: change(said) or said)
    told = ran("release", "export", after, "--to", tmp_path / "rows.jsonl", "-w", two, code=1).stderr
    assert "a release is damaged" in told


@pytest.mark.parametrize("name", ["decisions", "index"])
@pytest.mark.parametrize("damage", ["cut", "torn", "columns", "empty"])
def test_a_private_file_that_is_damaged_is_named(two: Path, name: str, damage: str) -> None:
    import duckdb

    before, after = _ids(two)
    file = next((two / "private" / after / name).glob("*.parquet"))
    data = file.read_bytes()
    if damage == "columns":
        file.unlink()
        duckdb.execute(f"COPY (SELECT 'my secret words' AS x) TO '{file}' (FORMAT parquet)")
    else:
        torn = data[:200] + bytes(len(data) - 1_000) + data[-800:]
        file.write_bytes({"cut": data[: len(data) // 2], "torn": torn, "empty": b""}[damage])
    told = ran("release", "compare", before, after, "-w", two, code=1).stderr
    assert "a release is damaged" in told
    assert str(file) in told
    assert "secret" not in told


def test_a_decision_that_nobody_knows_is_told(two: Path) -> None:
    import duckdb

    before, after = _ids(two)
    [*files] = (two / "private" / after / "decisions").glob("*.parquet")
    for file in files:
        duckdb.execute(
            f"COPY (SELECT * REPLACE (77::UTINYINT AS outcome) FROM '{file}') TO '{file}.new' (FORMAT parquet)"
        )
        Path(f"{file}.new").rename(file)
    assert "not known" in ran("release", "compare", before, after, "-w", two, code=1).stderr


# --- folders ------------------------------------------------------------------------------------------------------------


def test_releases_in_another_folder_are_found_by_its_name(fresh: Path, tmp_path: Path) -> None:
    job, elsewhere = fresh / "jobs" / "first-model.toml", tmp_path / "elsewhere"
    here = document("release", "build", job, "-w", fresh)["release"]
    there = document("release", "build", job, "-w", fresh, "--to", elsewhere)["release"]
    assert [one["id"] for one in document("release", "list", "-w", fresh)] == [here]
    assert [one["id"] for one in document("release", "list", "-w", fresh, "--in", elsewhere)] == [there]
    both = ("--in", fresh / "releases", "--in", elsewhere, "--in", elsewhere)
    assert [one["id"] for one in document("release", "list", "-w", fresh, *both)] == [here, there]
    assert "no release" in ran("release", "show", there, "-w", fresh, code=1).stderr
    assert document("release", "compare", here, there, "-w", fresh, *both)["left"] == 0
    ran("release", "list", "--in", tmp_path / "nowhere", code=2)


def test_whoever_was_given_a_release_reads_it_without_a_workspace(birdsite, tmp_path: Path) -> None:
    room, id = birdsite.release.public.parent, birdsite.release.id
    assert document("release", "show", id, "--in", room, "-w", tmp_path)["predicate"]["id"] == id
    written = document("release", "export", id, "--in", room, "-w", tmp_path, "--to", tmp_path / "rows.jsonl")
    assert written["rows"] == birdsite.release.governed.released


def test_a_release_that_stands_in_two_folders_has_to_be_chosen(birdsite, tmp_path: Path) -> None:
    import shutil

    room, id = birdsite.release.public.parent, birdsite.release.id
    shutil.copytree(room, tmp_path / "copies")
    told = ran("release", "show", id, "--in", room, "--in", tmp_path / "copies", code=1).stderr
    assert f"two releases `{id}`" in told


@pytest.mark.parametrize("inside", ["rows.jsonl", "{id}/rows.jsonl", "{id}/data/rows.jsonl", "../releases/rows.jsonl"])
def test_an_export_is_never_written_among_releases(two: Path, inside: str) -> None:
    before, _ = _ids(two)
    to = two / "releases" / inside.format(id=before)
    told = ran("release", "export", before, "--to", to, "-w", two, code=1).stderr
    assert "hint: name one" in told
    assert not to.exists()


def test_an_export_is_never_written_into_another_release(two: Path, tmp_path: Path) -> None:
    import shutil

    before, after = _ids(two)
    shutil.move(two / "releases" / after, tmp_path / after)
    told = ran("release", "export", before, "--to", tmp_path / after / "rows.jsonl", "-w", two, code=1).stderr
    assert "a release holds what was published" in told


def test_resume_says_what_the_machine_refuses(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aboveboard import release

    def full(*_: object) -> list[str]:
        raise OSError(28, "No space left on device", "releases")

    ran("release", "build", fresh / "jobs" / "first-model.toml", "-w", fresh)
    monkeypatch.setattr(release, "finish", full)
    assert "the file system refused: no space left" in ran("release", "resume", "-w", fresh, code=1).stderr


# --- keys, audit, steps, explain ----------------------------------------------------------------------------------------


def test_keys_are_made_once_and_watched(fresh: Path) -> None:
    assert "there are keys already" in ran("init", fresh, "--keys", code=1).stderr
    (fresh / "keys" / "order.key").unlink()
    found = [f for f in document("doctor", "-w", fresh, code=3) if f["about"] == "keys"]
    assert [f["fine"] for f in found] == [False]
    assert "the key `order` is lost" in found[0]["seen"]
    for path in (fresh / "keys").iterdir():
        path.unlink()
    (fresh / "keys").rmdir()
    assert (
        "the workspace has no keys"
        in ran("release", "build", fresh / "jobs" / "first-model.toml", "-w", fresh, code=1).stderr
    )
    ran("init", fresh, "--keys")
    ran("release", "build", fresh / "jobs" / "first-model.toml", "-w", fresh)


def test_audit_limit_and_sources(birdsite) -> None:
    w = str(birdsite.ws.folder)
    told = document("release", "build", birdsite.job, "-w", w, "--audit", "--limit", "100", "--source", "likes")
    assert sum(t["records"] for t in told["tallies"]) == 100
    assert {t["source"] for t in told["tallies"]} == {"likes"}
    prose = ran("release", "build", birdsite.job, "-w", w, "--audit", "--limit", "50").stdout
    assert "nothing was written" in prose
    assert "stands against" in prose


def test_show_steps_prints_every_step_and_nobodys_words(birdsite) -> None:
    w = str(birdsite.ws.folder)
    shown = document(
        "release", "build", birdsite.job, "-w", w, "--show-steps", "--limit", "200", "--source", "messages"
    )
    names = [step["step"] for step in shown]
    assert {"facts_observed", "subjects_in_force", "situations", "clauses_matching", "decisions"} <= set(names)
    assert all(step["says"] for step in shown)
    assert "Between you and me:" not in json.dumps(shown)


def test_explain_towards_the_platform_and_towards_a_person(birdsite) -> None:
    w = str(birdsite.ws.folder)
    [told] = document("explain", "477481293936039927", "-w", w)
    assert told["outcome"] == "permit"
    assert told["clause"]["quote"]
    prose = ran("explain", "477481293936039927", "-w", w, "--towards", told_to(birdsite)).stdout
    assert "What would change it:" in prose


def told_to(birdsite) -> str:
    import duckdb

    [(writer,)] = duckdb.execute(
        "SELECT DISTINCT writer FROM read_parquet(?) WHERE chirp_id = '477481293936039927'",
        [str(birdsite.ws.folder / "data" / "posts.parquet")],
    ).fetchall()
    return f"u:{writer}"


def test_explain_of_nothing_is_an_error(birdsite) -> None:
    result = ran("explain", "nobody-wrote-this", "-w", str(birdsite.ws.folder), "--source", "likes", code=1)
    assert "no record `nobody-wrote-this`" in result.stderr


def test_explain_judges_an_earlier_moment(birdsite) -> None:
    w = str(birdsite.ws.folder)
    [then] = document("explain", "477481293936039927", "-w", w, "--at", "2023-09-01T00:00Z", "--source", "posts")
    assert then["outcome"] != "permit"
    assert then["policy_now"] == "2023-05-18"


def test_errors_are_one_json_object_under_json(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aboveboard", "doctor", "-w", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["kind"] == "WorkspaceError"
    assert done.stdout == ""


def test_usage_errors_exit_2() -> None:
    ran("release", "build", code=2)
    ran("nonsense", code=2)


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    assert set(COMMANDS) == set(SUMMARIES)
    code = (
        "import sys; from aboveboard.cli import doors\n"
        "try:\n  doors(['--help'], standalone_mode=False)\nexcept SystemExit: pass\n"
        "heavy = {'duckdb', 'pyarrow', 'sqlalchemy', 'rich', 'alembic'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def test_a_piped_build_draws_no_bar(fresh: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aboveboard", "release", "build", str(fresh / "jobs" / "first-model.toml"), "-w", str(fresh)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.startswith("Release ")


def test_a_row_that_breaks_an_engine_step_never_shows_its_text(fresh: Path) -> None:
    from aboveboard.engine import Engine, Session
    from aboveboard.errors import EngineError

    con = Engine(threads=1).connect()
    session = Session.__new__(Session)
    session.con = con
    with pytest.raises(EngineError) as raised:
        session.make("broken", "SELECT CAST('my secret words' AS INTEGER) AS n")
    chain = [raised.value, raised.value.__cause__]
    assert "step `broken`" in str(raised.value)
    assert not [error for error in chain if "secret" in str(error)]
