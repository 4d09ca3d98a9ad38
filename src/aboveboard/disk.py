"""Files that survive a crash: written once and synced, renamed whole, in folders leased by whoever works there.

A lease is a lock file beside the folder, held with ``flock`` for as long as the process lives: it ends with the
process however that ends, and holds between containers that share a volume. ``step`` names every write that a build
makes, so that a test can let each of them fail, before it happened and after.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

Watcher = Callable[[str, str], None]
"""Told ``("before" | "after", name)`` of every write; what it raises stands for what the machine may do."""

watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def step(name: str) -> Iterator[None]:
    """A write with a name: something that is either on the disk afterwards or is not."""
    told = watcher.get()
    if told is not None:
        told("before", name)
    yield
    if told is not None:
        told("after", name)


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file that is not there yet, and have it on the disk before going on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def settle(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link(source: Path, target: Path) -> None:
    """The same file under a second name where the file system allows it, else a copy; the entry of the folder is not settled.

    INVARIANT: neither name may ever be written to in place: a file is replaced by one that was written beside it.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target)
        settle(target)


_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)
"""Another file system, one without hard links, or too many names already."""


def move(source: Path, target: Path) -> None:
    """Rename a file or folder within its parent, and have that on the disk. The target must not be there."""
    if target.exists():
        raise FileExistsError(17, "File exists", str(target))
    source.rename(target)
    settle(target.parent)


def place(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Have a file with these bytes on the disk, in place of one that may be there: a reader sees the one or the other.

    Folders on the way to it are made, durably too. Only whoever holds the lock of the folder may call it: two at once
    would share the file that is renamed.
    """
    folders(path.parent)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    write(new, data, mode=mode)
    new.replace(path)
    settle(path.parent)


def folders(folder: Path) -> None:
    """Make a folder and those above it, each of them durable."""
    if folder.is_dir():
        return
    folders(folder.parent)
    folder.mkdir(exist_ok=True)
    settle(folder.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file until the context ends, having waited for whoever held it. The file stays."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def leased(parent: Path, prefix: str) -> Iterator[Path]:
    """A fresh name below ``parent`` that is ours while we live. The folder itself is made by whoever wants it."""
    while True:
        folder = parent / f"{prefix}-{secrets.token_hex(8)}"
        lock = _lock_of(folder)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Somebody clearing up may have taken the lock away between our making it and holding it.
        if lock.exists() and os.fstat(handle).st_ino == lock.stat().st_ino:
            break
        os.close(handle)
    try:
        yield folder
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def abandoned(parent: Path, prefix: str) -> list[Path]:
    """Folders of this prefix whose process seems to be gone, and names of which it left no more than the lock.

    It may sit down the next moment: whoever acts on one takes it first (``taken``).
    """
    if not parent.is_dir():
        return []
    folders = {path for path in parent.glob(f"{prefix}-*") if path.is_dir()}
    names = folders | {lock.with_suffix("") for lock in parent.glob(f"{prefix}-*.lock")}
    return sorted(path for path in names if not _held(_lock_of(path)))


@contextmanager
def taken(folder: Path) -> Iterator[bool]:
    """The lease of an abandoned folder, while we see to it; False where somebody holds it after all.

    INVARIANT: nobody else clears or publishes it meanwhile. A folder without a lock was never anybody's for long: its
    owner made the lock first.
    """
    lock = _lock_of(folder)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        yield False
        return
    try:
        yield True
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def clear(folder: Path) -> None:
    """Take an abandoned folder away, unless somebody holds it after all."""
    with taken(folder) as ours:
        if ours:
            shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _held(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
