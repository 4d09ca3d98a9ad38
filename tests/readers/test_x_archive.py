"""The X archive reader: every quirk of sources.md with an archive made up here, exact columns, and laws over them.

The account is 900001 (`fen_reed`), everybody and everything is invented. `archive` writes files as X does:
JavaScript assignments, all numbers as texts, texts escaped, indices counted on the escaped text.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import exports
from aboveboard.choice import people
from aboveboard.errors import SourceError
from aboveboard.gate import Outcome
from aboveboard.sources import x_archive_kinds as kinds
from aboveboard.sources.values import Unreadable
from aboveboard.sources.x_archive_text import cut, plain, script, span, without_trailing_commas
from exports import Reading

EXPORTER = "900001"
POST, REPLY, REPOST, QUOTE = "1587000000000000001", "1587000000000000002", "1587000000000000003", "1587000000000000004"
PHOTO, DRAFT = "1587000000000000005", "1750000000000000002"
SENT, SENT_TO_ALL, GROUP = "1587000000000000100", "1587000000000000101", "1500000000000000000"
LONG, NOTE = "1712845355925082113", "1712845350000082112"
FIRST, SECOND = "1626922779105759235", "1626922779105759236"
GONE, CIRCLE, COMMUNITY, ARTICLE = (
    "1587000000000000021",
    "1587000000000000022",
    "1587000000000000023",
    "1750000000000000001",
)


def js(name: str, rows: object, part: int = 0) -> str:
    """A file as X writes it."""
    return f"window.YTD.{name}.part{part} = {json.dumps(rows, ensure_ascii=False, indent=2)}"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def indices(text: str, what: str) -> list[str]:
    at = text.index(what)
    return [str(at), str(at + len(what))]


def tweet(
    id: str, text: str, mentions: Mapping[str, str] | None = None, urls: Mapping[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """A row of tweets.js. ``mentions``: handle to id, ``urls``: t.co link to where it leads."""
    said = escaped(text)
    entities: dict[str, Any] = {
        "hashtags": [],
        "symbols": [],
        "user_mentions": [
            {"name": n, "screen_name": n, "indices": indices(said, "@" + n), "id_str": i, "id": i}
            for n, i in (mentions or {}).items()
        ],
        "urls": [
            {"url": u, "expanded_url": to, "display_url": to[8:30], "indices": indices(said, u)}
            for u, to in (urls or {}).items()
        ],
    }
    usual = {
        "id": id, "id_str": id, "full_text": said, "created_at": "Wed Nov 02 12:00:00 +0000 2022", "lang": "en",
        "truncated": False, "retweeted": False, "favorited": False, "favorite_count": "3", "retweet_count": "0",
        "display_text_range": ["0", str(len(said))], "source": '<a href="https://x.example">X</a>', "entities": entities,
        "edit_info": {"initial": {"editTweetIds": [id], "editsRemaining": "5", "isEditEligible": False}},
    }  # fmt: skip
    return {"tweet": {**usual, **more}}


def media(text: str, link: str, **more: Any) -> dict[str, Any]:
    photo = {
        "url": link,
        "media_url_https": "https://pbs.example/p.jpg",
        "type": "photo",
        "indices": indices(text, link),
    }
    return {"media": [{**photo, **more}]}


def note(id: str, text: str, at: str, **more: Any) -> dict[str, Any]:
    core = {"text": text, "urls": [], "mentions": [], "hashtags": [], "cashtags": [], "styletags": [], **more}
    return {"noteTweet": {"noteTweetId": id, "createdAt": at, "updatedAt": at, "core": core}}


LONG_TEXT = "A long thought about tides & rivers, " + "and then some more of it, " * 12 + "until @heron_b says => stop."
BODY = LONG_TEXT[:270].rstrip()


def message(id: str, **more: str) -> dict[str, Any]:
    said = {"id": id, "senderId": "900002", "text": "SECRETWORD meet me", "createdAt": "2022-11-02T12:00:00.000Z"}
    return {"messageCreate": {**said, "reactions": [], "urls": [], "mediaUrls": [], **more}}


def talk(id: str, *events: Any) -> dict[str, Any]:
    return {"dmConversation": {"conversationId": id, "messages": list(events)}}


def archive(**changed: str | bytes | None) -> dict[str, str | bytes]:
    """A small archive with a file of every kind that is read. ``changed`` replaces files by stem; None leaves out."""
    photo = "Low tide https://t.co/pic1"
    quote_url = {"https://t.co/q1": "https://twitter.com/heron_b/status/1586000000000000009"}
    files: dict[str, str | bytes | None] = {
        "account": js("account", [{"account": {"accountId": EXPORTER, "username": "fen_reed", "email": "f@x.example"}}]),
        "manifest": "window.__THAR_CONFIG = " + json.dumps({
            "userInfo": {"accountId": EXPORTER, "userName": "fen_reed"},
            "dataTypes": {
                "tweets": {"files": [{"fileName": "data/tweets.js", "globalName": "YTD.tweets.part0", "count": "8"}]},
                "like": {"files": [{"fileName": "data/like.js", "globalName": "YTD.like.part0", "count": "1"}]},
                "ipAudit": {"files": [{"fileName": "data/ip-audit.js", "globalName": "YTD.ip_audit.part0", "count": "7"}]},
            },
        }),
        "tweets": js("tweets", [
            tweet(POST, "Fish & <chips> with @heron_b #tea", {"heron_b": "900003"}, place={"full_name": "Ely, England"},
                  geo={"type": "Point", "coordinates": ["52.4", "0.26"]}),
            tweet(REPLY, "@heron_b yes", {"heron_b": "900003"}, in_reply_to_status_id_str="1586000000000000008",
                  in_reply_to_user_id_str="900003", in_reply_to_screen_name="heron_b"),
            tweet(REPOST, "RT @heron_b: the words of somebody else that go on until they are cut o…", {"heron_b": "900003"}),
            tweet(QUOTE, "so true https://t.co/q1", urls=quote_url),
            tweet(PHOTO, photo, extended_entities=media(photo, "https://t.co/pic1")),
            tweet(LONG, BODY + "… https://t.co/more", created_at="Fri Oct 13 14:58:50 +0000 2023"),
            tweet(FIRST, "A typo heer", edit_info={"initial": {"editTweetIds": [FIRST, SECOND]}}),
            tweet(SECOND, "A typo here", edit_info={"edit": {
                "initialTweetId": FIRST, "editControlInitial": {"editTweetIds": [FIRST, SECOND]}}}),
        ]),
        "note-tweet": js("note_tweet", [
            note(NOTE, LONG_TEXT, "2023-10-13T14:58:50.000Z", mentions=[
                {"screenName": "heron_b", "fromIndex": indices(LONG_TEXT, "@heron_b")[0],
                 "toIndex": indices(LONG_TEXT, "@heron_b")[1]}]),
            note("1712845350000082199", "A long text of nobody's post", "2023-11-13T14:58:50.000Z"),
        ]),
        "deleted-tweets": js("deleted_tweets", [
            tweet(GONE, "REGRETTED words", deleted_at="Thu Nov 03 12:00:00 +0000 2022")]),
        "deleted-tweet-headers": js("deleted_tweet_headers", [
            {"tweet": {"tweetId": GONE, "userId": EXPORTER, "deletedAt": "Thu Nov 03 12:00:00 +0000 2022"}}]),
        "deleted-note-tweet": js("deleted_note_tweet", [
            {"noteTweet": note("1712845350000082188", "REGRETTED at length", "2023-10-01T00:00:00.000Z")["noteTweet"]}]),
        "twitter-circle-tweet": js("twitter_circle_tweet", [tweet(CIRCLE, "only for the circle")]),
        "community-tweet": js("community_tweet", [
            tweet(COMMUNITY, "to the club", community_id_str="77", scopes={"followers": False})]),
        "like": js("like", [{"like": {"tweetId": "1586000000000000111", "fullText": "OTHERSWORDS"}}]),
        "direct-messages": js("direct_messages", [talk("900001-900002", message(SENT, recipientId=EXPORTER))]),
        "direct-messages-group": js("direct_messages_group", [talk(
            GROUP,
            {"participantsLeave": {"userIds": ["900004"], "createdAt": "2022-11-03T12:00:00.000Z"}},
            message(SENT_TO_ALL),
            {"joinConversation": {"initiatingUserId": "900002", "participantsSnapshot": [EXPORTER]}},
        )]),
        "profile": js("profile", [{"profile": {
            "description": {"bio": "reeds & birds", "website": "https://t.co/me", "location": "Ely"},
            "avatarMediaUrl": "https://pbs.example/me.jpg"}}]),
        "reply-prompt": js("reply_prompt", [{"replyPrompt": {"promptId": "p1", "proposedTweetText": "HARSHWORDS"}}]),
        "article": js("article", [
            {"article": {"id": ARTICLE, "title": "On reeds", "content": {"blocks": [{"text": "They bend."}]}}},
            {"article": {"id": DRAFT, "title": "DRAFTWORDS", "content": {"blocks": [{"text": "DRAFTWORDS"}]}}}]),
        "article-metadata": js("article_metadata", [
            {"articleMetadata": {"articleId": ARTICLE, "visibility": "Published", "publishedAtMs": "1706000000000"}},
            {"articleMetadata": {"articleId": DRAFT, "visibility": "Draft", "createdAtMs": "1706000000000"}}]),
        "ip-audit": js("ip_audit", [{"ipAudit": {"accountId": EXPORTER, "loginIp": "192.0.2.1"}}]),
        **{name.replace("_", "-"): data for name, data in changed.items()},
    }  # fmt: skip
    return {f"data/{name}.js": data for name, data in files.items() if data is not None}


def read(folder: Path, files: Mapping[str, str | bytes], **settings: Any) -> Reading:
    return exports.read(folder, "x_archive", files, **settings)


def posts(folder: Path, *rows: Any, **settings: Any) -> Reading:
    """An archive of an account and these rows of tweets.js."""
    return read(
        folder,
        {"data/account.js": archive()["data/account.js"], "data/tweets.js": js("tweets", list(rows))},
        **settings,
    )


def at(moment: str) -> datetime:
    """A moment as tables hold it: UTC, without saying so."""
    return datetime.fromisoformat(moment)


def said(part: Mapping[str, Any], text: str) -> str:
    return text[part["start"] : part["end"]]


def of(row: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [part for part in row["parts"] if part["kind"] == kind]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return read(tmp_path_factory.mktemp("whole"), archive())


@pytest.fixture(scope="module")
def decided(whole: Reading, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Outcome, str]]:
    """Outcome and decisive reason of each record of the whole archive."""
    return by_outcome(whole, tmp_path_factory.mktemp("decided"))


# The whole archive ------------------------------------------------------------------------------------------------


def test_every_row_is_a_record_or_in_quarantine(whole: Reading) -> None:
    assert Counter((row["kind"], row["lifecycle"]) for row in whole.rows) == {
        ("post", "published"): 8, ("reply", "published"): 1, ("repost", "published"): 1, ("quote", "published"): 1,
        ("post", "deleted"): 2, ("like", "published"): 1, ("message", "published"): 4, ("profile", "published"): 1,
        ("reply", "draft"): 1, ("article", "published"): 1, ("article", "draft"): 1,
    }  # fmt: skip
    assert whole.quarantine == []
    assert whole.staged.rows == len(whole.rows)


def test_decisions_on_the_whole_archive(decided: Mapping[str, tuple[Outcome, str]]) -> None:
    out = {id: code for id, (outcome, code) in decided.items() if outcome not in (Outcome.PERMIT, Outcome.REDACT)}
    assert released(decided) == {POST, REPLY, QUOTE, LONG, SECOND, PHOTO, ARTICLE}
    assert out[FIRST] == "life.superseded_edit"
    assert out[GONE] == out["note:1712845350000082188"] == "life.deleted_by_author"
    assert out[CIRCLE] == "vis.circle_or_list"
    assert out[COMMUNITY] == out["note:1712845350000082199"] == "vis.audience_unknown"
    assert out["prompt:p1"] == out[DRAFT] == "life.draft"
    assert out["profile:900001"] == "policy.collection_time_missing"


def test_bare_nothing_is_released(whole: Reading, tmp_path: Path) -> None:
    """No archive says who is adult, active or open: without the operator's facts nothing leaves."""
    from aboveboard.engine import Engine
    from aboveboard.gate import Gate
    from aboveboard.judgement import Judgement
    from aboveboard.relate import relate

    engine = Engine(threads=1)
    gate = Gate(exports.policy(), people([], []), exports.JOB, exports.NOW, exports.REGIMES)
    judgement = Judgement(engine, relate([whole.staged], tmp_path, engine), gate)
    decisions = judgement.sample(len(whole.rows) + 1)
    assert len(decisions) == len(whole.rows)
    assert {d.outcome for d in decisions} == {Outcome.HOLD, Outcome.REFUSE}


