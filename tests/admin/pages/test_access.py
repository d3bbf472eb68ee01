"""Test who comes to the operator's page, and what keeps others' pages from acting there."""

from __future__ import annotations

import hashlib
import json
import logging

import pytest
from flask import Flask, abort, request
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter
from flask_irl.admin import issue_sign_in
from flask_irl.admin.pages.sessions import IDLE_SECONDS, LONGEST_SECONDS, ONCE_SECONDS
from flask_irl.admin.tokens import Token
from flask_irl.errors import StoreError
from flask_irl.operations import Operations
from flask_irl.stores.memory.store import MemoryStore
from tests.admin.api import READ, WRITE, make_app
from tests.admin.pages.visitor import PAGE, Visitor
from tests.admin.site import CAMPAIGN, KNOWN
from tests.conftest import Clock
from tests.operations.worker import Worker, break_store

CAMPAIGN_PAGE = f"/campaign?id={CAMPAIGN.id}"
VIEWS = (
    *("/", "/traffic", "/clients", f"/client?id={KNOWN}", "/incidents", "/models", "/limits"),
    *("/audit", CAMPAIGN_PAGE),
)
EXPORTS = ("/traffic/routes.csv", "/incidents/all.json")
CHANGES: dict[str, dict[str, object]] = {
    "/client": {"id": KNOWN, "action": "block", "seconds": 600},
    "/models": {"action": "train", "sure": 1},
    "/limits": {"action": "mode", "mode": "off", "sure": 1},
    "/campaign": {"id": CAMPAIGN.id, "seconds": 600},
    "/undo": {"at": "1700000000.0", "target": KNOWN},
}
BLOCK = CHANGES["/client"]


def is_sign_in(answer: TestResponse) -> bool:
    return answer.status_code == 303 and answer.headers["Location"].startswith(f"{PAGE}/sign-in")


@pytest.mark.parametrize("path", [*VIEWS, *EXPORTS])
def test_without_a_session_a_view_leads_to_the_form(app: Flask, path: str) -> None:
    assert is_sign_in(Visitor(app, None).open(path))


@pytest.mark.parametrize("path", CHANGES)
def test_without_a_session_nothing_is_changed(
    app: Flask, operations: Operations, path: str
) -> None:
    assert is_sign_in(Visitor(app, None).send(path, CHANGES[path]))
    assert operations.audit.entries() == ([], 0)


def test_after_the_form_the_view_is_shown_that_was_asked_for(app: Flask) -> None:
    visitor = Visitor(app, None)
    form = visitor.client.get(f"{PAGE}/clients?order=flagged", follow_redirects=True)
    assert f'value="{PAGE}/clients?order=flagged"' in form.text
    answer = visitor.sign_in(WRITE, next=f"{PAGE}/clients?order=flagged")
    assert answer.headers["Location"] == f"{PAGE}/clients?order=flagged"


@pytest.mark.parametrize(
    "path",
    [
        "https://other.example/admin/page/",
        "//other.example/admin/page/",
        f"{PAGE}//other.example",
        f"{PAGE}/../../",
        "/\\other.example",
        f"{PAGE}/\\other.example",
        "/admin/pagelike",
        "/elsewhere",
        f"{PAGE}/\r\nX: y",
        f"{PAGE}/%2e%2e/%2e%2e/",
        f"{PAGE}/.%2E/../x",
        f"{PAGE}/%252e%252e/",
        f"{PAGE}/clients/%2E%2e",
        f"{PAGE}/%2f%2fother.example",
        f"{PAGE}/%5c%5cother.example",
        f"{PAGE}/./x",
        f"{PAGE}/%0d%0aX: y",
        f"{PAGE}/%2e%2e?x=1",
        f"{PAGE}/%2e%2e#x",
    ],
)
def test_the_form_leads_nowhere_else(app: Flask, path: str) -> None:
    assert Visitor(app, None).sign_in(WRITE, next=path).headers["Location"] == f"{PAGE}/"


@pytest.mark.parametrize("path", ["/client?id=%2e%2e/a//b", "/clients?q=..", "/clients"])
def test_the_form_leads_on_to_any_view(app: Flask, path: str) -> None:
    answer = Visitor(app, None).sign_in(WRITE, next=f"{PAGE}{path}")
    assert answer.headers["Location"] == f"{PAGE}{path}"


