"""Who looked at a person's data, when, why and at what: an append-only list that the person reads too.

Each row holds the digest of the row before it, so that one that was changed or taken out shows (``verify``); whoever can
write the whole file can write another one, which is why an export belongs somewhere else. SQLite beside the private parts,
mode 0600. It holds ids and purposes, never a member's text.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from aboveboard import disk
from aboveboard.errors import AboveboardError

_WAIT_MS = 30_000
BEGINNING = "0" * 64
"""What the first row holds as the digest of the one before it."""


class LooksError(AboveboardError):
    """The list of who looked cannot be read or written. Nothing is shown to whoever could not be written down."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look. ``actor`` is who looked, in which ``role``; ``subject`` whose data it was; ``purpose`` why, in their words;
    ``what`` names what was shown (a release and a record)."""

    number: int
    at: datetime
    actor: str
    role: str
    subject: str
    purpose: str
    what: str
    before: str

    @property
    def digest(self) -> str:
        """SHA-256 of this row with the digest of the one before it, as canonical as sorted JSON is."""
        said = {**asdict(self), "at": self.at.isoformat()}
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


@dataclass(frozen=True)
class Looks:
    """The list, in one file."""

    file: Path

    def add(self, at: datetime, actor: str, role: str, subject: str, purpose: str, what: str) -> Look:
        """Write down a look; durable when it returns. Call it before anything is shown."""
        with self._open(writes=True) as con:
            con.execute("BEGIN IMMEDIATE")
            [last] = [*con.execute(f"{_ROWS} ORDER BY number DESC LIMIT 1").fetchall(), None][:1]
            before = (0, BEGINNING) if last is None else (_look(last).number, _look(last).digest)
            made = Look(before[0] + 1, at, actor, role, subject, purpose, what, before[1])
            values = (made.number, at.isoformat(), actor, role, subject, purpose, what, made.before)
            con.execute("INSERT INTO looks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            con.execute("COMMIT")
        return made

    def of(self, subject: str) -> Sequence[Look]:
        """The looks at one person's data, the newest first."""
        if not self.file.exists():  # reading makes nothing
            return []
        with self._open() as con:
            return [_look(row) for row in con.execute(f"{_ROWS} WHERE subject = ? ORDER BY number DESC", (subject,))]

    def all(self, after: int = 0, most: int = 1 << 31) -> Iterator[Look]:
        """Every look behind a number, in order."""
        if not self.file.exists():
            return iter(())
        with self._open() as con:
            rows = con.execute(f"{_ROWS} WHERE number > ? ORDER BY number LIMIT ?", (after, most)).fetchall()
        return (_look(row) for row in rows)

    def verify(self) -> int:
        """That no row was changed or taken out of the middle; how many there are. Raises LooksError with the first that
        does not follow from the one before it."""
        before, count = BEGINNING, 0
        for look in self.all():
            count += 1
            if (look.number, look.before) != (count, before):
                raise LooksError(
                    f"row {count} does not follow from the one before it", hint="compare it with an export"
                )
            before = look.digest
        return count

    @contextmanager
    def _open(self, writes: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if not self.file.exists():
                with disk.locked(self.file.with_name(f".{self.file.name}.lock")):
                    _begin(self.file)
            with closing(sqlite3.connect(self.file, isolation_level=None)) as con:
                con.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
                con.execute(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
                yield con
        except (sqlite3.Error, OSError) as error:
            hint = "check that the file may be written and that the disk has room"
            sentence = f"the list of who looked cannot be read or written: {type(error).__name__}"
            raise LooksError(sentence, hint=hint, file=self.file) from None


def _begin(file: Path) -> None:
    """Make the list where there is none; it is there whole or not at all. The caller holds the lock."""
    if file.exists():
        return
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    disk.write(new, b"", mode=0o600)
    with closing(sqlite3.connect(new)) as con:
        con.executescript(_SHAPE)
    disk.settle(new)
    disk.move(new, file)


def _look(row: Sequence[object]) -> Look:
    number, at, *said, before = row
    moment = datetime.fromisoformat(str(at)).astimezone(UTC)
    return Look(int(str(number)), moment, *map(str, said), str(before))  # type: ignore[call-arg]


_ROWS = "SELECT number, at, actor, role, subject, purpose, what, before FROM looks"
_SHAPE = """
PRAGMA journal_mode = WAL;
CREATE TABLE looks (
  number INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, subject TEXT NOT NULL,
  purpose TEXT NOT NULL, what TEXT NOT NULL, before TEXT NOT NULL
) STRICT;
CREATE INDEX looks_subject ON looks (subject);
CREATE TRIGGER looks_never_change BEFORE UPDATE ON looks BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER looks_never_leave BEFORE DELETE ON looks BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""
