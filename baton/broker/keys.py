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
| `tallies` | zset | none, each for 1 hour | process -> when it last said that it lives, Redis clock, ms |
| `processes` | hash | with its tally | process -> the number of its last word, and who it is (msgpack) |

Outside any group: `baton:nudge`, a zset with one member, the wake-up hint for schedulers; and `totals`,
`tallies` and `processes` of all processes but executors, under a name that no group can have.

In the Redis of a user's RQ, if its workers have the hook: the channel `baton:rq`, and
`baton:rq:result:<job id>`, a string kept for a day, with what the function returned. `baton import`
reads two there that are not ours: rq-scheduler's sorted set and RQ's hash of a job.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyRule:
    """What the table says of a key, or of all keys of a family."""

    kind: str
    """As the command TYPE says it."""
    expires_s: int = 0
    """So long after its last change it goes by itself; 0: it does not."""
    is_family: bool = False
    """Something follows behind a colon: a lane, an executor, a number."""
    is_alone: bool = True
    """It is there without anything behind it."""


_DAY_S = 24 * 3600

RULES = {
    "epoch": KeyRule("string"),
    "opening": KeyRule("string"),
    "queue": KeyRule("list", is_family=True, is_alone=False),
    "ready": KeyRule("zset", is_family=True),
    "seq": KeyRule("string"),
    "marker": KeyRule("zset", is_family=True),
    "running": KeyRule("hash"),
    "facts": KeyRule("hash"),
    "needs": KeyRule("hash"),
    "siblings": KeyRule("set", is_family=True, is_alone=False),
    "own": KeyRule("set", is_family=True, is_alone=False),
    "leases": KeyRule("hash"),
    "held": KeyRule("set", is_family=True, is_alone=False),
    "cancels": KeyRule("hash"),
    "reruns": KeyRule("hash"),
    "token": KeyRule("string"),
    "turns": KeyRule("hash"),
    "uses": KeyRule("hash", expires_s=_DAY_S, is_family=True, is_alone=False),
    "last": KeyRule("hash", expires_s=_DAY_S, is_family=True, is_alone=False),
    "seen": KeyRule("string", expires_s=7 * _DAY_S, is_family=True, is_alone=False),
    "progress": KeyRule("string", expires_s=3600, is_family=True, is_alone=False),
    "executors": KeyRule("hash"),
    "beats": KeyRule("hash"),
    "drains": KeyRule("hash"),
    "mail": KeyRule("list", expires_s=60, is_family=True, is_alone=False),
    "reply": KeyRule("list", expires_s=60, is_family=True, is_alone=False),
    "results": KeyRule("stream"),
    "totals": KeyRule("hash"),
    "tallies": KeyRule("zset"),
    "processes": KeyRule("hash"),
}
"""The table above, for the invariant scanner: a test compares the two."""

ALL_KEYS = "baton:*"
"""The pattern of every key of ours."""
NUDGE = "baton:nudge"
RQ_CHANNEL = "baton:rq"
RQ_SCHEDULED = "rq:scheduler:scheduled_jobs"
_RQ_RESULT = "baton:rq:result:"
_IN_GROUP = re.compile(r"baton:\{([^{}]+)\}:(.+)", re.DOTALL)
RESULTS_GROUP = "callbacks"
INSTALLATION = ":"
"""Stands for a group where something belongs to none: no group can be called so."""


def lane_of(job_id: int, *, executor_id: str = "", tag: str = "") -> str:
    """The lane of a job: shared, or of one executor, or of the executors with a tag."""
    if executor_id:
        return f"{job_id}@{executor_id}"
    return f"{job_id}#{tag}" if tag else str(job_id)


def job_of(lane: str) -> str:
    """The part of a lane that names its job."""
    return re.split("[@#]", lane, maxsplit=1)[0]


def owner_of(lane: str) -> str:
    """Who may claim from a lane: `@<executor>`, `#<tag>`, empty for all."""
    return lane.removeprefix(job_of(lane))


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """A key name taken apart."""

    app_name: str
    """Empty outside any group."""
    family: str
    """Its name in the table, or what stands where that should be."""
    rest: str = ""
    """What stands behind the colon."""
    rule: KeyRule | None = None
    """None: the table does not have it."""


def place_of(key: str) -> KeyPlace:
    """Which row of the table a key belongs to."""
    if key == NUDGE:
        return KeyPlace("", key, rule=KeyRule("zset"))
    if key.startswith(_RQ_RESULT):
        return KeyPlace("", key, rule=KeyRule("string", expires_s=_DAY_S))
    inside = _IN_GROUP.fullmatch(key)
    if inside is None:
        return KeyPlace("", key)
    app_name, name = inside.groups()
    family, colon, rest = name.partition(":")
    rule = RULES.get(family)
    if rule is not None and not (rule.is_family if colon else rule.is_alone):
        rule = None
    return KeyPlace("" if app_name == INSTALLATION else app_name, family, rest, rule)


def rq_job(job_id: str) -> str:
    """RQ's own hash of a job."""
    return f"rq:job:{job_id}"


def rq_result(job_id: str) -> str:
    """Where the hook in an RQ worker leaves what a function returned."""
    return _RQ_RESULT + job_id


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

    def ready(self, owner: str = "") -> str:
        """The ready set of `@<executor>` or of `#<tag>`; of all without one."""
        return self.named("ready") + (f":{owner}" if owner else "")

    def queue(self, lane: str) -> str:
        """The list of one lane."""
        return f"{self.prefix}queue:{lane}"

    def siblings(self, job_id: int) -> str:
        """The lanes that share the slots of a job."""
        return f"{self.prefix}siblings:{job_id}"

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