def test_nothing_private_reaches_the_shards(tmp_path: Path) -> None:
    reading = read(tmp_path, archive())
    staged = json.dumps(reading.rows, default=str)
    for word in ("SECRETWORD", "REGRETTED", "OTHERSWORDS", "HARSHWORDS", "DRAFTWORDS", "192.0.2.1", "f@x.example"):
        assert word not in staged


# Columns, exactly -------------------------------------------------------------------------------------------------


def test_a_post_column_by_column(whole: Reading) -> None:
    public = {"audience_at": "public", "audience_now": "public"}
    beside = {
        "labels": [],
        "parties": [],
        "signals": [],
        "source_state": "own",
        "place": "field",
        "start": None,
        "end": None,
    }
    row = strip(whole.by_id(POST))
    assert row == {
        "record_id": POST, "source": "export", "kind": "post", "subject": EXPORTER, "language": "en",
        "created_at": at("2022-11-02T12:00"), "collected_at": at("2022-10-31T08:34:19.691"),
        "collected_evidence": "snowflake id", **public, "audience_evidence": "tweets.js: as public as its account",
        "origin": "first_party", "licence": None, "upstream": None, "lifecycle": "published", "integrity": "none",
        "text": "Fish & <chips> with @heron_b #tea", "categories": ["user.content.public"], "labels": [],
        "parties": [], "signals": [], "revision_of": None, "revision": int(POST), "parent_id": None, "quoted_id": None,
        "derived_from": None, "content_sha256": None,
        "parts": [
            {**beside, **public, "kind": "mention", "categories": ["user.account.username"], "place": "span",
             "parties": [{"subject": "900003", "role": "mentioned"}], "start": 20, "end": 28, "content": None},
            {**beside, **public, "kind": "geotag", "categories": ["user.location.precise"], "content": "52.4,0.26"},
            {**beside, **public, "kind": "geotag", "categories": ["user.location.imprecise"], "content": "Ely, England"},
        ],
    }  # fmt: skip
    assert said(row["parts"][0], row["text"]) == "@heron_b"


