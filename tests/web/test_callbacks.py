"""Functions that an app gives: awaited where async, and never taken for more than they say."""

from __future__ import annotations

import decimal
import functools
import importlib.util
import ipaddress
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from flask import Flask, g, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    get_jwt_identity,
    verify_jwt_in_request,
)
from prometheus_client import CollectorRegistry
from werkzeug.local import LocalProxy

from flask_irl import ConfigurationError, IntelligentLimiter, api_key
from flask_irl.telemetry.prometheus import PrometheusListener
from tests.recorder import Recorder


def limited(app: Flask, **options: Any) -> tuple[IntelligentLimiter, Recorder]:
    listener = Recorder()
    options = {"admin": False, "background": False, "storage_uri": "memory://", **options}
    return IntelligentLimiter(app, **{"listener": listener, **options}), listener


def codes(app: Flask, count: int, path: str = "/x", **arguments: Any) -> list[int]:
    return [app.test_client().get(path, **arguments).status_code for _ in range(count)]


def by_argument() -> str | None:
    """Say what the request asks for."""
    return request.args.get("say")


Given = Callable[..., Any]


def coroutine(answer: Given) -> Given:
    """Make an async function of a plain one."""

    async def given(*arguments: Any) -> Any:
        return answer(*arguments)

    return given


def wrapper(answer: Given) -> Given:
    """Make a plain function that returns a coroutine."""
    return lambda *arguments: coroutine(answer)(*arguments)


def partial(answer: Given) -> Given:
    """Make a partial of an async function."""
    return functools.partial(coroutine(answer))


def instance(answer: Given) -> Given:
    """Make an object that is called asynchronously."""

    class Callback:
        async def __call__(self, *arguments: Any) -> Any:
            return answer(*arguments)

    return Callback()


asynchronous = pytest.mark.parametrize("make", [coroutine, wrapper, partial, instance])

# Async


@asynchronous
def test_an_async_key_func_names_the_client(make: Callable[[Given], Given]) -> None:
    app = Flask("site")
    _, listener = limited(app, base_limit=1, key_func=make(by_argument))
    app.add_url_rule("/x", "x", lambda: "")
    assert [codes(app, 2, f"/x?say={who}") for who in "ab"] == [[200, 429], [200, 429]]
    assert {decision.key for decision in listener.decisions} == {"a", "b"}
    assert listener.callbacks_failed_at == []


@asynchronous
def test_an_async_exempt_when_exempts_only_whom_it_says(make: Callable[[Given], Given]) -> None:
    app = Flask("site")
    limiter, _ = limited(app)
    limit = limiter.limit("1/minute", exempt_when=make(by_argument))
    app.add_url_rule("/x", "x", limit(lambda: ""))
    assert codes(app, 3) == [200, 429, 429]
    assert codes(app, 2, "/x?say=yes") == [200, 200]


@asynchronous
def test_an_async_request_filter_exempts_only_what_it_says(make: Callable[[Given], Given]) -> None:
    app = Flask("site")
    limiter, listener = limited(app, base_limit=1)
    limiter.request_filter(make(by_argument))
    app.add_url_rule("/x", "x", lambda: "")
    assert codes(app, 3) == [200, 429, 429]
    assert codes(app, 2, "/x?say=yes") == [200, 200]
    assert listener.exempt == ["/x"] * 2


@asynchronous
def test_async_limits_costs_keys_and_scopes_hold(make: Callable[[Given], Given]) -> None:
    app = Flask("site")
    limiter, listener = limited(app)
    dynamic = limiter.limit(make(lambda: "3/minute"), cost=make(lambda: 2))
    app.add_url_rule("/x", "x", dynamic(lambda: ""))
    shared = limiter.shared_limit(
        "1/minute", make(lambda endpoint: endpoint[:1]), key_func=make(by_argument)
    )
    for name in ("a1", "a2", "b1"):
        app.add_url_rule(f"/{name}", name, shared(lambda: ""))
    assert codes(app, 2) == [200, 429]
    assert [codes(app, 1, f"/{path}?say=me")[0] for path in ("a1", "a2", "b1")] == [200, 429, 200]
    assert codes(app, 1, "/a1?say=you") == [200]
    assert listener.callbacks_failed_at == []


@asynchronous
def test_an_async_check_of_api_keys_believes_only_those_that_exist(
    make: Callable[[Given], Given],
) -> None:
    app = Flask("site")
    key_func = api_key(verify=make(lambda key: key == "real"))
    limited(app, base_limit=1, key_func=key_func)
    app.add_url_rule("/x", "x", lambda: "")
    keys = ("made-up-1", "made-up-2", "real", "real")
    assert [codes(app, 1, headers={"X-API-Key": key})[0] for key in keys] == [200, 429, 200, 429]


