"""Words that policies decide with, as data: what names a category, a purpose, a recipient, an operation, a company.

Every entry is a pattern over lower-case words and a key of our vocabulary or a name. Nothing here is particular to
one service. A lawyer can read it, and whoever misses a word adds a line and a case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from aboveboard.comparison.text import Sentence

_COMPANY = re.compile(
    r"\b(?:[A-Z][\w&'-]*,?\s+){1,5}(?:Inc|Corp|Corporation|LLC|L\.L\.C|Ltd|Limited|GmbH|AG|PLC|plc|B\.V|S\.A|S\.à|SE|Pty|"
    r"Co|LP|LLP|Oy|AB|AS|K\.K|Unlimited Company|International Company|Company|Incorporated)\b\.?"
)


@lru_cache(maxsize=1 << 14)
def company_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where companies stand by their full names, with their legal form."""
    return tuple(found.span() for found in _COMPANY.finditer(text))


DECIDING = frozenset(
    """not no never nor neither none without unless except only solely all any every each some most much many more less few
    may might can could will would shall should must need and or if when we us our you your they them their it its this that
    these those the a an of to in on by for from with as at is are was were be been have has had do does did
    information data content personal public private location messages message cookies contacts email phone address name
    consent permission share sell disclose use collect process retain keep store delete train training
    advertising ads advertisers partners partner affiliates affiliate vendors providers provider third party parties
    controller processor researchers governments law days weeks months years hours
    services service products product features feature account accounts policy terms settings children users user
    people person other others such including certain
    european union eu eea kingdom uk states america california brazil india canada switzerland""".split()
)
"""Words that no rename may touch: what a policy is made of."""

_SHARING = re.compile(
    r"\b(?:shar(?:e|es|ed|ing)|disclos\w+|sell|sold|transfer\w*|provid(?:e|ed) to|third[- ]part(?:y|ies)|partners?|"
    r"vendors?|sub-?processors?|service providers?|recipients?|controllers?|advertisers?)\b", re.IGNORECASE,
)  # fmt: skip


@lru_cache(maxsize=1 << 14)
def is_sharing(text: str) -> bool:
    """Whether a sentence is about handing data on."""
    return _SHARING.search(text) is not None


def goes_to(name: tuple[str, ...], sentences: Sequence[Sentence]) -> bool:
    """Whether data may go to what bears this name: it stands mostly where data is handed on, or right behind "with"."""
    found = [(s, n) for s in sentences for n in range(len(s.tokens)) if s.tokens[n : n + len(name)] == name]
    sharing = [(s, n) for s, n in found if is_sharing(s.text)]
    behind = any(s.tokens[n - 1] in ("with", "to", "by", "like", "via") for s, n in sharing if n)
    return behind or len(sharing) > 0.4 * len(found)
