"""Limits and exemptions hold wherever they stand on a view: its class, its methods, its library."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, cast

import flask_restful
import flask_restx
import flask_smorest
import pytest
from flask import Flask, g, request
from flask.views import MethodView, View

from flask_irl import ConfigurationError, IntelligentLimiter
from flask_irl.web.state import state_of
from tests.recorder import Recorder

TWO_AN_HOUR = "2 per 3600 seconds"


class Site:
    """An app with a limiter, and what it asks the store."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        self.limiter = IntelligentLimiter(
            self.app, background=False, listener=self.listener, **options
        )

    def asks(self, count: int, path: str = "/x", method: str = "GET", **more: Any) -> list[int]:
        client = self.app.test_client()
        return [client.open(path, method=method, **more).status_code for _ in range(count)]

    def limits(self, path: str = "/x") -> list[str]:
        """The limits of a route, as the admin API lists them."""
        described = state_of(self.app).described_routes(self.app)
        return next(cast("list[str]", r["limits"]) for r in described if r["route"] == path)

    def left(self) -> int:
        """What is left of the limit on everything."""
        response = self.app.test_client().get("/nothing")
        return int(response.headers["X-RateLimit-Remaining"])


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    state_of(site.app).limiter.close()


def restx(site: Site, **attributes: Any) -> None:
    """A resource of flask-restx with these attributes."""

    class Thing(flask_restx.Resource):  # type: ignore[misc]
        def get(self) -> dict[str, str]:
            return {"got": "it"}

        def put(self) -> dict[str, str]:
            return {"put": "it"}

    for name, value in attributes.items():
        setattr(Thing, name, value)
    flask_restx.Api(site.app).add_resource(Thing, "/x")


def restful(site: Site, **attributes: Any) -> None:
    """A resource of flask-restful with these attributes."""

    class Thing(flask_restful.Resource):  # type: ignore[misc]
        def get(self) -> dict[str, str]:
            return {"got": "it"}

        def put(self) -> dict[str, str]:
            return {"put": "it"}

    for name, value in attributes.items():
        setattr(Thing, name, value)
    flask_restful.Api(site.app).add_resource(Thing, "/x")


Library = Callable[..., None]
libraries = pytest.mark.parametrize("library", [restx, restful])


