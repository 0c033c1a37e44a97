"""The file of `rq cron`: its calls of `register` are read from the syntax tree; nothing in it is run.

So what a call is given must stand in the file: imported functions, literals, names of such literals, and
arithmetic with numbers. A call that is given something else is named with its line.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import InputError
from . import ForeignJob, Keys, Reading, read_each
from .rq_job import cron_of, said_of, timeout_of

_PARAMETERS = ("func", "queue_name", "args", "kwargs", "interval", "cron", "job_timeout")
"""Of `register`, in their order; the others are by name."""
_NOT_TAKEN = ("result_ttl", "ttl", "failure_ttl", "meta", "webhooks")
_REGISTER = "rq.cron.register"
_SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


def read(text: str) -> Reading:
    """Read the file; raises `InputError` if it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as problem:
        raise InputError(f"it is not a Python file: {problem}") from None
    names, keys = _names_in(tree), Keys()
    return read_each(_calls_in(tree, names), _place, lambda call: _job(call, names, keys))


def _place(call: ast.Call) -> str:
    return f"line {call.lineno}"


class _Names:
    """What the names of a module stand for: dotted paths of imports, and literals."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.values: dict[str, ast.expr] = {}

    def path_of(self, node: ast.expr) -> str:
        """The dotted path that a name, or an attribute of one, was imported from; empty if it was not."""
        if isinstance(node, ast.Attribute):
            owner = self.path_of(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return self.paths.get(node.id, "") if isinstance(node, ast.Name) else ""

    def value_of(self, node: ast.expr) -> Any:
        """The value that stands in the file; raises `InputError` if it does not."""
        if isinstance(node, ast.Name) and node.id in self.values:
            found = self.values[node.id]
            return _Names().value_of(found)  # of literals only: a name that stands for itself must end
        if isinstance(node, ast.BinOp) and type(node.op) in _SUMS:
            sides = self.value_of(node.left), self.value_of(node.right)
            if all(isinstance(side, int) and abs(side) < 10**9 for side in sides):
                return _SUMS[type(node.op)](*sides)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise InputError(
                f"`{ast.unparse(node):.60}` is no literal, and nothing in the file is run"
            ) from None


def _names_in(tree: ast.Module) -> _Names:
    names = _Names()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.paths |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.partition(".")[0]
                names.paths[each.asname or first] = each.name if each.asname else first
        elif (
            isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        ):
            names.values[node.targets[0].id] = node.value
    return names


def _calls_in(tree: ast.Module, names: _Names) -> Iterator[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset)):
        if names.path_of(call.func) == _REGISTER:
            yield call


def _job(call: ast.Call, names: _Names, keys: Keys) -> ForeignJob:
    given = _given(call)
    if "func" not in given or "queue_name" not in given:
        raise InputError("register() needs a function and a queue")
    function = names.path_of(given.pop("func"))
    if not function:
        raise InputError("its function is not imported here: its workers could not import it either")
    options = {name: names.value_of(node) for name, node in given.items() if name not in _NOT_TAKEN}
    name = str(options.get("name") or function)
    schedule, expression = _schedule(options)
    said: dict[str, Any] = {
        "name": name,
        **said_of(
            function, str(options["queue_name"]), options.get("args") or (), options.get("kwargs") or {}
        ),
        **schedule,
    }
    if limit_s := timeout_of(options.get("job_timeout")):
        said["timeout"] = limit_s
    notes = tuple(f"its {each} is not taken over" for each in _NOT_TAKEN if each in given)
    return ForeignJob(keys.of(name), _place(call), expression, said, notes=notes)


def _given(call: ast.Call) -> dict[str, ast.expr]:
    if any(isinstance(each, ast.Starred) for each in call.args) or any(
        each.arg is None for each in call.keywords
    ):
        raise InputError("register(*…) and register(**…) cannot be read: write the arguments out")
    given = dict(zip(_PARAMETERS, call.args, strict=False))
    return given | {str(each.arg): each.value for each in call.keywords}


def _schedule(options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """As a declaration says it, and as the file does."""
    if options.get("cron"):
        return {"cron": cron_of(str(options["cron"])), "zone": "UTC"}, str(options["cron"])
    if options.get("interval"):
        return {"every": options["interval"]}, f"every {options['interval']} s"
    raise InputError("it has neither cron nor interval")
