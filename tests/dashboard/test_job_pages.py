"""The list of jobs, and what stands between a person and a mistake."""

from __future__ import annotations

import json
import re

import pytest

from baton.broker import nudge
from baton.store.models import AuditEvent, Job, JobLog

from .site import Browser, Site, said

TOKEN = "6f1c9d2e-0000-4000-8000-000000000001"


def listed(browser: Browser, query: str = "") -> list[str]:
    """The names in the list, from the top."""
    page = browser.get(f"/jobs?{query}").text
    return re.findall(r'<td class="lead-cell name-cell"><a href="/jobs/\d+">([^<]+)</a>', page)


def test_jobs_are_found_by_name_handler_description_group_and_status(site):
    first, second = site.group(), site.group("second")
    site.job(first, name="Nightly report", executor_handler="report")
    site.job(second, name="Backup", executor_handler="copy", description="of the REPORT database")
    site.job(first, name="Cleanup", executor_handler="sweep", trigger_status=1, next_trigger_time=9)
    ana = site.person()

    assert listed(ana) == ["Cleanup", "Backup", "Nightly report"]
    assert listed(ana, "q=report") == ["Backup", "Nightly report"]
    assert listed(ana, "q=SWEEP") == ["Cleanup"]
    assert listed(ana, f"q=report&group={second}") == ["Backup"]
    assert listed(ana, "status=running") == ["Cleanup"]
    assert listed(ana, "status=stopped") == ["Backup", "Nightly report"]
    assert "No job fits." in said(ana.get("/jobs?q=nothing+like+it"))


def test_jobs_are_found_by_who_stopped_them_and_by_their_calendar(site):
    group_id = site.group()
    ana = site.person()
    ana.post("/calendars", {"name": "Holidays", "rules": "SAT-SUN"})
    site.job(group_id, name="Never started")
    site.job(group_id, name="Paused", pause_note="ana: until the move")
    site.job(group_id, name="Halted", stop_reason="no further time")
    site.job(group_id, name="Kept", calendar_id=1)

    assert listed(ana, "status=paused") == ["Paused"]
    assert listed(ana, "status=halted") == ["Halted"]
    assert listed(ana, "calendar=1") == ["Kept"]
    assert listed(ana, "q=the+move") == ["Paused"]


@pytest.mark.parametrize(("q", "found"), [("100%", ["100% done"]), ("_", ["a_b"]), ("\\", ["c\\d"])])
def test_a_search_means_its_characters(site, q, found):
    group_id = site.group()
    for name in ("100% done", "1000 done", "a_b", "axb", "c\\d", "cd"):
        site.job(group_id, name=name)
    ana = site.person()

    page = ana.get("/jobs", query_string={"q": q}).text

    assert re.findall(r'name-cell"><a href="/jobs/\d+">([^<]+)</a>', page) == found


def test_many_jobs_are_paged_by_key(plain_site):
    group_id = plain_site.group()
    for n in range(120):
        plain_site.job(group_id, name=f"job {n}")
    ana, seen, path = plain_site.person(), [], ""

    while path is not None:
        seen += listed(ana, path)
        older = re.search(r'href="/jobs\?([^"]*before=\d+)">Older', ana.get(f"/jobs?{path}").text)
        path = older[1] if older else None

    assert seen == [f"job {n}" for n in reversed(range(120))]
    assert "120 jobs" in said(ana.get("/jobs"))


def test_the_list_says_what_stands_in_the_way_of_a_job(site):
    group_id, deserted = site.group(), site.group("deserted")
    site.executor(handlers=("known",))
    site.job(group_id, name="Lacking", executor_handler="unknown")
    site.job(deserted, name="Alone")
    site.job(group_id, name="Over", executor_handler="known", stop_reason="no further time")

    text = said(site.person().get("/jobs"))

    assert "unknown handler not known" in text
    assert "deserted no executor listens" in text
    assert 'title="no further time"' in site.person().get("/jobs").text


def test_the_strip_shows_the_last_runs_in_words_too(site):
    group_id = site.group()
    job_id = site.job(group_id)
    for n in range(20):
        site.run(group_id, job_id, outcome="failed" if n == 19 else "succeeded")
    site.run(group_id, job_id)

    words = re.findall(r'title="Run (\d+): ([a-z ]+)"', site.person().get("/jobs").text)

    assert len(words) == 14
    assert words[-2:] == [("20", "failed"), ("21", "not ended")]


def test_who_was_overtaken_sees_what_is_stored_now_and_may_save_over_it(site):
    job_id = site.job(site.group(), name="First", executor_param="old")
    ana, bo = site.person(), site.person("bo")
    form = {"group_id": 1, "executor_handler": "demo", "schedule_type": "NONE", "version": "1"}
    ana.post(f"/jobs/{job_id}", {**form, "name": "First", "executor_param": "by ana"})

    overtaken = bo.post(f"/jobs/{job_id}", {**form, "name": "First", "executor_param": "by bo"})
    version = re.search(r'name="version" value="(\d+)"', overtaken.text)[1]
    again = bo.post(
        f"/jobs/{job_id}", {**form, "name": "First", "executor_param": "by bo", "version": version}
    )

    assert "Somebody else saved this job while you edited it. Nothing of yours was saved." in said(overtaken)
    assert "Now stored: by ana" in said(overtaken)
    assert again.status_code == 303
    assert site.row(Job, job_id).executor_param == "by bo"


def test_an_edit_is_on_record_with_what_was_there_before(site):
    job_id = site.job(site.group(), name="Before", executor_param="x" * 500)
    form = {"group_id": 1, "executor_handler": "demo", "schedule_type": "NONE", "version": "1"}

    site.person().post(f"/jobs/{job_id}", {**form, "name": "After"})

    [event] = site.rows(AuditEvent)
    facts = json.loads(event.facts)
    assert facts["name"] == ["Before", "After"]
    assert facts["executor_param"] == ["x" * 200 + "…", ""], "long values are cut"
    assert "executor_handler" not in facts


