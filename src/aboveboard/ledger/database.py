"""Opens the database of a ledger: SQLite, with a write-ahead log, migrated to the newest step.

A connection never begins or commits by itself: reading and writing each stand in one visible ``with`` block,
and a writing one takes the write lock at its start (``BEGIN IMMEDIATE``), so that two writers wait instead of
failing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from aboveboard.errors import LedgerError

NEWEST = "0008"
"""The last migration; a ledger that says another one we do not know was written by a newer version."""

_WAIT_MS = 30_000
_CACHE_KIB = 65_536


def connect(where: str | Path) -> Engine:
    """An engine for a path or a URL; the database exists and has the newest shape afterwards."""
    engine = create_engine(_url(where))
    _make_private(engine.url.database)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    with explained(engine):
        _migrate(engine)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write: it commits at the end of the block, or leaves nothing behind."""
    with explained(engine), engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads, and sees the ledger as it was when it began to."""
    with explained(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Says what a database error means. INVARIANT: never with a statement's values, which are a person's."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = str(getattr(error, "orig", None) or type(error).__name__)
        raise LedgerError(
            f"the ledger could not be read or written: {cause}",
            hint="check that the file is a ledger, that it may be written and that no other program holds it",
            ledger=engine.url.render_as_string(hide_password=True),
        ) from None


def tidy(engine: Engine) -> bool:
    """Write the file anew without what was deleted, and empty its write-ahead log; says whether nobody was in the way."""
    with explained(engine), engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        try:
            raw.execute("VACUUM")
            [(busy, *_)] = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False
    return not busy


def _url(where: str | Path) -> str:
    if "://" not in str(where):
        path = Path(where)
        if not path.parent.is_dir():
            raise LedgerError(f"no folder for the ledger `{path}`", hint="make the folder first: `aboveboard init`")
        return f"sqlite:///{path}"
    if not str(where).startswith("sqlite"):
        raise LedgerError("this version keeps its ledger in SQLite only", hint="give a path, or a sqlite:/// URL")
    return str(where)


def _make_private(file: str | None) -> None:
    """Make a new ledger's file so that its owner alone may read it; SQLite gives its log and index the same mode.

    A file that is there already keeps the mode that somebody gave it.
    """
    if not file or file == ":memory:" or file.startswith("file:") or Path(file).exists():
        return
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise LedgerError(
            f"the ledger `{file}` cannot be made: {error.strerror}", hint="may you write there?"
        ) from None


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin or commit on its own
    connection.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")  # bulk appends touch all of two indexes
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is written over, not only unlinked
    connection.execute("PRAGMA recursive_triggers = ON")  # or INSERT OR REPLACE would delete unseen
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
        connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    """Bring the database to the newest step; Alembic is loaded only where there is something to do."""
    if _step(engine) == NEWEST:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _step(engine: Engine) -> str | None:
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        found = (
            connection.scalar(text("SELECT version_num FROM alembic_version")) if "alembic_version" in tables else None
        )
    if found is None and "events" in tables:
        raise LedgerError(
            "this database has a table `events` that is not ours", hint="give the ledger a file of its own"
        )
    if found is not None and found > NEWEST:
        raise LedgerError(f"this ledger has shape {found}, newer than {NEWEST}", hint="install a newer aboveboard")
    return found
