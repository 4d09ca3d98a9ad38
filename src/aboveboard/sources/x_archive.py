"""Reads the archive that a person downloads from X: the posts, and whatever else says something about them.

An archive says of nothing that it is public; a post is as public as its account, and the account's facts have to
come from the operator. Every file is parsed whole before a row of it is yielded. What somebody deleted, drafted or
wrote to one other person is counted as a record without its words. Specification: docs/formats/exports-x-archive.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from aboveboard.errors import SourceError
from aboveboard.sources import x_archive_kinds as kinds
from aboveboard.sources.reader import Export, FileKind, Row
from aboveboard.sources.values import EPOCH, Unreadable, iso_time, mapping, snowflake_time, text_id
from aboveboard.sources.x_archive_known import (
    POSTS,
    Known,
    Post,
    account_of,
    article_state_of,
    brief,
    deleted_of,
    gather,
    inner,
    note_of,
    post_of,
    protection_of,
    server_id,
)  # fmt: skip
from aboveboard.sources.x_archive_parts import (
    REPOST,
    Part,
    get,
    listed,
    note_parts,
    part,
    parts_of,
    parts_with,
    party,
    person,
    picture,
    quoted,
    reposted,
    seen_as,
    word,
)  # fmt: skip
from aboveboard.sources.x_archive_text import CONFIG, assigned, number, plain

Said = Mapping[str, Any]
Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class XArchive:
    """The reader of X archives; it has no settings of its own."""

    settings: Sequence[str] = ()

    def kind(self, name: str) -> FileKind | None:
        """What kind of file this is, by its name alone."""
        return kinds.kind(name)

    def rows(self, export: Export) -> Iterator[Row]:
        """Every row of every archive in the export; evidence yields a row only where it cannot be read."""
        archives = defaultdict(list)
        for name in export.names:
            archives[kinds.root(name)].append(File(name, _kind(name)))
        for files in archives.values():
            yield from _archive(export, files)


READER = XArchive()


@dataclass(frozen=True, slots=True)
class File:
    """A file of the archive, and what it holds."""

    path: str
    kind: FileKind

    @property
    def name(self) -> str:
        """As evidence names it: the same for every part, so that another split says the same."""
        return re.sub(r"-part[0-9]+(?=\.js$)", "", PurePosixPath(self.path).name)


def _kind(name: str) -> FileKind:
    kind = kinds.kind(name)
    if kind is None or kind.never:
        raise SourceError("a file that is not to be read", file=name)
    return kind


# One archive ------------------------------------------------------------------------------------------------------


def _archive(export: Export, files: Sequence[File]) -> Iterator[Row]:
    """All rows of one archive, after what its files say about each other; the manifest last, to compare its counts."""
    known = _gathered(export, files)
    counts: dict[FileKind, Counted] = defaultdict(Counted)
    for file in sorted(files, key=lambda file: file.kind == kinds.MANIFEST):
        elements = _elements(export, file)
        units = list(_units(file.kind, elements))
        counts[file.kind].add(len(elements), len(units))
        for at, unit in enumerate(units):
            yield from _row(file, at, unit, known, counts)


def _gathered(export: Export, files: Sequence[File]) -> Known:
    rows: dict[FileKind, list[Any]] = defaultdict(list)
    posts = []
    for file in files:
        if file.kind in POSTS:
            posts += [one for row in _elements(export, file) if (one := brief(file.kind, row)) is not None]
        elif file.kind in (kinds.NOTES, *kinds.EVIDENCE):
            rows[file.kind] += _elements(export, file)
    return gather(rows, posts)


def _elements(export: Export, file: File) -> list[Any]:
    """The list that a file assigns, parsed to its end. The variable has to name the same kind as the file does."""
    variable, value = assigned(export.read(file.path), file.path)
    if kinds.named(variable) != file.kind:
        raise SourceError("a file assigns another kind of data than its name says", file=file.path)
    if variable == CONFIG:
        return [value]
    if not isinstance(value, list):
        raise SourceError("a file of the archive assigns no list", file=file.path)
    return value


def _units(kind: FileKind, elements: Iterable[Any]) -> Iterator[Any]:
    """What counts as a row: each element, but of conversations each message and event in them."""
    for element in elements:
        if kind in (kinds.MESSAGES, kinds.GROUP_MESSAGES):
            yield from _events(element)
        else:
            yield element


def _row(file: File, at: int, unit: Any, known: Known, counts: Mapping[FileKind, Counted]) -> Iterator[Row]:
    """The row of one unit: a record, a fault, or nothing where it is evidence about others."""
    try:
        if file.kind == kinds.MANIFEST:
            _compare(unit, counts)
        columns = _MAPPERS[file.kind](unit, file, known)
        if columns is not None:
            yield Row(file.path, at, record=columns)
    except Unreadable as error:
        yield Row(file.path, at, fault=error.reason)


@dataclass
class Counted:
    """How much there is of one kind, over all its files."""

    elements: int = 0
    units: int = 0
    files: int = 0

    def add(self, elements: int, units: int) -> None:
        self.elements, self.units, self.files = self.elements + elements, self.units + units, self.files + 1


def _compare(manifest: object, counts: Mapping[FileKind, Counted]) -> None:
    """The manifest's counts are texts and sometimes wrong: that is said once, and nothing depends on them."""
    said: dict[FileKind, Counted] = defaultdict(Counted)
    for data in mapping(mapping(manifest, "the manifest").get("dataTypes"), "the manifest's list of files").values():
        for file in listed(get(data, "files")):
            kind = kinds.kind(word(file, "fileName") or "?")
            if kind is not None and not kind.never and kind != kinds.MANIFEST:
                said[kind].add(number(get(file, "count")) or 0, 0)
    wrong = sorted(kind.name for kind in said if _differs(said[kind], counts.get(kind, Counted())))
    if wrong:
        raise Unreadable(f"the manifest and the files differ in how much there is of: {', '.join(wrong)}")


