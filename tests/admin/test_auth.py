from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence

import pytest
from flask import Flask, Request, abort, redirect
from werkzeug.exceptions import HTTPException
from werkzeug.test import create_environ

from flask_irl import IntelligentLimiter
from flask_irl.admin.authentication import MAX_ADDRESSES, Authenticator
from flask_irl.admin.tokens import Token
from flask_irl.operations import Operations
from tests.admin.api import READ, TOKENS, WRITE, Caller, make_app, problem_of
from tests.conftest import Clock

WRITES = [
    ("PUT", "/admin/limits"),
    ("PUT", "/admin/mode"),
    ("POST", "/admin/train"),
    ("POST", "/admin/models/2/rollback"),
    ("POST", "/admin/models/2/activate"),
    ("POST", "/admin/models/unpin"),
    ("POST", "/admin/reset/203.0.113.7"),
    ("PUT", "/admin/client/203.0.113.7/override"),
    ("DELETE", "/admin/client/203.0.113.7/override"),
    ("POST", "/admin/client/203.0.113.7/feedback"),
]
READS = [
    ("GET", "/admin/stats"),
    ("HEAD", "/admin/stats"),
    ("OPTIONS", "/admin/stats"),
    ("GET", "/admin/limits"),
    ("GET", "/admin/mode"),
    ("GET", "/admin/audit"),
    ("GET", "/admin/model-info"),
    ("GET", "/admin/models"),
    ("GET", "/admin/clients"),
    ("GET", "/admin/client/203.0.113.7"),
    ("GET", "/admin/course/203.0.113.7"),
]


@pytest.mark.parametrize(("method", "path"), READS + WRITES)
def test_without_a_token_nothing_is_done(
    ask_as_nobody: Caller, operations: Operations, method: str, path: str
) -> None:
    response = ask_as_nobody(method, path)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask_irl"'
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize(("method", "path"), READS + WRITES)
def test_with_a_wrong_token_nothing_is_done(
    app: Flask, operations: Operations, method: str, path: str
) -> None:
    response = Caller(app.test_client(), "wrong")(method, path)
    assert response.status_code == 403
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_read_token_changes_nothing(
    ask_reading: Caller, operations: Operations, method: str, path: str
) -> None:
    problem_of(ask_reading(method, path), 403)
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize(("method", "path"), READS)
@pytest.mark.parametrize("token", [READ, WRITE])
def test_both_kinds_of_token_look(app: Flask, token: str, method: str, path: str) -> None:
    assert Caller(app.test_client(), token)(method, path).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "secret", "\xff\xfe"])
def test_what_is_no_bearer_token_counts_as_none(ask_as_nobody: Caller, header: str) -> None:
    response = ask_as_nobody("GET", "/admin/stats", headers={"Authorization": header})
    problem_of(response, 401)


