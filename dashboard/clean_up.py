"""Deletions of ended runs, left to the background process: they may be millions."""

from __future__ import annotations

from dataclasses import asdict

from baton.broker import chores
from baton.store.retention import Spent

from .resources import resources

_CLEAN = "background.retention.clean"


def hand_over(clean_up_id: str, spent: Spent) -> None:
    """Have them deleted, a few at a time; raises RedisError if nobody can be told."""
    work = chores.queue(resources().redis)
    chores.hand_over(work, _CLEAN, f"clean-{clean_up_id}", clean_up_id, asdict(spent))
