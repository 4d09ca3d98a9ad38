"""``aboveboard verify``: check a release, a proof, a checkpoint or a receipt, and say what that does not prove.

Runs where only cryptography, rfc8785 and click are installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aboveboard.cli.named import Folder
from aboveboard.cli.shared import ask_exit, emit, json_option, printable

if TYPE_CHECKING:
    from aboveboard.proof import Checkpoint, Trust
    from aboveboard.verification import Known, Report, Step


@click.command()
@click.argument("path", type=Folder())
@click.option(
    "--key", metavar="KEY", help="The log's key as the platform publishes it: name+id+key, or a file with it."
)
@click.option("--trust", "trust_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Whose word counts: a file of logs, witnesses, and how many of those have to cosign.")  # fmt: skip
@click.option("--remember", type=click.Path(dir_okay=False, path_type=Path),
              help="Where the last checkpoint seen is kept: the log must have grown from it. Made at the first use.")  # fmt: skip
@click.option("--log", "log_folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A copy of the log, from which it is proven that one checkpoint continues another.")  # fmt: skip
@click.option("--later", multiple=True, type=Folder(file_okay=False),
              help="The folder of a later release: whether it took the place of this one; may be repeated.")  # fmt: skip
@click.option("--release", "beside", multiple=True, type=Folder(file_okay=False),
              help="For a certificate: the folders of the releases that it names; every row is read.")  # fmt: skip
@click.option("--mine", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="For a certificate: a capsule of yours of a release it names: whether its rows left.")  # fmt: skip
@json_option
def verify(
    path: Path, key: str | None, trust_file: Path | None, remember: Path | None, log_folder: Path | None,
    later: tuple[Path, ...], beside: tuple[Path, ...], mine: tuple[Path, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Check PATH step by step: a release, a proof, a checkpoint, a receipt or a certificate. Exit 5 when it is false.

    Needs nothing but the files; `releases/latest` is the newest release in `releases`. Says at the end what all of it does not
    prove. Exit 3 where everything holds and a later release is known to have taken the place of this one, or rows of a capsule
    (--mine) are still in the last release. Exit 1 where a receipt could only be read, because no key was given to check who
    signed it.
    """
    from aboveboard.verification import silent
    from aboveboard.verification import verify as check

    if key and trust_file:
        raise click.UsageError("--trust names the keys of logs already: leave --key out")
    trust = trusted(key, trust_file)
    with _remembering(remember) as remembered:
        known = replace(_known(trust, remembered, log_folder), later=later, beside=beside, mine=mine)
        if not as_json:
            click.echo(f"Checking {path}")
        report = check(path, known, silent if as_json else _tell)
        if remember is not None and report.newest is not None and report.newest != remembered:
            from aboveboard import disk

            disk.place(remember, report.newest)
    emit(report.as_json(), as_json, lambda: printable(_told(report)))
    if report.unchecked:
        ask_exit(1)
    if report.superseded_by is not None or report.still:
        ask_exit(3)


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
    return Known(trust, remembered, path.read_bytes(), partial(Reader, folder), releases=partial(_releases, folder))


def _releases(folder: Path, at: Checkpoint) -> Iterator[tuple[int, bytes]]:
    """The statements of releases that a copy of the log holds, each with its place. A copy may hold none of them."""
    from aboveboard.errors import VerificationError
    from aboveboard.log import OBJECTS, Reader
    from aboveboard.proof import Entry
    from aboveboard.statement import RELEASE

    for place, data in enumerate(Reader(folder, at).entries()):
        entry = Entry.parse(data)
        statement = folder / OBJECTS / entry.digest
        if entry.type == RELEASE and statement.is_file():
            said = statement.read_bytes()
            if hashlib.sha256(said).hexdigest() != entry.digest:
                raise VerificationError("a statement in the copy of the log is another one", file=statement)
            yield place, said


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
    "release": "the release", "record": "a record of the release", "statement": "the statement",
    "checkpoint": "a checkpoint of the log", "receipt": "the receipt",
    "certificate": "the certificate of the withdrawals carried out by",
}  # fmt: skip


def _told(report: Report) -> str:
    held = f"Everything above holds: {_KINDS[report.kind]} `{report.name}`."
    lines = ["", f"NOT VERIFIED: {report.unchecked}." if report.unchecked else held, ""]
    if report.superseded_by is not None:
        lines += [f"It was superseded: `{report.superseded_by}` took its place. Use that one.", ""]
    if report.still is not None:
        lines += [f"Your rows: {report.still:,} are still in it." if report.still else "Your rows: none is in it.", ""]
    if report.seen is not None:
        lines += [f"Cosigned by {', '.join(report.seen.cosigners) or 'nobody'}."]
    return "\n".join([*lines, "Not proven:", *(f"  - {one}" for one in report.not_proven)])
