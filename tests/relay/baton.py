"""A whole Baton of real processes, with the ledger as the judge: crash tests stay short.

baton = whole_baton(workers=2)
job_id = baton.job()
baton.trigger(job_id, 20)
baton.workers[0].kill()
baton.wait_until_ended()
assert baton.verdict(serial=[job_id]).is_clean
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, select, update

from baton.broker import recovery
from baton.broker.client import connect
from baton.broker.embedded import EmbeddedRedis
from baton.broker.nudge import nudge
from baton.broker.presence import executors
from baton.clock import SYSTEM_CLOCK
from baton.store import groups, triggers
from baton.store.engine import make_engine, write
from baton.store.models import Job, JobLog
from baton.store.triggers import NewTrigger
from baton.vocabulary import TriggerType
from tests import factories, ledger
from tests.processes import Process, Processes, same_run
from tests.waiting import until

from .handlers import LEDGER

APP_NAME = "relay"

QUICK = {
    "BATON_ENV": "development",
    "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
    "BATON_GROUP": APP_NAME,
    "BATON_HANDLERS": "tests.relay.handlers",
    "BATON_SWEEP_INTERVAL_S": "0.5",
    "BATON_BEAT_INTERVAL_S": "0.3",
    "BATON_EXECUTOR_DEAD_AFTER_S": "2",
    "BATON_KILL_GRACE_S": "1",
    "BATON_DRAIN_GRACE_S": "3",
    "BATON_LOG_LEVEL": "DEBUG",
}
"""The settings of a deployment, hurried up; the order of the numbers is kept."""


class Baton:
    """One installation: its servers, its processes, its ledger."""

    def __init__(
        self,
        folder: Path,
        start_redis: Callable[[], EmbeddedRedis],
        database_url: str,
        *,
        is_open: bool,
        **environ: str,
    ) -> None:
        self._start_redis = start_redis
        self.folder = folder
        self.redis_server = start_redis()
        self.redis: Redis = connect(self.redis_server.url)
        self.engine: Engine = make_engine(database_url)
        self.ledger = ledger.Ledger(folder / "ledger")
        self.processes = Processes(
            folder,
            {
                **_inherited(),
                **QUICK,
                LEDGER: str(self.ledger.path),
                "REDIS_URL": self.redis_server.url,
                "DATABASE_URL": database_url,
                "BATON_STATE_DIR": str(folder / "state"),
                "BATON_LOG_DIR": str(folder / "logs"),
                "BATON_SPOOL_DIR": str(folder / "spool"),
                **environ,
            },
        )
        self.schedulers: list[Process] = []
        self.workers: list[Process] = []
        self.callbacks: list[Process] = []
        with write(self.engine) as connection:
            self.group_id = groups.ensure(connection, APP_NAME, "Relay", SYSTEM_CLOCK.now_ms())
        if is_open:
            recovery.open_group(self.redis, APP_NAME)

    def start(self, *, schedulers: int = 0, workers: int = 0, callbacks: int = 0, **environ: str) -> None:
        """Start more processes; `environ` goes to these only (`BATON_FAILPOINTS="push.done=kill"`)."""
        self.schedulers += [self.processes.scheduler(**environ) for _ in range(schedulers)]
        self.workers += [self.processes.worker(**environ) for _ in range(workers)]
        self.callbacks += [self.processes.callbacks(**environ) for _ in range(callbacks)]

    def wait_for_workers(self, count: int, within_s: float = 20.0) -> None:
        """Wait until `count` executors beat."""
        until(lambda: len(executors(self.redis, APP_NAME)) >= count, within_s, f"{count} executors")

    def job(self, handler: str = "work", **fields: Any) -> int:
        """A job of the group without schedule; answers its id."""
        with write(self.engine) as connection:
            return factories.job(connection, self.group_id, executor_handler=handler, **fields)

    def trigger(self, job_id: int, times: int = 1, param: str = "", **fields: Any) -> list[str]:
        """Trigger the job as a person would, `times` times in one transaction; answers the trigger keys."""
        now_ms = SYSTEM_CLOCK.now_ms()
        facts = self._facts_of(job_id)
        keys = [triggers.key_manual(str(uuid.uuid4())) for _ in range(times)]
        rows = [
            NewTrigger(
                job_id=job_id,
                trigger_key=key,
                trigger_type=TriggerType.MANUAL,
                fire_at_ms=now_ms,
                executor_param=param,
                **{**facts, **fields},
            )
            for key in keys
        ]
        with write(self.engine) as connection:
            assert triggers.plan(connection, rows, now_ms) == times
        with contextlib.suppress(RedisError):  # while Redis is away, the scheduler looks by itself
            nudge(self.redis)
        return keys

    def rows(self) -> list[ledger.Row]:
        """All rows, oldest first."""
        return ledger.rows(self.engine)

    def outcomes(self) -> list[str | None]:
        """The outcomes of all rows, oldest first."""
        return [row.outcome for row in self.rows()]

    def facts(self) -> list[Any]:
        """All rows with all their columns, oldest first."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(JobLog.__table__).order_by(JobLog.id)))

    def plan_from_now(self, job_id: int) -> None:
        """Let the schedule of this job name the next whole second as its first fire time."""
        next_ms = (SYSTEM_CLOCK.now_ms() // 1000 + 1) * 1000
        with write(self.engine) as connection:
            connection.execute(update(Job).where(Job.id == job_id).values(next_trigger_time=next_ms))

    def descendants_of(self, pid: int) -> list[int]:
        """What the run in process `pid` started, and what left its group, by the mark they inherit."""
        return same_run(pid)

    def wait_until_ended(self, count: int = 1, within_s: float = 60.0) -> None:
        """Wait until there are at least `count` rows and all of them have ended."""

        def ended() -> bool:
            outcomes = self.outcomes()
            return len(outcomes) >= count and None not in outcomes

        until(ended, within_s, f"{count} rows to end; rows: {self._summary()}")

    def wait_for_start(self, within_s: float = 20.0, *, after: int = 0) -> ledger.Entry:
        """Wait until a handler has begun, beyond the first `after` starts; answers its entry."""

        def started() -> ledger.Entry | None:
            starts = [entry for entry in self.ledger.entries() if entry.what == ledger.START]
            return starts[after] if len(starts) > after else None

        return until(started, within_s, "a handler to start")

    def verdict(
        self,
        *,
        planned: Iterable[tuple[int, str]] = (),
        serial: Iterable[int] = (),
        in_order: bool = False,
    ) -> ledger.Verdict:
        """What the judge says: planned triggers, rows and ledger compared."""
        return ledger.judge(self.ledger, self.engine, planned=planned, serial_jobs=serial, in_order=in_order)

    def restart_redis(self) -> None:
        """Start the Redis server again on the same data and address; kill it first where that matters."""
        self.redis_server.stop()
        before = self.redis_server.url
        self.redis_server = self._start_redis()
        assert self.redis_server.url == before

    def clean_up(self) -> None:
        """End every process of this installation."""
        self.processes.clean_up()
        self.redis.close()
        self.engine.dispose()

    def _facts_of(self, job_id: int) -> dict[str, Any]:
        columns = (
            Job.group_id,
            Job.executor_handler,
            Job.executor_fail_retry_count,
            Job.executor_timeout,
            Job.block_strategy,
            Job.on_lost,
        )
        with self.engine.connect() as connection:
            return dict(connection.execute(select(*columns).where(Job.id == job_id)).mappings().one())

    def _summary(self) -> str:
        return ", ".join(f"{row.log_id}:{row.outcome or row.trigger_code}" for row in self.rows()[:50])


def _inherited() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
    return {"PYTHONUNBUFFERED": "1", **{name: os.environ[name] for name in kept if name in os.environ}}
