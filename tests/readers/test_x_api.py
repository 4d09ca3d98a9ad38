"""Payloads of X's API: what each form becomes, what every quirk does, and that nothing is lost or opened by accident.

All payloads here are our own; the published ones are read in place (``ABOVEBOARD_DATA``) and only counted.
"""

from __future__ import annotations

import codecs
import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import x_cassettes

import exports
from aboveboard import compliance
from aboveboard.choice import Event, people
from aboveboard.engine import Engine
from aboveboard.errors import SourceError
from aboveboard.gate import Decision, Gate, Licence
from aboveboard.judgement import Judgement
from aboveboard.relate import Overheard, relate
from aboveboard.sources.x_api_compliance import EVENTS
from aboveboard.sources.x_api_post import Words
from exports import Reading

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ABOVEBOARD_DATA", ROOT.parent / "shared" / "data"))
BASE = 1593767953706921985
AT = datetime.fromisoformat("2022-11-19T00:47:45.597")
OLD = "1293593516040269825"
"""The id of a post from 2020, when no post could be narrower than its account."""
FIELDS = ["author_id", "attachments", "community_id", "entities", "geo", "referenced_tweets"]
"""The fields of a v2 request that leaves nothing unknown."""


def id_of(number: int) -> str:
    return str(BASE + 20_000_002 * number)


def status(number: int = 0, text: str = "hello", *, by: str | None = "42", **more: Any) -> dict[str, Any]:
    """A status of v1.1 as X sends it, with every key; ``id`` is rounded, as a browser would."""
    usual: dict[str, Any] = {
        "created_at": "Sat Nov 19 00:47:45 +0000 2022", "id": int(float(id_of(number))), "id_str": id_of(number),
        "text": text, "truncated": False, "lang": "en", "place": None, "geo": None, "coordinates": None,
        "entities": {"hashtags": [], "urls": [], "user_mentions": []}, "is_quote_status": False,
        "in_reply_to_status_id": None, "in_reply_to_status_id_str": None,
    }  # fmt: skip
    if by is not None:
        usual["user"] = {"id": int(by), "id_str": by, "screen_name": "neo", "protected": False}
    return {**usual, **more}


def mentioning(text: str, name: str, who: str = "7") -> dict[str, Any]:
    """Entities that name somebody where they stand in the escaped text."""
    start = text.index(f"@{name}")
    one = {"screen_name": name, "id_str": who, "id": int(who), "indices": [start, start + len(name) + 1]}
    return {"urls": [], "user_mentions": [one]}


def tweet(number: int = 0, text: str = "hello", **more: Any) -> dict[str, Any]:
    """A post of v2 with nothing but what is always there."""
    id = id_of(number)
    return {"id": id, "text": text, "edit_history_tweet_ids": [id], **more}


def activity(number: int = 0, text: str = "hello", *, by: str = "42", **more: Any) -> dict[str, Any]:
    """A post as Gnip's activity streams tell it."""
    return {
        "objectType": "activity", "verb": "post", "id": f"tag:search.twitter.com,2005:{id_of(number)}",
        "actor": {"objectType": "person", "id": f"id:twitter.com:{by}", "preferredUsername": "neo"},
        "postedTime": "2022-11-19T00:47:45.000Z", "body": text, "twitter_lang": "en",
        "object": {"objectType": "note"}, "twitter_entities": {"urls": [], "user_mentions": []}, **more,
    }  # fmt: skip


def lines(*payloads: Any) -> str:
    return "".join(json.dumps(one) + "\n" for one in payloads)


def read(folder: Path, *payloads: Any, **settings: Any) -> Reading:
    """Payloads, one a line, as they are staged."""
    return exports.read(folder, "x_api", {"posts.jsonl": lines(*payloads)}, **settings)


def one(folder: Path, payload: Any, **settings: Any) -> dict[str, Any]:
    [row] = read(folder, payload, **settings).rows
    return row


def fault(folder: Path, payload: Any, **settings: Any) -> str:
    reading = read(folder, payload, **settings)
    assert reading.rows == []
    [found] = reading.quarantine
    assert (found["file"], found["row"]) == ("posts.jsonl", 0)
    return str(found["reason"])


