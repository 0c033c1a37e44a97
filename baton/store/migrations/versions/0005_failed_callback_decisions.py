"""What people decided about failed callbacks: a replay that is under way, a discard and its reason."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TIMES = ("replayed_at", "discarded_at")
_TEXTS = (("discarded_by", sa.String(64)), ("discard_reason", sa.Text()))


def upgrade() -> None:
    for name in _TIMES:
        op.add_column("failed_callback", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name, kind in _TEXTS:
        op.add_column("failed_callback", sa.Column(name, kind, nullable=False, server_default=""))


def downgrade() -> None:
    for name in (*_TIMES, *(name for name, _ in _TEXTS)):
        op.drop_column("failed_callback", name)
