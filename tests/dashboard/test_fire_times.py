"""What a schedule comes to, while it is typed, before it is saved, and on the page of its job."""

from __future__ import annotations

import re

import pytest

from baton.store.models import Job

from ..clocks import NOON_MS
from .site import Site, said

FORM = {"name": "A job", "executor_handler": "demo", "time_zone": "UTC"}


def preview(site: Site, schedule_type: str, conf: str, zone: str = "UTC") -> str:
    query = {"schedule_type": schedule_type, "schedule_conf": conf, "time_zone": zone}
    response = site.person().get("/fire-times", query_string=query)
    assert response.status_code == 200
    return said(response).replace("&#39;", "'")


@pytest.mark.parametrize("conf", ["30 8 * * 1-5", "0 30 8 ? * MON-FRI"])
def test_a_cron_expression_stands_there_in_words_and_as_times_of_its_own_zone(plain_site, conf):
    text = preview(plain_site, "CRON", conf, "America/New_York")

    assert "At 08:30, Monday through Friday , by the clock of America/New York" in text
    assert re.findall(r"\w{3} 2026-01-\d\d 08:30:00", text) == [
        "Thu 2026-01-01 08:30:00",
        "Fri 2026-01-02 08:30:00",
        "Mon 2026-01-05 08:30:00",
        "Tue 2026-01-06 08:30:00",
        "Wed 2026-01-07 08:30:00",
        "Thu 2026-01-08 08:30:00",
        "Fri 2026-01-09 08:30:00",
        "Mon 2026-01-12 08:30:00",
        "Tue 2026-01-13 08:30:00",
        "Wed 2026-01-14 08:30:00",
    ]


def test_what_bounds_a_schedule_counts_while_it_is_typed(plain_site):
    ana = plain_site.person()
    ana.post("/calendars", {"name": "Weekends", "rules": "SAT-SUN"})
    query = {
        "schedule_type": "CRON", "schedule_conf": "30 8 * * *", "time_zone": "UTC", "calendar_id": "1",
        "start_at": "2026-01-02T00:00", "end_at": "2026-01-06T00:00",
    }  # fmt: skip

    text = said(ana.get("/fire-times", query_string=query))

    assert re.findall(r"\w{3} 2026-01-\d\d", text) == ["Fri 2026-01-02", "Mon 2026-01-05"]


@pytest.mark.parametrize("typed", ["soon", "2026-13-01T00:00", "99999-01-01T00:00"])
def test_a_half_typed_moment_is_not_a_mistake_yet(plain_site, typed):
    query = {"schedule_type": "FIX_RATE", "schedule_conf": "60", "start_at": typed, "calendar_id": "x"}

    assert plain_site.person().get("/fire-times", query_string=query).status_code == 200


def test_the_instant_behind_a_wall_clock_time_is_there_for_scripts(plain_site):
    query = {"schedule_type": "CRON", "schedule_conf": "30 8 * * *", "time_zone": "Asia/Tokyo"}
    page = plain_site.person().get("/fire-times", query_string=query).text

    assert (
        '<time datetime="2026-01-01T23:30:00.000Z" data-time="title">Fri 2026-01-02 08:30:00</time>' in page
    )


def test_a_fixed_rate_has_times_and_no_zone(plain_site):
    text = preview(plain_site, "FIX_RATE", "90", "Europe/Berlin")

    assert "2026-01-01 12:01:30 UTC" in text
    assert "Berlin" not in text


@pytest.mark.parametrize(
    ("schedule_type", "conf", "zone", "expected"),
    [
        ("NONE", "", "UTC", "It fires by hand only."),
        ("CRON", "", "UTC", "The next fire times will stand here."),
        ("CRON", "61 8 * * *", "UTC", "61"),
        ("CRON", "* * * *", "UTC", "* * * *"),
        ("CRON", "0 0 30 2 *", "UTC", "never fires"),
        ("CRON", "0 0 0 1 1 ? 2020", "UTC", "It names no further time."),
        ("FIX_RATE", "soon", "UTC", "soon"),
        ("CRON", "* * * * *", "Europe/Berlinn", "did you mean 'Europe/Berlin'?"),
        ("NEVER", "x", "UTC", "'NEVER'"),
    ],
)
def test_what_is_not_there_yet_or_wrong_is_said(plain_site, schedule_type, conf, zone, expected):
    assert expected in preview(plain_site, schedule_type, conf, zone)


def test_what_is_wrong_with_the_expression_and_with_the_zone_is_said_at_once(plain_site):
    text = preview(plain_site, "CRON", "61 8 * * *", "Nowhere/Else")

    assert "61" in text
    assert "Nowhere/Else" in text


def test_typed_text_is_never_markup(plain_site):
    query = {"schedule_type": "CRON", "schedule_conf": "<img src=x>", "time_zone": "<b>"}

    assert "<img" not in plain_site.person().get("/fire-times", query_string=query).text


def test_the_form_shows_fire_times_without_a_script_and_saves_nothing(plain_site):
    form = {**FORM, "group_id": plain_site.group(), "schedule_type": "CRON", "schedule_conf": "0 6 * * *"}

    response = plain_site.person().post("/jobs", {**form, "preview": "1"})

    assert response.status_code == 200
    assert "Fri 2026-01-02 06:00:00" in said(response)
    assert 'value="A job"' in response.text
    assert plain_site.rows(Job) == []


def test_the_page_of_a_followed_job_shows_when_it_is_planned_and_what_follows(plain_site):
    job_id = plain_site.job(
        plain_site.group(),
        schedule_type="FIX_RATE",
        schedule_conf="60",
        trigger_status=1,
        next_trigger_time=NOON_MS + 7_000,
    )

    text = said(plain_site.person().get(f"/jobs/{job_id}"))

    assert "2026-01-01 12:00:07 UTC" in text
    assert "2026-01-01 12:01:07 UTC" in text
    assert "Stopped. If it is started now" not in text


def test_the_page_of_a_stopped_job_shows_what_starting_it_would_do(plain_site):
    job_id = plain_site.job(plain_site.group(), schedule_type="FIX_RATE", schedule_conf="60")

    text = said(plain_site.person().get(f"/jobs/{job_id}"))

    assert "Stopped. If it is started now, it fires: 2026-01-01 12:01:00 UTC" in text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"schedule_type": "NONE"}, "has no schedule to follow"),
        ({"schedule_type": "CRON", "schedule_conf": "61 * * * *"}, "cannot be followed"),
        ({"schedule_type": "CRON", "schedule_conf": "0 0 0 1 1 ? 2020"}, "names no further time"),
    ],
)
def test_a_schedule_that_cannot_be_followed_is_not_started_and_the_reason_is_said(
    plain_site, fields, expected
):
    job_id = plain_site.job(plain_site.group(), **fields)
    ana = plain_site.person()

    answer = ana.post(f"/jobs/{job_id}/start")

    assert expected in said(ana.get(answer.location))
    assert plain_site.row(Job, job_id).trigger_status == 0
    assert not [line for line in plain_site.audited() if "job.start" in line]
