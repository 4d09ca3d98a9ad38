"""One ActivityStreams 2 object or activity as the columns of a record.

Who may see a post is said by ``to`` and ``cc`` of the object and of the activity around it, and by nothing else: what
names neither Public nor the author's followers is a message, and its words are never kept. Specification:
docs/formats/exports-activitypub.md (ActivityPub, FEP-5feb, FEP-044f, FEP-e232).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from aboveboard.sources import activitypub_parts as parts
from aboveboard.sources.activitypub_parts import Actor, Columns, Context, Person
from aboveboard.sources.html_text import Marked, Shown, shown
from aboveboard.sources.values import Unreadable, iso_time, mapping, text_id

PUBLIC = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})
ADDRESSES = ("to", "cc", "bto", "bcc", "audience")

ACTORS = frozenset({"Person", "Service", "Group", "Organization", "Application"})
OBJECTS = {
    "Note": "post", "Question": "post", "Page": "post", "Event": "post", "Article": "article", "ChatMessage": "message",
    "Video": "media", "Audio": "media", "Image": "media", "Document": "media",
}  # fmt: skip
DEEDS = {
    "Like": "like", "Dislike": "like", "EmojiReact": "like", "Follow": "follow", "View": "view", "Listen": "view",
    "Read": "view", "Vote": "vote",
    **dict.fromkeys(("Accept", "TentativeAccept", "Reject", "TentativeReject", "Block", "Flag", "Add", "Remove", "Move"),
                    "telemetry"),
    **dict.fromkeys(("Invite", "Join", "Leave", "Ignore", "Offer", "Arrive", "Travel"), "telemetry"),
}  # fmt: skip
"""Activities that are something somebody did and hold no words of theirs: the kind of their record."""

PICTURES = frozenset({"Document", "Image", "Audio", "Video"})
LINKS = frozenset({"Link", "Page"})
QUOTES = ("quote", "quoteUri", "quoteUrl", "_misskey_quote")
PLAIN = frozenset({"text/plain", "text/markdown", "text/x.misskeymarkdown"})
NO_PEOPLE = frozenset({"Hashtag", "Emoji", "PropertyValue", "IdentityProof", "Infohash"})
"""Tags and attachments that are nobody's likeness and nobody's name."""

_STATUS = re.compile(r"/statuses/([0-9]+)(?:/activity)?$")


def columns(item: Mapping[str, Any], context: Context) -> Columns:
    """The record that an object or activity is. Raises Unreadable for what is malformed."""
    for kind in types(item):
        if kind in _READ:
            return _READ[kind](item, context)
        if kind in DEEDS:
            return _deed(item, DEEDS[kind], context)
    return _written(item, {}, context) if _known(item, OBJECTS) else _unknown(item)


def types(item: Mapping[str, Any]) -> tuple[str, ...]:
    """The types of an object; it may have several."""
    said = item.get("type", item.get("@type"))
    return tuple(one for one in (said if isinstance(said, list) else [said]) if isinstance(one, str))


def actor(item: Mapping[str, Any]) -> Actor:
    """What an actor document says."""
    followers = item.get("followers")
    return Actor(
        _id(item), followers if isinstance(followers, str) else _id(followers), wish(item),
        item.get("suspended") is True,
    )  # fmt: skip


def wish(item: Mapping[str, Any]) -> bool | None:
    """Whether an account agrees to be indexed: False where it says no in any of the ways there are."""
    if item.get("indexable") is False or item.get("discoverable") is False or item.get("noindex") is True:
        return False
    if item.get("searchableBy") is not None and not PUBLIC & set(ids(item["searchableBy"])):
        return False
    return True if item.get("indexable") is True else None


def ids(value: object) -> list[str | None]:
    """The ids in a property that may be one address, one object, or a list of both; None for what has none."""
    if value is None:
        return []
    if isinstance(value, list):
        return [_id(one) for one in value]
    return [_id(value)]


def _id(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("id", value.get("@id"))
    return value.strip() or None if isinstance(value, str) else None


def _known(item: Mapping[str, Any], kinds: Mapping[str, str] | frozenset[str]) -> str | None:
    return next((one for one in types(item) if one in kinds), None)


def _own_id(item: Mapping[str, Any]) -> str:
    return text_id(item.get("id", item.get("@id")), "the id of an object")


def _only(value: object) -> object:
    """A property that may be a list, as its one value."""
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise Unreadable("an activity about no or several objects")
    return value[0]


# --- activities ------------------------------------------------------------------------------------------------


def _made(item: Mapping[str, Any], context: Context) -> Columns:
    """Create or Update: the record is the object, and the activity says more about who and for whom."""
    inner = _only(item.get("object"))
    if not isinstance(inner, dict):
        raise Unreadable("a post that is not in the export, only its address")
    if "Tombstone" in types(inner):
        return _tombstone(inner, context)
    if _known(inner, ACTORS):
        return _profile(inner, context)
    return _written(inner, item, context) if _known(inner, OBJECTS) else _unknown(inner)


def _undone(item: Mapping[str, Any], _: Context) -> Columns:
    """Undo: what was done is gone."""
    inner = _only(item.get("object"))
    done = _known(inner, DEEDS) if isinstance(inner, dict) else None
    boost = isinstance(inner, dict) and "Announce" in types(inner)
    return parts.deletion(_target(inner), _doer(item), DEEDS[done] if done else "repost" if boost else None)


def _deleted(item: Mapping[str, Any], _: Context) -> Columns:
    return parts.deletion(_target(_only(item.get("object"))), _doer(item))


def _tombstone(item: Mapping[str, Any], _: Context) -> Columns:
    return parts.deletion(_own_id(item), _doer(item))


def _target(value: object) -> str:
    return text_id(_id(value), "the id of what is undone or deleted")


def _doer(item: Mapping[str, Any]) -> str | None:
    """Whoever acts or wrote, where that is one account."""
    found = ids(item.get("actor")) or ids(item.get("attributedTo"))
    return found[0] if len(found) == 1 else None


def _boost(item: Mapping[str, Any], context: Context) -> Columns:
    """Announce: no words of one's own, an edge to somebody else's."""
    original = _only(item.get("object"))
    inner = original if isinstance(original, dict) else {}
    if "Create" in types(inner) and isinstance(inner.get("object"), dict):  # as groups announce to their members
        inner = inner["object"]
    author = ids(inner.get("attributedTo"))
    by = _doer(item)
    said = [*_audiences(item, "activity", by, context), *_audiences(inner, "object", _first(author), context)]
    done = _done(item, "repost", by, context)
    return {
        **done, **parts.audience_columns(*parts.narrowest(said)),
        "quoted_id": _id(inner) if inner else _id(original),
        "parties": [parts.party(one, "quoted_author") for one in author or [None]],
        "categories": ["user.content.public"],
    }  # fmt: skip


def _deed(item: Mapping[str, Any], kind: str, context: Context) -> Columns:
    """A like, a follow, an answer to an invitation: what somebody did."""
    by = _doer(item)
    said = parts.narrowest(_audiences(item, "activity", by, context))
    return {**_done(item, kind, by, context), **parts.audience_columns(*said), "categories": ["user.behavior"]}


def _done(item: Mapping[str, Any], kind: str, by: str | None, context: Context) -> Columns:
    who = _actor(item.get("actor"), by, context)
    published = iso_time(item.get("published"))
    record_id = _own_id(item)
    return {
        "record_id": record_id, "kind": kind, "subject": by, "text": "", "lifecycle": parts.lifecycle(who),
        "revision": 0, "created_at": published, **_received(record_id, published, context), **_home(by, context),
        "labels": [], "parties": [], "signals": parts.signals(who, context.wishes), "parts": [],
    }  # fmt: skip


def _unknown(item: Mapping[str, Any]) -> Columns:
    """An object of a type nobody here knows: counted, and nothing of it is said or kept."""
    if not types(item):
        raise Unreadable("an object without a type")
    return {"record_id": _own_id(item), "subject": _doer(item)}


# --- posts -----------------------------------------------------------------------------------------------------


def _written(item: Mapping[str, Any], activity: Mapping[str, Any], context: Context) -> Columns:
    """A post, with the activity that carried it where there is one."""
    record_id = _own_id(item)
    by, others = _authors(item, activity)
    who = _actor(_whose(item, activity), by, context)
    audience, evidence = _audience(item, activity, by, context)
    common = {
        "record_id": record_id, "subject": by, "lifecycle": parts.lifecycle(who), **_home(by, context),
        **_when(record_id, item, activity, context), **parts.audience_columns(audience, evidence), "labels": [],
        "parties": [parts.party(one, "author") for one in others], "signals": _signals(item, who, context),
    }  # fmt: skip
    if _is_vote(item):
        return {**common, "kind": "vote", "text": None, "categories": ["user.behavior"], "parts": []}
    if audience == "private" or _known(item, OBJECTS) == "ChatMessage":
        return {**common, **_message(item, activity)}
    return {**common, **_post(item, audience)}


def _is_vote(item: Mapping[str, Any]) -> bool:
    """A vote travels as a note that has a name, answers a poll and says nothing else."""
    named = "Note" in types(item) and isinstance(item.get("name"), str)
    return named and not item.get("content") and bool(ids(item.get("inReplyTo")))


def _message(item: Mapping[str, Any], activity: Mapping[str, Any]) -> Columns:
    """Never what it says: only that there is one, and between whom."""
    addressed = [one for holder in (item, activity) for key in ADDRESSES for one in ids(holder.get(key))]
    people = dict.fromkeys(one for one in addressed if one not in PUBLIC)
    return {
        "kind": "message", "text": None, "categories": ["user.communication.message.content"], "parts": [],
        "parties": [parts.party(one, "recipient") for one in people],
    }  # fmt: skip


def _post(item: Mapping[str, Any], audience: str | None) -> Columns:
    text, language = _content(item)
    answered = ids(item.get("inReplyTo"))
    quoted = _quoted(item)
    kind = OBJECTS[_known(item, OBJECTS) or "Note"]
    if kind in ("post", "article"):
        kind = "reply" if answered else "quote" if quoted and kind == "post" else kind
    return {
        "kind": kind, "text": text.text, "language": language, "categories": parts.categories(audience),
        "parent_id": answered[0] if answered else None, "quoted_id": _first(quoted),
        "parts": _parts(item, text, audience),
    }  # fmt: skip


def _content(item: Mapping[str, Any]) -> tuple[Shown, str | None]:
    """The words and their language, where ``contentMap`` says which it is."""
    mapped, said = item.get("contentMap"), item.get("content")
    by_language: dict[str, Any] = mapped if isinstance(mapped, dict) else {}
    if said is None and by_language:
        said = next(iter(by_language.values()))
    if said is not None and not isinstance(said, str):
        raise Unreadable("the content is no text")
    languages = [language for language, text in by_language.items() if text == said and language != "und"]
    media = item.get("mediaType")
    plain = isinstance(media, str) and media in PLAIN
    return Shown(said or "") if plain else shown(said or ""), languages[0] if len(languages) == 1 else None


def _when(record_id: str, item: Mapping[str, Any], activity: Mapping[str, Any], context: Context) -> Columns:
    """The times of a post. An edit has a revision, and its words were not received when the id was made."""
    published = iso_time(item.get("published")) or iso_time(activity.get("published"))
    edited = _edited(item, activity)
    received = _received(record_id, published, context) if edited == 0 else {}
    return {"created_at": published, "revision": edited, **received}


def _edited(item: Mapping[str, Any], activity: Mapping[str, Any]) -> int | None:
    """0 for a first version, the moment of the edit in microseconds for others, None where nobody says when."""
    update = "Update" in types(activity)
    said = item.get("updated")
    if said is None and update:
        said = activity.get("updated") or activity.get("published")
    if said is None and not update:
        return 0
    moment = iso_time(said)
    if moment is not None and not update and moment == iso_time(item.get("published")):
        return 0
    return parts.micros(moment) if moment is not None else None


def _received(record_id: str, published: datetime | None, context: Context) -> Columns:
    """When the server got it, where the id says so and the mapping says that the id was made there."""
    found = _STATUS.search(record_id)
    if found is None or context.server is None or parts.host(record_id) != context.server:
        return {}
    moment = parts.minted(found[1], published)
    return {"collected_at": moment, "collected_evidence": "id (Mastodon snowflake)"} if moment else {}


def _home(by: str | None, context: Context) -> Columns:
    """What was written on another server came here by federation, whatever the mapping says of the export."""
    foreign = context.server is not None and by is not None and parts.host(by) != context.server
    return {"origin": "federated"} if foreign else {}


# --- people ----------------------------------------------------------------------------------------------------


def _whose(item: Mapping[str, Any], activity: Mapping[str, Any]) -> object:
    return item.get("attributedTo") if item.get("attributedTo") is not None else activity.get("actor")


def _authors(item: Mapping[str, Any], activity: Mapping[str, Any]) -> tuple[str | None, list[str | None]]:
    """The author who decides, and those beside them. Of several it is who posted it, or the only person."""
    said = _whose(item, activity)
    found = ids(said)
    if len(found) < 2:
        return _first(found), []
    people = [_id(one) for one in said if isinstance(one, dict) and "Person" in types(one)]  # type: ignore[attr-defined]
    posted = [one for one in ids(activity.get("actor")) if one in found]
    by = _first(posted or people)
    return by, [one for one in dict.fromkeys(found) if one != by]


def _first(found: Sequence[str | None]) -> str | None:
    """The one there is; where there are several that differ, nobody knows which."""
    return found[0] if len(set(found)) == 1 else None


def _actor(said: object, id: str | None, context: Context) -> Actor | None:
    """What is known of an account: its document in the export, or the one that stands in the row."""
    documents = said if isinstance(said, list) else [said]
    inside = [actor(one) for one in documents if isinstance(one, dict) and _known(one, ACTORS) and _id(one) == id]
    return merged([one for one in (context.actor(id), *inside) if one is not None]) if id else None


def merged(found: Sequence[Actor]) -> Actor | None:
    """Several documents of one account as one: a no stays a no, and what differs is not known."""
    if not found:
        return None
    wishes = {one.wish for one in found if one.wish is not None}
    followers = {one.followers for one in found if one.followers is not None}
    return Actor(
        found[0].id, followers.pop() if len(followers) == 1 else None, min(wishes) if wishes else None,
        any(one.suspended for one in found), any(one.gone for one in found),
    )  # fmt: skip


def _signals(item: Mapping[str, Any], who: Actor | None, context: Context) -> list[dict[str, Any]] | None:
    """A post may refuse by itself, with the same words as an account."""
    return list(parts.REFUSED) if wish(item) is False else parts.signals(who, context.wishes)


# --- audience --------------------------------------------------------------------------------------------------


def _audience(
    item: Mapping[str, Any], activity: Mapping[str, Any], by: str | None, context: Context
) -> tuple[str | None, str | None]:
    """Who may see a post: the narrower of what object and activity say; unknown where another than the author says it."""
    sent = ids(activity.get("actor"))
    if sent and by is not None and _first(sent) is not None and by not in sent:
        return None, None
    said = [*_audiences(item, "object", by, context), *_audiences(activity, "activity", by, context)]
    return parts.narrowest(said)


def _audiences(
    holder: Mapping[str, Any], name: str, by: str | None, context: Context
) -> Iterator[tuple[str | None, str]]:
    """What one holder says, or nothing where it addresses nobody at all: that is not known, and not direct."""
    if all(holder.get(key) is None for key in ADDRESSES):
        return
    to, cc = ids(holder.get("to")), ids(holder.get("cc"))
    if PUBLIC & set(to):
        yield "public", f"{name}.to"
    elif PUBLIC & set(cc):
        yield "unlisted", f"{name}.cc"
    elif any(_followers(one, by, context) for one in (*to, *cc)):
        yield "followers", f"{name}.to"
    else:
        yield "private", f"{name}.to and {name}.cc name neither Public nor the followers"


def _followers(address: str | None, by: str | None, context: Context) -> bool:
    """Whether an address is the followers of the author; those of somebody else are just some people."""
    who = context.actor(by)
    if address is None or (who is not None and who.followers is not None):
        return address is not None and who is not None and address == who.followers
    return address.endswith("/followers") and (by is None or address.startswith(by))


# --- parts -----------------------------------------------------------------------------------------------------


def _parts(item: Mapping[str, Any], text: Shown, audience: str | None) -> list[Columns] | None:
    """Everything but the words themselves; None where something is there that cannot be read."""
    try:
        return [
            *parts.mentions(text, [*_people(item)], audience),
            *_quote_parts(item, text, audience),
            *_attached(item, audience),
            *(parts.media(audience, url) for url in _urls(item.get("image"))),
            *_places(item, audience),
            *parts.fields(audience, _beside(item)),
        ]
    except Unreadable:
        return None


def _objects(value: object, what: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a property that holds one or a list; an address is an object that is only a link."""
    for one in value if isinstance(value, list) else [] if value is None else [value]:
        yield {"type": "Link", "href": one} if isinstance(one, str) else mapping(one, what)


