"""Channels are made, tried and changed; nobody sees an address twice."""

from __future__ import annotations

import threading

import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from background import here
from background.here import Here
from baton.broker import chores
from baton.broker.client import connect
from baton.store import alarm_deliveries, alarms, jobs
from baton.store.alarm_deliveries import NewDelivery
from baton.store.alarms import NewAlarm
from baton.store.engine import write
from baton.store.models import AlarmChannel, AlarmDelivery, Job
from baton.vocabulary import AlarmCondition, DeliveryState
from dashboard.forms.job import JobForm
from tests.background.sinks import mail_server

from .site import said

FORM = {
    "name": "ops", "kind": "APPRISE", "url": "mailto://me:hunter22@mail.example.com?to=ops@example.com",
    "secret": "a-secret-of-ours", "conditions": ["FAILED", "LATE"], "dedupe_s": "60", "quiet_from": "22:00",
    "quiet_to": "06:00", "time_zone": "Europe/Berlin", "is_enabled": "1",
}  # fmt: skip


def test_a_channel_is_made_changed_and_deleted_and_its_address_never_shown(site):
    ana = site.person()
    made = ana.post("/alarms/channels", FORM)
    page = ana.get(made.location).text
    assert "hunter22" not in page
    assert "a-secret-of-ours" not in page

    changes = {"name": "people", "url": "", "secret": "", "conditions": ["NONSENSE", "LATE"]}
    ana.post(made.location, {**FORM, **changes})
    (stored,) = site.rows(AlarmChannel)
    assert (stored.name, stored.url, stored.secret) == ("people", FORM["url"], FORM["secret"])
    assert stored.conditions == "LATE"
    assert "people" in said(ana.get("/alarms"))
    assert "hunter22" not in ana.get("/alarms").text

    ana.post(f"{made.location}/deletion")
    assert site.rows(AlarmChannel) == []
    assert [line.split()[1] for line in site.audited()] == [
        "alarm_channel.create", "alarm_channel.update", "alarm_channel.delete",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": ""}, "The name is missing"),
        ({"url": ""}, "The address is missing"),
        ({"conditions": []}, "Choose at least one"),
        ({"kind": "WEBHOOK", "url": "ftp://example.com"}, "A webhook goes to https://host/path"),
        ({"kind": "PIGEON"}, "choose one of APPRISE, WEBHOOK"),
        ({"quiet_from": "25:00"}, "Write a time of day as 22:00"),
        ({"quiet_to": ""}, "Quiet hours have a beginning and an end"),
        ({"time_zone": "Mars/Olympus"}, "There is no time zone"),
        ({"group_ids": "7"}, "One of these groups was deleted"),
        ({"dedupe_s": "-1"}, "give a whole number"),
    ],
)
def test_what_is_wrong_with_a_channel_is_said_beside_it(plain_site, changes, text):
    answer = plain_site.person().post("/alarms/channels", {**FORM, **changes})

    assert answer.status_code == 422
    assert text in said(answer)
    assert plain_site.rows(AlarmChannel) == []


def test_two_channels_do_not_share_a_name(plain_site):
    ana = plain_site.person()
    ana.post("/alarms/channels", FORM)

    answer = ana.post("/alarms/channels", FORM)

    assert answer.status_code == 422
    assert "already: choose another name" in said(answer)


def test_a_channel_is_tried(plain_site):
    ana = plain_site.person()
    with mail_server() as mails:
        made = ana.post("/alarms/channels", {**FORM, "url": mails.url})
        redis = connect(plain_site.redis_url, socket_timeout_s=None)
        queue = chores.queue(redis)
        here.install(Here(plain_site.engine, queue))
        worker = SimpleWorker([queue], connection=redis, serializer=JSONSerializer)
        # RQ wants the main thread for its signals, so the page waits in another one
        page = threading.Thread(target=ana.post, args=[f"{made.location}/tests"])
        page.start()
        worker.work(max_jobs=1, logging_level="ERROR")
        page.join(20)
        redis.close()

    assert "Sent. Look whether it arrived." in said(ana.get(made.location))
    assert mails.subjects == ["[Baton] A test: ops"]


def test_the_page_says_what_became_of_each_alarm(plain_site):
    ana = plain_site.person()
    group_id = plain_site.group()
    job_id = plain_site.job(group_id, name="nightly")
    log_id = plain_site.run(group_id, job_id, outcome="failed")
    with write(plain_site.engine) as connection:
        news = [
            NewAlarm(f"failed:{log_id}", AlarmCondition.FAILED, group_id, job_id, log_id),
            NewAlarm("lost:x", AlarmCondition.EXECUTOR_LOST, group_id, text="executor <x> stopped beating"),
        ]
        alarms.raise_alarms(connection, news, 5)

    page = said(ana.get("/alarms"))

    assert f"run {log_id} of nightly" in page
    assert "executor &lt;x&gt; stopped beating" in page
    assert page.count("on its way") == 2


