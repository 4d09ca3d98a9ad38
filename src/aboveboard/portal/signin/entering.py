"""What somebody does at the sign-in: register a passkey with a code, prove one, add one, take one away.

Each is one transaction behind the one that uses up the challenge, so that an answer is worth nothing a second time whatever
becomes of it. INVARIANT: a passkey belongs to the account of the code, or of the session, with which it was registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from aboveboard.portal.asking import NotThere, Stranger, Unfit
from aboveboard.portal.signin import ceremony, codes, passkeys, sessions
from aboveboard.portal.signin.ceremony import Told, refused
from aboveboard.portal.signin.codes import Code
from aboveboard.portal.signin.passkeys import Passkey
from aboveboard.portal.signin.sessions import Session
from aboveboard.portal.signin.site import Site
from aboveboard.portal.signin.store import Store

_ENTER = "enter"
"""What a challenge is bound to where nobody has said yet who they are."""


class LastWay(Exception):
    """Without this passkey its owner could not come in again: they are asked whether they mean it."""


@dataclass(frozen=True)
class SignIn:
    """The sign-in of one portal. ``platform`` is the name that devices show. A token, where one is asked for or given back,
    is what the cookie holds; times are aware."""

    store: Store
    site: Site
    platform: str

    def session(self, token: str | None, now: datetime) -> Session:
        """The session of a token; raises Stranger where there is none."""
        found = sessions.find(self.store, token, now) if token else None
        if found is None:
            raise Stranger
        return found

    def code(self, code: str, now: datetime) -> Code | None:
        """What a code opens, before it is used."""
        with self.store.reading() as con:
            return codes.find(con, code, now)

    # --- a passkey with a code ------------------------------------------------------------------------------------

    def options_of_code(self, code: str, now: datetime) -> Mapping[str, Any]:
        """What the browser is asked, to register a passkey with a code; raises Refused."""
        with self.store.writing() as con:
            found = codes.find(con, code, now)
            if found is None:
                raise refused()
            challenge = ceremony.draw(con, _bound("code", found.digest), now)
            known = passkeys.of(con, found.subject)
        return ceremony.to_register(self.site, self.platform, found.subject, found.handle, challenge, known)

    def register(self, answer: str | None, code: str, name: str, token: str | None, now: datetime) -> tuple[str, str]:
        """Register a passkey with a code and sign in: the account, and the token of a new session. Raises Refused."""
        told, bound = self._taken(answer, now)
        with self.store.writing() as con:
            found = codes.find(con, code, now)
            if found is None or bound != _bound("code", found.digest):
                raise refused()
            passkeys.open_account(con, found.subject, found.handle, found.roles, now)
            key = self._kept(con, told, found.subject, name, now)
            codes.spend(con, found)
            _leave(con, token, now)
            return found.subject, sessions.begin(con, found.subject, key.id, now)

    # --- proving one ----------------------------------------------------------------------------------------------

    def options_to_enter(self, token: str | None, now: datetime) -> Mapping[str, Any]:
        """What the browser is asked, to sign in without a name, or, signed in, to prove who it is once more."""
        with self.store.writing() as con:
            here = sessions.of_token(con, token, now) if token else None
            challenge = ceremony.draw(con, _bound("step", here.digest) if here else _ENTER, now)
            known = passkeys.of(con, here.subject) if here else ()
        return ceremony.to_prove(self.site, challenge, known)

    def enter(self, answer: str | None, token: str | None, now: datetime) -> tuple[str, str]:
        """Sign in, or step up: the account, and a new token in the place of the old one. Raises Refused."""
        told, bound = self._taken(answer, now)
        with self.store.writing() as con:
            here = sessions.of_token(con, token, now) if token else None
            key = passkeys.find(con, told.id)
            if key is None or not _fits(con, bound, here, key, told):
                raise refused()
            passkeys.used(con, key, ceremony.proven(self.site, told, told.challenge, key), now)
            if here is not None and bound != _ENTER:
                return key.subject, sessions.rotate(con, here, key.id, now)
            _leave(con, token, now)
            return key.subject, sessions.begin(con, key.subject, key.id, now)

    # --- signed in ------------------------------------------------------------------------------------------------

    def options_to_add(self, here: Session, now: datetime) -> Mapping[str, Any]:
        """What the browser is asked, to register another passkey for the account of a session."""
        with self.store.writing() as con:
            challenge = ceremony.draw(con, _bound("add", here.digest), now)
            known, handle = passkeys.of(con, here.subject), passkeys.handle(con, here.subject)
        return ceremony.to_register(self.site, self.platform, here.subject, handle, challenge, known)

    def add(self, answer: str | None, name: str, here: Session, now: datetime) -> None:
        """Register another passkey for the account of a session; raises Refused."""
        told, bound = self._taken(answer, now)
        if bound != _bound("add", here.digest):
            raise refused()
        with self.store.writing() as con:
            self._kept(con, told, here.subject, name, now)

    def recovery(self, here: Session, now: datetime) -> str:
        """A new recovery code for the account of a session: to be shown once."""
        with self.store.writing() as con:
            return codes.recovery(con, here.subject, now)

    def revoke(self, label: str, here: Session, sure: bool) -> None:
        """Take a passkey away, with every session of it but this one. Raises NotThere where it is not theirs, LastWay where it
        is the last way in and they did not say that they are sure."""
        with self.store.writing() as con:
            mine = passkeys.of(con, here.subject)
            key = next((one for one in mine if one.label == label), None)
            if key is None:
                raise NotThere
            if len(mine) == 1 and not codes.has_recovery(con, here.subject) and not sure:
                raise LastWay
            sessions.end_of_passkey(con, key.id, here)
            passkeys.remove(con, key)

    def leave(self, token: str | None, now: datetime) -> None:
        """The session of a token is over, where there is one."""
        with self.store.writing() as con:
            _leave(con, token, now)

    def end(self, label: str | None, here: Session, now: datetime) -> None:
        """End another session of the account, or every other one (None). Raises NotThere where it is not theirs."""
        with self.store.writing() as con:
            others = [one for one in sessions.of(con, here.subject, now) if one.digest != here.digest]
            ending = [one for one in others if label in (None, one.label)]
            if label is not None and not ending:
                raise NotThere
            for one in ending:
                sessions.end(con, one)

    # --- what these share -----------------------------------------------------------------------------------------

    def _taken(self, answer: str | None, now: datetime) -> tuple[Told, str]:
        """An answer, and what its challenge was drawn for. The challenge is used up from here on, whatever comes of it."""
        told = ceremony.read(answer)
        with self.store.writing() as con:
            bound = ceremony.take(con, told.challenge, now)
        if bound is None:
            raise refused()
        return told, bound

    def _kept(self, con: Connection, told: Told, subject: str, name: str, now: datetime) -> Passkey:
        if len(passkeys.of(con, subject)) >= passkeys.MOST:
            raise Unfit("this account has as many passkeys as one can have", hint="take one away first")
        key = ceremony.registered(self.site, told, told.challenge, subject, name, now)
        if passkeys.find(con, key.id) is not None:  # a known id, whosever: an authenticator draws its own
            raise refused()
        passkeys.add(con, key)
        return key


def _bound(what: str, digest: str) -> str:
    return f"{what}:{digest}"


def _fits(con: Connection, bound: str, here: Session | None, key: Passkey, told: Told) -> bool:
    """Whether a passkey may answer a challenge: stepping up, only one of the same account; without a name, it names its own."""
    own = passkeys.handle(con, key.subject)
    if bound == _ENTER:
        return told.handle == own
    stepping = here is not None and bound == _bound("step", here.digest) and key.subject == here.subject
    return stepping and told.handle in (None, own)


def _leave(con: Connection, token: str | None, now: datetime) -> None:
    here = sessions.of_token(con, token, now) if token else None
    if here is not None:
        sessions.end(con, here)
