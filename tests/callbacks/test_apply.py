from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from baton import telemetry
from baton.broker.results import BadItem, ResultEntry, ResultItem
from baton.endings import RESULT_LIMIT_BYTES
from baton.envelope import group_key
from baton.schedule import AWAITING_END_MS
from baton.store.engine import write
from baton.store.models import Job
from baton.vocabulary import Ending, Outcome
from callbacks.apply import Applied, apply_batch, read_entries, storable

from ..factories import ACCESS_TOKEN
from ..scheduler.world import GROUP, World, assert_fields, callback, trigger

NOW_MS = 1_790_000_000_000


def key_of(app_name: str) -> bytes:
    return group_key(ACCESS_TOKEN, app_name)


def entry(*items: ResultItem, bad: Sequence[BadItem] = (), app_name: str = GROUP) -> ResultEntry:
    return ResultEntry(app_name, "1-1", 1, items, tuple(bad))


def settled(log_id: int, outcome: Outcome = Outcome.SUCCEEDED, **fields: Any) -> ResultItem:
    frame = callback(log_id, outcome, **fields)
    return ResultItem(f"settled:{log_id}", Ending.SETTLED, log_id, frame, "", "", 0, frame)


def by_script(ending: Ending, log_id: int, reason: str = "why", **fields: Any) -> ResultItem:
    attempt = fields.pop("attempt", 1)
    frame = trigger(log_id, **fields)
    return ResultItem(f"{ending}:{log_id}", ending, log_id, frame, reason, "e9", attempt, frame)


def apply(world: World, *entries: ResultEntry) -> Applied:
    with write(world.engine) as connection:
        return apply_batch(connection, entries, key_of, NOW_MS)


def queued(world: World, **fields: Any) -> int:
    """A row that was pushed."""
    job_fields = {k: fields.pop(k) for k in ("retry_refused",) if k in fields}
    group = world.group() if not world.logs() else world.logs()[0]["group_id"]
    return world.row(world.job(group, **job_fields), **({"trigger_code": 200} | fields))


# what each ending does


def test_a_result_ends_its_row_with_everything_it_says(world: World) -> None:
    log_id = queued(world)
    item = settled(
        log_id, handle_msg="done", result='{"n":1}', started_ms=NOW_MS - 50, ended_ms=NOW_MS - 10, token=99,
        executor_address="host-1-ab", attempt=2,
    )  # fmt: skip

    assert apply(world, entry(item)) == Applied(ended=1)

    row = world.log(log_id)
    assert_fields(
        row,
        trigger_code=200,
        handle_code=200,
        outcome="succeeded",
        handle_msg="done",
        result='{"n":1}',
        started_at=NOW_MS - 50,
        handle_time=NOW_MS - 10,
        token=99,
        executor_address="host-1-ab",
        attempt=2,
    )


def test_a_result_as_large_as_one_may_be_is_kept_whole(world: World) -> None:
    log_id = queued(world)
    largest = json.dumps("x" * (RESULT_LIMIT_BYTES - 2))

    assert apply(world, entry(settled(log_id, result=largest))) == Applied(ended=1)

    assert world.log(log_id)["result"] == largest


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.SUCCEEDED, 200),
        (Outcome.FAILED, 500),
        (Outcome.TIMED_OUT, 502),
        (Outcome.KILLED, 500),
        (Outcome.COVERED, 500),
    ],
)
def test_an_executor_may_say_any_of_these_outcomes(world: World, outcome: Outcome, code: int) -> None:
    log_id = queued(world)

    assert apply(world, entry(settled(log_id, outcome))).ended == 1

    row = world.log(log_id)
    assert (row["outcome"], row["handle_code"]) == (str(outcome), code)


@pytest.mark.parametrize("ending", [Ending.COVERED, Ending.KILLED, Ending.LOST])
def test_a_run_ended_by_a_script_fails_with_the_scripts_words(world: World, ending: Ending) -> None:
    log_id = queued(world)

    assert apply(world, entry(by_script(ending, log_id, "because [job running, killed]"))).ended == 1

    row = world.log(log_id)
    assert_fields(
        row,
        trigger_code=200,
        handle_code=500,
        outcome=str(ending),
        handle_msg="because [job running, killed]",
        handle_time=NOW_MS,
        executor_address="e9",
    )