def failed_run(site, **fields):
    group_id = site.group()
    job_id = site.job(group_id, name="nightly", **fields)
    log_id = site.run(group_id, job_id, outcome="failed")
    with write(site.engine) as connection:
        alarm = NewAlarm(f"failed:{log_id}", AlarmCondition.FAILED, group_id, job_id, log_id)
        alarms.raise_alarms(connection, [alarm], 5)
        [told] = alarms.unrouted(connection, 1)
        alarms.routed(connection, [told.id])
    return job_id, log_id, told.id


def test_a_run_and_its_job_say_what_was_told(plain_site):
    ana = plain_site.person()
    ana.post("/alarms/channels", {**FORM, "is_for_all": "1"})
    [channel] = plain_site.rows(AlarmChannel)
    job_id, log_id, alarm_id = failed_run(plain_site, late_after_s=60)
    with write(plain_site.engine) as connection:
        new = NewDelivery(alarm_id, channel.id, DeliveryState.FAILED, problem="451 not now")
        alarm_deliveries.add(connection, [new], 5)
        alarm_deliveries.mark_run(connection, alarm_id)

    run = ana.get(f"/runs/{log_id}").text
    assert "nobody could be told" in run
    assert "ops: failed" in run
    assert "451 not now" in run
    job = ana.get(f"/jobs/{job_id}").text
    assert "<dd>ops <a" in job
    assert "alarm is open" in job
    assert "after 1 min" in job


def test_what_was_given_up_is_sent_again_once(plain_site):
    ana = plain_site.person()
    ana.post("/alarms/channels", FORM)
    [channel] = plain_site.rows(AlarmChannel)
    _, log_id, alarm_id = failed_run(plain_site)
    with write(plain_site.engine) as connection:
        alarm_deliveries.add(connection, [NewDelivery(alarm_id, channel.id, DeliveryState.FAILED)], 5)
    [delivery] = plain_site.rows(AlarmDelivery)

    answer = ana.post(f"/alarms/deliveries/{delivery.id}/repeat", {"back": f"/runs/{log_id}"})
    again = ana.post(f"/alarms/deliveries/{delivery.id}/repeat")

    assert answer.location == f"/runs/{log_id}"
    assert plain_site.row(AlarmDelivery, delivery.id).state == "WAITING"
    assert "or was sent" in said(ana.get(again.location))


def test_the_form_of_a_job_chooses_channels(plain_site):
    ana = plain_site.person()
    for name in ("first", "second"):
        ana.post("/alarms/channels", {**FORM, "name": name})
    first, second = (each.id for each in plain_site.rows(AlarmChannel))
    job_id = plain_site.job(plain_site.group())
    with plain_site.engine.connect() as connection:
        values = JobForm.of(jobs.get(connection, job_id), 0).values
    change = {**values, "version": 1, "alarms_only_chosen": "1"}

    bad = ana.post(f"/jobs/{job_id}", {**change, "alarm_channel_ids": ["999"]})
    assert bad.status_code == 422
    assert "One of these channels was deleted" in said(bad)
    good = ana.post(f"/jobs/{job_id}", {**change, "alarm_channel_ids": [first, second]})
    assert good.status_code == 303

    stored = plain_site.row(Job, job_id)
    assert (stored.alarm_channel_ids, stored.alarms_only_chosen) == (f"{first},{second}", True)
    form = ana.get(f"/jobs/{job_id}/edit").text
    assert form.count(f'name="alarm_channel_ids" value="{first}" checked') == 1
    assert "first, second" in ana.get(f"/jobs/{job_id}").text
    assert "A job" in ana.get(f"/alarms/channels/{first}").text


def test_pages_show_where_a_channel_leads_and_no_more(plain_site):
    ana = plain_site.person()
    ana.post("/alarms/channels", FORM)
    hook = {"name": "hook", "kind": "WEBHOOK", "url": "https://hooks.example.com/canary4711?key=canary4712"}
    ana.post("/alarms/channels", {**FORM, **hook})

    pages = "".join(ana.get(path).text for path in ("/alarms", "/alarms/channels/1", "/alarms/channels/2"))

    assert "webhook to hooks.example.com" in pages
    assert "mailto://…" in pages
    assert "canary471" not in pages
    assert "canary471" not in "".join(plain_site.audited())
