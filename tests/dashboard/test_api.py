"""The JSON API: programs with a token trigger jobs and see what became of them."""

from __future__ import annotations

import json

import pytest

from baton.failpoints import arm
from baton.store import api_tokens
from baton.store.engine import write
from baton.store.models import ApiToken, JobLog
from dashboard.access import ACCESS, FOR_PROGRAMS

from .test_access import path_of, routes


class Program:
    """Sends JSON with a token, and no cookie."""

    def __init__(self, site, token: str | None = None) -> None:
        self.site = site
        if token is None:
            with write(site.engine) as connection:
                token = api_tokens.make(connection, "deploy", "ana", site.clock.now_ms())
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str):
        return self.site.app.test_client().get(f"/api/v1{path}", headers=self.headers)

    def post(self, path: str, body=None, *, raw: bytes | None = None, **headers):
        data = raw if raw is not None else json.dumps(body or {}).encode()
        headers = {"Content-Type": "application/json", **self.headers, **headers}
        return self.site.app.test_client().post(f"/api/v1{path}", data=data, headers=headers)


def error(answer) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


def test_nobody_without_a_token_is_served_not_even_a_person(plain_site):
    ana = plain_site.person()
    endpoints = [rule for _, rule in routes(plain_site) if ACCESS[rule.endpoint] in FOR_PROGRAMS]
    assert len(endpoints) >= 5
    for method, rule in routes(plain_site):
        if ACCESS[rule.endpoint] not in FOR_PROGRAMS:
            continue
        for answer in (
            ana.open(path_of(rule), method=method),
            plain_site.anonymous().open(path_of(rule), method=method),
        ):
            assert error(answer) == (401, "no_token")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert error(Program(plain_site, "baton_wrong").get("/jobs")) == (401, "wrong_token")


def test_guessing_tokens_is_slowed_down(plain_site):
    answers = [error(Program(plain_site, f"baton_{n}").get("/jobs")) for n in range(30)]

    assert (429, "too_many_tries") in answers


def test_the_database_holds_no_token_that_opens_anything(plain_site):
    program = Program(plain_site)
    program.get("/jobs")

    (row,) = plain_site.rows(ApiToken)
    assert program.headers["Authorization"].split()[1] not in str(row)
    assert row.last_used_at == plain_site.clock.now_ms()


def test_a_trigger_is_a_run_that_can_be_looked_at(site):
    job_id = site.job(site.group(), executor_param="its own", start_deadline_s=60)
    program = Program(site)

    made = program.post(f"/jobs/{job_id}/triggers", {"param": {"day": 7}})

    assert (made.status_code, made.json) == (201, {"job_id": job_id, "log_id": 1, "created": True})
    run = program.get("/runs/1").json
    assert (run["state"], run["trigger_type"], run["executor_param"]) == ("pending", "API", '{"day": 7}')
    assert site.row(JobLog, 1).expires_at == site.clock.now_ms() + 60_000
    assert "token deploy job.trigger job 1" in site.audited()
    program.post(f"/jobs/{job_id}/triggers")
    assert site.row(JobLog, 2).executor_param == "its own"


def test_the_same_key_is_the_same_run(site):
    group_id = site.group()
    job_id, other = site.job(group_id), site.job(group_id)
    program = Program(site)

    first = program.post(f"/jobs/{job_id}/triggers", {"idempotency_key": "order 7"})
    again = program.post(f"/jobs/{job_id}/triggers", **{"Idempotency-Key": "order 7"})
    elsewhere = program.post(f"/jobs/{other}/triggers", {"idempotency_key": "order 7"})

    assert [answer.status_code for answer in (first, again, elsewhere)] == [201, 200, 201]
    assert first.json["log_id"] == again.json["log_id"] != elsewhere.json["log_id"]


def test_a_trigger_may_name_the_executor(site):
    job_id = site.job(site.group())
    site.executor(executor_id="host-1-aa")
    program = Program(site)

    program.post(f"/jobs/{job_id}/triggers", {"executor": "host-1-aa"})
    stranger = program.post(f"/jobs/{job_id}/triggers", {"executor": "host-2-bb"})

    (row,) = site.rows(JobLog)
    assert (row.executor_address, row.is_pinned) == ("host-1-aa", True)
    assert error(stranger) == (422, "no_such_executor")


