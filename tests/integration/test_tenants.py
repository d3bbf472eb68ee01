"""gunicorn with two workers and an app with tenants: each is counted by itself in both."""

from __future__ import annotations

import itertools
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.workers import CONFIG, SHUTDOWN, Workers
from tests.servers import RedisServer, wait_until

pytestmark = pytest.mark.integration

LIMITS = {"a": 30, "b": 40, "new": 20}
APP = """
import os

from flask import Flask, current_app, jsonify, request
from flask_irl import IntelligentLimiter

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    base_limit=20,
    # Nothing here is about time, and the machine may be busy.
    store_timeout=10.0,
    train=False,
    key_func=lambda: request.headers["X-Client"].partition("@")[0],
    tenant_of=lambda: request.headers["X-Client"].partition("@")[2],
    tenants={"a": {"base_limit": 30}, "b": {"base_limit": 40}},
    undeclared_tenants="own",
)

@app.get("/")
def index():
    return jsonify(pid=os.getpid())

@app.get("/changed")
@limiter.exempt
def changed():
    from flask_irl.operations import Operations
    tenants = app.extensions["flask_irl"].tenants.limiters
    Operations(tenants.find("a")).site.set_mode("shadow", "a test")
    return jsonify(pid=os.getpid())

@app.get("/known")
@limiter.exempt
def known():
    import threading
    tenants = app.extensions["flask_irl"].tenants.limiters
    found = {name: x.mode == "shadow" for name, x in tenants.all().items()}
    names = [x.name for x in threading.enumerate() if x.name.startswith("irl-jobs")]
    return jsonify(pid=os.getpid(), shadow=found, threads=len(names))

@app.get("/model")
@limiter.exempt
def model():
    return jsonify(pid=os.getpid(), version=0, training=False)
"""


@pytest.mark.parametrize("preload", [False, True])
def test_tenants_in_two_workers(
    redis_server: RedisServer, redis_url: str, tmp_path: Path, preload: bool
) -> None:
    config = f"{CONFIG}preload_app = {preload}\n"
    with Workers(tmp_path, redis_url, APP, config=config) as workers:

        def ask(number: int) -> tuple[str, int]:
            tenant = list(LIMITS)[number % 3]
            return tenant, workers.get("/", f"somebody@{tenant}")[0]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(3 * 60)))
        admitted = {name: answers.count((name, 200)) for name in LIMITS}
        assert admitted == LIMITS
        assert workers.get("/", "somebody@")[0] == 200
        # A change in one tenant comes to the other worker, by one thread for all tenants.
        assert workers.get("/changed")[0] == 200
        seen: dict[int, dict[str, bool]] = {}

        visitors = itertools.count()

        def both() -> bool:
            # A worker that has limited nothing yet looks for no changes.
            workers.get("/", f"visitor{next(visitors)}@")
            _, answer = workers.get("/known")
            assert answer["threads"] <= 1
            seen[answer["pid"]] = answer["shadow"]
            return len(seen) == 2 and all(found["a"] for found in seen.values())

        wait_until(both, "the change in both workers", 40.0)
        assert not any(found["b"] for found in seen.values())
        for pid in seen:
            os.kill(pid, 0)
        workers.process.send_signal(signal.SIGTERM)
        assert workers.process.wait(SHUTDOWN) == 0
        assert "Traceback" not in workers.log
    with redis_server.client() as client:
        assert client.scard("irl1.{site}.tenants") == 1
        keys = {key.decode() for key in client.keys("irl*:{somebody}")}
        assert keys == {f"irl.t.{name}.1:{{somebody}}" for name in LIMITS} | {"irl1:{somebody}"}
        counted = {
            name: int(client.hget(f"irl.t.{name}.1.{{site}}.counts", "requests") or 0)
            for name in LIMITS
        }
    # All that was noted is saved at the end, each with its tenant.
    assert counted == dict.fromkeys(LIMITS, 60)
