"""The log of a run while it is written: line by line, over reconnections, and when nobody answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from baton.broker.consumer import Room
from baton.broker.mailbox import LogAnswer, Mailbox
from baton.broker.producer import Producer, PushRow
from baton.envelope import group_key, seal
from dashboard import live
from dashboard.queries import run_log

from .. import factories
from .site import Site

EXECUTOR = "host-1-aa"
KEY = group_key(factories.ACCESS_TOKEN, "demo")


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.01)
    monkeypatch.setattr(run_log, "ANSWER_WITHIN_S", 0.3)


@contextmanager
def answering(
    site: Site,
    lines: list[str],
    executor_id: str = EXECUTOR,
    on_asked: Callable[[int], object] = lambda _: None,
) -> Iterator[list[int]]:
    """An executor that has these lines, at most two at a time; yields the line numbers it was asked for."""
    mailbox = Mailbox(site.blocking, site.redis, KEY, "demo", executor_id)
    is_over, asked = threading.Event(), []

    def answer() -> None:
        while not is_over.is_set():
            item = mailbox.next(0.1)
            if item is None or item.request is None:
                continue
            first = item.request.from_line
            asked.append(first)
            on_asked(first)
            piece = lines[first - 1 : first + 1]
            last = first + len(piece) - 1
            text = "".join(f"{line}\n" for line in piece)
            is_end = last >= len(lines)
            mailbox.reply(
                item.request, LogAnswer(first, last, text, is_end=is_end, log_id=item.request.log_id)
            )

    executor = threading.Thread(target=answer)
    executor.start()
    try:
        yield asked
    finally:
        is_over.set()
        executor.join()


def running(site: Site) -> int:
    """A run that `EXECUTOR` holds."""
    group_id = site.group()
    job_id = site.job(group_id)
    log_id = site.run(group_id, job_id, trigger_code=200, pushed_at=1)
    consumer = site.executor(executor_id=EXECUTOR)
    frame = seal(factories.trigger_param(log_id=log_id, job_id=job_id), KEY)
    Producer(site.redis).push("demo", [PushRow(log_id, str(job_id), "SERIAL_EXECUTION", 1, "FAIL", frame)])
    (claimed,) = consumer.claim(Room(1))
    assert claimed.log_id == log_id
    return log_id


def ended(site: Site, **fields: object) -> int:
    group_id = site.group()
    values = {"outcome": "succeeded", "executor_address": EXECUTOR, **fields}
    return site.run(group_id, site.job(group_id), **values)


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    """(name, data) of each event."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def follow(site: Site, log_id: int, query: str = "", **headers: str) -> list[tuple[str, dict[str, object]]]:
    response = site.person().open(f"/runs/{log_id}/log/events{query}", headers=headers)
    assert response.mimetype == "text/event-stream"
    return events(response.text)


def test_a_log_comes_in_pieces_in_order_and_says_when_it_is_complete(plain_site):
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)

    with answering(plain_site, ["one", "two", "three"]) as asked:
        found = follow(plain_site, log_id)

    assert found == [
        ("log", {"from": 1, "to": 2, "text": "one\ntwo\n"}),
        ("log", {"from": 3, "to": 3, "text": "three\n"}),
        ("end", {"text": "complete: succeeded"}),
    ]
    assert asked == [1, 3, 4]


def test_who_connects_again_goes_on_at_the_line_they_want(plain_site):
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)

    with answering(plain_site, ["one", "two", "three"]):
        by_query = follow(plain_site, log_id, "?from=3")
        by_header = follow(plain_site, log_id, "?from=1", **{"Last-Event-ID": "3"})

    assert by_query[0] == by_header[0] == ("log", {"from": 3, "to": 3, "text": "three\n"})


@pytest.mark.parametrize("wanted", ["0", "-5", "x", "99999999999999999999", "²"])
def test_a_line_number_that_makes_no_sense_is_the_first_or_past_the_end(plain_site, wanted):
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)

    with answering(plain_site, ["one"]):
        found = follow(plain_site, log_id, f"?from={wanted}")

    assert found[0] == ("log", {"from": 1, "to": 1, "text": "one\n"})


