"""Alarms: what people were told, and the channels over which they are."""

from __future__ import annotations

import uuid

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from baton.broker import chores
from baton.broker.chores import NoAnswer
from baton.errors import InputError
from baton.store import alarm_channels, alarm_deliveries, alarms, groups
from baton.store.alarm_channels import ChannelView
from baton.store.engine import read, write
from baton.vocabulary import AlarmCondition

from .. import audit
from ..access import local_path
from ..forms.alarm_channel import ChannelForm
from ..forms.reading import sentence
from ..queries import alarm_facts
from ..queries.run_list import row_id
from ..resources import resources

alarms_pages = Blueprint("alarms", __name__)

PAGE_ROWS = 50
GONE = "There is no such channel; perhaps it was deleted."
_TRY_OUT = "background.alarms.try_out"
_ANSWER_WITHIN_S = 25.0


@alarms_pages.get("/alarms")
def index() -> str:
    """The channels, and the newest alarms with what became of each."""
    with read(resources().engine) as connection:
        channels = alarm_channels.all_channels(connection)
        names = {str(group.id): group.app_name for group in groups.all_groups(connection)}
        found = alarms.list_page(connection, row_id(request.args.get("before", "")), PAGE_ROWS + 1)
        shown = found[:PAGE_ROWS]
        deliveries = alarm_deliveries.of_alarms(connection, [alarm.id for alarm in shown])
    older = str(shown[-1].id) if len(found) > PAGE_ROWS else ""
    return render_template(
        "alarms/index.html",
        channels=channels,
        group_names=names,
        alarms=shown,
        deliveries=deliveries,
        older=older,
        address_hint=alarm_facts.address_hint,
    )


@alarms_pages.get("/alarms/channels/new")
def new() -> str:
    """An empty form."""
    return _page(ChannelForm.blank(), None)


@alarms_pages.post("/alarms/channels")
def create() -> Response | tuple[str, int]:
    """Make a channel."""
    form = _submitted(is_new=True)
    if form.draft is None:
        return _page(form, None), 422
    try:
        with write(resources().engine) as connection:
            channel_id = alarm_channels.create(connection, form.draft, resources().now_ms())
            audit.record(connection, "alarm_channel.create", f"channel {channel_id}", name=form.draft.name)
    except InputError as problem:
        return _page(form.with_error("name", sentence(str(problem))), None), 422
    flash(f"“{form.draft.name}” is made. Try it.", "good")
    return redirect(url_for("alarms.edit", channel_id=channel_id), 303)


@alarms_pages.get("/alarms/channels/<id:channel_id>")
def edit(channel_id: int) -> str:
    """The form of a channel."""
    channel = _channel(channel_id)
    return _page(ChannelForm.of(channel), channel)


@alarms_pages.post("/alarms/channels/<id:channel_id>")
def update(channel_id: int) -> Response | tuple[str, int]:
    """Change a channel; an address or a secret that is not typed again stays."""
    channel = _channel(channel_id)
    form = _submitted(is_new=False)
    if form.draft is None:
        return _page(form, channel), 422
    try:
        with write(resources().engine) as connection:
            is_saved = alarm_channels.edit(connection, channel_id, form.draft)
            if is_saved:
                audit.record(
                    connection, "alarm_channel.update", f"channel {channel_id}", name=form.draft.name
                )
    except InputError as problem:
        return _page(form.with_error("name", sentence(str(problem))), channel), 422
    if not is_saved:
        abort(404, GONE)
    flash("Saved.", "good")
    return redirect(url_for("alarms.edit", channel_id=channel_id), 303)


@alarms_pages.post("/alarms/channels/<id:channel_id>/deletion")
def delete(channel_id: int) -> Response:
    """Delete a channel, and what is on its way over it."""
    with write(resources().engine) as connection:
        if alarm_channels.remove(connection, channel_id):
            audit.record(connection, "alarm_channel.delete", f"channel {channel_id}")
    flash("Deleted.", "good")
    return redirect(url_for("alarms.index"), 303)


@alarms_pages.post("/alarms/channels/<id:channel_id>/tests")
def try_out(channel_id: int) -> Response:
    """Send a word over a channel, and say how that went."""
    _channel(channel_id)
    try:
        work = chores.queue(resources().redis)
        work_id = f"try-{uuid.uuid4().hex}"
        problem = chores.ask(work, _TRY_OUT, work_id, channel_id, str(g.person), wait_s=_ANSWER_WITHIN_S)
    except NoAnswer as silence:
        problem = str(silence)
    except RedisError:
        problem = "Redis does not answer"
    if problem:
        flash(f"Nothing was sent: {problem}", "bad")
    else:
        flash("Sent. Look whether it arrived.", "good")
    return redirect(url_for("alarms.edit", channel_id=channel_id), 303)


@alarms_pages.post("/alarms/deliveries/<id:delivery_id>/repeat")
def send_again(delivery_id: int) -> Response:
    """Try once more what was given up."""
    with write(resources().engine) as connection:
        is_news = alarm_deliveries.again(connection, delivery_id, resources().now_ms())
        if is_news:
            audit.record(connection, "alarm.send_again", f"delivery {delivery_id}")
    flash("It is on its way again." if is_news else "It is on its way, or was sent.", "good")
    back = request.form.get("back", "")
    return redirect(local_path(back) if back else url_for("alarms.index"), 303)


def _submitted(*, is_new: bool) -> ChannelForm:
    with read(resources().engine) as connection:
        known = [group.id for group in groups.all_groups(connection)]
    sent = {**request.form, "group_ids": ",".join(request.form.getlist("group_ids"))}
    return ChannelForm.submitted(sent, request.form.getlist("conditions"), known, is_new=is_new)


def _page(form: ChannelForm, channel: ChannelView | None) -> str:
    with read(resources().engine) as connection:
        known = groups.all_groups(connection)
        choosers = alarm_channels.choosers(connection, channel.id) if channel else {}
    return render_template(
        "alarms/channel.html",
        form=form,
        channel=channel,
        conditions=list(AlarmCondition),
        groups=known,
        choosers=choosers,
        address_hint=alarm_facts.address_hint(channel) if channel else "",
    )


def _channel(channel_id: int) -> ChannelView:
    with read(resources().engine) as connection:
        channel = alarm_channels.get(connection, channel_id)
    if channel is None:
        abort(404, GONE)
    return channel
