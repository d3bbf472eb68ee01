"""How long the admin API takes with many clients in Redis: ``python -m loadtests.bench_admin``."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Final

from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.operations import Operations
from flask_irl.web.state import state_of
from loadtests.bench_server import redis_server

TOKEN: Final = "the benchmark's own"  # noqa: S105
PATHS: Final = (
    "/admin/stats",
    "/admin/clients?order=active&page_size=50",
    "/admin/clients?order=anomalous&page_size=50",
    "/admin/clients?order=active&step=0&page_size=50",
    "/admin/clients?order=overridden&page_size=50",
    "/admin/client/10.0.0.1",
    "/admin/audit?page_size=50",
)
FLUSH_EVERY: Final = 5000
OVERRIDES: Final = 1000
"""As many as the audit log keeps; that of 10.0.0.1 is the oldest."""


def fill(app: Flask, clients: int) -> None:
    """Let so many clients ask once each, and learn from it."""
    front = app.test_client()
    for number in range(clients):
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        front.get("/", environ_base={"REMOTE_ADDR": address})
        if number % FLUSH_EVERY == FLUSH_EVERY - 1:
            state_of(app).limiter.flush()
    limiter = state_of(app).limiter
    limiter.flush()
    operations = Operations(limiter)
    for number in range(1, OVERRIDES + 1):
        client = f"10.0.{number >> 8 & 255}.{number & 255}"
        operations.set_override(
            client, "limit", amount=50, seconds=3600, reason="A benchmark's.", who="bench"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a Redis, ask each endpoint, print medians and the worst."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench_admin", description=__doc__)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=50)
    options = parser.parse_args(arguments)
    with redis_server() as url:
        app = Flask("bench")
        IntelligentLimiter(
            app, storage_uri=url, admin_token=TOKEN, background=False, store_timeout=2.0
        )
        app.add_url_rule("/", "index", lambda: "ok")
        fill(app, options.clients)
        caller = app.test_client()
        print(f"{options.clients:,} clients in Redis; ms: median and worst of {options.calls}")
        for path in PATHS:
            spent = []
            for _ in range(options.calls):
                start = time.perf_counter()
                answer = caller.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
                spent.append((time.perf_counter() - start) * 1000)
                if answer.status_code != 200:
                    print(f"{path} answered {answer.status}", file=sys.stderr)
                    return 1
            print(f"{path:50} {statistics.median(spent):6.1f} {max(spent):6.1f}")
        state_of(app).limiter.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
