"""Bad input in a whole installation: each has its own clear words, and everybody else goes on."""

from __future__ import annotations

import msgpack
import pytest
from sqlalchemy import delete, select

from baton.broker import presence, recovery
from baton.broker.keys import GroupKeys, lane_of
from baton.broker.producer import Producer, PushRow
from baton.envelope import group_key, seal
from baton.store.engine import write
from baton.store.models import ExecutorGroup, FailedCallback, Job
from tests import factories
from tests.waiting import until

from .baton import APP_NAME

pytestmark = pytest.mark.slow

KEYS = GroupKeys(APP_NAME)


def failed_callbacks(baton) -> dict[str, str]:
    """Field -> reason of what was put aside."""
    with baton.engine.connect() as connection:
        rows = connection.execute(select(FailedCallback.field, FailedCallback.reason))
        return dict(rows.all())


def signed_with(token: str, **fields) -> bytes:
    return seal(factories.trigger_param(app_name=APP_NAME, **fields), group_key(token, APP_NAME))


def bad_frames(log_id: int) -> dict[str, bytes]:
    """What the row is told -> a message that nobody should obey."""
    return {
        "Malformed: trigger message is not msgpack": b"\xc1nonsense",
        "Malformed: trigger message is not a frame of [version, kind, body, signature]": msgpack.packb({}),
        "BadSignature: trigger message is not signed for this group: check that BATON_ACCESS_TOKEN": (
            signed_with("another-token-0123456789-abcdef", log_id=log_id)
        ),
        "NewerVersion: trigger message has version 2, this process reads up to 1: upgrade it": (
            msgpack.packb([2, "trigger", b"", b""])
        ),
        f"Malformed: the message is for log id {log_id + 1000}": (
            signed_with(factories.ACCESS_TOKEN, log_id=log_id + 1000)
        ),
        "glueType[GLUE_GROOVY] is not valid.": (
            signed_with(factories.ACCESS_TOKEN, log_id=log_id, glue_type="GLUE_GROOVY")
        ),
    }


@pytest.mark.parametrize("redis", ["embedded", "installed"])
def test_a_bad_message_ends_its_row_with_clear_words_and_no_other_row(whole_baton, redis):
    baton = whole_baton(schedulers=0, redis=redis)
    baton.wait_for_workers(1)
    [executor] = presence.executors(baton.redis, APP_NAME)
    job_ids = [baton.job() for _ in bad_frames(0)]
    for job_id in job_ids:
        baton.trigger(job_id, 2)
    first_of = {row.job_id: row.id for row in reversed(baton.facts())}
    expected = {}
    for number, job_id in enumerate(job_ids):
        log_id, lane = first_of[job_id], lane_of(job_id)
        expected[log_id], frame = list(bad_frames(log_id).items())[number]
        # bytes that are not even the beginning of a message wait before it
        baton.redis.rpush(KEYS.queue(lane), b"\xff\x00")
        Producer(baton.redis).push(APP_NAME, [PushRow(log_id, lane, "SERIAL_EXECUTION", 1, "FAIL", frame)])

    baton.start(schedulers=1)
    baton.wait_until_ended(len(job_ids) * 2)

    for row in baton.facts():
        if row.id in expected:
            assert (row.outcome, row.handle_code) == ("failed", 500)
            assert row.handle_msg.startswith(expected[row.id])
        else:
            assert row.outcome == "succeeded"
    aside = until(lambda: len(said := failed_callbacks(baton)) == len(job_ids) and said, 10, "the bytes")
    assert set(aside.values()) == {
        f"lane {lane_of(job_id)} held bytes that are no message of this version" for job_id in job_ids
    }
    assert [each.executor_id for each in presence.executors(baton.redis, APP_NAME)] == [executor.executor_id]
    assert recovery.repair_ready(baton.redis, APP_NAME, map(lane_of, job_ids)) == 0
    assert baton.verdict(serial=job_ids).is_clean


