"""A Baton of real processes in a folder of its own: embedded Redis, SQLite, and the three roles."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import Engine

from baton.broker import presence, recovery
from baton.broker.client import connect
from baton.broker.embedded import EmbeddedRedis
from baton.broker.nudge import nudge
from baton.clock import SYSTEM_CLOCK
from baton.leash import leashed
from baton.store import groups, jobs, triggers
from baton.store.engine import make_engine, upgrade, write
from baton.store.jobs import JobDraft
from baton.store.triggers import NewTrigger
from baton.vocabulary import BlockStrategy, OnLost, TriggerType

from .handlers import STARTS

APP_NAME = "bench"
ROOT = Path(__file__).parent.parent
_BATCH = 500
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Installation:
    """What a benchmark talks to."""

    folder: Path
    server: EmbeddedRedis
    redis: Redis
    engine: Engine
    group_id: int
    token: str
    database_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def starts(self) -> Path:
        """The file of handler starts."""
        return self.folder / "starts"

    def start(self, name: str, *, called: str = "", **environ: str) -> None:
        """Start one role; its output goes to a file of the folder. `called`: one of several."""
        with (self.folder / f"{called or name}.log").open("ab") as log:
            self.processes[called or name] = subprocess.Popen(
                leashed([sys.executable, "-m", name]),
                cwd=ROOT,
                env={**os.environ, **self._environ(), **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_all(self, *, children: int) -> None:
        """Scheduler, callbacks, and one worker with `children` child processes; answers when it beats."""
        for name in ("scheduler", "callbacks"):
            self.start(name)
        self.start("worker", BATON_CONCURRENCY=str(children))
        self.wait_for(lambda: recovery.is_open(self.redis, APP_NAME), "the group to open")
        self.wait_for(self._handlers_are_known, "the worker's first beat with handlers")

    def jobs(self, count: int, handler: str) -> list[int]:
        """Jobs without schedule."""
        now_ms = SYSTEM_CLOCK.now_ms()
        with write(self.engine) as connection:
            return [
                jobs.create(connection, JobDraft(self.group_id, f"bench {n}", handler), now_ms)
                for n in range(count)
            ]

    def trigger(self, job_ids: list[int], count: int, *, handler: str = "noop") -> None:
        """Insert rows as programs that call the API do, a batch at a time, and say so."""
        for start in range(0, count, _BATCH):
            self.insert(job_ids, range(start, min(start + _BATCH, count)), handler=handler)
            nudge(self.redis)

    def insert(self, job_ids: list[int], numbers: Iterable[int], *, handler: str = "noop") -> None:
        """Insert rows, job by job in turn."""
        now_ms = SYSTEM_CLOCK.now_ms()
        rows = [
            NewTrigger(
                job_id=job_ids[n % len(job_ids)],
                group_id=self.group_id,
                trigger_key=triggers.key_api(uuid.uuid4().hex),
                trigger_type=TriggerType.API,
                fire_at_ms=now_ms,
                executor_handler=handler,
                executor_param="",
                executor_fail_retry_count=0,
                executor_timeout=0,
                block_strategy=BlockStrategy.SERIAL_EXECUTION,
                on_lost=OnLost.FAIL,
            )
            for n in numbers
        ]
        with write(self.engine) as connection:
            triggers.plan(connection, rows, now_ms)

    def wait_for(self, condition: Callable[[], Any], what: str, within_s: float = 60.0) -> None:
        """Look twenty times a second; raises with the processes' last words if it takes too long."""
        give_up_s = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > give_up_s:
                raise TimeoutError(f"waited {within_s} s for {what}; the logs:\n{self._logs()}")
            time.sleep(0.05)

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far by each role (with its children), and by Redis."""
        used = {name: _cpu_s_of_tree(process.pid) for name, process in self.processes.items()}
        return {**used, "redis": _cpu_s(self.server.pid)}

    def commands(self) -> int:
        """Commands that Redis has processed, those inside scripts included."""
        return int(self.redis.info("stats")["total_commands_processed"])

    def stop(self) -> None:
        """End everything, in the order in which a platform would."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.engine.dispose()
        self.redis.close()
        self.server.stop()

    def _handlers_are_known(self) -> bool:
        return any(executor.handlers for executor in presence.executors(self.redis, APP_NAME))

    def _environ(self) -> dict[str, str]:
        return {
            "BATON_ENV": "development",
            "BATON_ACCESS_TOKEN": self.token,
            "BATON_GROUP": APP_NAME,
            "BATON_HANDLERS": "bench.handlers",
            "BATON_STATE_DIR": str(self.folder / "state"),
            "BATON_LOG_DIR": str(self.folder / "logs"),
            "BATON_SPOOL_DIR": str(self.folder / "spool"),
            "REDIS_URL": self.server.url,
            "DATABASE_URL": self.database_url,
            STARTS: str(self.starts),
        }

    def _logs(self) -> str:
        return "\n".join(
            f"{path.name}: {path.read_text('utf-8', 'replace')[-1000:]}" for path in self.folder.glob("*.log")
        )


@contextlib.contextmanager
def installation(database_url: str | None = None) -> Iterator[Installation]:
    """A fresh one, gone afterwards; on SQLite, or in an empty database that is given."""
    folder = Path(tempfile.mkdtemp(prefix="baton-bench-"))
    url = database_url or f"sqlite:///{folder / 'baton.db'}"
    upgrade(url)
    engine = make_engine(url)
    with write(engine) as connection:
        group_id = groups.ensure(connection, APP_NAME, "Benchmarks", SYSTEM_CLOCK.now_ms())
    server = EmbeddedRedis.start(folder / "redis")
    installed = Installation(folder, server, connect(server.url), engine, group_id, secrets.token_hex(), url)
    try:
        yield installed
    finally:
        installed.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _cpu_s_of_tree(pid: int) -> float:
    children = _children_by_parent()
    waiting, used = [pid], 0.0
    while waiting:
        each = waiting.pop()
        used += _cpu_s(each)
        waiting += children.get(each, [])
    return used


def _children_by_parent() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    return children


def _cpu_s(pid: int) -> float:
    stat = _stat(pid)
    # own time, and that of children which have ended and were waited for
    return sum(int(ticks) for ticks in stat[11:15]) / _TICKS_PER_S if stat else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat behind the name; the first is the state."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return []
