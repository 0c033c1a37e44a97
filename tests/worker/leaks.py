"""Handlers that try to get away, killed at random moments."""

from __future__ import annotations

import random
from pathlib import Path

from baton.vocabulary import Ending
from tests.waiting import until

AT_A_TIME = 8
HANDLERS = ("daemonise", "daemonise", "stubborn", "daemonise-and-die")


def is_alive(path: Path) -> bool:
    """Whether the process whose id a handler wrote there lives."""
    try:
        return Path(f"/proc/{int(path.read_text())}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (OSError, ValueError):
        return False


def leaked_by(world, folder: Path, kills: int, seed: int) -> list[Path]:
    """Run and end so many of them; answers the files of the processes that are alive afterwards."""
    chance = random.Random(seed)
    paths: list[Path] = []
    while len(paths) < kills:
        runs = []
        for _ in range(AT_A_TIME):
            path = folder / f"pid-{len(paths)}"
            paths.append(path)
            limit_s = chance.choice([0, 0, 1])
            log_id = world.push(chance.choice(HANDLERS), str(path), executor_timeout=limit_s)
            runs.append((log_id, path, limit_s, chance.random() < 0.7))
        for log_id, path, limit_s, waits in runs:
            if waits:  # else it is killed while it is getting away, or before it began
                until(lambda path=path, log_id=log_id: path.exists() or log_id in world.ended, 20)
            if not limit_s:
                world.kill(log_id)
        for log_id, *_ in runs:
            # one that was killed before it began is ended by a script
            assert world.result(log_id, 60).ending in (Ending.SETTLED, Ending.KILLED)
    return [path for path in paths if is_alive(path)]
