"""What this executor can run, as its children said when they were ready."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from baton import telemetry
from baton.messages import TriggerParam
from baton.vocabulary import GlueType

from . import glue
from .limits import Limits

_PROBLEM_CHARS = 4000


NO_LIMITS = Limits()
_NO_RQ = "This executor runs no jobs of RQ: set BATON_RQ_URL where it is started."


@dataclass(frozen=True, slots=True)
class HandlerFacts:
    """What a handler's declaration means for where and how often it runs."""

    is_async: bool
    concurrency: int
    """Runs of it at a time; 0: no limit of its own."""
    max_rss_mb: int = 0
    max_cpu_s: float = 0.0
    soft_timeout_s: float = 0.0


class Abilities:
    """The handlers of this executor. Read by every thread; replaced as a whole, never changed."""

    def __init__(
        self, executor_id: str, *, has_rq: bool, scripts: Collection[str], usual: Limits = NO_LIMITS
    ) -> None:
        self._usual = usual
        self._executor_id = executor_id
        self._scripts = scripts
        self.interpreters = glue.interpreters(scripts)
        """Glue type -> program, of the scripts this executor runs."""
        self.handlers: Mapping[str, HandlerFacts] = {}
        self._always = {GlueType.RQ.value: HandlerFacts(is_async=True, concurrency=0)} if has_rq else {}
        self.special: Mapping[str, HandlerFacts] = self._always
        """Those that need more than a free child: coroutines, and handlers with a limit."""
        self.problem = ""
        """Why some handlers are missing, cut to what a page can show."""

    def learn(self, said: Mapping[str, Mapping[str, Any]], problem: str = "") -> bool:
        """A child is ready: its handlers, and why some are missing; answers whether that is new."""
        handlers = {name: HandlerFacts(**facts) for name, facts in said.items()}
        problem = problem[:_PROBLEM_CHARS]
        if (handlers, problem) == (self.handlers, self.problem):
            return False
        if problem != self.problem:
            for line in problem.partition("\n\n")[0].splitlines():
                telemetry.warning("child.failed", problem=line)
        self.problem = problem
        self.special = self._always | {
            name: facts for name, facts in handlers.items() if facts.is_async or facts.concurrency
        }
        self.handlers = handlers
        return True

    def limits_of(self, trigger: TriggerParam | None) -> Limits:
        """What a run may use: what its handler says, and where it says nothing what is usual here."""
        facts = self.handlers.get(trigger.needs) if trigger is not None else None
        if facts is None:
            return self._usual
        return Limits(facts.max_rss_mb, facts.max_cpu_s, facts.soft_timeout_s).or_else(self._usual)

    def refusal(self, trigger: TriggerParam) -> str:
        """Why this executor cannot run that; empty if it can. Whether it has a handler, a child knows."""
        glue_type = trigger.glue_type
        if glue_type == GlueType.BEAN or glue_type in self._always:
            return ""
        if glue_type == GlueType.RQ:
            return f"glueType[{glue_type}] is not valid. {_NO_RQ}"
        if not trigger.glue_source and glue_type in self.interpreters:
            return "this job has no script yet: write one on its page"
        return glue.refusal(glue_type, self._scripts, self.interpreters, self._executor_id)

    @property
    def has_coroutines(self) -> bool:
        """Whether there is anything for an event loop."""
        return any(facts.is_async for facts in self.special.values())

    def is_coroutine(self, trigger: TriggerParam) -> bool:
        """Whether this run belongs on the event loop."""
        facts = self.special.get(trigger.needs)
        return facts is not None and facts.is_async
