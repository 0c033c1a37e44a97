"""The logs of all processes of an installation, as a machine reads them."""

from __future__ import annotations

import json
import os
import signal
from urllib.request import urlopen

import pytest

from config import EXIT_CONFIG
from tests.processes import Process, free_port
from tests.waiting import until

pytestmark = pytest.mark.slow


def objects(process: Process) -> list[dict]:
    """What it said; fails on a line that is no object."""
    return [json.loads(line) for line in process.output.splitlines()]


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_every_line_of_every_process_is_an_object_that_says_whose_it_is(whole_baton):
    baton = whole_baton(BATON_LOG_FORMAT="json")
    port = free_port()
    web = baton.processes.web(PORT=str(port))
    baton.processes.background()
    until(lambda: answers(port), 20, "the dashboard to answer")
    server = web.descendants()[0]
    baton.trigger(baton.job("fail"))
    baton.trigger(baton.job("stubborn", executor_timeout=1))
    baton.wait_until_ended(2)

    os.kill(server, signal.SIGKILL)
    until(lambda: "SIGKILL" in web.output, 20, "gunicorn to say that a process of its died")
    for each in baton.processes.started:
        each.terminate()
        each.wait(30)

    said = {each.name: objects(each) for each in baton.processes.started}
    for role, lines in said.items():
        assert lines, role
        assert {line["role"] for line in lines} == {role}
        assert all(line["time"].endswith("Z") and line["pid"] and line["event"] for line in lines)
        assert len({line["process"] for line in lines if line["event"] == "process.started"}) <= 1
    assert [line["fields"]["logger"] for line in said["web"] if "SIGKILL" in line.get("message", "")] == [
        "gunicorn.error"
    ]
    of_runs = [line for lines in said.values() for line in lines if line["event"].startswith("run.")]
    rows = {row.log_id for row in baton.rows()}
    for event in ("run.started", "run.ended"):
        assert {line["log_id"] for line in of_runs if line["event"] == event} == rows
    assert all(line["job_id"] and line["log_id"] in rows for line in of_runs)


def test_what_is_wrong_with_the_settings_is_an_object_too(whole_baton):
    baton = whole_baton(schedulers=0, workers=0, callbacks=0, BATON_LOG_FORMAT="json")
    for start in (baton.processes.scheduler, baton.processes.worker, baton.processes.web):
        process = start(BATON_CONCURRENCY="many", REDIS_URL="redis://:hidden@host:not-a-port")

        assert process.wait() == EXIT_CONFIG
        said = objects(process)
        assert {line["event"] for line in said} == {"setting.refused"}
        assert "hidden" not in process.output


def test_a_word_that_names_no_form_is_refused_in_plain_text(whole_baton):
    baton = whole_baton(schedulers=0, workers=0, callbacks=0)
    process = baton.processes.callbacks(BATON_LOG_FORMAT="jsno")

    assert process.wait() == EXIT_CONFIG
    assert "BATON_LOG_FORMAT is 'jsno': allowed is text or json; did you mean json?" in process.output