def test_a_wrong_token_is_told_and_counted_with_those_of_the_api(app: Flask) -> None:
    visitor = Visitor(app, None)
    answers = [visitor.sign_in(f"wrong {n}").status_code for n in range(11)]
    assert answers == [403] * 10 + [429]
    assert visitor.sign_in(WRITE).status_code == 429
    answer = visitor.client.get("/admin/stats", headers={"Authorization": f"Bearer {WRITE}"})
    assert answer.status_code == 429


def test_the_cookie_is_kept_from_scripts_and_other_sites(app: Flask) -> None:
    visitor = Visitor(app, None)
    plain = visitor.sign_in(WRITE).headers["Set-Cookie"]
    assert plain.startswith("irl_session=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/admin"} <= set(plain.split("; "))
    safe = visitor.client.post(
        f"{PAGE}/sign-in", data={"token": WRITE}, base_url="https://localhost"
    ).headers["Set-Cookie"]
    assert safe.startswith("__Secure-irl_session=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/admin"} <= set(safe.split("; "))


def test_below_a_mount_point_the_cookie_has_its_path(app: Flask) -> None:
    answer = app.test_client().post(
        f"{PAGE}/sign-in", data={"token": WRITE}, environ_overrides={"SCRIPT_NAME": "/shop"}
    )
    assert answer.headers["Location"] == f"/shop{PAGE}/"
    assert "Path=/shop/admin" in answer.headers["Set-Cookie"]


def test_a_cookie_that_came_without_https_is_none_with_it(app: Flask) -> None:
    visitor = Visitor(app)
    assert visitor.open().status_code == 200
    assert is_sign_in(visitor.open(base_url="https://localhost"))


def test_a_session_holds_in_every_worker(app: Flask, worker: Worker) -> None:
    visitor = Visitor(app)
    other = make_app(Operations(worker.limiter)).test_client()
    other.set_cookie("irl_session", visitor.cookie, path="/admin")
    assert other.get(f"{PAGE}/").status_code == 200


def test_a_copied_cookie_is_worth_nothing_after_signing_out(app: Flask) -> None:
    visitor, thief = Visitor(app), app.test_client()
    thief.set_cookie("irl_session", visitor.cookie, path="/admin")
    assert thief.get(f"{PAGE}/").status_code == 200
    assert visitor.send("/sign-out", {}).status_code == 303
    assert is_sign_in(visitor.open())
    assert is_sign_in(thief.get(f"{PAGE}/"))


@pytest.mark.parametrize("path", VIEWS)
def test_a_session_ends_when_nobody_clicks(app: Flask, clock: Clock, path: str) -> None:
    visitor = Visitor(app)
    clock.advance(IDLE_SECONDS - 60)
    assert visitor.open().status_code == 200
    clock.advance(IDLE_SECONDS - 60)
    # What the page asks by itself is no click.
    assert visitor.open(path, headers={"X-Irl-Poll": "1"}).status_code == 200
    clock.advance(61)
    assert is_sign_in(visitor.open())


