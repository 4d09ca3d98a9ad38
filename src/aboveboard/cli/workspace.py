"""``aboveboard init`` and ``aboveboard doctor``: make a workspace, and see what is missing in one."""

from __future__ import annotations

from pathlib import Path

import click

from aboveboard.cli.shared import ask_exit, emit, json_option, workspace_option


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--name", help="The platform's name. [default: the folder's]")
@click.option("--keys", "only_keys", is_flag=True, help="Make only the keys, in a workspace that lacks them.")
@json_option
def init(folder: Path, name: str | None, only_keys: bool, as_json: bool) -> None:
    """Make a workspace in FOLDER: settings, a policy to fill in, a source map with a row of data, a job, keys."""
    from aboveboard.keys import RECOVERY
    from aboveboard.workspace import create, make_keys

    if only_keys:
        found = make_keys(folder)
        emit(
            {"keys": str(found.folder), "recovery": str(folder / RECOVERY)},
            as_json,
            lambda: f"Keys in {found.folder}. Keep a backup of them apart.\n{_apart(folder)}",
        )
        return
    made = create(folder, name)
    emit(
        {"workspace": str(folder), "files": [str(path) for path in made], "recovery": str(folder / RECOVERY)},
        as_json,
        lambda: "\n".join(
            [f"Workspace in {folder}:", *(f"  {path}" for path in made), _apart(folder), "Next: `aboveboard doctor`"]
        ),
    )


def _apart(folder: Path) -> str:
    from aboveboard.keys import RECOVERY

    return f"Move {folder / RECOVERY} to where nobody reaches it from here: it alone can replace the key of the log."


@click.command()
@workspace_option
@json_option
def doctor(workspace: str, as_json: bool) -> None:
    """Check a workspace; exit 3 when something would keep a release from being built, or is overdue.

    Overdue is a withdrawal, a request to be erased, or a notice that its recipient has not answered.
    """
    from aboveboard.doctor import examine
    from aboveboard.workspace import open_workspace

    findings = examine(open_workspace(workspace))
    emit(
        [finding.as_json() for finding in findings],
        as_json,
        lambda: "\n".join(str(finding) for finding in findings),
    )
    if any(not finding.fine for finding in findings):
        ask_exit(3)
