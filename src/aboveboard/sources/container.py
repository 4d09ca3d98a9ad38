"""What an export comes in: a folder, a zip, a tar (gz, bz2, xz) or single files, all opened the same way.

Whatever is inside is hostile until shown otherwise: names that climb out, links, and members whose size or
compression is out of all proportion are errors before a byte of them is used. Nothing is unpacked to disk, and
nothing is passed over: every file is among the names, and what is no file is an error.
"""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import NoReturn, Protocol, TypeVar

from aboveboard.errors import SourceError

MEMBER_BYTES = 1 << 30
"""No file inside an export may be larger when unpacked; platforms split theirs well below."""
RATIO = 500
"""No member may unpack to more than this many times its packed size (text packs 5 to 20 times)."""
RATIO_FROM = 1 << 20
"""Below this size a ratio says nothing: a file of zeros is no bomb."""
MEMBERS = 2_000_000

DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, struct.error, EOFError, OSError, NotImplementedError,
    RuntimeError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError,
)  # fmt: skip
"""What the standard library raises over bytes that are no archive after all."""

_M = TypeVar("_M")


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
    _all_text([path.name])
    if path.is_dir():
        yield _Folder(path)
    elif not path.is_file():
        raise SourceError("the export is not there", hint="a folder, a zip, a tar or a file", file=path.name)
    elif _is_zip(path):
        with _explained(path.name):
            archive = zipfile.ZipFile(path)
        with archive:
            yield _Zip(archive, path.name)
    elif _is_tar(path):
        with _explained(path.name):
            unpacked = tarfile.open(path, tarinfo=_Member)  # noqa: SIM115 - closed below
        with unpacked:
            yield _Tar(unpacked, path.name)
    else:
        yield _Single(path)


def _is_zip(path: Path) -> bool:
    """A name or a first header that says zip is taken at its word, so that a cut one is an error and no file of its own."""
    if path.name.lower().endswith(".zip") or zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _is_tar(path: Path) -> bool:
    """As with a zip."""
    said = path.name.lower().endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"))
    return said or tarfile.is_tarfile(path)


