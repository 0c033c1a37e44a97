"""What pieces of background work share: RQ calls plain functions, with JSON arguments and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from rq import Queue
from sqlalchemy import Engine

from baton.clock import SYSTEM_CLOCK, Clock
from baton.scanner.weigh import GRACE_S
from baton.store.retention import FOR_EVER, Keep


@dataclass(frozen=True, slots=True)
class Here:
    """The installation this process works for."""

    engine: Engine
    queue: Queue
    """Where work hands over what is left of it."""
    public_url: str = ""
    webhook_hosts: Sequence[str] = ()
    keep: Keep = FOR_EVER
    """How long runs are kept of groups that do not say it themselves."""
    audit_days: int = 0
    zone: tzinfo = UTC
    """Whose days the reports count by."""
    grace_s: float = GRACE_S
    """How long what looks wrong must do so to be a finding."""
    clock: Clock = SYSTEM_CLOCK


_here: list[Here] = []


def install(here: Here) -> None:
    """Let the work of this process find it."""
    _here[:] = [here]


def here() -> Here:
    """The installation; raises `RuntimeError` outside the background process."""
    if not _here:
        raise RuntimeError("background work is called by `python -m background` only")
    return _here[0]
