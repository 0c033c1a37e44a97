"""Inside the asynchronous child: one event loop, and a task for each run.

What is given begins at once; the parent counts. A run that shall end is cancelled, and cancelled
again until it has ended: a handler that swallows the exception once does not get away. A loop that
stands still harms every run on it, so a thread watches it, and says in the log of the run at fault
where it stands.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import signal
import socket
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from baton import context as run_context
from baton.failpoints import failpoint
from baton.vocabulary import GlueType, Outcome

from . import pipe, reaper
from .loaded import Loaded
from .one_run import Desk, Given, OneRun
from .outcome import RunOutcome
from .steered import Steered
from .words import Words

if TYPE_CHECKING:
    from baton.handlers import Handler

    from .rq_bridge import RqBridge
    from .run_spans import RunSpans

_CANCEL_AGAIN_S = 0.1
_TICK_S = 0.5
_BLOCKED_S = 2.0
"""A loop that did not turn for so long is blocked."""

_BLOCKED = (
    "the event loop, and every run on it, has stood still for {:g} s: await what takes long, or give it to "
    "asyncio.to_thread. It stands here:\n{}"
)

_run: contextvars.ContextVar[OneRun | None] = contextvars.ContextVar("baton_one_run", default=None)
_subtasks: weakref.WeakKeyDictionary[OneRun, weakref.WeakSet[asyncio.Task[Any]]] = weakref.WeakKeyDictionary()
"""What a run started beside its own task."""


class Loop(asyncio.SelectorEventLoop):
    """Knows the tasks of a run and marks its subprocesses, so that they can be found when it is killed."""

    def create_task(self, coro: Any, **named: Any) -> asyncio.Task[Any]:
        """As the event loop's, and noted with the run whose code asks for it."""
        task = super().create_task(coro, **named)
        if (run := _run.get()) is not None:
            _subtasks.setdefault(run, weakref.WeakSet()).add(task)
        return task

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        """As the event loop's, in the environment of the run."""
        return await super().subprocess_exec(*args, **_marked(kwargs))

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        """As the event loop's, in the environment of the run."""
        return await super().subprocess_shell(*args, **_marked(kwargs))


def _marked(arguments: dict[str, Any]) -> dict[str, Any]:
    run = _run.get()
    if run is None:
        return arguments
    environ = arguments.get("env")
    marker = reaper.marker_of_run(os.environ.get(reaper.MARKER, ""), run.context.log_id)
    return {**arguments, "env": {**(os.environ if environ is None else environ), reaper.MARKER: marker}}


