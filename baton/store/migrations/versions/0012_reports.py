"""Reports: what became of the runs of each day, kept when their rows are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EPOCH_MS = sa.BigInteger()
ZERO = sa.text("0")
COUNTS = (
    "triggered", "succeeded", "failed", "timed_out", "killed", "covered", "discarded", "lost", "refused",
    "expired",
)  # fmt: skip
HISTOGRAMS = ("run_times", "wait_times", "lateness")


def upgrade() -> None:
    _create_report()
    op.create_table(
        "report_open",
        sa.Column("log_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("counted_as", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("log_id", name="pk_report_open"),
    )
    op.create_table(
        "report_name",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_report_name"),
    )
    progress = op.create_table(
        "report_progress",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counted_id", BIG_ID, server_default=ZERO, nullable=False),
        sa.Column("looked_id", BIG_ID, server_default=ZERO, nullable=False),
        sa.Column("counted_at", EPOCH_MS, server_default=ZERO, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report_progress"),
    )
    op.bulk_insert(progress, [{"id": 1}])


def downgrade() -> None:
    for name in ("report_progress", "report_name", "report_open", "report"):
        op.drop_table(name)


def _create_report() -> None:
    op.create_table(
        "report",
        sa.Column("span", sa.String(4), nullable=False),
        sa.Column("group_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("job_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("period", sa.String(16), nullable=False),
        *(sa.Column(name, sa.Integer(), server_default=ZERO, nullable=False) for name in COUNTS),
        sa.Column("run_ms", sa.BigInteger(), server_default=ZERO, nullable=False),
        *(sa.Column(name, sa.Text(), server_default="", nullable=False) for name in HISTOGRAMS),
        sa.PrimaryKeyConstraint("span", "group_id", "job_id", "period", name="pk_report"),
    )
    op.create_index("ix_report_span_period", "report", ["span", "period", "job_id"])
    op.create_index("ix_report_job", "report", ["job_id", "span", "period"])
