"""Runs are counted into the reports once, whatever dies, and again when they came out otherwise."""

from __future__ import annotations

import math
import os
import random
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, delete, insert, select, update

from background import here, reports
from background.here import Here
from baton import failpoints
from baton.histogram import ERROR
from baton.store import report_rows
from baton.store import reports as counting
from baton.store.engine import make_engine, read, write
from baton.store.models import Job, JobLog, ReportName, ReportOpen, ReportRow
from baton.store.report_rows import DAY, HOUR, Key, Totals
from baton.vocabulary import Outcome
from tests import factories
from tests.clocks import NOON_MS, FakeClock
from tests.waiting import until

HOUR_MS = 3600 * 1000
BERLIN = ZoneInfo("Europe/Berlin")
ALL = (0, 0)


@dataclass
class World:
    """A database with a group and a job, and the process that counts."""

    engine: Engine
    clock: FakeClock
    group_id: int
    job_id: int

    def count_by(self, zone=UTC) -> None:
        here.install(Here(self.engine, None, clock=self.clock, zone=zone))

    def run(self, at_ms: int = NOON_MS, outcome: str | None = "succeeded", job_id: int = 0, **fields) -> int:
        """A run that waited for 100 ms and ran for a second, or has not ended."""
        began_ms = at_ms + 100
        values = {"trigger_time": at_ms, "fire_at": at_ms, "trigger_code": 200, "outcome": outcome}
        if outcome is not None:
            values |= {"handle_code": 200, "started_at": began_ms, "handle_time": began_ms + 1_000}
        with write(self.engine) as connection:
            job = job_id or self.job_id
            return factories.log_row(connection, self.group_id, job, **{**values, **fields})

    def end(self, log_id: int, outcome: str, run_ms: int = 1_000) -> None:
        began_ms = NOON_MS + 100
        ended = {"started_at": began_ms, "handle_time": began_ms + run_ms, "handle_code": 200}
        with write(self.engine) as connection:
            change = update(JobLog).where(JobLog.id == log_id)
            connection.execute(change.values(outcome=outcome, **ended))

    def totals(self, period: str, group_job: tuple[int, int] = ALL, span: str = DAY) -> Totals:
        with read(self.engine) as connection:
            found = report_rows.standing(connection, [Key(span, *group_job, period)])
        return found.get(Key(span, *group_job, period), Totals())

    def rows(self) -> dict[Key, tuple]:
        """Every row of the reports."""
        columns = (ReportRow.span, ReportRow.group_id, ReportRow.job_id, ReportRow.period)
        with read(self.engine) as connection:
            found = connection.execute(select(*columns, *report_rows.VALUES))
            return {Key(*row[:4]): tuple(row[4:]) for row in found}

    def counted(self) -> set[int]:
        """The runs whose numbers the reports keep."""
        with read(self.engine) as connection:
            return set(connection.execute(select(JobLog.id).where(counting.IS_COUNTED)).scalars())


@pytest.fixture
def world(engine: Engine) -> World:
    with write(engine) as connection:
        group_id = factories.executor_group(connection, app_name="demo")
        job_id = factories.job(connection, group_id, name="nightly")
    world = World(engine, FakeClock(), group_id, job_id)
    world.count_by()
    return world


TODAY = "2026-01-01"


@pytest.fixture(autouse=True)
def _noon() -> None:
    assert datetime.fromtimestamp(NOON_MS / 1000, UTC).date().isoformat() == TODAY


def test_runs_are_counted_by_day_and_by_hour_of_job_group_and_all(world):
    for outcome in ("succeeded", "succeeded", "failed", "timed_out"):
        world.run(outcome=outcome)
    world.run(job_id=999)

    assert reports.count(0) == 5

    assert world.totals(TODAY, (world.group_id, world.job_id)).outcomes == {
        "succeeded": 2, "failed": 1, "timed_out": 1,
    }  # fmt: skip
    assert world.totals(TODAY, (world.group_id, 0)).triggered == 5
    assert world.totals(TODAY).succeeded == 3
    assert world.totals(f"{TODAY}T12Z", span=HOUR).triggered == 5


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_own_number(world, outcome):
    world.run(outcome=outcome.value)
    reports.count(0)
    assert world.totals(TODAY).outcomes == {outcome.value: 1}


def test_a_run_that_has_not_ended_is_counted_again_when_it_has(world):
    log_id = world.run(outcome=None)
    reports.count(0)
    assert world.totals(TODAY).unfinished == 1
    assert world.counted() == set()

    world.end(log_id, "failed", run_ms=7_000)
    assert world.counted() == set()
    assert reports.count(0) == 1

    found = world.totals(TODAY)
    assert (found.unfinished, found.outcomes, found.run_ms) == (0, {"failed": 1}, 7_000)
    assert world.counted() == {log_id}
    assert reports.count(0) == 0