def test_a_run_that_ends_while_it_is_followed_is_followed_to_its_last_line(plain_site):
    """The executor holds the run no longer; the row says by then who did."""
    log_id = running(plain_site)
    lines = ["one"]

    def end(first: int) -> None:
        if first == 2 and len(lines) == 1:
            lines.append("last words")
            plain_site.redis.flushall()  # its lease and its presence are gone
            plain_site.executor(executor_id=EXECUTOR)
            plain_site.end(log_id, "killed", executor_address=EXECUTOR)

    with answering(plain_site, lines, on_asked=end):
        found = follow(plain_site, log_id)

    assert [data["text"] for name, data in found if name == "log"] == ["one\n", "last words\n"]
    assert found[-1] == ("end", {"text": "complete: killed"})


def test_a_run_that_ended_before_its_executor_was_ever_asked_has_its_log(plain_site, monkeypatch):
    """It was waiting when the page was opened, and over at the first look."""
    group_id = plain_site.group()
    log_id = plain_site.run(group_id, plain_site.job(group_id), trigger_code=200, pushed_at=1)
    plain_site.executor(executor_id=EXECUTOR)
    before = live._run_or

    def after_it_ended(*arguments):
        plain_site.end(log_id, "killed", executor_address=EXECUTOR)
        return before(*arguments)

    monkeypatch.setattr(live, "_run_or", after_it_ended)
    with answering(plain_site, ["one"]):
        found = follow(plain_site, log_id)

    assert ("log", {"from": 1, "to": 1, "text": "one\n"}) in found


def test_the_files_of_an_executor_that_was_replaced_are_read_by_the_next_one_of_its_host(plain_site):
    log_id = ended(plain_site, executor_address="host-9-gone")
    plain_site.executor(executor_id="host-2-bb")

    with answering(plain_site, ["one"], "host-2-bb"):
        found = follow(plain_site, log_id)

    assert found[0] == ("log", {"from": 1, "to": 1, "text": "one\n"})


def test_a_run_that_never_ran_says_that_it_has_no_log(plain_site):
    log_id = ended(plain_site, outcome="discarded", executor_address="")

    assert follow(plain_site, log_id) == [("end", {"text": "This run never started, so it has no log."})]


def test_an_executor_that_does_not_answer_is_named_while_the_run_goes_on(plain_site):
    log_id = running(plain_site)
    client = plain_site.person().client
    response = client.get(f"/runs/{log_id}/log/events", buffered=False)
    pieces = (piece.decode() for piece in response.response)

    said = next(piece for piece in pieces if "event: state" in piece)
    response.close()

    assert "The executor does not answer." in said


def test_no_line_of_a_log_can_pretend_to_be_an_event(plain_site):
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)

    with answering(plain_site, ["event: end", "data: {}", "", "id: 7"]):
        found = follow(plain_site, log_id)

    assert [name for name, _ in found] == ["log", "log", "end"]


def test_more_logs_than_this_process_has_places_for_are_refused_and_a_closed_one_makes_room(make_site):
    site = make_site(max_streams=1)
    log_id = running(site)
    ana = site.person()
    first = ana.client.get(f"/runs/{log_id}/log/events", buffered=False)

    refused = ana.get(f"/runs/{log_id}/log/events")
    first.close()
    again = ana.client.get(f"/runs/{log_id}/log/events", buffered=False)

    assert refused.status_code == 503
    assert "Too many logs" in refused.text
    assert again.status_code == 200
    again.close()


def test_open_streams_end_when_the_process_is_told_to_stop(plain_site):
    log_id = running(plain_site)
    plain_site.app.extensions["baton"].streams.end_unless(lambda: False)

    assert follow(plain_site, log_id) == []


def test_an_executor_that_sends_a_file_without_end_is_not_read_without_end(plain_site, monkeypatch):
    monkeypatch.setattr(run_log, "PIECES_AT_MOST", 3)
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)

    with answering(plain_site, [f"line {n}" for n in range(1000)]) as asked:
        text = plain_site.person().get(f"/runs/{log_id}/log").text

    assert asked == [1, 3, 5]
    assert text.startswith("line 0\n")
