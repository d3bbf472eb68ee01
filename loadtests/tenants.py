"""Show what tenants cost, and what one's flood costs another: ``python -m loadtests.tenants``.

p99 of a quiet tenant is measured in pairs of rounds, alone and beside a neighbour that is refused
twenty times as often, and the median of the pairs' ratios is shown: a busy machine slows both.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis
from flask import Flask

from flask_irl import IntelligentLimiter, tenant_by_host
from flask_irl.web.state import state_of
from loadtests.servers import redis_server
from loadtests.tables import Table, make_console
from tests.redis_server import HOST, free_port

MIB: Final = 1024 * 1024
QUIET_PER_SECOND: Final = 25
NOISE: Final = 20
"""The neighbour's requests for one of the quiet tenant's."""
NEIGHBOURS: Final = 4
"""Connections of the neighbour."""
PATIENCE: Final = 30.0
APP: Final = """
import os
from flask import Flask
from flask_irl import IntelligentLimiter, tenant_by_host

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    store_timeout=1.0,
    tenant_of=tenant_by_host({"quiet.example": "quiet", "noisy.example": "noisy"}),
    tenants={"quiet": {"base_limit": 1000000}, "noisy": {"base_limit": 10}},
)
app.add_url_rule("/", "index", lambda: "ok")
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.tenants", description=__doc__)
    add = parser.add_argument
    add("--pairs", type=int, default=5, help="pairs of rounds (%(default)s)")
    add("--seconds", type=float, default=8.0, help="of a round (%(default)s)")
    add("--tenants", type=int, default=100, help="for the sizes (%(default)s)")
    options = parser.parse_args(arguments)
    logging.getLogger("flask_irl").setLevel(logging.ERROR)
    console = make_console()
    with redis_server() as url:
        rows = [(name, f"{figure:,.2f}") for name, figure in _sizes(url, options.tenants)]
        console.print(Table((f"{options.tenants} tenants in a worker", ""), rows, left=1))
        rows = [(name, f"{calls:.0f}") for name, calls in _calls(url)]
        console.print(Table(("Python calls of a request", ""), rows, left=1))
    with redis_server() as url, _serve(url) as port:
        pairs = []
        for number in range(options.pairs):
            # Which comes first changes, lest the machine's mood does the same to each pair.
            order = (False, True) if number % 2 else (True, False)
            found = {noisy: _round(port, options.seconds, noisy=noisy) for noisy in order}
            pairs.append((found[False], found[True]))
    shown = [(f"{a * 1000:.2f}", f"{b * 1000:.2f}", f"{b / a:.2f}") for a, b in pairs]
    shown.append(("", "median", f"{statistics.median(b / a for a, b in pairs):.2f}"))
    console.print(Table(("quiet alone, p99 ms", "beside a flood", "ratio"), shown, left=0))
    return 0


def make_app(url: str, tenants: int, **options: Any) -> Flask:
    """Make an app with so many tenants, none for 0."""
    app = Flask("site")
    if tenants:
        hosts = {f"t{n}.example": f"t{n}" for n in range(tenants)}
        options["tenant_of"] = tenant_by_host(hosts)
    given = {"storage_uri": url, "background": False, "store_timeout": 10.0, **options}
    IntelligentLimiter(app, **given)
    app.add_url_rule("/", "index", lambda: "ok")
    return app


