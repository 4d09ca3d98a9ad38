"""Requests to be erased, the hashes of who was, and the one way in which an event may change: to nothing of anybody.

An event of an erased person keeps its position and the moment it was recorded, says ``suppressed``, and names a hash that
stands on the list; nothing else of it stays. Every other change is refused as before, whoever writes to the file.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NOTHING_LEFT = " AND ".join(
    [f"NEW.{name} IS NULL" for name in ("external_id", "category", "purpose", "recipient", "past_from", "past_to",
     "expires_at", "notice", "language", "value")]
    + ["NEW.type = 'suppressed'", "NEW.effective_at = OLD.recorded_at", "NEW.verified = 1", "NEW.effective_verified = 0",
       "NEW.actor = 'operator'", "NEW.method = ''"]
)  # fmt: skip
_TRIGGERS = (
    "DROP TRIGGER events_never_change",
    f"""
    CREATE TRIGGER events_never_change BEFORE UPDATE ON events
    WHEN NOT (
      NEW.position = OLD.position AND NEW.recorded_at = OLD.recorded_at AND NEW.vocabulary = OLD.vocabulary
      AND NEW.subject GLOB 'erased:*' AND {_NOTHING_LEFT}
      AND EXISTS (SELECT 1 FROM suppressions WHERE hash = substr(NEW.subject, 8))
    )
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
    """
    CREATE TRIGGER assertions_never_leave BEFORE DELETE ON assertions
    WHEN NOT EXISTS (SELECT 1 FROM events WHERE position = OLD.position AND subject GLOB 'erased:*')
    BEGIN SELECT RAISE(ABORT, 'assertions are append-only'); END
    """,
    """
    CREATE TRIGGER erasures_only_forget BEFORE UPDATE ON erasures
    WHEN NOT (
      NEW.id = OLD.id AND NEW.asked_at = OLD.asked_at AND NEW.due_at = OLD.due_at AND NEW.position = OLD.position
      AND NEW.subject IS NULL AND NEW.identifiers IS NULL
      AND EXISTS (SELECT 1 FROM erasure_ends WHERE id = OLD.id)
    )
    BEGIN SELECT RAISE(ABORT, 'a request to be erased never changes'); END
    """,
    """
    CREATE TRIGGER erasures_never_leave BEFORE DELETE ON erasures
    BEGIN SELECT RAISE(ABORT, 'a request to be erased never leaves'); END
    """,
    """
    CREATE TRIGGER erasure_ends_never_change BEFORE UPDATE ON erasure_ends
    BEGIN SELECT RAISE(ABORT, 'what became of an erasure never changes'); END
    """,
    """
    CREATE TRIGGER erasure_ends_never_leave BEFORE DELETE ON erasure_ends
    BEGIN SELECT RAISE(ABORT, 'what became of an erasure never leaves'); END
    """,
    """
    CREATE TRIGGER suppressions_never_change BEFORE UPDATE ON suppressions
    BEGIN SELECT RAISE(ABORT, 'the suppression list is append-only'); END
    """,
    """
    CREATE TRIGGER suppressions_never_leave BEFORE DELETE ON suppressions
    WHEN NOT EXISTS (SELECT 1 FROM erasure_ends WHERE id = OLD.erasure AND how = 'undone')
    BEGIN SELECT RAISE(ABORT, 'the suppression list is append-only'); END
    """,
)


def upgrade() -> None:
    """Create the tables, and let the triggers know of erasure."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("subject", sa.Text()),
        sa.Column("identifiers", sa.Text()),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("asked_at", "due_at", "position")),
        sqlite_strict=True,
    )
    op.create_table(
        "erasure_ends",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("how", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("at", "events", "keys")),
        sa.CheckConstraint("how IN ('undone', 'executed')", name="ends"),
        sqlite_strict=True,
    )
    op.create_table(
        "suppressions",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("erasure", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", "erasure"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    for trigger in _TRIGGERS:
        op.execute(trigger)
