"""Handlers of the tests of `baton run-once`."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from baton import JobContext, get_context, job


@job("once-echo")
def echo(ctx: JobContext) -> dict[str, object]:
    ctx.log("shard {} of {}, attempt {}", ctx.shard.index, ctx.shard.total, ctx.attempt)
    logging.getLogger("mine").warning("from logging")
    thread = threading.Thread(target=lambda: get_context().log("from a thread"))
    thread.start()
    thread.join()
    ctx.progress(0.5, "half")
    return {"param": ctx.param, "limit": ctx.deadline is not None}


@job("once-end")
def end(ctx: JobContext) -> None:
    {"fail": ctx.fail, "time_out": ctx.time_out, "succeed": ctx.succeed}[ctx.param]("as it was told")


@job("once-raise")
def raise_error() -> None:
    raise RuntimeError("on purpose")


@job("once-class")
class Classy:
    def init(self) -> None:
        print("init")

    async def run(self, ctx: JobContext) -> str:
        await asyncio.sleep(0)
        return ctx.param

    def destroy(self) -> None:
        print("destroy")


@job("once-sleep")
def sleep(ctx: JobContext) -> None:
    ctx.log("asleep")
    try:
        time.sleep(60)
    finally:
        ctx.log("tidy, cancelled is {}", ctx.cancelled)


@job("once-sleep-async")
async def sleep_async(ctx: JobContext) -> None:
    ctx.log("asleep")
    try:
        await asyncio.sleep(60)
    finally:
        ctx.log("tidy, cancelled is {}", ctx.cancelled)


@job("once-stubborn")
def stubborn(ctx: JobContext) -> None:
    try:
        ctx.log("asleep")
        time.sleep(60)
    except BaseException:
        ctx.log("not yet")
        time.sleep(60)
