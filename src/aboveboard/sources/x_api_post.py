"""What the forms of X's API have in common: ids, text as transported and as read, audiences, parts, columns.

X sends ``&``, ``<`` and ``>`` as HTML entities and counts the code points of the text with them in it; records hold the
text as people read it, so every span is moved, and one that no longer covers what it should is unknown. Specification:
docs/formats/exports-x-api.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aboveboard.sources.values import EPOCH, Unreadable, snowflake_time, text_id

Thing = Mapping[str, Any]
"""An object of JSON."""
Columns = dict[str, Any]
Make = Callable[[], Columns]
"""Makes one record when it is asked to; raises Unreadable where the payload is malformed."""
OUTSIDE = "(not in the payload)"

# --- values of JSON, each of the type it has to be -----------------------------------------------------------


def thing(value: object, what: str) -> Thing | None:
    """An object, or None where there is none; anything else is Unreadable."""
    if value is not None and not isinstance(value, dict):
        raise Unreadable(f"{what} is no object")
    return value


def things(value: object, what: str) -> list[Thing]:
    """A list of objects, empty where there is none."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Unreadable(f"{what} is no list of objects")
    return value


def words_in(value: object, what: str) -> list[str]:
    """A list of texts, empty where there is none."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Unreadable(f"{what} is no list of texts")
    return value


def text_or_none(value: object, what: str) -> str | None:
    """A text, or None where there is none."""
    if value is not None and not isinstance(value, str):
        raise Unreadable(f"{what} is no text")
    return value


def flag(value: object, what: str) -> bool | None:
    """True, false or not said."""
    if value is not None and not isinstance(value, bool):
        raise Unreadable(f"{what} is neither true nor false")
    return value


EVENTS_FROM = 1 << 62
"""Above the ids that X will give out until 2045: there the editions begin that events make of posts."""


def x_id(value: object, what: str) -> str:
    """An id of X: digits of a 64-bit number, as text. A number beyond 2^53 may have been rounded and is refused."""
    found = text_id(value, what)
    if not re.fullmatch(r"[0-9]{1,19}", found) or int(found) >= 1 << 63:
        raise Unreadable(f"{what} is no id of X")
    return found


def id_of(said: Thing, name: str, what: str) -> str | None:
    """The id under ``name``: ``name_str`` counts alone where it is there, because the number may have been rounded."""
    value = said.get(f"{name}_str")
    value = said.get(name) if value is None else value
    return None if value is None else x_id(value, what)


def millis(value: object) -> datetime | None:
    """A moment counted in milliseconds and written as text."""
    digits = isinstance(value, str) and re.fullmatch("[0-9]{1,14}", value)
    return EPOCH + timedelta(milliseconds=int(str(value))) if digits else None


def known_id(said: Thing, name: str) -> str | None:
    """As ``id_of``, for people who are only in a part: whoever cannot be told is unknown."""
    try:
        return id_of(said, name, "somebody")
    except Unreadable:
        return None


# --- text and spans ------------------------------------------------------------------------------------------

_ESCAPED = re.compile("&(amp|lt|gt);")
_PLAIN = {"amp": "&", "lt": "<", "gt": ">"}
_MENTION = re.compile(r"[@＠][A-Za-z0-9_]{1,20}")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Words:
    """A text as it was transported; ``text`` is how it reads, and spans of the one become spans of the other."""

    sent: str

    @property
    def text(self) -> str:
        return _ESCAPED.sub(lambda found: _PLAIN[found[1]], self.sent)

    def mention(self, start: object, end: object) -> Span | None:
        """Where a mention stands in ``text``; None where nothing like ``@name`` stands there."""
        return self._span(start, end, _is_mention)

    def link(self, start: object, end: object, url: str | None) -> Span | None:
        """Where a link stands in ``text``; None where something else stands there."""
        return self._span(start, end, lambda text, a, b: text[a:b] == url)

    def _span(self, start: object, end: object, fits: Callable[[str, int, int], bool]) -> Span | None:
        if type(start) is not int or type(end) is not int or not 0 <= start < end:
            return None
        moved = self._moved(start), self._moved(end)
        if moved[0] is not None and moved[1] is not None and fits(self.text, moved[0], moved[1]):
            return moved[0], moved[1]
        return (start, end) if fits(self.text, start, end) else None  # some tools unescape before they count

    def _moved(self, at: int) -> int | None:
        """The same place in ``text``; None inside an escaped sign or outside the text."""
        lost = 0
        for found in _ESCAPED.finditer(self.sent):
            if found.end() <= at:
                lost += len(found[0]) - 1
            elif found.start() < at:
                return None
        return at - lost if at <= len(self.sent) else None


def _is_mention(text: str, start: int, end: int) -> bool:
    """A whole name: a span that ends in the middle of one would leave the rest of it standing."""
    return bool(_MENTION.fullmatch(text, start, end)) and not re.match("[A-Za-z0-9_]", text[end : end + 1])


def reposted(text: str) -> bool:
    """Whether a text says of itself that it repeats another's: X writes ``RT @name:`` in front."""
    return bool(re.match("RT [@＠]", text))


