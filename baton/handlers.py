"""`@job`, and the registry of what it declared."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .context import JobContext
from .errors import HandlerError

_F = TypeVar("_F", bound=Callable[..., Any])

HANDLERS_FOLDER = "handlers"


@dataclass(frozen=True, slots=True)
class Handler:
    """A declared handler: its function, and what runs once per process before and after."""

    name: str
    function: Callable[..., Any]
    init: Callable[[], Any] | None
    destroy: Callable[[], Any] | None
    context_name: str | None
    """The parameter that takes the context; None if the function takes no arguments."""
    place: str
    declared: Mapping[str, Any]
    """What `@job` said about when and how it runs; `baton apply` makes a job of it."""
    concurrency: int = 0
    """How many runs of it one executor may have at a time; 0: as many as there is room for."""

    @property
    def is_async(self) -> bool:
        """Whether it is awaited on the event loop of its executor."""
        return inspect.iscoroutinefunction(self.function)

    def start(self, context: JobContext) -> Any:
        """Call the function; for an `async def` the answer has to be awaited."""
        return self.function(**({self.context_name: context} if self.context_name else {}))

    def __call__(self, context: JobContext) -> Any:
        result = self.start(context)
        return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


_registry: dict[str, Handler] = {}


DECLARABLE = frozenset(
    [
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
        "max_catchup",
        "max_concurrency",
        "max_queue",
        "misfire_strategy",
        "name",
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


def job(
    name: str,
    *,
    init: Callable[[], Any] | None = None,
    destroy: Callable[[], Any] | None = None,
    concurrency: int = 0,
    **declared: Any,
) -> Callable[[_F], _F]:
    """Declare the decorated function (plain or `async def`) as the handler `name`.

    The function stays callable. It may take one parameter, which gets the `JobContext`. `init` and
    `destroy` run once in each child process that runs the handler. One executor has at most
    `concurrency` runs of it at a time; 0 is no limit. Everything else says when and how it runs, as
    `cron="30 8 * * *"`: `baton apply` makes a job of it. Raises `HandlerError`.
    """
    if not name.strip() or len(name) > 128:
        raise HandlerError(f'a handler needs a name of 1 to 128 characters: @job("report"), not {name!r}')
    for strange in sorted(declared.keys() - DECLARABLE):
        nearest = difflib.get_close_matches(strange, sorted(DECLARABLE), 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise HandlerError(f"@job({name!r}) takes no {strange!r}{hint}")

    def declare(function: _F) -> _F:
        place = f"{function.__module__}.{function.__qualname__}"
        known = _registry.get(name)
        if known is not None and known.place != place:
            raise HandlerError(f"two handlers are called {name!r}: {known.place} and {place}; rename one")
        _registry[name] = Handler(
            name, function, init, destroy, _context_name(function, name), place, declared, concurrency
        )
        return function

    return declare


def registered() -> dict[str, Handler]:
    """All handlers declared so far, by name."""
    return dict(_registry)


def load(module_names: Sequence[str]) -> dict[str, Handler]:
    """Import the modules that declare handlers; without names, every file under `handlers/`."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in module_names or _found_in_folder():
        importlib.import_module(name)
    return registered()


def _found_in_folder() -> list[str]:
    folder = Path.cwd() / HANDLERS_FOLDER
    return [f"{HANDLERS_FOLDER}.{module.name}" for module in pkgutil.iter_modules([str(folder)])]


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