@asynchronous
def test_an_async_authorize_admits_whom_it_names(make: Callable[[Given], Given]) -> None:
    app = Flask("site")
    IntelligentLimiter(app, background=False, authorize=make(lambda scope: by_argument()))
    assert codes(app, 1, "/admin/stats") == [403]
    assert codes(app, 1, "/admin/stats?say=ada") == [200]


def test_an_async_function_sees_the_request_from_within_an_async_view() -> None:
    app = Flask("site")
    limiter, listener = limited(app)

    async def who() -> str:
        return str(g.user)

    @limiter.limit("1/minute", key_func=who, exempt_when=coroutine(by_argument))
    async def helper() -> str:
        return "helped"

    @app.get("/x")
    async def view() -> str:
        g.user = request.args["user"]
        return await helper()

    paths = ("/x?user=a", "/x?user=a", "/x?user=b", "/x?user=a&say=yes")
    assert [codes(app, 1, path)[0] for path in paths] == [200, 429, 200, 200]
    assert listener.callbacks_failed_at == []


def test_an_async_function_that_raises_is_one_that_failed() -> None:
    app = Flask("site")
    limiter, listener = limited(app, base_limit=1)

    @limiter.request_filter
    async def broken() -> bool:
        raise LookupError("its own fault")

    app.add_url_rule("/x", "x", lambda: "")
    assert codes(app, 2) == [200, 429]
    assert listener.callbacks_failed_at == ["request_filter"] * 2


def plain_generator() -> Iterator[str]:
    yield "x"


async def async_generator() -> AsyncIterator[str]:
    yield "x"


def uses(option: str) -> Callable[[Any], object]:
    """Give a function to a limiter by an option."""
    limiter = IntelligentLimiter()
    options: dict[str, Callable[[Any], object]] = {
        "key_func": lambda function: IntelligentLimiter(key_func=function),
        "authorize": lambda function: IntelligentLimiter(authorize=function),
        "request_filter": limiter.request_filter,
        "verify": lambda function: api_key(verify=function),
        "limit": limiter.limit,
        "scope": lambda function: limiter.shared_limit("1/minute", function),
        "cost": lambda function: limiter.limit("1/minute", cost=function),
        "exempt_when": lambda function: limiter.limit("1/minute", exempt_when=function),
    }
    return options[option]


OPTIONS = "key_func authorize request_filter verify limit scope cost exempt_when".split()
each_option = pytest.mark.parametrize("option", OPTIONS)


@each_option
@pytest.mark.parametrize("function", [plain_generator, async_generator])
def test_a_generator_is_refused_at_start_by_its_name(option: str, function: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"{option} .*{function.__name__}:\d+ .*generator"
    ):
        uses(option)(function)


@each_option
def test_an_async_function_is_refused_at_start_where_flask_could_not_await_it(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*arguments: object) -> str:
        return "1/minute"

    uses(option)(answer)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=rf"{option} .*answer:\d+ .*flask\[async\]"):
        uses(option)(answer)


