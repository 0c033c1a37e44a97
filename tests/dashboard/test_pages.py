"""What every page keeps to, whatever it shows."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from baton.store import calendars, failed_callbacks
from baton.store.engine import write

from ..clocks import NOON_MS
from .site import Site

PAGES = (
    "/", "/jobs", "/jobs/new", "/jobs/1", "/jobs/1/edit", "/jobs/1/deletion", "/jobs/1/triggers/new",
    "/runs", "/runs?since=7d&start=2026-01-01T00:00", "/runs/1", "/runs/2", "/executors", "/failed-callbacks",
    "/calendars", "/calendars/1", "/reports", "/reports?job=1&range=today", "/api-tokens",
    "/jobs/1/backfills/new",
    "/jobs/1/backfills/new?begin=2026-01-01T10:00&end=2026-01-01T11:00", "/runs/3",
    "/no-such-page", "/runs/99",
)  # fmt: skip
ALONE = {"br", "hr", "img", "input", "link", "meta"}


class Page(HTMLParser):
    """The elements of a page, and which of them were closed in the wrong place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self.titles = 0
        self.astray: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.astray += self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        # a part of a drawing has a title, too: what is shown beside the pointer
        self.titles += tag == "title" and "svg" not in self._open
        if tag not in ALONE:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.astray.append(f"/{tag}")

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style") and data.strip():
            self.inline.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture
def full_site(plain_site: Site) -> Site:
    """Some of everything."""
    group_id = plain_site.group()
    plain_site.group("deserted")
    plain_site.executor(handlers=("known",), running=2)
    job_id = plain_site.job(
        group_id,
        schedule_type="CRON",
        schedule_conf="* * * * *",
        trigger_status=1,
        next_trigger_time=NOON_MS + 1,
    )
    plain_site.run(group_id, job_id, outcome="failed", handle_msg="Traceback \n x")
    plain_site.run(group_id, job_id, trigger_code=200, pushed_at=1)
    shard = {"trigger_key": "cron:1", "shard_total": 2}
    plain_site.run(group_id, job_id, **shard, outcome="succeeded")
    plain_site.run(group_id, job_id, **shard, shard_index=1)
    plain_site.count()
    plain_site.person().post("/api-tokens", {"name": "ci"})
    with write(plain_site.engine) as connection:
        calendars.create(connection, "Holidays", "SAT-SUN", NOON_MS)
        failed_callbacks.keep(
            connection, app_name="demo", entry_id="1-0", field="settled:1", log_id=1, reason="no row",
            payload=b"x", now_ms=1,
        )  # fmt: skip
    return plain_site


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, full_site: Site) -> Page:
    return Page(full_site.person().get(request.param).text)


def test_elements_are_closed_in_their_order(page):
    assert page.astray == []


def test_there_is_no_code_and_no_style_within(page):
    assert page.inline == []
    assert all(script.get("src", "").startswith("/static/") for script in page.all("script"))
    assert page.all("style") == []
    assert [name for _, attributes in page.elements for name in attributes if name == "style"] == []
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []


def test_an_id_stands_for_one_element_and_every_reference_finds_one(page):
    ids = Counter(attributes["id"] for _, attributes in page.elements if attributes.get("id"))
    wanted = {
        name
        for _, attributes in page.elements
        for key in ("for", "list", "aria-labelledby", "aria-describedby")
        for name in (attributes.get(key) or "").split()
    }

    assert [name for name, count in ids.items() if count > 1] == []
    assert wanted - set(ids) == set()


def test_every_region_that_is_kept_fresh_has_an_id(page):
    assert [each for _, each in page.elements if "data-live" in each and not each.get("id")] == []


def test_every_field_has_a_label(page):
    labelled = {each.get("for") for each in page.all("label")}
    fields = [
        each
        for each in page.all("input", "select", "textarea")
        # boxes stand inside of their labels
        if each.get("type") not in ("hidden", "radio", "checkbox")
    ]

    assert [each.get("name") for each in fields if each.get("id") not in labelled] == []


def test_every_form_that_changes_something_carries_the_token(page):
    forms = [each for each in page.all("form") if (each.get("method") or "").lower() == "post"]
    tokens = [each for each in page.all("input") if each.get("name") == "csrf_token"]

    assert len(tokens) == len(forms)


def test_a_page_has_one_heading_of_the_first_order_and_a_title(page):
    assert len(page.all("h1")) == 1
    assert page.titles == 1


def test_every_file_a_page_asks_for_is_there(full_site):
    ana = full_site.person()
    files = {
        found for path in PAGES for found in re.findall(r'(?:src|href)="(/static/[^"#]+)', ana.get(path).text)
    }

    assert len(files) > 8
    assert [file for file in files if ana.get(file).status_code != 200] == []


def test_every_icon_a_page_uses_is_drawn(full_site):
    ana = full_site.person()
    drawn = set(re.findall(r'id="([\w-]+)"', ana.get("/static/icons.svg").text))
    used = {found for path in PAGES for found in re.findall(r'icons\.svg[^"#]*#([\w-]+)', ana.get(path).text)}

    assert used - drawn == set()


def test_every_state_is_a_word_and_not_only_a_colour(full_site):
    text = full_site.person().get("/runs").text

    assert re.findall(r'<span class="badge badge-(\w+)">(\w+)</span>', text) == [
        ("calm", "Pending"),
        ("good", "Succeeded"),
        ("calm", "Waiting"),
        ("bad", "Failed"),
    ]
