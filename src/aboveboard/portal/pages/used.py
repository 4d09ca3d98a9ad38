"""M4, What of mine was used, what was not, and why: item by item, with the clause, the choice in force, and the proof.

An item with other people in it is told with one sentence and neither as in nor as out (docs/adr/0008).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import islice
from typing import Any

from aboveboard import reasons
from aboveboard.choice import explicit, fold, sensitive, takes_out
from aboveboard.portal import items
from aboveboard.portal.asking import Asked, Given, NotThere, Page, whole
from aboveboard.portal.choosing import Person
from aboveboard.portal.items import STATES, Item, Wanted
from aboveboard.portal.pages import shared
from aboveboard.portal.published import Published, line

MOST = 25
COLUMNS = (
    "number", "source", "record", "kind", "categories", "collected_at", "state", "outcome", "reason", "sentence", "clause",
    "collected_under", "judged_under", "removed", "next", "left_with",
)  # fmt: skip


def show(asked: Asked) -> Page:
    """One tab of one release."""
    found = asked.listed
    if not found:
        return Page("used.html", {"release": None, "releases": [], "listing": asked.listing})
    release, who, wanted = _release(asked), shared.who(asked), _wanted(asked)
    now = line(found, release)[-1]
    held, after = release.items, _after(asked)
    page = held.page(who.subject, wanted, after, MOST)
    total = held.count(who.subject, wanted)
    words = release.words(page) if wanted.state == "used" else {}
    return Page(
        "used.html",
        {
            "release": release.document(),
            "releases": [one.document() for one in reversed(found)],
            "counts": held.counts(who.subject),
            "wanted": {"state": wanted.state, "source": wanted.source, "reason": wanted.reason},
            "sources": [name for name, _ in held.tally(who.subject, wanted.state, "source")],
            "reasons": _reasons(held, who.subject, wanted.state),
            "listing": asked.listing,
            "total": total,
            "items": [{**one, "words": words.get(one["number"])} for one in _every(asked, release, who, page)],
            "after": after,
            "next": page[-1].number if len(page) == MOST and _more(held, who.subject, wanted, page[-1]) else None,
            "latest": release.id == found[-1].id,
            "stands": None if now.id == release.id else now.document(),
            "fixed_reasons": reasons.OTHER_PEOPLE,
        },
    )


def _more(held: items.Items, subject: str, wanted: Wanted, last: Item) -> bool:
    return bool(held.page(subject, wanted, last.number, 1))


def one(asked: Asked) -> Page:
    """One item of a release, with everything that is said of it and the commands that check it."""
    release, item = _named(asked)
    who = shared.who(asked)
    [told] = _every(asked, release, who, [item])
    told["words"] = release.words([item]).get(item.number)
    word = shared.taken_out(who, item)
    codes = [] if item.state == "shared" else reasons.in_order(item.codes)
    return Page(
        "item.html",
        {
            "release": release.document(), "item": told,
            "reasons": [_reason(code) for code in codes],
            "proof": item.state == "used", "other_people": reasons.OTHER_PEOPLE,
            "taken_out": word and shared.event(word), "certificate": _certified(asked, told.get("left_with")),
            "done": shared.done(asked),
        },
    )  # fmt: skip


def proof(asked: Asked) -> Given:
    """The proof that an item's row is in its release: anybody can check it without us (`aboveboard verify`)."""
    from aboveboard.proving import Place, proof_at

    release, item = _named(asked)
    if item.shard is None or item.place is None or item.leaf is None:
        raise NotThere
    shared.fresh(asked)
    made = proof_at(release.public, Place(item.shard, item.place, item.leaf))
    return Given(f"{release.id}-{item.number}.proof.json", "application/json", [made.data()])


def capsule(asked: Asked) -> Given:
    """All that this person can check of one release, in one file."""
    from aboveboard import capsules

    shared.fresh(asked)
    release = _release(asked)
    made = capsules.make(release.public, release.private, asked.subject, asked.tenant.ws.keys)
    return Given(f"{release.id}.capsule", "application/json", [made.document()])


def export(asked: Asked) -> Given:
    """The items of a tab, or of all tabs where none is named, as JSON lines or as a table."""
    shared.fresh(asked)
    release, who = _release(asked), shared.who(asked)
    wanted = _wanted(asked) if asked.one("state") else None
    found = _in_blocks(asked, release, who, release.items.all(who.subject, wanted))
    kind = asked.path["kind"]
    if kind not in ("jsonl", "csv"):
        raise NotThere
    lines = _jsonl(found) if kind == "jsonl" else _csv(found)
    media = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}[kind]
    return Given(f"{release.id}.{kind}", media, lines)


# --- one item -----------------------------------------------------------------------------------------------------


def _in_blocks(asked: Asked, release: Published, who: Person, found: Iterator[Item]) -> Iterator[dict[str, Any]]:
    while block := list(islice(found, items.BATCH)):
        yield from _every(asked, release, who, block)


def _every(asked: Asked, release: Published, who: Person, found: Sequence[Item]) -> list[dict[str, Any]]:
    """Items of one release as their person may be told them, and with which release each left."""
    left = _left(line(asked.listed, release), who.subject, [one for one in found if one.state != "shared"])
    return [_told(asked, release, who, one, left.get((one.source, one.record))) for one in found]


