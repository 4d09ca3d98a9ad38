"""Every page of the portal: its path, who may ask, and the function that answers. The menu is read from the same list.

A path is a noun. ``roles`` empty means everybody. What is not in this list is not served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aboveboard.portal.asking import Answer, Asked
from aboveboard.portal.pages import overview
from aboveboard.portal.principal import MEMBER


@dataclass(frozen=True, slots=True)
class Way:
    """One page. ``menu`` is the group of the menu it stands in, None where it is reached from another page."""

    path: str
    title: str
    page: Callable[[Asked], Answer]
    roles: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET",)
    menu: str | None = None


_MEMBER = (MEMBER,)
MEMBERS = (
    Way("/", "Your data", overview.show, _MEMBER, menu="member"),
    Way("/off", "Your data", overview.turn_off, _MEMBER, ("POST",)),
    Way("/notice", "Your data", overview.acknowledge, _MEMBER, ("POST",)),
)
WAYS = MEMBERS
WRONG = Way("", "Not here", lambda asked: overview.show(asked))
_FREE = ("/off", "/choices", "/withdraw", "/static/", "/notice")
"""Where people say no, and what a page is drawn with."""


def is_free(path: str) -> bool:
    """Whether a path is never limited."""
    return path.startswith(_FREE)


def menu(roles: frozenset[str]) -> Mapping[str, Sequence[Way]]:
    """What somebody with these roles finds in the menu, by group."""
    found: dict[str, list[Way]] = {}
    for way in WAYS:
        if way.menu is not None and (not way.roles or not roles.isdisjoint(way.roles)):
            found.setdefault(way.menu, []).append(way)
    return found
