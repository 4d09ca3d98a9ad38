"""Withdrawals: what a no comes to, how it is carried out, and what became of it, by when.

A withdrawal is what the ledger already holds: an event, or a question, behind the releases that were made before it. What
became of it is worked out each time from what is recorded, so there is nothing to lose. A dry run comes first; a question
about many records needs a second person; a person's own no is never slowed. Specification: docs/withdrawal.md.
"""

from __future__ import annotations

from aboveboard.withdrawal.acting import (
    Asked,
    Carried,
    ask,
    carry_out,
    certificate,
    certificates,
    certified,
    plan_request,
    request,
    rewrite,
    withdraw,
)
from aboveboard.withdrawal.board import Release, Withdrawal, board
from aboveboard.withdrawal.late import Late, late, telling
from aboveboard.withdrawal.naming import Named, named, record_says
from aboveboard.withdrawal.planning import Plan, Touched, plan, plan_question, reached

__all__ = [
    "Asked", "Carried", "Late", "Named", "Plan", "Release", "Touched", "Withdrawal", "ask", "board", "carry_out",
    "certificate", "certificates", "certified", "late", "named", "plan", "plan_question", "plan_request", "reached",
    "record_says", "request", "rewrite", "telling", "withdraw",
]  # fmt: skip