def _differs(said: Counted, found: Counted) -> bool:
    return said.files != found.files or said.elements not in (found.elements, found.units)


# Posts ------------------------------------------------------------------------------------------------------------

_NARROWED = re.compile("audience|circle|communit|exclusive|private|protected|scopes|subscri|super|trusted|visib")
"""A key of a post with one of these in its name may say who sees it, in words that nobody has specified."""
_NO_LANGUAGE = frozenset({"und", "zxx", "qam", "qct", "qht", "qme", "qst"})


def _post(row: object, file: File, known: Known) -> Columns:
    post = post_of(row)
    seen = _audience(post, file, known)
    kind = _kind_of(post)
    note = known.notes.get(post.id)
    if note is None:
        text, parts = plain(post.text), parts_of(post.said, post.id, post.text, known.exporter)
    else:
        text, parts = note.text, parts_with(post.said, note.core, note.text, known.exporter)
    first = known.first.get(post.id, post.id)
    return _kept_back({
        **_common(post.id, kind, known.exporter, seen),
        **_received(post.id),
        "language": _language(post.said.get("lang")),
        "created_at": post.made,
        "lifecycle": _lifecycle(post, file, known),
        "text": text,
        "categories": ["user.content.private" if file.kind == kinds.CIRCLE else "user.content.public"],
        "parties": reposted(post.said, post.text),
        "parts": seen_as(parts, seen),
        "revision_of": None if first == post.id else first,
        "revision": int(post.id),
        "parent_id": post.parent,
        "quoted_id": quoted(post.said, post.id) if kind == "quote" else None,
    })  # fmt: skip


def _common(id: str, kind: str, subject: str | None, seen: Said) -> Columns:
    """What every record says, and none where an archive has nothing of it: labels, people, signals, parts."""
    none: Columns = {"labels": [], "parties": [], "signals": [], "parts": []}
    return {"record_id": id, "kind": kind, "subject": subject, "lifecycle": "published", **seen, **none}


def _received(id: str) -> Columns:
    """When X received it: an id says when X's servers made it."""
    at = snowflake_time(id)
    return {"collected_at": at, "collected_evidence": "snowflake id" if at else None}


def _kept_back(columns: Columns) -> Columns:
    """A record that was deleted or never published keeps its place and nothing of its words."""
    if columns["lifecycle"] in ("deleted", "draft"):
        return {**columns, "text": None, "language": None, "parts": []}
    return columns


def _kind_of(post: Post) -> str:
    if REPOST.match(plain(post.text)):
        return "repost"
    if quoted(post.said, post.id):
        return "quote"
    answered = any(post.said.get(name) for name in ("in_reply_to_user_id_str", "in_reply_to_user_id"))
    return "reply" if post.parent or answered else "post"


def _language(said: object) -> str | None:
    return said if isinstance(said, str) and said and said not in _NO_LANGUAGE else None


def _lifecycle(post: Post, file: File, known: Known) -> str | None:
    """Deleted by its file, by its header, or because its newest version is no longer there."""
    newest = known.newest.get(post.id, post.id)
    if file.kind == kinds.DELETED or post.id in known.deleted:
        return "deleted"
    if newest != post.id and newest not in known.standing:
        return "deleted"
    return None if any(said for name, said in post.said.items() if name.startswith("withheld")) else "published"