def _people(item: Mapping[str, Any]) -> Iterator[Person]:
    """Everybody a tag names. A tag of a type nobody knows may be a person."""
    for tag in _objects(item.get("tag"), "a tag"):
        kinds = types(tag)
        if "Mention" in kinds or ACTORS & set(kinds):
            href = _href(tag)
            name = tag.get("name")
            subject = _id(tag.get("href")) if "Mention" in kinds else _id(tag)
            yield Person(subject, (href,) if href else (), name if isinstance(name, str) else "")
        elif not (NO_PEOPLE | LINKS | {"Tag"}) & set(kinds):
            raise Unreadable("a tag of a type that is not known")


def _href(item: Mapping[str, Any]) -> str | None:
    """Where an object or a link leads."""
    for key in ("href", "url"):
        found = item.get(key)
        if isinstance(found, list):
            found = found[0] if found else None
        if isinstance(found, dict):
            found = found.get("href")
        if isinstance(found, str):
            return found
    return None


def _quoted(item: Mapping[str, Any]) -> list[str | None]:
    """The addresses of what is quoted, in any of the ways there are to say it."""
    named = [one for key in QUOTES for one in ids(item.get(key))]
    linked = [_href(tag) for tag in _tagged(item) if _is_quote(tag)]
    inside = [_id(one) or _href(one) for one in _tagged(item, "attachment") if _known(one, OBJECTS) in _WORDS]
    return list(dict.fromkeys([*named, *linked, *inside]))


