"""The groups this executor serves: a seat in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from baton.broker.consumer import Consumer

from .runs import Run


@dataclass(frozen=True, slots=True)
class Seat:
    """One group: its name, what its messages are signed with, and the conversation with its lanes."""

    app_name: str
    key: bytes
    consumer: Consumer


class Seats:
    """All of them; each comes first in its turn."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._seats = list(seats)
        self._by_name = {seat.app_name: seat for seat in seats}
        self._turn = 0

    def __iter__(self) -> Iterator[Seat]:
        return iter(self._seats)

    def __getitem__(self, app_name: str) -> Seat:
        return self._by_name[app_name]

    def in_turn(self) -> list[Seat]:
        """All, beginning with another one each time: no group claims all the room."""
        self._turn = (self._turn + 1) % len(self._seats)
        return self._seats[self._turn :] + self._seats[: self._turn]

    def hand_back(self, runs: Iterable[Run]) -> None:
        """Return these unrun to the heads of their lanes."""
        by_name: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for run in runs:
            by_name[run.app_name][run.log_id] = run.claimed.token
        for app_name, tokens in by_name.items():
            self._by_name[app_name].consumer.hand_back(tokens)
