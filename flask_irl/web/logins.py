"""Tell which routes log in, for the rule on failing logins: once a route, before its requests."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from flask.views import View
from werkzeug.routing import Map, Rule

from flask_irl.behaviour.observation import BY_NAME, LOGIN, NO_LOGIN
from flask_irl.config.values import ENDPOINT, NOT
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.log import event
from flask_irl.web.decorators import checked_functions

MARK: Final = "__irl_login__"

T = TypeVar("T")


class Logins:
    """Tell whether routes log in, where the app says so.

    Args:
        owner: The extension whose decorator counts.
        patterns: The option ``login_routes``.
    """

    def __init__(self, owner: object, patterns: Sequence[str] = ()) -> None:
        self._owner = owner
        self._logins = [p for p in patterns if not p.startswith(NOT)]
        self._others = [p.removeprefix(NOT) for p in patterns if p.startswith(NOT)]

    def word_on(self, rule: str, endpoint: str = "", views: Sequence[object] = ()) -> int:
        """Give the app's word on a route: ``LOGIN``, ``NO_LOGIN``, else ``BY_NAME``.

        Args:
            rule: Its rule, or the pattern of its paths in a log.
            endpoint: Its endpoint, if it has one.
            views: Its view, and whatever else may bear the decorator's mark.
        """
        if any(_matches(pattern, rule, endpoint) for pattern in self._others):
            return NO_LOGIN
        if any(_matches(pattern, rule, endpoint) for pattern in self._logins):
            return LOGIN
        marked = any(owner is self._owner for view in views for owner in getattr(view, MARK, ()))
        return LOGIN if marked else BY_NAME

    def report_unknown(self, url_map: Map) -> None:
        """Log the patterns that no rule of an app fits: most likely they are misspelt."""
        rules: list[Rule] = list(url_map.iter_rules())
        for pattern in (*self._logins, *self._others):
            if not any(_matches(pattern, rule.rule, rule.endpoint) for rule in rules):
                event(logging.WARNING, "login_route_unknown", pattern=pattern)


def mark_login(target: T, owner: object) -> T:
    """Mark a view, a view class or a method of one as a login of an extension's apps.

    Returns:
        The target.

    Raises:
        ConfigurationError: The target is none of these.
    """
    is_view = isinstance(target, type) and issubclass(target, View)
    try:
        if not is_view and (isinstance(target, type) or not callable(target)):
            raise AttributeError
        marked: list[Any] = [target] if is_view else [*checked_functions(target)]
        for one in marked:
            setattr(one, MARK, (*getattr(one, MARK, ()), owner))
    except AttributeError:
        raise ConfigurationError(
            f"login can't decorate {target!r}: give a function or a view class, or name its route "
            "in the option login_routes"
        ) from None
    return target


def _matches(pattern: str, rule: str, endpoint: str) -> bool:
    text = endpoint if pattern.startswith(ENDPOINT) else rule
    parts = pattern.removeprefix(ENDPOINT).split("*")
    return re.fullmatch(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None
