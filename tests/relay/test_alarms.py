"""Alarms of a whole installation: counted where people would read them."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from baton.clock import SYSTEM_CLOCK
from baton.store import alarm_channels, alarms, groups
from baton.store.alarm_channels import ChannelDraft
from baton.store.alarm_deliveries import STALE_CLAIM_MS
from baton.store.alarms import NewAlarm
from baton.store.engine import write
from baton.store.models import AlarmDelivery, JobLog
from baton.vocabulary import AlarmCondition, AlarmStatus, ChannelKind
from tests.background.sinks import mail_server, webhook
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def sinks():
    with mail_server() as mails, webhook() as hooks:
        yield mails, hooks


def channels(baton, mails, hooks) -> None:
    every = ",".join(AlarmCondition)
    with write(baton.engine) as connection:
        for draft in (
            ChannelDraft("mail", ChannelKind.APPRISE, mails.url, conditions=every),
            ChannelDraft("hook", ChannelKind.WEBHOOK, hooks.url, "s3cret", conditions=every),
        ):
            alarm_channels.create(connection, draft, SYSTEM_CLOCK.now_ms())


def statuses(baton) -> list[int]:
    with baton.engine.connect() as connection:
        return list(connection.execute(select(JobLog.alarm_status).order_by(JobLog.id)).scalars())


def delivered(baton) -> list[str]:
    with baton.engine.connect() as connection:
        return list(connection.execute(select(AlarmDelivery.state)).scalars())


def test_a_failure_is_told_after_its_last_retry_and_its_end_too(whole_baton, sinks, tmp_path):
    mails, hooks = sinks
    baton = whole_baton(BATON_WEBHOOK_HOSTS="private:127.0.0.1")
    channels(baton, mails, hooks)
    baton.processes.background()
    job_id = baton.job("fail-once", name="nightly", executor_fail_retry_count=0)
    always = baton.job("fail", name="broken", executor_fail_retry_count=2)

    baton.trigger(always)
    baton.trigger(job_id, param=str(tmp_path / "failed before"))
    baton.wait_until_ended(4)
    until(lambda: len(mails.received) == 2 and len(hooks.received) == 2, 30, "two failures, twice told")
    baton.trigger(job_id, param=str(tmp_path / "failed before"))
    until(lambda: len(mails.received) == 3 and len(hooks.received) == 3, 30, "that one is well again")

    assert sorted(mails.subjects) == [
        "[Baton] Run failed: broken", "[Baton] Run failed: nightly", "[Baton] Well again: nightly",
    ]  # fmt: skip
    assert sorted((told["condition"], told["job"]) for told in hooks.told) == [
        ("FAILED", "broken"), ("FAILED", "nightly"), ("RECOVERED", "nightly"),
    ]  # fmt: skip
    assert sorted(statuses(baton)) == sorted([AlarmStatus.SENT] * 2 + [AlarmStatus.DEFAULT] * 3)


def test_each_alarm_comes_once_though_every_process_between_dies(whole_baton, sinks):
    mails, hooks = sinks
    baton = whole_baton(callbacks=0, schedulers=0, BATON_WEBHOOK_HOSTS="private:127.0.0.1")
    channels(baton, mails, hooks)
    job_id = baton.job("fail", name="broken", block_strategy="PARALLEL", max_concurrency=10)
    # the first of each role dies where it hurts most; its successor goes on
    dying = [
        baton.processes.scheduler(BATON_FAILPOINTS="alarm.routed=kill"),
        baton.processes.callbacks(BATON_FAILPOINTS="apply.committed=kill"),
    ]
    baton.trigger(job_id, 20)
    until(lambda: not dying[1].is_running, 30, "the callbacks process to die")
    baton.start(callbacks=2)
    until(lambda: not dying[0].is_running, 30, "the scheduler to die")
    baton.start(schedulers=2)
    for _ in range(2):
        baton.processes.background()

    baton.wait_until_ended(20)
    until(lambda: delivered(baton) == ["SENT"] * 40, 60, "all alarms to be sent")

    assert set(statuses(baton)) == {AlarmStatus.SENT}
    runs = sorted(str(told["run"]) for told in hooks.told)
    assert len(mails.received) == 20
    assert runs == sorted(str(row.log_id) for row in baton.rows())


def test_a_lost_executor_and_a_deserted_group_are_told(whole_baton, sinks):
    mails, hooks = sinks
    baton = whole_baton(BATON_WEBHOOK_HOSTS="private:127.0.0.1", BATON_NO_EXECUTOR_AFTER_S="1")
    channels(baton, mails, hooks)
    baton.processes.background()
    job_id = baton.job()
    baton.trigger(job_id, param="60")
    baton.wait_for_start()

    baton.workers[0].kill()
    until(lambda: "EXECUTOR_LOST" in [told["condition"] for told in hooks.told], 40, "the loss")
    baton.trigger(job_id)
    until(lambda: "NO_EXECUTOR" in [told["condition"] for told in hooks.told], 40, "that nobody listens")
    baton.start(workers=1)
    until(lambda: "RECOVERED" in [told["condition"] for told in hooks.told], 40, "that somebody does")

    told = [each["condition"] for each in hooks.told]
    assert told.count("EXECUTOR_LOST") == told.count("NO_EXECUTOR") == 1


def lost_executor(baton) -> None:
    """Something to tell, without a run."""
    with write(baton.engine) as connection:
        group_id = groups.all_groups(connection)[0].id
        news = [NewAlarm("lost:e1", AlarmCondition.EXECUTOR_LOST, group_id, text="e1 stopped beating")]
        alarms.raise_alarms(connection, news, SYSTEM_CLOCK.now_ms())


def two_minutes_later(baton) -> None:
    with write(baton.engine) as connection:
        aged = AlarmDelivery.changed_at - STALE_CLAIM_MS
        connection.execute(update(AlarmDelivery).values(changed_at=aged))


def stops_asked(baton) -> list[str]:
    """The RQ workers that were asked to stop."""
    names = baton.redis.smembers("rq:workers")
    return [name for name in names if baton.redis.hexists(name, "shutdown_requested_date")]


def test_a_background_process_killed_before_it_sends_is_replaced_and_tells_once(whole_baton, sinks):
    mails, hooks = sinks
    baton = whole_baton(workers=0, callbacks=0, BATON_WEBHOOK_HOSTS="private:127.0.0.1")
    channels(baton, mails, hooks)
    lost_executor(baton)

    for _ in range(2):
        dying = baton.processes.background(BATON_FAILPOINTS="alarm.claimed=kill")
        until(lambda process=dying: not process.is_running, 20, "the background process to die")
    assert (mails.received, hooks.received) == ([], [])
    two_minutes_later(baton)
    baton.processes.background()

    until(lambda: delivered(baton) == ["SENT"] * 2, 30, "both to be sent")
    assert (len(mails.received), len(hooks.received)) == (1, 1)


def test_killed_between_sending_and_its_note_it_tells_twice_and_a_webhook_can_tell(whole_baton, sinks):
    mails, hooks = sinks
    baton = whole_baton(workers=0, callbacks=0, BATON_WEBHOOK_HOSTS="private:127.0.0.1")
    channels(baton, mails, hooks)
    lost_executor(baton)

    for _ in range(2):
        dying = baton.processes.background(BATON_FAILPOINTS="alarm.sent=kill")
        until(lambda process=dying: not process.is_running, 20, "the background process to die")
    two_minutes_later(baton)
    baton.processes.background()

    until(lambda: delivered(baton) == ["SENT"] * 2, 30, "both to be sent")
    # nobody knows whether a mail arrived: told twice is better than not told
    assert (len(mails.received), len(hooks.received)) == (2, 2)
    assert len({headers["Idempotency-Key"] for headers, _ in hooks.received}) == 1


def test_a_background_process_that_is_stopped_ends_what_it_sends(whole_baton, sinks):
    mails, hooks = sinks
    baton = whole_baton(workers=0, callbacks=0, BATON_WEBHOOK_HOSTS="private:127.0.0.1")
    channels(baton, mails, hooks)
    hooks.may_answer.clear()
    lost_executor(baton)
    stopping = baton.processes.background()
    until(lambda: hooks.asked == 1, 30, "the webhook to be asked")

    stopping.terminate()
    until(lambda: stops_asked(baton), 20, "RQ to hear that")
    assert stopping.is_running
    hooks.may_answer.set()

    assert stopping.wait() == 0
    assert "SENDING" not in delivered(baton)
    baton.processes.background()
    until(lambda: delivered(baton) == ["SENT"] * 2, 30, "the rest to be sent")
    assert (len(mails.received), len(hooks.received)) == (1, 1)
