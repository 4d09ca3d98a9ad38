"""``aboveboard log epoch`` and ``log intake``: what the log is told every day, whether a release is built or not."""

from __future__ import annotations

from dataclasses import asdict

import click

from aboveboard.cli.progress import shown
from aboveboard.cli.shared import emit, json_option, workspace_option


@click.command()
@workspace_option
@json_option
def epoch(workspace: str, as_json: bool) -> None:
    """Map every choice at the head of the ledger, without a release, and enter the map in the log.

    Run it at least once a day: receipts promise that a choice counts in every epoch from 24 hours after it.
    """
    from aboveboard import daily
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger:
        made = daily.epoch(ws)
    prose = (
        f"entry {made.place}: every choice up to event {made.position:,} counts, for {made.accounts:,} accounts\n"
        f"root {made.root}\nmap  {made.folder}"
    )
    emit(asdict(made), as_json, lambda: prose)


@click.command()
@click.option("--strict-files", is_flag=True, help="Stop at files of an export that no reader knows.")
@workspace_option
@json_option
def intake(strict_files: bool, workspace: str, as_json: bool) -> None:
    """Read the sources and log when the records that are new were received, without building a release.

    Keep the folder that it makes in private/: a build stops where one that was logged is gone.
    """
    from aboveboard import daily
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger, shown() as progress:
        made = daily.intake(ws, strict_files=strict_files, progress=progress)
    if made is None:
        emit({"root": None, "records": 0}, as_json, lambda: "Nothing new was received; nothing was logged.")
        return
    prose = f"entry {made.place}: {made.records:,} records are new\nroot {made.root}\nkept {made.folder}"
    emit(asdict(made), as_json, lambda: prose)
