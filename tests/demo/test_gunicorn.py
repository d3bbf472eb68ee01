"""The gunicorn configurations, each with the demo app on a real socket."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from tests.servers import HOST, free_port, wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
MEMORY = "demo_app/gunicorn_memory.py"
REDIS = "demo_app/gunicorn_redis.py"
MEMORY_APP = "demo_app:create_app()"
# Nothing here is about time, and the machine may be busy.
REDIS_APP = "demo_app:create_app({'IRL_STORE_TIMEOUT': 10.0})"
START = 60.0
STOP = 30.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Gunicorn:
    """A gunicorn of the demo app, with a home folder of its own; runs in a ``with`` block."""

    def __init__(self, config: str, home: Path, *arguments: str, **environment: str) -> None:
        self.port = free_port()
        self.home = home
        self._log = home / "log"
        self._command = [sys.executable, "-m", "gunicorn", "-c", config, *arguments]
        self._environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*self._command, REDIS_APP if REDIS in self._command else MEMORY_APP],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        process = self.start()
        wait_until(lambda: self._answers() or process.poll() is not None, "gunicorn", START)
        assert process.poll() is None, self.log
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(STOP)
        finally:
            self.process.kill()

    def get(self, path: str, key: str | None = None) -> Answer:
        """Ask on a new connection, so that any worker may answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=START)
        try:
            connection.request("GET", path, headers={} if key is None else {"X-API-Key": key})
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, dict(response.headers), text)
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return self.get("/health").status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    # The store is the embedded one whatever the environment says.
    home = tmp_path_factory.mktemp("home")
    with Gunicorn(MEMORY, home, BASE_LIMIT="3", REDIS_URL="redis://127.0.0.1:1") as server:
        yield server


def test_one_process_counts_every_request(memory: Gunicorn) -> None:
    statuses = [memory.get("/api/data", "counted").status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


def test_a_refusal_is_logged_with_its_fields(memory: Gunicorn) -> None:
    for _ in range(4):
        memory.get("/api/data", "logged")
    line = re.search(r"^(\S+) \[\d+\] \[INFO\] flask_irl: request_refused .*$", memory.log, re.M)
    assert line is not None, memory.log
    assert "route=/api/data" in line[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", line[1])


def test_the_schedulers_chatter_stays_out_of_the_log(memory: Gunicorn) -> None:
    memory.get("/", "chatter")
    assert "apscheduler" not in memory.log


def test_the_metrics_of_one_process_are_whole(memory: Gunicorn) -> None:
    memory.get("/", "measured")
    shown = memory.get("/metrics").text
    assert re.search(r'^irl_requests_total\{outcome="allowed",route="/"\} [1-9]', shown, re.M)


def test_no_control_socket_appears_in_the_home_folder(memory: Gunicorn) -> None:
    assert [path.name for path in memory.home.iterdir()] == ["log"]


def test_it_ends_at_once_when_told(tmp_path: Path) -> None:
    with Gunicorn(MEMORY, tmp_path) as server:
        server.get("/")
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP) == 0
    assert "Traceback" not in server.log


def test_the_embedded_store_refuses_a_second_process(tmp_path: Path) -> None:
    server = Gunicorn(MEMORY, tmp_path, "--workers", "2")
    assert server.start().wait(START) != 0
    assert "workers is 2, but the embedded store allows only 1" in server.log


def test_the_address_can_be_given_whole(tmp_path: Path) -> None:
    port = free_port()
    server = Gunicorn(MEMORY, tmp_path, BIND=f"127.0.0.1:{port}")
    server.port = port
    with server:
        assert server.get("/health").status == 200


def test_workers_on_redis_share_one_count(tmp_path: Path, redis_url: str) -> None:
    environment = {"REDIS_URL": redis_url, "WEB_CONCURRENCY": "2", "BASE_LIMIT": "10"}
    with Gunicorn(REDIS, tmp_path, **environment) as server:
        answers = [server.get("/api/data", "shared") for _ in range(12)]
        health = server.get("/health")
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers[:10]]
    assert left == list(range(9, -1, -1))
    assert health.text.strip() == '{"status":"ok"}'


def test_metrics_of_several_processes_do_not_fail(tmp_path: Path, redis_url: str) -> None:
    with Gunicorn(REDIS, tmp_path, REDIS_URL=redis_url, WEB_CONCURRENCY="2") as server:
        answers = [server.get("/metrics") for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 6


def test_metrics_of_several_processes_add_up_when_they_share_a_folder(
    tmp_path: Path, redis_url: str
) -> None:
    folder, home = tmp_path / "metrics", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    environment = {
        "REDIS_URL": redis_url,
        "WEB_CONCURRENCY": "2",
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
    }
    with Gunicorn(REDIS, home, **environment) as server:
        for _ in range(8):
            server.get("/api/data")
        whole = server.get("/metrics")
        named = server.get("/metrics?name[]=irl_requests_total")
    line = 'irl_requests_total{outcome="allowed",route="/api/data"} 8.0'
    assert line in whole.text
    assert line in named.text
    assert "irl_decision_seconds" not in named.text
    assert "pid=" not in whole.text


def test_without_redis_it_says_degraded_and_goes_on(tmp_path: Path) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    with Gunicorn(REDIS, tmp_path, REDIS_URL=nobody, WEB_CONCURRENCY="1") as server:
        statuses = [server.get("/api/data").status for _ in range(20)]
        health = server.get("/health")
    assert statuses == [200] * 20
    assert (health.status, health.text.strip()) == (200, '{"status":"degraded"}')
