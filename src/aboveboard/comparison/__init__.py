"""Two policy texts in, aligned clauses and typed changes out.

``compare`` is the door; what it returns are plain values. Specification: docs/formats/comparison.md.
"""

from __future__ import annotations

from aboveboard.comparison.changes import Change, Comparison, Note, Rename
from aboveboard.comparison.compare import compare, unread

__all__ = ["Change", "Comparison", "Note", "Rename", "compare", "unread"]
