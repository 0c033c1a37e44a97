"""The spool roles of one executor in this process, on a real Redis."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from redis import Redis

from baton.broker.consumer import Consumer
from baton.broker.results import Results
from baton.envelope import group_key, seal
from baton.messages import HandleCallbackParam
from tests.factories import ACCESS_TOKEN
from worker.kept import Kept, settle_all
from worker.orphans import Orphans
from worker.replay import Replay
from worker.runs import Runs
from worker.seats import Seat, Seats
from worker.spool import Spool

GROUP = "spools"
KEY = group_key(ACCESS_TOKEN, GROUP)


def ending(log_id: int, message: str = "", **fields: object) -> bytes:
    """The sealed ending of one run."""
    facts: dict[str, object] = {
        "app_name": GROUP, "log_id": log_id, "log_date_time": 1, "handle_code": 200, "handle_msg": message,
        "outcome": "succeeded", "executor_address": "e", "started_ms": 1, "ended_ms": 2, "attempt": 1,
        "token": 9, "result": "", **fields,
    }  # fmt: skip
    return seal(HandleCallbackParam(**facts), KEY)  # type: ignore[arg-type]


class SpoolWorld:
    """A spool directory, the roles around it, and the callbacks process on the other side."""

    def __init__(self, redis: Redis, spool_dir: Path) -> None:
        self.redis = redis
        self.spool_dir = spool_dir
        self.spool = Spool(spool_dir, "me")
        self.seats = Seats([Seat(GROUP, KEY, Consumer(redis, redis, GROUP, "me"))])
        self.runs = Runs()
        self.orphans = Orphans(self.spool, {GROUP: KEY})
        self.replay = Replay(self.spool, self.orphans, self.seats, self.runs)
        self.kept = Kept(self.spool, self.seats, self.runs, redis)
        self._results = Results(redis, redis, "judge")

    def left_behind(self, name: str, raw: bytes) -> None:
        """A folder of an executor that is gone, with these bytes in its only segment."""
        folder = self.spool_dir / name
        folder.mkdir(parents=True)
        (folder / "1.journal").write_bytes(raw)

    def settle(self, *log_ids: int, message: str = "") -> None:
        """Runs of this executor ended, and Redis has accepted it."""
        frames = {log_id: ending(log_id, message) for log_id in log_ids}
        for frame in frames.values():
            segment = self.spool.begin()
            self.spool.write(segment, frame)
            self.spool.written(segment, frame)
            self.spool.accepted(segment)
        for seat in self.seats:
            settle_all(seat, frames.values(), self.runs)

    def in_stream(self) -> list[int]:
        """The log ids of all results that stand in the stream, as often as they do."""
        entries = self.redis.xrange(f"baton:{{{GROUP}}}:results")
        return sorted(int(field.split(b":")[1]) for _id, fields in entries for field in fields)

    def apply(self) -> Counter[int]:
        """Do as the callbacks process: take all results out of the stream; how often each was there."""
        found: Counter[int] = Counter()
        while entries := self._results.read([GROUP], count=100, block_ms=1):
            found.update(item.log_id for entry in entries for item in entry.items)
            self._results.acknowledge(entries)
        return found

    def segments(self) -> int:
        """How many segments stand on the disk."""
        return len(list(self.spool.folder.glob("*.journal")))
