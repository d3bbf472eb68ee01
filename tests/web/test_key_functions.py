from __future__ import annotations

import logging
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request, session
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_irl import (
    ConfigurationError,
    IntelligentLimiter,
    api_key,
    logged_in_user,
    remote_address,
)
from flask_irl.limits.keys import canonical
from flask_irl.web.key_functions import ApiKey
from flask_irl.web.state import state_of
from tests.conftest import Clock
from tests.servers import RedisServer

STRANGER = {"X-Forwarded-For": "198.51.100.7", "X-Real-IP": "198.51.100.7", "Forwarded": "for=1"}


def site(key_func: Callable[[], str] = remote_address, **options: Any) -> Flask:
    app = Flask("site", static_folder=None)
    app.secret_key = "made up for tests"
    options = {"storage_uri": "memory://", "base_limit": 2, "store_timeout": 5.0, **options}
    limiter = IntelligentLimiter(app, key_func=key_func, background=False, **options)

    @app.get("/")
    def who() -> str:
        assert limiter.current_decision is not None
        return limiter.current_decision.key

    @app.get("/login/<user>")
    @limiter.exempt
    def login(user: str) -> str:
        session["user_id"] = int(user) if user.isdigit() else user
        return ""

    return app


def key_of(app: Flask, address: str | None = "192.0.2.1", **arguments: Any) -> str:
    base = {} if address is None else {"REMOTE_ADDR": address}
    response = app.test_client().get("/", environ_base=base, **arguments)
    assert response.status_code == 200
    return response.text


def statuses(app: Flask, count: int, address: str = "192.0.2.1", **arguments: Any) -> list[int]:
    base = {"REMOTE_ADDR": address}
    client = app.test_client()
    return [client.get("/", environ_base=base, **arguments).status_code for _ in range(count)]


# The remote address


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:49152", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
        ("not an address", "unknown"),
        ("192.0.2.256", "unknown"),
        ("192.0.2.1, 198.51.100.7", "unknown"),
    ],
)
def test_an_address_is_normalised(address: str, key: str) -> None:
    assert key_of(site(), address) == key


def test_without_an_address_the_client_is_unknown() -> None:
    app = site()
    with app.test_request_context("/"):
        assert remote_address() == "unknown"


@given(st.text(max_size=60))
def test_whatever_a_server_reports_is_a_short_printable_key(address: str) -> None:
    with Flask("site").test_request_context("/", environ_base={"REMOTE_ADDR": address}):
        key = remote_address()
    assert 1 <= len(key) <= 64
    assert key.isprintable()


def test_one_host_of_ipv6_is_one_client_whatever_address_it_takes() -> None:
    app = site()
    assert [statuses(app, 1, f"2001:db8:1:2::{n:x}") for n in range(3)] == [[200], [200], [429]]
    assert statuses(app, 1, "2001:db8:1:3::1") == [200]


def test_one_client_over_both_protocols_is_one_client() -> None:
    app = site()
    assert [statuses(app, 1, a) for a in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1")] == [
        *([200], [200]),
        [429],
    ]


# Proxies


def test_nobody_is_another_client_by_taking_the_hash_of_its_name() -> None:
    app = site(lambda: request.args["who"])
    strange = key_of(app, query_string={"who": "ann lee"})
    assert strange.startswith("#")
    taken = key_of(app, query_string={"who": strange})
    assert taken not in (strange, key_of(app, query_string={"who": strange[:-1]}))
    assert taken.startswith("#")
    # An operator means the client whose key was shown.
    assert canonical(strange) == strange


