"""One run of a handler in this very process, with a made-up context: for tests and `baton run-once`."""

from __future__ import annotations

import asyncio
import inspect
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import context as run_context
from . import endings, threads
from .context import Cancelled, JobContext, Progress, Shard
from .handlers import Handler
from .vocabulary import Outcome

WHOLE = Shard(0, 1)
LOG_ID = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """How a handler behaved."""

    outcome: Outcome
    message: str
    result: Any
    """What it returned."""
    error: BaseException | None = None
    """What it raised."""
    log: tuple[str, ...] = ()
    progress: tuple[Progress, ...] = ()


class Rehearsal:
    """A handler, and the run it will have. A class gets an instance of its own, as in a new process."""

    def __init__(
        self,
        handler: Handler,
        *,
        param: str,
        shard: Shard,
        attempt: int,
        write_line: Callable[[str, int], None],
        report: Callable[[Progress], None],
        deadline: datetime | None = None,
        cancelled: bool = False,
    ) -> None:
        self._handler = handler.fresh()
        self.context = JobContext(
            job_id=1,
            log_id=LOG_ID,
            param=param,
            shard=shard,
            attempt=attempt,
            token=1,
            planned_at=run_context.at(int(time.time() * 1000)),
            deadline=deadline,
            write_line=write_line,
            report=report,
            cancelled=cancelled,
        )

    def run(self) -> Ran:
        """Run it to its end. Raises `RuntimeError` for a coroutine where a loop runs already."""
        if self._handler.is_async:
            _refuse_loop_in_loop(self._handler.name)
            return asyncio.run(self.arun())
        with threads.inheriting():
            entered = run_context.enter(self.context)
            try:
                return self._run_here()
            finally:
                run_context.leave(entered)

    async def arun(self) -> Ran:
        """The same on the running loop; what is no coroutine runs in a thread beside it."""
        with threads.inheriting():
            entered = run_context.enter(self.context, is_alone=False)
            try:
                if not self._handler.is_async:
                    return await asyncio.to_thread(self._run_here)
                return await self._run_on_loop()
            finally:
                run_context.leave(entered)

    def _run_here(self) -> Ran:
        try:
            if self._handler.init is not None:
                self._handler.init()
            ran = self._returned(self._handler(self.context))
        except (Cancelled, SystemExit, Exception) as error:
            ran = self._raised(error)
        try:
            if self._handler.destroy is not None:
                self._handler.destroy()
        except Exception:
            self._destroy_failed()
        return ran

    async def _run_on_loop(self) -> Ran:
        try:
            if self._handler.init is not None:
                await _settled(self._handler.init())
            ran = self._returned(await self._handler.start(self.context))
        except asyncio.CancelledError as error:
            if not self.context.cancelled:
                raise  # somebody ends the test, not the run
            ran = self._raised(error)
        except (Cancelled, SystemExit, Exception) as error:
            ran = self._raised(error)
        try:
            if self._handler.destroy is not None:
                await _settled(self._handler.destroy())
        except Exception:
            self._destroy_failed()
        return ran

    def _returned(self, result: Any) -> Ran:
        context = self.context
        if context.handle_code <= 0:
            return Ran(Outcome.FAILED, endings.RESULT_LOST, None)
        kept = endings.kept_result(result)
        if kept.problem:
            context.write_line(kept.problem, 1)
        return Ran(endings.outcome_of(context.handle_code), context.handle_msg, result)

    def _raised(self, error: BaseException) -> Ran:
        if isinstance(error, (Cancelled, asyncio.CancelledError)):
            return Ran(Outcome.KILLED, self.context.handle_msg, None, error)
        return Ran(Outcome.FAILED, "".join(traceback.format_exception(error)), None, error)

    def _destroy_failed(self) -> None:
        self.context.write_line(f"destroy failed:\n{traceback.format_exc()}", 1)


def _refuse_loop_in_loop(name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        f"handler {name!r} is a coroutine and an event loop runs here already: await baton.testing.arun(…)"
    )


async def _settled(answer: Any) -> None:
    if inspect.isawaitable(answer):
        await answer
