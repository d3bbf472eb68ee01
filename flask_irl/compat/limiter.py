"""Extend Flask as Flask-Limiter does: ``Limiter``, under its names and with its defaults."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app, has_app_context, request

from flask_irl.admin.attach import attach
from flask_irl.compat.constants import LIMITERS, ConfigVars, ExemptionScope, HeaderNames
from flask_irl.compat.decorators import ALL, Decorators
from flask_irl.compat.definitions import OnBreach
from flask_irl.compat.errors import ConfigurationError
from flask_irl.compat.questions import LOGGER
from flask_irl.compat.request_limit import RequestLimit
from flask_irl.compat.settings import Arguments, Settings, settle
from flask_irl.compat.state import CompatState
from flask_irl.compat.storage import Storage, Strategy
from flask_irl.config.sources import resolve
from flask_irl.control import ClientControl
from flask_irl.errors import ConfigurationError as WrongOption
from flask_irl.web.app_states import AppStates
from flask_irl.web.late_command import LateCommand
from flask_irl.web.route_limits import RouteLimit as Carried
from flask_irl.web.state import EXTENSION

if TYPE_CHECKING:
    from click import Command


class Limiter(Decorators, ClientControl):
    """Limit the requests to Flask apps, as ``flask_limiter.Limiter`` does; and learn.

    Args:
        key_func: Names the client of the current request.
        app: The app to register with now.
        default_limits: Limits of each route that has none of its own: texts, functions that return
            texts, or :class:`~flask_irl.compat.definitions.Limit`.
        default_limits_per_method: Count each method of a route by itself in them.
        default_limits_exempt_when: Returns True where they don't apply.
        default_limits_deduct_when: Given the response, returns True where a request counts in them.
        default_limits_cost: Units that a request counts for, or a function that returns those.
        application_limits: Limits on all requests of a client.
        application_limits_per_method: As for the default limits; so are the three others.
        application_limits_exempt_when: As above.
        application_limits_deduct_when: As above.
        application_limits_cost: As above.
        headers_enabled: Whether answers show the limit.
        header_name_mapping: Names of those headers.
        strategy: ``fixed-window``, ``moving-window`` or ``sliding-window-counter``.
        storage_uri: ``memory://``, ``redis://``, ``valkey://`` and their like.
        storage_options: Further arguments of the connection.
        swallow_errors: While the store is out, let all requests pass; else they are counted here.
        fail_on_first_breach: Count a refused request in no limit behind the one that refuses.
        on_breach: Is told of each refusal, and may return the answer.
        meta_limits: Limits on a client's refusals.
        on_meta_breach: Is told of refusals by those instead.
        in_memory_fallback: The limits that hold while the store is out.
        in_memory_fallback_enabled: Count here while the store is out.
        retry_after: ``http-date`` for dates in ``Retry-After``.
        key_prefix: Begins the keys of the store.
        request_identifier: Names the current request instead of its endpoint.
        enabled: Whether requests are limited.

    The app's ``RATELIMIT_`` keys hold where an argument isn't given. What this package has beyond
    those names, such as ``IRL_MODE``, is read from the app's config and the environment.

    Raises:
        ConfigurationError: A setting isn't allowed.
    """

    def __init__(
        self,
        key_func: Callable[[], str],
        *,
        app: Flask | None = None,
        default_limits: Sequence[Any] | None = None,
        default_limits_per_method: bool | None = None,
        default_limits_exempt_when: Callable[[], bool] | None = None,
        default_limits_deduct_when: Callable[[Any], bool] | None = None,
        default_limits_cost: int | Callable[[], int] | None = None,
        application_limits: Sequence[Any] | None = None,
        application_limits_per_method: bool | None = None,
        application_limits_exempt_when: Callable[[], bool] | None = None,
        application_limits_deduct_when: Callable[[Any], bool] | None = None,
        application_limits_cost: int | Callable[[], int] | None = None,
        headers_enabled: bool | None = None,
        header_name_mapping: Mapping[HeaderNames, str] | None = None,
        strategy: str | None = None,
        storage_uri: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        swallow_errors: bool | None = None,
        fail_on_first_breach: bool | None = None,
        on_breach: OnBreach | None = None,
        meta_limits: Sequence[Any] | None = None,
        on_meta_breach: OnBreach | None = None,
        in_memory_fallback: Sequence[Any] | None = None,
        in_memory_fallback_enabled: bool | None = None,
        retry_after: str | None = None,
        key_prefix: str = "",
        request_identifier: Callable[..., str] | None = None,
        enabled: bool = True,
    ) -> None:
        given = locals()
        self._given = Arguments(**{name: given[name] for name in Arguments.__dataclass_fields__})
        states = AppStates()
        Decorators.__init__(self, key_func)
        ClientControl.__init__(self, states)
        self.logger = LOGGER
        self.logger.addHandler(logging.NullHandler())
        self._by_app: weakref.WeakKeyDictionary[Flask, CompatState] = weakref.WeakKeyDictionary()
        self._last: CompatState | None = None
        self._enabled = enabled
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register with an app.

        Raises:
            ConfigurationError: A setting isn't allowed.
        """
        self._enabled = bool(app.config.setdefault(ConfigVars.ENABLED, self._enabled))
        app.extensions.setdefault(LIMITERS, set()).add(self)
        if not self._enabled or app in self._by_app:
            return
        try:
            settings = settle(self._given, app.config)
            options = resolve(settings.options, app.config)
            state = CompatState(
                app,
                self,
                options,
                settings=settings,
                declarations=self.declarations,
                exemptions=self.exemptions,
            )
        except ConfigurationError:
            raise
        except WrongOption as error:
            raise ConfigurationError(str(error)) from None
        self._by_app[app] = self._last = state
        self._states.add(state)
        if EXTENSION not in app.extensions:
            # The first one's clients are what commands and admin API are about.
            app.extensions[EXTENSION] = state
            if options.admin:
                for blueprint in attach(app, state, None):
                    self.exemptions.blueprints[blueprint.name] = ALL | ExemptionScope.DESCENDENTS
        state.register(app)
        for name, load in (("irl", _load_irl), ("limiter", _load_limiter)):
            if name not in app.cli.commands:
                app.cli.add_command(LateCommand(name, load, help="Steer the limiter."))

    @property
    def enabled(self) -> bool:
        """Tell whether requests are limited; may be set."""
        return self._enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._enabled = bool(on)
        for state in self._by_app.values():
            state.switch(self._enabled)

    @property
    def initialized(self) -> bool:
        """Tell whether an app is registered."""
        return self._last is not None

    @property
    def storage(self) -> Storage:
        """Give the store, with the methods of a storage of ``limits`` that don't count."""
        return self.state().storage

    @property
    def limiter(self) -> Strategy:
        """Give the strategy, with the methods of one of ``limits``."""
        return self.state().strategy

    @property
    def settings(self) -> Settings:
        """Give the settings for the current app."""
        return self.state().settings

    @property
    def current_limit(self) -> RequestLimit | None:
        """Give the limit that the current request's headers show."""
        state = self._here()
        return None if state is None else state.request_limit()

    @property
    def current_limits(self) -> list[RequestLimit]:
        """List the limits that the current request was decided by."""
        state = self._here()
        return [] if state is None else state.request_limits()

    def identify_request(self) -> str:
        """Name the current request: its endpoint, or what ``request_identifier`` returns."""
        state = self._here()
        if state is None or not self._enabled:
            return ""
        identify = state.settings.identify
        return (request.endpoint or "") if identify is None else identify()

    def check(self) -> None:
        """Do nothing: limits are checked with the request, or where a function is called."""

    def close(self) -> None:
        """End the limiter in all apps."""
        for state in self._by_app.values():
            state.close()

    def state(self) -> CompatState:
        """Give the state of the current app, else of the one registered last.

        Raises:
            RuntimeError: There is none.
        """
        state = self._here() or self._last
        if state is None:
            raise RuntimeError("no app is registered with this Limiter: call init_app first")
        return state

    def count(self, limit: Carried) -> None:
        """Count a call of a limited function, if the current app is one of this limiter's.

        Raises:
            RateLimitExceeded: The limit refuses.
        """
        state = self._here()
        if state is not None and state.enabled:
            state.checks.check(limit)

    def changed(self) -> None:
        """Work routes out anew, unless a limit is made within a request for its own use."""
        for state in self._by_app.values():
            if not state.serving:
                state.forget_routes()

    def _here(self) -> CompatState | None:
        if not has_app_context():
            return None
        return self._by_app.get(cast(Flask, current_app._get_current_object()))  # type: ignore[attr-defined]


def _load_irl() -> Command:
    from flask_irl.cli import irl

    return irl


def _load_limiter() -> Command:
    from flask_irl.compat.commands import cli

    return cli
