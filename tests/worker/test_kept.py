"""Endings stay on the disk until their results are applied, and go out again when Redis lost its data."""

from __future__ import annotations

import pytest
from redis.exceptions import RedisError

from baton import failpoints
from baton.broker import recovery
from baton.broker.client import connect
from baton.broker.consumer import Claimed, Settled
from baton.envelope import group_key, seal, unseal
from baton.messages import HandleCallbackParam
from tests import factories
from tests.worker.spool_world import GROUP, KEY, SpoolWorld, ending
from worker.journal import record
from worker.kept import find_ending
from worker.runs import Run


@pytest.fixture
def world(one_redis, tmp_path):
    recovery.open_group(one_redis, GROUP)
    world = SpoolWorld(one_redis, tmp_path)
    world.kept.look()  # an executor looks before it claims anything
    return world


def test_an_accepted_ending_is_kept_while_its_result_stands_in_the_stream(world):
    world.settle(1, 2)

    for _ in range(3):
        world.kept.look()
    assert world.segments() == 1

    world.apply()
    world.kept.look()
    assert world.segments() == 0
    assert not world.spool.is_needed()


def test_what_comes_after_it_into_the_stream_does_not_hold_it(world):
    world.settle(1)
    world.kept.look()
    world.apply()
    world.settle(2)

    world.kept.look()

    assert world.segments() == 1
    assert world.in_stream() == [2]


def test_a_segment_waits_for_the_last_result_that_was_accepted_from_it(world):
    """Not for what the stream held when somebody else's result was the newest."""
    segment = world.spool.begin()
    world.kept.look()
    world.spool.write(segment, b"")
    world.spool.accepted(segment)
    world.settle(5)

    world.kept.look()

    assert world.segments() == 2, "the newest entry at the time of the look is not applied yet"


def test_a_callbacks_process_that_is_away_for_hours_does_not_fill_the_disk_with_files(world):
    for log_id in range(1, 101):
        world.settle(log_id)
        world.kept.look()
    assert 50 < world.segments() < 70

    world.apply()
    world.kept.look()
    world.kept.look()
    assert world.segments() == 0


def test_after_everything_in_redis_was_deleted_all_that_is_kept_is_handed_over_again(world):
    world.settle(1, 2, 3)
    world.kept.look()

    world.redis.flushall()
    world.kept.look()
    assert world.in_stream() == [1, 2, 3]

    world.kept.look()
    assert world.in_stream() == [1, 2, 3], "once"
    assert world.segments() == 1
    world.apply()
    world.kept.look()
    assert world.segments() == 0


def test_a_loss_is_noticed_although_others_filled_the_stream_again(world):
    """The stream alone looks as if everything before its first entry had been applied."""
    world.settle(1)
    world.kept.look()
    world.redis.flushall()
    recovery.open_group(world.redis, GROUP)
    world.redis.xadd(f"baton:{{{GROUP}}}:results", {"settled:77": b"of somebody else"})
    world.redis.xadd(f"baton:{{{GROUP}}}:results", {"settled:78": b"of somebody else"})

    world.kept.look()

    assert world.in_stream() == [1, 77, 78]


def test_a_second_loss_while_the_group_is_still_closed_is_noticed_too(world):
    world.settle(1)
    for _ in range(2):
        world.redis.flushall()
        world.kept.look()
        assert world.in_stream() == [1]
        world.kept.look()
        assert world.in_stream() == [1]


def test_what_was_applied_is_not_handed_over_again(world):
    world.settle(1)
    world.kept.look()
    world.apply()
    world.kept.look()
    world.settle(2)

    world.redis.flushall()
    world.kept.look()

    assert world.in_stream() == [2]


def test_a_failure_while_it_hands_over_again_is_made_good_by_the_next_look(world):
    world.settle(1)
    world.redis.flushall()
    failpoints.arm("kept.settled=raise")
    with pytest.raises(RuntimeError):
        world.kept.look()

    world.kept.look()

    assert world.apply() == {1: 2}, "twice, which changes nothing; never not at all"


def test_what_another_executor_left_is_kept_as_well(world, tmp_path):
    world.settle(1)
    world.spool.close()
    second = SpoolWorldOf(world, tmp_path)
    second.kept.look()
    second.replay.step()
    second.kept.look()
    assert second.in_stream() == [1, 1]

    second.redis.flushall()
    second.kept.look()

    assert second.in_stream() == [1]


def test_what_another_left_waits_in_order_while_redis_is_away(own_redis, tmp_path):
    server = own_redis()
    world = SpoolWorld(connect(server.url), tmp_path / "spool")
    for n in (3, 1, 2):
        world.left_behind(f"gone-{n}", record(ending(n)))
    server.kill()

    for _ in range(2):
        with pytest.raises(RedisError):
            world.replay.step()
    assert world.spool.adopted_endings() == 3

    own_redis()
    world.replay.step()
    entries = world.redis.xrange(f"baton:{{{GROUP}}}:results")
    assert [int(name.split(b":")[1]) for _id, fields in entries for name in fields] == [3, 1, 2]
    assert world.spool.adopted_endings() == 0


def test_large_endings_stand_in_entries_that_one_consumer_can_hold(world):
    """Otherwise fifty entries of two hundred results each would be gigabytes."""
    world.seats[GROUP].consumer.settle([Settled(n, 9, 1, ending(n, "x" * 200_000)) for n in range(1, 21)])

    entries = world.redis.xrange(f"baton:{{{GROUP}}}:results")

    assert max(sum(map(len, fields.values())) for _id, fields in entries) < 1.3 * 1024 * 1024
    assert world.in_stream() == list(range(1, 21))


def test_the_ending_of_a_child_that_died_is_found_among_those_of_other_groups(world):
    """One process may serve several groups: their endings stand in one segment."""
    segment = world.spool.begin()
    claimed = Claimed(7, 9, 1, "7", b"", b"")
    elsewhere = seal(
        unseal(ending(7), HandleCallbackParam, KEY), group_key(factories.ACCESS_TOKEN, "elsewhere")
    )
    for frame in (elsewhere, ending(8), ending(7, token=3), ending(7, "its last word")):
        world.spool.write(segment, frame)

    found = find_ending(world.spool, world.seats[GROUP], Run(claimed, None, segment, GROUP))

    assert found == ending(7, "its last word")


class SpoolWorldOf(SpoolWorld):
    """The next executor on the same disk."""

    def __init__(self, before: SpoolWorld, spool_dir) -> None:
        before.spool.folder.rename(spool_dir / "gone")
        super().__init__(before.redis, spool_dir)
