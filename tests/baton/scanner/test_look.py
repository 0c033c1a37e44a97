"""One scan: what it walks through, what it remembers, what would explain what it saw."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from baton.broker import progress, recovery, repairs
from baton.broker.keys import NUDGE, place_of, rq_result
from baton.broker.nudge import nudge
from baton.broker.results import Results
from baton.context import Progress
from baton.scanner import gather, look
from baton.scanner.repair import repair
from baton.store import findings
from baton.store.engine import read
from baton.store.models import JobLog
from tests.scheduler.world import GROUP

from .conftest import Patient


def lose_the_lane(patient: Patient) -> None:
    patient.world.redis.delete(patient.key(f"queue:{patient.job_id}"))


def nowhere(report: look.Report) -> list[int]:
    return sorted(each.log_id for each in report.findings if each.check_name == "run.nowhere")


def test_a_run_whose_result_is_on_its_way_is_not_nowhere(patient: Patient) -> None:
    """The callbacks process is away for hours: what it will apply is no broken invariant."""
    patient.executor.settle([patient.claimed])
    patient.executor.claimed.clear()
    patient.look()
    assert nowhere(patient.look_again()) == []
    assert nowhere(patient.look_again()) == []

    results = Results(patient.world.redis, patient.world.blocking, "it is back")
    results.acknowledge(results.read([GROUP], count=10, block_ms=1))

    assert nowhere(patient.look_again()) == [patient.running], "all results are applied, and it has not ended"


def test_a_run_of_which_a_later_result_waits_is_nowhere_all_the_same(patient: Patient) -> None:
    lose_the_lane(patient)
    patient.look()
    patient.executor.settle([patient.claimed])

    assert patient.waiting in nowhere(patient.look_again())


def test_a_run_that_ends_while_it_is_looked_for_is_not_nowhere(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its result comes between the look at the stream and the look at the lanes, and is applied late."""
    adrift = recovery.adrift

    def ends_before(*arguments: Any) -> set[int]:
        patient.executor.settle([patient.claimed])
        monkeypatch.setattr(recovery, "adrift", adrift)
        return adrift(*arguments)

    monkeypatch.setattr(recovery, "adrift", ends_before)
    patient.look()
    patient.executor.claimed.clear()

    assert nowhere(patient.look_again()) == []


def test_a_long_backlog_is_walked_through_and_suspects_are_kept_in_sight(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "WINDOW_ROWS", 1)
    lose_the_lane(patient)

    found = [nowhere(patient.look_again()) for _ in range(6)]

    assert found[-1] == [patient.waiting, patient.waiting + 1]


def test_what_is_seen_is_remembered_with_the_scan(patient: Patient) -> None:
    patient.world.redis.set(patient.key("mystery"), 1)
    report = patient.look()

    with read(patient.world.engine) as connection:
        (known,) = [each for each in findings.everything(connection) if each.check_name == "key.unknown"]
        last = findings.last_scan(connection)

    assert (known.subject, known.sightings, known.is_confirmed) == (patient.key("mystery"), 1, False)
    assert last == report.scan
    assert (last.by_whom, last.rows) == ("a test", 3)
    assert last.keys == len(list(patient.world.redis.scan_iter()))


def test_what_is_well_again_is_forgotten(patient: Patient) -> None:
    patient.world.redis.set(patient.key("mystery"), 1)
    patient.found()
    patient.world.redis.delete(patient.key("mystery"))

    assert patient.look_again().findings == ()
    with read(patient.world.engine) as connection:
        assert "key.unknown" not in {each.check_name for each in findings.everything(connection)}


def test_a_hundred_of_a_kind_are_enough(patient: Patient) -> None:
    for number in range(150):
        patient.world.redis.set(patient.key(f"mystery-{number}"), 1)

    assert len(patient.found()) == look.MOST


def test_a_name_that_is_very_long_fits(patient: Patient) -> None:
    patient.world.redis.set(patient.key("x" * 1000), 1)

    ((_, subject),) = patient.found()

    assert len(subject) == 255


def test_names_that_are_no_text_are_shown_all_the_same(patient: Patient) -> None:
    patient.world.redis.set(patient.key("").encode() + b"\xff\xfe", 1)

    ((check, subject),) = patient.found()

    assert check == "key.unknown"
    assert subject.endswith(r"\xff\xfe")


def test_a_key_of_a_wrong_type_does_not_hold_up_the_rest(patient: Patient) -> None:
    patient.world.redis.delete(patient.key("leases"))
    patient.world.redis.set(patient.key("leases"), "a string")
    overdue = patient.world.job(patient.group_id, next_trigger_time=1)
    patient.look()
    patient.world.clock.advance(31)

    found = {(each.check_name, each.subject) for each in patient.look().findings}

    assert found == {("key.of_wrong_type", patient.key("leases")), ("job.overdue", str(overdue))}


