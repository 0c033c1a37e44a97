"""For the RQ workers of a job of type RQ: tell Baton at once how it ended, and what it returned.

RQ calls these as the success, failure and stopped callbacks of the job; they need `baton` installed
beside the functions, nothing else. Baton finds every ending without them too, a second later and
without the returned value.

They never raise: a success callback that raises makes RQ call the job failed, and a failure callback
that raises while RQ cleans up after a dead worker keeps it from cleaning up for a quarter of an hour.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from .broker.keys import RQ_CHANNEL, rq_result
from .endings import kept_result

_RESULT_KEPT_S = 86_400


def succeeded(job: Any, connection: Any, result: Any, *_arguments: Any, **_named: Any) -> None:
    """The job returned: keep what a run of Baton would keep of it, and why that is not all."""
    with contextlib.suppress(Exception):
        if result is not None:
            kept = kept_result(result)
            connection.set(rq_result(job.id), json.dumps([kept.text, kept.problem]), ex=_RESULT_KEPT_S)
        connection.publish(RQ_CHANNEL, job.id)


def ended(job: Any, connection: Any, *_arguments: Any, **_named: Any) -> None:
    """The job failed or was stopped."""
    with contextlib.suppress(Exception):
        connection.publish(RQ_CHANNEL, job.id)
