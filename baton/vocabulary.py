"""The words of Baton as enums: one spelling in Python, Lua, SQL, JSON and on screen.

Values are the strings and numbers that are stored and sent; where XXL-JOB has a
word, it is that word. `docs/glossary.md` explains each, and a test compares the two.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Role(StrEnum):
    """What a process is for: a line of the Procfile."""

    WEB = "web"
    SCHEDULER = "scheduler"
    EXECUTOR = "executor"
    CALLBACKS = "callbacks"
    BACKGROUND = "background"


class ScheduleType(StrEnum):
    """Which kind of clock decides when a job fires."""

    NONE = "NONE"
    CRON = "CRON"
    FIX_RATE = "FIX_RATE"
    FIX_DELAY = "FIX_DELAY"
    ONCE = "ONCE"


class MisfireStrategy(StrEnum):
    """What to do about fire times that were met too late."""

    DO_NOTHING = "DO_NOTHING"
    FIRE_ONCE_NOW = "FIRE_ONCE_NOW"
    FIRE_ALL = "FIRE_ALL"


class DstGap(StrEnum):
    """What becomes of a time of day that the clock jumps over in spring."""

    RUN_AFTER = "RUN_AFTER"
    SKIP = "SKIP"


class DstFold(StrEnum):
    """What becomes of a time of day that the clock shows twice in autumn."""

    ONCE = "ONCE"
    BOTH = "BOTH"


class BlockStrategy(StrEnum):
    """What happens to a trigger while its job still runs or waits."""

    SERIAL_EXECUTION = "SERIAL_EXECUTION"
    DISCARD_LATER = "DISCARD_LATER"
    COVER_EARLY = "COVER_EARLY"
    BUFFER_ONE = "BUFFER_ONE"
    PARALLEL = "PARALLEL"


class SerialScope(StrEnum):
    """Among which triggers of a routed job its block strategy is judged."""

    LANE = "LANE"
    JOB = "JOB"


class RouteStrategy(StrEnum):
    """Which executor of the group gets a trigger."""

    ANY = "ANY"
    FIRST = "FIRST"
    LAST = "LAST"
    ROUND = "ROUND"
    RANDOM = "RANDOM"
    CONSISTENT_HASH = "CONSISTENT_HASH"
    LEAST_FREQUENTLY_USED = "LEAST_FREQUENTLY_USED"
    LEAST_RECENTLY_USED = "LEAST_RECENTLY_USED"
    FAILOVER = "FAILOVER"
    BUSYOVER = "BUSYOVER"
    SHARDING_BROADCAST = "SHARDING_BROADCAST"


class RetryBackoff(StrEnum):
    """How the pause before a retry grows."""

    FIXED = "FIXED"
    EXPONENTIAL = "EXPONENTIAL"


class GlueType(StrEnum):
    """How the code of a job reaches the executor."""

    BEAN = "BEAN"
    GLUE_SHELL = "GLUE_SHELL"
    GLUE_PYTHON = "GLUE_PYTHON"
    GLUE_NODEJS = "GLUE_NODEJS"
    GLUE_PHP = "GLUE_PHP"
    GLUE_POWERSHELL = "GLUE_POWERSHELL"
    GLUE_GROOVY = "GLUE_GROOVY"
    RQ = "RQ"

    @property
    def is_script(self) -> bool:
        """Whether its source travels in the message."""
        return self.value.startswith("GLUE_")


class TriggerType(StrEnum):
    """Who decided that a job runs."""

    CRON = "CRON"
    MANUAL = "MANUAL"
    API = "API"
    RETRY = "RETRY"
    PARENT = "PARENT"
    MISFIRE = "MISFIRE"
    BACKFILL = "BACKFILL"


class OnLost(StrEnum):
    """What becomes of a run whose executor died."""

    FAIL = "FAIL"
    RERUN = "RERUN"


class OnLateness(StrEnum):
    """What becomes of a run that begins too late."""

    ALARM = "ALARM"
    IGNORE = "IGNORE"


class TriggerStatus(IntEnum):
    """Whether the schedule of a job is followed."""

    STOPPED = 0
    RUNNING = 1


class TriggerCode(IntEnum):
    """How far the trigger came: `job_log.trigger_code`."""

    PENDING = 0
    QUEUED = 200
    REFUSED = 500


class HandleCode(IntEnum):
    """How the handler ended: `job_log.handle_code`. 0 is "not ended yet"."""

    NONE = 0
    SUCCESS = 200
    FAIL = 500
    TIMEOUT = 502


class AlarmStatus(IntEnum):
    """What became of the alarm of a failed run: `job_log.alarm_status`."""

    DEFAULT = 0
    NOT_NEEDED = 1
    SENT = 2
    FAILED = 3


class AlarmCondition(StrEnum):
    """Why people are told."""

    FAILED = "FAILED"
    LATE = "LATE"
    NO_EXECUTOR = "NO_EXECUTOR"
    EXECUTOR_LOST = "EXECUTOR_LOST"
    RESULT_KEPT = "RESULT_KEPT"
    SPOOL_FULL = "SPOOL_FULL"
    FINDING = "FINDING"
    RECOVERED = "RECOVERED"


ALARM_TITLES: dict[str, str] = {
    AlarmCondition.FAILED: "Run failed",
    AlarmCondition.LATE: "Run began late",
    AlarmCondition.NO_EXECUTOR: "No executor listens",
    AlarmCondition.EXECUTOR_LOST: "Executor lost",
    AlarmCondition.RESULT_KEPT: "Results could not be applied",
    AlarmCondition.SPOOL_FULL: "Spool full",
    AlarmCondition.FINDING: "Invariant broken",
    AlarmCondition.RECOVERED: "Well again",
}
"""What people read of a condition, in the words they are sent and on the pages."""


class DeliveryState(StrEnum):
    """How far the word of one alarm over one channel has come."""

    WAITING = "WAITING"
    SENDING = "SENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    DROPPED = "DROPPED"


class ChannelKind(StrEnum):
    """How a channel reaches people."""

    APPRISE = "APPRISE"
    WEBHOOK = "WEBHOOK"


class QuietAction(StrEnum):
    """What becomes of an alarm in the quiet hours of a channel."""

    DELAY = "DELAY"
    DROP = "DROP"


class Outcome(StrEnum):
    """The ending of a run, finer than its handle code: `job_log.outcome`."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    KILLED = "killed"
    COVERED = "covered"
    DISCARDED = "discarded"
    LOST = "lost"
    REFUSED = "refused"
    EXPIRED = "expired"


