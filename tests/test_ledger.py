"""The judge itself: it must find each kind of fault, and nothing where there is none."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from baton.store import models
from tests import factories
from tests.ledger import Ledger, judge


class Court:
    """A database with rows and a ledger with lines, written by hand."""

    def __init__(self, folder: Path) -> None:
        self.engine = create_engine("sqlite://")
        models.Base.metadata.create_all(self.engine)
        self.ledger = Ledger(folder / "ledger")
        with self.engine.begin() as connection:
            self.group_id = factories.executor_group(connection)

    def row(self, job_id: int = 1, outcome: str | None = "succeeded", **fields: object) -> int:
        ended = {"outcome": outcome, "handle_code": 200, "handle_time": 1} if outcome else {}
        with self.engine.begin() as connection:
            return factories.log_row(connection, self.group_id, job_id, **ended, **fields)

    def ran(self, log_id: int, job_id: int = 1, attempt: int = 1) -> None:
        self.ledger.start(job_id=job_id, log_id=log_id, attempt=attempt)
        self.ledger.end(job_id=job_id, log_id=log_id, attempt=attempt)

    def judge(self, **questions: object):
        return judge(self.ledger, self.engine, **questions)


@pytest.fixture
def court(tmp_path) -> Court:
    court = Court(tmp_path)
    yield court
    court.engine.dispose()


def test_nothing_is_wrong_where_every_row_ran_once(court):
    for key in ("cron:1", "cron:2"):
        court.ran(court.row(trigger_key=key))

    verdict = court.judge(planned=[(1, "cron:1"), (1, "cron:2")], serial_jobs=[1], in_order=True)

    assert verdict.is_clean, str(verdict)


def test_a_planned_trigger_without_row_is_missing(court):
    assert court.judge(planned=[(1, "cron:1")]).missing == ((1, "cron:1"),)


def test_a_row_without_outcome_is_unfinished(court):
    log_id = court.row(outcome=None)

    assert court.judge().unfinished == (log_id,)


def test_a_success_that_never_ran_to_its_end_is_lost(court):
    log_id = court.row()
    court.ledger.start(job_id=1, log_id=log_id)

    assert court.judge().lost == (log_id,)


def test_two_ends_of_one_row_are_doubled_even_in_different_attempts(court):
    log_id = court.row()
    court.ran(log_id, attempt=1)
    court.ran(log_id, attempt=2)

    assert court.judge().doubled == (log_id,)


def test_two_starts_in_one_attempt_are_doubled(court):
    log_id = court.row()
    court.ledger.start(job_id=1, log_id=log_id)
    court.ran(log_id)

    assert court.judge().doubled == (log_id,)


def test_a_run_again_after_a_crash_is_fine(court):
    log_id = court.row()
    court.ledger.start(job_id=1, log_id=log_id, attempt=1)  # its executor died here
    court.ran(log_id, attempt=2)

    assert court.judge(serial_jobs=[1]).is_clean


def test_a_run_without_row_is_unexpected(court):
    court.ran(404)

    assert court.judge().unexpected == (404,)


def test_overlap_counts_for_one_job_only(court):
    first, second, other = court.row(1), court.row(1), court.row(2)
    court.ledger.start(job_id=1, log_id=first)
    court.ran(other, job_id=2)
    court.ran(second)
    court.ledger.end(job_id=1, log_id=first)

    assert court.judge(serial_jobs=[1, 2]).overlapping == ((first, second),)
    assert court.judge().overlapping == (), "only jobs that must not overlap are asked about"


def test_a_later_row_that_starts_first_is_out_of_order(court):
    first, second = court.row(), court.row()
    court.ran(second)
    court.ran(first)

    assert court.judge(serial_jobs=[1], in_order=True).out_of_order == ((second, first),)


def write_many(path: Path, log_id: int) -> None:
    for _ in range(200):
        Ledger(path).start(job_id=1, log_id=log_id)


def test_writers_at_the_same_time_garble_nothing(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write_many, args=(tmp_path / "ledger", n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert len(Ledger(tmp_path / "ledger").entries()) == 800


def test_a_run_that_ran_twice_in_one_process_is_two_executions(court):
    """The first must not seem to last until the second ended."""
    first, second = court.row(), court.row()
    court.ran(first)
    court.ran(second)
    court.ran(first)

    assert court.judge(serial_jobs=[1]).overlapping == ()
    assert [span.ended is not None for span in court.ledger.spans()] == [True] * 3
