"""Tokens of programs that may write scripts; those that are there already may not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column(
        "api_token",
        sa.Column("may_write_scripts", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    with op.batch_alter_table("api_token") as table:
        table.drop_column("may_write_scripts")
