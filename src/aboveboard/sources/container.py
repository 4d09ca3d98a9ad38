"""What an export comes in: a folder, a zip, a tar (gz, bz2, xz) or single files, all opened the same way.

Whatever is inside is hostile until shown otherwise: names that climb out, links, and members whose size or
compression is out of all proportion are errors before a byte of them is used. Nothing is unpacked to disk.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from aboveboard.errors import SourceError

MEMBER_BYTES = 1 << 30
"""No file inside an export may be larger when unpacked; platforms split theirs well below."""
RATIO = 500
"""No member may unpack to more than this many times its packed size (text packs 5 to 20 times)."""
RATIO_FROM = 1 << 20
"""Below this size a ratio says nothing: a file of zeros is no bomb."""
MEMBERS = 2_000_000


class Container(Protocol):
    """The files of an export, by name; ``read`` gives one of them whole."""

    @property
    def names(self) -> Sequence[str]:
        """Paths inside the container with ``/`` between their parts; sorted, where order is ours to choose."""

    def read(self, name: str) -> bytes:
        """The unpacked bytes of one file; raises SourceError where they cannot be had or are too many."""


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """The container at a path; raises SourceError where it is none or holds what no export holds."""
    if path.is_dir():
        yield _Folder(path)
    elif not path.is_file():
        raise SourceError("the export is not there", hint="a folder, a zip, a tar or a file", file=path.name)
    elif zipfile.is_zipfile(path):
        with _explained(path), zipfile.ZipFile(path) as archive:
            yield _Zip(archive, path.name)
    elif _is_tar(path):
        with _explained(path), tarfile.open(path) as archive:
            yield _Tar(archive, path.name)
    else:
        yield _Single(path)


def _is_tar(path: Path) -> bool:
    """A name that says tar is taken at its word, so that a broken one is an error and not a file of its own."""
    said = path.name.lower().endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))
    return said or tarfile.is_tarfile(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise SourceError(
            f"the archive is damaged or uses what we do not read ({type(error).__name__})",
            hint="download it again; an encrypted archive has to be unpacked first", file=path.name,
        ) from None  # fmt: skip


@dataclass(frozen=True)
class _Folder:
    folder: Path

    @property
    def names(self) -> Sequence[str]:
        found = (p for p in self.folder.rglob("*") if p.is_file())
        return sorted(self._inside(p) for p in found)

    def _inside(self, path: Path) -> str:
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise SourceError("a link leads out of the export", file=path.name, hint="copy the file or leave it out")
        return path.relative_to(self.folder).as_posix()

    def read(self, name: str) -> bytes:
        path = self.folder / name
        _fits(path.stat().st_size, None, name)
        return path.read_bytes()


@dataclass(frozen=True)
class _Single:
    path: Path

    @property
    def names(self) -> Sequence[str]:
        return [self.path.name]

    def read(self, name: str) -> bytes:
        _fits(self.path.stat().st_size, None, name)
        return self.path.read_bytes()


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.archive = archive
        self.members = {m.filename: m for m in archive.infolist() if not m.is_dir()}
        files = sum(not m.is_dir() for m in archive.infolist())
        if files != len(self.members):
            raise SourceError(
                "the archive holds a name twice", file=name, hint="which of them counts is nobody's to guess"
            )
        _all_fine(list(self.members), name)

    @property
    def names(self) -> Sequence[str]:
        return sorted(self.members)

    def read(self, name: str) -> bytes:
        member = self.members[name]
        _fits(member.file_size, member.compress_size, name)
        with self.archive.open(member) as file:
            return _whole(file.read(member.file_size + 1), member.file_size, name)


class _Tar:
    def __init__(self, archive: tarfile.TarFile, name: str) -> None:
        self.archive = archive
        members = archive.getmembers()
        odd = next((m for m in members if not (m.isfile() or m.isdir())), None)
        if odd is not None:
            raise SourceError("the archive holds a link or a device", file=name, hint="exports hold files only")
        self.members = {m.name.removeprefix("./"): m for m in members if m.isfile()}
        if len(self.members) != sum(m.isfile() for m in members):
            raise SourceError(
                "the archive holds a name twice", file=name, hint="which of them counts is nobody's to guess"
            )
        _all_fine(list(self.members), name)

    @property
    def names(self) -> Sequence[str]:
        return list(self.members)  # the order of the archive: going back in a compressed one means unpacking again

    def read(self, name: str) -> bytes:
        member = self.members[name]
        _fits(member.size, None, name)
        file = self.archive.extractfile(member)
        return _whole(file.read(member.size + 1) if file else b"", member.size, name)


def _all_fine(names: Sequence[str], archive: str) -> None:
    if len(names) > MEMBERS:
        raise SourceError(f"the archive holds {len(names):,} files", file=archive, hint=f"at most {MEMBERS:,}")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name[:3]:
            raise SourceError("a name in the archive leads out of it", file=archive, hint="no export has such names")


def _fits(size: int, packed: int | None, name: str) -> None:
    if size > MEMBER_BYTES:
        raise SourceError(f"a file of {size:,} bytes", file=name, hint=f"at most {MEMBER_BYTES:,}; split it")
    if packed is not None and size > RATIO_FROM and size > RATIO * max(packed, 1):
        raise SourceError(
            "a file that unpacks out of all proportion", file=name, hint=f"at most {RATIO} times its size"
        )


def _whole(data: bytes, size: int, name: str) -> bytes:
    if len(data) != size:
        raise SourceError("a file is not as long as the archive says", file=name, hint="download the archive again")
    return data