def part(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    [found] = [part for part in row["parts"] if part["kind"] == kind]
    return found


def decisions(reading: Reading, folder: Path, *, bare: bool = False) -> list[Decision]:
    """Every decision, in the order of the rows; ``bare``: nobody knows anything about any account."""
    known = people([], []) if bare else _open(reading)
    gate = Gate(exports.policy(), known, exports.JOB, exports.NOW, exports.REGIMES)
    engine = Engine(threads=1)
    return Judgement(engine, relate([reading.staged], folder, engine), gate).sample(len(reading.rows) + 1)


def _open(reading: Reading) -> Any:
    who = {row["subject"] for row in reading.rows}
    who |= {
        p["subject"] for row in reading.rows for part in (row, *(row["parts"] or [])) for p in part["parties"] or []
    }
    usual = {"state": "active", "protected": False, "age_band": "adult", "residency": "IE"}
    return people([], [exports.Facts(subject=one, **usual) for one in sorted(filter(None, who))])


def released(reading: Reading, folder: Path) -> set[str]:
    return {one.record_id for one in decisions(reading, folder) if one.outcome.value in ("permit", "redact")}


# --- v1.1: golden rows ----------------------------------------------------------------------------------------


def test_a_status_column_by_column(tmp_path: Path) -> None:
    text = "R&amp;D with @anna &lt;3"
    row = one(tmp_path, status(text=text, entities=mentioning(text, "anna")))
    assert row == {
        "ordinal": 0, "record_id": id_of(0), "source": "export", "kind": "post", "subject": "42", "language": "en",
        "created_at": AT.replace(microsecond=0), "collected_at": AT, "collected_evidence": "snowflake",
        "audience_evidence": "user.protected", "origin": "first_party", "licence": None, "upstream": None,
        "lifecycle": "published", "integrity": "none", "text": "R&D with @anna <3",
        "categories": ["user.content.public"], "labels": [], "audience_at": "public", "audience_now": "public",
        "parties": [], "signals": [], "revision_of": None, "revision": BASE, "parent_id": None, "quoted_id": None,
        "derived_from": None, "content_sha256": None,
        "parts": [{
            "kind": "mention", "categories": ["user.account.username"], "labels": [], "audience_at": "public",
            "audience_now": "public", "parties": [{"subject": "7", "role": "mentioned"}], "signals": [],
            "source_state": "own", "place": "span", "start": 9, "end": 14, "content": None,
        }],
    }  # fmt: skip
    assert row["text"][9:14] == "@anna"


def test_the_whole_text_and_its_own_entities_count(tmp_path: Path) -> None:
    short, long = "Dear @an… &amp; https://t.co/x", "Dear &amp; dear @anna, and all the others"
    own = {"full_text": long, "display_text_range": [0, 5], "entities": mentioning(long, "anna")}
    wrong = {"urls": [], "user_mentions": [{"screen_name": "nobody", "id_str": "8", "indices": [5, 8]}]}
    row = one(tmp_path, status(text=short, truncated=True, entities=wrong, extended_tweet=own))
    assert row["text"] == "Dear & dear @anna, and all the others"
    found = part(row, "mention")
    assert row["text"][found["start"] : found["end"]] == "@anna"
    assert found["parties"] == [{"subject": "7", "role": "mentioned"}]


def test_full_text_of_tweet_mode_extended(tmp_path: Path) -> None:
    said = status(full_text="all of it", truncated=False)
    del said["text"]
    assert one(tmp_path, said)["text"] == "all of it"


def test_what_was_cut_off_is_unknown(tmp_path: Path) -> None:
    reading = read(tmp_path, status(text="the beginning… https://t.co/x", truncated=True))
    assert reading.rows[0]["parts"] is None
    [decision] = decisions(reading, tmp_path)
    assert decision.outcome.value == "hold"


@pytest.mark.parametrize("missing", [["entities"], ["place"], ["geo", "coordinates"]])
def test_keys_that_are_always_sent_say_nothing_when_they_were_cut_away(tmp_path: Path, missing: list[str]) -> None:
    said = {name: value for name, value in status().items() if name not in missing}
    assert one(tmp_path, said)["parts"] is None


@pytest.mark.parametrize(
    "text", ["@anna", "&amp;@anna", "&lt;&gt;&amp; é 👩‍🚒 @anna&amp;", "&amp;amp; @anna", "今日は@annaさん"]
)
def test_spans_are_those_of_the_text_as_people_read_it(tmp_path: Path, text: str) -> None:
    row = one(tmp_path, status(text=text, entities=mentioning(text, "anna")))
    found = part(row, "mention")
    assert row["text"][found["start"] : found["end"]] == "@anna"
    assert "&amp;" not in row["text"] or text.startswith("&amp;amp;")


def test_any_span_of_any_escaped_text_is_found() -> None:
    rng = random.Random(7)
    for _ in range(500):
        pieces = [rng.choice(["&amp;", "&lt;", "&gt;", "a ", "é", "👩", "&", "amp;", " @b "]) for _ in range(9)]
        at = rng.randrange(10)
        sent = "".join(pieces[:at]) + " @anna " + "".join(pieces[at:])
        words, start = Words(sent), len("".join(pieces[:at])) + 1
        span = words.mention(start, start + 5)
        assert span is not None
        assert words.text[slice(*span)] == "@anna"


@pytest.mark.parametrize("indices", [[0, 4], [1, 6], [0, 99], [-5, 5], [5, 0], ["0", "5"], [0], None, [0.0, 5.0]])
def test_a_span_that_is_not_a_mention_is_unknown_and_holds(tmp_path: Path, indices: Any) -> None:
    text = "@anna is here"
    entities = mentioning(text, "anna")
    entities["user_mentions"][0]["indices"] = indices
    reading = read(tmp_path, status(text=text, entities=entities))
    found = part(reading.rows[0], "mention")
    assert (found["place"], found["start"], found["end"]) == ("span", None, None)
    [decision] = decisions(reading, tmp_path)
    assert decision.outcome.value == "hold"


# --- v1.1: whose words, and how public -----------------------------------------------------------------------


def test_a_retweet_is_an_edge_and_the_original_a_record_of_its_author(tmp_path: Path) -> None:
    long = status(1, "all of the original", by="43")
    said = status(0, "RT @old: all of the orig…", truncated=True, retweeted_status=long)
    reading = read(tmp_path, said)
    repost, original = reading.by_id(id_of(0)), reading.by_id(id_of(1))
    assert (repost["kind"], repost["subject"], repost["text"], repost["parts"]) == ("repost", "42", "", [])
    assert repost["quoted_id"] == id_of(1)
    assert repost["parties"] == [{"subject": "43", "role": "quoted_author"}]
    assert (original["kind"], original["subject"], original["text"]) == ("post", "43", "all of the original")
    assert released(reading, tmp_path) == {id_of(1)}


def test_a_retweet_names_its_author_where_the_original_does_not(tmp_path: Path) -> None:
    text = "RT @old: words of @anna"
    mentions = [
        {"screen_name": "anna", "id_str": "7", "indices": [18, 23]},
        {"screen_name": "old", "id_str": "43", "indices": [3, 7]},
    ]
    original = status(1, "words of @anna", by=None, entities=mentioning("words of @anna", "anna"))
    said = status(0, text, entities={"user_mentions": mentions}, retweeted_status=original)
    reading = read(tmp_path, said)
    assert reading.by_id(id_of(0))["parties"] == [{"subject": "43", "role": "quoted_author"}]
    assert reading.by_id(id_of(1))["subject"] == "43"


def test_an_original_by_nobody_is_no_record(tmp_path: Path) -> None:
    row = one(tmp_path, status(0, "RT @old: words", retweeted_status=status(1, "words", by=None)))
    assert row["parties"] == [{"subject": None, "role": "quoted_author"}]
    assert row["quoted_id"] == id_of(1)


def test_a_retweet_told_only_by_its_text(tmp_path: Path) -> None:
    row = one(tmp_path, status(0, "RT @old: somebody's words"))
    assert (row["kind"], row["text"], row["quoted_id"]) == ("repost", "", None)
    assert row["parties"] == [{"subject": None, "role": "quoted_author"}]


def test_a_quote_and_what_it_quotes(tmp_path: Path) -> None:
    quoted = status(1, "the quoted words", by="43")
    said = status(0, "look https://t.co/x", is_quote_status=True, quoted_status_id_str=id_of(1), quoted_status=quoted)
    reading = read(tmp_path, said)
    row = reading.by_id(id_of(0))
    assert (row["kind"], row["quoted_id"]) == ("quote", id_of(1))
    found = part(row, "quote")
    assert (found["parties"], found["source_state"], found["place"], found["content"]) == ([], None, "field", None)
    assert reading.by_id(id_of(1))["text"] == "the quoted words"
    assert quoted_people(reading, tmp_path) == [("43", "quoted_author")]
    gone = read(tmp_path / "gone", status(0, is_quote_status=True))
    assert quoted_people(gone, tmp_path) == [(None, "quoted_author")]
    alone = read(tmp_path / "alone", status(0, is_quote_status=True, quoted_status_id_str=id_of(1)))
    assert quoted_people(alone, tmp_path) == [(None, "quoted_author")]


def quoted_people(reading: Reading, folder: Path) -> list[tuple[str | None, str | None]]:
    """Who is in the quoted part of the first post, once its records were related."""
    engine = Engine(threads=1)
    gate = Gate(exports.policy(), people([], []), exports.JOB, exports.NOW, exports.REGIMES)
    [record] = Judgement(engine, relate([reading.staged], folder, engine), gate).find(id_of(0))
    [found] = [one for one in record.parts or [] if one.kind == "quote"]
    return [(one.subject, one.role) for one in found.parties or []]


def test_a_copy_that_tells_less_about_what_it_quotes_is_the_same_post(tmp_path: Path) -> None:
    inner = status(2, "first", by="44")
    links = {"is_quote_status": True, "quoted_status_id_str": id_of(2)}
    whole, less = status(1, "second", by="43", quoted_status=inner, **links), status(1, "second", by="43", **links)
    outer = status(0, "third", is_quote_status=True, quoted_status_id_str=id_of(1), quoted_status=less)
    reading = read(tmp_path / "v1", outer, whole)
    assert released(reading, tmp_path) == {id_of(0), id_of(1), id_of(2)}
    link = {"urls": [{"expanded_url": f"https://twitter.com/b/status/{id_of(2)}"}], "user_mentions": []}
    short = activity(1, "second", by="43", twitter_entities=link)
    long = {**short, "twitter_quoted_status": activity(2, "first", by="44")}
    reading = read(tmp_path / "activity", activity(0, "third", twitter_quoted_status=short), long)
    assert released(reading, tmp_path) == {id_of(0), id_of(1), id_of(2)}


def test_a_retweet_of_a_quote_gives_each_post_once(tmp_path: Path) -> None:
    innermost = status(2, "first", by="44")
    middle = status(1, "second", by="43", is_quote_status=True, quoted_status=innermost, quoted_status_id_str=id_of(2))
    said = status(0, "RT @b: second", retweeted_status=middle, is_quote_status=True, quoted_status=innermost)
    reading = read(tmp_path, said)
    assert [row["record_id"] for row in reading.rows] == [id_of(0), id_of(1), id_of(2)]
    assert reading.by_id(id_of(0))["quoted_id"] == id_of(1)


def test_identical_copies_of_an_original_are_repetitions_and_no_conflict(tmp_path: Path) -> None:
    original = status(9, "the original", by="43")
    reading = read(tmp_path, *[status(n, "RT @b: the orig", retweeted_status=original) for n in range(3)], original)
    found = Counter(one.decisive.code for one in decisions(reading, tmp_path) if one.record_id == id_of(9))
    assert found == {"integrity.duplicate_repeat": 3, "allow.policy_clause": 1}


def test_replies_point_at_what_they_answer(tmp_path: Path) -> None:
    row = one(tmp_path, status(in_reply_to_status_id=1, in_reply_to_status_id_str=id_of(3)))
    assert (row["kind"], row["parent_id"]) == ("reply", id_of(3))


def test_a_status_without_a_user_is_nobodys(tmp_path: Path) -> None:
    reading = read(tmp_path, status(by=None))
    assert reading.rows[0]["subject"] is None
    [decision] = decisions(reading, tmp_path)
    assert decision.decisive.code == "integrity.subject_unresolved"


def test_accounts_with_their_latest_status_inside(tmp_path: Path) -> None:
    user = {"id": 1, "id_str": "42", "screen_name": "neo", "description": "who I am", "protected": True}
    document = {"users": [{**user, "status": status(by=None)}, {**user, "id_str": "43"}], "next_cursor": 0}
    reading = exports.read(tmp_path, "x_api", {"list.json": json.dumps(document)})
    assert [(row["record_id"], row["kind"], row["subject"]) for row in reading.rows] == [
        ("user:42", "profile", "42"), (id_of(0), "post", "42"), ("user:43", "profile", "43"),
    ]  # fmt: skip
    assert reading.by_id("user:42")["text"] is None
    assert reading.by_id(id_of(0))["audience_at"] == "followers"
    assert released(reading, tmp_path) == set()


def test_a_protected_account_takes_all_its_posts_along(tmp_path: Path) -> None:
    open_ones = [status(n) for n in range(3)]
    assert released(read(tmp_path / "open", *open_ones), tmp_path) == {id_of(n) for n in range(3)}
    user = {"id_str": "42", "screen_name": "neo", "protected": True}
    reading = read(tmp_path / "protected", *[{**one, "user": user} for one in open_ones])
    assert released(reading, tmp_path) == set()
    assert {row["audience_now"] for row in reading.rows} == {"followers"}
    assert {row["categories"][0] for row in reading.rows} == {"user.content.private"}


def test_an_account_whose_protection_is_not_told_is_for_the_facts_to_say(tmp_path: Path) -> None:
    reading = read(tmp_path, status(user={"id_str": "42"}))
    assert reading.rows[0]["audience_at"] == "public"
    assert "as public as its account" in reading.rows[0]["audience_evidence"]
    assert exports.judged(reading, tmp_path)[id_of(0)].outcome.value == "permit"
    facts = {"42": {"protected": None}}
    assert exports.judged(reading, tmp_path, facts=facts)[id_of(0)].outcome.value == "hold"


@pytest.mark.parametrize(
    ("more", "audience"),
    [({"community_id_str": "5"}, None), ({"exclusive_tweet_control": {}}, "public"),
     ({"trusted_friends_control": {"a": 1}}, "circle"),
     ({"exclusive_tweet_control": {"a": 1}}, "followers"), ({"for_super_followers_only": True}, "followers")],
)  # fmt: skip
def test_narrower_than_the_account(tmp_path: Path, more: dict[str, Any], audience: str | None) -> None:
    assert one(tmp_path, status(**more))["audience_at"] == audience


@pytest.mark.parametrize(
    ("more", "lifecycle"),
    [({"withheld_in_countries": []}, "published"), ({"withheld_in_countries": ["DE", "FR"]}, None),
     ({"withheld_in_countries": ["XX"]}, "removed"), ({"withheld_in_countries": ["XY"]}, "removed"),
     ({"withheld_copyright": True}, "removed"), ({"withheld_in_countries": "DE,FR"}, None),
     ({"user": {"id_str": "42", "withheld_in_countries": ["TR"]}}, None),
     ({"user": {"id_str": "42", "withheld_in_countries": ""}}, "published")],
)  # fmt: skip
def test_withheld_somewhere_is_unknown_and_everywhere_is_removed(
    tmp_path: Path, more: dict[str, Any], lifecycle: str | None
) -> None:
    assert one(tmp_path, status(**more))["lifecycle"] == lifecycle


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"id": BASE}, "beyond 2^53"), ({"id": float(BASE)}, "no id"), ({"id": True}, "no id"), ({"id_str": BASE}, "beyond 2^53"),
     ({"id": None}, "without an id"), ({"id_str": "post-1"}, "no id of X"), ({"id_str": "9" * 19}, "no id of X"),
     ({"id_str": "1" * 5000}, "no id of X"), ({"id_str": ""}, "no id"), ({"id_str": []}, "no id")],
)  # fmt: skip
def test_ids_are_the_texts_and_a_rounded_number_is_none(tmp_path: Path, said: dict[str, Any], reason: str) -> None:
    payload = {name: value for name, value in status().items() if name not in ("id", "id_str")}
    assert reason in fault(tmp_path, {**payload, **said})