def test_a_lost_run_that_is_corrected_is_taken_back_and_counted_as_what_it_was(world):
    log_id = world.run(outcome="lost")
    reports.count(0)
    assert world.totals(TODAY).outcomes == {"lost": 1}
    assert world.totals(TODAY).run_times.total == 0

    world.end(log_id, "succeeded")
    assert world.counted() == set()
    reports.count(0)

    found = world.totals(TODAY)
    assert {name: times for name, times in found.outcomes.items() if times} == {"succeeded": 1}
    assert (found.triggered, found.run_times.total) == (1, 1)


def test_days_keep_their_numbers_when_their_rows_are_gone(world):
    log_ids = [world.run(outcome=outcome) for outcome in ("succeeded", "lost", "failed")]
    reports.count(0)
    assert world.counted() == set(log_ids)
    before = world.rows()
    with write(world.engine) as connection:
        connection.execute(delete(JobLog))
    world.run(at_ms=NOON_MS + 24 * HOUR_MS)

    reports.count(0)

    after = world.rows()
    assert {key: after[key] for key in before} == before
    with read(world.engine) as connection:
        assert connection.execute(select(ReportOpen.log_id)).all() == []


def test_a_day_is_one_of_the_time_zone_of_the_reports(world):
    world.count_by(BERLIN)
    midnight_ms = round(datetime(2026, 1, 2, tzinfo=BERLIN).timestamp()) * 1000
    world.run(at_ms=midnight_ms - 1)
    world.run(at_ms=midnight_ms)
    world.run(at_ms=midnight_ms + 1)

    reports.count(0)

    assert world.totals("2026-01-01").triggered == 1
    assert world.totals("2026-01-02").triggered == 2
    assert world.totals("2026-01-01T22Z", span=HOUR).triggered == 1


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25)])
def test_the_days_on_which_clocks_change_are_an_hour_shorter_or_longer(world, day, hours):
    world.count_by(BERLIN)
    begins_ms = round(datetime.fromisoformat(day).replace(tzinfo=BERLIN).timestamp()) * 1000
    for hour in range(-1, hours + 1):
        world.run(at_ms=begins_ms + hour * HOUR_MS)

    reports.count(0)

    assert world.totals(day).triggered == hours
    assert (
        sum(world.totals(key.period).triggered for key in world.rows() if key[:3] == (DAY, 0, 0)) == hours + 2
    )


def test_percentiles_of_many_days_are_near_the_exact_ones(world):
    chance = random.Random(4)
    rows, run_times = [], []
    for number in range(3_000):
        at_ms = NOON_MS + number * 60_000
        wait_ms, run_ms = (round(chance.lognormvariate(math.log(middle), 1)) for middle in (80, 2_500))
        run_times.append(run_ms)
        rows.append({
            "group_id": world.group_id, "job_id": world.job_id, "trigger_key": f"cron:{number}",
            "trigger_type": "CRON", "fire_at": at_ms, "trigger_time": at_ms, "executor_handler": "x",
            "trigger_code": 200, "started_at": at_ms + wait_ms, "handle_time": at_ms + wait_ms + run_ms,
            "handle_code": 200, "outcome": "succeeded",
        })  # fmt: skip
    with write(world.engine) as connection:
        connection.execute(insert(JobLog), rows)
    reports.count(0)

    merged = Totals()
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        merged.merge(world.totals(day, (world.group_id, world.job_id)))

    assert merged.run_times.total == 3_000
    assert merged.run_ms == sum(run_times)
    for share in (0.5, 0.95, 0.99):
        exact = sorted(run_times)[math.ceil(share * 3_000) - 1]
        assert abs(merged.run_times.quantile(share) - exact) <= exact * ERROR + 0.5


def test_waiting_begins_when_a_run_may_be_pushed_and_lateness_when_it_is_due(world):
    world.run(not_before=NOON_MS + 60, fire_at=NOON_MS - 900)  # jitter: due when it may be pushed
    world.run(fire_at=NOON_MS - 900)  # planned too late
    world.run(fire_at=NOON_MS - 900, attempt=2)  # it has begun before

    reports.count(0)

    found = world.totals(TODAY)
    assert sorted(found.wait_times.counts.values()) == [1, 2]
    assert [found.lateness.quantile(share) for share in (0.5, 1.0)] == [
        pytest.approx(40, rel=ERROR), pytest.approx(1_000, rel=ERROR),
    ]  # fmt: skip


def test_a_job_is_remembered_by_its_last_name_when_it_is_gone(world):
    reports.count(0)
    with write(world.engine) as connection:
        connection.execute(update(Job).values(name="hourly"))
    reports.count(0)
    with write(world.engine) as connection:
        connection.execute(delete(Job))
    reports.count(0)

    with read(world.engine) as connection:
        names = {(row.kind, row.name) for row in connection.execute(select(ReportName.kind, ReportName.name))}
    assert names == {("job", "hourly"), ("group", "demo")}


