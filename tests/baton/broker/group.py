"""One executor group with two executors, as the tests of the lanes meet it."""

from __future__ import annotations

from dataclasses import replace

from redis import Redis

from baton.broker import recovery
from baton.broker.consumer import Claimed, Consumer, Settled
from baton.broker.presence import ExecutorInfo
from baton.broker.producer import Producer, PushRow
from baton.broker.results import Results

GROUP = "lanes"
INFO = ExecutorInfo("one", "host", 1, ("h",), 4, 0, 1, 1, "0", "running")


def row(log_id: int, lane: str = "1", strategy: str = "SERIAL_EXECUTION", on_lost: str = "FAIL") -> PushRow:
    return PushRow(log_id, lane, strategy, 1, on_lost, b"frame|\x00:%d" % log_id)


def done(run: Claimed) -> Settled:
    return Settled(run.log_id, run.token, run.attempt, b"ending of %d" % run.log_id)


class Group:
    def __init__(self, redis: Redis, blocking: Redis) -> None:
        self.redis, self.blocking = redis, blocking
        self.producer = Producer(redis)
        self.one, self.two = self.consumer("one"), self.consumer("two")
        self.results = Results(redis, blocking, "judge")

    def consumer(self, executor_id: str) -> Consumer:
        consumer = Consumer(self.redis, self.blocking, GROUP, executor_id)
        consumer.renew(replace(INFO, executor_id=executor_id), {})
        return consumer

    def push(self, *rows: PushRow) -> list[str]:
        return [answer.verdict.value for answer in self.producer.push(GROUP, rows)]

    def endings(self) -> list[tuple[str, int]]:
        entries = self.results.read([GROUP], count=1000, block_ms=1)
        self.results.acknowledge(entries)
        return [(item.ending.value, item.log_id) for entry in entries for item in entry.items]

    def wrong_lanes(self, *lanes: str) -> int:
        return recovery.repair_ready(self.redis, GROUP, lanes)


def ids(claimed: list[Claimed]) -> list[int]:
    return [run.log_id for run in claimed]