def test_a_like_column_by_column(whole: Reading) -> None:
    row = whole.by_id(f"like:{EXPORTER}:1586000000000000111")
    told = {name: value for name, value in row.items() if value not in (None, [])}
    assert told == {
        "ordinal": row["ordinal"], "record_id": row["record_id"], "source": "export", "kind": "like",
        "subject": EXPORTER, "origin": "first_party", "lifecycle": "published", "integrity": "none",
        "categories": ["user.behavior"], "parties": [{"subject": None, "role": "quoted_author"}],
        "quoted_id": "1586000000000000111",
    }  # fmt: skip
    assert (row["text"], row["audience_now"], row["collected_at"], row["parts"]) == (None, None, None, [])


def test_messages_and_events_are_counted_without_a_word(whole: Reading, decided: Mapping[str, Any]) -> None:
    rows = {row["record_id"]: row for row in whole.rows if row["kind"] == "message"}
    assert set(rows) == {
        SENT, SENT_TO_ALL, f"event:{GROUP}:0", f"event:{GROUP}:2"
    }  # fmt: skip
    assert all(row["text"] is None for row in rows.values())
    assert rows[SENT]["subject"] == "900002"
    assert rows[SENT]["audience_now"] == "private"
    assert rows[SENT_TO_ALL]["audience_now"] == "group"
    assert rows[SENT_TO_ALL]["created_at"] == at("2022-11-02T12:00")
    assert rows[f"event:{GROUP}:2"]["categories"] == ["user.communication.message.metadata"]
    assert {decided[id] for id in rows} == {(Outcome.REFUSE, "floor.direct_message")}


def test_an_event_of_an_unknown_kind_is_a_fault(tmp_path: Path) -> None:
    talk = {"conversationId": "9", "messages": [{"telepathy": {"words": "SECRETWORD"}}, message("1587000000000000102")]}
    reading = read(
        tmp_path, archive(direct_messages=js("direct_messages", [{"dmConversation": talk}, {"dmConversation": 3}]))
    )
    assert [(row["file"], row["row"], row["reason"]) for row in reading.quarantine] == [
        ("data/direct-messages.js", 0, "what happened in a conversation is of no known kind"),
        ("data/direct-messages.js", 2, "a conversation cannot be read"),
    ]


# Kinds of file ----------------------------------------------------------------------------------------------------


def test_every_name_in_the_table_is_decided() -> None:
    for name, kind in kinds.BY_NAME.items():
        assert kinds.kind(f"data/{name}.js") == kind
        assert kinds.kind(f"twitter-2024-01-01/data/{name}-part3.js") == kind
    decided = [name for table in (kinds.RECORDS, kinds.EVIDENCE) for names in table.values() for name in names.split()]
    decided += [name for names in kinds.NEVER.values() for name in names.split()]
    assert max(Counter(decided).values()) == 1, "a name decided twice"


@pytest.mark.parametrize(
    "name",
    [
        "data/direct-message-headers.js", "data/key-registry.js", "data/audio-video-calls-in-dm.js", "data/contact.js",
        "data/grok-chat-item.js", "data/ni-devices.js", "data/ip-audit.js", "data/personalization.js", "data/ageinfo.js",
        "data/community-note.js", "data/birdwatch-note-rating.js", "data/professional_data.js", "Your archive.html",
        "data/README.txt", "data/tweets_media/15870-x.jpg", "data/direct_messages_media/1-x.mp4", "assets/js/main.js",
        "__MACOSX/data/._tweets.js", "data/.DS_Store", "data/follower.js", "data/tweet-headers.js", "data/moment.js",
        "data/spaces-metadata.js", "data/periscope-comments-made-by-user.js", "data/ad-impressions-part12.js",
    ],
)  # fmt: skip
def test_what_is_never_read_says_why(name: str) -> None:
    kind = kinds.kind(name)
    assert kind is not None
    assert kind.never


@pytest.mark.parametrize(
    "name",
    [
        "data/tweets-new.js",
        "data/tweets.json",
        "tweets.csv",
        "other/tweets.js",
        "data/js/tweets/2012_01.js",
        "data/TWEETS.js",
    ],
)
def test_an_unknown_kind_is_refused_by_name(tmp_path: Path, name: str) -> None:
    assert kinds.kind(name) is None
    files = {**archive(), name: js("tweets", [tweet("1587000000000000900", "who knows")])}
    reading = read(tmp_path, files)
    assert reading.refused[name] == ""
    assert not [row for row in reading.rows if row["record_id"] == "1587000000000000900"]
    with pytest.raises(SourceError, match="kind that is not known"):
        read(tmp_path / "strict", files, strict_files=True)


@pytest.mark.parametrize(("file", "variable"), [("tweet", "tweet"), ("tweets", "tweet"), ("tweet", "tweets")])
def test_renamed_kinds(tmp_path: Path, file: str, variable: str) -> None:
    reading = read(
        tmp_path,
        {f"data/{file}.js": js(variable, [tweet(POST, "hello")]), "data/account.js": archive()["data/account.js"]},
    )
    assert reading.by_id(POST)["subject"] == EXPORTER


