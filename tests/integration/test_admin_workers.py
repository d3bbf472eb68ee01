"""What an operator changes through one of two gunicorn workers holds in the other.

Changes that a worker takes up when it refreshes are looked at after two more refreshes: one may
have begun before the change. How far apart they are is told by the constant, not by a clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from flask_irl.config.sources import resolve
from flask_irl.limiter.schedule import POLL_SECONDS
from flask_irl.stores.base import Store
from flask_irl.stores.open import open_store
from flask_irl.stores.state import Update
from tests.integration.workers import CONFIG, PATIENCE, Answer, Line, Workers, lines_to_both
from tests.servers import RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TOKEN = "token-of-the-operator"
LIMIT = 1000
TIGHT = 300
"""What the first step down leaves of it."""
ROUTE_LIMIT = 3
STATED_SECONDS = 2.0
"""What the API's description says."""

APP = """
import os

from flask import Flask, jsonify, request
from flask_irl import IntelligentLimiter
from flask_irl.limiter.worker import Worker

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    base_limit=int(os.environ["LIMIT"]),
    # Nothing here is about time, and the machine may be busy.
    store_timeout=10.0,
    # Trained by the operator alone, and by too few clients for its word to count.
    training_interval_minutes=60,
    min_clients=1000,
    key_func=lambda: request.headers["X-Client"],
)
engine = app.extensions["flask_irl"].limiter
# The tests count refreshes; how far apart they are is nothing to them.
jobs = engine.worker.jobs._replace(refresh=lambda: engine.refresh())
engine.worker = Worker(engine.failures, jobs, train_seconds=3600.0, poll_seconds=0.25)
revisions = engine.store.revisions
refreshes = 0

def counted():
    global refreshes
    refreshes += 1
    return revisions()

engine.store.revisions = counted

@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response

@app.get("/")
def index():
    decision = limiter.current_decision
    return jsonify(step=decision.step, limit=decision.limit)

@app.get("/tight")
@limiter.limit("3/minute")
def tight():
    return jsonify({})

@app.get("/model")
@limiter.exempt
def model():
    return jsonify(version=engine.trainer.model.version, mode=engine.mode, refreshes=refreshes)
"""


