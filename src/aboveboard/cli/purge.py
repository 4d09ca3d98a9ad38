"""``aboveboard purge``: clear what must be gone, and look into the files themselves whether it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aboveboard.cli.progress import shown
from aboveboard.cli.shared import ask_exit, emit, json_option, printable, workspace_option

if TYPE_CHECKING:
    from aboveboard.purging import Cleaned
    from aboveboard.scanning import Report

SHOWN = 20
_WHAT = {
    "identifier": "a named identifier", "erased": "an identifier of somebody who was erased", "row": "a removed row",
    "text": "a text of that hash", "leftover": "what a process that died left here (`aboveboard purge` clears it)",
}  # fmt: skip


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--verify", is_flag=True, help="Change nothing; look into every file, and end with 3 where something is found."
)
@click.option(
    "--subject", "subjects", multiple=True, metavar="ID", help="Look for this identifier by name; may be repeated."
)
@click.option(
    "--text", "texts", multiple=True, metavar="SHA256", help="Look for a text with this SHA-256; may be repeated."
)
@click.option("--every-row", is_flag=True, help="Hash every released row again, also where a tile has its leaf; slow.")
@click.option(
    "--superseded", is_flag=True, help="Also clear the private files of releases that another one superseded."
)
@workspace_option
@json_option
def purge(
    paths: Sequence[Path], verify: bool, subjects: Sequence[str], texts: Sequence[str], every_row: bool, superseded: bool,
    workspace: str, as_json: bool,
) -> None:  # fmt: skip
    """Clear what may be cleared: the ledger's file is written anew without what was deleted, and what builds left that died
    is taken away. Nothing of a live release is touched.

    With --verify nothing is changed: the files below PATHS (without any, all that aboveboard writes in the workspace) are
    looked into, decompressed, for identifiers of erased people, removed rows and named texts. It says where, never what.
    """
    if (verify and superseded) or (not verify and (paths or subjects or texts or every_row)):
        raise click.UsageError(
            "--verify goes with PATHS, --subject, --text and --every-row; --superseded goes without it"
        )
    from aboveboard import purging
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with ws.ledger:
        if not verify:
            done = purging.clean(ws, superseded=superseded)
            emit(asdict(done), as_json, lambda: _cleaned(done))
            return
        hashes = [_hash(one) for one in texts]
        with shown() as progress:
            told = None if progress is None else lambda done, total: progress("looking into files", done, total)
            made = purging.look(ws, paths, subjects, hashes, every_row, told)
    document = {
        "files": made.files, "bytes": made.bytes, "found": [asdict(one) for one in made.found],
        "unread": [{"file": file, "why": why} for file, why in made.unread],
    }  # fmt: skip
    emit(document, as_json, lambda: printable(_looked(made)))
    if made.found:
        ask_exit(3)


def _hash(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise click.BadParameter(f"`{text}` is no SHA-256: 64 hexadecimal digits")
    return found


def _cleaned(done: Cleaned) -> str:
    ledger = "written anew" if done.ledger else "somebody is reading it: run this again when they are done"
    lines = [
        f"ledger: {ledger}",
        f"left by builds that died: {len(done.folders):,} folders, {len(done.files):,} files cleared",
    ]
    if done.superseded:
        lines.append(f"private files of superseded releases cleared: {', '.join(done.superseded)}")
    return "\n".join(lines)


def _looked(made: Report) -> str:
    lines = [f"{made.files:,} files, {made.bytes:,} bytes looked into."]
    for one in made.found[:SHOWN]:
        row = "" if one.row is None else f", row {one.row:,}"
        lines.append(f"  FOUND {_WHAT[one.what]}: {one.file}{f': {one.where}' if one.where else ''}{row}")
    if len(made.found) > SHOWN:
        lines.append(f"  ... and {len(made.found) - SHOWN:,} more (--json has them all)")
    lines += [f"  not looked into whole: {file}: {why}" for file, why in made.unread[:SHOWN]]
    if not made.found:
        lines.append("Nothing of what must be gone was found. Backups and what was handed out are not here.")
    return "\n".join(lines)
