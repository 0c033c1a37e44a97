"""The file that `baton import --output` writes: declared jobs, each under what people should know of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from baton.declarations import FROM_FILE, STOPPED
from baton.errors import InputError
from baton.foreign import ForeignJob, Reading

from . import import_plan
from .import_plan import Wish
from .import_shown import remarks, show_left
from .remarks import printable

_HEAD = """\
# Jobs from {source}. Look through them, then: baton plan --file {path}, baton apply --file {path}
# `stopped: true` leaves a new job to be started by a person.
jobs:
"""
_LINE_ENDS = frozenset("\r\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Scripts and other texts of several lines stay readable."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if _LINE_ENDS & set(text):
        style = '"'  # readers take them for ends of lines, and fold them
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def save(reading: Reading, path: Path, wish: Wish) -> bool:
    """Write it, and say what is left out; False if something could not be read."""
    found, left = import_plan.declare(reading, wish, FROM_FILE)
    good = [job for job, _ in found]
    there = {job.key for job in good}
    text = _HEAD.format(source=wish.source, path=path) + "".join(_entry(job, wish, there) for job in good)
    try:
        with path.open("w" if wish.overwrites else "x", encoding="utf-8") as file:
            file.write(text if good else text.replace("jobs:", "jobs: {}"))
    except FileExistsError:
        raise InputError(
            f"{path} is there already: name another file, or overwrite it with --force"
        ) from None
    except OSError as problem:
        raise InputError(f"{path} cannot be written: {problem.strerror}") from None
    for each in left:
        show_left(each)
    print(f"{path}: {len(good)} jobs")
    return not any(each.is_problem for each in left)


def _entry(job: ForeignJob, wish: Wish, there: Collection[str]) -> str:
    group = {"group": wish.group} if wish.group else {}
    said = {**group, **import_plan.said_of(job, wish, there)}
    if not (wish.starts and job.is_active) or job.hindrance:
        said[STOPPED] = True
    entry = {wish.name_of(job.key): said}
    text = yaml.dump(entry, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return "\n" + "".join(
        f"  {line}\n" if line else "\n" for line in (*_comments(job), *text.split("\n")[:-1])
    )


def _comments(job: ForeignJob) -> Iterator[str]:
    for remark in (f"{job.place}: {job.expression}", *remarks(job)):
        yield "# " + " ".join(printable(remark).split())
