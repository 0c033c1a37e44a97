"""The schema on one page: columns, constraints and indexes, no behaviour.

Log rows keep XXL-JOB's columns and codes. `trigger_*` is written by the scheduler,
`handle_*` and `outcome` by the callbacks, `alarm_status` by the background work. The CHECKs
make half-states impossible: a row with a handle code has a handle time and an outcome.
Indexes serve a named question each; partial ones stay small however long the history gets.
Defaults are the database's own, so that a bulk statement names only what differs.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .types import BigId, EpochMs

FOLLOWED = "trigger_status = 1"
"""Jobs whose schedule is followed."""
PENDING = "trigger_code = 0 and handle_code = 0"
"""Rows whose message is in no lane yet."""
UNFINISHED = "outcome is null"
UNSUCCESSFUL = "outcome is not null and outcome <> 'succeeded'"
UNROUTED = "not is_routed"
OPEN_ALARM = "is_open"
UNDELIVERED = "state in ('WAITING', 'SENDING')"
"""Conditions of partial indexes, said by statements in the very same words: only then do they serve."""


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ExecutorGroup(Base):
    """The set of executors a job may run on."""

    __tablename__ = "executor_group"
    __table_args__ = ({"sqlite_autoincrement": True},)  # an id is never given twice

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    app_name: Mapped[str] = mapped_column(String(64), unique=True)
    """What executors register under; letters, digits, `-`, `_`, `.`."""
    title: Mapped[str] = mapped_column(String(64))
    keep_days: Mapped[int | None]
    keep_failed_days: Mapped[int | None]
    keep_runs: Mapped[int | None]
    """How long its runs are kept, as `store/retention.py` has it; NULL: as the installation has it."""
    created_at: Mapped[int] = mapped_column(EpochMs)


class Calendar(Base):
    """Days and times on which jobs do not fire."""

    __tablename__ = "calendar"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    rules: Mapped[str] = mapped_column(Text, server_default="")
    """A rule a line: `2026-12-25`, `2026-12-24..2027-01-06`, `SAT-SUN`, `MON-FRI 00:00-06:00`."""
    updated_at: Mapped[int] = mapped_column(EpochMs)


class ApiToken(Base):
    """A program that may trigger jobs. Only a hash of its secret is stored."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[int] = mapped_column(EpochMs)
    last_used_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    may_write_scripts: Mapped[bool] = mapped_column(server_default=false())


