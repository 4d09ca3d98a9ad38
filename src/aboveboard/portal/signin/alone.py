"""A portal that stands alone: the pages with their own sign-in, sessions and narrower counting of tries.

This is what ``aboveboard serve`` serves where the extra ``[passkeys]`` is installed.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from aboveboard.portal import guard, serving
from aboveboard.portal.principal import Authenticate, Principal
from aboveboard.portal.signin import pages, sessions
from aboveboard.portal.signin.entering import SignIn
from aboveboard.portal.signin.site import Site
from aboveboard.portal.signin.store import store_of
from aboveboard.portal.tenant import Tenant
from aboveboard.workspace import Workspace

TRIES = 60
"""How often one network may try to sign in within five minutes: a sign-in takes two."""


def app(
    ws: Workspace, site: Site, *, rate: guard.Rate | None = None, tries: guard.Rate | None = None
) -> guard.Guard:  # fmt: skip
    """The portal of a workspace at a site of its own, for a server."""
    tenant = Tenant(ws)
    signin = SignIn(store_of(ws), site, tenant.title)
    served = serving.app(
        ws, authenticate(signin, tenant), sign_in=f"{site.root}/sign-in", rate=rate, more=pages.Pages(signin).ways()
    )
    return replace(served, tries=tries or guard.Rate(TRIES, 300, name="sign-in"), tried=pages.TRIED)


def authenticate(signin: SignIn, tenant: Tenant) -> Authenticate:
    """Who is asking: whoever's session the cookie names."""

    async def principal(request: Request) -> Principal | None:
        token = request.cookies.get(signin.site.cookie)
        return None if token is None else await run_in_threadpool(_principal, signin, tenant, token)

    return principal


def _principal(signin: SignIn, tenant: Tenant, token: str) -> Principal | None:
    found = sessions.find(signin.store, token, tenant.now())
    return None if found is None else Principal(found.subject, tenant.name, found.roles, found.proven_at)
