"""What a page says of a job: in words, and only what is not as most jobs have it."""

from __future__ import annotations

import pytest

from .site import said

UNUSUAL = {
    "not before": ({"start_at": 1_767_268_800_000}, "Not before Thu 2026-01-01 13:00:00 in Europe/Berlin"),
    "not after": ({"end_at": 1_767_268_800_000}, "Not after Thu 2026-01-01 13:00:00 in Europe/Berlin"),
    "jitter": ({"jitter_s": 90}, "Jitter up to 1 min 30 s later"),
    "deadline": ({"start_deadline_s": 60}, "Start deadline 1 min; what has not begun then expires"),
    "gap": ({"dst_gap": "SKIP"}, "Skipped hour does not run that day"),
    "fold": ({"dst_fold": "BOTH"}, "Repeated hour runs both times"),
    "catch-up": (
        {"misfire_strategy": "FIRE_ALL", "max_catchup": 3, "catchup_window_s": 7200},
        "Fire all of them: the newest 3, of the last 2 h",
    ),
    "route": ({"route_strategy": "ROUND"}, "Route Each in turn"),
    "tag": ({"executor_tag": "gpu"}, "Executors only those tagged gpu"),
    "parallel": (
        {"block_strategy": "PARALLEL", "max_concurrency": 4},
        "Run side by side, at most 4 at a time",
    ),
    "scope": ({"serial_scope": "JOB"}, "Wait in line, counted across all executors"),
    "queue": ({"max_queue": 5}, "Waiting at most 5; a further trigger is discarded"),
    "priority": ({"priority": 9}, "Priority 9; most jobs have 5"),
    "retries": (
        {
            "executor_fail_retry_count": 3, "retry_delay_s": 10, "retry_backoff": "EXPONENTIAL",
            "retry_delay_max_s": 600,
        },
        "3, after 10 s that double up to 10 min",
    ),
}  # fmt: skip
CRON = {"schedule_type": "CRON", "schedule_conf": "30 8 * * *", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize("what", UNUSUAL)
def test_the_page_of_a_job_says_what_is_unusual(plain_site, what):
    fields, text = UNUSUAL[what]
    group_id = plain_site.group()
    usual, unusual = plain_site.job(group_id, **CRON), plain_site.job(group_id, **CRON, **fields)
    ana = plain_site.person()

    assert text in said(ana.get(f"/jobs/{unusual}"))
    assert text not in said(ana.get(f"/jobs/{usual}"))


def test_an_hour_that_the_clock_skips_is_nothing_to_an_interval(plain_site):
    rate = {"schedule_type": "FIX_RATE", "schedule_conf": "10", "dst_gap": "SKIP", "dst_fold": "BOTH"}
    job_id = plain_site.job(plain_site.group(), **rate)

    assert "hour" not in said(plain_site.person().get(f"/jobs/{job_id}"))


def test_a_calendar_a_route_and_children_stand_there_by_name(plain_site):
    ana = plain_site.person()
    ana.post("/calendars", {"name": "Holidays", "rules": "SAT-SUN"})
    group_id = plain_site.group()
    child = plain_site.job(group_id, name="The child")
    fields = {"calendar_id": 1, "route_strategy": "LAST", "executor_tag": "gpu", "child_job_ids": f"{child}"}
    job_id = plain_site.job(group_id, **CRON, **fields)

    page = ana.get(f"/jobs/{job_id}")

    assert "Leaves out Holidays" in said(page)
    assert f'<a href="/jobs/{child}">The child</a>' in page.text
    assert "without Holidays · the last executor · on gpu" in said(ana.get("/jobs"))


def test_a_zone_that_this_machine_lacks_harms_no_page(plain_site):
    job_id = plain_site.job(
        plain_site.group(), **{**CRON, "time_zone": "Europe/Atlantis"}, start_at=1_767_268_800_000
    )
    ana = plain_site.person()

    assert "2026-01-01 12:00:00 UTC" in said(ana.get(f"/jobs/{job_id}"))
    assert ana.get("/jobs").status_code == 200


def test_what_the_schedule_waits_for_is_said(plain_site):
    group_id = plain_site.group()
    delay = {"schedule_type": "FIX_DELAY", "schedule_conf": "10", "trigger_status": 1}
    waiting = plain_site.job(group_id, **delay, next_trigger_time=253_402_214_400_000)
    over = plain_site.job(group_id, schedule_type="ONCE", schedule_conf="2020-01-01T00:00")
    ana = plain_site.person()

    assert "counts from the end of the run that is under way" in said(ana.get(f"/jobs/{waiting}"))
    assert "It names no further time." in said(ana.get(f"/jobs/{over}"))
