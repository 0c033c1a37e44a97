"""What a job may say about its schedule, its queue, its executors and its retries."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EPOCH_MS = sa.BigInteger()
ZERO = sa.text("0")


def upgrade() -> None:
    _create_calendar()
    _create_api_token()
    for column in _job():  # plain ALTERs: no table is written again
        op.add_column("job", column)
    op.create_index("ix_job_declared_key", "job", ["declared_key"], unique=True)
    for column in _job_log():
        op.add_column("job_log", column)


def downgrade() -> None:
    for column in _job_log():
        op.drop_column("job_log", column.name)
    op.drop_index("ix_job_declared_key", "job")
    for column in _job():
        op.drop_column("job", column.name)
    op.drop_table("api_token")
    op.drop_table("calendar")


def _job() -> list[sa.Column[Any]]:
    return [
        sa.Column("dst_gap", sa.String(16), server_default="RUN_AFTER", nullable=False),
        sa.Column("dst_fold", sa.String(16), server_default="ONCE", nullable=False),
        sa.Column("start_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("end_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("jitter_s", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("calendar_id", BIG_ID, nullable=True),
        sa.Column("max_catchup", sa.Integer(), server_default=sa.text("10"), nullable=False),
        sa.Column("catchup_window_s", sa.Integer(), server_default=sa.text("86400"), nullable=False),
        sa.Column("start_deadline_s", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("executor_tag", sa.String(32), server_default="", nullable=False),
        sa.Column("max_concurrency", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("max_queue", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("5"), nullable=False),
        sa.Column("retry_delay_s", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("retry_backoff", sa.String(16), server_default="FIXED", nullable=False),
        sa.Column("retry_delay_max_s", sa.Integer(), server_default=sa.text("3600"), nullable=False),
        sa.Column("child_job_ids", sa.String(255), server_default="", nullable=False),
        sa.Column("pause_note", sa.String(255), server_default="", nullable=False),
        sa.Column("declared_key", sa.String(160), nullable=True),
        sa.Column("declared", sa.Text(), server_default="", nullable=False),
    ]


def _job_log() -> list[sa.Column[Any]]:
    return [
        sa.Column("not_before", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("expires_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("is_pinned", sa.Boolean(), server_default=sa.false(), nullable=False),
    ]


def _create_calendar() -> None:
    op.create_table(
        "calendar",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("rules", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", EPOCH_MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calendar"),
        sa.UniqueConstraint("name", name="uq_calendar_name"),
    )


def _create_api_token() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.Column("last_used_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("token_hash", name="uq_api_token_token_hash"),
    )
