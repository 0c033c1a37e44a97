"""What a collector hears of an installation: one connected trace per row, whatever becomes of its run."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator

import pytest

from config import EXIT_CONFIG
from tests.waiting import until

from .collector import Collector, Span

pytestmark = pytest.mark.slow

STEPS = ["plan", "push", "run", "apply"]
INTERNAL, PRODUCER, CONSUMER = 1, 4, 5


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def steps_of(collector: Collector, log_id: int, expected: list[str] = STEPS) -> list[Span]:
    """The spans of a row, once they are all there."""
    until(lambda: set(expected) <= set(collector.of_row(log_id)), 15, f"the spans of {log_id}")
    return [collector.of_row(log_id)[step] for step in expected]


def is_chain(spans: list[Span]) -> bool:
    """Whether each is the child of the one before, and the first of nobody."""
    parents = ["", *(span.span_id for span in spans[:-1])]
    return len({span.trace_id for span in spans}) == 1 and [span.parent_id for span in spans] == parents


def test_a_run_with_a_retry_and_a_child_job_is_one_connected_trace(whole_baton, collector):
    baton = whole_baton(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    child = baton.job("work")
    job_id = baton.job("told", executor_fail_retry_count=1, child_job_ids=str(child))
    baton.trigger(job_id, param="fail first")
    baton.wait_until_ended(3)

    first, retry, of_child = (steps_of(collector, row.log_id) for row in baton.rows())
    assert all(map(is_chain, (first, retry, of_child)))
    assert [span.links for span in first] == [(), (), (), ()]
    assert retry[0].links == ((first[-1].trace_id, first[-1].span_id),)
    assert of_child[0].links == ((retry[-1].trace_id, retry[-1].span_id),)
    plan, push, run, apply = first
    assert [span.service for span in first] == [
        "baton-scheduler", "baton-scheduler", "baton-worker", "baton-callbacks",
    ]  # fmt: skip
    assert [span.kind for span in first] == [INTERNAL, PRODUCER, CONSUMER, CONSUMER]
    assert plan.began_ns <= push.began_ns <= run.began_ns <= run.ended_ns <= apply.ended_ns
    assert run.problem == "RuntimeError: the first time it fails"
    assert run.exceptions == ("the first time it fails",)
    assert (apply.problem, retry[3].problem) == ("failed", "")
    assert run.facts["messaging.system"] == "baton"
    assert run.facts["messaging.destination.name"] == "relay"
    assert run.facts["baton.job_id"] == job_id
    assert (retry[2].facts["baton.attempt"], retry[2].facts["baton.outcome"]) == (2, "succeeded")


def test_what_a_handler_tells_stands_below_its_run_in_threads_and_coroutines_too(whole_baton, collector):
    baton = whole_baton(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    baton.trigger(baton.job("told"))
    baton.trigger(baton.job("told-async", block_strategy="PARALLEL", max_concurrency=5), 5)
    baton.wait_until_ended(6)

    run_of = {row.log_id: steps_of(collector, row.log_id)[2] for row in baton.rows()}
    until(lambda: len(collector.named("own")) == 6 and collector.named("of a thread"), 15, "their own spans")
    owns = {span.span_id: span for span in collector.named("own")}
    assert {span.parent_id for span in owns.values()} == {run.span_id for run in run_of.values()}
    [of_a_thread] = collector.named("of a thread")
    assert owns[of_a_thread.parent_id].parent_id == run_of[min(run_of)].span_id
    for log_id, run in list(run_of.items())[1:]:
        [within] = until(lambda name=f"within {log_id}": collector.named(name), 15, "the span within")
        assert within.trace_id == run.trace_id
        assert owns[within.parent_id].parent_id == run.span_id


def test_a_row_whose_run_nobody_can_tell_of_ends_below_its_push(whole_baton, collector):
    baton = whole_baton(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    job_id = baton.job("stubborn", executor_timeout=1, block_strategy="DISCARD_LATER")
    baton.trigger(job_id)
    baton.wait_for_start()
    baton.trigger(job_id)
    baton.wait_until_ended(2)

    by_force, discarded = (steps_of(collector, log_id, ["plan", "push", "apply"]) for log_id in (1, 2))
    assert is_chain(by_force)
    assert is_chain(discarded)
    assert by_force[-1].problem == "timed_out"
    assert discarded[-1].problem == discarded[1].facts["baton.verdict"] == "discarded"


def test_a_collector_that_is_away_disturbs_nobody(whole_baton):
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
    baton = whole_baton(BATON_CONCURRENCY="1", **away)
    baton.trigger(baton.job("told"), 5)
    baton.trigger(baton.job("work"), param="3")  # meanwhile the child's exporter gives up
    baton.wait_until_ended(6)
    for each in (*baton.workers, *baton.schedulers, *baton.callbacks):
        each.wait_for("Failed to export spans")
        each.terminate()
        assert each.wait(15) == 0

    assert set(baton.outcomes()) == {"succeeded"}
    logs = [path.read_text() for path in (baton.folder / "logs").rglob("*.log")]
    assert len(logs) == 6
    assert all(log.count("\n") == 2 for log in logs), logs


def test_what_the_sampler_leaves_out_is_told_of_by_nobody(whole_baton, collector):
    baton = whole_baton(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.5",
    )
    baton.trigger(baton.job("work"), 40)
    baton.wait_until_ended(40)
    for each in (*baton.workers, *baton.schedulers, *baton.callbacks):
        each.terminate()
        each.wait(20)

    told = [set(collector.of_row(row.log_id)) for row in baton.rows()]
    assert all(steps in (set(), set(STEPS)) for steps in told), "a trace is there as a whole, or not at all"
    assert 0 < sum(map(bool, told)) < 40


def test_without_a_collector_nothing_of_it_is_loaded_and_nothing_travels(whole_baton):
    baton = whole_baton()
    baton.trigger(baton.job("knows-opentelemetry"))
    baton.wait_until_ended()

    [row] = baton.facts()
    assert json.loads(row.result) is False


def test_wanted_without_its_package_is_said_at_the_start(whole_baton, tmp_path):
    # a package of that name that has nothing in it stands before the real one
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    assert importlib.util.find_spec("opentelemetry.sdk"), "else this shows nothing"
    baton = whole_baton(schedulers=0, workers=0, callbacks=0, PYTHONPATH=f"{tmp_path}:{sys.path[0]}")
    processes = baton.processes
    for start in (processes.scheduler, processes.worker, processes.callbacks, processes.web):
        process = start(BATON_OTEL="1")

        assert process.wait() == EXIT_CONFIG
        assert "BATON_OTEL is yes, but the package opentelemetry.sdk is not installed" in process.output
        assert "pip install 'baton[otel]'" in process.output

    named_only = baton.processes.callbacks(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    named_only.wait_for("process.started")
    assert "setting.warning" in named_only.output
