"""The spool is bounded: insurance goes first, then claiming stops; a result is never dropped."""

from __future__ import annotations

import pytest

from baton import telemetry
from baton.broker import control, presence, recovery
from baton.vocabulary import SpoolState
from tests.waiting import until
from tests.worker.spool_world import GROUP, SpoolWorld, ending
from worker.journal import record
from worker.spool_gauge import SpoolGauge

from .conftest import GROUP as GROUP_OF_EXECUTORS

LIMIT = 100_000


@pytest.fixture
def spools(one_redis, tmp_path):
    recovery.open_group(one_redis, GROUP)
    return SpoolWorld(one_redis, tmp_path)


def gauge_of(spools: SpoolWorld) -> SpoolGauge:
    return SpoolGauge(spools.spool, spools.kept, spools.orphans.quarantine, LIMIT)


def open_ending(spools: SpoolWorld, log_id: int, size: int) -> int:
    """An ending that Redis did not accept; answers its segment."""
    segment = spools.spool.begin()
    spools.spool.write(segment, ending(log_id, "x" * size))
    return segment


def test_what_redis_has_is_let_go_before_the_spool_is_full(spools):
    gauge = gauge_of(spools)
    for log_id in range(1, 10):
        spools.settle(log_id, message="x" * 10_000)
        spools.spool.begin_another()

    gauge.step()

    assert gauge.facts.state is SpoolState.OK
    assert gauge.facts.bytes < LIMIT * 0.8
    assert 7 <= spools.segments() < 9, "no more than is needed, the oldest first"
    assert spools.in_stream() == list(range(1, 10))


def test_at_the_bound_nothing_is_claimed_until_the_spool_is_relieved(spools):
    gauge, told = gauge_of(spools), telemetry.count("spool.full")
    segments = [open_ending(spools, log_id, 21_000) for log_id in range(1, 6)]

    gauge.step()
    assert gauge.facts.state is SpoolState.FULL
    assert spools.spool.is_full
    assert telemetry.count("spool.full") == told + 1
    assert len(spools.spool.frames(segments[0])) == 5, "no ending was dropped for it"

    for segment in segments:
        spools.spool.accepted(segment)
    spools.spool.begin_another()
    gauge.step()
    assert gauge.facts.state is SpoolState.OK
    assert not spools.spool.is_full


def test_it_warns_before_the_bound_is_reached(spools):
    gauge, told = gauge_of(spools), telemetry.count("spool.nearly_full")
    for log_id in range(1, 5):
        open_ending(spools, log_id, 21_000)

    for _ in range(2):
        gauge.step()

    assert gauge.facts.state is SpoolState.NEARLY_FULL
    assert not spools.spool.is_full
    assert telemetry.count("spool.nearly_full") == told + 1, "once, not with every look"


def test_what_others_left_counts_and_what_is_in_quarantine_does_not(spools):
    gauge = gauge_of(spools)
    spools.left_behind("gone", record(ending(1, "x" * 30_000)))
    spools.orphans.quarantine.put("damaged", b"x" * LIMIT, "a test")

    gauge.step()

    assert 30_000 < gauge.facts.bytes < 40_000
    assert gauge.facts.quarantined == 1


def test_a_disk_that_others_have_filled_is_told_as_nearly_full(spools):
    gauge = SpoolGauge(spools.spool, spools.kept, spools.orphans.quarantine, LIMIT, least_free_bytes=2**62)

    gauge.step()

    assert gauge.facts.state is SpoolState.NEARLY_FULL
    assert not spools.spool.is_full, "endings still go to Redis"


def test_an_executor_with_a_full_spool_claims_nothing_and_says_so(world):
    """What fills it here belongs to a group it does not serve: it can neither deliver nor drop it."""
    theirs = world.folder / "spool" / "gone" / "1.journal"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"".join(record(ending(n, "x" * 40_000)) for n in range(1, 41)))
    world.start(BATON_SPOOL_LIMIT_MB="1")

    def state() -> str:
        [one] = presence.executors(world.redis, GROUP_OF_EXECUTORS)
        return one.spool_state

    until(lambda: state() == "full", 10, "the spool to be found full")
    log_id = world.push("succeed")
    until(lambda: control.lane_depths(world.redis, GROUP_OF_EXECUTORS, [str(log_id)]) == {str(log_id): 1})
    assert control.running(world.redis, GROUP_OF_EXECUTORS, [log_id]) == {}

    theirs.unlink()
    assert world.ending(log_id).outcome == "succeeded"
    until(lambda: state() == "ok", 10, "the spool to be relieved")
