"""Old runs go by themselves, and at a person's word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, insert, select, update

from background import here, retention
from background.here import Here
from baton.broker import chores
from baton.broker.client import connect
from baton.store.engine import write
from baton.store.models import AuditEvent, FailedCallback, JobLog, ReportRow
from baton.store.retention import Keep, Spent, of_deleted_job
from tests import factories
from tests.clocks import FakeClock

DAY_MS = 24 * 3600 * 1000
HOUR_MS = 3600 * 1000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def redis(one_redis_url: str) -> Iterator[Redis]:
    client = connect(one_redis_url, socket_timeout_s=None)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def group_id(engine: Engine, redis: Redis, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> int:
    keep = Keep(days=30, failed_days=90, runs=0)
    here.install(Here(engine, chores.queue(redis), keep=keep, audit_days=365, clock=clock))
    monkeypatch.setattr(retention, "_reached", {})
    with write(engine) as connection:
        factories.reports_have_counted(connection)
        return factories.executor_group(connection)


def add(engine: Engine, group_id: int, at_ms: int, outcome: str = "succeeded", times: int = 1) -> list[int]:
    ended = {"handle_code": 200, "handle_time": at_ms, "pushed_at": at_ms, "trigger_code": 200}
    with write(engine) as connection:
        return [
            factories.log_row(connection, group_id, 1, trigger_time=at_ms, outcome=outcome, **ended)
            for _ in range(times)
        ]


def left(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(JobLog.id).order_by(JobLog.id)).scalars())


def test_old_runs_go_by_the_rule_of_their_group(engine, clock, group_id):
    now_ms = clock.now_ms()
    add(engine, group_id, now_ms - 31 * DAY_MS, times=3)
    kept = add(engine, group_id, now_ms - 31 * DAY_MS, "failed") + add(engine, group_id, now_ms - DAY_MS)

    assert retention.delete_old_runs(0) == 3
    assert left(engine) == kept


def test_what_was_kept_on_purpose_is_looked_at_again_in_the_next_hour_only(engine, clock, group_id):
    [failed] = add(engine, group_id, clock.now_ms() - 31 * DAY_MS, "failed")
    retention.delete_old_runs(0)
    clock.advance(60 * 24 * 3600)
    add(engine, group_id, clock.now_ms() - 31 * DAY_MS)

    assert retention.delete_old_runs(60_000) == 1
    assert left(engine) == [failed]

    assert retention.delete_old_runs(HOUR_MS) == 1
    assert left(engine) == []


def test_what_a_person_wants_gone_goes_in_shares_behind_other_work(
    engine, redis, clock, group_id, monkeypatch
):
    monkeypatch.setattr(retention, "SHARE_S", 0.0)
    monkeypatch.setattr("baton.retention.DELETE_ROWS", 2)
    add(engine, group_id, clock.now_ms() - 5 * DAY_MS, times=7)
    stays = add(engine, group_id, clock.now_ms() - DAY_MS)
    spent = Spent(clock.now_ms(), clock.now_ms() - 2 * DAY_MS, clock.now_ms() - 2 * DAY_MS, group_id=group_id)
    queue = chores.queue(redis)
    chores.hand_over(queue, retention.CLEAN, "clean-x", "x", asdict(spent))

    worker = SimpleWorker([queue], connection=redis, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="ERROR")

    assert left(engine) == stays
    assert len(queue.finished_job_registry.get_job_ids()) > 3, "several shares"


def test_the_runs_of_a_deleted_job_are_counted_before_they_go(engine, redis, clock, group_id):
    with write(engine) as connection:
        factories.reports_have_counted(connection, 0)
    add(engine, group_id, clock.now_ms() - 1000, times=3)

    assert retention.clean("x", asdict(of_deleted_job(1))) == 3

    assert left(engine) == []
    with engine.connect() as connection:
        totals = connection.execute(
            select(ReportRow.succeeded).where(ReportRow.job_id == 1, ReportRow.span == "day")
        ).scalars()
        assert list(totals) == [3]


def test_what_else_grows_is_bounded_too(engine, clock, group_id):
    now_ms = clock.now_ms()
    with write(engine) as connection:
        events = [{"at": now_ms - days * DAY_MS} for days in (400, 366, 364)]
        connection.execute(
            insert(AuditEvent), [each | {"user_name": "a", "action": "b", "subject": "c"} for each in events]
        )
        for entry, days in enumerate((91, 89, 0)):
            values = {
                "app_name": "demo",
                "entry_id": f"{entry}",
                "field": "f",
                "reason": "r",
                "payload": b"p",
            }
            connection.execute(insert(FailedCallback).values(**values, first_seen=1, last_seen=1))
            discarded = {"discarded_at": now_ms - days * DAY_MS if days else 0}
            of_entry = update(FailedCallback).where(FailedCallback.entry_id == f"{entry}")
            connection.execute(of_entry.values(discarded))

    assert retention.tidy(0) == 3
    with engine.connect() as connection:
        assert len(connection.execute(select(AuditEvent.id)).all()) == 1
        assert list(connection.execute(select(FailedCallback.entry_id)).scalars()) == ["1", "2"]