def _sizes(url: str, tenants: int) -> Iterator[tuple[str, float]]:
    """Measure memory of a worker, and the commands of its polls."""
    tracemalloc.start()
    app = make_app(url, 1)
    _ask(app, "t0")
    before = tracemalloc.get_traced_memory()[0]
    app = make_app(url, tenants)
    idle = tracemalloc.get_traced_memory()[0]
    yield "memory of an idle one, KiB", (idle - before) / tenants / 1024
    for number in range(tenants):
        _ask(app, f"t{number}")
    state = state_of(app)
    state.flush()
    active = tracemalloc.get_traced_memory()[0]
    yield "memory of one with a client, KiB", (active - before) / tenants / 1024
    tracemalloc.stop()
    state.close()
    app = make_app(url, tenants, background=True)
    state = state_of(app)
    # One request starts the background work.
    _ask(app, "t0")
    with redis.Redis.from_url(url) as server:
        time.sleep(4.0)
        commands, reads = _counts(server)
        time.sleep(10.0)
        after = _counts(server)
    yield "Redis commands a second, idle", (after[0] - commands) / 10.0
    yield "round trips a second, idle", (after[1] - reads) / 10.0
    state.close()


def _calls(url: str) -> Iterator[tuple[str, int]]:
    """Count the calls of Python's functions in a request."""
    for name, tenants in (("without tenants", 0), ("with a selector", 2)):
        app = make_app(url, tenants)
        for _ in range(5):
            _ask(app, "t0")
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event == "call"

        environ = _environ("t0")
        sys.setprofile(count)
        try:
            list(app.wsgi_app(environ, _start))
        finally:
            sys.setprofile(None)
        yield name, calls
        state_of(app).close()


def _counts(server: redis.Redis) -> tuple[int, int]:
    stats = server.info("stats")
    return int(stats["total_commands_processed"]), int(stats["total_reads_processed"])


def _environ(tenant: str) -> dict[str, Any]:
    from werkzeug.test import EnvironBuilder

    builder = EnvironBuilder(base_url=f"http://{tenant}.example")
    return {**builder.get_environ(), "REMOTE_ADDR": "192.0.2.1"}


def _start(status: str, headers: object, exc_info: object = None) -> Any:
    return None


def _ask(app: Flask, tenant: str) -> None:
    list(app.wsgi_app(_environ(tenant), _start))


@contextmanager
def _serve(url: str) -> Iterator[int]:
    """Serve two tenants with two workers."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "site_of_two.py").write_text(APP)
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "4"]
        command += ["--bind", f"{HOST}:{port}", "--log-level", "error", "site_of_two:app"]
        process = subprocess.Popen(
            command, cwd=folder, env={"STORE": url, "PATH": "", "PYTHONPATH": ":".join(sys.path)}
        )
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait(port: int) -> None:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            if _get(http.client.HTTPConnection(HOST, port, timeout=5), "quiet") == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("gunicorn doesn't answer")


def _get(connection: http.client.HTTPConnection, tenant: str) -> int:
    connection.request("GET", "/", headers={"Host": f"{tenant}.example"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _round(port: int, seconds: float, *, noisy: bool) -> float:
    """Give p99 of the quiet tenant's requests in a round, in seconds."""
    # Processes, lest the flood takes the interpreter from whoever measures.
    each = QUIET_PER_SECOND * NOISE / NEIGHBOURS
    neighbours = [
        multiprocessing.Process(target=_flood, args=(port, each), daemon=True)
        for _ in range(NEIGHBOURS if noisy else 0)
    ]
    for neighbour in neighbours:
        neighbour.start()
    if noisy:
        # Until it is known to be over its limit.
        time.sleep(1.5)
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    times = []
    started = time.perf_counter()
    for number in range(int(seconds * QUIET_PER_SECOND)):
        time.sleep(max(0.0, started + number / QUIET_PER_SECOND - time.perf_counter()))
        began = time.perf_counter()
        _get(connection, "quiet")
        times.append(time.perf_counter() - began)
    for neighbour in neighbours:
        neighbour.terminate()
        neighbour.join()
    return statistics.quantiles(times, n=100)[98]


def _flood(port: int, per_second: float) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    started, number = time.perf_counter(), 0
    while True:
        _get(connection, "noisy")
        number += 1
        time.sleep(max(0.0, started + number / per_second - time.perf_counter()))


if __name__ == "__main__":
    sys.exit(main())
