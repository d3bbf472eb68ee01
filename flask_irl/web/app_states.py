"""Know the apps of an extension by their states."""

from __future__ import annotations

import weakref

from flask import current_app, has_app_context

from flask_irl.web.state import AppState, state_of


class AppStates:
    """Know the states of an extension's apps, as long as those live."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[AppState] = weakref.WeakSet()

    def add(self, state: AppState) -> None:
        """Add the state of an app."""
        self._all.add(state)

    def everywhere(self) -> list[AppState]:
        """Give those of all apps."""
        return list(self._all)

    def here(self) -> list[AppState]:
        """Give the current app's; outside of an app context, those of all apps.

        Raises:
            IrlError: No extension is registered with the current app.
        """
        return [state_of(current_app)] if has_app_context() else self.everywhere()
