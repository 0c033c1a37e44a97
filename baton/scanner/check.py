"""What a check is, and what it is given to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from redis import Redis

from ..broker.inventory import Inventory
from ..store.anomalies import Odd
from ..store.findings import Sighting
from ..store.runs import RowState, UnfinishedRow


@dataclass(frozen=True, slots=True)
class Limits:
    """How long something may take before it is looked at as stuck."""

    due_ms: int = 60_000
    """A run to be pushed, a job to be planned, an alarm to be given to channels."""
    result_ms: int = 60_000
    """A result to be applied."""
    beat_ms: int = 30_000
    """The next beat of an executor."""
    delivery_ms: int = 600_000
    """An alarm to be tried over its channel."""


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class RowsSeen:
    """What SQL answered about one group."""

    nowhere: tuple[UnfinishedRow, ...] = ()
    """Queued, and neither in a lane nor under a lease."""
    states: Mapping[int, RowState] = field(default_factory=dict)
    """Of every run that Redis names."""
    jobs: frozenset[int] = frozenset()
    """Of the jobs that Redis names those there are."""
    not_pushed: Sequence[Odd] = ()
    half_pushed: Sequence[Odd] = ()
    without_parent: Sequence[Odd] = ()
    before_parent: Sequence[Odd] = ()
    contradictory: Sequence[Odd] = ()
    overdue_jobs: Sequence[Odd] = ()
    awaiting_nothing: Sequence[Odd] = ()
    not_routed: Sequence[Odd] = ()
    not_sent: Sequence[Odd] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at one group."""

    app_name: str
    """Empty: what belongs to no group."""
    is_known: bool
    """The database has the group."""
    now_ms: int
    redis: Inventory
    rows: RowsSeen = RowsSeen()
    limits: Limits = USUAL

    def is_ended(self, log_id: int) -> bool:
        """Whether the row of a run has ended."""
        state = self.rows.states.get(log_id)
        return state is not None and state.outcome is not None


@dataclass(frozen=True, slots=True)
class Clue:
    """What a check sees: `Sighting` without what every clue of a check has in common."""

    subject: str
    evidence: str
    log_id: int = 0
    job_id: int = 0
    executor_id: str = ""
    lane: str = ""


Repair = Callable[[Redis, str, Sequence[Sighting]], None]
"""Puts findings of one group right; safe whatever has happened since."""


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant."""

    name: str
    subject: str
    """What a clue is about, in a word."""
    title: str
    """What is wrong."""
    meaning: str
    """What that leads to, and where it may come from."""
    remedy: str
    """What a person can do."""
    look: Callable[[Seen], Iterable[Clue]]
    repair: Repair | None = None
    """None: a person has to decide."""
    is_explained_by_results: bool = False
    """A result that is on its way would explain it."""
    is_untold: bool = False
    """It is no alarm: people are told in another way, or this is why they are not."""
    is_leftover: bool = False
    """It does no harm but to take room: the background process repairs it unasked."""
