"""Tables as records: what a mapping may say, what stays unknown, and that no row is ever lost."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aboveboard import record
from aboveboard.errors import SourceError, VocabularyError
from aboveboard.sources import Staged, from_records, resolved_table, table
from aboveboard.sources.staged import schema

DOCS = Path(__file__).resolve().parent.parent / "docs" / "formats" / "source.md"


def mapping(folder: Path, path: str, columns: str, *, head: str = "", tail: str = "") -> Path:
    where = folder / "map.toml"
    where.write_text(
        f'name = "posts"\norigin = "first_party"\n[table]\npath = "{path}"\n{head}\n'
        f'[columns]\nrecord_id = "id"\n{columns}\n{tail}\n',
        "utf-8",
    )
    return where


def stage(folder: Path, path: str, columns: str = "", **said) -> Staged:
    options = {key: said.pop(key) for key in ("limit", "rows_per_shard", "keep_going", "progress") if key in said}
    return table.read(mapping(folder, path, columns, **said)).stage(folder / "out", **options)


def rows(staged: Staged) -> list[dict]:
    return pa.concat_tables([pq.read_table(shard) for shard in staged.shards]).to_pylist()


def bad(staged_or_folder: Staged | Path) -> list[tuple]:
    where = staged_or_folder.quarantine if isinstance(staged_or_folder, Staged) else staged_or_folder
    return [(row["file"], row["row"], row["reason"]) for row in pq.read_table(where).to_pylist()]


def csv(folder: Path, text: str | bytes, name: str = "posts.csv") -> str:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def jsonl(folder: Path, *objects: object, name: str = "posts.jsonl") -> str:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in objects]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return name


# --- what is not mapped -------------------------------------------------------------------------------------


def test_what_is_not_mapped_is_unknown(tmp_path):
    (row,) = rows(stage(tmp_path, csv(tmp_path, "id\na\n")))
    stated = {"ordinal": 0, "record_id": "a", "source": "posts", "origin": "first_party", "integrity": "none"}
    empty = {"labels": [], "parties": [], "signals": [], "parts": []}
    assert row == {**dict.fromkeys(record.SOURCE_COLUMNS), **stated, **empty}


def test_the_shard_has_exactly_the_source_columns(tmp_path):
    staged = stage(tmp_path, csv(tmp_path, "id\na\n"))
    assert pq.read_schema(staged.shards[0]).equals(schema(record.SOURCE_COLUMNS))
    assert list(pq.read_schema(staged.shards[0]).names) == list(record.SOURCE_COLUMNS)
    metadata = pq.read_metadata(staged.shards[0])
    assert metadata.row_group(0).column(1).compression == "ZSTD"


def test_the_arrow_types_are_those_of_duckdb():
    con = duckdb.connect()
    for columns in (record.SOURCE_COLUMNS, record.RESOLVED_COLUMNS):
        nulls = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns.items())
        assert con.sql(f"SELECT {nulls}").to_arrow_table().schema.equals(schema(columns))


def test_media_may_show_somebody_unknown_and_other_parts_may_not(tmp_path):
    tail = "[[parts]]\nkind = \"'media'\"\n[[parts]]\nkind = \"'card'\"\n[[parts]]\nkind = \"'quote'\"\n"
    tail += '[[parts]]\nkind = "CAST(NULL AS VARCHAR)"\n'
    (row,) = rows(stage(tmp_path, csv(tmp_path, "id\na\n"), "audience_now = \"'public'\"", tail=tail))
    media, card, quote, unknown = row["parts"]
    assert (media["labels"], card["labels"], unknown["labels"]) == (["unidentified_person"], [], None)
    assert [part["source_state"] for part in row["parts"]] == ["own", "own", None, None]
    assert {part["audience_now"] for part in row["parts"]} == {"public"}
    assert {part["audience_at"] for part in row["parts"]} == {None}
    assert (media["categories"], media["place"], media["start"]) == (None, "field", None)
    assert quote["parties"] == []


def test_a_part_that_may_lie_in_the_text_is_no_field_until_the_mapping_says_so(tmp_path):
    kinds = ("mention", "quote", "parent_quote", "media", "card", "geotag", "field")
    tail = "".join(f"[[parts]]\nkind = \"'{kind}'\"\n" for kind in kinds)
    tail += '[[parts]]\nkind = "CAST(NULL AS VARCHAR)"\n'
    tail += "".join(f'[[parts]]\nkind = "\'card\'"\n{edge} = "CAST(NULL AS INTEGER)"\n' for edge in ("start", "end"))
    tail += "[[parts]]\nkind = \"'quote'\"\nplace = \"'field'\"\n"
    tail += '[[parts]]\nkind = "\'card\'"\nstart = "0"\nend = "1"\nplace = "\'span\'"\n'
    (row,) = rows(stage(tmp_path, csv(tmp_path, "id\na\n"), tail=tail))
    places = [part["place"] for part in row["parts"]]
    assert places == [None] * 3 + ["field"] * 4 + [None] * 3 + ["field", "span"]


@pytest.mark.parametrize("edge", ["start", "end"])
def test_a_field_with_a_place_in_the_text_goes_to_quarantine(tmp_path, edge):
    """It says two things of its words: that they stand beside the text, and where in the text they stand."""
    tail = '[quarantine]\nmax_share = 1.0\n[[parts]]\nkind = "\'card\'"\nplace = "place"\n'
    tail += f'{edge} = "CAST(edge AS INTEGER)"\n'
    staged = stage(tmp_path, csv(tmp_path, "id,place,edge\na,field,\nb,field,3\nc,span,3\nd,,3\n"), tail=tail)
    assert [row["record_id"] for row in rows(staged)] == ["a", "c", "d"]
    assert [where[2] for where in bad(staged)] == ["a part in a field has a start or an end in the text"]


# --- expressions --------------------------------------------------------------------------------------------


def test_audience_says_both_then_and_now(tmp_path):
    columns = "audience = \"CASE seen WHEN 'all' THEN 'public' WHEN 'fans' THEN 'followers' END\""
    found = rows(stage(tmp_path, csv(tmp_path, "id,seen\na,all\nb,fans\nc,\nd,whoever\n"), columns))
    assert [(row["audience_at"], row["audience_now"]) for row in found] == [
        ("public", "public"),
        ("followers", "followers"),
        (None, None),
        (None, None),
    ]


def test_lists_are_sets_in_order_and_keep_what_is_unknown(tmp_path):
    columns = '''
        categories = "['user.name', NULL, 'user.content.public', 'user.name', NULL]"
        labels = "'illegal'"
        parties = """[{subject: 'u:2', role: 'mentioned'}, {role: 'author', subject: 'u:1'},
                      {subject: 'u:2', role: 'mentioned'}]"""
        signals = "{code: 'signal.noai'}"
        derived_from = "[]"
    '''
    (row,) = rows(stage(tmp_path, csv(tmp_path, "id\na\n"), columns))
    assert row["categories"] == ["user.content.public", "user.name", None]
    assert row["labels"] == ["illegal"]
    assert [party["subject"] for party in row["parties"]] == ["u:1", "u:2"]
    assert row["signals"] == [{"code": "signal.noai", "purpose": None}]
    assert row["derived_from"] == []


@pytest.mark.parametrize(
    ("zone", "said", "meant"),
    [
        ("UTC", "2023-07-01 12:00:00", "2023-07-01 12:00:00"),
        ("Europe/Berlin", "2023-07-01 12:00:00", "2023-07-01 10:00:00"),
        ("Europe/Berlin", "2023-07-01T12:00:00Z", "2023-07-01 12:00:00"),
        ("UTC", "2023-07-01T12:00:00.123456+05:30", "2023-07-01 06:30:00.123456"),
        ("Europe/Berlin", "2023-01-01", "2022-12-31 23:00:00"),
    ],
)
def test_times_are_instants(tmp_path, zone, said, meant):
    columns = 'created_at = "made"'
    staged = stage(tmp_path, csv(tmp_path, f"id,made\na,{said}\n"), columns, head=f'zone = "{zone}"')
    assert rows(staged)[0]["created_at"] == datetime.fromisoformat(meant)  # naive on purpose: UTC


def test_a_naive_time_without_a_zone_is_no_time(tmp_path):
    staged = stage(
        tmp_path,
        csv(tmp_path, "id,made\na,2023-01-01 00:00:00\nb,2023-01-01 00:00:00Z\n"),
        'created_at = "made"',
    )
    assert [row["record_id"] for row in rows(staged)] == ["b"]
    pq.write_table(pa.table({"id": ["a"], "made": [datetime(2023, 1, 1)]}), tmp_path / "p.parquet")  # noqa: DTZ001
    with pytest.raises(SourceError, match="`created_at` is TIMESTAMP, not a moment") as error:
        stage(tmp_path, "p.parquet", 'created_at = "made"')
    assert "zone" in error.value.hint


def test_moments_that_servers_wrote_into_ids(tmp_path):
    columns = """
        created_at = "tid_time(tid)"
        collected_at = "snowflake_time(id)"
        collected_evidence = "'snowflake'"
    """
    found = rows(stage(tmp_path, csv(tmp_path, "id,tid\n1593767953706921985,3jzfcijpj2z2a\n20,\n"), columns))
    assert found[0]["collected_at"] == datetime.fromisoformat("2022-11-19 00:47:45.597")
    assert found[0]["created_at"] == datetime.fromisoformat("2023-06-30 15:03:01.887007")
    assert found[1]["collected_at"] is None  # before snowflakes an id was a counter and knows no time


def test_a_number_is_not_a_moment_until_somebody_says_of_what(tmp_path):
    path = jsonl(tmp_path, {"id": "a", "made": 1_700_000_000.5})
    with pytest.raises(SourceError, match="not a moment") as error:
        stage(tmp_path, path, 'created_at = "made"')
    assert "epoch_seconds" in error.value.hint
    found = rows(stage(tmp_path, path, 'created_at = "epoch_seconds(made)"'))
    assert found[0]["created_at"] == datetime.fromtimestamp(1_700_000_000.5, UTC).replace(tzinfo=None)


def test_integrity_compares_the_words_with_their_hash(tmp_path):
    good = hashlib.sha256("grüße".encode()).hexdigest()
    path = csv(tmp_path, f"id,text,sha\na,grüße,{good.upper()}\nb,other,{good}\nc,grüße,\nd,,{good}\n")
    found = rows(stage(tmp_path, path, 'text = "text"\ncontent_sha256 = "sha"'))
    assert [row["integrity"] for row in found] == ["match", "mismatch", None, None]


def test_a_joined_table_gives_its_columns(tmp_path):
    csv(tmp_path, "id,kind\nu1,open\n", "accounts.csv")
    tail = '[joins.accounts]\npath = "accounts.csv"\non = "accounts.id = row.owner"'
    columns = "audience = \"CASE accounts.kind WHEN 'open' THEN 'public' END\"\nsubject = \"owner\""
    where = mapping(tmp_path, csv(tmp_path, "id,owner\na,u1\nb,u2\n"), columns, tail=tail)
    where.write_text(where.read_text().replace('record_id = "id"', 'record_id = "row.id"'))
    source = table.read(where)
    assert [path.name for path in source.files] == ["posts.csv", "accounts.csv"]
    assert [row["audience_at"] for row in rows(source.stage(tmp_path / "out"))] == ["public", None]


def test_a_join_that_is_too_large_for_memory_gives_the_same_order(tmp_path, monkeypatch):
    csv(tmp_path, "key,kind\n" + "".join(f"u{n},k{n}\n" for n in range(500)), "accounts.csv")
    path = csv(tmp_path, "id,owner\n" + "".join(f"p{n},u{n * 7 % 600}\n" for n in range(5_000)))
    tail = '[joins.accounts]\npath = "accounts.csv"\non = "accounts.key = row.owner"'
    found = rows(stage(tmp_path, path, 'language = "accounts.kind"', tail=tail))
    monkeypatch.setattr("aboveboard.sources.steps.IN_MEMORY", 0)
    assert rows(stage(tmp_path, path, 'language = "accounts.kind"', tail=tail)) == found


def test_a_joined_table_that_matches_twice_is_an_error(tmp_path):
    csv(tmp_path, "key,kind\nu1,open\nu1,closed\n", "accounts.csv")
    tail = '[joins.accounts]\npath = "accounts.csv"\non = "accounts.key = row.owner"'
    with pytest.raises(SourceError, match="twice") as error:
        stage(tmp_path, csv(tmp_path, "id,owner\na,u1\n"), tail=tail)
    assert "at most once" in error.value.hint


def test_a_joined_table_must_be_whole(tmp_path):
    csv(tmp_path, "key,kind\nu1\n", "accounts.csv")
    tail = '[joins.accounts]\npath = "accounts.csv"\non = "accounts.key = row.owner"'
    with pytest.raises(SourceError, match="joined table has 1 malformed"):
        stage(tmp_path, csv(tmp_path, "id,owner\na,u1\n"), tail=tail)


# --- parts --------------------------------------------------------------------------------------------------

MENTIONS = """
[[parts]]
each = "mentions"
when = "item.id <> 'skip'"
kind = "'mention'"
categories = "'user.account.username'"
parties = "{subject: 'u:' || item.id, role: 'mentioned'}"
place = "'span'"
start = "item.span[1]"
end = "item.span[2]"
[[parts]]
when = "geo <> ''"
kind = "'geotag'"
categories = "['user.location.precise']"
audience = "'private'"
content = "geo"
"""


def test_parts_from_a_list_and_from_a_column(tmp_path):
    mentions = [{"id": "1", "span": [0, 3]}, {"id": "skip", "span": [4, 6]}, {"id": "2", "span": [7, 9]}]
    path = jsonl(tmp_path, {"id": "a", "geo": "1,2", "mentions": mentions}, {"id": "b", "geo": "", "mentions": []})
    first, second = rows(stage(tmp_path, path, "audience = \"'public'\"", tail=MENTIONS))
    assert [(part["kind"], part["start"], part["end"]) for part in first["parts"]] == [
        ("mention", 0, 3),
        ("mention", 7, 9),
        ("geotag", None, None),
    ]
    assert [part["audience_at"] for part in first["parts"]] == ["public", "public", "private"]
    assert first["parts"][0]["parties"] == [{"subject": "u:1", "role": "mentioned"}]
    assert first["parts"][2]["content"] == "1,2"
    assert second["parts"] == []


@pytest.mark.parametrize(
    "record_without", [{"geo": ""}, {"mentions": []}, {"geo": "", "mentions": [{"id": None, "span": [1, 2]}]}]
)
def test_parts_are_unknown_where_it_is_unknown_which_there_are(tmp_path, record_without):
    whole = {"id": "a", "geo": "", "mentions": [{"id": "1", "span": [0, 1]}]}
    path = jsonl(tmp_path, whole, {"id": "b", **record_without})
    assert [row["parts"] is None for row in rows(stage(tmp_path, path, tail=MENTIONS))] == [False, True]


# --- rows in, rows out --------------------------------------------------------------------------------------


def test_a_row_that_cannot_be_computed_is_in_quarantine_and_says_nothing_of_itself(tmp_path):
    path = csv(tmp_path, "id,made\na,2023-01-01T00:00:00Z\nb,SECRET\nc,\n")
    staged = stage(tmp_path, path, 'created_at = "made"')
    assert [(row["ordinal"], row["record_id"]) for row in rows(staged)] == [(0, "a"), (2, "c")]
    assert bad(staged) == [("posts.csv", 1, "`created_at` cannot be computed from this row")]


@pytest.mark.parametrize(
    ("text", "good", "reasons"),
    [
        ("id,t\na,1\nb\nc,2\n", ["a", "c"], [(1, "the row has 1 fields where the header has 2")]),
        ("id,t\na,1\nb,2,3\n", ["a"], [(1, "the row has 3 fields where the header has 2")]),
        ("id,t\n,1\nb,2\n", ["b"], [(0, "`record_id` is missing")]),
        ('id,t\na,"x\ny"\nb\n', ["a"], [(1, "the row has 1 fields where the header has 2")]),
        ('id,t\na,1\nb,"cut', ["a"], [(1, "the file ends inside quotation marks")]),
        (b"id,t\na,\xff\nb,2\n", ["b"], [(0, "the row is not valid UTF-8")]),
        ("id,t\nb\n", [], [(0, "the row has 1 fields where the header has 2")]),
        ("id,t\n", [], []),
        (b"\xef\xbb\xbfid,t\r\na,1\r\n", ["a"], []),
        ("id,t\na,é\n".encode("utf-16"), ["a"], []),
    ],
)
def test_malformed_csv(tmp_path, text, good, reasons):
    staged = stage(tmp_path, csv(tmp_path, text), 'text = "t"')
    assert [row["record_id"] for row in rows(staged)] == good
    assert [(row, why) for _, row, why in bad(staged)] == reasons


def test_malformed_json_lines(tmp_path):
    path = jsonl(tmp_path, {"id": "a"}, '{"id": "b"', "", "[1]", {"id": None}, {"id": "c"})
    staged = stage(tmp_path, path)
    assert [row["record_id"] for row in rows(staged)] == ["a", "c"]
    assert bad(staged) == [
        ("posts.jsonl", 1, "the line is not valid JSON"),
        ("posts.jsonl", 3, "the row is not a JSON object"),
        ("posts.jsonl", 4, "`record_id` is missing"),
    ]


def test_empty_objects_and_lone_values_leave_the_fields_of_others_alone(tmp_path):
    path = jsonl(tmp_path, {}, {"id": "a", "u": {}}, {"id": "b", "u": {"x": "y"}}, {"id": "c", "u": None}, " {} ", "3")
    staged = stage(tmp_path, path, 'subject = "u.x"')
    assert [(row["record_id"], row["subject"]) for row in rows(staged)] == [
        ("a", None),
        ("b", "y"),
        ("c", None),
    ]
    assert [row for _, row, _ in bad(staged)] == [0, 4, 5]
    staged = stage(
        tmp_path,
        jsonl(tmp_path, {"id": "a", "u": {"x": "y"}}, {"id": "b", "u": "z"}),
        "subject = \"u ->> 'x'\"",
    )
    assert [row["subject"] for row in rows(staged)] == ["y", None]


@pytest.mark.parametrize("expression", ["id", "CAST(id AS VARCHAR)", "'p:' || id"])
def test_a_json_number_that_may_have_been_rounded_is_never_an_id(tmp_path, expression):
    path = jsonl(tmp_path, {"id": 2**53 - 1}, {"id": 2**53}, {"id": -(2**60)}, {"id": 2**70})
    where = mapping(tmp_path, path, "")
    where.write_text(where.read_text().replace('record_id = "id"', f'record_id = "{expression}"'))
    staged = table.read(where).stage(tmp_path / "out")
    assert (staged.rows, {why for *_, why in bad(staged)}) == (1, {"an id is a number beyond 2^53"})


def test_text_and_numbers_in_one_field_keep_their_kind(tmp_path):
    path = jsonl(tmp_path, {"id": "9007199254740995"}, {"id": 9007199254740995}, {"id": 7}, {"id": "a"})
    staged = stage(tmp_path, path)
    assert [row["record_id"] for row in rows(staged)] == ["9007199254740995", "7", "a"]
    assert [row for _, row, _ in bad(staged)] == [1]


def test_a_subject_that_was_rounded_is_nobody_we_know(tmp_path):
    path = jsonl(tmp_path, {"id": "a", "user": 2**60}, {"id": "b", "user": 5})
    staged = stage(tmp_path, path, "subject = \"'u:' || user\"")
    assert [row["subject"] for row in rows(staged)] == ["u:5"]


def ids(how_many: int, rounded: int, shape=str) -> list[str]:
    chance = random.Random(7)
    found = [chance.randrange(2**59, 2**60) | 1 for _ in range(how_many)]
    return [shape(one) if n < rounded else str(one) for n, one in enumerate(found)]


def javascript(number: int) -> str:
    """As JavaScript prints a number: 17 digits, then zeros."""
    digits = f"{number:.17g}" if number < 0 else repr(float(number)).replace(".", "").partition("e")[0]
    return digits + "0" * (len(str(number)) - len(digits))


@pytest.mark.parametrize("shape", [lambda one: str(int(float(one))), javascript])
@pytest.mark.parametrize(
    ("many", "rounded", "refused"), [(8, 8, True), (100, 21, True), (100, 10, False), (7, 7, False)]
)
def test_lists_of_ids_that_lost_their_last_digits(tmp_path, shape, many, rounded, refused):
    path = csv(tmp_path, "id\n" + "\n".join(ids(many, rounded, shape)) + "\n")
    if refused:
        with pytest.raises(SourceError, match="look rounded"):
            stage(tmp_path, path)
        assert stage(tmp_path, path, head="ids_verified = true").rows == many
    else:
        assert stage(tmp_path, path).rows == many


def test_people_are_counted_once_when_ids_are_looked_at(tmp_path):
    lines = "".join(f"p{n},u:1152921504606846976\n" for n in range(50))
    assert stage(tmp_path, csv(tmp_path, "id,who\n" + lines), 'subject = "who"').rows == 50
    lines = "".join(f"p{n},u:{one}\n" for n, one in enumerate(ids(20, 20, lambda one: str(int(float(one))))))
    with pytest.raises(SourceError, match="`subject` look rounded"):
        stage(tmp_path, csv(tmp_path, "id,who\n" + lines), 'subject = "who"')


def test_a_warehouse_keeps_its_integers(tmp_path):
    pq.write_table(pa.table({"id": pa.array([2**53 + 1, 3], pa.int64())}), tmp_path / "p.parquet")
    assert [row["record_id"] for row in rows(stage(tmp_path, "p.parquet"))] == [str(2**53 + 1), "3"]
    pq.write_table(pa.table({"id": pa.array([2.0**53, 3.0])}), tmp_path / "p.parquet")
    assert [row["record_id"] for row in rows(stage(tmp_path, "p.parquet"))] == ["3"]


@pytest.mark.parametrize(
    ("good", "malformed", "stops"), [(0, 11, True), (0, 10, False), (20_000, 11, False), (10_000, 11, True)]
)
def test_a_read_stops_above_a_share_and_a_number_of_malformed_rows(tmp_path, good, malformed, stops):
    path = csv(tmp_path, "id,t\n" + "a,1\n" * good + "b\n" * malformed)
    if not stops:
        staged = stage(tmp_path, path)
        assert (staged.rows, staged.quarantined) == (good, malformed)
        return
    with pytest.raises(SourceError, match="malformed") as error:
        stage(tmp_path, path)
    assert "quarantine" in error.value.hint
    assert len(bad(tmp_path / "out" / "quarantine.parquet")) == malformed
    assert not list((tmp_path / "out").glob("part-*"))
    assert stage(tmp_path, path, keep_going=True).quarantined == malformed
    assert stage(tmp_path, path, tail="[quarantine]\nmax_share = 1.0").quarantined == malformed


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["good", "short", "long", "no id", "bad time", "quoted", "empty line"]), max_size=60))
def test_totality_every_row_is_staged_or_in_quarantine(tmp_path, kinds):
    line = {
        "good": "{n},2020-01-01T00:00:00Z,x",
        "short": "{n},x",
        "long": "{n},,x,y",
        "no id": ",,x",
        "bad time": "{n},never,x",
        "quoted": '{n},,"a\nb, ""c"""',
        "empty line": "",
    }
    path = csv(tmp_path, "id,made,t\n" + "".join(line[kind].format(n=n) + "\n" for n, kind in enumerate(kinds)))
    staged = stage(tmp_path, path, 'created_at = "made"\ntext = "t"', keep_going=True)
    wanted = [kind for kind in kinds if kind != "empty line"]
    assert staged.rows + staged.quarantined == len(wanted)
    assert [row["ordinal"] for row in rows(staged)] == [n for n, k in enumerate(wanted) if k in ("good", "quoted")]
    assert [row for _, row, _ in bad(staged)] == [n for n, k in enumerate(wanted) if k not in ("good", "quoted")]


