"""``aboveboard policy history``: a folder of dated files or a git repository, as a timeline of real changes.

Entries are printed as they become certain and nothing is kept of them. With ``--resume FILE`` every entry and the few
ids that the next version needs are appended to FILE, so that a history that was stopped goes on where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import click

from aboveboard.cli import progress
from aboveboard.cli.compare import html_option
from aboveboard.cli.shared import json_option
from aboveboard.comparison import timeline
from aboveboard.comparison.history import EVENT, FORMAT, SUSPECT, Entry, History, Version
from aboveboard.comparison.page import CLOSING
from aboveboard.errors import SourceError
from aboveboard.recorded import Recorded, Source

EVERY = 100
"""Versions between two notes of the place reached, where no entry came."""


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--document", metavar="SERVICE/DOCUMENT.md", help="Only this document of a repository.")
@click.option(
    "--resume", type=click.Path(dir_okay=False, path_type=Path), help="Keep the place in this file, and go on from it."
)
@html_option
@json_option
def history(path: Path, document: str | None, resume: Path | None, page: Path | None, as_json: bool) -> None:
    """One entry for every real change of a policy, with the time it was recorded and the day it took effect.

    PATH is a folder of files with a date in their names, a policy folder, or a git repository in the layout of Open
    Terms Archive (Service/Document.md, one commit a version). Captures that cannot be the policy, texts that were taken
    back and announcements are named, each for what it is.
    """
    with ExitStack() as stack:
        out = _Out(as_json, stack.enter_context(_opened(page)) if page else None)
        told = stack.enter_context(progress.shown(quiet=as_json))
        book = stack.enter_context(_Book(resume, Source(path, document)))
        out.begin(f"History of {document or path.resolve().name}")
        for found, entry in book.entries():
            out.entry(found, entry)
            if told is not None:
                told("versions", book.seen, None)
        out.end(book.seen)


def _opened(page: Path) -> IO[str]:
    try:
        return page.open("w", encoding="utf-8")
    except OSError as error:
        raise SourceError(f"`{page}` cannot be written: {error.strerror}", file=page) from error


# --- the place reached --------------------------------------------------------------------------------------------


@dataclass
class _Book:
    """The histories of all documents of a source, and the file that keeps their place."""

    file: Path | None
    source: Source
    seen: int = 0
    histories: dict[str, History] = field(default_factory=dict)
    handle: IO[str] | None = None
    passed: str | None = None
    touched: set[str] = field(default_factory=set)

    def __enter__(self) -> _Book:
        return self

    def __exit__(self, *_: object) -> None:
        if self.handle is not None:
            self.handle.close()

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Entries that were found before, then those of the versions behind the place reached."""
        yield from self._earlier()
        if self.file is not None:
            self.handle = self.file.open("a", encoding="utf-8")
        skipping = self.passed is not None
        for version in self.source.versions():
            if skipping:
                skipping = f"{version.document}\t{version.id}" != self.passed
                continue
            found = list(self._add(version))
            self.seen += 1
            self._note(version, found)
            yield from ((version.document, entry) for entry in found)
        if skipping:
            hint = "the repository changed: start again with another file"
            raise SourceError(f"the place kept in `{self.file}` is not in the source", hint=hint, file=self.file)
        for document, one in sorted(self.histories.items()):
            yield from ((document, entry) for entry in one.finish())

    def _add(self, version: Recorded) -> Iterator[Entry]:
        one = self.histories.setdefault(version.document, History())
        self.touched.add(version.document)
        if version.text is None:
            yield Entry(SUSPECT, version.id, version.recorded_at, version.problem, link=version.link)
            return
        yield from one.add(_version(version))

    def _note(self, version: Recorded, found: list[Entry]) -> None:
        """Append entries and the place reached as one line: a line that is not whole never counts."""
        if self.handle is None or (not found and self.seen % EVERY):
            return
        place = {
            "passed": f"{version.document}\t{version.id}",
            "seen": self.seen,
            "state": {document: self.histories[document].state() for document in sorted(self.touched)},
            "document": version.document,
            "entries": [entry.as_json() for entry in found],
        }
        self.touched.clear()
        self.handle.write(json.dumps(place, ensure_ascii=False) + "\n")
        self.handle.flush()

    def _earlier(self) -> Iterator[tuple[str, Entry]]:
        """What the file holds: the entries, and from its last whole line the place."""
        if self.file is None or not self.file.exists():
            return
        states: dict[str, Any] = {}
        whole = 0
        with self.file.open("r+", encoding="utf-8") as lines:
            while line := lines.readline():
                if not line.endswith("\n"):
                    lines.seek(whole)
                    lines.truncate()  # the line that was being written when the run was stopped
                    break
                place, whole = _place(line, self.file), lines.tell()
                self.passed, self.seen = place["passed"], place["seen"]
                states |= place["state"]
                yield from ((place["document"], Entry.from_json(one)) for one in place["entries"])
        for document, state in states.items():
            self.histories[document] = History.resumed(state, partial(self._find, document))

    def _find(self, document: str, name: str) -> Version:
        return _version(self.source.find(document, name))


def _place(line: str, file: Path) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise SourceError(
            f"`{file.name}` is no file that --resume wrote", hint="name another file", file=file
        ) from error


# --- what is printed ----------------------------------------------------------------------------------------------


@dataclass
class _Out:
    """Prints entries as they come: as text or as JSON, and into a page where one was asked for."""

    as_json: bool
    page: IO[str] | None = None
    shown: int = 0
    events: int = 0

    def begin(self, title: str) -> None:
        if self.page is not None:
            self.page.writelines(f"{line}\n" for line in timeline.html_opening(title))
        if self.as_json:
            click.echo(f'{{"format": {json.dumps(FORMAT)}, "entries": [', nl=False)

    def entry(self, document: str, entry: Entry) -> None:
        self.shown += 1
        self.events += entry.kind == EVENT
        if self.page is not None:
            self.page.writelines(f"{line}\n" for line in timeline.html_entry(document, entry, self.shown))
        if self.as_json:
            told = json.dumps({"document": document, **entry.as_json()}, ensure_ascii=False)
            click.echo(("," if self.shown > 1 else "") + "\n" + told, nl=False)
        else:
            click.echo(timeline.as_text(document, entry) + "\n")

    def end(self, seen: int) -> None:
        if self.page is not None:
            self.page.writelines(f"{line}\n" for line in CLOSING)
        if self.as_json:
            click.echo(f'\n], "versions": {seen}, "changes": {self.events}}}')
        else:
            changes = f"{self.events} real {'change' if self.events == 1 else 'changes'}"
            click.echo(f"{seen:,} versions, {changes}, {self.shown - self.events} other entries")


def _version(one: Recorded) -> Version:
    return Version(one.id, one.recorded_at, one.text or "", one.link, one.technical)
