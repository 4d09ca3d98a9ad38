"""The reader of ActivityPub data: what becomes of each kind of row, who may see it, and that nothing opens by damage.

Every post here is made up. Real data (recorded API answers, granary's notes) is read in place in
test_real_activitypub.py.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import exports
from aboveboard import compliance
from aboveboard.engine import Engine
from aboveboard.errors import SourceError
from aboveboard.relate import Overheard, relate
from aboveboard.sources.staged import told_events

HOST = "https://m.example"
ME = f"{HOST}/users/mo"
OTHER = "https://far.example/users/anna"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
FOLLOWERS = f"{ME}/followers"
NUMBER = 109_400_000_017_476_943
"""A status id as Mastodon makes them: 2022-11-24, in milliseconds << 16, and a tail."""
PUBLISHED = "2022-11-24T17:38:43Z"
ACTOR: dict[str, Any] = {
    "@context": ["https://www.w3.org/ns/activitystreams"], "id": ME, "type": "Person", "followers": FOLLOWERS,
    "preferredUsername": "mo", "name": "Mo", "summary": "<p>I write things</p>", "indexable": True,
    "published": "2022-01-01T00:00:00Z", "attachment": [{"type": "PropertyValue", "name": "x", "value": "y"}],
}  # fmt: skip


def uri(number: int) -> str:
    return f"{ME}/statuses/{NUMBER + number * 4_321}"


def note(number: int = 1, **changes: Any) -> dict[str, Any]:
    found = {
        "id": uri(number), "type": "Note", "attributedTo": ME, "published": PUBLISHED, "to": [PUBLIC], "cc": [FOLLOWERS],
        "content": f"<p>word {number}</p>", "contentMap": {"en": f"<p>word {number}</p>"}, "summary": None,
        "inReplyTo": None, "sensitive": False, "attachment": [], "tag": [],
        "replies": {"id": f"{uri(number)}/replies", "type": "Collection", "first": {"type": "CollectionPage", "items": []}},
    }  # fmt: skip
    return {name: value for name, value in {**found, **changes}.items() if value is not ...}


def create(number: int = 1, kind: str = "Create", **changes: Any) -> dict[str, Any]:
    inner = note(number, **changes)
    addresses = {name: inner[name] for name in ("to", "cc") if name in inner}
    carried = {"actor": ME, "published": inner["published"], **addresses, "object": inner}
    return {"id": f"{uri(number)}/activity", "type": kind, **carried}


def boost(number: int = 1, original: Any = f"{OTHER}/statuses/7", **changes: Any) -> dict[str, Any]:
    said = {
        "id": f"{uri(number)}/activity", "type": "Announce", "actor": ME, "published": PUBLISHED, "to": [PUBLIC],
        "cc": [OTHER, FOLLOWERS], "object": original,
    }  # fmt: skip
    return {**said, **changes}


def outbox(*items: Any) -> str:
    return json.dumps(
        {"id": "outbox.json", "type": "OrderedCollection", "totalItems": len(items), "orderedItems": items}
    )


def archive(*items: Any, actor: dict[str, Any] | None = ACTOR) -> dict[str, str]:
    return {"outbox.json": outbox(*items), **({"actor.json": json.dumps(actor)} if actor else {})}


def read(folder: Path, *items: Any, **settings: Any) -> exports.Reading:
    return exports.read(folder, "activitypub", archive(*items), **{"server": "m.example", **settings})


def one(folder: Path, item: Any, **settings: Any) -> dict[str, Any]:
    """The record of one activity in an archive."""
    [row] = [row for row in read(folder, item, **settings).rows if row["kind"] != "profile"]
    return row


def outcomes(reading: exports.Reading, folder: Path, **more: Any) -> dict[str, tuple[str, str]]:
    work = folder / "judged"
    work.mkdir()
    found = exports.judged(reading, work, **more)
    return {id: (decision.outcome.value, decision.decisive.code) for id, decision in found.items()}


def released(reading: exports.Reading, folder: Path, **more: Any) -> set[str]:
    return {id for id, (outcome, _) in outcomes(reading, folder, **more).items() if outcome in ("permit", "redact")}


# --- golden pair -----------------------------------------------------------------------------------------------


def test_a_post_of_an_archive_column_by_column(tmp_path: Path) -> None:
    row = one(tmp_path, create())
    assert row == {
        "ordinal": 1, "record_id": uri(1), "source": "export", "kind": "post", "subject": ME, "language": "en",
        "created_at": datetime(2022, 11, 24, 17, 38, 43), "collected_at": row["collected_at"],  # noqa: DTZ001
        "collected_evidence": "id (Mastodon snowflake)", "audience_evidence": "object.to", "origin": "first_party",
        "licence": None, "upstream": None, "lifecycle": "published", "integrity": "none", "text": "word 1",
        "categories": ["user.content.public"], "labels": [], "audience_at": "public", "audience_now": "public",
        "parties": [], "signals": [], "revision_of": None, "revision": 0, "parent_id": None, "quoted_id": None,
        "derived_from": None, "content_sha256": None, "parts": [],
    }  # fmt: skip
    assert abs(row["collected_at"] - row["created_at"]).total_seconds() < 60


@pytest.mark.parametrize("form", ["folder", "zip", "tar.gz"])
def test_an_archive_in_any_container(tmp_path: Path, form: str) -> None:
    files = {f"export/{name}": data for name, data in archive(create(), boost(2)).items()}
    files |= {"export/avatar.png": "x", "export/media_attachments/files/1/x.json": "{}"}
    reading = exports.read(tmp_path, "activitypub", files, form=form, server="m.example")
    assert sorted(row["kind"] for row in reading.rows) == ["post", "profile", "repost"]
    assert set(reading.refused) == {"export/avatar.png", "export/media_attachments/files/1/x.json"}
    assert all(reading.refused.values())
    assert released(reading, tmp_path) == {uri(1)}


# --- audience --------------------------------------------------------------------------------------------------

ABSENT = ...
AUDIENCES: dict[str, tuple[Any, Any, str | None, str | None]] = {
    "full uri": ([PUBLIC], [FOLLOWERS], "public", "object.to"),
    "as:Public": (["as:Public"], [], "public", "object.to"),
    "Public": (["Public"], [], "public", "object.to"),
    "a string": (PUBLIC, ABSENT, "public", "object.to"),
    "an object": ([{"id": PUBLIC}], [], "public", "object.to"),
    "quietly": ([FOLLOWERS], [PUBLIC], "unlisted", "object.cc"),
    "quietly, as a string, to absent": (ABSENT, "as:Public", "unlisted", "object.cc"),
    "followers": ([FOLLOWERS], [], "followers", "object.to"),
    "followers in cc": ([OTHER], [FOLLOWERS], "followers", "object.to"),
    "nobody's business": (ABSENT, ABSENT, None, None),
    "null is absent": (None, None, None, None),
    "direct": ([OTHER], [], "private", "object.to and object.cc name neither Public nor the followers"),
    "to oneself": ([], [], "private", "object.to and object.cc name neither Public nor the followers"),
    "followers of somebody else": ([f"{OTHER}/followers"], [], "private",
                                   "object.to and object.cc name neither Public nor the followers"),
    "nearly Public": (["https://www.w3.org/ns/activitystreams#public"], [], "private",
                      "object.to and object.cc name neither Public nor the followers"),
}  # fmt: skip


@pytest.mark.parametrize(("to", "cc", "audience", "evidence"), AUDIENCES.values(), ids=AUDIENCES)
def test_to_and_cc_say_who_may_see_it(tmp_path: Path, to: Any, cc: Any, audience: str, evidence: str) -> None:
    row = one(tmp_path, create(to=to, cc=cc))
    assert (row["audience_at"], row["audience_now"], row["audience_evidence"]) == (audience, audience, evidence)
    assert (row["kind"] == "message") == (audience == "private")


@pytest.mark.parametrize("to", [[OTHER], [], [f"{OTHER}/followers"]])
def test_a_direct_message_leaves_nothing_of_what_it_says(tmp_path: Path, to: list[str]) -> None:
    tag = [{"type": "Mention", "href": OTHER, "name": "@anna@far.example"}]
    attachment = [{"type": "Document", "url": "https://m.example/secret.png", "name": "secret"}]
    said = create(to=to, cc=[], content="secret", summary="secret", tag=tag, attachment=attachment)
    reading = read(tmp_path, said)
    row = reading.by_id(uri(1))
    assert (row["text"], row["parts"], row["kind"]) == (None, [], "message")
    assert "secret" not in str(reading.rows)
    assert row["parties"] == [{"subject": address, "role": "recipient"} for address in to]
    assert outcomes(reading, tmp_path)[uri(1)] == ("refuse", "floor.direct_message")


def test_the_narrower_of_object_and_activity_counts(tmp_path: Path) -> None:
    sent_to_followers = {**create(1), "to": [FOLLOWERS], "cc": []}
    sent_to_all = {**create(2, to=[FOLLOWERS], cc=[]), "to": [PUBLIC]}
    only_activity = {**create(3, to=..., cc=...), "to": PUBLIC}
    reading = read(tmp_path, sent_to_followers, sent_to_all, only_activity)
    found = {row["record_id"]: (row["audience_at"], row["audience_evidence"]) for row in reading.rows}
    assert found[uri(1)] == ("followers", "activity.to")
    assert found[uri(2)] == ("followers", "object.to")
    assert found[uri(3)] == ("public", "activity.to")


def test_nobody_widens_what_another_wrote(tmp_path: Path) -> None:
    row = one(tmp_path, {**create(attributedTo=OTHER), "actor": ME})
    assert (row["subject"], row["audience_at"]) == (OTHER, None)


def test_a_mastodon_outbox_with_the_proportions_of_a_real_one(tmp_path: Path) -> None:
    """Lesson 3: of 216 activities 26 were direct and 1 for followers, and only to and cc told."""
    items = [create(n, to=[OTHER], cc=[]) for n in range(26)] + [create(26, to=[FOLLOWERS], cc=[])]
    items += [create(n) for n in range(27, 150)] + [boost(n) for n in range(150, 216)]
    random.Random(3).shuffle(items)
    reading = read(tmp_path, *items)
    found = Counter((row["kind"], row["audience_at"]) for row in reading.rows)
    assert found == {
        ("message", "private"): 26, ("post", "followers"): 1, ("post", "public"): 123, ("repost", "public"): 66,
        ("profile", None): 1,
    }  # fmt: skip
    assert {row["text"] for row in reading.rows if row["kind"] == "message"} == {None}


def test_what_becomes_of_an_outbox(tmp_path: Path) -> None:
    items = [
        create(1, to=[OTHER], cc=[]),
        create(2, to=[FOLLOWERS], cc=[]),
        create(3),
        boost(4),
        create(5, to=..., cc=...),
    ]
    assert outcomes(read(tmp_path, *items), tmp_path) == {
        uri(1): ("refuse", "floor.direct_message"), uri(2): ("refuse", "vis.followers_only"),
        uri(3): ("permit", "allow.policy_clause"), f"{uri(4)}/activity": ("hold", "life.state_unknown"),
        uri(5): ("hold", "vis.audience_unknown"), ME: ("hold", "vis.audience_unknown"),
    }  # fmt: skip


# --- rows of every kind ----------------------------------------------------------------------------------------


def test_ordered_items_may_stand_twice(tmp_path: Path) -> None:
    first, second = json.dumps([create(1)]), json.dumps([create(2)])
    twice = f'{{"type": "OrderedCollection", "orderedItems": {first}, "orderedItems": {second}}}'
    reading = exports.read(tmp_path, "activitypub", {"outbox.json": twice, "actor.json": json.dumps(ACTOR)})
    assert {row["record_id"] for row in reading.rows} == {uri(1), uri(2), ME}


def test_another_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="twice"):
        exports.read(tmp_path, "activitypub", {"n.json": '{"type": "Note", "to": ["a"], "to": ["b"]}'})


def test_a_boost_is_an_edge_to_words_of_somebody_else(tmp_path: Path) -> None:
    row = one(tmp_path, boost())
    assert (row["kind"], row["subject"], row["text"], row["parts"]) == ("repost", ME, "", [])
    assert row["quoted_id"] == f"{OTHER}/statuses/7"
    assert row["parties"] == [{"subject": None, "role": "quoted_author"}]


def test_a_boost_that_holds_the_original_is_as_narrow_as_that(tmp_path: Path) -> None:
    inner = note(9, attributedTo=OTHER, id=f"{OTHER}/9", to=[f"{OTHER}/followers"], cc=[])
    row = one(tmp_path, boost(1, inner))
    assert (row["quoted_id"], row["audience_at"]) == (f"{OTHER}/9", "followers")
    assert row["parties"] == [{"subject": OTHER, "role": "quoted_author"}]
    assert "word" not in str(row)


def test_a_group_announces_a_create(tmp_path: Path) -> None:
    inner = {
        "type": "Create",
        "id": f"{OTHER}/c",
        "actor": OTHER,
        "object": note(9, attributedTo=OTHER, id=f"{OTHER}/9"),
    }
    row = one(tmp_path, boost(1, inner))
    assert (row["quoted_id"], row["parties"][0]["subject"]) == (f"{OTHER}/9", OTHER)


def test_likes_and_bookmarks_are_only_addresses(tmp_path: Path) -> None:
    held = {"type": "OrderedCollection", "orderedItems": [f"{OTHER}/1", f"{OTHER}/2"]}
    files = {"actor.json": json.dumps(ACTOR), "likes.json": json.dumps(held), "bookmarks.json": json.dumps(held)}
    reading = exports.read(tmp_path, "activitypub", files)
    marked = [row for row in reading.rows if row["kind"] == "like"]
    assert [row["subject"] for row in marked] == [ME] * 4
    assert len({row["record_id"] for row in marked}) == 4
    assert {row["categories"][0] for row in marked} == {"user.behavior"}
    found = outcomes(reading, tmp_path)
    assert {found[row["record_id"]] for row in marked} == {("refuse", "cat.interaction_private_context")}


def test_deeds_hold_no_words(tmp_path: Path) -> None:
    kinds = {"Like": "like", "EmojiReact": "like", "Follow": "follow", "Block": "telemetry", "Flag": "telemetry"}
    items = [
        {"id": f"{ME}#{n}", "type": kind, "actor": ME, "object": OTHER, "content": "words"}
        for n, kind in enumerate(kinds)
    ]
    reading = read(tmp_path, *items)
    assert [row["kind"] for row in reading.rows if row["record_id"] != ME] == list(kinds.values())
    assert "words" not in str(reading.rows)
    assert not released(reading, tmp_path)


def test_a_profile_is_a_record_of_unknown_audience(tmp_path: Path) -> None:
    row = read(tmp_path).by_id(ME)
    assert (row["kind"], row["subject"], row["text"], row["audience_at"]) == ("profile", ME, "I write things", None)
    assert row["collected_at"] is None


def test_a_vote_is_a_vote(tmp_path: Path) -> None:
    row = one(tmp_path, create(content=None, contentMap=None, name="yes", inReplyTo=f"{OTHER}/1", to=[OTHER], cc=[]))
    assert (row["kind"], row["text"], row["categories"]) == ("vote", None, ["user.behavior"])


def test_a_poll_an_article_and_a_film(tmp_path: Path) -> None:
    poll = create(1, type="Question", oneOf=[{"type": "Note", "name": "red"}, {"type": "Note", "name": "blue"}])
    article = create(2, type="Article", name="Title", summary="in <b>short</b>")
    film = create(
        3, type="Video", mediaType="text/markdown", content="*see* <this>", url=[{"href": "https://m.example/v"}]
    )
    reading = read(tmp_path, poll, article, film)
    found = {row["record_id"]: (row["kind"], [(p["kind"], p["content"]) for p in row["parts"]]) for row in reading.rows}
    assert found[uri(1)] == ("post", [("field", "red"), ("field", "blue")])
    assert found[uri(2)] == ("article", [("field", "Title"), ("field", "in short")])
    assert found[uri(3)] == ("media", [("media", "https://m.example/v")])
    assert reading.by_id(uri(3))["text"] == "*see* <this>"


def test_a_content_warning_is_a_field_beside_the_text(tmp_path: Path) -> None:
    row = one(tmp_path, create(summary="food"))
    assert (row["text"], [(p["kind"], p["place"], p["content"]) for p in row["parts"]]) == (
        "word 1",
        [("field", "field", "food")],
    )


def test_the_language_is_that_of_the_content(tmp_path: Path) -> None:
    several = {"en": "<p>other</p>", "de": "<p>word 2</p>"}
    items = [
        create(1, content=None, contentMap={"fr": "<p>mot</p>"}),
        create(2, contentMap=several),
        create(3, contentMap=None),
    ]
    reading = read(tmp_path, *items)
    found = {row["record_id"]: (row["text"], row["language"]) for row in reading.rows}
    assert (found[uri(1)], found[uri(2)], found[uri(3)]) == (("mot", "fr"), ("word 2", "de"), ("word 3", None))


def test_answers_and_their_parents(tmp_path: Path) -> None:
    row = one(tmp_path, create(inReplyTo={"id": f"{OTHER}/1"}))
    assert (row["kind"], row["parent_id"]) == ("reply", f"{OTHER}/1")


def test_a_type_nobody_knows_says_nothing(tmp_path: Path) -> None:
    row = one(tmp_path, {"id": f"{ME}/x", "type": "Chirp", "actor": ME, "to": [PUBLIC], "content": "words"})
    assert {row[name] for name in ("kind", "text", "audience_at", "lifecycle", "parts", "categories")} == {None}


# --- parts -----------------------------------------------------------------------------------------------------


def parts_of(row: dict[str, Any]) -> list[tuple[str, str | None, list[str | None]]]:
    """Kind, the words it stands in, and the people."""
    return [
        (
            p["kind"],
            row["text"][p["start"] : p["end"]] if p["place"] == "span" else None,
            [q["subject"] for q in p["parties"]],
        )
        for p in row["parts"]
    ]


def test_mentions_stand_where_their_links_stand(tmp_path: Path) -> None:
    """The tag names the account, the link its profile page: two addresses, told together by name and server."""
    html = (
        '<p>\U0001f600 &amp; <span class="h-card"><a href="https://far.example/@anna" class="u-url mention">@<span>anna</span>'
        '</a></span> <a href="https://else.example/@anna" class="u-url mention">@<span>anna</span></a> '
        '<a href="https://m.example/tags/x" class="mention hashtag">#<span>x</span></a></p>'
    )
    tag = [
        {"type": "Mention", "href": OTHER, "name": "@anna@far.example"}, {"type": "Hashtag", "name": "#x"},
        {"type": "Mention", "href": "https://far.example/users/bo", "name": "@bo@far.example"},
        {"type": "Emoji", "name": ":blob:"},
    ]  # fmt: skip
    reading = read(tmp_path, create(content=html, contentMap=None, tag=tag))
    row = reading.by_id(uri(1))
    assert row["text"] == "\U0001f600 & @anna @anna #x"
    assert parts_of(row) == [
        ("mention", "@anna", [OTHER]), ("mention", "@anna", [None]), ("mention", None, ["https://far.example/users/bo"]),
    ]  # fmt: skip
    assert outcomes(reading, tmp_path)[uri(1)][0] == "redact"


def test_a_mention_without_a_link_is_found_by_its_name(tmp_path: Path) -> None:
    tag = [{"type": "Mention", "href": OTHER, "name": "@anna@far.example"}]
    text = "so @Anna@far.example and mail@anna"
    row = one(tmp_path, create(content=text, contentMap=None, tag=tag))
    assert parts_of(row) == [("mention", "@Anna@far.example", [OTHER])]


def test_pictures_may_show_anybody(tmp_path: Path) -> None:
    attachment = [{"type": "Document", "mediaType": "image/png", "url": "https://m.example/1.png", "name": "my family"}]
    row = one(tmp_path, create(attachment=attachment))
    [part] = row["parts"]
    assert (part["kind"], part["labels"], part["content"]) == (
        "media",
        ["unidentified_person"],
        "https://m.example/1.png",
    )
    assert "family" not in str(row)


def test_a_link_is_a_card_and_places_are_places(tmp_path: Path) -> None:
    attachment = {"type": "Link", "href": "https://news.example/1"}
    location = [{"type": "Place", "name": "Oslo"}, {"type": "Place", "latitude": 1.5, "longitude": 2}]
    row = one(tmp_path, create(attachment=attachment, location=location))
    assert [(p["kind"], p["content"], p["categories"][0]) for p in row["parts"]] == [
        ("card", "https://news.example/1", "user.content.public"), ("geotag", "Oslo", "user.location.imprecise"),
        ("geotag", "1.5,2", "user.location.precise"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"tag": [{"type": "Face"}]}, {"tag": [3]}, {"attachment": [{"type": "Thing"}]}, {"summary": 4}, {"image": [[]]}],
)
def test_a_part_that_cannot_be_read_makes_them_unknown(tmp_path: Path, change: dict[str, Any]) -> None:
    reading = read(tmp_path, create(**change))
    assert reading.by_id(uri(1))["parts"] is None
    assert outcomes(reading, tmp_path)[uri(1)] == ("hold", "integrity.schema_unknown")


THERE = f"{OTHER}/statuses/5"
FALLBACK = f'<p class="quote-inline">RE: <a href="{THERE}">{THERE}</a></p><p>mine</p>'
QUOTES: dict[str, dict[str, Any]] = {
    "quoteUri": {"quoteUri": THERE},
    "quoteUrl": {"quoteUrl": THERE},
    "misskey": {"_misskey_quote": THERE},
    "all of them": {"quoteUri": THERE, "quoteUrl": THERE, "_misskey_quote": THERE},
    "FEP-e232": {"tag": [{"type": "Link", "mediaType": "application/activity+json", "href": THERE}]},
    "FEP-044f": {"quote": THERE, "quoteAuthorization": f"{OTHER}/stamp"},
}


@pytest.mark.parametrize("said", QUOTES.values(), ids=QUOTES)
def test_quotes_in_every_dialect(tmp_path: Path, said: dict[str, Any]) -> None:
    row = one(tmp_path, create(content=FALLBACK, contentMap=None, **said))
    assert (row["kind"], row["quoted_id"]) == ("quote", THERE)
    assert parts_of(row) == [("quote", f"RE: {THERE}", [None])]
    assert (row["parts"][0]["labels"], row["parts"][0]["source_state"]) == ([], None)


def test_a_quote_nobody_allowed_is_not_known_to_be_allowed(tmp_path: Path) -> None:
    row = one(tmp_path, create(quote=THERE))
    assert row["parts"][0]["labels"] is None


def test_a_nul_or_a_sign_of_any_plane_is_just_text(tmp_path: Path) -> None:
    tag = [{"type": "Mention", "href": OTHER, "name": "@anna@far.example"}]
    said = create(content="a\0b \U0001f600 \u2028 @anna", contentMap=None, tag=tag)
    reading = read(tmp_path, said)
    assert parts_of(reading.by_id(uri(1))) == [("mention", "@anna", [OTHER])]
    assert outcomes(reading, tmp_path)[uri(1)][0] == "redact"


def test_several_quotes_are_none_that_can_be_looked_up(tmp_path: Path) -> None:
    row = one(tmp_path, create(quoteUri=THERE, quoteUrl=f"{OTHER}/other"))
    assert (row["quoted_id"], parts_of(row)) == (None, [("quote", None, [None])])


# --- edits, deletions, undoing ---------------------------------------------------------------------------------


def test_an_edit_supersedes_and_only_that_post(tmp_path: Path) -> None:
    edit = create(1, "Update", content="<p>better</p>", contentMap=None, updated="2022-11-25T00:00:00Z")
    reading = read(tmp_path, create(1), create(2), edit)
    rows = {row["text"]: row for row in reading.rows}
    assert rows["better"]["revision"] > rows["word 1"]["revision"] == 0
    assert rows["better"]["collected_at"] is None  # the id says when the first words came, not these
    assert {row["record_id"] for row in reading.rows} == {uri(1), uri(2), ME}


def test_an_edit_without_a_time_leaves_nobody_sure(tmp_path: Path) -> None:
    edit = {**create(1, "Update", content="better", contentMap=None), "published": None}
    assert released(read(tmp_path, create(1), create(2), edit), tmp_path) == {uri(2)}


DELETES: dict[str, dict[str, Any]] = {
    "by address": {"id": f"{uri(1)}#delete", "type": "Delete", "actor": ME, "object": uri(1)},
    "with a tombstone": {
        "id": f"{uri(1)}#delete",
        "type": "Delete",
        "actor": ME,
        "object": {"id": uri(1), "type": "Tombstone"},
    },
    "a tombstone": {"id": uri(1), "type": "Tombstone", "formerType": "Note"},
}


@pytest.mark.parametrize("delete", DELETES.values(), ids=DELETES)
def test_a_deletion_takes_that_post_and_no_edit_brings_it_back(tmp_path: Path, delete: dict[str, Any]) -> None:
    late = create(1, "Update", updated="2030-01-01T00:00:00Z")
    reading = read(tmp_path, create(1), create(2), delete, late)
    found = outcomes(reading, tmp_path)
    assert found[uri(2)][0] == "permit"
    assert found[uri(1)][0] == "refuse"
    assert [row["text"] for row in reading.rows if row["lifecycle"] == "deleted"] == [None]


def test_undoing_a_boost_or_a_like_deletes_it(tmp_path: Path) -> None:
    like = {"id": f"{ME}#like", "type": "Like", "actor": ME, "object": OTHER}
    undone = [
        {"id": f"{ME}#u{n}", "type": "Undo", "actor": ME, "object": what} for n, what in enumerate((boost(1), like))
    ]
    undone.append({"id": f"{ME}#u", "type": "Undo", "actor": ME, "object": f"{ME}#some"})
    rows = [row for row in read(tmp_path, *undone).rows if row["record_id"] != ME]
    assert [(row["record_id"], row["kind"], row["lifecycle"]) for row in rows] == [
        (f"{uri(1)}/activity", "repost", "deleted"), (f"{ME}#like", "like", "deleted"), (f"{ME}#some", None, "deleted"),
    ]  # fmt: skip


def test_deleting_oneself_deletes_everything(tmp_path: Path) -> None:
    gone = {"id": f"{ME}#delete", "type": "Delete", "actor": ME, "object": ME}
    reading = read(tmp_path, create(1), create(2, attributedTo=OTHER), gone)
    found = {row["record_id"]: row["lifecycle"] for row in reading.rows if row["kind"] == "post"}
    assert found == {uri(1): "deleted", uri(2): "published"}


def told(reading: exports.Reading) -> list[tuple[str, str, str | None]]:
    """What the activities of an outbox say happened, each as type, account and record."""
    if reading.staged.told is None:
        return []
    return [(row["type"], row["subject"], row["value"]) for row in pq.read_table(reading.staged.told).to_pylist()]


SAYING: dict[str, tuple[dict[str, Any], list[tuple[str, str, str | None]]]] = {
    "deleted": ({"type": "Delete", "object": uri(1)}, [("record_deleted", ME, uri(1))]),
    "a tombstone": (
        {"type": "Delete", "object": {"type": "Tombstone", "id": uri(1)}},
        [("record_deleted", ME, uri(1))],
    ),
    "edited": ({"type": "Update", "object": note(updated=PUBLISHED)}, [("record_edited", ME, uri(1))]),
    "not boosted": ({"type": "Undo", "object": boost(1)}, [("record_deleted", ME, f"{uri(1)}/activity")]),
    "back": (
        {"type": "Undo", "object": {"id": f"{ME}#d", "type": "Delete", "object": uri(1)}},
        [("record_restored", ME, uri(1))],
    ),
    "gone": ({"type": "Delete", "object": ME}, [("deleted", ME, None)]),
    "gone, nobody knows when": ({"type": "Delete", "object": ME, "published": "soon"}, [("deleted", ME, None)]),
    "suspended": ({"type": "Update", "object": {**ACTOR, "suspended": True}}, [("suspended", ME, None)]),
    "another profile": ({"type": "Update", "object": ACTOR}, []),
    "somebody else's": ({"type": "Delete", "object": f"{OTHER}/statuses/1"}, []),
    "made": (create(), []),
}  # fmt: skip


@pytest.mark.parametrize("name", SAYING)
def test_an_outbox_says_what_a_stream_says(tmp_path: Path, name: str) -> None:
    """Whoever vouches for it can import it, for releases that stand and for other sources; nobody's words are in it."""
    activity, expected = SAYING[name]
    activity = {"id": f"{ME}#activity", "actor": {"id": ME, "summary": "a secret word"}, **activity}
    reading = read(tmp_path, activity)
    assert told(reading) == expected
    if expected:
        assert reading.staged.told is not None
        [event] = told_events(reading.staged.told)
        assert not re.search("word|things|secret|Mo", event.replace(ME, ""))
        again = () if "nobody knows" in name else compliance.read("activitypub", json.loads(event)).told
        assert [(one.type, one.subject, one.value) for one in again] in (expected, [])


