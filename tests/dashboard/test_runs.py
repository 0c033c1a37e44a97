"""Runs: found, looked at, followed, killed."""

from __future__ import annotations

import re
import threading

import pytest

from baton.broker.consumer import Room
from baton.broker.mailbox import LogAnswer, Mailbox
from baton.broker.producer import Producer, PushRow
from baton.envelope import group_key, seal
from baton.failpoints import arm
from baton.store import failed_callbacks
from baton.store.engine import write
from baton.store.models import Calendar, FailedCallback, Job, JobLog
from dashboard.queries import run_log

from .. import factories
from .site import said

KEY = group_key(factories.ACCESS_TOKEN, "demo")


@pytest.fixture
def disarmed():
    yield
    arm("")


def queued(site, job_id, group_id, *, param=""):
    """A row whose message is in its lane."""
    log_id = site.run(group_id, job_id, trigger_code=200, pushed_at=1)
    frame = seal(factories.trigger_param(log_id=log_id, job_id=job_id, executor_params=param), KEY)
    Producer(site.redis).push("demo", [PushRow(log_id, str(job_id), "SERIAL_EXECUTION", 1, "FAIL", frame)])
    return log_id


def test_runs_are_paged_by_key_and_nothing_is_shown_twice_or_left_out(site):
    group_id = site.group()
    job_id = site.job(group_id)
    wanted = [site.run(group_id, job_id, outcome="succeeded") for _ in range(120)]
    ana, seen, path = site.person(), [], "/runs"

    while path:
        page = ana.get(path).text
        seen += [int(part.split('"')[0]) for part in page.split('href="/runs/')[1:] if part[0].isdigit()]
        site.run(group_id, job_id, outcome="succeeded")  # what comes meanwhile moves no page
        older = re.search(r'href="([^"]+)">Older</a>', page)
        path = older[1].replace("&amp;", "&") if older else ""

    assert list(dict.fromkeys(seen)) == sorted(set(seen), reverse=True)
    assert set(wanted) <= set(seen)


def test_filters_show_what_they_say(site):
    group_id, other_group = site.group(), site.group("other")
    job_id, other_job = site.job(group_id), site.job(other_group)
    failed = site.run(group_id, job_id, outcome="failed")
    succeeded = site.run(group_id, job_id, outcome="succeeded")
    elsewhere = site.run(other_group, other_job, outcome="failed")
    ana = site.person()

    def found(query: str) -> set[int]:
        page = ana.get(f"/runs?{query}").text
        return {each for each in (failed, succeeded, elsewhere) if f'href="/runs/{each}"' in page}

    assert found("state=failed") == {failed, elsewhere}
    assert found(f"state=failed&group={group_id}") == {failed}
    assert found(f"job={other_job}") == {elsewhere}
    assert found("") == {failed, succeeded, elsewhere}


def test_killing_a_waiting_run_ends_it_and_a_running_one_is_told(site):
    group_id = site.group()
    consumer = site.executor()
    running, waiting = (queued(site, site.job(group_id), group_id) for _ in range(2))
    (claimed,) = consumer.claim(Room(1))
    assert claimed.log_id == running
    ana = site.person()

    stopping = ana.get(ana.post(f"/runs/{running}/cancellation", {"reason": "no"}).location)
    ended = ana.get(ana.post(f"/runs/{waiting}/cancellation").location)

    assert "is being stopped" in said(stopping)
    assert "still waiting" in said(ended)
    stop = consumer.renew(_info(), {running: claimed.token}).stop[running]
    assert (stop.outcome.value, stop.reason) == ("killed", "no (by ana)")
    assert [line for line in site.audited() if "cancel" in line or "kill" in line]


def test_killing_a_run_that_has_ended_kills_nothing_and_says_so(site):
    group_id = site.group()
    log_id = site.run(group_id, site.job(group_id), outcome="succeeded")
    ana = site.person()

    answer = ana.post(f"/runs/{log_id}/cancellation")

    assert answer.status_code == 409
    assert "ended" in said(answer)
    assert site.row(JobLog, log_id).outcome == "succeeded"


def test_a_log_is_read_from_its_executor_as_text(site):
    group_id = site.group()
    log_id = site.run(group_id, site.job(group_id), outcome="succeeded", executor_address="host-1-aa")
    site.executor()
    mailbox = Mailbox(site.blocking, site.redis, KEY, "demo", "host-1-aa")

    def answer() -> None:
        item = mailbox.next(5)
        content = "line one\n<script>alert(1)</script>\n"
        mailbox.reply(item.request, LogAnswer(1, 2, content, is_end=True, message="", log_id=log_id))

    executor = threading.Thread(target=answer)
    executor.start()
    page = site.person().get(f"/runs/{log_id}/log")
    executor.join()

    assert page.status_code == 200
    assert "line one" in page.text
    assert page.content_type.startswith("text/plain") or "<script>alert" not in page.text


