"""The pages of privacy engineers and auditors: why a record was judged as it was, noes against their deadline, the audit log.

Nobody's record is opened without a purpose, which is written down before anything is shown and which its person reads on
their own page. No page lists members.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aboveboard import reasons, withdrawal, writing
from aboveboard.choice import DENIES
from aboveboard.errors import AboveboardError
from aboveboard.policy import OnWithdrawal
from aboveboard.portal.asking import Asked, Given, Moved, NotThere, Page, Unfit, whole
from aboveboard.portal.looks import Look, LooksError
from aboveboard.portal.published import Published
from aboveboard.withdrawal import Withdrawal

LEAST, MOST_WORDS = 10, 500
"""Characters of a purpose: "because" is none, and a page is too much."""
SHOWN = 100


def explain_form(asked: Asked) -> Page:
    """Where a record and a purpose are asked for; and, after that was written down, the decision and every reason."""
    look = _mine(asked)
    trace = None if look is None else _trace(asked, look)
    return Page("explain.html", {"look": look and _look(look), "trace": trace, "missing": asked.one("missing") == "1",
                                 "least": LEAST})  # fmt: skip


def explain(asked: Asked) -> Moved:
    """Write down who looks at what and why, then lead to it. What cannot be written down is not shown."""
    record, purpose = (asked.said("record") or "").strip(), " ".join((asked.said("purpose") or "").split())
    if not LEAST <= len(purpose) <= MOST_WORDS:
        raise Unfit("say why, in 10 to 500 characters", hint="the person whose record it is will read it")
    found = asked.listed
    held = found[-1].items.holders(record) if found and record else ()
    if not held:
        return Moved("/explain?missing=1#status")
    what = f"{found[-1].id} {record}"
    looks = [asked.tenant.looks.add(asked.now, asked.subject, _role(asked), one, purpose, what) for one in held]
    return Moved(f"/explain?look={looks[-1].number}")


def _role(asked: Asked) -> str:
    roles = asked.principal.roles if asked.principal else frozenset()
    return next((role for role in ("privacy_engineer", "auditor") if role in roles), "operator")


def _mine(asked: Asked) -> Look | None:
    """The look of the query, where it is this engineer's own: nobody looks through somebody else's purpose."""
    number = whole(asked.one("look"))
    if number is None:
        return None
    found = next(iter(asked.tenant.looks.all(number - 1, 1)), None)
    if found is None or found.number != number or found.actor != asked.subject:
        raise NotThere
    return found


def _look(look: Look) -> dict[str, Any]:
    return {**asdict(look), "at": look.at.isoformat()}


def _trace(asked: Asked, look: Look) -> list[dict[str, Any]]:
    """The decisions on a record as they were made, from the private part of the release that was looked at."""
    name, _, record = look.what.partition(" ")
    release = next((one for one in asked.listed if one.id == name), None)
    return [] if release is None else _decisions(release, record)


def _decisions(release: Published, record: str) -> list[dict[str, Any]]:
    import duckdb

    decisions = writing.decided(release.private)
    if decisions is None:
        return []
    with duckdb.connect() as con:
        rows = con.execute(_DECIDED.format(decisions=decisions), [record]).fetchall()
    return [_decision(row) for row in rows]


_DECIDED = """
SELECT source, record_id, outcome, decisive, reasons_lo, reasons_hi, part_reasons_lo, part_reasons_hi, removed, clause,
  policy_at_collection, policy_now, collected_at, shared
