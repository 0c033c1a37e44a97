"""Jobs of other schedulers, read into what a declaration of ours says. Pure: text and plain values in.

Each module reads one source and answers a `Reading`. None of them runs what it reads: a pickle stays
closed, a script stays text. What cannot be taken over is left with its place and the reason, and
does not hold up the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import InputError

__all__ = ["ForeignJob", "Keys", "Left", "NotTaken", "Reading", "read_each"]

T = TypeVar("T")


class NotTaken(InputError):
    """One job that is left out on purpose: Baton has nothing like it, or has no need of it."""


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """One job as its source has it, in the words of a declaration."""

    key: str
    """What tells it from the others of its source; the same each time it is read."""
    place: str
    """Where it stands, for people: `line 7`."""
    expression: str
    """Its schedule in the words of the source."""
    said: Mapping[str, Any]
    """Fields as `jobs.yaml` has them."""
    is_active: bool = True
    """Whether its schedule is followed there."""
    hindrance: str = ""
    """Why it must not be started before a person looked at it; empty: nothing."""
    notes: tuple[str, ...] = ()
    """What is different here, or did not come along."""
    children: tuple[str, ...] = ()
    """Keys of the jobs that its success triggers."""


@dataclass(frozen=True, slots=True)
class Left:
    """One thing that is not taken over."""

    place: str
    reason: str
    is_problem: bool
    """It could not be read; otherwise there is nothing here that it could become."""

    @classmethod
    def because(cls, place: str, why: InputError) -> Left:
        """Out of the exception that ended reading it."""
        return cls(place, str(why), not isinstance(why, NotTaken))


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one source holds."""

    jobs: tuple[ForeignJob, ...]
    left: tuple[Left, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    """Executor groups that it knows: app name -> title."""


def read_each(
    things: Iterable[T], place_of: Callable[[T], str], job_of: Callable[[T], ForeignJob]
) -> Reading:
    """Each thing as a job; one that cannot be read is left with the reason, and holds up no other."""
    jobs: list[ForeignJob] = []
    left: list[Left] = []
    for thing in things:
        try:
            jobs.append(job_of(thing))
        except InputError as problem:
            left.append(Left.because(place_of(thing), problem))
    return Reading(tuple(jobs), tuple(left))


class Keys:
    """Makes keys of names that may come more than once in a source."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, name: str) -> str:
        """The name, with a number from its second time on."""
        self._seen[name] += 1
        return name if self._seen[name] == 1 else f"{name}-{self._seen[name]}"
