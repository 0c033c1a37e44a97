"""Scripts in a whole installation: written on the dashboard, run by an executor, read on the dashboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton.broker import presence
from baton.clock import SYSTEM_CLOCK
from tests.dashboard.site import Browser, Site, said
from tests.processes import is_alive
from tests.waiting import until

from .baton import APP_NAME, Baton

SCRIPTS = {
    "GLUE_SHELL": 'echo "shell: param $1, shard $2 of $3"',
    "GLUE_PYTHON": "import sys; print('python: param', *sys.argv[1:])",
    "GLUE_NODEJS": "console.log('node: param', ...process.argv.slice(2))",
}
SAYS = {
    "GLUE_SHELL": "shell: param on a day, shard 0 of 1",
    "GLUE_PYTHON": "python: param on a day 0 1",
    "GLUE_NODEJS": "node: param on a day 0 1",
}
FORM = {"schedule_type": "NONE", "max_catchup": "10", "max_concurrency": "1", "priority": "5"}
STUBBORN = """
trap '' TERM
echo $$ >> {pids}
(trap '' TERM; echo $BASHPID >> {pids}; sleep 600) &
setsid bash -c "trap '' TERM; echo \\$\\$ >> {pids}; sleep 600" &
sleep 600
"""


class Desk:
    """A person at the dashboard of an installation."""

    def __init__(self, baton: Baton, browser: Browser) -> None:
        self.baton = baton
        self.browser = browser

    def job(self, glue_type: str, source: str) -> str:
        """Make a job with a script; answers its address."""
        form = {**FORM, "group_id": str(self.baton.group_id), "name": glue_type, "glue_type": glue_type}
        made = self.browser.post("/jobs", form)
        assert made.status_code == 303, said(made)
        self.write(made.location, source)
        return made.location

    def write(self, job: str, source: str) -> None:
        page = self.browser.get(f"{job}/script").text
        [seen_id] = re.findall(r'name="seen_id" value="(\d+)"', page)
        saved = self.browser.post(
            f"{job}/script", {"source": source, "remark": "for a test", "seen_id": seen_id}
        )
        assert saved.status_code == 303, said(saved)

    def trigger(self, job: str, param: str = "") -> str:
        """Answers the address of the run."""
        page = self.browser.get(job).text
        [token] = re.findall(r'name="token" value="([^"]+)"', page)
        triggered = self.browser.post(f"{job}/triggers", {"executor_param": param, "token": token})
        assert triggered.status_code == 303, said(triggered)
        return triggered.location

    def log(self, run: str) -> str:
        return said(self.browser.get(f"{run}/log/pages"))


@pytest.fixture
def desk(whole_baton) -> Iterator[Desk]:
    yield from at_a_desk(whole_baton(BATON_SCRIPTS="all"))


@pytest.fixture
def desk_without_scripts(whole_baton) -> Iterator[Desk]:
    yield from at_a_desk(whole_baton())


def at_a_desk(baton: Baton) -> Iterator[Desk]:
    site = Site(baton.engine, baton.redis_server.url, clock=SYSTEM_CLOCK)
    yield Desk(baton, site.person())
    site.close()


def test_scripts_are_written_run_changed_and_their_words_are_on_the_page_of_the_run(desk):
    baton = desk.baton
    installed = [kind for kind in SCRIPTS if kind != "GLUE_NODEJS" or shutil.which("node")]
    jobs = {kind: desk.job(kind, SCRIPTS[kind]) for kind in installed}
    baton.wait_for_workers(1)
    [executor] = presence.executors(baton.redis, APP_NAME)
    assert set(installed) <= set(executor.glue_types)

    runs = {kind: desk.trigger(jobs[kind], "on a day") for kind in installed}
    baton.wait_until_ended(len(installed))

    assert set(baton.outcomes()) == {"succeeded"}
    for kind, run in runs.items():
        assert SAYS[kind] in desk.log(run)

    desk.write(jobs["GLUE_SHELL"], "echo another; exit 3")
    again = desk.trigger(jobs["GLUE_SHELL"])
    baton.wait_until_ended(len(installed) + 1)

    failed = baton.facts()[-1]
    assert (failed.outcome, failed.handle_code) == ("failed", 500)
    assert failed.handle_msg == "script exit value(3) is failed: it exited with code 3"
    assert "another" in desk.log(again)


def test_a_killed_script_that_forks_and_ignores_everything_leaves_nothing(desk, tmp_path):
    pids = tmp_path / "pids"
    run = desk.trigger(desk.job("GLUE_SHELL", STUBBORN.format(pids=pids)))
    started = until(lambda: len(found := numbers_in(pids)) == 3 and found, 20, "the script and its processes")

    killed = desk.browser.post(f"{run}/cancellation")

    assert killed.status_code == 303, said(killed)
    desk.baton.wait_until_ended(1)
    [row] = desk.baton.facts()
    assert (row.outcome, row.handle_code) == ("killed", 500)
    assert "it ignored SIGTERM for 1 s, SIGKILL to" in row.handle_msg
    assert not any(map(is_alive, started))


def test_an_executor_that_was_not_told_to_runs_no_script(desk_without_scripts):
    desk = desk_without_scripts
    baton = desk.baton
    mark = baton.folder / "mark"
    job = desk.job("GLUE_SHELL", f"touch {mark}")

    desk.trigger(job)
    baton.wait_until_ended(1)

    [row] = baton.facts()
    assert (row.outcome, row.handle_code) == ("failed", 500)
    assert "This executor may not run such scripts: allow them with BATON_SCRIPTS" in row.handle_msg
    assert not mark.exists()
    assert "No executor runs such scripts." in said(desk.browser.get(f"{job}/script"))


def numbers_in(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []
