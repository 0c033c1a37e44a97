"""The lanes as tables: push, claim, settle and what they leave behind. Every test runs on each server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.broker import control, recovery
from baton.broker.consumer import Room
from baton.broker.presence import beats, executors
from baton.broker.producer import GroupClosed, PushVerdict
from baton.broker.results import Results
from baton.vocabulary import Ending, Outcome

from .group import GROUP, INFO, done, ids, row


def test_a_lane_gives_one_run_at_a_time_in_the_order_of_the_pushes(group):
    group.push(*(row(n) for n in range(1, 6)))
    seen = []
    while claimed := group.one.claim(Room(10)):
        assert len(claimed) == 1
        assert group.two.claim(Room(10)) == []
        seen += ids(claimed)
        group.one.settle([done(claimed[0])])
    assert seen == [1, 2, 3, 4, 5]
    assert group.endings() == [("settled", n) for n in seen]
    assert group.wrong_lanes("1") == 0


def test_lanes_are_served_in_turn_whatever_their_length(group):
    group.push(*(row(n, "long") for n in range(1, 101)))
    group.push(row(200, "short"), row(201, "other"))
    order = []
    for _ in range(4):
        (run,) = group.one.claim(Room(1))
        order.append(run.lane)
        group.one.settle([done(run)])
    assert order == ["long", "short", "other", "long"]


def test_a_log_id_is_pushed_once_however_often_it_is_sent(group):
    assert group.push(row(1)) == ["queued"]
    assert group.push(row(1)) == ["repeated"]
    group.one.settle([done(run) for run in group.one.claim(Room(1))])
    assert group.push(row(1)) == ["repeated"]
    assert group.one.claim(Room(1)) == []


@pytest.mark.parametrize("occupied_by", ["a waiting run", "a running run", "a run of the same batch"])
def test_discard_later_refuses_what_comes_while_the_lane_is_occupied(group, occupied_by):
    first, later = row(1, strategy="DISCARD_LATER"), row(2, strategy="DISCARD_LATER")
    if occupied_by == "a run of the same batch":
        verdicts = group.push(first, later)
    else:
        verdicts = group.push(first)
        if occupied_by == "a running run":
            group.one.claim(Room(1))
        verdicts += group.push(later)
    assert verdicts == ["queued", "discarded"]
    assert group.endings() == [("discarded", 2)]


def test_cover_early_ends_what_waits_and_flags_what_runs(group):
    group.push(row(1))
    (running,) = group.one.claim(Room(1))
    group.push(row(2), row(3))

    (answer,) = group.producer.push(GROUP, [row(4, strategy="COVER_EARLY")])

    assert (answer.verdict, answer.covered) == (PushVerdict.QUEUED, (2, 3, 1))
    assert group.endings() == [("covered", 2), ("covered", 3)]
    stop = group.one.renew(INFO, {1: running.token}).stop[1]
    assert (stop.outcome, stop.reason) == (Outcome.COVERED, "block strategy effect: Cover Early")
    assert group.two.claim(Room(1)) == [], "the successor waits until the covered run has really ended"
    group.one.settle([done(running)])
    assert ids(group.two.claim(Room(1))) == [4]


def test_a_closed_group_is_neither_pushed_to_nor_claimed_from(group):
    group.push(row(1))
    group.redis.delete("baton:{lanes}:epoch")
    with pytest.raises(GroupClosed):
        group.push(row(2))
    assert group.one.claim(Room(1)) == []


def test_a_stale_token_frees_nothing_and_is_reported_as_stale(group):
    group.push(row(1, on_lost="RERUN"))
    (old,) = group.one.claim(Room(1))
    group.one.renew(INFO, {})
    assert recovery.recover(group.redis, GROUP, "one", beats(group.redis, GROUP)["one"]) == [
        (1, Ending.RERUN)
    ]
    (new,) = group.two.claim(Room(1))
    assert (new.log_id, new.attempt) == (1, 2)
    assert new.token > old.token

    group.one.settle([done(old)])

    assert group.endings() == [("rerun", 1), ("stale", 1)]
    assert control.running(group.redis, GROUP, [1]) == {1: "two"}


def test_settling_twice_reports_twice_and_frees_once(group):
    group.push(row(1), row(2))
    (run,) = group.one.claim(Room(1))
    group.one.settle([done(run)])
    (second,) = group.one.claim(Room(1))
    group.one.settle([done(run)])
    assert control.running(group.redis, GROUP, [2]) == {2: "one"}
    assert second.log_id == 2
    assert group.endings() == [("settled", 1), ("settled", 1)]


def test_an_executor_that_beats_again_is_not_recovered(group):
    group.push(row(1))
    group.one.claim(Room(1))
    counter = beats(group.redis, GROUP)["one"]
    group.one.renew(INFO, {})
    assert recovery.recover(group.redis, GROUP, "one", counter) is None
    assert control.running(group.redis, GROUP, [1]) == {1: "one"}


def test_a_lost_run_ends_as_its_policy_says_and_the_executor_is_forgotten(group):
    group.push(row(1, "1"), row(2, "2", on_lost="RERUN"), row(3, "1"))
    group.one.claim(Room(5))
    group.one.renew(INFO, {})
    taken = recovery.recover(group.redis, GROUP, "one", beats(group.redis, GROUP)["one"])
    assert sorted(taken or []) == [(1, Ending.LOST), (2, Ending.RERUN)]
    assert [info.executor_id for info in executors(group.redis, GROUP)] == ["two"]
    assert sorted(ids(group.two.claim(Room(5)))) == [2, 3]
    assert group.wrong_lanes("1", "2") == 0


def test_a_run_is_started_again_three_times_then_it_is_lost(group):
    group.push(row(1, on_lost="RERUN"))
    fates = []
    for _ in range(4):
        group.one.renew(INFO, {})
        group.one.claim(Room(1))
        fates += recovery.recover(group.redis, GROUP, "one", beats(group.redis, GROUP)["one"]) or []
    assert [fate.value for _, fate in fates] == ["rerun", "rerun", "rerun", "lost"]


@pytest.mark.parametrize("state", ["running", "waiting", "not pushed", "ended"])
def test_what_a_cancellation_meets(group, state):
    if state != "not pushed":
        group.push(row(1))
    if state in {"running", "ended"}:
        (run,) = group.one.claim(Room(1))
        if state == "ended":
            group.one.settle([done(run)])
            group.endings()
    verdict = control.cancel(group.redis, GROUP, 1, "1", "killed by a test")
    expected = {"running": "stopping", "waiting": "ended", "not pushed": "flagged", "ended": "gone"}
    assert verdict.value == expected[state]
    if state == "waiting":
        assert group.endings() == [("killed", 1)]
    if state == "not pushed":
        group.push(row(1))
        assert group.one.claim(Room(1)) == []
        assert group.endings() == [("killed", 1)]


def test_a_living_executor_keeps_its_runs_when_redis_loses_its_data(group):
    group.push(row(1), row(2, "2"))
    mine, other = group.one.claim(Room(2))
    group.redis.flushall()
    assert group.one.renew(INFO, {1: mine.token}).unknown == {1}
    assert group.one.reassert([mine]) == set()
    recovery.open_group(group.redis, GROUP)
    group.two.renew(replace(INFO, executor_id="two"), {})
    assert group.push(row(1), row(2, "2")) == ["repeated", "queued"]
    (again,) = group.two.claim(Room(5))
    assert again.log_id == 2
    assert again.token > other.token, "tokens grow although the counter was lost"
    assert group.one.reassert([other]) == {2}


def test_an_executor_without_a_beat_claims_nothing(group):
    group.push(row(1))
    group.one.leave()
    assert group.one.claim(Room(1)) == []
    group.one.renew(INFO, {})
    assert ids(group.one.claim(Room(1))) == [1]


def test_a_run_that_ended_gets_no_lease_again(group):
    group.push(row(1))
    (run,) = group.one.claim(Room(1))
    group.one.settle([done(run)])
    assert group.one.reassert([run]) == {1}
    assert control.running(group.redis, GROUP, [1]) == {}


def test_a_claim_whose_answer_got_lost_is_named_an_orphan_and_handed_back(group):
    group.push(row(1))
    (run,) = group.one.claim(Room(1))
    assert group.one.renew(INFO, {}).orphans == {1: run.token}
    assert group.one.hand_back({1: run.token}) == 1
    (again,) = group.two.claim(Room(1))
    assert (again.log_id, again.attempt) == (1, 1)


def test_the_audit_finds_and_repairs_what_somebody_broke(group):
    group.push(row(1), row(2, "2"))
    group.redis.zrem("baton:{lanes}:ready", "1")
    group.redis.hset("baton:{lanes}:running", "2", "99")
    assert group.wrong_lanes("1", "2") >= 2
    assert group.wrong_lanes("1", "2") == 0
    assert sorted(ids(group.one.claim(Room(5)))) == [1, 2]


def test_a_restarted_server_is_sent_the_scripts_again(group):
    group.push(row(1), row(2, "2"))
    (run, _) = group.one.claim(Room(2))
    group.redis.script_flush()
    assert group.one.settle_and_claim([done(run)], Room(1)) == []
    assert group.endings() == [("settled", 1)]


def test_results_of_a_dead_consumer_are_taken_over_and_counted(group, redis_url):
    group.push(row(1))
    group.one.settle([done(run) for run in group.one.claim(Room(1))])
    dead = Results(group.redis, group.blocking, "dead")
    assert len(dead.read([GROUP], count=10, block_ms=1)) == 1
    (entry,) = group.results.take_over([GROUP], idle_ms=0, count=10)
    assert (entry.deliveries, entry.items[0].log_id) == (2, 1)
    group.results.acknowledge([entry])
    assert group.results.pending([GROUP]) == 0


def test_a_deleted_stream_is_made_again(group):
    group.endings()
    group.redis.delete("baton:{lanes}:results")
    group.push(row(1, strategy="DISCARD_LATER"), row(2, strategy="DISCARD_LATER"))
    assert group.endings() + group.endings() == [("discarded", 2)]


def test_a_field_that_is_no_ending_disturbs_no_other(group):
    group.redis.xadd("baton:{lanes}:results", {"settled:7": b"x", "nonsense": b"\xc1", "lost:8": b"\xc1"})
    (entry,) = group.results.read([GROUP], count=10, block_ms=1)
    assert [item.log_id for item in entry.items] == [7]
    assert [bad.field for bad in entry.bad] == ["nonsense", "lost:8"]


def test_a_run_that_is_claimed_while_one_looks_is_not_adrift(group, monkeypatch):
    """Its lease comes after the leases were read, and before its lane is."""
    group.push(row(1), row(2, "2"))
    look = recovery._waiting

    def claim_first(*arguments):
        group.one.claim(Room(5))
        return look(*arguments)

    monkeypatch.setattr(recovery, "_waiting", claim_first)

    assert recovery.adrift(group.redis, GROUP, [(1, "1"), (2, "2"), (3, "3")]) == {3}
