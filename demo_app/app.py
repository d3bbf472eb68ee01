"""Make the demo app."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from flask import Flask
from prometheus_client import CollectorRegistry
from werkzeug.middleware.proxy_fix import ProxyFix

from demo_app.keys import SECRET, key_exists
from demo_app.monitoring import add_metrics
from demo_app.views import add_views
from flask_irl import ConfigurationError, IntelligentLimiter, api_key
from flask_irl.config.sources import resolve
from flask_irl.telemetry.prometheus import PrometheusListener

MAX_PROXIES: Final = 10
MAX_BODY: Final = 64 * 1024
"""Most bytes of a request's body."""


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the demo app with a limiter of its own.

    A client is its API key (in the header of the option ``api_key_header``) if it sends one that
    exists, else its address. ``DEMO_KEYS_SECRET``, in ``config`` or in the environment, signs the
    keys (:mod:`demo_app.keys`); without it none exists.

    Args:
        config: For ``app.config``; ``IRL_…`` keys are the limiter's options and win over the
            environment. ``TRUSTED_PROXIES``, here or in the environment, is the exact number of
            proxies in front that each add to ``X-Forwarded-For``; none by default.

    Raises:
        ConfigurationError: An option or ``TRUSTED_PROXIES`` is not allowed.
    """
    app = Flask("demo_app")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config.from_mapping(config)
    _trust_proxies(app)
    secret = str(app.config.get(SECRET) or os.environ.get(SECRET) or "")
    registry = CollectorRegistry()
    # First of all: a hook before its own might answer instead of it, so that it could neither ask
    # nor refuse before Flask.
    limiter = IntelligentLimiter(
        app,
        key_func=api_key(
            resolve({}, app.config).api_key_header,
            verify=lambda key: key_exists(key, secret),
        ),
        listener=PrometheusListener(registry),
    )
    limiter.exempt(add_metrics(app, registry))
    add_views(app, limiter)
    return app


def _trust_proxies(app: Flask) -> None:
    given = app.config.get("TRUSTED_PROXIES", os.environ.get("TRUSTED_PROXIES") or "0")
    text = str(given)
    hops = int(text) if text.isascii() and text.isdigit() and len(text) < 3 else -1
    if not 0 <= hops <= MAX_PROXIES:
        raise ConfigurationError(
            f"TRUSTED_PROXIES is {given!r}, which is not allowed: give the number of proxies in "
            f"front of the app, 0 to {MAX_PROXIES}"
        )
    if hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=0, x_port=0, x_prefix=0
        )
