"""`baton next-fires`: the preview, for people and for programs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.processes import ROOT


def next_fires(*arguments: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Without a single setting."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    return subprocess.run(
        [sys.executable, "-m", "cli", "next-fires", *arguments],
        cwd=ROOT, env={}, input=given, capture_output=True, timeout=60,
    )  # fmt: skip


def test_people_see_words_wall_times_and_milliseconds():
    said = next_fires(
        "0 30 8 ? * MON-FRI", "--zone", "Asia/Shanghai", "--after", "1700000000000", "--count", "2"
    )

    assert said.stdout.decode().splitlines() == [
        "At 08:30, Monday through Friday (Asia/Shanghai)",
        "Wed 2023-11-15 08:30:00 +0800  1700008200000",
        "Thu 2023-11-16 08:30:00 +0800  1700094600000",
    ]
    assert said.returncode == 0


def test_without_a_start_it_begins_now():
    said = next_fires("* * * * * ?", "--count", "3")

    assert len(said.stdout.splitlines()) == 4


def test_an_expression_that_has_ended_says_so():
    assert next_fires("0 0 0 1 1 ? 2020").stdout.decode().splitlines()[1:] == ["never again"]


def test_programs_see_json():
    said = next_fires("0 12 * * *", "--after", "1700000000000", "--count", "1", "--json")

    assert json.loads(said.stdout) == {
        "expression": "0 12 * * *", "zone": "UTC", "words": "At 12:00", "fires": [1700049600000],
    }  # fmt: skip


def test_the_rules_for_days_on_which_clocks_change_can_be_tried():
    spring = (
        "30 2 * * *",
        "--zone",
        "America/New_York",
        "--after",
        "1772946000000",
        "--count",
        "1",
        "--json",
    )
    autumn = (
        "30 1 * * *",
        "--zone",
        "America/New_York",
        "--after",
        "1793500200000",
        "--count",
        "2",
        "--json",
    )

    def found(*arguments: str) -> list[int]:
        return json.loads(next_fires(*arguments).stdout)["fires"]

    assert found(*spring) == [1772953200000]
    assert found(*spring, "--gap", "skip") == [1773037800000]
    assert found(*autumn) == [1793511000000, 1793601000000]
    assert found(*autumn, "--fold", "both") == [1793511000000, 1793514600000]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "the cron expression is missing"),
        (("61 * * * * ?",), "second '61' is out of range"),
        (("* * * * *", "--zone", "Mars/Olympus"), "time zone 'Mars/Olympus' is not known"),
        (("* * * * *", "--count", "100001"), "count 100001 is out of range"),
    ],
)
def test_what_cannot_be_followed_is_named(arguments, text):
    said = next_fires(*arguments)

    assert (said.returncode, said.stdout) == (1, b"")
    assert text in said.stderr.decode()


def test_many_lines_at_once():
    said = next_fires(
        "--stdin",
        stdin="0 0 12 * * ?\tUTC\t1700000000000\t2\n"
        "0 0 12 * * ? 2020\tUTC\t1700000000000\t2\n"
        " 30  8 * * MON\tAsia/Kolkata\t1700000000000\t1\r\n"
        "61 * * * *\tUTC\t1700000000000\t2\n"
        "* * * * *\tMars\t0\t2\n"
        "* * * * *\tUTC\tnoon\t2\n"
        "\n"
        "* * * * *\tUTC\t0\t0",
    )

    answers = [line.rpartition("\t") for line in said.stdout.decode().split("\n")]
    assert [asked for asked, _, _ in answers] == [
        "0 0 12 * * ?\tUTC\t1700000000000\t2",
        "0 0 12 * * ? 2020\tUTC\t1700000000000\t2",
        " 30  8 * * MON\tAsia/Kolkata\t1700000000000\t1",
        "61 * * * *\tUTC\t1700000000000\t2",
        "* * * * *\tMars\t0\t2",
        "* * * * *\tUTC\tnoon\t2",
        "",
        "* * * * *\tUTC\t0\t0",
        "",
    ]
    times = [answer for _, _, answer in answers]
    assert times[:3] == ["1700049600000,1700136000000", "", "1700449200000"]
    assert [each.startswith("ERR ") for each in times] == [
        False,
        False,
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert "minute '61' is out of range: allowed is 0 to 59" in times[3]


def test_bytes_that_are_no_text_come_back_as_they_were():
    said = next_fires("--stdin", stdin=b"\xff * * * *\tUTC\t0\t1\n")

    assert said.stdout.startswith(b"\xff * * * *\tUTC\t0\t1\tERR ")
    assert said.returncode == 0
