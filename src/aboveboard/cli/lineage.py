"""``aboveboard lineage``, ``affected`` and ``downstream``: what was trained on what, who saw whom, what was made from what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard.cli.shared import ask_exit, emit, json_option, printable, workspace_option

if TYPE_CHECKING:
    from aboveboard.affected import Affected, Made
    from aboveboard.flags import Standing
    from aboveboard.training import Recorded
    from aboveboard.workspace import Workspace

_file = click.Path(exists=True, dir_okay=False, path_type=Path)
said_option = click.option(
    "--hyperparameters", type=_file, help="A JSON object with them; it is stated, so it may name nobody."
)
environment_option = click.option(
    "--environment", type=_file, help="A JSON object that says what the bytes depend on: builds, threads, processor."
)
how_option = click.option(
    "--how", metavar="HOW", help="How it was made from models: finetune, adapter, merge, quantized or distill."
)
_WORD = "What a model was trained on is the platform's word: nothing can show that it saw nothing else."


@click.group()
def lineage() -> None:
    """Record orders, runs, checkpoints and models, and show what became of them."""


# --- recording ----------------------------------------------------------------------------------------------------


@lineage.command()
@click.argument("release", metavar="RELEASE")
@click.option("--order", "files", multiple=True, required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Parquet with position, shard, step and com; may be repeated.")  # fmt: skip
@click.option("--base", "bases", multiple=True, metavar="MODEL", help="The model that training begins with.")
@click.option("--seed", metavar="HEX", help="SHA-256 that commits to the seed of the order.")
@click.option("--shard-map", metavar="HEX", help="SHA-256 of which person is in which shard.")
@click.option("--id", "name", help="What to call it. [default: order- and the beginning of its digest]")
@said_option
@environment_option
@workspace_option
@json_option
def order(
    release: str, files: Sequence[Path], bases: Sequence[str], seed: str | None, shard_map: str | None, name: str | None,
    hyperparameters: Path | None, environment: Path | None, workspace: str, as_json: bool,
) -> None:  # fmt: skip
    """State in which order rows of RELEASE will be trained on, before they are; the log says when.

    The order is kept (private): it tells later which models saw whom. Refused are rows that are not in the
    release, or were withdrawn.
    """
    from aboveboard import training
    from aboveboard.cli.release import id_of

    ws = _opened(workspace)
    release = id_of(workspace, release)
    more = _line(id=name, seed=_digest(seed), shard_map=_digest(shard_map), **_said(hyperparameters, environment))
    _tell([training.order(ws, release, files, {**more, "from": list(bases)})], as_json)


@lineage.command()
@click.argument("made_from", metavar="FROM...", nargs=-1, required=True)
@click.option("--checkpoints", "file", type=_file, help="Its checkpoints.jsonl: each line names the one before.")
@click.option("--started", metavar="TIME", help="When it began.")
@click.option("--finished", metavar="TIME", help="When it ended.")
@click.option("--id", "name", help="What to call it. [default: run- and the beginning of its digest]")
@said_option
@environment_option
@workspace_option
@json_option
def run(
    made_from: Sequence[str], file: Path | None, started: str | None, finished: str | None, name: str | None,
    hyperparameters: Path | None, environment: Path | None, workspace: str, as_json: bool,
) -> None:  # fmt: skip
    """State that a training ran, by the orders or on the releases FROM, and from the models that it began with."""
    from aboveboard import training

    ws = _opened(workspace)
    more = _line(
        id=name, started=_moment(started), finished=_moment(finished), checkpoints=training.head(file) if file else None,
        **_said(hyperparameters, environment),
    )  # fmt: skip
    done = training.record(ws, [{**more, "kind": "run", "from": list(made_from)}])
    _tell([*done, *(training.checkpoints(ws, done[0].id, file) if file else [])], as_json)


@lineage.command()
@click.argument("run_id", metavar="RUN")
@click.option("--file", type=_file, help="Its checkpoints.jsonl; those that are recorded are passed over.")
@click.option("--shard", type=click.IntRange(min=0), default=0, show_default=True, help="Which shard of the run.")
@click.option("--step", type=click.IntRange(min=0), help="After which step.")
@click.option("--state", metavar="sha256:HEX", help="The digest of its state.")
@workspace_option
@json_option
def checkpoint(
    run_id: str, file: Path | None, shard: int, step: int | None, state: str | None, workspace: str, as_json: bool
) -> None:
    """Record a checkpoint of RUN, or all of a file; it is called RUN/SHARD/STEP."""
    from aboveboard import training
    from aboveboard.lineage import digest_of

    if (file is None) == (step is None or state is None):
        raise click.UsageError("name a --file, or --step and --state")
    ws = _opened(workspace)
    if file is not None:
        _tell(training.checkpoints(ws, run_id, file), as_json)
        return
    _tell([training.saved(ws, run_id, shard, step or 0, digest_of(state or ""))], as_json)


@lineage.command()
@click.argument("name")
@click.option("--from", "made_from", multiple=True, metavar="ID",
              help="A run, checkpoint, release or model that it was made from, or ID=HOW; may be repeated.")  # fmt: skip
@click.option("--digest", required=True, metavar="sha256:HEX", help="Over its weights, as they are served.")
@click.option("--external", is_flag=True, help="Others made it: we know what they say of it.")
@click.option("--source", metavar="URL", help="Where it is from.")
@click.option("--licence", help="Under which licence.")
@how_option
@workspace_option
@json_option
def model(
    name: str, made_from: Sequence[str], digest: str, external: bool, source: str | None, licence: str | None,
    how: str | None, workspace: str, as_json: bool,
) -> None:  # fmt: skip
    """State that the model NAME is these weights, and what it was made from in whole or in part."""
    from aboveboard import affected, training

    ws = _opened(workspace)
    known = affected.descent(ws).nodes
    parents = [_parent(one, how if one in known and known[one].kind == "model" else None, known) for one in made_from]
    more = _line(source=source, licence=licence, ours=False if external else None)
    _tell(training.record(ws, [{**more, "kind": "model", "id": name, "digest": digest, "from": parents}]), as_json)


def _parent(said: str, how: str | None, known: Mapping[str, Any]) -> Mapping[str, str]:
    """``ID`` or ``ID=HOW``; an id may hold an equals sign itself."""
    name, equals, named = said.rpartition("=")
    if equals and said not in known:
        return {"id": name, "how": named}
    return {"id": said, **({"how": how} if how else {})}


@lineage.command()
@click.argument("name")
@click.argument("to", metavar="MODEL", required=False)
@click.option("--none", "nowhere", is_flag=True, help="The name leads nowhere any more.")
@workspace_option
@json_option
def alias(name: str, to: str | None, nowhere: bool, workspace: str, as_json: bool) -> None:
    """Record that NAME, as it is deployed, leads to MODEL from now on."""
    from aboveboard import training

    if (to is None) != nowhere:
        raise click.UsageError("name a MODEL, or say --none")
    _tell(training.record(_opened(workspace), [{"kind": "alias", "id": name, "model": to}]), as_json)


@lineage.command()
@click.argument("name", metavar="MODEL")
@click.option("--by", required=True, metavar="MODEL", help="The model that was trained again and takes its place.")
@workspace_option
@json_option
def retrained(name: str, by: str, workspace: str, as_json: bool) -> None:
    """State that a model that was trained again took MODEL's place: MODEL is no longer flagged."""
    from aboveboard import training

    _tell(
        training.record(_opened(workspace), [{"kind": "state", "model": name, "state": "retrained", "by": by}]), as_json
    )


