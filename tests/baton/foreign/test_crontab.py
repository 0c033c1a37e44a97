"""Crontab files become commands that do what cron would have done."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.foreign import Reading, crontab
from baton.schedule import Schedule, upcoming

AFTER = datetime(2026, 11, 21, tzinfo=UTC)


def read(text: str, *, has_users: bool = False, zone: str = "UTC") -> Reading:
    return crontab.read(text, has_users=has_users, zone=zone)


def only(text: str, **options):
    (job,) = read(text, **options).jobs
    return job


def fires(job, count: int = 2) -> list[str]:
    schedule = Schedule("CRON", job.said["cron"], job.said["zone"])
    times = upcoming(schedule, int(AFTER.timestamp() * 1000), count)
    return [datetime.fromtimestamp(at / 1000, UTC).isoformat()[:16] for at in times]


@pytest.mark.parametrize(
    ("entry", "times"),
    [
        ("30 2 * * *", ["2026-11-21T02:30", "2026-11-22T02:30"]),
        ("*/20 9-17 * * 1-5", ["2026-11-23T09:00", "2026-11-23T09:20"]),
        ("0 0 13 * fri", ["2026-11-27T00:00", "2026-12-04T00:00"]),
        ("0 12 29 2 *", ["2028-02-29T12:00", "2032-02-29T12:00"]),
        ("0 0 * * 7", ["2026-11-22T00:00", "2026-11-29T00:00"]),
        ("@yearly", ["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("@monthly", ["2026-12-01T00:00", "2027-01-01T00:00"]),
        ("@Weekly", ["2026-11-22T00:00", "2026-11-29T00:00"]),
        ("@midnight", ["2026-11-22T00:00", "2026-11-23T00:00"]),
        ("@hourly", ["2026-11-21T01:00", "2026-11-21T02:00"]),
        ("-*/30 * * * *", ["2026-11-21T00:30", "2026-11-21T01:00"]),
    ],
)
def test_entries_fire_when_cron_would_run_them(entry, times):
    assert fires(only(f"{entry} true")) == times


def test_the_zone_of_schedules_is_cron_tz_from_its_line_on():
    first, second = read("0 8 * * * a\nCRON_TZ=America/New_York\n0 8 * * * b", zone="Asia/Tokyo").jobs

    assert fires(first, 1) == ["2026-11-21T23:00"]
    assert fires(second, 1) == ["2026-11-21T13:00"]


def test_tz_is_for_the_command_only():
    job = only("TZ=Asia/Tokyo\n0 8 * * * date +%F".replace("%", "\\%"))

    assert job.said["zone"] == "UTC"
    assert job.said["param"] == ["env", "TZ=Asia/Tokyo", "date", "+%F"]
    assert any("TZ=Asia/Tokyo" in note for note in job.notes)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("backup --all /srv", ["backup", "--all", "/srv"]),
        ("cd /srv && tidy", ["/bin/sh", "-c", "cd /srv && tidy"]),
        ("cd /srv", ["/bin/sh", "-c", "cd /srv"]),
        ("LANG=C sort x", ["/bin/sh", "-c", "LANG=C sort x"]),
        ("say 'a b'", ["/bin/sh", "-c", "say 'a b'"]),
        ("ls ~", ["/bin/sh", "-c", "ls ~"]),
        (r"date +\%F", ["date", "+%F"]),
        ("x # not a comment", ["/bin/sh", "-c", "x # not a comment"]),
    ],
)
def test_a_shell_is_asked_only_where_one_is_needed(command, arguments):
    assert only(f"0 0 * * * {command}").said["param"] == arguments


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cat%one%two", "one\ntwo\n"),
        ("cat%one%", "one\n"),
        ("cat%", "\n"),
        (r"cat%5 \% of 3", "5 % of 3\n"),
        (r"printf '\%s' \"$(cat)\"%it's $HOME", "it's $HOME"),
    ],
)
def test_what_follows_a_percent_sign_is_read_by_the_command(command, said):
    arguments = only(f"0 0 * * * {command}".replace('\\"', '"')).said["param"]

    assert subprocess.run(arguments, capture_output=True, text=True, timeout=10).stdout == said


def test_the_environment_of_an_entry_is_what_stands_above_it():
    text = """
