"""People are told once of each thing, over every channel that wants it; the row says what became of it."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from background import webhook, wording
from background.alarms import PAUSES_S, try_out
from baton import meters
from baton.failpoints import arm
from baton.store import alarm_channels, alarms
from baton.store.alarm_channels import ChannelView
from baton.store.alarm_deliveries import STALE_CLAIM_MS, status_of
from baton.store.alarms import NewAlarm
from baton.store.engine import read, write
from baton.vocabulary import AlarmCondition, AlarmStatus, ChannelKind, QuietAction
from scheduler.alarm_router import quiet_until


@pytest.fixture(autouse=True)
def _disarm():
    meters.take()
    yield
    arm("")


def tries() -> dict[str, int]:
    """What was counted of the tries to tell somebody, by result."""
    name = f"{meters.DELIVERIES.name}{meters.SEPARATOR}"
    return {
        field.removeprefix(name): times for field, times in meters.take().items() if field.startswith(name)
    }


def test_a_failure_is_told_once_however_often_it_is_seen(tower):
    tower.channel()
    log_id = tower.failure()
    with write(tower.engine) as connection:
        assert tower.say(connection, log_id) == 0, "a second look at the same failure"

    for _ in range(3):
        tower.work()

    assert tower.mails.subjects == ["[Baton] Run failed: nightly"]
    body = tower.mails.received[0].get_payload(decode=True).decode()
    assert f"run      {log_id}, attempt 1" in body
    assert "ValueError: {job} is broken" in body, "what a run says is no template"
    assert f"https://baton.example.com/runs/{log_id}" in body
    assert tower.alarm_status(log_id) == AlarmStatus.SENT


def test_every_channel_that_wants_it_gets_it_and_no_other(tower):
    tower.channel(name="all")
    tower.channel(name="webhook", kind=ChannelKind.WEBHOOK, url=tower.hooks.url, secret="s3cret")
    tower.channel(name="late only", conditions="LATE")
    tower.channel(name="another group", is_for_all=False, group_ids="999")
    tower.channel(name="its group", is_for_all=False, group_ids=str(tower.group_id))
    tower.channel(name="nobody chose it", is_for_all=False)
    tower.channel(name="off", is_enabled=False)

    tower.failure()
    tower.work()

    assert len(tower.mails.received) == 2
    assert len(tower.hooks.received) == 1


def test_a_job_chooses_who_is_told_of_it(tower):
    general = tower.channel(name="general")
    own = tower.channel(name="own", is_for_all=False, url=tower.mails.url + "&name=own")
    for chosen, only_chosen, told in (
        ("", False, ["general"]),
        (f"{own}", False, ["general", "own"]),
        (f"{own}", True, ["own"]),
        (f"{general}", True, ["general"]),
        ("", True, []),
    ):
        tower.edit_job(alarm_channel_ids=chosen, alarms_only_chosen=only_chosen)
        tower.failure()
        tower.router.route()
        assert tower.told_last() == told


def test_a_deleted_channel_is_chosen_by_no_job(tower):
    first, second = (tower.channel(name=name, is_for_all=False) for name in ("first", "second"))
    tower.edit_job(alarm_channel_ids=f"{first},{second}")

    with write(tower.engine) as connection:
        assert alarm_channels.remove(connection, second)

    again = tower.channel(name="a new one", is_for_all=False)
    with read(tower.engine) as connection:
        assert alarm_channels.choosers(connection, first) == {tower.job_id: "nightly"}
        assert alarm_channels.choosers(connection, again) == {}


def test_a_webhook_is_signed_and_says_which_alarm_it_is(tower):
    tower.channel(kind=ChannelKind.WEBHOOK, url=tower.hooks.url, secret="s3cret")
    log_id = tower.failure()

    tower.work()

    [(headers, body)] = tower.hooks.received
    at, given = (part.partition("=")[2] for part in headers[webhook.SIGNATURE].split(","))
    assert given == hmac.new(b"s3cret", at.encode() + b"." + body, sha256).hexdigest()
    told = json.loads(body)
    assert (told["condition"], told["run"], told["job"]) == ("FAILED", str(log_id), "nightly")
    assert headers["Idempotency-Key"] == f"baton-alarm-{told['alarm']}"


def test_a_channel_that_is_down_is_tried_again_with_growing_pauses(tower):
    tower.channel()
    tower.mails.refusals = 2
    log_id = tower.failure()

    tower.work()
    assert (tower.states(), tower.alarm_status(log_id)) == (["WAITING"], AlarmStatus.DEFAULT)
    tower.work()
    assert tower.mails.refusals == 1, "not before the pause is over"
    for pause_s in PAUSES_S[:2]:
        tower.clock.advance(pause_s)
        tower.work()

    assert tower.states() == ["SENT"]
    assert len(tower.mails.received) == 1
    assert tower.alarm_status(log_id) == AlarmStatus.SENT
    assert tries() == {"failed": 2, "sent": 1}


def test_after_the_last_try_the_row_says_that_nobody_was_told(tower):
    tower.channel()
    tower.mails.refusals = 100
    log_id = tower.failure()

    tower.work()
    for pause_s in PAUSES_S:
        tower.clock.advance(pause_s)
        tower.work()
    tower.clock.advance(100_000)
    tower.work()

    assert tower.mails.refusals == 100 - len(PAUSES_S) - 1
    assert (tower.states(), tower.alarm_status(log_id)) == (["FAILED"], AlarmStatus.FAILED)
    assert "failed" in tower.problems()[0]
    assert tries() == {"failed": len(PAUSES_S), "given_up": 1}


def test_that_a_run_was_late_as_well_does_not_hide_its_failure(tower):
    tower.channel(name="failures", conditions="FAILED")
    tower.channel(
        name="lateness", conditions="LATE", kind=ChannelKind.WEBHOOK, url=tower.hooks.url, secret="s"
    )
    tower.mails.refusals = 1
    log_id = tower.failure()
    with write(tower.engine) as connection:
        late = NewAlarm(f"late:{log_id}", AlarmCondition.LATE, tower.group_id, tower.job_id, log_id)
        alarms.raise_alarms(connection, [late], tower.clock.now_ms())

    tower.work()

    assert len(tower.hooks.received) == 1
    assert tower.alarm_status(log_id) == AlarmStatus.DEFAULT
    tower.clock.advance(PAUSES_S[0])
    tower.work()
    assert tower.alarm_status(log_id) == AlarmStatus.SENT


def test_without_a_channel_no_alarm_is_needed(tower):
    log_id = tower.failure()

    tower.work()

    assert tower.alarm_status(log_id) == AlarmStatus.NOT_NEEDED


def test_the_same_of_the_same_job_is_told_once_in_a_while(tower):
    tower.channel(dedupe_s=600)
    for _ in range(3):
        tower.failure()
    tower.work()
    assert (tower.states(), len(tower.mails.received)) == (
        ["WAITING"] * 0 + ["SENT", "DROPPED", "DROPPED"],
        1,
    )
    assert tower.problems()[1] == "the same was told 0 s before"

    tower.clock.advance(601)
    tower.failure()
    tower.work()

    assert len(tower.mails.received) == 2


def test_what_has_recovered_is_told_once(tower):
    tower.channel()
    tower.failure()
    tower.failure()
    tower.work()

    for _ in range(2):
        with write(tower.engine) as connection:
            alarms.recover(connection, {tower.job_id}, tower.clock.now_ms())
        tower.work()

    assert tower.mails.subjects == [*["[Baton] Run failed: nightly"] * 2, "[Baton] Well again: nightly"]


def test_whoever_dies_before_sending_is_replaced_after_two_minutes(tower):
    tower.channel()
    tower.failure()
    arm("alarm.claimed=raise")
    tower.work()
    arm("")
    tower.work()
    assert tower.mails.received == []

    tower.clock.advance(STALE_CLAIM_MS / 1000)
    tower.work()

    assert (len(tower.mails.received), tower.states()) == (1, ["SENT"])


def test_whoever_dies_after_sending_tells_twice_rather_than_not_at_all(tower):
    tower.channel()
    log_id = tower.failure()
    arm("alarm.sent=raise")
    tower.work()
    arm("")
    assert (len(tower.mails.received), tower.states()) == (1, ["SENDING"])

    tower.clock.advance(STALE_CLAIM_MS / 1000)
    tower.work()
    tower.work()

    assert (len(tower.mails.received), tower.states()) == (2, ["SENT"])
    assert tower.alarm_status(log_id) == AlarmStatus.SENT


def test_whoever_dies_after_routing_loses_nothing(tower):
    tower.channel()
    tower.failure()
    arm("alarm.routed=raise")
    with pytest.raises(RuntimeError):
        tower.router.route()
    arm("")

    tower.work()

    assert len(tower.mails.received) == 1


def test_in_quiet_hours_an_alarm_waits_or_is_dropped(tower):
    noon = datetime.fromtimestamp(tower.clock.now_ms() / 1000, UTC)
    hours = {"quiet_from": f"{noon.hour:02}:00", "quiet_to": f"{noon.hour + 1:02}:00"}
    tower.channel(name="later", **hours)
    tower.channel(name="never", quiet_action=QuietAction.DROP, **hours)
    tower.failure()
    tower.work()
    assert (sorted(tower.states()), tower.mails.received) == (["DROPPED", "WAITING"], [])

    tower.clock.advance(3600)
    tower.work()

    assert (sorted(tower.states()), len(tower.mails.received)) == (["DROPPED", "SENT"], 1)


@pytest.mark.parametrize(
    ("begin", "end", "zone", "now", "until"),
    [
        ("22:00", "06:00", "UTC", "2026-01-05T23:00", "2026-01-06T06:00"),
        ("22:00", "06:00", "UTC", "2026-01-05T05:59", "2026-01-05T06:00"),
        ("22:00", "06:00", "UTC", "2026-01-05T06:00", None),
        ("22:00", "06:00", "UTC", "2026-01-05T12:00", None),
        ("12:00", "13:30", "UTC", "2026-01-05T12:00", "2026-01-05T13:30"),
        ("22:00", "06:00", "Europe/Berlin", "2026-01-05T21:30", "2026-01-06T05:00"),
        ("22:00", "06:00", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T04:00"),
        ("", "", "UTC", "2026-01-05T23:00", None),
        ("08:00", "08:00", "UTC", "2026-01-05T08:00", None),
    ],
)
def test_when_quiet_hours_are_over(begin, end, zone, now, until):
    def ms(text: str) -> int:
        return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)

    channel = ChannelView(name="x", quiet_from=begin, quiet_to=end, time_zone=zone)

    assert quiet_until(channel, ms(now)) == (ms(until) if until else 0)


def test_a_template_reaches_its_names_and_nothing_else():
    facts = {"job": "{run}", "run": "7"}

    assert wording.fill("{job} {run} {secret} {job.__class__} {0}", facts) == (
        "{run} 7 {secret} {job.__class__} {0}"
    )
    assert (
        wording.subject_of("a\nb: {job}", {"job": "x\r\nBcc: all@example.com"})
        == "a b: x Bcc: all@example.com"
    )


def test_a_test_word_says_what_went_wrong_without_the_password(tower):
    good = tower.channel()
    gone = tower.channel(name="gone", url="mailto://me:hunter22@127.0.0.1:1?to=a@example.com&mode=insecure")
    private = tower.channel(name="private", kind=ChannelKind.WEBHOOK, url="http:" + 2 * "/" + "10.0.0.1/x")

    assert try_out(good, "ana") == ""
    assert tower.mails.subjects == ["[Baton] A test: ops"]
    problem = try_out(gone, "ana")
    assert problem
    assert "hunter22" not in problem
    assert "may not be called" in try_out(private, "ana")
    assert try_out(999, "ana") == "the channel was deleted"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ({}, AlarmStatus.NOT_NEEDED),
        ({"DROPPED": 2}, AlarmStatus.NOT_NEEDED),
        ({"WAITING": 1, "FAILED": 1}, AlarmStatus.DEFAULT),
        ({"FAILED": 1, "DROPPED": 1}, AlarmStatus.FAILED),
        ({"SENT": 1, "FAILED": 1}, AlarmStatus.SENT),
    ],
)
def test_what_a_row_says_of_its_alarm(states, status):
    assert status_of(states) is status


def test_editing_a_channel_keeps_what_is_not_typed_again(tower):
    channel_id = tower.channel(secret="s3cret")
    with write(tower.engine) as connection:
        draft = alarm_channels.ChannelDraft(name="renamed", conditions="LATE")
        assert alarm_channels.edit(connection, channel_id, draft)
    with read(tower.engine) as connection:
        stored = alarm_channels.get(connection, channel_id)

    assert (stored.name, stored.url, stored.secret) == ("renamed", tower.mails.url, "s3cret")