# --- the same rows from every format ------------------------------------------------------------------------

POSTS = [{"id": f"p{n}", "said": f"words {n}", "likes": str(n)} for n in range(5)]


def _write(folder: Path, name: str) -> None:
    where = folder / name
    stored = pa.Table.from_pylist(POSTS)
    lines = "".join(json.dumps(post) + "\n" for post in POSTS)
    fields = "id,said,likes\n" + "".join(",".join(post.values()) + "\n" for post in POSTS)
    if name.endswith(".parquet"):
        pq.write_table(stored, where)
    elif name.endswith((".db", ".duckdb")):
        con = sqlite3.connect(where) if name.endswith(".db") else duckdb.connect(str(where))
        con.execute("CREATE TABLE posts (id VARCHAR, said VARCHAR, likes VARCHAR)")
        con.executemany("INSERT INTO posts VALUES (?, ?, ?)", [tuple(post.values()) for post in POSTS])
        con.commit()
        con.close()
    elif name.endswith(".gz"):
        where.write_bytes(gzip.compress((fields if "csv" in name else lines).encode()))
    else:
        plain = {
            ".csv": fields,
            ".tsv": fields.replace(",", "\t"),
            ".jsonl": lines,
            ".json": json.dumps(POSTS, indent=1),
        }
        where.write_text(plain[where.suffix], "utf-8")


