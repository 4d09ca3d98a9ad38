"""``aboveboard capsule`` and ``aboveboard check-me``: what one person is told of a release, and that it holds.

A capsule is made by the platform, which holds the openings, and checked by the person, who needs the public folder of the
release and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aboveboard.cli.named import Folder
from aboveboard.cli.shared import emit, json_option, printable, workspace_option

if TYPE_CHECKING:
    from aboveboard.capsule import Capsule, Checked, Opened
    from aboveboard.note import VerifierKey

PRIVATE = (
    "Whoever sees this file learns what of yours is in this release, and of no other: hand it to nobody you need not."
)


NOT_PLACED = (
    "that the row of the map is yours is the platform's word: a receipt of yours names its place, and none was given"
    " (--receipt)"
)


@click.group()
def capsule() -> None:
    """What one person is told of a release."""


@capsule.command()
@click.argument("subject")
@click.argument("release_id", metavar="RELEASE")
@click.option(
    "-o", "--out", "to", type=click.Path(dir_okay=False, path_type=Path), help="The file. [default: RELEASE.capsule]"
)
@click.option(
    "--in", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where releases are, as `build --to` says; may be repeated. [default: releases/]",
)  # fmt: skip
@workspace_option
@json_option
def make(
    subject: str, release_id: str, to: Path | None, folders: Sequence[Path], workspace: str, as_json: bool
) -> None:
    """Make the capsule of SUBJECT (a stable account id) for RELEASE; `latest` is the newest one."""
    from aboveboard import capsules, mainjob
    from aboveboard.cli.release import published_named
    from aboveboard.errors import ReleaseError
    from aboveboard.workspace import open_workspace

    ws = open_workspace(workspace)
    public = published_named(workspace, folders, release_id)
    made = capsules.make(public, ws.private / public.name, subject, mainjob.keys_of(ws, public.name))
    file = to if to is not None else Path(f"{public.name}.capsule")
    if file.exists():
        raise ReleaseError("the file is already there", file=file, hint="name another with -o, or take it away first")
    file.touch(mode=0o600)
    file.write_bytes(made.document())
    told = {"capsule": str(file), "release": made.release, "rows": len(made.records), "unproven": len(made.unproven)}
    emit(told, as_json, lambda: f"Written to {file}: {len(made.records):,} rows of {subject}.\n{PRIVATE}")


@click.command("check-me")
@click.argument("capsule_file", metavar="CAPSULE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("release_folder", metavar="RELEASE", type=Folder(file_okay=False))
@click.option(
    "--receipt", "receipts", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A receipt of yours: the choice in it has to have counted; may be repeated.",
)  # fmt: skip
@click.option(
    "--key", metavar="KEY", help="The log's key as the platform publishes it: name+id+key, or a file with it."
)
@json_option
def check_me(
    capsule_file: Path, release_folder: Path, receipts: Sequence[Path], key: str | None, as_json: bool
) -> None:
    """Check a CAPSULE against the public folder of its RELEASE, without asking anybody. Exit 5 where it does not hold.

    A receipt that the platform signed and did not keep is evidence: exit 5 says so too.
    """
    from aboveboard.capsule import Capsule
    from aboveboard.checking import held
    from aboveboard.cli.verify import trusted
    from aboveboard.verification import Known, verify_entered

    made = Capsule.parse(capsule_file.read_bytes())
    entered, keys = verify_entered(release_folder, Known(trusted(key, None)))
    found = held(made, release_folder)
    kept = [_kept(path, made, keys.receipt) for path in receipts]
    steps = [*(step.says for step in entered.steps if step.done), *found.steps, *kept]
    more = [said for said in entered.not_proven if said not in found.says]
    mine = () if receipts else (NOT_PLACED,)
    known = replace(found, steps=tuple(steps), says=(*found.says, *mine, *more))
    emit(_document(made, known), as_json, lambda: printable(_prose(made, known)))


def _kept(path: Path, made: Capsule, key: VerifierKey) -> str:
    """That the choice in a receipt counted, as far as it had to."""
    from aboveboard import receipt
    from aboveboard.errors import VerificationError

    try:
        said = receipt.verify(path.read_bytes(), key)
        events = [bytes.fromhex(one) for one in made.events]
        moment = datetime.fromisoformat(made.as_of)
        receipt.contradiction(
            said, events=events, as_of=moment, index=bytes.fromhex(made.index), position=made.position
        )
    except VerificationError as error:
        raise VerificationError(error.sentence, hint=error.hint, step="receipt", file=path) from error
    return f"the choice in {path.name} counted, or did not have to yet: {said.sentence()}"


def _document(made: Capsule, found: Checked) -> Mapping[str, Any]:
    from aboveboard.capsule import choices

    return {
        "release": made.release, "holds": True, "steps": list(found.steps), "says": list(found.says),
        "rows": [
            {"source": one.descriptor.source, "record": one.descriptor.record, "kind": one.row["kind"],
             "text": one.row["text"], "clause": one.descriptor.clause, "collected_under": one.descriptor.collected_under,
             "judged_under": one.descriptor.judged_under}
            for one in made.records
        ],
        "withdrawn": found.withdrawn,
        "shared": [{"source": source, "record": record} for source, record in made.shared],
        "unproven": [
            {"source": one.source, "record": one.record, "outcome": one.outcome, "decisive": one.decisive,
             "reasons": list(one.reasons)}
            for one in made.unproven
        ],
        "choices": choices(made),
    }  # fmt: skip


def _prose(made: Capsule, found: Checked) -> str:
    from aboveboard.capsule import choices

    lines = [f"Release {made.release}, judged {made.as_of[:16].replace('T', ' ')} UTC.", "", "Checked:"]
    lines += [f"  {number}. {step}" for number, step in enumerate(found.steps, 1)]
    lines += ["", *(f"{said[0].upper()}{said[1:]}." for said in found.says)]
    if made.events:
        lines += ["", "Your choices that counted, the newest first:"]
        lines += [_choice(one) for one in list(choices(made))[::-1][:SHOWN]]
        lines += _more(len(made.events))
    if made.records:
        lines += ["", "Yours in it:"]
        lines += [_yours(one) for one in made.records[:SHOWN]]
        lines += _more(len(made.records))
    if made.unproven:
        lines += ["", "Left out, by the platform's word:"]
        shown = made.unproven[:SHOWN]
        lines += [f"  {one.source} {one.record}: {_sentence(one.decisive)} [{one.decisive}]" for one in shown]
        lines += _more(len(made.unproven))
    return "\n".join(lines)


SHOWN = 20
"""How many records are printed; `--json` has them all."""


WORDS = 70
"""How many letters of a row are printed."""


def _more(count: int) -> list[str]:
    return [f"  ... and {count - SHOWN:,} more (--json has them all)"] if count > SHOWN else []


def _choice(said: Mapping[str, str | None]) -> str:
    about = ", ".join(filter(None, (said["category"], said["purpose"], said["recipient"]))) or "everything"
    recorded = datetime.fromtimestamp(int(said["recorded_at"] or 0) / 1_000_000, UTC)
    return f"  {recorded:%Y-%m-%d}: {said['type']}, about {about} (event {said['position']})"


def _yours(one: Opened) -> str:
    said, told = one.descriptor, str(one.row["text"] or "")
    words = told if len(told) <= WORDS else f"{told[:WORDS].rstrip()} ..."
    return f"  {said.source} {said.record}: {_ground(said.clause, said.collected_under)}\n    {words!r}"


def _ground(clause: str | None, version: str | None) -> str:
    return f"by clause `{clause or 'none'}`, collected under {version or 'no version that is known'}"


def _sentence(code: str) -> str:
    from aboveboard.reasons import reason

    return reason(code).sentence
