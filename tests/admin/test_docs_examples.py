"""Test what the OpenAPI document tells of plans, API keys and tenants, against real answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from flask import Flask
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from flask_irl import IntelligentLimiter, tenant_by_header
from flask_irl.web.state import state_of
from tests.admin.api import PROBLEM, WRITE, Caller

TENANTS_TOKEN: Final = "token-of-the-tenant-b"
CLIENT: Final = "203.0.113.7"
KEY: Final = "7f3aK9xQ2m"
"""The id in the document's examples."""
ASKED: Final[dict[tuple[str, str, int], tuple[str, str, Any]]] = {
    ("get", "/plans", 200): ("GET", "/plans", None),
    ("put", "/plans", 200): ("PUT", "/plans", {"plans": {"pro": "900/minute;30000/day"}}),
    ("put", "/plans", 422): ("PUT", "/plans", {"default_plan": "gold"}),
    ("get", "/plans/clients", 200): ("GET", "/plans/clients", None),
    ("get", "/plans/clients", 422): ("GET", "/plans/clients?page=0", None),
    ("put", "/client/{id}/plan", 200): ("PUT", f"/client/{CLIENT}/plan", {"plan": "pro"}),
    ("put", "/client/{id}/plan", 422): ("PUT", f"/client/{CLIENT}/plan", {"plan": "gold"}),
    ("delete", "/client/{id}/plan", 200): ("DELETE", f"/client/{CLIENT}/plan", None),
    ("delete", "/client/{id}/plan", 404): ("DELETE", f"/client/{CLIENT}/plan", None),
    ("delete", "/client/{id}/plan", 422): ("DELETE", "/client/203.0.113.0%2F24/plan", None),
    ("get", "/api-keys", 200): ("GET", "/api-keys", None),
    ("get", "/api-keys", 409): ("off", "/api-keys", None),
    ("get", "/api-keys", 422): ("GET", f"/api-keys?prefix={'x' * 101}", None),
    ("post", "/api-keys", 201): ("POST", "/api-keys", {"name": "nightly", "owner": "acme"}),
    ("post", "/api-keys", 409): ("off", "/api-keys", {"name": "n", "owner": "o"}),
    ("post", "/api-keys", 422): ("POST", "/api-keys", {"owner": "acme"}),
    ("get", "/api-keys/{key}", 200): ("GET", "/api-keys/KEY", None),
    ("get", "/api-keys/{key}", 404): ("GET", "/api-keys/0000000000", None),
    ("get", "/api-keys/{key}", 409): ("off", "/api-keys/0000000000", None),
    ("patch", "/api-keys/{key}", 200): ("PATCH", "/api-keys/KEY", {"plan": "pro"}),
    ("patch", "/api-keys/{key}", 404): ("PATCH", "/api-keys/0000000000", {"plan": "pro"}),
    ("patch", "/api-keys/{key}", 409): ("PATCH", "/api-keys/REVOKED", {"plan": "pro"}),
    ("patch", "/api-keys/{key}", 422): ("PATCH", "/api-keys/KEY", {}),
    ("post", "/api-keys/{key}/rotate", 200): ("POST", "/api-keys/KEY/rotate", None),
    ("post", "/api-keys/{key}/rotate", 404): ("POST", "/api-keys/0000000000/rotate", None),
    ("post", "/api-keys/{key}/rotate", 409): ("POST", "/api-keys/REVOKED/rotate", None),
    ("post", "/api-keys/{key}/rotate", 422): (
        "POST",
        "/api-keys/KEY/rotate",
        {"grace_seconds": "a day"},
    ),
    ("post", "/api-keys/{key}/revoke", 200): ("POST", "/api-keys/REVOKED/revoke", None),
    ("post", "/api-keys/{key}/revoke", 404): ("POST", "/api-keys/0000000000/revoke", None),
    ("post", "/api-keys/{key}/revoke", 409): ("off", "/api-keys/0000000000/revoke", None),
    ("post", "/api-keys/{key}/revoke", 422): ("POST", "/api-keys/KEY/revoke", {"why": "x"}),
    ("get", "/tenants", 200): ("GET", "/tenants", None),
    ("get", "/tenants", 403): ("tenant", "/tenants?tenant=a", None),
}
"""A request for each example of an operation's own."""


