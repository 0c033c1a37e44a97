"""What is told beside the answer of a command: on standard error, in words, safe on a terminal."""

from __future__ import annotations

import logging
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from baton.telemetry import Event


def remark(text: str) -> None:
    """Say it to the person at the terminal; programs read standard output."""
    print(f"baton: {printable(text)}", file=sys.stderr)


@contextmanager
def spoken() -> Iterator[None]:
    """Within the block, what the library warns about is a remark, too, and not an event for a log."""
    handler, logger = _Remarks(logging.WARNING), logging.getLogger("baton")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Remarks(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        said: object = record.msg
        text = said.facts.get("text") if isinstance(said, Event) else None
        remark(str(text or record.getMessage()))


def printable(text: str) -> str:
    """Text from outside, safe on a terminal: control characters are written out, line ends stay."""
    return "".join(c if c in "\n\t" or _is_safe(c) else c.encode("unicode_escape").decode() for c in text)


def _is_safe(character: str) -> bool:
    # Cc: control, Cf: format (bidirectional overrides among them), Cs: lone surrogates
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs")
