"""Alembic's environment: one migrator at a time, and none that stops the site.

`baton.store.engine` opens the transaction and hands it over: on SQLite it holds the write lock;
on PostgreSQL the advisory lock here is held until its end. Whoever comes second waits, then
finds nothing to do. A change that cannot get its table within seconds fails as a whole, instead
of queueing in front of everybody else's statements; try again at a quieter moment.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from baton.store.models import Base

MIGRATOR_LOCK = 0x62_61_74_6F_6E
"""`baton` in ASCII: the key of the advisory lock."""
MIGRATOR_WAIT_S = 120
TABLE_WAIT_S = 5


def run() -> None:
    """Migrate on the connection that the caller opened and will commit."""
    connection: Connection = context.config.attributes["connection"]
    if connection.dialect.name == "postgresql":
        _be_the_only_one(connection)
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


def _be_the_only_one(connection: Connection) -> None:
    connection.execute(text(f"set local lock_timeout = '{MIGRATOR_WAIT_S}s'"))
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATOR_LOCK})
    connection.execute(text(f"set local lock_timeout = '{TABLE_WAIT_S}s'"))


run()
