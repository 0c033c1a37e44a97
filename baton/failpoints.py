"""Named places where a test may make the process die.

`BATON_FAILPOINTS="push.done=kill"` arms one; several are separated by commas. Actions:
`kill` (SIGKILL to this process), `raise` (RuntimeError), `sleep:<seconds>`, `stop` (SIGSTOP);
`@N` arms the N-th passage only (`settle.done=kill@3`). Unarmed, a failpoint is one
dictionary look-up.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass


@dataclass(slots=True)
class _Armed:
    action: str
    passages_left: int


_armed: dict[str, _Armed] = {}


def arm(spec: str) -> None:
    """Replace all armed failpoints by those of `spec` (empty: none)."""
    _armed.clear()
    for item in filter(None, (part.strip() for part in spec.split(","))):
        name, _, action = item.partition("=")
        action, _, nth = action.partition("@")
        _armed[name] = _Armed(action or "kill", int(nth or 1))


def failpoint(name: str) -> None:
    """Mark the seam `name`: a test may make the process die exactly here."""
    armed = _armed.get(name)
    if armed is None:
        return
    armed.passages_left -= 1
    if armed.passages_left == 0:
        _act(name, armed.action)


def _act(name: str, action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    elif action == "raise":
        raise RuntimeError(f"failpoint {name}")
    else:
        raise ValueError(f"failpoint {name}: unknown action {action!r}")
