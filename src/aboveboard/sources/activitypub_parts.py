"""What both forms of ActivityPub data share: the people of an export, parts of a post, mentions found in the text.

Pure functions on plain values. Both forms give columns of ``record.SOURCE_COLUMNS``; what nobody said is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from aboveboard import vocabulary
from aboveboard.sources.html_text import Marked, Shown
from aboveboard.sources.values import EPOCH, Unreadable

Columns = dict[str, Any]

DELETED = 2**62
"""The revision of a deletion: after every edit, so that an edit that arrives later revives nothing."""
SNOWFLAKES_SINCE = datetime(2017, 10, 1, tzinfo=UTC)
"""Mastodon 2.0 began to make ids of the time; before, they were plain counters."""
SLACK = timedelta(hours=1)
"""How far an id's time may lie from the time its server states; further off it is no id of this make."""

MOST_PEOPLE = 1_000
"""A post that names more is refused: finding each of them takes time."""

REFUSED = ({"code": "signal.indexable_false", "purpose": None},)
WISHES = ("actor", "strict", "elsewhere")
"""What is made of wishes nobody stated: see ``signals``."""

_FEW = frozenset({"followers", "circle", "group", "private"})


@dataclass(frozen=True, slots=True)
class Actor:
    """What an export says of an account. ``wish``: may it be indexed; None where that is not said."""

    id: str | None
    followers: str | None = None
    wish: bool | None = None
    suspended: bool = False
    gone: bool = False


