"""Two gunicorn workers and API keys: what one changes holds in the other within two seconds.

How soon is told by the other worker's refreshes, whose distance is a constant, not by a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_irl.limiter.schedule import POLL_SECONDS
from tests.integration.workers import PATIENCE, Line, Workers, lines_to_both
from tests.servers import RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TOKEN = "token-of-the-operator"
BUSY = 40
"""Requests after which the other worker has a lease for the key's client."""

APP = """
import os

from flask import Flask, jsonify
from flask_irl import IntelligentLimiter
from flask_irl.limiter.worker import Worker

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    base_limit=100_000,
    # Nothing here is about time, and the machine may be busy.
    store_timeout=10.0,
    train=False,
    api_keys=True,
    api_key_secret="a secret of the tests",
    admin_token=os.environ["TOKEN"],
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
@limiter.require_api_key()
def index():
    key = limiter.current_api_key
    return jsonify(scopes=key.scopes, leased=bool(engine.leases.held))

@app.get("/model")
@limiter.exempt
def model():
    return jsonify(refreshes=refreshes)
"""


class Site:
    """Two workers, an operator who speaks to the one, and a client of the other."""

    def __init__(self, one: Line, other: Line) -> None:
        self.one = one
        self.other = other

    def change(self, method: str, path: str, body: object = None) -> Any:
        """Change something through the one worker; what it answers."""
        answer = self.one.ask(method, f"/admin/api-keys{path}", body, token=TOKEN)
        assert answer.status in (200, 201), answer
        return answer.json

    def issue(self) -> Any:
        """Issue a key that the other worker has come to hold a lease for."""
        issued = self.change("POST", "", {"name": "n", "owner": "o"})
        answers = [self.other.ask("GET", "/", token=issued["key"]) for _ in range(BUSY)]
        assert {answer.status for answer in answers} == {200}
        assert answers[-1].json["leased"]
        return issued

    def refreshed(self) -> None:
        """Wait until the other worker has asked for news that is newer than this call."""

        def refreshes() -> int:
            return int(self.other.ask("GET", "/model").json["refreshes"])

        enough = refreshes() + 2
        wait_until(lambda: refreshes() >= enough, "two refreshes", PATIENCE)


@pytest.fixture(scope="module")
def site(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with redis_server.client() as client:
        client.flushall()
    folder: Path = tmp_path_factory.mktemp("site")
    with Workers(folder, redis_server.url, APP, TOKEN=TOKEN) as workers:
        one, other = lines_to_both(workers.port)
        yield Site(one, other)
        one.close()
        other.close()


def test_two_refreshes_are_within_the_time_that_is_stated() -> None:
    assert POLL_SECONDS <= 2.0


def test_a_revoked_key_is_refused_by_the_other_worker(site: Site) -> None:
    issued = site.issue()
    site.change("POST", f"/{issued['id']}/revoke")
    site.refreshed()
    answer = site.other.ask("GET", "/", token=issued["key"])
    assert (answer.status, answer.json["detail"]) == (401, "The API key was revoked.")


def test_without_a_lease_a_revoked_key_is_refused_at_once(site: Site) -> None:
    issued = site.change("POST", "", {"name": "n", "owner": "o"})
    assert site.other.ask("GET", "/", token=issued["key"]).status == 200
    site.change("POST", f"/{issued['id']}/revoke")
    assert site.other.ask("GET", "/", token=issued["key"]).status == 401


def test_a_rotated_key_works_in_the_other_worker_and_the_old_text_no_more(site: Site) -> None:
    issued = site.issue()
    rotated = site.change("POST", f"/{issued['id']}/rotate", {"grace_seconds": 0})
    assert site.other.ask("GET", "/", token=rotated["key"]).status == 200
    site.refreshed()
    assert site.other.ask("GET", "/", token=issued["key"]).status == 401
    assert site.other.ask("GET", "/", token=rotated["key"]).status == 200


def test_changed_scopes_hold_in_the_other_worker(site: Site) -> None:
    issued = site.issue()
    site.change("PATCH", f"/{issued['id']}", {"scopes": ["export"]})
    site.refreshed()
    assert site.other.ask("GET", "/", token=issued["key"]).json["scopes"] == ["export"]
