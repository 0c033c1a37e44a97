"""Two thousand expressions, against the times that Quartz itself found."""

from __future__ import annotations

from pathlib import Path

from baton.errors import ScheduleError
from baton.schedule import Schedule, next_fire

REFERENCE = Path(__file__).with_name("quartz_reference.tsv")


def cases() -> list[list[str]]:
    lines = REFERENCE.read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def found(expression: str, zone: str, start: str, count: str) -> str:
    at: int | None = int(start)
    times: list[str] = []
    try:
        while (
            len(times) < int(count) and (at := next_fire(Schedule("CRON", expression, zone), at)) is not None
        ):
            times.append(str(at))
    except ScheduleError:
        return "ERR"
    return ",".join(times)


def test_fire_times_are_those_of_quartz():
    different = [(case, ours) for *case, theirs in cases() if (ours := found(*case)) != theirs]

    assert different == []


def test_the_reference_has_every_form():
    expressions = {case[0].upper() for case in cases() if case[-1] != "ERR"}

    assert len(cases()) > 2000
    for form in ("?", "L ", "L-", "LW", "W ", "#", "/", "-", ",", "JAN", "MON", "6L", " 20"):
        assert sum(form in each for each in expressions) > 5, form
    assert sum(case[-1] == "ERR" for case in cases()) > 200
