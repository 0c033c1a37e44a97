"""Runs a function on a user's own RQ workers, as a run like every other.

It is a coroutine that enqueues the function and waits. The RQ job is called after the log id and is
unique, so whoever enqueues it again attaches to it: an executor that takes the run over after another
died, or was stopped, just goes on waiting. So the run of a lost executor is always run again, which
here means watched again.

A job that the hook (`baton/rq_hook.py`) speaks of is looked at at once; all are looked at once a second,
because there are endings for which RQ calls no hook: a killed work horse, a dead worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

from redis.exceptions import RedisError

from baton.context import JobContext
from baton.errors import InputError
from baton.rq_target import RqTarget, read_arguments, read_target
from baton.vocabulary import Outcome

from .one_run import OneRun
from .rq_queue import FAILED, FINISHED, STARTED, STOPPED, RqQueue, RqState

_LOOK_S = 1.0
_LOOK_SOON_S = 0.05
_LISTEN_AGAIN_S = 2.0
_ASK_AGAIN_S = 2.0
"""Until a worker that was asked to stop a job is asked again. Soon would be wrong: between the end of its
work horse and the job's new state, RQ (2.12) takes 0 for the horse, and 0 means the worker's own group."""
_OF_ITS_TIMEOUT = "JobTimeoutException"
_SHARE_OF_GRACE = 0.8
"""What is not stopped by then ends all the same: the event loop must not be killed for it."""


class RqBridge:
    """Waits for RQ jobs: one for all runs of an event loop."""

    def __init__(self, queue: RqQueue, *, has_hook: bool, kill_grace_s: float) -> None:
        self._queue = queue
        self._stop_within_s = kill_grace_s * _SHARE_OF_GRACE
        self._waiting: dict[str, asyncio.Future[RqState]] = {}
        self._contexts: dict[str, JobContext] = {}
        self._states: dict[str, RqState] = {}
        self._looker: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()
        self._has_hook = has_hook

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The bridge these settings describe."""
        has_hook = settings["has_hook"]
        queue = RqQueue(settings["url"], serializer=settings["serializer"], has_hook=has_hook)
        return cls(queue, has_hook=has_hook, kill_grace_s=settings["kill_grace_s"])

    async def run(self, run: OneRun) -> Any:
        """Enqueue the function of this run, or attach to it, and wait for its end; answers the result."""
        context, trigger = run.context, run.given.trigger
        try:
            target = read_target(trigger["executor_handler"])
            arguments = read_arguments(context.param)
        except InputError as problem:
            context.fail(str(problem))
            return None
        job_id = f"baton-{context.log_id}"
        limit_s = trigger["executor_timeout"]
        is_new = await asyncio.to_thread(self._queue.enqueue, job_id, target, arguments, limit_s)
        said = "enqueued as" if is_new else "attached to"
        context.log("{} RQ job {}: {} on queue {}", said, job_id, target.function, target.queue)
        try:
            state = await self._ended(job_id, context)
        except asyncio.CancelledError:
            if run.stop_outcome != Outcome.LOST:  # else another executor attaches to it
                await self._stop(job_id, target, context)
            raise
        finally:
            self._forget(job_id)
        if state.result.problem:
            run.log.line(state.result.problem, "WARNING", "baton")
        return _say(context, state)

    async def _ended(self, job_id: str, context: JobContext) -> RqState:
        self._contexts[job_id] = context
        self._waiting[job_id] = asyncio.get_running_loop().create_future()
        if self._looker is None:
            looking = self._look_again_and_again()
            # in no run's context: it is there for all of them
            self._looker = asyncio.create_task(looking, context=contextvars.Context())
            if self._has_hook:
                threading.Thread(target=self._listen, args=(asyncio.get_running_loop(),), daemon=True).start()
        self._soon.set()
        return await self._waiting[job_id]

    def _forget(self, job_id: str) -> None:
        for known in (self._waiting, self._contexts, self._states):
            known.pop(job_id, None)

    # looking

    async def _look_again_and_again(self) -> None:
        pause_s = _LOOK_SOON_S
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), pause_s)
                pause_s = _LOOK_SOON_S
            self._soon.clear()
            pause_s = min(2 * pause_s, _LOOK_S)
            if self._waiting:
                try:
                    states = await asyncio.to_thread(self._queue.look, list(self._waiting))
                except RedisError as problem:
                    print(f"RQ's Redis does not answer: {problem!r}")
                    continue
                for job_id, state in states.items():
                    self._note(job_id, state)

    def _note(self, job_id: str, state: RqState) -> None:
        before, future = self._states.get(job_id), self._waiting.get(job_id)
        if future is None or future.done():
            return
        self._states[job_id] = state
        if state.status == STARTED and (before is None or before.worker != state.worker):
            self._contexts[job_id].log("RQ worker {} has started it", state.worker)
        if state.has_ended or state.is_abandoned or not state.status:
            future.set_result(state)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            with contextlib.suppress(RedisError, RuntimeError):
                self._queue.listen(lambda _job_id: loop.call_soon_threadsafe(self._soon.set))
            time.sleep(_LISTEN_AGAIN_S)

    # stopping

    async def _stop(self, job_id: str, target: RqTarget, context: JobContext) -> None:
        """See to it that the job ends; being cancelled again does not hurry it."""
        stopping = asyncio.create_task(self._stop_it(job_id, target, context))
        while not stopping.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(stopping)

    async def _stop_it(self, job_id: str, target: RqTarget, context: JobContext) -> None:
        ask_again_s = time.monotonic()
        give_up_s = ask_again_s + self._stop_within_s
        while time.monotonic() < give_up_s:
            with contextlib.suppress(RedisError):
                state = (await asyncio.to_thread(self._queue.look, [job_id]))[job_id]
                if state.has_ended or not state.status:
                    context.log("RQ job {} is {}", job_id, state.status or "gone")
                    return
                was_waiting = await asyncio.to_thread(self._queue.take_out, job_id, target.queue)
                if not was_waiting and state.is_running and time.monotonic() >= ask_again_s:
                    await asyncio.to_thread(self._queue.ask_to_stop, job_id, state.worker)
                    ask_again_s = time.monotonic() + _ASK_AGAIN_S
            await asyncio.sleep(_LOOK_SOON_S)
        context.log("RQ job {} was asked to stop, and its worker has not said that it did", job_id)


def _say(context: JobContext, state: RqState) -> Any:
    """How the run ends, and its result."""
    if state.status == FINISHED:
        return json.loads(state.result.text) if state.result.text else None
    if state.is_abandoned:
        context.fail(f"its RQ worker {state.worker} died while it ran this: RQ calls the job abandoned")
    elif state.status == FAILED and _OF_ITS_TIMEOUT in state.failure:
        context.time_out(state.failure)
    elif state.status == FAILED:
        context.fail(state.failure or "RQ says that the job failed, and not why")
    elif state.status == STOPPED:
        context.fail("the job was stopped in RQ")
    elif state.status:
        context.fail(f"the job was {state.status} in RQ")
    else:
        context.fail("the job is gone: it was deleted from RQ's Redis before it ended")
    return None
