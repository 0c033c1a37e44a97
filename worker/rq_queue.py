"""The conversation with a user's RQ: enqueue a function, see how it goes, stop it.

Written by RQ's own code, so that every worker understands it; read as plain fields of Redis, so that
nothing of theirs is ever unpickled here.
"""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from baton.broker.client import connect
from baton.broker.keys import RQ_CHANNEL, rq_result
from baton.endings import KeptResult
from baton.rq_target import RqArguments, RqTarget

FINISHED, FAILED, STOPPED, CANCELED = "finished", "failed", "stopped", "canceled"
STARTED = "started"
_KEPT_S = 7 * 86_400
"""How long RQ keeps an ended job: a repeated enqueue finds it and attaches to it."""
_LONGEST_TRACE_BYTES = 1024 * 1024
_PACKERS = {"pickle": "", "json": "rq.serializers.JSONSerializer"}


@dataclass(frozen=True, slots=True)
class RqState:
    """One RQ job as its Redis tells it."""

    status: str
    """RQ's word; empty: there is no such job."""
    worker: str = ""
    is_worker_alive: bool = True
    failure: str = ""
    """The traceback RQ kept."""
    result: KeptResult = field(default=KeptResult(""))
    """What it returned, if the hook said it."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in (FINISHED, FAILED, STOPPED, CANCELED)

    @property
    def is_running(self) -> bool:
        """Whether a worker has begun it."""
        return self.status == STARTED and bool(self.worker)

    @property
    def is_abandoned(self) -> bool:
        """Whether its worker died: RQ says so minutes later, and only if another worker is there."""
        return self.status == STARTED and not self.is_worker_alive


class RqQueue:
    """RQ in one Redis."""

    def __init__(self, url: str, *, serializer: str, has_hook: bool) -> None:
        self._redis = connect(url)
        self._serializer = _PACKERS.get(serializer, serializer) or None
        self._has_hook = has_hook
        self._queues: dict[str, Any] = {}

    def enqueue(self, job_id: str, target: RqTarget, arguments: RqArguments, timeout_s: int) -> bool:
        """Put a call into its queue; False if this job is there already. `timeout_s` 0: no limit."""
        from rq.exceptions import DuplicateJobError

        try:
            self._queue(target.queue).enqueue_call(
                target.function,
                args=arguments.args,
                kwargs=arguments.kwargs or {},
                timeout=timeout_s or -1,
                result_ttl=_KEPT_S,
                failure_ttl=_KEPT_S,
                job_id=job_id,
                unique=True,
                description=f"{target.function} ({job_id})",
                **self._hooks(),
            )
        except DuplicateJobError:
            return False
        return True

    def look(self, job_ids: Sequence[str]) -> dict[str, RqState]:
        """How these jobs go, in two round trips."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hmget(f"rq:job:{job_id}", "status", "worker_name")
            found = [[_text(value) for value in pair] for pair in pipeline.execute()]
            for job_id, (_, worker) in zip(job_ids, found, strict=True):
                pipeline.exists(f"rq:worker:{worker}")
                pipeline.xrevrange(f"rq:results:{job_id}", count=1)
                pipeline.get(rq_result(job_id))
            said = pipeline.execute()
        states = {}
        for i, job_id in enumerate(job_ids):
            (status, worker), (is_there, results, returned) = found[i], said[3 * i : 3 * i + 3]
            alive = bool(is_there) or not worker
            states[job_id] = RqState(status, worker, alive, _failure(results), _result(returned))
        return states

    def take_out(self, job_id: str, queue: str) -> bool:
        """Cancel it if it waits in its queue; False if it does not."""
        if not self._redis.lrem(f"rq:queue:{queue}", 1, job_id):
            return False
        self._redis.hset(f"rq:job:{job_id}", "status", CANCELED)
        return True

    def ask_to_stop(self, job_id: str, worker: str) -> None:
        """Ask its worker to kill it. A worker that listens to nobody at that moment does not hear it."""
        from rq.command import send_command

        send_command(self._redis, worker, "stop-job", job_id=job_id)

    def listen(self, on_word: Callable[[str], object]) -> None:
        """Call `on_word` with the id of each job the hook speaks of, for ever. Raises Redis errors."""
        subscription = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        with contextlib.closing(subscription):
            subscription.subscribe(RQ_CHANNEL)
            while True:
                message = subscription.get_message(timeout=4.0)
                if message is not None:
                    on_word(_text(message["data"]))

    def _queue(self, name: str) -> Any:
        """Kept, because a new one asks the server what it is."""
        from rq import Queue

        if name not in self._queues:
            self._queues[name] = Queue(name, connection=self._redis, serializer=self._serializer)
        return self._queues[name]

    def _hooks(self) -> dict[str, Any]:
        if not self._has_hook:
            return {}
        from rq import Callback

        return {
            "on_success": Callback("baton.rq_hook.succeeded"),
            "on_failure": Callback("baton.rq_hook.ended"),
            "on_stopped": Callback("baton.rq_hook.ended"),
        }


def _text(value: bytes | str | None) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _failure(entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> str:
    """The traceback in the newest result: base64 of zlib of text."""
    packed = entries[0][1].get(b"exc_string") if entries else None
    if not packed:
        return ""
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(packed), _LONGEST_TRACE_BYTES)
        return raw.decode("utf-8", "replace")
    except (ValueError, zlib.error) as problem:
        return f"(RQ's traceback cannot be read: {problem})"


def _result(left: bytes | str | None) -> KeptResult:
    """What the hook left."""
    if left is None:
        return KeptResult("")
    try:
        text, problem = json.loads(left)
        json.loads(text or "null")
    except (TypeError, ValueError):  # by a Baton of another version, beside the functions
        return KeptResult("", "what the hook in the RQ worker left of the returned value cannot be read")
    return KeptResult(text, str(problem))
