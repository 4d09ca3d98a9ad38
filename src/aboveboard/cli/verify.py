"""``aboveboard verify``: check a release, a record's proof, a checkpoint or a receipt, and say what that does not prove.

Runs where only cryptography, rfc8785 and click are installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aboveboard.cli.shared import ask_exit, emit, json_option, printable

if TYPE_CHECKING:
    from aboveboard.proof import Trust
    from aboveboard.verification import Known, Report, Step


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--key", metavar="KEY", help="The log's key as the platform publishes it: name+id+key, or a file with it."
)
@click.option("--trust", "trust_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Whose word counts: a file of logs, witnesses, and how many of those have to cosign.")  # fmt: skip
@click.option("--remember", type=click.Path(dir_okay=False, path_type=Path),
              help="Where the last checkpoint seen is kept: the log must have grown from it. Made at the first use.")  # fmt: skip
@click.option("--log", "log_folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A copy of the log, from which it is proven that one checkpoint continues another.")  # fmt: skip
@json_option
def verify(
    path: Path, key: str | None, trust_file: Path | None, remember: Path | None, log_folder: Path | None, as_json: bool
) -> None:
    """Check PATH step by step: a release, a record's proof, a checkpoint or a receipt. Exit 5 when it is false.

    Needs nothing but the files. Says at the end what all of it does not prove. Exit 1 where a receipt could only be read,
    because no key was given to check who signed it.
    """
    from aboveboard.verification import silent
    from aboveboard.verification import verify as check

    if key and trust_file:
        raise click.UsageError("--trust names the keys of logs already: leave --key out")
    trust = trusted(key, trust_file)
    with _remembering(remember) as remembered:
        known = _known(trust, remembered, log_folder)
        if not as_json:
            click.echo(f"Checking {path}")
        report = check(path, known, silent if as_json else _tell)
        if remember is not None and report.newest is not None and report.newest != remembered:
            from aboveboard import disk

            disk.place(remember, report.newest)
    emit(report.as_json(), as_json, lambda: printable(_told(report)))
    if report.unchecked:
        ask_exit(1)


def trusted(key: str | None, file: Path | None) -> Trust | None:
    """Whose word counts, from a key or a file of them; None where nothing was given."""
    from aboveboard.note import VerifierKey
    from aboveboard.proof import Trust

    if file is not None:
        return Trust.parse(file.read_bytes())
    if key is None:
        return None
    text = Path(key).read_text("utf-8", errors="replace") if "+" not in key and Path(key).is_file() else key
    return Trust((VerifierKey.parse(text.strip()),))


def _known(trust: Trust | None, remembered: bytes | None, folder: Path | None) -> Known:
    from aboveboard.verification import Known

    if folder is None:
        return Known(trust, remembered)
    from aboveboard.log import CHECKPOINT, Reader

    path = folder / CHECKPOINT
    if not path.is_file():
        raise click.UsageError(f"`{folder}` is no copy of a log: it has no {CHECKPOINT}")
    return Known(trust, remembered, path.read_bytes(), partial(Reader, folder))


@contextmanager
def _remembering(file: Path | None) -> Iterator[bytes | None]:
    """The checkpoint that is remembered. The file is held meanwhile: of two checks at once, the later sees the earlier's."""
    if file is None:
        yield None
        return
    from aboveboard import disk

    disk.folders(file.absolute().parent)
    with disk.locked(file.with_name(f"{file.name}.lock")):
        yield file.read_bytes() if file.exists() else None


def _tell(step: Step) -> None:
    click.echo(printable(f"  {step.number:>2}  {step.name:<12} {'' if step.done else '(not taken) '}{step.says}"))


_KINDS = {
    "release": "the release", "record": "a record of the release", "checkpoint": "a checkpoint of the log",
    "receipt": "the receipt",
}  # fmt: skip


def _told(report: Report) -> str:
    held = f"Everything above holds: {_KINDS[report.kind]} `{report.name}`."
    lines = ["", f"NOT VERIFIED: {report.unchecked}." if report.unchecked else held, ""]
    if report.seen is not None:
        lines += [f"Cosigned by {', '.join(report.seen.cosigners) or 'nobody'}."]
    return "\n".join([*lines, "Not proven:", *(f"  - {one}" for one in report.not_proven)])
