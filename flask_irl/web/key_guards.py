"""Have views check API keys that were registered before they were said to require one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask

from flask_irl.web.decorators import checked_first

NOTE: Final = "_irl_requires_api_key"
"""Attribute of functions that check API keys, with those checks."""


class KeyGuards:
    """Hold the views and view classes that require an API key.

    A decorator above ``@app.get``, or on a class whose ``as_view`` was called before, comes too
    late to change the view that the app has: at the first request, the app gets another one.
    """

    def __init__(self) -> None:
        self._guards: list[tuple[Any, Callable[[], None]]] = []

    def add(self, target: Any, check: Callable[[], None]) -> None:
        """Guard a function or a view class.

        Args:
            target: It.
            check: Refuses the current request, if it must be.
        """
        self._guards.append((target, check))

    def checked(self, function: Any, check: Callable[[], None]) -> Any:
        """Wrap a function in one that checks the request's key first."""
        guarded = checked_first(function, check)
        setattr(guarded, NOTE, (*getattr(function, NOTE, ()), check))
        return guarded

    def apply(self, app: Flask) -> None:
        """Replace the views of an app that should check keys, and don't."""
        for endpoint, view in list(app.view_functions.items()):
            for target, check in self._guards:
                is_meant = target in (view, getattr(view, "view_class", None))
                if is_meant and check not in getattr(view, NOTE, ()):
                    view = app.view_functions[endpoint] = self.checked(view, check)
