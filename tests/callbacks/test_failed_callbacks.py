from __future__ import annotations

import pytest

from baton.broker.results import Results
from baton.envelope import group_key
from baton.store import failed_callbacks
from baton.store.engine import write
from baton.store.failed_callbacks import Backlog
from callbacks.apply import apply_batch
from callbacks.failed_callbacks import replay, replay_all

from ..factories import ACCESS_TOKEN
from ..scheduler.world import GROUP, World, callback


def apply_all(world: World) -> None:
    results = Results(world.redis, world.blocking, "a test")
    entries = results.read([GROUP], count=100, block_ms=1)
    with write(world.engine) as connection:
        apply_batch(connection, entries, lambda name: group_key(ACCESS_TOKEN, name), 5)
    results.acknowledge(entries)


@pytest.fixture
def results(world: World) -> Results:
    return Results(world.redis, world.blocking, "a replay")


def test_a_replayed_result_is_applied_when_its_row_is_there_now(world: World, results: Results) -> None:
    job = world.job(world.group())
    results.append(GROUP, {"settled:77": callback(77)})
    apply_all(world)
    [kept] = world.failed_callbacks()
    world.row(job, id=77, trigger_code=200)

    assert replay(world.engine, results, kept["id"], 7)
    apply_all(world)

    assert world.log(77)["outcome"] == "succeeded"
    assert world.failed_callbacks() == []


def test_a_replayed_result_that_still_fails_is_kept_again(world: World, results: Results) -> None:
    world.group()
    results.append(GROUP, {"settled:77": callback(77)})
    apply_all(world)
    [kept] = world.failed_callbacks()

    replay(world.engine, results, kept["id"], 7)
    apply_all(world)

    [again] = world.failed_callbacks()
    assert (again["id"], again["field"], again["payload"], again["reason"]) == (
        kept["id"], "settled:77", callback(77), "log item not found.",
    )  # fmt: skip
    assert (again["tries"], again["first_seen"], again["replayed_at"]) == (2, kept["first_seen"], 0)


def test_a_replayed_result_is_kept_until_it_was_applied(world: World, results: Results) -> None:
    job = world.job(world.group())
    results.append(GROUP, {"settled:77": callback(77)})
    apply_all(world)
    [kept] = world.failed_callbacks()
    world.row(job, id=77, trigger_code=200)

    for _ in range(2):
        replay(world.engine, results, kept["id"], 7)
        [waiting] = world.failed_callbacks()
        assert waiting["replayed_at"] == 7

    apply_all(world)
    assert world.failed_callbacks() == [], "two replays have one effect"


def test_all_are_replayed_each_once(world: World, results: Results) -> None:
    world.group()
    for log_id in range(70, 75):
        results.append(GROUP, {f"settled:{log_id}": callback(log_id)})
    apply_all(world)

    assert replay_all(world.engine, results, 7, "another group") == 0
    assert replay_all(world.engine, results, 7) == 5
    apply_all(world)

    assert [kept["tries"] for kept in world.failed_callbacks()] == [2] * 5


def test_a_stream_cannot_make_another_result_forgotten(world: World, results: Results) -> None:
    """What an entry says it replays is not signed: only the same content is the same result."""
    job = world.job(world.group())
    results.append(GROUP, {"settled:77": callback(77)})
    apply_all(world)
    [kept] = world.failed_callbacks()
    world.row(job, id=78, trigger_code=200)

    results.append(GROUP, {"settled:78": callback(78)}, replay_of=kept["id"])
    results.append(GROUP, {"settled:79": callback(79)}, replay_of=kept["id"])
    apply_all(world)

    assert world.log(78)["outcome"] == "succeeded"
    assert [(each["field"], each["tries"]) for each in world.failed_callbacks()] == [
        ("settled:77", 1), ("settled:79", 1),
    ]  # fmt: skip


def test_the_backlog_is_counted_by_group_with_the_age_of_its_oldest(world: World) -> None:
    with write(world.engine) as connection:
        for n, (app_name, now_ms) in enumerate([("a", 30), ("a", 10), ("b", 20), ("b", 5)]):
            failed_callbacks.keep(
                connection, app_name=app_name, entry_id=f"{n}-0", field="f", log_id=1, reason="r",
                payload=b"p", now_ms=now_ms,
            )  # fmt: skip
        assert failed_callbacks.discard(connection, 4, by="ana", reason="a test", now_ms=50)

        assert failed_callbacks.backlog(connection) == [Backlog("a", 2, 10), Backlog("b", 1, 20)]
        assert failed_callbacks.count(connection) == 3


def test_discarded_results_are_deleted_when_they_are_old_enough(world: World) -> None:
    with write(world.engine) as connection:
        for n in range(1, 5):
            failed_callbacks.keep(
                connection, app_name="a", entry_id=f"{n}-0", field="f", log_id=1, reason="r", payload=b"p",
                now_ms=1,
            )  # fmt: skip
            if n < 4:
                failed_callbacks.discard(connection, n, by="ana", reason="a test", now_ms=n * 10)

        assert failed_callbacks.delete_discarded(connection, 30, limit=100) == 2
        assert failed_callbacks.delete_discarded(connection, 30, limit=100) == 0
    assert [each["id"] for each in world.failed_callbacks()] == [3, 4]


def test_replaying_what_is_not_kept_answers_so(world: World, results: Results) -> None:
    assert not replay(world.engine, results, 1, 7)
