"""gunicorn with two workers that share a Redis: one count, one model, a clean end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.servers import HOST, RedisServer, free_port, wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
"""Seconds for what takes two or three on an idle machine."""
SHUTDOWN = 15.0
LIMIT = 60

APP = """
import os
import sys

from flask import Flask, jsonify, request
from flask_irl import IntelligentLimiter, fit

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

if os.environ.get("ENDLESS"):
    # A training that takes as long as its worker lives.
    code = "import os, time\\nparent = os.getppid()\\nwhile os.getppid() == parent: time.sleep(0.1)"
    fit._command = lambda timeout: [sys.executable, "-c", code]

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

CONFIG = """
workers = 2
worker_class = "gthread"
threads = 4
graceful_timeout = 60
control_socket_disable = True
"""


class Workers:
    """A gunicorn that serves the app, and what it answers."""

    def __init__(self, folder: Path, store: str, **environment: str) -> None:
        (folder / "shop.py").write_text(textwrap.dedent(APP))
        (folder / "conf.py").write_text(textwrap.dedent(CONFIG))
        self.port = free_port()
        self._log = folder / "log"
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--config", "conf.py"),
                    *("--bind", f"{HOST}:{self.port}", "shop:app"),
                ],
                cwd=folder,
                env={
                    **os.environ,
                    "STORE": store,
                    "LIMIT": str(LIMIT),
                    "PYTHONPATH": paths,
                    **environment,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Workers:
        wait_until(self._answers, "an answer of gunicorn", PATIENCE)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SHUTDOWN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(SHUTDOWN)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str = "/", client: str = "somebody") -> tuple[int, Any]:
        """One request on a connection of its own, so that either worker may get it."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"X-Client": client})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def models(self) -> dict[int, int]:
        """The version of the model in each worker, as far as they were met."""
        found = (self.get("/model")[1] for _ in range(8))
        return {answer["pid"]: answer["version"] for answer in found}

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.get("/model")[0] == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def workers(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    with redis_server.client() as client:
        client.flushall()
    with Workers(tmp_path_factory.mktemp("workers"), redis_server.url) as running:
        yield running


def test_the_workers_count_together_and_admit_not_one_too_many(workers: Workers) -> None:
    def ask(number: int) -> int:
        return workers.get("/", f"client {number % 3}")[0]

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(3 * LIMIT + 90)))
    assert statuses.count(200) == 3 * LIMIT
    assert statuses.count(429) == 90
    pids: set[int] = set()

    def both() -> bool:
        pids.add(workers.get("/model")[1]["pid"])
        return len(pids) == 2

    wait_until(both, "answers of both workers", PATIENCE)


def test_what_one_worker_refuses_the_other_refuses(workers: Workers) -> None:
    for _ in range(LIMIT):
        assert workers.get("/", "one by one")[0] == 200
    assert {workers.get("/", "one by one")[0] for _ in range(12)} == {429}


def test_a_model_that_one_worker_trains_is_taken_up_by_the_other(workers: Workers) -> None:
    for client in range(20):
        for _ in range(8):
            assert workers.get("/", f"learner {client}")[0] == 200
    found: dict[int, int] = {}

    def both() -> bool:
        found.update(workers.models())
        return len(found) == 2 and min(found.values()) >= 1

    wait_until(both, "a model in both workers", PATIENCE)


def test_it_ends_within_seconds_also_while_a_training_runs(tmp_path: Path) -> None:
    with (
        RedisServer() as server,
        Workers(tmp_path, server.url, ENDLESS="yes") as workers,
    ):
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
