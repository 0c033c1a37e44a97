"""Reports as people and programs see them."""

from __future__ import annotations

import csv
import io
import re
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, update

from baton.store.engine import write
from baton.store.models import Job, JobLog
from dashboard.filters import rate
from dashboard.queries import reports

from ..clocks import NOON_MS
from .site import said
from .test_api import Program, error

DAY_MS = 24 * 3_600_000


def fill(site):
    """Runs of two jobs on two days, counted."""
    group_id = site.group(app_name="billing")
    site.good, site.bad = site.job(group_id, name="Invoices"), site.job(group_id, name="=Imports")
    site.group_id = group_id
    for at_ms in (NOON_MS, NOON_MS - DAY_MS):
        for outcome, job_id, run_ms in (
            ("succeeded", site.good, 1_000), ("succeeded", site.good, 1_000), ("succeeded", site.bad, 60_000),
            ("failed", site.bad, 60_000), ("discarded", site.bad, 0),
        ):  # fmt: skip
            began = {"started_at": at_ms + 200, "handle_time": at_ms + 200 + run_ms} if run_ms else {}
            site.run(group_id, job_id, outcome=outcome, trigger_time=at_ms, fire_at=at_ms, **began)
    site.count()
    return site


@pytest.fixture
def filled(plain_site):
    """What the databases do not differ in."""
    return fill(plain_site)


@pytest.fixture
def filled_site(site):
    """On either database."""
    return fill(site)


def rows_of(answer) -> list[dict[str, str]]:
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))


def test_before_anything_is_counted_the_page_says_so(plain_site):
    text = said(plain_site.person().get("/reports"))
    assert "Counting has not come to the newest runs yet" in text
    assert "No run was counted in these days." in text


def test_a_report_says_what_became_of_the_runs_of_its_days(filled_site):
    text = said(filled_site.person().get("/reports"))

    assert "Runs 10 0 a day" in text
    assert "Succeeded 75 % 6 runs" in text  # of eight: what was discarded did what its strategy asked
    assert "Failed 2 timed out and lost included" in text
    assert "Succeeded 6 60 %" in text
    assert "Discarded 2 20 %" in text
    assert "Thu 1 Jan 2026 5 3 980 ms 57 s 206 ms 1 failed, 1 discarded" in text


def test_today_is_shown_by_the_hour(filled):
    page = filled.person().get("/reports?range=today")
    text = said(page)
    assert "Runs by the hour" in text
    assert "12:00 to 13:00 5 3" in text
    assert page.get_data(as_text=True).count('<a href="/runs?start=') >= 24


def test_jobs_stand_in_the_order_that_was_asked_for(filled_site):
    def names(order: str) -> list[str]:
        html = filled_site.person().get(f"/reports?order={order}").get_data(as_text=True)
        table = html.split('id="jobs"')[1].split("</section>")[0]
        return re.findall(r'lead-cell name-cell"><a [^>]*>([^<]+)<', table)

    assert names("runs") == ["=Imports", "Invoices"]
    assert names("slow") == ["=Imports", "Invoices"]
    assert names("failures") == ["=Imports"]
    assert names("time") == ["=Imports", "Invoices"]


def test_of_many_jobs_all_are_in_the_file_and_those_that_stand_out_on_the_page(filled, monkeypatch):
    monkeypatch.setattr(reports, "LISTED_JOBS", 1)
    monkeypatch.setattr(reports, "TIMED_JOBS", 1)
    for name, run_ms in (("Quick", 10), ("Quicker", 5)):
        times = {"started_at": NOON_MS, "handle_time": NOON_MS + run_ms}
        filled.run(filled.group_id, filled.job(filled.group_id, name=name), outcome="succeeded", **times)
    filled.clock.advance(60)
    filled.count()

    text = said(filled.person().get("/reports?order=slow"))
    assert "=Imports 6 2 50 %" in text
    assert "Quick 1" not in text
    rows = rows_of(filled.person().get("/reports/jobs.csv"))
    assert [row["run_p95_ms"] != "" for row in rows] == [True] * 4


