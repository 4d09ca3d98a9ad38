"""``aboveboard release rewrite``: publish a release again without the rows that may no longer go out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aboveboard.cli.progress import shown
from aboveboard.cli.shared import emit, json_option, workspace_option

if TYPE_CHECKING:
    from aboveboard.release import Release
    from aboveboard.rewriting import Considered


@click.command()
@click.argument("release_id", metavar="RELEASE")
@workspace_option
@click.option(
    "--in", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where releases are, as `build --to` says; may be repeated. [default: releases/]",
)  # fmt: skip
@click.option("--facts", type=click.Path(dir_okay=False, path_type=Path), help="Account facts to use instead.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path),
              help="Where the new release goes. [default: beside the one it takes the place of]")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would leave and which files would be written; write nothing.")
@json_option
def rewrite(
    release_id: str, workspace: str, folders: Sequence[Path], facts: Path | None, to: Path | None, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Publish RELEASE again, without the rows that may no longer go out under what everybody has said by now.

    `latest` is the newest one. No source is read and nothing comes in: files that nothing leaves keep their bytes. The new
    release takes the place of the old one, whose folder stays until its owner deletes it.
    """
    from aboveboard import mainjob, withdrawal
    from aboveboard.cli.release import published_named
    from aboveboard.workspace import open_workspace

    ws, public = open_workspace(workspace), published_named(workspace, tuple(folders), release_id)
    with shown(quiet=as_json) as told:
        if dry_run:
            found = mainjob.considered(ws, public, facts=facts, progress=told)
            emit({"release": public.name, **found.as_json()}, as_json, lambda: _considered(public.name, found))
            return
        made = withdrawal.rewrite(ws, public, facts=facts, to=to, progress=told)
    if made is None:
        emit({"release": public.name, "rewritten": None}, as_json, lambda: f"{public.name}: {NOTHING}")
        return
    document = {"release": public.name, "rewritten": made.id, **made.as_json()}
    emit({**document, "release": public.name}, as_json, lambda: _rewritten(public.name, made))


NOTHING = "nothing leaves it under what everybody has said by now; it stands as it is."


def _considered(name: str, found: Considered) -> str:
    why = [f"All rows were judged again: {found.rules}."] if found.rules else []
    return "\n".join([
        *why,
        f"{found.people:,} people of whom something else is known; {found.judged:,} records judged again.",
        f"{found.leaving:,} of {found.rows:,} rows would leave {name}, in {found.files:,} of {found.of:,} files"
        f" ({found.bytes / 1e6:,.1f} MB to write anew)." if found.leaving else f"{name}: {NOTHING}",
    ])  # fmt: skip


def _rewritten(name: str, made: Release) -> str:
    from aboveboard.rewriting import REMOVED

    left = (made.private / REMOVED).stat().st_size // 32
    lines = [f"Release {made.id}", f"  takes the place of {name}: {left:,} rows left, {made.governed.released:,} stay"]
    if made.manifest.tombstones.leaves:
        lines.append(f"  {len(made.manifest.tombstones.leaves):,} rows were withdrawn meanwhile: tombstones.json")
    lines += [f"Released rows: {made.public}", f"What left (leaves, private): {made.private / REMOVED}"]
    return "\n".join(lines)
