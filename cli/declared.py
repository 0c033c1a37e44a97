"""What `baton plan` and `baton apply` share: reading declarations, and showing what differs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Connection

import config
from baton import declarations, loading
from baton.declarations import FROM_CODE, FROM_FILE, Change, Declaration, Difference
from baton.errors import InputError
from baton.script_source import SOURCE_LIMIT_BYTES
from baton.store import declared

from .parsing import Parser, add_json

DEFAULT_FILE = "jobs.yaml"
_SIGNS = {Change.NEW: "+", Change.CHANGED: "~", Change.EDITED: "!", Change.UNCHANGED: " ", Change.GONE: "-"}


def add_arguments(parser: Parser) -> None:
    """Where declarations come from, and how they are shown."""
    parser.add_argument(
        "--file", metavar="PATH", help=f"a file of jobs (default: {DEFAULT_FILE}, if it is there)"
    )
    parser.add_argument("--no-code", action="store_true", help="leave out what @job declares")
    add_json(parser)


def differences(
    connection: Connection, arguments: argparse.Namespace, settings: config.Settings
) -> list[Difference]:
    """Every declaration against its job."""
    found: list[Declaration] = []
    sources: list[str] = []
    path = Path(arguments.file or DEFAULT_FILE)
    if arguments.file or path.exists():
        found += _read(str(path), FROM_FILE, _jobs_in(path), settings)
        sources.append(f"{FROM_FILE}:")
    if not arguments.no_code:
        found += _read("@job", FROM_CODE, _jobs_in_code(settings), settings)
        sources.append(f"{FROM_CODE}:{settings.groups[0]}/")
    found = declared.with_children(connection, declared.with_channels(connection, found))
    return declarations.compare(found, declared.all_declared(connection), sources)


def _read(place: str, source: str, jobs: dict[str, Any], settings: config.Settings) -> list[Declaration]:
    try:
        return declarations.read_all(source, jobs, settings.groups[0])
    except InputError as problem:
        raise InputError(*(f"{place}: {each}" for each in problem.problems)) from None


def show(found: Sequence[Difference], *, as_json: bool) -> None:
    """Print them, as lines for people or as JSON."""
    if as_json:
        print(json.dumps([to_map(each) for each in found], ensure_ascii=False, indent=2))
        return
    for each in found:
        if each.change is not Change.UNCHANGED:
            show_one(each)
    counts = {change: sum(each.change is change for each in found) for change in Change}
    print(
        ", ".join(f"{count} {change}" for change, count in counts.items() if count) or "nothing is declared"
    )


def show_one(each: Difference) -> None:
    """Print one, as lines for people."""
    print(f"{_SIGNS[each.change]} {each.key}: {_WORDS.get(each.change, each.change)}")
    for field in each.fields:
        who = "  (edited by an operator)" if field.is_edit and each.change is not Change.NEW else ""
        before = "" if each.change is Change.NEW else f"{field.stored!r} → "
        print(f"    {field.field}: {before}{field.declared!r}{who}")
    if each.change is Change.NEW and each.declaration and each.declaration.children:
        print(f"    children: {', '.join(each.declaration.children)}")
    for name in each.dropped:
        print(f"    {name}: not declared any more; it stays as it is")


_WORDS = {
    Change.NEW: "new",
    Change.CHANGED: "changed",
    Change.EDITED: "differs from its declaration; an operator edited it, so it stays (--force overwrites)",
    Change.GONE: "not declared any more (--prune stops it)",
}


class _OnceEach(yaml.SafeLoader):
    """YAML lets a later key silently replace an earlier one of the same name; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # refused in a moment: a name is text
            if key.value in seen:
                problem = f"{key.value!r} stands here twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _jobs_in(path: Path) -> dict[str, Any]:
    try:
        # a loader of safe_load's kind: it makes plain values and nothing else
        raw = yaml.load(path.read_text("utf-8"), Loader=_OnceEach)  # noqa: S506
    except OSError as problem:
        raise InputError(f"{path} cannot be read: {problem.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise InputError(f"{path} is not YAML: {problem}") from None
    jobs = raw.get("jobs") if isinstance(raw, dict) else None
    if not isinstance(jobs, dict) or set(raw) != {"jobs"}:
        raise InputError(f"{path} must have one key, jobs:, with a job under each name below it")
    return {str(name): _with_script(path.parent, str(name), said) for name, said in jobs.items()}


def _with_script(folder: Path, name: str, said: Any) -> Any:
    """The same, with the content of its `script_file` as its `glue_source`."""
    if not isinstance(said, dict) or "script_file" not in said:
        return said
    if "glue_source" in said:
        raise InputError(f"job {name!r}: it has glue_source and script_file; give one of them")
    rest = {field: value for field, value in said.items() if field != "script_file"}
    return {**rest, "glue_source": _script(folder, name, str(said["script_file"]))}


def _script(folder: Path, name: str, file: str) -> str:
    try:
        path = (folder / file).resolve(strict=True)
        # what it leads to goes into the database: a file of jobs must not fetch others of this machine
        if not path.is_relative_to(folder.resolve()):
            raise InputError(f"job {name!r}: {file!r} is outside the folder of the jobs; put it beside them")
        with path.open("rb") as script:
            content = script.read(SOURCE_LIMIT_BYTES + 1)
        # one that is too large is refused for that, wherever it was cut
        return content.decode("utf-8", "replace" if len(content) > SOURCE_LIMIT_BYTES else "strict")
    except (OSError, ValueError) as problem:
        raise InputError(f"job {name!r}: {file!r} cannot be read: {problem}") from None


def _jobs_in_code(settings: config.Settings) -> dict[str, Any]:
    names = [name.strip() for name in settings.handlers.split(",") if name.strip()]
    return {
        name: handler.declared for name, handler in loading.load(names).or_raise().items() if handler.declared
    }


def to_map(each: Difference) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "change": each.change,
        "key": each.key,
        "job_id": each.job_id,
        "fields": [
            {
                "field": field.field,
                "stored": field.stored,
                "declared": field.declared,
                "edited": field.is_edit,
            }
            for field in each.fields
        ],
        "dropped": each.dropped,
    }
