"""Test the commands of a request, read off a MONITOR connection to a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from tests.servers import RedisServer

pytestmark = pytest.mark.integration


class Wire:
    """Record the commands that a server receives, without those of its scripts."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Yield a list that holds the commands' names when the block has ended."""
        commands: list[str] = []
        with self._server.client() as marker, self._server.client() as client:
            # The commands of connecting are not the app's.
            marker.ping()
            with client.monitor() as monitor:
                yield commands
                marker.echo("the end")
                while True:
                    seen = monitor.next_command()
                    if seen["command"] == "ECHO the end":
                        break
                    if seen["client_type"] != "lua":
                        commands.append(seen["command"].split()[0].upper())


@pytest.fixture
def wire(redis_server: RedisServer, redis_url: str) -> Wire:
    return Wire(redis_server)


class Site:
    """Run an app on the server, without background work."""

    def __init__(self, url: str) -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=url,
            background=False,
            ietf_headers=True,
            # Nothing here is about time, and the machine may be busy.
            store_timeout=10.0,
            base_limit=30,
        )

    def ask(self, path: str, **arguments: Any) -> TestResponse:
        return self.app.test_client().get(path, **arguments)


@pytest.fixture
def site(redis_url: str) -> Iterator[Site]:
    site = Site(redis_url)
    yield site
    state_of(site.app).limiter.close()


def warm_up(site: Site) -> None:
    """Connect, and load the script."""
    assert site.ask("/", environ_base={"REMOTE_ADDR": "192.0.2.250"}).status_code == 404


def test_three_limits_and_headers_are_one_evalsha_a_request_and_nothing_else(
    site: Site, wire: Wire
) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("25/minute;500/hour")(lambda: "hello"))
    warm_up(site)
    with wire.listening() as commands:
        responses = [site.ask("/x") for _ in range(20)]
    assert [r.status_code for r in responses] == [200] * 20
    assert responses[-1].headers["X-RateLimit-Remaining"] == "5"
    assert commands == ["EVALSHA"] * 20


@pytest.mark.parametrize("kind", ["base", "stacked", "shared", "dynamic", "own key", "cost"])
def test_whatever_the_limits_it_is_one_evalsha(site: Site, wire: Wire, kind: str) -> None:
    limit = site.limiter.limit

    def view() -> str:
        return "hello"

    if kind == "stacked":
        view = limit("25/minute")(limit("26/minute", methods=["GET"])(limit("500/hour")(view)))
    elif kind == "shared":
        shared = site.limiter.shared_limit
        view = shared("25/minute", "a")(shared("26/minute", lambda endpoint: endpoint)(view))
    elif kind == "dynamic":
        view = limit(lambda: "25/minute")(limit("500/hour", exempt_when=lambda: False)(view))
    elif kind == "own key":
        view = limit("25/minute", key_func=lambda: request.args.get("user", "nobody"))(view)
    elif kind == "cost":
        view = limit("25/minute", cost=lambda: 2)(view)
    site.app.add_url_rule("/x", "x", view)
    warm_up(site)
    with wire.listening() as commands:
        statuses = {site.ask("/x").status_code for _ in range(5)}
        statuses.add(site.ask("/nothing").status_code)
    assert statuses == {200, 404}
    assert commands == ["EVALSHA"] * 6


def test_a_client_that_is_known_to_be_over_costs_nothing(site: Site, wire: Wire) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("2/minute")(lambda: "hello"))
    warm_up(site)
    assert [site.ask("/x").status_code for _ in range(3)] == [200, 200, 429]
    with wire.listening() as commands:
        responses = [site.ask("/x") for _ in range(20)]
    assert {r.status_code for r in responses} == {429}
    assert responses[0].headers["X-RateLimit-Limit"] == "2"
    assert commands == []
    # It is over on that route only.
    with wire.listening() as commands:
        assert site.ask("/nothing").status_code == 404
    assert commands == ["EVALSHA"]


def test_exempt_requests_cost_nothing(site: Site, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file")
    site.app.static_folder = str(tmp_path)
    site.app.add_url_rule("/exempt", "exempt", site.limiter.exempt(lambda: "hello"))
    site.limiter.request_filter(lambda: "filtered" in request.args)
    warm_up(site)
    with wire.listening() as commands:
        statuses = [site.ask(path).status_code for path in ("/exempt", "/x?filtered")]
        with site.ask("/static/x") as file:
            statuses.append(file.status_code)
    assert statuses == [200, 404, 200]
    assert commands == []


def test_a_limited_function_costs_one_more(site: Site, wire: Wire) -> None:
    @site.limiter.limit("5/minute")
    def helper() -> str:
        return "helped"

    site.app.add_url_rule("/x", "x", lambda: helper())
    warm_up(site)
    with wire.listening() as commands:
        assert site.ask("/x").status_code == 200
    assert commands == ["EVALSHA"] * 2


def test_a_script_that_the_server_lost_is_sent_again_once(
    site: Site, wire: Wire, redis_server: RedisServer
) -> None:
    site.app.add_url_rule("/x", "x", lambda: "hello")
    warm_up(site)
    # The first time, the server is asked whether its Lua has all that the script needs.
    for asked in (["EVAL"], []):
        with redis_server.client() as client:
            client.script_flush()
        with wire.listening() as commands:
            assert [site.ask("/x").status_code for _ in range(3)] == [200] * 3
        assert commands == ["EVALSHA", *asked, "EVAL", "EVALSHA", "EVALSHA"]


def test_learning_costs_no_more_for_a_flood_of_one_client(site: Site, wire: Wire) -> None:
    """Merge a flood in as few commands as requests just over the limit."""
    warm_up(site)
    flush = state_of(site.app).limiter.flush
    flush()
    flushes: list[list[str]] = []
    for last, requests in ((1, 35), (2, 400)):
        for _ in range(requests):
            site.ask("/x", environ_base={"REMOTE_ADDR": f"192.0.2.{last}"})
        with wire.listening() as commands:
            flush()
        flushes.append(commands)
    assert len(flushes[1]) == len(flushes[0])
