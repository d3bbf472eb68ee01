"""Test the OpenAPI document and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from flask_irl.operations import Operations
from tests.admin.api import READ, WRITE, Caller, make_app, problem_of
from tests.admin.site import CAMPAIGN, KEY, KNOWN, MODEL

OPERATIONS = {
    ("get", "/admin/stats"),
    ("get", "/admin/status"),
    ("get", "/admin/limits"),
    ("put", "/admin/limits"),
    ("get", "/admin/plans"),
    ("put", "/admin/plans"),
    ("get", "/admin/plans/clients"),
    ("get", "/admin/mode"),
    ("put", "/admin/mode"),
    ("get", "/admin/audit"),
    ("get", "/admin/tenants"),
    ("get", "/admin/campaigns"),
    ("get", "/admin/history"),
    ("get", "/admin/incidents"),
    ("get", "/admin/report"),
    ("post", "/admin/campaigns/{campaign}/end"),
    ("get", "/admin/api-keys"),
    ("post", "/admin/api-keys"),
    ("get", "/admin/api-keys/{key}"),
    ("patch", "/admin/api-keys/{key}"),
    ("post", "/admin/api-keys/{key}/rotate"),
    ("post", "/admin/api-keys/{key}/revoke"),
    ("get", "/admin/clients"),
    ("get", "/admin/client/{id}"),
    ("get", "/admin/course/{id}"),
    ("put", "/admin/client/{id}/override"),
    ("delete", "/admin/client/{id}/override"),
    ("put", "/admin/client/{id}/plan"),
    ("delete", "/admin/client/{id}/plan"),
    ("post", "/admin/client/{id}/feedback"),
    ("post", "/admin/reset/{id}"),
    ("post", "/admin/train"),
    ("get", "/admin/model-info"),
    ("get", "/admin/models"),
    ("post", "/admin/models/{version}/rollback"),
    ("post", "/admin/models/{version}/activate"),
    ("post", "/admin/models/unpin"),
}


@pytest.fixture
def document(ask_as_nobody: Caller) -> dict[str, Any]:
    """Give the OpenAPI document, as served to anybody."""
    found: dict[str, Any] = ask_as_nobody("GET", "/admin/openapi.json").json
    return found


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """List method, path and description of each operation."""
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "put", "post", "delete", "patch"}:
            yield method, path, item[method]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    errors = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert errors == []


def test_every_operation_is_in_it(document: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in operations_of(document)} == OPERATIONS


def test_every_operation_says_what_it_does_answers_and_may_refuse(
    document: dict[str, Any],
) -> None:
    for method, path, operation in operations_of(document):
        assert operation["summary"], (method, path)
        good = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
        assert [list(answer["content"]) for answer in good] == [["application/json"]]
        expected = {"401", "403", "429", "503"}
        expected |= {"400", "413", "415", "422"} if "requestBody" in operation else set()
        expected |= {"404"} if "{" in path and method != "put" else set()
        assert expected <= operation["responses"].keys(), (method, path)


def test_errors_are_described_as_problems(document: dict[str, Any]) -> None:
    answers = document["components"]["responses"]
    assert answers
    for answer in answers.values():
        assert list(answer["content"]) == ["application/problem+json"]
        assert answer["content"]["application/problem+json"]["schema"] == {
            "$ref": "#/components/schemas/Problem"
        }


def test_every_member_of_every_body_is_described(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for member, described in schema["properties"].items():
            assert described.get("description"), (name, member)


def test_the_token_is_declared_and_demanded(document: dict[str, Any]) -> None:
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == [{"bearer": []}]


def test_with_the_hosts_login_no_token_is_demanded(operations: Operations) -> None:
    app = make_app(operations, authorize=lambda scope: "ada")
    document = Caller(app.test_client(), None)("GET", "/admin/openapi.json").json
    assert "security" not in document
    assert "securitySchemes" not in document["components"]


def test_where_the_app_is_mounted_is_where_its_paths_begin(ask_as_nobody: Caller) -> None:
    path = "/admin/openapi.json"
    assert ask_as_nobody("GET", path).json["servers"] == [{"url": "/"}]
    mounted = ask_as_nobody("GET", path, environ_overrides={"SCRIPT_NAME": "/shop"})
    assert mounted.json["servers"] == [{"url": "/shop"}]


def test_the_page_and_its_files_need_no_token_and_no_other_host(ask_as_nobody: Caller) -> None:
    page = ask_as_nobody("GET", "/admin/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) >= 5
    for address in addresses:
        assert "//" not in address
        response = ask_as_nobody("GET", f"/admin/{address}")
        assert (response.status_code, len(response.data) > 0) == (200, True), address


def test_the_page_runs_nothing_that_is_not_ours(ask_as_nobody: Caller) -> None:
    response = ask_as_nobody("GET", "/admin/docs")
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" not in response.text


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "index.html",
        "docs.html",
        "../tokens.py",
        "..%2Ftokens.py",
        "oauth2-redirect.html",
    ],
)
def test_no_other_file_is_served(ask: Caller, name: str) -> None:
    problem_of(ask("GET", f"/admin/docs/{name}"), 404)


def test_the_documentation_holds_no_secrets(ask_as_nobody: Caller) -> None:
    for path in ("openapi.json", "docs", "docs/docs.js"):
        text = ask_as_nobody("GET", f"/admin/{path}").text
        assert WRITE not in text and READ not in text


@pytest.mark.parametrize("path", ["openapi.json", "docs", "docs/docs.js", "docs/swagger-ui.css"])
def test_it_can_be_left_out(operations: Operations, path: str) -> None:
    client = make_app(operations, docs=False).test_client()
    problem_of(Caller(client, None)("GET", f"/admin/{path}"), 404)
    assert Caller(client)("GET", "/admin/stats").status_code == 200


BODIES = {
    ("put", "/admin/limits"),
    ("put", "/admin/plans"),
    ("put", "/admin/client/{id}/plan"),
    ("put", "/admin/mode"),
    ("put", "/admin/client/{id}/override"),
    ("post", "/admin/client/{id}/feedback"),
    ("post", "/admin/models/{version}/rollback"),
    ("post", "/admin/campaigns/{campaign}/end"),
    ("post", "/admin/api-keys"),
    ("patch", "/admin/api-keys/{key}"),
    ("post", "/admin/api-keys/{key}/rotate"),
    ("post", "/admin/api-keys/{key}/revoke"),
}


def test_every_example_of_a_body_may_be_sent_as_it_stands(
    document: dict[str, Any], ask: Caller
) -> None:
    tried = set()
    for method, path, operation in operations_of(document):
        if "requestBody" in operation:
            example = operation["requestBody"]["content"]["application/json"]["example"]
            path_of = path.format(id=KNOWN, version=MODEL, campaign=CAMPAIGN.id, key=KEY)
            response = ask(method, path_of, json=example)
            assert response.status_code in (200, 201), response.text
            tried.add((method, path))
    assert tried == BODIES


def test_every_error_has_an_example_of_its_own(document: dict[str, Any]) -> None:
    for name, response in document["components"]["responses"].items():
        example = response["content"]["application/problem+json"]["example"]
        assert HTTPStatus(example["status"]).name == name
        assert example["title"] == HTTPStatus(example["status"]).phrase
        assert ("errors" in example) is (example["status"] in (400, 422))
