"""The migrations and the models say the same, forwards and backwards, on both databases."""

from __future__ import annotations

import threading

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from baton.store.engine import downgrade, make_engine, pending_migrations, upgrade
from baton.store.models import Base


def _tables(engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version", "sqlite_sequence"}


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
