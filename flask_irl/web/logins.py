"""Tell which routes log in, for the rule on failing logins: once a route, before its requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from flask.views import View
from werkzeug.routing import Map

from flask_irl.behaviour.observation import BY_NAME, LOGIN, NO_LOGIN
from flask_irl.config.values import NOT
from flask_irl.errors import ConfigurationError
from flask_irl.web.decorators import checked_functions
from flask_irl.web.patterns import Pattern, warn_of_useless

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
        self._logins = [Pattern(x) for x in patterns if not x.startswith(NOT)]
        self._others = [Pattern(x.removeprefix(NOT)) for x in patterns if x.startswith(NOT)]

    def word_on(self, rule: str, endpoint: str = "", views: Sequence[object] = ()) -> int:
        """Give the app's word on a route: ``LOGIN``, ``NO_LOGIN``, else ``BY_NAME``.

        Args:
            rule: Its rule, or the pattern of its paths in a log.
            endpoint: Its endpoint, if it has one.
            views: Its view, and whatever else may bear the decorator's mark.
        """
        if any(pattern.reach(rule, endpoint) == "whole" for pattern in self._others):
            return NO_LOGIN
        if any(pattern.reach(rule, endpoint) == "whole" for pattern in self._logins):
            return LOGIN
        marked = any(owner is self._owner for view in views for owner in getattr(view, MARK, ()))
        return LOGIN if marked else BY_NAME

    def warn_of_useless(self, url_map: Map) -> None:
        """Warn of each pattern that matches none of an app's rules as a whole."""
        for pattern in (*self._logins, *self._others):
            if all(pattern.reach(x.rule, x.endpoint) != "whole" for x in url_map.iter_rules()):
                warn_of_useless("IRL_LOGIN_ROUTES", pattern)


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
