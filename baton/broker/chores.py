"""Background work, handed to RQ by dotted name.

Our own RQ queue, in our own Redis, with JSON arguments: no pickle. The id of a piece of work makes it one,
however many schedulers hand it over; what it does once must not hang on that alone, because RQ forgets ids.
"""

from __future__ import annotations

import time
from typing import Any

from redis import Redis
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from ..errors import BrokerError

QUEUE = "baton-background"
_LOOK_S = 0.1
_KEPT_S = 3600
"""How long RQ keeps an ended piece of work, and with it its id."""


class NoAnswer(BrokerError):
    """Nobody did the work, or it failed."""


def queue(redis: Redis) -> Queue:
    """The queue of background work; keep it, because a new one asks the server what it is."""
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def hand_over(work: Queue, name: str, work_id: str, *arguments: Any, timeout_s: int = 60) -> bool:
    """Let the background process call `name`, a dotted path; False if this id is there already."""
    try:
        work.enqueue_call(
            name,
            args=arguments,
            timeout=timeout_s,
            result_ttl=_KEPT_S,
            failure_ttl=_KEPT_S,
            job_id=work_id,
            unique=True,
        )
    except DuplicateJobError:
        return False
    return True


def ask(work: Queue, name: str, work_id: str, *arguments: Any, wait_s: float) -> Any:
    """Let the background process call `name`, and wait for its answer; raises `NoAnswer`."""
    job = work.enqueue_call(name, args=arguments, timeout=60, result_ttl=60, failure_ttl=60, job_id=work_id)
    give_up_s = time.monotonic() + wait_s
    while time.monotonic() < give_up_s:
        result = job.latest_result()
        if result is not None:
            if result.type is not result.Type.SUCCESSFUL:
                raise NoAnswer("the background process met a problem; its output has the trace")
            return result.return_value
        time.sleep(_LOOK_S)
    raise NoAnswer("the background process does not answer: does one run?")