_WORDS = frozenset({"Note", "Question", "Article", "Event"})


def _tagged(item: Mapping[str, Any], key: str = "tag") -> list[dict[str, Any]]:
    held = item.get(key)
    return [one for one in (held if isinstance(held, list) else [held]) if isinstance(one, dict)]


def _is_quote(tag: Mapping[str, Any]) -> bool:
    """FEP-e232: a link to an object, told from other links by its media type."""
    media = tag.get("mediaType")
    activity = isinstance(media, str) and ("activity+json" in media or "ld+json" in media)
    return "Link" in types(tag) and activity


def _quote_parts(item: Mapping[str, Any], text: Shown, audience: str | None) -> Iterator[Columns]:
    """One part for all that is quoted, where the text says so (``RE: ...``) or else beside it."""
    quoted = _quoted(item)
    if not quoted:
        return
    by = [_first(ids(one.get("attributedTo"))) for one in (*_tagged(item, "attachment"), *_tagged(item, "quote"))
          if one.get("attributedTo") is not None]  # fmt: skip
    labels: list[str] | None = []
    if item.get("quote") is not None and item.get("quoteAuthorization") is None:
        labels = None  # FEP-044f: nobody shows here that the quoted author agreed
    author = _first(by) if len(quoted) == 1 else None
    spans: list[tuple[int, int] | None] = [*(_span(one) for one in text.quotes)] or [*_links_to(text, quoted)]
    for span in spans or [None]:
        yield parts.quote(audience, span, author, labels)


