"""Finds the compiled library beside its sources and loads it, once and when it is first asked for.

It is not used where it was compiled from other sources than those that lie beside it, where the SHA-256 of Python's own
OpenSSL cannot be had, or where it gets a hash wrong; nor where the environment says ``ABOVEBOARD_KERNEL=0``. The sources are
plain C without Python's headers, so one library serves every Python of a platform. ``hatch_build.py`` compiles it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ctypes

OFF = "ABOVEBOARD_KERNEL"
"""The variable of the environment that turns the kernel off, by ``0``."""
FOLDER = os.path.dirname(os.path.abspath(__file__))
NAME = "libaboveboard.compiled"
"""The compiled library, beside its sources. Not ``.so``: Python would take that for a module of the room."""
DONE, ROOM, LIBRARY, DECLINED = range(4)
"""What the functions return (kernel.h)."""


@dataclass(frozen=True, slots=True)
class Library:
    """The library as it was loaded: its functions, the SHA-256 that is handed to them, and where it lies."""

    calls: ctypes.CDLL
    sha: Any
    path: str


def library() -> Library | None:
    """The compiled library, or None where the twins have to do."""
    found = _once()
    return found if isinstance(found, Library) else None


def there() -> bool:
    """Whether the kernel is used."""
    return library() is not None


def standing() -> str:
    """Whether the kernel is used, and why it is not: a sentence for whoever runs this."""
    found = _once()
    return "compiled, in use" if isinstance(found, Library) else f"not in use: {found}"


@cache
def _once() -> Library | str:
    if os.environ.get(OFF) == "0":
        return f"{OFF}=0"
    return load(os.path.join(FOLDER, NAME))


def load(path: str) -> Library | str:
    """The library at a path, or why it cannot be used."""
    if not os.path.exists(path):
        return "it was not compiled when this was installed"
    try:
        import ctypes

        calls, sha = ctypes.CDLL(path), _sha()
        of = calls.ab_sources
    except (OSError, ImportError, AttributeError):
        return "the library, or SHA-256 of OpenSSL, cannot be loaded here"
    of.restype = ctypes.c_char_p
    if of() != sources().encode():
        return "it was compiled from other sources than these"
    return _tried(Library(calls, sha, path))


def sources(folder: str = FOLDER) -> str:
    """A digest of the sources, which is compiled into the library: SHA-256, hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(name for name in os.listdir(folder) if name.endswith((".c", ".h"))):
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        digest.update(b"%s\x00%d\x00%s" % (name.encode(), len(data), data))
    return digest.hexdigest()


def _sha() -> Any:
    """``struct ab_sha``: the functions of the libcrypto that hashlib is linked to, else of the one the system has."""
    import _hashlib
    import ctypes

    path = getattr(_hashlib, "__file__", None) or _system_wide()
    crypto = ctypes.CDLL(path)
    addresses = [
        ctypes.cast(getattr(crypto, f"SHA256_{name}"), ctypes.c_void_p) for name in ("Init", "Update", "Final")
    ]
    made = (ctypes.c_void_p * 3)(*addresses)
    made.kept = crypto  # type: ignore[attr-defined]  # the addresses hold as long as it is open
    return made


def _system_wide() -> str:
    """Where Python brings its own OpenSSL built in. Not on macOS, which ends a process that opens its libcrypto."""
    from ctypes.util import find_library

    if sys.platform == "darwin":
        raise OSError("no libcrypto that may be opened")
    if (path := find_library("crypto")) is None:
        raise OSError("no libcrypto")
    return path


def _tried(made: Library) -> Library | str:
    """A library that hashes otherwise than hashlib is none: a context of another size would be found out here."""
    import ctypes

    pair, out = bytes(range(64)), ctypes.create_string_buffer(32)
    code = made.calls.ab_above(made.sha, pair, ctypes.c_size_t(64), out, ctypes.c_size_t(32))
    right = code == DONE and out.raw == hashlib.sha256(b"\x01" + pair).digest()
    return made if right else "it hashes otherwise than Python does"