@pytest.mark.parametrize("option", ["key_func", "request_filter", "verify", "exempt_when"])
def test_what_is_no_function_is_refused_at_start(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{option} .*True"):
        uses(option)(True)


def test_a_listener_with_an_async_notify_is_refused_at_start() -> None:
    class Listener:
        async def notify(self, event: object) -> None:
            return

    with pytest.raises(ConfigurationError, match="notify is async"):
        IntelligentLimiter(listener=Listener())  # type: ignore[arg-type]


# What is neither yes nor no


def is_staff() -> bool:
    return False


@pytest.mark.parametrize(
    "answer",
    [lambda: is_staff, lambda: plain_generator(), lambda: functools.partial(is_staff)],
    ids=["a function", "a generator", "a partial"],
)
def test_a_function_that_was_not_called_exempts_nobody(answer: Any) -> None:
    app = Flask("site")
    limiter, listener = limited(app, base_limit=3)
    limiter.request_filter(answer)
    limit = limiter.limit("1/minute", exempt_when=answer)
    app.add_url_rule("/x", "x", limit(lambda: ""))
    assert codes(app, 2) == [200, 429]
    assert set(listener.callbacks_failed_at) == {"request_filter", "exempt_when"}


def test_a_proxy_says_what_it_stands_for() -> None:
    app = Flask("site")
    limiter, _ = limited(app, key_func=lambda: LocalProxy(by_argument))
    nobody: Any = LocalProxy(lambda: g.get("staff"))
    limit = limiter.limit("1/minute", exempt_when=lambda: nobody)
    app.add_url_rule("/x", "x", limit(lambda: ""))
    assert codes(app, 2, "/x?say=a") == [200, 429]


# Keys


class User:
    """Show no more than a place in memory, as objects do."""


class Named:
    def __str__(self) -> str:
        return "ada"


@pytest.mark.parametrize(
    "key",
    [
        lambda: User(),
        lambda: str(User()),
        lambda: f"user:{User()}",
        lambda: LocalProxy(User),
        lambda: [User()],
        lambda: {"sub": "ada"},
        lambda: ("tenant", 7),
        lambda: True,
        lambda: 1.5,
        lambda: User,
        lambda: is_staff,
        lambda: plain_generator(),
    ],
)
@pytest.mark.parametrize("place", ["extension", "limit"])
def test_what_is_no_text_is_nobodys_key(
    place: str, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="flask_irl")
    app = Flask("site")
    limiter, listener = limited(app, **({"key_func": key} if place == "extension" else {}))
    own = {} if place == "extension" else {"key_func": key}
    app.add_url_rule("/x", "x", limiter.limit("2/minute", **own)(lambda: ""))
    assert codes(app, 4) == [200, 200, 429, 429]
    assert {decision.key for decision in listener.decisions} == {"127.0.0.1"}
    assert set(listener.callbacks_failed_at) == {"key_func"}
    assert caplog.text.count("callback_error where=key_func") == 1
    assert "which is no key" in caplog.text


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("ada", "ada"),
        (b"ada", "ada"),
        (b"\xff", r"\xff"),
        (7, "7"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (decimal.Decimal("7"), "7"),
        (ipaddress.ip_address("2001:db8::1"), "2001:db8::1"),
        (Named(), "ada"),
        (LocalProxy(lambda: "ada"), "ada"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_a_text_of_its_own_is_a_key(key: Any, stored: str) -> None:
    app = Flask("site")
    _, listener = limited(app, key_func=lambda: key)
    app.add_url_rule("/x", "x", lambda: "")
    codes(app, 1)
    (decision,) = listener.decisions
    assert decision.key == stored or (decision.key.startswith("#") and "\\" in stored)
    assert listener.callbacks_failed_at == []


@pytest.mark.parametrize("nobody", [None, "", 0, False, b""], ids=repr)
def test_without_a_key_the_address_counts_quietly(nobody: Any) -> None:
    app = Flask("site")
    _, listener = limited(app, key_func=lambda: nobody)
    app.add_url_rule("/x", "x", lambda: "")
    codes(app, 1)
    assert [decision.key for decision in listener.decisions] == ["127.0.0.1"]
    assert listener.callbacks_failed_at == []


# Dynamic limits, and what a stranger can cause


@pytest.mark.parametrize("none", [None, "", "  "], ids=repr)
def test_a_dynamic_limit_of_nothing_is_no_limit_and_no_error(
    none: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="flask_irl")
    app = Flask("site")
    limiter, listener = limited(app, base_limit=5)
    both = limiter.limit("4/minute")(limiter.limit(lambda: none, cost=lambda: 3)(lambda: ""))
    app.add_url_rule("/x", "x", both)

    @limiter.limit(lambda: none)
    def helper() -> str:
        return ""

    app.add_url_rule("/y", "y", lambda: helper())
    assert codes(app, 5) == [*[200] * 4, 429]
    assert codes(app, 2, "/y") == [200, 429]
    assert listener.callbacks_failed_at == listener.swallowed_at == []
    assert caplog.messages == [m for m in caplog.messages if m.startswith("request_refused")]


def test_strangers_tokens_are_no_errors_of_the_limiter(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="flask_irl")
    app = Flask("site")
    app.config["JWT_SECRET_KEY"] = "a secret of thirty-two characters"
    JWTManager(app)
    registry = CollectorRegistry()

    def who() -> Any:
        verify_jwt_in_request(optional=True)
        return get_jwt_identity()

    limited(app, key_func=who, base_limit=30, listener=PrometheusListener(registry))
    app.add_url_rule("/x", "x", lambda: "")
    rubbish = {"Authorization": "Bearer rubbish"}
    answers = [app.test_client().get("/x", headers=rubbish) for _ in range(20)]
    assert [r.headers["X-RateLimit-Remaining"] for r in answers] == [
        str(n) for n in range(29, 9, -1)
    ]
    value = registry.get_sample_value
    assert value("irl_callback_errors_total", {"where": "key_func"}) == 20
    assert value("irl_internal_errors_total", {"where": "key_func"}) is None
    (line,) = caplog.messages
    assert line.startswith("callback_error where=key_func at=tests.web.test_callbacks.")
    assert "DecodeError" in line
    with app.app_context():
        token = create_access_token("ada")
    known = app.test_client().get("/x", headers={"Authorization": f"Bearer {token}"})
    assert known.headers["X-RateLimit-Remaining"] == "29"


def test_an_error_that_can_not_be_shown_costs_no_request() -> None:
    class Shy(Exception):
        def __repr__(self) -> str:
            raise LookupError("twice")

    def broken() -> str:
        raise Shy

    app = Flask("site")
    _, listener = limited(app, key_func=broken)
    app.add_url_rule("/x", "x", lambda: "")
    assert codes(app, 1) == [200]
    assert listener.callbacks_failed_at == ["key_func"]