FROM {decisions} WHERE record_id = ? ORDER BY source, ordinal
"""


def _decision(row: Any) -> dict[str, Any]:
    source, record, outcome, decisive, lo, hi, parts_lo, parts_hi, removed, clause, under, judged, collected, shared = (
        row
    )
    return {
        "source": source, "record": record, "outcome": reasons.OUTCOMES[outcome].value,
        "decisive": reasons.BY_ID[decisive].code,
        "reasons": [_reason(one) for one in reasons.in_order(reasons.codes(lo, hi))],
        "part_reasons": [_reason(one) for one in reasons.in_order(reasons.codes(parts_lo, parts_hi))],
        "removed": len(removed or ()), "clause": clause, "collected_under": under, "judged_under": judged,
        "collected_at": collected and collected.replace(tzinfo=UTC).isoformat(), "shared": shared,
    }  # fmt: skip


def _reason(reason: reasons.Reason) -> dict[str, Any]:
    return {"code": reason.code, "gate": reasons.GATES[reason.gate], "effect": reason.effect.value,
            "sentence": reason.sentence, "remedy": reason.remedy, "law": reason.law or None}  # fmt: skip


# --- noes against their deadline ----------------------------------------------------------------------------------


def withdrawals(asked: Asked) -> Page:
    """Every withdrawal that a standing release has not heard, the overdue first; with ``?closed=1`` those that are done too.

    By its number, never by person, and no record is named.
    """
    version = asked.tenant.ws.policy.in_force(asked.now)
    does, closed = version.on_withdrawal if version else OnWithdrawal(), asked.one("closed") == "1"
    found = sorted(
        withdrawal.board(asked.tenant.ws, everything=closed),
        key=lambda one: (not one.is_overdue(asked.now), not one.is_open, one.deadline, one.number),
    )
    return Page(
        "withdrawals.html",
        {
            "deadline": does.deadline.says, "closed": closed, "open": sum(one.is_open for one in found),
            "overdue": sum(one.is_overdue(asked.now) for one in found), "in_all": len(found),
            "withdrawals": [_withdrawal(one, asked.now) for one in found[:SHOWN]],
        },
    )  # fmt: skip


def _withdrawal(one: Withdrawal, now: datetime) -> dict[str, Any]:
    """What the board says of one, without whose it is; a single record is its person's, and its id is left out."""
    told = one.as_json(now)
    told.pop("subject")
    kind = one.said.partition(":")[0]
    return {**told, "said": one.said if one.subject is None or kind in DENIES else kind}


# --- the audit log ------------------------------------------------------------------------------------------------


def audit(asked: Asked) -> Page:
    """The signed log and the list of who looked, both recomputed from what lies on the disk."""
    ws, looks = asked.tenant.ws, asked.tenant.looks
    entries = ws.ledger.entries() if ws.has_ledger else ()
    return Page(
        "audit.html",
        {
            "log": _log(asked),
            "entries": [_entry(one) for one in list(entries)[-SHOWN:][::-1]],
            "entries_in_all": len(entries),
            "looks": _checked(asked),
            "recent": [_look(one) for one in list(looks.all())[-SHOWN:][::-1]],
        },
    )


def _log(asked: Asked) -> dict[str, Any] | None:
    from aboveboard.log import audit as recompute
    from aboveboard.log import checkpoint_of, keys_of

    folder = asked.tenant.ws.log_folder
    if not asked.tenant.ws.has_log:
        return None
    try:
        found = recompute(folder, checkpoint_of(folder), [keys_of(folder).log])
    except AboveboardError as error:
        return {"holds": False, "size": None, "types": {}, "problems": [error.sentence]}
    return {
        "holds": not found.problems,
        "size": found.checkpoint.size,
        "types": found.types,
        "problems": list(found.problems),
    }


def _checked(asked: Asked) -> dict[str, Any]:
    try:
        return {"holds": True, "rows": asked.tenant.looks.verify(), "problem": None}
    except LooksError as error:
        return {"holds": False, "rows": None, "problem": error.sentence}


def _entry(entry: Any) -> dict[str, Any]:
    said = json.loads(entry.data)
    return {"place": entry.place, "type": entry.type, "at": said.get("at"), "digest": entry.digest}


def export(asked: Asked) -> Given:
    """The entries of the log, then every look, one JSON object a line: to be kept somewhere else."""
    return Given("audit.jsonl", "application/jsonl", _lines(asked))


def _lines(asked: Asked) -> Iterator[bytes]:
    for entry in asked.tenant.ws.ledger.entries():
        yield f"{json.dumps({'entry': _entry(entry)})}\n".encode()
    for look in asked.tenant.looks.all():
        yield f"{json.dumps({'look': {**_look(look), 'digest': look.digest}}, ensure_ascii=False)}\n".encode()
