"""Alarms on their way over channels: each pair once, tried again with pauses, claimed before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, text, update

from ..vocabulary import AlarmCondition, AlarmStatus, DeliveryState
from . import alarms
from .bulk import insert_many
from .models import UNDELIVERED, Alarm, AlarmChannel, AlarmDelivery

_TABLE = AlarmDelivery.__table__
_INSERT = insert_many(
    AlarmDelivery.__table__, ("alarm_id", "channel_id", "state", "not_before", "changed_at", "problem")
)
STALE_CLAIM_MS = 120_000
"""Whoever claimed a delivery so long ago, and said nothing since, is dead."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An alarm for a channel."""

    alarm_id: int
    channel_id: int
    state: DeliveryState
    not_before_ms: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery."""

    id: int
    alarm_id: int
    channel_id: int
    state: str
    not_before: int
    tries: int
    changed_at: int
    problem: str
    channel_name: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Deliveries on their way."""

    deliveries: int
    oldest_ms: int
    """When the alarm of the oldest was raised; 0 without any."""


_ALL: Select[Any] = select(
    *(_TABLE.c[field.name] for field in fields(DeliveryView) if field.name in _TABLE.c),
    AlarmChannel.name.label("channel_name"),
).join(AlarmChannel, AlarmChannel.id == AlarmDelivery.channel_id)


def add(connection: Connection, deliveries: Sequence[NewDelivery], now_ms: int) -> int:
    """Insert them; a pair that is there already is left out."""
    rows = [
        (each.alarm_id, each.channel_id, str(each.state), each.not_before_ms, now_ms, each.problem)
        for each in deliveries
    ]
    return _INSERT.execute(connection, rows)


def due(connection: Connection, now_ms: int, limit: int) -> list[DeliveryView]:
    """What may be sent now, and what somebody claimed and died with."""
    statement = (
        _ALL.where(text(UNDELIVERED), AlarmDelivery.not_before <= now_ms)
        .where(or_(AlarmDelivery.state == DeliveryState.WAITING.value, _is_stale(now_ms)))
        .order_by(AlarmDelivery.not_before, AlarmDelivery.id)
        .limit(limit)
    )
    return [DeliveryView(*row) for row in connection.execute(statement)]


def claim(connection: Connection, delivery_id: int, now_ms: int) -> DeliveryView | None:
    """Take one in hand, before anything is sent; None if it is not to be sent (any more)."""
    statement = (
        update(AlarmDelivery)
        .where(AlarmDelivery.id == delivery_id, AlarmDelivery.not_before <= now_ms)
        .where(or_(AlarmDelivery.state == DeliveryState.WAITING.value, _is_stale(now_ms)))
        .values(state=DeliveryState.SENDING.value, changed_at=now_ms, tries=AlarmDelivery.tries + 1)
    )
    if connection.execute(statement).rowcount != 1:
        return None
    return DeliveryView(*connection.execute(_ALL.where(AlarmDelivery.id == delivery_id)).one())


def sent(connection: Connection, delivery: DeliveryView, now_ms: int) -> None:
    """The other side took it."""
    _put(connection, delivery, DeliveryState.SENT, now_ms, "")


def failed(connection: Connection, delivery: DeliveryView, problem: str, again_ms: int, now_ms: int) -> None:
    """This try failed; `again_ms` is when the next one may be, 0 if there is none."""
    state = DeliveryState.WAITING if again_ms else DeliveryState.FAILED
    _put(connection, delivery, state, now_ms, problem, again_ms)


def rest(connection: Connection, failed: DeliveryView, until_ms: int) -> None:
    """Send nothing else over the channel of this one before `until_ms`."""
    connection.execute(
        update(AlarmDelivery)
        .where(AlarmDelivery.channel_id == failed.channel_id, AlarmDelivery.id != failed.id)
        .where(AlarmDelivery.state == DeliveryState.WAITING.value)
        .where(text(UNDELIVERED), AlarmDelivery.not_before < until_ms)
        .values(not_before=until_ms)
    )


