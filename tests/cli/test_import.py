"""`baton import` on real databases, and as a process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rq.job import Job as RqJob
from sqlalchemy import select

from baton.broker.keys import RQ_SCHEDULED
from baton.foreign import ForeignJob, Reading
from baton.store import glue, groups, jobs
from baton.store.engine import make_engine, write
from baton.store.models import Job
from cli import import_file
from cli.__main__ import main
from cli.import_plan import Wish
from tests.processes import ROOT

CRONTAB = """CRON_TZ=Europe/Berlin
# Backs up
30 2 * * * backup --all
@hourly cd /srv && ./tidy
"""
BROKEN = "0 0 * * * good\n99 * * * * bad\n"


@pytest.fixture
def place(monkeypatch, database_url, tmp_path):
    """An installation on each database, and a folder to import from."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("BATON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BATON_ENV", "development")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crontab").write_text(CRONTAB)
    return tmp_path


@pytest.fixture
def stored(place, database_url):
    engine = make_engine(database_url)

    def look():
        with engine.connect() as connection:
            return {
                row.declared_key: row for row in connection.execute(select(Job.__table__).order_by(Job.id))
            }

    look.engine = engine
    yield look
    engine.dispose()


def named(rows, part: str):
    (row,) = [row for key, row in rows.items() if part in key]
    return row


def planned(capsys, *arguments: str) -> dict[str, str]:
    capsys.readouterr()
    main(["import", *arguments, "--json"])
    return {each["key"]: each["change"] for each in json.loads(capsys.readouterr().out)["jobs"]}


def test_a_plan_shows_and_changes_nothing(stored, capsys):
    assert main(["import", "crontab", "crontab"]) == 3

    said = capsys.readouterr().out
    assert "line 3: 30 2 * * *; fires " in said
    assert "02:30:00 +0" in said
    assert said.endswith("2 new\n")
    assert stored() == {}


def test_jobs_come_over_stopped_once(stored, capsys):
    assert main(["import", "crontab", "crontab", "--apply"]) == 0

    made = stored()
    backup = named(made, "backup")
    assert (backup.executor_handler, json.loads(backup.executor_param)) == (
        "baton-command",
        ["backup", "--all"],
    )
    assert (backup.schedule_conf, backup.time_zone, backup.description) == (
        "30 2 * * *",
        "Europe/Berlin",
        "Backs up",
    )
    assert {(row.trigger_status, row.next_trigger_time) for row in made.values()} == {(0, 0)}
    assert main(["import", "crontab", "crontab", "--apply"]) == 0
    assert main(["import", "crontab", "crontab"]) == 0
    assert stored() == made


def test_start_follows_them_also_later_but_not_what_somebody_stopped(stored, capsys):
    main(["import", "crontab", "crontab", "--apply"])
    with write(stored.engine) as connection:
        tidy = named(stored(), "cd").id
        jobs.follow(connection, tidy, 5)
        jobs.stop(connection, tidy, 6, "not before Monday")

    assert main(["import", "crontab", "crontab", "--start"]) == 3
    assert main(["import", "crontab", "crontab", "--start", "--apply"]) == 0

    assert named(stored(), "backup").trigger_status == 1
    assert named(stored(), "backup").next_trigger_time > 0
    assert named(stored(), "cd").trigger_status == 0
    assert main(["import", "crontab", "crontab", "--start"]) == 0


def test_a_change_at_the_source_is_taken_over_and_an_edit_here_stays(place, stored, capsys):
    main(["import", "crontab", "crontab", "--apply"])
    with write(stored.engine) as connection:
        connection.execute(Job.__table__.update().values(time_zone="Asia/Tokyo"))
    (place / "crontab").write_text(CRONTAB.replace("30 2", "45 2"))

    assert sorted(planned(capsys, "crontab", "crontab").values()) == ["changed", "edited"]
    main(["import", "crontab", "crontab", "--apply"])

    assert (named(stored(), "backup").schedule_conf, named(stored(), "backup").time_zone) == (
        "45 2 * * *", "Europe/Berlin"
    )  # fmt: skip
    assert named(stored(), "cd").time_zone == "Asia/Tokyo"
    main(["import", "crontab", "crontab", "--apply", "--force"])
    assert named(stored(), "cd").time_zone == "Europe/Berlin"


