"""Serve ``GET /metrics``: the limiter's metrics and prometheus-flask-exporter's own."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from flask import Flask, Request, Response, request
from prometheus_client import CollectorRegistry, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_flask_exporter import PrometheusMetrics

PATH: Final = "/metrics"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"


def route(current: Request) -> str:
    """Group a request by its rule, never by its path, which strangers choose."""
    return current.url_rule.rule if current.url_rule else "unmatched"


def add_metrics(app: Flask, registry: CollectorRegistry) -> Callable[[], Response]:
    """Measure an app's requests, and serve the registry at ``/metrics``.

    Args:
        app: The app, with its limiter: requests that it refuses are counted by their status, and
            their time is in the limiter's own histogram alone.
        registry: Registry of this app alone.

    Returns:
        The view, so that it can be left unlimited.
    """
    # In multiprocess mode all apps of a process share its files, in which each set of counters
    # would write its own count over the others'.
    shared = values.ValueClass is not values.MutexValue
    exporter = _exporter_of_process() if shared else _exporter(registry)
    for before in exporter.before_request_funcs[None]:
        app.before_request(before)
    for after in exporter.after_request_funcs[None]:
        app.after_request(after)
    for ended in exporter.teardown_request_funcs[None]:
        app.teardown_request(ended)
    # These run in reverse order: after all others, right before the exporter's.
    app.after_request(_fold_method)
    app.teardown_request(_fold_method_of_failed)

    @app.get(PATH)
    def metrics() -> Response:
        names = request.args.getlist("name[]")
        source = _all_processes(named=bool(names)) if os.environ.get(MULTIPROCESS) else registry
        encode, content_type = choose_encoder(request.headers.get("Accept") or "")
        body = encode(source.restricted_registry(names) if names else source)
        return Response(body, content_type=content_type)

    return metrics


def _exporter(registry: CollectorRegistry) -> Flask:
    """Make an app that only holds the exporter's functions, which suit any app."""
    holder = Flask(__name__)
    # The exporter's own view is not there under `flask run --debug`, and with several processes
    # fails on ?name[]=.
    PrometheusMetrics(
        holder, path=None, group_by=route, excluded_paths=f"^{PATH}$", registry=registry
    )
    return holder


@functools.cache
def _exporter_of_process() -> Flask:
    return _exporter(CollectorRegistry())


def _fold_method(response: Response) -> Response:
    # The exporter labels by method, and strangers can invent as many as they like.
    if request.method not in METHODS:
        request.method = "other"
    return response


def _fold_method_of_failed(error: BaseException | None) -> None:
    # Of a request that answered, it has been done.
    if error is not None and request.method not in METHODS:
        request.method = "other"


def _all_processes(*, named: bool) -> CollectorRegistry:
    _drop_gauges_of_the_dead(Path(os.environ[MULTIPROCESS]))
    # To know the names, it reads the files once more.
    registry = CollectorRegistry(auto_describe=named)
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _drop_gauges_of_the_dead(folder: Path) -> None:
    """Drop the gauges of ended commands; gunicorn does it for its workers."""
    for path in folder.glob("gauge_live*.db"):
        process = path.stem.rpartition("_")[2]
        if process.isdigit() and not _lives(int(process)):
            path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It is another user's.
        return True
    return True
