"""Mount the admin API in a host app: both work, and the host's side stays as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, NoReturn

import flask_smorest
import marshmallow
import pytest
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound

from flask_irl.admin import register
from flask_irl.errors import ConfigurationError
from flask_irl.operations import Operations
from tests.admin.api import TOKENS, Caller, make_app, problem_of
from tests.admin.site import make_worker


class ThingSchema(marshmallow.Schema):
    """Describe a thing of the host's API."""

    name = marshmallow.fields.String(required=True)


def add_host_api(app: Flask) -> None:
    """Give an app a flask-smorest API of its own."""
    app.config.update(
        API_TITLE="Host",
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.2",
        OPENAPI_URL_PREFIX="/",
    )
    api = flask_smorest.Api(app)
    things = flask_smorest.Blueprint("things", "things", url_prefix="/things")

    def add_thing(thing: dict[str, Any]) -> dict[str, Any]:
        return thing

    view = things.arguments(ThingSchema)(things.response(201, ThingSchema)(add_thing))
    things.add_url_rule("/", "add_thing", view, methods=["POST"])
    api.register_blueprint(things)


def check_both(app: Flask) -> None:
    ask = Caller(app.test_client())
    assert ask("POST", "/things/", json={"name": "x"}).status_code == 201
    refused = ask("POST", "/things/", json={})
    assert refused.status_code == 422
    assert refused.json["status"] == "Unprocessable Entity"
    assert ask("GET", "/nothing").json == {"code": 404, "status": "Not Found"}
    assert list(ask("GET", "/openapi.json").json["paths"]) == ["/things/"]
    assert ask("GET", "/admin/stats").status_code == 200
    problem_of(ask("PUT", "/admin/mode", json={}), 422)
    problem_of(ask("GET", "/admin/nothing"), 404)
    paths = ask("GET", "/admin/openapi.json").json["paths"]
    assert "/admin/stats" in paths and "/things/" not in paths


def test_after_the_hosts_own_api(operations: Operations) -> None:
    app = Flask("host")
    add_host_api(app)
    register(app, operations=operations, tokens=TOKENS)
    check_both(app)


def test_before_the_hosts_own_api(operations: Operations) -> None:
    app = Flask("host")
    register(app, operations=operations, tokens=TOKENS)
    add_host_api(app)
    check_both(app)


def test_the_hosts_html_errors_stay_html(app: Flask) -> None:
    @app.get("/here")
    def here() -> str:
        return ""

    @app.get("/broken")
    def broken() -> str:
        raise InternalServerError

    client = app.test_client()
    for response, status in [
        (client.get("/nothing"), 404),
        (client.post("/here"), 405),
        (client.get("/broken"), 500),
        (client.get("/administration"), 404),
    ]:
        assert (response.status_code, response.mimetype) == (status, "text/html")


def test_the_hosts_handlers_are_not_asked_about_the_api(
    app: Flask, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Exception] = []

    def set_limits(*_: object) -> NoReturn:
        raise ConfigurationError("base_limit is 666, which is not allowed: give another")

    monkeypatch.setattr(operations.site, "set_limits", set_limits)

    def handle(error: Exception) -> tuple[str, int]:
        asked.append(error)
        return "the host's", 200

    for kind in (404, 405, 422, 500, HTTPException, Exception, ConfigurationError):
        app.register_error_handler(kind, handle)
    ask = Caller(app.test_client())
    problem_of(ask("GET", "/admin/client/unknown"), 404)
    problem_of(ask("GET", "/admin/nothing"), 404)
    problem_of(ask("PATCH", "/admin/stats"), 405)
    problem_of(ask("PUT", "/admin/mode", json={}), 422)
    problem_of(ask("PUT", "/admin/limits", json={"base_limit": 666}), 422)
    problem_of(ask("GET", "/admin/docs/nothing"), 404)
    assert asked == []
    assert app.test_client().get("/nothing").text == "the host's"
    assert isinstance(asked[0], NotFound)


