"""Scripts through the JSON API: only with a token that was made for them."""

from __future__ import annotations

import json

import pytest

from baton.store import api_tokens, glue
from baton.store.engine import read, write
from baton.store.models import ApiToken, AuditEvent

from .test_api import error


class ScriptWriter:
    """A program whose token may write scripts, or may not."""

    def __init__(self, site, *, may: bool = True, name: str = "ci") -> None:
        self.site = site
        with write(site.engine) as connection:
            token = api_tokens.make(connection, name, "ana", site.clock.now_ms(), may_write_scripts=may)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, job_id: int):
        return self.site.app.test_client().get(f"/api/v1/jobs/{job_id}/script", headers=self.headers)

    def put(self, job_id: int, **body):
        data = json.dumps({"source": "echo", "remark": "why", "version": 0, **body})
        client = self.site.app.test_client()
        return client.put(f"/api/v1/jobs/{job_id}/script", data=data, headers=self.headers)


@pytest.fixture
def job_id(site) -> int:
    return site.job(site.group(), name="nightly", glue_type="GLUE_SHELL", executor_handler="")


def test_a_script_is_written_read_and_replaced(site, job_id):
    ci = ScriptWriter(site, name="n" * 64)
    assert (ci.get(job_id).json["version"], ci.get(job_id).json["source"]) == (0, "")

    first = ci.put(job_id, source="echo 1\r\n")
    second = ci.put(job_id, source="echo 2", version=first.json["version"], remark="two")

    assert (first.status_code, second.status_code) == (200, 200)
    assert ci.get(job_id).json == second.json
    assert second.json == {
        "job_id": job_id, "glue_type": "GLUE_SHELL", "version": second.json["version"], "source": "echo 2",
        "remark": "two", "created_by": f"token {'n' * 58}", "created_at": second.json["created_at"],
    }  # fmt: skip
    with read(site.engine) as connection:
        assert [each.source for each in glue.history(connection, job_id)] == ["echo 2", "echo 1\n"]
    assert [row.action for row in site.rows(AuditEvent)] == ["job.script", "job.script"]


def test_whoever_did_not_see_the_newest_version_replaces_nothing(site, job_id):
    ci = ScriptWriter(site)
    ci.put(job_id, source="echo mine")

    assert error(ci.put(job_id, source="echo yours")) == (409, "changed_meanwhile")
    assert ci.get(job_id).json["source"] == "echo mine"


def test_a_token_that_was_not_made_for_scripts_neither_reads_nor_writes_them(site, job_id):
    deploy = ScriptWriter(site, may=False)

    assert error(deploy.get(job_id)) == (403, "not_for_scripts")
    assert error(deploy.put(job_id)) == (403, "not_for_scripts")
    with read(site.engine) as connection:
        assert glue.current(connection, job_id) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": None}, "source"),
        ({"source": " "}, "source"),
        ({"source": "x" * 262_145}, "source"),
        ({"source": "a\0b"}, "source"),
        ({"source": "a\ud800"}, "source"),
        ({"remark": ""}, "remark"),
        ({"remark": "x" * 101}, "remark"),
        ({"version": -1}, "version"),
        ({"version": True}, "version"),
        ({"version": 2**63}, "version"),
        ({"version": None}, "version"),
        ({"glue_type": "GLUE_PHP"}, "glue_type"),
    ],
)
def test_what_cannot_be_saved_names_the_field(site, job_id, body, field):
    answer = ScriptWriter(site).put(job_id, **body)

    assert answer.status_code == 422
    assert answer.json["error"]["field"] == field


def test_a_job_that_runs_no_script_has_none(site):
    ci = ScriptWriter(site)

    assert error(ci.get(site.job(site.group()))) == (409, "no_script_job")
    assert error(ci.put(999)) == (404, "no_such_job")


def test_people_make_tokens_for_scripts_and_see_which_they_are(site):
    ana = site.person()

    ana.post("/api-tokens", {"name": "deploy"})
    ana.post("/api-tokens", {"name": "ci", "may_write_scripts": "1"})

    assert {row.name: row.may_write_scripts for row in site.rows(ApiToken)} == {"deploy": False, "ci": True}
    page = ana.get("/api-tokens").text
    assert page.count(", may write scripts") == 1
