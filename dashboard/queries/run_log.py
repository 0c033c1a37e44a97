"""The log of a run, piece by piece.

It lies on the disk of the executor that runs the run, which cannot be dialled; so it is asked for
through Redis, by line number. A worker that was replaced leaves its files to the others of its
host: when the executor itself is gone, they are asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from redis.exceptions import RedisError

from baton.broker import control, presence
from baton.broker.mailbox import LogAnswer, LogRequest, ask_log
from baton.envelope import group_key
from baton.errors import MessageError
from baton.store.runs import RunView

from ..resources import Resources

ANSWER_WITHIN_S = 3.0
PIECES_AT_MOST = 1_000
"""A file of 10 MiB comes in about 80; whoever answers with more than this is not one of our executors."""

NOT_STARTED = "No executor has started this run yet."
REDIS_AWAY = "Redis does not answer; the log cannot be asked for."
NO_ANSWER = "The executor does not answer."
GONE = "The executor that ran this is gone, and no other one of its host is there to read its files."
NEVER_RAN = "This run never started, so it has no log."


class RunLog:
    """Asks for the log of one run."""

    def __init__(self, here: Resources, run: RunView) -> None:
        self._here = here
        self._run = run
        self._key = group_key(here.options.access_token, run.app_name or "")
        self._answers_last = ""

    def piece(self, run: RunView, from_line: int) -> LogAnswer:
        """Lines from `from_line` on; without content, `message` says why if there is a reason.

        `run` is the row as it is now: when it ends, it says who ran it.
        """
        self._run = run
        try:
            return self._asked(from_line)
        except (RedisError, MessageError):
            return _nothing(from_line, REDIS_AWAY)

    def whole(self) -> Iterator[str]:
        """All of it as it is now, in pieces; ends with the reason if it cannot go on."""
        from_line = 1
        for _ in range(PIECES_AT_MOST):
            answer = self.piece(self._run, from_line)
            yield answer.content
            if not answer.content or answer.is_end or answer.to_line < from_line:
                yield f"[{answer.message}]\n" if answer.message else ""
                return
            from_line = answer.to_line + 1

    def _asked(self, from_line: int) -> LogAnswer:
        silent = _nothing(from_line, self._why_nobody())
        for executor_id in self._who_may_know():
            answer = self._ask(executor_id, from_line)
            if answer is None:
                silent = _nothing(from_line, NO_ANSWER)
            elif answer.content or not answer.message:
                self._answers_last = executor_id
                return answer
            else:
                silent = _nothing(from_line, answer.message)
        self._answers_last = ""
        return silent

    def _who_may_know(self) -> list[str]:
        """The executor that holds the run; else the one that did; else the others of that one's host."""
        if self._run.app_name is None:
            return []
        redis, log_id = self._here.redis, self._run.log_id
        holder = control.running(redis, self._run.app_name, [log_id]).get(log_id)
        if holder:
            return [holder]
        if self._answers_last:
            return [self._answers_last]
        address = self._run.executor_address
        present = [each.executor_id for each in presence.executors(redis, self._run.app_name)]
        if address in present:
            return [address]
        return [each for each in present if address and _host(each) == _host(address)]

    def _ask(self, executor_id: str, from_line: int) -> LogAnswer | None:
        return ask_log(
            self._here.redis,
            self._here.blocking_redis,
            self._key,
            self._run.app_name or "",
            executor_id,
            LogRequest(self._run.log_id, self._run.trigger_time, from_line),
            wait_s=ANSWER_WITHIN_S,
        )

    def _why_nobody(self) -> str:
        if self._run.outcome is None:
            return NOT_STARTED
        return GONE if self._run.executor_address else NEVER_RAN


def _host(executor_id: str) -> str:
    """The host in `<host>-<pid>-<nonce>`."""
    return executor_id.rsplit("-", 2)[0]


def _nothing(from_line: int, message: str) -> LogAnswer:
    return LogAnswer(from_line, from_line - 1, "", is_end=True, message=message)
