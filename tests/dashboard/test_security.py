"""What every answer carries, and what no request gets past."""

from __future__ import annotations

import pytest

from baton.store.models import Base, ExecutorGroup
from dashboard.access import ACCESS, FOR_PROGRAMS
from dashboard.security import BODY_LIMIT_BYTES

from .site import Site, said
from .test_access import path_of, routes

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def test_every_answer_carries_the_same_headers(plain_site):
    group_id = plain_site.group()
    plain_site.run(group_id, plain_site.job(group_id), outcome="succeeded")
    ana, stranger = plain_site.person(), plain_site.anonymous()
    answers = [
        who.open(path_of(rule), method=method)
        for who in (stranger, ana)
        for method, rule in routes(plain_site)
        if rule.endpoint != "sessions.end"
    ]
    answers += [
        ana.get("/no-such-page"),
        ana.open("/jobs", method="PUT"),
        ana.get("/runs/999"),
        ana.get(f"/?q={'x' * 600}"),
    ]

    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.request.path


def test_pages_are_not_kept_by_anybody_and_files_are(plain_site):
    ana = plain_site.person()

    assert ana.get("/jobs").headers["Cache-Control"] == "no-store"
    assert ana.get("/healthz").headers["Cache-Control"] == "no-store"
    assert ana.get("/static/no-such-file.css").headers["Cache-Control"] == "no-store"
    assert "max-age=31536000" in ana.get("/static/tokens.css").headers["Cache-Control"]


@pytest.mark.parametrize("secure", [True, False])
def test_over_https_browsers_are_told_to_stay_there(make_site, secure):
    response = make_site(secure_cookies=secure).anonymous().get("/sign-in", base_url="https://localhost")

    assert ("Strict-Transport-Security" in response.headers) is secure


