"""``aboveboard policy effect``: what a new version does to the records that are there and to those to come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from aboveboard.cli.progress import shown
from aboveboard.cli.shared import emit, json_option, workspace_option


@click.command()
@click.argument("old")
@click.argument("new")
@workspace_option
@click.option("--subject", metavar="SUBJECT", help="Only this person's records, as they may be told to them.")
@click.option("--purpose", "purposes", multiple=True, help="Ask for this purpose only; may be repeated.")
@click.option("--recipient", "recipients", multiple=True, help="Ask for this recipient only; may be repeated.")
@click.option("--regime", default="strict", show_default=True, help="The regime of the job that is asked for.")
@click.option("--source", "sources", multiple=True, help="Count the records of this source only; may be repeated.")
@click.option("--facts", type=click.Path(dir_okay=False, path_type=Path), help="Account facts to use instead.")
@json_option
def effect(
    old: str,
    new: str,
    workspace: str,
    subject: str | None,
    purposes: Sequence[str],
    recipients: Sequence[str],
    regime: str,
    sources: Sequence[str],
    facts: Path | None,
    as_json: bool,
) -> None:
    """What version NEW of the workspace's policy changes for records against version OLD, in three numbers.

    (a) older records, if the text is read as reaching them: only where it claims that; (b) older records under the
    declared rule; (c) new records at the present pace. Nothing is written. The numbers are exact: they stay inside.
    """
    from aboveboard import mainjob, reach
    from aboveboard.cli import effecttext
    from aboveboard.effect import effect as found
    from aboveboard.gate import Job
    from aboveboard.policies import read_policy
    from aboveboard.workspace import JobFile, open_workspace

    ws = open_workspace(workspace)
    policy, texts = read_policy(ws.policy_folder)
    first, second = reach.ordered(policy, old, new)
    scope = reach.scopes(first, second, purposes, recipients)[:1]
    job = Job(scope[0].purpose if scope else "service.operation", regime=ws.regimes.named(regime).name)
    with (
        shown(quiet=as_json) as told,
        mainjob.prepared(ws, JobFile(job), sources=sources, facts=facts, progress=told) as ready,
    ):
        made = found(
            ready, old, new, texts.get(new), purposes=purposes, recipients=recipients, subject=subject, progress=told
        )
    emit(made.as_json(), as_json, lambda: effecttext.sentences(made))