def test_an_executor_that_is_gone_or_does_not_answer_is_said_to(plain_site, monkeypatch):
    monkeypatch.setattr(run_log, "ANSWER_WITHIN_S", 0.2)
    site = plain_site
    group_id = site.group()
    site.executor()
    gone, silent = (
        site.run(group_id, site.job(group_id), outcome="succeeded", executor_address=address)
        for address in ("elsewhere-9-gone", "host-1-aa")
    )
    ana = site.person()

    assert "The executor that ran this is gone" in ana.get(f"/runs/{gone}/log").text
    assert "The executor does not answer" in ana.get(f"/runs/{silent}/log").text


SEAMS = {
    "job.created": ("/jobs", lambda site: [row.name for row in site.rows(Job)], ["A job", "Made"]),
    "job.updated": ("/jobs/1", lambda site: [row.name for row in site.rows(Job)], ["Made"]),
    "job.started": ("/jobs/1/start", lambda site: [row.trigger_status for row in site.rows(Job)], [1]),
    "job.stopped": ("/jobs/1/stop", lambda site: [row.trigger_status for row in site.rows(Job)], [0]),
    "calendar.updated": ("/calendars/1", lambda site: [row.name for row in site.rows(Calendar)], ["Made"]),
    "backfill.planned": ("/jobs/1/backfills", lambda site: len(site.rows(JobLog)), 7),
    "trigger.planned": ("/jobs/1/triggers", lambda site: len(site.rows(JobLog)), 2),
    "kill.recorded": ("/runs/1/cancellation", lambda site: len(site.audited()), 1),
    # kept until it is applied: whoever died at the seam has marked nothing, the second click does
    "replay.appended": ("/failed-callbacks/1/replays", lambda site: len(site.rows(FailedCallback)), 1),
}


@pytest.mark.parametrize("seam", SEAMS)
def test_a_process_that_ends_at_a_seam_leaves_nothing_half_done(plain_site, disarmed, seam):
    """What was committed stands, and the same form sent again makes it whole without doing it twice."""
    path, look, expected = SEAMS[seam]
    site = plain_site
    group_id = site.group()
    job_id = site.job(group_id, schedule_type="FIX_RATE", schedule_conf="10")
    site.run(group_id, job_id)
    with write(site.engine) as connection:
        failed_callbacks.keep(
            connection, app_name="demo", entry_id="1-0", field="settled:1", log_id=1, reason="no row",
            payload=b"x", now_ms=1,
        )  # fmt: skip
    ana = site.person()
    ana.post("/calendars", {"name": "Holidays", "rules": "SAT-SUN"})
    site.forget_audit()
    form = {
        "group_id": group_id, "name": "Made", "executor_handler": "report", "schedule_type": "FIX_RATE",
        "schedule_conf": "10", "rules": "", "version": "1", "token": "6f1c9d2e-0000-4000-8000-000000000001",
        "begin": "2026-01-01T11:58", "end": "2026-01-01T11:59",
    }  # fmt: skip
    token = ana.token()
    arm(f"{seam}=raise")

    headers = {"Sec-Fetch-Site": "same-origin"}
    dead = ana.open(path, method="POST", data={**form, "csrf_token": token}, headers=headers)
    assert dead.status_code == 500
    arm("")
    if seam == "trigger.planned":
        assert ana.post(path, form).location == "/runs/2", "the second click finds the row of the first"
    if seam == "replay.appended":
        assert ana.post(path).status_code == 303
    assert look(site) == expected


def _info():
    from .site import info

    return info()


def test_the_shards_of_a_broadcast_stand_together(site):
    group_id = site.group()
    job_id = site.job(group_id)
    shard = {"trigger_key": "manual:a", "shard_total": 3}
    first = site.run(group_id, job_id, **shard, outcome="succeeded", executor_address="host-1-aa")
    site.run(group_id, job_id, **shard, shard_index=1, outcome="failed", handle_msg="no such file")
    site.run(group_id, job_id, **shard, shard_index=2)
    alone = site.run(group_id, job_id, outcome="succeeded")
    ana = site.person()

    text = said(ana.get(f"/runs/{first}"))

    assert "Shards 2 of 3 have ended" in text
    assert "0 this run Succeeded host-1-aa" in text
    assert "1 run 2 Failed" in text
    assert "no such file" in text
    assert "2 run 3 Pending" in text
    assert "Shards" not in said(ana.get(f"/runs/{alone}"))
