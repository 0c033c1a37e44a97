"""Every Redis key: name, type, lifetime. All keys of one executor group share one hash tag.

| key | type | lifetime | holds |
|---|---|---|---|
| `epoch` | string | none | its absence closes the group: this Redis is new or lost its data |
| `opening` | string | none | when a scheduler first saw the group closed, Redis clock, ms |
| `queue:<lane>` | list | while non-empty | waiting messages, oldest first |
| `ready` | zset | none | shared lanes that have work and a free slot, by priority and turn |
| `ready:@<executor>` | zset | with its executor | the same, of the lanes that only it may claim from |
| `ready:#<tag>` | zset | none | the same, of the lanes that only executors with the tag may claim from |
| `seq` | counter | none | the turns of all ready sets |
| `marker` | zset | none | one member: a wake-up hint for executors; `marker:@<executor>`, `marker:#<tag>` |
| `running` | hash | none | holder (a lane, or a job whose lanes share slots) -> log ids that have its slots |
| `facts` | hash | none | lane -> slots, priority and scope, where they are not 1, 5 and the lane |
| `needs` | hash | none | lane -> what its runs need of an executor: a handler, or a glue type |
| `siblings:<job>` | set | none | the lanes that share the slots of a job |
| `own:<executor>` | set | with its executor | the lanes that only it may claim from |
| `leases` | hash | none | log id -> token, executor, lane, since when, message |
| `held:<executor>` | set | with its executor | log ids leased to it |
| `cancels` | hash | with its run | log id -> outcome and reason somebody asked for |
| `reruns` | hash | with its run | log id -> newest attempt and count, for runs taken back from the dead |
| `token` | counter | none | fencing tokens |
| `turns` | hash | none | job id -> triggers of it that were routed |
| `uses:<job>` | hash | 1 day after its last trigger | executor -> triggers of the job it got |
| `last:<job>` | hash | 1 day after its last trigger | executor -> turn of the job's last trigger it got |
| `seen:<chunk>` | bitmap | 7 days after the last push into it | one bit per log id ever pushed |
| `progress:<log_id>` | string | 1 hour after its last change | how far a run is, by its own word |
| `executors` | hash | with its executor | executor id -> who it is (msgpack) |
| `beats` | hash | with its executor | executor id -> beat counter |
| `drains` | hash | with its executor | executor id -> who wants it to claim nothing new, and since when |
| `mail:<executor>` | list | 60 s | requests to one executor |
| `reply:<nonce>` | list | 60 s | one answer |
| `results` | stream | entries until applied | endings of runs |
| `totals` | hash | none | series -> what processes counted, ever; `baton/meters.py` has the names |
| `tallies` | zset | 1 hour after its last | process -> when it last said that it lives, Redis clock, ms |
| `processes` | hash | with its tally | process -> the number of its last word, and who it is (msgpack) |

Outside any group: `baton:nudge`, a zset with one member, the wake-up hint for schedulers; and `totals`,
`tallies` and `processes` of all processes but executors, under a name that no group can have.

In the Redis of a user's RQ, if its workers have the hook: the channel `baton:rq`, and
`baton:rq:result:<job id>`, a string kept for a day, with what the function returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NUDGE = "baton:nudge"
RQ_CHANNEL = "baton:rq"
RESULTS_GROUP = "callbacks"
INSTALLATION = ":"
"""Stands for a group where something belongs to none: no group can be called so."""


def lane_of(job_id: int, *, executor_id: str = "", tag: str = "") -> str:
    """The lane of a job: shared, or of one executor, or of the executors with a tag."""
    if executor_id:
        return f"{job_id}@{executor_id}"
    return f"{job_id}#{tag}" if tag else str(job_id)


def rq_result(job_id: str) -> str:
    """Where the hook in an RQ worker leaves what a function returned."""
    return f"baton:rq:result:{job_id}"


@dataclass(frozen=True, slots=True)
class GroupKeys:
    """The keys of one executor group; with `executor_id` also those of one executor."""

    app_name: str
    executor_id: str = ""

    @property
    def prefix(self) -> str:
        """What every key of the group begins with; the braces are the hash tag."""
        return f"baton:{{{self.app_name}}}:"

    def named(self, name: str) -> str:
        """The key that a script's header calls `name`."""
        if name in ("held", "own", "mail"):
            return f"{self.prefix}{name}:{self.executor_id}"
        return f"{self.prefix}{name}"

    def markers(self, tags: Sequence[str]) -> list[str]:
        """What one executor waits for: work in its own lanes, in those of its tags, in shared ones."""
        marker = self.named("marker")
        return [f"{marker}:@{self.executor_id}", *(f"{marker}:#{tag}" for tag in tags), marker]

    def queue(self, lane: str) -> str:
        """The list of one lane."""
        return f"{self.prefix}queue:{lane}"

    def seen(self, log_id: int) -> tuple[str, int]:
        """The bitmap chunk of a log id, and its bit there."""
        return f"{self.prefix}seen:{log_id // SEEN_CHUNK}", log_id % SEEN_CHUNK

    def uses(self, job_id: int) -> str:
        """How many triggers of a job each executor got."""
        return f"{self.prefix}uses:{job_id}"

    def last(self, job_id: int) -> str:
        """When each executor got its last trigger of a job."""
        return f"{self.prefix}last:{job_id}"

    def progress(self, log_id: int) -> str:
        """How far a run is, by its own word."""
        return f"{self.prefix}progress:{log_id}"

    def reply(self, nonce: str) -> str:
        """Where the answer to one request is awaited."""
        return f"{self.prefix}reply:{nonce}"


SEEN_CHUNK = 32768