@lineage.command()
@click.argument("name", metavar="MODEL")
@workspace_option
@json_option
def retired(name: str, workspace: str, as_json: bool) -> None:
    """State that nobody uses MODEL any more: it is no longer flagged."""
    from aboveboard import training

    _tell(training.record(_opened(workspace), [{"kind": "state", "model": name, "state": "retired"}]), as_json)


@lineage.command("import")
@click.argument("file", type=_file)
@workspace_option
@json_option
def import_(file: Path, workspace: str, as_json: bool) -> None:
    """Record every line of FILE (JSON lines, in any order): all of them, or none."""
    from aboveboard import training

    ws = _opened(workspace)
    _tell(training.record(ws, training.read(file)), as_json, most=20)


# --- looking ------------------------------------------------------------------------------------------------------


@lineage.command()
@click.argument("name")
@workspace_option
@json_option
def show(name: str, workspace: str, as_json: bool) -> None:
    """Show one thing: what it was made from, and of a model whether it is flagged. Exit 3 where its deadline has passed."""
    from aboveboard import affected, flags

    ws, now = _opened(workspace), datetime.now(UTC)
    known = affected.descent(ws)
    node = known.get(name)
    parents = [{"id": one.parent, "how": one.how} for one in known.graph.parents[node.id]]
    standing = next((one for one in flags.standings(ws, at=now) if one.model.id == node.id), None)
    told = {
        "id": node.id.removeprefix(affected.ALIAS), "kind": node.kind, "digest": node.digest, "at": node.at.isoformat(),
        "ours": node.ours, "statement": node.statement, "from": parents, "above": sorted(known.graph.above(node.id)),
        "said": dict(node.said), "standing": standing and standing.as_json(now), "word": _WORD,
    }  # fmt: skip
    emit(told, as_json, lambda: printable(_shown(told, standing, now)))
    _refuse_overdue([standing] if standing else [], now)


