"""Alarms: what people should be told, over which channels, and how far that has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EPOCH_MS = sa.BigInteger()
ZERO = sa.text("0")
UNROUTED = sa.text("not is_routed")
OPEN_ALARM = sa.text("is_open")
UNDELIVERED = sa.text("state in ('WAITING', 'SENDING')")


def upgrade() -> None:
    _create_channel()
    _create_alarm()
    _create_delivery()


def downgrade() -> None:
    for name in ("alarm_delivery", "alarm", "alarm_channel"):
        op.drop_table(name)


def _create_channel() -> None:
    op.create_table(
        "alarm_channel",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(128), server_default="", nullable=False),
        sa.Column("conditions", sa.String(255), nullable=False),
        sa.Column("group_ids", sa.String(255), server_default="", nullable=False),
        sa.Column("job_ids", sa.String(255), server_default="", nullable=False),
        sa.Column("subject", sa.String(255), server_default="", nullable=False),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.Column("quiet_from", sa.String(5), server_default="", nullable=False),
        sa.Column("quiet_to", sa.String(5), server_default="", nullable=False),
        sa.Column("time_zone", sa.String(64), server_default="UTC", nullable=False),
        sa.Column("quiet_action", sa.String(8), server_default="DELAY", nullable=False),
        sa.Column("dedupe_s", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarm_channel"),
        sa.UniqueConstraint("name", name="uq_alarm_channel_name"),
    )


def _create_alarm() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("alarm_key", sa.String(160), nullable=False),
        sa.Column("condition", sa.String(16), nullable=False),
        sa.Column("group_id", BIG_ID, nullable=False),
        sa.Column("job_id", BIG_ID, server_default=ZERO, nullable=False),
        sa.Column("log_id", BIG_ID, nullable=True),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", EPOCH_MS, nullable=False),
        sa.Column("is_routed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_open", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
        sa.UniqueConstraint("alarm_key", name="uq_alarm_alarm_key"),
    )
    op.create_index("ix_alarm_unrouted", "alarm", ["id"], sqlite_where=UNROUTED, postgresql_where=UNROUTED)
    op.create_index(
        "ix_alarm_open", "alarm", ["job_id"], sqlite_where=OPEN_ALARM, postgresql_where=OPEN_ALARM
    )
    op.create_index("ix_alarm_log_id", "alarm", ["log_id"])


def _create_delivery() -> None:
    op.create_table(
        "alarm_delivery",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("alarm_id", BIG_ID, nullable=False),
        sa.Column("channel_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("not_before", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.Column("tries", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("changed_at", EPOCH_MS, nullable=False),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarm_delivery"),
        sa.UniqueConstraint("alarm_id", "channel_id", name="uq_alarm_delivery_alarm_id_channel_id"),
        sa.ForeignKeyConstraint(
            ["alarm_id"], ["alarm.id"], name="fk_alarm_delivery_alarm_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["alarm_channel.id"], name="fk_alarm_delivery_channel_id", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_alarm_delivery_due", "alarm_delivery", ["not_before"],
        sqlite_where=UNDELIVERED, postgresql_where=UNDELIVERED,
    )  # fmt: skip
    op.create_index("ix_alarm_delivery_channel", "alarm_delivery", ["channel_id", "id"])