def test_a_file_that_says_it_holds_something_else(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="another kind of data than its name says") as caught:
        read(tmp_path, archive(tweets=js("direct_messages", [])))
    assert caught.value.context["file"] == "data/tweets.js"


def test_parts_of_a_big_archive(tmp_path: Path) -> None:
    files = {**archive(), "data/tweets-part1.js": js("tweets", [tweet("1587000000000000800", "more")], part=1)}
    assert read(tmp_path, files).by_id("1587000000000000800")["subject"] == EXPORTER


def test_two_archives_in_one_export(tmp_path: Path) -> None:
    one = {f"a/{name}": data for name, data in archive().items()}
    other = {
        "b/data/account.js": js("account", [{"account": {"accountId": "900009"}}]),
        "b/data/tweets.js": js("tweets", [tweet("1587000000000000700", "mine")]),
    }
    reading = read(tmp_path, {**one, **other})
    assert reading.by_id("1587000000000000700")["subject"] == "900009"
    assert reading.by_id(POST)["subject"] == EXPORTER
    both = [{"account": {"accountId": EXPORTER}}, {"account": {"accountId": "900009"}}]
    with pytest.raises(SourceError, match="two accounts"):
        read(tmp_path / "mixed", archive(account=js("account", both)))


def test_without_an_account_nobody_is_the_author(tmp_path: Path) -> None:
    reading = read(tmp_path, archive(account=None))
    assert {row["subject"] for row in reading.rows if row["kind"] != "message"} == {None}
    decisions = exports.judged(reading, tmp_path)
    assert {d.outcome for d in decisions.values()} <= {Outcome.HOLD, Outcome.REFUSE}


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_packed_or_not_it_reads_the_same(tmp_path: Path, form: str, whole: Reading) -> None:
    packed = read(tmp_path / form, archive(), form=form)
    assert by_id(packed) == by_id(whole)
    assert packed.refused == whole.refused


# The manifest -----------------------------------------------------------------------------------------------------


def test_wrong_counts_are_reported_once_and_never_trusted(tmp_path: Path, whole: Reading) -> None:
    wrong = (
        str(archive()["data/manifest.js"])
        .replace('"count": "8"', '"count": "5"')
        .replace('"count": "1"', '"count": "?"')
    )
    reading = read(tmp_path / "wrong", archive(manifest=wrong))
    assert [(row["file"], row["reason"]) for row in reading.quarantine] == [
        ("data/manifest.js", "the manifest and the files differ in how much there is of: likes, posts")
    ]
    assert [strip(row) for row in reading.rows] == [strip(row) for row in whole.rows]


def test_a_missing_part_is_reported(tmp_path: Path) -> None:
    reading = read(tmp_path, archive(like=None))
    assert [row["reason"] for row in reading.quarantine] == [
        "the manifest and the files differ in how much there is of: likes"
    ]


# JavaScript -------------------------------------------------------------------------------------------------------


def test_trailing_commas_are_read_rightly(tmp_path: Path, whole: Reading) -> None:
    files = {name: str(data) for name, data in archive().items()}
    files = {name: data.replace("\n]", ",\n]").replace("\n  }", ",\n  }") + ";\n" for name, data in files.items()}
    assert ",\n]" in files["data/tweets.js"]
    reading = read(tmp_path / "commas", files)
    assert [strip(row) for row in reading.rows] == [strip(row) for row in whole.rows]
    assert reading.quarantine == []


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("[1, 2 , ]", [1, 2]), ('{"a": [1,],}', {"a": [1]}), ('["a,]", ",}",]', ["a,]", ",}"]),
        ('["\\",]", "b\\\\",]', ['",]', "b\\"]), ('["",]', [""]), ('[{},[],]', [{}, []]),
    ],
)  # fmt: skip
def test_a_trailing_comma_is_none(said: str, means: object) -> None:
    assert script(said) == means


@pytest.mark.parametrize(
    "said",
    ["[1,,]", "[,]", "{,}", "[,1]", '{"a",}', '{"a":,}', "[1] // no", "[1, /* two */ 2]", "{a: 1}", "['a']", "[undefined]",
             '[1, "', '["\\', ",", "", "[NaN]", "[" * 100_000, '{"a": 1, "a": 2}', "[1].concat([2])", "[1]; [2]"]
)  # fmt: skip
def test_javascript_beyond_that_is_refused(said: str) -> None:
    with pytest.raises(Unreadable):
        script(said)


def test_strings_are_never_touched() -> None:
    rng = random.Random(7)
    for _ in range(500):
        value = [
            "".join(rng.choice('",]}[{:\\ \n1a') for _ in range(rng.randrange(12))) for _ in range(rng.randrange(5))
        ]
        assert without_trailing_commas(json.dumps(value)) == json.dumps(value)
        assert script(json.dumps(value).replace("\n", " ").removesuffix("]") + ("," if value else "") + "]") == value


@pytest.mark.parametrize(
    ("broken", "line"),
    [('window.YTD.tweets.part0 = [\n  {"tweet": {"id_str": "1", BROKENWORD}}\n]', 2), ("BROKENWORD", None), ("", None),
     ('window.YTD.tweets.part0 = {"BROKENWORD": 1}', None), ("window.YTD.tweets.part0 = [] + BROKENWORD", 1),
     ("window.YTD.tweets = []", None), (b"window.YTD.tweets.part0 = [\"\xff BROKENWORD\"]", None)],
)  # fmt: skip
def test_a_file_is_read_whole_or_not_at_all(tmp_path: Path, broken: str | bytes, line: int | None) -> None:
    with pytest.raises(SourceError) as caught:
        read(tmp_path, archive(tweets=broken))
    assert caught.value.context["file"] == "data/tweets.js"
    assert caught.value.context.get("line") == line
    assert "BROKENWORD" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert not list((tmp_path / "staged").glob("part-*.parquet"))


# Texts and spans --------------------------------------------------------------------------------------------------


def test_spans_are_of_the_unescaped_text(tmp_path: Path) -> None:
    text = "a<b && c>d \N{FAMILY} \N{GRINNING FACE} see @heron_b & @wader &amp; https://t.co/x1"
    row = posts(
        tmp_path,
        tweet(POST, text, {"heron_b": "900003", "wader": "-1"}, {"https://t.co/x1": "https://reeds.example/a"}),
    ).by_id(POST)
    assert row["text"] == text
    assert [said(part, text) for part in row["parts"]] == ["@heron_b", "@wader", "https://t.co/x1"]
    assert [part["parties"] for part in row["parts"]] == [
        [{"subject": "900003", "role": "mentioned"}], [{"subject": None, "role": "mentioned"}], []
    ]  # fmt: skip
    assert (of(row, "card")[0]["content"], of(row, "card")[0]["source_state"]) == ("https://reeds.example/a", "own")