def _span(one: Marked) -> tuple[int, int]:
    return one.start, one.end


def _links_to(text: Shown, quoted: Sequence[str | None]) -> list[tuple[int, int]]:
    return [_span(one) for one in text.links if one.href is not None and one.href in quoted]


def _attached(item: Mapping[str, Any], audience: str | None) -> Iterator[Columns]:
    """Pictures, films and link cards. What is quoted by attaching it is a quote; an object may itself be a film."""
    if _known(item, OBJECTS) in PICTURES:
        yield parts.media(audience, _href(item))
    for one in _objects(item.get("attachment"), "an attachment"):
        kinds = set(types(one))
        if kinds & PICTURES or (not kinds and one.get("mediaType")):
            yield parts.media(audience, _href(one))
        elif kinds & LINKS:
            yield parts.part("card", audience, content=_href(one))
        elif not kinds & (NO_PEOPLE | _WORDS):
            raise Unreadable("an attachment of a type that is not known")


def _urls(value: object) -> Iterator[str | None]:
    return (_href(one) for one in _objects(value, "a picture"))


def _places(item: Mapping[str, Any], audience: str | None) -> Iterator[Columns]:
    for one in _objects(item.get("location"), "a place"):
        at = one.get("latitude"), one.get("longitude")
        coordinates = (at[0], at[1]) if isinstance(at[0], int | float) and isinstance(at[1], int | float) else None
        name = one.get("name")
        yield parts.place(audience, name if isinstance(name, str) else _href(one), coordinates)


