"""Count the limits of functions that are no views, wherever a request calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from flask import current_app, request

from flask_irl.limiter.access import Ruling
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.web.exchange import Exchange
from flask_irl.web.identity import Identity
from flask_irl.web.late import LateDecisions
from flask_irl.web.questions import Question, Questions
from flask_irl.web.responses import RateLimitExceeded
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import RouteTable


class Checks:
    """Count the limits of functions in the requests of one app.

    A function may be called before the request itself has been decided on (by an earlier hook, a
    login's loader, a session), or in a request that never is: an event of Socket.IO, a context
    made by hand.

    Args:
        limiter: Decides.
        identity: Identifies clients.
        routes: The app's routes.
        questions: Turns routes into questions.
        late: Decides on requests whose view's decorators come first.
        slot: Name in a request's environment under which its exchange is.
        exceeded: Makes the exception that refuses a request.
    """

    def __init__(
        self,
        limiter: Limiter,
        identity: Identity,
        routes: RouteTable,
        questions: Questions,
        late: LateDecisions,
        *,
        slot: str,
        exceeded: Callable[[Decision, Question], tuple[RateLimitExceeded, bool]],
    ) -> None:
        self._limiter = limiter
        self._identity = identity
        self._routes = routes
        self._questions = questions
        self._late = late
        self._slot = slot
        self._exceeded = exceeded

    def check(self, limit: RouteLimit) -> None:
        """Count a function's limit, unless the decision on the request includes it.

        Raises:
            RateLimitExceeded: The limit refuses.
        """
        environ = request.environ
        exchange = environ.get(self._slot)
        if exchange is None:
            exchange = environ[self._slot] = Exchange()
        if exchange.exempt or exchange.answering:
            return
        if exchange.late and exchange.route.covers(limit):
            refused = self._late.reach(limit, exchange)
            if refused is not None:
                self._refuse(exchange, *refused)
            return
        try:
            if exchange.decided and exchange.route.covers(limit):
                return
            found = self._decide(limit, exchange)
        except Exception as error:
            self._limiter.failures.swallow("limit", error)
            return
        if found is None:
            return
        decision, question = found
        if not exchange.decided:
            # Requests by one connection, as of Socket.IO, have one environment.
            exchange.decision = None
            exchange.functions = {}
        exchange.functions = {**exchange.functions, question.plan: question}
        exchange.add(decision)
        if not decision.admitted:
            self._refuse(exchange, *found)

    def _decide(self, limit: RouteLimit, exchange: Exchange) -> tuple[Decision, Question] | None:
        """Decide on a function's limit alone; None where it doesn't apply to the request."""
        if not limit.applies_to(request.method):
            return None
        refusal = None
        client = exchange.client if exchange.decided else ""
        if not client:
            client, refusal = self._rule(exchange)
            if not client:
                return None
        route = self._routes.alone(
            limit, exchange.route.label, request.endpoint or "", request.method
        )
        question = self._questions.question(route, client)
        if len(question.plan.scopes) == 1:
            return None
        if refusal is not None:
            return refusal, question
        # The limit on all requests of the client has counted this one before, or will.
        plan = self._limiter.plans.without_base(question.plan)
        keys = question.keys_for(client)
        return self._limiter.decide(plan, keys, question.cost), question

    def _rule(self, exchange: Exchange) -> Ruling:
        """Rule on the client of a request not yet decided on; exempt ones have no key."""
        if not exchange.late:
            exchange.route = self._routes.route(current_app, request.url_rule, request.method)
        # A filter that needs what a login is only about to provide fails here; it is asked again.
        if exchange.route.exempt or self._late.passes(quietly=True):
            return Ruling("", None)
        return self._late.rule(self._identity.client(request.environ), request.environ)

    def _refuse(self, exchange: Exchange, decision: Decision, question: Question) -> NoReturn:
        self._limiter.log_refusal(decision, exchange.route.label)
        raise self._exceeded(decision, question)[0]
