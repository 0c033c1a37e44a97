"""Where the steps of a run stand: the same for all who ask, and never a reason to refuse a run."""

from __future__ import annotations

import pytest

from baton.spans import Place, Places, Step

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_header_is_read_and_written():
    place = Place.from_header(HEADER)

    assert place == Place(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_sampled=True)
    assert place.header == HEADER
    assert Place.from_header(HEADER[:-2] + "00").is_sampled is False


def test_a_header_of_a_later_version_is_read_as_far_as_it_is_known():
    assert Place.from_header("01" + HEADER[2:] + "-more") == Place.from_header(HEADER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        HEADER.upper(),
        HEADER[:-1],
        f"00-{0:032x}-{1:016x}-01",
        f"00-{1:032x}-{0:016x}-01",
        "\x00",
    ],
)
def test_what_is_no_header_is_no_place(text):
    assert Place.from_header(text) is None


def test_a_row_has_one_trace_and_a_place_for_each_step():
    mine, other = Places("a token of sixteen"), Places("another token of ours")
    places = [mine.of(log_id, step) for log_id in range(1, 200) for step in Step]

    assert len(set(places)) == len(places)
    assert len({place.trace_id for place in places}) == 199
    assert places == [
        Places("a token of sixteen").of(log_id, step) for log_id in range(1, 200) for step in Step
    ]
    assert mine.of(1, Step.PLAN).trace_id != other.of(1, Step.PLAN).trace_id, (
        "two installations, one collector"
    )
