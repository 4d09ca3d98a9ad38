"""Reads what ActivityPub servers hand out: Mastodon archives, ActivityStreams 2 files, statuses of the Mastodon API.

The name of a file decides whether it is read at all; each of its objects then says by itself what it is. A file is
parsed whole before its first row is given, so that a damaged one is refused and never half read. Specification:
docs/formats/exports-activitypub.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from aboveboard import compliance
from aboveboard.compliance import RULES, Overheard
from aboveboard.errors import SourceError
from aboveboard.sources import activitypub_as2 as as2
from aboveboard.sources import activitypub_parts as parts
from aboveboard.sources import activitypub_status as status
from aboveboard.sources.activitypub_parts import Actor, Columns, Context
from aboveboard.sources.reader import Export, FileKind, Row
from aboveboard.sources.values import Unreadable, json_of, text_of

PICTURES = "pictures, films and sounds: the posts that show them name them"
PEOPLE = "whom somebody follows, blocks or mutes"
TALK = "private messages, and what happened between people"

KINDS: Sequence[tuple[str, FileKind]] = (
    (r"(.*/)?media_attachments/.*", FileKind("media", PICTURES)),
    (r"(.*/)?[^/.][^/]*\.(jpe?g|png|gif|webp|avif|heic|mp4|m4v|webm|mov|mp3|m4a|ogg|oga|opus|wav|flac)",
     FileKind("media", PICTURES)),
    (r"(.*/)?(followers|following|following_accounts|blocks|blocked_accounts|blocked_domains|domain_blocks|mutes|"
     r"muted_accounts|lists|contacts)\.(json|csv)", FileKind("people", PEOPLE)),
    (r"(.*/)?(conversations?|chats?|messages|direct|notifications?)\.(json|jsonl|csv)", FileKind("messages", TALK)),
    (r"(.*/)?actor\.json", FileKind("actor")),
    (r"(.*/)?likes\.json", FileKind("likes")),
    (r"(.*/)?bookmarks\.json", FileKind("bookmarks")),
    (r"(.*/)?[^/.][^/]*\.(json|jsonld)", FileKind("objects")),
    (r"(.*/)?[^/.][^/]*\.jsonl", FileKind("lines")),
)  # fmt: skip
"""Which files there are, by name; the first pattern that fits decides. What fits none is refused by its name."""

COLLECTIONS = frozenset({"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"})
HOLDERS = (frozenset({"ancestors", "descendants"}), frozenset({"statuses"}))
"""Answers of the API that hold statuses under these keys: a thread, a search."""
DEEPEST = 8

Item = Mapping[str, Any] | str | Unreadable


@dataclass(frozen=True, slots=True)
class ActivityPub:
    """The reader. ``server`` is the host whose own ids these are, ``wishes`` is explained in ``parts.signals``."""

    settings: Sequence[str] = ("server", "wishes")

    def kind(self, name: str) -> FileKind | None:
        """What kind of file this is, by its name alone."""
        return next((kind for pattern, kind in KINDS if re.fullmatch(pattern, name.lower(), re.DOTALL)), None)

    def rows(self, export: Export) -> Iterator[Row]:
        """Every object of every file, in order."""
        context = _context(export)
        owners = _owners(self, export)
        for name in export.names:
            kind = self.kind(name)
            owner = owners.get(str(PurePosixPath(name).parent))
            for number, item in enumerate(_items(export, name)):
                row = _row(name, number, item, kind.name if kind else "", owner, context)
                yield row if row.record is None else replace(row, told=_told(item))


READER = ActivityPub()


# --- rows ------------------------------------------------------------------------------------------------------


def _row(name: str, row: int, item: Item, kind: str, owner: str | None, context: Context) -> Row:
    try:
        return Row(name, row, record=_sound(_record(item, kind, owner, context)))
    except Unreadable as error:
        return Row(name, row, fault=error.reason)


def _record(item: Item, kind: str, owner: str | None, context: Context) -> Columns:
    if isinstance(item, Unreadable):
        raise item
    if isinstance(item, str):
        return _marked(item, kind, owner, context)
    if not isinstance(item, dict):
        raise Unreadable("a row that is no object")
    return status.columns(item, context) if status.is_status(item) else as2.columns(item, context)


def _marked(address: str, kind: str, owner: str | None, context: Context) -> Columns:
    """An entry of likes or bookmarks: no more than the address of what somebody marked."""
    if kind not in ("likes", "bookmarks") or not address.strip():
        raise Unreadable("a post that is not in the export, only its address")
    who = context.actor(owner)
    return {
        "record_id": f"{owner or ''}#{kind}/{address.strip()}", "kind": "like", "subject": owner, "text": "",
        "lifecycle": parts.lifecycle(who), "revision": 0, "categories": ["user.behavior"], "labels": [], "parties": [],
        "signals": parts.signals(who, context.wishes), "parts": [],
    }  # fmt: skip


def _sound(columns: Columns) -> Columns:
    """JSON can hold halves of characters, which no text can."""
    try:
        json.dumps(columns, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise Unreadable("a text that is no Unicode") from None
    return columns


# --- what happened afterwards ------------------------------------------------------------------------------------

EVENTS = ("Delete", "Update", "Undo")
"""Activities that say what became of something; in a compliance stream they say the same."""
SAID = frozenset({
    "@context", "id", "type", "actor", "object", "published", "updated", "deleted", "suspended", "formerType", "atomUri", "to",
    "cc",
})  # fmt: skip
"""What is kept of such an activity. INVARIANT: no words of anybody: whoever vouches for an event vouches for what it says."""


def _told(item: Item) -> Overheard | None:
    """What an activity says by the table of streams; None where it is no such activity, or says nothing."""
    if not isinstance(item, dict) or item.get("type") not in EVENTS:
        return None
    event = _bare(item)
    if event != item:
        event.pop("id", None)  # it is not all of the activity that has this id
    who = as2.ids(item.get("actor"))
    gone = item["type"] == "Delete" and len(who) == 1 and who == as2.ids(item.get("object"))
    rule = RULES["activitypub", "Delete (of oneself)" if gone else "any other activity"]
    found = compliance.overheard("activitypub", event, who[0] if gone else None, rule)
    return found if found.told else None


def _bare(said: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """An activity without what need not be kept, and so are the things that it holds. Whatever lies deeper than anybody asks
    for is not kept: a file may put things into things without end."""
    kept = {name: _bare(one, depth + 1) if isinstance(one, dict) else one
            for name, one in said.items() if name in SAID and not (isinstance(one, dict) and depth >= DEEPEST)}  # fmt: skip
    return {name: one for name, one in kept.items() if name == "@context" or not _holds_things(one)}


def _holds_things(said: object) -> bool:
    return isinstance(said, list) and not all(isinstance(one, str) for one in said)


# --- files -----------------------------------------------------------------------------------------------------


def _items(export: Export, name: str) -> list[Item]:
    """What a file holds, each object by itself. Raises SourceError where the file as a whole cannot be read."""
    try:
        text = text_of(export.read(name))
        return _lines(text) if name.lower().endswith(".jsonl") else list(_flat(_json(text), 0))
    except Unreadable as error:
        raise SourceError(f"a file that cannot be read: {error.reason}", file=name) from None


def _json(text: str) -> Any:
    return json_of(text, joined=frozenset({"orderedItems"}))  # Mastodon has written it twice


def _lines(text: str) -> list[Item]:
    return [item for line in text.split("\n") if line.strip() for item in _line(line)]


def _line(line: str) -> list[Item]:
    try:
        return list(_flat(_json(line), 0))
    except Unreadable as error:
        return [error]


def _flat(value: Any, depth: int) -> Iterator[Item]:
    """The objects in lists and collections; anything else is one."""
    held = _held(value)
    if isinstance(value, Unreadable):
        yield value
    elif held is None:
        yield value if isinstance(value, dict | str) else Unreadable("a row that is no object")
    elif depth > DEEPEST:
        yield Unreadable("collections in collections in collections")
    else:
        for one in held:
            yield from _flat(one, depth + 1)


def _held(value: Any) -> Sequence[Any] | None:
    """What a list or a collection holds; None where a value is neither."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    if COLLECTIONS & set(as2.types(value)):
        return _members(value)
    keys = next((keys for keys in HOLDERS if keys <= set(value) and not as2.types(value)), None)
    return [value[key] for key in sorted(keys)] if keys else None


