"""Keys of people, entries of the log in their order, and assertions that persons signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TRIGGERS = (
    """
    CREATE TRIGGER log_entries_never_change BEFORE UPDATE ON log_entries
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER log_entries_never_leave BEFORE DELETE ON log_entries
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER log_entries_follow_each_other BEFORE INSERT ON log_entries
    WHEN NEW.place IS NOT (SELECT count(*) FROM log_entries)
    BEGIN SELECT RAISE(ABORT, 'entries of the log follow each other'); END
    """,
    """
    CREATE TRIGGER assertions_never_change BEFORE UPDATE ON assertions
    BEGIN SELECT RAISE(ABORT, 'assertions are append-only'); END
    """,
    """
    CREATE TRIGGER subject_keys_never_change BEFORE UPDATE ON subject_keys
    BEGIN SELECT RAISE(ABORT, 'a key of a person is never replaced'); END
    """,
)


def upgrade() -> None:
    """Create the tables and their triggers. A person's key may leave: that is what erasure does."""
    op.create_table(
        "subject_keys",
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_entries",
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("log_entries_by_digest", "log_entries", ["digest"])
    op.create_table(
        "assertions",
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    for trigger in _TRIGGERS:
        op.execute(trigger)
