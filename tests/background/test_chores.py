"""Background work is handed over once a period, and taken up again when it failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from rq import SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from background.alarms import KEPT_DAYS, forget
from baton.broker import chores
from baton.broker.client import connect
from scheduler.chores import TIMETABLE, Chore, Chores, period_of
from tests.clocks import FakeClock
from tests.waiting import until

from . import pieces

NAME = "tests.background.pieces.note"
NO_PAUSES = (0, 0, 0)


@pytest.fixture
def redis(one_redis_url: str) -> Iterator[Redis]:
    client = connect(one_redis_url, socket_timeout_s=None)
    client.flushall()
    pieces.done.clear()
    pieces.failures = 0
    yield client
    client.close()


def work(redis: Redis) -> None:
    worker = SimpleWorker([chores.queue(redis)], connection=redis, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="CRITICAL")


def test_a_chore_is_done_once_a_period_however_many_schedulers_there_are(redis):
    clock = FakeClock()
    timetable = [Chore(NAME, every_s=3600)]
    schedulers = [Chores(redis, timetable=timetable, clock=clock) for _ in range(3)]
    for _ in range(2):
        for each in schedulers:
            each.step()
        work(redis)
    Chores(redis, timetable=timetable, clock=clock).step()  # one that started late
    work(redis)
    first_ms = clock.now_ms()
    assert pieces.done == [first_ms], "noon is the beginning of an hour"

    clock.advance(3600)
    for each in schedulers:
        each.step()
    work(redis)

    assert pieces.done == [first_ms, first_ms + 3_600_000]


@pytest.mark.parametrize(
    ("every_s", "at_s", "now_s", "begins_s"),
    [
        (3600, 0, 7199, 3600),
        (3600, 0, 7200, 7200),
        (3600, 600, 7799, 3600),
        (3600, 600, 7800, 7200),
        (86_400, 3 * 3600, 86_400 + 3 * 3600 - 1, 0),
        (86_400, 3 * 3600, 86_400 + 3 * 3600, 86_400),
    ],
)
def test_which_period_is_the_newest_whose_moment_has_come(every_s, at_s, now_s, begins_s):
    assert period_of(Chore("x", every_s, at_s), now_s * 1000) == begins_s * 1000


def test_what_failed_is_done_again_until_it_is_done(redis):
    queue = chores.queue(redis)
    pieces.failures = 2
    chores.hand_over(queue, NAME, "a", "word")

    for _ in range(3):
        work(redis)
        assert chores.take_up_again(queue, NO_PAUSES) == []

    assert (pieces.done, pieces.failures) == (["word"], 0)
    assert queue.failed_job_registry.count == 0


def test_what_failed_waits_before_it_is_done_again(redis):
    queue = chores.queue(redis)
    pieces.failures = 1
    chores.hand_over(queue, NAME, "a", "word")
    work(redis)

    chores.take_up_again(queue, (3600,))
    work(redis)

    assert pieces.done == []
    assert queue.failed_job_registry.get_job_ids() == ["a"]


def test_what_fails_again_and_again_is_given_up_and_said_once(redis):
    queue = chores.queue(redis)
    pieces.failures = 100
    chores.hand_over(queue, NAME, "a", "word")
    said = []
    for _ in range(8):
        work(redis)
        said += chores.take_up_again(queue, NO_PAUSES)

    assert pieces.failures == 100 - len(NO_PAUSES) - 1
    assert [(each.work_id, each.name, each.tries, each.problem) for each in said] == [
        ("a", NAME, 4, "ValueError: not this time")
    ]


def test_what_somebody_asked_for_is_his_to_ask_again(redis):
    queue = chores.queue(redis)
    pieces.failures = 1
    with pytest.raises(chores.NoAnswer, match="does one run"):
        chores.ask(queue, NAME, "a", "word", wait_s=0)
    work(redis)

    assert chores.take_up_again(queue, NO_PAUSES) == []
    assert queue.failed_job_registry.get_job_ids() == ["a"]


def test_two_schedulers_take_up_the_same_work_once(redis):
    queue, other = chores.queue(redis), chores.queue(redis)
    pieces.failures = 1
    chores.hand_over(queue, NAME, "a", "word")
    work(redis)
    job = Job.fetch("a", connection=redis, serializer=JSONSerializer)
    chores.take_up_again(queue, NO_PAUSES)

    chores._take_up(other, job, NO_PAUSES)  # it had read the same list a moment before

    assert queue.get_job_ids() == ["a"]


def test_every_chore_of_the_timetable_can_be_called():
    for chore in TIMETABLE:
        job = Job.create(chore.name, args=(0,), connection=Redis(), serializer=JSONSerializer)
        assert callable(job.func)


def test_a_chore_that_comes_again_soon_is_not_tried_a_second_time(redis):
    queue = chores.queue(redis)
    pieces.failures = 1
    chores.hand_over(queue, NAME, "a", "word", is_repeated=True)
    work(redis)

    said = chores.take_up_again(queue, NO_PAUSES) + chores.take_up_again(queue, NO_PAUSES)

    assert [each.work_id for each in said] == ["a"]
    assert queue.get_job_ids() == []


def test_a_chore_that_nobody_began_in_its_period_is_dropped(redis):
    queue = chores.queue(redis)
    chores.hand_over(queue, NAME, "late", "late", waits_s=1)
    until(lambda: not redis.exists("rq:job:late"), 5, "RQ to forget it")
    chores.hand_over(queue, NAME, "next", "next", waits_s=60)
    work(redis)

    assert pieces.done == ["next"]


def test_old_alarms_are_forgotten(tower):
    tower.channel()
    tower.failure()
    tower.work()
    tower.clock.advance(KEPT_DAYS * 86_400 - 10)
    newer = tower.failure()
    tower.work()
    assert forget(0) == 1
    assert len(tower.states()) == 2

    tower.clock.advance(20)
    forget(0)

    assert tower.alarms() == [f"failed:{newer}"]
    assert tower.states() == ["SENT"]