@pytest.mark.parametrize("trigger_code", [0, 200], ids=["pending", "marked by a repeated push"])
def test_a_discarded_run_is_a_refused_trigger_with_the_reason(world: World, trigger_code: int) -> None:
    log_id = queued(world, trigger_code=trigger_code)
    reason = "block strategy effect: Discard Later"

    assert apply(world, entry(by_script(Ending.DISCARDED, log_id, reason))).ended == 1

    row = world.log(log_id)
    assert (row["trigger_code"], row["outcome"], row["handle_code"], row["handle_time"]) == (
        500, "discarded", 0, 0,
    )  # fmt: skip
    assert reason in row["trigger_msg"]


def test_a_stale_result_is_told_and_noted_and_changes_nothing_else(world: World) -> None:
    log_id = queued(world, attempt=2)
    before = world.log(log_id)
    frame = callback(log_id)
    told = telemetry.count("apply.stale")

    applied = apply(
        world, entry(ResultItem(f"stale:{log_id}", Ending.STALE, log_id, frame, "", "", 0, frame))
    )

    assert applied == Applied(stale=1)
    assert telemetry.count("apply.stale") == told + 1
    after = world.log(log_id)
    assert after["handle_msg"].startswith("late result of attempt 1 from ")
    assert after | {"handle_msg": before["handle_msg"]} == before


def test_a_run_that_is_started_again_has_its_attempt_raised_and_goes_on(world: World) -> None:
    log_id = queued(world)

    applied = apply(world, entry(by_script(Ending.RERUN, log_id, "executor lost: e9", attempt=2)))

    assert applied == Applied(reruns=1)
    row = world.log(log_id)
    assert (row["attempt"], row["outcome"], row["handle_code"]) == (2, None, 0)
    assert "executor lost: e9" in (row["handle_msg"] or "") + (row["trigger_msg"] or "")


def test_the_result_of_a_second_start_keeps_the_evidence_of_the_first(world: World) -> None:
    log_id = queued(world)
    apply(world, entry(by_script(Ending.RERUN, log_id, "executor lost: e9", attempt=2)))

    apply(world, entry(settled(log_id, attempt=2, handle_msg="done")))

    row = world.log(log_id)
    assert row["attempt"] == 2
    evidence = (row["handle_msg"] or "") + (row["trigger_msg"] or "")
    assert "executor lost: e9" in evidence
    assert row["handle_msg"].endswith("done")


def test_a_raised_attempt_is_never_lowered(world: World) -> None:
    log_id = queued(world, attempt=3)

    apply(world, entry(by_script(Ending.RERUN, log_id, attempt=2)))

    assert world.log(log_id)["attempt"] == 3


# repeats, late ones, unknown ones


def test_a_repeated_result_is_counted_and_changes_nothing(world: World) -> None:
    log_id = queued(world)
    apply(world, entry(settled(log_id, handle_msg="first")))
    before = world.log(log_id)

    again = apply(world, entry(settled(log_id, Outcome.FAILED, handle_msg="second")))

    assert again == Applied(repeated=1)
    assert world.log(log_id) == before
    assert world.failed_callbacks() == []


def test_the_same_result_five_times_in_one_batch_has_one_effect(world: World) -> None:
    log_id = queued(world, executor_fail_retry_count=1)
    items = [settled(log_id, Outcome.FAILED) for _ in range(5)]

    assert apply(world, entry(*items[:2]), *(entry(item) for item in items[2:])) == Applied(
        ended=1, followups=1, repeated=4
    )
    assert world.log(log_id)["handle_msg"] == "a message"


def test_a_late_result_corrects_a_run_closed_as_lost(world: World) -> None:
    log_id = queued(world)
    apply(world, entry(by_script(Ending.LOST, log_id, "executor lost: e9")))

    assert apply(world, entry(settled(log_id, handle_msg="done after all"))).ended == 1

    row = world.log(log_id)
    assert (row["outcome"], row["handle_code"]) == ("succeeded", 200)
    assert row["handle_msg"].startswith("executor lost: e9")
    assert row["handle_msg"].endswith("done after all")


def test_a_late_result_of_a_lost_run_that_was_retried_changes_nothing(world: World) -> None:
    log_id = queued(world, executor_fail_retry_count=1)
    assert apply(world, entry(by_script(Ending.LOST, log_id))).followups == 1

    assert apply(world, entry(settled(log_id))) == Applied(repeated=1)
    assert world.log(log_id)["outcome"] == "lost"


