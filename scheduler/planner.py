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
from zlib import crc32

from sqlalchemy import Connection, Engine

from baton import meters, telemetry
from baton.clock import SYSTEM_CLOCK, Clock
from baton.errors import ScheduleError
from baton.failpoints import failpoint
from baton.schedule import misfire, why_over
from baton.schedule.misfire import MisfireRule
from baton.store import fixed_delay, jobs, triggers
from baton.store.engine import read, write
from baton.vocabulary import MisfireStrategy, ScheduleType, TriggerType

BATCH_JOBS = 2000
"""Jobs per transaction: each costs a sync of the disk, and holds other writers of SQLite up for 60 ms."""
CATCHUP_ROWS = 200
"""Missed times made up for in one pass, so that jobs on time need not wait for thousands of them."""
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
    has_more: bool = False
    """Jobs are left that were due: plan again at once."""

    def __add__(self, later: Planned) -> Planned:
        return Planned(
            self.jobs + later.jobs,
            self.rows + later.rows,
            self.stopped + later.stopped,
            later.next_due_ms,
            self.has_more or later.has_more,
        )


class Planner:
    """Plans what is due, and knows when something will be due next."""

    def __init__(
        self,
        engine: Engine,
        *,
        misfire_threshold_ms: int,
        on_planned: Callable[[], None],
        plan_ahead_ms: int = 0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._engine = engine
        self._plan_ahead_ms = plan_ahead_ms
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
        if planned.has_more:
            return 0.0
        return _wait_s(planned.next_due_ms, self._clock.now_ms() + self._plan_ahead_ms)

    def plan_due(self, now_ms: int) -> Planned:
        """One pass over the jobs due at `now_ms`: those on time, then a page of those that are late.

        Those that are due within `plan_ahead_ms` are on time: their rows are there before the moment
        comes, and the pusher waits for it.
        """
        horizon_ms = now_ms + self._plan_ahead_ms
        with read(self._engine) as connection:
            next_due_ms = jobs.next_due_ms(connection)
        if next_due_ms is None or next_due_ms > horizon_ms:
            return Planned(next_due_ms=next_due_ms)
        oldest_on_time_ms = now_ms - self._misfire_threshold_ms
        planned = self._plan_page(now_ms, oldest_on_time_ms, horizon_ms)
        if next_due_ms < oldest_on_time_ms:
            # after the others and a page at a time: what made up for an outage would hold them up
            planned += self._plan_page(now_ms, 0, oldest_on_time_ms - 1)
        return planned

    def _plan_page(self, now_ms: int, from_ms: int, until_ms: int) -> Planned:
        """One transaction over jobs whose next time lies within these bounds."""
        with write(self._engine) as connection:
            due = jobs.due(connection, until_ms, BATCH_JOBS, from_ms)
            plans = _decide_all(
                due, now_ms + self._plan_ahead_ms, self._misfire_threshold_ms + self._plan_ahead_ms
            )
            planned, plans = _write(connection, plans, now_ms)
            failpoint("plan.before_commit")
        # committed: the rows are pending, and any pusher finds them
        failpoint("plan.committed")
        _tell(planned, plans)
        return replace(planned, has_more=len(due) == BATCH_JOBS or planned.jobs < len(due))

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


def _decide_all(due: Sequence[jobs.DueJob], now_ms: int, misfire_threshold_ms: int) -> list[Plan]:
    """What becomes of due jobs (pure), until `CATCHUP_ROWS` missed times are made up for."""
    plans: list[Plan] = []
    most_made_up = CATCHUP_ROWS
    for job in due:
        if most_made_up == 0:
            break
        plan = decide(job, now_ms, misfire_threshold_ms, most_made_up)
        plans.append(plan)
        if plan.missed and job.misfire_strategy == MisfireStrategy.FIRE_ALL:
            most_made_up -= sum(kind is TriggerType.MISFIRE for _, kind in plan.fires)
    return plans


def _write(connection: Connection, plans: Sequence[Plan], now_ms: int) -> tuple[Planned, list[Plan]]:
    """Move the jobs and insert the rows; answers the plans of jobs that were still as they were read."""
    moved = _advance(connection, plans)
    carried_out = [plan for plan in plans if plan.job.id in moved]
    rows = [row for plan in carried_out for row in _rows(plan, now_ms)]
    planned = Planned(
        jobs=len(plans),
        rows=triggers.plan(connection, rows, now_ms),
        stopped=tuple(plan.job.id for plan in carried_out if plan.stop_reason),
        next_due_ms=jobs.next_due_ms(connection),
    )
    return planned, carried_out


def decide(
    job: jobs.DueJob, now_ms: int, misfire_threshold_ms: int, most_made_up: int = CATCHUP_ROWS
) -> Plan:
    """What becomes of one due job (pure). A schedule that cannot be followed stops only its job."""
    try:
        decision = misfire.due_fires(
            job.schedule,
            job.next_trigger_time,
            MisfireRule(job.misfire_strategy, job.max_catchup, job.catchup_window_s),
            now_ms,
            threshold_ms=misfire_threshold_ms,
            most_made_up=most_made_up,
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


def _rows(plan: Plan, now_ms: int) -> list[triggers.NewTrigger]:
    return [_row(plan.job, fire_at_ms, kind, now_ms) for fire_at_ms, kind in plan.fires]


def _row(job: jobs.DueJob, fire_at_ms: int, kind: TriggerType, now_ms: int) -> triggers.NewTrigger:
    stands_for_many = kind is TriggerType.MISFIRE and job.misfire_strategy == MisfireStrategy.FIRE_ONCE_NOW
    not_before_ms = fire_at_ms if fire_at_ms > now_ms else 0
    if job.jitter_s:
        not_before_ms = fire_at_ms + jitter_ms(job.id, fire_at_ms, job.jitter_s)
    return triggers.of_job(
        job,
        (triggers.key_misfire if stands_for_many else triggers.key_cron)(fire_at_ms),
        kind,
        now_ms,
        fire_at_ms=fire_at_ms,
        not_before_ms=not_before_ms,
        expires_at_ms=_expires_ms(job, kind, max(fire_at_ms, not_before_ms), now_ms),
    )


def jitter_ms(job_id: int, fire_at_ms: int, jitter_s: int) -> int:
    """How long after its fire time a run is pushed: the same whoever asks, less than `jitter_s` (pure)."""
    return crc32(f"{job_id}:{fire_at_ms}".encode()) % (jitter_s * 1000)


def _expires_ms(job: jobs.DueJob, kind: TriggerType, from_ms: int, now_ms: int) -> int:
    if not job.start_deadline_s:
        return 0
    # what makes up for a missed time would be too late from the beginning
    return (now_ms if kind is TriggerType.MISFIRE else from_ms) + job.start_deadline_s * 1000


def _wait_s(next_due_ms: int | None, now_ms: int) -> float:
    if next_due_ms is None:
        return SAFETY_POLL_S
    # a due job left over is locked by another planner, which is about to advance it
    return min(max((next_due_ms - now_ms) / 1000, CONTENTION_WAIT_S), SAFETY_POLL_S)


def _tell(planned: Planned, plans: Sequence[Plan]) -> None:
    telemetry.detail("plan.done", jobs=planned.jobs, rows=planned.rows)
    meters.PLANNED.add(planned.rows)
    for plan in plans:
        if plan.missed:
            meters.MISFIRES.add(plan.missed, plan.job.misfire_strategy)
            telemetry.event("plan.misfire", job_id=plan.job.id, missed=plan.missed, fired=len(plan.fires))
        if plan.stop_reason:
            telemetry.warning("plan.job_stopped", job_id=plan.job.id, reason=plan.stop_reason)
