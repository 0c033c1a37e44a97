"""An executor is stopped: nothing new is claimed, what runs may finish, the rest goes back uncounted."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from baton.broker import control
from baton.broker.presence import executors
from tests import ledger
from tests.processes import Process
from tests.waiting import until

from .baton import APP_NAME

HANDLERS = ["work", "work-async"]


def stop_everything(worker: Process) -> None:
    """As platforms do it: SIGTERM to every process of the machine at once."""
    for pid in [worker.pid, *worker.descendants()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def wait_until_draining(baton) -> None:
    until(lambda: [each.state for each in executors(baton.redis, APP_NAME)] == ["draining"], 10, "the drain")


def waiting(baton, job_id: int) -> int:
    return control.lane_depths(baton.redis, APP_NAME, [str(job_id)])[str(job_id)]


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_runs_finishes_though_every_process_is_signalled_and_nothing_new_begins(whole_baton, handler):
    baton = whole_baton(BATON_DRAIN_GRACE_S="20")
    job_id, other_id = baton.job(handler), baton.job(handler)
    baton.trigger(job_id, param="2")
    baton.wait_for_start()
    (worker,) = baton.workers

    stop_everything(worker)
    wait_until_draining(baton)
    baton.trigger(other_id)
    until(lambda: waiting(baton, other_id) == 1, 10, "the push")

    assert worker.wait(20) == 0
    until(lambda: baton.outcomes()[0] == "succeeded", 10, "the result of the run that finished")
    assert waiting(baton, other_id) == 1, "it was not claimed by an executor that stops"
    assert executors(baton.redis, APP_NAME) == []
    assert worker.descendants() == []

    baton.start(workers=1)
    baton.wait_until_ended(2)
    assert baton.outcomes() == ["succeeded", "succeeded"]
    assert {entry.attempt for entry in baton.ledger.entries()} == {1}
    assert baton.verdict(serial=[job_id, other_id]).is_clean


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_does_not_finish_in_time_runs_elsewhere_without_a_used_attempt(whole_baton, handler):
    baton = whole_baton(BATON_DRAIN_GRACE_S="0.5")
    job_id = baton.job(handler, executor_fail_retry_count=0)
    baton.trigger(job_id, param="3")
    first = baton.wait_for_start()
    (worker,) = baton.workers

    stop_everything(worker)
    assert worker.wait(20) == 0
    baton.start(workers=1)
    baton.wait_until_ended(1)

    starts = [entry for entry in baton.ledger.entries() if entry.what == ledger.START]
    assert [(entry.attempt, entry.log_id) for entry in starts] == [(1, first.log_id)] * 2
    assert baton.outcomes() == ["succeeded"]


def test_a_second_signal_hurries(whole_baton):
    baton = whole_baton(BATON_DRAIN_GRACE_S="600")
    job_id = baton.job()
    baton.trigger(job_id, param="600")
    handler = baton.wait_for_start().pid
    (worker,) = baton.workers
    stop_everything(worker)
    wait_until_draining(baton)
    assert worker.is_running, "it would wait for ten minutes"

    stop_everything(worker)

    assert worker.wait(30) == 0
    assert waiting(baton, job_id) == 1
    assert baton.outcomes() == [None]
    assert handler not in worker.descendants()
