"""Carries withdrawals out: records the no, takes the rows out of every standing release, tells recipients, certifies.

``withdraw`` and ``ask`` record and nothing else, and each is one transaction: from then on nothing new goes out. ``carry_out``
rewrites the standing releases that hold what was withdrawn; whatever it is killed at, it can be run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from aboveboard import choice, disk, mainjob, release, statement, writing
from aboveboard.certificate import Certificate, Chain
from aboveboard.choice import Event
from aboveboard.errors import AboveboardError, LedgerError, ReleaseError
from aboveboard.ledger.ledger import refuse_open
from aboveboard.mainjob import Clock, Progress, now
from aboveboard.manifest import Manifest, told
from aboveboard.retraction import Question, parse
from aboveboard.withdrawal.board import OPEN, Withdrawal, board
from aboveboard.withdrawal.matching import matching, taken_out
from aboveboard.withdrawal.planning import Plan, Standing, concerned, line_of, plan, records_named, standing
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
    _refuse_erased(ws, event.subject)
    with disk.step("withdrawal"):
        return ws.ledger.append(event)


def _refuse_erased(ws: Workspace, subject: str) -> None:
    """INVARIANT: no event may bring back the identifier of somebody who was erased; nothing of theirs is taken anyhow."""
    if ws.gone().holds(subject):
        raise LedgerError(
            "the person was erased here: nothing of theirs is taken", hint="nothing needs to be said any more"
        )


def request(ws: Workspace, subject: str, *, method: str, clock: Clock = now) -> Event:
    """Record a no that nobody has verified: it keeps the account out of training for seven days, then lapses.

    One open request an account. Raises LedgerError where there is one: somebody who can be verified needs none.
    """
    _refuse_erased(ws, subject)
    with disk.step("withdrawal"):
        return ws.ledger.append_request(_asked(subject, method, clock()))


def plan_request(
    ws: Workspace, subject: str, *, method: str, clock: Clock = now, progress: Progress | None = None
) -> Plan:
    """What such a request would come to; writes nothing. Raises LedgerError as ``request`` would."""
    _refuse_erased(ws, subject)
    event = _asked(subject, method, clock())
    refuse_open(ws.ledger.events_of(subject), event.recorded_at)
    return plan(ws, event, clock=clock, progress=progress)


def _asked(subject: str, method: str, at: datetime) -> Event:
    return Event(
        subject=subject, type="withdrawn", recorded_at=at, effective_at=at, purpose=TRAINING, verified=False, actor="stranger",
        method=method, expires_at=at + OPEN_FOR,
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


def ask(ws: Workspace, question: Question, plan: Plan, by: str, *, progress: Progress | None = None) -> Asked:
    """Confirm a withdrawal by question whose dry run is ``plan``; enters it once enough people have confirmed it.

    More than a thousandth of the released rows needs two, and so does what nobody can count. What it names record by record
    is looked up first and kept in the private part, whole and on the disk before the ledger speaks of it.
    """
    if not by.strip():
        raise LedgerError("nobody confirms this", hint="say who you are: --by NAME")
    entered = next((one for one in ws.ledger.retractions() if one.digest == plan.digest), None)
    if entered is not None:
        raise LedgerError(
            f"this is withdrawal q{entered.number} already", hint="`aboveboard withdrawals` says where it stands"
        )
    with disk.step("proposal"):
        people = ws.ledger.propose(plan.digest, " ".join(by.split()).casefold())
    if plan.needs_two and len(people) < 2:
        return Asked(plan.digest, None, by, plan.leaving, f"a second person: {plan.why_two}")
    listed, records = _kept(ws, question, progress) if question.names_records else (None, plan.leaving)
    second = people[1] if len(people) > 1 else None
    with disk.step("question"), ws.ledger.committing() as commit:
        # INVARIANT: asked in the transaction that enters it: two who confirm at one instant enter it once.
        number = commit.retracted_as(plan.digest) or commit.retract(
            question.document(), plan.digest, listed, records, people[0], second
        )
    return Asked(plan.digest, number, people[0], records)


def _kept(ws: Workspace, question: Question, progress: Progress | None) -> tuple[str, int]:
    """Write the list of the records that a question names; returns its SHA-256 and how many there are."""
    import pyarrow as pa

    named = sorted(records_named(ws, question, progress))
    columns = [[source for source, _ in named], [id for _, id in named]]
    table = pa.table([pa.array(each, pa.string()) for each in columns], names=["source", "record_id"])
    with release.in_plain_words(), ws.engine.connect() as con:
        disk.folders(ws.retractions)
        con.register("named", table)
        _, digest, _ = writing.copy(con, "SELECT * FROM named", ws.retractions, "list of records")
        disk.settle(ws.retractions)
    return digest, len(named)


# --- what is open, carried out ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of one standing release: the one that took its place and how many rows left, or why it could not be.

    With neither, it was looked at and nothing had to leave.
    """

    release: str
    superseded_by: str | None = None
    removed: int = 0
    failed: str = ""

    def as_json(self) -> dict[str, Any]:
        plain = {"release": self.release, "superseded_by": self.superseded_by, "removed": self.removed}
        return {**plain, "failed": self.failed} if self.failed else plain


