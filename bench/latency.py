"""One trigger on an idle system: from the push, and from the committed row, to the start of the handler."""

from __future__ import annotations

import statistics
import time

from baton.broker.nudge import nudge
from baton.broker.producer import Producer, PushRow
from baton.clock import SYSTEM_CLOCK
from baton.envelope import group_key, seal
from baton.messages import TriggerParam
from baton.vocabulary import BlockStrategy, OnLost

from .installation import APP_NAME, Installation, installation

SAMPLES = 200
_PAUSE_S = 0.02
_UNKNOWN_TO_THE_STORE = 1_000_000


def measure() -> dict[str, float]:
    """Medians and 99th percentiles, in milliseconds, of 200 single triggers each."""
    with installation() as baton:
        (job_id,) = baton.jobs(1, "stamp")
        baton.start_all(children=2)
        from_push = [_push(baton, job_id, _UNKNOWN_TO_THE_STORE + n) for n in range(SAMPLES)]
        from_row = [_trigger(baton, job_id) for _ in range(SAMPLES)]
    return {
        "push_to_start_ms_median": round(statistics.median(from_push), 2),
        "push_to_start_ms_p99": round(statistics.quantiles(from_push, n=100)[98], 2),
        "row_to_start_ms_median": round(statistics.median(from_row), 2),
        "row_to_start_ms_p99": round(statistics.quantiles(from_row, n=100)[98], 2),
    }


def _push(baton: Installation, job_id: int, log_id: int) -> float:
    now_ms = SYSTEM_CLOCK.now_ms()
    message = TriggerParam(
        app_name=APP_NAME,
        job_id=job_id,
        log_id=log_id,
        log_date_time=now_ms,
        fire_at_ms=now_ms,
        executor_handler="stamp",
        executor_params="",
        executor_block_strategy=BlockStrategy.SERIAL_EXECUTION,
        executor_timeout=0,
        glue_type="BEAN",
        glue_source="",
        glue_updatetime=0,
        broadcast_index=0,
        broadcast_total=1,
        attempt=1,
        on_lost=OnLost.FAIL,
    )
    frame = seal(message, group_key(baton.token, APP_NAME))
    began_ns = time.monotonic_ns()
    Producer(baton.redis).push(
        APP_NAME, [PushRow(log_id, str(job_id), BlockStrategy.SERIAL_EXECUTION, 1, OnLost.FAIL, frame)]
    )
    return _until_started_ms(baton, began_ns)


def _trigger(baton: Installation, job_id: int) -> float:
    baton.insert([job_id], [0], handler="stamp")
    began_ns = time.monotonic_ns()
    nudge(baton.redis)
    return _until_started_ms(baton, began_ns)


def _until_started_ms(baton: Installation, began_ns: int) -> float:
    """Wait for the one start after `began_ns`, then for the system to be idle again."""
    found: list[int] = []

    def started() -> bool:
        if baton.starts.exists():
            found.extend(
                int(line.split()[1])
                for line in baton.starts.read_text("utf-8").splitlines()[-1:]
                if int(line.split()[1]) >= began_ns
            )
        return bool(found)

    baton.wait_for(started, "the handler to start", 10.0)
    time.sleep(_PAUSE_S)
    return (found[0] - began_ns) / 1e6
