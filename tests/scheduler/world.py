"""A small world for tests of the scheduler and the callbacks: one database, one Redis, made-up time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, delete, select, update

from baton.broker import recovery
from baton.broker.client import connect, connect_blocking
from baton.broker.consumer import Claimed, Consumer, Room, Settled
from baton.broker.presence import ExecutorInfo
from baton.broker.results import ResultEntry, Results
from baton.envelope import group_key, seal
from baton.store.models import FailedCallback, Job, JobLog
from baton.vocabulary import HANDLE_CODE_OF, Outcome
from scheduler.pusher import Pusher

from .. import factories
from ..clocks import FakeClock
from ..factories import ACCESS_TOKEN

GROUP = "demo"


class World:
    """Puts things into both stores, and looks at what became of them."""

    def __init__(self, engine: Engine, redis_url: str) -> None:
        self.engine = engine
        self.redis_url = redis_url
        self.redis = connect(redis_url)
        self.blocking = connect_blocking(redis_url)
        self.clock = FakeClock()
        self.calls: list[str] = []

    def close(self) -> None:
        self.redis.close()
        self.blocking.close()

    # what is there

    def group(self, app_name: str = GROUP, *, is_open: bool = True) -> int:
        if is_open:
            recovery.open_group(self.redis, app_name)
        with self.engine.begin() as connection:
            return factories.executor_group(connection, app_name=app_name)

    def job(self, group_id: int, **fields: Any) -> int:
        """A running job that fires every 10 s and is due now."""
        values = {
            "schedule_type": "FIX_RATE",
            "schedule_conf": "10",
            "trigger_status": 1,
            "next_trigger_time": self.clock.wall_ms,
        }
        with self.engine.begin() as connection:
            return factories.job(connection, group_id, **(values | fields))

    def row(self, job_id: int, **fields: Any) -> int:
        """A pending row of a job."""
        job = self.look(Job, job_id)
        copied = (
            "executor_handler", "executor_param", "executor_fail_retry_count", "executor_timeout",
            "block_strategy", "on_lost",
        )  # fmt: skip
        values = {name: job[name] for name in copied} | {"trigger_time": self.clock.wall_ms}
        with self.engine.begin() as connection:
            return factories.log_row(connection, job["group_id"], job_id, **(values | fields))

    def change(self, model: Any, id_: int, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(model).where(model.id == id_).values(**values))

    def remove(self, model: Any, id_: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(model).where(model.id == id_))

    # what became of it

    def look(self, model: Any, id_: int) -> dict[str, Any]:
        with self.engine.connect() as connection:
            statement = select(model.__table__).where(model.id == id_)
            return dict(connection.execute(statement).mappings().one())

    def log(self, log_id: int) -> dict[str, Any]:
        return self.look(JobLog, log_id)

    def logs(self, job_id: int | None = None) -> list[dict[str, Any]]:
        statement = select(JobLog.__table__).order_by(JobLog.id)
        if job_id is not None:
            statement = statement.where(JobLog.job_id == job_id)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def failed_callbacks(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(select(FailedCallback.__table__)).mappings()]

    def waiting(self, job_id: int, app_name: str = GROUP) -> list[int]:
        """The log ids in the lane of a job."""
        elements = self.redis.lrange(f"baton:{{{app_name}}}:queue:{job_id}", 0, -1)
        return [int(element.split(b":")[0]) for element in elements]

    def entries(self, app_name: str = GROUP) -> list[ResultEntry]:
        """What is in the results stream and not read yet."""
        return Results(self.redis, self.blocking, "a test").read([app_name], count=100, block_ms=1)

    def reported(self, app_name: str = GROUP) -> list[str]:
        """The fields of all results in the stream, read or not."""
        entries = self.redis.xrange(f"baton:{{{app_name}}}:results")
        return [name.decode() for _, fields in entries for name in fields]

    # who acts

    def pusher(self) -> Pusher:
        return Pusher(
            self.engine, self.redis, access_token=ACCESS_TOKEN, host="here", clock=self.clock,
            on_closed=lambda: self.calls.append("closed"),
        )  # fmt: skip

    def executor(self, executor_id: str = "e1", app_name: str = GROUP) -> Executor:
        return Executor(self, executor_id, app_name)


class Executor:
    """Speaks for a worker: claims, beats and settles when told to."""

    def __init__(self, world: World, executor_id: str, app_name: str) -> None:
        self.id = executor_id
        self._app_name = app_name
        self._consumer = Consumer(world.redis, world.blocking, app_name, executor_id)
        self._clock = world.clock
        self._has_beaten = False
        self.claimed: list[Claimed] = []

    def beat(self) -> None:
        self._has_beaten = True
        info = ExecutorInfo(self.id, "h", 1, ("noop",), 4, 0, 1, 1, "1", "running")
        self._consumer.renew(info, {run.log_id: run.token for run in self.claimed})

    def claim(self, runs: int = 100) -> list[Claimed]:
        if not self._has_beaten:
            self.beat()
        claimed = self._consumer.claim(Room(runs))
        self.claimed += claimed
        return claimed

    def reassert(self) -> set[int]:
        return self._consumer.reassert(self.claimed)

    def leave(self) -> None:
        self._consumer.leave()

    def settle(
        self, claimed: Sequence[Claimed], outcome: Outcome = Outcome.SUCCEEDED, **changes: Any
    ) -> None:
        self._consumer.settle(
            [
                Settled(
                    run.log_id,
                    run.token,
                    run.attempt,
                    callback(
                        run.log_id, outcome, self._app_name, token=run.token, attempt=run.attempt, **changes
                    ),
                )
                for run in claimed
            ]
        )


def assert_fields(row: dict[str, Any], **expected: Any) -> None:
    """Compare the named columns of a row, all at once."""
    assert {name: row[name] for name in expected} == expected


def callback(
    log_id: int, outcome: Outcome = Outcome.SUCCEEDED, app_name: str = GROUP, **fields: Any
) -> bytes:
    """A sealed HandleCallbackParam; `signed_for` and `access_token` say with which key."""
    key = group_key(fields.pop("access_token", ACCESS_TOKEN), fields.pop("signed_for", app_name))
    values = {
        "app_name": app_name,
        "log_id": log_id,
        "outcome": str(outcome),
        "handle_code": int(HANDLE_CODE_OF[outcome]),
        "handle_msg": "a message",
    }
    return seal(factories.callback_param(**(values | fields)), key)


def trigger(log_id: int, app_name: str = GROUP, **fields: Any) -> bytes:
    """A sealed TriggerParam."""
    message = factories.trigger_param(log_id=log_id, app_name=app_name, **fields)
    return seal(message, group_key(ACCESS_TOKEN, app_name))
