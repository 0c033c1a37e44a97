"""Every series is documented, under the name and with the labels it has."""

from __future__ import annotations

import re

from baton.meters import SERIES, Counter
from dashboard.queries.gauges import GAUGES

from .tree import ROOT

PAGE = ROOT / "docs" / "observability.md"


def table() -> str:
    """The table that stands in the page."""
    kinds = [(each, "counter" if isinstance(each, Counter) else "histogram") for each in SERIES]
    kinds += [(each, "gauge") for each in GAUGES]
    rows = [
        f"| `{each.name}` | {kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.meaning} |"
        for each, kind in kinds
    ]
    return "\n".join(["| series | kind | labels | means |", "|---|---|---|---|", *rows])


def test_the_page_has_the_table_made_from_the_declarations():
    assert table() in PAGE.read_text("utf-8"), f"put this into {PAGE.name}:\n{table()}"


def test_the_page_asks_for_no_series_that_does_not_exist():
    known = {each.name for each in (*SERIES, *GAUGES)}
    asked = set(re.findall(r"\bbaton_\w+", PAGE.read_text("utf-8")))
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}

    assert stems <= known


def test_the_page_asks_by_labels_that_exist():
    labels = {each.name: each.labels for each in (*SERIES, *GAUGES)}
    asked = re.findall(r"\b(baton_\w+)\{(\w+)=", PAGE.read_text("utf-8"))

    assert asked
    assert [(name, label) for name, label in asked if label not in labels[name]] == []


def test_names_follow_the_rules_of_prometheus():
    for each in SERIES:
        assert each.name.endswith("_total" if isinstance(each, Counter) else "_seconds"), each.name
    for each in GAUGES:
        assert not each.name.endswith("_total"), each.name
    names = [each.name for each in (*SERIES, *GAUGES)]
    assert len(names) == len(set(names))


def test_no_label_is_without_bound():
    # a job, a run, an executor or a process more must not be a series more, for ever
    labels = {label for each in (*SERIES, *GAUGES) for label in each.labels}

    assert labels <= {
        "group", "outcome", "verdict", "result", "strategy", "page", "status", "script", "role", "event",
        "loop", "state", "store", "version",
    }  # fmt: skip
