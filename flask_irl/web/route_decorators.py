"""Decorate an app's routes and functions: limit, exempt, login and request filter."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from flask_irl.errors import ConfigurationError
from flask_irl.web.app_states import AppStates
from flask_irl.web.callbacks import (
    CostFunc,
    DeductWhen,
    Filter,
    KeyFunc,
    LimitFunc,
    OnBreach,
    ScopeFunc,
    check_callback,
)
from flask_irl.web.calls import LimitedCalls
from flask_irl.web.decorators import Declarations, LimitDecorator, exempt
from flask_irl.web.key_guards import KeyGuards
from flask_irl.web.logins import mark_login
from flask_irl.web.require_api_key import RequireApiKey
from flask_irl.web.route_limits import RouteLimit, new_limit

T = TypeVar("T")
F = TypeVar("F", bound=Filter)


class RouteDecorators:
    """Give the decorators of an extension; what they declare holds for all of its apps.

    Args:
        states: Those of its apps.
    """

    def __init__(self, states: AppStates) -> None:
        self._key_guards = KeyGuards()
        self._declarations = Declarations(at_first=[self._key_guards.apply])
        self._states = states
        self._calls = LimitedCalls(self, states)

    def limit(
        self,
        limit: str | LimitFunc,
        *,
        key_func: KeyFunc | None = None,
        per_method: bool = False,
        methods: Sequence[str] | None = None,
        error_message: str | None = None,
        exempt_when: Filter | None = None,
        override_defaults: bool = True,
        override_base: bool = False,
        cost: int | CostFunc = 1,
        default: str | None = None,
        deduct_when: DeductWhen | None = None,
        on_breach: OnBreach | None = None,
        scope: str | ScopeFunc | None = None,
        meta_limits: Sequence[str] | None = None,
    ) -> LimitDecorator:
        """Limit a view, a function, a blueprint or a class-based view.

        On a view or blueprint the limit is part of the request's one call of the store. On any
        other function, and as a context manager, it is checked with a call of its own when the
        function is called or the block entered, wherever there is a request; if it refuses,
        :class:`~flask_irl.web.responses.RateLimitExceeded` (429) is raised, and where there is no
        request, RuntimeError.

        Functions given here are asked once all ``before_request`` hooks have run, and below any
        decorator that stands above this one on a view: a login of either kind has been made then.

        Args:
            limit: Limits such as ``"20/minute;100/hour"``, or a function that returns them, or
                None for no limit; while that raises or returns nonsense, ``default`` holds, and so
                do all other limits.
            key_func: Names the key that is counted instead of the client; not on Redis Cluster.
                The client is, if it raises or returns nothing.
            per_method: Count each HTTP method by itself.
            methods: Limit only these methods.
            error_message: Text of the 429.
            exempt_when: Returns True where the limit doesn't apply.
            override_defaults: Replace the default limits rather than add to them.
            override_base: Replace the limit on all of the client's requests: it neither refuses nor
                counts the requests that this limit applies to, so this one may be the larger. Where
                a function returns no limit, or fails without a ``default``, nothing is replaced.
                On a function that is no view it has no effect: such calls count apart.
            cost: Units that a request counts for, in this and all its other limits; 1 where a
                function of yours raises.
            default: The limit that holds while the function given as ``limit`` fails; None for
                none but the others.
            deduct_when: Given the response, returns True where the request counts in this limit;
                False where the function raises. The limit must have room for each request all the
                same, and counts by one more call of the store, after the answer.
            on_breach: Is told of each refusal by this limit, a
                :class:`~flask_irl.limits.current.CurrentLimit`; a response that it returns is the
                answer.
            scope: Counts parts of a route apart: a name, or a function that makes one of the
                endpoint.
            meta_limits: Limits on the requests that this limit refuses, such as ``["3/hour"]``: a
                client that has had so many refusals has all its requests to the route refused.

        Raises:
            ConfigurationError: The limit can't be read, or another argument isn't allowed.
        """
        return self._decorator(
            new_limit(
                self,
                limit,
                name=_place(),
                shared=None,
                key_func=key_func,
                per_method=per_method,
                methods=methods,
                error_message=error_message,
                exempt_when=exempt_when,
                override_defaults=override_defaults,
                override_base=override_base,
                cost=cost,
                default=default,
                deduct_when=deduct_when,
                on_breach=on_breach,
                scope=scope,
                meta_limits=meta_limits,
            ),
        )

    def shared_limit(
        self,
        limit: str | LimitFunc,
        scope: str | ScopeFunc,
        *,
        key_func: KeyFunc | None = None,
        per_method: bool = False,
        methods: Sequence[str] | None = None,
        error_message: str | None = None,
        exempt_when: Filter | None = None,
        override_defaults: bool = True,
        override_base: bool = False,
        cost: int | CostFunc = 1,
        default: str | None = None,
        deduct_when: DeductWhen | None = None,
        on_breach: OnBreach | None = None,
        meta_limits: Sequence[str] | None = None,
    ) -> LimitDecorator:
        """Limit several routes together.

        Args:
            limit: As of :meth:`limit`.
            scope: Its name, or a function that makes one of the endpoint.
            key_func: As of :meth:`limit`; so are the others.
            per_method: Count each HTTP method by itself.
            methods: Limit only these methods.
            error_message: Text of the 429.
            exempt_when: Returns True where the limit doesn't apply.
            override_defaults: Replace the default limits rather than add to them.
            override_base: Replace the limit on all of the client's requests.
            cost: Units that a request counts for.
            default: The limit that holds while the function given as ``limit`` fails.
            deduct_when: Returns True where a request counts, given its response.
            on_breach: Is told of each refusal, and may answer it.
            meta_limits: Limits on the requests that this limit refuses.

        Raises:
            ConfigurationError: The limit can't be read, or another argument isn't allowed.
        """
        if scope is None:
            raise ConfigurationError("scope None is not allowed: give a name, or a function")
        return self._decorator(
            new_limit(
                self,
                limit,
                name=_place(),
                shared=scope,
                key_func=key_func,
                per_method=per_method,
                methods=methods,
                error_message=error_message,
                exempt_when=exempt_when,
                override_defaults=override_defaults,
                override_base=override_base,
                cost=cost,
                default=default,
                deduct_when=deduct_when,
                on_breach=on_breach,
                meta_limits=meta_limits,
            ),
        )

    def exempt(self, target: T) -> T:
        """Exempt a view, a blueprint or a view class: unlimited, unprofiled and without headers."""
        return exempt(target, self, self._declarations)

    def login(self, target: T) -> T:
        """Mark a view or a view class as a login: its answers 400 and 422 are failed logins, too.

        Needed only where neither the route's name (``/login``, ``/sessions``, ``/auth/token``) nor
        the option ``login_routes`` tells.

        Raises:
            ConfigurationError: The target is something else.
        """
        return mark_login(target, self)

    def require_api_key(self, scope: str | None = None) -> RequireApiKey:
        """Refuse requests without a valid API key to a view, a blueprint or a view class.

        They are answered with 401, or 403 where the key lacks the scope. Beside ``limit`` it may
        stand in any order.

        Args:
            scope: The scope that a key must have, as it was issued with; None for any key.

        Raises:
            ConfigurationError: The scope is no name of one, or the app has no API keys.
        """
        self._declarations.requires_api_keys.add(scope)
        return RequireApiKey(self._states, self._key_guards, scope)

    def request_filter(self, function: F) -> F:
        """Register a function that returns True for requests that aren't limited.

        Raises:
            ConfigurationError: It is no function that can be called.
        """
        check_callback("request_filter", function)
        self._declarations.filters.append(function)
        return function

    def _decorator(self, limit: RouteLimit) -> LimitDecorator:
        return LimitDecorator(limit, self._declarations, self._calls.count)


def _place() -> str:
    """Name the place in the app where a limit is made: its scope when it decorates nothing."""
    code = sys._getframe(2)
    return f"{code.f_globals.get('__name__')}.{code.f_code.co_qualname}:{code.f_lineno}"
