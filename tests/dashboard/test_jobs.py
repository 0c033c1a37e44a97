"""Jobs: made, edited, started, stopped, triggered, deleted."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from baton.broker import chores
from baton.retention import delete_spent
from baton.store import jobs
from baton.store.engine import write
from baton.store.jobs import JobDraft
from baton.store.models import Job, JobLog
from baton.store.retention import Spent
from dashboard.forms.job import JobForm

from .. import factories
from .site import said

GOOD = {
    "name": "Nightly report",
    "executor_handler": "report",
    "schedule_type": "CRON",
    "schedule_conf": "30 8 * * 1-5",
    "time_zone": "Europe/Berlin",
    "executor_timeout": "60",
    "executor_fail_retry_count": "2",
    "block_strategy": "DISCARD_LATER",
    "misfire_strategy": "FIRE_ONCE_NOW",
    "on_lost": "RERUN",
}


def form(site, **change):
    group_id = site.group() if not site.rows_of_groups() else site.rows_of_groups()[0]
    return {"group_id": group_id, **GOOD, **change}


def test_a_job_is_made_and_its_schedule_followed(site):
    ana = site.person()

    answer = ana.post("/jobs", form(site, start_now="1"))

    assert answer.status_code == 303
    (job,) = site.rows(Job)
    assert {name: str(getattr(job, name)) for name in GOOD} == GOOD
    assert job.trigger_status == 1
    assert job.next_trigger_time > site.clock.now_ms()
    assert "ana job.create job 1" in site.audited()
    assert "Nightly report" in said(ana.get(answer.location))


WRONG = {
    "cron": ({"schedule_conf": "61 * * * *"}, "61"),
    "a day that never comes": ({"schedule_conf": "0 0 30 2 *"}, "never fires"),
    "fixed rate": ({"schedule_type": "FIX_RATE", "schedule_conf": "0"}, "'0'"),
    "zone": ({"time_zone": "Europe/Atlantis"}, "Europe/Atlantis"),
    "group": ({"group_id": "4711"}, "Choose one of the executor groups"),
    "no name": ({"name": " "}, "The name is missing"),
    "no handler": ({"executor_handler": ""}, "The handler is missing"),
    "a long name": ({"name": "n" * 129}, "129 characters; at most 128"),
    "timeout": ({"executor_timeout": "-1"}, "'-1'"),
    "retries": ({"executor_fail_retry_count": "101"}, "0 to 100"),
    "strategy": ({"block_strategy": "SOMETIMES"}, "'SOMETIMES'"),
    "1 MB of parameter": ({"executor_param": "x" * 1_048_576}, "1,048,576 bytes; the limit is 65,536 bytes"),
    "NUL": ({"executor_param": "a\x00b"}, "NUL character"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_beside_what_was_typed_and_nothing_is_made(plain_site, what):
    change, text = WRONG[what]

    answer = plain_site.person().post("/jobs", form(plain_site, **change))

    assert answer.status_code == 422
    assert text in said(answer).replace("&#39;", "'")
    assert what == "no name" or GOOD["name"] in answer.text or "name" in change
    assert plain_site.rows(Job) == []


def test_an_edit_of_an_older_version_overwrites_nothing(site):
    job_id = site.job(site.group(), name="First")
    ana, bo = site.person(), site.person("bo")
    versions = [
        re.search(r'name="version" value="(\d+)"', who.get(f"/jobs/{job_id}/edit").text)[1]
        for who in (ana, bo)
    ]

    first = ana.post(f"/jobs/{job_id}", form(site, name="By ana", version=versions[0]))
    second = bo.post(f"/jobs/{job_id}", form(site, name="By bo", version=versions[1]))

    assert (first.status_code, second.status_code) == (303, 409)
    assert "By bo" in second.text, "what bo typed is not lost"
    assert site.row(Job, job_id).name == "By ana"


def test_start_and_stop(site):
    job_id = site.job(site.group(), schedule_type="FIX_RATE", schedule_conf="10")
    ana = site.person()

    ana.post(f"/jobs/{job_id}/start")
    started = site.row(Job, job_id)
    ana.post(f"/jobs/{job_id}/stop")
    stopped = site.row(Job, job_id)

    assert (started.trigger_status, stopped.trigger_status) == (1, 0)
    assert started.next_trigger_time > site.clock.now_ms()


def test_who_stopped_a_job_and_why_is_said_until_it_is_started(site):
    group_id = site.group()
    job_id = site.job(group_id, schedule_type="FIX_RATE", schedule_conf="10")
    ana = site.person()
    ana.post(f"/jobs/{job_id}/start")

    ana.post(f"/jobs/{job_id}/stop", {"note": "until the  database\nis moved"})

    assert "Stopped by ana: until the database is moved" in said(ana.get(f"/jobs/{job_id}"))
    assert "by ana: until the database is moved" in said(ana.get("/jobs"))
    ana.post(f"/jobs/{job_id}/start")
    assert "database" not in said(ana.get(f"/jobs/{job_id}"))
    assert site.row(Job, job_id).pause_note == ""


def test_a_long_note_is_cut_instead_of_refused(plain_site):
    job_id = plain_site.job(plain_site.group(), schedule_type="FIX_RATE", schedule_conf="10")
    ana = plain_site.person("a" * 64)
    ana.post(f"/jobs/{job_id}/start")

    assert ana.post(f"/jobs/{job_id}/stop", {"note": "n" * 5000}).status_code == 303
    assert 200 < len(plain_site.row(Job, job_id).pause_note) <= 255


def test_a_run_by_hand_expires_as_the_job_says(plain_site):
    job_id = plain_site.job(plain_site.group(), start_deadline_s=60)

    plain_site.person().post(f"/jobs/{job_id}/triggers", {"token": "6f1c9d2e-0000-4000-8000-000000000001"})

    [run] = plain_site.rows(JobLog)
    assert run.expires_at == plain_site.clock.now_ms() + 60_000


def test_a_double_click_is_one_run(site):
    job_id = site.job(site.group())
    ana = site.person()
    page = ana.get(f"/jobs/{job_id}/triggers/new").text
    token = re.search(r'name="token" value="([0-9a-f-]{36})"', page)[1]

    first, second = (
        ana.post(f"/jobs/{job_id}/triggers", {"token": token, "executor_param": "p"}) for _ in range(2)
    )

    assert first.location == second.location == "/runs/1"
    assert [(row.trigger_type, row.executor_param) for row in site.rows(JobLog)] == [("MANUAL", "p")]
    assert "triggered already" in said(ana.get(second.location))


def test_a_job_is_deleted_after_a_question_and_its_rows_in_the_background(site):
    group_id = site.group()
    job_id, other = site.job(group_id, name="To go"), site.job(group_id, name="To stay")
    site.run(group_id, job_id, outcome="succeeded")
    kept = site.run(group_id, other, outcome="succeeded")
    ana = site.person()

    assert "To go" in said(ana.get(f"/jobs/{job_id}/deletion"))
    ana.post(f"/jobs/{job_id}/deletion")

    assert [row.id for row in site.rows(Job)] == [other]
    [work] = chores.queue(site.redis).jobs
    assert work.func_name == "background.retention.clean"
    with write(site.engine) as connection:
        factories.reports_have_counted(connection)
    share = delete_spent(site.engine, Spent(**work.args[1]), for_s=10)
    assert (share.deleted, share.is_done) == (1, True)
    assert [row.id for row in site.rows(JobLog)] == [kept]
    assert ana.get(f"/jobs/{job_id}").status_code == 404


def test_what_people_typed_is_shown_as_text_everywhere(site):
    evil = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"
    group_id = site.group(title=evil[:60])
    job_id = site.job(
        group_id, name=evil, description=evil, author=evil[:60], executor_handler=evil, executor_param=evil
    )
    log_id = site.run(group_id, job_id, outcome="failed", handle_msg=evil, executor_param=evil, result=evil)
    site.executor(executor_id="host-1-aa", host=evil, handlers=(evil,))
    ana = site.person()

    for path in (
        "/", "/jobs", f"/jobs/{job_id}", f"/jobs/{job_id}/edit", f"/jobs/{job_id}/deletion",
        f"/jobs/{job_id}/triggers/new", "/runs", f"/runs/{log_id}", "/executors",
    ):  # fmt: skip
        page = ana.get(path)
        assert page.status_code == 200
        assert "<img src=x" not in page.text, path
        assert "<script>alert" not in page.text, path


def test_an_edit_keeps_everything_a_job_says(plain_site):
    """The form carries each field of a draft: what it did not show, it would set back."""
    said_before = {
        "schedule_type": "CRON", "schedule_conf": "30 8 * * *", "time_zone": "Europe/Berlin",
        "dst_gap": "SKIP",
        "dst_fold": "BOTH", "start_at": 1_800_000_000_000, "end_at": 1_900_000_000_000, "jitter_s": 7,
        "misfire_strategy": "FIRE_ALL", "max_catchup": 3, "catchup_window_s": 99, "start_deadline_s": 60,
        "route_strategy": "ROUND", "executor_tag": "gpu", "serial_scope": "JOB", "block_strategy": "PARALLEL",
        "max_concurrency": 4, "max_queue": 9, "priority": 8, "retry_delay_s": 5,
        "retry_backoff": "EXPONENTIAL",
        "retry_delay_max_s": 70, "on_lost": "RERUN", "executor_timeout": 3, "executor_fail_retry_count": 2,
        "retry_refused": True, "description": "d", "author": "a", "executor_param": "p", "name": "n",
        "executor_handler": "h", "child_job_ids": "", "on_lateness": "IGNORE", "late_after_s": 30,
        "alarm_channel_ids": "", "alarms_only_chosen": True,
    }  # fmt: skip
    group_id = plain_site.group()
    job_id = plain_site.job(group_id, **said_before)
    with plain_site.engine.connect() as connection:
        job = jobs.get(connection, job_id)
    assert {each.name for each in fields(JobDraft)} == {*said_before, "group_id", "glue_type", "calendar_id"}

    form_values = JobForm.of(job, 0).values
    answer = plain_site.person().post(f"/jobs/{job_id}", {**form_values, "version": 1})

    assert answer.status_code == 303
    row = plain_site.row(Job, job_id)
    assert {name: getattr(row, name) for name in said_before} == said_before


UNUSUAL = {
    "an end before the start": (
        {"start_at": "2027-01-02T00:00", "end_at": "2027-01-01T00:00"},
        "not after the start",
    ),
    "a moment long ago": ({"end_at": "0001-01-01T00:00"}, "write it as 2027-01-31T08:30"),
    "no moment": ({"start_at": "soon"}, "write it as 2027-01-31T08:30"),
    "a calendar that is gone": ({"calendar_id": "77"}, "no such calendar"),
    "priority": ({"priority": "10"}, "0 to 9"),
    "parallel limit": ({"max_concurrency": "0"}, "1 to 1,000"),
    "tag": ({"executor_tag": "a b"}, "letters, digits"),
    "route": ({"route_strategy": "TELEPATHY"}, "'TELEPATHY'"),
    "children": ({"child_job_ids": "1;2"}, "commas between"),
    "jitter": ({"jitter_s": "3601"}, "0 to 3,600"),
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_a_folded_section_with_a_mistake_is_open(plain_site, what):
    change, text = UNUSUAL[what]

    answer = plain_site.person().post("/jobs", form(plain_site, **change))

    assert answer.status_code == 422
    assert text in said(answer).replace("&#39;", "'")
    assert re.search(r'<details class="more[^>]* open>', answer.text)


def test_children_that_lead_back_to_their_parent_are_refused(plain_site):
    group_id = plain_site.group()
    first = plain_site.job(group_id)
    second = plain_site.job(group_id, child_job_ids=str(first))
    ana = plain_site.person()
    change = {"schedule_type": "NONE", "schedule_conf": "", "version": 1}

    for children, text in (
        (str(second), f"{first} → {second} → {first}"),
        (str(first), f"{first} → {first}"),
        ("4711", "There is no job 4711"),
    ):
        answer = ana.post(f"/jobs/{first}", form(plain_site, child_job_ids=children, **change))
        assert answer.status_code == 422
        assert text in said(answer)
    assert (
        ana.post(f"/jobs/{second}", form(plain_site, child_job_ids=str(first), **change)).status_code == 303
    )


def test_a_job_that_differs_from_its_declaration_says_so(plain_site):
    declared = '{"executor_timeout": 30, "name": "Report"}'
    job_id = plain_site.job(
        plain_site.group(),
        name="Report",
        executor_timeout=60,
        declared_key="code:demo/report",
        declared=declared,
    )
    same = plain_site.job(1, name="Report", executor_timeout=30, declared_key="file:same", declared=declared)
    ana = plain_site.person()

    assert "Differs from code" in said(ana.get(f"/jobs/{job_id}"))
    assert "executor_timeout 30 (here: 60)" in said(ana.get(f"/jobs/{job_id}"))
    assert "Differs from code" not in said(ana.get(f"/jobs/{same}"))
    assert said(ana.get("/jobs")).count("differs from code") == 1
