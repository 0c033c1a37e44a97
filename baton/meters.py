"""What a process counts: the closed list of series, and plain integers in memory.

Counting costs an addition under a lock, and nothing else: no socket, no file. `broker/tally.py` takes
what came together every few seconds and adds it to the totals in Redis, whoever counted it. A duration
is kept as its place among fixed bounds, so that those of many processes can be added up.

A field is the name of a series, its labels and, in a histogram, the upper bound of a place:
`baton_runs_total|demo|succeeded`, `baton_queue_wait_seconds|demo|0.5`.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from .vocabulary import MisfireStrategy, Role

SEPARATOR = "|"
"""No label has it: they are names of groups, of loops, and words of closed lists."""
SUM = "sum"
NO_BOUND = "+Inf"
_MICROSECONDS = 1_000_000

_lock = threading.Lock()
_counted: defaultdict[str, int] = defaultdict(int)


@dataclass(frozen=True, slots=True)
class Counter:
    """A number that only grows."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    begins_with: tuple[tuple[str, ...], ...] = ()
    """Labels that are shown before anything was counted: an alert sees the first step, too."""

    def field(self, *labels: str) -> str:
        """What it is called among the totals."""
        return SEPARATOR.join((self.name, *labels))

    def add(self, amount: int, *labels: str) -> None:
        """`amount` more; labels in the order of `labels`."""
        if amount:
            field = self.field(*labels)
            with _lock:
                _counted[field] += amount


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something takes, in seconds."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]

    def place_of(self, seconds: float) -> int:
        """The first bound that is not shorter; behind the last if none is."""
        return bisect_left(self.bounds, seconds)

    def observe(self, seconds: float, *labels: str) -> None:
        """It took so long once; a negative time (two clocks) is none at all."""
        self.observe_all((seconds,), *labels)

    def observe_all(self, durations_s: Iterable[float], *labels: str) -> None:
        """As `observe`, for each of these."""
        names = _names_of(self.bounds)
        places: dict[str, int] = {}
        sum_us = 0
        for seconds in durations_s:
            taken_s = max(0.0, seconds)
            name = names[self.place_of(taken_s)]
            places[name] = places.get(name, 0) + 1
            # a whole number, so that adding up in any order gives the same
            sum_us += round(taken_s * _MICROSECONDS)
        if not places:
            return
        stem = SEPARATOR.join((self.name, *labels, ""))
        with _lock:
            for name, times in places.items():
                _counted[stem + name] += times
            _counted[stem + SUM] += sum_us


@cache
def _names_of(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*(f"{bound:g}" for bound in bounds), NO_BOUND)


def seconds_of(total: int) -> float:
    """The sum of a histogram, as it is kept among the totals, in seconds."""
    return total / _MICROSECONDS


def take() -> dict[str, int]:
    """What was counted since the last call, by field."""
    with _lock:
        taken = dict(_counted)
        _counted.clear()
    return taken


RESULTS = ("applied", "repeated", "stale", "rerun", "rerouted", "unknown", "rejected")
"""What may become of a result."""

_ROUND_TRIP_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WAIT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_RUN_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)

RUNS = Counter(
    "baton_runs_total",
    "Runs that ended, by outcome. A run closed as lost whose result came after all counts under both.",
    ("group", "outcome"),
)
RUN_SECONDS = Histogram(
    "baton_run_duration_seconds", "From the beginning of a handler to its end.", ("group",), _RUN_S
)
WAIT_SECONDS = Histogram(
    "baton_queue_wait_seconds",
    "From the moment a run might have been pushed to the beginning of its handler.",
    ("group",),
    _WAIT_S,
)
LATENESS_SECONDS = Histogram(
    "baton_schedule_lateness_seconds",
    "From a fire time to the moment the run was in its lane: how punctual planning and pushing are.",
    ("group",),
    _WAIT_S,
)
PLANNED = Counter("baton_runs_planned_total", "Rows that the planner made for fire times.")
MISFIRES = Counter(
    "baton_misfires_total",
    "Fire times that were met too late, by what their job does then.",
    ("strategy",),
    tuple((strategy.value,) for strategy in MisfireStrategy),
)
PUSHED = Counter(
    "baton_runs_pushed_total",
    "What the push of a run came to: queued, repeated (it was in its lane before) or discarded.",
    ("group", "verdict"),
)
CLAIMED = Counter("baton_runs_claimed_total", "Runs that executors took from their lanes.", ("group",))
CALLBACKS = Counter(
    "baton_callbacks_total",
    "Results by what they came to: applied, repeated (the row had ended), stale (a newer attempt exists), "
    "rerun, rerouted, unknown (no such row) or rejected; the last two are put aside.",
    ("result",),
    tuple((result,) for result in RESULTS),
)
FOLLOWUPS = Counter("baton_followups_total", "Retries and child runs that endings led to.")
CALLBACK_LAG_SECONDS = Histogram(
    "baton_callback_lag_seconds",
    "From the moment results came into the stream to the commit that ended their rows.",
    ("group",),
    _WAIT_S,
)
DELIVERIES = Counter(
    "baton_alarm_deliveries_total",
    "Tries to tell people of an alarm: sent, failed (tried again later) or given_up.",
    ("result",),
    (("sent",), ("failed",), ("given_up",)),
)
REQUESTS = Counter(
    "baton_http_requests_total",
    "Answers of the web processes, by page and class of status.",
    ("page", "status"),
)
SCRIPT_SECONDS = Histogram(
    "baton_redis_script_seconds",
    "Round trips to Redis that run one of the scripts, which is most of them.",
    ("script",),
    _ROUND_TRIP_S,
)
REDIS_ERRORS = Counter(
    "baton_redis_errors_total", "Scripts that Redis did not run, or whose answer was lost.", ("script",)
)
EVENTS = Counter(
    "baton_events_total",
    "What happened, by the names that the process logs have.",
    ("role", "event"),
    # that this happens at all is a bug of ours
    ((Role.SCHEDULER.value, "sweep.repaired"),),
)
LOOP_STEPS = Counter(
    "baton_loop_steps_total", "Steps of the loops of a role that came to an end.", ("role", "loop")
)
LOOP_FAILURES = Counter(
    "baton_loop_failures_total", "Steps that raised and are done again.", ("role", "loop")
)

SERIES: tuple[Counter | Histogram, ...] = (
    RUNS,
    RUN_SECONDS,
    WAIT_SECONDS,
    LATENESS_SECONDS,
    PLANNED,
    MISFIRES,
    PUSHED,
    CLAIMED,
    CALLBACKS,
    FOLLOWUPS,
    CALLBACK_LAG_SECONDS,
    DELIVERIES,
    REQUESTS,
    SCRIPT_SECONDS,
    REDIS_ERRORS,
    EVENTS,
    LOOP_STEPS,
    LOOP_FAILURES,
)
"""Everything that processes count."""
