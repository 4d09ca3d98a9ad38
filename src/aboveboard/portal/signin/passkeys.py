"""Accounts and their passkeys, as the store holds them: the public half, a counter, and the name their owner gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection, Row

from aboveboard.portal.signin.store import digest, moment, stamp

MOST = 20
"""Passkeys of one account: more than anybody has, and an end to what a session can write."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey. ``synced``: its owner's devices share it, so that losing one device does not lose it."""

    id: bytes
    subject: str
    public_key: bytes
    sign_count: int
    name: str
    synced: bool
    made_at: datetime
    used_at: datetime

    @property
    def label(self) -> str:
        """How a form names it: a part of its digest, which tells neither the id nor how many there are."""
        return digest(self.id)[:16]


def open_account(con: Connection, subject: str, handle: bytes, roles: str, now: datetime) -> None:
    """The account of a code that was redeemed. INVARIANT: it has the roles of its last code, and keeps its first handle."""
    sql = """INSERT INTO accounts VALUES (?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE SET roles = excluded.roles"""
    con.execute(sql, (subject, handle, roles, stamp(now)))


def handle(con: Connection, subject: str) -> bytes:
    """The random handle of an account, under which devices keep its passkeys; the account is there."""
    found: bytes = con.execute("SELECT handle FROM accounts WHERE subject = ?", (subject,)).fetchone()["handle"]
    return found


def add(con: Connection, key: Passkey) -> None:
    """Keep a passkey. Raises sqlite3.IntegrityError where its id is known, whosever it is."""
    values = (
        key.id, key.subject, key.public_key, key.sign_count, key.name, key.synced, stamp(key.made_at), stamp(key.used_at),
    )  # fmt: skip
    con.execute("INSERT INTO passkeys VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def find(con: Connection, key: bytes) -> Passkey | None:
    """The passkey of an id."""
    row = con.execute("SELECT * FROM passkeys WHERE id = ?", (key,)).fetchone()
    return None if row is None else _passkey(row)


def of(con: Connection, subject: str) -> Sequence[Passkey]:
    """The passkeys of an account, the oldest first."""
    rows = con.execute("SELECT * FROM passkeys WHERE subject = ? ORDER BY made_at, id", (subject,))
    return [_passkey(row) for row in rows]


def used(con: Connection, key: Passkey, count: int, now: datetime) -> None:
    """Keep the counter that a passkey showed."""
    con.execute("UPDATE passkeys SET sign_count = ?, used_at = ? WHERE id = ?", (count, stamp(now), key.id))


def remove(con: Connection, key: Passkey) -> None:
    """A passkey opens nothing any more."""
    con.execute("DELETE FROM passkeys WHERE id = ?", (key.id,))


def subjects(con: Connection) -> Sequence[str]:
    """Every account, and everybody who was invited."""
    rows = con.execute("SELECT subject FROM accounts UNION SELECT subject FROM codes ORDER BY subject")
    return [row["subject"] for row in rows]


def forget(con: Connection, subject: str) -> int:
    """Take an account's passkeys, codes and sessions away; how many passkeys there were."""
    count = len(of(con, subject))
    con.execute("DELETE FROM codes WHERE subject = ?", (subject,))
    con.execute("DELETE FROM accounts WHERE subject = ?", (subject,))  # passkeys and sessions go with it
    return count


def _passkey(row: Row) -> Passkey:
    made, seen = moment(row["made_at"]), moment(row["used_at"])
    return Passkey(
        row["id"], row["subject"], row["public_key"], row["sign_count"], row["name"], bool(row["synced"]), made, seen
    )
