"""Test API keys in requests: who a request counts for, what it is answered, and what leaks."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
import redis
from flask import Blueprint, Flask, Response, g, jsonify, request
from flask.views import MethodView, View
from werkzeug.test import TestResponse

from flask_irl import ConfigurationError, IntelligentLimiter, api_key
from flask_irl.api_keys.record import decode
from flask_irl.api_keys.text import new_text
from flask_irl.errors import StoreError
from flask_irl.limits.keys import hashed
from flask_irl.operations import Operations
from flask_irl.operations.api_key_results import IssuedApiKey
from flask_irl.stores.base import Store
from flask_irl.telemetry.events import ApiKeyRejected
from flask_irl.web.key_functions import KeyFromEnviron
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.servers import RedisServer
from tests.web.sites import sites_of

SECRET = "a secret of the tests"
ADDRESS = "127.0.0.1"


class Site:
    """Serve an app with API keys.

    Args:
        uri: The storage URI.
        app: The app.
        **options: Options of the limiter.
    """

    def __init__(self, uri: str = "memory://", app: Flask | None = None, **options: Any) -> None:
        self.app = app or Flask("site")
        self.recorder = Recorder()
        self.limiter = IntelligentLimiter(
            self.app,
            storage_uri=uri,
            listener=self.recorder,
            **{
                "base_limit": 5,
                "api_keys": True,
                "api_key_secret": SECRET,
                "background": False,
                "store_timeout": 5.0,
                **options,
            },
        )
        self.engine = state_of(self.app).limiter
        self.keys = Operations(self.engine).api_keys
        self.client = self.app.test_client()

        @self.app.get("/who")
        def who() -> Response:
            key = self.limiter.current_api_key
            return jsonify(client=self.limiter.current_key, key=key and key.id)

        @self.app.get("/export")
        @self.limiter.require_api_key("export")
        def export() -> str:
            return "exported"

        @self.app.get("/open")
        @self.limiter.exempt
        def exempt() -> Response:
            key = self.limiter.current_api_key
            return jsonify(key=key and key.id)

        @self.app.get("/closed")
        @self.limiter.exempt
        @self.limiter.require_api_key()
        def closed() -> str:
            return "closed"

    def issue(self, **more: Any) -> IssuedApiKey:
        """Issue a key."""
        return self.keys.issue(**{"name": "export", "owner": "acme", "who": "ada", **more})

    def get(self, path: str = "/who", key: str | None = None, **headers: str) -> Any:
        """Send a request; the response is typed as any, so that its JSON may be any."""
        given = {} if key is None else {"X-API-Key": key}
        return self.client.get(path, headers={**given, **headers})

    def revoke_elsewhere(self, issued: IssuedApiKey) -> None:
        """Revoke a key by another worker; this one knows the key as valid."""
        [data] = self.store.api_key_records([issued["id"]])
        assert data is not None
        record = decode(issued["id"], data)
        revoked = replace(record, revoked=self.store.now()).encoded()
        assert self.store.put_api_key(issued["id"], record.revision, revoked)

    def rejections(self) -> list[str]:
        """List the reasons for which requests were refused."""
        return [event.reason for event in self.recorder.of(ApiKeyRejected)]

    @property
    def store(self) -> Store:
        return self.engine.store


@pytest.fixture
def make_site() -> Iterator[Callable[..., Site]]:
    yield from sites_of(Site)


@pytest.fixture
def site(make_site: Callable[..., Site], uri: str) -> Site:
    """Give a site on each kind of store."""
    return make_site(uri)


def unauthorized(response: TestResponse, status: int = 401) -> dict[str, Any]:
    """Check that a response is a problem, and give its members."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    members: dict[str, Any] = json.loads(response.data)
    assert members["status"] == status
    return members


# Who counts


