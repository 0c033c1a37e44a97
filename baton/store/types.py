"""Column types. Times are epoch milliseconds in a BIGINT; words are the enums' own strings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Dialect, Integer, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key; SQLite numbers rows by itself only for a column declared INTEGER."""

EpochMs = BigInteger()
"""Milliseconds since the epoch, UTC; 0 where XXL-JOB writes no time."""


class IdList(TypeDecorator[Iterable[int]]):
    """Many ids as one parameter: an array where the database has arrays, else a JSON text."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(BigInteger))

    def process_bind_param(self, value: Iterable[int] | None, dialect: Dialect) -> Any:
        ids = list(value or ())
        return json.dumps(ids) if dialect.name == "sqlite" else ids
