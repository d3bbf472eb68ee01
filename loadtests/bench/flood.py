"""Show what a flood leaves in worker and Redis: ``python -m loadtests.bench.flood``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from loadtests.bench.measure.flood import flood, flooded_app
from loadtests.servers import redis_server
from loadtests.tables import Table, make_console

MIB = 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Flood an app, and print sizes at quarters of the way."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench.flood",
        description="Send requests, each with an address, method, path, user agent, API key and "
        "X-Forwarded-For of its own, and show what worker and Redis keep.",
    )
    add = parser.add_argument
    add("--requests", type=int, default=1_000_000, help="their number (%(default)s)")
    add("--store", choices=("redis", "memory"), default="redis", help="(%(default)s)")
    options = parser.parse_args(arguments)
    logging.getLogger("flask_irl").setLevel(logging.ERROR)
    rows = []
    with ExitStack() as stack:
        url = stack.enter_context(redis_server()) if options.store == "redis" else ""
        app = flooded_app(url or "memory://")
        for size in flood(app, url, [options.requests * n // 4 for n in (1, 2, 3, 4)]):
            rows.append(
                (
                    f"{size.requests:,}",
                    f"{size.blocks:,}",
                    f"{size.lines}",
                    f"{size.clients:,}",
                    f"{size.client_bytes / MIB:.0f}" if url else "-",
                    f"{size.site_keys}" if url else "-",
                    f"{size.site_bytes / MIB:.2f}" if url else "-",
                )
            )
    headings = (
        *("requests", "worker, blocks", "metrics, lines", "clients kept"),
        *("clients, MiB", "site, keys", "site, MiB"),
    )
    make_console().print(Table(headings, rows, left=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