def test_utf16_indices_and_wrong_indices(tmp_path: Path) -> None:
    text = "\N{GRINNING FACE}\N{GRINNING FACE} @heron_b!"
    by_units = tweet(POST, text, {"heron_b": "900003"})
    by_units["tweet"]["entities"]["user_mentions"][0]["indices"] = ["5", "13"]
    nowhere = tweet(REPLY, text, {"heron_b": "900003"})
    nowhere["tweet"]["entities"]["user_mentions"][0]["indices"] = ["9", "17"]
    reading = posts(tmp_path, by_units, nowhere)
    assert said(of(reading.by_id(POST), "mention")[0], text) == "@heron_b"
    lost = of(reading.by_id(REPLY), "mention")[0]
    assert (lost["place"], lost["start"], lost["end"]) == ("span", None, None)
    decision = exports.judged(reading, tmp_path)[REPLY]
    assert (decision.outcome, decision.decisive.code) == (Outcome.HOLD, "xform.redaction_incomplete")


@pytest.mark.parametrize(
    ("said_", "means"), [("&amp;lt;", "&lt;"), ("&lt;&gt;&amp;", "<>&"), ("&quot; &copy &#39;", "&quot; &copy &#39;")]
)
def test_unescaping_is_the_exact_inverse(said_: str, means: str) -> None:
    assert plain(said_) == means
    for text in ("&amp;", "a & b &lt; <c>", "&amp;amp;lt;"):
        assert plain(escaped(text)) == text


def test_a_span_says_what_it_should() -> None:
    assert span("x &amp; @Heron_B", ["8", "16"], "@heron_b") == (4, 12)
    for wrong in (["8", "15"], ["x", "16"], [8], None, ["-8", "16"], [True, 16], ["9" * 30, "1"]):
        assert span("x &amp; @Heron_B", wrong, "@heron_b") is None


def test_media_take_their_link_along(whole: Reading) -> None:
    row = whole.by_id(PHOTO)
    [photo] = row["parts"]
    assert (photo["kind"], photo["labels"], photo["content"]) == (
        "media",
        ["unidentified_person"],
        "https://pbs.example/p.jpg",
    )
    assert said(photo, row["text"]) == "https://t.co/pic1"


def test_media_of_others_have_their_uploader(tmp_path: Path) -> None:
    theirs = media("t https://t.co/v", "https://t.co/v", source_status_id_str="15", source_user_id_str="900003")
    [part] = of(posts(tmp_path, tweet(POST, "t https://t.co/v", extended_entities=theirs)).by_id(POST), "media")
    assert (part["parties"], part["source_state"]) == ([{"subject": "900003", "role": "uploader"}], None)


@pytest.mark.parametrize(
    "entities",
    [None, [], {"urls": []}, {"user_mentions": [], "urls": "x"}, {"user_mentions": [], "urls": [], "media": "x"}],
)
def test_parts_that_cannot_be_known(tmp_path: Path, entities: object) -> None:
    assert posts(tmp_path, tweet(POST, "hello there", entities=entities)).by_id(POST)["parts"] is None


# Reposts, quotes, replies -----------------------------------------------------------------------------------------


def test_a_repost_is_other_peoples_words(whole: Reading, decided: Mapping[str, Any]) -> None:
    row = whole.by_id(REPOST)
    assert (row["kind"], row["subject"], row["quoted_id"]) == ("repost", EXPORTER, None)
    assert row["parties"] == [{"subject": "900003", "role": "quoted_author"}]
    assert decided[REPOST][0] == Outcome.REFUSE


def test_a_repost_of_somebody_unknown(tmp_path: Path) -> None:
    text = "RT @heron_b: words"
    without, elsewhere, other = (
        tweet("1", text),
        tweet("2", text, {"heron_b": "900003"}),
        tweet("3", text, {"heron_b": "900003"}),
    )
    elsewhere["tweet"]["entities"]["user_mentions"][0]["indices"] = ["4", "12"]
    other["tweet"]["entities"]["user_mentions"][0]["screen_name"] = "wader"
    reading = posts(tmp_path, without, elsewhere, other, tweet("4", "RT @heron_b agreed", {"heron_b": "900003"}))
    assert {row["kind"] for row in reading.rows} == {"repost"}
    assert [row["parties"][0]["subject"] for row in reading.rows] == [None, None, None, "900003"]


def test_a_quote_is_known_by_its_link(whole: Reading) -> None:
    row = whole.by_id(QUOTE)
    [part] = row["parts"]
    assert (row["kind"], row["quoted_id"]) == ("quote", "1586000000000000009")
    assert (part["kind"], part["source_state"]) == ("quote", None)
    assert part["parties"] == [{"subject": None, "role": "quoted_author"}]
    assert said(part, row["text"]) == "https://t.co/q1"


def test_links_to_posts_that_are_no_quote(tmp_path: Path) -> None:
    two = {
        "https://t.co/a1": "https://x.com/i/web/status/11/photo/1",
        "https://t.co/b2": "https://twitter.com/wader/status/12?s=20",
    }
    own = {"https://t.co/c3": f"https://twitter.com/fen_reed/status/{REPLY}"}
    reading = posts(
        tmp_path, tweet(POST, "see https://t.co/a1 and https://t.co/b2", urls=two), tweet(REPLY, "x https://t.co/c3", urls=own),
        tweet(REPOST, "RT @wader: https://t.co/b2", urls=dict([list(two.items())[1]])),
    )  # fmt: skip
    row = reading.by_id(POST)
    assert row["quoted_id"] == "12"
    assert [(part["kind"], part["parties"]) for part in row["parts"]] == [
        ("card", [{"subject": None, "role": "quoted_author"}]), ("quote", [{"subject": None, "role": "quoted_author"}])
    ]  # fmt: skip
    assert reading.by_id(REPLY)["kind"] == "post"
    assert of(reading.by_id(REPLY), "card")[0]["parties"] == []
    assert (reading.by_id(REPOST)["kind"], reading.by_id(REPOST)["quoted_id"]) == ("repost", None)


def test_replies(tmp_path: Path, whole: Reading) -> None:
    assert (whole.by_id(REPLY)["kind"], whole.by_id(REPLY)["parent_id"]) == ("reply", "1586000000000000008")
    row = posts(tmp_path / "x", tweet(POST, "hi", in_reply_to_user_id_str="900003")).by_id(POST)
    assert (row["kind"], row["parent_id"]) == ("reply", None)