def test_a_small_number_is_an_id_and_counts_no_time(tmp_path: Path) -> None:
    payload = {name: value for name, value in status().items() if name != "id_str"}
    row = one(tmp_path, {**payload, "id": 20})
    assert (row["record_id"], row["collected_at"], row["collected_evidence"]) == ("20", None, None)


def test_an_author_told_by_a_rounded_number_is_a_fault(tmp_path: Path) -> None:
    assert "beyond 2^53" in fault(tmp_path, status(user={"id": BASE, "screen_name": "neo"}))
    quoted = status(1, user={"id": BASE})
    reading = read(tmp_path / "inside", status(quoted_status=quoted))
    assert [row["record_id"] for row in reading.rows] == [id_of(0)]
    assert len(reading.quarantine) == 1


def test_media_places_and_cards(tmp_path: Path) -> None:
    tags = {"all": {"tags": [{"user_id": 8, "type": "user"}]}}
    photo = {"id_str": "5", "media_url_https": "https://pbs.example/a.jpg", "features": tags}
    taken = {
        "media_url_https": "https://pbs.example/b.jpg",
        "source_status_id_str": id_of(5),
        "source_user_id_str": "44",
    }
    unwound = {"title": "A page", "description": "What it says"}
    said = status(
        extended_entities={"media": [photo, taken]},
        entities={
            "urls": [{"url": "https://t.co/x", "unwound": unwound}, {"url": "https://t.co/y"}],
            "user_mentions": [],
        },
        coordinates={"type": "Point", "coordinates": [-105.3, 40.0]},
        place={"full_name": "Boulder, CO"},
    )
    found = [
        (one["kind"], one["categories"], one["labels"], one["parties"], one["content"])
        for one in one_of(tmp_path, said)
    ]
    public = ["user.content.public"]
    assert found == [
        ("media", public, ["unidentified_person"], [{"subject": "8", "role": "depicted"}], "https://pbs.example/a.jpg"),
        (
            "media",
            public,
            ["unidentified_person"],
            [{"subject": "44", "role": "uploader"}],
            "https://pbs.example/b.jpg",
        ),
        ("card", public, [], [{"subject": None, "role": "author"}], "A page\nWhat it says"),
        ("geotag", ["user.location.precise"], [], [], "40.0,-105.3"),
        ("geotag", ["user.location.imprecise"], [], [], "Boulder, CO"),
    ]


def one_of(folder: Path, said: Any, **settings: Any) -> list[dict[str, Any]]:
    return list(one(folder, said, **settings)["parts"])


def test_older_coordinates_stand_the_other_way_round(tmp_path: Path) -> None:
    said = status(geo={"type": "Point", "coordinates": [40.0, -105.3]})
    assert part(one(tmp_path, said), "geotag")["content"] == "40.0,-105.3"


def test_an_edit_history_of_v1(tmp_path: Path) -> None:
    history = {"initial_tweet_id": id_of(0), "edit_tweet_ids": [id_of(0), id_of(1)]}
    reading = read(
        tmp_path,
        status(0, "first", edit_history={"edit_tweet_ids": [id_of(0)]}),
        status(1, "second", edit_history=history),
    )
    assert reading.by_id(id_of(1))["revision_of"] == id_of(0)
    assert released(reading, tmp_path) == {id_of(1)}
    older = one(tmp_path / "older", status(0, "first", edit_history=history))
    assert older["lifecycle"] == "deleted"


# --- v2 -------------------------------------------------------------------------------------------------------


def test_what_v2_gives_unasked_leaves_everything_else_unknown(tmp_path: Path) -> None:
    row = one(tmp_path, {"data": tweet()})
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {
        "ordinal": 0, "record_id": id_of(0), "source": "export", "collected_at": AT, "collected_evidence": "snowflake",
        "audience_evidence": "community_id (not asked for)", "origin": "first_party", "lifecycle": "published",
        "integrity": "none", "text": "hello", "categories": ["user.content.public"], "labels": [], "parties": [],
        "signals": [], "revision": BASE,
    }  # fmt: skip
    assert exports.judged(read(tmp_path / "2", {"data": [tweet()]}), tmp_path)[id_of(0)].outcome.value == "hold"


def test_what_was_asked_for_and_is_missing_is_not_there(tmp_path: Path) -> None:
    payload = {"data": [tweet(author_id="42")], "includes": {"users": [{"id": "42", "protected": False}]}}
    row = one(tmp_path, payload, tweet_fields=FIELDS)
    assert (row["subject"], row["kind"], row["parts"], row["audience_at"]) == ("42", "post", [], "public")
    assert row["audience_evidence"] == "includes.users.protected"
    reading = read(tmp_path / "2", payload, tweet_fields=",".join(FIELDS))
    assert released(reading, tmp_path) == {id_of(0)}
    for name in FIELDS[1:]:
        asked = [one for one in FIELDS if one != name]
        less = one(tmp_path / name, payload, tweet_fields=asked)
        assert None in (less["parts"], less["kind"], less["audience_at"]), name  # each of them holds it


def test_a_neighbour_that_has_a_field_proves_nothing(tmp_path: Path) -> None:
    full = tweet(1, author_id="42", entities={}, attachments={}, geo={}, referenced_tweets=[])
    reading = read(tmp_path, {"data": [full, tweet(2, author_id="42")]})
    assert reading.by_id(id_of(1))["parts"] == []
    assert reading.by_id(id_of(2))["parts"] is None


def test_a_single_post_without_a_response_around_it(tmp_path: Path) -> None:
    assert one(tmp_path, tweet(author_id="42", created_at="2022-11-19T00:47:45.000Z", lang="und"))["subject"] == "42"
    row = one(tmp_path / "2", tweet(created_at="2022-11-19T01:47:45+01:00", lang="und"))
    assert (row["created_at"], row["language"]) == (AT.replace(microsecond=0), None)


def test_everything_that_hangs_on_a_post_of_v2(tmp_path: Path) -> None:
    text = "R&amp;D @anna https://t.co/x"
    said = tweet(
        text=text, author_id="42",
        entities={
            "mentions": [{"start": 8, "end": 13, "username": "anna", "id": "7"}],
            "urls": [{"start": 14, "end": 28, "url": "https://t.co/x", "title": "A page", "description": "says"}],
        },
        attachments={"media_keys": ["3_1", "3_2"]},
        geo={"place_id": "p1", "coordinates": {"type": "Point", "coordinates": [-105.3, 40.0]}},
        referenced_tweets=[{"type": "quoted", "id": id_of(1)}, {"type": "replied_to", "id": id_of(2)}],
    )  # fmt: skip
    includes = {
        "users": [{"id": "42", "protected": False}],
        "tweets": [tweet(1, "quoted words", author_id="43")],
        "media": [{"media_key": "3_1", "url": "https://pbs.example/a.jpg"}],
        "places": [{"id": "p1", "full_name": "Boulder, CO"}],
    }
    reading = read(tmp_path, {"data": [said], "includes": includes})
    row = reading.by_id(id_of(0))
    assert (row["kind"], row["quoted_id"], row["parent_id"]) == ("quote", id_of(1), id_of(2))
    found = part(row, "mention")
    assert row["text"][found["start"] : found["end"]] == "@anna"
    assert [(one["kind"], one["content"]) for one in row["parts"][1:]] == [
        ("media", "https://pbs.example/a.jpg"), ("media", "3_2"), ("card", "A page\nsays"), ("quote", None),
        ("geotag", "40.0,-105.3"), ("geotag", "Boulder, CO"),
    ]  # fmt: skip
    assert quoted_people(reading, tmp_path) == [("43", "quoted_author")]
    assert reading.by_id(id_of(1))["subject"] == "43"


