"""Time the admin API and the operator's page: ``python -m loadtests.bench.admin``."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Final

import redis
from flask import Flask
from flask.testing import FlaskClient

from flask_irl import IntelligentLimiter
from flask_irl.behaviour.courses import (
    ALL_SLOTS_KEPT,
    CLIENTS_KEPT,
    CoursePart,
    Slot,
    pack,
    slot_of,
)
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations import Operations
from flask_irl.stores.history import History
from loadtests.bench.cases.apps import limiter_of
from loadtests.bench.cases.subject import FLUSH_EVERY, address_of
from loadtests.servers import redis_server
from loadtests.tables import Table, make_console

TOKEN: Final = "the benchmark's own"  # noqa: S105
PATHS: Final = (
    "/admin/stats",
    "/admin/status",
    "/admin/clients?order=active&page_size=50",
    "/admin/clients?order=anomalous&page_size=50",
    "/admin/clients?order=active&step=0&page_size=50",
    "/admin/clients?order=overridden&page_size=50",
    "/admin/client/10.0.0.1",
    "/admin/course/10.0.0.1",
    "/admin/audit?page_size=50",
)
PAGES: Final = (
    "/admin/page/",
    "/admin/page/?span=24h",
    "/admin/page/clients",
    "/admin/page/clients?order=anomalous",
    "/admin/page/clients?q=10.0.0.1",
    "/admin/page/clients?route=/",
    "/admin/page/client?id=10.0.0.1",
    "/admin/page/models",
    "/admin/page/models?threshold=-0.3",
    "/admin/page/limits",
    "/admin/page/audit",
)
"""Views of the operator's page; a browser polls the first every five seconds."""
OVERRIDES: Final = 1000
"""As many as the audit log keeps; that of 10.0.0.1 is the oldest."""
SLOTS: Final = ALL_SLOTS_KEPT // CLIENTS_KEPT
"""Slots of each client's course, so that as many are kept as ever are."""
COURSES: Final = ("courses", "courses.ranks")
PREVIEW: Final = {"action": "limits", "base_limit": "7", "window_seconds": "60"}


def fill(app: Flask, clients: int) -> None:
    """Let each client ask once, learn from it, and override the limits of some."""
    front = app.test_client()
    limiter = limiter_of(app)
    for number in range(clients):
        front.get("/", environ_base={"REMOTE_ADDR": address_of(number)})
        if number % FLUSH_EVERY == FLUSH_EVERY - 1:
            limiter.flush()
    limiter.flush()
    operations = Operations(limiter)
    for number in range(1, OVERRIDES + 1):
        client, reason = address_of(number), "A benchmark's."
        operations.overrides.set(
            client, "limit", amount=50, seconds=3600, reason=reason, who="bench"
        )


def keep_courses(limiter: Limiter) -> float:
    """Keep as many courses as ever are; gives the milliseconds in which a hundred are written."""
    last, times = slot_of(limiter.store.now()), []
    for number in range(last - SLOTS + 1, last + 1):
        slot = pack(Slot(number, (9, 0, 4, 12, 3), 1, -0.2))
        for first in range(0, CLIENTS_KEPT, 100):
            parts = [CoursePart(address_of(n), n, slot) for n in range(first, first + 100)]
            start = time.perf_counter()
            limiter.store.add_counts({}, None, History({}, {}, parts))
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a Redis, ask each endpoint, and print median and maximum of the times."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench.admin",
        description="Time the admin API with many clients in Redis.",
    )
    add = parser.add_argument
    add("--clients", type=int, default=100_000, help="clients in Redis (%(default)s)")
    add("--calls", type=int, default=50, help="calls of each endpoint (%(default)s)")
    options = parser.parse_args(arguments)
    rows = []
    with redis_server() as url:
        app = Flask("bench")
        IntelligentLimiter(
            app, storage_uri=url, admin_token=TOKEN, background=False, store_timeout=2.0
        )
        app.add_url_rule("/", "index", lambda: "ok")
        fill(app, options.clients)
        written = keep_courses(limiter_of(app))
        with redis.Redis.from_url(url) as connection:
            size = sum(connection.memory_usage(f"irl1.{{site}}.{name}") or 0 for name in COURSES)
        caller = app.test_client()
        caller.post("/admin/page/sign-in", data={"token": TOKEN})
        for path in PATHS + PAGES:
            times = []
            for _ in range(options.calls):
                start = time.perf_counter()
                answer = caller.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
                times.append((time.perf_counter() - start) * 1000)
                if answer.status_code != 200:
                    print(f"{path} answered {answer.status}", file=sys.stderr)
                    return 1
            rows.append((path, f"{statistics.median(times):.1f}", f"{max(times):.1f}"))
        rows.append(_preview(caller, options.calls))
        limiter_of(app).close()
    headings = (f"{options.clients:,} clients, {options.calls} calls", "median ms", "worst ms")
    make_console().print(Table(headings, rows))
    print(
        f"courses: {CLIENTS_KEPT:,} clients, {ALL_SLOTS_KEPT:,} slots, {size / 2**20:.1f} MiB; "
        f"a hundred are written in {written:.1f} ms"
    )
    return 0


def _preview(caller: FlaskClient, calls: int) -> tuple[str, str, str]:
    """Time the preview of another base limit."""
    text = caller.get("/admin/page/limits").text
    token = text.partition('name="form_token" value="')[2].partition('"')[0]
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        answer = caller.post("/admin/page/limits", data={**PREVIEW, "form_token": token})
        times.append((time.perf_counter() - start) * 1000)
        assert answer.status_code == 200, answer.status
    name = "/admin/page/limits, a preview"
    return name, f"{statistics.median(times):.1f}", f"{max(times):.1f}"


if __name__ == "__main__":
    sys.exit(main())
