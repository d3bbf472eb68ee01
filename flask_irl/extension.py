"""Extend Flask: ``IntelligentLimiter``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

from flask import Flask, current_app, has_app_context

from flask_irl.admin.attach import attach
from flask_irl.config.arguments import OptionArguments
from flask_irl.config.options import check_option
from flask_irl.config.sources import resolve
from flask_irl.control import ApiKeyControl, ClientControl
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.events import Listener
from flask_irl.web.app_states import AppStates
from flask_irl.web.callbacks import (
    Authorize,
    CostFunc,
    DeductWhen,
    Filter,
    KeyFunc,
    OnBreach,
    check_callback,
)
from flask_irl.web.current_request import CurrentRequest
from flask_irl.web.key_functions import remote_address
from flask_irl.web.labels import LabelFunc
from flask_irl.web.late_command import LateCommand
from flask_irl.web.limit_rules import Conditions, LimitRules
from flask_irl.web.request_plans import PlanFunc, plan_function
from flask_irl.web.require_api_key import OFF
from flask_irl.web.route_decorators import RouteDecorators
from flask_irl.web.start_warnings import late_warning, warn_at_start
from flask_irl.web.state import EXTENSION, AppState, state_of

if TYPE_CHECKING:
    from click import Command

COMMAND: Final = "irl"


class IntelligentLimiter(RouteDecorators, CurrentRequest, ClientControl):
    """Give each client of a Flask app the rate limit that its behaviour deserves.

    ``IntelligentLimiter(app)`` or, with an app factory, ``IntelligentLimiter()`` and
    :meth:`init_app`. One object may serve several apps; each has its own limiter.

    Args:
        app: The app to register with now.
        key_func: Names the client of the current request; the remote address by default. Asked when
            all ``before_request`` hooks have run. If it raises or returns nothing, or nothing that
            has a text of its own, the remote address counts. Like each function that a limiter is
            given, it may be async.
        label_of: Names a client for people: given a client's key as it is stored, returns a text or
            None. Asked only when clients are shown, in the process that shows them.
        plan_of: Names the plan, one of ``plans``, of the current request's client; or the name of
            an attribute of Flask-Login's ``current_user``. None for ``default_plan``, and where
            that isn't given, the base limit; so does what is no plan, or raises.
        listener: Takes every event, for metrics.
        authorize: Your own login for the admin API instead of tokens: given ``read`` or
            ``write``, returns the name of the user who may do that, or None.
        default_limits_per_method: Count each HTTP method of a route by itself.
        default_limits_exempt_when: Returns True where they don't apply to a request.
        default_limits_deduct_when: Given the response, returns True where a request counts in
            them, as of :meth:`limit`.
        default_limits_cost: Units that a request counts for in them, or a function that returns
            those; None for what the route's own limits say.
        application_limits_per_method: The same for ``application_limits``, like the others.
        application_limits_exempt_when: As above.
        application_limits_deduct_when: As above.
        application_limits_cost: As above.
        on_breach: Is told of each refusal, a :class:`~flask_irl.limits.current.CurrentLimit`,
            before the limit's own; the response that the last of them returns is the answer.
        on_meta_breach: The same for refusals by a meta limit, where that has none of its own.
        **options: Any option of :class:`~flask_irl.config.options.Options`; they win over the app's
            config, which wins over the environment. Changes to the config after ``init_app``
            are not taken up, and warned of at the first request. ``base_limit=None`` switches that
            limit off; else None counts as not given.

    Attributes:
        api_keys: Issues and changes API keys.

    Raises:
        ConfigurationError: An option is not known or not allowed.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        key_func: KeyFunc | None = None,
        label_of: LabelFunc | None = None,
        plan_of: PlanFunc | str | None = None,
        listener: Listener | None = None,
        authorize: Authorize | None = None,
        default_limits_per_method: bool = False,
        default_limits_exempt_when: Filter | None = None,
        default_limits_deduct_when: DeductWhen | None = None,
        default_limits_cost: int | CostFunc | None = None,
        application_limits_per_method: bool = False,
        application_limits_exempt_when: Filter | None = None,
        application_limits_deduct_when: DeductWhen | None = None,
        application_limits_cost: int | CostFunc | None = None,
        on_breach: OnBreach | None = None,
        on_meta_breach: OnBreach | None = None,
        **options: Unpack[OptionArguments],
    ) -> None:
        if key_func is not None and not callable(key_func):
            raise ConfigurationError(f"key_func is {key_func!r}: give a function without arguments")
        for option, function in (
            ("key_func", key_func),
            ("label_of", label_of),
            ("authorize", authorize),
        ):
            if function is not None:
                check_callback(option, function)
        if listener is not None and inspect.iscoroutinefunction(getattr(listener, "notify", None)):
            raise ConfigurationError(f"listener {listener!r} is not allowed: its notify is async")
        self._rules = LimitRules(
            Conditions(
                default_limits_per_method,
                default_limits_exempt_when,
                default_limits_deduct_when,
                default_limits_cost,
            ),
            Conditions(
                application_limits_per_method,
                application_limits_exempt_when,
                application_limits_deduct_when,
                application_limits_cost,
            ),
            on_breach,
            on_meta_breach,
        )
        self._rules.check()
        self._key_func = key_func or remote_address
        self._label_of = label_of
        self._plan_of = plan_function(plan_of)
        self._listener = listener
        self._authorize = authorize
        self._arguments: Mapping[str, Any] = options
        states = AppStates()
        self.api_keys = ApiKeyControl(states)
        RouteDecorators.__init__(self, states)
        ClientControl.__init__(self, states)
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
        if self._plan_of is not None and not options.plans:
            raise ConfigurationError("plan_of needs plans: give the option plans, too")
        if self._declarations.requires_api_keys and not options.api_keys:
            raise ConfigurationError(OFF)
        warn_at_start(app)
        state = AppState(
            app,
            self,
            options,
            key_func=self._key_func,
            label_of=self._label_of,
            plan_of=self._plan_of,
            declarations=self._declarations,
            listener=self._listener,
            rules=self._rules,
        )
        if options.enabled and options.admin:
            # First, since it may refuse its options.
            self._declarations.exempt_blueprints.update(attach(app, state, self._authorize))
        state.at_first_request(late_warning(options, self._arguments))
        app.extensions[EXTENSION] = state
        self._states.add(state)
        if options.enabled:
            state.register(app)
        # Flask's own command finds it by the package's entry point; an app's test runner doesn't.
        if COMMAND not in app.cli.commands:
            app.cli.add_command(LateCommand(COMMAND, _load_commands, help="Steer the limiter."))
        app.jinja_env.globals.setdefault("irl_decision", lambda: self.current_decision)

    def flush(self) -> int:
        """Flush: learn now from the current app's requests; returns how many there were."""
        return state_of(current_app).limiter.flush()

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


def _load_commands() -> Command:
    """Import the commands: a web worker never needs them."""
    from flask_irl.cli import irl

    return irl
