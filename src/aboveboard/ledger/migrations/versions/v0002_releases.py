"""The table of committed releases, append-only like the events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TEXTS = ("as_of", "manifest_sha256", "staged", "public", "keys")
_TRIGGERS = (
    """
    CREATE TRIGGER releases_never_change BEFORE UPDATE ON releases
    BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END
    """,
    """
    CREATE TRIGGER releases_never_leave BEFORE DELETE ON releases
    BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END
    """,
    """
    CREATE TRIGGER releases_are_committed_once BEFORE INSERT ON releases
    WHEN EXISTS (SELECT 1 FROM releases WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'a release is committed once'); END
    """,
)


def upgrade() -> None:
    """Create the table and its triggers."""
    op.create_table(
        "releases",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("bits", sa.Integer(), nullable=False),
        sqlite_strict=True,
    )
    for trigger in _TRIGGERS:
        op.execute(trigger)
