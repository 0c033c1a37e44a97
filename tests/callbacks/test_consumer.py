from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from baton import failpoints, telemetry
from baton.broker.nudge import wait_for_nudge
from baton.broker.results import ResultEntry, Results
from baton.vocabulary import Outcome
from callbacks import consumer as module
from callbacks.consumer import Consumer

from ..factories import ACCESS_TOKEN
from ..scheduler.world import GROUP, World, callback


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_S", 0.01)


def a_consumer(world: World, name: str = "c1") -> Consumer:
    results = Results(world.redis, world.blocking, name)
    return Consumer(world.engine, world.redis, results, access_token=ACCESS_TOKEN, clock=world.clock)


def settled_runs(
    world: World, runs: int = 1, outcome: Outcome = Outcome.SUCCEEDED, **fields: Any
) -> list[int]:
    """Rows that were pushed, run and settled, as an executor does it."""
    group = world.group()
    log_ids = [world.row(world.job(group), **fields) for _ in range(runs)]
    world.pusher().push_pending()
    executor = world.executor()
    executor.settle(executor.claim(), outcome)
    return log_ids


def append(world: World, fields: dict[str, bytes]) -> None:
    Results(world.redis, world.blocking, "x").append(GROUP, fields)


def outcomes(world: World) -> list[str | None]:
    return [row["outcome"] for row in world.logs()]


def left_in_stream(world: World) -> int:
    return Results(world.redis, world.blocking, "x").pending([GROUP])


def test_settled_runs_end_their_rows_and_leave_the_stream(world: World) -> None:
    settled_runs(world, runs=3)

    assert a_consumer(world).step() == 0.0

    assert outcomes(world) == ["succeeded"] * 3
    assert left_in_stream(world) == 0


def test_a_step_without_results_changes_nothing(world: World) -> None:
    world.group()

    assert a_consumer(world).step() == 0.0


def test_without_groups_the_step_rests(world: World) -> None:
    assert a_consumer(world).step() > 0


def test_a_group_made_later_is_noticed(world: World) -> None:
    mine = a_consumer(world)
    mine.step()
    settled_runs(world)

    world.clock.advance(3)
    mine.step()

    assert outcomes(world) == ["succeeded"]


def test_results_of_several_groups_are_applied_together(world: World) -> None:
    for app_name in ("one", "two"):
        world.row(world.job(world.group(app_name)))
    world.pusher().push_pending()
    for app_name in ("one", "two"):
        executor = world.executor("e", app_name)
        executor.settle(executor.claim())

    a_consumer(world).step()

    assert outcomes(world) == ["succeeded", "succeeded"]


def test_a_retry_wakes_the_schedulers(world: World) -> None:
    settled_runs(world, outcome=Outcome.FAILED, executor_fail_retry_count=1)
    a_consumer(world).step()

    assert wait_for_nudge(world.blocking, 0.1)
    assert outcomes(world) == ["failed", None]


def test_nothing_to_follow_wakes_nobody(world: World) -> None:
    settled_runs(world)
    a_consumer(world).step()

    assert not wait_for_nudge(world.blocking, 0.05)


# crashes


def test_a_crash_before_the_commit_leaves_the_entry_to_another_consumer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKE_OVER_IDLE_S", 0.0)
    settled_runs(world, outcome=Outcome.FAILED, executor_fail_retry_count=1)
    failpoints.arm("apply.before_commit=raise")
    with pytest.raises(RuntimeError, match=r"apply\.before_commit"):
        a_consumer(world, "dead")._write_together(world.entries())
    assert outcomes(world) == [None]

    a_consumer(world, "next").step()

    assert outcomes(world) == ["failed", None]
    assert left_in_stream(world) == 0


def test_a_crash_between_commit_and_acknowledgement_repeats_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKE_OVER_IDLE_S", 0.0)
    settled_runs(world, outcome=Outcome.FAILED, executor_fail_retry_count=1)
    failpoints.arm("apply.committed=raise")
    with pytest.raises(RuntimeError, match=r"apply\.committed"):
        a_consumer(world, "dead").step()
    before = world.logs()
    assert [row["outcome"] for row in before] == ["failed", None]
    assert left_in_stream(world) == 1
    repeats = telemetry.count("apply.repeated")

    a_consumer(world, "next").step()

    assert world.logs() == before
    assert left_in_stream(world) == 0
    assert telemetry.count("apply.repeated") == repeats + 1


def test_the_nudge_that_a_crash_swallowed_costs_no_retry(world: World) -> None:
    settled_runs(world, outcome=Outcome.FAILED, executor_fail_retry_count=1)
    failpoints.arm("apply.acknowledged=raise")
    with pytest.raises(RuntimeError):
        a_consumer(world).step()

    assert world.pusher().push_pending().queued == 1


def test_entries_of_a_living_consumer_are_not_taken_over(world: World) -> None:
    settled_runs(world)
    assert world.entries() != []  # read by another one, just now

    a_consumer(world).step()

    assert outcomes(world) == [None]


# the database


def away(*_arguments: object) -> None:
    raise OperationalError("update", {}, Exception("the database is away"))


def test_while_the_database_is_away_nothing_is_acknowledged_and_the_batch_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_runs(world, runs=2)
    mine = a_consumer(world)
    with monkeypatch.context() as patched:
        patched.setattr(module, "apply_batch", away)
        for _ in range(3):
            with pytest.raises(OperationalError):
                mine.step()
    assert left_in_stream(world) == 1
    assert outcomes(world) == [None, None]

    mine.step()

    assert outcomes(world) == ["succeeded", "succeeded"]
    assert left_in_stream(world) == 0
    assert world.failed_callbacks() == []


