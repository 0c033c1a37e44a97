"""What people are told because a run ended: in the transaction that ends it, once."""

from __future__ import annotations

from sqlalchemy import select

from baton.store.engine import write
from baton.store.models import Alarm
from baton.vocabulary import Ending, Outcome
from callbacks.apply import apply_batch

from ..scheduler.world import World
from .test_apply import NOW_MS, by_script, entry, key_of, settled

LIMIT_S = 300


def apply(world: World, *items: object, late_after_s: int = LIMIT_S) -> None:
    with write(world.engine) as connection:
        apply_batch(connection, [entry(*items)], key_of, NOW_MS, late_after_s)


def told(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(Alarm.alarm_key).order_by(Alarm.id)).scalars())


def queued(world: World, job_id: int, **fields: object) -> int:
    return world.row(job_id, **({"trigger_code": 200, "fire_at": NOW_MS} | fields))


def test_a_failure_is_told_after_its_last_retry_only(world: World) -> None:
    job_id = world.job(world.group())
    first = queued(world, job_id, executor_fail_retry_count=1)
    apply(world, settled(first, Outcome.FAILED))
    assert told(world) == []

    retry = world.logs(job_id)[-1]["id"]
    apply(world, settled(retry, Outcome.TIMED_OUT, attempt=2))

    assert told(world) == [f"failed:{retry}"]


def test_a_result_that_comes_twice_makes_one_alarm(world: World) -> None:
    log_id = queued(world, world.job(world.group()))
    for _ in range(2):
        apply(world, settled(log_id, Outcome.FAILED), settled(log_id, Outcome.FAILED))

    assert told(world) == [f"failed:{log_id}"]


def test_which_endings_are_failures(world: World) -> None:
    group_id = world.group()
    plain, strict = world.job(group_id), world.job(group_id, retry_refused=True)
    endings = (Ending.KILLED, Ending.DISCARDED, Ending.COVERED, Ending.LOST, Ending.EXPIRED)
    rows = {(job_id, ending): queued(world, job_id) for job_id in (plain, strict) for ending in endings}
    apply(world, *(by_script(ending, log_id) for (_, ending), log_id in rows.items()))

    failed = {key for key, log_id in rows.items() if f"failed:{log_id}" in told(world)}

    assert {ending for job_id, ending in failed if job_id == plain} == {Ending.LOST, Ending.EXPIRED}
    assert {ending for job_id, ending in failed if job_id == strict} == set(endings) - {Ending.KILLED}


def test_the_first_success_after_failures_is_told_and_no_other(world: World) -> None:
    job_id = world.job(world.group())
    for outcome in (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.FAILED):
        apply(world, settled(queued(world, job_id), outcome))
    assert [key.split(":")[0] for key in told(world)] == ["failed", "failed"]

    for _ in range(2):
        apply(world, settled(queued(world, job_id)))

    assert [key.split(":")[0] for key in told(world)] == ["failed", "failed", "recovered"]


def test_a_success_before_the_failure_in_one_batch_is_no_recovery(world: World) -> None:
    job_id = world.job(world.group())
    rows = [queued(world, job_id) for _ in range(2)]
    apply(world, settled(rows[0]), settled(rows[1], Outcome.FAILED))
    assert told(world) == [f"failed:{rows[1]}"]

    rows = [queued(world, job_id) for _ in range(2)]
    apply(world, settled(rows[0], Outcome.FAILED), settled(rows[1]))

    assert [key.split(":")[0] for key in told(world)] == ["failed", "failed", "recovered"]


def test_a_run_that_began_late_is_told_when_it_ends(world: World) -> None:
    job_id = world.job(world.group())
    late, just_in_time, tried_again = (queued(world, job_id) for _ in range(3))
    began = NOW_MS + LIMIT_S * 1000
    apply(
        world,
        settled(late, started_ms=began + 1),
        settled(just_in_time, started_ms=began),
        settled(tried_again, started_ms=began + 9_999, attempt=2),
    )

    assert told(world) == [f"late:{late}"]


def test_what_a_job_says_about_lateness_counts_first(world: World) -> None:
    group_id = world.group()
    jobs = {
        "strict": world.job(group_id, late_after_s=2),
        "patient": world.job(group_id, late_after_s=1000),
        "careless": world.job(group_id, on_lateness="IGNORE", late_after_s=2),
        "usual": world.job(group_id),
    }
    for late_s, expected in (
        (3, {"strict"}),
        (301, {"strict", "usual"}),
        (1001, {"strict", "usual", "patient"}),
    ):
        rows = {name: queued(world, job_id) for name, job_id in jobs.items()}
        apply(world, *(settled(row, started_ms=NOW_MS + late_s * 1000) for row in rows.values()))
        assert {name for name, row in rows.items() if f"late:{row}" in told(world)} == expected

    row = queued(world, jobs["usual"])
    apply(world, settled(row, started_ms=NOW_MS + 10**9), late_after_s=0)
    assert f"late:{row}" not in told(world)


def test_a_run_is_due_when_it_may_begin(world: World) -> None:
    job_id = world.job(world.group())
    long_ago = NOW_MS - 10**9
    jittered = queued(world, job_id, not_before=NOW_MS + 200_000)
    backfilled = queued(world, job_id, fire_at=long_ago, trigger_type="BACKFILL", trigger_time=NOW_MS)
    missed = queued(world, job_id, fire_at=long_ago, trigger_type="MISFIRE", trigger_time=NOW_MS)
    apply(world, *(settled(row, started_ms=NOW_MS + 301_000) for row in (jittered, missed)))
    apply(world, settled(backfilled, started_ms=NOW_MS + 299_000))

    assert told(world) == [f"late:{missed}"]
