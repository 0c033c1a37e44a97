"""The way in: a one-time link, then name and password."""

from __future__ import annotations

import threading

import pytest

from baton.store.models import User

from .site import NAME, PASSWORD, said

NEW = {"name": "bo", "password": "nine quiet lanterns", "password_again": "nine quiet lanterns"}


def sign_in(browser, name=NAME, password=PASSWORD, **form):
    return browser.post("/sign-in", {"name": name, "password": password, **form})


def test_a_link_makes_a_person_who_is_signed_in_at_once(site):
    link, browser = f"/sign-in/{site.link()}", site.anonymous()

    assert "Welcome" in browser.get(link).text
    answer = browser.post(link, NEW, page=link)

    assert (answer.status_code, answer.location) == (303, "/")
    assert browser.get("/jobs").status_code == 200
    assert [row.name for row in site.rows(User)] == ["bo"]
    assert sign_in(site.anonymous(), "bo", NEW["password"]).status_code == 303


def test_a_link_serves_once_however_many_use_it_at_the_same_time(site):
    link = f"/sign-in/{site.link()}"
    browsers = [site.anonymous() for _ in range(4)]
    for browser in browsers:
        browser.get(link)
    tokens = [browser.token(link) for browser in browsers]
    statuses: list[int] = []

    def use(number: int) -> None:
        form = {**NEW, "name": f"person-{number}", "csrf_token": tokens[number]}
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = browsers[number].open(link, method="POST", data=form, headers=headers)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [303, 404, 404, 404]
    assert len(site.rows(User)) == 1
    assert "used already, or is too old" in said(site.anonymous().get(link))


def test_a_link_is_too_old_after_an_hour(plain_site):
    link = f"/sign-in/{plain_site.link()}"
    plain_site.clock.advance(3601)

    assert plain_site.anonymous().get(link).status_code == 404


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"password": "short", "password_again": "short"}, "it needs at least 8"),
        ({"password": "password1234", "password_again": "password1234"}, "tries this one early"),
        ({"password_again": "nine quiet lantern"}, "same"),
        ({"name": ""}, "missing"),
    ],
)
def test_what_is_wrong_with_a_first_password_is_said_and_the_link_stays_good(plain_site, change, text):
    link, browser = f"/sign-in/{plain_site.link()}", plain_site.anonymous()

    refused = browser.post(link, {**NEW, **change}, page=link)

    assert refused.status_code == 422
    assert text in said(refused)
    assert NEW["password"] not in refused.text
    assert browser.post(link, NEW, page=link).status_code == 303


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(plain_site):
    plain_site.person()
    wrong_password = sign_in(plain_site.anonymous(), password="not it at all")
    wrong_name = sign_in(plain_site.anonymous(), name="nobody")

    assert wrong_password.status_code == wrong_name.status_code == 401
    assert said(wrong_password).replace(NAME, "") == said(wrong_name).replace("nobody", "")


def test_guessing_is_slowed_down_and_ends_with_the_right_password_later(plain_site):
    plain_site.person()
    answers = [sign_in(plain_site.anonymous(), password=f"guess number {n}") for n in range(12)]

    slowed = [answer for answer in answers if answer.status_code == 429]
    assert slowed, "twelve wrong passwords in a row must not all be tried"
    assert int(slowed[0].headers["Retry-After"]) >= 1
    assert "Wait" in said(slowed[0])


def test_signing_out_ends_the_session_for_good(plain_site):
    browser = plain_site.person()
    cookie = browser.client.get_cookie(plain_site.session_cookie).value

    assert browser.post("/sign-out").status_code == 303
    browser.client.set_cookie(plain_site.session_cookie, cookie)

    assert browser.get("/jobs").location.startswith("/sign-in")


def test_after_signing_in_a_person_is_where_they_wanted_to_be(plain_site):
    plain_site.person()
    browser = plain_site.anonymous()
    wanted = browser.get("/runs?state=failed").location

    assert wanted == "/sign-in?next=/runs?state%3Dfailed"
    assert sign_in(browser, next="/runs?state=failed").location == "/runs?state=failed"