class Coroutines:
    """The runs on one event loop."""

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        reader: pipe.Reader,
        settings: dict[str, Any],
        words: Words,
        spans: RunSpans | None,
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._writer = pipe.Writer(connection)
        self._reader = reader
        self._desk = Desk(settings, words, self._writer.mention, spans)
        self._loaded = Loaded(settings["handlers"], settings["built_in"])
        self._rq_settings: dict[str, Any] = settings["rq"]
        self._bridge: RqBridge | None = None
        self._beginnings: dict[str, asyncio.Lock] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._runs: dict[int, OneRun] = {}
        self._steered: dict[int, Steered] = {}
        self._runs_of_tasks: dict[asyncio.Task[None], OneRun] = {}
        self._watch = _Watch(loop, self._runs_of_tasks)

    async def serve(self) -> None:
        """Run what the parent sends until it hangs up."""
        hung_up = self._loop.create_future()
        self._loop.add_reader(self._connection, self._hear, hung_up)
        self._watch.start()
        self._writer.say(self._loaded.ready_message())
        await hung_up
        self._loop.remove_reader(self._connection)
        for ticket in list(self._tasks):
            self._cancel(ticket, Outcome.LOST)
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        await self._destroy()

    def _hear(self, hung_up: asyncio.Future[None]) -> None:
        messages = self._reader.read()
        if messages is None:
            if not hung_up.done():
                hung_up.set_result(None)
            return
        for message in messages:
            if message[0] == "run":
                self._begin(Given.from_message(message))
            elif message[0] == "soft" and message[1] in self._steered:
                self._steered[message[1]].warn()
            elif message[0] == "cancel" and message[1] in self._tasks:
                # the parent learns that this loop still turns
                self._writer.say(["cancelling", message[1]])
                self._cancel(message[1], message[2])

    def _begin(self, given: Given) -> None:
        task = self._loop.create_task(self._run_one(given), context=contextvars.copy_context())
        self._tasks[given.ticket] = task
        task.add_done_callback(lambda _: self._tasks.pop(given.ticket, None))

    def _cancel(self, ticket: int, stop_outcome: str) -> None:
        task, run = self._tasks.get(ticket), self._runs.get(ticket)
        if task is None or task.done():
            return
        if run is not None:
            run.context.cancelled, run.stop_outcome = True, stop_outcome
            task.cancel()
        self._loop.call_later(_CANCEL_AGAIN_S, self._cancel, ticket, stop_outcome)

    async def _run_one(self, given: Given) -> None:
        run = self._desk.begin(given)
        _run.set(run)
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._runs[given.ticket] = self._runs_of_tasks[task] = run
        said = await self._outcome_of(run)
        del self._runs[given.ticket], self._runs_of_tasks[task]
        if run.context.cancelled:
            await _cancel_subtasks(run)
        self._writer.say(self._desk.end(run, said))

    async def _outcome_of(self, run: OneRun) -> RunOutcome:
        entered = run_context.enter(run.context, is_alone=False)
        try:
            failpoint("run.started")
            return run.returned(await self._call(run))
        except BaseException as error:
            return run.raised(error)
        finally:
            run_context.leave(entered)

    async def _call(self, run: OneRun) -> Any:
        if run.given.trigger["glue_type"] == GlueType.RQ:
            return await self._rq_bridge().run(run)
        handler = self._loaded.handlers.get(run.given.handler_name)
        if handler is None:
            run.context.fail(self._loaded.missing(run.given.handler_name))
            return None
        if self._loaded.is_new(handler):
            async with self._beginnings.setdefault(handler.name, asyncio.Lock()):
                if self._loaded.is_new(handler):
                    await self._init(handler)
                    self._loaded.begun(handler)
        self._steered[run.given.ticket] = steered = Steered(_awaited(handler.start(run.context)))
        try:
            return await steered
        finally:
            del self._steered[run.given.ticket]

    async def _init(self, handler: Handler) -> None:
        run = _run.get()
        _run.set(None)  # what it starts is there for every run
        try:
            await _awaited(handler.init() if handler.init is not None else None)
        finally:
            _run.set(run)

    def _rq_bridge(self) -> RqBridge:
        from .rq_bridge import RqBridge  # RQ is loaded where it is wanted only

        if self._bridge is None:
            self._bridge = RqBridge.of(self._rq_settings)
        return self._bridge

    async def _destroy(self) -> None:
        for handler in self._loaded.to_destroy():
            if handler.destroy is not None:
                try:
                    await _awaited(handler.destroy())
                except Exception:
                    traceback.print_exc()


class _Watch:
    """A thread that notices a loop standing still."""

    def __init__(self, loop: Loop, tasks: Mapping[asyncio.Task[None], OneRun]) -> None:
        self._loop = loop
        self._tasks = tasks
        self._turned_s = time.monotonic()
        self._main = threading.get_ident()

    def start(self) -> None:
        self._turn()
        threading.Thread(target=self._look, name="watch", daemon=True).start()

    def _turn(self) -> None:
        self._turned_s = time.monotonic()
        self._loop.call_later(_TICK_S, self._turn)

    def _look(self) -> None:
        said_of = 0.0
        while True:
            time.sleep(_TICK_S)
            turned_s = self._turned_s
            if time.monotonic() - turned_s >= _BLOCKED_S and turned_s != said_of:
                said_of = turned_s
                self._accuse()

    def _accuse(self) -> None:
        task = asyncio.current_task(self._loop)
        # a task that a handler started is not known: then all runs hear of it
        runs = [run] if task is not None and (run := self._tasks.get(task)) else list(self._tasks.values())
        frame = sys._current_frames().get(self._main)  # noqa: SLF001 - the only way to see another thread
        stack = "".join(traceback.format_stack(frame)[-3:]) if frame is not None else ""
        for run in runs:
            run.log.line(_BLOCKED.format(_BLOCKED_S, stack), "WARNING", "baton")


async def _cancel_subtasks(run: OneRun) -> None:
    """Its own task has ended as it was told; what it started goes with it."""
    while left := [task for task in _subtasks.get(run, ()) if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def serve(
    connection: socket.socket,
    reader: pipe.Reader,
    settings: dict[str, Any],
    words: Words,
    spans: RunSpans | None,
) -> None:
    """Be an event loop until the parent hangs up."""
    loop = Loop()
    asyncio.set_event_loop(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the parent says what shall end
    try:
        loop.run_until_complete(Coroutines(loop, connection, reader, settings, words, spans).serve())
    finally:
        loop.close()
