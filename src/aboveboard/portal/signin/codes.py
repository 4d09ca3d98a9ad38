"""Codes that let somebody register a passkey for an account: an invitation from the platform, a recovery code of their own.

Shown once, kept as a digest, spent by the registration. INVARIANT: the account is the one the code was made for; nothing that
whoever holds it sends can name another.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection

from aboveboard.portal.signin.store import digest, moment, stamp

LASTS = timedelta(hours=24)
"""How long an invitation holds. A recovery code holds until it is used or replaced."""
_BYTES = 20


@dataclass(frozen=True, slots=True)
class Code:
    """What a code opens: an account with its roles and the random handle under which devices keep it. ``expires_at`` None: it
    does not end by itself."""

    digest: str
    kind: str
    subject: str
    handle: bytes
    roles: str
    expires_at: datetime | None


def invite(con: Connection, subject: str, roles: Iterable[str], now: datetime) -> str:
    """A new invitation to an account, in the place of an earlier one; the code, which is not kept."""
    return _make(con, "invite", subject, " ".join(sorted(roles)), now, stamp(now + LASTS))


def recovery(con: Connection, subject: str, now: datetime) -> str:
    """A new recovery code of an account, in the place of an earlier one; the code, which is not kept."""
    roles = con.execute("SELECT roles FROM accounts WHERE subject = ?", (subject,)).fetchone()["roles"]
    return _make(con, "recovery", subject, roles, now, None)


def find(con: Connection, code: str, now: datetime) -> Code | None:
    """What a code opens, else None: one that is unknown, spent or over is told apart by nothing."""
    sql = "SELECT * FROM codes WHERE digest = ? AND (expires_at IS NULL OR expires_at > ?)"
    row = con.execute(sql, (digest(plain(code)), stamp(now))).fetchone()
    if row is None:
        return None
    ends = None if row["expires_at"] is None else moment(row["expires_at"])
    return Code(row["digest"], row["kind"], row["subject"], row["handle"], row["roles"], ends)


def spend(con: Connection, code: Code) -> None:
    """A code opens nothing any more."""
    con.execute("DELETE FROM codes WHERE digest = ?", (code.digest,))


def has_recovery(con: Connection, subject: str) -> bool:
    """Whether an account has a recovery code that was not used."""
    sql = "SELECT 1 FROM codes WHERE kind = 'recovery' AND subject = ?"
    return con.execute(sql, (subject,)).fetchone() is not None


def plain(code: str) -> str:
    """A code as it is hashed: people type spaces, strokes and small letters, and 0 and 1 where they read O and I."""
    return "".join(code.upper().split()).replace("-", "").replace("0", "O").replace("1", "I")


def _make(con: Connection, kind: str, subject: str, roles: str, now: datetime, ends: int | None) -> str:
    drawn = base64.b32encode(secrets.token_bytes(_BYTES)).decode()
    known = con.execute("SELECT handle FROM accounts WHERE subject = ?", (subject,)).fetchone()
    handle = secrets.token_bytes(64) if known is None else known["handle"]
    values = (digest(drawn), kind, subject, handle, roles, stamp(now), ends)
    con.execute("INSERT OR REPLACE INTO codes VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    return "-".join(drawn[at : at + 4] for at in range(0, len(drawn), 4))