# --- how public, and whether it stands -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may see a post, and which field says so."""

    word: str | None
    evidence: str | None = None

    @property
    def category(self) -> str:
        return "user.content.private" if self.word in ("followers", "group", "circle", "private") else _PUBLIC


_PUBLIC = "user.content.public"
NARROWER = {
    "community_id": None,
    "community_id_str": None,
    "for_super_followers_only": "followers",
    "exclusive_tweet_control": "followers",
    "trusted_friends_control": "circle",
}
"""Fields that say a post is narrower than its account, and what that makes it. Who sees a community is not said."""
NARROWER_SINCE = datetime(2021, 9, 1, tzinfo=UTC)
"""The day of the first posts that are narrower than their accounts (Super Follows; Communities a week later)."""


def audience(said: Thing, protected: bool | None, where: str) -> Audience:
    """How public a post is: as its account, or narrower where a field of the post says so."""
    narrow = next((name for name in NARROWER if said.get(name)), None)
    if protected:
        return Audience("followers", where)
    if narrow is not None:
        return Audience(NARROWER[narrow], narrow)
    return Audience("public", where if protected is False else f"as public as its account: {where} {OUTSIDE}")


EVERYWHERE, COPYRIGHT = "XX", "XY"
"""What X writes among countries: withheld in all of them, and withheld because of a copyright complaint."""


def standing(countries: Iterable[str], copyright: bool | None) -> str | None:
    """The lifecycle of a post that X withholds somewhere. No word says "removed in one country", so that is unknown."""
    codes = {code.strip().upper() for code in countries} - {""}
    if copyright or codes & {EVERYWHERE, COPYRIGHT}:
        return "removed"
    return None if codes else "published"


# --- parts ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parts:
    """Makes the parts of one post, all with the audience of the post."""

    words: Words
    audience: Audience

    def mention(self, subject: str | None, start: object, end: object) -> Columns:
        span = self.words.mention(start, end) or (None, None)
        return self._part(
            "mention", "user.account.username", [party(subject, "mentioned")], place="span", start=span[0], end=span[1]
        )

    def media(self, content: str | None, uploader: Sequence[Columns], depicted: Sequence[Columns] = ()) -> Columns:
        people = [*uploader, *depicted]
        return self._part("media", self.audience.category, people, content=content, labels=["unidentified_person"])

    def quote(self, id: str | None) -> Columns:
        """The words of another post that hang on this one. Whose they are, and whether they still stand, is for the
        relate pass: the quoted post is a record too, and copies of this one differ in how much they tell about it.
        """
        nobody = [party(None, "quoted_author")] if id is None else []
        return self._part("quote", _PUBLIC, nobody, source_state=None)

    def card(self, content: str) -> Columns:
        """What a linked page says of itself: the words of somebody whom nobody names."""
        return self._part("card", _PUBLIC, [party(None, "author")], content=content)

    def point(self, content: str) -> Columns:
        return self._part("geotag", "user.location.precise", [], content=content)

    def place(self, content: str | None) -> Columns:
        return self._part("geotag", "user.location.imprecise", [], content=content)

    def _part(self, kind: str, category: str, people: list[Columns], **more: Any) -> Columns:
        usual: Columns = {"labels": [], "signals": [], "source_state": "own", "place": "field"}
        seen = {"audience_at": self.audience.word, "audience_now": self.audience.word}
        return {"kind": kind, "categories": [category], "parties": people, **seen, **usual, **more}


