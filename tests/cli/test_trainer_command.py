"""Test the trainer: a process that trains for web workers, and ends at a signal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request

from flask_irl import IntelligentLimiter
from flask_irl.cli import irl
from flask_irl.training.fit import fit_here
from flask_irl.web.state import state_of
from tests.servers import HOST, RedisServer, free_port, wait_until
from tests.training.endless import make_trainings_endless

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
"""Seconds for what takes two or three on an idle machine."""
APP = """
import os

from flask import Flask
from flask_irl import IntelligentLimiter

app = Flask("shop")
IntelligentLimiter(
    app,
    store_timeout=10.0,
    min_clients=1,
    training_interval_minutes=float(os.environ.get("MINUTES", "5")),
)
"""


class Trainer:
    """Run ``flask irl trainer`` of an app inside a ``with`` block."""

    def __init__(self, folder: Path, store: str, *arguments: str, **environment: str) -> None:
        (folder / "shop.py").write_text(textwrap.dedent(APP))
        self._log = folder / "log"
        paths = os.pathsep.join([str(ROOT), str(folder)])
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "shop", "irl", "trainer", *arguments],
                cwd=folder,
                env={**os.environ, "REDIS_URL": store, "PYTHONPATH": paths, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, what: str) -> bool:
        """Check whether the log has a text; fail if the trainer ended without."""
        if what in self.log:
            return True
        assert self.process.poll() is None, self.log
        return False

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)


class Web:
    """Serve an app that learns from its requests and never trains, as a web worker does."""

    def __init__(self, store: str) -> None:
        self.app = Flask("web")
        IntelligentLimiter(
            self.app,
            storage_uri=store,
            store_timeout=10.0,
            background=False,
            train=False,
            admin=False,
            key_func=lambda: request.headers["X-Client"],
        )
        self.app.add_url_rule("/", "index", lambda: "hello")
        self.limiter = state_of(self.app).limiter
        # A child process for each training would take seconds.
        self.limiter.trainer._fit = fit_here

    def learn(self) -> None:
        """Send requests enough for a model."""
        client = self.app.test_client()
        for number in range(12):
            for _ in range(8):
                client.get("/", headers={"X-Client": f"learner {number}"})
        self.limiter.flush()


@pytest.fixture
def web(redis_url: str) -> Iterator[Web]:
    web = Web(redis_url)
    yield web
    web.limiter.close()


def leases(server: RedisServer) -> set[bytes]:
    """List the leases of trainings that are held; to take one would be in a trainer's way."""
    with server.client() as client:
        held = {key.rpartition(b".")[2] for key in client.keys("*lease.*")}
        # The watch for campaigns ends its own within seconds.
        return held - {b"campaigns"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, str]]:
    """Let a web app learn and a trainer train once; give the app, and the trainer's metrics.

    The trainer's environment tells web workers not to train.
    """
    port = free_port()
    options = ("--metrics-port", str(port))
    with RedisServer() as server:
        web = Web(server.url)
        web.learn()
        folder = tmp_path_factory.mktemp("trainer")
        with Trainer(folder, server.url, *options, IRL_TRAIN="false") as trainer:
            wait_until(lambda: trainer.says("training_accepted version=1"), "it", PATIENCE)
            url = f"http://{HOST}:{port}/metrics"
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                shown = answer.read().decode()
        yield web, shown
        web.limiter.close()


@pytest.mark.integration
@pytest.mark.slow
def test_it_trains_whatever_the_web_workers_environment_says_and_they_take_the_model_up(
    trained: tuple[Web, str],
) -> None:
    limiter = trained[0].limiter
    limiter.refresh()
    assert limiter.trainer.model.version == 1
    assert limiter.trainer.last is None


@pytest.mark.integration
@pytest.mark.slow
def test_its_metrics_are_served_on_the_port(trained: tuple[Web, str]) -> None:
    shown = trained[1]
    assert 'irl_model_trainings_total{result="accepted"} 1.0' in shown
    assert "irl_model_version 1.0" in shown
    assert "process_resident_memory_bytes" in shown


@pytest.mark.integration
@pytest.mark.slow
def test_it_goes_on_training_on_schedule(web: Web, redis_url: str, tmp_path: Path) -> None:
    with Trainer(tmp_path, redis_url, MINUTES="0.01") as trainer:
        wait_until(lambda: trainer.says("training_refused"), "a training too early", PATIENCE)
        web.learn()
        wait_until(lambda: trainer.says("training_accepted"), "a later training", PATIENCE)


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_when_told(redis_url: str, tmp_path: Path, number: signal.Signals) -> None:
    with Trainer(tmp_path, redis_url) as trainer:
        wait_until(lambda: trainer.says("trainer_started"), "the trainer", PATIENCE)
        assert trainer.end(number) == 0
    assert f"trainer_stopped signal={number.name}" in trainer.log
    assert "Traceback" not in trainer.log


