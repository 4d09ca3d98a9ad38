"""Real tables of real platforms, read where they lie: nothing of them is kept in this repository."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aboveboard.errors import SourceError
from aboveboard.sources import Staged, table

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", HERE.parent.parent / "shared" / "data"))
MAPS = HERE / "maps"
CONGRESS = DATA / "x-api-v1-congress" / "data" / "list-members.json"
REDDIT = [DATA / "reddit-top" / f"{name}.csv" for name in ("Delightfullychubby", "MachineLearning", "de")]

needs_congress = pytest.mark.skipif(not CONGRESS.exists(), reason="no x-api-v1-congress in ABOVEBOARD_DATA")
needs_reddit = pytest.mark.skipif(not REDDIT[0].exists(), reason="no reddit-top in ABOVEBOARD_DATA")


def source(name: str, tmp_path: Path, **columns: str) -> table.TableSource:
    """A mapping of tests/maps with the place of the data filled in."""
    written = tmp_path / f"{name}.toml"
    written.write_text((MAPS / f"{name}.toml").read_text(encoding="utf-8").replace("DATA/", f"{DATA}/"), "utf-8")
    return table.read(written, overrides={"columns": columns})


def rows(staged: Staged) -> list[dict]:
    return pa.concat_tables([pq.read_table(shard) for shard in staged.shards]).to_pylist()


def posts() -> list[dict]:
    return [user["status"] for user in json.loads(CONGRESS.read_bytes())["users"] if "status" in user]


@needs_congress
def test_every_post_of_congress_is_a_record(tmp_path):
    staged = source("congress", tmp_path).stage(tmp_path / "out")
    assert (staged.rows, staged.quarantined) == (1_057, 0)
    assert [row["record_id"] for row in rows(staged)] == [post["id_str"] for post in posts()]
    assert [row["text"] for row in rows(staged)] == [post["text"] for post in posts()]


@needs_congress
def test_reposts_and_quotes_are_recognised_and_name_who_wrote_the_words(tmp_path):
    found = rows(source("congress", tmp_path).stage(tmp_path / "out"))
    kinds = Counter(row["kind"] for row in found)
    assert kinds["repost"] == 227
    assert sum(post["is_quote_status"] for post in posts()) == 104
    somebody = [{"subject": None, "role": "quoted_author"}]
    for row, post in zip(found, posts(), strict=True):
        assert row["parties"] == (somebody if "retweeted_status" in post else [])
        quoted = [part["parties"] for part in row["parts"] if part["kind"] == "quote"]
        assert quoted == ([somebody] if row["kind"] == "quote" else [])


@needs_congress
def test_the_span_of_a_mention_is_the_mention(tmp_path):
    found = rows(source("congress", tmp_path).stage(tmp_path / "out"))
    spans = [
        (row["text"][part["start"] : part["end"]], part["parties"][0]["subject"])
        for row in found
        for part in row["parts"]
        if part["kind"] == "mention"
    ]
    assert len(spans) == 812
    assert all(words.startswith("@") and subject.startswith("u:") for words, subject in spans)
    names = [m["screen_name"] for post in posts() for m in post["entities"]["user_mentions"]]
    assert Counter(words[1:].lower() for words, _ in spans) == Counter(name.lower() for name in names)


@needs_congress
def test_the_servers_moment_and_the_clients_agree(tmp_path):
    found = rows(source("congress", tmp_path).stage(tmp_path / "out"))
    known = [row for row in found if row["collected_at"] is not None]
    assert len(known) >= 1_050
    assert all(abs((row["created_at"] - row["collected_at"]).total_seconds()) < 2 for row in known)


@needs_congress
def test_rounded_numbers_are_no_ids(tmp_path):
    with pytest.raises(SourceError, match="rows are malformed"):
        source("congress", tmp_path, record_id="CAST(status.id AS VARCHAR)").stage(tmp_path / "out")
    reasons = Counter(pq.read_table(tmp_path / "out" / "quarantine.parquet")["reason"].to_pylist())
    assert reasons == {"an id is a number beyond 2^53": sum(post["id"] > 2**53 for post in posts())}


@needs_congress
@pytest.mark.parametrize(("column", "refused"), [("id", True), ("id_str", False)])
def test_ids_that_were_rounded_before_they_became_text_are_found(tmp_path, column, refused):
    lines = "".join(f"{post[column]},u:1,x\n" for post in posts())
    (tmp_path / "posts.csv").write_text("id,owner,text\n" + lines, "utf-8")
    (tmp_path / "m.toml").write_text(
        'name = "p"\norigin = "licensed"\n[table]\npath = "posts.csv"\n[columns]\nrecord_id = "id"\n', "utf-8"
    )
    read = table.read(tmp_path / "m.toml")
    if refused:
        with pytest.raises(SourceError, match="look rounded"):
            read.stage(tmp_path / "out")
    else:
        assert read.stage(tmp_path / "out").rows == 1_057


@needs_reddit
def test_the_row_that_was_cut_short_is_in_quarantine_and_every_other_is_staged(tmp_path):
    staged = source("reddit", tmp_path).stage(tmp_path / "out")
    assert (staged.rows, staged.quarantined) == (2_723, 1)
    assert pq.read_table(staged.quarantine).to_pylist() == [
        {
            "source": "reddit",
            "file": "Delightfullychubby.csv",
            "row": 723,
            "reason": "the row has 13 fields where the header has 21",
        }
    ]
    found = rows(staged)
    assert [row["ordinal"] for row in found] == [n for n in range(2_724) if n != 723]
    assert len({row["subject"] for row in found}) == len({row["record_id"] for row in found})


@needs_reddit
def test_the_words_are_those_that_another_reader_reads(tmp_path):
    found = rows(source("reddit", tmp_path).stage(tmp_path / "out"))
    said = []
    for path in REDDIT:
        with path.open(encoding="utf-8", newline="") as file:
            said += [row for row in csv.DictReader(file) if row["distinguished"] is not None]
    assert len(said) == len(found)
    for row, one in zip(found, said, strict=True):
        assert (row["record_id"], row["text"]) == (
            one["id"],
            "\n".join(filter(None, [one["title"], one["selftext"]])),
        )


@needs_reddit
def test_nobody_said_who_may_see_it_so_nobody_knows(tmp_path):
    found = rows(source("reddit", tmp_path).stage(tmp_path / "out"))
    assert {row["audience_at"] for row in found} == {None}
    assert {row["upstream"] for row in found} <= {"present", "deleted"}
