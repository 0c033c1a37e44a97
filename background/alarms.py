"""Sends one alarm over one channel, and says on the rows how that went.

The delivery is claimed before anything is sent, so two processes never send the same at the same time. A
crash between the sending and its note sends again two minutes later: told twice is better than not told.
Everything else is told once, however often this is called.
"""

from __future__ import annotations

import traceback

from baton import meters, telemetry
from baton.failpoints import failpoint
from baton.store import alarm_channels, alarm_deliveries, alarms
from baton.store.alarm_channels import ChannelView
from baton.store.alarm_deliveries import DeliveryView
from baton.store.engine import read, write
from baton.vocabulary import ChannelKind

from . import channels, webhook, wording
from .channels import NotSent
from .here import Here, here

KEPT_DAYS = 90
"""How long people can look up what they were told."""
_FORGET_ROWS = 500
_FORGET_FOR_S = 10.0
PAUSES_S = (10, 60, 300, 1800, 7200)
"""Before the second try, the third, …; after the sixth nobody tries again."""
REST_S = 30
"""After a failure nothing else is sent over the same channel for so long."""


def send(delivery_id: int) -> bool:
    """Send what waits under this id; False if there is nothing to send, or it was not taken."""
    place = here()
    with write(place.engine) as connection:
        delivery = alarm_deliveries.claim(connection, delivery_id, place.clock.now_ms())
        if delivery is None:
            return False
        channel = alarm_channels.get(connection, delivery.channel_id)
        alarm = alarms.get(connection, delivery.alarm_id)
        if channel is None or alarm is None:  # a delivery goes with them
            return False
        facts = wording.facts_of(connection, alarm, place.public_url)
    # claimed, not sent: after a crash here it is claimed again two minutes later
    failpoint("alarm.claimed")
    try:
        tell(place, channel, facts, alarm.id)
    except NotSent as problem:
        _note_failure(place, delivery, str(problem))
        return False
    except Exception as problem:
        # what it says may hold the address: say where it came from instead
        frame = traceback.extract_tb(problem.__traceback__)[-1]
        place_of = f"{frame.filename}:{frame.lineno}"
        telemetry.warning("alarm.failed", channel=channel.name, error=type(problem).__name__, at=place_of)
        _note_failure(place, delivery, f"{type(problem).__name__} while sending")
        return False
    # sent, not noted: after a crash here it is sent a second time
    failpoint("alarm.sent")
    with write(place.engine) as connection:
        alarm_deliveries.sent(connection, delivery, place.clock.now_ms())
    meters.DELIVERIES.add(1, "sent")
    telemetry.event("alarm.sent", alarm=alarm.id, channel=channel.name, condition=alarm.condition)
    return True


def tell(place: Here, channel: ChannelView, facts: dict[str, str], alarm_id: int) -> None:
    """Send these facts over this channel; raises `NotSent`."""
    if channel.kind == ChannelKind.WEBHOOK:
        now_ms = place.clock.now_ms()
        webhook.send(channel.url, channel.secret, facts, alarm_id, now_ms, place.webhook_hosts)
    else:
        subject = wording.subject_of(channel.subject, facts)
        channels.send(channel.url, subject, wording.body_of(channel.body, facts), place.webhook_hosts)


def try_out(channel_id: int, person: str) -> str:
    """Send a word to try a channel; answers what went wrong, empty if nothing did. RQ keeps the answer."""
    place = here()
    with read(place.engine) as connection:
        channel = alarm_channels.get(connection, channel_id)
    if channel is None:
        return "the channel was deleted"
    facts = dict.fromkeys(wording.NAMES, "") | {
        "what": "A test", "condition": "TEST", "about": channel.name, "link": place.public_url,
        "text": f"{person} tries the channel {channel.name!r}. Nothing is wrong.",
    }  # fmt: skip
    try:
        tell(place, channel, facts, 0)
    except NotSent as problem:
        return str(problem)
    return ""


def forget(_period_ms: int) -> int:
    """Delete old alarms with their deliveries, for a few seconds; answers in how many transactions."""
    place = here()
    before_ms = place.clock.now_ms() - KEPT_DAYS * 24 * 3600 * 1000
    stop_s = place.clock.monotonic_s() + _FORGET_FOR_S
    transactions = 0
    has_more = True
    while has_more and place.clock.monotonic_s() < stop_s:
        with write(place.engine) as connection:
            has_more = alarms.forget(connection, before_ms, _FORGET_ROWS)
        transactions += 1
    return transactions


def _note_failure(place: Here, delivery: DeliveryView, problem: str) -> None:
    now_ms = place.clock.now_ms()
    has_more = delivery.tries <= len(PAUSES_S)
    again_ms = now_ms + PAUSES_S[delivery.tries - 1] * 1000 if has_more else 0
    with write(place.engine) as connection:
        alarm_deliveries.failed(connection, delivery, problem, again_ms, now_ms)
        # a channel that is down takes its time to say so: the others must not wait behind all it has
        alarm_deliveries.rest(connection, delivery, now_ms + REST_S * 1000)
    meters.DELIVERIES.add(1, "failed" if has_more else "given_up")
    telemetry.warning(
        "alarm.not_sent", channel=delivery.channel_name, problem=problem, tries=delivery.tries, again=has_more
    )