def test_an_activity_that_is_kept_whole_is_the_same_event_in_a_stream(tmp_path: Path) -> None:
    activity = {"id": f"{ME}#delete", "type": "Delete", "actor": ME, "to": [PUBLIC], "object": uri(1)}
    reading = read(tmp_path, activity)
    assert reading.staged.told is not None
    [event] = told_events(reading.staged.told)
    assert compliance.digest(json.loads(event)) == compliance.digest(activity)


def test_an_activity_that_holds_things_in_things_without_end_is_no_crash(tmp_path: Path) -> None:
    thing: Any = uri(1)
    for _ in range(700):
        thing = {"id": uri(1), "type": "Tombstone", "object": thing}
    deep = {"id": f"{ME}#delete", "type": "Delete", "actor": ME, "object": thing}
    reading = read(tmp_path, create(2), deep)
    assert told(reading) == [("record_deleted", ME, uri(1))]
    assert reading.staged.told is not None
    [event] = told_events(reading.staged.told)
    assert len(event) < 1_000


@pytest.mark.parametrize("said", [
    {"type": "Delete", "object": ME}, {"type": "Update", "object": {**ACTOR, "suspended": True}},
], ids=["deleted", "suspended"])  # fmt: skip
def test_what_happened_to_an_account_reaches_all_of_its_records_and_its_words_elsewhere(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    happened = {"id": f"{ME}#activity", "actor": ME, **said}
    quoting = create(3, attributedTo=OTHER, quoteUri=uri(1))
    reading = read(tmp_path, create(1), create(2, attributedTo=OTHER), quoting, happened, wishes="elsewhere")
    related = relate([reading.staged], tmp_path, Engine(threads=1))
    assert related.overheard == {"export": Overheard(closes=1, lifts=0)}
    owing = {row["record_id"]: row for path in related.owing for row in pq.read_table(path).to_pylist()}
    assert owing[uri(1)]["lifecycle"] == {"Delete": "deleted", "Update": "removed"}[said["type"]]
    assert [part["source_state"] for part in owing[uri(3)]["parts"] if part["kind"] == "quote"] == ["deleted"]
    decided = outcomes(reading, tmp_path)
    why = {"Delete": "life.deleted_by_author", "Update": "life.moderated_removed"}[said["type"]]
    assert decided[uri(1)] == ("refuse", why)
    assert not decided[uri(2)][1].startswith("life.")


# --- wishes, accounts, times -----------------------------------------------------------------------------------

REFUSALS: dict[str, dict[str, Any]] = {
    "indexable": {"indexable": False},
    "noindex": {"noindex": True},
    "discoverable": {"discoverable": False},
    "searchableBy": {"searchableBy": [FOLLOWERS]},
}


@pytest.mark.parametrize("said", REFUSALS.values(), ids=REFUSALS)
def test_an_account_that_asks_not_to_be_indexed_is_left_out(tmp_path: Path, said: dict[str, Any]) -> None:
    reading = exports.read(tmp_path, "activitypub", archive(create(), actor={**ACTOR, **said}))
    assert reading.by_id(uri(1))["signals"] == [{"code": "signal.indexable_false", "purpose": None}]
    assert not released(reading, tmp_path)


@pytest.mark.parametrize(
    ("actor", "wishes", "signals"),
    [
        ("says nothing", "actor", []), ("says nothing", "strict", ["signal.indexable_false"]), ("says nothing", "elsewhere", []),
        ("is not here", "actor", None), ("is not here", "strict", ["signal.indexable_false"]), ("is not here", "elsewhere", []),
        ("agrees", "strict", []),
    ],
)  # fmt: skip
def test_what_is_made_of_a_wish_nobody_stated(
    tmp_path: Path, actor: str, wishes: str, signals: list[str] | None
) -> None:
    silent = {name: value for name, value in ACTOR.items() if name != "indexable"}
    documents = {"says nothing": silent, "agrees": ACTOR, "is not here": None}
    reading = exports.read(tmp_path, "activitypub", archive(create(), actor=documents[actor]), wishes=wishes)
    found = reading.by_id(uri(1))["signals"]
    assert (None if found is None else [signal["code"] for signal in found]) == signals


def test_taking_the_actor_away_opens_nothing(tmp_path: Path) -> None:
    files = archive(create(), actor={**ACTOR, "indexable": False})
    del files["actor.json"]
    assert not released(exports.read(tmp_path, "activitypub", files), tmp_path)


def test_of_two_documents_of_one_account_a_no_stays_a_no(tmp_path: Path) -> None:
    files = {**archive(create()), "other.json": json.dumps({**ACTOR, "indexable": False})}
    assert exports.read(tmp_path, "activitypub", files).by_id(uri(1))["signals"] != []


def test_a_wish_behind_escaped_letters_is_found(tmp_path: Path) -> None:
    actor = json.dumps({**ACTOR, "indexable": False}).replace('"Person"', '"\\u0050erson"')
    files = {"outbox.json": outbox(create()), "me.json": actor}
    assert exports.read(tmp_path, "activitypub", files).by_id(uri(1))["signals"]


def test_a_suspended_account_has_nothing_to_give(tmp_path: Path) -> None:
    reading = exports.read(tmp_path, "activitypub", archive(create(), actor={**ACTOR, "suspended": True}))
    assert reading.by_id(uri(1))["lifecycle"] == "removed"


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        ({}, {"server": "else.example"}),  # another server's ids are another server's word
        ({}, {"server": None}),
        ({"id": f"{ME}/statuses/12345"}, {}),  # a counter from before ids held the time
        ({"published": "2019-01-01T00:00:00Z"}, {}),  # the id says something else
        ({"published": "2022-11-24T17:38:43"}, {}),  # no zone
        ({"id": f"{HOST}/notes/9abc"}, {}),
        ({"updated": "2022-12-01T00:00:00Z"}, {}),
    ],
)
def test_only_an_id_of_this_server_says_when_it_was_collected(
    tmp_path: Path, change: dict[str, Any], settings: dict[str, Any]
) -> None:
    files = archive(create(**change))
    told = {"server": "m.example", **settings}
    reading = exports.read(tmp_path, "activitypub", files, **{name: value for name, value in told.items() if value})
    [row] = [row for row in reading.rows if row["kind"] == "post"]
    assert (row["collected_at"], row["collected_evidence"]) == (None, None)