def party(subject: str | None, role: str) -> Columns:
    return {"subject": subject, "role": role}


def card_text(link: Thing) -> str | None:
    """Title and description of a linked page, where the payload brings them along."""
    said = [text_or_none(link.get(name), "a link") for name in ("title", "description")]
    return "\n".join(one for one in said if one) or None


def point_text(value: object, *, longitude_first: bool) -> str | None:
    """``latitude,longitude`` of a GeoJSON point."""
    where = thing(value, "a point")
    pair = where.get("coordinates") if where is not None else None
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(one) in (int, float) for one in pair):
        return None
    latitude, longitude = reversed(pair) if longitude_first else pair
    return f"{latitude},{longitude}"


# --- records -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Version:
    """Where a post stands in its chain of edits: which was the first (None: this one), and whether none is newer."""

    first: str | None = None
    newest: bool = True


def version(id: str, history: Sequence[str]) -> Version:
    """A post's place among the ids of its edit history, oldest first."""
    ids = [x_id(one, "an id of the edit history") for one in history]
    if ids and id not in ids:
        raise Unreadable("the edit history does not name the post")
    return Version(None if ids[:1] in ([], [id]) else ids[0], ids[-1:] in ([], [id]))


def edition(id: str) -> int:
    """The number of a version: its id, because each edit has an id of its own and ids grow."""
    return min(int(id), EVENTS_FROM - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post as all forms tell it. ``kind`` and ``parts`` are None where the payload does not tell."""

    id: str
    author: str | None
    kind: str | None
    words: Words
    audience: Audience
    language: str | None = None
    created_at: datetime | None = None
    lifecycle: str | None = "published"
    version: Version = Version()
    parts: list[Columns] | None = None
    parent_id: str | None = None
    quoted_id: str | None = None
    quoted_author: str | None = None


def columns(post: Post) -> Columns:
    """A post as a record. A repost is an edge between two people and a post: it keeps none of the words."""
    repost = post.kind == "repost"
    collected = snowflake_time(post.id)
    return {
        **_known(post.audience, post.audience.category),
        "record_id": post.id,
        "kind": post.kind,
        "subject": post.author,
        "text": "" if repost else post.words.text,
        "language": None if repost or post.language == "und" else post.language,
        "created_at": post.created_at,
        "collected_at": collected,
        "collected_evidence": "snowflake" if collected else None,
        "lifecycle": post.lifecycle if post.version.newest else "deleted",
        "parties": [party(post.quoted_author, "quoted_author")] if repost else [],
        "parts": [] if repost else post.parts,
        "revision_of": post.version.first,
        "revision": edition(post.id),
        "parent_id": post.parent_id,
        "quoted_id": post.quoted_id,
    }


def profile(subject: str) -> Columns:
    """An account that a payload tells about: counted, and nothing of what it says is kept."""
    return {
        **_known(Audience("public", "profiles are public"), "user.account"),
        "record_id": f"user:{subject}",
        "kind": "profile",
        "subject": subject,
        "lifecycle": "published",
    }


def message(id: str, sender: str | None, created_at: datetime | None) -> Columns:
    """A direct message: counted, so that it can be refused. Neither its words nor who received it are kept."""
    collected = snowflake_time(id)
    return {
        **_known(Audience("private", "a direct message"), "user.communication.message.content"),
        "record_id": id,
        "kind": "message",
        "subject": sender,
        "created_at": created_at,
        "collected_at": collected,
        "collected_evidence": "snowflake" if collected else None,
        "lifecycle": "published",
        "parties": [party(None, "conversation_partner")],
    }


def _known(seen: Audience, category: str) -> Columns:
    return {
        "categories": [category],
        "audience_at": seen.word,
        "audience_now": seen.word,
        "audience_evidence": seen.evidence,
        "labels": [],
        "signals": [],
        "parties": [],
        "parts": [],
    }
