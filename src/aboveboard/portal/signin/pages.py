"""M10, sign-in and devices: the pages of a portal that stands alone, each with its JSON twin like every other.

Nothing here stands before a no: a session that is hours old says no to anything. What needs a fresh proof is adding and taking
away keys, and the recovery code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aboveboard.portal import choosing
from aboveboard.portal.asking import Asked, Moved, Page
from aboveboard.portal.pages import shared
from aboveboard.portal.principal import ROLES
from aboveboard.portal.signin import codes, passkeys, sessions
from aboveboard.portal.signin.entering import LastWay, SignIn
from aboveboard.portal.signin.passkeys import Passkey
from aboveboard.portal.signin.sessions import Session
from aboveboard.portal.ways import Field, Way

TRIED = ("/sign-in", "/register", "/recover", "/invite/")
"""Paths that are tries to sign in, which are counted more narrowly than reading is."""
_DONE = ("out", "first", "added", "revoked", "ended", "code")
_NEXT = re.compile(r"/(?!/)[\w.~%/-]*(\?[\w.~%/=&+-]*)?", re.ASCII)
_NAME = 60
_ANYBODY = ROLES
_SAID = Field("done", "what was just done, for the status region")
_ANSWER = Field("credential", "what the device answered, as JSON")
_CODE = Field("code", "the code of an invitation, or of recovery")
_CALLED = Field("name", "what its owner calls the passkey")
_DEVICES = "subject passkeys recovery sessions done code sure site"


@dataclass(frozen=True)
class Pages:
    """The pages over one sign-in."""

    signin: SignIn

    def ways(self) -> Sequence[Way]:
        """The ways that a portal standing alone has besides the others."""
        return (
            Way("/sign-in", "Sign in", self.show, query=(Field("next", "the page to go on to"), _SAID),
                shows="step next done site contact"),
            Way("/sign-in", "Sign in", self.enter, methods=("POST",),
                form=(_ANSWER, Field("next", "the page to go on to"))),
            Way("/sign-in/options", "Sign in", self.enter_options, methods=("POST",), shows="options"),
            Way("/sign-out", "Sign out", self.leave, methods=("POST",)),
            Way("/invite/{code}", "Invitation", self.invitation, shows="invite site", also=(404,)),
            Way("/recover", "Recovery code", self.recover, shows="site"),
            Way("/register", "Invitation", self.register, methods=("POST",), form=(_ANSWER, _CODE, _CALLED)),
            Way("/register/options", "Invitation", self.register_options, methods=("POST",), form=(_CODE,),
                shows="options"),
            Way("/devices", "Devices", self.devices, _ANYBODY, menu="member", query=(_SAID,), shows=_DEVICES),
            Way("/devices", "Devices", self.add, _ANYBODY, ("POST",), form=(_ANSWER, _CALLED)),
            Way("/devices/options", "Devices", self.add_options, _ANYBODY, ("POST",), shows="options"),
            Way("/devices/revoke", "Devices", self.revoke, _ANYBODY, ("POST",), shows=_DEVICES, also=(303, 409),
                form=(Field("passkey", "its label"), Field("sure", "that the last way in may go", ("yes",)))),
            Way("/devices/recovery", "Recovery code", self.recovery, _ANYBODY, ("POST",), shows=_DEVICES),
            Way("/devices/end", "Devices", self.end, _ANYBODY, ("POST",),
                form=(Field("session", "its label, or `others`"),)),
        )  # fmt: skip

    # --- coming in ------------------------------------------------------------------------------------------------

    def show(self, asked: Asked) -> Page:
        """The sign-in page; to somebody signed in, the page on which they prove it once more."""
        return Page("sign_in.html", {
            "step": asked.principal is not None, "next": _next(asked.one("next")), "done": _done(asked),
            "site": self.signin.site.url("/"), "contact": asked.tenant.ws.told.get("contact"),
        })  # fmt: skip

    def enter_options(self, asked: Asked) -> Page:
        """What the script hands to the device; each asking draws a new challenge."""
        return _options(self.signin.options_to_enter(self._token(asked), asked.now))

    def enter(self, asked: Asked) -> Moved:
        """A proof: signs in, or steps up, with a new token either way."""
        subject, token = self.signin.enter(asked.said("credential"), self._token(asked), asked.now)
        return self._in(asked, subject, token, _next(asked.said("next")))

    def leave(self, asked: Asked) -> Moved:
        """Sign out."""
        self.signin.leave(self._token(asked), asked.now)
        return Moved("/sign-in?done=out#status", (self.signin.site.dropping(),))

    def invitation(self, asked: Asked) -> Page:
        """What an invitation opens. Reading it uses nothing up: programs look at links before people do."""
        found = self.signin.code(asked.path["code"], asked.now)
        invite = None
        if found is not None:
            ends = found.expires_at and found.expires_at.isoformat()
            invite = {"subject": found.subject, "expires_at": ends, "code": asked.path["code"]}
        return Page("invite.html", {"invite": invite, "site": self.signin.site.url("/")}, 200 if invite else 404)

    def recover(self, asked: Asked) -> Page:  # noqa: ARG002 - as every page is asked
        """Where a recovery code is typed in."""
        return Page("recover.html", {"site": self.signin.site.url("/")})

    def register_options(self, asked: Asked) -> Page:
        """What the script hands to the device, for the account of a code."""
        return _options(self.signin.options_of_code(asked.said("code") or "", asked.now))

    def register(self, asked: Asked) -> Moved:
        """A first passkey, or one in the place of lost ones; the code is spent and its owner signed in."""
        said = (asked.said("credential"), asked.said("code") or "", _name(asked))
        subject, token = self.signin.register(*said, self._token(asked), asked.now)
        return self._in(asked, subject, token, "/devices?done=first#status")

    # --- signed in ------------------------------------------------------------------------------------------------

    def devices(self, asked: Asked, status: int = 200, code: str | None = None, sure: str | None = None) -> Page:
        """The passkeys of an account, where it is signed in, and whether it has a recovery code."""
        here = self._here(asked)
        with self.signin.store.reading() as con:
            mine, others = passkeys.of(con, here.subject), sessions.of(con, here.subject, asked.now)
            has_code = codes.has_recovery(con, here.subject)
        return Page("devices.html", {
            "subject": here.subject, "passkeys": [_passkey(one, here) for one in mine], "recovery": has_code,
            "sessions": [_session(one, here) for one in others], "done": _done(asked), "code": code, "sure": sure,
            "site": self.signin.site.url("/"),
        }, status)  # fmt: skip

    def add_options(self, asked: Asked) -> Page:
        """What the script hands to the device, for another passkey."""
        shared.fresh(asked)
        return _options(self.signin.options_to_add(self._here(asked), asked.now))

    def add(self, asked: Asked) -> Moved:
        """Another passkey."""
        shared.fresh(asked)
        self.signin.add(asked.said("credential"), _name(asked), self._here(asked), asked.now)
        return Moved("/devices?done=added#status")

    def revoke(self, asked: Asked) -> Moved | Page:
        """Take a passkey away; the last way in only after a warning."""
        shared.fresh(asked)
        label = asked.said("passkey") or ""
        try:
            self.signin.revoke(label, self._here(asked), asked.said("sure") == "yes")
        except LastWay:
            return self.devices(asked, 409, sure=label)
        return Moved("/devices?done=revoked#status")

    def recovery(self, asked: Asked) -> Page:
        """A new recovery code. It is in the answer itself, because to show it behind a redirect it would have to be kept."""
        shared.fresh(asked)
        return self.devices(asked, code=self.signin.recovery(self._here(asked), asked.now))

    def end(self, asked: Asked) -> Moved:
        """End another session, or all others. It takes something away from nobody but a thief, so it asks for nothing."""
        label = asked.said("session") or ""
        self.signin.end(None if label == "others" else label, self._here(asked), asked.now)
        return Moved("/devices?done=ended#status")

    # --- what these share -----------------------------------------------------------------------------------------

    def _token(self, asked: Asked) -> str | None:
        return asked.cookies.get(self.signin.site.cookie)

    def _here(self, asked: Asked) -> Session:
        return self.signin.session(self._token(asked), asked.now)

    def _in(self, asked: Asked, subject: str, token: str, to: str) -> Moved:
        """Signed in: what the browser asks for by Sec-GPC is recorded now, as with every POST of a member."""
        if asked.gpc:
            choosing.remember_gpc(asked.tenant, subject, asked.now)
        return Moved(to, (self.signin.site.keeping(token, sessions.WHOLE),))


def _options(options: Any) -> Page:
    return Page("options.html", {"options": options})


def _next(path: str | None) -> str:
    """Where somebody wanted to go: a path of ours, whatever was written there."""
    return path if path and _NEXT.fullmatch(path) else "/"


def _name(asked: Asked) -> str:
    """The name that somebody gives a passkey: printable, and no longer than a line."""
    said = " ".join((asked.said("name") or "").split())
    return "".join(letter for letter in said if letter.isprintable())[:_NAME]


def _done(asked: Asked) -> str | None:
    return found if (found := asked.one("done")) in _DONE else None


def _passkey(key: Passkey, here: Session) -> dict[str, Any]:
    return {
        "passkey": key.label, "name": key.name, "synced": key.synced, "made_at": key.made_at.isoformat(),
        "used_at": key.used_at.isoformat(), "here": key.id == here.passkey,
    }  # fmt: skip


def _session(one: Session, here: Session) -> dict[str, Any]:
    return {
        "session": one.label, "made_at": one.made_at.isoformat(), "seen_at": one.seen_at.isoformat(),
        "here": one.digest == here.digest,
    }  # fmt: skip
