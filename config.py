"""Every setting of this deployment: name, default, meaning, check. Read from the environment.

`load(environ)` answers one frozen `Settings`, or raises `SettingsError` with *all* problems.
Only entry points (`app.py`, `cli/`, each `__main__.py`) come here; everything below gets plain
values. The README's table is made from the fields of `Settings`, and a test compares the two.
"""

from __future__ import annotations

import difflib
import hashlib
import hmac
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from baton import __version__, failpoints, process_log, telemetry
from baton.errors import SettingsError

if TYPE_CHECKING:
    from baton.tracing import Tracing

PREFIX = "BATON_"
DEVELOPMENT = "development"
PRODUCTION = "production"
YES, NO, AUTO = "yes", "no", "auto"

EXIT_CONFIG = 78
"""What a process exits with when its settings are unusable (EX_CONFIG of sysexits)."""

_SHORTEST_TOKEN = 16
_WEAK_TOKENS = frozenset(
    {"default_token", "changeme", "change-me", "change_me", "secret", "password", "token", "admin", "test"}
)
_MAKE_ONE = 'make one with: python3 -c "import secrets; print(secrets.token_hex())"'
_OTEL_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_FOREIGN_NAMES = ("BATON_TEST_",)
"""Names with our prefix that are no settings of a deployment: the test suite reads them."""


_SCRIPT_TYPES = ("GLUE_SHELL", "GLUE_PYTHON", "GLUE_NODEJS", "GLUE_PHP", "GLUE_POWERSHELL")


_HOST_ENTRY = r"(private:)?(\*\.)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"


def _setting(environment_name: str, read: Callable[[str], Any], meaning: str, **default: Any) -> Any:
    """One field: where it is read from, what reads and checks it, what it means."""
    return field(metadata={"name": environment_name, "read": read, "meaning": meaning}, **default)


def _text(value: str) -> str:
    return value


def _matching(pattern: str, allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"allowed is {allowed}")
        return value

    return read


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"allowed is {' or '.join(allowed)}{_nearest(value, allowed)}")
        return value

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,15}", value) or not least <= int(value) <= most:
            raise ValueError(f"allowed is a whole number from {least} to {most}")
        return int(value)

    return read


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        if not re.fullmatch(r"\d{1,9}(\.\d+)?", value) or not least <= float(value) <= most:
            raise ValueError(f"allowed is a number of seconds from {least:g} to {most:g}")
        return float(value)

    return read


def _yes_no(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False}
    words["off"] = False
    if value.lower() not in words:
        raise ValueError("allowed is yes or no")
    return words[value.lower()]


def _yes_no_auto(value: str) -> str:
    if value.lower() == AUTO:
        return AUTO
    try:
        return YES if _yes_no(value) else NO
    except ValueError:
        raise ValueError(f"allowed is yes, no or {AUTO}") from None


def _redis_url(value: str) -> str:
    if urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("allowed is redis://host:6379/0, rediss://… (TLS) or unix:///path/to/socket")
    return value


def _script_types(value: str) -> str:
    for word in value.split(","):
        if word.strip() not in (*_SCRIPT_TYPES, "all"):
            near = _nearest(word.strip(), _SCRIPT_TYPES)
            raise ValueError(f"allowed is all, or some of {', '.join(_SCRIPT_TYPES)}{near}")
    return value


def _hosts(value: str) -> str:
    for entry in value.split(","):
        if not re.fullmatch(_HOST_ENTRY, entry.strip()):
            raise ValueError(
                f"{entry.strip()!r} is no host; allowed is api.example.org, *.example.org:8443 or "
                "private:host:80"
            )
    return value


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("allowed is https://host, with a path if the dashboard has one")
    return value.rstrip("/")


def _rq_url(value: str) -> str:
    return value if value == "same" else _redis_url(value)


def _time_zone(value: str) -> str:
    names = available_timezones()
    if value not in names:
        raise ValueError(f"allowed is the name of a time zone, as Europe/Berlin{_nearest(value, names)}")
    return value


