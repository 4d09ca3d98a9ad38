"""``aboveboard notices``, ``release deliver``, ``release apply-removals``: who received a release, what they must remove."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard.cli.shared import ask_exit, emit, json_option, printable, workspace_option

if TYPE_CHECKING:
    from aboveboard.cleaning import Cleaned
    from aboveboard.notices import Notice
    from aboveboard.workspace import Workspace


@click.group()
def notices() -> None:
    """Tell recipients which rows they must not keep, and keep what they answer."""


@notices.command("list")
@click.option("--recipient", help="Only those to this recipient.")
@click.option("--open", "still_open", is_flag=True, help="Only those that nobody acknowledged.")
@workspace_option
@json_option
def listed(recipient: str | None, still_open: bool, workspace: str, as_json: bool) -> None:
    """List every notice with its status: pending, sent, acknowledged or overdue. Exit 3 where one is overdue."""
    ws, now = _opened(workspace), datetime.now(UTC)
    found = [one for one in _board(ws) if recipient in (None, one.recipient)]
    shown = [one for one in found if not (still_open and one.answer)]
    emit(
        [one.as_json(now, ws.pace.give_up) for one in shown],
        as_json,
        lambda: (
            "\n".join(_line(one, now) for one in shown) or "No notice: nothing was removed from what was delivered."
        ),
    )
    _refuse_overdue(found, now)


@notices.command()
@click.argument("notice")
@click.option("--list", "to", type=click.Path(dir_okay=False, path_type=Path), help="Write the removal list here.")
@workspace_option
@json_option
def show(notice: str, to: Path | None, workspace: str, as_json: bool) -> None:
    """Show one notice (the first digits of its id will do) with every try. Exit 3 where it is overdue."""
    from aboveboard import disk
    from aboveboard.notices import one_of

    ws, now = _opened(workspace), datetime.now(UTC)
    found = one_of(_board(ws), notice)
    if to is not None:
        with ws.ledger.outbox() as outbox:
            disk.write(to, outbox.document(found.list.release, found.list.number))
    tries = [{"at": t.at.isoformat(), "outcome": t.outcome, "said": t.said} for t in found.attempts]
    told = {**found.as_json(now, ws.pace.give_up), "list_sha256": found.list.digest, "attempts": tries,
            "answered": found.answer and found.answer.how}  # fmt: skip
    lines = [_line(found, now), *(f"  {t['at']}  {t['outcome']:<7} {t['said']}" for t in tries)]
    emit(told, as_json, lambda: "\n".join(lines))
    _refuse_overdue([found], now)


@notices.command()
@click.option(
    "--now", "at_once", is_flag=True, help="Make lists of all that waits, without waiting for more to mix it with."
)
@click.option(
    "--again", metavar="NOTICE", help="Send this one, whenever it was tried last, and even if it was given up."
)
@workspace_option
@json_option
def send(at_once: bool, again: str | None, workspace: str, as_json: bool) -> None:
    """Make the lists that are due, send every notice whose time has come, and take answers in. Run it every few minutes.

    Exit 3 where a notice is overdue afterwards.
    """
    from aboveboard import disk
    from aboveboard import notices as outgoing
    from aboveboard.release import in_plain_words
    from aboveboard.withdrawal import telling

    ws, now = _opened(workspace), datetime.now(UTC)
    recipients, pace = ws.recipients, ws.pace
    ws.private.mkdir(parents=True, exist_ok=True, mode=0o700)
    with in_plain_words(), disk.locked(ws.private / ".notices.lock"):
        wait = timedelta() if at_once else pace.wait
        told = telling(ws)
        made = outgoing.cut(ws.ledger, ws.origin, ws.signer("receipt"), now, wait, told) if _anything(ws) else []
        only = None if again is None else outgoing.one_of(_board(ws), again).id
        sent = outgoing.send(ws.ledger, recipients, _now, random.SystemRandom().random, pace=pace, only=only)
    found = _board(ws)
    done: dict[str, list[Any]] = {
        "lists": [{"release": one.release, "list": one.number, "rows": one.rows} for one in made],
        "sent": list(sent.arrived), "failed": list(sent.failed), "acknowledged": list(sent.acknowledged),
        "no_address": list(sent.nowhere), "overdue": [one.id for one in found if one.status(_now()) == "overdue"],
    }  # fmt: skip
    emit(done, as_json, lambda: _sent(done))
    _refuse_overdue(found, _now())


def _sent(told: Mapping[str, Sequence[Any]]) -> str:
    words = {
        "lists": "lists made", "sent": "sent", "failed": "failed, to be tried again", "acknowledged": "acknowledged",
        "no_address": "to somebody who is no recipient of this workspace any more", "overdue": "overdue",
    }  # fmt: skip
    return (
        "\n".join(f"{len(told[name]):>6,}  {says}" for name, says in words.items() if told[name]) or "Nothing to send."
    )


@notices.command()
@click.argument("notice")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The answer, as `release apply-removals --answer` wrote it.")  # fmt: skip
@click.option("--by-hand", is_flag=True, help="They answered in another way: on your word.")
@workspace_option
@json_option
def ack(notice: str, file: Path | None, by_hand: bool, workspace: str, as_json: bool) -> None:
    """Take in what a recipient answered to NOTICE: from a file, or by hand."""
    from aboveboard import notices as outgoing

    if (file is None) != by_hand:
        raise click.UsageError("name the answer with --file, or say --by-hand")
    ws = _opened(workspace)
    found = outgoing.one_of(_board(ws), notice)
    if file is None:
        how = outgoing.confirm(ws.ledger, found, _now())
    else:
        how = outgoing.acknowledge(ws.ledger, found, file.read_bytes(), ws.recipients.get(found.recipient), _now())
    told = {"notice": found.id, "recipient": found.recipient, "answered": how}
    emit(told, as_json, lambda: f"{found.recipient} has removed the rows of list {found.list.number} ({how}).")


# --- commands of `release` ----------------------------------------------------------------------------------------


@click.command()
@click.argument("release_id", metavar="RELEASE")
@click.option("--to", "recipient", required=True, help="Who receives it: a recipient of [recipients].")
@workspace_option
@json_option
def deliver(release_id: str, recipient: str, workspace: str, as_json: bool) -> None:
    """Record that a recipient receives RELEASE, so that they are told of every row that leaves it.

    It hands nothing over: copy the folder yourself. Only a recipient that the release was judged for may have it.
    """
    from aboveboard import notices as outgoing
    from aboveboard.cli.release import published_named
    from aboveboard.errors import ReleaseError, unknown_term

    ws = _opened(workspace)
    if recipient not in ws.recipients:
        raise unknown_term("recipient of this workspace", recipient, ws.recipients)
    path = published_named(workspace, (), release_id)
    if path.name not in {str(one["id"]) for one in ws.ledger.releases()}:
        raise ReleaseError(f"the ledger knows no release `{path.name}`", hint="it was built in another workspace")
    said = json.loads((path / "manifest.json").read_bytes())["predicate"]
    new = outgoing.deliver(ws.ledger, path.name, said["job"]["recipient"], recipient, _now())
    with ws.ledger.outbox() as outbox:
        lists = [one for one in outbox.cuts() if one.release == path.name]
    told = {"release": path.name, "recipient": recipient, "new": new, "lists": len(lists)}
    before = f" They will be told of {len(lists)} lists of rows that left before." if lists and new else ""
    emit(told, as_json, lambda: f"{recipient} receives {path.name}.{before}" if new else "That was recorded before.")


@click.command("apply-removals")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("lists", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="KEY", help="The platform's key of receipts as it publishes it: name+id+key, or a file.")
@click.option(
    "--answer", type=click.Path(dir_okay=False, path_type=Path), help="Write the answer to the last list here."
)
@click.option("--as", "name", help="Who answers: your name among the platform's recipients. Goes with --answer.")
@click.option("--sign", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Sign the answer with this private key (`aboveboard log key` makes one).")  # fmt: skip
@json_option
def apply_removals(
    folder: Path, lists: Sequence[Path], key: str | None, answer: Path | None, name: str | None, sign: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Take the rows that removal LISTS name out of FOLDER, a copy of a release, and say what left. Needs no workspace.

    Exit 3 where a list before one of these was never applied. What you made of the copy elsewhere is yours to clean.
    """
    from aboveboard import cleaning, removal
    from aboveboard.cli.verify import trusted
    from aboveboard.release import in_plain_words

    if (answer is None) != (name is None):
        raise click.UsageError("--answer and --as go together")
    trust = trusted(key, None)
    read = sorted((one.read_bytes() for one in lists), key=lambda data: removal.parse(data)[0].number)
    with in_plain_words():
        done = [cleaning.apply(folder, data, trust.logs[0] if trust else None) for data in read]
        if answer is not None and name is not None:
            said = removal.Answer(done[-1].digest, name, _now(), done[-1].removed)
            answer.write_bytes(said.data(_signer(sign)))
    emit([one.as_json() for one in done], as_json, lambda: printable("\n".join(map(_cleaned, done))))
    if not all(one.follows for one in done):
        click.echo("a list before this one was never applied here: ask for it", err=True)
        ask_exit(3)