class Site:
    """Two workers, an operator who speaks to the one, and clients of the other."""

    def __init__(self, one: Line, other: Line, store: Store) -> None:
        self.one = one
        self.other = other
        self._store = store
        self._names = itertools.count()

    def newcomer(self) -> str:
        """A client that nobody knows."""
        return f"client-{next(self._names)}"

    def change(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """Change something through the one worker; what it answers."""
        answer = self.one.ask(method, f"/admin{path}", body, token=TOKEN)
        assert answer.status == status, answer
        return answer.json

    def train(self) -> int:
        """Train a model through the one worker, to the end; give its version."""
        started = self.change("POST", "/train", status=202)

        def info() -> Any:
            return self.change("GET", "/model-info")

        wait_until(lambda: info()["version"] > started["version"], "a model", PATIENCE)
        wait_until(lambda: info()["last_training"]["at"] >= started["at"], "its end", PATIENCE)
        assert info()["last_training"]["result"] == "accepted"
        return int(info()["version"])

    def override(self, client: str, kind: str, **more: object) -> None:
        self.change("PUT", f"/client/{client}/override", {"kind": kind, **more})

    def asks(
        self, path: str, client: str, times: int = 1, *, line: Line | None = None
    ) -> list[int]:
        """A client's requests, to the other worker unless told; their statuses."""
        line = line or self.other
        return [line.ask("GET", path, client=client).status for _ in range(times)]

    def state(self) -> Any:
        """What the other worker says of itself, without asking the store."""
        return self.other.ask("GET", "/model").json

    def refreshed(self) -> None:
        """Wait until the other worker has asked for news that is newer than this call."""
        enough = self.state()["refreshes"] + 2
        wait_until(lambda: self.state()["refreshes"] >= enough, "two refreshes", PATIENCE)

    def audited(self) -> list[Any]:
        """The audit log as the other worker shows it, the latest first."""
        answer = self.other.ask("GET", "/admin/audit?page_size=100", token=TOKEN)
        assert answer.status == 200, answer
        changes: list[Any] = answer.json["changes"]
        return changes

    def flagged(self, client: str) -> Answer:
        """The other worker's answer to a client that the model has taken a step down."""
        found: list[Answer] = []

        def at_first_step() -> bool:
            # A flush may take the step back, as there is no model whose word counts.
            found.append(self.other.ask("GET", "/", client=client))
            if found[-1].json["step"] == 1:
                return True
            [state] = self._store.load([client])
            assert state is not None
            self._store.save([Update(client, state.revision, 1, -0.9, state.profile)], 600)
            return False

        wait_until(at_first_step, "an answer to a flagged client", PATIENCE)
        return found[-1]


@pytest.fixture(scope="module")
def workers(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    with redis_server.client() as client:
        client.flushall()
    with Workers(
        tmp_path_factory.mktemp("workers"),
        redis_server.url,
        APP,
        # Lines stay open, however long a test thinks.
        config=f"{CONFIG}keepalive = 600\n",
        LIMIT=str(LIMIT),
        IRL_ADMIN_TOKEN=TOKEN,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def connected(workers: Workers, redis_server: RedisServer) -> Iterator[Site]:
    one, other = lines_to_both(workers.port)
    options = resolve({"storage_uri": redis_server.url, "store_timeout": 10.0}, {}, {})
    store = open_store(options)
    site = Site(one, other, store)
    for line in (one, other):
        # A worker begins to ask for news when it first decides on a request.
        assert site.asks("/", site.newcomer(), line=line) == [200]
    yield site
    store.close()
    one.close()
    other.close()


@pytest.fixture
def site(connected: Site) -> Iterator[Site]:
    """The workers; what a test has changed for all clients is taken back after it."""
    yield connected
    mode, limits = connected.change("GET", "/mode"), connected.change("GET", "/limits")
    if (mode["mode"], limits["base_limit"]) != ("enforce", LIMIT):
        connected.change("PUT", "/mode", {"mode": "enforce"})
        connected.change("PUT", "/limits", {"base_limit": None})
        connected.refreshed()


@pytest.fixture(scope="module")
def versions(connected: Site) -> tuple[int, int]:
    """Two models that the one worker trained, the second in force."""
    for number in range(12):
        assert connected.asks("/", f"learner-{number}", 8, line=connected.one) == [200] * 8
    return connected.train(), connected.train()


def test_both_workers_ask_for_the_same_token(site: Site) -> None:
    assert site.one.worker != site.other.worker
    for line in (site.one, site.other):
        statuses = [line.ask("GET", "/admin/mode", token=t).status for t in (None, "wrong", TOKEN)]
        assert statuses == [401, 403, 200]


# At once


def test_a_block_holds_on_the_other_workers_next_request(site: Site) -> None:
    client = site.newcomer()
    assert site.asks("/", client) == [200]
    site.override(client, "block")
    assert site.asks("/", client, 2) == [429, 429]
    assert site.asks("/", site.newcomer()) == [200]


def test_an_allowance_holds_on_the_other_workers_next_request(site: Site) -> None:
    allowed, left = site.newcomer(), site.newcomer()
    for client in (allowed, left):
        # All that the route grants is used up, and no worker has refused anything yet.
        assert site.asks("/tight", client, ROUTE_LIMIT) == [200] * ROUTE_LIMIT
    site.override(allowed, "allow")
    assert site.asks("/tight", allowed, 5) == [200] * 5
    assert site.asks("/tight", left) == [429]


def test_a_fixed_limit_holds_on_the_other_workers_next_request(site: Site) -> None:
    client = site.newcomer()
    site.override(client, "limit", amount=2)
    answer = site.other.ask("GET", "/", client=client)
    assert (answer.status, answer.headers["X-RateLimit-Limit"]) == (200, "2")
    assert site.asks("/", client, 2) == [200, 429]
    assert site.asks("/", client, line=site.one) == [429]


def test_an_override_that_is_changed_holds_as_changed_on_the_next_request(site: Site) -> None:
    client = site.newcomer()
    site.override(client, "allow")
    assert site.asks("/tight", client, 5) == [200] * 5
    site.override(client, "block")
    assert site.asks("/tight", client) == [429]


# When the other worker asks for news


def test_the_interval_of_refreshes_is_the_one_that_the_api_states(site: Site) -> None:
    document = site.other.ask("GET", "/admin/openapi.json").json
    stating = {
        f"{method} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "two seconds" in operation.get("description", "")
    }
    assert stating == {
        "put /admin/limits",
        "put /admin/mode",
        "post /admin/models/{version}/rollback",
        "put /admin/client/{id}/override",
        "delete /admin/client/{id}/override",
        "post /admin/reset/{id}",
        "post /admin/campaigns/{campaign}/end",
        "put /admin/plans",
        "put /admin/client/{id}/plan",
        "delete /admin/client/{id}/plan",
        "patch /admin/api-keys/{key}",
        "post /admin/api-keys/{key}/revoke",
    }
    assert POLL_SECONDS == STATED_SECONDS


@pytest.mark.parametrize("how", ["allow", "clear", "reset"])
def test_a_client_that_the_other_worker_is_refusing_is_let_in_after_a_refresh(
    site: Site, how: str
) -> None:
    client = site.newcomer()
    if how == "clear":
        site.override(client, "block")
        path = "/"
    else:
        assert site.asks("/tight", client, ROUTE_LIMIT) == [200] * ROUTE_LIMIT
        path = "/tight"
    # Now the other worker knows it by heart, and asks nobody.
    assert site.asks(path, client, 2) == [429, 429]
    if how == "allow":
        site.override(client, "allow")
    elif how == "clear":
        site.change("DELETE", f"/client/{client}/override")
    else:
        site.change("POST", f"/reset/{client}")
    site.refreshed()
    assert site.asks(path, client) == [200]


def test_a_network_holds_in_both_workers_after_a_refresh_and_so_does_taking_it_back(
    site: Site,
) -> None:
    lines = (site.one, site.other)
    site.override("203.0.113.0/24", "block")
    site.refreshed()
    assert [site.asks("/", "203.0.113.7", 2, line=line) for line in lines] == [[429, 429]] * 2
    assert [site.asks("/", "198.51.100.7", line=line) for line in lines] == [[200]] * 2
    site.override("203.0.113.0/24", "limit", amount=3)
    site.refreshed()
    answers = [site.asks("/", f"203.0.113.{n}", line=lines[n % 2]) for n in range(1, 6)]
    assert answers == [[200]] * 3 + [[429]] * 2
    site.change("DELETE", "/client/203.0.113.0/24/override")
    site.refreshed()
    assert [site.asks("/", "203.0.113.7", line=line) for line in lines] == [[200]] * 2


@pytest.mark.parametrize(("mode", "limit"), [("shadow", LIMIT), ("off", LIMIT), ("enforce", TIGHT)])
def test_a_mode_holds_in_the_other_worker_after_a_refresh(
    site: Site, mode: str, limit: int
) -> None:
    if mode == "enforce":
        site.change("PUT", "/mode", {"mode": "off"})
        site.refreshed()
    client = site.newcomer()
    assert site.asks("/", client) == [200]
    site.change("PUT", "/mode", {"mode": mode})
    site.refreshed()
    assert site.state()["mode"] == mode
    assert site.flagged(client).json == {"step": 1, "limit": limit}


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_static_limits_hold_in_the_other_worker_whatever_the_mode(site: Site, mode: str) -> None:
    site.change("PUT", "/mode", {"mode": mode})
    site.refreshed()
    client = site.newcomer()
    assert site.asks("/tight", client, ROUTE_LIMIT + 1) == [*[200] * ROUTE_LIMIT, 429]


def test_a_limit_holds_in_the_other_worker_after_a_refresh_and_so_does_taking_it_back(
    site: Site,
) -> None:
    client = site.newcomer()
    site.change("PUT", "/limits", {"base_limit": 4})
    site.refreshed()
    assert site.asks("/", client, 5) == [*[200] * 4, 429]
    site.change("PUT", "/limits", {"base_limit": None})
    site.refreshed()
    answer = site.other.ask("GET", "/", client=client)
    assert (answer.status, answer.headers["X-RateLimit-Limit"]) == (200, str(LIMIT))


def test_a_rollback_holds_in_the_other_worker_after_a_refresh(
    site: Site, versions: tuple[int, int]
) -> None:
    earlier, latest = versions
    for version in (latest, earlier, latest):
        site.change("POST", f"/models/{version}/rollback")
        site.refreshed()
        assert site.state()["version"] == version


# Who did it


def test_the_other_workers_audit_log_shows_every_change(
    site: Site, versions: tuple[int, int]
) -> None:
    client = site.newcomer()
    assert site.asks("/", client) == [200]
    earlier, latest = versions
    site.change("POST", f"/models/{latest}/rollback")
    before = len(site.audited())
    site.override(client, "block", reason="scrapes")
    site.override(client, "allow")
    site.override(client, "limit", amount=5)
    site.change("DELETE", f"/client/{client}/override")
    site.change("POST", f"/reset/{client}")
    site.change("PUT", "/mode", {"mode": "shadow"})
    site.change("PUT", "/limits", {"base_limit": LIMIT + 1})
    site.change("POST", f"/models/{earlier}/rollback")
    found = site.audited()
    new = found[: len(found) - before]
    assert [(entry["action"], entry["target"]) for entry in reversed(new)] == [
        ("override", client),
        ("override", client),
        ("override", client),
        ("clear", client),
        ("reset", client),
        ("mode", ""),
        ("limits", ""),
        ("rollback", str(earlier)),
    ]
    assert {entry["who"] for entry in new} == {"admin"}
    assert new[-1]["reason"] == "scrapes"
    assert [entry["after"]["kind"] for entry in reversed(new[-3:])] == ["block", "allow", "limit"]
    by_action = {entry["action"]: (entry["before"], entry["after"]) for entry in new}
    assert by_action["mode"] == ({"mode": "enforce"}, {"mode": "shadow"})
    assert by_action["limits"] == ({"base_limit": LIMIT}, {"base_limit": LIMIT + 1})
    assert by_action["rollback"] == (
        {"version": latest, "pinned": latest, "until": None},
        {"version": earlier, "pinned": earlier, "until": None},
    )


def test_a_training_is_in_the_other_workers_audit_log(
    site: Site, versions: tuple[int, int]
) -> None:
    starts = [e for e in site.audited() if e["action"] == "train"]
    assert [e["before"]["version"] for e in starts] == [versions[1] - 1, versions[0] - 1]
    assert {e["after"]["result"] for e in starts} == {"started"}


def test_no_token_and_no_traceback_is_in_the_log(site: Site, workers: Workers) -> None:
    # Whatever the tests above have had logged, and at least this change.
    site.change("PUT", "/mode", {"mode": "enforce"})
    assert TOKEN not in workers.log
    assert "Traceback" not in workers.log
