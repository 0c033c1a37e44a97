"""`@job`, and the registry of what it declared."""

from __future__ import annotations

import asyncio
import difflib
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from . import class_handlers
from .context import JobContext
from .errors import HandlerError

_D = TypeVar("_D", bound=Callable[..., Any])
"""A function or a class: `@job` answers what it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A declared handler: what runs, and what runs once per process before and after."""

    name: str
    decorated: Callable[..., Any]
    """The function or class under `@job`."""
    place: str
    """Its module and name."""
    site: str
    """`file:line` of its `@job`."""
    function: Callable[..., Any]
    init: Callable[[], Any] | None
    destroy: Callable[[], Any] | None
    context_name: str | None = None
    """The parameter that takes the context; None if the function takes no arguments."""
    is_async: bool = False
    """Whether it is awaited on the event loop of its executor."""
    declared: Mapping[str, Any]
    """What `@job` said about when and how it runs; `baton apply` makes a job of it."""
    concurrency: int = 0
    """How many runs of it one executor may have at a time; 0: as many as there is room for."""
    soft_timeout_s: float = 0
    """After so long a run gets an exception that it may catch; 0: never."""
    max_rss_mb: int = 0
    """MiB of memory the processes of a run may use; 0: no limit."""
    max_cpu_s: float = 0
    """Seconds of CPU time the processes of a run may use; 0: no limit."""

    def start(self, context: JobContext) -> Any:
        """Call the function; for an `async def` the answer has to be awaited."""
        return self.function(**({self.context_name: context} if self.context_name else {}))

    def __call__(self, context: JobContext) -> Any:
        result = self.start(context)
        return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result

    def fresh(self) -> Handler:
        """This handler with an instance of its own, if it is a class."""
        return _of_class(self, self.decorated) if inspect.isclass(self.decorated) else self


_registry: dict[str, Handler] = {}


DECLARABLE = frozenset(
    [
        "alarm_channels",
        "alarms_only_chosen",
        "author",
        "block_strategy",
        "catchup_window_s",
        "child_job_ids",
        "children",
        "cron",
        "delay",
        "description",
        "dst_fold",
        "dst_gap",
        "every",
        "executor_fail_retry_count",
        "executor_handler",
        "executor_param",
        "executor_tag",
        "executor_timeout",
        "group",
        "handler",
        "jitter_s",
        "late_after_s",
        "max_catchup",
        "max_concurrency",
        "max_queue",
        "misfire_strategy",
        "name",
        "on_lateness",
        "on_lost",
        "once",
        "param",
        "priority",
        "retries",
        "retry_backoff",
        "retry_delay_max_s",
        "retry_delay_s",
        "retry_refused",
        "route_strategy",
        "serial_scope",
        "start_deadline_s",
        "time_zone",
        "timeout",
        "zone",
    ]
)
"""What `@job` takes beside a name: the words of `baton/declarations.py`, which reads and checks them."""


_OPTIONS = frozenset(["concurrency", "destroy", "init", "max_cpu_s", "max_rss_mb", "soft_timeout_s"])
"""What `@job` takes for the executor; it is no part of a declared job."""


def job(
    name: str,
    *,
    init: Callable[[], Any] | None = None,
    destroy: Callable[[], Any] | None = None,
    concurrency: int = 0,
    soft_timeout_s: float = 0,
    max_rss_mb: int = 0,
    max_cpu_s: float = 0,
    **declared: Any,
) -> Callable[[_D], _D]:
    """Declare the decorated function (plain or `async def`) or class as the handler `name`.

    A function stays callable, and may take one parameter, which gets the `JobContext`; `init` and
    `destroy` run once in each child process that runs it. A class has a method `run`, and may have
    methods `init` and `destroy`. One executor has at most `concurrency` runs of a handler at a time,
    and each run its limits; 0 is no limit. Everything else says when and how it runs, as
    `cron="30 8 * * *"`: `baton apply` makes a job of it. Raises `HandlerError`.
    """
    _check_name(name, declared)
    numbers: dict[str, Any] = {
        "concurrency": concurrency,
        "soft_timeout_s": soft_timeout_s,
        "max_rss_mb": max_rss_mb,
        "max_cpu_s": max_cpu_s,
    }
    _check_numbers(name, numbers)

    def declare(decorated: _D) -> _D:
        caller = sys._getframe(1)  # noqa: SLF001 - the cheap way; inspect.stack reads source files
        plain = Handler(
            name=name,
            decorated=decorated,
            place=f"{decorated.__module__}.{decorated.__qualname__}",
            site=f"{caller.f_code.co_filename}:{caller.f_lineno}",
            function=decorated,
            init=init,
            destroy=destroy,
            declared=declared,
            **numbers,
        )
        _register(_of_class(plain, decorated) if inspect.isclass(decorated) else _of_function(plain))
        return decorated

    return declare


