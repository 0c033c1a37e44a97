"""Calendars: the days and times on which jobs do not fire."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from baton.errors import InputError
from baton.store import calendars
from baton.store.engine import read, write

from .. import audit
from ..forms.calendar import CalendarForm
from ..resources import resources
from ..wake import wake_schedulers

calendars_pages = Blueprint("calendars", __name__)

GONE = "There is no such calendar; perhaps it was deleted."


@calendars_pages.get("/calendars")
def index() -> str:
    """All of them, and a form for one more."""
    return _page(CalendarForm())


@calendars_pages.post("/calendars")
def create() -> Response | tuple[str, int]:
    """Make a calendar; jobs choose it in their form."""
    form = CalendarForm.submitted(request.form)
    if form.errors:
        return _page(form), 422
    try:
        with write(resources().engine) as connection:
            calendar_id = calendars.create(connection, form.name, form.rules, resources().now_ms())
            audit.record(connection, "calendar.create", f"calendar {calendar_id}", name=form.name)
    except InputError as problem:
        return _page(form.with_problem(problem)), 422
    flash(f"“{form.name}” is made. Choose it in the form of a job.", "good")
    return redirect(url_for("calendars.index"), 303)


@calendars_pages.get("/calendars/<id:calendar_id>")
def edit(calendar_id: int) -> str:
    """Its rules, to be changed."""
    return _edit_page(calendar_id)


@calendars_pages.post("/calendars/<id:calendar_id>")
def update(calendar_id: int) -> Response | tuple[str, int]:
    """Change it, and with it the next fire times of its jobs."""
    form = CalendarForm.submitted(request.form)
    if form.errors:
        return _edit_page(calendar_id, form), 422
    try:
        with write(resources().engine) as connection:
            is_saved = calendars.edit(connection, calendar_id, form.name, form.rules, resources().now_ms())
            if is_saved:
                audit.record(connection, "calendar.update", f"calendar {calendar_id}", name=form.name)
    except InputError as problem:
        return _edit_page(calendar_id, form.with_problem(problem)), 422
    if not is_saved:
        abort(404, GONE)
    wake_schedulers("calendar.updated")
    flash("Saved; its jobs fire by the new rules.", "good")
    return redirect(url_for("calendars.index"), 303)


@calendars_pages.post("/calendars/<id:calendar_id>/deletion")
def delete(calendar_id: int) -> Response:
    """Delete it, unless a job keeps to it."""
    with write(resources().engine) as connection:
        is_gone = calendars.remove(connection, calendar_id)
        if is_gone:
            audit.record(connection, "calendar.delete", f"calendar {calendar_id}")
    if is_gone:
        flash("Deleted.", "good")
    else:
        flash("Jobs keep to this calendar. Choose another one for them first.", "bad")
    return redirect(url_for("calendars.index"), 303)


def _edit_page(calendar_id: int, form: CalendarForm | None = None) -> str:
    with read(resources().engine) as connection:
        calendar = calendars.get(connection, calendar_id)
    if calendar is None:
        abort(404, GONE)
    shown = form or CalendarForm(calendar.name, calendar.rules)
    return render_template("calendars/edit.html", form=shown, calendar=calendar)


def _page(form: CalendarForm) -> str:
    with read(resources().engine) as connection:
        known = calendars.all_calendars(connection)
    return render_template("calendars/index.html", calendars=known, form=form)
