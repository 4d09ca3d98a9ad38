"""``aboveboard withdraw`` and ``aboveboard withdrawals``: take out what somebody, or a question, withdraws; see where it is."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aboveboard.cli.choice import hand_out, refuse_there, signed_for
from aboveboard.cli.progress import shown
from aboveboard.cli.shared import ask_exit, emit, json_option, moment_of, workspace_option
from aboveboard.errors import WorkspaceError

if TYPE_CHECKING:
    from aboveboard.choice import Event
    from aboveboard.retraction import Question
    from aboveboard.withdrawal import Asked, Plan, Withdrawal
    from aboveboard.workspace import Workspace

_F = TypeVar("_F", bound=Callable[..., Any])
_WINDOWS = ("collected_from", "collected_to", "processed_from", "processed_to")


def _many(name: str, what: str) -> Callable[[_F], _F]:
    return click.option(f"--{name}", f"{name}s" if name != "category" else "categories", multiple=True, help=what)


@click.command()
@click.argument("subject", required=False)
@_many("purpose", "What for: a word of the vocabulary; left out: everything.")
@_many("category", "What kind of data; left out: everything.")
@_many("recipient", "By whom; left out: everyone.")
@_many("record", "One record, as SOURCE/ID; may be repeated.")
@click.option(
    "--object", "objects", is_flag=True, help="An objection, which takes no reasons, in place of a withdrawal."
)
@click.option(
    "--unverified", is_flag=True, help="Nobody has checked who asks: out of training for seven days, then it lapses."
)
@_many("region", "By question: of people in this region; may be repeated.")
@_many("kind", "By question: records of this kind; may be repeated.")
@click.option("--collected-from", metavar="TIME", help="By question: collected from then on.")
@click.option("--collected-to", metavar="TIME", help="By question: collected before.")
@click.option("--processed-from", metavar="TIME", help="By question: in releases judged from then on.")
@click.option("--processed-to", metavar="TIME", help="By question: in releases judged before.")
@click.option("--reference", help="By question: on whose word (a court, an authority, an undertaking).")
@click.option("--by", metavar="NAME", default="", help="Who confirms it.")
@click.option("--confirm", metavar="DIGEST", help="Carry out what the dry run with this digest showed.")
@click.option("--receipt", "to", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the signed receipt of a person's withdrawal there (of several: FILE-1, FILE-2 ...).")  # fmt: skip
@click.option(
    "--now", "at_once", is_flag=True, help="Rewrite the releases at once instead of with the next `withdrawals run`."
)
@workspace_option
@json_option
def withdraw(
    subject: str | None, objects: bool, unverified: bool, confirm: str | None, by: str, to: Path | None, at_once: bool,
    workspace: str, as_json: bool, **said: Any,
) -> None:  # fmt: skip
    """Take out what SUBJECT withdraws, or what a question describes. Without --confirm it is a dry run.

    With SUBJECT: everything of theirs, or what --purpose, --category and --recipient name, or single records. Without:
    a question about many people. A question that takes out more than a thousandth of the released rows, or of which no
    standing release shows how many it takes, needs two people to confirm the same digest.
    """
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger:
        if subject is None:
            _by_question(ws, _question(said), by, confirm, at_once, as_json)
        else:
            _refuse_question(said)
            _by_person(ws, subject, said, objects, unverified, confirm, to, at_once, as_json)


# --- by person ----------------------------------------------------------------------------------------------------


def _by_person(
    ws: Workspace, subject: str, said: Mapping[str, Any], objects: bool, unverified: bool, confirm: str | None,
    to: Path | None, at_once: bool, as_json: bool,
) -> None:  # fmt: skip
    from aboveboard import withdrawal

    who = withdrawal.named(ws, subject)
    if who.says:
        click.echo(f"note: {who.says}", err=True)
    subject = who.subject
    for said_of in filter(None, (withdrawal.record_says(ws, subject, one) for one in said["records"] if "/" in one)):
        click.echo(f"note: {said_of}", err=True)
    if unverified:
        _refuse_scope(said, objects)
        _request(ws, subject, confirm, as_json)
        return
    events = _events(subject, said, objects)
    files = _receipt_files(to, len(events))
    for file in files:
        refuse_there(file)
    with _heard_all_the_same(events), shown() as progress:
        plans = [withdrawal.plan(ws, event, progress=progress) for event in events]
    digest = _joined(plans)
    if confirm is None:
        emit({"digest": digest, "plans": [one.as_json() for one in plans]}, as_json, lambda: _planned(plans, digest))
        return
    _refuse_other(confirm, digest)
    stored = [withdrawal.withdraw(ws, event) for event in events]
    receipts = [signed_for(ws, event) for event in stored]
    kept = [signed for signed, _ in receipts if signed is not None]
    for file, signed in zip(files, kept, strict=False):
        hand_out(signed, None, file)
    carried = _carried(ws) if at_once else []
    told = [one.decode() for one in kept]
    document = {"recorded": [_event(one) for one in stored], "receipts": told, "carried_out": carried}
    emit(document, as_json, lambda: _recorded(stored, told, files, plans, carried))
    why = next((why for _, why in receipts if why is not None), None)
    if why is not None:
        hand_out(None, why, to)


def _request(ws: Workspace, subject: str, confirm: str | None, as_json: bool) -> None:
    """What somebody asks whom nobody has checked: a dry run first, as of everything."""
    from aboveboard import withdrawal

    with shown() as progress:
        plan = withdrawal.plan_request(ws, subject, method="command line", progress=progress)
    if confirm is None:
        document = {"digest": plan.digest, "plans": [plan.as_json()]}
        emit(document, as_json, lambda: _planned_request(plan))
        return
    _refuse_other(confirm, plan.digest)
    stored = withdrawal.request(ws, subject, method="command line")
    emit([_event(stored)], as_json, lambda: _requested(stored))


@contextmanager
def _heard_all_the_same(events: Sequence[Event]) -> Iterator[None]:
    """Where nobody can say what a no comes to it is told how to record it: it is never refused for that."""
    try:
        yield
    except WorkspaceError:
        for one in events:
            scope = [f"--{n} {shlex.quote(v)}" for n in _SCOPE if (v := getattr(one, n)) is not None]
            said = " ".join(["choice record", shlex.quote(one.subject), one.type, *scope])
            click.echo(
                f"note: the no itself is not refused: `aboveboard {said}` records it without a dry run", err=True
            )
        raise


_SCOPE = ("purpose", "category", "recipient", "value")


def _receipt_files(to: Path | None, count: int) -> list[Path]:
    """Where the receipts go, one a file, as ``check-me`` takes them: ``FILE``, or ``FILE-1``, ``FILE-2`` before its suffix."""
    if to is None:
        return []
    return [to] if count == 1 else [to.with_stem(f"{to.stem}-{number}") for number in range(1, count + 1)]


def _events(subject: str, said: Mapping[str, Any], objects: bool) -> list[Event]:
    """One event for each scope that is named."""
    from aboveboard.choice import Event

    at, kind = datetime.now(UTC), "objected" if objects else "withdrawn"
    if said["records"] and said["categories"]:
        raise click.UsageError("a record is taken out whole: --record goes without --category")
    return [
        Event(
            subject=subject, type=kind if record is None else "record_withdrawn", recorded_at=at, effective_at=at,
            category=category, purpose=purpose, recipient=recipient, method="command line", value=record,
        )
        for record in said["records"] or (None,)
        for category in said["categories"] or (None,)
        for purpose in said["purposes"] or (None,)
        for recipient in said["recipients"] or (None,)
    ]  # fmt: skip


def _refuse_scope(said: Mapping[str, Any], objects: bool) -> None:
    named = [name for name in ("records", "categories", "recipients") if said[name]] + ["object"] * objects
    if named or set(said["purposes"]) - {"train_ai_system"}:
        raise click.UsageError("a request that nobody has verified is about all training and names nothing else")


def _joined(plans: Sequence[Plan]) -> str:
    import hashlib

    return (
        hashlib.sha256("".join(one.digest for one in plans).encode()).hexdigest() if len(plans) > 1 else plans[0].digest
    )


def _refuse_other(confirm: str, digest: str) -> None:
    from aboveboard.errors import LedgerError

    if not (len(confirm) >= 12 and digest.startswith(confirm)):
        raise LedgerError(
            f"`{confirm}` is not the digest of this dry run",
            hint="look at it once more without --confirm: something changed",
        )


def _refuse_question(said: Mapping[str, Any]) -> None:
    asked = [name for name in ("regions", "kinds", *_WINDOWS, "reference") if said[name]]
    if asked:
        raise click.UsageError(f"--{asked[0].rstrip('s').replace('_', '-')} belongs to a question: leave SUBJECT out")


# --- by question --------------------------------------------------------------------------------------------------


def _by_question(ws: Workspace, question: Question, by: str, confirm: str | None, at_once: bool, as_json: bool) -> None:
    from aboveboard import withdrawal

    with shown() as progress:
        plan = withdrawal.plan_question(ws, question, progress=progress)
        if confirm is None:
            emit(plan.as_json(), as_json, lambda: _planned([plan], plan.digest, question))
            return
        _refuse_other(confirm, plan.digest)
        asked = withdrawal.ask(ws, question, plan, by, progress=progress)
    carried = _carried(ws) if at_once and asked.number is not None else []
    document = {
        "number": asked.number, "digest": asked.digest, "records": asked.records, "asked_by": asked.asked_by,
        "waits_for": asked.waits_for, "carried_out": carried,
    }  # fmt: skip
    emit(document, as_json, lambda: _confirmed(asked, carried))
    if asked.number is None:
        ask_exit(3)


def _question(said: Mapping[str, Any]) -> Question:
    from aboveboard.retraction import Question

    if not said["reference"]:
        raise click.UsageError("name a SUBJECT, or ask a question: it needs --reference and --purpose")
    asked: dict[str, Any] = {name: moment_of(said[name]) for name in _WINDOWS if said[name]}
    for name in ("purposes", "recipients", "regions", "kinds", "categories", "records"):
        asked[name] = tuple(said[name])
    return Question(reference=said["reference"], **asked)


# --- what becomes of them -----------------------------------------------------------------------------------------


@click.group(invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="Those that are closed too.")
@click.option("--subject", help="Only those of one person.")
@workspace_option
@json_option
@click.pass_context
def withdrawals(ctx: click.Context, everything: bool, subject: str | None, workspace: str, as_json: bool) -> None:
    """List the withdrawals that are open, and those that are late.

    Ends with 3 where one is overdue, or a request to be erased, or a notice to a recipient (without --subject).
    """
    if ctx.invoked_subcommand is not None:
        return
    from aboveboard import withdrawal
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger:
        subject = subject and withdrawal.named(ws, subject).subject
        found = withdrawal.board(ws, everything=everything, subject=subject)
        at = ws.ledger.now()
        beside = (
            [] if subject else [one for one in withdrawal.late(ws, found) if one.overdue and one.about != "withdrawals"]
        )
    listed = found if everything or subject else [one for one in found if one.is_open]
    emit([one.as_json(at) for one in listed], as_json, lambda: _listed(listed, at))
    for one in beside:
        click.echo(f"note: {one.about}: {one.seen}: {one.run}", err=True)
    if beside or any(one.is_overdue(at) for one in found):
        ask_exit(3)


@withdrawals.command()
@workspace_option
@json_option
def run(workspace: str, as_json: bool) -> None:
    """Rewrite every standing release that holds what was withdrawn, tell recipients, certify. Run it every hour."""
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger:
        carried = _carried(ws)
    emit(carried, as_json, lambda: _carried_words(carried))
    if any("failed" in one for one in carried):
        ask_exit(1)


@withdrawals.command()
@click.argument("release")
@click.option(
    "--to", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the certificate goes."
)
@click.option("--since", metavar="EARLIER", help="Of every step from this release to RELEASE, in one file.")
@workspace_option
@json_option
def certificate(release: str, to: Path, since: str | None, workspace: str, as_json: bool) -> None:
    """Write the certificate of the withdrawals that RELEASE carried out: `aboveboard verify` checks it offline.

    `latest` is the newest one.
    """
    from aboveboard import withdrawal
    from aboveboard.cli.release import id_of
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    release = id_of(workspace, release)
    with ws.ledger:
        if since is not None:
            steps = [one.said for one in withdrawal.certificates(ws, since, release, to).certificates]
            words = f"Certificates of the {len(steps):,} steps from {since} to {release}: {to}"
            emit({"file": str(to), "steps": steps}, as_json, lambda: words)
            return
        said = withdrawal.certificate(ws, release, to)
    emit({"file": str(to), **said}, as_json, lambda: f"Certificate of the withdrawals that {release} carried out: {to}")


def _carried(ws: Workspace) -> list[dict[str, Any]]:
    from aboveboard import withdrawal

    with shown() as progress:
        return [one.as_json() for one in withdrawal.carry_out(ws, progress=progress)]


# --- words --------------------------------------------------------------------------------------------------------


def _planned(plans: Sequence[Plan], digest: str, question: Question | None = None) -> str:
    plan = plans[0]
    lines = [f"Dry run: {question.says}." if question is not None else f"Dry run for `{plan.asked['subject']}`."]
    lines += [f"On the word of: {question.reference}"] if question is not None else []
    for one in plans:
        if len(plans) > 1:
            lines.append(f"- {', '.join(str(v) for k, v in one.asked.items() if k != 'subject')}")
        lines += [
            f"  {t.release}: {t.leaving:,} of {t.rows:,} rows leave, {t.files:,} of {t.of:,} files are written again"
            + (f" ({t.kept})" if t.kept else "")
            for t in one.touched if t.leaving
        ] or ["  No standing release holds a row that leaves."]  # fmt: skip
    if plan.named is not None:
        lines.append(f"Records named one by one, and refused for good: {plan.named:,}.")
    lines += [f"  {id}: {records:,} of them; superseded, nothing leaves it" for id, records in plan.superseded]
    does = plan.does
    lines += [
        "From the moment it is confirmed nothing new goes out.",
        f"Standing releases: {_RELEASES[does.releases]} by {plan.deadline:%Y-%m-%d %H:%M} UTC.",
        f"Recipients ({', '.join(plan.recipients) or 'nobody received it'}) {_RECIPIENTS[does.recipients]}.",
        f"Models that saw it ({', '.join(plan.models) or 'none is recorded'}) {_MODELS[does.models]}.",
        "Outside of it: copies that recipients keep, backups until they expire, models that are not retrained.",
        f"To carry it out: the same command with --confirm {digest[:16]}",
    ]
    if question is not None and plan.needs_two:
        why = plan.why_two
        lines.append(f"{why[0].upper()}{why[1:]}: two people have to confirm it (--by NAME).")
    return "\n".join(lines)


_RELEASES = {
    "withdraw": "rewritten without it",
    "keep": "kept as they are, as the policy says; the next ones are without it",
}
_RECIPIENTS = {"notify": "are told which rows to remove", "none": "are not told"}
_MODELS = {"flag": "are flagged", "retrain": "are retrained", "none": "stay as they are"}


def _planned_request(plan: Plan) -> str:
    lines = [f"Dry run of an unverified request for `{plan.asked['subject']}`."]
    lines += [
        f"  {t.release}: {t.leaving:,} of {t.rows:,} rows are theirs to hold; none leaves it" for t in plan.touched if t.leaving
    ] or ["  No standing release holds a row that it is about."]  # fmt: skip
    lines += [
        f"Until {plan.lapses:%Y-%m-%d %H:%M} UTC no such row goes into anything new for training; then the request lapses.",
        "Releases that stand are left as they are: nobody has checked who asks.",
        f"Recipients ({', '.join(plan.recipients) or 'nobody received it'}) {_RECIPIENTS[plan.does.recipients]}.",
        f"Models that saw it ({', '.join(plan.models) or 'none is recorded'}) {_MODELS[plan.does.models]}.",
        f"To carry it out: the same command with --confirm {plan.digest[:16]}",
    ]
    return "\n".join(lines)


def _requested(event: Event) -> str:
    return (
        f"Out of training until {event.expires_at:%Y-%m-%d %H:%M} UTC: nobody has checked who asks. Verify them, and record"
        " what they say as their own."
    )


def _recorded(
    stored: Sequence[Event], receipts: Sequence[str], files: Sequence[Path], plans: Sequence[Plan],
    carried: Sequence[Any],
) -> str:  # fmt: skip
    positions = ", ".join(f"{one.position:,}" for one in stored)
    lines = [f"Recorded at position {positions}: from now on nothing new goes out."]
    if carried:
        lines.append(_carried_words(carried))
    elif any(one.leaving for one in plans):
        by = f"are rewritten by {plans[0].deadline:%Y-%m-%d %H:%M} UTC: `aboveboard withdrawals run`."
        keeps = plans[0].does.releases == "keep"
        lines.append(f"Standing releases {_RELEASES['keep'] + '.' if keeps else by}")
    if files and receipts:
        lines.append(f"The signed receipt{'s' if len(files) > 1 else ''}: {', '.join(map(str, files))}")
    else:
        lines += receipts
    return "\n".join(lines)


def _confirmed(asked: Asked, carried: Sequence[Any]) -> str:
    if asked.number is None:
        return f"Noted, and not carried out yet: it waits for {asked.waits_for}."
    lines = [f"Withdrawal q{asked.number}: {asked.records:,} rows; every later build refuses them."]
    return "\n".join(
        [*lines, _carried_words(carried) if carried else "Standing releases: `aboveboard withdrawals run`."]
    )


def _listed(found: Sequence[Withdrawal], at: datetime) -> str:
    if not found:
        return "No withdrawal is open."
    return "\n".join(line for one in found for line in _one(one, at))


def _one(one: Withdrawal, at: datetime) -> list[str]:
    head = f"{one.number}  {one.subject or 'by question'}  {one.said}  {_state(one, at)}, by {one.deadline:%Y-%m-%d %H:%M} UTC"
    told = [
        f"    {name:<20}{f'{when:%Y-%m-%d %H:%M:%S} UTC' if when else 'not yet':<26}{shown_by}"
        for name, when, shown_by in one.states()
    ]
    return [head, *told]


def _state(one: Withdrawal, at: datetime) -> str:
    if one.is_open:
        return "OVERDUE" if one.is_overdue(at) else "open"
    if one.is_kept:
        return "releases kept as they are, as the policy says"
    return "closed for releases" if one.notified_at is not None else "out of releases, recipients not told yet"


def _carried_words(carried: Sequence[Mapping[str, Any]]) -> str:
    if not carried:
        return "No standing release holds anything that was withdrawn."
    lines = []
    for one in carried:
        if "failed" in one:
            lines.append(f"{one['release']}: {one['failed']}")
        elif one["superseded_by"] is None:
            lines.append(f"{one['release']}: looked at, nothing has to leave.")
        else:
            lines.append(f"{one['release']}: {one['removed']:,} rows left; {one['superseded_by']} takes its place.")
    return "\n".join(lines)


def _event(event: Event) -> dict[str, Any]:
    return {
        "position": event.position, "subject": event.subject, "type": event.type, "category": event.category,
        "purpose": event.purpose, "recipient": event.recipient, "record": event.value,
        "recorded_at": event.recorded_at.isoformat(), "verified": event.verified,
        "lapses_at": event.expires_at.isoformat() if event.expires_at else None,
    }  # fmt: skip
