"""Which runs nobody keeps any more."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update

from baton.retention import delete_spent
from baton.store import alarm_channels, alarms, retention
from baton.store.alarm_channels import ChannelDraft
from baton.store.alarms import NewAlarm
from baton.store.engine import read, write
from baton.store.models import AlarmDelivery, AuditEvent, ExecutorGroup, JobLog, ReportOpen
from baton.store.retention import FOR_EVER, Keep, Spent, spent_by
from baton.vocabulary import AlarmCondition, ChannelKind
from tests import factories

DAY_MS = 24 * 3600 * 1000
NOW_MS = 100 * DAY_MS
LONG_S = 60.0


class Runs:
    """Two jobs in one group, one in another."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with write(engine) as connection:
            self.group_id = factories.executor_group(connection)
            self.other_group_id = factories.executor_group(connection, app_name="other")
            self.job_id = factories.job(connection, self.group_id)
            self.other_job_id = factories.job(connection, self.group_id)
            factories.reports_have_counted(connection)

    def add(self, days_old: float, outcome: str | None = "succeeded", **fields: Any) -> int:
        """A run that was triggered and ended so long ago."""
        at_ms = NOW_MS - round(days_old * DAY_MS)
        ended = {} if outcome is None else {"handle_code": 200, "handle_time": at_ms}
        values = {"trigger_code": 200, "trigger_time": at_ms, "pushed_at": at_ms, "outcome": outcome} | ended
        owner = {"group_id": self.group_id, "job_id": self.job_id}
        with write(self.engine) as connection:
            return factories.log_row(connection, **owner | values | fields)

    def left(self) -> list[int]:
        with read(self.engine) as connection:
            return list(connection.execute(select(JobLog.id).order_by(JobLog.id)).scalars())

    def keep(self, keep: Keep) -> int:
        """Apply this rule to the group; answers how many runs went."""
        return delete_spent(self.engine, spent_by(keep, self.group_id, NOW_MS), for_s=LONG_S).deleted


@pytest.fixture
def runs(engine: Engine) -> Runs:
    return Runs(engine)


def test_runs_are_kept_for_days(runs):
    runs.add(31)
    runs.add(30.001)
    young = runs.add(29.999)

    assert runs.keep(Keep(days=30, failed_days=0, runs=0)) == 2
    assert runs.left() == [young]


def test_what_did_not_succeed_may_be_kept_longer(runs):
    runs.add(31)
    failed, timed_out = runs.add(31, "failed"), runs.add(31, "timed_out")
    runs.add(91, "failed")
    refused = runs.add(31, "refused", trigger_code=500, handle_code=0, handle_time=0)

    assert runs.keep(Keep(days=30, failed_days=90, runs=0)) == 2
    assert runs.left() == [failed, timed_out, refused]


def test_it_may_be_kept_less_long_too(runs):
    succeeded = runs.add(10)
    runs.add(10, "failed")

    runs.keep(Keep(days=30, failed_days=7, runs=0))

    assert runs.left() == [succeeded]


def test_the_newest_so_many_of_a_group_are_kept(runs):
    ids = [runs.add(2, "failed" if index % 2 else "succeeded") for index in range(10)]
    stranger = runs.add(2, group_id=runs.other_group_id)

    assert runs.keep(Keep(days=0, failed_days=0, runs=4)) == 6
    assert runs.left() == [*ids[6:], stranger]


def test_age_and_number_hold_together(runs):
    runs.add(40)
    ids = [runs.add(2) for _ in range(3)]

    runs.keep(Keep(days=30, failed_days=0, runs=10))
    assert runs.left() == ids

    runs.keep(Keep(days=30, failed_days=0, runs=2))
    assert runs.left() == ids[1:]


def test_without_a_rule_nothing_goes(runs):
    old = runs.add(5000)

    assert runs.keep(FOR_EVER) == 0
    assert runs.left() == [old]


