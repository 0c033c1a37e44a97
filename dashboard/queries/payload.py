"""What stands in the bytes of a failed callback: read with care, believed by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

from baton.envelope import group_key, peek, unseal
from baton.errors import BadSignature, MessageError
from baton.messages import HandleCallbackParam, TriggerParam
from baton.store.failed_callbacks import FailedCallbackView
from baton.vocabulary import Ending

HEX_BYTES = 4096
"""What the page shows of the bytes themselves."""
_LONGEST_VALUE = 2000
_BYTES_PER_LINE = 16
_FROM_EXECUTORS = (f"{Ending.SETTLED}:", f"{Ending.STALE}:")


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes as far as they can be read."""

    size: int
    said: tuple[tuple[str, str], ...]
    """Name and value of each field, cut and made printable."""
    signature: str
    is_signed: bool
    hex_lines: tuple[str, ...]


def read_payload(kept: FailedCallbackView, access_token: str) -> Payload:
    """Take the bytes apart; whatever they are, this answers."""
    key = group_key(access_token, kept.app_name)
    around, frame, kind = _opened(kept)
    try:
        said = [*around, *_values(peek(frame, kind))]
    except MessageError as problem:
        return _payload(kept, around, f"not readable: {problem}", is_signed=False)
    try:
        unseal(frame, kind, key)
    except BadSignature:
        return _payload(kept, said, "not by this installation, or not for this group", is_signed=False)
    except MessageError as problem:
        return _payload(kept, said, f"valid, but {problem}", is_signed=True)
    return _payload(kept, said, "valid", is_signed=True)


def _opened(kept: FailedCallbackView) -> tuple[list[tuple[str, str]], bytes, type[Any]]:
    """What a script wrote around the message, the message, and which kind it should be."""
    if kept.field.startswith(_FROM_EXECUTORS):
        return [], kept.payload, HandleCallbackParam
    try:
        reason, executor, attempt, frame = msgpack.unpackb(kept.payload, raw=True, strict_map_key=True)
        around = {"reason": reason, "executor": executor, "attempt": attempt}
    except Exception:
        return [], kept.payload, TriggerParam
    return list(_values(around)), frame if isinstance(frame, bytes) else b"", TriggerParam


def _values(raw: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for name, value in raw.items():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        yield _printable(str(name))[:64], _printable(text)


def _printable(text: str) -> str:
    """Cut, and without characters that could pass for something else on the screen."""
    shown = text[:_LONGEST_VALUE] + ("…" if len(text) > _LONGEST_VALUE else "")
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in shown)


def _payload(
    kept: FailedCallbackView, said: list[tuple[str, str]], signature: str, *, is_signed: bool
) -> Payload:
    return Payload(len(kept.payload), tuple(said), signature, is_signed, tuple(_hex(kept.payload)))


def _hex(raw: bytes) -> Iterator[str]:
    for start in range(0, min(len(raw), HEX_BYTES), _BYTES_PER_LINE):
        line = raw[start : start + _BYTES_PER_LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"{start:06x}  {line.hex(' '):<47}  {text}"