def test_a_result_the_database_refuses_is_put_aside_alone(world: World) -> None:
    log_ids = settled_runs(world, runs=5)
    poisoned = world.row(world.logs()[0]["job_id"], trigger_code=200)
    # an integer that msgpack can carry and no database can store
    append(world, {f"settled:{poisoned}": callback(poisoned, token=2**64 - 1)})

    a_consumer(world).step()

    assert [world.log(log_id)["outcome"] for log_id in log_ids] == ["succeeded"] * 5
    assert world.log(poisoned)["outcome"] is None
    [kept] = world.failed_callbacks()
    assert (kept["log_id"], kept["field"]) == (poisoned, f"settled:{poisoned}")
    assert left_in_stream(world) == 0


@pytest.mark.parametrize("number", [2**63, 10**30, 0, -5])
@pytest.mark.parametrize("is_signed", [False, True])
def test_a_log_id_no_database_can_hold_does_not_stop_the_stream(
    world: World, number: int, *, is_signed: bool
) -> None:
    [log_id] = settled_runs(world)
    frame = callback(number) if is_signed and number < 2**64 else b"\x00"
    append(world, {f"settled:{number}": frame})

    a_consumer(world).step()

    assert world.log(log_id)["outcome"] == "succeeded"
    [kept] = world.failed_callbacks()
    assert (kept["log_id"], kept["field"]) == (None, f"settled:{number}")
    assert left_in_stream(world) == 0


def test_a_poisoned_batch_loses_none_of_its_bad_fields(world: World) -> None:
    [log_id] = settled_runs(world)
    poisoned = world.row(world.logs()[0]["job_id"], trigger_code=200)
    append(world, {f"settled:{poisoned}": callback(poisoned, token=2**64 - 1), "nonsense": b"\xff"})

    a_consumer(world).step()

    assert world.log(log_id)["outcome"] == "succeeded"
    assert sorted(kept["field"] for kept in world.failed_callbacks()) == ["nonsense", f"settled:{poisoned}"]


def test_a_failed_callback_that_is_read_twice_is_kept_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKE_OVER_IDLE_S", 0.0)
    world.group()
    append(world, {"settled:404": callback(404)})
    failpoints.arm("apply.committed=raise")
    with pytest.raises(RuntimeError):
        a_consumer(world, "dead").step()

    a_consumer(world, "next").step()

    [kept] = world.failed_callbacks()
    assert (kept["reason"], kept["tries"]) == ("log item not found.", 2)


def test_a_stream_that_was_deleted_is_made_again(world: World) -> None:
    settled_runs(world)
    mine = a_consumer(world)
    mine.step()
    world.redis.delete(f"baton:{{{GROUP}}}:results")
    world.row(world.logs()[0]["job_id"])
    world.pusher().push_pending()
    executor = world.executor()
    executor.settle(executor.claim())

    for _ in range(3):
        mine.step()

    assert outcomes(world) == ["succeeded", "succeeded"]


# entries that harm whoever reads them


def pretend_deliveries(world: World, count: int) -> None:
    """The one entry was read so often, and whoever read it ended."""
    stream = f"baton:{{{GROUP}}}:results"
    [(entry_id, _fields)] = world.redis.xrange(stream)
    Results(world.redis, world.blocking, "dead").read([GROUP], count=1, block_ms=1)
    world.redis.xclaim(stream, "callbacks", "dead", 0, [entry_id], retrycount=count, justid=False)


def test_an_entry_that_nobody_survived_is_put_aside_unread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKE_OVER_IDLE_S", 0.0)
    world.group()
    append(world, {"settled:7": callback(7), "nonsense": b"\xff"})
    pretend_deliveries(world, module.GIVE_UP_AFTER)
    monkeypatch.setattr(module, "apply_batch", away)

    a_consumer(world).step()

    kept = world.failed_callbacks()
    assert sorted(each["field"] for each in kept) == ["nonsense", "settled:7"]
    assert all("never applied: whoever tried it ended" in each["reason"] for each in kept)
    assert left_in_stream(world) == 0


def test_what_was_delivered_often_is_applied_alone() -> None:
    def entry(number: int, deliveries: int) -> ResultEntry:
        return ResultEntry(GROUP, f"{number}-0", deliveries, (), ())

    often = module.ALONE_AFTER
    batches = module._batches(
        [entry(1, 1), entry(2, 2), entry(3, often), entry(4, 1), entry(5, 1), entry(6, often + 1)]
    )

    assert [[each.entry_id for each in batch] for batch in batches] == [
        ["1-0", "2-0"], ["3-0"], ["4-0", "5-0"], ["6-0"],
    ]  # fmt: skip


def test_a_statement_that_fails_for_ever_is_no_database_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement time-out, for one, looks the same as a database that is going away."""
    first, second = settled_runs(world, runs=2)
    really = module.apply_batch

    def refuse_the_first(connection: Any, entries: Any, *rest: Any) -> Any:
        if any(item.log_id == first for entry in entries for item in entry.items):
            away()
        return really(connection, entries, *rest)

    monkeypatch.setattr(module, "apply_batch", refuse_the_first)
    mine = a_consumer(world)
    for _ in range(module.TRIES_UNTIL_BLAMED - 1):
        with pytest.raises(OperationalError):
            mine.step()
    assert left_in_stream(world) == 1

    mine.step()

    assert (world.log(first)["outcome"], world.log(second)["outcome"]) == (None, "succeeded")
    [kept] = world.failed_callbacks()
    assert (kept["log_id"], kept["reason"][:16]) == (first, "OperationalError")
    assert left_in_stream(world) == 0
