"""The form of a trigger by hand: another parameter, and a token that makes a double click one run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from baton.store.jobs import JobView

from .reading import Reading


def new_token() -> str:
    """What one showing of the form carries."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class TriggerForm:
    """What the form shows, and what it asks for if nothing is wrong."""

    param: str
    token: str
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def blank(cls, job: JobView) -> Self:
        """With the job's own parameter."""
        return cls(job.executor_param, new_token())

    @classmethod
    def submitted(cls, form: Mapping[str, str], job: JobView) -> Self:
        """Without a parameter field, the job's own parameter counts."""
        reading = Reading(form)
        param = reading.param("executor_param") if "executor_param" in form else job.executor_param
        token = _uuid(reading.raw("token"))
        if token is None:
            reading.wrong("token", "This form is damaged. Nothing was triggered; send it again.")
        return cls(param, token or new_token(), reading.errors)


def _uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None
