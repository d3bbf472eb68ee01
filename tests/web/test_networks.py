"""Test requests from networks that operators block, allow or limit, on a served app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter, api_key
from flask_irl.operations import Operations
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.servers import RedisServer
from tests.web.sites import sites_of

NETWORK = "203.0.113.0/24"
CLIENT = "203.0.113.7"
OUTSIDER = "198.51.100.1"
LIMIT = 3


class Site:
    """An app whose operator overrides networks, and clients that ask it."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        given = {"background": False, "store_timeout": 5.0, "listener": self.listener, **options}
        self.limiter = IntelligentLimiter(self.app, base_limit=LIMIT, **given)
        self.reached = 0
        self.app.add_url_rule("/", "index", self._view)
        self.app.add_url_rule("/missing/<name>", "missing", lambda name: "there")
        self.engine = state_of(self.app).limiter
        self.operations = Operations(self.engine)

    def _view(self) -> str:
        self.reached += 1
        return "hello"

    def override(self, kind: str, client: str = NETWORK, amount: int = 0) -> None:
        self.operations.overrides.set(
            client, kind, amount=amount, seconds=600, reason="", who="ann"
        )

    def ask(self, address: str = CLIENT, path: str = "/", **headers: str) -> TestResponse:
        environ = {"REMOTE_ADDR": address}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.app.test_client().get(path, environ_base=environ, headers=named)

    def statuses(self, count: int, address: str = CLIENT, **headers: str) -> list[int]:
        return [self.ask(address, **headers).status_code for _ in range(count)]


Build = Callable[..., Site]


@pytest.fixture
def build() -> Iterator[Build]:
    """Make sites; their limiters are closed when the test ends."""
    yield from sites_of(Site)


def test_a_blocked_network_gets_429_and_nobody_else(build: Build, uri: str) -> None:
    site = build(storage_uri=uri)
    site.override("block")
    answer = site.ask()
    assert (answer.status_code, site.reached) == (429, 0)
    assert 595 <= int(answer.headers["Retry-After"]) <= 600
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert site.listener.outcomes == ["blocked"]
    assert site.statuses(1, OUTSIDER) == [200]


def test_it_is_answered_as_a_blocked_client_is(build: Build) -> None:
    site = build()
    site.override("block", OUTSIDER)
    client = site.ask(OUTSIDER)
    site.override("block")
    network = site.ask()
    assert network.status == client.status
    assert dict(network.headers).keys() == dict(client.headers).keys()
    assert network.get_json().keys() == client.get_json().keys()
    assert network.get_json()["detail"].keys() == client.get_json()["detail"].keys()


def test_a_blocked_network_is_refused_without_flask_from_the_second_request_on(
    build: Build, uri: str
) -> None:
    site = build(storage_uri=uri)
    seen: list[str] = []
    site.app.before_request(lambda: seen.append(request.remote_addr or ""))
    site.override("block")
    first = site.ask()
    seen.clear()
    second = site.ask("203.0.113.8")
    assert (first.status_code, second.status_code) == (429, 429)
    assert seen == []
    assert dict(second.headers).keys() == dict(first.headers).keys()
    assert site.listener.outcomes == ["blocked", "blocked"]
    assert site.listener.swallowed_at == []


def test_a_denied_client_is_refused_without_flask_too(build: Build) -> None:
    site = build(deny=(NETWORK,))
    seen: list[str] = []
    site.app.before_request(lambda: seen.append(request.remote_addr or ""))
    site.ask()
    seen.clear()
    assert site.ask().headers["Retry-After"] == "3600"
    assert seen == []


def test_a_browser_from_another_site_gets_its_refusal_from_the_app(build: Build) -> None:
    site = build()
    site.app.after_request(lambda r: _with_header(r))
    site.override("block")
    site.statuses(2)
    answer = site.ask(Origin="https://other.example")
    assert (answer.status_code, answer.headers["X-Of-The-App"]) == (429, "yes")


def _with_header(response: Response) -> Response:
    response.headers["X-Of-The-App"] = "yes"
    return response


def test_the_clients_of_a_network_share_its_limit(build: Build, uri: str) -> None:
    site = build(storage_uri=uri)
    site.override("limit", amount=5)
    answers = [site.ask(f"203.0.113.{host}") for host in range(1, 9)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers[:5]] == list("43210")
    assert site.statuses(LIMIT + 1, OUTSIDER) == [*[200] * LIMIT, 429]


def test_an_allowed_network_passes_above_every_limit(build: Build, uri: str) -> None:
    site = build(storage_uri=uri)
    assert site.statuses(LIMIT + 1) == [*[200] * LIMIT, 429]
    site.override("allow")
    assert site.statuses(LIMIT + 2) == [200] * (LIMIT + 2)
    site.operations.overrides.clear(NETWORK, "ann")
    assert site.statuses(1) == [429]


