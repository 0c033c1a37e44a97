"""The form of an alarm channel."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from baton.store.alarm_channels import ChannelDraft, ChannelView
from baton.vocabulary import AlarmCondition, ChannelKind, QuietAction

from .reading import Reading

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LONGEST_DEDUPE_S = 7 * 24 * 3600
_FIELDS = (
    "name", "kind", "url", "secret", "group_ids", "subject", "body", "quiet_from", "quiet_to", "time_zone",
    "quiet_action", "dedupe_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """Values as typed, conditions as ticked, errors by field, and the draft if there are none."""

    values: Mapping[str, str]
    conditions: Collection[str] = ()
    is_for_all: bool = True
    is_enabled: bool = True
    errors: Mapping[str, str] = field(default_factory=dict)
    draft: ChannelDraft | None = None

    @classmethod
    def blank(cls) -> Self:
        """For a new channel, with a secret nobody guesses."""
        values = _values_of(ChannelDraft(name="", secret=secrets.token_hex(32)))
        return cls(values, [AlarmCondition.FAILED, AlarmCondition.NO_EXECUTOR, AlarmCondition.RECOVERED])

    @classmethod
    def of(cls, channel: ChannelView) -> Self:
        """For a stored one. Its address and secret are not shown again."""
        values = {**_values_of(channel), "url": "", "secret": ""}
        return cls(values, channel.conditions.split(","), channel.is_for_all, channel.is_enabled)

    @classmethod
    def submitted(
        cls, form: Mapping[str, str], ticked: Collection[str], group_ids: Collection[int], *, is_new: bool
    ) -> Self:
        """Read and check what a person sent."""
        reading = Reading(form)
        conditions = [each.value for each in AlarmCondition if each.value in ticked]
        if not conditions:
            reading.wrong("conditions", "Choose at least one.")
        draft = _draft(reading, conditions, group_ids, is_new=is_new)
        values = {name: reading.raw(name) for name in _FIELDS}
        good = None if reading.errors else draft
        return cls(values, conditions, draft.is_for_all, draft.is_enabled, reading.errors, good)

    def with_error(self, name: str, text: str) -> ChannelForm:
        """The same, with something wrong about one field."""
        return replace(self, errors={**self.errors, name: text}, draft=None)


def _draft(
    reading: Reading, conditions: list[str], group_ids: Collection[int], *, is_new: bool
) -> ChannelDraft:
    kind = reading.choice("kind", "The kind", ChannelKind, ChannelKind.APPRISE)
    url = reading.line("url", "The address", 2_000, is_required=is_new)
    if kind is ChannelKind.WEBHOOK and url:
        _check_webhook(reading, url)
    zone = reading.line("time_zone", "The time zone", 64) or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reading.wrong("time_zone", f"There is no time zone {zone[:40]!r}; an example is Europe/Berlin.")
    return ChannelDraft(
        name=reading.line("name", "The name", 64, is_required=True),
        kind=kind.value,
        url=url,
        secret=reading.line("secret", "The secret", 128),
        conditions=",".join(conditions),
        is_for_all=reading.is_checked("is_for_all"),
        group_ids=_groups(reading, group_ids),
        subject=reading.line("subject", "The subject", 255),
        body=reading.text("body", "The text", 10_000),
        quiet_from=_time(reading, "quiet_from"),
        quiet_to=_time(reading, "quiet_to"),
        time_zone=zone,
        quiet_action=reading.choice("quiet_action", "The choice", QuietAction, QuietAction.DELAY).value,
        dedupe_s=reading.whole("dedupe_s", "The pause", _LONGEST_DEDUPE_S),
        is_enabled=reading.is_checked("is_enabled"),
    )


def _check_webhook(reading: Reading, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_usable = False
    if not is_usable:
        reading.wrong("url", "A webhook goes to https://host/path.")


def _groups(reading: Reading, group_ids: Collection[int]) -> str:
    chosen = reading.line("group_ids", "The list of groups", 255)
    if chosen and not set(chosen.split(",")) <= set(map(str, group_ids)):
        reading.wrong("group_ids", "One of these groups was deleted.")
    return chosen


def _time(reading: Reading, name: str) -> str:
    text = reading.line(name, "The time", 5)
    if text and not _TIME.fullmatch(text):
        reading.wrong(name, "Write a time of day as 22:00.")
    other = "quiet_to" if name == "quiet_from" else "quiet_from"
    if not text and reading.raw(other).strip():
        reading.wrong(name, "Quiet hours have a beginning and an end.")
    return text


def _values_of(channel: ChannelDraft) -> dict[str, str]:
    return {name: str(getattr(channel, name)) for name in _FIELDS}
