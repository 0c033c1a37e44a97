"""The ways to tell people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..children import read_ids
from ..errors import InputError
from ..vocabulary import ChannelKind, QuietAction
from .alarms import AlarmView
from .models import AlarmChannel, Job

_TABLE = AlarmChannel.__table__


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """What a person decides about a channel."""

    name: str
    kind: str = ChannelKind.APPRISE
    url: str = ""
    secret: str = ""
    conditions: str = ""
    is_for_all: bool = True
    group_ids: str = ""
    subject: str = ""
    body: str = ""
    quiet_from: str = ""
    quiet_to: str = ""
    time_zone: str = "UTC"
    quiet_action: str = QuietAction.DELAY
    dedupe_s: int = 0
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class ChannelView(ChannelDraft):
    """A stored channel."""

    id: int = 0
    created_at: int = 0

    def wants(self, alarm: AlarmView) -> bool:
        """Whether its people asked to be told of that, or the job asked for them."""
        if not self.is_enabled or alarm.condition not in self.conditions.split(","):
            return False
        if self.id in read_ids(alarm.chosen_channels):
            return True
        return not alarm.only_chosen and self.covers(alarm.group_id)

    def covers(self, group_id: int) -> bool:
        """Whether it is told of whatever happens in a group, unless a job there wants it otherwise."""
        return self.is_for_all or group_id in read_ids(self.group_ids)


_ALL = select(*(_TABLE.c[field.name] for field in fields(ChannelView)))


def all_channels(connection: Connection) -> list[ChannelView]:
    """Every channel, by name."""
    return [ChannelView(*row) for row in connection.execute(_ALL.order_by(AlarmChannel.name))]


def get(connection: Connection, channel_id: int) -> ChannelView | None:
    """One of them, or None."""
    row = connection.execute(_ALL.where(AlarmChannel.id == channel_id)).one_or_none()
    return ChannelView(*row) if row else None


def choosers(connection: Connection, channel_id: int) -> dict[int, str]:
    """The jobs that chose this channel: id -> name."""
    chosen = select(Job.id, Job.name, Job.alarm_channel_ids).where(Job.alarm_channel_ids != "")
    rows = connection.execute(chosen.order_by(Job.id))
    return {job_id: name for job_id, name, ids in rows if channel_id in read_ids(ids)}


def create(connection: Connection, draft: ChannelDraft, now_ms: int) -> int:
    """Insert a channel; answers its id. Raises `InputError` if its name is taken."""
    statement = insert(AlarmChannel).values(**_plain(draft), created_at=now_ms).returning(AlarmChannel.id)
    try:
        return connection.execute(statement).scalar_one()
    except IntegrityError:
        raise _taken(draft) from None


def edit(connection: Connection, channel_id: int, draft: ChannelDraft) -> bool:
    """Change a channel; an empty address or secret stays as it is. False if the channel is gone."""
    values = {name: value for name, value in _plain(draft).items() if value or name not in ("url", "secret")}
    try:
        changed = connection.execute(update(AlarmChannel).where(AlarmChannel.id == channel_id).values(values))
    except IntegrityError:
        raise _taken(draft) from None
    return changed.rowcount == 1


def remove(connection: Connection, channel_id: int) -> bool:
    """Delete a channel with what is on its way over it; False if it is gone."""
    # the next channel may get its id: no job must have chosen that one
    chosen = select(Job.id, Job.alarm_channel_ids).where(Job.alarm_channel_ids != "").order_by(Job.id)
    for job_id, ids in connection.execute(chosen.with_for_update()).all():
        if channel_id in read_ids(ids):
            rest = ",".join(str(each) for each in read_ids(ids) if each != channel_id)
            connection.execute(update(Job).where(Job.id == job_id).values(alarm_channel_ids=rest))
    return connection.execute(delete(AlarmChannel).where(AlarmChannel.id == channel_id)).rowcount == 1


def _taken(draft: ChannelDraft) -> InputError:
    return InputError(f"there is a channel {draft.name!r} already: choose another name")


def _plain(draft: ChannelDraft) -> dict[str, object]:
    return {name: str(value) if isinstance(value, str) else value for name, value in asdict(draft).items()}