def test_a_group_and_a_job_narrow_a_report(filled_site):
    other = filled_site.group(app_name="shop")
    text = said(filled_site.person().get(f"/reports?group={other}"))
    assert "No run was counted" in text

    text = said(filled_site.person().get(f"/reports?job={filled_site.good}"))
    assert "Reports of Invoices" in text
    assert "Runs 4" in text


def test_a_deleted_job_keeps_its_name_and_its_numbers(filled_site):
    with write(filled_site.engine) as connection:
        connection.execute(delete(JobLog))
        connection.execute(delete(Job).where(Job.id == filled_site.good))

    text = said(filled_site.person().get("/reports"))

    assert "Invoices deleted 4 0 100 %" in text


def test_a_renamed_job_has_its_new_name_at_once(filled):
    with write(filled.engine) as connection:
        connection.execute(update(Job).where(Job.id == filled.good).values(name="Bills"))
    filled.clock.advance(60)
    filled.count()
    assert "Bills 4" in said(filled.person().get("/reports"))


def test_what_was_counted_meanwhile_is_on_the_page(filled):
    ana = filled.person()
    assert "Runs 10 " in said(ana.get("/reports"))
    filled.run(filled.group_id, filled.good, outcome="succeeded")
    filled.clock.advance(60)
    filled.count()
    assert "Runs 11 " in said(ana.get("/reports"))


def test_days_are_those_of_the_zone_of_the_reports(make_site):
    site = make_site(report_zone="Asia/Tokyo")
    site.clock.advance(6 * 3600)  # 18:00 UTC is three in the morning of the next day
    text = said(site.person().get("/reports?range=today"))
    assert "on this day" in text
    group_id = site.group()
    site.run(group_id, site.job(group_id), outcome="succeeded", trigger_time=NOON_MS + 5 * 3_600_000)
    site.count(zone=ZoneInfo("Asia/Tokyo"))
    text = said(site.person().get("/reports?range=today"))
    assert "2026-01-02" in text
    assert "02:00 to 03:00 1 1" in text
    assert "A day is one of Asia/Tokyo." in text


@pytest.mark.parametrize(
    "question", ["range=1y", "start=yesterday", "end=2026-13-01", "group=x", "job=-1", "order=name", "job=٣"]
)
def test_what_makes_no_sense_is_as_if_it_were_not_asked(filled, question):
    assert "Runs 10 " in said(filled.person().get(f"/reports?{question}"))


def test_exact_days_may_be_in_either_order(filled):
    for question in ("start=2025-12-31&end=2025-12-31", "start=2025-12-31&end=2025-12-01"):
        assert "Runs 5 " in said(filled.person().get(f"/reports?{question}"))


def test_days_are_a_file_too(filled):
    rows = rows_of(filled.person().get("/reports/days.csv?range=7d"))

    assert [row["day"] for row in rows][-2:] == ["2025-12-31", "2026-01-01"]
    assert len(rows) == 7
    assert (rows[-1]["triggered"], rows[-1]["failed"], rows[-1]["discarded"]) == ("5", "1", "1")
    assert rows[0]["run_p95_ms"] == ""
    assert abs(int(rows[-1]["wait_p50_ms"]) - 200) <= 9


def test_jobs_are_a_file_too_and_no_name_is_a_formula(filled):
    rows = rows_of(filled.person().get("/reports/jobs.csv"))
    assert [(row["job"], row["triggered"]) for row in rows] == [("Invoices", "4"), ("'=Imports", "6")]
    assert rows[0]["run_ms"] == "4000"


def test_charts_have_no_style_and_no_script_in_the_page(filled):
    html = filled.person().get("/reports").get_data(as_text=True)
    assert "<svg" in html
    assert " style=" not in html
    assert "<script>" not in html