def test_what_came_by_federation_is_not_first_party(tmp_path: Path) -> None:
    reading = read(tmp_path, create(1), create(2, attributedTo=OTHER))
    found = {row["record_id"]: row["origin"] for row in reading.rows}
    assert (found[uri(1)], found[uri(2)]) == ("first_party", "federated")


def test_settings_are_checked(tmp_path: Path) -> None:
    for wrong in ({"server": 3}, {"wishes": "none"}):
        with pytest.raises(SourceError):
            exports.read(tmp_path, "activitypub", archive(), **wrong)


# --- statuses of the API ---------------------------------------------------------------------------------------


def status(number: int = 1, **changes: Any) -> dict[str, Any]:
    id = str(NUMBER + number * 4_321)
    account = {
        "id": "109302000000000007", "acct": "mo", "username": "mo", "locked": False, "bot": False, "indexable": True,
        "url": f"{HOST}/@mo", "uri": ME,
    }  # fmt: skip
    said = {
        "id": id, "created_at": "2022-11-24T17:38:43.000Z", "in_reply_to_id": None, "visibility": "public", "language": "en",
        "spoiler_text": "", "uri": f"{ME}/statuses/{id}", "content": f"<p>word {number}</p>", "edited_at": None, "reblog": None,
        "account": account, "media_attachments": [], "mentions": [], "tags": [], "emojis": [], "card": None, "poll": None,
        "quote": None,
    }  # fmt: skip
    return {name: value for name, value in {**said, **changes}.items() if value is not ...}


