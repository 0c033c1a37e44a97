"""What counts: seen twice, with the same evidence, long enough apart, and not explained by a result."""

from __future__ import annotations

from dataclasses import replace

from baton.scanner.weigh import GRACE_S, Weighed, grace_for, weigh
from baton.store.findings import FindingView, Sighting

RUN_7 = Sighting("run.nowhere", "demo", "7", "attempt 1", log_id=7)
GRACE_MS = 30_000
KNOWN = FindingView(
    "run.nowhere", "demo", "7", "attempt 1", 7, id=1, first_seen=1_000, last_seen=1_000, mark="5-0"
)


def after(
    *known: FindingView, seen: tuple[Sighting, ...] = (RUN_7,), now_ms: int, awaiting: tuple[int, ...] = ()
) -> Weighed:
    return weigh(
        known, seen, marks={"demo": "9-0"}, awaiting_results=awaiting, now_ms=now_ms, grace_ms=GRACE_MS
    )


def test_what_is_seen_once_does_not_count():
    weighed = after(now_ms=1_000)

    (new,) = weighed.new
    assert (new.first_seen, new.mark, new.is_confirmed) == (1_000, "9-0", False)
    assert (weighed.suspected, weighed.confirmed) == (1, ())


def test_it_counts_when_it_is_seen_again_after_the_grace():
    early, late = after(KNOWN, now_ms=30_999), after(KNOWN, now_ms=31_000)

    assert (early.suspected, early.confirmed) == (1, ())
    (found,) = late.confirmed
    assert (found.first_seen, found.last_seen, found.sightings, found.mark) == (1_000, 31_000, 2, "5-0")


def test_other_evidence_begins_anew():
    moved = replace(RUN_7, evidence="attempt 2")

    (found,) = after(KNOWN, seen=(moved,), now_ms=31_000).again

    assert (found.id, found.evidence, found.first_seen, found.sightings) == (1, "attempt 2", 31_000, 1)
    assert found.mark == "9-0"


def test_what_is_confirmed_and_moves_has_to_be_confirmed_anew():
    moved = replace(RUN_7, evidence="attempt 2")

    (found,) = after(replace(KNOWN, is_confirmed=True, is_told=True), seen=(moved,), now_ms=31_000).again

    assert not found.is_confirmed
    assert not found.is_told


def test_what_a_result_may_explain_waits_for_it():
    waiting = after(KNOWN, now_ms=90_000, awaiting=(1,))

    assert (waiting.suspected, waiting.confirmed) == (1, ())


def test_what_is_confirmed_stays_so_while_it_is_seen():
    (found,) = after(replace(KNOWN, is_confirmed=True), now_ms=90_000, awaiting=(1,)).confirmed

    assert found.sightings == 2


def test_what_is_not_seen_any_more_goes():
    weighed = after(KNOWN, seen=(), now_ms=2_000)

    assert weighed.gone == (1,)
    assert weighed.suspected == 0


def test_the_same_subject_in_another_group_is_another_finding():
    weighed = after(KNOWN, seen=(replace(RUN_7, app_name="other"),), now_ms=31_000)

    assert (len(weighed.new), weighed.gone) == (1, (1,))


def test_the_grace_is_longer_where_sweeper_or_watcher_take_longer():
    assert grace_for(sweep_interval_s=5, executor_dead_after_s=12) == GRACE_S
    assert grace_for(sweep_interval_s=60, executor_dead_after_s=12) == 180
    assert grace_for(sweep_interval_s=5, executor_dead_after_s=300) == 600
