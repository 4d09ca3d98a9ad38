"""``aboveboard choice``: record what somebody said, show what is in force, import a platform's own list.

A recorded choice prints with its signed receipt, which whoever said it keeps: later it is evidence.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard import disk, vocabulary
from aboveboard.choice import ACTORS, GRANTS, TYPES, Choice, Event, fold, validate
from aboveboard.cli.shared import ask_exit, emit, json_option, workspace_option
from aboveboard.descriptor import statement_bytes
from aboveboard.errors import AboveboardError, LedgerError, WorkspaceError

if TYPE_CHECKING:
    from aboveboard.ledger import ImportReport, Ledger
    from aboveboard.workspace import Workspace

_CATEGORY = "user.content.public"
_RECIPIENT = "controller"
_PATH: Any = click.Path(dir_okay=False, path_type=Path)


@click.group()
def choice() -> None:
    """Record, show and import people's choices."""


@contextmanager
def _opened(workspace: str) -> Iterator[Workspace]:
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger:
        yield ws


def _refuse_erased(ws: Workspace, subject: str) -> None:
    """Raises LedgerError where nothing may be recorded any more: it would bring the identifier back."""
    if ws.gone().holds(subject):
        raise LedgerError(
            "the person was erased here: nothing of theirs is taken", hint="nothing needs to be said any more"
        )


@contextmanager
def _ledger(workspace: str) -> Iterator[Ledger]:
    with _opened(workspace) as ws:
        yield ws.ledger


# Record


_SAID = (
    click.argument("subject"),
    click.argument("type", metavar="TYPE"),
    click.option("--category", help="What the choice is about; left out: everything."),
    click.option("--purpose", help="What for; left out: everything."),
    click.option("--recipient", help="Who may have it; left out: everyone."),
    click.option("--past-from", metavar="TIME", help="Older data it is about: from."),
    click.option("--past-to", metavar="TIME", help="Older data it is about: until."),
    click.option("--expires", metavar="PERIOD|TIME", help="Until when it holds: P12M, or a date."),
    click.option("--effective", metavar="TIME", help="When it was said; left out: now."),
    click.option("--notice", help="SHA-256 of the notice that was shown."),
    click.option("--language", help="Language of that notice."),
    click.option("--actor", default="subject", show_default=True, help=f"Who said it: {', '.join(ACTORS)}."),
    click.option("--method", default="command line", show_default=True, help="How it was said."),
    click.option("--unverified", is_flag=True, help="Nobody has checked yet who said it: a no holds, a yes waits."),
    click.option("--value", help="The age band (age_changed), the residency (moved), or SOURCE/ID (record_withdrawn)."),
    click.option("--external-id", help="Your own id of this statement; the same one twice is recorded once."),
    click.option("--zone", default="UTC", show_default=True, help="Time zone of times without one, and of periods."),
)


def _said(command: Callable[..., None]) -> Callable[..., None]:
    """What somebody said, as arguments and options."""
    for one in reversed(_SAID):
        command = one(command)
    return command


_rp_option = click.option(
    "--rp-id", metavar="HOST", help="The site an authenticator signs for; left out: the log's host."
)