@dataclass(frozen=True)
class Context:
    """What the rows of an export are read against: the accounts it describes and what its mapping says."""

    actors: Mapping[str, Actor] = field(default_factory=dict)
    server: str | None = None
    wishes: str = "actor"

    def actor(self, id: str | None) -> Actor | None:
        return self.actors.get(id) if id is not None else None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody a post names: the stable id, where links to them may lead, and what they are called in the text."""

    subject: str | None
    hrefs: tuple[str, ...] = ()
    name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """``@anna@example.org`` and ``@anna``, the longer one first."""
        whole = "@" + self.name.strip().lstrip("@").casefold()
        return (whole, "@" + whole[1:].partition("@")[0]) if len(whole) > 1 else ()


# --- the record as a whole -------------------------------------------------------------------------------------


def signals(actor: Actor | None, wishes: str) -> list[dict[str, Any]] | None:
    """The wish of an account as a signal; None where it is not known.

    FEP-5feb speaks of search and reads an absent ``indexable`` as no (``strict``). By default what an actor document
    leaves out is no wish, while an account without a document may have one. ``elsewhere``: wishes come as choices.
    """
    if actor is not None and actor.wish is not None:
        return [] if actor.wish else list(REFUSED)
    if wishes == "strict":
        return list(REFUSED)
    return None if actor is None and wishes == "actor" else []


def lifecycle(actor: Actor | None) -> str:
    """A post stands no longer than its account."""
    if actor is not None and actor.gone:
        return "deleted"
    return "removed" if actor is not None and actor.suspended else "published"


def deletion(record_id: str, subject: str | None, kind: str | None = None) -> Columns:
    """The row that says that a record is gone; nothing of it is kept."""
    return {
        "record_id": record_id, "subject": subject, "kind": kind, "lifecycle": "deleted", "upstream": "deleted",
        "revision": DELETED, "categories": ["user.content"], "labels": [], "parties": [], "signals": [], "parts": [],
    }  # fmt: skip


def categories(audience: str | None) -> list[str]:
    return ["user.content.private" if audience in _FEW else "user.content.public"]


def narrowest(said: Iterable[tuple[str | None, str]]) -> tuple[str | None, str | None]:
    """Of several audiences the narrowest and its evidence; unknown where one of them or all are."""
    ranked = list(said)
    if not ranked or any(audience is None for audience, _ in ranked):
        return None, None
    return max(ranked, key=lambda one: vocabulary.AUDIENCES.index(one[0] or ""))


def audience_columns(audience: str | None, evidence: str | None) -> Columns:
    return {"audience_at": audience, "audience_now": audience, "audience_evidence": evidence if audience else None}


def minted(id: str, stated: datetime | None) -> datetime | None:
    """When a Mastodon server made a status id: milliseconds << 16. None where that is not what the id says."""
    if not re.fullmatch("[0-9]{1,19}", id) or int(id) >= 2**63 or stated is None:
        return None
    moment = EPOCH + timedelta(milliseconds=int(id) >> 16)
    return moment if moment >= SNOWFLAKES_SINCE and abs(moment - stated) <= SLACK else None


def micros(moment: datetime) -> int:
    """A moment as a revision: later edits are greater ones, and the first version is 0."""
    return max(1, (moment - EPOCH) // timedelta(microseconds=1))


def host(url: str | None) -> str | None:
    """The host that an address names, with its port; None where it names none."""
    try:
        return urlsplit(url).netloc.casefold() or None if url else None
    except ValueError:
        return None


# --- parts -----------------------------------------------------------------------------------------------------


def party(subject: str | None, role: str) -> Columns:
    return {"subject": subject, "role": role}


def part(
    kind: str, audience: str | None, *, content: str | None = None, span: tuple[int, int] | None = None
) -> Columns:
    """A part as open as its record, about nobody else, with nothing special about it."""
    return {
        "kind": kind, "categories": categories(audience), "labels": [], "audience_at": audience,
        "audience_now": audience, "parties": [], "signals": [], "source_state": "own",
        "place": "span" if span else "field", "start": span[0] if span else None, "end": span[1] if span else None,
        "content": content,
    }  # fmt: skip


def media(audience: str | None, url: str | None) -> Columns:
    """A picture, film or sound: whoever is in it, nobody has said."""
    return {**part("media", audience, content=url), "labels": ["unidentified_person"]}


def fields(audience: str | None, texts: Iterable[str]) -> list[Columns]:
    """Words beside the text: a warning, a title, the answers of a poll."""
    return [part("field", audience, content=text) for text in texts if text.strip()]


def quote(audience: str | None, span: tuple[int, int] | None, author: str | None, labels: list[str] | None) -> Columns:
    """That a record is quoted; its words are not here, so whether they still stand is for the relate pass to say."""
    return {
        **part("quote", audience, span=span), "labels": labels, "source_state": None,
        "parties": [party(author, "quoted_author")],
    }  # fmt: skip


def place(audience: str | None, name: str | None, at: tuple[float, float] | None) -> Columns:
    """Where somebody was: precise with coordinates, imprecise with no more than a name."""
    content = f"{at[0]},{at[1]}" if at else name
    key = "user.location.precise" if at else "user.location.imprecise"
    return {**part("geotag", audience, content=content), "categories": [key]}


# --- mentions --------------------------------------------------------------------------------------------------


def mentions(shown: Shown, people: Sequence[Person], audience: str | None) -> list[Columns]:
    """One part for every name in the text, and one beside it for everybody who is named but stands nowhere in it.

    A link that looks like a mention and leads to nobody in ``people`` mentions somebody unknown.
    """
    if len(people) > MOST_PEOPLE:
        raise Unreadable("a post that names more people than any post does")
    named = [(one, _who(one, shown.text, people)) for one in shown.links if _names(one, shown.text, people)]
    spans = [((one.start, one.end), person) for one, person in named]
    for person in people:
        if all(person is not other for _, other in spans):
            spans += [(span, person) for span in _said(shown.text, person, [taken for taken, _ in spans])] or [
                ((-1, -1), person)
            ]
    return [_mention(span if span[0] >= 0 else None, person, audience) for span, person in spans]


def _mention(span: tuple[int, int] | None, person: Person | None, audience: str | None) -> Columns:
    return {
        **part("mention", audience, span=span), "categories": ["user.account.username"],
        "parties": [party(person.subject if person else None, "mentioned")],
    }  # fmt: skip


def _names(link: Marked, text: str, people: Sequence[Person]) -> bool:
    """Whether a link is a mention: by its class, by an ``@`` in front, or because it leads to somebody named."""
    if "hashtag" in link.classes:
        return False
    if "mention" in link.classes or text.startswith("@", link.start):
        return True
    return any(link.href in person.hrefs for person in people)


def _who(link: Marked, text: str, people: Sequence[Person]) -> Person | None:
    """Whom a link names: whose address it has, else the only one of that name on that server, else nobody known."""
    by_address = next((one for one in people if link.href in one.hrefs), None)
    if by_address is not None:
        return by_address
    shown = text[link.start : link.end].strip().casefold()
    called = [one for one in people if shown in one.names]
    fits = [one for one in called if host(link.href) in [host(href) for href in one.hrefs]]
    return fits[0] if len({one.subject for one in fits}) == 1 else None


def _said(text: str, person: Person, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where a name stands in the text without a link."""
    for name in person.names:
        pattern = re.compile(rf"(?<![\w@/.]){re.escape(name)}(?![\w@])", re.IGNORECASE)
        free = [one.span() for one in pattern.finditer(text) if not _touched(one.span(), taken)]
        if free:
            return free
    return []


def _touched(span: tuple[int, int], taken: Sequence[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in taken)
