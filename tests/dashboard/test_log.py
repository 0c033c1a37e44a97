"""The log of a run while it is written: line by line, over reconnections, and when nobody answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from baton.archive import Archive, Place
from baton.broker.consumer import Room
from baton.broker.mailbox import LogRequest, Mailbox, answer_by_byte
from baton.broker.producer import Producer, PushRow
from baton.envelope import group_key, seal
from baton.logfile import END
from baton.store.models import JobLog
from dashboard import live
from dashboard.queries import run_log

from .. import factories
from .site import Site

EXECUTOR = "host-1-aa"
KEY = group_key(factories.ACCESS_TOKEN, "demo")


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.01)
    monkeypatch.setattr(live, "WAIT_FOR_NEWS_S", 0.1)
    monkeypatch.setattr(run_log, "ANSWER_WITHIN_S", 0.3)


@contextmanager
def answering(
    site: Site,
    lines: list[str],
    executor_id: str = EXECUTOR,
    on_asked: Callable[[LogRequest], object] = lambda _: None,
    piece_bytes: int = 10,
) -> Iterator[list[LogRequest]]:
    """An executor that has these lines, some bytes at a time; yields what it was asked for."""
    mailbox = Mailbox(site.blocking, site.redis, KEY, "demo", executor_id)
    is_over, asked = threading.Event(), []

    def answer() -> None:
        while not is_over.is_set():
            item = mailbox.next(0.1)
            if item is None or item.request is None:
                continue
            asked.append(item.request)
            on_asked(item.request)
            content = "".join(f"{line}\n" for line in lines).encode()
            mailbox.reply(
                item.request,
                answer_by_byte(
                    item.request,
                    lambda byte, length, content=content: content[byte : byte + length],
                    len(content),
                    is_growing=False,
                    piece_bytes=piece_bytes,
                ),
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


def test_a_log_begins_with_its_last_lines_goes_on_and_says_when_it_is_complete(plain_site):
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)
    lines = ["one", "two", "three"]

    def grow(request: LogRequest) -> None:
        if request.from_byte == 14 and len(lines) == 3:
            lines.append("four")

    with answering(plain_site, lines, on_asked=grow) as asked:
        found = follow(plain_site, log_id)

    assert found == [
        ("log", {"from": 4, "to": 14, "text": "two\nthree\n"}),
        ("log", {"from": 14, "to": 19, "text": "four\n"}),
        ("end", {"text": "complete: succeeded"}),
    ]
    assert [(each.before_byte, each.from_byte) for each in asked] == [(END, -1), (-1, 14), (-1, 19)]


def test_while_a_run_goes_on_the_executor_may_hold_its_answer(plain_site):
    log_id = running(plain_site)

    def end(request: LogRequest) -> None:
        if request.from_byte >= 0:
            plain_site.end(log_id, "succeeded", executor_address=EXECUTOR)

    with answering(plain_site, ["one"], on_asked=end) as asked:
        follow(plain_site, log_id)

    assert [each.wait_ms for each in asked] == [0, 100, 0]


def test_who_connects_again_goes_on_at_the_byte_they_want(plain_site):
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)

    with answering(plain_site, ["one", "two", "three"]):
        by_query = follow(plain_site, log_id, "?from=8")
        by_header = follow(plain_site, log_id, "?from=0", **{"Last-Event-ID": "8"})
        from_the_start = follow(plain_site, log_id, "?from=0")

    assert by_query[0] == by_header[0] == ("log", {"from": 8, "to": 14, "text": "three\n"})
    assert from_the_start[0] == ("log", {"from": 0, "to": 8, "text": "one\ntwo\n"})


@pytest.mark.parametrize("wanted", ["-5", "x", "99999999999999999999", "²"])
def test_a_byte_that_makes_no_sense_is_the_last_lines(plain_site, wanted):
    log_id = ended(plain_site)
    plain_site.executor(executor_id=EXECUTOR)

    with answering(plain_site, ["one"]):
        found = follow(plain_site, log_id, f"?from={wanted}")

    assert found[0] == ("log", {"from": 0, "to": 4, "text": "one\n"})


def test_a_run_that_ends_while_it_is_followed_is_followed_to_its_last_line(plain_site):
    """The executor holds the run no longer; the row says by then who did."""
    log_id = running(plain_site)
    lines = ["one"]

    def end(request: LogRequest) -> None:
        if request.from_byte == 4 and len(lines) == 1:
            lines.append("the end")
            plain_site.redis.flushall()  # its lease and its presence are gone
            plain_site.executor(executor_id=EXECUTOR)
            plain_site.end(log_id, "killed", executor_address=EXECUTOR)

    with answering(plain_site, lines, on_asked=end):
        found = follow(plain_site, log_id)

    assert [data["text"] for name, data in found if name == "log"] == ["one\n", "the end\n"]
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

    assert ("log", {"from": 0, "to": 4, "text": "one\n"}) in found


def test_the_files_of_an_executor_that_was_replaced_are_read_by_the_next_one_of_its_host(plain_site):
    log_id = ended(plain_site, executor_address="host-9-gone")
    plain_site.executor(executor_id="host-2-bb")

    with answering(plain_site, ["one"], "host-2-bb"):
        found = follow(plain_site, log_id)

    assert found[0] == ("log", {"from": 0, "to": 4, "text": "one\n"})


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

    with answering(plain_site, ["event: end", "data: {}", "", "id: 7"], piece_bytes=100):
        found = follow(plain_site, log_id)

    assert [name for name, _ in found] == ["log", "end"]


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

    assert [each.from_byte for each in asked] == [0, 7, 14]
    assert text == "line 0\nline 1\nline 2\n"


# --- when the executor is gone: the archive


@pytest.fixture
def archive(tmp_path) -> Archive:
    return Archive.at((tmp_path / "archive").as_uri())


def archived(site: Site, archive: Archive, tmp_path: Path, text: str, **fields: object) -> int:
    log_id = ended(site, executor_address="gone-9-cc", **fields)
    trigger_time = site.row(JobLog, log_id).trigger_time
    (tmp_path / "log").write_text(text)
    archive.put([(tmp_path / "log", Place("demo", trigger_time, log_id), 1)])
    return log_id


def test_the_log_of_an_executor_that_is_gone_comes_from_the_archive(make_site, archive, tmp_path):
    site = make_site(archive=archive)
    log_id = archived(site, archive, tmp_path, "one\ntwo\x1b[0m\n")

    found = follow(site, log_id)
    page = site.person().get(f"/runs/{log_id}/log/pages")
    download = site.person().get(f"/runs/{log_id}/log")

    assert found == [
        ("log", {"from": 0, "to": 12, "text": "one\ntwo\\x1b[0m\n"}),
        ("end", {"text": "complete: succeeded, from the archive"}),
    ]
    assert "from the archive" in page.text
    assert "two\\x1b[0m" in page.text
    assert download.text == "one\ntwo\\x1b[0m\n"


def test_without_an_archive_or_in_it_the_log_is_said_to_be_gone_and_why(make_site, archive):
    without, with_one = make_site(), make_site(archive=archive)
    log_id = ended(without, executor_address="gone-9-cc")

    [(name, said)] = follow(without, log_id)
    [(_, said_too)] = follow(with_one, log_id)

    assert name == "end"
    assert "is gone" in said["text"]
    assert "No archive is set up (BATON_LOG_ARCHIVE_URL)." in said["text"]
    assert "The archive has no log of this run." in said_too["text"]


def test_an_archive_that_does_not_answer_is_named(make_site, archive, monkeypatch):
    def away(*_: object) -> None:
        raise ConnectionError("no route to the store")

    monkeypatch.setattr(archive, "find", away)
    site = make_site(archive=archive)

    [(_, said)] = follow(site, ended(site, executor_address="gone-9-cc"))

    assert "The archive does not answer." in said["text"]


def test_the_archive_is_not_asked_about_a_run_that_goes_on_or_never_ran(make_site, archive, monkeypatch):
    monkeypatch.setattr(archive, "find", lambda *_: pytest.fail("it was asked"))
    site = make_site(archive=archive)

    log_id = running(site)
    assert "The executor does not answer." in site.person().get(f"/runs/{log_id}/log").text
    site.end(log_id, "discarded", executor_address="")
    site.redis.flushall()
    assert "never started" in str(follow(site, log_id))
