"""Extend Flask: ``IntelligentLimiter``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from flask import Flask, current_app, has_app_context, has_request_context, request

from flask_irl.admin.attach import attach
from flask_irl.config.options import check_option
from flask_irl.config.sources import resolve
from flask_irl.errors import ConfigurationError
from flask_irl.limits.decision import Decision
from flask_irl.telemetry.events import Listener
from flask_irl.web.callbacks import (
    Authorize,
    CostFunc,
    Filter,
    KeyFunc,
    LimitFunc,
    ScopeFunc,
    check_callback,
)
from flask_irl.web.calls import LimitedCalls
from flask_irl.web.decorators import Declarations, LimitDecorator, exempt
from flask_irl.web.key_functions import remote_address
from flask_irl.web.logins import mark_login
from flask_irl.web.route_limits import RouteLimit, new_limit
from flask_irl.web.state import EXTENSION, AppState, AppStates, state_of

T = TypeVar("T")
F = TypeVar("F", bound=Filter)


class IntelligentLimiter:
    """Give each client of a Flask app the rate limit that its behaviour deserves.

    ``IntelligentLimiter(app)`` or, with an app factory, ``IntelligentLimiter()`` and
    :meth:`init_app`. One object may serve several apps; each has its own limiter.

    Args:
        app: The app to register with now.
        key_func: Names the client of the current request; the remote address by default. Asked when
            all ``before_request`` hooks have run. If it raises or returns nothing, or nothing that
            has a text of its own, the remote address counts. Like each function that a limiter is
            given, it may be async.
        listener: Takes every event, for metrics.
        authorize: Your own login for the admin API instead of tokens: given ``read`` or
            ``write``, returns the name of the user who may do that, or None.
        **options: Any option of :class:`~flask_irl.config.options.Options`; they win over the app's
            config, which wins over the environment. Changes to the config after ``init_app``
            are not seen.

    Raises:
        ConfigurationError: An option is not known or not allowed.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        key_func: KeyFunc | None = None,
        listener: Listener | None = None,
        authorize: Authorize | None = None,
        **options: Any,
    ) -> None:
        if key_func is not None and not callable(key_func):
            raise ConfigurationError(f"key_func is {key_func!r}: give a function without arguments")
        for option, function in (("key_func", key_func), ("authorize", authorize)):
            if function is not None:
                check_callback(option, function)
        if listener is not None and inspect.iscoroutinefunction(getattr(listener, "notify", None)):
            raise ConfigurationError(f"listener {listener!r} is not allowed: its notify is async")
        self._key_func = key_func or remote_address
        self._listener = listener
        self._authorize = authorize
        self._arguments = options
        self._declarations = Declarations()
        self._states = AppStates()
        self._calls = LimitedCalls(self, self._states)
        resolve(options, {}, {})
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register with an app; call it once per app, before the app serves its first request.

        Raises:
            ConfigurationError: An option is not allowed.
            RuntimeError: An ``IntelligentLimiter`` is registered with this app already.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError(
                "An IntelligentLimiter is registered with this app already: call init_app once, "
                "and not at all when the app was given to IntelligentLimiter(app)."
            )
        options = resolve(self._arguments, app.config)
        state = AppState(
            app,
            self,
            options,
            key_func=self._key_func,
            declarations=self._declarations,
            listener=self._listener,
        )
        if options.enabled and options.admin:
            # First, since it may refuse its options.
            self._declarations.exempt_blueprints.update(attach(app, state, self._authorize))
        app.extensions[EXTENSION] = state
        self._states.add(state)
        if options.enabled:
            state.register(app)
        app.jinja_env.globals.setdefault("irl_decision", lambda: self.current_decision)

    @property
    def current_decision(self) -> Decision | None:
        """Give the decision on the current request; None outside of one, or if it is exempt.

        None, too, in hooks before a request whose limits or key are functions.
        """
        if not has_request_context() or EXTENSION not in current_app.extensions:
            return None
        return state_of(current_app).decision_on(request.environ)

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
        cost: int | CostFunc = 1,
        default: str | None = None,
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
            cost: Units that a request counts for, in this and all its other limits; 1 where a
                function of yours raises.
            default: The limit that holds while the function given as ``limit`` fails; None for
                none but the others.

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
                cost=cost,
                default=default,
            ),
        )

    def shared_limit(
        self,
        limit: str | LimitFunc,
        scope: str | ScopeFunc,
        *,
        key_func: KeyFunc | None = None,
        error_message: str | None = None,
        exempt_when: Filter | None = None,
        override_defaults: bool = True,
        cost: int | CostFunc = 1,
        default: str | None = None,
    ) -> LimitDecorator:
        """Limit several routes together.

        Args:
            limit: As of :meth:`limit`.
            scope: Its name, or a function that makes one of the endpoint.
            key_func: As of :meth:`limit`; so are the others.
            error_message: Text of the 429.
            exempt_when: Returns True where the limit doesn't apply.
            override_defaults: Replace the default limits rather than add to them.
            cost: Units that a request counts for.
            default: The limit that holds while the function given as ``limit`` fails.

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
                error_message=error_message,
                exempt_when=exempt_when,
                override_defaults=override_defaults,
                cost=cost,
                default=default,
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

    def failed_login(self) -> None:
        """Count the current request as a failed login, whatever it is answered with.

        Call it where a wrong password shows the form again or redirects to it. Does nothing outside
        of a request, and in one that isn't limited.
        """
        if has_request_context() and EXTENSION in current_app.extensions:
            state_of(current_app).note_failed_login(request.environ)

    def request_filter(self, function: F) -> F:
        """Register a function that returns True for requests that aren't limited.

        Raises:
            ConfigurationError: It is no function that can be called.
        """
        check_callback("request_filter", function)
        self._declarations.filters.append(function)
        return function

    def flush(self) -> int:
        """Flush: learn now from the current app's requests; returns how many there were."""
        return state_of(current_app).limiter.flush()

    def reset(self, client: str | None = None) -> bool:
        """Forget a client, by its name or stored key, or all of them; tells if any was known.

        It is about the current app; outside of an app context, about all apps. What operators set
        for single clients stays.

        Raises:
            StoreError: The store failed; some may be forgotten.
        """
        return any([state.forget(client) for state in self._states.here()])

    @property
    def enabled(self) -> bool:
        """Tell whether requests are limited: in the current app, else in all; may be set.

        While it is False, requests pass as if there were no limiter, and nothing is counted.
        """
        states = self._states.here()
        if states:
            return all(state.enabled for state in states)
        return resolve(self._arguments, {}).enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        on = check_option("enabled", on)
        if not has_app_context():
            self._arguments = {**self._arguments, "enabled": on}
        for state in self._states.here():
            state.switch(on)

    def close(self) -> None:
        """End the current app's limiter, with its threads; outside of an app context, all apps'.

        Requests pass from then on as if there were no limiter. A second call does nothing.
        """
        for state in self._states.here():
            state.close()

    @property
    def healthy(self) -> bool:
        """Tell whether the current app's store answers."""
        return not state_of(current_app).limiter.breaker.is_open

    def _decorator(self, limit: RouteLimit) -> LimitDecorator:
        return LimitDecorator(limit, self._declarations, self._calls.count)


def _place() -> str:
    """Name the place in the app where a limit is made: its scope when it decorates nothing."""
    code = sys._getframe(2)
    return f"{code.f_globals.get('__name__')}.{code.f_code.co_qualname}:{code.f_lineno}"