def of_api(folder: Path, *items: Any, **settings: Any) -> exports.Reading:
    return exports.read(
        folder, "activitypub", {"timeline.json": json.dumps(items)}, **{"server": "m.example", **settings}
    )


def test_a_status_column_by_column(tmp_path: Path) -> None:
    [row] = of_api(tmp_path, status()).rows
    assert row == {
        "ordinal": 0, "record_id": str(NUMBER + 4_321), "source": "export", "kind": "post", "subject": "109302000000000007",
        "language": "en", "created_at": datetime(2022, 11, 24, 17, 38, 43), "collected_at": row["collected_at"],  # noqa: DTZ001
        "collected_evidence": "id (Mastodon snowflake)", "audience_evidence": "status.visibility", "origin": "first_party",
        "licence": None, "upstream": None, "lifecycle": "published", "integrity": "none", "text": "word 1",
        "categories": ["user.content.public"], "labels": [], "audience_at": "public", "audience_now": "public",
        "parties": [], "signals": [], "revision_of": None, "revision": 0, "parent_id": None, "quoted_id": None,
        "derived_from": None, "content_sha256": None, "parts": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "audience"),
    [
        ({}, "public"), ({"visibility": "unlisted"}, "unlisted"), ({"visibility": "private"}, "followers"),
        ({"visibility": "limited"}, "circle"), ({"visibility": "direct"}, "private"), ({"visibility": "local"}, None),
        ({"visibility": ...}, None), ({"visibility": 3}, None), ({"local_only": True}, "logged_in"),
        ({"local_only": True, "visibility": "private"}, "followers"), ({"local_only": False}, "public"),
    ],
)  # fmt: skip
def test_visibility_says_who_may_see_a_status(tmp_path: Path, change: dict[str, Any], audience: str | None) -> None:
    [row] = of_api(tmp_path, status(**change)).rows
    assert (row["audience_at"], row["audience_now"]) == (audience, audience)
    assert (row["kind"] == "message", row["text"] is None) == (audience == "private", audience == "private")


