"""Hold an extension's state for one app: its limiter, and each part of a request's way."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask

from flask_irl.config.options import Options
from flask_irl.errors import IrlError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from flask_irl.limits.decision import Decision
from flask_irl.telemetry.events import Listener
from flask_irl.web import error_handlers
from flask_irl.web.api_keys import keys_of, new_enforcer, new_identity
from flask_irl.web.body import BodyDrain
from flask_irl.web.breaches import Breaches
from flask_irl.web.bypass import Bypass
from flask_irl.web.callbacks import KeyFunc
from flask_irl.web.checks import Checks
from flask_irl.web.declared_tenants import TenantOf, declared_tenants
from flask_irl.web.decorators import Declarations
from flask_irl.web.described_routes import OwnRoutes
from flask_irl.web.first_requests import FirstRequests
from flask_irl.web.flask_calls import answer_raised
from flask_irl.web.key_functions import KeyFromEnviron, logged_in_user, remote_address
from flask_irl.web.labels import LabelFunc, Labels
from flask_irl.web.late_calls import LateCalls
from flask_irl.web.limit_rules import NO_RULES, LimitRules
from flask_irl.web.logins import Logins
from flask_irl.web.middleware import Middleware, innermost
from flask_irl.web.new_parts import NewParts
from flask_irl.web.on_request import OnRequest
from flask_irl.web.patterns import ConfiguredRules
from flask_irl.web.questions import Question
from flask_irl.web.recognition import Recognition
from flask_irl.web.refusal_page import RefusalPage
from flask_irl.web.request_plans import PlanFunc, RequestPlans
from flask_irl.web.responses import RateLimitExceeded, Responder
from flask_irl.web.switch import switch
from flask_irl.web.tenants import (
    Parts,
    TenantMiddleware,
    TenantStates,
)
from flask_irl.web.tracing import new_observer
from flask_irl.web.usage import Usage

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

EXTENSION: Final = "flask_irl"


class AppState(NewParts, OnRequest, OwnRoutes):
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
        tenant_of: Tells the tenants of requests; None for no tenants.
        of: The state of the app's own, and the limiter, where this is a tenant's.

    Attributes:
        tenants: The states of the app's tenants; None where it has none.
        declared: The options of those that are declared.

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
        tenant_of: TenantOf | None = None,
        of: tuple[AppState, Limiter] | None = None,
    ) -> None:
        self.declared = declared_tenants(options, tenant_of)
        self.tenants: TenantStates[AppState] | None = None
        self._app = weakref.ref(app)
        self.owner = owner
        self.options = options
        self.names_addresses = key_func is remote_address
        """Tells that clients are named by their addresses."""
        self._enabled = options.enabled
        self._registered = self._closed = False
        main, limiter = (None, None) if of is None else of
        self.limiter = limiter or open_limiter(options, listener=listener)
        configured = ConfiguredRules(owner, options.exempt, options.limits)
        logins = Logins(owner, options.login_routes)
        self.routes = self.new_routes(declarations, configured, logins, rules)
        self.limiter.limited_routes = self.routes.limited
        for work in declarations.at_first:
            self.at_first_request(work)
        if main is None:
            self.at_first_request(lambda app: configured.warn_of_useless(app.url_map))
            self.at_first_request(lambda app: logins.warn_of_useless(app.url_map))
        self._slot = f"flask_irl.{id(self):x}" if main is None else main._slot
        self._recognition = Recognition()
        callback_failed = self.limiter.failures.callback_failed
        self._page: RefusalPage = RefusalPage(callback_failed) if main is None else main._page
        page = self._page
        self.responder: Responder = self.new_responder(page) if main is None else main.responder
        if label_of is not None:
            self.limiter.label_of = Labels(label_of, callback_failed)
        self.questions = self.new_questions()
        self.request_plans = RequestPlans(self.limiter.rate_plans, plan_of, callback_failed)
        deductions = self.new_deductions()
        self.deduct = deductions.deduct
        self.questions.at_tests = lambda: deductions.serve(self._app())
        if main is not None and main.tenants is not None:
            self._share_deductions(main.tenants)
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
        self.observer = new_observer(self.limiter, options.honeypots)
        if tenant_of is not None:
            self.tenants = TenantStates(
                self,
                tenant_of,
                self.declared,
                lambda limiter: AppState(
                    cast(Flask, self._app()),
                    owner,
                    limiter.configured,
                    key_func=key_func,
                    plan_of=plan_of,
                    declarations=declarations,
                    listener=None,
                    rules=rules,
                    of=(self, limiter),
                ),
                self._slot,
            )
            self._share_deductions(self.tenants)

    def _exceeded(self, decision: Decision, question: Question) -> tuple[RateLimitExceeded, bool]:
        """Make the exception that refuses a request, and tell whether the app was asked first."""
        if not question.notices and not self._breaches.hears_all:
            return self.responder.exceeded(decision, None), False
        asks, response = self._breaches.ask(decision, question)
        message = question.message(decision)
        return self.responder.exceeded(decision, message, response), asks

    def register(self, app: Flask) -> None:
        """Take part in each of an app's requests."""
        self._registered = True
        outer, place, is_app = innermost(app)
        failures = self.limiter.failures
        body = BodyDrain(app.config, failures.swallow)
        first = FirstRequests(
            by_address=self._by_address, local=self.limiter.store.local, guard=failures.guard
        )
        # Not by Flask's decorator: switched on, the limiter may come after the first request.
        hooks = cast(list[object], app.before_request_funcs.setdefault(None, []))
        hooks.append(self.enforcer.hook)
        tenants = self.tenants
        served: Any = self if tenants is None else tenants.dispatch()
        bypass = Bypass(
            self._slot,
            responder=self.responder,
            observer=self.observer if tenants is None else served,
            body=body,
            late=self.enforcer.late if tenants is None else served,
            look=first.look,
        )
        parts = Parts(is_app, bypass, LateCalls(app, self._slot), body)
        middleware: Middleware | TenantMiddleware
        if tenants is None:
            self.connect(app, parts)
            middleware = self.middleware(getattr(outer, place), body)
        else:
            middleware = tenants.register(app, getattr(outer, place), parts)
        error_handlers.register(app)
        first.watch(middleware)
        setattr(outer, place, middleware)
        answer_raised(app, self._slot)

    def connect(self, app: Flask, parts: Parts) -> None:
        """Decide on an app's requests, or on those of the tenant."""
        self.enforcer.register(
            app, innermost=parts.innermost, bypass=parts.bypass, calls=parts.calls
        )

    def middleware(self, inner: WSGIApplication, body: BodyDrain) -> Middleware:
        """Make the middleware of an app, or of a tenant's requests to it."""
        return Middleware(
            inner,
            self._slot,
            recognition=self._recognition,
            enforcer=self.enforcer,
            responder=self.responder,
            observer=self.observer,
            body=body,
        )

    def of_request(self) -> AppState:
        """Give the state of the current request's tenant; this one where there are no tenants."""
        return self if self.tenants is None else self.tenants.current()

    def _share_deductions(self, tenants: TenantStates[AppState]) -> None:
        self.questions.at_tests = lambda: tenants.deduct_after(self._app())

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
            switch(hooks, self.enforcer.hook, on)
        self._enabled = on

    def flush(self) -> int:
        """Learn now from the app's requests, those of all tenants; returns how many there were.

        Raises:
            StoreError: The store failed.
        """
        others = () if self.tenants is None else self.tenants.limiters.all().values()
        return sum(limiter.flush() for limiter in (self.limiter, *others))

    def close(self) -> None:
        """End the limiter: requests pass as if there were none. Does nothing the second time."""
        if self._closed:
            return
        self.switch(False)
        self._closed = True
        self.limiter.close()


def state_of(app: Flask) -> AppState:
    """Give the state of an app's extension.

    Raises:
        IrlError: None is registered.
    """
    state = app.extensions.get(EXTENSION)
    if not isinstance(state, AppState):
        raise IrlError("no IntelligentLimiter is registered with this app: call init_app first")
    return state
