"""What a page is asked, and what it answers with: plain values, so that a page is a function and a test calls it.

``Page`` is a template with the document it shows; the document alone is the page's JSON twin, so nothing can be on the one
that is not on the other. ``Moved`` is what a POST answers with: where the result is to be read (303).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from aboveboard.errors import AboveboardError
from aboveboard.portal import published
from aboveboard.portal.principal import Principal
from aboveboard.portal.published import Published
from aboveboard.portal.tenant import Tenant
from aboveboard.portal.words import Words


@dataclass(frozen=True)
class Asked:
    """One request, read. ``form`` and ``query`` hold every value of a name; ``gpc``: the browser asks, by ``Sec-GPC``
    (Global Privacy Control), that nothing be sold or shared."""

    tenant: Tenant
    principal: Principal | None
    words: Words
    now: datetime
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    gpc: bool = False
    cookies: Mapping[str, str] = field(default_factory=dict)
    """Only the pages of the portal's own sign-in read it; who asks is ``principal``."""

    @cached_property
    def releases(self) -> Sequence[Published]:
        """Every published release, oldest first, as they were when this request first asked."""
        return self.tenant.releases()

    @cached_property
    def listed(self) -> Sequence[Published]:
        """Those of them whose items can be read; of a large one that was just built they are still being listed."""
        until = time.monotonic() + published.PATIENCE
        found = [one for one in reversed(self.releases) if one.is_listed(max(until - time.monotonic(), 0))]
        return found[::-1]

    @property
    def listing(self) -> bool:
        """Whether items are still being listed."""
        return len(self.listed) < len(self.releases)

    @property
    def subject(self) -> str:
        """Whose pages these are. INVARIANT: it comes from the principal and from nowhere else."""
        if self.principal is None:
            raise Stranger
        return self.principal.subject

    def one(self, name: str) -> str | None:
        """A value of the query, else None."""
        found = self.query.get(name)
        return found[0] if found and found[0] else None

    def said(self, name: str) -> str | None:
        """A value of the form, else None."""
        found = self.form.get(name)
        return found[0] if found and found[0] else None


def whole(said: str | None) -> int | None:
    """A number as an address or a form brings it: up to eleven of the digits 0 to 9; None for whatever else is there."""
    fits = said is not None and said.isascii() and said.isdigit() and len(said) < 12
    return int(said) if said is not None and fits else None


@dataclass(frozen=True)
class Page:
    """A template and its document."""

    template: str
    document: Mapping[str, Any]
    status: int = 200


@dataclass(frozen=True)
class Moved:
    """Where the result of a POST is to be read: a path of the portal, with what happened in its query. ``cookies``: whole
    ``Set-Cookie`` values, which the portal's own sign-in alone gives."""

    to: str
    cookies: Sequence[str] = ()


@dataclass(frozen=True)
class Given:
    """A file to keep; ``chunks`` may be made while it is sent."""

    name: str
    media: str
    chunks: Iterable[bytes]


Answer = Page | Moved | Given


class Stranger(Exception):
    """Somebody who is not signed in asks for what is a member's."""


class NotThere(Exception):
    """Nothing is there, or nothing of theirs: which of the two is not said."""


class Unfit(AboveboardError):
    """A form that cannot be what the page sent."""


class StepUp(Exception):
    """What is asked needs a fresh proof of who asks: widening, exports and keys, never a no."""
