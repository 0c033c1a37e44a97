"""Executors and their groups."""

from __future__ import annotations

import pytest

from baton import failpoints
from baton.broker import control
from baton.store.models import ExecutorGroup

from ..clocks import NOON_MS
from .site import info, said


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


def test_a_spool_in_need_is_shown_with_its_executor(plain_site):
    plain_site.group()
    plain_site.executor(executor_id="host-1-aa", spool_state="nearly full", spool_waiting=1)
    plain_site.executor(executor_id="host-2-bb", spool_state="full", spool_waiting=3_000, state="draining")
    plain_site.executor(executor_id="host-3-cc", quarantined=2)

    text = said(plain_site.person().get("/executors"))

    assert "Listening Spool nearly full 1 result waits on its disk" in text
    assert "host-2-bb process 1 on host, version 1 Spool full 3,000 results wait on its disk" in text
    assert "Listening Quarantine 2 spool files nobody can deliver" in text


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


def test_a_person_drains_an_executor_and_resumes_it(site):
    group_id, ana = site.group(), site.person()
    consumer = site.executor(executor_id="host-1-aa")

    answer = ana.post(f"/groups/{group_id}/executors/host-1-aa/drain")

    assert answer.status_code == 303
    assert consumer.renew(info("host-1-aa", state="draining"), {}).is_drained
    text = said(ana.get("/executors"))
    assert "takes nothing new until it is resumed" in text
    assert "Draining by ana" in text
    assert "Resume" in text

    ana.post(f"/groups/{group_id}/executors/host-1-aa/drain/end")

    assert not consumer.renew(info("host-1-aa"), {}).is_drained
    assert "Resume" not in said(ana.get("/executors"))
    assert site.audited() == [
        "ana executor.drain executor host-1-aa",
        "ana executor.resume executor host-1-aa",
    ]


def test_an_executor_that_was_told_and_has_not_answered_yet_is_about_to_drain(plain_site):
    group_id, ana = plain_site.group(), plain_site.person()
    plain_site.executor(executor_id="host-1-aa")

    ana.post(f"/groups/{group_id}/executors/host-1-aa/drain")

    assert "About to drain by ana" in said(ana.get("/executors"))


def test_an_executor_that_left_is_not_drained_and_leaves_no_word_behind(plain_site):
    group_id, ana = plain_site.group(), plain_site.person()
    plain_site.executor(executor_id="host-1-aa")
    plain_site.executor(executor_id="host-2-bb").leave()

    ana.post(f"/groups/{group_id}/executors/host-2-bb/drain")

    assert "host-2-bb is not there any more" in said(ana.get("/executors"))
    assert control.drains(plain_site.redis, "demo") == {}


def test_the_word_of_a_drain_goes_with_its_executor(plain_site):
    group_id, ana = plain_site.group(), plain_site.person()
    consumer = plain_site.executor(executor_id="host-1-aa")
    ana.post(f"/groups/{group_id}/executors/host-1-aa/drain")

    consumer.leave()

    assert control.drains(plain_site.redis, "demo") == {}


def test_nobody_drains_in_a_group_that_is_gone(plain_site):
    assert plain_site.person().post("/groups/999/executors/host-1-aa/drain").status_code == 404


def test_an_executor_that_stops_by_itself_offers_nothing(plain_site):
    plain_site.group()
    plain_site.executor(executor_id="host-1-aa", state="draining")

    page = plain_site.person().get("/executors").text

    assert "/drain" not in page


def test_a_crash_between_the_record_and_the_word_drains_nobody(plain_site):
    group_id, ana = plain_site.group(), plain_site.person()
    consumer = plain_site.executor(executor_id="host-1-aa")
    failpoints.arm("drain.recorded=raise")

    assert ana.post(f"/groups/{group_id}/executors/host-1-aa/drain").status_code == 500

    assert not consumer.renew(info("host-1-aa"), {}).is_drained


def test_why_handlers_are_missing_is_shown_once_with_the_executors_it_holds_for(plain_site):
    plain_site.group()
    for executor_id in ("host-1-aa", "host-2-bb"):
        plain_site.executor(executor_id=executor_id, problem="SyntaxError: in <hello.py>")

    text = said(plain_site.person().get("/executors"))

    assert "Modules cannot be imported at host-1-aa, host-2-bb." in text
    assert text.count("SyntaxError: in &lt;hello.py&gt;") == 1
