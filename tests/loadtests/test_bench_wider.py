"""Test the parts of the benchmark beyond single requests: load, crowds, calls of Redis."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")
pytest.importorskip("throttled", reason="needs the dependency group bench")

from limits import parse_many

from flask_irl.web.state import state_of
from loadtests.bench import leases
from loadtests.bench.cases.apps import Bench, bare_app, limits_of_route
from loadtests.bench.cases.catalogue import all_cases
from loadtests.bench.cases.model import Trained, train
from loadtests.bench.cases.subject import BenchError, Crowd, path_of
from loadtests.bench.cases.worker import HEADER, create
from loadtests.bench.measure import load
from loadtests.bench.measure.calls import redis_calls
from loadtests.bench.measure.client import ask
from loadtests.bench.measure.load import Load, check_loads, client_command, load_of
from loadtests.bench.report import chart
from tests.servers import free_port

NOTHING = Trained(1, b"", (), 0)
MANY = Load(1000.0, 1.0, 2.0, 0.0)
SCRIPT = Path(load.__file__).with_name("wrk.lua")


class Site(ThreadingHTTPServer):
    """Answer 429 to the client called ``me-2``, 200 to all others, and count requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.requests: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/data"


class Page(BaseHTTPRequestHandler):
    """Serve the one page."""

    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        client = self.headers[HEADER]
        self.server.requests[client] += 1
        self.send_response(429 if client == "me-2" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve the site."""
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def model() -> Trained:
    """Train a small model."""
    return train(60, 8.0)


def test_own_client_asks_as_each_client_in_turn_and_counts_refusals(site: Site) -> None:
    figures = asyncio.run(ask(site.url, 1, 0.3, HEADER, "me-", 3))
    assert figures["requests"] == site.requests.total() > 3
    assert set(site.requests) == {"me-1", "me-2", "me-3"}
    assert max(site.requests.values()) - min(site.requests.values()) <= 1
    assert figures["refused"] == site.requests["me-2"]
    assert figures["failed"] == 0


def test_own_client_counts_connections_that_fail() -> None:
    figures = asyncio.run(ask(f"http://127.0.0.1:{free_port()}/", 1, 0.05, HEADER, "me-", 3))
    assert figures["requests"] == 0
    assert figures["failed"] > 0


def test_wrk_and_own_client_tell_the_same(site: Site) -> None:
    figures = asyncio.run(ask(site.url, 1, 0.05, HEADER, "me-", 3))
    names = re.findall(r'"(\w+)": %', SCRIPT.read_text(encoding="utf-8"))
    assert names == list(figures)


@pytest.mark.parametrize("wrk", [None, "/usr/bin/wrk"])
def test_load_is_put_on_by_wrk_where_there_is_one(wrk: str | None) -> None:
    command = client_command(wrk, "http://127.0.0.1:1/", 8, 5.0, "normal-", 100)
    assert command[0] == (wrk or sys.executable)
    assert command[-3:] == [HEADER, "normal-", "100"]


def test_a_run_that_refuses_normal_clients_is_no_result() -> None:
    refusing = Load(1000.0, 1.0, 2.0, 0.01)
    with pytest.raises(BenchError, match="flask_irl refused normal clients"):
        check_loads("flask_irl", MANY, refusing, MANY, 1.0)


def test_a_limiter_that_lets_a_flood_through_is_no_result() -> None:
    with pytest.raises(BenchError, match=r"Flask-Limiter admitted 1500 requests of a flood"):
        check_loads("flask_limiter", MANY, MANY, MANY, 1.0)


def test_without_a_limiter_a_flood_is_let_through() -> None:
    check_loads("bare", MANY, MANY, MANY, 1.0)


def test_connections_that_fail_are_no_result() -> None:
    figures: dict[str, Any] = dict.fromkeys(("requests", "refused", "p50_us", "p99_us"), 1)
    with pytest.raises(BenchError, match="3 connections failed"):
        load_of({**figures, "seconds": 1.0, "failed": 3})


@pytest.mark.parametrize("count", [1, 2, 7])
def test_limits_of_a_route_are_all_different(count: int) -> None:
    limits = parse_many(limits_of_route(count))
    assert len({limit.get_expiry() for limit in limits}) == count


def test_a_crowd_comes_once_each_before_anybody_returns() -> None:
    crowd = Crowd(bare_app(), clients=300)
    seen = []
    for _ in range(crowd.warm_up):
        prepared = crowd.prepare()
        seen.append(prepared["REMOTE_ADDR"])
        crowd.call(prepared)
    assert len(set(seen)) == 300
    assert crowd.prepare()["REMOTE_ADDR"] in seen


def test_a_crowd_visits_all_routes() -> None:
    crowd = Crowd(bare_app(), clients=20, routes=5)
    visited = set()
    for _ in range(20):
        prepared = crowd.prepare()
        visited.add(prepared["PATH_INFO"])
        crowd.call(prepared)
    assert visited == {path_of(number) for number in range(5)}


def test_chart_shows_cases_that_are_measured() -> None:
    measured = {case.key for case in all_cases(Bench("redis://nowhere", NOTHING, 1))}
    assert {key for store in chart.STORES for key in chart.lines_of(store)} <= measured


@pytest.fixture
def report() -> dict[str, Any]:
    """Make what the chart shows of a run, with a name that would be mathematics."""
    cases = [
        {"system": case.system, "store": case.store, "case": case.name, "added_us": 20.0}
        for case in all_cases(Bench("redis://nowhere", NOTHING, 1))
    ]
    libraries = {"Flask-Limiter": "4", "throttled-py": "3"}
    machine = {
        "cpu": "$a CPU$",
        "cores": 2,
        "python": "a Python",
        "redis": "a server",
        "libraries": libraries,
    }
    return {"cases": cases, "machine": machine}


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_chart_is_a_picture_in_a_folder_it_makes(
    report: dict[str, Any], tmp_path: Path, ending: str, magic: bytes
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    file = tmp_path / "images" / f"bench.{ending}"
    chart.draw(report, file)
    assert file.read_bytes().startswith(magic)


def test_chart_says_the_finding_and_nothing_of_targets(report: dict[str, Any]) -> None:
    for case in report["cases"]:
        case["added_us"] = 70.4 if case["system"] == "flask_irl" else 631.2
    title = chart.title_of(report)
    assert title.replace("\n", " ") == (
        "On Redis flask_irl adds 70 µs to a Flask request, Flask-Limiter's sliding counter 631 µs"
    )


@pytest.mark.integration
def test_calls_of_redis_are_counted(model: Trained) -> None:
    calls = {(one.system, one.case): one for one in redis_calls(Bench("", model, 20), 40)}
    *ours, unleased, leased = (x for (system, _), x in calls.items() if system == "flask_irl")
    assert [(one.round_trips, one.commands) for one in ours] == [(1.0, ("EVALSHA",))] * 2
    assert unleased.round_trips == 1.0
    assert leased.round_trips < 0.3
    theirs = calls["Flask-Limiter", "sliding-window-counter, one limit, headers"]
    assert (theirs.round_trips, theirs.commands) == (2.0, ("EVALSHA", "EVALSHA"))


@pytest.mark.slow
@pytest.mark.integration
def test_what_leases_save_is_shown_with_and_without(capsys: pytest.CaptureFixture[str]) -> None:
    assert leases.main(["--seconds", "2"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "clients," in line]
    assert [line[4] for line in lines] == ["off", "on"] * 3
    assert all(int(without[5]) == 1000 for without in lines[::2])
    assert all(int(with_leases[5]) < 300 for with_leases in lines[1::2])


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["bare", "flask_irl", "flask_limiter"])
def test_workers_app_limits_each_client_by_itself(kind: str, redis_url: str) -> None:
    app = create(kind, redis_url, limit=2)
    client = app.test_client()
    first = [client.get("/api/data", headers={HEADER: "one"}).status_code for _ in range(3)]
    assert first == ([200] * 3 if kind == "bare" else [200, 200, 429])
    assert client.get("/api/data", headers={HEADER: "other"}).status_code == 200
    assert client.get("/bench-state").get_json()["ready"] is True
    if kind == "flask_irl":
        state_of(app).limiter.close()
