"""Lanes with several slots, a limit, a priority, or an executor of their own."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from baton.broker import control, recovery
from baton.broker.consumer import Consumer, Room
from baton.broker.presence import beats, executors
from baton.broker.producer import PushRow

from .group import GROUP, INFO, done, ids, row


def parallel(log_id: int, lane: str = "1", slots: int = 3, **fields) -> PushRow:
    return replace(row(log_id, lane), block_strategy="PARALLEL", slots=slots, **fields)


def own(log_id: int, executor: str = "one", **fields) -> PushRow:
    return replace(row(log_id, f"1@{executor}"), **fields)


# several slots


def test_a_parallel_lane_gives_as_many_as_it_has_slots(group):
    group.push(*(parallel(n) for n in range(1, 6)))

    first = group.one.claim(Room(10))
    assert ids(first) == [1, 2, 3]
    assert group.two.claim(Room(10)) == []
    group.one.settle([done(first[1])])
    second = group.two.claim(Room(10))
    assert ids(second) == [4]
    group.one.settle([done(first[0]), done(first[2])])
    group.two.settle([done(second[0])])
    assert ids(group.two.claim(Room(10))) == [5]
    assert group.wrong_lanes("1") == 0


def test_a_parallel_lane_with_much_to_do_does_not_hold_up_others(group):
    group.push(*(parallel(n, slots=50) for n in range(1, 41)), row(100, "2"), row(101, "3"))

    claimed = group.one.claim(Room(10))

    assert {100, 101} <= set(ids(claimed))
    assert len(claimed) == 10
    assert ids(group.two.claim(Room(5))) == [9, 10, 11, 12, 13]


def test_a_lane_that_becomes_serial_waits_until_its_runs_have_ended(group):
    group.push(parallel(1), parallel(2))
    running = group.one.claim(Room(5))
    group.push(row(3))

    assert group.two.claim(Room(5)) == []
    group.one.settle([done(running[0])])
    assert group.two.claim(Room(5)) == []
    group.one.settle([done(running[1])])
    assert ids(group.two.claim(Room(5))) == [3]


def test_cover_ends_all_that_run_in_parallel(group):
    group.push(parallel(1), parallel(2))
    running = {run.log_id: run.token for run in group.one.claim(Room(5))}

    (answer,) = group.producer.push(GROUP, [row(3, strategy="COVER_EARLY")])

    assert set(answer.covered) == {1, 2}
    assert group.one.renew(INFO, running).stop.keys() == {1, 2}


def test_parallel_runs_are_asserted_again_after_data_loss(group):
    group.push(parallel(1), parallel(2))
    running = group.one.claim(Room(5))
    group.redis.flushall()
    group.one.renew(INFO, {})

    assert group.one.reassert(running) == set()
    assert group.one.reassert(running) == set(), "it may be said twice"
    recovery.open_group(group.redis, GROUP)
    group.push(parallel(3, slots=2))
    assert group.one.claim(Room(5)) == []
    group.one.settle([done(run) for run in running])
    assert ids(group.one.claim(Room(5))) == [3]


# who waits


def test_buffer_one_keeps_the_newest_waiting_and_leaves_the_running_one_alone(group):
    group.push(row(1, strategy="BUFFER_ONE"))
    (running,) = group.one.claim(Room(1))

    group.push(row(2, strategy="BUFFER_ONE"))
    (answer,) = group.producer.push(GROUP, [row(3, strategy="BUFFER_ONE")])

    assert answer.covered == (2,)
    assert group.one.renew(INFO, {1: running.token}).stop == {}
    group.one.settle([done(running)])
    assert ids(group.one.claim(Room(5))) == [3]
    assert ("covered", 2) in group.endings()


def test_a_full_queue_discards_with_a_reason(group):
    limited = [replace(row(n), max_queue=2) for n in range(1, 5)]

    assert group.push(*limited[:3]) == ["queued", "queued", "discarded"]
    group.one.claim(Room(1))
    assert group.push(limited[3]) == ["queued"], "one of the two runs now"
    (entry,) = group.results.read([GROUP], count=10, block_ms=10)
    assert entry.items[0].reason == "queue limit: 2 triggers of this job wait already"


def test_a_higher_priority_is_served_first_and_equal_ones_in_turn(group):
    group.push(row(1, "1"), row(2, "2"), replace(row(3, "3"), priority=9), replace(row(4, "4"), priority=0))

    assert ids(group.one.claim(Room(1))) == [3]
    assert ids(group.one.claim(Room(5))) == [1, 2, 4]


def test_a_trigger_whose_deadline_passed_is_not_begun(group):
    past_ms = int(time.time() * 1000) - 1
    group.push(replace(row(1), expires_ms=past_ms), replace(row(2), expires_ms=past_ms + 60_000))

    assert ids(group.one.claim(Room(5))) == []
    assert ids(group.one.claim(Room(5))) == [2], "the lane goes on"
    assert group.endings() == [("expired", 1)]
    assert group.wrong_lanes("1") == 0


# whose lane


def test_a_lane_of_an_executor_is_claimed_by_no_other(group):
    assert group.two
    assert group.push(own(1), row(2, "2")) == ["queued", "queued"]

    assert ids(group.two.claim(Room(5))) == [2]
    assert ids(group.one.claim(Room(5))) == [1]
    assert group.wrong_lanes("1@one", "2") == 0


def test_own_lanes_come_before_those_of_tags_and_shared_ones_last(group):
    tagged = Consumer(group.redis, group.blocking, GROUP, "three", ["gpu", "eu"])
    tagged.renew(replace(INFO, executor_id="three", tags=("gpu", "eu")), {})
    group.push(row(1, "1"), replace(row(2), lane="2#eu"), replace(row(3), lane="3@three"))

    assert ids(group.one.claim(Room(5))) == [1], "no tag, no tagged lane"
    group.push(row(4, "4"))
    assert ids(tagged.claim(Room(5))) == [3, 2, 4]


@pytest.mark.parametrize("lane", ["7", "7@one", "7#gpu"])
def test_each_kind_of_lane_wakes_whom_it_concerns(group, lane):
    tagged = Consumer(group.redis, group.blocking, GROUP, "one", ["gpu"])
    group.push(replace(row(1), lane=lane))

    assert tagged.wait_for_work(0.5)


def test_what_waits_for_a_dead_executor_may_be_pushed_to_another(group):
    assert group.two
    group.push(own(1), own(2), own(3, is_pinned=True))

    taken = recovery.recover(group.redis, GROUP, "one", beats(group.redis, GROUP)["one"])

    assert [(log_id, ending.value) for log_id, ending in taken] == [
        (1, "rerouted"), (2, "rerouted"), (3, "lost"),
    ]  # fmt: skip
    assert group.push(own(1, "two"), own(2, "two")) == ["queued", "queued"]
    assert ids(group.two.claim(Room(5))) == [1]
    assert [info.executor_id for info in executors(group.redis, GROUP)] == ["two"]


def test_a_run_of_a_dead_executor_in_its_own_lane_starts_again_elsewhere(group):
    """Three times, as in a shared lane: the count goes with the run."""
    group.push(own(1, on_lost="RERUN"))
    fates = []
    for n, (dead, other) in enumerate([("one", "two"), ("two", "one")] * 2, 1):
        consumer = group.consumer(dead)
        group.consumer(other)
        (run,) = consumer.claim(Room(5))
        fates += recovery.recover(group.redis, GROUP, dead, beats(group.redis, GROUP)[dead])
        if fates[-1][1].value == "lost":
            break
        group.push(own(1, other, on_lost="RERUN", attempt=n + 1))

    assert [ending.value for _, ending in fates] == ["rerun", "rerouted"] * 3 + ["lost"]
    assert run.attempt == 4


def test_a_push_to_an_executor_that_left_writes_nothing(group):
    group.one.leave()

    assert group.push(own(1), row(2, "2")) == ["gone", "queued"]
    assert group.push(row(1, "1")) == ["queued"], "it counts as never pushed"


def test_who_leaves_lets_go_what_waits_for_it(group):
    group.push(own(1))

    group.one.leave()

    assert [info.executor_id for info in executors(group.redis, GROUP)] == ["two"]
    assert group.endings() == [("rerouted", 1)]
    assert control.lane_depths(group.redis, GROUP, ["1@one"]) == {"1@one": 0}


# slots of the job


def of_job(log_id: int, executor: str, **fields) -> PushRow:
    return own(log_id, executor, is_of_job=True, **fields)


def test_the_lanes_of_a_job_share_its_slot(group):
    group.push(of_job(1, "one"), of_job(2, "two"), of_job(3, "one"))

    (first,) = group.one.claim(Room(5))
    assert first.log_id == 1
    assert group.two.claim(Room(5)) == []
    group.one.settle([done(first)])
    (second,) = group.two.claim(Room(5)) or group.one.claim(Room(5))
    assert group.one.claim(Room(5)) + group.two.claim(Room(5)) == []
    (group.two if second.log_id == 2 else group.one).settle([done(second)])
    (third,) = group.one.claim(Room(5)) or group.two.claim(Room(5))
    assert {second.log_id, third.log_id} == {2, 3}
    assert group.wrong_lanes("1@one", "1@two") == 0


def test_a_parallel_job_has_its_limit_over_all_executors(group):
    group.push(*(of_job(n, "one" if n % 2 else "two", slots=3) for n in range(1, 9)))

    claimed = group.one.claim(Room(2)) + group.two.claim(Room(5))

    assert len(claimed) == 3
    assert group.one.claim(Room(5)) == []


def test_what_runs_or_waits_on_another_executor_counts(group):
    group.push(of_job(1, "one"))
    group.one.claim(Room(1))

    discarded = replace(of_job(2, "two"), block_strategy="DISCARD_LATER")
    assert group.push(discarded) == ["discarded"]
    group.push(of_job(3, "two"), of_job(4, "one"))
    (answer,) = group.producer.push(GROUP, [replace(of_job(5, "two"), block_strategy="COVER_EARLY")])
    assert set(answer.covered) == {1, 3, 4}


def test_the_slot_of_a_job_is_free_when_its_executor_died(group):
    group.push(of_job(1, "one"), of_job(2, "one"), of_job(3, "two"))
    group.one.claim(Room(1))
    assert group.two.claim(Room(1)) == []

    recovery.recover(group.redis, GROUP, "one", beats(group.redis, GROUP)["one"])

    assert group.endings() == [("lost", 1), ("rerouted", 2)]
    assert ids(group.two.claim(Room(5))) == [3]
    assert group.wrong_lanes("1@two") == 0


def test_the_slot_of_a_job_is_asserted_again(group):
    group.push(of_job(1, "one"))
    running = group.one.claim(Room(1))
    group.redis.flushall()
    group.one.renew(INFO, {})
    group.two.renew(replace(INFO, executor_id="two"), {})
    assert group.one.reassert(running) == set()
    recovery.open_group(group.redis, GROUP)

    group.push(of_job(2, "two"))
    assert group.two.claim(Room(1)) == []
    group.one.settle([done(running[0])])
    assert ids(group.two.claim(Room(1))) == [2]
