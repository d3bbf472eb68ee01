from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import pytest
from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView, View

from flask_irl import ConfigurationError, IntelligentLimiter, RateLimitExceeded
from flask_irl.web.decorators import limits_of
from flask_irl.web.state import state_of
from tests.recorder import Recorder

CLIENT = "127.0.0.1"
F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V", bound=View)


class Site:
    """An app with a limiter on the embedded store, and what happens when it is asked."""

    def __init__(self, **options: Any) -> None:
        self.listener = Recorder()
        self.app = Flask("site")
        self.limiter = IntelligentLimiter(
            self.app, background=False, storage_uri="memory://", listener=self.listener, **options
        )

    def ask(self, path: str, method: str = "GET", **arguments: Any) -> int:
        """The status of one request."""
        return self.app.test_client().open(path, method=method, **arguments).status_code

    def asks(self, count: int, path: str, method: str = "GET", **arguments: Any) -> list[int]:
        """The statuses of some requests."""
        return [self.ask(path, method, **arguments) for _ in range(count)]

    def store_calls(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """A list with an entry for every call of the store from now on."""
        store = state_of(self.app).limiter.store
        calls: list[str] = []
        hit = store.hit

        def counted(*arguments: Any) -> Any:
            calls.append(request.path)
            return hit(*arguments)

        monkeypatch.setattr(store, "hit", counted)
        return calls


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    state_of(site.app).limiter.close()


def subclass(name: str, base: type[V]) -> type[V]:
    """A view class that differs from its base only in what is done to it afterwards."""
    return cast("type[V]", type(name, (base,), {}))


def wrapped(function: F) -> F:
    """A decorator of somebody else's, as it should be."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return cast(F, wrapper)


def rudely_wrapped(function: Callable[[], str]) -> Callable[[], str]:
    """A decorator of somebody else's that forgets what it wraps."""

    def wrapper() -> str:
        return function()

    return wrapper


# Where the decorator stands


def test_under_the_route(site: Site) -> None:
    @site.app.get("/x")
    @site.limiter.limit("2/minute")
    def view() -> str:
        return "ran"

    assert site.asks(3, "/x") == [200, 200, 429]


def test_above_the_route(site: Site) -> None:
    @site.limiter.limit("2/minute")
    @site.app.get("/x")
    def view() -> str:
        return "ran"

    assert site.asks(3, "/x") == [200, 200, 429]


@pytest.mark.parametrize("above", [True, False])
def test_stacked_twice_both_hold_in_one_call(
    site: Site, above: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view() -> str:
        return "ran"

    limits = (site.limiter.limit("5/hour"), site.limiter.limit("2/second"))
    view = site.app.get("/x")(view) if above else view
    for limit in limits:
        view = limit(view)
    if not above:
        site.app.get("/x")(view)
    calls = site.store_calls(monkeypatch)
    assert site.asks(3, "/x") == [200, 200, 429]
    assert len(calls) == 3


def test_limits_of_one_string_burn_nothing_when_one_refuses(site: Site) -> None:
    site.app.add_url_rule("/x", view_func=site.limiter.limit("1/minute;3/hour")(lambda: ""))
    site.asks(9, "/x")
    response = site.app.test_client().get("/x")
    assert (response.status_code, response.get_json()["detail"]["limit"]) == (429, 1)
    # Of the minute's one, the hour's three and the base's hundred one each is used.
    client = state_of(site.app).limiter.store._clients[CLIENT]  # type: ignore[attr-defined]
    assert sorted(cell[1] for _, cells in client.scopes.values() for cell in cells) == [1, 1, 1]


@pytest.mark.parametrize(
    "order",
    ["limit wrapped", "wrapped limit", "wrapped limit wrapped", "limit wrapped limit"],
)
def test_with_other_decorators_in_between(
    site: Site, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view() -> str:
        return "ran"

    for name in reversed(order.split()):
        view = site.limiter.limit("2/minute")(view) if name == "limit" else wrapped(view)
    site.app.get("/x")(view)
    calls = site.store_calls(monkeypatch)
    assert site.asks(3, "/x") == [200, 200, 429]
    assert len(calls) == 3


def test_under_a_decorator_that_hides_it_it_still_holds(site: Site) -> None:
    site.app.add_url_rule(
        "/x", view_func=rudely_wrapped(site.limiter.limit("2/minute")(lambda: "ran"))
    )
    assert site.asks(3, "/x") == [200, 200, 429]


@pytest.mark.parametrize("order", ["exempt limit", "limit exempt", "exempt"])
def test_exempt_above_the_route_wherever_it_stands(site: Site, order: str) -> None:
    view = site.app.get("/x")(lambda: "ran")
    for name in reversed(order.split()):
        view = (
            site.limiter.limit("2/minute")(view) if name == "limit" else site.limiter.exempt(view)
        )
    assert site.asks(3, "/x") == [200, 200, 200]


def test_a_function_behind_somebody_elses_wrapper_is_not_marked(site: Site) -> None:
    def generic() -> str:
        return "ran"

    for name in ("x", "y"):
        site.app.add_url_rule(f"/{name}", name, site.limiter.limit("1/minute")(wrapped(generic)))
    site.app.add_url_rule("/free", "free", wrapped(generic))
    assert site.asks(2, "/x") == [200, 429]
    assert site.asks(3, "/free") == [200, 200, 200]


def test_a_view_on_two_routes_of_one_endpoint_counts_once(site: Site) -> None:
    view = site.limiter.limit("2/minute")(lambda: "")
    site.app.add_url_rule("/x", "view", view)
    site.app.add_url_rule("/y", "view", view)
    assert [site.ask(path) for path in ("/x", "/y", "/x", "/y")] == [200, 200, 429, 429]


def test_a_view_under_two_endpoints_counts_for_each(site: Site) -> None:
    view = site.limiter.limit("1/minute")(lambda: "")
    site.app.add_url_rule("/x", "x", view)
    site.app.add_url_rule("/y", "y", view)
    assert [site.ask(path) for path in ("/x", "/y", "/x", "/y")] == [200, 200, 429, 429]


def test_a_bound_method(site: Site) -> None:
    class Pages:
        def show(self) -> str:
            return "shown"

        def free(self) -> str:
            return "free"

    pages = Pages()
    site.app.add_url_rule("/x", "x", site.limiter.limit("1/minute")(pages.show))
    site.app.add_url_rule("/free", "free", site.limiter.exempt(pages.free))
    assert site.asks(2, "/x") == [200, 429]
    assert "X-RateLimit-Limit" not in site.app.test_client().get("/free").headers


def test_a_callable_object_and_a_partial(site: Site) -> None:
    class Page:
        def __call__(self) -> str:
            return "shown"

    def greet(name: str) -> str:
        return f"hello {name}"

    limit = site.limiter.limit("1/minute")
    site.app.add_url_rule("/x", "x", limit(Page()))
    site.app.add_url_rule("/y", "y", limit(functools.partial(greet, "you")))
    assert site.asks(2, "/x") == [200, 429]
    assert site.asks(2, "/y") == [200, 429]


def test_the_decorated_function_keeps_its_name_arguments_and_result(site: Site) -> None:
    @site.limiter.limit("2/minute")
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert (add.__name__, add.__doc__) == ("add", "Add.")
    with site.app.test_request_context("/"):
        assert (add(1), add(1, b=5)) == (3, 6)


@pytest.mark.parametrize(
    "target", [None, 7, "view", object(), dict], ids=["None", "7", "view", "object", "dict"]
)
def test_what_can_not_be_decorated_is_refused(site: Site, target: Any) -> None:
    with pytest.raises(ConfigurationError, match="function, a blueprint or a view class"):
        site.limiter.limit("1/minute")(target)


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": "often"},
        {"limit": ""},
        {"limit": None},
        {"limit": ["1/minute"]},
        {"limit": "0/minute"},
        {"limit": "1/minute", "cost": -1},
        {"limit": "1/minute", "cost": True},
        {"limit": "1/minute", "cost": "2"},
        {"limit": "1/minute", "methods": "POST"},
        {"limit": "1/minute", "error_message": {"error": "slow"}},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_where_they_are_written(
    site: Site, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        site.limiter.limit(**arguments)


@pytest.mark.parametrize("scope", ["", None, 7])
def test_a_shared_limit_needs_a_name(site: Site, scope: Any) -> None:
    with pytest.raises(ConfigurationError, match="scope"):
        site.limiter.shared_limit("1/minute", scope)


# Blueprints


def blueprint(name: str, *views: str) -> Blueprint:
    made = Blueprint(name, name, url_prefix=f"/{name}")
    for view in views:
        made.add_url_rule(f"/{view}", view, lambda: "ran")
    return made


def test_a_blueprints_limit_holds_for_each_of_its_routes(site: Site) -> None:
    shop = blueprint("shop", "a", "b")
    site.limiter.limit("2/minute")(shop)
    site.app.register_blueprint(shop)
    site.app.add_url_rule("/free", "free", lambda: "")
    assert site.asks(3, "/shop/a") == [200, 200, 429]
    assert site.asks(3, "/shop/b") == [200, 200, 429]
    assert site.asks(3, "/free") == [200] * 3


def test_a_blueprint_decorated_after_it_was_registered(site: Site) -> None:
    shop = blueprint("shop", "a")
    site.app.register_blueprint(shop)
    site.limiter.limit("1/minute")(shop)
    assert site.asks(2, "/shop/a") == [200, 429]


def test_a_routes_own_limit_replaces_its_blueprints(site: Site) -> None:
    shop = blueprint("shop")
    shop.add_url_rule("/a", "a", site.limiter.limit("3/minute")(lambda: ""))
    added = site.limiter.limit("3/minute", override_defaults=False)
    shop.add_url_rule("/b", "b", added(lambda: ""))
    site.limiter.limit("2/minute")(shop)
    site.app.register_blueprint(shop)
    assert site.asks(4, "/shop/a") == [200, 200, 200, 429]
    assert site.asks(3, "/shop/b") == [200, 200, 429]


def test_a_limit_for_one_method_replaces_its_blueprints_for_that_method_only(site: Site) -> None:
    shop = blueprint("shop")
    view = site.limiter.limit("3/minute", methods=["POST"])(lambda: "")
    shop.add_url_rule("/a", "a", view, methods=["GET", "POST"])
    site.limiter.limit("2/minute")(shop)
    site.app.register_blueprint(shop)
    assert site.asks(3, "/shop/a") == [200, 200, 429]
    assert site.asks(4, "/shop/a", "POST") == [200, 200, 200, 429]


def test_nested_blueprints_are_under_their_own_and_their_parents_limits(site: Site) -> None:
    outer, inner, other = blueprint("outer", "a"), blueprint("inner", "b"), blueprint("other", "c")
    site.limiter.limit("3/minute")(outer)
    site.limiter.limit("2/minute")(inner)
    outer.register_blueprint(inner)
    outer.register_blueprint(other)
    site.app.register_blueprint(outer)
    assert site.asks(4, "/outer/a") == [200, 200, 200, 429]
    assert site.asks(3, "/outer/inner/b") == [200, 200, 429]
    assert site.asks(4, "/outer/other/c") == [200, 200, 200, 429]


def test_a_blueprint_registered_under_another_name(site: Site) -> None:
    shop, free = blueprint("shop", "a"), blueprint("free", "b")
    site.limiter.limit("1/minute")(shop)
    site.limiter.exempt(free)
    site.app.register_blueprint(shop, name="renamed")
    site.app.register_blueprint(free, name="shop")
    assert site.asks(2, "/shop/a") == [200, 429]
    assert site.asks(102, "/free/b") == [200] * 102


# Class-based views


class Form(MethodView):
    """Counts which of its methods ran, by the app that it serves."""

    def get(self) -> str:
        return "got"

    def post(self) -> str:
        return "posted"


def test_a_view_class(site: Site) -> None:
    @site.limiter.limit("2/minute")
    class Page(View):
        def dispatch_request(self) -> ResponseReturnValue:
            return "shown"

    site.app.add_url_rule("/x", view_func=Page.as_view("page"))
    assert site.asks(3, "/x") == [200, 200, 429]


def test_a_method_view_class_counts_all_its_methods_together(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    decorated = site.limiter.limit("2/minute")(subclass("Decorated", Form))
    site.app.add_url_rule("/x", view_func=decorated.as_view("x"))
    calls = site.store_calls(monkeypatch)
    assert [site.ask("/x", method) for method in ("GET", "POST", "GET")] == [200, 200, 429]
    assert len(calls) == 3


def test_a_decorated_base_class_limits_its_subclasses_and_not_its_bases(site: Site) -> None:
    decorated = site.limiter.limit("1/minute")(subclass("Decorated", Form))
    below = site.limiter.limit("5/minute")(subclass("Below", decorated))
    for name, kind in (("form", Form), ("below", below)):
        site.app.add_url_rule(f"/{name}", view_func=kind.as_view(name))
    assert site.asks(2, "/form") == [200, 200]
    assert site.asks(2, "/below") == [200, 429]


def test_a_list_of_decorators(site: Site) -> None:
    class Page(Form):
        decorators = [site.limiter.limit("2/minute"), wrapped]  # noqa: RUF012

    site.app.add_url_rule("/x", view_func=Page.as_view("x"))
    site.app.add_url_rule("/y", view_func=Page.as_view("y"))
    assert site.asks(3, "/x") == [200, 200, 429]
    assert site.asks(3, "/y") == [200, 200, 429]


def test_a_single_method_is_part_of_the_requests_one_call(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Page(Form):
        @site.limiter.limit("2/minute")
        def post(self) -> str:
            return "posted"

    site.app.add_url_rule("/x", view_func=Page.as_view("x"))
    calls = site.store_calls(monkeypatch)
    assert site.asks(3, "/x", "POST") == [200, 200, 429]
    assert site.asks(3, "/x") == [200, 200, 200]
    assert len(calls) == 6


def test_single_methods_count_apart(site: Site) -> None:
    class Page(Form):
        @site.limiter.limit("5/minute")
        def get(self) -> str:
            return "got"

        @site.limiter.limit("2/minute")
        def post(self) -> str:
            return "posted"

    site.app.add_url_rule("/x", view_func=Page.as_view("x"))
    assert site.asks(4, "/x") == [200] * 4
    assert site.asks(3, "/x", "POST") == [200, 200, 429]


def test_head_is_under_the_limit_of_the_method_get(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Page(Form):
        @site.limiter.limit("2/minute")
        def get(self) -> str:
            return "got"

    site.app.add_url_rule("/x", view_func=Page.as_view("x"))
    calls = site.store_calls(monkeypatch)
    assert [site.ask("/x", method) for method in ("GET", "HEAD", "HEAD", "GET")] == [
        *(200, 200),
        *(429, 429),
    ]
    assert len(calls) == 4


def test_an_exempt_view_class_and_an_exempt_method(site: Site) -> None:
    exempt = site.limiter.exempt(subclass("Exempt", Form))

    class Half(Form):
        @site.limiter.exempt
        def get(self) -> str:
            return "got"

    site.app.add_url_rule("/all", view_func=exempt.as_view("all"))
    site.app.add_url_rule("/half", view_func=Half.as_view("half"))
    client = site.app.test_client()
    limited = {
        (path, method): "X-RateLimit-Limit" in client.open(path, method=method).headers
        for path in ("/all", "/half")
        for method in ("GET", "HEAD", "POST")
    }
    assert [where for where, found in limited.items() if found] == [("/half", "POST")]


# Functions that are no views


def limited(site: Site, limit: str, **arguments: Any) -> Callable[[], str]:
    """A limited function."""

    @site.limiter.limit(limit, **arguments)
    def helper() -> str:
        return "helped"

    return helper


def helping(site: Site) -> Callable[[], str]:
    """A limited function, and a route that calls it."""
    helper = limited(site, "2/minute")
    site.app.add_url_rule("/call", "call", lambda: helper())
    return helper


def test_a_function_called_by_a_view_has_a_call_of_its_own_and_raises_429(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    helping(site)
    calls = site.store_calls(monkeypatch)
    responses = [site.app.test_client().get("/call") for _ in range(3)]
    assert [r.status_code for r in responses] == [200, 200, 429]
    assert len(calls) == 6
    assert responses[2].get_json()["detail"]["limit"] == 2
    assert [r.headers["X-RateLimit-Remaining"] for r in responses] == ["1", "0", "0"]
    assert [r.headers["X-RateLimit-Limit"] for r in responses] == ["2"] * 3
    assert ["Retry-After" in r.headers for r in responses] == [False, False, True]


def test_a_function_limited_anew_in_each_request_keeps_one_note_of_it(site: Site) -> None:
    def helper() -> str:
        return "helped"

    site.app.add_url_rule("/call", "call", lambda: site.limiter.limit("3/minute")(helper)())
    statuses = [site.app.test_client().get("/call").status_code for _ in range(4)]
    assert statuses == [200] * 3 + [429]
    assert len(limits_of(helper, site.limiter)) == 1


def test_a_function_with_more_left_than_the_route_does_not_show(site: Site) -> None:
    helper = limited(site, "50/minute")
    site.app.add_url_rule("/x", "x", site.limiter.limit("3/minute")(lambda: helper()))
    response = site.app.test_client().get("/x")
    assert response.headers["X-RateLimit-Limit"] == "3"
    assert response.headers["X-RateLimit-Remaining"] == "2"


def test_a_function_called_twice_counts_twice_and_its_request_once(site: Site) -> None:
    helper = limited(site, "4/minute")
    site.app.add_url_rule("/x", "x", lambda: helper() + helper())
    assert site.asks(3, "/x") == [200, 200, 429]
    response = site.app.test_client().get("/nothing")
    assert response.headers["X-RateLimit-Remaining"] == "96"


def test_a_view_that_is_also_called_as_a_function_counts_both(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = limited(site, "2/minute")
    site.app.add_url_rule("/view", "view", view)
    site.app.add_url_rule("/call", "call", lambda: view())
    calls = site.store_calls(monkeypatch)
    assert site.asks(3, "/view") == [200, 200, 429]
    assert calls == ["/view"] * 3
    assert site.asks(3, "/call") == [200, 200, 429]


def test_a_view_may_catch_what_a_function_raises(site: Site) -> None:
    @site.limiter.limit("1/minute", error_message="enough")
    def helper() -> str:
        return "helped"

    @site.app.get("/x")
    def view() -> str:
        try:
            return helper()
        except RateLimitExceeded as error:
            return f"{error.description}: {error.decision.outcome}"

    texts = [site.app.test_client().get("/x").text for _ in range(2)]
    assert texts == ["helped", "enough: limited"]


def test_a_function_in_an_exempt_view_is_not_limited(site: Site) -> None:
    helper = helping(site)
    site.app.add_url_rule("/exempt", "exempt", site.limiter.exempt(lambda: helper()))
    assert site.asks(4, "/exempt") == [200] * 4


def test_a_function_for_some_methods(site: Site) -> None:
    helper = limited(site, "1/minute", methods=["POST"])
    site.app.add_url_rule("/x", "x", lambda: helper(), methods=["GET", "POST"])
    assert site.asks(3, "/x") == [200] * 3
    assert site.asks(2, "/x", "POST") == [200, 429]


def test_in_a_context_manager(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    @site.app.get("/x")
    def view() -> str:
        with site.limiter.limit("2/minute"):
            return "ran"

    calls = site.store_calls(monkeypatch)
    assert site.asks(3, "/x") == [200, 200, 429]
    assert len(calls) == 6


def test_context_managers_count_apart_from_each_other_and_from_all(site: Site) -> None:
    @site.app.get("/x")
    def x() -> str:
        with site.limiter.limit("3/minute"):
            return "ran"

    @site.app.get("/y")
    def y() -> str:
        with site.limiter.limit("3/minute"):
            return "ran"

    assert site.asks(5, "/nothing") == [404] * 5
    assert site.asks(4, "/x") == [200, 200, 200, 429]
    assert site.asks(4, "/y") == [200, 200, 200, 429]


def test_a_context_manager_made_before_counts_wherever_it_is_entered(site: Site) -> None:
    together = site.limiter.limit("2/minute")

    def view() -> str:
        with together:
            return "ran"

    site.app.add_url_rule("/x", "x", view)
    site.app.add_url_rule("/y", "y", view)
    assert [site.ask(path) for path in ("/x", "/y", "/x")] == [200, 200, 429]


def test_a_context_manager_lets_errors_through(site: Site) -> None:
    with (
        site.app.test_request_context("/"),
        pytest.raises(LookupError),
        site.limiter.limit("2/minute"),
    ):
        raise LookupError("the block's own fault")


def test_an_async_function_stays_async_and_is_limited(site: Site) -> None:
    @site.limiter.limit("1/minute")
    async def view(name: str) -> str:
        await asyncio.sleep(0)
        return f"hello {name}"

    assert inspect.iscoroutinefunction(view)

    @site.app.get("/x")
    def call() -> str:
        return asyncio.run(view("you"))

    responses = [site.app.test_client().get("/x") for _ in range(2)]
    assert [r.status_code for r in responses] == [200, 429]
    assert responses[0].text == "hello you"


# Shared limits


def test_a_shared_limit_counts_its_routes_together(site: Site) -> None:
    shared = site.limiter.shared_limit("2/minute", scope="exports")
    site.app.add_url_rule("/a", "a", shared(lambda: ""))
    site.app.add_url_rule("/b", "b", shared(lambda: ""))
    again = site.limiter.shared_limit("2/minute", scope="exports")
    site.app.add_url_rule("/c", "c", again(lambda: ""))
    other = site.limiter.shared_limit("2/minute", scope="imports")
    site.app.add_url_rule("/d", "d", other(lambda: ""))
    assert [site.ask(path) for path in ("/a", "/b", "/c", "/a", "/d")] == [
        *(200, 200, 429),
        *(429, 200),
    ]


def test_a_shared_limit_by_a_function_of_the_endpoint(site: Site) -> None:
    seen: list[str] = []

    def first_letter(endpoint: str) -> str:
        seen.append(endpoint)
        return endpoint[:1]

    shared = site.limiter.shared_limit("2/minute", scope=first_letter)
    for name in ("a1", "a2", "b1"):
        site.app.add_url_rule(f"/{name}", name, shared(lambda: ""))
    assert [site.ask(path) for path in ("/a1", "/a2", "/a1", "/b1")] == [200, 200, 429, 200]
    assert seen == ["a1", "a2", "a1", "b1"]


def test_a_shared_limit_on_a_function_knows_the_requests_endpoint(site: Site) -> None:
    seen: list[str] = []

    def scope(endpoint: str) -> str:
        seen.append(endpoint)
        return "all"

    @site.limiter.shared_limit("2/minute", scope)
    def helper() -> str:
        return "helped"

    site.app.add_url_rule("/x", "x", lambda: helper())
    assert site.asks(3, "/x") == [200, 200, 429]
    assert seen == ["x"] * 3


def test_routes_share_whatever_limits_they_have_beside_it(site: Site) -> None:
    # Fewer than it shares, so that only what is shared can refuse.
    shared = site.limiter.shared_limit("3/minute", scope="exports")
    hourly = site.limiter.shared_limit("50/hour", scope="exports")
    own = site.limiter.limit("40/minute")
    site.app.add_url_rule("/plain", "plain", shared(lambda: ""))
    site.app.add_url_rule("/own", "own", own(shared(lambda: "")))
    site.app.add_url_rule("/both", "both", shared(hourly(lambda: "")))
    paths = ("/plain", "/own", "/both", "/plain", "/own", "/both")
    assert [site.ask(path) for path in paths] == [*[200] * 3, *[429] * 3]


def test_a_shared_limit_on_a_blueprint(site: Site) -> None:
    shop = blueprint("shop", "a", "b")
    site.limiter.shared_limit("2/minute", scope="shop")(shop)
    site.app.register_blueprint(shop)
    assert [site.ask(path) for path in ("/shop/a", "/shop/b", "/shop/a")] == [200, 200, 429]


# Limits and keys that are asked on each request


def test_a_dynamic_limit_follows_what_it_is_told(site: Site) -> None:
    said = ["2/minute"]
    site.app.add_url_rule("/x", "x", site.limiter.limit(lambda: said[0])(lambda: ""))
    assert site.asks(3, "/x") == [200, 200, 429]
    said[0] = "4/minute"
    assert site.asks(3, "/x") == [200, 200, 429]
    said[0] = "1/minute;100/hour"
    assert site.asks(2, "/x")[1] == 429


@pytest.mark.parametrize(
    "said",
    [LookupError("the limit's own fault"), "often", 7, "0/minute", ["1/minute"]],
    ids=str,
)
def test_a_dynamic_limit_that_fails_leaves_the_others_in_force(
    said: Any, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(base_limit=4)

    def limit() -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    site.app.add_url_rule("/x", "x", site.limiter.limit(limit)(lambda: "ran"))
    site.app.add_url_rule(
        "/y", "y", site.limiter.limit("2/minute")(site.limiter.limit(limit)(lambda: "ran"))
    )
    assert site.asks(3, "/y") == [200, 200, 429]
    assert site.asks(3, "/x") == [200, 200, 429]
    assert site.listener.callbacks_failed_at == ["limit"] * 6
    assert site.listener.swallowed_at == []
    assert caplog.text.count("callback_error") == 1


def test_a_dynamic_limit_that_comes_and_goes_leaves_the_count_beside_it_alone(site: Site) -> None:
    def sometimes() -> str:
        if "off" in request.args:
            raise LookupError
        return "50/minute"

    view = site.limiter.limit("3/hour")(site.limiter.limit(sometimes)(lambda: ""))
    site.app.add_url_rule("/x", "x", view)
    paths = ("/x", "/x?off", "/x", "/x?off", "/x")
    assert [site.ask(path) for path in paths] == [200, 200, 200, 429, 429]


def test_an_exemption_that_comes_and_goes_leaves_the_count_beside_it_alone(site: Site) -> None:
    gentle = site.limiter.limit("50/minute", exempt_when=lambda: "off" in request.args)
    site.app.add_url_rule("/x", "x", site.limiter.limit("3/hour")(gentle(lambda: "")))
    paths = ("/x", "/x?off", "/x", "/x?off", "/x")
    assert [site.ask(path) for path in paths] == [200, 200, 200, 429, 429]


def test_a_limit_that_comes_and_goes_counts_only_where_it_applies(site: Site) -> None:
    strict = site.limiter.limit("2/minute", exempt_when=lambda: "off" in request.args)
    site.app.add_url_rule("/x", "x", site.limiter.limit("9/minute")(strict(lambda: "")))
    paths = ("/x?off", "/x?off", "/x?off", "/x", "/x", "/x")
    assert [site.ask(path) for path in paths] == [*[200] * 5, 429]


def test_exempt_when_is_asked_once_a_request(site: Site) -> None:
    asked: list[bool] = []

    def spared() -> bool:
        asked.append("off" in request.args)
        return asked[-1]

    view = site.limiter.limit("1/minute", exempt_when=spared)(lambda: "")
    site.app.add_url_rule("/x", "x", view)
    assert [site.ask(path) for path in ("/x?off", "/x?off", "/x", "/x")] == [200, 200, 200, 429]
    assert asked == [True, True, False, False]


def test_exempt_when_that_raises_exempts_nobody(site: Site) -> None:
    def broken() -> bool:
        raise LookupError("its own fault")

    site.app.add_url_rule("/x", "x", site.limiter.limit("1/minute", exempt_when=broken)(lambda: ""))
    assert site.asks(2, "/x") == [200, 429]
    assert site.listener.callbacks_failed_at == ["exempt_when"] * 2


def test_a_limits_own_key_func_counts_somebody_else(site: Site) -> None:
    by_user = site.limiter.limit("2/minute", key_func=lambda: request.args["user"])
    site.app.add_url_rule("/x", "x", by_user(lambda: ""))
    somewhere_else = {"REMOTE_ADDR": "192.0.2.9"}
    assert site.ask("/x?user=a") == 200
    assert site.ask("/x?user=a", environ_base=somewhere_else) == 200
    assert site.ask("/x?user=a") == 429
    assert site.ask("/x?user=a", environ_base=somewhere_else) == 429
    assert site.ask("/x?user=b") == 200


@pytest.mark.parametrize(
    "key", [LookupError("its own fault"), None, "", 0], ids=lambda key: repr(key)[:11]
)
def test_a_limits_key_func_that_fails_or_knows_nobody_counts_the_client(
    site: Site, key: object
) -> None:
    def key_func() -> Any:
        if isinstance(key, Exception):
            raise key
        return key

    view = site.limiter.limit("1/minute", key_func=key_func)(lambda: "")
    site.app.add_url_rule("/x", "x", view)
    assert site.asks(2, "/x") == [200, 429]
    assert site.asks(2, "/x", environ_base={"REMOTE_ADDR": "192.0.2.9"}) == [200, 429]


def test_a_limits_key_func_may_say_anything(site: Site) -> None:
    view = site.limiter.limit("1/minute", key_func=lambda: request.args["k"])(lambda: "")
    site.app.add_url_rule("/x", "x", view)
    for key in ("x" * 5000, "a\0b\r\n", "{}", "\U0001f600"):
        assert [site.ask("/x", query_string={"k": key}) for _ in range(2)] == [200, 429]


# Cost


def test_a_fixed_cost(site: Site) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("10/minute", cost=4)(lambda: ""))
    responses = [site.app.test_client().get("/x") for _ in range(3)]
    assert [r.status_code for r in responses] == [200, 200, 429]
    assert [r.headers["X-RateLimit-Remaining"] for r in responses] == ["6", "2", "2"]


def test_a_cost_counts_in_all_limits(site: Site) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("50/minute", cost=30)(lambda: ""))
    site.app.add_url_rule("/y", "y", lambda: "")
    site.ask("/x")
    assert site.app.test_client().get("/y").headers["X-RateLimit-Remaining"] == "69"


def test_a_callable_cost(site: Site) -> None:
    by_size = site.limiter.limit("10/minute", cost=lambda: int(request.args["n"]))
    site.app.add_url_rule("/x", "x", by_size(lambda: ""))
    assert [site.ask(f"/x?n={n}") for n in (7, 4, 3, 1, 0)] == [200, 429, 200, 429, 200]


def test_a_cost_of_nothing_counts_nothing_and_passes_when_nothing_is_left(site: Site) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("5/minute", cost=0)(lambda: ""))
    responses = [site.app.test_client().get("/x") for _ in range(9)]
    assert {r.headers["X-RateLimit-Remaining"] for r in responses} == {"5"}
    assert {r.status_code for r in responses} == {200}


@pytest.mark.parametrize(
    "cost",
    [LookupError("its own fault"), -1, None, "2", 1.5, True],
    ids=lambda cost: repr(cost)[:11],
)
def test_a_cost_that_can_not_be_told_is_1_and_its_limit_holds(site: Site, cost: object) -> None:
    def told() -> Any:
        if isinstance(cost, Exception):
            raise cost
        return cost

    site.app.add_url_rule("/x", "x", site.limiter.limit("2/minute", cost=told)(lambda: ""))
    assert site.asks(3, "/x") == [200, 200, 429]
    assert site.listener.callbacks_failed_at == ["cost"] * 3


def test_a_cost_beyond_all_numbers_is_refused(site: Site) -> None:
    view = site.limiter.limit("2/minute", cost=lambda: 10**30)(lambda: "")
    site.app.add_url_rule("/x", "x", view)
    assert site.ask("/x") == 429


def test_the_largest_cost_of_several_limits_counts(site: Site) -> None:
    view = site.limiter.limit("10/minute", cost=2)(
        site.limiter.limit("20/hour", cost=lambda: 5)(lambda: "")
    )
    site.app.add_url_rule("/x", "x", view)
    assert site.asks(3, "/x") == [200, 200, 429]


# What a 429 says


def test_each_limit_has_its_own_error_message(site: Site) -> None:
    view = site.limiter.limit("1/minute", error_message="one a minute")(
        site.limiter.limit("2/hour", error_message="two an hour")(lambda: "")
    )
    site.app.add_url_rule("/x", "x", view)
    helper = limited(site, "1/minute", error_message="a helper's")
    site.app.add_url_rule("/y", "y", lambda: helper())

    def message(path: str) -> Any:
        response = [site.app.test_client().get(path) for _ in range(2)][1]
        return response.get_json()["detail"]["error"]

    assert message("/x") == "one a minute"
    assert message("/y") == "a helper's"


def test_the_longer_limit_has_the_word_when_it_refuses(site: Site) -> None:
    view = site.limiter.limit("1/hour", error_message="one an hour")(
        site.limiter.limit("1/minute", error_message="one a minute")(lambda: "")
    )
    site.app.add_url_rule("/x", "x", view)
    responses = [site.app.test_client().get("/x") for _ in range(2)]
    assert responses[1].get_json()["detail"]["error"] == "one an hour"


def test_the_limit_on_everything_does_not_speak_with_a_routes_message() -> None:
    site = Site(base_limit=1)
    view = site.limiter.limit("5/minute", error_message="the route's")(lambda: "")
    site.app.add_url_rule("/x", "x", view)
    site.ask("/x")
    response = site.app.test_client().get("/x")
    assert response.get_json()["detail"]["error"] == "Rate limit exceeded"


def test_a_dynamic_and_a_shared_limit_have_messages_too(site: Site) -> None:
    dynamic = site.limiter.limit(lambda: "1/minute", error_message="dynamic")
    shared = site.limiter.shared_limit("1/minute", lambda e: e, error_message="shared")
    for name, limit in (("dynamic", dynamic), ("shared", shared)):
        site.app.add_url_rule(f"/{name}", name, limit(lambda: ""))
    for name in ("dynamic", "shared"):
        responses = [site.app.test_client().get(f"/{name}") for _ in range(2)]
        assert responses[1].get_json()["detail"]["error"] == name


# Exemptions


def test_an_exempt_view_is_not_counted_and_has_no_headers(site: Site) -> None:
    @site.app.get("/above")
    @site.limiter.exempt
    def above() -> str:
        return ""

    @site.limiter.exempt
    @site.app.get("/below")
    def below() -> str:
        return ""

    for path in ("/above", "/below"):
        responses = [site.app.test_client().get(path) for _ in range(101)]
        assert {r.status_code for r in responses} == {200}
        assert "X-RateLimit-Limit" not in responses[0].headers
    assert len(state_of(site.app).limiter.profiler) == 0


def test_an_exempt_view_stays_exempt_with_a_limit_and_within_a_blueprint(site: Site) -> None:
    shop = blueprint("shop")
    view = site.limiter.exempt(site.limiter.limit("1/minute")(lambda: ""))
    shop.add_url_rule("/x", "x", view)
    site.limiter.limit("1/minute")(shop)
    site.app.register_blueprint(shop)
    assert site.asks(3, "/shop/x") == [200] * 3


def test_an_exempt_blueprint_with_all_that_is_nested_in_it(site: Site) -> None:
    outer, inner, other = blueprint("outer", "a"), blueprint("inner", "b"), blueprint("other", "c")
    site.limiter.exempt(outer)
    outer.register_blueprint(inner)
    site.app.register_blueprint(outer)
    site.app.register_blueprint(other)
    client = site.app.test_client()
    assert "X-RateLimit-Limit" not in client.get("/outer/a").headers
    assert "X-RateLimit-Limit" not in client.get("/outer/inner/b").headers
    assert "X-RateLimit-Limit" in client.get("/other/c").headers


def test_an_exempt_nested_blueprint_alone(site: Site) -> None:
    outer, inner = blueprint("outer", "a"), blueprint("inner", "b")
    site.limiter.exempt(inner)
    outer.register_blueprint(inner)
    site.app.register_blueprint(outer)
    client = site.app.test_client()
    assert "X-RateLimit-Limit" in client.get("/outer/a").headers
    assert "X-RateLimit-Limit" not in client.get("/outer/inner/b").headers
