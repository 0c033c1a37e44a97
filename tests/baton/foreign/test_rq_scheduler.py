"""Jobs of rq-scheduler, from hashes as RQ itself writes them."""

from __future__ import annotations

import pickle
import zlib

import pytest
from rq.job import Job
from rq.serializers import JSONSerializer

from baton.foreign import rq_scheduler
from baton.foreign.rq_scheduler import ScheduledJob

DUE_S = 1_796_032_800  # 2026-11-30 10:00 UTC


def scheduled(
    one_redis, function="shop.tasks.tidy", *args, meta=None, serializer=None, **kwargs
) -> ScheduledJob:
    job = Job.create(
        function, args, kwargs, connection=one_redis, id="j1", meta=meta or {}, timeout=90,
        origin="low", serializer=serializer,
    )  # fmt: skip
    fields = {
        name: value if isinstance(value, bytes) else str(value).encode()
        for name, value in job.to_dict().items()
    }
    return ScheduledJob("j1", DUE_S, fields)


def only(each: ScheduledJob, zone: str = "Europe/Berlin"):
    reading = rq_scheduler.read([each], zone=zone)
    assert reading.left == ()
    return reading.jobs[0]


@pytest.mark.parametrize("serializer", [None, JSONSerializer])
def test_a_cron_job_is_read_whichever_serializer_wrote_it(one_redis, serializer):
    meta = {"cron_string": "30 2 * * 1", "repeat": None, "use_local_timezone": True}
    job = only(scheduled(one_redis, "shop.tasks.tidy", "DE", 7, meta=meta, serializer=serializer))

    assert job.said == {
        "name": "tidy j1", "glue_type": "RQ", "handler": "low:shop.tasks.tidy", "param": ["DE", 7],
        "cron": "30 2 * * 1", "zone": "Europe/Berlin", "timeout": 90,
    }  # fmt: skip
    assert (job.key, job.expression, job.hindrance) == ("j1", "30 2 * * 1", "")


def test_cron_without_local_time_is_utc(one_redis):
    assert only(scheduled(one_redis, meta={"cron_string": "0 5 * * *"})).said["zone"] == "UTC"


def test_an_interval_that_ends_some_day_is_not_started_unseen(one_redis):
    job = only(scheduled(one_redis, full=True, meta={"interval": 300, "repeat": 4}))

    assert (job.said["every"], job.said["param"]) == ("300", {"full": True})
    assert "4 more times" in job.hindrance


def test_a_job_without_either_runs_once_at_its_moment(one_redis):
    job = only(scheduled(one_redis))

    assert (job.said["once"], job.said["zone"]) == ("2026-11-30T10:00:00", "UTC")


def test_a_call_that_is_no_plain_value_is_taken_from_its_description(one_redis):
    each = scheduled(one_redis, "shop.tasks.tidy", "DE", deep=True, meta={"interval": 60})
    each.fields["data"] = zlib.compress(pickle.dumps(("shop.tasks.tidy", None, (pytest.raises,), {})))
    each.fields["description"] = b"shop.tasks.tidy(deep=True)"
    job = only(each)

    assert (job.said["handler"], job.said["param"]) == ("low:shop.tasks.tidy", {"deep": True})
    assert "description" in job.hindrance


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"data": b"?", "description": b"tidy up"}, "is no call"),
        ({"data": b"?", "description": b"shop.f('a...')"}, "is no call"),
        ({"data": zlib.compress(b"x" * 2_000_000), "description": b""}, "more than"),
        ({"data": zlib.compress(pickle.dumps(("f", "obj", (), {})))}, "method of an object"),
        ({"meta": zlib.compress(pickle.dumps({"by": pytest.raises}))}, "schedule cannot be read"),
        ({"meta": b"[1]"}, "no mapping"),
        ({"timeout": b"soon"}, "time-out"),
    ],
)
def test_what_cannot_be_read_safely_is_said(one_redis, fields, reason):
    each = scheduled(one_redis)
    each.fields.update(fields)

    (left,) = rq_scheduler.read([each], zone="UTC").left
    assert left.place == "job j1"
    assert reason in left.reason


def test_a_member_without_a_hash_is_a_problem():
    (left,) = rq_scheduler.read([ScheduledJob("gone", DUE_S, {})], zone="UTC").left
    assert "its hash is gone" in left.reason
