"""Ask the limiter about each request, as early as can be, and let it through or refuse it.

A request like an earlier one is asked about before Flask sees it: a client that is known to be over
its limit, or denied or blocked with its network, is refused without Flask, and about any other one
the store is asked while Flask gets ready. The decision is made in the app's first hook, where Flask
knows the route; where limits or client depend on the app's other hooks, it is made after them
(``web/late.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from flask import Flask, Request, Response, current_app, request

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.web.bypass import Bypass
from flask_irl.web.callbacks import Filter
from flask_irl.web.error_handlers import ask_app
from flask_irl.web.exchange import EarlyQuestion, Exchange, Refusal
from flask_irl.web.identity import Identity
from flask_irl.web.late import LateDecisions
from flask_irl.web.late_calls import LateCalls
from flask_irl.web.preflights import Preflights, is_preflight
from flask_irl.web.questions import Question, Questions
from flask_irl.web.recognition import Known, Recognition
from flask_irl.web.refusal_body import form_for
from flask_irl.web.refusal_page import RefusalPage
from flask_irl.web.request_plans import UNTOLD, RequestPlans
from flask_irl.web.responses import RateLimitExceeded, early_refusal, refusal
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
        request_plans: Tells the rate plan of each request.
        recognition: Remembers routes for :meth:`ask`.
        slot: Name in a request's environment under which its exchange is.
        filters: Return True for requests that aren't limited; may grow.
        early_refusals: Whether clients may be refused without Flask.
        exceeded: Makes the exception that refuses a request, and tells whether the app is to be
            asked about each refusal like this one.
        page: The app's page of a refusal.

    Attributes:
        late: Decides where the app's hooks must have run.
        hook: The app's hook that calls :meth:`decide`.
    """

    def __init__(
        self,
        limiter: Limiter,
        identity: Identity,
        *,
        routes: RouteTable,
        questions: Questions,
        request_plans: RequestPlans,
        recognition: Recognition,
        slot: str,
        filters: list[Filter],
        early_refusals: bool,
        exceeded: Callable[[Decision, Question], tuple[RateLimitExceeded, bool]],
        page: RefusalPage,
    ) -> None:
        self._limiter = limiter
        self._identity = identity
        self._routes = routes
        self._questions = questions
        self._rate_plans = limiter.rate_plans
        self._request_plans = request_plans
        self._recognition = recognition
        self._slot = slot
        self._filters = filters
        self._access = limiter.access
        self._early_refusals = early_refusals
        self._exceeded = exceeded
        self._page = page
        self._early_key: Callable[[WSGIEnvironment], str | None] | None = None
        self._hooks: list[object] = []
        self.hook: Callable[[], object] = self.decide
        self._preflights = Preflights(limiter.options)
        self.late = LateDecisions(
            limiter,
            identity,
            questions,
            request_plans,
            slot=slot,
            filters=filters,
            refuse=self._refuse,
            routes=routes,
        )

    def register(self, app: Flask, *, innermost: bool, bypass: Bypass, calls: LateCalls) -> None:
        """Decide on the requests of an app, whose hook :attr:`hook` is by now.

        Args:
            app: The app.
            innermost: Whether nothing unknown is between the middleware and the app, which might
                see a request in another way.
            bypass: Finishes requests that have passed the middleware by.
            calls: The app's calls, for decisions after its hooks.
        """
        self._bypass = bypass
        self._hooks = cast(list[object], app.before_request_funcs[None])
        self.late.serve(app, self.hook, calls)
        by_path = not (app.url_map.host_matching or app.subdomain_matching)
        if by_path and innermost:
            self._early_key = self._identity.early

    def ask(self, environ: WSGIEnvironment, exchange: Exchange, known: Known) -> Refusal | None:
        """Ask the store about a request before Flask sees it, or refuse it; never raises.

        Not where a filter or another hook before the limiter's may answer first.
        """
        limiter = self._limiter
        try:
            if self._early_key is None or self._filters or self._hooks[0] is not self.hook:
                return None
            route, rule = known
            client = self._early_key(environ)
            if client is None:
                return None
            ruled, refusal = self._access.rule, None
            if ruled is not None:
                client, refusal = ruled(client, environ.get("REMOTE_ADDR") or "")
                if not client:
                    return None
            told = self._request_plans.early(client, environ) if self._rate_plans.any else None
            question = None if told is UNTOLD else self._questions.fixed(route, told)
            if question is None:
                return None
            if refusal is not None or client in limiter.refusals.known:
                return self._refuse_early(environ, exchange, route, question, client, refusal)
            if limiter.asks_ahead:
                started = time.perf_counter()
                keys = question.keys_for(client)
                exchange.route, exchange.client = route, client
                begun = limiter.begin(question.plan, keys, question.cost)
                if begun is not None:
                    exchange.early = EarlyQuestion(begun, rule, question, keys)
                exchange.seconds = time.perf_counter() - started
        except Exception as error:
            exchange.decision = None
            exchange.decided = False
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
        elif exchange.decided:
            return None
        if not exchange.fronted:
            self._bypass.serve(cast(Flask, current_app._get_current_object()))  # type: ignore[attr-defined]
        early = exchange.early
        try:
            if early is not None and early.rule is current.url_rule:
                started = time.perf_counter()
                exchange.early = None
                begun, _, question, keys = early
                decision = self._limiter.decide(question.plan, keys, question.cost, begun)
                exchange.seconds += time.perf_counter() - started
            else:
                started = time.perf_counter()
                made = self._decide_now(current, exchange)
                exchange.seconds += time.perf_counter() - started
                if made is None:
                    return None
                decision, question = made
        except Exception as error:
            # An error in here is no reason to fail the host's request.
            exchange.decided = True
            self._limiter.failures.swallow("before_request", error)
            return None
        check = self._limiter.campaigns.check
        if check is not None:
            decision = check(decision, exchange.route.label, current.method)
        exchange.decided = True
        exchange.question = question
        if exchange.decision is None:
            exchange.decision = decision
        else:
            exchange.add(decision)
        return None if decision.admitted else self._refuse(current, exchange, decision, question)

    def settle(self, exchange: Exchange) -> None:
        """Take the store's answer on a request that never came to be decided on."""
        early, exchange.early = exchange.early, None
        if early is not None:
            begun, _, question, keys = early
            decision = self._limiter.decide(question.plan, keys, question.cost, begun)
            if exchange.decision is None and not exchange.decided:
                exchange.decision = decision

    def _decide_now(self, current: Request, exchange: Exchange) -> tuple[Decision, Question] | None:
        """Decide on a request, or put that off; None where that is so, or it is exempt."""
        limiter, environ = self._limiter, current.environ
        route = self._routes.route(current_app, current.url_rule, current.method)
        exchange.route = route
        if route.exempt:
            if route.files is None or route.files.has(current):
                self.late.exempt(exchange)
                return None
            route = exchange.route = self._routes.missing
        if route.preflights and is_preflight(environ):
            decision = self._preflights.decide(environ)
            if decision.admitted:
                self.late.exempt(exchange)
                return None
            return decision, Question(self._preflights.plan, None, 1, ())
        client = None if self._filters else self._identity.known(environ)
        if client is None:
            return self.late.begin(current, exchange)
        ruled, refusal = self._access.rule, None
        if ruled is not None:
            client, refusal = ruled(client, environ.get("REMOTE_ADDR") or "")
            if not client:
                self.late.exempt(exchange)
                return None
        exchange.client = client
        told = self._request_plans.early(client, environ) if self._rate_plans.any else None
        question = None if told is UNTOLD else self._questions.fixed(route, told)
        if question is None:
            if refusal is not None:
                return refusal, self._questions.rest(route)
            return self.late.begin(current, exchange)
        keys = question.keys_for(client)
        decision = refusal or limiter.decide(question.plan, keys, question.cost)
        useful = limiter.asks_ahead or not decision.admitted
        if useful and route.recognisable and self._early_key is not None:
            self._recognition.learn(environ, route, current.url_rule)
        return decision, question

    def _refuse(
        self, current: Request, exchange: Exchange, decision: Decision, question: Question
    ) -> Response:
        self._limiter.log_refusal(decision, exchange.route.label)
        error, asks = self._exceeded(decision, question)
        response = ask_app(current, error) or cast(Response | None, error.response)
        if response is not None:
            return response
        # First, for who is refused in front of Flask must not miss the app's template.
        self._page.look(current_app)
        exchange.route.plainly_refused = not asks
        return refusal(error, current.environ)

    def _refuse_early(
        self,
        environ: WSGIEnvironment,
        exchange: Exchange,
        route: Route,
        question: Question,
        client: str,
        refusal: Decision | None,
    ) -> Refusal | None:
        """Refuse a client that is known to be refused, unless the app must answer.

        A browser's request from another site goes on to the app, which may have headers for it
        without which the browser hides the refusal; so does one whose refusal the app may answer.
        """
        if not self._early_refusals or not route.plainly_refused or "HTTP_ORIGIN" in environ:
            return None
        form = form_for(environ)
        if form == "problem" or (form == "html" and self._page.is_apps):
            return None
        if any(notice.on_breach is not None for notice in question.notices):
            # The limit that refuses may be another than the one that was answered plainly.
            return None
        limiter = self._limiter
        started = time.perf_counter()
        decision = refusal or limiter.decide(
            question.plan, question.keys_for(client), question.cost
        )
        exchange.decision, exchange.route, exchange.client = decision, route, client
        exchange.decided, exchange.question = True, question
        exchange.seconds = time.perf_counter() - started
        if decision.admitted:
            return None
        limiter.log_refusal(decision, route.label)
        return early_refusal(environ, decision, question.message(decision), form)
