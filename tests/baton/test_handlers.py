"""What `@job` takes, what it refuses, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from baton import JobContext, handlers, job
from baton.errors import HandlerError


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_registry", {})


def declared(name: str = "x") -> handlers.Handler:
    return handlers.registered()[name]


def test_a_function_stays_callable_and_may_do_without_its_context():
    @job("x")
    def two() -> int:
        return 2

    assert two() == 2
    assert declared().context_name is None
    assert declared().start(None) == 2
    assert not declared().is_async


def test_the_context_goes_to_the_one_required_parameter():
    @job("x")
    def echo(run: JobContext, *, times: int = 2) -> object:
        return run, times

    assert declared().start("context") == ("context", 2)


def test_a_coroutine_function_is_a_handler_that_is_awaited():
    @job("x")
    async def later() -> int:
        return 5

    assert declared().is_async
    assert asyncio.run(declared().start(None)) == 5


def make_class(calls: list[str]) -> type:
    @job("x", concurrency=3)
    class Report:
        """What authors write."""

        def init(self) -> None:
            calls.append("init")
            self.ready = True

        def run(self, ctx: object) -> object:
            return self.ready, ctx

        def destroy(self) -> None:
            calls.append("destroy")

    return Report


def test_a_class_has_one_instance_that_its_init_makes_and_its_destroy_lets_go():
    calls: list[str] = []
    report = make_class(calls)
    handler = declared()

    handler.init()
    answers = [handler.start(1), handler.start(2)]
    handler.destroy()

    assert answers == [(True, 1), (True, 2)]
    assert calls == ["init", "destroy"]
    assert (handler.decorated, handler.concurrency) == (report, 3)
    with pytest.raises(AttributeError):
        handler.start(3)


def test_a_fresh_handler_shares_no_instance():
    make_class([])
    one, other = declared().fresh(), declared().fresh()
    one.init()

    assert one.start(1) == (True, 1)
    with pytest.raises(AttributeError):
        other.start(1)


def test_a_class_needs_only_run_and_may_run_as_a_coroutine():
    @job("x")
    class Report:
        async def run(self) -> int:
            return 7

    handler = declared()
    handler.init()

    assert handler.is_async
    assert asyncio.run(handler.start(None)) == 7
    handler.destroy()


def no_run() -> object:
    class Report: ...

    return Report


def static_run() -> object:
    class Report:
        @staticmethod
        def run() -> None: ...

    return Report


def needs_arguments() -> object:
    class Report:
        def __init__(self, path: str) -> None: ...

        def run(self) -> None: ...

    return Report


def stray_coroutine() -> object:
    class Report:
        async def init(self) -> None: ...

        def run(self) -> None: ...

    return Report


def two_parameters() -> object:
    class Report:
        def run(self, ctx: object, other: object) -> None: ...

    return Report


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_run, "has no method run; add `def run(self, ctx)`"),
        (static_run, "has no method run"),
        (needs_arguments, "its __init__ needs path"),
        (stray_coroutine, "make both `async def`, or neither"),
        (two_parameters, "it may take one, the JobContext"),
    ],
)
def test_a_class_that_cannot_be_a_handler_is_refused_with_its_mend(make, said):
    with pytest.raises(HandlerError) as refused:
        job("x")(make())

    assert said in str(refused.value)
    assert "'x'" in str(refused.value)
    assert handlers.registered() == {}


def test_options_that_a_class_has_methods_for_are_refused():
    with pytest.raises(HandlerError, match="its methods init and destroy"):
        job("x", init=print)(make_class([]))


def test_a_plain_function_cannot_have_an_init_that_nobody_awaits():
    async def init() -> None: ...

    with pytest.raises(HandlerError, match="make both `async def`, or neither"):

        @job("x", init=init)
        def plain() -> None: ...


@pytest.mark.parametrize("value", [-1, 1.5, True, "3", None])
def test_a_concurrency_that_is_no_whole_number_is_refused(value):
    with pytest.raises(HandlerError, match=r"concurrency is .*; allowed is a whole number, 0 for no limit"):
        job("x", concurrency=value)


def test_every_number_that_cannot_be_meant_is_named_at_once():
    with pytest.raises(HandlerError) as refused:
        job("x", soft_timeout_s=float("nan"), max_rss_mb=0.5, max_cpu_s=-1)

    assert [text.split()[1] for text in refused.value.problems] == [
        "soft_timeout_s",
        "max_rss_mb",
        "max_cpu_s",
    ]


def test_limits_are_kept_with_the_handler():
    @job("x", soft_timeout_s=1.5, max_rss_mb=100, max_cpu_s=2)
    def limited() -> None: ...

    handler = declared()
    assert (handler.soft_timeout_s, handler.max_rss_mb, handler.max_cpu_s) == (1.5, 100, 2)


@pytest.mark.parametrize(("option", "nearest"), [("concurency", "concurrency"), ("crn", "cron")])
def test_a_misspelled_option_is_answered_with_the_nearest_one(option, nearest):
    with pytest.raises(HandlerError, match=f"takes no '{option}'; did you mean '{nearest}'"):
        job("x", **{option: 1})


def test_two_handlers_of_one_name_are_refused_with_both_places():
    @job("x")
    def one() -> None: ...

    with pytest.raises(HandlerError) as refused:

        @job("x")
        def other() -> None: ...

    assert str(refused.value).count("test_handlers.py:") == 2
    assert "rename one" in str(refused.value)
