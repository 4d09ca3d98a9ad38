"""Recorded versions of policies, wherever somebody kept them: a folder of dated files, or a git repository.

A repository is read through git's plumbing alone (rev-list, diff-tree, cat-file): no work tree is made, nothing is
checked out, and one version at a time is in memory. The layout is that of Open Terms Archive: ``Service/Document.md``,
one commit a version, its time the time of recording. What cannot be read is said with its place and skips nothing else.
"""

from __future__ import annotations

import codecs
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aboveboard.errors import SourceError

SUFFIXES = (".md", ".markdown", ".html", ".htm", ".txt")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decoded(data: bytes, path: Path | str) -> str:
    """The text of a file. Raises SourceError where it is in no encoding that it says itself or that is UTF-8."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8, such as with `iconv -f windows-1252 -t utf-8`"
        raise SourceError(
            f"`{Path(path).name}` is not {encoding.upper()}: byte {error.start:,} is not", hint=hint, file=path
        ) from error


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded version of one document. ``text`` is None where it cannot be read, and ``problem`` says why."""

    document: str
    id: str
    recorded_at: datetime
    text: str | None
    link: str = ""
    technical: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where versions lie. ``total`` is how many there are to come, for progress."""

    path: Path
    document: str | None = None

    def versions(self) -> Iterator[Recorded]:
        """Every version, in the order of recording. Raises SourceError where there is nothing to read."""
        yield from (
            _from_git(self.path, self.document) if is_repository(self.path) else _from_folder(self.path, self.document)
        )

    def find(self, document: str, name: str) -> Recorded:
        """One version by its id. Raises SourceError where it is gone."""
        if is_repository(self.path):
            with _Batch(self.path) as batch:
                commit, _, blob = name.partition(":")
                return _read_blob(batch, _Change(document, commit, blob, _committed(batch.read(commit)), "", ""))
        file = self.path / name
        if not file.is_file():
            raise SourceError(f"version `{name}` is gone", hint="start again without --resume", file=file)
        return _read_file(self.path, file, document)


# --- a folder of dated files --------------------------------------------------------------------------------------

_DATED = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?:[T_ ](\d{2})[-:h]?(\d{2})(?:[-:m]?(\d{2}))?(?=Z|\b|_))?")


def _from_folder(path: Path, document: str | None) -> Iterator[Recorded]:
    """Files with a date in their name, or version folders with a ``text.md`` each; the folder is the document."""
    if not path.is_dir():
        raise SourceError(
            "there is no such folder", hint="give a folder of dated files, or a git repository", file=path
        )
    name = document or path.resolve().name
    files = [f for f in path.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file() and _DATED.search(f.name)]
    files += [
        folder / "text.md" for folder in path.iterdir() if _DATED.search(folder.name) and (folder / "text.md").is_file()
    ]
    if not files:
        hint = "a date such as 2023-09-29 in each name says when it was recorded"
        raise SourceError("no dated file was found", hint=hint, file=path)
    for file in sorted(files, key=lambda f: (_dated(path, f), f.name)):
        yield _read_file(path, file, name)


def _dated(root: Path, file: Path) -> datetime:
    """The time in a name. Raises SourceError for a date that no calendar has."""
    found = _DATED.search(file.relative_to(root).parts[0])
    if found is None:
        raise SourceError(f"`{file.name}` has no date", file=file)
    clock = f"T{found[2]}:{found[3]}:{found[4] or '00'}" if found[2] else "T00:00:00"
    try:
        return datetime.fromisoformat(f"{found[1]}{clock}").replace(tzinfo=UTC)
    except ValueError as error:
        raise SourceError(f"`{found[0]}` is no date", hint="dates are written 2023-09-29", file=file) from error


def _read_file(root: Path, file: Path, document: str) -> Recorded:
    when, name = _dated(root, file), file.relative_to(root).as_posix()
    try:
        return Recorded(document, name, when, decoded(file.read_bytes(), file))
    except SourceError as error:
        return Recorded(document, name, when, None, problem=error.sentence)


# --- a git repository ---------------------------------------------------------------------------------------------


def is_repository(path: Path) -> bool:
    """Whether a folder is a git repository, bare or with its work tree."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


@dataclass(frozen=True, slots=True)
class _Change:
    """One document at one commit."""

    document: str
    commit: str
    blob: str
    when: datetime
    subject: str
    link: str


def _from_git(path: Path, document: str | None) -> Iterator[Recorded]:
    web = _web_address(path)
    found = 0
    with _Batch(path) as batch:
        for change in _changes(path, document, web):
            found += 1
            yield _read_blob(batch, change)
    if not found:
        hint = "documents lie at Service/Document.md; name one with --document"
        raise SourceError("no recorded document was found in the repository", hint=hint, file=path)


