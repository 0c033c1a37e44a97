"""What is true now: read from SQL and Redis when somebody asks, and kept nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis import Redis
from sqlalchemy import Connection

from baton.broker import chores, control, presence, results, tally
from baton.broker.presence import ExecutorInfo
from baton.scanner.repair import is_leftover
from baton.store import alarm_deliveries, backlog, failed_callbacks, findings, groups, jobs, runs
from baton.store.groups import GroupView
from baton.vocabulary import Role, SpoolState

MOST_LOOKED_AT = 5_000
"""Of the oldest queued runs of a group, so many at most are asked about in Redis."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that goes up and down."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    def at(self, value: float, *labels: str) -> Sample:
        """One value; labels in the order of `labels`."""
        return Sample(self, labels, value)


@dataclass(frozen=True, slots=True)
class Sample:
    """A gauge's value for one set of labels."""

    gauge: Gauge
    labels: tuple[str, ...]
    value: float


INFO = Gauge("baton_info", "Always 1; the version that answers.", ("version",))
UP = Gauge("baton_up", "Whether the store answered in time: 1 or 0.", ("store",))
PLANNER_BEHIND = Gauge(
    "baton_planner_behind_seconds",
    "For how long the next fire time to be planned has been past; 0: it is ahead.",
)
PENDING = Gauge("baton_pending_runs", "Runs that were not pushed yet.", ("group",))
PENDING_OLDEST = Gauge(
    "baton_pending_oldest_seconds", "For how long the oldest run that may be pushed has waited for that."
)
QUEUE_DEPTH = Gauge("baton_queue_depth", "Runs that wait in their lanes.", ("group",))
QUEUE_OLDEST = Gauge(
    "baton_oldest_waiting_seconds",
    "For how long the oldest run that waits in a lane has waited, since it might have been pushed.",
    ("group",),
)
IN_PROGRESS = Gauge("baton_runs_in_progress", "Runs that executors have a lease on.", ("group",))
STREAM_LENGTH = Gauge(
    "baton_results_stream_length", "Entries of results that are not applied yet.", ("group",)
)
STREAM_OLDEST = Gauge("baton_results_stream_oldest_seconds", "Age of the oldest such entry.", ("group",))
STREAM_IN_HAND = Gauge(
    "baton_results_stream_pending", "Entries that a consumer has read and not acknowledged.", ("group",)
)
EXECUTORS = Gauge("baton_executors", "Executors by state: running or draining.", ("group", "state"))
SLOTS = Gauge(
    "baton_executor_slots",
    "Runs that the executors of a group can do at a time, on their event loops too.",
    ("group",),
)
SLOTS_USED = Gauge("baton_executor_slots_used", "Runs they do, as of their last beats.", ("group",))
SLOTS_FREE = Gauge(
    "baton_executor_slots_free",
    "Slots without a run, of executors that claim; draining ones have none.",
    ("group",),
)
SPOOL_BYTES = Gauge("baton_spool_bytes", "Size of the spools of a group's executors.", ("group",))
SPOOL_WAITING = Gauge("baton_spool_waiting", "Endings that Redis has not accepted.", ("group",))
SPOOL_NOT_OK = Gauge("baton_spool_not_ok", "Executors whose spool is nearly full, or full.", ("group",))
SPOOL_QUARANTINED = Gauge("baton_spool_quarantined", "Files of spools that nobody can deliver.", ("group",))
FAILED_CALLBACKS = Gauge(
    "baton_failed_callbacks", "Results that could not be applied and wait for a decision.", ("group",)
)
FAILED_CALLBACKS_OLDEST = Gauge(
    "baton_failed_callbacks_oldest_seconds", "For how long the oldest of them has waited.", ("group",)
)
FINDINGS = Gauge(
    "baton_findings", "Broken invariants that the last scan found, leftovers not counted.", ("group",)
)
SCAN_AGE = Gauge("baton_scan_age_seconds", "How long ago the last scan for broken invariants began.")
DELIVERIES_WAITING = Gauge("baton_alarm_deliveries_waiting", "Alarms on their way to people.")
DELIVERIES_OLDEST = Gauge("baton_alarm_deliveries_oldest_seconds", "For how long the oldest has been.")
WORK_WAITING = Gauge("baton_background_queue_depth", "Pieces of background work that nobody has begun.")
WORK_OLDEST = Gauge("baton_background_queue_oldest_seconds", "For how long the oldest has waited.")
WORK_FAILED = Gauge(
    "baton_background_failed", "Pieces of background work that failed and were not done since."
)
PROCESSES = Gauge("baton_processes", "Processes that were heard within the time limit.", ("role",))
LOOP_OVERDUE = Gauge(
    "baton_loop_overdue_seconds",
    "For how long no step of a loop came to its end that should have; the worst process of the role.",
    ("role", "loop"),
)

