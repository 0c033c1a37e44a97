"""Pickles of plain values are read, and no other pickle does anything."""

from __future__ import annotations

import contextlib
import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import InputError
from baton.foreign.plain_pickle import read

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.tuples(inner)
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(_VALUES, st.integers(3, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_back(value, protocol):
    assert read(pickle.dumps(value, protocol)) == value


class _Trap:
    sprung = False

    def __reduce__(self):
        return _spring, ()


def _spring():
    _Trap.sprung = True


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value", [_Trap(), ("f", None, (_Trap(),), {}), print, datetime(2026, 1, 1, tzinfo=UTC), {1}]
)
def test_what_names_or_calls_something_is_refused_and_does_nothing(value, protocol):
    with pytest.raises(InputError):
        read(pickle.dumps(value, protocol))
    assert not _Trap.sprung


def test_a_small_pickle_does_not_become_a_large_value():
    value: list = []
    for _ in range(60):
        value = [value, value]
    text = "x" * 70_000

    for bomb in (value, [text] * 1000):
        with pytest.raises(InputError, match="repeats itself"):
            read(pickle.dumps(bomb))


@settings(deadline=None)
@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b"\x80\x04" + tail + b"."))
def test_whatever_the_bytes_there_is_a_value_or_an_input_error(data):
    with contextlib.suppress(InputError):
        read(data)
