"""How long the runs of a group are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_COLUMNS = ("keep_days", "keep_failed_days", "keep_runs")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("executor_group", sa.Column(name, sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("executor_group", name)
