"""Require an API key, perhaps one with a scope, for a view, a blueprint or a view class."""

from __future__ import annotations

from typing import Final, TypeVar

from flask import Blueprint, current_app, has_request_context, request
from flask.views import View

from flask_irl.api_keys.names import SCOPE_NAMES, is_scope
from flask_irl.errors import ConfigurationError
from flask_irl.web.app_states import AppStates
from flask_irl.web.key_guards import KeyGuards
from flask_irl.web.state import state_of

T = TypeVar("T")

OFF: Final = (
    "require_api_key needs API keys: give IntelligentLimiter api_keys=True and api_key_secret"
)
NO_REQUEST: Final = "require_api_key is about a request, and there is none here"


class RequireApiKey:
    """Refuse requests without a valid API key: 401, or 403 where the key lacks the scope.

    Args:
        states: The states of the extension's apps.
        guards: Holds views that were registered before they are decorated.
        scope: The scope that a key must have; None for any key.

    Raises:
        ConfigurationError: The scope is no name of one, or an app has no API keys.
    """

    def __init__(self, states: AppStates, guards: KeyGuards, scope: str | None) -> None:
        if scope is not None and not is_scope(scope):
            raise ConfigurationError(
                f"scope is {scope!r:.100}, which is not allowed: give {SCOPE_NAMES}"
            )
        if any(state.api_keys is None for state in states.everywhere()):
            raise ConfigurationError(OFF)
        self._guards = guards
        self._scope = scope

    def __call__(self, target: T) -> T:
        if isinstance(target, Blueprint):
            target.before_request(self._check)
            return target
        if isinstance(target, type) and issubclass(target, View):
            target.decorators = [*target.decorators, self]
            self._guards.add(target, self._check)
            return target
        if not callable(target) or isinstance(target, type):
            raise ConfigurationError(
                f"require_api_key can't decorate {target!r}: give a function, a blueprint or a "
                "view class"
            )
        self._guards.add(target, self._check)
        checked: T = self._guards.checked(target, self._check)
        return checked

    def _check(self) -> None:
        """Refuse the current request, if it must be.

        Raises:
            ApiKeyError: It is refused.
            ConfigurationError: The current app has no API keys.
            RuntimeError: There is no request.
        """
        if not has_request_context():
            raise RuntimeError(NO_REQUEST)
        keys = state_of(current_app).of_request().api_keys
        if keys is None:
            # Nothing passes that somebody meant to protect.
            raise ConfigurationError(OFF)
        rule = request.url_rule
        if request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            # Flask answers it: browsers send no key before they may.
            return
        keys.require(self._scope, "unmatched" if rule is None else rule.rule)
