"""Mount the admin API where the host has pages: the host's go first, and somebody says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask_admin import Admin, BaseView, expose
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of

TOKEN = "token-of-the-prefix-tests"
PAGES = ("/admin/", "/admin/stats", "/admin/clients/", "/admin/client/", "/admin/client/edit")
MORE_PAGES = ("/admin/docs", "/admin/mode/today", "/admin/users")


def host(app: Flask) -> None:
    """Give an app pages below /admin, and an error page."""
    blueprint = Blueprint("host_admin", "host_admin", url_prefix="/admin")
    for path in (*PAGES, *MORE_PAGES):
        rule = path.removeprefix("/admin")
        blueprint.add_url_rule(rule, "page" + rule.replace("/", "-"), lambda: "the host's")
    app.register_blueprint(blueprint)
    app.register_error_handler(NotFound, lambda error: ("the host's 404", 404))


@pytest.fixture
def limit() -> Iterator[Callable[..., Any]]:
    """Add limiters to apps, and end them afterwards."""
    apps: list[Flask] = []

    def add(app: Flask, **options: Any) -> Flask:
        IntelligentLimiter(app, background=False, **options)
        apps.append(app)
        return app

    yield add
    for app in apps:
        state_of(app).limiter.close()


def shared(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Collect the warnings of pages at the prefix: their fields."""
    return [
        record.__dict__["irl_fields"]
        for record in caplog.records
        if getattr(record, "irl_event", "") == "admin_prefix_shared"
    ]