@pytest.mark.parametrize(
    "name", ["p.parquet", "p.csv", "p.tsv", "p.csv.gz", "p.jsonl", "p.jsonl.gz", "p.json", "p.db", "p.duckdb"]
)
def test_every_format_gives_the_same_rows(tmp_path, name):
    _write(tmp_path, name)
    head = 'table = "posts"' if name.endswith(("db",)) else ""
    staged = stage(tmp_path, name, 'text = "said"\nrevision = "likes"', head=head)
    found = [(row["ordinal"], row["record_id"], row["text"], row["revision"]) for row in rows(staged)]
    assert found == [(n, f"p{n}", f"words {n}", n) for n in range(5)]
    assert (staged.rows, staged.quarantined) == (5, 0)


def test_an_unknown_format_is_refused_by_name(tmp_path):
    (tmp_path / "posts.xlsx").write_bytes(b"")
    with pytest.raises(VocabularyError, match="xlsx"):
        table.read(mapping(tmp_path, "posts.xlsx", ""))


def test_files_of_a_glob_are_read_in_order_of_name(tmp_path):
    for day in ("b", "c", "a"):
        csv(tmp_path, f"id\n{day}1\n{day}2\n", f"day-{day}.csv")
    staged = stage(tmp_path, "day-*.csv")
    assert [row["record_id"] for row in rows(staged)] == ["a1", "a2", "b1", "b2", "c1", "c2"]
    assert [path.name for path in staged.files] == ["day-a.csv", "day-b.csv", "day-c.csv"]


