"""What an alarm says: templates with a closed list of names, and no way to reach anything else from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from baton.store import runs
from baton.store.alarms import AlarmView
from baton.vocabulary import ALARM_TITLES

SUBJECT = "[Baton] {what}: {about}"
BODY = """{what}: {about}
{text}

group    {group}
job      {job} ({job_id})
run      {run}, attempt {attempt}
planned  {planned}
outcome  {outcome}
executor {executor}
message  {message}

{link}
"""
NAMES = (
    "what", "condition", "about", "text", "group", "job", "job_id", "run", "attempt", "planned", "outcome",
    "executor", "message", "link", "time",
)  # fmt: skip
"""What a template may name; anything else in braces stays as it is."""
_PLACE = re.compile(r"\{(\w+)\}")
_MESSAGE_LIMIT = 2_000
_EMPTY_LINE = re.compile(
    r"^(group|job|run|planned|outcome|executor|message) *(\(\)|, attempt)? *$\n", re.MULTILINE
)


def facts_of(connection: Connection, alarm: AlarmView, public_url: str) -> dict[str, str]:
    """What templates may name, for this alarm; empty where it does not apply."""
    run = runs.get(connection, alarm.log_id) if alarm.log_id is not None else None
    about = alarm.job_name or alarm.app_name or "Baton"
    facts = dict.fromkeys(NAMES, "")
    facts |= {
        "what": ALARM_TITLES.get(alarm.condition, alarm.condition),
        "condition": alarm.condition,
        "about": about,
        "text": alarm.text,
        "group": alarm.app_name or "",
        "job": alarm.job_name or "",
        "job_id": str(alarm.job_id or ""),
        "time": _moment(alarm.created_at),
        "link": _link(alarm, public_url),
    }
    if run is not None:
        message = (run.handle_msg or run.why_refused).strip()
        facts |= {
            "run": str(run.log_id),
            "attempt": str(run.attempt),
            "planned": _moment(run.fire_at),
            "outcome": run.outcome or "",
            "executor": run.executor_address,
            # of a traceback the end says most
            "message": message if len(message) <= _MESSAGE_LIMIT else "…" + message[-_MESSAGE_LIMIT:],
        }
    return facts


def fill(template: str, facts: Mapping[str, str]) -> str:
    """The template with its known places filled. What is filled in is never read as a template."""
    return _PLACE.sub(lambda place: facts.get(place[1], place[0]), template)


def subject_of(template: str, facts: Mapping[str, str]) -> str:
    """One line."""
    return " ".join(fill(template or SUBJECT, facts).split())[:250]


def body_of(template: str, facts: Mapping[str, str]) -> str:
    """Some lines; of the usual ones those that say nothing are left out."""
    if template:
        return fill(template, facts)
    said = _EMPTY_LINE.sub("", fill(BODY, facts))
    return re.sub(r"\n{3,}", "\n\n", said).strip() + "\n"


def _link(alarm: AlarmView, public_url: str) -> str:
    if not public_url:
        return ""
    if alarm.log_id is not None:
        return f"{public_url}/runs/{alarm.log_id}"
    return f"{public_url}/jobs/{alarm.job_id}" if alarm.job_id else f"{public_url}/alarms"


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
