"""Calendars: made, changed, kept while a job needs them."""

from __future__ import annotations

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
    ):
        answer = ana.post("/calendars", form)
        assert answer.status_code == 422
        assert text in said(answer)
    assert plain_site.rows(Calendar) == []


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
