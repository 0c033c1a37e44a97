from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from baton import failpoints
from baton.broker import recovery
from baton.broker.producer import Producer
from baton.envelope import group_key, unseal
from baton.messages import TriggerParam
from baton.store import alarms, glue
from baton.store.models import ExecutorGroup, Job
from scheduler import pusher

from ..factories import ACCESS_TOKEN
from .world import GROUP, World


def test_a_pending_row_becomes_a_message_that_says_everything_the_executor_needs(world: World) -> None:
    job = world.job(
        world.group(), executor_handler="report", executor_param="für 7", executor_timeout=9,
        block_strategy="COVER_EARLY", on_lost="RERUN",
    )  # fmt: skip
    log_id = world.row(job, fire_at=world.clock.wall_ms - 40, attempt=2)

    world.pusher().push_pending()

    [claimed] = world.executor().claim()
    assert (claimed.log_id, claimed.attempt) == (log_id, 2)
    message = unseal(claimed.frame, TriggerParam, group_key(ACCESS_TOKEN, GROUP))
    assert message == TriggerParam(
        app_name=GROUP, job_id=job, log_id=log_id, log_date_time=world.clock.wall_ms,
        fire_at_ms=world.clock.wall_ms - 40, executor_handler="report", executor_params="für 7",
        executor_block_strategy="COVER_EARLY", executor_timeout=9, glue_type="BEAN", glue_source="",
        glue_updatetime=0, broadcast_index=0, broadcast_total=1, attempt=2, on_lost="RERUN",
    )  # fmt: skip


def test_a_pushed_row_is_marked_with_the_facts_of_its_push(world: World) -> None:
    job = world.job(world.group(), executor_fail_retry_count=3, executor_timeout=9)
    log_id = world.row(job)
    world.executor("e1").beat()
    world.executor("e2").beat()

    world.pusher().push_pending()

    row = world.log(log_id)
    assert (row["trigger_code"], row["outcome"]) == (200, None)
    assert json.loads(row["trigger_msg"]) == {
        "trigger_type": "MANUAL", "scheduler": "here", "route_strategy": "ANY",
        "block_strategy": "SERIAL_EXECUTION", "executor_timeout": 9, "executor_fail_retry_count": 3,
        "lane": str(job), "executors": 2,
    }  # fmt: skip


def test_a_push_nobody_listens_to_says_so_and_waits(world: World) -> None:
    job = world.job(world.group())
    log_id = world.row(job)

    world.pusher().push_pending()

    assert json.loads(world.log(log_id)["trigger_msg"])["note"] == "no executor listens"
    assert world.waiting(job) == [log_id]


def test_pushed_rows_are_not_read_again(world: World) -> None:
    job = world.job(world.group())
    world.row(job)
    mine = world.pusher()
    mine.push_pending()

    again = mine.push_pending()

    assert (again.queued, again.repeated) == (0, 0)


def test_more_rows_than_one_call_takes_arrive_in_their_order(world: World) -> None:
    job = world.job(world.group())
    log_ids = [world.row(job) for _ in range(2 * pusher.MAX_PUSH_ROWS + 1)]

    pushed = world.pusher().push_pending()

    assert pushed.queued == len(log_ids)
    assert world.waiting(job) == log_ids


def test_a_discarded_row_is_left_to_the_callbacks(world: World) -> None:
    job = world.job(world.group(), block_strategy="DISCARD_LATER")
    first, second = world.row(job), world.row(job)

    pushed = world.pusher().push_pending()

    assert (pushed.queued, pushed.discarded) == (1, 1)
    assert world.log(first)["trigger_code"] == 200
    assert world.log(second)["trigger_code"] == 0
    assert world.reported() == [f"discarded:{second}"]


def test_covered_runs_are_counted(world: World) -> None:
    job = world.job(world.group(), block_strategy="COVER_EARLY")
    first, _second = world.row(job), world.row(job)

    assert world.pusher().push_pending().covered == 1
    assert world.reported() == [f"covered:{first}"]


