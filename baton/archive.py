"""Run logs that outlive the disk they were written on: an object store behind any fsspec URL.

    <url>/<group>/<yyyy-MM-dd of the trigger time, UTC>/<log id>/<token>.log

An object holds what one executor wrote for one lease; a run that was begun twice may have two. The
newest comes last; one that only repeats the beginning of a newer one (the same file, continued) is
left out. fsspec is an extra: who sets no URL does not need it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .errors import SettingsError

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

_SAME_BEGINNING_BYTES = 256
_EXTRA = "pip install 'baton[archive]'"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log of one run is."""

    app_name: str
    log_date_time: int
    log_id: int

    @property
    def folder(self) -> str:
        """Below the archive's URL."""
        day = time.strftime("%Y-%m-%d", time.gmtime(self.log_date_time / 1000))
        # a group may be called `..`, and must not lead out of the archive
        group = self.app_name if self.app_name.strip(".") else self.app_name.replace(".", "%2E")
        return f"{group}/{day}/{int(self.log_id)}"


class Archive:
    """An object store for run logs. Its errors are those of fsspec: any `Exception`."""

    def __init__(self, files: AbstractFileSystem, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")

    @classmethod
    def at(cls, url: str) -> Self:
        """The archive at a URL; raises `SettingsError` when what it needs is not installed."""
        try:
            import fsspec
        except ImportError:
            raise SettingsError(
                f"BATON_LOG_ARCHIVE_URL is set, and fsspec is not installed: {_EXTRA}"
            ) from None
        try:
            options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
            files, root = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError) as problem:
            scheme = url.partition(":")[0]
            raise SettingsError(
                f"BATON_LOG_ARCHIVE_URL is {scheme}:…, which cannot be used: {problem}"
            ) from None
        return cls(files, root)

    def try_out(self) -> None:
        """Store a few bytes, read them, and remove them if that is allowed; raises what the store raises."""
        place, said = f"{self._root}/check-{os.urandom(8).hex()}", b"baton"
        self._files.makedirs(self._root, exist_ok=True)
        self._files.pipe_file(place, said)
        try:
            read = self._files.cat_file(place)
        finally:
            with contextlib.suppress(Exception):  # who may only add can still be an archive
                self._files.rm_file(place)
        if read != said:
            raise OSError(f"it gave back {len(read)} bytes, which are not the {len(said)} it was given")

    def put(self, logs: Sequence[tuple[Path, Place, int]]) -> None:
        """Store these files, each as (file, place, token); several at a time where the store can."""
        local, remote = [], []
        for path, place, token in logs:
            folder = f"{self._root}/{place.folder}"
            self._files.makedirs(folder, exist_ok=True)
            local.append(str(path))
            remote.append(f"{folder}/{int(token)}.log")
        if local:
            self._files.put(local, remote)

    def find(self, place: Place) -> ArchivedLog | None:
        """The log of a run; None if there is none."""
        try:
            listed = self._files.ls(f"{self._root}/{place.folder}", detail=True)
        except FileNotFoundError:
            return None
        parts = [
            _Part(each["name"], each["size"] or 0, int(token))
            for each in listed
            if (token := each["name"].rpartition("/")[2].removesuffix(".log")).isdigit()
        ]
        parts.sort(key=lambda part: part.token)
        return ArchivedLog(self._files, tuple(self._without_repeated(parts))) if parts else None

    def _without_repeated(self, parts: list[_Part]) -> list[_Part]:
        beginnings = [self._files.cat_file(part.name, 0, _SAME_BEGINNING_BYTES) for part in parts]
        return [
            part
            for n, part in enumerate(parts)
            if not any(newer.startswith(beginnings[n]) for newer in beginnings[n + 1 :])
        ]


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    size: int
    token: int


class ArchivedLog:
    """The objects of one run, read as one log."""

    def __init__(self, files: AbstractFileSystem, parts: tuple[_Part, ...]) -> None:
        self._files = files
        self._parts = parts
        self._begins = [0, *accumulate(part.size for part in parts)]

    @property
    def size(self) -> int:
        """In bytes."""
        return self._begins[-1]

    def read_at(self, byte: int, length: int) -> bytes:
        """What is there, shorter at the end."""
        read = b""
        for part, begin in zip(self._parts, self._begins, strict=False):
            first, last = max(byte, begin), min(byte + length, begin + part.size)
            if first < last:
                read += self._files.cat_file(part.name, first - begin, last - begin)
        return read
