"""How much of what a run says about its progress goes out, and when."""

from __future__ import annotations

from typing import Any

import pytest

from baton.context import Progress
from worker.reporter import Reporter


class Heard:
    """A parent and a run log."""

    def __init__(self) -> None:
        self.messages: list[list[Any]] = []
        self.lines: list[str] = []
        self.reporter = Reporter(7, self.messages.append, self.lines.append)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setattr("worker.reporter._SAY_EVERY_S", 60.0)
    return Heard()


def test_a_run_that_reports_nothing_says_nothing(heard):
    heard.reporter.close()

    assert (heard.messages, heard.lines) == ([], [])


def test_the_first_word_goes_at_once_and_the_last_one_at_the_end(heard):
    for n in range(1000):
        heard.reporter(Progress(n / 1000, str(n)))
    assert heard.messages == [["progress", 7, 0.0, "0"]]

    heard.reporter.close()

    assert heard.messages[1:] == [["progress", 7, 0.999, "999"]]
    assert heard.lines == ["progress 100% 999"]


def test_what_was_said_already_is_not_repeated(heard):
    heard.reporter(Progress(0.5))
    heard.reporter(Progress(0.5))
    heard.reporter.close()

    assert heard.messages == [["progress", 7, 0.5, ""]]
    assert heard.lines == ["progress 50%"]


def test_a_long_run_leaves_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr("worker.reporter._SAY_EVERY_S", 0.0)
    monkeypatch.setattr("worker.reporter._LOG_EVERY_S", 0.0)
    heard = Heard()

    heard.reporter(Progress(0.2, "a"))
    heard.reporter(Progress(0.4, "b"))
    heard.reporter.close()

    assert heard.lines == ["progress 20% a", "progress 40% b"]
