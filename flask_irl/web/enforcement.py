"""Ask the limiter about each request, as early as can be, and let it through or refuse it.

A request like an earlier one is asked about before Flask sees it: a client that is known to be over
its limit is refused without Flask, and about any other one the store is asked while Flask gets
ready. The decision is made in the app's first hook, where Flask knows the route.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, cast

from flask import Flask, Request, Response, current_app, request

from flask_irl.config.access_lists import AccessLists
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.telemetry.events import RequestExempted
from flask_irl.web.callbacks import Filter, is_true
from flask_irl.web.error_handlers import ErrorHandlers
from flask_irl.web.exchange import EarlyQuestion, Exchange, Refusal
from flask_irl.web.identity import Identity
from flask_irl.web.questions import Question, Questions
from flask_irl.web.recognition import Known, Recognition
from flask_irl.web.responses import (
    RateLimitExceeded,
    early_refusal,
    may_want_problem,
    refusal,
)
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import Route, RouteTable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Enforcer:
    """Decide on the requests of one app.

    Args:
        limiter: Decides.
        identity: Identifies clients.
        routes: The app's routes.
        questions: Turns routes into questions.
        recognition: Remembers routes for :meth:`ask`.
        slot: Name in a request's environment under which its exchange is.
        filters: Return True for requests that aren't limited; may grow.
        lists: Clients allowed and denied by configuration.
        early_refusals: Whether clients may be refused without Flask.
        error_handlers: Ask the app for its own answer.
        exceeded: Makes the exception that refuses a request, of the decision and its message.
    """

    def __init__(
        self,
        limiter: Limiter,
        identity: Identity,
        *,
        routes: RouteTable,
        questions: Questions,
        recognition: Recognition,
        slot: str,
        filters: list[Filter],
        lists: AccessLists | None,
        early_refusals: bool,
        error_handlers: ErrorHandlers,
        exceeded: Callable[[Decision, str | None], RateLimitExceeded],
    ) -> None:
        self._limiter = limiter
        self._identity = identity
        self._routes = routes
        self._questions = questions
        self._recognition = recognition
        self._slot = slot
        self._filters = filters
        self._lists = lists
        self._early_refusals = early_refusals
        self._error_handlers = error_handlers
        self._exceeded = exceeded
        self._early_key: Callable[[WSGIEnvironment], str | None] | None = None
        self._hooks: list[object] = []
        self._hook = self.decide

    def register(self, app: Flask, *, innermost: bool) -> None:
        """Decide on the requests of an app, in a hook before each.

        Args:
            app: The app.
            innermost: Whether nothing unknown is between the middleware and the app, which might
                see a request in another way.
        """
        app.before_request(self._hook)
        self._hooks = cast(list[object], app.before_request_funcs[None])
        by_path = not (app.url_map.host_matching or app.subdomain_matching)
        if by_path and innermost:
            self._early_key = self._identity.early

    def ask(self, environ: WSGIEnvironment, exchange: Exchange, known: Known) -> Refusal | None:
        """Ask the store about a request before Flask sees it, or refuse it; never raises.

        Not where a filter or another hook before the limiter's may answer first.
        """
        limiter = self._limiter
        try:
            if self._early_key is None or self._filters or self._hooks[0] is not self._hook:
                return None
            route, rule = known
            question = self._questions.fixed(route)
            if question is None:
                return None
            client = self._early_key(environ)
            if client is None:
                return None
            if client in limiter.refusals.known:
                return self._refuse_early(environ, exchange, route, question, client)
            if limiter.asks_ahead and (self._lists is None or not self._lists.rule_for(client)):
                started = time.perf_counter()
                keys = question.keys_for(client)
                exchange.route, exchange.client = route, client
                begun = limiter.begin(question.plan, keys, question.cost)
                if begun is not None:
                    exchange.early = EarlyQuestion(begun, rule, question, keys)
                exchange.seconds = time.perf_counter() - started
        except Exception as error:
            exchange.decision = None
            limiter.failures.swallow("early", error)
        return None

    def decide(self) -> Response | None:
        """Decide on the request being served, before its view; returns the answer to a refused one.

        Raises:
            RateLimitExceeded: It is refused, and a handler of the app answers that.
        """
        current = cast(Request, request._get_current_object())  # type: ignore[attr-defined]
        environ = current.environ
        exchange = environ.get(self._slot)
        if exchange is None:
            exchange = environ[self._slot] = Exchange()
        elif exchange.decision is not None:
            return None
        question: Question | None
        early = exchange.early
        try:
            if early is not None and early.rule is current.url_rule:
                started = time.perf_counter()
                exchange.early = None
                begun, _, question, keys = early
                exchange.decision = self._limiter.decide(question.plan, keys, question.cost, begun)
                exchange.seconds += time.perf_counter() - started
            else:
                question = self._decide_now(current, exchange)
        except Exception as error:
            # An error in here is no reason to fail the host's request.
            self._limiter.failures.swallow("before_request", error)
            return None
        decision = exchange.decision
        if question is None or decision is None or decision.admitted:
            return None
        return self._refuse(current, exchange, decision, question)

    def settle(self, exchange: Exchange) -> None:
        """Take the store's answer on a request that never came to be decided on."""
        early, exchange.early = exchange.early, None
        if early is not None:
            begun, _, question, keys = early
            self._limiter.decide(question.plan, keys, question.cost, begun)

    def check(self, limit: RouteLimit) -> None:
        """Count a function's limit, unless the request's route has done so.

        Raises:
            RateLimitExceeded: The limit refuses.
        """
        exchange = request.environ.get(self._slot)
        if exchange is None or exchange.decision is None or limit in exchange.route.covered:
            return
        try:
            decision, question = self._check(limit, exchange)
        except Exception as error:
            self._limiter.failures.swallow("limit", error)
            return
        if decision is None or question is None:
            return
        before = exchange.decision
        shown = before
        if not decision.admitted or decision.remaining < before.remaining:
            shown = decision._replace(at=before.at, gap=before.gap)
        outcome = before.outcome if decision.outcome == "allowed" else decision.outcome
        exchange.decision = shown._replace(outcome=outcome)
        if not decision.admitted:
            self._raise(exchange, decision, question.message(decision))

    def decision_on(self, environ: WSGIEnvironment) -> Decision | None:
        """Give the decision on a request, by its environment."""
        exchange = environ.get(self._slot)
        return None if exchange is None else exchange.decision

    def _decide_now(self, current: Request, exchange: Exchange) -> Question | None:
        limiter = self._limiter
        started = time.perf_counter()
        route = self._routes.route(current_app, current.url_rule, current.method)
        exchange.route = route
        if route.exempt or (self._filters and any(map(self._filtered, self._filters))):
            limiter.notify(RequestExempted(route.label))
            return None
        client = exchange.client = self._identity.client(current.environ)
        word = "" if self._lists is None else self._lists.rule_for(client)
        if word == "allow":
            limiter.notify(RequestExempted(route.label))
            return None
        question = self._questions.question(route, client)
        if word == "deny":
            exchange.decision = limiter.deny(client)
        else:
            keys = question.keys_for(client)
            decision = limiter.decide(question.plan, keys, question.cost)
            exchange.decision = decision
            useful = limiter.asks_ahead or not decision.admitted
            if useful and question.keys is None and self._early_key is not None:
                self._recognition.learn(current.environ, route, current.url_rule)
        exchange.seconds = time.perf_counter() - started
        return question

    def _check(
        self, limit: RouteLimit, exchange: Exchange
    ) -> tuple[Decision | None, Question | None]:
        """Decide on a function's limit alone; None where it doesn't apply to the request."""
        if not limit.applies_to(request.method):
            return None, None
        route = self._routes.alone(
            limit, exchange.route.label, request.endpoint or "", request.method
        )
        question = self._questions.question(route, exchange.client)
        if len(question.plan.scopes) == 1:
            return None, None
        # The limit on all requests of the client has counted this one before.
        plan = self._limiter.plans.without_base(question.plan)
        keys = question.keys_for(exchange.client)
        return self._limiter.decide(plan, keys, question.cost), question

    def _filtered(self, passes: Filter) -> bool:
        try:
            return is_true(passes)
        except Exception as error:
            self._limiter.failures.callback_failed("request_filter", error)
            return False

    def _refuse(
        self, current: Request, exchange: Exchange, decision: Decision, question: Question
    ) -> Response:
        message = question.message(decision)
        self._limiter.log_refusal(decision, exchange.route.label)
        error = self._exceeded(decision, message)
        response = self._error_handlers.ask(current, error)
        if response is not None:
            return response
        exchange.route.plainly_refused = True
        return refusal(current, decision, message)

    def _raise(self, exchange: Exchange, decision: Decision, message: str | None) -> NoReturn:
        self._limiter.log_refusal(decision, exchange.route.label)
        raise self._exceeded(decision, message)

    def _refuse_early(
        self,
        environ: WSGIEnvironment,
        exchange: Exchange,
        route: Route,
        question: Question,
        client: str,
    ) -> Refusal | None:
        """Refuse a client that is known to be over its limit, unless the app must answer.

        A browser's request from another site goes on to the app, which may have headers for it
        without which the browser hides the refusal; so does one whose refusal the app may answer.
        """
        if (
            not self._early_refusals
            or not route.plainly_refused
            or "HTTP_ORIGIN" in environ
            or may_want_problem(environ)
        ):
            return None
        limiter = self._limiter
        started = time.perf_counter()
        decision = limiter.decide(question.plan, question.keys_for(client), question.cost)
        exchange.decision, exchange.route, exchange.client = decision, route, client
        exchange.seconds = time.perf_counter() - started
        if decision.admitted:
            return None
        limiter.log_refusal(decision, route.label)
        return early_refusal(environ, decision, question.message(decision))