def test_plans_of_declared_jobs_leave_imported_ones_alone(stored, capsys):
    main(["import", "crontab", "crontab", "--apply"])

    assert main(["plan", "--no-code"]) == 0


def test_a_moment_that_is_over_is_not_started(place, stored, capsys):
    rows = [
        {"model": "django_celery_beat.clockedschedule", "pk": 1,
         "fields": {"clocked_time": "2020-01-31T08:30:00Z"}},
        {"model": "django_celery_beat.periodictask", "pk": 5,
         "fields": {"name": "Once", "task": "shop.once", "clocked": 1, "enabled": True}},
    ]  # fmt: skip
    (place / "beat.json").write_text(json.dumps(rows))

    assert main(["import", "celery", "beat.json", "--apply", "--start"]) == 0

    assert "fires never again; stopped" in capsys.readouterr().out
    assert main(["import", "celery", "beat.json", "--start"]) == 0


def test_a_crontab_may_come_from_a_pipe(stored, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(CRONTAB))

    assert main(["import", "crontab", "-", "--apply"]) == 0
    assert len(stored()) == 2


def test_schedules_that_follow_a_guess_are_told_of(place, stored, capsys):
    (place / "plain").write_text("0 5 * * * x\n")
    main(["import", "crontab", "plain"])
    assert "they follow UTC: see --zone" in capsys.readouterr().err

    main(["import", "crontab", "plain", "--zone", "UTC"])
    main(["import", "crontab", "crontab"])
    assert capsys.readouterr().err == ""
    assert main(["import", "crontab", "plain", "--zone", "Europe/Berlln"]) == 1
    assert "Europe/Berlin" in capsys.readouterr().err


def test_labels_keep_two_machines_apart(stored, capsys):
    main(["import", "crontab", "crontab", "--apply", "--label", "web1"])
    main(["import", "crontab", "crontab", "--apply", "--label", "web2", "--group", "second"])

    assert len(stored()) == 4
    assert len({row.group_id for row in stored().values()}) == 2


def test_bad_lines_are_named_and_the_rest_goes_on(place, stored, capsys):
    (place / "crontab").write_text(BROKEN)

    assert main(["import", "crontab", "crontab", "--apply"]) == 1

    said = capsys.readouterr().out
    assert "? line 2: cron '99 * * * *': minute '99' is out of range" in said
    assert said.endswith("1 new, 1 not understood\n")
    assert len(stored()) == 1