def test_an_override_of_the_clients_own_wins(build: Build, uri: str) -> None:
    site = build(storage_uri=uri)
    site.override("block")
    site.override("allow", CLIENT)
    assert site.statuses(LIMIT + 2) == [200] * (LIMIT + 2)
    assert site.statuses(1, "203.0.113.8") == [429]


# Clients of other names


def test_an_api_key_is_refused_where_its_network_is_blocked(build: Build, uri: str) -> None:
    site = build(storage_uri=uri, key_func=api_key(verify=lambda key: key == "good"))
    site.override("block")
    assert site.statuses(2, X_API_Key="good") == [429, 429]
    assert site.statuses(1, OUTSIDER, X_API_Key="good") == [200]


def test_the_api_keys_of_a_network_share_its_limit(build: Build) -> None:
    site = build(key_func=api_key(verify=lambda key: True))
    site.override("limit", amount=2)
    assert [site.ask(X_API_Key=f"key-{n}").status_code for n in range(4)] == [200, 200, 429, 429]


def test_a_denied_network_is_denied_to_api_keys_and_an_allowed_one_open(build: Build) -> None:
    site = build(
        key_func=api_key(verify=lambda key: True), deny=(NETWORK,), allow=("192.0.2.0/24",)
    )
    assert site.statuses(1, X_API_Key="a") == [429]
    assert site.statuses(LIMIT + 2, "192.0.2.1", X_API_Key="a") == [200] * (LIMIT + 2)
    assert site.statuses(LIMIT + 1, OUTSIDER, X_API_Key="a") == [*[200] * LIMIT, 429]


def test_a_user_known_only_to_the_apps_hooks_is_refused_where_its_network_is_blocked(
    build: Build, uri: str
) -> None:
    site = build(storage_uri=uri, key_func=lambda: g.user)

    def log_in() -> None:
        g.user = request.headers["X-User"]

    site.app.before_request(log_in)
    site.override("block")
    assert site.statuses(2, X_User="ann") == [429, 429]
    assert site.statuses(1, OUTSIDER, X_User="ann") == [200]
    site.override("limit", amount=2)
    assert [site.ask(X_User=f"u-{n}").status_code for n in range(3)] == [200, 200, 429]
    assert site.listener.swallowed_at == []


def test_behind_a_proxy_that_is_configured_networks_are_the_clients(build: Build) -> None:
    site = build()
    site.app.wsgi_app = ProxyFix(site.app.wsgi_app)  # type: ignore[method-assign]
    site.override("block")
    answer = site.ask("10.0.0.1", X_Forwarded_For=CLIENT)
    assert answer.status_code == 429
    assert site.ask("10.0.0.1", X_Forwarded_For=OUTSIDER).status_code == 200


# Other limits


def test_a_limited_function_is_refused_to_a_blocked_network_before_the_request_is(
    build: Build,
) -> None:
    site = build()
    work = site.limiter.limit("2/hour")(lambda: None)
    # Before the limiter's own hook.
    site.app.before_request_funcs[None].insert(0, work)
    site.override("block")
    assert site.statuses(2) == [429, 429]
    site.override("limit", amount=9)
    site.statuses(2)
    assert site.statuses(1, "203.0.113.8") == [429]


def test_a_dynamic_limit_counts_under_the_network(build: Build) -> None:
    site = build()
    view = site.limiter.limit(lambda: "2/minute")(lambda: "costly")
    site.app.add_url_rule("/costly", "costly", view)
    site.override("limit", amount=9)
    answers = [site.ask(f"203.0.113.{n}", "/costly").status_code for n in range(1, 4)]
    assert answers == [200, 200, 429]
    site.override("block")
    assert site.ask(path="/costly").status_code == 429


def test_an_exempt_route_answers_a_blocked_network(build: Build) -> None:
    site = build()
    site.app.add_url_rule("/health", "health", site.limiter.exempt(lambda: "ok"))
    site.override("block")
    assert site.ask(path="/health").status_code == 200


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
def test_a_network_is_blocked_in_every_mode(build: Build, mode: str) -> None:
    site = build(mode=mode)
    site.override("block")
    assert site.statuses(2) == [429, 429]


# Without the store


@pytest.mark.parametrize("then", ["memory", "allow", "deny"])
def test_networks_hold_while_redis_is_lost(build: Build, then: str) -> None:
    with RedisServer() as server:
        site = build(storage_uri=server.url, on_store_error=then)
        site.override("block")
        site.override("limit", "192.0.2.0/24", amount=2)
        site.override("allow", "198.51.100.0/24")
        assert site.statuses(1) == [429]
    assert site.statuses(2) == [429, 429]
    assert site.statuses(LIMIT + 2, OUTSIDER) == [200] * (LIMIT + 2)
    if then == "memory":
        limited = [site.ask(f"192.0.2.{n}").status_code for n in range(1, 5)]
        assert limited == [200, 200, 429, 429]