def test_columns_that_only_some_files_have_are_unknown_in_the_others(tmp_path):
    pq.write_table(pa.table({"id": ["a"], "t": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"id": ["b"]}), tmp_path / "2.parquet")
    assert [row["text"] for row in rows(stage(tmp_path, "*.parquet", 'text = "t"'))] == ["x", None]
    columns = 'text = "said"\nlanguage = "more.lang"'
    head = 'optional = { said = "VARCHAR", more = { lang = "VARCHAR" } }'
    for path in ("1.parquet", csv(tmp_path, "id\na\n"), jsonl(tmp_path, {"id": "a"})):
        (row,) = rows(stage(tmp_path, path, columns, head=head))
        assert (row["text"], row["language"]) == (None, None)


def test_records_that_lie_inside_other_rows(tmp_path):
    people = [
        {"name": "ann", "posts": [{"id": "1", "t": "x"}, {"id": "2", "t": "y"}]},
        {"name": "bob", "posts": []},
        {"name": "cy", "posts": None},
        {"name": "dee", "posts": [{"id": None, "t": "z"}, {"id": "3", "t": "w"}]},
    ]
    path = jsonl(tmp_path, *people, "not json")
    staged = stage(tmp_path, path, 'text = "t"\nsubject = "holder.name"', head='each = "posts"')
    assert [(row["ordinal"], row["record_id"], row["subject"]) for row in rows(staged)] == [
        (0, "1", "ann"),
        (1, "2", "ann"),
        (3, "3", "dee"),
    ]
    assert [row for _, row, _ in bad(staged)] == [3, 4]