def test_nothing_is_half_applied(stored, monkeypatch):
    monkeypatch.setattr(jobs, "follow", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        main(["import", "crontab", "crontab", "--apply", "--start"])

    assert stored() == {}


def test_the_file_to_review_is_one_of_declared_jobs(place, stored, capsys):
    assert main(["import", "crontab", "crontab", "-o", "mine.yaml"]) == 0
    assert "CRON_TZ" not in (place / "mine.yaml").read_text()
    assert main(["plan", "--no-code", "--file", "mine.yaml"]) == 3
    assert main(["apply", "--no-code", "--file", "mine.yaml"]) == 0

    backup = named(stored(), "backup")
    assert (backup.declared_key[:13], backup.schedule_conf, backup.trigger_status) == (
        "file:crontab/",
        "30 2 * * *",
        0,
    )
    assert main(["import", "crontab", "crontab", "-o", "mine.yaml"]) == 1
    assert "--force" in capsys.readouterr().err


def test_a_file_to_review_may_start_what_is_active(place, capsys):
    main(["import", "crontab", "crontab", "-o", "mine.yaml", "--start", "--group", "second"])

    found = yaml.safe_load((place / "mine.yaml").read_text())["jobs"]
    assert [(job["group"], "stopped" in job) for job in found.values()] == [("second", False)] * 2


def test_an_empty_source_makes_an_empty_file(place, capsys):
    (place / "crontab").write_text("# nothing\n")
    assert main(["import", "crontab", "crontab", "-o", "mine.yaml"]) == 0

    assert yaml.safe_load((place / "mine.yaml").read_text()) == {"jobs": {}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["crontab", "nowhere"], "nowhere cannot be read: No such file"),
        (["crontab", "crontab", "--apply", "-o", "x.yaml"], "choose one of them"),
    ],
)
def test_what_cannot_be_done_at_all_is_said(place, arguments, said, capsys):
    assert main(["import", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_the_command_as_a_process(sqlite_url, tmp_path):
    (tmp_path / "crontab").write_text(CRONTAB + BROKEN)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": sqlite_url,
        "BATON_STATE_DIR": str(tmp_path / "state"),
    }

    def baton(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    imported = baton("import", "crontab", "crontab", "--apply", "--start")
    again = baton("import", "crontab", "crontab", "--apply", "--start")

    assert (imported.returncode, imported.stderr) == (1, "")
    assert imported.stdout.endswith("3 new, 3 to start, 1 not understood\n")
    assert again.stdout.endswith("3 unchanged, 1 not understood\n")


XXL_JOB = """
INSERT INTO `xxl_job_group` VALUES (4,'shop','The shop',0,NULL,NULL);
INSERT INTO `xxl_job_info` (id,job_group,job_desc,schedule_type,schedule_conf,executor_handler,
glue_type,glue_source,child_jobid,trigger_status) VALUES
(1,4,'First','CRON','0 0 2 * * ?','first','BEAN','','2,3',1),
(2,4,'Script','NONE','','','GLUE_SHELL','echo "it\\'s"\\nexit 0\\n','3',0),
(3,4,'Groovy','FIX_RATE','60','','GLUE_GROOVY','class A {}','',1);
"""


def test_jobs_of_xxl_job_come_with_groups_scripts_and_children(place, stored, capsys):
    (place / "dump.sql").write_text(XXL_JOB)

    assert main(["import", "xxl-job", "dump.sql", "--zone", "Asia/Shanghai", "--apply", "--start"]) == 0

    made = stored()
    first, script, groovy = (made[f"import:xxl-job/{number}"] for number in (1, 2, 3))
    assert first.child_job_ids == f"{script.id},{groovy.id}"
    assert (first.name, first.time_zone, first.trigger_status) == ("First", "Asia/Shanghai", 1)
    assert (script.child_job_ids, groovy.trigger_status) == (str(groovy.id), 0)
    with stored.engine.connect() as connection:
        assert glue.current(connection, script.id).source == 'echo "it\'s"\nexit 0\n'
        titles = {group.app_name: group.title for group in groups.all_groups(connection)}
    assert titles["shop"] == "The shop"
    assert main(["import", "xxl-job", "dump.sql", "--zone", "Asia/Shanghai", "--start"]) == 0
    assert stored() == made


def test_a_file_to_review_has_scripts_and_children_of_xxl_job(place, stored):
    (place / "dump.sql").write_text(XXL_JOB)

    assert main(["import", "xxl-job", "dump.sql", "-o", "mine.yaml"]) == 0
    with write(stored.engine) as connection:
        groups.ensure(connection, "shop", "The shop", 5)
    assert main(["apply", "--no-code", "--file", "mine.yaml"]) == 0

    first, script, groovy = (stored()[f"file:xxl-job/{number}"] for number in (1, 2, 3))
    assert first.child_job_ids == f"{script.id},{groovy.id}"
    with stored.engine.connect() as connection:
        assert glue.current(connection, script.id).source == 'echo "it\'s"\nexit 0\n'


@settings(deadline=None)
@example("a\x85b", "")
@example("a\n\u2028\rb", "")
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), st.text(alphabet=" \t\n#:'|x"))
def test_whatever_a_job_says_stands_in_the_file_unchanged(param, description):
    said = {"handler": "x", "param": param, "description": description}
    reading = Reading((ForeignJob("k", "line 1", "@daily", said, notes=(param, "two\nlines")),))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mine.yaml")
        import_file.save(reading, path, Wish("crontab", "", starts=False, overwrites=False))
        found = yaml.safe_load(path.read_text("utf-8"))

    assert found == {"jobs": {"crontab/k": {**said, "stopped": True}}}


def test_a_job_that_is_there_twice_is_a_problem(place, stored, capsys):
    (place / "dump.sql").write_text(XXL_JOB + XXL_JOB)

    assert main(["import", "xxl-job", "dump.sql", "--apply"]) == 1

    assert len(stored()) == 3
    assert "has the key '1' already" in capsys.readouterr().out


def test_a_dump_without_jobs_says_which_tables_to_dump(place, capsys):
    (place / "dump.sql").write_text("SELECT 1;")

    assert main(["import", "xxl-job", "dump.sql"]) == 1
    assert "dump xxl_job_group and xxl_job_info" in capsys.readouterr().err


