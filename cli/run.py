"""`baton run`: everything on this machine, with what is missing set up first.

Without REDIS_URL it owns a redis-server, without DATABASE_URL it keeps a SQLite file; both live
in the state folder with two generated secrets. Whatever this command starts ends with it.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import config
from baton import process_log
from baton.broker.client import connect
from baton.broker.doctor import check, examine
from baton.broker.embedded import EmbeddedRedis
from baton.checkup import Verdict
from baton.errors import InputError

from . import seed, state
from .crew import OWN_NAME, Crew, commands_of
from .migrate import bring_up
from .parsing import Parser
from .signin import address, first_link, reachable

_BEYOND_DRAIN_S = 5.0
"""What a worker may need on top of draining and killing: the last results go to Redis."""
_TO_BE_STARTED = "unix:///to-be-started"


def add_arguments(parser: Parser) -> None:
    """`--no-reload` leaves handlers alone when a file of them changes."""
    parser.notes = (
        "It keeps its data and secrets in BATON_STATE_DIR, and ends with Ctrl-C. REDIS_URL and DATABASE_URL\n"
        "name servers of your own."
    )
    parser.examples = ["baton run", "PORT=9000 baton run"]
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        help="whether the worker takes up changed files of handlers at once (BATON_RELOAD; here: yes)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Set up, start everything, and stay until a signal."""
    folder = state.prepare(os.environ)
    environ = _environment(os.environ)
    if arguments.reload is not None:
        environ["BATON_RELOAD"] = "yes" if arguments.reload else "no"
    settings = config.load({"REDIS_URL": _TO_BE_STARTED, **environ})
    _require_free_port(settings.host, settings.port)
    with _redis(environ, folder) as redis:
        settings = config.load(environ)
        process_log.set_up(OWN_NAME, settings.log_level, settings.log_format)
        _look_at_redis(settings, is_own=redis is not None)
        bring_up(settings)
        seed.demo(settings)
        crew = Crew(
            commands_of(state.HOME / "Procfile"),
            environ=environ,
            home=state.HOME,
            stop_within_s=settings.drain_grace_s + settings.kill_grace_s + _BEYOND_DRAIN_S,
            log_format=settings.log_format,
        )
        crew.every_tick(_Greeting(crew, settings))
        if redis:
            crew.every_tick(_RedisKeeper(crew, redis))
        return crew.run(fatal_codes=[config.EXIT_CONFIG])


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """What the processes get: the given environment, the state folder's values, our own programs."""
    environ = state.environment(given)
    if not given.get("REDIS_URL"):
        environ.pop("REDIS_URL", None)  # an earlier server's address
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    environ["PYTHONUNBUFFERED"] = "1"
    return environ


def _require_free_port(host: str, port: int) -> None:
    try:
        _bind(host, port)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            free = _free_port(host, port)
            raise InputError(
                f"port {port} of {host} is in use, perhaps by another Baton: stop that, or choose "
                f"another one, for example: PORT={free} make run"
            ) from None
        raise InputError(
            f"the dashboard cannot listen on port {port} of {host} ({problem.strerror}): "
            "set PORT to a number over 1023, and BATON_HOST to an address of this machine"
        ) from None


def _bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _free_port(host: str, after: int) -> int:
    for port in range(after + 1, min(after + 50, 65536)):
        with contextlib.suppress(OSError):
            return _bind(host, port)
    return _bind(host, 0)


@contextlib.contextmanager
def _redis(environ: dict[str, str], folder: Path) -> Iterator[_OwnRedis | None]:
    """The server of this installation, named in `environ`; None when REDIS_URL names one already."""
    if environ.get("REDIS_URL"):
        yield None
        return
    own = _OwnRedis(folder / "redis")
    environ["REDIS_URL"] = own.url
    state.remember_redis(folder, own.url)
    try:
        yield own
    finally:
        own.stop()
        state.remember_redis(folder, None)


class _OwnRedis:
    """The embedded server, which may have to be started more than once."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._server = EmbeddedRedis.start(data_dir)

    @property
    def url(self) -> str:
        return self._server.url

    def keep_running(self) -> bool:
        """Start it again if it died; answers whether it had."""
        if self._server.is_running:
            return False
        self._server.stop()
        self._server = EmbeddedRedis.start(self._data_dir)
        return True

    def stop(self) -> None:
        self._server.stop()


def _look_at_redis(settings: config.Settings, *, is_own: bool) -> None:
    with connect(settings.redis_url) as redis:
        check(redis, is_production=settings.is_production)
        # our own server is as we started it: of it only what endangers runs is worth a line
        lines = examine(redis, is_production=is_own or settings.is_production)
    if is_own:
        print("Redis: a private server on a unix socket, for this machine only; a fleet sets REDIS_URL")
    for line in lines:
        if line.verdict is Verdict.BAD or (line.verdict is Verdict.WARNING and not is_own):
            print(f"Redis: {line.text}")


class _RedisKeeper:
    """A chore: the embedded server is as much part of the crew as the others."""

    def __init__(self, crew: Crew, redis: _OwnRedis) -> None:
        self._crew = crew
        self._redis = redis

    def __call__(self) -> None:
        if self._redis.keep_running():
            self._crew.say("the embedded Redis had ended; it runs again, with its data")


class _Greeting:
    """A chore: say where the dashboard is, once it answers."""

    def __init__(self, crew: Crew, settings: config.Settings) -> None:
        self._crew = crew
        self._settings = settings
        self._is_said = False

    def __call__(self) -> None:
        if self._is_said or not _answers(self._settings.host, self._settings.port):
            return
        self._is_said = True
        for line in (" ", *self._lines(), " "):
            self._crew.say(line)

    def _lines(self) -> list[str]:
        lines = [f"  Baton is running:      {address(self._settings)}"]
        if self._settings.admin_password:
            lines.append("  Sign in as admin with the password in BATON_ADMIN_PASSWORD.")
        elif self._settings.log_format == process_log.JSON:
            # whoever collects these lines must not be able to sign in
            lines.append("  Sign in once with:     the link that `baton signin` prints")
        elif link := first_link(self._settings):
            lines.append(f"  Sign in once with:     {link}")
        return [*lines, "  Add a second worker:   make worker", "  Stop everything:       Ctrl-C"]


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((reachable(host), port), timeout=0.5).close()
    except OSError:
        return False
    return True
