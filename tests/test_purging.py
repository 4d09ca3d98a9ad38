"""What must be gone is looked for in the files themselves: found wherever it lies, never where it does not."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from aboveboard import disk, mainjob, pages, purging, release, scanning, suppression
from aboveboard.choice import Event
from aboveboard.cli import doors
from aboveboard.errors import ReleaseError
from aboveboard.scanning import Found, Report, Sought, scan
from aboveboard.workspace import Workspace, open_workspace, read_job
from small import make

WHO, KEY = "heron-4711", bytes(range(32))
BY_NAME = Sought(names=(WHO,))
BY_HASH = Sought(suppressions=suppression.of(KEY, [WHO, "@heron@birds.example"]))
EVERYBODY = [f"u{n}" for n in range(500)]


def looked(path: Path, sought: Sought) -> Report:
    return scan([path], lambda _file: sought)


def what(path: Path, sought: Sought) -> list[tuple[str, str, int | None]]:
    return [(one.what, one.where, one.row) for one in looked(path, sought).found]


def people(at: int | None = 7) -> pa.Table:
    named = [WHO if n == at else name for n, name in enumerate(EVERYBODY)]
    return pa.table({"n": list(range(500)), "subject": named, "text": [f"words of {n}" for n in range(500)]})


def coded(how: str) -> dict[str, Any]:
    plain = dict.fromkeys(("text", "n"), "PLAIN")
    return {"compression": "zstd", "use_dictionary": False, "column_encoding": {"subject": how, **plain}}


WRITERS: dict[str, dict[str, Any]] = {
    "zstd": {"compression": "zstd"},
    "snappy": {"compression": "snappy"},
    "gzip": {"compression": "gzip"},
    "brotli": {"compression": "brotli"},
    "lz4": {"compression": "lz4"},
    "plain": {"compression": "none", "use_dictionary": False},
    "second form of pages": {"compression": "zstd", "data_page_version": "2.0"},
    "small pages": {"compression": "zstd", "data_page_size": 256, "use_dictionary": False},
    "row groups": {"compression": "zstd", "row_group_size": 3},
    "told by what is shared": coded("DELTA_BYTE_ARRAY"),
    "lengths first": coded("DELTA_LENGTH_BYTE_ARRAY"),
    "no minima": {"compression": "zstd", "write_statistics": False},
}  # fmt: skip


@pytest.mark.parametrize("how", WRITERS)
def test_it_is_found_in_parquet_however_it_was_written(tmp_path: Path, how: str) -> None:
    file = tmp_path / "people.parquet"
    pq.write_table(people(), file, **WRITERS[how])
    assert ("identifier", "subject", 7) in what(file, BY_NAME)
    assert what(file, BY_HASH) == [("erased", "subject", 7)]
    pq.write_table(people(None), file, **WRITERS[how])
    assert what(file, BY_NAME) == what(file, BY_HASH) == []


def test_it_is_found_as_duckdb_writes_it(tmp_path: Path) -> None:
    file, rows = tmp_path / "people.parquet", people()
    with duckdb.connect() as con:
        con.register("rows", rows)
        con.execute(f"COPY (SELECT * FROM rows) TO '{file}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100)")
    assert ("identifier", "subject", 7) in what(file, BY_NAME)
    assert what(file, BY_HASH) == [("erased", "subject", 7)]


def test_a_value_that_no_row_uses_is_found_in_the_dictionary(tmp_path: Path) -> None:
    """As a writer leaves it that filters rows and keeps the dictionary."""
    file = tmp_path / "left.parquet"
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 2, 0], pa.int32()), pa.array(["u1", WHO, "u2"]))
    pq.write_table(pa.table({"subject": coded}), file, compression="zstd", write_statistics=False)
    assert WHO not in pq.read_table(file)["subject"].to_pylist()
    assert ("identifier", "subject, a page of it that no row uses", None) in what(file, BY_NAME)
    assert what(file, BY_HASH) == [("erased", "subject, a page of it that no row uses", None)]


def test_it_is_found_deep_inside_a_column(tmp_path: Path) -> None:
    file = tmp_path / "parts.parquet"
    parts = [[{"kind": "quote", "parties": [{"subject": name}]}] for name in ("u1", WHO)]
    pq.write_table(pa.table({"parts": parts}), file)
    assert ("erased", 1) in [(kind, row) for kind, _, row in what(file, BY_HASH)]
    assert ("identifier", 1) in [(kind, row) for kind, _, row in what(file, BY_NAME)]


def test_many_names_at_once(tmp_path: Path) -> None:
    file, sought = tmp_path / "people.parquet", Sought(names=(*(f"nobody-{n}" for n in range(40)), "vögel|.*", WHO))
    pq.write_table(people(), file)
    assert ("identifier", "subject", 7) in what(file, sought)
    pq.write_table(people(None), file)
    assert what(file, sought) == []


def test_a_name_inside_words_is_found_by_name_and_words_are_no_identifiers(tmp_path: Path) -> None:
    file = tmp_path / "words.parquet"
    pq.write_table(pa.table({"text": [f"so said {WHO} yesterday", WHO]}), file)
    assert {row for kind, _, row in what(file, BY_NAME) if kind == "identifier"} == {0, 1, None}
    assert what(file, BY_HASH) == []


def test_what_stands_in_its_place_is_nothing_to_find(tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    pq.write_table(pa.table({"subject": [suppression.in_its_place(KEY, WHO)]}), file)
    assert what(file, BY_HASH) == []


def test_a_text_is_found_by_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "words.parquet"
    pq.write_table(people(), file)
    sought = Sought(texts=frozenset([hashlib.sha256(b"words of 12").digest()]))
    assert what(file, sought) == [("text", "text", 12)]


def test_other_spellings_are_found_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"who": "acct:Heron@Birds.example", "n": "vögel"}))
    (tmp_path / "b.txt").write_text(f"left by ({WHO})")
    (tmp_path / "c.json").write_text(json.dumps({"who": f"not-{WHO}"}))
    found = [(Path(one.file).name, one.what) for one in looked(tmp_path, BY_HASH).found]
    assert found == [("a.jsonl", "erased"), ("b.txt", "erased")]


def test_a_damaged_file_is_said_and_its_bytes_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1" + WHO.encode() + bytes(40) + b"PAR1")
    made = looked(tmp_path, BY_NAME)
    assert [one.what for one in made.found] == ["identifier"]
    assert [Path(file).name for file, _ in made.unread] == ["torn.parquet"]


# --- databases ----------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    con = sqlite3.connect(tmp_path / "some.db")
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("PRAGMA secure_delete = OFF")
    con.execute("CREATE TABLE said (n INTEGER PRIMARY KEY, subject TEXT)")
    con.executemany("INSERT INTO said (subject) VALUES (?)", [(name,) for name in [*EVERYBODY, WHO]])
    con.commit()
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield con
    con.close()


def test_rows_of_sqlite(tmp_path: Path, database: sqlite3.Connection) -> None:
    assert ("erased", "said.subject", None) in what(tmp_path / "some.db", BY_HASH)
    assert ("identifier", "said.subject", None) in what(tmp_path / "some.db", BY_NAME)


@pytest.mark.parametrize("batch", [1, 7, 65_536])
@pytest.mark.parametrize(
    ("table", "other"),
    [
        ("(n INTEGER PRIMARY KEY, subject TEXT)", "u1"),
        ("(n INTEGER PRIMARY KEY, subject TEXT)", "u1\x1eu2"),
        ("(n INTEGER PRIMARY KEY, subject TEXT)", ""),
        ("(n INTEGER PRIMARY KEY, subject TEXT)", None),
        ("(n INTEGER PRIMARY KEY, subject TEXT)", b"\xff\x00"),
        ("(n INTEGER PRIMARY KEY, subject TEXT)", "long " * 1_000),
        ("(n INTEGER PRIMARY KEY, subject TEXT)", "a\x00b"),
        ("(n TEXT PRIMARY KEY, subject TEXT)", "grün"),
        ("(rowid TEXT, n INTEGER, subject TEXT)", "u1"),
        ("(n INTEGER PRIMARY KEY, subject TEXT) WITHOUT ROWID", "u1"),
    ],
)
def test_whoever_stands_in_a_row_of_sqlite_is_found_whatever_stands_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, table: str, other: object
) -> None:
    monkeypatch.setattr(scanning, "BATCH", batch)
    for at in (0, 3, 9):
        con = sqlite3.connect(tmp_path / f"{at}.db")
        con.execute(f"CREATE TABLE said {table}")
        rows = [(n, WHO if n == at else other if n % 2 else f"u{n}") for n in range(10)]
        con.executemany("INSERT INTO said (n, subject) VALUES (?, ?)", rows)
        con.commit()
        assert what(tmp_path / f"{at}.db", BY_HASH) == [("erased", "said.subject", None)]
        con.execute("DELETE FROM said WHERE subject = ?", [WHO])
        con.commit()
        con.execute("VACUUM")
        con.close()
        assert what(tmp_path / f"{at}.db", BY_HASH) == []


@pytest.mark.parametrize("table", ["sqlite3_said", "SQLiteSaid"])
def test_a_table_that_only_begins_like_those_of_sqlite_is_looked_through(tmp_path: Path, table: str) -> None:
    con = sqlite3.connect(tmp_path / "a.db")
    con.execute(f"CREATE TABLE {table} (n INTEGER, subject TEXT)")
    con.execute(f"INSERT INTO {table} VALUES (1, ?)", [WHO])
    con.commit()
    con.close()
    assert what(tmp_path / "a.db", BY_HASH) == [("erased", f"{table}.subject", None)]


@pytest.mark.parametrize("kept", ["STORED", "VIRTUAL"])
def test_a_column_that_is_made_from_others_is_looked_through(tmp_path: Path, kept: str) -> None:
    con = sqlite3.connect(tmp_path / "a.db")
    con.execute(f"CREATE TABLE said (half TEXT, rest TEXT, subject TEXT GENERATED ALWAYS AS (half || rest) {kept})")
    con.execute("INSERT INTO said VALUES (?, ?)", [WHO[:3], WHO[3:]])
    con.commit()
    con.close()
    assert what(tmp_path / "a.db", BY_HASH) == [("erased", "said.subject", None)]


@pytest.mark.parametrize("name", ["rowid", "_rowid_", "_RowID_"])
@pytest.mark.parametrize("numbers", [(1, 2, "x", "y"), (None, 1, "x", b"x")])
def test_a_column_that_takes_the_name_of_the_number_of_a_row_ends_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, numbers: tuple[object, ...]
) -> None:
    monkeypatch.setattr(scanning, "BATCH", 2)
    con = sqlite3.connect(tmp_path / "a.db")
    con.execute(f"CREATE TABLE said ({name}, subject TEXT)")
    con.executemany("INSERT INTO said VALUES (?, ?)", list(zip(numbers, ("a", "b", WHO, "c"), strict=True)))
    con.commit()
    con.close()
    assert what(tmp_path / "a.db", BY_HASH) == [("erased", "said.subject", None)]


def test_what_sqlite_deleted_and_did_not_write_over(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM said WHERE subject = ?", [WHO])
    database.commit()
    assert [kind for kind, _, _ in what(tmp_path / "some.db-wal", BY_HASH)] in ([], ["erased"])
    assert [kind for kind, _, _ in what(tmp_path / "some.db", BY_NAME)] == ["identifier"]  # the page of before
    assert [kind for kind, _, _ in what(tmp_path / "some.db", BY_HASH)] == ["erased"]
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert [kind for kind, _, _ in what(tmp_path / "some.db", BY_NAME)] == [
        "identifier"
    ]  # in the free space of its page
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert looked(tmp_path, BY_NAME).found == looked(tmp_path, BY_HASH).found == []


def test_an_old_copy_of_a_page_in_the_write_ahead_log(tmp_path: Path, database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO said (subject) VALUES ('@Heron@birds.example')")
    database.commit()
    database.execute("DELETE FROM said WHERE n >= 501")
    database.commit()
    assert [kind for kind, _, _ in what(tmp_path / "some.db-wal", BY_HASH)] != []


def test_pages_of_sqlite_hold_what_was_written(tmp_path: Path, database: sqlite3.Connection) -> None:
    held = memoryview((tmp_path / "some.db").read_bytes())
    seen = [text for number, page in pages.of_sqlite(held) for text in pages.texts_of(page, number == 1)]
    assert {name.encode() for name in [*EVERYBODY, WHO]} <= set(seen)


def test_tables_of_a_duckdb_file(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "some.duckdb")) as con:
        con.execute(
            "CREATE TABLE said AS SELECT CASE WHEN n = 3 THEN ? ELSE 'u' || n END AS subject FROM range(9) AS t(n)",
            [WHO],
        )
    assert ("erased", "said.subject", 3) in what(tmp_path / "some.duckdb", BY_HASH)
    assert ("identifier", "said.subject", 3) in what(tmp_path / "some.duckdb", BY_NAME)


# --- a workspace --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make(tmp_path_factory.mktemp("purging") / "platform", _posts, _people)
    ws = open_workspace(folder)
    at = datetime.now(UTC)
    ws.ledger.append(Event(subject=WHO, type="given", recorded_at=at, effective_at=at))
    mainjob.build(ws, read_job(folder / "job.toml"))
    ws.ledger.close()
    return folder


def _posts(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["who"] = WHO if row["who"] == "u3" else row["who"]


def _people(rows: list[dict[str, Any]]) -> None:
    rows[3]["subject"] = WHO


@pytest.fixture
def ws(template: Path, tmp_path: Path) -> Iterator[Workspace]:
    opened = open_workspace(Path(shutil.copytree(template, tmp_path / "platform")))
    yield opened
    opened.ledger.close()


def erase(ws: Workspace) -> None:
    from aboveboard import erasing

    erasing.ask(ws, WHO, (), erasing.plan(ws, WHO).digest)
    erasing.execute_due(ws, clock=lambda: datetime(2100, 1, 1, tzinfo=UTC))


def rooms(found: list[Found], ws: Workspace) -> set[tuple[str, str]]:
    return {(one.what, Path(one.file).relative_to(ws.folder).parts[0]) for one in found}


def test_before_an_erasure_they_are_found_by_name_and_nobody_is_sought_by_hash(ws: Workspace) -> None:
    assert purging.look(ws).found == []
    assert rooms(purging.look(ws, subjects=[WHO]).found, ws) == {("identifier", "private"), ("identifier", "ledger.db")}


def test_after_it_only_the_published_rows_are_left_to_be_rewritten(ws: Workspace) -> None:
    erase(ws)
    found = purging.look(ws, subjects=[WHO]).found
    assert rooms(found, ws) == {("row", "releases")}
    assert {one.where for one in found} == {"leaf"}
    assert len(found) == 9  # in the tile; the file is the one that the manifest binds to it
    every = purging.look(ws, every_row=True).found
    assert len({(Path(one.file).suffix, one.row) for one in every}) == 18


def test_a_data_file_that_is_not_what_its_manifest_says_is_hashed_row_by_row(ws: Workspace) -> None:
    erase(ws)
    [public] = release.published(ws.releases)
    [data] = (public / "data").iterdir()
    pq.write_table(pq.read_table(data), data)
    found = purging.look(ws).found
    assert len({(Path(one.file).suffix, one.row) for one in found}) == 18


def test_somebody_who_only_asked_is_not_sought(ws: Workspace) -> None:
    from aboveboard import erasing

    erasing.ask(ws, WHO, (), erasing.plan(ws, WHO).digest)
    assert purging.look(ws).found == []


def test_what_a_backup_brought_back_is_found_by_the_list_alone(ws: Workspace) -> None:
    [private] = [path for path in ws.private.iterdir() if (path / "openings").is_dir()]
    shutil.copytree(private / "openings", ws.folder / "backup")
    erase(ws)
    found = purging.look(ws, [ws.folder / "backup"]).found
    assert {(one.what, Path(one.file).name) for one in found} == {
        ("erased", "accounts.parquet"), ("erased", "events.parquet"), ("erased", "facts.parquet"), ("erased", "00000.parquet"),
    }  # fmt: skip


def test_rows_that_a_rewrite_removed_are_sought_in_both_releases_and_no_other(ws: Workspace) -> None:
    [public] = release.published(ws.releases)
    before = pq.read_table(next((ws.private / public.name / "index").iterdir()))["leaf"].to_pylist()
    rewritten, other = ws.releases / "2030-rewritten", ws.releases / "2031-other"
    for copy in (rewritten, other):
        shutil.copytree(public, copy)
        (ws.private / copy.name).mkdir()
    said = json.loads((public / "manifest.json").read_bytes())
    said["predicate"]["supersedes"] = {"release": public.name, "manifest_sha256": "00" * 32}
    (rewritten / "manifest.json").write_text(json.dumps(said))
    (ws.private / rewritten.name / purging.REMOVED).write_bytes(b"".join(sorted(before[:2])))
    found = purging.look(ws).found
    named = {(Path(one.file).relative_to(ws.releases).parts[0], one.what) for one in found}
    assert named == {(public.name, "row"), (rewritten.name, "row")}
    assert len(found) == 4  # two rows, in the tiles of two releases
    # and the private files of the release that was superseded are cleared where told to, but for what builds need
    done = purging.clean(ws, superseded=True)
    assert done.superseded == [public.name]
    assert {path.name for path in (ws.private / public.name).iterdir()} == {"first-seen.parquet", "exact-counts.json"}
    assert purging.clean(ws, superseded=True).superseded == []


def test_a_lost_key_is_said_and_not_passed_over(ws: Workspace) -> None:
    erase(ws)
    (ws.keys_folder / "suppression.key").unlink()
    with pytest.raises(Exception, match="key `suppression` is lost"):
        purging.look(open_workspace(ws.folder))


def test_what_a_build_left_that_died_is_found_and_cleared(ws: Workspace) -> None:
    for name in ("scratch-0123", ".staging-4567"):
        (ws.private / name).mkdir()
        (ws.private / name / "spilled").write_text(f"words of {WHO}")
    (ws.releases / ".staging-4567").mkdir()
    [private] = [path for path in ws.private.iterdir() if (path / "openings").is_dir()]
    (private / "decisions" / "77.partial").write_text("half")
    before = {one: one.read_bytes() for one in private.rglob("*.parquet")}
    assert [one.what for one in purging.look(ws).found].count("leftover") == 4
    done = purging.clean(ws)
    assert (done.ledger, len(done.files)) == (True, 1)
    assert purging.look(ws).found == []
    assert {one: one.read_bytes() for one in private.rglob("*.parquet")} == before
    assert {path.name for path in ws.private.iterdir()} == {private.name}


def test_what_somebody_is_building_is_left_alone(ws: Workspace) -> None:
    with disk.leased(ws.private, release.STAGING) as held:
        held.mkdir()
        purging.clean(ws)
        assert held.is_dir()


@pytest.mark.parametrize("step", ["tidy ledger", "purge leftovers", "purge files"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_purge_that_fails_is_run_again(ws: Workspace, step: str, when: str) -> None:
    (ws.private / "scratch-0123").mkdir()
    [private] = [path for path in ws.private.iterdir() if (path / "openings").is_dir()]
    (private / "decisions" / "77.partial").write_text("half")

    def fail(moment: str, name: str) -> None:
        if (moment, name) == (when, step):
            raise OSError(28, "No space left on device", name)

    token = disk.watcher.set(fail)
    try:
        with pytest.raises(ReleaseError, match="no space left"):
            purging.clean(ws)
    finally:
        disk.watcher.reset(token)
    assert purging.clean(ws).ledger
    assert purging.look(ws).found == []


# --- at the command line ------------------------------------------------------------------------------------------


def run(ws: Workspace, *args: str) -> tuple[int, str]:
    done = CliRunner().invoke(doors, [*args, "-w", str(ws.folder)])
    return done.exit_code, done.output


def test_erase_and_purge_at_the_command_line(ws: Workspace) -> None:
    code, said = run(ws, "erase", WHO)
    assert code == 0
    assert "9 rows of theirs" in said
    code, told = run(ws, "erase", WHO, "--json")
    digest = json.loads(told)["digest"]
    assert digest in said
    assert run(ws, "erase", WHO, "--yes", "0" * 64)[0] == 1
    assert run(ws, "erase", "--list")[1].startswith("No request")
    code, said = run(ws, "erase", WHO, "--yes", digest)
    assert (code, "takes it back" in said) == (0, True)
    assert run(ws, "erase", "--due") == (0, "Nothing is due.\n")
    code, said = run(ws, "erase", "--list", "--json")
    assert (code, json.loads(said)["open"][0]["overdue"]) == (0, False)
    assert run(ws, "erase", "--undo", WHO)[0] == 0
    assert run(ws, "erase", "--undo", WHO)[0] == 1
    assert run(ws, "purge")[0] == 0
    assert run(ws, "purge", "--verify")[0] == 0
    code, said = run(ws, "purge", "--verify", "--subject", WHO)
    assert code == 3
    assert "FOUND a named identifier" in said
    assert run(ws, "purge", "--subject", WHO)[0] == 2
    assert run(ws, "purge", "--verify", "--text", "no hash")[0] == 2
    assert run(ws, "erase")[0] == 2
    assert run(ws, "erase", WHO, "--due")[0] == 2