def test_keys_outside_groups_are_known(patient: Patient) -> None:
    nudge(patient.world.redis)
    patient.world.redis.set(rq_result("j1"), b"1", ex=60)

    assert patient.found() == set()
    assert place_of(NUDGE).rule is not None


# repairs


def test_what_is_remembered_of_pushes_goes_no_earlier_than_it_would(patient: Patient) -> None:
    """Redis would push runs again that it does not remember."""
    patient.world.redis.persist(patient.key("seen:0"))
    patient.look()
    found = patient.look_again().findings
    assert [each.check_name for each in found] == ["key.for_ever"]

    repair(patient.world.redis, found)

    assert patient.world.redis.ttl(patient.key("seen:0")) > 6 * 86_400


def test_lanes_of_a_deleted_job_in_which_something_waits_are_not_forgotten(patient: Patient) -> None:
    repairs.forget_jobs(patient.world.redis, GROUP, {patient.job_id})

    assert patient.world.redis.hexists(patient.key("needs"), str(patient.job_id))


def test_a_repaired_lease_of_a_lost_executor_is_for_the_watcher(patient: Patient) -> None:
    """The executor has no beat: the repair gives it one that stands still."""
    patient.world.redis.delete(patient.key("beats"), patient.key("held:e1"))
    patient.look()
    patient.world.clock.advance(31)
    found = [each for each in patient.look().findings if each.check_name == "lease.without_executor"]

    repair(patient.world.redis, found)

    assert patient.world.redis.hget(patient.key("beats"), "e1") == b"0"
    assert patient.world.redis.smembers(patient.key("held:e1")) == {str(patient.running).encode()}


def test_a_repair_that_comes_too_late_changes_nothing(patient: Patient) -> None:
    """What is found and has been put right meanwhile stays as it is."""
    patient.world.redis.delete(patient.key("held:e1"))
    patient.look()
    found = patient.look_again().findings
    patient.executor.settle([patient.claimed])

    repair(patient.world.redis, found)

    assert patient.world.redis.hlen(patient.key("running")) == 0
    assert patient.world.redis.exists(patient.key("held:e1")) == 0


def test_a_message_of_an_ended_run_does_not_run_again(patient: Patient) -> None:
    patient.world.change(JobLog, patient.waiting, handle_time=1, handle_code=200, outcome="succeeded")
    patient.look()
    repair(patient.world.redis, patient.look_again().findings)

    assert patient.world.waiting(patient.job_id) == [patient.waiting + 1]


def test_keys_of_every_run_are_counted_and_one_of_a_page_is_looked_at(patient: Patient) -> None:
    before = patient.look().scan.keys
    progress.publish(patient.world.redis, GROUP, dict.fromkeys(range(1000, 1300), Progress(0.5)), 1)
    assert patient.look().scan.keys == before + 300
    for log_id in range(1000, 1300):
        patient.world.redis.persist(patient.key(f"progress:{log_id}"))

    assert {check for check, _ in patient.found()} == {"key.for_ever"}


def test_two_clues_about_one_thing_are_one_finding(patient: Patient) -> None:
    """A message that waits twice is met twice."""
    queue = patient.key(f"queue:{patient.job_id}")
    patient.world.redis.rpush(queue, patient.world.redis.lindex(queue, 0))
    patient.look()

    report = patient.look_again()

    assert [each.check_name for each in report.findings] == ["message.twice"]
    assert report.suspected == 1, "the executor of this world has a clock that stands still"


def test_a_consumer_that_has_something_is_not_dismissed(patient: Patient) -> None:
    patient.executor.settle([patient.claimed])
    slow = Results(patient.world.redis, patient.world.blocking, "slow")
    (entry,) = slow.read([GROUP], count=1, block_ms=1)
    stream = patient.key("results")

    repairs.dismiss_consumers(patient.world.redis, GROUP, ["slow"])
    assert len(patient.world.redis.xinfo_consumers(stream, "callbacks")) == 1

    slow.acknowledge([entry])
    repairs.dismiss_consumers(patient.world.redis, GROUP, ["slow"])
    assert patient.world.redis.xinfo_consumers(stream, "callbacks") == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_scanners_may_look_at_the_same_time(patient: Patient) -> None:
    for number in range(20):
        patient.world.redis.set(patient.key(f"mystery-{number}"), 1)
    with ThreadPoolExecutor(4) as pool:
        reports = [each.result() for each in [pool.submit(patient.look) for _ in range(12)]]
    for number in range(10):
        patient.world.redis.delete(patient.key(f"mystery-{number}"))
    with ThreadPoolExecutor(4) as pool:
        reports += [each.result() for each in [pool.submit(patient.look) for _ in range(12)]]

    assert all(report.findings == () for report in reports), "no time has passed"
    assert len(patient.look_again().findings) == 10
