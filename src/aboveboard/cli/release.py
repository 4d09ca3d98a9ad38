"""``aboveboard release``: build a release, look at what would be in it, list and show what was published."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard.cli import prose
from aboveboard.cli.named import LATEST, named, published
from aboveboard.cli.progress import shown
from aboveboard.cli.rewrite import rewrite
from aboveboard.cli.shared import emit, json_option, moment_of, workspace_option

if TYPE_CHECKING:
    from aboveboard.mainjob import Prepared

in_option = click.option(
    "--in", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where releases are, as `build --to` says; may be repeated. [default: releases/]",
)  # fmt: skip


@click.group()
def release() -> None:
    """Build, list and show releases."""


@release.command()
@click.argument("job", type=click.Path(dir_okay=False, path_type=Path))
@workspace_option
@click.option("--source", "sources", multiple=True, help="Judge only this source; may be repeated.")
@click.option("--facts", type=click.Path(dir_okay=False, path_type=Path), help="Account facts to use instead.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Where releases go. [default: releases/]")
@click.option("--audit", is_flag=True, help="Judge and count, show what each rule costs, and write nothing.")
@click.option("--at", "moment", metavar="TIME", help="With --audit: judge as of an earlier moment.")
@click.option("--limit", type=click.IntRange(min=1), help="Judge only the first N rows of each source.")
@click.option("--workers", type=click.IntRange(min=1), default=1, help="Processes that judge and write. [default: 1]")
@click.option("--strict-files", is_flag=True, help="Stop at a file of an export that no reader knows.")
@click.option("--show-steps", is_flag=True, help="Print each step of the judgement of the first shard, and its rows.")
@json_option
def build(
    job: Path,
    workspace: str,
    sources: Sequence[str],
    facts: Path | None,
    to: Path | None,
    audit: bool,
    moment: str | None,
    limit: int | None,
    workers: int,
    strict_files: bool,
    show_steps: bool,
    as_json: bool,
) -> None:
    """Build the training set that JOB asks for, with a reason for every record.

    Judged at the head of the choice ledger; an unfinished release is invisible.
    """
    from aboveboard import mainjob
    from aboveboard.workspace import open_workspace, read_job

    if moment and not audit:
        # A release of a past moment would bring back people who have said no since.
        raise click.UsageError("--at goes with --audit: a release is judged at the head of the ledger, now")
    as_of = moment_of(moment) if moment else None
    ws, asked = open_workspace(workspace), read_job(job)
    with shown(quiet=as_json) as told:
        if audit or show_steps:
            with mainjob.prepared(
                ws,
                asked,
                sources=sources,
                facts=facts,
                limit=limit,
                strict_files=strict_files,
                progress=told,
                note=_note,
            ) as ready:
                (_steps if show_steps else _audit)(ready, as_of, as_json)
            return
        made = mainjob.build(
            ws, asked, sources=sources, facts=facts, to=to, limit=limit, strict_files=strict_files, workers=workers,
            progress=told, note=_note,
        )  # fmt: skip
    emit(made.as_json(), as_json, lambda: prose.built(made))


def _note(said: str) -> None:
    click.echo(f"note: {said}", err=True)


def _audit(ready: Prepared, as_of: datetime | None, as_json: bool) -> None:
    tallies, losses = ready.judge(ready.gate(as_of)).audit()
    document = {"tallies": [asdict(t) for t in tallies], "losses": [asdict(loss) for loss in losses]}
    emit(document, as_json, lambda: prose.audited(tallies, losses))


def _steps(ready: Prepared, as_of: datetime | None, as_json: bool) -> None:
    shown_steps = []
    for step, rows, columns, first in ready.judge(ready.gate(as_of)).show_steps():
        document = {"step": step.name, "says": step.says, "rows": rows, "columns": columns, "first": first}
        shown_steps.append(document)
        if not as_json:
            click.echo(prose.step(document))
    if as_json:
        emit(shown_steps, as_json, str)


@release.command("list")
@workspace_option
@in_option
@json_option
def listed(workspace: str, folders: Sequence[Path], as_json: bool) -> None:
    """List the published releases, oldest first."""
    from aboveboard.errors import ReleaseError

    found: list[dict[str, Any]] = []
    damaged: ReleaseError | None = None
    for path in published(_rooms(workspace, folders)):
        try:
            found.append(_summary(path))
        except ReleaseError as error:
            found.append({"id": path.name, "damaged": True})
            damaged = damaged or error
    newer = _superseded(workspace, folders, found)
    for one in found:
        one["superseded_by"] = newer.get(one["id"])
    emit(found, as_json, lambda: "\n".join(_line(r) for r in found) or _NO_RELEASE)
    if damaged is not None:
        raise damaged


_NO_RELEASE = "no release yet; build one with `aboveboard release build JOB.toml`"


def _line(summary: Mapping[str, Any]) -> str:
    if "damaged" in summary:
        return f"{summary['id']}  damaged"
    newer = f"  superseded by {summary['superseded_by']}" if summary["superseded_by"] else ""
    return f"{summary['id']}  {prose.count(summary['rows']):>12} rows  {summary['purpose']}{newer}"


def _superseded(workspace: str, folders: Sequence[Path], found: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Which of these releases another took the place of: what the ledger says, and what they say of each other."""
    from aboveboard.workspace import open_workspace

    known = {one["supersedes"]["release"]: one["id"] for one in found if one.get("supersedes")}
    if folders:
        return known  # whoever was given a release has no ledger
    ws = open_workspace(workspace)
    retired = ws.ledger.retirements() if ws.has_ledger else ()
    return {**known, **{one["release"]: one["superseded_by"] for one in retired}}