def _beside(item: Mapping[str, Any]) -> Iterator[str]:
    """A title, a content warning, the answers of a poll."""
    for said in (item.get("name"), item.get("summary")):
        if said is not None and not isinstance(said, str):
            raise Unreadable("a title or warning that is no text")
        yield shown(said).text if said else ""
    for key in ("oneOf", "anyOf"):
        for answer in _objects(item.get(key), "an answer"):
            name = answer.get("name")
            yield name if isinstance(name, str) else ""


# --- accounts --------------------------------------------------------------------------------------------------


def _profile(item: Mapping[str, Any], context: Context) -> Columns:
    """An actor document: its words are the description. No document says who may see it, unless it is addressed."""
    id = _own_id(item)
    who = _actor(item, id, context)
    said = parts.narrowest(_audiences(item, "object", id, context))
    about = item.get("summary")
    text = shown(about) if isinstance(about, str) else Shown("")
    return {
        "record_id": id, "kind": "profile", "subject": id, "text": text.text, "lifecycle": parts.lifecycle(who),
        "revision": _edited(item, {}), "created_at": iso_time(item.get("published")), **_home(id, context),
        **parts.audience_columns(*said), "categories": ["user.content.public"], "labels": [], "parties": [],
        "signals": parts.signals(who, context.wishes), "parts": _parts({**item, "summary": None, "name": None}, text, said[0]),
    }  # fmt: skip


_READ: dict[str, Callable[[Mapping[str, Any], Context], Columns]] = {
    "Create": _made,
    "Update": _made,
    "Announce": _boost,
    "Undo": _undone,
    "Delete": _deleted,
    "Tombstone": _tombstone,
    **dict.fromkeys(ACTORS, _profile),
}
