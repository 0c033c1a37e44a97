"""Baton for handler authors: a decorator, a context, and the exceptions a handler may meet.

import baton


@baton.job("greet")
def greet(ctx: baton.JobContext) -> str:
    ctx.log("hello {}", ctx.param)
    return "done"
"""

from __future__ import annotations

from .context import Cancelled, JobContext, Shard, SoftTimeout, get_context
from .errors import HandlerError
from .handlers import job

__version__ = "0.1.0"

__all__ = [
    "job", "JobContext", "Shard", "get_context", "Cancelled", "SoftTimeout", "HandlerError", "__version__",
]  # fmt: skip
