"""Where people reach a portal that stands alone: its URL decides to which name passkeys belong, and what a cookie is called.

A passkey belongs to a host name (WebAuthn: relying party id). An address such as 127.0.0.1 is no name, and without TLS only
`localhost` counts as safe.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from aboveboard.errors import AboveboardError


@dataclass(frozen=True, slots=True)
class Site:
    """A portal's URL in its parts: ``origin`` as browsers write it, ``name`` the host, ``root`` the path ("" at the top)."""

    origin: str
    name: str
    root: str

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https://")

    @property
    def cookie(self) -> str:
        """The cookie's name. With ``__Host-`` no other host or path can have set it (RFC 6265bis); it wants TLS and "/"."""
        prefix = "" if not self.secure else "__Secure-" if self.root else "__Host-"
        return f"{prefix}aboveboard"

    def keeping(self, token: str, lasts: timedelta) -> str:
        """The ``Set-Cookie`` of a session: no script reads it, no other site's form sends it."""
        return self._cookie(token, int(lasts.total_seconds()))

    def dropping(self) -> str:
        """The ``Set-Cookie`` that ends it."""
        return self._cookie("", 0)

    def url(self, path: str) -> str:
        """A path of the portal, to be sent to somebody."""
        return f"{self.origin}{self.root}{path}"

    def _cookie(self, value: str, age: int) -> str:
        secure = "; Secure" if self.secure else ""
        return f"{self.cookie}={value}; Path={self.root or '/'}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"


def site(url: str) -> Site:
    """The site of a URL. Raises AboveboardError where passkeys cannot belong to it."""
    hint = "give `[portal] url`, such as https://privacy.example.org"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AboveboardError(f"`{url}` is no URL", hint=hint) from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise AboveboardError(f"`{url}` is no URL that a portal can have", hint=hint)
    if _is_address(host):
        raise AboveboardError(f"passkeys belong to a name, and `{host}` is an address", hint=hint)
    if parts.scheme == "http" and host != "localhost" and not host.endswith(".localhost"):
        raise AboveboardError(f"passkeys need TLS, and `{url}` has none", hint=hint)
    usual = {"http": 80, "https": 443}[parts.scheme]
    shown = "" if port in (None, usual) else f":{port}"
    return Site(f"{parts.scheme}://{host}{shown}", host, parts.path.rstrip("/"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