@pytest.mark.parametrize("order", [1, -1], ids=["lost first", "result first"])
def test_lost_and_its_late_result_in_one_batch_end_as_the_result(world: World, order: int) -> None:
    log_id = queued(world, executor_fail_retry_count=1)
    items = [by_script(Ending.LOST, log_id), settled(log_id)][::order]

    assert apply(world, entry(*items)) == Applied(ended=1, repeated=1)
    assert world.log(log_id)["outcome"] == "succeeded"
    assert len(world.logs()) == 1


def test_a_result_without_a_row_is_kept_as_log_item_not_found(world: World) -> None:
    world.group()

    assert apply(world, entry(settled(404))) == Applied(unknown=1)

    [kept] = world.failed_callbacks()
    assert (kept["log_id"], kept["field"], kept["reason"]) == (404, "settled:404", "log item not found.")
    assert kept["payload"] == callback(404)


# what follows


@pytest.mark.parametrize(
    ("outcome", "retries"),
    [
        (Outcome.SUCCEEDED, 0),
        (Outcome.FAILED, 1),
        (Outcome.TIMED_OUT, 1),
        (Outcome.KILLED, 0),
        (Outcome.COVERED, 0),
    ],
)
def test_a_failure_with_retries_left_is_followed_by_a_pending_retry(
    world: World, outcome: Outcome, retries: int
) -> None:
    log_id = queued(world, executor_fail_retry_count=2, executor_param="p", block_strategy="DISCARD_LATER")

    assert apply(world, entry(settled(log_id, outcome))).followups == retries

    rows = [row for row in world.logs() if row["id"] != log_id]
    assert len(rows) == retries
    for row in rows:
        assert_fields(
            row,
            trigger_key=f"retry:{log_id}",
            trigger_type="RETRY",
            parent_log_id=log_id,
            attempt=2,
            executor_fail_retry_count=1,
            executor_param="p",
            block_strategy="DISCARD_LATER",
            trigger_code=0,
            trigger_time=NOW_MS,
        )


@pytest.mark.parametrize("ending", [Ending.DISCARDED, Ending.COVERED])
@pytest.mark.parametrize("retry_refused", [False, True])
def test_discarded_and_covered_runs_are_retried_only_where_the_job_says_so(
    world: World, ending: Ending, retry_refused: bool
) -> None:
    log_id = queued(world, retry_refused=retry_refused, executor_fail_retry_count=1)

    assert apply(world, entry(by_script(ending, log_id))).followups == int(retry_refused)


def test_a_job_that_was_deleted_meanwhile_still_has_its_row_ended(world: World) -> None:
    from baton.store.models import Job

    log_id = queued(world)
    world.remove(Job, world.log(log_id)["job_id"])

    assert apply(world, entry(settled(log_id, Outcome.FAILED))).ended == 1


# what is not believed


def foreign(log_id: int) -> dict[str, ResultItem]:
    other = settled(log_id, app_name="other")
    return {
        "BadSignature": settled(log_id, access_token="somebody else's token"),
        "Malformed: a message of group 'other'": settled(log_id, app_name="other", signed_for=GROUP),
        "BadSignature: ": other,
        f"Malformed: a message of log id {log_id} stands under log id 5{log_id}": _moved(settled(log_id)),
        "Malformed: callback message is not msgpack": _with_frame(log_id, b"\xc1"),
        "Malformed: callback message is not a frame": _with_frame(log_id, b"\x01"),
        "TooLarge": _with_frame(log_id, b"x" * (1024 * 1024 + 1)),
        "Malformed: a callback message was expected, not 'trigger'": _with_frame(log_id, trigger(log_id)),
        "Malformed: handle_code 200 does not fit outcome 'failed'": settled(
            log_id, Outcome.FAILED, handle_code=200
        ),
        "Malformed: handle_code 500 does not fit outcome 'refused'": settled(
            log_id, Outcome.REFUSED, handle_code=500
        ),
    }


def _moved(item: ResultItem) -> ResultItem:
    number = int(f"5{item.log_id}")
    return ResultItem(f"settled:{number}", item.ending, number, item.frame, "", "", 0, item.payload)