def again(connection: Connection, delivery_id: int, now_ms: int) -> bool:
    """Let one that was given up be tried anew; False if it was not given up."""
    statement = (
        update(AlarmDelivery)
        .where(AlarmDelivery.id == delivery_id, AlarmDelivery.state == DeliveryState.FAILED.value)
        .values(state=DeliveryState.WAITING.value, tries=0, not_before=0, changed_at=now_ms)
    )
    return connection.execute(statement).rowcount == 1


def _put(
    connection: Connection,
    delivery: DeliveryView,
    state: DeliveryState,
    now_ms: int,
    problem: str,
    not_before_ms: int = 0,
) -> None:
    values = {
        "state": state.value, "changed_at": now_ms, "problem": problem, "not_before": not_before_ms,
    }  # fmt: skip
    connection.execute(
        update(AlarmDelivery)
        # only whoever claimed this try may say how it went
        .where(AlarmDelivery.id == delivery.id, AlarmDelivery.tries == delivery.tries)
        .values(values)
    )
    mark_run(connection, delivery.alarm_id)


def waiting(connection: Connection) -> Waiting:
    """What people are not told yet."""
    statement = (
        select(func.count(), func.coalesce(func.min(Alarm.created_at), 0))
        .select_from(AlarmDelivery)
        .join(Alarm, Alarm.id == AlarmDelivery.alarm_id)
        .where(text(UNDELIVERED))
    )
    return Waiting(*connection.execute(statement).one())


def mark_run(connection: Connection, alarm_id: int) -> None:
    """Say on the row of a failed run what became of its alarm, once every channel has come to an end."""
    alarm = alarms.get(connection, alarm_id)
    # XXL-JOB's column is about the failure; that it began late as well is another story
    if alarm is None or alarm.log_id is None or alarm.condition != AlarmCondition.FAILED:
        return
    counts = select(AlarmDelivery.state, func.count()).where(AlarmDelivery.alarm_id == alarm_id)
    rows = connection.execute(counts.group_by(AlarmDelivery.state))
    by_state = {str(row[0]): int(row[1]) for row in rows}
    status = status_of(by_state)
    if status is not AlarmStatus.DEFAULT:
        alarms.mark_run(connection, alarm.log_id, status)


def status_of(by_state: dict[str, int]) -> AlarmStatus:
    """What the states of its deliveries mean for an alarm (pure): one that arrived is enough."""
    if by_state.get(DeliveryState.SENT):
        return AlarmStatus.SENT
    if by_state.get(DeliveryState.WAITING) or by_state.get(DeliveryState.SENDING):
        return AlarmStatus.DEFAULT
    return AlarmStatus.FAILED if by_state.get(DeliveryState.FAILED) else AlarmStatus.NOT_NEEDED


def last_told_ms(connection: Connection, channel_id: int, condition: str, group_id: int, job_id: int) -> int:
    """When this channel was last given that condition of that job, to be sent; 0 if never."""
    statement = (
        select(func.max(Alarm.created_at))
        .join(AlarmDelivery, AlarmDelivery.alarm_id == Alarm.id)
        .where(
            AlarmDelivery.channel_id == channel_id,
            AlarmDelivery.state != DeliveryState.DROPPED.value,
            Alarm.condition == condition,
            Alarm.group_id == group_id,
            Alarm.job_id == job_id,
        )
    )
    return int(connection.execute(statement).scalar() or 0)


def of_alarms(connection: Connection, alarm_ids: Sequence[int]) -> dict[int, list[DeliveryView]]:
    """The deliveries of these alarms."""
    found: dict[int, list[DeliveryView]] = {}
    rows = connection.execute(_ALL.where(AlarmDelivery.alarm_id.in_(alarm_ids)).order_by(AlarmDelivery.id))
    for row in rows:
        found.setdefault(row.alarm_id, []).append(DeliveryView(*row))
    return found


def _is_stale(now_ms: int) -> ColumnElement[bool]:
    claimed_by_the_dead = AlarmDelivery.changed_at <= now_ms - STALE_CLAIM_MS
    return and_(AlarmDelivery.state == DeliveryState.SENDING.value, claimed_by_the_dead)
