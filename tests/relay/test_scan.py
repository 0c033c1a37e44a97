"""The invariant scanner looks at whole installations: a busy one, and one that lacks a part."""

from __future__ import annotations

import pytest

from baton.scanner.repair import repair
from tests.waiting import until

from .storms import Killer, Load, Looker, jobs_of_every_kind, while_

pytestmark = pytest.mark.slow

KILLS = 6
GRACE_S = 6.0
"""To the settings of these tests what the scanner's own is to the usual ones."""


def test_a_busy_installation_whose_processes_are_killed_has_no_findings(whole_baton):
    baton = whole_baton(schedulers=2, workers=3, callbacks=2)
    baton.wait_for_workers(3)
    load = Load(baton, jobs_of_every_kind(baton), each=2, param="0.05")
    looker, killer = Looker(baton, GRACE_S), Killer(baton)
    with while_(looker.step, 0.2):
        with while_(load.step, 0.5):
            for _ in range(KILLS):
                killer.step()
                looker.wait_for_looks(5)
        baton.wait_until_ended(len(load.keys))

    assert looker.found == set()
    until(looker.sees_nothing, 20, "the last look to see nothing at all")


def test_an_installation_without_a_scheduler_says_so(whole_baton):
    baton = whole_baton(schedulers=0, callbacks=0)
    baton.wait_for_workers(1)
    job_id = baton.job(trigger_status=1, schedule_type="FIX_RATE", schedule_conf="10", next_trigger_time=1)
    looker = Looker(baton, grace_s=0)

    looker.step()
    looker.step()

    assert {(check, subject) for check, subject, _ in looker.found} == {("job.overdue", str(job_id))}


def test_what_a_repair_hands_to_the_watcher_comes_to_an_end(whole_baton):
    """An executor dies, and somebody deletes the beat by which that would be noticed."""
    baton = whole_baton()
    job_id = baton.job()
    baton.trigger(job_id, param="600")
    baton.wait_for_start()
    baton.workers[0].kill()
    baton.redis.delete("baton:{relay}:beats")
    looker = Looker(baton, grace_s=0)
    looker.step()
    found = [each for each in looker.look().findings if each.check_name == "lease.without_executor"]
    assert [each.log_id for each in found] == [baton.rows()[0].log_id]

    repair(baton.redis, found)
    baton.wait_until_ended()

    assert baton.outcomes() == ["lost"]
    until(looker.sees_nothing, 20, "a scanner that sees nothing")
