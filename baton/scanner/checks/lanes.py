"""Lanes: invariant R, the slots, and what is remembered about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from redis import Redis

from ...broker import repairs
from ...broker.keys import job_of
from ...store.findings import Sighting
from ..check import Check, Clue, Seen


def job_id_of(lane: str) -> int:
    """The job of a lane; 0 for what is no lane of ours."""
    job = job_of(lane)
    return int(job) if job.isdigit() and len(job) <= 18 else 0


def _unready(seen: Seen) -> Iterator[Clue]:
    for each in seen.redis.wrong_lanes:
        if each.what == "unready":
            text = f"run {each.log_id} is the first that waits in it"
            yield Clue(each.lane, text, each.log_id, job_id_of(each.lane), lane=each.lane)


def _ready_for_nothing(seen: Seen) -> Iterator[Clue]:
    for each in seen.redis.wrong_lanes:
        if each.what == "ready":
            text = "it is in its ready set, and has no message or no free slot"
            yield Clue(each.lane, text, job_id=job_id_of(each.lane), lane=each.lane)


def _misplaced(seen: Seen) -> Iterator[Clue]:
    for lane, owner in seen.redis.misplaced:
        text = f"it is in the ready set of {owner or 'all'}"
        yield Clue(lane, text, job_id=job_id_of(lane), lane=lane)


def _out_of_turn(seen: Seen) -> Iterator[Clue]:
    last = seen.redis.last_turn or 0
    for lane, turn in seen.redis.turns.items():
        if turn > last:
            text = f"its turn is {turn}, and the counter of turns is behind"
            yield Clue(lane, text, job_id=job_id_of(lane), lane=lane)


def _slot_without_lease(seen: Seen) -> Iterator[Clue]:
    # lanes that share the slots of their job say the same
    found = {each.log_id: each for each in seen.redis.wrong_lanes if each.what == "slot"}
    for log_id, each in found.items():
        text = f"run {log_id} has a slot of lane {each.lane} and no lease"
        yield Clue(str(log_id), text, log_id, job_id_of(each.lane), lane=each.lane)


def _of_no_job(seen: Seen) -> Iterator[Clue]:
    held = {job_of(lane) for lane in (*seen.redis.names.of_family["queue"], *seen.redis.slots)}
    lanes: defaultdict[str, list[str]] = defaultdict(list)
    for lane in seen.redis.remembered_lanes:
        lanes[job_of(lane)].append(lane)
    for job, names in lanes.items():
        if job not in held and job_id_of(job) not in seen.rows.jobs:
            yield Clue(job, f"lanes {', '.join(sorted(names)[:10])}", job_id=job_id_of(job))


def _mend(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.mend_lanes(redis, app_name, sorted({each.lane for each in found}))


def _take_out(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.take_out_of_ready(redis, app_name, [each.lane for each in found])


def _raise_turn(redis: Redis, app_name: str, _found: Sequence[Sighting]) -> None:
    repairs.raise_turn(redis, app_name)


def _forget(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.forget_jobs(redis, app_name, {each.job_id for each in found})


CHECKS = (
    Check(
        "lane.not_ready", "lane", "A lane has work and a free slot, and is not in its ready set",
        "Executors look at ready sets only, so nobody takes what waits in it. Somebody edited keys, or a "
        "script has a bug.",
        "Repair it. A running scheduler does that by itself: look whether one runs.",
        _unready, _mend,
    ),
    Check(
        "lane.ready_for_nothing", "lane", "A ready lane has nothing to give",
        "Executors ask it in vain, and it stands before others. Somebody edited keys, or a script has a bug.",
        "Repair it.",
        _ready_for_nothing, _mend,
    ),
    Check(
        "lane.misplaced", "lane", "A lane is in the ready set of somebody else",
        "Executors may take runs from it that are for another one, or lack what its runs need. Somebody "
        "edited keys.",
        "Repair it.",
        _misplaced, _take_out,
    ),
    Check(
        "lane.out_of_turn", "lane", "A lane waits for a turn that is far away",
        "Every lane that gets work later is served before it. Somebody deleted the counter of turns, or "
        "Redis lost its last second.",
        "Repair it: the counter is raised.",
        _out_of_turn, _raise_turn,
    ),
    Check(
        "slot.without_lease", "run", "A slot is taken by a run that nobody has",
        "The slot is never given back, so a serial lane stands still for good. Somebody deleted a lease.",
        "Repair it: the slot is freed. What becomes of the run itself, the scheduler decides.",
        _slot_without_lease, _mend,
    ),
    Check(
        "lane.of_no_job", "job", "Lanes of a job that was deleted are still remembered",
        "They only take room.",
        "Nothing: the background process clears them away.",
        _of_no_job, _forget, is_leftover=True,
    ),
)  # fmt: skip
