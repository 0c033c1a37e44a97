"""The project speaks of itself only: no path of one machine, no address to download from."""

from __future__ import annotations

import re

from .tree import ROOT, tracked_files

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home/\w|root/|Users/\w|work/|opt/\w|tmp/\w+/v/)")
ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+)")
HOSTS = {
    "localhost", "127.0.0.1", "0.0.0.0",
    "host",
    "www.w3.org",  # the name space of SVG
    "keepachangelog.com", "semver.org",
}  # fmt: skip
RESERVED = (".example", ".test", ".invalid", "example.com", "example.org", "example.net")
"""Names nobody can own; tests use them for strangers."""


def texts():
    for path in tracked_files():
        try:
            yield path.relative_to(ROOT), path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_path_of_one_machine():
    found = [f"{path}: {match[0]}" for path, text in texts() for match in MACHINE_PATH.finditer(text)]

    assert found == []


def test_no_file_names_an_address_to_download_from():
    found = [
        f"{path}: {match[0]}"
        for path, text in texts()
        for match in ADDRESS.finditer(text)
        if match[1] not in HOSTS and not match[1].endswith(RESERVED)
    ]
    assert found == []


def test_nothing_that_was_made_is_tracked():
    made = [path for path, _ in texts() if path.suffix in (".pyc", ".db") or ".baton" in path.parts]

    assert made == []
