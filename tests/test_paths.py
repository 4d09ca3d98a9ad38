"""A path is the name of one file: whatever stands beside it, and whatever its folder is called, nothing else is read."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

import small
from aboveboard import mainjob, paths, scanning, verification
from aboveboard.cli import doors
from aboveboard.errors import EngineError
from aboveboard.sources import files
from aboveboard.workspace import open_workspace, read_job

HOUSE = Path(paths.__file__).parent
NAMES = (
    "w1", "w[1]", "w[[]1]", "w*", "w?", "w**", "w[!a]", "w[^a]", "w[a-z]", "wx", "w[", "w]", "w[]]", "w'1", "w{a,b}", "w@1", "~",
    "year=2020", "said=other", "w\\1", ".w[1]", "w\n[1]", "[\u65e5*]", "s3:", "file:",
)  # fmt: skip
READERS = {"a.parquet": "read_parquet", "a.csv": "read_csv", "a.jsonl": "read_json", "a.json": "read_json_objects"}


def written(folder: Path) -> None:
    folder.mkdir(parents=True)
    name = folder.name.replace("'", "''")
    duckdb.execute(f"COPY (SELECT '{name}' AS said) TO {paths.to_write(folder / 'a.parquet')} (FORMAT parquet)")
    assert (folder / "a.parquet").is_file()  # nothing is a pattern to whoever writes
    (folder / "a.csv").write_text(f'said\n"{folder.name}"\n')
    for name in ("a.jsonl", "a.json"):
        (folder / name).write_text(json.dumps({"said": folder.name}) + "\n")


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders side by side, each with files that say where they lie."""
    top = tmp_path_factory.mktemp("beside")
    for name in NAMES:
        written(top / name)
    return top


@pytest.mark.parametrize("file", READERS)
@pytest.mark.parametrize("name", NAMES)
def test_the_file_of_that_name_is_read_and_no_other(beside: Path, name: str, file: str) -> None:
    found = duckdb.sql(f"SELECT * FROM {paths.scan(READERS[file], beside / name / file)}")
    assert (found.columns, len(found.fetchall())) == (["json" if file == "a.json" else "said"], 1)
    [(said,)] = found.fetchall()
    assert (json.loads(said)["said"] if file == "a.json" else said) == name


def test_several_are_read_in_their_order_each_under_its_name(beside: Path) -> None:
    wanted = [beside / name / "a.parquet" for name in reversed(NAMES)]
    found = duckdb.sql(f"SELECT said, filename FROM {paths.parquet(wanted, 'filename')}").fetchall()
    assert found == [(path.parent.name, str(path)) for path in wanted]


def test_a_relative_path_is_nobodys_home(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside)
    for name in NAMES:
        assert duckdb.sql(f"FROM {paths.parquet(Path(name) / 'a.parquet')}").fetchall() == [(name,)]


def test_a_file_that_is_gone_is_not_looked_for_under_another_name(tmp_path: Path) -> None:
    for name in ("w1", "w[1]", "w[[]1]"):
        written(tmp_path / name)
    (tmp_path / "w[1]" / "a.parquet").unlink()
    with pytest.raises(EngineError, match="a file is missing"):
        paths.parquet(tmp_path / "w[1]" / "a.parquet")


def test_what_cannot_be_named_exactly_is_not_read(tmp_path: Path) -> None:
    written(tmp_path / "w" / "[1]")
    written(tmp_path / "w\\[1]")
    with pytest.raises(EngineError, match="cannot be named exactly") as found:
        paths.parquet(tmp_path / "w\\[1]" / "a.parquet")
    assert "\\" in found.value.hint


@pytest.mark.parametrize("name", ["w\\1", "w?1"])
def test_a_database_is_not_opened_under_another_name(tmp_path: Path, name: str) -> None:
    """DuckDB opens ``w/1/a.duckdb`` for ``w\\1/a.duckdb``; whoever looks for somebody must not look there."""
    for folder in (tmp_path / name, tmp_path / "w" / "1"):
        folder.mkdir(parents=True)
        with duckdb.connect(str(tmp_path / "made.duckdb")) as con:
            con.execute(f"CREATE OR REPLACE TABLE t AS SELECT '{folder.name}' AS said")
        (tmp_path / "made.duckdb").rename(folder / "a.duckdb")
    file = tmp_path / name / "a.duckdb"
    with pytest.raises(EngineError, match="cannot be named exactly"):
        paths.to_open(file)
    looked = scanning.scan([file], lambda _: scanning.Sought(("nobody",)))
    assert any("not read as what it seems to be" in why for _, why in looked.unread)


# --- in the house -----------------------------------------------------------------------------------------------------

READS = re.compile(
    r"\b(read_(parquet|csv|json|ndjson|text|blob)\w*|(parquet|csv|arrow)_scan|sniff_csv)\s*\(", re.IGNORECASE
)
OPENS = re.compile(r"(\) TO|\bCOPY \w+ TO|\bATTACH|temp_directory =)\s*'?$")


OPENED = ("paths.to_write(", "paths.quoted(paths.to_open(")


