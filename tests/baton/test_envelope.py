"""What is accepted from the wire, and what each refusal says."""

from __future__ import annotations

import msgpack
import pytest

from baton.envelope import group_key, seal, unseal
from baton.errors import BadSignature, Malformed, NewerVersion, ParamTooLarge, TooLarge
from baton.messages import TriggerParam, check_param

KEY = group_key("a token of sixteen", "demo")


def trigger(**fields):
    facts = {
        "app_name": "demo", "job_id": 1, "log_id": 2, "log_date_time": 3, "fire_at_ms": 4,
        "executor_handler": "h", "executor_params": "p\ud800", "executor_block_strategy": "SERIAL_EXECUTION",
        "executor_timeout": 0, "glue_type": "BEAN", "glue_source": "", "glue_updatetime": 0,
        "broadcast_index": 0, "broadcast_total": 1, "attempt": 1, "on_lost": "FAIL",
    }  # fmt: skip
    return TriggerParam(**{**facts, **fields})


def test_a_message_comes_back_as_it_was_sent():
    assert unseal(seal(trigger(), KEY), TriggerParam, KEY) == trigger()


def test_a_field_of_a_newer_minor_version_is_ignored():
    class Newer(TriggerParam):
        def to_map(self):
            return {**trigger().to_map(), "added_later": 1}

    assert unseal(seal(Newer(**trigger().to_map()), KEY), TriggerParam, KEY) == trigger()


def test_a_place_in_a_trace_travels_only_where_there_is_one():
    traced = trigger(trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

    assert unseal(seal(traced, KEY), TriggerParam, KEY) == traced
    assert "trace_parent" not in trigger().to_map(), "an older executor need not skip it"


@pytest.mark.parametrize(
    ("frame", "error", "text"),
    [
        (b"", Malformed, "not msgpack"),
        (b"\xc1", Malformed, "not msgpack"),
        (msgpack.packb({"a": 1}), Malformed, "not a frame"),
        (msgpack.packb([2, "trigger", b"", b""]), NewerVersion, "version 2.*upgrade"),
        (msgpack.packb([1, "callback", b"", b""]), Malformed, "'callback'"),
        (msgpack.packb([1, "trigger", b"", b""]), BadSignature, "BATON_ACCESS_TOKEN"),
        (
            seal(trigger(), group_key("a token of sixteen", "other")),
            BadSignature,
            "not signed for this group",
        ),
        (seal(trigger(log_id="2"), KEY), Malformed, "'log_id' must be int, not str"),
        (seal(trigger(log_id=True), KEY), Malformed, "'log_id' must be int, not bool"),
        (seal(trigger(trace_parent=7), KEY), Malformed, "'trace_parent' must be str, not int"),
        (seal(trigger(on_lost="PERHAPS"), KEY), Malformed, "'PERHAPS' is not one of FAIL, RERUN"),
        (b"x" * 600_000, TooLarge, "600,000 bytes; the limit is 524,288"),
    ],
)
def test_each_refusal_says_what_was_wrong(frame, error, text):
    with pytest.raises(error, match=text):
        unseal(frame, TriggerParam, KEY)


def test_a_flipped_byte_is_never_accepted():
    frame = seal(trigger(), KEY)
    for at in range(len(frame)):
        with pytest.raises((Malformed, BadSignature, NewerVersion)):
            unseal(frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :], TriggerParam, KEY)


def test_a_parameter_of_1_mb_is_refused_with_its_size_and_the_limit():
    with pytest.raises(ParamTooLarge, match="1,048,576 bytes; the limit is 65,536 bytes"):
        check_param("x" * 1_048_576)
