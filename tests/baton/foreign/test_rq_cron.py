"""The file of `rq cron`, read without running it."""

from __future__ import annotations

import pytest

from baton.errors import InputError
from baton.foreign import rq_cron

FILE = """
import shop.tasks
import shop.mail as mail
from rq import cron
from rq.cron import register as add
from shop.reports import nightly, weekly as per_week

QUEUE = "reports"
HOUR = 60 * 60
raise RuntimeError("nothing in here is run")

cron.register(nightly, QUEUE, args=("DE", 7), cron="30 2 * * *", job_timeout="2h")
cron.register(per_week, queue_name="default", kwargs={"full": True}, cron="@weekly", name="week")
add(shop.tasks.tidy, "low", interval=2 * HOUR, ttl=5, meta={"by": "x"})
add(mail.send, "low", interval=60)
add(mail.send, "low", interval=90)
"""


def test_calls_of_register_become_jobs_of_the_bridge():
    reading = rq_cron.read(FILE)

    assert reading.left == ()
    assert [(job.key, job.place, dict(job.said)) for job in reading.jobs[:3]] == [
        ("shop.reports.nightly", "line 12", {
            "name": "shop.reports.nightly", "glue_type": "RQ", "handler": "reports:shop.reports.nightly",
            "param": ["DE", 7], "cron": "30 2 * * *", "zone": "UTC", "timeout": 7200,
        }),
        ("week", "line 13", {
            "name": "week", "glue_type": "RQ", "handler": "default:shop.reports.weekly",
            "param": {"full": True}, "cron": "0 0 * * 0", "zone": "UTC",
        }),
        ("shop.tasks.tidy", "line 14", {
            "name": "shop.tasks.tidy", "glue_type": "RQ", "handler": "low:shop.tasks.tidy", "every": 7200,
        }),
    ]  # fmt: skip
    assert reading.jobs[2].notes == ("its ttl is not taken over", "its meta is not taken over")
    assert [job.key for job in reading.jobs[3:]] == ["shop.mail.send", "shop.mail.send-2"]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("register(local, 'q', interval=5)", "not imported here"),
        ("register(f)", "needs a function and a queue"),
        ("register(f, 'q')", "neither cron nor interval"),
        ("register(f, 'q', cron='* * * * * 5')", "has 6 fields"),
        ("register(f, 'q', interval=compute())", "`compute()` is no literal"),
        ("register(f, 'q', args=(1,), kwargs={'a': 1}, interval=5)", "one or the other"),
        ("register(f, 'q', args=(b'x',), interval=5)", "JSON does not have"),
        ("register(f, 'q', args=7, interval=5)", "a list and a dict"),
        ("register(f, 'q', interval=5, job_timeout='soon')", "time-out 'soon'"),
        ("register(*all_of_it)", "cannot be read"),
        ("register(f, LOOP, interval=5)", "no literal"),
    ],
)
def test_what_does_not_stand_in_the_file_is_named_with_its_line(call, reason):
    head = "from rq.cron import register\nfrom shop import f\nLOOP = LOOP\ndef local(): ...\n"
    reading = rq_cron.read(f"{head}{call}\nregister(f, 'q', interval=9)\n")

    (left,) = reading.left
    assert (left.place, left.is_problem) == ("line 5", True)
    assert reason in left.reason
    assert [job.place for job in reading.jobs] == ["line 6"]


def test_what_is_no_python_is_refused():
    with pytest.raises(InputError, match="not a Python file"):
        rq_cron.read("cron.register(")