@pytest.mark.integration
def test_told_to_end_it_waits_for_no_training_and_leaves_its_turn_to_the_next(
    web: Web, redis_server: RedisServer, tmp_path: Path
) -> None:
    web.learn()
    make_trainings_endless(tmp_path)
    with Trainer(tmp_path, redis_server.url) as trainer:
        wait_until(lambda: b"train" in leases(redis_server), "a training", PATIENCE)
        assert leases(redis_server) == {b"train", b"tick"}
        assert trainer.end() == 0
    assert "Traceback" not in trainer.log
    assert leases(redis_server) == set()


@pytest.mark.integration
@pytest.mark.slow
def test_it_knows_the_model_in_force_before_it_asks_what_is_new(
    web: Web, redis_url: str, tmp_path: Path
) -> None:
    web.learn()
    assert web.limiter.train().version == 1
    with Trainer(tmp_path, redis_url) as trainer:
        wait_until(lambda: trainer.says("trainer_started"), "the trainer", PATIENCE)
    assert trainer.log.index("model_loaded version=1") < trainer.log.index("trainer_started")


@pytest.mark.integration
def test_a_port_that_is_taken_is_told_in_a_line(redis_server: RedisServer, tmp_path: Path) -> None:
    taken = str(redis_server.port)
    with Trainer(tmp_path, redis_server.url, "--metrics-port", taken) as trainer:
        assert trainer.process.wait(PATIENCE) == 1
    assert f"metrics can't be served on {HOST}:{taken}" in trainer.log
    assert "Traceback" not in trainer.log


@pytest.mark.integration
def test_its_lines_can_be_json(redis_url: str, tmp_path: Path) -> None:
    with Trainer(tmp_path, redis_url, LOG_FORMAT="json") as trainer:
        wait_until(lambda: trainer.says("trainer_started"), "the trainer", PATIENCE)
    started = r'^\{"ts": .*"event": "trainer_started", "interval_minutes": 5'
    assert re.search(started, trainer.log, re.MULTILINE)


OTHERS = """
import logging
from flask_irl.cli.trainer import _log_to_stderr
_log_to_stderr("json")
logging.getLogger("another").warning("first\\nsecond")
logging.getLogger("another").info("chatter")
"""


def test_what_other_loggers_warn_of_is_in_that_form_too() -> None:
    done = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["logger"], told["event"]) == ("another", "log")
    assert told["message"] == "first\nsecond"


@pytest.mark.integration
def test_started_before_its_store_it_waits_and_then_trains_by_itself(tmp_path: Path) -> None:
    port = free_port()
    with Trainer(tmp_path, f"redis://{HOST}:{port}") as trainer:
        wait_until(lambda: trainer.says("trainer_waiting"), "the trainer", PATIENCE)
        assert f"{HOST}:{port} refuses connections" in trainer.log
        with RedisServer(port=port):
            wait_until(lambda: trainer.says("training_refused"), "a first training", PATIENCE)
            assert trainer.end() == 0
    assert trainer.log.count("trainer_waiting") == 1
    assert "trainer_stopped signal=SIGTERM" in trainer.log
    assert "Traceback" not in trainer.log


@pytest.mark.integration
def test_it_ends_with_0_when_told_while_it_waits(tmp_path: Path) -> None:
    with Trainer(tmp_path, f"redis://{HOST}:{free_port()}") as trainer:
        wait_until(lambda: trainer.says("trainer_waiting"), "the trainer", PATIENCE)
        assert trainer.end() == 0
    assert "trainer_stopped signal=SIGTERM" in trainer.log
    assert "Traceback" not in trainer.log


def test_the_embedded_store_is_refused() -> None:
    result = run("memory://")
    assert result.exit_code == 1
    assert "the store is memory://" in result.output
    assert "Set REDIS_URL" in result.output


def test_without_scikit_learn_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = run(redis_url)
    assert result.exit_code == 1
    assert 'pip install "flask-irl[train]"' in result.output


def test_without_prometheus_client_its_metrics_are_a_wrong_call(
    monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    result = run(redis_url, "--metrics-port", "9101")
    assert result.exit_code == 2
    assert 'pip install "flask-irl[metrics]"' in result.output


@pytest.mark.parametrize("train", [True, False])
def test_a_process_told_not_to_train_never_does(redis_url: str, train: bool) -> None:
    app = Flask("web")
    IntelligentLimiter(
        app, storage_uri=redis_url, store_timeout=10.0, train=train, training_interval_minutes=0.001
    )
    limiter = state_of(app).limiter
    polls: list[int] = []
    revisions = limiter.store.revisions
    limiter.store.revisions = lambda: polls.append(1) or revisions()  # type: ignore[func-returns-value, method-assign]
    try:
        limiter.start()
        # The trainings are due long before.
        wait_until(lambda: len(polls) >= 2, "two seconds of background work", PATIENCE)
        assert (limiter.trainer.last is not None) == train
    finally:
        limiter.close()


def test_told_not_to_train_by_itself_it_still_does_when_asked(web: Web) -> None:
    web.learn()
    assert web.limiter.train().result == "accepted"


def run(store: str, *arguments: str) -> Any:
    app = Flask("shop")
    IntelligentLimiter(app, storage_uri=store, background=False)
    app.cli.add_command(irl)
    try:
        return app.test_cli_runner().invoke(args=["irl", "trainer", *arguments])
    finally:
        state_of(app).limiter.close()
