"""What pages say about alarms: who is told of a job, what was told of a run, where a channel leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Connection

from baton.children import read_ids
from baton.store import alarm_channels, alarm_deliveries, alarms
from baton.store.alarm_channels import ChannelView
from baton.store.alarm_deliveries import DeliveryView
from baton.store.alarms import AlarmView
from baton.store.jobs import JobView
from baton.vocabulary import AlarmStatus, ChannelKind, OnLateness

from ..filters import seconds

STATUS = {
    AlarmStatus.DEFAULT: "on its way",
    AlarmStatus.NOT_NEEDED: "no channel wants it",
    AlarmStatus.SENT: "sent",
    AlarmStatus.FAILED: "nobody could be told",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One alarm, and what became of it on each channel."""

    alarm: AlarmView
    deliveries: Sequence[DeliveryView]


@dataclass(frozen=True, slots=True)
class JobAlarms:
    """Who is told of a job, in words."""

    channels: str
    lateness: str
    is_open: bool
    """It failed, people were told or should be, and it has not succeeded since."""


def of_run(connection: Connection, log_id: int) -> list[Told]:
    """The alarms of one run, in their order."""
    found = alarms.of_run(connection, log_id)
    deliveries = alarm_deliveries.of_alarms(connection, [alarm.id for alarm in found])
    return [Told(alarm, deliveries.get(alarm.id, [])) for alarm in found]


def of_job(connection: Connection, job: JobView) -> JobAlarms:
    """Who is told of this job, and of what in time."""
    told = [each.name for each in told_of(job, alarm_channels.all_channels(connection))]
    return JobAlarms(
        channels=", ".join(told) if told else "nobody",
        lateness=lateness(job),
        is_open=alarms.is_job_open(connection, job.id),
    )


def told_of(job: JobView, channels: Sequence[ChannelView]) -> Iterator[ChannelView]:
    """The channels that are told of this job, if they want what happens to it (pure)."""
    chosen = read_ids(job.alarm_channel_ids)
    for each in channels:
        if each.is_enabled and (
            each.id in chosen or (each.covers(job.group_id) and not job.alarms_only_chosen)
        ):
            yield each


def lateness(job: JobView) -> str:
    """What is done about its late runs; empty if that is as everywhere (pure)."""
    if job.on_lateness == OnLateness.IGNORE:
        return "nobody is told"
    return f"after {seconds(job.late_after_s)}" if job.late_after_s else ""


def address_hint(channel: ChannelView) -> str:
    """As much of an address as is no secret: the service, or the host of a webhook (pure)."""
    if channel.kind == ChannelKind.WEBHOOK:
        return f"webhook to {urlsplit(channel.url).hostname or 'nowhere'}"
    return f"{channel.url.partition(':')[0]}://…"