def _database_url(value: str) -> str:
    if urlsplit(value).scheme not in ("sqlite", "postgres", "postgresql", "postgresql+psycopg"):
        raise ValueError("allowed is postgresql://user:password@host/name, postgres://… or sqlite:///path")
    return value


def _archive_url(value: str) -> str:
    parts = urlsplit(value)
    if not parts.scheme or "://" not in value:
        raise ValueError("allowed is the URL of an object store, as s3://bucket/logs or file:///path/to/logs")
    return value


def _access_token(value: str) -> str:
    if value.lower() in _WEAK_TOKENS:
        raise ValueError(f"everybody knows this one; {_MAKE_ONE}")
    if len(value) < _SHORTEST_TOKEN:
        raise ValueError(f"it has {len(value)} characters of at least {_SHORTEST_TOKEN}; {_MAKE_ONE}")
    return value


def _metrics_token(value: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"a header cannot carry it; {_MAKE_ONE}")
    return _access_token(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process, checked. Durations are seconds."""

    redis_url: str = _setting("REDIS_URL", _redis_url, "The Redis server that carries the messages.")
    database_url: str = _setting("DATABASE_URL", _database_url, "The SQL database; executors do not need it.")
    access_token: str = _setting(
        "BATON_ACCESS_TOKEN",
        _access_token,
        "Signs every message; all processes of an installation share it. At least 16 characters.",
    )
    secret_key: str = _setting(
        "BATON_SECRET_KEY",
        _text,
        "Signs what the dashboard keeps in cookies. Made from the access token when empty.",
        default="",
    )
    env: str = _setting(
        "BATON_ENV",
        _one_of(DEVELOPMENT, PRODUCTION),
        "`production` refuses what `development` only warns about.",
        default=PRODUCTION,
    )
    state_dir: str = _setting(
        "BATON_STATE_DIR", _text, "Where `baton run` keeps its data and secrets.", default=".baton"
    )
    group: str = _setting(
        "BATON_GROUP",
        _matching(
            r"[A-Za-z0-9._-]{1,64}(?: *, *[A-Za-z0-9._-]{1,64})*",
            "1 to 64 letters, digits, '-', '_' and '.'; several groups with commas between",
        ),
        "The executor group (app name) a worker serves; several, with commas between, share its children.",
        default="demo",
    )
    handlers: str = _setting(
        "BATON_HANDLERS",
        _text,
        "Modules with handlers, separated by commas. Empty: every file under `handlers/`.",
        default="",
    )
    reload: bool = _setting(
        "BATON_RELOAD",
        _yes_no,
        "Whether a worker takes up changed handler files at once: for development.",
        default=False,
    )
    tags: str = _setting(
        "BATON_TAGS",
        _matching(
            r"(?:[A-Za-z0-9._-]{1,32}(?:,(?! *$)|$) *)*",
            "names of up to 32 letters, digits, '-', '_' and '.', with commas between",
        ),
        "What this worker can do that others cannot (`gpu,eu`): jobs with a tag run only where it stands.",
        default="",
    )
    concurrency: int = _setting(
        "BATON_CONCURRENCY",
        _whole(1, 1000),
        "Child processes of one worker: runs at a time, coroutines aside.",
        default=4,
    )
    async_concurrency: int = _setting(
        "BATON_ASYNC_CONCURRENCY",
        _whole(1, 10000),
        "`async def` handlers of one worker that run at a time, on one event loop.",
        default=100,
    )
    scripts: str = _setting(
        "BATON_SCRIPTS",
        _script_types,
        "The kinds of scripts this worker may run, whoever wrote them in the dashboard: "
        "`GLUE_SHELL,GLUE_PYTHON`, or `all`. Empty: none.",
        default="",
    )
    commands: str = _setting(
        "BATON_COMMANDS",
        _text,
        "Programs that jobs may run on this worker, without a shell: names or paths with commas between, or "
        "`any`. Empty: the handler `baton-command` is not there.",
        default="",
    )
    http_hosts: str = _setting(
        "BATON_HTTP_HOSTS",
        _hosts,
        "Hosts that jobs may call from this worker: `api.example.org,*.example.org:8443`, one on a private "
        "network as `private:intranet:8080`. Empty: the handler `baton-http` is not there.",
        default="",
    )
    rq_url: str = _setting(
        "BATON_RQ_URL",
        _rq_url,
        "The Redis of RQ workers whose functions this worker may enqueue: an address, or `same` as Baton's. "
        "Empty: jobs of RQ are refused.",
        default="",
    )
    rq_serializer: str = _setting(
        "BATON_RQ_SERIALIZER",
        _matching(r"pickle|json|\w+(\.\w+)+", "pickle, json, or the dotted path of a serializer"),
        "How those RQ workers read arguments: what they are started with as `--serializer`.",
        default="pickle",
    )
    rq_hook: bool = _setting(
        "BATON_RQ_HOOK",
        _yes_no,
        "Whether `baton` is installed beside their functions: endings come at once, with results.",
        default=False,
    )
    log_dir: str = _setting(
        "BATON_LOG_DIR", _text, "Where a worker writes the log file of each run.", default=".baton/logs"
    )
    log_cap_bytes: int = _setting(
        "BATON_LOG_CAP_BYTES",
        _whole(65_536, 2**40),
        "How long the log file of one run may become; what a run says after that is dropped.",
        default=10 * 1024 * 1024,
    )
    log_retention_days: int = _setting(
        "BATON_LOG_RETENTION_DAYS", _whole(1, 3650), "Days a worker keeps log files of runs.", default=30
    )
    log_dir_cap_bytes: int = _setting(
        "BATON_LOG_DIR_CAP_BYTES",
        _whole(0, 2**50),
        "How much room the log files of a worker may take; the oldest go first. 0: as much as there is.",
        default=10 * 1024 * 1024 * 1024,
    )
    log_archive_url: str = _setting(
        "BATON_LOG_ARCHIVE_URL",
        _archive_url,
        "Where workers store each log when its run has ended, and the dashboard finds those whose worker is "
        "gone: any fsspec URL (`s3://bucket/logs`, `file:///path`).",
        default="",
    )
    spool_dir: str = _setting(
        "BATON_SPOOL_DIR",
        _text,
        "Where a worker keeps results that Redis has not taken yet.",
        default=".baton/spool",
    )
    spool_limit_mb: int = _setting(
        "BATON_SPOOL_LIMIT_MB",
        _whole(1, 1_000_000),
        "Megabytes the spool may hold. A worker that reached them claims nothing until results are taken.",
        default=1024,
    )
    kill_grace_s: float = _setting(
        "BATON_KILL_GRACE_S",
        _seconds(0, 3600),
        "Seconds between SIGTERM and SIGKILL for a killed or timed-out run.",
        default=10.0,
    )
    soft_timeout_lead_s: float = _setting(
        "BATON_SOFT_TIMEOUT_LEAD_S",
        _seconds(0, 3600),
        "So many seconds before its time-out a run gets a `SoftTimeout`, which its handler may catch. 0: it "
        "does not.",
        default=0.0,
    )
    max_rss_mb: int = _setting(
        "BATON_MAX_RSS_MB",
        _whole(0, 10_000_000),
        "MB of memory the processes of one run may use, if its handler does not say otherwise. 0: no limit.",
        default=0,
    )
    max_cpu_s: float = _setting(
        "BATON_MAX_CPU_S",
        _seconds(0, 10_000_000),
        "Seconds of CPU time the processes of one run may use, if its handler does not say otherwise. 0: no "
        "limit.",
        default=0.0,
    )
    max_runs_per_child: int = _setting(
        "BATON_MAX_RUNS_PER_CHILD",
        _whole(0, 10_000_000),
        "Runs after which a child process is replaced. 0: it is not.",
        default=0,
    )
    max_child_rss_mb: int = _setting(
        "BATON_MAX_CHILD_RSS_MB",
        _whole(0, 10_000_000),
        "MB of memory at which a child process is replaced, between two runs. 0: it is not.",
        default=0,
    )
    drain_grace_s: float = _setting(
        "BATON_DRAIN_GRACE_S",
        _seconds(0, 86400),
        "Seconds a stopping worker lets its runs finish before it hands them back.",
        default=25.0,
    )
    misfire_threshold_s: float = _setting(
        "BATON_MISFIRE_THRESHOLD_S",
        _seconds(1, 3600),
        "A fire time met later than this is a misfire.",
        default=5.0,
    )
    sweep_interval_s: float = _setting(
        "BATON_SWEEP_INTERVAL_S",
        _seconds(0.1, 3600),
        "Seconds between two looks for what a crash left behind.",
        default=5.0,
    )
    beat_interval_s: float = _setting(
        "BATON_BEAT_INTERVAL_S", _seconds(0.1, 60), "Seconds between two beats of a process.", default=3.0
    )
    executor_dead_after_s: float = _setting(
        "BATON_EXECUTOR_DEAD_AFTER_S",
        _seconds(0.5, 3600),
        "A worker whose beat stood still this long is dead. At least three beats.",
        default=12.0,
    )
    late_after_s: float = _setting(
        "BATON_LATE_AFTER_S",
        _seconds(0, 86400),
        "A run that begins so many seconds after its fire time is alarmed about. 0: none is.",
        default=300.0,
    )
    no_executor_after_s: float = _setting(
        "BATON_NO_EXECUTOR_AFTER_S",
        _seconds(1, 86400),
        "Runs that wait so long in a group where no executor listens are alarmed about.",
        default=60.0,
    )
    keep_days: int = _setting(
        "BATON_KEEP_DAYS",
        _whole(0, 36_500),
        "Days for which the rows of runs are kept, in groups that do not say otherwise. 0: for ever.",
        default=30,
    )
    keep_failed_days: int = _setting(
        "BATON_KEEP_FAILED_DAYS",
        _whole(0, 36_500),
        "The same for runs that did not succeed. 0: as the others.",
        default=0,
    )
    keep_runs: int = _setting(
        "BATON_KEEP_RUNS",
        _whole(0, 10**12),
        "So many of the newest runs of a group are kept at most. 0: no matter how many.",
        default=0,
    )
    audit_days: int = _setting(
        "BATON_KEEP_AUDIT_DAYS",
        _whole(0, 36_500),
        "Days for which is kept who did what. 0: for ever.",
        default=365,
    )
    report_zone: str = _setting(
        "BATON_REPORT_TIME_ZONE",
        _time_zone,
        "The time zone whose days reports count by.",
        default="UTC",
    )
    public_url: str = _setting(
        "BATON_PUBLIC_URL",
        _public_url,
        "Where people find the dashboard, as `https://baton.example.com`: alarms link there.",
        default="",
    )
    webhook_hosts: str = _setting(
        "BATON_WEBHOOK_HOSTS",
        _hosts,
        "Hosts that webhooks of alarms may go to, as in BATON_HTTP_HOSTS. Empty: any on the Internet, none "
        "on a private network.",
        default="",
    )
    host: str = _setting("BATON_HOST", _text, "The address the dashboard listens on.", default="127.0.0.1")
    port: int = _setting("PORT", _whole(1, 65535), "The port the dashboard listens on.", default=8000)
    secure_cookies: bool = _setting(
        "BATON_SECURE_COOKIES",
        _yes_no,
        "Whether browsers may send the session over HTTPS only. Say no for plain HTTP on one machine.",
        default=True,
    )
    admin_password: str = _setting(
        "BATON_ADMIN_PASSWORD",
        _text,
        "Creates the first user, `admin`, with this password: for unattended installs.",
        default="",
    )
    metrics_token: str = _setting(
        "BATON_METRICS_TOKEN",
        _metrics_token,
        "What a scraper of `/metrics` must send as `Authorization: Bearer …`; at least 16 characters. Empty: "
        "only the machine of the web process may ask, and not by way of a proxy.",
        default="",
    )
    log_level: str = _setting(
        "BATON_LOG_LEVEL",
        _one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "How much the processes say on standard error.",
        default="INFO",
    )
    log_format: str = _setting(
        "BATON_LOG_FORMAT",
        _one_of(process_log.TEXT, process_log.JSON),
        "How they say it: `text` for people, `json` with one object a line.",
        default=process_log.TEXT,
    )
    otel: str = _setting(
        "BATON_OTEL",
        _yes_no_auto,
        "Whether runs are told of to OpenTelemetry, as its own variables say (`OTEL_…`). `auto`: where "
        "`OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.",
        default=AUTO,
    )
    failpoints: str = _setting(
        "BATON_FAILPOINTS",
        _text,
        "Named places where tests make a process die; never in production.",
        default="",
    )

    @property
    def script_types(self) -> tuple[str, ...]:
        """The kinds of scripts a worker may run."""
        words = tuple(word.strip() for word in self.scripts.split(",") if word.strip())
        return _SCRIPT_TYPES if "all" in words else words

    @property
    def groups(self) -> tuple[str, ...]:
        """The executor groups a worker serves; what is declared without a group belongs to the first."""
        return tuple(name.strip() for name in self.group.split(","))

    @property
    def is_production(self) -> bool:
        """Whether unsafe choices are refused instead of warned about."""
        return self.env == PRODUCTION


_SECRETS = frozenset({"access_token", "secret_key", "admin_password", "metrics_token"})
_WITH_CREDENTIALS = frozenset({"redis_url", "database_url", "log_archive_url", "rq_url"})


def load(environ: Mapping[str, str], *, unneeded: Collection[str] = ()) -> Settings:
    """The settings in `environ`; raises `SettingsError` that names every problem.

    `unneeded` names required fields this process can do without (an executor has no database).
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for each in fields(Settings):
        try:
            values[each.name] = _value(each, environ, unneeded)
        except ValueError as problem:
            problems.append(str(problem))
    if not problems:
        problems = _contradictions(values)
    if problems:
        raise SettingsError(*problems)
    for warning in unknown_names(environ):
        telemetry.warning("setting.warning", text=warning)
    values["secret_key"] = values["secret_key"] or _derived_key(values["access_token"])
    return Settings(**values)


def start_process(
    role: str, environ: Mapping[str, str], *, unneeded: Collection[str] = (), carries_runs: bool = True
) -> Settings:
    """As `load_or_exit`, for a process that keeps running: its log and its failpoints are set up.

    The log first: what is wrong with the settings stands in it, in the form that was asked for. A process
    that carries runs does not begin on a Redis that could lose them; one that does not answer is waited for.
    """
    form = environ.get("BATON_LOG_FORMAT", "").strip() or process_log.TEXT
    process_log.set_up(role, form=form)
    settings = load_or_exit(environ, unneeded=unneeded)
    process_log.set_up(role, settings.log_level, settings.log_format)
    failpoints.arm(settings.failpoints)
    if carries_runs:
        _look_at_redis(settings)
    return settings


def _look_at_redis(settings: Settings) -> None:
    from baton.broker import doctor  # who only reads settings does not load it

    if reasons := doctor.reasons_to_refuse(settings.redis_url, is_production=settings.is_production):
        exit_with(SettingsError(*(f"REDIS_URL: {reason}" for reason in reasons)))


def tracing(role: str, settings: Settings, environ: Mapping[str, str]) -> Tracing | None:
    """What hands over the spans of this process, or None."""
    if not wants_spans(settings, environ):
        return None
    from baton.tracing import Tracing

    return Tracing(role, process_log.process_name(), __version__)


def wants_spans(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether this process tells OpenTelemetry of runs.

    Where the environment only happens to name a collector, a package that is missing is a warning:
    platforms set that variable for everything they run.
    """
    if settings.otel != AUTO:
        return settings.otel == YES
    is_named = any(environ.get(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT") for kind in ("", "TRACES_"))
    if not is_named or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if missing := _missing_for_spans():
        text = f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {missing}; BATON_OTEL=no hides this"
        telemetry.warning("setting.warning", text=text)
    return not missing


def load_or_exit(environ: Mapping[str, str], *, unneeded: Collection[str] = ()) -> Settings:
    """As `load`; prints every problem and ends the process with code 78 instead of raising."""
    try:
        return load(environ, unneeded=unneeded)
    except SettingsError as error:
        exit_with(error)


def exit_with(error: SettingsError) -> NoReturn:
    """Say the problems, one a line, and end this process."""
    if process_log.form() == process_log.JSON:
        for problem in error.problems:
            telemetry.warning("setting.refused", text=problem)
        raise SystemExit(EXIT_CONFIG)
    print("These settings cannot be used:", file=sys.stderr)
    for problem in error.problems:
        print(f"  - {problem}", file=sys.stderr)
    raise SystemExit(EXIT_CONFIG)


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each `BATON_…` that no setting reads, with the nearest name that exists."""
    known = [each.metadata["name"] for each in fields(Settings)]
    return [
        f"{name} is not a setting of Baton and is ignored{_nearest(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known and not name.startswith(_FOREIGN_NAMES)
    ]


def table() -> str:
    """The settings as the Markdown table that stands in the README."""
    rows = [
        f"| `{each.metadata['name']}` | {_shown_default(each)} | {each.metadata['meaning']} |"
        for each in fields(Settings)
    ]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows])