def test_nothing_of_a_job_but_what_the_form_shows_is_taken_from_a_request(site):
    job_id = site.job(site.group(), name="Before")
    form = {
        "group_id": 1, "name": "After", "executor_handler": "demo", "schedule_type": "NONE", "version": "1",
        "id": "99", "trigger_status": "1", "next_trigger_time": "1", "stop_reason": "mine", "created_at": "5",
    }  # fmt: skip
    before = site.row(Job, job_id)

    site.person().post(f"/jobs/{job_id}", form)

    after = site.row(Job, job_id)
    kept = ("id", "trigger_status", "next_trigger_time", "stop_reason", "created_at")
    assert after.name == "After"
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]


def test_a_job_whose_run_has_not_ended_is_not_deleted(site):
    group_id = site.group()
    job_id = site.job(group_id)
    log_id = site.run(group_id, job_id)
    ana = site.person()

    asked = said(ana.get(f"/jobs/{job_id}/deletion"))
    answer = ana.post(f"/jobs/{job_id}/deletion")

    assert "1 of them has not ended" in asked
    assert "has runs that have not ended" in said(ana.get(answer.location))
    assert [row.id for row in site.rows(JobLog)] == [log_id]


def test_a_trigger_with_another_parameter_leaves_that_of_the_job_alone(site):
    job_id = site.job(
        site.group(), executor_param="its own", executor_timeout=7, block_strategy="COVER_EARLY"
    )

    site.person().post(f"/jobs/{job_id}/triggers", {"token": TOKEN, "executor_param": "for once"})

    [row] = site.rows(JobLog)
    assert (row.executor_param, row.executor_timeout, row.block_strategy) == ("for once", 7, "COVER_EARLY")
    assert row.trigger_key == f"manual:{TOKEN}"
    assert site.row(Job, job_id).executor_param == "its own"


def test_the_button_in_the_list_takes_the_parameter_of_the_job(site):
    job_id = site.job(site.group(), executor_param="its own")

    site.person().post(f"/jobs/{job_id}/triggers", {"token": TOKEN})

    assert [row.executor_param for row in site.rows(JobLog)] == ["its own"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"token": TOKEN, "executor_param": "x" * 1_048_576}, "1,048,576 bytes; the limit is 65,536 bytes"),
        ({"token": TOKEN, "executor_param": "a\x00"}, "NUL character"),
        ({"token": "again"}, "This form is damaged"),
        ({}, "This form is damaged"),
    ],
    ids=["1 MB", "NUL", "a made-up token", "no token"],
)
def test_a_trigger_that_cannot_be_is_refused_with_its_reason(plain_site, form, expected):
    job_id = plain_site.job(plain_site.group())

    answer = plain_site.person().post(f"/jobs/{job_id}/triggers", form)

    assert answer.status_code == 422
    assert expected in said(answer)
    assert plain_site.rows(JobLog) == []


def test_two_showings_of_the_form_are_two_runs(site):
    job_id = site.job(site.group())
    ana = site.person()
    pages = [ana.get(f"/jobs/{job_id}/triggers/new").text for _ in range(2)]
    tokens = [re.search(r'name="token" value="([0-9a-f-]{36})"', page)[1] for page in pages]

    for token in tokens:
        ana.post(f"/jobs/{job_id}/triggers", {"token": token})

    assert len(site.rows(JobLog)) == 2


def test_run_again_begins_with_the_parameter_of_that_run(site):
    group_id = site.group()
    job_id, other = site.job(group_id, executor_param="the job's"), site.job(group_id)
    log_id = site.run(group_id, job_id, outcome="failed", executor_param="that run's")
    foreign = site.run(group_id, other, outcome="failed", executor_param="another job's")
    ana = site.person()

    assert "that run&#39;s</textarea>" in ana.get(f"/jobs/{job_id}/triggers/new?run={log_id}").text
    assert "the job&#39;s</textarea>" in ana.get(f"/jobs/{job_id}/triggers/new?run={foreign}").text


@pytest.mark.parametrize("back", ["/jobs?q=x", "https://other.example/", "//other.example", "/\\other"])
def test_after_a_button_a_person_is_back_on_this_site(plain_site, back):
    job_id = plain_site.job(plain_site.group(), schedule_type="FIX_RATE", schedule_conf="10")

    answer = plain_site.person().post(f"/jobs/{job_id}/start", {"back": back})

    assert answer.location == (back if back == "/jobs?q=x" else "/")


def test_the_schedulers_are_woken_after_the_row_is_there(plain_site):
    site: Site = plain_site
    job_id = site.job(site.group())
    assert not nudge.wait_for_nudge(site.blocking, 0.05)

    site.person().post(f"/jobs/{job_id}/triggers", {"token": TOKEN})

    assert nudge.wait_for_nudge(site.blocking, 5)


@pytest.mark.parametrize("path", ["", "/edit", "/deletion", "/triggers/new"])
def test_the_pages_of_a_deleted_job_say_so(plain_site, path):
    page = plain_site.person().get(f"/jobs/77{path}")

    assert page.status_code == 404
    assert "There is no job 77; perhaps it was deleted." in said(page)


@pytest.mark.parametrize("path", ["/start", "/stop", "/deletion", "/triggers"])
def test_the_buttons_of_a_deleted_job_say_so(plain_site, path):
    answer = plain_site.person().post(f"/jobs/77{path}", {"token": TOKEN})

    assert answer.status_code == 404
    assert "There is no job 77; perhaps it was deleted." in said(answer)