def test_single_statuses_lists_lines_threads_and_searches(tmp_path: Path) -> None:
    files = {
        "one.json": json.dumps(status(1)), "list.json": json.dumps([status(2), status(3)]),
        "lines.jsonl": f"{json.dumps(status(4))}\r\n\r\nnot json\n{json.dumps(status(5))}\n",
        "thread.json": json.dumps({"ancestors": [status(6)], "descendants": []}),
        "search.json": json.dumps({"accounts": [], "hashtags": [], "statuses": [status(7)]}),
    }  # fmt: skip
    reading = exports.read(tmp_path, "activitypub", files, ids_verified=True)
    assert {row["text"] for row in reading.rows} == {f"word {n}" for n in range(1, 8)}
    assert [(row["file"], row["row"], row["reason"]) for row in reading.quarantine] == [
        ("lines.jsonl", 1, "the text is no JSON")
    ]


def test_boosts_messages_and_deleted_statuses(tmp_path: Path) -> None:
    far = status(9, account={"id": "7", "acct": "anna@far.example"}, id="777")
    people = [{"id": "7", "acct": "anna@far.example", "url": "https://far.example/@anna"}]
    items = [
        status(1, reblog=far, content="<p>word 9</p>"), status(2, visibility="direct", mentions=people),
        status(3, content=..., text="what I had written"), status(4, reblog={**far, "visibility": "private"}),
    ]  # fmt: skip
    rows = of_api(tmp_path, *items).rows
    assert [(row["kind"], row["lifecycle"], row["text"], row["audience_at"]) for row in rows] == [
        ("repost", "published", "", "public"), ("message", "published", None, "private"), (None, "deleted", None, None),
        ("repost", "published", "", "followers"),
    ]  # fmt: skip
    assert (rows[0]["quoted_id"], rows[0]["parties"]) == ("777", [{"subject": "7", "role": "quoted_author"}])
    assert rows[1]["parties"] == [{"subject": "7", "role": "recipient"}]
    assert "written" not in str(rows)


