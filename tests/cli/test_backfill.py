"""`baton backfill`, as typed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sqlalchemy import func, select

from baton.store.engine import make_engine, write
from baton.store.models import JobLog
from tests import factories
from tests.processes import ROOT

WEEK = ("--from", "2026-01-01", "--to", "2026-01-08")


@pytest.fixture
def job_id(sqlite_url):
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        made = factories.job(
            connection, group_id, schedule_type="CRON", schedule_conf="0 8 * * *", time_zone="Europe/Berlin"
        )
    engine.dispose()
    return made


def baton(database_url: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", "backfill", *map(str, arguments)], cwd=ROOT, text=True,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "BATON_STATE_DIR": "/nonexistent"},
        capture_output=True, timeout=60,
    )  # fmt: skip


def rows(database_url: str) -> int:
    engine = make_engine(database_url)
    with write(engine) as connection:
        count = connection.execute(select(func.count()).select_from(JobLog)).scalar_one()
    engine.dispose()
    return count


def test_a_range_is_shown_then_planned_then_there(sqlite_url, job_id):
    shown = baton(sqlite_url, job_id, *WEEK, "--dry-run")
    assert shown.stdout.splitlines()[0] == "Thu 2026-01-01 08:00:00 +0100  1767250800000", shown.stderr
    assert shown.stdout.splitlines()[-1] == "7 would be planned; 0 had their run already"
    assert rows(sqlite_url) == 0

    assert baton(sqlite_url, job_id, *WEEK).stdout.splitlines()[-1] == "7 planned; 0 had their run already"
    assert rows(sqlite_url) == 7
    assert baton(sqlite_url, job_id, *WEEK).stdout.splitlines()[-1] == "0 planned; 7 had their run already"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((4711, *WEEK), "there is no job '4711'; `baton jobs list` shows them"),
        ((1, "--from", "yesterday"), "'yesterday' is not a moment"),
    ],
)
def test_what_cannot_be_planned_is_said(sqlite_url, job_id, arguments, error):
    said = baton(sqlite_url, *arguments)

    assert (said.returncode, error in said.stderr) == (1, True), said.stderr
