"""Alarms from the row to the people: real databases, a real Redis, RQ in this process, sinks that count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, select, update

from background import here
from background.here import Here
from baton.broker import chores
from baton.broker.client import connect
from baton.store import alarm_channels, alarm_deliveries, alarms
from baton.store.alarm_channels import ChannelDraft
from baton.store.alarms import NewAlarm
from baton.store.engine import write
from baton.store.models import Alarm, AlarmChannel, AlarmDelivery, Job, JobLog
from baton.vocabulary import AlarmCondition, ChannelKind
from scheduler.alarm_router import AlarmRouter
from tests import factories
from tests.clocks import FakeClock

from .sinks import Hooks, Mails, mail_server, webhook


@dataclass
class Tower:
    """What sees a failure and makes it known."""

    engine: Engine
    redis: Redis
    mails: Mails
    hooks: Hooks
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        hosts, queue = ("private:127.0.0.1",), chores.queue(self.redis)
        here.install(Here(self.engine, queue, "https://baton.example.com", hosts, clock=self.clock))
        self.router = AlarmRouter(self.engine, self.redis, clock=self.clock)
        with write(self.engine) as connection:
            self.group_id = factories.executor_group(connection)
            self.job_id = factories.job(connection, self.group_id, name="nightly")

    def channel(self, **fields: Any) -> int:
        values = {
            "name": "ops", "kind": ChannelKind.APPRISE, "url": self.mails.url,
            "conditions": ",".join(AlarmCondition),
        }  # fmt: skip
        with write(self.engine) as connection:
            draft = ChannelDraft(**{**values, **fields})
            return alarm_channels.create(connection, draft, self.clock.now_ms())

    def failure(self) -> int:
        """A run that failed for good; answers its log id."""
        with write(self.engine) as connection:
            log_id = factories.log_row(
                connection, self.group_id, self.job_id, trigger_code=200, handle_code=500, handle_time=1,
                outcome="failed", handle_msg="Traceback\nValueError: {job} is broken",
            )  # fmt: skip
            self.say(connection, log_id)
        return log_id

    def say(self, connection: Any, log_id: int) -> int:
        alarm = NewAlarm(f"failed:{log_id}", AlarmCondition.FAILED, self.group_id, self.job_id, log_id)
        return alarms.raise_alarms(connection, [alarm], self.clock.now_ms())

    def edit_job(self, **fields: Any) -> None:
        with write(self.engine) as connection:
            connection.execute(update(Job).where(Job.id == self.job_id).values(fields))

    def told_last(self) -> list[str]:
        """The channels that the newest alarm goes to."""
        with self.engine.connect() as connection:
            newest = alarms.list_page(connection, limit=1)[0].id
            found = alarm_deliveries.of_alarms(connection, [newest]).get(newest, [])
        return sorted(each.channel_name for each in found)

    def work(self) -> None:
        """Route, hand over, and let the background worker do all of it."""
        self.router.route()
        self.router.hand_over()
        worker = SimpleWorker([chores.queue(self.redis)], connection=self.redis, serializer=JSONSerializer)
        worker.work(burst=True, logging_level="ERROR")

    def states(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(AlarmDelivery.state).order_by(AlarmDelivery.id)).scalars())

    def alarms(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(Alarm.alarm_key).order_by(Alarm.id)).scalars())

    def problems(self) -> list[str]:
        with self.engine.connect() as connection:
            rows = connection.execute(select(AlarmDelivery.problem).order_by(AlarmDelivery.id))
            return list(rows.scalars())

    def tries(self, channel_name: str) -> list[int]:
        with self.engine.connect() as connection:
            found = select(AlarmDelivery.tries).join(
                AlarmChannel, AlarmChannel.id == AlarmDelivery.channel_id
            )
            rows = found.where(AlarmChannel.name == channel_name).order_by(AlarmDelivery.id)
            return list(connection.execute(rows).scalars())

    def alarm_status(self, log_id: int) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(JobLog.alarm_status).where(JobLog.id == log_id)).scalar_one()


@pytest.fixture
def tower(engine: Engine, one_redis_url: str) -> Iterator[Tower]:
    redis = connect(one_redis_url, socket_timeout_s=None)
    redis.flushall()
    with mail_server() as mails, webhook() as hooks:
        yield Tower(engine, redis, mails, hooks)
    redis.close()
