"""Time the admin API and the operator's page: ``python -m loadtests.bench.admin``."""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import redis
from flask import Flask
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter
from flask_irl.behaviour.courses import (
    ALL_SLOTS_KEPT,
    CLIENTS_KEPT,
    ROUTE_COURSES_KEPT,
    ROUTE_SLOTS_KEPT,
    ROUTES_KEPT,
    SLOT_SECONDS,
    CoursePart,
    Slot,
    pack,
    slot_of,
)
from flask_irl.behaviour.rollups import MAXIMA, RINGS, SUMS, Rollup
from flask_irl.campaigns.incident import EXAMPLES, KEPT, Incident, encode
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations import Operations
from flask_irl.stores.base import Store
from flask_irl.stores.history import DAY, DAYS_KEPT, TALLIED, History
from flask_irl.verdicts.course_rows import FADES
from flask_irl.verdicts.incident_watch import INCIDENTS
from flask_irl.verdicts.tallies import MEASURES, SITE
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
    "/admin/page/traffic",
    "/admin/page/traffic?span=7d&by=refused",
    "/admin/page/traffic?span=35d",
    "/admin/page/clients",
    "/admin/page/clients?order=anomalous",
    "/admin/page/clients?q=10.0.0.1",
    "/admin/page/clients?route=/",
    "/admin/page/clients?incident={incident}",
    "/admin/page/clients?sort=seen",
    "/admin/page/clients?sort=score&ascending=1",
    "/admin/page/clients?plan=free",
    "/admin/page/client?id=10.0.0.1",
    "/admin/page/incidents",
    "/admin/page/models",
    "/admin/page/models?threshold=-0.3",
    "/admin/page/limits",
    "/admin/page/limits?scope=index&limits=7/minute",
    "/admin/page/audit",
)
"""Views of the operator's page, each of which a browser asks for anew every five seconds."""
ROUTES: Final = 50
"""Routes that the history tells of."""
PART: Final = 100
"""Members or periods that one call adds to the history, as a flush does."""
OVERRIDES: Final = 1000
"""As many as the audit log keeps; that of 10.0.0.1 is the oldest."""
SLOTS: Final = ALL_SLOTS_KEPT // CLIENTS_KEPT
"""Slots of each client's course, so that as many are kept as ever are."""
COURSES: Final = ("courses", "courses.ranks")
ROUTE_COURSES: Final = ("courses.routes", "courses.routes.ranks")
PREVIEW: Final = {"action": "limits", "base_limit": "7", "window_seconds": "60"}


def fill(app: Flask, clients: int) -> str:
    """Let each client ask once, learn from it, override the limits of some, and fill the history.

    Returns:
        The id of an incident.
    """
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
    fill_history(limiter.store)
    return fill_incidents(limiter.store)


def fill_history(store: Store) -> None:
    """Fill the rings of rollups, and the tallies of eight days with as much as they keep."""
    now = int(store.now())
    rollup = Rollup((9,) * len(MAXIMA), (1234,) * len(SUMS))
    for resolution, kept in RINGS.items():
        begins = range(now - now % resolution, now - resolution * kept, -resolution)
        for start in range(0, kept, PART):
            rollups = {(resolution, begin): rollup for begin in begins[start : start + PART]}
            store.add_counts({}, None, History(rollups, {}))
    today = now // int(DAY)
    sizes = {"client": TALLIED, "network": TALLIED, "route": ROUTES}
    for day in range(today - DAYS_KEPT + 2, today + 1):
        for (kind, size), measure in itertools.product(sizes.items(), MEASURES):
            names = [_member(kind, day % 3 * 300 + number) for number in range(size)]
            for start in range(0, size, PART):
                tally = {name: 1000 + len(name) for name in names[start : start + PART]}
                store.add_counts({}, None, History({}, {(day, f"{kind}.{measure}"): tally}))
        store.add_counts({}, None, History({}, {(day, SITE): dict.fromkeys(MEASURES, 10**6)}))


def fill_incidents(store: Store) -> str:
    """Keep as many incidents as are kept, with as many clients; gives the id of one."""
    now, names = store.now(), tuple(address_of(number) for number in range(EXAMPLES))
    incidents = [
        Incident("scraping", f"/{number}", now - number, now - number, now, 20, examples=names)
        for number in range(KEPT)
    ]
    store.put_table(INCIDENTS, store.table(INCIDENTS)[0], encode(incidents))
    return incidents[0].id


def _member(kind: str, number: int) -> str:
    """Name a member of a tally."""
    return {"client": address_of(number), "network": f"10.{number % 256}.{number // 256}.0/24"}.get(
        kind, f"/route/{number}"
    )


