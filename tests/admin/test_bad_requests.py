"""Send malformed requests: every response is a problem, none a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask import Flask

from flask_irl.operations import Operations
from tests.admin.api import Caller, make_app, problem_of
from tests.admin.site import CAMPAIGN, KEY, KNOWN, OLDER_MODEL
from tests.operations.worker import Worker, break_store

WITH_BODY = [
    ("PUT", "/admin/limits"),
    ("PUT", "/admin/mode"),
    ("PUT", f"/admin/client/{KNOWN}/override"),
    ("POST", f"/admin/client/{KNOWN}/feedback"),
]
KILOBYTE = 1024


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"mode=off",
        b"{'mode': 'off'}",
        b'{"mode": "off"} x',
        b'{"base_limit": NaN}',
        b'{"base_limit": -Infinity}',
        b'{"base_limit": ' + b"9" * 5000 + b"}",
        b"[" * 60 * KILOBYTE,
        b'{"a":' * 10 * KILOBYTE,
        b"\xff\xfe\x00",
        b"\x00",
    ],
)
def test_a_body_that_is_not_json_is_refused(
    ask: Caller, operations: Operations, method: str, path: str, body: bytes
) -> None:
    response = ask(method, path, data=body, content_type="application/json")
    assert list(problem_of(response, 400)["errors"]) == ["body"]
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_that_is_not_declared_as_json_is_refused(
    ask: Caller, method: str, path: str, content_type: str | None
) -> None:
    body = json.dumps({"mode": "off"})
    problem_of(ask(method, path, data=body, content_type=content_type), 415)


def test_json_may_be_declared_with_a_charset(ask: Caller) -> None:
    response = ask(
        "PUT",
        "/admin/mode",
        data=b'{"mode": "off"}',
        content_type="application/json; charset=utf-8",
    )
    assert response.status_code == 200


@pytest.mark.parametrize(("method", "path"), [*WITH_BODY, ("POST", "/admin/train")])
def test_a_huge_body_is_refused(
    ask: Caller, operations: Operations, method: str, path: str
) -> None:
    body = b" " * (64 * KILOBYTE + 1)
    problem_of(ask(method, path, data=body, content_type="application/json"), 413)
    assert operations.audit.entries() == ([], 0)


def test_a_huge_body_of_unknown_length_is_refused(ask: Caller) -> None:
    class Endless:
        def read(self, size: int = -1) -> bytes:
            return b" " * max(size, KILOBYTE)

    response = ask(
        "PUT",
        "/admin/mode",
        content_type="application/json",
        environ_overrides={
            "wsgi.input": Endless(),
            "wsgi.input_terminated": True,
            "HTTP_TRANSFER_ENCODING": "chunked",
        },
    )
    problem_of(response, 413)


def test_a_lower_limit_of_the_hosts_holds(operations: Operations) -> None:
    app = make_app(operations)
    app.config["MAX_CONTENT_LENGTH"] = 10
    problem_of(Caller(app.test_client())("PUT", "/admin/mode", json={"mode": "shadow"}), 413)


def test_the_hosts_own_routes_keep_its_limit(app: Flask, ask: Caller) -> None:
    @app.post("/upload")
    def upload() -> str:
        from flask import request

        return str(len(request.get_data()))

    ask("GET", "/admin/stats")
    body = b" " * 100 * KILOBYTE
    assert app.test_client().post("/upload", data=body).text == str(len(body))


def known_rules(app: Flask) -> Iterator[tuple[str, set[str]]]:
    """List the paths of the API with their methods."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("irl_admin.") and rule.rule.startswith("/admin/"):
            path = rule.rule.replace("<irl_client:id>", KNOWN)
            path = path.replace("<string:campaign>", CAMPAIGN.id)
            path = path.replace("<string:key>", KEY)
            yield path.replace("<irl_version:version>", str(OLDER_MODEL)), set(rule.methods or ())


def test_a_method_that_is_not_served_is_told_which_are(app: Flask, ask: Caller) -> None:
    served: dict[str, set[str]] = {}
    for path, methods in known_rules(app):
        served.setdefault(path, set()).update(methods)
    assert len(served) == 30
    for path, methods in served.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
            # Slashes belong to ids: this asks for the client "203.0.113.7/override".
            if method == "GET" and path.startswith("/admin/client/"):
                continue
            response = ask(method, path)
            problem_of(response, 405)
            assert methods <= {name.strip() for name in response.headers["Allow"].split(",")}


@pytest.mark.parametrize(
    "path",
    ["/admin/nothing", "/admin/stats/", "/admin/stats/x", "/admin//stats", "/admin/%00"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
def test_what_does_not_exist_is_not_found(ask_as_nobody: Caller, method: str, path: str) -> None:
    problem_of(ask_as_nobody(method, path), 404)


def test_an_error_of_our_own_is_a_problem_and_logged_by_the_host(
    app: Flask, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    app.testing = False
    break_store(worker.store, ZeroDivisionError("a detail for the log"))
    found = problem_of(Caller(app.test_client())("GET", "/admin/stats"), 500)
    assert "a detail for the log" not in json.dumps(found)
    assert "a detail for the log" in caplog.text