# --- shards -------------------------------------------------------------------------------------------------


def test_shards_hold_the_asked_number_of_rows_in_order(tmp_path):
    path = csv(tmp_path, "id\n" + "".join(f"p{n}\n" for n in range(100_000)))
    seen: list[tuple[int, int | None]] = []
    staged = stage(tmp_path, path, rows_per_shard=40_000, progress=lambda done, total: seen.append((done, total)))
    assert [pq.read_metadata(shard).num_rows for shard in staged.shards] == [40_000, 40_000, 20_000]
    assert [row["record_id"] for row in rows(staged)] == [f"p{n}" for n in range(100_000)]
    assert seen[-1] == (100_000, None)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_staging_again_gives_the_same_bytes_and_leaves_no_old_shard(tmp_path):
    path = csv(tmp_path, "id\n" + "".join(f"p{n}\n" for n in range(70_000)))
    many = stage(tmp_path, path, rows_per_shard=10_000)
    once = stage(tmp_path, path)
    bytes_once = [shard.read_bytes() for shard in once.shards]
    again = stage(tmp_path, path)
    assert len(many.shards) == 7
    assert sorted((tmp_path / "out").glob("part-*")) == sorted(again.shards)
    assert [shard.read_bytes() for shard in again.shards] == bytes_once
    assert (once.digest, len(once.digest)) == (again.digest, 64)