@contextmanager
def _explained(archive: str) -> Iterator[None]:
    """Around what the standard library does alone: an error of a reader is not an error of the archive."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise SourceError(
            f"the archive is damaged or uses what we do not read ({type(error).__name__})",
            hint="download it again; an encrypted archive has to be unpacked first", file=archive,
        ) from None  # fmt: skip


# --- folders and files ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Folder:
    folder: Path

    @property
    def names(self) -> Sequence[str]:
        found = [self._inside(path) for path in _walked(self.folder)]
        _all_text(found, self.folder.name)
        return sorted(found)

    def _inside(self, path: Path) -> str:
        if not path.is_file():
            raise SourceError(
                "a link, pipe or device in the export", file=_sayable(path.name),
                hint="exports hold files only: copy what it stands for, or take it away",
            )  # fmt: skip
        if path.is_symlink() and not path.resolve().is_relative_to(self.folder.resolve()):
            raise SourceError(
                "a link leads out of the export", file=_sayable(path.name), hint="copy the file or leave it out"
            )
        return path.relative_to(self.folder).as_posix()

    def read(self, name: str) -> bytes:
        path = self.folder / name
        _fits(path.stat().st_size, None, name)
        return path.read_bytes()


def _walked(folder: Path) -> Iterator[Path]:
    """Everything below a folder but folders, and links to folders, which are not followed."""
    for at, folders, files in os.walk(folder, onerror=_closed):
        here = Path(at)
        yield from (here / name for name in files)
        yield from (here / name for name in folders if (here / name).is_symlink())


def _closed(error: OSError) -> NoReturn:
    raise SourceError(
        "a folder of the export cannot be read", hint="give the account that builds the right to read it",
        file=_sayable(Path(str(error.filename)).name),
    ) from error  # fmt: skip


@dataclass(frozen=True)
class _Single:
    path: Path

    @property
    def names(self) -> Sequence[str]:
        return [self.path.name]

    def read(self, name: str) -> bytes:
        _fits(self.path.stat().st_size, None, name)
        return self.path.read_bytes()


# --- archives ------------------------------------------------------------------------------------------------------


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.archive, self.name = archive, name
        members = archive.infolist()
        if any(_is_odd(member) for member in members):
            raise SourceError("the archive holds a link or a device", file=name, hint="exports hold files only")
        with _explained(name):
            _all_listed(archive)
        self.members = _by_name([(m.filename, m) for m in members if not m.is_dir()], name)

    @property
    def names(self) -> Sequence[str]:
        return sorted(self.members)

    def read(self, name: str) -> bytes:
        member = self.members[name]
        _fits(member.file_size, member.compress_size, name)
        with _explained(self.name), self.archive.open(member) as file:
            return _whole(file.read(member.file_size + 1), member.file_size, name)


def _all_listed(archive: zipfile.ZipFile) -> None:
    """Raises where the archive says that it holds more or fewer than ``zipfile`` found: damage can hide members."""
    file = archive.fp
    if file is None:
        raise zipfile.BadZipFile("closed")
    file.seek(max(0, file.seek(0, os.SEEK_END) - END_BYTES))
    tail = file.read()
    said = int.from_bytes(tail[(at := tail.rfind(b"PK\x05\x06")) + 10 : at + 12], "little")
    if said not in (0xFFFF, len(archive.infolist()) & 0xFFFF):
        raise zipfile.BadZipFile("members are missing")


END_BYTES = 22 + 0xFFFF
"""The end of a zip, which says how many members there are (0xFFFF: more than fit there), with the longest comment."""


def _is_odd(member: zipfile.ZipInfo) -> bool:
    """Whether a member says, as archives made on Unix do, that it is neither file nor folder, or is both at once."""
    made = stat.S_IFMT(member.external_attr >> 16) if member.create_system == UNIX else 0
    return made not in (0, stat.S_IFREG, stat.S_IFDIR) or (member.is_dir() and member.file_size > 0)


UNIX = 3


class _Tar:
    def __init__(self, archive: tarfile.TarFile, name: str) -> None:
        self.archive, self.name = archive, name
        with _explained(name):
            members = archive.getmembers()
        if any(not (m.isfile() or m.isdir()) for m in members):
            raise SourceError("the archive holds a link or a device", file=name, hint="exports hold files only")
        self.members = _by_name([(m.name, m) for m in members if m.isfile()], name)

    @property
    def names(self) -> Sequence[str]:
        return list(self.members)  # the order of the archive: going back in a compressed one means unpacking again

    def read(self, name: str) -> bytes:
        member = self.members[name]
        _fits(member.size, None, name)
        with _explained(self.name):
            file = self.archive.extractfile(member)
            return _whole(file.read(member.size + 1) if file else b"", member.size, name)


class _Member(tarfile.TarInfo):
    """A member whose header has to be one: ``tarfile`` takes anything else for the end, also where a tar was cut."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # typeshed leaves it out
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("the archive ends before its end") from error


def _by_name(members: Sequence[tuple[str, _M]], archive: str) -> Mapping[str, _M]:
    """Members by name, one for each place: ``a//b`` and ``./a/./b`` are both ``a/b``."""
    names = [name for name, _ in members]
    _all_text(names, archive)
    _all_inside(names, archive)
    found = {PurePosixPath(name).as_posix(): member for name, member in members}
    if len(found) != len(members):
        raise SourceError(
            "the archive holds a name twice", file=archive, hint="which of them counts is nobody's to guess"
        )
    return found


# --- what all have to keep -----------------------------------------------------------------------------------------


def _all_inside(names: Sequence[str], archive: str) -> None:
    if len(names) > MEMBERS:
        raise SourceError(f"the archive holds {len(names):,} files", file=archive, hint=f"at most {MEMBERS:,}")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name[:3]:
            raise SourceError("a name in the archive leads out of it", file=archive, hint="no export has such names")


def _all_text(names: Sequence[str], export: str | None = None) -> None:
    """Names go into reports and digests, so they have to be text; one that is none is not repeated."""
    if any(_sayable(name) is None for name in names):
        raise SourceError("a name in the export is no UTF-8", file=export, hint="rename it, or pack the export again")


def _sayable(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return None
    return name


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
