"""How gunicorn serves the dashboard. It reads WEB_CONCURRENCY, the number of processes, itself."""

import os
from typing import Any

from gunicorn.glogging import Logger

from baton.broker.presence import new_executor_id
from baton.broker.tally import Tally
from baton.loop import Loop
from baton.vocabulary import Role

# not `import config`: gunicorn takes that name for its own setting
from config import start_process

_settings = start_process("web", os.environ, carries_runs=False)
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
    """Say that this process lives; let open log streams end as soon as it is told to stop."""
    here = worker.wsgi.extensions["baton"]
    here.streams.end_unless(lambda: worker.alive)
    worker.tally = Tally(here.redis, Role.WEB, new_executor_id(), interval_s=_settings.beat_interval_s)
    Loop("tally", worker.tally.step).start()


def worker_exit(_server: Any, worker: Any) -> None:
    """Say goodbye; a worker that could not even start has nobody to say it for."""
    if hasattr(worker, "tally"):
        worker.tally.leave()
