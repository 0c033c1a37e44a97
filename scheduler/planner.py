"""Due jobs become log rows.

One pass is one SQL transaction: read the due jobs, advance each by compare-and-set, insert one
row per fire time. Any number of planners may run. A job whose compare-and-set was lost is
somebody else's (another planner advanced it, or a person edited it): its fire times are dropped
here. Should two passes ever insert the same fire time all the same, the unique key of the row
decides. A crash before the commit leaves nothing; the pass is simply done again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from baton import telemetry
from baton.clock import SYSTEM_CLOCK, Clock
from baton.errors import ScheduleError
from baton.failpoints import failpoint
from baton.schedule import misfire, why_over
from baton.store import fixed_delay, jobs, triggers
from baton.store.engine import read, write
from baton.vocabulary import ScheduleType, TriggerType

BATCH_JOBS = 500
"""Jobs per transaction: other writers get their turn between two batches."""
SAFETY_POLL_S = 1.0
"""A nudge may get lost with the process or the Redis that carried it; an edit is seen this late at most."""
CONTENTION_WAIT_S = 0.02
"""When due jobs are locked by another planner: look again soon, without spinning."""

RESUME_INTERVAL_S = 5.0
"""How often to look for fixed delays whose run ended unseen; it costs nothing while there are none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one due job asks for."""

    job: jobs.DueJob
    fires: tuple[tuple[int, TriggerType], ...] = ()
    next_ms: int | None = None
    missed: int = 0
    stop_reason: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """What one pass did."""

    jobs: int = 0
    rows: int = 0
    stopped: tuple[int, ...] = ()
    next_due_ms: int | None = None
    batch_was_full: bool = False


class Planner:
    """Plans what is due, and knows when something will be due next."""

    def __init__(
        self,
        engine: Engine,
        *,
        misfire_threshold_ms: int,
        on_planned: Callable[[], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._engine = engine
        self._misfire_threshold_ms = misfire_threshold_ms
        self._on_planned = on_planned
        self._clock = clock
        self._resume_due_s = 0.0
        self._resumed_id = 0

    def step(self) -> float:
        """Plan one batch; answers the seconds until the next due moment, at most the safety poll."""
        self._resume_when_due()
        planned = self.plan_due(self._clock.now_ms())
        if planned.rows:
            self._on_planned()
        if planned.batch_was_full:
            return 0.0
        return _wait_s(planned.next_due_ms, self._clock.now_ms())

    def plan_due(self, now_ms: int) -> Planned:
        """One pass over the jobs due at `now_ms`."""
        with read(self._engine) as connection:
            next_due_ms = jobs.next_due_ms(connection)
        if next_due_ms is None or next_due_ms > now_ms:
            return Planned(next_due_ms=next_due_ms)
        with write(self._engine) as connection:
            planned, plans = self._plan(connection, now_ms)
            failpoint("plan.before_commit")
        # committed: the rows are pending, and any pusher finds them
        failpoint("plan.committed")
        _tell(planned, plans)
        return planned

    def _resume_when_due(self) -> None:
        """The safety net of fixed delays: a page of those that wait for the end of a run."""
        now_s = self._clock.monotonic_s()
        if now_s < self._resume_due_s:
            return
        self._resume_due_s = now_s + RESUME_INTERVAL_S
        with read(self._engine) as connection:
            if not fixed_delay.any_awaiting(connection):
                return
        with write(self._engine) as connection:
            resumed, self._resumed_id = fixed_delay.resume_awaiting(
                connection, self._clock.now_ms(), after_id=self._resumed_id, limit=BATCH_JOBS
            )
        if resumed:
            telemetry.event("plan.resumed", jobs=resumed)

    def _plan(self, connection: Connection, now_ms: int) -> tuple[Planned, list[Plan]]:
        due = jobs.due(connection, now_ms, BATCH_JOBS)
        plans = [decide(job, now_ms, self._misfire_threshold_ms) for job in due]
        moved = _advance(connection, plans)
        rows = [row for plan in plans if plan.job.id in moved for row in _rows(plan)]
        return (
            Planned(
                jobs=len(due),
                rows=triggers.plan(connection, rows, now_ms),
                stopped=tuple(plan.job.id for plan in plans if plan.stop_reason and plan.job.id in moved),
                next_due_ms=jobs.next_due_ms(connection),
                batch_was_full=len(due) == BATCH_JOBS,
            ),
            [plan for plan in plans if plan.job.id in moved],
        )


def decide(job: jobs.DueJob, now_ms: int, misfire_threshold_ms: int) -> Plan:
    """What becomes of one due job (pure). A schedule that cannot be followed stops only its job."""
    try:
        decision = misfire.due_fires(
            job.schedule, job.next_trigger_time, job.misfire_strategy, now_ms, misfire_threshold_ms
        )
    except ScheduleError as problem:
        return Plan(job, stop_reason=str(problem))
    plan = Plan(job, decision.fires, decision.next_ms, decision.missed)
    if decision.next_ms is None:
        return replace(plan, stop_reason=_why_over(plan, now_ms))
    return plan


def _why_over(plan: Plan, now_ms: int) -> str:
    job = plan.job
    if job.schedule_type == ScheduleType.ONCE and not plan.fires:
        late_s = (now_ms - job.next_trigger_time) / 1000
        return f"its one moment, {job.schedule_conf}, was missed by {late_s:.0f} s: {job.misfire_strategy}"
    return why_over(job.schedule)


def _advance(connection: Connection, plans: Sequence[Plan]) -> set[int]:
    """Move or stop every job; answers those that were still as `due` read them."""
    moves = [
        jobs.Advance(plan.job.id, plan.job.next_trigger_time, plan.next_ms, _last_ms(plan))
        for plan in plans
        if plan.next_ms is not None
    ]
    moved = jobs.advance(connection, moves)
    for plan in plans:
        if plan.next_ms is None and jobs.stop_job(
            connection,
            plan.job.id,
            plan.job.next_trigger_time,
            plan.stop_reason,
            plan.fires[-1][0] if plan.fires else None,
        ):
            moved.add(plan.job.id)
    return moved


def _last_ms(plan: Plan) -> int:
    """What `last_trigger_time` becomes: the newest fire time, or the missed one if none fired."""
    return plan.fires[-1][0] if plan.fires else plan.job.next_trigger_time


def _rows(plan: Plan) -> list[triggers.NewTrigger]:
    return [_row(plan.job, fire_at_ms, kind) for fire_at_ms, kind in plan.fires]


def _row(job: jobs.DueJob, fire_at_ms: int, kind: TriggerType) -> triggers.NewTrigger:
    key_of = triggers.key_misfire if kind is TriggerType.MISFIRE else triggers.key_cron
    return triggers.NewTrigger(
        job_id=job.id,
        group_id=job.group_id,
        trigger_key=key_of(fire_at_ms),
        trigger_type=kind,
        fire_at_ms=fire_at_ms,
        executor_handler=job.executor_handler,
        executor_param=job.executor_param,
        executor_fail_retry_count=job.executor_fail_retry_count,
        executor_timeout=job.executor_timeout,
        block_strategy=job.block_strategy,
        on_lost=job.on_lost,
    )


def _wait_s(next_due_ms: int | None, now_ms: int) -> float:
    if next_due_ms is None:
        return SAFETY_POLL_S
    # a due job left over is locked by another planner, which is about to advance it
    return min(max((next_due_ms - now_ms) / 1000, CONTENTION_WAIT_S), SAFETY_POLL_S)


def _tell(planned: Planned, plans: Sequence[Plan]) -> None:
    telemetry.detail("plan.done", jobs=planned.jobs, rows=planned.rows)
    for plan in plans:
        if plan.missed:
            telemetry.event("plan.misfire", job=plan.job.id, missed=plan.missed, fired=len(plan.fires))
        if plan.stop_reason:
            telemetry.warning("plan.job_stopped", job=plan.job.id, reason=plan.stop_reason)