def _audience(post: Post, file: File, known: Known) -> Columns:
    """The file's kind decides; otherwise a post is as public as its account."""
    if file.kind == kinds.CIRCLE:
        return _seen("circle", "circle", f"{file.name}: shared with a circle")
    if file.kind == kinds.COMMUNITY or _NARROWED.search(" ".join(post.said)):
        return _seen(None, None)
    return _as_its_account(file, known, snowflake_time(post.id) or post.made)


def _as_its_account(file: File, known: Known, made: datetime | None) -> Columns:
    """Public where nothing says that the account was closed: the gate asks the account's own facts as well."""
    history = "; protected-history.js" if known.protected else ""
    words = {True: "followers", False: "public", None: None}
    return _seen(
        words[known.closed_at(made)], words[known.closed_now], f"{file.name}: as public as its account{history}"
    )


def _seen(then: str | None, now: str | None, evidence: str | None = None) -> Columns:
    return {"audience_at": then, "audience_now": now, "audience_evidence": evidence if then or now else None}


def _long_text(row: object, file: File, known: Known) -> Columns | None:
    """A long text that belongs to no post for sure is a record of its own, and nobody knows who could see it."""
    note = note_of(row)
    deleted = file.kind == kinds.DELETED_NOTES
    if note.id in known.joined and not deleted:
        return None
    seen = _seen(None, None)
    return _kept_back({
        **_common(f"note:{note.id}", "post", known.exporter, seen),
        **_received(note.id),
        "created_at": note.made,
        "lifecycle": "deleted" if deleted else "published",
        "text": note.text,
        "categories": ["user.content.public"],
        "parts": seen_as(note_parts(note.core, note.text, {}), seen),
    })  # fmt: skip


# What is no post --------------------------------------------------------------------------------------------------


def _like(row: object, _file: File, known: Known) -> Columns:
    """What somebody liked: the liker's behaviour. The liked words are another person's and are not kept."""
    liked = server_id(inner(row, "like").get("tweetId"))
    return {
        **_common(f"like:{known.exporter or '?'}:{liked}", "like", known.exporter, _seen(None, None)),
        "categories": ["user.behavior"],
        "parties": [party(None, "quoted_author")],
        "quoted_id": liked,
    }


def _profile(row: object, file: File, known: Known) -> Columns:
    """The profile as it is now: nothing says when it was written, so it is held."""
    said = inner(row, "profile")
    told = mapping(said.get("description", {}), "the profile's description")
    if not isinstance(told.get("bio", ""), str):
        raise Unreadable("the profile's words are no text")
    fields = (("location", "user.location.imprecise"), ("website", "user.contact.url"))
    beside = [part("field", category, content=word(told, name)) for name, category in fields if word(told, name)]
    pictures = [picture(said[name]) for name in ("avatarMediaUrl", "headerMediaUrl") if word(said, name)]
    seen = _as_its_account(file, known, None)
    return {
        **_common(f"profile:{known.exporter or '?'}", "profile", known.exporter, seen),
        "text": told.get("bio", ""),
        "categories": ["user.content.public"],
        "parts": seen_as([*beside, *pictures], seen),
    }


def _prompt(row: object, _file: File, known: Known) -> Columns:
    """A reply that somebody was asked to think over. What was sent in the end, if anything, is a post."""
    id = text_id(inner(row, "replyPrompt", "reply_prompt").get("promptId"), "the prompt's id")
    return {
        **_common(f"prompt:{id}", "reply", known.exporter, _seen("private", "private", "reply-prompt.js: never sent")),
        "lifecycle": "draft",
        "categories": ["user.content.private"],
    }


# Messages ---------------------------------------------------------------------------------------------------------

