"""Bytes in a lane that no push of this version wrote are put aside with a reason and harm nobody else."""

from __future__ import annotations

import pytest

from baton.broker import control, recovery
from baton.broker.consumer import Room

from .group import GROUP, done, ids, row

GARBAGE = [
    b"",
    b"\xc1\x00nonsense",
    b"1:1:0:FAIL",
    b"2:not:an:element",
    b"x" * 100_000,
    b"9" * 5000 + b":1:0:FAIL:0:0:1:",
]


def put(group, lane: str, *elements: bytes) -> None:
    """What somebody with `redis-cli` can do; the audit then makes the lane ready."""
    group.redis.rpush(f"baton:{{lanes}}:queue:{lane}", *elements)
    recovery.repair_ready(group.redis, GROUP, [lane])


def claimed_in_the_end(group) -> list[int]:
    """The log ids of all that can be claimed; each claim takes one message of a lane at most."""
    found: list[int] = []
    for _ in range(20):
        claimed = group.one.claim(Room(10))
        group.one.settle([done(run) for run in claimed])
        found += ids(claimed)
    return sorted(found)


def put_aside(group) -> list[tuple[str, bytes]]:
    entries = group.results.read([GROUP], count=1000, block_ms=1)
    return [(bad.reason, bad.payload) for entry in entries for bad in entry.bad]


def test_a_claim_puts_them_aside_and_loses_no_neighbour(group):
    group.push(row(11, "1"), row(12, "2"))
    put(group, "2", *GARBAGE)
    group.push(row(13, "2"), row(14, "3"))

    assert claimed_in_the_end(group) == [11, 12, 13, 14]

    aside = put_aside(group)
    assert [payload for _reason, payload in aside] == GARBAGE
    assert {reason for reason, _payload in aside} == {"lane 2 held bytes that are no message of this version"}
    assert group.wrong_lanes("1", "2", "3") == 0


def test_a_lane_with_nothing_else_gets_empty(group):
    put(group, "5", *GARBAGE)

    assert claimed_in_the_end(group) == []
    assert group.redis.exists("baton:{lanes}:queue:5") == 0
    assert len(put_aside(group)) == len(GARBAGE)


@pytest.mark.parametrize("strategy", ["COVER_EARLY", "BUFFER_ONE"])
def test_a_push_that_displaces_them_puts_them_aside(group, strategy):
    group.push(row(1))
    put(group, "1", *GARBAGE)

    assert group.push(row(2, strategy=strategy)) == ["queued"]

    assert len(put_aside(group)) == len(GARBAGE)
    assert claimed_in_the_end(group) == [2]


def test_looking_for_lost_runs_and_killing_them_pass_over_them(group):
    put(group, "1", *GARBAGE)
    group.push(row(3))

    assert recovery.adrift(group.redis, GROUP, [(3, "1"), (4, "1")]) == {4}
    assert control.cancel(group.redis, GROUP, 3, "1", "enough") is control.CancelVerdict.ENDED


def test_what_waits_for_a_dead_executor_is_taken_back_past_them(group):
    group.push(row(1, "7@one"))
    put(group, "7@one", *GARBAGE)
    group.push(row(2, "7@one"))

    taken = recovery.recover(group.redis, GROUP, "one", 1)

    assert [log_id for log_id, _ending in taken or []] == [1, 2]
    assert len(put_aside(group)) == len(GARBAGE)