def test_what_has_not_ended_stays_however_old_it_is(runs):
    pending = runs.add(400, None, trigger_code=0, pushed_at=0)
    running = runs.add(400, None)

    runs.keep(Keep(days=1, failed_days=0, runs=1))

    assert runs.left() == [pending, running]


def test_a_run_that_took_long_is_as_old_as_its_end(runs):
    slow = runs.add(40, handle_time=NOW_MS - DAY_MS)

    runs.keep(Keep(days=30, failed_days=0, runs=0))

    assert runs.left() == [slow]


def test_nothing_goes_in_the_hour_after_its_end(runs):
    runs.add(1.5 / 24)
    ids = [runs.add(0.5 / 24) for _ in range(3)]

    runs.keep(Keep(days=0, failed_days=0, runs=1))

    assert runs.left() == ids


def test_a_run_stays_until_reports_have_counted_it(runs):
    counted, uncounted = runs.add(40), runs.add(40)
    with write(runs.engine) as connection:
        factories.reports_have_counted(connection, counted)

    assert runs.keep(Keep(days=30, failed_days=0, runs=0)) == 1
    assert runs.left() == [uncounted]


def test_a_run_stays_until_reports_know_what_became_of_it(runs):
    late = runs.add(40)
    with write(runs.engine) as connection:
        connection.execute(insert(ReportOpen).values(log_id=late, counted_as="lost"))

    assert runs.keep(Keep(days=30, failed_days=0, runs=0)) == 0
    assert runs.left() == [late]


def test_a_run_stays_until_people_were_told_of_it(runs):
    told, untold, unrouted = (runs.add(40, "failed") for _ in range(3))
    runs.add(40, "failed")
    with write(runs.engine) as connection:
        news = [
            NewAlarm(f"failed:{log_id}", AlarmCondition.FAILED, runs.group_id, runs.job_id, log_id)
            for log_id in (told, untold, unrouted)
        ]
        alarms.raise_alarms(connection, news, NOW_MS)
        ids = {each.log_id: each.id for each in alarms.list_page(connection)}
        alarms.routed(connection, [ids[told], ids[untold]])
        draft = ChannelDraft(
            name="ops", kind=ChannelKind.APPRISE, url="mailto://a:b@mail.example.org", conditions="FAILED"
        )
        channel_id = alarm_channels.create(connection, draft, NOW_MS)
        deliveries = [
            {"alarm_id": ids[log_id], "channel_id": channel_id, "state": state, "changed_at": NOW_MS}
            for log_id, state in ((told, "SENT"), (untold, "WAITING"))
        ]
        connection.execute(insert(AlarmDelivery), deliveries)

    runs.keep(Keep(days=30, failed_days=0, runs=0))

    assert runs.left() == [untold, unrouted]


def test_a_broadcast_stays_until_its_last_shard_or_the_retry_of_one_has_ended(runs):
    shards = {"trigger_key": "cron:1", "shard_total": 2}
    first = runs.add(40, shard_index=0, **shards)
    second = runs.add(40, "failed", shard_index=1, **shards)
    tried = runs.add(40, "failed", trigger_key=f"retry:{second}", shard_index=1, shard_total=2)
    again = runs.add(40, None, trigger_key=f"retry:{tried}", shard_index=1, shard_total=2)
    keep = Keep(days=30, failed_days=0, runs=0)

    runs.keep(keep)
    assert runs.left() == [first, second, tried, again]

    with write(runs.engine) as connection:
        ended = {"outcome": "succeeded", "handle_code": 200, "handle_time": NOW_MS - 35 * DAY_MS}
        connection.execute(update(JobLog).where(JobLog.id == again).values(ended))
    for _period in range(3):
        runs.keep(keep)
    assert runs.left() == []


def test_a_job_can_be_cleaned_alone(runs):
    runs.add(2)
    newest = runs.add(2)
    stranger = runs.add(2, job_id=runs.other_job_id)
    spent = Spent(NOW_MS, newest=1, job_id=runs.job_id)

    with read(runs.engine) as connection:
        floor_id = retention.floor(connection, spent)
        assert retention.count(connection, spent, floor_id, limit=100) == 1
    delete_spent(runs.engine, spent, for_s=LONG_S)

    assert runs.left() == [newest, stranger]


