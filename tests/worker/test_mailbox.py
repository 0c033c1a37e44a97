"""An executor's mailbox: who waits for news of a log is answered when there is some, and holds nobody up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from baton.broker.client import connect_blocking
from baton.broker.consumer import Claimed
from baton.broker.keys import GroupKeys
from baton.broker.mailbox import RENEW_HINT, LogAnswer, LogRequest, Mailbox, ask_log
from baton.envelope import group_key
from baton.logfile import END
from tests import factories
from tests.waiting import until
from worker import mailbox as mailbox_module
from worker.logread import LogReader
from worker.mailbox import MailRole
from worker.runlog import RunLog, path_of
from worker.runs import Run, Runs

DAY_MS = 1_700_000_000_000
KEY = group_key(factories.ACCESS_TOKEN, "demo")
EXECUTOR = "host-1-aa"


class Office:
    """A mail role whose steps run in a thread, and people who ask it."""

    def __init__(self, url: str, redis: Redis, folder: Path) -> None:
        self.redis = redis
        self.runs = Runs()
        self.renewals = 0
        self._url = url
        self._blocking = connect_blocking(url)
        self._is_over = threading.Event()
        box = Mailbox(self._blocking, redis, KEY, "demo", EXECUTOR)
        self.role = MailRole(box, LogReader(folder), self.runs, self._renew)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def begin(self, log_id: int) -> Run:
        run = Run(Claimed(log_id, 1, 1, "1", b"", b""), None, 1, "demo")
        self.runs.add(run)
        return run

    def ask(self, request: LogRequest) -> LogAnswer | None:
        blocking = connect_blocking(self._url)
        try:
            return ask_log(self.redis, blocking, KEY, "demo", EXECUTOR, request, wait_s=8)
        finally:
            blocking.close()

    def asking(self, request: LogRequest) -> Callable[[], LogAnswer | None]:
        """Ask in a thread; answers a function that waits for the answer."""
        answers: list[LogAnswer | None] = []
        thread = threading.Thread(target=lambda: answers.append(self.ask(request)))
        thread.start()

        def answer() -> LogAnswer | None:
            thread.join()
            return answers[0]

        return answer

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._blocking.close()

    def _renew(self) -> None:
        self.renewals += 1

    def _serve(self) -> None:
        while not self._is_over.is_set():
            self.role.step()


@pytest.fixture
def office(one_redis_url: str, one_redis: Redis, tmp_path: Path, monkeypatch) -> Iterator[Office]:
    monkeypatch.setattr(mailbox_module, "_WAIT_S", 0.1)
    office = Office(one_redis_url, one_redis, tmp_path)
    yield office
    office.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RunLog]:
    log = RunLog(path_of(tmp_path, DAY_MS, 7))
    yield log
    log.close()


def log_size(log: RunLog) -> int:
    return os.fstat(log.descriptor).st_size


AT_END = LogRequest(7, DAY_MS, before_byte=END)


def after(answer: LogAnswer | None, wait_ms: int = 8_000) -> LogRequest:
    assert answer is not None
    return LogRequest(7, DAY_MS, from_byte=answer.to_byte, wait_ms=wait_ms)


def test_who_follows_a_running_log_is_answered_when_a_line_comes(office, log):
    office.begin(7)
    log.line("one", "INFO", "x.py:1")
    follower = office.asking(after(office.ask(AT_END)))
    until(lambda: office.role._parked, what="the request to be parked")
    log.line("two", "INFO", "x.py:1")

    answer = follower()

    assert answer.content.endswith("two\n")
    assert (answer.from_line, answer.to_line, answer.is_end) == (2, 2, False)


def test_the_end_of_the_run_is_news_too(office, log):
    run = office.begin(7)
    log.line("one", "INFO", "x.py:1")
    follower = office.asking(after(office.ask(AT_END)))
    until(lambda: office.role._parked, what="the request to be parked")
    run.has_ended = True

    answer = follower()

    assert (answer.content, answer.is_end) == ("", True)


def test_without_news_the_answer_comes_when_the_wait_is_over(office, log):
    office.begin(7)
    log.line("one", "INFO", "x.py:1")

    answer = office.ask(after(office.ask(AT_END), wait_ms=200))

    assert (answer.content, answer.is_end) == ("", False)


def test_those_who_wait_hold_nobody_up(office, log, monkeypatch):
    monkeypatch.setattr(mailbox_module, "_MOST_PARKED", 3)
    office.begin(7)
    log.line("one", "INFO", "x.py:1")
    at_end = after(office.ask(AT_END))
    waiting = [office.asking(at_end) for _ in range(3)]
    until(lambda: len(office.role._parked) == 3, what="the requests to be parked")

    one_too_many = office.ask(at_end)  # gets its answer at once: nothing new
    at_once = office.ask(AT_END)
    office.redis.rpush(GroupKeys("demo", EXECUTOR).named("mail"), RENEW_HINT)
    until(lambda: office.renewals, what="the stop to be looked at")
    assert len(office.role._parked) == 3
    log.line("two", "INFO", "x.py:1")

    assert one_too_many.content == ""
    assert at_once.content.endswith("one\n")
    assert all(answer().content.endswith("two\n") for answer in waiting)


def test_answers_that_nobody_fetches_expire(office, log):
    log.line("one", "INFO", "x.py:1")
    request = replace(AT_END, reply_to="gone")
    office.role._reply(request)

    assert 0 < office.redis.ttl(GroupKeys("demo").reply("gone")) <= 60


def test_a_run_that_is_not_here_is_read_as_ended_and_its_wait_is_over(office, log):
    log.line("one", "INFO", "x.py:1")

    assert office.ask(LogRequest(7, DAY_MS, from_byte=log_size(log), wait_ms=8_000)).is_end
    assert office.role._parked == []


def test_a_request_of_an_older_dashboard_has_no_bytes_and_is_read_by_line(office, log):
    log.line("one", "INFO", "x.py:1")
    old = {"log_id": 7, "log_date_time": DAY_MS, "from_line": 1, "reply_to": "old"}

    assert LogRequest.from_map(old) == LogRequest(7, DAY_MS, 1, "old")
    assert office.ask(LogRequest(7, DAY_MS, 1)).to_line == 1
