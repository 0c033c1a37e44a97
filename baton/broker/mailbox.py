"""Ask one executor something, and its answer: executors cannot be dialled, so Redis carries both."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self, cast

from redis import Redis

from ..envelope import seal, unseal
from ..errors import Malformed, MessageError
from ..logfile import PIECE_BYTES, ReadAt, find, piece_before, piece_from
from .keys import GroupKeys

_KEPT_S = 60
RENEW_HINT = b"renew"
"""Written by scripts: a stop was flagged beside one of this executor's leases."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Read the run log of `log_id`: from a line on, from a byte on, or the lines before a byte.

    A byte of -1 is not asked for; `logfile.END` in `before_byte` asks for the last lines.
    """

    KIND: ClassVar[str] = "log_request"
    SIZE_LIMIT_BYTES: ClassVar[int] = 4 * 1024

    log_id: int
    log_date_time: int
    from_line: int = 0
    """1 is the first."""
    reply_to: str = ""
    from_byte: int = -1
    before_byte: int = -1
    needle: str = ""
    """A text: the answer's content are places of lines that have it: byte, tab and text of each."""
    wait_ms: int = 0
    """While nothing has come after `from_byte`, the answer may wait this long for it."""

    @property
    def is_by_byte(self) -> bool:
        """Whether line numbers only decorate the answer."""
        return self.from_byte >= 0 or self.before_byte >= 0

    def to_map(self) -> dict[str, Any]:
        """The wire form."""
        return asdict(self)

    @classmethod
    def from_map(cls, raw: Mapping[str, Any]) -> Self:
        """Read the wire form; raises `Malformed`."""
        return cls(**_checked_fields(cls, raw))


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """A piece of a run log (XXL-JOB's LogResult)."""

    KIND: ClassVar[str] = "log_answer"
    SIZE_LIMIT_BYTES: ClassVar[int] = 2 * 1024 * 1024

    from_line: int
    """0: asked by byte, and not counted so far."""
    to_line: int
    content: str
    is_end: bool
    """Nothing more will come: the run has ended and this was its last line."""
    message: str = ""
    """Why there is no content, if there is none for a reason."""
    log_id: int = 0
    from_byte: int = 0
    to_byte: int = 0
    """Where the next piece begins."""
    size: int = 0
    """How long the whole log is, as it is now; 0 if that is not known."""

    def to_map(self) -> dict[str, Any]:
        """The wire form."""
        return asdict(self)

    @classmethod
    def from_map(cls, raw: Mapping[str, Any]) -> Self:
        """Read the wire form; raises `Malformed`."""
        return cls(**_checked_fields(cls, raw))


@dataclass(frozen=True, slots=True)
class MailItem:
    """Something for this executor: a request, or None for "renew now, a stop was flagged"."""

    request: LogRequest | None


class Mailbox:
    """The executor's side."""

    def __init__(
        self, blocking_redis: Redis, redis: Redis, key: bytes, app_name: str, executor_id: str
    ) -> None:
        self._blocking = blocking_redis
        self._redis = redis
        self._key = key
        self._keys = GroupKeys(app_name, executor_id)

    def next(self, wait_s: float) -> MailItem | None:
        """The next request; None after `wait_s` without one. Raises `MessageError` for a bad one."""
        popped = cast(tuple[bytes, bytes] | None, self._blocking.blpop([self._keys.named("mail")], wait_s))
        if popped is None:
            return None
        if popped[1] == RENEW_HINT:
            return MailItem(None)
        return MailItem(unseal(popped[1], LogRequest, self._key))

    def reply(self, request: LogRequest, answer: LogAnswer) -> None:
        """Answer a request; nobody may be waiting any more, then the answer expires."""
        reply = self._keys.reply(request.reply_to)
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(reply, seal(answer, self._key))
            pipeline.expire(reply, _KEPT_S)
            pipeline.execute()


def ask_log(
    redis: Redis,
    blocking_redis: Redis,
    key: bytes,
    app_name: str,
    executor_id: str,
    request: LogRequest,
    *,
    wait_s: float,
) -> LogAnswer | None:
    """Ask the executor for a piece of a run log; None if it does not answer within `wait_s`."""
    keys = GroupKeys(app_name, executor_id)
    nonce = secrets.token_hex(16)
    question = replace(request, reply_to=nonce)
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.rpush(keys.named("mail"), seal(question, key))
        pipeline.expire(keys.named("mail"), _KEPT_S)
        pipeline.execute()
    popped = cast(tuple[bytes, bytes] | None, blocking_redis.blpop([keys.reply(nonce)], wait_s))
    if popped is None:
        return None
    try:
        return unseal(popped[1], LogAnswer, key)
    except MessageError as problem:
        return LogAnswer(request.from_line, request.from_line, "", True, str(problem))


def answer_by_byte(
    request: LogRequest,
    read_at: ReadAt,
    size: int,
    *,
    is_growing: bool,
    piece_bytes: int = PIECE_BYTES,
) -> LogAnswer:
    """The answer to a request by byte, from a log of `size` bytes. Line numbers are not known here."""
    at = max(request.from_byte, 0)
    if request.needle:
        found = find(read_at, request.needle, at, size)
        content = "".join(f"{place.from_byte}\t{place.text}\n" for place in found.places)
        begin, end = at, found.to_byte
    else:
        is_back = request.before_byte >= 0
        piece = (piece_before if is_back else piece_from)(
            read_at,
            request.before_byte if is_back else at,
            size,
            is_growing=is_growing,
            piece_bytes=piece_bytes,
        )
        content, begin, end = piece.text, piece.from_byte, piece.to_byte
    return LogAnswer(
        from_line=0,
        to_line=0,
        content=content,
        is_end=not is_growing and end >= size,
        log_id=request.log_id,
        from_byte=begin,
        to_byte=end,
        size=size,
    )


_WIRE_KINDS: dict[str, type] = {"int": int, "str": str, "bool": bool}


def _checked_fields(kind: type[Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in fields(kind):
        # a field with a default is newer than the others: who is older than it does not send it
        value = raw.get(each.name, None if each.default is MISSING else each.default)
        if type(value) is not _WIRE_KINDS[str(each.type)]:
            raise Malformed(f"{kind.__name__}: field {each.name!r} must be {each.type}")
        values[each.name] = value
    return values
