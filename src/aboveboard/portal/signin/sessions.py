"""Who is signed in: a random token in the browser's cookie, its digest here, and an end that nothing puts off for ever.

A token changes whenever somebody proves who they are (OWASP session management), so that one from before is worth nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection, Row

from aboveboard.portal.signin.store import Store, digest, moment, stamp

IDLE = timedelta(hours=1)
"""How long a session lasts that nobody uses."""
WHOLE = timedelta(hours=12)
"""How long a session lasts at the most."""
_TOUCH = timedelta(minutes=1)
"""How exactly it is known when a session was last used: a page that is read writes at most this often."""


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser. ``proven_at``: when its passkey last answered; ``roles`` are the account's of this moment."""

    digest: str
    subject: str
    roles: frozenset[str]
    passkey: bytes
    made_at: datetime
    seen_at: datetime
    proven_at: datetime

    @property
    def label(self) -> str:
        """How a form names it."""
        return digest(self.digest)[:16]


def begin(con: Connection, subject: str, passkey: bytes, now: datetime, made_at: datetime | None = None) -> str:
    """Somebody proved who they are; the token for their cookie, which is not kept. Sessions that are over leave."""
    con.execute("DELETE FROM sessions WHERE made_at <= ? OR seen_at <= ?", (stamp(now - WHOLE), stamp(now - IDLE)))
    token = secrets.token_urlsafe(32)
    values = (digest(token), subject, passkey, stamp(made_at or now), stamp(now), stamp(now))
    con.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", values)
    return token


def rotate(con: Connection, session: Session, passkey: bytes, now: datetime) -> str:
    """Somebody signed in proved it once more: a new token in the place of the old one, which ends no later than it."""
    end(con, session)
    return begin(con, session.subject, passkey, now, session.made_at)


def find(store: Store, token: str, now: datetime) -> Session | None:
    """Whose session a token is; None where it is unknown, ended or over."""
    with store.reading() as con:
        found = of_token(con, token, now)
    if found is not None and now - found.seen_at >= _TOUCH:
        with store.writing() as con:
            con.execute("UPDATE sessions SET seen_at = ? WHERE digest = ?", (stamp(now), found.digest))
    return found


def of_token(con: Connection, token: str, now: datetime) -> Session | None:
    """As :func:`find`, within a transaction."""
    sql = f"{_SESSIONS} WHERE digest = ? AND sessions.made_at > ? AND seen_at > ?"
    row = con.execute(sql, (digest(token), stamp(now - WHOLE), stamp(now - IDLE))).fetchone()
    return None if row is None else _session(row)


def of(con: Connection, subject: str, now: datetime) -> Sequence[Session]:
    """The sessions of an account that are not over, the newest first."""
    sql = f"{_SESSIONS} WHERE subject = ? AND sessions.made_at > ? AND seen_at > ? ORDER BY seen_at DESC, digest"
    return [_session(row) for row in con.execute(sql, (subject, stamp(now - WHOLE), stamp(now - IDLE)))]


def end(con: Connection, session: Session) -> None:
    """A session is over."""
    con.execute("DELETE FROM sessions WHERE digest = ?", (session.digest,))


def end_of_passkey(con: Connection, passkey: bytes, but: Session) -> None:
    """Every session of a passkey is over, except the one that asks for it."""
    con.execute("DELETE FROM sessions WHERE passkey = ? AND digest <> ?", (passkey, but.digest))


def _session(row: Row) -> Session:
    times = (moment(row[name]) for name in ("made_at", "seen_at", "proven_at"))
    return Session(row["digest"], row["subject"], frozenset(row["roles"].split()), row["passkey"], *times)


_SESSIONS = "SELECT sessions.*, roles FROM sessions JOIN accounts USING (subject)"
