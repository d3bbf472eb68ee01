"""Make the app of a gunicorn worker that is measured; import no more than such an app does."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flask import Flask, request

from loadtests.bench.cases import PATH, PLENTY

HEADER: Final = "X-Bench-Client"
"""Header that names the client of a request."""
STATE_PATH: Final = "/bench-state"


def create(kind: str, url: str, blob: str = "", limit: int = PLENTY) -> Flask:
    """Make the app of a kind, ``bare``, ``flask_irl`` or ``flask_limiter``, on a Redis server.

    ``blob`` is a file with the model of flask_irl, or empty, ``limit`` per minute and client.
    """
    app = Flask("bench")

    @app.get(PATH)
    def data() -> str:
        return "ok"

    ready = _PROTECT[kind](app, url, blob, limit)

    @app.get(STATE_PATH)
    def bench_state() -> dict[str, Any]:
        return {"rss_mib": _rss_mib(), "ready": ready()}

    return app


def _flask_irl(app: Flask, url: str, blob: str, limit: int) -> Callable[[], bool]:
    from flask_irl import IntelligentLimiter
    from flask_irl.web.key_functions import api_key
    from flask_irl.web.state import state_of

    IntelligentLimiter(
        app,
        key_func=api_key(HEADER, verify=lambda key: True),
        storage_uri=url,
        base_limit=limit,
        key_prefix=f"irl-worker-{limit}-",
        # On a busy machine a server may be slow for once: that must not end the benchmark.
        store_timeout=2.0,
    ).request_filter(lambda: request.path == STATE_PATH)
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
        default_limits_exempt_when=lambda: request.path == STATE_PATH,
        storage_uri=url,
        strategy="sliding-window-counter",
        headers_enabled=True,
        key_prefix=f"fl-worker-{limit}",
    )
    return lambda: True


_PROTECT: Final[dict[str, Callable[[Flask, str, str, int], Callable[[], bool]]]] = {
    "bare": lambda *_: lambda: True,
    "flask_irl": _flask_irl,
    "flask_limiter": _flask_limiter,
}


def _rss_mib() -> float:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024.0
