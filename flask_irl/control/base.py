"""Reach the operations on an app's limiter from the app's own code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from flask import current_app, has_app_context

from flask_irl.errors import ConfigurationError, IrlError
from flask_irl.web.app_states import AppStates
from flask_irl.web.callbacks import key_of
from flask_irl.web.state import AppState, state_of

if TYPE_CHECKING:
    from flask_irl.operations import Operations

HOUR_SECONDS: Final = 3600.0
MAX_WHO: Final = 100
NO_APP: Final = (
    "limiter.{name} is about the clients of one app, and there is no app here. Call it in a "
    "request, or within 'with app.app_context():', as in a task of Celery's, a thread or a script."
)

ClientName = str | bytes | int | UUID
"""A client's name, of any type that a key function may return."""


class Control:
    """Reach the operations on the current app's limiter.

    Args:
        states: Those of the extension's apps.
    """

    def __init__(self, states: AppStates) -> None:
        self._states = states

    def _operations(self, call: str) -> Operations:
        if not has_app_context():
            raise RuntimeError(NO_APP.format(name=call))
        return operations_on(state_of(current_app))


def operations_on(state: AppState) -> Operations:
    """Open the operations on the limiter of one app."""
    # Not with the module: a web worker needs them for these calls only.
    from flask_irl.operations import Operations

    return Operations(state.limiter)


def name_of_client(client: Any) -> str:
    """Name a client as a key function does that returns this."""
    try:
        name = key_of(lambda: client)
    except IrlError:
        name = ""
    if not name:
        raise ConfigurationError(
            f"client is {client!r:.100}, which names nobody: give what key_func returns, such as "
            "an address or a user's id"
        )
    return name


def may_name_anything() -> bool:
    """Tell whether a client of the current app may be called like a network."""
    return not state_of(current_app).names_addresses


def checked(who: str) -> str:
    """Check the name of who makes a change: one line, of a bounded length."""
    from flask_irl.operations.texts import check_line

    return check_line("who", who, MAX_WHO)


def caller() -> str:
    """Name the app's function that calls a method of this module, for the audit log."""
    code = sys._getframe(2).f_code
    module = sys._getframe(2).f_globals.get("__name__")
    return f"app:{module}.{code.co_qualname}"[:MAX_WHO]


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Check that an argument is a whole number in a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigurationError(f"{name} is {value!r}: give a whole number from {low} to {high}")
