"""Wrap an app's calls, once, so that a request is decided on after its hooks: see ``late.py``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, request

from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.web.flask_calls import wrap_call


class LateCalls:
    """Wrap the calls of one app for all that decide on its requests.

    Args:
        app: The app.
        slot: Name in a request's environment under which its exchange is.
    """

    def __init__(self, app: Flask, slot: str) -> None:
        self._app = app
        self._slot = slot
        self._wrapped = False
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent may have held the lock."""
        self._lock = threading.Lock()

    def wrap(self) -> None:
        """Wrap the app's calls, unless they are."""
        if not self._wrapped:
            with self._lock:
                if not self._wrapped:
                    wrap_call(self._app, "dispatch_request", self._dispatch)
                    wrap_call(self._app, "finalize_request", self._finalize)
                    self._wrapped = True

    def _dispatch(self, dispatch: Callable[..., Any], *arguments: Any) -> Any:
        exchange = request.environ.get(self._slot)
        if exchange is None or exchange.late is None:
            return dispatch(*arguments)
        return exchange.late.dispatch(exchange, dispatch, arguments)

    def _finalize(self, finalize: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        exchange = request.environ.get(self._slot)
        if exchange is None or exchange.late is None:
            return finalize(*arguments, **named)
        return exchange.late.finalize(exchange, finalize, arguments, named)
