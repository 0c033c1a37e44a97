"""The first tables: groups, jobs, their runs, what could not be applied, and who may sign in."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EPOCH_MS = sa.BigInteger()
ZERO = sa.text("0")
ONE = sa.text("1")

TABLES = (
    "executor_group",
    "job",
    "job_log",
    "failed_callback",
    "user",
    "user_session",
    "sign_in_link",
    "audit_event",
)


def upgrade() -> None:
    _create_executor_group()
    _create_job()
    _create_job_log()
    _create_failed_callback()
    _create_user()
    _create_user_session()
    _create_sign_in_link()
    _create_audit_event()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_executor_group() -> None:
    op.create_table(
        "executor_group",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("app_name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_executor_group"),
        sa.UniqueConstraint("app_name", name="uq_executor_group_app_name"),
        sqlite_autoincrement=True,
    )


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("group_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("author", sa.String(length=64), server_default="", nullable=False),
        sa.Column("schedule_type", sa.String(length=16), nullable=False),
        sa.Column("schedule_conf", sa.String(length=256), server_default="", nullable=False),
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("misfire_strategy", sa.String(length=32), server_default="DO_NOTHING", nullable=False),
        sa.Column("route_strategy", sa.String(length=32), server_default="ANY", nullable=False),
        sa.Column("block_strategy", sa.String(length=32), server_default="SERIAL_EXECUTION", nullable=False),
        sa.Column("glue_type", sa.String(length=32), server_default="BEAN", nullable=False),
        sa.Column("executor_handler", sa.String(length=128), nullable=False),
        sa.Column("executor_param", sa.Text(), server_default="", nullable=False),
        sa.Column("executor_timeout", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("executor_fail_retry_count", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("on_lost", sa.String(length=8), server_default="FAIL", nullable=False),
        sa.Column("retry_refused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("trigger_status", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("last_trigger_time", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("next_trigger_time", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("stop_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default=ONE, nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.Column("updated_at", EPOCH_MS, nullable=False),
        sa.CheckConstraint("executor_fail_retry_count >= 0", name="ck_job_executor_fail_retry_count"),
        sa.CheckConstraint("executor_timeout >= 0", name="ck_job_executor_timeout"),
        sa.CheckConstraint("trigger_status in (0, 1)", name="ck_job_trigger_status"),
        sa.ForeignKeyConstraint(["group_id"], ["executor_group.id"], name="fk_job_group_id"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_due", "job", ["next_trigger_time"], **_where("trigger_status = 1"))
    op.create_index("ix_job_group_id", "job", ["group_id"])


def _create_job_log() -> None:
    op.create_table(
        "job_log",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("group_id", BIG_ID, nullable=False),
        sa.Column("job_id", BIG_ID, nullable=False),
        sa.Column("trigger_key", sa.String(length=128), nullable=False),
        sa.Column("shard_index", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("shard_total", sa.Integer(), server_default=ONE, nullable=False),
        sa.Column("trigger_type", sa.String(length=16), nullable=False),
        sa.Column("fire_at", EPOCH_MS, nullable=False),
        sa.Column("parent_log_id", BIG_ID, nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=ONE, nullable=False),
        sa.Column("executor_address", sa.String(length=255), server_default="", nullable=False),
        sa.Column("executor_handler", sa.String(length=128), nullable=False),
        sa.Column("executor_param", sa.Text(), server_default="", nullable=False),
        sa.Column("executor_sharding_param", sa.String(length=32), server_default="", nullable=False),
        sa.Column("executor_fail_retry_count", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("executor_timeout", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("block_strategy", sa.String(length=32), server_default="SERIAL_EXECUTION", nullable=False),
        sa.Column("on_lost", sa.String(length=8), server_default="FAIL", nullable=False),
        sa.Column("trigger_time", EPOCH_MS, nullable=False),
        sa.Column("trigger_code", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("trigger_msg", sa.Text(), nullable=True),
        sa.Column("pushed_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("started_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("handle_time", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("handle_code", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("handle_msg", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("token", BIG_ID, server_default=ZERO, nullable=False),
        sa.Column("alarm_status", sa.Integer(), server_default=ZERO, nullable=False),
        sa.CheckConstraint("(handle_code = 0) = (handle_time = 0)", name="ck_job_log_handle_time_with_code"),
        sa.CheckConstraint(
            "(outcome is null) = (handle_code = 0 and trigger_code <> 500)", name="ck_job_log_outcome_at_end"
        ),
        sa.CheckConstraint("trigger_code in (0, 200, 500)", name="ck_job_log_trigger_code"),
        sa.PrimaryKeyConstraint("id", name="pk_job_log"),
        sa.UniqueConstraint(
            "job_id", "trigger_key", "shard_index", name="uq_job_log_job_id_trigger_key_shard_index"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_log_group", "job_log", ["group_id", "id"])
    op.create_index("ix_job_log_job", "job_log", ["job_id", "id"])
    op.create_index("ix_job_log_pending", "job_log", ["id"], **_where("trigger_code = 0 and handle_code = 0"))
    op.create_index("ix_job_log_trigger_time", "job_log", ["trigger_time"])
    op.create_index("ix_job_log_unfinished", "job_log", ["group_id", "id"], **_where("outcome is null"))
    op.create_index(
        "ix_job_log_unsuccessful",
        "job_log",
        ["id"],
        **_where("outcome is not null and outcome <> 'succeeded'"),
    )


def _create_failed_callback() -> None:
    op.create_table(
        "failed_callback",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("app_name", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.String(length=48), nullable=False),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("log_id", BIG_ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen", EPOCH_MS, nullable=False),
        sa.Column("last_seen", EPOCH_MS, nullable=False),
        sa.Column("tries", sa.Integer(), server_default=ONE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_failed_callback"),
        sa.UniqueConstraint(
            "app_name", "entry_id", "field", name="uq_failed_callback_app_name_entry_id_field"
        ),
    )


def _create_user() -> None:
    op.create_table(
        "user",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("name", name="uq_user_name"),
    )


def _create_user_session() -> None:
    op.create_table(
        "user_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.Column("expires_at", EPOCH_MS, nullable=False),
        sa.Column("last_seen_at", EPOCH_MS, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_user_session_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_user_session"),
    )


def _create_sign_in_link() -> None:
    op.create_table(
        "sign_in_link",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.Column("expires_at", EPOCH_MS, nullable=False),
        sa.Column("used_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_sign_in_link"),
    )


def _create_audit_event() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("at", EPOCH_MS, nullable=False),
        sa.Column("user_name", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("facts", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
    )


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
