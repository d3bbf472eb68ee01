"""Make an app that gunicorn serves under load, bare or under one of the limiters.

It imports no more than such an app does, nothing of the benchmark's own, and of flask_irl only what
earlier builds have, too: with ``--before`` a copy of this file serves another build.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

PATH: Final = "/api/data"
STATE_PATH: Final = "/bench-state"
"""Path that tells of the worker's state, past app and limiter."""
PLENTY: Final = 1_000_000
"""Limit, in requests a minute, that no client reaches."""

Ready = Callable[[], bool]


def create(kind: str, url: str, blob: str = "") -> Flask:
    """Make the app of a kind, on a Redis server; a proxy tells the clients' addresses.

    Args:
        kind: One of ``KINDS``.
        url: The server's URL.
        blob: A file with the model of flask_irl, or empty.
    """
    app = Flask("bench")

    def data() -> str:
        return "ok"

    ready = KINDS[kind](app, data, url, blob)
    inner = ProxyFix(app.wsgi_app, x_for=1)

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != STATE_PATH:
            return inner(environ, start_response)
        body = json.dumps({"pid": os.getpid(), "ready": ready()}).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    app.wsgi_app = serve  # type: ignore[method-assign]
    return app


def _bare(app: Flask, view: Callable[[], str], url: str, blob: str) -> Ready:
    app.add_url_rule(PATH, "data", view)
    return lambda: True


def _flask_irl(app: Flask, view: Callable[[], str], url: str, blob: str) -> Ready:
    import flask_irl

    flask_irl.IntelligentLimiter(
        app,
        storage_uri=url,
        base_limit=PLENTY,
        # Builds don't share what they store: another one may store it otherwise.
        key_prefix=f"irl-{Path(blob).name}-",
        training_interval_minutes=24 * 60.0,
        learning_minutes=0,
        # Earlier builds flag clients that come this often for long.
        mode="shadow",
        # On a busy machine a server may be slow for once: that must not end the benchmark.
        store_timeout=2.0,
    )
    app.add_url_rule(PATH, "data", view)
    # The second is its name in earlier builds.
    is_earlier = Path(flask_irl.__file__).with_name("app_state.py").exists()
    name = "flask_irl.app_state" if is_earlier else "flask_irl.web.state"
    limiter = import_module(name).state_of(app).limiter
    if blob:
        limiter.store.publish(0, 1, Path(blob).read_bytes())
    return lambda: not limiter.breaker.is_open and limiter.trainer.model.version == bool(blob)


def _flask_limiter(
    strategy: str, headers: bool
) -> Callable[[Flask, Callable[[], str], str, str], Ready]:
    def protect(app: Flask, view: Callable[[], str], url: str, blob: str) -> Ready:
        from flask_limiter import Limiter
        from flask_limiter.util import get_remote_address

        Limiter(
            get_remote_address,
            app=app,
            default_limits=[f"{PLENTY}/minute"],
            storage_uri=url,
            strategy=strategy,
            headers_enabled=headers,
            key_prefix=f"fl-served-{strategy}",
        )
        app.add_url_rule(PATH, "data", view)
        return lambda: True

    return protect


def _throttled(app: Flask, view: Callable[[], str], url: str, blob: str) -> Ready:
    from flask_limiter.util import get_remote_address
    from throttled.contrib.flask import Limiter
    from throttled.store import RedisStore

    store = RedisStore(server=url)
    limiter = Limiter(f"{PLENTY}/m", store=store, using="fixed_window", key_func=get_remote_address)
    app.add_url_rule(PATH, "data", limiter.limit()(view))
    return lambda: True


KINDS: Final[dict[str, Callable[[Flask, Callable[[], str], str, str], Ready]]] = {
    "bare": _bare,
    "flask_irl": _flask_irl,
    "flask_limiter": _flask_limiter("sliding-window-counter", True),
    "flask_limiter_fixed": _flask_limiter("fixed-window", False),
    "throttled": _throttled,
}
"""Functions that limit an app, by kind; each gives a function that tells whether it is ready."""
