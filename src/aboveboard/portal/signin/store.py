"""The file of the sign-in: who may sign in with what, and who is signed in. ``portal.db`` beside the ledger, mode 0600.

INVARIANT: nothing in it signs anybody in. Of codes, challenges and sessions it holds SHA-256 digests, of passkeys the public
half. It is apart from the ledger, because it may be thrown away and a ledger may not (docs/adr/0018-signing-in.md).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aboveboard.errors import AboveboardError

if TYPE_CHECKING:
    from aboveboard.workspace import Workspace

_WAIT_MS = 30_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SignInError(AboveboardError):
    """The file of the sign-in cannot be read or written. Nobody is signed in by accident."""


@dataclass(frozen=True)
class Store:
    """The file; made at first use. Every ``with`` is one transaction, and a writing one holds the lock from its start."""

    file: Path

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that may write: whole at the end of the block, or nothing of it."""
        with self._open() as con:
            con.execute("BEGIN IMMEDIATE")
            try:
                yield con
            except BaseException:
                con.execute("ROLLBACK")
                raise
            con.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One transaction that only reads."""
        with self._open() as con:
            con.execute("PRAGMA query_only = ON")
            con.execute("BEGIN")
            yield con

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self.file, isolation_level=None)) as con:
                con.row_factory = sqlite3.Row
                con.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
                con.execute("PRAGMA foreign_keys = ON")
                con.execute("PRAGMA secure_delete = ON")  # who was erased is not left in a free page
                _shape(con, self.file)
                yield con
        except (sqlite3.Error, OSError) as error:
            sentence = f"the file of the sign-in cannot be read or written: {type(error).__name__}"
            hint = "check that it may be written and that the disk has room"
            raise SignInError(sentence, hint=hint, file=self.file) from None


def store_of(ws: Workspace) -> Store:
    """The file of a workspace's sign-in."""
    return Store(ws.folder / "portal.db")


def digest(secret: str | bytes) -> str:
    """What is kept of a secret: its SHA-256, in hex. All of them are drawn with 128 bits or more, so no salt is needed."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).hexdigest()


def stamp(moment: datetime) -> int:
    """A moment as the file holds it: microseconds since 1970 (docs/adr/0009-times-in-tables.md)."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(stamped: int) -> datetime:
    """The inverse of :func:`stamp`."""
    return _EPOCH + timedelta(microseconds=stamped)


def _shape(con: sqlite3.Connection, file: Path) -> None:
    """Bring the file to the newest shape: the steps it has not taken yet, in one transaction."""
    if (at := _step(con)) < len(_STEPS):
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("BEGIN IMMEDIATE")
        for step in _STEPS[_step(con) :]:  # another process may have taken them while we waited
            for statement in filter(None, map(str.strip, step.split(";"))):
                con.execute(statement)
        con.execute(f"PRAGMA user_version = {len(_STEPS)}")
        con.execute("COMMIT")
    elif at > len(_STEPS):
        raise SignInError(
            f"this file has shape {at}, newer than {len(_STEPS)}", hint="install a newer aboveboard", file=file
        )


def _step(con: sqlite3.Connection) -> int:
    return int(con.execute("PRAGMA user_version").fetchone()[0])


_STEPS = (
    """
    CREATE TABLE accounts (
      subject TEXT PRIMARY KEY, handle BLOB NOT NULL UNIQUE, roles TEXT NOT NULL, made_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE codes (
      digest TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('invite', 'recovery')), subject TEXT NOT NULL,
      handle BLOB NOT NULL, roles TEXT NOT NULL, made_at INTEGER NOT NULL, expires_at INTEGER, UNIQUE (kind, subject)
    ) STRICT;
    CREATE TABLE passkeys (
      id BLOB PRIMARY KEY, subject TEXT NOT NULL REFERENCES accounts (subject) ON DELETE CASCADE, public_key BLOB NOT NULL,
      sign_count INTEGER NOT NULL, name TEXT NOT NULL, synced INTEGER NOT NULL, made_at INTEGER NOT NULL,
      used_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX passkeys_of ON passkeys (subject);
    CREATE TABLE challenges (digest TEXT PRIMARY KEY, bound TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
    CREATE INDEX challenges_ending ON challenges (expires_at);
    CREATE TABLE sessions (
      digest TEXT PRIMARY KEY, subject TEXT NOT NULL REFERENCES accounts (subject) ON DELETE CASCADE, passkey BLOB NOT NULL,
      made_at INTEGER NOT NULL, seen_at INTEGER NOT NULL, proven_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX sessions_of ON sessions (subject);
    CREATE INDEX sessions_begun ON sessions (made_at)
    """,
)
"""The shape, step by step; a step that was taken is never changed."""
