"""API tokens: shown once, listed without their secret, revoked."""

from __future__ import annotations

import re

from baton.store.models import ApiToken

from .site import said


def test_a_token_is_shown_once_and_opens_the_api(site):
    ana = site.person()

    made = ana.post("/api-tokens", {"name": "deploy script"})

    [secret] = re.findall(r"baton_[\w-]{40,}", made.text)
    assert made.headers["Cache-Control"] == "no-store"
    assert secret not in ana.get("/api-tokens").text
    assert "deploy script" in said(ana.get("/api-tokens"))
    bearer = {"Authorization": f"Bearer {secret}"}
    assert site.anonymous().open("/api/v1/jobs", headers=bearer).status_code == 200
    assert [row.created_by for row in site.rows(ApiToken)] == ["ana"]

    ana.post("/api-tokens/1/revocation")

    assert site.anonymous().open("/api/v1/jobs", headers=bearer).status_code == 401
    assert site.rows(ApiToken) == []
    assert site.audited() == ["ana api_token.create token deploy script", "ana api_token.revoke token 1"]


def test_a_token_needs_a_name(plain_site):
    ana = plain_site.person()

    for name, text in ((" ", "The name is missing"), ("n" * 65, "at most 64 fit")):
        answer = ana.post("/api-tokens", {"name": name})
        assert answer.status_code == 422
        assert text in said(answer)
    assert plain_site.rows(ApiToken) == []
