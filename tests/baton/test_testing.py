"""`baton.testing`: an author's handler runs as in an executor, without one."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from baton import Cancelled, JobContext, get_context, handlers, job
from baton.context import Progress
from baton.testing import Outcome, Shard, arun, run


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_registry", {})


def test_everything_a_handler_says_is_there():
    @job("x")
    def report(ctx: JobContext) -> dict[str, object]:
        ctx.log("shard {} of {}", ctx.shard.index, ctx.shard.total)
        ctx.progress(0.5, "half")
        ctx.succeed("fine")
        return {"param": ctx.json, "attempt": ctx.attempt, "limit": ctx.deadline is not None}

    ran = run(report, param={"day": 1}, shard=(1, 3), attempt=2, time_left_s=60)

    assert (ran.outcome, ran.message) == (Outcome.SUCCEEDED, "fine")
    assert ran.result == {"param": {"day": 1}, "attempt": 2, "limit": True}
    assert ran.log == ("shard 1 of 3",)
    assert ran.progress == (Progress(0.5, "half"),)
    assert ran.error is None


def test_an_exception_is_a_failure_with_its_traceback_and_itself():
    @job("x")
    def broken() -> None:
        raise KeyError("day")

    ran = run(broken)

    assert ran.outcome is Outcome.FAILED
    assert "KeyError: 'day'" in ran.message
    assert isinstance(ran.error, KeyError)


@pytest.mark.parametrize(
    ("say", "outcome"),
    [
        (lambda ctx: ctx.fail("m"), Outcome.FAILED),
        (lambda ctx: ctx.time_out("m"), Outcome.TIMED_OUT),
        (lambda ctx: ctx.succeed("m"), Outcome.SUCCEEDED),
    ],
)
def test_a_handler_may_say_how_it_ended(say, outcome):
    @job("x")
    def speaking(ctx: JobContext) -> None:
        say(ctx)

    ran = run(speaking)

    assert (ran.outcome, ran.message) == (outcome, "m")


def test_a_lost_result_and_an_exit_are_failures():
    @job("lost")
    def lost(ctx: JobContext) -> None:
        ctx.handle_code = 0

    @job("exit")
    def leave() -> None:
        raise SystemExit(3)

    assert run(lost).message == "job handle result lost."
    assert run(leave).outcome is Outcome.FAILED


def test_cooperative_code_sees_that_it_shall_end():
    @job("x")
    def patient(ctx: JobContext) -> int:
        done = 0
        while not ctx.cancelled:
            done += 1
        raise Cancelled

    assert run(patient, cancelled=True).outcome is Outcome.KILLED


def test_a_coroutine_runs_on_a_loop_of_its_own_with_init_and_destroy_around_it():
    calls: list[object] = []

    async def note() -> None:
        calls.append(asyncio.get_running_loop())

    @job("x", init=note, destroy=note)
    async def later(ctx: JobContext) -> str:
        calls.append(asyncio.get_running_loop())
        return ctx.param

    assert run(later, param="p").result == "p"
    assert len(set(map(id, calls))) == 1
    assert len(calls) == 3


def test_a_coroutine_on_a_loop_that_runs_is_awaited_and_several_run_at_a_time():
    @job("x")
    async def meet(ctx: JobContext) -> int:
        await both_are_here.wait()
        return get_context().attempt

    async def test() -> None:
        nonlocal both_are_here
        both_are_here = asyncio.Barrier(2)
        with pytest.raises(RuntimeError, match=r"await baton\.testing\.arun"):
            run(meet)
        ran = await asyncio.gather(arun(meet, attempt=1), arun(meet, attempt=2))
        assert [each.result for each in ran] == [1, 2]

    both_are_here: asyncio.Barrier
    asyncio.run(test())


def test_a_plain_handler_leaves_the_running_loop_free():
    release = threading.Event()

    @job("x")
    def waiting() -> int:
        return get_context().attempt if release.wait(10) else 0

    async def test() -> None:
        running = asyncio.create_task(arun(waiting, attempt=3))
        await asyncio.sleep(0)
        release.set()
        assert (await running).result == 3

    asyncio.run(test())


def test_a_cancelled_test_is_cancelled_and_no_killed_run():
    @job("x")
    async def forever() -> None:
        await asyncio.sleep(3600)

    async def test() -> None:
        running = asyncio.create_task(arun(forever))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(test())


def test_a_class_gets_a_new_instance_for_each_run():
    @job("x")
    class Report:
        made = 0

        def init(self) -> None:
            Report.made += 1
            self.number = Report.made

        def run(self, ctx: JobContext) -> int:
            return self.number

        def destroy(self) -> None:
            raise RuntimeError("nothing to close")

    first, second = run(Report), run(Report)

    assert (first.result, second.result) == (1, 2)
    assert first.outcome is Outcome.SUCCEEDED
    assert "nothing to close" in first.log[0]


def test_an_init_that_fails_fails_the_run_with_its_traceback():
    def init() -> None:
        raise ConnectionError("no database")

    @job("x", init=init)
    def never() -> None: ...

    ran = run(never)

    assert ran.outcome is Outcome.FAILED
    assert "ConnectionError: no database" in ran.message


def test_threads_and_pools_of_a_handler_find_its_run():
    @job("x")
    async def threaded(ctx: JobContext) -> list[int]:
        asked: list[int] = []
        thread = threading.Thread(target=lambda: asked.append(get_context().attempt))
        thread.start()
        await asyncio.to_thread(thread.join)
        return [*asked, await asyncio.to_thread(lambda: get_context().attempt)]

    assert run(threaded, attempt=4).result == [4, 4]


def test_a_result_that_cannot_be_kept_is_said_in_the_log():
    @job("x")
    def large() -> str:
        return "x" * 70_000

    ran = run(large)

    assert ran.outcome is Outcome.SUCCEEDED
    assert "it is not kept" in ran.log[0]


def test_the_planned_time_is_now():
    @job("x")
    def when(ctx: JobContext) -> float:
        return ctx.planned_at.timestamp()

    assert abs(run(when).result - time.time()) < 60


def test_what_is_not_decorated_is_named():
    with pytest.raises(LookupError, match="not decorated with @job"):
        run(print)


def test_a_shard_may_be_given_as_such():
    @job("x")
    def shard(ctx: JobContext) -> object:
        return ctx.shard

    assert run(shard, shard=Shard(2, 5)).result == Shard(2, 5)
