"""Two writers at once: one of them is told that it came second, and nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from baton.store import access, jobs, runs, triggers
from baton.store.engine import write
from baton.store.models import Job, JobLog
from baton.store.runs import RunEnding
from tests import factories

NOW_MS = 1_790_000_000_000


def _together(*works: Callable[[], Any]) -> list[Any]:
    """What each answers, all begun at the same moment."""
    barrier = threading.Barrier(len(works))
    answers: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        barrier.wait()
        answers[number] = works[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _job(engine, **fields) -> tuple[int, int]:
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        return group_id, factories.job(connection, group_id, **fields)


def _trigger(group_id: int, job_id: int, key: str) -> triggers.NewTrigger:
    return triggers.NewTrigger(
        job_id, group_id, key, "CRON", NOW_MS, "h", "", 0, 0, "SERIAL_EXECUTION", "FAIL"
    )


def _ending(log_id: int, **fields) -> RunEnding:
    values = {
        "log_id": log_id,
        "outcome": "succeeded",
        "handle_code": 200,
        "handle_msg": "",
        "handle_time_ms": NOW_MS,
        "started_ms": NOW_MS - 1,
        "executor_address": "e",
        "attempt": 1,
        "token": 1,
        "result": "",
        "trigger_code": 200,
    }
    return RunEnding(**{**values, **fields})


def test_the_same_triggers_planned_by_two_are_rows_once(engine):
    group_id, job_id = _job(engine)
    rows = [_trigger(group_id, job_id, f"cron:{n}") for n in range(100)]

    def plan() -> int:
        with write(engine) as connection:
            # as planners do: whoever moves the job inserts its rows
            connection.execute(select(Job.id).where(Job.id == job_id).with_for_update())
            return triggers.plan(connection, rows, NOW_MS)

    assert sorted(_together(plan, plan, plan)) == [0, 0, 100]


def test_a_job_is_moved_by_one_of_two_planners(engine):
    _, job_id = _job(engine, trigger_status=1, next_trigger_time=NOW_MS)
    move = jobs.Advance(job_id, NOW_MS, NOW_MS + 1000, NOW_MS)

    def advance() -> set[int]:
        with write(engine) as connection:
            return jobs.advance(connection, [move])

    assert sorted(map(len, _together(advance, advance))) == [0, 1]


def test_a_person_who_stops_a_job_is_not_overruled_by_a_planner(engine):
    _, job_id = _job(engine, trigger_status=1, next_trigger_time=NOW_MS)

    with write(engine) as connection:
        jobs.stop(connection, job_id, NOW_MS)
    with write(engine) as connection:
        assert jobs.advance(connection, [jobs.Advance(job_id, NOW_MS, NOW_MS + 1000, NOW_MS)]) == set()
        assert jobs.get(connection, job_id).trigger_status == 0


def test_a_row_is_ended_by_one_of_two_results(engine):
    group_id, job_id = _job(engine)
    with write(engine) as connection:
        log_ids = [
            factories.log_row(connection, group_id, job_id, trigger_code=200, pushed_at=NOW_MS)
            for _ in range(50)
        ]

    def finish(outcome: str, code: int, order: int) -> list[int]:
        endings = [_ending(log_id, outcome=outcome, handle_code=code) for log_id in log_ids[::order]]
        with write(engine) as connection:
            return [ended.log_id for ended in runs.finish(connection, endings)]

    first, second = _together(lambda: finish("succeeded", 200, 1), lambda: finish("failed", 500, -1))

    assert sorted(first + second) == log_ids
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).where(JobLog.outcome.is_(None))).scalar_one() == 0


def test_a_link_is_used_by_one_of_four(engine):
    with write(engine) as connection:
        secret = access.make_link(connection, NOW_MS, NOW_MS + 1000)

    def use() -> bool:
        with write(engine) as connection:
            return access.use_link(connection, secret, NOW_MS)

    assert sorted(_together(use, use, use, use)) == [False, False, False, True]


def test_an_edit_made_from_an_older_version_is_refused(engine):
    group_id, job_id = _job(engine)
    draft = jobs.JobDraft(group_id, "edited", "h")

    def edit() -> bool:
        with write(engine) as connection:
            return jobs.edit(connection, job_id, 1, draft, NOW_MS)

    assert sorted(_together(edit, edit)) == [False, True]