def test_a_crash_between_push_and_mark_costs_a_repeated_call_not_a_second_run(world: World) -> None:
    job = world.job(world.group())
    log_id = world.row(job)
    failpoints.arm("push.done=raise")
    with pytest.raises(RuntimeError, match=r"push\.done"):
        world.pusher().push_pending()
    assert world.log(log_id)["trigger_code"] == 0

    pushed = world.pusher().push_pending()

    assert (pushed.queued, pushed.repeated) == (0, 1)
    assert world.waiting(job) == [log_id]
    assert world.log(log_id)["trigger_code"] == 200


def test_a_crash_before_the_push_leaves_the_row_pending(world: World) -> None:
    job = world.job(world.group())
    log_id = world.row(job)
    failpoints.arm("push.before=raise")
    with pytest.raises(RuntimeError, match=r"push\.before"):
        world.pusher().push_pending()
    assert world.waiting(job) == []

    assert world.pusher().push_pending().queued == 1
    assert world.waiting(job) == [log_id]


def test_rows_of_a_closed_group_stay_pending_and_the_sweeper_is_woken(world: World) -> None:
    closed = world.job(world.group("closed", is_open=False))
    other = world.job(world.group())
    waits, goes = world.row(closed), world.row(other)

    pushed = world.pusher().push_pending()

    assert (pushed.waiting, pushed.queued) == (1, 1)
    assert world.calls == ["closed"]
    assert world.log(waits)["trigger_code"] == 0
    assert world.log(goes)["trigger_code"] == 200


def test_rows_that_stay_pending_do_not_hold_up_the_rows_behind_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pusher, "PAGE_ROWS", 2)
    closed = world.job(world.group("closed", is_open=False))
    for _ in range(3):
        world.row(closed)
    behind = world.row(world.job(world.group()))
    mine = world.pusher()

    assert mine.step() == 0.0
    assert mine.step() == 0.0
    assert mine.step() == 1.0
    assert world.log(behind)["trigger_code"] == 200

    recovery.open_group(world.redis, "closed")
    while mine.step() == 0.0:
        pass
    assert len(world.waiting(closed, "closed")) == 3


def test_a_row_without_group_is_refused_with_the_reason(world: World) -> None:
    gone, other = world.job(world.group("gone")), world.job(world.group())
    lost, fine = world.row(gone), world.row(other)
    group = world.look(Job, gone)["group_id"]
    world.remove(Job, gone)
    world.remove(ExecutorGroup, group)

    world.pusher().push_pending()

    row = world.log(lost)
    assert (row["trigger_code"], row["outcome"], row["handle_code"]) == (500, "refused", 0)
    assert "no such executor group" in row["trigger_msg"]
    assert world.log(fine)["trigger_code"] == 200


@pytest.mark.parametrize(
    ("column", "value"), [("block_strategy", "SOMETIMES"), ("on_lost", "maybe"), ("on_lost", "")]
)
def test_a_row_with_a_word_nobody_knows_is_refused_and_harms_no_other(
    world: World, column: str, value: str
) -> None:
    job = world.job(world.group())
    broken, fine = world.row(job, **{column: value}), world.row(job)

    pushed = world.pusher().push_pending()

    assert list(pushed.refused) == [broken]
    row = world.log(broken)
    assert (row["trigger_code"], row["outcome"]) == (500, "refused")
    assert repr(value) in row["trigger_msg"]
    assert world.waiting(job) == [fine]


def test_a_job_with_a_route_nobody_knows_has_its_rows_refused(world: World) -> None:
    job = world.job(world.group(), route_strategy="TELEPATHY")
    log_id = world.row(job)

    world.pusher().push_pending()

    assert world.log(log_id)["outcome"] == "refused"
    assert "'TELEPATHY' is not one of ANY" in world.log(log_id)["trigger_msg"]


