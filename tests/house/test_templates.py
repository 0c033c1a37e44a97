"""Pages carry no inline script or style, and trust no text."""

from __future__ import annotations

import re

import pytest

from .tree import ROOT

TEMPLATES = sorted((ROOT / "dashboard" / "templates").rglob("*.html"))
FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\bsrc=)[^>]*>",
    "an inline style sheet": r"<style[\s>]",
    "a style attribute": r"<[^>]*\sstyle\s*=",
    "an event attribute": r"<[^>]*\son[a-z]+\s*=",
    "a javascript address": r"javascript:",
    "text that is not escaped": r"\|\s*safe\b|{%\s*autoescape\s+false",
}


def test_there_are_templates_to_look_at():
    assert TEMPLATES


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_template_has_none_of(what, path):
    found = re.search(FORBIDDEN[what], path.read_text("utf-8"), re.IGNORECASE)

    assert not found, f"{path.name} has {what}: {found and found[0]}"
