"""Show decisions on the spans of OpenTelemetry, where the app uses it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from flask_irl.limiter.limiter import Limiter
from flask_irl.web.exchange import Exchange, Headers
from flask_irl.web.observer import Observer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TRACE: Final = "opentelemetry.trace"
TRACERS: Final = (
    "opentelemetry.sdk.trace",
    "opentelemetry.instrumentation",
    "ddtrace.opentelemetry",
)
"""Modules that an app which records spans has imported. The API alone says nothing: redis-py
imports it wherever it is installed."""


class SpanObserver(Observer):
    """Note requests as :class:`Observer` does, and on the span that they are in, too.

    Args:
        limiter: Learns from them.
        honeypots: Beginnings of paths that only an attacker asks for.
        current_span: Gives the span of the moment.
    """

    def __init__(
        self, limiter: Limiter, honeypots: tuple[str, ...], current_span: Callable[[], Any]
    ) -> None:
        super().__init__(limiter, honeypots)
        self._current_span = current_span

    def observe(
        self, environ: WSGIEnvironment, exchange: Exchange, status: str, headers: Headers
    ) -> None:
        """Note a request that was decided on, with its answer; never raises."""
        decision = exchange.decision
        if decision is not None and not exchange.observed:
            try:
                span = self._current_span()
                if span.is_recording():
                    span.set_attribute("irl.outcome", decision.outcome)
                    span.set_attribute("irl.score", float(decision.score))
            except Exception as error:
                self._limiter.failures.swallow("span", error)
        super().observe(environ, exchange, status, headers)


def new_observer(limiter: Limiter, honeypots: tuple[str, ...]) -> Observer:
    """Make the observer of an app; it knows of spans if the app has imported a tracer by now."""
    trace = sys.modules.get(TRACE)
    if trace is None or not any(name in sys.modules for name in TRACERS):
        return Observer(limiter, honeypots)
    return SpanObserver(limiter, honeypots, trace.get_current_span)