SHELL = /bin/bash
PATH=/usr/games:/usr/bin
GREETING = "good  day"
MAILTO=ops@example.org
0 0 * * * first | last
GREETING=
0 0 * * * second
"""
    first, second = read(text).jobs

    assert first.said["param"] == [
        "env", "PATH=/usr/games:/usr/bin", "GREETING=good  day", "/bin/bash", "-c", "first | last"
    ]  # fmt: skip
    assert second.said["param"] == ["env", "PATH=/usr/games:/usr/bin", "GREETING=", "second"]
    assert any("ops@example.org" in note for note in first.notes)


def test_the_comments_right_above_an_entry_describe_it():
    text = """# of the file

# m h dom mon dow command
# Tidies up.
# Every night.
0 3 * * * tidy
#0 4 * * * former
0 5 * * * other
"""
    tidy, other = read(text).jobs

    assert tidy.said["description"] == "Tidies up.\nEvery night."
    assert "description" not in other.said


def test_a_system_file_has_a_user_before_the_command():
    job = only("17 * * * * root run-parts /etc/cron.hourly", has_users=True)

    assert job.said["param"] == ["run-parts", "/etc/cron.hourly"]
    assert any("as root" in note for note in job.notes)


def test_what_cannot_be_read_is_named_with_its_line_and_the_rest_goes_on():
    text = (
        "0 0 * * * good\n61 * * * * bad\n* * *\n@reboot start\n@never x\n0 0 * * * %x\n\n5 5 * * * good too\n"
    )
    reading = read(text)

    assert [job.place for job in reading.jobs] == ["line 1", "line 8"]
    assert [(left.place, left.is_problem) for left in reading.left] == [
        ("line 2", True), ("line 3", True), ("line 4", False), ("line 5", True), ("line 6", True)
    ]  # fmt: skip
    assert "minute '61'" in reading.left[0].reason


def test_a_zone_that_does_not_exist_is_a_problem_of_each_entry_under_it():
    reading = read("CRON_TZ=Mars/Olympus\n0 0 * * * x")

    assert "Mars/Olympus" in reading.left[0].reason


@pytest.mark.parametrize("entry", ["0 0 */2 * 1", "0 0 1 * */2", "0 0 */3 * */2"])
def test_days_that_cron_joins_with_and_are_not_started_unseen(entry):
    assert "both name" in only(f"{entry} x").hindrance


@pytest.mark.parametrize("entry", ["0 0 */2 * *", "0 0 * * */2", "0 0 1 * 1", "0 0 1-7 * *"])
def test_days_that_both_read_alike_are_no_hindrance(entry):
    assert only(f"{entry} x").hindrance == ""


def test_a_key_stays_when_schedules_change_and_lines_move():
    before = read("0 1 * * * backup a\n0 2 * * * backup b").jobs
    after = read("# new\n5 5 * * * backup b\n0 1 * * * backup a\n0 9 * * * backup a").jobs

    assert [job.key for job in before] == [after[1].key, after[0].key]
    assert len({job.key for job in after}) == 3


_LINES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=60)


@settings(deadline=None)
@given(
    st.lists(_LINES | st.sampled_from(["0 0 * * * x", "A=b", "# c", "@daily y", "@reboot z"]), max_size=12)
)
def test_every_line_of_whatever_text_is_an_entry_a_problem_or_neither(lines):
    reading = read("\n".join(lines))

    places = [job.place for job in reading.jobs] + [left.place for left in reading.left]
    assert len(places) == len(set(places))
    entries = {
        f"line {number}"
        for number, line in enumerate(lines, 1)
        if line in {"0 0 * * * x", "@daily y", "@reboot z"}
    }
    assert entries <= set(places)


_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x00\\"))


@settings(deadline=None)
@given(_WORDS, st.lists(_WORDS, min_size=1, max_size=3))
def test_percent_signs_survive_their_escapes(command, lines):
    escaped = [text.replace("%", "\\%") for text in (f"x {command}", *lines)]

    *_, given_to_shell, read_by_it = only("0 0 * * * " + "%".join(escaped)).said["param"]

    assert given_to_shell == f"x {command}".strip()
    assert read_by_it == "\n".join(lines).removesuffix("\n")
