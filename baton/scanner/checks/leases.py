"""Leases: each has a slot, an executor that holds it, a run that has not ended, and a token that counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from redis import Redis

from ...broker import repairs
from ...broker.inventory import Lease
from ...store.findings import Sighting
from ..check import Check, Clue, Seen
from .lanes import job_id_of

_NAMED = 10


def _clue(lease: Lease, text: str) -> Clue:
    evidence = f"{text} (token {lease.token}, executor {lease.executor_id})"
    job_id = job_id_of(lease.lane)
    return Clue(str(lease.log_id), evidence, lease.log_id, job_id, lease.executor_id, lease.lane)


def _without_slot(seen: Seen) -> Iterator[Clue]:
    for lease in seen.redis.leases.values():
        if lease.log_id not in seen.redis.slots.get(lease.holder, ()):
            yield _clue(lease, f"it has no slot of {lease.holder}")


def _not_held(seen: Seen) -> Iterator[Clue]:
    for lease in seen.redis.leases.values():
        is_there = lease.executor_id in seen.redis.beats
        if is_there and lease.log_id not in seen.redis.held.get(lease.executor_id, ()):
            yield _clue(lease, "its executor is not said to hold it")


def _without_executor(seen: Seen) -> Iterator[Clue]:
    for lease in seen.redis.leases.values():
        if lease.executor_id not in seen.redis.beats:
            yield _clue(lease, "no executor of that name is there")


def _of_ended_run(seen: Seen) -> Iterator[Clue]:
    for lease in seen.redis.leases.values():
        if seen.is_ended(lease.log_id):
            yield _clue(lease, f"its row has ended: {seen.rows.states[lease.log_id].outcome}")


def _of_no_run(seen: Seen) -> Iterator[Clue]:
    for lease in seen.redis.leases.values():
        if lease.log_id not in seen.rows.states:
            yield _clue(lease, "there is no such row")


def _too_many(seen: Seen) -> Iterator[Clue]:
    by_holder: defaultdict[str, list[Lease]] = defaultdict(list)
    for lease in seen.redis.leases.values():
        by_holder[lease.holder].append(lease)
    for holder, leases in by_holder.items():
        most = max(lease.slots for lease in leases)
        if len(leases) > most:
            yield Clue(holder, _too_many_text(leases, most), job_id=job_id_of(holder), lane=holder)


def _too_many_text(leases: Iterable[Lease], most: int) -> str:
    log_ids = sorted(lease.log_id for lease in leases)
    return f"runs {', '.join(map(str, log_ids[:_NAMED]))} have leases, {most} at a time may"


def _outranks(seen: Seen) -> Iterator[Clue]:
    last = seen.redis.last_token
    newest = max(seen.redis.leases.values(), key=lambda lease: lease.token, default=None)
    if last is not None and newest is not None and newest.token > last:
        yield _clue(newest, f"the counter of tokens is at {last} only")


def _unreadable(seen: Seen) -> Iterator[Clue]:
    for name in seen.redis.unreadable_leases:
        log_id = int(name) if name.isdigit() and len(name) <= 18 else 0
        yield Clue(name, "its bytes are no lease of this version", log_id)


def _restore(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.restore_leases(redis, app_name, [each.log_id for each in found])


def _raise_token(redis: Redis, app_name: str, _found: Sequence[Sighting]) -> None:
    repairs.raise_token(redis, app_name)


CHECKS = (
    Check(
        "lease.without_executor", "run", "A run is leased to an executor that is not there",
        "Nobody watches that executor, so nobody takes the run back, and its slot stays taken. Somebody "
        "deleted the beats, or Redis lost its last second.",
        "Repair it: the executor is watched again, declared dead, and the run ends as lost or runs again, as "
        "its job says.",
        _without_executor, _restore,
    ),
    Check(
        "lease.not_held", "run", "A lease is missing among what its executor holds",
        "If that executor dies now, this run is not taken back.",
        "Repair it.",
        _not_held, _restore,
    ),
    Check(
        "lease.without_slot", "run", "A run is under way without a slot",
        "Another run of the same lane may begin beside it, although they are to run one after the other.",
        "Repair it, soon.",
        _without_slot, _restore,
    ),
    Check(
        "lease.too_many", "lane", "More runs are under way than the lane has slots",
        "Runs overlap that were to run one after the other. Somebody edited keys, or a script has a bug.",
        "Look at these runs; kill those that do harm. Report it, with what happened before.",
        _too_many,
    ),
    Check(
        "lease.of_ended_run", "run", "A run that has ended is leased",
        "It runs although its row says that it is over, or its executor has forgotten to say so. Somebody "
        "edited the row, or restored a database.",
        "Look whether it really runs: its log says so. If it does, let it end, or stop its executor.",
        _of_ended_run,
    ),
    Check(
        "lease.of_no_run", "run", "A run is under way that has no row",
        "Its result will be kept as a failed callback. The row was deleted, or an older database restored.",
        "Let it end, then decide on the failed callback.",
        _of_no_run,
    ),
    Check(
        "lease.outranks", "run", "The next tokens would not outrank this one",
        "Fencing tokens must grow: a resource that checks them would refuse the next runs. Somebody set the "
        "counter, or the clock of Redis went back while its data were lost.",
        "Repair it: the counter is raised.",
        _outranks, _raise_token,
    ),
    Check(
        "lease.unreadable", "run", "A lease cannot be read",
        "Nobody can take the run back or tell whose it is. Somebody wrote into the keys, or executors of "
        "very different versions run side by side.",
        "Stop the executors of other versions. If nothing holds the run, delete the field of the hash "
        "`leases`; the scheduler then decides about the run.",
        _unreadable,
    ),
)  # fmt: skip
