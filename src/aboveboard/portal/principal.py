"""Who is asking: the one value through which a host application, or the portal's own sign-in, says so.

A principal speaks for one subject of one tenant. Roles add pages and never other people's: nobody's role reaches another
tenant, and a member's pages show only the member's own subject.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

MEMBER, ENGINEER, AUDITOR = "member", "privacy_engineer", "auditor"
ROLES = ("member", "employer", "privacy_engineer", "approver", "auditor", "operator")
"""The roles of the design. The pages that stand today ask for ``member``, ``privacy_engineer`` and ``auditor``."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever is signed in. ``subject`` is the stable account id of the ledger; ``auth_time`` (aware) says when they last
    proved who they are; ``locale`` is a BCP 47 tag, None for the browser's."""

    subject: str
    tenant: str = ""
    roles: frozenset[str] = frozenset({MEMBER})
    auth_time: datetime | None = None
    locale: str | None = None

    def has(self, *roles: str) -> bool:
        """Whether one of these roles is theirs."""
        return not self.roles.isdisjoint(roles)


Authenticate = Callable[["Request"], Awaitable[Principal | None]]
"""Who is asking, or None for a stranger. Called once a request; it sets no cookie and may read what it likes."""


async def nobody(request: Request) -> Principal | None:  # noqa: ARG001 - as whoever authenticates is asked
    """Everybody is a stranger: only the public pages are shown."""
    return None
