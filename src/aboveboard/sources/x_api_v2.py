"""Payloads of X's API v2: responses of ``data``, ``includes``, ``meta`` and ``errors``, and single posts.

A response holds only the fields that were asked for, and leaves out those that are empty. So a field that is missing
proves nothing, unless the mapping says (``tweet_fields``) that it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aboveboard.sources.values import Unreadable, iso_time, snowflake_time
from aboveboard.sources.x_api_post import (
    NARROWER_SINCE,
    Audience,
    Columns,
    Make,
    Parts,
    Post,
    Thing,
    Words,
    audience,
    card_text,
    columns,
    flag,
    message,
    party,
    point_text,
    reposted,
    standing,
    text_or_none,
    thing,
    things,
    version,
    words_in,
    x_id,
)

PARTS = ("entities", "attachments", "referenced_tweets", "geo")
"""Fields of which each may hold a part. Where one is neither there nor known to have been asked for, the parts of the
post are unknown.
"""
REFERENCES = {"retweeted": "repost", "quoted": "quote", "replied_to": "reply"}
"""What a reference makes a post; the first of these counts."""
ASKED_ALONE = frozenset({"id", "text", "edit_history_tweet_ids"})


@dataclass(frozen=True, slots=True)
class Context:
    """What stands beside a post: the fields that were asked for, and what the response includes, by id."""

    asked: frozenset[str] = ASKED_ALONE
    users: Mapping[str, Thing] = field(default_factory=dict)
    posts: Mapping[str, Thing] = field(default_factory=dict)
    media: Mapping[str, Thing] = field(default_factory=dict)
    places: Mapping[str, Thing] = field(default_factory=dict)

    def knows(self, said: Thing, name: str) -> bool:
        """Whether a field is there, or known to be empty."""
        return name in said or name in self.asked


def context(includes: object, asked: frozenset[str]) -> Context:
    """The context that a response gives its posts."""
    said = thing(includes, "includes") or {}
    return Context(
        asked,
        _by("id", said.get("users")),
        _by("id", said.get("tweets")),
        _by("media_key", said.get("media")),
        _by("id", said.get("places")),
    )


def _by(key: str, listed: object) -> dict[str, Thing]:
    found = things(listed, "a list of includes")
    return {one[key]: one for one in found if isinstance(one.get(key), str)}


def found(said: Thing, around: Context) -> Iterator[Make]:
    """One post."""
    yield partial(post, said, around)


def dm(said: Thing) -> Columns:
    """One event of a conversation: a message, somebody who joins or leaves."""
    id = said.get("id", said.get("dm_event_id"))
    sender = said.get("sender_id")
    return message(
        x_id(id, "the id of a message"),
        x_id(sender, "the sender") if sender is not None else None,
        iso_time(said.get("created_at")),
    )


def post(said: Thing, around: Context) -> Columns:
    """One post as a record."""
    id = x_id(said.get("id"), "the id of a post")
    author = said.get("author_id")
    author = x_id(author, "the author") if author is not None else None
    user = around.users.get(author or "", {})
    words, entities = _words(said, around)
    seen = _audience(said, id, user, around)
    links = _references(said)
    kind = _kind(said, links, words, around)
    shown = links.get("retweeted" if kind == "repost" else "quoted")
    return columns(
        Post(
            id=id,
            author=author,
            kind=kind,
            words=words,
            audience=seen,
            language=text_or_none(said.get("lang"), "lang"),
            created_at=iso_time(said.get("created_at")),
            lifecycle=_standing(said, user),
            version=version(id, words_in(said.get("edit_history_tweet_ids"), "edit_history_tweet_ids")),
            parts=_parts(said, entities, links, Parts(words, seen), around),
            parent_id=links.get("replied_to"),
            quoted_id=shown,
            quoted_author=_author(shown, around),
        )
    )


def _words(said: Thing, around: Context) -> tuple[Words, Thing | None]:
    """The text with the entities counted in it (None: nobody knows them). A long post has a text of its own."""
    longer = thing(said.get("note_tweet"), "note_tweet")
    holder = longer if longer is not None and longer.get("text") is not None else said
    text = text_or_none(holder.get("text"), "the text")
    if text is None:
        raise Unreadable("a post without a text")
    entities = thing(holder.get("entities"), "entities")
    return Words(text), {} if entities is None and around.knows(said, "entities") else entities


def _audience(said: Thing, id: str, user: Thing, around: Context) -> Audience:
    """As its account, but only where the post cannot be one of a community: that field has to be asked for."""
    seen = audience(said, flag(user.get("protected"), "protected"), "includes.users.protected")
    if seen.word != "public" or around.knows(said, "community_id"):
        return seen
    made = snowflake_time(id)
    older = made is not None and made < NARROWER_SINCE
    return seen if older else Audience(None, "community_id (not asked for)")


def _references(said: Thing) -> dict[str, str]:
    listed = things(said.get("referenced_tweets"), "referenced_tweets")
    known = [one for one in listed if one.get("type") in REFERENCES]
    if len(known) != len(listed):
        raise Unreadable("a reference of a kind that is not known")
    return {one["type"]: x_id(one.get("id"), "a referenced post") for one in known}


def _kind(said: Thing, links: Mapping[str, str], words: Words, around: Context) -> str | None:
    told = next((kind for name, kind in REFERENCES.items() if name in links), None)
    if told == "repost" or reposted(words.sent):
        return "repost"
    return told or ("post" if around.knows(said, "referenced_tweets") else None)


def _standing(said: Thing, user: Thing) -> str | None:
    both = [thing(one.get("withheld"), "withheld") or {} for one in (said, user)]
    codes = [code for one in both for code in words_in(one.get("country_codes"), "country_codes")]
    if any(both) and not codes:
        codes = ["?"]  # withheld somewhere, nobody says where
    return standing(codes, flag(both[0].get("copyright"), "copyright"))


def _author(id: str | None, around: Context) -> str | None:
    said = around.posts.get(id or "", {}).get("author_id")
    return x_id(said, "the author of a referenced post") if said is not None else None


# --- parts ---------------------------------------------------------------------------------------------------


def _parts(
    said: Thing, entities: Thing | None, links: Mapping[str, str], make: Parts, around: Context
) -> list[Columns] | None:
    if entities is None or not all(around.knows(said, name) for name in PARTS):
        return None
    return [
        *_mentions(entities, make),
        *_media(said, make, around),
        *_cards(entities, make),
        *([make.quote(links["quoted"])] if "quoted" in links else []),
        *_places(said, make, around),
    ]


def _mentions(entities: Thing, make: Parts) -> Iterator[Columns]:
    for one in things(entities.get("mentions"), "mentions"):
        id = one.get("id")
        yield make.mention(x_id(id, "who is mentioned") if id is not None else None, one.get("start"), one.get("end"))


def _media(said: Thing, make: Parts, around: Context) -> Iterator[Columns]:
    attached = thing(said.get("attachments"), "attachments") or {}
    borrowed = [party(None, "uploader")] if attached.get("media_source_tweet_id") else []
    for key in words_in(attached.get("media_keys"), "media_keys"):
        shown: Mapping[str, Any] = around.media.get(key, {})
        where = shown.get("url") or shown.get("preview_image_url") or key
        yield make.media(text_or_none(where, "a media link"), borrowed)


def _cards(entities: Thing, make: Parts) -> Iterator[Columns]:
    for one in things(entities.get("urls"), "urls"):
        content = card_text(one)
        if content is not None:
            yield make.card(content)


def _places(said: Thing, make: Parts, around: Context) -> Iterator[Columns]:
    geo = thing(said.get("geo"), "geo") or {}
    if geo.get("coordinates"):
        yield make.point(point_text(geo["coordinates"], longitude_first=True) or "a place that cannot be read")
    place = text_or_none(geo.get("place_id"), "place_id")
    if place is not None:
        yield make.place(text_or_none(around.places.get(place, {}).get("full_name"), "place") or place)
