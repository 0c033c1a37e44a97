"""Pending rows by the time they may be pushed: thousands that wait for theirs cost the pusher nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

PENDING = sa.text("trigger_code = 0 and handle_code = 0")


def upgrade() -> None:
    _index(["not_before", "id"])


def downgrade() -> None:
    _index(["id"])


def _index(columns: list[str]) -> None:
    op.drop_index("ix_job_log_pending", "job_log")
    op.create_index("ix_job_log_pending", "job_log", columns, sqlite_where=PENDING, postgresql_where=PENDING)