@choice.command()
@_said
@click.option("--receipt", "to", metavar="FILE", type=_PATH, help="Write the signed receipt there, to be handed out.")
@click.option(
    "--assertion",
    "asserted",
    metavar="FILE",
    type=_PATH,
    help="What the person's authenticator signed over the challenge of this choice (JSON).",
)
@_rp_option
@workspace_option
@json_option
def record(
    subject: str,
    type: str,
    to: Path | None,
    asserted: Path | None,
    rp_id: str | None,
    workspace: str,
    zone: str,
    as_json: bool,
    **said: Any,
) -> None:
    """Record what SUBJECT said or what happened to their account, and print the signed receipt.

    TYPE is one of given, renewed, refused, withdrawn, objected, expired, contract_bound, notice_shown,
    age_changed, moved, deleted, restored, suppressed, unsuppressed, record_withdrawn, or a word of a compliance stream
    (docs/formats/event.md). Where no receipt can be signed the choice is recorded all the same; that ends with 1 only
    where --receipt asked for one.
    """
    from aboveboard.ledger import periods

    vocabulary.member("event type", type, TYPES)
    periods.zone(zone)
    refuse_there(to)
    with _opened(workspace) as ws:
        _refuse_erased(ws, subject)
        before = ws.ledger.head()
        event = _event(subject, type, ws.ledger.now(), zone, said)
        stored = ws.ledger.append(event, _asserted(ws, event, asserted, rp_id, said))
        signed, why = signed_for(ws, stored)
    document = {
        **_document(stored),
        "already_there": stored.position <= before,
        "receipt": signed and signed.decode(),
    }
    emit(document, as_json, lambda: _recorded(stored, before, signed))
    hand_out(signed, why, to)


@choice.command()
@_said
@_rp_option
@workspace_option
@json_option
def challenge(
    subject: str, type: str, rp_id: str | None, workspace: str, zone: str, as_json: bool, **said: Any
) -> None:
    """Print what SUBJECT's authenticator has to sign for a choice that is not recorded yet. Nothing is recorded.

    Record it afterwards with the same options, with --effective and --external-id as printed here, and with
    --assertion: a JSON file with publicKey, authenticatorData, clientDataJSON and signature, each in base64url.
    """
    from aboveboard.assertion import coded
    from aboveboard.ledger import periods
    from aboveboard.workspace import open_workspace

    vocabulary.member("event type", type, TYPES)
    periods.zone(zone)
    said["external_id"] = said["external_id"] or f"webauthn:{secrets.token_hex(16)}"
    event = validate(_event(subject, type, datetime.now(UTC), zone, said))
    document = {
        "challenge": coded(_challenge(event)),
        "rp_id": rp_id or _host(open_workspace(workspace)),
        "effective_at": event.effective_at.isoformat(),
        "external_id": event.external_id,
    }
    emit(document, as_json, lambda: "\n".join(f"{name:<13}{value}" for name, value in document.items()))


def _challenge(event: Event) -> bytes:
    return hashlib.sha256(statement_bytes(event)).digest()


def _host(ws: Workspace) -> str:
    """The host of the log's origin: an authenticator knows a site by it."""
    return ws.origin.partition("/")[0].partition(":")[0]


def _asserted(ws: Workspace, event: Event, path: Path | None, rp_id: str | None, said: Mapping[str, Any]) -> str | None:
    """The assertion of a file as the ledger keeps it, checked against the choice before anything is recorded."""
    from aboveboard import assertion

    if path is None:
        return None
    if not said["effective"] or not said["external_id"]:
        raise click.UsageError("--assertion needs --effective and --external-id, as `choice challenge` printed them")
    try:
        found = assertion.parse(path.read_bytes(), rp_id or _host(ws))
    except OSError as error:
        raise click.BadParameter(f"`{path}` cannot be read", param_hint="--assertion") from error
    found.verify(_challenge(event))
    return json.dumps(found.document(), sort_keys=True)


def signed_for(ws: Workspace, event: Event) -> tuple[bytes | None, AboveboardError | None]:
    """The receipt, or why there is none. INVARIANT: what somebody said is never lost because nobody can sign for it."""
    try:
        return ws.receipt(event), None
    except AboveboardError as error:
        return None, error
    except OSError as error:
        return None, _refused(error)


def refuse_there(path: Path | None) -> None:
    """A receipt is evidence: none is written over, and that is known before anything is recorded."""
    if path is not None and (path.exists() or not path.parent.is_dir()):
        why = "is there already" if path.exists() else "is in no folder"
        raise click.BadParameter(f"`{path}` {why}", param_hint="FILE")


