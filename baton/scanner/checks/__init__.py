"""Every invariant that is looked at: a file for each kind of thing, a function for each invariant."""

from __future__ import annotations

from . import executors, jobs, keys, lanes, leases, messages, results, runs

CHECKS = (
    *runs.CHECKS,
    *lanes.CHECKS,
    *leases.CHECKS,
    *messages.CHECKS,
    *results.CHECKS,
    *executors.CHECKS,
    *jobs.CHECKS,
    *keys.CHECKS,
)
BY_NAME = {check.name: check for check in CHECKS}
