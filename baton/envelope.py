"""Bytes on the wire: msgpack, a version, a signature, a size bound.

A frame is the msgpack array `[major, kind, body, signature]`. `body` is the msgpack map of
one message; `signature` is HMAC-SHA256 over major, kind and body, with a key derived from
the access token and the group's name, so that a message of one group means nothing in
another. Opening checks in this order: size, frame, version, kind, signature, fields.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, ClassVar, Protocol, Self, TypeVar

import msgpack

from .errors import BadSignature, Malformed, NewerVersion, TooLarge

MAJOR_VERSION = 1


class Message(Protocol):
    """A value with a wire form: `TriggerParam`, `HandleCallbackParam`."""

    KIND: ClassVar[str]
    SIZE_LIMIT_BYTES: ClassVar[int]

    def to_map(self) -> dict[str, Any]:
        """The wire form."""

    @classmethod
    def from_map(cls, raw: Any) -> Self:
        """Read the wire form."""


def group_key(access_token: str, app_name: str) -> bytes:
    """The signing key of one executor group."""
    return hmac.digest(access_token.encode(), b"baton/group/" + app_name.encode(), hashlib.sha256)


def seal(message: Any, key: bytes) -> bytes:
    """The frame of `message`; raises `TooLarge` over the bound of its kind."""
    body = msgpack.packb(message.to_map(), unicode_errors="surrogatepass")
    kind: str = message.KIND
    frame: bytes = msgpack.packb([MAJOR_VERSION, kind, body, _signature(key, kind, body)])
    if len(frame) > message.SIZE_LIMIT_BYTES:
        raise TooLarge(
            f"{kind} message of log id {message.log_id} has {len(frame):,} bytes; "
            f"the limit is {message.SIZE_LIMIT_BYTES:,} bytes"
        )
    return frame


_M = TypeVar("_M", bound=Message)


def unseal(frame: bytes, expected: type[_M], key: bytes) -> _M:
    """The message in `frame`; raises one of the `MessageError`s."""
    return expected.from_map(_body(frame, expected, key))


def peek(frame: bytes, expected: type[Any]) -> dict[str, Any]:
    """What a frame says of itself, its signature not looked at: to find the right key, or for a person.

    Nothing it says may be believed. Raises `MessageError` if it is no frame of this kind at all.
    """
    return _map(_signed_body(frame, expected, None), expected.KIND)


def _body(frame: bytes, expected: type[Any], key: bytes) -> dict[str, Any]:
    return _map(_signed_body(frame, expected, key), expected.KIND)


def _signed_body(frame: bytes, expected: type[Any], key: bytes | None) -> bytes:
    if len(frame) > expected.SIZE_LIMIT_BYTES:
        raise TooLarge(
            f"{expected.KIND} message has {len(frame):,} bytes; "
            f"the limit is {expected.SIZE_LIMIT_BYTES:,} bytes"
        )
    major, kind, body, signature = _parts(frame, expected.KIND)
    if major > MAJOR_VERSION:
        raise NewerVersion(
            f"{expected.KIND} message has version {major}, this process reads up to "
            f"{MAJOR_VERSION}: upgrade it"
        )
    if major != MAJOR_VERSION:
        raise Malformed(f"{expected.KIND} message has version {major}, which never was")
    if kind != expected.KIND:
        raise Malformed(f"a {expected.KIND} message was expected, not {kind!r}")
    if key is not None and not hmac.compare_digest(signature, _signature(key, kind, body)):
        raise BadSignature(
            f"{expected.KIND} message is not signed for this group: check that BATON_ACCESS_TOKEN "
            "and the group's name are the same on both sides"
        )
    return body


def _parts(frame: bytes, kind: str) -> tuple[int, str, bytes, bytes]:
    try:
        parts = msgpack.unpackb(frame, strict_map_key=True)
    except Exception as problem:
        raise Malformed(f"{kind} message is not msgpack: {problem!r}") from None
    if (
        not isinstance(parts, list)
        or len(parts) < 4
        or [type(part) for part in parts[:4]] != [int, str, bytes, bytes]
    ):
        raise Malformed(f"{kind} message is not a frame of [version, kind, body, signature]")
    return parts[0], parts[1], parts[2], parts[3]


def _map(body: bytes, kind: str) -> dict[str, Any]:
    try:
        raw = msgpack.unpackb(body, strict_map_key=True, unicode_errors="surrogatepass")
    except Exception as problem:
        raise Malformed(f"{kind} message has a body that is not msgpack: {problem!r}") from None
    if not isinstance(raw, dict):
        raise Malformed(f"{kind} message has a body that is not a map")
    return raw


def _signature(key: bytes, kind: str, body: bytes) -> bytes:
    return hmac.digest(key, b"%d\x00%b\x00%b" % (MAJOR_VERSION, kind.encode(), body), "sha256")