class RunState(StrEnum):
    """What a person sees of a run that has not ended; an ended run shows its outcome."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"


class SpoolState(StrEnum):
    """How near the spool of an executor is to its bound."""

    OK = "ok"
    NEARLY_FULL = "nearly full"
    FULL = "full"


class Ending(StrEnum):
    """Why an entry stands in the results stream: the verb before its log id.

    SETTLED and STALE carry a signed HandleCallbackParam from an executor. The others are
    written by a script that ended (or re-queued) a run nobody else can speak for; they
    carry the signed TriggerParam of that run, which proves that it existed.
    """

    SETTLED = "settled"
    STALE = "stale"
    DISCARDED = "discarded"
    COVERED = "covered"
    KILLED = "killed"
    LOST = "lost"
    RERUN = "rerun"
    REROUTED = "rerouted"
    EXPIRED = "expired"


HANDLE_CODE_OF: dict[Outcome, HandleCode] = {
    Outcome.SUCCEEDED: HandleCode.SUCCESS,
    Outcome.FAILED: HandleCode.FAIL,
    Outcome.TIMED_OUT: HandleCode.TIMEOUT,
    Outcome.KILLED: HandleCode.FAIL,
    Outcome.COVERED: HandleCode.FAIL,
    Outcome.DISCARDED: HandleCode.NONE,
    Outcome.LOST: HandleCode.FAIL,
    Outcome.REFUSED: HandleCode.NONE,
    Outcome.EXPIRED: HandleCode.FAIL,
}
"""DISCARDED and REFUSED never reached a handler: they end by trigger code 500 instead."""