def test_without_token_and_login_no_page_of_the_hosts_changes(
    limit: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("host")

    @app.get("/<user>/<repository>")
    def repository(user: str, repository: str) -> str:
        return f"{user}'s {repository}"

    with caplog.at_level(logging.DEBUG, "flask_irl"):
        client = limit(app, unknown_paths=3).test_client()
    for name in ("stats", "docs", "clients", "dotfiles", "zzz"):
        assert client.get(f"/admin/{name}").text == f"admin's {name}"
    told = [r for r in caplog.records if getattr(r, "irl_event", "") == "admin_not_mounted"]
    assert [(r.levelname, r.getMessage()) for r in told] == [
        ("DEBUG", "admin_not_mounted missing=token set=IRL_ADMIN_TOKEN")
    ]


def test_a_converter_that_needs_the_apps_own_map_keeps_no_app_from_starting(
    limit: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    class Shop(BaseConverter):
        def __init__(self, map: Any) -> None:
            super().__init__(map)
            self.regex = map.shops

    app = Flask("host")
    app.url_map.shops = "north|south"  # type: ignore[attr-defined]
    app.url_map.converters["shop"] = Shop
    app.add_url_rule("/admin/<shop:name>", "shop", lambda name: name)
    client = limit(app, admin_token=TOKEN).test_client()
    assert client.get("/admin/north").text == "north"
    assert client.get("/admin/stats").status_code == 401
    assert [fields["rules"] for fields in shared(caplog)] == [["/admin/<shop:name>"]]


def test_a_login_of_the_hosts_mounts_it(limit: Callable[..., Flask]) -> None:
    app = Flask("host")
    limit(app, authorize=lambda scope: "ada")
    assert app.test_client().get("/admin/stats").status_code == 200


@pytest.mark.parametrize("limiter_first", [True, False])
def test_a_hosts_pages_below_the_prefix_go_first(
    limit: Callable[..., Flask], caplog: pytest.LogCaptureFixture, limiter_first: bool
) -> None:
    app = Flask("host")
    if limiter_first:
        limit(app, admin_token=TOKEN)
        host(app)
    else:
        host(app)
        limit(app, admin_token=TOKEN)
    client = app.test_client()
    assert client.get("/admin/users").text == "the host's"
    [warning] = shared(caplog)
    assert warning["prefix"] == "/admin"
    assert warning["rules"] == list(PAGES)
    assert warning["more"] == len(MORE_PAGES)
    assert set(warning["left_to_host"]) == {"/admin/stats", "/admin/clients", "/admin/docs"}
    assert warning["set"] == "IRL_ADMIN_URL_PREFIX"
    for path in (*PAGES, *MORE_PAGES):
        assert client.get(path).text == "the host's", path
    assert client.get("/admin/clients", follow_redirects=True).text == "the host's"
    assert client.get("/admin/zzz").text == "the host's 404"
    assert client.post("/admin/stats").mimetype == "text/html"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/admin/mode", headers=headers).get_json() == {"mode": "enforce"}
    assert client.post("/admin/mode", headers=headers).mimetype == "application/problem+json"
    assert len(shared(caplog)) == 1


def test_pages_added_later_are_told_of_apart(
    limit: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("host")
    app.add_url_rule("/admin/early", "early", lambda: "early")
    limit(app, admin_token=TOKEN)
    app.add_url_rule("/admin/<page>", "late", lambda page: page)
    client = app.test_client()
    assert client.get("/admin/early").text == "early"
    early, late = shared(caplog)
    assert (early["rules"], early["left_to_host"]) == (["/admin/early"], [])
    assert late["rules"] == ["/admin/<page>"]
    assert "/admin/limits" in late["left_to_host"]
    assert client.get("/admin/limits").text == "limits"


def test_a_catch_all_of_the_hosts_keeps_its_paths(limit: Callable[..., Flask]) -> None:
    app = Flask("host")
    app.add_url_rule("/<path:path>", "page", lambda path: "the host's")
    limit(app, admin_token=TOKEN, unknown_paths=3)
    client = app.test_client()
    for n in range(20):
        answer = client.get(f"/admin/users/{n}")
        assert (answer.text, answer.headers["X-RateLimit-Limit"]) == ("the host's", "100")
        with app.app_context():
            state_of(app).limiter.flush()
    assert client.get("/admin/stats").status_code == 401


def test_flask_admin_works_as_without(
    limit: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    class Page(BaseView):  # type: ignore[misc]
        """Show a page."""

        @expose("/")  # type: ignore[untyped-decorator]
        def index(self) -> str:
            return "the host's"

    app = Flask("host", template_folder=None)
    app.secret_key = "x"
    site = Admin(app)
    limit(app, admin_token=TOKEN)
    for name in ("clients", "limits", "stats", "docs"):
        site.add_view(Page(name=name, endpoint=name))
    client = app.test_client()
    assert client.get("/admin/").status_code == 200
    for name in ("clients", "limits", "stats", "docs"):
        assert client.get(f"/admin/{name}", follow_redirects=True).text == "the host's"
    assert [warning["prefix"] for warning in shared(caplog)] == ["/admin", "/admin"]


def test_another_prefix_is_shared_with_nobody(
    limit: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("host")
    limit(app, admin_token=TOKEN, url_prefix="/irl")
    host(app)
    client = app.test_client()
    assert client.get("/admin/stats").text == "the host's"
    assert client.get("/irl/stats").status_code == 401
    assert shared(caplog) == []


# The prefix itself


@pytest.mark.parametrize("path", ["/admin", "/admin/"])
def test_the_prefix_leads_to_the_page(limit: Callable[..., Flask], path: str) -> None:
    app = limit(Flask("host"), admin_token=TOKEN)
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/page/")
    followed = app.test_client().get(path, follow_redirects=True)
    assert (followed.status_code, followed.request.path) == (200, "/admin/page/sign-in")


@pytest.mark.parametrize("path", ["/admin", "/admin/"])
def test_without_the_page_it_leads_to_the_docs(limit: Callable[..., Flask], path: str) -> None:
    app = limit(Flask("host"), admin_token=TOKEN, admin_page=False)
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/docs")
    followed = app.test_client().get(path, follow_redirects=True, buffered=True)
    assert (followed.status_code, followed.request.path) == (200, "/admin/docs")


def test_it_leads_there_below_another_prefix_and_mount_point(limit: Callable[..., Flask]) -> None:
    app = limit(Flask("host"), admin_token=TOKEN, url_prefix="/ops/irl")
    answer = app.test_client().get("/ops/irl", environ_overrides={"SCRIPT_NAME": "/shop"})
    assert answer.headers["Location"] == "/shop/ops/irl/page/"
    assert app.test_client().get("/admin").status_code == 404


@pytest.mark.parametrize("path", ["/admin", "/admin/"])
def test_without_both_it_leads_nowhere(limit: Callable[..., Flask], path: str) -> None:
    app = limit(Flask("host"), admin_token=TOKEN, admin_docs=False, admin_page=False)
    assert app.test_client().get(path).status_code == 404


def test_it_counts_against_no_limit(limit: Callable[..., Flask]) -> None:
    app = limit(Flask("host"), admin_token=TOKEN, base_limit=2)
    assert [app.test_client().get("/admin").status_code for _ in range(4)] == [302] * 4


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("rule", "path", "status"),
    [
        ("/admin", "/admin", 200),
        ("/admin", "/admin/", 404),
        ("/admin/", "/admin/", 200),
        ("/admin/", "/admin", 308),
        ("/<path:page>", "/admin", 200),
        ("/<path:page>", "/admin/", 200),
        ("/<page>", "/admin", 200),
        ("/admin/users", "/admin", 404),
        ("/admin/docs", "/admin", 404),
    ],
)
def test_the_prefix_leads_nowhere_where_the_host_has_a_page(
    limit: Callable[..., Flask], rule: str, path: str, status: int, first: bool
) -> None:
    app = Flask("host")
    if first:
        app.add_url_rule(rule, "page", lambda **_: "the host's")
    limit(app, admin_token=TOKEN)
    if not first:
        app.add_url_rule(rule, "page", lambda **_: "the host's")
    app.register_error_handler(NotFound, lambda error: ("the host's 404", 404))
    answer = app.test_client().get(path)
    assert answer.status_code == status
    assert status == 308 or answer.text in ("the host's", "the host's 404")