def test_cookies_are_out_of_reach_for_scripts_and_other_sites(make_site):
    site = make_site(secure_cookies=True)
    browser = site.anonymous()
    https = {"base_url": "https://localhost"}
    page = browser.get("/sign-in", **https)
    [cookie] = page.headers.getlist("Set-Cookie")

    assert cookie.startswith("__Host-baton-page=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie


def test_looking_changes_nothing(plain_site):
    group_id = plain_site.group()
    job_id = plain_site.job(group_id, schedule_type="FIX_RATE", schedule_conf="5")
    plain_site.run(group_id, job_id, outcome="failed")
    plain_site.run(group_id, job_id)
    ana, link = plain_site.person(), plain_site.link()
    before = everything(plain_site)

    for method, rule in routes(plain_site):
        # the log of a run that has not ended goes on and on
        if method == "GET" and rule.endpoint != "live.log_events":
            for verb in ("GET", "HEAD", "OPTIONS"):
                ana.open(path_of(rule), method=verb)
    ana.get(f"/sign-in/{link}")

    assert everything(plain_site) == before


def test_what_changes_something_is_never_reached_by_a_link(plain_site):
    ana = plain_site.person()
    for path in ("/jobs/1/start", "/jobs/1/triggers", "/runs/1/cancellation", "/sign-out", "/groups"):
        assert ana.get(path).status_code == 405, path


FORM = {"app_name": "made", "title": "Made"}
SAME, OTHER = "http://localhost", "http://other.example"
CASES = {
    "our own page": ({"Sec-Fetch-Site": "same-origin", "Origin": SAME}, True, 303),
    "an older browser": ({"Origin": SAME}, True, 303),
    "no browser at all": ({}, True, 303),
    "our own page without its token": ({"Sec-Fetch-Site": "same-origin", "Origin": SAME}, False, 403),
    "no browser, no token": ({}, False, 403),
    "another site with a stolen token": ({"Sec-Fetch-Site": "cross-site", "Origin": OTHER}, True, 403),
    "another host of our domain": (
        {"Sec-Fetch-Site": "same-site", "Origin": SAME.replace("//", "//x.")},
        True,
        403,
    ),
    "typed by hand": ({"Sec-Fetch-Site": "none"}, True, 403),
    "an older browser on another site": ({"Origin": OTHER}, True, 403),
    "a frame without origin": ({"Origin": "null"}, True, 403),
    "another port": ({"Origin": "http://localhost:9"}, True, 403),
    "another scheme": ({"Origin": "https://localhost"}, True, 403),
}


@pytest.mark.parametrize("who", CASES)
def test_a_change_needs_one_of_our_pages_and_its_token(plain_site, who):
    headers, has_token, expected = CASES[who]
    ana = plain_site.person()
    token = {"csrf_token": ana.token()} if has_token else {}

    response = ana.open("/groups", method="POST", data={**FORM, **token}, headers=headers)

    assert response.status_code == expected
    assert len(plain_site.rows(ExecutorGroup)) == (1 if expected == 303 else 0)


def test_every_form_is_guarded(plain_site):
    ana = plain_site.person()
    for method, rule in routes(plain_site):
        if method == "POST" and ACCESS[rule.endpoint] not in FOR_PROGRAMS:
            foreign = ana.open(path_of(rule), method="POST", headers={"Sec-Fetch-Site": "cross-site"})
            without = ana.open(path_of(rule), method="POST", headers={"Sec-Fetch-Site": "same-origin"})
            assert (foreign.status_code, without.status_code) == (403, 403), rule.rule


def test_the_token_of_one_session_is_worth_nothing_in_another(plain_site):
    ana, ben = plain_site.person("ana"), plain_site.person("ben")

    response = ben.open("/groups", method="POST", data={**FORM, "csrf_token": ana.token()})

    assert response.status_code == 403


def test_a_stranger_cannot_sign_somebody_in_from_another_site(plain_site):
    stranger = plain_site.anonymous()
    form = {"name": "ana", "password": "x", "csrf_token": stranger.token()}

    response = stranger.open("/sign-in", method="POST", data=form, headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 403


@pytest.mark.parametrize(
    "query",
    ["q=" + "x" * 513, "&".join(f"a{n}=1" for n in range(31)), "q=%00"],
    ids=["a long value", "many parameters", "a NUL"],
)
def test_an_address_that_is_too_much_is_refused(plain_site, query):
    response = plain_site.person().get(f"/jobs?{query}")

    assert response.status_code == 400
    assert "The address has" in said(response)


@pytest.mark.parametrize(
    "query",
    [
        "before=99999999999999999999", "before=-1", "before=²", "group=abc", "group=1'--", "job=0x1",
        "state=<b>",
        "since=1000y", "start=tomorrow", "end=99999-01-01T00:00", "status=odd", "q=%25_%5C'\"",
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_as_if_it_were_not_there(site, query):
    ana = site.person()

    assert ana.get(f"/runs?{query}").status_code == 200
    assert ana.get(f"/jobs?{query}").status_code == 200


@pytest.mark.parametrize("id_", ["0", "-1", "9223372036854775808", "1.5", "x"])
def test_a_row_that_cannot_exist_is_not_asked_for(plain_site, id_):
    assert plain_site.person().get(f"/runs/{id_}").status_code == 404


def test_the_largest_row_that_can_exist_is_asked_for(site):
    response = site.person().get("/runs/9223372036854775807")

    assert response.status_code == 404
    assert "There is no run 9223372036854775807" in said(response)


def test_a_body_over_two_megabytes_is_refused_with_a_sentence(plain_site):
    ana = plain_site.person()

    response = ana.post("/groups", {"app_name": "x" * BODY_LIMIT_BYTES})

    assert response.status_code == 413
    assert "More than 2 MB" in said(response)


def test_a_bug_shows_no_trace(plain_site, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("dashboard.pages.overview.asked.look", broken)

    response = plain_site.person().get("/")

    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text


def everything(site: Site) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with site.engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select())]
            for name, table in Base.metadata.tables.items()
        }
