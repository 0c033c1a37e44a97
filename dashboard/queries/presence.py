"""Who is there to run things: executors per group, and what nobody there can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis import Redis

from baton.broker import control, presence
from baton.broker.control import Drain
from baton.broker.presence import ExecutorInfo
from baton.store.groups import GroupView

from ..redis_side import ask


@dataclass(frozen=True, slots=True)
class GroupPresence:
    """One executor group and who serves it now."""

    group: GroupView
    executors: tuple[ExecutorInfo, ...] | None
    """None: Redis is away, nobody knows."""
    drains: Mapping[str, Drain] = field(default_factory=dict)
    """By executor: who wants it to claim nothing new."""

    @property
    def is_deserted(self) -> bool:
        """Nobody listens: what is triggered waits until somebody comes."""
        return self.executors == ()

    @property
    def handlers(self) -> tuple[str, ...]:
        """Every handler that at least one executor has loaded."""
        return tuple(sorted({name for each in self.executors or () for name in each.handlers}))

    @property
    def problems(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Why handlers are missing, each with the executors it holds for."""
        texts = dict.fromkeys(each.problem for each in self.executors or () if each.problem)
        return tuple(
            (text, tuple(each.executor_id for each in self.executors or () if each.problem == text))
            for text in texts
        )

    @property
    def slots(self) -> int:
        """Runs the group can do at a time."""
        return sum(each.slots for each in self.executors or ())

    @property
    def running(self) -> int:
        """Runs it does now, as of the last beats."""
        return sum(each.running for each in self.executors or ())

    def runs_scripts(self, glue_type: str) -> bool:
        """Whether at least one executor may run scripts of this kind, and has the program for it."""
        return any(glue_type in each.glue_types for each in self.executors or ())

    def lacks(self, handler: str) -> bool:
        """Executors are there, and none of them has loaded `handler`."""
        return bool(self.executors) and handler not in self.handlers


def of_groups(groups: Sequence[GroupView]) -> dict[int, GroupPresence]:
    """Who serves each group, by group id."""

    def look(redis: Redis) -> dict[int, GroupPresence]:
        return {
            group.id: GroupPresence(
                group,
                tuple(presence.executors(redis, group.app_name)),
                control.drains(redis, group.app_name),
            )
            for group in groups
        }

    return ask(look, {group.id: GroupPresence(group, None) for group in groups})
