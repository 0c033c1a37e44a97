"""The scan as a chore: it tells of what stays, once, and clears leftovers away."""

from __future__ import annotations

from background.scan import scan
from baton import telemetry
from baton.store import findings, groups
from baton.store.engine import read
from scheduler.chores import TIMETABLE

from .conftest import Tower


def app_name(tower: Tower) -> str:
    with read(tower.engine) as connection:
        return groups.all_groups(connection)[0].app_name


def scan_for(tower: Tower, minutes: int) -> int:
    """A scan a minute; answers what the last one found."""
    found = 0
    for _ in range(minutes):
        found = scan(tower.clock.now_ms())
        tower.router.route()
        tower.clock.advance(60)
    return found


def be_open(tower: Tower) -> str:
    name = app_name(tower)
    tower.redis.set(f"baton:{{{name}}}:epoch", "1")
    return name


def test_it_is_in_the_timetable():
    assert ("background.scan.scan", 60) in {(chore.name, chore.every_s) for chore in TIMETABLE}


def test_nobody_is_told_of_a_sound_installation(tower):
    be_open(tower)

    assert scan_for(tower, 4) == 0
    assert tower.alarms() == []


def test_what_stays_is_told_once_for_each_check(tower):
    name = be_open(tower)
    channel = tower.channel(name="ops")
    for number in range(3):
        tower.redis.set(f"baton:{{{name}}}:mystery-{number}", 1)

    assert scan_for(tower, 2) == 3
    assert tower.alarms() == [], "it may still be put right"

    assert scan_for(tower, 4) == 3
    tower.redis.set(f"baton:{{{name}}}:mystery-late", 1)
    assert scan_for(tower, 6) == 4
    (alarm,) = tower.alarms()
    assert alarm.startswith("finding:")

    tower.work()
    assert tower.told_last() == ["ops"]
    (mail,) = tower.mails.received
    assert "Invariant broken" in mail["Subject"]
    assert "A key of ours that no rule knows" in mail.get_payload(decode=True).decode()
    assert channel


def test_what_comes_back_is_told_again(tower):
    name = be_open(tower)
    for _ in range(2):
        tower.redis.set(f"baton:{{{name}}}:mystery", 1)
        scan_for(tower, 4)
        tower.redis.delete(f"baton:{{{name}}}:mystery")
        scan_for(tower, 1)

    assert len(tower.alarms()) == 2


def test_leftovers_go_and_are_no_alarm(tower):
    name = be_open(tower)
    tower.redis.hset(f"baton:{{{name}}}:cancels", "777", "killed|by nobody")
    before = telemetry.count("scan.repaired")

    assert scan_for(tower, 4) == 0

    assert tower.redis.hlen(f"baton:{{{name}}}:cancels") == 0
    assert tower.alarms() == []
    assert telemetry.count("scan.repaired") == before + 1
    with read(tower.engine) as connection:
        assert findings.everything(connection) == []


def test_what_belongs_to_no_group_is_told_to_those_who_want_everything(tower):
    be_open(tower)
    tower.channel(name="all")
    tower.channel(name="some", is_for_all=False, group_ids=str(tower.group_id))
    tower.redis.set("baton:nobody-knows", 1)

    scan_for(tower, 4)

    assert tower.told_last() == ["all"]


def test_an_alarm_that_reaches_nobody_is_no_further_alarm(tower):
    be_open(tower)
    tower.failure()
    for _ in range(4):
        found = scan(tower.clock.now_ms())
        tower.clock.advance(60)

    assert found == 1
    assert len(tower.alarms()) == 1
