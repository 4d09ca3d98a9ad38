"""What every command shares: where the workspace is, ``--json``, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])

workspace_option: Callable[[_F], _F] = click.option(
    "-w", "--workspace", default=".", show_default=True, envvar="ABOVEBOARD_WORKSPACE",
    type=click.Path(file_okay=False), help="The workspace folder (holds aboveboard.toml).",
)  # fmt: skip
json_option: Callable[[_F], _F] = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def emit(document: object, as_json: bool, prose: Callable[[], str]) -> None:
    """Print ``document`` as JSON, or ``prose()`` to a person. Both go to stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str) if as_json else prose())


def printable(text: str) -> str:
    """What others wrote, for a terminal: nothing in it can move the cursor or change a colour."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


def moment_of(text: str) -> datetime:
    """A time that a person typed; without a zone it is UTC. Raises a usage error for anything else."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"`{text}` is not a time, such as 2024-01-31T12:00Z") from error
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def ask_exit(code: int) -> None:
    """End the command with an exit code of our own (3: the answer is no)."""
    click.get_current_context().exit(code)