class Job(Base):
    """What shall run, and when."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("trigger_status in (0, 1)", name="trigger_status"),
        CheckConstraint("executor_timeout >= 0", name="executor_timeout"),
        CheckConstraint("executor_fail_retry_count >= 0", name="executor_fail_retry_count"),
        # the planner: which jobs are due?
        Index(
            "ix_job_due",
            "next_trigger_time",
            sqlite_where=text(FOLLOWED),
            postgresql_where=text(FOLLOWED),
        ),
        Index("ix_job_group_id", "group_id"),
        Index("ix_job_declared_key", "declared_key", unique=True),
        {"sqlite_autoincrement": True},  # a new job must not inherit the lane of a deleted one
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("executor_group.id"))
    name: Mapped[str] = mapped_column(String(128))
    description: Mapped[str] = mapped_column(Text, server_default="")
    author: Mapped[str] = mapped_column(String(64), server_default="")
    schedule_type: Mapped[str] = mapped_column(String(16))
    schedule_conf: Mapped[str] = mapped_column(String(256), server_default="")
    """A cron expression, or the seconds of a fixed rate; empty for NONE."""
    time_zone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    dst_gap: Mapped[str] = mapped_column(String(16), server_default="RUN_AFTER")
    dst_fold: Mapped[str] = mapped_column(String(16), server_default="ONCE")
    start_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    end_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """The schedule names no time before `start_at`, and none after `end_at`; 0 is no bound."""
    jitter_s: Mapped[int] = mapped_column(server_default=text("0"))
    """Each run is pushed up to so many seconds after its fire time, by a hash of job and time."""
    calendar_id: Mapped[int | None] = mapped_column(BigId)
    """Fire times on its days and in its windows are left out."""
    misfire_strategy: Mapped[str] = mapped_column(String(32), server_default="DO_NOTHING")
    max_catchup: Mapped[int] = mapped_column(server_default=text("10"))
    """FIRE_ALL makes up for at most so many missed times, the newest of them."""
    catchup_window_s: Mapped[int] = mapped_column(server_default=text("86400"))
    """FIRE_ALL makes up for no time that was missed by more than this."""
    start_deadline_s: Mapped[int] = mapped_column(server_default=text("0"))
    """A run that nobody began so many seconds after its fire time ends as expired; 0: never."""
    route_strategy: Mapped[str] = mapped_column(String(32), server_default="ANY")
    executor_tag: Mapped[str] = mapped_column(String(32), server_default="")
    """Only executors that carry this tag run the job; empty: all."""
    block_strategy: Mapped[str] = mapped_column(String(32), server_default="SERIAL_EXECUTION")
    serial_scope: Mapped[str] = mapped_column(String(8), server_default="LANE")
    max_concurrency: Mapped[int] = mapped_column(server_default=text("1"))
    """With PARALLEL: so many runs at a time."""
    max_queue: Mapped[int] = mapped_column(server_default=text("0"))
    """A trigger that finds so many waiting in its lane is discarded; 0: no limit."""
    priority: Mapped[int] = mapped_column(server_default=text("5"))
    """0 to 9; lanes of a higher one are served first."""
    glue_type: Mapped[str] = mapped_column(String(32), server_default="BEAN")
    executor_handler: Mapped[str] = mapped_column(String(128))
    executor_param: Mapped[str] = mapped_column(Text, server_default="")
    executor_timeout: Mapped[int] = mapped_column(server_default=text("0"))
    """Seconds; 0 is no limit."""
    executor_fail_retry_count: Mapped[int] = mapped_column(server_default=text("0"))
    retry_delay_s: Mapped[int] = mapped_column(server_default=text("0"))
    """Seconds before the first retry is pushed."""
    retry_backoff: Mapped[str] = mapped_column(String(16), server_default="FIXED")
    retry_delay_max_s: Mapped[int] = mapped_column(server_default=text("3600"))
    """No pause before a retry is longer."""
    child_job_ids: Mapped[str] = mapped_column(String(255), server_default="")
    """Jobs triggered when a run succeeds: ids with commas between, as XXL-JOB writes them."""
    on_lost: Mapped[str] = mapped_column(String(8), server_default="FAIL")
    retry_refused: Mapped[bool] = mapped_column(server_default=false())
    """XXL-JOB's way: discarded and covered runs count as failures and are retried."""
    on_lateness: Mapped[str] = mapped_column(String(8), server_default="ALARM")
    late_after_s: Mapped[int] = mapped_column(server_default=text("0"))
    """Seconds after its fire time from which on a run is late; 0: as the installation has it."""
    alarm_channel_ids: Mapped[str] = mapped_column(String(255), server_default="")
    """Channels that are told of this job: ids with commas between."""
    alarms_only_chosen: Mapped[bool] = mapped_column(server_default=false())
    """No other channel is told, whatever it wants."""
    trigger_status: Mapped[int] = mapped_column(server_default=text("0"))
    last_trigger_time: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    next_trigger_time: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    stop_reason: Mapped[str] = mapped_column(Text, server_default="")
    """Why the planner stopped this job by itself; empty when a person did."""
    pause_note: Mapped[str] = mapped_column(String(255), server_default="")
    """What the person who stopped it wants others to know."""
    declared_key: Mapped[str | None] = mapped_column(String(160))
    """What declares this job in code or in a file; None for a job that people made."""
    declared: Mapped[str] = mapped_column(Text, server_default="")
    """What the declaration said when it was applied last (JSON)."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
    """Counts edits; an edit of an older version is refused instead of overwriting."""
    created_at: Mapped[int] = mapped_column(EpochMs)
    updated_at: Mapped[int] = mapped_column(EpochMs)


class GlueVersion(Base):
    """One version of the source of a script job; the newest of a job is what its next run gets."""

    __tablename__ = "glue_version"
    __table_args__ = (
        Index("ix_glue_version_job_id_id", "job_id", "id"),
        {"sqlite_autoincrement": True},  # a page that shows a version must not show another one later
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[int] = mapped_column(BigId)
    glue_type: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(Text)
    remark: Mapped[str] = mapped_column(String(128))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[int] = mapped_column(EpochMs)
    """XXL-JOB's update time: it tells versions apart wherever the source lies in a file."""