def test_what_a_handler_is_asked_for_and_what_it_says_may_be_too_much(whole_baton):
    baton = whole_baton()
    baton.trigger(baton.job("no-such"))
    baton.trigger(baton.job(), param="x" * 1_048_576)
    baton.trigger(baton.job("talk"), param="10000000")

    baton.wait_until_ended(3)

    unknown, large, talkative = baton.facts()
    assert (unknown.outcome, unknown.handle_code) == ("failed", 500)
    assert unknown.handle_msg == "job handler [no-such] not found."
    assert (large.outcome, large.trigger_code, large.handle_code) == ("refused", 500, 0)
    assert "bytes; the limit is 524,288 bytes" in large.trigger_msg
    assert talkative.outcome == "succeeded"
    [log] = (baton.folder / "logs").rglob(f"{talkative.id}.log")
    assert "[line cut: it had 10,000,000 characters]" in log.read_text("utf-8")
    assert log.stat().st_size < 100_000


def test_a_group_that_is_gone_and_a_group_nobody_serves(whole_baton):
    baton = whole_baton(schedulers=0)
    with write(baton.engine) as connection:
        names = ("gone", "unserved")
        group_ids = {name: factories.executor_group(connection, app_name=name) for name in names}
        job_ids = {name: factories.job(connection, group_ids[name]) for name in names}
    for job_id in (served := baton.job(), *job_ids.values()):
        baton.trigger(job_id)
    with write(baton.engine) as connection:
        connection.execute(delete(Job).where(Job.id == job_ids["gone"]))
        connection.execute(delete(ExecutorGroup).where(ExecutorGroup.id == group_ids["gone"]))

    baton.start(schedulers=1)
    until(lambda: all(row.trigger_code for row in baton.facts()), 20, "all rows to be judged")
    until(lambda: len([said for said in baton.outcomes() if said]) == 2, 20, "two rows to end")

    rows = {row.job_id: row for row in baton.facts()}
    assert rows[served].outcome == "succeeded"
    assert (rows[job_ids["gone"]].outcome, rows[job_ids["gone"]].trigger_code) == ("refused", 500)
    assert "no such executor group" in rows[job_ids["gone"]].trigger_msg
    assert (rows[job_ids["unserved"]].outcome, rows[job_ids["unserved"]].trigger_code) == (None, 200)
    assert "no executor listens" in rows[job_ids["unserved"]].trigger_msg


def test_a_schedule_that_cannot_be_read_stops_its_job_and_says_why(whole_baton):
    """As somebody might write it straight into the database."""
    baton = whole_baton(schedulers=0)
    due = {"trigger_status": 1, "next_trigger_time": 1}
    bad_cron = baton.job(schedule_type="CRON", schedule_conf="0 99 * * *", **due)
    bad_zone = baton.job(schedule_type="CRON", schedule_conf="* * * * *", time_zone="Mars/Crater", **due)
    healthy = baton.job(schedule_type="FIX_RATE", schedule_conf="1", **due)
    baton.plan_from_now(healthy)

    baton.start(schedulers=1)
    baton.wait_until_ended(2)

    with baton.engine.connect() as connection:
        jobs = {job.id: job for job in connection.execute(select(Job.__table__))}
    assert [jobs[job_id].trigger_status for job_id in (bad_cron, bad_zone, healthy)] == [0, 0, 1]
    assert "99" in jobs[bad_cron].stop_reason
    assert "Mars/Crater" in jobs[bad_zone].stop_reason
    assert {row.job_id for row in baton.facts()} == {healthy}


def test_results_nobody_can_trust_are_put_aside_and_the_true_one_counts(whole_baton):
    baton = whole_baton()
    baton.trigger(job_id := baton.job(), param="1")
    log_id = baton.wait_for_start().log_id
    forged = factories.callback_param(app_name=APP_NAME, log_id=log_id, outcome="failed", handle_code=500)
    baton.redis.xadd(
        KEYS.named("results"),
        {
            f"settled:{log_id}": seal(forged, group_key("another-token-0123456789-abcdef", APP_NAME)),
            f"lost:{log_id}": b"\xc1",
            "nonsense": b"\xff" * 1_000_000,
            "settled:999": msgpack.packb([2, "callback", b"", b""]),
        },
    )

    aside = until(lambda: len(said := failed_callbacks(baton)) == 4 and said, 10, "four reasons")
    baton.wait_until_ended(1)

    assert aside[f"settled:{log_id}"].startswith("BadSignature: callback message is not signed")
    assert aside["settled:999"].startswith("NewerVersion: callback message has version 2")
    assert aside[f"lost:{log_id}"].startswith("not an ending")
    assert aside["nonsense"].startswith("not an ending")
    assert baton.outcomes() == ["succeeded"]
    assert baton.verdict(serial=[job_id]).is_clean
