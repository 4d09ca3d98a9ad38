"""``aboveboard erase``: what is here of one person goes, after a dry run and a day in which it can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from aboveboard.cli.shared import ask_exit, emit, json_option, printable, workspace_option

if TYPE_CHECKING:
    from aboveboard.erasing import Plan
    from aboveboard.ledger.erasures import Erasure
    from aboveboard.workspace import Workspace

OUTSIDE = (
    "Not reached from here: the sources and the facts table (delete them there), backups, files that were handed out,"
    " what recipients hold, and models."
)


@click.command()
@click.argument("subject", required=False)
@click.option("--also", multiple=True, metavar="ID", help="A further id or handle of the same person; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what it would touch; so without --yes.")
@click.option("--yes", metavar="DIGEST", help="Record the request whose dry run had this digest.")
@click.option("--undo", is_flag=True, help="Take back the open request of SUBJECT.")
@click.option("--due", is_flag=True, help="Execute every request that is due.")
@click.option("--list", "listed", is_flag=True, help="The requests that are open; ends with 3 where one is overdue.")
@workspace_option
@json_option
def erase(
    subject: str | None, also: Sequence[str], dry_run: bool, yes: str | None, undo: bool, due: bool, listed: bool,
    workspace: str, as_json: bool,
) -> None:  # fmt: skip
    """Erase SUBJECT (a stable account id): say what that touches, then, with the digest of that, do it.

    From the request on nothing of theirs is taken. What cannot be undone waits 24 hours: until then --undo takes it back,
    afterwards --due executes it (run it at least once an hour).
    """
    if bool(subject) == (due or listed) or sum((due, listed, undo, dry_run or yes is not None)) > 1:
        raise click.UsageError("give a SUBJECT, with --dry-run, --yes or --undo at most; or --due, or --list, alone")
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger:
        if listed:
            _list(ws, as_json)
        elif due:
            _execute(ws, as_json)
        elif undo:
            _undo(ws, str(subject), as_json)
        elif yes is not None and not dry_run:
            _ask(ws, str(subject), also, yes, as_json)
        else:
            _plan(ws, str(subject), also, as_json)


def _plan(ws: Workspace, subject: str, also: Sequence[str], as_json: bool) -> None:
    from aboveboard import erasing

    made = erasing.plan(ws, subject, also)
    emit({**made.as_json(), "dry_run": True}, as_json, lambda: printable(_planned(made)))


def _planned(made: Plan) -> str:
    lines = [f"Erasing {', '.join(made.identifiers)} would touch:"]
    lines += [
        f"  ledger: {made.events:,} events (their receipts cannot be made again), {made.signed:,} signed statements,"
        f" {made.keys:,} keys"
    ]
    lines += [
        f"  release {name}: {one.openings:,} rows of theirs, {one.of_others:,} of others they have a part in,"
        f" {one.decisions:,} decisions, {one.known:,} events and facts"
        + (", their capsule cannot be made again" if one.accounts else "")
        for name, one in made.releases.items()
    ]
    if made.epochs:
        lines += [f"  {made.epochs:,} tables of facts behind epochs are gone through"]
    lines += [OUTSIDE, "", "Nothing was changed. To ask for it:", f"  aboveboard erase {made.identifiers[0]} "
              + "".join(f"--also {name} " for name in made.identifiers[1:]) + f"--yes {made.digest}"]  # fmt: skip
    return "\n".join(lines)


def _ask(ws: Workspace, subject: str, also: Sequence[str], digest: str, as_json: bool) -> None:
    from aboveboard import erasing

    made = erasing.ask(ws, subject, also, digest)
    prose = (
        f"Recorded (event {made.position:,}): from now on nothing of theirs is taken, and the next release is without it.\n"
        f"It is executed by `aboveboard erase --due` from {made.due_at:%Y-%m-%d %H:%M} UTC on; until it is,"
        f" `aboveboard erase --undo {subject}` takes it back."
    )
    emit(_request(made), as_json, lambda: printable(prose))


def _undo(ws: Workspace, subject: str, as_json: bool) -> None:
    from aboveboard import erasing

    made = erasing.undo(ws, subject)
    emit({**_request(made), "undone": True}, as_json, lambda: "Taken back: what they said before counts again.")


def _execute(ws: Workspace, as_json: bool) -> None:
    from aboveboard import erasing

    done = erasing.execute_due(ws)
    _sign_ins(ws)
    lines = [
        f"Erased: {one.events:,} events reduced to their place and time, {one.keys:,} keys deleted, {one.releases:,} private"
        f" parts gone through (entry {one.place} of the log)."
        for one in done
    ]
    prose = (
        "\n".join([*lines, "See what is left, if anything: aboveboard purge --verify"]) if done else "Nothing is due."
    )
    emit({"executed": [asdict(one) for one in done]}, as_json, lambda: prose)


def _sign_ins(ws: Workspace) -> None:
    """The accounts of whoever was erased leave the sign-in of a portal that stands alone."""
    from aboveboard.portal.signin import passkeys
    from aboveboard.portal.signin.store import store_of

    store, gone = store_of(ws), ws.gone()
    if store.file.exists():
        with store.writing() as con:
            for subject in filter(gone.holds, passkeys.subjects(con)):
                passkeys.forget(con, subject)


def _list(ws: Workspace, as_json: bool) -> None:
    now, found, ended = datetime.now(UTC), ws.ledger.erasures(), ws.ledger.erased()
    document = {
        "open": [{**_request(one), "overdue": one.due_at <= now} for one in found],
        "ended": [{"id": one.id, "how": one.how, "at": one.at.isoformat(), "events": one.events} for one in ended],
    }
    lines = [
        f"{one.subject}: asked {one.asked_at:%Y-%m-%d %H:%M} UTC, "
        + ("due now: run `aboveboard erase --due`" if one.due_at <= now else f"due {one.due_at:%Y-%m-%d %H:%M} UTC")
        for one in found
    ]
    lines += [f"request {one.id}: {one.how} {one.at:%Y-%m-%d %H:%M} UTC" for one in ended]
    emit(document, as_json, lambda: printable("\n".join(lines) or "No request to erase anybody."))
    if any(one.due_at <= now for one in found):
        ask_exit(3)


def _request(one: Erasure) -> dict[str, Any]:
    return {
        "id": one.id, "identifiers": list(one.identifiers), "position": one.position,
        "asked_at": one.asked_at.isoformat(), "due_at": one.due_at.isoformat(),
    }  # fmt: skip