def test_the_overview_shows_the_days_and_the_jobs_that_stand_out(filled):
    text = said(filled.person().get("/"))
    assert "Runs by day Today 7 days 30 days 90 days" in text
    assert "Most runs 30 days All Job Runs =Imports 6 Invoices 4" in text
    assert "Most failures 30 days All Job Failed =Imports 2 of 6" in text
    assert "Runs by hour" in said(filled.person().get("/?range=today"))


def test_the_overview_begins_with_hours_on_the_first_day(plain_site):
    group_id = plain_site.group()
    plain_site.run(group_id, plain_site.job(group_id), outcome="succeeded")
    plain_site.count()
    ana = plain_site.person()

    first = said(ana.get("/"))
    assert "Runs by hour" in first
    assert "Runs by day" in said(ana.get("/?range=30d"))
    plain_site.clock.advance(86_400)
    assert "Runs by day" in said(plain_site.person().get("/"))


def test_a_page_that_is_kept_fresh_is_told_of_new_numbers_only(filled):
    ana = filled.person()

    def regions(path: str) -> set[str]:
        page = ana.get(path, headers={"X-Baton-Live": "1"}).get_data(as_text=True)
        return {name for name in ("days", "leaders", "times", "trend", "figures") if f'id="{name}"' in page}

    assert regions("/") == {"days", "leaders", "times", "figures"}
    filled.clock.advance(30)
    assert regions("/") == {"figures"}
    assert regions(f"/jobs/{filled.bad}") == set()
    filled.clock.advance(30)
    filled.count()
    assert regions("/") == {"days", "leaders", "times", "figures"}
    assert regions(f"/jobs/{filled.bad}") == {"trend"}


def test_the_page_of_a_job_shows_its_trend(filled):
    text = said(filled.person().get(f"/jobs/{filled.bad}"))
    assert "Trend 30 days Report 50 % succeeded 6 runs" in text


def test_a_job_that_never_ran_has_no_trend(filled):
    assert "Trend" not in said(filled.person().get(f"/jobs/{filled.job(filled.group_id, name='New')}"))


# programs


def test_programs_get_the_same_numbers(filled):
    answer = Program(filled).get("/reports?range=7d").json

    assert (answer["first"], answer["last"], answer["time_zone"]) == ("2025-12-26", "2026-01-01", "UTC")
    assert (answer["total"]["triggered"], answer["total"]["succeeded"]) == (10, 6)
    assert len(answer["days"]) == 7
    assert answer["days"][-1]["period"] == "2026-01-01"
    assert answer["days"][-1]["failed"] == 1
    assert answer["days"][0]["run_times"] is None
    assert abs(answer["total"]["run_times"]["p99"] - 60_000) <= 60_000 * 0.044
    assert "hours" in Program(filled).get("/reports?range=today").json


def test_programs_get_the_numbers_of_each_job(filled):
    answer = Program(filled).get("/reports/jobs?group=billing&start=2026-01-01").json
    assert [(job["name"], job["triggered"]) for job in answer["jobs"]] == [("=Imports", 3), ("Invoices", 2)]
    assert answer["jobs"][1]["run_times"] == {"p50": 980, "p95": 980, "p99": 980}


@pytest.mark.parametrize(
    ("question", "field"),
    [("range=1y", "range"), ("start=today", "start"), ("end=2026-02-30", "end"), ("group=x", "group"),
     ("job=all", "job"), ("days=7", "days")],
)  # fmt: skip
def test_programs_are_told_what_they_asked_wrongly(filled, question, field):
    answer = Program(filled).get(f"/reports?{question}")
    assert error(answer) == (422, "unknown_field" if field == "days" else "bad_value")
    assert answer.json["error"]["field"] == field


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.99999, "99.9 %"),
        (0.9, "90 %"),
        (0.00001, "0.1 %"),
        (0.0, "0 %"),
        (None, "\N{EN DASH}"),
    ],
)
def test_a_share_is_whole_only_when_it_is(share, text):
    assert rate(share) == text
