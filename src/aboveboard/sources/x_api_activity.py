"""Payloads of Gnip (X's enterprise API) in the form of activity streams: a post is an activity with an actor.

The same posts as in the other forms under other names; spans count the code points of the escaped ``body``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from aboveboard.sources import x_api_v1
from aboveboard.sources.values import Unreadable, iso_time
from aboveboard.sources.x_api_post import (
    Audience,
    Columns,
    Make,
    Parts,
    Post,
    Thing,
    Words,
    audience,
    columns,
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

VERBS = ("post", "share")
PREFIXES = {"tag": r"tag:search\.twitter\.com,[0-9]{4}:", "id": r"id:twitter\.com:"}
_POST = re.compile(
    r"https?://(?:www\.|mobile\.)?(?:twitter|x)\.com/(?!i/)[^/?#]+/status(?:es)?/([0-9]{1,19})/?(?:[?#].*)?$"
)
_REPLY = re.compile(r"/status(?:es)?/([0-9]{1,19})(?:[/?#]|$)")
EVIDENCE = "verb: Gnip hands on what is public, and a post is as public as its account"


def found(activity: Thing) -> Iterator[Make]:
    """An activity and those inside it, each once: the original of a share, and what is quoted."""
    waiting, seen = [activity], set()
    for said in waiting:
        if str(said.get("id")) in seen:
            continue
        seen.add(str(said.get("id")))
        yield partial(post, said)
        inner = said.get("object") if said.get("verb") == "share" else None
        for one in (inner, said.get("twitter_quoted_status")):
            if isinstance(one, dict) and isinstance(one.get("actor"), dict):
                waiting.append(one)


def post(said: Thing) -> Columns:
    """One activity as a record."""
    if said.get("verb") not in VERBS:
        raise Unreadable("an activity of a kind that is not known")
    id = _id(said.get("id"), "tag", "the id of an activity")
    actor = thing(said.get("actor"), "the actor")
    words, holds = _words(said)
    told = audience(said, None, "actor")
    seen = Audience("public", EVIDENCE) if told.word == "public" else told
    shared = thing(said.get("object"), "the object") if said["verb"] == "share" else None
    repost = shared is not None or reposted(words.sent)
    quoted = None if repost else _quoted(said, holds)
    return columns(
        Post(
            id=id,
            author=_actor(actor),
            kind="repost" if repost else "quote" if quoted else "reply" if said.get("inReplyTo") else "post",
            words=words,
            audience=seen,
            language=text_or_none(said.get("twitter_lang"), "twitter_lang"),
            created_at=iso_time(said.get("postedTime")),
            lifecycle=standing(words_in(said.get("withheld_in_countries"), "withheld_in_countries"), None),
            version=version(id, _history(said)),
            parts=None if repost else _parts(said, holds, quoted, Parts(words, seen)),
            parent_id=_answers(said),
            quoted_id=_id(shared.get("id"), "tag", "the id of a shared activity") if shared is not None else quoted,
            quoted_author=_actor(thing(shared.get("actor"), "the actor")) if shared is not None else None,
        )
    )


def _id(value: object, prefix: str, what: str) -> str:
    """The digits behind the prefix that activity streams put in front of every id."""
    said = text_or_none(value, what) or ""
    return x_id(re.sub("^" + PREFIXES[prefix], "", said) if re.match(PREFIXES[prefix], said) else None, what)


def _actor(actor: Thing | None) -> str | None:
    return _id(actor.get("id"), "id", "the actor") if actor is not None else None


def _words(said: Thing) -> tuple[Words, Thing]:
    longer = thing(said.get("long_object"), "long_object")
    for holder in (longer, said):
        text = text_or_none(holder.get("body"), "the body") if holder is not None else None
        if holder is not None and text is not None:
            return Words(text), holder
    raise Unreadable("an activity without a body")


def _answers(said: Thing) -> str | None:
    """The post that is answered: only its address is given."""
    answered = thing(said.get("inReplyTo"), "inReplyTo")
    found = _REPLY.search(text_or_none(answered.get("link"), "inReplyTo") or "") if answered is not None else None
    return found[1] if found else None


def _quoted(said: Thing, holds: Thing) -> str | None:
    """The post that is quoted. An activity inside another lacks the quoted one; then its last link tells."""
    quoted = thing(said.get("twitter_quoted_status"), "twitter_quoted_status")
    if quoted is not None:
        return _id(quoted.get("id"), "tag", "the id of a quoted activity")
    links = _links(thing(holds.get("twitter_entities"), "twitter_entities") or {})
    found = _POST.match(links[-1]) if links else None
    return found[1] if found else None


def _links(entities: Thing) -> list[str]:
    """Where the links in a text lead, in order."""
    urls = [text_or_none(one.get("expanded_url"), "a link") for one in things(entities.get("urls"), "urls")]
    return [one for one in urls if one is not None]


def _history(said: Thing) -> list[str]:
    history = thing(said.get("edit_history"), "edit_history")
    return words_in(history.get("edit_tweet_ids"), "edit_tweet_ids") if history is not None else []


def _parts(said: Thing, holds: Thing, quoted: str | None, make: Parts) -> list[Columns] | None:
    entities = thing(holds.get("twitter_entities"), "twitter_entities")
    if entities is None or _is_cut(said, entities):
        return None
    extended = holds.get("twitter_extended_entities")
    return [
        *x_api_v1.mentions(entities, make),
        *x_api_v1.media(extended, entities, _actor(thing(said.get("actor"), "the actor")), make),
        *x_api_v1.cards(entities, make),
        *([make.quote(quoted)] if quoted is not None else []),
        *_places(said, make),
    ]


def _is_cut(said: Thing, entities: Thing) -> bool:
    """A body that was cut ends in a link to the whole post; no other field says so."""
    whole = "/i/web/status/" + _id(said.get("id"), "tag", "the id of an activity")
    return any(link.endswith(whole) for link in _links(entities))


def _places(said: Thing, make: Parts) -> Iterator[Columns]:
    if said.get("geo"):
        yield make.point(point_text(said["geo"], longitude_first=False) or "a place that cannot be read")
    place = thing(said.get("location"), "location")
    if place:
        yield make.place(text_or_none(place.get("displayName"), "location"))
