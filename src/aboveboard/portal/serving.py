"""The portal as an ASGI application: reads a request, calls a page, sends what it answers.

Stand-alone or mounted under any path; URLs are made from ``root_path``, nothing needs a lifespan, and who asks comes through
``authenticate`` alone. INVARIANT: no cookie is set but by the portal's own sign-in, which a mounted portal has not. A page is
a plain function, run in a thread, because what it reads is on a disk. Whatever fails is answered with a sentence; neither it
nor our log ever holds what a member wrote.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Match, Mount, Route
from starlette.staticfiles import StaticFiles

from aboveboard.errors import AboveboardError
from aboveboard.portal import guard, openapi, rendering, ways
from aboveboard.portal.asking import Answer, Asked, Given, Moved, NotThere, Page, StepUp, Stranger, Unfit
from aboveboard.portal.pages.public import usage
from aboveboard.portal.principal import Authenticate, Principal, nobody
from aboveboard.portal.tenant import Following
from aboveboard.portal.ways import Field, Way
from aboveboard.portal.words import Words, chosen
from aboveboard.workspace import Workspace, open_workspace

_LOG = logging.getLogger("aboveboard.portal")
Sent = tuple[Mapping[str, Sequence[str]], Mapping[str, bytes]]
"""The fields of a form, and its files."""
FIELDS = 4_000
"""Fields of a form: a row of the choices has one."""


def app(
    workspace: Workspace | Path | str,
    authenticate: Authenticate = nobody,
    *,
    tenant: str = "",
    sign_in: str | None = None,
    rate: guard.Rate | None = None,
    more: Sequence[Way] = (),
) -> guard.Guard:
    """The portal of one workspace, for ``Mount`` or a server.

    ``authenticate`` says who asks; without one, only the public pages are shown. A principal whose tenant is not ``tenant`` is
    a stranger. ``sign_in`` is the URL of the host's sign-in page, which strangers are sent to; ``more`` are the pages of a
    sign-in of the portal's own (:mod:`aboveboard.portal.signin.alone`). Raises WorkspaceError where there is no workspace.
    """
    ws = workspace if isinstance(workspace, Workspace) else open_workspace(workspace)
    portal = _Portal(Following(ws, tenant), authenticate, sign_in, more)
    routes = [Route(way.path, portal.endpoint(way), methods=list(way.methods)) for way in portal.ways]
    files = Mount("/static", StaticFiles(directory=rendering.STATIC))
    inside = Starlette(routes=[*routes, files], exception_handlers={HTTPException: portal.unknown, 500: portal.failed})
    return guard.Guard(inside, rate or guard.Rate(), ways.is_free)


class _Portal:
    """One tenant with who authenticates: what every request is answered with."""

    def __init__(
        self, following: Following, authenticate: Authenticate, sign_in: str | None, more: Sequence[Way] = ()
    ) -> None:
        self.following, self.authenticate, self.sign_in, self.more = following, authenticate, sign_in, more
        described = Way(
            "/openapi", "For programs", self._described, shows="openapi info servers paths components x-ways"
        )
        self.ways = (*ways.WAYS, *more, described)

    def _described(self, asked: Asked) -> Page:
        """Every operation of this portal, for programs."""
        found = openapi.document(asked.tenant.title, self.ways, ways.is_free)
        return Page("openapi.html", {**found, "x-ways": openapi.listed(self.ways)})

    def endpoint(self, way: Way) -> Any:
        """The endpoint of a way, for the router."""

        async def endpoint(request: Request) -> Response:
            principal = await self._principal(request)
            words = _words(request, principal)
            try:
                sent = await self._sent(request, way, principal)
                return await run_in_threadpool(self._answered, request, way, principal, words, sent)
            except Exception as error:
                return self._wrong(request, error, principal, words)

        return endpoint

    async def _sent(self, request: Request, way: Way, principal: Principal | None) -> Sent:
        """What was sent to a way, by whoever may. A role that is lacking looks like a page that is not there."""
        if way.roles and principal is None:
            raise Stranger
        if way.roles and principal is not None and not principal.has(*way.roles):
            raise NotThere
        return await _sent(request, way.form)

    def _answered(self, request: Request, way: Way, principal: Principal | None, words: Words, sent: Sent) -> Response:
        """What the page of a way answers, written out; all of it in one thread, because it reads from a disk."""
        tenant, (form, files) = self.following.now(), sent
        asked = Asked(
            tenant, principal, words, tenant.now(), request.path_params,
            _many(request.query_params.multi_items(), way.query), form, files,
            request.headers.get("sec-gpc") == "1", request.cookies,
        )  # fmt: skip
        answer = self._response(request, way.page(asked), principal, words, way)
        if not way.roles and (said := usage(asked)):
            answer.headers["content-usage"] = said
        return answer

    async def _principal(self, request: Request) -> Principal | None:
        found = await self.authenticate(request)
        return found if found is not None and found.tenant == self.following.name else None

    def _response(
        self, request: Request, answer: Answer, principal: Principal | None, words: Words, way: Way
    ) -> Response:
        root = str(request.scope.get("root_path", ""))
        private = {"cache-control": guard.PRIVATE, "vary": "Accept, Accept-Language, Cookie, Sec-GPC"}
        if isinstance(answer, Moved):
            moved = RedirectResponse(f"{root}{answer.to}", status_code=303, headers=private)
            for cookie in answer.cookies:
                moved.headers.append("set-cookie", cookie)
            return moved
        if isinstance(answer, Given):
            kept = {**private, "content-disposition": f'attachment; filename="{answer.name}"'}
            return StreamingResponse(_chunks(answer), media_type=answer.media, headers=kept)
        if _wants_json(request):
            body = json.dumps(answer.document, ensure_ascii=False, indent=1, default=str)
            return Response(body, answer.status, private, "application/json")
        chrome = self._chrome(request, principal, words, way.path, way.title)
        return HTMLResponse(
            rendering.html(answer.template, answer.document, chrome, words, root), answer.status,
            {**private, "content-language": words.tag},
        )  # fmt: skip

    def _chrome(
        self, request: Request, principal: Principal | None, words: Words, here: str, title: str
    ) -> Mapping[str, Any]:
        roles = frozenset() if principal is None else principal.roles
        path = guard._path(request.scope)
        return {
            "platform": self.following.seen.title, "here": here, "title": words(title), "signed_in": principal is not None,
            "sign_in": self._way_in(request), "sign_out": bool(self.more), "menu": ways.menu(roles, self.more),
            "stamp": rendering.stamp,
            "twin": None if here == ways.WRONG.path else ("/index" if path in ("", "/") else path) + ".json",
            "query": request.url.query,
        }  # fmt: skip

    def _way_in(self, request: Request) -> str | None:
        """The sign-in page; our own is told where to lead back to."""
        path = guard._path(request.scope)
        if self.more and path == "/sign-in" and request.method == "GET":
            return None
        if not self.sign_in or not self.more or path.startswith(("/sign-in", "/recover", "/invite", "/register")):
            return self.sign_in
        pages = {way.path for way in (*ways.WAYS, *self.more) if "GET" in way.methods}
        above = path.rpartition("/")[0]
        back = path if request.method == "GET" else next((one for one in (path, above) if one in pages), "/")
        return self.sign_in if back in ("", "/") else f"{self.sign_in}?{urlencode({'next': back})}"

    def _wrong(self, request: Request, error: Exception, principal: Principal | None, words: Words) -> Response:
        """What is answered where there is no page: the same bytes whether something is not there or not theirs."""
        status, kind, said = _told(error)
        if status >= 500:
            # INVARIANT: of an unforeseen error no message is logged, which may quote a record; ours never do.
            _LOG.error("a page failed: %s", error if isinstance(error, AboveboardError) else type(error).__name__)
        document = {"error": {"kind": kind, "sentence": said.sentence, "hint": said.hint}}
        page = Page("wrong.html", document, status)
        return self._response(request, page, principal, words, ways.WRONG)

    async def unknown(self, request: Request, error: Exception) -> Response:
        """A path that is no page, or a method that it does not take."""
        principal = await self._principal(request)
        words = _words(request, principal)
        if isinstance(error, HTTPException) and error.status_code == 405:
            document = {"error": {"kind": "method", "sentence": "this page is not used like that", "hint": ""}}
            answer = self._response(request, Page("wrong.html", document, 405), principal, words, ways.WRONG)
            answer.headers["allow"] = ", ".join(self._methods(request))
            return answer
        return self._wrong(request, NotThere(), principal, words)

    def _methods(self, request: Request) -> Sequence[str]:
        """The methods that a path takes (RFC 9110, Allow): a page and the form that is sent to it are two routes."""
        here = [way for way in self.ways if Route(way.path, self.failed).matches(request.scope)[0] is not Match.NONE]
        taken = {method for way in here for method in way.methods}
        return sorted(taken | {"HEAD"} if "GET" in taken else taken)

    async def failed(self, request: Request, error: Exception) -> Response:
        return self._wrong(request, error, None, _words(request, None))


def _told(error: Exception) -> tuple[int, str, AboveboardError]:
    """The status, the stable kind and the words of what went wrong."""
    if isinstance(error, Stranger):
        return 401, "sign_in", AboveboardError("this page is for whoever is signed in", hint="sign in first")
    if isinstance(error, StepUp):
        again = AboveboardError(
            "to allow more, or to take data out, we ask who you are once more",
            hint="sign in again, then come back: whatever you said no to is recorded already",
        )
        return 403, "step_up", again
    if isinstance(error, NotThere):
        return 404, "not_there", AboveboardError("there is no such page, or nothing of yours is on it")
    if isinstance(error, Unfit):
        return 400, "unfit", error
    if isinstance(error, AboveboardError):
        return (
            503,
            "not_now",
            AboveboardError("this cannot be shown at the moment", hint="nothing is lost: try again later"),
        )
    return 500, "failed", AboveboardError("this page failed", hint="nothing is lost: try again later")


def _words(request: Request, principal: Principal | None) -> Words:
    return chosen(principal.locale if principal else None, request.headers.get("accept-language", ""))


def _wants_json(request: Request) -> bool:
    """By its path, or because JSON is accepted and HTML is not named."""
    accepted = request.headers.get("accept", "")
    return "aboveboard.json" in request.scope or ("application/json" in accepted and "text/html" not in accepted)


async def _sent(request: Request, known: Sequence[Field]) -> Sent:
    """The fields and the files of a form, of those that a way has; raises Unfit for what is no form."""
    if request.method in ("GET", "HEAD"):
        return {}, {}
    try:
        async with request.form(max_files=1, max_fields=FIELDS, max_part_size=guard.MOST) as form:
            fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
            sent = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
            files = {name: await value.read() for name, value in sent if any(one.is_called(name) for one in known)}
    except HTTPException:
        raise Unfit("this is no form that a page of ours sends", hint="go back and send it again") from None
    return _many(fields, known), files


def _many(pairs: Sequence[tuple[str, str]], fields: Sequence[Field]) -> Mapping[str, Sequence[str]]:
    """The values of each field that a way has; what else was sent is not read."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if any(one.is_called(name) for one in fields):
            found.setdefault(name, []).append(value)
    return found


def _chunks(given: Given) -> Iterator[bytes]:
    yield from given.chunks
