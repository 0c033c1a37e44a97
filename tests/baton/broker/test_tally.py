"""What processes say of themselves: heard once, added up, and kept when they are gone."""

from __future__ import annotations

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from baton import meters
from baton.broker import tally
from baton.broker.keys import INSTALLATION, GroupKeys
from baton.broker.tally import FIELDS_PER_WORD, FORGOTTEN_AFTER_MS, Tally
from baton.loop import Loop
from baton.meters import Counter
from baton.vocabulary import Role
from tests.waiting import until

CALLS = Counter("baton_calls_total", "Calls.", ("group",))


@pytest.fixture(autouse=True)
def _nothing_counted():
    meters.take()


@pytest.fixture
def process(redis_client):
    """A process of a role; what it counts is what this test counts."""

    def make(process_id: str = "one", role: Role = Role.CALLBACKS, **options) -> Tally:
        return Tally(redis_client, role, process_id, interval_s=1.0, **options)

    return make


def calls(redis_client, *app_names: str) -> int:
    return tally.totals(redis_client, app_names).get("baton_calls_total|demo", 0)


def test_totals_stay_when_the_processes_that_counted_are_gone(redis_client, process):
    one, two = process("one"), process("two", app_name="demo")
    CALLS.add(3, "demo")
    one.speak()
    CALLS.add(4, "demo")
    two.speak()
    assert calls(redis_client, "demo") == 7
    assert {each.info.process_id for each in tally.heard(redis_client)} == {"one"}

    one.leave()
    process("three").speak()

    assert calls(redis_client, "demo") == 7
    assert [each.info.process_id for each in tally.heard(redis_client)] == ["three"]
    assert [each.info.process_id for each in tally.heard(redis_client, "demo")] == ["two"]


def test_a_word_whose_answer_was_lost_is_said_again_and_counted_once(redis_client, process, monkeypatch):
    one = process()
    CALLS.add(3, "demo")
    heard = one._script.run

    def unheard(_script, *arguments):
        heard(*arguments)
        raise RedisTimeoutError("the answer came too late")

    with monkeypatch.context() as patch:
        patch.setattr(type(one._script), "run", unheard)
        for _ in range(2):
            with pytest.raises(RedisTimeoutError):
                one.speak()
    assert calls(redis_client) == 3
    CALLS.add(2, "demo")
    one.speak()

    assert calls(redis_client) == 5


def test_what_was_counted_while_redis_was_away_is_told_when_it_is_back(redis_client, process, monkeypatch):
    one = process()
    with monkeypatch.context() as patch:
        patch.setattr(redis_client, "evalsha", lambda *_: (_ for _ in ()).throw(RedisTimeoutError()))
        for _ in range(3):
            CALLS.add(1, "demo")
            with pytest.raises(RedisTimeoutError):
                one.speak()
    assert calls(redis_client) == 0

    one.speak()

    assert calls(redis_client) == 3


def test_who_is_woken_speaks_soon_but_not_each_time(redis_client, process, monkeypatch):
    monkeypatch.setattr(tally, "LEAST_PAUSE_S", 30.0)
    one = process()
    assert one.step() == 1.0
    CALLS.add(1, "demo")

    assert 0 < one.step() <= 30.0
    assert calls(redis_client) == 0, "it has just spoken"

    monkeypatch.setattr(tally, "LEAST_PAUSE_S", 0.0)
    one.step()
    assert calls(redis_client) == 1


def test_many_series_are_told_in_several_words(redis_client, process):
    for n in range(2 * FIELDS_PER_WORD + 1):
        CALLS.add(n + 1, f"group-{n}")

    process().speak()

    found = tally.totals(redis_client, [])
    assert [found[f"baton_calls_total|group-{n}"] for n in range(2 * FIELDS_PER_WORD + 1)] == [
        n + 1 for n in range(2 * FIELDS_PER_WORD + 1)
    ]


def test_loops_are_told_with_their_steps_failures_and_how_overdue_they_are(redis_client, process):
    def fails() -> float:
        raise ValueError("on purpose")

    good, bad = Loop("good", lambda: 0.001), Loop("bad", fails)
    one = process(loops=[good, bad])
    for loop in (good, bad):
        loop.start()
    until(lambda: good.steps >= 3 and bad.failures >= 2)
    for loop in (good, bad):
        loop.stop()
        loop.join()

    one.speak()
    one.speak()

    found = tally.totals(redis_client, [])
    assert found["baton_loop_steps_total|callbacks|good"] == good.steps
    assert found["baton_loop_failures_total|callbacks|bad"] == bad.failures
    assert "baton_loop_steps_total|callbacks|bad" not in found
    [heard] = tally.heard(redis_client)
    assert heard.info.overdue_s["bad"] > 0


def test_a_process_that_was_silent_for_an_hour_is_forgotten(redis_client, process):
    for process_id in ("old", "young"):
        process(process_id).speak()
    keys = GroupKeys(INSTALLATION)
    redis_client.zincrby(keys.named("tallies"), -FORGOTTEN_AFTER_MS - 1, "old")
    ages = {each.info.process_id: each.age_s for each in tally.heard(redis_client)}
    assert ages["old"] > FORGOTTEN_AFTER_MS / 1000 > ages["young"]

    process("new").speak()

    assert {each.info.process_id for each in tally.heard(redis_client)} == {"young", "new"}
    assert redis_client.hkeys(keys.named("processes")) == [b"young", b"new"]


def test_garbage_in_redis_costs_what_it_covers_and_no_more(redis_client, process):
    keys = GroupKeys(INSTALLATION)
    redis_client.hset(keys.named("totals"), mapping={"baton_calls_total|bad": "many", b"\xff": "7"})
    redis_client.hset(keys.named("processes"), "stranger", "1|no msgpack")
    redis_client.zadd(keys.named("tallies"), {"stranger": 9e15})
    CALLS.add(1, "bad")
    CALLS.add(1, "demo")

    process().speak()

    assert calls(redis_client) == 1
    assert "baton_calls_total|bad" not in tally.totals(redis_client, [])
    assert [each.info.process_id for each in tally.heard(redis_client)] == ["one"]
