"""One real executor on a real Redis, and the other side of its conversation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis

from baton.broker import control, presence, recovery
from baton.broker.client import connect_blocking
from baton.broker.producer import Producer, PushRow
from baton.broker.results import ResultItem, Results
from baton.envelope import group_key, seal, unseal
from baton.messages import HandleCallbackParam, TriggerParam, needs_of
from tests import factories
from tests.processes import Process, Processes
from tests.waiting import until

GROUP = "executors"
KEY = group_key(factories.ACCESS_TOKEN, GROUP)
DAY_MS = 1_700_000_000_000


@dataclass
class World:
    redis: Redis
    processes: Processes
    folder: Path
    results: Results
    ended: dict[int, ResultItem] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def start(self, **environ: str) -> Process:
        worker = self.processes.worker(**environ)
        until(lambda: any(e.handlers for e in presence.executors(self.redis, GROUP)), 20, "an executor")
        return worker

    def push(self, handler: str, param: str = "", *, frame: bytes | None = None, **fields: object) -> int:
        row = self.row(handler, param, frame=frame, **fields)
        Producer(self.redis).push(GROUP, [row])
        return row.log_id

    def push_together(self, *rows: PushRow) -> list[int]:
        """One push: one claim can take them all."""
        Producer(self.redis).push(GROUP, rows)
        return [row.log_id for row in rows]

    def row(self, handler: str, param: str = "", *, frame: bytes | None = None, **fields: object) -> PushRow:
        log_id = next(self.ids)
        job_id = int(str(fields.pop("job_id", log_id)))
        strategy = str(fields.pop("strategy", "SERIAL_EXECUTION"))
        facts: dict[str, object] = {
            "app_name": GROUP, "job_id": job_id, "log_id": log_id, "log_date_time": DAY_MS,
            "fire_at_ms": DAY_MS, "executor_handler": handler, "executor_params": param,
            "executor_block_strategy": strategy, "executor_timeout": 0, "glue_type": "BEAN",
            "glue_source": "", "glue_updatetime": 0, "broadcast_index": 0, "broadcast_total": 1,
            "attempt": 1, "on_lost": "FAIL", **fields,
        }  # fmt: skip
        sealed = frame if frame is not None else seal(TriggerParam(**facts), KEY)  # type: ignore[arg-type]
        needs = needs_of(str(facts["glue_type"]), handler)
        on_lost = str(facts["on_lost"])
        return PushRow(log_id, str(job_id), strategy, 1, on_lost, sealed, needs=needs)

    def ending(self, log_id: int, within_s: float = 15) -> HandleCallbackParam:
        """What the executor said about the end of a run."""
        return unseal(self.result(log_id, within_s).frame, HandleCallbackParam, KEY)

    def result(self, log_id: int, within_s: float = 15) -> ResultItem:
        """The first word in the stream about the end of a run."""

        def there() -> bool:
            if log_id in self.ended:
                return True
            entries = self.results.read([GROUP], count=100, block_ms=20)
            for entry in entries:
                self.ended = {item.log_id: item for item in entry.items} | self.ended
            self.results.acknowledge(entries)
            return log_id in self.ended

        until(there, within_s, f"the ending of {log_id}")
        return self.ended[log_id]

    def log_of(self, log_id: int) -> str:
        return (self.folder / "logs" / "2023-11-14" / f"{log_id}.log").read_text("utf-8")

    def wait_until_running(self, log_id: int) -> None:
        path = self.folder / "logs" / "2023-11-14" / f"{log_id}.log"
        until(path.exists, 10, f"run {log_id} to start")

    def kill(self, log_id: int, job_id: int | None = None) -> control.CancelVerdict:
        return control.cancel(self.redis, GROUP, log_id, str(job_id or log_id), "killed by a test")


@pytest.fixture
def redis_url(one_redis_url: str) -> str:
    """Most of what an executor does has nothing to do with the server; who tries that names both kinds."""
    return one_redis_url


@pytest.fixture
def redis_client(one_redis: Redis) -> Redis:
    """A client of the same server."""
    return one_redis


@pytest.fixture
def world(redis_url: str, redis_client: Redis, tmp_path: Path) -> Iterator[World]:
    environ = {
        "PATH": "/usr/bin:/bin",
        "REDIS_URL": redis_url,
        "BATON_ENV": "development",
        "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
        "BATON_GROUP": GROUP,
        "BATON_HANDLERS": "tests.worker.handlers_for_tests",
        "BATON_LOG_DIR": str(tmp_path / "logs"),
        "BATON_SPOOL_DIR": str(tmp_path / "spool"),
        "BATON_KILL_GRACE_S": "0.5",
        "BATON_DRAIN_GRACE_S": "0.5",
        "BATON_BEAT_INTERVAL_S": "0.3",
        "BATON_EXECUTOR_DEAD_AFTER_S": "3",
        "BATON_CONCURRENCY": "2",
        "BATON_LOG_LEVEL": "DEBUG",
    }
    recovery.open_group(redis_client, GROUP)
    blocking = connect_blocking(redis_url)
    processes = Processes(tmp_path, environ)
    yield World(redis_client, processes, tmp_path, Results(redis_client, blocking, "judge"))
    processes.clean_up()
    blocking.close()


@pytest.fixture
def alive_with() -> Callable[[str], list[int]]:
    """The processes of the executor's children, found by what they inherit."""

    def find(marker: str) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and marker.encode() in (entry / "environ").read_bytes():
                    state = (entry / "stat").read_text().rpartition(") ")[2][0]
                    found += [int(entry.name)] if state != "Z" else []
            except OSError:
                continue
        return found

    return find
