"""Test the endpoints on API keys beyond what the documentation's own tests try."""

from __future__ import annotations

from typing import Any

import pytest

from flask_irl.api_keys.text import id_in
from flask_irl.operations import Operations
from flask_irl.stores.memory.store import MemoryStore
from tests.admin.api import Caller, make_app, problem_of
from tests.admin.site import KEY
from tests.operations.worker import Worker


def test_a_key_is_issued_rotated_and_revoked(ask: Caller) -> None:
    body = {"name": "nightly", "owner": "acme", "expires_at": "2999-01-01T02:00:00+02:00"}
    issued = ask("POST", "/admin/api-keys", json=body)
    assert issued.status_code == 201
    assert issued.headers["Cache-Control"] == "no-store"
    key = issued.json
    assert id_in(key["key"]) == key["id"]
    assert key["expires_at"] == "2999-01-01T00:00:00Z"
    path = f"/admin/api-keys/{key['prefix']}"
    assert "key" not in ask("GET", path).json
    rotated = ask("POST", f"{path}/rotate", json={"grace_seconds": 0}).json
    assert id_in(rotated["key"]) == key["id"]
    assert ask("POST", f"{path}/revoke").json["state"] == "revoked"
    problem_of(ask("POST", f"{path}/rotate"), 409)
    problem_of(ask("PATCH", path, json={"name": "x"}), 409)


def test_keys_are_listed_in_pages(ask: Caller) -> None:
    for number in range(5):
        ask("POST", "/admin/api-keys", json={"name": f"n{number}", "owner": "globex"})
    page: dict[str, Any] = ask("GET", "/admin/api-keys?owner=globex&page=2&page_size=2").json
    assert (len(page["api_keys"]), page["total"], page["page"]) == (2, 5, 2)
    assert "key" not in page["api_keys"][0]


@pytest.mark.parametrize(
    "body",
    [
        {"owner": "o"},
        {"name": "", "owner": "o"},
        {"name": "n", "owner": "a\nb"},
        {"name": "n", "owner": "o", "scopes": ["a b"]},
        {"name": "n", "owner": "o", "scopes": ["a"] * 33},
        {"name": "n", "owner": "o", "expires_at": "2999-01-01T00:00:00"},
        {"name": "n", "owner": "o", "expires_at": 5},
        {"name": "n", "owner": "o", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "n", "owner": "o", "environment": "prod"},
        {"name": "n", "owner": "o", "key": "irl_live_x"},
        {"name": "n", "owner": "o", "plan": "gold"},
    ],
)
def test_a_wrong_value_is_refused(ask: Caller, body: dict[str, Any]) -> None:
    problem_of(ask("POST", "/admin/api-keys", json=body), 422)


def test_a_plan_that_there_is_not_is_told_by_its_name(ask: Caller) -> None:
    for method, path in (("POST", "/admin/api-keys"), ("PATCH", f"/admin/api-keys/{KEY}")):
        body = {"name": "n", "owner": "o", "plan": "gold"}
        assert "no plan" in problem_of(ask(method, path, json=body), 422)["errors"]["plan"][0]


def test_a_token_that_may_read_issues_nothing(ask_reading: Caller) -> None:
    assert ask_reading("GET", f"/admin/api-keys/{KEY}").status_code == 200
    body = {"name": "n", "owner": "o"}
    problem_of(ask_reading("POST", "/admin/api-keys", json=body), 403)
    problem_of(ask_reading("POST", f"/admin/api-keys/{KEY}/rotate"), 403)


@pytest.mark.parametrize("key", ["0000000000", "%00", "irl_live_", "x" * 500])
def test_a_key_that_there_is_not_is_not_found(ask: Caller, key: str) -> None:
    problem_of(ask("GET", f"/admin/api-keys/{key}"), 404)
    problem_of(ask("POST", f"/admin/api-keys/{key}/revoke"), 404)


def test_an_app_without_api_keys_says_so() -> None:
    operations: Operations = Worker(MemoryStore(), {}).operations
    ask = Caller(make_app(operations).test_client())
    assert "IRL_API_KEYS" in problem_of(ask("GET", "/admin/api-keys"), 409)["detail"]
