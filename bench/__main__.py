"""`python -m bench [name …]`: run the benchmarks, print a table, write `results.json` beside this file."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

from . import coroutines, latency, noticing, planning, retention, schedulers, whole_path

FIGURES = {
    "latency": latency.measure,
    "coroutines": coroutines.measure,
    "noticing": noticing.measure,
    "whole-path": whole_path.measure,
    "planning": planning.measure,
    "schedulers": schedulers.measure,
    "retention": retention.measure,
}
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> int:
    """Every figure, or those named."""
    unknown = set(names) - FIGURES.keys()
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    results: dict[str, object] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    }
    for name in names or FIGURES:
        print(f"{name} …", flush=True)
        for figure, value in FIGURES[name]().items():
            results[figure] = value
            print(f"  {figure:32} {value:>12,}", flush=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(f"written to {RESULTS.relative_to(Path.cwd())}" if RESULTS.is_relative_to(Path.cwd()) else RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