def registered() -> dict[str, Handler]:
    """All handlers declared so far, by name."""
    return dict(_registry)


def forget(module_name: str) -> None:
    """Drop what a module declared before its import failed."""
    for name, handler in registered().items():
        if handler.decorated.__module__ == module_name:
            del _registry[name]


def _check_name(name: str, declared: Mapping[str, Any]) -> None:
    if not name.strip() or len(name) > 128:
        raise HandlerError(f'a handler needs a name of 1 to 128 characters: @job("report"), not {name!r}')
    for strange in sorted(declared.keys() - DECLARABLE):
        nearest = difflib.get_close_matches(strange, sorted(DECLARABLE | _OPTIONS), 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise HandlerError(f"@job({name!r}) takes no {strange!r}{hint}")


def _check_numbers(name: str, numbers: Mapping[str, Any]) -> None:
    problems = []
    for option, value in numbers.items():
        is_seconds = option.endswith("_s")
        kinds = (int, float) if is_seconds else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < float("inf"):
            allowed = "a number of seconds" if is_seconds else "a whole number"
            problems.append(f"@job({name!r}): {option} is {value!r}; allowed is {allowed}, 0 for no limit")
    if problems:
        raise HandlerError(*problems)


def _register(handler: Handler) -> None:
    known = _registry.get(handler.name)
    if known is not None and known.place != handler.place:
        raise HandlerError(
            f"two handlers are called {handler.name!r}: {known.place} ({known.site}) and {handler.place} "
            f"({handler.site}); rename one"
        )
    _registry[handler.name] = handler


def _of_function(handler: Handler) -> Handler:
    handler = replace(
        handler,
        is_async=inspect.iscoroutinefunction(handler.function),
        context_name=_context_name(handler.function, handler.name),
    )
    return _without_stray_coroutines(handler, handler.init, handler.destroy)


def _of_class(handler: Handler, decorated: type[Any]) -> Handler:
    class_handlers.check(decorated, handler.name)
    if handler.init is not None and handler.function is decorated:
        raise HandlerError(
            f"handler {handler.name!r} is a class: its methods init and destroy take the place "
            "of the options of @job"
        )
    instance = class_handlers.Instance(decorated)
    handler = replace(
        handler,
        function=instance.run,
        init=instance.init,
        destroy=instance.destroy,
        is_async=inspect.iscoroutinefunction(decorated.run),
        context_name=_context_name(functools.partial(decorated.run, None), handler.name),
    )
    init, destroy = getattr(decorated, "init", None), getattr(decorated, "destroy", None)
    return _without_stray_coroutines(handler, init, destroy)


def _without_stray_coroutines(handler: Handler, *beside: Callable[..., Any] | None) -> Handler:
    """Nobody would await the `async def init` of a handler that is not awaited itself."""
    if not handler.is_async and any(map(inspect.iscoroutinefunction, beside)):
        raise HandlerError(
            f"handler {handler.name!r} is no coroutine, but its init or destroy is: make both `async def`, "
            "or neither"
        )
    return handler


def _context_name(function: Callable[..., Any], name: str) -> str | None:
    required = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
    ]
    if len(required) > 1:
        raise HandlerError(
            f"handler {name!r} takes {len(required)} parameters; it may take one, the JobContext"
        )
    return required[0].name if required else None


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
