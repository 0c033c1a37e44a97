"""The script of a job: written, changed, compared, restored, on the dashboard."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from baton.script_source import SOURCE_LIMIT_BYTES, in_short
from baton.store import glue
from baton.store.engine import read, write
from baton.store.models import AuditEvent, Job
from dashboard.queries import script_diff
from tests import factories

from .site import said


@pytest.fixture
def ana(site):
    return site.person()


@pytest.fixture
def job_id(site) -> int:
    with write(site.engine) as connection:
        group_id = factories.executor_group(connection)
        return factories.job(
            connection, group_id, name="nightly", glue_type="GLUE_SHELL", executor_handler=""
        )


def save(ana, job_id: int, source: str, remark: str = "first", seen_id: int | None = None):
    if seen_id is None:
        seen_id = newest_id(ana.site, job_id)
    form = {"source": source, "remark": remark, "seen_id": str(seen_id)}
    return ana.post(f"/jobs/{job_id}/script", form)


def newest_id(site, job_id: int) -> int:
    with read(site.engine) as connection:
        found = glue.current(connection, job_id)
    return found.id if found else 0


def test_a_script_is_written_and_the_next_version_stands_before_it(site, ana, job_id):
    assert save(ana, job_id, "echo one\r\necho two").status_code == 303
    assert save(ana, job_id, "echo three", "third <b>time</b>").status_code == 303

    page = ana.get(f"/jobs/{job_id}/script").text
    assert "echo three</textarea>" in page
    assert page.index("third &lt;b&gt;time&lt;/b&gt;") < page.index("first")
    with read(site.engine) as connection:
        newest, older = glue.history(connection, job_id)
        facts = connection.execute(select(AuditEvent.facts).where(AuditEvent.action == "job.script")).all()
    assert (newest.source, older.source) == ("echo three", "echo one\necho two")
    assert newest.created_at > older.created_at
    assert json.loads(facts[-1].facts)["remark"] == "third <b>time</b>"


def test_whoever_saves_second_is_told_and_nothing_is_overwritten(site, ana, job_id):
    save(ana, job_id, "echo mine")

    late = save(ana, job_id, "echo yours", seen_id=0)

    assert late.status_code == 409
    assert "Somebody else saved a version" in late.text
    assert "echo yours</textarea>" in late.text
    with read(site.engine) as connection:
        assert glue.current(connection, job_id).source == "echo mine"


def test_a_comparison_shows_the_lines_around_each_change():
    older = "\n".join(f"line {n}" for n in range(20))
    newer = older.replace("line 0\n", "").replace("line 15", "other")

    lines = script_diff.compare(older, newer)

    assert [f"{each.kind} {each.text}" for each in lines] == [
        "removed line 0", "same line 1", "same line 2", "same line 3",
        "skipped …", "same line 12", "same line 13", "same line 14", "removed line 15", "added other",
        "same line 16", "same line 17", "same line 18",
    ]  # fmt: skip
    assert script_diff.compare(older, older) == []
    # a text that looks like the head of changes is a line like any other
    assert [each.text for each in script_diff.compare("a", "a\n@@ -1,1 @@")] == ["a", "@@ -1,1 @@"]
    [too_long] = script_diff.compare("x\n" * 5001, "y")
    assert "too long to compare" in too_long.text


@pytest.mark.parametrize(
    ("source", "remark", "text"),
    [
        ("  \n", "empty", "The script is empty."),
        ("echo", "", "What changed is missing."),
        ("é" * (SOURCE_LIMIT_BYTES // 2 + 1), "large", "at most 262,144 fit into a message"),
        ("echo \x00", "nul", "has a NUL character"),
    ],
    ids=["empty", "no remark", "large", "nul"],
)
def test_what_cannot_be_saved_says_why_and_is_not_lost(site, ana, job_id, source, remark, text):
    answer = save(ana, job_id, source, remark)

    assert answer.status_code == 422
    assert text in answer.text
    assert newest_id(site, job_id) == 0


def test_a_version_is_compared_with_the_newest_and_restored(site, ana, job_id):
    save(ana, job_id, "echo one\necho same\n")
    first = newest_id(site, job_id)
    save(ana, job_id, "echo two\necho same\n", "second")

    page = ana.get(f"/jobs/{job_id}/script/{first}").text
    assert '<span class="diff-removed">- echo one</span>' in page
    assert '<span class="diff-added">+ echo two</span>' in page
    assert save(ana, job_id, "echo one\necho same\n", "Restored: first").status_code == 303
    with read(site.engine) as connection:
        assert glue.current(connection, job_id).source == "echo one\necho same\n"


def test_the_newest_thirty_versions_are_kept(site, ana, job_id):
    for n in range(glue.KEPT_VERSIONS + 3):
        save(ana, job_id, f"echo {n}", f"version {n}")

    with read(site.engine) as connection:
        kept = glue.history(connection, job_id)
    assert [each.source for each in kept[:1]] == [f"echo {glue.KEPT_VERSIONS + 2}"]
    assert len(kept) == glue.KEPT_VERSIONS


def test_a_script_of_another_language_is_said_to_be_none_of_this_job(site, ana, job_id):
    save(ana, job_id, "echo one")
    assert "The newest version is" not in ana.get(f"/jobs/{job_id}/script").text
    with write(site.engine) as connection:
        connection.execute(update(Job).where(Job.id == job_id).values(glue_type="GLUE_PYTHON"))

    page = said(ana.get(f"/jobs/{job_id}/script"))

    assert "The newest version is a Shell script. This job runs a Python script now" in page
    assert save(ana, job_id, "print(1)").status_code == 303
    assert "The newest version is" not in ana.get(f"/jobs/{job_id}/script").text


def test_a_script_that_is_not_the_declared_one_says_so(site, ana, job_id):
    declared = json.dumps({"script": in_short("echo declared")})
    with write(site.engine) as connection:
        values = {"declared_key": "file:nightly", "declared": declared}
        connection.execute(update(Job).where(Job.id == job_id).values(**values))
    save(ana, job_id, "echo declared")
    assert "Differs from code" not in ana.get(f"/jobs/{job_id}/script").text

    save(ana, job_id, "echo edited")

    assert "file:nightly declares another script" in said(ana.get(f"/jobs/{job_id}/script"))
    assert ana.get(f"/jobs/{job_id}").status_code == 200


def test_a_job_that_runs_a_handler_has_no_script_page(site, ana):
    with write(site.engine) as connection:
        job_id = factories.job(connection, factories.executor_group(connection))

    assert ana.get(f"/jobs/{job_id}/script").status_code == 404
    assert ana.get("/jobs/999/script").status_code == 404


def test_a_version_of_another_job_is_not_shown(site, ana, job_id):
    save(ana, job_id, "echo secret")
    with write(site.engine) as connection:
        other = factories.job(
            connection, factories.executor_group(connection, app_name="other"), glue_type="GLUE_PHP"
        )

    assert ana.get(f"/jobs/{other}/script/{newest_id(site, job_id)}").status_code == 404


def test_a_job_is_made_that_runs_a_script_or_a_function_of_rq(site, ana):
    with write(site.engine) as connection:
        group_id = factories.executor_group(connection)
    fields = {
        "group_id": str(group_id), "schedule_type": "NONE", "max_catchup": "10", "max_concurrency": "1",
        "priority": "5",
    }  # fmt: skip

    def make(**more: str):
        return ana.post("/jobs", {**fields, **more})

    script = make(name="a script", glue_type="GLUE_PYTHON")
    function = make(name="rq", glue_type="RQ", executor_handler="reports:shop.nightly")
    wrong = make(name="rq", glue_type="RQ", executor_handler="nightly")
    nameless = make(name="bean", glue_type="BEAN")

    assert (script.status_code, function.status_code) == (303, 303)
    assert "No version yet" in ana.get(f"{script.location}/script").text
    assert "reports:shop.nightly" in ana.get(function.location).text
    assert "is not the dotted path of a function" in wrong.text
    assert "The handler is missing." in nameless.text