@pytest.mark.parametrize("form", ["X-API-Key", "Authorization", "authorization in capitals"])
def test_a_key_is_a_client_of_its_own(site: Site, form: str) -> None:
    issued = site.issue()
    value = issued["key"] if form == "X-API-Key" else f"Bearer {issued['key']}"
    value = value.replace("Bearer", "BEARER") if "capitals" in form else value
    for left in (4, 3):
        answer = site.get(**{form.split(" ", 1)[0]: value})
        assert answer.json == {"client": f"key:{issued['id']}", "key": issued["id"]}
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
    assert site.get().headers["X-RateLimit-Remaining"] == "4"
    assert site.get().json == {"client": ADDRESS, "key": None}


def test_a_key_is_refused_over_its_limit_and_its_address_is_not(site: Site) -> None:
    key = site.issue()["key"]
    statuses = [site.get(key=key).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert site.get().status_code == 200


def test_a_key_has_the_limits_of_its_plan(make_site: Callable[..., Site], uri: str) -> None:
    site = make_site(uri, plans={"pro": "50/minute"})
    issued = site.issue(plan="pro")
    assert site.get(key=issued["key"]).headers["X-RateLimit-Limit"] == "50"
    site.keys.change(issued["id"], {"plan": None}, who="ada")
    # A worker learns of another plan by the first request that it counts.
    site.get(key=issued["key"])
    assert site.get(key=issued["key"]).headers["X-RateLimit-Limit"] == "5"


def test_operators_see_the_requests_of_the_plans_of_keys(
    make_site: Callable[..., Site], uri: str
) -> None:
    site = make_site(uri, plans={"pro": "50/minute"})
    key = site.issue(plan="pro")["key"]
    for given in (key, key, None):
        site.get(key=given)
    site.engine.flush()
    [plan] = Operations(site.engine).analytics.read()["plans"]
    assert (plan["name"], plan["requests"], plan["assigned"]) == ("pro", 2, 0)


def test_keys_of_the_app_keep_working_beside(make_site: Callable[..., Site]) -> None:
    app = Flask("site")
    site = make_site("memory://", app)
    other = Flask("other")
    limiter = IntelligentLimiter(
        other,
        key_func=api_key(verify=lambda key: key == "theirs"),
        api_keys=True,
        api_key_secret=SECRET,
        background=False,
        storage_uri="memory://",
    )
    other.get("/who")(lambda: limiter.current_key)
    ours = Operations(state_of(other).limiter).api_keys.issue(name="n", owner="o", who="ada")
    client = other.test_client()
    assert client.get("/who", headers={"X-API-Key": "theirs"}).text.startswith("key:")
    assert client.get("/who", headers={"X-API-Key": "unknown"}).text == ADDRESS
    assert client.get("/who", headers={"X-API-Key": ours["key"]}).text == ours["client"]
    assert site.get(key="theirs").json == {"client": ADDRESS, "key": None}
    state_of(other).limiter.close()


@pytest.mark.parametrize("way", ["key_func", "early", "a limit's", "a limit's, by a function"])
def test_a_name_that_an_app_gives_is_never_an_api_keys_client(
    make_site: Callable[..., Site], uri: str, way: str
) -> None:
    def named() -> str:
        return request.headers.get("X-Name", "")

    early = KeyFromEnviron(lambda environ: environ.get("HTTP_X_NAME", ""))
    options = {"key_func": named} if way == "key_func" else {"key_func": early}
    own = way.startswith("a limit")
    site = make_site(uri, **({"base_limit": 100} if own else options))
    amount: Any = (lambda: "5/minute") if "function" in way else "5/minute"

    # Its own key where there is a name, else the client: both count in the same scope.
    @site.app.get("/own")
    @site.limiter.limit(amount, key_func=named)
    def limited() -> str:
        return "done"

    path = "/own" if own else "/who"
    issued = site.issue()
    assert site.get(path, issued["key"]).headers["X-RateLimit-Remaining"] == "4"
    for _ in range(6):
        answer = site.get(path, **{"X-Name": issued["client"]})
    assert answer.status_code == 429
    assert site.get(path, issued["key"]).headers["X-RateLimit-Remaining"] == "3"
    if not own:
        clients = [name for part in site.store.clients() for name in part]
        assert sorted(clients) == sorted([hashed(issued["client"]), issued["client"]])


@pytest.mark.parametrize(
    "name", ["key:abc", "key:" + "0" * 24, "key:7f3aK9xQ2m0", "user:7f3aK9xQ2m", "key:7f3aK9xQ2ü"]
)
def test_other_names_that_an_app_gives_stay_as_they_are(
    make_site: Callable[..., Site], name: str
) -> None:
    assert make_site(key_func=lambda: name).get().json["client"] == name


# What isn't accepted


def test_an_unknown_key_is_refused_and_counts_for_the_address(site: Site) -> None:
    site.issue()
    unknown = new_text("live").text
    answers = [site.get(key=unknown) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    unauthorized(answers[0])
    assert answers[0].headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    assert answers[0].headers["X-RateLimit-Remaining"] == "4"
    assert site.get().status_code == 429
    assert site.rejections() == ["unknown"] * 5


def test_nobody_learns_whether_an_id_is_known(site: Site) -> None:
    issued = site.issue()
    site.get(key=issued["key"])
    wrong = new_text("live", issued["id"]).text
    answers = [site.get(key=key) for key in (wrong, new_text("live").text)]
    assert answers[0].data == answers[1].data
    headers = [dict(answer.headers) for answer in answers]
    assert [h.pop("X-RateLimit-Remaining") for h in headers] == ["4", "3"]
    assert headers[0] == headers[1]


@pytest.mark.parametrize("seen_before", [False, True])
def test_a_wrong_key_and_an_unknown_one_ask_the_store_alike(
    site: Site, seen_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = site.issue()
    if seen_before:
        site.get(key=issued["key"])
    asked: list[str] = []
    for name in ("api_key", "hit", "hit_keyed", "begin"):
        call = getattr(site.store, name)

        def count(*arguments: Any, name: str = name, call: Any = call) -> Any:
            asked.append(name)
            return call(*arguments)

        monkeypatch.setattr(site.store, name, count)
        site.engine._decider._failures._store = site.store
    calls = []
    for key in (new_text("live", issued["id"]).text, new_text("live").text):
        asked.clear()
        site.get(key=key)
        calls.append(asked.copy())
    assert calls[0] == calls[1]
    assert calls[0].count("api_key") == 1


def test_an_unknown_key_leaves_nothing_in_the_store(site: Site) -> None:
    text, key_id = new_text("live")
    site.get(key=text)
    site.engine.flush()
    assert site.store.load([f"key:{key_id}"]) == [None]
    assert [name for part in site.store.clients() for name in part] == [ADDRESS]


def test_a_key_works_no_more_once_it_is_revoked(site: Site) -> None:
    issued = site.issue()
    assert site.get(key=issued["key"]).status_code == 200
    site.keys.revoke(issued["id"], who="ada")
    for _ in range(2):
        assert "revoked" in unauthorized(site.get(key=issued["key"]))["detail"]
    assert site.rejections() == ["revoked"] * 2


def test_a_request_that_meets_its_revocation_counts_for_the_address(
    make_site: Callable[..., Site], uri: str
) -> None:
    site = make_site(uri, plans={"pro": "50/minute"})
    issued = site.issue(plan="pro")
    site.get(key=issued["key"])
    site.revoke_elsewhere(issued)
    answer = site.get(key=issued["key"])
    unauthorized(answer)
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == (
        "5",
        "4",
    )
    assert site.get().headers["X-RateLimit-Remaining"] == "3"


@pytest.mark.parametrize(
    ("options", "given", "limit"),
    [
        ({}, "assigned", 20),
        ({"default_plan": "home"}, "", 20),
        ({"plan_of": lambda: "home"}, "", 20),
        ({"plan_of": lambda: "home"}, "overridden", 7),
        ({"plan_of": lambda: g.plan, "default_plan": "home"}, "", 20),
    ],
    ids=["assigned", "default", "plan_of", "overridden", "plan_of too early"],
)
def test_a_request_that_meets_its_revocation_counts_by_the_plan_of_its_address(
    make_site: Callable[..., Site], uri: str, options: Any, given: str, limit: int
) -> None:
    site = make_site(uri, plans={"pro": "50/minute", "home": "20/minute"}, **options)
    issued = site.issue(plan="pro")
    with site.app.app_context():
        if given == "assigned":
            site.limiter.assign_plan(ADDRESS, "home", reason="r")
        elif given == "overridden":
            site.limiter.override(ADDRESS, 7, reason="r")
    assert site.get(key=issued["key"]).headers["X-RateLimit-Limit"] == "50"
    site.revoke_elsewhere(issued)
    answer = site.get(key=issued["key"])
    unauthorized(answer)
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == (
        str(limit),
        str(limit - 1),
    )


def test_a_plan_that_a_later_hook_tells_is_that_of_the_address_of_a_key_without_one(
    make_site: Callable[..., Site], uri: str
) -> None:
    plans = {"pro": "50/minute", "home": "20/minute"}
    site = make_site(uri, plans=plans, default_plan="pro", plan_of=lambda: g.plan)
    issued = site.issue()

    @site.app.before_request
    def know() -> None:
        g.plan = "home"

    assert site.get(key=issued["key"]).headers["X-RateLimit-Remaining"] == "19"
    site.revoke_elsewhere(issued)
    answer = site.get(key=issued["key"])
    unauthorized(answer)
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == (
        "20",
        "19",
    )


def test_a_rotated_key_keeps_its_client_and_the_old_text_works_for_a_time(site: Site) -> None:
    issued = site.issue()
    site.get(key=issued["key"])
    rotated = site.keys.rotate(issued["id"], who="ada", grace_seconds=600)
    assert rotated is not None
    for key, left in ((rotated["key"], "3"), (issued["key"], "2")):
        answer = site.get(key=key)
        assert answer.json["client"] == issued["client"]
        assert answer.headers["X-RateLimit-Remaining"] == left
    again = site.keys.rotate(issued["id"], who="ada", grace_seconds=0)
    assert again is not None
    assert [site.get(key=k["key"]).status_code for k in (issued, rotated, again)] == [401, 401, 200]


def test_a_key_with_a_typo_needs_no_store(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = site.issue()
    monkeypatch.setattr(type(site.store), "api_key", None)
    typo = issued["key"][:-1] + ("A" if issued["key"][-1] != "A" else "B")
    assert "not copied whole" in unauthorized(site.get(key=typo))["detail"]
    assert site.rejections() == ["checksum"]


@pytest.mark.parametrize(
    "value",
    [
        "irl_",
        "irl_live_" + "x" * 8192,
        "irl_live_ü",
        "irl_live_\x01\x7f",
        "irl_{key},irl_{key}",
        "irl_live_%s",
    ],
)
def test_odd_headers_are_refused_and_break_nothing(site: Site, value: str) -> None:
    environ = {"HTTP_X_API_KEY": value}
    unauthorized(site.client.get("/who", environ_overrides=environ))
    unauthorized(
        site.client.get("/who", environ_overrides={"HTTP_AUTHORIZATION": f"Bearer {value}"})
    )
    assert site.rejections() == ["checksum"] * 2


@pytest.mark.parametrize(
    "value", ["", " ", "Basic irl_live_x", "Bearer", "Bearer ", "bearer\tirl_x", "Digest x"]
)
def test_other_authorizations_are_the_apps(site: Site, value: str) -> None:
    answer = site.client.get("/who", environ_overrides={"HTTP_AUTHORIZATION": value})
    assert answer.json == {"client": ADDRESS, "key": None}


def test_two_different_keys_are_refused_and_the_same_twice_is_one(site: Site) -> None:
    first, second = site.issue(), site.issue()
    both = {"Authorization": f"Bearer {second['key']}"}
    unauthorized(site.get(key=first["key"], **both))
    assert site.rejections() == ["ambiguous"]
    assert site.get(key=second["key"], **both).json["key"] == second["id"]
    assert site.get(key="their own", **both).json["key"] == second["id"]


# What views require


def test_a_scope_is_required(site: Site) -> None:
    issued = site.issue(scopes=["import"])
    missing = site.get("/export")
    unauthorized(missing)
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    lacking = site.get("/export", issued["key"])
    assert "export" in unauthorized(lacking, 403)["detail"]
    assert 'scope="export"' in lacking.headers["WWW-Authenticate"]
    site.keys.change(issued["id"], {"scopes": ["export"]}, who="ada")
    assert site.get("/export", issued["key"]).text == "exported"
    assert site.rejections() == ["missing", "scope"]


def test_where_nothing_is_limited_a_key_is_checked_all_the_same(site: Site) -> None:
    issued = site.issue()
    assert site.get("/open").json == {"key": None}
    assert site.get("/open", issued["key"]).json == {"key": issued["id"]}
    assert site.get("/closed", issued["key"]).text == "closed"
    unauthorized(site.get("/closed"))
    unauthorized(site.get("/closed", new_text("live").text))
    site.keys.revoke(issued["id"], who="ada")
    assert site.get("/open", issued["key"]).json == {"key": None}
    unauthorized(site.get("/closed", issued["key"]))


def test_a_disabled_limiter_opens_no_view(site: Site) -> None:
    issued = site.issue()
    site.limiter.enabled = False
    assert site.get("/closed", issued["key"]).text == "closed"
    unauthorized(site.get("/closed"))
    site.keys.revoke(issued["id"], who="ada")
    unauthorized(site.get("/closed", issued["key"]))


@pytest.mark.parametrize("order", ["limit above", "limit below", "dynamic above", "dynamic below"])
def test_the_decorators_stand_in_any_order(site: Site, order: str) -> None:
    limit: Any = site.limiter.limit("2/minute" if "limit" in order else lambda: "2/minute")
    require: Any = site.limiter.require_api_key()
    first, second = (require, limit) if "below" in order else (limit, require)

    def ordered() -> str:
        return "ordered"

    site.app.get("/ordered")(first(second(ordered)))

    key = site.issue()["key"]
    statuses = [site.get("/ordered", key).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    unauthorized(site.get("/ordered"))
    unauthorized(site.get("/ordered", new_text("live").text))


def test_blueprints_classes_and_async_views_require_keys(site: Site) -> None:
    blueprint = Blueprint("part", __name__, url_prefix="/part")
    site.limiter.require_api_key("part")(blueprint)

    @blueprint.get("/view")
    def view() -> str:
        return "done"

    @site.limiter.require_api_key("part")
    class Dispatched(View):
        def dispatch_request(self) -> str:
            return "done"

    @site.limiter.require_api_key("part")
    class Methods(MethodView):
        decorators = [site.limiter.limit("9/minute")]  # noqa: RUF012

        def get(self) -> str:
            return "done"

    @site.app.get("/async")
    @site.limiter.require_api_key("part")
    async def asynchronous() -> str:
        return "done"

    site.app.register_blueprint(blueprint)
    site.app.add_url_rule("/class", view_func=Dispatched.as_view("class"))
    site.app.add_url_rule("/methods", view_func=Methods.as_view("methods"))
    key, other = site.issue(scopes=["part"])["key"], site.issue()["key"]
    for path in ("/part/view", "/class", "/methods", "/async"):
        unauthorized(site.get(path))
        unauthorized(site.get(path, other), 403)
        assert site.get(path, key).text == "done"
        site.engine.forget_all()


def test_a_blueprint_that_requires_a_key_answers_what_a_browser_asks_before(site: Site) -> None:
    blueprint = Blueprint("part", __name__, url_prefix="/part")
    site.limiter.require_api_key()(blueprint)
    blueprint.post("/view")(lambda: "done")
    site.app.register_blueprint(blueprint)
    asks = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    assert site.client.options("/part/view", headers=asks).status_code == 200
    unauthorized(site.client.post("/part/view"))


def test_an_app_answers_by_its_own_handlers(site: Site) -> None:
    site.app.register_error_handler(401, lambda error: ("mine: " + error.reason, 401))
    assert site.get("/closed").text == "mine: missing"
    assert site.get(key="irl_typo").text == "mine: checksum"


def test_without_api_keys_none_can_be_required() -> None:
    app = Flask("site")
    limiter = IntelligentLimiter(app, storage_uri="memory://", background=False)
    with pytest.raises(ConfigurationError, match="api_keys=True"):
        limiter.require_api_key()
    early = IntelligentLimiter(storage_uri="memory://", background=False)
    early.require_api_key("export")
    with pytest.raises(ConfigurationError, match="api_keys=True"):
        early.init_app(Flask("other"))
    state_of(app).limiter.close()


def test_without_a_secret_nothing_begins() -> None:
    with pytest.raises(ConfigurationError, match="IRL_API_KEY_SECRET"):
        IntelligentLimiter(Flask("site"), storage_uri="memory://", api_keys=True)


@pytest.mark.parametrize("scope", ["", "a b", 'a"', "a" * 65, 5])
def test_a_scope_must_be_a_name(site: Site, scope: Any) -> None:
    with pytest.raises(ConfigurationError, match="scope"):
        site.limiter.require_api_key(scope)


# Where there is no store


def test_without_the_store_known_keys_go_on_and_others_wait(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, strange = site.issue(), site.issue()
    assert site.get(key=known["key"]).status_code == 200

    def fail(*arguments: object) -> None:
        raise StoreError("no answer", kind="timeout")

    for name in ("hit", "begin", "api_key", "hit_keyed", "begin_keyed"):
        monkeypatch.setattr(site.store, name, fail)
    assert site.get(key=known["key"]).json["key"] == known["id"]
    wrong = site.get(key=new_text("live", known["id"]).text)
    refused = site.get(key=strange["key"])
    assert refused.headers["Retry-After"] == "1"
    assert unauthorized(wrong, 503) == unauthorized(refused, 503)
    assert site.rejections() == ["unverified"] * 2
    assert site.get().status_code == 200
    unauthorized(site.get("/closed", strange["key"]), 503)
    assert site.get("/closed", known["key"]).text == "closed"


def test_the_stores_time_ends_a_key_and_not_the_hosts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = site.store.now()
    issued = site.issue(expires_at=now + 3600)
    assert site.get(key=issued["key"]).status_code == 200
    monkeypatch.setattr("time.time", lambda: now + 7200)
    if not site.store.local:
        assert site.get(key=issued["key"]).status_code == 200
    monkeypatch.undo()
    for end in (now - 1, 0.0):
        site.keys.change(issued["id"], {"expires_at": end}, who="ada")
        assert "expired" in unauthorized(site.get(key=issued["key"]))["detail"]


def test_a_network_with_a_limit_hides_no_revoked_key(site: Site) -> None:
    issued = site.issue()
    overrides = Operations(site.engine).overrides
    overrides.set("127.0.0.0/24", "limit", amount=50, seconds=60, reason="", who="ada")
    site.engine.refresh()
    assert site.get(key=issued["key"]).json["key"] == issued["id"]
    site.keys.revoke(issued["id"], who="ada")
    unauthorized(site.get(key=issued["key"]))


# What leaks


def test_no_secret_is_in_the_server_the_log_the_audit_or_any_answer(
    make_site: Callable[..., Site], redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site = make_site(redis_url, admin_token="token of the tests")
    issued = site.issue(scopes=["export"])
    rotated = site.keys.rotate(issued["id"], who="ada")
    assert rotated is not None
    texts = [issued["key"], rotated["key"], new_text("live", issued["id"]).text]
    secrets = [text[19:51].encode() for text in texts] + [SECRET.encode()]
    shown = []
    for text in texts:
        shown += [site.get("/export", text), site.get("/who", text[:-1])]
        shown.append(site.get("/export", **{"Authorization": f"Bearer {text}"}))
    headers = {"Authorization": "Bearer token of the tests"}
    for path in ("api-keys", f"api-keys/{issued['id']}", "audit", "status", "limits", "clients"):
        shown.append(site.client.get(f"/admin/{path}", headers=headers))
        assert shown[-1].status_code == 200
    site.engine.flush()
    seen = b"".join(answer.data + repr(answer.headers).encode() for answer in shown)
    seen += caplog.text.encode() + repr(site.engine.options).encode()
    seen += repr(vars(site.engine.keys)).encode() + repr(site.recorder.events).encode()
    with redis.Redis.from_url(redis_url) as server:
        for key in server.keys("*"):
            kind = server.type(key)
            seen += key + (server.dump(key) or b"")
            if kind == b"string":
                seen += server.get(key)
            elif kind == b"list":
                seen += b"".join(server.lrange(key, 0, -1))
            elif kind == b"hash":
                seen += b"".join(part for item in server.hgetall(key).items() for part in item)
            elif kind == b"zset":
                seen += b"".join(server.zrange(key, 0, -1))
    assert issued["prefix"].encode() in seen
    assert [secret for secret in secrets if secret in seen] == []


def test_forged_records_never_admit(make_site: Callable[..., Site], redis_url: str) -> None:
    site = make_site(redis_url)
    issued = site.issue()
    name = f"irl1.{{{issued['client']}}}.api-key"
    with redis.Redis.from_url(redis_url) as server:
        sound = server.get(name)
        assert isinstance(sound, bytes)
        for cut in range(0, len(sound), 7):
            site.engine.forget_all()
            server.set(name, sound[:cut] + b"\0" + sound[cut + 1 :])
            answer = site.get("/closed", issued["key"])
            # Another revision is no damage.
            assert answer.status_code == 401 if cut >= 8 else 200
            server.set(name, bytes(8) + sound[cut + 9 :])
            unauthorized(site.get("/closed", issued["key"]))
        server.delete(name)
    unauthorized(site.get(key=issued["key"]))


def test_a_key_is_named_for_operators(site: Site) -> None:
    issued = site.issue(name="nightly")
    site.get(key=issued["key"])
    site.engine.flush()
    [entry] = Operations(site.engine).clients.ranked()[0]
    assert (entry["client"], entry["label"]) == (issued["client"], f"{issued['prefix']} (nightly)")


def test_a_request_with_limits_on_functions_is_one_use(site: Site) -> None:
    @site.limiter.limit("2/minute")
    def work() -> str:
        return "done"

    site.app.get("/work")(lambda: work() + work())
    issued = site.issue()
    assert [site.get("/work", issued["key"]).status_code for _ in range(2)] == [200, 429]
    site.engine.flush()
    found = site.keys.show(issued["id"])
    assert found is not None
    assert (found["requests"], found["refused"]) == (2, 1)


def test_a_listener_that_fails_changes_no_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(event: object) -> None:
        raise RuntimeError

    assert site.engine.keys is not None
    monkeypatch.setattr(site.engine.keys, "_notify", fail)
    unauthorized(site.get(key=new_text("live").text))
    unauthorized(site.get("/closed"))


def test_uses_are_counted_with_the_flush(site: Site) -> None:
    issued = site.issue()
    for _ in range(7):
        site.get(key=issued["key"])
    site.engine.flush()
    found = site.keys.show(issued["prefix"])
    assert found is not None
    assert (found["requests"], found["refused"]) == (7, 2)
    assert found["last_used_at"] is not None
    assert found["last_used_at"] % 60 == 0


def test_a_view_that_was_registered_before_requires_a_key_all_the_same(
    site: Site,
) -> None:
    app, requires = site.app, site.limiter.require_api_key

    class Late(View):
        def dispatch_request(self) -> str:
            return "seen"

    @requires("export")
    @app.get("/above")
    def above() -> str:
        return "seen"

    app.add_url_rule("/late", view_func=Late.as_view("late"))
    requires()(Late)
    key = site.issue(scopes=["export"])["key"]
    for path in ("/above", "/late"):
        unauthorized(site.get(path))
        assert site.get(path, key).text == "seen"


def test_a_key_that_was_revoked_elsewhere_is_not_accepted_without_the_store(
    make_site: Callable[..., Site], redis_server: RedisServer, redis_url: str
) -> None:
    here, there = make_site(redis_url), make_site(redis_url)
    issued = here.issue()
    assert here.get(key=issued["key"]).status_code == 200
    there.keys.revoke(issued["id"], who="ada")
    # As the poll of every two seconds does.
    here.engine.refresh()
    broken = StoreError("out", kind="timeout")
    with patch.object(here.store, "api_key", side_effect=broken):
        unauthorized(here.get("/closed", issued["key"]), 503)
