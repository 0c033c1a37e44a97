"""A spool torn or flipped at every byte: what is intact is delivered once, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from worker.journal import record

from .spool_world import SpoolWorld, ending

RUNS = 3


def endings_of(variant: int) -> list[bytes]:
    """Of other runs in each variant, and always of the same lengths."""
    return [ending(1_000_000 + variant * 10 + n, "x" * n * 5) for n in range(RUNS)]


LENGTHS = [len(record(frame)) for frame in endings_of(0)]
ENDS = [sum(LENGTHS[: n + 1]) for n in range(RUNS)]


def torn(raw: bytes, at: int) -> bytes:
    return raw[:at]


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]


def kept_when_torn(at: int, n: int) -> bool:
    return ENDS[n] <= at


def kept_when_hit(at: int, n: int) -> bool:
    return not ENDS[n] - LENGTHS[n] <= at < ENDS[n]


@pytest.mark.parametrize(
    ("harm", "is_intact"),
    [(torn, kept_when_torn), (flipped, kept_when_hit)],
    ids=lambda value: value.__name__,
)
def test_harm_at_every_byte_costs_only_what_it_hits(
    one_redis, tmp_path, harm: Callable[[bytes, int], bytes], is_intact: Callable[[int, int], bool]
):
    world = SpoolWorld(one_redis, tmp_path)
    expected = []
    for at in range(ENDS[-1]):
        raw = b"".join(map(record, endings_of(at)))
        world.left_behind(f"gone-{at}", harm(raw, at))
        expected += [1_000_000 + at * 10 + n for n in range(RUNS) if is_intact(at, n)]

    world.replay.step()

    assert world.in_stream() == sorted(expected), "each intact ending once"
    world.replay.step()
    assert world.in_stream() == sorted(expected), "and not again"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("gone")] == []


def test_ten_thousand_files_with_one_damaged_deliver_all_others(one_redis, tmp_path):
    world = SpoolWorld(one_redis, tmp_path)
    folder = tmp_path / "gone"
    folder.mkdir()
    for n in range(1, 10_001):
        raw = record(ending(n))
        (folder / f"{n}.journal").write_bytes(raw if n != 5_000 else flipped(raw, 40))

    world.replay.step()

    assert world.in_stream() == [n for n in range(1, 10_001) if n != 5_000]
    assert [path.name for path in world.orphans.quarantine.files()] == ["gone.5000.damaged"]
