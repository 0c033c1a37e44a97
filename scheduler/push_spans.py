"""What a trace says of a row on its way from its insert into its lane: the spans `plan` and `push`.

Both are told here, of rows that were pushed, whoever inserted them: the planner, a person, a program,
the callbacks process. So planning pays nothing, and what was never committed is never told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from baton.broker.producer import PushVerdict
from baton.messages import needs_of
from baton.spans import Kind, Place, Places, Step, Told, facts_of
from baton.store import runs

if TYPE_CHECKING:  # OpenTelemetry is there only where somebody wants it
    from baton.tracing import Tracing

_TOLD_BY_ANOTHER = frozenset({PushVerdict.REPEATED, PushVerdict.GONE})
"""Whoever pushed it first has told of it; who finds its executor gone is pushed again."""
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class PushCall:
    """Rows that went through one call of the push script, and its verdict on each."""

    app_name: str
    rows: Sequence[runs.PendingRow]
    verdicts: Sequence[PushVerdict]
    began_ns: int
    ended_ns: int


class PushSpans:
    """Tells of pushed rows."""

    def __init__(self, tracing: Tracing, places: Places) -> None:
        self._tracing = tracing
        self._places = places

    def header(self, row: runs.PendingRow) -> str:
        """What the message of a row carries, so that its run stands below its push."""
        return self._place(row.log_id, Step.PUSH).header

    def tell(self, calls: Iterable[PushCall]) -> None:
        """Tell of the rows of these calls."""
        for call in calls:
            for row, verdict in zip(call.rows, call.verdicts, strict=True):
                place = self._place(row.log_id, Step.PLAN)
                if place.is_sampled and verdict not in _TOLD_BY_ANOTHER:
                    self._tracing.tell(self._plan(call, row, place))
                    self._tracing.tell(self._push(call, row, verdict, place))

    def _plan(self, call: PushCall, row: runs.PendingRow, place: Place) -> Told:
        """From its insert to its push; a retry and a child point to the ending they follow from."""
        follows = row.parent_log_id
        return Told(
            f"plan {needs_of(row.glue_type, row.executor_handler)}",
            Kind.INTERNAL,
            place,
            min(row.trigger_time * _MS, call.began_ns),
            call.began_ns,
            facts_of(
                "plan", "create", call.app_name, row.job_id, row.log_id,
                trigger_type=row.trigger_type, trigger_key=row.trigger_key, fire_at_ms=row.fire_at_ms,
                attempt=row.attempt,
            ),
            links=(self._place(follows, Step.APPLY),) if follows else (),
        )  # fmt: skip

    def _push(self, call: PushCall, row: runs.PendingRow, verdict: PushVerdict, plan: Place) -> Told:
        return Told(
            f"push {needs_of(row.glue_type, row.executor_handler)}",
            Kind.PRODUCER,
            self._place(row.log_id, Step.PUSH),
            call.began_ns,
            call.ended_ns,
            facts_of("push", "send", call.app_name, row.job_id, row.log_id, verdict=verdict.value),
            parent=plan,
        )

    def _place(self, log_id: int, step: Step) -> Place:
        place = self._places.of(log_id, step)
        return replace(place, is_sampled=self._tracing.is_sampled(place.trace_id))
