"""``aboveboard explain``: the judgement of one record, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from aboveboard.cli.progress import shown
from aboveboard.cli.shared import emit, json_option, moment_of, workspace_option


@click.command()
@click.argument("record")
@workspace_option
@click.option(
    "--job",
    "job_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The job. [default: the only one in jobs/]",
)
@click.option("--source", "sources", multiple=True, help="Look in this source only; may be repeated.")
@click.option("--facts", type=click.Path(dir_okay=False, path_type=Path), help="Account facts to use instead.")
@click.option("--towards", metavar="SUBJECT", help="Say it as this person may read it: nothing of anybody else shows.")
@click.option("--at", "moment", metavar="TIME", help="Judge as of an earlier moment, such as 2024-01-31T12:00Z.")
@json_option
def explain(
    record: str,
    workspace: str,
    job_path: Path | None,
    sources: Sequence[str],
    facts: Path | None,
    towards: str | None,
    moment: str | None,
    as_json: bool,
) -> None:
    """Explain the judgement of RECORD (its id): outcome, every reason, clause, choices, what would change it."""
    from aboveboard import mainjob
    from aboveboard.explanation import explain as explained
    from aboveboard.workspace import open_workspace, read_job

    ws = open_workspace(workspace)
    asked = read_job(job_path or _only_job(ws.folder))
    as_of = moment_of(moment) if moment else None
    with (
        shown(quiet=as_json) as told,
        mainjob.prepared(ws, asked, sources=sources, facts=facts, progress=told) as ready,
    ):
        gate = ready.gate(as_of)
        found = [explained(one, gate, towards) for one in ready.judge(gate).find(record)]
    if not found:
        raise _nowhere(record)
    emit([one.as_json() for one in found], as_json, lambda: "\n\n".join(one.prose() for one in found))


def _only_job(folder: Path) -> Path:
    found = sorted((folder / "jobs").glob("*.toml"))
    if len(found) != 1:
        raise click.UsageError(f"{len(found)} jobs in jobs/: name one with --job FILE")
    return found[0]


def _nowhere(record: str) -> Exception:
    from aboveboard.errors import SourceError

    return SourceError(
        f"no record `{record}` in the sources",
        hint="ids are text and compared exactly; a row without an id is in quarantine",
    )
