"""What stands before every page: headers, where a POST may come from, how large it may be, how often somebody may ask.

Plain ASGI, so that it holds mounted too. INVARIANT: nothing here ever turns a no away: the paths on which people say no are
not limited (saying it again is coalesced), and no page asks for proof of work.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}
PRIVATE = "private, no-store"
MOST = 1 << 20
"""Bytes of a request: a form, or a proof to be checked."""


@dataclass(frozen=True)
class Guard:
    """An application with what stands before it. ``free`` are the paths that are never limited; what begins with one of
    ``tried`` is a try to sign in where it is sent, or opens an invitation, and is counted by ``tries``."""

    inside: App
    rate: Rate
    free: Callable[[str], bool]
    tries: Rate | None = None
    tried: tuple[str, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.inside(scope, receive, send)
        scope = _twin(scope)
        sent = _with_headers(send)
        if scope["method"] not in ("GET", "HEAD") and not _from_here(scope):
            return await _refuse(sent, 403, b"this form was not sent from this site\n")
        if _declared(scope) > MOST:
            return await _refuse(sent, 413, b"this is larger than anything that is sent here\n")
        if not self.free(_path(scope)):
            rate = self._rate(scope)
            left = rate.take(_network(scope))
            sent = _with_rate(sent, rate, left)
            if left < 0:
                return await _refuse(sent, 429, b"too many requests: come back in a minute\n", rate.window)
        try:
            await self.inside(scope, _bounded(receive), sent)
        except TooLarge:
            await _refuse(sent, 413, b"this is larger than anything that is sent here\n")
        return None

    def _rate(self, scope: Scope) -> Rate:
        path = _path(scope)
        trying = path.startswith(self.tried) and (scope["method"] == "POST" or path.startswith("/invite/"))
        return self.tries if self.tries is not None and trying else self.rate


class TooLarge(Exception):
    """More came than was declared, or than is taken."""


@dataclass
class Rate:
    """How often one network may ask: ``most`` requests in ``window`` seconds, sliding; one process counts for itself."""

    most: int = 600
    window: int = 60
    clock: Callable[[], float] = time.monotonic
    name: str = "network"
    _seen: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _networks: int = 50_000

    def take(self, who: str) -> int:
        """How many requests are left after this one; negative where there was none left."""
        now = self.clock()
        seen = self._seen.setdefault(who, deque())
        self._seen.move_to_end(who)
        while len(self._seen) > self._networks:
            self._seen.popitem(last=False)
        while seen and seen[0] <= now - self.window:
            seen.popleft()
        if len(seen) >= self.most:
            return -1
        seen.append(now)
        return self.most - len(seen)


def _network(scope: Scope) -> str:
    """The network somebody asks from: an IPv4 address, or the first 64 bits of an IPv6 one."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    return str(address) if address.version == 4 else str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _path(scope: Scope) -> str:
    """The path below wherever we are mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _from_here(scope: Scope) -> bool:
    """Whether a form was sent from our own pages: by what the browser says of itself, which no page can forge.

    A client that says neither is no browser, and carries nobody's session.
    """
    site = _header(scope, b"sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = _header(scope, b"origin")
    return origin is None or origin.partition("://")[2] == (_header(scope, b"host") or "")


def _declared(scope: Scope) -> int:
    said = _header(scope, b"content-length") or "0"
    return int(said) if said.isascii() and said.isdigit() else MOST + 1


def _twin(scope: Scope) -> Scope:
    """``/choices.json`` asks for the document of ``/choices``, and ``/index.json`` for that of the first page."""
    path = str(scope["path"])
    if not path.endswith(".json") or path.endswith("/proof.json"):
        return scope
    bare = path.removesuffix(".json")
    return {**scope, "path": bare.removesuffix("index"), "aboveboard.json": True}


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            have = {key for key, _ in message["headers"]}
            new = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in have]
            message["headers"] = [*message["headers"], *new]
        await send(message)

    return sent


def _with_rate(send: Send, rate: Rate, left: int) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            policy = f'"{rate.name}";q={rate.most};w={rate.window}'
            told = f'"{rate.name}";r={max(left, 0)};t={rate.window}'
            message["headers"] = [
                *message["headers"], (b"ratelimit-policy", policy.encode()), (b"ratelimit", told.encode()),
            ]  # fmt: skip
        await send(message)

    return sent


def _bounded(receive: Receive) -> Receive:
    seen = 0

    async def received() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST:
            raise TooLarge
        return message

    return received


async def _refuse(send: Send, status: int, body: bytes, again: int | None = None) -> None:
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", PRIVATE.encode()),
    ]
    if again is not None:
        headers = [*headers, (b"retry-after", str(again).encode())]
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
