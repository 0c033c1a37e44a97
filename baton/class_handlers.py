"""A class under `@job`: one instance in each process, made when its first run needs it."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from .errors import HandlerError


class Instance:
    """The one object of a decorated class. `init` makes it, `destroy` lets it go.

    An `init` that raises is called again, on a new object, when the next run needs one.
    """

    def __init__(self, decorated: type[Any]) -> None:
        self._class = decorated
        self._made: Any = None

    def init(self) -> Any:
        """Make the object and let it prepare itself; answers an awaitable if its `init` does."""
        self._made = self._class()
        return self._made.init() if hasattr(self._made, "init") else None

    def run(self, **arguments: Any) -> Any:
        """One run; only after `init`."""
        return self._made.run(**arguments)

    def destroy(self) -> Any:
        """Let the object clean up, then forget it; answers an awaitable if its `destroy` does."""
        made, self._made = self._made, None
        return made.destroy() if hasattr(made, "destroy") else None


def check(decorated: type[Any], name: str) -> None:
    """Raise `HandlerError` for a class that cannot be a handler."""
    if not isinstance(inspect.getattr_static(decorated, "run", None), FunctionType):
        raise HandlerError(
            f"handler {name!r}: class {decorated.__qualname__} has no method run; add `def run(self, ctx)`"
        )
    if inspect.isabstract(decorated):
        missing = ", ".join(sorted(decorated.__abstractmethods__))
        raise HandlerError(f"handler {name!r}: class {decorated.__qualname__} is abstract: {missing}")
    needed = [
        each.name
        for each in inspect.signature(decorated).parameters.values()
        if each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
    ]
    if needed:
        raise HandlerError(
            f"handler {name!r}: class {decorated.__qualname__} is made without arguments, but its __init__ "
            f"needs {', '.join(needed)}; give them defaults, or read them in init()"
        )