def test_mentions_counted_in_the_unescaped_text_are_found_as_well(tmp_path: Path) -> None:
    entities = {"mentions": [{"start": 4, "end": 9, "username": "anna", "id": "7"}]}
    row = one(tmp_path, tweet(text="R&amp;D @anna", entities=entities), tweet_fields=FIELDS)
    found = part(row, "mention")
    assert row["text"][found["start"] : found["end"]] == "@anna"


def test_reposts_of_v2_by_reference_and_by_text(tmp_path: Path) -> None:
    said = tweet(0, "RT @b: wor…", author_id="42", referenced_tweets=[{"type": "retweeted", "id": id_of(1)}])
    reading = read(
        tmp_path, {"data": [said, tweet(2, "RT @b: words")], "includes": {"tweets": [tweet(1, author_id="43")]}}
    )
    repost, guessed = reading.by_id(id_of(0)), reading.by_id(id_of(2))
    assert (repost["kind"], repost["text"], repost["quoted_id"]) == ("repost", "", id_of(1))
    assert repost["parties"] == [{"subject": "43", "role": "quoted_author"}]
    assert (guessed["kind"], guessed["text"], guessed["quoted_id"]) == ("repost", "", None)


def test_a_long_post_has_a_text_and_entities_of_its_own(tmp_path: Path) -> None:
    long = {
        "text": "a long way to @anna",
        "entities": {"mentions": [{"start": 14, "end": 19, "username": "anna", "id": "7"}]},
    }
    said = tweet(
        text="a long…", note_tweet=long, entities={"mentions": []}, attachments={}, geo={}, referenced_tweets=[]
    )
    row = one(tmp_path, said)
    found = part(row, "mention")
    assert row["text"][found["start"] : found["end"]] == "@anna"


@pytest.mark.parametrize(
    ("more", "user", "audience"),
    [({"community_id": "5"}, {}, None), ({}, {}, None), ({"community_id": None}, {}, "public"),
     ({"for_super_followers_only": True}, {}, "followers"), ({}, {"protected": True}, "followers"),
     ({"id": OLD, "edit_history_tweet_ids": [OLD]}, {}, "public"), ({}, {"protected": False}, None)],
)  # fmt: skip
def test_how_public_a_post_of_v2_is(
    tmp_path: Path, more: dict[str, Any], user: dict[str, Any], audience: str | None
) -> None:
    payload = {"data": tweet(**{"author_id": "42", **more}), "includes": {"users": [{"id": "42", **user}]}}
    assert one(tmp_path, payload)["audience_at"] == audience


@pytest.mark.parametrize(
    ("post", "user", "lifecycle"),
    [({"copyright": False, "country_codes": ["DE"]}, None, None), ({"copyright": True, "country_codes": ["US"]}, None, "removed"),
     ({"country_codes": ["XX"], "scope": "tweet"}, None, "removed"), (None, {"country_codes": ["TR"]}, None),
     ({"scope": "tweet"}, None, None), (None, None, "published")],
)  # fmt: skip
def test_withheld_in_v2(tmp_path: Path, post: Any, user: Any, lifecycle: str | None) -> None:
    payload = {"data": tweet(author_id="42", withheld=post), "includes": {"users": [{"id": "42", "withheld": user}]}}
    assert one(tmp_path, payload)["lifecycle"] == lifecycle


def edited(number: int, *history: int) -> dict[str, Any]:
    return tweet(number, f"version {number}", author_id="42", edit_history_tweet_ids=[id_of(n) for n in history])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_a_chain_of_edits_only_the_newest_stands(tmp_path: Path, order: list[int]) -> None:
    versions = [edited(0, 0), edited(1, 0, 1), edited(2, 0, 1, 2)]
    reading = read(tmp_path, *[{"data": [versions[n]]} for n in order], tweet_fields=FIELDS)
    assert released(reading, tmp_path) == {id_of(2)}
    assert [reading.by_id(id_of(n))["revision_of"] for n in range(3)] == [None, id_of(0), id_of(0)]


def test_a_version_that_knows_a_newer_one_never_stands(tmp_path: Path) -> None:
    reading = read(tmp_path, {"data": [edited(0, 0, 1)]}, tweet_fields=FIELDS)
    assert reading.rows[0]["lifecycle"] == "deleted"
    assert released(reading, tmp_path) == set()


def test_a_history_that_does_not_name_the_post_is_a_fault(tmp_path: Path) -> None:
    assert "edit history" in fault(tmp_path, edited(0, 1))


MESSAGES: list[Any] = [
    {"data": [{"id": id_of(0), "text": "secret", "event_type": "MessageCreate", "dm_conversation_id": "1-2", "sender_id": "42"}]},
    {"data": {"id": id_of(0), "event_type": "ParticipantsJoin", "participant_ids": ["42"]}},
    {"data": {"dm_conversation_id": "1-2", "dm_event_id": id_of(0)}},
    {"id": id_of(0), "text": "secret", "sender_id": "42", "event_type": "MessageCreate"},
    {"id": 1, "id_str": id_of(0), "text": "secret", "sender": {"id_str": "42"}, "recipient": {"id_str": "7"}, "entities": {}},
    {"direct_message": {"id_str": id_of(0), "text": "secret", "sender_id_str": "42", "recipient_id_str": "7"}},
    {"events": [{"type": "message_create", "id": id_of(0), "created_timestamp": "1668818865597",
                 "message_create": {"sender_id": "42", "message_data": {"text": "secret"}}}]},
]  # fmt: skip


@pytest.mark.parametrize("payload", MESSAGES)
def test_messages_are_never_posts_and_their_words_are_not_kept(tmp_path: Path, payload: Any) -> None:
    reading = read(tmp_path, payload, tweet_fields=FIELDS)
    [row] = reading.rows
    assert (row["kind"], row["text"], row["record_id"], row["audience_at"]) == ("message", None, id_of(0), "private")
    assert "secret" not in str(row)
    assert "'7'" not in str(row)
    assert exports.judged(reading, tmp_path)[id_of(0)].decisive.code == "floor.direct_message"


def test_errors_about_posts_take_those_posts_out(tmp_path: Path) -> None:
    kinds = "https://api.twitter.com/2/problems/"
    missing = {
        "resource_type": "tweet",
        "resource_id": id_of(1),
        "type": kinds + "resource-not-found",
        "title": "Not Found Error",
    }
    hidden = {**missing, "resource_id": id_of(2), "type": kinds + "not-authorized-for-resource"}
    posts = [tweet(n, author_id="42") for n in range(3)]
    before = read(tmp_path / "before", {"data": posts}, tweet_fields=FIELDS)
    assert released(before, tmp_path) == {id_of(0), id_of(1), id_of(2)}
    after = read(tmp_path / "after", {"data": posts}, {"errors": [missing, hidden]}, tweet_fields=FIELDS)
    assert released(after, tmp_path) == {id_of(0)}


