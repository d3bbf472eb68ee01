"""Test the gunicorn configurations, each with the demo app on a real socket."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from demo_app.keys import SECRET, issue_key
from tests.demo.gunicorn_server import MEMORY, REDIS, START, STOP, Gunicorn
from tests.servers import HOST, RedisServer, free_port, wait_until

pytestmark = pytest.mark.integration

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    # The store is the embedded one whatever the environment says.
    home, port = tmp_path_factory.mktemp("home"), free_port()
    nowhere = "redis://127.0.0.1:1"
    environment = {"BASE_LIMIT": "3", "REDIS_URL": nowhere, "IRL_STORAGE_URI": nowhere}
    environment |= {"BIND": f"127.0.0.1:{port}", "PROMETHEUS_MULTIPROC_DIR": str(home / "metrics")}
    server = Gunicorn(MEMORY, home, **environment)
    server.port = port
    with server:
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
    count = re.compile(r'^irl_requests_total\{outcome="\w+",route="/"\} [1-9]', re.MULTILINE)
    # A request counts when it has ended, which may be after the client has its answer.
    wait_until(lambda: count.search(memory.get("/metrics").text), "the request's count", STOP)


def test_the_address_can_be_given_whole(memory: Gunicorn) -> None:
    assert memory.get("/health").status == 200


def test_one_process_uses_no_folder_for_metrics(memory: Gunicorn) -> None:
    memory.get("/api/data", "no folder")
    wait_until(lambda: count(memory) >= 1, "a request counted", STOP)
    assert not (memory.home / "metrics").exists()


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


DATA = 'irl_requests_total{outcome="allowed",route="/api/data"}'


def two_workers(home: Path, redis_url: str, *arguments: str, **environment: str) -> Gunicorn:
    """Two workers on Redis whose temporary folder is ``home``/tmp."""
    (home / "tmp").mkdir()
    environment = {"TMPDIR": str(home / "tmp"), "WEB_CONCURRENCY": "2"} | environment
    return Gunicorn(REDIS, home, *arguments, REDIS_URL=redis_url, **environment)


def one_worker(redis_url: str, folder: Path) -> dict[str, str]:
    """Give the environment of a worker on Redis with a folder for metrics."""
    own = {"PROMETHEUS_MULTIPROC_DIR": str(folder), "WEB_CONCURRENCY": "1"}
    return {"REDIS_URL": redis_url, **own}


def count(server: Gunicorn) -> float:
    """Read how many requests for /api/data were admitted."""
    found = re.search(rf"^{re.escape(DATA)} (\S+)$", server.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def wait_for_count(server: Gunicorn, requests: float) -> None:
    """Wait until the metrics show so many admitted requests for /api/data.

    A request counts when it has ended, which may be after the client has its answer.
    """
    wait_until(lambda: count(server) == requests, f"{requests} requests", STOP)


def files_of_gauges(folder: Path) -> set[str]:
    """List the processes with gauges in a folder."""
    return {path.stem.rsplit("_", 1)[1] for path in folder.glob("*/gauge_live*.db")}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Gunicorn]:
    home = tmp_path_factory.mktemp("pair")
    with redis_server.client() as client:
        client.flushall()
    with two_workers(home, redis_server.url, BASE_LIMIT="10", **{SECRET: "made up"}) as server:
        yield server
    assert list((home / "tmp").glob("irl-metrics-*")) == []


def key(client: str) -> str:
    return issue_key(client, "made up")


def both_gauges(server: Gunicorn) -> set[str]:
    """Wait for the gauges of both workers, and list them."""
    folder = server.home / "tmp"
    wait_until(lambda: len(files_of_gauges(folder)) == 2, "the gauges of both workers", START)
    return files_of_gauges(folder)


def test_workers_on_redis_share_one_count(pair: Gunicorn) -> None:
    before = count(pair)
    answers = [pair.get("/api/data", key("shared")) for _ in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers[:10]]
    assert left == list(range(9, -1, -1))
    assert pair.get("/health").text.strip() == '{"status":"ok"}'
    wait_for_count(pair, before + 10)


def test_metrics_of_several_processes_add_up_in_a_folder_of_their_own(pair: Gunicorn) -> None:
    before = count(pair)
    for _ in range(8):
        pair.get("/api/data", key("added"))
    wait_for_count(pair, before + 8)
    named = pair.get("/metrics?name[]=irl_requests_total").text
    assert f"{DATA} {before + 8}" in named
    assert "irl_decision_seconds" not in named
    assert "pid=" not in pair.get("/metrics").text
    assert len(list((pair.home / "tmp").glob("irl-metrics-*"))) == 1


def test_a_killed_workers_counts_stay_and_its_gauges_go(pair: Gunicorn) -> None:
    before, folder = count(pair), pair.home / "tmp"
    for _ in range(8):
        pair.get("/api/data", key("killed"))
    wait_for_count(pair, before + 8)
    victim = min(both_gauges(pair))
    os.kill(int(victim), signal.SIGKILL)
    wait_until(lambda: victim not in files_of_gauges(folder), "the end of its gauges", START)
    both_gauges(pair)
    assert count(pair) == before + 8
    pair.get("/api/data", key("after"))
    wait_for_count(pair, before + 9)
    assert "pid=" not in pair.get("/metrics").text


def test_counts_survive_a_reload(pair: Gunicorn) -> None:
    total = count(pair) + 1
    pair.get("/api/data", key("reload"))
    wait_for_count(pair, total)
    before = both_gauges(pair)
    assert pair.process is not None
    pair.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not both_gauges(pair) & before, "new workers", START)
    assert count(pair) == total


def test_what_an_earlier_server_counted_is_cleared_and_nothing_else(
    tmp_path: Path, redis_url: str
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    for name in ("counter_77.db", "gauge_livemax_77.db", "histogram_77.db"):
        (folder / name).write_bytes(b"left")
    (folder / "notes_77.db").write_text("mine")
    with Gunicorn(REDIS, tmp_path, **one_worker(redis_url, folder)) as server:
        server.get("/api/data")
        assert list(folder.glob("[cgh]*_77.db")) == []
        assert list(folder.glob("counter_*.db")) != []
    assert (folder / "notes_77.db").read_text() == "mine"


def test_a_folder_that_is_named_but_not_there_is_made(tmp_path: Path, redis_url: str) -> None:
    folder = tmp_path / "not" / "there"
    with Gunicorn(REDIS, tmp_path, **one_worker(redis_url, folder)) as server:
        server.get("/api/data")
        wait_for_count(server, 1)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file")
    server = Gunicorn(REDIS, tmp_path, PROMETHEUS_MULTIPROC_DIR=folder)
    assert server.start().wait(START) != 0
    assert f"PROMETHEUS_MULTIPROC_DIR is {folder!r}, and no such folder can be made" in server.log


def test_a_worker_is_replaced_though_something_swept_the_folder_away(
    tmp_path: Path, redis_url: str
) -> None:
    with two_workers(tmp_path, redis_url) as server:
        server.get("/api/data")
        folder = tmp_path / "tmp"
        wait_until(lambda: len(files_of_gauges(folder)) == 2, "the gauges of both workers", START)
        victims = files_of_gauges(folder)
        for swept in folder.glob("irl-metrics-*"):
            shutil.rmtree(swept)
        for victim in victims:
            os.kill(int(victim), signal.SIGKILL)
        wait_until(lambda: len(files_of_gauges(folder)) == 2, "new workers", START)
        server.get("/api/data")
        wait_for_count(server, 1)


def test_a_server_without_workers_is_refused(tmp_path: Path) -> None:
    server = Gunicorn(REDIS, tmp_path, WEB_CONCURRENCY="0")
    assert server.start().wait(START) != 0
    assert "WEB_CONCURRENCY is 0, which is not allowed: give 1 or more" in server.log


def test_metrics_add_up_of_workers_whose_app_was_loaded_before_they_were_forked(
    tmp_path: Path, redis_url: str
) -> None:
    with two_workers(tmp_path, redis_url, "--preload") as server:
        for _ in range(8):
            server.get("/api/data")
        wait_for_count(server, 8)
        folder = tmp_path / "tmp"

        def both_serve() -> bool:
            # A worker that was forked begins with its first request, and all may go to the other.
            server.get("/api/data")
            return len(files_of_gauges(folder)) == 2

        wait_until(both_serve, "the gauges of both workers", START)
        assert server.process is not None
        assert str(server.process.pid) not in files_of_gauges(folder)


def test_counts_survive_a_new_server_that_takes_over(tmp_path: Path, redis_url: str) -> None:
    pid_file = tmp_path / "pid"
    with two_workers(tmp_path, redis_url, "--pid", str(pid_file)) as server:
        server.get("/api/data")
        wait_for_count(server, 1)
        assert server.process is not None
        server.process.send_signal(signal.SIGUSR2)
        successor = tmp_path / "pid.2"
        wait_until(lambda: successor.exists() and successor.read_text(), "a successor", START)
        pid = int(successor.read_text())
        try:
            folder = tmp_path / "tmp"
            wait_until(lambda: len(files_of_gauges(folder)) == 4, "workers of both", START)
            server.process.terminate()
            assert server.process.wait(STOP) == 0
            wait_for_count(server, 1)
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: list(folder.glob("irl-metrics-*")) == [], "its end", STOP)


def test_without_redis_it_says_degraded_and_goes_on(tmp_path: Path) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    with Gunicorn(REDIS, tmp_path, REDIS_URL=nobody, WEB_CONCURRENCY="1") as server:
        statuses = [server.get("/api/data").status for _ in range(20)]
        health = server.get("/health")
    assert statuses == [200] * 20
    assert (health.status, health.text.strip()) == (200, '{"status":"degraded"}')


def test_without_a_token_an_address_of_the_operators_page_is_told(memory: Gunicorn) -> None:
    [told] = re.findall(r"http://\S+/admin/page/sign-in\?once=[\w-]+", memory.log)
    assert told.startswith(f"http://{HOST}:{memory.port}/")
    address, _, query = told.partition("?")
    answers = [requests.post(address, data=query, headers=FORM, timeout=START) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert "Overview" in answers[0].text


def test_with_a_token_no_address_is_told(tmp_path: Path) -> None:
    with Gunicorn(MEMORY, tmp_path, IRL_ADMIN_TOKEN="a token of the test's own") as gunicorn:
        assert "once=" not in gunicorn.log
