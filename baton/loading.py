"""Imports the modules that declare handlers; one that cannot be imported does not harm the others."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import handlers
from .errors import HandlerError
from .handlers import Handler

HANDLERS_FOLDER = "handlers"


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """A module that declares nothing, because its import failed."""

    module: str
    file: str
    """The file the problem stands in; empty if there is none."""
    line: int
    text: str
    """Kind and message, on one line."""
    trace: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.module} cannot be imported: {self.text}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the modules declare, and which of them could not be imported."""

    handlers: dict[str, Handler]
    problems: tuple[ImportProblem, ...]

    def or_raise(self) -> dict[str, Handler]:
        """The handlers; raises `HandlerError`, naming every problem, if there is one."""
        if self.problems:
            raise HandlerError(*map(str, self.problems))
        return self.handlers


def load(module_names: Sequence[str]) -> Loaded:
    """Import these modules; without names, every file under `handlers/`."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    problems = [problem for name in module_names or _found_in_folder() if (problem := _import(name))]
    return Loaded(handlers.registered(), tuple(problems))


def _found_in_folder() -> list[str]:
    folder = Path.cwd() / HANDLERS_FOLDER
    return [f"{HANDLERS_FOLDER}.{module.name}" for module in pkgutil.iter_modules([str(folder)])]


def _import(name: str) -> ImportProblem | None:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as problem:  # whatever an author's file does when it is imported
        handlers.forget(name)
        return _problem_of(name, problem)
    return None


def _problem_of(name: str, problem: BaseException) -> ImportProblem:
    file, line = _place_of(name, problem)
    text = " ".join("".join(traceback.format_exception_only(problem)).split())
    if isinstance(problem, SyntaxError):
        text = f"{type(problem).__name__}: {problem.msg}"
    return ImportProblem(name, file, line, text, _trace_of(problem))


def _trace_of(problem: BaseException) -> str:
    """Its trace without the frames of the import system, which say nothing to the author."""
    trace = traceback.TracebackException.from_exception(problem)
    each: traceback.TracebackException | None = trace
    while each is not None:
        kept = [frame for frame in each.stack if not _is_machinery(frame.filename)]
        each.stack = traceback.StackSummary.from_list(kept)
        each = each.__cause__ or each.__context__
    return "".join(trace.format())


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or filename in {__file__, importlib.__file__}


def _place_of(name: str, problem: BaseException) -> tuple[str, int]:
    """Where it stands: the deepest frame in the module itself, or the file that cannot be parsed."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return problem.filename, problem.lineno or 0
    origin = _origin(name)
    frames = traceback.extract_tb(problem.__traceback__)
    own = [frame for frame in frames if frame.filename == origin]
    return (own[-1].filename, own[-1].lineno or 0) if own else (origin, 0)


def _origin(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    return (spec.origin or "") if spec else ""
