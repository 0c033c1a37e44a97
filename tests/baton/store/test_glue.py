"""Sources of script jobs: the newest counts, and nobody overwrites what they did not see."""

from __future__ import annotations

import threading

import pytest

from baton.store import glue, jobs
from baton.store.engine import read, write
from tests import factories

NOW_MS = 1_790_000_000_000


@pytest.fixture
def job_ids(engine) -> list[int]:
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        return [factories.job(connection, group_id, glue_type="GLUE_SHELL") for _ in range(2)]


def save(engine, job_id: int, source: str, *, seen: int | None = None, now_ms: int = NOW_MS) -> int | None:
    with write(engine) as connection:
        newest = glue.current(connection, job_id)
        seen = (newest.id if newest else 0) if seen is None else seen
        return glue.save(connection, job_id, seen, source, "why", "ana", now_ms)


def test_the_newest_version_counts_and_says_who_when_and_why(engine, job_ids):
    job_id, other = job_ids
    first = save(engine, job_id, "echo 1")
    second = save(engine, job_id, "echo ü\n", now_ms=NOW_MS + 5)
    save(engine, other, "echo other")

    with read(engine) as connection:
        assert glue.current(connection, job_id) == glue.GlueVersionView(
            second, job_id, "GLUE_SHELL", "echo ü\n", "why", "ana", NOW_MS + 5
        )
        assert [each.id for each in glue.history(connection, job_id)] == [second, first]
        found = glue.current_of(connection, [job_id, other, 999])
        assert {id_: each.source for id_, each in found.items()} == {job_id: "echo ü\n", other: "echo other"}
        assert glue.get(connection, first).source == "echo 1"
        assert glue.current(connection, 999) is None


def test_the_update_time_tells_versions_apart_whatever_the_clock_does(engine, job_ids):
    """An executor keeps a source under job and update time: two versions of one time would be one file."""
    save(engine, job_ids[0], "echo 1")
    save(engine, job_ids[0], "echo 2")
    save(engine, job_ids[0], "echo 3", now_ms=NOW_MS - 60_000)

    with read(engine) as connection:
        assert [each.created_at - NOW_MS for each in glue.history(connection, job_ids[0])] == [2, 1, 0]


@pytest.mark.parametrize("seen", [0, 1_000_000])
def test_who_saw_another_version_saves_nothing(engine, job_ids, seen):
    save(engine, job_ids[0], "echo mine")

    assert save(engine, job_ids[0], "echo yours", seen=seen) is None

    with read(engine) as connection:
        assert glue.current(connection, job_ids[0]).source == "echo mine"
    assert save(engine, 999, "echo") is None


def test_of_two_who_save_at_once_one_is_told(engine, job_ids):
    seen = save(engine, job_ids[0], "echo 0")
    barrier, answers = threading.Barrier(2), []

    def one(n: int) -> None:
        barrier.wait()
        answers.append(save(engine, job_ids[0], f"echo {n}", seen=seen))

    threads = [threading.Thread(target=one, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers.count(None) == 1
    with read(engine) as connection:
        assert len(glue.history(connection, job_ids[0])) == 2


def test_the_newest_thirty_are_kept_and_those_of_other_jobs_all(engine, job_ids):
    save(engine, job_ids[1], "echo other")
    for n in range(glue.KEPT_VERSIONS + 2):
        save(engine, job_ids[0], f"echo {n}")

    with read(engine) as connection:
        kept = [each.source for each in glue.history(connection, job_ids[0])]
        assert kept == [f"echo {n}" for n in reversed(range(2, glue.KEPT_VERSIONS + 2))]
        assert len(glue.history(connection, job_ids[1])) == 1


def test_a_deleted_job_leaves_no_source(engine, job_ids):
    save(engine, job_ids[0], "echo 1")
    kept = save(engine, job_ids[1], "echo 2")

    with write(engine) as connection:
        assert jobs.delete(connection, job_ids[0])
        assert glue.history(connection, job_ids[0]) == []
        assert glue.current(connection, job_ids[1]).id == kept
