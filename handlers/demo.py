"""The demo group: what a file of handlers looks like. Each does real work that every machine can do.

Copy this file, keep what you need, and write your own: a function with `@job("name")`. It may take
the context of its run. What it prints or logs goes to the log of the run; what it returns is kept
with the run; an exception is a failure with its traceback.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tarfile
import tempfile
import time
from pathlib import Path

from baton import JobContext, job


@job("report-disk")
def report_disk(ctx: JobContext) -> dict[str, int]:
    """How full the disk is, in percent and bytes."""
    usage = shutil.disk_usage(ctx.param or ".")
    percent = round(100 * usage.used / usage.total)
    ctx.log("{} of {} bytes are used: {} %", usage.used, usage.total, percent)
    return {"percent": percent, "free_bytes": usage.free}


@job("compress-folder")
def compress_folder(ctx: JobContext) -> dict[str, object]:
    """Pack a folder tree into a temporary archive and give its checksum; the parameter is the folder."""
    folder = Path(ctx.param or Path(__file__).parent)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "tree.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(folder, arcname=folder.name)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        ctx.log("{} is {} bytes packed, sha256 {}", folder.name, archive.stat().st_size, digest)
        return {"bytes": archive.stat().st_size, "sha256": digest}


@job("backup-sqlite")
def backup_sqlite(ctx: JobContext) -> str:
    """Back a SQLite file up while it is in use, and check the copy; the parameter is its path."""
    source_path = Path(ctx.param)
    if not ctx.param or not source_path.is_file():
        ctx.fail(f"there is no file {ctx.param!r}: give the path of a SQLite file as parameter")
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        copy_path = Path(scratch) / "copy.sqlite"
        source = sqlite3.connect(f"file:{source_path}?mode=ro", uri=True)
        copy = sqlite3.connect(copy_path)
        try:
            source.backup(copy)
            verdict = str(copy.execute("pragma integrity_check").fetchone()[0])
        finally:
            copy.close()
            source.close()
        ctx.log("copied {} bytes, integrity check: {}", copy_path.stat().st_size, verdict)
        if verdict != "ok":
            ctx.fail(f"the copy is damaged: {verdict}")
        return verdict


@job("count-slowly")
def count_slowly(ctx: JobContext) -> None:
    """Count one a second, so that there is a log and a bar to watch, and something to kill."""
    seconds = int(ctx.param or 20)
    for second in range(seconds):
        print(f"second {second + 1}")
        ctx.progress((second + 1) / seconds, f"second {second + 1} of {seconds}")
        time.sleep(1)


@job("fail-on-purpose")
def fail_on_purpose(ctx: JobContext) -> None:
    """Fail, to show a traceback."""
    raise RuntimeError(f"this handler fails on purpose, attempt {ctx.attempt}")


@job("take-too-long")
def take_too_long(ctx: JobContext) -> None:
    """Sleep past any reasonable limit, to show a time-out."""
    ctx.log("going to sleep for {} s; the deadline is {}", ctx.param or 60, ctx.deadline)
    time.sleep(float(ctx.param or 60))
