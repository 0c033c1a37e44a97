"""Every setting is documented where people look for it."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import config

from .tree import ROOT


def names() -> list[str]:
    return [each.metadata["name"] for each in fields(config.Settings)]


def test_the_readme_has_the_table_made_from_the_fields():
    readme = (ROOT / "README.md").read_text("utf-8")

    assert config.table() in readme, "run `python config.py` and put its table into the README"


def test_the_readme_names_no_setting_that_does_not_exist():
    mentioned = set(re.findall(r"\bBATON_[A-Z_]+\b", (ROOT / "README.md").read_text("utf-8")))

    assert mentioned - {name for name in names() if name.startswith("BATON_")} == set()


def test_app_json_sets_only_what_exists():
    environment = json.loads((ROOT / "app.json").read_text("utf-8"))["env"]

    assert set(environment) <= set(names())


def test_every_setting_says_what_it_means_in_a_sentence():
    for each in fields(config.Settings):
        assert each.metadata["meaning"].endswith((".", ")")), each.name