def test_a_hosts_page_below_the_same_prefix_is_served(app: Flask) -> None:
    @app.get("/admin/users")
    def users() -> str:
        return "users"

    @app.get("/admin/users/<name>/")
    def user(name: str) -> str:
        return name

    client = app.test_client()
    assert client.get("/admin/users").text == "users"
    assert client.get("/admin/users/ada", follow_redirects=True).text == "ada"


def test_a_hosts_catch_all_does_not_swallow_the_api(app: Flask) -> None:
    @app.route("/<path:path>", methods=["GET", "POST"])
    def everything(path: str) -> str:
        return "a page"

    ask = Caller(app.test_client())
    assert ask("GET", "/admin/stats").json["mode"] == "enforce"
    problem_of(ask("DELETE", "/admin/stats"), 405)
    assert ask("GET", "/elsewhere").text == "a page"


def test_the_hosts_commands_stay_as_they_were(operations: Operations) -> None:
    app = Flask("host")

    @app.cli.command("openapi")
    def own() -> None: ...

    register(app, operations=operations, tokens=TOKENS)
    assert app.cli.commands["openapi"] is own
    assert "openapi" not in make_app(operations).cli.commands


class Wrapping(DefaultJSONProvider):
    """Wrap all JSON of a host in one form."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps({"data": obj}, **kwargs)


def test_the_hosts_own_json_changes_none_of_the_answers(app: Flask) -> None:
    app.json = Wrapping(app)

    @app.get("/thing")
    def thing() -> dict[str, int]:
        return {"number": 1}

    ask = Caller(app.test_client())
    assert json.loads(ask("GET", "/thing").data) == {"data": {"number": 1}}
    assert json.loads(ask("GET", "/admin/mode").data) == {"mode": "enforce"}
    assert "data" not in json.loads(ask("GET", "/admin/openapi.json").data)


def test_two_apps_of_one_process_keep_apart() -> None:
    first, second = make_worker(), make_worker()
    ask_first = Caller(make_app(first.operations).test_client())
    ask_second = Caller(make_app(second.operations, url_prefix="/ops").test_client())
    ask_first("PUT", "/admin/mode", json={"mode": "off"})
    assert ask_second("GET", "/ops/mode").json == {"mode": "enforce"}
    assert ask_first("GET", "/ops/mode").status_code == 404


def test_an_app_takes_it_once(app: Flask, operations: Operations) -> None:
    with pytest.raises(RuntimeError, match="already"):
        register(app, operations=operations, tokens=TOKENS)


@pytest.mark.parametrize("prefix", ["", "/", "admin", "/<name>", '/a"b', "/a\\b"])
def test_a_prefix_must_be_a_path(operations: Operations, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="url_prefix"):
        register(Flask("host"), operations=operations, url_prefix=prefix)


def test_another_prefix_holds_for_all_of_it(operations: Operations) -> None:
    ask = Caller(make_app(operations, url_prefix="/ops/irl/").test_client())
    assert ask("GET", "/ops/irl/stats").status_code == 200
    assert "/ops/irl/stats" in ask("GET", "/ops/irl/openapi.json").json["paths"]
    assert ask("GET", "/ops/irl/docs").status_code == 200
    problem_of(ask("GET", "/ops/irl/nothing"), 404)
    assert ask("GET", "/admin/stats").status_code == 404


def test_the_blueprints_are_returned_for_exemption(operations: Operations) -> None:
    app = Flask("host")
    blueprints = register(app, operations=operations, tokens=TOKENS)
    assert set(blueprints) == set(app.blueprints.values()) != set()


def test_the_private_methods_that_keep_smorest_off_the_host_exist() -> None:
    for name in ("_register_error_handlers", "_init_spec", "_register_responses"):
        assert callable(getattr(flask_smorest.Api, name))


def test_importing_the_package_takes_none_of_the_extras() -> None:
    code = (
        "import sys, flask_irl.admin, flask_irl.admin.tokens\n"
        "print(sorted({'flask_smorest', 'flask_swagger_ui', 'apispec'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
