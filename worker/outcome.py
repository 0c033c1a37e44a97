"""How a run ended, as a value, from the child that ran it to the callback that reports it."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from baton.endings import RESULT_LOST, outcome_of
from baton.messages import HandleCallbackParam, cut_message
from baton.vocabulary import HANDLE_CODE_OF, HandleCode, Outcome

TIMEOUT_MESSAGE = "job execute timeout"
KILLED_RUNNING = " [job running, killed]"
KILLED_IN_QUEUE = " [job not executed, in the job queue, killed.]"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The ending of one run inside the executor."""

    outcome: Outcome
    handle_msg: str
    started_ms: int = 0
    ended_ms: int = 0
    result: str = ""
    output: bytes = b""
    """What the processes of a run that was cut off wrote last; for its log."""


def of_code(code: int, message: str, started_ms: int, ended_ms: int, result: str) -> RunOutcome:
    """The outcome for a handle code; a code of 0 or less means the result is lost (seed row R6)."""
    if code <= 0:
        return RunOutcome(Outcome.FAILED, RESULT_LOST, started_ms, ended_ms)
    return RunOutcome(outcome_of(code), message, started_ms, ended_ms, result)


def last_line(ended: RunOutcome) -> str:
    """How the log of a run ends (seed row R4)."""
    return f"job execute end(finish), {ended.outcome}: {ended.handle_msg}".rstrip(": ")


def callback(
    ended: RunOutcome, *, app_name: str, log_id: int, log_date_time: int, executor_id: str, attempt: int,
    token: int, trace_parent: str = "",
) -> HandleCallbackParam:  # fmt: skip
    """The message that reports this ending."""
    return HandleCallbackParam(
        app_name=app_name,
        log_id=log_id,
        log_date_time=log_date_time,
        handle_code=int(HANDLE_CODE_OF[ended.outcome]) or int(HandleCode.FAIL),
        handle_msg=cut_message(ended.handle_msg),
        outcome=ended.outcome.value,
        executor_address=executor_id,
        started_ms=ended.started_ms,
        ended_ms=ended.ended_ms,
        attempt=attempt,
        token=token,
        result=ended.result,
        trace_parent=trace_parent,
    )


def ended_softly(asked_s: float, killed: int) -> str:
    """What ending a run needed: SIGTERM was enough, and what it left was killed."""
    took_s = time.monotonic() - asked_s
    others = killed - 1
    left = f", SIGKILL to {others} process{'es' if others > 1 else ''} it had started" if others > 0 else ""
    return f"it ended {took_s:.1f} s after SIGTERM{left}"


def ended_by_force(grace_s: float, killed: int) -> str:
    """What ending a run needed: it did not obey."""
    return f"it ignored SIGTERM for {grace_s:g} s, SIGKILL to {killed} process{'es' if killed > 1 else ''}"


def wall_ms(began_s: float) -> int:
    """When a run began that its child cannot speak for any more."""
    return round((time.time() - (time.monotonic() - began_s)) * 1000)


def how_it_ended(returncode: int) -> str:
    """In words, from the return code of a process that was not asked to end."""
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"exited with code {returncode}"
