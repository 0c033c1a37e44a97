"""Every invariant, broken by hand in real servers: it is found, and repaired where it can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baton.broker import inventory
from baton.broker.results import Results
from baton.scanner.checks import BY_NAME, CHECKS
from baton.scanner.repair import repair
from baton.schedule import AWAITING_END_MS
from baton.store import alarm_channels, alarm_deliveries, alarms
from baton.store.alarm_channels import ChannelDraft
from baton.store.alarm_deliveries import NewDelivery
from baton.store.alarms import NewAlarm
from baton.store.engine import write
from baton.store.models import JobLog
from baton.vocabulary import AlarmCondition, DeliveryState
from tests.dashboard.site import info
from tests.scheduler.world import GROUP

from .conftest import Patient

LONG_AGO_MS = 3_600_000
Breakage = Callable[[Patient], object]
"""Breaks something; answers what the finding is about."""

BREAKAGES: dict[str, Breakage] = {}


def breaks(name: str) -> Callable[[Breakage], Breakage]:
    def note(breakage: Breakage) -> Breakage:
        BREAKAGES[name] = breakage
        return breakage

    return note


@breaks("run.not_pushed")
def _(patient: Patient) -> object:
    return patient.world.row(patient.job_id, trigger_time=patient.world.clock.now_ms() - LONG_AGO_MS)


@breaks("run.nowhere")
def _(patient: Patient) -> object:
    patient.world.redis.delete(patient.key(f"queue:{patient.job_id}"))
    return patient.waiting


@breaks("run.half_pushed")
def _(patient: Patient) -> object:
    patient.world.change(JobLog, patient.waiting, pushed_at=0)
    return patient.waiting


@breaks("run.without_parent")
def _(patient: Patient) -> object:
    patient.world.change(JobLog, patient.waiting, trigger_type="RETRY")
    return patient.waiting


@breaks("run.before_parent")
def _(patient: Patient) -> object:
    patient.world.change(JobLog, patient.waiting, trigger_type="RETRY", parent_log_id=patient.running)
    return patient.waiting


@breaks("run.contradictory")
def _(patient: Patient) -> object:
    ended = {"trigger_code": 200, "handle_time": 1, "handle_code": 500, "outcome": "succeeded"}
    return patient.world.row(patient.job_id, **ended)


@breaks("lane.not_ready")
def _(patient: Patient) -> object:
    patient.executor.settle([patient.claimed])
    patient.executor.claimed.clear()
    _apply_results(patient)
    patient.world.redis.delete(patient.key("ready"))
    return patient.job_id


@breaks("lane.ready_for_nothing")
def _(patient: Patient) -> object:
    patient.world.redis.zadd(patient.key("ready"), {"999": 1})
    return 999


@breaks("lane.misplaced")
def _(patient: Patient) -> object:
    patient.world.redis.zadd(patient.key("ready:#gpu"), {str(patient.job_id): 1})
    return patient.job_id


@breaks("lane.out_of_turn")
def _(patient: Patient) -> object:
    job_id = patient.world.job(patient.group_id, trigger_status=0, schedule_type="NONE", priority=9)
    patient.world.row(job_id)
    patient.world.pusher().push_pending()
    patient.world.redis.set(patient.key("seq"), 0)
    return job_id


@breaks("slot.without_lease")
def _(patient: Patient) -> object:
    patient.world.redis.hset(patient.key("running"), "999", "77")
    return 77


@breaks("lane.of_no_job")
def _(patient: Patient) -> object:
    patient.world.redis.hset(patient.key("needs"), "999#gpu", "demo")
    patient.world.redis.hset(patient.key("facts"), "999", "2:5:J")
    return 999


@breaks("lease.without_executor")
def _(patient: Patient) -> object:
    lease = patient.world.redis.hget(patient.key("leases"), str(patient.running))
    foreign = lease.replace(b"|e1|", b"|gone-1-ff|")
    patient.world.redis.hset(patient.key("leases"), str(patient.running), foreign)
    return patient.running


@breaks("lease.not_held")
def _(patient: Patient) -> object:
    patient.world.redis.delete(patient.key("held:e1"))
    return patient.running


@breaks("lease.without_slot")
def _(patient: Patient) -> object:
    patient.world.redis.delete(patient.key("running"))
    return patient.running


@breaks("lease.too_many")
def _(patient: Patient) -> object:
    patient.world.redis.delete(patient.key("running"))
    patient.world.redis.zadd(patient.key("ready"), {str(patient.job_id): 1})
    assert patient.executor.claim(1), "a second run of a serial lane"
    return patient.job_id


@breaks("lease.of_ended_run")
def _(patient: Patient) -> object:
    _end(patient, patient.running)
    return patient.running


@breaks("lease.of_no_run")
def _(patient: Patient) -> object:
    patient.world.remove(JobLog, patient.running)
    return patient.running


@breaks("lease.outranks")
def _(patient: Patient) -> object:
    patient.world.redis.set(patient.key("token"), 5)
    return patient.running


@breaks("lease.unreadable")
def _(patient: Patient) -> object:
    patient.world.redis.hset(patient.key("leases"), "12", b"\xff not a lease")
    return 12


@breaks("message.without_row")
def _(patient: Patient) -> object:
    patient.world.remove(JobLog, patient.waiting)
    return patient.waiting


@breaks("message.of_ended_run")
def _(patient: Patient) -> object:
    _end(patient, patient.waiting)
    return patient.waiting


@breaks("message.twice")
def _(patient: Patient) -> object:
    queue = patient.key(f"queue:{patient.job_id}")
    patient.world.redis.rpush(queue, patient.world.redis.lindex(queue, 0))
    return patient.waiting


@breaks("message.unreadable")
def _(patient: Patient) -> object:
    patient.world.redis.rpush(patient.key(f"queue:{patient.job_id}"), b"\x00 nonsense")
    return patient.job_id


@breaks("flag.of_ended_run")
def _(patient: Patient) -> object:
    patient.world.redis.hset(patient.key("cancels"), "777", "killed|by nobody")
    patient.world.redis.hset(patient.key("reruns"), "777", "2:1")
    return 777


@breaks("results.waiting")
def _(patient: Patient) -> object:
    entry_id = patient.world.redis.xadd(patient.key("results"), {"settled:1": b"x"}, id="1-0")
    return entry_id.decode()


@breaks("results.not_acknowledged")
def _(patient: Patient) -> object:
    patient.executor.settle([patient.claimed])
    redis, stream = patient.world.redis, patient.key("results")
    (entry,) = Results(redis, patient.world.blocking, "dead").read([GROUP], count=1, block_ms=1)
    redis.xclaim(stream, "callbacks", "dead", 0, [entry.entry_id], idle=LONG_AGO_MS)
    return entry.entry_id


@breaks("results.idle_consumer")
def _(patient: Patient) -> object:
    patient.monkeypatch.setattr(inventory, "IDLE_MS", 0)
    results = Results(patient.world.redis, patient.world.blocking, "gone")
    assert results.read([GROUP], count=1, block_ms=1) == []
    patient.world.redis.xgroup_createconsumer(patient.key("results"), "callbacks", "gone")
    return "gone"


@breaks("executor.silent")
def _(patient: Patient) -> object:
    patient.world.executor("silent").beat()
    return "silent"


@breaks("executor.left_behind")
def _(patient: Patient) -> object:
    element = patient.world.redis.lindex(patient.key(f"queue:{patient.job_id}"), 0)
    patient.world.redis.rpush(patient.key(f"queue:{patient.job_id}@gone-1-ff"), element)
    return "gone-1-ff"


@breaks("executor.spool")
def _(patient: Patient) -> object:
    return _say(patient, spool_state="full")


@breaks("executor.quarantine")
def _(patient: Patient) -> object:
    return _say(patient, quarantined=3)


@breaks("group.closed")
def _(patient: Patient) -> object:
    patient.world.redis.delete(patient.key("epoch"))
    return GROUP


@breaks("group.unknown")
def _(patient: Patient) -> object:
    patient.world.executor("lost", "typing-eror").beat()
    return "typing-eror"


@breaks("job.overdue")
def _(patient: Patient) -> object:
    past_ms = patient.world.clock.now_ms() - LONG_AGO_MS
    return patient.world.job(patient.group_id, next_trigger_time=past_ms)


@breaks("job.awaits_nothing")
def _(patient: Patient) -> object:
    fixed = {"schedule_type": "FIX_DELAY", "next_trigger_time": AWAITING_END_MS}
    return patient.world.job(patient.group_id, **fixed)


@breaks("alarm.not_routed")
def _(patient: Patient) -> object:
    return _alarm(patient)


@breaks("alarm.not_sent")
def _(patient: Patient) -> object:
    alarm_id, long_ago_ms = _alarm(patient), patient.world.clock.now_ms() - LONG_AGO_MS
    with write(patient.world.engine) as connection:
        draft = ChannelDraft("mail", url="mailto://example.com")
        channel_id = alarm_channels.create(connection, draft, long_ago_ms)
        delivery = NewDelivery(alarm_id, channel_id, DeliveryState.WAITING)
        alarm_deliveries.add(connection, [delivery], long_ago_ms)
        (made,) = alarm_deliveries.of_alarms(connection, [alarm_id])[alarm_id]
    return made.id


@breaks("key.unknown")
def _(patient: Patient) -> object:
    patient.world.redis.set(patient.key("mystery:7"), 1)
    return patient.key("mystery:7")


@breaks("key.of_wrong_type")
def _(patient: Patient) -> object:
    patient.world.redis.set(patient.key("turns"), "a string")
    return patient.key("turns")


@breaks("key.for_ever")
def _(patient: Patient) -> object:
    patient.world.redis.rpush(patient.key("reply:abc"), b"x")
    return patient.key("reply:abc")


def _end(patient: Patient, log_id: int) -> None:
    patient.world.change(JobLog, log_id, handle_time=1, handle_code=200, outcome="succeeded")


def _apply_results(patient: Patient) -> None:
    _end(patient, patient.running)
    patient.world.redis.delete(patient.key("results"))


def _say(patient: Patient, **facts: object) -> str:
    raw = info("e1", **facts).to_bytes()
    patient.executor.beat = lambda: patient.world.redis.hset(patient.key("executors"), "e1", raw)
    patient.executor.beat()
    return "e1"


def _alarm(patient: Patient) -> int:
    long_ago_ms = patient.world.clock.now_ms() - LONG_AGO_MS
    with write(patient.world.engine) as connection:
        alarm = NewAlarm("lost:e9", AlarmCondition.EXECUTOR_LOST, patient.group_id)
        alarms.raise_alarms(connection, [alarm], long_ago_ms)
        return alarms.list_page(connection)[0].id


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_healthy_installation_has_no_findings(patient: Patient) -> None:
    assert patient.found() == set()


IN_SQL = [name for name in BREAKAGES if name.partition(".")[0] in ("run", "job", "alarm")]


@pytest.mark.parametrize(
    ("name", "database"),
    [*((name, "sqlite") for name in BREAKAGES), *((name, "postgresql") for name in IN_SQL)],
)
def test_what_is_broken_is_found_by_the_second_look(patient: Patient, name: str) -> None:
    subject = str(BREAKAGES[name](patient))

    first = patient.look()
    second = patient.look_again()

    assert first.findings == ()
    assert (name, subject) in {(each.check_name, each.subject) for each in second.findings}


@pytest.mark.parametrize("name", [check.name for check in CHECKS if check.repair])
def test_what_can_be_repaired_is_well_after_it(patient: Patient, name: str) -> None:
    subject = str(BREAKAGES[name](patient))
    patient.look()
    found = [each for each in patient.look_again().findings if each.check_name == name]
    assert subject in {each.subject for each in found}

    assert repair(patient.world.redis, found) == len(found)

    after = patient.look_again().findings
    assert name not in {each.check_name for each in after}


def test_every_check_is_tried() -> None:
    assert set(BREAKAGES) == set(BY_NAME)


def test_every_check_explains_itself() -> None:
    for check in CHECKS:
        assert check.title, check.name
        assert check.meaning.endswith("."), check.name
        assert check.remedy.endswith("."), check.name
        assert not check.is_leftover or check.repair, check.name
    assert len(BY_NAME) == len(CHECKS)
