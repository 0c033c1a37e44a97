"""What travels through Redis: frozen values with a checked map on either side.

Field names are XXL-JOB's in snake_case. `from_map` accepts only what `to_map` could have
written, ignores unknown fields (an older process may read a newer minor version), and
raises `Malformed` naming the field otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from .errors import Malformed, ParamTooLarge
from .vocabulary import BlockStrategy, GlueType, OnLost, Outcome

PARAM_LIMIT_BYTES = 64 * 1024
"""The largest executor parameter. XXL-JOB's form stops at 2,048 characters."""

HANDLE_MSG_LIMIT_CHARS = 50_000
"""The longest message of an ending; a longer one is cut and ends in "..." (XXL-JOB's rule)."""


def check_param(param: str) -> str:
    """Return `param`, or raise `ParamTooLarge` naming its size and the limit."""
    size = len(param.encode("utf-8", "surrogatepass"))
    if size > PARAM_LIMIT_BYTES:
        raise ParamTooLarge(
            f"the parameter has {size:,} bytes; the limit is {PARAM_LIMIT_BYTES:,} bytes: "
            "store the data elsewhere and pass a reference to it"
        )
    return param


def cut_message(text: str) -> str:
    """`text`, cut to 50,000 characters with a visible "..." at the end (seed row R6)."""
    if len(text) <= HANDLE_MSG_LIMIT_CHARS:
        return text
    return text[:HANDLE_MSG_LIMIT_CHARS] + "..."


def _checked(kind: type[Any], name: str, required: type[Any], raw: Mapping[str, Any]) -> Any:
    try:
        value = raw[name]
    except KeyError:
        raise Malformed(f"{kind.__name__}: field {name!r} is missing") from None
    # bool is an int to Python, never to us
    if type(value) is not required:
        raise Malformed(
            f"{kind.__name__}: field {name!r} must be {required.__name__}, not {type(value).__name__}"
        )
    return value


def needs_of(glue_type: str, executor_handler: str) -> str:
    """What an executor needs for a run: the name of a handler, or a glue type other than BEAN."""
    return executor_handler if glue_type == GlueType.BEAN else glue_type


@dataclass(frozen=True, slots=True)
class TriggerParam:
    """Asks an executor to run one handler once."""

    KIND: ClassVar[str] = "trigger"
    SIZE_LIMIT_BYTES: ClassVar[int] = 512 * 1024

    app_name: str
    job_id: int
    log_id: int
    log_date_time: int
    """The trigger time of the log row, epoch milliseconds; names the folder of the run log."""
    fire_at_ms: int
    """The instant the schedule named (for other triggers: the moment of the request)."""
    executor_handler: str
    executor_params: str
    executor_block_strategy: str
    executor_timeout: int
    """Seconds; 0 is no limit."""
    glue_type: str
    glue_source: str
    glue_updatetime: int
    broadcast_index: int
    broadcast_total: int
    attempt: int
    """Counts up from 1."""
    on_lost: str
    trace_parent: str = ""
    """The push as a place in a trace (W3C `traceparent`); empty, and not in the message, without tracing."""

    @property
    def needs(self) -> str:
        """What an executor needs to run it: a handler, or what runs code of this glue type."""
        return needs_of(self.glue_type, self.executor_handler)

    def to_map(self) -> dict[str, Any]:
        """The wire form."""
        return _with_trace({name: getattr(self, name) for name in _TRIGGER_FIELDS}, self.trace_parent)

    @classmethod
    def from_map(cls, raw: Mapping[str, Any]) -> Self:
        """Read the wire form; raises `Malformed`."""
        values = {name: _checked(cls, name, kind, raw) for name, kind in _TRIGGER_FIELDS.items()}
        if values["log_id"] <= 0 or values["job_id"] <= 0:
            raise Malformed("TriggerParam: log_id and job_id must be positive")
        _member(cls, "executor_block_strategy", BlockStrategy, values)
        _member(cls, "on_lost", OnLost, values)
        return cls(**values, trace_parent=_trace_parent(cls, raw))


@dataclass(frozen=True, slots=True)
class HandleCallbackParam:
    """Says how one run ended."""

    KIND: ClassVar[str] = "callback"
    SIZE_LIMIT_BYTES: ClassVar[int] = 1024 * 1024

    app_name: str
    log_id: int
    log_date_time: int
    handle_code: int
    handle_msg: str
    outcome: str
    executor_address: str
    started_ms: int
    """Wall clock of the executor when the handler began; 0 if it never did."""
    ended_ms: int
    attempt: int
    token: int
    result: str
    """What the handler returned, as JSON; empty for None."""
    trace_parent: str = ""
    """The run, or the push before it, as a place in a trace; as in `TriggerParam`."""

    def to_map(self) -> dict[str, Any]:
        """The wire form."""
        return _with_trace({name: getattr(self, name) for name in _CALLBACK_FIELDS}, self.trace_parent)

    @classmethod
    def from_map(cls, raw: Mapping[str, Any]) -> Self:
        """Read the wire form; raises `Malformed`."""
        values = {name: _checked(cls, name, kind, raw) for name, kind in _CALLBACK_FIELDS.items()}
        if values["handle_code"] <= 0:
            raise Malformed("HandleCallbackParam: handle_code must be positive")
        _member(cls, "outcome", Outcome, values)
        return cls(**values, trace_parent=_trace_parent(cls, raw))


def _member(kind: type[Any], name: str, words: type[Any], values: Mapping[str, Any]) -> None:
    if values[name] not in words._value2member_map_:
        allowed = ", ".join(words._value2member_map_)
        raise Malformed(f"{kind.__name__}: {name} {values[name]!r} is not one of {allowed}")


def _with_trace(told: dict[str, Any], trace_parent: str) -> dict[str, Any]:
    if trace_parent:
        told[_TRACE_PARENT] = trace_parent
    return told


def _trace_parent(kind: type[Any], raw: Mapping[str, Any]) -> str:
    """It came with a minor version: messages of older processes do not have it."""
    return str(_checked(kind, _TRACE_PARENT, str, raw)) if _TRACE_PARENT in raw else ""


_TRACE_PARENT = "trace_parent"
_KINDS: dict[str, type[Any]] = {"str": str, "int": int}
_TRIGGER_FIELDS = {f.name: _KINDS[str(f.type)] for f in fields(TriggerParam) if f.name != _TRACE_PARENT}
_CALLBACK_FIELDS = {
    f.name: _KINDS[str(f.type)] for f in fields(HandleCallbackParam) if f.name != _TRACE_PARENT
}

BEAN = GlueType.BEAN.value
