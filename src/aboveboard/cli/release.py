"""``aboveboard release``: build a release, look at what would be in it, list and show what was published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from aboveboard.cli.progress import shown
from aboveboard.cli.shared import emit, json_option, workspace_option


@click.group()
def release() -> None:
    """Build, list and show releases."""


@release.command()
@click.argument("job", type=click.Path(dir_okay=False, path_type=Path))
@workspace_option
@click.option("--source", "sources", multiple=True, help="Only this source of the workspace; may be repeated.")
@click.option("--facts", type=click.Path(dir_okay=False, path_type=Path), help="Account facts to use instead.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Where releases go. [default: releases/]")
@click.option("--audit", is_flag=True, help="Judge and count, show what each rule costs, and write nothing.")
@click.option("--limit", type=click.IntRange(min=1), help="Read only the first N rows of each source.")
@click.option("--show-steps", is_flag=True, help="Print each step of the judgement of the first shard, and its rows.")
@json_option
def build(
    job: Path,
    workspace: str,
    sources: Sequence[str],
    facts: Path | None,
    to: Path | None,
    audit: bool,
    limit: int | None,
    show_steps: bool,
    as_json: bool,
) -> None:
    """Build the training set that JOB asks for, with a reason for every record.

    Judged at the head of the choice ledger; an unfinished release is invisible.
    """
    from aboveboard import mainjob
    from aboveboard.workspace import open_workspace, read_job

    ws, asked = open_workspace(workspace), read_job(job)
    with shown(quiet=as_json) as told:
        if audit or show_steps:
            with mainjob.prepared(ws, asked, sources=sources, facts=facts, limit=limit, progress=told) as ready:
                (_steps if show_steps else _audit)(ready, as_json)
            return
        made = mainjob.build(ws, asked, sources=sources, facts=facts, to=to, limit=limit, progress=told)
    emit(made.as_json(), as_json, lambda: built(made))


def _audit(ready: object, as_json: bool) -> None:
    from aboveboard.mainjob import Prepared

    assert isinstance(ready, Prepared)  # noqa: S101 - narrows the type only
    tallies, losses = ready.judge(ready.gate()).audit()
    document = {"tallies": [asdict(t) for t in tallies], "losses": [asdict(loss) for loss in losses]}
    emit(document, as_json, lambda: audited(tallies, losses))


def _steps(ready: object, as_json: bool) -> None:
    from aboveboard.mainjob import Prepared

    assert isinstance(ready, Prepared)  # noqa: S101 - narrows the type only
    counts: dict[str, tuple[int, str]] = {}
    for name, columns, rows in ready.judge(ready.gate()).show_steps(lambda step, n: counts.update({step.name: (n, step.says)})):
        found, says = counts.get(name, (0, ""))
        document = {"step": name, "says": says, "rows": found, "columns": columns, "first": rows}
        emit(document, as_json, lambda d=document: _step(d))  # type: ignore[misc]


def _step(document: dict[str, object]) -> str:
    rows = document["first"]
    first = "\n".join(f"    {row}" for row in rows) if isinstance(rows, list) else ""
    columns = document["columns"]
    named = ", ".join(columns) if isinstance(columns, list) else ""
    return f"{document['step']}: {document['rows']} rows\n  {document['says']}\n  {named}\n{first}"


def built(made: object) -> str:
    """A built release in a few lines."""
    from aboveboard.release import Release

    assert isinstance(made, Release)  # noqa: S101 - narrows the type only
    lines = [f"Release {made.id}", *outcome_lines(made.counts), *reason_lines(made.governed.tallies)]
    if made.governed.quarantined:
        lines.append(f"  {made.governed.quarantined:,} rows could not be read: see private/{made.id}/quarantine")
    lines += [f"Released rows: {made.governed.released:,} in {made.public}", f"Decisions (private): {made.private}"]
    return "\n".join(lines)


def outcome_lines(counts: object) -> list[str]:
    """How many records each outcome took, and the yield."""
    assert hasattr(counts, "items")  # noqa: S101 - narrows the type only
    table = dict(counts.items())
    total = sum(table.values()) or 1
    lines = [f"  {outcome:<8}{n:>12,}  {n / total:>6.1%}" for outcome, n in table.items()]
    used = table.get("permit", 0) + table.get("redact", 0)
    return [*lines, f"  yield   {used:>12,}  {used / total:>6.1%}"]


def reason_lines(tallies: Sequence[object], most: int = 12) -> list[str]:
    """The commonest decisive reasons, over all sources."""
    from collections import Counter

    from aboveboard.manifest import Tally
    from aboveboard.reasons import BY_CODE

    found: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        assert isinstance(tally, Tally)  # noqa: S101 - narrows the type only
        found[tally.outcome, tally.decisive] += tally.records
    lines = [
        f"  {n:>10,}  {outcome:<7} {code}: {BY_CODE[code].sentence}" for (outcome, code), n in found.most_common(most)
    ]
    rest = len(found) - most
    return ["Why:", *lines, *([f"  ... and {rest} more reasons"] if rest > 0 else [])]


def audited(tallies: Sequence[object], losses: Sequence[object]) -> str:
    """Counts, and what each rule costs."""
    from aboveboard.manifest import Loss, Tally

    counts = {outcome: 0 for outcome in ("permit", "redact", "hold", "refuse")}
    for tally in tallies:
        assert isinstance(tally, Tally)  # noqa: S101 - narrows the type only
        counts[tally.outcome] += tally.records
    lines = ["Audit: nothing was written.", *outcome_lines(counts), *reason_lines(tallies), "", "What each rule costs:"]
    lines.append(f"  {'stands against':>14} {'decides':>10} {'alone':>10}  rule")
    for loss in losses:
        assert isinstance(loss, Loss)  # noqa: S101 - narrows the type only
        lines.append(f"  {loss.against:>14,} {loss.decisive:>10,} {loss.alone:>10,}  {loss.reason}")
    return "\n".join([*lines, "  (alone: records that only this rule keeps out)"])


@release.command("list")
@workspace_option
@json_option
def listed(workspace: str, as_json: bool) -> None:
    """List the published releases, oldest first."""
    from aboveboard.release import published
    from aboveboard.workspace import open_workspace

    found = [_summary(path) for path in published(open_workspace(workspace).releases)]
    lines = [f"{r['id']}  {r['rows']:>10,} rows  {r['job']['purpose']}" for r in found]
    emit(found, as_json, lambda: "\n".join(lines) or "no release yet; build one with `aboveboard release build JOB.toml`")


@release.command()
@click.argument("release_id")
@workspace_option
@json_option
def show(release_id: str, workspace: str, as_json: bool) -> None:
    """Show what a release says of itself."""
    from aboveboard.errors import ReleaseError
    from aboveboard.release import published
    from aboveboard.workspace import open_workspace

    found = {path.name: path for path in published(open_workspace(workspace).releases)}
    if release_id not in found:
        raise ReleaseError(f"no release `{release_id}`", hint="`aboveboard release list` names those there are")
    path = found[release_id]
    emit(
        json.loads((path / "manifest.json").read_text(encoding="utf-8")),
        as_json,
        lambda: (path / "README.md").read_text(encoding="utf-8").rstrip(),
    )


def _summary(path: Path) -> dict[str, object]:
    document = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    predicate: dict[str, object] = document["predicate"]
    return {key: predicate[key] for key in ("id", "as_of", "job", "rows", "rows_digest")}