GAUGES: tuple[Gauge, ...] = (
    INFO,
    UP,
    PLANNER_BEHIND,
    PENDING,
    PENDING_OLDEST,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    IN_PROGRESS,
    STREAM_LENGTH,
    STREAM_OLDEST,
    STREAM_IN_HAND,
    EXECUTORS,
    SLOTS,
    SLOTS_USED,
    SLOTS_FREE,
    SPOOL_BYTES,
    SPOOL_WAITING,
    SPOOL_NOT_OK,
    SPOOL_QUARANTINED,
    FAILED_CALLBACKS,
    FAILED_CALLBACKS_OLDEST,
    FINDINGS,
    SCAN_AGE,
    DELIVERIES_WAITING,
    DELIVERIES_OLDEST,
    WORK_WAITING,
    WORK_OLDEST,
    WORK_FAILED,
    PROCESSES,
    LOOP_OVERDUE,
)
"""Everything that is read when it is asked for."""


@dataclass(frozen=True, slots=True)
class OfRows:
    """What SQL says."""

    groups: tuple[GroupView, ...]
    queued: dict[int, int]
    """Group id -> runs that were pushed and have not ended."""
    samples: tuple[Sample, ...]


def of_rows(connection: Connection, now_ms: int) -> OfRows:
    """Ask SQL."""
    known = groups.all_groups(connection)
    found = {group.id: backlog.of_group(connection, group.id) for group in known}
    kept = {each.app_name: each for each in failed_callbacks.backlog(connection)}
    samples = [PENDING.at(found[group.id].pending, group.app_name) for group in known]
    for app_name in {group.app_name for group in known} | set(kept):
        waiting = kept.get(app_name)
        samples.append(FAILED_CALLBACKS.at(waiting.waiting if waiting else 0, app_name))
        oldest_ms = waiting.oldest_ms if waiting else 0
        samples.append(FAILED_CALLBACKS_OLDEST.at(_age_s(oldest_ms, now_ms), app_name))
    samples += _of_scans(connection, [group.app_name for group in known], now_ms)
    deliveries = alarm_deliveries.waiting(connection)
    samples += [
        PENDING_OLDEST.at(runs.oldest_pending_ms(connection, now_ms) / 1000),
        PLANNER_BEHIND.at(_age_s(jobs.next_due_ms(connection) or 0, now_ms)),
        DELIVERIES_WAITING.at(deliveries.deliveries),
        DELIVERIES_OLDEST.at(_age_s(deliveries.oldest_ms, now_ms)),
    ]
    queued = {group_id: each.queued for group_id, each in found.items()}
    return OfRows(tuple(known), queued, tuple(samples))


def _of_scans(connection: Connection, app_names: Sequence[str], now_ms: int) -> Iterator[Sample]:
    found = Counter(each.app_name for each in findings.confirmed(connection) if not is_leftover(each))
    for app_name in {*app_names, *found}:
        yield FINDINGS.at(found[app_name], app_name)
    last = findings.last_scan(connection)
    if last is not None:
        yield SCAN_AGE.at(_age_s(last.began_at, now_ms))


