"""Results that could not be applied: looked at, replayed, deleted."""

from __future__ import annotations

from baton.broker.results import Results
from baton.store import failed_callbacks
from baton.store.engine import write
from baton.store.models import FailedCallback

from .site import Site, said


def keep(site: Site, entry_id: str = "1-0", **fields: object) -> None:
    values = {"field": "settled:7", "log_id": 7, "reason": "there is no row 7", "payload": b"as it came"}
    with write(site.engine) as connection:
        failed_callbacks.keep(
            connection, app_name="demo", entry_id=entry_id, now_ms=1, **{**values, **fields}
        )


def test_each_is_shown_with_its_reason(site):
    keep(site)
    keep(site, "2-0", log_id=None, field="junk", reason="not <b>msgpack</b>")

    page = site.person().get("/failed-callbacks")

    assert "Run 7 settled:7 in 1-0" in said(page)
    assert "there is no row 7" in said(page)
    assert "not readable junk in 2-0" in said(page)
    assert "<b>msgpack" not in page.text


def test_a_replay_puts_the_very_bytes_into_the_stream_and_forgets_them(site):
    site.group()
    keep(site)
    ana = site.person()

    answer = ana.post("/failed-callbacks/1/replays")

    assert answer.status_code == 303
    assert "in its stream again" in said(ana.get(answer.location))
    [entry] = Results(site.redis, site.blocking, "a test").read(["demo"], count=9, block_ms=1)
    assert [(item.log_id, item.frame) for item in entry.items] == [(7, b"as it came")]
    assert site.rows(FailedCallback) == []
    assert "ana failed_callback.replay failed callback 1" in site.audited()


def test_what_somebody_decided_already_is_decided(site):
    keep(site)
    ana = site.person()

    assert ana.post("/failed-callbacks/1/deletion").status_code == 303
    again = [ana.post(f"/failed-callbacks/1/{what}") for what in ("deletion", "replays")]

    assert [answer.status_code for answer in again] == [404, 404]
    assert "somebody decided already" in said(again[0])
    assert site.audited().count("ana failed_callback.delete failed callback 1") == 1


def test_many_are_paged(plain_site):
    for number in range(51):
        keep(plain_site, f"{number}-0", log_id=number + 1)
    ana = plain_site.person()

    first, second = ana.get("/failed-callbacks").text, ana.get("/failed-callbacks?before=2").text

    assert 'href="/failed-callbacks?before=2">Older</a>' in first
    assert first.count("/replays") == 50
    assert second.count("/replays") == 1
    assert "Older" not in second
