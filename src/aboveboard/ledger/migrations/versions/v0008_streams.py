"""Which events of compliance streams were heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TRIGGERS = (
    """
    CREATE TRIGGER stream_events_never_change BEFORE UPDATE ON stream_events
    BEGIN SELECT RAISE(ABORT, 'what a stream said is append-only'); END
    """,
    """
    CREATE TRIGGER stream_events_never_leave BEFORE DELETE ON stream_events
    BEGIN SELECT RAISE(ABORT, 'what a stream said is append-only'); END
    """,
)


def upgrade() -> None:
    """Create the table and its triggers."""
    op.create_table(
        "stream_events",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("verified", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "event", "verified"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    for trigger in _TRIGGERS:
        op.execute(trigger)
