"""Results in every order, with every loss between them: the rule of `callbacks/late.py`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import pytest

from baton.broker.results import ResultItem
from baton.store.runs import RunEnding
from baton.vocabulary import Ending, Outcome
from callbacks.late import best_first
from tests.scheduler.world import World

from .test_apply import apply, by_script, entry, queued, settled


@dataclass(frozen=True)
class Event:
    """Something the stream may say of one run."""

    name: str
    ending: Ending
    attempt: int

    def item(self, log_id: int) -> ResultItem:
        if self.ending is Ending.SETTLED:
            outcome = Outcome.SUCCEEDED if self.attempt == 1 else Outcome.FAILED
            return settled(log_id, outcome, attempt=self.attempt, token=self.attempt)
        return by_script(self.ending, log_id, f"executor lost ({self.name})", attempt=self.attempt)


LOST_1, SAID_1 = Event("lost 1", Ending.LOST, 1), Event("said 1", Ending.SETTLED, 1)
AGAIN = Event("started again", Ending.RERUN, 2)
LOST_2, SAID_2 = Event("lost 2", Ending.LOST, 2), Event("said 2", Ending.SETTLED, 2)
OWN_WORD = {1: "succeeded", 2: "failed"}


def expected(events: Iterable[Event], retries: int) -> tuple[str | None, int]:
    """The rule, applied to one event after the other: the outcome of the row, and its attempt."""
    outcome, attempt, is_retried = None, 1, False
    for event in events:
        if event.ending is Ending.RERUN:
            attempt = max(attempt, event.attempt) if outcome is None else attempt
            continue
        is_own = event.ending is Ending.SETTLED
        may_end = outcome is None or (outcome == "lost" and is_own and not is_retried)
        if event.attempt >= attempt and may_end:
            outcome, attempt = (OWN_WORD[event.attempt] if is_own else "lost"), event.attempt
            is_retried = is_retried or (retries > 0 and outcome in ("lost", "failed"))
    return outcome, attempt


def orders(*events: Event, most: int) -> list[tuple[Event, ...]]:
    """Every order of up to `most` of these, and of up to two told twice."""
    chosen = [order for count in range(1, most + 1) for order in permutations(events, count)]
    return [*chosen, *((*order, *order) for order in chosen if len(order) <= 2)]


def names(order: Iterable[Event]) -> str:
    return ", ".join(event.name for event in order)


@pytest.mark.parametrize("retries", [0, 1])
def test_every_order_in_batches_of_their_own(world: World, retries: int) -> None:
    wrong = []
    most = 4 if world.engine.dialect.name == "sqlite" else 3  # the rule is the same, the trips are longer
    for order in orders(LOST_1, SAID_1, AGAIN, LOST_2, SAID_2, most=most):
        log_id = queued(world, executor_fail_retry_count=retries)
        for event in order:
            apply(world, entry(event.item(log_id)))
        row = world.log(log_id)
        if (row["outcome"], row["attempt"]) != expected(order, retries):
            wrong.append((names(order), row["outcome"], row["attempt"], expected(order, retries)))

    assert wrong == []


@pytest.mark.parametrize("order", list(permutations([AGAIN, SAID_1, LOST_2, SAID_2])), ids=names)
def test_all_in_one_batch_end_as_the_newest_attempt_says(world: World, order: tuple[Event, ...]) -> None:
    log_id = queued(world)

    apply(world, entry(*(event.item(log_id) for event in order)))

    row = world.log(log_id)
    assert (row["outcome"], row["attempt"]) == ("failed", 2)


def test_a_corrected_row_is_followed_as_what_it_turned_out_to_be(world: World) -> None:
    group = world.group()
    child = world.job(group)
    log_id = world.row(world.job(group, child_job_ids=str(child)), trigger_code=200)
    apply(world, entry(LOST_1.item(log_id)))
    assert world.logs(child) == []

    for _ in range(2):
        apply(world, entry(SAID_1.item(log_id)))

    assert [row["trigger_key"] for row in world.logs(child)] == [f"parent:{log_id}"]


def test_a_result_that_is_not_used_any_more_is_noted_once(world: World) -> None:
    log_id = queued(world, executor_fail_retry_count=1)
    apply(world, entry(LOST_1.item(log_id)))

    for _ in range(2):
        apply(world, entry(SAID_1.item(log_id)))

    row = world.log(log_id)
    assert row["outcome"] == "lost"
    first, second = row["handle_msg"].splitlines()
    assert first == "executor lost (lost 1)"
    assert second.startswith("late result of attempt 1 from ")
    assert second.endswith(": succeeded; not used, a newer attempt exists")
    assert len(world.logs()) == 2, "its retry, and no second one"


def test_a_plain_repeat_is_not_noted(world: World) -> None:
    log_id = queued(world)
    for _ in range(2):
        apply(world, entry(SAID_1.item(log_id)))

    assert "late result" not in world.log(log_id)["handle_msg"]


def test_the_newest_attempt_is_believed_first_and_its_own_word_before_its_loss() -> None:
    def ending(attempt: int, token: int, outcome: Outcome) -> RunEnding:
        return RunEnding(1, outcome, 500, "", 0, 0, "e", attempt, token, "", 200)

    lost_2, said_2 = ending(2, 0, Outcome.LOST), ending(2, 7, Outcome.FAILED)
    said_1, gave_up_2 = ending(1, 5, Outcome.SUCCEEDED), ending(2, 7, Outcome.LOST)

    assert best_first([said_1, lost_2, gave_up_2, said_2]) == [said_2, lost_2, gave_up_2, said_1]
