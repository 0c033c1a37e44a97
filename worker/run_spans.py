"""What a trace says of a run: the span `run`, told by the child that runs the handler.

It is the current span of the context in which the handler is called, and so of its coroutines and
threads: what the handler tells OpenTelemetry of itself stands below it. A run whose child was killed has
none; its ending stands below the push then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baton.messages import needs_of
from baton.spans import Kind, Place, facts_of
from baton.vocabulary import Outcome

from .outcome import RunOutcome

if TYPE_CHECKING:  # OpenTelemetry is there only where somebody wants it
    from baton.tracing import Begun, Tracing

_PROBLEM_CHARS = 500


class RunSpans:
    """Tells of the runs of one child process."""

    def __init__(self, tracing: Tracing, executor_id: str) -> None:
        self._tracing = tracing
        self._executor_id = executor_id

    def begin(self, trigger: dict[str, Any], attempt: int) -> Begun:
        """The run of this message begins, in this context."""
        return self._tracing.begin(
            f"run {needs_of(trigger['glue_type'], trigger['executor_handler'])}",
            Kind.CONSUMER,
            Place.from_header(trigger.get("trace_parent", "")),
            facts_of(
                "run", "process", trigger["app_name"], trigger["job_id"], trigger["log_id"],
                attempt=attempt, executor=self._executor_id, shard_index=trigger["broadcast_index"],
                shard_total=trigger["broadcast_total"],
            ),
        )  # fmt: skip

    def end(self, span: Begun, said: RunOutcome) -> None:
        """It ended like this, in the context in which it began."""
        problem = "" if said.outcome is Outcome.SUCCEEDED else _last_line(said.handle_msg) or said.outcome
        span.end({"baton.outcome": said.outcome.value}, problem)

    def flush(self) -> None:
        """Hand over what waits: this process may be killed next."""
        self._tracing.flush()

    def stop(self) -> None:
        """Nothing runs here any more."""
        self._tracing.stop()


def _last_line(text: str) -> str:
    """Of a trace, what was raised."""
    return text.strip().rpartition("\n")[2][:_PROBLEM_CHARS]