@pytest.mark.parametrize(
    "sent", ["\xff\xfe\x80", "a b c", "ÿ" * 5000, "=", WRITE + "x", WRITE[:-1], WRITE.upper()]
)
def test_any_other_bytes_are_a_wrong_token(ask_as_nobody: Caller, sent: str) -> None:
    response = ask_as_nobody("GET", "/admin/stats", headers={"Authorization": f"Bearer {sent}"})
    problem_of(response, 403)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_as_http_reads_it(ask_as_nobody: Caller, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {WRITE}"}
    assert ask_as_nobody("GET", "/admin/stats", headers=headers).status_code == 200


def test_a_token_beyond_ascii_is_compared_as_utf_8(operations: Operations) -> None:
    app = make_app(operations, tokens=[Token("a", "schlüssel-€", "read")])
    sent = "schlüssel-€".encode().decode("latin-1")
    assert Caller(app.test_client(), sent)("GET", "/admin/stats").status_code == 200


def test_without_tokens_and_login_nothing_is_mounted(operations: Operations) -> None:
    app = make_app(operations, tokens=())
    assert app.blueprints == {}
    assert app.test_client().get("/admin/stats").mimetype == "text/html"


@pytest.mark.parametrize("token", [WRITE, READ, "wrong"])
def test_every_token_is_compared_in_constant_time(
    app: Flask, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr("flask_irl.admin.authentication.hmac.compare_digest", compare)
    Caller(app.test_client(), token)("GET", "/admin/stats")
    assert compared == [(32, 32)] * len(TOKENS)


def test_changes_are_made_in_the_name_of_the_token(ask: Caller) -> None:
    ask("PUT", "/admin/mode", json={"mode": "off"})
    assert ask("GET", "/admin/audit").json["changes"][0]["who"] == "oncall"


def checker(
    clock: Clock,
    *,
    tokens: Sequence[Token] = TOKENS,
    failed: Callable[[str], None] | None = None,
    max_addresses: int = MAX_ADDRESSES,
) -> Callable[..., int]:
    """Give a function that checks a token from an address and returns the status, 200 for yes."""
    authenticator = Authenticator(tokens, failed=failed, clock=clock, max_addresses=max_addresses)

    def status(token: str, address: str = "198.51.100.1", method: str = "GET") -> int:
        environ = create_environ(
            method=method,
            headers={"Authorization": f"Bearer {token}"},
            environ_base={"REMOTE_ADDR": address},
        )
        try:
            authenticator.check(Request(environ))
        except HTTPException as error:
            return error.code or 0
        return 200

    return status


def test_ten_wrong_tokens_are_the_last_that_are_looked_at(clock: Clock) -> None:
    status = checker(clock)
    assert [status("wrong") for _ in range(12)] == [403] * 10 + [429] * 2
    assert status(WRITE) == 429


def test_after_a_minute_tokens_are_looked_at_again(clock: Clock) -> None:
    status = checker(clock)
    for _ in range(12):
        status("wrong")
    clock.advance(59)
    assert status(WRITE) == 429
    clock.advance(2)
    assert status(WRITE) == 200


def test_right_tokens_count_as_no_failures(clock: Clock) -> None:
    status = checker(clock)
    assert [status(WRITE) for _ in range(30)] == [200] * 30


def test_a_read_token_that_may_not_write_is_no_guess(clock: Clock) -> None:
    status = checker(clock)
    assert [status(READ, method="POST") for _ in range(12)] == [403] * 12
    assert status(READ) == 200


def test_other_addresses_are_not_held_up(clock: Clock) -> None:
    status = checker(clock)
    for _ in range(12):
        status("wrong")
    assert status(WRITE, "198.51.100.2") == 200


def test_one_ipv6_network_is_one_address(clock: Clock) -> None:
    status = checker(clock)
    found = [status("wrong", f"2001:db8::{n}") for n in range(1, 13)]
    assert found == [403] * 10 + [429] * 2


def test_the_addresses_kept_are_bounded(clock: Clock) -> None:
    status = checker(clock, max_addresses=3)
    for _ in range(12):
        status("wrong", "198.51.100.1")
    for n in range(2, 6):
        status("wrong", f"198.51.100.{n}")
    assert status("wrong", "198.51.100.1") == 403


def test_who_must_wait_is_told_how_long(app: Flask) -> None:
    ask = Caller(app.test_client(), "wrong")
    for _ in range(10):
        ask("GET", "/admin/stats")
    response = ask("GET", "/admin/stats")
    problem_of(response, 429)
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_failures_are_counted_by_their_reason(clock: Clock) -> None:
    reasons: list[str] = []
    status = checker(clock, failed=reasons.append)
    status("")
    status(READ, method="POST")
    for _ in range(11):
        status("wrong")
    status(WRITE, "198.51.100.2")
    assert reasons == ["missing", "read_only", *["wrong"] * 10, "throttled"]


def test_failures_are_logged_without_the_token(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    status = checker(clock)
    status("guess-1")
    status("guess-2")
    clock.advance(2)
    status("guess-3")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "reason=wrong address=198.51.100.1" in lines[0]
    assert "not_logged=1" in lines[1]
    assert "guess" not in caplog.text


def test_a_short_token_is_warned_of_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    Authenticator([Token("tiny", "hunter2", "read"), *TOKENS])
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["admin_token_short name=tiny advised=16"]
    assert caplog.records[0].levelno == logging.WARNING


def test_tokens_are_in_no_answer_and_no_log(
    ask: Caller, ask_reading: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = [
        ask_reading("PUT", "/admin/mode", json={"mode": "off"}).text,
        ask("PUT", "/admin/mode", json={"mode": "?"}).text,
        ask("GET", "/admin/nothing").text,
        ask("GET", "/admin/audit").text,
        ask("GET", "/admin/openapi.json").text,
        caplog.text,
    ]
    assert not any(secret in text for secret in (WRITE, READ) for text in texts)


class TestOwnLogin:
    """Test ``authorize``: the host app's login decides instead of the tokens."""

    def test_its_user_is_who_makes_changes(self, operations: Operations) -> None:
        ask = Caller(make_app(operations, authorize=lambda scope: "ada").test_client(), None)
        assert ask("PUT", "/admin/mode", json={"mode": "off"}).status_code == 200
        assert ask("GET", "/admin/audit").json["changes"][0]["who"] == "ada"

    def test_it_is_told_what_is_asked_for(self, operations: Operations) -> None:
        asked: list[str] = []

        def authorize(scope: str) -> str:
            asked.append(scope)
            return "ada"

        app = make_app(operations, authorize=authorize)
        ask = Caller(app.test_client(), None)
        ask("GET", "/admin/stats")
        ask("PUT", "/admin/mode", json={"mode": "off"})
        assert asked == ["read", "write"]

    @pytest.mark.parametrize("answer", [None, "", 0, True])
    def test_whom_it_does_not_name_may_not(self, operations: Operations, answer: object) -> None:
        app = make_app(operations, authorize=lambda scope: answer)
        problem_of(Caller(app.test_client(), WRITE)("GET", "/admin/stats"), 403)
        assert operations.audit.entries() == ([], 0)

    def test_it_may_abort(self, operations: Operations) -> None:
        app = make_app(operations, authorize=lambda scope: abort(401))
        problem_of(Caller(app.test_client(), None)("GET", "/admin/stats"), 401)

    def test_it_may_answer_itself(self, operations: Operations) -> None:
        app = make_app(operations, authorize=lambda scope: abort(redirect("/login")))
        response = Caller(app.test_client(), None)("GET", "/admin/stats")
        assert (response.status_code, response.location) == (302, "/login")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://[bad"},
        ],
    )
    def test_another_sites_page_changes_nothing(
        self, operations: Operations, headers: dict[str, str]
    ) -> None:
        app = make_app(operations, authorize=lambda scope: "ada")
        ask = Caller(app.test_client(), None)
        problem_of(ask("PUT", "/admin/mode", json={"mode": "off"}, headers=headers), 403)
        assert operations.audit.entries() == ([], 0)

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "https://localhost"}],
    )
    def test_its_own_pages_and_programs_do(
        self, operations: Operations, headers: dict[str, str]
    ) -> None:
        app = make_app(operations, authorize=lambda scope: "ada")
        ask = Caller(app.test_client(), None)
        response = ask("PUT", "/admin/mode", json={"mode": "off"}, headers=headers)
        assert response.status_code == 200


def test_a_listener_that_fails_admits_and_breaks_nothing() -> None:
    class Failing:
        def notify(self, event: object) -> None:
            raise ValueError("listener")

    app = Flask("host")
    token = "token-of-the-listener-test"
    limiter = IntelligentLimiter(app, background=False, admin_token=token, listener=Failing())
    assert app.test_client().get("/admin/stats").status_code == 401
    limiter.close()
