"""One statement for many rows, on either database.

SQLite gets `executemany` (a loop in C over one prepared statement), PostgreSQL one statement over
`unnest` (one round trip, one plan). Both are written from one definition; the text is made once,
at import. The hot paths of the relay are these statements.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Table,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from .types import IdList

Row = tuple[Any, ...]
"""One value for each name of `given`, in that order."""


@dataclass(frozen=True, slots=True)
class ForManyRows:
    """A statement, ready for either database."""

    sqlite: str
    postgresql: str

    def execute(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Run it for all rows; answers how many rows of the table were touched."""
        if not rows:
            return 0
        if connection.dialect.name == "sqlite":
            return connection.exec_driver_sql(self.sqlite, list(rows)).rowcount
        columns = tuple(list(column) for column in zip(*rows, strict=True))
        return connection.exec_driver_sql(self.postgresql, columns).rowcount


def insert_many(table: Table, given: Sequence[str]) -> ForManyRows:
    """INSERT in the order of the rows; a row that a unique key refuses is left out."""
    into = f"insert into {table.name} ({', '.join(given)})"
    places = ", ".join("?" * len(given))
    news = ", ".join(f"new_{name}" for name in given)
    rows = _unnest(table, given, position=True)
    return ForManyRows(
        sqlite=f"{into} values ({places}) on conflict do nothing",
        postgresql=f"{into} select {news} from {rows} order by position on conflict do nothing",
    )


def update_many(table: Table, given: Sequence[str], assign: str, where: str) -> ForManyRows:
    """UPDATE … SET `assign` WHERE `where`; both say `:name` for the given value of column `name`."""
    places = {name: f"?{place}" for place, name in enumerate(given, 1)}
    news = {name: f"new_{name}" for name in given}
    return ForManyRows(
        sqlite=f"update {table.name} set {_filled(assign, places)} where {_filled(where, places)}",
        postgresql=(
            f"update {table.name} set {_filled(assign, news)} from {_unnest(table, given)} "
            f"where {_filled(where, news)}"
        ),
    )


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r":(\w+)", lambda found: values[found.group(1)], text)


def _unnest(table: Table, given: Sequence[str], *, position: bool = False) -> str:
    arrays = ", ".join(f"%s::{_type_name(table, name)}[]" for name in given)
    names = ", ".join(f"new_{name}" for name in given)
    if position:
        return f"unnest({arrays}) with ordinality as given ({names}, position)"
    return f"unnest({arrays}) as given ({names})"


def _type_name(table: Table, name: str) -> str:
    kind = table.c[name].type
    if isinstance(kind, Boolean):
        return "boolean"
    if isinstance(kind, BigInteger):
        return "bigint"
    if isinstance(kind, Integer):
        return "integer"
    return "bytea" if isinstance(kind, LargeBinary) else "text"


class _Among(FunctionElement[Any]):
    # not typed as a Boolean: SQLAlchemy would write `… = 1`, and SQLite would read the whole table
    inherit_cache = True


def among(column: ColumnElement[int] | InstrumentedAttribute[int], ids: str = "ids") -> ColumnElement[bool]:
    """`column` is one of the ids bound to the parameter `ids`: one parameter, however many they are."""
    return _Among(column, bindparam(ids, type_=IdList()))


@compiles(_Among, "sqlite")
def _among_on_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} in (select value from json_each({ids}))"


@compiles(_Among, "postgresql")
def _among_on_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = any({ids})"
