"""``aboveboard compliance``: hear what a platform says happened to accounts and records, and show what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard.cli.shared import ask_exit, emit, json_option, workspace_option

if TYPE_CHECKING:
    from aboveboard.streams import Report

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
stream_option = click.option("--stream", "name", required=True, help="The stream, as [streams.NAME] names it.")


@click.group()
def compliance() -> None:
    """Compliance streams: deletions, protections, suspensions and edits that a platform reports."""


@compliance.command(name="import")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@stream_option
@click.option("--dry-run", is_flag=True, help="Say what would happen and write nothing.")
@click.option(
    "--unverified", is_flag=True, help="Take files that nobody signed: what they close is held, nothing opens."
)
@click.option("--quarantine", metavar="DIR", type=click.Path(path_type=Path), help="Where to list the lines left out.")
@workspace_option
@json_option
def import_(
    files: Sequence[Path],
    name: str,
    dry_run: bool,
    unverified: bool,
    quarantine: Path | None,
    workspace: str,
    as_json: bool,
) -> None:
    """Record the events in FILES, one JSON object a line, each signed by `FILE.sig`. Exit 1 where lines were left out.

    An event counts once, whenever and however often it comes.
    """
    from aboveboard import streams
    from aboveboard.errors import unknown_term
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    if name not in ws.streams:
        raise unknown_term("stream", name, ws.streams)
    reports = {}
    for path in files:
        report = streams.import_stream(
            ws.ledger, path, ws.streams[name], unverified=unverified, dry_run=dry_run, gone=ws.gone()
        )
        if quarantine is not None and report.quarantined and not dry_run:
            streams.keep(report.quarantined, quarantine / f"{path.name}.quarantine.jsonl")
        reports[path] = report
    document = [{"file": str(path), **asdict(report)} for path, report in reports.items()]
    emit(document, as_json, lambda: "\n".join(_prose(path, report) for path, report in reports.items()))
    if any(report.quarantined for report in reports.values()):
        ask_exit(1)


def _prose(path: Path, report: Report) -> str:
    would = "would be " if report.dry_run else ""
    lines = [
        f"{path}: {report.lines:,} events: {report.recorded:,} {would}recorded, {report.already:,} were heard already,"
        f" {report.nothing:,} decide nothing, {len(report.quarantined):,} {would}left out"
    ]
    lines += [f"  {count:>9,}  {event}" for event, count in sorted(report.events.items())]
    if not report.verified:
        lines.append("  nobody vouches for this file: what it closes is held until somebody checks")
    lines += [f"  line {left.line}: {left.reason} ({left.remedy})" for left in report.quarantined[:SHOWN]]
    if len(report.quarantined) > SHOWN:
        lines.append(f"  and {len(report.quarantined) - SHOWN:,} more: --quarantine DIR lists them")
    return "\n".join(lines)


SHOWN = 10
"""Lines left out that are shown to a person."""


@compliance.command()
@click.argument("file", type=_FILE)
@stream_option
@workspace_option
def sign(file: Path, name: str, workspace: str) -> None:
    """Write `FILE.sig` with the shared key of a stream: for the gateway that receives events on the platform's side."""
    from aboveboard import disk, streams
    from aboveboard.errors import unknown_term
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    if name not in ws.streams:
        raise unknown_term("stream", name, ws.streams)
    beside = file.with_name(file.name + streams.SIGNATURE)
    disk.place(beside, streams.sign(file.read_bytes(), ws.streams[name]))
    click.echo(f"signed in {beside}")


@compliance.command()
@click.argument("source")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@workspace_option
def extract(source: str, to: Path, workspace: str) -> None:
    """Write the events that lie among the payloads of SOURCE into a file, one a line, to be vouched for and imported.

    Among payloads nobody vouches for them: they close doors for the records of SOURCE, and lift nothing.
    """
    from aboveboard import disk, mainjob
    from aboveboard.workspace import open_workspace

    events = mainjob.extracted(open_workspace(workspace), source)
    disk.place(to, "".join(f"{one}\n" for one in events).encode(), mode=0o600)
    click.echo(
        f"{len(events):,} events in {to}; once you know that they are true: aboveboard compliance sign {to} --stream NAME,"
        f" then aboveboard compliance import {to} --stream NAME"
    )


@compliance.command()
@json_option
def table(as_json: bool) -> None:
    """Print what follows from each event of each stream, for older and for newer records."""
    from aboveboard.compliance import TABLE
    from aboveboard.compliance import table as written

    rows: list[dict[str, Any]] = [{**asdict(rule), "in_a_payload": rule.overheard} for rule in TABLE]
    emit(rows, as_json, written)
