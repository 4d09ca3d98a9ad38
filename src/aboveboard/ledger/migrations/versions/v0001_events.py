"""The table of events, and the triggers that keep it append-only.

The triggers hold against every program that writes to the file, ours or not: no update, no delete, no gap, no
clock that runs backwards. The insert trigger also refuses a taken external id, because ``INSERT OR REPLACE``
deletes without asking the delete trigger.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TRIGGERS = (
    """
    CREATE TRIGGER events_never_change BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
    """
    CREATE TRIGGER events_never_leave BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END
    """,
    """
    CREATE TRIGGER events_follow_the_last BEFORE INSERT ON events
    WHEN NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM events)
      OR NEW.recorded_at < (SELECT recorded_at FROM events WHERE position = NEW.position - 1)
      OR EXISTS (SELECT 1 FROM events WHERE external_id = NEW.external_id)
    BEGIN
      SELECT RAISE(ABORT, 'an event has the next position, no earlier recorded_at and an external id of its own');
    END
    """,
)


def upgrade() -> None:
    """Create the table, its indexes and its triggers."""
    op.create_table(
        "events",
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("external_id", sa.Text()),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("category", "purpose", "recipient")),
        *(sa.Column(name, sa.Integer()) for name in ("past_from", "past_to")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("effective_at", "recorded_at")),
        sa.Column("expires_at", sa.Integer()),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("verified", "effective_verified")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("actor", "method")),
        *(sa.Column(name, sa.Text()) for name in ("notice", "language")),
        sa.Column("vocabulary", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text()),
        sa.CheckConstraint("verified IN (0, 1) AND effective_verified IN (0, 1)", name="flags"),
        sqlite_strict=True,
    )
    op.create_index("events_external_id", "events", ["external_id"], unique=True)
    op.create_index("events_subject", "events", ["subject"])  # an index of SQLite ends in the position
    for trigger in _TRIGGERS:
        op.execute(trigger)
