"""Executors and their groups."""

from __future__ import annotations

import pytest

from baton.store.models import ExecutorGroup

from ..clocks import NOON_MS
from .site import said


def test_an_executor_is_shown_with_what_it_can_and_does(site):
    site.job(site.group(title="Demonstration"))
    site.executor(
        executor_id="box-7-ab", host="box", pid=7, handlers=("one", "two"), slots=8, running=3, version="9.9"
    )

    text = said(site.person().get("/executors"))

    assert "demo Demonstration" in text
    assert "1 job " in text
    assert "box-7-ab process 7 on box, version 9.9 Listening" in text
    assert "3 of 8" in text
    assert "one two" in text


def test_who_drains_or_is_silent_is_told_apart_from_who_listens(site):
    site.group()
    site.executor(executor_id="host-1-aa")
    site.executor(executor_id="host-2-bb", state="draining")
    site.executor(executor_id="host-3-cc", beat_ms=NOON_MS - 13_000)

    text = said(site.person().get("/executors"))

    assert "host-1-aa process 1 on host, version 1 Listening" in text
    assert "host-2-bb process 1 on host, version 1 Draining" in text
    assert "host-3-cc process 1 on host, version 1 Silent" in text


def test_a_group_nobody_serves_says_how_to_start_an_executor(site):
    site.group("reports")

    text = said(site.person().get("/executors"))

    assert "no executor listens" in text
    assert "BATON_GROUP=reports python -m worker" in text


def test_a_group_is_made_once_and_jobs_can_be_given_to_it(site):
    ana = site.person()

    answers = [ana.post("/groups", {"app_name": "reports", "title": "Reports"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert [(group.app_name, group.title) for group in site.rows(ExecutorGroup)] == [("reports", "Reports")]
    assert "is there already" in said(ana.get("/executors"))
    assert site.audited().count("ana group.create group reports") == 1
    assert "reports" in said(ana.get("/jobs/new"))


@pytest.mark.parametrize("app_name", ["", "with space", "a" * 65, "{tag}", "ünï", "a:b", "<b>"])
def test_a_group_name_that_could_not_be_a_key_is_refused_and_kept_in_the_form(plain_site, app_name):
    answer = plain_site.person().post("/groups", {"app_name": app_name, "title": "kept"})

    assert answer.status_code == 422
    assert "The app name" in said(answer)
    assert 'value="kept"' in answer.text
    assert plain_site.rows(ExecutorGroup) == []