def offences(source: str) -> list[str]:
    """Where SQL names a file otherwise than through the room of paths."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and READS.search(node.value):
            found.append(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("text", "literal", "quoted") and node.args:
            value = ast.unparse(node.args[0])
            found += [ast.unparse(node)] if value.startswith("str(") or "path" in value else []
        if isinstance(node, ast.JoinedStr):
            found += [value for value in named(node) if not value.startswith(OPENED)]
    return found


def named(told: ast.JoinedStr) -> list[str]:
    """What stands behind a word that names a file in an f-string."""
    return [
        ast.unparse(after.value)
        for before, after in zip(told.values, told.values[1:], strict=False)
        if isinstance(before, ast.Constant)
        and OPENS.search(str(before.value))
        and isinstance(after, ast.FormattedValue)
    ]


def test_no_room_but_one_names_a_file_to_the_database() -> None:
    for path in sorted(HOUSE.rglob("*.py")):
        if path != Path(paths.__file__):
            assert not offences(path.read_text(encoding="utf-8")), path
    for path in sorted((HOUSE / "steps").rglob("*.sql")):
        assert not READS.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("line", [
    'con.execute("SELECT * FROM read_parquet(?)", [str(path)])',
    'con.execute(f"SELECT * FROM read_csv({x}, header = true)")',
    "shards = ', '.join(text(str(shard)) for shard in shards)",
    "named = literal(str(path))",
    "con.execute(f\"COPY x TO '{str(path)}'\")",
    'con.execute(f"ATTACH {text(name)} AS it")',
])  # fmt: skip
def test_the_rule_notices(line: str) -> None:
    assert offences(line)


# --- platforms side by side ---------------------------------------------------------------------------------------------


def site(folder: Path, whose: str) -> Path:
    """A platform whose people and words are its own."""

    def bent(posts: list[dict[str, Any]]) -> None:
        for post in posts:
            post["words"] = f"{post['words']} of {whose}" if isinstance(post["words"], str) else post["words"]

    return small.make(folder, bent)


def ran(*args: object, code: int = 0) -> Any:
    result = CliRunner().invoke(doors, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return json.loads(result.stdout) if "--json" in args else result.stdout


def open_rows(public: Path) -> list[Any]:
    return duckdb.sql(f"FROM {paths.parquet(sorted((public / 'data').iterdir()))}").fetchall()


def words(public: Path) -> set[str]:
    found = duckdb.sql(f"SELECT text FROM {paths.parquet(sorted((public / 'data').iterdir()))}").fetchall()
    return {text.rpartition(" of ")[2] for (text,) in found}


@pytest.mark.parametrize("name", ["w[1]", "w?", "subject=u3"])
def test_a_workspace_reads_its_own_files(tmp_path: Path, name: str) -> None:
    there = {one: site(tmp_path / one, whose) for one, whose in (("w1", "them"), (name, "us"))}
    made = {}
    for one, folder in there.items():
        ws = open_workspace(folder)
        made[one] = mainjob.build(ws, read_job(folder / "job.toml"))
        if one == "w1":
            ran("withdraw", "u3", "--workspace", folder)
        ws.ledger.close()
    assert (words(made["w1"].public), words(made[name].public)) == ({"them"}, {"us"})
    for release in made.values():
        assert all(step.done for step in verification.verify(release.public).steps[:9])
    asked = {one: ran("withdraw", "u3", "--workspace", folder, "--json") for one, folder in there.items()}
    leaving = [[hit["leaving"] for plan in one["plans"] for hit in plan["releases"]] for one in asked.values()]
    assert len(leaving[0]) == 1
    assert leaving[0] == leaving[1]
    assert 0 < leaving[0][0] < len(open_rows(made[name].public))


def test_a_table_is_found_beside_its_own_mapping(tmp_path: Path) -> None:
    for name in ("w1", "w[1]"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "posts.jsonl").write_text("{}\n")
        (tmp_path / name / "posts[1].jsonl").write_text("{}\n")
        (tmp_path / name / "posts1.jsonl").write_text("{}\n")
    here = tmp_path / "w[1]"
    assert files.find(["posts.jsonl"], here) == (here / "posts.jsonl",)
    assert files.find(["posts?.jsonl", "posts[1].jsonl"], here) == (here / "posts1.jsonl", here / "posts[1].jsonl")


def test_a_table_with_such_a_name_is_read(tmp_path: Path) -> None:
    """Which a session that may open nothing but its inputs has to allow."""
    folder = site(tmp_path / "w[1]", "us")
    for whose, name in (("them", "posts1.parquet"), ("us", "posts[1].parquet")):
        rows = paths.scan("read_json", site(tmp_path / whose, whose) / "posts.jsonl", "ignore_errors = true")
        duckdb.execute(f"COPY (FROM {rows} WHERE id IS NOT NULL) TO {paths.to_write(folder / name)} (FORMAT parquet)")
    mapping = folder / "posts.toml"
    mapping.write_text(mapping.read_text().replace("posts.jsonl", "posts[1].parquet"))
    ws = open_workspace(folder)
    made = mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    assert words(made.public) == {"us"}