def test_everything_that_hangs_on_a_status(tmp_path: Path) -> None:
    html = '<p><a href="https://far.example/@anna" class="u-url mention">@<span>anna</span></a> look</p>'
    row = of_api(
        tmp_path,
        status(
            content=html, mentions=[{"id": "7", "acct": "anna@far.example", "url": "https://far.example/@anna"}],
            media_attachments=[{"id": "1", "type": "image", "url": "https://m.example/1.png", "description": "my family"}],
            card={"url": "https://news.example/1", "title": "words of others"}, spoiler_text="food",
            poll={"options": [{"title": "red", "votes_count": 3}, {"title": "blue"}]}, in_reply_to_id="5",
        ),
    ).rows[0]  # fmt: skip
    assert (row["kind"], row["parent_id"]) == ("reply", "5")
    assert parts_of(row)[0] == ("mention", "@anna", ["7"])
    assert [(p["kind"], p["content"]) for p in row["parts"][1:]] == [
        ("media", "https://m.example/1.png"), ("card", "https://news.example/1"), ("field", "food"), ("field", "red"),
        ("field", "blue"),
    ]  # fmt: skip
    assert "others" not in str(row)


@pytest.mark.parametrize(
    ("state", "labels", "source_state"),
    [
        ("accepted", [], None), ("revoked", ["quote_authorisation_revoked"], None),
        ("rejected", ["quote_authorisation_revoked"], None), ("pending", None, None), ("deleted", None, "deleted"),
    ],
)  # fmt: skip
def test_a_quote_stands_while_its_author_lets_it(
    tmp_path: Path, state: str, labels: Any, source_state: str | None
) -> None:
    quote = {"state": state, "quoted_status": {"id": "777", "account": {"id": "7"}} if state == "accepted" else None}
    [row] = of_api(tmp_path, status(quote=quote)).rows
    [part] = row["parts"]
    assert (row["kind"], row["quoted_id"]) == ("quote", "777" if state == "accepted" else None)
    assert (part["labels"], part["source_state"]) == (labels, source_state)


@pytest.mark.parametrize("lacking", ["mentions", "media_attachments"])
def test_a_list_the_api_always_gives_is_unknown_where_it_lacks(tmp_path: Path, lacking: str) -> None:
    [row] = of_api(tmp_path, status(**{lacking: ...})).rows
    assert row["parts"] is None


def test_who_wrote_a_status_where_and_what_they_wish(tmp_path: Path) -> None:
    account = status()["account"]
    far, shy = {**account, "acct": "anna@far.example"}, {**account, "indexable": False}
    rows = of_api(tmp_path, status(1, account=far), status(2, account=shy), status(3, account=None), status(4)).rows
    assert [row["origin"] for row in rows] == ["federated", "first_party", "federated", "first_party"]
    assert rows[0]["collected_at"] is None  # an id given to another server's post repeats what that server claims
    assert [bool(row["signals"]) for row in rows] == [False, True, False, False]
    assert rows[2]["subject"] is None


def test_an_edited_status_is_newer_and_received_nobody_knows_when(tmp_path: Path) -> None:
    reading = of_api(tmp_path, status(1), status(1, content="<p>new</p>", edited_at="2022-12-01T00:00:00Z"), status(2))
    newest = next(row for row in reading.rows if row["text"] == "new")
    assert newest["revision"] > 0
    assert newest["collected_at"] is None


