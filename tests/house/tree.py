"""What the house rules look at: the project's files and what its modules import."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROCESSES = ("scheduler", "worker", "callbacks", "background", "dashboard")
CODE = ("baton", *PROCESSES, "cli", "handlers")
ENTRY_FILES = ("app.py", "config.py", "gunicorn.conf.py")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file of the project: what git tracks, or all files where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        hidden = (".git", ".venv", ".baton", "__pycache__")
        paths = [p for p in ROOT.rglob("*") if p.is_file() and not set(p.parts) & set(hidden)]
    return tuple(path for path in paths if path.is_file())


def python_files(*folders: str) -> list[Path]:
    """The Python files under these top-level folders (default: all code that runs)."""
    return sorted(path for folder in folders or CODE for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    """`baton/broker/keys.py` -> `baton.broker.keys`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """(absolute module name, whether it was written relatively) for each import, wherever it stands."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, False
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}", bool(node.level)


def strings_in(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every string that is not a docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value
