"""Test a limiter that only reports, beside a stock Flask-Limiter in one app."""

from __future__ import annotations

from flask import Flask
from flask_limiter import Limiter as FlaskLimiter
from flask_limiter.util import get_remote_address as stock_address

from flask_irl import IntelligentLimiter
from flask_irl.compat import Limiter
from flask_irl.compat.util import get_remote_address
from flask_irl.web.state import state_of


def stock(app: Flask) -> None:
    FlaskLimiter(
        stock_address,
        app=app,
        storage_uri="memory://",
        default_limits=["2/hour"],
        headers_enabled=True,
    )
    app.add_url_rule("/a", "a", lambda: "answer")


def test_a_limiter_in_shadow_changes_no_answer_and_sees_all_requests() -> None:
    plain, beside = Flask("site"), Flask("site")
    stock(plain)
    stock(beside)
    IntelligentLimiter(
        beside, mode="shadow", base_limit=None, headers_enabled=False, background=False
    )
    seen = []
    for app in (plain, beside):
        answers = [app.test_client().get("/a") for _ in range(4)]
        seen.append([(x.status_code, x.text, x.headers["X-RateLimit-Limit"]) for x in answers])
    assert seen[0] == seen[1]
    assert [status for status, _, _ in seen[1]] == [200, 200, 429, 429]
    state = state_of(beside)
    assert state.limiter.flush() == 4
    state.close()


def test_flask_limiter_and_its_stand_in_can_share_an_app() -> None:
    app = Flask("site")
    app.config["IRL_BACKGROUND"] = False
    stock(app)
    limiter = Limiter(
        get_remote_address, app=app, storage_uri="memory://", default_limits=["1/hour"]
    )
    assert [app.test_client().get("/a").status_code for _ in range(2)] == [200, 429]
    limiter.close()