@lineage.command()
@click.argument("name", metavar="ID")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@workspace_option
@json_option
def prove(name: str, out: Path, workspace: str, as_json: bool) -> None:
    """Write what the log holds of an order, a run or a model, with its proof, for `aboveboard verify`."""
    from aboveboard import affected, disk, training
    from aboveboard.release import in_plain_words

    ws = _opened(workspace)
    node = affected.descent(ws).get(name)
    with in_plain_words():
        disk.write(out, training.proof_of(ws, node).data())
    told = {"id": node.id, "file": str(out), "statement": node.statement}
    emit(told, as_json, lambda: printable(f"What the log holds of {node.id} is in {out}: aboveboard verify {out}"))


@lineage.command("list")
@click.option("--flagged", is_flag=True, help="Only models that saw what may not go out any more.")
@click.option("--kind", type=click.Choice(["order", "run", "checkpoint", "model"]), default="model", show_default=True,
              help="What to list.")  # fmt: skip
@workspace_option
@json_option
def listed(flagged: bool, kind: str, workspace: str, as_json: bool) -> None:
    """List models with their state, or what else was recorded. Exit 3 where the deadline of a flagged model has passed."""
    from aboveboard import affected, flags

    ws, now = _opened(workspace), datetime.now(UTC)
    if kind != "model":
        found = [one for one in affected.descent(ws).nodes.values() if one.kind == kind]
        told = [{"id": one.id, "kind": kind, "digest": one.digest, "at": one.at.isoformat()} for one in found]
        emit(told, as_json, lambda: printable("\n".join(one.id for one in found) or f"No {kind} is recorded."))
        return
    every = flags.standings(ws, at=now)
    models = [one for one in every if one.flagged or not flagged]
    emit([one.as_json(now) for one in models], as_json,
         lambda: printable("\n".join(_standing(one, now) for one in models) or "No such model."))  # fmt: skip
    _refuse_overdue(every, now)


@click.command()
@click.option("--subject", help="A person: everything in which they have a part.")
@click.option("--record", help="A record, by its id.")
@click.option("--source", help="The source of the record, where several have that id.")
@click.option("--release", "release_id", help="A whole release; `latest` is the newest one.")
@click.option("--withdrawal", metavar="NUMBER",
              help="What a withdrawal is about: an event by its position in the ledger (617), or a question (q1).")  # fmt: skip
@workspace_option
@json_option
def affected(
    subject: str | None, record: str | None, source: str | None, release_id: str | None, withdrawal: str | None,
    workspace: str, as_json: bool,
) -> None:  # fmt: skip
    """Say which releases hold a person, a record or the rows of a release, who received them, and which models saw them.

    Exact for releases; for models by the order they were trained in where there is one, and else by release.
    """
    from aboveboard import affected as asking
    from aboveboard import flags
    from aboveboard.cli.release import id_of

    given = [one is not None for one in (subject, record, release_id, withdrawal)]
    if sum(given) != 1 or (source is not None and record is None):
        raise click.UsageError("name one of --subject, --record (and its --source), --release or --withdrawal")
    ws = _opened(workspace)
    if subject is not None:
        found = asking.by_subject(ws, subject)
    elif record is not None:
        found = asking.by_record(ws, record, source)
    elif release_id is not None:
        found = asking.by_release(ws, id_of(workspace, release_id))
    else:
        found = _withdrawn(ws, withdrawal or "")
    found = flags.told_of(ws, found)
    emit(found.as_json(), as_json, lambda: printable(_affected(found)))


def _withdrawn(ws: Workspace, number: str) -> Affected:
    from aboveboard import affected as asking
    from aboveboard import withdrawal

    kind, digits = (number[0], number[1:]) if number[:1] in ("e", "q") else ("e", number)
    if not (digits.isascii() and digits.isdigit()):
        raise click.BadParameter(f"`{number}` is no withdrawal: a position such as 617, or a question such as q1")
    return withdrawal.reached(ws, int(digits)) if kind == "q" else asking.by_withdrawal(ws, int(digits))