def test_a_number_that_may_have_been_rounded_is_no_id(tmp_path: Path) -> None:
    reading = of_api(tmp_path, {**status(), "id": NUMBER})
    assert not reading.rows
    assert "2^53" in reading.quarantine[0]["reason"]


# --- files -----------------------------------------------------------------------------------------------------


def test_files_are_decided_by_their_names(tmp_path: Path) -> None:
    files = {
        **archive(create()), "avatar.png": "x", "media_attachments/files/1/a.json": "[]", "following_accounts.csv": "x",
        "followers.json": "[]", "conversations.json": "[]", "readme.txt": "x", "outbox.dat": outbox(create(2)),
        "._outbox.json": "x",
    }  # fmt: skip
    reading = exports.read(tmp_path, "activitypub", files)
    assert {name for name, why in reading.refused.items() if not why} == {"readme.txt", "outbox.dat", "._outbox.json"}
    assert len(reading.refused) == 8
    with pytest.raises(SourceError, match="not known"):
        exports.read(tmp_path / "strict", "activitypub", files, strict_files=True)


@pytest.mark.parametrize("name", ["outbox.json", "actor.json", "likes.json", "note.jsonld"])
@pytest.mark.parametrize("damage", ["trailing comma", "cut", "bytes", "nan"])
def test_a_damaged_file_is_refused_and_never_half_read(tmp_path: Path, name: str, damage: str) -> None:
    good = outbox(create(1), create(2)).encode()
    broken = {
        "trailing comma": good.replace(b"}]}", b"},]}"), "cut": good[:-5], "bytes": good + b"\xff\xfe",
        "nan": good.replace(b'"totalItems": 2', b'"totalItems": NaN'),
    }[damage]  # fmt: skip
    with pytest.raises(SourceError) as caught:
        exports.read(tmp_path, "activitypub", {**archive(create(3)), name: broken})
    assert name in str(caught.value)
    assert "word" not in str(caught.value)
    assert not list((tmp_path / "staged").glob("part-*"))


FAULTS: dict[str, Any] = {
    "no object": 3,
    "only its address": f"{OTHER}/1",
    "create of an address": {"id": "x", "type": "Create", "actor": ME, "object": uri(1)},
    "create of two": {"id": "x", "type": "Create", "actor": ME, "object": [note(1), note(2)]},
    "no id": create(id=...),
    "no type": {"id": "x", "content": "private words"},
    "content of another kind": create(content=["private words"]),
    "halves of characters": create(content="private words \ud800"),
    "an id that is a number": create(id=NUMBER),
    "a collection elsewhere": {"id": "x", "type": "OrderedCollection", "first": "https://m.example/outbox?page=1"},
    "html nobody can read": create(content="private words <![ x"),
}


@pytest.mark.parametrize("item", FAULTS.values(), ids=FAULTS)
def test_a_malformed_row_goes_to_quarantine_by_itself(tmp_path: Path, item: Any) -> None:
    reading = read(tmp_path, create(7), item, create(8))
    assert {row["text"] for row in reading.rows if row["kind"] == "post"} == {"word 7", "word 8"}
    [fault] = reading.quarantine
    assert (fault["file"], fault["row"]) == ("outbox.json", 1)
    assert "private" not in fault["reason"]


def test_collections_lie_in_collections_but_not_forever(tmp_path: Path) -> None:
    page = {"type": "OrderedCollectionPage", "orderedItems": [create(2)]}
    nested: Any = create(3)
    for _ in range(30):
        nested = [nested]
    files = {
        "a.json": json.dumps({"type": "Collection", "items": create(1), "first": page}),
        "b.json": json.dumps(nested),
    }
    reading = exports.read(tmp_path, "activitypub", files)
    assert {row["text"] for row in reading.rows} == {"word 1", "word 2"}
    assert len(reading.quarantine) == 1


# --- metamorphic -----------------------------------------------------------------------------------------------


def world() -> list[dict[str, Any]]:
    mention = {"tag": [{"type": "Mention", "href": OTHER, "name": "@anna@far.example"}], "content": "<p>@anna hi</p>"}
    return [
        create(1), create(2, summary="food"), create(3, **mention), create(4, to=[FOLLOWERS], cc=[]),
        create(5, to=[OTHER], cc=[]), boost(6), create(7, inReplyTo=uri(1)), create(8, to=[FOLLOWERS], cc=[PUBLIC]),
    ]  # fmt: skip


def test_narrowing_a_public_post_takes_it_out_and_nothing_else(tmp_path: Path) -> None:
    before = released(read(tmp_path / "before", *world()), tmp_path / "before")
    assert before == {uri(1), uri(2), uri(3), uri(7)}
    for level in ("object", "activity"):
        items = world()
        holder = items[0]["object"] if level == "object" else items[0]
        holder["to"], holder["cc"] = [FOLLOWERS], []
        assert released(read(tmp_path / level, *items), tmp_path / level) == before - {uri(1)}


def test_protecting_the_account_takes_all_its_posts_out(tmp_path: Path) -> None:
    reading = read(tmp_path, *world())
    assert not released(reading, tmp_path, facts={ME: {"protected": True}})


@pytest.mark.parametrize("more", ["delete", "edit"])
def test_a_delete_or_an_edit_changes_that_id_only(tmp_path: Path, more: str) -> None:
    appended = {
        "delete": {"id": "urn:x", "type": "Delete", "actor": ME, "object": uri(2)},
        "edit": create(2, "Update", to=[FOLLOWERS], cc=[], updated="2023-01-01T00:00:00Z"),
    }[more]
    before = read(tmp_path / "before", *world())
    after = read(tmp_path / "after", *world(), appended)
    first, second = released(before, tmp_path / "before"), released(after, tmp_path / "after")
    assert first - second == {uri(2)}
    assert second <= first


@pytest.mark.parametrize("how", ["utf-16", "utf-16-be", "utf-32", "bom", "crlf", "ascii"])
def test_another_encoding_gives_the_same_rows(tmp_path: Path, how: str) -> None:
    items = [*world(), create(9, content="<p>caf\u00e9 \U0001f600</p>", contentMap=None)]
    plain = json.dumps(json.loads(outbox(*items)), ensure_ascii=False, indent=1)
    other = {
        "utf-16": plain.encode("utf-16"), "utf-16-be": b"\xfe\xff" + plain.encode("utf-16-be"), "utf-32": plain.encode("utf-32"),
        "bom": b"\xef\xbb\xbf" + plain.encode(), "crlf": plain.replace("\n", "\r\n").encode(),
        "ascii": json.dumps(json.loads(plain)).encode(),
    }[how]  # fmt: skip
    actor = {"actor.json": json.dumps(ACTOR)}
    first = exports.read(tmp_path / "plain", "activitypub", {"outbox.json": plain, **actor})
    second = exports.read(tmp_path / "other", "activitypub", {"outbox.json": other, **actor})
    assert first.rows == second.rows


