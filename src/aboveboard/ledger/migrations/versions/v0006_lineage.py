"""Lineage (orders, runs, checkpoints, models), and the outbox of removal lists: append-only like the events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _moments(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def _number() -> sa.Column[int]:
    return sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False)


_ONCE = {
    "lineage": "id = NEW.id",
    "lineage_edges": "child = NEW.child AND parent = NEW.parent",
    "deliveries": "release = NEW.release AND recipient = NEW.recipient",
    "removal_lists": "release = NEW.release AND number = NEW.number",
    "notice_answers": "notice = NEW.notice",
}
_APPENDED = (*_ONCE, "lineage_states", "lineage_aliases", "removals", "notice_attempts")
"""``INSERT OR REPLACE`` deletes without asking the delete trigger: what is there once may not be inserted again, and what
has a running number takes the next one."""


def upgrade() -> None:
    """Create the tables and their triggers."""
    op.create_table(
        "lineage", sa.Column("id", sa.Text(), primary_key=True), *_text("kind", "digest"), *_moments("at"),
        sa.Column("statement", sa.Text()), *_text("document"), sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "lineage_edges", *_text("child", "parent", "how"), sa.PrimaryKeyConstraint("child", "parent"),
        sqlite_strict=True, sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_index("lineage_edges_by_parent", "lineage_edges", ["parent"])
    op.create_table(
        "lineage_states", _number(), *_text("model", "state"), sa.Column("by", sa.Text()), *_moments("at"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "lineage_aliases", _number(), *_text("alias"), sa.Column("model", sa.Text()), *_moments("at"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "deliveries", *_text("release", "recipient"), *_moments("at"),
        sa.PrimaryKeyConstraint("release", "recipient"), sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "removals", _number(), *_text("release"), *_moments("at", "due"),
        sa.Column("leaves", sa.LargeBinary(), nullable=False), sqlite_strict=True,
    )  # fmt: skip
    op.create_index("removals_by_release", "removals", ["release"])
    op.create_table(
        "removal_lists", *_text("release"), *_moments("number"), *_text("digest"), *_moments("upto", "rows", "at", "due"),
        sa.Column("document", sa.LargeBinary(), nullable=False), sa.PrimaryKeyConstraint("release", "number"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "notice_attempts", _number(), *_text("notice"), *_moments("at"), *_text("outcome", "said"),
        sa.Column("next_at", sa.Integer()), sqlite_strict=True,
    )  # fmt: skip
    op.create_index("notice_attempts_by_notice", "notice_attempts", ["notice"])
    op.create_table(
        "notice_answers", sa.Column("notice", sa.Text(), primary_key=True), *_moments("at"), *_text("how"),
        sa.Column("document", sa.LargeBinary(), nullable=False), sqlite_strict=True,
    )  # fmt: skip
    for table in _APPENDED:
        _append_only(table)


def _append_only(table: str) -> None:
    taken = _ONCE.get(table)
    refused = (
        f"EXISTS (SELECT 1 FROM {table} WHERE {taken})"
        if taken
        else f"NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM {table})"
    )
    says = table.replace("_", " ")
    for name, when, where in (
        ("never_change", "UPDATE", ""),
        ("never_leave", "DELETE", ""),
        ("are_added_once", "INSERT", f"WHEN {refused}"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_{name} BEFORE {when} ON {table} {where} "
            f"BEGIN SELECT RAISE(ABORT, '{says}: only ever added to'); END"
        )