def test_old_hours_are_forgotten_and_their_days_stay(world):
    world.run()
    world.run(at_ms=NOON_MS + 2 * HOUR_MS)
    reports.count(0)
    world.clock.advance(report_rows.HOURS_KEPT * 3600 + 3600)

    assert reports.forget_hours(0) == 3

    assert {key.period for key in world.rows()} == {TODAY, f"{TODAY}T14Z"}


def test_runs_of_long_ago_make_no_hours(world):
    world.run(at_ms=NOON_MS - 100 * 24 * HOUR_MS)
    reports.count(0)
    assert {key.span for key in world.rows()} == {DAY}


# whatever dies


@pytest.mark.parametrize("seam", ["report.read", "report.uncommitted", "report.looked"])
def test_a_process_that_is_killed_while_it_counts_changes_no_number(world, seam, monkeypatch):
    monkeypatch.setattr(reports, "READ_ROWS", 10)
    open_ids = [world.run(outcome=None) for _ in range(5)]
    for number in range(40):
        world.run(outcome="failed" if number % 4 == 0 else "succeeded")
    lost = world.run(outcome="lost")
    if seam == "report.looked":
        reports.count(0)
        world.end(open_ids.pop(), "succeeded")
    assert _is_killed(world, f"{seam}=kill")
    for passage in (1, 2, 3):
        _is_killed(world, f"{seam}=kill@{passage}")
        if open_ids:
            world.end(open_ids.pop(), "succeeded")
    world.end(lost, "failed")

    while reports.count(0):
        pass

    found = world.totals(TODAY)
    assert found.triggered == 46
    assert found.unfinished == len(open_ids)
    ended_since = 5 - len(open_ids)
    assert +found.outcomes == Counter(succeeded=30 + ended_since, failed=11)
    assert found.run_times.total == 41 + ended_since
    assert found == world.totals(TODAY, (world.group_id, world.job_id))


def _is_killed(world: World, spec: str) -> bool:
    """Count in a process of its own, which may die there."""
    url = world.engine.url.render_as_string(hide_password=False)
    child = os.fork()
    if not child:
        try:
            failpoints.arm(spec)
            here.install(Here(make_engine(url), None, clock=world.clock))
            reports.count(0)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_two_processes_that_count_at_once_count_each_run_once(world, monkeypatch):
    monkeypatch.setattr(reports, "READ_ROWS", 7)
    for _ in range(100):
        world.run()
    threads = [threading.Thread(target=reports.count, args=(0,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reports.count(0)

    assert world.totals(TODAY).triggered == 100
    assert world.totals(TODAY).run_times.total == 100


def test_a_pass_that_is_cut_short_goes_on_where_it_stopped(world, monkeypatch):
    monkeypatch.setattr(reports, "READ_ROWS", 10)
    open_ids = [world.run(outcome=None) for _ in range(35)]
    reports.count(0)
    for log_id in open_ids:
        world.end(log_id, "succeeded")
    steps = iter([0.0, *[0.0] * 2, 99.0, *[99.0] * 2])
    monkeypatch.setattr(FakeClock, "monotonic_s", lambda _: next(steps))
    assert reports.count(0) == 20
    monkeypatch.setattr(FakeClock, "monotonic_s", lambda _: 0.0)

    assert reports.count(0) == 15
    assert world.totals(TODAY).succeeded == 35


def test_many_open_runs_do_not_hold_up_new_ones(world, monkeypatch):
    for _ in range(5):
        world.run(outcome=None)
    reports.count(0)
    monkeypatch.setattr(reports, "AGAIN_SHARE_S", -1.0)
    world.run()

    assert reports.count(0) == 1


def test_runs_that_appear_after_younger_ones_are_counted_too(world, monkeypatch):
    if world.engine.dialect.name == "sqlite":
        pytest.skip("its writers take turns")
    monkeypatch.setattr(reports, "_WRITERS_S", 0.05)
    with world.engine.connect() as slow, slow.begin():
        older = factories.log_row(slow, world.group_id, world.job_id, trigger_time=NOON_MS)
        younger = world.run()
        assert older < younger
        reports.count(0)
        assert world.totals(TODAY).triggered == 0

    reports.count(0)
    assert world.totals(TODAY).triggered == 2


def test_counting_waits_a_moment_for_those_who_are_writing(world):
    if world.engine.dialect.name == "sqlite":
        pytest.skip("its writers take turns")
    with world.engine.connect() as slow:
        slow.begin()
        factories.log_row(slow, world.group_id, world.job_id, trigger_time=NOON_MS)
        world.run()
        counter = threading.Thread(target=reports.count, args=(0,))
        counter.start()
        with read(world.engine) as connection:
            until(lambda: counting.writers(connection))
        slow.commit()
        counter.join()

    assert world.totals(TODAY).triggered == 2