def _signer(file: Path | None) -> Any:
    """Answers are signed with a plain Ed25519 key, whatever kind of signature the file was made for."""
    if file is None:
        return None
    from aboveboard.note import Signer

    made = Signer.parse(file.read_text(encoding="utf-8").strip())
    return Signer(made.name, made.secret)


def _cleaned(one: Cleaned) -> str:
    return (
        f"List {one.list.number} of {one.list.release}: {one.removed:,} of {one.list.rows:,} rows were here and left, "
        f"from {one.files:,} files; {one.left:,} rows are left."
    )


# --- what they share ----------------------------------------------------------------------------------------------


def _opened(workspace: str) -> Workspace:
    from aboveboard.workspace import open_workspace

    return open_workspace(workspace)


def _anything(ws: Workspace) -> bool:
    """Whether anything was ever removed: else there is nothing to sign, and no key is needed."""
    with ws.ledger.outbox() as outbox:
        return bool(outbox.waiting())


def _board(ws: Workspace) -> list[Notice]:
    from aboveboard.notices import board

    return board(ws.ledger) if ws.has_ledger else []


def _now() -> datetime:
    return datetime.now(UTC)


def _line(one: Notice, now: datetime) -> str:
    return (
        f"{one.id[:12]}  {one.status(now):<12}  {one.recipient}  list {one.list.number} of {one.list.release}, "
        f"{one.list.rows:,} rows, due {one.due:%Y-%m-%d %H:%M}"
    )


def _refuse_overdue(found: Sequence[Notice], now: datetime) -> None:
    if any(one.status(now) == "overdue" for one in found):
        ask_exit(3)
