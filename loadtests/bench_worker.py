"""The app of a gunicorn worker that is measured; imports no more than such an app does."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, request

PLENTY = 1_000_000
HEADER = "X-Bench-Client"
"""Says who a request is from."""


def create(kind: str, url: str, blob: str = "", limit: int = PLENTY) -> Flask:
    """The app.

    Args:
        kind: ``bare``, ``flask_irl`` or ``flask_limiter``.
        url: The Redis server's.
        blob: A file with the model that flask_irl is to put in force; none without one.
        limit: Requests per minute and client.
    """
    app = Flask("bench")

    @app.get("/api/data")
    def data() -> str:
        return "ok"

    ready = _PROTECT[kind](app, url, blob, limit)

    @app.get("/bench-state")
    def bench_state() -> dict[str, Any]:
        return {"rss_mib": _rss_mib(), "ready": ready()}

    return app


def _bare(app: Flask, url: str, blob: str, limit: int) -> Callable[[], bool]:
    return lambda: True


def _flask_irl(app: Flask, url: str, blob: str, limit: int) -> Callable[[], bool]:
    from flask_irl import IntelligentLimiter
    from flask_irl.web.key_functions import api_key
    from flask_irl.web.state import state_of

    IntelligentLimiter(
        app,
        key_func=api_key(HEADER),
        storage_uri=url,
        base_limit=limit,
        key_prefix=f"irl-worker-{limit}-",
        # On a busy machine a server may be slow for once: that must not end the benchmark.
        store_timeout=2.0,
    ).request_filter(lambda: request.path == "/bench-state")
    limiter = state_of(app).limiter
    if not blob:
        return lambda: True
    limiter.store.publish(0, 1, Path(blob).read_bytes())

    def ready() -> bool:
        model = limiter.trainer.model
        return model.version == 1 and not model.advisory and not len(limiter.profiler)

    return ready


def _flask_limiter(app: Flask, url: str, blob: str, limit: int) -> Callable[[], bool]:
    from flask_limiter import Limiter

    Limiter(
        lambda: request.headers.get(HEADER, ""),
        app=app,
        default_limits=[f"{limit}/minute"],
        default_limits_exempt_when=lambda: request.path == "/bench-state",
        storage_uri=url,
        strategy="sliding-window-counter",
        headers_enabled=True,
        key_prefix=f"fl-worker-{limit}",
    )
    return lambda: True


_PROTECT = {"bare": _bare, "flask_irl": _flask_irl, "flask_limiter": _flask_limiter}


def _rss_mib() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024.0
