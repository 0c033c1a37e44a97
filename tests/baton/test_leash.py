"""A leashed program ends when its starter ends, on systems with and without a signal for that."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from baton.leash import leashed
from tests.processes import ROOT, is_alive
from tests.waiting import until

STARTER = """
import subprocess, sys, time
from baton import leash
program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
command = leash.leashed([sys.executable, "-c", program])
if sys.argv[1] == "watching":
    command[1:4] = ["-c", "import os, sys; os.uname = lambda: type('U', (), {'sysname': 'Other'}); "
        "from baton.leash import _main; sys.exit(_main(sys.argv[1:]))"]
subprocess.Popen(command)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["told", "watching"])
def test_it_ends_with_its_starter(how):
    starter = subprocess.Popen([sys.executable, "-c", STARTER, how], stdout=subprocess.PIPE, cwd=ROOT)
    with starter:
        program = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
        starter.wait()

    until(lambda: not is_alive(program), 10, "the program to follow")


def test_the_program_keeps_its_process_id_its_arguments_and_its_exit_code():
    process = subprocess.Popen(
        leashed(
            [sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1]); sys.exit(7)", "a b"]
        ),
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate()

    assert output.split(maxsplit=1) == [str(process.pid), "a b\n"]
    assert process.returncode == 7


def test_it_does_not_start_for_a_starter_that_is_gone():
    command = leashed([sys.executable, "-c", "print('started')"])
    command[4] = "1"  # as if its parent had died and somebody else had taken it over

    gone = subprocess.run(command, capture_output=True, text=True)

    assert (gone.returncode, gone.stdout) == (1, "")
