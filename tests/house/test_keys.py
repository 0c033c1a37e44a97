"""All key names stand in one file."""

from __future__ import annotations

import re

from baton.broker import keys

from .tree import ROOT, python_files, strings_in

KEYS_FILE = ROOT / "baton" / "broker" / "keys.py"
FAMILIES = set(re.findall(r"^\| `(\w+):<", keys.__doc__ or "", re.MULTILINE))
"""Keys with a part of their own: `queue:<lane>`, `seen:<chunk>`, …"""


def test_no_other_file_names_a_key():
    literal = re.compile(rf"^baton:\S|^({'|'.join(FAMILIES)}):")
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in python_files()
        if path != KEYS_FILE
        for line, text in strings_in(path)
        if literal.match(text)
    ]
    assert found == []


_ROW = re.compile(r"^\| `(\w+)(:<\w+>)?` \| (\w+) \| ([^|]*) \| (.*) \|$", re.MULTILINE)
_TYPES = {"counter": "string", "bitmap": "string"}


def _seconds(lifetime: str) -> int:
    """`7 days after the last push` is a number of seconds; what does not begin with a number is none."""
    said = re.match(r"(\d+) (s|hour|day)", lifetime)
    return int(said[1]) * {"s": 1, "hour": 3600, "day": 86_400}[said[2]] if said else 0


def test_the_rules_for_keys_say_what_their_table_says():
    rows = _ROW.findall(keys.__doc__ or "")
    said = {name: (_TYPES.get(kind, kind), _seconds(lifetime)) for name, _, kind, lifetime, _ in rows}
    families = {name for name, rest, *_ in rows if rest or f"`{name}:@" in (keys.__doc__ or "")}

    assert {name: (rule.kind, rule.expires_s) for name, rule in keys.RULES.items()} == said
    assert {name for name, rule in keys.RULES.items() if rule.is_family} == families


def test_scripts_derive_only_documented_keys_from_the_prefix():
    for path in sorted((ROOT / "baton" / "broker" / "lua").glob("*.lua")):
        derived = set(re.findall(r"prefix \.\. '(\w+):'", path.read_text("utf-8")))
        assert derived <= FAMILIES, path.name


def test_no_script_names_a_whole_key():
    for path in sorted((ROOT / "baton" / "broker" / "lua").glob("*.lua")):
        assert "baton:" not in path.read_text("utf-8"), path.name


def test_all_keys_of_a_group_share_one_hash_tag():
    group = keys.GroupKeys("demo", "executor-1")
    names = [
        group.named("held"), group.named("ready"), group.queue("17"), group.seen(5)[0], group.reply("n"),
    ]  # fmt: skip

    assert all(name.startswith("baton:{demo}:") for name in names)
