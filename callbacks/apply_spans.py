"""What a trace says of the end of a row: the span `apply`, below its run where that is known."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from baton.spans import Kind, Place, Places, Step, Told, facts_of
from baton.vocabulary import Outcome

from .apply import Traced

if TYPE_CHECKING:  # OpenTelemetry is there only where somebody wants it
    from baton.tracing import Tracing


class ApplySpans:
    """Tells of ended rows."""

    def __init__(self, tracing: Tracing, places: Places) -> None:
        self._tracing = tracing
        self._places = places

    def applied(self, ended: Iterable[Traced], began_ns: int) -> None:
        """These rows were ended by one transaction, which was committed just now."""
        ended_ns = time.time_ns()
        for each in ended:
            parent = Place.from_header(each.trace_parent)
            # else nobody told of its push: tracing was off then, or the sampler left it out
            if parent is not None and parent.is_sampled:
                self._tracing.tell(self._apply(each, parent, began_ns, ended_ns))

    def _apply(self, each: Traced, parent: Place, began_ns: int, ended_ns: int) -> Told:
        row = each.row
        return Told(
            f"apply {row.executor_handler}".rstrip(),  # scripts have no handler
            Kind.CONSUMER,
            self._places.of(row.log_id, Step.APPLY),
            began_ns,
            ended_ns,
            facts_of(
                "apply", "process", each.app_name, row.job_id, row.log_id,
                outcome=row.outcome, attempt=row.attempt,
            ),
            parent=parent,
            problem="" if row.outcome == Outcome.SUCCEEDED else row.outcome,
        )  # fmt: skip
