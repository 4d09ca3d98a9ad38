"""``aboveboard policy compare`` and ``policy history``: what changed between two texts, and over all recorded ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from aboveboard import policies
from aboveboard.cli.shared import ask_exit, emit, json_option, workspace_option
from aboveboard.comparison import compare as compared
from aboveboard.comparison.page import as_html
from aboveboard.comparison.report import as_text
from aboveboard.errors import AboveboardError, SourceError
from aboveboard.recorded import decoded

html_option = click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write one page of HTML, side by side, as well.",
)


@click.command()
@click.argument("old")
@click.argument("new")
@click.option(
    "--policy", "folder", type=click.Path(path_type=Path), help="The policy folder that OLD and NEW are versions of."
)
@click.option(
    "--rename", "renames", multiple=True, metavar="OLD=NEW", help="A name known to mean the same; may be given again."
)
@html_option
@workspace_option
@json_option
def compare(
    old: str, new: str, folder: Path | None, renames: Sequence[str], page: Path | None, workspace: str, as_json: bool
) -> None:
    """What changed from OLD to NEW: every change typed, with both quotes and the rule that says so.

    OLD and NEW are files (Markdown, HTML or plain text), version folders, or names of versions of a policy. Ends with 1
    where a text is no policy, and says why.
    """
    names = [_pair(rename) for rename in renames]
    texts = [_text(name, folder or Path(workspace), chosen=folder is not None) for name in (old, new)]
    captured = any(_is_file(name, folder) for name in (old, new))
    found = compared(texts[0], texts[1], names=names, captured=captured)
    if page is not None:
        one, other = _short(old, new)
        written(page, as_html(found, f"{one} and {other} compared", one, other))
    emit({"old": old, "new": new, **found.as_json()}, as_json, lambda: as_text(found))
    if found.problems:
        ask_exit(1)


def _short(old: str, new: str) -> tuple[str, str]:
    """The names as a page tells them, which is handed on: without the folders of whoever wrote it."""
    parts = 2 if Path(old).name == Path(new).name and old != new else 1
    one, other = ("/".join(Path(name).resolve().parts[-parts:]) for name in (old, new))
    return one, other


def written(page: Path, text: str) -> None:
    """Write a page, or say why not."""
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SourceError(f"`{page}` cannot be written: {error.strerror}", file=page) from error


def _pair(rename: str) -> tuple[str, str]:
    old, equals, new = rename.partition("=")
    if not (equals and old.strip() and new.strip()):
        raise click.BadParameter(f"`{rename}` is no rename, such as Twitter=X", param_hint="--rename")
    return old.strip(), new.strip()


def _is_file(name: str, folder: Path | None) -> bool:
    """Whether a name is a file, which somebody may have saved from a page; a version of a policy was written down."""
    return folder is None and Path(name).is_file()


def _text(name: str, folder: Path, *, chosen: bool) -> str:
    """The text that a name means: a file, a version folder, or a version of the policy."""
    path = Path(name)
    if _is_file(name, folder if chosen else None):
        return decoded(path.read_bytes(), path)
    if not chosen and (path / policies.TEXT_FILE).is_file():
        return decoded((path / policies.TEXT_FILE).read_bytes(), path)
    return _version(name, folder)


def _version(name: str, folder: Path) -> str:
    try:
        [found] = policies.policy_folders(folder)
    except (AboveboardError, ValueError) as error:
        hint = "give a file, a version folder, or the name of a version with --policy FOLDER"
        raise SourceError(f"`{name}` is neither a file nor a version folder", hint=hint) from error
    policy, texts = policies.read_policy(found)
    if name not in texts:
        raise SourceError(f"policy {policy.name} has no version `{name}`", hint=f"there are {', '.join(policy.names)}")
    return texts[name]
