"""M1, Your data: the policy in force, how much of theirs was used, and two equal buttons: everything off, or look closer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aboveboard.choice import Event
from aboveboard.portal import choosing
from aboveboard.portal.asking import Asked, Moved, Page, Unfit
from aboveboard.portal.choosing import Person
from aboveboard.portal.pages import shared
from aboveboard.portal.published import Published


def show(asked: Asked) -> Page:
    """The first page of a member."""
    who = shared.who(asked)
    found = asked.listed
    release = found[-1] if found else None
    document = {
        **shared.policy(asked),
        "banner": banner(asked, who),
        "release": None if release is None else _release(asked, release, who),
        "listing": asked.listing,
        "off": all(choosing.is_off(who, purpose, asked.now) for purpose in choosing.EVERYTHING),
        "purposes": _purposes(asked, who),
        "gpc": shared.gpc(asked, who),
        "done": shared.done(asked),
    }
    return Page("overview.html", document)


def turn_off(asked: Asked) -> Moved:
    """Say no to everything that is beyond running and securing the service: one press, nothing asked in return."""
    who = choosing.person(asked.tenant, asked.subject)
    events = choosing.everything_off(who, asked.now, asked.words.tag)
    return shared.recorded(asked, "/", events, "off")


def acknowledge(asked: Asked) -> Moved:
    """Write down that a version's notice was shown: which, in which language, when. It is no consent."""
    version = next((v for v in asked.tenant.versions if v.version == asked.said("version")), None)
    if version is None or version.announced_at > asked.now:
        raise Unfit("no such version was announced", hint="go back to the first page")
    who = choosing.person(asked.tenant, asked.subject)
    event = Event(
        subject=asked.subject, type="notice_shown", recorded_at=asked.now, effective_at=asked.now, method=choosing.METHOD,
        notice=version.text_sha256, language=asked.words.tag,
    )  # fmt: skip
    known = any(e.type == "notice_shown" and e.notice == version.text_sha256 for e in who.events)
    return shared.recorded(asked, "/", [] if known else [event], "notice")


def banner(asked: Asked, who: Person) -> dict[str, Any] | None:
    """The newest version that was announced and that this person has not said they have seen."""
    announced = [v for v in asked.tenant.versions if v.announced_at <= asked.now]
    if not announced:
        return None
    version = announced[-1]
    if any(event.type == "notice_shown" and event.notice == version.text_sha256 for event in who.events):
        return None
    return {
        "version": version.version, "announced_at": shared.local(version, version.announced_at),
        "effective_from": shared.local(version, version.effective_from), "upcoming": version.effective_from > asked.now,
        "window": version.notice_window.says, "text_sha256": version.text_sha256,
    }  # fmt: skip


def _release(asked: Asked, release: Published, who: Person) -> dict[str, Any]:
    """What the newest release holds of them, and how much of that their choices of today still allow."""
    return {
        **release.document(),
        "counts": release.items.counts(who.subject),
        "usable": shared.open_of(who, release, asked.now),
    }


def _purposes(asked: Asked, who: Person) -> list[dict[str, Any]]:
    """What today's policy may do with their data, purpose by purpose, in one word each; the widest of its rows counts."""
    seen = who.objecting(asked.now) if asked.gpc else who
    found: dict[str, list[tuple[int, datetime, str | None]]] = {}
    for switch in choosing.switches(asked.tenant.ws.policy, asked.now):
        if not switch.fixed:
            told = choosing.effect(asked.tenant, seen, switch, asked.now)
            since = shared.local(switch.version, told.since) if told.since else None
            found.setdefault(switch.purpose, []).append((_WIDEST.index(told.state), told.since or asked.now, since))
    widest = {purpose: min(rows) for purpose, rows in found.items()}  # of several that are to come, the first
    return [{"purpose": purpose, "state": _WIDEST[rank], "from": since} for purpose, (rank, _, since) in widest.items()]


_WIDEST = ("used", "used_from", "not_used")
