"""Calendars: made, changed, kept while a job needs them."""

from __future__ import annotations

import re

from baton.store.models import Calendar, Job

from .site import said


def test_a_calendar_is_made_chosen_by_a_job_and_changes_its_next_time(site):
    ana = site.person()
    ana.post("/calendars", {"name": "Holidays", "rules": "2027-01-01  # new year\n"})
    (calendar,) = site.rows(Calendar)
    job_id = site.job(
        site.group(), schedule_type="CRON", schedule_conf="0 12 * * *", calendar_id=calendar.id,
        trigger_status=1, next_trigger_time=site.clock.now_ms() + 3_600_000,
    )  # fmt: skip
    before = site.row(Job, job_id).next_trigger_time

    answer = ana.post(f"/calendars/{calendar.id}", {"name": "Holidays", "rules": "MON-SUN 00:00-11:59\n"})

    assert answer.status_code == 303
    assert site.row(Job, job_id).next_trigger_time != before
    assert "Holidays" in said(ana.get(f"/jobs/{job_id}/edit"))
    assert [line.split()[1] for line in site.audited()] == ["calendar.create", "calendar.update"]


def test_what_is_wrong_with_a_calendar_is_said_beside_it(plain_site):
    ana = plain_site.person()
    for form, text in (
        ({"name": "", "rules": ""}, "needs a name"),
        ({"name": "x", "rules": "2027-02-30"}, "2027-02-30"),
        ({"name": "x", "rules": "FUNDAY"}, "FUNDAY"),
        ({"name": "x", "rules": "#" * 100_001}, "100,001 characters"),
    ):
        answer = ana.post("/calendars", form)
        assert answer.status_code == 422
        assert text in said(answer)
    assert plain_site.rows(Calendar) == []


def test_each_wrong_line_of_a_calendar_is_named(plain_site):
    ana = plain_site.person()
    ana.post("/calendars", {"name": "Holidays", "rules": "SAT-SUN"})
    rules = "FUNDAY\nSAT\n2027-02-30\n" + "NEVER\n" * 20

    for path in ("/calendars", "/calendars/1"):
        answer = ana.post(path, {"name": "Other", "rules": rules})
        assert answer.status_code == 422
        assert re.findall(r"Line (\d+)", said(answer)) == [str(n) for n in (1, 3, *range(4, 12))]
        assert "And 12 more lines." in said(answer)
        assert "NEVER\nNEVER" in answer.text, "what was typed is not lost"
    assert [row.rules for row in plain_site.rows(Calendar)] == ["SAT-SUN"]


def test_a_calendar_that_is_gone_says_so(plain_site):
    ana = plain_site.person()

    assert ana.get("/calendars/1").status_code == 404
    assert ana.post("/calendars/1", {"name": "x", "rules": ""}).status_code == 404
    assert ana.post("/calendars/1", {"name": "", "rules": ""}).status_code == 404


def test_a_calendar_that_a_job_keeps_to_is_not_deleted(plain_site):
    ana = plain_site.person()
    ana.post("/calendars", {"name": "Holidays", "rules": "SAT-SUN"})
    job_id = plain_site.job(plain_site.group(), calendar_id=1)

    ana.post("/calendars/1/deletion")
    assert len(plain_site.rows(Calendar)) == 1
    with plain_site.engine.begin() as connection:
        connection.execute(Job.__table__.update().where(Job.id == job_id).values(calendar_id=None))
    ana.post("/calendars/1/deletion")

    assert plain_site.rows(Calendar) == []
