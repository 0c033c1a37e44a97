"""The dashboard as a test meets it: one application on real servers, and browsers that visit it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from redis import Redis
from sqlalchemy import Engine, delete, select, update
from werkzeug.test import TestResponse

from background import here, reports
from background.here import Here
from baton.broker import chores, presence, recovery
from baton.broker.client import connect, connect_blocking
from baton.broker.consumer import Consumer
from baton.broker.presence import ExecutorInfo
from baton.store import access as accounts
from baton.store import failed_callbacks
from baton.store.engine import write
from baton.store.models import AuditEvent, ExecutorGroup, JobLog
from dashboard import Options, create_app

from .. import factories
from ..clocks import NOON_MS, FakeClock

SECRET_KEY = "a-key-for-tests-only-0123456789"
NAME, PASSWORD = "ana", "seven green bicycles"
PASSWORD_HASH = accounts.hash_password(PASSWORD)
"""Made once: hashing takes its time on purpose."""


@dataclass
class Site:
    """One application, what is behind it, and ways to put things there."""

    engine: Engine
    redis_url: str
    options: dict[str, Any] = field(default_factory=dict)
    clock: Any = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.redis: Redis = connect(self.redis_url, socket_timeout_s=2)
        self.blocking: Redis = connect_blocking(self.redis_url)
        values = {"access_token": factories.ACCESS_TOKEN, "secret_key": SECRET_KEY, "secure_cookies": False}
        self.app: Flask = create_app(
            Options(**(values | {k: v for k, v in self.options.items() if k != "archive"})),
            engine=self.engine,
            redis=self.redis,
            blocking_redis=self.blocking,
            clock=self.clock,
            archive=self.options.get("archive"),
        )

    def close(self) -> None:
        self.redis.close()
        self.blocking.close()

    # who visits

    def anonymous(self) -> Browser:
        return Browser(self)

    def person(self, name: str = NAME) -> Browser:
        """Somebody who is signed in."""
        with write(self.engine) as connection:
            if accounts.password_hash(connection, name) is None:
                accounts.set_password(connection, name, PASSWORD_HASH, self.clock.now_ms())
            now_ms = self.clock.now_ms()
            token = accounts.begin_session(connection, name, now_ms, now_ms + 7 * 86_400_000)
        browser = Browser(self)
        browser.client.set_cookie(self.session_cookie, token)
        return browser

    @property
    def session_cookie(self) -> str:
        return "__Host-baton-session" if self.options.get("secure_cookies") else "baton-session"

    def link(self) -> str:
        """The secret of a one-time link."""
        now_ms = self.clock.now_ms()
        with write(self.engine) as connection:
            return accounts.make_link(connection, now_ms, now_ms + 3_600_000)

    # what is there

    def group(self, app_name: str = "demo", **fields: Any) -> int:
        with write(self.engine) as connection:
            return factories.executor_group(connection, app_name=app_name, **fields)

    def job(self, group_id: int, **fields: Any) -> int:
        with write(self.engine) as connection:
            return factories.job(connection, group_id, **fields)

    def run(self, group_id: int, job_id: int, **fields: Any) -> int:
        """A log row; `outcome` alone makes an ended one that fits."""
        with write(self.engine) as connection:
            return factories.log_row(connection, group_id, job_id, **(_ending(fields) | fields))

    def count(self, **fields: Any) -> None:
        """What the background process does each minute: count runs into the reports."""
        here.install(Here(self.engine, chores.queue(self.redis), clock=self.clock, **fields))
        reports.count(0)

    def failed_callback(self, entry_id: str = "1-0", app_name: str = "demo", **fields: Any) -> None:
        """A result that could not be applied."""
        values = {"field": "settled:7", "log_id": 7, "reason": "there is no row 7", "payload": b"as it came"}
        with write(self.engine) as connection:
            failed_callbacks.keep(
                connection, app_name=app_name, entry_id=entry_id, now_ms=1, **(values | fields)
            )

    def executor(self, app_name: str = "demo", executor_id: str = "host-1-aa", **fields: Any) -> Consumer:
        """An executor that beats once."""
        recovery.open_group(self.redis, app_name)
        consumer = Consumer(self.redis, self.blocking, app_name, executor_id)
        consumer.renew(info(executor_id, **fields), {})
        assert presence.executors(self.redis, app_name)
        return consumer

    # what became of it

    def rows(self, model: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(model.__table__).order_by(*model.__table__.primary_key)))

    def rows_of_groups(self) -> list[int]:
        return [row.id for row in self.rows(ExecutorGroup)]

    def row(self, model: Any, id_: int) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(select(model.__table__).where(model.id == id_)).one()

    def end(self, log_id: int, outcome: str = "succeeded", **fields: Any) -> None:
        """A result is applied to a log row."""
        values = _ending({"outcome": outcome}) | {"outcome": outcome} | fields
        with write(self.engine) as connection:
            connection.execute(update(JobLog).where(JobLog.id == log_id).values(**values))

    def forget_audit(self) -> None:
        """What comes next is all that counts."""
        with write(self.engine) as connection:
            connection.execute(delete(AuditEvent))

    def audited(self) -> list[str]:
        return [f"{row.user_name} {row.action} {row.subject}" for row in self.rows(AuditEvent)]


class Browser:
    """Sends what a browser sends: cookies, where a request comes from, and the token of the last page."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.client = site.app.test_client()

    def get(self, path: str, **options: Any) -> TestResponse:
        options.setdefault("headers", {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
        return self.open(path, method="GET", **options)

    def open(self, path: str, **options: Any) -> TestResponse:
        """Exactly this request, read to its end."""
        return self.client.open(path, **{"buffered": True, **options})

    def post(
        self, path: str, form: Mapping[str, Any] | None = None, *, page: str | None = None, **options: Any
    ) -> TestResponse:
        """Submit a form that stands on `page`."""
        options.setdefault("headers", {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
        token = {"csrf_token": self.token(page)}
        return self.open(path, method="POST", data={**token, **(form or {})}, **options)

    def token(self, page: str | None = None) -> str:
        """The form token on `page`: the overview, or for a stranger the sign-in page."""
        is_stranger = self.client.get_cookie(self.site.session_cookie) is None
        text = self.get(page or ("/sign-in" if is_stranger else "/executors")).text
        found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', text)
        assert found, text
        return found[1]


def info(executor_id: str = "host-1-aa", **fields: Any) -> ExecutorInfo:
    values: dict[str, Any] = {
        "executor_id": executor_id,
        "host": "host",
        "pid": 1,
        "handlers": ("demo",),
        "slots": 4,
        "running": 0,
        "started_ms": NOON_MS,
        "beat_ms": NOON_MS,
        "version": "1",
        "state": "running",
    }
    return ExecutorInfo(**(values | fields))


def said(response: TestResponse) -> str:
    """The text of a page without its tags, on one line."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def _ending(fields: Mapping[str, Any]) -> dict[str, Any]:
    outcome = fields.get("outcome")
    if outcome is None:
        return {}
    if outcome in ("discarded", "refused"):
        return {"trigger_code": 500, "trigger_msg": '{"reason": "a reason"}', "pushed_at": NOON_MS + 1}
    code = {"succeeded": 200, "timed_out": 502}.get(str(outcome), 500)
    return {
        "trigger_code": 200,
        "handle_code": code,
        "handle_time": NOON_MS + 3000,
        "started_at": NOON_MS + 1000,
    }
