"""Payloads of X's API v1.1: statuses, accounts with their latest status inside, and direct messages.

A status may hold another one, the original of a retweet or a quoted one: each becomes a record of its own, by its own
author, where the payload says who that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aboveboard.sources.values import Unreadable, twitter_time
from aboveboard.sources.x_api_post import (
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
    id_of,
    known_id,
    message,
    millis,
    party,
    point_text,
    profile,
    reposted,
    standing,
    text_or_none,
    thing,
    things,
    version,
    words_in,
)

ALWAYS = (("entities",), ("place",), ("coordinates", "geo"))
"""Keys that the API sends with every status, null where there is nothing. Where one is missing, somebody cut it away,
and what hung on the status is unknown.
"""
EMBEDDED = ("retweeted_status", "quoted_status")


def found(status: Thing, holder: Thing | None = None) -> Iterator[Make]:
    """A status and those inside it, each once. ``holder`` is the account around it, where they are nested so."""
    waiting: list[tuple[Thing, Thing | None]] = [(status, holder)]
    seen: set[object] = set()
    for said, author in waiting:
        id = str(said.get("id_str") or said.get("id"))
        if id in seen:
            continue
        seen.add(id)
        yield partial(post, said, author)
        for name in EMBEDDED:
            inner = said.get(name)
            if isinstance(inner, dict) and inner.get("user") is not None:
                waiting.append((inner, None))
            elif isinstance(inner, dict) and (whose := _whose(said, name)) is not None:
                waiting.append((inner, {"id_str": whose}))
            # A copy that nobody signs is no record: it could only contradict a better copy of the same post.


def account(user: Thing) -> Iterator[Make]:
    """An account, and the latest status that it may hold."""
    yield lambda: profile(_account_id(user))
    status = user.get("status")
    if isinstance(status, dict):
        yield from found(status, user)
    elif status is not None:
        yield lambda: _no_status()


def dm(event: Thing) -> Columns:
    """A direct message, in the form of an event or the older one with ``sender`` and ``recipient``."""
    inner = thing(event.get("message_create"), "the message") or event
    sender = thing(inner.get("sender"), "the sender")
    id = id_of(event, "id", "the id of a message")
    if id is None:
        raise Unreadable("a message without an id")
    when = twitter_time(event.get("created_at")) or millis(event.get("created_timestamp"))
    return message(id, known_id(inner, "sender_id") or known_id(sender or {}, "id"), when)


def post(said: Thing, holder: Thing | None) -> Columns:
    """One status as a record."""
    id = id_of(said, "id", "the id of a post")
    if id is None:
        raise Unreadable("a post without an id")
    user = thing(said.get("user"), "the author") or holder
    words, holds = _words(said)
    seen = audience(said, flag(user.get("protected"), "protected") if user else None, "user.protected")
    original, quoted = (thing(said.get(name), "an embedded post") for name in EMBEDDED)
    repost = original is not None or reposted(words.sent)
    shown = _quoted_id(said, original if repost else quoted, repost)
    author = _account_id(user) if user else None
    return columns(
        Post(
            id=id,
            author=author,
            kind=_kind(said, repost),
            words=words,
            audience=seen,
            language=text_or_none(said.get("lang"), "lang"),
            created_at=twitter_time(said.get("created_at")),
            lifecycle=_standing(said, user),
            version=version(id, _history(said)),
            parts=None if repost else _parts(said, holds, author, shown, Parts(words, seen)),
            parent_id=id_of(said, "in_reply_to_status_id", "the post that this one answers"),
            quoted_id=shown,
            quoted_author=_whose(said, EMBEDDED[0]) if repost else None,
        )
    )


def _words(said: Thing) -> tuple[Words, Thing]:
    """The whole text, and the object that holds the entities counted in it."""
    longer = thing(said.get("extended_tweet"), "extended_tweet")
    for holder, name in ((longer, "full_text"), (said, "full_text"), (said, "text")):
        text = text_or_none(holder.get(name), "the text") if holder is not None else None
        if holder is not None and text is not None:
            return Words(text), holder
    raise Unreadable("a post without a text")


def _kind(said: Thing, repost: bool) -> str:
    if repost:
        return "repost"
    if said.get("quoted_status") or said.get("is_quote_status") or said.get("quoted_status_id_str"):
        return "quote"
    return "reply" if said.get("in_reply_to_status_id_str") or said.get("in_reply_to_status_id") else "post"


def _quoted_id(said: Thing, about: Thing | None, repost: bool) -> str | None:
    if about is not None:
        return id_of(about, "id", "the id of an embedded post")
    return None if repost else id_of(said, "quoted_status_id", "the post that this one quotes")


def _whose(said: Thing, name: str) -> str | None:
    """The author of an embedded status: its user, or whoever a retweet names in its ``RT @name:``."""
    inner = thing(said.get(name), "an embedded post")
    user = inner.get("user") if inner is not None else None
    if isinstance(user, dict):
        return known_id(user, "id")
    entities = said.get("entities")
    mentions = entities.get("user_mentions") if name == EMBEDDED[0] and isinstance(entities, dict) else None
    starts = reposted(str(said.get("text") or said.get("full_text")))
    for one in mentions if isinstance(mentions, list) and starts else []:
        if isinstance(one, dict) and isinstance(one.get("indices"), list) and one["indices"][:1] == [len("RT ")]:
            return known_id(one, "id")
    return None


def _account_id(user: Thing) -> str:
    found = id_of(user, "id", "the id of an account")
    if found is None:
        raise Unreadable("an account without an id")
    return found


def _no_status() -> Columns:
    raise Unreadable("the status of an account is no object")


def _history(said: Thing) -> list[str]:
    history = thing(said.get("edit_history"), "edit_history")
    return words_in(history.get("edit_tweet_ids"), "edit_tweet_ids") if history is not None else []


def _standing(said: Thing, user: Thing | None) -> str | None:
    codes: list[str] = []
    for one in (said, user or {}):
        told = one.get("withheld_in_countries")
        codes += told.split(",") if isinstance(told, str) else words_in(told, "withheld_in_countries")
    return standing(codes, flag(said.get("withheld_copyright"), "withheld_copyright"))


# --- parts ---------------------------------------------------------------------------------------------------


def _parts(said: Thing, holds: Thing, author: str | None, quoted: str | None, make: Parts) -> list[Columns] | None:
    """Everything that hangs on a status; None where some of it was cut off."""
    cut = said.get("truncated") is True and "full_text" not in holds
    entities = thing(holds.get("entities"), "entities")
    if cut or entities is None or not all(any(name in said for name in names) for names in ALWAYS):
        return None
    return [
        *mentions(entities, make),
        *media(holds.get("extended_entities"), entities, author, make),
        *cards(entities, make),
        *([make.quote(quoted)] if _kind(said, repost=False) == "quote" else []),
        *_places(said, make),
    ]


def mentions(entities: Thing, make: Parts) -> Iterator[Columns]:
    """Everybody who is named in the text."""
    for one in things(entities.get("user_mentions"), "user_mentions"):
        yield make.mention(known_id(one, "id"), *indices(one))


def indices(one: Thing) -> tuple[object, object]:
    """Where an entity begins and ends; (None, None) where it does not say."""
    pair = one.get("indices")
    return (pair[0], pair[1]) if isinstance(pair, list) and len(pair) == 2 else (None, None)


def media(extended: object, entities: Thing, author: str | None, make: Parts) -> Iterator[Columns]:
    """Photos and videos: ``extended_entities`` has all of them, ``entities`` at most one."""
    holds = thing(extended, "extended_entities") or entities
    for one in things(holds.get("media"), "media"):
        source = known_id(one, "source_user_id")
        taken = one.get("source_status_id") is not None or one.get("source_status_id_str") is not None
        uploader = [party(source, "uploader")] if taken and (source is None or source != author) else []
        where = text_or_none(one.get("media_url_https") or one.get("media_url"), "a media link")
        yield make.media(where, uploader, list(_depicted(one)))


def _depicted(one: Thing) -> Iterator[Columns]:
    """Whoever is tagged in a photo."""
    features = thing(one.get("features"), "features") or {}
    tagged = thing(features.get("all"), "features") or {}
    for tag in things(tagged.get("tags"), "tags"):
        yield party(known_id(tag, "user_id"), "depicted")


def cards(entities: Thing, make: Parts) -> Iterator[Columns]:
    """Linked pages of which the payload brings words along (v2, or Gnip's ``unwound``)."""
    for one in things(entities.get("urls"), "urls"):
        content = card_text(thing(one.get("unwound"), "a link") or one)
        if content is not None:
            yield make.card(content)


def _places(said: Thing, make: Parts) -> Iterator[Columns]:
    point = point_text(said.get("coordinates"), longitude_first=True)
    point = point or point_text(said.get("geo"), longitude_first=False)
    if point is not None or said.get("coordinates") or said.get("geo"):
        yield make.point(point or "a place that cannot be read")
    place = thing(said.get("place"), "place")
    if place:
        yield make.place(text_or_none(place.get("full_name"), "place"))