@libraries
def test_a_limit_in_method_decorators_is_part_of_the_requests_one_call(
    site: Site, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(site, method_decorators=[site.limiter.limit("2/hour")])
    store = state_of(site.app).limiter.store
    calls: list[object] = []
    hit = store.hit

    def counted(*given: Any) -> Any:
        calls.append(given)
        return hit(*given)

    monkeypatch.setattr(store, "hit", counted)
    assert site.asks(4) == [200, 200, 429, 429]
    assert len(calls) == 4
    assert site.limits() == [TWO_AN_HOUR]
    # The refused requests have burnt nothing.
    assert site.left() == 97


@libraries
def test_method_decorators_count_each_method_by_itself(site: Site, library: Library) -> None:
    library(site, method_decorators=[site.limiter.limit("1/hour")])
    assert site.asks(2) == [200, 429]
    assert site.asks(2, method="PUT") == [200, 429]


def test_method_decorators_for_some_methods(site: Site) -> None:
    restful(site, method_decorators={"put": [site.limiter.limit("2/hour")]})
    assert site.asks(4) == [200] * 4
    assert site.asks(3, method="PUT") == [200, 200, 429]
    assert site.limits() == [f"{TWO_AN_HOUR} (PUT)"]


@libraries
def test_an_exemption_in_method_decorators(site: Site, library: Library) -> None:
    library(site, method_decorators=[site.limiter.exempt])
    assert site.asks(2) == [200] * 2
    assert site.listener.exempt == ["/x"] * 2


@libraries
def test_method_decorators_leave_nothing_behind(site: Site, library: Library) -> None:
    library(site, method_decorators=[site.limiter.limit("9/hour"), site.limiter.exempt])
    site.asks(3)
    assert state_of(site.app).routes is not None
    assert site.limiter._declarations.noted == []


def login(view: Callable[..., Any]) -> Callable[..., Any]:
    """A login decorator."""

    @functools.wraps(view)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        g.user = request.headers["User"]
        return view(*arguments, **named)

    return wrapper


@libraries
def test_a_limit_below_a_login_in_method_decorators_knows_the_user(
    site: Site, library: Library
) -> None:
    by_user = site.limiter.limit("2/hour", key_func=lambda: str(g.user))
    library(site, method_decorators=[by_user, login])
    assert site.asks(3, headers={"User": "ann"}) == [200, 200, 429]
    assert site.asks(3, headers={"User": "bob"}) == [200, 200, 429]
    assert site.listener.swallowed_at == []


@libraries
def test_a_limit_in_an_apis_decorators(site: Site, library: Library) -> None:
    module = flask_restx if library is restx else flask_restful

    class Thing(module.Resource):  # type: ignore[misc, name-defined]
        def get(self) -> dict[str, str]:
            return {"got": "it"}

    api = module.Api(site.app, decorators=[site.limiter.limit("2/hour")])
    api.add_resource(Thing, "/x")
    assert site.asks(3) == [200, 200, 429]
    assert site.limits() == [TWO_AN_HOUR]
    assert site.left() == 97


def test_a_limit_in_a_restx_namespaces_decorators(site: Site) -> None:
    namespace = flask_restx.Namespace("n", path="/", decorators=[site.limiter.limit("2/hour")])

    @namespace.route("/x")
    class Thing(flask_restx.Resource):  # type: ignore[misc]
        def get(self) -> dict[str, str]:
            return {"got": "it"}

    flask_restx.Api(site.app).add_namespace(namespace)
    assert site.asks(3) == [200, 200, 429]
    assert site.limits() == [TWO_AN_HOUR]


def test_limits_of_flask_smorests_views(site: Site) -> None:
    blueprint = flask_smorest.Blueprint("things", __name__)

    @blueprint.route("/x")
    class Thing(MethodView):
        @site.limiter.limit("2/hour")
        @blueprint.response(200)  # type: ignore[untyped-decorator]
        def get(self) -> dict[str, str]:
            return {"got": "it"}

        @blueprint.response(200)  # type: ignore[untyped-decorator]
        @site.limiter.limit("1/hour")
        def put(self) -> dict[str, str]:
            return {"put": "it"}

    site.app.config |= {"API_TITLE": "t", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}
    flask_smorest.Api(site.app).register_blueprint(blueprint)
    assert site.asks(3) == [200, 200, 429]
    assert site.asks(2, method="PUT") == [200, 429]
    assert site.left() == 96


# Bound methods, and whatever else takes no notes


class Pages:
    """Views that are methods."""

    def page(self) -> str:
        return "page"


def test_exempt_marks_a_bound_method_in_place(site: Site) -> None:
    pages = Pages()
    site.app.add_url_rule("/x", "x", pages.page)
    site.app.add_url_rule("/y", "y", Pages().page)
    site.limiter.exempt(pages.page)
    site.asks(1)
    site.asks(1, "/y")
    assert site.listener.exempt == ["/x"]
    assert site.listener.decided_on == ["/y"]


def test_exempt_marks_an_endpoints_bound_method_in_place(site: Site) -> None:
    site.app.add_url_rule("/x", "x", Pages().page)
    site.limiter.exempt(site.app.view_functions["x"])
    site.asks(1)
    assert site.listener.exempt == ["/x"]


def test_what_exempt_returns_is_exempt_below_other_decorators_too(site: Site) -> None:
    site.app.add_url_rule("/x", "x", login(site.limiter.exempt(Pages().page)))
    site.asks(1, headers={"User": "ann"})
    assert site.listener.exempt == ["/x"]


def test_limit_marks_a_bound_method_in_place(site: Site) -> None:
    pages = Pages()
    site.app.add_url_rule("/x", "x", pages.page)
    site.limiter.limit("2/hour")(pages.page)
    assert site.asks(3) == [200, 200, 429]
    assert site.limits() == [TWO_AN_HOUR]


def test_an_object_without_room_for_notes_is_marked_too(site: Site) -> None:
    class Narrow:
        __slots__ = ("__name__",)

        def __call__(self) -> str:
            return "page"

    view = Narrow()
    site.app.add_url_rule("/x", "x", view)
    site.app.add_url_rule("/y", "y", Narrow())
    site.limiter.exempt(view)
    site.asks(1)
    site.asks(1, "/y")
    assert site.listener.exempt == ["/x"]


# Views that stand for other functions


def partial(view: Callable[[str], str]) -> Callable[[], str]:
    return functools.partial(functools.partial(view), "x")


def called(view: Callable[[str], str]) -> Callable[[], str]:
    """An object that calls a function."""

    class Called:
        def __call__(self) -> str:
            return "never"

    Called.__call__ = lambda self: view("x")  # type: ignore[method-assign]
    Called.__call__ = functools.wraps(view)(Called.__call__)  # type: ignore[method-assign]
    return Called()


def dispatched(view: Callable[[str], str]) -> Callable[..., Any]:
    """A view class that dispatches by itself."""

    class Dispatched(View):
        def dispatch_request(self) -> str:
            return view("x")

    wrapped = functools.wraps(view)(Dispatched.dispatch_request)
    Dispatched.dispatch_request = wrapped  # type: ignore[method-assign]
    return Dispatched.as_view("x")


stands_for = pytest.mark.parametrize("wrap", [partial, called, dispatched])


@stands_for
def test_the_limit_of_a_function_that_a_view_stands_for_is_the_views(
    site: Site, wrap: Callable[..., Callable[..., Any]]
) -> None:
    site.app.add_url_rule("/x", "x", wrap(site.limiter.limit("2/hour")(lambda name: name)))
    assert site.asks(4) == [200, 200, 429, 429]
    assert site.limits() == [TWO_AN_HOUR]
    assert site.left() == 97


@stands_for
def test_a_view_that_stands_for_an_exempt_function_is_exempt(
    site: Site, wrap: Callable[..., Callable[..., Any]]
) -> None:
    site.app.add_url_rule("/x", "x", wrap(site.limiter.exempt(lambda name: name)))
    site.asks(1)
    assert site.listener.exempt == ["/x"]


# View classes that are decorated once they are views


class Page(MethodView):
    def get(self) -> str:
        return "page"


def page_class(**attributes: Any) -> type[Page]:
    """A view class of its own."""
    return cast("type[Page]", type("Late", (Page,), attributes))


@pytest.mark.parametrize("keep", [True, False], ids=["one object", "an object for each request"])
def test_a_view_class_that_is_limited_once_it_is_a_view(site: Site, keep: bool) -> None:
    late = page_class(init_every_request=not keep)
    site.app.add_url_rule("/x", view_func=late.as_view("x"))
    site.limiter.limit("2/hour")(late)
    assert site.asks(3) == [200, 200, 429]
    assert site.limits() == [TWO_AN_HOUR]
    assert site.left() == 97


def test_a_view_class_that_is_exempted_once_it_is_a_view(site: Site) -> None:
    late = page_class()
    site.app.add_url_rule("/x", view_func=late.as_view("x"))
    site.limiter.exempt(late)
    site.asks(1)
    assert site.listener.exempt == ["/x"]


@libraries
def test_a_resource_that_is_exempted_once_it_is_a_view(site: Site, library: Library) -> None:
    library(site)
    view: Any = site.app.view_functions["thing"]
    site.limiter.exempt(view.view_class)
    site.asks(1)
    assert site.listener.exempt == ["/x"]


@pytest.mark.parametrize(
    "target",
    [None, 7, "x", dict, flask_restx.Namespace("n")],
    ids=lambda target: type(target).__name__,
)
def test_what_can_not_be_exempt_is_refused(site: Site, target: Any) -> None:
    with pytest.raises(ConfigurationError, match="function, a blueprint or a view class"):
        site.limiter.exempt(target)


def test_a_class_whose_decorators_hide_its_limit_counts_once(site: Site) -> None:
    def rude(view: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **named: view(**named)

    hidden = page_class(decorators=[site.limiter.limit("2/hour"), rude])
    site.app.add_url_rule("/x", view_func=hidden.as_view("x"))
    assert site.asks(3) == [200, 200, 429]
