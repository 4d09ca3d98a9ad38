"""Reads payloads of X's API: v1.1, v2, Gnip activity streams and compliance events, as JSON or JSON Lines.

Every payload of a file becomes a record, or a fault; the posts inside a payload (the original of a retweet, a quoted
or included post) become records of their own. Blank lines and notices about the stream itself are no payloads.
Specification: docs/formats/exports-x-api.md.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from aboveboard.errors import SourceError
from aboveboard.sources import x_api_activity, x_api_compliance, x_api_v1, x_api_v2
from aboveboard.sources.container import MEMBER_BYTES, RATIO, RATIO_FROM
from aboveboard.sources.reader import Export, FileKind, Row
from aboveboard.sources.values import Unreadable, json_of, text_of
from aboveboard.sources.x_api_compliance import Pending
from aboveboard.sources.x_api_post import Columns, Make, Thing, profile, thing, things, x_id
from aboveboard.sources.x_api_v2 import ASKED_ALONE, Context

KINDS = {".json": "payloads", ".jsonl": "payloads, one a line", ".ndjson": "payloads, one a line"}
"""File kinds by their ending; each may be packed (``.gz``)."""
RESPONSE = frozenset({"data", "includes", "errors", "meta"})
MESSAGE = frozenset({
    "event_type", "dm_conversation_id", "dm_event_id", "participant_ids", "message_create", "sender", "recipient",
    "sender_id", "sender_id_str", "recipient_id", "recipient_id_str", "sender_screen_name", "recipient_screen_name",
})  # fmt: skip
MESSAGE_V2 = frozenset({"event_type", "dm_conversation_id", "dm_event_id"})
"""Keys that only messages have. They have ids and texts as posts do, so these are looked for first."""
NOTICES = frozenset({"info", "limit", "warning", "disconnect", "control", "friends", "friends_str", "error"})
"""What a stream says about itself."""
LISTS = ("statuses", "users", "events")
"""The lists that responses of v1.1 are wrapped in."""

Place = tuple[str, int]


@dataclass(frozen=True)
class XApi:
    """The reader. It holds nothing; ``tweet_fields`` of the mapping says which fields a v2 request asked for."""

    settings: tuple[str, ...] = ("tweet_fields",)

    def kind(self, name: str) -> FileKind | None:
        known = KINDS.get(_ending(name))
        return FileKind(f"x_api {known}") if known is not None else None

    def rows(self, export: Export) -> Iterator[Row]:
        asked, pending = _asked(export.settings), Pending()
        for name in export.names:
            for number, said, around in _elements(name, export.read(name), asked):
                event = x_api_compliance.event(said)
                if event is not None:
                    pending.take(name, number, *event)
                    continue
                for make in _found(said, around):
                    row = _row((name, number), make)
                    pending.saw(row.record)
                    yield row
        for name, number, make, told in pending.made():
            row = _row((name, number), make)
            yield replace(row, told=told(row.record)) if row.record is not None else row


READER = XApi()


def _ending(name: str) -> str:
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _asked(settings: Mapping[str, Any]) -> frozenset[str]:
    """The fields that the request asked for, as a list or as they stand in its address."""
    said = settings.get("tweet_fields", [])
    listed = said.split(",") if isinstance(said, str) else said
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise SourceError("`tweet_fields` is no list of fields", hint="as in the request's `tweet.fields`")
    return ASKED_ALONE | {one.strip() for one in listed}


# --- files ---------------------------------------------------------------------------------------------------


def _elements(name: str, data: bytes, asked: frozenset[str]) -> Iterator[tuple[int, object, Context]]:
    """What a file holds, with what stands around it. The number is that of the line, or in one document that of the
    element. An Unreadable stands for what could not be read.
    """
    text = _read(partial(text_of, _unpacked(name, data)), name)
    document = _document(name, text)
    if document is None:
        for row, said in _lines(name, text):
            yield from ((row, *one) for one in _spread(said, asked))
        return
    listed = document if isinstance(document, list) else [document]
    for row, one in enumerate(one for said in listed for one in _spread(said, asked)):
        yield row, *one


def _document(name: str, text: str) -> object:
    """The one JSON value that a file is; None where it is JSON Lines."""
    if _ending(name) != ".json":
        return None
    try:
        return json_of(text)
    except Unreadable:
        return None if _is_lines(text) else _read(partial(json_of, text), name)


def _unpacked(name: str, data: bytes) -> bytes:
    """The bytes of a file, unpacked where its name says so and only as far as any export goes."""
    if not name.lower().endswith(".gz"):
        return data
    try:
        with gzip.open(io.BytesIO(data)) as packed:
            most = min(MEMBER_BYTES, max(RATIO * len(data), RATIO_FROM))
            found = packed.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise SourceError("the packed file is damaged", file=name, hint="download it again") from None
    if len(found) > most:
        raise SourceError("a file that unpacks out of all proportion", file=name, hint=f"at most {most:,} bytes")
    return found


def _read(parse: Callable[[], Any], name: str) -> Any:
    try:
        return parse()
    except Unreadable as fault:
        where = getattr(fault.__context__, "pos", None)
        place = {"offset": where} if isinstance(where, int) else {}
        raise SourceError(fault.reason, file=name, hint="repair the file or leave it out", **place) from None


def _is_lines(text: str) -> bool:
    """Whether a file that is no JSON as a whole is JSON Lines: its first line is an object, and there are more."""
    filled = [line for line in text.split("\n") if line.strip()]
    return len(filled) > 1 and isinstance(_line(filled[0]), dict)


def _lines(name: str, text: str) -> Iterator[tuple[int, object]]:
    """Lines end with a line feed and nothing else: a text may hold every other line end as it is."""
    good = bad = 0
    for row, line in enumerate(text.split("\n")):
        if line.strip():
            said = _line(line)
            bad, good = bad + isinstance(said, Unreadable), good + (not isinstance(said, Unreadable))
            yield row, said
    if bad and not good:
        raise SourceError("no line of the file is JSON", file=name, hint="one payload a line, or a file of one list")


def _line(line: str) -> object:
    try:
        return json_of(line)
    except Unreadable as fault:
        return fault


# --- payloads ------------------------------------------------------------------------------------------------


def _spread(said: object, asked: frozenset[str]) -> Iterator[tuple[object, Context]]:
    """The objects in one payload: of a response each in its lists, else the payload itself."""
    alone = Context(asked)
    if not isinstance(said, dict) or {"id", "id_str"} & said.keys():
        yield said, alone
    elif RESPONSE & said.keys():
        try:
            yield from _response(said, asked)
        except Unreadable as fault:
            yield fault, alone
    elif any(isinstance(said.get(name), list) for name in LISTS):
        yield from ((one, alone) for name in LISTS for one in _listed(said.get(name)))
    elif not (len(said) == 1 and NOTICES & said.keys()):
        yield said, alone


def _response(said: Thing, asked: frozenset[str]) -> list[tuple[object, Context]]:
    """``data``, the posts that are included with it, and every error: an error about a post is an answer too."""
    around = x_api_v2.context(said.get("includes"), asked)
    included = things((thing(said.get("includes"), "includes") or {}).get("tweets"), "included posts")
    return [(one, around) for one in (*_listed(said.get("data")), *included, *_listed(said.get("errors")))]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _found(said: object, around: Context) -> Iterator[Make]:
    """The records of one object, whatever it is. The order matters: a message looks like a post."""
    if isinstance(said, Unreadable):
        yield _fault(said.reason)
    elif not isinstance(said, dict):
        yield _fault("a payload is no object")
    elif MESSAGE & said.keys():
        yield partial(x_api_v2.dm if MESSAGE_V2 & said.keys() else x_api_v1.dm, said)
    elif (message := _wrapped(said)) is not None:
        yield partial(x_api_v1.dm, message)
    elif said.get("objectType") == "activity" or "verb" in said:
        yield from x_api_activity.found(said)
    elif "text" in said or "full_text" in said:
        yield from x_api_v2.found(said, around) if _is_v2(said) else x_api_v1.found(said)
    elif "screen_name" in said:
        yield from x_api_v1.account(said)
    elif "username" in said:
        yield lambda: profile(x_id(said.get("id"), "the id of an account"))
    else:
        yield _fault("a payload of a kind that is not known")


def _wrapped(said: Thing) -> Thing | None:
    """The message in an envelope of its own."""
    inner = next((said[name] for name in ("direct_message", "event") if isinstance(said.get(name), dict)), None)
    return inner if inner is not None and MESSAGE & inner.keys() else None


def _is_v2(said: Thing) -> bool:
    return isinstance(said.get("id"), str) and not {"id_str", "user", "full_text"} & said.keys()


def _row(place: Place, make: Make) -> Row:
    try:
        columns = make()
        _writable(columns)
    except Unreadable as fault:
        return Row(*place, fault=fault.reason)
    return Row(*place, record=columns)


def _writable(value: object) -> None:
    """Half a surrogate pair is JSON but no text: it can neither be written nor shown."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unreadable("a text that is no Unicode") from None
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _writable(one)


def _fault(reason: str) -> Make:
    def raises() -> Columns:
        raise Unreadable(reason)

    return raises
