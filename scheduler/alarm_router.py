"""Alarms become deliveries: who is told, over which channel, when.

The rows decide, not this process: a second router finds the same pairs there already. Deliveries that are
due are handed to the background process; one that nobody sent in the end is found and handed over again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from redis import Redis
from sqlalchemy import Connection, Engine

from baton import telemetry
from baton.broker import chores
from baton.clock import SYSTEM_CLOCK, Clock
from baton.failpoints import failpoint
from baton.store import alarm_channels, alarm_deliveries, alarms
from baton.store.alarm_channels import ChannelView
from baton.store.alarm_deliveries import NewDelivery
from baton.store.alarms import AlarmView
from baton.store.engine import read, write
from baton.vocabulary import DeliveryState, QuietAction

STEP_S = 2.0
_PAGE = 500
_SEND = "background.alarms.send"
_SAME = "the same was told {:.0f} s before"
_QUIET = "the hours are quiet"


class AlarmRouter:
    """Gives alarms to channels, and what is due to the background process."""

    def __init__(self, engine: Engine, redis: Redis, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._engine = engine
        self._redis = redis
        self._clock = clock
        self._queue = chores.queue(redis)

    def step(self) -> float:
        """Route and hand over once."""
        has_more = self.route()
        handed = self.hand_over()
        return 0.0 if has_more or handed >= _PAGE else STEP_S

    def route(self) -> bool:
        """Make the deliveries of new alarms; answers whether there may be more."""
        now_ms = self._clock.now_ms()
        with read(self._engine) as connection:
            if not alarms.unrouted(connection, 1):
                return False
        with write(self._engine) as connection:
            found = alarms.unrouted(connection, _PAGE)
            channels = alarm_channels.all_channels(connection)
            for alarm in found:
                self._route_one(connection, alarm, channels, now_ms)
            alarms.routed(connection, [alarm.id for alarm in found])
        # the deliveries stand, nobody was told to send them: the next step finds them
        failpoint("alarm.routed")
        return len(found) == _PAGE

    def _route_one(
        self, connection: Connection, alarm: AlarmView, channels: Sequence[ChannelView], now_ms: int
    ) -> None:
        wanted = [channel for channel in channels if channel.wants(alarm)]
        deliveries = [self._delivery(connection, alarm, channel, now_ms) for channel in wanted]
        alarm_deliveries.add(connection, deliveries, now_ms)
        if all(each.state is DeliveryState.DROPPED for each in deliveries):
            alarm_deliveries.mark_run(connection, alarm.id)

    def _delivery(
        self, connection: Connection, alarm: AlarmView, channel: ChannelView, now_ms: int
    ) -> NewDelivery:
        if channel.dedupe_s:
            last_ms = alarm_deliveries.last_told_ms(
                connection, channel.id, alarm.condition, alarm.group_id, alarm.job_id
            )
            if last_ms and alarm.created_at - last_ms < channel.dedupe_s * 1000:
                reason = _SAME.format((alarm.created_at - last_ms) / 1000)
                return NewDelivery(alarm.id, channel.id, DeliveryState.DROPPED, problem=reason)
        quiet_until_ms = quiet_until(channel, now_ms)
        if quiet_until_ms and channel.quiet_action == QuietAction.DROP:
            return NewDelivery(alarm.id, channel.id, DeliveryState.DROPPED, problem=_QUIET)
        return NewDelivery(alarm.id, channel.id, DeliveryState.WAITING, quiet_until_ms)

    def hand_over(self) -> int:
        """Let the background process send what is due; answers how much that is."""
        now_ms = self._clock.now_ms()
        with read(self._engine) as connection:
            due = alarm_deliveries.due(connection, now_ms, _PAGE)
        for each in due:
            # every try is a piece of work of its own; a claim of the dead counts as one
            work_id = f"alarm-{each.id}-{each.tries}-{each.changed_at}"
            if chores.hand_over(self._queue, _SEND, work_id, each.id):
                telemetry.event("alarm.handed_over", alarm=each.alarm_id, channel=each.channel_name)
        return len(due)


def quiet_until(channel: ChannelView, now_ms: int) -> int:
    """When the quiet hours under way are over, epoch milliseconds; 0 if it is not quiet (pure)."""
    if not channel.quiet_from or not channel.quiet_to or channel.quiet_from == channel.quiet_to:
        return 0
    wall = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(channel.time_zone))
    begin, end = (_at(wall, text) for text in (channel.quiet_from, channel.quiet_to))
    if begin < end:
        return _ms(end) if begin <= wall < end else 0
    if wall < end:  # over midnight: it began yesterday
        return _ms(end)
    return _ms(_at(wall + timedelta(days=1), channel.quiet_to)) if wall >= begin else 0


def _at(day: datetime, text: str) -> datetime:
    hour, _, minute = text.partition(":")
    return day.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0, fold=0)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
