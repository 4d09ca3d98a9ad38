"""M5, Withdraw or object: one button a purpose and one for everything, one item alone, no reason asked, and what becomes of it.

Each no is followed as `aboveboard.withdrawal` works it out, from the moment it counts to the certificate of the release that
took another's place. INVARIANT: what is followed are a person's items that have nobody else in them, as the read model has
them: whether a shared one was ever in would tell what somebody else chose (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from aboveboard import affected, choice, erasing, withdrawal
from aboveboard.choice import DENIES, Event
from aboveboard.policy import OnWithdrawal
from aboveboard.portal import choosing
from aboveboard.portal.asking import Asked, Given, Moved, NotThere, Page, Unfit, whole
from aboveboard.portal.choosing import Person
from aboveboard.portal.items import Item, Wanted
from aboveboard.portal.pages import shared
from aboveboard.portal.published import Published
from aboveboard.withdrawal import Withdrawal

EVERYTHING = "everything"
_FOLLOWED = DENIES | {shared.TAKES_OUT}


def show(asked: Asked) -> Page:
    """What can be stopped, and where every no stands that this person ever said."""
    who = shared.who(asked)
    version = asked.tenant.ws.policy.in_force(asked.now)
    does = version.on_withdrawal if version else OnWithdrawal()
    found = asked.listed
    known = {one.id: one for one in found}
    board, erasure = _board(asked), _erasure(asked)
    said = [event for event in reversed(who.events) if event.type in _FOLLOWED]
    held = {release.id: release.items.counts(who.subject)["used"] for release in found}
    return Page(
        "withdraw.html",
        {
            "purposes": [
                {"purpose": purpose, "off": choosing.is_off(who, purpose, asked.now)} for purpose in _purposes(asked)
            ],
            "everything": all(choosing.is_off(who, purpose, asked.now) for purpose in choosing.EVERYTHING),
            "does": {"deadline": does.deadline.says, "releases": does.releases, "models": does.models,
                     "recipients": does.recipients},
            "timeline": [_followed(event, board.get(event.position), known, asked.now) for event in said],
            "delivered": [{**one.document(), "items": held[one.id]} for one in reversed(found) if held[one.id]],
            "models": _models(asked, found, who),
            "listing": asked.listing,
            "erasure": erasure,
            "done": None if erasure and asked.one("done") == "kept" else shared.done(asked),
        },
    )  # fmt: skip


def keep(asked: Asked) -> Moved:
    """Take a request to be erased back, from whatever device: it opens what was closed, so whoever asks proves it afresh."""
    shared.fresh(asked)
    if _erasure(asked) is None:
        return Moved("/withdraw?done=same#status")
    erasing.undo(asked.tenant.ws, asked.subject)
    return Moved("/withdraw?done=kept#status")


def _erasure(asked: Asked) -> dict[str, Any] | None:
    """The open request to erase this person: when it was made, and until when it can be taken back."""
    found = next((one for one in asked.tenant.ws.ledger.erasures() if asked.subject in one.identifiers), None)
    if found is None:
        return None
    return {"asked_at": found.asked_at.isoformat(), "due_at": found.due_at.isoformat()}


def stop(asked: Asked) -> Moved:
    """Say no to a purpose, or to all of them. Whoever says it again is told that it holds."""
    purpose = asked.said("purpose")
    known = {EVERYTHING: choosing.EVERYTHING, **{one: (one,) for one in _purposes(asked)}}
    if purpose not in known:
        raise Unfit("no such purpose can be stopped", hint="go back and press one of the buttons")
    events = choosing.everything_off(shared.who(asked), asked.now, asked.words.tag, known[purpose])
    return shared.recorded(asked, "/withdraw", events, "withdraw")


def take_out(asked: Asked) -> Moved:
    """Take one item out, for good and for every purpose. It is this person's own, or it is not there."""
    name, number = asked.said("release"), whole(asked.said("number"))
    release = next((one for one in asked.listed if one.id == name), None)
    item = None if release is None or number is None else release.items.one(asked.subject, number)
    if release is None or item is None:
        raise NotThere
    known = shared.taken_out(shared.who(asked), item)
    event = Event(
        subject=asked.subject, type=shared.TAKES_OUT, recorded_at=asked.now, effective_at=asked.now,
        method=choosing.METHOD, language=asked.words.tag, value=choice.record_key(item.source, item.record),
    )  # fmt: skip
    return shared.recorded(asked, f"/used/{release.id}/{item.number}", [] if known else [event], "withdraw")


