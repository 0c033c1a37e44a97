"""How far a run is, on its page."""

from __future__ import annotations

import pytest

from baton.broker import progress
from baton.broker.keys import GroupKeys
from baton.context import Progress
from dashboard.filters import percent

from ..clocks import NOON_MS
from .site import said


def reported(site, log_id: int, fraction: float, note: str = "") -> None:
    progress.publish(site.redis, "demo", {log_id: Progress(fraction, note)}, NOON_MS)


@pytest.fixture
def run(plain_site):
    group_id = plain_site.group()
    return plain_site.run(group_id, plain_site.job(group_id), trigger_code=200, pushed_at=1)


def test_a_run_that_said_nothing_shows_nothing(plain_site, run):
    assert 'aria-label="Progress"' not in plain_site.person().get(f"/runs/{run}").text


def test_the_newest_word_is_shown_in_a_region_that_refreshes(plain_site, run):
    reported(plain_site, run, 0.1)
    reported(plain_site, run, 0.4, "row <4>")

    page = plain_site.person().get(f"/runs/{run}")

    assert "40 % row &lt;4&gt;" in said(page)
    assert '<div id="progress" data-live>' in page.text
    assert 'value="0.4"' in page.text


def test_the_last_word_of_an_ended_run_stays_for_a_while(plain_site, run):
    reported(plain_site, run, 0.75, "nearly there")
    plain_site.end(run, "failed")

    assert "75 % nearly there its last word" in said(plain_site.person().get(f"/runs/{run}"))


@pytest.mark.parametrize("raw", [b"\xc1", b"\x01", b"\x93\xa1x\xa1y\xa1z"])
def test_what_no_executor_wrote_breaks_no_page(plain_site, run, raw):
    plain_site.redis.set(GroupKeys("demo").progress(run), raw)

    assert plain_site.person().get(f"/runs/{run}").status_code == 200


@pytest.mark.parametrize(("fraction", "text"), [(0, "0 %"), (0.999, "99 %"), (1, "100 %")])
def test_a_hundred_percent_are_only_shown_when_all_is_done(fraction, text):
    assert percent(fraction) == text