def test_a_session_ends_after_twelve_hours_whatever_comes(app: Flask, clock: Clock) -> None:
    visitor = Visitor(app)
    for _ in range(LONGEST_SECONDS // 1200 - 1):
        clock.advance(1200)
        assert visitor.open("/audit").status_code == 200
    clock.advance(1201)
    assert is_sign_in(visitor.open("/audit"))


def test_a_session_ends_with_its_token(app: Flask, operations: Operations) -> None:
    visitor = Visitor(app)
    tokens = (Token("oncall", "another token of the tests", "write"),)
    client = make_app(operations, tokens=tokens).test_client()
    client.set_cookie("irl_session", visitor.cookie, path="/admin")
    assert is_sign_in(client.get(f"{PAGE}/"))


def sessions_in(store: MemoryStore) -> dict[str, dict[str, object]]:
    """Read all records as somebody who can read the store does."""
    return {name: json.loads(content) for name, (_, content) in store._sessions.items()}


def test_whoever_writes_to_the_store_makes_no_session(
    app: Flask, operations: Operations, clock: Clock
) -> None:
    store, visitor = operations.store, Visitor(app)
    assert isinstance(store, MemoryStore)
    [(name, record)] = sessions_in(store).items()
    forged = "a cookie of the thief's own"
    for kind, changes in (
        ("session", {}),
        ("session", {"seal": "0" * 64}),
        ("session", {"seal": None}),
        ("session", {"seal": "\ud800"}),
    ):
        own = hashlib.sha256(f"{kind} {forged}".encode()).hexdigest()
        content = {k: v for k, v in {**record, **changes}.items() if v is not None}
        store.put_session(own, json.dumps(content).encode(), clock() + 999, 9)
        client = app.test_client()
        client.set_cookie("irl_session", forged, path="/admin")
        assert is_sign_in(client.get(f"{PAGE}/"))
    # Nor is the end of one that was begun well put off, or a sealed one used as another kind.
    for member in ("until", "began"):
        longer = json.dumps({**record, member: clock() + 9e6}).encode()
        store.put_session(name, longer, clock() + 9e6, 9)
        assert is_sign_in(visitor.open())
    store.put_session(name, json.dumps(record).encode(), clock() + 9e6, 9)
    assert visitor.open().status_code == 200
    clock.advance(IDLE_SECONDS + 1)
    assert is_sign_in(visitor.open())


def test_a_session_of_a_read_token_is_none_of_a_write_token(
    app: Flask, operations: Operations, clock: Clock
) -> None:
    store = operations.store
    assert isinstance(store, MemoryStore)
    Visitor(app)
    [writer] = sessions_in(store).values()
    reader = Visitor(app, READ)
    [name] = [n for n, record in sessions_in(store).items() if record != writer]
    record = sessions_in(store)[name]
    store.put_session(
        name, json.dumps({**record, "mark": writer["mark"]}).encode(), clock() + 999, 9
    )
    assert is_sign_in(reader.open())


def test_a_one_time_token_is_sealed_too(app: Flask, operations: Operations, clock: Clock) -> None:
    store = operations.store
    assert isinstance(store, MemoryStore)
    Visitor(app)
    [record] = sessions_in(store).values()
    own = hashlib.sha256(b"once forged").hexdigest()
    store.put_session(own, json.dumps(record).encode(), clock() + 999, 9)
    assert Visitor(app, None).sign_in("", once="forged").status_code == 403


def test_signing_in_ends_the_session_before(app: Flask) -> None:
    visitor, thief = Visitor(app), app.test_client()
    thief.set_cookie("irl_session", visitor.cookie, path="/admin")
    visitor.sign_in(WRITE)
    assert is_sign_in(thief.get(f"{PAGE}/"))


@pytest.mark.parametrize("path", VIEWS)
def test_a_read_token_sees_everything_and_no_button(app: Flask, path: str) -> None:
    answer = Visitor(app, READ).open(path)
    assert answer.status_code == 200
    forms = answer.text.count('method="post"')
    assert forms == 1, "only that to sign out"


@pytest.mark.parametrize("path", CHANGES)
def test_a_read_token_changes_nothing(app: Flask, operations: Operations, path: str) -> None:
    answer = Visitor(app, READ).send(path, CHANGES[path])
    assert answer.status_code == 403
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize("token", ["", "0" * 64, "\xff\x00"])
@pytest.mark.parametrize("path", [*CHANGES, "/sign-out"])
def test_a_form_without_its_token_changes_nothing(
    app: Flask, operations: Operations, path: str, token: str
) -> None:
    visitor = Visitor(app)
    answer = visitor.send(path, {**CHANGES.get(path, {}), "form_token": token})
    assert answer.status_code == 403
    assert operations.audit.entries() == ([], 0)
    assert visitor.open().status_code == 200


def test_a_form_of_another_session_changes_nothing(app: Flask, operations: Operations) -> None:
    other = Visitor(app)
    answer = Visitor(app).send("/client", {**BLOCK, "form_token": other.form_token})
    assert answer.status_code == 403
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://other.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", [*CHANGES, "/sign-in"])
def test_a_form_that_another_site_sends_changes_nothing(
    app: Flask, operations: Operations, path: str, headers: dict[str, str]
) -> None:
    answer = Visitor(app).send(path, CHANGES.get(path, {"token": WRITE}), headers=headers)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert operations.audit.entries() == ([], 0)


@pytest.mark.parametrize("path", ["/sign-in", *VIEWS, "/client?id=nobody", "/files/page.js"])
def test_every_answer_is_hardened(app: Flask, path: str) -> None:
    answer = Visitor(app).open(path, buffered=True)
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    # Not no-referrer, by which browsers send "Origin: null" with the page's own forms.
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store" or path.startswith("/files")


@pytest.mark.parametrize("path", ["/sign-in", *VIEWS])
def test_no_view_has_inline_script_or_style(app: Flask, path: str) -> None:
    text = Visitor(app, None if path == "/sign-in" else WRITE).open(path).text
    assert "<style" not in text
    assert " style=" not in text
    assert " on" not in "".join(part.partition(">")[0] for part in text.split("<button"))
    assert text.count("<script") == 1


def test_a_page_that_has_not_changed_is_not_sent_again(app: Flask) -> None:
    visitor = Visitor(app)
    first = visitor.open("/audit")
    again = visitor.open("/audit", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_long_form_is_refused(app: Flask) -> None:
    assert Visitor(app).send("/client", {**BLOCK, "reason": "x" * 20_000}).status_code == 413


# A one-time token


def test_a_one_time_address_signs_in_once(app: Flask) -> None:
    address = issue_sign_in(app)
    assert address is not None
    visitor = Visitor(app, None)
    assert visitor.client.get(address).status_code == 200
    once = address.partition("once=")[2]
    assert visitor.sign_in("", once=once).status_code == 303
    assert visitor.open().status_code == 200
    assert "oncall" in visitor.open().text
    other = Visitor(app, None)
    assert other.sign_in("", once=once).status_code == 403
    assert is_sign_in(other.open())


def test_a_one_time_address_holds_for_a_quarter_of_an_hour(app: Flask, clock: Clock) -> None:
    address = issue_sign_in(app)
    assert address is not None
    clock.advance(ONCE_SECONDS + 1)
    once = address.partition("once=")[2]
    assert Visitor(app, None).sign_in("", once=once).status_code == 403


def test_a_one_time_token_is_no_session(app: Flask) -> None:
    address = issue_sign_in(app)
    assert address is not None
    client = app.test_client()
    client.set_cookie("irl_session", address.partition("once=")[2], path="/admin")
    assert is_sign_in(client.get(f"{PAGE}/"))


def test_without_the_page_no_address_is_issued(operations: Operations) -> None:
    assert issue_sign_in(make_app(operations, pages=False)) is None
    assert issue_sign_in(Flask("another")) is None


# The host's own login


def hosted(operations: Operations) -> Flask:
    def authorize(scope: str) -> str | None:
        user = request.headers.get("X-User")
        if user is None:
            abort(401)
        return user if scope == "read" or user == "ada" else None

    return make_app(operations, tokens=(), authorize=authorize)


def test_the_hosts_login_decides(operations: Operations) -> None:
    visitor = Visitor(hosted(operations), None)
    assert visitor.open("/limits").status_code == 401
    ada = visitor.open("/limits", headers={"X-User": "ada"})
    assert (ada.status_code, "Change them" in ada.text) == (200, True)
    bob = visitor.open("/limits", headers={"X-User": "bob"})
    assert (bob.status_code, "Change them" in bob.text) == (200, False)
    assert visitor.open("/sign-in").headers["Location"] == f"{PAGE}/"


def test_the_hosts_login_needs_the_forms_token_all_the_same(operations: Operations) -> None:
    visitor, headers = Visitor(hosted(operations), None), {"X-User": "ada"}
    assert visitor.send("/client", BLOCK, headers=headers).status_code == 403
    visitor.open("/limits", headers=headers)
    assert visitor.send("/client", BLOCK, headers={"X-User": "bob"}).status_code == 403
    assert operations.audit.entries() == ([], 0)
    assert visitor.send("/client", BLOCK, headers=headers).status_code == 303
    [entry] = operations.audit.entries()[0]
    assert entry["who"] == "ada"


# Beside the host


def test_views_count_against_no_limit(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("host")
    limiter = IntelligentLimiter(app, admin_token=WRITE, base_limit=2, background=False)
    visitor = Visitor(app)
    assert [visitor.open("/audit").status_code for _ in range(5)] == [200] * 5
    with app.app_context():
        limiter.flush()
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_the_hosts_templates_and_error_pages_play_no_part(app: Flask) -> None:
    app.jinja_env.globals.clear()
    app.jinja_env.autoescape = False
    app.context_processor(lambda: {"visitor": "the host's", "address": None})
    app.register_error_handler(404, lambda error: ("the host's", 404))
    visitor = Visitor(app)
    assert visitor.open().status_code == 200
    assert "the host" not in visitor.open("/files/nothing.js").text


def test_while_the_store_is_out_the_page_says_so(app: Flask, worker: Worker) -> None:
    visitor = Visitor(app)
    break_store(worker.store, StoreError("no route to host", kind="connection"))
    answer = visitor.open("/clients")
    assert answer.status_code == 503
    assert "no route to host" in answer.text
