"""What a handler asks and tells its context, and how code far away from it finds it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from baton import context as run_context
from baton import threads
from baton.context import JobContext, Progress, Shard, get_context


def made(log_id: int = 1, **fields: Any) -> JobContext:
    values: dict[str, Any] = {
        "job_id": 1,
        "log_id": log_id,
        "param": "",
        "shard": Shard(0, 1),
        "attempt": 1,
        "token": 1,
        "planned_at": datetime(2026, 1, 1, tzinfo=UTC),
        "deadline": None,
        "write_line": lambda text, depth: None,
    }
    return JobContext(**(values | fields))


# what it says


@pytest.mark.parametrize(
    ("pattern", "arguments", "line"),
    [
        ("plain", (), "plain"),
        ("{} of {}", (1, 2), "1 of 2"),
        ("{} of {}", (1,), "1 of {}"),
        ("one", (1,), "one"),
        ({"a": 1}, (), "{'a': 1}"),
    ],
)
def test_a_line_is_its_pattern_with_the_places_filled(pattern, arguments, line):
    lines: list[str] = []
    made(write_line=lambda text, depth: lines.append(text)).log(pattern, *arguments)

    assert lines == [line]


def test_an_exception_is_written_with_its_traceback():
    lines: list[str] = []
    context = made(write_line=lambda text, depth: lines.append(text))
    try:
        raise ValueError("no good")
    except ValueError as error:
        context.log(error)
        context.log("row {} failed", 7, error)

    assert lines[0].startswith("no good\nTraceback")
    assert lines[1].startswith("row 7 failed\nTraceback")
    assert lines[1].endswith("ValueError: no good")


def test_the_call_site_of_a_line_is_that_of_the_handler():
    sites: list[str] = []
    context = made(write_line=lambda text, depth: sites.append(run_context.call_site(depth + 1)))

    context.log("here")

    assert sites[0].startswith("test_context.py:")


def test_the_parameter_is_read_as_json_and_shown_when_it_is_none():
    assert made(param='{"day": 1}').json == {"day": 1}
    assert made().json is None
    with pytest.raises(ValueError, match=r"the parameter is not JSON \(.*\): 'day=1'"):
        _ = made(param="day=1").json


@pytest.mark.parametrize(
    ("fraction", "note", "progress"),
    [
        (0.5, "half way", Progress(0.5, "half way")),
        (1, "", Progress(1.0)),
        (1.0000001, "", Progress(1.0)),
        (-1, "", Progress(0.0)),
        (float("inf"), "", Progress(1.0)),
        (0, "two\nlines " + "x" * 300, Progress(0.0, ("two lines " + "x" * 300)[:200])),
    ],
)
def test_progress_is_a_share_and_one_line(fraction, note, progress):
    said: list[Progress] = []
    made(report=said.append).progress(fraction, note)

    assert said == [progress]


@pytest.mark.parametrize("fraction", [float("nan"), "0.5", None, True])
def test_progress_that_is_no_number_is_refused(fraction):
    with pytest.raises(ValueError, match="allowed is a number from 0 to 1"):
        made().progress(fraction)


def test_after_the_end_of_its_run_a_context_says_nothing_more():
    said: list[object] = []
    context = made(write_line=lambda text, depth: said.append(text), report=said.append)
    run_context.leave(run_context.enter(context))

    context.log("late")
    context.progress(0.5)

    assert said == []


# how it is found


def test_outside_a_run_there_is_none():
    with pytest.raises(RuntimeError, match="outside a run"):
        get_context()


def test_a_thread_without_context_belongs_to_the_only_run_of_the_process():
    context = made()
    entered = run_context.enter(context)

    found = in_bare_thread(get_context)
    run_context.leave(entered)

    assert found is context


def test_among_several_runs_a_thread_without_context_is_told_that_nobody_can_know():
    entered = run_context.enter(made(), is_alone=False)

    said = in_bare_thread(get_context)
    run_context.leave(entered)

    assert isinstance(said, RuntimeError)
    assert "in a thread that no handler started" in str(said)


def test_each_of_several_runs_is_found_from_its_own_tasks_threads_and_pools():
    pool = ThreadPoolExecutor(1)  # one thread, made by whoever comes first, for all of them
    seen: dict[int, list[int]] = {}

    async def handler(log_id: int, all_are_here: asyncio.Barrier) -> None:
        run_context.enter(made(log_id), is_alone=False)
        await all_are_here.wait()
        in_a_thread: list[int] = []
        thread = threading.Thread(target=lambda: in_a_thread.append(get_context().log_id))
        thread.start()
        loop = asyncio.get_running_loop()
        seen[log_id] = [
            get_context().log_id,
            await asyncio.create_task(in_task()),
            await asyncio.to_thread(lambda: get_context().log_id),
            await loop.run_in_executor(None, lambda: get_context().log_id),
            await loop.run_in_executor(pool, lambda: get_context().log_id),
        ]
        thread.join()
        seen[log_id] += in_a_thread

    async def in_task() -> int:
        return get_context().log_id

    async def several() -> None:
        barrier = asyncio.Barrier(5)
        async with asyncio.TaskGroup() as group:
            for log_id in range(1, 6):
                group.create_task(handler(log_id, barrier))

    with threads.inheriting():
        asyncio.run(several())
    pool.shutdown()

    assert seen == {log_id: [log_id] * 6 for log_id in range(1, 6)}


def test_a_thread_that_outlives_its_run_is_told_so():
    may_ask, answers = threading.Event(), []

    def ask_late() -> None:
        may_ask.wait(10)
        try:
            answers.append(get_context())
        except RuntimeError as problem:
            answers.append(problem)

    with threads.inheriting():
        entered = run_context.enter(made(7))
        thread = threading.Thread(target=ask_late)
        thread.start()
        run_context.leave(entered)
        again = run_context.enter(made(8))
        may_ask.set()
        thread.join()
        run_context.leave(again)

    (said,) = answers
    assert isinstance(said, RuntimeError)
    assert "run 7 left behind" in str(said)


def test_threads_are_as_python_made_them_when_nobody_runs_handlers():
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    with threads.inheriting():
        with threads.inheriting():
            pass
        assert threading.Thread.start is not start

    assert threading.Thread.start is start
    assert ThreadPoolExecutor.submit is submit


def test_a_subclass_of_thread_and_a_timer_inherit_too():
    mark = contextvars.ContextVar("mark", default=0)
    seen: list[int] = []

    class Own(threading.Thread):
        def run(self) -> None:
            seen.append(mark.get())

    with threads.inheriting():
        mark.set(5)
        for each in (Own(), threading.Timer(0, lambda: seen.append(mark.get()))):
            each.start()
            each.join()

    assert seen == [5, 5]


def in_bare_thread(function: Any) -> Any:
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(function())
        except Exception as problem:
            answers.append(problem)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return answers[0]
