"""The parts of a post or long text from an X archive: mentions, links, quotes, media and geotags.

All are pure. A part in the text has a place only where the text says there what the entity says; one that has to go
and cannot be found holds the record. An archive names no quoted post and nobody behind a link: they are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aboveboard.sources.values import Unreadable, text_id
from aboveboard.sources.x_archive_text import Span, as_it_is, plain, span

Said = Mapping[str, Any]
Part = dict[str, Any]

REPOST = re.compile(r"RT @(\w{1,20})(?=:|\s|\Z)")
"""How a repost begins; nothing else in an archive says that it is one."""

_POST_LINK = re.compile(
    r"https?://(?:www\.|mobile\.)?(?:twitter|x)\.com/(?:i/web|\w{1,20})/status(?:es)?/([0-9]{1,19})(?![0-9]).*",
    re.DOTALL,
)


def parts_of(post: Said, id: str, text: str, exporter: str | None) -> list[Part] | None:
    """Everything in a post that has people or places of its own; None where that cannot be known.

    ``text`` is the escaped one. The parts have no audience yet: see :func:`seen_as`.
    """
    mentions, urls = inside(post, "entities", "user_mentions"), inside(post, "entities", "urls")
    media, places = _media(post, text, exporter), _geotags(post)
    if not isinstance(mentions, list) or not isinstance(urls, list) or media is None:
        return None
    linked = quoted(post, id)
    return [
        *(_mentioned(text, one) for one in mentions),
        *(_linked(text, one, id, linked) for one in urls),
        *media,
        *places,
    ]


def parts_with(post: Said, note: Said, text: str, exporter: str | None) -> list[Part] | None:
    """As :func:`parts_of`, with the words of a long text: who and what is in them is said there."""
    mentions, media = inside(post, "entities", "user_mentions"), _media(post, None, exporter)
    ids = {handle.casefold(): get(one, "id_str") for one in listed(mentions) if (handle := word(one, "screen_name"))}
    within = note_parts(note, text, ids)
    return None if within is None or media is None else [*within, *media, *_geotags(post)]


def note_parts(note: Said, text: str, ids: Mapping[str, Any]) -> list[Part] | None:
    """The parts of a long text. It names people by handle only; a post beside it may know their ``ids``."""
    mentions, urls = note.get("mentions"), note.get("urls")
    if not isinstance(mentions, list) or not isinstance(urls, list):
        return None
    found = []
    for one in mentions:
        handle = word(one, "screenName")
        place = span(text, _from_to(one), handle and f"@{handle}", as_it_is)
        found.append(_mention(place, ids.get(handle.casefold()) if handle else None))
    for one in urls:
        found.append(
            _link(span(text, _from_to(one), word(one, "shortUrl"), as_it_is), word(one, "expandedUrl"), "", None)
        )
    return found


def seen_as(parts: Sequence[Part] | None, seen: Said) -> list[Part] | None:
    """The parts with the audience of their record."""
    audience = {name: seen[name] for name in ("audience_at", "audience_now")}
    return None if parts is None else [{**part, **audience} for part in parts]


def part(kind: str, category: str, **said: Any) -> Part:
    """A part beside the text, about nobody else, until ``said`` otherwise."""
    usual: Part = {"labels": [], "parties": [], "signals": [], "source_state": "own", "place": "field"}
    empty: Part = {"start": None, "end": None, "content": None}
    return {"kind": kind, "categories": [category], **usual, **empty, **said}


def picture(content: object, **said: Any) -> Part:
    """Pictures, sound and film: somebody may be in them until somebody has looked."""
    text = content if isinstance(content, str) else None
    return part("media", "user.content.public", labels=["unidentified_person"], content=text, **said)


def party(subject: str | None, role: str) -> Part:
    return {"subject": subject, "role": role}


# People -----------------------------------------------------------------------------------------------------------


def reposted(post: Said, text: str) -> list[Part]:
    """Whose words a repost repeats: the mention right after `RT`, if it stands there; else somebody unknown."""
    found = REPOST.match(plain(text))
    if found is None:
        return []
    first = next(iter(listed(inside(post, "entities", "user_mentions"))), None)
    sure = span(text, get(first, "indices"), f"@{found[1]}") == (3, 4 + len(found[1]))
    named = sure and (word(first, "screen_name") or "").casefold() == found[1].casefold()
    return [party(person(get(first, "id_str")) if named else None, "quoted_author")]


def person(said: object) -> str | None:
    """Somebody's id; X writes -1 for an account that is gone."""
    try:
        found = text_id(said, "a person")
    except Unreadable:
        return None
    return found if found.isascii() and found.isdigit() else None


