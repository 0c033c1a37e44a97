"""What scripts and commands inherit: the executor's environment without Baton's own secrets."""

from __future__ import annotations

import os

_SECRETS = ("BATON_ACCESS_TOKEN", "BATON_SECRET_KEY", "BATON_ADMIN_PASSWORD")


def without_secrets() -> dict[str, str]:
    """A copy of the environment; whoever writes a script must not learn how messages are signed."""
    return {name: value for name, value in os.environ.items() if name not in _SECRETS}
