"""The source of a script job as people hand it in: checked, and in few words. Pure."""

from __future__ import annotations

import hashlib

from .errors import InputError

SOURCE_LIMIT_BYTES = 256 * 1024
"""It travels in every message of the job, which may have 512 KiB in all."""


def check_source(text: str) -> str:
    """The source with plain line ends; raises `InputError`."""
    source = text.replace("\r\n", "\n")
    size = len(source.encode("utf-8", "surrogatepass"))
    if not source.strip():
        raise InputError("the script is empty")
    if size > SOURCE_LIMIT_BYTES:
        raise InputError(
            f"the script has {size:,} bytes; at most {SOURCE_LIMIT_BYTES:,} fit into a message: keep long "
            "programs where the executor is, and call them from here"
        )
    if "\x00" in source:
        raise InputError("the script has a NUL character; remove it")
    if source != source.encode("utf-8", "replace").decode():
        raise InputError("the script has half a surrogate pair, which is no text")
    return source


def in_short(source: str) -> str:
    """What tells one source from another, for people and for comparisons."""
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    lines = len(source.splitlines())
    return f"{lines} line{'s' if lines != 1 else ''}, sha256 {digest[:16]}"
