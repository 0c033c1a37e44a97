"""Jobs: list, make, change, follow their schedule or not, delete."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from redis.exceptions import RedisError
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton.children import find_cycle, read_ids
from baton.errors import ScheduleError
from baton.schedule import next_fire
from baton.store import alarm_channels, calendars, followups, groups, jobs, retention, runs
from baton.store.engine import read, write
from baton.store.jobs import JobView
from baton.store.runs import RunFilter
from baton.vocabulary import GlueType, RouteStrategy, RunState, ScheduleType

from .. import audit
from ..access import local_path
from ..clean_up import hand_over
from ..filters import label
from ..forms.job import FireTimes, JobForm, time_zones, typed_schedule
from ..forms.trigger import TriggerForm
from ..queries import alarm_facts, job_facts, job_list, presence, reports, run_list
from ..queries.job_list import Question
from ..resources import resources
from ..wake import wake_schedulers

jobs_pages = Blueprint("jobs", __name__)

LAST_RUNS = 10
HAS_A_PAST = (ScheduleType.CRON, ScheduleType.FIX_RATE, ScheduleType.ONCE)
"""Schedules whose fire times of the past are known; a fixed delay depends on how long each run took."""
NOTE_LIMIT = 180
"""Characters of a note on why a job is stopped; the name of the person stands before it."""


@jobs_pages.get("/jobs")
def index() -> str:
    """All jobs, with search and filters."""
    asked = Question.from_args(request.args)
    with read(resources().engine) as connection:
        known = groups.all_groups(connection)
        names = _calendar_names(connection)
        page = job_list.page(connection, asked, presence.of_groups(known), names)
    return render_template("jobs/index.html", asked=asked, page=page, groups=known, calendars=names)


@jobs_pages.get("/jobs/new")
def new() -> str:
    """An empty form."""
    with read(resources().engine) as connection:
        known = groups.all_groups(connection)
        return _form("jobs/new.html", connection, JobForm.blank(known[0].id if known else None))


@jobs_pages.post("/jobs")
def create() -> Response | tuple[str, int]:
    """Make a job, and follow its schedule at once if the person wants that."""
    now_ms = resources().now_ms()
    form = _submitted(now_ms)
    if form.draft is None or "preview" in request.form:
        return _again("jobs/new.html", form)
    with write(resources().engine) as connection:
        job_id = jobs.create(connection, form.draft, now_ms)
        is_followed = "start_now" in request.form and jobs.follow(connection, job_id, now_ms)
        audit.record(connection, "job.create", f"job {job_id}", name=form.draft.name, started=is_followed)
    wake_schedulers("job.created")
    flash(f"“{form.draft.name}” is made{' and its schedule is followed' if is_followed else ''}.", "good")
    return redirect(url_for("jobs.show", job_id=job_id), 303)


@jobs_pages.get("/jobs/<id:job_id>")
def show(job_id: int) -> str:
    """One job: what it is, when it fires, how it went."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        served = presence.of_groups(
            [each for each in groups.all_groups(connection) if each.id == job.group_id]
        )
        last = run_list.with_states(runs.list_page(connection, RunFilter(job_id=job_id), limit=LAST_RUNS))
        strip = job_list.last_runs(connection, [job_id]).get(job_id, ())
        children = jobs.names(connection, read_ids(job.child_job_ids))
        calendar_names = _calendar_names(connection)
        told = alarm_facts.of_job(connection, job)
        report = reports.news(connection, reports.Question(job=str(job_id)))
    return render_template(
        "jobs/show.html",
        told=told,
        job=job,
        presence=served[job.group_id],
        last=last,
        runs_strip=strip,
        fire_times=FireTimes.of_job(job, resources().now_ms()),
        trigger=TriggerForm.blank(job),
        facts=job_facts,
        report=report,
        q=reports,
        schedule_facts=job_facts.of_schedule(job, calendar_names),
        children=children,
        can_backfill=job.schedule_type in HAS_A_PAST,
    )


