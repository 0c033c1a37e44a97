"""The page people leave open: what runs, what comes next, what went wrong, who is there."""

from __future__ import annotations

from baton.broker.consumer import Room
from baton.broker.producer import Producer, PushRow
from baton.envelope import group_key, seal
from baton.store import failed_callbacks
from baton.store.engine import write

from .. import factories
from ..clocks import NOON_MS
from .site import said

KEY = group_key(factories.ACCESS_TOKEN, "demo")


def section(text: str, start: str, end: str) -> str:
    """What a page says between two headings."""
    return text.split(start, 1)[1].split(end, 1)[0]


def test_an_installation_without_anything_says_what_to_do(site):
    text = said(site.person().get("/"))

    assert "Nothing runs at this moment." in text
    assert "Nothing failed." in text
    assert "No schedule is followed. Start a job under Jobs ." in text
    assert "There is no executor group yet. Add one under Executors ." in text


def test_what_executors_hold_runs_and_what_waits_does_not(site):
    group_id = site.group()
    consumer = site.executor(handlers=("demo",), running=1)
    for name in ("Held", "Waiting"):
        job_id = site.job(group_id, name=name)
        log_id = site.run(group_id, job_id, trigger_code=200, pushed_at=1)
        frame = seal(factories.trigger_param(log_id=log_id, job_id=job_id), KEY)
        row = PushRow(log_id, str(job_id), "SERIAL_EXECUTION", 1, "FAIL", frame)
        Producer(site.redis).push("demo", [row])
    consumer.claim(Room(1))

    text = said(site.person().get("/"))

    assert "Running now 1 2 not ended" in text
    running = section(text, "All that has not ended", "Failed in 24 hours")
    assert "Held" in running
    assert "host-1-aa" in running
    assert "Waiting" not in running
    assert "1 of 4 slots · 1 executor" in text


def test_failures_stand_once_per_job_with_their_newest_message_and_their_number(site):
    group_id = site.group()
    flaky, broken = site.job(group_id, name="Flaky"), site.job(group_id, name="Broken")
    site.run(group_id, broken, outcome="timed_out", handle_msg="job execute timeout")
    for n in range(3):
        site.run(group_id, flaky, outcome="failed", handle_msg=f"Traceback (most recent call last):\nE: {n}")
    for outcome in ("killed", "covered", "discarded", "succeeded"):
        site.run(group_id, site.job(group_id, name=f"As wanted: {outcome}"), outcome=outcome)
    site.run(group_id, broken, outcome="failed", handle_msg="long ago", trigger_time=NOON_MS - 90_000_000)

    failures = section(said(site.person().get("/")), "All failed", "Coming next")

    assert failures.index("Flaky") < failures.index("Broken"), "the newest first"
    assert "E: 2" in failures
    assert "E: 1" not in failures
    assert "3 times , last" in failures
    assert "Timed out" in failures
    assert "As wanted" not in failures
    assert "long ago" not in failures


def test_what_comes_next_comes_in_the_order_of_time(site):
    group_id = site.group()
    for name, in_ms in (("Later", 60_000), ("Sooner", 1_000)):
        site.job(group_id, name=name, trigger_status=1, next_trigger_time=NOON_MS + in_ms)
    site.job(group_id, name="Stopped", next_trigger_time=NOON_MS)

    upcoming = section(said(site.person().get("/")), "Coming next", "Executors")

    assert upcoming.index("Sooner") < upcoming.index("Later")
    assert "Stopped" not in upcoming


def test_jobs_that_will_not_do_what_they_say_are_named(site):
    group_id = site.group()
    site.group("deserted")
    site.executor(handlers=("known",))
    followed = {"trigger_status": 1, "next_trigger_time": NOON_MS}
    site.job(group_id, name="Fine", executor_handler="known", **followed)
    site.job(group_id, name="Lacking", executor_handler="unknown", **followed)
    site.job(group_id, name="Over", stop_reason="its schedule names no further time")

    text = section(said(site.person().get("/")), "This needs a look", "Running now")

    assert "No executor listens in group deserted" in text
    assert "Lacking no executor of its group has the handler 'unknown'" in text.replace("&#39;", "'")
    assert "Over was stopped: its schedule names no further time" in text
    assert "Fine" not in text


def test_results_that_could_not_be_applied_are_counted(site):
    with write(site.engine) as connection:
        failed_callbacks.keep(
            connection, app_name="demo", entry_id="1-0", field="settled:1", log_id=1, reason="no row",
            payload=b"x", now_ms=1,
        )  # fmt: skip

    assert "Failed callbacks 1 wait for you" in said(site.person().get("/"))


def test_without_redis_pages_show_what_sql_knows_and_say_so(away):
    group_id = away.group()
    job_id = away.job(group_id, name="Known to SQL")
    log_id = away.run(group_id, job_id, outcome="failed", handle_msg="a message")
    away.run(group_id, job_id, trigger_code=200, pushed_at=1)
    ana = away.person()

    for path in ("/", "/jobs", f"/jobs/{job_id}", "/runs", "/executors"):
        page = ana.get(path)
        assert page.status_code == 200, path
        assert "Redis does not answer." in said(page), path
    assert "a message" in ana.get(f"/runs/{log_id}").text
    assert "Who is there is not known" in said(ana.get("/executors"))


def test_without_redis_a_trigger_is_kept_and_a_kill_is_refused(away):
    group_id = away.group()
    job_id = away.job(group_id)
    log_id = away.run(group_id, job_id, trigger_code=200, pushed_at=1)
    ana = away.person()
    token = "6f1c9d2e-0000-4000-8000-000000000001"

    triggered = ana.post(f"/jobs/{job_id}/triggers", {"token": token})
    killed = ana.post(f"/runs/{log_id}/cancellation")

    assert triggered.location == f"/runs/{log_id + 1}"
    assert killed.status_code == 503
    assert f"Redis does not answer, so run {log_id} was not killed" in said(killed)
