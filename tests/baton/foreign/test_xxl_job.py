"""Dumps of XXL-JOB's database: every column that means something here comes along."""

from __future__ import annotations

import pytest

from baton.foreign import xxl_job

GROUPS = (
    "INSERT INTO `xxl_job_group` VALUES (1,'shop-executor','Shop',0,'',NULL),(2,'spare','Spare',1,'x','');\n"
)
USUAL = {
    "id": "7", "job_group": "1", "job_desc": "'Nightly report'", "add_time": "'2026-01-01 00:00:00'",
    "update_time": "'2026-01-01 00:00:00'", "author": "'Ana'", "alarm_email": "''",
    "schedule_type": "'CRON'", "schedule_conf": "'0 30 2 * * ?'", "misfire_strategy": "'DO_NOTHING'",
    "executor_route_strategy": "'FIRST'",
    "executor_handler": "'nightly'", "executor_param": "''", "executor_block_strategy": "'SERIAL_EXECUTION'",
    "executor_timeout": "0", "executor_fail_retry_count": "0", "glue_type": "'BEAN'", "glue_source": "''",
    "glue_remark": "''", "glue_updatetime": "'2026-01-01 00:00:00'", "child_jobid": "''",
    "trigger_status": "1", "trigger_last_time": "0", "trigger_next_time": "1796032800000",
}  # fmt: skip


def dump(*jobs: dict[str, str]) -> str:
    rows = ",\n".join("(" + ",".join({**USUAL, **job}.values()) + ")" for job in jobs)
    return f"{GROUPS}INSERT INTO `xxl_job_info` VALUES {rows};\n"


def read(*jobs: dict[str, str]):
    return xxl_job.read(dump(*jobs), zone="Asia/Shanghai")


def only(**columns: str):
    reading = read(columns)
    assert reading.left == ()
    (job,) = reading.jobs
    return job


def test_a_job_with_all_its_columns():
    job = only(
        executor_param="' day=today\\n'", misfire_strategy="'FIRE_ONCE_NOW'",
        executor_route_strategy="'SHARDING_BROADCAST'", executor_block_strategy="'COVER_EARLY'",
        executor_timeout="90", executor_fail_retry_count="3", alarm_email="'a@example.org'",
    )  # fmt: skip

    assert job.said == {
        "name": "Nightly report", "group": "shop-executor", "cron": "0 30 2 * * ?", "zone": "Asia/Shanghai",
        "misfire_strategy": "FIRE_ONCE_NOW", "route_strategy": "SHARDING_BROADCAST",
        "block_strategy": "COVER_EARLY", "author": "Ana", "param": " day=today\n",
        "description": "Job 7 of XXL-JOB. Alarms went to a@example.org.", "timeout": 90, "retries": 3,
        "handler": "nightly",
    }  # fmt: skip
    assert (job.key, job.place, job.expression, job.is_active) == ("7", "line 2, job 7", "0 30 2 * * ?", True)
    assert "a@example.org" in job.notes[0]


@pytest.mark.parametrize(
    ("kind", "conf", "said"),
    [
        ("CRON", "0 0 18 LW * ?", {"cron": "0 0 18 LW * ?", "zone": "Asia/Shanghai"}),
        ("FIX_RATE", "30", {"every": "30"}),
        ("FIX_DELAY", "30", {"delay": "30"}),
        ("NONE", "", {}),
    ],
)
def test_schedules(kind, conf, said):
    job = only(schedule_type=f"'{kind}'", schedule_conf=f"'{conf}'")

    assert {name: job.said[name] for name in ("cron", "zone", "every", "delay") if name in job.said} == said


def test_a_stopped_job_is_not_active():
    assert not only(trigger_status="0").is_active


@pytest.mark.parametrize("kind", ["GLUE_SHELL", "GLUE_PYTHON", "GLUE_NODEJS", "GLUE_PHP", "GLUE_POWERSHELL"])
def test_scripts_come_with_their_source(kind):
    job = only(glue_type=f"'{kind}'", glue_source="'line 1\\nline 2\\n'", glue_remark="'first'")

    assert (job.said["glue_type"], job.said["glue_source"]) == (kind, "line 1\nline 2\n")
    assert "handler" not in job.said
    assert "Script: first." in job.said["description"]
    assert not job.hindrance


@pytest.mark.parametrize(
    ("kind", "source", "said", "hindrance"),
    [
        ("GLUE_GROOVY", "class A {}", "GLUE_GROOVY", "Groovy"),
        ("GLUE_PYTHON2", "print 1", "GLUE_PYTHON", "Python 2"),
        ("GLUE_SHELL", "", "GLUE_SHELL", "no script"),
    ],
)
def test_scripts_that_cannot_run_here_say_so(kind, source, said, hindrance):
    job = only(glue_type=f"'{kind}'", glue_source=f"'{source}'")

    assert job.said["glue_type"] == said
    assert hindrance in job.hindrance


def test_children_are_taken_but_for_themselves_circles_and_the_unknown():
    one, two, three = read(
        {"id": "1", "child_jobid": "'1, 2,3,99'"},
        {"id": "2", "child_jobid": "'3'"},
        {"id": "3", "child_jobid": "'1'"},
    ).jobs

    assert (one.children, two.children, three.children) == (("2", "3"), ("3",), ())
    assert one.notes == ("its child 99 is not taken over",)
    assert three.notes == ("its child 1 is left out: it leads back here, for ever",)


def test_groups_come_with_their_titles():
    assert read({}).groups == {"shop-executor": "Shop", "spare": "Spare"}


def test_a_table_from_before_schedule_types():
    old = """CREATE TABLE `xxl_job_info` (`id` int, `job_group` int, `job_cron` varchar(128),
  `job_desc` varchar(255), `executor_handler` varchar(255), `glue_type` varchar(50),
  `trigger_status` tinyint, PRIMARY KEY (`id`));
INSERT INTO `xxl_job_info` VALUES (1,1,'0 0 0 * * ? *','Old','old','BEAN',1);"""
    (job,) = xxl_job.read(GROUPS + old, zone="UTC").jobs

    assert (job.said["name"], job.said["cron"]) == ("Old", "0 0 0 * * ? *")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"job_group": "9"}, "its group 9"),
        ({"schedule_conf": "'0 3 * * *'"}, "too few fields"),
        ({"schedule_type": "'LUNAR'"}, "'LUNAR' is not known"),
        ({"executor_handler": "''"}, "names no handler"),
        ({"executor_timeout": "'long'"}, "executor_timeout 'long'"),
        ({"child_jobid": "'1;2'"}, "ids with commas"),
        ({"id": "'x'"}, "not a number"),
    ],
)
def test_a_job_that_cannot_be_read_does_not_hold_up_the_others(columns, reason):
    reading = read(columns, {"id": "8"})

    assert [job.key for job in reading.jobs] == ["8"]
    (left,) = reading.left
    assert left.is_problem
    assert reason in left.reason
    assert left.place.startswith("line 2, job ")
