"""`@job`, and the registry of what it declared."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
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

    def __call__(self, context: JobContext) -> Any:
        arguments = {self.context_name: context} if self.context_name else {}
        result = self.function(**arguments)
        return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


_registry: dict[str, Handler] = {}


def job(
    name: str, *, init: Callable[[], Any] | None = None, destroy: Callable[[], Any] | None = None
) -> Callable[[_F], _F]:
    """Declare the decorated function (plain or `async def`) as the handler `name`.

    The function stays callable. It may take one parameter, which gets the `JobContext`. `init` and
    `destroy` run once in each child process that runs the handler. Raises `HandlerError`.
    """
    if not name.strip() or len(name) > 128:
        raise HandlerError(f'a handler needs a name of 1 to 128 characters: @job("report"), not {name!r}')

    def declare(function: _F) -> _F:
        place = f"{function.__module__}.{function.__qualname__}"
        known = _registry.get(name)
        if known is not None and known.place != place:
            raise HandlerError(f"two handlers are called {name!r}: {known.place} and {place}; rename one")
        _registry[name] = Handler(name, function, init, destroy, _context_name(function, name), place)
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