def _mentioned(text: str, entity: object) -> Part:
    handle = word(entity, "screen_name")
    return _mention(span(text, get(entity, "indices"), handle and f"@{handle}"), get(entity, "id_str"))


def _mention(found: Span | None, id: object) -> Part:
    """A mention whose place is not sure has none: the record is held, because what has to go cannot be found."""
    place = found or (None, None)
    who = [party(person(id), "mentioned")]
    return part("mention", "user.account.username", place="span", start=place[0], end=place[1], parties=who)


# Links ------------------------------------------------------------------------------------------------------------


def quoted(post: Said, id: str) -> str | None:
    """The post that is quoted: archives name none, and X shows the last link to another post as the quote."""
    links = [word(one, "expanded_url") or "" for one in listed(inside(post, "entities", "urls"))]
    others = [found[1] for found in map(_POST_LINK.fullmatch, links) if found and found[1] != id]
    return (
        others[-1] if others and not REPOST.match(plain(word(post, "full_text") or word(post, "text") or "")) else None
    )


def _linked(text: str, entity: object, id: str, quotes: str | None) -> Part:
    return _link(span(text, get(entity, "indices"), word(entity, "url")), word(entity, "expanded_url"), id, quotes)


def _link(found: Span | None, to: str | None, id: str, quotes: str | None) -> Part:
    """A link; one to a post shows somebody's words, and whose they are the archive does not say."""
    place = _place(found)
    post = _POST_LINK.fullmatch(to) if to is not None else None
    if post is None or post[1] == id:
        return part("card", "user.content.public", content=to, **place)
    other = {"parties": [party(None, "quoted_author")], "source_state": None}
    return part("quote" if post[1] == quotes else "card", "user.content.public", content=to, **place, **other)


def _place(found: Span | None) -> Part:
    """In the text where it was found there, else beside it: nothing of the linked thing is in the text."""
    return {"place": "span", "start": found[0], "end": found[1]} if found else {}


# Media and places -------------------------------------------------------------------------------------------------


def _media(post: Said, text: str | None, exporter: str | None) -> list[Part] | None:
    """Pictures and film, listed in full in `extended_entities`; their link in the text goes with them."""
    outer = "extended_entities" if post.get("extended_entities") is not None else "entities"
    if not isinstance(post.get(outer), dict):
        return None
    found = post[outer].get("media", [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return None
    return [_medium(one, text, exporter) for one in found]


def _medium(said: Said, text: str | None, exporter: str | None) -> Part:
    """One picture or film; one that was taken over from another post has whoever put it there in it."""
    found = span(text, said.get("indices"), word(said, "url")) if text is not None else None
    owner = said.get("source_user_id_str", said.get("source_user_id"))
    borrowed = owner is not None or "source_status_id_str" in said or "source_status_id" in said
    uploader = {"parties": [party(person(owner), "uploader")], "source_state": None}
    theirs = borrowed and (owner is None or owner != exporter)
    return picture(said.get("media_url_https", said.get("media_url")), **_place(found), **(uploader if theirs else {}))


def _geotags(post: Said) -> list[Part]:
    """Where a post was made. Archives leave out what is not there, so absence is none."""
    found = []
    point = next((post[name] for name in ("geo", "coordinates") if post.get(name) is not None), None)
    if point is not None:
        where = get(point, "coordinates")
        content = ",".join(map(str, where)) if isinstance(where, list) and len(where) == 2 else None
        found.append(part("geotag", "user.location.precise", content=content))
    if post.get("place") is not None:
        found.append(part("geotag", "user.location.imprecise", content=word(post["place"], "full_name")))
    return found


# Values that may be anything --------------------------------------------------------------------------------------


def get(said: object, name: str) -> Any:
    """What an object says under a name; None where it is no object."""
    return said.get(name) if isinstance(said, dict) else None


def word(said: object, name: str) -> str | None:
    """A text that an object says under a name."""
    found = get(said, name)
    return found if isinstance(found, str) and found else None


def listed(said: object) -> list[Any]:
    return said if isinstance(said, list) else []


def inside(said: Said, outer: str, name: str) -> Any:
    return get(said.get(outer), name)


def _from_to(said: object) -> list[Any]:
    return [get(said, "fromIndex"), get(said, "toIndex")]