def hand_out(signed: bytes | None, why: AboveboardError | None, to: Path | None) -> None:
    if why is not None:
        click.echo(f"no receipt: {why}" + (f"\nhint: {why.hint}" if why.hint else ""), err=True)
    if to is not None and signed is not None:
        _write(to, signed)
    elif to is not None:
        ask_exit(1)


def _write(path: Path, signed: bytes) -> None:
    try:
        disk.write(path, signed)
    except OSError as error:
        raise _refused(error) from error


def _refused(error: OSError) -> WorkspaceError:
    words = (error.strerror or type(error).__name__).lower()
    return WorkspaceError(
        f"the file system refused: {words}", file=error.filename,
        hint="what was said is recorded; `aboveboard choice receipt` signs for it again",
    )  # fmt: skip


# A receipt again


@choice.command()
@click.argument("subject")
@click.option("--position", metavar="N", type=int, help="Of which event; left out: of the last one.")
@click.option("--out", metavar="FILE", type=_PATH, help="Write it there instead of printing it.")
@workspace_option
@json_option
def receipt(subject: str, position: int | None, out: Path | None, workspace: str, as_json: bool) -> None:
    """Sign the receipt of something SUBJECT said once more; it has the same bytes each time. Imported choices too."""
    refuse_there(out)
    with _opened(workspace) as ws:
        events = [one for one in ws.ledger.events_of(subject) if position in (None, one.position)]
        if not events:
            what = "nothing" if position is None else f"no event {position}"
            raise LedgerError(f"{what} is recorded for `{subject}`", hint="`aboveboard choice show` lists what is")
        signed = ws.receipt(events[-1])
    if out is not None:
        _write(out, signed)
    document = {"position": events[-1].position, "receipt": signed.decode(), "file": out and str(out)}
    emit(document, as_json, lambda: f"wrote {out}" if out else signed.decode().removesuffix("\n"))


def _event(subject: str, type: str, now: datetime, zone: str, said: Mapping[str, Any]) -> Event:
    effective = moment(said["effective"], zone) or now
    return Event(
        subject=subject,
        type=type,
        recorded_at=now,
        effective_at=effective,
        past_from=moment(said["past_from"], zone),
        past_to=moment(said["past_to"], zone),
        expires_at=_expiry(said["expires"], effective, zone),
        verified=not said["unverified"],
        **{name: said[name] for name in ("category", "purpose", "recipient", "notice", "language", "actor", "method")},
        **{name: said[name] for name in ("value", "external_id")},
    )


def _expiry(text: str | None, effective: datetime, zone: str) -> datetime | None:
    from aboveboard.ledger import periods

    if text is None or not text.startswith("P"):
        return moment(text, zone)
    return periods.after(effective, text, periods.zone(zone))


def moment(text: str | None, zone: str) -> datetime | None:
    """A time that somebody typed, such as 2024-05-01T12:00+02:00; a usage error for anything else."""
    from aboveboard.ledger import periods

    if text is None:
        return None
    where = periods.zone(zone)
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=where)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"`{text}` is no time; write 2024-05-01 or 2024-05-01T12:00:00+02:00") from None


def _recorded(event: Event, before: int, signed: bytes | None) -> str:
    lines = [
        f"recorded for {event.subject}: {_sentence(event)}",
        f"  position     {event.position}" + (" (was there already)" if event.position <= before else ""),
        f"  recorded at  {_time(event.recorded_at)}",
        f"  counts from  {_time(event.counts_from)}",
    ]
    lines += [f"  holds until  {_time(event.expires_at)}"] if event.expires_at else []
    lines += ["  not verified yet"] if not event.verified else []
    lines += [f"  external id  {event.external_id}"] if event.external_id else []
    lines += ["", signed.decode().removesuffix("\n")] if signed else []
    return "\n".join(lines)


# Show