_EVENTS = frozenset(
    "messageCreate joinConversation participantsJoin participantsLeave conversationNameUpdate reactionCreate".split()
)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened in a conversation: which, the how many-th, and what is said of it."""

    conversation: str
    place: int
    said: Any


def _events(row: object) -> Iterator[Event | None]:
    """The events of a conversation; one that cannot be read as a whole is one row, a fault."""
    try:
        said = inner(row, "dmConversation")
        id = text_id(said.get("conversationId"), "the conversation's id")
    except Unreadable:
        said, id = {}, ""
    if not isinstance(said.get("messages"), list):
        yield None
        return
    for place, one in enumerate(said["messages"]):
        yield Event(id, place, one)


def _message(event: Event | None, file: File, _known: Known) -> Columns:
    """A message without a word of it and without whom it was to: it is counted, and refused by the floor."""
    if event is None:
        raise Unreadable("a conversation cannot be read")
    happened = mapping(event.said, "what happened in a conversation")
    name = next(iter(happened), "")
    if len(happened) != 1 or name not in _EVENTS:
        raise Unreadable("what happened in a conversation is of no known kind")
    said = mapping(happened[name], "what happened in a conversation")
    group = file.kind == kinds.GROUP_MESSAGES
    audience = "group" if group else "private"
    common = {
        **_common("", "message", None, _seen(audience, audience, f"{file.name}: a conversation")),
        "created_at": iso_time(said.get("createdAt")),
        "parties": [party(None, "conversation_partner" if group else "recipient")],
    }
    return {**common, **(_sent(said) if name == "messageCreate" else _happened(event, said))}


def _sent(said: Said) -> Columns:
    id = server_id(said.get("id"))
    sender = text_id(said.get("senderId"), "the sender's id")
    category = "user.communication.message.content"
    return {"record_id": id, "subject": sender, **_received(id), "categories": [category]}


def _happened(event: Event, said: Said) -> Columns:
    """Somebody came, went or renamed it: such events have no id, so their place in the conversation is theirs."""
    id = f"event:{event.conversation}:{event.place}"
    category = "user.communication.message.metadata"
    return {"record_id": id, "subject": person(said.get("initiatingUserId")), "categories": [category]}


# Articles ---------------------------------------------------------------------------------------------------------

_PUBLISHED_AT = ("lastPublishedAtMs", "publishedAtMs", "firstPublishedAtMs")
_STATES = {"published": "published", "draft": "draft"}
_PLAIN_BLOCK = frozenset({"key", "text", "type", "depth", "inlineStyleRanges", "entityRanges", "data"})
_PLAIN_ARTICLE = frozenset({"id", "title", "content", "data"})


def _article(row: object, file: File, known: Known) -> Columns:
    """An article, published only where that is surely said of it; its time is when X published these words."""
    article = inner(row, "article", "twitterArticle")
    id = server_id(article.get("id"))
    state = known.articles.get(id, {})
    when = next((name for name in _PUBLISHED_AT if _millis(state.get(name)) is not None), None)
    at = _millis(state.get(when)) if when else None
    seen = _as_its_account(file, known, at)
    text, parts = _article_text(article)
    return _kept_back({
        **_common(id, "article", known.exporter, seen),
        "language": None,
        "created_at": at,
        "collected_at": at,
        "collected_evidence": f"article-metadata.js: {when}" if when else None,
        "lifecycle": _STATES.get(_state_of(state)),
        "text": text,
        "categories": ["user.content.public"],
        "parts": seen_as(parts, seen),
    })  # fmt: skip


def _state_of(state: Said) -> str:
    said = state.get("visibility", get(get(state.get("lifecycleState"), "lifecycle"), "name"))
    return said.lower() if isinstance(said, str) else ""


def _millis(said: object) -> datetime | None:
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) <= 14:
        said = int(said)
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said < 10**14:
        return None
    return EPOCH + timedelta(milliseconds=said)


def _article_text(article: Said) -> tuple[str | None, list[Part] | None]:
    """Title and paragraphs. Whatever is richer than text (people, pictures, posts in it) makes the parts unknown."""
    held = article.get("content", article.get("data"))
    blocks = get(held, "blocks") if isinstance(held, dict) else held
    if not isinstance(blocks, list) or not all(isinstance(get(block, "text"), str) for block in blocks):
        return None, None
    text = "\n\n".join([*filter(None, [word(article, "title")]), *(block["text"] for block in blocks)])
    poor = set(article) <= _PLAIN_ARTICLE and not get(held, "entityMap") and all(map(_is_plain, blocks))
    return text, [] if poor else None


def _is_plain(block: Said) -> bool:
    return set(block) <= _PLAIN_BLOCK and not block.get("data") and not block.get("entityRanges")


# Evidence, and the table of it all --------------------------------------------------------------------------------

Mapper = Callable[[Any, File, Known], Columns | None]


def _evidence(read: Callable[[object], object]) -> Mapper:
    """Rows that are no records; each is looked at once more, so that one that cannot be read is counted."""

    def look(row: object, _file: File, _known: Known) -> Columns | None:
        read(row)
        return None

    return look


_MAPPERS: Mapping[FileKind, Mapper] = {
    **dict.fromkeys(POSTS, _post),
    kinds.NOTES: _long_text,
    kinds.DELETED_NOTES: _long_text,
    kinds.ARTICLES: _article,
    kinds.MESSAGES: _message,
    kinds.GROUP_MESSAGES: _message,
    kinds.LIKES: _like,
    kinds.PROFILE: _profile,
    kinds.PROMPTS: _prompt,
    kinds.MANIFEST: _evidence(lambda row: mapping(row, "the manifest")),
    kinds.ACCOUNT: _evidence(account_of),
    kinds.PROTECTED: _evidence(protection_of),
    kinds.DELETED_HEADERS: _evidence(deleted_of),
    kinds.ARTICLE_STATES: _evidence(article_state_of),
}
