"""Tenants of an app: each has its limits, clients and model, whatever its requests look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter, tenant_by_header, tenant_by_host, tenant_by_path
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.events import (
    CallbackFailed,
    Event,
    RequestDecided,
    StoreFailed,
    TenantUnusable,
)
from flask_irl.telemetry.log import TENANT
from tests.servers import ClusterServer, RedisServer

A, B, NOBODY = "http://a.example", "http://b.example", "http://c.example"
BY_HOST = tenant_by_host({"a.example": "a", "b.example": "b"})


def by_function() -> str:
    return request.host.partition(".")[0]


class Site:
    """Hold an app with tenants, and ask it."""

    def __init__(self, uri: str = "memory://", **options: Any) -> None:
        self.app = Flask("site")
        self.events: list[Event] = []
        given = {
            "storage_uri": uri,
            "base_limit": 2,
            "background": False,
            "store_timeout": 10.0,
            "listener": self,
            "admin": False,
            **options,
        }
        self.limiter = IntelligentLimiter(self.app, **given)
        self.app.add_url_rule("/", "index", lambda: "ok")

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def ask(self, host: str = A, path: str = "/", client: str = "192.0.2.1", **more: Any) -> int:
        return self.answer(host, path, client, **more).status_code

    def answer(
        self, host: str = A, path: str = "/", client: str = "192.0.2.1", **more: Any
    ) -> TestResponse:
        caller: FlaskClient = self.app.test_client()
        return caller.get(path, base_url=host, environ_base={"REMOTE_ADDR": client}, **more)

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, TenantUnusable)]


@pytest.fixture
def site(uri: str) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**options: Any) -> Site:
        sites.append(Site(options.pop("uri", uri), **options))
        return sites[-1]

    yield make
    for each in sites:
        each.limiter.close()


@pytest.mark.parametrize("tenant_of", [BY_HOST, by_function])
def test_each_tenant_has_limits_and_counts_of_its_own(
    site: Callable[..., Site], tenant_of: Any
) -> None:
    shop = site(tenant_of=tenant_of, tenants={"a": {"base_limit": 3}, "b": {}})
    assert [shop.ask(A) for _ in range(4)] == [200, 200, 200, 429]
    assert [shop.ask(B) for _ in range(3)] == [200, 200, 429]
    assert [shop.ask(NOBODY) for _ in range(3)] == [200, 200, 429]


def test_by_path_and_by_header(site: Callable[..., Site]) -> None:
    paths = site(tenant_of=tenant_by_path({"/a/": "a"}))
    paths.app.add_url_rule("/a/", "inner", lambda: "ok")
    assert [paths.ask(path=path) for path in ("/a/", "/a/", "/a/", "/")] == [200, 200, 429, 200]
    headers = site(tenant_of=tenant_by_header("X-Tenant", ["a"]), key_prefix="headers")
    tenants = ("a", "a", "a", "b")
    found = [headers.ask(headers={"X-Tenant": tenant}) for tenant in tenants]
    assert found == [200, 200, 429, 200]


@pytest.mark.parametrize("tenant_of", [BY_HOST, by_function])
def test_a_routes_own_limit_counts_in_each_tenant_by_itself(
    site: Callable[..., Site], tenant_of: Any
) -> None:
    shop = site(tenant_of=tenant_of, tenants={"a": {}, "b": {}}, base_limit=None)

    @shop.app.get("/one")
    @shop.limiter.limit("1/minute")
    def one() -> str:
        return "ok"

    assert [shop.ask(host, "/one") for host in (A, A, B, B)] == [200, 429, 200, 429]


@pytest.mark.parametrize("tenant_of", [BY_HOST, by_function])
def test_limits_that_wait_for_the_apps_hooks_are_the_tenants(
    site: Callable[..., Site], tenant_of: Any
) -> None:
    shop = site(tenant_of=tenant_of, tenants={"a": {}, "b": {}}, base_limit=None)
    shop.app.before_request(lambda: None)

    @shop.app.get("/late")
    @shop.limiter.limit(lambda: "1/minute")
    def late() -> str:
        return "ok"

    hosts = (A, A, B, B, NOBODY, NOBODY)
    assert [shop.ask(host, "/late") for host in hosts] == [200, 429] * 3


def test_what_counts_after_the_answer_counts_once_in_its_tenant(site: Callable[..., Site]) -> None:
    shop = site(tenant_of=BY_HOST, base_limit=None)

    @shop.app.get("/login")
    @shop.limiter.limit("2/minute", deduct_when=lambda response: True)
    def login() -> str:
        return "ok"

    assert [shop.ask(A, "/login") for _ in range(3)] == [200, 200, 429]
    assert [shop.ask(B, "/login") for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("tenant_of", [BY_HOST, by_function])
def test_functions_limits_are_the_tenants(site: Callable[..., Site], tenant_of: Any) -> None:
    shop = site(tenant_of=tenant_of, tenants={"a": {}, "b": {}}, base_limit=None)

    @shop.limiter.limit("1/minute")
    def send() -> str:
        return "sent"

    shop.app.add_url_rule("/send", "send", lambda: send())
    assert [shop.ask(host, "/send") for host in (A, A, B, B)] == [200, 429, 200, 429]


@pytest.mark.parametrize("tenant_of", [BY_HOST, by_function])
def test_answers_of_earlier_hooks_and_past_the_middleware_count_in_their_tenant(
    site: Callable[..., Site], tenant_of: Any
) -> None:
    shop = site(tenant_of=tenant_of, tenants={"a": {}, "b": {}})
    shop.app.before_request_funcs[None].insert(0, lambda: ("no", 403))
    for host in (A, A, A, B):
        shop.ask(host)
    with shop.app.app_context():
        left = [shop.limiter.tenant(name).client("192.0.2.1") for name in ("a", "b")]
        assert shop.limiter.flush() == 4
        found = [shop.limiter.tenant(name).client("192.0.2.1") for name in ("a", "b")]
    assert left is not None
    assert [client and client["requests"] for client in found] == [3, 1]


def test_an_app_that_is_called_without_the_middleware_has_tenants_too(
    site: Callable[..., Site],
) -> None:
    shop = site(tenant_of=BY_HOST)
    shop.app.wsgi_app = Flask.wsgi_app.__get__(shop.app)  # type: ignore[method-assign]
    answers = [shop.answer(host) for host in (A, A, A, B)]
    assert TENANT.get() == ""
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0", "1"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x", "name"),
        ("x" * 10_000, "name"),
        ("a\x1b[31m", "name"),
        ("{a}", "name"),
        ("c", "undeclared"),
        ("other", "undeclared"),
    ],
)
def test_a_name_that_is_no_tenants_has_the_apps_own_limits(
    site: Callable[..., Site], caplog: pytest.LogCaptureFixture, name: str, reason: str
) -> None:
    shop = site(tenant_of=lambda: name, tenants={"a": {"base_limit": 100}})
    assert [shop.ask() for _ in range(3)] == [200, 200, 429]
    assert shop.reasons() == [reason] * 3
    lines = [r.getMessage() for r in caplog.records if "tenant_unusable" in r.getMessage()]
    assert len(lines) == 1
    assert len(lines[0]) < 400
    assert lines[0].isprintable()


@pytest.mark.parametrize("nothing", [None, "", "default"])
def test_a_request_of_no_tenant_has_the_apps_own_limits(
    site: Callable[..., Site], nothing: str | None
) -> None:
    shop = site(tenant_of=lambda: nothing)
    assert [shop.ask() for _ in range(3)] == [200, 200, 429]
    assert shop.reasons() == []


def test_a_function_that_raises_leaves_requests_limited(site: Callable[..., Site]) -> None:
    def fails() -> str:
        raise RuntimeError("no tenant here")

    shop = site(tenant_of=fails)
    assert [shop.ask() for _ in range(3)] == [200, 200, 429]
    failed = [event.where for event in shop.events if isinstance(event, CallbackFailed)]
    assert set(failed) == {"tenant_of"}


def test_undeclared_tenants_may_be_their_own_up_to_a_number(site: Callable[..., Site]) -> None:
    shop = site(tenant_of=by_function, undeclared_tenants="own", max_tenants=2)
    hosts = [f"http://t{number}.example" for number in range(4)]
    assert [[shop.ask(host) for _ in range(3)] for host in hosts[:2]] == [[200, 200, 429]] * 2
    # The two that came too late share one limit.
    assert [shop.ask(host) for host in (hosts[2], hosts[3], hosts[2])] == [200, 200, 429]
    assert shop.reasons() == ["full"] * 3
    assert shop.ask(NOBODY.replace("c.", "default.")) == 200


def test_processes_agree_on_the_tenants_that_there_are(redis_url: str) -> None:
    options: Any = {"tenant_of": by_function, "undeclared_tenants": "own", "max_tenants": 1}
    one, other = Site(redis_url, **options), Site(redis_url, **options)
    assert one.ask("http://t1.example") == 200
    assert [other.ask("http://t2.example"), other.ask("http://t1.example")] == [200, 200]
    assert (one.reasons(), other.reasons()) == ([], ["full"])
    assert other.ask("http://t1.example") == 429
    one.limiter.close()
    other.limiter.close()


def test_without_the_store_a_new_tenant_is_limited_all_the_same() -> None:
    site = Site(
        "redis://127.0.0.1:1", tenant_of=by_function, undeclared_tenants="own", store_timeout=0.05
    )
    assert [site.ask() for _ in range(3)] == [200, 200, 429]
    assert set(site.reasons()) == {"store"}
    assert any(isinstance(event, StoreFailed) for event in site.events)
    site.limiter.close()


def test_a_client_blocked_in_one_tenant_is_free_in_another(site: Callable[..., Site]) -> None:
    shop = site(tenant_of=BY_HOST)
    with shop.app.app_context():
        shop.limiter.tenant("a").block("192.0.2.1")
        assert shop.limiter.client("192.0.2.1") is None
        assert shop.limiter.tenant("b").clients(order="overridden") == []
    assert (shop.ask(A), shop.ask(B), shop.ask(NOBODY)) == (429, 200, 200)
    with shop.app.app_context():
        assert not shop.limiter.tenant("b").clear("192.0.2.1")
        assert shop.limiter.tenant("a").clear("192.0.2.1")


def test_calls_within_a_request_are_about_its_tenant(site: Callable[..., Site]) -> None:
    shop = site(tenant_of=by_function, tenants={"a": {}, "b": {}})

    @shop.app.get("/block")
    def block() -> str:
        shop.limiter.block(shop.limiter.current_key)
        return str(shop.limiter.current_tenant)

    assert shop.answer(A, "/block").text == "a"
    assert (shop.ask(A), shop.ask(B)) == (429, 200)
    assert shop.answer(NOBODY, "/block").text == "default"


def test_a_tenant_that_there_is_not_is_told(site: Callable[..., Site]) -> None:
    shop, plain = site(tenant_of=BY_HOST), site()
    with shop.app.app_context(), pytest.raises(ConfigurationError, match="no such tenant"):
        shop.limiter.tenant("x").block("192.0.2.1")
    with plain.app.app_context(), pytest.raises(ConfigurationError, match="no tenant_of"):
        plain.limiter.tenant("a").block("192.0.2.1")
    assert plain.limiter.current_tenant is None


def test_events_of_all_tenants_come_to_a_plain_listener(site: Callable[..., Site]) -> None:
    shop = site(tenant_of=BY_HOST)
    for host in (A, B, NOBODY):
        shop.ask(host)
    assert len([event for event in shop.events if isinstance(event, RequestDecided)]) == 3


def test_a_closed_limiter_lets_all_tenants_pass(site: Callable[..., Site]) -> None:
    shop = site(tenant_of=BY_HOST)
    shop.limiter.close()
    assert [shop.ask(A) for _ in range(4)] == [200] * 4


def test_a_switched_off_limiter_counts_for_no_tenant(site: Callable[..., Site]) -> None:
    shop = site(tenant_of=BY_HOST)
    shop.limiter.enabled = False
    assert [shop.ask(A) for _ in range(4)] == [200] * 4
    shop.limiter.enabled = True
    assert [shop.ask(A) for _ in range(3)] == [200, 200, 429]


def test_no_command_for_one_tenant_names_a_key_of_another(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.flushall()
    shop = Site(redis_server.url, tenant_of=BY_HOST)
    shop.ask(B)
    with redis_server.client() as client, client.monitor() as monitor:
        shop.ask(A)
        with shop.app.app_context():
            own = shop.limiter.tenant("a")
            own.block("192.0.2.9")
            own.clients()
            own.client("192.0.2.1")
            own.reset()
            shop.app.extensions["flask_irl"].tenants.limiters.find("a").flush()
        client.ping()
        seen: list[str] = []
        while "PING" not in (command := next(monitor.listen())["command"]):
            seen.append(command)
    # SCAN and TIME have no key; the default tenant's probes none of a client's.
    assert any("irl.t.a.1:{192.0.2.1}" in command for command in seen)
    assert [command for command in seen if ".t.b." in command or "irl1" in command] == []
    shop.limiter.close()


def test_tenants_share_a_slot_of_a_cluster_for_what_is_the_sites(
    redis_cluster: ClusterServer,
) -> None:
    shop = Site(redis_cluster.url, tenant_of=BY_HOST)
    assert [shop.ask(A) for _ in range(3)] == [200, 200, 429]
    assert [shop.ask(B) for _ in range(3)] == [200, 200, 429]
    state = shop.app.extensions["flask_irl"]
    state.tenants.limiters.rounds.refresh()
    with shop.app.app_context():
        assert shop.limiter.flush() == 6
        assert shop.limiter.tenant("a").reset("192.0.2.1")
    shop.limiter.close()


@pytest.mark.parametrize("tenant_of", [BY_HOST, by_function])
def test_lines_of_the_log_name_the_tenant_and_no_other_requests_do(
    site: Callable[..., Site], caplog: pytest.LogCaptureFixture, tenant_of: Any
) -> None:
    caplog.set_level("INFO", "flask_irl")
    shop = site(tenant_of=tenant_of, tenants={"a": {}, "b": {}})
    for host in (A, A, A):
        shop.ask(host)
    assert [r.getMessage().endswith("tenant=a") for r in caplog.records] == [True]
    assert TENANT.get() == ""
