"""Among which triggers of a routed job its block strategy is judged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("job", sa.Column("serial_scope", sa.String(8), server_default="LANE", nullable=False))


def downgrade() -> None:
    op.drop_column("job", "serial_scope")
