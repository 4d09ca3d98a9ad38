"""When two texts are the same words: how texts are made comparable, and from what length on it counts (rule 13).

A deny follows from an original to its copies. Copies that say where they come from are links; a *verbatim copy* says
nothing and has the same words. ``normal`` is the readable definition; the relate pass makes the same in SQL and is
held to it by a test. Near-duplicates are no copies.
"""

from __future__ import annotations

import unicodedata

FEWEST = 40
"""Code points that a text has at least, once it is normal: shorter ones are what many people write by themselves."""
ASCII_SPACES = "\x00\t\n\x0b\x0c\r "
OTHER_SPACES = "\x85\xa0\xad\u1680\u180e" + "".join(
    chr(c) for c in (*range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)
)
"""White space, joiners and marks that nobody sees. A closed list, because character classes differ between engines
and between their versions."""
MOST_AUTHORS = 16
"""Of more people than these, any of whom may have been the first, nobody is named: who may have said no is unknown."""
CERTAIN, POSSIBLE = "copied_author", "possible_author"
"""The role of whoever is known to have written the words first, and of each of several who may have."""

_OUT = dict.fromkeys(map(ord, ASCII_SPACES + OTHER_SPACES))


def normal(text: str) -> str:
    """The text without white space, then in Unicode's form NFC. Nothing else is changed: letters keep their case."""
    return unicodedata.normalize("NFC", text.translate(_OUT))


def comparable(text: str | None) -> str | None:
    """What two texts have to share to be verbatim copies of each other; None for a text that is too short."""
    same = normal(text) if text is not None else ""
    return same if len(same) >= FEWEST else None