def _value(each: Field[Any], environ: Mapping[str, str], unneeded: Collection[str]) -> Any:
    name = each.metadata["name"]
    text = environ.get(name, "").strip()
    if not text:
        if each.default is not MISSING:
            return each.default
        if each.name in unneeded:
            return ""
        raise ValueError(f"{name} is not set. {each.metadata['meaning']} `baton run` sets it by itself.")
    try:
        return each.metadata["read"](text)
    except ValueError as problem:
        raise ValueError(f"{name} is {_shown(each.name, text)}: {problem}") from None


def _missing_for_spans() -> str:
    """What is not installed and how to mend it; empty: nothing."""
    for package in _OTEL_PACKAGES:
        try:
            is_there = find_spec(package) is not None
        except ModuleNotFoundError:  # not even what it is a part of
            is_there = False
        if not is_there:
            return f"the package {package} is not installed: pip install 'baton[otel]'"
    return ""


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """What is wrong between settings that are each fine."""
    problems = []
    if values["executor_dead_after_s"] < 3 * values["beat_interval_s"]:
        problems.append(
            f"BATON_EXECUTOR_DEAD_AFTER_S is {values['executor_dead_after_s']:g}, less than three times "
            f"BATON_BEAT_INTERVAL_S ({values['beat_interval_s']:g}): a living worker would be declared dead; "
            f"set it to at least {3 * values['beat_interval_s']:g}"
        )
    if values["otel"] == YES and (missing := _missing_for_spans()):
        problems.append(f"BATON_OTEL is yes, but {missing}; or set BATON_OTEL=no")
    if values["env"] == PRODUCTION and values["failpoints"]:
        problems.append(
            f"BATON_FAILPOINTS is {values['failpoints']!r} with BATON_ENV production: failpoints kill "
            "processes on purpose; unset it, or set BATON_ENV=development"
        )
    return problems


def _shown(name: str, text: str) -> str:
    """The bad value for an error message; a secret, or an address that may hold one, is not repeated."""
    if name in _SECRETS:
        return "not usable"
    if name in _WITH_CREDENTIALS:
        return repr(urlsplit(text).scheme + ":…") if ":" in text else "not an address"
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _shown_default(each: Field[Any]) -> str:
    if each.default is MISSING:
        return "required"
    if isinstance(each.default, bool):
        return "`yes`" if each.default else "`no`"
    if isinstance(each.default, float):
        return f"`{each.default:g}`"
    return f"`{each.default}`" if each.default != "" else "empty"


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name.upper(), {each.upper(): each for each in known}, n=1, cutoff=0.5)
    by_upper = {each.upper(): each for each in known}
    return f"; did you mean {by_upper[close[0]]}?" if close else ""


def _derived_key(access_token: str) -> str:
    """The same on every web process, and of no use to find the access token."""
    return hmac.new(access_token.encode(), b"baton dashboard cookies", hashlib.sha256).hexdigest()


def main() -> None:
    """`python config.py`: print the table for the README."""
    print(table(), file=sys.stdout)


if __name__ == "__main__":
    main()
