"""Walk through the rules of an app with the admin API, as other extensions do: none stumbles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flasgger import Swagger
from flask import Flask
from flask.cli import routes_command

from flask_irl.admin import register
from flask_irl.operations import Operations
from tests.admin.api import TOKENS, Caller, problem_of

Make = Callable[[Operations, bool], Flask]


def with_flasgger(operations: Operations, ours_first: bool) -> Flask:
    app = Flask("host")
    if ours_first:
        register(app, operations=operations, tokens=TOKENS)
    Swagger(app)

    @app.get("/thing")
    def thing() -> str:
        """Show the thing
        ---
        responses: {200: {description: It is shown.}}
        """
        return "thing"

    if not ours_first:
        register(app, operations=operations, tokens=TOKENS)
    return app


def with_apiflask(operations: Operations, ours_first: bool) -> Flask:
    app: Flask = APIFlask("host")
    if ours_first:
        register(app, operations=operations, tokens=TOKENS)

    @app.get("/thing")
    def thing() -> dict[str, str]:
        return {"name": "thing"}

    if not ours_first:
        register(app, operations=operations, tokens=TOKENS)
    return app


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize(
    ("make", "path"), [(with_flasgger, "/apispec_1.json"), (with_apiflask, "/openapi.json")]
)
def test_the_hosts_document_has_the_hosts_paths_alone(
    operations: Operations, make: Make, path: str, ours_first: bool
) -> None:
    app = make(operations, ours_first)
    answer: Any = app.test_client().get(path)
    assert answer.status_code == 200
    assert list(answer.json["paths"]) == ["/thing"]


def test_every_rule_has_methods(app: Flask) -> None:
    assert [rule.rule for rule in app.url_map.iter_rules() if not rule.methods] == []


def test_flask_lists_its_routes(app: Flask) -> None:
    result = app.test_cli_runner().invoke(routes_command, ["--all-methods"])
    assert result.exit_code == 0
    assert "irl_admin.unknown" in result.output


def test_any_method_below_the_prefix_is_answered(ask: Caller) -> None:
    problem_of(ask("PROPFIND", "/admin/zzz"), 404)
    problem_of(ask("OPTIONS", "/admin/zzz"), 404)
    refused = ask("DELETE", "/admin/stats")
    problem_of(refused, 405)
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_the_allow_of_a_hosts_page_below_the_prefix_is_its_own(app: Flask) -> None:
    @app.get("/admin/users")
    def users() -> str:
        return "users"

    client = app.test_client()
    for allow in (client.options("/admin/users").allow, client.post("/admin/users").allow):
        assert set(allow) == {"GET", "HEAD", "OPTIONS"}
