"""Carries withdrawals out: records the no, takes the rows out of every standing release, tells recipients, certifies.

``withdraw`` and ``ask`` record and nothing else, and each is one transaction: from then on nothing new goes out. ``carry_out``
rewrites the standing releases that hold what was withdrawn; whatever it is killed at, it can be run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from aboveboard import choice, disk, release, writing
from aboveboard.choice import Event
from aboveboard.errors import LedgerError
from aboveboard.mainjob import Clock, Progress, now
from aboveboard.retraction import Question
from aboveboard.withdrawal.planning import MANY, Plan, named_in
from aboveboard.workspace import Workspace

OPEN_FOR = timedelta(days=7)
"""How long a request that nobody has verified keeps anything out."""
TRAINING = "train_ai_system"
"""All that such a request reaches."""


# --- by person and by record --------------------------------------------------------------------------------------


def withdraw(ws: Workspace, event: Event) -> Event:
    """Record a no; returns it as stored. It counts from this moment on, in every judgement behind it."""
    if event.type not in choice.WITHDRAWING:
        raise LedgerError(f"`{event.type}` withdraws nothing", hint=f"one of: {', '.join(sorted(choice.WITHDRAWING))}")
    return ws.ledger.append(event)


def request(ws: Workspace, subject: str, *, method: str, clock: Clock = now) -> Event:
    """Record a no that nobody has verified: it keeps the account out of training for seven days, then lapses.

    One open request an account. Raises LedgerError where there is one: somebody who can be verified needs none.
    """
    at = clock()
    for said in ws.ledger.events_of(subject):
        if said.actor == "stranger" and not said.verified and said.expires_at is not None and said.expires_at > at:
            raise LedgerError(
                f"a request for this account is open until {said.expires_at:%Y-%m-%d %H:%M} UTC",
                hint="verify who asks, and record what they say as the person's own",
            )
    return ws.ledger.append(
        Event(
            subject=subject, type="withdrawn", recorded_at=at, effective_at=at, purpose=TRAINING, verified=False,
            actor="stranger", method=method, expires_at=at + OPEN_FOR,
        )
    )  # fmt: skip


# --- by question --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was confirmed: its number once it is carried out, or who has to confirm it still."""

    digest: str
    number: int | None
    asked_by: str
    records: int
    waits_for: str = ""


def ask(
    ws: Workspace, question: Question, plan: Plan, by: str, *, clock: Clock = now, progress: Progress | None = None
) -> Asked:
    """Confirm a withdrawal by question whose dry run is ``plan``; enters it once enough people have confirmed it.

    More than a thousandth of the released rows needs two. What it names record by record is looked up first and kept in
    the private part, whole and on the disk before the ledger speaks of it.
    """
    if not by.strip():
        raise LedgerError("nobody confirms this", hint="say who you are: --by NAME")
    people = ws.ledger.propose(plan.digest, by)
    if plan.share > MANY and len(people) < 2:
        return Asked(
            plan.digest, None, by, plan.leaving, f"a second person: {plan.share:.2%} of the released rows leave"
        )
    listed, records = _kept(ws, question, clock, progress) if question.names_records else (None, plan.leaving)
    with disk.step("question"), ws.ledger.committing() as commit:
        number = commit.retract(
            question.document(), plan.digest, listed, records, people[0], people[1] if len(people) > 1 else None
        )
    return Asked(plan.digest, number, people[0], records)


def _kept(ws: Workspace, question: Question, clock: Clock, progress: Progress | None) -> tuple[str, int]:
    """Write the list of the records that a question names; returns its SHA-256 and how many there are."""
    found = sorted({pair for one in named_in(ws, question, clock, progress) for pair in one})
    table = pa.table({"source": [s for s, _ in found], "record_id": [r for _, r in found]}, schema=_LIST)
    with disk.step("list"), release.in_plain_words(), ws.engine.connect() as con:
        disk.folders(ws.retractions)
        con.register("list", table)
        _, digest, _ = writing.copy(con, "SELECT * FROM list", ws.retractions, "list of records")
        disk.settle(ws.retractions)
    return digest, len(found)


_LIST = pa.schema([("source", pa.string()), ("record_id", pa.string())])
