"""The app of a gunicorn worker whose memory is measured; imports no more than such an app does."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

from flask import Flask, request

PLENTY = 1_000_000


def create(kind: str, url: str, blob: str) -> Flask:
    """The app.

    Args:
        kind: ``bare`` or ``flask_irl``.
        url: The Redis server's.
        blob: A file with the model to put in force.
    """
    app = Flask("bench")

    @app.get("/api/data")
    def data() -> str:
        return "ok"

    state = _protect(app, url, Path(blob)) if kind == "flask_irl" else lambda: True

    @app.get("/bench-state")
    def bench_state() -> dict[str, Any]:
        return {"rss_mib": _rss_mib(), "ready": state()}

    return app


def _protect(app: Flask, url: str, blob: Path) -> Any:
    from flask_irl import IntelligentLimiter
    from flask_irl.app_state import state_of

    IntelligentLimiter(
        app,
        key_func=lambda: request.headers.get("X-Bench-Client", ""),
        storage_uri=url,
        base_limit=PLENTY,
        key_prefix="irl-worker-",
    ).request_filter(lambda: request.path == "/bench-state")
    limiter = state_of(app).limiter
    limiter.store.publish(0, 1, blob.read_bytes())

    def ready() -> bool:
        model = limiter.trainer.model
        return model.version == 1 and not model.advisory and not len(limiter.profiler)

    return ready


def _rss_mib() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024.0
