"""Who is told of a job, and from when on a run of it is late.

A job names its channels now; before, each channel named jobs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_JOB = sa.table("job", sa.column("id", sa.BigInteger()), sa.column("alarm_channel_ids", sa.String(255)))
_CHANNEL = sa.table(
    "alarm_channel",
    sa.column("id", sa.BigInteger()),
    sa.column("group_ids", sa.String(255)),
    sa.column("job_ids", sa.String(255)),
    sa.column("is_for_all", sa.Boolean()),
)


def upgrade() -> None:
    for column in (
        sa.Column("on_lateness", sa.String(8), server_default="ALARM", nullable=False),
        sa.Column("late_after_s", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("alarm_channel_ids", sa.String(255), server_default="", nullable=False),
        sa.Column("alarms_only_chosen", sa.Boolean(), server_default=sa.false(), nullable=False),
    ):
        op.add_column("job", column)
    op.add_column(
        "alarm_channel", sa.Column("is_for_all", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    connection = op.get_bind()
    named: defaultdict[int, list[int]] = defaultdict(list)
    for row in connection.execute(sa.select(_CHANNEL)).all():
        is_for_all = not row.group_ids and not row.job_ids
        connection.execute(sa.update(_CHANNEL).where(_CHANNEL.c.id == row.id).values(is_for_all=is_for_all))
        for job_id in _ids(row.job_ids):
            named[job_id].append(row.id)
    for job_id, channel_ids in named.items():
        values = {"alarm_channel_ids": ",".join(map(str, channel_ids))}
        connection.execute(sa.update(_JOB).where(_JOB.c.id == job_id).values(values))
    op.drop_column("alarm_channel", "job_ids")


def downgrade() -> None:
    op.add_column("alarm_channel", sa.Column("job_ids", sa.String(255), server_default="", nullable=False))
    connection = op.get_bind()
    named: defaultdict[int, list[int]] = defaultdict(list)
    for row in connection.execute(sa.select(_JOB).where(_JOB.c.alarm_channel_ids != "")).all():
        for channel_id in _ids(row.alarm_channel_ids):
            named[channel_id].append(row.id)
    for channel_id, job_ids in named.items():
        values = {"job_ids": ",".join(map(str, job_ids))}
        connection.execute(
            # one that is for all is so by naming nothing
            sa.update(_CHANNEL).where(_CHANNEL.c.id == channel_id, ~_CHANNEL.c.is_for_all).values(values)
        )
    op.drop_column("alarm_channel", "is_for_all")
    for name in ("alarms_only_chosen", "alarm_channel_ids", "late_after_s", "on_lateness"):
        op.drop_column("job", name)


def _ids(text: str) -> Iterable[int]:
    return [int(each) for each in text.split(",") if each]