def _left(whole: Sequence[Published], subject: str, found: Sequence[Item]) -> Mapping[tuple[str, str], str]:
    """For each of these items that left a line of releases, the one that it left with: that is the first without it."""
    if len(whole) < 2 or not found:
        return {}
    left: dict[tuple[str, str], str] = {}
    before: Set[tuple[str, str]] = frozenset()
    for one in whole:
        now = one.items.used(subject, [item.record for item in found])
        left |= dict.fromkeys(before - now, one.id)
        before = now
    return {item: name for item, name in left.items() if item not in before}


def _certified(asked: Asked, release: str | None) -> str | None:
    """The release whose certificate says that an item left, where there is one."""
    found = asked.listed
    return release if any(one.superseded_by == release for one in found if release is not None) else None


def _told(asked: Asked, release: Published, who: Person, item: Item, left: str | None) -> dict[str, Any]:
    """An item as its person may be told it."""
    known = {
        "number": item.number, "source": item.source, "record": item.record, "kind": item.kind,
        "categories": list(item.categories), "collected_at": item.collected_at and item.collected_at.isoformat(),
        "state": item.state,
    }  # fmt: skip
    if item.state == "shared":
        return {**known, "sentence": f"it {reasons.OTHER_PEOPLE}"}
    reason = item.reason
    version = next((v for v in asked.tenant.versions if v.version == item.judged_under), None)
    clause = next((c for c in version.clauses if c.id == item.clause), None) if version else None
    return {
        **known,
        "left_with": left,
        "outcome": item.outcome,
        "reason": reason and reason.code, "sentence": reason and reason.sentence, "remedy": reason and reason.remedy,
        "law": (reason and reason.law) or None,
        "clause": item.clause,
        "citation": clause and {"heading": list(clause.citation.heading), "quote": clause.citation.quote},
        "collected_under": item.collected_under, "judged_under": item.judged_under,
        "removed": item.removed,
        "purpose": release.job["purpose"], "model": release.job["model"] or None,
        "receipt": _receipt(release, who, item),
        "next": "left" if left and item.state == "used" else _next(asked, release, who, item),
    }  # fmt: skip


def _receipt(release: Published, who: Person, item: Item) -> int | None:
    """The position of the choice that was in force when the release was judged, the word about this very item before others;
    None where nothing was chosen."""
    alone, job = shared.taken_out(who, item), release.job
    if alone is not None and alone.position <= release.position and takes_out(alone, job["purpose"], job["recipient"]):
        return alone.position
    labels = item.categories or ("user",)
    said = explicit(who.events) if sensitive(labels) else who.events
    heard = [event for event in said if event.position <= release.position]
    for label in labels:
        found = fold(heard, label, job["purpose"], job["recipient"], item.collected_at, release.as_of)
        if found.events:
            return found.events[0].position
    return None


def _next(asked: Asked, release: Published, who: Person, item: Item) -> str:
    """What becomes of it: ``withdrawn`` while the release was written, ``leaves`` with the next one, or ``stays`` as it is.

    One that left already, because another release took the place of this one, is ``left``.
    """
    if item.state != "used":
        return "stays"
    if item.withdrawn:
        return "withdrawn"
    return "leaves" if shared.denied(who, release, item, asked.now) else "stays"


def _reason(reason: reasons.Reason) -> dict[str, Any]:
    return {"code": reason.code, "sentence": reason.sentence, "remedy": reason.remedy, "law": reason.law or None,
            "effect": reason.effect.value}  # fmt: skip


def _reasons(held: items.Items, subject: str, state: str) -> list[dict[str, Any]]:
    return [
        {"code": code, "sentence": reasons.reason(code).sentence, "items": count}
        for code, count in held.tally(subject, state, "decisive")
    ]


# --- which ones ---------------------------------------------------------------------------------------------------


def _release(asked: Asked) -> Published:
    """The release of the path or query, or the newest that stands."""
    found, name = asked.listed, asked.path.get("release") or asked.one("release")
    standing = [one for one in found if one.superseded_by is None]
    for release in found if name is not None else (standing or found)[-1:]:
        if name in (None, release.id):
            return release
    raise NotThere


def _named(asked: Asked) -> tuple[Published, Item]:
    release, number = _release(asked), whole(asked.path["number"])
    item = None if number is None else release.items.one(asked.subject, number)
    if item is None:
        raise NotThere
    return release, item


def _wanted(asked: Asked) -> Wanted:
    state = asked.one("state") or STATES[0]
    if state not in STATES:
        raise NotThere
    wanted = Wanted(state, asked.one("source"), asked.one("reason"))
    return replace(wanted, reason=None) if state == "shared" else wanted


def _after(asked: Asked) -> int:
    return whole(asked.one("after")) or 0


def _jsonl(found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    return (f"{json.dumps(one, ensure_ascii=False)}\n".encode() for one in found)


def _csv(found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield _line(COLUMNS)
    for one in found:
        yield _line([_cell(one.get(name)) for name in COLUMNS])


def _line(cells: Iterable[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def _cell(value: object) -> object:
    """A value for a table: a spreadsheet must not take what somebody wrote for a formula."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    told = "" if value is None else value
    return f"'{told}" if isinstance(told, str) and told[:1] in ("=", "+", "-", "@", "\t", "\r") else told