def test_people_are_told_of_a_refused_run_once_unless_its_job_is_gone(world: World) -> None:
    group = world.group()
    broken, gone = (world.job(group, route_strategy="TELEPATHY") for _ in range(2))
    log_id, nobodys = world.row(broken), world.row(gone)
    world.remove(Job, gone)

    for _ in range(2):
        world.pusher().step()

    assert world.log(nobodys)["outcome"] == "refused"
    with world.engine.connect() as connection:
        assert [each.log_id for each in alarms.list_page(connection)] == [log_id]


def test_a_message_over_the_size_bound_is_refused_with_sizes(world: World) -> None:
    job = world.job(world.group())
    huge, fine = world.row(job, executor_param="x" * 1_000_000), world.row(job)

    world.pusher().push_pending()

    assert world.log(huge)["outcome"] == "refused"
    assert "the limit is 524,288 bytes" in world.log(huge)["trigger_msg"]
    assert world.waiting(job) == [fine]


def test_rows_redis_has_no_memory_for_stay_pending(world: World) -> None:
    job = world.job(world.group())
    log_id = world.row(job)
    world.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisError):
            world.pusher().push_pending()
        assert world.log(log_id)["trigger_code"] == 0
    finally:
        world.redis.config_set("maxmemory", 0)

    assert world.pusher().push_pending().queued == 1


def test_what_redis_took_before_it_failed_is_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world.job(world.group("first")), world.job(world.group("second"))
    taken, refused = world.row(first), world.row(second)
    mine = world.pusher()
    push = mine._producer.push

    def fails_for_the_second(app_name: str, rows: list[object]) -> object:
        if app_name == "second":
            raise RedisError("gone")
        return push(app_name, rows)

    monkeypatch.setattr(mine._producer, "push", fails_for_the_second)
    with pytest.raises(RedisError, match="gone"):
        mine.push_pending()

    assert world.log(taken)["trigger_code"] == 200
    assert world.log(refused)["trigger_code"] == 0


def test_a_row_waits_for_its_time_and_the_pusher_for_the_row(world: World) -> None:
    job = world.job(world.group())
    later = world.row(job, not_before=world.clock.wall_ms + 300)
    much_later = world.row(job, not_before=world.clock.wall_ms + 3_600_000)
    at_once = world.row(job)
    mine = world.pusher()

    # it looks a little earlier, to have it read and sealed when its moment comes
    ahead_s = pusher.PREPARE_MS / 1000
    assert mine.step() == pytest.approx(0.3 - ahead_s)
    world.clock.advance(0.3 - ahead_s)
    assert mine.step() == pytest.approx(ahead_s)
    assert world.waiting(job) == [at_once]

    world.clock.advance(ahead_s)
    assert [mine.step(), mine.step()] == [0.0, pusher.SAFETY_POLL_S]
    assert world.waiting(job) == [at_once, later]
    assert world.log(later)["trigger_code"] == 200
    assert world.log(much_later)["trigger_code"] == 0


def test_what_was_prepared_and_what_came_after_it_are_both_pushed_once(world: World) -> None:
    job = world.job(world.group())
    moment = world.clock.wall_ms + 100
    first = world.row(job, not_before=moment)
    mine, other = world.pusher(), world.pusher()
    mine.step()
    second = world.row(job, not_before=moment)
    too_large = world.row(job, not_before=moment, executor_param="x" * 2_000_000)
    other.step()

    world.clock.advance(0.1)
    for _ in range(2):
        mine.step()
        other.step()

    assert world.waiting(job) == [first, second]
    assert world.log(too_large)["trigger_code"] == 500


def script(world: World, source: str, job: int) -> None:
    """Save a version of its source."""
    with world.engine.begin() as connection:
        newest = glue.current(connection, job)
        now_ms = world.clock.wall_ms
        assert glue.save(connection, job, newest.id if newest else 0, source, "why", "ana", now_ms)


