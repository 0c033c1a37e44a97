"""What processes say: aligned lines for people, objects for machines, and nothing gets past either."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from baton.process_log import JSON, TEXT, VALUE_LIMIT_CHARS, Line, json_of, masked, text_of, written

SET_UP = "from baton import process_log, telemetry; process_log.set_up('scheduler', 'INFO', {form!r})\n"


def line(**facts: object) -> Line:
    return Line(1_770_000_000.1234, "INFO", "push.done", "scheduler", "box-7", 7, facts)


def say(code: str, form: str = JSON) -> list[str]:
    """The lines that a process with this code says."""
    program = SET_UP.format(form=form) + code
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    return ended.stderr.splitlines()


def objects(code: str) -> list[dict]:
    return [json.loads(each) for each in say(code)]


def test_a_text_is_aligned_and_names_its_facts():
    assert text_of(line(rows=12, lane="7 8")) == (
        "2026-02-02T02:40:00.123Z INFO    scheduler  push.done rows=12 lane='7 8'"
    )


def test_an_object_has_the_ids_of_its_run_beside_its_event():
    assert json.loads(json_of(line(log_id=9, job_id=3, rows=12, share=0.5, names={"a"}, why=None))) == {
        "time": "2026-02-02T02:40:00.123Z",
        "level": "INFO",
        "event": "push.done",
        "role": "scheduler",
        "process": "box-7",
        "pid": 7,
        "job_id": 3,
        "log_id": 9,
        "fields": {"rows": 12, "share": 0.5, "names": ["a"], "why": None},
    }


@pytest.mark.parametrize(
    "value", ["a\nb", "a\u2028b", "\x1b[31m", "a\r", "\udc80", "\x00", float("nan"), object()]
)
def test_no_value_makes_a_second_line_or_breaks_the_object(value):
    assert len(text_of(line(value=value)).splitlines()) == 1
    said = json_of(line(value=value))
    assert "\n" not in said
    said.encode()
    json.loads(said, parse_constant=pytest.fail)


@pytest.mark.parametrize("form", [TEXT, JSON])
def test_what_is_very_long_is_cut(form):
    long = "x" * 10_000_000
    said = Line(0.0, "INFO", "loop.failed", "web", "", 1, {"error": long}, message=long, trace=long)

    assert len(written(said, form)) < 4 * VALUE_LIMIT_CHARS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hidden@host:6379/0", "redis://:***@host:6379/0"),
        ("postgresql://baton:hid@den@host/baton", "postgresql://baton:***@host/baton"),
        ("at s3://key:hidden@bucket/logs, and", "at s3://key:***@bucket/logs, and"),
        ("http://host:8000/path?to=a@b", "http://host:8000/path?to=a@b"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("nothing: to@hide", "nothing: to@hide"),
    ],
)
def test_passwords_of_addresses_are_not_shown(text, shown):
    assert masked(text) == shown
    for form in (TEXT, JSON):
        assert "hid" not in written(line(address=text), form).replace("to@hide", "")


def test_an_exception_is_one_field_with_its_trace():
    (said,) = objects(
        "try: 1 / 0\nexcept Exception as problem: telemetry.problem('loop.failed', problem, loop='pusher')"
    )

    assert said["level"] == "ERROR"
    assert said["fields"] == {"loop": "pusher", "error": "ZeroDivisionError('division by zero')"}
    assert said["exception"].startswith("Traceback (most recent call last):\n")
    assert said["exception"].endswith("ZeroDivisionError: division by zero")


def test_in_a_text_the_trace_stands_indented_below():
    head, *trace = say("telemetry.problem('loop.failed', ValueError('a\\n2026 INFO forged'))", TEXT)

    assert "ERROR   scheduler  loop.failed" in head
    assert trace
    assert all(each.startswith("  ") for each in trace)


def test_libraries_warnings_and_what_nobody_caught_have_the_same_shape():
    said = objects(
        "import logging, threading, warnings\n"
        "logging.getLogger('sqlalchemy.pool').warning('lost %s', 'postgresql://u:hidden@host/db')\n"
        "logging.getLogger('redis').info('not asked for')\n"
        "warnings.warn('old', UserWarning)\n"
        "class Bad:\n    def __del__(self): raise OSError('late')\n"
        "Bad()\n"
        "thread = threading.Thread(target=lambda: [][0], name='reader'); thread.start(); thread.join()\n"
        "raise KeyError('at the top')\n"
    )

    assert [each["event"] for each in said] == [
        "library.said", "library.said", "exception.ignored", "thread.failed", "process.failed",
    ]  # fmt: skip
    assert [each["role"] for each in said] == ["scheduler"] * 5
    assert said[0]["message"] == "lost postgresql://u:***@host/db"
    assert said[0]["fields"]["logger"] == "sqlalchemy.pool"
    assert "UserWarning: old" in said[1]["message"]
    assert said[3]["fields"]["thread"] == "reader"
    assert [each["exception"].splitlines()[-1] for each in said[2:]] == [
        "OSError: late", "IndexError: list index out of range", "KeyError: 'at the top'",
    ]  # fmt: skip


@pytest.mark.parametrize(("level", "heard"), [("DEBUG", [30, 40]), ("INFO", [30, 40]), ("ERROR", [40])])
def test_libraries_are_heard_from_a_warning_on_and_from_what_was_asked_for(level, heard):
    said = objects(
        f"process_log.set_up('web', {level!r}, 'json')\n"
        "import logging\n"
        "for each in (20, 30, 40): logging.getLogger('redis').log(each, each)"
    )

    assert [each["message"] for each in said] == [str(each) for each in heard]


def test_a_call_of_logging_that_cannot_be_formatted_ends_nothing():
    said = say("import logging; logging.warning('%d', 'x'); telemetry.event('process.started')")

    assert json.loads(said[-1])["event"] == "process.started"


def test_setting_up_again_does_not_say_things_twice():
    said = objects("process_log.set_up('web', 'INFO', 'json'); telemetry.event('process.started')")

    assert [each["role"] for each in said] == ["web"]


def test_a_process_says_under_which_name_others_know_it():
    said = objects("process_log.known_as('box-12-abcd'); telemetry.event('process.started')")

    assert [each["process"] for each in said] == ["box-12-abcd"]


def test_without_being_set_up_an_event_is_a_record_with_its_facts(caplog):
    from baton import telemetry

    with caplog.at_level(logging.INFO):
        telemetry.event("process.started", slots=4)

    assert [record.getMessage() for record in caplog.records] == ["process.started slots=4"]
