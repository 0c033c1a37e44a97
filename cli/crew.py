"""The processes of one machine: started together, restarted when they die, stopped in good order.

honcho brings the grammar of the Procfile and the coloured lines. Its own manager is not used: it
stops everything when one process ends, allows five seconds for a drain, and leaves orphans when it
is killed. Here a process that dies is started again, after a wait that doubles while it keeps
dying, because Baton is made to survive that and a person should be able to watch it do so.

Stopping goes stage by stage along the journey of a run, each stage after the one before is gone:
first who makes runs, then who runs them, then who writes down how they ended.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO

from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

from baton import process_log
from baton.leash import leashed

STAGES: tuple[tuple[str, ...], ...] = (("web", "scheduler"), ("worker",), ("callbacks", "background"))
"""Who is stopped first. A process the Procfile names beyond these belongs to the first stage."""

OWN_NAME = "baton"

_TICK_S = 0.2
_LINES_AT_A_TIME = 500
_FIRST_RESTART_S = 1.0
_LONGEST_RESTART_S = 30.0
_STEADY_AFTER_S = 30.0
"""A process that lived this long starts again without memory of earlier deaths."""


@dataclass(slots=True)
class _Member:
    """One line of the Procfile and the process that runs it now."""

    name: str
    command: str
    stage: int
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    restart_at_s: float = 0.0
    wait_s: float = _FIRST_RESTART_S

    def living(self) -> list[subprocess.Popen[bytes]]:
        return [self.process] if self.process and self.process.poll() is None else []


class Crew:
    """Starts, watches and stops the processes of a Procfile."""

    def __init__(
        self,
        commands: Mapping[str, str],
        *,
        environ: Mapping[str, str],
        home: Path,
        stop_within_s: float,
        log_format: str = process_log.TEXT,
    ) -> None:
        self._members = [_Member(name, command, _stage_of(name)) for name, command in commands.items()]
        self._environ = dict(environ)
        self._home = home
        self._stop_within_s = stop_within_s
        self._voice = _Voice([*commands, OWN_NAME], log_format)
        self._stops_asked = 0
        self._chores: list[Callable[[], None]] = []
        self._fatal: int | None = None

    def say(self, text: str) -> None:
        """Print a line of our own between those of the processes."""
        self._voice.say(text)

    def every_tick(self, chore: Callable[[], None]) -> None:
        """Call `chore` several times a second, in the main thread, while the crew runs."""
        self._chores.append(chore)

    def run(self, fatal_codes: Sequence[int] = ()) -> int:
        """Start everyone, keep them running until SIGINT, SIGTERM or SIGHUP, stop them.

        Answers 0, or the exit code of a process that ended with one of `fatal_codes`: those say
        that starting it again cannot help.
        """
        with self._signals():
            for member in self._members:
                self._start(member)
            while not self._stops_asked and self._fatal is None:
                self._voice.speak(_TICK_S)
                self._look_after(fatal_codes)
                for chore in self._chores:
                    chore()
            self._stop()
        self._voice.speak(0)
        return self._fatal or 0

    def _start(self, member: _Member) -> None:
        # `exec`: the shell that reads the Procfile line becomes the process, so signals reach it
        command = leashed(["/bin/sh", "-c", f"exec {member.command}"])
        member.process = subprocess.Popen(
            command,
            cwd=self._home,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us; we stop the others in order
        )
        member.started_s = time.monotonic()
        member.restart_at_s = 0.0
        self._voice.listen(member.name, member.process.stdout)

    def _look_after(self, fatal_codes: Sequence[int]) -> None:
        now_s = time.monotonic()
        for member in self._members:
            if member.process is None:
                if now_s >= member.restart_at_s:
                    self._start(member)
            elif (code := member.process.poll()) is not None:
                self._mourn(member, code, now_s, fatal_codes)

    def _mourn(self, member: _Member, code: int, now_s: float, fatal_codes: Sequence[int]) -> None:
        member.process = None
        if code in fatal_codes:
            self._fatal = code
            self.say(f"{member.name} cannot work (exit code {code}); everything stops")
            return
        if now_s - member.started_s >= _STEADY_AFTER_S:
            member.wait_s = _FIRST_RESTART_S
        member.restart_at_s = now_s + member.wait_s
        self.say(f"{member.name} ended ({_how(code)}); it starts again in {member.wait_s:.0f} s")
        member.wait_s = min(member.wait_s * 2, _LONGEST_RESTART_S)

    def _stop(self) -> None:
        self.say("stopping; Ctrl-C again to hurry")
        for stage in range(len(STAGES)):
            members = [member for member in self._members if member.stage == stage]
            for member in members:
                for process in member.living():
                    process.terminate()
            self._wait_until_gone(members)
            for member in members:
                for process in member.living():
                    self.say(f"{member.name} (process {process.pid}) is killed")
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def _wait_until_gone(self, members: Sequence[_Member]) -> None:
        deadline = time.monotonic() + self._stop_within_s
        while any(member.living() for member in members):
            if self._stops_asked > 1 or time.monotonic() > deadline:
                return
            self._voice.speak(_TICK_S / 4)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def asked(_number: int, _frame: FrameType | None) -> None:
            self._stops_asked += 1

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, asked) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Voice:
    """Prints the lines of all processes from one thread: for people each with its name, else as they are."""

    def __init__(self, names: Sequence[str], log_format: str) -> None:
        self._is_json = log_format == process_log.JSON
        self._printer = Printer(sys.stdout, width=max(map(len, names)))
        self._colours = dict(zip(names, get_colours(), strict=False))
        self._lines: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def listen(self, name: str, stream: IO[bytes] | None) -> None:
        """Print what comes from `stream` until it ends."""

        def read() -> None:
            for line in stream or ():
                self._lines.put((name, line))

        threading.Thread(target=read, name=f"lines of {name}", daemon=True).start()

    def say(self, text: str) -> None:
        """Print a line of our own after those that wait."""
        if self._is_json and text.isspace():
            return  # air between lines
        if self._is_json:
            pid, now_s = os.getpid(), time.time()
            name = process_log.process_name()
            line = process_log.Line(now_s, "INFO", "crew.said", OWN_NAME, name, pid, message=text.strip())
            text = process_log.written(line, process_log.JSON)
        self._lines.put((OWN_NAME, text.encode()))

    def speak(self, wait_s: float) -> None:
        """Print what comes within `wait_s`; a flood of lines keeps nobody longer than that."""
        deadline = time.monotonic() + wait_s
        for _ in range(_LINES_AT_A_TIME):
            try:
                name, line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            with contextlib.suppress(BrokenPipeError):
                self._print(name, line)

    def _print(self, name: str, line: bytes) -> None:
        if self._is_json:
            print(line.decode("utf-8", "replace").rstrip("\n"), flush=True)
        else:
            when = datetime.now()  # noqa: DTZ005 - for the person at this terminal
            self._printer.write(Message("line", line, when, name, self._colours[name]))


def commands_of(procfile: Path) -> dict[str, str]:
    """Name and command of each process that keeps running: all lines but `release`."""
    lines: dict[str, str] = parse_procfile(procfile.read_text("utf-8")).processes
    return {name: command for name, command in lines.items() if name != "release"}


def _stage_of(name: str) -> int:
    return next((number for number, names in enumerate(STAGES) if name in names), 0)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
