"""A row as the push script and its executor get it."""

from __future__ import annotations

from baton.broker.producer import PushRow
from baton.messages import TriggerParam, needs_of
from baton.store import runs
from baton.store.glue import GlueVersionView
from baton.vocabulary import BlockStrategy, GlueType, OnLost, SerialScope


def is_script(row: runs.PendingRow) -> bool:
    """Whether its source travels in its message (pure)."""
    return row.glue_type.startswith("GLUE_")


def push_row(row: runs.PendingRow, lane: str, frame: bytes, *, already_judged: bool) -> PushRow:
    """What the push script is told about this row (pure)."""
    is_parallel = row.block_strategy == BlockStrategy.PARALLEL
    judged = BlockStrategy.PARALLEL if is_parallel else BlockStrategy.SERIAL_EXECUTION
    return PushRow(
        row.log_id,
        lane,
        judged if already_judged else row.block_strategy,
        row.attempt,
        on_lost(row),
        frame,
        expires_ms=row.expires_at,
        is_pinned=row.is_pinned,
        slots=row.max_concurrency if is_parallel else 1,
        is_of_job=row.serial_scope == SerialScope.JOB,
        priority=row.priority,
        max_queue=0 if already_judged else row.max_queue,
        needs=needs_of(row.glue_type, row.executor_handler),
    )


def trigger_param(
    row: runs.PendingRow, app_name: str, source: GlueVersionView | None = None, trace_parent: str = ""
) -> TriggerParam:
    """What the executor is told about this row, and the script it shall run (pure)."""
    return TriggerParam(
        app_name=app_name,
        job_id=row.job_id,
        log_id=row.log_id,
        log_date_time=row.trigger_time,
        fire_at_ms=row.fire_at_ms,
        executor_handler=row.executor_handler,
        executor_params=row.executor_param,
        executor_block_strategy=row.block_strategy,
        executor_timeout=row.executor_timeout,
        glue_type=row.glue_type,
        glue_source=source.source if source else "",
        glue_updatetime=source.created_at if source else 0,
        broadcast_index=row.shard_index,
        broadcast_total=row.shard_total,
        attempt=row.attempt,
        on_lost=on_lost(row),
        trace_parent=trace_parent,
    )


def on_lost(row: runs.PendingRow) -> str:
    """What becomes of it when its executor dies; for a job of RQ, another one goes on waiting (pure)."""
    return OnLost.RERUN if row.glue_type == GlueType.RQ else row.on_lost
