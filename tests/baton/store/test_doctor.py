"""What is wrong with a database, in words a person can act on."""

from __future__ import annotations

import pytest

from baton.checkup import has_bad
from baton.clock import SYSTEM_CLOCK
from baton.store import doctor
from baton.store.engine import downgrade, make_engine
from tests.clocks import FakeClock


def said(engine, clock=SYSTEM_CLOCK, *, is_production=True) -> dict[str, str]:
    lines = doctor.examine(engine, is_production=is_production, clock=clock)
    return {f"{line.verdict} {line.subject}": line.text for line in lines}


@pytest.fixture
def on_postgresql(engine):
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has none of these")
    return engine


def test_a_migrated_database_is_fit(engine):
    lines = doctor.examine(engine, is_production=False)

    assert not has_bad(lines)
    assert {line.subject for line in lines} >= {"database version", "database clock", "database tables"}


def test_tables_of_another_version_are_found(engine):
    downgrade(engine.url.render_as_string(hide_password=False), "0009")

    assert said(engine)["bad database tables"].startswith("it lacks 0010")


def test_sqlite_is_for_one_machine(sqlite_engine):
    assert "one machine only" in said(sqlite_engine)["warning database version"]
    assert said(sqlite_engine, is_production=False)["good database clock"] == "this machine's"


def test_a_server_that_is_away_is_one_bad_line():
    found = said(make_engine("postgresql://nobody@127.0.0.1:1/baton"))

    assert list(found) == ["bad database"]
    assert found["bad database"].endswith("check DATABASE_URL")


@pytest.mark.parametrize(("by_s", "says"), [(-60, "s ahead of this"), (60, "s behind this")])
def test_a_clock_that_differs_is_found(on_postgresql, by_s, says):
    clock = FakeClock(wall_ms=SYSTEM_CLOCK.now_ms() + by_s * 1000)

    assert says in said(on_postgresql, clock)["bad database clock"]
    assert says in said(on_postgresql, clock, is_production=False)["warning database clock"]


def test_a_server_that_forgets_what_it_committed_is_found(on_postgresql):
    # the server of the tests runs without fsync
    assert "set fsync = on" in said(on_postgresql)["bad database durability"]
    assert "set fsync = on" in said(on_postgresql, is_production=False)["warning database durability"]


@pytest.mark.parametrize(
    ("fsync", "synchronous_commit", "verdict"),
    [("on", "on", "good"), ("on", "local", "good"), ("on", "off", "bad"), ("off", "on", "bad")],
)
def test_what_makes_a_commit_last(fsync, synchronous_commit, verdict):
    assert doctor._durability(fsync, synchronous_commit, is_production=True).verdict == verdict
