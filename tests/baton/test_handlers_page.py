"""What docs/handlers.md shows does what it says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from baton import handlers
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "handlers.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TESTS = re.findall(r"^def (test_\w+)\(\)", "\n".join(BLOCKS), re.MULTILINE)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names the page defines, its blocks read one after the other."""
    monkeypatch.setattr(handlers, "_registry", {})
    names: dict[str, Any] = {"__name__": "page"}
    for block in BLOCKS:
        exec(compile(block, "docs/handlers.md", "exec"), names)
    return names


@pytest.mark.parametrize("name", TESTS)
def test_the_tests_on_the_page_pass(page, name):
    page[name]()


def test_the_page_shows_the_three_shapes_and_tests_them(page):
    assert set(handlers.registered()) == {"greet", "ping-all", "export", "copy-rows"}
    assert len(TESTS) == 5


def test_every_public_field_of_the_context_is_on_the_page():
    from baton.context import JobContext

    public = {name for name in dir(JobContext) if not name.startswith("_")}
    internal = {"write_line", "report", "handle_code", "handle_msg", "has_ended", "has_spoken"}
    assert {name for name in public - internal if f"ctx.{name}" not in PAGE} == set()