def _members(collection: Mapping[str, Any]) -> Sequence[Any]:
    """The items of a collection, and of its first page where that is in it. A page that is elsewhere is a fault."""
    found = [collection[key] for key in ("orderedItems", "items") if collection.get(key) is not None]
    first = collection.get("first")
    if isinstance(first, dict):
        found.append(first)
    missing = not found and collection.get("totalItems") != 0
    return [*found, *([Unreadable("a collection whose items are not in the export")] if missing else [])]


# --- accounts --------------------------------------------------------------------------------------------------


def _context(export: Export) -> Context:
    server, wishes = export.settings.get("server"), export.settings.get("wishes", "actor")
    if server is not None and not isinstance(server, str):
        raise SourceError("`server` is no host", hint='such as server = "mastodon.example"')
    if wishes not in parts.WISHES:
        raise SourceError("`wishes` is none of its words", hint=", ".join(parts.WISHES))
    return Context(_actors(export), server.casefold() if server else None, wishes)


def _owners(reader: ActivityPub, export: Export) -> dict[str, str]:
    """Whose archive lies in a folder: the account of its actor.json."""
    found = {}
    for name in export.names:
        kind = reader.kind(name)
        if kind is not None and kind.name == "actor":
            ids = [one for item in _items(export, name) if isinstance(item, dict) for one in as2.ids(item)]
            if len(ids) == 1 and ids[0] is not None:
                found[str(PurePosixPath(name).parent)] = ids[0]
    return found