def test_another_order_or_split_releases_the_same(tmp_path: Path) -> None:
    items = [*world(), create(2, "Update", content="<p>newer</p>", updated="2023-01-01T00:00:00Z"),
             {"id": "urn:x", "type": "Delete", "actor": ME, "object": uri(7)}]  # fmt: skip
    first = outcomes(read(tmp_path / "first", *items), tmp_path / "first")
    turned = list(reversed(copy.deepcopy(items)))
    files = {
        "actor.json": json.dumps(ACTOR),
        "0.jsonl": "\n".join(map(json.dumps, turned[:4])),
        "z.json": json.dumps(turned[4:]),
    }
    second = exports.read(tmp_path / "second", "activitypub", files, server="m.example")
    kept = {id for id, (outcome, _) in outcomes(second, tmp_path / "second").items() if outcome in ("permit", "redact")}
    assert kept == {id for id, (outcome, _) in first.items() if outcome in ("permit", "redact")}


def test_the_same_post_in_both_forms_has_the_same_audience(tmp_path: Path) -> None:
    pairs = [
        ([PUBLIC], [FOLLOWERS], "public"),
        ([FOLLOWERS], [PUBLIC], "unlisted"),
        ([FOLLOWERS], [], "private"),
        ([OTHER], [], "direct"),
    ]
    for number, (to, cc, visibility) in enumerate(pairs):
        here = one(tmp_path / f"as2-{number}", create(to=to, cc=cc))
        [there] = of_api(tmp_path / f"api-{number}", status(visibility=visibility)).rows
        same = ("audience_at", "kind", "text", "categories", "collected_at", "created_at", "revision", "origin")
        assert [here[name] for name in same] == [there[name] for name in same]


# --- damage at random ------------------------------------------------------------------------------------------

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    1.5,
    "",
    "x",
    PUBLIC,
    [],
    [None],
    {},
    {"type": "Note"},
    [[]],
    "\ud800",
    {"id": []},
    "<![ x",
]


def damaged(rng: random.Random, value: Any) -> Any:
    """The same value with something in it replaced, dropped or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.15:
            return {name: held for name, held in value.items() if name != key}
        return {**value, key: damaged(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], *([damaged(rng, value[at])] * rng.choice((0, 1, 2))), *value[at + 1 :]]
    return rng.choice(ODD)


def corpus() -> dict[str, Any]:
    quote = {"state": "accepted", "quoted_status": {"id": "777", "account": {"id": "7"}}}
    rich = status(
        2,
        mentions=[{"id": "7", "acct": "anna@far.example", "url": OTHER}],
        card={"url": "https://n.example"},
        quote=quote,
    )
    return {
        "outbox.json": json.loads(outbox(*world(), *DELETES.values(), create(9, location={"type": "Place", "latitude": 1}))),
        "actor.json": ACTOR, "likes.json": {"type": "OrderedCollection", "orderedItems": [f"{OTHER}/1"]},
        "timeline.json": [status(1), rich, status(3, reblog=status(4)), status(5, poll={"options": [{"title": "a"}]})],
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_damage_rows_add_up_or_the_file_is_refused(tmp_path: Path, seed: int) -> None:
    rng, read_at_all = random.Random(seed), 0
    for number in range(50):
        files = {}
        for name, value in corpus().items():
            for _ in range(rng.randrange(4)):
                value = damaged(rng, value)
            data = json.dumps(value).encode()
            if rng.random() < 0.1:
                at = rng.randrange(len(data))
                data = data[:at] + bytes([rng.randrange(256)]) + data[at + rng.randrange(3) :]
            files[name] = data
        try:
            reading = exports.read(tmp_path / str(number), "activitypub", files, ids_verified=True)
        except SourceError:
            continue
        read_at_all += 1
        assert len(reading.rows) == reading.staged.rows
        assert len(reading.quarantine) == reading.staged.quarantined
        assert all(row["text"] is None for row in reading.rows if row["kind"] == "message")
        assert not any("word" in (row["reason"] or "") for row in reading.quarantine)
    assert read_at_all > 10


@pytest.mark.parametrize("seed", range(3))
def test_damage_to_addresses_never_makes_a_message_public(tmp_path: Path, seed: int) -> None:
    """Whatever happens to ``to`` and ``cc`` of a direct message, short of naming Public, it stays one or is unknown."""
    rng = random.Random(seed)
    odd = [one for one in ODD if one != PUBLIC]
    items = []
    for number in range(60):
        item = create(number, to=[OTHER], cc=[])
        for holder in (item, item["object"]):
            holder[rng.choice(("to", "cc", "bto"))] = rng.choice(odd)
        items.append(item)
    reading = read(tmp_path, *items, ids_verified=True)
    assert {row["audience_at"] for row in reading.rows} <= {None, "private"}
    assert not released(reading, tmp_path)


# --- values of the wrong make -----------------------------------------------------------------------------------

DIGITS = "9" * 5_000


def test_a_row_that_breaks_the_html_parser_is_quarantined(tmp_path: Path) -> None:
    found = read(tmp_path, create(1), create(2, content=f"&#{DIGITS};"), create(3))
    assert [one["reason"] for one in found.quarantine] == ["the HTML cannot be read"]
    assert {uri(1), uri(3)} <= {row["record_id"] for row in found.rows}


def test_an_id_of_thousands_of_digits_carries_no_time(tmp_path: Path) -> None:
    row = one(tmp_path, create(1, id=f"{ME}/statuses/{DIGITS}"))
    assert row["collected_at"] is None


WRONG: tuple[Any, ...] = (
    None, True, -1, 10**400, 1.5, float("inf"), "", [], {}, [[]], [{}], {"id": []}, {"type": {}}, f"&#{DIGITS};", "\ud800",
    f"{ME}/statuses/{DIGITS}", "http://[", "0001-01-01T00:00:00+23:59", {"href": [{}]}, "<!x[", "\u00b2", 2**53 + 1,
)  # fmt: skip


def _bent(value: Any, rng: random.Random) -> Any:
    """A document in which some values are of another make."""
    if rng.random() < 0.08:
        return copy.deepcopy(rng.choice(WRONG))
    if isinstance(value, dict):
        return {name: _bent(inner, rng) for name, inner in value.items()}
    return [_bent(inner, rng) for inner in value] if isinstance(value, list) else value


def test_values_of_the_wrong_make_are_a_row_or_a_fault_and_never_a_crash() -> None:
    from aboveboard.sources import activitypub
    from aboveboard.sources.activitypub_parts import Context

    rng = random.Random(7)
    tag = [{"type": "Mention", "href": OTHER, "name": "@anna"}, {"type": "Link", "mediaType": "text/html", "href": "q"}]
    whole = [
        create(1, tag=tag, quote="q", mediaType="text/html", location={"latitude": 1, "longitude": 2}),
        create(2, "Update", updated=PUBLISHED, oneOf=[{"name": "a"}]), boost(3), boost(4, note(5)), ACTOR,
        {"id": "u", "type": "Undo", "actor": ME, "object": {"type": "Like", "id": "x"}},
        {"id": "1", "account": {"id": "2", "acct": "a"}, "visibility": "public", "content": "<p>x</p>", "mentions": [],
         "created_at": PUBLISHED, "uri": f"{HOST}/1", "media_attachments": [{"url": "x"}], "poll": {"options": [{}]},
         "quote": {"state": "accepted", "quoted_status": {"id": "4", "account": {"id": "5"}}}},
    ]  # fmt: skip
    for _ in range(4_000):
        for item in activitypub._flat(_bent(rng.choice(whole), rng), 0):
            list(activitypub._described(item))
            row = activitypub._row("f", 0, item, "", ME, Context({}, "m.example"))
            assert (row.record is None) != (row.fault is None)