def test_jobs_of_rq_come_from_its_cron_file_and_from_redis(place, stored, one_redis, one_redis_url, capsys):
    (place / "crons.py").write_text(
        "from rq import cron\nfrom shop.tasks import tidy\ncron.register(tidy, 'low', cron='0 3 * * *')\n"
    )
    job = RqJob.create("shop.tasks.mail", ("DE",), connection=one_redis, id="j1", meta={"interval": 60})
    job.save()
    one_redis.zadd(RQ_SCHEDULED, {"j1": 1_796_032_800, "gone": 1_796_032_801})

    assert main(["import", "rq", "crons.py", "--apply"]) == 0
    assert main(["import", "rq", one_redis_url, "--apply"]) == 1

    assert "? job gone: its hash is gone" in capsys.readouterr().out
    tidy, mail = named(stored(), "tidy"), named(stored(), "j1")
    assert (tidy.glue_type, tidy.executor_handler, tidy.schedule_conf) == (
        "RQ",
        "low:shop.tasks.tidy",
        "0 3 * * *",
    )
    assert (mail.executor_handler, mail.executor_param) == ("default:shop.tasks.mail", '["DE"]')
    assert one_redis.zcard(RQ_SCHEDULED) == 2, "nothing is changed there"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rq", "redis://localhost:1/0"], "the Redis of RQ does not answer"),
        (["apscheduler", "sqlite:///jobs.db"], "APScheduler keeps its jobs as pickles"),
    ],
)
def test_a_source_that_cannot_be_read_is_said(arguments, said, capsys):
    assert main(["import", *arguments]) == 1
    assert said in capsys.readouterr().err


CELERY_APP = """
class conf:
    timezone = "Europe/Berlin"
    beat_schedule = {
        "tidy": {"task": "shop.tidy", "schedule": 300},
        "off": {"task": "shop.off", "schedule": 0.1},
    }

class app:
    conf = conf

CELERY_BEAT_SCHEDULE = {"mail": {"task": "shop.mail", "schedule": 60, "kwargs": {"to": "all"}}}
broken = 1
"""


@pytest.fixture
def celery_module(place, monkeypatch):
    name = f"celery_{place.name.replace('-', '_')}"
    (place / f"{name}.py").write_text(CELERY_APP)
    monkeypatch.syspath_prepend(str(place))
    return name


def test_jobs_of_celery_come_from_an_app_or_from_settings(celery_module, stored, capsys):
    assert main(["import", "celery", f"{celery_module}:app", "--apply"]) == 1
    assert main(["import", "celery", celery_module, "--apply", "--start"]) == 0
    assert main(["import", "celery", f"{celery_module}:CELERY_BEAT_SCHEDULE"]) == 0

    assert "? entry 'off': it runs every 0.1 s" in capsys.readouterr().out
    tidy, mail = stored()["import:celery/tidy"], stored()["import:celery/mail"]
    assert (tidy.executor_handler, tidy.schedule_type, tidy.schedule_conf) == ("shop.tidy", "FIX_RATE", "300")
    assert (mail.executor_param, mail.trigger_status) == ('{"to": "all"}', 1)


def test_jobs_of_celery_come_from_the_tables_of_django(place, stored):
    rows = [
        {"model": "django_celery_beat.intervalschedule", "pk": 1, "fields": {"every": 2, "period": "hours"}},
        {"model": "django_celery_beat.periodictask", "pk": 5,
         "fields": {"name": "Tidy up", "task": "shop.tidy", "interval": 1, "enabled": True}},
    ]  # fmt: skip
    (place / "beat.json").write_text(json.dumps(rows))

    assert main(["import", "celery", "beat.json", "--apply"]) == 0
    assert stored()["import:celery/Tidy up"].schedule_conf == "7200"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no_such_module_at_all", "cannot be imported: ModuleNotFoundError"),
        ("{module}:nothing", "there is no 'nothing'"),
        ("{module}:broken", "has no beat_schedule"),
    ],
)
def test_a_celery_app_that_is_not_there_is_said(celery_module, target, said, capsys):
    assert main(["import", "celery", target.format(module=celery_module)]) == 1
    assert said in capsys.readouterr().err
