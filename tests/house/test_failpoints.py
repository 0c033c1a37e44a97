"""Every named seam has a test that makes a process die there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_SEAM = re.compile(r"""(?:failpoint|wake_schedulers)\("([a-z_.]+)"\)""")


def _seams() -> list[str]:
    folders = ("baton", "scheduler", "worker", "callbacks", "background", "dashboard", "cli")
    texts = (path.read_text("utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted({name for text in texts for name in _SEAM.findall(text)})


@pytest.mark.parametrize("seam", _seams())
def test_a_test_names_it(seam):
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    assert any(f'"{seam}' in path.read_text("utf-8") for path in tests), f"no test dies at {seam}"