def test_the_digest_is_of_names_and_contents(tmp_path):
    first = stage(tmp_path, csv(tmp_path, "id\na\n")).digest
    assert stage(tmp_path, csv(tmp_path, "id\nb\n")).digest != first
    assert stage(tmp_path, csv(tmp_path, "id\na\n", "other.csv")).digest != first
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert stage(elsewhere, csv(elsewhere, "id\na\n")).digest == first


@pytest.mark.parametrize("limit", [0, 1, 3, 99])
def test_a_limit_reads_no_further(tmp_path, limit):
    path = csv(tmp_path, "id,t\na,1\nb\nc,1\nd,1\n")
    staged = stage(tmp_path, path, limit=limit)
    assert staged.rows + staged.quarantined == min(limit, 4)


def test_a_source_without_rows_has_one_empty_shard(tmp_path):
    staged = stage(tmp_path, csv(tmp_path, "id\n"))
    assert [pq.read_metadata(shard).num_rows for shard in staged.shards] == [0]


# --- what a mapping may not say -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "tail", "says"),
    [
        ('categorys = "x"', "", "unknown column `categorys`"),
        ('origin = "x"', "", "unknown column `origin`"),
        ("", '[[parts]]\nkind = "t"\nstrat = "1"', "unknown key of .*parts.* `strat`"),
        ("", "[quarantine]\nmax = 1", "unknown key of .quarantine. `max`"),
        ("", '[joins.row]\npath = "posts.csv"\non = "true"', "cannot be called `row`"),
        ('collected_at = "x"', "", "`collected_at` without `collected_evidence`"),
        ("audience = \"'public'\"\naudience_at = \"'public'\"", "", "`audience` beside"),
        ("", '[[parts]]\nwhen = "true"', "parts without `kind`"),
        ('text = ""', "", "`text` is not an SQL expression"),
        ("text = 7", "", "`text` is not an SQL expression"),
    ],
)
def test_mistakes_in_the_mapping_are_named_before_anything_is_read(tmp_path, columns, tail, says):
    with pytest.raises((SourceError, VocabularyError), match=says):
        table.read(mapping(tmp_path, csv(tmp_path, "id\na\n"), columns, tail=tail))