@jobs_pages.get("/jobs/<id:job_id>/edit")
def edit(job_id: int) -> str:
    """The form of a job as it is stored."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        return _form("jobs/edit.html", connection, JobForm.of(job, resources().now_ms()), job=job)


@jobs_pages.post("/jobs/<id:job_id>")
def update(job_id: int) -> Response | tuple[str, int]:
    """Change a job, unless somebody else did since the form was opened."""
    now_ms = resources().now_ms()
    form = _submitted(now_ms, job_id)
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
    if form.draft is None or "preview" in request.form:
        return _again("jobs/edit.html", form, job=job)
    with write(resources().engine) as connection:
        is_saved = jobs.edit(connection, job_id, form.version, form.draft, now_ms)
        if is_saved:
            changes = audit.changes(JobForm.of(job, now_ms).values, form.values)
            audit.record(connection, "job.update", f"job {job_id}", **changes)
    if not is_saved:
        return _conflict(job_id, form, now_ms)
    wake_schedulers("job.updated")
    flash("Saved.", "good")
    return redirect(url_for("jobs.show", job_id=job_id), 303)


@jobs_pages.post("/jobs/<id:job_id>/start")
def start(job_id: int) -> Response:
    """Follow the schedule."""
    now_ms = resources().now_ms()
    with write(resources().engine) as connection:
        job = _job(connection, job_id)
        problem = _why_not_followed(job)
        is_news = not problem and jobs.follow(connection, job_id, now_ms)
        if is_news:
            audit.record(connection, "job.start", f"job {job_id}", name=job.name)
    if problem:
        flash(problem, "bad")
        return _back_to(job_id)
    wake_schedulers("job.started")
    flash(f"The schedule of “{job.name}” is followed.", "good")
    return _back_to(job_id)


@jobs_pages.post("/jobs/<id:job_id>/stop")
def stop(job_id: int) -> Response:
    """Follow the schedule no longer. What runs goes on; triggers by hand still work."""
    said = " ".join(request.form.get("note", "").split())[:NOTE_LIMIT]
    note = f"{g.person}: {said}" if said else str(g.person)
    with write(resources().engine) as connection:
        job = _job(connection, job_id)
        if jobs.stop(connection, job_id, resources().now_ms(), note):
            audit.record(connection, "job.stop", f"job {job_id}", name=job.name, note=said)
    wake_schedulers("job.stopped")
    flash(f"“{job.name}” is stopped. What runs or waits goes on.", "good")
    return _back_to(job_id)


@jobs_pages.get("/jobs/<id:job_id>/deletion")
def deletion(job_id: int) -> str:
    """Ask once more."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        counts = run_list.counts(connection, run_list.Question(job=str(job_id)), resources().now_ms())
    return render_template("jobs/deletion.html", job=job, counts=counts)


@jobs_pages.post("/jobs/<id:job_id>/deletion")
def delete(job_id: int) -> Response:
    """Delete a job, unless one of its runs has not ended; those that have go in the background."""
    with write(resources().engine) as connection:
        job = _job(connection, job_id)
        is_busy = _has_unfinished(connection, job_id)
        if not is_busy:
            jobs.delete(connection, job_id)
            audit.record(connection, "job.delete", f"job {job_id}", name=job.name)
    if is_busy:
        flash("This job has runs that have not ended. Stop the job, and kill them or wait for them.", "bad")
        return redirect(url_for("jobs.deletion", job_id=job_id), 303)
    try:
        hand_over(f"job-{job_id}", retention.of_deleted_job(job_id))
    except RedisError:
        flash(f"“{job.name}” is deleted. Redis does not answer, so its runs stay until they are old.", "bad")
    else:
        flash(f"“{job.name}” is deleted; the background process deletes its runs.", "good")
    return redirect(url_for("jobs.index"), 303)


@jobs_pages.get("/fire-times")
def fire_times() -> str:
    """What a schedule comes to, while it is being typed."""
    with read(resources().engine) as connection:
        rules = _calendar_rules(connection)
    schedule = typed_schedule(request.args, rules)
    fires = FireTimes.of(schedule, resources().now_ms())
    return render_template(
        "jobs/_fire_times.html",
        fire_times=fires,
        schedule_type=schedule.type,
        schedule_conf=schedule.conf,
    )