# Long texts -------------------------------------------------------------------------------------------------------


def test_a_long_text_goes_to_its_post(whole: Reading) -> None:
    row = whole.by_id(LONG)
    assert row["text"] == LONG_TEXT  # not escaped in the archive, so nothing is undone
    assert [said(part, LONG_TEXT) for part in row["parts"]] == ["@heron_b"]
    assert not [one for one in whole.rows if one["record_id"] == f"note:{NOTE}"]


def notes(folder: Path, tweets: list[Any], long: list[Any]) -> dict[str, dict[str, Any]]:
    reading = read(folder, archive(tweets=js("tweets", tweets), note_tweet=js("note_tweet", long), manifest=None))
    assert reading.quarantine == []
    return {row["record_id"]: row for row in reading.rows}


def long_post(id: str, at: str = "Fri Oct 13 14:58:50 +0000 2023", text: str = BODY + "…") -> dict[str, Any]:
    return tweet(id, text, created_at=at)


def test_a_long_text_that_is_not_surely_a_posts_own(tmp_path: Path) -> None:
    one = note(NOTE, LONG_TEXT, "2023-10-13T14:58:50.000Z")
    cases = {
        "two posts": ([long_post("1"), long_post("2")], [one]),
        "two texts": (
            [long_post("1")],
            [one, note("1712845350000082777", LONG_TEXT + "!", "2023-10-13T14:58:51.000Z")],
        ),
        "another time": ([long_post("1", "Fri Oct 13 15:58:50 +0000 2023")], [one]),
        "other words": ([long_post("1", text="Something else altogether, at the very same second of the day…")], [one]),
        "few words": ([long_post("1", text=LONG_TEXT[:12] + "…")], [one]),
        "no time": ([long_post("1")], [note(NOTE, LONG_TEXT, "yesterday")]),
        "not cut": ([long_post("1", text=BODY)], [one]),
    }
    for name, (tweets, long) in cases.items():
        rows = notes(tmp_path / name.replace(" ", "_"), tweets, long)
        assert rows["1"]["text"] == tweets[0]["tweet"]["full_text"].replace("&amp;", "&"), name
        assert rows[f"note:{NOTE}"]["audience_now"] is None, name


def test_a_long_text_in_a_reply_or_one_that_names_its_post(tmp_path: Path) -> None:
    reply = long_post("1", text="@heron_b " + BODY + "… https://t.co/more", at="Fri Oct 13 14:58:52 +0000 2023")
    assert notes(tmp_path / "a", [reply], [note(NOTE, LONG_TEXT, "2023-10-13T14:58:50.000Z")])["1"]["text"] == LONG_TEXT
    named = note(NOTE, LONG_TEXT, "2020-10-13T14:58:50.000Z")
    named["noteTweet"]["tweetId"] = "1"
    rows = notes(tmp_path / "b", [long_post("1")], [named])
    assert rows["1"]["text"] == LONG_TEXT
    assert f"note:{NOTE}" not in rows


def test_the_words_of_a_deleted_post_do_not_come_back_by_its_long_text(tmp_path: Path) -> None:
    gone = archive(deleted_tweets=js("deleted_tweets", [long_post(LONG)]), tweets=js("tweets", []), manifest=None)
    reading = read(tmp_path, gone)
    assert (reading.by_id(LONG)["lifecycle"], reading.by_id(LONG)["text"]) == ("deleted", None)
    assert "tides" not in json.dumps(reading.rows, default=str)


@pytest.mark.parametrize(
    ("text", "body"), [("a… https://t.co/x https://t.co/y ", "a"), ("a…", "a"), ("a https://t.co/x", None), ("", None)]
)
def test_what_was_cut_off(text: str, body: str | None) -> None:
    assert cut(text) == body


# Edits and deletions ----------------------------------------------------------------------------------------------


def test_of_an_edit_only_the_last_stands(whole: Reading, decided: Mapping[str, Any]) -> None:
    assert [(whole.by_id(id)["revision_of"], whole.by_id(id)["revision"]) for id in (FIRST, SECOND)] == [
        (None, int(FIRST)), (FIRST, int(SECOND)),
    ]  # fmt: skip
    assert decided[SECOND][0] == Outcome.PERMIT
    assert decided[FIRST] == (Outcome.REFUSE, "life.superseded_edit")


def chain(where: int) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """Two versions of a post: their ids and rows; only the older row says that they belong together."""
    old, new = f"16269227791057592{where}1", f"16269227791057592{where}2"
    return (
        old,
        new,
        tweet(old, "A typo heer", edit_info={"initial": {"editTweetIds": [old, new]}}),
        tweet(new, "A typo here"),
    )


def test_a_newest_edit_that_is_gone_revives_no_older_one(tmp_path: Path) -> None:
    nowhere, deleted, header, broken, there = map(chain, range(5))
    broken[3]["tweet"]["in_reply_to_status_id_str"] = "?"
    rows = [nowhere[2], deleted[2], header[2], header[3], broken[2], broken[3], there[2], there[3]]
    headers = [{"tweet": {"tweetId": header[1]}}]
    files = archive(
        tweets=js("tweets", rows), deleted_tweets=js("deleted_tweets", [deleted[3]]), manifest=None,
        deleted_tweet_headers=js("deleted_tweet_headers", headers),
    )  # fmt: skip
    reading = read(tmp_path, files)
    found = by_outcome(reading, tmp_path)
    assert [row["row"] for row in reading.quarantine] == [5]
    assert {found[old] for old, *_ in (nowhere, deleted, header, broken)} == {
        (Outcome.REFUSE, "life.deleted_by_author")
    }
    assert found[deleted[1]] == found[header[1]] == (Outcome.REFUSE, "life.deleted_by_author")
    assert found[there[0]] == (Outcome.REFUSE, "life.superseded_edit")
    assert found[there[1]][0] == Outcome.PERMIT


def test_withheld_posts_are_not_known_to_stand(tmp_path: Path) -> None:
    reading = posts(
        tmp_path, tweet(POST, "hello", withheld_in_countries=["XY"]), tweet(REPLY, "hello", withheld_copyright=False)
    )
    assert [row["lifecycle"] for row in reading.rows] == [None, "published"]


# The account's protected history ----------------------------------------------------------------------------------


def closed(*lines: tuple[str, str]) -> str:
    return js(
        "protected_history", [{"protectedHistory": {"protectedAt": at, "action": action}} for at, action in lines]
    )


