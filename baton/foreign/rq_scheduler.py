"""rq-scheduler: the jobs of its sorted set, each as the fields of its hash in Redis.

RQ stores the call and what rq-scheduler adds to it (expression, interval) by the serializer of the job:
JSON, or pickles, of which only plain values are read. A call that cannot be read that way is taken from
the description, which RQ writes as the call; a person has to look at it, because anybody may set it.
"""

from __future__ import annotations

import ast
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import InputError
from . import ForeignJob, Reading, plain_pickle, read_each
from .rq_job import cron_of, said_of, timeout_of

_MOST_BYTES = 1 << 20
_PICKLE = b"\x80"


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """One member of the sorted set."""

    id: str
    due_s: float
    """When it is enqueued next, in epoch seconds."""
    fields: Mapping[str, bytes]
    """Of its hash; empty if it is gone."""


@dataclass(frozen=True, slots=True)
class _Call:
    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    hindrance: str = ""


def read(scheduled: list[ScheduledJob], *, zone: str) -> Reading:
    """Read them. `zone` counts for those that follow the local time of their scheduler."""
    return read_each(scheduled, _place, lambda each: _job(each, zone))


def _place(scheduled: ScheduledJob) -> str:
    return f"job {scheduled.id}"


def _job(scheduled: ScheduledJob, zone: str) -> ForeignJob:
    fields = scheduled.fields
    if not fields:
        raise InputError("its hash is gone, and with it what it would run")
    call, meta = _call(fields), _meta(fields)
    schedule, expression = _schedule(meta, scheduled.due_s, zone)
    queue = fields.get("origin", b"default").decode("utf-8", "replace")
    said: dict[str, Any] = {
        "name": f"{call.function.rpartition('.')[2]} {scheduled.id}"[:128],
        **said_of(call.function, queue, call.args, call.kwargs),
        **schedule,
    }
    if limit_s := timeout_of(fields.get("timeout", b"").decode("utf-8", "replace")):
        said["timeout"] = limit_s
    hindrances = [call.hindrance] if call.hindrance else []
    if meta.get("repeat") is not None:
        hindrances.append(f"it repeats {meta['repeat']} more times there, and without end here")
    return ForeignJob(scheduled.id, _place(scheduled), expression, said, hindrance="; ".join(hindrances))


def _schedule(meta: Mapping[str, Any], due_s: float, zone: str) -> tuple[dict[str, Any], str]:
    """As a declaration says it, and as rq-scheduler does."""
    if expression := meta.get("cron_string"):
        where = zone if meta.get("use_local_timezone") else "UTC"
        return {"cron": cron_of(str(expression)), "zone": where}, str(expression)
    if interval := meta.get("interval"):
        return {"every": str(interval)}, f"every {interval} s"
    moment = datetime.fromtimestamp(due_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"once": moment, "zone": "UTC"}, f"once, {moment} UTC"


def _call(fields: Mapping[str, bytes]) -> _Call:
    try:
        function, instance, args, kwargs = _plain(fields.get("data", b""))
    except (InputError, ValueError, TypeError) as problem:
        return _described(fields.get("description", b"").decode("utf-8", "replace"), str(problem))
    if instance is not None or not isinstance(function, str):
        raise InputError("it calls a method of an object; here a function has a dotted path")
    return _Call(function, tuple(args), dict(kwargs))


def _described(description: str, why: str) -> _Call:
    """The call that the description shows; raises `InputError` if it shows none."""
    try:
        call = ast.parse(description, mode="eval").body
        if not isinstance(call, ast.Call) or "..." in description:  # RQ cuts long arguments
            raise InputError(
                f"what it calls cannot be read ({why}), and its description {description!r:.60} is no call"
            )
        return _Call(
            ast.unparse(call.func),
            tuple(ast.literal_eval(each) for each in call.args),
            {str(each.arg): ast.literal_eval(each.value) for each in call.keywords},
            hindrance="its call is read from its description: look whether function and arguments are right",
        )
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise InputError(
            f"what it calls cannot be read ({why}), and its description {description!r:.60} is no call"
        ) from None


def _meta(fields: Mapping[str, bytes]) -> Mapping[str, Any]:
    raw = fields.get("meta", b"")
    try:
        found = _plain(raw) if raw else {}
    except (InputError, ValueError) as problem:
        raise InputError(f"its schedule cannot be read: {problem}") from None
    if not isinstance(found, dict):
        raise InputError("its schedule cannot be read: it is no mapping")
    return found


def _plain(raw: bytes) -> Any:
    """JSON or plain values of a pickle, as they are or compressed; raises `InputError` or `ValueError`."""
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(raw, _MOST_BYTES)
        if not unpacking.eof:
            raise InputError(f"it has more than {_MOST_BYTES:,} bytes, or breaks off")
    except zlib.error:
        data = raw
    return plain_pickle.read(data) if data.startswith(_PICKLE) else json.loads(data)
