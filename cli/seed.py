"""`baton seed`: the demo group and its jobs, once. What a person changed or deleted stays so."""

from __future__ import annotations

import argparse
import os
import uuid
from pathlib import Path

from sqlalchemy import Connection, Engine

import config
from baton.broker import recovery
from baton.broker.client import connect
from baton.clock import SYSTEM_CLOCK
from baton.store import groups, jobs, triggers
from baton.store.engine import make_engine, write
from baton.store.jobs import JobDraft
from baton.vocabulary import BlockStrategy, OnLost, ScheduleType, TriggerType

from . import state
from .parsing import Parser, add_json
from .printing import say

APP_NAME = "demo"
SERIAL = "Slow and serial"
_AT_ONCE = 3
"""Triggers of the serial job at the start: one runs, the others can be seen waiting."""


def add_arguments(parser: Parser) -> None:
    """`--json`."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Insert the demo group, unless it is there."""
    made = demo(config.load(state.environment(os.environ)))
    words = "The demo group is there now." if made else "The demo group was there already; nothing changed."
    say({"group": APP_NAME, "created": made}, words, as_json=arguments.json)
    return 0


def demo(settings: config.Settings) -> bool:
    """Insert the demo group and start its jobs; False if there is such a group already."""
    engine = make_engine(settings.database_url)
    try:
        is_new = _insert(engine, SYSTEM_CLOCK.now_ms())
    finally:
        engine.dispose()
    if is_new:
        # nobody can be running anything of a group that was made just now: nothing to wait for
        with connect(settings.redis_url) as redis:
            recovery.open_group(redis, APP_NAME)
    return is_new


def _insert(engine: Engine, now_ms: int) -> bool:
    with write(engine) as connection:
        if any(group.app_name == APP_NAME for group in groups.all_groups(connection)):
            return False
        group_id = groups.ensure(connection, APP_NAME, "Demo", now_ms)
        for draft in _drafts(group_id, engine):
            job_id = jobs.create(connection, draft, now_ms)
            jobs.follow(connection, job_id, now_ms)
            if draft.name == SERIAL:
                _trigger(connection, job_id, now_ms)
    return True


def _drafts(group_id: int, engine: Engine) -> list[JobDraft]:
    """One job for each thing that can become of a run; together they need three of four slots."""
    drafts = [
        JobDraft(
            group_id=group_id,
            name="Report the disk",
            description="Quick and successful. Its result stands on the page of each run.",
            executor_handler="report-disk",
            schedule_type=ScheduleType.FIX_RATE,
            schedule_conf="10",
        ),
        JobDraft(
            group_id=group_id,
            name="Pack and checksum the handlers",
            description="By cron, every minute.",
            executor_handler="compress-folder",
            schedule_type=ScheduleType.CRON,
            schedule_conf="* * * * *",
        ),
        JobDraft(
            group_id=group_id,
            name=SERIAL,
            description=(
                "SERIAL_EXECUTION: triggers wait for each other. Watch its log grow, or kill it. If its "
                "worker dies, it runs again."
            ),
            executor_handler="count-slowly",
            executor_param="20",
            schedule_type=ScheduleType.FIX_RATE,
            schedule_conf="60",
            on_lost=OnLost.RERUN,
        ),
        JobDraft(
            group_id=group_id,
            name="Discards what comes too early",
            description="DISCARD_LATER: it takes 15 s and is triggered every 10 s.",
            executor_handler="count-slowly",
            executor_param="15",
            schedule_type=ScheduleType.FIX_RATE,
            schedule_conf="10",
            block_strategy=BlockStrategy.DISCARD_LATER,
        ),
        JobDraft(
            group_id=group_id,
            name="Covered by its successor",
            description="COVER_EARLY: it takes 60 s and is triggered every 20 s.",
            executor_handler="count-slowly",
            executor_param="60",
            schedule_type=ScheduleType.FIX_RATE,
            schedule_conf="20",
            block_strategy=BlockStrategy.COVER_EARLY,
        ),
        JobDraft(
            group_id=group_id,
            name="Fails on purpose",
            description="Fails with a traceback, and once more in its retry.",
            executor_handler="fail-on-purpose",
            schedule_type=ScheduleType.FIX_RATE,
            schedule_conf="30",
            executor_fail_retry_count=1,
        ),
        JobDraft(
            group_id=group_id,
            name="Takes too long",
            description="Would sleep for a minute; its timeout of 5 s ends it.",
            executor_handler="take-too-long",
            executor_param="60",
            executor_timeout=5,
            schedule_type=ScheduleType.FIX_RATE,
            schedule_conf="30",
        ),
    ]
    if engine.dialect.name == "sqlite":
        drafts.append(
            JobDraft(
                group_id=group_id,
                name="Back up this database",
                description="Copies the SQLite file while it is in use, and checks the copy.",
                executor_handler="backup-sqlite",
                executor_param=str(Path(engine.url.database or "").absolute()),
                schedule_type=ScheduleType.FIX_RATE,
                schedule_conf="60",
            )
        )
    return drafts


def _trigger(connection: Connection, job_id: int, now_ms: int) -> None:
    job = jobs.get(connection, job_id)
    if job is not None:
        keys = [triggers.key_manual(str(uuid.uuid4())) for _ in range(_AT_ONCE)]
        rows = [triggers.of_job(job, key, TriggerType.MANUAL, now_ms) for key in keys]
        triggers.plan(connection, rows, now_ms)
