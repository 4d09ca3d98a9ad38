"""M9, My records: everything that was recorded, with its signed receipt; who looked, and why; whom to write to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aboveboard.portal.asking import Asked, Given, NotThere, Page
from aboveboard.portal.pages import shared


def show(asked: Asked) -> Page:
    """What this person said, the newest first; who looked at their data; contact and complaint."""
    events = asked.tenant.ws.ledger.events_of(asked.subject)
    told = asked.tenant.ws.told
    return Page(
        "records.html",
        {
            "events": [shared.event(event) for event in reversed(events)],
            "looks": _looks(asked),
            "key": str(asked.tenant.ws.signer("receipt").key),
            "contact": told.get("contact"),
            "authority": told.get("authority"),
            "subject": asked.subject,
            "done": shared.done(asked),
        },
    )


def receipt(asked: Asked) -> Given:
    """The signed receipt of something this person said; the same bytes each time."""
    position = asked.path["position"]
    found = [e for e in asked.tenant.ws.ledger.events_of(asked.subject) if str(e.position) == position]
    if not found:
        raise NotThere
    signed = asked.tenant.ws.receipt(found[0])
    return Given(f"{position}.receipt", "text/plain; charset=utf-8", [signed])


def export(asked: Asked) -> Given:
    """Everything that was recorded of this person, one JSON object a line; who looked comes last."""
    shared.fresh(asked)
    return Given("records.jsonl", "application/jsonl", _lines(asked))


def _lines(asked: Asked) -> Iterator[bytes]:
    for event in asked.tenant.ws.ledger.events_of(asked.subject):
        yield f"{json.dumps({'event': shared.event(event)})}\n".encode()
    for look in _looks(asked):
        yield f"{json.dumps({'look': look})}\n".encode()


def _looks(asked: Asked) -> list[dict[str, Any]]:
    """Who looked: the role and the purpose, not the name of whoever works here."""
    return [
        {"number": one.number, "at": one.at.isoformat(), "role": one.role, "purpose": one.purpose, "what": one.what}
        for one in asked.tenant.looks.of(asked.subject)
    ]