@choice.command()
@click.argument("subject")
@click.option("--purpose", help="Only this purpose and what stands below it.")
@click.option("--category", default=_CATEGORY, show_default=True, help="The data that is asked about.")
@click.option("--recipient", default=_RECIPIENT, show_default=True, help="Who would have it.")
@click.option("--at", metavar="TIME", help="The moment asked about, and of collection; left out: now.")
@workspace_option
@json_option
def show(
    subject: str,
    purpose: str | None,
    category: str,
    recipient: str,
    at: str | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Show what SUBJECT said, and which choice is in force for each purpose."""
    vocabulary.category(category)
    vocabulary.recipient(recipient)
    with _ledger(workspace) as ledger:
        as_of = moment(at, "UTC") or ledger.now()
        events = [event for event in ledger.events_of(subject) if event.recorded_at <= as_of]
    found = {leaf: fold(events, category, leaf, recipient, as_of, as_of) for leaf in _leaves(purpose)}
    document = {
        "subject": subject, "category": category, "recipient": recipient, "at": as_of.isoformat(),
        "events": [_document(event) for event in events],
        "choices": {leaf: _choice_document(one) for leaf, one in found.items()},
    }  # fmt: skip
    emit(document, as_json, lambda: _shown(subject, events, found, category, recipient, as_of))


def _leaves(purpose: str | None) -> Sequence[str]:
    leaves = vocabulary.leaves(vocabulary.PURPOSES)
    if purpose is None:
        return leaves
    vocabulary.purpose(purpose)
    return [leaf for leaf in leaves if vocabulary.covers(purpose, leaf)]


def _shown(
    subject: str,
    events: Sequence[Event],
    found: Mapping[str, Choice],
    category: str,
    recipient: str,
    as_of: datetime,
) -> str:
    data = vocabulary.CATEGORIES[category].says
    about = f"{data}, for {recipient}, collected and asked about at {_time(as_of)}"
    lines = [f"{subject} said:" if events else f"{subject} said nothing."]
    lines += [f"  {event.position:>6}  {_time(event.recorded_at)}  {_sentence(event)}" for event in events]
    lines += ["", f"in force for {about}:"]
    lines += [f"  {vocabulary.PURPOSES[leaf].says}: {_in_force(one)}" for leaf, one in found.items()]
    return "\n".join(lines)


_STATES = {
    "given": "said yes",
    "silent": "said nothing; the policy decides",
    "unknown": "something was said that nobody has verified: held",
    "expired": "said yes, and it has run out",
    "refused": "said no",
    "objected": "objected",
    "withdrawn": "took the yes back",
}


def _in_force(one: Choice) -> str:
    decided = f" (event {', '.join(str(event.position) for event in one.events)})" if one.events else ""
    since = f" since {_time(one.since)}" if one.since else ""
    past = ", for this older data too" if one.past else ""
    return f"{_STATES[one.state]}{since}{past}{decided}"


_VERBS = {
    "given": "yes to", "renewed": "yes again to", "refused": "no to", "withdrawn": "took back the yes to",
    "objected": "objected to", "expired": "ran out:", "contract_bound": "a contract excludes",
    "notice_shown": "was shown a notice about",
}  # fmt: skip
_HAPPENED = {
    "age_changed": "age band is now {}", "moved": "lives in {} now", "deleted": "deleted the account",
    "restored": "restored the account", "suppressed": "asked never to be found again", "unsuppressed": "took that back",
    "record_withdrawn": "took out the record {}",
    "suspended": "the account was suspended", "unsuspended": "the suspension was lifted",
    "deactivated": "deactivated the account", "reactivated": "came back to the account",
    "withheld": "the account is withheld in {}", "unwithheld": "the account is no longer withheld",
    "protected": "protected the account", "unprotected": "opened the account again",
    "geo_scrubbed": "had the places of posts removed, up to {}",
    "record_deleted": "deleted {}", "record_removed": "{} was taken down", "record_restored": "{} was put back",
    "record_withheld": "{} is withheld in some countries", "record_unwithheld": "{} is no longer withheld",
    "record_edited": "{} was replaced by a newer version",
}  # fmt: skip


def _sentence(event: Event) -> str:
    """What happened, in one line of plain words."""
    if event.type in _HAPPENED:
        return _HAPPENED[event.type].format(event.value)
    what = vocabulary.CATEGORIES[event.category].says if event.category else "all data"
    purpose = vocabulary.PURPOSES[event.purpose].says if event.purpose else "all purposes"
    whom = f", by {event.recipient}" if event.recipient else ""
    actor = f" (by {event.actor})" if event.actor != "subject" else ""
    return f"{_VERBS[event.type]} {what}, for: {purpose}{whom}{_window(event)}{actor}"


def _window(event: Event) -> str:
    if event.past_from is None and event.past_to is None:
        return ""
    begins = f" from {_time(event.past_from)}" if event.past_from else ""
    ends = f" until {_time(event.past_to)}" if event.past_to else ""
    also = "with" if event.type in GRANTS else "only"
    return f", {also} data{begins}{ends}"


def _time(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _document(event: Event) -> dict[str, Any]:
    said = asdict(event)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in said.items()}


def _choice_document(one: Choice) -> dict[str, Any]:
    since = one.since.isoformat() if one.since else None
    positions = [event.position for event in one.events]
    return {"state": one.state, "past": one.past, "since": since, "method": one.method, "events": positions}


# Import


@choice.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "map_file", required=True, type=click.Path(path_type=Path), help="How the rows read as events.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and write nothing.")
@click.option("--quarantine", metavar="DIR", type=click.Path(path_type=Path), help="Where to list the rows left out.")
@click.option("--ids-verified", is_flag=True, help="The long ids were compared with the database.")
@click.option("--known", type=click.Path(path_type=Path), help="The accounts that exist (CSV, Parquet or JSONL).")
@click.option("--known-column", default="subject", show_default=True, help="The column of --known with their ids.")
@workspace_option
@json_option
def import_(file: Path, map_file: Path, workspace: str, as_json: bool, **options: Any) -> None:
    """Import a platform's own list of choices; run it again as often as you like.

    Ends with 1 when a row had to be left out: a choice that was not recorded is a fault somebody should look
    at.
    """
    from aboveboard.ledger import import_choices, read_map

    choice_map = read_map(map_file)
    with _opened(workspace) as ws, _progress() as progress:
        report = import_choices(ws.ledger, file, choice_map, gone=ws.gone(), progress=progress, **options)
    emit(_report_document(report), as_json, lambda: _report_prose(report))
    if report.quarantined:
        ask_exit(1)


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar on stderr that appears with the first rows written."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("writing choices"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _report_document(report: ImportReport) -> dict[str, Any]:
    document = asdict(report)
    document["quarantined_rows"] = sum(report.quarantined.values())
    return document


def _report_prose(report: ImportReport) -> str:
    from aboveboard.ledger.importing import REASONS

    left_out = sum(report.quarantined.values())
    would = "would be " if report.dry_run else ""
    lines = [
        f"{report.rows:,} rows: {report.imported:,} {would}imported, {report.already:,} were there already,"
        f" {left_out:,} {would}quarantined"
    ]
    lines += [f"  {count:>9,}  {reason}: {REASONS[reason]}" for reason, count in report.quarantined.items()]
    if report.quarantine_file:
        lines.append(f"  listed in {report.quarantine_file}")
    if report.raised:
        lines.append(f"{report.raised:,} rows are older than the ledger's last event and count as recorded with it")
    if report.strangers is not None:
        rows = report.strangers_rows or 0
        lines.append(f"{report.strangers:,} subjects are no known account ({rows:,} rows; recorded all the same)")
    return "\n".join(lines)
