"""Who is told of rows that left, and what is late: requests to be erased, withdrawals, notices that nobody answered.

Whoever never received a release is told nothing of it; who receives it later is told then, and has as long as anybody. Where
the policy tells no recipients, an erasure is told all the same (GDPR art. 19).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from aboveboard import notices
from aboveboard.ledger.notices import Removal
from aboveboard.notices import Told
from aboveboard.withdrawal.board import ERASURE, Withdrawal, board
from aboveboard.withdrawal.planning import terms
from aboveboard.workspace import Workspace


def telling(ws: Workspace) -> Told:
    """Whether anybody is told of a removal, for ``notices.cut``."""
    with ws.ledger.outbox() as outbox:
        came = {one.release: one.at for one in reversed(outbox.deliveries())}
    positions = {str(one["id"]): int(one["position"]) for one in ws.ledger.releases()}

    @cache
    def erased(release: str) -> datetime | None:
        asked = [one.recorded_at for one in ws.ledger.withdrawing(positions.get(release, 0)) if one.type == ERASURE]
        return min(asked, default=None)

    def told(one: Removal) -> timedelta | None:
        if one.release not in came:
            return None
        if terms(ws, one.at).recipients == "none":
            asked = erased(one.release)
            if asked is None or asked > one.at:
                return None
        return max(came[one.release] - one.at, timedelta())

    return told


@dataclass(frozen=True, slots=True)
class Late:
    """How many there are of each, how many are overdue, and what to run."""

    about: str
    open: int
    overdue: int
    seen: str
    run: str


def late(ws: Workspace, found: list[Withdrawal] | None = None) -> list[Late]:
    """What is open of withdrawals, erasures and notices, and how much of it is overdue; nothing is written.

    ``found``: the open withdrawals, where they are known already.
    """
    at = ws.ledger.now()
    return [_withdrawals(board(ws) if found is None else found, at), _erasures(ws, at), _notices(ws, at)]


def _withdrawals(found: list[Withdrawal], at: datetime) -> Late:
    open_ones = [one for one in found if one.is_open]
    overdue = sum(one.is_overdue(at) for one in open_ones)
    seen = f"{len(open_ones):,} open, {overdue:,} overdue"
    return Late("withdrawals", len(open_ones), overdue, seen, "aboveboard withdrawals run")


def _erasures(ws: Workspace, at: datetime) -> Late:
    found = ws.ledger.erasures()
    overdue = sum(one.due_at <= at for one in found)
    seen = f"{len(found):,} open, {overdue:,} due and not executed"
    return Late("erasures", len(found), overdue, seen, "aboveboard erase --due")


def _notices(ws: Workspace, at: datetime) -> Late:
    found = [one for one in notices.board(ws.ledger) if one.answer is None]
    waiting = notices.unlisted(ws.ledger, telling(ws))
    overdue = sum(one.status(at) == "overdue" for one in found) + sum(one.due < at for one in waiting)
    who = len({one.recipient for one in found})
    seen = (
        f"{len(found):,} not acknowledged, by {who:,} recipients; {len(waiting):,} in no list yet; {overdue:,} overdue"
    )
    return Late(
        "notices", len(found), overdue, seen, "aboveboard notices send, and ask whom `notices list --open` names"
    )
