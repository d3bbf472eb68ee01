"""gunicorn with two workers that share a Redis: one count, one model, a clean end."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.workers import PATIENCE, SHUTDOWN, Workers
from tests.servers import RedisServer, wait_until
from tests.training.endless import make_trainings_endless

pytestmark = pytest.mark.integration

LIMIT = 60
VISITORS = itertools.count()

APP = """
import os

from flask import Flask, jsonify, request
from flask_irl import IntelligentLimiter

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    base_limit=int(os.environ["LIMIT"]),
    # Nothing here is about time, and the machine may be busy.
    store_timeout=10.0,
    training_interval_minutes=0.02,
    min_clients=1,
    key_func=lambda: request.headers["X-Client"],
)

@app.get("/")
def index():
    return jsonify(pid=os.getpid())

@app.get("/model")
@limiter.exempt
def model():
    engine = app.extensions["flask_irl"].limiter
    busy = engine.store.take_lease("train", "a test that looks", 0.001) is False
    return jsonify(pid=os.getpid(), version=engine.trainer.model.version, training=busy)
"""


def start(folder: Path, store: str, **environment: str) -> Workers:
    return Workers(folder, store, APP, LIMIT=str(LIMIT), **environment)


@pytest.fixture(scope="module")
def workers(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    with redis_server.client() as client:
        client.flushall()
    with start(tmp_path_factory.mktemp("workers"), redis_server.url) as running:
        yield running


def meet_both(workers: Workers, path: str) -> None:
    """Send requests, each of another client, until both workers have answered."""
    pids: set[int] = set()

    def both() -> bool:
        pids.add(workers.get(path, f"visitor {next(VISITORS)}")[1]["pid"])
        return len(pids) == 2

    wait_until(both, "answers of both workers", PATIENCE)


def test_the_workers_count_together_and_admit_not_one_too_many(workers: Workers) -> None:
    def ask(number: int) -> int:
        return workers.get("/", f"client {number % 3}")[0]

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(3 * LIMIT + 90)))
    assert statuses.count(200) == 3 * LIMIT
    assert statuses.count(429) == 90
    meet_both(workers, "/model")


def test_what_one_worker_refuses_the_other_refuses(workers: Workers) -> None:
    for _ in range(LIMIT):
        assert workers.get("/", "one by one")[0] == 200
    assert {workers.get("/", "one by one")[0] for _ in range(12)} == {429}


@pytest.mark.slow
def test_a_model_that_one_worker_trains_is_taken_up_by_the_other(workers: Workers) -> None:
    for client in range(20):
        for _ in range(8):
            assert workers.get("/", f"learner {client}")[0] == 200
    # A worker looks for models from its first decision on; one may have answered all of these.
    meet_both(workers, "/")
    found: dict[int, int] = {}

    def both() -> bool:
        found.update(workers.models())
        return len(found) == 2 and min(found.values()) >= 1

    try:
        wait_until(both, "a model in both workers", PATIENCE)
    except TimeoutError:
        pytest.fail(f"models {found}\n{workers.log}")


def test_it_ends_within_seconds_also_while_a_training_runs(tmp_path: Path) -> None:
    make_trainings_endless(tmp_path)
    with RedisServer() as server, start(tmp_path, server.url) as workers:
        for client in range(12):
            for _ in range(8):
                workers.get("/", f"learner {client}")
        wait_until(lambda: workers.get("/model")[1]["training"], "a training", PATIENCE)
        started = time.monotonic()
        workers.process.send_signal(signal.SIGTERM)
        assert workers.process.wait(SHUTDOWN) == 0
        assert time.monotonic() - started < SHUTDOWN
    assert "Traceback" not in workers.log
    assert "SIGKILL" not in workers.log
