"""A crontab is taken along, and its command runs as cron would have run it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from baton.store.models import Job
from cli.__main__ import main

from .baton import APP_NAME

pytestmark = pytest.mark.slow


def test_an_imported_entry_runs_with_its_environment_and_its_input(whole_baton, monkeypatch, tmp_path):
    installation = whole_baton(BATON_COMMANDS="env")
    written = tmp_path / "written"
    (tmp_path / "crontab").write_text(
        f'GREETING="good day"\n0 5 1 1 * (printf "\\%s: " "$GREETING"; cat) > {written}%5 \\% more%and less\n'
    )
    monkeypatch.setenv("DATABASE_URL", installation.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BATON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BATON_ENV", "development")

    assert main(["import", "crontab", str(tmp_path / "crontab"), "--apply", "--group", APP_NAME]) == 0
    with installation.engine.connect() as connection:
        job_id, param = connection.execute(select(Job.id, Job.executor_param)).one()
    installation.trigger(job_id, param=param)
    installation.wait_until_ended()

    assert installation.outcomes() == ["succeeded"]
    assert written.read_text() == "good day: 5 % more\nand less\n"
