"""Deny by default: the route table against the access table, and against strangers."""

from __future__ import annotations

import re

import pytest
from werkzeug.routing import Rule

from baton.store import access as accounts
from baton.store.engine import write
from baton.store.models import UserSession
from dashboard import access
from dashboard.access import ACCESS, FOR_PROGRAMS, Access, local_path

from .site import NAME, PASSWORD, Site

HOUR_MS = 3_600_000


def routes(site: Site) -> list[tuple[str, Rule]]:
    """(method, rule) of everything the application answers."""
    return [
        (method, rule)
        for rule in site.app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def path_of(rule: Rule) -> str:
    """An address that the rule takes, with made-up values."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: "icon.svg" if found[1] == "filename" else "1", rule.rule)


def test_every_route_has_an_entry_and_every_entry_a_route(plain_site):
    endpoints = {rule.endpoint for rule in plain_site.app.url_map.iter_rules()}

    assert endpoints == set(ACCESS)


def test_only_the_way_in_files_and_health_are_open():
    guarded = (Access.SIGNED_IN, Access.SCRAPER, *FOR_PROGRAMS)
    assert {endpoint for endpoint, access in ACCESS.items() if access not in guarded} == {
        "static", "health.healthz", "health.readyz",
        "sessions.new", "sessions.create", "sessions.welcome", "sessions.redeem",
    }  # fmt: skip


def test_a_stranger_is_refused_everywhere_else(plain_site):
    stranger = plain_site.anonymous()
    for method, rule in routes(plain_site):
        if ACCESS[rule.endpoint] is not Access.SIGNED_IN:
            continue
        response = stranger.open(path_of(rule), method=method, headers={"Accept": "text/html"})

        expected = 303 if method == "GET" else 401
        assert response.status_code == expected, f"{method} {rule.rule}"
        if method == "GET":
            assert response.headers["Location"].startswith("/sign-in"), rule.rule


def test_a_stranger_with_a_form_token_is_still_refused(plain_site):
    stranger = plain_site.anonymous()
    for method, rule in routes(plain_site):
        if ACCESS[rule.endpoint] is Access.SIGNED_IN and method == "POST":
            assert stranger.post(path_of(rule)).status_code == 401, rule.rule


def test_an_endpoint_that_is_not_in_the_table_is_refused_even_to_a_person(plain_site, monkeypatch):
    ana = plain_site.person()
    monkeypatch.delitem(access.ACCESS, "jobs.index")

    assert ana.get("/jobs").status_code == 403


def test_a_person_may_see_every_page(plain_site):
    group_id = plain_site.group()
    job_id = plain_site.job(group_id, glue_type="GLUE_SHELL")
    plain_site.run(group_id, job_id, outcome="succeeded")
    ana = plain_site.person()
    ana.post(f"/jobs/{job_id}/script", {"source": "echo", "remark": "first"})
    ana.post("/calendars", {"name": "Holidays", "rules": "SAT-SUN"})
    channel = {"name": "ops", "kind": "WEBHOOK", "url": "https://example.com", "conditions": "FAILED"}
    ana.post("/alarms/channels", channel)
    plain_site.failed_callback()
    for method, rule in routes(plain_site):
        is_page = ACCESS[rule.endpoint] not in FOR_PROGRAMS
        if method == "GET" and is_page and rule.endpoint not in ("sessions.new", "sessions.welcome"):
            assert ana.get(path_of(rule)).status_code == 200, rule.rule


def test_a_session_that_nobody_knows_is_no_session(plain_site):
    stranger = plain_site.anonymous()
    stranger.client.set_cookie(plain_site.session_cookie, "A" * 43)

    assert stranger.get("/jobs").status_code == 303


def test_a_session_ends_when_it_was_idle_too_long(plain_site):
    ana = plain_site.person()
    plain_site.clock.advance(11 * 3600)
    assert ana.get("/jobs").status_code == 200
    plain_site.clock.advance(11 * 3600)
    assert ana.get("/jobs").status_code == 200, "using it keeps it"

    plain_site.clock.advance(13 * 3600)

    assert ana.get("/jobs").status_code == 303


def test_a_session_ends_after_a_week_however_much_it_is_used(plain_site):
    ana = plain_site.person()
    for _ in range(16):
        plain_site.clock.advance(10 * 3600)
        assert ana.get("/jobs").status_code == 200

    plain_site.clock.advance(10 * 3600)

    assert ana.get("/jobs").status_code == 303


def test_a_page_a_second_is_not_a_write_a_second(plain_site):
    ana = plain_site.person()
    for _ in range(30):
        plain_site.clock.advance(1)
        ana.get("/healthz")
        ana.get("/executors")
    [session] = plain_site.rows(UserSession)

    assert session.last_seen_at == session.created_at


def test_the_database_holds_no_token_that_opens_a_session(plain_site):
    ana = plain_site.person()
    token = ana.client.get_cookie(plain_site.session_cookie).value
    [session] = plain_site.rows(UserSession)

    assert token not in str(session)
    assert len(token) == 43, "256 bits"


def test_a_new_password_ends_the_sessions_that_were_open(plain_site):
    ana = plain_site.person()
    with write(plain_site.engine) as connection:
        accounts.set_password(connection, NAME, accounts.hash_password(PASSWORD), 1)

    assert ana.get("/jobs").status_code == 303


@pytest.mark.parametrize(
    "address",
    [
        "https://other.example/", "//other.example", "/\\other.example", "\\/other.example",
        "javascript:alert(1)", "/\t/other.example", "jobs", "", "/jobs\n/x",
    ],
)  # fmt: skip
def test_nobody_is_sent_to_another_site_after_signing_in(plain_site, address):
    with plain_site.app.test_request_context():
        assert local_path(address) == "/"


@pytest.mark.parametrize("address", ["/", "/jobs", "/runs?state=failed&group=1", "/runs/7"])
def test_a_path_of_this_site_is_kept(plain_site, address):
    with plain_site.app.test_request_context():
        assert local_path(address) == address
