"""Loads and outages for whole installations: seconds long in `tests/relay`, minutes in `tests/chaos`."""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from baton.clock import SYSTEM_CLOCK
from baton.scanner.look import Report, look
from baton.store import alarm_channels, findings
from baton.store.alarm_channels import ChannelDraft
from baton.store.engine import read, write
from baton.vocabulary import AlarmCondition, ChannelKind
from tests.waiting import until

from .baton import APP_NAME, Baton

STREAM = f"baton:{{{APP_NAME}}}:results"
STEADY = {
    "BATON_BEAT_INTERVAL_S": "3",
    "BATON_EXECUTOR_DEAD_AFTER_S": "12",
    "BATON_SWEEP_INTERVAL_S": "5",
    "BATON_LOG_LEVEL": "INFO",
}
"""The settings of a deployment: an outage is long, and a busy machine is slow."""


class Finishes:
    """Counts in the database itself how often each row was ended."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.begin() as connection:
            connection.execute(text("create table test_finish (log_id bigint not null)"))
            for statement in _COUNTING[engine.dialect.name]:
                connection.execute(text(statement))

    def counts(self) -> Counter[int]:
        """Log id -> how often it was ended."""
        with self._engine.connect() as connection:
            found = connection.execute(text("select log_id, count(*) from test_finish group by log_id"))
            return Counter(dict(map(tuple, found)))


_COUNTING: Mapping[str, tuple[str, ...]] = {
    "sqlite": (
        """create trigger test_count after update of outcome on job_log
        begin insert into test_finish values (new.id); end""",
    ),
    "postgresql": (
        """create function test_count() returns trigger language plpgsql as
        $$ begin insert into test_finish values (new.id); return null; end $$""",
        """create trigger test_count after update of outcome on job_log
        for each row execute function test_count()""",
    ),
}


@dataclass(frozen=True)
class Family:
    """What was triggered, and what has to follow from it."""

    parents: int
    failing: int
    plain: int

    @property
    def results(self) -> int:
        """Each success of a parent has a child; each failure, and its retry, are results too."""
        return 2 * self.parents + 2 * self.failing + self.plain


def trigger_family(baton: Baton, family: Family, jobs: int) -> None:
    """Trigger runs of `jobs` jobs of each kind: with a child, failing with one retry, and plain."""
    for _ in range(jobs):
        child = baton.job("work")
        parent = baton.job("work", child_job_ids=str(child))
        failing = baton.job("fail", executor_fail_retry_count=1)
        plain = baton.job("work")
        for job_id, runs in (parent, family.parents), (failing, family.failing), (plain, family.plain):
            if runs:
                baton.trigger(job_id, runs // jobs)


def what_followed(engine: Engine) -> Counter[str]:
    """How many rows of each kind there are: their outcome, and whether they have followers of a kind."""
    statement = text(
        "select r.trigger_type, r.outcome, "
        "(select count(*) from job_log f where f.parent_log_id = r.id and f.trigger_type = 'PARENT'), "
        "(select count(*) from job_log f where f.parent_log_id = r.id and f.trigger_type = 'RETRY') "
        "from job_log r"
    )
    with engine.connect() as connection:
        return Counter(
            f"{kind} {outcome}: {children} children, {retries} retries"
            for kind, outcome, children, retries in connection.execute(statement)
        )


def alarms_raised(engine: Engine) -> Counter[str]:
    """How many failures of each kind of run are alarmed about, and how often."""
    statement = text(
        "select r.trigger_type, a.times from job_log r "
        "join (select log_id, count(*) as times from alarm where condition = 'FAILED' group by log_id) a "
        "on a.log_id = r.id"
    )
    with engine.connect() as connection:
        return Counter(f"{kind}: told {times} times" for kind, times in connection.execute(statement))


def tell_of_failures(baton: Baton, mail_url: str, webhook_url: str) -> None:
    """Start what tells people, by mail and by a webhook on this machine."""
    drafts = [
        ChannelDraft("mail", ChannelKind.APPRISE, mail_url, conditions=AlarmCondition.FAILED),
        ChannelDraft("hook", ChannelKind.WEBHOOK, webhook_url, "s3cret", conditions=AlarmCondition.FAILED),
    ]
    with write(baton.engine) as connection:
        for draft in drafts:
            alarm_channels.create(connection, draft, SYSTEM_CLOCK.now_ms())
    baton.processes.background(BATON_WEBHOOK_HOSTS="private:127.0.0.1")


@contextmanager
def while_(step: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `step` again and again while the block runs; a failure of it fails the test."""
    stop = threading.Event()
    problems: list[BaseException] = []

    def run() -> None:
        try:
            while not stop.wait(every_s):
                step()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert problems == []


