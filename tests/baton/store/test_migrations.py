"""The migrations and the models say the same, forwards and backwards, on both databases."""

from __future__ import annotations

import threading

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from baton.store.engine import downgrade, make_engine, pending_migrations, upgrade
from baton.store.models import Base


def _tables(engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version", "sqlite_sequence"}


def _insert(connection: Connection, table: str, **values: object) -> int:
    """A row of a table as it was then."""
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    statement = text(f"insert into {table} ({names}) values ({places}) returning id")
    return int(connection.execute(statement, values).scalar_one())


def test_what_migrations_make_is_what_the_models_say(engine):
    with engine.connect() as connection:
        # Alembic misreads SQLite's empty-text defaults
        options = {"compare_type": True, "compare_server_default": engine.dialect.name == "postgresql"}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []
    with engine.connect() as connection:
        indexes = {
            table.name: {index["name"] for index in inspect(connection).get_indexes(table.name)}
            for table in Base.metadata.sorted_tables
        }
    for table in Base.metadata.sorted_tables:
        assert {str(index.name) for index in table.indexes} <= indexes[table.name]


def test_every_migration_can_be_taken_back_and_made_again(engine, database_url):
    everything = _tables(engine)

    downgrade(database_url, "base")
    assert _tables(engine) == set()
    assert pending_migrations(engine)
    upgrade(database_url)

    assert _tables(engine) == everything
    assert pending_migrations(engine) == []


def test_jobs_that_channels_named_choose_those_channels(engine, database_url):
    downgrade(database_url, "0007")
    with engine.begin() as connection:
        group_id = _insert(connection, "executor_group", app_name="demo", title="d", created_at=1)
        values = {"schedule_type": "NONE", "executor_handler": "x", "created_at": 1, "updated_at": 1}
        job_ids = [_insert(connection, "job", group_id=group_id, name=name, **values) for name in ("a", "b")]
        both = ",".join(map(str, job_ids))
        for name, groups, jobs in (("all", "", ""), ("two", "", both), ("mixed", "7", str(job_ids[1]))):
            _insert(
                connection, "alarm_channel", name=name, kind="WEBHOOK", url="u", conditions="LATE",
                group_ids=groups, job_ids=jobs, created_at=1,
            )  # fmt: skip

    upgrade(database_url)

    chosen = "select id, alarm_channel_ids from job order by id"
    named = "select name, is_for_all from alarm_channel order by id"
    with engine.connect() as connection:
        assert [row[1] for row in connection.execute(text(chosen))] == ["2", "2,3"]
        rows = connection.execute(text(named))
        assert [(row[0], bool(row[1])) for row in rows] == [("all", True), ("two", False), ("mixed", False)]

    downgrade(database_url, "0007")
    with engine.connect() as connection:
        rows = connection.execute(text("select job_ids from alarm_channel order by id"))
        assert list(rows.scalars()) == ["", both, str(job_ids[1])]
    upgrade(database_url)


def test_two_migrators_at_once_leave_one_schema(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    problems: list[BaseException] = []

    def migrate() -> None:
        try:
            upgrade(url)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    engine = make_engine(url)
    assert _tables(engine) == {table.name for table in Base.metadata.sorted_tables}
    engine.dispose()