def test_many_triggers_are_made_together_and_each_has_its_answer(site):
    group_id = site.group()
    first, second = site.job(group_id), site.job(group_id)
    asked = [
        {"job_id": first},
        {"job_id": 4711},
        {"job_id": second, "idempotency_key": "k"},
        {"job_id": second, "idempotency_key": "k"},
        {"job_id": second, "parm": "x"},
        "nonsense",
    ]

    answers = Program(site).post("/triggers", {"triggers": asked}).json["triggers"]

    assert [answer.get("created") for answer in answers] == [True, None, True, False, None, None]
    codes = [answer["error"]["code"] for answer in answers if "error" in answer]
    assert codes == ["no_such_job", "unknown_field", "bad_value"]
    assert answers[2]["log_id"] == answers[3]["log_id"]
    assert len(site.rows(JobLog)) == 2


BAD = {
    "not JSON": ({"raw": b"{"}, 400, "not_json"),
    "a deep one": ({"raw": b"[" * 200_000}, 400, "not_json"),
    "a list": ({"raw": b"[]"}, 400, "not_an_object"),
    "a form": ({"raw": b"a=b", "Content-Type": "application/x-www-form-urlencoded"}, 415, "not_json"),
    "a misspelt field": ({"body": {"parm": "x"}}, 422, "unknown_field"),
    "1 MB": ({"body": {"param": "x" * 1_048_576}}, 422, "too_large"),
    "NUL": ({"body": {"param": "a\x00"}}, 422, "bad_value"),
    "half a pair": ({"raw": b'{"param": "\\ud800"}'}, 422, "bad_value"),
    "a number as key": ({"body": {"idempotency_key": 7}}, 422, "bad_value"),
    "a long key": ({"body": {"idempotency_key": "k" * 121}}, 422, "bad_value"),
    "3 MB": ({"raw": b"x" * 3_000_000}, 413, "http_413"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_said_as_json_and_nothing_is_triggered(plain_site, what):
    sent, status, code = BAD[what]
    job_id = plain_site.job(plain_site.group())

    answer = Program(plain_site).post(f"/jobs/{job_id}/triggers", **sent)

    assert error(answer) == (status, code)
    assert answer.json["error"]["message"]
    assert plain_site.rows(JobLog) == []


def test_what_is_not_there_is_said_as_json(plain_site):
    program = Program(plain_site)

    assert error(program.post("/jobs/9/triggers")) == (404, "no_such_job")
    assert error(program.get("/runs/9")) == (404, "no_such_run")
    assert error(program.get("/nothing")) == (404, "http_404")
    assert error(program.post("/runs/9")) == (405, "http_405")


def test_jobs_are_found_page_by_page(plain_site):
    group_id = plain_site.group()
    for n in range(130):
        plain_site.job(group_id, name=f"report {n}")
    plain_site.job(group_id, name="other")
    program = Program(plain_site)

    first = program.get("/jobs?q=report").json
    second = program.get(f"/jobs?q=report&before={first['next']}").json

    assert [len(page["jobs"]) for page in (first, second)] == [100, 30]
    assert second["next"] is None
    assert program.get(f"/jobs/{first['jobs'][0]['id']}").json == first["jobs"][0]


def test_a_backfill_plans_what_had_no_run_once(site):
    job_id = site.job(
        site.group(), schedule_type="CRON", schedule_conf="0 * * * *", time_zone="Europe/Berlin"
    )
    now_ms = site.clock.now_ms()
    asked = {"from": now_ms - 6 * 3_600_000, "to": now_ms}
    program = Program(site)

    dry = program.post(f"/jobs/{job_id}/backfills", {**asked, "dry_run": True}).json
    assert (len(dry["fire_times"]), dry["planned"], site.rows(JobLog)) == (6, False, [])
    made = program.post(f"/jobs/{job_id}/backfills", asked).json
    again = program.post(f"/jobs/{job_id}/backfills", asked).json

    assert made["fire_times"] == dry["fire_times"]
    assert (again["fire_times"], again["had_their_run"]) == ([], 6)
    assert {row.trigger_type for row in site.rows(JobLog)} == {"BACKFILL"}
    arm("backfill.planned=raise")
    dead = program.post(f"/jobs/{job_id}/backfills", {"from": now_ms - 8 * 3_600_000, "to": now_ms})
    arm("")
    assert (dead.status_code, len(site.rows(JobLog))) == (500, 8), "what was committed stands"
    for body in ({}, {"from": "soon"}, {"from": now_ms, "to": 5}, {"from": True}):
        assert error(program.post(f"/jobs/{job_id}/backfills", body)) == (422, "bad_value")