@click.command()
@click.argument("name", metavar="ID")
@workspace_option
@json_option
def downstream(name: str, workspace: str, as_json: bool) -> None:
    """List everything developed in whole or in part from ID: a release (`latest` is the newest one), an order, a run, a
    checkpoint or a model."""
    from aboveboard import affected as asking
    from aboveboard import flags
    from aboveboard.cli.release import id_of

    ws = _opened(workspace)
    found = flags.told_below(ws, asking.downstream(ws, id_of(workspace, name)))
    emit([one.as_json() for one in found], as_json, lambda: printable(_made(found)))


# --- words --------------------------------------------------------------------------------------------------------


def _tell(done: Sequence[Recorded], as_json: bool, most: int = 5) -> None:
    shown = [f"{'Recorded' if one.new else 'Known already:'} {one.kind} {one.id}" for one in done]
    more = [f"... and {len(shown) - most:,} more"] if len(shown) > most else []
    emit([one.as_json() for one in done], as_json, lambda: printable("\n".join([*shown[:most], *more])))


def _standing(one: Standing, now: datetime) -> str:
    words = [one.model.id, one.state if one.model.ours else "not ours"]
    if one.by:
        words.append(f"replaced by {one.by}")
    if one.flagged:
        words.append(f"FLAGGED ({'exactly' if one.saw.exact else 'by release'}): {_grounds(one.grounds)}")
    if one.due is not None and one.flagged:
        words.append(f"to be retrained by {one.due:%Y-%m-%d %H:%M}{', OVERDUE' if one.overdue(now) else ''}")
    if one.aliases:
        words.append(f"answers as {', '.join(one.aliases)}")
    return "  ".join(words)


def _grounds(grounds: Mapping[str, datetime]) -> str:
    """On which grounds a model is flagged, each since when."""
    return ", ".join(
        f"{ground} since {at:%Y-%m-%d %H:%M}" for ground, at in sorted(grounds.items(), key=lambda one: one[1])
    )


def _shown(told: Mapping[str, Any], standing: Standing | None, now: datetime) -> str:
    lines = [f"{told['kind']} {told['id']}", *(f"  from {one['id']} ({one['how']})" for one in told["from"])]
    if standing is not None:
        lines.append(f"  {_standing(standing, now)}")
    return "\n".join([*lines, _WORD])


def _affected(found: Affected) -> str:
    lines = [
        f"{name}: {'rows unknown, its private part is gone' if rows is None else f'{rows:,} rows'}"
        + (f", received by {', '.join(found.recipients[name])}" if found.recipients.get(name) else "")
        for name, rows in found.rows.items()
    ]
    for one in found.models:
        how = f"at {one.saw.positions:,} positions of its order" if one.saw.positions else "by release"
        lines.append(
            f"model {one.model} ({one.state}): saw it {how}"
            + (f"; {', '.join(one.aliases)}" if one.aliases else "")
            + (f"; FLAGGED: {_grounds(one.grounds)}" if one.grounds else "")
        )
    return "\n".join([*(lines or ["In no release, and in no model."]), _WORD])


def _made(found: Sequence[Made]) -> str:
    lines = [
        f"{one['kind']:<10}  {one['id']}  ({one['how']} {one['from']}){'  ' + one['state'] if one['state'] else ''}"
        + (f"  FLAGGED: {_grounds(made.grounds)}" if made.grounds else "")
        for made in found
        for one in [made.as_json()]
    ]
    return "\n".join([*(lines or ["Nothing was made from it."]), _WORD])


def _refuse_overdue(found: Sequence[Standing], now: datetime) -> None:
    if any(one.overdue(now) for one in found):
        ask_exit(3)


# --- what was typed -----------------------------------------------------------------------------------------------


def _opened(workspace: str) -> Workspace:
    from aboveboard.workspace import open_workspace

    return open_workspace(workspace)


def _line(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _said(hyperparameters: Path | None, environment: Path | None) -> Mapping[str, Any]:
    named = {"hyperparameters": hyperparameters, "environment": environment}
    return {name: _object(path) for name, path in named.items() if path is not None}


def _object(path: Path) -> Any:
    from aboveboard.errors import LineageError

    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise LineageError("the file holds no JSON object", file=path)
    return found


def _digest(said: str | None) -> str | None:
    from aboveboard.lineage import digest_of

    return None if said is None else digest_of(f"sha256:{said.removeprefix('sha256:')}")


def _moment(said: str | None) -> str | None:
    from aboveboard.cli.shared import moment_of
    from aboveboard.statement import moment

    return None if said is None else moment(moment_of(said))
