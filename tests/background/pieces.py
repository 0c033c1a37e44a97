"""Pieces of background work for tests, named by dotted path."""

from __future__ import annotations

done: list[object] = []
failures = 0


def note(word: object) -> object:
    """Do it, unless it has to fail so many times first."""
    global failures
    if failures > 0:
        failures -= 1
        raise ValueError("not this time")
    done.append(word)
    return word
