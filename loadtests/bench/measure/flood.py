"""Flood an app with requests that have nothing in common, and tell what grows: worker, or Redis."""

from __future__ import annotations

import gc
import io
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

import redis
from flask import Flask
from prometheus_client import CollectorRegistry
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import create_environ

from flask_irl import IntelligentLimiter, api_key
from flask_irl.behaviour.courses import SLOT_SECONDS
from flask_irl.limiter import open as opening
from flask_irl.stores.open import open_store
from flask_irl.telemetry.prometheus import PrometheusListener
from loadtests.bench.cases.apps import limiter_of

A_SECOND: Final = 1000
"""Requests in a second of the flood's time, after which there is a flush."""
PREFIX: Final = "irl"
SITE: Final = f"{PREFIX}1.{{site}}."


@dataclass(frozen=True)
class Size:
    """Hold sizes after so many requests.

    Attributes:
        requests: Requests so far, each of another client.
        blocks: Blocks of memory that the worker's Python holds, without garbage.
        lines: Lines of the metrics' page.
        clients: Keys of clients in Redis; or clients in the memory store.
        client_bytes: Bytes of Redis for them all.
        site_keys: Keys of the site in Redis.
        site_bytes: Bytes of Redis for those.
        mortal: Whether every key of a client has an end.
    """

    requests: int
    blocks: int
    lines: int
    clients: int
    client_bytes: int = 0
    site_keys: int = 0
    site_bytes: int = 0
    mortal: bool = True


def hostile_environ(number: int) -> dict[str, Any]:
    """Make a request that shares no address, method, path, query, user agent or key with others."""
    address = f"{number >> 24 & 63 | 64}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {
        **TEMPLATE,
        "REQUEST_METHOD": f"M{number}" if number % 4 == 3 else "GET",
        "PATH_INFO": f"/{number}" if number % 4 else f"/item/{number}",
        "QUERY_STRING": f"q={number}",
        "HTTP_USER_AGENT": f"agent {number}",
        "HTTP_X_FORWARDED_FOR": f"{number}, 198.51.100.7, {address}",
        "HTTP_X_API_KEY": f"invented-{number}",
        "HTTP_ACCEPT": f"text/x{number}, application/json;q=0.{number % 1000}",
        "HTTP_HOST": f"h{number}.example.com",
        "wsgi.input": io.BytesIO(),
    }


TEMPLATE: Final = create_environ("/")


def flooded_app(uri: str, **options: Any) -> Flask:
    """Make the app that is flooded: behind one proxy, with invented API keys and with metrics."""
    app = Flask("flooded")
    registry = CollectorRegistry()
    # With the slots of courses: it would depend on the hour whether a short flood begins new ones.
    app.config["FLOOD_NOW"] = time.time() // SLOT_SECONDS * SLOT_SECONDS

    def clock() -> float:
        return float(app.config["FLOOD_NOW"])

    # What is forgotten after some minutes is so here, too, on a machine of any speed.
    with patch.object(opening, "open_store", lambda given, _: open_store(given, clock)):
        IntelligentLimiter(
            app,
            storage_uri=uri,
            key_prefix=PREFIX,
            background=False,
            store_timeout=5.0,
            key_func=api_key("X-Api-Key", verify=lambda key: False),
            listener=PrometheusListener(registry),
            base_limit=100,
            **options,
        )
    app.add_url_rule("/item/<number>", "item", lambda number: "ok")
    app.config["FLOOD_REGISTRY"] = registry
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    return app


def flood(app: Flask, url: str, stops: list[int]) -> Iterator[Size]:
    """Send requests, and give the sizes after so many of them.

    Args:
        app: The app, see :func:`flooded_app`.
        url: Its Redis server; empty for ``memory://``.
        stops: The numbers of requests, rising.
    """
    limiter = limiter_of(app)
    for start, stop in itertools.pairwise((0, *stops)):
        for number in range(start, stop):
            app.config["FLOOD_NOW"] += 1.0 / A_SECOND
            for part in app.wsgi_app(hostile_environ(number), _ignore_start):
                len(part)
            if number % A_SECOND == 0:
                limiter.flush()
        limiter.flush()
        yield _measure(app, url, stop)


def _measure(app: Flask, url: str, requests: int) -> Size:
    registry = app.config["FLOOD_REGISTRY"]
    lines = sum(len(metric.samples) for metric in registry.collect())
    gc.collect()
    blocks = sys.getallocatedblocks()
    if not url:
        return Size(requests, blocks, lines, len(limiter_of(app).store))  # type: ignore[arg-type]
    with redis.Redis.from_url(url) as server:
        site = list(server.scan_iter(f"{PREFIX}1.*"))
        site_bytes = sum(server.memory_usage(key) or 0 for key in site)
        clients = server.dbsize() - len(site)
        used = server.info("memory")["used_memory_dataset"]
        expiring = server.info("keyspace")["db0"]["expires"]
        return Size(
            requests,
            blocks,
            lines,
            clients,
            used - site_bytes,
            len(site),
            site_bytes,
            expiring >= clients,
        )


def _ignore_start(status: str, headers: list[Any], error: Any = None) -> Any:
    return None
