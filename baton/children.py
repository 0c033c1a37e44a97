"""Child jobs: triggered when a run of their parent succeeds. Pure rules about their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .errors import InputError


def read_ids(text: str) -> tuple[int, ...]:
    """The ids in `12,15`, each once, in their order; raises `InputError`."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) <= 18):
            raise InputError(f"child jobs are ids with commas between, as 12,15; {part[:40]!r} is none")
    return tuple(dict.fromkeys(int(part) for part in parts))


def find_cycle(children_of: Mapping[int, Sequence[int]], job_id: int) -> tuple[int, ...]:
    """A way from the job back to itself, as job ids from it to it; empty if there is none."""
    waiting: list[tuple[int, ...]] = [(job_id,)]
    seen: set[int] = set()
    while waiting:
        way = waiting.pop()
        for child in children_of.get(way[-1], ()):
            if child == job_id:
                return (*way, child)
            if child not in seen:
                seen.add(child)
                waiting.append((*way, child))
    return ()
