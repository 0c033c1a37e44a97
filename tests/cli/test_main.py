"""`baton <command>`: what it says and how it exits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cli.__main__ import COMMANDS
from tests.processes import ROOT

ENVIRON = {
    "PATH": os.environ["PATH"],
    "REDIS_URL": "redis://localhost:1/0",
    "DATABASE_URL": "sqlite:////nonexistent/baton.db",
    "BATON_ACCESS_TOKEN": "0123456789abcdef0123456789abcdef",
    "BATON_STATE_DIR": "/nonexistent",
}


def baton(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT, env={**ENVIRON, **environ}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_every_command(arguments):
    said = baton(*arguments)

    assert said.returncode == 0
    for name, meaning in COMMANDS.items():
        assert f"{name}" in said.stdout
        assert meaning in said.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    said = baton(name, "--help")

    assert said.returncode == 0, said.stderr
    assert f"usage: baton {name}" in said.stdout


def test_a_command_that_does_not_exist_names_those_that_do():
    said = baton("rum")

    assert said.returncode == 2
    assert "'run'" in said.stderr


def test_version():
    import baton as package

    assert baton("version").stdout == f"baton {package.__version__}\n"


def test_help_is_quick_because_commands_are_imported_when_called():
    script = "import sys; from cli.__main__ import main; main(['--help']); print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()

    assert not {"sqlalchemy", "flask", "redis", "alembic"} & set(loaded)
