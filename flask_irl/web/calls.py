"""Find the app in which a limited function is called, or say what to do where there is none."""

from __future__ import annotations

import logging

from flask import current_app, has_app_context, has_request_context

from flask_irl.telemetry.log import event
from flask_irl.web.app_states import AppStates
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.state import EXTENSION, AppState, state_of

NO_REQUEST = (
    "{name} has a limit, which counts the client of a request, and there is no request here. Call "
    "it within one: in a thread by flask.copy_current_request_context, in a stream by "
    "flask.stream_with_context, in a test in app.test_request_context(). A job or a command has no "
    "client: let it call a function without the limit."
)


class LimitedCalls:
    """Count the calls of an extension's limited functions, by the limiter of the current app.

    Args:
        owner: The extension.
        states: The states of its apps.
    """

    def __init__(self, owner: object, states: AppStates) -> None:
        self._owner = owner
        self._states = states
        self._strangers: set[str] = set()

    def count(self, limit: RouteLimit) -> None:
        """Count a call of a limited function.

        Raises:
            RateLimitExceeded: The limit refuses.
            RuntimeError: There is no request, and the limiter isn't switched off.
        """
        if not has_request_context():
            states = self._states.everywhere()
            if has_app_context() and EXTENSION in current_app.extensions:
                states = [state_of(current_app)]
            if {state.enabled for state in states} != {False}:
                raise RuntimeError(NO_REQUEST.format(name=limit.name))
            return
        state = current_app.extensions.get(EXTENSION)
        if not isinstance(state, AppState) or state.owner is not self._owner:
            self._warn(limit)
        elif state.enabled:
            if state.tenants is not None:
                state = state.tenants.current()
            state.checks.check(limit)

    def _warn(self, limit: RouteLimit) -> None:
        """Warn, once for each app, that a limit doesn't hold: the extension isn't part of it."""
        name = current_app.name
        if name not in self._strangers:
            self._strangers.add(name)
            event(
                logging.WARNING,
                "limit_without_limiter",
                function=limit.name,
                app=name,
                give="limiter.init_app(app)",
            )
