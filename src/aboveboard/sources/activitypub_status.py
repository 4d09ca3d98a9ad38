"""One status of the Mastodon API as the columns of a record.

``visibility`` says who may see it; ids are those of the server that answered, so one export comes from one server.
Specification: docs/formats/exports-activitypub.md (Mastodon API, entities Status, Account, Quote).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aboveboard.sources import activitypub_parts as parts
from aboveboard.sources.activitypub_parts import Actor, Columns, Context, Person
from aboveboard.sources.html_text import Shown, shown
from aboveboard.sources.values import Unreadable, iso_time, mapping, text_id

VISIBILITIES = {
    "public": "public", "unlisted": "unlisted", "private": "followers", "limited": "circle", "direct": "private",
}  # fmt: skip
"""Any other word is unknown."""

QUOTE_STATES: Mapping[str, list[str]] = {
    "accepted": [], "revoked": ["quote_authorisation_revoked"], "rejected": ["quote_authorisation_revoked"],
}  # fmt: skip
"""What the state of a quote says about the permission to quote; any other leaves it unknown."""


def is_status(item: Mapping[str, Any]) -> bool:
    """Whether an object is a status: it has an account and what only a status has, and no ActivityStreams type."""
    told = {"visibility", "content", "reblog", "spoiler_text"} & set(item)
    return "account" in item and bool(told) and "type" not in item and "@type" not in item


def columns(item: Mapping[str, Any], context: Context) -> Columns:
    """The record that a status is. Raises Unreadable for what is malformed."""
    record_id, account = text_id(item.get("id"), "the id of a status"), _account(item)
    if item.get("content") is None and "text" in item:  # so the API answers when a status has been deleted
        return parts.deletion(record_id, account.id)
    audience, evidence = parts.narrowest(_audiences(item, "status"))
    common = {
        "record_id": record_id, "subject": account.id, "lifecycle": parts.lifecycle(account), "revision": _edited(item),
        "created_at": iso_time(item.get("created_at")), **_received(record_id, item, context), **_home(item),
        **parts.audience_columns(audience, evidence), "labels": [], "parties": [],
        "signals": parts.signals(account, context.wishes),
    }  # fmt: skip
    if item.get("reblog") is not None:
        return {**common, **_boost(mapping(item["reblog"], "what is boosted"))}
    if audience == "private":
        return {**common, **_message(item)}
    return {**common, **_post(item, audience)}


def _account(item: Mapping[str, Any]) -> Actor:
    said = item.get("account")
    if not isinstance(said, dict) or said.get("id") is None:
        return Actor(None)
    return Actor(text_id(said["id"], "the id of an account"), None, _wish(said), said.get("suspended") is True)


def _wish(account: Mapping[str, Any]) -> bool | None:
    """Whether an account agrees to be indexed: False where it says no in any of the ways there are."""
    if account.get("indexable") is False or account.get("discoverable") is False or account.get("noindex") is True:
        return False
    return True if account.get("indexable") is True else None


def _audiences(item: Mapping[str, Any], name: str) -> Iterator[tuple[str | None, str]]:
    """What a status says of who may see it, and of what it passes on; glitch-soc keeps some on their server."""
    said = item.get("visibility")
    yield VISIBILITIES.get(said) if isinstance(said, str) else None, f"{name}.visibility"
    if item.get("local_only") not in (None, False):
        yield "logged_in", f"{name}.local_only"
    if isinstance(item.get("reblog"), dict) and name == "status":
        yield from _audiences(item["reblog"], "reblog")


def _edited(item: Mapping[str, Any]) -> int | None:
    """0 for a first version, the moment of the edit in microseconds for others, None where it cannot be read."""
    if item.get("edited_at") is None:
        return 0
    moment = iso_time(item["edited_at"])
    return parts.micros(moment) if moment is not None else None


def _received(record_id: str, item: Mapping[str, Any], context: Context) -> Columns:
    """When the server got it: ids of its own statuses say so, those it gives to others' repeat what they claim."""
    here = context.server is not None and parts.host(_text(item, "uri")) == context.server and not _foreign(item)
    if not here or item.get("edited_at") is not None:
        return {}
    moment = parts.minted(record_id, iso_time(item.get("created_at")))
    return {"collected_at": moment, "collected_evidence": "id (Mastodon snowflake)"} if moment else {}


def _foreign(item: Mapping[str, Any]) -> bool:
    """Whether the author is of another server: then the account's name says of which."""
    account = item.get("account")
    return not isinstance(account, dict) or "@" in (_text(account, "acct") or "@")


def _home(item: Mapping[str, Any]) -> Columns:
    return {"origin": "federated"} if _foreign(item) else {}


def _text(item: Mapping[str, Any], key: str) -> str | None:
    said = item.get(key)
    return said if isinstance(said, str) else None


