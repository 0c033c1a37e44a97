"""How gunicorn serves the dashboard. It reads WEB_CONCURRENCY, the number of processes, itself."""

import os
from typing import Any

from gunicorn.glogging import Logger

# not `import config`: gunicorn takes that name for its own setting
from config import start_process

_settings = start_process("web", os.environ)
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

bind = f"{_host}:{_settings.port}"
worker_class = "gthread"
threads = 16  # each log that is followed holds one; the dashboard bounds them to half
keepalive = 5
timeout = 60
graceful_timeout = 10
loglevel = "warning"
proc_name = "baton web"


class logger_class(Logger):  # noqa: N801 - the name gunicorn looks for
    """Leaves what gunicorn says to the log of the process."""

    def setup(self, cfg: Any) -> None:
        """As gunicorn's, without handlers of its own."""
        super().setup(cfg)
        for each in (self.error_log, self.access_log):
            each.handlers.clear()
            each.propagate = True


def post_worker_init(worker: Any) -> None:
    """Let open log streams end as soon as this process is told to stop."""
    worker.wsgi.extensions["baton"].streams.end_unless(lambda: worker.alive)
