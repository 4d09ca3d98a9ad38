"""What a platform took out by question, what waits for a second person, and which releases were looked at again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TRIGGERS = (
    """
    CREATE TRIGGER retractions_never_change BEFORE UPDATE ON retractions
    BEGIN SELECT RAISE(ABORT, 'what was taken out stays out'); END
    """,
    """
    CREATE TRIGGER retractions_never_leave BEFORE DELETE ON retractions
    BEGIN SELECT RAISE(ABORT, 'what was taken out stays out'); END
    """,
    """
    CREATE TRIGGER reviews_never_change BEFORE UPDATE ON reviews
    BEGIN SELECT RAISE(ABORT, 'what was looked at was looked at then'); END
    """,
    """
    CREATE TRIGGER retractions_follow_each_other BEFORE INSERT ON retractions
    WHEN NEW.number IS NOT (SELECT count(*) + 1 FROM retractions)
    BEGIN SELECT RAISE(ABORT, 'withdrawals by question follow each other'); END
    """,
)


def upgrade() -> None:
    """Create the tables and their triggers."""
    op.create_table(
        "retractions",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("recorded_at", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("listed", sa.Text()),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("confirmed_by", sa.Text()),
        sqlite_strict=True,
    )
    op.create_table(
        "retraction_proposals",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("asked_by", sa.Text(), primary_key=True),
        sa.Column("recorded_at", sa.Integer(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "reviews",
        sa.Column("release", sa.Text(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("taken_out", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sqlite_strict=True,
    )
    for trigger in _TRIGGERS:
        op.execute(trigger)