def of_redis(redis: Redis, known: Sequence[GroupView], now_ms: int, *, silent_after_s: float) -> list[Sample]:
    """Ask Redis about these groups, the processes and the background work."""
    samples: list[Sample] = []
    for group in known:
        samples += _of_stream(redis, group.app_name, now_ms)
        samples += _of_executors(group.app_name, presence.executors(redis, group.app_name))
    samples += _of_processes(redis, known, silent_after_s)
    work = chores.backlog(chores.queue(redis))
    samples += [
        WORK_WAITING.at(work.waiting),
        WORK_OLDEST.at(work.oldest_s),
        WORK_FAILED.at(work.failed),
    ]
    return samples


def of_lanes(connection: Connection, redis: Redis, rows: OfRows, now_ms: int) -> list[Sample]:
    """What waits in the lanes: SQL knows what was pushed, Redis which of it runs."""
    samples: list[Sample] = []
    for group in rows.groups:
        running = control.held(redis, group.app_name)
        samples.append(IN_PROGRESS.at(running, group.app_name))
        samples.append(QUEUE_DEPTH.at(max(0, rows.queued[group.id] - running), group.app_name))
        # at most so many of the oldest can be running: the next one waits
        oldest = backlog.oldest_queued(connection, group.id, min(running + 1, MOST_LOOKED_AT))
        held = control.running(redis, group.app_name, [each.log_id for each in oldest])
        since_ms = next((each.due_ms for each in oldest if each.log_id not in held), 0)
        samples.append(QUEUE_OLDEST.at(_age_s(since_ms, now_ms), group.app_name))
    return samples


def _of_stream(redis: Redis, app_name: str, now_ms: int) -> Iterator[Sample]:
    waiting = results.backlog(redis, app_name)
    yield STREAM_LENGTH.at(waiting.entries, app_name)
    yield STREAM_OLDEST.at(_age_s(waiting.oldest_ms, now_ms), app_name)
    yield STREAM_IN_HAND.at(results.in_hand(redis, app_name), app_name)


def _of_executors(app_name: str, present: Sequence[ExecutorInfo]) -> Iterator[Sample]:
    states = Counter({"running": 0, "draining": 0})
    states.update(each.state for each in present)
    for state, executors in states.items():
        yield EXECUTORS.at(executors, app_name, state)
    claiming = [each for each in present if each.state == "running"]
    yield SLOTS.at(sum(each.slots for each in present), app_name)
    yield SLOTS_USED.at(sum(each.running for each in present), app_name)
    yield SLOTS_FREE.at(sum(max(0, each.slots - each.running) for each in claiming), app_name)
    yield SPOOL_BYTES.at(sum(each.spool_bytes for each in present), app_name)
    yield SPOOL_WAITING.at(sum(each.spool_waiting for each in present), app_name)
    yield SPOOL_NOT_OK.at(sum(each.spool_state != SpoolState.OK for each in present), app_name)
    yield SPOOL_QUARANTINED.at(sum(each.quarantined for each in present), app_name)


def _of_processes(redis: Redis, known: Sequence[GroupView], silent_after_s: float) -> Iterator[Sample]:
    heard = tally.heard(redis)
    for group in known:
        heard += tally.heard(redis, group.app_name)
    alive = [each.info for each in heard if each.age_s < silent_after_s]
    counts = Counter(each.role for each in alive)
    for role in Role:
        yield PROCESSES.at(counts[role], role)
    worst: dict[tuple[str, str], float] = {}
    for each in alive:
        for loop, overdue_s in each.overdue_s.items():
            worst[each.role, loop] = max(worst.get((each.role, loop), 0.0), overdue_s)
    for labels, overdue_s in worst.items():
        yield LOOP_OVERDUE.at(overdue_s, *labels)


def _age_s(since_ms: int, now_ms: int) -> float:
    return max(0, now_ms - since_ms) / 1000 if since_ms else 0.0
