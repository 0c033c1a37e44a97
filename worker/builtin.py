"""The built-in handlers, each only where the executor's configuration allows it something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baton.handlers import job
from baton.outbound import read_hosts

from . import builtin_command, builtin_http

COMMANDS, HTTP_HOSTS = "commands", "http_hosts"


def declare(allowed: Mapping[str, Sequence[str]]) -> None:
    """Declare those that may do something here, like handlers of the user."""
    if allowed[COMMANDS]:
        job(builtin_command.NAME)(builtin_command.Commands(allowed[COMMANDS]).run)
    if allowed[HTTP_HOSTS]:
        job(builtin_http.NAME)(builtin_http.HttpJobs(read_hosts(allowed[HTTP_HOSTS])).run)
