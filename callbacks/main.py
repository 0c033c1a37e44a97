"""Which loops the callbacks process runs, and what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baton import process_log, telemetry
from baton.broker.client import connect, connect_blocking
from baton.broker.presence import new_executor_id
from baton.broker.results import Results
from baton.broker.tally import Tally
from baton.loop import Loop, run_until_signal
from baton.spans import Places
from baton.store.engine import make_engine
from baton.vocabulary import Role

from .apply_spans import ApplySpans
from .consumer import Consumer

if TYPE_CHECKING:
    from baton.tracing import Tracing


def run(
    *,
    redis_url: str,
    database_url: str,
    access_token: str,
    late_after_s: float,
    beat_interval_s: float,
    tracing: Tracing | None,
) -> None:
    """Apply results until SIGTERM or SIGINT. What is unfinished then, another consumer takes over."""
    engine = make_engine(database_url)
    redis, blocking = connect(redis_url), connect_blocking(redis_url)
    name = new_executor_id()
    process_log.known_as(name)
    results = Results(redis, blocking, name)

    def tell_what_was_counted() -> None:
        tally_loop.wake()

    consumer = Consumer(
        engine,
        redis,
        results,
        access_token=access_token,
        late_after_s=round(late_after_s),
        on_counted=tell_what_was_counted,
        spans=ApplySpans(tracing, Places(access_token)) if tracing is not None else None,
    )
    telemetry.event("process.started", consumer=name)
    loops = [Loop("consumer", consumer.step)]
    tally = Tally(redis, Role.CALLBACKS, name, interval_s=beat_interval_s, loops=loops)
    tally_loop = Loop("tally", tally.step)
    run_until_signal([*loops, tally_loop])
    if tracing is not None:
        tracing.stop()
    telemetry.event("process.stopped", consumer=name)
    tally.leave()
    blocking.close()
    redis.close()
    engine.dispose()
