"""Column types. Times are epoch milliseconds in a BIGINT; words are the enums' own strings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key; SQLite numbers rows by itself only for a column declared INTEGER."""

EpochMs = BigInteger()
"""Milliseconds since the epoch, UTC; 0 where XXL-JOB writes no time."""
