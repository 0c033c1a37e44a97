"""`baton plan` and `baton apply` on a real database."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from baton import declarations, handlers
from baton.declarations import compare, differs_from_declared, has_other_script, read_all
from baton.errors import HandlerError, InputError
from baton.store import alarm_channels, declared, glue, groups, jobs
from baton.store.alarm_channels import ChannelDraft
from baton.store.engine import make_engine, write
from baton.store.models import Job
from cli.__main__ import main

YAML = """
jobs:
  prices:
    handler: refresh
    every: 300
    param: {market: DE}
    priority: 9
  year-end:
    handler: close
    cron: "0 0 2 1 1 ?"
    zone: Europe/Berlin
"""
CODE = """
from baton import job

@job("nightly", cron="30 8 * * 1-5", zone="Europe/Berlin", retries=2)
def nightly(): ...

@job("by-hand")
def by_hand(): ...
"""


@pytest.fixture
def place(monkeypatch, sqlite_url, tmp_path):
    """A project folder with both kinds of declarations."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BATON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BATON_ENV", "development")
    monkeypatch.setenv("BATON_HANDLERS", f"declared_{tmp_path.name.replace('-', '_')}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(handlers, "_registry", {})
    (tmp_path / "jobs.yaml").write_text(YAML)
    (tmp_path / f"declared_{tmp_path.name.replace('-', '_')}.py").write_text(CODE)
    return tmp_path


@pytest.fixture
def stored(sqlite_url):
    engine = make_engine(sqlite_url)

    def look():
        with engine.connect() as connection:
            return {row.name: row for row in connection.execute(select(Job.__table__).order_by(Job.id))}

    look.engine = engine
    yield look
    engine.dispose()


def planned(capsys, *arguments: str) -> dict[str, str]:
    main(["plan", "--json", *arguments])
    return {each["key"]: each["change"] for each in json.loads(capsys.readouterr().out)}


def test_what_is_declared_is_made_once_and_followed(place, stored, capsys):
    assert main(["plan"]) == 3
    assert stored() == {}, "a plan changes nothing"
    capsys.readouterr()

    assert main(["apply"]) == 0

    made = stored()
    assert made.keys() == {"prices", "year-end", "nightly"}
    prices, nightly = made["prices"], made["nightly"]
    assert (prices.schedule_type, prices.schedule_conf, prices.priority) == ("FIX_RATE", "300", 9)
    assert (prices.executor_handler, prices.executor_param) == ("refresh", '{"market": "DE"}')
    assert (nightly.declared_key, nightly.executor_fail_retry_count) == ("code:demo/nightly", 2)
    assert all(row.trigger_status == 1 and row.next_trigger_time > 0 for row in made.values())
    assert main(["plan"]) == 0
    assert main(["apply"]) == 0
    assert stored() == made


def test_an_edit_stays_until_the_declaration_changes(place, stored, capsys):
    main(["apply"])
    capsys.readouterr()
    prices = stored()["prices"].id
    with write(stored.engine) as connection:
        job = jobs.get(connection, prices)
        draft = jobs.JobDraft(job.group_id, "prices", "refresh", priority=1, schedule_type="FIX_RATE",
                              schedule_conf="300", executor_param=job.executor_param)  # fmt: skip
        assert jobs.edit(connection, prices, job.version, draft, 5)
        (differs,) = differs_from_declared(jobs.get(connection, prices))
    assert (differs.field, differs.declared, differs.stored) == ("priority", 9, 1)

    assert planned(capsys)["file:prices"] == "edited"
    main(["apply"])
    assert stored()["prices"].priority == 1
    (place / "jobs.yaml").write_text(YAML.replace("every: 300", "every: 60"))
    capsys.readouterr()
    assert planned(capsys)["file:prices"] == "changed"
    main(["apply"])
    assert (stored()["prices"].priority, stored()["prices"].schedule_conf) == (9, "60")


def test_a_field_that_is_declared_for_the_first_time_is_nobodys_edit(place, stored, capsys):
    main(["apply"])
    (place / "jobs.yaml").write_text(YAML.replace("priority: 9", "max_queue: 7"))
    capsys.readouterr()

    main(["plan", "--no-code"])

    said = capsys.readouterr().out
    assert "max_queue: 0 → 7\n" in said, "and nothing about an operator"
    assert "priority: not declared any more; it stays as it is" in said
    main(["apply"])
    assert (stored()["prices"].max_queue, stored()["prices"].priority) == (7, 9)


def test_a_declared_group_is_changed_and_one_that_is_not_said_stays(place, stored, capsys):
    main(["apply"])
    with write(stored.engine) as connection:
        finance = groups.ensure(connection, "finance", "Finance", 5)
        connection.execute(Job.__table__.update().where(Job.name == "year-end").values(group_id=finance))
    (place / "jobs.yaml").write_text(YAML.replace("every: 300", "every: 300\n    group: finance"))
    capsys.readouterr()
    assert planned(capsys) == {
        "file:prices": "changed",
        "file:year-end": "unchanged",
        "code:demo/nightly": "unchanged",
    }

    main(["apply"])

    assert {name: row.group_id == finance for name, row in stored().items()} == {
        "prices": True,
        "year-end": True,
        "nightly": False,
    }


def test_a_schedule_declared_later_is_followed_unless_somebody_stopped_the_job(place, stored):
    (place / "jobs.yaml").write_text("jobs: {a: {handler: x}, b: {every: 60}}")
    main(["apply", "--no-code"])
    assert stored()["a"].trigger_status == 0
    with write(stored.engine) as connection:
        jobs.stop(connection, stored()["b"].id, 5)
    (place / "jobs.yaml").write_text("jobs: {a: {handler: x, every: 60}, b: {every: 70}}")

    main(["apply", "--no-code"])

    assert {name: row.trigger_status for name, row in stored().items()} == {"a": 1, "b": 0}


def test_force_overwrites_an_edit(place, stored, capsys):
    main(["apply"])
    with stored.engine.begin() as connection:
        connection.execute(Job.__table__.update().values(executor_timeout=7, priority=3))

    main(["apply", "--force"])

    assert stored()["prices"].priority == 9
    assert stored()["prices"].executor_timeout == 7, "what is not declared stays as it is"


def test_what_is_gone_is_stopped_only_when_asked_to(place, stored, capsys):
    main(["apply"])
    (place / "jobs.yaml").write_text("jobs: {}\n")
    capsys.readouterr()
    assert planned(capsys)["file:prices"] == "gone"

    main(["apply"])
    assert stored()["prices"].trigger_status == 1
    main(["apply", "--prune"])

    assert (stored()["prices"].trigger_status, stored()["prices"].declared_key) == (0, None)
    assert stored()["nightly"].trigger_status == 1


def test_children_are_declared_by_name_before_they_are_there(place, stored, capsys):
    (place / "jobs.yaml").write_text(
        "jobs: {first: {every: 60, children: [second, third]}, second: {}, third: {}}"
    )
    main(["plan", "--no-code"])
    assert "children: file:second, file:third" in capsys.readouterr().out

    assert main(["apply", "--no-code"]) == 0

    made = stored()
    assert made["first"].child_job_ids == f"{made['second'].id},{made['third'].id}"
    assert main(["plan", "--no-code"]) == 0
    (place / "jobs.yaml").write_text(
        "jobs: {first: {every: 60, children: [third, fourth]}, third: {}, fourth: {}}"
    )
    assert main(["apply", "--no-code"]) == 0
    assert stored()["first"].child_job_ids == f"{made['third'].id},{stored()['fourth'].id}"
    assert main(["plan", "--no-code"]) == 3, "the one that is gone"


def test_more_children_than_fit_are_refused_and_nothing_is_made(place, stored, capsys):
    names = [f"job-{number}" for number in range(200)]
    jobs_said = {"first": {"children": names}, **{name: {} for name in names}}
    (place / "jobs.yaml").write_text(json.dumps({"jobs": jobs_said}))

    assert main(["apply", "--no-code"]) == 1

    assert "file:first: it has 200 children" in capsys.readouterr().err
    assert stored() == {}


def test_children_of_code_are_handlers_of_the_same_group(place, stored):
    name = f"declared_{place.name.replace('-', '_')}.py"
    (place / name).write_text(CODE.replace("retries=2", 'retries=2, children=["by-hand"]') + "\n")
    (place / name).write_text(
        (place / name).read_text().replace('@job("by-hand")', '@job("by-hand", every=60)')
    )
    main(["apply"])

    assert stored()["nightly"].child_job_ids == str(stored()["by-hand"].id)


BAD = {
    "jobs: {a: {children: [b]}}": "file:a: there is no file:b to be its child",
    "jobs: {a: {children: [b]}, b: {children: [a]}}": "go round",
    "jobs: {a: {children: [b, 7]}, b: {}}": "give the names of jobs",
    "jobs: {a: {crn: '* * * * *'}}": "did you mean 'cron'",
    "jobs: {a: {cron: '61 * * * *'}}": "61",
    "jobs: {a: {zone: Mars/Olympus, cron: '* * * * *'}}": "Mars/Olympus",
    "jobs: {a: {priority: 10}}": "0 to 9",
    "jobs: {a: {block_strategy: NEVER}}": "SERIAL_EXECUTION",
    "jobs: {a: {group: nowhere, every: 5}}": "no executor group 'nowhere'",
    "jobs: {a: {group: no group, every: 5}}": "group is 'no group'",
    "jobs: {a: {stopped: 1}}": "true or false",
    "jobs: {a: 5}": "list of fields",
    "job: {}": "one key, jobs:",
    "jobs: [": "is not YAML",
    "jobs: {a: {children: 'x'}}": "ids with commas",
    "jobs: {a: {cron: '* * * * *', every: 60}}": "jobs.yaml: job 'a': it has cron and every; a job has one",
    "jobs: {a: {every: 60}, a: {every: 70}}": "'a' stands here twice",
    "jobs: {a: {every: true}}": "every is True",
    "jobs: {[a]: {every: 60}}": "is not YAML",
    "jobs: {a: {description: }}": "description has no value",
    "jobs: {a: {author: [ana]}}": "give text",
    "jobs: {a: {alarm_channels: [nobody]}}": "there is no alarm channel 'nobody'; there are: none",
    "jobs: {a: {alarm_channels: 7}}": "give the names of channels",
    "jobs: {a: {alarms_only_chosen: maybe}}": "it is true or false",
    "jobs: {a: {glue_source: echo}}": "say what runs it, as glue_type: GLUE_SHELL",
    "jobs: {a: {glue_type: GLUE_BASH, glue_source: echo}}": "GLUE_SHELL, GLUE_PYTHON",
    "jobs: {a: {glue_type: GLUE_SHELL, glue_source: [echo]}}": "give text, or the name of a file",
    "jobs: {a: {glue_type: GLUE_SHELL, glue_source: ' '}}": "the script is empty",
    "jobs: {a: {glue_type: GLUE_SHELL, handler: x}}": "a script and a handler; a job runs one",
    "jobs: {a: {glue_type: RQ, handler: nightly}}": "is not the dotted path of a function",
    "jobs: {a: {glue_type: GLUE_SHELL, script_file: no.sh}}": "job 'a': 'no.sh' cannot be read",
    "jobs: {a: {glue_type: GLUE_SHELL, script_file: ../away.sh}}": "outside the folder of the jobs",
    "jobs: {a: {glue_type: GLUE_SHELL, script_file: link.sh}}": "outside the folder of the jobs",
    "jobs: {a: {glue_type: GLUE_SHELL, script_file: bytes.sh}}": "'bytes.sh' cannot be read",
    "jobs: {a: {glue_type: GLUE_SHELL, script_file: large.sh}}": "at most 262,144 fit into a message",
    "jobs: {a: {glue_type: GLUE_SHELL, script_file: a.sh, glue_source: b}}": "give one of them",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said_and_nothing_is_made(place, stored, capsys, text):
    (place / "jobs.yaml").write_text(text)
    (place.parent / "away.sh").write_text("echo away")
    (place / "link.sh").symlink_to(place.parent / "away.sh")
    (place / "bytes.sh").write_bytes(b"\xff\xfe")
    (place / "large.sh").write_text("#" * 300_000)

    assert main(["apply"]) == 1

    assert BAD[text] in capsys.readouterr().err
    assert stored() == {}


@pytest.mark.parametrize(("children", "text"), [("4711", "no job 4711"), ("1", "1 → 1")])
def test_children_that_cannot_be_are_refused_and_nothing_is_changed(place, stored, capsys, children, text):
    (place / "jobs.yaml").write_text("jobs: {first: {every: 60}}")
    main(["apply", "--no-code"])
    (place / "jobs.yaml").write_text(f"jobs: {{first: {{every: 60, children: {children}}}}}")

    assert main(["apply", "--no-code"]) == 1

    assert text in capsys.readouterr().err
    assert stored()["first"].child_job_ids == ""


def test_channels_are_declared_by_name(place, stored, capsys):
    with stored.engine.begin() as connection:
        drafts = [ChannelDraft(name, "WEBHOOK", "https://hooks.example.com/") for name in ("ops", "finance")]
        ids = {each.name: alarm_channels.create(connection, each, 1) for each in drafts}
    said = "jobs: {a: {alarm_channels: [finance, ops], alarms_only_chosen: true}, b: {alarm_channels: ops}}"
    (place / "jobs.yaml").write_text(said)

    assert main(["apply", "--no-code"]) == 0

    assert stored()["a"].alarm_channel_ids == f"{ids['finance']},{ids['ops']}"
    assert stored()["a"].alarms_only_chosen
    assert stored()["b"].alarm_channel_ids == str(ids["ops"])
    capsys.readouterr()
    assert planned(capsys, "--no-code") == {"file:a": "unchanged", "file:b": "unchanged"}


SCRIPTS = """
jobs:
  tidy:
    glue_type: GLUE_SHELL
    every: 60
    glue_source: |
      echo one
      echo two
  count:
    glue_type: GLUE_PYTHON
    script_file: scripts/count.py
"""


@pytest.fixture
def scripts(place, stored):
    """A project with two scripts; answers what the store has of them, newest first."""
    (place / "jobs.yaml").write_text(SCRIPTS)
    (place / "scripts").mkdir()
    (place / "scripts" / "count.py").write_bytes(b"print(1)\r\n")

    def look(name: str) -> list[str]:
        with stored.engine.connect() as connection:
            return [each.source for each in glue.history(connection, stored()[name].id)]

    return look


def test_scripts_are_declared_in_the_file_or_beside_it(place, stored, scripts, capsys):
    assert main(["apply", "--no-code"]) == 0

    assert "script: '2 lines, sha256 " in capsys.readouterr().out
    assert (scripts("tidy"), scripts("count")) == (["echo one\necho two\n"], ["print(1)\n"])
    tidy = stored()["tidy"]
    assert (tidy.glue_type, tidy.executor_handler) == ("GLUE_SHELL", "")
    with stored.engine.connect() as connection:
        newest = glue.current(connection, tidy.id)
    assert (newest.remark, newest.created_by) == ("declared by file:tidy", "baton apply")
    assert planned(capsys, "--no-code") == {"file:tidy": "unchanged", "file:count": "unchanged"}
    main(["apply", "--no-code"])
    assert len(scripts("tidy")) == 1


def test_a_declared_script_is_changed_by_its_file_and_an_edit_stays_until_then(
    place, stored, scripts, capsys
):
    main(["apply", "--no-code"])
    job_id = stored()["count"].id
    with write(stored.engine) as connection:
        seen = glue.current(connection, job_id).id
        glue.save(connection, job_id, seen, "print(2)", "by hand", "ana", 5)
        assert has_other_script(jobs.get(connection, job_id), "print(2)")
        assert not has_other_script(jobs.get(connection, job_id), "print(1)\n")
        assert differs_from_declared(jobs.get(connection, job_id)) == ()
    capsys.readouterr()
    assert planned(capsys, "--no-code")["file:count"] == "edited"
    main(["apply", "--no-code"])
    assert scripts("count")[0] == "print(2)"

    (place / "scripts" / "count.py").write_text("print(3)")
    capsys.readouterr()
    assert planned(capsys, "--no-code")["file:count"] == "changed"
    main(["apply", "--no-code"])
    assert scripts("count") == ["print(3)", "print(2)", "print(1)\n"]

    (place / "jobs.yaml").write_text(SCRIPTS.replace("GLUE_PYTHON", "GLUE_NODEJS"))
    main(["apply", "--no-code"])
    with stored.engine.connect() as connection:
        assert glue.current(connection, job_id).glue_type == "GLUE_NODEJS"
    capsys.readouterr()
    assert planned(capsys, "--no-code")["file:count"] == "unchanged"


def test_a_function_is_no_script():
    with pytest.raises(HandlerError, match="takes no 'glue_type'"):
        handlers.job("x", glue_type="GLUE_SHELL")


def test_all_problems_are_said_at_once():
    with pytest.raises(InputError) as caught:
        read_all("file", {"a": {"crn": "x", "priority": 99}, "b": {"evry": 5}}, "demo")

    assert len(caught.value.problems) == 3


def test_job_takes_the_words_that_declarations_know():
    assert handlers.DECLARABLE == declarations.NAMES
    with pytest.raises(HandlerError, match="did you mean 'cron'"):
        handlers.job("x", crn="* * * * *")


def test_comparing_twice_says_the_same(place, stored):
    main(["apply"])
    with stored.engine.connect() as connection:
        kept = declared.all_declared(connection)
    found = compare([], kept, ["file:"])
    assert [(each.change.value, each.key) for each in found] == [
        ("gone", "file:prices"),
        ("gone", "file:year-end"),
    ]
