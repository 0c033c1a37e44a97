"""Old runs: how long a group keeps them, and what a person wants gone now."""

from __future__ import annotations

import json

import pytest

from baton.broker import chores
from baton.retention import delete_spent
from baton.store.engine import write
from baton.store.models import AuditEvent, ExecutorGroup, JobLog
from baton.store.retention import Keep, Spent

from .. import factories
from ..clocks import NOON_MS
from .site import said

DAY_MS = 86_400_000
NEW = "/runs/clean-ups/new"


def ended(site, group_id: int, job_id: int, days_ago: float, outcome: str = "succeeded") -> int:
    with write(site.engine) as connection:
        factories.reports_have_counted(connection)
    at_ms = NOON_MS - int(days_ago * DAY_MS)
    return site.run(group_id, job_id, outcome=outcome, trigger_time=at_ms, pushed_at=at_ms, handle_time=at_ms)


def work_of(site) -> list[Spent]:
    return [Spent(**work.args[1]) for work in chores.queue(site.redis).jobs]


def test_what_fits_is_counted_before_anything_is_deleted(site):
    group_id = site.group()
    job_id = site.job(group_id)
    for days_ago in (40, 35, 31, 29, 0.01):
        ended(site, group_id, job_id, days_ago)
    ana = site.person()

    asked = ana.get(NEW)
    counted = ana.get(NEW, query_string={"days": "30"})

    assert "Delete them" not in asked.text
    assert "3 runs" in said(counted)
    assert len(site.rows(JobLog)) == 5
    assert work_of(site) == []


def test_what_a_person_wants_gone_is_left_to_the_background_process(site):
    group_id, other = site.group(), site.group("other")
    job_id = site.job(group_id)
    ended(site, group_id, job_id, 40)
    failed = ended(site, group_id, job_id, 40, "failed")
    elsewhere = ended(site, other, site.job(other), 40)
    young = ended(site, group_id, job_id, 2)
    ana = site.person()

    answer = ana.post("/runs/clean-ups", {"group": str(group_id), "days": "30", "spares_failed": "1"})

    assert answer.status_code == 303
    assert "a few at a time" in said(ana.get(answer.location))
    [spent] = work_of(site)
    assert delete_spent(site.engine, spent, for_s=10).deleted == 1
    assert {row.id for row in site.rows(JobLog)} == {failed, elsewhere, young}
    [event] = [each for each in site.rows(AuditEvent) if each.action == "runs.clean_up"]
    assert json.loads(event.facts)["days"] == 30


def test_all_but_the_newest_of_a_job_may_go(site):
    group_id = site.group()
    job_id, other = site.job(group_id, name="Chatty"), site.job(group_id)
    mine = [ended(site, group_id, job_id, 2) for _ in range(5)]
    kept = ended(site, group_id, other, 2)
    ana = site.person()

    counted = said(ana.get(NEW, query_string={"job": str(job_id), "newest": "2"}))
    ana.post("/runs/clean-ups", {"job": str(job_id), "newest": "2"})

    assert "Runs of Chatty only" in counted
    assert "3 runs" in counted
    [spent] = work_of(site)
    delete_spent(site.engine, spent, for_s=10)
    assert {row.id for row in site.rows(JobLog)} == {*mine[3:], kept}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"days": "", "newest": ""}, "one of the two"),
        ({"days": "3", "newest": "3"}, "one of the two"),
        ({"days": "-1"}, "The number of days"),
        ({"days": "soon"}, "The number of days"),
        ({"newest": "0"}, "give 0 days"),
        ({"days": "3", "group": "x"}, "The group"),
    ],
)
def test_what_is_unclear_deletes_nothing(plain_site, sent, why):
    ana = plain_site.person()

    counted, asked = ana.get(NEW, query_string=sent), ana.post("/runs/clean-ups", sent)

    assert (counted.status_code, asked.status_code) == (422, 422)
    assert why in said(counted)
    assert why in said(asked)
    assert work_of(plain_site) == []


def test_nothing_is_promised_while_redis_is_away(away):
    answer = away.person().post("/runs/clean-ups", {"days": "30"})

    assert answer.status_code == 503
    assert "nothing is deleted" in said(answer)


def test_a_group_says_how_long_its_runs_are_kept(make_site):
    site = make_site(keep=Keep(days=30, failed_days=90, runs=0))
    group_id = site.group()
    ana = site.person()

    before = said(ana.get(f"/groups/{group_id}"))
    answer = ana.post(
        f"/groups/{group_id}",
        {"title": "Reports", "keep_days": "7", "keep_failed_days": "", "keep_runs": "0"},
    )

    assert "as the installation has it, 30 days" in before
    assert answer.status_code == 303
    group = site.row(ExecutorGroup, group_id)
    assert (group.title, group.keep_days, group.keep_failed_days, group.keep_runs) == ("Reports", 7, None, 0)
    after = ana.get(f"/groups/{group_id}").text
    assert 'value="7"' in after
    assert "group.update" in {event.action for event in site.rows(AuditEvent)}


def test_a_group_is_not_changed_by_numbers_that_are_none(plain_site):
    group_id = plain_site.group(title="As it was")
    ana = plain_site.person()

    answer = ana.post(f"/groups/{group_id}", {"title": "New", "keep_days": "a week"})

    assert answer.status_code == 422
    assert "The number of days" in said(answer)
    assert "a week" in answer.text
    assert plain_site.row(ExecutorGroup, group_id).title == "As it was"
    assert ana.get("/groups/999").status_code == 404