def _changes(path: Path, document: str | None, web: str) -> Iterator[_Change]:
    """Every document that a commit added or changed, the oldest commit first."""
    only = ["--", document] if document else []
    commits = ["rev-list", "--reverse", "--topo-order", "HEAD", *only]
    names = [
        "diff-tree",
        "--stdin",
        "-r",
        "--root",
        "--no-renames",
        "--raw",
        "-z",
        "--pretty=format:%x01%H%x09%cI%x09%s",
        *only,
    ]
    with _git(path, *commits) as listed, _git(path, *names, stdin=listed.stdout) as told:
        commit, when, subject = "", datetime.now(UTC), ""
        meta = ""
        for field_ in _fields(told):
            if field_.startswith("\x01"):
                commit, stamp, subject = field_[1:].split("\t", 2)
                when = datetime.fromisoformat(stamp)
            elif ":" in field_[:60] and field_.lstrip("\n").startswith(":"):
                meta = field_.lstrip("\n")
            elif meta:
                blob, status = meta.split()[3:5]
                if status[0] in "AM" and field_.endswith(SUFFIXES) and "/" in field_:
                    link = f"{web}/commit/{commit}" if web else ""
                    yield _Change(field_, commit, blob, when, subject, link)
                meta = ""


def _fields(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The output of a process, cut at its zero bytes, a little at a time."""
    assert process.stdout is not None  # noqa: S101 - it was opened with a pipe
    rest = b""
    while piece := process.stdout.read(1 << 16):
        *whole, rest = (rest + piece).split(b"\0")
        for one in whole:
            yield from _split_header(one.decode("utf-8", "replace"))
    if rest:
        yield from _split_header(rest.decode("utf-8", "replace"))


def _split_header(field_: str) -> Iterator[str]:
    """A header and the first path behind it share a field, parted by a line end."""
    head, _, tail = field_.partition("\n") if field_.startswith("\x01") else (field_, "", "")
    yield head
    if tail:
        yield tail


def _committed(commit: bytes) -> datetime:
    """The time of a commit object."""
    found = re.search(rb"^committer .* (\d+) [+-]\d{4}$", commit, re.MULTILINE)
    return datetime.fromtimestamp(int(found[1]) if found else 0, UTC)


def _read_blob(batch: _Batch, change: _Change) -> Recorded:
    data = batch.read(change.blob)
    name = f"{change.commit}:{change.blob}"
    technical = (
        re.search(r"technical or declaration upgrade|technical upgrade|^refilter", change.subject, re.I) is not None
    )
    try:
        text = decoded(data, change.document)
    except SourceError as error:
        return Recorded(change.document, name, change.when, None, change.link, technical, error.sentence)
    return Recorded(change.document, name, change.when, text, change.link, technical)


class _Batch:
    """One ``git cat-file --batch`` that stays open: an object a question, nothing kept."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - git itself, and no shell
            [*_GIT, "-C", str(path), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> _Batch:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait()

    def read(self, name: str) -> bytes:
        """The bytes of an object. Raises SourceError where the repository does not have it."""
        ask, answer = self.process.stdin, self.process.stdout
        assert ask is not None and answer is not None  # noqa: S101, PT018 - both were opened with a pipe
        ask.write(name.encode() + b"\n")
        ask.flush()
        header = answer.readline().split()
        if len(header) != 3:
            raise SourceError(
                f"object `{name[:12]}` is not in the repository", hint="fetch it whole: no shallow or partial clone"
            )
        data = answer.read(int(header[2]))
        answer.read(1)
        return data


_GIT = ("git", "-c", "core.quotepath=off", "--no-optional-locks")


@contextmanager
def _git(path: Path, *args: str, stdin: object = None) -> Iterator[subprocess.Popen[bytes]]:
    """A running git, waited for; raises SourceError where git is missing or refuses."""
    try:
        process = subprocess.Popen(  # noqa: S603 - git itself, and no shell
            [*_GIT, "-C", str(path), *args],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # type: ignore[call-overload]
        )
    except FileNotFoundError as error:
        raise SourceError("git is not installed", hint="a folder of dated files needs no git") from error
    try:
        yield process
    finally:
        stopped = process.poll() is None
        if process.stdout is not None:
            process.stdout.close()
        message = process.stderr.read().decode("utf-8", "replace").strip() if process.stderr is not None else ""
        code = process.wait()
    if code and not stopped:
        raise SourceError(
            f"git could not read the repository: {message.splitlines()[0] if message else code}", file=path
        )


def _web_address(path: Path) -> str:
    """Where the repository can be looked at on GitHub, or nothing."""
    try:
        said = subprocess.run(  # noqa: S603 - git itself, and no shell
            [*_GIT, "-C", str(path), "config", "--get", "remote.origin.url"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
    except OSError:
        return ""
    found = re.fullmatch(r"(?:https://|git@|ssh://git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?", said)
    return f"https://github.com/{found[1]}" if found else ""