@pytest.mark.parametrize(
    ("lines", "then", "now"),
    [
        ([("2022-10-01T00:00:00.000Z", "Protect")], "followers", "followers"),
        ([("2022-10-01T00:00:00.000Z", "Protect"), ("2022-12-01T00:00:00.000Z", "Unprotect")], "followers", "public"),
        ([("2022-12-01T00:00:00.000Z", "Unprotect"), ("2022-10-01T00:00:00.000Z", "Protect")], "followers", "public"),
        ([("2022-12-01T00:00:00.000Z", "Protect")], "public", "followers"),
        ([("2022-12-01T00:00:00.000Z", "Unprotect")], None, "public"),
        ([("2022-09-01T00:00:00.000Z", "Unprotect")], "public", "public"),
        ([("2022-10-01T00:00:00.000Z", "Protected?")], None, None),
        ([("lately", "Unprotect")], None, None),
    ],
)
def test_the_history_only_narrows(
    tmp_path: Path, lines: list[tuple[str, str]], then: str | None, now: str | None
) -> None:
    reading = read(tmp_path, archive(protected_history=closed(*lines)))
    row = reading.by_id(POST)
    assert (row["audience_at"], row["audience_now"]) == (then, now)
    assert {part["audience_now"] for part in row["parts"]} == {now}
    assert len(reading.quarantine) == (then is now is None)


# Articles ---------------------------------------------------------------------------------------------------------


def test_an_article_only_when_published(whole: Reading) -> None:
    row = whole.by_id(ARTICLE)
    assert (row["text"], row["lifecycle"], row["parts"]) == ("On reeds\n\nThey bend.", "published", [])
    assert row["collected_evidence"] == "article-metadata.js: publishedAtMs"
    assert (whole.by_id(DRAFT)["lifecycle"], whole.by_id(DRAFT)["text"]) == (
        "draft",
        None,
    )


@pytest.mark.parametrize(
    ("state", "lifecycle"),
    [
        ({"tweetId": POST, "lifecycleState": {"lifecycle": {"name": "Published"}}}, "published"),
        ({"tweetId": POST, "visibility": "Draft"}, "draft"),
        ({"tweetId": REPLY, "visibility": "Published"}, None),
        ({"visibility": "Published"}, None),
        ({"articleId": ARTICLE}, None),
    ],
)
def test_an_article_whose_state_is_not_surely_its_own(
    tmp_path: Path, state: dict[str, Any], lifecycle: str | None
) -> None:
    announces = tweet(POST, "https://t.co/a", urls={"https://t.co/a": f"https://x.com/i/article/{ARTICLE}"})
    files = archive(
        tweets=js("tweets", [announces]),
        article_metadata=js("article_metadata", [{"articleMetadata": state}]),
        manifest=None,
    )
    assert read(tmp_path, files).by_id(ARTICLE)["lifecycle"] == lifecycle


def test_an_article_with_more_than_text_has_unknown_parts(tmp_path: Path) -> None:
    blocks = [{"text": "with @heron_b", "data": {"mentions": [{"text": "heron_b"}]}}]
    files = archive(article=js("article", [{"article": {"id": ARTICLE, "title": "T", "content": {"blocks": blocks}}}]))
    assert read(tmp_path, files).by_id(ARTICLE)["parts"] is None


# Rows that cannot be read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (tweet("15", "x", id_str=2**60), "the id is a number beyond 2^53: it may have been rounded"),
        (tweet("15", "x", id_str=1.5), "the id is no id"), (tweet("15", "x", id_str="abc"), "the id is none that X makes"),
        (tweet("15", "x", id_str=str(2**63)), "the id is none that X makes"),
        (tweet("15", "x", full_text=None), "the post has no text"),
        (tweet("15", "x", edit_info=3), "what is said of edits is no object"), ("x", "the row is no object"),
        ({"tweet": []}, "the row is no object"), (tweet("15", "half \ud83d"), "a text is no Unicode"),
        (tweet("15", "x", in_reply_to_status_id_str=2**60), "the id is a number beyond 2^53: it may have been rounded"),
        (tweet("15", "x", edit_info={"initial": {"editTweetIds": "15"}}), "the list of edits is no list"),
        ({}, "the post has no text"),
    ],
)  # fmt: skip
def test_a_malformed_row_is_a_fault(tmp_path: Path, row: Any, reason: str) -> None:
    text = "window.YTD.tweets.part0 = " + json.dumps([row, tweet(POST, "fine")])
    reading = read(tmp_path, {"data/tweets.js": text})
    assert [(one["file"], one["row"], one["reason"]) for one in reading.quarantine] == [("data/tweets.js", 0, reason)]
    assert [one["record_id"] for one in reading.rows] == [POST]


def test_the_oldest_archives_have_no_wrapper(tmp_path: Path) -> None:
    assert posts(tmp_path, tweet(POST, "hello")["tweet"]).by_id(POST)["text"] == "hello"


def test_ids_from_before_snowflakes_tell_no_time(tmp_path: Path) -> None:
    row = posts(tmp_path, tweet("20", "just setting up", created_at="Tue Mar 21 20:50:14 +0000 2006")).by_id("20")
    assert (row["collected_at"], row["collected_evidence"]) == (None, None)
    assert row["created_at"] == at("2006-03-21T20:50:14")


@pytest.mark.parametrize(
    "key", ["scopes", "community_id_str", "exclusive_tweet_control", "trusted_friends_control", "visibility"]
)
def test_a_key_that_may_narrow_makes_the_audience_unknown(tmp_path: Path, key: str) -> None:
    assert posts(tmp_path, tweet(POST, "hello", **{key: "1"})).by_id(POST)["audience_now"] is None


# Metamorphic ------------------------------------------------------------------------------------------------------


def strip(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "ordinal"}


def by_id(reading: Reading) -> dict[str, dict[str, Any]]:
    return {row["record_id"]: strip(row) for row in reading.rows}


def by_outcome(reading: Reading, folder: Path, **settings: Any) -> dict[str, tuple[Outcome, str]]:
    return {id: (d.outcome, d.decisive.code) for id, d in exports.judged(reading, folder, **settings).items()}


def released(decisions: Mapping[str, tuple[Outcome, str]]) -> set[str]:
    return {id for id, (outcome, _) in decisions.items() if outcome in (Outcome.PERMIT, Outcome.REDACT)}


@pytest.mark.parametrize("encode", [
        lambda text: b"\xef\xbb\xbf" + text.encode(), lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: b"\xfe\xff" + text.encode("utf-16-be"), lambda text: text.encode("utf-32"),
])  # fmt: skip
def test_another_encoding_changes_nothing(tmp_path: Path, whole: Reading, encode: Any) -> None:
    again = read(tmp_path / "again", {name: encode(str(data)) for name, data in archive().items()})
    assert again.rows == whole.rows


