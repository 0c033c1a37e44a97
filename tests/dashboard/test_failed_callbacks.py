"""Results that could not be applied: looked at, replayed, discarded."""

from __future__ import annotations

import json

import pytest

from baton.broker.results import Results, lane_ending
from baton.envelope import group_key, seal
from baton.store.models import AuditEvent, FailedCallback

from .. import factories
from .site import Site, said

PAGE = "/failed-callbacks"


def in_stream(site: Site, app_name: str = "demo") -> list:
    return Results(site.redis, site.blocking, "a test").read([app_name], count=99, block_ms=1)


def frame(access_token: str = factories.ACCESS_TOKEN, **fields: object) -> bytes:
    return seal(factories.callback_param(**fields), group_key(access_token, "demo"))


def test_each_is_shown_with_its_reason(site):
    site.failed_callback()
    site.failed_callback("2-0", log_id=None, field="junk", reason="not <b>msgpack</b>")

    page = site.person().get(PAGE)

    assert "Run 7 settled:7" in said(page)
    assert "there is no row 7" in said(page)
    assert "Not readable junk" in said(page)
    assert "<b>msgpack" not in page.text


def test_groups_are_counted_and_shown_apart(site):
    site.failed_callback()
    site.failed_callback("2-0", app_name="other", reason="of the other group")

    page = site.person().get(f"{PAGE}?group=other")

    assert "All that wait 2 demo 1 other 1 Discarded 0" in said(page)
    assert "of the other group" in said(page)
    assert "there is no row 7" not in said(page)


# replay


def test_a_replay_puts_the_very_bytes_into_the_stream_and_keeps_them_until_they_are_applied(site):
    site.group()
    site.failed_callback()
    ana = site.person()

    answer = ana.post(f"{PAGE}/1/replays")

    assert answer.status_code == 303
    after = said(ana.get(answer.location))
    assert "in its stream again" in after
    assert "not applied yet" in after
    [entry] = in_stream(site)
    assert [(item.log_id, item.frame) for item in entry.items] == [(7, b"as it came")]
    assert entry.replay_of == 1
    assert "ana failed_callback.replay failed callback 1" in site.audited()


def test_all_are_replayed_at_once_or_all_of_a_group(site):
    for number in range(3):
        site.failed_callback(f"{number}-0")
    site.failed_callback(app_name="other")
    ana = site.person()

    answer = ana.post(f"{PAGE}/replays", {"group": "demo"})
    assert "3 results are in their streams again" in said(ana.get(answer.location))
    assert [entry.replay_of for entry in in_stream(site)] == [1, 2, 3]
    assert in_stream(site, "other") == []

    ana.post(f"{PAGE}/replays")
    assert len(in_stream(site)) == 3
    assert len(in_stream(site, "other")) == 1


def test_what_was_discarded_is_not_replayed_with_the_others(site):
    site.failed_callback()
    site.failed_callback("2-0")
    ana = site.person()
    ana.post(f"{PAGE}/1/discards", {"reason": "a test"})

    ana.post(f"{PAGE}/replays")

    assert [entry.replay_of for entry in in_stream(site)] == [2]


# discard


def test_a_discard_says_who_when_and_why(site):
    site.failed_callback()
    ana = site.person()

    answer = ana.post(f"{PAGE}/1/discards", {"reason": "its run was repeated by hand"})

    assert answer.status_code == 303
    assert "Every result was applied." in said(ana.get(PAGE))
    assert "by ana: its run was repeated by hand" in said(ana.get(f"{PAGE}?discarded=1"))
    [row] = site.rows(FailedCallback)
    assert (row.discarded_at, row.discarded_by) == (site.clock.wall_ms, "ana")
    [event] = [event for event in site.rows(AuditEvent) if event.action == "failed_callback.discard"]
    assert json.loads(event.facts)["discard_reason"] == "its run was repeated by hand"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_a_discard_without_a_reason_that_fits_is_refused(site, reason):
    site.failed_callback()
    ana = site.person()

    answer = ana.post(f"{PAGE}/1/discards", {"reason": reason})

    assert "The reason" in said(ana.get(answer.location))
    assert site.rows(FailedCallback)[0].discarded_at == 0


def test_what_somebody_decided_already_is_decided(site):
    site.failed_callback()
    ana = site.person()

    assert ana.post(f"{PAGE}/1/discards", {"reason": "first"}).status_code == 303
    again = ana.post(f"{PAGE}/1/discards", {"reason": "second"})

    assert again.status_code == 404
    assert "somebody decided already" in said(again)
    assert ana.post(f"{PAGE}/99/replays").status_code == 404
    assert site.audited().count("ana failed_callback.discard failed callback 1") == 1


# look


def test_a_signed_result_is_shown_field_by_field_and_as_bytes(site):
    site.failed_callback(payload=frame(log_id=7, app_name="demo", handle_msg="two\nlines <i>"))

    page = site.person().get(f"{PAGE}/1")

    assert "Signature valid" in said(page)
    assert "log_id 7" in said(page)
    assert "two\nlines &lt;i&gt;" in page.text
    assert "000000 94 01" in said(page)
    assert "callback" in page.text


def test_a_forged_result_is_shown_as_not_to_be_believed(site):
    site.failed_callback(payload=frame("somebody else's token", log_id=7, app_name="demo"))

    page = said(site.person().get(f"{PAGE}/1"))

    assert "not to be believed" in page
    assert "not by this installation, or not for this group" in page
    assert "log_id 7" in page, "it may be read all the same"


def test_what_a_script_said_is_shown_with_the_message_it_speaks_of(site):
    message = factories.trigger_param(log_id=7, app_name="demo")
    trigger = seal(message, group_key(factories.ACCESS_TOKEN, "demo"))
    site.failed_callback(field="lost:7", payload=lane_ending("executor lost: e9", "e9", 2, trigger))

    page = said(site.person().get(f"{PAGE}/1"))

    assert "reason executor lost: e9" in page
    assert "executor_handler" in page
    assert "Signature valid" in page


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00\xff\x1b[31m",
        b"\x94\x01\xa8callback\xc4\x02\x81\xc0\xc4\x00",
        b"\xc1" * 5000,
        b"\xdf\xff\xff\xff\xff",
    ],
)
@pytest.mark.parametrize("field", ["settled:7", "lost:7", "junk"])
def test_no_bytes_break_the_page(plain_site, payload, field):
    plain_site.failed_callback(payload=payload, field=field)

    page = plain_site.person().get(f"{PAGE}/1")

    assert page.status_code == 200
    assert "not to be believed" in said(page)
    assert "\x1b" not in page.text


def test_many_are_paged(plain_site):
    for number in range(51):
        plain_site.failed_callback(f"{number}-0", log_id=number + 1)
    ana = plain_site.person()

    first, second = ana.get(PAGE).text, ana.get(f"{PAGE}?before=2").text

    assert 'href="/failed-callbacks?before=2">Older</a>' in first
    assert first.count("/replays") == 51, "one for each, one for all"
    assert second.count("/replays") == 2
    assert "Older" not in second
