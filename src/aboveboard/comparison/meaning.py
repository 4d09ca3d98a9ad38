"""What a change means."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from aboveboard.comparison.alignment import Group, Key, Side
from aboveboard.comparison.changes import Change
from aboveboard.comparison.text import HEADING


def typed(old: Side, new: Side, group: Group) -> Iterator[Change]:
    a = tuple(t for i in group.old for t in old.keys[i])
    b = tuple(t for j in group.new for t in new.keys[j])
    if a == b or all(
        s.kind == HEADING for s in [*(old.sentences[i] for i in group.old), *(new.sentences[j] for j in group.new)]
    ):
        return
    kind = "changed" if a and b else "removed" if a else "added"
    yield Change(
        kind,
        "unclear",
        (),
        (),
        (),
        (),
        " ".join(old.sentences[i].text for i in group.old),
        " ".join(new.sentences[j].text for j in group.new),
        old.sentences[group.old[0]].path if a else (),
        new.sentences[group.new[0]].path if b else (),
        clause(a, b),
        "words-differ",
        "the words differ and no rule says what that means",
    )


def clause(old: Key, new: Key) -> str:
    """The identity of a clause: a digest of its words before, or of its words now where it is new."""
    return hashlib.sha256(" ".join(old or new).encode()).hexdigest()[:16]
