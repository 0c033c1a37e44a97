"""The state folder: what an installation on one machine keeps between two runs.

`baton run` makes it, owner-only, with two secrets, the SQLite file and the Redis data. The other
commands find there what the environment does not say, so that they speak to the same
installation without any setting. The environment always outranks the folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import config
from baton.errors import InputError

HOME = Path(__file__).resolve().parent.parent
"""The project: where the Procfile stands, and where relative paths begin."""

_FILES = {
    "BATON_ACCESS_TOKEN": "access_token",
    "BATON_SECRET_KEY": "secret_key",
    "REDIS_URL": "redis_url",
}


def folder(environ: Mapping[str, str]) -> Path:
    """Where the state folder is or will be."""
    return HOME / (environ.get("BATON_STATE_DIR") or ".baton")


def prepare(environ: Mapping[str, str]) -> Path:
    """Make the folder and its secrets where they are missing; answers the folder."""
    path = folder(environ)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        for name in ("access_token", "secret_key"):
            if not (path / name).exists():
                write(path / name, secrets.token_hex(32))
    except OSError as problem:
        raise InputError(
            f"the state folder {path} cannot be used ({problem.strerror}): mend its permissions, or set "
            "BATON_STATE_DIR to a folder of yours"
        ) from None
    return path


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with what the state folder adds to it, if there is one."""
    path = folder(environ)
    if not path.is_dir():
        return dict(environ)
    return {**_defaults(path), **{name: value for name, value in environ.items() if value}}


def remember_redis(path: Path, url: str | None) -> None:
    """Where the embedded Redis listens; None when it is gone."""
    if url is None:
        (path / "redis_url").unlink(missing_ok=True)
    else:
        write(path / "redis_url", url)


def write(path: Path, text: str) -> None:
    """A small file only its owner may read; another process sees all of it or nothing."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
    new.replace(path)


def _defaults(path: Path) -> dict[str, str]:
    found = {name: path / file for name, file in _FILES.items()}
    return {
        "BATON_ENV": config.DEVELOPMENT,
        "BATON_RELOAD": "yes",
        "BATON_STATE_DIR": str(path),
        "BATON_LOG_DIR": str(path / "logs"),
        "BATON_SPOOL_DIR": str(path / "spool"),
        "BATON_SECURE_COOKIES": "no",  # plain HTTP on this machine; a browser would drop the session
        "DATABASE_URL": f"sqlite:///{path / 'baton.db'}",
        **{name: file.read_text("utf-8").strip() for name, file in found.items() if file.is_file()},
    }