def test_another_order_or_split_changes_nothing(tmp_path: Path, whole: Reading, decided: Mapping[str, Any]) -> None:
    files = archive()
    rows = json.loads(str(files["data/tweets.js"]).partition("=")[2])
    split = {
        **files,
        "data/tweets.js": js("tweets", rows[5:][::-1]),
        "data/tweets-part1.js": js("tweets", rows[:5], part=1),
    }
    again = read(tmp_path / "again", dict(reversed(split.items())))
    assert by_outcome(again, tmp_path / "again") == decided
    assert by_id(again) == by_id(whole)


def test_a_protected_account_leaves_with_all_its_posts(tmp_path: Path, whole: Reading) -> None:
    assert not released(by_outcome(whole, tmp_path, facts={EXPORTER: {"protected": True}}))
    closed_now = read(tmp_path / "h", archive(protected_history=closed(("2025-10-01T00:00:00.000Z", "Protect"))))
    assert not released(by_outcome(closed_now, tmp_path / "h"))


@pytest.mark.parametrize("into", ["twitter-circle-tweet", "community-tweet"])
def test_a_narrower_audience_leaves(tmp_path: Path, decided: Mapping[str, Any], into: str) -> None:
    files = archive(manifest=None)
    rows = json.loads(str(files["data/tweets.js"]).partition("=")[2])
    moved = json.loads(str(files[f"data/{into}.js"]).partition("=")[2]) + rows[:1]
    files |= {"data/tweets.js": js("tweets", rows[1:]), f"data/{into}.js": js(into.replace("-", "_"), moved)}
    after = by_outcome(read(tmp_path, files), tmp_path)
    assert released(decided) - released(after) == {POST}
    assert {id for id in decided if decided[id] != after[id]} == {POST}


@pytest.mark.parametrize("id", [POST, LONG])
def test_a_delete_changes_only_its_own(tmp_path: Path, decided: Mapping[str, Any], id: str) -> None:
    header = js("deleted_tweet_headers", [{"tweet": {"tweetId": GONE}}, {"tweet": {"tweetId": id}}])
    after = by_outcome(read(tmp_path, archive(deleted_tweet_headers=header)), tmp_path)
    assert {one for one in decided if decided[one] != after[one]} == {id}
    assert after[id] == (Outcome.REFUSE, "life.deleted_by_author")


def test_an_edit_changes_only_its_own(tmp_path: Path, decided: Mapping[str, Any]) -> None:
    third = "1626922779105759237"
    edits = {"initialTweetId": FIRST, "editControlInitial": {"editTweetIds": [FIRST, SECOND, third]}}
    edit = js("tweets", [tweet(third, "A typo here, no more", edit_info={"edit": edits})], part=1)
    after = by_outcome(read(tmp_path, {**archive(), "data/tweets-part1.js": edit}), tmp_path)
    assert {id for id in decided if decided[id] != after[id]} == {SECOND}
    assert after[SECOND] == (Outcome.REFUSE, "life.superseded_edit")
    assert after[third][0] == Outcome.PERMIT


def test_a_minor_takes_along_what_is_theirs(tmp_path: Path, whole: Reading, decided: Mapping[str, Any]) -> None:
    """A minor who is mentioned takes the mention and nothing else; the exporter's own age takes everything."""
    assert released(by_outcome(whole, tmp_path, facts={"900003": {"age_band": "13_17"}})) == released(decided)
    assert not released(by_outcome(whole, tmp_path, facts={EXPORTER: {"age_band": "13_17"}}))


# Whatever the bytes -----------------------------------------------------------------------------------------------


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A few bytes changed, lost or repeated, or a value of the JSON replaced by another."""
    if rng.random() < 0.5:
        at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        some = rng.choice(
            [b"", data[at:end], b'"', b",", b"]", b"\\ud800", b"\xff", b"null", b"{}", bytes([rng.randrange(256)])]
        )
        end = min(end, at + rng.choice([0, 1, 4, 40]))
        return data[:at] + some + data[end:]
    head, _, body = data.partition(b"=")
    value = json.loads(body)
    holder, key = value, None
    while isinstance(holder, dict | list) and holder:
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.2:
            break
        holder = holder[key]
    if key is not None:
        holder[key] = rng.choice(
            [
                None,
                True,
                0,
                -1,
                2**53,
                2**70,
                1.5,
                "",
                "x",
                "9" * 400,
                "\ud800",
                "\0",
                [],
                {},
                [[]],
                ["1", "2"],
                {"a": None},
            ]
        )
    return head + b"= " + json.dumps(value).encode()


def tried(folder: Path, files: Mapping[str, bytes]) -> tuple[Reading | None, str]:
    """What was read, or the source's error; any other error is not caught."""
    try:
        return read(folder, files), ""
    except SourceError as error:
        return None, f"{error} {error.hint}"


def test_only_source_errors_come_out(tmp_path: Path) -> None:
    rng = random.Random(20260106)
    files = {
        name: str(data).encode()
        for name, data in archive(protected_history=closed(("2022-10-01T00:00:00.000Z", "Unprotect"))).items()
    }
    readable = [name for name in files if name != "data/ip-audit.js"]
    errors = 0
    for turn in range(320):
        name = rng.choice(readable)
        changed = {**files, name: mutated(rng, files[name])}
        reading, said_ = tried(tmp_path / str(turn), changed)
        assert "SECRETWORD" not in said_
        if reading is None:
            errors += 1
            continue
        assert reading.staged.rows == len(reading.rows)
        assert reading.staged.quarantined == len(reading.quarantine)
        assert "SECRETWORD" not in json.dumps([reading.rows, reading.quarantine], default=str)
    assert 40 < errors < 300


# Real archives, where there are any -------------------------------------------------------------------------------


def test_real_archives(tmp_path: Path) -> None:
    """None is among the shared data; one that is put there later is found by what its account file assigns."""
    data = Path(os.environ.get("ABOVEBOARD_DATA", Path(__file__).parents[3] / "shared" / "data"))
    found = [path.parent for path in data.rglob("account.js") if b"window.YTD.account" in path.read_bytes()[:80]]
    if not found:
        pytest.skip(f"no X archive in {data}")
    for index, folder in enumerate(found):
        reading = exports.read_at(tmp_path / str(index), "x_archive", folder)
        assert reading.staged.rows == len(reading.rows)
        assert all(row["text"] is None for row in reading.rows if row["kind"] in ("message", "like"))
        for row in reading.rows:
            spans = [part for part in row["parts"] or () if part["kind"] == "mention" and part["start"] is not None]
            assert all(said(part, row["text"])[0] in "@\N{FULLWIDTH COMMERCIAL AT}" for part in spans)
        print(folder, Counter((row["kind"], row["lifecycle"]) for row in reading.rows), len(reading.quarantine))