@release.command()
@click.argument("release_id")
@workspace_option
@in_option
@json_option
def show(release_id: str, workspace: str, folders: Sequence[Path], as_json: bool) -> None:
    """Show what a release says of itself; `latest` is the newest one."""
    path = published_named(workspace, folders, release_id)
    with _readable(path / "manifest.json"):
        document = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    with _readable(path / "README.md"):
        readme = (path / "README.md").read_text(encoding="utf-8").rstrip()
    told = [_summary(one) for one in published(_rooms(workspace, folders)) if one.name != path.name and _whole(one)]
    newer = _superseded(workspace, folders, told).get(path.name)
    if newer:
        click.echo(f"note: superseded by {newer}, which took its place", err=True)
    emit(document, as_json, lambda: readme)


def _whole(path: Path) -> bool:
    """Whether a release says what a list shows; one that is damaged is somebody else's question."""
    from aboveboard.errors import ReleaseError

    try:
        return bool(_summary(path))
    except ReleaseError:
        return False


@release.command()
@click.argument("release_id")
@workspace_option
@in_option
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@json_option
def export(release_id: str, workspace: str, folders: Sequence[Path], to: Path, as_json: bool) -> None:
    """Write a release as JSON lines, checked, and without the rows that were withdrawn; `latest` is the newest one."""
    from aboveboard import reading
    from aboveboard.errors import ReleaseError

    rooms = _rooms(workspace, folders)
    path = named(rooms, release_id)
    if any(to.resolve().is_relative_to(room.resolve()) for room in rooms):
        raise ReleaseError("the file would stand among the releases", file=to, hint="name one in another folder")
    with shown(quiet=as_json) as told:
        written = reading.export(path, to, None if told is None else lambda done: told("writing rows", done, None))
    emit({"rows": written, "file": str(to)}, as_json, lambda: f"{written:,} rows in {to}")


@release.command()
@click.argument("record")
@click.option("--release", "release_id", required=True, help="The release that it is in; `latest` is the newest one.")
@click.option("--source", help="The source of the record, where several have that id.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write. [default: stdout]")
@workspace_option
@in_option
@json_option
def prove(
    record: str,
    release_id: str,
    source: str | None,
    out: Path | None,
    workspace: str,
    folders: Sequence[Path],
    as_json: bool,
) -> None:
    """Prove that RECORD (its id) is in a release, in one file that `aboveboard verify` checks by itself.

    The file holds the released row and nothing of any other.
    """
    from aboveboard import disk, proving
    from aboveboard.release import in_plain_words
    from aboveboard.workspace import open_workspace

    ws, public = open_workspace(workspace), published_named(workspace, folders, release_id)
    with in_plain_words():
        made = proving.prove(public, ws.private / public.name, record, source)
        gone, data = proving.withdrawn(public, made), made.data()
        if out is not None:
            disk.write(out, data)
    if gone:
        click.echo("note: the row was withdrawn before the release was committed and must not be used", err=True)
    if out is None:
        click.echo(data.decode())
        return
    told = {"file": str(out), "bytes": len(data), "withdrawn": gone}
    emit(told, as_json, lambda: f"The proof is in {out} ({len(data):,} bytes): aboveboard verify {out}")


