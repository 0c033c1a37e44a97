"""`python -m worker --check`: could an executor work here?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import factories
from tests.processes import ROOT

GOOD = 'from baton import job\n\n\n@job("good")\ndef good():\n    pass\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "good.py").write_text(GOOD)
    return tmp_path


@pytest.fixture
def check(project: Path, one_redis_url: str):
    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "worker", "--check", *words],
            cwd=project,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(ROOT),
                "REDIS_URL": one_redis_url,
                "BATON_ENV": "development",
                "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
                "BATON_LOG_DIR": str(project / "logs"),
                "BATON_SPOOL_DIR": str(project / "spool"),
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_a_place_where_an_executor_can_work_is_found_good_and_left_as_it_was(check, project):
    said = check()

    assert said.returncode == 0, said.stdout + said.stderr
    for line in (
        "good     settings:",
        "good     handlers: good",
        "good     log folder:",
        "good     redis eviction:",
    ):
        assert line in said.stdout
    assert not (project / "logs").exists(), "looking makes nothing"


def test_every_problem_is_named_at_once_with_its_place(check, project):
    (project / "handlers" / "broken.py").write_text("x = 1\ndef broken(:\n")
    (project / "handlers" / "twice.py").write_text(GOOD)
    (project / "logs").write_text("a file, no folder")

    said = check(REDIS_URL="redis://127.0.0.1:1/0")

    assert said.returncode == 1
    for line in (
        f"bad      handlers: {project}/handlers/broken.py:2: handlers.broken cannot be imported: SyntaxError",
        f"bad      handlers: {project}/handlers/twice.py:4: handlers.twice cannot be imported",
        "two handlers are called 'good'",
        "good     handlers: good",
        f"bad      log folder: {project}/logs cannot be written to",
        "bad      redis: Redis does not answer",
    ):
        assert line in said.stdout
    assert "Traceback" not in said.stdout + said.stderr


def test_the_programs_of_allowed_scripts_are_looked_for(check, project):
    (project / "bin").mkdir()
    (project / "bin" / "bash").symlink_to("/bin/bash")

    said = check(BATON_SCRIPTS="GLUE_SHELL,GLUE_NODEJS", PATH=str(project / "bin"))

    assert f"good     scripts: GLUE_SHELL by {project}/bin/bash" in said.stdout
    assert "warning  scripts: GLUE_NODEJS is allowed, but there is no node or nodejs here" in said.stdout
    assert "scripts" not in check().stdout


def test_the_archive_is_tried_and_nothing_stays_in_it(check, project):
    archive = project / "archive"

    said = check(BATON_LOG_ARCHIVE_URL=archive.as_uri())

    assert "good     archive: logs can be stored there, and read again" in said.stdout
    assert list(archive.iterdir()) == []
    assert "archive: " not in check().stdout


def test_an_archive_that_takes_nothing_is_bad_and_its_problem_is_named(check, project):
    (project / "archive").write_text("a file, no folder")

    for url, problem in (
        ((project / "archive").as_uri(), "logs cannot be stored there: FileExistsError"),
        ("no-such://bucket/logs", "BATON_LOG_ARCHIVE_URL is no-such:…, which cannot be used"),
    ):
        said = check(BATON_LOG_ARCHIVE_URL=url)
        assert said.returncode == 1
        assert f"bad      archive: {problem}" in said.stdout
        assert "good     redis eviction:" in said.stdout


def test_settings_that_cannot_be_used_are_named_and_end_the_look(check):
    said = check(BATON_CONCURRENCY="many", BATON_CONCURENCY="2", BATON_ACCESS_TOKEN="")

    assert said.returncode == 1
    assert "bad      settings: BATON_CONCURRENCY is 'many'" in said.stdout
    assert "bad      settings: BATON_ACCESS_TOKEN is not set" in said.stdout
    assert "warning  settings: BATON_CONCURENCY is not a setting of Baton" in said.stdout


def test_what_production_cannot_take_is_bad_there_and_a_warning_here(check):
    assert "warning  redis persistence: " in check().stdout

    said = check(BATON_ENV="production")

    assert said.returncode == 1
    assert "bad      redis persistence: " in said.stdout


def test_programs_get_json(check, project):
    (project / "handlers" / "broken.py").write_text("1 / 0\n")

    said = check("--json")

    lines = json.loads(said.stdout)
    assert {"verdict": "good", "subject": "handlers", "text": "good"} in lines
    assert [line["subject"] for line in lines if line["verdict"] == "bad"] == ["handlers"]
    assert said.returncode == 1


def test_the_command_line_says_the_same(check, one_redis_url, project):
    said = subprocess.run(
        [sys.executable, "-m", "cli", "worker", "--check", "--json"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "REDIS_URL": one_redis_url,
            "BATON_ENV": "development",
            "BATON_STATE_DIR": str(project / "state"),
            "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert said.returncode == 0, said.stdout + said.stderr
    assert {line["subject"] for line in json.loads(said.stdout)} >= {"settings", "handlers", "redis version"}
