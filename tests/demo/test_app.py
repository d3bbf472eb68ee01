"""The demo app: its routes, what bad input gets, who a client is, its metrics."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from demo_app import create_app
from demo_app.catalogue import LAST, ON_SALE, PAGE_LENGTH, PAGES
from demo_app.keys import SECRET, issue_key
from demo_app.views import MAX_VALUES, PASSWORD
from flask_irl import ConfigurationError
from flask_irl.web.state import state_of

LIMITED = [
    ("GET", "/", None),
    ("GET", "/api/data", None),
    ("GET", f"/api/items/{ON_SALE[0]}", None),
    ("POST", "/api/process", {"values": [1]}),
    ("GET", "/api/heavy-operation", None),
    ("POST", "/login", {"user": "ada", "password": PASSWORD}),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "BASE_LIMIT", "WINDOW_SECONDS", "TRUSTED_PROXIES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def app() -> Iterator[Flask]:
    made = create_app({"IRL_BACKGROUND": False})
    yield made
    state_of(made).limiter.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(("method", "path", "body"), LIMITED)
def test_a_limited_route_answers_and_shows_its_limit(
    client: FlaskClient, method: str, path: str, body: Any
) -> None:
    answer = client.open(path, method=method, json=body)
    assert answer.status_code == 200
    assert int(answer.headers["X-RateLimit-Remaining"]) >= 0


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_health_and_metrics_are_not_limited(path: str) -> None:
    client = create_app({"IRL_BACKGROUND": False, "IRL_BASE_LIMIT": 1}).test_client()
    answers = [client.get(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "X-RateLimit-Limit" not in answers[0].headers


def test_all_limited_routes_share_the_clients_limit() -> None:
    client = create_app({"IRL_BACKGROUND": False, "IRL_BASE_LIMIT": 2}).test_client()
    statuses = [client.get(path).status_code for path in ("/", "/api/data", "/nowhere")]
    assert statuses == [200, 200, 429]


def test_the_expensive_route_has_a_limit_of_its_own(client: FlaskClient) -> None:
    statuses = [client.get("/api/heavy-operation").status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert client.get("/api/data").status_code == 200


def test_health_says_only_whether_the_store_answers(app: Flask, client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "ok"}
    breaker = state_of(app).limiter.breaker
    while not breaker.is_open:
        breaker.failure(ConnectionError("refused"))
    answer = client.get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "degraded"})


def test_a_page_lists_what_is_on_sale(client: FlaskClient) -> None:
    answer: Any = client.get("/api/data?page=2").json
    numbers = [item["id"] for item in answer["items"]]
    assert numbers == list(ON_SALE[PAGE_LENGTH : 2 * PAGE_LENGTH])


def test_the_last_page_is_not_empty(client: FlaskClient) -> None:
    answer: Any = client.get(f"/api/data?page={PAGES}").json
    assert answer["items"][-1]["id"] == ON_SALE[-1]


@pytest.mark.parametrize("page", ["0", "-1", str(PAGES + 1), "x", "1.5", "", "9" * 5000, "٣", "1 "])
def test_a_page_that_is_not_there_is_a_400(client: FlaskClient, page: str) -> None:
    answer = client.get("/api/data", query_string={"page": page})
    assert answer.status_code == 400
    assert str(PAGES) in answer.json["detail"]  # type: ignore[index]


@pytest.mark.parametrize("number", ["0", str(LAST + 1), "9" * 400])
def test_an_item_that_is_not_there_is_a_404(client: FlaskClient, number: str) -> None:
    assert client.get(f"/api/items/{number}").status_code == 404


def test_process_computes(client: FlaskClient) -> None:
    answer = client.post("/api/process", json={"values": [1, 2.5, -0.5]})
    assert answer.json == {"count": 3, "sum": 3.0, "mean": 1.0}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[1, 2]",
        b"[" * 60_000,
        b"{}",
        b'{"values": []}',
        b'{"values": "1, 2"}',
        b'{"values": [true]}',
        b'{"values": ["1"]}',
        b'{"values": [NaN]}',
        b'{"values": [Infinity]}',
        b'{"values": [1e308, 1e308]}',
        b'{"values": [' + b"9" * 4000 + b"]}",
        b'{"values": [' + b"9" * 5000 + b"]}",
        json.dumps({"values": [1] * (MAX_VALUES + 1)}).encode(),
    ],
)
def test_process_answers_bad_bodies_with_a_400_in_json(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/api/process", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["error"] == "Bad Request"  # type: ignore[index]


def test_json_is_read_whatever_type_the_client_says_that_it_is(client: FlaskClient) -> None:
    # What curl -d sends.
    form = "application/x-www-form-urlencoded"
    answer = client.post("/api/process", data=b'{"values": [2]}', content_type=form)
    assert answer.status_code == 200


def test_a_body_that_is_too_large_is_a_413(client: FlaskClient) -> None:
    answer = client.post("/api/process", data=b" " * 70_000)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"user": "ada", "password": PASSWORD}, 200),
        ({"user": "ada", "password": "hunter2"}, 401),
        ({"user": "ada", "password": "\ud800"}, 401),
        ({"user": "ada"}, 400),
        ({"user": "", "password": PASSWORD}, 400),
        ({"user": 7, "password": PASSWORD}, 400),
        ({"user": "ada", "password": "x" * 101}, 400),
        ([], 400),
    ],
)
def test_login(client: FlaskClient, sent: Any, status: int) -> None:
    assert client.post("/login", json=sent).status_code == status


def test_a_refusal_keeps_its_own_body() -> None:
    client = create_app({"IRL_BACKGROUND": False, "IRL_BASE_LIMIT": 1}).test_client()
    client.get("/")
    answer = client.get("/")
    assert answer.status_code == 429
    assert answer.json["detail"]["is_anomalous"] is False  # type: ignore[index]


def test_other_errors_are_json_and_keep_their_headers(client: FlaskClient) -> None:
    answer = client.delete("/api/data")
    assert answer.status_code == 405
    assert answer.is_json
    assert "GET" in answer.headers["Allow"]


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_LIMIT", "7")
    client = create_app({"IRL_BACKGROUND": False}).test_client()
    assert client.get("/").headers["X-RateLimit-Limit"] == "7"


def test_the_config_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_LIMIT", "7")
    client = create_app({"IRL_BACKGROUND": False, "IRL_BASE_LIMIT": 5}).test_client()
    assert client.get("/").headers["X-RateLimit-Limit"] == "5"


def left(client: FlaskClient, **headers: str) -> int:
    return int(client.get("/api/data", headers=headers).headers["X-RateLimit-Remaining"])


def test_an_api_key_that_was_issued_is_a_client_of_its_own() -> None:
    client = create_app({"IRL_BACKGROUND": False, SECRET: "made up"}).test_client()
    ada = {"X-API-Key": issue_key("ada", "made up")}
    assert [left(client), left(client, **ada), left(client, **ada)] == [99, 99, 98]


@pytest.mark.parametrize("secret", ["made up", ""], ids=["a secret", "none"])
def test_invented_api_keys_count_by_address(secret: str) -> None:
    client = create_app({"IRL_BACKGROUND": False, SECRET: secret}).test_client()
    keys = ["a", "b.c", "ключ", issue_key("ada", "another secret"), ".", "." + 32 * "0"]
    assert [left(client, **{"X-API-Key": key}) for key in keys] == [99, 98, 97, 96, 95, 94]


def test_the_api_keys_header_can_be_named() -> None:
    settings = {"IRL_BACKGROUND": False, "IRL_API_KEY_HEADER": "X-Token", SECRET: "made up"}
    client = create_app(settings).test_client()
    left(client, **{"X-Token": issue_key("ada", "made up")})
    assert left(client, **{"X-Token": issue_key("bob", "made up")}) == 99


def test_keys_can_be_printed() -> None:
    command = [sys.executable, "-m", "demo_app.keys", "ada", "bob"]
    environment = {**os.environ, SECRET: "made up"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [issue_key(name, "made up") for name in ("ada", "bob")]


def _remaining(app: Flask, forwarded: str) -> str:
    answer = app.test_client().get("/api/data", headers={"X-Forwarded-For": forwarded})
    return answer.headers["X-RateLimit-Remaining"]


def test_without_a_proxy_a_forwarded_address_changes_nothing(app: Flask) -> None:
    assert [_remaining(app, "198.51.100.1"), _remaining(app, "198.51.100.2")] == ["99", "98"]


def test_behind_a_proxy_its_word_counts_and_no_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "1")
    app = create_app({"IRL_BACKGROUND": False})
    # What comes before the proxy's own entry was sent by the client.
    seen = [_remaining(app, f"{made_up}, 198.51.100.1") for made_up in ("1.1.1.1", "2.2.2.2")]
    assert seen == ["99", "98"]
    assert _remaining(app, "198.51.100.2") == "99"


@pytest.mark.parametrize("hops", ["-1", "11", "x", "1.0", " 1", "true"])
def test_a_wrong_number_of_proxies_is_refused(monkeypatch: pytest.MonkeyPatch, hops: str) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", hops)
    with pytest.raises(ConfigurationError, match=re.escape(f"TRUSTED_PROXIES is '{hops}'")):
        create_app()


def test_the_home_page_shows_the_limit(client: FlaskClient) -> None:
    page = client.get("/", headers={"X-API-Key": "<script>"}).text
    assert "of\n100 requests left" in page
    assert "<script>" not in page


def test_two_apps_keep_their_own_counts_and_metrics() -> None:
    first, second = (create_app({"IRL_BACKGROUND": False}).test_client() for _ in range(2))
    first.get("/")
    line = 'irl_requests_total{outcome="allowed",route="/"} 1.0'
    assert line in first.get("/metrics").text
    assert line not in second.get("/metrics").text
    assert second.get("/").headers["X-RateLimit-Remaining"] == "99"


def test_metrics_are_grouped_by_rule_and_never_by_path(client: FlaskClient) -> None:
    for number in range(5):
        client.get(f"/api/items/{number}")
        client.get(f"/scan/{number}")
    shown = client.get("/metrics").text
    routes = set(re.findall(r'route="([^"]*)"', shown))
    assert routes == {"/api/items/<int:number>", "unmatched"}


def test_invented_methods_are_one_method_in_the_metrics(client: FlaskClient) -> None:
    for number in range(5):
        client.open("/api/data", method=f"VERB{number}")
    shown = client.get("/metrics").text
    assert 'flask_http_request_total{method="other",status="405"} 5.0' in shown
    assert "VERB" not in shown


def test_a_refused_request_is_counted_by_flask_and_its_time_by_the_limiter_alone() -> None:
    client = create_app({"IRL_BACKGROUND": False, "IRL_BASE_LIMIT": 1}).test_client()
    client.get("/api/data")
    client.get("/api/data")
    shown = client.get("/metrics").text
    assert 'flask_http_request_total{method="GET",status="429"} 1.0' in shown
    assert 'status="429"' not in "".join(re.findall("^flask_http_request_duration.*", shown, re.M))
    assert "irl_decision_seconds_count 2.0" in shown


def test_a_metric_can_be_asked_for_by_name(client: FlaskClient) -> None:
    shown = client.get("/metrics?name[]=irl_model_version").text
    assert re.findall(r"^\w+", shown, re.MULTILINE) == ["irl_model_version"]


def test_no_key_of_a_client_is_in_the_metrics(client: FlaskClient) -> None:
    client.get("/", headers={"X-API-Key": "very-secret"})
    shown = client.get("/metrics").text
    assert "very-secret" not in shown
    assert "key:" not in shown
    assert "127.0.0.1" not in shown