@release.command()
@workspace_option
@json_option
def resume(workspace: str, as_json: bool) -> None:
    """Publish what was committed by a build that died before it could. The next build does so by itself."""
    from aboveboard.release import finish, in_plain_words
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    with in_plain_words():
        finished = finish(ws.ledger, ws.private.resolve(), ws.evidence) if ws.has_ledger else []
    emit(
        {"finished": finished},
        as_json,
        lambda: "\n".join(f"Published {name}" for name in finished) or "Nothing was left to publish.",
    )


@release.command()
@click.argument("before")
@click.argument("after")
@workspace_option
@in_option
@json_option
def compare(before: str, after: str, workspace: str, folders: Sequence[Path], as_json: bool) -> None:
    """Say what changed from release BEFORE to release AFTER: rows, files, and records by outcome and reason.

    `latest` is the newest one.
    """
    from aboveboard.difference import compare as difference
    from aboveboard.workspace import open_workspace

    ws, rooms = open_workspace(workspace), _rooms(workspace, folders)
    found = difference(named(rooms, before), named(rooms, after), ws.private, ws.engine)
    emit(found.as_json(), as_json, lambda: prose.compared(found))


def _rooms(workspace: str, folders: Sequence[Path]) -> Sequence[Path]:
    """Where to look for releases; with ``--in`` no workspace is needed, so that whoever was given one can read it."""
    from aboveboard.workspace import open_workspace

    return folders or [open_workspace(workspace).releases]


def published_named(workspace: str, folders: Sequence[Path], release_id: str) -> Path:
    """The folder of a published release of a workspace; ``latest`` is the newest."""
    return named(_rooms(workspace, tuple(folders)), release_id)


def id_of(workspace: str, said: str) -> str:
    """The id of a release where the newest is meant; any other name as it is."""
    return published_named(workspace, (), said).name if said == LATEST else said


@release.command()
@click.argument("release_id", metavar="RELEASE")
@click.option("--sample", type=click.IntRange(min=1), help="Judge only about N records again, evenly spread.")
@workspace_option
@in_option
@json_option
def audit(release_id: str, sample: int | None, workspace: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """Recompute RELEASE from its openings: rows, commitments, the subject map, and every decision.

    `latest` is the newest one. Exit 5 where something does not hold, with the step.
    """
    from aboveboard import mainjob
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    public = published_named(workspace, folders, release_id)
    steps: list[str] = []
    with shown(as_json) as progress:
        for step in mainjob.auditor(ws, public, sample=sample, progress=progress).steps():
            steps.append(step)
            if not as_json:
                click.echo(f"  {len(steps)}. {step}")
    emit({"release": public.name, "steps": steps}, as_json, lambda: f"{public.name}: all of it holds.")


def _summary(path: Path) -> dict[str, Any]:
    with _readable(path / "manifest.json"):
        document = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        predicate = document["predicate"]
        kept = {**{key: predicate[key] for key in ("id", "as_of", "rows_digest")}, "rows": predicate["counts"]["rows"]}
        prose.count(kept["rows"])
        job = {key: predicate["job"][key] for key in ("purpose", "recipient", "model")}
        return {**kept, **job, "supersedes": predicate.get("supersedes")}


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """A published file that is not what was written is damage, to be named and not to be shown as a traceback."""
    from aboveboard.errors import ReleaseError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(
            "a release is damaged", file=file, hint="bring the folder back from a backup, or move it elsewhere"
        ) from error


from aboveboard.cli.notices import apply_removals, deliver  # noqa: E402 - they are commands of this group

release.add_command(deliver)
release.add_command(apply_removals)
release.add_command(rewrite)
