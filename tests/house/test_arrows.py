"""The arrows between the floors: who may import whom."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .tree import PROCESSES, ROOT, imports_of, module_of, python_files

NOT_FOR_WORKERS = (
    "sqlalchemy", "alembic", "psycopg", "flask", "croniter", "pydantic", "rq",
    "baton.store", "baton.schedule",
)  # fmt: skip


def crossing(folder: str, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{module_of(path)} -> {name}"
        for path in python_files(folder)
        for name, _ in imports_of(path)
        if any(name == each or name.startswith(each + ".") for each in forbidden)
    ]


@pytest.mark.parametrize("process", PROCESSES)
def test_processes_never_import_each_other(process):
    assert crossing(process, tuple(other for other in (*PROCESSES, "cli") if other != process)) == []


def test_the_core_imports_no_process_and_no_settings():
    assert crossing("baton", (*PROCESSES, "cli", "config", "app")) == []


def test_the_sql_side_and_the_redis_side_never_import_each_other():
    assert crossing("baton/store", ("baton.broker", "redis")) == []
    assert crossing("baton/broker", ("baton.store", "sqlalchemy")) == []


def test_a_worker_imports_neither_sql_nor_web_nor_cron():
    found = crossing("worker", NOT_FOR_WORKERS)
    # the bridge to RQ speaks RQ, in the child that wants it
    assert [each for each in found if not each.startswith("worker.rq_queue -> rq")] == []


@pytest.mark.parametrize("process", [*PROCESSES, "cli"])
def test_inside_a_process_folder_imports_are_relative(process):
    absolute = [
        f"{module_of(path)} -> {name}"
        for path in python_files(process)
        for name, is_relative in imports_of(path)
        if name.split(".")[0] == process and not is_relative
    ]
    assert absolute == [], "an executor beside a user's project must never pick up the user's modules"


def test_only_entry_points_read_settings_and_environment():
    readers = [
        f"{module_of(path)} -> {name}"
        for path in python_files("baton", *PROCESSES)
        for name, _ in imports_of(path)
        if name.split(".")[0] == "config" and path.name != "__main__.py"
    ]
    environment = [
        module_of(path)
        for path in python_files("baton", *PROCESSES)
        if path.name != "__main__.py"
        and ("os.environ" in (text := path.read_text("utf-8")) or "getenv" in text)
    ]
    assert readers == []
    # a child process inherits what its worker has, and a mark; so does what a run starts
    passed_on = ["worker.child_process", "worker.coroutines", "worker.program"]
    assert [name for name in environment if name not in passed_on] == []


def test_user_handlers_import_the_authors_face_only():
    ours = [
        f"{module_of(path)} -> {name}"
        for path in python_files("handlers")
        for name, _ in imports_of(path)
        if name.startswith("baton.") and len(name.split(".")) > 2
    ]
    assert ours == []


def loaded_by(statement: str) -> set[str]:
    """What a bare interpreter has in `sys.modules` after `statement`."""
    script = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    bare = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(bare.stdout.split())


def test_a_running_worker_has_loaded_neither_sql_nor_web_nor_cron():
    loaded = loaded_by("import worker.main")

    assert "worker.main" in loaded
    assert {name for name in NOT_FOR_WORKERS if name in loaded} == set()


def test_the_authors_face_needs_the_standard_library_only():
    foreign = {
        name.split(".")[0]
        for name in loaded_by("import baton") - loaded_by("pass")
        if name.split(".")[0] not in sys.stdlib_module_names
    }
    assert foreign == {"baton"}


def test_nothing_loads_opentelemetry_before_somebody_wants_spans():
    processes = "scheduler.main, callbacks.main, background.main, dashboard, config"
    loaded = loaded_by(f"import worker.main, worker.child, worker.coroutines, {processes}")

    # the Redis client loads what it finds of it, for numbers of its own
    loaded -= loaded_by("import redis")
    assert "scheduler.push_spans" in loaded
    assert {name for name in loaded if name.partition(".")[0] == "opentelemetry"} == set()
