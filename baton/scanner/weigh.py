"""What a sighting counts, given what the looks before had seen (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..store.findings import FindingView, Sighting

GRACE_S = 30.0
"""What is still there after so long is not on its way: usually a crash is put right within half of it."""

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What becomes of the rows of findings."""

    new: tuple[FindingView, ...]
    again: tuple[FindingView, ...]
    gone: tuple[int, ...]

    @property
    def confirmed(self) -> tuple[FindingView, ...]:
        """What counts."""
        return tuple(each for each in self.again if each.is_confirmed)

    @property
    def suspected(self) -> int:
        """How much was seen that does not count yet."""
        return len(self.new) + sum(not each.is_confirmed for each in self.again)


def grace_for(*, sweep_interval_s: float, executor_dead_after_s: float) -> float:
    """The grace where sweeper and watcher take longer than usual: seconds."""
    return max(GRACE_S, 3 * sweep_interval_s, 2 * executor_dead_after_s)


def key_of(sighting: Sighting) -> Key:
    """What makes two sightings one finding."""
    return sighting.check_name, sighting.app_name, sighting.subject


def weigh(
    known: Sequence[FindingView],
    seen: Sequence[Sighting],
    *,
    marks: Mapping[str, str],
    awaiting_results: Collection[int],
    now_ms: int,
    grace_ms: int,
) -> Weighed:
    """Compare one look with what is remembered.

    `marks` are the newest results of the groups by now. `awaiting_results` are the ids of findings that a
    result might still explain which was there when they were first seen.
    """
    before = {key_of(each): each for each in known}
    new: list[FindingView] = []
    again: list[FindingView] = []
    for sighting in seen:
        last = before.pop(key_of(sighting), None)
        if last is None:
            new.append(_first(sighting, marks, now_ms))
        elif last.evidence != sighting.evidence:
            # something moved: what is seen now is seen for the first time
            again.append(replace(_first(sighting, marks, now_ms), id=last.id))
        else:
            is_old = now_ms - last.first_seen >= grace_ms and last.id not in awaiting_results
            again.append(
                replace(
                    last,
                    last_seen=now_ms,
                    sightings=last.sightings + 1,
                    is_confirmed=last.is_confirmed or is_old,
                )
            )
    return Weighed(tuple(new), tuple(again), tuple(each.id for each in before.values()))


def _first(sighting: Sighting, marks: Mapping[str, str], now_ms: int) -> FindingView:
    return FindingView(
        sighting.check_name,
        sighting.app_name,
        sighting.subject,
        sighting.evidence,
        sighting.log_id,
        sighting.job_id,
        sighting.executor_id,
        sighting.lane,
        first_seen=now_ms,
        last_seen=now_ms,
        mark=marks.get(sighting.app_name, ""),
    )