def test_a_share_says_where_the_next_one_goes_on(runs, monkeypatch):
    monkeypatch.setattr("baton.retention.DELETE_ROWS", 2)
    monkeypatch.setattr("baton.retention.LOOK_ROWS", 3)
    ids = [runs.add(40, None if index == 3 else "succeeded") for index in range(8)]
    spent = spent_by(Keep(days=30, failed_days=0, runs=0), runs.group_id, NOW_MS)

    share = delete_spent(runs.engine, spent, for_s=0)
    assert (share.deleted, share.after_id, share.is_done) == (2, ids[1], False)

    shares = [share]
    while not shares[-1].is_done:
        shares.append(delete_spent(runs.engine, spent, after_id=shares[-1].after_id, for_s=0))
    assert runs.left() == [ids[3]]
    assert sum(each.deleted for each in shares) == 7


def test_a_look_ends_where_all_that_follows_is_too_young(runs, monkeypatch):
    monkeypatch.setattr("baton.retention.LOOK_ROWS", 2)
    runs.add(40)
    young = [runs.add(1) for _ in range(9)]
    spent = spent_by(Keep(days=30, failed_days=0, runs=0), runs.group_id, NOW_MS)

    share = delete_spent(runs.engine, spent, for_s=LONG_S)

    assert (share.is_done, share.after_id) == (True, young[0])


def test_a_group_has_a_rule_of_its_own_where_it_says_so(runs):
    with write(runs.engine) as connection:
        own = {"keep_days": 7, "keep_runs": 0}
        connection.execute(update(ExecutorGroup).where(ExecutorGroup.id == runs.group_id).values(own))
    with read(runs.engine) as connection:
        rules = retention.rules(connection, Keep(days=30, failed_days=90, runs=1000))

    assert rules == {
        runs.group_id: Keep(days=7, failed_days=90, runs=0),
        runs.other_group_id: Keep(days=30, failed_days=90, runs=1000),
    }


def test_a_page_is_read_along_an_index(runs):
    plans = []
    for spent in (Spent(NOW_MS, 1, 1, group_id=1), Spent(NOW_MS, 1, 1, job_id=1)):
        with write(runs.engine) as connection:
            if runs.engine.dialect.name == "postgresql":  # a small table is read whole, which proves nothing
                connection.exec_driver_sql("set local enable_seqscan = off")
                connection.exec_driver_sql("set local enable_bitmapscan = off")
            plans.append(explained(connection, spent))

    assert "ix_job_log_group" in plans[0]
    assert "ix_job_log_job" in plans[1]
    assert not any("sort" in plan.lower() or "temp b-tree" in plan.lower() for plan in plans)


def explained(connection: Any, spent: Spent) -> str:
    seen: list[str] = []

    class Explaining:
        def execute(self, statement: Any) -> Any:
            text = str(statement.compile(connection.engine, compile_kwargs={"literal_binds": True}))
            how = "explain query plan" if connection.dialect.name == "sqlite" else "explain"
            seen.extend(str(row) for row in connection.exec_driver_sql(f"{how} {text}"))
            return connection.execute(statement)

    retention.look(Explaining(), spent, 0, 0, 100)  # type: ignore[arg-type]
    return "\n".join(seen)


def test_old_audit_events_go(engine):
    with write(engine) as connection:
        events = [
            {"at": at, "user_name": "ana", "action": "job.stop", "subject": "job 1"} for at in (1, 2, 30, 40)
        ]
        connection.execute(insert(AuditEvent), events)
        assert retention.delete_audit(connection, 31, limit=2) == 2
        assert retention.delete_audit(connection, 31, limit=2) == 1
        assert list(connection.execute(select(AuditEvent.at)).scalars()) == [40]