def _actors(export: Export) -> dict[str, Actor]:
    """Every account that a document of the export describes or a Delete ends, wherever it stands."""
    found: dict[str, list[Actor]] = {}
    for name in export.names:
        if _may_describe(export, name):
            for one in (one for item in _items(export, name) for one in _described(item)):
                found.setdefault(one.id or "", []).append(one)
    merged = {id: as2.merged(said) for id, said in found.items() if id}
    return {id: one for id, one in merged.items() if one is not None}


def _may_describe(export: Export, name: str) -> bool:
    """Whether a file can hold such a document at all, so that a large outbox is not parsed twice."""
    try:
        return _DESCRIBES.search(text_of(export.read(name))) is not None
    except Unreadable as error:
        raise SourceError(f"a file that cannot be read: {error.reason}", file=name) from None


_DESCRIBES = re.compile(rf'"({"|".join(sorted(as2.ACTORS))}|Delete)"|\\u00[4-7]')
"""The types in question, or letters written as escapes, behind which they might hide."""


def _described(item: Item) -> Iterator[Actor]:
    """The actor documents that an item is or holds; a Delete of oneself is the end of an account."""
    if not isinstance(item, dict):
        return
    kinds = set(as2.types(item))
    if as2.ACTORS & kinds:
        yield as2.actor(item)
    inner = item.get("object")
    if kinds & {"Create", "Update"} and isinstance(inner, dict) and as2.ACTORS & set(as2.types(inner)):
        yield as2.actor(inner)
    if "Delete" in kinds and as2.ids(inner) == as2.ids(item.get("actor")):
        yield from (Actor(one, gone=True) for one in as2.ids(inner))