def carry_out(ws: Workspace, *, clock: Clock = now, progress: Progress | None = None) -> list[Carried]:
    """Rewrite every standing release that an open withdrawal touches; safe to run again, and by two at once.

    One that fails does not keep the others: its error stands in what is returned.
    """
    ws.evidence.follow()
    with release.in_plain_words():
        release.finish(ws.ledger, ws.private.resolve(), ws.evidence)  # what was committed and not yet published
    open_ones = board(ws)
    touched = {each.id for one in open_ones for each in one.releases if each.state == OPEN}
    here = [one for one in standing(ws) if one.id in touched]
    done = [_carry_out(ws, one, open_ones, clock, progress) for one in here]
    done += [Carried(id, failed=_AWAY) for id in sorted(touched - {one.id for one in here})]
    return [one for one in done if not (one.failed and _was_superseded(ws, one.release))]


_AWAY = "its public or its private part is not here (bring both back from your backup: nothing can leave it until then)"


def _was_superseded(ws: Workspace, id: str) -> bool:
    """Whether another run was first: then nothing failed, and what that one did not hear stands open still."""
    return any(one["release"] == id for one in ws.ledger.retirements())


def _carry_out(
    ws: Workspace, one: Standing, open_ones: Sequence[Withdrawal], clock: Clock, progress: Progress | None
) -> Carried:
    position, taken_out = ws.ledger.head(), ws.ledger.retracted()
    closing = partial(_close, ws, one.id, one.manifest_sha256, open_ones)
    try:
        asked = _asked_of(ws, one, progress)
        made = mainjob.rewrite(ws, one.public, clock=clock, progress=progress, closing=closing, asked=asked)
    except AboveboardError as error:
        return Carried(one.id, failed=f"{error}{f' ({error.hint})' if error.hint else ''}")
    if made is None:
        with disk.step("review"):
            ws.ledger.review(one.id, position, taken_out)
        return Carried(one.id)
    return Carried(one.id, made.id, _removed(made))


def _asked_of(ws: Workspace, one: Standing, progress: Progress | None) -> list[bytes]:
    """The leaves of a release that withdrawals by question since it was judged are about."""
    since = [parse(each.question) for each in ws.ledger.retractions() if each.recorded_at > one.as_of]
    mine = [question for question in since if concerned(question, [one])]
    leaves = {leaf for question in mine for rows in matching(ws, one, question, progress) for leaf, *_ in rows}
    return sorted(leaves.union(taken_out(ws, one)))


def _removed(made: release.Release) -> int:
    from aboveboard.merkle import WIDTH
    from aboveboard.rewriting import REMOVED

    return (made.private / REMOVED).stat().st_size // WIDTH


