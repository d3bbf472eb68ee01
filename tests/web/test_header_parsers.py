"""What other people's parsers read in our headers."""

from __future__ import annotations

from typing import Any

import pytest
import ratelimit_headers
import retryheader
from flask import Flask
from http_sfv.list import List

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from tests.conftest import Clock


def headers(clock: Clock, asked: int, **options: Any) -> dict[str, str]:
    """Give the headers of the last of some answers by a limit of 3 requests a minute."""
    app = Flask("site")
    options = {"base_limit": 3, "strategy": "fixed-window", **options}
    IntelligentLimiter(app, admin=False, background=False, storage_uri="memory://", **options)
    state_of(app).limiter.store._clock = clock  # type: ignore[attr-defined]
    app.add_url_rule("/x", "x", lambda: "")
    return dict([app.test_client().get("/x") for _ in range(asked)][-1].headers)


def test_the_drafts_headers_are_lists_of_structured_fields(clock: Clock) -> None:
    found = headers(clock, 1, ietf_headers=True)
    for name, expected in (
        ("RateLimit", {"r": 2, "t": 60}),
        ("RateLimit-Policy", {"q": 3, "w": 60}),
    ):
        parsed = List()
        parsed.parse(found[name].encode())
        (item,) = parsed
        assert (item.value, dict(item.params)) == ("default", expected)


def test_retryheader_reads_the_draft_and_the_wait(clock: Clock) -> None:
    found = headers(clock, 4, ietf_headers=True)
    (left,) = retryheader.parse_ratelimit(found["RateLimit"])
    (policy,) = retryheader.parse_ratelimit_policy(found["RateLimit-Policy"])
    assert (left.policy, left.remaining) == ("default", 0)
    assert (policy.name, policy.quota, policy.window) == ("default", 3, 60)
    assert retryheader.delay_from_headers(found) == 60.0


@pytest.mark.parametrize("at", [1_700_000_000.0, 1_700_000_000.5])
def test_a_client_written_for_github_reads_the_epoch(clock: Clock, at: float) -> None:
    clock.now = at
    state = ratelimit_headers.parse(headers(clock, 2, reset_format="epoch"))
    assert (state.limit, state.remaining) == (3, 1)
    assert 60 <= state.reset.timestamp() - at < 61
