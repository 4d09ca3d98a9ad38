"""Hashes of many short values: what costs half a microsecond around each call from Python costs its blocks here.

SHA-256 is that of OpenSSL; what is compiled is the loop around it. Twins: ``merkle._above``, ``merkle.root_in``.
"""

from __future__ import annotations

from aboveboard.kernel.library import DONE, library
from aboveboard.kernel.rows import HASH

FEW = 8 * HASH
"""Below this many bytes a call costs more than it saves."""


def above(level: bytes) -> bytes | None:
    """The hashes (32 bytes each) over each pair of hashes of a level of a tree, as RFC 6962 makes them; None: ask the twin."""
    if len(level) < FEW or (lib := library()) is None:
        return None
    import ctypes

    room = len(level) // (2 * HASH) * HASH
    out = ctypes.create_string_buffer(room)
    code = lib.calls.ab_above(lib.sha, level, ctypes.c_size_t(len(level)), out, ctypes.c_size_t(room))
    return out.raw if code == DONE else None


def root(leaves: bytes) -> bytes | None:
    """The root over leaf hashes (32 bytes each, at least one), as RFC 6962 makes it; None: ask the twin."""
    if (lib := library()) is None:
        return None
    import ctypes

    out = ctypes.create_string_buffer(HASH)
    code = lib.calls.ab_root(lib.sha, leaves, ctypes.c_size_t(len(leaves)), out, ctypes.c_size_t(HASH))
    return out.raw if code == DONE else None
