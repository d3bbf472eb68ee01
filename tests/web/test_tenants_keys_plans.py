"""Tenants, API keys and plans in one app: each tenant has keys and plans of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from flask_irl import ConfigurationError, IntelligentLimiter, tenant_by_host
from flask_irl.operations.api_key_results import IssuedApiKey

A, B = "http://a.example", "http://b.example"
BY_HOST = tenant_by_host({"a.example": "a", "b.example": "b"})
PLANS = {"free": "2/minute", "pro": "3/minute"}


class Site:
    """Serve an app of two tenants, whose clients have API keys with plans."""

    def __init__(self, uri: str, **options: Any) -> None:
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            store_timeout=10.0,
            background=False,
            admin=False,
            api_keys=True,
            api_key_secret="a secret of the tests",
            plans=PLANS,
            **{"base_limit": 1, "tenant_of": BY_HOST, **options},
        )
        self.app.add_url_rule("/", "index", self.index)
        self.app.add_url_rule(
            "/export", "export", self.limiter.require_api_key("export")(lambda: "exported")
        )

    def index(self) -> ResponseReturnValue:
        key = self.limiter.current_api_key
        return jsonify(key and key.id)

    def issue(self, tenant: str, **given: Any) -> IssuedApiKey:
        with self.app.app_context():
            keys = self.limiter.tenant(tenant).api_keys
            return keys.issue(**{"name": "nightly", "owner": "acme", **given})

    def ask(self, host: str, key: IssuedApiKey, path: str = "/") -> int:
        return (
            self.app.test_client()
            .get(path, base_url=host, headers={"X-API-Key": key["key"]})
            .status_code
        )


@pytest.fixture
def site(uri: str) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**options: Any) -> Site:
        sites.append(Site(uri, **options))
        return sites[-1]

    yield make
    for each in sites:
        each.limiter.close()


def test_a_key_is_known_to_its_tenant_alone(site: Callable[..., Site]) -> None:
    shop = site(base_limit=5)
    key = shop.issue("a", scopes=["export"])
    assert [shop.ask(host, key) for host in (A, B)] == [200, 401]
    assert [shop.ask(host, key, "/export") for host in (A, B)] == [200, 401]


def test_a_required_key_is_asked_of_the_requests_tenant(site: Callable[..., Site]) -> None:
    shop = site(default_plan="pro")
    key = shop.issue("b", scopes=["export"])
    assert [shop.ask(host, key, "/export") for host in (A, B)] == [401, 200]


def test_a_keys_plan_holds_in_its_tenant(site: Callable[..., Site]) -> None:
    shop = site()
    key = shop.issue("a", plan="pro")
    assert [shop.ask(A, key) for _ in range(4)] == [200, 200, 200, 429]


def test_a_plan_is_assigned_in_one_tenant(site: Callable[..., Site]) -> None:
    shop = site()
    mine, other = shop.issue("a"), shop.issue("b")
    with shop.app.app_context():
        for tenant, key in (("a", mine), ("b", other)):
            if tenant == "a":
                shop.limiter.tenant(tenant).assign_plan(key["client"], "free", seconds=60)
    assert [shop.ask(A, mine) for _ in range(3)] == [200, 200, 429]
    assert [shop.ask(B, other) for _ in range(2)] == [200, 429]


def test_a_tenant_may_have_other_plans(site: Callable[..., Site]) -> None:
    shop = site(tenants={"a": {"plans": {"pro": "1/minute"}}, "b": {}})
    keys = {tenant: shop.issue(tenant, plan="pro") for tenant in ("a", "b")}
    assert [shop.ask(A, keys["a"]) for _ in range(2)] == [200, 429]
    assert [shop.ask(B, keys["b"]) for _ in range(4)] == [200, 200, 200, 429]


def test_a_client_is_shown_what_is_left_in_its_own_tenant(site: Callable[..., Site]) -> None:
    shop = site(tenants={"a": {"base_limit": 50}, "b": {}})
    shop.app.add_url_rule("/usage", "usage", shop.limiter.usage_view)
    caller = shop.app.test_client()
    for _ in range(3):
        caller.get("/", base_url=A)
    found = caller.get("/usage", base_url=A).json
    assert found is not None
    assert [(x["limit"], x["used"]) for x in found["limits"]] == [(50, 4)]


def test_whoever_asks_for_the_key_before_the_tenant_is_known_decides_nothing(
    site: Callable[..., Site],
) -> None:
    def tenant_of() -> str:
        return "a" if shop.limiter.current_api_key is None else "b"

    asked: list[object] = []
    shop = site(tenant_of=tenant_of, tenants={"a": {}, "b": {}}, base_limit=5)

    def look() -> None:
        asked.append(shop.limiter.current_api_key)

    shop.app.before_request_funcs[None].insert(0, look)
    key = shop.issue("a", scopes=["export"])
    assert shop.ask(A, key, "/export") == 200
    assert len(asked) == 1


def test_a_tenant_with_plans_of_its_own_needs_no_default(site: Callable[..., Site]) -> None:
    shop = site(default_plan="free", tenants={"a": {"plans": {"gold": "9/minute"}}, "b": {}})
    assert shop.ask(A, shop.issue("a", plan="gold")) == 200
    with pytest.raises(ConfigurationError, match="tenants: a: default_plan is 'x'"):
        site(tenants={"a": {"default_plan": "x"}, "b": {}})


def test_a_keys_name_is_no_matter_of_another_tenants(site: Callable[..., Site]) -> None:
    shop = site()
    key = shop.issue("a")
    with shop.app.app_context():
        for tenant in ("a", "b"):
            shop.limiter.tenant(tenant).block(key["client"])
        shown = [shop.limiter.tenant(tenant).client(key["client"]) for tenant in ("a", "b")]
    assert [entry and entry["label"] for entry in shown] == [f"{key['prefix']} (nightly)", None]