class JobLog(Base):
    """One trigger and what became of it. The screen calls it a run; its id is the log id."""

    __tablename__ = "job_log"
    __table_args__ = (
        # the one mechanism that makes planning, retrying, children and API calls exactly-once
        UniqueConstraint("job_id", "trigger_key", "shard_index"),
        CheckConstraint("trigger_code in (0, 200, 500)", name="trigger_code"),
        CheckConstraint("(handle_code = 0) = (handle_time = 0)", name="handle_time_with_code"),
        CheckConstraint(
            "(outcome is null) = (handle_code = 0 and trigger_code <> 500)", name="outcome_at_end"
        ),
        # the pusher: what may be pushed now, and when may the next?
        Index(
            "ix_job_log_pending",
            "not_before",
            "id",
            sqlite_where=text(PENDING),
            postgresql_where=text(PENDING),
        ),
        # the sweeper and the page "Runs": what has not ended?
        Index(
            "ix_job_log_unfinished",
            "group_id",
            "id",
            sqlite_where=text(UNFINISHED),
            postgresql_where=text(UNFINISHED),
        ),
        # the page "Runs": what went wrong?
        Index(
            "ix_job_log_unsuccessful",
            "id",
            sqlite_where=text(UNSUCCESSFUL),
            postgresql_where=text(UNSUCCESSFUL),
        ),
        Index("ix_job_log_job", "job_id", "id"),
        Index("ix_job_log_group", "group_id", "id"),
        Index("ix_job_log_trigger_time", "trigger_time"),
        {"sqlite_autoincrement": True},  # a log id is never given twice, even after retention
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    group_id: Mapped[int] = mapped_column(BigId)
    job_id: Mapped[int] = mapped_column(BigId)
    trigger_key: Mapped[str] = mapped_column(String(128))
    """`cron:<planned ms>`, `manual:<uuid>`, `retry:<log id>`, …: see `store/triggers.py`."""
    shard_index: Mapped[int] = mapped_column(server_default=text("0"))
    shard_total: Mapped[int] = mapped_column(server_default=text("1"))
    trigger_type: Mapped[str] = mapped_column(String(16))
    fire_at: Mapped[int] = mapped_column(EpochMs)
    """The planned instant; `trigger_time` is when the row was made, but not before this."""
    parent_log_id: Mapped[int | None] = mapped_column(BigId)
    attempt: Mapped[int] = mapped_column(server_default=text("1"))

    executor_address: Mapped[str] = mapped_column(String(255), server_default="")
    executor_handler: Mapped[str] = mapped_column(String(128))
    executor_param: Mapped[str] = mapped_column(Text, server_default="")
    executor_sharding_param: Mapped[str] = mapped_column(String(32), server_default="")
    executor_fail_retry_count: Mapped[int] = mapped_column(server_default=text("0"))
    """Retries left."""
    executor_timeout: Mapped[int] = mapped_column(server_default=text("0"))
    block_strategy: Mapped[str] = mapped_column(String(32), server_default="SERIAL_EXECUTION")
    on_lost: Mapped[str] = mapped_column(String(8), server_default="FAIL")

    not_before: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """It is not pushed earlier: a retry after its pause, a fire time with jitter."""
    expires_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """If nobody began it by then it ends as expired; 0: never."""
    is_pinned: Mapped[bool] = mapped_column(server_default=false())
    """Only the executor in `executor_address` may run it: a shard of a broadcast, or asked for."""

    trigger_time: Mapped[int] = mapped_column(EpochMs)
    trigger_code: Mapped[int] = mapped_column(server_default=text("0"))
    trigger_msg: Mapped[str | None] = mapped_column(Text)
    """Structured text (JSON): the facts of the push, or the `reason` why there was none."""
    pushed_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """When its message was in the lane, or was refused; 0 while pending."""

    started_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """When the handler began, by the executor's wall clock; 0 if it never did."""
    handle_time: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    handle_code: Mapped[int] = mapped_column(server_default=text("0"))
    handle_msg: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(String(16))
    result: Mapped[str | None] = mapped_column(Text)
    """What the handler returned, as JSON."""
    token: Mapped[int] = mapped_column(BigId, server_default=text("0"))
    """The fencing token of the lease whose result ended the row."""
    alarm_status: Mapped[int] = mapped_column(server_default=text("0"))


class ReportRow(Base):
    """What became of the runs of one day, or of one hour: of a job, of a group, or of all."""

    __tablename__ = "report"
    __table_args__ = (
        # the roll-up, and the tables of jobs: what is there of these days?
        Index("ix_report_span_period", "span", "period", "job_id"),
        # a job's page: its days, whatever group it was in
        Index("ix_report_job", "job_id", "span", "period"),
    )

    span: Mapped[str] = mapped_column(String(4), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    """0, together with `job_id`: everything."""
    job_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    """0: all jobs of the group."""
    period: Mapped[str] = mapped_column(String(16), primary_key=True)
    """A day of the reports' zone, as `2026-01-05`, or an hour of UTC, as `2026-01-05T08Z`."""
    triggered: Mapped[int] = mapped_column(server_default=text("0"))
    """Those that have no outcome here have not ended yet."""
    succeeded: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[int] = mapped_column(server_default=text("0"))
    timed_out: Mapped[int] = mapped_column(server_default=text("0"))
    killed: Mapped[int] = mapped_column(server_default=text("0"))
    covered: Mapped[int] = mapped_column(server_default=text("0"))
    discarded: Mapped[int] = mapped_column(server_default=text("0"))
    lost: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[int] = mapped_column(server_default=text("0"))
    expired: Mapped[int] = mapped_column(server_default=text("0"))
    run_ms: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """All run times together."""
    run_times: Mapped[str] = mapped_column(Text, server_default="")
    wait_times: Mapped[str] = mapped_column(Text, server_default="")
    lateness: Mapped[str] = mapped_column(Text, server_default="")
    """Histograms: see `baton/histogram.py`."""


class ReportOpen(Base):
    """A run that was counted, and may have to be counted again: it has not ended, or was closed as lost."""

    __tablename__ = "report_open"

    log_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    counted_as: Mapped[str | None] = mapped_column(String(16))
    """The outcome it was counted with; None: it had none."""


class ReportName(Base):
    """What a job or a group was called when it was last seen: reports outlive both."""

    __tablename__ = "report_name"

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(128))


class ReportProgress(Base):
    """How far counting has come: one row, which whoever counts changes first."""

    __tablename__ = "report_progress"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    counted_id: Mapped[int] = mapped_column(BigId, server_default=text("0"))
    """Every run up to this log id is in the reports."""
    looked_id: Mapped[int] = mapped_column(BigId, server_default=text("0"))
    """Open runs up to this one were looked at again in the round that goes on; 0: a new round begins."""
    counted_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """Runs triggered before then are in the reports."""


class AlarmChannel(Base):
    """A way to tell people, and what they want to be told."""

    __tablename__ = "alarm_channel"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    url: Mapped[str] = mapped_column(Text)
    """An Apprise address, or where the webhook goes. It may hold a password: no page shows it again."""
    secret: Mapped[str] = mapped_column(String(128), server_default="")
    """What a webhook is signed with."""
    conditions: Mapped[str] = mapped_column(String(255))
    """Words of AlarmCondition with commas between."""
    group_ids: Mapped[str] = mapped_column(String(255), server_default="")
    """It is told of these groups: ids with commas between."""
    is_for_all: Mapped[bool] = mapped_column(server_default=true())
    """It is told of every group. Jobs may choose it in any case."""
    subject: Mapped[str] = mapped_column(String(255), server_default="")
    body: Mapped[str] = mapped_column(Text, server_default="")
    """Templates; empty: as usual."""
    quiet_from: Mapped[str] = mapped_column(String(5), server_default="")
    quiet_to: Mapped[str] = mapped_column(String(5), server_default="")
    """Wall-clock times of `time_zone`, as `22:00`; empty: no quiet hours."""
    time_zone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    quiet_action: Mapped[str] = mapped_column(String(8), server_default="DELAY")
    dedupe_s: Mapped[int] = mapped_column(server_default=text("0"))
    """The same condition of the same job is told once in so many seconds."""
    is_enabled: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[int] = mapped_column(EpochMs)


class Alarm(Base):
    """Something people should be told. Its key says what: the same thing is one row, whoever notices."""

    __tablename__ = "alarm"
    __table_args__ = (
        # the router: what was not given to channels yet?
        Index(
            "ix_alarm_unrouted",
            "id",
            sqlite_where=text(UNROUTED),
            postgresql_where=text(UNROUTED),
        ),
        # a success: is there something to be well again?
        Index(
            "ix_alarm_open",
            "job_id",
            sqlite_where=text(OPEN_ALARM),
            postgresql_where=text(OPEN_ALARM),
        ),
        Index("ix_alarm_log_id", "log_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alarm_key: Mapped[str] = mapped_column(String(160), unique=True)
    """`failed:<log id>`, `late:<log id>`, `recovered:<alarm id>`, …: see `store/alarms.py`."""
    condition: Mapped[str] = mapped_column(String(16))
    group_id: Mapped[int] = mapped_column(BigId)
    job_id: Mapped[int] = mapped_column(BigId, server_default=text("0"))
    log_id: Mapped[int | None] = mapped_column(BigId)
    text: Mapped[str] = mapped_column(Text, server_default="")
    """What no row can say later, in a sentence."""
    created_at: Mapped[int] = mapped_column(EpochMs)
    is_routed: Mapped[bool] = mapped_column(server_default=false())
    is_open: Mapped[bool] = mapped_column(server_default=false())
    """Until it is well again."""


class AlarmDelivery(Base):
    """One alarm on its way over one channel."""

    __tablename__ = "alarm_delivery"
    __table_args__ = (
        UniqueConstraint("alarm_id", "channel_id"),
        # the background work: what may be sent now?
        Index(
            "ix_alarm_delivery_due",
            "not_before",
            sqlite_where=text(UNDELIVERED),
            postgresql_where=text(UNDELIVERED),
        ),
        # de-duplication: when was the same told last?
        Index("ix_alarm_delivery_channel", "channel_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("alarm.id", ondelete="CASCADE"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("alarm_channel.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(8))
    not_before: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    changed_at: Mapped[int] = mapped_column(EpochMs)
    problem: Mapped[str] = mapped_column(Text, server_default="")
    """Why the last try failed, or why it was dropped."""


class FailedCallback(Base):
    """A result the callbacks process could not apply, kept until a person decides."""

    __tablename__ = "failed_callback"
    __table_args__ = (UniqueConstraint("app_name", "entry_id", "field"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    app_name: Mapped[str] = mapped_column(String(64))
    entry_id: Mapped[str] = mapped_column(String(48))
    """The stream entry it came in, and its field there."""
    field: Mapped[str] = mapped_column(String(64))
    log_id: Mapped[int | None] = mapped_column(BigId)
    reason: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    first_seen: Mapped[int] = mapped_column(EpochMs)
    last_seen: Mapped[int] = mapped_column(EpochMs)
    tries: Mapped[int] = mapped_column(server_default=text("1"))
    replayed_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """When somebody put it into its stream again; 0 if it has failed since, or nobody did."""
    discarded_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))
    """When somebody decided that nobody wants it; 0 while it waits for a decision."""
    discarded_by: Mapped[str] = mapped_column(String(64), server_default="")
    discard_reason: Mapped[str] = mapped_column(Text, server_default="")


class Finding(Base):
    """A broken invariant, while scans see it."""

    __tablename__ = "finding"
    __table_args__ = (UniqueConstraint("check_name", "app_name", "subject"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    check_name: Mapped[str] = mapped_column(String(64))
    """As in `baton/scanner/checks`."""
    app_name: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(255))
    evidence: Mapped[str] = mapped_column(Text)
    log_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    job_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    executor_id: Mapped[str] = mapped_column(String(255), server_default="")
    lane: Mapped[str] = mapped_column(String(255), server_default="")
    first_seen: Mapped[int] = mapped_column(EpochMs)
    last_seen: Mapped[int] = mapped_column(EpochMs)
    sightings: Mapped[int] = mapped_column(server_default=text("1"))
    mark: Mapped[str] = mapped_column(String(48), server_default="")
    """The newest result right after it was first seen: one up to there might explain it."""
    is_confirmed: Mapped[bool] = mapped_column(server_default=false())
    is_told: Mapped[bool] = mapped_column(server_default=false())


class Scan(Base):
    """The last scan for broken invariants: one row."""

    __tablename__ = "scan"
    __table_args__ = (CheckConstraint("id = 1", name="only_the_last"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    began_at: Mapped[int] = mapped_column(EpochMs)
    took_ms: Mapped[int]
    by_whom: Mapped[str] = mapped_column(String(128))
    rows: Mapped[int]
    keys: Mapped[int]
    reached: Mapped[str] = mapped_column(Text)
    """JSON: group -> the run up to which its unfinished ones were walked through."""


class User(Base):
    """A person who may sign in to the dashboard."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[int] = mapped_column(EpochMs)


class UserSession(Base):
    """A signed-in browser. Only a hash of the cookie is stored."""

    __tablename__ = "user_session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    created_at: Mapped[int] = mapped_column(EpochMs)
    expires_at: Mapped[int] = mapped_column(EpochMs)
    last_seen_at: Mapped[int] = mapped_column(EpochMs)


class SignInLink(Base):
    """The one-time link that sets the first password. Only a hash of its secret is stored."""

    __tablename__ = "sign_in_link"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[int] = mapped_column(EpochMs)
    expires_at: Mapped[int] = mapped_column(EpochMs)
    used_at: Mapped[int] = mapped_column(EpochMs, server_default=text("0"))


class AuditEvent(Base):
    """Who did what, and when."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[int] = mapped_column(EpochMs)
    user_name: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(128))
    facts: Mapped[str] = mapped_column(Text, server_default="")
    """JSON."""