def keep_courses(limiter: Limiter) -> float:
    """Keep as many courses as ever are; gives the milliseconds in which a hundred are written."""
    last, times = slot_of(limiter.store.now()), []
    # Above those that the traffic before has left.
    rank = last * SLOT_SECONDS / FADES + 50.0
    for number in range(last - SLOTS + 1, last + 1):
        slot = pack(Slot(number, (9, 0, 4, 12, 3), 1, -0.2))
        for first in range(0, CLIENTS_KEPT, 100):
            parts = [
                CoursePart(address_of(n), rank + n / CLIENTS_KEPT, slot)
                for n in range(first, first + 100)
            ]
            start = time.perf_counter()
            limiter.store.add_counts({}, None, History({}, {}, parts))
            times.append((time.perf_counter() - start) * 1000)
    keep_route_courses(limiter, last, rank)
    return statistics.median(times)


def keep_route_courses(limiter: Limiter, last: int, rank: float) -> None:
    """Keep as many courses on single routes as ever are, up to a slot."""
    names = [
        "GET /",
        *(f"POST {_member('route', number)}/<id>" for number in range(1, ROUTES_KEPT)),
    ]
    courses = [(address_of(n), names[n % ROUTES_KEPT]) for n in range(ROUTE_COURSES_KEPT)]
    for number in range(last - ROUTE_SLOTS_KEPT // ROUTE_COURSES_KEPT + 1, last + 1):
        slot = pack(Slot(number, (9, 0, 4, 12, 3), 1, -0.2))
        parts = [CoursePart(client, rank, slot, route) for client, route in courses]
        limiter.store.add_counts({}, None, History({}, {}, parts))


def _size(connection: redis.Redis, names: Sequence[str]) -> float:
    """Measure keys of the site, in MiB."""
    sizes = (connection.memory_usage(f"irl1.{{site}}.{name}", samples=0) or 0 for name in names)
    return sum(sizes) / 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a Redis, ask each endpoint, and print median and maximum of the times, and the time of
    the worker's CPU, which a busy machine makes no longer."""
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
            app,
            storage_uri=url,
            admin_token=TOKEN,
            background=False,
            store_timeout=2.0,
            plans={"free": "100/minute", "pro": "1000/minute"},
        )
        app.add_url_rule("/", "index", lambda: "ok")
        incident = fill(app, options.clients)
        written = keep_courses(limiter_of(app))
        with redis.Redis.from_url(url) as connection:
            size, on_routes = _size(connection, COURSES), _size(connection, ROUTE_COURSES)
        caller = app.test_client()
        caller.post("/admin/page/sign-in", data={"token": TOKEN})
        for path in (path.format(incident=incident) for path in PATHS + PAGES):
            ask = partial(caller.get, path, headers={"Authorization": f"Bearer {TOKEN}"})
            rows.append(_row(path, ask, options.calls))
        token = _form_token(caller.get("/admin/page/limits").text)
        ask = partial(caller.post, "/admin/page/limits", data={**PREVIEW, "form_token": token})
        rows.append(_row("/admin/page/limits, a preview", ask, options.calls))
        limiter_of(app).close()
    headings = (
        f"{options.clients:,} clients, {options.calls} calls",
        "median ms",
        "worst ms",
        "CPU ms",
    )
    make_console().print(Table(headings, rows))
    print(
        f"courses: {CLIENTS_KEPT:,} clients, {ALL_SLOTS_KEPT:,} slots, {size:.1f} MiB; "
        f"a hundred are written in {written:.1f} ms; on routes {ROUTE_COURSES_KEPT:,} courses, "
        f"{ROUTE_SLOTS_KEPT:,} slots, {on_routes:.1f} MiB"
    )
    return 0


def _row(name: str, ask: Callable[[], TestResponse], calls: int) -> tuple[str, ...]:
    """Time calls: the median, the worst, and the worker's CPU time, each in ms.

    Raises:
        SystemExit: One isn't answered by 200.
    """
    times, computed = [], []
    for _ in range(calls):
        start, busy = time.perf_counter(), time.process_time()
        answer = ask()
        times.append((time.perf_counter() - start) * 1000)
        computed.append((time.process_time() - busy) * 1000)
        if answer.status_code != 200:
            sys.exit(f"{name} answered {answer.status}")
    middle = statistics.median
    return (name, *(f"{x:.1f}" for x in (middle(times), max(times), middle(computed))))


def _form_token(text: str) -> str:
    return text.partition('name="form_token" value="')[2].partition('"')[0]


if __name__ == "__main__":
    sys.exit(main())
