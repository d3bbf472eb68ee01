"""Hold an extension's state for one app: its limiter, and each part of a request's way."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask

from flask_irl.config.options import Options
from flask_irl.errors import IrlError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.limits.current import CurrentLimit
from flask_irl.limits.decision import Decision
from flask_irl.limits.plan import Plan
from flask_irl.telemetry.events import Listener
from flask_irl.web import error_handlers
from flask_irl.web.api_keys import keys_of, new_enforcer, new_identity
from flask_irl.web.body import BodyDrain
from flask_irl.web.breaches import Breaches
from flask_irl.web.bypass import Bypass
from flask_irl.web.callbacks import KeyFunc
from flask_irl.web.checks import Checks
from flask_irl.web.current import limits_of
from flask_irl.web.decorators import Declarations
from flask_irl.web.deductions import Deductions
from flask_irl.web.described_routes import described_routes
from flask_irl.web.first_requests import FirstRequests
from flask_irl.web.flask_calls import answer_raised
from flask_irl.web.key_functions import KeyFromEnviron, logged_in_user, remote_address
from flask_irl.web.labels import LabelFunc, Labels
from flask_irl.web.limit_rules import NO_RULES, LimitRules
from flask_irl.web.logins import Logins
from flask_irl.web.middleware import Middleware, innermost
from flask_irl.web.patterns import ConfiguredRules
from flask_irl.web.questions import Question, Questions, fixed_plan
from flask_irl.web.recognition import Recognition
from flask_irl.web.refusal_page import RefusalPage
from flask_irl.web.request_plans import PlanFunc, RequestPlans
from flask_irl.web.responses import RateLimitExceeded, Responder
from flask_irl.web.routes import Route, RouteTable
from flask_irl.web.switch import switch
from flask_irl.web.tracing import new_observer
from flask_irl.web.usage import Usage

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

EXTENSION: Final = "flask_irl"


class AppState:
    """Put a limiter on each request's way through an app.

    Args:
        app: The app; not held.
        owner: The extension.
        options: The app's options.
        key_func: Identifies clients.
        label_of: Names clients for people.
        plan_of: Names clients' rate plans.
        declarations: The extension's; may grow.
        listener: Takes events.
        rules: The conditions of the limits on all routes.

    Raises:
        ConfigurationError: An option is wrong.
    """

    def __init__(
        self,
        app: Flask,
        owner: object,
        options: Options,
        *,
        key_func: KeyFunc,
        label_of: LabelFunc | None = None,
        plan_of: PlanFunc | None = None,
        declarations: Declarations,
        listener: Listener | None,
        rules: LimitRules = NO_RULES,
    ) -> None:
        self._app = weakref.ref(app)
        self.owner = owner
        self.options = options
        self.names_addresses = key_func is remote_address
        """Tells that clients are named by their addresses."""
        self.own_blueprints: Collection[str] = ()
        """Names of the admin API's blueprints, whose routes aren't described as the app's."""
        self._enabled = options.enabled
        self._registered = self._closed = False
        self.limiter = open_limiter(options, listener=listener)
        configured = ConfiguredRules(owner, options.exempt, options.limits)
        logins = Logins(owner, options.login_routes)
        self.routes = self.new_routes(declarations, configured, logins, rules)
        self.at_first_request(lambda app: configured.warn_of_useless(app.url_map))
        self.at_first_request(lambda app: logins.warn_of_useless(app.url_map))
        self._slot = f"flask_irl.{id(self):x}"
        self._recognition = Recognition()
        callback_failed = self.limiter.failures.callback_failed
        page = RefusalPage(callback_failed)
        self._responder = self.new_responder(page)
        if label_of is not None:
            self.limiter.label_of = Labels(label_of, callback_failed)
        self.questions = self.new_questions()
        self.request_plans = RequestPlans(self.limiter.rate_plans, plan_of, callback_failed)
        deductions = self.new_deductions()
        self.questions.at_tests = lambda: deductions.serve(self._app())
        self._breaches = Breaches(rules.on_breach, rules.on_meta_breach, callback_failed)
        self.api_keys = keys_of(self.limiter, self._slot, self.request_plans)
        identity = self._identity = new_identity(key_func, callback_failed, self.api_keys)
        self._by_address = isinstance(key_func, KeyFromEnviron) or key_func is logged_in_user
        self.enforcer = new_enforcer(self.api_keys)(
            self.limiter,
            identity,
            routes=self.routes,
            questions=self.questions,
            request_plans=self.request_plans,
            recognition=self._recognition,
            slot=self._slot,
            filters=declarations.filters,
            early_refusals=options.early_refusals,
            exceeded=self._exceeded,
            page=page,
        )
        self.checks = Checks(
            self.limiter,
            identity,
            self.routes,
            self.questions,
            self.enforcer.late,
            slot=self._slot,
            exceeded=self._exceeded,
        )
        self.usage = Usage(
            self.limiter, self.routes, self.questions, self.request_plans, self.enforcer.late
        )
        self._observer = new_observer(self.limiter, options.honeypots)

    def new_routes(
        self,
        declarations: Declarations,
        configured: ConfiguredRules,
        logins: Logins,
        rules: LimitRules,
    ) -> RouteTable:
        """Make the table of the app's routes."""
        options, owner = self.options, self.owner
        return RouteTable(
            owner,
            options.default_limits,
            declarations,
            configured,
            logins,
            default_limit=rules.default_limit(owner, options.default_limits),
            on_all=rules.on_all_routes(owner, options.application_limits, options.meta_limits),
        )

    def new_questions(self) -> Questions:
        """Make the maker of questions about routes."""
        return Questions(self.limiter, self.limiter.failures.callback_failed)

    def new_responder(self, page: RefusalPage) -> Responder:
        """Make the responder that completes answers."""
        options = self.options
        return Responder(
            headers_enabled=options.headers_enabled,
            ietf=options.ietf_headers,
            epoch=options.reset_format == "epoch",
            failed=self.limiter.failures.swallow,
            page=page.write,
        )

    def new_deductions(self) -> Deductions:
        """Make what counts requests after their answers."""
        return Deductions(self.limiter, self._slot)

    def _exceeded(self, decision: Decision, question: Question) -> tuple[RateLimitExceeded, bool]:
        """Make the exception that refuses a request, and tell whether the app was asked first."""
        if not question.notices and not self._breaches.hears_all:
            return self._responder.exceeded(decision, None), False
        asks, response = self._breaches.ask(decision, question)
        message = question.message(decision)
        return self._responder.exceeded(decision, message, response), asks

    def register(self, app: Flask) -> None:
        """Take part in each of an app's requests."""
        self._registered = True
        outer, place, is_app = innermost(app)
        failures = self.limiter.failures
        body = BodyDrain(app.config, failures.swallow)
        first = FirstRequests(
            by_address=self._by_address, local=self.limiter.store.local, guard=failures.guard
        )
        bypass = Bypass(
            self._slot,
            responder=self._responder,
            observer=self._observer,
            body=body,
            late=self.enforcer.late,
            look=first.look,
        )
        self.enforcer.register(app, innermost=is_app, bypass=bypass)
        error_handlers.register(app)
        middleware = Middleware(
            getattr(outer, place),
            self._slot,
            recognition=self._recognition,
            enforcer=self.enforcer,
            responder=self._responder,
            observer=self._observer,
            body=body,
        )
        first.watch(middleware)
        setattr(outer, place, middleware)
        answer_raised(app, self._slot)

    def at_first_request(self, work: Callable[[Flask], object]) -> None:
        """Do work on the app when all its routes are there: at the first request for one."""
        guard = self.limiter.failures.guard
        self.routes.at_first.append(lambda app: guard("start", partial(work, app)))

    @property
    def enabled(self) -> bool:
        """Tell whether it takes part in requests."""
        return self._enabled

    def switch(self, on: bool) -> None:
        """Take part in the app's requests from now on, or in none; in none once it is closed."""
        app = self._app()
        on = on and not self._closed
        if on and app is not None and not self._registered:
            self.register(app)
        elif app is not None and self._registered and on is not self._enabled:
            hooks = cast(list[object], app.before_request_funcs[None])
            switch(hooks, self.enforcer.decide, on)
        self._enabled = on

    def close(self) -> None:
        """End the limiter: requests pass as if there were none. Does nothing the second time."""
        if self._closed:
            return
        self.switch(False)
        self._closed = True
        self.limiter.close()

    def described_routes(self, app: Flask) -> list[dict[str, Any]]:
        """Describe an app's routes with their limits for people, limited ones first."""
        found = described_routes(self.routes, app, self.own_blueprints)
        return sorted(found, key=lambda route: bool(route["exempt"]))

    def decision_on(self, environ: WSGIEnvironment) -> Decision | None:
        """Give the decision on a request, by its environment."""
        exchange = environ.get(self._slot)
        return None if exchange is None else exchange.decision

    def limits_on(self, environ: WSGIEnvironment) -> list[CurrentLimit]:
        """List the limits that a request counts under, as they stand, by its environment."""
        exchange = environ.get(self._slot)
        return [] if exchange is None else limits_of(exchange, self.limiter)

    def key_on(self, environ: WSGIEnvironment) -> str:
        """Give the key of a request's client, whether that is limited or not."""
        exchange = environ.get(self._slot)
        known = "" if exchange is None else exchange.client
        if not known or known in self.limiter.access.networks:
            # A request that counts as its network's has a client all the same.
            return self._identity.client(environ)
        return known

    def fixed_plan(self, limiter: Limiter, route: Route) -> Plan | None:
        """Make the plan of a route's fixed limits for any limiter; None where it is exempt."""
        return None if route.exempt else fixed_plan(limiter, route)

    def note_failed_login(self, environ: Mapping[str, Any]) -> None:
        """Note that a request is a login that failed, whatever it will be answered with."""
        exchange = environ.get(self._slot)
        if exchange is not None:
            exchange.failed_login = True


def state_of(app: Flask) -> AppState:
    """Give the state of an app's extension.

    Raises:
        IrlError: None is registered.
    """
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, AppState):
        raise IrlError("no IntelligentLimiter is registered with this app: call init_app first")
    return state
