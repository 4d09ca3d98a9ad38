"""M5, Withdraw or object: one button a purpose and one for everything, no reason asked, and what becomes of it, followed.

What is said is true today: it counts at once, leaves the next release by the policy's deadline, and what went out before is
listed. Rewriting releases and retraining models is the withdrawal's own work; this page follows what the ledger and the
releases show of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aboveboard.choice import DENIES, Event
from aboveboard.policy import OnWithdrawal
from aboveboard.portal import choosing
from aboveboard.portal.asking import Asked, Moved, Page, Unfit
from aboveboard.portal.pages import shared
from aboveboard.portal.published import Published

EVERYTHING = "everything"


def show(asked: Asked) -> Page:
    """What can be stopped, and where every no stands that this person ever said."""
    who = shared.who(asked)
    version = asked.tenant.ws.policy.in_force(asked.now)
    does = version.on_withdrawal if version else OnWithdrawal()
    found = asked.tenant.releases()
    said = [event for event in reversed(who.events) if event.type in DENIES]
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
            "timeline": [_followed(event, does, found, held, asked) for event in said],
            "delivered": [{**one.document(), "items": held[one.id]} for one in reversed(found) if held[one.id]],
            "done": shared.done(asked),
        },
    )  # fmt: skip


def stop(asked: Asked) -> Moved:
    """Say no to a purpose, or to all of them. Whoever says it again is told that it holds."""
    purpose = asked.said("purpose")
    known = {EVERYTHING: choosing.EVERYTHING, **{one: (one,) for one in _purposes(asked)}}
    if purpose not in known:
        raise Unfit("no such purpose can be stopped", hint="go back and press one of the buttons")
    events = choosing.everything_off(shared.who(asked), asked.now, asked.words.tag, known[purpose])
    return shared.recorded(asked, "/withdraw", events, "withdraw")


def _purposes(asked: Asked) -> Sequence[str]:
    """The purposes that somebody can say no to, as the policies name them."""
    found = choosing.switches(asked.tenant.ws.policy, asked.now)
    return list(dict.fromkeys(one.purpose for one in found if not one.fixed))


def _followed(
    event: Event, does: OnWithdrawal, found: Sequence[Published], held: dict[str, int], asked: Asked
) -> dict[str, Any]:
    """Where one no stands: recorded, counted from, out of the next release, and what went out before it."""
    after = next((release for release in found if release.position >= event.position), None)
    before = [release for release in found if release.position < event.position and held[release.id]]
    due = does.deadline.after(event.recorded_at)
    late = after is None and bool(before) and due < asked.now
    return {
        **shared.event(event),
        "due": due.isoformat(),
        "state": "heard" if after else "late" if late else "waiting" if before else "nothing_out",
        "heard_by": after.document() if after else None,
        "went_out": [{**release.document(), "items": held[release.id]} for release in before],
    }