def sources(world: World) -> list[tuple[str, int]]:
    """The source and its version of each message that waits."""
    key = group_key(ACCESS_TOKEN, GROUP)
    messages = [unseal(each.frame, TriggerParam, key) for each in world.executor().claim()]
    return [(each.glue_source, each.glue_updatetime) for each in messages]


def test_a_run_gets_the_script_as_it_is_when_it_is_pushed(world: World) -> None:
    job = world.job(world.group(), glue_type="GLUE_SHELL", block_strategy="PARALLEL", max_concurrency=9)
    now = world.clock.wall_ms
    world.row(job)
    world.pusher().push_pending()
    script(world, "echo 1", job)
    retry = world.row(job, trigger_type="RETRY", attempt=2)
    world.pusher().push_pending()
    mine = world.pusher()
    world.row(job, not_before=now + 100)
    mine.step()  # it is read ahead, and the source is changed before its moment
    script(world, "echo 2", job)
    world.clock.advance(0.1)
    mine.step()
    world.change(Job, job, glue_type="GLUE_PYTHON")
    world.row(job)
    world.pusher().push_pending()

    assert sources(world) == [("", 0), ("echo 1", now), ("echo 2", now + 1), ("", 0)]
    assert world.log(retry)["trigger_code"] == 200


def test_many_large_scripts_do_not_go_into_one_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pusher, "PUSH_BYTES", 100_000)
    job = world.job(world.group(), glue_type="GLUE_SHELL")
    script(world, "#" * 45_000, job)
    log_ids = [world.row(job) for _ in range(5)]
    calls: list[int] = []
    push = Producer.push
    monkeypatch.setattr(
        Producer, "push", lambda self, name, rows: (calls.append(len(rows)), push(self, name, rows))[1]
    )

    pushed = world.pusher().push_pending()

    assert (pushed.queued, calls) == (5, [2, 2, 1])
    assert world.waiting(job) == log_ids
    assert {world.log(log_id)["trigger_code"] for log_id in log_ids} == {200}


def test_pages_go_on_where_the_last_one_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pusher, "PAGE_ROWS", 2)
    job = world.job(world.group())
    now = world.clock.wall_ms
    delays = [5, 0, 3, 0, 5, 0, 4]
    log_ids = [world.row(job, not_before=now - delay if delay else 0) for delay in delays]
    mine = world.pusher()

    assert [mine.step() for _ in range(4)] == [0.0, 0.0, 0.0, pusher.SAFETY_POLL_S]

    assert world.waiting(job) == [log_ids[n] for n in (1, 3, 5, 0, 4, 6, 2)]


def test_what_redis_did_not_take_comes_first_when_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pusher, "PAGE_ROWS", 2)
    job = world.job(world.group())
    log_ids = [world.row(job) for _ in range(5)]
    mine = world.pusher()
    with monkeypatch.context() as away:
        away.setattr(mine._producer, "push", raises(RedisConnectionError("away")))
        for _ in range(2):
            with pytest.raises(RedisConnectionError):
                mine.step()

    while mine.step() == 0.0:
        pass

    assert world.waiting(job) == log_ids, "no newer trigger of the job overtook it"


def raises(problem: Exception) -> Callable[..., None]:
    def push(*_arguments: object) -> None:
        raise problem

    return push


def test_two_pushers_at_once_put_each_row_into_its_lane_once(world: World) -> None:
    job = world.job(world.group())
    log_ids = [world.row(job) for _ in range(5)]
    first, second = world.pusher(), world.pusher()
    rows = _pending(world)

    pushed = [first.push(rows), second.push(rows)]

    assert [(p.queued, p.repeated) for p in pushed] == [(5, 0), (0, 5)]
    assert world.waiting(job) == log_ids


def _pending(world: World) -> list[object]:
    with pusher.read(world.engine) as connection:
        return pusher.runs.pending(connection, 100, world.clock.now_ms())
