"""Which release took the place of which: append-only, and each release is replaced once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

_TRIGGERS = (
    """
    CREATE TRIGGER retirements_never_change BEFORE UPDATE ON retirements
    BEGIN SELECT RAISE(ABORT, 'retirements are append-only'); END
    """,
    """
    CREATE TRIGGER retirements_never_leave BEFORE DELETE ON retirements
    BEGIN SELECT RAISE(ABORT, 'retirements are append-only'); END
    """,
    """
    CREATE TRIGGER a_release_is_superseded_once BEFORE INSERT ON retirements
    WHEN EXISTS (SELECT 1 FROM retirements WHERE release = NEW.release)
    BEGIN SELECT RAISE(ABORT, 'a release is superseded once'); END
    """,
    """
    CREATE TRIGGER only_what_was_committed_retires BEFORE INSERT ON retirements
    WHEN NEW.release = NEW.superseded_by OR (SELECT count(*) FROM releases WHERE id IN (NEW.release, NEW.superseded_by)) <> 2
    BEGIN SELECT RAISE(ABORT, 'both releases have to be committed'); END
    """,
)


def upgrade() -> None:
    """Create the table and its triggers."""
    op.create_table(
        "retirements",
        sa.Column("release", sa.Text(), primary_key=True),
        sa.Column("superseded_by", sa.Text(), nullable=False, unique=True),
        sa.Column("retired_at", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    for trigger in _TRIGGERS:
        op.execute(trigger)