@pytest.mark.parametrize(
    ("columns", "says", "hint"),
    [
        ('text = "tex"', "`text` cannot be computed", "tex"),
        ('text = "t +"', "`text` is not an SQL expression", "syntax"),
        ('text = "t) FROM raw --"', "`text` is not an SQL expression", ""),
        ('text = "(SELECT max(t) FROM raw)"', "`text` looks beyond its row", ""),
        ('text = "lag(t) OVER ()"', "`text` looks beyond its row", ""),
        ('text = "max(t)"', "`text` cannot be computed", ""),
        ("text = \"(SELECT content FROM read_text('/etc/passwd'))\"", "`text` looks beyond its row", ""),
        ('created_at = "7"', "`created_at` is INTEGER, not a moment", "epoch_seconds"),
        ('categories = "{a: 1}"', "`categories` is STRUCT", ""),
        ("parties = \"'u:1'\"", "`parties` is VARCHAR", ""),
        ('text = "random()"', "cannot be", ""),
        ("audience = \"'pubic'\"", "unknown audience `pubic`", "public"),
        ("kind = \"'pst'\"", "unknown kind `pst`", "post"),
        ("categories = \"'user.contnt.public'\"", "unknown category", "user.content.public"),
        ("signals = \"{code: 'signal.no'}\"", "unknown signal", ""),
        ("zzz", "the mapping is not TOML", ""),
    ],
)
def test_mistakes_in_expressions_name_the_column(tmp_path, columns, says, hint):
    with pytest.raises(SourceError, match=says) as error:
        stage(tmp_path, csv(tmp_path, "id,t\na,SECRET\n"), columns)
    assert hint in error.value.hint
    assert "SECRET" not in str(error.value) + error.value.hint


