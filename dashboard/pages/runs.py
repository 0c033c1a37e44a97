"""Runs: what was triggered, and what became of it."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from baton.store import groups, jobs, runs
from baton.store.engine import read
from baton.vocabulary import AlarmStatus

from ..queries import alarm_facts, run_list, run_progress, timeline
from ..queries.run_list import Question
from ..resources import resources

runs_pages = Blueprint("runs", __name__)


@runs_pages.get("/runs")
def index() -> str:
    """All runs, newest first, with filters."""
    asked = Question.from_args(request.args)
    now_ms = resources().now_ms()
    with read(resources().engine) as connection:
        known = groups.all_groups(connection)
        job = jobs.get(connection, int(asked.job)) if asked.job else None
        page = run_list.page(connection, asked, now_ms)
        counts = run_list.counts(connection, asked, now_ms)
    return render_template("runs/index.html", asked=asked, page=page, counts=counts, groups=known, job=job)


@runs_pages.get("/runs/<id:log_id>")
def show(log_id: int) -> str:
    """One run: its way, its facts, its log."""
    with read(resources().engine) as connection:
        run = runs.get(connection, log_id)
        if run is None:
            abort(404, f"There is no run {log_id}; perhaps it was deleted.")
        retry_id = run_list.retry_of(connection, run)
        [shown] = run_list.with_states([run])
        shards = runs.shards(connection, run.job_id, run.trigger_key) if run.shard_total > 1 else []
        shown_shards = run_list.with_states(shards)
        told = alarm_facts.of_run(connection, log_id)
    return render_template(
        "runs/show.html",
        shown=shown,
        run=run,
        steps=timeline.timeline(shown),
        facts=timeline.trigger_facts(run),
        retry_id=retry_id,
        reported=run_progress.of_run(run),
        shards=shown_shards,
        told=told,
        alarm_status=alarm_facts.STATUS.get(AlarmStatus(run.alarm_status), ""),
    )
