"""Backfills: counted first, then planned, and never twice."""

from __future__ import annotations

import re

import pytest

from baton.store.models import JobLog

from ..clocks import NOON_MS
from .site import said

HOURLY = {"schedule_type": "CRON", "schedule_conf": "0 * * * *", "time_zone": "America/New_York"}
RANGE = {"begin": "2026-01-01T02:30", "end": "2026-01-01T06:00"}
"""By the clock of the job: noon in UTC is 07:00 there. Its fire times are at 3, 4 and 5."""
HOUR_MS = 3_600_000


def test_a_range_is_counted_before_anything_is_planned(site):
    group_id = site.group()
    job_id = site.job(group_id, **HOURLY)
    four = NOON_MS - 3 * HOUR_MS
    site.run(group_id, job_id, trigger_key=f"cron:{four}", outcome="succeeded")
    ana = site.person()

    text = said(ana.get(f"/jobs/{job_id}/backfills/new", query_string=RANGE))

    assert "2 fire times without a run 1 had its own" in text
    assert re.findall(r"2026-01-01 \d\d:\d\d:\d\d", text) == ["2026-01-01 03:00:00", "2026-01-01 05:00:00"]
    assert "Plan 2 runs" in text
    assert len(site.rows(JobLog)) == 1


def test_what_is_missing_is_planned_once(site):
    job_id = site.job(site.group(), **HOURLY)
    ana = site.person()

    first = ana.post(f"/jobs/{job_id}/backfills", RANGE)
    ana.post(f"/jobs/{job_id}/backfills", RANGE)

    assert first.status_code == 303
    assert [(row.fire_at, row.trigger_type) for row in site.rows(JobLog)] == [
        (NOON_MS - hours * HOUR_MS, "BACKFILL") for hours in (4, 3, 2)
    ]
    assert "ana job.backfill job 1" in site.audited()
    assert len(site.audited()) == 1, "the second click did nothing"


WRONG = {
    "the end first": ({"begin": RANGE["end"], "end": RANGE["begin"]}, "a beginning before its end"),
    "to come": ({"begin": RANGE["begin"], "end": "2027-01-01T00:00"}, "not to come"),
    "no moment": ({"begin": "soon", "end": RANGE["end"]}, "write it as 2027-01-31T08:30"),
    "nothing": ({"begin": "", "end": ""}, "The beginning is missing."),
    "too many": ({"begin": "2020-01-01T00:00", "end": RANGE["end"]}, "more than 1,000 fire times"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_range_that_cannot_be_planned_is_refused_beside_its_field(plain_site, what):
    change, text = WRONG[what]
    job_id = plain_site.job(plain_site.group(), **HOURLY)
    ana = plain_site.person()

    for answer in (
        ana.get(f"/jobs/{job_id}/backfills/new", query_string=change),
        ana.post(f"/jobs/{job_id}/backfills", change),
    ):
        assert answer.status_code == 422
        assert text in said(answer).replace("&#39;", "'")
    assert plain_site.rows(JobLog) == []


@pytest.mark.parametrize(
    ("kind", "conf", "is_offered"),
    [("CRON", "0 * * * *", True), ("FIX_RATE", "60", True), ("FIX_DELAY", "60", False), ("NONE", "", False)],
)
def test_only_a_schedule_with_a_past_offers_it(plain_site, kind, conf, is_offered):
    job_id = plain_site.job(plain_site.group(), schedule_type=kind, schedule_conf=conf)

    page = plain_site.person().get(f"/jobs/{job_id}").text

    assert (f"/jobs/{job_id}/backfills/new" in page) == is_offered


def test_a_job_that_is_gone_or_whose_zone_is_unknown_says_so(plain_site):
    job_id = plain_site.job(plain_site.group(), **{**HOURLY, "time_zone": "Europe/Atlantis"})
    ana = plain_site.person()

    assert ana.get("/jobs/99/backfills/new").status_code == 404
    assert ana.get(f"/jobs/{job_id}/backfills/new").status_code == 200
    assert ana.get(f"/jobs/{job_id}/backfills/new", query_string=RANGE).status_code == 422
