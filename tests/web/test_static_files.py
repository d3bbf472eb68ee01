"""Static files aren't limited; what isn't there is a request that no route matches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, Response

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from tests.recorder import Recorder

LIMIT = 5


class Site:
    """A site with a file ``there.css``, at the root or below a blueprint."""

    def __init__(self, app: Flask, where: str, **options: Any) -> None:
        self.app = app
        self.where = where
        self.listener = Recorder()
        self.limiter = IntelligentLimiter(
            app, base_limit=LIMIT, background=False, listener=self.listener, **options
        )
        app.add_url_rule("/page", "page", lambda: "hello")

    def ask(self, path: str, method: str = "GET") -> int:
        return self.app.test_client().open(path, method=method, buffered=True).status_code

    def get(self, name: str) -> int:
        return self.ask(f"{self.where}/{name}")


def at_the_root(folder: Path) -> Site:
    return Site(Flask("site", static_folder=folder, static_url_path=""), "")


def below_static(folder: Path) -> Site:
    return Site(Flask("site", static_folder=folder, static_url_path="/static"), "/static")


def of_a_blueprint(folder: Path) -> Site:
    app = Flask("site", static_folder=None)
    shop = Blueprint("shop", "shop", static_folder=folder, static_url_path="/assets")
    app.register_blueprint(shop, url_prefix="/shop")
    return Site(app, "/shop/assets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file, in one more folder, too."""
    (tmp_path / "deep").mkdir()
    for name in ("there.css", "deep/there.css"):
        (tmp_path / name).write_text("a {}")
    return tmp_path


BUILDS = [at_the_root, below_static, of_a_blueprint]


@pytest.fixture(params=BUILDS)
def site(request: pytest.FixtureRequest, folder: Path) -> Iterator[Site]:
    """A site with static files in each of the places where Flask has them."""
    made = request.param(folder)
    yield made
    state_of(made.app).limiter.close()


def test_who_asks_for_files_that_are_not_there_is_refused(site: Site) -> None:
    statuses = [site.get(f"unknown-{number}.php") for number in range(LIMIT + 3)]
    assert statuses == [404] * LIMIT + [429] * 3
    assert site.ask("/page") == 429


def test_it_is_learned_from_as_unmatched(site: Site) -> None:
    site.get("unknown.php")
    site.get("deep")
    assert site.listener.decided_on == ["unmatched"] * 2
    assert state_of(site.app).limiter.flush() == 2


def test_files_that_are_there_are_never_limited(site: Site) -> None:
    for number in range(LIMIT + 1):
        site.get(f"unknown-{number}.php")
    assert [site.get(name) for name in ("there.css", "deep/there.css")] == [200, 200]
    assert len(site.listener.exempt) == 2


def test_a_file_that_comes_to_be_there_is_served(site: Site, folder: Path) -> None:
    for _ in range(LIMIT + 1):
        site.get("later.css")
    (folder / "later.css").write_text("b {}")
    assert site.get("later.css") == 200


def test_ways_out_of_the_folder_are_unmatched_too(site: Site) -> None:
    assert site.get("..%2f..%2fetc%2fpasswd") == 404
    assert site.get("%00") == 404
    assert site.listener.decided_on == ["unmatched"] * 2
    assert site.listener.swallowed_at == []


class Elsewhere(Flask):
    """An app that keeps its files in a way of its own."""

    def send_static_file(self, filename: str) -> Response:
        if filename == "stored.css":
            return Response("a {}")
        return super().send_static_file(filename)


def wrapped_view(folder: Path) -> Flask:
    """An app whose pages are drawn by one page where there is no file."""
    app = Flask("site", static_folder=folder, static_url_path="")
    inner: Callable[..., Any] = app.view_functions["static"]

    def page_or_file(filename: str) -> Any:
        return "a page" if "." not in filename else inner(filename=filename)

    app.view_functions["static"] = page_or_file
    return app


@pytest.mark.parametrize(
    ("build", "served"),
    [
        (lambda folder: Elsewhere("site", static_folder=folder, static_url_path=""), "stored.css"),
        (wrapped_view, "orders"),
    ],
)
def test_where_the_app_serves_in_its_own_way_the_answer_tells(
    build: Callable[[Path], Flask], served: str, folder: Path
) -> None:
    site = Site(build(folder), "")
    assert [site.get(served) for _ in range(LIMIT + 1)] == [200] * (LIMIT + 1)
    assert {site.get(f"unknown-{number}.php") for number in range(LIMIT)} == {404}
    assert site.listener.decided_on == ["unmatched"] * LIMIT
    assert site.ask("/page") == 429
    assert site.get("there.css") == 200
    state_of(site.app).limiter.close()


def test_who_is_not_limited_is_not_counted_for_files_that_are_not_there(folder: Path) -> None:
    def app() -> Flask:
        return Elsewhere("site", static_folder=folder, static_url_path="")

    listed, filtered = Site(app(), "", allow=["127.0.0.1"]), Site(app(), "")
    filtered.limiter.request_filter(lambda: True)
    for site in (listed, filtered):
        assert site.get("unknown.php") == 404
        assert site.listener.decided_on == []
        state_of(site.app).limiter.close()
