"""The built-in handler `baton-command`: a program with its arguments, and no shell.

The parameter is the argument list as JSON: `["rsync", "-a", "/data/", "backup:/data/"]`. Which programs may
run is the executor's own configuration's choice (`BATON_COMMANDS`); without one there is no such handler.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

from baton.context import JobContext

from . import program
from .outcome import how_it_ended

NAME = "baton-command"
ANY = "any"
_WANTED = (
    'write the program and its arguments as a JSON list of texts, as ["rsync", "-a", "/data", "/backup"]'
)


class Commands:
    """The programs that may run."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)

    def run(self, context: JobContext) -> None:
        """Run the program in the parameter; exit code 0 is success."""
        arguments = _arguments(context.param)
        if isinstance(arguments, str):
            context.fail(arguments)
            return
        refusal = self._refusal(arguments[0])
        if refusal:
            context.fail(refusal)
            return
        path = shutil.which(arguments[0])
        if path is None:
            context.fail(f"there is no program {arguments[0]!r} where this executor runs")
            return
        try:
            code = program.run([path, *arguments[1:]])
        except program.CannotStart as problem:
            context.fail(str(problem))
            return
        if code:
            program.failed(context, code, f"{arguments[0]} {how_it_ended(code)}")

    def _refusal(self, name: str) -> str:
        if ANY in self._allowed or name in self._allowed:
            return ""
        return (
            f"this executor may not run {name!r}; it may run {', '.join(sorted(self._allowed))}. Its own "
            "setting BATON_COMMANDS decides"
        )


def _arguments(param: str) -> list[str] | str:
    """The argument list, or what is wrong with it."""
    try:
        arguments = json.loads(param)
    except ValueError as problem:
        return f"the parameter is not JSON ({problem}): {_WANTED}"
    if (
        not isinstance(arguments, list)
        or not arguments
        or not all(isinstance(each, str) for each in arguments)
    ):
        return f"the parameter is no list of texts: {_WANTED}"
    if not arguments[0] or any("\0" in each for each in arguments):
        return f"a program has a name, and no argument has a NUL character: {_WANTED}"
    return arguments