def rewrite(
    ws: Workspace, public: Path, *, facts: Path | None = None, to: Path | None = None, clock: Clock = now,
    progress: Progress | None = None,
) -> release.Release | None:  # fmt: skip
    """Rewrite one standing release, whoever asks for it: certified, and its recipients told, as ``carry_out`` does."""
    digests = {str(one["id"]): str(one["manifest_sha256"]) for one in ws.ledger.live_releases()}
    known = digests.get(public.name)
    closing = None if known is None else partial(_close, ws, public.name, known, board(ws))
    return mainjob.rewrite(ws, public, facts=facts, to=to, clock=clock, progress=progress, closing=closing)


def _close(
    ws: Workspace, id: str, sha256: str, open_ones: Sequence[Withdrawal], commit: Any, made: Manifest,
    manifest_sha256: str, leaves: bytes,
) -> None:  # fmt: skip
    """In the transaction that supersedes a release: enter the certificate, and have its recipients told."""
    from aboveboard import notices

    mine = [each for each in open_ones if any(r.id == id and r.state == OPEN for r in each.releases)]
    deadline = min((each.deadline for each in mine), default=None)
    due = statement.withdrawal(
        {"release": id, "manifest_sha256": sha256},
        {"release": made.id, "manifest_sha256": manifest_sha256},
        made.position,
        sorted(_digest(ws, each) for each in mine if each.subject is None),
        told(len(leaves) // 32),
        deadline,
        made.as_of,
    )
    ws.evidence.put(due.document)
    commit.log(due.entry(made.as_of))
    # Whatever the policy says of recipients: which models are flagged rests on these lists too.
    notices.enqueue(commit, _line(ws, id), leaves, made.as_of, deadline or made.as_of)


def _digest(ws: Workspace, asked: Withdrawal) -> str:
    [found] = [one for one in ws.ledger.retractions() if f"q{one.number}" == asked.number]
    return parse(found.question).digest


def _line(ws: Workspace, id: str) -> list[str]:
    """A release and all those that it took the place of: who still has an older copy holds the same rows."""
    return line_of({str(one["superseded_by"]): str(one["release"]) for one in ws.ledger.retirements()}, id)


# --- certificates -------------------------------------------------------------------------------------------------


def certificate(ws: Workspace, id: str, to: Path) -> Mapping[str, Any]:
    """Write the certificate of the withdrawals that a release carried out; returns what it says.

    Raises ReleaseError where the release took no other's place.
    """
    found = certified(ws, id)
    with disk.step("certificate"):
        disk.place(to, found.data())
    return found.said


def certificates(ws: Workspace, since: str, id: str, to: Path) -> Chain:
    """Write the certificates of every step from one release to the one that holds its place now, or held it then, in one file.

    Raises ReleaseError where the later one did not come from the earlier one.
    """
    steps, before = (
        list[Certificate](),
        {str(one["superseded_by"]): str(one["release"]) for one in ws.ledger.retirements()},
    )
    while id != since:
        if id not in before:
            raise ReleaseError(
                f"no release that took the place of `{since}` led there", hint="`aboveboard release list`"
            )
        steps.append(certified(ws, id))
        id = before[id]
    if not steps:
        raise ReleaseError(f"`{since}` is the release itself", hint="--since names an earlier one")
    found = Chain(tuple(reversed(steps)))
    with disk.step("certificate"):
        disk.place(to, found.data())
    return found


def certified(ws: Workspace, id: str) -> Certificate:
    """The certificate of the withdrawals that a release carried out. Raises ReleaseError where it took no other's place."""
    ws.evidence.follow()
    for entry in ws.ledger.entries_of(statement.WITHDRAWAL):
        document = ws.evidence.log.statement(entry.digest)
        signed = ws.evidence.log.checkpoint()
        inclusion = ws.evidence.log.inclusion(entry.place, extra=entry.data, signed=signed)
        found = Certificate(document, str(ws.evidence.log.signer.key), inclusion, _entered(entry.data))
        if found.said["after"]["release"] == id:
            return found
    raise ReleaseError(
        f"`{id}` took the place of no release", hint="`aboveboard withdrawals --all` names those that did"
    )


def _entered(entry: bytes) -> str:
    import json

    return str(json.loads(entry)["at"])
