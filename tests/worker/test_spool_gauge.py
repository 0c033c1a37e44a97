"""The spool is bounded: insurance goes first, then claiming stops; a result is never dropped."""

from __future__ import annotations

import pytest

from baton import telemetry
from baton.broker import recovery
from baton.vocabulary import SpoolState
from tests.worker.spool_world import GROUP, SpoolWorld, ending
from worker.journal import record
from worker.spool_gauge import SpoolGauge

LIMIT = 100_000


@pytest.fixture
def world(one_redis, tmp_path):
    recovery.open_group(one_redis, GROUP)
    return SpoolWorld(one_redis, tmp_path)


def gauge_of(world: SpoolWorld) -> SpoolGauge:
    return SpoolGauge(world.spool, world.kept, world.orphans.quarantine, LIMIT)


def open_ending(world: SpoolWorld, log_id: int, size: int) -> int:
    """An ending that Redis did not accept; answers its segment."""
    segment = world.spool.begin()
    world.spool.write(segment, ending(log_id, "x" * size))
    return segment


def test_what_redis_has_is_let_go_before_the_spool_is_full(world):
    gauge = gauge_of(world)
    for log_id in range(1, 10):
        world.settle(log_id, message="x" * 10_000)
        world.spool.begin_another()

    gauge.step()

    assert gauge.facts.state is SpoolState.OK
    assert gauge.facts.bytes < LIMIT * 0.8
    assert 7 <= world.segments() < 9, "no more than is needed, the oldest first"
    assert world.in_stream() == list(range(1, 10))


def test_at_the_bound_nothing_is_claimed_until_the_spool_is_relieved(world):
    gauge, told = gauge_of(world), telemetry.count("spool.full")
    segments = [open_ending(world, log_id, 21_000) for log_id in range(1, 6)]

    gauge.step()
    assert gauge.facts.state is SpoolState.FULL
    assert world.spool.is_full
    assert telemetry.count("spool.full") == told + 1
    assert len(world.spool.frames(segments[0])) == 5, "no ending was dropped for it"

    for segment in segments:
        world.spool.accepted(segment)
    world.spool.begin_another()
    gauge.step()
    assert gauge.facts.state is SpoolState.OK
    assert not world.spool.is_full


def test_it_warns_before_the_bound_is_reached(world):
    gauge, told = gauge_of(world), telemetry.count("spool.nearly_full")
    for log_id in range(1, 5):
        open_ending(world, log_id, 21_000)

    for _ in range(2):
        gauge.step()

    assert gauge.facts.state is SpoolState.NEARLY_FULL
    assert not world.spool.is_full
    assert telemetry.count("spool.nearly_full") == told + 1, "once, not with every look"


def test_what_others_left_counts_and_what_is_in_quarantine_does_not(world):
    gauge = gauge_of(world)
    world.left_behind("gone", record(ending(1, "x" * 30_000)))
    world.orphans.quarantine.put("damaged", b"x" * LIMIT, "a test")

    gauge.step()

    assert 30_000 < gauge.facts.bytes < 40_000
    assert gauge.facts.quarantined == 1