# --- what a status is ------------------------------------------------------------------------------------------


def _boost(original: Mapping[str, Any]) -> Columns:
    return {
        "kind": "repost", "text": "", "categories": ["user.content.public"], "parts": [],
        "quoted_id": text_id(original.get("id"), "the id of what is boosted"),
        "parties": [parts.party(_account(original).id, "quoted_author")],
    }  # fmt: skip


def _message(item: Mapping[str, Any]) -> Columns:
    """Never what it says: only that there is one, and between whom."""
    return {
        "kind": "message", "text": None, "categories": ["user.communication.message.content"], "parts": [],
        "parties": [parts.party(one.subject, "recipient") for one in _people(item)],
    }  # fmt: skip


def _post(item: Mapping[str, Any], audience: str | None) -> Columns:
    said = item.get("content")
    if said is not None and not isinstance(said, str):
        raise Unreadable("the content is no text")
    text = shown(said or "")
    quoted = _quoted(item)
    return {
        "kind": "reply" if item.get("in_reply_to_id") is not None else "quote" if quoted is not None else "post",
        "text": text.text if said is not None else None, "language": _text(item, "language"),
        "categories": parts.categories(audience), "parent_id": _optional_id(item.get("in_reply_to_id")),
        "quoted_id": quoted[0] if quoted else None, "parts": _parts(item, text, quoted, audience),
    }  # fmt: skip


def _optional_id(value: object) -> str | None:
    return text_id(value, "the id of what is answered or quoted") if value is not None else None


def _quoted(item: Mapping[str, Any]) -> tuple[str | None, str | None, str] | None:
    """What is quoted, by whom, and the state of that quote; None where nothing is."""
    quote = item.get("quote")
    if isinstance(quote, dict) and "state" in quote:
        inner, state = quote.get("quoted_status"), _text(quote, "state") or ""
        beside = quote.get("quoted_status_id")
    elif isinstance(quote, dict):  # other servers put the quoted status itself there, and know no permission
        inner, state, beside = quote, "accepted", None
    else:
        inner, state, beside = None, "accepted", item.get("quote_id", item.get("quoted_status_id"))
        if beside is None and quote in (None, False):
            return None
    if not isinstance(inner, dict):
        return _optional_id(beside), None, state
    return _optional_id(inner.get("id")), _account(inner).id, state


# --- parts -----------------------------------------------------------------------------------------------------


def _parts(
    item: Mapping[str, Any], text: Shown, quoted: tuple[str | None, str | None, str] | None, audience: str | None
) -> list[Columns] | None:
    """Everything but the words themselves; None where something is there that cannot be read."""
    try:
        return [
            *parts.mentions(text, _people(item), audience),
            *(_quote(text, quoted, audience) if quoted else ()),
            *(parts.media(audience, _address(one)) for one in _objects(item.get("media_attachments"), "media")),
            *_card(item, audience),
            *parts.fields(audience, _beside(item)),
        ]
    except Unreadable:
        return None


def _objects(value: object, what: str) -> Sequence[Mapping[str, Any]]:
    """A list the API always gives: where it is missing, nobody knows what would be in it."""
    if not isinstance(value, list):
        raise Unreadable(f"{what} that are no list")
    return [mapping(one, what) for one in value]


def _people(item: Mapping[str, Any]) -> list[Person]:
    return [
        Person(
            _optional_id(one.get("id")), tuple(filter(None, (_text(one, "url"), _text(one, "uri")))),
            _text(one, "acct") or _text(one, "username") or "",
        )
        for one in _objects(item.get("mentions"), "mentions")
    ]  # fmt: skip


def _quote(text: Shown, quoted: tuple[str | None, str | None, str], audience: str | None) -> Iterator[Columns]:
    _, author, state = quoted
    gone = {"source_state": "deleted"} if state == "deleted" else {}
    spans: list[tuple[int, int] | None] = [(one.start, one.end) for one in text.quotes]
    for span in spans or [None]:
        yield {**parts.quote(audience, span, author, QUOTE_STATES.get(state)), **gone}


def _address(media: Mapping[str, Any]) -> str | None:
    return _text(media, "url") or _text(media, "remote_url")


def _card(item: Mapping[str, Any], audience: str | None) -> Iterator[Columns]:
    """A link card, by its address: what the page says is not this author's."""
    if item.get("card") is not None:
        yield parts.part("card", audience, content=_text(mapping(item["card"], "a card"), "url"))


def _beside(item: Mapping[str, Any]) -> Iterator[str]:
    """A content warning, which is plain text here, and the answers of a poll."""
    yield _text(item, "spoiler_text") or ""
    if item.get("poll") is not None:
        for answer in _objects(mapping(item["poll"], "a poll").get("options"), "answers"):
            yield _text(answer, "title") or ""
