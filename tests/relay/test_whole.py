"""The infrastructure of the relay tests, and the plainest journey through it."""

from __future__ import annotations

import pytest

from tests.processes import is_alive
from tests.waiting import until


@pytest.mark.parametrize(
    ("database", "redis"), [("sqlite", "embedded"), ("postgresql", "installed")], ids=lambda kind: kind
)
def test_what_is_triggered_runs_once_and_ends(whole_baton, database, redis):
    baton = whole_baton(database=database, redis=redis, schedulers=2, workers=2, callbacks=2, is_open=False)
    job_id = baton.job()

    keys = baton.trigger(job_id, 20)
    baton.wait_until_ended(20)

    assert set(baton.outcomes()) == {"succeeded"}
    verdict = baton.verdict(planned=[(job_id, key) for key in keys], serial=[job_id], in_order=True)
    assert verdict.is_clean, str(verdict)


def test_nothing_outlives_its_test(whole_baton):
    baton = whole_baton()
    job_id = baton.job("stubborn")
    baton.trigger(job_id)
    handler = baton.wait_for_start().pid
    started = until(lambda: len(baton.workers[0].descendants()) >= 3 and baton.workers[0].descendants(), 10)

    baton.clean_up()

    until(lambda: not any(map(is_alive, [handler, *started])), 10, "the handler and all it started to end")
