"""Script jobs: the source travels in the message, lies in a file, and runs as a subprocess.

A script runs inside a warm child, like a function: its process belongs to the child's process group, so
that whatever ends the run ends the script with all it started. The file is
`<log dir>/gluesource/<job id>_<update time><extension>`; it is written once for each version of the source.
The script gets XXL-JOB's arguments: param, shard index, shard total. Its exit code decides.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baton.context import JobContext
from baton.vocabulary import GlueType

from . import program
from .outcome import how_it_ended

FOLDER = "gluesource"
_KEPT_S = 3600.0
"""An older version of a source may be about to be started by another child."""
_UNUSED_KEPT_S = 30 * 86_400.0
"""A job that was deleted, or runs elsewhere now, leaves its source here, and secrets that are in it."""


@dataclass(frozen=True, slots=True)
class Language:
    """What runs one kind of script."""

    programs: tuple[str, ...]
    """Any of these, the first that is there."""
    extension: str


LANGUAGES: dict[str, Language] = {
    GlueType.GLUE_SHELL: Language(("bash", "sh"), ".sh"),
    GlueType.GLUE_PYTHON: Language(("python3", "python"), ".py"),
    GlueType.GLUE_NODEJS: Language(("node", "nodejs"), ".js"),
    GlueType.GLUE_PHP: Language(("php",), ".php"),
    GlueType.GLUE_POWERSHELL: Language(("pwsh", "powershell"), ".ps1"),
}
"""XXL-JOB's kinds of scripts, but for Groovy."""


def interpreters(allowed: Collection[str]) -> dict[str, str]:
    """Glue type -> program, of what is allowed and installed here."""
    found = {}
    for glue_type, language in LANGUAGES.items():
        if glue_type in allowed:
            programs = (path for name in language.programs if (path := shutil.which(name)))
            # without one on PATH, the Python that runs this can run a script as well
            path = next(programs, sys.executable if glue_type == GlueType.GLUE_PYTHON else None)
            if path is not None:
                found[str(glue_type)] = path
    return found


def refusal(glue_type: str, allowed: Collection[str], found: Mapping[str, str], executor_id: str) -> str:
    """Why an executor does not run such scripts; empty if it does."""
    if glue_type == GlueType.GLUE_GROOVY:
        return f"glueType[{glue_type}] is not valid. Groovy runs on Java executors; this one runs Python."
    if glue_type not in LANGUAGES:
        return f"glueType[{glue_type}] is not valid."
    if glue_type not in allowed:
        return (
            f"glueType[{glue_type}] is not valid. This executor may not run such scripts: allow them with "
            f"BATON_SCRIPTS where it is started."
        )
    if glue_type not in found:
        names = " or ".join(LANGUAGES[glue_type].programs)
        return (
            f"glueType[{glue_type}] needs {names}, which is not installed where executor {executor_id} runs."
        )
    return ""


def run(context: JobContext, trigger: Mapping[str, Any], interpreter: str, folder: Path) -> None:
    """Run the script of this message to its end; raises `program.Terminated`."""
    if "\0" in context.param:
        context.fail("the parameter has a NUL character, which no program can be given")
        return
    try:
        path = _file_of(trigger, folder)
    except OSError as problem:
        context.fail(f"the script cannot be written into {folder}: {problem.strerror or problem}")
        return
    context.log("script file: {}", path)
    shard = context.shard
    try:
        code = program.run([interpreter, str(path), context.param, str(shard.index), str(shard.total)])
    except program.CannotStart as problem:
        context.fail(str(problem))
        return
    if code:
        program.failed(context, code, f"script exit value({code}) is failed: it {how_it_ended(code)}")


def _file_of(trigger: Mapping[str, Any], folder: Path) -> Path:
    """The file with this source; written whole, or not at all."""
    extension = LANGUAGES[trigger["glue_type"]].extension
    job_id, version = int(trigger["job_id"]), int(trigger["glue_updatetime"])
    path = folder / f"{job_id}_{version}{extension}"
    source = trigger["glue_source"].replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    if _holds(path, source):
        os.utime(path)
        return path
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # a name of its own, for this process only: executors of other machines may share the folder
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"{job_id}_{version}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(source)
    Path(name).replace(path)
    _remove_unused(folder, f"{job_id}_", keep=path)
    return path


def _holds(path: Path, source: bytes) -> bool:
    """Whether the file is there with just this source; a name says nothing about what is inside."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        return file.read(len(source) + 1) == source


def _remove_unused(folder: Path, prefix: str, *, keep: Path) -> None:
    now_s = time.time()
    for path in folder.iterdir():
        kept_s = _KEPT_S if path.name.startswith(prefix) else _UNUSED_KEPT_S
        with contextlib.suppress(OSError):
            if path != keep and path.lstat().st_mtime < now_s - kept_s:
                path.unlink()