class Site:
    """An app with plans, API keys and tenants, and one without API keys."""

    def __init__(self) -> None:
        self._apps = [Flask("site"), Flask("off")]
        common: dict[str, Any] = {
            "storage_uri": "memory://",
            "background": False,
            "admin_token": WRITE,
        }
        IntelligentLimiter(
            self._apps[0],
            plans={"free": "60/minute", "pro": "600/minute;20000/day"},
            default_plan="free",
            api_keys=True,
            api_key_secret="a secret of the tests",
            tenant_of=tenant_by_header("X-Tenant", known=["a", "b"]),
            tenants={
                "a": {},
                "b": {"admin_tokens": {"ops": {"token": TENANTS_TOKEN, "scope": "read"}}},
            },
            **common,
        )
        IntelligentLimiter(self._apps[1], **common)
        own, off = (app.test_client() for app in self._apps)
        self.callers = {"": Caller(own), "off": Caller(off), "tenant": Caller(own, TENANTS_TOKEN)}
        self.document: dict[str, Any] = self.callers[""]("GET", "/admin/openapi.json").json
        issued = [self._issue() for _ in range(2)]
        self.key, self.revoked = (each["id"] for each in issued)
        self.ask("POST", "/api-keys/REVOKED/revoke", None)

    def _issue(self) -> Any:
        body = {"name": "n", "owner": "o"}
        return self.callers[""]("POST", "/admin/api-keys", json=body).json

    def ask(self, method: str, path: str, body: Any) -> Any:
        """Send a request, ``off`` to the app without API keys, ``tenant`` by a tenant's token."""
        caller = self.callers.get(method, self.callers[""])
        if method in self.callers:
            method = "POST" if path.endswith("/revoke") or body else "GET"
        path = path.replace("KEY", self.key).replace("REVOKED", self.revoked)
        return caller(method, f"/admin{path}", **({} if body is None else {"json": body}))

    def close(self) -> None:
        for app in self._apps:
            state_of(app).close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def own_operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """List the operations on plans, API keys and tenants."""
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            tags = item[method]["tags"]
            if {"plans", "api-keys"} & set(tags) or path == "/admin/tenants":
                yield method, path.removeprefix("/admin"), item[method]


def example_of(document: dict[str, Any], operation: dict[str, Any], status: int) -> Any:
    """Give the example of an operation's answer, and its schema with all that it refers to."""
    response = operation["responses"][str(status)]
    content = response["content"]["application/json" if status < 400 else PROBLEM]
    return content["example"], {**content["schema"], "components": document["components"]}


def test_each_operation_has_a_summary_a_description_and_examples(site: Site) -> None:
    examples = set()
    for method, path, operation in own_operations(site.document):
        assert operation["summary"]
        assert operation["description"]
        if "requestBody" in operation:
            [content] = operation["requestBody"]["content"].values()
            assert content["example"]
        for status, response in operation["responses"].items():
            if "$ref" not in response:
                examples.add((method, path, int(status)))
    assert examples == ASKED.keys()


def test_an_example_of_an_answer_is_one_by_its_schema_and_whole(site: Site) -> None:
    for method, path, operation in own_operations(site.document):
        status = next(int(each) for each in operation["responses"] if each < "300")
        example, schema = example_of(site.document, operation, status)
        Draft202012Validator(schema).validate(example)
        answer = site.ask(*ASKED[method, path, 200 if status == 200 else status])
        if path == "/client/{id}/plan" and method == "delete":
            site.ask(*ASKED["put", path, 200])
            answer = site.ask(*ASKED[method, path, 200])
        assert answer.status_code == status, answer.text
        Draft202012Validator(schema).validate(answer.json)
        assert example.keys() == answer.json.keys()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [key for key in ASKED if key[2] >= 400],
    ids=[f"{method} {path} {status}" for method, path, status in ASKED if status >= 400],
)
def test_an_example_of_an_error_is_what_is_answered(
    site: Site, method: str, path: str, status: int
) -> None:
    operations = {(m, p): operation for m, p, operation in own_operations(site.document)}
    example, schema = example_of(site.document, operations[method, path], status)
    Draft202012Validator(schema).validate(example)
    answer = site.ask(*ASKED[method, path, status])
    assert answer.status_code == status, answer.text
    assert json.loads(answer.text.replace(site.revoked, KEY)) == example
