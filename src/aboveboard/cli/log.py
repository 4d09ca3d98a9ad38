"""``aboveboard log``: show the signed checkpoint, prove what it covers, compute it all again, witness other logs."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard.cli.log_daily import epoch, intake
from aboveboard.cli.shared import ask_exit, emit, json_option, workspace_option

if TYPE_CHECKING:
    from aboveboard.log import Audit
    from aboveboard.note import Signer
    from aboveboard.proof import Seen, Trust
    from aboveboard.restoring import Restored

to_option = click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), help="Write it into this file instead of printing it."
)


@click.group()
def log() -> None:
    """The signed log: what it says of itself, proofs of its entries, and witnesses of it."""


@log.command()
@click.option(
    "--cosigned", "notes", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the cosignatures in this checkpoint in, as a witness gave it back; may be repeated.",
)  # fmt: skip
@workspace_option
@json_option
def checkpoint(notes: Sequence[Path], workspace: str, as_json: bool) -> None:
    """Print the signed checkpoint of the log; begin the log where there is none.

    Cosignatures count when [log] trust names their witness. Exit 3 where that file asks for more than there are.
    """
    from aboveboard.errors import VerificationError
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    for path in notes:
        ws.log.merge(path.read_bytes(), ws.trust)
    signed = ws.log.checkpoint()
    seen = replace(ws.trust, quorum=None).verify(signed)
    emit({**_seen(seen), "checkpoint": signed.decode()}, as_json, lambda: signed.decode().removesuffix("\n"))
    try:
        ws.trust.verify(signed)
    except VerificationError as error:
        click.echo(f"{error.sentence}", err=True)
        ask_exit(3)


@log.command()
@click.argument("index", type=click.IntRange(min=0), required=False)
@click.option(
    "--since", type=click.IntRange(min=0), metavar="SIZE", help="Prove instead that nothing before SIZE changed."
)
@to_option
@workspace_option
@json_option
def prove(index: int | None, since: int | None, to: Path | None, workspace: str, as_json: bool) -> None:
    """Print the proof that entry INDEX stands in the log, with the checkpoint it leads to.

    With --since, what a witness that knows SIZE entries needs to see that the log has only grown.
    """
    from aboveboard.workspace import open_workspace

    if (index is None) == (since is None):
        raise click.UsageError("name an INDEX, or a size with --since")
    made = open_workspace(workspace).log
    if index is not None:
        proof = made.inclusion(index).data()
        told: dict[str, Any] = {"index": index, "entry": made.reader().entry(index).decode()}
    else:
        proof = made.consistency(since or 0).data()
        told = {"since": since}
    _out(proof, to, {**told, "size": made.head().size, "proof": proof.decode()}, as_json)


@log.command()
@click.option("--log", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A copy of a log, instead of the workspace's own.")  # fmt: skip
@click.option("--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Whose word counts about it: a file of logs and witnesses. Goes with --log.")  # fmt: skip
@workspace_option
@json_option
def audit(folder: Path | None, trust: Path | None, workspace: str, as_json: bool) -> None:
    """Compute the log again from its entries: tiles, root, statements, keys. Exit 5 when anything is not as it says."""
    from aboveboard import log as logs
    from aboveboard.workspace import open_workspace

    if (folder is None) != (trust is None):
        raise click.UsageError("--log and --trust go together")
    if folder is not None and trust is not None:
        trusted = _trust(trust)
    else:
        ws = open_workspace(workspace)
        folder, trusted = ws.log.folder, replace(ws.trust, quorum=None)
    signed = logs.checkpoint_of(folder)
    seen = trusted.verify(signed)
    found = logs.audit(folder, signed, trusted.logs)
    document = {**_seen(seen), "entries": found.types, "problems": list(found.problems)}
    emit(document, as_json, lambda: _audited(seen, found))
    if found.problems:
        ask_exit(5)


@log.command()
@click.argument("shown", type=click.Path(exists=True, path_type=Path))
@click.option("--key", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The witness's private key, as `log key` wrote it.")  # fmt: skip
@click.option("--state", required=True, type=click.Path(file_okay=False, path_type=Path),
              help="The folder in which the witness remembers what it has seen.")  # fmt: skip
@click.option(
    "--watch", "watched", multiple=True, metavar="KEY", help="Watch the log that signs with this key (name+id+key)."
)
@to_option
@json_option
def witness(shown: Path, key: Path, state: Path, watched: Sequence[str], to: Path | None, as_json: bool) -> None:
    """Cosign a log that has only grown since this witness saw it last.

    SHOWN is the folder of a log, or a file that `log prove --since` wrote. Exit 5 for a log that forks or goes back;
    both checkpoints are kept below STATE then.
    """
    from aboveboard.note import VerifierKey
    from aboveboard.proof import Growth
    from aboveboard.witness import Witness

    one = Witness(state, _signer(key))
    for text in watched:
        one.watch(VerifierKey.parse(text))
    now = int(time.time())
    made = one.cosign_log(shown, now) if shown.is_dir() else one.cosign(Growth.parse(shown.read_bytes()), now)
    told = {"origin": made.checkpoint.origin, "before": made.before, "size": made.checkpoint.size, "time": now}
    _out(made.data, to, {**told, "checkpoint": made.data.decode()}, as_json)


@log.command()
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def key(name: str, file: Path, as_json: bool) -> None:
    """Make a key for a witness called NAME, keep it in FILE, and print what others need to know it by."""
    from aboveboard import disk
    from aboveboard.errors import LogError
    from aboveboard.note import COSIGNATURE, Signer

    if file.exists():
        raise LogError("there is a file already", file=file, hint="a key is never replaced in place")
    made = Signer(name, secrets.token_bytes(32), COSIGNATURE)
    told = str(made.key)
    disk.write(file, f"{made.written()}\n".encode(), mode=0o600)
    emit({"key": told, "file": str(file)}, as_json, lambda: told)


@log.command()
@click.option("--recovery", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The recovery key, as `init` wrote it.")  # fmt: skip
@workspace_option
@json_option
def rotate(recovery: Path, workspace: str, as_json: bool) -> None:
    """Put a new key in the place of the one that signs the log, lost or stolen or old, by the word of the recovery key.

    Whoever checks the log needs the new key then: `log` in their trust files. Run it again where it was interrupted.
    """
    from aboveboard.workspace import replace_log_key

    found = replace_log_key(Path(workspace), _signer(recovery), datetime.now(UTC))
    told = {"key": str(found.log), "before": [str(one) for one in found.before]}
    emit(told, as_json, lambda: f"The log is signed by {found.log}")


@log.command()
@click.argument("copy", type=click.Path(exists=True, file_okay=False, path_type=Path))
@workspace_option
@json_option
def restore(copy: Path, workspace: str, as_json: bool) -> None:
    """Bring a lost log back from COPY: a copy of log/, or the folder of a release.

    Entries come from the ledger; of the copy only statements of the right SHA-256 are taken, and cosignatures under a
    checkpoint of ours. Run it once for each copy there is. Exit 1 where statements are still missing.
    """
    from aboveboard import restoring
    from aboveboard.errors import LogError
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    if not ws.has_ledger:
        raise LogError(
            "the ledger is gone too", hint="bring the newest ledger back first: it gives entries their places"
        )
    back = restoring.restore(ws.ledger, ws.log_folder, ws.signer("log"), ws.trust, copy)
    told = {"statements": back.statements, "cosigned": list(back.cosigned), "missing": list(back.missing)}
    emit({**told, "size": ws.log.head().size}, as_json, lambda: _restored(back, ws.log.head().size))
    if back.missing:
        ask_exit(1)


def _restored(back: Restored, size: int) -> str:
    lines = [f"{back.statements:,} statements taken from the copy; the log has {size:,} entries, as the ledger says."]
    if back.cosigned:
        lines.append(f"Cosigned by {', '.join(back.cosigned)}.")
    if back.missing:
        places = ", ".join(str(place) for place in back.missing[:10])
        lines.append(
            f"STILL MISSING: the statements of {len(back.missing):,} entries ({places}...). Look for a newer copy."
        )
    return "\n".join(lines)


def _signer(path: Path) -> Signer:
    from aboveboard.errors import LogError
    from aboveboard.note import Signer

    if path.stat().st_mode & 0o077:
        raise LogError("others can read the private key", file=path, hint=f"chmod 600 {path}")
    return Signer.parse(path.read_text(encoding="utf-8").strip())


def _trust(path: Path) -> Trust:
    from aboveboard.proof import Trust

    return Trust.parse(path.read_bytes())


def _out(data: bytes, to: Path | None, document: Mapping[str, Any], as_json: bool) -> None:
    """Print what was made, or write it into a file and say so."""
    if to is not None:
        to.write_bytes(data)
        emit({**document, "file": str(to)}, as_json, lambda: f"Written to {to}.")
        return
    emit(document, as_json, lambda: data.decode().removesuffix("\n"))


def _seen(seen: Seen) -> dict[str, Any]:
    at = seen.checkpoint
    root = base64.b64encode(at.root).decode()
    return {
        "origin": at.origin,
        "size": at.size,
        "root": root,
        "cosigners": {n: v.time for n, v in seen.cosigners.items()},
    }


def _audited(seen: Seen, found: Audit) -> str:
    by = ", ".join(seen.cosigners) or "nobody: different people may have been shown different histories"
    lines = [
        f"Log {found.checkpoint.origin}, {found.checkpoint.size:,} long, cosigned by {by}.",
        *(f"  {count:>8,}  {kind}" for kind, count in sorted(found.types.items())),
        *(f"FALSE: {problem}" for problem in found.problems),
        "Everything was computed again from the entries and is as the checkpoint says."
        if not found.problems
        else f"{len(found.problems)} things are not as the log says.",
        "This covers what was logged; it cannot show that nothing else was trained on.",
    ]
    return "\n".join(lines)


log.add_command(epoch)
log.add_command(intake)
