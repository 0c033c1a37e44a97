"""A log a part at a time: works without scripts, from either end, and finds a text."""

from __future__ import annotations

import re

import pytest

from baton.logfile import END
from dashboard.queries import run_log

from .test_log import EXECUTOR, answering, ended, running


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "ANSWER_WITHIN_S", 0.3)


LINES = [f"line {n}" for n in range(1, 101)]


@pytest.fixture
def log_id(plain_site):
    plain_site.executor(executor_id=EXECUTOR)
    return ended(plain_site)


def lines_of(text: str) -> list[str]:
    [shown] = re.findall(r"<pre[^>]*data-log-part[^>]*>\n(.*?)</pre>", text, re.DOTALL)
    return shown.splitlines()


def links_of(text: str) -> dict[str, str]:
    nav = text.partition('aria-label="Parts of the log"')[2].partition("</nav>")[0]
    return {
        label: href.replace("&amp;", "&") for href, label in re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', nav)
    }


def test_a_log_opens_at_its_end_and_goes_back_to_its_beginning(plain_site, log_id):
    ana, shown = plain_site.person(), []
    with answering(plain_site, LINES, piece_bytes=300) as asked:
        address = f"/runs/{log_id}/log/pages"
        while True:
            page = ana.get(address).text
            shown = lines_of(page) + shown
            if "Earlier" not in (links := links_of(page)):
                break
            address = links["Earlier"]

    assert shown == LINES
    assert asked[0].before_byte == END
    assert set(links) == {"Later", "Last"}


def test_it_goes_forward_to_its_end(plain_site, log_id):
    ana, shown = plain_site.person(), []
    with answering(plain_site, LINES, piece_bytes=300):
        address = f"/runs/{log_id}/log/pages?from=0"
        while True:
            page = ana.get(address).text
            shown += lines_of(page)
            if "Later" not in (links := links_of(page)):
                break
            address = links["Later"]

    assert shown == LINES
    assert links["First"].endswith("?from=0")


def test_a_text_is_found_and_each_place_leads_there(plain_site, log_id):
    ana = plain_site.person()
    with answering(plain_site, LINES, piece_bytes=300):
        found = ana.get(f"/runs/{log_id}/log/pages?q=LINE+99").text
        nothing = ana.get(f"/runs/{log_id}/log/pages?q=nowhere").text
        [(address, text)] = re.findall(r'<li><a href="([^"]+)"><code>([^<]+)</code>', found)
        there = ana.get(address).text

    assert text == "line 99"
    assert lines_of(there)[0] == "line 99"
    assert "1 found" in found
    assert "“nowhere” is not in the log." in nothing


@pytest.mark.parametrize(
    "query",
    [
        "?before=x",
        "?from=-1",
        "?from=²",
        "?before=99999999999999999999",
        "?q=" + "x" * 500,
        "?from=5&before=2",
    ],
)
def test_a_question_that_makes_no_sense_has_an_answer(plain_site, log_id, query):
    with answering(plain_site, LINES):
        assert plain_site.person().get(f"/runs/{log_id}/log/pages{query}").status_code == 200


def test_what_a_log_holds_stays_text(plain_site, log_id):
    with answering(plain_site, ["<script>alert(1)</script>", "\x1b[31m\u202etxt"], piece_bytes=300):
        page = plain_site.person().get(f"/runs/{log_id}/log/pages").text
        found = plain_site.person().get(f"/runs/{log_id}/log/pages?q=script").text
        download = plain_site.person().get(f"/runs/{log_id}/log")

    for text in (page, found):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\\x1b[31m\\u202etxt" in page
    assert (download.mimetype, download.headers["X-Content-Type-Options"]) == ("text/plain", "nosniff")
    assert "\x1b" not in download.text


def test_why_there_is_nothing_is_said(plain_site):
    gone = ended(plain_site, executor_address="gone-9-cc")

    assert "is gone" in plain_site.person().get(f"/runs/{gone}/log/pages").text
    assert plain_site.person().get("/runs/999999/log/pages").status_code == 404


def test_an_executor_that_does_not_answer_is_named(plain_site):
    page = plain_site.person().get(f"/runs/{running(plain_site)}/log/pages")

    assert "The executor does not answer." in page.text


def test_the_page_is_for_those_who_are_signed_in(plain_site, log_id):
    assert plain_site.anonymous().get(f"/runs/{log_id}/log/pages").status_code == 303