def certificate(asked: Asked) -> Given:
    """The certificate of a release that took the place of one with items of this person; it names nobody."""
    name = asked.path["release"]
    found = [one for one in asked.listed if one.superseded_by == name]
    if not any(one.items.counts(asked.subject)["used"] for one in found):
        raise NotThere
    made = withdrawal.certified(asked.tenant.ws, name)
    return Given(f"{name}.certificate.json", "application/json", [made.data()])


def _purposes(asked: Asked) -> Sequence[str]:
    """The purposes that somebody can say no to, as the policies name them."""
    found = choosing.switches(asked.tenant.ws.policy, asked.now)
    return list(dict.fromkeys(one.purpose for one in found if not one.fixed))


# --- what became of it --------------------------------------------------------------------------------------------


def _board(asked: Asked) -> Mapping[int, Withdrawal]:
    """The withdrawals of this person that touched a release with an item of theirs alone, by their position in the ledger."""
    found = {one.id: one for one in asked.listed}

    def holds(release: str, event: Event) -> bool:
        return release in found and _held(found[release], event) > 0

    every = withdrawal.board(asked.tenant.ws, everything=True, subject=asked.subject, holds=holds)
    return {int(one.number.removeprefix("e")): one for one in every}


def _held(release: Published, event: Event) -> int:
    """How many of the items that an event is about are in a release: one, or whatever its person has there."""
    if event.type != shared.TAKES_OUT:
        return release.items.counts(event.subject)["used"]
    source, _, record = (event.value or "").partition("/")
    return int((source, record) in release.items.used(event.subject, [record]))


def _followed(event: Event, one: Withdrawal | None, known: Mapping[str, Published], now: datetime) -> dict[str, Any]:
    """Where one no stands, state by state, and in which releases it found something."""
    if one is None:
        return {
            **shared.event(event),
            "state": "nothing_out",
            "due": None,
            "states": [],
            "releases": [],
            "recipients": [],
        }
    told = one.as_json(now)
    return {
        **shared.event(event),
        "due": told["deadline"],
        "state": _state(one, now),
        "states": [{"state": name, "at": at and at.isoformat()} for name, at, _ in one.states()],
        "releases": [
            {**known[each.id].document(), "items": _held(known[each.id], event), **each.as_json()}
            for each in one.releases
        ],
        "recipients": told["recipients"],
    }


def _state(one: Withdrawal, now: datetime) -> str:
    """Where it stands, in one word; ``kept`` where the policy leaves releases as they are."""
    if one.is_open:
        return "overdue" if one.is_overdue(now) else "open"
    if one.is_kept:
        return "kept"
    return "closed" if one.notified_at is not None else "telling"


# --- which models saw it ------------------------------------------------------------------------------------------


def _models(asked: Asked, found: Sequence[Published], who: Person) -> list[dict[str, Any]]:
    """The models that saw items of theirs, and whether one saw what was taken out since: then it is flagged, where the
    policy marks or retrains models. By the rows that have nobody else in them, and no others."""
    ws, used, gone = asked.tenant.ws, dict[str, bytes](), dict[str, bytes]()
    for release in found:
        leaves = list(_leaves(asked, release, who))
        used[release.id] = b"".join(leaf for leaf, _ in leaves)
        gone[release.id] = b"".join(leaf for leaf, out in leaves if out)
    saw = affected.by_rows(ws, {name: each for name, each in used.items() if each}).models
    out = {one.model for one in affected.by_rows(ws, {name: each for name, each in gone.items() if each}).models}
    version = ws.policy.in_force(asked.now)
    marks = version is not None and version.on_withdrawal.models != "none"
    return [
        {"model": one.model, "releases": sorted(one.saw.releases), "exact": one.saw.exact, "state": one.state,
         "saw_withdrawn": one.model in out, "flagged": marks and one.state == "in use" and one.model in out}
        for one in saw
    ]  # fmt: skip


def _leaves(asked: Asked, release: Published, who: Person) -> Iterator[tuple[bytes, bool]]:
    """The leaf of each item that is in a release, and whether it was withdrawn since."""
    for item in release.items.all(who.subject, Wanted("used")):
        if item.leaf is not None:
            yield item.leaf, _out(asked, release, who, item)


def _out(asked: Asked, release: Published, who: Person, item: Item) -> bool:
    return item.withdrawn or shared.denied(who, release, item, asked.now)
