"""Sane things to test with; every field can be named to be different."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, insert, update

from baton.messages import HandleCallbackParam, TriggerParam
from baton.store import models
from baton.vocabulary import BlockStrategy, GlueType, HandleCode, OnLost, Outcome

from .clocks import NOON_MS

ACCESS_TOKEN = "a-token-for-tests-only-0123456789"


def executor_group(connection: Connection, **fields: Any) -> int:
    """Insert an executor group; answers its id."""
    values = {"app_name": f"group-{secrets.token_hex(4)}", "title": "A group", "created_at": NOON_MS}
    return _insert(connection, models.ExecutorGroup, {**values, **fields})


def job(connection: Connection, group_id: int, **fields: Any) -> int:
    """Insert a stopped job without schedule; answers its id."""
    values = {
        "group_id": group_id,
        "name": "A job",
        "schedule_type": "NONE",
        "executor_handler": "demo",
        "created_at": NOON_MS,
        "updated_at": NOON_MS,
    }
    return _insert(connection, models.Job, {**values, **fields})


def log_row(connection: Connection, group_id: int, job_id: int, **fields: Any) -> int:
    """Insert a pending log row; answers its log id."""
    values = {
        "group_id": group_id,
        "job_id": job_id,
        "trigger_key": f"manual:{secrets.token_hex(8)}",
        "trigger_type": "MANUAL",
        "fire_at": NOON_MS,
        "trigger_time": NOON_MS,
        "executor_handler": "demo",
    }
    return _insert(connection, models.JobLog, {**values, **fields})


def reports_have_counted(connection: Connection, until_id: int = 2**60) -> None:
    """All runs up to this one: they may be deleted then."""
    connection.execute(update(models.ReportProgress).values(counted_id=until_id))


def trigger_param(**fields: Any) -> TriggerParam:
    """A message that asks for a run."""
    values: dict[str, Any] = {
        "app_name": "demo",
        "job_id": 1,
        "log_id": 1,
        "log_date_time": NOON_MS,
        "fire_at_ms": NOON_MS,
        "executor_handler": "demo",
        "executor_params": "",
        "executor_block_strategy": BlockStrategy.SERIAL_EXECUTION.value,
        "executor_timeout": 0,
        "glue_type": GlueType.BEAN.value,
        "glue_source": "",
        "glue_updatetime": 0,
        "broadcast_index": 0,
        "broadcast_total": 1,
        "attempt": 1,
        "on_lost": OnLost.FAIL.value,
    }
    return TriggerParam(**{**values, **fields})


def callback_param(**fields: Any) -> HandleCallbackParam:
    """A message that says how a run ended: it succeeded."""
    values: dict[str, Any] = {
        "app_name": "demo",
        "log_id": 1,
        "log_date_time": NOON_MS,
        "handle_code": int(HandleCode.SUCCESS),
        "handle_msg": "",
        "outcome": Outcome.SUCCEEDED.value,
        "executor_address": "executor-1",
        "started_ms": NOON_MS,
        "ended_ms": NOON_MS + 1,
        "attempt": 1,
        "token": 1,
        "result": "",
    }
    return HandleCallbackParam(**{**values, **fields})


def _insert(connection: Connection, model: type[models.Base], values: dict[str, Any]) -> int:
    return connection.execute(insert(model).values(values)).inserted_primary_key[0]