def test_a_mapping_cannot_reach_other_files(tmp_path):
    (tmp_path / "secret.txt").write_text("SECRET")
    with pytest.raises(SourceError):
        stage(tmp_path, csv(tmp_path, "id\na\n"), "text = \"getenv('HOME')\"")
    with pytest.raises(SourceError):
        stage(tmp_path, csv(tmp_path, "id\na\n"), f"text = \"read_text('{tmp_path}/secret.txt')\"")


def test_a_missing_file_is_said_at_once(tmp_path):
    with pytest.raises(SourceError, match="missing"):
        table.read(mapping(tmp_path, "gone.csv", ""))


def test_a_file_that_is_something_else_is_said_without_its_words(tmp_path):
    for name in ("p.parquet", "p.duckdb", "p.db", "p.json"):
        (tmp_path / name).write_bytes(b"SECRET words that are none of these" * 40)
        with pytest.raises(SourceError) as error:
            stage(tmp_path, name, head='table = "posts"')
        assert "SECRET" not in str(error.value) + error.value.hint


def test_overrides_replace_values_of_the_mapping(tmp_path):
    csv(tmp_path, "id\nb\n", "other.csv")
    where = mapping(tmp_path, csv(tmp_path, "id\na\n"), "")
    source = table.read(where, overrides={"name": "moved", "table": {"path": "other.csv"}})
    assert (source.name, [path.name for path in source.files]) == ("moved", ["other.csv"])
    assert rows(source.stage(tmp_path / "out"))[0]["record_id"] == "b"


# --- records that are already values ------------------------------------------------------------------------

RECORDS = [
    record.Record(
        "1",
        subject="u:1",
        source="world",
        ordinal=4,
        collected_at=datetime(2023, 1, 1, 2, tzinfo=UTC),
        main=record.Part(content="hi @bo", parties=[record.Party("u:2", None)], categories=None),
        parts=[record.Part(kind="mention", place="span", start=3, end=6, parties=None, labels=[None], signals=[])],
    ),
    record.Record("2", parts=None, main=record.Part(source_state=None, signals=[record.Signal(None)])),
]


def test_records_as_the_table_the_engine_judges():
    found = resolved_table(RECORDS)
    assert found.schema.equals(schema(record.RESOLVED_COLUMNS))
    first, second = found.to_pylist()
    assert (first["record_id"], first["ordinal"], first["source"], first["text"]) == (
        "1",
        4,
        "world",
        "hi @bo",
    )
    assert first["collected_at"] == datetime.fromisoformat("2023-01-01 02:00")
    assert (first["duplicate"], first["edition"], first["source_state"]) == ("unique", "latest", "own")
    assert first["parties"] == [{"subject": "u:2", "role": None}]
    assert (first["categories"], first["parts"][0]["labels"], first["parts"][0]["parties"]) == (
        None,
        [None],
        None,
    )
    assert (second["parts"], second["source_state"]) == (None, None)
    assert resolved_table([]).schema.equals(found.schema)


def test_records_as_a_staged_source(tmp_path):
    staged = from_records(RECORDS, tmp_path, name="world")
    assert (staged.rows, staged.quarantined, bad(staged)) == (2, 0, [])
    assert pq.read_schema(staged.shards[0]).equals(schema(record.SOURCE_COLUMNS))
    assert [(row["ordinal"], row["source"], row["record_id"]) for row in rows(staged)] == [
        (0, "world", "1"),
        (1, "world", "2"),
    ]


def test_a_record_with_a_naive_time_is_an_error():
    with pytest.raises(SourceError, match="without a zone"):
        resolved_table([record.Record("1", collected_at=datetime(2023, 1, 1))])  # noqa: DTZ001


# --- the specification page ---------------------------------------------------------------------------------


def test_the_example_of_the_page_runs(tmp_path):
    blocks = re.findall(r"```(\w+) ([\w./]+)\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    for _, name, text in blocks:
        (tmp_path / name).write_text(text, "utf-8")
    staged = table.read(tmp_path / "posts.toml").stage(tmp_path / "out")
    wanted = [json.loads(line) for line in (tmp_path / "expected.jsonl").read_text("utf-8").splitlines()]
    found = [{**row, "collected_at": str(row["collected_at"])} for row in rows(staged)]
    assert [{key: row[key] for key in one} for row, one in zip(found, wanted, strict=True)] == wanted
    assert bad(staged) == [("posts.jsonl", 3, "an id is a number beyond 2^53")]


def test_the_page_names_every_column_and_function():
    page = DOCS.read_text("utf-8")
    from aboveboard.sources import mapping as mappings
    from aboveboard.sources.session import MACROS

    for name in (*mappings.COLUMNS, *mappings.AUDIENCES, *mappings.PART_KEYS, *mappings.INPUT_KEYS):
        assert f"`{name}`" in page, name
    for macro in MACROS:
        assert f"`{macro.split(' AS ')[0]}`" in page, macro
