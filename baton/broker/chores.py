"""Background work, handed to RQ by dotted name.

Our own RQ queue, in our own Redis, with JSON arguments: no pickle. The id of a piece of work makes it one,
however many schedulers hand it over; what it does once must not hang on that alone, because RQ forgets ids.

RQ has no hook that fires for every way in which work can end: a killed worker calls none. So what failed is
looked for (`take_up_again`), whatever made it fail.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from redis import Redis

from ..errors import BrokerError

if TYPE_CHECKING:  # RQ is loaded by whoever hands work over, not by whoever imports this
    from rq import Queue
    from rq.job import Job

QUEUE = "baton-background"
_LOOK_S = 0.1
_KEPT_S = 3600
"""How long RQ keeps an ended piece of work, and with it its id."""
_TRIES = "tries"
_LAST_TRY = 1000
_GIVEN_UP = "given_up"


class NoAnswer(BrokerError):
    """Nobody did the work, or it failed."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A piece of work that failed as often as it may."""

    work_id: str
    name: str
    tries: int
    problem: str
    """The last line of its trace."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Background work that nobody began yet, and what failed in the last hour."""

    waiting: int
    oldest_s: float
    failed: int


def queue(redis: Redis) -> Queue:
    """The queue of background work; keep it, because a new one asks the server what it is."""
    from rq import Queue
    from rq.serializers import JSONSerializer

    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def hand_over(
    work: Queue,
    name: str,
    work_id: str,
    *arguments: Any,
    timeout_s: int = 60,
    kept_s: int = _KEPT_S,
    waits_s: int | None = None,
    is_repeated: bool = False,
) -> bool:
    """Let the background process call `name`, a dotted path; False if this id is there already.

    The id is made of letters, digits, `-` and `_`, and is known for `kept_s` after the work has ended. Work
    that nobody began within `waits_s` is dropped. What `is_repeated` soon anyway is not taken up again when
    it fails.
    """
    from rq.exceptions import DuplicateJobError

    try:
        work.enqueue_call(
            name,
            args=arguments,
            timeout=timeout_s,
            result_ttl=kept_s,
            failure_ttl=kept_s,
            ttl=waits_s,
            job_id=work_id,
            meta={_TRIES: _LAST_TRY} if is_repeated else None,
            unique=True,
        )
    except DuplicateJobError:
        return False
    return True


def ask(work: Queue, name: str, work_id: str, *arguments: Any, wait_s: float) -> Any:
    """Let the background process call `name`, and wait for its answer; raises `NoAnswer`."""
    job = work.enqueue_call(
        name,
        args=arguments,
        timeout=60,
        result_ttl=60,
        failure_ttl=60,
        job_id=work_id,
        meta={_GIVEN_UP: True},  # whoever asked is told of a failure, and asks again if he likes
    )
    give_up_s = time.monotonic() + wait_s
    while time.monotonic() < give_up_s:
        result = job.latest_result()
        if result is not None:
            if result.type is not result.Type.SUCCESSFUL:
                raise NoAnswer("the background process met a problem; its output has the trace")
            return result.return_value
        time.sleep(_LOOK_S)
    raise NoAnswer("the background process does not answer: does one run?")


def take_up_again(work: Queue, pauses_s: Sequence[float], limit: int = 1000) -> list[Broken]:
    """Hand over again what failed, each time after a longer pause; answers what is given up now.

    Work whose process was killed counts as failed once its time limit is over. Any number of schedulers may
    call this at once: RQ's registry gives each failed piece to one of them.
    """
    from rq.job import Job

    work.started_job_registry.cleanup()
    failed = work.failed_job_registry.get_job_ids(0, limit - 1)
    found = Job.fetch_many(failed, connection=work.connection, serializer=work.serializer)
    news = (_take_up(work, job, pauses_s) for job in found if job is not None)
    return [broken for broken in news if broken is not None]


def backlog(work: Queue) -> Backlog:
    """How much waits, for how long, and how much failed."""
    waits_s = max((_age_s(job.enqueued_at) for job in work.get_jobs(0, 1) if job.enqueued_at), default=0.0)
    return Backlog(work.count, max(0.0, waits_s), work.failed_job_registry.count)


def _take_up(work: Queue, job: Job, pauses_s: Sequence[float]) -> Broken | None:
    from rq.exceptions import InvalidJobOperation

    meta = job.get_meta(refresh=False)
    if meta.get(_GIVEN_UP):
        return None
    tries = int(meta.get(_TRIES, 1))
    if tries > len(pauses_s):
        job.meta[_GIVEN_UP] = True
        job.save_meta()  # type: ignore[no-untyped-call]
        return Broken(job.id, job.func_name or "", tries, _last_line(job))
    if job.ended_at is not None and _age_s(job.ended_at) < pauses_s[tries - 1]:
        return None
    job.meta[_TRIES] = tries + 1
    try:
        work.failed_job_registry.requeue(job)
    except InvalidJobOperation:
        return None  # another scheduler took it
    return None


def _age_s(moment: datetime) -> float:
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (datetime.now(UTC) - known).total_seconds()


def _last_line(job: Job) -> str:
    result = job.latest_result()
    lines = ((result.exc_string if result else "") or "").strip().splitlines()
    return lines[-1][:500] if lines else "it says nothing"
