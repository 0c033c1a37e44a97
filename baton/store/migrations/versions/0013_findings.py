"""What the invariant scanner saw, and when it looked last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EPOCH_MS = sa.BigInteger()
ZERO = sa.text("0")


def upgrade() -> None:
    op.create_table(
        "finding",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("check_name", sa.String(64), nullable=False),
        sa.Column("app_name", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("log_id", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("job_id", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("executor_id", sa.String(255), server_default="", nullable=False),
        sa.Column("lane", sa.String(255), server_default="", nullable=False),
        sa.Column("first_seen", EPOCH_MS, nullable=False),
        sa.Column("last_seen", EPOCH_MS, nullable=False),
        sa.Column("sightings", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mark", sa.String(48), server_default="", nullable=False),
        sa.Column("is_confirmed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_finding"),
        sa.UniqueConstraint(
            "check_name", "app_name", "subject", name="uq_finding_check_name_app_name_subject"
        ),
    )
    op.create_table(
        "scan",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("began_at", EPOCH_MS, nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("by_whom", sa.String(128), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("keys", sa.Integer(), nullable=False),
        sa.Column("reached", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scan"),
        sa.CheckConstraint("id = 1", name="ck_scan_only_the_last"),
    )


def downgrade() -> None:
    op.drop_table("scan")
    op.drop_table("finding")