@pytest.mark.parametrize(
    "payload",
    [{"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, {"data": {"deleted": True}},
     {"data": {"id": "5", "name": "a list"}},
     {"data": [{"start": "x", "end": "y", "tweet_count": 3}]}, {"ids": [1, 2]}, {"data": 5}, {"data": ["x"]}, 5, None, "x", [],
     {"errors": [{"resource_type": "user", "resource_id": "5", "type": "x"}]}, {"includes": []},
     {"data": tweet(), "includes": {"users": 5}}],
)  # fmt: skip
def test_what_is_no_payload_is_a_fault(tmp_path: Path, payload: Any) -> None:
    reading = exports.read(tmp_path, "x_api", {"a.jsonl": lines(payload, tweet(9))})
    assert [row["record_id"] for row in reading.rows] == [id_of(9)]
    assert [one["row"] for one in reading.quarantine] == [0]


def test_an_empty_answer_holds_no_rows(tmp_path: Path) -> None:
    reading = read(tmp_path, {"meta": {"result_count": 0}}, {"data": [], "meta": {}}, {"statuses": []})
    assert (reading.rows, reading.quarantine) == ([], [])


def test_fields_have_to_be_a_list(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="tweet_fields"):
        read(tmp_path, tweet(), tweet_fields=5)


# --- activity streams -----------------------------------------------------------------------------------------


def test_an_activity_says_what_the_status_says(tmp_path: Path) -> None:
    text = "R&amp;D with @anna &lt;3"
    media = {"media": [{"media_url_https": "https://pbs.example/a.jpg"}]}
    said = activity(
        text=text, twitter_entities=mentioning(text, "anna"), twitter_extended_entities=media,
        geo={"type": "Point", "coordinates": [40.0, -105.3]}, location={"displayName": "Boulder, CO"},
    )  # fmt: skip
    same = status(
        text=text, entities=mentioning(text, "anna"), extended_entities=media,
        coordinates={"type": "Point", "coordinates": [-105.3, 40.0]}, place={"full_name": "Boulder, CO"},
    )  # fmt: skip
    evidence = {"audience_evidence": None}
    assert {**one(tmp_path / "a", said), **evidence} == {**one(tmp_path / "s", same), **evidence}


def test_a_share_its_original_a_quote_and_a_reply(tmp_path: Path) -> None:
    original = activity(1, "the whole", by="43", inReplyTo={"link": f"http://twitter.com/x/statuses/{id_of(3)}"})
    share = activity(0, "RT @b: the who…", verb="share", object=original)
    quote = activity(2, "see", twitter_quoted_status=original)
    reading = read(tmp_path, share, quote)
    repost, quoting, answer = (reading.rows[0], reading.by_id(id_of(2)), reading.rows[1])
    assert (repost["kind"], repost["quoted_id"], repost["text"]) == ("repost", id_of(1), "")
    assert repost["parties"] == [{"subject": "43", "role": "quoted_author"}]
    assert (answer["kind"], answer["parent_id"], answer["text"]) == ("reply", id_of(3), "the whole")
    assert (quoting["kind"], quoting["quoted_id"]) == ("quote", id_of(1))
    assert len(reading.rows) == 4


def test_the_long_object_counts_and_a_cut_body_is_unknown(tmp_path: Path) -> None:
    cut = {
        "urls": [{"url": "https://t.co/x", "expanded_url": f"https://twitter.com/i/web/status/{id_of(0)}"}],
        "user_mentions": [],
    }
    short = activity(text="some… https://t.co/x", twitter_entities=cut)
    assert one(tmp_path / "cut", short)["parts"] is None
    long = {"body": "some and @anna", "twitter_entities": mentioning("some and @anna", "anna")}
    row = one(tmp_path / "long", {**short, "long_object": long})
    found = part(row, "mention")
    assert row["text"][found["start"] : found["end"]] == "@anna"


@pytest.mark.parametrize(
    "more",
    [{"id": id_of(0)}, {"id": f"tag:elsewhere.example,2005:{id_of(0)}"}, {"id": 5}, {"verb": "like"}, {"verb": None},
     {"actor": {"id": "42"}}, {"actor": "neo"}, {"body": None}, {"twitter_entities": []}],
)  # fmt: skip
def test_broken_activities_are_faults(tmp_path: Path, more: dict[str, Any]) -> None:
    assert fault(tmp_path, {**activity(), **more})


# --- compliance -----------------------------------------------------------------------------------------------

WHEN = "2022-12-23T12:34:56.789Z"


def event(name: str, number: int = 0, **more: Any) -> dict[str, Any]:
    return {"data": {name: {"tweet": {"id": id_of(number), "author_id": "42"}, "event_at": WHEN, **more}}}


def old_event(name: str, number: int = 0, **more: Any) -> dict[str, Any]:
    about = {"id": 5, "id_str": id_of(number), "user_id": 42, "user_id_str": "42"}
    return {name: {"status": about, "timestamp_ms": "1671798896789", **more}}


@pytest.mark.parametrize("make", [event, old_event])
@pytest.mark.parametrize("name", ["delete", "drop", "undrop", "withheld", "status_withheld"])
def test_an_event_about_a_post_takes_out_that_post_and_no_other(tmp_path: Path, name: str, make: Any) -> None:
    posts = [status(n) for n in range(4)]
    said = make(name, 2, withheld_in_countries=["XY"] if "withheld" in name else None)
    reading = read(tmp_path / "after", *posts, said)
    assert len(reading.rows) == 5
    assert released(reading, tmp_path) == {id_of(0), id_of(1), id_of(3)}
    assert seen(read(tmp_path / "before", said, *posts)) == seen(reading)
    row = next(row for row in reading.rows if row["revision"] > BASE * 2)
    state = {"delete": "deleted", "drop": "removed", "undrop": "restored"}.get(name, "removed")
    assert (row["record_id"], row["subject"], row["text"], row["lifecycle"]) == (id_of(2), "42", None, state)


def test_a_deleted_post_takes_its_quotes_along(tmp_path: Path) -> None:
    quoted = status(1, "the quoted words", by="43")
    quote = status(0, "look", quoted_status=quoted, quoted_status_id_str=id_of(1))
    repost = status(2, "RT @b: the quo", retweeted_status=quoted)
    reading = read(tmp_path, quote, repost, event("delete", 1, quote_tweet_id=id_of(0)))
    found = {(one.record_id, one.outcome.value) for one in decisions(reading, tmp_path)}
    assert found == {(id_of(0), "redact"), (id_of(1), "refuse"), (id_of(2), "refuse")}


@pytest.mark.parametrize("deleted", [0, 1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_deleting_any_version_deletes_the_edited_post(tmp_path: Path, deleted: int, first: bool) -> None:
    versions = [{"data": [edited(0, 0)]}, {"data": [edited(1, 0, 1)]}, {"data": [edited(2, 0, 1, 2)]}]
    said = event("delete", deleted)
    reading = read(tmp_path, *([said, *versions] if first else [*versions, said]), tweet_fields=FIELDS)
    assert released(reading, tmp_path) == set()


def test_a_deletion_in_another_export_reaches_an_edited_post(tmp_path: Path) -> None:
    versions = lines({"data": [edited(0, 0)]}, {"data": [edited(1, 0, 1)]})
    posts = exports.pack(tmp_path / "posts", {"a.jsonl": versions})
    events = exports.pack(tmp_path / "events", {"b.jsonl": lines(event("delete", 1))})
    reading = exports.read_at(tmp_path, "x_api", [posts, events], tweet_fields=FIELDS)
    assert released(reading, tmp_path) == set()


def test_a_deletion_in_another_export_reaches_a_post(tmp_path: Path) -> None:
    posts = exports.pack(tmp_path / "posts", {"a.jsonl": lines(status(0), status(1))})
    events = exports.pack(tmp_path / "events", {"b.jsonl": lines(event("delete", 1))})
    reading = exports.read_at(tmp_path, "x_api", [events, posts])
    assert released(reading, tmp_path) == {id_of(0)}


def test_later_events_stand_but_a_deletion_lasts(tmp_path: Path) -> None:
    undrop = event("undrop", event_at="2023-01-01T00:00:00Z")
    for number, (payloads, state) in enumerate([
        ([event("drop"), undrop], "restored"),
        ([event("drop", event_at="2023-01-02T00:00:00Z"), undrop], "removed"),
        ([event("delete"), undrop], "deleted"),
        ([event("drop", event_at=None), undrop], "removed"),
        ([event("drop"), event("undrop", event_at=None)], "removed"),
    ]):  # fmt: skip
        reading = read(tmp_path / str(number), *payloads, status())
        assert max(reading.rows, key=lambda row: row["revision"])["lifecycle"] == state
        assert released(reading, tmp_path) == set()


def test_an_edit_takes_out_older_versions_only(tmp_path: Path) -> None:
    said = {
        "tweet": {"id": id_of(1)},
        "initial_tweet_id": id_of(0),
        "edit_tweet_ids": [id_of(0), id_of(1)],
        "event_at": WHEN,
    }
    old = {"id": id_of(1), "initial_tweet_id": id_of(0), "edit_tweet_ids": [id_of(0), id_of(1)], "timestamp_ms": "1"}
    for number, payload in enumerate([{"data": {"tweet_edit": said}}, {"tweet_edit": old}]):
        alone = read(tmp_path / f"a{number}", {"data": [edited(0, 0)]}, payload, tweet_fields=FIELDS)
        assert released(alone, tmp_path) == set()
        both = read(
            tmp_path / f"b{number}", payload, {"data": [edited(0, 0)]}, {"data": [edited(1, 0, 1)]},
            {"data": [tweet(2, author_id="42")]},
            tweet_fields=FIELDS,
        )  # fmt: skip
        assert released(both, tmp_path) == {id_of(1), id_of(2)}
        assert Counter(one.decisive.code for one in decisions(both, tmp_path))["life.superseded_edit"] == 1


def test_an_edit_whose_versions_do_not_add_up_is_a_fault(tmp_path: Path) -> None:
    said = {"tweet": {"id": id_of(1)}, "edit_tweet_ids": [id_of(1), id_of(0)]}
    assert "do not add up" in fault(tmp_path, {"data": {"tweet_edit": said}})


STATES = {
    "user_delete": ("deleted", None), "user_undelete": ("restored", None), "user_protect": ("published", "followers"),
    "user_unprotect": ("restored", None), "user_suspend": ("removed", None), "user_unsuspend": ("restored", None),
    "user_withheld": (None, None), "scrub_geo": (None, None), "user_profile_modification": ("published", None),
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_an_event_about_an_account_is_a_row_that_says_so(tmp_path: Path, name: str) -> None:
    new = {"user": {"id": "42"}, "event_at": WHEN, "new_value": "secret", "withheld_in_countries": ["DE"]}
    old = {"id": 42, "user_id_str": "42", "timestamp_ms": "1671798896789"}
    for number, payload in enumerate([{"data": {name: new}}, {name: old}]):
        reading = read(tmp_path / str(number), payload)
        [row] = reading.rows
        assert row["record_id"] == f"{name}:42:2022-12-23T12:34:56.789+00:00"
        assert (row["kind"], row["subject"], row["text"]) == ("profile", "42", None)
        assert (row["lifecycle"], row["audience_at"]) == STATES[name]
        assert "secret" not in str(row)
        assert released(reading, tmp_path) == set()
    twice = read(tmp_path / "twice", {"data": {name: new}}, {"data": {name: new}})
    assert len(twice.rows) == 2  # streams may repeat themselves


def test_a_like_taken_back(tmp_path: Path) -> None:
    row = one(
        tmp_path,
        {"delete": {"favorite": {"tweet_id": 5, "tweet_id_str": id_of(0), "user_id_str": "42"}, "timestamp_ms": "1"}},
    )
    assert (row["record_id"], row["kind"], row["subject"], row["lifecycle"]) == (
        f"like:42:{id_of(0)}",
        "like",
        "42",
        "deleted",
    )


@pytest.mark.parametrize(
    "payload",
    [{"data": {"user_vanish": {"user": {"id": "42"}}}}, {"delete": {}}, {"delete": {"status": {"id": BASE}}}, {"delete": 5},
     {"user_delete": {"user": {}}}, {"drop": {"tweet": 5}}, {"withheld": {"tweet": {"id": "5"}, "withheld_in_countries": 5}},
     {"delete": {"favorite": {}}}],
)  # fmt: skip
def test_events_that_cannot_be_read_are_faults(tmp_path: Path, payload: Any) -> None:
    assert fault(tmp_path, payload)


def test_every_event_is_tested_and_documented() -> None:
    page = (ROOT / "docs" / "formats" / "exports-x-api.md").read_text(encoding="utf-8")
    assert set(STATES) == {name for name, effect in EVENTS.items() if effect.about == "account"}
    for rule in (one for one in compliance.TABLE if one.kind == "x"):
        said = re.escape(rule.overheard)
        assert re.search(rf"^\| `{rule.event}` \|[^|]*\| {said} \|$", page, re.MULTILINE), rule.event


def about(name: str, who: str = "42", at: str | None = WHEN, **more: Any) -> dict[str, Any]:
    return {"data": {name: {"user": {"id": who}, **({"event_at": at} if at else {}), **more}}}


CLOSES = {
    "user_delete": ("refuse", "life.deleted_by_author"), "user_suspend": ("refuse", "life.moderated_removed"),
    "user_protect": ("refuse", "vis.not_public_now"), "user_withheld": ("hold", "life.state_unknown"),
}  # fmt: skip


def becomes(reading: Reading, folder: Path) -> dict[str, tuple[str, str | None]]:
    """What becomes of each record, as the engine and ``decide`` say alike."""
    found = exports.judged(reading, folder)
    return {id: (one.outcome.value, one.decisive.code if one.decisive else None) for id, one in found.items()}


@pytest.mark.parametrize("when", [WHEN, None, "yesterday"])
@pytest.mark.parametrize("name", CLOSES)
def test_an_event_about_an_account_reaches_its_records_and_no_others(
    tmp_path: Path, name: str, when: str | None
) -> None:
    """Whatever the reader makes of the row, and whenever it was: the posts of the account, what quotes them, nothing else."""
    said = about(name, at=when, withheld_in_countries=["DE"])
    quote = status(3, "look", by="43", quoted_status=status(0), quoted_status_id_str=id_of(0))
    payloads = [status(1, by="43"), quote, said]
    plain = becomes(read(tmp_path / "before", *payloads[:-1]), tmp_path / "before")
    found = becomes(read(tmp_path, *payloads), tmp_path)
    assert found[id_of(0)] == CLOSES[name]
    assert found[id_of(1)] == plain[id_of(1)]
    assert plain[id_of(3)][0] == "permit"
    assert found[id_of(3)][0] == "redact"


def test_what_lifts_in_a_payload_is_not_heard(tmp_path: Path) -> None:
    later = "2023-12-23T12:34:56Z"
    for name, lifting in (("user_protect", "user_unprotect"), ("user_delete", "user_undelete")):
        reading = read(tmp_path / name, status(0), about(name), about(lifting, at=later))
        assert becomes(reading, tmp_path / name)[id_of(0)] == CLOSES[name]


def test_places_that_a_payload_scrubs_go(tmp_path: Path) -> None:
    placed = status(0, coordinates={"type": "Point", "coordinates": [-8.5, 51.7]})
    for folder, number, left in (("upto", 0, 0), ("before", -1, 1)):
        reading = read(tmp_path / folder, placed, about("scrub_geo", up_to_tweet_id=str(int(id_of(0)) + number)))
        engine = Engine(threads=1)
        gate = Gate(exports.policy(), _open(reading), exports.JOB, exports.NOW, exports.REGIMES)
        [found] = Judgement(engine, relate([reading.staged], tmp_path / folder, engine), gate).find(id_of(0))
        assert sum(part.source_state != "deleted" for part in found.parts or ()) == left


def test_a_payload_says_nothing_of_another_source(tmp_path: Path) -> None:
    first = read(tmp_path / "a", about("user_delete"))
    second = read(tmp_path / "b", status(0), name="other")
    related = relate([first.staged, second.staged], tmp_path, Engine(threads=1))
    assert related.overheard == {"export": Overheard(closes=1, lifts=0)}
    assert "other" not in pq.read_table(related.relations)["source"].to_pylist()


def test_what_the_ledger_heard_it_alone_says(tmp_path: Path) -> None:
    """The same said by somebody who vouches: then its lifting counts too, and the payload is in the way of nothing."""
    at = datetime.fromisoformat(WHEN)
    reading = read(tmp_path, status(0), about("user_protect"), about("user_unprotect", at=WHEN.replace("34", "35")))
    events = [
        Event(subject="42", type=type, recorded_at=at + timedelta(days=1), effective_at=at + timedelta(minutes=n),
              effective_verified=True, actor="operator", method="stream")
        for n, type in enumerate(("protected", "unprotected"))
    ]  # fmt: skip
    known = people(events)
    assert relate([reading.staged], tmp_path, Engine(threads=1)).overheard["export"] == Overheard(1, 1)
    heard = relate([reading.staged], tmp_path, Engine(threads=1), known)
    assert heard.overheard["export"] == Overheard(0, 0)
    unverified = people([replace(one, verified=False) for one in events])
    assert relate([reading.staged], tmp_path, Engine(threads=1), unverified).overheard["export"] == Overheard(1, 1)


@pytest.mark.parametrize("name", EVENTS)
def test_both_roads_read_the_same(tmp_path: Path, name: str) -> None:
    """An event in a payload says what the same event says in a signed stream, and of the same."""
    about_it = {"user": {"id": "42"}} if EVENTS[name].about == "account" else {"tweet": {"id": "6", "author_id": "42"}}
    body = {**about_it, "edit_tweet_ids": ["5", "6"], "withheld_in_countries": ["DE"], "event_at": WHEN}
    staged = read(tmp_path, {"data": {name: body}}).staged
    rows = pq.read_table(staged.told).to_pylist() if staged.told is not None else []
    expected = compliance.read("x", {name: body}).told
    assert [(row["type"], row["subject"], row["value"]) for row in rows] == [
        (one.type, one.subject, one.value) for one in expected
    ]


# --- files ----------------------------------------------------------------------------------------------------

MIXED = [
    status(0), activity(1), tweet(2, author_id="42"), status(3, "RT @b: x", retweeted_status=status(4, by="43")),
    event("delete", 1), {"statuses": [status(5), status(6)]}, {"id_str": 5}, status(7, by=None), edited(8, 8), edited(9, 8, 9),
]  # fmt: skip


def seen(reading: Reading) -> tuple[list[dict[str, Any]], int]:
    place = {"ordinal": None}
    return sorted(({**row, **place} for row in reading.rows), key=str), len(reading.quarantine)


def test_files_are_told_by_their_names(tmp_path: Path) -> None:
    files = {
        "a.json": json.dumps([status(0)]), "b.jsonl": lines(status(1)), "c.ndjson": lines(status(2)), "d.JSON": "[]",
        "e.jsonl.gz": gzip.compress(lines(status(3)).encode()), "f.json.gz": gzip.compress(json.dumps(status(4)).encode()),
        "readme.txt": "x", "g.json.bak": "{}", "h.gz": gzip.compress(b"{}", mtime=0), "json": "{}",
    }  # fmt: skip
    reading = exports.read(tmp_path, "x_api", files)
    assert {row["record_id"] for row in reading.rows} == {id_of(n) for n in range(5)}
    assert reading.refused == {"readme.txt": "", "g.json.bak": "", "h.gz": "", "json": ""}
    with pytest.raises(SourceError, match="kind that is not known"):
        exports.read(tmp_path / "strict", "x_api", files, strict_files=True)


def test_json_lines_under_the_name_json(tmp_path: Path) -> None:
    asked = {"tweet_fields": FIELDS}
    plain = exports.read(tmp_path / "a", "x_api", {"a.jsonl": lines(*MIXED)}, **asked)
    for number, files in enumerate(
        [{"a.json": lines(*MIXED)}, {"a.json": json.dumps(MIXED)}, {"a.json": json.dumps(MIXED, indent=1)}]
    ):
        assert seen(exports.read(tmp_path / str(number), "x_api", files, **asked)) == seen(plain)


def test_encodings_and_line_ends_change_nothing(tmp_path: Path) -> None:
    text = json.dumps(MIXED[0]) + "\n\n" + "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in MIXED)
    plain = exports.read(tmp_path / "plain", "x_api", {"a.jsonl": text})
    for name, data in {
        "bom": codecs.BOM_UTF8 + text.encode(),
        "utf16": text.encode("utf-16"),
        "utf16be": codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        "utf32": text.encode("utf-32"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "unended": text.rstrip("\n").encode(),
    }.items():
        assert seen(exports.read(tmp_path / name, "x_api", {"a.jsonl": data})) == seen(plain), name


def test_files_in_another_order_or_split_are_the_same_posts(tmp_path: Path) -> None:
    whole = exports.read(tmp_path / "whole", "x_api", {"a.jsonl": lines(*MIXED)}, tweet_fields=FIELDS)
    split = {f"{9 - number}.jsonl": lines(one) for number, one in enumerate(MIXED)}
    for number, form in enumerate(["folder", "zip", "tar.gz"]):
        other = exports.read(tmp_path / str(number), "x_api", split, form=form, tweet_fields=FIELDS)
        assert seen(other) == seen(whole)
    assert released(other, tmp_path) == released(whole, tmp_path) == {id_of(n) for n in (0, 2, 4, 5, 6, 9)}


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    text = "one\u2028two\x85three"
    data = json.dumps(status(0, text), ensure_ascii=False) + "\n" + json.dumps(status(1)) + "\n"
    reading = exports.read(tmp_path, "x_api", {"a.jsonl": data})
    assert [row["text"] for row in reading.rows] == [text, "hello"]


def test_a_torn_line_is_one_fault_and_a_trailing_comma_a_whole_refusal(tmp_path: Path) -> None:
    torn = lines(status(0), status(1)) + json.dumps(status(2))[:-9]
    reading = exports.read(tmp_path / "torn", "x_api", {"a.jsonl": torn})
    assert (len(reading.rows), [(one["row"], one["reason"]) for one in reading.quarantine]) == (
        2,
        [(2, "the text is no JSON")],
    )
    for number, text in enumerate(
        [json.dumps([status(0)])[:-1] + ",]", json.dumps({"data": [tweet()]}, indent=1)[:-1] + ",}"]
    ):
        with pytest.raises(SourceError, match="no JSON") as error:
            exports.read(tmp_path / str(number), "x_api", {"a.json": text})
        assert "a.json" in str(error.value)
        assert "offset" in str(error.value)
        assert "hello" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.json", b""), ("a.json", b"\xff\xfe\x00"), ("a.jsonl", b"\xc3\x28"), ("a.jsonl", b"{\n}\n"), ("a.json", b"NaN"),
     ("a.json", b"[" * 100_000), ("a.json", b'{"id": 1, "id": 2}'), ("a.json.gz", b"{}"),
     ("a.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-5]),
     ("a.json.gz", gzip.compress(b" " * 30_000_000, mtime=0)), ("a.json", b"1" * 5000)],
)  # fmt: skip
def test_files_that_cannot_be_trusted_are_refused_by_name(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(SourceError) as error:
        exports.read(tmp_path, "x_api", {name: data})
    assert name in str(error.value)


def test_notices_of_a_stream_are_no_payloads(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        {"info": {"message": "Replay Request Completed"}},
        status(),
        {"limit": {"track": 5}},
        {"disconnect": {}},
    )
    assert (len(reading.rows), len(reading.quarantine)) == (1, 0)


def test_half_a_surrogate_pair_is_a_fault(tmp_path: Path) -> None:
    assert "no Unicode" in fault(tmp_path, status(text="\ud83d"))


def test_text_numbers_that_were_rounded_stop_the_read(tmp_path: Path) -> None:
    rounded = [{**status(n), "id_str": str(int(Decimal(repr(float(id_of(n))))))} for n in range(20)]
    with pytest.raises(SourceError, match="rounded"):
        read(tmp_path, *rounded)


def test_too_many_faults_stop_the_build(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="malformed"):
        read(tmp_path, *[{"what": n} for n in range(11)], keep_going=False)


def test_a_licence_that_forbids_training_refuses_everything(tmp_path: Path) -> None:
    reading = read(tmp_path, status(), origin="licensed", licence="x-developer-agreement")
    assert {row["licence"] for row in reading.rows} == {"x-developer-agreement"}

    agreement = Licence("x-developer-agreement", ("analyse",), ("controller",), forbids=("train_ai_system",))
    gate = Gate(exports.policy(), _open(reading), exports.JOB, exports.NOW, exports.REGIMES)
    gate = replace(gate, licences={"x-developer-agreement": agreement})
    engine = Engine(threads=1)
    [found] = Judgement(engine, relate([reading.staged], tmp_path, engine), gate).sample(2)
    assert (found.outcome.value, found.decisive.code) == ("refuse", "rights.licence_purpose")


# --- whatever the bytes ---------------------------------------------------------------------------------------

STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    2**60,
    1.5,
    "",
    "x",
    "@",
    [],
    {},
    [None],
    [{}],
    ["\ud800"],
    {"id": {}},
    "9" * 30,
]


def _mutated(rng: random.Random, value: Any) -> Any:
    """The same JSON with something in it changed, taken away or nested deeper."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.15:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: _mutated(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], _mutated(rng, value[at]), *value[at + 1 :]]
    return rng.choice([*STRANGE, [value], {"status": value}, {"data": value}])


def _everything() -> list[Any]:
    text = "R&amp;D @anna"
    full = status(
        20, text, entities=mentioning(text, "anna"), retweeted_status=status(21, by="43"), quoted_status=status(22, by="44"),
        extended_entities={"media": [{"media_url": "x", "features": {"all": {"tags": [{"user_id": 1}]}}}]},
        place={"full_name": "B"}, coordinates={"type": "Point", "coordinates": [1.0, 2.0]},
        edit_history={"edit_tweet_ids": [id_of(20)]},
        extended_tweet={"full_text": text, "entities": mentioning(text, "anna")}, withheld_in_countries=["DE"],
    )  # fmt: skip
    second = {
        "data": [tweet(23, text, author_id="42", entities={"mentions": [{"start": 8, "end": 13, "id": "7"}],
        "urls": [{"title": "x"}]},
                       attachments={"media_keys": ["1"]}, geo={"place_id": "p"},
                       referenced_tweets=[{"type": "quoted", "id": id_of(24)}],
                       note_tweet={"text": text, "entities": {}}, withheld={"country_codes": ["DE"]})],
        "includes": {"users": [{"id": "42", "protected": False}], "tweets": [tweet(24)],
        "places": [{"id": "p", "full_name": "B"}],
                     "media": [{"media_key": "1", "url": "u"}]},
        "errors": [{"resource_type": "tweet", "resource_id": "5", "type": "x/resource-not-found"}],
    }  # fmt: skip
    third = activity(25, text, twitter_entities=mentioning(text, "anna"), long_object={"body": text, "twitter_entities": {}},
                     twitter_quoted_status=activity(26), location={"displayName": "B"},
                     inReplyTo={"link": "/status/5"})  # fmt: skip
    account = {"id_str": "42", "screen_name": "neo", "status": status(27, by=None)}
    edit = {"data": {"tweet_edit": {"tweet": {"id": "6"}, "edit_tweet_ids": ["5", "6"], "event_at": WHEN}}}
    likes = {"delete": {"favorite": {"tweet_id_str": "5", "user_id_str": "42"}}}
    people_events = [
        {"data": {name: {"user": {"id": "42"}, "event_at": WHEN}}} for name in ("user_protect", "scrub_geo")
    ]
    return [
        full,
        second,
        third,
        {"users": [account]},
        edit,
        likes,
        old_event("withheld", 28),
        *people_events,
        *MESSAGES,
        *MIXED,
    ]


def test_whatever_is_changed_rows_add_up_and_nothing_breaks(tmp_path: Path) -> None:
    rng, payloads, outcomes = random.Random(11), _everything(), Counter[str]()
    for number in range(400):
        some = [_mutated(rng, rng.choice(payloads)) for _ in range(3)] + [rng.choice(payloads)]
        data = (lines(*some) if number % 2 else json.dumps(some)).encode()
        if number % 4 == 0:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        try:
            reading = exports.read(tmp_path, "x_api", {"a.jsonl" if number % 2 else "a.json": data}, ids_verified=True)
        except SourceError as error:
            outcomes["refused"] += 1
            outcomes["told"] += "secret" in str(error)
        else:
            assert len(reading.rows) == reading.staged.rows
            assert len(reading.quarantine) == reading.staged.quarantined
            assert not any("secret" in str(one) or "anna" in str(one) for one in reading.quarantine)
            outcomes["rows"] += len(reading.rows)
            outcomes["faults"] += len(reading.quarantine)
    assert outcomes["refused"] > 20
    assert outcomes["told"] == 0
    assert outcomes["rows"] > 800
    assert outcomes["faults"] > 150


def test_no_change_to_a_message_lets_its_words_out(tmp_path: Path) -> None:
    rng = random.Random(3)
    changed = [_mutated(rng, payload) for payload in MESSAGES for _ in range(40)]
    reading = read(tmp_path, *changed, ids_verified=True)
    assert len(reading.rows) + len(reading.quarantine) > 200
    assert released(reading, tmp_path) == set()
    words = [row for row in reading.rows if row["text"] == "secret"]
    assert all(row["kind"] is None and row["subject"] is None for row in words)


# --- published payloads, read in place ------------------------------------------------------------------------


def needs(folder: str) -> Any:
    return pytest.mark.skipif(not (DATA / folder).exists(), reason=f"no {folder} in ABOVEBOARD_DATA")


def told(title: str, reading: Reading, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Counter[str]]:
    """Counts each outcome and decisive reason, bare and with facts, and prints them."""
    found = {}
    for name in ("bare", "facts"):
        made = decisions(reading, folder, bare=name == "bare")
        assert len(made) == len(reading.rows)
        found[name] = Counter(f"{one.outcome.value} {one.decisive.code}" for one in made)
    with capsys.disabled():
        for name, counts in found.items():
            print(f"\n{title}, {name}: {sum(counts.values())} records, {len(reading.quarantine)} in quarantine")
            print("\n".join(f"  {count:5} {what}" for what, count in sorted(counts.items())))
    return found


def sound(reading: Reading) -> None:
    """What has to hold of every read: ids are texts of digits, spans are mentions, messages have no words."""
    for row in reading.rows:
        if row["kind"] != "profile":
            assert re.fullmatch(r"[0-9]{1,19}", row["record_id"])
        assert row["kind"] not in ("message", "profile") or row["text"] is None
        assert row["kind"] != "repost" or row["text"] == ""
        assert row["text"] is None or not re.search("&(amp|lt|gt);", row["text"])
        for one in row["parts"] or []:
            if one["kind"] == "mention":
                assert re.fullmatch(r"[@＠]\w+", row["text"][one["start"] : one["end"]])


def outcomes(counts: Counter[str]) -> Counter[str]:
    found = Counter[str]()
    for what, count in counts.items():
        found[what.partition(" ")[0]] += count
    return found


@needs("x-api-v1-congress")
def test_a_published_list_of_accounts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = DATA / "x-api-v1-congress" / "data" / "list-members.json"
    users = json.loads(path.read_bytes())["users"]
    posts = [user["status"] for user in users if "status" in user]
    inside = [post["retweeted_status"] for post in posts if "retweeted_status" in post]
    assert (len(users), len(posts), len(inside)) == (1063, 1057, 227)
    assert sum(str(post["id"]) != post["id_str"] for post in posts) > 400  # rounded before publication
    reading = exports.read_at(tmp_path, "x_api", path)
    assert (len(reading.rows), reading.quarantine) == (1063 + 1057 + 227, [])
    assert {row["record_id"] for row in reading.rows} == {
        *(f"user:{user['id_str']}" for user in users), *(post["id_str"] for post in (*posts, *inside))
    }  # fmt: skip
    kinds = Counter(row["kind"] for row in reading.rows)
    assert kinds == {"profile": 1063, "repost": 227, "quote": 104, "reply": 48, "post": 905}
    assert not [row for row in reading.rows if row["subject"] is None]
    sound(reading)
    found = told("congress", reading, tmp_path, capsys)
    assert outcomes(found["bare"])["permit"] + outcomes(found["bare"])["redact"] == 0
    assert outcomes(found["facts"]) == {"permit": 298, "redact": 434, "hold": 393, "refuse": 1222}


GNIP = {
    "activity_streams_examples.json": 25, "original_format_examples.json": 25,
    "broken_and_unsupported_payloads/public_api_sample.json": 20,
    **{f"broken_and_unsupported_payloads/{name}.json": 1 for name in (
        "activity_streams_additional_field", "activity_streams_missing_field", "original_format_additional_field",
        "original_format_missing_field", "original_format_missing_quotetweet_field", "original_format_missing_user")},
}  # fmt: skip


@needs("x-api-v1-gnip")
def test_published_payloads_in_both_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = DATA / "x-api-v1-gnip" / "tweet_payload_examples"
    reading = exports.read_at(tmp_path, "x_api", folder)
    top, inside = 0, 0
    for name, count in GNIP.items():
        payloads = [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines() if line.strip()]
        assert len(payloads) == count
        top, inside = top + count, inside + sum(len({*_ids_inside(one)}) for one in payloads)
    assert (top, inside) == (76, 33)
    assert (len(reading.rows), reading.quarantine, reading.refused) == (top + inside, [], {})
    sound(reading)
    told("gnip, all forms together", reading, tmp_path, capsys)
    for number, name in enumerate(list(GNIP)[:3]):
        alone = exports.read_at(tmp_path / str(number), "x_api", folder / name)
        told(f"gnip {name}", alone, tmp_path, capsys)


def _ids_inside(said: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the posts inside a payload that say whose they are."""
    share = said["object"] if said.get("verb") == "share" else None
    for one in (share, said.get("twitter_quoted_status"), said.get("retweeted_status"), said.get("quoted_status")):
        if one is not None and ("actor" in one or "user" in one):
            yield str(one.get("id_str") or one["id"])
            yield from _ids_inside(one)


@needs("x-api-v1-gnip")
def test_the_same_posts_in_both_forms_are_the_same_records(tmp_path: Path) -> None:
    folder = DATA / "x-api-v1-gnip" / "tweet_payload_examples"
    first = exports.read_at(tmp_path / "a", "x_api", folder / "activity_streams_examples.json")
    second = exports.read_at(tmp_path / "b", "x_api", folder / "original_format_examples.json")
    ours, theirs = ({row["record_id"]: row for row in reading.rows} for reading in (first, second))
    assert len(ours.keys() & theirs.keys()) >= 25
    same = ("subject", "text", "created_at", "collected_at", "audience_at", "audience_now", "lifecycle", "parent_id")
    differ = {id for id in ours.keys() & theirs.keys() if any(ours[id][name] != theirs[id][name] for name in same)}
    assert differ == set()


@needs("x-api-v2-tweepy")
def test_recorded_answers_of_both_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("yaml", reason="the recordings are YAML")
    folder = DATA / "x-api-v2-tweepy" / "cassettes"
    files = x_cassettes.payloads(folder)
    assert (sum(1 for _ in x_cassettes.bodies(folder)), len(files)) == (217, 212)
    documents = [json.loads(data) for data in files.values()]
    listed = [one for said in documents if isinstance(said, dict) for one in _as_list(said.get("data"))]
    second = [one for one in listed if isinstance(one, dict) and "text" in one and "event_type" not in one]
    first = [one for said in documents for one in _first_version(said) if "text" in one]
    members = [one for said in documents for one in _first_version(said) if "screen_name" in one]
    accounts = [one for one in listed if isinstance(one, dict) and "username" in one]
    reading = exports.read(tmp_path, "x_api", files)
    kinds = Counter(row["kind"] for row in reading.rows)
    unknown = [row for row in reading.rows if row["revision"] is not None and row["subject"] is None]
    assert (len(second), len(unknown)) == (667, 667)
    assert kinds["profile"] == len(members) + len(accounts)
    latest = [one["status"] for one in members if "status" in one]
    top = [*first, *latest]
    inside = sum(len({*_ids_inside(one)}) for one in top)
    signed = [one["retweeted_status"] for one in latest if "retweeted_status" in one]  # their authors stand in `RT @`
    assert (len(first), len(latest), inside, len(signed)) == (153, 92, 37, 23)
    assert len(reading.rows) == len(second) + len(top) + inside + len(signed) + kinds["profile"]
    assert {one["reason"] for one in reading.quarantine} == {"a payload of a kind that is not known"}
    sound(reading)
    told("tweepy", reading, tmp_path, capsys)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _first_version(said: Any) -> list[dict[str, Any]]:
    """The objects of an answer of v1.1."""
    if isinstance(said, dict) and "data" in said:
        return []
    if isinstance(said, dict):
        return [one for name in ("statuses", "users") for one in said.get(name, [])] or [said]
    return [one for one in said if isinstance(one, dict)]


@needs("x-compliance-events")
def test_published_compliance_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reading = exports.read_at(tmp_path, "x_api", DATA / "x-compliance-events" / "events.jsonl")
    assert [(row["record_id"], row["lifecycle"]) for row in reading.rows] == [
        ("601430178305220608", "deleted"), ("1567233844205453313", "deleted"),
    ]  # fmt: skip
    found = told("compliance", reading, tmp_path, capsys)
    assert found["facts"] == {"refuse life.deleted_by_author": 2}