def _with_frame(log_id: int, frame: bytes) -> ResultItem:
    return ResultItem(f"settled:{log_id}", Ending.SETTLED, log_id, frame, "", "", 0, frame)


@pytest.mark.parametrize("reason", foreign(1))
def test_what_cannot_be_believed_is_kept_with_its_reason_and_harms_no_other(
    world: World, reason: str
) -> None:
    target, fine = queued(world), queued(world)
    item = foreign(target)[reason.replace("log id 1 ", f"log id {target} ").replace("51", f"5{target}")]

    assert apply(world, entry(item, settled(fine))) == Applied(ended=1, rejected=1)

    assert world.log(target)["outcome"] is None
    assert world.log(fine)["outcome"] == "succeeded"
    [kept] = world.failed_callbacks()
    assert kept["reason"].startswith(reason)
    assert kept["payload"] == item.payload


@pytest.mark.parametrize(
    "ending", [Ending.DISCARDED, Ending.COVERED, Ending.KILLED, Ending.LOST, Ending.RERUN]
)
def test_a_scripts_ending_is_believed_only_with_the_signed_message_of_that_run(
    world: World, ending: Ending
) -> None:
    target, other = queued(world), queued(world)
    stolen = by_script(ending, other)
    forged = ResultItem(f"{ending}:{target}", ending, target, stolen.frame, "", "", 7, stolen.payload)

    assert apply(world, entry(forged)) == Applied(rejected=1)
    row = world.log(target)
    assert (row["outcome"], row["attempt"]) == (None, 1)


def test_a_field_that_is_no_ending_is_kept_and_harms_no_other(world: World) -> None:
    fine = queued(world)
    bad = BadItem("nonsense", b"\x00\xff", "not an ending: ValueError()")

    assert apply(world, entry(settled(fine), bad=[bad])) == Applied(ended=1, rejected=1)

    [kept] = world.failed_callbacks()
    assert (kept["field"], kept["payload"], kept["log_id"]) == ("nonsense", b"\x00\xff", None)


def test_reading_entries_needs_no_database() -> None:
    reading = read_entries([entry(settled(1), _with_frame(2, b""))], key_of, NOW_MS)

    assert [verified.ending.log_id for verified in reading.verified] == [1]
    assert [each.log_id for each in reading.rejected] == [2]


# odd values


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("plain", "plain"),
        ("für 日本", "für 日本"),
        ("nul\x00nul", "nul\ufffdnul"),
        ("ü nul\x00", "ü nul\ufffd"),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("x" * 50_001, "x" * 50_000 + "..."),
    ],
)
def test_text_is_stored_as_every_database_takes_it(raw: str, stored: str) -> None:
    assert storable(raw) == stored


def test_a_message_with_odd_characters_ends_its_row(world: World) -> None:
    log_id = queued(world)

    assert apply(world, entry(settled(log_id, handle_msg="a\x00b \ud800 日本", result='"\x00"'))).ended == 1
    assert world.log(log_id)["handle_msg"] == "a\ufffdb ? 日本"


def test_an_executor_without_a_clock_still_ends_its_row(world: World) -> None:
    log_id = queued(world)

    assert apply(world, entry(settled(log_id, ended_ms=0, started_ms=-5))).ended == 1

    row = world.log(log_id)
    assert (row["handle_time"], row["started_at"]) == (NOW_MS, 0)


def test_a_pushed_rows_facts_survive_its_ending(world: World) -> None:
    job = world.job(world.group())
    log_id = world.row(job)
    world.pusher().push_pending()

    apply(world, entry(settled(log_id)))

    assert json.loads(world.log(log_id)["trigger_msg"])["lane"] == str(job)


def test_the_end_of_a_run_tells_a_fixed_delay_its_next_time(world: World) -> None:
    job = world.job(world.group(), schedule_type="FIX_DELAY", next_trigger_time=AWAITING_END_MS)
    log_id = world.row(job, trigger_code=200, executor_fail_retry_count=1)

    apply(world, entry(settled(log_id, Outcome.FAILED)))
    assert world.look(Job, job)["next_trigger_time"] == AWAITING_END_MS, "its retry is under way"

    apply(world, entry(settled(world.logs(job)[-1]["id"], attempt=2)))
    assert world.look(Job, job)["next_trigger_time"] == NOW_MS + 10_000
