"""An app's client that asks often goes on without the store, and nobody notices but the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, g

from flask_irl import IntelligentLimiter
from flask_irl.limiter import holding, leases
from flask_irl.limiter.limiter import Limiter
from flask_irl.telemetry.events import RequestDecided
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.servers import RedisServer

LIMIT = 5000
REQUESTS = 60


class Site:
    """An app on a real server, whose client asks often from its third request on."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self.app = Flask("site")
        self.recorder = Recorder()
        self.extension = IntelligentLimiter(
            self.app,
            storage_uri=server.url,
            base_limit=LIMIT,
            store_timeout=10.0,
            honeypots=["/wp-admin"],
            listener=self.recorder,
        )
        self.app.add_url_rule("/", "index", lambda: "hello")
        self.app.add_url_rule("/free", "free", self.extension.exempt(lambda: "hello"))
        paid = self.extension.limit(lambda: g.plan_limit)(lambda: "hello")
        self.app.add_url_rule("/paid", "paid", paid)
        costly = self.extension.limit("4000/minute", cost=3)(lambda: "hello")
        self.app.add_url_rule("/costly", "costly", costly)
        self.app.before_request(self._login)
        # Closed, it runs nothing by itself.
        self.limiter.worker.close()

    @property
    def limiter(self) -> Limiter:
        return state_of(self.app).limiter

    def _login(self) -> None:
        g.plan_limit = "4500/minute"

    def ask(self, path: str = "/") -> Any:
        return self.app.test_client().get(path)

    def left(self, path: str = "/") -> int:
        return int(self.ask(path).headers["X-RateLimit-Remaining"])

    def calls(self) -> int:
        """Count the scripts that the server ran."""
        with self._server.client() as client:
            found = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})
        return int(found["calls"])

    def lend(self, path: str = "/") -> None:
        """Ask until a lease has begun."""
        for _ in range(100):
            before = self.calls()
            self.ask(path)
            if self.calls() == before:
                return
        raise AssertionError("no lease")


@pytest.fixture
def site(
    redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    monkeypatch.setattr(holding, "LEARNED_USES", 4)
    monkeypatch.setattr(holding, "ALONE_SECONDS", 0.0)
    # The machine may be busy.
    monkeypatch.setattr(leases, "PAUSE", 1000.0)
    site = Site(redis_server)
    yield site
    state_of(site.app).close()


def test_headers_metrics_and_profile_have_every_request(site: Site) -> None:
    before = site.calls()
    assert [site.left() for _ in range(REQUESTS)] == list(
        range(LIMIT - 1, LIMIT - REQUESTS - 1, -1)
    )
    assert site.calls() - before < REQUESTS
    decided = [event for event in site.recorder.events if isinstance(event, RequestDecided)]
    assert len(decided) == REQUESTS
    assert site.limiter.profiler.waiting_total() == REQUESTS


def test_limits_that_depend_on_the_apps_hooks_are_leased_too(site: Site) -> None:
    before = site.calls()
    shown = [site.left("/paid") for _ in range(REQUESTS)]
    assert shown == list(range(4500 - 1, 4500 - REQUESTS - 1, -1))
    assert site.calls() - before < REQUESTS


def test_a_request_that_costs_more_asks_the_store(site: Site) -> None:
    assert [site.left("/costly") for _ in range(20)] == list(range(3997, 3997 - 60, -3))
    assert site.calls() >= 20


def test_a_client_that_goes_between_routes_is_shown_no_more_than_is_there(site: Site) -> None:
    paths = ["/", "/", "/paid", "/costly"]
    used = 0
    for number in range(120):
        path = paths[number % 4]
        used += 3 if path == "/costly" else 1
        assert site.left(path) <= LIMIT - used


def test_a_route_that_is_exempt_uses_nothing_up(site: Site) -> None:
    site.lend()
    before = site.left()
    for _ in range(5):
        assert "X-RateLimit-Remaining" not in site.ask("/free").headers
    assert site.left() == before - 1


def test_a_honeypot_counts_while_there_is_a_lease(site: Site) -> None:
    site.lend()
    before = site.calls()
    assert site.ask("/wp-admin/setup.php").status_code == 404
    assert site.calls() <= before + 1
    site.limiter.flush()
    assert site.ask().status_code == 429


def test_the_limits_of_a_request_are_those_of_the_store(site: Site) -> None:
    seen: list[int] = []

    def usage() -> str:
        seen.append(min(limit.remaining for limit in site.extension.current_limits))
        return "hello"

    site.app.add_url_rule("/usage", "usage", usage)
    for number in range(40):
        site.ask("/usage")
        assert seen[-1] <= LIMIT - number - 1