class Doubler:
    """Sends a share of all results twice, as an executor does whose connection broke after a settle."""

    def __init__(self, baton: Baton, share: float, seed: int) -> None:
        self._redis = baton.redis
        self._share = share
        self._chance = random.Random(seed)
        self._after = b"0-0"
        self.sent = 0

    def step(self) -> None:
        """Look at what is new in the stream."""
        for _stream, entries in self._redis.xread({STREAM: self._after}, count=1000, block=100) or []:
            for entry_id, fields in entries:
                self._after = entry_id
                again = {name: value for name, value in fields.items() if self._chance.random() < self._share}
                if again:
                    # its own copies pass by here too, and a few of them are sent a third time
                    self._redis.xadd(STREAM, again)
                    self.sent += len(again)


class ConsumerKiller:
    """SIGKILL for the oldest consumer, and a new one in its place."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self.killed = 0

    def step(self) -> None:
        """Kill one."""
        self._baton.callbacks.pop(0).kill()
        self.killed += 1
        self._baton.start(callbacks=1)


class Killer:
    """SIGKILL for the oldest process of each role in turn, and a new one in its place."""

    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._roles = itertools.cycle(["workers", "callbacks", "schedulers"])
        self.killed = 0

    def step(self) -> None:
        """Kill one. To be called by the main thread: a process ends with the thread that started it."""
        role = next(self._roles)
        getattr(self._baton, role).pop(0).kill()
        self._baton.start(**{role: 1})
        self.killed += 1


class Looker:
    """Looks for broken invariants again and again, and keeps what it finds."""

    def __init__(self, baton: Baton, grace_s: float) -> None:
        self._baton = baton
        self._grace_s = grace_s
        self.looks = 0
        self.suspected = 0
        self.found: set[tuple[str, str, str]] = set()

    def step(self) -> None:
        """Look once; a look that Redis does not answer is none."""
        try:
            report = self.look()
        except RedisError:
            return
        self.looks += 1
        self.suspected += report.suspected
        self.found |= {(each.check_name, each.subject, each.evidence) for each in report.findings}

    def look(self) -> Report:
        """Look once, and answer what that says."""
        return look(self._baton.engine, self._baton.redis, by_whom="a test", grace_s=self._grace_s)

    def wait_for_looks(self, count: int, within_s: float = 60.0) -> None:
        """Let it look so often."""
        enough = self.looks + count
        until(lambda: self.looks >= enough, within_s, f"{count} looks")

    def sees_nothing(self) -> bool:
        """Look once more: is there nothing, not even what would have to be seen twice?"""
        self.step()
        with read(self._baton.engine) as connection:
            return findings.everything(connection) == []


def jobs_of_every_kind(baton: Baton) -> list[int]:
    """Jobs with what leaves the most traces in Redis: strategies, routes, retries, children, re-runs."""
    child = baton.job()
    return [
        baton.job(on_lost="RERUN"),
        baton.job(child_job_ids=str(child)),
        baton.job("fail", executor_fail_retry_count=1),
        baton.job(block_strategy="PARALLEL", max_concurrency=3),
        baton.job(block_strategy="COVER_EARLY"),
        baton.job(block_strategy="DISCARD_LATER"),
        baton.job(route_strategy="ROUND", serial_scope="JOB", on_lost="RERUN"),
        baton.job(route_strategy="SHARDING_BROADCAST"),
    ]


class Load:
    """Triggers runs at a steady rate, as far as the database takes them."""

    def __init__(self, baton: Baton, job_ids: list[int], each: int, param: str = "") -> None:
        self._baton = baton
        self._job_ids = job_ids
        self._each = each
        self._param = param
        self.keys: list[tuple[int, str]] = []

    def step(self) -> None:
        """Trigger every job a few times; rows that the database did not take were not planned."""
        for job_id in self._job_ids:
            try:
                keys = self._baton.trigger(job_id, self._each, self._param)
            except DBAPIError:  # the database is what is away
                continue
            self.keys += [(job_id, key) for key in keys]


@contextmanager
def sqlite_locked(path: str) -> Iterator[None]:
    """Another program writes, and does not come to an end."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        connection.execute("begin immediate")
        yield
        connection.execute("rollback")
    finally:
        connection.close()


def wait_out(seconds: float) -> None:
    """An outage lasts as long as it lasts: here the time itself is what is tried."""
    time.sleep(seconds)


def report(name: str, **facts: Any) -> None:
    """The numbers of a campaign, for whoever runs it with `-s`."""
    print(f"\n{name}: " + ", ".join(f"{key}={value}" for key, value in facts.items()))