def test_a_strangers_headers_change_nothing() -> None:
    app = site()
    assert key_of(app, headers=STRANGER) == "192.0.2.1"
    found = [statuses(app, 1, headers={"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(3)]
    assert found == [[200], [429], [429]]
    # Nor can one spend what is another's.
    assert statuses(app, 2, "198.51.100.7") == [200, 200]


@pytest.mark.parametrize(
    ("hops", "forwarded", "key"),
    [
        (1, "198.51.100.7", "198.51.100.7"),
        # What the client made up stands before what the proxies added.
        (1, "203.0.113.1, 203.0.113.2, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.1, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (1, "2001:db8:1:2::7", "2001:db8:1:2::/64"),
        # A request that took another way than through the proxies.
        (2, "198.51.100.7", "192.0.2.1"),
    ],
)
def test_behind_exactly_so_many_proxies_the_client_is_found(
    hops: int, forwarded: str, key: str
) -> None:
    app = site()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops)  # type: ignore[method-assign]
    assert key_of(app, headers={"X-Forwarded-For": forwarded}) == key


def test_behind_a_proxy_a_stranger_gets_no_fresh_limit_by_making_up_hops() -> None:
    app = site()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]
    found = [
        statuses(app, 1, headers={"X-Forwarded-For": f"203.0.113.{n}, 198.51.100.7"})
        for n in range(3)
    ]
    assert found == [[200], [200], [429]]


# API keys


def exists(key: str) -> bool:
    return True


def test_an_api_key_is_the_client_and_without_one_the_address_is() -> None:
    app = site(api_key(verify=exists))
    assert statuses(app, 3, headers={"X-API-Key": "one"}) == [200, 200, 429]
    assert statuses(app, 1, headers={"X-API-Key": "two"}) == [200]
    assert statuses(app, 1, "198.51.100.7", headers={"X-API-Key": "one"}) == [429]
    assert key_of(app) == key_of(app, headers={"X-API-Key": ""}) == "192.0.2.1"


def test_an_api_key_in_another_header() -> None:
    app = site(api_key("Authorization", verify=exists))
    assert key_of(app, headers={"Authorization": "Bearer one"}).startswith("key:")
    assert key_of(app, headers={"X-API-Key": "one"}) == "192.0.2.1"


@pytest.mark.parametrize("value", ["x" * 8000, "ключ", "a b", "#", "{}"])
def test_an_api_key_may_be_anything(value: str) -> None:
    key = key_of(site(api_key(verify=exists)), headers={"X-API-Key": value})
    assert key.startswith("key:")
    assert len(key) == 28


@pytest.mark.integration
def test_an_api_key_is_neither_stored_nor_logged(
    redis_url: str, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="flask_irl")
    secret = "sk-live-0123456789abcdef"
    app = site(api_key(verify=exists), storage_uri=redis_url)
    assert statuses(app, 4, headers={"X-API-Key": secret}) == [200, 200, 429, 429]
    limiter = state_of(app).limiter
    limiter.flush()
    limiter.close()
    with redis_server.client() as client:
        names = client.keys("*")
        stored = b"".join(names) + b"".join(client.dump(name) for name in names)
    key = key_of(site(api_key(verify=exists)), headers={"X-API-Key": secret})
    assert key.encode() in stored
    assert key in caplog.text
    assert secret.encode() not in stored
    assert secret not in caplog.text


def test_keys_that_do_not_exist_count_by_address() -> None:
    app = site(api_key(verify=lambda key: key == "real"))
    answers = [statuses(app, 1, headers={"X-API-Key": f"invented-{n}"}) for n in range(4)]
    assert answers == [[200], [200], [429], [429]]
    assert statuses(app, 3, headers={"X-API-Key": "real"}) == [200, 200, 429]
    assert statuses(app, 1, "198.51.100.7", headers={"X-API-Key": "invented-0"}) == [200]


def test_without_a_check_no_key_is_believed_and_a_warning_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = site(api_key())
    answers = [statuses(app, 1, headers={"X-API-Key": f"invented-{n}"}) for n in range(3)]
    assert answers == [[200], [200], [429]]
    assert "api_keys_unverified header=X-API-Key" in caplog.text


def test_a_check_that_raises_makes_the_address_count() -> None:
    def broken(key: str) -> bool:
        raise LookupError("the site's own fault")

    app = site(api_key(verify=broken))
    assert key_of(app, headers={"X-API-Key": "one"}) == "192.0.2.1"


def test_a_key_that_exists_is_checked_within_the_request_and_then_believed_for_a_while(
    clock: Clock,
) -> None:
    checked: list[str] = []

    def verify(key: str) -> bool:
        checked.append(f"{key} at {request.path}")
        return key == "real"

    app = site(ApiKey("X-API-Key", verify, 60.0, clock), base_limit=100)
    for _ in range(3):
        statuses(app, 1, headers={"X-API-Key": "real"})
    assert checked == ["real at /"]
    clock.advance(60.1)
    statuses(app, 1, headers={"X-API-Key": "real"})
    assert len(checked) == 2
    for _ in range(2):
        statuses(app, 1, headers={"X-API-Key": "invented"})
    assert len(checked) == 4


@pytest.mark.parametrize(
    "arguments",
    [{"verify": "yes"}, {"verify": exists, "remember_seconds": -1.0}],
    ids=["no function", "less than nothing"],
)
def test_arguments_of_api_keys_that_are_not_allowed(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"verify is|remember_seconds is"):
        api_key(**arguments)


# Users


def test_the_sessions_user_is_the_client_wherever_from() -> None:
    app = site(logged_in_user)
    client = app.test_client()
    client.get("/login/7")
    addresses = ("192.0.2.1", "198.51.100.7", "192.0.2.1")
    found = [client.get("/", environ_base={"REMOTE_ADDR": a}) for a in addresses]
    assert [r.status_code for r in found] == [200, 200, 429]
    assert found[0].text == "user:7"
    assert key_of(app) == "192.0.2.1"


@pytest.mark.parametrize(
    ("name", "user", "key"),
    [
        ("user_id", 0, "user:0"),
        ("_user_id", "ada", "user:ada"),
        ("user_id", "ada lovelace", "#"),
        ("user_id", None, "192.0.2.1"),
        ("somebody", "ada", "192.0.2.1"),
    ],
)
def test_what_the_session_knows(name: str, user: object, key: str) -> None:
    app = site(logged_in_user)
    client = app.test_client()
    with client.session_transaction() as kept:
        kept[name] = user
    found = client.get("/", environ_base={"REMOTE_ADDR": "192.0.2.1"}).text
    assert found == key or (key == "#" and found.startswith("#") and len(found) == 33)


def test_a_forged_session_is_nobodys() -> None:
    app = site(logged_in_user)
    other = site(logged_in_user)
    other.secret_key = "another"
    forger = other.test_client()
    forger.get("/login/7")
    cookie = forger.get_cookie("session")
    assert cookie is not None
    client = app.test_client()
    client.set_cookie("session", cookie.value)
    assert client.get("/", environ_base={"REMOTE_ADDR": "192.0.2.1"}).text == "192.0.2.1"


def test_without_a_secret_key_the_address_counts() -> None:
    app = site(logged_in_user)
    app.secret_key = None
    assert key_of(app) == "192.0.2.1"


@pytest.mark.parametrize(("authenticated", "key"), [(True, "user:ada"), (False, "192.0.2.1")])
def test_flask_logins_user_goes_before_the_sessions(
    authenticated: bool, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = types.SimpleNamespace(is_authenticated=authenticated, get_id=lambda: "ada")
    module = types.ModuleType("flask_login")
    module.__dict__["current_user"] = user
    monkeypatch.setitem(sys.modules, "flask_login", module)
    app = site(logged_in_user)
    app.__dict__["login_manager"] = object()
    client = app.test_client()
    client.get("/login/7")
    found = client.get("/", environ_base={"REMOTE_ADDR": "192.0.2.1"}).text
    assert found == key


def test_a_user_that_can_not_be_loaded_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask_login", None)
    app = site(logged_in_user)
    app.__dict__["login_manager"] = object()
    assert key_of(app) == "192.0.2.1"