def _submitted(now_ms: int, job_id: int = 0) -> JobForm:
    with read(resources().engine) as connection:
        known = groups.all_groups(connection)
        rules = _calendar_rules(connection)
        channels = {each.id for each in alarm_channels.all_channels(connection)}
        sent = {**request.form, "alarm_channel_ids": ",".join(request.form.getlist("alarm_channel_ids"))}
        form = JobForm.submitted(sent, {group.id for group in known}, rules, channels, now_ms)
        problem = form.draft and _why_not_children(connection, job_id, form.draft.child_job_ids)
    return form.with_error("child_job_ids", problem) if problem else form


def _why_not_children(connection: Connection, job_id: int, text: str) -> str:
    """What is wrong with these child jobs; empty if nothing is."""
    wanted = read_ids(text)
    if unknown := followups.unknown(connection, wanted):
        return f"There is no job {', '.join(map(str, unknown))}."
    way = find_cycle({**followups.children_of(connection), job_id: wanted}, job_id)
    if not way:
        return ""
    return f"This would go round for ever: {' → '.join(map(str, way))}. Leave out one of them."


def _again(template: str, form: JobForm, **values: object) -> tuple[str, int]:
    """The form once more: with what is wrong, or with the fire times the person wanted to see."""
    with read(resources().engine) as connection:
        return _form(template, connection, form, **values), 422 if form.errors else 200


def _form(template: str, connection: Connection, form: JobForm, **values: object) -> str:
    served = presence.of_groups(groups.all_groups(connection))
    return render_template(
        template,
        form=form,
        served=served.values(),
        zones=time_zones(),
        calendars=[(str(each.id), each.name) for each in calendars.all_calendars(connection)],
        kinds=[
            (kind.value, label(kind))
            for kind in GlueType
            if kind is not GlueType.GLUE_GROOVY or form.values["glue_type"] == kind
        ],
        routes=[(route.value, label(route)) for route in RouteStrategy],
        channels=alarm_channels.all_channels(connection),
        fire_times=form.fire_times,
        **values,
    )


def _conflict(job_id: int, form: JobForm, now_ms: int) -> tuple[str, int]:
    """Somebody was faster: show what they made of it, and let the person decide."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        stored = JobForm.of(job, now_ms)
        theirs = {name: value for name, value in stored.values.items() if value != form.values[name]}
        newer = JobForm(form.values, {}, None, form.fire_times, job.version)
        return _form("jobs/edit.html", connection, newer, job=job, theirs=theirs), 409


def _why_not_followed(job: JobView) -> str:
    if job.schedule_type == ScheduleType.NONE:
        return f"“{job.name}” has no schedule to follow; edit it, or trigger it by hand."
    try:
        now_ms = resources().now_ms()
        next_ms = next_fire(job.schedule, now_ms)
    except ScheduleError as problem:
        return f"The schedule of “{job.name}” cannot be followed: {problem}"
    return "" if next_ms else f"The schedule of “{job.name}” names no further time."


def _has_unfinished(connection: Connection, job_id: int) -> bool:
    return any(
        runs.list_page(connection, RunFilter(job_id=job_id, state=state), limit=1)
        for state in (RunState.PENDING, RunState.QUEUED)
    )


def _calendar_rules(connection: Connection) -> dict[int, str]:
    return {calendar.id: calendar.rules for calendar in calendars.all_calendars(connection)}


def _calendar_names(connection: Connection) -> dict[int, str]:
    return {calendar.id: calendar.name for calendar in calendars.all_calendars(connection)}


def _job(connection: Connection, job_id: int) -> JobView:
    job = jobs.get(connection, job_id)
    if job is None:
        abort(404, f"There is no job {job_id}; perhaps it was deleted.")
    return job


def _back_to(job_id: int) -> Response:
    back = request.form.get("back", "")
    return redirect(local_path(back) if back else url_for("jobs.show", job_id=job_id), 303)
