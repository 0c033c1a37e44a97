"""Modules with handlers: a broken one harms no other, and its problem has a place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton import handlers
from baton.errors import HandlerError
from baton.loading import load

GOOD = 'from baton import job\n\n\n@job("{name}")\ndef run():\n    pass\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project in which the process stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(handlers, "_registry", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "handlers"}
    (tmp_path / "handlers").mkdir()
    yield tmp_path / "handlers"
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"handlers", "broken_jobs"}:
            del sys.modules[name]
    sys.modules.update(hidden)


def test_every_file_of_the_folder_is_imported(folder):
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(GOOD.format(name=name))

    found = load([])

    assert sorted(found.or_raise()) == ["one", "two"]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("x = 1\ndef broken(:\n", 2, "SyntaxError: invalid syntax"),
        ("import json\n\njson.loads('')\n", 3, "JSONDecodeError: Expecting value"),
        ("import nothing_like_this\n", 1, "ModuleNotFoundError: No module named 'nothing_like_this'"),
        (GOOD.format(name="two") + "\nraise SystemExit(3)\n", 8, "SystemExit: 3"),
        (GOOD.format(name="one"), 4, "two handlers are called 'one'"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_the_others_still_work(folder, text, line, said):
    (folder / "good.py").write_text(GOOD.format(name="one"))
    (folder / "the_broken.py").write_text(text)

    found = load([])

    (problem,) = found.problems
    assert list(found.handlers) == ["one"], "what a broken file declared before it broke is not there"
    assert (problem.file, problem.line) == (str(folder / "the_broken.py"), line)
    assert said in problem.text
    assert said.partition(":")[0] in problem.trace or said in problem.trace
    assert "importlib" not in problem.trace, "an author has nothing to do with that"


def test_a_module_that_does_not_exist_is_a_problem_without_a_file(folder):
    (problem,) = load(["broken_jobs.reports"]).problems

    assert str(problem) == (
        "broken_jobs.reports cannot be imported: ModuleNotFoundError: No module named 'broken_jobs'"
    )


def test_who_cannot_go_on_without_handlers_gets_every_problem_at_once(folder):
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text("1 / 0\n")

    with pytest.raises(HandlerError) as refused:
        load([]).or_raise()

    assert len(refused.value.problems) == 2
