"""Crontab files: each entry becomes a job of the built-in handler `baton-command`.

An entry is a schedule, in a system file a user, and the rest of the line for `$SHELL -c`. Two things
are cron's own: an unescaped `%` ends the command and begins what it reads, further ones are line ends;
and lines of `NAME=value` are the environment of every entry below them, `CRON_TZ` also the zone of their
schedules. A block of comments right above an entry is taken to describe it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, ScheduleError
from ..schedule import Schedule, check
from ..vocabulary import ScheduleType
from . import ForeignJob, Keys, Left, NotTaken, Reading

HANDLER = "baton-command"

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = 5
_VARIABLE = re.compile(r"""\s*(?P<quote>["']?)(?P<name>[A-Za-z_]\w*)(?P=quote)\s*=(?P<value>.*)""", re.DOTALL)
_NOT_OF_COMMANDS = frozenset({"SHELL", "CRON_TZ", "MAILTO", "MAILFROM"})
"""Variables that cron keeps for itself."""
_HEADING = re.compile(r"m(in(ute)?)?\s+h(our)?\s+d", re.IGNORECASE)
_PERCENT = re.compile(r"(?<!\\)%")
_PLAIN = re.compile(r"[A-Za-z0-9_@+:,./-][A-Za-z0-9_@%+=:,./ \t-]*")
"""A command that a shell would only split into words."""
_OF_SHELLS = re.compile(
    r"\.|:|alias|bg|break|case|cd|command|continue|eval|exec|exit|export|fg|for|getopts|hash|if|jobs|read|readonly"
    r"|return|set|shift|source|times|trap|type|ulimit|umask|unalias|unset|until|wait|while|.*=.*"
)
"""First words that only a shell knows what to do with."""
_STDIN_PIPE = 'printf \'%s\\n\' "$1" | {shell} -c "$0"'
_NAME_CHARS = 60


@dataclass
class _Above:
    """What the lines so far mean for the next entry."""

    zone: str
    variables: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    def note_comment(self, line: str) -> None:
        """One line of a block; what was an entry once, and column headings, describe nothing."""
        text = line.lstrip("#").strip()
        if not _HEADING.match(text) and _expression_of(text) is None:
            self.comments.append(text)

    def note_variable(self, name: str, value: str) -> None:
        """For every entry below."""
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        self.variables[name] = value
        if name == "CRON_TZ":
            self.zone = value

    def take_comments(self) -> str:
        """The block right above, once."""
        text = "\n".join(self.comments).strip()
        self.comments.clear()
        return text


def read(text: str, *, has_users: bool, zone: str) -> Reading:
    """Read a crontab file. `zone` is where the machine's clock hangs: what counts without `CRON_TZ`.

    `has_users` says that it is a system file, in which a user stands before each command.
    """
    above, jobs, left = _Above(zone), list[ForeignJob](), list[Left]()
    keys = Keys()
    for number, line in enumerate(text.split("\n"), 1):
        place, entry = f"line {number}", line.lstrip(" \t").rstrip("\r")
        if not entry.strip():
            above.comments.clear()
        elif entry.startswith("#"):
            above.note_comment(entry)
        elif variable := _VARIABLE.fullmatch(line):
            above.note_variable(variable["name"], variable["value"].strip())
            above.comments.clear()
        else:
            try:
                jobs.append(_entry(place, entry, above, has_users, keys))
            except InputError as problem:
                left.append(Left.because(place, problem))
                above.comments.clear()
    return Reading(tuple(jobs), tuple(left))


def _entry(place: str, entry: str, above: _Above, has_users: bool, keys: Keys) -> ForeignJob:
    expression, user, command = _parts(entry, has_users)
    schedule = MACROS.get(expression.lower(), expression)
    check(Schedule(ScheduleType.CRON, schedule, above.zone))
    arguments = _arguments(command, above.variables)
    key = keys.of(_name(command))
    described = above.take_comments()
    said: dict[str, Any] = {
        "name": key,
        "handler": HANDLER,
        "param": arguments,
        "cron": schedule,
        "zone": above.zone,
    }
    if described:
        said["description"] = described
    return ForeignJob(
        key,
        place,
        expression,
        said,
        hindrance=_hindrance(schedule),
        notes=tuple(_notes(user, above.variables)),
    )


def _parts(entry: str, has_users: bool) -> tuple[str, str, str]:
    """Schedule, user and command."""
    if entry.lower().startswith("@reboot"):
        raise NotTaken("@reboot names no time; start it by the service manager of the machine, or by hand")
    if entry.startswith("@"):
        fields, macro = 1, entry.split(maxsplit=1)[0]
        if macro.lower() not in MACROS:
            raise InputError(f"{macro!r} is no schedule; there are: {', '.join(MACROS)}")
    else:
        fields = _FIELDS
        entry = entry.removeprefix("-")  # in some crons: do not write this one to the system log
    parts = entry.split(maxsplit=fields + has_users)
    if len(parts) != fields + has_users + 1:
        wanted = f"{'a user and ' if has_users else ''}a command"
        raise InputError(
            f"{entry[:60]!r} is no entry: it needs a schedule of {_FIELDS} fields, or @daily, and {wanted}"
        )
    user = parts[fields] if has_users else ""
    return " ".join(parts[:fields]), user, parts[-1]


def _expression_of(text: str) -> str | None:
    """The schedule at the beginning of a line, if there is one that counts."""
    expression = " ".join(text.split()[:_FIELDS])
    try:
        check(Schedule(ScheduleType.CRON, expression))
    except ScheduleError:
        return None
    return expression


def _arguments(command: str, variables: Mapping[str, str]) -> list[str]:
    """The argument list that does what cron would hand to a shell."""
    given, *read = _PERCENT.split(command)
    command = given.replace("\\%", "%").strip()
    if not command:
        raise InputError("there is no command before the '%': write \\% for a percent sign")
    if "\x00" in command:
        raise InputError("the command has a NUL character; remove it")
    shell = variables.get("SHELL") or "/bin/sh"
    if read:
        told = "\n".join(read).replace("\\%", "%").removesuffix("\n")
        called = ["/bin/sh", "-c", _STDIN_PIPE.format(shell=shell), command, told]
    elif _PLAIN.fullmatch(command) and not _OF_SHELLS.fullmatch(command.split(maxsplit=1)[0]):
        called = command.split()
    else:
        called = [shell, "-c", command]
    assigned = [f"{name}={value}" for name, value in variables.items() if name not in _NOT_OF_COMMANDS]
    return ["env", *assigned, *called] if assigned else called


def _name(command: str) -> str:
    """The program and a digest of the command: it stays when the schedule changes or lines move."""
    program = next((word for word in command.split() if "=" not in word), "command").rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "", program)[:_NAME_CHARS] or "command"
    return f"{plain}-{hashlib.sha256(command.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def _hindrance(expression: str) -> str:
    """Where cron and the standard dialect read the same fields in two ways."""
    day, weekday = expression.split()[2], expression.split()[4]
    if "*" not in {day, weekday} and (day.startswith("*") or weekday.startswith("*")):
        return (
            f"cron runs it on days that day {day!r} and weekday {weekday!r} both name, because one of them "
            "begins with *; here either of them is enough. Let the command look at one of them"
        )
    return ""


def _notes(user: str, variables: Mapping[str, str]) -> Iterator[str]:
    if user:
        yield f"cron runs it as {user}; here it runs as the user of the executor"
    if variables.get("MAILTO"):
        mail = variables["MAILTO"]
        yield f"cron mails what it says to {mail}; here that is in the run's log, and alarms go to channels"
    if "TZ" in variables:
        yield f"TZ={variables['TZ']} is for the command only, as in cron; CRON_TZ is for the schedule"
