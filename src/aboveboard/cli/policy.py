"""``aboveboard policy``: check a policy against the words people read, show the version in force, test it by cases.

A path may be a version folder, a policy folder, a folder of policies or a workspace; without one the workspace's
policy is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from aboveboard import policies
from aboveboard.cli import policytext
from aboveboard.cli.casetest import test
from aboveboard.cli.progress import Told, shown
from aboveboard.cli.shared import ask_exit, emit, json_option, workspace_option
from aboveboard.errors import PolicyError
from aboveboard.policy import Policy, PolicyVersion
from aboveboard.wording import ERROR, Finding

if TYPE_CHECKING:
    from aboveboard.drift import Drift


class Later(click.Group):
    """A group that loads the commands about texts when they are asked for: their word lists take a while."""

    LATER = ("compare", "effect", "history")

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.LATER])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.LATER:
            found: click.Command = getattr(import_module(f"aboveboard.cli.{cmd_name}"), cmd_name)
            return found
        return super().get_command(ctx, cmd_name)


@click.group(cls=Later)
def policy() -> None:
    """Check, show, test and compare policies."""


policy.add_command(test)

path_argument = click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))


@policy.command()
@path_argument
@workspace_option
@json_option
def check(path: Path | None, workspace: str, as_json: bool) -> None:
    """Do the rules say what the words say, and did both move together? Ends with 4 when the rules do not hold.

    PATH is a version folder, a policy folder, a folder of policies or a workspace. Of versions that follow each other,
    what changed in the rules is held against what changed in the text; what moved alone is a warning.
    """
    with shown(quiet=as_json) as told:
        folders, findings, moved = _checked(path or Path(workspace), told)
    errors = sum(finding.severity == ERROR for finding in findings)
    document = {
        "valid": errors == 0,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": [asdict(finding) for finding in findings],
        "moved": [one.as_json() for one in moved],
    }
    emit(document, as_json, lambda: _report(folders, findings, errors))
    if errors:
        ask_exit(PolicyError.exit_code)


def _checked(path: Path, told: Told | None) -> tuple[list[Path], list[Finding], list[Drift]]:
    """The folders that were checked, what was found in all of them, and what moved from version to version."""
    folder = path.parent if path.name == policies.RULES_FILE else path
    if (folder / policies.RULES_FILE).is_file():
        return [folder], policies.check_version_folder(folder), []
    folders = policies.policy_folders(folder)
    moved = [one for each in folders for one in policies.drifts(each, _comparing(told, each))]
    findings = [finding for one in folders for finding in policies.check_folder(one)]
    return folders, [*findings, *(finding for one in moved for finding in one.findings())], moved


def _comparing(told: Told | None, folder: Path) -> Callable[[int, int], None] | None:
    return None if told is None else lambda done, total: told(f"comparing versions of {folder.name}", done, total)


def _report(folders: Sequence[Path], findings: Sequence[Finding], errors: int) -> str:
    lines = []
    for version, group in groupby(sorted(findings, key=_by_version), key=lambda f: f.version):
        lines.append(f"version {version}" if version else "between versions")
        lines += [_line(finding) for finding in group] + [""]
    return "\n".join([*lines, _verdict(folders, errors, len(findings) - errors)])


def _by_version(finding: Finding) -> tuple[str, str, int]:
    return finding.version, finding.file, finding.line or 0


def _line(finding: Finding) -> str:
    where = f"{finding.file}:{finding.line}" if finding.line else finding.file
    clause = f" (clause {finding.clause})" if finding.clause else ""
    hint = f"\n    {finding.hint}" if finding.hint else ""
    return f"  {where}: {finding.severity}: {finding.sentence}{clause} [{finding.rule}]{hint}"


def _verdict(folders: Sequence[Path], errors: int, warnings: int) -> str:
    names = ", ".join(folder.resolve().name for folder in folders)
    counted = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    return f"{names}: {'the policy is refused' if errors else 'the policy holds together'} ({counted})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@policy.command()
@path_argument
@click.option("--at", metavar="TIME|VERSION", help="A date, a time or the name of a version; default is now.")
@workspace_option
@json_option
def show(path: Path | None, at: str | None, workspace: str, as_json: bool) -> None:
    """The version in force at a time, in sentences. Ends with 3 when none is.

    A time without an offset is read on the clocks of the policy's own zone; a date is its first moment.
    """
    found, named = _read(path or Path(workspace))
    when = _moment(found, at or named)
    version = found.in_force(when)
    following = _announced(found, when)
    if version is not None:
        document = policytext.document(found, version, following)
        emit(document, as_json, lambda: policytext.sentences(found, version, following))
        return
    emit(
        {"policy": found.name, "version": None, "next": following.version if following else None},
        as_json,
        lambda: _nothing_in_force(found, when, following),
    )
    ask_exit(3)


def _read(path: Path) -> tuple[Policy, str | None]:
    """The one policy that a path means, and the version the path names, if it names one."""
    folder = path.parent if path.name == policies.RULES_FILE else path
    if (folder / policies.RULES_FILE).is_file():
        found, _ = policies.read_policy(folder.absolute().parent)
        inside = (v.version for v in found.versions if Path(v.path).parent == folder.absolute())
        return found, next(inside, None)
    folders = policies.policy_folders(folder)
    if len(folders) > 1:
        raise click.UsageError(f"there are several policies, name one: {', '.join(map(str, folders))}")
    return policies.read_policy(folders[0])[0], None


def _moment(found: Policy, at: str | None) -> datetime:
    """The moment that is asked about: now, when a version came into force, or a time as it was written."""
    if at is None:
        return datetime.now(UTC)
    if at in found.names:
        return found.version(at).effective_from
    try:
        written = datetime.fromisoformat(at)
    except ValueError as error:
        known = f"a time such as 2023-09-29T12:00, or one of {', '.join(found.names)}"
        raise click.BadParameter(f"`{at}` is neither a time nor a version: {known}", param_hint="--at") from error
    zone = ZoneInfo(found.versions[-1].zone)
    return (written if written.tzinfo else written.replace(tzinfo=zone)).astimezone(UTC)


def _announced(found: Policy, when: datetime) -> PolicyVersion | None:
    """The version that comes next, as far as it was announced at that moment."""
    known = (v for v in found.versions if v.announced_at <= when < v.effective_from)
    return next(known, None)


def _nothing_in_force(found: Policy, when: datetime, following: PolicyVersion | None) -> str:
    at = policytext.moment(when, found.versions[-1].zone)
    told = f"\n{policytext.announced(following)}" if following else ""
    return f"No version of policy {found.name} is in force on {at}: nothing is permitted.{told}"
