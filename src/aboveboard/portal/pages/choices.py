"""M3, Choices: what kind of data, for what, to whom; what the person chose, and what that does, told apart.

One form; each row that changed is recorded, no first. A no needs nothing; a yes needs a fresh proof of who says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from aboveboard import vocabulary
from aboveboard.choice import Event
from aboveboard.portal import choosing, items
from aboveboard.portal.asking import Asked, Moved, Page, Unfit, whole
from aboveboard.portal.choosing import Person, Switch
from aboveboard.portal.pages import shared

ANSWERS = ("yes", "no", "undecided")
EXAMPLES = 2


def show(asked: Asked) -> Page:
    """Every switch, by purpose; what nobody can choose; and what is never used for anything here."""
    who = shared.who(asked)
    seen = who.objecting(asked.now) if asked.gpc else who
    found = choosing.switches(asked.tenant.ws.policy, asked.now)
    rows: dict[str, list[dict[str, Any]]] = {}
    for switch in found:
        if not switch.fixed:
            rows.setdefault(switch.purpose, []).append(_row(asked, who, seen, switch))
    return Page(
        "choices.html",
        {
            **shared.policy(asked),
            "purposes": [_purpose(asked, who, purpose, cells) for purpose, cells in rows.items()],
            "fixed": _fixed([switch for switch in found if switch.fixed]),
            "floor": [{"category": key, "kept": kept} for key, kept in FLOOR],
            "gpc": shared.gpc(asked, who),
            "seen": max((event.position for event in who.events), default=0),
            "done": shared.done(asked),
        },
    )


FLOOR = (
    ("user.communication.message.content", "still stored to deliver your messages"),
    ("user.communication.message.metadata", "still stored to deliver your messages"),
    ("user.authorization.credentials", "still stored to let you sign in"),
)
"""What the gate lets through for no purpose (docs/how-it-decides.md, the floor), and what it is stored for all the same."""


def save(asked: Asked) -> Moved:
    """Record every answer that is new. What says no is recorded before anybody is asked who they are, and nobody is asked
    who changed no more than that."""
    who = shared.who(asked)
    found = {one.key: one for one in choosing.switches(asked.tenant.ws.policy, asked.now) if not one.fixed}
    closing, opening = _answers(asked, who, found)
    moved = shared.recorded(asked, "/choices", closing, "choices")
    if not opening:
        return moved
    shared.fresh(asked)
    again = shared.who(asked)  # the noes are heard by now, and so is what the browser asks
    events = [one for one in (_said(asked, again, switch, True) for switch in opening) if one is not None]
    return shared.recorded(asked, "/choices", events, "choices") if events else moved


def _answers(asked: Asked, who: Person, found: dict[str, Switch]) -> tuple[list[Event], list[Switch]]:
    closing, opening, shown = [], [], _shown(asked, who)
    for name, values in asked.form.items():
        if not name.startswith("choice:"):
            continue
        switch, answer = found.get(name.removeprefix("choice:")), values[-1]
        if switch is None or answer not in ANSWERS:
            raise Unfit(
                "this form is of another version of the choices", hint="open the page again; nothing was recorded"
            )
        if answer == "no" and (event := _said(asked, who, switch, False)) is not None:
            closing.append(event)
        if answer == "yes" and _said(asked, shown, switch, True) is not None:
            opening.append(switch)
    return closing, opening


def _shown(asked: Asked, who: Person) -> Person:
    """The person as the form showed them. INVARIANT: a yes that was ticked when the page was opened is none that is said now:
    what they turned off since, elsewhere or through their browser, stays off."""
    seen = whole(asked.said("seen"))
    return who if seen is None else who.until(seen)


def _said(asked: Asked, who: Person, switch: Switch, yes: bool) -> Event | None:
    older = bool(asked.said(f"older:{switch.key}"))
    return choosing.said(switch, who, yes, asked.now, asked.words.tag, older)


# --- what is shown ------------------------------------------------------------------------------------------------


def _row(asked: Asked, who: Person, seen: Person, switch: Switch) -> dict[str, Any]:
    chosen = who.choice(switch, asked.now)
    before = [v for v in asked.tenant.versions if v.effective_from < switch.version.effective_from]
    older = switch.version.effective_from - timedelta(days=1) if before else None
    return {
        "key": switch.key, "category": switch.category, "recipient": switch.recipient, "purpose": switch.purpose,
        "basis": switch.clause.basis, "asks": switch.asks, "upcoming": switch.upcoming, "clause": _clause(switch),
        "choice": {"state": _chosen(chosen.state), "events": [shared.event(one) for one in chosen.events],
                   "older": any(e.past_from or e.past_to for e in chosen.events)},
        "effect": _effect(asked, seen, switch),
        "older": None if older is None else {
            "before": shared.local(switch.version, switch.version.effective_from), **_effect(asked, seen, switch, older),
        },
    }  # fmt: skip


def _effect(asked: Asked, who: Person, switch: Switch, collected: datetime | None = None) -> dict[str, Any]:
    found = choosing.effect(asked.tenant, who, switch, asked.now, collected)
    return {**found.document(), "from": shared.local(switch.version, found.since) if found.since else None}


def _chosen(state: str) -> str:
    """The state of a choice as a person knows it."""
    return {"given": "yes", "silent": "undecided", "expired": "undecided", "unknown": "undecided"}.get(state, "no")


def _clause(switch: Switch) -> dict[str, Any]:
    clause, version = switch.clause, switch.version
    return {
        "id": clause.id, "version": version.version, "effective_from": shared.local(version, version.effective_from),
        "heading": list(clause.citation.heading), "quote": clause.citation.quote, "uses": list(clause.uses),
    }  # fmt: skip


def _purpose(asked: Asked, who: Person, purpose: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    version = asked.tenant.ws.policy.in_force(asked.now)
    kept = [] if version is None else [
        {"categories": list(one.categories), "period": one.period.says, "since": one.since}
        for one in version.retentions
        if any(vocabulary.covered_by(one.categories, row["category"]) for row in rows)
    ]  # fmt: skip
    return {
        "purpose": purpose, "rows": rows, "kept": kept, "examples": _examples(asked, who, purpose),
        "deadline": version.on_withdrawal.deadline.says if version else None,
    }  # fmt: skip


def _examples(asked: Asked, who: Person, purpose: str) -> list[dict[str, Any]]:
    """A few of the person's own items that the last release for this purpose used, as they went out."""
    for release in reversed(asked.listed):
        if release.job["purpose"] == purpose:
            found = release.items.page(who.subject, items.Wanted("used"), most=EXAMPLES)
            words = release.words(found)
            return [{"record": one.record, "words": words.get(one.number)} for one in found]
    return []


def _fixed(found: Sequence[Switch]) -> list[dict[str, Any]]:
    """What is needed to run the service, clause by clause: nothing to choose, and said so."""
    clauses = {(one.version.version, one.clause.id): one for one in found}
    return [
        {"purposes": sorted({s.purpose for s in found if s.clause is one.clause}), "categories": list(one.clause.categories),
         "basis": one.clause.basis, "clause": _clause(one)}
        for one in clauses.values()
    ]  # fmt: skip
